//! The paths of all parameters of a type, joined where they begin alike, so that one walk over a resource serves them
//! all.

use super::ResourceType;
use super::parameter::{Kind, Parameter};
use super::path::{DataType, Only, Step};
use crate::entry::ParameterId;

/// A place in a resource: what is read there and where paths go on.
#[derive(Debug, Default)]
pub(crate) struct Tree {
    /// In the order of their members; several edges may lead into the same member under different conditions.
    edges: Vec<Edge>,
    /// What is read here.
    pub(crate) leaves: Vec<Leaf>,
}

/// A member that paths go on through.
#[derive(Debug)]
pub(crate) struct Edge {
    member: Box<str>,
    /// Which of its items to follow.
    pub(crate) only: Only,
    /// What is there.
    pub(crate) tree: Tree,
}

/// A value to read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Leaf {
    /// For which parameter.
    pub(crate) parameter: ParameterId,
    /// For which pseudo parameter, where a reference has an identifier.
    pub(crate) identifier: ParameterId,
    /// For which pseudo parameter, where a token has a text for people.
    pub(crate) text: ParameterId,
    /// For which pseudo parameter, where an identifier has a type.
    pub(crate) of_type: ParameterId,
    /// For which pseudo parameter, where a plain text is not in lower case.
    pub(crate) any_case: ParameterId,
    /// For which pseudo parameter, where a quantity can be told in base units.
    pub(crate) base_unit: ParameterId,
    /// As what kind.
    pub(crate) kind: Kind,
    /// What it is.
    pub(crate) data_type: DataType,
    /// The only type a reference may point at.
    pub(crate) refers_to: Option<ResourceType>,
}

impl Tree {
    /// The tree of these parameters. `_id` and `_lastUpdated` are left out: they have no rows.
    pub(crate) fn of<'a>(parameters: impl Iterator<Item = &'a Parameter>) -> Tree {
        let mut root = Tree::default();
        for parameter in parameters.filter(|parameter| !matches!(&*parameter.code, "_id" | "_lastUpdated")) {
            for path in &parameter.paths {
                let leaf = Leaf {
                    parameter: parameter.id,
                    identifier: parameter.identifier_id(),
                    text: parameter.text_id(),
                    of_type: parameter.of_type_id(),
                    any_case: parameter.any_case_id(),
                    base_unit: parameter.base_unit_id(),
                    kind: parameter.kind,
                    data_type: path.data_type,
                    refers_to: path.refers_to,
                };
                root.insert(&path.steps, leaf);
            }
        }
        root
    }

    fn insert(&mut self, steps: &[Step], leaf: Leaf) {
        let Some((first, rest)) = steps.split_first() else {
            self.leaves.push(leaf);
            return;
        };
        let wanted = (&first.member, &first.only);
        let at = match self.edges.binary_search_by(|edge| (&edge.member, &edge.only).cmp(&wanted)) {
            Ok(at) => at,
            Err(at) => {
                self.edges
                    .insert(at, Edge { member: first.member.clone(), only: first.only.clone(), tree: Tree::default() });
                at
            }
        };
        if let Some(edge) = self.edges.get_mut(at) {
            edge.tree.insert(rest, leaf);
        }
    }

    /// Whether no path goes on from here.
    pub(crate) fn is_end(&self) -> bool {
        self.edges.is_empty()
    }

    /// The edges into the member of that name.
    pub(crate) fn into(&self, member: &str) -> &[Edge] {
        let from = self.edges.partition_point(|edge| *edge.member < *member);
        let found = self.edges.get(from..).unwrap_or_default();
        let count = found.iter().take_while(|edge| *edge.member == *member).count();
        found.get(..count).unwrap_or_default()
    }
}
