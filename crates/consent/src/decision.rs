//! What a decision is: which resources, why, with what obligations, and until when.

use std::sync::Arc;

use concord_fhir::index::Entries;
use concord_fhir::predicate::Predicate;

use crate::request::Action;

/// The answer to a [`crate::request::Request`].
#[derive(Clone, Debug, PartialEq)]
pub struct Decision {
    /// What was asked.
    pub action: Action,
    /// The resources that it may be done to. A denial is [`Predicate::None`]. For a write see [`Decision::allows`].
    pub permit: Predicate,
    /// Why: what gave something and what took something away, from the first layer to the last, each once.
    pub reasons: Vec<Reason>,
    /// What has to be done when something is disclosed or changed, each once.
    pub obligations: Vec<Obligation>,
    /// What has to be left out of some of the resources that are permitted. Only reads have any.
    pub redactions: Vec<Redaction>,
    /// What no resource that is shown may name, in the records that were asked about: what the patient denies to the caller
    /// there. References to it are left out of whatever hands on the labels of what it names. Only reads have any. It is long where
    /// the patient denies much, and each answer looks at it.
    pub unnamed: Arc<Predicate>,
    /// The first moment (milliseconds since 1970 UTC) at which the same question may have another answer because a
    /// period begins or ends; none when time alone changes nothing.
    pub until: Option<i64>,
}

/// One reason of a decision.
#[derive(Clone, Debug, PartialEq)]
pub struct Reason {
    /// Which layer speaks.
    pub layer: Layer,
    /// Whether it gives or takes.
    pub verdict: Verdict,
    /// The stable name of the rule.
    pub rule: &'static str,
    /// The Consent that the rule stands in, `Consent/id/_history/version`.
    pub consent: Option<String>,
    /// The place of the rule in the Consent, `provision.provision[0]`.
    pub provision: Option<String>,
    /// By what of the record the rule came to hold, where the rule does not stand in it: a CareTeam, the Consents that suspend
    /// or deny, as `Type/id`. Who may know of none of them is not to be told the rule.
    pub rests_on: Vec<String>,
    /// One sentence in plain English.
    pub text: String,
    /// The resources that it is about.
    pub about: Predicate,
}

/// The layers of a decision. Each may only narrow what the ones before it leave, but for breaking the glass and for an
/// office, which say so.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Layer {
    /// How sure it is who calls.
    Assurance,
    /// What the token lets the app do.
    Scope,
    /// How the caller is related to the patient.
    Relationship,
    /// What the data's labels say.
    Label,
    /// What the patient wants.
    Consent,
    /// What the law lets somebody do for the patient.
    Proxy,
    /// Breaking the glass in an emergency.
    BreakGlass,
    /// Acting in a privileged role.
    PrivilegedRole,
    /// What has to be left out.
    Obligation,
    /// Who may write what.
    Writing,
    /// Who wrote it.
    Authorship,
}

impl Layer {
    /// Its name in answers.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Layer::Assurance => "assurance",
            Layer::Scope => "scope",
            Layer::Relationship => "relationship",
            Layer::Label => "label",
            Layer::Consent => "consent",
            Layer::Proxy => "proxy",
            Layer::BreakGlass => "break-glass",
            Layer::PrivilegedRole => "office",
            Layer::Obligation => "obligation",
            Layer::Writing => "writing",
            Layer::Authorship => "authorship",
        }
    }
}

/// Whether a reason gives or takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Verdict {
    /// It permits.
    Permits,
    /// It denies.
    Denies,
    /// A rule could not be understood: it permits nothing and denies what it may deny.
    Unevaluable,
}

/// What has to be done along with an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Obligation {
    /// Write it to the audit log before the answer leaves.
    Audit,
    /// The app must not pass it on without a further consent (v3 ActCode `NORDSCLCD`).
    NoRedisclosure,
    /// Say in the answer that information may be withheld, whether some was or not.
    SayMayBeWithheld,
    /// Keep that the glass is broken from now on, with who and why, and tell the patient at once.
    NotifyPatient,
    /// Put the breaking of the glass before the privacy officer.
    QueueReview,
}

/// Elements that have to be left out.
#[derive(Clone, Debug, PartialEq)]
pub struct Redaction {
    /// Of which resources.
    pub of: Predicate,
    /// The names of the elements, directly below the resource. An element that has a sibling with an underscore loses
    /// that as well.
    pub elements: &'static [&'static str],
}

/// The answer for one resource.
#[derive(Clone, Debug, PartialEq)]
pub struct ItemDecision {
    /// What may be done.
    pub effect: ItemEffect,
    /// The elements to leave out, each once; none unless the effect is [`ItemEffect::Redact`].
    pub elements: Vec<&'static str>,
    /// The reasons that concern it: for what is permitted those that give, for what is denied those that take. There is
    /// always at least one.
    pub reasons: Vec<Reason>,
}

/// What may be done with one resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ItemEffect {
    /// All.
    Permit,
    /// All but to see some elements.
    Redact,
    /// Nothing.
    Deny,
}

impl ItemEffect {
    /// Its name in answers.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            ItemEffect::Permit => "permit",
            ItemEffect::Redact => "redact",
            ItemEffect::Deny => "deny",
        }
    }
}

impl Decision {
    /// Whether it may be done to this resource: for a read the stored one; for a create the proposed one; for an update
    /// ask for the stored one and for the proposed one. A resource that is written must be permitted for every patient
    /// whose record it would be part of, not only for one of them.
    #[must_use]
    pub fn allows(&self, entries: &Entries) -> bool {
        if !self.action.writes() || entries.patients.len() < 2 {
            return self.permit.holds(entries);
        }
        entries.patients.iter().all(|patient| {
            let alone = Entries { patients: vec![patient.clone()], ..entries.clone() };
            self.permit.holds(&alone)
        })
    }

    /// Whether it may be done to nothing at all.
    #[must_use]
    pub fn is_denial(&self) -> bool {
        self.permit == Predicate::None
    }

    /// The elements that have to be left out of a resource of which that holds, each once.
    fn redacted_where(&self, holds: &mut dyn FnMut(&Predicate) -> bool) -> Vec<&'static str> {
        let mut elements: Vec<&'static str> = Vec::new();
        for redaction in self.redactions.iter().filter(|redaction| holds(&redaction.of)) {
            elements.extend(redaction.elements);
        }
        elements.sort_unstable();
        elements.dedup();
        elements
    }

    /// The answer for one resource, with the reasons that concern it. What is asked of other resources holds of none: see
    /// [`Decision::on_among_others`].
    #[must_use]
    pub fn on(&self, entries: &Entries) -> ItemDecision {
        self.on_among_others(entries, self.allows(entries), &mut |about| about.holds(entries))
    }

    /// The same, where somebody has looked at the other resources: whether it is allowed, and of which predicates the resource
    /// is one of those meant.
    #[must_use]
    pub fn on_among_others(
        &self,
        entries: &Entries,
        is_allowed: bool,
        holds: &mut dyn FnMut(&Predicate) -> bool,
    ) -> ItemDecision {
        let elements = self.redacted_where(holds);
        let effect = match (is_allowed, elements.is_empty()) {
            (false, _) => ItemEffect::Deny,
            (true, true) => ItemEffect::Permit,
            (true, false) => ItemEffect::Redact,
        };
        let mut concerns = |reason: &Reason| {
            let tells = match (effect, reason.verdict) {
                (ItemEffect::Deny, Verdict::Permits) => false,
                (ItemEffect::Deny, _) | (_, Verdict::Permits) => true,
                (ItemEffect::Redact | ItemEffect::Permit, _) => false,
            };
            tells && holds(&reason.about)
        };
        let mut reasons: Vec<Reason> = self.reasons.iter().filter(|reason| concerns(reason)).cloned().collect();
        // Scopes ask nothing of other resources.
        let within_scopes = self.reasons.iter().any(|reason| {
            reason.layer == Layer::Scope && reason.verdict == Verdict::Permits && reason.about.holds(entries)
        });
        let missing = |reason: &Reason| reason.layer == Layer::Scope;
        if effect == ItemEffect::Deny && !within_scopes && !reasons.iter().any(missing) {
            reasons = vec![Reason::new(Layer::Scope, Verdict::Denies, "scope.missing", "the app was not allowed this")];
        }
        if reasons.is_empty() {
            reasons.push(Reason::new(Layer::Relationship, Verdict::Denies, "default", NOTHING_PERMITS));
        }
        let elements = match effect {
            ItemEffect::Redact => {
                reasons.push(Reason::new(Layer::Obligation, Verdict::Denies, "redact.label", LEFT_OUT));
                elements
            }
            ItemEffect::Permit | ItemEffect::Deny => Vec::new(),
        };
        ItemDecision { effect, elements, reasons }
    }
}

const LEFT_OUT: &str = "some details of this person are left out because they are labelled as sensitive";

const NOTHING_PERMITS: &str = "nothing lets this person see or do this, and what is not allowed is refused";

impl Reason {
    /// A reason that no Consent is behind, about everything.
    pub(crate) fn new(layer: Layer, verdict: Verdict, rule: &'static str, text: impl Into<String>) -> Reason {
        let (consent, provision, rests_on) = (None, None, Vec::new());
        Reason { layer, verdict, rule, consent, provision, rests_on, text: text.into(), about: Predicate::All }
    }

    /// The same, by these resources of the record.
    pub(crate) fn resting_on(self, rests_on: Vec<String>) -> Reason {
        Reason { rests_on, ..self }
    }

    /// The same, about these resources only.
    pub(crate) fn about(self, about: Predicate) -> Reason {
        Reason { about, ..self }
    }

    fn key(&self) -> (Layer, Verdict, &'static str, Option<&str>, Option<&str>, &[String], &str) {
        let (consent, provision) = (self.consent.as_deref(), self.provision.as_deref());
        (self.layer, self.verdict, self.rule, consent, provision, &self.rests_on, &self.text)
    }
}

/// The Consents that these reasons stand in, by `Consent/id`, each once.
pub(crate) fn consents_of<'r>(reasons: impl Iterator<Item = &'r Reason>) -> Vec<String> {
    let mut named: Vec<String> = reasons.filter_map(|reason| reason.consent.as_deref()).map(unversioned).collect();
    named.sort_unstable();
    named.dedup();
    named
}

/// `Consent/id` of `Consent/id/_history/version`.
pub(crate) fn unversioned(name: &str) -> String {
    name.split_once("/_history/").map_or(name, |(consent, _)| consent).to_owned()
}

/// Puts reasons into their order, each once: what was said twice is about what either was about.
pub(crate) fn each_once(mut reasons: Vec<Reason>) -> Vec<Reason> {
    reasons.sort_by(|a, b| a.key().cmp(&b.key()));
    let mut once: Vec<Reason> = Vec::with_capacity(reasons.len());
    for reason in reasons {
        match once.last_mut() {
            Some(last) if last.key() == reason.key() => {
                let before = std::mem::replace(&mut last.about, Predicate::None);
                last.about = if before == reason.about { before } else { before.or(reason.about) };
            }
            _ => once.push(reason),
        }
    }
    once
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_layer_has_a_name_of_its_own() {
        let layers = [
            (Layer::Assurance, "assurance"),
            (Layer::Scope, "scope"),
            (Layer::Relationship, "relationship"),
            (Layer::Label, "label"),
            (Layer::Consent, "consent"),
            (Layer::Proxy, "proxy"),
            (Layer::BreakGlass, "break-glass"),
            (Layer::PrivilegedRole, "office"),
            (Layer::Obligation, "obligation"),
            (Layer::Writing, "writing"),
            (Layer::Authorship, "authorship"),
        ];
        for (layer, code) in layers {
            assert_eq!(layer.code(), code);
        }
    }
}
