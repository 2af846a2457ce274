//! How entries of a transaction refer to one another and, by a search, to others (R4 "Resolving references in Bundles").

use std::collections::{HashMap, HashSet};
use std::convert::Infallible;

use concord_fhir::full_url::{self, Meant};
use concord_fhir::index;
use concord_fhir::issue::{Issue, IssueCode};
use concord_fhir::json::Value;
use concord_fhir::literal::by_search;
use concord_fhir::registry::{Registry, ResourceType};
use concord_fhir::schema::{LinkKind, mistaken_types, relink};
use concord_fhir::search::{self, Handling, Query};
use concord_store::audit::Record;

use crate::error::ApiError;
use crate::interact::bundle::entry::Entry;
use crate::interact::command::query_parameters;
use crate::interact::search::conditional;
use crate::interact::session::Session;

/// What an entry is called once it is stored.
#[derive(Clone, Debug)]
pub(super) struct Name {
    /// `Type/id`.
    pub(super) address: String,
    /// Its place in the Bundle.
    pub(super) place: usize,
    /// The version that it is expected to have then.
    pub(super) version: i64,
}

/// Which entries others refer to.
#[derive(Debug, Default)]
pub(super) struct Used {
    /// Their `fullUrl`s.
    pub(super) urls: HashSet<String>,
    /// The places of those that are referred to by version, with that version.
    pub(super) versions: HashMap<usize, i64>,
}

/// The addresses of the new resources, to be put in place of the `fullUrl`s by which the entries refer to one another
/// (R4 "Resolving references in Bundles").
pub(super) struct Renaming<'n> {
    /// By `fullUrl`.
    pub(super) names: &'n HashMap<String, Name>,
    /// What relative references of the entry are relative to, with the slash.
    pub(super) root: Option<&'n str>,
}

impl Renaming<'_> {
    /// Renames in every link of a resource, and notes which entries were met.
    pub(super) fn apply(&self, value: &mut Value<'static>, used: &mut Used) {
        let mut with = |kind: LinkKind, text: &str| Ok::<_, Infallible>(self.name(kind, text, used));
        let Ok(()) = relink(value, &mut with);
    }

    /// A reference to a version is to that which the entry leads to (R4 "RESTful API", transaction: version specific
    /// references). A Reference to a part stays, and is refused; an address keeps its fragment (a page of a letter).
    fn name(&self, kind: LinkKind, text: &str, used: &mut Used) -> Option<String> {
        let meant = Meant::of(text);
        let part = meant.behind(kind == LinkKind::Reference)?;
        let (url, name) = self.entry(&meant)?;
        used.urls.insert(url.clone());
        if !meant.is_versioned {
            return Some(format!("{}{part}", name.address));
        }
        used.versions.insert(name.place, name.version);
        Some(format!("{}/_history/{}{part}", name.address, name.version))
    }

    fn entry(&self, meant: &Meant<'_>) -> Option<(&String, &Name)> {
        full_url::names(self.root, meant.bare).find_map(|url| self.names.get_key_value(&url))
    }

    /// Refuses References to parts of entries (`urn:uuid:...#x`): they are to whole resources (R4 "References"); and those that say
    /// another type than that of the entry that they lead to.
    ///
    /// # Errors
    /// [`ApiError::Unprocessable`] with every one of them, at its place.
    pub(super) fn refuse_mistaken(&self, resource: &Value<'_>) -> Result<(), ApiError> {
        let is_part = |text: &str| {
            let meant = Meant::of(text);
            !meant.part.is_empty() && self.entry(&meant).is_some()
        };
        let text = "a reference leads to a whole resource: leave out what follows the address of the entry";
        let mut issues: Vec<Issue> = index::every_reference(resource)
            .into_iter()
            .filter(|(_, reference)| is_part(reference))
            .map(|(place, _)| Issue::error(IssueCode::Value, place, text))
            .collect();
        issues.extend(mistaken_types(resource));
        if issues.is_empty() { Ok(()) } else { Err(ApiError::Unprocessable(issues)) }
    }
}

/// Refuses the entries of a batch that refer to what another one, or they themselves, create: what it will be called cannot
/// be known (R4 "RESTful API", batch: "there SHALL be no interdependencies").
pub(super) fn refuse_between(entries: &mut [Result<Entry, ApiError>]) {
    let created: HashSet<String> = entries
        .iter()
        .flatten()
        .filter(|entry| entry.command.names_anew())
        .filter_map(|entry| entry.full_url.clone())
        .collect();
    if created.is_empty() {
        return;
    }
    for entry in entries {
        let Ok(read) = &*entry else { continue };
        let (Some(resource), root) = (read.command.resource(), read.root()) else { continue };
        let means = |text: &str| full_url::names(root, Meant::of(text).bare).any(|url| created.contains(&url));
        let text = "the entries of a batch cannot refer to one another; a transaction can";
        let issues: Vec<Issue> = index::every_reference(resource)
            .into_iter()
            .filter(|(_, reference)| means(reference))
            .map(|(place, _)| Issue::error(IssueCode::NotSupported, place, text))
            .collect();
        if !issues.is_empty() {
            *entry = Err(ApiError::Malformed(issues));
        }
    }
}

/// Puts `Type/id` in place of conditional references, `Type?search` by itself or below this server's address, which must match one visible resource.
/// What each has found is an event.
pub(super) fn resolve(
    session: &mut Session<'_, '_>,
    value: &mut Value<'static>,
    events: &mut Vec<Record>,
) -> Result<(), ApiError> {
    relink(value, &mut |kind, text| match kind {
        LinkKind::Reference => matched(session, text, events),
        LinkKind::Address => Ok(None),
    })
}

/// The searches by which a resource refers to something.
pub(super) fn searches(session: &mut Session<'_, '_>, value: &Value<'static>) -> Vec<Query> {
    let mut texts = Vec::new();
    // What cannot be read the write refuses.
    let _as_it_is = relink(&mut value.clone(), &mut |kind, text| {
        if kind == LinkKind::Reference && by_search(text, &session.service.base).is_some() {
            texts.push(text.to_owned());
        }
        Ok::<_, ApiError>(None)
    });
    texts.iter().filter_map(|text| query(session, text).ok().flatten()).map(|(_, query)| query).collect()
}

/// The search that a reference is, if it is one.
fn query(session: &mut Session<'_, '_>, reference: &str) -> Result<Option<(ResourceType, Query)>, ApiError> {
    let Some((resource_type, text)) = by_search(reference, &session.service.base) else { return Ok(None) };
    let pairs = query_parameters(text.as_bytes(), &[])?;
    let now = session.transaction.now;
    let read = |registry: &Registry| {
        search::parse_with(registry, Some(resource_type), &pairs, Handling::Strict, now, &session.service.base)
    };
    // Most name nothing but what R4 has.
    let query = match read(Registry::r4()) {
        Ok(query) => query,
        Err(_) => read(&*session.transaction.registry()?).map_err(ApiError::Malformed)?,
    };
    Ok(Some((resource_type, query)))
}

fn matched(
    session: &mut Session<'_, '_>,
    reference: &str,
    events: &mut Vec<Record>,
) -> Result<Option<String>, ApiError> {
    let Some((resource_type, query)) = query(session, reference)? else { return Ok(None) };
    match conditional::referred_to(session, &query, events)? {
        Some(found) => Ok(Some(format!("{resource_type}/{}", found.id))),
        None => Err(ApiError::PreconditionFailed(Issue::plain(
            IssueCode::NotFound,
            format!("the reference {resource_type}?... matches no resource that the caller may read"),
        ))),
    }
}
