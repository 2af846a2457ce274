//! Whose word something is, is who was signed in: whoever is named as speaking gets nothing, nobody signs for another, and who agrees
//! agrees to what they have seen.

use base64::Engine as _;
use concord_fhir::registry::ResourceType;
use concord_fhir::rules;
use concord_tests::client::{Answer, Ask, Method, text};
use concord_tests::doors::owner;
use concord_tests::minimal::{self, Place};
use concord_tests::people::{self, blood_pressure, with, without};
use concord_tests::{App, Concord, on_both};
use serde_json::{Value, json};

on_both! {
    whoever_is_named_as_speaking_gets_nothing, nobody_signs_or_attests_for_another, nobody_attests_for_another_by_a_false_type,
    nobody_speaks_for_another_in_what_is_contained, nobody_accepts_a_goal_where_nobody_reads_it,
    a_type_is_that_of_what_a_reference_leads_to, a_person_signs_notes_for_nobody_else, notes_of_others_stay_in_an_update,
    a_word_on_a_goal_says_each_thing_once, whoever_agrees_to_a_goal_names_its_version, whoever_takes_a_proposal_names_its_version
}

const AMINA: &str = "Patient/amina";
const GP: &str = "Practitioner/gp";
const PATCH: &str = "application/json-patch+json";

/// By which of the elements somebody may be named, and in whose app it is written.
async fn named(
    concord: &Concord,
    app: &App,
    writer: &str,
    place: &Place,
    who: &str,
    problems: &mut Vec<String>,
) -> bool {
    let Some(owner) = owner(place.resource_type).filter(|owner| *owner != place.members) else { return false };
    let values = [(&owner[..], json!({"reference": AMINA})), (&place.members[..], json!({"reference": who}))];
    let made = minimal::resource(place.resource_type, &values);
    let answer = app.post(place.resource_type.name(), &made).await;
    if answer.status != 201 {
        if !matches!(answer.status, 403 | 422) {
            problems.push(format!("{} -> {who}: {answer}", place.name()));
        }
        return false;
    }
    let id = text(&answer.json(), "/id").to_owned();
    let address = format!("{}/{id}", place.resource_type);
    let theirs = concord.user(who);
    let changed = with(made, "id", json!(id));
    for (act, answer) in [
        ("reads it", theirs.get(&address).await),
        ("changes it", theirs.put(&address, &changed).await),
        ("deletes it", theirs.delete(&address).await),
        ("labels it", theirs.post(&format!("{address}/$meta-add"), &crate::power_by_writing::meta("SEX")).await),
    ] {
        if answer.status != 404 && answer.status != 403 {
            problems.push(format!("{} -> {who} {act}: {answer}", place.name()));
        }
    }
    // The answer shows the truth beside it.
    let told = concord.system().get(&format!("Provenance?target={address}")).await.expect(200).matches();
    if told.len() != 1 || text(&told[0], "/agent/0/who/reference") != writer {
        problems.push(format!("{} -> {who}: {told:?}", place.name()));
    }
    true
}

/// Every element of R4 by which a professional or somebody close to the patient may be named, of every type that is in a record: whoever is
/// named there reads and changes nothing by it, and the server's Provenance names who was signed in.
async fn whoever_is_named_as_speaking_gets_nothing(concord: &Concord) {
    people::arrive(concord).await;
    let system = concord.system();
    let kin = json!({"resourceType": "RelatedPerson", "id": "kin", "active": true, "patient": {"reference": AMINA}});
    system.store(&kin).await;
    let (amina, gp) = (concord.patient("amina"), concord.user(GP));
    let hers: Vec<ResourceType> = rules::types_for_patients().collect();
    let (mut problems, mut tried) = (Vec::new(), 0);
    for place in minimal::references().iter().filter(|place| !place.targets.is_empty()) {
        for who in ["Practitioner/gp-elsewhere", "RelatedPerson/kin"] {
            if !place.may_name(who.split('/').next().unwrap_or_default()) {
                continue;
            }
            tried += usize::from(named(concord, &gp, GP, place, who, &mut problems).await);
            if hers.contains(&place.resource_type) {
                tried += usize::from(named(concord, &amina, AMINA, place, who, &mut problems).await);
            }
        }
    }
    assert!(problems.is_empty(), "{} of {tried} problems:\n{}", problems.len(), problems.join("\n"));
    assert!(tried > 150, "{tried}");
}

/// A note in whatever type that a patient writes is signed by her or by nobody; of a professional it may say whose words it repeats, but
/// where several write, each signs for themselves.
async fn a_person_signs_notes_for_nobody_else(concord: &Concord) {
    people::arrive(concord).await;
    let (amina, gp, son) = (concord.patient("amina"), concord.user(GP), concord.user("RelatedPerson/yusuf"));
    let note = |who: &str| json!({"reference": who});
    let (mut problems, mut tried) = (Vec::new(), 0);
    for place in minimal::references() {
        if place.element != "Annotation.author" {
            continue;
        }
        let Some(owner) = owner(place.resource_type) else { continue };
        let made = |who: &str| {
            let values = [(&owner[..], json!({"reference": AMINA})), (&place.members[..], note(who))];
            minimal::resource(place.resource_type, &values)
        };
        let name = place.resource_type.name();
        for (app, own, other) in [(&amina, AMINA, GP), (&gp, GP, AMINA), (&son, "RelatedPerson/yusuf", AMINA)] {
            let plain = app.post(name, &made(own)).await;
            if plain.status != 201 {
                continue;
            }
            tried += 1;
            let signed = app.post(name, &made(other)).await;
            let wanted = if own == GP && name != "Goal" { 201 } else { 422 };
            let told = if wanted == 422 { signed.text().contains(".author") } else { true };
            if signed.status != wanted || !told {
                problems.push(format!("{}, {own} for {other}: {signed}", place.name()));
            }
        }
    }
    // A signature is nobody else's either, wherever it stands.
    let signature = json!([{"url": "http://example.org/signed", "valueSignature": {"who": {"reference": GP},
        "type": [{"system": "urn:iso-astm:E1762-95:2013", "code": "1.2.840.10065.1.12.1.5"}], "when": "2026-01-01T00:00:00Z"}}]);
    let refused =
        amina.post("Observation", &with(blood_pressure("amina", 120), "extension", signature)).await.expect(422);
    assert_eq!(refused.issues()[0].1, "Observation.extension[0].valueSignature.who");
    assert!(tried > 20, "{tried}");
    assert!(problems.is_empty(), "{} of {tried} problems:\n{}", problems.len(), problems.join("\n"));
}

/// Elements by which somebody is said to have written, signed or attested, in types that professionals write; and those in which a
/// colleague may be named. `rules/speakers.txt` has all of them. (Who signs a Contract has to sign it too, which stands for both.)
const WRITERS: [&str; 8] = [
    "AdverseEvent.recorder",
    "AdverseEvent.suspectEntity.causality.author",
    "Basic.author",
    "ChargeItem.enterer",
    "Claim.enterer",
    "Contract.author",
    "DetectedIssue.author",
    "Signature.who",
];
const COLLEAGUES: [&str; 4] =
    ["DeviceRequest.requester", "DocumentManifest.author", "NutritionOrder.orderer", "VisionPrescription.prescriber"];

/// A professional writes, signs and attests for no patient, and for a colleague where that is an order or a document that is written down
/// for them; a registered system hands in what is from elsewhere.
async fn nobody_signs_or_attests_for_another(concord: &Concord) {
    people::arrive(concord).await;
    let (gp, system) = (concord.user(GP), concord.system());
    let (mut problems, mut tried) = (Vec::new(), Vec::new());
    for place in minimal::references() {
        let is_colleagues = COLLEAGUES.contains(&place.element.as_str());
        if !is_colleagues && !WRITERS.contains(&place.element.as_str()) {
            continue;
        }
        let Some(owner) = owner(place.resource_type).filter(|owner| *owner != place.members) else { continue };
        let made = |who: &str| {
            let values = [(&owner[..], json!({"reference": AMINA})), (&place.members[..], json!({"reference": who}))];
            minimal::resource(place.resource_type, &values)
        };
        let name = place.resource_type.name();
        if gp.post(name, &made(GP)).await.status != 201 {
            continue;
        }
        tried.push(place.element.clone());
        for (app, who, wanted) in [
            (&gp, AMINA, 422),
            (&gp, "Practitioner/gp-elsewhere", if is_colleagues { 201 } else { 422 }),
            (&system, "Practitioner/gp-elsewhere", 201),
        ] {
            if who == AMINA && !place.may_name("Patient") {
                continue;
            }
            let answer = app.post(name, &made(who)).await;
            let last = place.members.last().expect("members");
            if answer.status != wanted || (wanted == 422 && !answer.text().contains(last)) {
                problems.push(format!("{} for {who}: {answer}", place.name()));
            }
        }
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
    for element in WRITERS.iter().chain(&COLLEAGUES) {
        assert!(tried.iter().any(|one| one == element), "{element} was not tried");
    }
}

/// A professional names no patient as who orders, attests or performs by saying that she is somebody else.
async fn nobody_attests_for_another_by_a_false_type(concord: &Concord) {
    people::arrive(concord).await;
    let gp = concord.user(GP);
    let contained = |who: &Value| match who["reference"].as_str() {
        Some("#p") => Some(json!([{"resourceType": "Patient", "id": "p", "name": [{"text": "Amina Hussain"}]}])),
        Some("#r") => Some(json!([{"resourceType": "RelatedPerson", "id": "r", "patient": {"reference": AMINA}}])),
        Some("#gp") => Some(json!([{"resourceType": "Practitioner", "id": "gp", "name": [{"text": "Dr Okafor"}]}])),
        _ => None,
    };
    let identified =
        |system: &str| json!({"type": "Practitioner", "identifier": {"system": system, "value": "9449305552"}});
    for element in
        ["Composition.attester.party", "Composition.section.author", "Observation.performer", "Task.requester"]
    {
        let places = minimal::references();
        let place = places.iter().find(|place| place.element == element).expect("an element of R4");
        let owner = owner(place.resource_type).expect("whose it is");
        let write = async |who: Value| {
            let within = contained(&who);
            let values = [(&owner[..], json!({"reference": AMINA})), (&place.members[..], who)];
            let mut made = minimal::resource(place.resource_type, &values);
            match place.resource_type.name() {
                "Composition" => made["author"] = json!([{"reference": GP}]),
                "Observation" => {
                    (made["effectiveDateTime"], made["valueString"]) = (json!("2024-11-30"), json!("well"));
                }
                _ => {}
            }
            if let Some(within) = within {
                made["contained"] = within;
            }
            gp.post(place.resource_type.name(), &made).await
        };
        let last = place.members.last().expect("members");
        for who in [
            json!({"reference": "#p"}),
            json!({"reference": "#r"}),
            json!({"reference": "#p", "type": "Practitioner"}),
            json!({"reference": "#r", "type": "Organization"}),
            json!({"reference": "https://other.example/fhir/Patient/1", "type": "Practitioner"}),
            json!({"reference": "urn:uuid:0c3201bd-1cbf-4d64-b04d-cd9187a4c6e0", "type": "Practitioner"}),
            json!({"reference": "https://other.example/fhir/Patient/1?x=/Practitioner/1"}),
            json!({"type": "Practitioner", "display": "Amina Hussain"}),
            with(identified("https://fhir.hl7.org.uk/Id/gmc-number"), "type", json!("Patient")),
            identified("https://fhir.nhs.uk/Id/nhs-number"),
            identified("https://hospital.example/number"),
        ] {
            let refused = write(who.clone()).await;
            assert!(refused.status == 422 && refused.text().contains(last), "{element} {who}: {refused}");
        }
        for who in [json!({"reference": "#gp"}), identified("https://fhir.hl7.org.uk/Id/gmc-number")] {
            let stored = write(who.clone()).await;
            assert_eq!(stored.status, 201, "{element} {who}: {stored}");
        }
    }
}

/// A reading that contains something.
fn containing(resource: &Value) -> Value {
    let named = json!([{"url": "http://example.org/more", "valueReference": {"reference": "#inside"}}]);
    let inside = with(resource.clone(), "id", json!("inside"));
    with(with(blood_pressure("amina", 120), "extension", named), "contained", json!([inside]))
}

/// By every element of R4 by which somebody is refused to be named where a resource stands by itself, they are refused where another one
/// contains it.
async fn nobody_speaks_for_another_in_what_is_contained(concord: &Concord) {
    people::arrive(concord).await;
    let (gp, amina) = (concord.user(GP), concord.patient("amina"));
    let (mut problems, mut tried) = (Vec::new(), Vec::new());
    for place in minimal::references().iter().filter(|place| !place.targets.is_empty()) {
        let Some(owner) = owner(place.resource_type).filter(|owner| *owner != place.members) else { continue };
        let made = |who: &str| {
            let values = [(&owner[..], json!({"reference": AMINA})), (&place.members[..], json!({"reference": who}))];
            let made = minimal::resource(place.resource_type, &values);
            match place.resource_type.name() {
                "Observation" if made.get("valueString").is_none() => {
                    with(with(made, "effectiveDateTime", json!("2024-11-30")), "valueString", json!("well"))
                }
                _ => made,
            }
        };
        let name = place.resource_type.name();
        for (app, own, other) in [(&gp, GP, AMINA), (&amina, AMINA, GP)] {
            let may_name = |who: &str| place.may_name(who.split('/').next().unwrap_or_default());
            if !may_name(own) || !may_name(other) || app.post(name, &made(own)).await.status != 201 {
                continue;
            }
            let by_itself = app.post(name, &made(other)).await.status;
            if app.post("Observation", &containing(&made(own))).await.status != 201 {
                continue;
            }
            let inside = app.post("Observation", &containing(&made(other))).await;
            let told = inside.status != 422 || inside.text().contains("Observation.contained[0].");
            if inside.status != by_itself || !told {
                problems.push(format!("{}, {own} for {other}: {by_itself}, {inside}", place.name()));
            }
            tried.extend((by_itself == 422).then(|| place.element.clone()));
        }
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
    for element in ["Communication.sender", "QuestionnaireResponse.author", "Observation.performer", "Goal.expressedBy"]
    {
        assert!(tried.iter().any(|one| one == element), "{element} was not tried: {tried:?}");
    }
}

/// A Goal that a plan contains is accepted by nobody but who is signed in, and a word on one stands in its own extensions.
async fn nobody_accepts_a_goal_where_nobody_reads_it(concord: &Concord) {
    people::arrive(concord).await;
    let (gp, system) = (concord.user(GP), concord.system());
    let plan = |goal: &Value| {
        json!({"resourceType": "CarePlan", "status": "active", "intent": "plan", "title": "Plan", "category": [{"text": "x"}],
            "subject": {"reference": AMINA}, "contained": [with(goal.clone(), "id", json!("g"))],
            "goal": [{"reference": "#g"}]})
    };
    let aside = |element: &str, value: Value| with(without(goal(&[]), "extension"), element, value);
    let target = json!([{"measure": {"text": "steps"}, "extension": [word(AMINA, "agree")]}]);
    for (goal, place) in [
        (aside("lifecycleStatus", json!("accepted")), "lifecycleStatus"),
        (goal(&[word(AMINA, "agree")]), "extension[0]"),
        (aside("expressedBy", json!({"reference": AMINA})), "expressedBy"),
        (aside("target", target), "target[0].extension[0]"),
        (aside("modifierExtension", json!([word(AMINA, "agree")])), "modifierExtension[0]"),
    ] {
        let refused = gp.post("CarePlan", &plan(&goal)).await.expect(422);
        assert_eq!(refused.issues()[0].1, format!("CarePlan.contained[0].{place}"));
        let refused = gp.post("Goal", &goal).await.expect(422);
        assert_eq!(refused.issues()[0].1, format!("Goal.{place}"));
        system.post("CarePlan", &plan(&goal)).await.expect(201);
    }
    gp.post("CarePlan", &plan(&goal(&[word(GP, "agree"), word(AMINA, "pending")]))).await.expect(201);
}

/// A reference that says another type than it leads to is nobody's: systems send none either, nor do entries that lead to each other.
async fn a_type_is_that_of_what_a_reference_leads_to(concord: &Concord) {
    people::arrive(concord).await;
    let system = concord.system();
    let about = |reference: &str, said: &str| {
        with(blood_pressure("amina", 120), "subject", json!({"reference": reference, "type": said}))
    };
    for (reference, said, place) in [
        (AMINA, "Practitioner", "Observation.subject.type"),
        ("https://other.example/fhir/Patient/1/_history/2", "Group", "Observation.subject.type"),
        ("Patient?identifier=1", "Practitioner", "Observation.subject.type"),
    ] {
        let refused = system.post("Observation", &about(reference, said)).await.expect(422);
        assert_eq!(refused.issues()[0].1, place, "{reference}");
    }
    for said in ["Patient", "http://hl7.org/fhir/StructureDefinition/Patient", "http://example.org/Thing"] {
        system.post("Observation", &about(AMINA, said)).await.expect(201);
    }
    let url = "urn:uuid:0c3201bd-1cbf-4d64-b04d-cd9187a4c6e0";
    for (said, status) in [("Practitioner", 422), ("Patient", 200)] {
        let entry = |url: Option<&str>, resource: Value| {
            let request = json!({"method": "POST", "url": resource["resourceType"]});
            match url {
                Some(url) => json!({"fullUrl": url, "resource": resource, "request": request}),
                None => json!({"resource": resource, "request": request}),
            }
        };
        let entries = json!([entry(Some(url), json!({"resourceType": "Patient"})), entry(None, about(url, said))]);
        let bundle = json!({"resourceType": "Bundle", "type": "transaction", "entry": entries});
        let answer = system.post("", &bundle).await;
        assert_eq!(answer.status, status, "{said}: {answer}");
    }
}

/// What others have signed in what she wrote, as a registered system hands it in, stays there when she sends it back.
async fn notes_of_others_stay_in_an_update(concord: &Concord) {
    people::arrive(concord).await;
    let (amina, system) = (concord.patient("amina"), concord.system());
    let place = format!("Observation/{}", amina.create(&blood_pressure("amina", 120)).await);
    let note = |words: &str| json!({"text": words, "authorReference": {"reference": GP}});
    let stored = amina.get(&place).await.expect(200).json();
    system.put(&place, &with(stored, "note", json!([note("taken lying down")]))).await.expect(200);
    let stored = amina.get(&place).await.expect(200).json();
    amina.put(&place, &with(stored.clone(), "status", json!("amended"))).await.expect(200);
    let more = with(stored, "note", json!([note("taken lying down"), note("I confirm this")]));
    let refused = amina.put(&place, &more).await.expect(422);
    assert_eq!(refused.issues()[0].1, "Observation.note[1].authorReference");
}

fn word(who: &str, status: &str) -> Value {
    json!({"url": "http://hl7.org/fhir/StructureDefinition/goal-acceptance", "extension": [
        {"url": "individual", "valueReference": {"reference": who}}, {"url": "status", "valueCode": status}]})
}

fn goal(words: &[Value]) -> Value {
    json!({"resourceType": "Goal", "lifecycleStatus": "proposed", "description": {"text": "walk"},
        "subject": {"reference": AMINA}, "extension": words})
}

/// A word in which one reader would find one party or answer, and the next another, is nobody's.
async fn a_word_on_a_goal_says_each_thing_once(concord: &Concord) {
    people::arrive(concord).await;
    let gp = concord.user(GP);
    let twice = |first: &Value, part: Value| {
        let mut word = first.clone();
        word["extension"].as_array_mut().expect("parts").push(part);
        word
    };
    let status = json!({"url": "status", "valueCode": "agree"});
    let somebody = json!({"url": "individual", "valueReference": {"reference": AMINA}});
    let priority = json!({"url": "priority", "valueCodeableConcept": {"text": "high"}});
    let stored = gp.create(&goal(&[word(GP, "agree"), word(AMINA, "pending")])).await;
    for (position, odd) in [
        (0, twice(&word(AMINA, "pending"), status.clone())),
        (0, twice(&word(GP, "agree"), somebody)),
        (0, twice(&twice(&word(GP, "agree"), priority.clone()), priority)),
    ] {
        let refused = gp.post("Goal", &goal(std::slice::from_ref(&odd))).await.expect(422);
        assert_eq!(refused.issues()[0].1, format!("Goal.extension[{position}]"));
        let changed = with(goal(&[odd, word(AMINA, "pending")]), "id", json!(stored));
        gp.put(&format!("Goal/{stored}"), &changed).await.expect(422).issues();
    }
}

/// The same patch in every form and place: as it is sent. `path` is a FHIRPath, `pointer` the same in JSON.
fn patches(
    app: &App,
    place: &str,
    (path, pointer): (&str, &str),
    merge: &Value,
    value: &str,
) -> Vec<(&'static str, Ask)> {
    let patch = json!([{"op": "replace", "path": pointer, "value": value}]).to_string();
    let (kind, id) = place.split_once('/').expect("Type/id");
    let part = |name: &str, key: &str, value: &str| json!({"name": name, key: value});
    let parameters = json!({"resourceType": "Parameters", "parameter": [{"name": "operation", "part": [
        part("type", "valueCode", "replace"), part("path", "valueString", &format!("{kind}.{path}")), part("value", "valueCode", value)]}]});
    vec![
        ("JSON Patch", app.ask(Method::PATCH, place).body(PATCH, patch.clone())),
        ("merge patch", app.ask(Method::PATCH, place).body("application/merge-patch+json", merge.to_string())),
        ("FHIRPath Patch", app.ask(Method::PATCH, place).body("application/fhir+json", parameters.to_string())),
        ("conditional", app.ask(Method::PATCH, &format!("{kind}?_id={id}")).body(PATCH, patch)),
    ]
}

/// The patch as the entry of a Bundle.
async fn as_entry(app: &App, place: &str, path: &str, value: &str, version: Option<&str>) -> Answer {
    let patch = json!([{"op": "replace", "path": path, "value": value}]).to_string();
    let data = base64::engine::general_purpose::STANDARD.encode(patch);
    let mut request = json!({"method": "PATCH", "url": place});
    if let Some(version) = version {
        request["ifMatch"] = json!(version);
    }
    let entry = json!({"request": request, "resource": {"resourceType": "Binary", "contentType": PATCH, "data": data}});
    app.post("", &json!({"resourceType": "Bundle", "type": "transaction", "entry": [entry]})).await
}

async fn version_of(app: &App, place: &str) -> String {
    app.get(place).await.expect(200).header("etag").to_owned()
}

/// Nobody's agreement is taken for what they have not seen: a word by a patch names the version, in every form of patch and from each side.
async fn whoever_agrees_to_a_goal_names_its_version(concord: &Concord) {
    people::arrive(concord).await;
    let (amina, gp) = (concord.patient("amina"), concord.user(GP));
    for (app, own, position, other) in [(&amina, AMINA, 0, &gp), (&gp, GP, 1, &amina)] {
        let place = format!("Goal/{}", other.create(&goal(&[word(AMINA, "pending"), word(GP, "pending")])).await);
        let seen = version_of(app, &place).await;
        let stored = other.get(&place).await.expect(200).json();
        other.put(&place, &with(stored, "description", json!({"text": "give up walking"}))).await.expect(200);
        let now = version_of(app, &place).await;
        let mut words = [word(AMINA, "pending"), word(GP, "pending")];
        words[position] = word(own, "agree");
        let (merge, path) = (json!({"extension": words}), format!("extension[{position}].extension[1].value"));
        let json_path = format!("/extension/{position}/extension/1/valueCode");
        let (several, guesses) = (format!("{seen}, {now}"), r#"W/"1", W/"2", W/"3""#);
        for matching in [None, Some("*"), Some(seen.as_str()), Some(several.as_str()), Some(guesses)] {
            let wanted = if matching == Some(seen.as_str()) { 412 } else { 428 };
            for (form, ask) in patches(app, &place, (&path, &json_path), &merge, "agree") {
                let ask = match matching {
                    Some(text) => ask.header("If-Match", text),
                    None => ask,
                };
                let refused = ask.await;
                assert_eq!(refused.status, wanted, "{own}, {form}, {matching:?}: {refused}");
                assert!(wanted == 412 || refused.issues()[0].2.contains("If-Match"), "{refused}");
            }
            let refused = as_entry(app, &place, &json_path, "agree", matching).await;
            assert_eq!(refused.status, wanted, "{own}, entry, {matching:?}: {refused}");
        }
        assert_eq!(version_of(app, &place).await, now);
        as_entry(app, &place, &json_path, "agree", Some(&now)).await.expect(200);
        // To take a word back, or to speak against it, needs to have seen nothing.
        for said in ["disagree", "pending"] {
            let patch = json!([{"op": "replace", "path": json_path, "value": said}]).to_string();
            app.ask(Method::PATCH, &place).body(PATCH, patch).await.expect(200);
        }
        // Whoever sends the whole says by that to what.
        let stored = app.get(&place).await.expect(200).json();
        app.put(&place, &with(stored, "extension", json!(words))).await.expect(200);
        let patch =
            json!([{"op": "add", "path": "/note", "value": [{"text": "x", "authorReference": {"reference": own}}]}]);
        app.ask(Method::PATCH, &place).body(PATCH, patch.to_string()).await.expect(200);
    }
    let place = format!("Goal/{}", gp.create(&without(goal(&[]), "extension")).await);
    let accept = json!([{"op": "replace", "path": "/lifecycleStatus", "value": "accepted"}]).to_string();
    amina.ask(Method::PATCH, &place).body(PATCH, accept.clone()).await.expect(428).issues();
    let bound = amina.ask(Method::PATCH, &place).body(PATCH, accept).header("If-Match", "W/\"1\"");
    bound.await.expect(200);
}

/// A proposal that was swapped after she has read it does not become active.
async fn whoever_takes_a_proposal_names_its_version(concord: &Concord) {
    people::arrive(concord).await;
    let (amina, gp) = (concord.patient("amina"), concord.user(GP));
    let propose = |actor: &str| without(people::consent("proposed", actor, &["access"], &["Goal"]), "id");
    let activate = |status: &str| json!([{"op": "replace", "path": "/status", "value": status}]).to_string();
    let place = format!("Consent/{}", gp.create(&propose(GP)).await);
    let read = amina.get(&place).await.expect(200);
    let stored = gp.get(&place).await.expect(200).json();
    let swapped = with(stored, "provision", propose("Practitioner/gp-elsewhere")["provision"].clone());
    gp.put(&place, &swapped).await.expect(200);
    for (form, ask) in patches(&amina, &place, ("status", "/status"), &json!({"status": "active"}), "active") {
        let refused = ask.await;
        assert_eq!(refused.status, 428, "{form}: {refused}");
    }
    as_entry(&amina, &place, "/status", "active", None).await.expect(428).issues();
    as_entry(&amina, &place, "/status", "active", Some(read.header("etag"))).await.expect(412).issues();
    let either = format!("{}, {}", read.header("etag"), version_of(&amina, &place).await);
    as_entry(&amina, &place, "/status", "active", Some(&either)).await.expect(428).issues();
    amina.put(&place, &with(read.json(), "status", json!("active"))).await.expect(422).issues();
    let reading = format!("Goal/{}", amina.create(&without(goal(&[]), "extension")).await);
    concord.user("Practitioner/gp-elsewhere").get(&reading).await.expect(404);
    let ask = amina.ask(Method::PATCH, &place).body(PATCH, activate("active"));
    ask.header("If-Match", &version_of(&amina, &place).await).await.expect(200);
    // She ends it, and rejects another, whatever they say by now; what she wrote herself she knows.
    amina.ask(Method::PATCH, &place).body(PATCH, activate("inactive")).await.expect(200);
    amina.ask(Method::PATCH, &place).body(PATCH, activate("active")).await.expect(428).issues();
    let other = format!("Consent/{}", gp.create(&propose(GP)).await);
    amina.ask(Method::PATCH, &other).body(PATCH, activate("rejected")).await.expect(200);
    let own = format!("Consent/{}", amina.create(&with(propose(GP), "status", json!("draft"))).await);
    amina.ask(Method::PATCH, &own).body(PATCH, activate("active")).await.expect(200);
}
