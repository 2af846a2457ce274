//! Labels that the codes of a resource suggest.
//!
//! **Not clinically reviewed**, and far from complete. Nothing in Concord applies these labels by itself: they are for an
//! app that shows a suggestion to a person, who decides. What is not in the table is not therefore harmless.

use concord_fhir::json::Value;

const SNOMED: &str = "http://snomed.info/sct";

/// Codes of SNOMED CT, and the sensitivity (v3 ActCode) that each suggests.
const TABLE: [(&str, &str); 10] = [
    ("13746004", "MH"),
    ("15628003", "STD"),
    ("35489007", "MH"),
    ("386639001", "SEX"),
    ("5602001", "OPIOIDUD"),
    ("58214004", "MH"),
    ("66590003", "ETHUD"),
    ("75544000", "OPIOIDUD"),
    ("76272004", "STD"),
    ("86406008", "HIV"),
];

/// The sensitivities that the codes anywhere in a resource suggest, in order, each once: bipolar disorder, gonorrhoea,
/// depressive disorder, termination of pregnancy, opioid abuse, schizophrenia, alcohol dependence, opioid dependence,
/// syphilis, HIV infection. Kinds of these are not looked up.
#[must_use]
pub fn suggested(resource: &Value<'_>) -> Vec<&'static str> {
    let mut found = Vec::new();
    visit(resource, &mut found);
    found.sort_unstable();
    found.dedup();
    found
}

fn visit(value: &Value<'_>, found: &mut Vec<&'static str>) {
    match value {
        Value::Object(object) => {
            if let (Some(SNOMED), Some(code)) = (value.text("system"), value.text("code"))
                && let Ok(place) = TABLE.binary_search_by_key(&code, |(own, _)| own)
                && let Some((_, label)) = TABLE.get(place)
            {
                found.push(label);
            }
            object.0.iter().for_each(|(_, inner)| visit(inner, found));
        }
        Value::Array(items) => items.iter().for_each(|item| visit(item, found)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use concord_fhir::json::{self, Limits};

    #[test]
    fn codes_suggest_labels_and_others_none() {
        assert!(TABLE.is_sorted());
        let labels = |text: &str| suggested(&json::parse(text.as_bytes(), &Limits::default()).unwrap());
        let coded = r#"{"resourceType":"Condition","code":{"coding":[{"system":"http://snomed.info/sct","code":"86406008"}]},
            "evidence":[{"code":[{"coding":[{"system":"http://snomed.info/sct","code":"35489007"},
            {"system":"http://snomed.info/sct","code":"58214004"}]}]}]}"#;
        assert_eq!(labels(coded), ["HIV", "MH"]);
        assert!(labels(r#"{"coding":[{"system":"http://snomed.info/sct","code":"44054006"}]}"#).is_empty());
        assert!(labels(r#"{"coding":[{"system":"urn:other","code":"86406008"}]}"#).is_empty());
    }
}
