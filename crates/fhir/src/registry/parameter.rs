//! What a search parameter is.

use super::path::{self, Path, Step};
use crate::entry::ParameterId;
use crate::resource_type::ResourceType;
use crate::schema::{self, TypeKind};

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

    /// The number of the pseudo parameter that keeps, in lower case, the plain texts (identifiers, also those of logical
    /// references, e-mail addresses, versions) that are written otherwise: these are found in any case (R4 "Search", token).
    /// Its rows are tokens.
    #[must_use]
    pub fn any_case_id(&self) -> ParameterId {
        self.pseudo_id("any-case")
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
    pub fn row_ids(&self) -> [ParameterId; 6] {
        let (of_type, any_case) = (self.of_type_id(), self.any_case_id());
        [self.id, self.identifier_id(), self.text_id(), of_type, any_case, self.base_unit_id()]
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

    /// Whether its values are texts of no code system, which are compared without regard to case.
    #[must_use]
    pub fn is_of_plain_texts(&self) -> bool {
        self.kind == Kind::Token && self.paths.iter().any(|path| path.data_type.is_plain_text())
    }

    /// Whether its values have no system, and never one that could be asked for (R4 "Search", token: "the presence of the pipe
    /// symbol SHALL NOT be used").
    #[must_use]
    pub fn has_no_systems(&self) -> bool {
        self.kind == Kind::Token
            && !self.paths.is_empty()
            && self.paths.iter().all(|path| path.data_type.has_no_system())
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
pub(super) fn id(resource_type: Option<ResourceType>, code: &str) -> ParameterId {
    match resource_type {
        Some(resource_type) => ParameterId::of(&format!("{resource_type}.{code}")),
        None => ParameterId::of(code),
    }
}
