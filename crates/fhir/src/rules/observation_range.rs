//! A remark when the number of a vital sign can hardly be right: a slip of the finger, or another unit than the one
//! named. The reading is kept as it is.

use crate::issue::{Issue, IssueCode, Severity};
use crate::json::Value;
use crate::ucum::{UCUM, Unit};

const LOINC: &str = "http://loinc.org";
const SNOMED: &str = "http://snomed.info/sct";

/// LOINC code, UCUM unit, and the lowest and highest number that is not remarked on. Wide on purpose: a living person
/// with a number outside is very rare, while a pound taken for a kilogram or a mg/dL for a mmol/L falls outside.
const RANGES: [(&str, &str, f64, f64); 40] = [
    ("8480-6", "mm[Hg]", 50.0, 280.0),
    ("8462-4", "mm[Hg]", 20.0, 180.0),
    ("8867-4", "/min", 20.0, 260.0),
    ("9279-1", "/min", 4.0, 80.0),
    ("8310-5", "Cel", 28.0, 44.0),
    ("29463-7", "kg", 0.3, 400.0),
    ("8302-2", "cm", 20.0, 260.0),
    ("39156-5", "kg/m2", 7.0, 110.0),
    ("2708-6", "%", 40.0, 100.0),
    ("59408-5", "%", 40.0, 100.0),
    ("15074-8", "mmol/L", 0.5, 50.0),
    ("14743-9", "mmol/L", 0.5, 50.0),
    ("14749-6", "mmol/L", 0.5, 50.0),
    ("14770-2", "mmol/L", 0.5, 50.0),
    ("14771-0", "mmol/L", 0.5, 50.0),
    ("1558-6", "mg/dL", 10.0, 900.0),
    ("32016-8", "mg/dL", 10.0, 900.0),
    ("41653-7", "mg/dL", 10.0, 900.0),
    ("9843-4", "cm", 15.0, 80.0),
    ("8280-0", "cm", 20.0, 300.0),
    ("2345-7", "mg/dL", 10.0, 900.0),
    ("2339-0", "mg/dL", 10.0, 900.0),
    ("59261-8", "mmol/mol", 10.0, 200.0),
    ("4548-4", "%", 3.0, 20.0),
    ("14647-2", "mmol/L", 1.0, 20.0),
    ("2093-3", "mg/dL", 39.0, 780.0),
    ("14646-4", "mmol/L", 0.1, 6.0),
    ("14927-8", "mmol/L", 0.1, 60.0),
    ("14682-9", "umol/L", 10.0, 3000.0),
    ("2160-0", "mg/dL", 0.1, 34.0),
    ("2823-3", "mmol/L", 1.0, 10.0),
    ("2951-2", "mmol/L", 90.0, 200.0),
    ("718-7", "g/L", 20.0, 260.0),
    ("6301-6", "{INR}", 0.5, 20.0),
    ("33452-4", "L/min", 30.0, 1000.0),
    ("19935-6", "L/min", 30.0, 1000.0),
    ("8478-0", "mm[Hg]", 25.0, 220.0),
    ("40443-4", "/min", 20.0, 260.0),
    ("41950-7", "/d", 0.0, 200_000.0),
    ("3141-9", "kg", 0.3, 400.0),
];

/// How many of the usual unit are one of the other unit that it is taken for, and the code for a number in that one: a number
/// that fits there has most likely that unit.
const TAKEN_FOR: [(&str, f64, &str, &str); 11] = [
    ("15074-8", 0.055_5, "mg/dL", "2339-0"),
    ("14743-9", 0.055_5, "mg/dL", "2339-0"),
    ("14749-6", 0.055_5, "mg/dL", "2345-7"),
    ("14771-0", 0.055_5, "mg/dL", "1558-6"),
    ("1558-6", 18.018, "mmol/L", "14771-0"),
    ("41653-7", 18.018, "mmol/L", "14743-9"),
    ("2345-7", 18.018, "mmol/L", "14749-6"),
    ("2339-0", 18.018, "mmol/L", "15074-8"),
    ("14647-2", 0.025_86, "mg/dL", "2093-3"),
    ("2093-3", 38.67, "mmol/L", "14647-2"),
    ("14682-9", 88.42, "mg/dL", "2160-0"),
];

/// Adds a warning for each number, of the observation itself or of a component, that lies outside its range.
pub(super) fn remark(resource: &Value<'_>, issues: &mut Vec<Issue>) {
    remark_on(resource, "Observation", issues);
    for (position, component) in resource.list("component").iter().enumerate() {
        remark_on(component, &format!("Observation.component[{position}]"), issues);
    }
}

fn remark_on(part: &Value<'_>, place: &str, issues: &mut Vec<Issue>) {
    let Some(quantity) = part.get("valueQuantity") else { return };
    let Some(number) = quantity.get("value").and_then(Value::as_number).and_then(|text| text.parse::<f64>().ok())
    else {
        return;
    };
    let codings = part.get("code").map_or(&[][..], |code| code.list("coding"));
    let named = |wanted: &str| {
        codings.iter().any(|coding| coding.text("system") == Some(LOINC) && coding.text("code") == Some(wanted))
    };
    let Some((code, unit, lowest, highest)) = RANGES.iter().find(|(code, ..)| named(code)) else { return };
    let mut warn = |text: String| {
        issues.push(Issue::remark_at(Severity::Warning, IssueCode::Value, format!("{place}.value"), text));
    };
    let own = match (quantity.text("system"), quantity.text("code")) {
        (Some(UCUM), Some(own)) => own,
        _ => {
            warn(format!("does not name its unit by system and code of UCUM, such as {unit}: nobody can check it"));
            return;
        }
    };
    match (Unit::read(own), Unit::read(unit)) {
        (Some(own), Some(usual)) if own.dimension() == usual.dimension() => {
            let (number, lowest_here, highest_here) =
                (own.in_base(number), usual.in_base(*lowest), usual.in_base(*highest));
            // A unit of the range itself is compared as it is written, to the last digit.
            let slack = (highest_here - lowest_here).abs() * 1e-9;
            if number < lowest_here - slack || number > highest_here + slack {
                warn(format!(
                    "is unusual for LOINC {code}, which lies between {lowest} and {highest} {unit}: check number and unit{}",
                    taken_for(code, number / usual.in_base(1.0), *lowest, *highest)
                ));
            }
        }
        _ => {
            warn(format!("has the unit {own}, which is none for LOINC {code}: {unit} is usual. Check number and unit"))
        }
    }
}

/// What a number says that would be usual in another unit.
fn taken_for(code: &str, number: f64, lowest: f64, highest: f64) -> String {
    let other =
        TAKEN_FOR.iter().find(|(own, factor, ..)| *own == code && (lowest..=highest).contains(&(number * factor)));
    other
        .map_or_else(String::new, |(_, _, unit, meant)| format!(". In {unit} it would be usual: that is LOINC {meant}"))
}

/// A vital sign with a LOINC code alone is kept; UK Core wants a SNOMED CT code beside it.
pub(super) fn remark_on_codes(resource: &Value<'_>, issues: &mut Vec<Issue>) {
    let categories = resource.list("category").iter().flat_map(|category| category.list("coding"));
    let vital = categories.filter_map(|coding| coding.text("code")).any(|code| code == "vital-signs");
    let codings = resource.get("code").map_or(&[][..], |code| code.list("coding"));
    let has = |system: &str| codings.iter().any(|coding| coding.text("system") == Some(system));
    if vital && has(LOINC) && !has(SNOMED) {
        let text = "has a LOINC code and no SNOMED CT code, so it is a plain UK Core Observation and not one of its vital signs";
        issues.push(Issue::remark_at(Severity::Warning, IssueCode::CodeInvalid, "Observation.code", text));
    }
}

#[cfg(test)]
mod tests {
    use super::super::prepare::tests::{patient, places};

    fn weight(value: &str, unit: &str) -> String {
        format!(
            r#"{{"resourceType":"Observation","status":"final","subject":{{"reference":"Patient/p1"}},
            "effectiveDateTime":"2026-02-01","code":{{"coding":[{{"system":"http://loinc.org","code":"29463-7"}}]}},
            "valueQuantity":{{"value":{value},"system":"http://unitsofmeasure.org","code":"{unit}"}}}}"#
        )
    }

    /// mg/dL taken for mmol/L, and the other way round.
    #[test]
    fn one_unit_taken_for_the_other_is_said() {
        use crate::json::{Limits, parse};
        let text = |code: &str, value: &str, unit: &str| {
            let reading = weight(value, unit).replace("29463-7", code);
            let mut issues = Vec::new();
            super::remark(&parse(reading.as_bytes(), &Limits::default()).unwrap(), &mut issues);
            issues.pop().map(|issue| issue.text).unwrap_or_default()
        };
        assert!(text("15074-8", "115", "mmol/L").ends_with("In mg/dL it would be usual: that is LOINC 2339-0"));
        assert!(text("2339-0", "6.2", "mg/dL").ends_with("In mmol/L it would be usual: that is LOINC 15074-8"));
        assert!(text("14749-6", "115", "mmol/L").ends_with("In mg/dL it would be usual: that is LOINC 2345-7"));
        assert!(text("41653-7", "6.2", "mg/dL").ends_with("In mmol/L it would be usual: that is LOINC 14743-9"));
        assert!(text("14647-2", "210", "mmol/L").ends_with("that is LOINC 2093-3"));
        assert!(text("15074-8", "5000", "mmol/L").ends_with("check number and unit"), "usual in neither");
        assert!(text("2339-0", "6.2", "mmol/L").contains("has the unit mmol/L"));
        assert_eq!(text("15074-8", "6.2", "mmol/L"), "");
        for (code, unit, lowest, highest) in super::RANGES {
            for usual in [lowest, highest] {
                assert_eq!(text(code, &usual.to_string(), unit), "", "{code}: the ends are in the range");
            }
        }
    }

    #[test]
    fn a_slip_is_remarked_on_and_accepted() {
        assert_eq!(places(&weight("72.5", "kg"), &patient()), Ok(vec![]));
        assert_eq!(places(&weight("725", "kg"), &patient()), Ok(vec!["Observation.value".to_owned()]));
        assert_eq!(places(&weight("725", "[lb_av]"), &patient()), Ok(vec![]));
        for (value, unit) in [("1250", "[lb_av]"), ("72", "cm"), ("72", "kilo")] {
            assert_eq!(places(&weight(value, unit), &patient()), Ok(vec!["Observation.value".to_owned()]), "{unit}");
        }
        let unnamed = weight("72.5", "kg").replace("http://unitsofmeasure.org", "urn:own");
        assert_eq!(places(&unnamed, &patient()), Ok(vec!["Observation.value".to_owned()]));
        assert_eq!(places(&weight("400", "kg"), &patient()), Ok(vec![]), "the ends are in the range");
        let pressure = r#"{"resourceType":"Observation","status":"final","subject":{"reference":"Patient/p1"},
            "effectiveDateTime":"2026-02-01","component":[
            {"code":{"coding":[{"system":"http://loinc.org","code":"8480-6"}]},"valueQuantity":{"value":128,"system":"http://unitsofmeasure.org","code":"mm[Hg]"}},
            {"code":{"coding":[{"system":"http://loinc.org","code":"8462-4"}]},"valueQuantity":{"value":820,"system":"http://unitsofmeasure.org","code":"mm[Hg]"}}]}"#;
        assert_eq!(places(pressure, &patient()), Ok(vec!["Observation.component[1].value".to_owned()]));
    }
}
