//! A Bundle that is stored holds what somebody else has put together: what its resources refer to may be anywhere.

use crate::interact::hooks::TypeHooks;

pub(super) const HOOKS: TypeHooks = TypeHooks { is_kept_as_sent: true, ..TypeHooks::of("Bundle") };
