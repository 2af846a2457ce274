//! Where the elements of a result stand.

use std::fmt;

use super::evaluation::Trail;
use super::item::{Item, PlaceId};

/// What an expression gave.
#[derive(Clone, Debug)]
pub struct Collection<'v> {
    pub(super) items: Vec<Item<'v>>,
    pub(super) trail: Vec<Trail<'v>>,
}

/// A step into an element: a member's name as it stands in JSON, and the position in its list where it is one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step<'v> {
    /// The member's name (`valueQuantity`); of a primitive, without an underscore.
    pub name: &'v str,
    /// The position in the list, from 0.
    pub position: Option<usize>,
}

/// The way to an element from where the evaluation began.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place<'v>(pub Vec<Step<'v>>);

impl<'v> Collection<'v> {
    /// The items.
    #[must_use]
    pub fn items(&self) -> &[Item<'v>] {
        &self.items
    }

    /// The items, without where they stand.
    #[must_use]
    pub fn into_items(self) -> Vec<Item<'v>> {
        self.items
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// Where the item of that position stands; nothing for a value that the expression made and for what was looked up
    /// elsewhere.
    #[must_use]
    pub fn place(&self, position: usize) -> Option<Place<'v>> {
        let Item::Node(node) = self.items.get(position)? else { return None };
        let mut steps = Vec::new();
        let mut place = node.place;
        while place != PlaceId::START {
            let step = usize::try_from(place.0).ok().and_then(|at| self.trail.get(at))?;
            steps.push(Step { name: step.name, position: step.position });
            place = step.parent;
        }
        steps.reverse();
        Some(Place(steps))
    }
}

impl fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, step) in self.0.iter().enumerate() {
            if at > 0 {
                f.write_str(".")?;
            }
            f.write_str(step.name)?;
            if let Some(position) = step.position {
                write!(f, "[{position}]")?;
            }
        }
        Ok(())
    }
}
