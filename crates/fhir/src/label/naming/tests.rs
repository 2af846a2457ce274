use super::*;
use crate::json::{self, Limits, parse};

const BASE: &str = "https://phr.example/fhir";

fn without(text: &str, gone: &str) -> String {
    let mut value = parse(text.as_bytes(), &Limits::default()).unwrap().into_owned();
    let is_gone = |of: ResourceType, id: &str| format!("{of}/{id}") == gone;
    let was_there = named(&value, BASE).iter().any(|(of, id)| is_gone(*of, id));
    let may_be_there = |text: &str| may_name(text, &|of| gone.starts_with(&format!("{of}/")));
    assert!(!was_there || (may_be_there(text) && may_be_there(&json::to_string(&value))), "{text}");
    assert_eq!(leave_out(&mut value, BASE, &is_gone), was_there, "{text}");
    assert!(!named(&value, BASE).iter().any(|(of, id)| is_gone(*of, id)), "{}", json::to_string(&value));
    json::to_string(&value)
}

#[test]
fn a_name_goes_with_what_cannot_be_without_it() {
    let div = r#""text":{"status":"generated","div":"<div xmlns='http://www.w3.org/1999/xhtml'>asthma</div>"}"#;
    for (before, after) in [
        (
            r#""reasonReference":[{"reference":"Condition/it","display":"asthma"},{"reference":"Condition/other"}]"#,
            r#","reasonReference":[{"reference":"Condition/other"}]"#,
        ),
        (r#""reasonReference":[{"reference":"https://phr.example/fhir/Condition/it/_history/2"}]"#, ""),
        (
            r#""diagnosis":[{"condition":{"reference":"Condition/it"},"rank":1}],"length":{"value":1}"#,
            r#","length":{"value":1}"#,
        ),
        (
            r#""diagnosis":[{"condition":{"reference":"Condition/it"}},{"condition":{"reference":"Condition/b"}}]"#,
            r#","diagnosis":[{"condition":{"reference":"Condition/b"}}]"#,
        ),
        (r#""extension":[{"url":"x","valueReference":{"reference":"Condition/it"}}]"#, ""),
        (
            r#""extension":[{"url":"x","extension":[{"url":"y","valueReference":{"reference":"Condition/it"}},{"url":"z","valueCode":"c"}]}]"#,
            r#","extension":[{"url":"x","extension":[{"url":"z","valueCode":"c"}]}]"#,
        ),
        (r#""extension":[{"url":"x","valueAttachment":{"url":"Condition/it#p","title":"asthma"}}]"#, ""),
        (r#""extension":[{"url":"x","valueUri":"Condition/it"}]"#, ""),
        (r#""_status":{"extension":[{"url":"x","valueReference":{"reference":"Condition/it"}}]}"#, ""),
        // What has something else to say stays.
        (
            r#""extension":[{"url":"x","valueCode":"c","_valueCode":{"extension":[{"url":"y","valueReference":{"reference":"Condition/it"}}]}}]"#,
            r#","extension":[{"url":"x","valueCode":"c"}]"#,
        ),
        (r#""extension":[{"id":"i","url":"x","valueReference":{"reference":"Condition/it"}}]"#, ""),
        (
            r#""extension":[{"id":"i","url":"x","extension":[{"url":"y","valueReference":{"reference":"Condition/it"}}]}]"#,
            "",
        ),
        (
            r#""serviceProvider":{"id":"i","extension":[{"url":"x","valueReference":{"reference":"Condition/it"}}]}"#,
            r#","serviceProvider":{"id":"i"}"#,
        ),
        (
            r#""statusHistory":[{"status":"planned","_status":{"extension":[{"url":"x","valueReference":{"reference":"Condition/it"}}]}}]"#,
            r#","statusHistory":[{"status":"planned"}]"#,
        ),
        (
            r#""subject":{"reference":"Condition/it"},"serviceProvider":{"reference":"Organization/o"}"#,
            r#","serviceProvider":{"reference":"Organization/o"}"#,
        ),
    ] {
        let text = format!(r#"{{"resourceType":"Encounter",{div},{before}}}"#);
        assert_eq!(without(&text, "Condition/it"), format!(r#"{{"resourceType":"Encounter"{after}}}"#), "{before}");
        assert_eq!(without(&text, "Condition/none"), text);
    }
    let linked = format!(
        r#"{{"resourceType":"Encounter","text":{{"status":"generated","div":"{}"}},"status":"finished"}}"#,
        r#"<div xmlns='http://www.w3.org/1999/xhtml'><a href='Condition/it'>it</a></div>"#
    );
    assert_eq!(without(&linked, "Condition/it"), r#"{"resourceType":"Encounter","status":"finished"}"#);
    let inner = r#"{"resourceType":"MedicationRequest","contained":[{"resourceType":"Procedure","id":"p","reasonReference":[{"reference":"Condition/it"}]}]}"#;
    assert_eq!(
        without(inner, "Condition/it"),
        r#"{"resourceType":"MedicationRequest","contained":[{"resourceType":"Procedure","id":"p"}]}"#
    );
}

/// An address that is taken out of a list takes what stands beside all of them with it, which would stand beside others.
#[test]
fn nothing_stands_beside_another_value_than_before() {
    let text = r#"{"resourceType":"CarePlan","instantiatesUri":["Condition/it","http://x.example/a"],"_instantiatesUri":[{"id":"a"},{"id":"b"}]}"#;
    assert_eq!(
        without(text, "Condition/it"),
        r#"{"resourceType":"CarePlan","instantiatesUri":["http://x.example/a"]}"#
    );
    assert_eq!(without(text, "Condition/other"), text);
}

#[test]
fn what_is_found_in_a_part_that_goes_with_a_name_is_of_names() {
    for name in [
        "DocumentReference.relation",
        "DocumentReference.relationship",
        "DocumentReference.contenttype",
        "Encounter.diagnosis",
        "Encounter.diagnosis:identifier",
        "Encounter.reason-reference",
        "Encounter.location-period",
    ] {
        assert_eq!(is_of_names(ParameterId::of(name)), Some(true), "{name}");
    }
    for name in ["Encounter.date", "Encounter.class", "Observation.code", "Observation.combo-code", "_tag", "_security"]
    {
        assert_eq!(is_of_names(ParameterId::of(name)), Some(false), "{name}");
    }
    assert_eq!(is_of_names(ParameterId::of("Encounter.mine")), None);
    let goes = |of: &str, path: &str| {
        let path = Path::parse(path).unwrap();
        ends_in_a_name(ResourceType::of(of), &mut path.steps.iter())
    };
    for (of, path) in [
        ("MedicationRequest", "reasonReference.display:string"),
        ("MedicationRequest", "reasonReference.identifier:Identifier"),
        ("Encounter", "diagnosis.use:CodeableConcept"),
        ("Encounter", "diagnosis.rank:integer"),
        ("Encounter", "extension.valueString:string"),
        ("Observation", "contained:Resource"),
        ("CarePlan", "instantiatesUri:uri"),
        // A part of it cannot be without a name.
        ("ImplementationGuide", "definition.parameter.code:code"),
    ] {
        assert!(goes(of, path), "{path}");
    }
    for (of, path) in [
        ("Encounter", "length:Duration"),
        ("Encounter", "statusHistory.status:code"),
        ("Observation", "component.code:CodeableConcept"),
    ] {
        assert!(!goes(of, path), "{path}");
    }
}

#[test]
fn whom_it_is_about_stays() {
    let text = r#"{"resourceType":"Observation","subject":{"reference":"Patient/it"},"performer":[{"reference":"RelatedPerson/it"}]}"#;
    for gone in ["Patient/it", "RelatedPerson/it"] {
        assert_eq!(without(text, gone), text);
    }
}

/// Every element of type Reference, Attachment or canonical in R4 names what it hands labels on from to nobody who may not
/// know of it, and every other name stays.
#[test]
fn every_element_that_may_name_a_resource_is_decided() {
    let (mut left_out, mut kept) = (0, 0);
    let elements = |shape: &'static Shape| shape.elements.iter().map(move |element: &Element| (shape, element));
    for (shape, element) in r4().shapes.iter().flat_map(elements) {
        for of_type in &element.types {
            let name = match element.is_choice {
                true => choice(&element.name, &of_type.name),
                false => element.name.to_string(),
            };
            if matches!(of_type.name.as_ref(), "Attachment" | "canonical") {
                let may_be = Says::of(&shape.name, &name) != Says::Nothing;
                assert_eq!(names(shape, element, of_type), may_be, "{}.{name}", shape.name);
            }
            for target in ["Condition", "Encounter", "Binary", "Media", "Patient", "Device"] {
                let address = Value::string(format!("{target}/it"));
                let (value, says) = match of_type.name.as_ref() {
                    "Reference" => (Value::object([("reference", address)]), Says::of(&shape.name, &element.name)),
                    "Attachment" => (Value::object([("url", address)]), Says::of(&shape.name, &name)),
                    "canonical" => (address, Says::of(&shape.name, &name)),
                    _ => continue,
                };
                let resource_type = ResourceType::of(target);
                let is_named = says.hands_on(resource_type) || says.hands_back_to(resource_type);
                for value in [value.clone(), Value::Array(vec![value])] {
                    let mut object = Object::default();
                    object.set(name.clone(), value);
                    let gone = |of: ResourceType, id: &str| of == resource_type && id == "it";
                    let mut walk = Walk { schema: r4(), base: BASE, gone: &gone, is_inside: false, count: 0 };
                    walk.object(shape, &mut object);
                    assert_eq!(walk.count == 1, is_named, "{}.{name} -> {target}", shape.name);
                    assert_eq!(object.get(&name).is_none(), is_named, "{}.{name} -> {target}", shape.name);
                }
                *(if is_named { &mut left_out } else { &mut kept }) += 1;
            }
        }
    }
    assert!(left_out > 4_000 && kept > 200, "{left_out} {kept}");
}

/// For every search parameter of references of R4 and every type that it may lead to: what it finds is found by that if it stays where the
/// other is left out, and not if it goes.
#[test]
fn what_stays_named_is_found_by() {
    use crate::registry::parameters;
    let (mut stay, mut go) = (0, 0);
    for resource_type in ResourceType::all() {
        for parameter in parameters(resource_type).filter(|one| one.kind == Kind::Reference) {
            let [path] = parameter.paths.as_slice() else { continue };
            let [step] = path.steps.as_slice() else { continue };
            for target in ResourceType::all().filter(|target| parameter.targets.contains(*target)) {
                let named = format!(r#"{{"reference":"{target}/t"}}"#);
                let of = r4().resource(resource_type).and_then(|shape| shape.member(&step.member)).unwrap();
                let value = if of.element.max == Some(1) { named } else { format!("[{named}]") };
                let text = format!(r#"{{"resourceType":"{resource_type}","{}":{value}}}"#, step.member);
                let mut value = parse(text.as_bytes(), &Limits::default()).unwrap().into_owned();
                let goes = leave_out(&mut value, BASE, &|of, id| of == target && id == "t");
                if goes {
                    assert!(may_be_left_out(parameter.id, target), "{text}");
                    go += 1;
                } else if !may_be_left_out(parameter.id, target) {
                    stay += 1;
                }
            }
        }
    }
    assert!(stay > 100 && go > 100, "{stay} {go}");
    let may = |name: &str, target: &str| may_be_left_out(ParameterId::of(name), ResourceType::parse(target).unwrap());
    for (name, target) in [
        ("Observation.patient", "Patient"),
        ("Observation.subject", "Patient"),
        ("AllergyIntolerance.patient", "Patient"),
    ] {
        assert!(!may(name, target), "{name}");
    }
    for (name, target) in [
        ("Observation.encounter", "Encounter"),
        ("Observation.derived-from", "Observation"),
        ("Observation.unknown", "Patient"),
    ] {
        assert!(may(name, target), "{name}");
    }
}

#[test]
fn whether_a_body_may_name_something_is_seen_by_its_text() {
    let of = |name: &'static str| move |of: ResourceType| of == ResourceType::of(name);
    for text in ["Condition/a", "/Condition/a", "x-Condition/a", "\u{e9}Condition/a", "Patient/p/Condition/a"] {
        assert!(may_name(text, &of("Condition")), "{text}");
        assert!(!may_name(text, &of("Encounter")), "{text}");
    }
    for text in ["", "/", "Condition", "Condition-/a", "xCondition/a", "condition/a", "Condition /a", "CodeSystem/a"] {
        assert!(!may_name(text, &of("Condition")), "{text}");
    }
    // What is escaped may be anything, but for what is no letter of a name.
    for text in ["&#67;ondition", r"Condition\/a", r"\u0043ondition", r"\\43 ondition", "\\"] {
        assert!(may_name(text, &of("Condition")), "{text}");
    }
    for text in [r#"\"Encounter/a\""#, r"a\nb", r"a\rb\tc"] {
        assert!(!may_name(text, &of("Condition")), "{text}");
    }
}
