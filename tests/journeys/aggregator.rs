//! The NHS App's patient care aggregator (producer standard 3.13.0): a system that searches for whoever is signed in there, by NHS
//! login's own word. NHS login is stood in for by a service of the test's own, with its claims and signatures.

use concord_api::auth::development::TokenRequest;
use concord_tests::client::{Ask, Method, text};
use concord_tests::login_service::LoginService;
use concord_tests::people::{self, with, without};
use concord_tests::{Answer, App, Concord, on_both};
use serde_json::{Value, json};

on_both! {
    whoever_is_signed_in_is_found, nobody_else_is_found, who_is_not_proven_is_refused, nothing_else_is_asked,
    so_many_a_second, while_it_is_worked_on, without_the_setting_there_is_none,
    what_is_kept_from_the_person_is_kept_from_it, a_superseded_number_leads_to_who_is_left
}

const NHS: &str = "https://fhir.nhs.uk/Id/nhs-number";
const AMINA: &str = "9990011176";
const CALLUM: &str = "9434765919";
/// Nobody's.
const NOBODY: &str = "9449305552";
const TYPES: [&str; 3] = ["Appointment", "DocumentReference", "Task"];
const PORTAL_LINK: &str = "https://fhir.nhs.uk/StructureDefinition/Extension-Portal-Link";

/// The aggregator, NHS login, and the server that knows both.
struct Aggregator {
    server: Concord,
    app: App,
    login: LoginService,
}

impl Aggregator {
    async fn of(concord: &Concord) -> Aggregator {
        let login = LoginService::start(true);
        let settings = json!({"client": "aggregator", "issuer": login.origin(), "audience": "nhs-app",
            "jwks": format!("{}/jwks", login.origin())})
        .to_string();
        people::arrive(concord).await;
        let bearing = |id: &str, number: &str, born: &str| {
            json!({"resourceType": "Patient", "id": id, "name": [{"family": "Hussain"}], "birthDate": born,
                "identifier": [{"system": NHS, "value": number}]})
        };
        concord.system().store(&bearing("amina", AMINA, "1985-03-02")).await;
        concord.system().store(&bearing("callum", CALLUM, "1990-01-01")).await;
        let server = concord.another_node_with(&[("CONCORD_AGGREGATOR", &settings)]).await;
        let app = server.app(&TokenRequest {
            client_id: "aggregator".to_owned(),
            scope: "system/Patient.rs system/Appointment.rs system/DocumentReference.rs system/Task.rs".to_owned(),
            ..TokenRequest::default()
        });
        Aggregator { server, app, login }
    }

    /// What NHS login says of Amina, who is signed in at the NHS App.
    fn amina(&self) -> Value {
        let now_s = self.server.clock.now_s();
        json!({"iss": self.login.origin(), "aud": "nhs-app", "sub": "82a296d0-752c-4cf1-9a00-73806bb1f833", "exp": now_s + 3600,
            "iat": now_s, "auth_time": now_s - 7, "jti": "fc362df4-de9c-4659-a3df-ef010000f440", "token_use": "id",
            "id_status": "verified", "family_name": "HUSSAIN", "surname": "HUSSAIN", "nhs_number": AMINA,
            "birthdate": "1985-03-02", "identity_proofing_level": "P9", "vot": "P9.Cp.Cd",
            "vtm": "https://auth.login.nhs.uk/trustmark/auth.login.nhs.uk"})
    }

    fn search(&self, place: &str, claims: &Value) -> Ask {
        self.app.get(place).header("NHSD-ID-Token", &self.login.id_token(claims))
    }
}

fn by_number(name: &str, number: &str) -> String {
    format!("{name}?patient:identifier={NHS}|{number}")
}

/// An appointment, a letter and a task, as a trust's systems hand them in.
async fn hand_in(concord: &Concord, subject: &Value) {
    let system = concord.system();
    let numbered = |kind: &str, subject: &Value| with(subject.clone(), "type", json!(kind));
    let link = json!([{"url": PORTAL_LINK, "valueUrl": "https://portal.example/Appointment/770da42c"}]);
    system
        .create(
            &json!({"resourceType": "Appointment", "extension": link, "status": "booked", "description": "Orthopaedics",
            "start": "2027-01-01T12:30:00Z", "end": "2027-01-01T12:45:00Z",
            "participant": [{"status": "accepted", "actor": numbered("Patient", subject)}]}),
        )
        .await;
    system
        .create(&json!({"resourceType": "DocumentReference", "status": "current", "subject": subject,
            "content": [{"attachment": {"contentType": "application/pdf", "url": "https://portal.example/Document/1"}}]}))
        .await;
    system.create(&json!({"resourceType": "Task", "status": "requested", "intent": "plan", "for": subject})).await;
}

fn refused(answer: Answer, status: u16, word: &str) {
    let issues = answer.expect(status).issues();
    assert!(issues[0].2.contains(word), "{issues:?} says nothing of {word}");
}

async fn whoever_is_signed_in_is_found(concord: &Concord) {
    let aggregator = Aggregator::of(concord).await;
    hand_in(concord, &json!({"reference": "Patient/amina"})).await;
    hand_in(concord, &json!({"identifier": {"system": NHS, "value": AMINA}})).await;
    hand_in(concord, &json!({"reference": "Patient/callum"})).await;
    let id = "c93e2449-a2ef-4476-ad15-13491036be22";
    for name in TYPES {
        let answer = aggregator.search(&by_number(name, AMINA), &aggregator.amina()).header("X-Correlation-ID", id);
        let answer = answer.await.expect(200);
        assert_eq!(answer.header("x-correlation-id"), id);
        assert_eq!((answer.json()["total"].as_i64(), answer.matches().len()), (Some(2), 2), "{answer}");
        assert_eq!(answer.entries().len(), 2, "and nothing else: {answer}");
        if name == "Appointment" {
            assert!(answer.matches().iter().all(|found| found["extension"][0]["url"] == PORTAL_LINK), "as handed in");
        }
        // Page by page, each with the word of whoever is signed in.
        let page = aggregator.search(&format!("{}&_count=1", by_number(name, AMINA)), &aggregator.amina()).await;
        let next = page.expect(200).link("next").expect("another page");
        assert_eq!(aggregator.search(&next, &aggregator.amina()).await.expect(200).matches().len(), 1);
        refused(aggregator.app.get(&next).await, 401, "NHSD-ID-Token");
    }
    // It is in the log, which the patient reads.
    let log = concord.patient("amina").get("AuditEvent?patient=amina&_count=100").await.expect(200).text();
    assert!(log.contains("aggregator"), "{log}");
}

async fn nobody_else_is_found(concord: &Concord) {
    let aggregator = Aggregator::of(concord).await;
    for subject in ["Patient/amina", "Patient/callum"] {
        hand_in(concord, &json!({"reference": subject})).await;
    }
    let amina = aggregator.amina();
    for name in TYPES {
        // Another's number, and another's word.
        refused(aggregator.search(&by_number(name, CALLUM), &amina).await, 401, "another person");
        let callum = with(amina.clone(), "nhs_number", json!(CALLUM));
        refused(aggregator.search(&by_number(name, AMINA), &callum).await, 401, "another person");
        // The number and a date of birth that is not the one on record.
        let born = with(amina.clone(), "birthdate", json!("1985-03-03"));
        refused(aggregator.search(&by_number(name, AMINA), &born).await, 401, "birthdate");
        refused(aggregator.search(&by_number(name, CALLUM), &callum).await, 401, "birthdate");
        // Nobody of that number is here, and nothing is there of somebody.
        let nobody = with(amina.clone(), "nhs_number", json!(NOBODY));
        let none = aggregator.search(&by_number(name, NOBODY), &nobody).await.expect(200).json();
        assert_eq!(
            (&none["resourceType"], &none["type"], &none["total"]),
            (&json!("Bundle"), &json!("searchset"), &json!(0))
        );
        assert_eq!(none.get("entry"), None);
        // No number, two, or none that could be.
        for place in [
            name.to_owned(),
            format!("{name}?patient=amina"),
            format!("{name}?patient:identifier={NHS}"),
            format!("{name}?patient:identifier={NHS}|"),
            format!("{name}?patient:identifier={AMINA}"),
            format!("{name}?patient:identifier=|{AMINA}"),
            format!("{name}?patient:identifier=urn:other|{AMINA}"),
            by_number(name, &format!("{AMINA},{NHS}|{CALLUM}")),
            by_number(name, AMINA.trim_end_matches('6')),
            format!("{}&patient:identifier={NHS}|{AMINA}", by_number(name, AMINA)),
        ] {
            refused(aggregator.search(&place, &amina).await, 400, "patient:identifier");
        }
    }
    let system = concord.system();
    system
        .store(&json!({"resourceType": "Patient", "id": "undated", "identifier": [{"system": NHS, "value": NOBODY}]}))
        .await;
    let undated = with(amina, "nhs_number", json!(NOBODY));
    refused(aggregator.search(&by_number("Task", NOBODY), &undated).await, 401, "birthdate");
}

async fn who_is_not_proven_is_refused(concord: &Concord) {
    let aggregator = Aggregator::of(concord).await;
    let (amina, now_s) = (aggregator.amina(), concord.clock.now_s());
    let place = by_number("Appointment", AMINA);
    let changed = |name: &str, value: Value| with(amina.clone(), name, value);
    for claims in [
        changed("identity_proofing_level", json!("P5")),
        changed("identity_proofing_level", json!("P0")),
        changed("vot", json!("P5.Cp.Cd")),
        changed("vot", json!("P9.Cp")),
        changed("vot", json!("P9")),
        without(amina.clone(), "vot"),
        changed("vtm", json!("http://auth.login.nhs.uk/trustmark/x")),
        without(amina.clone(), "vtm"),
        changed("vtm", json!("https://auth.login.nhs.uk.evil.example/trustmark/auth.login.nhs.uk")),
        changed("token_use", json!("access")),
        changed("token_use", json!(["id"])),
        changed("azp", json!("another-app")),
        changed("aud", json!(["nhs-app", "another-app"])),
        changed("events", json!({"http://schemas.openid.net/event/backchannel-logout": {}})),
        changed("iss", json!("https://elsewhere.example")),
        changed("aud", json!("another-app")),
        without(amina.clone(), "aud"),
        changed("exp", json!(now_s - 60)),
        without(amina.clone(), "exp"),
        changed("iat", json!(now_s + 600)),
        changed("nbf", json!(now_s + 600)),
        without(amina.clone(), "nhs_number"),
        changed("nhs_number", json!("9990011177")),
        without(amina.clone(), "birthdate"),
        changed("birthdate", json!("2nd March 1985")),
        without(amina.clone(), "sub"),
    ] {
        let answer = aggregator.search(&place, &claims).await.expect(401);
        assert!(answer.header("www-authenticate").starts_with("Bearer"), "{claims}: {answer}");
        assert_eq!(answer.issues()[0].0, "login", "{claims}");
    }
    // Under sixteen, whether anybody of that number is here or not, and up to the day before.
    for (number, born) in [(AMINA, "2015-01-01"), (NOBODY, "2015-01-01"), (AMINA, "2010-12-02")] {
        let young = with(changed("birthdate", json!(born)), "nhs_number", json!(number));
        refused(aggregator.search(&by_number("Task", number), &young).await, 403, "UNDER_16_DENIED");
    }
    // What is no token of NHS login, or was tampered with.
    let token = aggregator.login.id_token(&amina);
    let (head, signature) = token.rsplit_once('.').expect("a signature");
    let other = LoginService::start(true).id_token(&amina);
    let tampered = format!("{head}x.{signature}");
    let unsigned = format!("{head}.");
    for token in [
        &tampered,
        &unsigned,
        &other,
        &aggregator.login.id_token_rs256(&amina),
        "dummyvalue",
        "",
        aggregator.app.token(),
    ] {
        aggregator.app.get(&place).header("NHSD-ID-Token", token).await.expect(401);
    }
    aggregator.app.get(&place).await.expect(401);
    aggregator.app.get(&place).header("NHSD-ID-Token", &token).header("NHSD-ID-Token", &token).await.expect(400);
    // Its own token is needed as well, and an id token is none.
    let nobody = aggregator.server.nobody();
    nobody.get(&place).header("NHSD-ID-Token", &token).await.expect(401);
    nobody.with_token(&token).get(&place).header("NHSD-ID-Token", &token).await.expect(401);
    aggregator.app.get(&place).header("NHSD-ID-Token", &token).await.expect(200);
    // Each refusal is in the log, and names nobody.
    let log = concord.system().get("AuditEvent?outcome=4&_count=200").await.expect(200);
    let told = log.matches().iter().filter(|event| event.to_string().contains("\"aggregator\"")).count();
    assert!(told >= 27, "{told}: {log}");
    assert!(!log.text().contains(AMINA), "{log}");
}

async fn nothing_else_is_asked(concord: &Concord) {
    let aggregator = Aggregator::of(concord).await;
    hand_in(concord, &json!({"reference": "Patient/amina"})).await;
    let token = aggregator.login.id_token(&aggregator.amina());
    let named = format!("patient:identifier={NHS}|{AMINA}");
    let goal = json!({"resourceType": "Task", "status": "requested", "intent": "plan"});
    let batch = json!({"resourceType": "Bundle", "type": "batch",
        "entry": [{"request": {"method": "GET", "url": by_number("Task", AMINA)}}]});
    let form = "application/x-www-form-urlencoded";
    for ask in [
        aggregator.app.get("Patient/amina"),
        aggregator.app.get(&format!("Patient?identifier={NHS}|{AMINA}")),
        aggregator.app.get("Patient/amina/$everything"),
        aggregator.app.get(&format!("Patient/amina/Task?{named}")),
        aggregator.app.get(&format!("?_type=Task,Appointment&{named}")),
        aggregator.app.get("Task/_history"),
        aggregator.app.get("_history"),
        aggregator.app.get("Task/1"),
        aggregator.app.get(&format!("Observation?{named}")),
        aggregator.app.ask(Method::POST, "Task/_search").body(form, named.clone()),
        aggregator.app.post("Task", &goal),
        aggregator.app.post("/fhir", &batch),
        aggregator.app.get(&format!("Task?{named}&_include=Task:patient")),
        aggregator.app.get(&format!("Task?{named}&_include:iterate=Task:patient")),
        aggregator.app.get(&format!("Appointment?{named}&_revinclude=Task:focus")),
        aggregator.app.get(&format!("Task?{named}&_explain=true")),
    ] {
        let answer = ask.header("NHSD-ID-Token", &token).await.expect(403);
        assert_eq!(answer.issues()[0].0, "forbidden", "{answer}");
    }
    // What narrows a search may be there.
    let found = aggregator.search(&format!("{}&status=requested", by_number("Task", AMINA)), &aggregator.amina()).await;
    assert_eq!(found.expect(200).matches().len(), 1);
    let none = aggregator.search(&format!("{}&status=completed", by_number("Task", AMINA)), &aggregator.amina()).await;
    assert_eq!(none.expect(200).json()["total"], 0);
    // Others are not asked for such a token, nor bounded so.
    aggregator.server.system().get("Patient/amina").await.expect(200);
    aggregator.server.patient("amina").get("Patient/amina").header("NHSD-ID-Token", "x").await.expect(200);
}

async fn so_many_a_second(concord: &Concord) {
    let aggregator = Aggregator::of(concord).await;
    let token = aggregator.login.id_token(&aggregator.amina());
    let place = by_number("Appointment", AMINA);
    for _ in 0..60 {
        aggregator.app.get(&place).header("NHSD-ID-Token", &token).await.expect(200);
    }
    let waits = aggregator.app.get(&place).header("NHSD-ID-Token", &token).await.expect(429);
    assert_eq!((waits.header("retry-after"), waits.issues()[0].0.as_str()), ("1", "throttled"));
    // A second holds as many again; what is refused counts, and others do not wait.
    aggregator.server.system().get(&place).await.expect(200);
    concord.later(1_000);
    for _ in 0..60 {
        aggregator.app.get(&place).await.expect(401);
    }
    aggregator.app.get(&place).header("NHSD-ID-Token", &token).await.expect(429);
}

async fn while_it_is_worked_on(concord: &Concord) {
    people::arrive(concord).await;
    let file = concord.scratch().folder().join("worked-on");
    let path = file.to_str().expect("a path").to_owned();
    let server = concord.another_node_with(&[("CONCORD_MAINTENANCE_FILE", &path)]).await;
    server.patient("amina").get("Patient/amina").await.expect(200);
    std::fs::write(&file, "").expect("a file");
    comes_to(&server.patient("amina"), 503).await;
    for app in [server.patient("amina"), server.system(), server.nobody()] {
        let waits = app.get("Patient/amina").await.expect(503);
        assert_eq!((waits.header("retry-after"), waits.issues()[0].0.as_str()), ("60", "transient"));
        app.post("/fhir", &json!({"resourceType": "Bundle", "type": "batch"})).await.expect(503);
    }
    for place in ["/healthz", "/readyz", "metadata"] {
        server.nobody().get(place).await.expect(200);
    }
    std::fs::remove_file(&file).expect("a file");
    comes_to(&server.patient("amina"), 200).await;
}

/// Asks until the server has looked for the file again, as it does each second.
async fn comes_to(app: &App, status: u16) {
    let mut pace = tokio::time::interval(std::time::Duration::from_millis(50));
    let answered = async {
        while app.get("Patient/amina").await.status != status {
            pace.tick().await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(60), answered).await.expect("a server that looks for the file");
}

/// By default there is none: its header is one that nobody looks at, and what it asks is asked as any system asks.
async fn without_the_setting_there_is_none(concord: &Concord) {
    people::arrive(concord).await;
    hand_in(concord, &json!({"reference": "Patient/amina"})).await;
    let app = concord.app(&TokenRequest {
        client_id: "aggregator".to_owned(),
        scope: "system/Task.rs".to_owned(),
        ..TokenRequest::default()
    });
    let found = app.get("Task?patient=amina").header("NHSD-ID-Token", "x").await.expect(200).matches();
    assert_eq!(found.iter().map(|task| text(task, "/status")).collect::<Vec<_>>(), ["requested"]);
}

/// What is marked as not for her is not there, neither to be read nor to be counted, whatever the system says that it asks for; and
/// what she would be shown in her own app is.
async fn what_is_kept_from_the_person_is_kept_from_it(concord: &Concord) {
    const OWN: &str = "urn:concord:label";
    const ACT_CODE: &str = "http://terminology.hl7.org/CodeSystem/v3-ActCode";
    const LEVEL: &str = "http://terminology.hl7.org/CodeSystem/v3-Confidentiality";
    const HIDDEN: [(&str, &str); 7] = [
        (OWN, "THIRD-PARTY"),
        (OWN, "SAFEGUARDING"),
        (OWN, "AUTHOR-TEAM"),
        (OWN, "any-other"),
        (ACT_CODE, "NOPAT"),
        ("http://hl7.org/fhir/v3/ActCode", "NOPAT"),
        ("urn:other", "NOPAT"),
    ];
    const SHOWN: [(&str, &str); 6] =
        [(LEVEL, "N"), (LEVEL, "R"), (LEVEL, "V"), (ACT_CODE, "SEX"), (ACT_CODE, "PSYTHPN"), (ACT_CODE, "TBOO")];
    let aggregator = Aggregator::of(concord).await;
    let letter = |security: Value| {
        json!({"resourceType": "DocumentReference", "meta": {"security": security}, "status": "current",
            "subject": {"reference": "Patient/amina"},
            "content": [{"attachment": {"contentType": "application/pdf", "url": "https://portal.example/Document/1"}}]})
    };
    let task = |security: Value| {
        json!({"resourceType": "Task", "meta": {"security": security}, "status": "requested", "intent": "plan",
            "for": {"reference": "Patient/amina"}})
    };
    let label = |(system, code): (&str, &str)| json!([{"system": system, "code": code}]);
    let (system, amina) = (concord.system(), concord.patient("amina"));
    for one in SHOWN {
        system.create(&letter(label(one))).await;
    }
    system.create(&task(label(SHOWN[0]))).await;
    let ids = |answer: &Answer| {
        let mut ids: Vec<String> = answer.matches().iter().map(|one| text(one, "/id").to_owned()).collect();
        ids.sort();
        ids
    };
    let by_herself = |name: &str| amina.get(&format!("{name}?patient=amina&_count=100"));
    let claims = aggregator.amina();
    let for_her =
        |name: &str, more: &str| aggregator.search(&format!("{}&_count=100{more}", by_number(name, AMINA)), &claims);
    let before = ids(&for_her("DocumentReference", "").await.expect(200));
    assert_eq!((before.len(), &before), (6, &ids(&by_herself("DocumentReference").await.expect(200))));
    for one in HIDDEN {
        concord.later(1_000);
        let hidden = system.create(&letter(label(one))).await;
        system.create(&task(label(one))).await;
        let place = format!("DocumentReference/{hidden}");
        amina.get(&place).await.expect(404);
        system.get(&place).await.expect(200);
        for (name, count) in [("DocumentReference", 6), ("Task", 1)] {
            for more in ["", "&_total=accurate", "&_summary=count", "&_sort=-_lastUpdated"] {
                let found = for_her(name, more).await.expect(200);
                assert_eq!(found.json()["total"], count, "{one:?} {name}{more}: {found}");
            }
            assert_eq!(ids(&for_her(name, "").await.expect(200)), ids(&by_herself(name).await.expect(200)), "{one:?}");
            for purpose in ["TREAT", "HOPERAT", "PATRQT"] {
                let found = for_her(name, "").header("X-Purpose-Of-Use", purpose).await.expect(200);
                assert_eq!(found.json()["total"], count, "{one:?} {name} for {purpose}");
            }
            let asked = format!("&_security={}|{}", one.0, one.1);
            assert_eq!(for_her(name, &asked).await.expect(200).json()["total"], 0, "{one:?} {name}");
        }
    }
}

/// A Patient who has been replaced by another bears the number that people still have on their letters.
async fn a_superseded_number_leads_to_who_is_left(concord: &Concord) {
    let aggregator = Aggregator::of(concord).await;
    hand_in(concord, &json!({"reference": "Patient/amina"})).await;
    hand_in(concord, &json!({"reference": "Patient/callum"})).await;
    let old = json!({"resourceType": "Patient", "id": "amina-before", "active": false, "birthDate": "1985-03-02",
        "identifier": [{"system": NHS, "value": NOBODY}],
        "link": [{"other": {"reference": "Patient/amina"}, "type": "replaced-by"}]});
    concord.system().store(&old).await;
    hand_in(concord, &json!({"identifier": {"system": NHS, "value": NOBODY}})).await;
    let by_old = with(aggregator.amina(), "nhs_number", json!(NOBODY));
    for name in TYPES {
        for (number, claims) in [(AMINA, aggregator.amina()), (NOBODY, by_old.clone())] {
            let found = aggregator.search(&by_number(name, number), &claims).await.expect(200);
            assert_eq!((found.json()["total"].as_i64(), found.matches().len()), (Some(2), 2), "{number}: {found}");
        }
    }
    let born = with(by_old, "birthdate", json!("1985-03-03"));
    refused(aggregator.search(&by_number("Task", NOBODY), &born).await, 401, "birthdate");
    // Of two who have replaced each other nobody would be left; nor of three, nor of what is stored together.
    let system = concord.system();
    let replaced = |id: &str, by: &str| json!({"resourceType": "Patient", "id": id, "link": [{"other": {"reference": format!("Patient/{by}")}, "type": "replaced-by"}]});
    let mut circle = vec![replaced("amina", "amina-before"), replaced("callum", "callum")];
    system.store(&replaced("third", "amina-before")).await;
    circle.push(replaced("amina", "third"));
    for one in circle {
        let answer = system.put(&format!("Patient/{}", text(&one, "/id")), &one).await.expect(422);
        assert!(answer.text().contains("Patient.link"), "{answer}");
    }
    let entries: Vec<Value> = [replaced("one", "two"), replaced("two", "one")]
        .into_iter()
        .map(|one| json!({"request": {"method": "PUT", "url": format!("Patient/{}", text(&one, "/id"))}, "resource": one}))
        .collect();
    let bundle = json!({"resourceType": "Bundle", "type": "transaction", "entry": entries});
    system.post("/fhir", &bundle).await.expect(422);
    system.get("Patient/one").await.expect(404);
}
