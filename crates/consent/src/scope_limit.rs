//! The first layer: what the token lets the app do. A scope only bounds; it gives nothing that the caller has not.

use concord_fhir::predicate::Predicate;
use concord_fhir::search::{self, Handling};

use crate::caller::{Actor, Caller};
use crate::decision::{Layer, Reason, Verdict};
use crate::request::Request;
use crate::scope::{Context, Scope};
use crate::types;

/// The resources that the scopes reach.
///
/// A scope with a query (SMART App Launch 2.2, "Finer-grained resource constraints") reaches what the search finds. One
/// whose query is not wholly understood gives nothing.
pub(crate) fn scope_limit(request: &Request<'_>, now: i64, reasons: &mut Vec<Reason>) -> Predicate {
    let caller = request.caller;
    let mut reach = Predicate::None;
    let (mut not_understood, mut without_patient) = (false, false);
    for scope in caller.scopes.that_permit(request.action, request.resource_type) {
        let Some(found) = found_by(scope, now) else {
            not_understood = true;
            continue;
        };
        match within_context(scope, request) {
            Some(within) => reach = reach.or(within.and(found)),
            None => without_patient |= scope.context == Context::Patient && context_patient(caller).is_none(),
        }
    }
    if reach != Predicate::None {
        let text = "the app was allowed this";
        reasons.push(Reason::new(Layer::Scope, Verdict::Permits, "scope.covers", text).about(reach.clone()));
        return reach;
    }
    let what = request.resource_type.map_or_else(|| "resources".to_owned(), |one| one.to_string());
    let verb = request.action.verb();
    let (rule, text) = if not_understood {
        (
            "scope.query",
            format!("the token may {verb} {what} only within a search that this server does not understand"),
        )
    } else if without_patient {
        ("scope.no-patient", "the token has `patient/` scopes and names no patient".to_owned())
    } else {
        ("scope.missing", format!("the token has no scope to {verb} {what}"))
    };
    reasons.push(Reason::new(Layer::Scope, Verdict::Denies, rule, text));
    Predicate::None
}

/// The patient whom `patient/` scopes are about: the one in context, or the patient who calls.
fn context_patient(caller: &Caller) -> Option<&str> {
    match (&caller.patient, &caller.actor) {
        (Some(patient), _) => Some(patient),
        (None, Actor::Patient(own)) => Some(own),
        _ => None,
    }
}

/// The resources that a scope's context bounds it to; none when the scope is not for such a caller.
fn within_context(scope: &Scope, request: &Request<'_>) -> Option<Predicate> {
    let is_system = request.caller.actor == Actor::System;
    match scope.context {
        Context::System if is_system => Some(Predicate::All),
        Context::User if !is_system => Some(Predicate::All),
        Context::Patient if !is_system => {
            let record = Predicate::PatientCompartment(context_patient(request.caller)?.to_owned());
            Some(if request.action.writes() { record } else { record.or(types::shared(request.resource_type)) })
        }
        _ => None,
    }
}

/// The parameters of every type that say which resources are meant, and not how an answer is given.
const FILTERS_OF_EVERY_TYPE: [&str; 6] = ["_id", "_lastUpdated", "_profile", "_security", "_source", "_tag"];

/// The resources of the scope's type that its query finds; none when the query is not wholly understood, or has a
/// parameter that does not bound.
fn found_by(scope: &Scope, now: i64) -> Option<Predicate> {
    if scope.query.is_empty() {
        return Some(scope.resource_type.map_or(Predicate::All, |one| Predicate::Type(vec![one])));
    }
    let filters = scope.query.iter().all(|(name, _)| {
        let code = name.split(':').next().unwrap_or_default();
        !code.starts_with('_') || FILTERS_OF_EVERY_TYPE.contains(&code)
    });
    let query = search::parse(scope.resource_type, &scope.query, Handling::Strict, now, "").ok()?;
    // A bound that depends on other resources would need a decision about those as well.
    Some(query.predicate).filter(|found| filters && !found.has_chains())
}
