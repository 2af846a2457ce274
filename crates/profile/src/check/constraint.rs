//! The expressions of a profile.

use concord_fhir::issue::Severity;
use concord_fhir::json::Value;

use super::{Scope, Walk};
use crate::item::Place;
use crate::node::Node;

impl Walk<'_> {
    /// Checks the expressions that must hold of a value.
    pub(super) fn constraints(&mut self, node: &Node, _value: &Value<'_>, place: &Place<'_>, scope: Scope<'_>) {
        for constraint in &node.rules.constraints {
            let said = format!("the constraint {} of {} was not evaluated", constraint.key, scope.profile.url);
            self.remark(Severity::Information, said, place);
        }
    }
}
