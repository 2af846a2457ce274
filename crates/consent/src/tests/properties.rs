//! What holds for every decision, whatever the Consents say.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use concord_fhir::index::Entries;
use concord_fhir::json::{Object, Value};
use proptest::prelude::*;

use crate::caller::{App, Proofing};
use crate::decision::{Decision, ItemEffect, Layer, Verdict};
use crate::facts::{Facts, GivenBy};
use crate::purpose::Purpose;
use crate::request::{Action, Request};
use crate::tests::cases::{NOW, caller, facts, record};

static RECORD: LazyLock<BTreeMap<String, Entries>> = LazyLock::new(record);

/// A rule of a Consent.
#[derive(Clone, Debug)]
pub(super) struct Rule {
    pub(super) effect: Option<&'static str>,
    pub(super) actor: Option<&'static str>,
    pub(super) class: Option<&'static str>,
    pub(super) label: Option<&'static str>,
    pub(super) code: bool,
    pub(super) purpose: Option<&'static str>,
    pub(super) action: Option<&'static str>,
    pub(super) data_period: Option<&'static str>,
    pub(super) instance: bool,
    pub(super) odd: bool,
    pub(super) nested: Vec<Rule>,
}

fn one(name: &'static str, value: Value<'static>) -> Value<'static> {
    Value::Array(vec![Value::object([(name, value)])])
}

fn coding(system: &'static str, code: &'static str) -> Value<'static> {
    Value::object([("system", Value::string(system)), ("code", Value::string(code))])
}

fn concept(system: &'static str, code: &'static str) -> Value<'static> {
    one("coding", Value::Array(vec![coding(system, code)]))
}

fn reference(to: &'static str) -> Value<'static> {
    Value::object([("reference", Value::string(to))])
}

impl Rule {
    fn value(&self) -> Value<'static> {
        let mut value = Object::default();
        if let Some(effect) = self.effect {
            value.set("type", Value::string(effect));
        }
        if let Some(actor) = self.actor {
            value.set("actor", one("reference", reference(actor)));
        }
        if let Some(class) = self.class {
            value.set("class", Value::Array(vec![coding("http://hl7.org/fhir/resource-types", class)]));
        }
        if let Some(label) = self.label {
            let system = match label {
                "R" | "N" | "L" => "http://terminology.hl7.org/CodeSystem/v3-Confidentiality",
                "SECRET" => "urn:other",
                _ => "http://terminology.hl7.org/CodeSystem/v3-ActCode",
            };
            value.set("securityLabel", Value::Array(vec![coding(system, label)]));
        }
        if self.code {
            value.set("code", concept("http://snomed.info/sct", "44054006"));
        }
        if let Some(purpose) = self.purpose {
            value.set("purpose", Value::Array(vec![coding(crate::purpose::SYSTEM, purpose)]));
        }
        if let Some(action) = self.action {
            value.set("action", concept("http://terminology.hl7.org/CodeSystem/consentaction", action));
        }
        if let Some(end) = self.data_period {
            value.set("dataPeriod", Value::object([("end", Value::string(end))]));
        }
        if self.instance {
            let meaning = ("meaning", Value::string("instance"));
            value.set("data", Value::Array(vec![Value::object([meaning, ("reference", reference("Observation/bp"))])]));
        }
        if self.odd {
            value.set("modifierExtension", one("url", Value::string("urn:odd")));
        }
        if !self.nested.is_empty() {
            value.set("provision", Value::Array(self.nested.iter().map(Rule::value).collect()));
        }
        Value::Object(value)
    }

    /// The rule at a place of the tree, counted from the root on.
    fn at(&mut self, place: usize) -> &mut Rule {
        if self.nested.is_empty() || place == 0 {
            return self;
        }
        let child = place % self.nested.len();
        self.nested[child].at(place / 2)
    }
}

pub(super) fn consent(id: usize, rule: &Rule, period: Option<&'static str>) -> Value<'static> {
    let mut provision = rule.value();
    if let Some(end) = period {
        provision.as_object_mut().unwrap().set("period", Value::object([("end", Value::string(end))]));
    }
    Value::object([
        ("resourceType", Value::string("Consent")),
        ("id", Value::string(format!("c{id}"))),
        ("status", Value::string("active")),
        (
            "scope",
            Value::object([(
                "coding",
                Value::Array(vec![coding("http://terminology.hl7.org/CodeSystem/consentscope", "patient-privacy")]),
            )]),
        ),
        ("patient", reference("Patient/p1")),
        ("provision", provision),
    ])
}

fn some<T: Clone + std::fmt::Debug + 'static>(values: &'static [T]) -> impl Strategy<Value = Option<T>> {
    prop_oneof![2 => Just(None), 1 => prop::sample::select(values).prop_map(Some)]
}

const ACTORS: &[&str] = &[
    "Practitioner/gp",
    "PractitionerRole/gp-r",
    "Organization/surgery",
    "CareTeam/team",
    "RelatedPerson/c1",
    "Practitioner/other",
    "Group/some",
    "https://other.example/fhir/Practitioner/gp",
];

fn axes() -> impl Strategy<Value = Rule> {
    let who = (
        some(&["permit", "permit", "deny"]),
        prop_oneof![1 => Just(None), 2 => prop::sample::select(ACTORS).prop_map(Some)],
    );
    let what = (
        some(&["Observation", "Condition", "Goal"]),
        some(&["R", "N", "L", "MH", "SPI", "ETHUD", "SECRET"]),
        prop::bool::weighted(0.1),
        some(&["2020", "2030"]),
        prop::bool::weighted(0.1),
    );
    let when = (some(&["TREAT", "TREAT", "HRESCH", "ETREAT"]), some(&["access", "access", "correct", "use"]));
    (who, what, when, prop::bool::weighted(0.1)).prop_map(|(who, what, when, odd)| Rule {
        effect: who.0,
        actor: who.1,
        class: what.0,
        label: what.1,
        code: what.2,
        data_period: what.3,
        instance: what.4,
        purpose: when.0,
        action: when.1,
        odd,
        nested: Vec::new(),
    })
}

pub(super) fn rule() -> impl Strategy<Value = Rule> {
    axes().prop_recursive(3, 12, 3, |inner| {
        (axes(), prop::collection::vec(inner, 0..3)).prop_map(|(rule, nested)| Rule { nested, ..rule })
    })
}

pub(super) fn rules() -> impl Strategy<Value = Vec<Rule>> {
    prop::collection::vec(rule(), 0..4)
}

/// Who asks what.
#[derive(Clone, Debug)]
pub(super) struct Asked {
    pub(super) actor: &'static str,
    pub(super) action: Action,
    pub(super) purpose: Option<&'static str>,
    pub(super) in_team: bool,
}

pub(super) fn asked() -> impl Strategy<Value = Asked> {
    let actors: &[&str] = &["Practitioner/gp", "PractitionerRole/gp-r", "RelatedPerson/c1"];
    (
        prop::sample::select(actors),
        prop::sample::select(&Action::ALL[..]),
        some(&["TREAT", "ERTREAT", "BTG", "HRESCH", "FAMRQT"]),
        any::<bool>(),
    )
        .prop_map(|(actor, action, purpose, in_team)| Asked { actor, action, purpose, in_team })
}

/// The facts besides the Consents: a professional with a role, maybe in the care team, and a related person.
fn others(in_team: bool) -> Vec<Value<'static>> {
    let member = if in_team { "Practitioner/gp" } else { "Practitioner/other" };
    vec![
        Value::object([
            ("resourceType", Value::string("PractitionerRole")),
            ("id", Value::string("gp-r")),
            ("practitioner", reference("Practitioner/gp")),
            ("organization", reference("Organization/surgery")),
        ]),
        Value::object([
            ("resourceType", Value::string("CareTeam")),
            ("id", Value::string("team")),
            ("status", Value::string("active")),
            ("subject", reference("Patient/p1")),
            ("participant", one("member", reference(member))),
        ]),
        Value::object([
            ("resourceType", Value::string("RelatedPerson")),
            ("id", Value::string("c1")),
            ("patient", reference("Patient/p1")),
        ]),
    ]
}

pub(super) fn facts_of(asked: &Asked, consents: &[Value<'static>]) -> Facts {
    let mut resources = others(asked.in_team);
    resources.extend(consents.iter().cloned());
    facts(&resources)
}

/// The items of the record that are permitted.
pub(super) fn permitted(asked: &Asked, consents: &[Value<'static>]) -> Vec<&'static str> {
    let caller = caller(asked.actor, "user/*.cruds", None);
    let purpose = asked.purpose.and_then(Purpose::parse);
    let request = Request { caller: &caller, action: asked.action, resource_type: None, purpose, reason: None };
    let decision = crate::decide(&request, &facts_of(asked, consents), NOW);
    RECORD.iter().filter(|(_, entries)| decision.allows(entries)).map(|(name, _)| name.as_str()).collect()
}

fn within(narrower: &[&str], wider: &[&str]) -> bool {
    narrower.iter().all(|name| wider.contains(name))
}

pub(super) fn all(rules: &[Rule]) -> Vec<Value<'static>> {
    rules.iter().enumerate().map(|(id, rule)| consent(id, rule, None)).collect()
}

impl Rule {
    /// A rule that says nothing but whom it is about.
    pub(super) fn silent(actor: Option<&'static str>) -> Rule {
        Rule {
            effect: Some("permit"),
            actor,
            class: None,
            label: None,
            code: false,
            purpose: None,
            action: None,
            data_period: None,
            instance: false,
            odd: false,
            nested: Vec::new(),
        }
    }
}

fn action() -> impl Strategy<Value = Action> {
    prop::sample::select(&Action::ALL[..])
}

/// The items of the record that a decision permits.
fn items(decision: &Decision) -> Vec<&'static str> {
    RECORD.iter().filter(|(_, entries)| decision.allows(entries)).map(|(name, _)| name.as_str()).collect()
}

/// So many cases, unless PROPTEST_CASES says otherwise.
pub(super) fn config(cases: u32) -> ProptestConfig {
    // What proptest itself takes from there, or 256.
    let said = ProptestConfig::default().cases;
    let cases = if said == 256 { cases } else { said };
    ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(config(400))]

    #[test]
    fn what_is_about_others_alone_says_nothing_of_somebody(asked in asked(), rules in rules()) {
        let mut known = facts_of(&asked, &all(&rules));
        known.patients.truncate(1);
        let found = |by_actor| crate::who::found(&known, NOW, by_actor, |_| Ok::<_, ()>(())).unwrap();
        prop_assert_eq!(found(true), found(false));
    }

    #[test]
    fn another_denial_never_widens(asked in asked(), rules in rules(), denial in axes()) {
        let before = permitted(&asked, &all(&rules));
        let mut with = rules;
        with.push(Rule { effect: Some("deny"), ..denial });
        prop_assert!(within(&permitted(&asked, &all(&with)), &before));
    }

    #[test]
    fn a_denial_inside_a_rule_never_widens(
        asked in asked(), rules in rules(), root in rule(), denial in axes(), place in 0_usize..32,
    ) {
        let mut with = rules;
        with.push(root);
        let before = permitted(&asked, &all(&with));
        with.last_mut().unwrap().at(place).nested.push(Rule { effect: Some("deny"), ..denial });
        prop_assert!(within(&permitted(&asked, &all(&with)), &before));
    }

    #[test]
    fn what_is_not_understood_never_widens(asked in asked(), rules in rules(), root in rule(), place in 0_usize..32) {
        let mut with = rules;
        with.push(root);
        let before = permitted(&asked, &all(&with));
        with.last_mut().unwrap().at(place).odd = true;
        prop_assert!(within(&permitted(&asked, &all(&with)), &before));
    }

    #[test]
    fn a_question_about_one_type_agrees_with_one_about_all(
        asked in asked(), rules in rules(), item in any::<prop::sample::Index>(),
    ) {
        let consents = all(&rules);
        let names = permitted(&asked, &consents);
        let (name, entries) = RECORD.iter().nth(item.index(RECORD.len())).unwrap();
        let (caller, purpose) = (caller(asked.actor, "user/*.cruds", None), asked.purpose.and_then(Purpose::parse));
        let resource_type = Some(entries.resource_type);
        let request = Request { caller: &caller, action: asked.action, resource_type, purpose, reason: None };
        let decision = crate::decide(&request, &facts_of(&asked, &consents), NOW);
        prop_assert_eq!(decision.allows(entries), names.contains(&name.as_str()), "{}", name);
    }

    #[test]
    fn the_order_of_consents_does_not_matter(asked in asked(), rules in rules(), first in any::<prop::sample::Index>()) {
        let mut consents = all(&rules);
        let (caller, purpose) = (caller(asked.actor, "user/*.cruds", None), asked.purpose.and_then(Purpose::parse));
        let request = Request { caller: &caller, action: asked.action, resource_type: None, purpose, reason: None };
        let before = crate::decide(&request, &facts_of(&asked, &consents), NOW);
        if !consents.is_empty() {
            let middle = first.index(consents.len());
            consents.rotate_left(middle);
            consents.reverse();
        }
        prop_assert_eq!(before, crate::decide(&request, &facts_of(&asked, &consents), NOW));
    }

    #[test]
    fn a_consent_that_is_over_is_as_if_it_were_not_there(asked in asked(), rules in rules(), over in rule()) {
        let mut consents = all(&rules);
        let (caller, purpose) = (caller(asked.actor, "user/*.cruds", None), asked.purpose.and_then(Purpose::parse));
        let request = Request { caller: &caller, action: asked.action, resource_type: None, purpose, reason: None };
        let before = crate::decide(&request, &facts_of(&asked, &consents), NOW);
        consents.push(consent(consents.len(), &Rule { odd: false, ..over }, Some("2026-02-28")));
        prop_assert_eq!(before, crate::decide(&request, &facts_of(&asked, &consents), NOW));
    }

    #[test]
    fn a_consent_of_one_patient_opens_no_other_record(asked in asked(), rules in rules()) {
        let seen = permitted(&asked, &all(&rules));
        prop_assert!(!seen.contains(&"other-bp") && !seen.contains(&"other-patient"));
    }

    #[test]
    fn a_related_person_needs_a_permit_in_person(asked in asked(), rules in rules()) {
        let asked = Asked { actor: "RelatedPerson/c1", ..asked };
        let mut unnamed = rules;
        for rule in &mut unnamed {
            rename(rule);
        }
        let mut nothing = permitted(&Asked { in_team: true, ..asked.clone() }, &[]);
        prop_assert_eq!(&permitted(&asked, &all(&unnamed)), &nothing);
        nothing.retain(|name| !["carer", "surgery", "questionnaire"].contains(name));
        prop_assert!(nothing.is_empty());
    }

    #[test]
    fn nobody_but_the_author_team_sees_what_is_hidden(asked in asked(), rules in rules()) {
        let seen = permitted(&Asked { action: Action::Read, ..asked.clone() }, &all(&rules));
        prop_assert!(!seen.contains(&"safeguarding"));
        if asked.actor.starts_with("RelatedPerson") {
            prop_assert!(!seen.contains(&"withheld") && !seen.contains(&"interim"));
        }
    }

    #[test]
    fn a_patient_sees_her_record_only_and_no_consent_changes_it(rules in rules(), id in "p[1-3]") {
        let caller = caller(&format!("Patient/{id}"), "patient/*.cruds user/*.cruds", Some(&id));
        for action in Action::ALL {
            let request = Request { caller: &caller, action, resource_type: None, purpose: None, reason: None };
            let mut facts = facts(&all(&rules));
            for patient in facts.patients.iter_mut().map(std::sync::Arc::make_mut) {
                let consents = std::mem::take(&mut patient.consents);
                patient.consents = consents.into_iter().map(|one| one.given_by(GivenBy::Patient)).collect();
            }
            let decision = crate::decide(&request, &facts, NOW);
            prop_assert_eq!(&decision.permit, &crate::decide(&request, &Facts::default(), NOW).permit);
            for (name, entries) in RECORD.iter().filter(|(_, entries)| !entries.patients.contains(&id)) {
                let shared = matches!(name.as_str(), "surgery" | "questionnaire") && !action.writes();
                prop_assert_eq!(decision.allows(entries), shared, "{}", name);
            }
        }
    }
    #[test]
    fn a_broken_glass_only_adds_and_never_what_is_kept_for_a_team(asked in asked(), rules in rules()) {
        let actor = if asked.actor.starts_with("RelatedPerson") { "Practitioner/gp" } else { asked.actor };
        let caller = caller(actor, "user/*.cruds", None);
        let mut facts = facts_of(&asked, &all(&rules));
        facts.patients.truncate(1);
        let seen = |purpose, reason| {
            let request = Request { caller: &caller, action: Action::Read, resource_type: None, purpose, reason };
            items(&crate::decide(&request, &facts, NOW))
        };
        let ordinary = seen(None, None);
        let emergency = seen(Some(Purpose::BREAK_GLASS), Some("found unconscious at home"));
        prop_assert!(!emergency.contains(&"safeguarding") && !emergency.contains(&"third-party"));
        prop_assert!(!emergency.contains(&"event") && !emergency.contains(&"other-bp"));
        // No rule of these names breaking the glass, so none can stop it.
        prop_assert!(within(&ordinary, &emergency), "{:?} {:?}", ordinary, emergency);
    }

    #[test]
    fn an_app_of_somebody_else_never_sees_more_than_the_patient(rules in rules(), named in rule(), action in action()) {
        let mut rules = rules;
        rules.push(Rule { actor: Some("Device/app"), ..named });
        let facts = facts(&all(&rules));
        let own = caller("Patient/p1", "patient/*.cruds", None);
        let mut other = own.clone();
        other.credentials.app = App::ThirdParty;
        let of = |caller| {
            let request = Request { caller, action, resource_type: None, purpose: None, reason: None };
            items(&crate::decide(&request, &facts, NOW))
        };
        let (by_own, by_other) = (of(&own), of(&other));
        prop_assert!(within(&by_other, &by_own));
    }

    #[test]
    fn less_proof_never_shows_more(rules in rules(), action in action(), actor in prop::sample::select(vec!["Patient/p1", "RelatedPerson/c1"])) {
        let mut resources = others(false);
        resources.extend(all(&rules));
        let facts = facts(&resources);
        let mut caller = caller(actor, "user/*.cruds patient/*.cruds", Some("p1"));
        caller.credentials.login = Some("abc".to_owned());
        let mut narrower = Vec::new();
        for proofing in [Proofing::P0, Proofing::P5, Proofing::P9] {
            caller.credentials.proofing = proofing;
            let request = Request { caller: &caller, action, resource_type: None, purpose: None, reason: None };
            let wider = items(&crate::decide(&request, &facts, NOW));
            prop_assert!(within(&narrower, &wider));
            narrower = wider;
        }
    }

    #[test]
    fn a_suspended_proxy_sees_no_record(asked in asked(), rules in rules()) {
        let asked = Asked { actor: "RelatedPerson/c1", ..asked };
        let mut consents = all(&rules);
        let mut suspension = consent(99, &Rule::silent(Some("RelatedPerson/c1")), None);
        let coding = Value::object([("code", Value::string("ROLE_DEACTIVATED_SAFEGUARDING"))]);
        let extension = Value::object([
            ("url", Value::string("https://fhir.nhs.uk/x/Extension-England-Consent-Status-Reason")),
            ("valueCodeableConcept", Value::object([("coding", Value::Array(vec![coding]))])),
        ]);
        suspension.as_object_mut().unwrap().set("extension", Value::Array(vec![extension]));
        suspension.as_object_mut().unwrap().set("status", Value::string("inactive"));
        consents.push(suspension);
        let mut seen = permitted(&asked, &consents);
        seen.retain(|name| !["carer", "surgery", "questionnaire"].contains(name));
        prop_assert!(seen.is_empty(), "{:?}", seen);
    }

    #[test]
    fn what_is_said_of_an_item_is_what_is_decided(asked in asked(), rules in rules()) {
        let caller = caller(asked.actor, "user/*.cruds", None);
        let purpose = asked.purpose.and_then(Purpose::parse);
        let request = Request { caller: &caller, action: asked.action, resource_type: None, purpose, reason: None };
        let decision = crate::decide(&request, &facts_of(&asked, &all(&rules)), NOW);
        for (name, entries) in RECORD.iter() {
            let said = decision.on(entries);
            prop_assert_eq!(said.effect != ItemEffect::Deny, decision.allows(entries), "{}", name);
            prop_assert_eq!(said.effect == ItemEffect::Redact, !said.elements.is_empty());
            prop_assert!(!said.reasons.is_empty());
            let gives = said.reasons.iter().any(|reason| reason.verdict == Verdict::Permits && reason.layer != Layer::Scope);
            prop_assert_eq!(gives, said.effect != ItemEffect::Deny, "{} {:?}", name, said.reasons);
        }
    }
}

/// Takes the related person's name out of every rule.
fn rename(rule: &mut Rule) {
    if rule.actor == Some("RelatedPerson/c1") {
        rule.actor = Some("RelatedPerson/c9");
    }
    rule.nested.iter_mut().for_each(rename);
}
