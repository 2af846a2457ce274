//! What a decision is: which resources, why, with what obligations, and until when.

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
    /// The first moment (milliseconds since 1970 UTC) at which the same question may have another answer because a
    /// period begins or ends; none when time alone changes nothing.
    pub until: Option<i64>,
}

/// One reason of a decision.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
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
    /// One sentence in plain English.
    pub text: String,
}

/// The layers of a decision. Each may only narrow what the ones before it leave.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Layer {
    /// What the token lets the app do.
    Scope,
    /// How the caller is related to the patient.
    Relationship,
    /// What the data's labels say.
    Label,
    /// What the patient wants.
    Consent,
    /// Who may write what.
    Writing,
    /// Who wrote it.
    Authorship,
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
}

impl Reason {
    /// A reason that no Consent is behind.
    pub(crate) fn new(layer: Layer, verdict: Verdict, rule: &'static str, text: impl Into<String>) -> Reason {
        Reason { layer, verdict, rule, consent: None, provision: None, text: text.into() }
    }
}
