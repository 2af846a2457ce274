//! References in what people write point at something that is there and that the writer may read. What is missing and
//! what is hidden are answered alike.

use std::borrow::Cow;

use concord_consent::caller::Actor;
use concord_consent::request::Action;
use concord_fhir::full_url::is_urn;
use concord_fhir::index::{self, Entries};
use concord_fhir::issue::{Issue, IssueCode, Severity};
use concord_fhir::json::Value;
use concord_fhir::literal::{self, Literal};
use concord_fhir::registry::{PatientCompartment, ResourceType, is_own_record, patient_compartment};
use concord_fhir::schema;

use crate::error::ApiError;
use crate::interact::access::{self, knowledge};
use crate::interact::session::Session;

/// How many different resources one resource may refer to.
const LIMIT: usize = 200;

/// Refuses what a write may not refer to: see [`refuse_conditional`], [`refuse_urns`] and [`refuse_malformed`].
///
/// # Errors
/// Those of all three, of one before those of the next.
pub(crate) fn refuse_unusable(base: &str, value: &Value<'_>) -> Result<(), ApiError> {
    let every = index::every_reference(value).into_iter();
    let (urns, references): (Vec<_>, Vec<_>) = every.partition(|(_, reference)| is_urn(reference));
    refuse_conditional(base, &references)?;
    refuse_urns(urns)?;
    refuse_these(base, references, value)
}

/// Refuses references to URNs: a transaction has put addresses in place of those by which its entries name one another (R4
/// "Resolving references in Bundles"), and what is left leads nowhere.
///
/// # Errors
/// [`ApiError::Unprocessable`] with every one of them, at its place.
fn refuse_urns(references: Vec<(String, String)>) -> Result<(), ApiError> {
    let text = "a URN leads to the entry of the same transaction that has it as its fullUrl, and there is none: send what is meant \
                along, refer to what is stored (Type/id), or name it by an identifier";
    let issues: Vec<Issue> =
        references.into_iter().map(|(place, _)| Issue::error(IssueCode::NotFound, place, text)).collect();
    if issues.is_empty() { Ok(()) } else { Err(ApiError::Unprocessable(issues)) }
}

/// Refuses references by a search, `Type?...`, also below this server's address: a transaction has put ids in their place (R4 "Conditional references"), and
/// anywhere else they would lead nowhere.
///
/// # Errors
/// [`ApiError::Malformed`] with every one of them, at its place.
fn refuse_conditional(base: &str, references: &[(String, String)]) -> Result<(), ApiError> {
    let text = "a reference by a search is understood in a transaction only";
    let issues: Vec<Issue> = references
        .iter()
        .filter(|(_, reference)| literal::by_search(reference, base).is_some())
        .map(|(place, _)| Issue::error(IssueCode::NotSupported, place.clone(), text))
        .collect();
    if issues.is_empty() { Ok(()) } else { Err(ApiError::Malformed(issues)) }
}

/// Refuses what looks like a reference to a resource of this server and leads to none, in References, attachments and canonicals: no
/// part of the server would know what it names, and some other reader may. In References that is also what leads to this server
/// and to no resource of it: what is written about somebody would be in nobody's record, without a word.
///
/// # Errors
/// [`ApiError::Unprocessable`] with every one of them, at its place.
pub(crate) fn refuse_malformed(base: &str, value: &Value<'_>) -> Result<(), ApiError> {
    refuse_these(base, index::references(value), value)
}

fn refuse_these(base: &str, references: Vec<(String, String)>, value: &Value<'_>) -> Result<(), ApiError> {
    let text = "this is no reference to a resource of this server, though it looks like one: Type/id, or Type/id/_history/version, by \
                itself or below the server's address";
    let is_malformed = |address: &str| Literal::read(address, base) == Literal::Malformed;
    let addresses = schema::addresses(value).into_iter().filter(|(_, address)| is_malformed(address));
    let issues: Vec<Issue> = references
        .into_iter()
        .filter(|(_, reference)| literal::names_nothing(reference, base))
        .chain(addresses)
        .map(|(place, _)| Issue::error(IssueCode::Value, place, text))
        .collect();
    if issues.is_empty() { Ok(()) } else { Err(ApiError::Unprocessable(issues)) }
}

/// References that lead nowhere, or to what the caller may not read.
#[derive(Debug, Default)]
pub(crate) struct Unreadable {
    /// What is referred to, as `Type/id`.
    names: Vec<String>,
    /// Each reference, at its place.
    issues: Vec<Issue>,
}

impl Unreadable {
    /// The entries as they would be if none of these were there. A decision from what a hidden resource says (data
    /// inherits the labels of its encounter) would tell that the resource is there.
    pub(crate) fn without<'e>(&self, entries: &'e Entries) -> Cow<'e, Entries> {
        if self.names.is_empty() {
            return Cow::Borrowed(entries);
        }
        let mut rest = entries.clone();
        rest.rows.retain(|row| !self.names.contains(&row.key));
        Cow::Owned(rest)
    }

    /// Refuses what has such a reference.
    ///
    /// # Errors
    /// [`ApiError::Unprocessable`] with every one of them, at its place.
    pub(crate) fn refuse(self) -> Result<(), ApiError> {
        if self.issues.is_empty() { Ok(()) } else { Err(ApiError::Unprocessable(self.issues)) }
    }
}

/// Looks up every literal reference to a resource of this server, those of attachments and canonicals among them. `patients` are those in whose records the caller wants
/// to write this: they may be named by whoever may do that, also by somebody who may not read the Patient. Where the
/// operator has references not checked, what is part of no record need not be there.
///
/// # Errors
/// [`ApiError::Unprocessable`] when there are too many, and when the store fails.
pub(crate) fn unreadable(
    session: &mut Session<'_, '_>,
    value: &Value<'_>,
    patients: &[String],
) -> Result<Unreadable, ApiError> {
    let mut known: Vec<(ResourceType, String, bool)> = Vec::new();
    let mut all = Unreadable::default();
    // What an attachment holds or a canonical means may be a resource here too, and leads nowhere if that is not there.
    for (place, reference) in index::references(value).into_iter().chain(schema::addresses(value)) {
        // What lies on another server is not ours to look up.
        let Literal::Local(resource_type, id) = Literal::read(&reference, &session.service.base) else { continue };
        let name = resource_type.name();
        if session.call.together.iter().any(|other| other.split_once('/') == Some((name, id))) {
            continue;
        }
        let found = match known.iter().find(|(listed, other, _)| *listed == resource_type && other == id) {
            Some((_, _, found)) => *found,
            None => {
                if known.len() >= LIMIT {
                    return Err(ApiError::rule(place, format!("a resource may refer to at most {LIMIT} others")));
                }
                let own = is_own_record(resource_type) && patients.iter().any(|patient| patient == id);
                let found = readable(session, resource_type, id, own)?;
                known.push((resource_type, id.to_owned(), found));
                found
            }
        };
        if !found {
            if session.service.settings.check_references || !is_shared(resource_type) {
                let text = format!("{name}/{id} is not there, or may not be read by the caller");
                all.issues.push(Issue::error(IssueCode::NotFound, place, text));
            }
            all.names.push(format!("{name}/{id}"));
        }
    }
    Ok(all)
}

/// What somebody who knows of everything is told of attachments, links and canonicals that lead to nothing here: what they mean may still
/// come, and `Binary/undefined` never will. Nobody else may write such.
///
/// # Errors
/// When the store fails.
pub(crate) fn nothing_there(session: &mut Session<'_, '_>, value: &Value<'_>) -> Result<Vec<Issue>, ApiError> {
    let mut issues = Vec::new();
    for (place, address) in schema::addresses(value).into_iter().take(LIMIT) {
        let Literal::Local(resource_type, id) = Literal::read(&address, &session.service.base) else { continue };
        let name = format!("{resource_type}/{id}");
        // Of what no scope of the app is about, it is not told whether it is there. What is of nobody may be named by every app.
        let is_told =
            is_shared(resource_type) || access::require_scope(session.call, Action::Read, resource_type).is_ok();
        if is_told && !session.call.together.contains(&name) && !there(session, resource_type, id)? {
            let text = format!("{name} is not there: whoever opens this finds nothing");
            issues.push(Issue { severity: Severity::Warning, ..Issue::error(IssueCode::NotFound, place, text) });
        }
    }
    Ok(issues)
}

/// Whether the type is reference data. What refers to a resource in a record is labelled as that is: whoever could name a
/// hidden one would see what they wrote vanish, and know.
fn is_shared(resource_type: ResourceType) -> bool {
    patient_compartment(resource_type) == PatientCompartment::Shared
}

fn readable(session: &mut Session<'_, '_>, resource_type: ResourceType, id: &str, own: bool) -> Result<bool, ApiError> {
    // One may always name oneself, also where nobody has stored who one is.
    if session.call.caller.actor.reference().is_some_and(|own| own == format!("{resource_type}/{id}")) {
        return Ok(true);
    }
    if own {
        // Systems write into records of which they may not know, whether these are there or not.
        if session.call.caller.actor == Actor::System {
            return Ok(true);
        }
        return there(session, resource_type, id);
    }
    Ok(knowledge::referable(session, resource_type, id)?.is_some())
}

/// Whether it is there and is not deleted, whoever asks.
fn there(session: &mut Session<'_, '_>, resource_type: ResourceType, id: &str) -> Result<bool, ApiError> {
    let named = session.transaction.named(resource_type, id, false)?;
    let there = named.evaluated(|head| Ok::<_, ApiError>((!head.version.deleted).then_some(())))?;
    Ok(there.is_some())
}
