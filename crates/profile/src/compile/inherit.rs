//! What slices inside of slices are told apart by, where that was said of all items.
//!
//! An item has to keep to what is said of all items and to what is said of its slice, each by itself. Only how slices further
//! inside are told apart has to be known in both places: what tells `component.code.coding:loinc` from others is often said once,
//! and `component:systolic.code.coding:loinc` says no more than which code it has.

use crate::definition::{Rules, ValueRule};
use crate::node::Node;

/// Has the slices inside of slices know what they are told apart by.
pub(super) fn into_slices(node: &mut Node) {
    let common = Node { children: node.children.clone(), ..Node::default() };
    for slice in &mut node.slices {
        below(&mut slice.node, &common);
        into_slices(&mut slice.node);
    }
    for child in &mut node.children {
        into_slices(child);
    }
}

/// The same for what is below a slice, by what is said there of all items.
fn below(own: &mut Node, common: &Node) {
    for child in &mut own.children {
        let Some(of_all) = common.find(&child.name) else { continue };
        if child.rules.slicing.is_none() {
            child.rules.slicing.clone_from(&of_all.rules.slicing);
        }
        for slice in &mut child.slices {
            if let Some(same) = of_all.slices.iter().find(|other| other.name == slice.name) {
                fill(&mut slice.node, &same.node);
            }
        }
        below(child, of_all);
    }
}

/// Adds what a value is told by, where nothing is said of it yet.
fn fill(own: &mut Node, from: &Node) {
    if !own.rules.values.iter().any(is_value) {
        own.rules.values.extend(from.rules.values.iter().filter(|rule| is_value(rule)).cloned());
    }
    if own.rules.types.is_empty() {
        own.rules.types.clone_from(&from.rules.types);
    }
    if own.rules.binding.is_none() {
        own.rules.binding.clone_from(&from.rules.binding);
    }
    for child in &from.children {
        match own.children.iter_mut().find(|known| known.name == child.name) {
            Some(known) => fill(known, child),
            None => {
                let mut made =
                    Node { name: child.name.clone(), id: child.id.clone(), rules: Rules::default(), ..Node::default() };
                fill(&mut made, child);
                own.children.push(made);
            }
        }
    }
}

fn is_value(rule: &ValueRule) -> bool {
    matches!(rule, ValueRule::Fixed(_) | ValueRule::Pattern(_))
}
