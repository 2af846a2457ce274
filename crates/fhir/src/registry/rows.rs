//! Which parameters have rows of their own, and what they read.

use super::combined::combined;
use super::parameter::{Kind, Parameter};
use super::table::{parameters, position};
use super::tree::Tree;
use crate::resource_type::ResourceType;
use std::sync::LazyLock;

/// By the number of the type: the paths of all parameters that have rows, and of those of every resource, as one tree.
static TREES: LazyLock<Vec<Tree>> = LazyLock::new(|| {
    let with_rows = |one: ResourceType| Tree::of(parameters(one).filter(|one| combined(one.id).is_none()));
    ResourceType::all().map(with_rows).collect()
});

/// The composite parameters of a type that have rows.
pub(crate) fn composites(resource_type: ResourceType) -> impl Iterator<Item = &'static Parameter> {
    parameters(resource_type).filter(|one| one.kind == Kind::Composite && combined(one.id).is_none())
}

/// The paths of all parameters of a type that have rows, as one tree.
pub(crate) fn tree(resource_type: ResourceType) -> Option<&'static Tree> {
    TREES.get(position(resource_type))
}
