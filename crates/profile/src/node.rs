//! The compiled form: a tree of the elements of which a profile, with all that it starts from, says something.

use std::sync::Arc;

use concord_fhir::path::Expression;

use crate::definition::{Context, DiscriminatorKind, Rules};

/// A profile, compiled.
#[derive(Debug)]
pub struct Profile {
    /// Its canonical url, without version.
    pub url: String,
    /// The type that it constrains.
    pub type_name: String,
    /// Where it may be used, if it is an extension.
    pub(crate) contexts: Vec<Context>,
    /// Whether it is an extension that changes the meaning of what it stands in.
    pub(crate) is_modifier: bool,
    /// What is asked of the resource or value itself, and of its elements.
    pub(crate) root: Node,
}

/// What is asked of an element.
#[derive(Clone, Debug, Default)]
pub(crate) struct Node {
    /// Its name, without `[x]`.
    pub(crate) name: String,
    /// Where it stands in the definition, slices named: `Observation.component:systolic.code`.
    pub(crate) id: String,
    pub(crate) rules: Rules,
    /// The expressions of its constraints, or what is wrong with each.
    pub(crate) expressions: Vec<Result<Arc<Expression>, String>>,
    pub(crate) children: Vec<Node>,
    /// Kinds of items, each with what is asked of it besides.
    pub(crate) slices: Vec<Slice>,
    /// How what the slices are told apart by is found, one for each discriminator.
    pub(crate) ways: Vec<Way>,
}

/// The slice of what is in no other.
pub(crate) const REST: &str = "@default";

/// A kind of items.
#[derive(Clone, Debug)]
pub(crate) struct Slice {
    pub(crate) name: String,
    pub(crate) node: Node,
}

/// How what slices are told apart by is found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Way {
    pub(crate) kind: DiscriminatorKind,
    pub(crate) steps: Vec<Step>,
}

/// A step of a discriminator's path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// The element of that name.
    Element(String),
    /// The extensions of that url.
    Extension(String),
    /// What a reference leads to.
    Resolve,
    /// If it is of that type.
    OfType(String),
}

impl Node {
    /// The node of an element, made if nothing was said of it before.
    pub(crate) fn child(&mut self, name: &str, written: &str) -> Option<&mut Node> {
        let id = &self.id;
        let made = || Node { name: name.to_owned(), id: format!("{id}.{written}"), ..Node::default() };
        entry(&mut self.children, |child| child.name == name, made)
    }

    /// The node of a slice, made if there is none of that name.
    pub(crate) fn slice(&mut self, name: &str) -> Option<&mut Node> {
        let is_slice = self.id.rsplit('.').next().is_some_and(|last| last.contains(':'));
        let id = format!("{}{}{name}", self.id, if is_slice { '/' } else { ':' });
        let element = self.name.clone();
        let made = || Slice { name: name.to_owned(), node: Node { name: element, id, ..Node::default() } };
        entry(&mut self.slices, |slice| slice.name == name, made).map(|slice| &mut slice.node)
    }

    /// The node of the element of that name.
    pub(crate) fn find(&self, name: &str) -> Option<&Node> {
        self.children.iter().find(|child| child.name == name)
    }
}

fn entry<T>(list: &mut Vec<T>, is: impl Fn(&T) -> bool, make: impl FnOnce() -> T) -> Option<&mut T> {
    let position = list.iter().position(is).unwrap_or_else(|| {
        list.push(make());
        list.len() - 1
    });
    list.get_mut(position)
}
