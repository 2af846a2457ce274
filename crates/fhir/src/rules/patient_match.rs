//! How surely two descriptions of a patient are of one person (R4 "Patient-match"): by the NHS number, and by name, date of birth
//! and gender. It compares what is written and guesses nothing: no spelling that sounds alike, no date that is turned round.

use crate::json::Value;
use crate::nhs_number;
use crate::value::fold;

/// How sure it is (R4 value set `match-grade`), the least first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Grade {
    /// Some of it agrees.
    Possible,
    /// Most of it does.
    Probable,
    /// The NHS number and the date of birth do, and nothing speaks against it.
    Certain,
}

impl Grade {
    /// Its code.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Grade::Certain => "certain",
            Grade::Probable => "probable",
            Grade::Possible => "possible",
        }
    }

    /// As a number from 0 to 1, in digits.
    #[must_use]
    pub fn score(self) -> &'static str {
        match self {
            Grade::Certain => "1",
            Grade::Probable => "0.8",
            Grade::Possible => "0.5",
        }
    }
}

/// How surely the one who is asked about is the one who is stored; none where they are not. `known` are the NHS numbers of all
/// records of the one who is stored: who is described with another one too may be somebody else, and is never certain.
#[must_use]
pub fn grade(asked: &Value<'_>, stored: &Value<'_>, known: &[String]) -> Option<Grade> {
    let (own, theirs) = (nhs_number::borne(asked), nhs_number::borne(stored));
    let born = agree(asked.text("birthDate"), stored.text("birthDate"));
    let family = names_agree(asked, stored, "family");
    if own.iter().any(|number| theirs.contains(number)) {
        let all_known = own.iter().all(|number| known.contains(number));
        return Some(match (born, family) {
            (Some(true), None | Some(true)) if !all_known => Grade::Probable,
            (Some(false), _) | (None, Some(false)) => Grade::Possible,
            (Some(true), None | Some(true)) => Grade::Certain,
            (Some(true), Some(false)) | (None, _) => Grade::Probable,
        });
    }
    let differ = !own.is_empty() && !theirs.is_empty();
    if differ || born != Some(true) || family != Some(true) {
        return None;
    }
    let given = names_agree(asked, stored, "given");
    let gender = agree(asked.text("gender"), stored.text("gender"));
    Some(if given == Some(true) && gender != Some(false) { Grade::Probable } else { Grade::Possible })
}

/// Whether both say the same; none where one says nothing.
fn agree(one: Option<&str>, other: Option<&str>) -> Option<bool> {
    Some(one? == other?)
}

/// Whether any part of any name of the one is that of the other, whatever its case, accents and punctuation.
fn names_agree(one: &Value<'_>, other: &Value<'_>, part: &str) -> Option<bool> {
    let parts = |patient: &Value<'_>| -> Vec<String> {
        let names = patient.list("name").iter().flat_map(|name| name.list(part));
        names.filter_map(Value::as_str).map(fold).filter(|text| !text.is_empty()).collect()
    };
    let (own, theirs) = (parts(one), parts(other));
    (!own.is_empty() && !theirs.is_empty()).then(|| own.iter().any(|text| theirs.contains(text)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_agrees_makes_it_surer() {
        let stored = json!({ "identifier": [{ "system": nhs_number::SYSTEM, "value": "9434765919" }],
            "name": [{ "family": "O'Neill", "given": ["Zoë", "Ann"] }], "birthDate": "1950-04-12", "gender": "female" });
        let number = |value: &str| json!([{ "system": nhs_number::SYSTEM, "value": value }]);
        let two = json!([{ "system": nhs_number::SYSTEM, "value": "9434765919" },
            { "system": nhs_number::SYSTEM, "value": "9449305552" }]);
        let name = json!([{ "family": "ONEILL", "given": ["zoe"] }]);
        for (asked, wanted) in [
            (json!({ "identifier": number("9434765919"), "birthDate": "1950-04-12" }), Some(Grade::Certain)),
            (json!({ "identifier": number("9434765919") }), Some(Grade::Probable)),
            (json!({ "identifier": two, "birthDate": "1950-04-12" }), Some(Grade::Probable)),
            (json!({ "identifier": number("9434765919"), "name": name }), Some(Grade::Probable)),
            (
                json!({ "identifier": number("9434765919"), "name": [{ "family": "X" }], "birthDate": "1950-04-12" }),
                Some(Grade::Probable),
            ),
            (json!({ "identifier": number("9434765919"), "name": [{ "family": "X" }] }), Some(Grade::Possible)),
            (json!({ "identifier": number("9434765919"), "birthDate": "1951-04-12" }), Some(Grade::Possible)),
            (json!({ "identifier": number("9449305552"), "name": name, "birthDate": "1950-04-12" }), None),
            (json!({ "name": name, "birthDate": "1950-04-12" }), Some(Grade::Probable)),
            (json!({ "name": name, "birthDate": "1950-04-12", "gender": "male" }), Some(Grade::Possible)),
            (json!({ "name": [{ "family": "oneill" }], "birthDate": "1950-04-12" }), Some(Grade::Possible)),
            (json!({ "name": [{ "given": ["zoe"] }], "birthDate": "1950-04-12" }), None),
            (json!({ "name": name }), None),
            (json!({}), None),
        ] {
            let values = [&asked, &stored].map(crate::index::from_json);
            let known = nhs_number::borne(&values[1]);
            assert_eq!(grade(&values[0], &values[1], &known), wanted, "{asked}");
        }
    }
}
