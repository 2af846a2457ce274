//! One element: how often it is there, and each of its items.

use std::cmp::Ordering;

use concord_fhir::issue::{IssueCode, Severity};
use concord_fhir::json::Value;
use concord_fhir::path::order_by_now;
use concord_fhir::schema::TypeKind;
use concord_fhir::terminology::Membership;

use super::kept::Tells;
use super::{Scope, Walk, shown};
use crate::definition::{TypeRule, ValueRule};
use crate::item::{Item, Members, Place};
use crate::node::Node;
use crate::value::{compare, holds, is_fixed, shown as text};

impl Walk<'_> {
    /// Checks the items of an element, or those of a slice.
    pub(super) fn element(&mut self, node: &Node, items: &[Item<'_>], place: &Place<'_>, scope: Scope<'_>) {
        let count = u32::try_from(items.len()).unwrap_or(u32::MAX);
        if let Some(min) = node.rules.min
            && count < min
        {
            let place = place.element(&node.name);
            let said = if min == 1 {
                format!("{} is required", called(node))
            } else {
                format!("{} must stand at least {min} times, not {count}", called(node))
            };
            self.broken(IssueCode::Required, &place, node, scope, &said);
        }
        if let Some(max) = node.rules.max
            && count > max
        {
            let place = place.element(&node.name);
            let said = if max == 0 {
                format!("{} must not be there", called(node))
            } else {
                format!("{} may stand at most {max} times, not {count}", called(node))
            };
            self.broken(IssueCode::Invalid, &place, node, scope, &said);
        }
        for item in items {
            self.item(node, item, &place.item(item), scope);
        }
        self.slices(node, items, place, scope);
    }

    /// Checks one item.
    pub(super) fn item(&mut self, node: &Node, item: &Item<'_>, place: &Place<'_>, scope: Scope<'_>) {
        if self.exhausted(place) {
            return;
        }
        let is_typed = self.types(node, item, place, scope);
        self.values(node, item, place, scope);
        // What codes a value of another type should have is beside the point.
        for binding in node.rules.binding.iter().chain(&node.rules.more_bindings).filter(|_| is_typed) {
            self.binding(binding, node, item, place, scope);
        }
        if let Some(others) = &node.rules.value_or
            && item.value.is_none()
        {
            self.stands_for_value(others, node, item, place, scope);
        }
        if !node.children.is_empty()
            && let Some((shape, object)) = item.inside()
        {
            let around = scope.around.within(item);
            self.object(node, &Members::of(shape, object), place, Scope { around, ..scope });
        }
        self.constraints(node, item, place, Scope { around: scope.around.within(item), ..scope });
    }

    /// A primitive without a value has an extension that may stand for it.
    fn stands_for_value(
        &mut self,
        others: &[String],
        node: &Node,
        item: &Item<'_>,
        place: &Place<'_>,
        scope: Scope<'_>,
    ) {
        let extensions = item.beside.map_or(&[][..], |beside| beside.list("extension"));
        let is_one = |one: &Value<'_>| one.text("url").is_some_and(|url| others.iter().any(|other| other == url));
        if !extensions.iter().any(is_one) {
            let or =
                if others.is_empty() { String::new() } else { format!(", or the extension {}", others.join(" or ")) };
            self.broken(IssueCode::Required, place, node, scope, &format!("a value must be there{or}"));
        }
    }

    fn values(&mut self, node: &Node, item: &Item<'_>, place: &Place<'_>, scope: Scope<'_>) {
        for rule in &node.rules.values {
            let (holds, said) = match (rule, item.value) {
                (ValueRule::Fixed(wanted), value) => {
                    (value.is_some_and(|value| is_fixed(value, wanted)), format!("it is fixed to {}", text(wanted)))
                }
                (ValueRule::Pattern(wanted), value) => {
                    (value.is_some_and(|value| holds(value, wanted)), format!("it must hold {}", text(wanted)))
                }
                (ValueRule::Min(bound), Some(value)) => {
                    self.keeps_bound(node, (value, bound), Ordering::Less, place, scope);
                    continue;
                }
                (ValueRule::Max(bound), Some(value)) => {
                    self.keeps_bound(node, (value, bound), Ordering::Greater, place, scope);
                    continue;
                }
                (_, None) => continue,
            };
            if !holds {
                self.broken(IssueCode::Value, place, node, scope, &said);
            }
        }
        if let (Some(least), Some(value)) = (node.rules.min_length, item.text())
            && value.chars().count() < least
        {
            let said = format!("it must have at least {least} characters");
            self.broken(IssueCode::Value, place, node, scope, &said);
        }
        if let (Some(most), Some(value)) = (node.rules.max_length, item.text())
            && value.chars().count() > most
        {
            let said = format!("it may have at most {most} characters");
            self.broken(IssueCode::TooLong, place, node, scope, &said);
        }
    }

    /// Checks a value by a bound; what cannot be compared is told.
    fn keeps_bound(
        &mut self,
        node: &Node,
        (value, bound): (&Value<'_>, &Value<'_>),
        wrong: Ordering,
        place: &Place<'_>,
        scope: Scope<'_>,
    ) {
        let is_least = wrong == Ordering::Less;
        let is_by_now = value.as_str().is_some() && bound.as_object().is_some();
        let order = match self.checker.now.filter(|_| is_by_now) {
            Some(now) => order_by_now(value, bound, is_least, now),
            None => compare(value, bound),
        };
        let word = if is_least { "less" } else { "more" };
        let by_now = match (is_by_now, is_least) {
            (false, _) => "",
            (true, true) => " before now",
            (true, false) => " after now",
        };
        match order {
            Some(order) if order == wrong => {
                let said = format!("it must not be {word} than {}{by_now}", text(bound));
                self.broken(IssueCode::Value, place, node, scope, &said);
            }
            Some(_) => {}
            None => {
                let said = format!(
                    "whether it is {word} than {}{by_now}, which it must not be ({}#{}), cannot be told: they cannot be compared",
                    text(bound),
                    scope.profile.url,
                    node.id
                );
                self.remark(Severity::Information, said, place);
            }
        }
    }

    /// Checks that the item is of a type that the profile allows, and keeps to the profiles of that type; whether it is of one.
    fn types(&mut self, node: &Node, item: &Item<'_>, place: &Place<'_>, scope: Scope<'_>) -> bool {
        if node.rules.types.is_empty() {
            return true;
        }
        let own = item.type_name();
        let is_open = item.member != item.element || matches!(item.of_type.kind, TypeKind::Resource);
        let allowed: Vec<&TypeRule> = node.rules.types.iter().filter(|rule| rule.allows(own)).collect();
        if allowed.is_empty() && is_open {
            let wanted: Vec<&str> = node.rules.types.iter().map(|rule| rule.code.as_str()).collect();
            let said = format!("it is of type {}, and must be of {}", shown(own), wanted.join(" or "));
            self.broken(IssueCode::Value, place, node, scope, &said);
            return false;
        }
        let rules: Vec<&TypeRule> = if allowed.is_empty() { node.rules.types.iter().collect() } else { allowed };
        if own == "Reference" || own == "canonical" {
            self.target(&rules, node, item, place, scope);
        }
        // Extensions are checked against their definitions wherever they stand.
        if own != "Extension" {
            self.type_profiles(&rules, node, item, place, scope);
        }
        true
    }

    /// The value keeps to one of the profiles that its type is to have.
    fn type_profiles(
        &mut self,
        rules: &[&TypeRule],
        node: &Node,
        item: &Item<'_>,
        place: &Place<'_>,
        scope: Scope<'_>,
    ) {
        if rules.iter().any(|rule| rule.profiles.is_empty()) {
            return;
        }
        let profiles: Vec<&String> = rules.iter().flat_map(|rule| &rule.profiles).collect();
        let mut reasons = Vec::new();
        for canonical in &profiles {
            let (kept, why) = self.conforms(item, canonical, place, scope.around, Tells::All);
            match kept {
                Membership::Yes => return self.issues.extend(why),
                Membership::Unknown => {
                    let said = format!("the profile {canonical} is not known here and was not checked");
                    return self.remark(Severity::Information, said, place);
                }
                Membership::No => reasons.extend(why),
            }
        }
        if let [only] = profiles.as_slice() {
            if reasons.is_empty() {
                let said = format!("it must keep to {only}");
                self.broken(IssueCode::Invalid, place, node, scope, &said);
            }
            self.issues.extend(reasons);
        } else {
            self.forget(&reasons);
            let names: Vec<&str> = profiles.iter().map(|one| one.as_str()).collect();
            let said = format!("it keeps to none of the profiles {}", names.join(", "));
            self.broken(IssueCode::Invalid, place, node, scope, &said);
        }
    }
}

/// What a node is called in a message.
fn called(node: &Node) -> String {
    match node.id.rsplit('.').next().and_then(|last| last.split_once(':')) {
        Some((_, slice)) => format!("'{}' of the kind '{slice}'", node.name),
        None => format!("'{}'", node.name),
    }
}
