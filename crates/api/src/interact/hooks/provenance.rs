//! A Provenance says where something is from: it is in the records of that.

use crate::interact::hooks::TypeHooks;
use crate::interact::provenance;

pub(super) const HOOKS: TypeHooks = TypeHooks {
    is_append_only: true,
    comes_from_systems: true,
    records: Some(provenance::patients),
    ..TypeHooks::of("Provenance")
};
