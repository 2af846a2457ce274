use concord_fhir::json::Value;

use super::{Period, Target};
use crate::actor::Actor;
use crate::tri::Tri;

/// What a PractitionerRole says (R4 "PractitionerRole").
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoleFacts {
    /// Its logical id.
    pub id: String,
    /// Who acts in it.
    pub practitioner: Option<Target>,
    /// For which organization.
    pub organization: Option<Target>,
    /// Whether the record of it is in use; one that does not say so is.
    pub active: bool,
    /// When it is held.
    pub period: Period,
}

impl RoleFacts {
    /// What the PractitionerRole says. One with a modifier that is not understood is not in use.
    #[must_use]
    pub fn from_resource(id: &str, resource: &Value<'_>, base: &str) -> RoleFacts {
        let active = resource.get("active").is_none_or(|active| active.as_bool() == Some(true));
        RoleFacts {
            id: id.to_owned(),
            practitioner: resource.get("practitioner").map(|who| Target::of(who, base)),
            organization: resource.get("organization").map(|who| Target::of(who, base)),
            active: active && !super::consent::has_modifier(resource),
            period: Period::of(resource.get("period")),
        }
    }

    /// Whether it is one of whoever calls as that.
    pub(crate) fn is_of(&self, actor: &Actor) -> bool {
        match actor {
            Actor::Practitioner(id) => self.practitioner.as_ref().is_some_and(|who| who.is("Practitioner", id)),
            Actor::PractitionerRole(id) => self.id == *id,
            Actor::System | Actor::Patient(_) | Actor::RelatedPerson(_) => false,
        }
    }

    /// Whether it is certain that the role is held now.
    #[must_use]
    pub fn is_current(&self, now: i64) -> bool {
        self.active && self.period.holds(now) == Tri::Yes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_role_is_held_while_it_is_active_and_in_its_period() {
        let role = |members: &[(&'static str, Value<'static>)]| {
            let mut value = Value::object([]);
            for (name, member) in members {
                value.as_object_mut().unwrap().set(*name, member.clone());
            }
            RoleFacts::from_resource("r", &value, "")
        };
        let period = |end: &str| Value::object([("end", Value::string(end))]);
        assert!(role(&[]).is_current(0));
        assert!(role(&[("active", Value::Bool(true)), ("period", period("1970-01-01"))]).is_current(0));
        assert!(!role(&[("active", Value::Bool(false))]).is_current(0));
        assert!(!role(&[("active", Value::string("true"))]).is_current(0));
        assert!(!role(&[("period", period("1969"))]).is_current(0));
        assert!(!role(&[("period", period("never"))]).is_current(0));
        assert!(!role(&[("modifierExtension", Value::Array(vec![]))]).is_current(0));
    }
}
