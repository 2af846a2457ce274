//! What the profiles of the International Patient Summary ask of the resources in one: an element that must be there and is
//! not is told to be unknown, which is what R4 has an extension for.

use concord_fhir::json::{Object, Value};

const DATA_ABSENT_REASON: &str = "http://hl7.org/fhir/StructureDefinition/data-absent-reason";

/// How that an element is unknown is written.
#[derive(Clone, Copy)]
enum Form {
    /// Beside a primitive.
    Primitive(&'static str),
    /// In the element itself.
    Concept(&'static str),
    /// In a list of names of which one has an unknown text.
    Names(&'static str),
}

/// The elements that must be there, by type: what each is called, without its type for a choice.
const REQUIRED: [(&str, &str, Form); 14] = [
    ("AllergyIntolerance", "code", Form::Concept("code")),
    ("Condition", "code", Form::Concept("code")),
    ("DeviceUseStatement", "timing", Form::Primitive("_timingDateTime")),
    ("DiagnosticReport", "effective", Form::Primitive("_effectiveDateTime")),
    ("Medication", "code", Form::Concept("code")),
    ("MedicationStatement", "effective", Form::Primitive("_effectiveDateTime")),
    ("Observation", "effective", Form::Primitive("_effectiveDateTime")),
    ("Organization", "name", Form::Primitive("_name")),
    ("Patient", "birthDate", Form::Primitive("_birthDate")),
    ("Patient", "name", Form::Names("name")),
    ("Practitioner", "name", Form::Names("name")),
    ("Procedure", "code", Form::Concept("code")),
    ("Procedure", "performed", Form::Primitive("_performedDateTime")),
    ("Immunization", "occurrence", Form::Primitive("_occurrenceDateTime")),
];

/// Says of each element that must be there and is not that it is unknown.
pub(super) fn fill(resource: &mut Value<'static>) {
    let named = resource.text("resourceType").unwrap_or_default().to_owned();
    let Some(object) = resource.as_object_mut() else { return };
    for (_, element, form) in REQUIRED.iter().filter(|(wanted, ..)| *wanted == named) {
        if !has(object, element) {
            match form {
                Form::Primitive(name) | Form::Concept(name) => object.set(*name, unknown()),
                Form::Names(name) => {
                    object.set(*name, Value::Array(vec![Value::object([("_text", unknown())])]));
                }
            }
        }
    }
}

/// Whether an element is there, whatever its type.
fn has(object: &Object<'_>, element: &str) -> bool {
    object.0.iter().any(|(name, _)| {
        let plain = name.strip_prefix('_').unwrap_or(name);
        let rest = plain.strip_prefix(element);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(|first: char| first.is_ascii_uppercase()))
    })
}

fn unknown() -> Value<'static> {
    let extension =
        Value::object([("url", Value::string(DATA_ABSENT_REASON)), ("valueCode", Value::string("unknown"))]);
    Value::object([("extension", Value::Array(vec![extension]))])
}

/// Names the patient by reference too, where a resource names them by one of their identifiers alone.
pub(super) fn name_subject(resource: &mut Value<'static>, patient: &str, identifiers: &[Value<'_>]) {
    let Some(object) = resource.as_object_mut() else { return };
    for name in ["subject", "patient"] {
        let Some(Value::Object(subject)) = object.get_mut(name) else { continue };
        let is_same = |own: &Value<'_>, other: &Value<'_>| {
            own.text("value").is_some() && ["system", "value"].iter().all(|part| own.text(part) == other.text(part))
        };
        let named = subject.get("identifier").is_some_and(|own| identifiers.iter().any(|other| is_same(own, other)));
        if named && subject.get("reference").is_none() {
            subject.set("reference", Value::string(format!("Patient/{patient}")));
        }
    }
}

#[cfg(test)]
mod tests {
    use concord_fhir::json::{self, Limits};

    use super::*;

    fn parsed(text: &str) -> Value<'static> {
        json::parse(text.as_bytes(), &Limits::default()).expect("JSON").into_owned()
    }

    #[test]
    fn what_is_missing_is_told_to_be_unknown_and_what_is_there_stays() {
        for (named, element, _) in REQUIRED {
            let mut bare = parsed(&format!(r#"{{"resourceType":"{named}"}}"#));
            fill(&mut bare);
            let object = bare.as_object().expect("an object");
            assert!(has(object, element), "{named} {element}");
            let before = bare.clone();
            fill(&mut bare);
            assert_eq!(bare, before, "{named}");
        }
        let mut given = parsed(r#"{"resourceType":"Procedure","code":{"text":"x"},"performedString":"once"}"#);
        let before = given.clone();
        fill(&mut given);
        assert_eq!(given, before);
    }

    #[test]
    fn a_number_of_hers_names_her() {
        let own = [parsed(r#"{"system":"n","value":"1"}"#)];
        for (subject, wanted) in [
            (r#"{"identifier":{"system":"n","value":"1"}}"#, Some("Patient/p")),
            (r#"{"identifier":{"system":"n","value":"2"}}"#, None),
            (r#"{"identifier":{"value":"1"}}"#, None),
            (r#"{"identifier":{"system":"n"}}"#, None),
            (r#"{"reference":"Group/1","identifier":{"system":"n","value":"1"}}"#, Some("Group/1")),
        ] {
            let mut resource = parsed(&format!(r#"{{"resourceType":"Goal","subject":{subject}}}"#));
            name_subject(&mut resource, "p", &own);
            assert_eq!(resource.get("subject").and_then(|subject| subject.text("reference")), wanted, "{subject}");
        }
    }
}
