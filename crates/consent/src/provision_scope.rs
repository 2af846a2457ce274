//! The criteria of a provision that are about the data, each as the data that it covers for certain and the data that it
//! may cover. A permit goes by the first, a denial by the second.

use std::sync::{Arc, LazyLock};

use concord_fhir::index::{OTHER_CODE, ParameterId, SEPARATOR};
use concord_fhir::label::CODED;
use concord_fhir::predicate::{Comparison, Predicate, Test};
use concord_fhir::registry::ResourceType;
use concord_fhir::value::LONGEST_HALF;

use crate::facts::{Coding, DataPoint, Effect, LinkFacts, Period, Provision, Target};
use crate::label;
use crate::link;

/// What a criterion covers.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ProvisionScope {
    /// What it covers for certain.
    pub(crate) least: Predicate,
    /// What it may cover.
    pub(crate) most: Predicate,
}

impl ProvisionScope {
    /// What can be told exactly.
    fn exact(predicate: Predicate) -> ProvisionScope {
        ProvisionScope { least: predicate.clone(), most: predicate }
    }

    /// Everything.
    pub(crate) fn everything() -> ProvisionScope {
        ProvisionScope::exact(Predicate::All)
    }

    /// Nothing can be told.
    fn unknown() -> ProvisionScope {
        ProvisionScope { least: Predicate::None, most: Predicate::All }
    }

    pub(crate) fn and(self, other: ProvisionScope) -> ProvisionScope {
        ProvisionScope { least: self.least.and(other.least), most: self.most.and(other.most) }
    }
}

/// Types whose code may be in another resource, and the parameter that points at it.
const CODED_ELSEWHERE: [(&str, &str); 4] = [
    ("MedicationAdministration", "medication"),
    ("MedicationDispense", "medication"),
    ("MedicationRequest", "medication"),
    ("MedicationStatement", "medication"),
];

/// The types that tell when their data is from, and the parameters that hold it.
const DATED: [(&str, &[&str]); 26] = [
    ("AllergyIntolerance", &["date", "onset"]),
    ("Appointment", &["date"]),
    ("CarePlan", &["date"]),
    ("ClinicalImpression", &["date"]),
    ("Communication", &["sent"]),
    ("Composition", &["date"]),
    ("Condition", &["onset-date", "recorded-date"]),
    ("DiagnosticReport", &["date"]),
    ("DocumentReference", &["date", "period"]),
    ("Encounter", &["date"]),
    ("EpisodeOfCare", &["date"]),
    ("FamilyMemberHistory", &["date"]),
    ("Flag", &["date"]),
    ("Goal", &["start-date"]),
    ("ImagingStudy", &["started"]),
    ("Immunization", &["date"]),
    ("List", &["date"]),
    ("MedicationAdministration", &["effective-time"]),
    ("MedicationDispense", &["whenhandedover", "whenprepared"]),
    ("MedicationRequest", &["authoredon"]),
    ("MedicationStatement", &["effective"]),
    ("Observation", &["date"]),
    ("Procedure", &["date"]),
    ("QuestionnaireResponse", &["authored"]),
    ("RiskAssessment", &["date"]),
    ("ServiceRequest", &["authored", "occurrence"]),
];

const PATIENT: ResourceType = ResourceType::of("Patient");

/// What a provision's criteria are read with.
#[derive(Clone, Copy)]
pub(crate) struct ProvisionContext<'a> {
    /// The type of resource that the question is about, where it is about one.
    pub(crate) only: Option<ResourceType>,
    /// What is known of what refers to what.
    pub(crate) links: &'a [LinkFacts],
}

#[cfg(test)]
thread_local! {
    /// How many provisions have been read into predicates.
    pub(crate) static READ: std::cell::Cell<usize> = const { std::cell::Cell::new(0) };
}

/// The data that a provision is about: every criterion that it asks for (R4 "Consent", provision).
pub(crate) fn data(provision: &Provision, reading: &ProvisionContext<'_>) -> ProvisionScope {
    #[cfg(test)]
    READ.with(|read| read.set(read.get() + 1));
    let mut scope = ProvisionScope::everything();
    if !provision.classes.is_empty() {
        scope = scope.and(any(&provision.classes, class));
    }
    if !provision.labels.is_empty() {
        scope = scope.and(labels(provision));
    }
    let types = types_of(provision, reading.only);
    let about = |name: &str| types.as_ref().is_none_or(|types| types.iter().any(|one| one.name() == name));
    if !provision.codes.is_empty() {
        scope = scope.and(codes(&provision.codes, about));
    }
    if let Some(period) = provision.data_period {
        scope = scope.and(times(period, about));
    }
    if !provision.data.is_empty() {
        scope = scope.and(any(&provision.data, |point| data_point(point, reading)));
    }
    scope
}

/// Whether a criterion about the data is not understood in part, so that a denial covers more than it says.
pub(crate) fn is_vague(provision: &Provision, reading: &ProvisionContext<'_>) -> bool {
    provision.classes.iter().any(|coding| coding.resource_type().is_none() && coding.access_level().is_none())
        || provision.codes.iter().any(|coding| code_test(coding).is_none())
        || !label::are_known(&provision.labels)
        || provision.data_period == Some(Period::Unreadable)
        || provision.data.iter().any(|point| data_point(point, reading).most == Predicate::All)
}

fn any<T>(items: &[T], scope: impl Fn(&T) -> ProvisionScope) -> ProvisionScope {
    let (least, most) = items.iter().map(scope).map(|scope| (scope.least, scope.most)).unzip();
    ProvisionScope { least: Predicate::any(least), most: Predicate::any(most) }
}

/// The types that the provision or the question limits it to; none when neither does.
fn types_of(provision: &Provision, only: Option<ResourceType>) -> Option<Vec<ResourceType>> {
    if let Some(only) = only {
        return Some(vec![only]);
    }
    let types: Option<Vec<ResourceType>> = provision.classes.iter().map(Coding::resource_type).collect();
    types.filter(|types| !types.is_empty())
}

/// A level means it and the lower ones to a permit, it and the higher ones to a denial. So what a permit inside a denial
/// covers for certain meets both readings, and what a denial inside a permit may cover meets either.
fn labels(provision: &Provision) -> ProvisionScope {
    let denied = label::covered_at_most(&provision.labels);
    if provision.effect == Effect::Deny && provision.provisions.is_empty() {
        // What it covers for certain matters to the rules inside it only.
        return ProvisionScope { least: Predicate::None, most: denied };
    }
    let permitted = label::covered_at_least(&provision.labels);
    match provision.effect {
        Effect::Permit => ProvisionScope { least: permitted.clone(), most: permitted.or(denied) },
        Effect::Deny => ProvisionScope { least: permitted.and(denied.clone()), most: denied },
        Effect::Silent => ProvisionScope { least: permitted.clone().and(denied.clone()), most: permitted.or(denied) },
    }
}

/// A type, or a profile that the resource claims. A denial by profile also covers what meets it without saying so.
fn class(coding: &Coding) -> ProvisionScope {
    if let Some(resource_type) = coding.resource_type() {
        return ProvisionScope::exact(Predicate::Type(vec![resource_type]));
    }
    if let Some(level) = coding.access_level() {
        return ProvisionScope::exact(level);
    }
    match coding.code.as_deref() {
        Some(url) if url.contains("/StructureDefinition/") => {
            let claimed = Predicate::Entry(ParameterId::of("_profile"), Test::Is(url.to_owned()));
            ProvisionScope { least: claimed, most: Predicate::All }
        }
        _ => ProvisionScope::unknown(),
    }
}

/// Resources with one of the codes: to a permit, in their main elements; to a denial, in every element in which codes count, wherever
/// it stands. Whether a resource of a type without indexed codes, or a medication that is named by a reference, has one of
/// them cannot be told.
fn codes(codings: &[Coding], about: impl Fn(&str) -> bool) -> ProvisionScope {
    let tests: Arc<[Test]> = codings.iter().filter_map(code_test).collect();
    let (mut least, mut elsewhere) = (Vec::new(), Vec::new());
    let mut other = Predicate::None;
    if !tests.is_empty() {
        for (_, parameters) in CODES.coded.iter().filter(|(name, _)| about(name)) {
            least.extend(parameters.iter().map(|one| Predicate::Entry(*one, Test::Either(tests.clone()))));
            other = Predicate::Entry(OTHER_CODE, Test::Either(tests.clone()));
        }
        let pointing = CODES.elsewhere.iter().filter(|(name, _)| about(name));
        elsewhere.extend(pointing.map(|(_, one)| Predicate::Entry(*one, Test::Present)));
    }
    let (least, elsewhere) = (any_of_different(least), any_of_different(elsewhere));
    let vague = codings.iter().any(|coding| code_test(coding).is_none());
    let most = match vague {
        true => Predicate::All,
        false => least.clone().or(other).or(elsewhere).or(CODES.other_types.clone()),
    };
    ProvisionScope { least, most }
}

/// What every rule about codes goes by, of which there may be hundreds.
struct Codes {
    /// The types with main codes, and the parameters that hold these.
    coded: Vec<(&'static str, Vec<ParameterId>)>,
    /// The types whose code may be in another resource, and the parameter that points at it.
    elsewhere: Vec<(&'static str, ParameterId)>,
    /// All types without main codes.
    other_types: Predicate,
}

static CODES: LazyLock<Codes> = LazyLock::new(|| Codes {
    coded: CODED.iter().map(|(name, all)| (*name, all.iter().map(|one| parameter_of(name, one)).collect())).collect(),
    elsewhere: CODED_ELSEWHERE.iter().map(|(name, one)| (*name, parameter_of(name, one))).collect(),
    other_types: other_types(CODED.iter().map(|(name, _)| *name)),
});

/// The disjunction of what is asked of different parameters, of which none can be said twice.
fn any_of_different(mut parts: Vec<Predicate>) -> Predicate {
    match parts.pop() {
        None => Predicate::None,
        Some(only) if parts.is_empty() => only,
        Some(last) => {
            parts.push(last);
            Predicate::Or(parts)
        }
    }
}

/// A code in its system, in either spelling of a system of HL7; without a system in any. None when there is no code, or
/// one so long that the index keeps it in another form.
fn code_test(coding: &Coding) -> Option<Test> {
    let code = coding.code.as_deref().filter(|code| code.len() + 1 < LONGEST_HALF)?;
    if coding.system.len() + 1 >= LONGEST_HALF {
        return None;
    }
    if coding.system.is_empty() {
        return Some(Test::Starts(format!("{code}{SEPARATOR}")));
    }
    let exact = Test::Is(format!("{code}{SEPARATOR}{}", coding.system));
    Some(match coding.system.strip_prefix("http://terminology.hl7.org/") {
        Some(rest) => {
            Test::Either([exact, Test::Is(format!("{code}{SEPARATOR}https://terminology.hl7.org/{rest}"))].into())
        }
        None => exact,
    })
}

/// Resources whose time overlaps the period. One that tells no time may be from any: a denial covers it. Whom the data is about is of no
/// time.
fn times(period: Period, about: impl Fn(&str) -> bool) -> ProvisionScope {
    let (start, end) = match period {
        Period::Always => return ProvisionScope::everything(),
        Period::Unreadable => return ProvisionScope::unknown(),
        Period::Within(start, end) => (start, end),
    };
    let mut tests = Vec::new();
    if let Some(start) = start {
        tests.push(Test::High(Comparison::AtLeast, milliseconds(start)));
    }
    if let Some(end) = end {
        tests.push(Test::Low(Comparison::AtMost, milliseconds(end)));
    }
    let (mut least, mut dated) = (Predicate::None, Predicate::None);
    for (name, parameters) in DATED.iter().filter(|(name, _)| about(name)) {
        for parameter in *parameters {
            least = least.or(entry(name, parameter, Test::Every(tests.clone())));
            dated = dated.or(entry(name, parameter, Test::Present));
        }
    }
    let undated = dated.or(Predicate::Type(vec![PATIENT])).negate();
    let most = least.clone().or(undated);
    ProvisionScope { least, most }
}

/// The moment as the number that the index keeps.
#[expect(clippy::cast_precision_loss, reason = "milliseconds of the years 1 to 9999 are exact in an f64")]
fn milliseconds(moment: i64) -> f64 {
    moment as f64
}

/// The types of which IHE PCF means, by data related to one, what was recorded in the course of it.
const COURSES: [&str; 3] = ["CarePlan", "Encounter", "EpisodeOfCare"];

/// Data by its connection to a resource (R4 value set `consent-data-meaning`): it, it and what it refers to, it and what
/// refers to it, what it wrote. What a resource refers to is a fact; without it, it cannot be told. To a permit, what refers to it
/// does so in an element that has a search parameter; to a denial, in any, wherever it stands.
fn data_point(point: &DataPoint, reading: &ProvisionContext<'_>) -> ProvisionScope {
    let Target::Local(local) = &point.reference else { return ProvisionScope::unknown() };
    let (Some(itself), Some(target)) = (link::itself(local), link::target_type(local)) else {
        return ProvisionScope::unknown();
    };
    let dependents = || itself.clone().or(link::refers_to(target, &[local.as_str()], reading.only));
    let all_dependents = || dependents().or(link::names_otherwise(&[local.as_str()]));
    match point.meaning.as_str() {
        "instance" => ProvisionScope::exact(itself),
        "related" => {
            let Some(known) = reading.links.iter().find(|known| known.reference == *local) else {
                return ProvisionScope { least: itself, most: Predicate::All };
            };
            let named = known.refers_to.iter().filter_map(|one| link::itself(one));
            let related = named.fold(itself.clone(), Predicate::or);
            let least =
                if COURSES.contains(&target.name()) { related.clone().or(dependents()) } else { related.clone() };
            ProvisionScope { least, most: related.or(all_dependents()) }
        }
        "dependents" => ProvisionScope { least: dependents(), most: all_dependents() },
        "authoredby" => {
            let least = link::written_by(std::iter::once(local.as_str()));
            ProvisionScope { least, most: link::may_be_written_by(local, reading.only) }
        }
        _ => ProvisionScope::unknown(),
    }
}

fn entry(name: &str, parameter: &str, test: Test) -> Predicate {
    Predicate::Entry(parameter_of(name, parameter), test)
}

fn parameter_of(name: &str, parameter: &str) -> ParameterId {
    ParameterId::of(&format!("{name}.{parameter}"))
}

fn other_types(names: impl Iterator<Item = &'static str>) -> Predicate {
    Predicate::Type(names.filter_map(ResourceType::parse).collect()).negate()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::ConsentFacts;
    use concord_fhir::json::Value;
    use concord_fhir::registry::{Kind, parameter};

    #[test]
    fn the_tables_name_parameters_of_the_right_kind() {
        let kind = |name: &str, code: &str| parameter(ResourceType::parse(name)?, code).map(|found| found.kind);
        for (name, codes) in CODED {
            assert!(codes.iter().all(|code| kind(name, code) == Some(Kind::Token)), "{name}");
        }
        for (name, codes) in DATED {
            assert!(codes.iter().all(|code| kind(name, code) == Some(Kind::Date)), "{name}");
        }
        for (name, code) in CODED_ELSEWHERE {
            assert_eq!(kind(name, code), Some(Kind::Reference), "{name}");
        }
    }

    #[test]
    fn no_parameter_of_codes_is_there_twice() {
        let mut all: Vec<i32> = Vec::new();
        for (_, parameters) in &CODES.coded {
            for one in parameters {
                assert!(!all.contains(&one.0), "{one:?}");
                all.push(one.0);
            }
        }
    }

    #[test]
    fn a_code_that_is_too_long_for_the_index_is_not_guessed_at() {
        let coding = |code: String, system: String| Coding { system, code: Some(code) };
        assert!(code_test(&coding("1".into(), "s".into())).is_some());
        let longest = LONGEST_HALF - 2;
        assert!(code_test(&coding("1".repeat(longest), "s".repeat(longest))).is_some());
        assert!(code_test(&coding("1".repeat(longest + 1), "s".into())).is_none());
        assert!(code_test(&coding("1".into(), "s".repeat(longest + 1))).is_none());
        let scope = codes(&[coding("1".repeat(5000), "s".into())], |_| true);
        assert_eq!(scope, ProvisionScope::unknown());
    }

    #[test]
    fn a_question_about_one_type_looks_at_no_other() {
        let code = Coding { system: String::new(), code: Some("1".into()) };
        let consent = ConsentFacts::from_resource("c", 1, &Value::object([]), "");
        let provision = Provision { effect: Effect::Permit, codes: vec![code.clone()], ..consent.root };
        let condition = ResourceType::parse("Condition");
        let reading = ProvisionContext { only: condition, links: &[] };
        let tests = [code_test(&code).unwrap()].into();
        assert_eq!(data(&provision, &reading).least, entry("Condition", "code", Test::Either(tests)));
    }
}
