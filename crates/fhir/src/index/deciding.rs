//! Rows that nobody searches by and that Consents are decided by: the codes that a resource says and the resources that it names where no
//! search parameter looks, in what it contains, in extensions and in elements without one. What a search parameter has a row of
//! has none here.

use std::sync::LazyLock;

use crate::entry::{Entry, OTHER_CODE, OTHER_NAME, ParameterId, SEPARATOR};
use crate::label::{CODED, Said};
use crate::registry::{Kind, PatientCompartment, ResourceType, parameter_by_id, patient_compartment};
use crate::value::pair;

/// The parameters that hold the main codes of each type, by its number; nothing of a type that has none.
static MAIN: LazyLock<Vec<Option<Vec<ParameterId>>>> = LazyLock::new(|| {
    let of = |resource_type: ResourceType| {
        let (name, codes) = CODED.iter().find(|(name, _)| *name == resource_type.name())?;
        Some(codes.iter().map(|code| ParameterId::of(&format!("{name}.{code}"))).collect())
    };
    ResourceType::all().map(of).collect()
});

/// Adds the rows of what a resource says.
pub(super) fn rows(resource_type: ResourceType, said: &Said<'_>, rows: &mut Vec<Entry>) {
    let row = |parameter, key| Entry { parameter, key, low: None, high: None };
    let main = usize::try_from(resource_type.number()).ok().and_then(|number| MAIN.get(number)?.as_ref());
    if let Some(main) = main {
        let (searched, mut other) = (rows.len(), Vec::new());
        for (code, system) in &said.codes {
            let is_it = |row: &Entry| main.contains(&row.parameter) && are_halves(&row.key, code, SEPARATOR, system);
            if !rows.iter().take(searched).any(is_it) {
                other.push(row(OTHER_CODE, pair(code, system)));
            }
        }
        rows.append(&mut other);
    }
    if matches!(patient_compartment(resource_type), PatientCompartment::Record { .. }) {
        let searched = rows.len();
        for (named, id) in &said.names {
            let may_name = |row: &Entry| {
                parameter_by_id(row.parameter)
                    .is_some_and(|found| found.kind == Kind::Reference && found.targets.contains(*named))
            };
            let is_it = |row: &Entry| are_halves(&row.key, named.name(), '/', id) && may_name(row);
            if !rows.iter().take(searched).any(is_it) {
                rows.push(row(OTHER_NAME, format!("{named}/{id}")));
            }
        }
    }
}

/// Whether a key is made of these two.
fn are_halves(key: &str, first: &str, between: char, second: &str) -> bool {
    key.strip_prefix(first).and_then(|rest| rest.strip_prefix(between)) == Some(second)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::index::extract;
    use crate::json::{Limits, parse};

    fn found(text: &str) -> Vec<String> {
        let value = parse(text.as_bytes(), &Limits::default()).unwrap();
        let resource_type = value.text("resourceType").and_then(ResourceType::parse).unwrap();
        let rows = extract(resource_type, "own", 0, &value).rows;
        let of = [OTHER_CODE, OTHER_NAME];
        rows.into_iter().filter(|row| of.contains(&row.parameter)).map(|row| row.key.replace(SEPARATOR, "|")).collect()
    }

    const CODE: &str = r#"{"coding":[{"system":"s","code":"1"}]}"#;

    #[test]
    fn a_code_that_no_main_parameter_has_is_a_row_wherever_it_stands() {
        for members in [
            format!(r#""contained":[{{"resourceType":"Medication","id":"m","code":{CODE}}}]"#),
            format!(
                r#""contained":[{{"resourceType":"Bundle","entry":[{{"resource":{{"resourceType":"Condition","code":{CODE}}}}}]}}]"#
            ),
            format!(r#""reasonCode":[{CODE}]"#),
            format!(r#""dosageInstruction":[{{"asNeededCodeableConcept":{CODE}}}]"#),
            format!(r#""extension":[{{"url":"x","valueCodeableConcept":{CODE}}}]"#),
            r#""_status":{"extension":[{"url":"x","valueCoding":{"system":"s","code":"1"}}]}"#.to_owned(),
        ] {
            let text = format!(r#"{{"resourceType":"MedicationRequest",{members}}}"#);
            assert_eq!(found(&text), ["1|s"], "{text}");
        }
        let main = format!(r#"{{"resourceType":"MedicationRequest","medicationCodeableConcept":{CODE}}}"#);
        assert!(found(&main).is_empty(), "its parameter has it");
        let harmless = format!(r#"{{"resourceType":"Condition","clinicalStatus":{CODE}}}"#);
        assert!(found(&harmless).is_empty());
        let untold = format!(r#"{{"resourceType":"Flag","code":{CODE}}}"#);
        assert!(found(&untold).is_empty(), "what cannot be told of all of a type is asked of none");
    }

    #[test]
    fn a_name_that_no_search_parameter_has_is_a_row_wherever_it_stands() {
        let named = r#"{"reference":"Condition/c"}"#;
        for (resource_type, members) in [
            ("MedicationRequest", format!(r#""reasonReference":[{named}]"#)),
            ("Goal", format!(r#""addresses":[{named}]"#)),
            ("QuestionnaireResponse", format!(r#""item":[{{"linkId":"1","answer":[{{"valueReference":{named}}}]}}]"#)),
            ("Observation", format!(r#""extension":[{{"url":"x","valueReference":{named}}}]"#)),
            (
                "Observation",
                r#""contained":[{"resourceType":"Procedure","id":"p","reasonReference":[{"reference":"Condition/c/_history/2"}]}]"#.to_owned(),
            ),
        ] {
            let text = format!(r#"{{"resourceType":"{resource_type}",{members}}}"#);
            assert_eq!(found(&text), ["Condition/c"], "{text}");
        }
        let searched = format!(r#"{{"resourceType":"Observation","focus":[{named}]}}"#);
        assert!(found(&searched).is_empty());
        let shared =
            format!(r#"{{"resourceType":"Organization","extension":[{{"url":"x","valueReference":{named}}}]}}"#);
        assert!(found(&shared).is_empty());
    }

    /// Every element of type Reference in R4 has a row of what it names, of a search parameter or here.
    #[test]
    fn every_reference_of_a_record_leads_back() {
        use crate::json::{Object, Value};
        use crate::rules::is_a_partys;
        use crate::schema::{Shape, TypeKind, choice, r4};

        fn each(shape: &'static Shape, path: &mut Vec<(String, bool)>, found: &mut Vec<Vec<(String, bool)>>) {
            for element in &shape.elements {
                for of_type in &element.types {
                    let name = match element.is_choice {
                        true => choice(&element.name, &of_type.name),
                        false => element.name.to_string(),
                    };
                    path.push((name, element.is_list));
                    if of_type.name == "Reference" {
                        found.push(path.clone());
                    } else if let (TypeKind::Shape(id), true) = (of_type.kind, path.len() < 4) {
                        each(r4().shape(id).unwrap(), path, found);
                    }
                    path.pop();
                }
            }
        }

        let mut count = 0;
        for resource_type in ResourceType::all() {
            if !matches!(patient_compartment(resource_type), PatientCompartment::Record { .. }) {
                continue;
            }
            let mut paths = Vec::new();
            each(r4().resource(resource_type).unwrap(), &mut Vec::new(), &mut paths);
            for path in paths {
                let mut value = Value::object([("reference", Value::string("Condition/c"))]);
                for (name, is_list) in path.iter().rev() {
                    let mut object = Object::default();
                    object.set(name.clone(), if *is_list { Value::Array(vec![value]) } else { value });
                    value = Value::Object(object);
                }
                value.as_object_mut().unwrap().set("resourceType", Value::string(resource_type.name()));
                let first = path.first().map_or("", |(name, _)| name.as_str());
                let item = value.get(first).and_then(|member| member.items().first()).unwrap();
                if is_a_partys(&value, first, item) {
                    // Nobody hides what another wrote by naming something in it.
                    continue;
                }
                let rows = extract(resource_type, "own", 0, &value).rows;
                let leads_back = |row: &Entry| {
                    let by = parameter_by_id(row.parameter);
                    let condition = ResourceType::of("Condition");
                    row.key == "Condition/c"
                        && (row.parameter == OTHER_NAME
                            || by.is_some_and(|by| by.kind == Kind::Reference && by.targets.contains(condition)))
                };
                assert!(rows.iter().any(leads_back), "{resource_type} {path:?}");
                count += 1;
            }
        }
        assert!(count > 1_000, "{count}");
    }
}
