//! What a command led to, as an answer: its status, what headers say, and a body. A response and the entry of a Bundle are
//! made from the same.

use actix_web::http::StatusCode;
use actix_web::http::header::EntityTag;
use concord_fhir::issue::Issue;

use super::Server;
use super::answers::packed;
use super::collection::Bundle;
use super::content::{self, Content};
use super::negotiate::Answer;
use crate::error::ApiError;
use crate::interact::execute::{HistoryPage, OperationOutput, Outcome, SearchPage};
use crate::interact::history::Of;
use crate::interact::labels;
use crate::interact::operation::Output;
use crate::interact::search::Page;
use crate::interact::written::Written;
use crate::interact::{Pairs, Service};
use concord_fhir::search::Query;
use concord_store::rows::Version;

/// An answer that is yet to be put into a response or an entry.
pub(super) struct Reply {
    /// The status.
    pub(super) status: StatusCode,
    /// The version, for `ETag`.
    pub(super) version: Option<i64>,
    /// When it was made, in milliseconds since 1970 UTC, for `Last-Modified`.
    pub(super) modified: Option<i64>,
    /// The address of the version that was written.
    pub(super) place: Option<String>,
    /// `Type/id` of the resource that there is to send, if it has an id.
    pub(super) named: Option<String>,
    /// What there is to send.
    pub(super) body: Body,
    /// What the client should know although the write stands.
    pub(super) warnings: Vec<Issue>,
}

/// The entity tag of a version: weak, for one version has several forms (R4 "RESTful API", versioned reads).
pub(super) fn entity_tag(version: i64) -> EntityTag {
    EntityTag::new_weak(version.to_string())
}

/// What there is to send.
pub(super) enum Body {
    /// Nothing.
    Nothing,
    /// A resource that was read.
    Read(Box<Version>),
    /// Content, as it is.
    Content(Box<Content>),
    /// A resource that was written, which is sent to whoever wants it.
    Written(Box<Version>),
    /// A Bundle or a resource made for the answer, in the form that was asked for.
    Text(String),
    /// The same, packed with gzip.
    Packed(Vec<u8>),
}

/// What is wanted of a reply besides its form.
#[derive(Clone, Debug)]
pub(super) struct Wants {
    /// What was read as its content, if it is content.
    pub(super) content: Option<content::Wanted>,
    /// What was written.
    pub(super) written: bool,
    /// To have it packed.
    pub(super) packed: bool,
}

impl Reply {
    /// The answer to a command.
    ///
    /// # Errors
    /// When a stored body cannot be read.
    pub(super) fn of(server: &Server, outcome: Outcome, form: &Answer) -> Result<Reply, ApiError> {
        let service = &*server.service;
        Ok(match outcome {
            Outcome::Capabilities => {
                let text = server.capabilities.text(&service.store.registry())?;
                Reply::plain(StatusCode::OK, Body::Text(form.resource(text.to_string())?))
            }
            Outcome::Found(version) => Reply::version(StatusCode::OK, version, Body::Read),
            Outcome::Unchanged(version) => Reply::version(StatusCode::NOT_MODIFIED, version, |_| Body::Nothing),
            Outcome::Written(written) => {
                let Written { version, created, warnings } = *written;
                let status = if created { StatusCode::CREATED } else { StatusCode::OK };
                let place =
                    format!("{}/{}/{}/_history/{}", service.base, version.resource_type, version.id, version.version);
                Reply { place: Some(place), warnings, ..Reply::version(status, Box::new(version), Body::Written) }
            }
            Outcome::Deleted(version) => Reply { version, ..Reply::plain(StatusCode::NO_CONTENT, Body::Nothing) },
            Outcome::Page(found) => Reply::plain(StatusCode::OK, Body::Text(searched(service, *found, form)?)),
            Outcome::Versions(found) => Reply::plain(StatusCode::OK, Body::Text(versions(service, *found, form)?)),
            Outcome::Output(found) => {
                let named = match &found.output {
                    Output::Value(value) => value.text("resourceType").zip(value.text("id")),
                    Output::Page(_) => None,
                };
                let named = named.map(|(name, id)| format!("{name}/{id}"));
                Reply { named, ..Reply::plain(StatusCode::OK, Body::Text(output(service, *found, form)?)) }
            }
        })
    }

    /// What is said of an answer of which nothing is to be written.
    pub(super) fn head(outcome: Outcome) -> Reply {
        match outcome {
            Outcome::Found(version) => Reply::version(StatusCode::OK, version, |_| Body::Nothing),
            Outcome::Unchanged(version) => Reply::version(StatusCode::NOT_MODIFIED, version, |_| Body::Nothing),
            _ => Reply::plain(StatusCode::OK, Body::Nothing),
        }
    }

    /// The same with the text of what there is to send.
    ///
    /// # Errors
    /// When a stored body cannot be read.
    pub(super) fn written(mut self, form: &Answer, wants: &Wants) -> Result<Reply, ApiError> {
        self.body = match self.body {
            Body::Read(version) => {
                let native = wants.content.as_ref().map(|wanted| content::native(wanted, &version)).transpose()?;
                match native.flatten() {
                    Some(content) => Body::Content(Box::new(content)),
                    None => Body::Text(whole(*version, form)?),
                }
            }
            Body::Written(version) if wants.written => Body::Text(whole(*version, form)?),
            other => other,
        };
        if let (Body::Text(text), true) = (&self.body, wants.packed) {
            self.body = Body::Packed(packed(std::iter::once(text.as_bytes()))?.concat());
        }
        Ok(self)
    }

    fn version(status: StatusCode, version: Box<Version>, body: impl FnOnce(Box<Version>) -> Body) -> Reply {
        let (number, updated) = (version.version, version.updated);
        let named = Some(format!("{}/{}", version.resource_type, version.id));
        Reply { version: Some(number), modified: Some(updated), named, ..Reply::plain(status, body(version)) }
    }

    fn plain(status: StatusCode, body: Body) -> Reply {
        Reply { status, version: None, modified: None, place: None, named: None, body, warnings: Vec::new() }
    }
}

/// A stored version in the form of the answer, with the labels beside it.
///
/// # Errors
/// When the stored body cannot be read.
pub(super) fn whole(version: Version, form: &Answer) -> Result<String, ApiError> {
    form.resource(labels::shown(version)?)
}

fn searched(service: &Service, found: SearchPage, form: &Answer) -> Result<String, ApiError> {
    let SearchPage { path, query, page } = found;
    let path = format!("{}{path}", service.base);
    let this = address(&path, &query.used, query.cursor.as_deref());
    let next = page.next.as_deref().map(|cursor| address(&path, &query.used, Some(cursor)));
    let Page { versions, included, mut remarks, total, .. } = page;
    remarks.extend(ignored(&query));
    let bundle = Bundle { included, remarks, total, ..Bundle::of("searchset", service, this, next, versions) };
    bundle.written(form)
}

/// What the client should know of the parameters that were not understood.
fn ignored(query: &Query) -> impl Iterator<Item = Issue> {
    use concord_fhir::issue::{IssueCode, Severity};
    query.ignored.iter().map(|(name, why)| {
        let shown: String = name.chars().take(128).collect();
        Issue::remark(Severity::Warning, IssueCode::NotSupported, format!("parameter {shown} was ignored: {why}"))
    })
}

fn versions(service: &Service, found: HistoryPage, form: &Answer) -> Result<String, ApiError> {
    let HistoryPage { of, asked, page, limit } = found;
    let base = &service.base;
    let path = match of {
        Of::Instance(named, id) => format!("{base}/{named}/{id}/_history"),
        Of::Type(named) => format!("{base}/{named}/_history"),
        Of::System => format!("{base}/_history"),
    };
    let kept: Pairs =
        asked.iter().filter(|(name, _)| ["_count", "_since", "_at"].contains(&name.as_str())).cloned().collect();
    let this = asked.iter().find(|(name, _)| name == "_cursor").map(|(_, cursor)| cursor.as_str());
    // Where one page is all there is, it needs no counting.
    let whole = limit > 0 && this.is_none() && page.next.is_none();
    let total = i64::try_from(page.versions.len()).ok().filter(|_| whole);
    let next = page.next.as_deref().map(|cursor| address(&path, &kept, Some(cursor)));
    let bundle = Bundle::of("history", service, address(&path, &kept, this), next, page.versions);
    Bundle { total, ..bundle }.written(form)
}

fn output(service: &Service, found: OperationOutput, form: &Answer) -> Result<String, ApiError> {
    let OperationOutput { output, path, asked } = found;
    let page = match output {
        Output::Value(value) => return Ok(form.value(&form.shaped(value))),
        Output::Page(page) => page,
    };
    let place = format!("{}{path}", service.base);
    let rest: Pairs = asked.iter().filter(|(name, _)| name != "_cursor").cloned().collect();
    let next = page.next.as_deref().map(|cursor| address(&place, &rest, Some(cursor)));
    let Page { versions, included, remarks, total, .. } = page;
    let this = address(&place, &asked, None);
    let bundle = Bundle { included, remarks, total, ..Bundle::of("searchset", service, this, next, versions) };
    bundle.written(form)
}

/// The address of a page: what was understood of the search, and the cursor.
fn address(path: &str, asked: &[(String, String)], cursor: Option<&str>) -> String {
    let mut text = url::form_urlencoded::Serializer::new(String::new());
    text.extend_pairs(asked);
    if let Some(cursor) = cursor {
        text.append_pair("_cursor", cursor);
    }
    let text = text.finish();
    if text.is_empty() { path.to_owned() } else { format!("{path}?{text}") }
}
