//! A StructureDefinition of a registered system is what resources are checked by (ADR 43).

use crate::interact::hooks::TypeHooks;
use crate::interact::profiles;

pub(super) const HOOKS: TypeHooks = TypeHooks {
    before_store: Some(profiles::define),
    again: Some(profiles::define_again),
    ..TypeHooks::of("StructureDefinition")
};
