//! What a predicate asks for, looked at as a whole.

use super::Predicate;
use crate::registry::ResourceType;

impl Predicate {
    /// What it asks of other resources, if it looks at any itself.
    #[must_use]
    pub fn elsewhere(&self) -> Option<&Predicate> {
        match self {
            Predicate::Chain { then, .. } | Predicate::DependsOn { then, .. } => Some(then),
            Predicate::ReverseChain { by, .. } => Some(by),
            _ => None,
        }
    }

    /// Whether it looks at other resources.
    #[must_use]
    pub fn has_chains(&self) -> bool {
        let looks = |one: &Predicate| matches!(one, Predicate::AwaitsLabels) || one.elsewhere().is_some();
        self.has(&looks)
    }

    /// Whether it asks what labels are still being handed on to. What a row bears and what it waits for are asked at once then,
    /// or a label could arrive between the two.
    #[must_use]
    pub fn awaits_labels(&self) -> bool {
        self.has(&|one| matches!(one, Predicate::AwaitsLabels))
    }

    /// Whether it walks along references, however many there are ([`Predicate::DependsOn`]).
    #[must_use]
    pub fn walks(&self) -> bool {
        self.has(&|one| matches!(one, Predicate::DependsOn { .. }))
    }

    /// Whether resources of that type may be among what it means: where it says no there are none.
    #[must_use]
    pub fn may_be_of(&self, resource_type: ResourceType) -> bool {
        match self {
            Predicate::None => false,
            Predicate::Type(types) => types.contains(&resource_type),
            Predicate::And(parts) => parts.iter().all(|part| part.may_be_of(resource_type)),
            Predicate::Or(parts) => parts.iter().any(|part| part.may_be_of(resource_type)),
            Predicate::Not(part) => !matches!(&**part, Predicate::Type(types) if types.contains(&resource_type)),
            _ => true,
        }
    }

    fn has(&self, is: &dyn Fn(&Predicate) -> bool) -> bool {
        is(self)
            || match self {
                Predicate::And(parts) | Predicate::Or(parts) => parts.iter().any(|part| part.has(is)),
                Predicate::Not(part) => part.has(is),
                other => other.elsewhere().is_some_and(|one| one.has(is)),
            }
    }
}
