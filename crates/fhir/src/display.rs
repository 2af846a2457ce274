//! How an element reads to a person: plain text, by the parts that the data types of R4 have, whatever the element.

use crate::json::{Object, Value};

/// The most characters that one element is told in.
const LONGEST: usize = 2_000;

/// The names of the months.
const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

/// The element as text; empty if there is nothing that a person could read.
#[must_use]
pub fn text(value: &Value<'_>) -> String {
    let told = said(value);
    match told.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", told.get(..end).unwrap_or_default()),
        None => told,
    }
}

/// What a resource is called: by its name, its code or its kind.
#[must_use]
pub fn label(resource: &Value<'_>) -> String {
    let named = ["name", "code", "deviceName", "vaccineCode", "type", "title", "description"];
    let practitioner = || ["practitioner", "organization"].iter().filter_map(|name| resource.get(name)).map(said);
    named
        .iter()
        .filter_map(|name| resource.get(name))
        .map(|value| said(value.items().first().unwrap_or(&Value::Null)))
        .chain(practitioner())
        .find(|told| !told.is_empty())
        .unwrap_or_default()
}

fn said(value: &Value<'_>) -> String {
    match value {
        Value::Null => String::new(),
        Value::Bool(true) => "yes".to_owned(),
        Value::Bool(false) => "no".to_owned(),
        Value::Number(number) => number.clone().into_owned(),
        Value::String(text) => day(text).unwrap_or_else(|| text.clone().into_owned()),
        Value::Array(items) => joined(items.iter().map(said), "; "),
        Value::Object(object) => of_object(object),
    }
}

fn joined(parts: impl Iterator<Item = String>, between: &str) -> String {
    let parts: Vec<String> = parts.filter(|part| !part.is_empty()).collect();
    parts.join(between)
}

/// A date or time as people write it: `3 January 2026`, with the time of day if it has one.
fn day(text: &str) -> Option<String> {
    let (date, time) = text.split_once('T').map_or((text, None), |(date, time)| (date, Some(time)));
    let mut parts = date.split('-');
    let (year, month, day) = (parts.next()?, parts.next()?, parts.next());
    let is_number = |text: &str, length: usize| text.len() == length && text.bytes().all(|byte| byte.is_ascii_digit());
    if parts.next().is_some() || !is_number(year, 4) || !is_number(month, 2) || !day.is_none_or(|day| is_number(day, 2))
    {
        return None;
    }
    let month = MONTHS.get(month.parse::<usize>().ok()?.checked_sub(1)?)?;
    let date = match day {
        Some(day) => format!("{} {month} {year}", day.trim_start_matches('0')),
        None => format!("{month} {year}"),
    };
    Some(match time.and_then(|time| time.get(..5)) {
        Some(time) => format!("{date}, {time}"),
        None => date,
    })
}

/// By the members that a data type has: the first of these that fits.
fn of_object(object: &Object<'_>) -> String {
    let part = |name: &str| object.get(name).map(said).filter(|told| !told.is_empty());
    // CodeableConcept, HumanName, Address, Dosage, Annotation.
    if let Some(text) = part("text") {
        return text;
    }
    if let Some(coding) = object.get("coding") {
        let displayed = coding.items().iter().filter_map(|coding| coding.get("display")).map(said);
        return displayed.chain(coding.items().iter().map(said)).find(|told| !told.is_empty()).unwrap_or_default();
    }
    // Coding, Reference.
    if let Some(display) = part("display") {
        return display;
    }
    if part("family").is_some() || part("given").is_some() {
        let words = ["prefix", "given", "family", "suffix"].iter().filter_map(|name| object.get(name));
        return joined(words.flat_map(Value::items).map(said), " ");
    }
    // A component of an Observation, and other things with a code and what it says.
    let value =
        object.0.iter().find(|(name, _)| name.len() > 5 && name.starts_with("value")).map(|(_, value)| said(value));
    if let (Some(code), Some(value)) = (part("code"), value.clone()) {
        return format!("{code}: {value}");
    }
    if let Some(value) = value {
        return value;
    }
    if let Some(value) = part("value") {
        let unit = part("unit").or_else(|| part("code")).map(|unit| format!(" {unit}")).unwrap_or_default();
        return format!("{}{value}{unit}", part("comparator").map(|sign| format!("{sign} ")).unwrap_or_default());
    }
    let told = match (part("numerator"), part("denominator"), part("low"), part("high")) {
        (Some(numerator), Some(denominator), ..) => Some(format!("{numerator} in {denominator}")),
        (_, _, Some(low), Some(high)) => Some(format!("{low} to {high}")),
        (_, _, Some(low), None) => Some(format!("{low} or more")),
        (_, _, None, Some(high)) => Some(format!("up to {high}")),
        _ => None,
    };
    told.or_else(|| match (part("start"), part("end")) {
        (Some(start), Some(end)) => Some(format!("{start} to {end}")),
        (Some(start), None) => Some(format!("since {start}")),
        (None, Some(end)) => Some(format!("until {end}")),
        (None, None) => None,
    })
    .or_else(|| ["name", "title", "code", "contentString", "reference"].into_iter().find_map(part))
    .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::{self, Limits};

    #[test]
    fn elements_read_as_people_say_them() {
        for (element, wanted) in [
            (r#"{"coding":[{"system":"s","code":"c"},{"display":"Asthma"}]}"#, "Asthma"),
            (r#"{"coding":[{"system":"s","code":"c"}]}"#, "c"),
            (r#"{"coding":[{"system":"s","code":"c","display":"Asthma"}]}"#, "Asthma"),
            (r#"{"text":"My asthma","coding":[{"display":"Asthma"}]}"#, "My asthma"),
            (r#"{"value":1.50,"unit":"mmol/L","code":"mmol/L"}"#, "1.50 mmol/L"),
            (r#"{"value":5,"comparator":"<","code":"kg"}"#, "< 5 kg"),
            (r#"{"low":{"value":1},"high":{"value":2,"unit":"kg"}}"#, "1 to 2 kg"),
            (r#"{"start":"2020","end":"2021-03"}"#, "2020 to March 2021"),
            (r#"{"start":"2020-01-03"}"#, "since 3 January 2020"),
            (r#""2020-01-13T08:05:00Z""#, "13 January 2020, 08:05"),
            (r#""2020-01-13-1""#, "2020-01-13-1"),
            (r#""2020-13""#, "2020-13"),
            (r#"{"given":["A","B"],"family":"C","prefix":["Dr"]}"#, "Dr A B C"),
            (
                r#"[{"code":{"text":"Systolic"},"valueQuantity":{"value":120}},{"code":{"text":"Diastolic"},"valueQuantity":{"value":80}}]"#,
                "Systolic: 120; Diastolic: 80",
            ),
            (r#"{"reference":"Practitioner/1"}"#, "Practitioner/1"),
            (r#"{"reference":"Practitioner/1","display":"Dr X"}"#, "Dr X"),
            (r#"{"valueBoolean":true}"#, "yes"),
            ("{}", ""),
        ] {
            let value = json::parse(element.as_bytes(), &Limits::default()).expect("JSON");
            assert_eq!(text(&value), wanted, "{element}");
        }
        assert_eq!(text(&Value::string("é".repeat(3_000))).chars().count(), LONGEST + 1);
    }
}
