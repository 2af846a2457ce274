//! A Communication is a comment, an answer, or a part of a correction: see `comment` and `correction`.

use crate::interact::communication::{comment, correction};
use crate::interact::hooks::TypeHooks;

pub(super) const HOOKS: TypeHooks = TypeHooks {
    accompany: Some(correction::open),
    complete: Some(comment::complete),
    refuse_change: Some(correction::refuse_change),
    refuse_deletion: Some(correction::refuse_deletion),
    after_create: Some(correction::follow),
    ..TypeHooks::of("Communication")
};
