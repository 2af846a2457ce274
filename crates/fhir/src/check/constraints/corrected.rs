//! Published expressions that do not say what the rule means, each with what is evaluated instead and why.

/// A correction.
pub(super) struct Corrected {
    pub(super) key: &'static str,
    /// What is evaluated instead.
    pub(super) expression: &'static str,
    /// What is wrong with the published one.
    #[cfg_attr(not(test), expect(dead_code, reason = "it is for whoever reads the table"))]
    pub(super) why: &'static str,
}

pub(super) const CORRECTED: &[Corrected] = &[
    Corrected {
        key: "app-4",
        expression: "cancelationReason.exists() implies status in ('noshow' | 'no-show' | 'cancelled')",
        why: "the code is noshow; no-show is none",
    },
    Corrected {
        key: "con-3",
        expression: "clinicalStatus.exists() or verificationStatus.coding.where(system = 'http://terminology.hl7.org/CodeSystem/condition-ver-status' and code = 'entered-in-error').exists() or category.coding.where(system = 'http://terminology.hl7.org/CodeSystem/condition-category' and code = 'problem-list-item').empty()",
        why: "a CodeableConcept is never equal to a string, so that the rule could not be broken",
    },
    Corrected {
        key: "dom-3",
        expression: "contained.where((('#' + id) in (%resource.descendants().reference | %resource.descendants().ofType(canonical) | %resource.descendants().ofType(uri) | %resource.descendants().ofType(url))).not() and descendants().where(reference = '#').empty() and descendants().ofType(canonical).where($this = '#').empty() and descendants().ofType(uri).where($this = '#').empty()).empty()",
        why: "as() takes one item, and many are given",
    },
    Corrected {
        key: "drt-1",
        expression: "code.exists() implies (system.where($this = %ucum).exists() and value.exists())",
        why: "without a system it gives nothing, and is meant to be broken",
    },
    Corrected {
        key: "eld-3",
        expression: "empty() or $this = '*' or toInteger().where($this >= 0).exists()",
        why: "of what is no number it gives nothing, and is meant to be broken",
    },
    Corrected {
        key: "md-1",
        expression: "max.empty() or max = '*' or max.toInteger().where($this > 0).exists()",
        why: "of what is no number it gives nothing, and is meant to be broken",
    },
    Corrected {
        key: "que-12",
        expression: "enableWhen.count() > 1 implies enableBehavior.exists()",
        why: "the rule is about more than one enableWhen, and the expression about more than two",
    },
    Corrected {
        key: "que-7",
        expression: "operator = 'exists' implies answer.is(FHIR.boolean)",
        why: "Boolean is a type of FHIRPath itself; an element is a boolean",
    },
    Corrected {
        key: "ras-1",
        expression: "(low.empty() or low.where(code = '%' and system = %ucum).exists()) and (high.empty() or high.where(code = '%' and system = %ucum).exists())",
        why: "without a code it gives nothing, and is meant to be broken",
    },
    Corrected {
        key: "tim-9",
        expression: "offset.empty() or (when.exists() and when.intersect('C' | 'CM' | 'CD' | 'CV').empty())",
        why: "in takes one item, and 'when' repeats",
    },
    Corrected {
        key: "tst-7",
        expression: "sourceId.exists() or (targetId.count() + url.count() + params.count() = 1) or type.code.where($this in ('capabilities' | 'search' | 'transaction' | 'history')).exists()",
        why: "without a type it gives nothing, and is meant to be broken",
    },
    Corrected {
        key: "tst-8",
        expression: "sourceId.exists() or (targetId.count() + url.count() + params.count() = 1) or type.code.where($this in ('capabilities' | 'search' | 'transaction' | 'history')).exists()",
        why: "without a type it gives nothing, and is meant to be broken",
    },
    Corrected {
        key: "tst-9",
        expression: "sourceId.exists() or (targetId.count() + url.count() + params.count() = 1) or type.code.where($this in ('capabilities' | 'search' | 'transaction' | 'history')).exists()",
        why: "without a type it gives nothing, and is meant to be broken",
    },
];

/// What is evaluated in place of a published expression.
pub(super) fn instead(key: &str) -> Option<&'static str> {
    CORRECTED.iter().find(|row| row.key == key).map(|row| row.expression)
}
