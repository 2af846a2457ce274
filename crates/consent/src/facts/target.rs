use concord_fhir::json::Value;
use concord_fhir::registry::ResourceType;
use concord_fhir::rules::local_reference;

/// The system of the identifiers of apps: their `client_id`.
pub const CLIENT_SYSTEM: &str = "urn:concord:client";
/// The system of the identifiers of apps that say as well who gives out the `client_id`: `issuer|client_id`.
pub const ISSUED_CLIENT_SYSTEM: &str = "urn:concord:issued-client";

/// How an app is named under [`ISSUED_CLIENT_SYSTEM`].
#[must_use]
pub fn issued_client(issuer: &str, client: &str) -> String {
    format!("{issuer}|{client}")
}

/// Whether a value of that system, or of none, may be meant for an app of which it is not the right name: it names the `client_id`,
/// but leaves out who gives that out, or says that in a way in which nobody is called. What is the right name of another app, one of
/// another issuer, is not.
#[must_use]
pub fn may_misname(system: Option<&str>, value: &str, (issuer, client): (&str, &str)) -> bool {
    let names_client = value.split('|').any(|part| part.trim() == client);
    let of_another = system == Some(ISSUED_CLIENT_SYSTEM)
        && value
            .split_once('|')
            .is_some_and(|(said, rest)| rest == client && is_issuer(said) && bare(said) != bare(issuer));
    (names_client && !of_another) || (value.trim().is_empty() && system.is_some_and(names_apps))
}

/// Whether a text may be the name of an issuer.
fn is_issuer(text: &str) -> bool {
    let is_url = text.split_once("://").is_some_and(|(scheme, rest)| !scheme.is_empty() && !rest.is_empty());
    (is_url || text.starts_with("urn:")) && !text.contains(char::is_whitespace)
}

/// An issuer without what people mistake in it: a last slash, capital letters, the scheme.
fn bare(issuer: &str) -> String {
    let rest = issuer.split_once("://").map_or(issuer, |(_, rest)| rest);
    rest.trim_end_matches('/').to_ascii_lowercase()
}

/// Whether identifiers of a system name apps.
#[must_use]
pub fn names_apps(system: &str) -> bool {
    matches!(system, CLIENT_SYSTEM | ISSUED_CLIENT_SYSTEM)
}

/// Whom a Reference names.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Target {
    /// A resource of this server, `Type/id`.
    Local(String),
    /// Whoever bears an identifier (R4 "References", logical reference).
    Identified {
        /// The identifier's system.
        system: String,
        /// The identifier's value.
        value: String,
        /// The type of resource, where it is said.
        resource_type: Option<ResourceType>,
    },
    /// Whoever bears an identifier of which only the value is said.
    WithoutSystem(String),
    /// A resource of another server, of this type where the address tells.
    Elsewhere(Option<ResourceType>),
    /// A contained resource, a display text, or nothing that can be understood.
    Unreadable,
}

impl Target {
    /// Whom the Reference names; `base` is the address of the FHIR base.
    #[must_use]
    pub fn of(reference: &Value<'_>, base: &str) -> Target {
        if let Some(text) = reference.text("reference") {
            if let Some(local) = local_reference(base, text) {
                return Target::Local(local);
            }
            if text.starts_with("http://") || text.starts_with("https://") {
                return Target::Elsewhere(type_in_address(text));
            }
            return Target::Unreadable;
        }
        let part = |name| reference.get("identifier").and_then(|identifier| identifier.text(name));
        match (part("system"), part("value")) {
            (Some(system), Some(value)) => Target::Identified {
                system: system.to_owned(),
                value: value.to_owned(),
                resource_type: reference.text("type").and_then(type_of_uri),
            },
            (None, Some(value)) => Target::WithoutSystem(value.to_owned()),
            _ => Target::Unreadable,
        }
    }

    /// Whether it names an app, or may.
    pub(crate) fn may_be_an_app(&self) -> bool {
        match self {
            Target::Local(reference) => reference.starts_with("Device/"),
            Target::Identified { system, resource_type, .. } => {
                names_apps(system) || resource_type.is_some_and(|one| one.name() == "Device")
            }
            Target::Elsewhere(resource_type) => resource_type.is_some_and(|one| one.name() == "Device"),
            Target::WithoutSystem(_) => true,
            Target::Unreadable => false,
        }
    }

    /// Whether it is the resource of that type and id.
    #[must_use]
    pub fn is(&self, resource_type: &str, id: &str) -> bool {
        match self {
            Target::Local(local) => local.split_once('/') == Some((resource_type, id)),
            _ => false,
        }
    }
}

/// The last type name among the segments of an address, which end before a query or a fragment.
fn type_in_address(address: &str) -> Option<ResourceType> {
    address.split(['?', '#']).next()?.split('/').rev().find_map(ResourceType::parse)
}

/// `Reference.type` is a type name or the canonical address of its definition.
fn type_of_uri(uri: &str) -> Option<ResourceType> {
    ResourceType::parse(uri.strip_prefix("http://hl7.org/fhir/StructureDefinition/").unwrap_or(uri))
}

/// The identifiers of one of the caller's own resources.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdentityFacts {
    /// The resource, `Type/id`.
    pub reference: String,
    /// System and value of each of its identifiers.
    pub identifiers: Vec<(String, String)>,
}

impl IdentityFacts {
    /// The identifiers that the resource bears.
    #[must_use]
    pub fn from_resource(resource_type: ResourceType, id: &str, resource: &Value<'_>) -> IdentityFacts {
        let identifiers = resource.list("identifier").iter();
        let pair = |one: &Value<'_>| Some((one.text("system")?.to_owned(), one.text("value")?.to_owned()));
        IdentityFacts {
            reference: format!("{resource_type}/{id}"),
            identifiers: identifiers.filter_map(pair).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BASE: &str = "https://phr.example/fhir";

    #[test]
    fn references_are_normalised() {
        let of = |text: &str| Target::of(&Value::object([("reference", Value::string(text))]), BASE);
        let practitioner = ResourceType::parse("Practitioner");
        assert_eq!(of("Practitioner/gp"), Target::Local("Practitioner/gp".into()));
        assert_eq!(of("https://phr.example/fhir/Practitioner/gp/_history/2"), Target::Local("Practitioner/gp".into()));
        assert_eq!(of("https://other.example/r4/Practitioner/gp"), Target::Elsewhere(practitioner));
        assert_eq!(of("https://other.example/who?x=1"), Target::Elsewhere(None));
        for behind in ["?x=/Patient/1", "#/Patient/1"] {
            assert_eq!(
                of(&format!("https://other.example/r4/Practitioner/gp{behind}")),
                Target::Elsewhere(practitioner)
            );
        }
        assert_eq!(of("#gp"), Target::Unreadable);
        assert_eq!(of("urn:uuid:1"), Target::Unreadable);
        assert!(of("Patient/p1").is("Patient", "p1") && !of("Patient/p1").is("Patient", "p2"));
    }

    #[test]
    fn logical_references_are_kept() {
        let identifier = Value::object([("system", Value::string("s")), ("value", Value::string("v"))]);
        let target = Target::of(
            &Value::object([("type", Value::string("RelatedPerson")), ("identifier", identifier.clone())]),
            BASE,
        );
        let resource_type = ResourceType::parse("RelatedPerson");
        assert_eq!(target, Target::Identified { system: "s".into(), value: "v".into(), resource_type });
        let half = Value::object([("identifier", Value::object([("value", Value::string("v"))]))]);
        assert_eq!(Target::of(&half, BASE), Target::WithoutSystem("v".into()));
        assert_eq!(Target::of(&Value::Null, BASE), Target::Unreadable);
        let name = Value::string("RelatedPerson");
        let resource =
            Value::object([("resourceType", name), ("identifier", Value::Array(vec![identifier, Value::object([])]))]);
        let facts = IdentityFacts::from_resource(resource_type.unwrap(), "r1", &resource);
        assert_eq!(facts.reference, "RelatedPerson/r1");
        assert_eq!(facts.identifiers, [("s".to_owned(), "v".to_owned())]);
    }
}
