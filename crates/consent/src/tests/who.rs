//! Who can see a record.

use std::convert::Infallible;

use concord_fhir::index::SEPARATOR;
use concord_fhir::json::{self, Limits, Value};
use concord_fhir::registry::ResourceType;
use concord_fhir::rules::instant;

use super::cases::{NOW, facts};
use crate::who::{Access, who_can_see};

fn resources(text: &str) -> Vec<Value<'static>> {
    let value = json::parse(text.as_bytes(), &Limits::default()).unwrap().into_owned();
    let Value::Array(resources) = value else { panic!("a list") };
    resources
}

/// Who sees the record of p1 by these facts.
fn seen(text: &str) -> Vec<Access> {
    let mut facts = facts(&resources(text));
    facts.patients.truncate(1);
    let Ok(all) = who_can_see(&facts, NOW, |_| Ok::<_, Infallible>(()));
    all
}

const SCOPE: &str = r#""status":"active","scope":{"coding":[{
    "system":"http://terminology.hl7.org/CodeSystem/consentscope","code":"patient-privacy"}]},
    "patient":{"reference":"Patient/p1"}"#;

const CARER: &str = r#"{"resourceType":"RelatedPerson","id":"c1","patient":{"reference":"Patient/p1"}}"#;

fn consent(id: &str, provision: &str) -> String {
    format!(r#"{{"resourceType":"Consent","id":"{id}",{SCOPE},"provision":{provision}}}"#)
}

fn team(members: &[&str]) -> String {
    let members: Vec<String> = members.iter().map(|who| format!(r#"{{"member":{{"reference":"{who}"}}}}"#)).collect();
    format!(
        r#"{{"resourceType":"CareTeam","id":"team","status":"active","subject":{{"reference":"Patient/p1"}},
        "participant":[{}]}}"#,
        members.join(",")
    )
}

fn permit(who: &str, more: &str) -> String {
    format!(r#"{{"type":"permit","actor":[{{"reference":{{"reference":"{who}"}}}}]{more}}}"#)
}

fn names(seen: &[Access]) -> Vec<&str> {
    seen.iter().map(|one| one.who.as_str()).collect()
}

/// The labels and whether it is in part, for one type.
fn of_type<'a>(access: &'a Access, name: &str) -> Option<(&'a [&'static str], bool)> {
    let wanted = ResourceType::parse(name).unwrap();
    let mut sights = access.sees.iter().filter(|sight| sight.types.contains(&wanted));
    let found = sights.next().map(|sight| (sight.labels.as_slice(), sight.in_part));
    assert!(sights.next().is_none(), "a type stands once");
    found
}

#[test]
fn nobody_sees_a_record_that_names_nobody() {
    assert!(seen("[]").is_empty());
    assert!(seen(&format!("[{CARER}]")).is_empty());
    assert!(who_can_see(&crate::facts::Facts::default(), NOW, |_| Ok::<_, Infallible>(())).unwrap().is_empty());
}

#[test]
fn the_care_team_sees_what_needs_no_naming() {
    let all = seen(&format!("[{}]", team(&["Practitioner/gp", "Patient/p1", "RelatedPerson/c1"])));
    assert_eq!(names(&all), ["Practitioner/gp"]);
    assert_eq!(of_type(&all[0], "Condition"), Some((&["N"][..], false)));
    assert_eq!(of_type(&all[0], "AuditEvent"), None);
    assert_eq!(of_type(&all[0], "Organization"), None);
    assert_eq!(all[0].because.iter().map(|reason| reason.rule).collect::<Vec<_>>(), ["care-team"]);
    assert_eq!(all[0].until, None);
}

#[test]
fn a_consent_adds_the_labels_that_it_names() {
    let label = r#","securityLabel":[{"system":"http://terminology.hl7.org/CodeSystem/v3-ActCode","code":"MH"}]"#;
    let all = seen(&format!(
        "[{},{}]",
        team(&["Practitioner/gp", "Practitioner/nurse"]),
        consent("c", &permit("Practitioner/gp", label))
    ));
    assert_eq!(names(&all), ["Practitioner/gp", "Practitioner/nurse"]);
    assert_eq!(of_type(&all[0], "Condition"), Some((&["N", "MH"][..], false)));
    assert_eq!(of_type(&all[1], "Condition"), Some((&["N"][..], false)));
    let rules: Vec<_> = all[0].because.iter().map(|reason| (reason.rule, reason.consent.as_deref())).collect();
    assert_eq!(rules, [("care-team", None), ("consent.permit", Some("Consent/c/_history/1"))]);
}

#[test]
fn a_denial_takes_somebody_off_the_list() {
    let deny = r#"{"type":"deny","actor":[{"reference":{"reference":"Practitioner/gp"}}]}"#;
    let all = seen(&format!("[{},{}]", team(&["Practitioner/gp", "Practitioner/nurse"]), consent("c", deny)));
    assert_eq!(names(&all), ["Practitioner/nurse"]);
}

#[test]
fn a_denial_that_names_nobody_takes_everybody_off_the_list() {
    let deny = r#"{"type":"deny"}"#;
    assert_eq!(names(&seen(&format!("[{},{}]", team(&["Practitioner/gp"]), consent("c", deny)))), Vec::<&str>::new());
}

#[test]
fn what_cannot_be_understood_takes_everybody_off_the_list_whomever_it_names() {
    let other =
        consent("c", &permit("Practitioner/other", "")).replace(r#""status":"active""#, r#""status":"unheard-of""#);
    assert_eq!(names(&seen(&format!("[{},{other}]", team(&["Practitioner/gp"])))), Vec::<&str>::new());
}

#[test]
fn a_carer_is_suspended_by_a_consent_that_permits_somebody_else() {
    let carer = |more: &str| {
        let suspends = consent("s", &permit("Practitioner/other", "")).replacen('{', &format!("{{{more}"), 1);
        seen(&format!("[{CARER},{},{suspends}]", consent("c", &permit("RelatedPerson/c1", ""))))
    };
    assert_eq!(names(&carer("")), ["Practitioner/other", "RelatedPerson/c1"]);
    let suspended = r#""performer":[{"reference":"RelatedPerson/c1"}],"extension":[{
        "url":"https://fhir.nhs.uk/England/StructureDefinition/Extension-England-Consent-Status-Reason",
        "valueCodeableConcept":{"coding":[{"code":"ROLE_SUSPENDED_PENDING_REVIEW"}]}}],"#;
    assert_eq!(names(&carer(suspended)), ["Practitioner/other"]);
}

#[test]
fn what_changes_for_one_is_told_of_all() {
    let until = permit("RelatedPerson/c1", r#","period":{"end":"2026-03-31"}"#);
    let all = seen(&format!("[{CARER},{},{}]", team(&["Practitioner/gp"]), consent("c", &until)));
    assert_eq!(names(&all), ["Practitioner/gp", "RelatedPerson/c1"]);
    for one in &all {
        assert_eq!(one.until, Some(instant::range("2026-04-01").unwrap().0), "{}", one.who);
    }
}

#[test]
fn what_may_come_to_bear_a_label_on_its_way_is_seen_in_part() {
    let mut facts = facts(&resources(&format!("[{}]", team(&["Practitioner/gp"]))));
    facts.patients.truncate(1);
    let conditions = |facts: &crate::facts::Facts| {
        let Ok(all) = who_can_see(facts, NOW, |_| Ok::<_, Infallible>(()));
        all.first().and_then(|one| of_type(one, "Condition").map(|(labels, in_part)| (labels.to_vec(), in_part)))
    };
    assert_eq!(conditions(&facts), Some((vec!["N"], false)));
    facts.labels_on_their_way = vec![format!("MH{SEPARATOR}http://terminology.hl7.org/CodeSystem/v3-ActCode")];
    assert_eq!(conditions(&facts), Some((vec!["N"], true)));
}

#[test]
fn a_carer_sees_one_type_until_a_day() {
    let provision = permit(
        "RelatedPerson/c1",
        r#","period":{"end":"2026-03-31"},"class":[{"system":"http://hl7.org/fhir/resource-types","code":"Goal"}]"#,
    );
    let all = seen(&format!("[{CARER},{}]", consent("c", &provision)));
    assert_eq!(names(&all), ["RelatedPerson/c1"]);
    let types: Vec<&str> = all[0].sees.iter().flat_map(|sight| &sight.types).map(|one| one.name()).collect();
    assert_eq!(types, ["Communication", "Goal"]);
    assert_eq!(of_type(&all[0], "Communication"), Some((&["N"][..], true)), "the comments on Goals");
    assert!(all[0].because.iter().any(|reason| reason.rule == "comment.on-readable"));
    assert_eq!(all[0].until, Some(instant::range("2026-04-01").unwrap().0));
}

#[test]
fn what_depends_on_the_item_is_said_to_be_a_part() {
    let code = r#","code":[{"coding":[{"system":"http://snomed.info/sct","code":"44054006"}]}]"#;
    let all = seen(&format!("[{}]", consent("c", &permit("Practitioner/gp", code))));
    assert_eq!(of_type(&all[0], "Condition"), Some((&["N"][..], true)));
    assert_eq!(of_type(&all[0], "Goal"), None);
}

#[test]
fn organizations_and_apps_are_named_as_such() {
    let label = r#","class":[{"system":"http://hl7.org/fhir/resource-types","code":"Observation"}]"#;
    let app = r#"{"type":"permit","actor":[{"reference":{"identifier":{
        "system":"urn:concord:client","value":"steps"}}}]}"#;
    let all = seen(&format!(
        "[{},{},{}]",
        consent("a", &permit("Organization/surgery", label)),
        consent("b", &permit("Device/scales", label)),
        consent("c", app)
    ));
    assert_eq!(names(&all), ["Device/scales", "Organization/surgery", "urn:concord:client|steps"]);
    assert_eq!(of_type(&all[0], "Observation"), Some((&["N"][..], false)));
    assert_eq!(of_type(&all[1], "Observation"), Some((&["N"][..], false)));
    assert_eq!(of_type(&all[2], "Goal"), Some((&["N"][..], false)));
}

#[test]
fn an_app_is_known_by_its_id_with_the_issuer_of_that() {
    let app = r#"{"type":"permit","actor":[{"reference":{"identifier":{
        "system":"urn:concord:issued-client","value":"https://issuer.example|steps"}}}]}"#;
    let all = seen(&format!("[{}]", consent("c", app)));
    assert_eq!(names(&all), ["urn:concord:issued-client|https://issuer.example|steps"]);
    assert_eq!(of_type(&all[0], "Goal"), Some((&["N"][..], false)));
}

#[test]
fn somebody_known_by_an_identifier_is_named_by_their_resource() {
    let provision = r#"{"type":"permit","actor":[{"reference":{"type":"RelatedPerson","identifier":{
        "system":"https://fhir.nhs.uk/Id/nhs-number","value":"9434765919"}}}]}"#;
    let carer = r#"{"resourceType":"RelatedPerson","id":"c1","patient":{"reference":"Patient/p1"},
        "identifier":[{"system":"https://fhir.nhs.uk/Id/nhs-number","value":"9434765919"}]}"#;
    let all = seen(&format!("[{carer},{}]", consent("c", provision)));
    assert_eq!(names(&all), ["RelatedPerson/c1"]);
}

#[test]
fn of_those_known_by_an_identifier_the_one_who_bears_it_is_named() {
    let practitioner = |id: &str, system: &str, value: &str| {
        format!(
            r#"{{"resourceType":"Practitioner","id":"{id}","identifier":[{{"system":"{system}","value":"{value}"}}]}}"#
        )
    };
    let provision = r#"{"type":"permit","actor":[{"reference":{"identifier":{
        "system":"https://fhir.hl7.org.uk/Id/gmc-number","value":"1234567"}}}]}"#;
    let all = seen(&format!(
        "[{},{},{},{}]",
        practitioner("other", "https://fhir.hl7.org.uk/Id/gmc-number", "7654321"),
        practitioner("nurse", "https://fhir.hl7.org.uk/Id/nmc-number", "1234567"),
        practitioner("gp", "https://fhir.hl7.org.uk/Id/gmc-number", "1234567"),
        consent("c", provision)
    ));
    assert_eq!(names(&all), ["Practitioner/gp"]);
}

#[test]
fn a_role_in_the_care_team_is_named_while_it_is_held() {
    let role = |more: &str| {
        format!(
            r#"{{"resourceType":"PractitionerRole","id":"gp-r","practitioner":{{"reference":"Practitioner/gp"}}{more}}}"#
        )
    };
    let team = team(&["PractitionerRole/gp-r"]);
    assert_eq!(names(&seen(&format!("[{},{team}]", role("")))), ["PractitionerRole/gp-r"]);
    assert!(seen(&format!("[{},{team}]", role(r#","active":false"#))).is_empty());
}

#[test]
fn types_stand_together_only_if_they_are_seen_alike() {
    let of = |class: &str, more: &str| {
        let class = format!(r#","class":[{{"system":"http://hl7.org/fhir/resource-types","code":"{class}"}}]{more}"#);
        permit("Practitioner/gp", &class)
    };
    let code = r#","code":[{"coding":[{"system":"http://snomed.info/sct","code":"44054006"}]}]"#;
    let label = r#","securityLabel":[{"system":"http://terminology.hl7.org/CodeSystem/v3-ActCode","code":"MH"}]"#;
    let all = seen(&format!(
        "[{},{},{},{}]",
        consent("a", &of("Goal", "")),
        consent("b", &of("CarePlan", "")),
        consent("c", &of("Condition", code)),
        consent("d", &of("Observation", label))
    ));
    let together: Vec<(Vec<&str>, &[&str], bool)> = all[0]
        .sees
        .iter()
        .map(|sight| (sight.types.iter().map(|one| one.name()).collect(), sight.labels.as_slice(), sight.in_part))
        .collect();
    assert_eq!(
        together,
        [
            (vec!["CarePlan", "Goal"], &["N"][..], false),
            (vec!["Condition"], &["N"], true),
            (vec!["Observation"], &["MH"], false)
        ]
    );
}

#[test]
fn one_item_is_a_part_of_its_type() {
    let data = r#","data":[{"meaning":"instance","reference":{"reference":"Observation/bp"}}]"#;
    let all = seen(&format!("[{}]", consent("c", &permit("Practitioner/gp", data))));
    assert_eq!(of_type(&all[0], "Observation"), Some((&["N"][..], true)));
    assert_eq!(of_type(&all[0], "Condition"), None);
}

#[test]
fn of_a_type_it_is_told_whether_it_depends_on_the_item() {
    use crate::request::{Action, Request};
    let data = r#","data":[{"meaning":"instance","reference":{"reference":"Observation/bp"}}]"#;
    let text = format!("[{},{}]", team(&["Practitioner/gp"]), consent("c", &permit("Practitioner/other", data)));
    let facts = facts(&resources(&text));
    let caller = super::cases::caller("Practitioner/gp", "user/*.rs", None);
    let request = Request { caller: &caller, action: Action::Read, resource_type: None, purpose: None, reason: None };
    let decision = crate::decide(&request, &facts, NOW);
    assert_eq!(decision.on_type(ResourceType::of("Goal"), "p1"), Some(true));
    assert_eq!(decision.on_type(ResourceType::of("AuditEvent"), "p1"), Some(false));
    // What she would read because she wrote it is told of the item, and not of the type.
    assert_eq!(decision.on_type(ResourceType::of("Condition"), "p2"), Some(false));
    let caller = super::cases::caller("Practitioner/other", "user/*.rs", None);
    let decision = crate::decide(&Request { caller: &caller, ..request }, &facts, NOW);
    assert_eq!(decision.on_type(ResourceType::of("Observation"), "p1"), None);
}

#[test]
fn what_is_about_others_alone_makes_nobody_take_longer() {
    // How many steps it takes to find out about all, with so many carers of whom each has a Consent of their own.
    let steps = |number: usize| {
        let of_one = |at: usize| {
            let carer =
                format!(r#"{{"resourceType":"RelatedPerson","id":"r{at}","patient":{{"reference":"Patient/p1"}}}}"#);
            format!("{carer},{}", consent(&format!("c{at}"), &permit(&format!("RelatedPerson/r{at}"), "")))
        };
        let all: Vec<String> = (0..number).map(of_one).collect();
        let mut facts = facts(&resources(&format!("[{}]", all.join(","))));
        facts.patients.truncate(1);
        let mut sum = 0;
        let Ok(seen) = who_can_see(&facts, NOW, |steps| {
            sum += steps;
            Ok::<_, Infallible>(())
        });
        assert_eq!(seen.len(), number);
        // It ends when it is told to.
        let mut left = 3;
        let ended = who_can_see(&facts, NOW, |_| {
            left -= 1;
            if left == 0 { Err(()) } else { Ok(()) }
        });
        assert!(ended.is_err() && left == 0);
        sum
    };
    assert_eq!(steps(40), 2 * steps(20));
}
