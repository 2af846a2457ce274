//! In what form a body came and an answer goes (R4 "RESTful API", content types and encodings).

use concord_fhir::codec::{self, Format};
use concord_fhir::json::{self, Value};
use concord_fhir::schema::{self, Summary};
use concord_store::rows::parse_body;

use crate::error::ApiError;
use crate::interact::media_type;

/// The form of an answer.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Answer {
    /// JSON or XML.
    pub(super) format: Format,
    /// With line breaks for people.
    pub(super) pretty: bool,
    /// What of each resource.
    pub(super) shape: Shape,
    /// Whether a document is wanted as a page.
    pub(super) is_page: bool,
}

/// What of each resource is sent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) enum Shape {
    /// All of it.
    #[default]
    Whole,
    /// `_summary=true`.
    Summary,
    /// `_summary=text`.
    Text,
    /// `_summary=data`.
    Data,
    /// `_elements`.
    Elements(Vec<String>),
}

impl Default for Answer {
    fn default() -> Answer {
        Answer { format: Format::Json, pretty: false, shape: Shape::Whole, is_page: false }
    }
}

impl Answer {
    /// The form asked for by `_format`, else by `Accept`; and `_pretty`, `_summary`, `_elements`.
    ///
    /// # Errors
    /// [`ApiError::NotAcceptable`] for a form that is not ours, [`ApiError::Malformed`] for a bad parameter.
    pub(super) fn asked(pairs: &[(String, String)], accept: Option<&str>) -> Result<Answer, ApiError> {
        let mut answer = Answer::default();
        let named = |name: &str| pairs.iter().rev().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
        answer.format = match named("_format") {
            Some(value) => form(value).ok_or_else(|| not_acceptable(value))?,
            None => accepted(accept.unwrap_or_default())?,
        };
        answer.pretty = match named("_pretty") {
            None | Some("false") => false,
            Some("true") => true,
            Some(_) => return Err(ApiError::parameter("_pretty", "true or false")),
        };
        let elements = named("_elements");
        answer.shape = match (named("_summary"), elements) {
            (None | Some("false"), None) => Shape::Whole,
            (None | Some("false"), Some(list)) => {
                let names: Vec<String> =
                    list.split(',').map(|name| name.trim().to_owned()).filter(|name| !name.is_empty()).collect();
                if names.is_empty() || names.len() > 100 {
                    return Err(ApiError::parameter("_elements", "one to 100 names of elements, separated by commas"));
                }
                Shape::Elements(names)
            }
            (Some(_), Some(_)) => return Err(ApiError::parameter("_elements", "not together with _summary")),
            (Some("true"), None) => Shape::Summary,
            (Some("text"), None) => Shape::Text,
            (Some("data"), None) => Shape::Data,
            // The bundle has no entries; handled by the search.
            (Some("count"), None) => Shape::Whole,
            (Some(_), None) => return Err(ApiError::parameter("_summary", "true, text, data, count or false")),
        };
        Ok(answer)
    }

    /// The media type.
    pub(super) fn content_type(&self) -> &'static str {
        match self.format {
            Format::Json => "application/fhir+json; charset=utf-8",
            Format::Xml => "application/fhir+xml; charset=utf-8",
        }
    }

    /// Whether stored JSON can go out as it is.
    pub(super) fn is_plain(&self) -> bool {
        self.format == Format::Json && !self.pretty && self.shape == Shape::Whole
    }

    /// A stored resource in this form.
    pub(super) fn resource(&self, body: String) -> Result<String, ApiError> {
        if self.is_plain() {
            return Ok(body);
        }
        let value = parse_body(&body)?;
        Ok(self.value(&self.shaped(value)))
    }

    /// The elements of a resource that were asked for.
    pub(super) fn shaped<'v>(&self, value: Value<'v>) -> Value<'v> {
        match &self.shape {
            Shape::Whole => value,
            Shape::Summary => schema::summarize(&value, Summary::True),
            Shape::Text => schema::summarize(&value, Summary::Text),
            Shape::Data => schema::summarize(&value, Summary::Data),
            Shape::Elements(names) => schema::summarize(&value, Summary::Elements(names)),
        }
    }

    /// A value in this form, whole.
    pub(super) fn value(&self, value: &Value<'_>) -> String {
        match (self.format, self.pretty) {
            (Format::Json, false) => json::to_string(value),
            (Format::Json, true) => json::to_pretty(value),
            // What has passed the gate can be written; if it cannot, the client gets the JSON rather than nothing.
            (Format::Xml, _) => codec::write_xml(value).unwrap_or_else(|_| json::to_string(value)),
        }
    }
}

pub(super) fn not_acceptable(what: &str) -> ApiError {
    let shown: String = what.chars().take(60).collect();
    ApiError::NotAcceptable(format!("{shown:?} is not served; ask for application/fhir+json or application/fhir+xml"))
}

/// The form of `_format` or of one media type.
fn form(text: &str) -> Option<Format> {
    let bare = media_type::bare(text);
    match bare.as_str() {
        // A plus sign in a query is a space when the client forgot to escape it.
        "json"
        | "application/json"
        | "application/fhir+json"
        | "application/fhir json"
        | "application/json+fhir"
        | "text/json" => Some(Format::Json),
        "xml"
        | "application/xml"
        | "application/fhir+xml"
        | "application/fhir xml"
        | "application/xml+fhir"
        | "text/xml" => Some(Format::Xml),
        _ => None,
    }
}

/// Whether a page is wanted of something that there is a page of: by `_format`, or because the client would rather have one
/// than any form of FHIR.
pub(super) fn wants_page(pairs: &[(String, String)], accept: Option<&str>) -> bool {
    if let Some((_, named)) = pairs.iter().rev().find(|(key, _)| key == "_format") {
        return ["html", PAGE].contains(&media_type::bare(named).as_str());
    }
    let ranges = ranges(accept.unwrap_or_default());
    let weight = |meant: &dyn Fn(&str) -> bool| {
        ranges.iter().filter(|(media, _)| meant(media)).map(|(_, weight)| *weight).max().unwrap_or(0)
    };
    let page = weight(&|media| media == PAGE);
    page > 0 && page >= weight(&is_form)
}

/// The media type of a page.
const PAGE: &str = "text/html";

/// Whether a media type, or the value of `_format`, is one of FHIR's forms.
pub(super) fn is_form(text: &str) -> bool {
    form(text).is_some()
}

/// The best of the forms that the client accepts, JSON when it has no preference (RFC 9110, section 12.5.1).
fn accepted(header: &str) -> Result<Format, ApiError> {
    if header.trim().is_empty() {
        return Ok(Format::Json);
    }
    let mut best: Option<(u16, Format)> = None;
    for (media, weight) in ranges(header) {
        let form = match media.as_str() {
            "*/*" | "application/*" | "text/*" | "text/html" => Some(Format::Json),
            other => form(other),
        };
        if let (Some(form), true) = (form, weight > 0)
            && best.is_none_or(|(most, _)| weight > most)
        {
            best = Some((weight, form));
        }
    }
    best.map(|(_, form)| form).ok_or_else(|| not_acceptable(header))
}

/// The media ranges of an `Accept` header, without their parameters, each with its weight in thousandths. What asks for
/// another version of FHIR has none.
pub(super) fn ranges(header: &str) -> Vec<(String, u16)> {
    let read = |range: &str| {
        let mut parts = range.split(';').map(str::trim);
        let media = parts.next().unwrap_or_default().to_ascii_lowercase();
        let mut weight = 1_000;
        for part in parts {
            if let Some(q) = part.strip_prefix("q=").or_else(|| part.strip_prefix("Q=")) {
                weight = q.trim().parse::<f32>().map_or(0, |q| {
                    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to 0..=1000")]
                    let thousandths = (q.clamp(0.0, 1.0) * 1000.0) as u16;
                    thousandths
                });
            }
            if !is_r4(part) {
                return (media, 0);
            }
        }
        (media, weight)
    };
    header.split(',').map(read).filter(|(media, _)| !media.is_empty()).collect()
}

/// Whether a media type is of R4, or does not say of which version it is (R4 "Managing multiple FHIR versions").
fn is_r4(media: &str) -> bool {
    let mut versions = media.split(';').filter_map(|part| part.trim().strip_prefix("fhirVersion="));
    versions.all(|version| version.trim_matches('"').starts_with("4.0"))
}

/// Whether a media type says of no other encoding than UTF-8 (R4 "JSON Representation": always UTF-8) or ASCII, which is part of it.
fn is_utf8(media: &str) -> bool {
    let parameters = media.split(';').skip(1).filter_map(|part| part.split_once('='));
    let mut charsets = parameters.filter(|(name, _)| name.trim().eq_ignore_ascii_case("charset"));
    charsets.all(|(_, value)| {
        let named = value.trim().trim_matches('"');
        ["utf-8", "utf8", "us-ascii"].iter().any(|one| named.eq_ignore_ascii_case(one))
    })
}

/// The form of a body by its `Content-Type`.
///
/// # Errors
/// [`ApiError::MediaType`] when it is none of FHIR's.
pub(super) fn body_format(content_type: Option<&str>) -> Result<Format, ApiError> {
    match content_type {
        Some(text) if !is_utf8(text) => {
            Err(ApiError::MediaType("a body is in UTF-8: leave the charset out, or send charset=utf-8".to_owned()))
        }
        Some(text) => form(text).filter(|_| is_r4(text)).ok_or_else(|| {
            let shown: String = text.chars().take(60).collect();
            ApiError::MediaType(format!(
                "{shown:?} is not a media type of FHIR R4; send application/fhir+json or application/fhir+xml"
            ))
        }),
        None => Err(ApiError::MediaType("say in Content-Type what the body is: application/fhir+json".to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_best_acceptable_form_is_chosen() {
        assert_eq!(accepted("").unwrap(), Format::Json);
        assert_eq!(accepted("*/*").unwrap(), Format::Json);
        assert_eq!(accepted("application/fhir+xml").unwrap(), Format::Xml);
        assert_eq!(accepted("application/fhir+xml;q=0.5, application/fhir+json").unwrap(), Format::Json);
        assert_eq!(accepted("application/fhir+json;fhirVersion=4.0").unwrap(), Format::Json);
        assert_eq!(accepted("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8").unwrap(), Format::Json);
        for refused in ["image/png", "application/fhir+json;q=0", "application/fhir+json; fhirVersion=3.0"] {
            assert!(matches!(accepted(refused), Err(ApiError::NotAcceptable(_))), "{refused}");
        }
    }

    #[test]
    fn a_page_is_for_those_who_would_rather_have_one() {
        let page = |accept: &str| wants_page(&[], Some(accept));
        assert!(page("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8") && page("text/html"));
        for other in ["", "*/*", "application/fhir+json", "application/fhir+json, text/html;q=0.5", "text/html;q=0"] {
            assert!(!page(other), "{other}");
        }
        let format = |value: &str| wants_page(&[("_format".to_owned(), value.to_owned())], Some("text/html"));
        assert!(format("html") && format("text/html") && !format("json"));
    }

    #[test]
    fn parameters_of_the_form_are_checked() {
        let pairs = |name: &str, value: &str| vec![(name.to_owned(), value.to_owned())];
        assert!(Answer::asked(&pairs("_format", "application/fhir+xml"), None).unwrap().format == Format::Xml);
        assert!(Answer::asked(&pairs("_pretty", "true"), None).unwrap().pretty);
        assert!(matches!(Answer::asked(&pairs("_pretty", "1"), None), Err(ApiError::Malformed(_))));
        assert!(matches!(Answer::asked(&pairs("_summary", "all"), None), Err(ApiError::Malformed(_))));
        assert!(matches!(Answer::asked(&pairs("_elements", ","), None), Err(ApiError::Malformed(_))));
        assert!(matches!(Answer::asked(&pairs("_format", "yaml"), None), Err(ApiError::NotAcceptable(_))));
    }

    #[test]
    fn a_body_must_say_what_it_is() {
        assert_eq!(body_format(Some("application/fhir+json; charset=utf-8")).unwrap(), Format::Json);
        assert_eq!(body_format(Some("application/fhir+xml;Charset = \"UTF-8\"")).unwrap(), Format::Xml);
        for encoding in ["utf-16", "iso-8859-1", "\"utf-16le\"", ""] {
            let named = format!("application/fhir+json; charset={encoding}");
            assert!(matches!(body_format(Some(&named)), Err(ApiError::MediaType(_))), "{named}");
        }
        assert_eq!(body_format(Some("text/xml")).unwrap(), Format::Xml);
        assert!(matches!(body_format(Some("text/plain")), Err(ApiError::MediaType(_))));
        assert_eq!(body_format(Some("application/fhir+json; fhirVersion=4.0")).unwrap(), Format::Json);
        assert!(matches!(body_format(Some("application/fhir+json; fhirVersion=5.0")), Err(ApiError::MediaType(_))));
        assert!(matches!(body_format(None), Err(ApiError::MediaType(_))));
    }
}
