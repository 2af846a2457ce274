//! Media types (RFC 9110, section 8.3.1): letters count in neither case, and parameters follow a semicolon.

/// That of a JSON Patch (RFC 6902).
pub(crate) const JSON_PATCH: &str = "application/json-patch+json";

/// That of a merge patch (RFC 7396).
pub(crate) const MERGE_PATCH: &str = "application/merge-patch+json";

/// That of an XML Patch (RFC 5261).
pub(crate) const XML_PATCH: &str = "application/xml-patch+xml";

/// That of a resource in JSON.
pub(crate) const FHIR_JSON: &str = "application/fhir+json";

/// That of a resource in XML.
pub(crate) const FHIR_XML: &str = "application/fhir+xml";

/// Those in which a patch comes: the last two have Parameters in them (R4 "FHIRPath Patch").
pub(crate) const PATCHES: [&str; 5] = [JSON_PATCH, MERGE_PATCH, XML_PATCH, FHIR_JSON, FHIR_XML];

/// That of JSON which says no more about itself.
pub(crate) const JSON: &str = "application/json";

/// Those of XML which says no more about itself.
pub(crate) const XML: &str = "application/xml";
pub(crate) const TEXT_XML: &str = "text/xml";

/// That of a form.
pub(crate) const FORM: &str = "application/x-www-form-urlencoded";

/// The type and subtype without parameters, in small letters.
pub(crate) fn bare(text: &str) -> String {
    text.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

/// What content is that nobody says what it is.
pub(crate) const ANY_BYTES: &str = "application/octet-stream";

/// Whether a text is a media type: two names with a slash between them, and whatever parameters.
pub(crate) fn is_one(text: &str) -> bool {
    let is_name = |part: &str| {
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
        !part.is_empty() && part.bytes().all(fits)
    };
    bare(text).split_once('/').is_some_and(|(main, sub)| is_name(main) && is_name(sub))
}

/// Whether a text names this one, which is bare.
pub(crate) fn is(text: &str, media: &str) -> bool {
    bare(text) == media
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_media_type_has_two_names() {
        for text in ["image/png", "application/fhir+json; fhirVersion=4.0", "Text/HTML;charset=utf-8", "x/y"] {
            assert!(is_one(text), "{text}");
        }
        for text in ["", "0", "png", "image/", "/png", "a/b/c", "a b/c", "image/png\u{e9}", ";a/b"] {
            assert!(!is_one(text), "{text}");
        }
    }
}
