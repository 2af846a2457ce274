//! Answers are checked by their Questionnaire (ADR 43).

use crate::interact::hooks::TypeHooks;
use crate::interact::profiles;

pub(super) const HOOKS: TypeHooks =
    TypeHooks { before_store: Some(profiles::answers_before_store), ..TypeHooks::of("QuestionnaireResponse") };
