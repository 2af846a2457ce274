use concord_fhir::json::Value;
use concord_fhir::rules::instant;

use super::Target;
use super::provision::{Coding, Effect, Provision, coding};

/// The most provisions of one Consent that are evaluated.
const MOST_PROVISIONS: usize = 200;

const SCOPES: &str = "http://terminology.hl7.org/CodeSystem/consentscope";

/// What a Consent says (R4 "Consent").
#[derive(Clone, Debug, PartialEq)]
pub struct ConsentFacts {
    /// `Consent/id/_history/version`.
    pub name: String,
    /// Whether it takes part in decisions.
    pub standing: Standing,
    /// Whose it is.
    pub patient: Option<Target>,
    /// The first millisecond since 1970 UTC of `dateTime`: it does not count before.
    pub from: Option<i64>,
    /// Its rules.
    pub root: Provision,
}

/// Whether and how a Consent takes part in decisions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It does not: not active, or about something else than privacy (an advance directive, research, treatment).
    Apart,
    /// It does.
    Counts,
    /// It may, but something in it is not understood: its permits do not count, its denials do.
    OnlyDenies(String),
    /// It cannot be understood at all: it denies everything.
    Unreadable(String),
}

impl ConsentFacts {
    /// What the Consent says. `base` is the address of the FHIR base, without a slash at its end.
    #[must_use]
    pub fn from_resource(id: &str, version: impl std::fmt::Display, resource: &Value<'_>, base: &str) -> ConsentFacts {
        let mut facts = ConsentFacts {
            name: format!("Consent/{id}/_history/{version}"),
            standing: standing(resource),
            patient: resource.get("patient").map(|who| Target::of(who, base)),
            from: None,
            root: Provision::silent(),
        };
        if facts.standing == Standing::Apart {
            return facts;
        }
        match resource.get("dateTime").map(|text| text.as_str().and_then(instant::range)) {
            Some(None) => facts.standing.doubt("its dateTime cannot be read"),
            Some(Some((first, _))) => facts.from = Some(first),
            None => {}
        }
        if let Some(provision) = resource.get("provision") {
            facts.root = Provision::read(provision, "provision".to_owned(), 0, base);
        }
        if facts.root.count() > MOST_PROVISIONS {
            facts.root = Provision::silent();
            facts.standing = Standing::Unreadable(format!("it has more than {MOST_PROVISIONS} provisions"));
        }
        if facts.root.effect == Effect::Silent {
            facts.root.effect = base_rule(resource, &facts.root);
        }
        facts
    }

    /// The moments at which it or a rule in it begins or ceases to hold.
    pub(super) fn boundaries(&self) -> impl Iterator<Item = i64> + use<> {
        let mut moments: Vec<i64> = Vec::new();
        if self.standing != Standing::Apart {
            moments.extend(self.from);
            self.root.boundaries(&mut moments);
        }
        moments.into_iter()
    }
}

impl Standing {
    /// Something in it is not understood.
    fn doubt(&mut self, why: &str) {
        if *self == Standing::Counts {
            *self = Standing::OnlyDenies(why.to_owned());
        }
    }
}

/// Whether a resource has a modifier that is not understood (R4 "Extensibility", modifier extensions; "Resource",
/// implicitRules).
pub(super) fn has_modifier(resource: &Value<'_>) -> bool {
    resource.get("modifierExtension").is_some() || resource.get("implicitRules").is_some()
}

fn standing(resource: &Value<'_>) -> Standing {
    match resource.text("status") {
        Some("active") => {}
        Some("draft" | "proposed" | "rejected" | "inactive" | "entered-in-error") => return Standing::Apart,
        _ => return Standing::Unreadable("its status is not known".to_owned()),
    }
    let scopes: Vec<Coding> =
        resource.get("scope").map_or(&[][..], |scope| scope.list("coding")).iter().map(coding).collect();
    let is = |code: &str| scopes.iter().any(|scope| scope.system == SCOPES && scope.code.as_deref() == Some(code));
    let mut standing = if is("patient-privacy") {
        Standing::Counts
    } else if scopes.is_empty() || scopes.iter().any(|scope| scope.system.is_empty()) {
        Standing::OnlyDenies("its scope is not said with a code and a system".to_owned())
    } else {
        return Standing::Apart;
    };
    if ["adr", "research", "treatment"].into_iter().any(is) {
        standing.doubt("it has another scope besides patient-privacy");
    }
    if has_modifier(resource) {
        standing.doubt("it has a modifier that is not understood");
    }
    standing
}

/// What a root without a type does: what the policy rule says (v3 ActCode, consent directives). Without one it denies
/// those whom it names. A root that names nobody and says nothing only holds the rules inside it: to deny everybody
/// takes a `deny` or a policy.
fn base_rule(resource: &Value<'_>, root: &Provision) -> Effect {
    let policies = resource.get("policyRule").map_or(&[][..], |rule| rule.list("coding"));
    let is =
        |codes: &[&str]| policies.iter().any(|policy| policy.text("code").is_some_and(|code| codes.contains(&code)));
    if is(&["OPTIN", "OPTINR", "NOCONSENT"]) {
        Effect::Deny
    } else if is(&["OPTOUT", "OPTOUTE", "IMPLIED", "IMPLIEDD", "INFA"]) && root.has_criteria() {
        Effect::Permit
    } else if root.actors.is_empty() {
        Effect::Silent
    } else {
        Effect::Deny
    }
}
