//! How definitions are named: by a canonical url, with `|version` or not.

/// A url and the version that it names.
#[must_use]
pub fn split(name: &str) -> (&str, Option<&str>) {
    name.split_once('|').map_or((name, None), |(url, version)| (url, Some(version)))
}
