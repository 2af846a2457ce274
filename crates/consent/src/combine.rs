//! Several Consents: what remains of what is implied once they have spoken.
//!
//! What they deny is denied with what shows or speaks about it, which tells what it says: content by the document that
//! shows it, a comment by what it is about. A permit gives nothing but what it covers itself.

use concord_fhir::predicate::Predicate;

use crate::decision::{Layer, Reason, Verdict, consents_of};
use crate::facts::{Effect, PatientFacts, Provision};
use crate::identity::Rank;
use crate::request::Action;
use crate::ruling::{Kind, Question, Ruling, rulings};
use crate::types;

/// What remains of the implied permission once the patient's Consents have spoken: the most specific rule wins, and of
/// equally specific ones a denial.
pub(crate) fn combine(implied: Predicate, question: &Question<'_>, reasons: &mut Vec<Reason>) -> Predicate {
    let record = Predicate::PatientCompartment(question.patient.patient.clone());
    let mut said: [(Vec<Predicate>, Vec<Predicate>); Rank::ALL.len()] = Default::default();
    for ruling in all_rulings(question) {
        let about = ruling.about.unwrap_or_else(|| ruling.scope.clone());
        reasons.push(ruling.reason.about(record.clone().and(about)));
        if let Some((permits, denies)) = said.get_mut(ruling.rank as usize) {
            if ruling.permits { permits } else { denies }.push(ruling.scope);
        }
    }
    let permitted = said.into_iter().fold(implied, |permitted, (permits, denies)| {
        permitted.or(Predicate::any(permits)).and(Predicate::any(denies).negate())
    });
    if permitted == Predicate::None {
        return permitted;
    }
    let speaks = speaks_of_denied(question);
    if speaks != Predicate::None {
        let text = "the patient does not share what this shows or speaks about";
        let reason = Reason::new(Layer::Consent, Verdict::Denies, "consent.deny-of-other", text);
        let denials = consents_of(denials_that_reach(question).iter());
        reasons.push(reason.about(record.and(speaks.clone())).resting_on(denials));
    }
    permitted.and(speaks.negate())
}

/// What shows or speaks about something in the record that a Consent denies, and that the caller does not keep.
fn speaks_of_denied(question: &Question<'_>) -> Predicate {
    speaking_and_denied(question).0
}

/// The same, and what it denies itself.
pub(crate) fn denied_with_others(question: &Question<'_>) -> Predicate {
    let (speaks, itself) = speaking_and_denied(question);
    speaks.or(itself)
}

/// What shows or speaks about something in the record that a Consent denies, and what it denies itself.
fn speaking_and_denied(question: &Question<'_>) -> (Predicate, Predicate) {
    let speaks_of_none = types::speaking(question.reading.only) == Predicate::None;
    if speaks_of_none || question.action == Action::Create || !may_deny_anything(question) {
        return (Predicate::None, Predicate::None);
    }
    let (denied, exceptions) = denied(question);
    let of_exceptions = exceptions.into_iter().map(|(within, of)| within.and(speaks_of(question, of)));
    (speaks_of(question, denied.clone()).or(Predicate::any(of_exceptions.collect())), denied)
}

/// What no resource may name to the caller, whatever its type: what a Consent denies in the record, and what is denied with
/// that. A denial of everything is not among it, nor one by labels, which whatever names the data has itself.
pub(crate) fn unnamed(question: &Question<'_>) -> Predicate {
    if question.action.writes() || !may_deny_anything(question) {
        return Predicate::None;
    }
    let (denied, exceptions) = denied(question);
    not_to_be_named(question, Predicate::any(exceptions.into_iter().map(|(_, of)| of).chain([denied]).collect()))
}

/// The same in an emergency, in which the denials of emergency access alone stand.
pub(crate) fn unnamed_in_emergency(question: &Question<'_>) -> Predicate {
    not_to_be_named(question, refused(question))
}

fn not_to_be_named(question: &Question<'_>, denied: Predicate) -> Predicate {
    if denied == Predicate::None {
        return denied;
    }
    let record = Predicate::PatientCompartment(question.patient.patient.clone());
    let denied = denied.and(question.kept.clone().negate());
    let then = Box::new(record.clone().and(denied.clone()));
    let speaks = types::speaking(None).and(Predicate::DependsOn { through: types::SPEAKING.clone(), then });
    record.and(denied.or(speaks))
}

/// Whether a rule of the record denies anything by what it says: most share, and of hundreds of them none is looked at again.
fn may_deny_anything(question: &Question<'_>) -> bool {
    question.patient.consents.iter().any(|consent| may_deny(&consent.root))
}

/// Whether a provision or one inside it may deny anything.
fn may_deny(provision: &Provision) -> bool {
    provision.effect == Effect::Deny || provision.provisions.iter().any(may_deny)
}

/// What denials that reach further deny, of every type, that nothing closer to the caller permits; and what exceptions from
/// permits except, each with what is permitted there.
fn denied(question: &Question<'_>) -> (Predicate, Vec<(Predicate, Predicate)>) {
    let (permits, denials): (Vec<Ruling>, Vec<Ruling>) =
        all_rulings(&question.of_every_type()).into_iter().partition(|ruling| ruling.permits);
    // What names the caller more closely and permits what is denied.
    let stands = |rank: Rank, denied: Vec<Predicate>| {
        let closer = permits.iter().filter(|permit| permit.rank > rank);
        let outdone = Predicate::any(closer.map(|permit| permit.scope.clone()).collect());
        Predicate::any(denied).and(outdone.negate())
    };
    let mut denied = Rank::ALL.map(|rank| (rank, Vec::new()));
    let mut exceptions = Vec::<(Rank, Predicate, Vec<Predicate>)>::new();
    for denial in denials {
        if let Some((_, all)) = denied.get_mut(denial.rank as usize).filter(|_| denial.reaches_further) {
            all.push(denial.scope);
        }
        if let Some((within, of)) = denial.exception {
            match exceptions.iter_mut().find(|(rank, known, _)| *rank == denial.rank && *known == within) {
                Some((_, _, all)) => all.push(of),
                None => exceptions.push((denial.rank, within, vec![of])),
            }
        }
    }
    let denied = Predicate::any(denied.into_iter().map(|(rank, all)| stands(rank, all)).collect());
    let exceptions = exceptions.into_iter().map(|(rank, within, of)| (within, stands(rank, of))).collect();
    (denied, exceptions)
}

/// Why what is denied reaches what shows or speaks about it.
pub(crate) fn denials_that_reach(question: &Question<'_>) -> Vec<Reason> {
    let rulings = all_rulings(&question.of_every_type()).into_iter();
    let reaches = |ruling: &Ruling| !ruling.permits && (ruling.reaches_further || ruling.exception.is_some());
    rulings.filter(reaches).map(|ruling| ruling.reason).collect()
}

/// What shows or speaks about something in the record that emergency access is refused to.
pub(crate) fn speaks_of_refused(question: &Question<'_>) -> Predicate {
    speaks_of(question, refused(question))
}

/// What emergency access is refused to, of every type.
fn refused(question: &Question<'_>) -> Predicate {
    let refuses = |ruling: &Ruling| !ruling.permits && ruling.names_break_glass && ruling.reaches_further;
    let refused = all_rulings(&question.of_every_type()).into_iter().filter(refuses);
    Predicate::any(refused.map(|ruling| ruling.scope).collect())
}

/// What shows or speaks about data of the record that is denied.
fn speaks_of(question: &Question<'_>, denied: Predicate) -> Predicate {
    if denied == Predicate::None {
        return denied;
    }
    let record = Predicate::PatientCompartment(question.patient.patient.clone());
    let then = Box::new(record.and(denied).and(question.kept.clone().negate()));
    let speaking = types::speaking(question.reading.only);
    speaking.and(Predicate::DependsOn { through: types::SPEAKING.clone(), then })
}

/// The most that the Consents of one record may ask of a decision together ([`PatientFacts::asks`]): beyond, what is said
/// cannot be told in time, and is a no to all of the record.
pub(crate) const MOST_ASKED: usize = 2 * concord_fhir::rules::consent::MOST_ASKED;

/// The rule of a record about which more is said than can be evaluated.
pub const TOO_MUCH: &str = "consent.too-much";

/// What all the patient's Consents say, in one order. To an app only what names it.
pub(crate) fn all_rulings(question: &Question<'_>) -> Vec<Ruling> {
    if question.patient.asks(question.now) > MOST_ASKED {
        // What cannot be understood at all shuts nobody out of their own record.
        return if question.kind == Kind::OwnApp { Vec::new() } else { vec![too_much(question.patient, question.now)] };
    }
    let mut consents: Vec<_> = question.patient.consents.iter().collect();
    consents.sort_by(|a, b| a.name.cmp(&b.name));
    let mut found: Vec<Ruling> = consents.into_iter().flat_map(|consent| rulings(consent, question)).collect();
    match question.kind {
        Kind::Professional | Kind::Related => {}
        Kind::OtherApp => found.retain(|ruling| ruling.rank > Rank::Everybody),
        // What cannot be understood at all shuts nobody out of their own record.
        Kind::OwnApp => found.retain(|ruling| ruling.rank > Rank::Everybody && ruling.reason.provision.is_some()),
    }
    found
}

/// The one rule of a record about which more is said than can be evaluated: a no to everything.
fn too_much(patient: &PatientFacts, now: i64) -> Ruling {
    let text = format!(
        "the sharing choices of the patient say more than can be evaluated, so they are taken as a no: {} criteria, of at most {MOST_ASKED}",
        patient.asks(now)
    );
    Ruling {
        rank: Rank::Person,
        scope: Predicate::All,
        permits: false,
        reaches_further: false,
        exception: None,
        about: None,
        names_break_glass: patient.names_break_glass(now),
        reason: Reason::new(Layer::Consent, Verdict::Unevaluable, TOO_MUCH, text),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use concord_fhir::index::Entries;
    use concord_fhir::json::{self, Limits, Value};
    use concord_fhir::predicate::Predicate;
    use concord_fhir::registry::ResourceType;

    use crate::purpose::Purpose;
    use crate::request::{Action, Request};
    use crate::tests::cases::{NOW, caller, facts};

    /// What nothing may name to somebody in the care of whom the patient is, with these provisions in a Consent for them.
    fn unnamed(who: &str, inner: &str, action: Action, purpose: Option<Purpose>) -> Predicate {
        unnamed_by(who, &format!(r#""type":"permit","provision":[{inner}]"#), action, purpose)
    }

    /// The same with this outermost one.
    fn unnamed_by(who: &str, outer: &str, action: Action, purpose: Option<Purpose>) -> Predicate {
        let text = format!(
            r#"[{{"resourceType":"CareTeam","id":"t","status":"active","subject":{{"reference":"Patient/p1"}},
            "participant":[{{"member":{{"reference":"Practitioner/gp"}}}}]}},
            {{"resourceType":"RelatedPerson","id":"c1","patient":{{"reference":"Patient/p1"}}}},
            {{"resourceType":"Consent","id":"c","status":"active","scope":{{"coding":[{{
            "system":"http://terminology.hl7.org/CodeSystem/consentscope","code":"patient-privacy"}}]}},
            "patient":{{"reference":"Patient/p1"}},"provision":{{"actor":[{{
            "reference":{{"reference":"{who}"}}}}],{outer}}}}}]"#
        );
        let value = json::parse(text.as_bytes(), &Limits::default()).unwrap().into_owned();
        let Value::Array(resources) = value else { panic!("a list") };
        let mut facts = facts(&resources);
        facts.patients.truncate(1);
        let caller = caller(who, "user/*.cruds", None);
        let reason = Some("unconscious in the emergency department");
        let resource_type = Some(ResourceType::of("MedicationRequest"));
        let request = Request { caller: &caller, action, resource_type, purpose, reason };
        Arc::unwrap_or_clone(crate::decide(&request, &facts, NOW).unnamed)
    }

    fn data(name: &str, author: &str, patient: &str) -> Entries {
        let none = Entries::none(ResourceType::of(name), "x".to_owned(), 0);
        Entries { patients: vec![patient.to_owned()], ..none.by(author.to_owned()) }
    }

    const DENIED: &str =
        r#"{"type":"deny","class":[{"system":"http://hl7.org/fhir/resource-types","code":"Condition"}]}"#;

    #[test]
    fn what_is_denied_is_named_by_nothing_that_is_read() {
        for who in ["Practitioner/gp", "RelatedPerson/c1"] {
            let unnamed = |action, purpose| unnamed(who, DENIED, action, purpose);
            let denied = unnamed(Action::Read, None);
            assert!(denied.holds(&data("Condition", "", "p1")), "{who}");
            assert!(!denied.holds(&data("Condition", "", "p2")), "in no other record");
            assert!(!denied.holds(&data("Procedure", "", "p1")));
            assert!(denied.has_chains(), "what speaks about it is denied with it");
            for action in [Action::Search, Action::History, Action::TypeHistory] {
                assert!(unnamed(action, None).holds(&data("Condition", "", "p1")), "{who}");
            }
            for action in [Action::Create, Action::Update, Action::Delete] {
                assert_eq!(unnamed(action, None), Predicate::None, "{who}");
            }
        }
        let own = unnamed("Practitioner/gp", DENIED, Action::Read, None);
        assert!(!own.holds(&data("Condition", "Practitioner/gp", "p1")), "who wrote it keeps it");
    }

    #[test]
    fn what_a_consent_denies_as_a_whole_is_named_by_nothing_either() {
        let outer = DENIED.trim_start_matches('{').trim_end_matches('}');
        let denied = unnamed_by("Practitioner/gp", outer, Action::Read, None);
        assert!(denied.holds(&data("Condition", "", "p1")) && !denied.holds(&data("Procedure", "", "p1")));
    }

    #[test]
    fn what_is_denied_by_labels_or_not_at_all_is_named() {
        for inner in ["", r#"{"type":"deny","securityLabel":[{"system":"urn:x","code":"MH"}]}"#, r#"{"type":"deny"}"#] {
            assert_eq!(unnamed("Practitioner/gp", inner, Action::Read, None), Predicate::None, "{inner}");
        }
    }

    #[test]
    fn in_an_emergency_only_what_is_refused_is_not_named() {
        let glass = |inner: &str| unnamed("Practitioner/gp", inner, Action::Read, Some(Purpose::BREAK_GLASS));
        assert_eq!(glass(DENIED), Predicate::None);
        let refused = DENIED.replace(
            r#""type":"deny","#,
            r#""type":"deny","purpose":[{"system":"http://terminology.hl7.org/CodeSystem/v3-ActReason","code":"BTG"}],"#,
        );
        assert!(glass(&refused).holds(&data("Condition", "", "p1")));
    }
}
