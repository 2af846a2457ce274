use super::*;
use concord_fhir::index::Entries;

const ACT: &str = "http://terminology.hl7.org/CodeSystem/v3-ActCode";
const LEVEL: &str = "http://terminology.hl7.org/CodeSystem/v3-Confidentiality";

fn data(labels: &[&str]) -> Entries {
    let row = |label: &&str| {
        let system = match *label {
            "AUTHOR-TEAM" | "NEW-KIND" => OWN_SYSTEM,
            level if LEVELS.contains(&level) => LEVEL,
            _ => ACT,
        };
        Entry { parameter: SECURITY, key: format!("{label}{SEPARATOR}{system}"), low: None, high: None }
    };
    let none = Entries::none(ResourceType::parse("Condition").unwrap(), "c".into(), 0);
    Entries { patients: vec!["p1".into()], rows: labels.iter().map(row).collect(), ..none }
}

fn label(code: &str) -> Coding {
    let system = if LEVELS.contains(&code) { LEVEL } else { ACT };
    Coding { system: system.into(), code: Some(code.into()) }
}

#[test]
fn levels_above_normal_and_sensitivities_hide_more() {
    for (system, code, wanted) in [
        (LEVEL, "R", true),
        (LEVEL, "V", true),
        (LEVEL, "N", false),
        (LEVEL, "L", false),
        (ACT, "MH", true),
        (ACT, "NOPAT", false),
        (OWN_SYSTEM, "AUTHOR-TEAM", false),
        ("", "R", false),
        ("urn:other", "MH", false),
    ] {
        assert_eq!(raises(system, code), wanted, "{system} {code}");
    }
}

#[test]
fn a_label_hides_from_patients_by_its_code_or_its_system() {
    for (system, code, wanted) in [
        (ACT, "NOPAT", true),
        ("urn:other", "NOPAT", true),
        (OWN_SYSTEM, "AUTHOR-TEAM", true),
        (OWN_SYSTEM, "NEW-KIND", true),
        (ACT, "MH", false),
        ("urn:other", "AUTHOR-TEAM", true),
        (ACT, "mh", true),
        (ACT, "", true),
        ("urn:other", "mh", false),
    ] {
        assert_eq!(hides_from_patients(system, code), wanted, "{system} {code}");
    }
}

#[test]
fn elements_are_left_out_of_patients_only() {
    assert!(may_redact(None) && may_redact(Some(PATIENT)));
    assert!(!may_redact(ResourceType::parse("Condition")));
}

#[test]
fn the_table_is_sorted_and_closed() {
    assert!(SENSITIVITIES.is_sorted());
    for (_, parent) in SENSITIVITIES {
        assert!(parent.is_none_or(|parent| SENSITIVITIES.iter().any(|(code, _)| *code == parent)));
    }
    assert_eq!(LEVELS[NORMAL], "N");
}

#[test]
fn each_sensitive_label_must_be_named() {
    let covers = |named: &[&str], labels: &[&str]| {
        let named: Vec<Coding> = named.iter().map(|code| label(code)).collect();
        Named::default().with(&named).covers().holds(&data(labels))
    };
    assert!(covers(&[], &[]) && covers(&[], &["N"]) && covers(&[], &["L", "PATAST"]));
    assert!(!covers(&[], &["R"]) && !covers(&[], &["MH"]) && !covers(&[], &["N", "SEX"]));
    assert!(covers(&["MH"], &["MH"]) && !covers(&["MH"], &["MH", "SEX"]) && !covers(&["MH"], &["R", "MH"]));
    assert!(covers(&["SPI"], &["ETHUD"]) && !covers(&["ETHUD"], &["SPI"]));
    assert!(covers(&["R"], &["R"]) && !covers(&["R"], &["V"]) && covers(&["V"], &["R"]));
    assert!(!covers(&["R"], &["R", "HIV"]) && covers(&["R", "HIV"], &["R", "HIV"]));
}

#[test]
fn a_permit_covers_a_level_and_lower_and_a_denial_a_level_and_higher() {
    let least = |code: &str, labels: &[&str]| covered_at_least(&[label(code)]).holds(&data(labels));
    assert!(least("N", &[]) && least("N", &["L"]) && !least("N", &["R"]));
    assert!(least("R", &["R"]) && !least("R", &["V"]));
    assert!(least("L", &["U"]) && !least("L", &[]) && !least("L", &["L", "N"]));
    assert!(least("BH", &["COGN"]) && !least("BH", &["MH"]) && !least("BH", &[]));
    let most = |code: &str, labels: &[&str]| covered_at_most(&[label(code)]).holds(&data(labels));
    assert!(most("R", &["R"]) && most("R", &["V"]) && !most("R", &["N"]) && !most("R", &[]));
    assert!(most("N", &[]) && most("N", &["R"]) && most("L", &["N"]));
    assert!(most("SUD", &["ETHUD"]) && most("SUD", &["SPI"]) && !most("SUD", &["MH"]));
}

#[test]
fn a_label_of_another_known_system_covers_what_bears_it() {
    for system in ["http://terminology.hl7.org/CodeSystem/v3-ObservationValue", OWN_SYSTEM, ACT] {
        let named = [Coding { system: system.into(), code: Some("PATAST".into()) }];
        for covered in [covered_at_least(&named), covered_at_most(&named)] {
            assert!(covered.holds(&data(&["PATAST"])) && !covered.holds(&data(&["N"])), "{system}");
        }
        assert!(are_known(&named));
    }
}

#[test]
fn an_unknown_label_permits_nothing_and_denies_everything() {
    for unknown in [
        Coding { system: "urn:other".into(), code: Some("MENTAL".into()) },
        Coding { system: LEVEL.into(), code: Some("X".into()) },
        Coding { system: String::new(), code: Some("R".into()) },
        Coding { system: ACT.into(), code: None },
        Coding { system: ACT.into(), code: Some("mh".into()) },
    ] {
        let unknown = std::slice::from_ref(&unknown);
        assert_eq!(covered_at_least(unknown), Predicate::None);
        assert_eq!(covered_at_most(unknown), Predicate::All);
        assert!(!are_known(unknown));
        assert_eq!(Named::default().with(unknown), Named::default());
    }
}

#[test]
fn hidden_data_is_known_by_any_label_of_its_kind() {
    for labels in [&["NOPAT"][..], &["N", "AUTHOR-TEAM"], &["NEW-KIND"]] {
        assert!(hidden_from_patients().holds(&data(labels)), "{labels:?}");
    }
    assert!(!hidden_from_patients().holds(&data(&["MH", "R"])));
    assert!(for_authors_only().holds(&data(&["AUTHOR-TEAM"])) && !for_authors_only().holds(&data(&["NOPAT"])));
}

/// Data that is part of something, with these labels.
fn part(labels: &[&str]) -> Entries {
    let source = concord_fhir::label::Source {
        resource_type: ResourceType::parse("Encounter").unwrap(),
        id: "e".into(),
        version: 0,
    };
    Entries { sources: vec![source], ..data(labels) }
}

#[test]
fn what_is_on_its_way_takes_and_never_gives() {
    let coming = |code: &str| vec![format!("{code}{SEPARATOR}{ACT}")];
    let permit = Named::default().covers();
    for (code, of, wanted) in [
        ("SEX", part(&[]), false),
        ("SEX", data(&[]), true),
        ("SEX", part(&["N"]), false),
        ("NOPAT", part(&[]), true),
        ("R", part(&[]), false),
    ] {
        assert!(permit.holds(&of));
        assert_eq!(as_if_borne(permit.clone(), &coming(code), false).holds(&of), wanted, "{code}");
    }
    let needs = any(["SEX"].into_iter());
    assert!(
        !as_if_borne(needs.clone(), &coming("SEX"), false).holds(&part(&[])),
        "a label that is not there permits nothing"
    );
    assert!(as_if_borne(needs.clone(), &coming("SEX"), false).holds(&part(&["SEX"])));
    assert!(as_if_borne(needs.clone(), &coming("SEX"), true).holds(&part(&[])), "at most");
    assert!(!as_if_borne(needs.clone(), &coming("MH"), true).holds(&part(&[])));
    let about = |then: Predicate| Predicate::Chain {
        parameter: ParameterId::of("Communication.about"),
        types: vec![ResourceType::parse("Condition").unwrap()],
        then: Box::new(then),
    };
    let inner = needs.clone().or(Predicate::AwaitsLabels);
    assert_eq!(as_if_borne(about(needs.clone().negate()), &coming("SEX"), false), about(inner.clone().negate()));
    let back = |by: Predicate| Predicate::ReverseChain {
        target: ResourceType::parse("Condition").unwrap(),
        resource_type: ResourceType::parse("Communication").unwrap(),
        parameter: ParameterId::of("Communication.about"),
        by: Box::new(by),
    };
    assert_eq!(as_if_borne(back(needs.negate()), &coming("SEX"), false), back(inner.negate()));
}

#[test]
fn a_predicate_of_nothing_but_labels_that_are_handed_on_is_handed_on() {
    let by = |code: &str| any([code].into_iter());
    let condition = Predicate::Type(vec![ResourceType::parse("Condition").unwrap()]);
    for (predicate, wanted) in [
        (by("MH"), true),
        (Predicate::Or(vec![by("MH"), by("R")]), true),
        (Predicate::And(vec![by("MH"), by("R")]), true),
        (Predicate::Or(vec![by("MH"), by("N")]), false),
        (Predicate::And(vec![by("MH"), condition.clone()]), false),
        (by("N"), false),
        (by("MH").negate(), false),
        (Predicate::All, false),
        (condition, false),
    ] {
        assert_eq!(is_handed_on(&predicate), wanted, "{predicate:?}");
    }
}
