//! An app as a URI: in `meta.source`, and as the author of what a system writes for itself.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// What is escaped in a URI: all but the unreserved characters (RFC 3986, section 2.3).
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// An app as a URI.
pub(crate) fn client_uri(client: &str) -> String {
    if client.contains(':') && !client.contains(char::is_whitespace) {
        return client.to_owned();
    }
    format!("urn:concord:client:{}", utf8_percent_encode(client, RESERVED))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_app_is_a_uri_whatever_it_is_called() {
        assert_eq!(client_uri("https://app.example"), "https://app.example");
        assert_eq!(client_uri("phr-app_1.0~b"), "urn:concord:client:phr-app_1.0~b");
        assert_eq!(client_uri("a b/é"), "urn:concord:client:a%20b%2F%C3%A9");
    }
}
