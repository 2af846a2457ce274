//! On which current version a request depends (RFC 9110, section 13.1; R4 "RESTful API", conditional read and managing
//! resource contention).

use concord_fhir::issue::{Issue, IssueCode};

use crate::error::ApiError;
use concord_store::rows::Version;

/// Which current versions a request lets be replaced (RFC 9110, section 13.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Precondition {
    /// `If-Match: *`: whichever it is, but there has to be one.
    Any,
    /// `If-Match` with tags: these.
    OneOf(Vec<i64>),
    /// `If-None-Match: *`: there must be none.
    Absent,
}

impl Precondition {
    /// Reads the values of `If-Match` and `If-None-Match`.
    ///
    /// # Errors
    /// Which of the two is wrong, and what it should be.
    pub(crate) fn read(
        if_match: Option<&str>,
        if_none_match: Option<&str>,
    ) -> Result<Option<Precondition>, (&'static str, &'static str)> {
        match (if_match, if_none_match.map(str::trim)) {
            (None, None) => Ok(None),
            (Some(text), None) => {
                Precondition::parse(text).map(Some).ok_or(("If-Match", "a version as in ETag, for instance W/\"3\""))
            }
            (None, Some("*")) => Ok(Some(Precondition::Absent)),
            (None, Some(_)) => Err(("If-None-Match", "with a write it can only be *")),
            (Some(_), Some(_)) => Err(("If-None-Match", "not together with If-Match")),
        }
    }

    /// Reads the value of `If-Match`: `*`, or entity tags, weak or strong, with commas between them. A tag that is none
    /// of ours is one that never matches; none for what is no list of tags.
    pub(crate) fn parse(text: &str) -> Option<Precondition> {
        if text.trim() == "*" {
            return Some(Precondition::Any);
        }
        let number = |tag: &str| {
            let tag = tag.trim();
            if !tag.is_empty() && tag.bytes().all(|byte| byte.is_ascii_digit()) {
                // Many write the bare version id.
                return Some(version_number(tag).unwrap_or(0));
            }
            let inside = tag.strip_prefix("W/").unwrap_or(tag).strip_prefix('"')?.strip_suffix('"')?;
            Some(version_number(inside).unwrap_or(0))
        };
        text.split(',').map(number).collect::<Option<Vec<i64>>>().map(Precondition::OneOf)
    }

    /// Whether there has to be a current version.
    pub(crate) fn needs_one(&self) -> bool {
        !matches!(self, Precondition::Absent)
    }

    /// Whether it says which version the client has seen: one, for of several nobody can tell which.
    pub(crate) fn names_the_version(&self) -> bool {
        matches!(self, Precondition::OneOf(versions) if versions.len() == 1)
    }

    /// The error of a request that has to say which version it is about (RFC 6585, section 3).
    pub(crate) fn needed() -> ApiError {
        ApiError::PreconditionRequired(Issue::plain(
            IssueCode::Required,
            "by this you agree to what others wrote, which may have changed since you read it: say which version you have seen, with its ETag \
             and no other as If-Match (in a Bundle request.ifMatch), or send the whole resource by an update",
        ))
    }

    /// Refuses a write that was made for another version (R4 "Managing Resource Contention").
    pub(crate) fn check(precondition: Option<&Precondition>, current: &Version) -> Result<(), ApiError> {
        match precondition {
            Some(Precondition::OneOf(wanted)) if !wanted.contains(&current.version) => Err(Precondition::stale()),
            // What is deleted has no current representation.
            Some(Precondition::Any) if current.deleted => Err(Precondition::stale()),
            Some(Precondition::Absent) if !current.deleted => Err(ApiError::PreconditionFailed(Issue::plain(
                IssueCode::Conflict,
                "there is a current version, and If-None-Match asks for none",
            ))),
            _ => Ok(()),
        }
    }

    /// The error of a request that was made for another version.
    pub(crate) fn stale() -> ApiError {
        ApiError::PreconditionFailed(Issue::plain(
            IssueCode::Conflict,
            "If-Match names another version than the current one; read the resource again and repeat",
        ))
    }
}

/// Which version a client has of what it reads; it gets the resource only if there is another (R4 "conditional read").
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Unless {
    /// `If-None-Match: *`: any.
    Any,
    /// `If-None-Match` with tags: these.
    OneOf(Vec<i64>),
    /// `If-Modified-Since`: what was current at that second, since 1970 UTC.
    NotModifiedSince(i64),
}

impl Unless {
    /// Reads the values of `If-None-Match` and `If-Modified-Since`, of which the first goes before the second. What cannot
    /// be understood is as if it were not there: the client gets what it has once more.
    pub(crate) fn read(if_none_match: Option<&str>, if_modified_since: Option<&str>) -> Option<Unless> {
        if let Some(tags) = if_none_match {
            return match Precondition::parse(tags) {
                Some(Precondition::Any) => Some(Unless::Any),
                Some(Precondition::OneOf(versions)) => Some(Unless::OneOf(versions)),
                _ => {
                    let known: Vec<i64> = tags.split(',').filter_map(version_of).collect();
                    (!known.is_empty()).then_some(Unless::OneOf(known))
                }
            };
        }
        let text = if_modified_since?;
        let since = chrono::DateTime::parse_from_rfc2822(text).or_else(|_| chrono::DateTime::parse_from_rfc3339(text));
        since.ok().map(|time| Unless::NotModifiedSince(time.timestamp()))
    }

    /// Whether this version is one that the client has.
    pub(crate) fn has(&self, version: &Version) -> bool {
        match self {
            Unless::Any => true,
            Unless::OneOf(versions) => versions.contains(&version.version),
            Unless::NotModifiedSince(second) => version.updated.div_euclid(1000) <= *second,
        }
    }
}

/// The number of a version by its id. An id is a text: what is only another way to write the number is the id of none.
pub(super) fn version_number(text: &str) -> Option<i64> {
    text.parse().ok().filter(|number: &i64| *number > 0 && number.to_string() == text)
}

/// The version id of an entity tag, weak or strong.
fn version_of(tag: &str) -> Option<i64> {
    let tag = tag.trim();
    version_number(tag.strip_prefix("W/").unwrap_or(tag).strip_prefix('"')?.strip_suffix('"')?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entity_tags_are_read() {
        let one_of = |versions: &[i64]| Some(Precondition::OneOf(versions.to_vec()));
        for (text, wanted) in [
            ("*", Some(Precondition::Any)),
            ("W/\"3\"", one_of(&[3])),
            ("\"3\"", one_of(&[3])),
            (" W/\"1\" ,\"2\"", one_of(&[1, 2])),
            ("\"another server's\"", one_of(&[0])),
            ("3", one_of(&[3])),
            ("W/\"03\"", one_of(&[0])),
            ("03", one_of(&[0])),
            ("W/3", None),
            ("\"3", None),
            ("", None),
            ("W/\"1\",", None),
        ] {
            assert_eq!(Precondition::parse(text), wanted, "{text}");
        }
    }

    #[test]
    fn one_version_and_no_other_is_the_one_that_was_seen() {
        for (text, names) in [("W/\"1\"", true), ("1", true), ("*", false), ("W/\"1\", W/\"2\"", false), ("1,1", false)]
        {
            let precondition = Precondition::parse(text).unwrap();
            assert_eq!(precondition.names_the_version(), names, "{text}");
        }
        assert!(!Precondition::Absent.names_the_version());
    }

    #[test]
    fn preconditions_are_read_or_refused() {
        assert_eq!(Precondition::read(None, None), Ok(None));
        assert_eq!(Precondition::read(Some("\"1\""), None), Ok(Some(Precondition::OneOf(vec![1]))));
        assert_eq!(Precondition::read(None, Some(" * ")), Ok(Some(Precondition::Absent)));
        for (if_match, if_none_match) in [(Some("x"), None), (None, Some("W/\"1\"")), (Some("*"), Some("*"))] {
            assert!(Precondition::read(if_match, if_none_match).is_err(), "{if_match:?} {if_none_match:?}");
        }
    }
}
