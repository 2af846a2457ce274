//! The search parameters of R4 as data: one table, read once.

use super::path::{self, Path, Step};
use super::{ResourceType, tree::Tree};
use crate::index::ParameterId;
use crate::schema::{self, TypeKind};
use std::collections::HashSet;
use std::sync::LazyLock;

/// The table as generated: see the text at its head.
const TABLE: &str = include_str!("parameters.txt");

/// The parameters that Concord adds: see the text at its head.
const OWN: &str = include_str!("own_parameters.txt");

/// The kind of a search parameter (R4 value set `search-param-type`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "each is the search parameter type of that name")]
pub enum Kind {
    Number,
    Date,
    String,
    Token,
    Reference,
    Composite,
    Quantity,
    Uri,
}

impl Kind {
    /// The code of the value set.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Kind::Number => "number",
            Kind::Date => "date",
            Kind::String => "string",
            Kind::Token => "token",
            Kind::Reference => "reference",
            Kind::Composite => "composite",
            Kind::Quantity => "quantity",
            Kind::Uri => "uri",
        }
    }

    pub(crate) fn parse(code: &str) -> Option<Kind> {
        Some(match code {
            "number" => Kind::Number,
            "date" => Kind::Date,
            "string" => Kind::String,
            "token" => Kind::Token,
            "reference" => Kind::Reference,
            "composite" => Kind::Composite,
            "quantity" => Kind::Quantity,
            "uri" => Kind::Uri,
            _ => return None,
        })
    }
}

/// The types that a reference parameter may point at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Targets {
    /// Any type.
    Any,
    /// One of these; none for a parameter that is no reference.
    Types(Vec<ResourceType>),
}

impl Targets {
    /// Whether a reference to the type may be found.
    #[must_use]
    pub fn contains(&self, resource_type: ResourceType) -> bool {
        match self {
            Targets::Any => true,
            Targets::Types(types) => types.contains(&resource_type),
        }
    }
}

/// A part of a composite parameter (R4 "Search", composite).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Component {
    /// The code of the parameter of the same type that the part is searched as.
    pub code: Box<str>,
    /// Where its value is found.
    pub path: Path,
    /// Whether the path starts at the resource and not at the composite's element.
    pub from_resource: bool,
}

/// One search parameter of one resource type, or of every resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parameter {
    /// Its number in stored rows.
    pub id: ParameterId,
    /// The type that it is a parameter of; none if it is one of every resource.
    pub resource_type: Option<ResourceType>,
    /// Its name in a query.
    pub code: Box<str>,
    /// How values are compared.
    pub kind: Kind,
    /// What a reference may point at.
    pub targets: Targets,
    /// Where its values are found. Empty for a composite.
    pub paths: Vec<Path>,
    /// The elements that a composite's parts are read from. Empty for any other kind.
    pub elements: Vec<Vec<Step>>,
    /// The parts of a composite. Empty for any other kind.
    pub components: Vec<Component>,
    /// What is known of a parameter that an operator has added; none for one of the table.
    pub added: Option<Added>,
}

/// Where a parameter comes from that an operator has added, and how far its index is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Added {
    /// The url of its definition.
    pub url: Box<str>,
    /// Its number among all that were ever added: the rows of one that was taken out of use are never those of another.
    pub number: i64,
    /// Whether every resource has its rows, so that it can be searched by.
    pub index: Index,
}

/// How far the index of a parameter is that an operator has added.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Index {
    /// Every resource has its rows.
    Whole,
    /// What was stored before the parameter was added has no rows yet.
    Missing,
    /// So much of that has its rows, in hundredths.
    Begun(u8),
}

impl Parameter {
    /// The number of the pseudo parameter that keeps the identifiers of logical references, for `:identifier`
    /// (R4 "Search", reference). Its rows are tokens.
    #[must_use]
    pub fn identifier_id(&self) -> ParameterId {
        self.pseudo_id("identifier")
    }

    /// The number of the pseudo parameter that keeps the texts that go with a token, for `:text`. Its rows are strings.
    #[must_use]
    pub fn text_id(&self) -> ParameterId {
        self.pseudo_id("text")
    }

    /// The number of the pseudo parameter that keeps identifiers with their types, for `:of-type`.
    #[must_use]
    pub fn of_type_id(&self) -> ParameterId {
        self.pseudo_id("of-type")
    }

    /// The number of the pseudo parameter that keeps quantities in base units, by which those in different units of a
    /// kind are compared.
    #[must_use]
    pub fn base_unit_id(&self) -> ParameterId {
        self.pseudo_id("base-unit")
    }

    fn pseudo_id(&self, name: &str) -> ParameterId {
        match &self.added {
            None => id(self.resource_type, &format!("{}:{name}", self.code)),
            Some(added) => id(self.resource_type, &format!("{}@{}:{name}", self.code, added.number)),
        }
    }

    /// The numbers of all rows that it has, its own first.
    #[must_use]
    pub fn row_ids(&self) -> [ParameterId; 5] {
        [self.id, self.identifier_id(), self.text_id(), self.of_type_id(), self.base_unit_id()]
    }

    /// The codes of the two parts of a composite; none for another kind, and for a composite of more parts.
    #[must_use]
    pub fn parts(&self) -> Option<[&str; 2]> {
        let mut codes: Vec<&str> = self.components.iter().map(|component| &*component.code).collect();
        codes.dedup();
        match codes.as_slice() {
            [first, second] => Some([first, second]),
            _ => None,
        }
    }

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

    /// Whether its values are codes that say no system: which it is, the element says.
    #[must_use]
    pub fn is_of_bare_codes(&self) -> bool {
        !self.paths.is_empty() && self.paths.iter().all(|path| path.data_type == path::DataType::Code)
    }

    /// Whether that system is the one which a bare code of one of its elements is of, by the element's required binding.
    #[must_use]
    pub fn implies(&self, system: &str, code: &str) -> bool {
        let schema = schema::r4();
        let bound = |path: &Path| {
            let mut shape = schema.resource(self.resource_type?)?;
            let (last, inner) = path.steps.split_last()?;
            for step in inner {
                match shape.member(&step.member)?.of_type.kind {
                    TypeKind::Shape(id) => shape = schema.shape(id)?,
                    TypeKind::Primitive(_) | TypeKind::Resource => return None,
                }
            }
            schema.binding(shape.member(&last.member)?.of_type.binding?)
        };
        self.is_of_bare_codes() && self.paths.iter().filter_map(bound).any(|binding| binding.has_coding(system, code))
    }
}

/// The number of `Type.code`, or of `_code`.
fn id(resource_type: Option<ResourceType>, code: &str) -> ParameterId {
    match resource_type {
        Some(resource_type) => ParameterId::of(&format!("{resource_type}.{code}")),
        None => ParameterId::of(code),
    }
}

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

/// By the number of the type: the paths of all parameters that have rows, and of those of every resource, as one tree.
static TREES: LazyLock<Vec<Tree>> = LazyLock::new(|| {
    let with_rows = |of: &OfType| {
        let own = of.parameters.iter().filter(|one| super::combined(one.id).is_none());
        Tree::of(own.chain(&PARAMETERS.everywhere))
    };
    PARAMETERS.types.iter().map(with_rows).collect()
});

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
fn position(resource_type: ResourceType) -> usize {
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

/// The composite parameters of a type that have rows.
pub(crate) fn composites(resource_type: ResourceType) -> impl Iterator<Item = &'static Parameter> {
    let own = PARAMETERS.types.get(position(resource_type)).map_or(&[][..], |of| &of.parameters);
    own.iter().filter(|parameter| parameter.kind == Kind::Composite && super::combined(parameter.id).is_none())
}

/// The paths of all parameters of a type that have rows, as one tree.
pub(crate) fn tree(resource_type: ResourceType) -> Option<&'static Tree> {
    TREES.get(position(resource_type))
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
        let mut names = BTreeMap::from([(ParameterId::of("_record"), "_record".to_owned())]);
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
