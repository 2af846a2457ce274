//! Decisions as data: `fixtures/consent/cases/*.json`. A case asks one question about some items of the record in
//! `fixtures/consent/record.json` and says which of them are permitted (the others are not) and every reason.
//!
//! | member of a file | |
//! |---|---|
//! | `about` | what its cases show |
//! | `facts` | resources that the decisions are made from |
//! | `record` | items that only these cases ask about |
//! | `items` | names of the record's items that are asked about |
//! | `cases[].caller` | `actor`, `scopes`, `patient` |
//! | `cases[].action`, `type`, `purpose`, `now` | the question; without `now` it is noon of 1 March 2026 UTC |
//! | `cases[].with`, `items` | more facts, other items |
//! | `cases[].permits` | the names of the items permitted |
//! | `cases[].reasons` | rule, `@Consent/id` and `#provision` of every reason of the decision, in order |
//! | `cases[].on` | by item: the effect, the elements left out (`-name`), and the reasons that concern the item, in order, but for `scope.covers` |
//! | `cases[].obligations`, `until` | what else the decision says |
//!
//! A caller may also have `client`, `proofing`, `login`, `offices`, `authentication`, `app` (`third-party`) and
//! `purposes`. Facts may also be a Patient (for its identifiers), a Device (that the app is), an Encounter or
//! Organization with labels, `breakGlass` (`who`, `since`, `reason`) and `links` (`reference`, `refersTo`). With `draft`
//! the Consents are read as drafts. A Consent may have a member `givenBy` (`patient`, `safeguarding`, `proposer`,
//! `unknown`) that says who made it what it is: without, a registered system. A case says its reasons with `reasons` or `on`, or both.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use concord_fhir::index::{Entries, extract};
use concord_fhir::json::{self, Limits, Value};
use concord_fhir::label::{Source, hands_on};
use concord_fhir::predicate::Predicate;
use concord_fhir::registry::ResourceType;
use concord_fhir::rules::instant;

use crate::caller::{Actor, App, Caller, Credentials, PrivilegedRole, Proofing};
use crate::decision::Reason;
use crate::facts::{
    BreakGlassFacts, CareTeamFacts, ConsentFacts, Facts, GivenBy, IdentityFacts, LinkFacts, PatientFacts,
    RelatedPersonFacts, RoleFacts,
};
use crate::label;
use crate::purpose::Purpose;
use crate::request::{Action, Request};
use crate::scope::Scopes;

const BASE: &str = "https://phr.example/fhir";

/// Noon of 1 March 2026 UTC.
pub(crate) const NOW: i64 = 1_772_366_400_000;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/consent")
}

fn read(path: &Path) -> Value<'static> {
    let text = std::fs::read(path).unwrap();
    json::parse(&text, &Limits::default()).unwrap_or_else(|issues| panic!("{path:?}: {issues:?}")).into_owned()
}

fn texts(value: &Value<'_>, name: &str) -> Vec<String> {
    value.list(name).iter().map(|item| item.as_str().unwrap().to_owned()).collect()
}

/// The items of the record by their names.
pub(crate) fn record() -> BTreeMap<String, Entries> {
    items(&read(&folder().join("record.json")))
}

fn items(record: &Value<'_>) -> BTreeMap<String, Entries> {
    let item = |(name, item): &(std::borrow::Cow<'_, str>, Value<'_>)| {
        let resource = item.get("resource").unwrap();
        let resource_type = ResourceType::parse(resource.text("resourceType").unwrap()).unwrap();
        let mut entries = extract(resource_type, resource.text("id").unwrap(), 0, resource);
        entries.author = author(item, resource_type, resource);
        entries.contents.clone_from(&entries.shown);
        // Of some types only the store knows whose record they are part of.
        if item.get("partOf").is_some() {
            entries.patients = texts(item, "partOf");
        }
        (name.to_string(), entries)
    };
    record.as_object().unwrap().0.iter().map(item).collect()
}

/// Who wrote an item: as it says beside the resource, else as for what a registered system has handed in.
pub(crate) fn author(item: &Value<'_>, resource_type: ResourceType, resource: &Value<'_>) -> String {
    if let Some(author) = item.text("author") {
        return author.to_owned();
    }
    match concord_fhir::rules::authors(resource_type, resource).as_slice() {
        [single] => single.clone(),
        _ => String::new(),
    }
}

pub(crate) fn actor(text: &str) -> Actor {
    let id = |prefix: &str| text.strip_prefix(prefix).map(str::to_owned);
    match text {
        "System" => Actor::System,
        _ => id("Patient/")
            .map(Actor::Patient)
            .or_else(|| id("RelatedPerson/").map(Actor::RelatedPerson))
            .or_else(|| id("Practitioner/").map(Actor::Practitioner))
            .or_else(|| id("PractitionerRole/").map(Actor::PractitionerRole))
            .unwrap(),
    }
}

pub(crate) fn caller(actor_text: &str, scopes: &str, patient: Option<&str>) -> Caller {
    Caller {
        actor: actor(actor_text),
        subject: "subject".into(),
        issuer: "https://issuer.example".into(),
        client: "app".into(),
        scopes: Scopes::parse(scopes),
        patient: patient.map(str::to_owned),
        credentials: Credentials::default(),
    }
}

/// What a case says of the caller's token besides.
fn credentials(of: &Value<'_>) -> Credentials {
    let mut credentials = Credentials {
        login: of.text("login").map(str::to_owned),
        authentication: of.text("authentication").map(|level| level.parse().unwrap()),
        privileged_roles: texts(of, "offices").iter().map(|code| PrivilegedRole::parse(code).unwrap()).collect(),
        ..Credentials::default()
    };
    match of.text("proofing") {
        Some("P0") => credentials.proofing = Proofing::P0,
        Some("P5") => credentials.proofing = Proofing::P5,
        Some("P9") | None => {}
        Some(other) => panic!("{other}"),
    }
    if of.text("app") == Some("third-party") {
        credentials.app = App::ThirdParty;
    }
    if of.get("purposes").is_some() {
        let purposes = texts(of, "purposes");
        credentials.purposes = Some(purposes.iter().map(|code| Purpose::parse(code).unwrap()).collect());
    }
    credentials
}

/// Adds the facts of a case that are no resources.
fn other_facts(case: &Value<'_>, facts: &mut Facts) {
    let patient = Arc::make_mut(&mut facts.patients[0]);
    for glass in case.list("breakGlass") {
        patient.break_glass.push(BreakGlassFacts {
            who: glass.text("who").unwrap().to_owned(),
            since: instant::range(glass.text("since").unwrap()).unwrap().0,
            reason: glass.text("reason").unwrap().to_owned(),
        });
    }
    for link in case.list("links") {
        let reference = link.text("reference").unwrap().to_owned();
        patient.links.push(LinkFacts { reference, refers_to: texts(link, "refersTo") });
    }
    if case.get("onePatient").is_some() {
        facts.patients.truncate(1);
    }
}

/// Whether it is there for the labels that the items inherit from it, which are no fact.
fn is_labelled(resource: &Value<'_>) -> bool {
    resource.get("meta").is_some_and(|meta| !meta.list("security").is_empty())
}

/// An item with the labels that it inherits from the resources, as it would be stored.
fn effective(item: &Entries, resources: &[Value<'_>]) -> Entries {
    let mut effective = item.clone();
    for resource in resources.iter().filter(|one| is_labelled(one)) {
        let of_type = ResourceType::parse(resource.text("resourceType").unwrap()).unwrap();
        let named =
            |source: &Source| source.resource_type == of_type && resource.text("id") == Some(source.id.as_str());
        if !item.sources.iter().any(named) {
            continue;
        }
        let labels = extract(of_type, resource.text("id").unwrap(), 0, resource).rows;
        effective.rows.extend(labels.into_iter().filter(|row| label::is_label(row.parameter) && hands_on(&row.key)));
    }
    effective
}

/// The facts in the resources, about the patients p1 and p2.
pub(crate) fn facts(resources: &[Value<'_>]) -> Facts {
    let mut facts = Facts::default();
    for patient in ["p1", "p2"] {
        facts.patients.push(Arc::new(PatientFacts { patient: patient.to_owned(), ..PatientFacts::default() }));
    }
    for resource in resources {
        let id = resource.text("id").unwrap();
        let resource_type = resource.text("resourceType").unwrap();
        if resource_type == "Device" {
            facts.devices.push(format!("Device/{id}"));
            continue;
        }
        if is_labelled(resource) {
            continue;
        }
        if resource_type == "Patient" {
            let patient = ResourceType::of("Patient");
            Arc::make_mut(&mut facts.patients[0]).identifiers =
                IdentityFacts::from_resource(patient, id, resource).identifiers;
            continue;
        }
        if resource.get("identifier").is_some() {
            let of_type = ResourceType::parse(resource_type).unwrap();
            facts.identities.push(IdentityFacts::from_resource(of_type, id, resource));
        }
        let element = if resource_type == "CareTeam" { "subject" } else { "patient" };
        let reference = resource.get(element).and_then(|who| who.text("reference")).unwrap_or("Patient/p1");
        let of = facts.patients.iter_mut().find(|one| reference.ends_with(&format!("Patient/{}", one.patient)));
        let of = of.map(Arc::make_mut);
        match resource_type {
            "PractitionerRole" => facts.roles.push(RoleFacts::from_resource(id, resource, BASE)),
            "Consent" => of
                .unwrap()
                .consents
                .push(ConsentFacts::from_resource(id, 1, resource, BASE).given_by(given_by(resource))),
            "CareTeam" => of.unwrap().care_teams.push(CareTeamFacts::from_resource(id, resource, BASE)),
            "RelatedPerson" => of.unwrap().related_persons.push(RelatedPersonFacts::from_resource(id, resource, BASE)),
            _ => assert!(resource.get("identifier").is_some(), "{resource_type} is no fact"),
        }
    }
    facts
}

/// Who made a Consent of a case what it is (`givenBy`): without a word, a registered system.
fn given_by(consent: &Value<'_>) -> GivenBy {
    match consent.text("givenBy") {
        None => GivenBy::System,
        Some("patient") => GivenBy::Patient,
        Some("safeguarding") => GivenBy::Safeguarding,
        Some("proposer") => GivenBy::Proposer,
        Some("unknown") => GivenBy::Unknown,
        Some(other) => panic!("{other}"),
    }
}

fn short(reason: &Reason) -> String {
    let mut text = reason.rule.to_owned();
    if let Some(consent) = &reason.consent {
        text.push('@');
        text.push_str(consent.strip_suffix("/_history/1").unwrap_or(consent));
    }
    if let Some(provision) = &reason.provision {
        text.push('#');
        text.push_str(provision);
    }
    text
}

/// What is wrong with the decision of one case, if anything.
fn check(file: &Value<'_>, case: &Value<'_>, record: &BTreeMap<String, Entries>) -> Option<String> {
    let mut resources = file.list("facts").to_vec();
    resources.extend(case.list("with").iter().cloned());
    let mut facts = facts(&resources);
    other_facts(case, &mut facts);
    if case.get("draft").is_some() {
        let drafts = resources.iter().filter(|one| one.text("resourceType") == Some("Consent"));
        Arc::make_mut(&mut facts.patients[0]).consents = drafts
            .map(|one| ConsentFacts::from_draft(one.text("id").unwrap(), one, BASE).given_by(given_by(one)))
            .collect();
    }
    let of = case.get("caller").unwrap();
    let scopes = of.text("scopes").unwrap_or("user/*.cruds patient/*.cruds");
    let mut caller = caller(of.text("actor").unwrap(), scopes, of.text("patient"));
    caller.credentials = credentials(of);
    if let Some(client) = of.text("client") {
        caller.client = client.to_owned();
    }
    let action = match case.text("action").unwrap_or("read") {
        "type-history" => Action::TypeHistory,
        name => *Action::ALL.iter().find(|one| format!("{one:?}").eq_ignore_ascii_case(name)).unwrap(),
    };
    let request = Request {
        caller: &caller,
        action,
        resource_type: case.text("type").map(|name| ResourceType::parse(name).unwrap()),
        purpose: case.text("purpose").map(|code| Purpose::parse(code).unwrap()),
        reason: case.text("reason"),
    };
    let now = case.text("now").map_or(NOW, |text| instant::range(text).unwrap().0);
    let decision = crate::decide(&request, &facts, now);
    assert_eq!(decision, crate::decide(&request, &facts, now), "the same question has the same answer");
    let holder = if case.get("items").is_some() { case } else { file };
    let items = texts(holder, "items");
    let item = |name: &String| effective(record.get(name).unwrap_or_else(|| panic!("no item {name}")), &resources);
    let all: Vec<Entries> = record.values().cloned().collect();
    // Whether the store would find it among the others.
    let is_found =
        |item: &Entries| action.writes() || !decision.permit.has_chains() || decision.permit.holds_among(item, &all);
    let allows = |item: &Entries| decision.allows(item) && is_found(item);
    let permitted: Vec<String> = items.iter().filter(|name| allows(&item(name))).cloned().collect();
    let mut wanted = texts(case, "permits");
    wanted.sort_by_key(|name| items.iter().position(|item| item == name).unwrap_or_else(|| panic!("{name} not asked")));
    let reasons: Vec<String> = decision.reasons.iter().map(short).collect();
    let until = case.text("until").map(|text| instant::range(text).unwrap().0);
    let mut wrong = Vec::new();
    if permitted != wanted {
        wrong.push(format!("permits {permitted:?}, wanted {wanted:?}"));
    }
    assert!(case.get("reasons").is_some() || case.get("on").is_some(), "{:?} says no reasons", case.text("name"));
    let asked = case.get("on").and_then(Value::as_object).map_or(&[][..], |on| &on.0);
    for (name, expected) in asked {
        let item = item(&name.to_string());
        let is_allowed = decision.allows(&item) || (!action.writes() && decision.permit.has_chains());
        let among_others = |about: &Predicate| about.holds_among(&item, &all);
        let found = decision.on_among_others(&item, is_allowed && is_found(&item), &mut { among_others });
        let mut told = vec![found.effect.code().to_owned()];
        told.extend(found.elements.iter().map(|element| format!("-{element}")));
        told.extend(found.reasons.iter().filter(|reason| reason.rule != "scope.covers").map(short));
        let Value::Array(expected) = expected else { panic!("a list for {name}") };
        let expected: Vec<&str> = expected.iter().filter_map(Value::as_str).collect();
        if told != expected {
            wrong.push(format!("on {name} {told:?}, wanted {expected:?}"));
        }
    }
    if case.get("obligations").is_some() {
        let told: Vec<String> = decision.obligations.iter().map(|one| format!("{one:?}")).collect();
        if told != texts(case, "obligations") {
            wrong.push(format!("obligations {told:?}"));
        }
    }
    if case.get("reasons").is_some() && reasons != texts(case, "reasons") {
        wrong.push(format!("reasons {reasons:?}, wanted {:?}", texts(case, "reasons")));
    }
    if case.get("until").is_some() && decision.until != until {
        wrong.push(format!("until {:?}, wanted {until:?}", decision.until));
    }
    (!wrong.is_empty()).then(|| wrong.join("; "))
}

#[test]
fn every_case_is_decided_as_it_says() {
    let record = record();
    let (mut cases, mut wrong) = (0, Vec::new());
    let mut paths: Vec<PathBuf> =
        std::fs::read_dir(folder().join("cases")).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    for path in paths {
        let file = read(&path);
        for case in file.list("cases") {
            cases += 1;
            let mut record = record.clone();
            record.extend(file.get("record").map(items).unwrap_or_default());
            if let Some(what) = check(&file, case, &record) {
                let file = path.file_stem().unwrap().to_string_lossy().into_owned();
                wrong.push(format!("{file}: {}: {what}", case.text("name").unwrap()));
            }
        }
    }
    assert!(wrong.is_empty(), "{} of {cases} cases:\n{}", wrong.len(), wrong.join("\n"));
    assert!(cases >= 250, "only {cases} cases were found");
}
