//! What a caller may know is there. Who may not know of something is answered, and finds in their own log, what they would
//! if it were not there.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use concord_consent::caller::Actor;
use concord_consent::decision::{Decision, Reason, Verdict};
use concord_consent::facts::PatientFacts;
use concord_consent::request::Action;
use concord_fhir::json::Value;
use concord_fhir::registry::ResourceType;
use concord_fhir::rules::local_reference;
use concord_store::lower::Rows;
use concord_store::named::{Ground, Permitted, Unevaluated};
use concord_store::rows::{Head, StoredVersion, Version};

use crate::error::ApiError;
use crate::interact::access;
use crate::interact::access::{evaluation, facts};
use crate::interact::audit::grounds::Told;
use crate::interact::is_event;
use crate::interact::labels::review;
use crate::interact::session::Session;

const PATIENT: ResourceType = ResourceType::of("Patient");

/// Of how many of those whom a search names with others it is told them that there was nothing.
const MOST_ASKED: usize = 20;

/// Whether the caller may know that there is a patient of this id: whoever may see the Patient, or whom anything but what
/// they wrote themselves lets into the record.
///
/// # Errors
/// When the store fails.
pub(crate) fn knows_of(session: &mut Session<'_, '_>, patient: &str) -> Result<bool, ApiError> {
    if session.call.caller.knows_everything() {
        return Ok(true);
    }
    session.without_explain(|session| match &session.call.caller.actor {
        Actor::Patient(own) => Ok(own == patient),
        Actor::System => Ok(readable(session, PATIENT, patient)?.is_some()),
        _ => is_let_in(session, patient),
    })
}

/// Whether the caller may read the Patient of this id: who knows of a record need not know whose it is.
///
/// # Errors
/// When the store fails.
pub(crate) fn reads_patient(session: &mut Session<'_, '_>, patient: &str) -> Result<bool, ApiError> {
    if session.call.caller.scopes.that_permit(Action::Read, Some(PATIENT)).next().is_none() {
        return Ok(false);
    }
    if session.call.caller.knows_everything() {
        return Ok(true);
    }
    Ok(session.without_explain(|session| readable(session, PATIENT, patient))?.is_some())
}

/// The Patient of this id, if it is there, is not deleted, and [`reads_patient`] says so.
///
/// # Errors
/// When the store fails.
pub(crate) fn patient_read(session: &mut Session<'_, '_>, patient: &str) -> Result<Option<StoredVersion>, ApiError> {
    if session.call.caller.scopes.that_permit(Action::Read, Some(PATIENT)).next().is_none() {
        return Ok(None);
    }
    let head = match session.call.caller.knows_everything() {
        true => {
            let named = session.transaction.named(PATIENT, patient, false)?;
            #[expect(clippy::disallowed_methods, reason = "from this caller nothing is kept")]
            let known = |head: &Head| {
                Ok::<_, ApiError>((!head.version.deleted).then(|| Permitted::on(Ground::KnowsEverything, head)))
            };
            named.evaluated(known)?.map(|(head, ())| head)
        }
        false => session.without_explain(|session| readable(session, PATIENT, patient))?,
    };
    Ok(head.map(|head| head.version))
}

/// The ids of the patients in whose records something is that a Reference names, deleted or not, as far as the caller may know of
/// it. A patient is in her own.
///
/// # Errors
/// When the store fails.
pub(crate) fn records_of(session: &mut Session<'_, '_>, reference: &Value<'_>) -> Result<Vec<String>, ApiError> {
    let local = reference.text("reference").and_then(|text| local_reference(&session.service.base, text));
    let Some((name, id)) = local.as_deref().and_then(|local| local.split_once('/')) else { return Ok(Vec::new()) };
    let Some(resource_type) = ResourceType::parse(name) else { return Ok(Vec::new()) };
    if resource_type == PATIENT {
        return Ok(vec![id.to_owned()]);
    }
    match known(session, resource_type, id)? {
        Some(head) => Ok(session.transaction.patient_ids_of(&head.version)?),
        None => Ok(Vec::new()),
    }
}

/// What a caller names, deleted or not, if they may know of it, as [`access::decide_reference`] decides.
///
/// # Errors
/// When the store fails.
pub(crate) fn known(
    session: &mut Session<'_, '_>,
    resource_type: ResourceType,
    id: &str,
) -> Result<Option<Head>, ApiError> {
    let named = session.transaction.named(resource_type, id, false)?;
    let evaluated = named.evaluated(|head| {
        let decision = access::decide_reference(session, head)?;
        match session.call.caller.knows_everything() {
            #[expect(clippy::disallowed_methods, reason = "from this caller nothing is kept")]
            true => Ok(Some(Permitted::on(Ground::KnowsEverything, head))),
            false => evaluation::permitted(session.transaction, &decision, head),
        }
    })?;
    Ok(evaluated.map(|(head, ())| head))
}

/// Whether something of this id has been deleted, and the caller could read it: of what kept it from a patient nobody knows any more who
/// put that there, and it goes on to.
///
/// # Errors
/// When the store fails.
pub(crate) fn knows_deleted(
    session: &mut Session<'_, '_>,
    resource_type: ResourceType,
    id: &str,
) -> Result<bool, ApiError> {
    let is_patient = matches!(session.call.caller.actor, Actor::Patient(_));
    let (named, mut record) = (session.transaction.named(resource_type, id, false)?, None);
    let evaluated = named.evaluated(|head| {
        if !head.version.deleted || (is_patient && review::is_hidden(&head.version)) {
            return Ok(None);
        }
        record = Some(head.version.patient);
        let decision = access::decide_reference(session, head)?;
        evaluation::permitted(session.transaction, &decision, head)
    })?;
    if evaluated.is_none() {
        access::as_if_elsewhere(session, record)?;
    }
    Ok(evaluated.is_some())
}

/// The key of a patient's record, if the caller may know of the patient.
///
/// # Errors
/// When the store fails.
pub(crate) fn record_known(session: &mut Session<'_, '_>, patient: &str) -> Result<Option<i64>, ApiError> {
    if !knows_of(session, patient)? {
        return Ok(None);
    }
    #[expect(clippy::disallowed_methods, reason = "the caller may know of the patient")]
    let key = session.transaction.named_record(patient)?.deciding();
    Ok(Some(key).filter(|key| *key != 0))
}

/// Says that the answer holds these versions: every patient whose data that is gets an audit record, and so does, if there is
/// nothing of theirs, whoever was asked about. Whoever may not know of that patient was told nothing: to the patient that
/// is a refusal, and in the caller's own log it does not stand, as it does not where there is no such patient.
///
/// # Errors
/// When the store fails.
pub(crate) fn disclose(
    session: &mut Session<'_, '_>,
    versions: &[(Rows, &Version)],
    asked: &[String],
) -> Result<(), ApiError> {
    disclose_found(session, &Answer { versions, ..Answer::default() }, asked)
}

/// What an answer holds.
#[derive(Clone, Copy, Default)]
pub(crate) struct Answer<'a> {
    /// These versions.
    pub(crate) versions: &'a [(Rows, &'a Version)],
    /// Which of them, by these keys, were found only by what is kept from the patients whom they are about, or may have been.
    pub(crate) by_kept: Option<&'a HashSet<i64>>,
    /// The patients of whose data it says the number, with the types of that.
    pub(crate) counted: &'a [(i64, ResourceType)],
    /// Whether that may have been found by what is kept from them.
    pub(crate) is_counted_by_kept: bool,
    /// Whom the question names by id, as whatever.
    pub(crate) named: &'a [String],
}

/// What an answer has of one patient.
#[derive(Default)]
struct Found {
    /// Whether some of it is hers to know of, and there by nothing that is not.
    is_told: bool,
    /// The types of what is hers to know of.
    open: Vec<ResourceType>,
    /// The types of all.
    types: Vec<ResourceType>,
}

impl Found {
    /// Some of it is of this type.
    fn has(&mut self, of: ResourceType, by_type: bool, is_open: bool) {
        for (types, is_one) in [(&mut self.types, by_type), (&mut self.open, is_open)] {
            if is_one && !types.contains(&of) {
                types.push(of);
            }
        }
    }
}

/// The same of all that an answer may hold.
///
/// # Errors
/// When the store fails.
pub(crate) fn disclose_found(
    session: &mut Session<'_, '_>,
    answer: &Answer<'_>,
    asked: &[String],
) -> Result<(), ApiError> {
    let Answer { versions, by_kept, counted, is_counted_by_kept, named } = *answer;
    let is_by_kept = |version: &Version| by_kept.is_some_and(|keys| keys.contains(&version.key));
    let mut patients: BTreeMap<i64, Found> = BTreeMap::new();
    let by_type = session.audit.is_permitted_by_type();
    // What is about something that is kept from the patient is not told her, whatever comes with it.
    let is_about_kept = versions.iter().any(|(_, version)| session.audit.is_about(version) && review::is_kept(version));
    let whose = in_whose_records_it_is(session, versions)?;
    for (rows, version) in versions {
        for key in session.transaction.patients_of(*rows, version)? {
            let found = patients.entry(key).or_default();
            // An event was told when it happened.
            let is_open = !review::is_kept(version) && !is_event(version.resource_type);
            found.is_told |= is_open && !is_by_kept(version) && !is_about_kept;
            found.has(version.resource_type, by_type, is_open);
        }
    }
    for (key, of) in counted {
        let found = patients.entry(*key).or_default();
        found.is_told |= !is_counted_by_kept;
        found.has(*of, by_type, true);
    }
    let (mut own, mut known, mut without) = (None, true, Vec::new());
    let mut several: Vec<&String> = asked.iter().chain(named).collect();
    if let [single] = asked {
        known = !patients.is_empty() || knows_of(session, single)?;
        own = in_whose_log(session, single)?;
        several.retain(|one| *one != single);
    }
    several.sort_unstable();
    several.dedup();
    for one in several.into_iter().take(MOST_ASKED) {
        let (told, known) = (in_whose_log(session, one)?, knows_of(session, one)?);
        let found = told.as_ref().and_then(|told| patients.get_mut(&told.key));
        match (told, found) {
            (_, Some(found)) if found.is_told => {}
            // Who is asked about by name is told so whether there is nothing of hers or what is kept from her: alike, and nothing else.
            (Some(told), found) => {
                found.into_iter().for_each(|found| found.open.clear());
                without.push((told, known));
            }
            // The numbers of events must not tell who is there: whoever is not has one as well, in nobody's log.
            (None, _) => without.push((Told::nobody(), false)),
        }
    }
    let mut told = Vec::with_capacity(patients.len());
    for (key, Found { is_told, open, types }) in patients {
        let id = session.transaction.patient_id(key)?;
        // What was asked for in another's record is not hers to read: that hers was with it is.
        let is_hers = whose.as_ref().is_none_or(|all| all.contains(&key)) && !session.audit.is_about_another(&id);
        let is_told = is_told && is_hers;
        told.push(Told { key, id, kept: !is_told, open: if is_told { Vec::new() } else { open }, types });
    }
    session.audit.disclosed(told, own, known, without);
    Ok(())
}

/// In whose records that is and was which was asked for by its id, as far as these have it; none, where nothing was, or they have none of it.
fn in_whose_records_it_is(
    session: &mut Session<'_, '_>,
    versions: &[(Rows, &Version)],
) -> Result<Option<Vec<i64>>, ApiError> {
    let mut whose = None;
    for (rows, version) in versions {
        if session.audit.is_about(version) {
            let patients = session.transaction.patients_of(*rows, version)?;
            whose.get_or_insert_with(Vec::new).extend(patients);
        }
    }
    Ok(whose)
}

/// Says of a version that is read or written that it is in the records of all patients in whose it is.
///
/// # Errors
/// When the store fails.
pub(crate) fn in_all_records(session: &mut Session<'_, '_>, rows: Rows, version: &Version) -> Result<(), ApiError> {
    // Of a current version the one record that it is in is known.
    if version.patients > 1 || rows == Rows::Superseded {
        let patients = session.transaction.patients_of(rows, version)?;
        session.audit.in_records(patients);
    }
    Ok(())
}

/// The log in which it stands that somebody asked about a patient, if there is one.
fn in_whose_log(session: &mut Session<'_, '_>, patient: &str) -> Result<Option<Told>, ApiError> {
    #[expect(
        clippy::disallowed_methods,
        reason = "in whose log it stands, which the caller reads as far as they may know"
    )]
    let key = session.transaction.named_record(patient)?.deciding();
    Ok((key != 0).then(|| Told { key, id: patient.to_owned(), ..Told::nobody() }))
}

/// Whether a rule that is about this record lets the caller in. That somebody wrote something there is no such rule: they
/// may have named a patient whom there is not.
fn is_let_in(session: &mut Session<'_, '_>, patient: &str) -> Result<bool, ApiError> {
    let record = session.transaction.named_record(patient)?;
    if record.is_unused() {
        return Ok(false);
    }
    #[expect(clippy::disallowed_methods, reason = "whether the caller is let into it is decided next")]
    let key = record.deciding();
    let call = access::unbounded(session.call);
    let facts = access::facts_about(&mut session.calling(&call), key)?;
    let decision = concord_consent::decide(&call.request(Action::Read, None), &facts, session.transaction.now);
    let lets_in = |reason: &Reason| {
        reason.verdict == Verdict::Permits
            && reason.rule != "author"
            && access::only_record(&reason.about) == Some(patient)
    };
    Ok(decision.reasons.iter().any(lets_in))
}

/// The current version of what a caller names, if it is there, is not deleted, and they may read it.
///
/// # Errors
/// When the store fails.
pub(crate) fn readable(
    session: &mut Session<'_, '_>,
    resource_type: ResourceType,
    id: &str,
) -> Result<Option<Head>, ApiError> {
    let named = session.transaction.named(resource_type, id, false)?;
    permitted(session, named, access::decide_on)
}

/// The same for what a resource refers to, as [`access::decide_reference`] decides.
///
/// # Errors
/// When the store fails.
pub(crate) fn referable(
    session: &mut Session<'_, '_>,
    resource_type: ResourceType,
    id: &str,
) -> Result<Option<Head>, ApiError> {
    let named = session.transaction.named(resource_type, id, false)?;
    permitted(session, named, |session, _, head| access::decide_reference(session, head))
}

/// A version of what [`referable`] has found, by its number, if it is there, is not a deletion, and the caller may read it as it was,
/// too. What names a version says what that version says, and is protected as that is.
///
/// # Errors
/// When the store fails.
pub(crate) fn referable_version(
    session: &mut Session<'_, '_>,
    head: Head,
    number: i64,
) -> Result<Option<Version>, ApiError> {
    if number == head.version.version {
        return Ok(Some(head.version.into_version()));
    }
    let Some(version) = session.transaction.superseded(head.version.key, number)? else { return Ok(None) };
    let decision = access::decide_reference(session, &head)?;
    let permits = evaluation::permits(session.transaction, &decision, Rows::Superseded, &version)?;
    Ok(Some(version).filter(|version| permits && !version.deleted))
}

/// How many definitions of one url are followed, of those that the caller may read.
const MOST_CALLED: usize = 100;
/// How many are read at once.
const CALLED_AT_ONCE: i64 = 50;

/// The definitions that are called by a canonical url, or were, of those that the caller may read. The others are as if they
/// were not there: none takes the place of one that the caller may read.
///
/// # Errors
/// When the store fails.
pub(crate) fn found_called(session: &mut Session<'_, '_>, url: &str) -> Result<Vec<Head>, ApiError> {
    let (mut found, mut next) = (Vec::new(), Some(0));
    while let Some(after) = next.filter(|_| found.len() < MOST_CALLED) {
        let (some, last) = session.transaction.named_by_url(url, after, CALLED_AT_ONCE)?;
        next = last;
        for named in some {
            let evaluated = named.evaluated(|head| {
                let in_scope = session.call.caller.scopes.that_permit(Action::Read, Some(head.version.resource_type));
                if head.version.deleted || in_scope.count() == 0 {
                    return Ok(None);
                }
                let decision = access::decide_on(session, Action::Read, head)?;
                evaluation::permitted(session.transaction, &decision, head)
            })?;
            found.extend(evaluated.map(|(head, ())| head));
        }
    }
    found.truncate(MOST_CALLED);
    Ok(found)
}

fn permitted(
    session: &mut Session<'_, '_>,
    named: Unevaluated,
    decide: impl FnOnce(&mut Session<'_, '_>, Action, &Head) -> Result<Arc<Decision>, ApiError>,
) -> Result<Option<Head>, ApiError> {
    let mut record = None;
    let evaluated = named.evaluated(|head| {
        if head.version.deleted {
            return Ok(None);
        }
        record = Some(head.version.patient);
        let decision = decide(session, Action::Read, head)?;
        evaluation::permitted(session.transaction, &decision, head)
    })?;
    if evaluated.is_none() {
        access::as_if_elsewhere(session, record)?;
    }
    Ok(evaluated.map(|(head, ())| head))
}

/// Adds what the resources refer to that Consents name by what is related to them, where the caller has put some among
/// the Consents: as far as the caller may read them, and as it is not known yet.
///
/// # Errors
/// When the store fails.
pub(crate) fn add_readable_links(session: &mut Session<'_, '_>, patient: &mut PatientFacts) -> Result<(), ApiError> {
    for reference in patient.related_to().into_iter().take(facts::RELATED) {
        let Some((name, id)) = reference.split_once('/') else { continue };
        let Some(resource_type) = ResourceType::parse(name) else { continue };
        if patient.links.iter().all(|known| known.reference != reference)
            && let Some(head) = readable(session, resource_type, id)?
            && let Some(links) = facts::links_of(session, &head.version, reference)?
        {
            patient.links.push(links);
        }
    }
    Ok(())
}
