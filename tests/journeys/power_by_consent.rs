//! A sharing choice counts when somebody made it active who may: the patient in her own app, or a registered system.
//! Others propose, and a proposal affects nobody until she takes it. Unknown apps are somebody else's, and the log is
//! under scopes like any type.

use concord_api::auth::development::TokenRequest;
use concord_tests::client::{Answer, Method, text};
use concord_tests::people::{self, blood_pressure, with, without};
use concord_tests::{App, Concord, on_both};
use serde_json::{Value, json};

on_both! {
    with super::SETTINGS;
    an_app_of_others_only_proposes, an_app_of_others_leaves_denials_alone, a_draft_shuts_nobody_out,
    a_suspension_comes_from_a_registered_system, the_safeguarding_office_suspends,
    what_is_released_stays_what_it_was, a_legal_basis_comes_from_a_registered_system, the_patient_takes_or_rejects_a_proposal,
    a_proposal_is_not_kept_from_the_patient, who_proposes_takes_nothing, an_unknown_app_is_somebody_elses,
    the_log_is_under_scopes, an_app_of_others_sees_its_own_log, an_app_of_others_takes_no_label_away,
    what_the_law_gives_stays_the_systems, an_unregistered_system_speaks_for_itself
}

// An empty variable counts as unset: these are tests of the default.
const SETTINGS: &[(&str, &str)] = &[
    ("CONCORD_UNREGISTERED_APPS", ""),
    (
        "CONCORD_CLIENTS",
        r#"[{"client": "phr-app", "kind": "own"}, {"client": "heart-diary", "kind": "third-party"},
            {"client": "vrs", "purposes": ["TREAT"]}]"#,
    ),
];

const STATUS_REASON: &str = "https://fhir.nhs.uk/England/StructureDefinition/Extension-England-Consent-Status-Reason";

fn app(concord: &Concord, client: &str, scope: &str) -> App {
    concord.app(&TokenRequest {
        client_id: client.to_owned(),
        patient: Some("amina".to_owned()),
        scope: scope.to_owned(),
        ..TokenRequest::default()
    })
}

/// The national proxy service: a registered system.
fn service(concord: &Concord) -> App {
    concord.app(&TokenRequest {
        client_id: "vrs".to_owned(),
        scope: "system/*.cruds".to_owned(),
        ..TokenRequest::default()
    })
}

/// Amina's Consent for an app.
fn for_app(effect: &str, client: &str, actions: &[&str], types: &[&str]) -> Value {
    let mut consent = without(people::consent("active", "Device/x", actions, types), "id");
    consent["provision"]["type"] = json!(effect);
    consent["provision"]["actor"][0]["reference"] =
        json!({"identifier": {"system": "urn:concord:client", "value": client}});
    consent
}

fn goal() -> Value {
    json!({"resourceType": "Goal", "lifecycleStatus": "active", "description": {"text": "walk"},
        "subject": {"reference": "Patient/amina"}})
}

pub(crate) fn place_of(written: &Answer) -> String {
    let written = written.json();
    format!("{}/{}", text(&written, "/resourceType"), text(&written, "/id"))
}

/// Lets the app read, write and change readings and sharing choices, and nothing else.
async fn admitted(concord: &Concord) -> (App, App) {
    people::arrive(concord).await;
    let own = concord.patient("amina");
    own.create(&for_app("permit", "heart-diary", &["access", "collect", "correct"], &["Observation", "Consent"])).await;
    (own, app(concord, "heart-diary", "patient/*.cruds"))
}

/// A third-party app's Consent that widens its own access, or anybody's, is a proposal and has no effect.
async fn an_app_of_others_only_proposes(concord: &Concord) {
    let (own, others) = admitted(concord).await;
    let goal = format!("Goal/{}", own.create(&goal()).await);
    let neighbour = concord.user("RelatedPerson/neighbour");
    others.get(&goal).await.expect(404);
    let mut problems = Vec::new();
    for status in ["active", "proposed", "draft"] {
        for (whom, consent) in [
            ("itself", for_app("permit", "heart-diary", &["access"], &["Goal"])),
            ("somebody", without(people::consent("active", "RelatedPerson/neighbour", &["access"], &["Goal"]), "id")),
        ] {
            let consent = with(consent, "status", json!(status));
            let entry = json!({"resource": consent, "request": {"method": "POST", "url": "Consent"}});
            let bundle = |kind: &str| json!({"resourceType": "Bundle", "type": kind, "entry": [entry]});
            let written = others.post("Consent", &consent).await;
            if written.status == 201 {
                let stored = own.get(&place_of(&written)).await.expect(200).json();
                if stored["status"] == "active" {
                    problems.push(format!("{status} for {whom}: stored as active"));
                }
                // Nor does it make it active afterwards.
                let again = others.put(&place_of(&written), &with(stored, "status", json!("active"))).await;
                if again.status == 200 && again.json()["status"] == "active" {
                    problems.push(format!("{status} for {whom}: made active by the app"));
                }
            } else if !matches!(written.status, 403 | 422) {
                problems.push(format!("{status} for {whom}: {written}"));
            }
            others.post("", &bundle("transaction")).await;
            others.post("", &bundle("batch")).await;
            for (reader, app) in [("the app", &others), ("the neighbour", &neighbour)] {
                if app.get(&goal).await.status != 404 {
                    problems.push(format!("{status} for {whom}: {reader} sees the goal"));
                }
            }
        }
    }
    problems.dedup();
    assert!(problems.is_empty(), "{} problems:\n{}", problems.len(), problems.join("\n"));
    own.get(&goal).await.expect(200);
}

/// It cannot change or delete what the patient has decided, about itself or anybody.
async fn an_app_of_others_leaves_denials_alone(concord: &Concord) {
    let (own, others) = admitted(concord).await;
    let mut denial = for_app("deny", "heart-diary", &["access"], &["Observation"]);
    denial["provision"]["code"] = json!([{"coding": [{"system": "http://loinc.org", "code": "85354-9"}]}]);
    let denial = format!("Consent/{}", own.create(&denial).await);
    let reading = format!("Observation/{}", own.create(&blood_pressure("amina", 120)).await);
    let sharing = without(people::consent("active", "RelatedPerson/yusuf", &["access"], &["Goal"]), "id");
    let sharing = format!("Consent/{}", own.create(&sharing).await);
    let mut problems = Vec::new();
    for place in [&denial, &sharing] {
        let stored = own.get(place).await.expect(200).json();
        let mut widened = stored.clone();
        widened["provision"]["type"] = json!("permit");
        let patch = json!([{"op": "replace", "path": "/status", "value": "inactive"}]).to_string();
        let id = place.replace("Consent/", "");
        for (name, answer) in [
            ("ends it", others.put(place, &with(stored.clone(), "status", json!("inactive"))).await),
            ("turns it round", others.put(place, &widened).await),
            ("patches it", others.ask(Method::PATCH, place).body("application/json-patch+json", patch).await),
            ("updates what it finds", others.put(&format!("Consent?_id={id}"), &widened).await),
            ("deletes what it finds", others.delete(&format!("Consent?_id={id}")).await),
            ("deletes it", others.delete(place).await),
        ] {
            let found_none = name == "deletes what it finds" && answer.status == 204;
            if !found_none && !matches!(answer.status, 403 | 404 | 422) {
                problems.push(format!("{place} {name}: {}", answer.status));
            }
        }
        let now = own.get(place).await;
        if now.header("etag") != "W/\"1\"" {
            problems.push(format!("{place} has changed: {now}"));
        }
    }
    if others.get(&reading).await.status != 404 {
        problems.push("the app sees what it was denied".to_owned());
    }
    assert!(problems.is_empty(), "{} problems:\n{}", problems.len(), problems.join("\n"));
}

fn suspended(status: &str, reason: &str, whom: Option<&str>) -> Value {
    let consent = people::consent(status, whom.unwrap_or("RelatedPerson/yusuf"), &["access"], &["Observation"]);
    let mut consent = without(consent, "id");
    if whom.is_none() {
        consent["provision"].as_object_mut().expect("a provision").shift_remove("actor");
    }
    let reason = json!({"coding": [{
        "system": "https://fhir.nhs.uk/England/CodeSystem/England-ConsentStatusReason", "code": reason}]});
    with(consent, "extension", json!([{"url": STATUS_REASON, "valueCodeableConcept": reason}]))
}

const REASONS: [&str; 3] =
    ["ROLE_DEACTIVATED_SAFEGUARDING", "ROLE_SUSPENDED_PENDING_REVIEW", "APPLICATION_REJECTED_SAFEGUARDING"];

/// A professional's, a carer's or an app's draft with the reason of a suspension shuts nobody out: neither
/// those whom it names, nor everybody where it names nobody.
async fn a_draft_shuts_nobody_out(concord: &Concord) {
    let (own, others) = admitted(concord).await;
    let system = concord.system();
    service(concord).create(&without(crate::proxies::attorney("RelatedPerson/neighbour", "active"), "id")).await;
    let types = ["Observation", "Consent"];
    let sharing = people::consent("active", "RelatedPerson/yusuf", &["access", "collect", "correct"], &types);
    system.store(&sharing).await;
    let reading = format!("Observation/{}", own.create(&blood_pressure("amina", 120)).await);
    let (son, attorney) = (concord.user("RelatedPerson/yusuf"), concord.user("RelatedPerson/neighbour"));
    let writers = [
        ("a professional", concord.user("Practitioner/gp")),
        ("an app of others", others),
        ("a carer", son.clone()),
        ("a proxy", attorney.clone()),
    ];
    let mut problems = Vec::new();
    for (writer, app) in &writers {
        for status in ["draft", "proposed", "rejected", "inactive", "entered-in-error"] {
            for reason in REASONS {
                for whom in [Some("RelatedPerson/yusuf"), Some("RelatedPerson/neighbour"), None] {
                    for hidden in [false, true] {
                        let mut consent = suspended(status, reason, whom);
                        if hidden {
                            consent["meta"] = json!({"security": [
                                {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "NOPAT"}]});
                        }
                        let written = app.post("Consent", &consent).await;
                        for (reader, app) in [("the son", &son), ("the attorney", &attorney)] {
                            if app.get(&reading).await.status != 200 {
                                let whom = whom.unwrap_or("nobody by name");
                                problems.push(format!("{writer}, {status}, {reason}, {whom}: {reader} is shut out"));
                            }
                        }
                        if written.status == 201 {
                            system.delete(&place_of(&written)).await.expect(204);
                        }
                    }
                }
            }
        }
    }
    problems.dedup();
    assert!(problems.is_empty(), "{} problems:\n{}", problems.len(), problems.join("\n"));
}

/// What a registered system suspends is suspended, whatever the status; and when that is withdrawn it is over.
async fn a_suspension_comes_from_a_registered_system(concord: &Concord) {
    let (own, _) = admitted(concord).await;
    let reading = format!("Observation/{}", own.create(&blood_pressure("amina", 120)).await);
    let service = service(concord);
    let son = concord.user("RelatedPerson/yusuf");
    son.get(&reading).await.expect(200);
    for status in ["active", "inactive"] {
        let id = service.create(&suspended(status, REASONS[1], Some("RelatedPerson/yusuf"))).await;
        son.get(&reading).await.expect(404);
        // Nobody else takes it away.
        let place = format!("Consent/{id}");
        let stored = service.get(&place).await.expect(200).json();
        let mut lifted = with(without(stored, "extension"), "status", json!("rejected"));
        lifted["provision"]["type"] = json!("permit");
        for other in [&own, &concord.user("Practitioner/gp")] {
            assert!(matches!(other.put(&place, &lifted).await.status, 403 | 404 | 422));
            assert!(matches!(other.delete(&place).await.status, 403 | 404 | 422));
        }
        son.get(&reading).await.expect(404);
        service.delete(&format!("Consent/{id}")).await.expect(204);
        son.get(&reading).await.expect(200);
    }
}

/// The safeguarding office suspends, with a reason, and without one it does not; what it suspends she does not
/// take up or reject.
async fn the_safeguarding_office_suspends(concord: &Concord) {
    let (own, _) = admitted(concord).await;
    let types = ["Observation", "Consent"];
    concord.system().store(&people::consent("active", "RelatedPerson/yusuf", &["access"], &types)).await;
    let reading = format!("Observation/{}", own.create(&blood_pressure("amina", 120)).await);
    let son = concord.user("RelatedPerson/yusuf");
    let lead = concord.officer("Practitioner/gp", "safeguarding-lead");
    let suspending = suspended("proposed", REASONS[1], Some("RelatedPerson/yusuf"));
    let without_reason = lead.post("Consent", &suspending).await;
    assert!(matches!(without_reason.status, 201 | 403), "{without_reason}");
    son.get(&reading).await.expect(200);
    let reason = "a disclosure at the surgery";
    let written = lead.post("Consent", &suspending).header("X-Purpose-Reason", reason).await.expect(201);
    son.get(&reading).await.expect(404);
    let seen = own.get(&place_of(&written)).await.expect(200).json();
    let refused = own.put(&place_of(&written), &with(seen, "status", json!("rejected"))).await;
    assert!(matches!(refused.status, 403 | 422), "{refused}");
    son.get(&reading).await.expect(404);
}

/// Whoever shows a Consent to the patient makes it neither more nor less than who gave it did.
async fn what_is_released_stays_what_it_was(concord: &Concord) {
    let (own, _) = admitted(concord).await;
    let types = ["Observation", "Consent"];
    concord.system().store(&people::consent("active", "RelatedPerson/yusuf", &["access"], &types)).await;
    let reading = format!("Observation/{}", own.create(&blood_pressure("amina", 120)).await);
    let son = concord.user("RelatedPerson/yusuf");
    son.get(&reading).await.expect(200);
    let lead = concord.officer("Practitioner/gp", "safeguarding-lead");
    let hidden = json!({"security": [{"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "NOPAT"}]});
    let suspending = with(suspended("proposed", REASONS[1], Some("RelatedPerson/yusuf")), "meta", hidden);
    let reason = "a disclosure at the surgery";
    let written = lead.post("Consent", &suspending).header("X-Purpose-Reason", reason).await.expect(201);
    let place = place_of(&written);
    son.get(&reading).await.expect(404);
    // The same person outside of the office, whose word would suspend nobody.
    let gp = concord.user("Practitioner/gp");
    own.get(&place).await.expect(404);
    let told = json!({"resourceType": "Parameters", "parameter": [
        {"name": "reason", "valueString": "she was told about it today"}]});
    gp.post(&format!("{place}/$release"), &told).await.expect(200);
    own.get(&place).await.expect(200);
    son.get(&reading).await.expect(404);
}

/// The patient's own Consent makes nobody a proxy by law, nor does an app's, a professional's or a carer's.
async fn a_legal_basis_comes_from_a_registered_system(concord: &Concord) {
    let (own, others) = admitted(concord).await;
    let claimed = without(crate::proxies::attorney("RelatedPerson/neighbour", "active"), "id");
    let attorney = concord.user("RelatedPerson/neighbour");
    let reading = format!("Observation/{}", own.create(&blood_pressure("amina", 120)).await);
    for app in [&own, &others, &concord.user("Practitioner/gp"), &concord.user("RelatedPerson/yusuf")] {
        let written = app.post("Consent", &claimed).await;
        assert!(matches!(written.status, 201 | 403 | 422), "{written}");
        // As a plain sharing choice it may count; as a power of attorney it does not.
        let entered = attorney.post("Observation", &blood_pressure("amina", 121)).await;
        assert!(!entered.text().contains("SDMAST"), "{entered}");
        let asked = format!("Consent/$evaluate?patient=Patient/amina&actor=RelatedPerson/neighbour&resource={reading}");
        let told = own.get(&asked).await.expect(200).text();
        assert!(!told.contains("proxy.legal-basis"), "{told}");
        if written.status == 201 {
            own.delete(&place_of(&written)).await;
            concord.system().delete(&place_of(&written)).await;
        }
    }
    service(concord).create(&claimed).await;
    let entered = attorney.post("Observation", &blood_pressure("amina", 121)).await.expect(201);
    assert!(entered.text().contains("SDMAST"), "{entered}");
}

/// She makes a proposal active, or rejects it, in her own app.
async fn the_patient_takes_or_rejects_a_proposal(concord: &Concord) {
    let (own, others) = admitted(concord).await;
    let goal = format!("Goal/{}", own.create(&goal()).await);
    let neighbour = concord.user("RelatedPerson/neighbour");
    // Whom a proposal names its writer may know of.
    own.create(&for_app("permit", "heart-diary", &["access"], &["RelatedPerson"])).await;
    let proposal = without(people::consent("proposed", "RelatedPerson/neighbour", &["access"], &["Goal"]), "id");
    for (in_her_name, proposer) in [(false, concord.user("Practitioner/gp")), (true, others.clone())] {
        let proposed = proposer.post("Consent", &proposal).await.expect(201).json();
        assert_eq!(proposed["status"], "proposed");
        let place = format!("Consent/{}", text(&proposed, "/id"));
        neighbour.get(&goal).await.expect(404);
        let seen = own.get(&place).await.expect(200).json();
        // Of what another wrote she changes the status and nothing else; what an app wrote in her name is hers.
        if !in_her_name {
            let mut changed = with(seen.clone(), "status", json!("active"));
            changed["provision"]["type"] = json!("deny");
            let refused = own.put(&place, &changed).await.expect(422);
            assert!(refused.text().contains("Consent.provision"), "{refused}");
            own.put(&place, &with(seen.clone(), "status", json!("entered-in-error"))).await.expect(422);
        }
        neighbour.get(&goal).await.expect(404);
        own.put(&place, &with(seen, "status", json!("active"))).await.expect(200);
        neighbour.get(&goal).await.expect(200);
        // Whoever proposed it does not change it any more, and she ends it.
        let taken = own.get(&place).await.expect(200).json();
        let mut widened = taken.clone();
        widened["provision"]["class"] = json!([{"system": "http://hl7.org/fhir/resource-types", "code": "Condition"}]);
        let refused = proposer.put(&place, &widened).await;
        assert!(matches!(refused.status, 403 | 404 | 422), "{refused}");
        own.put(&place, &with(taken, "status", json!("inactive"))).await.expect(200);
        neighbour.get(&goal).await.expect(404);
        let proposed = proposer.post("Consent", &proposal).await.expect(201).json();
        let place = format!("Consent/{}", text(&proposed, "/id"));
        let patch = json!([{"op": "replace", "path": "/status", "value": "rejected"}]).to_string();
        own.ask(Method::PATCH, &place).body("application/json-patch+json", patch).await.expect(200);
        neighbour.get(&goal).await.expect(404);
        // A proposal of hers is made active by nobody else.
        let hers = own.post("Consent", &proposal).await.expect(201).json();
        let place = format!("Consent/{}", text(&hers, "/id"));
        let taken = proposer.put(&place, &with(hers, "status", json!("active"))).await;
        assert!(matches!(taken.status, 403 | 404 | 422), "{taken}");
        neighbour.get(&goal).await.expect(404);
    }
}

/// What is proposed about her sharing is not hidden from her.
async fn a_proposal_is_not_kept_from_the_patient(concord: &Concord) {
    let (own, _) = admitted(concord).await;
    let gp = concord.user("Practitioner/gp");
    for (system, code) in [
        ("http://terminology.hl7.org/CodeSystem/v3-ActCode", "NOPAT"),
        ("urn:concord:label", "AUTHOR-TEAM"),
        ("urn:concord:label", "SAFEGUARDING"),
    ] {
        let labels = json!({"security": [{"system": system, "code": code}]});
        let proposal = without(people::consent("proposed", "RelatedPerson/neighbour", &["access"], &["Goal"]), "id");
        let written = gp.post("Consent", &with(proposal, "meta", labels.clone())).await;
        if written.status == 201 {
            own.get(&place_of(&written)).await.expect(200);
            let given = json!({"resourceType": "Parameters", "parameter": [{"name": "meta", "valueMeta": labels}]});
            gp.post(&format!("{}/$meta-add", place_of(&written)), &given).await;
            let seen = own.get(&place_of(&written)).await.expect(200).json();
            own.put(&place_of(&written), &with(seen, "status", json!("active"))).await.expect(200);
            let taken = own.get(&place_of(&written)).await.expect(200).json();
            own.put(&place_of(&written), &with(taken, "status", json!("inactive"))).await.expect(200);
        } else {
            assert!(matches!(written.status, 403 | 422), "{written}");
        }
    }
}

/// A professional and a carer only propose: what they would make active is not.
async fn who_proposes_takes_nothing(concord: &Concord) {
    let (own, _) = admitted(concord).await;
    let types = ["Observation", "Consent"];
    let sharing = people::consent("active", "RelatedPerson/yusuf", &["access", "collect", "correct"], &types);
    concord.system().store(&sharing).await;
    let goal = format!("Goal/{}", own.create(&goal()).await);
    let neighbour = concord.user("RelatedPerson/neighbour");
    for app in [concord.user("Practitioner/gp"), concord.user("RelatedPerson/yusuf")] {
        for status in ["active", "proposed"] {
            let mut consent = without(people::consent(status, "RelatedPerson/neighbour", &["access"], &["Goal"]), "id");
            consent["performer"] = json!([{"reference": "Patient/amina"}]);
            let written = app.post("Consent", &consent).await;
            assert!(matches!(written.status, 201 | 403 | 422), "{written}");
            if written.status == 201 {
                assert_ne!(written.json()["status"], "active", "{written}");
                let active = with(written.json(), "status", json!("active"));
                let taken = app.put(&place_of(&written), &active).await;
                assert!(taken.status != 200 || taken.json()["status"] != "active", "{taken}");
            }
            neighbour.get(&goal).await.expect(404);
        }
    }
    // A denial that they propose denies nobody.
    let reading = format!("Observation/{}", own.create(&blood_pressure("amina", 120)).await);
    let mut denial = without(people::consent("proposed", "RelatedPerson/yusuf", &["access"], &["Observation"]), "id");
    denial["provision"]["type"] = json!("deny");
    concord.user("Practitioner/gp").post("Consent", &denial).await;
    concord.user("RelatedPerson/yusuf").get(&reading).await.expect(200);
}

/// Unknown apps are third-party unless the operator says otherwise.
async fn an_unknown_app_is_somebody_elses(concord: &Concord) {
    people::arrive(concord).await;
    let own = concord.patient("amina");
    let reading = format!("Observation/{}", own.create(&blood_pressure("amina", 120)).await);
    let by_her = app(concord, "nobody-knows-it", "patient/*.cruds");
    let by_the_gp = concord.app(&TokenRequest {
        client_id: "nobody-knows-it".to_owned(),
        fhir_user: Some("Practitioner/gp".to_owned()),
        scope: "user/*.cruds".to_owned(),
        ..TokenRequest::default()
    });
    for unknown in [&by_her, &by_the_gp] {
        unknown.get(&reading).await.expect(404);
        assert!(unknown.get("Observation?patient=amina").await.expect(200).ids().is_empty());
        unknown.post("Observation", &blood_pressure("amina", 121)).await.expect(403);
    }
    own.create(&for_app("permit", "nobody-knows-it", &["access"], &["Observation"])).await;
    by_her.get(&reading).await.expect(200);
    by_her.post("Observation", &blood_pressure("amina", 121)).await.expect(403);
    // By the operator's word they are the user's own.
    let trusting = [("CONCORD_UNREGISTERED_APPS", "own"), SETTINGS[1]];
    let node = Concord::start(concord.shared_scratch(), concord.clock.clone(), &trusting).await;
    app(&node, "another-unknown", "patient/*.cruds").get(&reading).await.expect(200);
}

/// The interactions of the events that are shown.
fn shown(answer: &Answer) -> Vec<String> {
    let mut all: Vec<String> = answer.matches().iter().map(|event| text(event, "/subtype/0/code").to_owned()).collect();
    all.sort_unstable();
    all.dedup();
    all
}

/// The log is under scopes like any type, for everybody, and under those with a query.
async fn the_log_is_under_scopes(concord: &Concord) {
    people::arrive(concord).await;
    let own = concord.patient("amina");
    let gp = concord.user("Practitioner/gp");
    let id = own.create(&blood_pressure("amina", 120)).await;
    for app in [&own, &gp, &concord.user("RelatedPerson/yusuf"), &concord.system()] {
        app.get(&format!("Observation/{id}")).await.expect(200);
        app.get("Observation?patient=amina").await.expect(200);
    }
    let event = text(&own.get("AuditEvent?subtype=read").await.expect(200).matches()[0], "/id").to_owned();
    let own_event = text(&gp.get("AuditEvent?subtype=read").await.expect(200).matches()[0], "/id").to_owned();
    let mut problems = Vec::new();
    for (who, app) in [
        ("a patient", concord.patient_with("amina", "patient/Observation.rs patient/Patient.rs")),
        ("a professional", concord.user_with("Practitioner/gp", "user/Observation.rs user/Patient.rs")),
        ("a carer", concord.user_with("RelatedPerson/yusuf", "user/Observation.rs user/Patient.rs")),
        ("a system", concord.system_with("system/Observation.rs system/Patient.rs")),
        ("one who may only write it", concord.system_with("system/AuditEvent.c system/Patient.rs")),
    ] {
        for place in [
            "AuditEvent?patient=amina",
            "AuditEvent?subtype=read",
            "Patient/amina/$access-log",
            "Patient/amina/AuditEvent",
        ] {
            let answer = app.get(place).await;
            if answer.status != 403
                && !(answer.status == 200 && place.ends_with("/AuditEvent") && answer.ids().is_empty())
            {
                problems.push(format!(
                    "{who}, {place}: {} {:?}",
                    answer.status,
                    answer.status == 200 && !answer.ids().is_empty()
                ));
            }
        }
        for event in [&event, &own_event] {
            let answer = app.get(&format!("AuditEvent/{event}")).await;
            if !matches!(answer.status, 403 | 404) {
                problems.push(format!("{who}, AuditEvent/{event}: {}", answer.status));
            }
        }
    }
    for (who, app) in [
        ("a patient", concord.patient_with("amina", "patient/AuditEvent.rs?subtype=read")),
        ("a professional", concord.user_with("Practitioner/gp", "user/AuditEvent.rs?subtype=read")),
        ("a system", concord.system_with("system/AuditEvent.rs?subtype=read")),
    ] {
        for place in ["AuditEvent", "AuditEvent?patient=amina&_count=100", "Patient/amina/$access-log?_count=100"] {
            let answer = app.get(place).await;
            if answer.status != 200 || shown(&answer) != ["read"] {
                let told = if answer.status == 200 { shown(&answer).join(", ") } else { String::new() };
                problems.push(format!("{who} with a granular scope, {place}: {} {told}", answer.status));
            }
        }
    }
    let searches = own.get("AuditEvent?subtype=search-type").await.expect(200).matches();
    let search = text(&searches[0], "/id");
    let granular = concord.patient_with("amina", "patient/AuditEvent.rs?subtype=read");
    if granular.get(&format!("AuditEvent/{search}")).await.status != 404 {
        problems.push("by a granular scope a read of what it does not cover".to_owned());
    }
    assert!(problems.is_empty(), "{} problems:\n{}", problems.len(), problems.join("\n"));
}

/// The access matrix: an app of others sees of the log what the patient lets it, of its own accesses only.
async fn an_app_of_others_sees_its_own_log(concord: &Concord) {
    let (own, others) = admitted(concord).await;
    let id = own.create(&blood_pressure("amina", 120)).await;
    own.get(&format!("Observation/{id}")).await.expect(200);
    concord.user("Practitioner/gp").get(&format!("Observation/{id}")).await.expect(200);
    others.get(&format!("Observation/{id}")).await.expect(200);
    let places = ["AuditEvent", "AuditEvent?patient=amina&_count=100", "Patient/amina/$access-log?_count=100"];
    for place in places {
        let answer = others.get(place).await;
        assert!(answer.status == 403 || answer.matches().is_empty(), "without her word: {place} {answer}");
    }
    own.create(&for_app("permit", "heart-diary", &["access"], &["AuditEvent"])).await;
    for place in places {
        let answer = others.get(place).await.expect(200);
        let events = answer.matches();
        assert!(!events.is_empty(), "{place}: {answer}");
        for event in events {
            assert!(event.to_string().contains("heart-diary"), "{place}: {event}");
        }
    }
}

/// A label that the patient has chosen goes in her own app only: another's would gain access for whom it likes.
async fn an_app_of_others_takes_no_label_away(concord: &Concord) {
    people::arrive(concord).await;
    let own = concord.patient("amina");
    let mut shared = for_app("permit", "heart-diary", &["access", "collect", "correct"], &["Observation"]);
    shared["provision"]["securityLabel"] = json!([{"system": ACT_CODE, "code": "SEX"}]);
    own.create(&shared).await;
    let diary = app(concord, "heart-diary", "patient/*.cruds");
    let labels = json!({"security": [{"system": ACT_CODE, "code": "SEX"}]});
    let reading = format!("Observation/{}", own.create(&with(blood_pressure("amina", 120), "meta", labels)).await);
    let sex = crate::power_by_writing::meta("SEX");
    diary.post(&format!("{reading}/$meta-delete"), &sex).await.expect(403).issues();
    let seen = diary.get(&reading).await.expect(200).json();
    for bare in [without(seen.clone(), "meta"), with(seen.clone(), "meta", json!({"tag": [{"code": "x"}]}))] {
        let told = diary.put(&reading, &bare).header("prefer", "return=OperationOutcome").await;
        assert!(matches!(told.status, 200 | 422), "{told}");
    }
    let patch = json!([{"op": "remove", "path": "/meta/security"}]).to_string();
    diary.ask(Method::PATCH, &reading).body("application/json-patch+json", patch).await;
    concord.user("Practitioner/gp").get(&reading).await.expect(404);
    own.post(&format!("{reading}/$meta-delete"), &sex).await.expect(200);
    concord.user("Practitioner/gp").get(&reading).await.expect(200);
}

const ACT_CODE: &str = "http://terminology.hl7.org/CodeSystem/v3-ActCode";

/// By what right of the law somebody acts is for the registered system that it is from, whomever the Consent names as having agreed.
async fn what_the_law_gives_stays_the_systems(concord: &Concord) {
    people::arrive(concord).await;
    let own = concord.patient("amina");
    for agreed in ["Patient/amina", "RelatedPerson/neighbour"] {
        let mut basis =
            without(people::consent("active", "RelatedPerson/neighbour", &["access"], &["Observation"]), "id");
        basis["performer"] = json!([{"reference": agreed}]);
        basis["policyRule"] = json!({"coding": [{"code": "parental-responsibility",
            "system": "https://fhir.nhs.uk/England/CodeSystem/England-NHSProxyLegalBasis"}]});
        let place = format!("Consent/{}", service(concord).create(&basis).await);
        let stands = own.get(&place).await.expect(200).json();
        for app in [&own, &concord.user("RelatedPerson/neighbour"), &concord.user("Practitioner/gp")] {
            for changed in [
                with(stands.clone(), "status", json!("inactive")),
                with(stands.clone(), "dateTime", json!("2026-01-02")),
            ] {
                let answer = app.put(&place, &changed).await;
                assert!(matches!(answer.status, 403 | 404), "{agreed}: {answer}");
            }
            let answer = app.delete(&place).await;
            assert!(matches!(answer.status, 403 | 404), "{agreed}: {answer}");
        }
        service(concord).put(&place, &with(stands, "status", json!("inactive"))).await.expect(200);
    }
}

/// That a professional has looked at Amina, in the words of somebody.
fn event(whose: &str) -> Value {
    json!({"resourceType": "AuditEvent",
        "type": {"system": "http://terminology.hl7.org/CodeSystem/audit-event-type", "code": "rest"},
        "recorded": "2026-11-30T03:00:00Z", "agent": [{"who": {"reference": "Practitioner/gp"}, "requestor": true}],
        "source": {"observer": {"display": format!("the hospital of {whose}")}}, "entity": [{"what": {"reference": "Patient/amina"}}]})
}

/// A system that nobody has registered says for nobody who they are, what they wrote or what they did, and changes what it wrote itself.
async fn an_unregistered_system_speaks_for_itself(concord: &Concord) {
    people::arrive(concord).await;
    let (own, system) = (concord.patient("amina"), concord.system());
    let unknown = concord.app(&TokenRequest {
        client_id: "nobody-knows-it".to_owned(),
        // Not every right there is: an issuer that gives that vouches for it.
        scope: [
            "AuditEvent",
            "CareTeam",
            "Consent",
            "Device",
            "Goal",
            "Observation",
            "Organization",
            "Patient",
            "Practitioner",
            "PractitionerRole",
            "Provenance",
            "RelatedPerson",
        ]
        .map(|name| format!("system/{name}.cruds"))
        .join(" "),
        ..TokenRequest::default()
    });
    let gp = concord.user("Practitioner/gp");
    let stranger = concord.user("Practitioner/gp-elsewhere");
    let by = |who: &str| with(blood_pressure("amina", 120), "performer", json!([{"reference": who}]));
    // Whom it names has not written it.
    for (who, app) in [("Practitioner/gp-elsewhere", &stranger), ("Patient/amina", &own), ("Practitioner/gp", &gp)] {
        let place = format!("Observation/{}", unknown.create(&by(who)).await);
        let changed = with(system.get(&place).await.expect(200).json(), "status", json!("amended"));
        let answer = app.put(&place, &changed).await;
        assert!(matches!(answer.status, 403 | 404), "{who}: {answer}");
        assert!(app.get(&place).await.status == 200 || who.ends_with("elsewhere"), "{who}");
        unknown.put(&place, &changed).await.expect(200);
        unknown.delete(&place).await.expect(204);
    }
    assert_eq!(stranger.get("Observation?patient=amina").await.expect(200).matches().len(), 0);
    // Nobody vouches for it.
    let vouched = json!({"security": [{"system": "http://terminology.hl7.org/CodeSystem/v3-ObservationValue", "code": "CLINAST"}]});
    let place = format!("Observation/{}", unknown.create(&with(blood_pressure("amina", 122), "meta", vouched)).await);
    assert!(!system.get(&place).await.expect(200).text().contains("CLINAST"));
    // What others wrote stays.
    let hers = format!("Observation/{}", own.create(&blood_pressure("amina", 121)).await);
    let goal = format!("Goal/{}", own.create(&goal()).await);
    for place in [&hers, &goal, &"Patient/amina".to_owned()] {
        let changed = with(system.get(place).await.expect(200).json(), "language", json!("cy"));
        unknown.put(place, &changed).await.expect(403).issues();
        unknown.delete(place).await.expect(403).issues();
    }
    // It says of nobody who they are.
    let gmc = json!([{"system": "https://fhir.hl7.org.uk/Id/gmc-number", "value": "1234567"}]);
    let client = json!([{"system": "urn:concord:client", "value": "heart-diary"}]);
    let target = json!([{"reference": hers}]);
    for resource in [
        json!({"resourceType": "PractitionerRole", "active": true, "practitioner": {"reference": "Practitioner/gp-elsewhere"},
            "organization": {"reference": "Organization/surgery"}}),
        json!({"resourceType": "Practitioner", "identifier": gmc}),
        json!({"resourceType": "Organization", "name": "x"}),
        json!({"resourceType": "Patient", "active": true}),
        json!({"resourceType": "Device", "patient": {"reference": "Patient/amina"}, "identifier": client}),
        json!({"resourceType": "RelatedPerson", "patient": {"reference": "Patient/amina"}}),
        without(people::care_team(&["Practitioner/gp-elsewhere"]), "id"),
        without(people::consent("active", "Practitioner/gp-elsewhere", &["access"], &["Goal"]), "id"),
        json!({"resourceType": "Provenance", "target": target, "recorded": "2026-01-01T00:00:00Z",
            "agent": [{"type": {"coding": [{"code": "verifier"}]}, "who": {"reference": "Practitioner/gp"}}]}),
        event("unknown"),
    ] {
        unknown.post(text(&resource, "/resourceType"), &resource).await.expect(403).issues();
    }
    // What happened to a record the log says, and a registered system; by a condition and in a Bundle as well.
    let entry = json!({"resource": event("in a Bundle"), "request": {"method": "POST", "url": "AuditEvent"}});
    let bundle = |kind: &str| json!({"resourceType": "Bundle", "type": kind, "entry": [entry]});
    unknown.post("", &bundle("transaction")).await.expect(403).issues();
    let batch = unknown.post("", &bundle("batch")).await.expect(200).json();
    assert!(text(&batch, "/entry/0/response/status").starts_with("403"), "{batch}");
    let once = unknown.post("AuditEvent", &event("once")).header("If-None-Exist", "patient=amina&_count=1").await;
    once.expect(403).issues();
    let told = own.get("AuditEvent?patient=amina&_count=500").await.expect(200).text();
    assert!(!told.contains("the hospital of"), "{told}");
    system.create(&event("a registered system")).await;
    let device = json!({"resourceType": "Device", "patient": {"reference": "Patient/amina"}});
    let device = format!("Device/{}", own.create(&device).await);
    let named = with(system.get(&device).await.expect(200).json(), "identifier", client);
    unknown.put(&device, &named).await.expect(403).issues();
    let practitioner = system.get("Practitioner/gp").await.expect(200).json();
    unknown.put("Practitioner/gp", &with(practitioner, "active", json!(false))).await.expect(403).issues();
}
