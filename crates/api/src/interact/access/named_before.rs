//! What the version before has named. Whoever changes something is not asked again about what stays as it was: what it leads to may
//! have been deleted since, or be hidden, and nobody could end, label or take back any more what names it.

use std::cell::OnceCell;

use concord_fhir::index::{self, Names};
use concord_fhir::json::Value;
use concord_fhir::rules::is_same;
use concord_store::rows::Version;

use crate::error::ApiError;
use crate::interact::changed;

/// What a version names that is about to be replaced; nothing of what is new, and of a deletion. It is read when it is first asked.
pub(crate) struct NamedBefore<'a> {
    old: Option<&'a Version>,
    names: OnceCell<Names>,
}

impl<'a> NamedBefore<'a> {
    /// By the version that stands, if there is one.
    pub(crate) fn by(old: Option<&'a Version>) -> NamedBefore<'a> {
        NamedBefore { old: old.filter(|old| !old.deleted), names: OnceCell::new() }
    }

    /// Where nothing stands.
    pub(crate) fn nothing() -> NamedBefore<'static> {
        NamedBefore::by(None)
    }

    /// Whether the version before names the same in the same element: `value` is what is proposed, in which `address` stands at `place`.
    ///
    /// # Errors
    /// When the stored body cannot be read.
    pub(crate) fn has(&self, value: &Value<'_>, place: &str, address: &str, base: &str) -> Result<bool, ApiError> {
        Ok(self.names(base)?.is_some_and(|names| names.has(value, place, address, base)))
    }

    /// Whether the version before says the same in these elements.
    ///
    /// # Errors
    /// When the stored body cannot be read.
    pub(crate) fn says(&self, value: &Value<'_>, elements: &[&str]) -> Result<bool, ApiError> {
        let Some(old) = self.old else { return Ok(false) };
        let stood = old.resource()?;
        Ok(elements.iter().all(|element| is_same(stood.get(element), value.get(element))))
    }

    /// Whether it says the same but for these elements, however it is kept.
    ///
    /// # Errors
    /// When the stored body cannot be read.
    pub(crate) fn says_the_rest(&self, value: &Value<'_>, besides: &[&str]) -> Result<bool, ApiError> {
        let Some(old) = self.old else { return Ok(false) };
        Ok(changed::element(&old.resource()?, value, besides).is_none())
    }

    /// The links that it does not have, of those that a proposed resource has, each at its place.
    ///
    /// # Errors
    /// When the stored body cannot be read.
    pub(crate) fn news(
        &self,
        value: &Value<'_>,
        mut links: Vec<(String, String)>,
        base: &str,
    ) -> Result<Vec<(String, String)>, ApiError> {
        if let Some(names) = self.names(base)? {
            links.retain(|(place, address)| !names.has(value, place, address, base));
        }
        Ok(links)
    }

    /// Whether it has all that a proposed resource refers to.
    ///
    /// # Errors
    /// When the stored body cannot be read.
    pub(crate) fn names_all(&self, value: &Value<'_>, base: &str) -> Result<bool, ApiError> {
        Ok(self.old.is_some() && self.news(value, index::references(value), base)?.is_empty())
    }

    fn names(&self, base: &str) -> Result<Option<&Names>, ApiError> {
        let Some(old) = self.old else { return Ok(None) };
        if let Some(names) = self.names.get() {
            return Ok(Some(names));
        }
        let names = Names::of(&old.resource()?, base);
        Ok(Some(self.names.get_or_init(|| names)))
    }
}
