//! The log of a patient is about her alone, and tells nothing of what is kept from her: no rule that rests on what she may not
//! know of, and no question of others that found nothing else. What she may know of is told whenever it is shown.

use concord_tests::client::text;
use concord_tests::people::{self, blood_pressure, with};
use concord_tests::{App, Concord, on_both};
use reqwest::Method;
use serde_json::{Value, json};

on_both! {
    reasons_are_of_one_record, each_is_told_by_what_hers_was_found, rules_that_rest_on_a_team_or_a_suspension, rules_that_rest_on_what_is_hidden_are_not_shown, what_only_hidden_data_answered_is_not_told, open_data_is_told_however_it_was_found, numbers_are_told_to_those_whom_they_are_about, what_a_reference_by_a_search_finds_is_told, who_is_asked_about_with_others_is_told_so, who_is_named_anywhere_is_told_so, numbers_of_events_tell_nothing, of_several_each_is_told, of_an_older_version_those_whose_it_was_are_told, what_a_document_shows_of_others_is_told, a_condition_that_meets_what_is_kept_tells_whom_it_names, whose_data_decides_by_a_chain_is_told, a_condition_does_not_tell_what_it_leads_through
}

const NOT_SHOWN: &str = "by a rule that is not shown to you";

/// All that somebody is told of the log, as events and in sentences.
async fn told(app: &App) -> String {
    let mut all = Value::from(app.entries("AuditEvent?_count=200").await).to_string();
    all.push_str(&Value::from(app.entries("Patient/amina/$access-log?_count=200").await).to_string());
    all
}

/// The reasons of the events that somebody finds by a search, newest first.
async fn reasons(app: &App, query: &str) -> Vec<String> {
    let events = app.get(&format!("AuditEvent?{query}")).await.expect(200).matches();
    events.iter().map(|event| text(event, "/outcomeDesc").to_owned()).collect()
}

fn sharing(id: &str, patient: &str, actor: &str) -> Value {
    let consent = with(people::consent("active", actor, &["access"], &["Observation"]), "id", json!(id));
    with(consent, "patient", json!({"reference": format!("Patient/{patient}")}))
}

fn kept(resource: Value) -> Value {
    with(resource, "meta", json!({"security": [{"system": "urn:concord:label", "code": "SAFEGUARDING"}]}))
}

async fn reasons_are_of_one_record(concord: &Concord) {
    people::arrive(concord).await;
    let system = concord.system();
    for patient in ["amina", "callum"] {
        system.store(&sharing(&format!("{patient}-shares"), patient, "Practitioner/former")).await;
        system.store(&with(blood_pressure(patient, 120), "id", json!(patient))).await;
    }
    // By a Consent of each.
    let colleague = concord.user("Practitioner/former");
    for query in ["Observation", "Observation/_history", "_history", "?_type=Condition,Observation"] {
        colleague.get(query).await.expect(200);
    }
    // In an emergency of each, and then of both at once.
    let doctor = concord.user("Practitioner/gp-elsewhere");
    for (place, why) in [
        ("Observation/amina", "amina was found unconscious"),
        ("Observation/callum", "callum was found unconscious"),
        ("Observation", "and now for all of them"),
    ] {
        let ask = doctor.get(place).header("x-purpose-of-use", "BTG").header("x-purpose-reason", why);
        ask.await.expect(200);
    }
    for (patient, other) in [("amina", "callum"), ("callum", "amina")] {
        let app = concord.patient(patient);
        let events = Value::from(app.entries("AuditEvent?_count=200").await).to_string();
        assert!(events.contains(&format!("Consent/{patient}-shares/_history/1")), "{events}");
        assert!(events.contains(&format!("{patient} was found unconscious")), "{events}");
        assert!(!events.contains(other), "{events}");
        let searches = reasons(&app, "agent=Practitioner/former&subtype=search-type,history-type").await;
        assert_eq!(searches.len(), 3, "{searches:?}");
        let names = |one: &String| one.contains(&format!("Consent/{patient}-shares/_history/1"));
        assert!(searches.iter().all(names), "{searches:?}");
        let emergency = reasons(&app, "agent=Practitioner/gp-elsewhere&subtype=search-type").await;
        assert!(emergency[0].contains(&format!("{patient} was found unconscious")), "{emergency:?}");
    }
}

fn diagnosis(patient: &str) -> Value {
    json!({"resourceType": "Condition", "id": patient, "code": {"text": "x"},
        "subject": {"reference": format!("Patient/{patient}")},
        "evidence": [{"detail": [{"reference": format!("Observation/{patient}")}]}]})
}

/// Each type is shared by a Consent of its own. Whose data of both was found is told of both Consents, and whose of one, of that.
async fn each_is_told_by_what_hers_was_found(concord: &Concord) {
    people::arrive(concord).await;
    let (system, colleague) = (concord.system(), concord.user("Practitioner/former"));
    for patient in ["amina", "callum"] {
        for class in ["Observation", "Condition"] {
            let consent = people::consent("active", "Practitioner/former", &["access"], &[class]);
            let consent = with(consent, "patient", json!({"reference": format!("Patient/{patient}")}));
            system.store(&with(consent, "id", json!(format!("{patient}-{}", class.to_lowercase())))).await;
        }
        system.store(&with(blood_pressure(patient, 120), "id", json!(patient))).await;
    }
    system.store(&diagnosis("amina")).await;
    let both = ["observation", "condition"];
    for (query, of_amina, of_callum) in [
        ("?_type=Observation,Condition", &both[..], &both[..1]),
        ("?_type=Condition,Observation", &both, &both[..1]),
        ("_history", &both, &both[..1]),
        ("Condition?_include=Condition:evidence-detail", &both, &[]),
        ("Observation?_revinclude=Condition:evidence-detail", &both, &both[..1]),
        ("Observation", &both[..1], &both[..1]),
    ] {
        for (patient, told) in [("amina", of_amina), ("callum", of_callum)] {
            let before = reasons(&concord.patient(patient), "agent=Practitioner/former&_count=200").await.len();
            colleague.get(query).await.expect(200);
            let seen = reasons(&concord.patient(patient), "agent=Practitioner/former&_count=200").await;
            assert_eq!(seen.len() - before, usize::from(!told.is_empty()), "{query} {patient}: {seen:?}");
            for class in both.iter().filter(|_| !told.is_empty()) {
                let is_named = seen[0].contains(&format!("Consent/{patient}-{class}/_history/1"));
                assert_eq!(is_named, told.contains(class), "{query} {patient}: {}", seen[0]);
            }
        }
    }
}

async fn rules_that_rest_on_what_is_hidden_are_not_shown(concord: &Concord) {
    people::arrive(concord).await;
    let (system, amina, doctor) =
        (concord.system(), concord.patient("amina"), concord.user("Practitioner/gp-elsewhere"));
    system.store(&with(blood_pressure("amina", 120), "id", json!("reading"))).await;
    system.store(&kept(sharing("secret-permit", "amina", "Practitioner/gp-elsewhere"))).await;
    let denial = sharing("secret-denial", "amina", "Practitioner/gp");
    let provision = with(denial["provision"].clone(), "type", json!("deny"));
    system.store(&kept(with(denial, "provision", provision))).await;
    amina.get("Consent/secret-permit").await.expect(404);
    doctor.get("Observation/reading").await.expect(200);
    assert_eq!(doctor.get("Observation?patient=amina").await.expect(200).ids(), ["reading"]);
    concord.user("Practitioner/gp").get("Observation/reading").await.expect(404);
    for app in [&amina, &doctor, &concord.user("Practitioner/gp")] {
        let told = told(app).await;
        assert!(!told.contains("secret"), "{told}");
    }
    let seen = told(&amina).await;
    assert!(seen.contains("rule.not-shown") && seen.contains(NOT_SHOWN), "{seen}");
    assert_eq!(reasons(&amina, "subtype=read&agent=Practitioner/gp").await, ["hidden: rule.not-shown"]);
    let id = amina.get("AuditEvent?subtype=read&agent=Practitioner/gp").await.expect(200).ids().remove(0);
    let one = amina.get(&format!("AuditEvent/{id}")).await.expect(200).text();
    assert!(one.contains("rule.not-shown") && !one.contains("secret"), "{one}");
    let one = amina.get(&format!("AuditEvent/{id}/_history/1")).await.expect(200).text();
    assert!(one.contains("rule.not-shown") && !one.contains("secret"), "{one}");
    // The log keeps the whole truth, for those who may know it.
    let whole = Value::from(system.entries("AuditEvent?patient=amina&_count=200").await).to_string();
    for name in ["Consent/secret-permit/_history/1", "Consent/secret-denial/_history/1"] {
        assert!(whole.contains(name), "{whole}");
    }
    // What she may know of is told by its name, also after she has taken it away.
    system.store(&sharing("open", "amina", "Practitioner/former")).await;
    concord.user("Practitioner/former").get("Observation/reading").await.expect(200);
    let by_name = ["scope.covers, Consent/open/_history/1"];
    assert_eq!(reasons(&amina, "subtype=read&agent=Practitioner/former").await, by_name);
    system.delete("Consent/open").await.expect(204);
    assert_eq!(reasons(&amina, "subtype=read&agent=Practitioner/former").await, by_name);
}

async fn rules_that_rest_on_a_team_or_a_suspension(concord: &Concord) {
    people::arrive(concord).await;
    let (system, amina) = (concord.system(), concord.patient("amina"));
    let (son, doctor) = (concord.user("RelatedPerson/yusuf"), concord.user("Practitioner/gp-elsewhere"));
    system.store(&with(blood_pressure("amina", 120), "id", json!("reading"))).await;
    let suspends = "https://fhir.nhs.uk/England/StructureDefinition/Extension-England-Consent-Status-Reason";
    let suspension = with(
        with(sharing("suspension", "amina", "RelatedPerson/yusuf"), "status", json!("inactive")),
        "extension",
        json!([{"url": suspends, "valueCodeableConcept": {"coding": [{
            "system": "https://fhir.nhs.uk/England/CodeSystem/England-ConsentStatusReason",
            "code": "ROLE_DEACTIVATED_SAFEGUARDING"}]}}]),
    );
    let team = with(people::care_team(&["Practitioner/gp-elsewhere"]), "id", json!("team"));
    let [of_son, of_doctor] =
        ["RelatedPerson/yusuf", "Practitioner/gp-elsewhere"].map(|who| format!("subtype=read&_count=1&agent={who}"));
    // What she may know of is told by the rule alone, and what is kept from her is not.
    for (resource, hidden) in [(&suspension, false), (&suspension, true), (&team, false), (&team, true)] {
        system.store(&if hidden { kept(resource.clone()) } else { resource.clone() }).await;
        son.get("Observation/reading").await.expect(404);
        let is_team = resource == &team;
        if is_team {
            doctor.get("Observation/reading").await.expect(200);
        }
        let (query, rule) = match is_team {
            true => (&of_doctor, "scope.covers, care-team"),
            false => (&of_son, "hidden: proxy.suspended"),
        };
        let told = reasons(&amina, query).await;
        let shown = if hidden { rule.replace("care-team", "rule.not-shown") } else { rule.to_owned() };
        let shown = if hidden { shown.replace("proxy.suspended", "rule.not-shown") } else { shown };
        assert_eq!(told, [shown], "{hidden}");
        let whole = reasons(&system, &format!("patient=amina&{query}")).await;
        let rests_on = if is_team { "CareTeam/team" } else { "Consent/suspension" };
        assert_eq!(whole, [format!("{rule}@{rests_on}")]);
    }
    // It is so in whatever way it is told.
    concord.user("Practitioner/gp").get("Observation/reading").await.expect(200);
    let sentences = Value::from(amina.entries("Patient/amina/$access-log?_count=200").await).to_string();
    assert!(!sentences.contains("suspended") && !sentences.contains('@'), "{sentences}");
    assert!(sentences.contains("by being in the care team"), "of her own: {sentences}");
}

/// What a patient is told of a request, as events.
async fn events_of(app: &App, request: &str) -> Vec<String> {
    let events = app.entries("AuditEvent?_count=200").await;
    events.iter().map(Value::to_string).filter(|event| event.contains(request)).collect()
}

async fn what_only_hidden_data_answered_is_not_told(concord: &Concord) {
    // By itself, with what comes along, and by what it leads to.
    const QUESTIONS: [&str; 12] = [
        "ClinicalImpression?_include=ClinicalImpression:subject",
        "ClinicalImpression?_include=*&_include:iterate=*",
        "?_type=ClinicalImpression&_include=*",
        "Patient?_has:ClinicalImpression:subject:status=completed",
        "Observation?_has:ClinicalImpression:investigation:status=completed",
        "Practitioner?_revinclude=ClinicalImpression:assessor&_include:iterate=ClinicalImpression:investigation",
        "ClinicalImpression",
        "ClinicalImpression?_count=5",
        "ClinicalImpression/_history",
        "?_type=ClinicalImpression,Flag",
        "Practitioner?_revinclude=ClinicalImpression:assessor",
        "ClinicalImpression?patient=amina",
    ];
    people::arrive(concord).await;
    let (amina, gp) = (concord.patient("amina"), concord.user("Practitioner/gp"));
    let note = json!({"resourceType": "ClinicalImpression", "id": "note", "status": "completed",
        "subject": {"reference": "Patient/amina"}, "assessor": {"reference": "Practitioner/gp"}, "summary": "interim",
        "investigation": [{"code": {"text": "x"}, "item": [{"reference": "Observation/reading"}]}]});
    concord.system().store(&with(blood_pressure("amina", 120), "id", json!("reading"))).await;
    let label = json!({"security": [{"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "NOPAT"}]});
    // How often each is in her log while there is nothing, something hidden, and something open.
    let mut counted: Vec<Vec<usize>> = Vec::new();
    for stage in 0..3 {
        match stage {
            1 => _ = concord.system().store(&with(note.clone(), "meta", label.clone())).await,
            2 => _ = concord.system().store(&with(note.clone(), "id", json!("open"))).await,
            _ => {}
        }
        let mut counts = Vec::new();
        for (place, question) in QUESTIONS.into_iter().enumerate() {
            let request = format!("00000000-0000-4000-8000-0000000{stage}00{place:02}");
            let answer = gp.get(question).header("x-request-id", &request).await.expect(200).text();
            // What is hers to know of and is in the answer is told, and not that it is there by what is not.
            let shows_more = ["Observation/reading", "Patient/amina"]
                .iter()
                .any(|one| answer.contains(&format!(r#"{one}","resource""#)));
            if stage == 1 && place + 1 < QUESTIONS.len() {
                let events = events_of(&amina, &request).await;
                assert_eq!(!events.is_empty(), shows_more, "{question}: {answer}");
                for event in &events {
                    assert!(!event.contains("ClinicalImpression") && !event.contains("_has"), "{question}: {event}");
                }
            }
            let log = told(&amina).await;
            counts.push(if stage == 1 && shows_more { counted[0][place] } else { log.matches(&request).count() });
            let by_others = "AuditEvent?agent=Practitioner/gp&_count=200";
            let number = amina.get(&format!("{by_others}&_summary=count")).await.expect(200).json()["total"].as_u64();
            let listed = amina.get(by_others).await.expect(200).matches().len();
            assert_eq!(number, u64::try_from(listed).ok(), "{question}");
            if stage == 1 && place + 1 < QUESTIONS.len() {
                let all =
                    Value::from(concord.system().entries("AuditEvent?patient=amina&_count=200").await).to_string();
                assert!(all.contains(&request), "{question}: those who may know find it");
            }
        }
        counted.push(counts);
    }
    assert_eq!(counted[0], counted[1], "what is hidden is not told by who found it");
    assert!(counted[2].iter().all(|count| *count > 0), "{counted:?}");
    // What somebody looks up of their own events has been told when it was done.
    let request = "00000000-0000-4000-8000-000000099999";
    gp.get("ClinicalImpression/note").await.expect(200);
    let own = gp.get("AuditEvent?entity=ClinicalImpression/note").header("x-request-id", request).await.expect(200);
    assert!(!own.matches().is_empty());
    assert_eq!(told(&amina).await.matches(request).count(), 0);
}

fn of_amina(id: &str, code: &str) -> Value {
    json!({"resourceType": "Condition", "id": id, "subject": {"reference": "Patient/amina"},
        "code": {"coding": [{"system": "urn:example:codes", "code": code}]}})
}

/// A hidden plan that names an open diagnosis, so that whoever wrote it finds that by it.
fn hidden_plan(about: &str) -> Value {
    let not_for_her = json!({"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "NOPAT"});
    json!({"resourceType": "CarePlan", "id": "plan", "status": "active", "intent": "plan",
        "meta": {"security": [not_for_her]}, "subject": {"reference": "Patient/amina"},
        "addresses": [{"reference": about}]})
}

async fn open_data_is_told_however_it_was_found(concord: &Concord) {
    people::arrive(concord).await;
    let (system, amina, gp) = (concord.system(), concord.patient("amina"), concord.user("Practitioner/gp"));
    system.store(&of_amina("open", "a")).await;
    system.store(&hidden_plan("Condition/open")).await;
    amina.get("CarePlan/plan").await.expect(404);
    for (place, question) in [
        "Condition?subject:Patient._has:CarePlan:subject:_id=plan",
        "Condition?_has:CarePlan:condition:status=active",
        "CarePlan?_id=plan&_include=CarePlan:condition",
        "?_type=Condition,Flag&patient._has:CarePlan:subject:_id=plan",
    ]
    .into_iter()
    .enumerate()
    {
        let request = format!("00000000-0000-4000-8000-0000000000{place:02}");
        let answer = gp.get(question).header("x-request-id", &request).await.expect(200).text();
        assert!(answer.contains(r#""id":"open""#), "{question}: {answer}");
        let events = events_of(&amina, &request).await;
        assert_eq!(events.len(), 1, "{question}: {events:?}");
        assert!(events[0].contains("Practitioner/gp") && !events[0].contains("CarePlan"), "{}", events[0]);
        // As if it had been looked for by itself.
        let searched = amina.get("AuditEvent?subtype=search-type&agent=Practitioner/gp").await.expect(200).text();
        assert!(searched.contains(&request), "{searched}");
    }
}

async fn numbers_are_told_to_those_whom_they_are_about(concord: &Concord) {
    people::arrive(concord).await;
    let (system, amina, gp) = (concord.system(), concord.patient("amina"), concord.user("Practitioner/gp"));
    system.store(&of_amina("open", "a")).await;
    system.store(&hidden_plan("Condition/open")).await;
    for (place, (question, is_told)) in [
        ("Condition?_id=open&code=a&_summary=count", true),
        ("Condition?patient=amina,nobody&_count=0", true),
        ("Condition?subject:Patient.gender:not=unknown&_summary=count", true),
        ("Patient?_id=amina,nobody&_summary=count", true),
        ("Condition?_has:CarePlan:condition:status=active&_summary=count", true),
        ("?_type=Condition,Flag,Goal&patient._has:CarePlan:subject:_id=plan&_summary=count", true),
        ("CarePlan?_id=plan&_summary=count", false),
        ("Condition?_id=open&code=b&_summary=count", false),
    ]
    .into_iter()
    .enumerate()
    {
        let request = format!("00000000-0000-4000-8000-0000000001{place:02}");
        let total = gp.get(question).header("x-request-id", &request).await.expect(200).json()["total"].clone();
        assert_eq!(total != json!(0), place != 7, "{question}: {total}");
        let events = events_of(&amina, &request).await;
        // Of each type of hers that it counts, and of no other.
        assert_eq!(events.len(), usize::from(is_told), "{question}: {events:?}");
        assert!(events.iter().all(|event| !event.contains("CarePlan")), "{question}: {events:?}");
    }
}

/// What a patient is told of a search that names her beside others: the parameters and who asked, alike whether there is nothing of
/// hers, what is kept from her, or something.
async fn who_is_asked_about_with_others_is_told_so(concord: &Concord) {
    const QUESTIONS: [&str; 6] = [
        "Flag?patient=amina,nobody",
        "Flag?patient=callum,amina&code=nothing",
        "Flag?subject=Patient/amina,Patient/callum",
        "Patient?_id=callum,amina&birthdate=1800",
        "Flag?patient=amina,callum&_summary=count",
        "?_type=Flag,Goal&patient=amina,callum",
    ];
    people::arrive(concord).await;
    let (system, amina, gp) = (concord.system(), concord.patient("amina"), concord.user("Practitioner/gp"));
    let flag = json!({"resourceType": "Flag", "id": "kept", "status": "active", "code": {"text": "x"},
        "subject": {"reference": "Patient/amina"}});
    let label = json!({"security": [{"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "NOPAT"}]});
    let mut seen: Vec<Vec<String>> = Vec::new();
    for stage in 0..2 {
        if stage == 1 {
            system.store(&with(flag.clone(), "meta", label.clone())).await;
        }
        let mut of_each = Vec::new();
        for (place, question) in QUESTIONS.into_iter().enumerate() {
            let request = format!("00000000-0000-4000-8000-00000000{stage}2{place:02}");
            gp.get(question).header("x-request-id", &request).await.expect(200);
            let events = events_of(&amina, &request).await;
            assert_eq!(events.len(), 1, "{question}: {events:?}");
            assert!(!events[0].contains("callum") && !events[0].contains("nobody"), "{question}: {events:?}");
            let event: Value = serde_json::from_str(&events[0]).expect("an event");
            of_each.push(["/resource/outcome", "/resource/outcomeDesc"].map(|place| text(&event, place)).join(" "));
        }
        seen.push(of_each);
    }
    assert_eq!(seen[0], seen[1], "what is kept from her is told as what is not there");
    // Who may not know of her is refused, to her; in their own log it stands as it does where there is no such patient.
    let stranger = concord.user("Practitioner/gp-elsewhere");
    let mut own = Vec::new();
    for (place, other) in ["amina", "nobody"].into_iter().enumerate() {
        let request = format!("00000000-0000-4000-8000-000000003{place:03}");
        let question = format!("Flag?patient={other},nobody-else");
        stranger.get(&question).header("x-request-id", &request).await.expect(200);
        own.push(events_of(&stranger, &request).await.len());
        if other == "amina" {
            let events = events_of(&amina, &request).await;
            assert!(events.len() == 1 && events[0].contains(r#""outcome":"4""#), "{events:?}");
        }
    }
    assert_eq!(own, [1, 1]);
}

/// Whatever a question names a patient as, she is told that she was asked about, also where it finds nothing; and by conditions of
/// writes that nothing meets.
async fn who_is_named_anywhere_is_told_so(concord: &Concord) {
    const QUESTIONS: [&str; 12] = [
        "Flag?patient=amina&patient=callum",
        "Flag?patient=callum&patient=Patient/amina",
        "Patient?_id=callum&_id=amina",
        "Flag?subject=amina&status=inactive",
        "Flag?patient._id=amina&status=inactive",
        "Flag?patient:Patient._id=amina",
        "Observation?performer=Patient/amina&code=nothing",
        "Provenance?target=Patient/amina&recorded=1800",
        "Communication?recipient=Patient/amina&sender=Patient/amina",
        "Encounter?_has:Observation:encounter:patient=amina",
        "Flag?_filter=(patient eq Patient/amina or _id eq nothing) and status eq inactive",
        "Patient/amina/Flag",
    ];
    people::arrive(concord).await;
    let (amina, gp) = (concord.patient("amina"), concord.user("Practitioner/gp"));
    for (place, question) in QUESTIONS.into_iter().enumerate() {
        let request = format!("00000000-0000-4000-8000-0000000004{place:02}");
        let answer = gp.get(&question.replace(' ', "%20")).header("x-request-id", &request).await;
        assert_eq!(answer.expect(200).json()["total"], json!(0), "{question}");
        let events = events_of(&amina, &request).await;
        assert_eq!(events.len(), 1, "{question}: {events:?}");
        assert!(!events[0].contains("callum"), "{question}: {events:?}");
    }
    let body = blood_pressure("callum", 120);
    let condition = "patient=amina&code=nothing";
    for place in 0..3 {
        let request = format!("00000000-0000-4000-8000-0000000005{place:02}");
        let path = format!("Observation?{condition}");
        let ask = match place {
            0 => gp.delete(&path),
            1 => gp.put(&path, &body),
            _ => gp.post("Observation", &body).header("if-none-exist", condition),
        };
        ask.header("x-request-id", &request).await;
        let events = events_of(&amina, &request).await;
        assert_eq!(events.len(), 1, "{place}: {events:?}");
    }
}

fn number_of(event: &Value) -> i64 {
    text(event, "/resource/id").parse().expect("a number")
}

/// Events are numbered one after the other. Whoever sees their own does not see by that whether others stand between, of whom they may not
/// know: who is asked about and is not there has a number as well.
async fn numbers_of_events_tell_nothing(concord: &Concord) {
    people::arrive(concord).await;
    let stranger = concord.user("Practitioner/gp-elsewhere");
    let mut seen = Vec::new();
    for (place, others) in ["amina,callum,amina", "nobody,nobody-else,nobody"].into_iter().enumerate() {
        let mut requests = Vec::new();
        for entry in 0..3 {
            requests.push(
                json!({"request": {"method": "GET", "url": format!("Flag?patient={others}&_count={}", entry + 1)}}),
            );
        }
        let request = format!("00000000-0000-4000-8000-0000000006{place:02}");
        let bundle = json!({"resourceType": "Bundle", "type": "transaction", "entry": requests});
        stranger.post("", &bundle).header("x-request-id", &request).await.expect(200);
        let events = stranger.entries("AuditEvent?_count=200").await;
        let own: Vec<i64> = events.iter().filter(|event| event.to_string().contains(&request)).map(number_of).collect();
        assert_eq!(own.len(), 3);
        let newest = own.iter().max().copied().unwrap_or_default();
        seen.push(own.iter().map(|one| newest - one).collect::<Vec<i64>>());
    }
    assert_eq!(seen[0], seen[1]);
}

/// What is in the records of several patients is told to each, whichever way it is read or written.
async fn of_several_each_is_told(concord: &Concord) {
    people::arrive(concord).await;
    let system = concord.system();
    let of = |patient: &str| json!({"actor": {"reference": format!("Patient/{patient}")}, "status": "accepted"});
    let meeting = json!({"resourceType": "Appointment", "id": "both", "status": "proposed", "participant": [of("amina"), of("callum")]});
    system.store(&meeting).await;
    let patients = [concord.patient("amina"), concord.patient("callum")];
    let changed = with(meeting.clone(), "comment", json!("changed"));
    // What is asked for another's record shows hers, and she is told of that and not for whom it was asked.
    let request = "00000000-0000-4000-8000-000000000799";
    system.get("Patient/callum/$everything").header("x-request-id", request).await.expect(200);
    let events = events_of(&patients[0], request).await;
    assert!(events.len() == 1 && events[0].contains("Appointment") && !events[0].contains("callum"), "{events:?}");
    for place in 0..6 {
        let request = format!("00000000-0000-4000-8000-0000000007{place:02}");
        let ask = match place {
            0 => system.get("Appointment/both"),
            1 => system.get("Appointment/both/_history/1"),
            2 => system.get("Appointment/both/$meta"),
            3 => system.put("Appointment/both", &changed),
            4 => system.post("Appointment", &meeting).header("if-none-exist", "_id=both"),
            _ => system.delete("Appointment/both"),
        };
        let answer = ask.header("x-request-id", &request).await;
        assert!(answer.status < 300, "{place}: {}", answer.status);
        for patient in &patients {
            let events = events_of(patient, &request).await;
            assert_eq!(events.len(), 1, "{place}: {events:?}");
        }
    }
}

/// So is an older version told to those in whose records it was, and to nobody else, wherever the newest is.
async fn of_an_older_version_those_whose_it_was_are_told(concord: &Concord) {
    people::arrive(concord).await;
    let system = concord.system();
    let of = |patient: &str| json!({"actor": {"reference": format!("Patient/{patient}")}, "status": "accepted"});
    let meeting = |of_whom: &[&str]| {
        let participants: Vec<Value> = of_whom.iter().map(|patient| of(patient)).collect();
        json!({"resourceType": "Appointment", "id": "left", "status": "proposed", "participant": participants})
    };
    system.store(&meeting(&["amina", "callum"])).await;
    system.put("Appointment/left", &meeting(&["amina"])).await.expect(200);
    for (version, told) in [(1, [1, 1]), (2, [1, 0])] {
        let request = format!("00000000-0000-4000-8000-0000000008{version:02}");
        let of_version = system.get(&format!("Appointment/left/_history/{version}"));
        of_version.header("x-request-id", &request).await.expect(200);
        for (patient, count) in ["amina", "callum"].into_iter().zip(told) {
            let events = events_of(&concord.patient(patient), &request).await;
            assert_eq!(events.len(), count, "{version} to {patient}: {events:?}");
        }
    }
}

/// What is asked for by its id may show what is in the records of others than those whom it is about: they are told of that, and
/// not of what showed it.
async fn what_a_document_shows_of_others_is_told(concord: &Concord) {
    people::arrive(concord).await;
    let (system, amina, callum) = (concord.system(), concord.patient("amina"), concord.patient("callum"));
    system.store(&with(of_amina("open", "a"), "subject", json!({"reference": "Patient/callum"}))).await;
    let letter = |id: &str| {
        json!({"resourceType": "Composition", "id": id, "status": "final", "type": {"text": "letter"},
            "date": "2026-11-30", "author": [{"reference": "Practitioner/gp"}], "title": "A letter",
            "section": [{"title": "what was found", "entry": [{"reference": "Condition/open"}]}]})
    };
    system.store(&with(letter("hers"), "subject", json!({"reference": "Patient/amina"}))).await;
    system.store(&letter("nobodys")).await;
    for (place, (path, of_amina)) in
        [("Composition/hers/$document", 1), ("Composition/$document?id=hers", 1), ("Composition/nobodys/$document", 0)]
            .into_iter()
            .enumerate()
    {
        let request = format!("00000000-0000-4000-8000-0000000009{place:02}");
        let answer = system.get(path).header("x-request-id", &request).await.expect(200);
        assert!(answer.text().contains("Condition/open"), "{path}: {}", answer.text());
        let events = events_of(&callum, &request).await;
        assert_eq!(events.len(), 1, "{path}: {events:?}");
        assert!(events[0].contains("Condition") && !events[0].contains("Composition"), "{path}: {events:?}");
        assert_eq!(events_of(&amina, &request).await.len(), of_amina, "{path}");
    }
}

/// Whom a condition names is told so, alike whether what it meets is kept from her or not there.
async fn a_condition_that_meets_what_is_kept_tells_whom_it_names(concord: &Concord) {
    people::arrive(concord).await;
    let (system, amina, gp) = (concord.system(), concord.patient("amina"), concord.user("Practitioner/gp"));
    system.store(&hidden_plan("Patient/amina")).await;
    let plan = json!({"resourceType": "CarePlan", "status": "active", "intent": "plan",
        "subject": {"reference": "Patient/amina"}});
    let mut told = Vec::new();
    for (kind, id) in ["plan", "missing"].into_iter().enumerate() {
        for way in 0..3 {
            let condition = format!("patient=amina&_id={id}");
            let request = format!("00000000-0000-4000-8000-00000000100{}", kind * 3 + way);
            let ask = match way {
                0 => gp.put(&format!("CarePlan?{condition}"), &plan),
                1 => gp.delete(&format!("CarePlan?{condition}")),
                _ => gp.post("CarePlan", &plan).header("if-none-exist", &condition),
            };
            ask.header("x-request-id", &request).await;
            let events = events_of(&amina, &request).await;
            assert!(!events.iter().any(|event| event.contains("CarePlan/plan")), "{way}: {events:?}");
            let asked = |event: &&String| event.contains("search-type");
            told.push(events.iter().filter(asked).count());
        }
    }
    assert_eq!(told, [1; 6]);
    // So is she whom it names and in whose record what it meets is not.
    let performed = with(blood_pressure("callum", 120), "performer", json!([{"reference": "Patient/amina"}]));
    system.store(&with(performed.clone(), "id", json!("callums"))).await;
    let request = "00000000-0000-4000-8000-000000001099";
    let ask = system.post("Observation", &performed).header("x-request-id", request);
    ask.header("if-none-exist", "performer=Patient/amina&_id=callums").await.expect(200);
    let events = events_of(&amina, request).await;
    assert!(events.len() == 1 && events[0].contains("search-type") && !events[0].contains("callum"), "{events:?}");
}

/// What a search looks at in others on its way to what it finds is told to those whose it is, as looked for by itself: where the match is
/// kept from them, and where it is in the record of somebody else.
async fn whose_data_decides_by_a_chain_is_told(concord: &Concord) {
    people::arrive(concord).await;
    let (system, amina, gp) = (concord.system(), concord.patient("amina"), concord.user("Practitioner/gp"));
    system.store(&of_amina("open", "a")).await;
    system.store(&hidden_plan("Condition/open")).await;
    let callums = with(of_amina("callums", "c"), "subject", json!({"reference": "Patient/callum"}));
    let callums = with(callums, "evidence", json!([{"detail": [{"reference": "Condition/open"}]}]));
    system.store(&callums).await;
    for (place, (by_gp, question, finds, told)) in [
        (true, "CarePlan?_id=plan&condition.code=a", 1, "Condition"),
        (true, "CarePlan?_id=plan&condition.code=a&_summary=count", 1, "Condition"),
        (true, "CarePlan?_id=plan&condition.code=z&_summary=count", 0, ""),
        (true, "CarePlan?_id=plan&subject:Patient.active=true&_summary=count", 0, ""),
        (true, "CarePlan?_id=plan&subject:Patient._id=amina", 1, "Patient"),
        (true, "CarePlan?_id=plan&condition.subject:Patient.family:missing=false&_summary=count", 1, "Condition"),
        (false, "Condition?_id=callums&evidence-detail:Condition.code=a", 1, "Condition"),
        (false, "Condition?_id=callums&evidence-detail:Condition.code=a&_count=0", 1, "Condition"),
        (false, "Condition?_id=callums&evidence-detail:Condition.code=z&_count=0", 0, ""),
    ]
    .into_iter()
    .enumerate()
    {
        let request = format!("00000000-0000-4000-8000-0000000011{place:02}");
        let app = if by_gp { &gp } else { &system };
        let answer = app.get(question).header("x-request-id", &request).await.expect(200).json();
        assert_eq!(answer["total"], finds, "{question}: {answer}");
        let events = events_of(&amina, &request).await;
        let named = question.contains("_id=amina");
        assert_eq!(events.len(), usize::from(!told.is_empty() || named), "{question}: {events:?}");
        let tells_how = |event: &String| event.contains("CarePlan") || event.contains("callums");
        // Who is named is told of which type.
        assert!(named || !events.iter().any(tells_how), "{question}: {events:?}");
        assert!(events.iter().all(|event| event.contains(told)), "{question}: {events:?}");
    }
    // So is what the condition of a write looks at.
    let patch = json!([{"op": "replace", "path": "/status", "value": "on-hold"}]);
    let request = "00000000-0000-4000-8000-000000001199";
    let ask = gp.ask(Method::PATCH, "CarePlan?_id=plan&condition.code=a").header("x-request-id", request);
    ask.body("application/json-patch+json", patch.to_string()).await;
    let events = events_of(&amina, request).await;
    assert!(events.len() == 1 && events[0].contains("Condition") && !events[0].contains("CarePlan"), "{events:?}");
}

async fn what_a_reference_by_a_search_finds_is_told(concord: &Concord) {
    people::arrive(concord).await;
    let (system, amina) = (concord.system(), concord.patient("amina"));
    system.store(&of_amina("open", "a")).await;
    system.store(&of_amina("other", "a")).await;
    let naming = |code: &str, more: &[Value]| {
        let reading = with(
            blood_pressure("callum", 120),
            "extension",
            json!([{"url": "urn:example:about",
            "valueReference": {"reference": format!("Condition?patient=amina&code={code}")}}]),
        );
        let mut entries = vec![json!({"resource": reading, "request": {"method": "POST", "url": "Observation"}})];
        entries.extend_from_slice(more);
        json!({"resourceType": "Bundle", "type": "transaction", "entry": entries})
    };
    let wrong =
        json!({"resource": {"resourceType": "Observation"}, "request": {"method": "POST", "url": "Observation"}});
    system.store(&of_amina("alone", "c")).await;
    for (place, (bundle, status)) in [
        (naming("c", &[]), 200),
        (naming("c", std::slice::from_ref(&wrong)), 422),
        (naming("a", &[]), 412),
        (naming("b", &[]), 412),
    ]
    .into_iter()
    .enumerate()
    {
        let request = format!("00000000-0000-4000-8000-0000000002{place:02}");
        system.post("", &bundle).header("x-request-id", &request).await.expect(status);
        let events = events_of(&amina, &request).await;
        // What is refused before anything is looked for has looked at nobody.
        let is_looked_for = place != 1;
        assert_eq!(events.len(), usize::from(is_looked_for), "{place}: {events:?}");
    }
    // So is that a resource has no version of that time, which tells that there is one.
    let request = "00000000-0000-4000-8000-000000000298";
    let history = "Condition/open/_history?_since=2100-01-01";
    assert!(system.get(history).header("x-request-id", request).await.expect(200).matches().is_empty());
    assert_eq!(events_of(&amina, request).await.len(), 1);
    // So is that several things meet the condition of a create.
    let request = "00000000-0000-4000-8000-000000000299";
    let ask = system.post("Condition", &of_amina("x", "a")).header("x-request-id", request);
    ask.header("if-none-exist", "patient=amina&code=a").await.expect(412);
    assert_eq!(events_of(&amina, request).await.len(), 1);
}

async fn a_condition_does_not_tell_what_it_leads_through(concord: &Concord) {
    people::arrive(concord).await;
    let (system, amina, gp) = (concord.system(), concord.patient("amina"), concord.user("Practitioner/gp"));
    system.store(&of_amina("open", "a")).await;
    system.store(&hidden_plan("Condition/open")).await;
    let request = "00000000-0000-4000-8000-000000000301";
    gp.delete("Condition?_has:CarePlan:condition:status=active").header("x-request-id", request).await.expect(403);
    let events = events_of(&amina, request).await;
    assert!(events.iter().all(|event| !event.contains("CarePlan")), "{events:?}");
    let whole = Value::from(system.entries("AuditEvent?patient=amina&_count=200").await).to_string();
    assert!(whole.contains("_has:CarePlan:condition:status"), "those who may know find it: {whole}");
}
