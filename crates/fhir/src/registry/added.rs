//! What there is to search by, as one version: the table, and the parameters that operators have added to it.

use super::parameter::{Index, Parameter};
use super::{Kind, ResourceType, Tree, combined, table};
use crate::entry::ParameterId;

/// The most parameters that operators can have added, one of several types counted once for each.
pub const MOST_ADDED: usize = 200;

/// One version of the search parameters. Of a server to which nothing was added it is empty, and nothing is looked up in it.
#[derive(Debug, Default)]
pub struct Registry {
    /// The version: a number that no other has.
    version: i64,
    /// Those that were added, by type and then by code.
    added: Vec<Parameter>,
    /// What they read, for each type that has any, by type.
    trees: Vec<(ResourceType, Tree)>,
}

/// The table alone.
static TABLE: Registry = Registry { version: 0, added: Vec::new(), trees: Vec::new() };

impl Registry {
    /// The table alone.
    #[must_use]
    pub fn r4() -> &'static Registry {
        &TABLE
    }

    /// The table with parameters that were added. One whose name the table has as well, as it may after a release that
    /// brings it, is left out: what the name means is then what the release says.
    #[must_use]
    pub fn with(version: i64, added: Vec<Parameter>) -> Registry {
        let is_new = |one: &Parameter| {
            one.resource_type.is_some_and(|resource_type| table::parameter(resource_type, &one.code).is_none())
        };
        let mut added: Vec<Parameter> = added.into_iter().filter(is_new).collect();
        added.sort_by(|left, right| (left.resource_type, &left.code).cmp(&(right.resource_type, &right.code)));
        let mut types: Vec<ResourceType> = added.iter().filter_map(|one| one.resource_type).collect();
        types.dedup();
        let tree = |one: ResourceType| Tree::of(added.iter().filter(|added| added.resource_type == Some(one)));
        let trees = types.into_iter().map(|one| (one, tree(one))).collect();
        Registry { version, added, trees }
    }

    /// The version.
    #[must_use]
    pub fn version(&self) -> i64 {
        self.version
    }

    /// The parameters that were added, whether they can be searched by yet or not.
    #[must_use]
    pub fn added(&self) -> &[Parameter] {
        &self.added
    }

    /// The parameters that were added to a type.
    pub fn added_to(&self, resource_type: ResourceType) -> impl Iterator<Item = &Parameter> {
        self.added.iter().filter(move |one| one.resource_type == Some(resource_type))
    }

    /// The parameter that a query on the type means by `code`, whether it can be searched by yet or not.
    #[must_use]
    pub fn parameter(&self, resource_type: ResourceType, code: &str) -> Option<&Parameter> {
        let of_table = table::parameter(resource_type, code);
        of_table.or_else(|| self.added_to(resource_type).find(|one| *one.code == *code))
    }

    /// Every parameter that a query on the type may use.
    pub fn parameters(&self, resource_type: ResourceType) -> impl Iterator<Item = &Parameter> {
        table::parameters(resource_type).chain(self.added_to(resource_type).filter(|one| one.is_whole()))
    }

    /// The parameter with that number.
    #[must_use]
    pub fn parameter_by_id(&self, id: ParameterId) -> Option<&Parameter> {
        table::parameter_by_id(id).or_else(|| self.added.iter().find(|one| one.id == id))
    }

    /// Whether a parameter can be added under these numbers: nothing else has one of them.
    #[must_use]
    pub fn has_room_for(&self, new: &Parameter) -> bool {
        let mut ids = new.row_ids().to_vec();
        ids.sort_unstable();
        ids.dedup();
        ids.len() == new.row_ids().len()
            && !ids.iter().any(|id| table::is_taken(*id))
            && !self.added.iter().flat_map(Parameter::row_ids).any(|taken| ids.contains(&taken))
    }

    /// What the added parameters of a type read; none if there are none.
    pub(crate) fn tree(&self, resource_type: ResourceType) -> Option<&Tree> {
        self.trees.iter().find(|(one, _)| *one == resource_type).map(|(_, tree)| tree)
    }

    /// The composite parameters that were added to a type.
    pub(crate) fn composites(&self, resource_type: ResourceType) -> impl Iterator<Item = &Parameter> {
        self.added_to(resource_type).filter(|one| one.kind == Kind::Composite && combined(one.id).is_none())
    }
}

impl Parameter {
    /// Whether it can be searched by: every resource has its rows.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.added.as_ref().is_none_or(|added| added.index == Index::Whole)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::index::{extract_added, from_json};
    use crate::registry::{Added, added_parameter};

    fn of(resource_type: &str) -> ResourceType {
        ResourceType::parse(resource_type).expect("a type")
    }

    fn one(resource_type: &str, row: &str, number: i64, index: Index) -> Parameter {
        let added = Added { url: "http://example.org/p".into(), number, index };
        added_parameter(of(resource_type), row, added).expect("a parameter")
    }

    #[test]
    fn what_was_added_stands_beside_the_table() {
        let ready = one("Patient", "eye-colour token - extension[url=http://x.y/e].valueCode:code", 1, Index::Whole);
        let not_yet = one("Patient", "shoe-size number - multipleBirthInteger:integer", 2, Index::Begun(40));
        let taken = one("Patient", "gender token - gender:code", 3, Index::Whole);
        let registry = Registry::with(9, vec![ready.clone(), not_yet.clone(), taken]);
        assert_eq!(registry.version(), 9);
        assert_eq!(registry.parameter(of("Patient"), "eye-colour"), Some(&ready));
        assert_eq!(registry.parameter(of("Patient"), "shoe-size"), Some(&not_yet));
        assert_eq!(registry.parameter(of("Observation"), "eye-colour"), None);
        assert!(registry.parameter(of("Patient"), "gender").is_some_and(|found| found.added.is_none()));
        assert_eq!(registry.parameter_by_id(ready.id), Some(&ready));
        let codes: Vec<&str> = registry.parameters(of("Patient")).map(|found| &*found.code).collect();
        assert!(codes.contains(&"eye-colour") && codes.contains(&"gender") && !codes.contains(&"shoe-size"));
        assert!(!registry.has_room_for(&ready), "its numbers are its own");
        assert!(registry.has_room_for(&one("Patient", "eye-colour token - gender:code", 4, Index::Whole)));
        let patient = from_json(&serde_json::json!({
            "resourceType": "Patient", "multipleBirthInteger": 2,
            "extension": [{ "url": "http://x.y/e", "valueCode": "brown" }, { "url": "http://x.y/z", "valueCode": "z" }],
        }));
        let rows = extract_added(&registry, "", of("Patient"), &patient);
        let found: Vec<_> = rows.iter().map(|row| (row.parameter, row.key.as_str(), row.low)).collect();
        let mut wanted = vec![(ready.id, "brown\u{1f}", None), (not_yet.id, "", Some(2.0))];
        wanted.sort_by_key(|row| row.0);
        assert_eq!(found, wanted);
        assert!(extract_added(Registry::r4(), "", of("Patient"), &patient).is_empty());
    }
}
