//! What codes are called besides, in which language and for which use (R4 "CodeSystem", designation).

use concord_fhir::json::Value;

use crate::name::split;

/// A name of a concept, in a language or for a use.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Designation {
    /// The language.
    pub language: Option<String>,
    /// What it is used for.
    pub usage: Option<Usage>,
    /// The name.
    pub value: String,
}

/// What a name is used for: a fully specified name, a synonym.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Usage {
    /// The url of the code system; empty where none is said.
    pub system: String,
    /// The code.
    pub code: String,
    /// What that is called.
    pub display: Option<String>,
}

impl Designation {
    fn read(value: &Value<'_>) -> Option<Designation> {
        let usage = value.get("use").map(|usage| {
            let text = |name: &str| usage.text(name).map(str::to_owned);
            let (system, code) = (text("system").unwrap_or_default(), text("code").unwrap_or_default());
            Usage { system, code, display: text("display") }
        });
        let language = value.text("language").map(str::to_owned);
        Some(Designation { language, usage, value: value.text("value")?.to_owned() })
    }

    /// Whether a token means it: a language, or the `system|code` of a use.
    #[must_use]
    pub fn is_meant(&self, token: &str) -> bool {
        let is_language = self.language.as_deref().is_some_and(|own| is_range(token, own));
        let is_use = self.usage.as_ref().is_some_and(|own| match split(token) {
            (system, Some(code)) => own.system == system && own.code == code,
            (code, None) => own.code == code,
        });
        is_language || is_use
    }
}

/// The designations that a value lists.
pub(crate) fn designations(of: &Value<'_>) -> Vec<Designation> {
    of.list("designation").iter().filter_map(Designation::read).collect()
}

/// Whether a text is formed like a language (RFC 5646).
#[must_use]
pub fn is_language(text: &str) -> bool {
    crate::grammar::is_language(text)
}

/// The names in a language: in that very one, else in what it is a kind of (`de-CH`, `de`; RFC 4647, section 3.4).
#[must_use]
pub fn in_language<'d>(designations: &'d [Designation], wanted: &str) -> Vec<&'d Designation> {
    let mut range = wanted;
    loop {
        let is_it = |one: &&Designation| one.language.as_deref().is_some_and(|own| own.eq_ignore_ascii_case(range));
        let found: Vec<&Designation> = designations.iter().filter(is_it).collect();
        let Some((shorter, _)) = range.rsplit_once('-').filter(|_| found.is_empty()) else { return found };
        // A single letter says only that something follows it.
        range = match shorter.rsplit_once('-') {
            Some((rest, single)) if single.len() == 1 => rest,
            _ => shorter,
        };
    }
}

/// What something is called in a language, where it is called anything in it.
#[must_use]
pub fn name_in<'d>(designations: &'d [Designation], wanted: &str) -> Option<&'d str> {
    let found = in_language(designations, wanted);
    // One for a use of its own stands back.
    let plain = found.iter().find(|one| one.usage.is_none()).or(found.first());
    plain.map(|one| one.value.as_str())
}

/// Whether a language is that of the range, or a kind of it.
fn is_range(range: &str, own: &str) -> bool {
    let rest = own.get(..range.len()).filter(|start| start.eq_ignore_ascii_case(range));
    rest.is_some() && matches!(own.as_bytes().get(range.len()), None | Some(b'-'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(all: &[(&str, &str)]) -> Vec<Designation> {
        let one = |(language, value): &(&str, &str)| Designation {
            language: Some((*language).to_owned()),
            usage: None,
            value: (*value).to_owned(),
        };
        all.iter().map(one).collect()
    }

    #[test]
    fn a_language_is_found_by_what_it_is_a_kind_of() {
        let names = named(&[("de", "Hund"), ("de-AT", "Hunderl"), ("cy", "ci"), ("zh-Hant", "g")]);
        for (wanted, found) in [
            ("de", Some("Hund")),
            ("DE", Some("Hund")),
            ("de-CH", Some("Hund")),
            ("de-CH-1996", Some("Hund")),
            ("de-AT", Some("Hunderl")),
            ("cy-GB", Some("ci")),
            ("zh-Hant-x-own", Some("g")),
            ("zh", None),
            ("d", None),
            ("fr", None),
        ] {
            assert_eq!(name_in(&names, wanted), found, "{wanted}");
        }
    }

    #[test]
    fn tokens_mean_languages_and_uses() {
        let usage = Usage { system: "urn:s".to_owned(), code: "fsn".to_owned(), display: None };
        let one = Designation { language: Some("de-AT".to_owned()), usage: Some(usage), value: "Hunderl".to_owned() };
        for (token, is_meant) in [
            ("de", true),
            ("de-AT", true),
            ("d", false),
            ("en", false),
            ("urn:s|fsn", true),
            ("urn:t|fsn", false),
            ("fsn", true),
        ] {
            assert_eq!(one.is_meant(token), is_meant, "{token}");
        }
    }
}
