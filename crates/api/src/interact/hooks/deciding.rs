//! Types that do nothing besides but that access is decided by them: who is whose carer, and who works where.

use crate::interact::hooks::{Decides, TypeHooks};

const fn of_records(name: &str) -> TypeHooks {
    TypeHooks { decides_access: Some(Decides::Records), ..TypeHooks::of(name) }
}

const fn of_everything(name: &str) -> TypeHooks {
    TypeHooks { decides_access: Some(Decides::Everything), ..TypeHooks::of(name) }
}

pub(super) const CARE_TEAM: TypeHooks = of_records("CareTeam");
pub(super) const ORGANIZATION: TypeHooks = of_everything("Organization");
pub(super) const PRACTITIONER: TypeHooks = of_everything("Practitioner");
pub(super) const PRACTITIONER_ROLE: TypeHooks = of_everything("PractitionerRole");
pub(super) const RELATED_PERSON: TypeHooks = of_records("RelatedPerson");
