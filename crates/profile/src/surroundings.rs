//! What a reference leads to: what is contained, an entry of the Bundle, and what is stored, of which somebody else says
//! what may be seen ([`Stored`]).

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

/// Who may look at what is stored.
pub trait Stored {
    /// The resource that a reference means, as far as whoever is told of the check may see it. What is hidden is like what is
    /// not there.
    fn resource<'s>(&'s self, reference: &str) -> Option<&'s Value<'s>>;
}

/// Resources at hand.
#[derive(Clone, Copy, Default)]
pub struct Surroundings<'v> {
    /// The Bundle that is checked.
    pub(crate) bundle: Option<&'v Bundled<'v>>,
    /// The entry of it that the check is in.
    pub(crate) entry: Option<&'v Value<'v>>,
    /// The resource that the check is in, which may contain others.
    pub(crate) resource: Option<&'v Value<'v>>,
    /// What is stored, if that is looked at.
    pub(crate) stored: Option<&'v dyn Stored>,
}

/// Where a reference led.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Whence {
    Contained,
    Bundled,
    Stored,
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
    pub(crate) fn of(
        resource: &'v Value<'v>,
        bundle: Option<&'v Bundled<'v>>,
        stored: Option<&'v dyn Stored>,
    ) -> Surroundings<'v> {
        Surroundings { bundle, entry: None, resource: Some(resource), stored }
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
            // What is stored is not followed any further.
            Whence::Stored => Surroundings { resource: Some(resource), ..Surroundings::default() },
        }
    }

    /// What is at hand for a resource in a place that an expression has found.
    pub(crate) fn around(self, resource: &'v Value<'v>) -> Surroundings<'v> {
        let is_beside = |own: &'v Value<'v>| {
            std::ptr::eq(own, resource) || own.list("contained").iter().any(|one| std::ptr::eq(one, resource))
        };
        let is_entry = |bundle: &Bundled<'v>| bundle.by_place.contains_key(&place(resource));
        match self.bundle {
            _ if self.resource.is_some_and(is_beside) => self,
            Some(bundle) if is_entry(bundle) => self.at(resource, Whence::Bundled),
            _ => self.at(resource, Whence::Stored),
        }
    }

    /// The Bundle.
    pub(crate) fn bundle(&self) -> Option<&'v Value<'v>> {
        self.bundle?.bundle
    }

    /// What a reference leads to, also of what is stored.
    pub(crate) fn resolve(&self, reference: &str) -> Option<(&'v Value<'v>, Whence)> {
        self.at_hand(reference).or_else(|| {
            let stored = self.stored?;
            let absolute = self.absolute(reference);
            let resource = stored.resource(absolute.as_deref().unwrap_or(reference))?;
            of_version(resource, reference).then_some((resource, Whence::Stored))
        })
    }

    /// A relative reference in an entry with the address of a server is to that server (R4 "Bundle", resolving references).
    fn absolute(&self, reference: &str) -> Option<String> {
        let base = base_of(self.entry?.text("fullUrl")?)?;
        (!reference.contains(':')).then(|| format!("{base}/{reference}"))
    }

    /// What a reference leads to, of what is sent along.
    pub(crate) fn at_hand(&self, reference: &str) -> Option<(&'v Value<'v>, Whence)> {
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
        of_version(resource, reference).then_some((resource, Whence::Bundled))
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

/// Whether a resource is of the version that a reference names.
fn of_version(resource: &Value<'_>, reference: &str) -> bool {
    let own = resource.get("meta").and_then(|meta| meta.text("versionId"));
    let wanted = reference.split_once("/_history/").map(|(_, version)| version);
    wanted.is_none_or(|wanted| own.is_none_or(|own| own == wanted))
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
