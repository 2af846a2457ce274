//! Decisions that explain themselves: what another would see, who can see a record, and that a search may not show all.

use concord_tests::client::{Answer, Ask, text};
use concord_tests::people::{self, blood_pressure, with};
use concord_tests::{App, Concord, on_both};
use serde_json::{Value, json};

on_both! {
    what_would_my_son_see, with_a_draft, about_oneself, what_is_hidden_decides_nothing_that_is_told, what_the_asker_may_not_know, questions_that_are_wrong,
    who_can_see_a_record, some_may_be_withheld,
    by_identifier_and_about_everything
}

fn parameters(pairs: &[(&str, Value)]) -> Value {
    let parameter = |(name, value): &(&str, Value)| match (name, value) {
        (&"consent", value) => json!({"name": name, "resource": value}),
        (&"patient" | &"actor" | &"resource", value) => json!({"name": name, "valueReference": {"reference": value}}),
        (&"when", value) => json!({"name": name, "valueDateTime": value}),
        (_, value) => json!({"name": name, "valueCode": value}),
    };
    json!({"resourceType": "Parameters", "parameter": pairs.iter().map(parameter).collect::<Vec<_>>()})
}

fn asked(app: &App, actor: &str, more: &[(&str, Value)]) -> Ask {
    let mut pairs = vec![("patient", json!("Patient/amina")), ("actor", json!(actor))];
    pairs.extend(more.iter().cloned());
    app.post("Consent/$evaluate", &parameters(&pairs))
}

fn parts<'v>(part: &'v Value, name: &str) -> Vec<&'v Value> {
    part["part"].as_array().into_iter().flatten().filter(|one| one["name"] == name).collect()
}

/// Of each decision: what it is about, the effect, and the rules.
fn decisions(answer: &Answer) -> Vec<(String, String, Vec<String>)> {
    let body = answer.json();
    let all = body["parameter"].as_array().cloned().unwrap_or_default();
    let told = |one: &Value| {
        assert_eq!(one["name"], "decision");
        let about = parts(one, "resource").first().map(|part| text(part, "/valueReference/reference").to_owned());
        let about = about.or_else(|| parts(one, "type").first().map(|part| text(part, "/valueCode").to_owned()));
        let effect = parts(one, "effect").iter().map(|part| text(part, "/valueCode")).collect::<Vec<_>>().join(" ");
        let rules = parts(one, "reason")
            .iter()
            .map(|reason| {
                assert!(!parts(reason, "layer").is_empty(), "{reason}");
                let told = parts(reason, "text").first().map(|part| text(part, "/valueString").to_owned());
                assert!(told.is_some_and(|told| told.len() > 10), "{reason}");
                parts(reason, "rule").first().map_or("", |part| text(part, "/valueCode")).to_owned()
            })
            .collect();
        (about.unwrap_or_default(), effect, rules)
    };
    all.iter().map(told).collect()
}

fn effects(answer: &Answer) -> Vec<String> {
    decisions(answer).into_iter().map(|(_, effect, _)| effect).collect()
}

async fn things(concord: &Concord) -> (String, String) {
    people::arrive(concord).await;
    let amina = concord.patient("amina");
    let reading = format!("Observation/{}", amina.create(&blood_pressure("amina", 120)).await);
    let goal = json!({"resourceType": "Goal", "lifecycleStatus": "active", "description": {"text": "walk"},
        "subject": {"reference": "Patient/amina"}});
    (reading, format!("Goal/{}", amina.create(&goal).await))
}

async fn what_would_my_son_see(concord: &Concord) {
    let (reading, goal) = things(concord).await;
    let amina = concord.patient("amina");
    let items = [("resource", json!(reading)), ("resource", json!(goal)), ("type", json!("Goal"))];
    let answer = asked(&amina, "RelatedPerson/yusuf", &items).await.expect(200);
    let told = decisions(&answer);
    assert_eq!(told.iter().map(|(about, ..)| about.as_str()).collect::<Vec<_>>(), [&reading, &goal, "Goal"]);
    assert_eq!(effects(&answer), ["permit", "deny", "deny"], "{answer}");
    assert!(answer.text().contains("Consent/amina-sharing/_history/1"), "{answer}");
    assert!(told.iter().all(|(_, _, rules)| !rules.is_empty()));
    // It is what happens.
    let son = concord.user("RelatedPerson/yusuf");
    son.get(&reading).await.expect(200);
    son.get(&goal).await.expect(404);
    let one = [("resource", json!(reading))];
    for (actor, effect) in [
        ("RelatedPerson/neighbour", "deny"),
        ("Practitioner/gp", "permit"),
        ("Practitioner/former", "deny"),
        ("Practitioner/gp-elsewhere", "deny"),
        ("Practitioner/nobody", "deny"),
        ("Patient/amina", "permit"),
        ("Patient/callum", "deny"),
        ("Organization/surgery", "deny"),
    ] {
        assert_eq!(effects(&asked(&amina, actor, &one).await.expect(200)), [effect], "{actor}");
        if let Some((kind, id)) = actor.split_once('/').filter(|(kind, _)| *kind != "Organization") {
            let app = if kind == "Patient" { concord.patient(id) } else { concord.user(actor) };
            let status = app.get(&reading).await.status;
            assert_eq!(status == 200, effect == "permit", "{actor}");
        }
    }
    for (action, effect) in [("access", "permit"), ("collect", "permit"), ("correct", "deny")] {
        let items = [("resource", json!(reading)), ("action", json!(action))];
        let answer = asked(&amina, "RelatedPerson/yusuf", &items).await.expect(200);
        assert_eq!(effects(&answer), [effect], "{action}: {answer}");
    }
    // At another time, for another purpose.
    let mut sharing = people::consent("active", "RelatedPerson/neighbour", &["access"], &["Observation"]);
    // One period is over, which no other decision goes by any more, and one has not begun.
    sharing["dateTime"] = json!("2020-01-01");
    for year in [2021, 2998] {
        sharing["provision"]["period"] = json!({"start": format!("{year}-01-01"), "end": format!("{year}-02-01")});
        amina.create(&people::without(sharing.clone(), "id")).await;
    }
    for (when, effect) in [
        ("2020-12-31T00:00:00Z", "deny"),
        ("2021-01-15T12:00:00Z", "permit"),
        ("2021-03-01T00:00:00Z", "deny"),
        ("2998-01-15T12:00:00Z", "permit"),
        ("2998-03-01T00:00:00Z", "deny"),
    ] {
        let items = [("resource", json!(reading)), ("when", json!(when))];
        assert_eq!(effects(&asked(&amina, "RelatedPerson/neighbour", &items).await.expect(200)), [effect], "{when}");
    }
    let emergency = [("resource", json!(reading)), ("purpose", json!("BTG"))];
    assert_eq!(effects(&asked(&amina, "Practitioner/gp-elsewhere", &emergency).await.expect(200)), ["permit"]);
    assert!(amina.get("Communication").await.expect(200).ids().is_empty(), "to ask breaks nothing");
}

async fn with_a_draft(concord: &Concord) {
    let (reading, goal) = things(concord).await;
    let amina = concord.patient("amina");
    let draft = people::without(people::consent("draft", "RelatedPerson/neighbour", &["access"], &["Goal"]), "id");
    let items = [("resource", json!(reading)), ("resource", json!(goal))];
    assert_eq!(effects(&asked(&amina, "RelatedPerson/neighbour", &items).await.expect(200)), ["deny", "deny"]);
    let with_draft = [items[0].clone(), items[1].clone(), ("consent", draft.clone())];
    let answer = asked(&amina, "RelatedPerson/neighbour", &with_draft).await.expect(200);
    assert_eq!(effects(&answer), ["deny", "permit"], "{answer}");
    // In place of the one that it would replace.
    let narrower = people::consent("active", "RelatedPerson/yusuf", &["access"], &["Goal"]);
    let with_narrower = [items[0].clone(), items[1].clone(), ("consent", narrower)];
    assert_eq!(effects(&asked(&amina, "RelatedPerson/yusuf", &with_narrower).await.expect(200)), ["deny", "permit"]);
    // Nothing of it is stored.
    concord.user("RelatedPerson/neighbour").get(&goal).await.expect(404);
    concord.user("RelatedPerson/yusuf").get(&reading).await.expect(200);
    let other = with(draft, "patient", json!({"reference": "Patient/callum"}));
    asked(&amina, "RelatedPerson/neighbour", &[items[0].clone(), ("consent", other)]).await.expect(400).issues();
}

async fn about_oneself(concord: &Concord) {
    let (reading, goal) = things(concord).await;
    let items = [("resource", json!(reading)), ("resource", json!(goal)), ("type", json!("Goal"))];
    let son = concord.user("RelatedPerson/yusuf");
    let answer = asked(&son, "RelatedPerson/yusuf", &items).await.expect(200);
    assert_eq!(effects(&answer), ["permit", "deny", "deny"]);
    // He may not read the Consent, so it is not named; the goal is to him as if it were not there.
    assert!(!answer.text().contains("Consent/"), "{answer}");
    let missing = asked(&son, "RelatedPerson/yusuf", &[("resource", json!("Goal/nothing"))]).await.expect(200);
    assert_eq!(decisions(&answer)[1].2, decisions(&missing)[0].2);
    let elsewhere = concord.user("Practitioner/gp-elsewhere");
    let answer = asked(&elsewhere, "Practitioner/gp-elsewhere", &items).await.expect(200);
    assert_eq!(effects(&answer), ["deny", "deny", "deny"]);
    // A patient of whom nothing is known is answered alike.
    let unknown = parameters(&[
        ("patient", json!("Patient/nobody")),
        ("actor", json!("Practitioner/gp-elsewhere")),
        ("type", json!("Goal")),
    ]);
    let unknown = elsewhere.post("Consent/$evaluate", &unknown).await.expect(200);
    assert_eq!(decisions(&unknown)[0], decisions(&answer)[2]);
    // What a Consent denies a professional is not told as such.
    let mut denial = people::without(people::consent("active", "Practitioner/gp", &["access"], &["Goal"]), "id");
    denial["provision"]["type"] = json!("deny");
    concord.patient("amina").create(&denial).await;
    let gp = concord.user("Practitioner/gp");
    let answer = asked(&gp, "Practitioner/gp", &items).await.expect(200);
    assert_eq!(effects(&answer)[..2], ["permit", "deny"]);
    assert_eq!(decisions(&answer)[1].2, ["not-known"]);
    for (app, actor) in [
        (&son, "RelatedPerson/neighbour"),
        (&gp, "RelatedPerson/yusuf"),
        (&gp, "Practitioner/gp-elsewhere"),
        (&concord.patient("callum"), "RelatedPerson/yusuf"),
        (&concord.patient("callum"), "Patient/amina"),
    ] {
        asked(app, actor, &items).await.expect(403).issues();
    }
    asked(&concord.patient_with("amina", "patient/Goal.rs"), "Patient/amina", &items).await.expect(403).issues();
    asked(&concord.nobody(), "Patient/amina", &items).await.expect(401).issues();
    // The privacy officer, with a reason.
    let officer = concord.officer("Practitioner/former", "privacy-officer");
    asked(&officer, "RelatedPerson/yusuf", &items).await.expect(403).issues();
    let ask = asked(&officer, "RelatedPerson/yusuf", &items).header("x-purpose-reason", "a complaint of the patient");
    let answer = ask.await.expect(200);
    assert_eq!(effects(&answer), ["permit", "deny", "deny"]);
}

async fn what_the_asker_may_not_know(concord: &Concord) {
    people::arrive(concord).await;
    let amina = concord.patient("amina");
    let note = json!({"resourceType": "Condition", "id": "hidden", "subject": {"reference": "Patient/amina"},
        "asserter": {"reference": "Practitioner/gp"},
        "meta": {"security": [{"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "NOPAT"}]}});
    concord.system().store(&note).await;
    concord.user("Practitioner/gp").get("Condition/hidden").await.expect(200);
    for actor in ["Practitioner/gp", "Patient/amina"] {
        let hidden = asked(&amina, actor, &[("resource", json!("Condition/hidden"))]).await.expect(200);
        let nothing = asked(&amina, actor, &[("resource", json!("Condition/nothing"))]).await.expect(200);
        assert_eq!(hidden.text().replace("hidden", "ID"), nothing.text().replace("nothing", "ID"));
        assert_eq!(effects(&hidden), ["deny"]);
    }
    let system =
        asked(&concord.system(), "Practitioner/gp", &[("resource", json!("Condition/hidden"))]).await.expect(200);
    assert_eq!(effects(&system), ["permit"]);
    let told = asked(&concord.system(), "Patient/amina", &[("resource", json!("Condition/hidden"))]).await.expect(200);
    assert_eq!(decisions(&told)[0].1, "deny");
    assert!(decisions(&told)[0].2.contains(&"label.not-for-patients".to_owned()), "{told}");
}

/// A person, a care team or a Consent that the asker may not read is answered as one that is not there.
async fn what_is_hidden_decides_nothing_that_is_told(concord: &Concord) {
    people::arrive(concord).await;
    let (amina, system) = (concord.patient("amina"), concord.system());
    let label = |code: &str| json!({"security": [{"system": "urn:concord:label", "code": code}]});
    let of_amina = json!({"reference": "Patient/amina"});
    system
        .store(&json!({"resourceType": "RelatedPerson", "id": "hidden", "meta": label("THIRD-PARTY"), "patient": of_amina}))
        .await;
    let everything = [("type", json!("Observation"))];
    let ask = async |who: &str| asked(&amina, who, &everything).await.expect(200).text().replace(who, "WHO");
    amina.get("RelatedPerson/hidden").await.expect(404);
    assert_eq!(ask("RelatedPerson/hidden").await, ask("RelatedPerson/nobody").await);
    assert_eq!(ask("RelatedPerson/hidden").await, ask("RelatedPerson/neighbour-of-another").await);
    let before = ask("Practitioner/former").await;
    let team = json!({"resourceType": "CareTeam", "id": "hidden", "meta": label("SAFEGUARDING"), "status": "active",
        "subject": of_amina, "participant": [{"member": {"reference": "Practitioner/former"}}]});
    system.store(&team).await;
    concord.user("Practitioner/former").get("Patient/amina").await.expect(200);
    assert_eq!(ask("Practitioner/former").await, before);
    let told = asked(&system, "Practitioner/former", &everything).await.expect(200);
    assert!(told.text().contains("care-team"), "{told}");
}

async fn questions_that_are_wrong(concord: &Concord) {
    people::arrive(concord).await;
    let amina = concord.patient("amina");
    let one = ("type", json!("Goal"));
    for (more, named) in [
        (vec![one.clone(), ("purpose", json!("WHIM"))], "purpose"),
        (vec![one.clone(), ("action", json!("delete"))], "action"),
        (vec![("type", json!("Nothing"))], "type"),
        (
            vec![
                one.clone(),
                (
                    "consent",
                    json!({"resourceType": "Goal", "lifecycleStatus": "active",
            "description": {"text": "x"}, "subject": {"reference": "Patient/amina"}}),
                ),
            ],
            "consent",
        ),
    ] {
        let refused = asked(&amina, "RelatedPerson/yusuf", &more).await.expect(400);
        assert!(refused.issues()[0].2.contains(named), "{named}: {refused}");
    }
    asked(&amina, "Group/all", std::slice::from_ref(&one)).await.expect(400).issues();
    asked(&amina, "nobody", std::slice::from_ref(&one)).await.expect(400).issues();
    let strange = parameters(&[("patient", json!("Group/amina")), ("actor", json!("Patient/amina")), one]);
    amina.post("Consent/$evaluate", &strange).await.expect(400).issues();
    amina.post("Consent/$evaluate", &json!({"resourceType": "Parameters"})).await.expect(400).issues();
}

async fn who_can_see_a_record(concord: &Concord) {
    people::arrive(concord).await;
    let (amina, node) = (concord.patient("amina"), concord.another_node().await);
    let mut sharing = people::consent("active", "RelatedPerson/neighbour", &["access"], &["Goal"]);
    sharing["provision"]["period"] = json!({"end": "2027-01-01T00:00:00Z"});
    let id = amina.create(&people::without(sharing, "id")).await;
    let accesses = async |app: &App| {
        let answer = app.get("Patient/amina/$who-can-see").await.expect(200).json();
        let all = answer["parameter"].as_array().cloned().unwrap_or_default();
        all.into_iter().filter(|one| one["name"] == "access").collect::<Vec<Value>>()
    };
    let who = |access: &Value| text(parts(access, "actor")[0], "/valueReference/reference").to_owned();
    let all = accesses(&amina).await;
    let names: Vec<String> = all.iter().map(who).collect();
    assert_eq!(names, ["Practitioner/gp", "RelatedPerson/neighbour", "RelatedPerson/yusuf"]);
    let types = |access: &Value| {
        let sees = parts(access, "sees");
        sees.iter().flat_map(|one| parts(one, "type")).map(|one| text(one, "/valueCode").to_owned()).collect::<Vec<_>>()
    };
    assert!(types(&all[0]).contains(&"Condition".to_owned()), "{all:?}");
    // What is said about what they see they see as well.
    let seen = |named: &str| vec!["Communication".to_owned(), named.to_owned()];
    assert_eq!((types(&all[1]), types(&all[2])), (seen("Goal"), seen("Observation")));
    assert!(all[1].to_string().contains(&format!("Consent/{id}/_history/1")), "{all:?}");
    let until = parts(&all[1], "until");
    assert_eq!(text(until[0], "/valueInstant").split('T').next(), Some("2027-01-01"));
    assert!(parts(&all[0], "because").iter().any(|one| one.to_string().contains("care-team")), "{all:?}");
    // Who has broken the glass, until when.
    let doctor = concord.user("Practitioner/gp-elsewhere");
    let broken = doctor.get("Condition?patient=amina").header("x-purpose-of-use", "BTG");
    broken.header("x-purpose-reason", "found unconscious").await.expect(200);
    let all = accesses(&node.patient("amina")).await;
    let glass = all.iter().find(|one| who(one) == "Practitioner/gp-elsewhere").expect("the doctor");
    assert!(glass.to_string().contains("2026-12-01T13:00:00.000Z"), "{glass}");
    // Withdrawn, it is gone with the next request.
    amina.delete(&format!("Consent/{id}")).await.expect(204);
    let names: Vec<String> = accesses(&node.patient("amina")).await.iter().map(who).collect();
    assert!(!names.contains(&"RelatedPerson/neighbour".to_owned()), "{names:?}");
    // A care team that is hidden from her names nobody to her.
    let hidden = json!({"resourceType": "CareTeam", "id": "hidden", "status": "active",
        "subject": {"reference": "Patient/amina"}, "participant": [{"member": {"reference": "Practitioner/former"}}],
        "meta": {"security": [{"system": "urn:concord:label", "code": "SAFEGUARDING"}]}});
    concord.system().store(&hidden).await;
    assert!(!accesses(&amina).await.iter().any(|one| who(one) == "Practitioner/former"));
    assert!(accesses(&concord.system()).await.iter().any(|one| who(one) == "Practitioner/former"));
    for (app, status) in [
        (concord.patient("callum"), 404),
        (concord.user("RelatedPerson/yusuf"), 404),
        (concord.user("Practitioner/gp"), 403),
        (concord.patient_with("amina", "patient/Patient.rs"), 403),
    ] {
        app.get("Patient/amina/$who-can-see").await.expect(status).issues();
    }
    amina.get("Patient/callum/$who-can-see").await.expect(404).issues();
    amina.get("Goal/amina/$who-can-see").await.expect(404).issues();
}

/// The notice depends on who asks, and never on what there is.
async fn some_may_be_withheld(concord: &Concord) {
    let (reading, _) = things(concord).await;
    let hidden = json!({"resourceType": "Condition", "subject": {"reference": "Patient/amina"},
        "meta": {"security": [{"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "NOPAT"}]}});
    let outcomes = |answer: &Answer| {
        let of_mode = answer.entries().into_iter().filter(|entry| text(entry, "/search/mode") == "outcome");
        of_mode.map(|entry| entry["resource"].to_string()).collect::<Vec<_>>()
    };
    let apps = [
        concord.patient("amina"),
        concord.patient("callum"),
        concord.user("RelatedPerson/yusuf"),
        concord.user("Practitioner/gp"),
        concord.user("Practitioner/gp-elsewhere"),
    ];
    let mut told = Vec::new();
    for step in 0..2 {
        for search in [
            "Condition?patient=amina",
            "Condition",
            "Condition?patient=nobody",
            "?_type=Condition,Goal",
            "Patient/amina/*",
            "Observation?patient=amina",
        ] {
            for app in &apps {
                let answer = app.get(search).await.expect(200);
                let found = outcomes(&answer);
                assert_eq!(found.len(), 1, "{search} {step}: {answer}");
                assert!(found[0].contains("suppressed") && found[0].contains("withheld"), "{found:?}");
                told.extend(found);
            }
            assert!(outcomes(&concord.system().get(search).await.expect(200)).is_empty(), "{search}");
        }
        concord.system().create(&hidden).await;
    }
    told.dedup();
    assert_eq!(told.len(), 1, "the same to everybody, whatever is hidden");
    assert!(concord.patient("amina").get(&reading).await.expect(200).json()["resourceType"] == "Observation");
}

/// Who is asked about may be named by an identifier, an app by its `client_id`; and who names nothing asks about everything.
async fn by_identifier_and_about_everything(concord: &Concord) {
    people::arrive(concord).await;
    let (amina, system) = (concord.patient("amina"), concord.system());
    let user = |id: &str, value: &str| {
        json!({"resourceType": "Practitioner", "id": id,
            "identifier": [{"system": "https://fhir.nhs.uk/Id/sds-user-id", "value": value}]})
    };
    system.store(&user("gp", "111")).await;
    system.store(&user("gp-elsewhere", "222")).await;
    let of = async |app: &App, actor: &str, more: &str| {
        app.get(&format!("Consent/$evaluate?patient=Patient/amina&actor={actor}{more}")).await
    };
    for (actor, effect) in [("111", "permit"), ("222", "deny")] {
        let named = format!("https://fhir.nhs.uk/Id/sds-user-id|{actor}");
        let told = of(&amina, &named, "&type=Observation").await.expect(200);
        assert_eq!(effects(&told), [effect], "{actor}");
        let identifier = json!({"system": "https://fhir.nhs.uk/Id/sds-user-id", "value": actor});
        for named in [
            json!({"name": "actor", "valueReference": {"identifier": identifier}}),
            json!({"name": "actor", "valueIdentifier": identifier}),
        ] {
            let asked = json!({"resourceType": "Parameters", "parameter": [
                {"name": "patient", "valueReference": {"reference": "Patient/amina"}}, named,
                {"name": "type", "valueCode": "Observation"}]});
            assert_eq!(effects(&amina.post("Consent/$evaluate", &asked).await.expect(200)), [effect], "{asked}");
        }
    }
    let refused = of(&amina, "https://fhir.nhs.uk/Id/sds-user-id|333", "&type=Observation").await.expect(400).issues();
    assert!(refused[0].2.contains("actor") && refused[0].2.contains("reference"), "{refused:?}");
    // Of whom she may not know, and who is not there, she is told the same.
    let hidden = json!({"resourceType": "RelatedPerson", "id": "far", "patient": {"reference": "Patient/callum"},
        "identifier": [{"system": "urn:x", "value": "1"}]});
    system.store(&hidden).await;
    let told = [of(&amina, "urn:x|1", "&type=Goal").await, of(&amina, "urn:x|2", "&type=Goal").await];
    assert_eq!((told[0].status, told[0].issues()), (400, told[1].issues()));
    // An app by its client_id, as her Consent names it.
    let mut sharing = people::consent("active", "Device/none", &["access"], &["Goal"]);
    sharing["provision"]["actor"][0]["reference"] =
        json!({"identifier": {"system": "urn:concord:client", "value": "walking-app"}});
    amina.post("Consent", &people::without(sharing, "id")).await.expect(201);
    for (client, effect) in [("walking-app", "permit"), ("other-app", "deny")] {
        let told = of(&amina, &format!("urn:concord:client|{client}"), "&type=Goal").await.expect(200);
        assert_eq!(effects(&told), [effect], "{client}");
    }
    // About everything: each type of her record, with the reason that decided.
    let told = of(&amina, "RelatedPerson/neighbour", "").await.expect(200);
    let all = decisions(&told);
    assert!(all.len() > 60 && all.iter().any(|(about, ..)| about == "Observation"), "{}", all.len());
    // Herself she sees as ever.
    for (about, effect, rules) in all.iter().filter(|(about, ..)| about != "RelatedPerson") {
        assert_eq!((effect.as_str(), rules.is_empty()), ("deny", false), "{about}");
        assert!(!rules.iter().any(|rule| rule == "label.not-for-patients"), "{about}: {rules:?}");
    }
}
