//! Which versions of code systems are meant where a value set does not say, or whatever it says (R4 "ValueSet-expand":
//! `system-version`, `check-system-version`, `force-system-version`), and of which version a code is that is asked about.

use std::collections::BTreeMap;

use concord_fhir::issue::IssueCode;

use crate::code_system::Unusable;
use crate::name::split;

/// How strictly a version is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Meant {
    /// Where the value set names none.
    Usually,
    /// Where the value set names none, and it may name no other.
    Checked,
    /// Whatever the value set names.
    Forced,
}

/// Versions of code systems, by their urls.
#[derive(Clone, Debug, Default)]
pub struct Versions {
    meant: BTreeMap<String, (Meant, String)>,
    /// The code system and version of the code that is asked about.
    of_code: Option<(String, String)>,
}

impl Versions {
    /// Means a version, `system|version`; whether it was one, and none was meant already.
    pub fn mean(&mut self, how: Meant, canonical: &str) -> bool {
        match split(canonical) {
            (system, Some(version)) if !system.is_empty() && !version.is_empty() => {
                self.meant.insert(system.to_owned(), (how, version.to_owned())).is_none()
            }
            _ => false,
        }
    }

    /// The code that is asked about is of that version.
    pub fn set_of_code(&mut self, system: &str, version: Option<&str>) {
        self.of_code = version.map(|version| (system.to_owned(), version.to_owned()));
    }

    /// Whether no version is meant but those that value sets name.
    pub(crate) fn is_empty(&self) -> bool {
        self.meant.is_empty() && self.of_code.is_none()
    }

    /// Whether a version of any code system is meant, whatever code is asked about.
    pub(crate) fn means_any(&self) -> bool {
        !self.meant.is_empty()
    }

    /// The version of the code that is asked about, if it is of that system.
    pub(crate) fn of_code(&self, system: &str) -> Option<&str> {
        self.of_code.as_ref().filter(|(own, _)| own == system).map(|(_, version)| version.as_str())
    }

    /// The version of a code system where a value set names `own`, or none.
    ///
    /// # Errors
    /// When it names another than it may.
    pub(crate) fn of(&self, system: &str, own: Option<&str>) -> Result<Option<String>, Unusable> {
        match (self.meant.get(system), own) {
            (Some((Meant::Forced, meant)), _) | (Some((_, meant)), None) => Ok(Some(meant.clone())),
            (Some((Meant::Checked, meant)), Some(own)) if own != meant => {
                let text = format!("the value set takes {system} in version {own}, and {meant} is asked for");
                Err((IssueCode::Value, text))
            }
            (_, Some(own)) => Ok(Some(own.to_owned())),
            (None, None) => Ok(self.of_code(system).map(str::to_owned)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_meant_in_three_ways() {
        let versions = |how, canonical: &str| {
            let mut versions = Versions::default();
            assert!(versions.mean(how, canonical), "{canonical}");
            versions
        };
        for (how, own, found) in [
            (Meant::Usually, None, Ok(Some("2"))),
            (Meant::Usually, Some("1"), Ok(Some("1"))),
            (Meant::Checked, None, Ok(Some("2"))),
            (Meant::Checked, Some("2"), Ok(Some("2"))),
            (Meant::Checked, Some("1"), Err(IssueCode::Value)),
            (Meant::Forced, None, Ok(Some("2"))),
            (Meant::Forced, Some("1"), Ok(Some("2"))),
        ] {
            let told = versions(how, "urn:s|2").of("urn:s", own).map_err(|(code, _)| code);
            assert_eq!(told, found.map(|found| found.map(str::to_owned)), "{how:?} {own:?}");
            assert_eq!(versions(how, "urn:other|2").of("urn:s", own), Ok(own.map(str::to_owned)));
        }
        let mut twice = versions(Meant::Usually, "urn:s|2");
        for wrong in ["urn:s|3", "urn:s", "|2", "urn:s|"] {
            assert!(!twice.mean(Meant::Forced, wrong), "{wrong}");
        }
    }

    #[test]
    fn a_code_is_of_its_version_where_nothing_else_is_meant() {
        let mut versions = Versions::default();
        versions.set_of_code("urn:s", Some("3"));
        assert_eq!(versions.of("urn:s", None), Ok(Some("3".to_owned())));
        assert_eq!(versions.of("urn:s", Some("1")), Ok(Some("1".to_owned())));
        assert_eq!(versions.of("urn:t", None), Ok(None));
        versions.set_of_code("urn:s", None);
        assert!(versions.is_empty());
    }
}
