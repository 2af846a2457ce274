//! What the store finds is what the predicate means: resources and searches drawn at random, on each database.

use concord_fhir::index::{self, Entries};
use concord_fhir::registry::ResourceType;

use super::search::{BASE, NOW, found, on_each, query, read, reading, store, system, to};

/// A small generator, so that a failure can be had again.
struct Draw(u64);

impl Draw {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % limit
    }

    fn of<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len())]
    }
}

fn random_resource(draw: &mut Draw, number: usize) -> serde_json::Value {
    let patient = || ["p0", "p1", "p2"];
    let id = format!("x{number}");
    match draw.below(5) {
        0 => serde_json::json!({ "resourceType": "Patient", "id": patient()[number % 3],
            "name": [{ "given": [draw.of(&["Siân", "Bob", "O'Neill"])], "family": draw.of(&["Smith-Jones", "Ng"]) }],
            "gender": draw.of(&["male", "female"]) }),
        1 => serde_json::json!({ "resourceType": "List", "id": id, "status": draw.of(&["current", "retired"]),
            "mode": "working", "subject": to(&format!("Patient/{}", draw.of(&patient()))),
            "entry": [{ "item": to(&format!("Observation/x{}", draw.below(40))) }] }),
        _ => {
            let mut value = reading(&id, draw.of(&patient()), draw.of(&["a", "b", "c"]));
            value["code"]["coding"][0]["display"] = serde_json::json!(draw.of(&["Weight", "Body height"]));
            value.as_object_mut().unwrap().remove("valueString");
            let (number, unit) =
                draw.of(&[("70", "kg"), ("70000", "g"), ("5.5", "mmol/L"), ("5500", "umol/L"), ("11", "[stone_av]")]);
            value["valueQuantity"] = serde_json::json!({ "value": serde_json::from_str::<serde_json::Value>(number).unwrap(),
                "system": "http://unitsofmeasure.org", "code": unit });
            value["derivedFrom"] = serde_json::json!([to(&format!("Observation/x{}", draw.below(40)))]);
            value
        }
    }
}

fn random_clause(draw: &mut Draw) -> &'static str {
    draw.of(&[
        "code=a",
        "code=http://loinc.org|b,c",
        "code:not=a",
        "code:text=body",
        "date=gt2025-01-02",
        "value-quantity=70||kg",
        "value-quantity=gt5.4||mmol/L",
        "value-quantity=lt100",
        "code-value-quantity=a$gt69||kg",
        "code-value-quantity=http://loinc.org|$5500||umol/L",
        "combo-code-value-quantity=b$5.5,c$5.5",
        "subject:Patient.given=sian",
        "subject.family:contains=jones",
        "subject:Patient.gender:not=male",
        "patient._id=p1,p2",
        "derived-from:Observation.code=a",
        "derived-from:Observation.derived-from:Observation.subject:Patient.gender=female",
        "derived-from:missing=true",
        "_has:Observation:derived-from:code=b",
        "_has:List:item:status=current",
        "_has:List:item:subject:Patient.gender=male",
        "_has:Observation:derived-from:_has:List:item:status=current",
        "subject:Patient._has:List:subject:status=retired",
        "_list=x3,x7,x11,x20",
        "_filter=code eq a or (subject:Patient.given ew eill and not(code eq b))",
        "_filter=code ne a and date le 2025-01-03",
        "_id=x1,x2,x3,x4,x5,x6,x7,x8,x9",
        "patient=p1",
    ])
}

#[tokio::test]
async fn the_store_finds_what_the_predicate_means() {
    on_each(async |service| {
        let mut draw = Draw(42);
        let mut all: Vec<Entries> = Vec::new();
        for number in 0..60 {
            let resource = random_resource(&mut draw, number);
            let value = read(&resource);
            let resource_type = ResourceType::parse(value.text("resourceType").unwrap()).unwrap();
            let id = value.text("id").unwrap().to_owned();
            all.retain(|one| one.resource_type != resource_type || one.id != id);
            all.push(index::extract_under(BASE, resource_type, &id, NOW, &value));
            store(&service, resource).await;
        }
        let mut matches = 0;
        for _ in 0..300 {
            let clauses: Vec<&str> = (0..=draw.below(3)).map(|_| random_clause(&mut draw)).collect();
            let text = clauses.join("&");
            let asked = query("Observation", &text);
            let of_type = all.iter().filter(|one| one.resource_type.name() == "Observation");
            let mut wanted: Vec<String> =
                of_type.filter(|one| asked.predicate.holds_among(one, &all)).map(|one| one.id.clone()).collect();
            wanted.sort();
            matches += wanted.len();
            let matched = found(&service, system(), "Observation", &format!("{text}&_count=1000")).await;
            assert_eq!(matched, wanted, "{text}");
        }
        assert!(matches > 500, "{matches} matches say little");
    })
    .await;
}
