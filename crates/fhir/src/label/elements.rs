//! The table of the elements by which a resource names another, of the types Reference, Attachment and canonical: does one hand on the
//! labels of what it names, and does it hand those of the resource on to that?

use std::collections::HashMap;
use std::sync::LazyLock;

use crate::registry::ResourceType;
use crate::schema::r4;

/// A row for every element of type Reference, Attachment and canonical in R4.
const TABLE: &str = include_str!("references.txt");

/// What an element says of the resource that it names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Says {
    /// The resource is part of that, or speaks about it; of a version, where one is named.
    Part,
    /// The same, whichever version is named.
    AsIs,
    /// Whom it is about, who did it, where, or who gets it.
    Who,
    /// What the resource shows: content of it, which is protected as the resource is.
    Shows,
    /// What protects nothing, for a reason that the table has, where it is of one of these types, which R4 has there; anything else is
    /// like a part.
    Spares(&'static [ResourceType]),
    /// Something that protects nothing, whatever it is, for a reason that the table has: of a resource itself, and of none that is contained in
    /// another.
    Nothing,
}

/// The people: their labels are about themselves, and not about all that names them. In what role somebody works is said of
/// the service that it is a role in.
const PEOPLE: [ResourceType; 5] = [
    ResourceType::of("Group"),
    ResourceType::of("Patient"),
    ResourceType::of("Person"),
    ResourceType::of("Practitioner"),
    ResourceType::of("RelatedPerson"),
];

/// Who may do something, answer for it or be reached.
const PARTIES: [ResourceType; 11] = [
    ResourceType::of("CareTeam"),
    ResourceType::of("Device"),
    ResourceType::of("Endpoint"),
    ResourceType::of("Group"),
    ResourceType::of("HealthcareService"),
    ResourceType::of("Organization"),
    ResourceType::of("Patient"),
    ResourceType::of("Person"),
    ResourceType::of("Practitioner"),
    ResourceType::of("PractitionerRole"),
    ResourceType::of("RelatedPerson"),
];

/// The types of which a resource may be content of another.
const CONTENT: [ResourceType; 5] = [
    BARE,
    ResourceType::of("Bundle"),
    ResourceType::of("Composition"),
    ResourceType::of("DocumentReference"),
    ResourceType::of("Media"),
];

/// The type that is nothing but content, and says nothing of what shows it.
const BARE: ResourceType = ResourceType::of("Binary");

/// Whether a resource of the type may be content of another, and is protected as that is then.
#[must_use]
pub fn is_content(resource_type: ResourceType) -> bool {
    CONTENT.contains(&resource_type)
}

/// The types that R4 has at the element of a row; none where it has any.
fn meant(name: &str) -> &'static [ResourceType] {
    let Some((shape, element)) = name.rsplit_once('.') else { return &[] };
    let Some(shape) = r4().named(shape) else { return &[] };
    let reference = || shape.element(element)?.types.iter().find(|of_type| of_type.name == "Reference");
    let of_type = reference().or_else(|| shape.member(element).map(|found| found.of_type));
    of_type.map_or(&[], |of_type| &of_type.targets)
}

static ROWS: LazyLock<HashMap<&'static str, Says>> = LazyLock::new(|| rows().collect());

/// The rows of the table that can be read.
fn rows() -> impl Iterator<Item = (&'static str, Says)> {
    TABLE.lines().filter(|line| !line.starts_with('#')).filter_map(|line| {
        let mut words = line.splitn(3, ' ');
        let name = words.next()?;
        let says = match (words.next()?, words.next()) {
            ("part", None) => Says::Part,
            ("as-is", None) => Says::AsIs,
            ("who", None) => Says::Who,
            ("shows", None) => Says::Shows,
            ("party", Some(_)) => Says::Spares(Some(meant(name)).filter(|meant| !meant.is_empty()).unwrap_or(&PARTIES)),
            ("none", Some(_)) => match meant(name) {
                [] => Says::Nothing,
                meant => Says::Spares(meant),
            },
            _ => return None,
        };
        Some((name, says))
    })
}

impl Says {
    /// What the element of that shape says (`Observation`, `encounter`). An element that the table does not have hands
    /// labels on: what is not known to be harmless protects.
    pub(super) fn of(shape: &str, element: &str) -> Says {
        let mut name = String::with_capacity(shape.len() + element.len() + 1);
        name.push_str(shape);
        name.push('.');
        name.push_str(element);
        ROWS.get(name.as_str()).copied().unwrap_or(Says::Part)
    }

    /// The same in a resource that is contained in another.
    pub(super) fn inside(self, is_inside: bool) -> Says {
        if is_inside && self == Says::Nothing { Says::Part } else { self }
    }

    /// Whether it is for a reason of its own that it hands nothing on of what R4 has there.
    pub(super) fn spares(self) -> bool {
        matches!(self, Says::Nothing | Says::Spares(_))
    }

    /// Whether those of a version are handed on too that is named.
    pub(super) fn means_a_version(self) -> bool {
        self != Says::AsIs
    }

    /// Whether the labels of the resource are handed on to one of that type, which is content of it. What is nothing but
    /// content is that of whatever names it, and is nobody.
    pub(super) fn hands_back_to(self, target: ResourceType) -> bool {
        match self {
            Says::Shows => is_content(target),
            Says::Part | Says::AsIs | Says::Who | Says::Spares(_) => target == BARE,
            Says::Nothing => false,
        }
    }

    /// Whether the labels of a resource of that type are handed on.
    pub(super) fn hands_on(self, target: ResourceType) -> bool {
        match self {
            Says::Part | Says::AsIs => true,
            Says::Who => !PEOPLE.contains(&target),
            Says::Shows => target != BARE && !PEOPLE.contains(&target),
            Says::Spares(spared) => !spared.contains(&target),
            Says::Nothing => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::{Element, ElementType, Shape, TypeKind, r4};
    use std::collections::BTreeSet;

    /// The name of an element in the table: that of a choice has the type at its end, but for a Reference.
    fn row_of(shape: &Shape, element: &Element, of_type: &ElementType) -> String {
        let type_name = of_type.name.as_ref();
        match element.is_choice && type_name != "Reference" {
            true => {
                let (first, rest) = type_name.split_at(1);
                format!("{}.{}{}{rest}", shape.name, element.name, first.to_ascii_uppercase())
            }
            false => format!("{}.{}", shape.name, element.name),
        }
    }

    /// The names of all elements of a type that can be reached from a shape.
    fn elements(wanted: &str, shape: &'static Shape, seen: &mut BTreeSet<&'static str>, found: &mut BTreeSet<String>) {
        if !seen.insert(&shape.name) {
            return;
        }
        for element in &shape.elements {
            for of_type in &element.types {
                if of_type.name == wanted {
                    found.insert(row_of(shape, element, of_type));
                }
                if let TypeKind::Shape(id) = of_type.kind {
                    elements(wanted, r4().shape(id).unwrap(), seen, found);
                }
            }
        }
    }

    #[test]
    fn every_element_that_may_name_a_resource_is_decided() {
        let mut found = BTreeSet::new();
        for wanted in ["Reference", "Attachment", "canonical"] {
            let (mut seen, before) = (BTreeSet::new(), found.len());
            for resource_type in ResourceType::all() {
                elements(wanted, r4().resource(resource_type).unwrap(), &mut seen, &mut found);
            }
            assert!(found.len() > before, "{wanted}");
        }
        let decided: BTreeSet<String> = rows().map(|(name, _)| name.to_owned()).collect();
        let lines = TABLE.lines().filter(|line| !line.starts_with('#')).count();
        assert_eq!(lines, decided.len(), "a line that cannot be read, or one that is there twice");
        let undecided: Vec<&String> = found.difference(&decided).collect();
        let unknown: Vec<&String> = decided.difference(&found).collect();
        assert_eq!((undecided, unknown), (Vec::new(), Vec::new()));
    }

    #[test]
    fn an_encounter_protects_wherever_it_may_be_named() {
        let encounter = ResourceType::of("Encounter");
        for (name, says) in rows().filter(|(_, says)| !says.hands_on(encounter)) {
            assert_eq!(says, Says::Nothing, "{name}");
        }
        for name in ["AdverseEvent.encounter", "Encounter.partOf", "Extension.value", "Provenance.target"] {
            let (shape, element) = name.rsplit_once('.').unwrap();
            assert!(Says::of(shape, element).hands_on(encounter), "{name}");
        }
        assert!(Says::of("Observation", "no-such-element").hands_on(encounter));
    }

    #[test]
    fn people_hand_nothing_on_to_what_names_them_and_their_services_do() {
        let patient = ResourceType::of("Patient");
        assert!(!Says::of("Observation", "subject").hands_on(patient));
        assert!(Says::of("Observation", "performer").hands_on(ResourceType::of("Organization")));
        assert!(Says::of("Provenance", "target").hands_on(patient), "it speaks about the Patient");
        assert!(Says::of("Observation", "performer").hands_on(ResourceType::of("PractitionerRole")));
        assert!(Says::of("PractitionerRole", "organization").hands_on(ResourceType::of("Organization")));
        assert!(!Says::of("Consent.provision.data", "reference").hands_on(ResourceType::of("Observation")));
    }

    /// R4 says whom an element may name, and not every writer keeps to it.
    #[test]
    fn only_who_may_be_meant_is_spared_where_parties_are_named() {
        let names: Vec<&str> =
            TABLE.lines().filter(|line| line.contains(" party ")).filter_map(|line| line.split(' ').next()).collect();
        assert!(names.contains(&"Identifier.assigner") && names.contains(&"Signature.who"), "{names:?}");
        for name in names {
            let (shape, element) = name.rsplit_once('.').unwrap();
            let meant = meant(name);
            assert!(meant.iter().all(|one| PARTIES.contains(one)), "{name}");
            for target in ResourceType::all() {
                let is_part = Says::of(shape, element).hands_on(target);
                let may_be = meant.is_empty() || meant.contains(&target);
                assert_eq!(is_part, !(may_be && PARTIES.contains(&target)), "{name} {}", target.name());
            }
        }
        assert!(Says::of("Identifier", "assigner").hands_on(ResourceType::of("CareTeam")));
    }

    /// A definition protects nothing where R4 has one, and anything else there does.
    #[test]
    fn only_definitions_are_spared_where_definitions_are_named() {
        let mut number = 0;
        for (name, says) in rows().filter(|(_, says)| says.spares() && *says != Says::Nothing) {
            assert!(says.hands_on(ResourceType::of("Encounter")) && says.hands_back_to(BARE), "{name}");
            assert_eq!(says.inside(true), says, "{name}");
            number += 1;
        }
        assert!(number > 50, "{number}");
        let anything: Vec<&str> = rows().filter(|(_, says)| *says == Says::Nothing).map(|(name, _)| name).collect();
        assert!(anything.contains(&"Consent.provision.data.reference"), "{anything:?}");
        assert!(!anything.iter().any(|name| name.contains("rofile") || name.contains("alueSet")), "{anything:?}");
        assert_eq!(Says::Nothing.inside(true), Says::Part);
    }

    #[test]
    fn content_is_protected_as_what_shows_it_and_says_nothing_of_that() {
        let says = Says::of("DocumentReference.content", "attachment");
        assert!(says.hands_back_to(ResourceType::of("Binary")) && !says.hands_on(ResourceType::of("Binary")));
        assert!(says.hands_back_to(ResourceType::of("Media")) && says.hands_on(ResourceType::of("Media")));
        assert!(says.hands_on(ResourceType::of("Observation")) && !says.hands_back_to(ResourceType::of("Observation")));
        assert!(!says.hands_on(ResourceType::of("Patient")) && !says.hands_back_to(ResourceType::of("Patient")));
        let named = Says::of("Communication.payload", "content");
        assert!(named.hands_back_to(ResourceType::of("Binary")) && named.hands_on(ResourceType::of("Binary")));
        assert!(!named.hands_back_to(ResourceType::of("Media")), "a reference goes one way");
        for (name, says) in rows().filter(|(_, says)| !says.hands_back_to(BARE)) {
            assert_eq!(says, Says::Nothing, "{name}");
        }
    }
}
