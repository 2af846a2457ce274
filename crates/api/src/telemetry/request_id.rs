//! The ids that join a request to its logs: `X-Request-ID` and `X-Correlation-ID`, both UUIDs as on the NHS API platform.

use uuid::Uuid;

/// The header of the request id, in lower case as HTTP/2 wants it.
pub const REQUEST_HEADER: &str = "x-request-id";
/// The header of the correlation id, in lower case.
pub const CORRELATION_HEADER: &str = "x-correlation-id";

/// The ids of one request, as they go into the response's headers and into the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestIds {
    /// The caller's request id, or one of ours when the caller gave none that is a UUID.
    pub request: String,
    /// The caller's correlation id, when it is a UUID.
    pub correlation: Option<String>,
}

impl RequestIds {
    /// The ids of a request with those header values. What is not a UUID is dropped rather than repeated: a header that a
    /// caller can write freely does not belong in a log.
    #[must_use]
    pub fn from_headers(request: Option<&str>, correlation: Option<&str>) -> RequestIds {
        RequestIds {
            request: request.and_then(accepted).unwrap_or_else(|| Uuid::new_v4().to_string()),
            correlation: correlation.and_then(accepted),
        }
    }
}

/// The text as it was sent, when it is a UUID in its usual form (RFC 9562 section 4): hyphens, no braces.
fn accepted(text: &str) -> Option<String> {
    let text = text.trim();
    (text.len() == 36 && Uuid::try_parse(text).is_ok()).then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uuids_are_mirrored_as_they_were_sent() {
        let ids = RequestIds::from_headers(
            Some("60E0B220-8136-4CA5-AE46-1D97EF59D068"),
            Some("11c46f5f-cdef-4865-94b2-0ee0edcc26da"),
        );
        assert_eq!(ids.request, "60E0B220-8136-4CA5-AE46-1D97EF59D068");
        assert_eq!(ids.correlation.as_deref(), Some("11c46f5f-cdef-4865-94b2-0ee0edcc26da"));
    }

    #[test]
    fn anything_else_is_replaced() {
        for bad in [
            None,
            Some(""),
            Some("1"),
            Some("60e0b22081364ca5ae461d97ef59d068"),
            Some("{60e0b220-8136-4ca5-ae46-1d97ef59d068}"),
            Some("60e0b220-8136-4ca5-ae46-1d97ef59d06z"),
            Some("urn:uuid:60e0b220-8136-4ca5-ae46-1d97ef59d068"),
        ] {
            let ids = RequestIds::from_headers(bad, bad);
            assert_eq!(Uuid::try_parse(&ids.request).unwrap().get_version_num(), 4);
            assert_ne!(Some(ids.request.as_str()), bad);
            assert_eq!(ids.correlation, None);
        }
        let [one, two] = [RequestIds::from_headers(None, None), RequestIds::from_headers(None, None)];
        assert_ne!(one.request, two.request);
    }
}
