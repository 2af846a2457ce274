//! What was seen of a request, in a form that is the same whether it was sent alone or as an entry.

use std::collections::BTreeSet;

use concord_tests::Answer;
use concord_tests::client::text;
use serde_json::{Value, json};

use super::request::{Prepared, Row, Way};

/// What is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Part {
    /// The status against `response.status`.
    Status,
    /// `ETag` against `response.etag`.
    Etag,
    /// `Last-Modified` against `response.lastModified`, to the second.
    Modified,
    /// `Location`, or `Content-Location` where there is none, against `response.location`.
    Location,
    /// The body against `entry.resource` or `response.outcome`.
    Body,
    /// The events that the patient sees.
    OwnLog,
    /// All events.
    Log,
}

const PARTS: [(Part, &str); 7] = [
    (Part::Status, "status"),
    (Part::Etag, "etag"),
    (Part::Modified, "modified"),
    (Part::Location, "location"),
    (Part::Body, "body"),
    (Part::OwnLog, "own-log"),
    (Part::Log, "log"),
];

impl Part {
    /// The part of that name.
    pub(super) fn parse(name: &str) -> Part {
        let found = PARTS.iter().find(|(_, own)| *own == name);
        found.unwrap_or_else(|| panic!("no part of an answer: {name:?}")).0
    }

    /// The names of parts.
    pub(super) fn names(parts: &BTreeSet<Part>) -> String {
        let names: Vec<&str> = PARTS.iter().filter(|(part, _)| parts.contains(part)).map(|(_, name)| *name).collect();
        names.join(" ")
    }
}

/// What was seen of a request.
#[derive(Clone, Debug, Default)]
pub(super) struct Seen {
    status: String,
    etag: String,
    modified: String,
    location: String,
    body: Value,
    /// The events that the patient sees.
    pub(super) own_log: Vec<String>,
    /// The events that a system sees.
    pub(super) log: Vec<String>,
}

impl Seen {
    /// The answer to the row's request.
    pub(super) fn read(row: &Row, way: Way, answer: &Answer, prepared: &Prepared) -> Seen {
        let body = || match answer.body.is_empty() {
            true => Value::Null,
            false => bare(serde_json::from_str(&prepared.plain(&answer.text())).expect("JSON")),
        };
        if way == Way::Alone {
            let location = match answer.header("location") {
                "" => answer.header("content-location"),
                location => location,
            };
            return Seen {
                status: answer.status.to_string(),
                etag: answer.header("etag").to_owned(),
                modified: seconds_of_header(answer.header("last-modified")),
                location: prepared.plain(location),
                body: body(),
                ..Seen::default()
            };
        }
        if answer.status != 200 {
            // A transaction fails as its entry does; a batch never should.
            let whole = if way == Way::Batch { " for the whole batch" } else { "" };
            return Seen { status: format!("{}{whole}", answer.status), body: body(), ..Seen::default() };
        }
        let entry = body()["entry"][0].clone();
        let response = |name: &str| text(&entry, &format!("/response/{name}")).to_owned();
        let status: String = response("status").chars().take(3).collect();
        // What is remarked on a success has its place beside the resource, and alone only where it is asked for.
        let told = !status.starts_with('2') || row.wants_remarks();
        let outcome = entry.pointer("/response/outcome").filter(|_| told).cloned().map(bare);
        Seen {
            status,
            etag: response("etag"),
            modified: response("lastModified").chars().take(SECONDS).collect(),
            location: response("location"),
            body: entry.get("resource").cloned().map(bare).or(outcome).unwrap_or_default(),
            ..Seen::default()
        }
    }

    /// In which parts the other one differs.
    pub(super) fn differences(&self, other: &Seen) -> BTreeSet<Part> {
        let differs = |part: &Part| self.shown(*part) != other.shown(*part);
        PARTS.iter().map(|(part, _)| *part).filter(differs).collect()
    }

    /// Whether what was asked for was done.
    pub(super) fn is_a_success(&self) -> bool {
        self.status.starts_with('2')
    }

    /// A part as text.
    pub(super) fn shown(&self, part: Part) -> String {
        match part {
            Part::Status => self.status.clone(),
            Part::Etag => self.etag.clone(),
            Part::Modified => self.modified.clone(),
            Part::Location => self.location.clone(),
            Part::Body => self.body.to_string(),
            Part::OwnLog => self.own_log.join("\n           "),
            Part::Log => self.log.join("\n           "),
        }
    }
}

/// How long an instant is up to its seconds: `2026-12-01T12:00:00`.
const SECONDS: usize = 19;

/// `Tue, 01 Dec 2026 12:00:00 GMT` as `2026-12-01T12:00:00`.
fn seconds_of_header(text: &str) -> String {
    const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let parts: Vec<&str> = text.split(' ').collect();
    let [_, day, month, year, time, "GMT"] = parts.as_slice() else { return text.to_owned() };
    let month = MONTHS.iter().position(|name| name == month).expect("a month") + 1;
    format!("{year}-{month:02}-{day}T{time}")
}

/// An OperationOutcome whose places begin inside the resource, whichever way it was sent; a Bundle without an order where
/// several were written at once, and without how the database planned it, which it decides anew as it comes to know its
/// tables; anything else as it is.
fn bare(mut value: Value) -> Value {
    if let Some(entries) = value.get_mut("entry").and_then(Value::as_array_mut) {
        let issues = entries.iter_mut().filter_map(|entry| entry.pointer_mut("/resource/issue")?.as_array_mut());
        for issues in issues {
            issues.retain(|issue| !text(issue, "/diagnostics").starts_with("plan: "));
        }
        entries.sort_by_key(Value::to_string);
    }
    if text(&value, "/resourceType") != "OperationOutcome" {
        return value;
    }
    for issue in value["issue"].as_array_mut().into_iter().flatten() {
        let place = inside(text(issue, "/expression/0"));
        if let Some(issue) = issue.as_object_mut() {
            issue.shift_remove("expression");
            if !place.is_empty() {
                issue.insert("expression".to_owned(), json!([place]));
            }
        }
    }
    value
}

/// A place without the resource that it is in.
fn inside(place: &str) -> String {
    for whole in ["Bundle.entry[0].resource", "Bundle.entry[0].request", "Bundle.entry[0]"] {
        if let Some(rest) = place.strip_prefix(whole) {
            return rest.to_owned();
        }
    }
    match place.split_once('.') {
        Some((_, rest)) => format!(".{rest}"),
        None => String::new(),
    }
}
