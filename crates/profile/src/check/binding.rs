//! Whether the codes of an element are from the value set that it is bound to.

use concord_fhir::issue::{IssueCode, Severity};
use concord_fhir::json::Value;
use concord_fhir::terminology::{CodingRef, Membership};

use super::{Scope, Walk, shown};
use crate::definition::{Binding, Strength};
use crate::item::{Item, Place};
use crate::node::Node;
use crate::terminology::{Told, any_in, coding_in};

/// How many steps it is worth to ask whether a code is in a value set.
pub(super) const OF_A_MEMBERSHIP: usize = 4;

/// The types with codes of their own; other values cannot be bound, whatever a definition says.
const CODED: [&str; 8] =
    ["Coding", "CodeableConcept", "Quantity", "SimpleQuantity", "Age", "Count", "Distance", "Duration"];

impl Walk<'_> {
    pub(super) fn binding(
        &mut self,
        binding: &Binding,
        node: &Node,
        item: &Item<'_>,
        place: &Place<'_>,
        scope: Scope<'_>,
    ) {
        if binding.strength == Strength::Advice {
            return;
        }
        let told = self.looked_up(binding, item);
        if let Some(said) = told.remark() {
            self.remark(Severity::Information, said, place);
        }
        match told.membership {
            Membership::Yes => {}
            Membership::Unknown => {
                let said = format!("the value set {} could not be checked", binding.value_set);
                self.remark(Severity::Information, said, place);
            }
            Membership::No => {
                let said = format!("no code is from the value set {}", binding.value_set);
                if binding.strength == Strength::Required {
                    self.broken(IssueCode::CodeInvalid, place, node, scope, &said);
                } else {
                    let text = format!(
                        "{said}, which is to be used where a code of it fits ({}#{})",
                        scope.profile.url, node.id
                    );
                    self.add(Severity::Warning, IssueCode::CodeInvalid, place, shown_whole(text));
                }
            }
        }
    }

    /// Whether a code of the item is in the value set.
    pub(super) fn bound(&self, binding: &Binding, item: &Item<'_>) -> Membership {
        self.looked_up(binding, item).membership
    }

    fn looked_up(&self, binding: &Binding, item: &Item<'_>) -> Told {
        let known = self.checker.terminology;
        let Some(value) = item.value else { return Told::of(Membership::Yes) };
        self.take(OF_A_MEMBERSHIP * (1 + value.list("coding").len()) + binding.value_set.len() / 64);
        match value {
            Value::String(code) => Told::of(known.member_of(CodingRef::bare(code), &binding.value_set)),
            Value::Object(_) if !CODED.contains(&item.of_type.name.as_ref()) => Told::of(Membership::Yes),
            Value::Object(_) if item.of_type.name == "CodeableConcept" => match value.list("coding") {
                [] => Told::of(without_codes(binding, value)),
                codings => any_in(known, codings, &binding.value_set),
            },
            Value::Object(_) => match value.text("code") {
                Some(code) => coding_in(known, value, code, &binding.value_set),
                None => Told::of(Membership::No),
            },
            _ => Told::of(Membership::Yes),
        }
    }
}

/// A concept without a code: words are enough where the value set is only to be used if it fits, and an extension that
/// says why there is no code is enough where it is required.
fn without_codes(binding: &Binding, value: &Value<'_>) -> Membership {
    if binding.strength == Strength::Extensible || value.get("extension").is_some() {
        Membership::Yes
    } else {
        Membership::No
    }
}

fn shown_whole(text: String) -> String {
    if text.len() > 2_000 { shown(&text) } else { text }
}
