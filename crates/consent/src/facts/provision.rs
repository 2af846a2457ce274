use concord_fhir::index::{ParameterId, SEPARATOR};
use concord_fhir::json::Value;
use concord_fhir::predicate::{Predicate, Test};
use concord_fhir::registry::ResourceType;
use concord_fhir::rules::consent::{ACCESS_LEVELS, Asked, class_type};

use super::{Period, Target};

/// The deepest nesting of provisions that is followed. A deeper one counts as a denial of all that its parent covers.
const DEEPEST: usize = 8;

/// The members of a provision that are understood (R4 "Consent", provision).
const KNOWN: [&str; 14] = [
    "id",
    "extension",
    "type",
    "period",
    "actor",
    "action",
    "securityLabel",
    "purpose",
    "class",
    "code",
    "dataPeriod",
    "data",
    "provision",
    "resourceType",
];

/// What a provision does to what it covers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Effect {
    /// It permits.
    Permit,
    /// It denies.
    Deny,
    /// It says nothing itself and only bounds the provisions inside it: a root without a type, a policy or an actor.
    Silent,
}

/// A Coding; a system of `https` is read as one of `http`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Coding {
    /// The code system; empty when none is given.
    pub system: String,
    /// The code; none when there is only a text.
    pub code: Option<String>,
}

/// One entry of `provision.data`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct DataPoint {
    /// `instance`, `related`, `dependents` or `authoredby`.
    pub meaning: String,
    /// What it is about.
    pub reference: Target,
}

/// One rule of a Consent. An empty list means that the rule does not ask for that criterion.
#[derive(Clone, Debug, PartialEq)]
pub struct Provision {
    /// Where it stands: `provision` for the root, `provision.provision[0]` inside it.
    pub path: String,
    /// What it does.
    pub effect: Effect,
    /// When it holds.
    pub period: Period,
    /// Whom it is about.
    pub actors: Vec<Target>,
    /// Codes of `consentaction`.
    pub actions: Vec<Coding>,
    /// Labels of the data.
    pub labels: Vec<Coding>,
    /// Purposes of use.
    pub purposes: Vec<Coding>,
    /// Types and profiles of the data.
    pub classes: Vec<Coding>,
    /// Codes in the data.
    pub codes: Vec<Coding>,
    /// When the data is from.
    pub data_period: Option<Period>,
    /// Which data.
    pub data: Vec<DataPoint>,
    /// What in it could not be understood. It then permits nothing, and denies what its other criteria cover.
    pub unevaluable: Option<String>,
    /// The rules inside it.
    pub provisions: Vec<Provision>,
}

impl Provision {
    /// A root that says nothing.
    pub(super) fn silent() -> Provision {
        Provision {
            path: "provision".to_owned(),
            effect: Effect::Silent,
            period: Period::Always,
            actors: Vec::new(),
            actions: Vec::new(),
            labels: Vec::new(),
            purposes: Vec::new(),
            classes: Vec::new(),
            codes: Vec::new(),
            data_period: None,
            data: Vec::new(),
            unevaluable: None,
            provisions: Vec::new(),
        }
    }

    /// The provision in an element's value.
    pub(super) fn read(value: &Value<'_>, path: String, depth: usize, base: &str) -> Provision {
        let mut unevaluable = unknown_member(value);
        if depth > DEEPEST {
            let unevaluable = Some(format!("provisions are nested more than {DEEPEST} deep"));
            return Provision { path, effect: Effect::Deny, unevaluable, ..Provision::silent() };
        }
        let effect = match value.text("type") {
            Some("permit") => Effect::Permit,
            Some("deny") => Effect::Deny,
            None if depth == 0 => Effect::Silent,
            _ => {
                unevaluable.get_or_insert_with(|| "its type is neither permit nor deny".to_owned());
                Effect::Deny
            }
        };
        let actor = |one: &Value<'_>| match one.get("modifierExtension") {
            None => one.get("reference").map_or(Target::Unreadable, |reference| Target::of(reference, base)),
            Some(_) => Target::Unreadable,
        };
        let data = |one: &Value<'_>| DataPoint {
            meaning: one.text("meaning").unwrap_or_default().to_owned(),
            reference: match (one.get("modifierExtension"), one.get("reference")) {
                (None, Some(reference)) => Target::of(reference, base),
                _ => Target::Unreadable,
            },
        };
        let child = |(position, one): (usize, &Value<'_>)| {
            Provision::read(one, format!("{path}.provision[{position}]"), depth + 1, base)
        };
        Provision {
            effect,
            period: Period::of(value.get("period")),
            actors: value.list("actor").iter().map(actor).collect(),
            actions: concepts(value.list("action")),
            labels: value.list("securityLabel").iter().map(coding).collect(),
            purposes: value.list("purpose").iter().map(coding).collect(),
            classes: value.list("class").iter().map(coding).collect(),
            codes: concepts(value.list("code")),
            data_period: value.get("dataPeriod").map(|period| Period::of(Some(period))),
            data: value.list("data").iter().map(data).collect(),
            provisions: value.list("provision").iter().enumerate().map(child).collect(),
            unevaluable,
            path,
        }
    }

    /// How many provisions it is made of, itself included.
    pub(super) fn count(&self) -> usize {
        1 + self.provisions.iter().map(Provision::count).sum::<usize>()
    }

    /// How much it asks of a decision ([`Asked`]).
    pub(super) fn asks(&self) -> usize {
        let mut asked = Asked::default();
        self.count_asked(0, &mut asked);
        asked.in_all()
    }

    fn count_asked(&self, depth: usize, asked: &mut Asked) {
        let criteria = self.actors.len()
            + self.actions.len()
            + self.labels.len()
            + self.purposes.len()
            + self.classes.len()
            + self.codes.len()
            + self.data.len()
            + usize::from(self.data_period.is_some());
        asked.add(depth, self.effect != Effect::Permit, criteria);
        for inner in &self.provisions {
            inner.count_asked(depth + 1, asked);
        }
    }

    /// Whether it asks for anything but a time.
    pub(super) fn has_criteria(&self) -> bool {
        !self.actors.is_empty()
            || !self.actions.is_empty()
            || !self.labels.is_empty()
            || !self.purposes.is_empty()
            || !self.classes.is_empty()
            || !self.codes.is_empty()
            || !self.data.is_empty()
            || self.data_period.is_some()
    }

    /// The moments at which it or one inside it begins or ceases to hold.
    pub(super) fn boundaries(&self, moments: &mut Vec<i64>) {
        moments.extend(self.period.boundaries());
        for inner in &self.provisions {
            inner.boundaries(moments);
        }
    }
}

/// A member that changes the meaning in a way that is not understood here.
fn unknown_member(value: &Value<'_>) -> Option<String> {
    let Some(object) = value.as_object() else { return Some("it is no object".to_owned()) };
    let unknown = object.0.iter().find(|(name, _)| !KNOWN.contains(&name.as_ref()))?;
    Some(format!("its element `{}` is not understood", unknown.0))
}

/// The codings of a list of CodeableConcepts; a concept without a coding counts as one that is not understood.
fn concepts(concepts: &[Value<'_>]) -> Vec<Coding> {
    let mut codings = Vec::new();
    for concept in concepts {
        match concept.list("coding") {
            [] => codings.push(Coding { system: String::new(), code: None }),
            list => codings.extend(list.iter().map(coding)),
        }
    }
    codings
}

/// One Coding.
pub(super) fn coding(value: &Value<'_>) -> Coding {
    let system = value.text("system").unwrap_or_default();
    let system = match system.strip_prefix("https://terminology.hl7.org/") {
        Some(rest) => format!("http://terminology.hl7.org/{rest}"),
        None => system.to_owned(),
    };
    Coding { system, code: value.text("code").map(str::to_owned) }
}

impl Coding {
    /// The resources that it stands for, if it is one of the access levels that a proxy asks the national proxy service
    /// for.
    pub(crate) fn access_level(&self) -> Option<Predicate> {
        if !self.system.ends_with(ACCESS_LEVELS) {
            return None;
        }
        let of = |names: &[&str]| Predicate::Type(names.iter().filter_map(|name| ResourceType::parse(name)).collect());
        Some(match self.code.as_deref()? {
            "RECRD" => Predicate::All,
            "PRESCR" => of(&[
                "Medication",
                "MedicationAdministration",
                "MedicationDispense",
                "MedicationRequest",
                "MedicationStatement",
            ]),
            "APPT" => of(&["Appointment", "AppointmentResponse"]),
            "TEST" => {
                let category =
                    format!("laboratory{SEPARATOR}http://terminology.hl7.org/CodeSystem/observation-category");
                let laboratory = Predicate::Entry(ParameterId::of("Observation.category"), Test::Is(category));
                of(&["DiagnosticReport", "ImagingStudy", "Specimen"]).or(laboratory)
            }
            "VACC" => of(&["Immunization", "ImmunizationEvaluation", "ImmunizationRecommendation"]),
            "COND" => of(&["AllergyIntolerance", "Condition"]),
            "CONSULT" => of(&["ClinicalImpression", "Composition", "Encounter", "Procedure"]),
            "DOCS" => of(&["DocumentManifest", "DocumentReference"]),
            _ => return None,
        })
    }

    /// The resource type that it stands for, if it is one of a resource type.
    pub(crate) fn resource_type(&self) -> Option<ResourceType> {
        class_type(&self.system, self.code.as_deref()?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_axis_but_a_time_is_a_criterion() {
        let read = |name: &'static str, value: Value<'static>| {
            Provision::read(&Value::object([(name, value)]), "provision".to_owned(), 0, "")
        };
        let one = || Value::Array(vec![Value::object([("code", Value::string("x"))])]);
        for criterion in ["actor", "action", "securityLabel", "purpose", "class", "code", "data"] {
            assert!(read(criterion, one()).has_criteria(), "{criterion}");
        }
        assert!(read("dataPeriod", Value::object([("end", Value::string("2026"))])).has_criteria());
        assert!(!read("period", Value::object([("end", Value::string("2026"))])).has_criteria());
        assert!(!Provision::silent().has_criteria());
    }
}
