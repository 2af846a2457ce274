//! What expressions may ask that is not in the resource: codes, profiles, and what references lead to.

use std::cell::Cell;

use concord_fhir::issue::Severity;
use concord_fhir::json::Value;
use concord_fhir::path::{self, Outside};
use concord_fhir::terminology::{CodingRef, Membership};

use super::binding::OF_A_MEMBERSHIP;
use super::kept::{Kept, Key, Tells};
use super::{Checker, Walk};
use crate::item::{Place, whole_resource};
use crate::surroundings::Surroundings;
use crate::terminology::{any_in, coding_in, is_above};

/// How deep an expression may ask for a profile whose expressions ask for profiles.
const DEEPEST: usize = 3;

/// Who answers the expressions of a check.
pub(super) struct Known<'k, 'v> {
    checker: Checker<'k>,
    around: Surroundings<'v>,
    /// The steps that are left of the check.
    left: &'k Cell<usize>,
    under_way: &'k [Key],
    kept: &'k Kept,
    expressions: usize,
}

impl<'c> Walk<'c> {
    /// Who answers an expression there.
    pub(super) fn known<'k, 'v>(&'k self, around: Surroundings<'v>) -> Known<'k, 'v>
    where
        'c: 'k,
    {
        let (checker, left, under_way) = (self.checker, &self.left, self.under_way.as_slice());
        Known { checker, around, left, under_way, kept: &self.kept, expressions: self.expressions }
    }
}

impl Known<'_, '_> {
    /// Takes steps of the check; nothing where there are none left.
    fn take(&self, steps: usize) -> Option<()> {
        self.left.set(self.left.get().saturating_sub(steps));
        (self.left.get() > 0).then_some(())
    }
}

impl<'v> Outside<'v> for Known<'_, 'v> {
    fn resolve(&self, reference: &str) -> Option<&'v Value<'v>> {
        self.around.resolve(reference).map(|(resource, _)| resource)
    }

    fn member_of(&self, item: &path::Item<'v>, value_set: &str) -> Option<bool> {
        let known = self.checker.terminology;
        let value = item.as_node()?.value?;
        self.take(OF_A_MEMBERSHIP * (1 + value.list("coding").len()))?;
        let answer = match value {
            Value::String(code) => known.member_of(CodingRef::bare(code), value_set),
            _ if value.get("coding").is_some() => any_in(known, value.list("coding"), value_set).membership,
            _ => coding_in(known, value, value.text("code")?, value_set).membership,
        };
        answer.known()
    }

    fn conforms_to(&self, item: &path::Item<'v>, profile: &str) -> Option<bool> {
        let resource = item.as_node()?.value?;
        resource.text("resourceType").filter(|_| self.expressions < DEEPEST)?;
        let mut walk = Walk {
            under_way: self.under_way.to_vec(),
            expressions: self.expressions + 1,
            ..Walk::begin(self.checker, self.left.get())
        };
        let around = self.around.around(resource);
        let (answer, found) =
            walk.conforms(&whole_resource(resource, false), profile, &Place::root(""), around, Tells::All);
        self.left.set(walk.left.get());
        self.kept.assume_as(&walk.kept);
        // What could not be checked, or was not looked at any more, is not known.
        let is_open = walk.left.get() == 0 || found.iter().any(|issue| issue.severity == Severity::Information);
        if is_open && answer == Membership::Yes { None } else { answer.known() }
    }

    fn subsumes(&self, above: &path::Item<'v>, below: &path::Item<'v>) -> Option<bool> {
        let (above, below) = (codings(above)?, codings(below)?);
        self.take(OF_A_MEMBERSHIP * (1 + above.len().saturating_mul(below.len())))?;
        let mut answer = Membership::No;
        for one in above {
            for told in below.iter().filter_map(|other| is_above(self.checker.terminology, one, other)) {
                answer = answer.or(told);
            }
        }
        answer.known()
    }
}

/// The Codings of a Coding or CodeableConcept.
fn codings<'v>(item: &path::Item<'v>) -> Option<&'v [Value<'v>]> {
    let value = item.as_node()?.value?;
    match value {
        Value::Object(_) if value.get("coding").is_some() => Some(value.list("coding")),
        Value::Object(_) if value.get("code").is_some() => Some(std::slice::from_ref(value)),
        _ => None,
    }
}
