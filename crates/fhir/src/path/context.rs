//! What an expression is evaluated in.

use super::item::{Item, Node};
use crate::json::Value;

/// How many steps an evaluation may take unless its context says otherwise: some tenths of a second.
pub const MOST_STEPS: usize = 2_000_000;

/// What an expression may ask of the world outside the resource. Nothing is known of it unless somebody says so: an
/// expression that needs what nobody answers has no result ([`Fault::Unknown`](super::Fault::Unknown)).
pub trait Outside<'v> {
    /// The resource that a literal reference means, if it can be looked up.
    fn resolve(&self, reference: &str) -> Option<&'v Value<'v>> {
        let _ = reference;
        None
    }

    /// Whether a code, Coding or CodeableConcept is in a value set.
    fn member_of(&self, item: &Item<'v>, value_set: &str) -> Option<bool> {
        let _ = (item, value_set);
        None
    }

    /// Whether an element conforms to a profile.
    fn conforms_to(&self, item: &Item<'v>, profile: &str) -> Option<bool> {
        let _ = (item, profile);
        None
    }

    /// Whether one code, Coding or CodeableConcept is the other or above it.
    fn subsumes(&self, above: &Item<'v>, below: &Item<'v>) -> Option<bool> {
        let _ = (above, below);
        None
    }
}

/// What an expression is evaluated in: the resource, the element that it begins at, and what is around them.
#[derive(Clone)]
pub struct Context<'v> {
    pub(super) resource: Node<'v>,
    pub(super) root: Node<'v>,
    pub(super) focus: Item<'v>,
    pub(super) bundle: Option<&'v Value<'v>>,
    pub(super) outside: Option<&'v dyn Outside<'v>>,
    pub(super) variables: Vec<(String, Vec<Item<'v>>)>,
    pub(super) now: Option<&'v str>,
    pub(super) steps: usize,
}

impl<'v> Context<'v> {
    /// Evaluates in a resource, from the resource itself.
    #[must_use]
    pub fn of(resource: &'v Value<'v>) -> Context<'v> {
        let node = Node::resource(resource);
        Context {
            resource: node,
            root: node,
            focus: Item::Node(node),
            bundle: None,
            outside: None,
            variables: Vec::new(),
            now: None,
            steps: MOST_STEPS,
        }
    }

    /// Begins at an element instead of the resource; it is `%context` too.
    #[must_use]
    pub fn at(self, focus: Item<'v>) -> Context<'v> {
        Context { focus, ..self }
    }

    /// Says which resource contains this one: `%rootResource`.
    #[must_use]
    pub fn contained_in(self, root: &'v Value<'v>) -> Context<'v> {
        Context { root: Node::resource(root), ..self }
    }

    /// Says which Bundle the resource is in, whose entries it may refer to.
    #[must_use]
    pub fn in_bundle(self, bundle: &'v Value<'v>) -> Context<'v> {
        Context { bundle: Some(bundle), ..self }
    }

    /// Says who knows what is outside.
    #[must_use]
    pub fn outside(self, outside: &'v dyn Outside<'v>) -> Context<'v> {
        Context { outside: Some(outside), ..self }
    }

    /// Defines a variable, to be asked for as `%name`.
    #[must_use]
    pub fn with(mut self, name: impl Into<String>, items: Vec<Item<'v>>) -> Context<'v> {
        self.variables.push((name.into(), items));
        self
    }

    /// Says what time it is, as a FHIR instant.
    #[must_use]
    pub fn now(self, now: &'v str) -> Context<'v> {
        Context { now: Some(now), ..self }
    }

    /// Bounds how many steps an evaluation may take.
    #[must_use]
    pub fn steps(self, steps: usize) -> Context<'v> {
        Context { steps, ..self }
    }
}
