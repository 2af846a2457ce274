//! What a reference leads to, among what is at hand: contained resources, the entries of a Bundle, and what was handed in.
//! What is stored is not looked at: whether it may be seen would have to be asked first.

use concord_fhir::json::Value;
use concord_fhir::schema::TypeKind;

use crate::item::Item;

/// Resources at hand.
#[derive(Clone, Copy, Debug, Default)]
pub struct Surroundings<'v> {
    /// The Bundle that is checked.
    pub(crate) bundle: Option<&'v Value<'v>>,
    /// The entry of it that the check is in.
    pub(crate) entry: Option<&'v Value<'v>>,
    /// The resource that the check is in, which may contain others.
    pub(crate) resource: Option<&'v Value<'v>>,
}

/// Where a reference led.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Whence {
    Contained,
    Bundled,
}

impl<'v> Surroundings<'v> {
    /// What is at hand for a resource by itself.
    pub(crate) fn of(resource: &'v Value<'v>) -> Surroundings<'v> {
        let is_bundle = resource.text("resourceType") == Some("Bundle");
        Surroundings { bundle: is_bundle.then_some(resource), entry: None, resource: Some(resource) }
    }

    /// What is at hand inside of an element.
    pub(crate) fn within(self, item: &Item<'v>) -> Surroundings<'v> {
        match (item.of_type.kind, item.value) {
            // What is contained refers to what is contained beside it.
            (TypeKind::Resource, Some(_)) if item.element == "contained" => self,
            (TypeKind::Resource, Some(resource)) => {
                let own = Surroundings::of(resource);
                if own.bundle.is_some() { own } else { Surroundings { resource: own.resource, ..self } }
            }
            _ if item.of_type.name == "Bundle.entry" => Surroundings { entry: item.value, ..self },
            _ => self,
        }
    }

    /// What a reference leads to.
    pub(crate) fn resolve(&self, reference: &str) -> Option<(&'v Value<'v>, Whence)> {
        if let Some(id) = reference.strip_prefix('#') {
            let resource = self.resource?;
            if id.is_empty() {
                return Some((resource, Whence::Contained));
            }
            let found = resource.list("contained").iter().find(|one| one.text("id") == Some(id))?;
            return Some((found, Whence::Contained));
        }
        let bundle = self.bundle?;
        let wanted = unversioned(reference);
        let entries = bundle.list("entry");
        let whole = entries.iter().find(|entry| entry.text("fullUrl").is_some_and(|url| url == wanted));
        let is_version = |entry: &&Value<'v>| match reference.split_once("/_history/") {
            Some((_, version)) => {
                let own = entry.get("resource").and_then(|resource| resource.get("meta")?.text("versionId"));
                own.is_none_or(|own| own == version)
            }
            None => true,
        };
        let found = whole.or_else(|| {
            if wanted.contains(':') {
                return None;
            }
            // A relative reference is below the base of the entry that it stands in; where an entry has no fullUrl, it is
            // by type and id.
            match self.entry.and_then(|entry| entry.text("fullUrl")) {
                Some(url) => {
                    let absolute = format!("{}/{wanted}", base_of(url)?);
                    entries.iter().find(|entry| entry.text("fullUrl") == Some(absolute.as_str()))
                }
                None => entries.iter().find(|entry| is_named(entry, wanted)),
            }
        });
        found.filter(is_version).and_then(|entry| entry.get("resource")).map(|resource| (resource, Whence::Bundled))
    }
}

fn is_named(entry: &Value<'_>, wanted: &str) -> bool {
    let Some((resource_type, id)) = wanted.split_once('/') else { return false };
    entry.get("resource").is_some_and(|resource| {
        resource.text("resourceType") == Some(resource_type) && resource.text("id") == Some(id)
    })
}

fn unversioned(reference: &str) -> &str {
    reference.split("/_history/").next().unwrap_or(reference)
}

/// What is before type and id in an absolute url.
fn base_of(url: &str) -> Option<&str> {
    if !url.starts_with("http") {
        return None;
    }
    let (rest, _id) = url.rsplit_once('/')?;
    rest.rsplit_once('/').map(|(base, _)| base)
}
