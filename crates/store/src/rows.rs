//! Versions of resources, as they are stored.

use std::ops::Deref;

use concord_fhir::json::{self, Value};
use concord_fhir::registry::ResourceType;
use concord_fhir::rules;

use crate::error::StoreError;

/// The line between a resource's own labels and those beside it.
pub const MARK: &str = "\u{1e}";

/// The same as a character, by which a text is split for less than by a text.
const MARK_LETTER: char = '\u{1e}';

/// How a version came to be (Bundle.entry.request.method).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// A create.
    Post,
    /// An update, or a create under an id that the client chose.
    Put,
    /// A delete.
    Delete,
    /// An update that brought a deleted resource back.
    Restore,
}

impl Method {
    pub(crate) fn number(self) -> i16 {
        match self {
            Method::Post => 0,
            Method::Put => 1,
            Method::Delete => 2,
            Method::Restore => 3,
        }
    }

    pub(crate) fn from_number(number: i16) -> Method {
        match number {
            0 => Method::Post,
            1 => Method::Put,
            3 => Method::Restore,
            _ => Method::Delete,
        }
    }

    /// The HTTP verb.
    pub fn verb(self) -> &'static str {
        match self {
            Method::Post => "POST",
            Method::Put | Method::Restore => "PUT",
            Method::Delete => "DELETE",
        }
    }
}

/// A version as stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Version {
    /// The key of its rows in the index: the resource's for the current version, its own for a superseded one.
    pub key: i64,
    /// Its type.
    pub resource_type: ResourceType,
    /// Its logical id.
    pub id: String,
    /// Its version id, counted from 1.
    pub version: i64,
    /// `meta.lastUpdated`, in milliseconds since 1970 UTC.
    pub updated: i64,
    /// How it came to be.
    pub method: Method,
    /// Whether it is a deletion.
    pub deleted: bool,
    /// The key of the patient in whose record it is, the first if there are several; 0 for none.
    pub patient: i64,
    /// In how many patients' records it is.
    pub patients: i16,
    /// Who wrote the resource first: a reference, or empty for a system that named nobody.
    pub author: String,
    /// The keys of its `_security` rows, separated by line feeds, and after a mark those of the labels beside it
    /// (`added_label`): with them most decisions need no further look.
    pub labels: String,
    /// The JSON, as it is sent; empty for a deletion.
    pub body: String,
}

impl Version {
    /// What its body says.
    ///
    /// # Errors
    /// When the stored body cannot be read, which is the store's fault; so is that of a deletion, which has none.
    pub fn resource(&self) -> Result<Value<'_>, StoreError> {
        parse_body(&self.body)
    }

    /// The same but for what it says, which may be large.
    #[must_use]
    pub fn without_body(&self) -> Version {
        let Version { key, resource_type, version, updated, method, deleted, patient, patients, .. } = *self;
        let (id, author, labels) = (self.id.clone(), self.author.clone(), self.labels.clone());
        let body = String::new();
        Version { key, resource_type, id, version, updated, method, deleted, patient, patients, author, labels, body }
    }

    /// Whether both say the same, however they are kept ([`rules::says_the_same`]): their labels, tags, profiles and times may differ. A
    /// deletion says nothing.
    ///
    /// # Errors
    /// As [`Version::resource`].
    pub fn says_the_same(&self, other: &Version) -> Result<bool, StoreError> {
        if self.deleted || other.deleted {
            return Ok(self.deleted == other.deleted);
        }
        Ok(rules::says_the_same(&self.resource()?, &other.resource()?))
    }
}

/// What a body says that was stored, or was made of one that was.
///
/// # Errors
/// When it cannot be read, which is the store's fault.
pub fn parse_body(body: &str) -> Result<Value<'_>, StoreError> {
    json::parse(body.as_bytes(), &json::Limits::default())
        .map_err(|_| StoreError::Internal("a stored body cannot be read".to_owned()))
}

/// A version that the store has read. What it says was stored, so what it names may be looked up
/// ([`StoredVersion::names`](crate::named)); nobody else makes one, out of what a caller has sent:
///
/// ```compile_fail
/// fn stored(sent: concord_store::rows::Version) -> concord_store::rows::StoredVersion {
///     concord_store::rows::StoredVersion(sent)
/// }
/// ```
///
/// and nobody changes one:
///
/// ```compile_fail
/// fn changed(stored: &mut concord_store::rows::StoredVersion, sent: String) {
///     stored.body = sent;
/// }
/// ```
#[derive(Clone, Debug)]
pub struct StoredVersion(Version);

impl StoredVersion {
    pub(crate) fn read(version: Version) -> StoredVersion {
        StoredVersion(version)
    }

    /// It without the word for where it is from.
    #[must_use]
    pub fn into_version(self) -> Version {
        self.0
    }
}

impl Deref for StoredVersion {
    type Target = Version;

    fn deref(&self) -> &Version {
        &self.0
    }
}

/// A current version with the versions of the facts that decide about it, read in one statement.
#[derive(Clone, Debug)]
pub struct Head {
    /// The version.
    pub version: StoredVersion,
    /// The access version of the patient's record, and that of what is about nobody.
    pub access: (i64, i64),
}

/// A row's labels: the resource's own, those beside it and those that it inherits, each once.
pub fn joined(own: &str, beside: &[String], inherited: &[String]) -> String {
    let mut lines: Vec<&str> = own.split('\n').filter(|line| !line.is_empty()).collect();
    let more: Vec<&str> = inherited
        .iter()
        .map(String::as_str)
        .filter(|key| !lines.contains(key) && !beside.iter().any(|one| one == key))
        .collect();
    if beside.is_empty() && more.is_empty() {
        return lines.join("\n");
    }
    lines.push(MARK);
    lines.extend(beside.iter().map(String::as_str));
    if !more.is_empty() {
        lines.push(MARK);
        lines.extend(more);
    }
    lines.join("\n")
}

impl Version {
    /// The keys of the labels in its body.
    pub fn own_labels(&self) -> &str {
        self.labels.split(MARK_LETTER).next().unwrap_or_default().trim_end_matches('\n')
    }

    /// The keys of the labels that somebody put beside it.
    pub fn added_labels(&self) -> impl Iterator<Item = &str> {
        self.part(1)
    }

    /// The keys of the labels that it has from what it is part of or speaks about.
    pub fn inherited_labels(&self) -> impl Iterator<Item = &str> {
        self.part(2)
    }

    fn part(&self, number: usize) -> impl Iterator<Item = &str> {
        self.labels.split(MARK_LETTER).nth(number).unwrap_or_default().split('\n').filter(|line| !line.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_beside_a_resource_stay_apart_from_its_own() {
        let keys = |keys: &[&str]| keys.iter().map(|key| (*key).to_owned()).collect::<Vec<String>>();
        for (own, beside, inherited, wanted) in [
            ("", &[][..], &[][..], ""),
            ("N\nR", &[], &["R"], "N\nR"),
            ("", &["MH"], &[], "\u{1e}\nMH"),
            ("N\nR", &["MH"], &["SEX", "MH"], "N\nR\n\u{1e}\nMH\n\u{1e}\nSEX"),
            ("", &[], &["SEX"], "\u{1e}\n\u{1e}\nSEX"),
        ] {
            let labels = joined(own, &keys(beside), &keys(inherited));
            assert_eq!(labels, wanted);
        }
    }
}
