//! Whether codes are in a value set, as checks ask it of whoever knows ([`Terminology`]).

use concord_fhir::json::Value;
use concord_fhir::terminology::{Membership, Terminology};

/// Whether a Coding is in the value set. A code whose system nobody says may be one of any: it is in none.
pub(crate) fn coding_in(known: &dyn Terminology, coding: &Value<'_>, code: &str, value_set: &str) -> Membership {
    let system = coding.text("system").filter(|system| !system.is_empty());
    match known.member_of(system, code, value_set) {
        Membership::Yes if system.is_none() => Membership::No,
        answer => answer,
    }
}

/// Whether one of several Codings is in the value set.
pub(crate) fn any_in(known: &dyn Terminology, codings: &[Value<'_>], value_set: &str) -> Membership {
    let mut answer = Membership::No;
    for coding in codings {
        let Some(code) = coding.text("code") else { continue };
        answer = answer.or(coding_in(known, coding, code, value_set));
        if answer == Membership::Yes {
            break;
        }
    }
    answer
}
