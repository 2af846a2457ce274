//! Consents that have ended: the predicate by which they are not read means no Consent that would take part in a decision.

use concord_fhir::index::extract;
use concord_fhir::json::Value;
use concord_fhir::predicate::Predicate;
use concord_fhir::registry::ResourceType;
use proptest::prelude::*;

use super::cases::{NOW, caller};
use super::properties::{Asked, Rule, all, asked, config, facts_of, rule, rules};
use crate::decision::Decision;
use crate::facts::{GivenBy, ended};
use crate::purpose::Purpose;
use crate::request::Request;

const STATUSES: [&str; 7] = ["active", "draft", "proposed", "rejected", "inactive", "entered-in-error", "unheard-of"];

/// Periods: of those that are over, and of those that are not, or of which that cannot be told.
const PERIODS: [(Option<&str>, Option<&str>); 11] = [
    (None, None),
    (Some("2025-01-01"), Some("2026-02-28")),
    (Some("2025"), Some("2025-01-31")),
    (Some("2025-01-01"), None),
    (None, Some("2026-02-28")),
    (Some("soon"), Some("2026-02-28")),
    (Some("2025-01-01"), Some("soon")),
    (Some("2025-01-01"), Some("2999-12-31")),
    (Some("2999-01-01"), Some("2999-12-31")),
    // They end before they begin, which the rule of R4 (per-1) does not see where precisions differ.
    (Some("2024-06-01T23:00:00-05:00"), Some("2024-06-01")),
    (Some("2024-06-01"), Some("2024-06-01T00:30:00+14:00")),
];

const GIVERS: [(&str, GivenBy); 5] = [
    ("system", GivenBy::System),
    ("patient", GivenBy::Patient),
    ("safeguarding", GivenBy::Safeguarding),
    ("proposer", GivenBy::Proposer),
    ("unknown", GivenBy::Unknown),
];

/// The same predicate of what a caller of that kind gave, as entries do not tell.
fn of_given(predicate: Predicate, by: GivenBy) -> Predicate {
    match predicate {
        Predicate::Given(kind) if kind == by.number() => Predicate::All,
        Predicate::Given(_) => Predicate::None,
        Predicate::And(parts) => parts.into_iter().fold(Predicate::All, |all, part| all.and(of_given(part, by))),
        Predicate::Or(parts) => parts.into_iter().fold(Predicate::None, |any, part| any.or(of_given(part, by))),
        other => other,
    }
}

fn has_ended(consent: &Value<'_>, by: GivenBy) -> bool {
    let id = consent.text("id").unwrap();
    of_given(ended(NOW), by).holds(&extract(ResourceType::of("Consent"), id, 0, consent))
}

fn set(consent: &mut Value<'static>, name: &'static str, value: Value<'static>) {
    consent.as_object_mut().unwrap().set(name, value);
}

/// A moment in one of few days around now and around the end of the year before, in any precision and zone: of two, one often ends before
/// the other begins although their texts do not say so.
fn moment() -> impl Strategy<Value = String> {
    const DAYS: [(&str, &str, &str); 6] = [
        ("2025", "2025-12", "2025-12-31"),
        ("2026", "2026-01", "2026-01-01"),
        ("2026", "2026-02", "2026-02-27"),
        ("2026", "2026-02", "2026-02-28"),
        ("2026", "2026-03", "2026-03-01"),
        ("2026", "2026-03", "2026-03-02"),
    ];
    let zone = prop::sample::select(&["Z", "+14:00", "-12:00", "-05:00", "+01:00"][..]);
    let drawn = (prop::sample::select(&DAYS[..]), zone, 0..24_u8, 0..6_u8);
    drawn.prop_map(|((year, month, day), zone, hour, precision)| match precision {
        0 => year.to_owned(),
        1 => month.to_owned(),
        2 => day.to_owned(),
        3 => format!("{day}T{hour:02}:00:00.000{zone}"),
        _ => format!("{day}T{hour:02}:30:00{zone}"),
    })
}

/// A period between two of them, or open, or one of those above.
fn any_period() -> impl Strategy<Value = (Option<String>, Option<String>)> {
    let listed = prop::sample::select(&PERIODS[..]);
    let listed = listed.prop_map(|(start, end)| (start.map(str::to_owned), end.map(str::to_owned)));
    let drawn = (prop::option::weighted(0.9, moment()), prop::option::weighted(0.9, moment()));
    prop_oneof![1 => listed, 3 => drawn]
}

fn with_period(consent: &mut Value<'static>, (start, end): (Option<String>, Option<String>)) {
    if start.is_none() && end.is_none() {
        return;
    }
    let mut period = Value::object([]);
    for (name, text) in [("start", start), ("end", end)] {
        if let Some(text) = text {
            period.as_object_mut().unwrap().set(name, Value::string(text));
        }
    }
    consent.as_object_mut().unwrap().get_mut("provision").unwrap().as_object_mut().unwrap().set("period", period);
}

fn decided(asked: &Asked, consents: &[Value<'static>]) -> Decision {
    let caller = caller(asked.actor, "user/*.cruds", None);
    let purpose = asked.purpose.and_then(Purpose::parse);
    let request = Request { caller: &caller, action: asked.action, resource_type: None, purpose, reason: None };
    crate::decide(&request, &facts_of(asked, consents), NOW)
}

proptest! {
    #![proptest_config(config(600))]

    #[test]
    fn what_has_ended_takes_part_in_no_decision(
        asked in asked(),
        rules in rules(),
        rule in rule(),
        more in prop::bool::weighted(0.1),
        status in prop::sample::select(&STATUSES[..]),
        period in any_period(),
        (given, by) in prop::sample::select(&GIVERS[..]),
        suspends in any::<bool>(),
    ) {
        let rule = if more { Rule { nested: vec![rule.clone(); 250], ..rule } } else { rule };
        let mut consents = all(&rules);
        let before = decided(&asked, &consents);
        let mut one = super::properties::consent(consents.len(), &rule, None);
        set(&mut one, "status", Value::string(status));
        set(&mut one, "givenBy", Value::string(given));
        with_period(&mut one, period);
        if suspends {
            let reason = Value::object([("system", Value::string("urn:x")), ("code", Value::string("ROLE_SUSPENDED_PENDING_REVIEW"))]);
            let concept = Value::object([("coding", Value::Array(vec![reason]))]);
            let url = Value::string("https://fhir.nhs.uk/StructureDefinition/Extension-England-Consent-Status-Reason");
            let extension = Value::object([("url", url), ("valueCodeableConcept", concept)]);
            set(&mut one, "extension", Value::Array(vec![extension]));
        }
        if given == "system" {
            one.as_object_mut().unwrap().0.retain(|(name, _)| name != "givenBy");
        }
        let is_left_out = has_ended(&one, by);
        consents.push(one);
        let after = decided(&asked, &consents);
        prop_assert!(!is_left_out || before == after, "{before:?} {after:?}");
    }
}

/// Which of them are left out: those alone that a patient or somebody who only proposes gave.
#[test]
fn what_has_ended_is_told_by_its_status_and_period() {
    let silent = Rule::silent(Some("Practitioner/gp"));
    for (_, by) in GIVERS {
        for status in STATUSES {
            for (place, period) in PERIODS.into_iter().enumerate() {
                let mut one = super::properties::consent(0, &silent, None);
                set(&mut one, "status", Value::string(status));
                with_period(&mut one, (period.0.map(str::to_owned), period.1.map(str::to_owned)));
                let is_over = [1, 2].contains(&place);
                let of_status = match status {
                    "active" => is_over,
                    "unheard-of" => false,
                    _ => true,
                };
                let expected = of_status && [GivenBy::Patient, GivenBy::Proposer].contains(&by);
                assert_eq!(has_ended(&one, by), expected, "{by:?} {status} {period:?}");
            }
        }
    }
}
