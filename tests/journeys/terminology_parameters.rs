//! Every parameter that R4 defines for an operation about codes: each is heeded, so that the answer differs by it, or refused
//! by its name.

use concord_tests::client::{Answer, text};
use concord_tests::people::{self, with};
use concord_tests::{App, Concord, on_both};
use serde_json::{Value, json};

on_both! {
    each_is_heeded_or_refused, what_a_set_calls_a_code_and_its_version, names_in_the_language_of_the_system,
    maps_that_nobody_names,
}

const FARM: &str = "https://example.org/cs/farm";
const FARM_SET: &str = "https://example.org/vs/farm";

/// The parameters that R4 4.0.1 defines, by operation.
const DEFINED: [(&str, &str); 6] = [
    (
        "ValueSet/$expand",
        "url valueSet valueSetVersion context contextDirection filter date offset count includeDesignations designation \
         includeDefinition activeOnly excludeNested excludeNotForUI excludePostCoordinated displayLanguage exclude-system \
         system-version check-system-version force-system-version",
    ),
    (
        "ValueSet/$validate-code",
        "url context valueSet valueSetVersion code system systemVersion display coding codeableConcept date abstract \
         displayLanguage",
    ),
    (
        "CodeSystem/$validate-code",
        "url codeSystem code version display coding codeableConcept date abstract displayLanguage",
    ),
    ("CodeSystem/$lookup", "code system version coding date displayLanguage property"),
    ("CodeSystem/$subsumes", "codeA codeB system version codingA codingB"),
    (
        "ConceptMap/$translate",
        "url conceptMap conceptMapVersion code system version source coding codeableConcept target targetsystem dependency \
         reverse",
    ),
];

/// The parameters that are refused by their name.
const REFUSED: [(&str, &str); 6] = [
    ("ValueSet/$expand", "context contextDirection date"),
    ("ValueSet/$validate-code", "context date"),
    ("CodeSystem/$validate-code", "date"),
    ("CodeSystem/$lookup", "date"),
    ("CodeSystem/$subsumes", ""),
    ("ConceptMap/$translate", ""),
];

/// Nothing of the answer depends on these: it never has what they leave out.
const NEVER: [(&str, &str); 2] =
    [("ValueSet/$expand", "excludeNested"), ("ValueSet/$expand", "excludePostCoordinated")];

/// What shows that a parameter is heeded: with it the answer says the words, and without it, it does not.
struct Shown {
    operation: &'static str,
    parameter: &'static str,
    /// What is asked besides.
    besides: Value,
    /// The parameter, without its name.
    given: Value,
    /// What is asked instead where it is not given.
    instead: Value,
    words: &'static str,
}

fn farm(version: &str, status: &str, more: Value) -> Value {
    let dog = json!({"code": "dog", "display": "Dog", "definition": "It barks",
        "designation": [{"language": "de", "value": "Hund"}, {"language": "cy", "value": "Ci"},
            {"language": "en", "use": {"system": "urn:uses", "code": "pet"}, "value": "Doggy"}],
        "property": [{"code": "legs", "valueInteger": 4}]});
    json!({"resourceType": "CodeSystem", "id": format!("farm{version}"), "url": FARM, "version": version, "name": "Animals", "language": "en",
        "status": status, "content": "complete", "property": [{"code": "legs", "type": "integer"}],
        "concept": [{"code": "animal", "display": "Animal", "property": [{"code": "notSelectable", "valueBoolean": true}],
            "concept": [dog, {"code": "bird", "display": "Bird", "property": [{"code": "inactive", "valueBoolean": true}]}]}, more]})
}

fn set(id: &str, version: &str, include: Value) -> Value {
    json!({"resourceType": "ValueSet", "id": format!("{id}{version}"), "url": format!("https://example.org/vs/{id}"),
        "version": version, "status": "active", "compose": {"include": include}})
}

fn map(id: &str, more: Value) -> Value {
    let side = |value: &str, code: &str| {
        json!({"code": code, "equivalence": "equivalent",
            "dependsOn": [{"property": "urn:side", "system": "urn:sides", "value": value}]})
    };
    let elements = json!([
        {"code": "dog", "target": [{"code": "woof", "equivalence": "relatedto"}]},
        {"code": "bird", "target": [side("left", "tweet")]}]);
    let mut made = json!({"resourceType": "ConceptMap", "id": id, "url": format!("https://example.org/cm/{id}"), "version": "1",
        "status": "active", "sourceUri": FARM_SET, "targetUri": "https://example.org/vs/sounds",
        "group": [{"source": FARM, "sourceVersion": "2", "target": "urn:sounds", "element": elements}]});
    for (element, value) in more.as_object().into_iter().flatten() {
        made = with(made, element, value.clone());
    }
    made
}

async fn stored(concord: &Concord) {
    people::arrive(concord).await;
    let system = concord.system();
    let own = json!([{"code": "cow", "display": "Cow"}]);
    for one in [
        farm("1", "active", json!({"code": "old", "display": "Old one"})),
        farm("2", "active", json!({"code": "new", "display": "New one"})),
        set("farm", "1", json!([{"system": FARM}])),
        set("farm", "2", json!([{"system": FARM}, {"system": "urn:own", "concept": own}])),
        set("pinned", "1", json!([{"system": FARM, "version": "1"}])),
        map("farm", json!({})),
        map(
            "farm0",
            json!({"url": "https://example.org/cm/farm", "version": "0",
                "group": [{"source": FARM, "target": "urn:none", "element": [{"code": "none"}]}]}),
        ),
    ] {
        system.store(&one).await;
    }
}

fn named(name: &str, value: &Value) -> Value {
    let mut made = value.clone();
    made["name"] = json!(name);
    made
}

fn parameters(all: &[Value]) -> Value {
    json!({"resourceType": "Parameters", "parameter": all})
}

fn list(value: &Value) -> Vec<Value> {
    value.as_array().cloned().unwrap_or_default()
}

fn uri(name: &str, value: &str) -> Value {
    json!({"name": name, "valueUri": value})
}

fn code(name: &str, value: &str) -> Value {
    json!({"name": name, "valueCode": value})
}

fn coding(version: &str, code: &str) -> Value {
    json!({"valueCoding": {"system": FARM, "version": version, "code": code}})
}

fn expansions() -> Vec<Shown> {
    let of = json!([uri("url", FARM_SET)]);
    let pinned = json!([uri("url", "https://example.org/vs/pinned")]);
    let row = |parameter, besides: &Value, given: Value, words| Shown {
        operation: "ValueSet/$expand",
        parameter,
        besides: besides.clone(),
        given,
        instead: json!([]),
        words,
    };
    let whole = set("given", "1", json!([{"system": "urn:own", "concept": [{"code": "mine"}]}]));
    vec![
        Shown {
            instead: json!([uri("url", "https://example.org/vs/pinned")]),
            ..row("url", &json!([]), json!({"valueUri": FARM_SET}), "\"cow\"")
        },
        Shown { instead: of.clone(), ..row("valueSet", &json!([]), json!({"resource": whole}), "\"mine\"") },
        row("valueSetVersion", &of, json!({"valueString": "1"}), "\"version\":\"1\",\"status\""),
        row("filter", &of, json!({"valueString": "hund"}), "\"total\":1"),
        row("offset", &of, json!({"valueInteger": 4}), "\"offset\":4"),
        row("count", &of, json!({"valueInteger": 0}), "\"parameter\":[{\"name\":\"count\",\"valueInteger\":0}]}"),
        row("includeDesignations", &of, json!({"valueBoolean": true}), "Hund"),
        row("designation", &of, json!({"valueString": "urn:uses|pet"}), "Doggy"),
        row("includeDefinition", &of, json!({"valueBoolean": true}), "\"compose\""),
        row("activeOnly", &of, json!({"valueBoolean": true}), "\"total\":4"),
        row("excludeNotForUI", &of, json!({"valueBoolean": true}), "\"total\":4"),
        row("displayLanguage", &of, json!({"valueCode": "de-CH"}), "\"display\":\"Hund\""),
        row("exclude-system", &of, json!({"valueCanonical": FARM}), "\"total\":1"),
        row("system-version", &of, json!({"valueCanonical": format!("{FARM}|1")}), "\"old\""),
        row(
            "check-system-version",
            &pinned,
            json!({"valueCanonical": format!("{FARM}|2")}),
            "in version 1, and 2 is asked for",
        ),
        row("force-system-version", &pinned, json!({"valueCanonical": format!("{FARM}|2")}), "\"new\""),
    ]
}

fn validations() -> Vec<Shown> {
    let of = json!([uri("url", FARM_SET), uri("system", FARM), code("code", "dog")]);
    let both = json!([uri("url", FARM_SET), uri("system", FARM)]);
    let row = |parameter, besides: &Value, given: Value, words| Shown {
        operation: "ValueSet/$validate-code",
        parameter,
        besides: besides.clone(),
        given,
        instead: json!([]),
        words,
    };
    let whole = set("given", "1", json!([{"system": "urn:own"}]));
    let concept = |name: &str| json!({"valueCodeableConcept": {"coding": [{"system": FARM, "code": name}]}});
    let cow = json!([uri("url", FARM_SET), uri("system", "urn:own"), code("code", "cow")]);
    let animal = json!([uri("url", FARM_SET), uri("system", FARM), code("code", "animal")]);
    let named_so = |name: &str| json!([uri("url", FARM_SET), uri("system", FARM), code("code", "dog"), {"name": "display", "valueString": name}]);
    let (yes, no) = ("\"valueBoolean\":true", "\"valueBoolean\":false");
    vec![
        Shown {
            instead: json!([uri("url", "https://example.org/vs/pinned")]),
            ..row("url", &json!([uri("system", "urn:own"), code("code", "cow")]), json!({"valueUri": FARM_SET}), yes)
        },
        Shown {
            instead: json!([uri("url", FARM_SET)]),
            ..row("valueSet", &json!([uri("system", FARM), code("code", "dog")]), json!({"resource": whole}), no)
        },
        row("valueSetVersion", &cow, json!({"valueString": "1"}), no),
        Shown { instead: json!([code("code", "cat")]), ..row("code", &both, json!({"valueCode": "dog"}), yes) },
        Shown {
            instead: json!([uri("system", "urn:own")]),
            ..row("system", &json!([uri("url", FARM_SET), code("code", "dog")]), json!({"valueUri": FARM}), yes)
        },
        row("systemVersion", &of, json!({"valueString": "9"}), "not-found"),
        row("display", &of, json!({"valueString": "Cat"}), no),
        Shown { instead: json!([code("code", "dog")]), ..row("coding", &both, coding("2", "cat"), no) },
        Shown { instead: json!([code("code", "dog")]), ..row("codeableConcept", &both, concept("cat"), no) },
        row("abstract", &animal, json!({"valueBoolean": false}), no),
        row("displayLanguage", &named_so("Dog"), json!({"valueCode": "de"}), no),
    ]
}

fn of_systems() -> Vec<Shown> {
    let of = json!([uri("url", FARM), code("code", "dog")]);
    let row = |operation, parameter, besides: &Value, given: Value, words| Shown {
        operation,
        parameter,
        besides: besides.clone(),
        given,
        instead: json!([]),
        words,
    };
    let check = "CodeSystem/$validate-code";
    let (yes, no) = ("\"valueBoolean\":true", "\"valueBoolean\":false");
    let concept = json!({"valueCodeableConcept": {"coding": [{"system": FARM, "code": "cat"}]}});
    let named_so = json!([uri("url", FARM), code("code", "dog"), {"name": "display", "valueString": "Dog"}]);
    let looked = json!([uri("system", FARM), code("code", "dog")]);
    let lies = json!([uri("system", FARM), code("codeA", "animal"), code("codeB", "dog")]);
    let given = with(farm("7", "active", json!({"code": "seven"})), "url", json!("urn:seven"));
    vec![
        Shown {
            instead: json!([uri("url", "urn:none")]),
            ..row(check, "url", &json!([code("code", "dog")]), json!({"valueUri": FARM}), yes)
        },
        Shown {
            instead: json!([uri("url", FARM)]),
            ..row(check, "codeSystem", &json!([code("code", "seven")]), json!({"resource": given}), yes)
        },
        Shown {
            instead: json!([code("code", "cat")]),
            ..row(check, "code", &json!([uri("url", FARM)]), json!({"valueCode": "dog"}), yes)
        },
        row(check, "version", &json!([uri("url", FARM), code("code", "new")]), json!({"valueString": "1"}), no),
        row(check, "display", &of, json!({"valueString": "Cat"}), no),
        Shown {
            instead: json!([code("code", "new")]),
            ..row(check, "coding", &json!([uri("url", FARM)]), coding("1", "new"), no)
        },
        Shown {
            instead: json!([code("code", "dog")]),
            ..row(check, "codeableConcept", &json!([uri("url", FARM)]), concept, no)
        },
        row(check, "abstract", &json!([uri("url", FARM), code("code", "animal")]), json!({"valueBoolean": false}), no),
        row(check, "displayLanguage", &named_so, json!({"valueCode": "cy-GB"}), no),
        Shown {
            instead: json!([code("code", "bird")]),
            ..row("CodeSystem/$lookup", "code", &json!([uri("system", FARM)]), json!({"valueCode": "dog"}), "It barks")
        },
        Shown {
            instead: json!([uri("system", "urn:none")]),
            ..row("CodeSystem/$lookup", "system", &json!([code("code", "dog")]), json!({"valueUri": FARM}), "It barks")
        },
        row("CodeSystem/$lookup", "version", &looked, json!({"valueString": "1"}), "\"valueString\":\"1\""),
        Shown {
            instead: looked.clone(),
            ..row("CodeSystem/$lookup", "coding", &json!([]), coding("1", "dog"), "\"valueString\":\"1\"")
        },
        row(
            "CodeSystem/$lookup",
            "displayLanguage",
            &looked,
            json!({"valueCode": "de-AT-1996"}),
            "\"name\":\"display\",\"valueString\":\"Hund\"",
        ),
        Shown {
            instead: json!([code("property", "definition")]),
            ..row("CodeSystem/$lookup", "property", &looked, json!({"valueCode": "lang.cy"}), "\"Ci\"")
        },
        Shown {
            instead: json!([code("codeA", "bird")]),
            ..row(
                "CodeSystem/$subsumes",
                "codeA",
                &json!([uri("system", FARM), code("codeB", "dog")]),
                json!({"valueCode": "animal"}),
                "\"subsumes\"",
            )
        },
        Shown {
            instead: json!([code("codeB", "animal")]),
            ..row(
                "CodeSystem/$subsumes",
                "codeB",
                &json!([uri("system", FARM), code("codeA", "animal")]),
                json!({"valueCode": "dog"}),
                "\"subsumes\"",
            )
        },
        Shown {
            instead: json!([uri("system", "urn:none")]),
            ..row(
                "CodeSystem/$subsumes",
                "system",
                &json!([code("codeA", "animal"), code("codeB", "dog")]),
                json!({"valueUri": FARM}),
                "\"subsumes\"",
            )
        },
        row("CodeSystem/$subsumes", "version", &lies, json!({"valueString": "9"}), "not-found"),
        Shown {
            instead: json!([uri("system", FARM), code("codeA", "animal")]),
            ..row("CodeSystem/$subsumes", "codingA", &json!([code("codeB", "dog")]), coding("9", "animal"), "not-found")
        },
        Shown {
            instead: json!([uri("system", FARM), code("codeB", "dog")]),
            ..row("CodeSystem/$subsumes", "codingB", &json!([code("codeA", "animal")]), coding("9", "dog"), "not-found")
        },
    ]
}

fn translations() -> Vec<Shown> {
    let url = "https://example.org/cm/farm";
    let of = json!([uri("url", url), uri("system", FARM), code("code", "dog")]);
    let any = json!([uri("system", FARM), code("code", "dog")]);
    let bird = json!([uri("url", url), uri("system", FARM), code("code", "bird")]);
    let row = |parameter, besides: &Value, given: Value, words| Shown {
        operation: "ConceptMap/$translate",
        parameter,
        besides: besides.clone(),
        given,
        instead: json!([]),
        words,
    };
    let (yes, no) = ("\"valueBoolean\":true", "\"valueBoolean\":false");
    let other = map(
        "other",
        json!({"group": [{"source": FARM, "target": "urn:x", "element": [
        {"code": "dog", "target": [{"code": "growl", "equivalence": "relatedto"}]}]}]}),
    );
    let concept = json!({"valueCodeableConcept": {"coding": [{"system": FARM, "code": "cat"}]}});
    let left = json!({"part": [{"name": "element", "valueUri": "urn:side"},
        {"name": "concept", "valueCodeableConcept": {"coding": [{"system": "urn:sides", "code": "left"}]}}]});
    vec![
        row("url", &any, json!({"valueUri": "urn:none"}), "not-found"),
        row("conceptMap", &any, json!({"resource": other}), "growl"),
        row("conceptMapVersion", &of, json!({"valueString": "0"}), no),
        Shown {
            instead: json!([code("code", "cat")]),
            ..row("code", &json!([uri("url", url), uri("system", FARM)]), json!({"valueCode": "dog"}), yes)
        },
        Shown {
            instead: json!([uri("system", "urn:x")]),
            ..row("system", &json!([uri("url", url), code("code", "dog")]), json!({"valueUri": FARM}), yes)
        },
        row("version", &of, json!({"valueString": "1"}), no),
        row("source", &any, json!({"valueUri": "https://example.org/vs/none"}), no),
        Shown {
            instead: json!([code("code", "dog")]),
            ..row("coding", &json!([uri("url", url), uri("system", FARM)]), coding("1", "dog"), no)
        },
        Shown {
            instead: json!([code("code", "dog")]),
            ..row("codeableConcept", &json!([uri("url", url), uri("system", FARM)]), concept, no)
        },
        row("target", &any, json!({"valueUri": "https://example.org/vs/none"}), no),
        row("targetsystem", &of, json!({"valueUri": "urn:x"}), no),
        row("dependency", &bird, left, "tweet"),
        row(
            "reverse",
            &json!([uri("url", url), uri("system", "urn:sounds"), code("code", "woof")]),
            json!({"valueBoolean": true}),
            "\"dog\"",
        ),
    ]
}

async fn each_is_heeded_or_refused(concord: &Concord) {
    stored(concord).await;
    let amina = concord.patient("amina");
    let rows: Vec<Shown> = [expansions(), validations(), of_systems(), translations()].into_iter().flatten().collect();
    for ((operation, defined), (_, refused)) in DEFINED.iter().zip(REFUSED) {
        for parameter in defined.split_whitespace() {
            let is_refused = refused.split_whitespace().any(|one| one == parameter);
            let is_never = NEVER.contains(&(operation, parameter));
            let shown = rows.iter().filter(|row| row.operation == *operation && row.parameter == parameter).count();
            assert_eq!(shown, usize::from(!is_refused && !is_never), "{operation} {parameter}");
            let given = json!([uri("url", FARM_SET), {"name": parameter, "valueString": "2026-01-01"}]);
            if is_refused {
                let told = amina.post(operation, &parameters(&list(&given))).await.expect(400).issues();
                assert!(told.iter().any(|(_, _, said)| said.contains(parameter)), "{operation} {parameter}: {told:?}");
            }
            if is_never {
                amina.post(operation, &parameters(&list(&given))).await.expect(400);
                amina.get(&format!("{operation}?url={FARM_SET}&{parameter}=true")).await.expect(200);
            }
        }
    }
    let said = |answer: Answer| answer.text().to_owned();
    for row in &rows {
        let (mut with, mut without) = (list(&row.besides), list(&row.besides));
        with.push(named(row.parameter, &row.given));
        without.extend(list(&row.instead));
        let told = said(amina.post(row.operation, &parameters(&with)).await);
        assert!(told.contains(row.words), "{} with {}: {told}", row.operation, row.parameter);
        let told = said(amina.post(row.operation, &parameters(&without)).await);
        assert!(!told.contains(row.words), "{} without {}: {told}", row.operation, row.parameter);
    }
    odd_values(&amina).await;
}

/// What cannot be heeded as it is given is refused.
async fn odd_values(amina: &App) {
    for place in [
        format!("ValueSet/$expand?url={FARM_SET}&displayLanguage=so%20to%20say"),
        format!("ValueSet/$expand?url={FARM_SET}&system-version={FARM}"),
        format!("ValueSet/$expand?url={FARM_SET}&system-version={FARM}|1&force-system-version={FARM}|2"),
        format!("ValueSet/$validate-code?url={FARM_SET}&code=dog&display=Dog"),
        format!("ValueSet/$validate-code?url={FARM_SET}&code=dog&systemVersion=2"),
        format!("ValueSet/$validate-code?url={FARM_SET}&system={FARM}&code=dog&coding=dog"),
        format!("CodeSystem/$lookup?system={FARM}&code=dog&displayLanguage=,"),
        format!("ConceptMap/$translate?system={FARM}&code=dog&dependency=left"),
    ] {
        amina.get(&place).await.expect(400);
    }
    let both = json!([{"name": "systemVersion", "valueString": "1"}, uri("url", FARM_SET), named("coding", &coding("2", "dog"))]);
    let told = amina.post("ValueSet/$validate-code", &parameters(&list(&both))).await.expect(400).issues();
    assert!(told[0].2.contains("the coding is of version 2"), "{told:?}");
}

fn result(answer: &Answer) -> Value {
    let told = answer.json();
    let all = told["parameter"].as_array().cloned().unwrap_or_default();
    all.iter().find(|one| one["name"] == "result").map_or(Value::Null, |one| one["valueBoolean"].clone())
}

/// What a code system calls a code is the name in its language, and a synonym is right beside it.
async fn names_in_the_language_of_the_system(concord: &Concord) {
    stored(concord).await;
    let amina = concord.patient("amina");
    for language in ["en", "en-GB"] {
        for (display, wanted) in [("Dog", true), ("Doggy", true), ("Hund", false)] {
            let query = format!("code=dog&display={display}&displayLanguage={language}");
            let system = amina.get(&format!("CodeSystem/$validate-code?url={FARM}&{query}")).await.expect(200);
            assert_eq!(result(&system), json!(wanted), "{query}: {system}");
            let set =
                amina.get(&format!("ValueSet/$validate-code?url={FARM_SET}&system={FARM}&{query}")).await.expect(200);
            assert_eq!(result(&set), json!(wanted), "{query}: {set}");
            assert!(set.text().contains("\"Dog\""), "{set}");
        }
        let looked = format!("CodeSystem/$lookup?system={FARM}&code=dog&property=display&displayLanguage={language}");
        let looked = amina.get(&looked).await.expect(200).json();
        assert!(list(&looked["parameter"]).contains(&json!({"name": "display", "valueString": "Dog"})), "{looked}");
        let expanded = format!("ValueSet/$expand?url={FARM_SET}&filter=dog&displayLanguage={language}");
        let expanded = amina.get(&expanded).await.expect(200).json();
        assert_eq!(expanded["expansion"]["contains"][0]["display"], "Dog", "{expanded}");
    }
}

async fn what_a_set_calls_a_code_and_its_version(concord: &Concord) {
    stored(concord).await;
    let (amina, system) = (concord.patient("amina"), concord.system());
    let hound = json!([{"code": "dog", "display": "Hound", "designation": [{"language": "fr", "value": "Chien"}]}]);
    system.store(&with(set("named", "1", json!([{"system": FARM, "concept": hound}])), "id", json!("named"))).await;
    for (display, wanted) in [("hound", true), ("dog", true), ("Chien", true), ("Hund", true), ("cat", false)] {
        for place in ["ValueSet/named/$validate-code?", "ValueSet/$validate-code?url=https://example.org/vs/named&"] {
            let asked = amina.get(&format!("{place}system={FARM}&code=dog&display={display}")).await.expect(200);
            assert_eq!(result(&asked), json!(wanted), "{place} {display}: {asked}");
        }
    }
    let asked = amina.get(&format!("ValueSet/named/$validate-code?system={FARM}&code=dog&displayLanguage=fr-CA")).await;
    assert!(asked.expect(200).text().contains("Chien"));
    // The version that a coding says counts, in a set that names one and in one that does not.
    for (set, version, code, wanted) in [
        ("pinned", "1", "old", true),
        ("pinned", "2", "dog", false),
        ("pinned", "1", "new", false),
        ("farm", "1", "old", true),
        ("farm", "1", "new", false),
        ("farm", "2", "new", true),
        ("named", "2", "dog", true),
    ] {
        let asked = [uri("url", &format!("https://example.org/vs/{set}")), named("coding", &coding(version, code))];
        let told = amina.post("ValueSet/$validate-code", &parameters(&asked)).await.expect(200);
        assert_eq!(result(&told), json!(wanted), "{set} {version} {code}: {told}");
    }
    // What a set lists is in it, though nobody here knows the code system in that version.
    let (elsewhere, version) = ("http://snomed.info/sct", "http://snomed.info/sct/999000041000000102");
    let listed = json!([{"code": "22298006", "display": "Myocardial infarction"}]);
    let contains = json!([{"system": elsewhere, "code": "22298006", "display": "Myocardial infarction"}]);
    for given in [
        json!({"compose": {"include": [{"system": elsewhere, "version": version, "concept": listed}]}}),
        json!({"compose": {"include": [{"system": elsewhere, "concept": listed}]}}),
        json!({"expansion": {"timestamp": "2024-01-01T00:00:00Z", "contains": contains}}),
    ] {
        let given = with(with(given, "resourceType", json!("ValueSet")), "status", json!("active"));
        for (display, wanted) in [("myocardial infarction", true), ("cat", false)] {
            let one = json!({"system": elsewhere, "version": version, "code": "22298006", "display": display});
            let asked = [json!({"name": "valueSet", "resource": given}), json!({"name": "coding", "valueCoding": one})];
            let told = amina.post("ValueSet/$validate-code", &parameters(&asked)).await.expect(200);
            assert_eq!(result(&told), json!(wanted), "{given} {display}: {told}");
        }
    }
    let asked = [uri("url", FARM_SET), named("coding", &coding("9", "dog"))];
    amina.post("ValueSet/$validate-code", &parameters(&asked)).await.expect(422);
    for (version, code, status) in [("1", "old", 200), ("1", "new", 422), ("2", "new", 200), ("9", "dog", 422)] {
        let one = coding(version, code);
        amina.post("CodeSystem/$lookup", &parameters(&[named("coding", &one)])).await.expect(status);
        let both = parameters(&[named("codingA", &one), named("codingB", &one)]);
        amina.post("CodeSystem/$subsumes", &both).await.expect(status);
    }
    let two = parameters(&[named("codingA", &coding("1", "dog")), named("codingB", &coding("2", "dog"))]);
    amina.post("CodeSystem/$subsumes", &two).await.expect(400);
    let looked = amina.get(&format!("CodeSystem/$lookup?system={FARM}&code=dog")).await.expect(200).json();
    // What nobody has said of a code is not made up.
    assert!(looked.to_string().contains(r#"{"system":"urn:uses","code":"pet"}"#), "{looked}");
    let mapped = amina.get(&format!("ConceptMap/farm/$translate?system={FARM}&version=2&code=dog")).await.expect(200);
    assert!(mapped.text().contains(r#""valueCoding":{"system":"urn:sounds","code":"woof"}"#), "{mapped}");
    let expanded =
        amina.get(&format!("ValueSet/$expand?url={FARM_SET}&includeDesignations=true")).await.expect(200).json();
    assert_eq!(
        expanded["expansion"]["contains"][1]["designation"][2]["use"],
        json!({"system": "urn:uses", "code": "pet"})
    );
}

/// Without a url, by what registered systems have stored and the caller may find.
async fn maps_that_nobody_names(concord: &Concord) {
    stored(concord).await;
    let (amina, system) = (concord.patient("amina"), concord.system());
    let finds =
        async |app: &App, place: &str| app.get(place).await.expect(200).text().contains("https://example.org/cm/");
    let (there, back) = (
        format!("ConceptMap/$translate?system={FARM}&code=dog"),
        "ConceptMap/$translate?system=urn:sounds&code=woof&reverse=true".to_owned(),
    );
    for place in [&there, &back] {
        assert!(finds(&amina, place).await, "{place}");
        // Who may not find the map is told as if there were none.
        let narrow = concord.patient_with("amina", "patient/Observation.cruds patient/ConceptMap.rs?_id=another");
        assert!(!finds(&narrow, place).await, "{place}");
    }
    // One that is retired, and one that nobody registered gave, do not count.
    system.store(&map("farm", json!({"status": "retired"}))).await;
    assert!(!finds(&amina, &there).await);
    let unregistered = concord.app(&concord_api::auth::development::TokenRequest {
        scope: "system/ConceptMap.cruds".to_owned(),
        client_id: "nobody-knows".to_owned(),
        ..Default::default()
    });
    let foreign = map("foreign", json!({}));
    unregistered.put(&format!("ConceptMap/{}", text(&foreign, "/id")), &foreign).await.expect(201);
    assert!(!finds(&amina, &there).await);
    for more in ["", "&targetsystem=urn:sounds"] {
        amina
            .get(&format!("ConceptMap/$translate?url=https://example.org/cm/none&system={FARM}&code=dog{more}"))
            .await
            .expect(422);
    }
}
