//! Who may read which events of the audit log. Every way to them goes through [`sought`].

use std::collections::BTreeSet;

use concord_consent::caller::{Actor, App};
use concord_consent::request::Action;
use concord_fhir::index::{ParameterId, SEPARATOR};
use concord_fhir::issue::{Issue, IssueCode, Severity};
use concord_fhir::predicate::{Predicate, Test};
use concord_fhir::registry::ResourceType;
use concord_store::audit::{AuditQuery, Stored};

use crate::error::ApiError;
use crate::interact::access::knowledge;
use crate::interact::audit::grounds::{AND, LISTED, RESTS_ON};
use crate::interact::audit::interaction::Interaction;
use crate::interact::audit::said::Said;
use crate::interact::audit::{closed, entry, said};
use crate::interact::session::Session;
use crate::interact::{AUDIT_EVENT, Call, access, audit, instant};

/// The events that are asked for and that the caller may see.
///
/// # Errors
/// When the log cannot be searched by what is asked.
pub(crate) fn sought(session: &mut Session<'_, '_>, action: Action, asked: Predicate) -> Result<AuditQuery, ApiError> {
    // The log is under scopes like any type.
    access::require_scope(session.call, action, AUDIT_EVENT)?;
    let decision = access::decide_about(session, action, AUDIT_EVENT, 0)?;
    let query = session
        .transaction
        .audit_query(&asked.and(decision.permit.clone()).and(own_only(session.call)), audit::interactions)?;
    let query = match session.call.caller.credentials.app {
        App::Own => query,
        // Somebody else's sees what it did itself.
        App::ThirdParty => query.by_app(&session.call.caller.client),
    };
    known(session, query)
}

/// A system from which something is kept sees what it did itself and was let do, as people do: a refusal, and a search that
/// was told nothing (see [`access::disclose`]), would tell what there is.
fn own_only(call: &Call) -> Predicate {
    let caller = &call.caller;
    if caller.actor != Actor::System || caller.knows_everything() {
        return Predicate::All;
    }
    Predicate::Entry(ParameterId::of("AuditEvent.agent"), Test::Is(call.agent()))
        .and(Predicate::Entry(ParameterId::of("AuditEvent.outcome"), Test::Starts(format!("0{SEPARATOR}"))))
}

/// Leaves out the events about single resources that the patient may not know of, and those of questions that did not name her and
/// found nothing else in her record: the log of it must not tell that they are there. All of them for others, who see what they did themselves.
fn known(session: &mut Session<'_, '_>, query: AuditQuery) -> Result<AuditQuery, ApiError> {
    if !matches!(session.call.caller.actor, Actor::Patient(_)) {
        return Ok(query);
    }
    let record = access::own_record(session)?;
    let call = access::unbounded(session.call);
    let decision = access::decide_everywhere(&mut session.calling(&call), Action::Read)?;
    let query = session.transaction.only_about(query, &decision.permit, record)?;
    let query = query.beginning_otherwise(said::KEPT);
    if !session.call.caller.scopes.are_granular() {
        return Ok(query);
    }
    // What an app was refused that its scopes keep from it stands in her log, but not where the app itself looks.
    let within = access::decide_everywhere(session, Action::Read)?;
    Ok(session.transaction.without_refusals(query, &session.call.caller.client, &within.permit)?)
}

/// What is to be said of the log to all but systems: that it may not be all that there is.
fn notice(call: &Call) -> Option<Issue> {
    let text = "some information may be withheld because of labels or sharing choices";
    let said = || Issue::remark(Severity::Information, IssueCode::Suppressed, text);
    (call.caller.actor != Actor::System).then(said)
}

/// What is to be known of a page of the log: that, what of closed periods could not be read, and where some of what is asked for
/// may be in closed periods that have not been looked at, that too.
///
/// # Errors
/// When the database fails.
pub(crate) fn notices(
    session: &mut Session<'_, '_>,
    query: &AuditQuery,
    unread: BTreeSet<String>,
) -> Result<Vec<Issue>, ApiError> {
    let reach = query.reach();
    let where_else = match (&session.service.closed_periods, &reach.patients) {
        (_, Some(patients)) if patients.is_empty() => None,
        (None, _) => Some("whoever runs the server keeps it"),
        (Some(_), None) => Some("say whose record it was about (`patient`)"),
        // Whether there is such a patient is not told.
        (Some(_), Some(_)) if !closed::records(session, query)?.1 => {
            Some("it is listed for those who may know of whom it was about")
        }
        (Some(_), Some(_)) => None,
    };
    let mut closed = None;
    if let Some(where_else) = where_else {
        let until = session.without_explain(|session| session.transaction.closed_until())?;
        closed = until.filter(|until| closed::may_be_in(reach, reach.numbers, *until)).map(|(at, _)| {
            let until = instant(at);
            let text = format!("what happened up to {until} has been closed and is not listed here: {where_else}");
            Issue::remark(Severity::Information, IssueCode::Informational, text)
        });
    }
    let unread = unread.into_iter().map(|text| Issue::remark(Severity::Warning, IssueCode::Transient, text));
    Ok(notice(session.call).into_iter().chain(closed).chain(unread).collect())
}

/// How many resources that rules rest on are looked at for one page of events. Of what is beyond, nobody is told the name.
const MOST_LOOKED_AT: usize = 200;

/// What takes the place of a rule that rests on what the reader may not know of: the same, whatever that is.
pub(crate) const NOT_SHOWN: &str = "rule.not-shown";

/// An event as its reader may see it: what answers are made of, and nothing else is.
pub(crate) struct Shown(Stored);

impl Shown {
    /// To whoever has just handed it in.
    pub(crate) fn to_its_sender(stored: Stored) -> Shown {
        Shown(stored)
    }

    /// What may be told of it.
    pub(crate) fn event(&self) -> &Stored {
        &self.0
    }
}

/// Events as the caller may see them. Of what others asked for, a patient sees the parameters and not their values: those may
/// name what is kept from her. Nobody is told a rule that stands in a Consent, or rests on a Consent or CareTeam, of which they may
/// not know: the log keeps it, for those who may.
///
/// # Errors
/// When the store fails.
pub(crate) fn shown(session: &mut Session<'_, '_>, events: &[Stored]) -> Result<Vec<Shown>, ApiError> {
    let hidden = hidden_grounds(session, events)?;
    let own = session.call.caller.actor.reference();
    let is_patient = matches!(session.call.caller.actor, Actor::Patient(_));
    let shown = |stored: &Stored| {
        let mut told = stored.clone();
        if is_patient && own.as_deref() != Some(told.record.agent.as_str()) {
            told.record.query = entry::without_values(&told.record.query);
            // A condition leads to what is written, perhaps by what is kept from her.
            if is_write(told.record.interaction) {
                told.record.query = entry::without_chains(&told.record.query);
            }
        }
        if let Some(hidden) = &hidden
            && told.record.body.is_empty()
        {
            told.record.reason = without_hidden(&told.record.reason, hidden);
        }
        Shown(told)
    };
    Ok(events.iter().map(shown).collect())
}

fn is_write(interaction: i16) -> bool {
    [Interaction::Create, Interaction::Update, Interaction::Patch, Interaction::Delete]
        .into_iter()
        .any(|one| one as i16 == interaction)
}

/// By what of the record the events say that something was decided, as far as the caller may not know of it; none for whoever may
/// know of everything. An app's scopes do not bound it: it reads the log for somebody, who knows what they know.
fn hidden_grounds(session: &mut Session<'_, '_>, events: &[Stored]) -> Result<Option<BTreeSet<String>>, ApiError> {
    if session.call.caller.knows_everything() {
        return Ok(None);
    }
    let parts = events.iter().flat_map(|stored| Said::of(&stored.record.reason).rules.split(LISTED));
    let named: BTreeSet<&str> = parts.flat_map(rests_on).collect();
    let call = match session.call.caller.actor {
        Actor::System => session.call.clone(),
        _ => access::unbounded(session.call),
    };
    let mut hidden = BTreeSet::new();
    for (place, reference) in named.into_iter().enumerate() {
        let known = match reference.split_once('/').and_then(|(name, id)| Some((ResourceType::parse(name)?, id))) {
            Some((resource_type, id)) if place < MOST_LOOKED_AT => session
                .calling(&call)
                .without_explain(|session| knowledge::known(session, resource_type, id))?
                .is_some(),
            _ => false,
        };
        if !known {
            hidden.insert(reference.to_owned());
        }
    }
    Ok(Some(hidden))
}

/// What a rule stands in (`Consent/id` of `Consent/id/_history/1`) or rests on (`CareTeam/id` of `care-team@CareTeam/id`).
fn rests_on(rule: &str) -> impl Iterator<Item = &str> {
    let stands_in = rule.split_once("/_history/").map(|(consent, _)| consent);
    let rests_on = rule.split_once(RESTS_ON).map(|(_, references)| references.split(AND));
    stands_in.into_iter().chain(rests_on.into_iter().flatten())
}

/// A reason as a reader is told it who may not know of these: without the rules that rest on nothing else, and without saying what
/// the others rest on.
fn without_hidden(reason: &str, hidden: &BTreeSet<String>) -> String {
    let Said { begin, rules, given } = Said::of(reason);
    let mut shown: Vec<&str> = Vec::new();
    for rule in rules.split(LISTED) {
        let (mut named, mut known) = (false, false);
        for one in rests_on(rule) {
            (named, known) = (true, known || !hidden.contains(one));
        }
        let rule = match (named, known) {
            (true, false) => NOT_SHOWN,
            (true, true) => rule.split(RESTS_ON).next().unwrap_or_default(),
            (false, _) => rule,
        };
        if named && shown.contains(&rule) {
            continue;
        }
        shown.push(rule);
    }
    format!("{begin}{}{given}", shown.join(LISTED))
}
