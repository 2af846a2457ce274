//! Where a request goes: the path below the base, and the methods that there are at it (R4 "RESTful API", HTTP summary).
//!
//! Interactions are told apart here, by method and path, for requests and for entries of a Bundle alike; what a body has to be and what is
//! read of it follows from that (`request`).

use std::borrow::Cow;

use concord_fhir::issue::{Issue, IssueCode};
use concord_fhir::registry::{ResourceType, is_addressed, is_own_record};
use concord_fhir::value::is_id;
use percent_encoding::percent_decode_str;

use crate::error::ApiError;
use crate::interact::command::precondition::version_number;
use crate::interact::hooks::table;
use crate::interact::operation::{self, OperationTarget};
use crate::interact::{Pairs, is_event};

/// A method of HTTP. HEAD is GET whose body is not sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Method {
    /// `GET` or `HEAD`.
    Get,
    /// `POST`.
    Post,
    /// `PUT`.
    Put,
    /// `PATCH`.
    Patch,
    /// `DELETE`.
    Delete,
}

impl Method {
    /// The method of that name, if it is one that FHIR uses.
    pub(crate) fn parse(name: &str) -> Option<Method> {
        Some(match name {
            "GET" | "HEAD" => Method::Get,
            "POST" => Method::Post,
            "PUT" => Method::Put,
            "PATCH" => Method::Patch,
            "DELETE" => Method::Delete,
            _ => return None,
        })
    }
}

/// A path below the base, understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Address {
    /// The base itself.
    System,
    /// `metadata`
    Metadata,
    /// `_search`
    SystemSearch,
    /// `_history`
    SystemHistory,
    /// `[type]`
    Type(ResourceType),
    /// `[type]/_search`
    TypeSearch(ResourceType),
    /// `[type]/_history`
    TypeHistory(ResourceType),
    /// `[type]/[id]`
    Instance(ResourceType, String),
    /// `[type]/[id]/_history`
    InstanceHistory(ResourceType, String),
    /// `[type]/[id]/_history/[vid]`
    Version(ResourceType, String, i64),
    /// `Patient/[id]/[type]`, or `*` for every type.
    Compartment(String, Option<ResourceType>),
    /// `Patient/[id]/[type]/_search`
    CompartmentSearch(String, Option<ResourceType>),
    /// `$name` on the system, a type or a resource.
    Operation(OperationTarget, String),
}

/// The form of an address, whatever stands in it: known before it is known who asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Shape {
    /// The address with names in place of what varies, for the log and the metrics.
    pub(crate) pattern: &'static str,
    /// The methods that there are, as the `Allow` header has them.
    pub(crate) allow: &'static str,
}

const SHAPES: [(&[&str], Shape); 13] = [
    (&[], Shape { pattern: "/fhir", allow: "GET, HEAD, POST" }),
    (&["metadata"], Shape { pattern: "/fhir/metadata", allow: "GET, HEAD" }),
    (&["_search"], Shape { pattern: "/fhir/_search", allow: "POST" }),
    (&["_history"], Shape { pattern: "/fhir/_history", allow: "GET, HEAD" }),
    (&["$"], Shape { pattern: "/fhir/{operation}", allow: "GET, HEAD, POST" }),
    (&["*", "$"], Shape { pattern: "/fhir/{type}/{operation}", allow: "GET, HEAD, POST" }),
    (&["*", "*", "$"], Shape { pattern: "/fhir/{type}/{id}/{operation}", allow: "GET, HEAD, POST" }),
    (&["*", "_search"], Shape { pattern: "/fhir/{type}/_search", allow: "POST" }),
    (&["*", "_history"], Shape { pattern: "/fhir/{type}/_history", allow: "GET, HEAD" }),
    (&["*", "*", "_history"], Shape { pattern: "/fhir/{type}/{id}/_history", allow: "GET, HEAD" }),
    (&["*", "*", "_history", "*"], Shape { pattern: "/fhir/{type}/{id}/_history/{version}", allow: "GET, HEAD" }),
    (&["*"], Shape { pattern: "/fhir/{type}", allow: "GET, HEAD, POST, PUT, PATCH, DELETE" }),
    (&["*", "*"], Shape { pattern: "/fhir/{type}/{id}", allow: "GET, HEAD, PUT, PATCH, DELETE" }),
];

/// What only a compartment has: a type whose resources are records themselves, one of them, and a type of what is in it.
const COMPARTMENTS: [(&[&str], Shape); 2] = [
    (&["@", "*", "*", "_search"], Shape { pattern: "/fhir/Patient/{id}/{type}/_search", allow: "POST" }),
    (&["@", "*", "*"], Shape { pattern: "/fhir/Patient/{id}/{type}", allow: "GET, HEAD" }),
];

impl Shape {
    /// The form of a path; none if nothing is at any address of that form.
    fn of(segments: &[Cow<'_, str>]) -> Option<Shape> {
        let fits = |pattern: &[&str]| {
            pattern.len() == segments.len()
                && pattern.iter().zip(segments).all(|(wanted, segment)| match *wanted {
                    "*" => !segment.is_empty(),
                    "@" => is_record(segment),
                    "$" => segment.len() > 1 && segment.starts_with('$'),
                    exact => segment == exact,
                })
        };
        SHAPES.iter().chain(&COMPARTMENTS).find(|(pattern, _)| fits(pattern)).map(|(_, shape)| *shape)
    }

    /// Whether there is such a method at an address of this form.
    fn allows(&self, method: Method) -> bool {
        let name = match method {
            Method::Get => "GET",
            Method::Post => "POST",
            Method::Put => "PUT",
            Method::Patch => "PATCH",
            Method::Delete => "DELETE",
        };
        self.allow.split(',').any(|allowed| allowed.trim_start() == name)
    }
}

/// The methods that there are at a path below the base, as the `Allow` header has them.
///
/// # Errors
/// [`ApiError::NotFound`] and the like where there is nothing.
pub(crate) fn allowed(path: &str) -> Result<String, ApiError> {
    let segments = segments(path);
    let shape = Shape::of(&segments).ok_or(ApiError::NotFound)?;
    let address = Address::read(&segments)?;
    if let Address::Operation(target, name) = &address {
        operation::called(name, target, false)?;
    }
    let is_there = |name: &&str| {
        Method::parse(name).is_some_and(|method| match &address {
            Address::Operation(target, name) => operation::called(name, target, method == Method::Get).is_ok(),
            address => address.permits(method).is_ok(),
        })
    };
    Ok(shape.allow.split(", ").filter(is_there).collect::<Vec<_>>().join(", "))
}

/// Every pattern with the methods at it.
#[cfg(test)]
pub(crate) fn every_shape() -> impl Iterator<Item = (&'static str, &'static str)> {
    SHAPES.iter().chain(&COMPARTMENTS).map(|(_, shape)| (shape.pattern, shape.allow))
}

/// Where a request by a method goes, as far as that is known before it is known who asks.
#[derive(Debug)]
pub(crate) struct Route<'p> {
    /// The method.
    pub(crate) method: Method,
    /// Whether only the head of the answer is wanted.
    pub(crate) is_head: bool,
    /// The form of the address.
    pub(crate) shape: Shape,
    segments: Vec<Cow<'p, str>>,
}

impl Route<'_> {
    /// The type in the address, if there is one.
    pub(crate) fn resource_type(&self) -> Option<ResourceType> {
        self.segments.first().and_then(|first| ResourceType::parse(first))
    }

    /// The route of a method, by its name, at a path below the base.
    ///
    /// # Errors
    /// [`ApiError::NotFound`] where nothing is served, and [`ApiError::NotAllowed`] for a method that the address does not have.
    pub(crate) fn of<'p>(method: &str, path: &'p str) -> Result<Route<'p>, ApiError> {
        let segments = segments(path);
        let shape = Shape::of(&segments).ok_or(ApiError::NotFound)?;
        let named = Method::parse(method).filter(|method| shape.allows(*method)).ok_or_else(|| {
            let shown: String = method.chars().take(16).collect();
            ApiError::NotAllowed { text: format!("{shown} is not possible here"), allow: shape.allow }
        })?;
        Ok(Route { method: named, is_head: method == "HEAD", shape, segments })
    }

    /// What the path names.
    ///
    /// # Errors
    /// Those of [`Address::read`].
    pub(crate) fn address(&self) -> Result<Address, ApiError> {
        Address::read(&self.segments)
    }
}

/// The segments of a path below the base, decoded (RFC 3986, section 2.1). A slash at its end says nothing.
fn segments(path: &str) -> Vec<Cow<'_, str>> {
    let path = path.trim_start_matches('/');
    let path = path.strip_suffix('/').unwrap_or(path);
    if path.is_empty() {
        return Vec::new();
    }
    let is_plain = !path.contains('%');
    let decoded = |segment| match is_plain {
        true => Cow::Borrowed(segment),
        false => percent_decode_str(segment).decode_utf8_lossy(),
    };
    path.split('/').map(decoded).collect()
}

impl Address {
    /// What a path names.
    ///
    /// # Errors
    /// [`ApiError::NoSuchType`] for what is no type, and [`ApiError::NotFound`] for what cannot be the id of anything.
    pub(crate) fn read(segments: &[Cow<'_, str>]) -> Result<Address, ApiError> {
        let segments: Vec<&str> = segments.iter().map(AsRef::as_ref).collect();
        let named = |segment: &str| segment.starts_with('$') && segment.len() > 1;
        Ok(match segments.as_slice() {
            [] => Address::System,
            ["metadata"] => Address::Metadata,
            ["_search"] => Address::SystemSearch,
            ["_history"] => Address::SystemHistory,
            [name] if named(name) => Address::Operation(OperationTarget::default(), (*name).to_owned()),
            [of, name] if named(name) => Address::Operation(target(of, None)?, (*name).to_owned()),
            [of, id, name] if named(name) => Address::Operation(target(of, Some(id))?, (*name).to_owned()),
            [of] => Address::Type(resource_type(of)?),
            [of, "_search"] => Address::TypeSearch(resource_type(of)?),
            [of, "_history"] => Address::TypeHistory(resource_type(of)?),
            [of, id, "_history"] => Address::InstanceHistory(resource_type(of)?, logical_id(id)?),
            [of, id, "_history", version] => {
                Address::Version(resource_type(of)?, logical_id(id)?, version_id(version)?)
            }
            [of, id] => Address::Instance(resource_type(of)?, logical_id(id)?),
            [of, id, within] if is_record(of) => Address::Compartment(logical_id(id)?, member(within)?),
            [of, id, within, "_search"] if is_record(of) => {
                Address::CompartmentSearch(logical_id(id)?, member(within)?)
            }
            _ => return Err(ApiError::NotFound),
        })
    }

    /// The type that is asked about, if it is one.
    pub(crate) fn resource_type(&self) -> Option<ResourceType> {
        match self {
            Address::Type(named)
            | Address::TypeSearch(named)
            | Address::TypeHistory(named)
            | Address::Instance(named, _)
            | Address::InstanceHistory(named, _)
            | Address::Version(named, ..) => Some(*named),
            Address::Compartment(_, within) | Address::CompartmentSearch(_, within) => *within,
            Address::Operation(target, _) => target.resource_type,
            Address::System | Address::Metadata | Address::SystemSearch | Address::SystemHistory => None,
        }
    }

    /// The logical id of the resource that it names, if it names one.
    pub(crate) fn logical_id(&self) -> Option<&str> {
        match self {
            Address::Instance(_, id) => Some(id),
            _ => None,
        }
    }

    /// Refuses a change of what never changes, and the history of what has only one version (405 for everybody).
    pub(super) fn permits(&self, method: Method) -> Result<(), ApiError> {
        let history = matches!(self, Address::TypeHistory(_) | Address::InstanceHistory(..));
        let Some(named) = self.resource_type() else { return Ok(()) };
        if history && is_event(named) {
            let text = "an audit event has one version; read it, or search the log".to_owned();
            return Err(ApiError::NotAllowed { text, allow: "" });
        }
        let changes = [Method::Put, Method::Patch, Method::Delete].contains(&method);
        if changes {
            table::HOOKS.of(named).refuse_if_append_only()?;
        }
        Ok(())
    }

    /// The path of a search below the base, for its links: that of a search by POST is the one of the same by GET.
    pub(super) fn searched(&self) -> String {
        match self {
            Address::Type(named) | Address::TypeSearch(named) => format!("/{named}"),
            Address::Compartment(id, within) | Address::CompartmentSearch(id, within) => {
                format!("/Patient/{id}/{}", within.map_or("*", ResourceType::name))
            }
            _ => String::new(),
        }
    }
}

fn target(of: &str, id: Option<&str>) -> Result<OperationTarget, ApiError> {
    // What is no resource of its own can be asked about all the same.
    let named = match (ResourceType::parse(of), id) {
        (Some(named), None) => named,
        _ => resource_type(of)?,
    };
    Ok(OperationTarget { resource_type: Some(named), id: id.map(logical_id).transpose()? })
}

/// Whether a segment is a type whose resources have a compartment.
fn is_record(segment: &str) -> bool {
    ResourceType::parse(segment).is_some_and(is_own_record)
}

fn resource_type(name: &str) -> Result<ResourceType, ApiError> {
    ResourceType::parse(name)
        .filter(|named| is_addressed(*named))
        .ok_or_else(|| ApiError::NoSuchType(name.chars().take(64).collect()))
}

fn member(name: &str) -> Result<Option<ResourceType>, ApiError> {
    if name == "*" { Ok(None) } else { resource_type(name).map(Some) }
}

/// What has not the form of a logical id cannot be the id of anything.
fn logical_id(id: &str) -> Result<String, ApiError> {
    if is_id(id) { Ok(id.to_owned()) } else { Err(ApiError::NotFound) }
}

fn version_id(text: &str) -> Result<i64, ApiError> {
    version_number(text).ok_or(ApiError::NotFound)
}

/// How long a query may be, with its form, in bytes.
const QUERY_BYTES: usize = 16 * 1024;

/// The parameters of a query and a form, decoded, in their order.
///
/// # Errors
/// When they are too long.
pub(crate) fn query_parameters(query: &[u8], form: &[u8]) -> Result<Pairs, ApiError> {
    if query.len() + form.len() > QUERY_BYTES {
        let text = format!("the query is longer than {QUERY_BYTES} bytes");
        return Err(ApiError::Malformed(vec![Issue::plain(IssueCode::TooLong, text)]));
    }
    Ok([query, form].into_iter().flat_map(|text| url::form_urlencoded::parse(text).into_owned()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(path: &str) -> Result<Address, ApiError> {
        Address::read(&segments(path))
    }

    #[test]
    fn paths_are_told_apart() {
        let goal = ResourceType::of("Goal");
        for (path, wanted) in [
            ("", Address::System),
            ("/", Address::System),
            ("/_search", Address::SystemSearch),
            ("_history", Address::SystemHistory),
            ("metadata", Address::Metadata),
            ("Goal", Address::Type(goal)),
            ("/Goal/", Address::Type(goal)),
            ("Goal/_search", Address::TypeSearch(goal)),
            ("Goal/a.b-1", Address::Instance(goal, "a.b-1".to_owned())),
            ("Goal/g/_history", Address::InstanceHistory(goal, "g".to_owned())),
            ("Goal/g/_history/2", Address::Version(goal, "g".to_owned(), 2)),
            ("Patient/p/*", Address::Compartment("p".to_owned(), None)),
            ("Patient/p/Goal/_search", Address::CompartmentSearch("p".to_owned(), Some(goal))),
            ("$any", Address::Operation(OperationTarget::default(), "$any".to_owned())),
            (
                "Goal/g/%24meta",
                Address::Operation(
                    OperationTarget { resource_type: Some(goal), id: Some("g".to_owned()) },
                    "$meta".to_owned(),
                ),
            ),
        ] {
            assert_eq!(read(path).ok(), Some(wanted), "{path}");
            assert!(Shape::of(&segments(path)).is_some(), "{path}");
        }
        for path in ["Goal/g/h", "Goal/a b", "a/b/c/d/e", "Nothing", "Goal//"] {
            assert!(read(path).is_err(), "{path}");
        }
        for version in ["0", "x", "01", "+1", "-1", " 1", "1.0", "00", "99999999999999999999"] {
            assert!(read(&format!("Goal/g/_history/{version}")).is_err(), "{version}");
        }
    }

    #[test]
    fn an_address_has_its_methods() {
        let allows = |path: &str, method| Shape::of(&segments(path)).unwrap().allows(method);
        assert!(allows("Goal", Method::Post) && allows("Goal/g", Method::Put) && allows("", Method::Post));
        assert!(!allows("Goal/g", Method::Post) && !allows("Goal/_search", Method::Get));
        assert!(Shape::of(&segments("a/b/c/d/e")).is_none() && Shape::of(&segments("Goal/g/x")).is_none());
    }
}
