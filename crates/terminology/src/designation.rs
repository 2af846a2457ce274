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

/// A name that is shown, and the language in which it is, if that is said.
pub type Shown<'d> = (Option<&'d str>, Option<&'d str>);

/// A language, and what it is a kind of, the closest first (`de-CH`, `de`; RFC 4647, section 3.4).
fn ranges(wanted: &str) -> impl Iterator<Item = &str> {
    std::iter::successors(Some(wanted), |range| {
        let (shorter, _) = range.rsplit_once('-')?;
        // A single letter says only that something follows it.
        Some(match shorter.rsplit_once('-') {
            Some((rest, single)) if single.len() == 1 => rest,
            _ => shorter,
        })
    })
}

/// The names in a language: in that very one, else in what it is a kind of.
#[must_use]
pub fn in_language<'d>(designations: &'d [Designation], wanted: &str) -> Vec<&'d Designation> {
    let of = |range: &str| -> Vec<&'d Designation> {
        let is_it = |one: &&Designation| one.language.as_deref().is_some_and(|own| own.eq_ignore_ascii_case(range));
        designations.iter().filter(is_it).collect()
    };
    ranges(wanted).map(of).find(|found| !found.is_empty()).unwrap_or_default()
}

/// Whether what is in a language answers those who want another: it is the same, a kind of it, or what it is a kind of.
#[must_use]
pub fn fits(own: &str, wanted: &str) -> bool {
    is_range(wanted, own) || is_range(own, wanted)
}

/// What something is called in a language, where it is called anything in it: what is shown, where that is in it; then what
/// it is called besides, where names for a use of their own (synonyms) stand back.
#[must_use]
pub fn name_in<'d>(shown: &[Shown<'d>], designations: &'d [Designation], wanted: &str) -> Option<&'d str> {
    let shown = shown.iter().filter_map(|(name, language)| Some(((*language)?, (*name)?)));
    let plain = designations.iter().filter(|one| one.usage.is_none());
    let plain = plain.filter_map(|one| Some((one.language.as_deref()?, one.value.as_str())));
    let all: Vec<(&str, &str)> = shown.clone().chain(plain).collect();
    let of = |range: &str| all.iter().find(|(own, _)| own.eq_ignore_ascii_case(range)).map(|(_, name)| *name);
    let kind_of = || shown.clone().find(|(own, _)| is_range(wanted, own)).map(|(_, name)| name);
    let besides = || in_language(designations, wanted).first().map(|one| one.value.as_str());
    ranges(wanted).find_map(of).or_else(kind_of).or_else(besides)
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
            assert_eq!(name_in(&[], &names, wanted), found, "{wanted}");
        }
    }

    #[test]
    fn what_is_shown_is_the_name_in_its_language() {
        let usage = Some(Usage { code: "synonym".to_owned(), ..Usage::default() });
        let mut besides = named(&[("de", "Herz")]);
        let synonym = |language: &str, value: &str| Designation {
            language: Some(language.to_owned()),
            usage: usage.clone(),
            value: value.to_owned(),
        };
        besides.extend([synonym("en", "Cardiac organ"), synonym("fr", "Coeur")]);
        for (language, wanted, found) in [
            (Some("en"), "en", Some("Heart")),
            (Some("en"), "EN-gb", Some("Heart")),
            (Some("en-GB"), "en", Some("Heart")),
            (Some("en"), "de-AT", Some("Herz")),
            (Some("en"), "fr", Some("Coeur")),
            (Some("en"), "cy", None),
            (None, "en", Some("Cardiac organ")),
        ] {
            assert_eq!(name_in(&[(Some("Heart"), language)], &besides, wanted), found, "{language:?} {wanted}");
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
