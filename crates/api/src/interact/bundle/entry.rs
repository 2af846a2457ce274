//! The entries of a Bundle, each a request (R4 "Bundle", request). They are read as requests over HTTP are: this file only
//! says where in an entry the parts of a request stand.

use std::collections::HashMap;
use std::sync::Arc;

use base64::Engine;
use concord_fhir::codec::{RequestEntry, Requests, place_of_entry};
use concord_fhir::full_url::{self, comparable};
use concord_fhir::issue::{Issue, IssueCode};
use concord_fhir::json::Value;
use concord_fhir::literal;
use concord_fhir::registry::{Registry, ResourceType};
use concord_fhir::search::Handling;

use crate::error::ApiError;
use crate::interact::command::{Command, Content, Criteria, Expected, Method, Request, Route, query_parameters};
use crate::interact::hooks::table;
use crate::interact::{FORM, Pairs, Service, media_type, patch};

/// One entry, understood.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    /// Its place in the Bundle.
    pub(super) place: usize,
    /// Its `fullUrl`, by which others refer to it, in the form that all its spellings have in common.
    pub(super) full_url: Option<String>,
    /// What it asks for.
    pub(crate) command: Command,
    /// The parameters of its address that say in what form the answer goes.
    pub(super) form: Pairs,
    /// Whether only what headers would say is wanted.
    pub(super) is_head: bool,
}

/// Reads the entries of a Bundle of requests.
///
/// # Errors
/// When there are too many. What is wrong with an entry stands in its place.
pub(super) async fn entries(
    service: &Service,
    bundle: Requests<'static>,
    handling: Handling,
) -> Result<Vec<Result<Entry, ApiError>>, ApiError> {
    let most = service.settings.bundle_entries;
    if bundle.entries.len() > most {
        return Err(ApiError::TooLarge(format!("a Bundle may have at most {most} entries (max_bundle_entries)")));
    }
    let requests: Vec<Result<Read, ApiError>> =
        bundle.entries.into_iter().enumerate().map(|(place, entry)| request(service, place, entry, handling)).collect();
    let read = |registry: &Registry| -> Vec<Option<Result<Criteria, ApiError>>> {
        let one = |request: &Result<Read, ApiError>| {
            request.as_ref().ok().map(|read| read.request.criteria(service, registry))
        };
        requests.iter().map(one).collect()
    };
    let mut criteria = read(&service.store.registry());
    let settled = |one: &Option<Result<Criteria, ApiError>>| match one {
        Some(criteria) => criteria.as_ref().is_ok_and(Criteria::is_settled),
        None => true,
    };
    if !criteria.iter().all(settled) {
        criteria = read(&*service.store.newest_registry().await?);
    }
    Ok(requests
        .into_iter()
        .zip(criteria)
        .enumerate()
        .map(|(place, (request, criteria))| {
            let Read { request, content, full_url, is_head } = request?;
            let form = request.parameters.iter().filter(|(name, _)| FORM.contains(&name.as_str())).cloned().collect();
            let criteria =
                criteria.unwrap_or_else(|| Err(ApiError::Internal("an entry without criteria".to_owned())))?;
            let command = request.command_for(service, criteria, content)?;
            Ok(Entry { place, full_url, command, form, is_head })
        })
        .collect())
}

/// An entry whose command still lacks its criteria.
struct Read {
    request: Request,
    content: Content,
    full_url: Option<String>,
    is_head: bool,
}

impl Entry {
    /// Whether only what headers would say is wanted.
    pub(crate) fn is_head(&self) -> bool {
        self.is_head
    }

    /// The order in which the entries of a transaction are carried out. Those that write to known resources go by their
    /// ids: of two transactions that change the same ones, one then waits for the other, and never each for the other.
    pub(super) fn order(&self) -> (u8, Option<(ResourceType, &str)>, usize) {
        (self.command.rank(), self.command.changed(), self.place)
    }

    /// The root of its `fullUrl`, if that is the address of a resource on some server.
    pub(super) fn root(&self) -> Option<&str> {
        full_url::root(self.full_url.as_deref()?, self.command.resource_type()?.name())
    }

    /// The parameters of its address that say in what form the answer goes.
    pub(crate) fn form(&self) -> &[(String, String)] {
        &self.form
    }
}

/// The ids that entries have in their content and do not get, as `Type/id`, with the places of the entries.
pub(super) fn left_ids<'e>(entries: impl Iterator<Item = &'e Entry>) -> Arc<HashMap<String, usize>> {
    let anew = entries.filter(|entry| entry.command.names_anew());
    let named = anew.filter_map(|entry| {
        let id = entry.command.resource()?.text("id")?;
        Some((format!("{}/{id}", entry.command.resource_type()?), entry.place))
    });
    Arc::new(named.collect())
}

fn request(
    service: &Service,
    place: usize,
    entry: RequestEntry<'static>,
    handling: Handling,
) -> Result<Read, ApiError> {
    let RequestEntry { value: entry, problems, resource } = entry;
    if !problems.is_empty() {
        return Err(ApiError::invalid(problems));
    }
    let at = |text: String| {
        ApiError::Malformed(vec![Issue::error(IssueCode::Value, format!("{}.request", place_of_entry(place)), text)])
    };
    let request =
        entry.get("request").ok_or_else(|| at("an entry of a batch or transaction has a request".to_owned()))?;
    let (name, url) = (request.text("method").unwrap_or_default(), request.text("url").unwrap_or_default());
    let url = below_base(url, &service.base)
        .ok_or_else(|| at(format!("the url is of another server; this one is {}", service.base)))?;
    let (path, query) = url.split_once('?').unwrap_or((url, ""));
    let route = Route::of(name, path)?;
    let text = |name: &str| request.text(name).map(str::to_owned);
    let mut read = Request {
        method: route.method,
        address: route.address()?,
        parameters: query_parameters(query.as_bytes(), &[])?,
        handling,
        if_match: text("ifMatch"),
        if_none_match: text("ifNoneMatch"),
        if_modified_since: text("ifModifiedSince"),
        if_none_exist: text("ifNoneExist"),
    };
    let content = content(service, &mut read, query, resource, &at)?;
    let full_url = entry.text("fullUrl").map(|url| comparable(url).into_owned());
    Ok(Read { request: read, content, full_url, is_head: route.is_head })
}

/// What the url of an entry says below this server's address: it is relative to that, or begins with it, or with its path. What a
/// client leaves out of a request goes here too: the fragment, and dots before a relative path. None for one of another server.
fn below_base<'u>(url: &'u str, base: &str) -> Option<&'u str> {
    let url = literal::whole(url);
    if let Some(below) = literal::behind(url, base) {
        return Some(below);
    }
    let path = url.split('?').next().unwrap_or_default();
    (!path.contains("://")).then(|| url.trim_start_matches("./"))
}

/// What stands for the body of a request, read as what it has to be.
fn content(
    service: &Service,
    request: &mut Request,
    query: &str,
    resource: Option<Result<Value<'static>, Vec<Issue>>>,
    at: &dyn Fn(String) -> ApiError,
) -> Result<Content, ApiError> {
    let expected = request.expected()?;
    let resource = match (expected, resource) {
        // Nobody looks at what comes all the same.
        (Expected::Nothing, _) | (_, None) => None,
        (Expected::Input(operation), Some(Err(problems))) if operation.conduct.takes_invalid => {
            return Ok(Content::Invalid(problems));
        }
        (_, Some(Err(problems))) => return Err(ApiError::invalid(problems)),
        (_, Some(Ok(resource))) => Some(resource),
    };
    Ok(match expected {
        Expected::Nothing => Content::Nothing,
        Expected::Form => {
            if let Some(resource) = &resource {
                let form = binary(resource, media_type::FORM, "a form").map_err(at)?;
                request.parameters = query_parameters(query.as_bytes(), &form)?;
            }
            Content::Nothing
        }
        Expected::Resource(named) => {
            Content::Resource(resource.ok_or_else(|| at(format!("the entry needs a resource of type {named}")))?)
        }
        Expected::Patch => {
            let forms = media_type::PATCHES.join(", ");
            let missing = || {
                at(format!("a patch comes as Parameters, or as a Binary with data and one of the contentTypes {forms}"))
            };
            let resource = resource.ok_or_else(missing)?;
            let Some(media) = resource.text("contentType").map(media_type::bare) else {
                return patch::of_resource(&resource, &service.settings.limits).map(Content::Patch);
            };
            let body = binary(&resource, &media, "a patch").map_err(at)?;
            Content::Patch(patch::read_as(&media, &body, &service.settings.limits)?)
        }
        Expected::Input(_) => match resource.filter(|_| request.method == Method::Post) {
            Some(resource) => Content::Resource(resource),
            None => Content::Nothing,
        },
        Expected::Bundle => return Err(at("a Bundle is not an entry of another".to_owned())),
    })
}

/// What stands for the body of a request in an entry that is no resource: it comes in a Binary of its media type (R4
/// "RESTful API", transaction: the body of a patch).
fn binary(resource: &Value<'_>, media: &str, what: &str) -> Result<Vec<u8>, String> {
    let is_content = |named: ResourceType| table::HOOKS.of(named).from_content.is_some();
    let named = resource.text("resourceType").and_then(ResourceType::parse);
    let found = Some(resource).filter(|_| named.is_some_and(is_content));
    let found = found.filter(|value| value.text("contentType").is_some_and(|named| media_type::is(named, media)));
    let data = found.and_then(|value| value.text("data"));
    let data = data.ok_or_else(|| format!("{what} comes in a Binary with the contentType {media}"))?;
    let plain: String = data.split_ascii_whitespace().collect();
    base64::engine::general_purpose::STANDARD.decode(plain).map_err(|_| "data: not base64".to_owned())
}
