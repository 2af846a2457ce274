//! Readings: the last of each kind, how they go over time, which came twice, and which can hardly be right.

use concord_tests::client::text;
use concord_tests::people::{self, blood_pressure, with};
use concord_tests::{App, Concord, on_both};
use serde_json::{Value, json};

on_both! { the_last_of_each_kind, how_it_goes_over_time, what_came_twice, who_sees_them, hidden_kinds_take_no_room, what_can_hardly_be_right }

fn weight(kilograms: &str, when: &str) -> Value {
    quantity("29463-7", kilograms, "kg", when)
}

fn quantity(code: &str, value: &str, unit: &str, when: &str) -> Value {
    let value: Value = serde_json::from_str(value).expect("a number");
    json!({"resourceType": "Observation", "status": "final", "subject": {"reference": "Patient/amina"},
        "code": {"coding": [{"system": "http://loinc.org", "code": code}]}, "effectiveDateTime": when,
        "valueQuantity": {"value": value, "unit": unit, "system": "http://unitsofmeasure.org", "code": unit}})
}

async fn found(app: &App, place: &str) -> Vec<String> {
    let found = app.get(place).await.expect(200).matches();
    found
        .iter()
        .map(|one| format!("{} {}", text(one, "/code/coding/0/code"), text(one, "/effectiveDateTime")))
        .collect()
}

async fn the_last_of_each_kind(concord: &Concord) {
    people::arrive(concord).await;
    let amina = concord.patient("amina");
    for (value, when) in [("70.5", "2026-01-03"), ("71", "2026-01-01"), ("72", "2026-01-02")] {
        amina.create(&weight(value, when)).await;
    }
    amina.create(&blood_pressure("amina", 120)).await;
    // The same kind under a second code.
    let mut translated = weight("69", "2026-01-04");
    let codes = json!([{"system": "http://snomed.info/sct", "code": "27113001"}, translated["code"]["coding"][0]]);
    translated["code"]["coding"] = codes;
    amina.create(&translated).await;
    let mistaken = with(weight("7", "2026-02-01"), "status", json!("entered-in-error"));
    amina.create(&mistaken).await;
    let mut last = found(&amina, "Observation/$lastn").await;
    last.sort();
    assert_eq!(last, ["27113001 2026-01-04", "85354-9 2024-11-30T08:00:00Z"]);
    let three = found(&amina, "Observation/$lastn?code=29463-7&max=3").await;
    assert_eq!(three, ["27113001 2026-01-04", "29463-7 2026-01-03", "29463-7 2026-01-02"]);
    assert_eq!(found(&amina, "Observation/$lastn?category=vital-signs").await, ["85354-9 2024-11-30T08:00:00Z"]);
    assert_eq!(found(&amina, "Observation/$lastn?code=29463-7&date=le2026-01-02").await, ["29463-7 2026-01-02"]);
    for wrong in ["max=0", "max=many", "code:in=x", "date=soon"] {
        amina.get(&format!("Observation/$lastn?{wrong}")).await.expect(400).issues();
    }
}

async fn how_it_goes_over_time(concord: &Concord) {
    people::arrive(concord).await;
    let amina = concord.patient("amina");
    for (value, when) in [
        ("70.50", "2026-01-05T08:00:00Z"),
        ("71.0", "2026-01-05T20:00:00Z"),
        ("72", "2026-01-11"),
        ("74", "2026-02-01"),
    ] {
        amina.create(&weight(value, when)).await;
    }
    amina.create(&quantity("29463-7", "155", "[lb_av]", "2026-01-05")).await;
    let points = async |query: &str, unit: &str| -> Vec<String> {
        let told = amina.get(&format!("Observation/$trend?code=29463-7&{query}")).await.expect(200);
        let told: Value = serde_json::from_slice(&told.body).expect("JSON");
        let series = told["parameter"].as_array().expect("series").clone();
        let series = series.iter().find(|one| text(one, "/part/1/valueString") == unit).expect("the unit").clone();
        let parts = series["part"].as_array().expect("parts").iter().filter(|part| text(part, "/name") == "point");
        parts
            .map(|point| {
                let value = |place: &str| point.pointer(place).expect("a value").to_string().replace('"', "");
                let places = [
                    "/part/0/valueDate",
                    "/part/1/valueInteger",
                    "/part/2/valueDecimal",
                    "/part/3/valueDecimal",
                    "/part/4/valueDecimal",
                ];
                places.map(value).join(" ")
            })
            .collect()
    };
    assert_eq!(
        points("period=day", "kg").await,
        ["2026-01-05 2 70.50 71.0 70.75", "2026-01-11 1 72 72 72", "2026-02-01 1 74 74 74"]
    );
    assert_eq!(points("period=week", "kg").await, ["2026-01-05 3 70.50 72 71.167", "2026-01-26 1 74 74 74"]);
    assert_eq!(points("period=month&date=lt2026-02", "kg").await, ["2026-01-01 3 70.50 72 71.167"]);
    assert_eq!(points("", "[lb_av]").await, ["2026-01-05 1 155 155 155"], "nothing is converted");
    for wrong in ["$trend", "$trend?code=x&period=year", "$trend?code=x&colour=red"] {
        amina.get(&format!("Observation/{wrong}")).await.expect(400).issues();
    }
    // Pressures are in components.
    amina.create(&blood_pressure("amina", 120)).await;
    let told = amina.get("Observation/$trend?code=85354-9").await.expect(200).json();
    assert_eq!(told["parameter"].as_array().expect("series").len(), 2, "{told}");
}

async fn what_came_twice(concord: &Concord) {
    people::arrive(concord).await;
    let amina = concord.patient("amina");
    let one = amina.create(&weight("70.5", "2026-01-05T08:00:00Z")).await;
    let other = amina.create(&weight("70.50", "2026-01-05T08:03:00Z")).await;
    amina.create(&weight("70.5", "2026-01-05T09:00:00Z")).await;
    amina.create(&weight("70.6", "2026-01-05T08:01:00Z")).await;
    let told = amina.get("Observation/$duplicates").await.expect(200).json();
    let groups = told["parameter"].as_array().expect("groups");
    assert_eq!(groups.len(), 1, "{told}");
    let named = groups[0].to_string();
    assert!(named.contains(&one) && named.contains(&other), "{told}");
    assert_eq!(
        amina.get("Observation/$duplicates?minutes=60").await.expect(200).json()["parameter"][0]["part"]
            .as_array()
            .map(Vec::len),
        Some(4)
    );
    assert!(amina.get("Observation/$duplicates?minutes=1").await.expect(200).json().get("parameter").is_none());
    // They are proposed and not merged; whoever wrote one marks it.
    assert_eq!(amina.get("Observation?patient=amina&_summary=count").await.expect(200).json()["total"], 4);
    let mistaken =
        with(with(weight("70.50", "2026-01-05T08:03:00Z"), "status", json!("entered-in-error")), "id", json!(other));
    amina.put(&format!("Observation/{other}"), &mistaken).await.expect(200);
    assert!(amina.get("Observation/$duplicates").await.expect(200).json().get("parameter").is_none());
    amina.get(&format!("Observation/{other}/_history/1")).await.expect(200);
    // An app that says which reading it is hands it in once.
    let known = with(weight("70", "2026-01-06"), "identifier", json!([{"system": "urn:scale", "value": "17"}]));
    for status in [201, 200] {
        let sent = amina.post("Observation", &known).header("if-none-exist", "identifier=urn:scale|17").await;
        sent.expect(status);
    }
}

async fn who_sees_them(concord: &Concord) {
    people::arrive(concord).await;
    concord.patient("amina").create(&weight("70.5", "2026-01-05")).await;
    for (app, count) in [
        (concord.patient("amina"), 1),
        (concord.user("Practitioner/gp"), 1),
        (concord.user("RelatedPerson/yusuf"), 1),
        (concord.patient("callum"), 0),
        (concord.user("Practitioner/former"), 0),
        (concord.user("RelatedPerson/neighbour"), 0),
        (concord.system(), 1),
    ] {
        assert_eq!(found(&app, "Observation/$lastn?patient=amina").await.len(), count);
        assert_eq!(found(&app, "Observation/$lastn?subject=Patient/amina").await.len(), count);
        let told = app.get("Observation/$trend?patient=amina&code=29463-7").await.expect(200).text();
        assert_eq!(told.contains("70.5"), count == 1, "{told}");
    }
    for operation in ["$lastn", "$trend?code=1", "$duplicates"] {
        concord.patient_with("amina", "patient/Goal.rs").get(&format!("Observation/{operation}")).await.expect(403);
    }
    concord.user("Practitioner/gp").get("Observation/$lastn").await.expect(400);
}

async fn hidden_kinds_take_no_room(concord: &Concord) {
    people::arrive(concord).await;
    let amina = concord.patient("amina");
    amina.create(&weight("70", "2026-01-01")).await;
    let before = amina.get("Observation/$lastn").await.expect(200).json()["entry"].clone();
    let label = json!([{"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "NOPAT"}]);
    let hidden = |number: usize| {
        let reading = quantity(&format!("0{number}"), "1", "kg", "2026-01-01");
        json!({"resource": with(reading, "meta", json!({"security": label})),
            "request": {"method": "POST", "url": "Observation"}})
    };
    let entries: Vec<Value> = (0..301).map(hidden).collect();
    let bundle = json!({"resourceType": "Bundle", "type": "transaction", "entry": entries});
    concord.system().post("/fhir", &bundle).await.expect(200);
    assert_eq!(amina.get("Observation/$lastn").await.expect(200).json()["entry"], before);
    let told = concord.system().get("Observation/$lastn?patient=amina").await.expect(200);
    assert!(told.text().contains("too-costly"), "a system sees that there are more kinds: {told}");
}

async fn what_can_hardly_be_right(concord: &Concord) {
    people::arrive(concord).await;
    let amina = concord.patient("amina");
    let told = async |reading: &Value| -> Vec<String> {
        let stored = amina.post("Observation", reading).header("prefer", "return=OperationOutcome").await.expect(201);
        let issues = stored.json()["issue"].as_array().cloned().unwrap_or_default();
        issues
            .iter()
            .filter(|one| text(one, "/severity") == "warning")
            .map(|one| text(one, "/expression/0").to_owned())
            .collect()
    };
    let at = |value: &str, unit: &str| quantity("15074-8", value, unit, "2026-01-05");
    assert!(told(&at("5.5", "mmol/L")).await.is_empty());
    assert_eq!(told(&at("99", "mmol/L")).await, ["Observation.value"], "mg/dL sent as mmol/L");
    assert_eq!(told(&at("99", "mg/dL")).await, ["Observation.value"], "not the unit of this code");
    assert_eq!(told(&blood_pressure("amina", 120)).await, ["Observation.code"], "no SNOMED code");
    // They are stored as they were sent.
    let stored = amina.get("Observation?patient=amina&code=15074-8&value-quantity=99").await.expect(200);
    assert_eq!(stored.matches().len(), 2);
    let future = amina.post("Observation", &weight("70", "2027-01-01")).await.expect(422);
    assert_eq!(future.issues()[0].1, "Observation.effective");
}
