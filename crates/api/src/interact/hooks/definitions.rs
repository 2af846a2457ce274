//! Types that do nothing besides but that what others store is checked and found by them: it matters who gave one (ADR 54).

use crate::interact::given;
use crate::interact::hooks::TypeHooks;

const fn of(name: &str) -> TypeHooks {
    TypeHooks { before_store: Some(given::define), again: Some(given::define_again), ..TypeHooks::of(name) }
}

pub(super) const CONCEPT_MAP: TypeHooks = of("ConceptMap");
pub(super) const QUESTIONNAIRE: TypeHooks = of("Questionnaire");
