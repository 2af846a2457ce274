//! The search parameters of R4 as data: one table, read once.

use super::parameter::{Added, Component, Kind, Parameter, Targets, id};
use super::path::{self, Path};
use crate::entry::ParameterId;
use crate::resource_type::ResourceType;
use std::collections::HashSet;
use std::sync::LazyLock;

/// The table as generated: see the text at its head.
const TABLE: &str = include_str!("parameters.txt");

/// The parameters that Concord adds: see the text at its head.
const OWN: &str = include_str!("own_parameters.txt");

/// All that is known of one type.
struct OfType {
    /// In alphabetical order of their codes.
    parameters: Vec<Parameter>,
}

struct Table {
    /// By the number of the type.
    types: Vec<OfType>,
    everywhere: Vec<Parameter>,
    /// By the number of the parameter: the position of its type (none: of every resource) and its own.
    numbers: Vec<(ParameterId, Option<usize>, usize)>,
}

static PARAMETERS: LazyLock<Table> = LazyLock::new(read);

/// The parameters of every resource (R4 "Search", "Parameters for all resources"). `_id` and `_lastUpdated` have no
/// rows: entries carry the two as fields of their own.
fn everywhere() -> Vec<Parameter> {
    let define = |code: &'static str, kind: Kind, path: &'static str| Parameter {
        id: id(None, code),
        resource_type: None,
        code: code.into(),
        kind,
        targets: Targets::Types(Vec::new()),
        paths: Path::parse(path).into_iter().collect(),
        elements: Vec::new(),
        components: Vec::new(),
        added: None,
    };
    vec![
        define("_id", Kind::Token, "id:id"),
        define("_lastUpdated", Kind::Date, "meta.lastUpdated:instant"),
        define("_profile", Kind::Uri, "meta.profile:canonical"),
        define("_security", Kind::Token, "meta.security:Coding"),
        define("_source", Kind::Uri, "meta.source:uri"),
        define("_tag", Kind::Token, "meta.tag:Coding"),
    ]
}

/// Reads the whole table. A line that cannot be read is left out; a test shows that there is none.
fn read() -> Table {
    let mut by_type: Vec<Vec<Parameter>> = ResourceType::all().map(|_| Vec::new()).collect();
    let mut current = None;
    for line in TABLE.lines().chain(OWN.lines()).filter(|line| !line.starts_with('#')) {
        match line.strip_prefix(' ') {
            None => current = ResourceType::parse(line),
            Some(row) => {
                let Some(resource_type) = current else { continue };
                if let (Some(parameter), Some(list)) =
                    (parameter_of(resource_type, row), by_type.get_mut(position(resource_type)))
                {
                    list.push(parameter);
                }
            }
        }
    }
    let everywhere = everywhere();
    let mut numbers = Vec::new();
    numbers.extend(everywhere.iter().enumerate().map(|(at, parameter)| (parameter.id, None, at)));
    for (of, list) in by_type.iter_mut().enumerate() {
        list.sort_by(|left, right| left.code.cmp(&right.code));
        numbers.extend(list.iter().enumerate().map(|(at, parameter)| (parameter.id, Some(of), at)));
    }
    numbers.sort_by_key(|(number, ..)| *number);
    let types = by_type.into_iter().map(|parameters| OfType { parameters }).collect();
    Table { types, everywhere, numbers }
}

/// Where the lists keep a type.
pub(super) fn position(resource_type: ResourceType) -> usize {
    usize::try_from(resource_type.number()).unwrap_or(usize::MAX)
}

/// One line of the table.
fn parameter_of(resource_type: ResourceType, row: &str) -> Option<Parameter> {
    let mut columns = row.split(' ');
    let (code, kind, targets) = (columns.next()?, Kind::parse(columns.next()?)?, columns.next()?);
    let targets = match targets {
        "*" => Targets::Any,
        "-" => Targets::Types(Vec::new()),
        // A target that R4 does not have any more is left out.
        names => Targets::Types(names.split(',').filter_map(ResourceType::parse).collect()),
    };
    let (mut paths, mut elements, mut components) = (Vec::new(), Vec::new(), Vec::new());
    for column in columns {
        match column.strip_prefix('@') {
            Some(component) => components.push(component_of(component)?),
            None if kind == Kind::Composite => elements.push(path::steps(column)?),
            None => paths.push(Path::parse(column)?),
        }
    }
    let (id, code) = (id(Some(resource_type), code), code.into());
    let resource_type = Some(resource_type);
    Some(Parameter { id, resource_type, code, kind, targets, paths, elements, components, added: None })
}

/// A parameter that an operator has added: `row` is as a line of the table, with no blank before it.
#[must_use]
pub fn added_parameter(resource_type: ResourceType, row: &str, added: Added) -> Option<Parameter> {
    let parameter = parameter_of(resource_type, row)?;
    let id = id(Some(resource_type), &format!("{}@{}", parameter.code, added.number));
    Some(Parameter { id, added: Some(added), ..parameter })
}

/// Whether a parameter of the table, or one of its pseudo parameters, has this number.
#[must_use]
pub(crate) fn is_taken(id: ParameterId) -> bool {
    static TAKEN: LazyLock<HashSet<ParameterId>> = LazyLock::new(|| {
        let all = PARAMETERS.types.iter().flat_map(|of| &of.parameters).chain(&PARAMETERS.everywhere);
        // Stores keep rows of their own under the last name.
        all.flat_map(Parameter::row_ids).chain([ParameterId::of("_record")]).collect()
    });
    TAKEN.contains(&id)
}

/// One part of a composite, `code=path`.
fn component_of(text: &str) -> Option<Component> {
    let (code, path) = text.split_once('=')?;
    let from_resource = path.starts_with('%');
    Some(Component { code: code.into(), path: Path::parse(path.trim_start_matches('%'))?, from_resource })
}

/// The parameter that a query on the type means by `code`.
#[must_use]
pub fn parameter(resource_type: ResourceType, code: &str) -> Option<&'static Parameter> {
    let own = &PARAMETERS.types.get(position(resource_type))?.parameters;
    match own.binary_search_by(|parameter| (*parameter.code).cmp(code)) {
        Ok(at) => own.get(at),
        Err(_) => parameter_of_every_resource(code),
    }
}

/// The parameter of every resource of that name (`_id`, `_lastUpdated`, `_profile`, `_security`, `_source`, `_tag`).
#[must_use]
pub fn parameter_of_every_resource(code: &str) -> Option<&'static Parameter> {
    PARAMETERS.everywhere.iter().find(|parameter| *parameter.code == *code)
}

/// Every parameter that a query on the type may use: its own in alphabetical order, then those of every resource.
pub fn parameters<'p>(resource_type: ResourceType) -> impl Iterator<Item = &'p Parameter> {
    let own = PARAMETERS.types.get(position(resource_type)).map_or(&[][..], |of| &of.parameters);
    own.iter().chain(&PARAMETERS.everywhere)
}

/// The parameter with that number.
#[must_use]
pub fn parameter_by_id(id: ParameterId) -> Option<&'static Parameter> {
    let at = PARAMETERS.numbers.binary_search_by_key(&id, |(number, ..)| *number).ok()?;
    let (_, of, at) = PARAMETERS.numbers.get(at)?;
    match of {
        Some(of) => PARAMETERS.types.get(*of)?.parameters.get(*at),
        None => PARAMETERS.everywhere.get(*at),
    }
}

/// Whether a reference parameter holds the urls of canonical resources, besides or instead of `Type/id`.
#[must_use]
pub fn refers_by_url(id: ParameterId) -> bool {
    let by_url = |path: &Path| matches!(path.data_type, path::DataType::Canonical | path::DataType::Uri);
    parameter_by_id(id).is_some_and(|parameter| parameter.kind == Kind::Reference && parameter.paths.iter().any(by_url))
}

/// The parameter that holds the url by which others refer to resources of the type, if it is a canonical one.
#[must_use]
pub fn canonical_url(resource_type: ResourceType) -> Option<ParameterId> {
    let own = parameter(resource_type, "url").filter(|found| found.kind == Kind::Uri && found.resource_type.is_some());
    own.map(|found| found.id)
}

/// The parameter that holds the version of resources of the type, which others may name after the url.
#[must_use]
pub fn canonical_version(resource_type: ResourceType) -> Option<ParameterId> {
    let own = parameter(resource_type, "version").filter(|found| found.kind == Kind::Token);
    own.map(|found| found.id)
}

impl Parameter {
    /// The codes of the three parts of a composite that is a token with a span: the token and the numbers at the two
    /// ends.
    #[must_use]
    pub fn span(&self) -> Option<[&str; 3]> {
        let kind = |code: &str| self.resource_type.and_then(|one| parameter(one, code)).map(|found| found.kind);
        match self.components.as_slice() {
            [token, start, end]
                if kind(&token.code) == Some(Kind::Token)
                    && kind(&start.code) == Some(Kind::Number)
                    && kind(&end.code) == Some(Kind::Number)
                    && start.code != end.code =>
            {
                Some([&token.code, &start.code, &end.code])
            }
            _ => None,
        }
    }

    /// Whether it can be searched by.
    #[must_use]
    pub fn is_supported(&self) -> bool {
        self.kind != Kind::Composite || self.parts().is_some() || self.span().is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    fn of(resource_type: &str, code: &str) -> &'static Parameter {
        parameter(ResourceType::parse(resource_type).expect("a type"), code).expect("a parameter")
    }

    #[test]
    fn every_line_of_the_table_is_read() {
        let rows = TABLE.lines().chain(OWN.lines()).filter(|line| line.starts_with(' ')).count();
        let read: usize = PARAMETERS.types.iter().map(|of| of.parameters.len()).sum();
        assert_eq!(read, rows);
        assert!(rows > 1_600, "{rows}");
        for line in TABLE.lines().chain(OWN.lines()).filter(|line| !line.starts_with([' ', '#'])) {
            assert!(ResourceType::parse(line).is_some(), "{line}");
        }
    }

    #[test]
    fn no_two_names_share_a_number() {
        // Stores keep rows of their own under this name.
        let own = ["_record", "_:code", "_:name"];
        let mut names: BTreeMap<_, _> = own.into_iter().map(|name| (ParameterId::of(name), name.to_owned())).collect();
        let everything = ResourceType::all()
            .flat_map(|resource_type| parameters(resource_type).filter(|parameter| parameter.resource_type.is_some()));
        for parameter in everything.chain(&PARAMETERS.everywhere) {
            for (place, id) in parameter.row_ids().into_iter().enumerate() {
                let name = format!("{:?} {} {place}", parameter.resource_type, parameter.code);
                assert_eq!(names.insert(id, name.clone()), None, "{name}");
                assert!(is_taken(id));
            }
            assert_eq!(parameter_by_id(parameter.id), Some(parameter));
        }
    }

    #[test]
    fn a_parameter_reads_the_members_of_its_own_type() {
        assert_eq!(of("Observation", "code").id, ParameterId::of("Observation.code"));
        assert_eq!(of("Observation", "code").kind, Kind::Token);
        let members: Vec<_> = of("Observation", "date").paths.iter().map(|path| &*path.steps[0].member).collect();
        assert_eq!(members, ["effectiveDateTime", "effectivePeriod", "effectiveTiming", "effectiveInstant"]);
        assert_eq!(of("Goal", "patient").paths, [Path::parse("subject:Reference(Patient)").expect("a path")]);
        assert_eq!(of("Goal", "_tag").id, ParameterId::of("_tag"));
        assert_eq!(of("Provenance", "target").targets, Targets::Any);
    }

    #[test]
    fn the_parts_of_a_composite_are_parameters_of_its_type() {
        for resource_type in ResourceType::all() {
            for composite in parameters(resource_type).filter(|parameter| parameter.kind == Kind::Composite) {
                assert!(!composite.components.is_empty() && !composite.elements.is_empty(), "{}", composite.code);
                for component in &composite.components {
                    let part = parameter(resource_type, &component.code);
                    assert!(part.is_some(), "{resource_type}.{} {}", composite.code, component.code);
                }
            }
        }
    }

    #[test]
    fn an_unknown_name_is_no_parameter() {
        let observation = ResourceType::parse("Observation").expect("a type");
        assert_eq!(parameter(observation, "colour"), None);
        assert_eq!(parameter_by_id(ParameterId::of("Observation.colour")), None);
    }
}
