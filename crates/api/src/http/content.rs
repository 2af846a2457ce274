//! Content that is sent and fetched as it is: of a resource that is nothing but that (R4 "Binary", REST).

use std::borrow::Cow;
use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use actix_web::body::{self, BodySize, MessageBody};
use actix_web::http::header::{self, ContentEncoding, HeaderMap, HeaderValue};
use actix_web::http::{Method, StatusCode};
use actix_web::web::Bytes;
use actix_web::{HttpRequest, HttpResponse, HttpResponseBuilder};
use concord_fhir::codec;
use concord_fhir::json::{self, Limits, Value};
use concord_fhir::registry::ResourceType;
use concord_store::rows::Version;

use super::headers::{SECURITY_CONTEXT, once};
use super::negotiate::{self, body_format};
use crate::error::ApiError;
use crate::interact::hooks::{RawContent, table};
use crate::interact::{base64_bytes, media_type};

/// Parameters that ask for a form of FHIR, whatever `Accept` says.
const FORMS: [&str; 3] = ["_format", "_summary", "_elements"];

/// Whether content may be read: at the address of a resource that is content, or of a version of one, without a parameter
/// that asks for the resource.
pub(super) fn may_be_read(request: &HttpRequest, parameters: &[(String, String)]) -> bool {
    let Some(rest) = request.path().strip_prefix("/fhir/") else { return false };
    let name = rest.split('/').next().unwrap_or_default();
    if !ResourceType::parse(name).is_some_and(is_of) {
        return false;
    }
    let parts: Vec<&str> = rest.trim_end_matches('/').split('/').collect();
    matches!(parts.as_slice(), [_, _] | [_, _, "_history", _])
        && [Method::GET, Method::HEAD].contains(request.method())
        && !parameters.iter().any(|(name, _)| FORMS.contains(&name.as_str()))
}

/// Whether resources of a type are content.
pub(super) fn is_of(named: ResourceType) -> bool {
    table::HOOKS.of(named).from_content.is_some()
}

/// Whether a body is content, and not a resource of that type in a form of FHIR: what is in no such form, and what is
/// another resource, which is a document like any other (R4 "Binary", REST).
pub(super) fn is_raw(named: ResourceType, media: &str, body: &[u8], limits: &Limits) -> bool {
    let says_fhir = media.to_ascii_lowercase().contains("fhir");
    let Ok(format) = body_format(Some(media)) else { return !says_fhir };
    match root_type(format, body, limits) {
        Some(found) => found != named.name(),
        // What is no resource at all may be any document, but not where it is said to be one.
        None => !says_fhir,
    }
}

/// The type that a body says it is of, whatever else is wrong with it.
fn root_type(format: codec::Format, body: &[u8], limits: &Limits) -> Option<String> {
    match format {
        codec::Format::Json => json::parse(body, limits).ok()?.text("resourceType").map(str::to_owned),
        codec::Format::Xml => codec::root_of_xml(body),
    }
}

/// The resource that content is.
///
/// # Errors
/// [`ApiError::Unprocessable`] for a media type or a context that cannot be one.
pub(super) fn resource(
    named: ResourceType,
    id: Option<&str>,
    headers: &HeaderMap,
    media: &str,
    bytes: &[u8],
    limits: &Limits,
) -> Result<Value<'static>, ApiError> {
    let from_content = table::HOOKS.of(named).from_content;
    let from_content = from_content.ok_or_else(|| ApiError::Internal("content of a type that has none".to_owned()))?;
    let context = once(headers, &SECURITY_CONTEXT)?.map(HeaderValue::to_str).transpose();
    let context =
        context.map_err(|_| ApiError::header(SECURITY_CONTEXT.said, "must be a reference, such as Patient/1"))?;
    let value = from_content(RawContent { media, bytes, id, security_context: context });
    // Base64 is a third longer than what it stands for.
    let limits = Limits { bytes: limits.bytes.saturating_mul(2), ..*limits };
    concord_fhir::check::check(&value, &limits).map_err(ApiError::invalid)?;
    Ok(value)
}

/// In which form a resource that is content is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    /// As it is.
    Native,
    /// As a resource.
    Fhir,
}

/// The form that `Accept` asks for, by its weights (RFC 9110, section 12.5.1): as it is, unless a form of FHIR is asked for
/// by name. Media types that FHIR shares with others (`application/json`) are its own only where nothing else is wanted, for
/// browsers name them without meaning it.
fn chosen(accept: &str, media: &str) -> Option<Form> {
    if accept.trim().is_empty() {
        return Some(Form::Native);
    }
    let ranges: Vec<(String, u16)> = negotiate::ranges(accept);
    let bare = media_type::bare(media);
    let kind = bare.split_once('/').map(|(kind, _)| format!("{kind}/*")).unwrap_or_default();
    let weight = |wanted: &str| ranges.iter().find(|(range, _)| range == wanted).map(|(_, weight)| *weight);
    // The most specific range counts.
    let native = weight(&bare).or_else(|| weight(&kind)).or_else(|| weight("*/*")).unwrap_or(0);
    let of_fhir = |shared: bool| {
        let named = ranges.iter().filter(|(range, _)| negotiate::is_form(range) && range.contains("fhir") != shared);
        named.map(|(_, weight)| *weight).max().unwrap_or(0)
    };
    match (of_fhir(false), of_fhir(true)) {
        (fhir, _) if fhir > 0 && fhir >= native => Some(Form::Fhir),
        _ if native > 0 => Some(Form::Native),
        (_, shared) if shared > 0 => Some(Form::Fhir),
        _ => None,
    }
}

/// How content is wanted.
#[derive(Clone, Debug)]
pub(super) struct Wanted {
    /// In which form.
    accept: String,
    /// Which part of it, if not all.
    range: Option<String>,
    /// Only what is to be said of it, if that is all.
    head: Option<Head>,
}

/// What is said of content that is not sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Head {
    /// How long it is.
    Length,
    /// Not that: it would be packed, and is no longer as long.
    NoLength,
}

impl Wanted {
    /// By a request that says in which form. A weak entity tag is the same as none for a part (RFC 9110, section 13.1.5).
    pub(super) fn by(request: &HttpRequest, accept: &str) -> Wanted {
        let headers = request.headers();
        let may_be_part = request.method() == Method::GET && !headers.contains_key(header::IF_RANGE);
        let range = headers.get(header::RANGE).filter(|_| may_be_part).and_then(|value| value.to_str().ok());
        let is_packed = headers.get(header::ACCEPT_ENCODING).is_some_and(|value| value != "identity");
        let head = (request.method() == Method::HEAD).then_some(if is_packed { Head::NoLength } else { Head::Length });
        Wanted { accept: accept.to_owned(), range: range.map(str::to_owned), head }
    }
}

/// Content to be sent as it is, or the part of it that is asked for.
#[derive(Debug)]
pub(super) struct Content {
    media: HeaderValue,
    /// How many bytes all of it has.
    length: usize,
    part: Part,
    /// Those of the part.
    bytes: Vec<u8>,
    head: Option<Head>,
}

/// The content of a resource that goes out as it is; none if it goes out as a resource.
///
/// # Errors
/// [`ApiError::NotAcceptable`] where neither is wanted.
pub(super) fn native(wanted: &Wanted, version: &Version) -> Result<Option<Content>, ApiError> {
    let value = version.resource()?;
    let media = value.text("contentType").unwrap_or_default();
    match chosen(&wanted.accept, media) {
        Some(Form::Fhir) => return Ok(None),
        Some(Form::Native) => {}
        None => return Err(negotiate::not_acceptable(&wanted.accept)),
    }
    // Whoever stored it may have said anything.
    let media = if media_type::is_one(media) { media } else { media_type::ANY_BYTES };
    let Ok(media) = HeaderValue::from_str(media) else { return Ok(None) };
    let data = value.text("data").unwrap_or_default();
    let data: Cow<'_, str> = match data.contains(char::is_whitespace) {
        true => data.split_whitespace().collect::<String>().into(),
        false => data.into(),
    };
    let length = decoded_length(&data);
    let part = wanted.range.as_deref().map_or(Part::All, |text| part(text, length));
    let wanted_of_it = match part {
        _ if wanted.head.is_some() => Some(Vec::new()),
        Part::All => base64_bytes(&data),
        Part::Of(start, end) => bytes_between(&data, start, end),
        Part::Beyond => Some(Vec::new()),
    };
    let bytes = wanted_of_it.ok_or_else(|| ApiError::Internal("a stored body cannot be read".to_owned()))?;
    Ok(Some(Content { media, length, part, bytes, head: wanted.head }))
}

/// How many bytes base64 with padding stands for.
fn decoded_length(data: &str) -> usize {
    let padding = data.bytes().rev().take(2).take_while(|byte| *byte == b'=').count();
    (data.len() / 4 * 3).saturating_sub(padding)
}

/// Those from one to another one, both included, of the bytes that base64 stands for: four letters are three of them, so the
/// others need not be read.
fn bytes_between(data: &str, start: usize, end: usize) -> Option<Vec<u8>> {
    let (first, after) = (start / 3, end / 3 + 1);
    let mut bytes = base64_bytes(data.get(first * 4..(after * 4).min(data.len()))?)?;
    bytes.truncate((end + 1).checked_sub(first * 3)?);
    bytes.drain(..start - first * 3);
    Some(bytes)
}

/// The response with content, or with the part of it that is asked for (RFC 9110, section 14).
pub(super) fn response(mut builder: HttpResponseBuilder, content: Content) -> HttpResponse {
    let Content { media, length, part, bytes, head } = content;
    // It is whatever somebody has stored: nothing in it is to be run.
    builder.insert_header((header::CONTENT_SECURITY_POLICY, "sandbox; default-src 'none'"));
    builder.insert_header((header::CONTENT_TYPE, media));
    builder.insert_header((header::ACCEPT_RANGES, "bytes"));
    builder.insert_header((header::VARY, "Accept"));
    match part {
        Part::All => {}
        Part::Of(start, end) => {
            builder.status(StatusCode::PARTIAL_CONTENT);
            builder.insert_header((header::CONTENT_RANGE, format!("bytes {start}-{end}/{length}")));
            // The range is of what is stored, and not of what it would be packed to.
            builder.insert_header(ContentEncoding::Identity);
        }
        Part::Beyond => {
            builder.status(StatusCode::RANGE_NOT_SATISFIABLE);
            builder.insert_header((header::CONTENT_RANGE, format!("bytes */{length}")));
        }
    }
    match head {
        Some(Head::Length) => builder.body(Unsent(u64::try_from(length).unwrap_or(u64::MAX))),
        Some(Head::NoLength) => builder.body(body::None::new()),
        None => builder.body(bytes),
    }
}

/// A body of which only the length is told: to HEAD.
struct Unsent(u64);

impl MessageBody for Unsent {
    type Error = Infallible;

    fn size(&self) -> BodySize {
        BodySize::Sized(self.0)
    }

    fn poll_next(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Bytes, Self::Error>>> {
        Poll::Ready(None)
    }
}

/// What of some content is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    /// All of it, also where the range is none, or several.
    All,
    /// From a byte to another one.
    Of(usize, usize),
    /// What is not there.
    Beyond,
}

fn part(range: &str, length: usize) -> Part {
    let Some((first, last)) = range.trim().strip_prefix("bytes=").and_then(|rest| rest.trim().split_once('-')) else {
        return Part::All;
    };
    let number = |text: &str| match text.trim() {
        "" => Some(None),
        digits if digits.bytes().all(|byte| byte.is_ascii_digit()) => {
            Some(Some(digits.parse::<usize>().unwrap_or(usize::MAX)))
        }
        _ => None,
    };
    match (number(first), number(last)) {
        (Some(Some(first)), Some(last)) if last.is_none_or(|last| first <= last) => match length.checked_sub(1) {
            Some(end) if first <= end => Part::Of(first, last.map_or(end, |last| last.min(end))),
            _ => Part::Beyond,
        },
        (Some(None), Some(Some(suffix))) => match (length.checked_sub(1), suffix) {
            (None, _) | (_, 0) => Part::Beyond,
            (Some(end), suffix) => Part::Of(length.saturating_sub(suffix), end),
        },
        _ => Part::All,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_is_sent_as_it_is_unless_fhir_is_asked_for() {
        let png = "image/png";
        for accept in [
            "",
            "*/*",
            "image/png",
            "IMAGE/*",
            "image/png,*/*;q=0.1",
            "image/png, application/fhir+json;q=0.5",
            "application/fhir+json;q=0.2, */*",
            "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8",
            "application/json, */*",
            "application/fhir+json;q=0, */*",
        ] {
            assert_eq!(chosen(accept, png), Some(Form::Native), "{accept}");
        }
        for accept in [
            "application/fhir+json",
            "application/fhir+xml, */*;q=0.1",
            "application/fhir+json, image/png",
            "application/json",
            "text/xml",
            "image/png;q=0, application/fhir+json;q=0.1",
        ] {
            assert_eq!(chosen(accept, png), Some(Form::Fhir), "{accept}");
        }
        for accept in ["image/jpeg", "image/png;q=0", "image/png;q=0, */*", "text/*"] {
            assert_eq!(chosen(accept, png), None, "{accept}");
        }
        assert_eq!(chosen("application/json", "application/json"), Some(Form::Native));
        assert_eq!(chosen("text/plain", "text/plain; charset=utf-8"), Some(Form::Native));
    }

    #[test]
    fn a_part_is_the_same_as_of_the_whole() {
        for length in 0..20_usize {
            let whole: Vec<u8> = (0..length).map(|number| u8::try_from(number * 13 % 251).unwrap()).collect();
            let data = crate::interact::base64(&whole);
            assert_eq!(decoded_length(&data), length);
            for start in 0..length {
                for end in start..length {
                    assert_eq!(bytes_between(&data, start, end).as_deref(), whole.get(start..=end), "{start} {end}");
                }
            }
        }
    }

    #[test]
    fn parts_are_read_as_the_rfc_says() {
        for (range, wanted) in [
            ("bytes=0-3", Part::Of(0, 3)),
            ("bytes=4-", Part::Of(4, 9)),
            ("bytes=-2", Part::Of(8, 9)),
            ("bytes=-99", Part::Of(0, 9)),
            ("bytes=8-99", Part::Of(8, 9)),
            ("bytes=10-", Part::Beyond),
            ("bytes=99999999999999999999-", Part::Beyond),
            ("bytes=-0", Part::Beyond),
            ("bytes=3-1", Part::All),
            ("bytes=0-1,3-4", Part::All),
            ("lines=0-1", Part::All),
            ("bytes=a-b", Part::All),
            ("bytes=-", Part::All),
        ] {
            assert_eq!(part(range, 10), wanted, "{range}");
        }
        assert_eq!(part("bytes=0-0", 0), Part::Beyond);
        assert_eq!(part("bytes=-1", 0), Part::Beyond);
    }
}
