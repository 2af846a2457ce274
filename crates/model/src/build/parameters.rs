use concord_fhir::json::Value;
use fhirbolt::model::r4::Resource;
use fhirbolt::model::r4::resources::{Parameters, ParametersParameter, ParametersParameterValue as Typed};
use fhirbolt::model::r4::types::Coding;

use super::Link;
use super::elements::{identifier, link};
use crate::refused::Refused;
use crate::verbatim::Verbatim;
use crate::write::to_value;

/// A parameter of an answer, or a part of one.
#[derive(Clone, Debug)]
pub struct Parameter {
    name: &'static str,
    content: Content,
}

/// What a parameter holds: a value of one of the types that answers are made of, a resource, or parts.
#[derive(Clone, Debug)]
pub enum Content {
    /// `valueBoolean`
    Boolean(bool),
    /// `valueCode`
    Code(String),
    /// `valueCoding`; parts that are empty are left out.
    Coding {
        /// The address of the code system.
        system: String,
        /// The code.
        code: String,
        /// What it is called; there also if it is empty.
        display: String,
    },
    /// `valueDate`
    Date(String),
    /// `valueDecimal`: the digits of a number, which stay as they are.
    Decimal(String),
    /// `valueId`
    Id(String),
    /// `valueIdentifier`: its system and its value.
    Identifier(String, String),
    /// `valueInstant`
    Instant(String),
    /// `valueInteger`
    Integer(i32),
    /// `valueMeta`, as it stands in a resource.
    Meta(Value<'static>),
    /// `valueReference`
    Reference(Link),
    /// `valueString`
    String(String),
    /// `valueUri`
    Uri(String),
    /// `resource`, as it is stored.
    Resource(Value<'static>),
    /// `part`
    Parts(Vec<Parameter>),
}

/// A parameter of that name.
#[must_use]
pub fn parameter(name: &'static str, content: Content) -> Parameter {
    Parameter { name, content }
}

/// The Parameters of an operation's answer.
///
/// # Errors
/// When the typed model does not write it.
pub fn parameters(all: Vec<Parameter>) -> Result<Value<'static>, Refused> {
    let mut verbatim = Verbatim::default();
    let parameter = all.into_iter().map(|one| typed(one, &mut verbatim)).collect();
    to_value(&Resource::Parameters(Box::new(Parameters { parameter, ..Default::default() })), verbatim)
}

fn typed(Parameter { name, content }: Parameter, verbatim: &mut Verbatim) -> ParametersParameter {
    let mut typed_one = ParametersParameter { name: name.into(), ..Default::default() };
    typed_one.value = Some(match content {
        Content::Resource(value) => {
            typed_one.resource = Some(verbatim.resource(value));
            return typed_one;
        }
        Content::Parts(parts) => {
            typed_one.part = parts.into_iter().map(|part| typed(part, verbatim)).collect();
            return typed_one;
        }
        Content::Boolean(value) => Typed::Boolean(value.into()),
        Content::Code(code) => Typed::Code(code.into()),
        Content::Coding { system, code, display } => {
            let given = |text: String| Some(text).filter(|text| !text.is_empty());
            Typed::Coding(Box::new(Coding {
                system: given(system).map(Into::into),
                code: given(code).map(Into::into),
                display: given(display).map(Into::into),
                ..Default::default()
            }))
        }
        Content::Date(day) => Typed::Date(day.into()),
        Content::Decimal(digits) => Typed::Decimal(verbatim.decimal(digits)),
        Content::Id(id) => Typed::Id(id.into()),
        Content::Identifier(system, value) => Typed::Identifier(Box::new(identifier(Some(system), value))),
        Content::Instant(time) => Typed::Instant(time.into()),
        Content::Integer(number) => Typed::Integer(number.into()),
        Content::Meta(value) => Typed::Meta(Box::new(verbatim.meta(value))),
        Content::Reference(to) => Typed::Reference(Box::new(link(to, verbatim))),
        Content::String(text) => Typed::String(text.into()),
        Content::Uri(text) => Typed::Uri(text.into()),
    });
    typed_one
}
