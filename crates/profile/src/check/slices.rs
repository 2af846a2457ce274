//! The items of a list by the slices that they belong to.

use concord_fhir::issue::{IssueCode, Severity};
use concord_fhir::terminology::Membership;

use super::{Scope, Walk};
use crate::definition::Openness;
use crate::item::{Item, Place};
use crate::node::{Node, REST};

impl Walk<'_> {
    pub(super) fn slices(&mut self, node: &Node, items: &[Item<'_>], place: &Place<'_>, scope: Scope<'_>) {
        let Some(slicing) = node.rules.slicing.as_ref().filter(|_| !node.slices.is_empty()) else { return };
        let rest = node.slices.iter().position(|slice| slice.name == REST);
        let mut of_slice: Vec<Option<usize>> = Vec::with_capacity(items.len());
        for (position, item) in items.iter().enumerate() {
            of_slice.push(self.slice_of(node, item, position, place, scope).or(rest));
        }
        let mut highest = 0;
        let mut beyond = false;
        for (item, slice) in items.iter().zip(&of_slice) {
            match slice {
                None if slicing.openness == Openness::Closed => {
                    self.broken(
                        IssueCode::Invalid,
                        &place.item(item),
                        node,
                        scope,
                        "it is of no kind that is allowed here",
                    );
                }
                None => beyond = true,
                Some(_) if beyond && slicing.openness == Openness::OpenAtEnd => {
                    let said = "items of other kinds must stand after those of the kinds that are defined";
                    self.broken(IssueCode::Invalid, &place.item(item), node, scope, said);
                }
                Some(slice) if slicing.ordered && *slice < highest => {
                    self.broken(
                        IssueCode::Invalid,
                        &place.item(item),
                        node,
                        scope,
                        "its kind must stand before those before it",
                    );
                }
                Some(slice) => highest = *slice,
            }
        }
        for (number, slice) in node.slices.iter().enumerate() {
            let own: Vec<Item<'_>> =
                items.iter().zip(&of_slice).filter(|(_, of)| **of == Some(number)).map(|(item, _)| *item).collect();
            self.element(&slice.node, &own, place, scope);
        }
    }

    /// The slice that an item belongs to: the first that it matches.
    fn slice_of(
        &mut self,
        node: &Node,
        item: &Item<'_>,
        position: usize,
        place: &Place<'_>,
        scope: Scope<'_>,
    ) -> Option<usize> {
        for (number, slice) in node.slices.iter().enumerate() {
            if slice.name == REST {
                continue;
            }
            if self.exhausted(place) {
                return None;
            }
            let mut answer =
                if node.ways.is_empty() { Some(self.keeps_to(&slice.node, item, place, scope)) } else { None };
            for way in &node.ways {
                // What a slice says nothing of does not tell it from others.
                match self.matches(way, &slice.node, item, (position, number), scope) {
                    Some(Membership::No) => {
                        answer = Some(Membership::No);
                        break;
                    }
                    Some(other) if answer != Some(Membership::Unknown) => answer = Some(other),
                    _ => {}
                }
            }
            let answer = answer.unwrap_or(Membership::Unknown);
            match answer {
                Membership::Yes => return Some(number),
                Membership::No => {}
                Membership::Unknown => {
                    let said = format!(
                        "whether an item is of the kind {} of {} could not be told",
                        slice.node.id, scope.profile.url
                    );
                    self.remark(Severity::Information, said, &place.item(item));
                }
            }
        }
        None
    }

    /// Whether an item keeps to all that is asked of a slice.
    fn keeps_to(&mut self, node: &Node, item: &Item<'_>, place: &Place<'_>, scope: Scope<'_>) -> Membership {
        let before = std::mem::take(&mut self.issues);
        self.item(node, item, &place.item(item), scope);
        let found = std::mem::replace(&mut self.issues, before);
        self.forget(&found);
        if found.iter().any(|issue| issue.severity >= Severity::Error) { Membership::No } else { Membership::Yes }
    }
}
