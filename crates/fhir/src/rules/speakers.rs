//! The table of the elements that say who wrote, signed or attested something: who may stand there.

use std::collections::HashMap;
use std::sync::LazyLock;

use crate::json::Value;

/// A row for every element of type Reference in R4 that may name a person or an organisation.
const TABLE: &str = include_str!("speakers.txt");

/// Who stands in an element by which somebody writes, signs or attests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Speaker {
    /// Whoever writes.
    Writer,
    /// Of a professional, another one too.
    Colleague,
}

/// An element of a type.
struct Row {
    /// The members that lead to it.
    members: Vec<&'static str>,
    speaker: Speaker,
}

/// The elements by type.
static ROWS: LazyLock<HashMap<&'static str, Vec<Row>>> = LazyLock::new(|| {
    let mut rows: HashMap<&'static str, Vec<Row>> = HashMap::new();
    for (element, verdict) in lines() {
        let speaker = match verdict {
            "writer" => Speaker::Writer,
            "colleague" => Speaker::Colleague,
            _ => continue,
        };
        let mut members = element.split('.');
        let Some(of_type) = members.next() else { continue };
        rows.entry(of_type).or_default().push(Row { members: members.collect(), speaker });
    }
    rows
});

/// The rows of the table: an element, and what is said of it.
fn lines() -> impl Iterator<Item = (&'static str, &'static str)> {
    TABLE.lines().filter(|line| !line.starts_with('#')).filter_map(|line| line.split_once(' '))
}

/// The elements with who stands in them.
#[cfg(test)]
pub(super) fn elements() -> impl Iterator<Item = (String, Speaker)> {
    let of_type = |(name, rows): (&'static &'static str, &'static Vec<Row>)| {
        rows.iter().map(move |row| (format!("{name}.{}", row.members.join(".")), row.speaker))
    };
    ROWS.iter().flat_map(of_type)
}

/// Where somebody is named as having written, signed or attested something.
pub(super) struct Named<'v> {
    /// The reference, and what says by it more than that: the part that it stands in.
    pub(super) reference: &'v Value<'v>,
    pub(super) whole: &'v Value<'v>,
    /// The members that lead there, each with its position in a list.
    pub(super) steps: Vec<(&'static str, Option<usize>)>,
    pub(super) speaker: Speaker,
}

/// Whether the elements of a type say anything of the kind.
pub(super) fn has(of_type: &str) -> bool {
    ROWS.contains_key(of_type)
}

/// All that is named so by the elements of a resource, but for what it contains.
pub(super) fn named<'v>(resource: &'v Value<'v>) -> Vec<Named<'v>> {
    let mut found = Vec::new();
    let of_type = resource.text("resourceType").unwrap_or_default();
    for row in ROWS.get(of_type).into_iter().flatten() {
        follow(resource, &row.members, (row.speaker, &mut Vec::new()), &mut found);
    }
    found
}

/// Goes along the members. A part may have parts of its own kind in it (`Composition.section.section`).
fn follow<'v>(
    value: &'v Value<'v>,
    members: &[&'static str],
    (speaker, steps): (Speaker, &mut Vec<(&'static str, Option<usize>)>),
    found: &mut Vec<Named<'v>>,
) {
    let Some((member, rest)) = members.split_first() else { return };
    let Some(there) = value.get(member) else { return };
    let is_list = matches!(there, Value::Array(_));
    for (position, item) in there.items().iter().enumerate() {
        steps.push((member, is_list.then_some(position)));
        if rest.is_empty() {
            let whole = if steps.len() == 1 { item } else { value };
            found.push(Named { reference: item, whole, steps: steps.clone(), speaker });
        } else {
            follow(item, rest, (speaker, steps), found);
            follow(item, members, (speaker, steps), found);
        }
        steps.pop();
    }
}

#[cfg(test)]
mod tests {
    use super::super::authorship;
    use super::super::colleague::is_colleague_type;
    use super::*;
    use crate::registry::ResourceType;
    use crate::schema::{Shape, TypeKind, r4};
    use std::collections::BTreeSet;

    /// Those who can write, sign or attest.
    const SPEAKERS: [&str; 5] = ["Organization", "Patient", "Practitioner", "PractitionerRole", "RelatedPerson"];

    /// The elements that may name one of them, of all shapes that can be reached from one.
    fn elements(shape: &'static Shape, seen: &mut BTreeSet<&'static str>, found: &mut BTreeSet<String>) {
        if !seen.insert(&shape.name) {
            return;
        }
        for element in &shape.elements {
            for of_type in &element.types {
                let names = |target: &ResourceType| SPEAKERS.contains(&target.name());
                if of_type.name == "Reference" && (of_type.targets.is_empty() || of_type.targets.iter().any(names)) {
                    found.insert(format!("{}.{}", shape.name, element.name));
                }
                if let TypeKind::Shape(id) = of_type.kind {
                    elements(r4().shape(id).unwrap(), seen, found);
                }
            }
        }
    }

    #[test]
    fn every_element_that_may_name_somebody_is_decided() {
        let (mut seen, mut found) = (BTreeSet::new(), BTreeSet::new());
        for resource_type in ResourceType::all() {
            elements(r4().resource(resource_type).unwrap(), &mut seen, &mut found);
        }
        let decided: BTreeSet<String> = lines().map(|(element, _)| element.to_owned()).collect();
        assert_eq!(decided.len(), lines().count(), "a row that is there twice");
        let undecided: Vec<&String> = found.difference(&decided).collect();
        let unknown: Vec<&String> = decided.difference(&found).collect();
        assert_eq!((undecided, unknown), (Vec::new(), Vec::new()));
        for (element, verdict) in lines() {
            let (name, reason) = verdict.split_once(' ').unwrap_or((verdict, ""));
            let is_known = ["writer", "colleague", "author", "note", "signature", "none"].contains(&name);
            assert!(is_known && (name == "none") != reason.is_empty(), "{element} {verdict}");
        }
    }

    /// Whom R4 has in an element in which a professional names another one is a colleague, or a patient or a relation.
    #[test]
    fn who_is_named_by_professionals_is_a_colleague_or_a_person() {
        for (element, _) in lines().filter(|(_, verdict)| *verdict == "colleague") {
            let (shape, name) = element.rsplit_once('.').unwrap();
            let shape = r4().named(shape).unwrap();
            let element = shape.elements.iter().find(|one| one.name == name).unwrap();
            for target in element.types.iter().flat_map(|of_type| &of_type.targets) {
                let is_person = ["Patient", "RelatedPerson"].contains(&target.name());
                assert!(is_person != is_colleague_type(*target), "{name} {target}");
            }
        }
    }

    #[test]
    fn author_elements_are_those_of_their_table() {
        let said: BTreeSet<String> =
            lines().filter(|(_, verdict)| *verdict == "author").map(|(element, _)| element.to_owned()).collect();
        assert_eq!(said, authorship::elements().collect());
    }

    #[test]
    fn a_section_in_a_section_is_looked_at() {
        let text =
            r#"{"resourceType":"Composition","section":[{"section":[{},{"author":[{"reference":"Patient/x"}]}]}]}"#;
        let value = crate::json::parse(text.as_bytes(), &crate::json::Limits::default()).unwrap();
        let steps: Vec<_> = named(&value).into_iter().map(|one| one.steps).collect();
        assert_eq!(steps, [vec![("section", Some(0)), ("section", Some(1)), ("author", Some(0))]]);
        assert!(has("Composition") && !has("Observation"));
    }
}
