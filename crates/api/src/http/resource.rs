//! The RESTful interactions, for every resource type alike (R4 "RESTful API").

use actix_web::web::{Bytes, Data, Path};
use actix_web::{HttpRequest, HttpResponse};
use concord_fhir::issue::{Issue, IssueCode};
use concord_fhir::registry::ResourceType;
use concord_fhir::search::Query;
use concord_fhir::value::is_id;

use super::Server;
use super::collection::Bundle;
use super::exchange::{Exchange, exchange};
use super::negotiate::Answer;
use crate::fault::Fault;
use crate::interact::history::{Of, Range};
use crate::interact::update::Target;
use crate::interact::{self, AUDIT_EVENT, FORM, PROVENANCE};

pub(super) type Answered = Result<HttpResponse, (Fault, Answer)>;

/// What is possible on a type that nobody changes.
const APPEND_ONLY: &str = "GET, HEAD, POST";

pub(super) fn resource_type(name: &str) -> Result<ResourceType, Fault> {
    ResourceType::parse(name)
        .filter(|named| named.name() != "Parameters")
        .ok_or_else(|| Fault::NoSuchType(name.chars().take(64).collect()))
}

/// Whether a text has the form of a logical id; what has not cannot be the id of anything.
pub(super) fn logical_id(id: String) -> Result<String, Fault> {
    if is_id(&id) { Ok(id) } else { Err(Fault::NotFound) }
}

/// Audit events and provenance say what happened: nobody changes them (405 for everybody).
fn changeable(resource_type: ResourceType) -> Result<(), Fault> {
    if resource_type == AUDIT_EVENT || resource_type == PROVENANCE {
        return Err(Fault::NotAllowed {
            text: format!("a {resource_type} is never changed or deleted"),
            allow: APPEND_ONLY,
        });
    }
    Ok(())
}

/// The type, if its resources have more than one version.
fn with_history(name: &str) -> Result<ResourceType, Fault> {
    let named = resource_type(name)?;
    if named == AUDIT_EVENT {
        let text = "an audit event has one version; read it, or search the log".to_owned();
        return Err(Fault::NotAllowed { text, allow: "" });
    }
    Ok(named)
}

/// Read the current version of a resource
#[utoipa::path(get, path = "/fhir/{type}/{id}", tag = "resources", operation_id = "read",
    params(
        ("type" = String, Path, description = "Resource type"), ("id" = String, Path, description = "Logical id"),
        ("If-None-Match" = Option<String>, Header, description = "304 when the client has this version"),
        ("If-Modified-Since" = Option<String>, Header, description = "304 when nothing is newer"),
        ("_summary" = Option<String>, Query, description = "true, text, data or false"),
        ("_elements" = Option<String>, Query, description = "Names of elements, separated by commas"),
        ("_format" = Option<String>, Query, description = "json or xml"), ("_pretty" = Option<bool>, Query)),
    responses(
        (status = 200, description = "The resource", content_type = "application/fhir+json"),
        (status = 304, description = "The client has this version"), (status = 401, description = "No valid token"),
        (status = 403, description = "No scope for it"), (status = 404, description = "Not there, or hidden from the caller"),
        (status = 410, description = "Deleted")))]
pub async fn read(request: HttpRequest, server: Data<Server>, path: Path<(String, String)>) -> HttpResponse {
    exchange(&request, &server, None, async |exchange| {
        let found = async {
            let (name, id) = path.into_inner();
            let (named, id) = (resource_type(&name)?, logical_id(id)?);
            interact::read::read(&exchange.server.concord, exchange.call.clone(), named, id).await
        };
        match found.await {
            Ok(version) => exchange.read(version),
            Err(fault) => Err(exchange.fault(fault)),
        }
    })
    .await
}

/// Read one version of a resource
#[utoipa::path(get, path = "/fhir/{type}/{id}/_history/{version}", tag = "resources", operation_id = "vread",
    params(("type" = String, Path), ("id" = String, Path), ("version" = String, Path, description = "Version id")),
    responses((status = 200, description = "The version", content_type = "application/fhir+json"),
        (status = 401, description = "No valid token"), (status = 403, description = "No scope for it"),
        (status = 404, description = "Not there, or hidden from the caller"), (status = 410, description = "A deletion")))]
pub async fn vread(request: HttpRequest, server: Data<Server>, path: Path<(String, String, String)>) -> HttpResponse {
    exchange(&request, &server, None, async |exchange| {
        let found = async {
            let (name, id, number) = path.into_inner();
            let (named, id) = (resource_type(&name)?, logical_id(id)?);
            let number = number.parse::<i64>().ok().filter(|number| *number > 0).ok_or(Fault::NotFound)?;
            interact::read::vread(&exchange.server.concord, exchange.call.clone(), named, id, number).await
        };
        match found.await {
            Ok(version) => exchange.read(version),
            Err(fault) => Err(exchange.fault(fault)),
        }
    })
    .await
}

/// Store a new resource
#[utoipa::path(post, path = "/fhir/{type}", tag = "resources", operation_id = "create",
    params(("type" = String, Path),
        ("If-None-Exist" = Option<String>, Header, description = "A search; the resource is stored only if nothing matches"),
        ("X-Provenance" = Option<String>, Header, description = "A Provenance in JSON without a target: where it is from"),
        ("Prefer" = Option<String>, Header, description = "return=minimal, representation or OperationOutcome")),
    request_body(content = String, content_type = "application/fhir+json"),
    responses((status = 201, description = "Stored"), (status = 200, description = "There is one already"),
        (status = 400, description = "Not a resource"), (status = 401, description = "No valid token"),
        (status = 403, description = "Not permitted"), (status = 412, description = "Several match"),
        (status = 413, description = "Too large"), (status = 415, description = "Not a FHIR media type"),
        (status = 422, description = "Not valid, or against a rule of the type")))]
pub async fn create(
    request: HttpRequest,
    server: Data<Server>,
    path: Path<String>,
    body: Result<Bytes, actix_web::Error>,
) -> HttpResponse {
    exchange(&request, &server, None, async |exchange| {
        let done = async {
            let named = resource_type(&path.into_inner())?;
            let value = exchange.body(&received(body)?, named)?;
            let condition = match exchange.demanded("If-None-Exist")? {
                Some(text) => Some(exchange.condition(named, text).await?),
                None => None,
            };
            interact::create::create(&exchange.server.concord, exchange.call.clone(), named, value, condition).await
        };
        match done.await {
            Ok(written) => exchange.written(written),
            Err(fault) => Err(exchange.fault(fault)),
        }
    })
    .await
}

/// Put a new version in place
#[utoipa::path(put, path = "/fhir/{type}/{id}", tag = "resources", operation_id = "update",
    params(("type" = String, Path), ("id" = String, Path),
        ("If-Match" = Option<String>, Header, description = "The version that the change was made for"),
        ("If-None-Match" = Option<String>, Header, description = "*: only if there is no current version"),
        ("X-Provenance" = Option<String>, Header, description = "A Provenance in JSON without a target: where it is from"),
        ("Prefer" = Option<String>, Header, description = "return=minimal, representation or OperationOutcome")),
    request_body(content = String, content_type = "application/fhir+json"),
    responses((status = 200, description = "Stored, or the same as before"),
        (status = 201, description = "Stored under an id that a system chose"),
        (status = 400, description = "Not a resource"), (status = 401, description = "No valid token"),
        (status = 403, description = "Not permitted; what another wrote is commented on"),
        (status = 404, description = "Not there, or hidden from the caller"), (status = 405, description = "Never changed"),
        (status = 412, description = "Another version is current"), (status = 422, description = "Not valid")))]
pub async fn update(
    request: HttpRequest,
    server: Data<Server>,
    path: Path<(String, String)>,
    body: Result<Bytes, actix_web::Error>,
) -> HttpResponse {
    exchange(&request, &server, None, async |exchange| {
        let done = async {
            let (name, id) = path.into_inner();
            let named = resource_type(&name)?;
            changeable(named)?;
            let id = logical_id(id)?;
            let value = exchange.body(&received(body)?, named)?;
            if value.text("id") != Some(id.as_str()) {
                return Err(Fault::Malformed(vec![Issue::error(
                    IssueCode::Value,
                    format!("{named}.id"),
                    "the id in the body must be the one in the address",
                )]));
            }
            let precondition = exchange.precondition()?;
            let (concord, call) = (&exchange.server.concord, exchange.call.clone());
            interact::update::update(concord, call, named, Target::Id(id), value, precondition).await
        };
        match done.await {
            Ok(written) => exchange.written(written),
            Err(fault) => Err(exchange.fault(fault)),
        }
    })
    .await
}

/// Update the only match, or create
#[utoipa::path(put, path = "/fhir/{type}", tag = "resources", operation_id = "conditionalUpdate",
    params(("type" = String, Path), ("If-Match" = Option<String>, Header)),
    request_body(content = String, content_type = "application/fhir+json"),
    responses((status = 200, description = "The match was updated"), (status = 201, description = "Nothing matched; stored"),
        (status = 400, description = "No condition, or not a resource"), (status = 401, description = "No valid token"),
        (status = 403, description = "Not permitted"), (status = 412, description = "Several match"),
        (status = 422, description = "Not valid")))]
pub async fn conditional_update(
    request: HttpRequest,
    server: Data<Server>,
    path: Path<String>,
    body: Result<Bytes, actix_web::Error>,
) -> HttpResponse {
    exchange(&request, &server, None, async |exchange| {
        let done = async {
            let named = resource_type(&path.into_inner())?;
            changeable(named)?;
            let value = exchange.body(&received(body)?, named)?;
            let target = Target::Match(Box::new(exchange.own_condition(named).await?));
            let precondition = exchange.precondition()?;
            let (concord, call) = (&exchange.server.concord, exchange.call.clone());
            interact::update::update(concord, call, named, target, value, precondition).await
        };
        match done.await {
            Ok(written) => exchange.written(written),
            Err(fault) => Err(exchange.fault(fault)),
        }
    })
    .await
}

/// Change parts of a resource
#[utoipa::path(patch, path = "/fhir/{type}/{id}", tag = "resources", operation_id = "patch",
    params(("type" = String, Path), ("id" = String, Path),
        ("If-Match" = Option<String>, Header, description = "The version that the change was made for"),
        ("X-Provenance" = Option<String>, Header, description = "A Provenance in JSON without a target: where it is from"),
        ("Prefer" = Option<String>, Header, description = "return=minimal, representation or OperationOutcome")),
    request_body(content = String, content_type = "application/json-patch+json"),
    responses((status = 200, description = "Stored, or the same as before"), (status = 400, description = "Not a JSON Patch"),
        (status = 401, description = "No valid token"),
        (status = 403, description = "Not permitted; what another wrote is commented on"),
        (status = 404, description = "Not there, or hidden from the caller"), (status = 405, description = "Never changed"),
        (status = 409, description = "A test of the patch does not hold"),
        (status = 412, description = "Another version is current"), (status = 415, description = "Not a JSON Patch"),
        (status = 422, description = "The patch does not fit, or what comes of it is not valid")))]
pub async fn patch(
    request: HttpRequest,
    server: Data<Server>,
    path: Path<(String, String)>,
    body: Result<Bytes, actix_web::Error>,
) -> HttpResponse {
    exchange(&request, &server, None, async |exchange| {
        let (name, id) = path.into_inner();
        patched(exchange, &name, Some(id), body).await
    })
    .await
}

/// Change parts of the only match
#[utoipa::path(patch, path = "/fhir/{type}", tag = "resources", operation_id = "conditionalPatch",
    params(("type" = String, Path), ("If-Match" = Option<String>, Header)),
    request_body(content = String, content_type = "application/json-patch+json"),
    responses((status = 200, description = "The match was changed"), (status = 400, description = "No condition, or not a JSON Patch"),
        (status = 401, description = "No valid token"), (status = 403, description = "Not permitted"),
        (status = 404, description = "Nothing matches"), (status = 409, description = "A test of the patch does not hold"),
        (status = 412, description = "Several match"), (status = 422, description = "Not valid")))]
pub async fn conditional_patch(
    request: HttpRequest,
    server: Data<Server>,
    path: Path<String>,
    body: Result<Bytes, actix_web::Error>,
) -> HttpResponse {
    exchange(&request, &server, None, async |exchange| patched(exchange, &path.into_inner(), None, body).await).await
}

/// The resource of that id, or without one the only match of the condition in the query.
async fn patched(
    exchange: Exchange,
    name: &str,
    id: Option<String>,
    body: Result<Bytes, actix_web::Error>,
) -> Answered {
    let done = async {
        let named = resource_type(name)?;
        changeable(named)?;
        let id = id.map(logical_id).transpose()?;
        let patch = exchange.patch(&received(body)?)?;
        let target = match id {
            Some(id) => Target::Id(id),
            None => Target::Match(Box::new(exchange.own_condition(named).await?)),
        };
        let precondition = exchange.precondition()?;
        let (concord, call) = (&exchange.server.concord, exchange.call.clone());
        interact::patch::patch(concord, call, named, target, patch, precondition).await
    };
    match done.await {
        Ok(written) => exchange.written(written),
        Err(fault) => Err(exchange.fault(fault)),
    }
}

/// Delete a resource; its versions stay in the history
#[utoipa::path(delete, path = "/fhir/{type}/{id}", tag = "resources", operation_id = "delete",
    params(("type" = String, Path), ("id" = String, Path), ("If-Match" = Option<String>, Header)),
    responses((status = 204, description = "Deleted, now or before"), (status = 401, description = "No valid token"),
        (status = 403, description = "Not permitted"), (status = 404, description = "Not there, or hidden from the caller"),
        (status = 405, description = "Never deleted"), (status = 412, description = "Another version is current")))]
pub async fn delete(request: HttpRequest, server: Data<Server>, path: Path<(String, String)>) -> HttpResponse {
    exchange(&request, &server, None, async |exchange| {
        let done = async {
            let (name, id) = path.into_inner();
            let named = resource_type(&name)?;
            changeable(named)?;
            let target = Target::Id(logical_id(id)?);
            let (concord, call) = (&exchange.server.concord, exchange.call.clone());
            interact::delete::delete(concord, call, named, target, exchange.precondition()?).await
        };
        match done.await {
            Ok(version) => Ok(deleted(version)),
            Err(fault) => Err(exchange.fault(fault)),
        }
    })
    .await
}

/// Delete the only match
#[utoipa::path(delete, path = "/fhir/{type}", tag = "resources", operation_id = "conditionalDelete",
    params(("type" = String, Path)),
    responses((status = 204, description = "The match is deleted, or nothing matched"),
        (status = 400, description = "No condition"), (status = 401, description = "No valid token"),
        (status = 403, description = "Not permitted"), (status = 412, description = "Several match")))]
pub async fn conditional_delete(request: HttpRequest, server: Data<Server>, path: Path<String>) -> HttpResponse {
    exchange(&request, &server, None, async |exchange| {
        let done = async {
            let named = resource_type(&path.into_inner())?;
            changeable(named)?;
            let target = Target::Match(Box::new(exchange.own_condition(named).await?));
            let (concord, call) = (&exchange.server.concord, exchange.call.clone());
            interact::delete::delete(concord, call, named, target, exchange.precondition()?).await
        };
        match done.await {
            Ok(version) => Ok(deleted(version)),
            Err(fault) => Err(exchange.fault(fault)),
        }
    })
    .await
}

/// The versions of one resource, newest first
#[utoipa::path(get, path = "/fhir/{type}/{id}/_history", tag = "history", operation_id = "instanceHistory",
    params(("type" = String, Path), ("id" = String, Path), ("_count" = Option<u32>, Query),
        ("_since" = Option<String>, Query, description = "An instant"), ("_at" = Option<String>, Query, description = "A date or time"),
        ("_cursor" = Option<String>, Query)),
    responses((status = 200, description = "A history Bundle", content_type = "application/fhir+json"),
        (status = 400, description = "A parameter is wrong"), (status = 401, description = "No valid token"),
        (status = 403, description = "No scope for it"), (status = 404, description = "Not there, or hidden from the caller")))]
pub async fn instance_history(
    request: HttpRequest,
    server: Data<Server>,
    path: Path<(String, String)>,
) -> HttpResponse {
    exchange(&request, &server, None, async |exchange| {
        let (name, id) = path.into_inner();
        let of = with_history(&name).and_then(|named| Ok(Of::Instance(named, logical_id(id)?)));
        versions(exchange, of).await
    })
    .await
}

/// The versions of all resources of a type, newest first
#[utoipa::path(get, path = "/fhir/{type}/_history", tag = "history", operation_id = "typeHistory",
    params(("type" = String, Path), ("_count" = Option<u32>, Query), ("_since" = Option<String>, Query),
        ("_at" = Option<String>, Query), ("_cursor" = Option<String>, Query)),
    responses((status = 200, description = "A history Bundle", content_type = "application/fhir+json"),
        (status = 400, description = "A parameter is wrong"), (status = 401, description = "No valid token"),
        (status = 403, description = "No scope for it")))]
pub async fn type_history(request: HttpRequest, server: Data<Server>, path: Path<String>) -> HttpResponse {
    exchange(&request, &server, None, async |exchange| {
        let of = with_history(&path.into_inner()).map(Of::Type);
        versions(exchange, of).await
    })
    .await
}

/// The versions of all resources, newest first
#[utoipa::path(get, path = "/fhir/_history", tag = "history", operation_id = "systemHistory",
    params(("_count" = Option<u32>, Query), ("_since" = Option<String>, Query), ("_at" = Option<String>, Query),
        ("_cursor" = Option<String>, Query)),
    responses((status = 200, description = "A history Bundle", content_type = "application/fhir+json"),
        (status = 400, description = "A parameter is wrong"), (status = 401, description = "No valid token"),
        (status = 403, description = "No scope for it")))]
pub async fn system_history(request: HttpRequest, server: Data<Server>) -> HttpResponse {
    exchange(&request, &server, None, async |exchange| versions(exchange, Ok(Of::System)).await).await
}

async fn versions(exchange: Exchange, of: Result<Of, Fault>) -> Answered {
    let done = async {
        let of = of?;
        let concord = &exchange.server.concord;
        let range = Range::read(&exchange.pairs, concord.page)?;
        let limit = range.limit;
        let page = interact::history::history(concord, exchange.call.clone(), of.clone(), range).await?;
        Ok((of, page, limit))
    };
    match done.await {
        Ok((of, page, limit)) => exchange.bundle(history_bundle(&exchange, of, &exchange.pairs, page, limit)),
        Err(fault) => Err(exchange.fault(fault)),
    }
}

/// A page of a history that was asked for with these parameters.
pub(super) fn history_bundle<'a>(
    exchange: &'a Exchange,
    of: Of,
    pairs: &[(String, String)],
    page: interact::history::Page,
    limit: u32,
) -> Bundle<'a> {
    let base = exchange.server.concord.base.as_str();
    let path = match of {
        Of::Instance(named, id) => format!("{base}/{named}/{id}/_history"),
        Of::Type(named) => format!("{base}/{named}/_history"),
        Of::System => format!("{base}/_history"),
    };
    let address = |cursor: Option<&str>| {
        let mut text = url::form_urlencoded::Serializer::new(String::new());
        for (name, value) in pairs {
            if ["_count", "_since", "_at"].contains(&name.as_str()) {
                text.append_pair(name, value);
            }
        }
        if let Some(cursor) = cursor {
            text.append_pair("_cursor", cursor);
        }
        let text = text.finish();
        if text.is_empty() { path.clone() } else { format!("{path}?{text}") }
    };
    let this = pairs.iter().find(|(name, _)| name == "_cursor").map(|(_, cursor)| cursor.as_str());
    // Where one page is all there is, it needs no counting.
    let whole = limit > 0 && this.is_none() && page.next.is_none();
    Bundle {
        kind: "history",
        base,
        now_ms: exchange.server.concord.store.now_ms(),
        total: i64::try_from(page.versions.len()).ok().filter(|_| whole),
        this: address(this),
        next: page.next.as_deref().map(|cursor| address(Some(cursor))),
        versions: page.versions,
        included: Vec::new(),
        remarks: Vec::new(),
    }
}

impl Exchange {
    /// The condition in the query of a conditional update or delete.
    async fn own_condition(&self, named: ResourceType) -> Result<Query, Fault> {
        let mut text = url::form_urlencoded::Serializer::new(String::new());
        text.extend_pairs(self.pairs.iter().filter(|(name, _)| !FORM.contains(&name.as_str())));
        self.condition(named, &text.finish()).await
    }

    /// A Bundle as the response.
    pub(super) fn bundle(&self, bundle: Bundle<'_>) -> Answered {
        let text = bundle.written(&self.answer).map_err(|fault| self.fault(fault))?;
        Ok(HttpResponse::Ok()
            .insert_header(("cache-control", "no-store"))
            .content_type(self.answer.content_type())
            .body(text))
    }
}

fn deleted(version: Option<i64>) -> HttpResponse {
    let mut builder = HttpResponse::NoContent();
    if let Some(version) = version {
        builder.insert_header(("etag", format!("W/\"{version}\"")));
    }
    builder.finish()
}

/// The bytes of a body, or why there are none.
pub(super) fn received(body: Result<Bytes, actix_web::Error>) -> Result<Bytes, Fault> {
    body.map_err(|error| match error.as_response_error().status_code().as_u16() {
        413 => Fault::TooLarge("the body is larger than max_body_bytes".to_owned()),
        _ => Fault::Malformed(vec![Issue::plain(IssueCode::Structure, "the body did not arrive whole")]),
    })
}
