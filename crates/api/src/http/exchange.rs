//! One request and its answer: what was asked in which form, who asks, and the response in that form.

use std::sync::Arc;

use actix_web::http::header::{self, HeaderMap, HeaderName};
use actix_web::http::{Method, StatusCode};
use actix_web::web::{Bytes, Data};
use actix_web::{HttpMessage, HttpRequest, HttpResponse, HttpResponseBuilder};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use concord_consent::purpose::{Purpose, may_claim};
use concord_consent::request::SHORTEST_REASON;
use concord_fhir::codec;
use concord_fhir::issue::{Issue, IssueCode, outcome};
use concord_fhir::json::{self, Value};
use concord_fhir::patch::Patch;
use concord_fhir::registry::ResourceType;
use concord_fhir::search::{Handling, Query};

use super::Server;
use super::negotiate::{self, Answer, body_format};
use crate::auth::{Identity, bearer};
use crate::fault::Fault;
use crate::interact::{
    Call, audit, create::Written, identify, labels, matching, parameters, statement, update::Precondition,
};
use crate::store::rows::Version;
use crate::telemetry::RequestIds;

/// How long a query may be, in bytes.
const QUERY_BYTES: usize = 16 * 1024;

/// The encodings of a body that are taken off before it is read, and none at all.
const ENCODINGS: [&str; 3] = ["identity", "gzip", "deflate"];

/// The header that says for what purpose.
const PURPOSE: &str = "X-Purpose-Of-Use";

/// The header that says why.
const REASON: &str = "X-Purpose-Reason";

/// How long a reason may be, in characters.
const LONGEST_REASON: usize = 500;

/// A request whose form is understood and whose caller is verified.
pub(super) struct Exchange {
    pub(super) server: Data<Server>,
    pub(super) call: Call,
    pub(super) answer: Answer,
    pub(super) pairs: Vec<(String, String)>,
    request: HttpRequest,
    /// Whether the content of a Binary is wanted, and not the resource.
    content_only: bool,
}

/// What `Prefer: return` asks for (R4 "RESTful API", create/update).
#[derive(Clone, Copy, PartialEq, Eq)]
enum Return {
    Minimal,
    Representation,
    Outcome,
}

/// Runs a handler inside an exchange; whatever goes wrong is said in the form that the client asked for.
pub(super) async fn exchange<F>(
    request: &HttpRequest,
    server: &Data<Server>,
    form: Option<&Bytes>,
    handler: impl FnOnce(Exchange) -> F,
) -> HttpResponse
where
    F: Future<Output = Result<HttpResponse, (Fault, Answer)>>,
{
    let ids = request_id(request);
    let pairs = match pairs(request, form) {
        Ok(pairs) => pairs,
        Err(fault) => return super::fault::response(&fault, &Answer::default(), &ids),
    };
    let accept = text(request.headers(), &header::ACCEPT);
    let mut content_only = false;
    let answer = match Answer::asked(&pairs, accept) {
        Ok(answer) => answer,
        Err(Fault::NotAcceptable(_)) if is_of_binary(request) && !pairs.iter().any(|(name, _)| name == "_format") => {
            content_only = true;
            Answer::default()
        }
        Err(fault) => return super::fault::response(&fault, &Answer::default(), &ids),
    };
    let call = match authenticate(request, server, &ids).await {
        Ok(call) => call,
        Err(fault) => return super::fault::response(&fault, &answer, &ids),
    };
    if let Err(fault) = server.pace.admit(&call.caller, 1, server.concord.store.now_ms()) {
        return super::fault::response(&fault, &answer, &ids);
    }
    let call = match stating(request, server, call) {
        Ok(call) => call,
        Err(fault) => return super::fault::response(&fault, &answer, &ids),
    };
    let exchange = Exchange { server: server.clone(), call, answer, pairs, request: request.clone(), content_only };
    match handler(exchange).await {
        Ok(response) => response,
        Err((fault, answer)) => super::fault::response(&fault, &answer, &ids),
    }
}

/// The request id that the tracing layer gave.
pub(super) fn request_id(request: &HttpRequest) -> String {
    request.extensions().get::<RequestIds>().map(|ids| ids.request.clone()).unwrap_or_default()
}

fn text<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Option<&'h str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

/// Whether a Binary or a version of one is read.
fn is_of_binary(request: &HttpRequest) -> bool {
    let Some(rest) = request.path().strip_prefix("/fhir/Binary/") else { return false };
    let parts: Vec<&str> = rest.split('/').collect();
    [Method::GET, Method::HEAD].contains(request.method()) && matches!(parts.as_slice(), [_] | [_, "_history", _])
}

/// The parameters of the query and, for a search by POST, of the form.
fn pairs(request: &HttpRequest, form: Option<&Bytes>) -> Result<Vec<(String, String)>, Fault> {
    let query = request.query_string();
    let form = form.map_or(&[][..], |form| form);
    if query.len() + form.len() > QUERY_BYTES {
        return Err(Fault::Malformed(vec![Issue::plain(
            IssueCode::TooLong,
            format!("the query is longer than {QUERY_BYTES} bytes"),
        )]));
    }
    let mut all = Vec::new();
    for part in [query.as_bytes(), form] {
        for (name, value) in url::form_urlencoded::parse(part) {
            all.push((name.into_owned(), value.into_owned()));
        }
    }
    Ok(all)
}

/// Who calls. A refusal is in the log before it is told.
async fn authenticate(request: &HttpRequest, server: &Data<Server>, request_id: &str) -> Result<Call, Fault> {
    let now_s = server.concord.store.now_ms().div_euclid(1000);
    let header = request.headers().get(header::AUTHORIZATION).map(|value| value.as_bytes());
    let token = match bearer(header) {
        Ok(token) => token,
        Err(error) => return Err(refused(server, error, request_id).await),
    };
    let (verified, fingerprint) = match server.verifier.verify_with_fingerprint(token, now_s).await {
        Ok(verified) => verified,
        Err(error) => return Err(refused(server, error, request_id).await),
    };
    let caller = match &verified.identity {
        Identity::Known(caller) => Arc::clone(caller),
        Identity::Identifier(person) => {
            let found =
                identify::person(&server.concord, person.person.resource_type(), person.system, &person.value).await?;
            match found {
                Some(id) => Arc::new(person.resolve(id)),
                None => {
                    let text = "the token is valid, but nobody here has the identifier that it names";
                    server.concord.store.append(vec![audit::login_refused(text, request_id)]).await?;
                    return Err(Fault::denied(text));
                }
            }
        }
    };
    let named: Vec<Purpose> = verified.purpose_of_use.iter().filter_map(|code| Purpose::parse(code)).collect();
    if named.is_empty() && !verified.purpose_of_use.is_empty() {
        return Err(Fault::denied("the token's purpose_of_use is not one of v3-ActReason"));
    }
    let usual = named.iter().find(|purpose| **purpose != Purpose::BREAK_GLASS).or(named.first()).copied();
    let (purpose, reason) = stated(request.headers(), usual)?;
    let request_id = request_id.to_owned();
    let call = Call { caller, purpose, reason, request_id, fingerprint, together: Vec::new(), provenance: None };
    match call.purpose {
        Some(purpose) if !may_claim(&call.caller.actor, &named, purpose) => {
            let text = "neither the token nor who calls allows this purpose";
            server.concord.store.append(vec![audit::purpose_refused(&call, text)]).await?;
            Err(Fault::denied(text))
        }
        _ => Ok(call),
    }
}

/// The call with what the client itself says of where that is from which it writes.
fn stating(request: &HttpRequest, server: &Data<Server>, call: Call) -> Result<Call, Fault> {
    let Some(header) = request.headers().get(statement::HEADER) else { return Ok(call) };
    let writes = [Method::POST, Method::PUT, Method::PATCH].contains(request.method());
    let last = request.path().rsplit('/').next().unwrap_or_default();
    if !writes || last == "_search" || last.starts_with('$') {
        return Err(Fault::parameter(statement::HEADER, "goes with a create, an update or a patch"));
    }
    let provenance = statement::read(header.as_bytes(), &server.concord.limits)?;
    Ok(Call { provenance: Some(Arc::new(provenance)), ..call })
}

/// For what and why, as `X-Purpose-Of-Use` and `X-Purpose-Reason` say it; without the first, the usual purpose.
fn stated(headers: &HeaderMap, usual: Option<Purpose>) -> Result<(Option<Purpose>, Option<String>), Fault> {
    let text = |name: &'static str| headers.get(name).map(|value| std::str::from_utf8(value.as_bytes()).unwrap_or(""));
    let purpose = match text(PURPOSE) {
        Some(code) => Some(
            Purpose::parse(code.trim())
                .ok_or_else(|| Fault::parameter(PURPOSE, "a purpose of use of v3-ActReason, for instance BTG"))?,
        ),
        None => usual,
    };
    let reason = match text(REASON).map(str::trim) {
        Some(reason) => {
            let length = reason.chars().count();
            let fits = (SHORTEST_REASON..=LONGEST_REASON).contains(&length);
            if !fits || reason.chars().any(char::is_control) {
                let text = format!("{SHORTEST_REASON} to {LONGEST_REASON} characters in UTF-8 that say why");
                return Err(Fault::parameter(REASON, text));
            }
            Some(reason.to_owned())
        }
        None if purpose == Some(Purpose::BREAK_GLASS) => {
            let text = format!("breaking the glass needs a reason of at least {SHORTEST_REASON} characters");
            return Err(Fault::parameter(REASON, text));
        }
        None => None,
    };
    Ok((purpose, reason))
}

async fn refused(server: &Data<Server>, error: crate::auth::AuthError, request_id: &str) -> Fault {
    if let Err(fault) = server.concord.store.append(vec![audit::login_refused(error.name(), request_id)]).await {
        return fault;
    }
    if error.is_temporary() {
        return Fault::Busy(2);
    }
    Fault::Unauthenticated { challenge: error.www_authenticate(), text: error.text().to_owned() }
}

impl Exchange {
    /// Pairs a fault with the form to tell it in.
    pub(super) fn fault(&self, fault: Fault) -> (Fault, Answer) {
        (fault, self.answer.clone())
    }

    /// Refuses a body in an encoding that has not been taken off it.
    fn plain(&self) -> Result<(), Fault> {
        let named = text(self.request.headers(), &header::CONTENT_ENCODING).unwrap_or("identity");
        if ENCODINGS.iter().any(|known| named.trim().eq_ignore_ascii_case(known)) {
            return Ok(());
        }
        Err(Fault::MediaType(format!("the body has a Content-Encoding other than {}", ENCODINGS.join(", "))))
    }

    /// The resource in a body, of whatever type, checked.
    fn checked<'b>(&self, body: &'b Bytes) -> Result<codec::Resource<'b>, Fault> {
        self.plain()?;
        let format = body_format(text(self.request.headers(), &header::CONTENT_TYPE))?;
        codec::read(format, body, &self.server.concord.limits).map_err(unreadable)
    }

    /// The resource in the body of an operation, checked.
    pub(super) fn any_body(&self, body: &Bytes) -> Result<Value<'static>, Fault> {
        self.checked(body).map(|resource| resource.value.into_owned())
    }

    /// The JSON Patch in a body.
    pub(super) fn patch(&self, body: &Bytes) -> Result<Patch, Fault> {
        self.plain()?;
        let media = text(self.request.headers(), &header::CONTENT_TYPE).unwrap_or_default();
        if media.split(';').next().map(str::trim) != Some("application/json-patch+json") {
            return Err(Fault::MediaType("send the patch as application/json-patch+json (RFC 6902)".to_owned()));
        }
        Patch::read(body, &self.server.concord.limits).map_err(Fault::Malformed)
    }

    /// The resource in a body, checked.
    pub(super) fn body(&self, body: &Bytes, resource_type: ResourceType) -> Result<Value<'static>, Fault> {
        let resource = self.checked(body)?;
        if resource.resource_type != resource_type {
            return Err(Fault::Malformed(vec![Issue::error(
                IssueCode::Invalid,
                "resourceType",
                format!("the body is a {}, but the address is of {resource_type}", resource.resource_type),
            )]));
        }
        Ok(resource.value.into_owned())
    }

    /// The search in the parameters of the request or of a condition.
    pub(super) async fn query(
        &self,
        resource_type: Option<ResourceType>,
        pairs: &[(String, String)],
    ) -> Result<Query, Fault> {
        let strict = self.prefers("handling", "strict");
        let handling = if strict { Handling::Strict } else { Handling::Lenient };
        parameters::query(&self.server.concord, resource_type, pairs, handling).await
    }

    /// A condition must say which resource is meant: one that is empty or not understood is refused.
    pub(super) async fn condition(&self, resource_type: ResourceType, text: &str) -> Result<Query, Fault> {
        let text = matching::criteria(&self.server.concord.base, resource_type, text);
        let pairs: Vec<(String, String)> = url::form_urlencoded::parse(text.as_bytes()).into_owned().collect();
        let query = parameters::query(&self.server.concord, Some(resource_type), &pairs, Handling::Strict).await?;
        if query.predicate == concord_fhir::predicate::Predicate::All {
            return Err(Fault::Malformed(vec![Issue::plain(
                IssueCode::Value,
                "the condition names no search parameter",
            )]));
        }
        Ok(query)
    }

    /// The header of that name as text.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.request.headers().get(name).and_then(|value| value.to_str().ok())
    }

    /// The header of that name on which it depends whether something is written. One that cannot be read is refused: it
    /// must not be taken for none.
    pub(super) fn demanded(&self, name: &'static str) -> Result<Option<&str>, Fault> {
        let mut all = self.request.headers().get_all(name);
        let Some(first) = all.next() else { return Ok(None) };
        if all.next().is_some() {
            return Err(Fault::parameter(name, "it may be given only once"));
        }
        let text = std::str::from_utf8(first.as_bytes()).map_err(|_| Fault::parameter(name, "it is not UTF-8"))?;
        Ok(Some(text))
    }

    /// What `If-Match` or `If-None-Match` demands of the version that a write replaces.
    pub(super) fn precondition(&self) -> Result<Option<Precondition>, Fault> {
        Precondition::read(self.demanded("If-Match")?, self.demanded("If-None-Match")?)
            .map_err(|(name, text)| Fault::parameter(name, text))
    }

    fn prefers(&self, name: &str, value: &str) -> bool {
        let mut headers = self.request.headers().get_all("prefer").filter_map(|header| header.to_str().ok());
        headers.any(|header| {
            header.split([';', ',']).any(|part| {
                part.split_once('=')
                    .is_some_and(|(key, set)| key.trim() == name && set.trim().trim_matches('"') == value)
            })
        })
    }

    /// Whether written resources are to be sent back in the answer to a Bundle: only if the client says so, for there
    /// may be many.
    pub(super) fn wants_representation(&self) -> bool {
        self.prefers("return", "representation")
    }

    /// A stored version as the answer to a read, or 304 when the client has it.
    pub(super) fn read(self, version: Version) -> Result<HttpResponse, (Fault, Answer)> {
        let has = match self.header("if-none-match") {
            Some(tags) => tags.split(',').any(|tag| tag.trim() == "*" || version_of(tag) == Some(version.version)),
            None => self
                .header("if-modified-since")
                .and_then(|text| chrono::DateTime::parse_from_rfc2822(text).ok())
                .is_some_and(|since| version.updated.div_euclid(1000) <= since.timestamp()),
        };
        let mut builder = HttpResponse::build(if has { StatusCode::NOT_MODIFIED } else { StatusCode::OK });
        version_headers(&mut builder, &version);
        builder.insert_header((header::CACHE_CONTROL, "no-store"));
        if has {
            return Ok(builder.finish());
        }
        if self.content_only {
            return self.content(&version, builder).map_err(|fault| (fault, self.answer.clone()));
        }
        let body = self.whole(version).map_err(|fault| (fault, self.answer.clone()))?;
        Ok(builder.content_type(self.answer.content_type()).body(body))
    }

    /// The content of a Binary as it is, for whoever asks for its type and for no form of FHIR (R4 "Binary", REST).
    fn content(&self, version: &Version, mut builder: HttpResponseBuilder) -> Result<HttpResponse, Fault> {
        let unreadable = || Fault::Internal("a stored body cannot be read".to_owned());
        let accept = text(self.request.headers(), &header::ACCEPT).unwrap_or_default();
        let value = json::parse(version.body.as_bytes(), &json::Limits::default()).map_err(|_| unreadable())?;
        let media = value.text("contentType").unwrap_or_default();
        let named = header::HeaderValue::from_str(media).ok().filter(|_| negotiate::names(accept, media));
        let Some(named) = named else { return Err(negotiate::not_acceptable(accept)) };
        let data: String = value.text("data").unwrap_or_default().split_whitespace().collect();
        let content = STANDARD.decode(data).map_err(|_| unreadable())?;
        // It is whatever somebody has stored: nothing in it is to be run.
        builder.insert_header((header::CONTENT_SECURITY_POLICY, "sandbox; default-src 'none'"));
        Ok(builder.insert_header((header::CONTENT_TYPE, named)).body(content))
    }

    /// A stored version in the form of the answer, with the labels beside it.
    fn whole(&self, version: Version) -> Result<String, Fault> {
        self.answer.resource(labels::shown(version)?)
    }

    /// The answer to a create or update.
    pub(super) fn written(self, written: Written) -> Result<HttpResponse, (Fault, Answer)> {
        let Written { version, created, warnings } = written;
        let mut builder = HttpResponse::build(if created { StatusCode::CREATED } else { StatusCode::OK });
        version_headers(&mut builder, &version);
        let place = format!(
            "{}/{}/{}/_history/{}",
            self.server.concord.base, version.resource_type, version.id, version.version
        );
        if created {
            builder.insert_header((header::LOCATION, place.as_str()));
        }
        builder.insert_header((header::CONTENT_LOCATION, place));
        builder.insert_header((header::CACHE_CONTROL, "no-store"));
        let wanted = if self.prefers("return", "minimal") {
            Return::Minimal
        } else if self.prefers("return", "OperationOutcome") {
            Return::Outcome
        } else {
            Return::Representation
        };
        let body = match wanted {
            Return::Minimal => return Ok(builder.finish()),
            Return::Outcome => self.answer.value(&outcome(&warnings)),
            Return::Representation => self.whole(version).map_err(|fault| (fault, self.answer.clone()))?,
        };
        Ok(builder.content_type(self.answer.content_type()).body(body))
    }
}

/// `ETag` and `Last-Modified`.
fn version_headers(builder: &mut HttpResponseBuilder, version: &Version) {
    builder.insert_header((header::ETAG, format!("W/\"{}\"", version.version)));
    if let Some(time) = u64::try_from(version.updated)
        .ok()
        .and_then(|since| std::time::UNIX_EPOCH.checked_add(std::time::Duration::from_millis(since)))
    {
        builder.insert_header((header::LAST_MODIFIED, header::HttpDate::from(time)));
    }
}

/// The version id of an entity tag, weak or strong.
fn version_of(tag: &str) -> Option<i64> {
    let tag = tag.trim();
    let tag = tag.strip_prefix("W/").unwrap_or(tag);
    tag.strip_prefix('"')?.strip_suffix('"')?.parse().ok()
}

/// Problems of a body: 400 if it cannot be read as a resource at all, 422 if it can but is not valid.
fn unreadable(issues: Vec<Issue>) -> Fault {
    let too_large = issues.iter().any(|issue| issue.code == IssueCode::TooLong && issue.expression.is_none());
    if too_large {
        return Fault::TooLarge(issues.first().map(|issue| issue.text.clone()).unwrap_or_default());
    }
    if issues.iter().any(|issue| issue.code == IssueCode::Structure) {
        Fault::Malformed(issues)
    } else {
        Fault::RuleBroken(issues)
    }
}
