//! What inherits which labels after each write, what of that is left, and what it costs: on both databases.

mod backlog;
mod cost;
mod locks;
mod ways;

use concord_fhir::index::{Entries, SEPARATOR};
use concord_fhir::label::Source;
use concord_fhir::registry::ResourceType;

use crate::error::StoreError;
use crate::lower::Rows;
use crate::rows::{Method, Version};
use crate::testing::{NOW, Scratch};
use crate::transaction::Transaction;

/// A resource, by its type and logical id.
type Name = (ResourceType, &'static str);

const BINARY: ResourceType = ResourceType::of("Binary");
const OBSERVATION: ResourceType = ResourceType::of("Observation");
const PROVENANCE: ResourceType = ResourceType::of("Provenance");
const CLINIC: Name = (ResourceType::of("Organization"), "clinic");
const VISIT: Name = (ResourceType::of("Encounter"), "visit");
const READING: Name = (OBSERVATION, "reading");
const OTHER: Name = (OBSERVATION, "other");
const TOLD: Name = (PROVENANCE, "told");
const LETTER: Name = (ResourceType::of("DocumentReference"), "letter");
const FORM: Name = (ResourceType::of("Questionnaire"), "form");
const ANSWERS: Name = (ResourceType::of("QuestionnaireResponse"), "answers");
const URL: &str = "http://example.org/form";

/// What is stored of a resource: what it names, and the keys of its own labels.
#[derive(Clone)]
struct Made {
    entries: Entries,
    labels: Vec<String>,
}

fn key_of(code: &str) -> String {
    format!("{code}{SEPARATOR}s")
}

fn source((resource_type, id): Name, version: i64) -> Source {
    Source { resource_type, id: id.to_owned(), version }
}

fn of((resource_type, id): Name) -> Made {
    Made { entries: Entries::none(resource_type, id.to_owned(), NOW), labels: Vec::new() }
}

impl Made {
    fn labelled(mut self, codes: &[&str]) -> Made {
        self.labels = codes.iter().map(|code| key_of(code)).collect();
        self
    }

    fn naming(self, others: &[Name]) -> Made {
        others.iter().fold(self, |made, other| made.naming_version(*other, 0))
    }

    fn naming_version(mut self, other: Name, version: i64) -> Made {
        self.entries.sources.push(source(other, version));
        self
    }

    fn showing(mut self, contents: &[&'static str]) -> Made {
        self.entries.contents = contents.iter().map(|id| source((BINARY, id), 0)).collect();
        self
    }

    fn called(mut self, url: &str) -> Made {
        self.entries.name = Some(url.to_owned());
        self
    }

    fn following(mut self, url: &str) -> Made {
        self.entries.canonicals = vec![url.to_owned()];
        self
    }

    fn version(&self, key: i64, version: i64) -> Version {
        Version {
            key,
            resource_type: self.entries.resource_type,
            id: self.entries.id.clone(),
            version,
            updated: NOW,
            method: Method::Put,
            deleted: false,
            patient: 0,
            patients: 0,
            author: String::new(),
            labels: self.labels.join("\n"),
            body: "{}".to_owned(),
        }
    }
}

/// Runs the same in a transaction on every database.
async fn on_both(work: impl Fn(&mut Transaction<'_>) + Send + Clone + 'static) {
    for scratch in Scratch::both() {
        let work = work.clone();
        let run = move |transaction: &mut Transaction<'_>| {
            work(transaction);
            (Ok::<_, StoreError>(()), Vec::new())
        };
        scratch.store().write(run).await.unwrap();
    }
}

/// The current version of what is there.
fn stored(transaction: &mut Transaction<'_>, (resource_type, id): Name) -> Version {
    transaction.head_of(resource_type, id, true).unwrap().unwrap().version.into_version()
}

/// Stores what is new, all of it together.
fn put_new(transaction: &mut Transaction<'_>, all: &[Made]) {
    let versions: Vec<(Version, &Entries)> =
        all.iter().map(|made| (made.version(transaction.next_key(), 1), &made.entries)).collect();
    #[expect(clippy::disallowed_methods, reason = "the store by itself")]
    transaction.insert(&versions).unwrap();
}

/// Stores it in the place of a version.
fn put_after(transaction: &mut Transaction<'_>, old: &Version, made: &Made) -> Result<(), StoreError> {
    let new = made.version(old.key, old.version + 1);
    #[expect(clippy::disallowed_methods, reason = "the store by itself")]
    transaction.replace(old, &new, Some(&made.entries))
}

/// Stores it, in the place of what is there.
fn put(transaction: &mut Transaction<'_>, made: &Made) {
    let head = transaction.head_of(made.entries.resource_type, &made.entries.id, true).unwrap();
    match head.map(|head| head.version.into_version()) {
        Some(old) => put_after(transaction, &old, made).unwrap(),
        None => put_new(transaction, std::slice::from_ref(made)),
    }
}

/// Three readings of a visit at a clinic.
fn arrive(transaction: &mut Transaction<'_>) {
    put(transaction, &of(CLINIC));
    put(transaction, &of(VISIT).naming(&[CLINIC]));
    for id in ["r1", "r2", "r3"] {
        put(transaction, &of((OBSERVATION, id)).naming(&[VISIT]));
    }
}

/// Which labels are inherited by what: a superseded version is told with its number.
fn inherited(transaction: &mut Transaction<'_>) -> Vec<String> {
    let mut lines = Vec::new();
    for rows in [Rows::Current, Rows::Superseded] {
        for version in transaction.all(rows) {
            let number = if rows == Rows::Current { String::new() } else { format!("/{}", version.version) };
            let codes: Vec<&str> = version.inherited_labels().map(|key| key.split(SEPARATOR).next().unwrap()).collect();
            if !codes.is_empty() {
                lines.push(format!("{}{number} {}", version.id, codes.join(" ")));
            }
        }
    }
    lines.sort_unstable();
    lines
}

/// Checks that these are inherited, and that nothing is left to be done.
#[track_caller]
fn settled(transaction: &mut Transaction<'_>, wanted: &[&str]) {
    assert_eq!(inherited(transaction), wanted);
    assert!(!transaction.has_label_backlog().unwrap());
    assert_eq!(transaction.labels_on_their_way().unwrap().1, [""; 0]);
}
