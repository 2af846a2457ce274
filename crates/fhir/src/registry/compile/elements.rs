//! The elements of R4 as the schema knows them, for parameters that are added while the server runs.

use super::{Elements, Member};
use crate::registry::Kind;
use crate::registry::path::DataType;
use crate::schema::{choice, r4};

/// The elements of R4.
pub(super) struct Schema;

impl Elements for Schema {
    fn step(&self, path: &str, name: &str) -> Vec<Member> {
        let Some(element) = r4().named(path).and_then(|shape| shape.element(name)) else { return Vec::new() };
        let place = |of_type: &crate::schema::ElementType| Member {
            member: if element.is_choice { choice(name, &of_type.name) } else { name.to_owned() },
            path: of_type.name.clone().into_owned(),
            data_type: general(&of_type.name).to_owned(),
        };
        element.types.iter().map(place).collect()
    }

    /// What an extension holds is known from its definition, which may be anywhere; so it is all that one may hold.
    fn extension(&self, _url: &str) -> Vec<Member> {
        self.step("Extension", "value")
    }

    fn suits(&self, kind: &str, data_type: &str) -> bool {
        let (kind, data_type) = (Kind::parse(kind), DataType::parse(data_type));
        kind.zip(data_type).is_some_and(|(kind, data_type)| reads(kind, data_type))
    }
}

/// Whether a parameter of the kind is read from values of the data type (R4 "Search", the table in section "Search
/// Parameter Types"). A canonical is searched as a uri: chains and includes over one go by the url of its target, which
/// only the parameters of the table do.
pub(super) fn reads(kind: Kind, data_type: DataType) -> bool {
    match kind {
        Kind::Number => matches!(data_type, DataType::Integer | DataType::Decimal | DataType::Range),
        Kind::Date => matches!(
            data_type,
            DataType::Date | DataType::DateTime | DataType::Instant | DataType::Period | DataType::Timing
        ),
        Kind::String => matches!(
            data_type,
            DataType::String
                | DataType::Markdown
                | DataType::HumanName
                | DataType::Address
                | DataType::Code
                | DataType::Id
        ),
        Kind::Token => matches!(
            data_type,
            DataType::Code
                | DataType::Coding
                | DataType::CodeableConcept
                | DataType::Identifier
                | DataType::ContactPoint
                | DataType::Boolean
                | DataType::Deceased
                | DataType::Id
                | DataType::String
                | DataType::Uri
        ),
        Kind::Reference => data_type == DataType::Reference,
        Kind::Quantity => matches!(
            data_type,
            DataType::Quantity | DataType::Money | DataType::Range | DataType::Age | DataType::Duration
        ),
        Kind::Uri => matches!(data_type, DataType::Uri | DataType::Url | DataType::Canonical),
        Kind::Composite => false,
    }
}

/// The data type that is read like this one.
fn general(name: &str) -> &str {
    match name {
        "positiveInt" | "unsignedInt" => "integer",
        "oid" | "uuid" => "uri",
        "SimpleQuantity" | "MoneyQuantity" | "Count" | "Distance" => "Quantity",
        other => other,
    }
}
