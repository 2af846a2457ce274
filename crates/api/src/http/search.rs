//! search: on one type, over several, and in a patient's compartment (R4 "Search").

use actix_web::web::{Bytes, Data, Path};
use actix_web::{HttpRequest, HttpResponse};
use concord_fhir::issue::{Issue, IssueCode, Severity};
use concord_fhir::registry::ResourceType;
use concord_fhir::search::Query;

use super::Server;
use super::collection::Bundle;
use super::exchange::{Exchange, exchange};
use super::resource::{Answered, logical_id, received, resource_type};
use crate::fault::Fault;
use crate::interact;

/// Where a search looks.
enum Within {
    /// Among the resources of one type.
    Type(String),
    /// Among those of the types that `_type` names.
    System,
    /// In the compartment of a patient: one type, or `*`.
    Compartment(String, String),
}

/// Search one type
#[utoipa::path(get, path = "/fhir/{type}", tag = "search", operation_id = "search",
    params(("type" = String, Path),
        ("patient" = Option<String>, Query, description = "Whose record; likewise every other search parameter of the type, see /fhir/metadata"),
        ("_count" = Option<u32>, Query), ("_sort" = Option<String>, Query),
        ("_total" = Option<String>, Query, description = "none, estimate or accurate"),
        ("_cursor" = Option<String>, Query, description = "From a next link"),
        ("_summary" = Option<String>, Query), ("_elements" = Option<String>, Query),
        ("_explain" = Option<bool>, Query, description = "How the search is run; for systems, and where the operator lets others"),
        ("Prefer" = Option<String>, Header, description = "handling=strict refuses unknown parameters")),
    responses((status = 200, description = "A searchset Bundle of what the caller may see", content_type = "application/fhir+json"),
        (status = 400, description = "A parameter is wrong"), (status = 401, description = "No valid token"),
        (status = 403, description = "No scope for it")))]
pub async fn search(request: HttpRequest, server: Data<Server>, path: Path<String>) -> HttpResponse {
    exchange(&request, &server, None, async |exchange| searched(exchange, Within::Type(path.into_inner())).await).await
}

/// Search one type, with the parameters in a form
#[utoipa::path(post, path = "/fhir/{type}/_search", tag = "search", operation_id = "searchByPost",
    params(("type" = String, Path)),
    request_body(content = String, content_type = "application/x-www-form-urlencoded"),
    responses((status = 200, description = "A searchset Bundle", content_type = "application/fhir+json"),
        (status = 400, description = "A parameter is wrong"), (status = 401, description = "No valid token"),
        (status = 403, description = "No scope for it"), (status = 415, description = "Not a form")))]
pub async fn search_by_post(
    request: HttpRequest,
    server: Data<Server>,
    path: Path<String>,
    body: Result<Bytes, actix_web::Error>,
) -> HttpResponse {
    by_form(&request, &server, Within::Type(path.into_inner()), body).await
}

/// Search several types
#[utoipa::path(get, path = "/fhir", tag = "search", operation_id = "searchSystem",
    params(("_type" = String, Query, description = "The types, separated by commas"), ("_count" = Option<u32>, Query),
        ("_sort" = Option<String>, Query), ("_cursor" = Option<String>, Query)),
    responses((status = 200, description = "A searchset Bundle of what the caller may see", content_type = "application/fhir+json"),
        (status = 400, description = "A parameter is wrong"), (status = 401, description = "No valid token"),
        (status = 403, description = "No scope for it")))]
pub async fn system(request: HttpRequest, server: Data<Server>) -> HttpResponse {
    exchange(&request, &server, None, async |exchange| searched(exchange, Within::System).await).await
}

/// Search several types, with the parameters in a form
#[utoipa::path(post, path = "/fhir/_search", tag = "search", operation_id = "searchSystemByPost",
    request_body(content = String, content_type = "application/x-www-form-urlencoded"),
    responses((status = 200, description = "A searchset Bundle", content_type = "application/fhir+json"),
        (status = 400, description = "A parameter is wrong"), (status = 401, description = "No valid token"),
        (status = 403, description = "No scope for it"), (status = 415, description = "Not a form")))]
pub async fn system_by_post(
    request: HttpRequest,
    server: Data<Server>,
    body: Result<Bytes, actix_web::Error>,
) -> HttpResponse {
    by_form(&request, &server, Within::System, body).await
}

/// Search in a patient's compartment
#[utoipa::path(get, path = "/fhir/Patient/{id}/{type}", tag = "search", operation_id = "searchCompartment",
    params(("id" = String, Path), ("type" = String, Path, description = "Resource type, or * for all"),
        ("_type" = Option<String>, Query, description = "With *, the types"), ("_count" = Option<u32>, Query),
        ("_sort" = Option<String>, Query), ("_cursor" = Option<String>, Query)),
    responses((status = 200, description = "A searchset Bundle of what the caller may see", content_type = "application/fhir+json"),
        (status = 400, description = "A parameter is wrong"), (status = 401, description = "No valid token"),
        (status = 403, description = "No scope for it")))]
pub async fn compartment(request: HttpRequest, server: Data<Server>, path: Path<(String, String)>) -> HttpResponse {
    let (id, what) = path.into_inner();
    exchange(&request, &server, None, async |exchange| searched(exchange, Within::Compartment(id, what)).await).await
}

/// Search in a patient's compartment, with the parameters in a form
#[utoipa::path(post, path = "/fhir/Patient/{id}/{type}/_search", tag = "search", operation_id = "searchCompartmentByPost",
    params(("id" = String, Path), ("type" = String, Path, description = "Resource type, or * for all")),
    request_body(content = String, content_type = "application/x-www-form-urlencoded"),
    responses((status = 200, description = "A searchset Bundle", content_type = "application/fhir+json"),
        (status = 400, description = "A parameter is wrong"), (status = 401, description = "No valid token"),
        (status = 403, description = "No scope for it"), (status = 415, description = "Not a form")))]
pub async fn compartment_by_post(
    request: HttpRequest,
    server: Data<Server>,
    path: Path<(String, String)>,
    body: Result<Bytes, actix_web::Error>,
) -> HttpResponse {
    let (id, what) = path.into_inner();
    by_form(&request, &server, Within::Compartment(id, what), body).await
}

async fn by_form(
    request: &HttpRequest,
    server: &Data<Server>,
    within: Within,
    body: Result<Bytes, actix_web::Error>,
) -> HttpResponse {
    let body = received(body);
    let form = body.as_ref().ok().filter(|body| !body.is_empty()).cloned();
    let is_form = request.headers().get("content-type").and_then(|value| value.to_str().ok()).is_some_and(|text| {
        text.split(';').next().is_some_and(|media| media.trim() == "application/x-www-form-urlencoded")
    });
    exchange(request, server, form.as_ref().filter(|_| is_form), async |exchange| {
        if let Err(fault) = body {
            return Err(exchange.fault(fault));
        }
        if form.is_some() && !is_form {
            let fault = Fault::MediaType("send the parameters as application/x-www-form-urlencoded".to_owned());
            return Err(exchange.fault(fault));
        }
        searched(exchange, within).await
    })
    .await
}

/// The type, the patient whose compartment it is, and the path below the base.
fn place(within: Within) -> Result<(Option<ResourceType>, Option<String>, String), Fault> {
    Ok(match within {
        Within::Type(name) => {
            let named = resource_type(&name)?;
            (Some(named), None, format!("/{named}"))
        }
        Within::System => (None, None, String::new()),
        Within::Compartment(id, what) => {
            let id = logical_id(id)?;
            let named = if what == "*" { None } else { Some(resource_type(&what)?) };
            let path = format!("/Patient/{id}/{what}");
            (named, Some(id), path)
        }
    })
}

async fn searched(exchange: Exchange, within: Within) -> Answered {
    let now_ms = exchange.server.concord.store.now_ms();
    let done = async {
        let (named, patient, path) = place(within)?;
        let mut query = exchange.query(named, &exchange.search_pairs()).await?;
        if let Some(patient) = patient {
            query = query.in_compartment(&patient).map_err(|issue| Fault::Malformed(vec![issue]))?;
        }
        query = query.counted();
        let page = interact::search::search(&exchange.server.concord, exchange.call.clone(), query.clone()).await?;
        Ok((path, query, page))
    };
    let (path, query, page) = match done.await {
        Ok(done) => done,
        Err(fault) => return Err(exchange.fault(fault)),
    };
    let base = exchange.server.concord.base.as_str();
    let address = |cursor: Option<&str>| address(&format!("{base}{path}"), &query, cursor);
    let remarks = page.remarks.into_iter().chain(ignored(&query)).collect();
    let bundle = Bundle {
        kind: "searchset",
        base,
        now_ms,
        total: page.total,
        this: address(query.cursor.as_deref()),
        next: page.next.as_deref().map(|cursor| address(Some(cursor))),
        versions: page.versions,
        included: page.included,
        remarks,
    };
    exchange.bundle(bundle)
}

/// What the client should know of the parameters that were not understood.
pub(super) fn ignored(query: &Query) -> impl Iterator<Item = Issue> {
    query.ignored.iter().map(|(name, why)| {
        let shown: String = name.chars().take(128).collect();
        Issue::remark(Severity::Warning, IssueCode::NotSupported, format!("parameter {shown} was ignored: {why}"))
    })
}

/// The address of a page: what was understood of the search, and the cursor.
pub(super) fn address(path: &str, query: &Query, cursor: Option<&str>) -> String {
    let mut text = url::form_urlencoded::Serializer::new(String::new());
    text.extend_pairs(&query.used);
    if let Some(cursor) = cursor {
        text.append_pair("_cursor", cursor);
    }
    let text = text.finish();
    if text.is_empty() { path.to_owned() } else { format!("{path}?{text}") }
}

impl Exchange {
    /// The parameters that say what is searched, without those of the form of the answer.
    fn search_pairs(&self) -> Vec<(String, String)> {
        self.pairs.iter().filter(|(name, _)| !["_format", "_pretty"].contains(&name.as_str())).cloned().collect()
    }
}
