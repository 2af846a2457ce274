//! Whether codes are in a value set, as checks ask it of whoever knows ([`Terminology`]).

use concord_fhir::json::Value;
use concord_fhir::terminology::{CodingRef, Membership, Terminology};

/// What is known of codes and a value set.
#[derive(Debug)]
pub(crate) struct Told {
    /// Whether one is in it.
    pub(crate) membership: Membership,
    /// The code system and version that a code says it is of, where nobody here knows that version and the code was looked for in
    /// the one that is here.
    pub(crate) unheard: Option<String>,
}

impl Told {
    pub(crate) fn of(membership: Membership) -> Told {
        Told { membership, unheard: None }
    }

    fn or(self, other: Told) -> Told {
        let unheard = match other.membership {
            // What decided is what is told of.
            Membership::Yes => other.unheard,
            _ => self.unheard.or(other.unheard),
        };
        Told { membership: self.membership.or(other.membership), unheard }
    }

    /// What there is to say of the version.
    pub(crate) fn remark(&self) -> Option<String> {
        let of = self.unheard.as_ref()?;
        Some(format!("{of} is not known here, and the code was looked for in the version that is"))
    }
}

/// Whether a Coding is in the value set. A code whose system nobody says may be one of any: it is in none. A version that nobody
/// here knows lets no code pass that the version here has not: a value set means the codes that are known.
pub(crate) fn coding_in(known: &dyn Terminology, coding: &Value<'_>, code: &str, value_set: &str) -> Told {
    let Some(system) = coding.text("system").filter(|system| !system.is_empty()) else {
        return Told::of(match known.member_of(CodingRef::bare(code), value_set) {
            Membership::Yes => Membership::No,
            answer => answer,
        });
    };
    let of_any = CodingRef::of(Some(system), code);
    let Some(version) = coding.text("version").filter(|version| !version.is_empty()) else {
        return Told::of(known.member_of(of_any, value_set));
    };
    let told = known.member_of(CodingRef { version: Some(version), ..of_any }, value_set);
    if told != Membership::Unknown {
        return Told::of(told);
    }
    let membership = known.member_of(of_any, value_set);
    let is_told = membership != Membership::Unknown;
    Told { membership, unheard: is_told.then(|| format!("{system} in version {version}")) }
}

/// Whether one of several Codings is in the value set.
pub(crate) fn any_in(known: &dyn Terminology, codings: &[Value<'_>], value_set: &str) -> Told {
    let mut answer = Told::of(Membership::No);
    for coding in codings {
        let Some(code) = coding.text("code") else { continue };
        answer = answer.or(coding_in(known, coding, code, value_set));
        if answer.membership == Membership::Yes {
            break;
        }
    }
    answer
}

/// Whether one Coding is another one of the same code system or above it, in the version that both say, or the one that is here.
pub(crate) fn is_above(known: &dyn Terminology, above: &Value<'_>, below: &Value<'_>) -> Option<Membership> {
    let (system, upper, lower) = (above.text("system")?, above.text("code")?, below.text("code")?);
    if below.text("system") != Some(system) {
        return None;
    }
    let told = match (above.text("version"), below.text("version")) {
        (Some(one), Some(other)) if one != other => return Some(Membership::Unknown),
        (None, None) => Membership::Unknown,
        (one, other) => known.subsumes(&format!("{system}|{}", one.or(other).unwrap_or_default()), upper, lower),
    };
    Some(if told == Membership::Unknown { known.subsumes(system, upper, lower) } else { told })
}
