//! What national services write and say is understood as it is: the Consents of the proxy service, the sign-in that proves less.

use concord_api::auth::development::TokenRequest;
use concord_tests::client::text;
use concord_tests::login_service::LoginService;
use concord_tests::people::{self, blood_pressure, with};
use concord_tests::{Concord, on_both};
use serde_json::{Value, json};

on_both! {
    roles_of_the_proxy_service, who_has_not_proven_herself_is_told, a_clinical_role_in_an_organisation_that_is_known,
    who_acts_no_more_gets_nothing
}

const NHS: &str = "https://fhir.nhs.uk/Id/nhs-number";

/// A role as the national proxy service writes it: everybody by NHS number, no role of the actor.
fn role(status: &str) -> Value {
    let number = |value: &str| json!({"identifier": {"system": NHS, "value": value}});
    let coding = |system: &str, code: &str| json!({"coding": [{"system": system, "code": code}]});
    let mut proxy = number("9434765919");
    proxy["type"] = json!("RelatedPerson");
    json!({
        "resourceType": "Consent", "status": status,
        "extension": [{"url": "https://fhir.nhs.uk/England/StructureDefinition/Extension-England-Consent-Status-Reason",
            "valueCodeableConcept": coding("https://fhir.nhs.uk/England/CodeSystem/England-Consent-Status-Reason", "ROLE_CREATED")}],
        "scope": coding("https://terminology.hl7.org/CodeSystem/consentscope", "patient-privacy"),
        "category": [coding("http://terminology.hl7.org/CodeSystem/v3-ActCode", "INFA")],
        "patient": number("9990011176"),
        "dateTime": "2026-01-01",
        "performer": [proxy],
        "policyRule": coding("https://fhir.nhs.uk/England/CodeSystem/England-NHSProxyLegalBasis",
            "health-and-welfare-lasting-power-of-attorney"),
        "provision": {"type": "permit", "period": {"start": "2026-01-01"}, "actor": [{"reference": proxy}],
            "class": [{"system": "https://fhir.nhs.uk/CodeSystem/Proxy-Placeholder-RequestedAccess", "code": "RECRD"}]}
    })
}

async fn roles_of_the_proxy_service(concord: &Concord) {
    people::arrive(concord).await;
    let system = concord.system();
    let number = |value: &str| json!([{"system": NHS, "value": value}]);
    system.store(&json!({"resourceType": "Patient", "id": "amina", "identifier": number("9990011176")})).await;
    let neighbour = json!({"resourceType": "RelatedPerson", "id": "neighbour", "active": true,
        "patient": {"reference": "Patient/amina"}, "identifier": number("9434765919")});
    system.store(&neighbour).await;
    let reading = format!("Observation/{}", system.create(&blood_pressure("amina", 120)).await);
    let proxy = concord.user("RelatedPerson/neighbour");
    proxy.get(&reading).await.expect(404);
    // From a registered system it is stored as it was sent, and understood.
    let stored = system.post("Consent", &role("active")).await.expect(201).json();
    for (element, value) in role("active").as_object().expect("an object") {
        assert_eq!(&stored[element], value, "{element} stays as it was sent");
    }
    proxy.get(&reading).await.expect(200);
    let own = format!("Consent/{}", text(&stored, "/id"));
    concord.patient("amina").get(&own).await.expect(200);
    let found =
        system.get(&format!("Consent?consentor:identifier={NHS}|9434765919&status=active")).await.expect(200).ids();
    assert_eq!(found, [text(&stored, "/id")]);
    // In a Bundle, in XML, and by update as well.
    let entry = json!({"resource": role("active"), "request": {"method": "POST", "url": "Consent"}});
    for kind in ["batch", "transaction"] {
        let bundle = json!({"resourceType": "Bundle", "type": kind, "entry": [entry]});
        let answer = system.post("/fhir", &bundle).await.expect(200).entries();
        assert!(text(&answer[0], "/response/status").starts_with("201"), "{}", answer[0]);
    }
    system.put(&own, &with(role("inactive"), "id", stored["id"].clone())).await.expect(200);
    // From anybody else, and of any other shape, R4's rule holds.
    let strict = |answer: concord_tests::Answer| {
        let refused = answer.expect(422).issues();
        assert_eq!((refused[0].0.as_str(), refused[0].1.as_str()), ("required", "Consent.provision.actor[0].role"));
    };
    let hers = with(role("active"), "patient", json!({"reference": "Patient/amina"}));
    strict(concord.patient("amina").post("Consent", &hers).await);
    let unregistered = concord.app(&TokenRequest {
        scope: "system/Consent.cruds system/Patient.rs".to_owned(),
        client_id: "nobody-knows".to_owned(),
        ..TokenRequest::default()
    });
    strict(unregistered.post("Consent", &role("active")).await);
    let mut other = role("active");
    for element in ["policyRule", "extension"] {
        other.as_object_mut().expect("an object").shift_remove(element);
    }
    strict(system.post("Consent", &with(other, "policy", json!([{"uri": "urn:x"}]))).await);
    let mut nobody = role("active");
    nobody["provision"]["actor"] = json!([{"role": {"text": "x"}}]);
    let refused = system.post("Consent", &nobody).await.expect(422).issues();
    assert_eq!(refused[0].1, "Consent.provision.actor[0].reference");
}

/// A patient whose identity is not proven knows that her record is there: she is told why she does not see it.
async fn who_has_not_proven_herself_is_told(concord: &Concord) {
    people::arrive(concord).await;
    let signed_in = |id: &str, level: &str| {
        concord.app(&TokenRequest {
            patient: Some(id.to_owned()),
            scope: "patient/*.cruds".to_owned(),
            proofing: Some(level.to_owned()),
            ..TokenRequest::default()
        })
    };
    let reading = format!("Observation/{}", concord.system().create(&blood_pressure("amina", 120)).await);
    for level in ["P5", "P0"] {
        let amina = signed_in("amina", level);
        for place in
            ["Patient/amina", "Patient/amina/_history/1", "Patient/amina/$everything", "Patient/amina/$summary"]
        {
            let refused = amina.get(place).await.expect(403).issues();
            assert!(refused.iter().all(|issue| issue.0 == "forbidden"), "{place}: {refused:?}");
            let wanted = if level == "P5" { "proven" } else { "who this is" };
            assert!(refused[0].2.contains(wanted), "{place}: {refused:?}");
        }
        // Whether anybody has stored her makes no difference, and of all else she learns nothing.
        let told = signed_in("nobody-stored", level).get("Patient/nobody-stored").await.expect(403);
        assert_eq!(told.issues(), amina.get("Patient/amina").await.issues());
        for place in [reading.as_str(), "Patient/callum", "Patient/never"] {
            amina.get(place).await.expect(404);
        }
    }
    signed_in("amina", "P9").get("Patient/amina").await.expect(200);
    signed_in("nobody-stored", "P9").get("Patient/nobody-stored").await.expect(404);
}

/// A professional who comes with a token of CIS2 is let in by how strongly they signed in, their role and its organisation: being in the
/// care team is not enough.
async fn a_clinical_role_in_an_organisation_that_is_known(concord: &Concord) {
    people::arrive(concord).await;
    let (system, cis2) = (concord.system(), LoginService::start(false));
    let known = json!([{"system": "https://fhir.nhs.uk/Id/sds-user-id", "value": "555036632103"}]);
    system.store(&json!({"resourceType": "Practitioner", "id": "gp", "identifier": known})).await;
    let code = json!([{"system": "https://fhir.nhs.uk/Id/ods-organization-code", "value": "A83008"}]);
    let surgery =
        json!({"resourceType": "Organization", "id": "surgery", "name": "Example Surgery", "identifier": code});
    system.store(&surgery).await;
    let reading = format!("Observation/{}", system.create(&blood_pressure("amina", 120)).await);
    let issuer = json!([{"issuer": cis2.origin(), "audience": "phr", "kind": "cis2", "jwks": format!("{}/jwks", cis2.origin())}]);
    let issuers = ("CONCORD_ISSUERS", issuer.to_string());
    let now_s = concord.clock.now_s();
    let token = |level: Value, code: &str, organisation: &str| {
        cis2.id_token(&json!({"iss": cis2.origin(), "aud": "phr", "sub": "555036632103", "exp": now_s + 300, "iat": now_s,
            "client_id": concord_tests::server::OWN_APP, "nhsid_useruid": "555036632103", "authentication_assurance_level": level,
            "nhsid_nrbac_roles": [{"person_roleid": "r1", "org_code": organisation, "role_code": code}]}))
    };
    let server = concord.another_node_with(&[(issuers.0, &issuers.1)]).await;
    for (level, code, organisation, status) in [
        (json!("3"), "S8000:G8000:R8001", "A83008", 200),
        (json!(2), "S8000:G8000:R8000", "A83008", 200),
        (json!("1"), "S8000:G8000:R8001", "A83008", 401),
        (Value::Null, "S8000:G8000:R8001", "A83008", 401),
        (json!("3"), "S8000:G8001:R8006", "A83008", 401),
        (json!("3"), "", "A83008", 401),
        (json!("3"), "S8000:G8000:R8001", "", 401),
        (json!("3"), "S8000:G8000:R8001", "B81001", 403),
    ] {
        let app = server.nobody().with_token(token(level.clone(), code, organisation));
        let told = app.get(&reading).await;
        assert_eq!(told.status, status, "{level} {code} {organisation}: {told}");
    }
    // What is asked is the operator's to say.
    let cis2 = json!({"lowest_assurance": 1, "roles": ["R8006"], "organisations": ["B81001"]}).to_string();
    let other = concord.another_node_with(&[(issuers.0, &issuers.1), ("CONCORD_CIS2", &cis2)]).await;
    let app = |token| other.nobody().with_token(token);
    app(token(json!(1), "S8000:G8001:R8006", "B81001")).get(&reading).await.expect(200);
    app(token(json!(3), "S8000:G8000:R8001", "A83008")).get(&reading).await.expect(401);
    // Whose organisation is no longer here is not let in; nor one that is here and inactive.
    let by_cis2 = || server.nobody().with_token(token(json!(3), "S8000:G8000:R8001", "A83008")).get(&reading);
    system.store(&with(surgery.clone(), "active", json!(false))).await;
    by_cis2().await.expect(403);
    system.store(&with(surgery, "active", json!(true))).await;
    by_cis2().await.expect(200);
    // Nor whoever has the user id and is inactive or deleted.
    let gp = json!({"resourceType": "Practitioner", "id": "gp", "identifier": known});
    system.store(&with(gp.clone(), "active", json!(false))).await;
    by_cis2().await.expect(403);
    system.store(&gp).await;
    by_cis2().await.expect(200);
    system.delete("Organization/surgery").await.expect(204);
    by_cis2().await.expect(403);
}

/// A professional of whom it is on record that they act no more gets nothing by a token of an issuer that has not heard of it, nor in an
/// emergency. Of whom nothing was ever stored the issuer's word counts; a patient's own record stays hers.
async fn who_acts_no_more_gets_nothing(concord: &Concord) {
    people::arrive(concord).await;
    let system = concord.system();
    let reading = format!("Observation/{}", system.create(&blood_pressure("amina", 120)).await);
    let role =
        json!({"resourceType": "PractitionerRole", "id": "gp-role", "practitioner": {"reference": "Practitioner/gp"}});
    system.store(&role).await;
    let (gp, by_role) = (concord.user("Practitioner/gp"), concord.user("PractitionerRole/gp-role"));
    let stored = system.get("Practitioner/gp").await.expect(200).json();
    let urgent = |app: &concord_tests::App| {
        let ask = app.get(&reading).header("x-purpose-of-use", "BTG");
        ask.header("x-purpose-reason", "found unconscious at the bus stop")
    };
    gp.get(&reading).await.expect(200);
    by_role.get("Practitioner/gp").await.expect(200);
    system.store(&with(stored.clone(), "active", json!(false))).await;
    for app in [&gp, &by_role] {
        for place in [reading.as_str(), "Observation?patient=amina", "Practitioner/gp", "Patient/amina"] {
            app.get(place).await.expect(403);
        }
        urgent(app).await.expect(403);
        app.post("Observation", &blood_pressure("amina", 130)).await.expect(403);
        // Nor what nothing is decided for, nor as entries.
        for place in ["CodeSystem/$lookup?system=http://loinc.org&code=8480-6", "Observation/_history", "AuditEvent"] {
            app.get(place).await.expect(403);
        }
        app.post("Observation/$validate", &blood_pressure("amina", 130)).await.expect(403);
        for kind in ["batch", "transaction"] {
            let entry = |place: &str| json!({"request": {"method": "GET", "url": place}});
            let bundle = json!({"resourceType": "Bundle", "type": kind, "entry": [entry(&reading)]});
            let told = app.post("/fhir", &bundle).await;
            let status = told.json().pointer("/entry/0/response/status").cloned().unwrap_or_default();
            assert!(told.status == 403 || status.as_str().is_some_and(|status| status.starts_with("403")), "{told}");
        }
    }
    let own = concord.patient("amina").get("AuditEvent?outcome=4,8&_count=100").await.expect(200).json();
    assert!(own.to_string().contains("is not active here any more"), "she sees who has tried: {own}");
    system.store(&with(stored, "active", json!(true))).await;
    gp.get(&reading).await.expect(200);
    system.store(&with(role, "active", json!(false))).await;
    by_role.get("Practitioner/gp").await.expect(403);
    gp.get(&reading).await.expect(200);
    system.store(&json!({"resourceType": "Practitioner", "id": "leaver"})).await;
    let leaver = concord.user("Practitioner/leaver");
    leaver.get("Practitioner/gp").await.expect(200);
    system.delete("Practitioner/leaver").await.expect(204);
    leaver.get("Practitioner/gp").await.expect(403);
    urgent(&leaver).await.expect(403);
    concord.user("Practitioner/never-stored").get("Practitioner/gp").await.expect(200);
    let amina = system.get("Patient/amina").await.expect(200).json();
    system.store(&with(amina, "active", json!(false))).await;
    concord.patient("amina").get(&reading).await.expect(200);
}
