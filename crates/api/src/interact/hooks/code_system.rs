//! A CodeSystem of a registered system is asked where profiles are checked (ADR 54).

use crate::interact::hooks::TypeHooks;
use crate::interact::profiles;

pub(super) const HOOKS: TypeHooks = TypeHooks {
    before_store: Some(profiles::list_codes),
    again: Some(profiles::list_codes_again),
    ..TypeHooks::of("CodeSystem")
};
