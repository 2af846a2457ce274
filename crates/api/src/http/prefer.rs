//! `Prefer` (RFC 7240; R4 "RESTful API", create/update and search): what a client would rather have, and gets where that can be.

use actix_web::http::header::HeaderMap;
use concord_fhir::issue::OUTCOME;
use concord_fhir::search::Handling;

use super::headers::PREFER;

/// What the headers of a request prefer.
#[derive(Clone, Copy)]
pub(super) struct Prefer<'h>(pub(super) &'h HeaderMap);

/// What `Prefer: return` asks for (R4 "RESTful API", create/update).
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Return {
    /// Nothing.
    Minimal,
    /// The resource.
    Representation,
    /// What is to be said of it.
    Outcome,
}

impl Prefer<'_> {
    fn has(self, name: &str, value: &str) -> bool {
        let mut headers = self.0.get_all(&PREFER).filter_map(|header| header.to_str().ok());
        headers.any(|header| {
            header.split([';', ',']).any(|part| {
                part.split_once('=').is_some_and(|(key, set)| {
                    key.trim().eq_ignore_ascii_case(name) && set.trim().trim_matches('"') == value
                })
            })
        })
    }

    /// What becomes of parameters that are not known.
    pub(super) fn handling(self) -> Handling {
        if self.has("handling", "strict") { Handling::Strict } else { Handling::Lenient }
    }

    /// What is wanted of what is written.
    pub(super) fn wanted(self) -> Return {
        if self.has("return", "minimal") {
            Return::Minimal
        } else if self.has("return", OUTCOME) {
            Return::Outcome
        } else {
            Return::Representation
        }
    }

    /// Whether written resources are to be sent back in the answer to a Bundle: only if the client says so, for there
    /// may be many.
    pub(super) fn wants_representation(self) -> bool {
        self.has("return", "representation")
    }
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::HeaderValue;

    use super::*;

    #[test]
    fn of_all_the_headers_each_part_counts() {
        let mut headers = HeaderMap::new();
        assert!(Prefer(&headers).wanted() == Return::Representation && !Prefer(&headers).wants_representation());
        assert_eq!(Prefer(&headers).handling(), Handling::Lenient);
        headers.append(PREFER.clone(), HeaderValue::from_static("respond-async, return=\"minimal\""));
        headers.append(PREFER.clone(), HeaderValue::from_static("Handling=strict; wait=10"));
        assert!(Prefer(&headers).wanted() == Return::Minimal);
        assert_eq!(Prefer(&headers).handling(), Handling::Strict);
        headers.clear();
        headers.append(PREFER.clone(), HeaderValue::from_static("return=representation"));
        assert!(Prefer(&headers).wants_representation());
    }
}
