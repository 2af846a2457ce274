use std::fmt;

/// A place in a resource while it is walked. It costs nothing until somebody asks for its text.
#[derive(Clone, Copy)]
pub(crate) struct ElementPath<'p> {
    parent: Option<&'p ElementPath<'p>>,
    step: Step<'p>,
}

#[derive(Clone, Copy)]
enum Step<'p> {
    Name(&'p str),
    Item(usize),
}

impl<'p> ElementPath<'p> {
    /// The outermost place, named after the resource type.
    pub(crate) fn root(name: &'p str) -> ElementPath<'p> {
        ElementPath { parent: None, step: Step::Name(name) }
    }

    /// The element of that name inside this place.
    pub(crate) fn element(&'p self, name: &'p str) -> ElementPath<'p> {
        ElementPath { parent: Some(self), step: Step::Name(name) }
    }

    /// The item at that position, from 0, of the list at this place.
    pub(crate) fn item(&'p self, position: usize) -> ElementPath<'p> {
        ElementPath { parent: Some(self), step: Step::Item(position) }
    }

    /// The last name on the way here.
    pub(crate) fn name(&self) -> &'p str {
        match (self.step, self.parent) {
            (Step::Name(name), _) => name,
            (Step::Item(_), Some(parent)) => parent.name(),
            (Step::Item(_), None) => "",
        }
    }
}

/// Writes a simple FHIRPath: `Observation.component[1].valueQuantity`. The type of a choice is part of the name, as it
/// is in the resource.
impl fmt::Display for ElementPath<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(parent) = self.parent {
            parent.fmt(f)?;
            if matches!(self.step, Step::Name(_)) {
                f.write_str(".")?;
            }
        }
        match self.step {
            Step::Name(name) => f.write_str(name),
            Step::Item(position) => write!(f, "[{position}]"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_reads_as_a_simple_path() {
        let root = ElementPath::root("Observation");
        let list = root.element("component");
        let item = list.item(1);
        let value = item.element("valueQuantity");
        assert_eq!(value.to_string(), "Observation.component[1].valueQuantity");
        assert_eq!((value.name(), item.name()), ("valueQuantity", "component"));
    }
}
