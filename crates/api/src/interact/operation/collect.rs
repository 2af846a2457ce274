//! What a document holds: resources as their readers are shown them, and those that they refer to. Each is looked up with
//! what the caller may find of its type in the same statement; one that is hidden is left out like one that is not there.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use concord_fhir::display;
use concord_fhir::document::{Contents, referred};
use concord_fhir::json::Value;
use concord_fhir::literal::Literal;
use concord_fhir::predicate::Predicate;
use concord_fhir::registry::ResourceType;
use concord_store::include::{Along, Linked};
use concord_store::rows::Version;

use crate::error::ApiError;
use crate::interact::session::Session;
use crate::interact::{access, is_event, labels};

/// How many resources come along with others.
const MOST_ALONG: usize = 1_000;

/// How far references are followed.
const ROUNDS: usize = 3;

/// How many values one statement names.
const VALUES: usize = 500;

/// A resource in a document.
#[derive(Debug)]
pub(super) struct Held {
    pub(super) version: Version,
    /// What it says to its readers.
    pub(super) value: Value<'static>,
}

impl Held {
    pub(super) fn of(version: Version) -> Result<Held, ApiError> {
        let value = labels::value_shown(&version)?.into_owned();
        Ok(Held { version, value })
    }

    /// Whether it says of itself that it was never true.
    pub(super) fn is_in_error(&self) -> bool {
        self.value.text("status") == Some("entered-in-error")
    }

    /// Its address.
    pub(super) fn address(&self, base: &str) -> String {
        format!("{base}/{}/{}", self.version.resource_type, self.version.id)
    }
}

/// The types of what comes along when something in a document refers to it: who, where, with what, and which results are part
/// of others.
pub(super) const ALONG: [&str; 11] = [
    "Device",
    "ImagingStudy",
    "Location",
    "Medication",
    "Observation",
    "Organization",
    "Practitioner",
    "PractitionerRole",
    "RelatedPerson",
    "Specimen",
    "Substance",
];

/// Adds what these refer to, if it `comes` along in that round, counted from 0, and the caller may find it; of what is in
/// records, within one record if that is given.
pub(super) fn along(
    session: &mut Session<'_, '_>,
    record: Option<&str>,
    held: &mut Vec<Held>,
    comes: &dyn Fn(usize, ResourceType) -> bool,
) -> Result<(), ApiError> {
    let base = session.service.base.clone();
    let mut permits: HashMap<ResourceType, Predicate> = HashMap::new();
    let mut known: HashSet<(ResourceType, String)> =
        held.iter().map(|held| (held.version.resource_type, held.version.id.clone())).collect();
    let (mut from, most) = (0, held.len() + MOST_ALONG);
    for round in 0..ROUNDS {
        let mut wanted: BTreeMap<ResourceType, BTreeSet<String>> = BTreeMap::new();
        for one in held.get(from..).unwrap_or_default() {
            for (named, id) in referred(&one.value, &base) {
                if comes(round, named) && !is_event(named) && known.insert((named, id.clone())) {
                    wanted.entry(named).or_default().insert(id);
                }
            }
        }
        from = held.len();
        for (named, ids) in wanted {
            let permit = match permits.get(&named) {
                Some(permit) => permit.clone(),
                None => {
                    let permit = access::findable(session, named, record)?;
                    permits.insert(named, permit.clone());
                    permit
                }
            };
            let ids: Vec<String> = ids.into_iter().collect();
            for chunk in ids.chunks(VALUES).filter(|_| permit != Predicate::None) {
                let room = most.saturating_sub(held.len());
                let along = Along { limit: room, shown: room, is_known: &|_| false };
                let mut found = session.transaction.linked(named, Linked::Ids(chunk), &permit, &along)?;
                access::unnamed::leave_out(session, found.iter_mut().collect(), None)?;
                for version in found {
                    let one = Held::of(version)?;
                    if !one.is_in_error() {
                        held.push(one);
                    }
                }
            }
        }
        if from == held.len() || held.len() >= most {
            break;
        }
    }
    Ok(())
}

/// What there is in a document, by type and id.
pub(super) fn contents(held: &[Held]) -> Contents {
    let mut contents = Contents::default();
    for one in held {
        contents.add(one.version.resource_type, &one.version.id, &one.version.version.to_string());
    }
    contents
}

/// What the resources of a document are called, for those that refer to them.
pub(super) struct Names {
    labels: HashMap<(ResourceType, String), String>,
    base: String,
}

impl Names {
    pub(super) fn of(held: &[Held], base: &str) -> Names {
        let label = |one: &Held| ((one.version.resource_type, one.version.id.clone()), display::label(&one.value));
        Names { labels: held.iter().map(label).collect(), base: base.to_owned() }
    }

    /// The address that others are below.
    pub(super) fn base(&self) -> &str {
        &self.base
    }

    /// An element as text: of a reference without words, what it leads to is called.
    pub(super) fn text(&self, value: &Value<'_>) -> String {
        let Some(reference) = value.text("reference").filter(|_| value.get("display").is_none()) else {
            return display::text(value);
        };
        match Literal::read(reference, &self.base) {
            Literal::Local(named, id) => self.labels.get(&(named, id.to_owned())).cloned().unwrap_or_default(),
            _ => String::new(),
        }
    }
}
