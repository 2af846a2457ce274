//! Rules that R4 states in words only.

/// A rule without a key of R4's: it is called by the element whose definition states it.
pub(super) struct Own {
    pub(super) place: &'static str,
    pub(super) key: &'static str,
    pub(super) expression: &'static str,
    pub(super) text: &'static str,
}

pub(super) const ALL: &[Own] = &[
    Own {
        place: "Bundle.entry",
        key: "Bundle.entry.fullUrl",
        expression: "fullUrl.matches('^[A-Za-z][A-Za-z0-9+.-]*:')",
        text: "a 'fullUrl' is absolute",
    },
    Own {
        place: "Bundle.entry",
        key: "Bundle.entry.fullUrl",
        expression: "(fullUrl.startsWith('http:') or fullUrl.startsWith('https:')).not() or resource.id.empty() or fullUrl.endsWith('/' & resource.id)",
        text: "a 'fullUrl' that is an address ends with the id of its resource",
    },
];
