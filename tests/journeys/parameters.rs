//! Search parameters that operators add while the server runs.

use concord_api::command::reindex::{self, ReindexArgs};
use concord_fhir::registry::ResourceType;
use concord_tests::client::{Answer, App, text};
use concord_tests::people::{self, blood_pressure, with};
use concord_tests::{Concord, on_both};
use serde_json::{Value, json};

on_both! {
    each_kind_is_found_once_its_index_is_whole,
    an_index_is_built_in_steps_while_others_write,
    nodes_agree,
    what_is_taken_out_of_use_is_gone,
    only_what_can_be_searched_by_is_added,
    only_systems_add_them,
    nothing_hidden_is_learnt,
}

/// A SearchParameter for one type.
fn definition(code: &str, kind: &str, base: &str, expression: &str) -> Value {
    json!({
        "resourceType": "SearchParameter", "id": code, "url": format!("http://example.org/{code}"), "name": code,
        "status": "active", "description": "Made for a test", "code": code, "base": [base], "type": kind,
        "expression": expression,
    })
}

/// `concord reindex`.
async fn reindex(concord: &Concord, args: &ReindexArgs) {
    reindex::run(args, &concord.config, concord.clock.clone()).await.expect("an index that is built");
}

async fn build(concord: &Concord) {
    reindex(concord, &ReindexArgs::default()).await;
}

/// The ids of the matches, all of which have to be understood.
async fn found(app: &App, search: &str) -> Vec<String> {
    let mut ids = app.get(search).header("prefer", "handling=strict").await.expect(200).ids();
    ids.sort();
    ids
}

/// The refusal of a search by what is still to be built.
async fn unfinished(app: &App, search: &str) -> String {
    let (code, _, told) = app.get(search).await.expect(400).issues().remove(0);
    assert_eq!(code, "not-supported", "{search}: {told}");
    assert!(told.contains("still to be built"), "{search}: {told}");
    told
}

/// The entry of the CapabilityStatement for a parameter of a type.
async fn listed(concord: &Concord, of: &str, code: &str) -> Option<Value> {
    let statement = concord.nobody().get("/fhir/metadata").await.expect(200).json();
    let all = statement.pointer("/rest/0/resource").and_then(Value::as_array).expect("resources").clone();
    let one = all.into_iter().find(|one| text(one, "/type") == of).expect("the type");
    let parameters = one["searchParam"].as_array().expect("parameters").clone();
    parameters.into_iter().find(|one| text(one, "/name") == code)
}

/// Amina with what the parameters of these tests read, and a reading of hers.
async fn arrive(concord: &Concord) -> String {
    people::arrive(concord).await;
    let system = concord.system();
    let extension = |name: &str, member: &str, value: Value| {
        let mut one = json!({"url": format!("http://example.org/{name}")});
        one[member] = value;
        one
    };
    let amina = json!({
        "resourceType": "Patient", "id": "amina", "name": [{"family": "Hussain"}], "multipleBirthInteger": 2,
        "contact": [{"name": {"family": "Hussain"}, "period": {"start": "2020-03-01"}}],
        "address": [{"city": "Bradford"}],
        "extension": [
            extension("nickname", "valueString", json!("Minnie")),
            extension("eyes", "valueCode", json!("brown")),
            extension("home", "valueUri", json!("http://home.example.org/amina")),
        ],
    });
    system.store(&amina).await;
    let reading = with(
        blood_pressure("amina", 120),
        "note",
        json!([
        {"text": "Taken twice", "authorReference": {"reference": "Practitioner/gp"}}]),
    );
    let range = json!({"value": 0.13, "unit": "m[Hg]", "system": "http://unitsofmeasure.org", "code": "m[Hg]"});
    system.create(&with(reading, "referenceRange", json!([{"high": range}]))).await
}

async fn define(concord: &Concord, definitions: &[Value]) {
    for one in definitions {
        concord.system().store(one).await;
    }
}

fn of_each_kind() -> Vec<Value> {
    let mut composite = definition("part-value", "composite", "Observation", "Observation.component");
    let part = |name: &str, expression: &str| {
        json!({"definition": format!("http://hl7.org/fhir/SearchParameter/Observation-component-{name}"),
            "expression": expression})
    };
    composite["component"] = json!([part("code", "code"), part("value-quantity", "value.as(Quantity)")]);
    let author = definition("note-author", "reference", "Observation", "Observation.note.author.as(Reference)");
    vec![
        definition("nickname", "string", "Patient", "Patient.extension('http://example.org/nickname').value"),
        definition("eyes", "token", "Patient", "Patient.extension.where(url='http://example.org/eyes').value"),
        definition("home", "uri", "Patient", "Patient.extension('http://example.org/home').value as uri"),
        definition("contact-since", "date", "Patient", "Patient.contact.period"),
        definition("birth-order", "number", "Patient", "(Patient.multipleBirth as integer)"),
        definition("range-high", "quantity", "Observation", "Observation.referenceRange.high"),
        with(author, "target", json!(["Practitioner", "Patient"])),
        composite,
    ]
}

async fn each_kind_is_found_once_its_index_is_whole(concord: &Concord) {
    let reading = arrive(concord).await;
    define(concord, &of_each_kind()).await;
    let (system, amina) = (concord.system(), concord.patient("amina"));
    let of_patient = [
        "nickname=min",
        "nickname:exact=Minnie",
        "nickname:contains=INN",
        "eyes=brown",
        "eyes:not=blue",
        "home=http://home.example.org/amina",
        "home:below=http://home.example.org",
        "contact-since=gt2021",
        "contact-since=ge2020-03",
        "birth-order=2",
        "birth-order=gt1",
        "nickname:missing=false",
        "_filter=eyes eq brown and nickname sw min",
        "_has:Observation:patient:range-high=gt100||mm[Hg]",
        "_has:Observation:patient:note-author=Practitioner/gp",
    ];
    let of_reading = [
        "range-high=lt140|http://unitsofmeasure.org|mm[Hg]",
        "note-author=Practitioner/gp",
        "note-author:Practitioner=gp",
        "note-author.family=okafor",
        "note-author:Practitioner.family=Okafor",
        "subject:Patient.eyes=brown",
        "patient.nickname=minnie",
        "part-value=http://loinc.org|8480-6$120",
        "part-value=8480-6$gt110",
    ];
    for search in of_patient.iter().map(|one| format!("Patient?{one}&_id=amina")) {
        unfinished(&system, &search).await;
    }
    for search in of_reading.iter().map(|one| format!("Observation?{one}")) {
        unfinished(&amina, &search).await;
    }
    for search in [
        "Patient?_sort=nickname",
        "Observation?_include=Observation:note-author",
        "Practitioner?_revinclude=Observation:note-author",
    ] {
        unfinished(&system, search).await;
    }
    assert_eq!(listed(concord, "Patient", "eyes").await, None);
    build(concord).await;
    for app in [&system, &amina] {
        for search in &of_patient {
            assert_eq!(found(app, &format!("Patient?{search}&_id=amina")).await, ["amina"], "{search}");
        }
        for search in &of_reading {
            assert_eq!(found(app, &format!("Observation?{search}")).await, [reading.as_str()], "{search}");
        }
    }
    for none in [
        "Patient?eyes=blue",
        "Patient?nickname=max",
        "Patient?birth-order=3",
        "Patient?contact-since=le2019",
        "Observation?range-high=gt140||mm[Hg]",
        "Observation?note-author=Practitioner/former",
        "Observation?part-value=8480-6$80",
        "Patient?_id=amina&eyes:missing=true",
    ] {
        assert!(found(&system, none).await.is_empty(), "{none}");
    }
    assert_eq!(found(&system, "Patient?eyes:missing=true").await, ["callum"]);
    let sorted = system.get("Patient?_sort=-birth-order,nickname").await.expect(200).ids();
    assert_eq!(sorted, ["amina", "callum"], "what has no value is last");
    let along = |answer: &Answer, name: &str| answer.entries().iter().any(|entry| text(entry, "/resource/id") == name);
    for include in ["_include=Observation:note-author", "_include=*", "_include=Observation:note-author:Practitioner"] {
        let page = amina.get(&format!("Observation?{include}")).await.expect(200);
        assert!(along(&page, "gp"), "{include}: {page}");
    }
    for include in ["_revinclude=Observation:note-author", "_revinclude=*"] {
        let page = system.get(&format!("Practitioner?_id=gp&{include}")).await.expect(200);
        assert!(along(&page, &reading), "{include}: {page}");
    }
    let told = listed(concord, "Patient", "eyes").await.expect("it is listed");
    assert_eq!((text(&told, "/definition"), text(&told, "/type")), ("http://example.org/eyes", "token"));
    assert_eq!(found(&system, "SearchParameter?code=eyes").await, ["eyes"]);
    // Conditions name them too.
    let again = system.post("Patient", &json!({"resourceType": "Patient", "name": [{"family": "Hussain"}]}));
    assert_eq!(text(&again.header("if-none-exist", "eyes=brown").await.expect(200).json(), "/id"), "amina");
    let bundle = json!({"resourceType": "Bundle", "type": "batch", "entry": [
        {"request": {"method": "GET", "url": "Patient?eyes=brown"}}]});
    let answer = system.post("", &bundle).await.expect(200).json();
    assert_eq!(text(&answer, "/entry/0/resource/entry/0/resource/id"), "amina", "{answer}");
    // Made again, whole or one by one, they are the same.
    for args in [
        ReindexArgs { all: true, ..ReindexArgs::default() },
        ReindexArgs { parameter: Some("http://example.org/eyes".to_owned()), ..ReindexArgs::default() },
    ] {
        reindex(concord, &args).await;
        assert_eq!(found(&amina, "Patient?eyes=brown&nickname=minnie").await, ["amina"]);
    }
    let unknown = ReindexArgs { parameter: Some("http://example.org/none".to_owned()), ..ReindexArgs::default() };
    let refused = reindex::run(&unknown, &concord.config, concord.clock.clone()).await.expect_err("there is none");
    assert!(refused.contains("http://example.org/none"), "{refused}");
}

/// Organizations with these ids, in one Bundle, each known by another name.
async fn organizations(app: &App, ids: std::ops::Range<u32>) {
    let entry = |number: u32| {
        json!({"resource": {"resourceType": "Organization", "id": format!("org-{number:04}"), "name": "One",
            "alias": ["Known"]}, "request": {"method": "PUT", "url": format!("Organization/org-{number:04}")}})
    };
    let bundle = json!({"resourceType": "Bundle", "type": "transaction", "entry": ids.map(entry).collect::<Vec<_>>()});
    app.post("", &bundle).await.expect(200);
}

async fn count(app: &App, search: &str) -> i64 {
    let answer = app.get(&format!("{search}&_total=accurate&_count=0")).header("prefer", "handling=strict").await;
    answer.expect(200).json()["total"].as_i64().expect("a total")
}

async fn an_index_is_built_in_steps_while_others_write(concord: &Concord) {
    let system = concord.system();
    organizations(&system, 0..450).await;
    define(concord, &[definition("known-as", "string", "Organization", "Organization.alias")]).await;
    let search = "Organization?known-as=known";
    assert!(unfinished(&system, search).await.contains("not been begun"));
    let step = ReindexArgs { batches: Some(1), ..ReindexArgs::default() };
    reindex(concord, &step).await;
    assert!(unfinished(&system, search).await.contains("44 %"));
    // Behind where it is and before it, new and changed.
    let renamed = |id: &str| json!({"resourceType": "Organization", "id": id, "name": "One", "alias": ["Other"]});
    for id in ["org-0001", "org-0440", "aaa", "zzz"] {
        system.store(&renamed(id)).await;
    }
    system.delete("Organization/org-0441").await.expect(204);
    reindex(concord, &step).await;
    assert!(unfinished(&system, search).await.contains("88 %"));
    assert_eq!(listed(concord, "Organization", "known-as").await, None);
    build(concord).await;
    assert_eq!(count(&system, search).await, 447);
    assert_eq!(found(&system, "Organization?known-as=other").await, ["aaa", "org-0001", "org-0440", "zzz"]);
    assert!(listed(concord, "Organization", "known-as").await.is_some());
    // While it is made again it is searched by.
    let again = ReindexArgs { parameter: Some("http://example.org/known-as".to_owned()), ..step.clone() };
    reindex(concord, &again).await;
    assert_eq!(count(&system, search).await, 447);
    build(concord).await;
    assert_eq!(count(&system, search).await, 447);
    // Everything at once goes on where it was, too.
    let all = ReindexArgs { all: true, ..step };
    for _ in 0..4 {
        reindex(concord, &all).await;
        assert_eq!(count(&system, search).await, 447);
    }
}

async fn nodes_agree(concord: &Concord) {
    let other = concord.another_node().await;
    let (here, there) = (concord.system(), other.system());
    people::arrive(concord).await;
    // Each has written, and so knows what there was to search by.
    there.store(&json!({"resourceType": "Location", "id": "before", "name": "Before"})).await;
    there.delete("Location/before").await.expect(204);
    let floor = definition("floor", "number", "Location", "Location.extension('http://example.org/floor').value");
    define(concord, std::slice::from_ref(&floor)).await;
    let location = |id: &str, floor: u32| {
        json!({"resourceType": "Location", "id": id,
            "extension": [{"url": "http://example.org/floor", "valueInteger": floor}]})
    };
    // There was no Location, so that the index is whole at once; the first write of either node has its rows.
    there.store(&location("third", 3)).await;
    here.store(&location("fourth", 4)).await;
    for app in [&here, &there] {
        assert_eq!(found(app, "Location?floor=3").await, ["third"]);
        assert_eq!(found(app, "Location?floor=ge3").await, ["fourth", "third"]);
    }
    assert!(listed(&other, "Location", "floor").await.is_some());
    there.store(&with(floor, "status", json!("retired"))).await;
    for app in [&here, &there] {
        let refused = app.get("Location?floor=3").header("prefer", "handling=strict").await.expect(400);
        assert!(refused.issues()[0].2.contains("floor"), "{refused}");
    }
    assert_eq!(listed(concord, "Location", "floor").await, None);
}

async fn what_is_taken_out_of_use_is_gone(concord: &Concord) {
    arrive(concord).await;
    let system = concord.system();
    let eyes = definition("eyes", "token", "Patient", "Patient.extension('http://example.org/eyes').value");
    // The statements fail: one if there are rows, the other if there are none.
    let none = "INSERT INTO setting (name, value) SELECT 'cursor-key', '' FROM entry WHERE key LIKE 'brown%'";
    let some = "INSERT INTO setting (name, value) SELECT 'cursor-key', '' WHERE NOT EXISTS \
                (SELECT 1 FROM entry WHERE key LIKE 'brown%')";
    concord.scratch().tamper(none);
    define(concord, std::slice::from_ref(&eyes)).await;
    build(concord).await;
    concord.scratch().tamper(some);
    assert_eq!(found(&system, "Patient?eyes=brown").await, ["amina"]);
    let described = with(eyes.clone(), "description", json!("Told in other words"));
    system.store(&described).await;
    assert_eq!(found(&system, "Patient?eyes=brown").await, ["amina"], "what it reads is the same");
    for end in ["retired", "deleted", "changed"] {
        match end {
            "deleted" => drop(system.delete("SearchParameter/eyes").await.expect(204)),
            "retired" => drop(system.store(&with(eyes.clone(), "status", json!("retired"))).await),
            _ => {
                let other = json!("Patient.extension('http://example.org/hair').value");
                system.store(&with(eyes.clone(), "expression", other)).await;
                unfinished(&system, "Patient?eyes=brown").await;
            }
        }
        if end != "changed" {
            let lenient = system.get("Patient?eyes=brown").await.expect(200);
            assert!(!lenient.link("self").expect("a link").contains("eyes"), "{lenient}");
            system.get("Patient?eyes=brown").header("prefer", "handling=strict").await.expect(400);
        }
        concord.scratch().tamper(some);
        build(concord).await;
        concord.scratch().tamper(none);
        if end == "changed" {
            assert!(found(&system, "Patient?eyes=brown").await.is_empty());
        }
        // In use again it has to be built again.
        system.store(&eyes).await;
        unfinished(&system, "Patient?eyes=brown").await;
        build(concord).await;
        assert_eq!(found(&system, "Patient?eyes=brown").await, ["amina"], "{end}");
    }
}

async fn only_what_can_be_searched_by_is_added(concord: &Concord) {
    let system = concord.system();
    let good = definition("eyes", "token", "Patient", "Patient.extension('http://example.org/eyes').value");
    for (element, value, place) in [
        ("expression", json!("Patient.name.first()"), "expression"),
        ("expression", json!("Patient.colour"), "expression"),
        ("expression", json!("Observation.code"), "expression"),
        ("expression", json!("Patient.birthDate"), "expression"),
        ("code", json!("gender"), "code"),
        ("code", json!("_eyes"), "code"),
        ("code", json!("eyes:of"), "code"),
        ("type", json!("special"), "type"),
        ("base", json!(["Resource"]), "base[0]"),
        ("base", json!(["AuditEvent"]), "base[0]"),
        ("target", json!(["DomainResource"]), "target[0]"),
        ("xpathUsage", json!("phonetic"), "xpathUsage"),
    ] {
        // An implementation guide brings many: they are stored, and said not to be used.
        let said = unused(&system, &with(good.clone(), element, value.clone())).await;
        assert_eq!(said.1, format!("SearchParameter.{place}"), "{element} {value}: {said:?}");
        let name = if element == "code" { "nothing" } else { "eyes" };
        let refused = system.get(&format!("Patient?{name}=brown")).header("prefer", "handling=strict").await;
        refused.expect(400).issues();
        system.delete("SearchParameter/eyes").await.expect(204);
        // What is not in use may be anything.
        let draft = with(with(good.clone(), element, value), "status", json!("draft"));
        system.store(&with(draft, "id", json!("draft"))).await;
    }
    define(concord, std::slice::from_ref(&good)).await;
    assert!(found(&system, "Patient?eyes=brown").await.is_empty(), "there is no Patient, so that it is whole");
    let same_code = with(with(good.clone(), "id", json!("more")), "url", json!("http://example.org/more"));
    assert_eq!(unused(&system, &same_code).await.1, "SearchParameter.code");
    let same_url = with(with(good, "id", json!("more")), "code", json!("more"));
    assert_eq!(unused(&system, &same_url).await.1, "SearchParameter.url");
    // There are limits.
    let plain = |one: &ResourceType| !["AuditEvent", "Binary", "Bundle", "Parameters"].contains(&one.name());
    let types: Vec<&str> = ResourceType::all().filter(plain).map(ResourceType::name).take(110).collect();
    let many = |code: &str| {
        with(
            definition(code, "token", "Patient", "extension('http://example.org/x').value as code"),
            "base",
            json!(types),
        )
    };
    define(concord, &[many("of-many")]).await;
    assert!(unused(&system, &many("of-more")).await.2.contains("200"));
    // What R4 says of its own parameters is not in use, and stays out of the way. What was in the way is gone.
    system.delete("SearchParameter/of-many").await.expect(204);
    define(concord, &[many("of-more")]).await;
    build(concord).await;
    assert!(found(&system, "Patient?of-more=x").await.is_empty());
}

/// What the answer says of a parameter that is stored and not used.
async fn unused(app: &App, resource: &Value) -> (String, String, String) {
    let place = format!("SearchParameter/{}", text(resource, "/id"));
    let stored = app.put(&place, resource).header("prefer", "return=OperationOutcome").await;
    assert!([200, 201].contains(&stored.status), "{stored}");
    let said = stored.issues().remove(0);
    assert!(said.2.starts_with("stored, and not used to search by"), "{stored}");
    said
}

fn refused(answer: &Answer) {
    assert!([403, 404].contains(&answer.status), "{answer}");
}

async fn only_systems_add_them(concord: &Concord) {
    people::arrive(concord).await;
    let eyes = definition("eyes", "token", "Patient", "Patient.extension('http://example.org/eyes').value");
    for app in [concord.patient("amina"), concord.user("Practitioner/gp"), concord.user("RelatedPerson/yusuf")] {
        refused(&app.put("SearchParameter/eyes", &eyes).await);
        app.post("SearchParameter", &people::without(eyes.clone(), "id")).await.expect(403);
        app.get("Patient?eyes=brown").header("prefer", "handling=strict").await.expect(400);
    }
    concord.system_with("system/SearchParameter.r").put("SearchParameter/eyes", &eyes).await.expect(403);
    define(concord, &[eyes]).await;
    for app in [concord.patient("amina"), concord.user("Practitioner/gp")] {
        refused(&app.delete("SearchParameter/eyes").await);
    }
    build(concord).await;
    concord.patient("amina").get("Patient?eyes=brown").header("prefer", "handling=strict").await.expect(200);
}

async fn nothing_hidden_is_learnt(concord: &Concord) {
    arrive(concord).await;
    let system = concord.system();
    let other = with(blood_pressure("callum", 111), "note", json!([{"text": "Secret"}]));
    let other = system.create(&other).await;
    let from = json!([{"reference": format!("Observation/{other}")}]);
    let hers = system.create(&with(blood_pressure("amina", 130), "derivedFrom", from)).await;
    define(
        concord,
        &[
            definition("from", "reference", "Observation", "Observation.derivedFrom"),
            definition("remark", "string", "Observation", "Observation.note.text"),
            definition("city", "string", "Patient", "Patient.address.city"),
        ],
    )
    .await;
    build(concord).await;
    for search in [
        "Observation?remark=secret".to_owned(),
        "Observation?from:Observation.remark=secret".to_owned(),
        "Observation?from:Observation.subject:Patient.family=Fraser".to_owned(),
        "Patient/amina/Observation?from:Observation.remark=secret".to_owned(),
        "?_type=Observation&from:Observation.remark=secret".to_owned(),
        "Patient?_has:Observation:patient:from:Observation.remark=secret".to_owned(),
        "Observation?_filter=from:Observation.remark sw secret".to_owned(),
        format!("Observation?_has:Observation:from:_id={hers}"),
    ] {
        let search = format!("{search}&_total=accurate&_sort=-_lastUpdated&_count=1");
        assert_eq!(system.get(&search).await.expect(200).json()["total"], 1, "{search}");
        for app in [concord.patient("amina"), concord.user("Practitioner/gp"), concord.user("RelatedPerson/yusuf")] {
            let answer = app.get(&search).await.expect(200);
            assert!(answer.ids().is_empty() && answer.link("next").is_none(), "{search}: {answer}");
            assert_eq!(answer.json()["total"], 0, "{search}");
        }
    }
    let (gp, amina) = (concord.user("Practitioner/gp"), concord.patient("amina"));
    for include in ["_include=Observation:from", "_include=*", "_include:iterate=Observation:from"] {
        let search = format!("Observation?_id={hers}&{include}");
        assert!(system.get(&search).await.expect(200).text().contains(&format!("/fhir/Observation/{other}\"")));
        for app in [&gp, &amina] {
            let page = app.get(&search).await.expect(200);
            assert!(page.ids() == [hers.as_str()] && !page.text().contains("Secret"), "{search}: {page}");
        }
    }
    // Sorted by what is hidden, nothing of it is among what is found.
    for app in [&gp, &amina] {
        let page = app.get("Observation?_sort=remark,-from&_total=accurate").await.expect(200);
        assert!(!page.text().contains(&format!("/fhir/Observation/{other}\"")) && page.json()["total"] == 2, "{page}");
    }
    assert_eq!(found(&concord.patient("callum"), "Observation?remark=secret").await, [other.as_str()]);
    assert!(found(&concord.patient("callum"), "Patient?city=bradford").await.is_empty());
    assert!(found(&concord.user("Practitioner/gp-elsewhere"), "Patient?city=bradford").await.is_empty());
    // A part that is left out for somebody cannot be searched by either.
    assert_eq!(found(&gp, "Patient?city=bradford").await, ["amina"]);
    let label = json!({"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "LOCIS"});
    let given =
        json!({"resourceType": "Parameters", "parameter": [{"name": "meta", "valueMeta": {"security": [label]}}]});
    amina.post("Patient/amina/$meta-add", &given).await.expect(200);
    for search in [
        "Patient?city=bradford",
        "Patient?city=leeds",
        "Patient?_sort=city",
        "Patient?city:missing=false",
        "Observation?subject:Patient.city=bradford",
    ] {
        assert!(found(&gp, search).await.is_empty(), "{search}");
    }
    assert_eq!(found(&amina, "Patient?city=bradford").await, ["amina"]);
}
