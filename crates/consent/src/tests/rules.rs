//! Rules that others ask for by themselves: each with what it says yes to and what it says no to.

use std::sync::Arc;

use concord_fhir::index::{Entries, Entry, ParameterId, SEPARATOR};
use concord_fhir::predicate::Predicate;
use concord_fhir::registry::ResourceType;

use super::cases::caller;
use crate::authorship::{
    is_of_the_patient_side, may_say_who_people_are, refuses_to_say, says_who_people_are, speaks_for_itself_only,
    writes_somewhere,
};
use crate::caller::{Actor, App, Caller, PrivilegedRole, Proofing};
use crate::decision::{Decision, Layer, Reason, Verdict};
use crate::facts::{Facts, PatientFacts};
use crate::request::{Action, LONGEST_REASON, Request, SHORTEST_REASON, is_reason};
use crate::scope::Scopes;
use crate::tri::Tri;
use crate::unseen::{example, may_hold, wholly};
use crate::{REVIEW_TASK, changed_in_office, decide, link};

fn observation() -> ResourceType {
    ResourceType::parse("Observation").unwrap()
}

fn patient() -> Caller {
    caller("Patient/p1", "patient/*.cruds", Some("p1"))
}

#[test]
fn who_people_are_is_said_by_registered_systems_and_by_patients_themselves() {
    let system = caller("System", "system/*.cruds", None);
    assert!(may_say_who_people_are(&system) && !speaks_for_itself_only(&system));
    let mut unregistered = system.clone();
    unregistered.credentials.app = App::ThirdParty;
    assert!(!may_say_who_people_are(&unregistered) && speaks_for_itself_only(&unregistered));
    for (name, is_said) in
        [("Provenance", false), ("SearchParameter", false), ("Consent", false), ("Observation", true)]
    {
        let resource_type = ResourceType::of(name);
        assert_eq!(refuses_to_say(&unregistered, resource_type).is_none(), is_said, "{name}");
        assert_eq!(refuses_to_say(&system, resource_type), None, "{name}");
        assert_eq!(refuses_to_say(&patient(), resource_type), None, "{name}");
    }
    assert!(may_say_who_people_are(&patient()));
    for (app, proofing) in [(App::ThirdParty, Proofing::P9), (App::Own, Proofing::P5), (App::Own, Proofing::P0)] {
        let mut one = patient();
        one.credentials.app = app;
        one.credentials.proofing = proofing;
        assert!(!may_say_who_people_are(&one), "{app:?} {proofing:?}");
    }
    for actor in ["RelatedPerson/r1", "Practitioner/d1", "PractitionerRole/d1"] {
        assert!(!may_say_who_people_are(&caller(actor, "user/*.cruds", None)), "{actor}");
    }
    for (author, counts) in [("", true), ("Patient/p1", true), ("RelatedPerson/r1", false), ("Practitioner/d1", false)]
    {
        assert_eq!(says_who_people_are(author), counts, "{author}");
    }
}

#[test]
fn everything_is_known_to_systems_without_bounds_alone() {
    let system = caller("System", "system/*.cruds", None);
    assert!(system.knows_everything());
    let mut bounded = system.clone();
    bounded.credentials.purposes = Some(Vec::new());
    assert!(!bounded.knows_everything());
    let granular = Scopes::parse("system/Observation.rs?category=vital-signs");
    assert!(granular.are_granular() && !system.scopes.are_granular());
    assert!(!Caller { scopes: granular, ..system }.knows_everything());
    for actor in ["Patient/p1", "RelatedPerson/r1", "Practitioner/d1", "PractitionerRole/d1"] {
        assert!(!caller(actor, "user/*.cruds", None).knows_everything(), "{actor}");
    }
}

#[test]
fn a_scope_is_full_with_every_letter_and_type_and_no_query() {
    for (text, full) in [
        ("patient/*.cruds", true),
        ("patient/*.*", true),
        ("patient/*.rs", false),
        ("patient/*.ruds", false),
        ("patient/*.cuds", false),
        ("patient/*.crds", false),
        ("patient/*.crus", false),
        ("patient/*.crud", false),
        ("patient/Observation.cruds", false),
        ("patient/*.cruds?status=final", false),
    ] {
        assert_eq!(Scopes::parse(text).0.iter().map(|one| one.is_full()).collect::<Vec<_>>(), [full], "{text}");
    }
}

#[test]
fn a_reason_is_one_line_of_a_bounded_length() {
    for (text, good) in [
        ("x".repeat(SHORTEST_REASON - 1), false),
        ("x".repeat(SHORTEST_REASON), true),
        (format!(" {} ", "x".repeat(SHORTEST_REASON - 1)), false),
        ("é".repeat(LONGEST_REASON), true),
        ("x".repeat(LONGEST_REASON + 1), false),
        ("found on the floor\nof the hall".to_owned(), false),
        (String::new(), false),
    ] {
        assert_eq!(is_reason(&text), good, "{text}");
    }
}

fn reasons(caller: &Caller, reason: Option<&str>) -> Vec<String> {
    let request = Request { caller, action: Action::Read, resource_type: None, purpose: None, reason };
    decide(&request, &Facts::default(), 0).reasons.iter().map(|one| one.rule.to_string()).collect()
}

#[test]
fn an_office_without_a_reason_is_told_so_where_nothing_relates_it_to_anybody() {
    let doctor = caller("Practitioner/d1", "user/*.cruds", None);
    let mut officer = doctor.clone();
    officer.credentials.privileged_roles = vec![PrivilegedRole::PrivacyOfficer];
    let told = |caller: &Caller, reason| reasons(caller, reason).iter().any(|rule| rule == "office.reason");
    assert!(told(&officer, None));
    assert!(told(&officer, Some("short")));
    assert!(!told(&officer, Some("an incident is looked into")));
    assert!(!told(&doctor, None));
    assert!(!told(&doctor, Some("an incident is looked into")));
}

#[test]
fn an_office_changes_with_a_reason_what_is_hidden_from_patients_and_the_reviews() {
    use PrivilegedRole::{PrivacyOfficer, SafeguardingLead};
    let row = |parameter: &str, key: &str| Entry {
        parameter: ParameterId::of(parameter),
        key: key.replace('|', &SEPARATOR.to_string()),
        low: None,
        high: None,
    };
    let with =
        |of_type: &str, rows: Vec<Entry>| Entries { rows, ..Entries::none(ResourceType::of(of_type), "x".into(), 0) };
    let plain = with("Observation", Vec::new());
    let hidden = with("Observation", vec![row("_security", "NOPAT|http://terminology.hl7.org/CodeSystem/v3-ActCode")]);
    let (system, code) = REVIEW_TASK;
    let review = with("Task", vec![row("Task.code", &format!("{code}|{system}"))]);
    let why = Some("an incident is looked into");
    for (roles, action, reason, changes_hidden, changes_review) in [
        (vec![], Action::Update, why, false, false),
        (vec![SafeguardingLead], Action::Update, why, true, false),
        (vec![PrivacyOfficer], Action::Update, why, true, true),
        (vec![SafeguardingLead, PrivacyOfficer], Action::Update, why, true, true),
        (vec![PrivacyOfficer], Action::Update, None, false, false),
        (vec![PrivacyOfficer], Action::Update, Some("short"), false, false),
        (vec![PrivacyOfficer], Action::Create, why, false, false),
        (vec![PrivacyOfficer], Action::Delete, why, false, false),
        (vec![PrivacyOfficer], Action::Read, why, false, false),
    ] {
        let mut caller = caller("Practitioner/d1", "user/*.cruds", None);
        caller.credentials.privileged_roles = roles;
        let found = |of: &Entries| {
            let resource_type = Some(of.resource_type);
            changed_in_office(&Request { caller: &caller, action, resource_type, purpose: None, reason }).holds(of)
        };
        let told = format!("{:?} {action:?} {reason:?}", caller.credentials.privileged_roles);
        assert_eq!((found(&hidden), found(&review), found(&plain)), (changes_hidden, changes_review, false), "{told}");
    }
}

/// A system that nobody registered says of nobody who they are, where they work, what they did or whom they let in.
#[test]
fn a_system_that_nobody_registered_writes_nothing_for_others() {
    for (of_type, for_others) in [
        ("CareTeam", true),
        ("Consent", true),
        ("Organization", true),
        ("Person", true),
        ("Practitioner", true),
        ("PractitionerRole", true),
        ("Observation", false),
    ] {
        let resource_type = ResourceType::parse(of_type);
        for (app, denied) in [(App::Own, false), (App::ThirdParty, for_others)] {
            let mut system = caller("System", "system/*.cruds", None);
            system.credentials.app = app;
            let (purpose, reason, action) = (None, None, Action::Update);
            let request = Request { caller: &system, action, resource_type, purpose, reason };
            let decision = decide(&request, &Facts::default(), 0);
            assert_eq!(decision.is_denial(), denied, "{of_type} {app:?}");
            assert_eq!(
                decision.reasons.iter().any(|one| one.rule == "write.unregistered"),
                denied,
                "{of_type} {app:?}"
            );
        }
    }
}

#[test]
fn who_writes_a_type_somewhere_is_known_of_kind_and_type() {
    for (actor, action, resource_type, writes) in [
        ("Patient/p1", Action::Create, "Observation", true),
        ("Patient/p1", Action::Create, "Organization", false),
        ("Patient/p1", Action::Create, "Task", false),
        ("Patient/p1", Action::Update, "Task", true),
        ("RelatedPerson/r1", Action::Create, "Organization", false),
        ("Practitioner/d1", Action::Create, "Condition", true),
        ("PractitionerRole/d1", Action::Create, "CareTeam", false),
        ("System", Action::Create, "CareTeam", true),
    ] {
        let caller = caller(actor, "user/*.cruds", None);
        let found = writes_somewhere(&caller.actor, action, ResourceType::of(resource_type));
        assert_eq!(found, writes, "{actor} {action:?} {resource_type}");
    }
}

#[test]
fn whoever_calls_is_named_by_a_reference_and_nobody_else() {
    for name in ["Patient", "RelatedPerson", "Practitioner", "PractitionerRole"] {
        let reference = format!("{name}/x");
        let actor = Actor::of_reference(&reference).unwrap();
        assert_eq!(actor.reference(), Some(reference), "{name}");
        assert_eq!(actor.resource(), Some((ResourceType::of(name), "x")), "{name}");
    }
    for reference in ["Organization/x", "Device/x", "System/x", "Patient", ""] {
        assert_eq!(Actor::of_reference(reference), None, "{reference}");
    }
}

#[test]
fn patients_and_who_is_close_to_them_are_of_their_side() {
    for (author, is) in [
        ("Patient/p1", true),
        ("RelatedPerson/r1", true),
        ("Practitioner/d1", false),
        ("PractitionerRole/d1", false),
        ("Device/d1", false),
        ("", false),
    ] {
        assert_eq!(is_of_the_patient_side(author), is, "{author}");
    }
}

#[test]
fn a_refusal_says_where_one_like_the_caller_may_write() {
    let refused = |caller: &Caller, resource_type: &str| {
        let resource_type = ResourceType::parse(resource_type);
        let request = Request { caller, action: Action::Create, resource_type, purpose: None, reason: None };
        decide::not_yours(&request, resource_type)
    };
    for (actor, writes, writes_not, whence) in [
        ("Patient/p1", "Observation", "Organization", "in your own record"),
        (
            "RelatedPerson/r1",
            "Observation",
            "Organization",
            "in the record of a patient who lets you, or for whom the law",
        ),
        ("Practitioner/d1", "Condition", "AuditEvent", "in the record of a patient in whose care you are"),
    ] {
        let caller = caller(actor, "user/*.cruds", None);
        let text = refused(&caller, writes);
        assert!(text.contains(whence), "{actor}: {text}");
        let text = refused(&caller, writes_not);
        assert_eq!(text, "you may not create resources of this type", "{actor}");
    }
}

#[test]
fn who_says_to_have_written_something_says_so_by_the_elements_of_its_type() {
    let elements = |only: Option<&str>| {
        let text = format!("{:?}", link::may_be_written_by("Practitioner/d1", only.and_then(ResourceType::parse)));
        text.matches("Entry(").count()
    };
    let (all, observation, task) = (elements(None), elements(Some("Observation")), elements(Some("Task")));
    assert!(observation > 0 && task > 0, "{observation} {task}");
    assert!(observation + task < all, "{observation} {task} {all}");
    assert_eq!(elements(Some("Patient")), 0);
}

#[test]
fn of_what_nobody_has_looked_at_nobody_in_question_is_the_author() {
    let known = PatientFacts { patient: "p1".to_owned(), ..PatientFacts::default() };
    let data: Entries = example(observation(), &known, "N");
    let authors: Arc<[String]> = ["Practitioner/d1".to_owned()].into();
    let written = Predicate::Author(authors);
    for (own, holds) in [
        (&[][..], Tri::No),
        (&["Practitioner/d1".to_owned()][..], Tri::No),
        (&["Practitioner/d2".to_owned()][..], Tri::Maybe),
    ] {
        assert_eq!(may_hold(&written, &data, own), holds, "{own:?}");
    }
}

#[test]
fn of_what_nobody_has_looked_at_the_patient_is_known() {
    for (patient, wanted) in [("p1", Predicate::All), ("p2", Predicate::None)] {
        let predicate = Predicate::PatientCompartment(patient.to_owned());
        assert_eq!(wholly(&predicate, observation(), "p1"), wanted, "{patient}");
    }
}

#[test]
fn a_reason_decided_on_a_type_when_it_is_about_all_of_it() {
    let about = |predicate: Predicate| {
        let mut reason = Reason::new(Layer::Relationship, Verdict::Permits, "rule", "text");
        reason.about = predicate;
        Decision::decided_on_type(&reason, observation(), "p1")
    };
    assert!(about(Predicate::All));
    assert!(about(Predicate::PatientCompartment("p1".to_owned())));
    assert!(!about(Predicate::PatientCompartment("p2".to_owned())));
    assert!(!about(Predicate::None));
    assert!(!about(Predicate::Type([ResourceType::parse("Goal").unwrap()].into_iter().collect())));
    assert!(!about(Predicate::Id(["one".to_owned()].into())), "only about some of it");
}
