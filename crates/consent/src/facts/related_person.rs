use concord_fhir::json::Value;

use super::{Period, Target};
use crate::tri::Tri;

/// What a RelatedPerson says (R4 "RelatedPerson").
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RelatedPersonFacts {
    /// Its logical id.
    pub id: String,
    /// Whose relation.
    pub patient: Option<Target>,
    /// Whether the record of it is in use; one that does not say so is.
    pub active: bool,
    /// How long the relationship holds.
    pub period: Period,
}

impl RelatedPersonFacts {
    /// What the RelatedPerson says. One with a modifier that is not understood is not in use.
    #[must_use]
    pub fn from_resource(id: &str, resource: &Value<'_>, base: &str) -> RelatedPersonFacts {
        let active = resource.get("active").is_none_or(|active| active.as_bool() == Some(true));
        RelatedPersonFacts {
            id: id.to_owned(),
            patient: resource.get("patient").map(|who| Target::of(who, base)),
            active: active && !super::consent::has_modifier(resource),
            period: Period::of(resource.get("period")),
        }
    }

    /// Whether it is certain that they are a relation of that patient now.
    #[must_use]
    pub fn is_related_to(&self, patient: &str, now: i64) -> bool {
        self.active
            && self.patient.as_ref().is_some_and(|target| target.is("Patient", patient))
            && self.period.holds(now) == Tri::Yes
    }
}
