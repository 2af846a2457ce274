//! What an entry of a Bundle asks for, read from its request.

use base64::Engine;
use concord_fhir::issue::{Issue, IssueCode};
use concord_fhir::json::Value;
use concord_fhir::patch::Patch;
use concord_fhir::registry::{Registry, ResourceType};
use concord_fhir::search::{self, Handling, Query};

use crate::fault::Fault;
use crate::interact::history::{Of, Range};
use crate::interact::operation::{self, Input, Operation};
use crate::interact::update::Precondition;
use crate::interact::{AUDIT_EVENT, Concord, FORM, PROVENANCE, Pairs, matching, parameters};

/// How many entries a Bundle may have.
const ENTRIES: usize = 5_000;

/// One entry, understood.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    /// Its place in the Bundle.
    pub(super) place: usize,
    /// Its `fullUrl`, by which others refer to it.
    pub(super) full_url: Option<String>,
    pub(super) resource_type: ResourceType,
    pub(super) what: What,
    pub(super) value: Option<Value<'static>>,
    pub(super) precondition: Option<Precondition>,
    /// The parameters of its address that say in what form the answer goes.
    pub(super) form: Pairs,
}

/// What an entry asks for.
#[derive(Clone, Debug)]
pub(super) enum What {
    Create(Option<Box<Query>>),
    Update(String),
    UpdateMatch(Box<Query>),
    Patch(String, Patch),
    PatchMatch(Box<Query>, Patch),
    Delete(String),
    DeleteMatch(Box<Query>),
    Read(String),
    Vread(String, i64),
    /// What is searched, and its path below the base.
    Search(Box<Query>, String),
    /// Which versions, with the parameters.
    History(Of, Range, Pairs),
    /// Only in a batch: an operation has a transaction of its own.
    Operation(Box<Called>),
}

/// An operation that an entry calls.
#[derive(Clone, Debug)]
pub(super) struct Called {
    pub(super) operation: &'static Operation,
    pub(super) target: operation::Target,
    pub(super) input: Input,
    /// Its path below the base.
    pub(super) path: String,
}

impl What {
    /// When it is carried out in a transaction.
    pub(super) fn rank(&self) -> u8 {
        match self {
            What::Delete(_) => 0,
            What::DeleteMatch(_) => 1,
            What::Create(_) => 2,
            What::Update(_) | What::Patch(..) => 3,
            What::UpdateMatch(_) | What::PatchMatch(..) => 4,
            _ => 5,
        }
    }

    /// Whether it takes something away.
    pub(super) fn removes(&self) -> bool {
        matches!(self, What::Delete(_) | What::DeleteMatch(_))
    }

    /// The condition on which something is created or changed.
    pub(super) fn condition(&self) -> Option<&Query> {
        match self {
            What::Create(condition) => condition.as_deref(),
            What::UpdateMatch(query) | What::PatchMatch(query, _) => Some(query),
            _ => None,
        }
    }

    /// The id of what is changed or taken away, if it is known beforehand.
    pub(super) fn changed(&self) -> Option<&str> {
        match self {
            What::Update(id) | What::Patch(id, _) | What::Delete(id) => Some(id),
            _ => None,
        }
    }

    /// Whether it changes what is there, or may do so.
    pub(super) fn changes(&self) -> bool {
        self.changed().is_some() || matches!(self, What::UpdateMatch(_) | What::PatchMatch(..) | What::DeleteMatch(_))
    }
}

/// Reads the entries of a checked Bundle.
///
/// # Errors
/// Every entry that is no request that this server takes, with its place.
pub(crate) async fn entries(concord: &Concord, bundle: &Value<'static>) -> Result<Vec<Result<Entry, Fault>>, Fault> {
    let list = bundle.list("entry");
    if list.len() > ENTRIES {
        return Err(Fault::TooLarge(format!("a Bundle may have at most {ENTRIES} entries")));
    }
    let read = |registry: &Registry| -> Vec<Result<Entry, Fault>> {
        list.iter().enumerate().map(|(place, value)| entry(concord, registry, place, value)).collect()
    };
    let known = read(&concord.store.registry());
    if known.iter().all(|entry| entry.as_ref().is_ok_and(Entry::is_settled)) {
        return Ok(known);
    }
    Ok(read(&*concord.store.newest_registry().await?))
}

impl Entry {
    /// The order in which the entries of a transaction are carried out. Those that write to known resources go by their
    /// ids: of two transactions that change the same ones, one then waits for the other, and never each for the other.
    pub(super) fn order(&self) -> (u8, Option<(ResourceType, &str)>, usize) {
        let known = self.what.changed().map(|id| (self.resource_type, id));
        (self.what.rank(), known, self.place)
    }

    /// The root of its `fullUrl`, if that is the address of a resource on some server.
    pub(super) fn root(&self) -> Option<&str> {
        let (rest, _) = self.full_url.as_deref()?.rsplit_once('/')?;
        rest.strip_suffix(self.resource_type.name()).filter(|root| root.ends_with('/'))
    }

    /// Whether it would be read the same whatever search parameters have been added.
    fn is_settled(&self) -> bool {
        match &self.what {
            What::Create(Some(query))
            | What::UpdateMatch(query)
            | What::PatchMatch(query, _)
            | What::DeleteMatch(query)
            | What::Search(query, _) => parameters::is_settled(query),
            _ => true,
        }
    }

    /// The parameters of its address that say in what form the answer goes.
    pub(crate) fn form(&self) -> &[(String, String)] {
        &self.form
    }
}

fn entry(concord: &Concord, registry: &Registry, place: usize, value: &Value<'static>) -> Result<Entry, Fault> {
    let at = |text: String| {
        Fault::Malformed(vec![Issue::error(IssueCode::Value, format!("Bundle.entry[{place}].request"), text)])
    };
    let request =
        value.get("request").ok_or_else(|| at("an entry of a batch or transaction has a request".to_owned()))?;
    let url = request.text("url").unwrap_or_default();
    let url = url.strip_prefix(&concord.base).unwrap_or(url).trim_start_matches('/');
    let (path, query) = match url.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (url, None),
    };
    let parts: Vec<&str> = path.split('/').collect();
    let name = parts.first().copied().unwrap_or_default();
    let resource_type = ResourceType::parse(name)
        .filter(|named| named.name() != "Parameters")
        .ok_or_else(|| at(format!("url does not begin with a resource type: {:?}", shortened(name))))?;
    let now = concord.store.now_ms();
    let condition = |text: &str| {
        let pairs = pairs(text);
        let query = search::parse_with(registry, Some(resource_type), &pairs, Handling::Strict, now, &concord.base)
            .map_err(Fault::Malformed)?;
        if query.predicate == concord_fhir::predicate::Predicate::All {
            return Err(at("the condition names no search parameter".to_owned()));
        }
        Ok(Box::new(query))
    };
    let asked = pairs(query.unwrap_or_default());
    let searched = |within: Option<ResourceType>| {
        let pairs: Vec<_> = asked.iter().filter(|(name, _)| !["_format", "_pretty"].contains(&name.as_str())).collect();
        let pairs: Pairs = pairs.into_iter().cloned().collect();
        search::parse_with(registry, within, &pairs, Handling::Lenient, now, &concord.base).map_err(Fault::Malformed)
    };
    let (form, named): (Vec<_>, Vec<_>) = asked.iter().cloned().partition(|(name, _)| FORM.contains(&name.as_str()));
    let read_only = named.is_empty();
    let below = || format!("/{path}");
    let range = || Range::read(&asked, concord.page);
    let id_of = |id: &str| match concord_fhir::value::is_id(id) {
        true => Ok(id.to_owned()),
        false => Err(Fault::NotFound),
    };
    let method = request.text("method").unwrap_or_default();
    let resource = value.get("resource").cloned();
    let what = match (method, parts.as_slice(), query) {
        ("POST", [_], None) => match request.text("ifNoneExist") {
            Some(text) => {
                let text = matching::criteria(&concord.base, resource_type, text);
                What::Create(Some(condition(text)?))
            }
            None => What::Create(None),
        },
        ("PUT", [_, id], None) => What::Update((*id).to_owned()),
        ("PUT", [_], Some(query)) => What::UpdateMatch(condition(query)?),
        ("PATCH", [_, id], None) => What::Patch((*id).to_owned(), patch(concord, resource.as_ref()).map_err(at)?),
        ("PATCH", [_], Some(query)) => {
            What::PatchMatch(condition(query)?, patch(concord, resource.as_ref()).map_err(at)?)
        }
        ("DELETE", [_, id], None) => What::Delete((*id).to_owned()),
        ("DELETE", [_], Some(query)) => What::DeleteMatch(condition(query)?),
        ("GET" | "HEAD" | "POST", [.., name], _) if name.starts_with('$') && parts.len() <= 3 => {
            let id = if let [_, id, _] = parts.as_slice() { Some(id_of(id)?) } else { None };
            let target = operation::Target { resource_type: Some(resource_type), id };
            let operation = operation::called(name, &target, method != "POST")?;
            let mut input = Input { pairs: named, ..Input::default() };
            if let Some(body) = resource.clone().filter(|_| method == "POST") {
                input = input.with_body(body);
            }
            input.check(operation)?;
            What::Operation(Box::new(Called { operation, target, input, path: below() }))
        }
        ("GET" | "HEAD", [_, "_history"], _) => What::History(Of::Type(resource_type), range()?, asked),
        ("GET" | "HEAD", [_, id], _) if read_only => What::Read((*id).to_owned()),
        ("GET" | "HEAD", [_, id, "_history"], _) => {
            What::History(Of::Instance(resource_type, id_of(id)?), range()?, asked)
        }
        ("GET" | "HEAD", [_, id, "_history", number], _) if read_only => {
            What::Vread((*id).to_owned(), number.parse().map_err(|_| Fault::NotFound)?)
        }
        ("GET" | "HEAD", [_], _) => What::Search(Box::new(searched(Some(resource_type))?.counted()), below()),
        ("GET" | "HEAD", ["Patient", id, within], _) => {
            let within = match *within {
                "*" => None,
                name => Some(ResourceType::parse(name).ok_or(Fault::NotFound)?),
            };
            let query = searched(within)?.in_compartment(&id_of(id)?);
            let query = query.map_err(|issue| Fault::Malformed(vec![issue]))?;
            What::Search(Box::new(query.counted()), below())
        }
        (method, ..) => {
            return Err(at(format!("{} {:?} is not served in a Bundle", shortened(method), shortened(path))));
        }
    };
    if matches!(what, What::Create(_) | What::Update(_) | What::UpdateMatch(_)) {
        let found = resource.as_ref().and_then(|value| value.text("resourceType"));
        if found != Some(resource_type.name()) {
            return Err(at(format!("the entry needs a resource of type {resource_type}")));
        }
    }
    if let What::Update(id) = &what
        && resource.as_ref().and_then(|value| value.text("id")) != Some(id.as_str())
    {
        return Err(at("the id in the resource must be the one in url".to_owned()));
    }
    let changes = what.changes();
    if changes && (resource_type == AUDIT_EVENT || resource_type == PROVENANCE) {
        let text = format!("a {resource_type} is never changed or deleted");
        return Err(Fault::NotAllowed { text, allow: "GET, HEAD, POST" });
    }
    let precondition = match (request.text("ifMatch").map(str::trim), request.text("ifNoneMatch")) {
        // Many write the bare version id here.
        (Some(number), None) if number.bytes().all(|byte| byte.is_ascii_digit()) => {
            number.parse().ok().map(|version| Precondition::OneOf(vec![version]))
        }
        // A read is answered whatever the client has.
        (None, Some(_)) if !changes => None,
        (if_match, if_none_match) => {
            Precondition::read(if_match, if_none_match).map_err(|(name, text)| at(format!("{name}: {text}")))?
        }
    };
    Ok(Entry {
        place,
        full_url: value.text("fullUrl").map(str::to_owned),
        resource_type,
        what,
        value: resource,
        precondition,
        form,
    })
}

fn pairs(text: &str) -> Pairs {
    url::form_urlencoded::parse(text.as_bytes()).into_owned().collect()
}

/// The JSON Patch in the Binary of an entry (R4 "RESTful API", transaction: the body of a patch).
fn patch(concord: &Concord, resource: Option<&Value<'_>>) -> Result<Patch, String> {
    const MEDIA: &str = "application/json-patch+json";
    let binary = resource.filter(|value| value.text("resourceType") == Some("Binary"));
    let binary = binary.filter(|value| value.text("contentType") == Some(MEDIA));
    let data = binary.and_then(|value| value.text("data"));
    let data = data.ok_or_else(|| format!("a patch comes in a Binary with the contentType {MEDIA}"))?;
    let plain: String = data.split_ascii_whitespace().collect();
    let body = base64::engine::general_purpose::STANDARD.decode(plain).map_err(|_| "data: not base64".to_owned())?;
    Patch::read(&body, &concord.limits).map_err(|issues| {
        let texts: Vec<String> = issues.into_iter().map(|issue| issue.text).collect();
        texts.join("; ")
    })
}

fn shortened(text: &str) -> String {
    text.chars().take(64).collect()
}
