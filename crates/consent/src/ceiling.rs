//! The first layer: what the token lets the app do. A scope only bounds; it gives nothing that the caller has not.

use concord_fhir::predicate::Predicate;

use crate::caller::{Actor, Caller};
use crate::decision::{Layer, Reason, Verdict};
use crate::request::Request;
use crate::scope::{Context, Scope};
use crate::types;

/// The resources that the scopes reach.
///
/// A scope with a query (SMART App Launch 2.2, "Finer-grained resource constraints") gives nothing: it bounds by a search
/// that is not evaluated here, and to leave the bound out would give too much.
pub(crate) fn ceiling(request: &Request<'_>, reasons: &mut Vec<Reason>) -> Predicate {
    let caller = request.caller;
    let mut reach = Predicate::None;
    let (mut granular, mut without_patient) = (false, false);
    for scope in caller.scopes.that_permit(request.action, request.resource_type) {
        if !scope.query.is_empty() {
            granular = true;
            continue;
        }
        match within_context(scope, request) {
            Some(within) => reach = reach.or(within.and(of_type(scope))),
            None => without_patient |= scope.context == Context::Patient && context_patient(caller).is_none(),
        }
    }
    if reach != Predicate::None {
        let text = "the token's scopes cover this";
        reasons.push(Reason::new(Layer::Scope, Verdict::Permits, "scope.covers", text));
        return reach;
    }
    let what = request.resource_type.map_or_else(|| "resources".to_owned(), |one| one.to_string());
    let verb = request.action.verb();
    let (rule, text) = if granular {
        (
            "scope.query",
            format!("the token may {verb} {what} only within a search, which this server does not evaluate"),
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
            let record = Predicate::Record(context_patient(request.caller)?.to_owned());
            Some(if request.action.writes() { record } else { record.or(types::shared(request.resource_type)) })
        }
        _ => None,
    }
}

fn of_type(scope: &Scope) -> Predicate {
    scope.resource_type.map_or(Predicate::All, |one| Predicate::Type(vec![one]))
}
