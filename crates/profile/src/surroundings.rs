//! What a reference leads to, among what is at hand: contained resources and the entries of a Bundle. What is stored is not
//! looked at: whether it may be seen would have to be asked first.

use std::collections::BTreeMap;

use concord_fhir::json::Value;
use concord_fhir::schema::TypeKind;

use crate::item::Item;

/// A Bundle whose entries are looked up often.
#[derive(Debug, Default)]
pub struct Bundled<'v> {
    bundle: Option<&'v Value<'v>>,
    by_url: BTreeMap<&'v str, &'v Value<'v>>,
    by_name: BTreeMap<(&'v str, &'v str), &'v Value<'v>>,
    /// The entries by where their resources stand.
    by_place: BTreeMap<usize, &'v Value<'v>>,
}

/// Resources at hand.
#[derive(Clone, Copy, Debug, Default)]
pub struct Surroundings<'v> {
    /// The Bundle that is checked.
    pub(crate) bundle: Option<&'v Bundled<'v>>,
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

impl<'v> Bundled<'v> {
    /// The entries of a resource, if it is a Bundle.
    pub(crate) fn of(resource: &'v Value<'v>) -> Option<Bundled<'v>> {
        if resource.text("resourceType") != Some("Bundle") {
            return None;
        }
        let mut found = Bundled { bundle: Some(resource), ..Bundled::default() };
        for entry in resource.list("entry") {
            if let Some(url) = entry.text("fullUrl") {
                found.by_url.entry(url).or_insert(entry);
            }
            if let Some(own) = entry.get("resource") {
                found.by_place.insert(place(own), entry);
                if let (Some(named), Some(id)) = (own.text("resourceType"), own.text("id")) {
                    found.by_name.entry((named, id)).or_insert(entry);
                }
            }
        }
        Some(found)
    }

    /// The entry with that fullUrl.
    pub(crate) fn entry(&self, url: &str) -> Option<&'v Value<'v>> {
        self.by_url.get(url).copied()
    }
}

fn place(value: &Value<'_>) -> usize {
    std::ptr::from_ref(value).addr()
}

impl<'v> Surroundings<'v> {
    /// What is at hand for a resource by itself.
    pub(crate) fn of(resource: &'v Value<'v>, bundle: Option<&'v Bundled<'v>>) -> Surroundings<'v> {
        Surroundings { bundle, entry: None, resource: Some(resource) }
    }

    /// What is at hand inside of an element.
    pub(crate) fn within(self, item: &Item<'v>) -> Surroundings<'v> {
        match (item.of_type.kind, item.value) {
            // What is contained refers to what is contained beside it.
            (TypeKind::Resource, Some(_)) if item.element == "contained" => self,
            // The entries of a Bundle in a Bundle are not looked up.
            (TypeKind::Resource, Some(inner)) if inner.text("resourceType") == Some("Bundle") => {
                Surroundings { resource: Some(inner), ..Surroundings::default() }
            }
            (TypeKind::Resource, Some(resource)) => Surroundings { resource: Some(resource), ..self },
            _ if item.of_type.name == "Bundle.entry" => Surroundings { entry: item.value, ..self },
            _ => self,
        }
    }

    /// What is at hand for a resource that a reference led to.
    pub(crate) fn at(self, resource: &'v Value<'v>, whence: Whence) -> Surroundings<'v> {
        match whence {
            Whence::Contained => self,
            Whence::Bundled => Surroundings {
                resource: Some(resource),
                entry: self.bundle.and_then(|bundle| bundle.by_place.get(&place(resource)).copied()),
                ..self
            },
        }
    }

    /// The Bundle.
    pub(crate) fn bundle(&self) -> Option<&'v Value<'v>> {
        self.bundle?.bundle
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
        let entry = self.entry_of(unversioned(reference))?;
        let resource = entry.get("resource")?;
        if let Some((_, version)) = reference.split_once("/_history/") {
            let own = resource.get("meta").and_then(|meta| meta.text("versionId"));
            own.is_none_or(|own| own == version).then_some(())?;
        }
        Some((resource, Whence::Bundled))
    }

    /// The entry that a reference without version means (R4 "Bundle", resolving references).
    fn entry_of(&self, wanted: &str) -> Option<&'v Value<'v>> {
        let bundle = self.bundle?;
        if let Some(entry) = bundle.entry(wanted) {
            return Some(entry);
        }
        if wanted.contains(':') {
            return None;
        }
        // A relative reference is below the base of the entry that it stands in; where an entry has no fullUrl, it is by
        // type and id.
        match self.entry.and_then(|entry| entry.text("fullUrl")) {
            Some(url) => bundle.entry(&format!("{}/{wanted}", base_of(url)?)),
            None => bundle.by_name.get(&wanted.split_once('/')?).copied(),
        }
    }
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
