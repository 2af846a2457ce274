//! Professionals: by the care team, by the patient's Consents, by what their own team wrote, by breaking the glass, and
//! in a privileged role.

use concord_fhir::index::{ParameterId, SEPARATOR};
use concord_fhir::predicate::{Predicate, Test};
use concord_fhir::registry::ResourceType;

use crate::asked::{Asked, Reach, Records};
use crate::caller::PrivilegedRole;
use crate::combine::{all_rulings, combine, denials_that_reach, speaks_of_refused};
use crate::decision::{Layer, Reason, Verdict, consents_of};
use crate::facts::{CareTeamFacts, PatientFacts, Target};
use crate::identity::Identity;
use crate::label::{self, Named};
use crate::link;
use crate::patient_side;
use crate::purpose::Purpose;
use crate::request::{Action, BREAK_GLASS_MS, Request};
use crate::ruling::{Kind, Question};
use crate::tri::Tri;
use crate::types;

/// System and code of the Tasks by which the privacy officer reviews that the glass was broken.
pub const REVIEW_TASK: (&str, &str) = ("urn:concord:task", "break-glass-review");

/// What an office holder is told who gives no reason.
const OFFICE_REASON: &str = "to act in an office needs a reason in words, for one named patient";

/// The lowest authenticator assurance level with which the glass can be broken, where the token says one.
const BREAK_GLASS_AUTHENTICATION: u8 = 3;

/// What a professional reaches.
pub(crate) fn reach(asked: &mut Asked<'_>) -> Reach {
    let request = asked.request;
    let facts = asked.facts;
    let identity = Identity::of(request.caller, facts, asked.now);
    if identity.role_not_held {
        let text = "the role in which this person acts is not known or not held at this time";
        asked.takes(Layer::Relationship, "role-not-held", Predicate::All, text);
        return Reach::nothing();
    }
    let (mut records, mut whole) = (Records::default(), Records::default());
    for patient in &facts.patients {
        let (permitted, wholly) = of_patient(asked, &identity, patient);
        records.add(&patient.patient, permitted);
        whole.add(&patient.patient, wholly);
    }
    if facts.patients.is_empty() {
        let text = "this person has no relationship to any patient in question";
        let records = Predicate::NoPatientCompartment.negate();
        asked.takes(Layer::Relationship, "no-relationship", records.clone(), text);
        // Said of every record alike: whether it is said must not tell whether there is one.
        if !request.caller.credentials.privileged_roles.is_empty() && request.good_reason().is_none() {
            asked.takes(Layer::PrivilegedRole, "office.reason", records, OFFICE_REASON);
        }
    }
    let reviews = reviews(asked);
    let permit = records.bounded(asked).predicate().or(reviews.clone());
    let whole = asked.in_part().then(|| whole.bounded(asked).predicate().or(reviews));
    Reach { permit, whole }
}

/// What of one patient's record, and what of that with all its elements.
fn of_patient(asked: &mut Asked<'_>, identity: &Identity<'_>, patient: &PatientFacts) -> (Predicate, Predicate) {
    let request = asked.request;
    let only = asked.only();
    let writes = request.action.writes();
    let record = Predicate::PatientCompartment(patient.patient.clone());
    let in_care_team = teams(identity, patient, asked.now).next().is_some();
    let purpose = purpose(asked);
    let authored = link::written_by(identity.references());
    let kept = kept(asked, purpose, &authored);
    let mut question = Question {
        action: request.action,
        purpose,
        identity,
        kind: Kind::Professional,
        in_care_team,
        patient,
        reading: patient_side::reading(asked, patient),
        in_part: asked.in_part(),
        kept: kept.clone(),
        now: asked.now,
    };
    let implied = implied_by_care_team(asked, &question, &authored);
    let is_implied = implied.0 != Predicate::None;
    let permitted = combine(implied.0, &question, &mut asked.reasons);
    let wholly = match question.in_part {
        true => {
            question.in_part = false;
            combine(implied.1, &question, &mut Vec::new())
        }
        false => permitted.clone(),
    };
    let app = patient_side::app(asked, Some(patient), question.purpose);
    let types = if writes { types::written_by_professionals(only) } else { types::seen_by_professionals(only) };
    if kept != Predicate::None {
        let text = "this person, or the organisation they work for, wrote this and keeps access to it";
        asked.gives(Layer::Relationship, "author", record.clone().and(kept.clone()), text);
    }
    let glass = if writes { Predicate::None } else { broken_glass(asked, &question) };
    if permitted == Predicate::None && !is_implied && glass == Predicate::None {
        let text = "neither the care team nor a sharing choice of the patient lets this person in";
        asked.takes(Layer::Relationship, "no-relationship", record.clone(), text);
    }
    let team = authored.or(link::written_by(colleagues(identity, patient, asked.now).iter().map(String::as_str)));
    let hidden = label::for_authors_only();
    let for_authors = match request.action {
        Action::Create => Predicate::All,
        _ => hidden.clone().negate().or(team.clone()),
    };
    if for_authors != Predicate::All {
        let about = record.clone().and(hidden).and(team.negate());
        let text = "this is kept for the team that wrote it";
        asked.takes(Layer::Label, "label.author-team", about, text);
    }
    let role = in_privileged_role(asked, &question);
    asked.note_unnamed(&question, &glass, &role);
    let bounds = types.and(app).and(for_authors);
    let all = |permitted: Predicate| permitted.or(kept.clone()).or(glass.clone()).and(bounds.clone()).or(role.clone());
    (all(permitted), all(wholly))
}

/// What the caller keeps access to because they wrote it: for care, to read; nobody writes the log.
fn kept(asked: &Asked<'_>, purpose: Purpose, authored: &Predicate) -> Predicate {
    let serves = purpose.is_direct_care() || purpose == Purpose::BREAK_GLASS;
    let in_log = asked.only() == Some(types::AUDIT_EVENT);
    if asked.request.action.writes() || !serves || in_log { Predicate::None } else { authored.clone() }
}

/// What it is wanted for. Who breaks the glass treats in an emergency, whatever else they do.
fn purpose(asked: &Asked<'_>) -> Purpose {
    match asked.request.purpose {
        Some(Purpose::BREAK_GLASS) if asked.request.action.writes() => Purpose::EMERGENCY,
        Some(purpose) => purpose,
        None => Purpose::TREATMENT,
    }
}

/// What membership of the care team gives when no Consent says otherwise: for direct care, data that has no label which
/// needs naming, and what the caller or one of their roles wrote. The second is what of it may be seen whole.
fn implied_by_care_team(
    asked: &mut Asked<'_>,
    question: &Question<'_>,
    authored: &Predicate,
) -> (Predicate, Predicate) {
    if !question.in_care_team {
        return (Predicate::None, Predicate::None);
    }
    let record = Predicate::PatientCompartment(question.patient.patient.clone());
    let teams =
        teams(question.identity, question.patient, asked.now).map(|team| format!("CareTeam/{}", team.id)).collect();
    if !question.purpose.is_direct_care() {
        let text = "being in the care team is no reason for this purpose";
        let reason = Reason::new(Layer::Relationship, Verdict::Denies, "care-team.purpose", text).about(record);
        asked.reasons.push(reason.resting_on(teams));
        return (Predicate::None, Predicate::None);
    }
    let text = "this person is in the patient's care team";
    let member = Reason::new(Layer::Relationship, Verdict::Permits, "care-team", text).resting_on(teams);
    if question.action == Action::Create {
        asked.reasons.push(member.about(record));
        return (Predicate::All, Predicate::All);
    }
    let whole = Named::default().covers().or(authored.clone());
    let implied = match question.in_part {
        true => Named::default().covers_in_part().or(authored.clone()),
        false => whole.clone(),
    };
    asked.reasons.push(member.about(record.clone().and(implied.clone())));
    let text = "this is sensitive and needs a sharing choice of the patient that names it";
    asked.takes(Layer::Label, "label.needs-naming", record.and(implied.clone().negate()), text);
    (implied, whole)
}

/// The patient's care teams in which the caller is at this time.
fn teams<'a>(
    identity: &'a Identity<'_>,
    patient: &'a PatientFacts,
    now: i64,
) -> impl Iterator<Item = &'a CareTeamFacts> {
    patient.care_teams.iter().filter(move |team| identity.is_in(team, &patient.patient, now) == Tri::Yes)
}

/// The others in the patient's care teams in which the caller is at this time.
fn colleagues(identity: &Identity<'_>, patient: &PatientFacts, now: i64) -> Vec<String> {
    let members = teams(identity, patient, now)
        .flat_map(|team| team.participants.iter().filter(|one| one.period.holds(now) == Tri::Yes));
    let professional = |reference: &&String| {
        ["Practitioner/", "PractitionerRole/", "Organization/"].iter().any(|kind| reference.starts_with(kind))
    };
    let local = members.filter_map(|one| match &one.member {
        Target::Local(reference) => Some(reference),
        _ => None,
    });
    let mut names: Vec<String> = local.filter(professional).cloned().collect();
    names.sort();
    names.dedup();
    names
}

/// What breaking the glass gives: all that is not kept for a team, whatever the patient's Consents and labels say, but
/// for what a Consent denies by that very purpose.
fn broken_glass(asked: &mut Asked<'_>, question: &Question<'_>) -> Predicate {
    if question.purpose != Purpose::BREAK_GLASS {
        return Predicate::None;
    }
    let request = asked.request;
    let record = Predicate::PatientCompartment(question.patient.patient.clone());
    let who = request.caller.actor.reference();
    let holds = |since: i64| since <= asked.now && asked.now < since.saturating_add(BREAK_GLASS_MS);
    let known =
        question.patient.break_glass.iter().filter(|glass| Some(&glass.who) == who.as_ref() && holds(glass.since));
    let declared =
        known.max_by(|a, b| (a.since, &a.reason).cmp(&(b.since, &b.reason))).map(|glass| glass.reason.clone());
    if request.caller.credentials.authentication.is_some_and(|level| level < BREAK_GLASS_AUTHENTICATION) {
        let text = "emergency access needs a stronger sign-in";
        asked.takes(Layer::BreakGlass, "break-glass.sign-in", record, text);
        return Predicate::None;
    }
    // For more than one patient at once there is no emergency.
    let given = request.good_reason().filter(|_| asked.facts.patients.len() == 1).map(str::to_owned);
    let Some(reason) = declared.clone().or(given) else {
        let text = "emergency access needs a reason in words, for one patient";
        asked.takes(Layer::BreakGlass, "break-glass.reason", record, text);
        return Predicate::None;
    };
    let refused = all_rulings(question).into_iter().filter(|ruling| !ruling.permits && ruling.names_break_glass);
    let mut closed = Vec::new();
    for ruling in refused {
        let text = "the patient has refused emergency access to this";
        let denial = Reason { layer: Layer::BreakGlass, rule: "break-glass.refused", ..ruling.reason };
        let about = record.clone().and(ruling.scope.clone());
        asked.reasons.push(Reason { text: text.to_owned(), ..denial }.about(about));
        closed.push(ruling.scope);
    }
    let speaks = speaks_of_refused(question);
    if speaks != Predicate::None {
        let text = "the patient has refused emergency access to what this shows or speaks about";
        let reason = Reason::new(Layer::BreakGlass, Verdict::Denies, "break-glass.refused", text);
        let reason = reason.about(record.clone().and(speaks.clone()));
        asked.reasons.push(reason.resting_on(consents_of(denials_that_reach(question).iter())));
    }
    let open = Predicate::any(closed).negate().and(speaks.negate());
    if open == Predicate::None {
        return open;
    }
    asked.glass_is_new |= declared.is_none();
    let text =
        format!("emergency access, of which the patient is told and which is reviewed; the reason given was: {reason}");
    asked.gives(Layer::BreakGlass, "break-glass", record.and(open.clone()), &text);
    open
}

/// What a privileged role gives: with a reason, for named patients, everything to see; to write, what is hidden from patients.
fn in_privileged_role(asked: &mut Asked<'_>, question: &Question<'_>) -> Predicate {
    let request = asked.request;
    let roles = &request.caller.credentials.privileged_roles;
    let Some(role) = roles.iter().min() else { return Predicate::None };
    let record = Predicate::PatientCompartment(question.patient.patient.clone());
    let Some(reason) = request.good_reason() else {
        asked.takes(Layer::PrivilegedRole, "office.reason", record, OFFICE_REASON);
        return Predicate::None;
    };
    let permitted = match request.action {
        Action::Create | Action::Update => written_in_office(question.reading.only),
        Action::Delete => Predicate::None,
        Action::Read | Action::Search | Action::History | Action::TypeHistory => Predicate::All,
    };
    let (rule, who) = match role {
        PrivilegedRole::SafeguardingLead => ("office.safeguarding", "the safeguarding lead"),
        PrivilegedRole::PrivacyOfficer => ("office.privacy", "the privacy officer"),
    };
    if permitted != Predicate::None {
        let text = format!("this person acts as {who}; the reason given was: {reason}");
        asked.gives(Layer::PrivilegedRole, rule, record.and(permitted.clone()), &text);
    }
    permitted
}

/// What an office writes: what is hidden from patients.
fn written_in_office(only: Option<ResourceType>) -> Predicate {
    types::written_by_professionals(only).and(label::hidden_from_patients())
}

/// What the office that the caller holds lets them change, by itself and whoever wrote it: with a reason, what an office writes, and for
/// the privacy officer the reviews. Nothing is deleted by an office.
#[must_use]
pub fn changed_in_office(request: &Request<'_>) -> Predicate {
    let roles = &request.caller.credentials.privileged_roles;
    let only = request.resource_type;
    if roles.is_empty() || request.good_reason().is_none() || request.action != Action::Update {
        return Predicate::None;
    }
    match roles.contains(&PrivilegedRole::PrivacyOfficer) {
        true => written_in_office(only).or(review_tasks(only)),
        false => written_in_office(only),
    }
}

fn review_tasks(only: Option<ResourceType>) -> Predicate {
    let (system, code) = REVIEW_TASK;
    let reviews = Predicate::Entry(ParameterId::of("Task.code"), Test::Is(format!("{code}{SEPARATOR}{system}")));
    types::task(only).and(reviews)
}

/// The reviews of broken glass, of whomever they are about: the privacy officer's work list.
fn reviews(asked: &mut Asked<'_>) -> Predicate {
    let is_officer = asked.request.caller.credentials.privileged_roles.contains(&PrivilegedRole::PrivacyOfficer);
    let reviews = review_tasks(asked.only());
    if !is_officer || reviews == Predicate::None || matches!(asked.request.action, Action::Create | Action::Delete) {
        return Predicate::None;
    }
    let text = "the privacy officer reviews emergency access";
    asked.gives(Layer::PrivilegedRole, "office.review", reviews.clone(), text);
    reviews
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::cases::{NOW, caller, facts};
    use concord_fhir::json::{self, Limits, Value};

    #[test]
    fn a_refusal_of_emergency_access_is_told_as_one() {
        let text = r#"[{"resourceType":"Consent","id":"c","status":"active","scope":{"coding":[{
            "system":"http://terminology.hl7.org/CodeSystem/consentscope","code":"patient-privacy"}]},
            "patient":{"reference":"Patient/p1"},"provision":{"type":"deny","purpose":[{
            "system":"http://terminology.hl7.org/CodeSystem/v3-ActReason","code":"BTG"}]}}]"#;
        let value = json::parse(text.as_bytes(), &Limits::default()).unwrap().into_owned();
        let Value::Array(resources) = value else { panic!("a list") };
        let mut facts = facts(&resources);
        facts.patients.truncate(1);
        let caller = caller("Practitioner/gp", "user/*.rs", None);
        let purpose = Some(Purpose::BREAK_GLASS);
        let reason = Some("unconscious in the emergency department");
        let request = Request { caller: &caller, action: Action::Read, resource_type: None, purpose, reason };
        let decision = crate::decide(&request, &facts, NOW);
        let told = decision.reasons.iter().filter(|reason| reason.rule == "break-glass.refused");
        let texts: Vec<&str> = told.map(|reason| reason.text.as_str()).collect();
        assert_eq!(texts, ["the patient has refused emergency access to this"]);
    }
}
