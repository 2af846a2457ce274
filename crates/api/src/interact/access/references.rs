//! References in what people write point at something that is there and that the writer may read. What is missing and
//! what is hidden are answered alike.

use std::borrow::Cow;
use std::collections::HashMap;

use concord_consent::caller::Actor;
use concord_consent::request::Action;
use concord_fhir::codec::place_of_entry;
use concord_fhir::full_url::is_urn;
use concord_fhir::index::{self, Entries};
use concord_fhir::issue::{Issue, IssueCode, Severity};
use concord_fhir::json::Value;
use concord_fhir::literal::{self, Literal};
use concord_fhir::missing_id::stands_for_none;
use concord_fhir::registry::{PatientCompartment, ResourceType, is_own_record, patient_compartment};
use concord_fhir::schema;

use crate::error::ApiError;
use crate::interact::Call;
use crate::interact::access::named_before::NamedBefore;
use crate::interact::access::{self, knowledge};
use crate::interact::session::Session;

/// How many different resources one resource may refer to.
const LIMIT: usize = 200;

/// Refuses what a write may not refer to: see [`refuse_conditional`], [`refuse_searched`], [`refuse_urns`] and [`refuse_malformed`].
/// What the version before names too has been taken, and stays.
///
/// # Errors
/// Those of all four, of one before those of the next.
pub(crate) fn refuse_unusable(
    session: &mut Session<'_, '_>,
    value: &Value<'_>,
    before: &NamedBefore<'_>,
) -> Result<(), ApiError> {
    let (service, every) = (session.service, index::every_reference(value));
    let base = &service.base;
    let every = before.news(value, every, base)?.into_iter();
    let (urns, references): (Vec<_>, Vec<_>) = every.partition(|(_, reference)| is_urn(reference));
    refuse_conditional(base, &references)?;
    refuse_searched(base, before.news(value, schema::opened(value), base)?)?;
    refuse_urns(urns)?;
    let addresses = before.news(value, schema::addresses(value), base)?;
    refuse_these(session, references, addresses)
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

/// Refuses searches of this server that find a certain resource, or content, where somebody may open them: attachments and narratives.
/// What is found by them would not be protected as what shows it is.
///
/// # Errors
/// [`ApiError::Unprocessable`] with every one of them, at its place.
fn refuse_searched(base: &str, opened: Vec<(String, String)>) -> Result<(), ApiError> {
    let text = "this finds a resource of this server by a search: write its own address, Type/id";
    let issues: Vec<Issue> = opened
        .into_iter()
        .filter(|(_, address)| literal::finds_one(address, base))
        .map(|(place, _)| Issue::error(IssueCode::Value, place, text))
        .collect();
    if issues.is_empty() { Ok(()) } else { Err(ApiError::Unprocessable(issues)) }
}

/// Refuses what looks like a reference to a resource of this server and leads to none, in References, attachments, uris, canonicals
/// and narratives: no part of the server would know what it names, and some other reader may. In References that is also what
/// leads to this server and to no resource of it: what is written about somebody would be in nobody's record, without a word.
/// What was written by mistake is refused by the same: see [`mistake`].
///
/// # Errors
/// [`ApiError::Unprocessable`] with every one of them, at its place, and when the store fails.
pub(crate) fn refuse_malformed(session: &mut Session<'_, '_>, value: &Value<'_>) -> Result<(), ApiError> {
    refuse_these(session, index::references(value), schema::addresses(value))
}

fn refuse_these(
    session: &mut Session<'_, '_>,
    references: Vec<(String, String)>,
    addresses: Vec<(String, String)>,
) -> Result<(), ApiError> {
    let base = &session.service.base;
    let text = "this is no reference to a resource of this server, though it looks like one: Type/id, or Type/id/_history/version, by \
                itself or below the server's address";
    let is_malformed = |address: &str| {
        Literal::read(address, base) == Literal::Malformed
            || stands_for_none(literal::below(address, base).unwrap_or(address))
    };
    let references_to_nothing = references.iter().filter(|(_, reference)| literal::names_nothing(reference, base));
    let issues: Vec<Issue> = references_to_nothing
        .chain(addresses.iter().filter(|(_, address)| is_malformed(address)))
        .map(|(place, _)| Issue::error(IssueCode::Value, place.clone(), text))
        .collect();
    if !issues.is_empty() {
        return Err(ApiError::Unprocessable(issues));
    }
    match mistakes_among(session, references.into_iter().chain(addresses))? {
        none if none.is_empty() => Ok(()),
        issues => Err(ApiError::Unprocessable(issues)),
    }
}

/// What was written by mistake, unless it is there: whoever wrote it, nobody would find what was meant. To whoever may not know
/// whether it is there it is not.
///
/// # Errors
/// When the store fails.
pub(crate) fn mistakes(session: &mut Session<'_, '_>, value: &Value<'_>) -> Result<Vec<Issue>, ApiError> {
    mistakes_among(session, index::references(value).into_iter().chain(schema::addresses(value)))
}

fn mistakes_among(
    session: &mut Session<'_, '_>,
    links: impl Iterator<Item = (String, String)>,
) -> Result<Vec<Issue>, ApiError> {
    let (mut known, mut issues): (HashMap<String, bool>, Vec<Issue>) = (HashMap::new(), Vec::new());
    for (place, address) in links {
        let Literal::Local(resource_type, id) = Literal::read(&address, &session.service.base) else { continue };
        let name = format!("{resource_type}/{id}");
        let Some(why) = mistake(session.call, &name, id) else { continue };
        let is_there = match known.get(&name) {
            Some(found) => *found,
            None => {
                let found = is_found(session, resource_type, id)?;
                known.insert(name.clone(), found);
                found
            }
        };
        if !is_there {
            issues.push(Issue::error(IssueCode::NotFound, place, format!("{name} is not there: {why}")));
        }
    }
    Ok(issues)
}

/// Why an address cannot be meant, where nothing is there: it ends with what a program writes for want of an id, or it is by the id
/// that an entry of the same Bundle has in its content, and does not get.
fn mistake(call: &Call, name: &str, id: &str) -> Option<String> {
    if stands_for_none(id) {
        return Some(format!(
            "`{id}` is what a program writes when it has no id; send the id of what is meant, or leave this out"
        ));
    }
    let place = call.left_ids.get(name)?;
    Some(format!(
        "{} has this id, and what is created gets another; in a transaction, give that entry a fullUrl (urn:uuid:...) and refer \
         to it by that",
        place_of_entry(*place)
    ))
}

/// Whether something is there, or will be when the transaction ends, as far as the caller may know.
fn is_found(session: &mut Session<'_, '_>, resource_type: ResourceType, id: &str) -> Result<bool, ApiError> {
    if session.call.stores_together(resource_type, id) {
        return Ok(true);
    }
    if session.call.caller.knows_everything() {
        return Ok(is_told(session, resource_type) && there(session, resource_type, id)?);
    }
    readable(session, resource_type, id, false)
}

/// Whether somebody who knows of everything is told what of this type is there. Of what no scope of the app is about, it is not; what
/// is of nobody may be named by every app.
fn is_told(session: &Session<'_, '_>, resource_type: ResourceType) -> bool {
    is_shared(resource_type) || access::require_scope(session.call, Action::Read, resource_type).is_ok()
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

/// All by which a resource may name another, each at its place: its references, and, since what an attachment holds or a canonical means
/// may be a resource here too, its addresses.
pub(crate) fn links(value: &Value<'_>) -> Vec<(String, String)> {
    let mut links = index::references(value);
    links.extend(schema::addresses(value));
    links
}

/// Looks up every literal reference to a resource of this server, those of attachments and canonicals among them, and of one to a version
/// that version: what it says protects what names it, and whoever may not read it would see by that what it says. `patients` are those in whose records the caller wants
/// to write this: they may be named by whoever may do that, also by somebody who may not read the Patient. Where the
/// operator has references not checked, what is part of no record need not be there. What is named in the same element of the version
/// before is not looked up: it hands on what it did, and whether it is still there, or may still be read, changes nothing.
///
/// # Errors
/// [`ApiError::Unprocessable`] when there are too many, and when the store fails.
pub(crate) fn unreadable(
    session: &mut Session<'_, '_>,
    value: &Value<'_>,
    patients: &[String],
    before: &NamedBefore<'_>,
) -> Result<Unreadable, ApiError> {
    let mut known: Vec<(ResourceType, String, Option<i64>, bool)> = Vec::new();
    let mut all = Unreadable::default();
    for (place, reference) in before.news(value, links(value), &session.service.base)? {
        // What lies on another server is not ours to look up.
        let Literal::Local(resource_type, id) = Literal::read(&reference, &session.service.base) else { continue };
        let version = literal::version(&reference);
        if version.is_none() && session.call.stores_together(resource_type, id) {
            continue;
        }
        let is_it = |(listed, other, number, _): &&(ResourceType, String, Option<i64>, bool)| {
            *listed == resource_type && other == id && *number == version
        };
        let found = match known.iter().find(is_it) {
            Some((.., found)) => *found,
            None => {
                if known.len() >= LIMIT {
                    return Err(ApiError::rule(place, format!("a resource may refer to at most {LIMIT} others")));
                }
                let own = is_own_record(resource_type) && patients.iter().any(|patient| patient == id);
                let found = match version {
                    // Whoever may name a resource may not know by that what its versions say.
                    Some(number) => is_readable_version(session, resource_type, id, number)?,
                    None => {
                        readable(session, resource_type, id, own)?
                            || (may_name_deleted(session, value, &place)
                                && knowledge::knows_deleted(session, resource_type, id)?)
                    }
                };
                known.push((resource_type, id.to_owned(), version, found));
                found
            }
        };
        if !found {
            if session.service.settings.check_references || !is_shared(resource_type) {
                let number = version.map(|number| format!("/_history/{number}")).unwrap_or_default();
                let text = format!("{resource_type}/{id}{number} is not there, or may not be read by the caller");
                all.issues.push(Issue::error(IssueCode::NotFound, place, text));
            }
            all.names.push(format!("{resource_type}/{id}"));
        }
    }
    Ok(all)
}

/// What somebody who knows of everything is told of attachments, links and canonicals that lead to nothing here: what they mean may still
/// come. Nobody else may write such.
///
/// # Errors
/// When the store fails.
pub(crate) fn nothing_there(session: &mut Session<'_, '_>, value: &Value<'_>) -> Result<Vec<Issue>, ApiError> {
    let mut issues = Vec::new();
    for (place, address) in schema::addresses(value).into_iter().take(LIMIT) {
        let Literal::Local(resource_type, id) = Literal::read(&address, &session.service.base) else { continue };
        let may_come = mistake(session.call, &format!("{resource_type}/{id}"), id).is_none();
        let is_known = is_told(session, resource_type) && !session.call.stores_together(resource_type, id);
        if may_come && is_known && !there(session, resource_type, id)? {
            issues.push(warning(place, format!("{resource_type}/{id} is not there: whoever opens this finds nothing")));
        }
    }
    Ok(issues)
}

/// Names of the URN name spaces by which the entries of a Bundle call one another.
const ENTRY_URNS: [&str; 2] = ["urn:uuid:", "urn:oid:"];

/// What everybody is told of attachments and links of narratives that lead to an entry which there is not. Other elements may hold
/// such a URN as a name.
pub(crate) fn entries_not_there(value: &Value<'_>) -> Vec<Issue> {
    let text = "a URN leads to the entry of the same transaction that has it as its fullUrl, and there is none: whoever opens this finds \
                nothing";
    let is_of_entry = |address: &str| {
        let begins = |urn: &str| address.get(..urn.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(urn));
        ENTRY_URNS.into_iter().any(begins)
    };
    let opened = schema::opened(value).into_iter().filter(|(_, address)| is_of_entry(address));
    opened.take(LIMIT).map(|(place, _)| warning(place, text.to_owned())).collect()
}

fn warning(place: String, text: String) -> Issue {
    Issue::remark_at(Severity::Warning, IssueCode::NotFound, place, text)
}

/// Whether the type is reference data. What refers to a resource in a record is labelled as that is: whoever could name a
/// hidden one would see what they wrote vanish, and know.
fn is_shared(resource_type: ResourceType) -> bool {
    patient_compartment(resource_type) == PatientCompartment::Shared
}

/// Whether what stands at this place may be deleted already, by the rule of its type.
fn may_name_deleted(session: &Session<'_, '_>, value: &Value<'_>, place: &str) -> bool {
    let named = value.text("resourceType").and_then(ResourceType::parse);
    let elements = named.map_or(&[][..], |named| session.service.hooks.of(named).names_deleted);
    elements.iter().any(|element| index::element(place).ends_with(element))
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

/// Whether the caller may read a version, by itself and as a version of what they may read.
fn is_readable_version(
    session: &mut Session<'_, '_>,
    resource_type: ResourceType,
    id: &str,
    number: i64,
) -> Result<bool, ApiError> {
    let Some(head) = knowledge::referable(session, resource_type, id)? else { return Ok(false) };
    Ok(knowledge::referable_version(session, head, number)?.is_some())
}

/// Whether it is there and is not deleted, whoever asks.
fn there(session: &mut Session<'_, '_>, resource_type: ResourceType, id: &str) -> Result<bool, ApiError> {
    let named = session.transaction.named(resource_type, id, false)?;
    Ok(named.is_there())
}
