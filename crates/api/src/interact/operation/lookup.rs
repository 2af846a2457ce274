//! `CodeSystem/$lookup`: what a code is called and what is said of it (R4 "CodeSystem-lookup").

use std::sync::Arc;

use concord_fhir::issue::{Issue, IssueCode};
use concord_fhir::terminology::Membership;
use concord_model::build::{self, Content, parameter};
use concord_terminology::Library;
use concord_terminology::code_system::{CodeSystem, Concept, Property};
use concord_terminology::designation::{Designation, name_in};

use crate::error::ApiError;
use crate::interact::operation::coded;
use crate::interact::operation::{Computing, Conduct, Input, Level, Operation, OperationTarget, Output, Parameter};
use crate::interact::session::Session;
use crate::interact::terminology::{VisibleTerminology, fault};

/// `CodeSystem/$lookup`
pub(super) const OPERATION: Operation = Operation {
    name: "$lookup",
    levels: &[Level::Type],
    types: &["CodeSystem"],
    conduct: Conduct::READS,
    computing: Computing::ByPieces,
    description: "What a code is called, and what its code system says of it.",
    definition: Some("http://hl7.org/fhir/OperationDefinition/CodeSystem-lookup"),
    parameters: &[
        Parameter::optional("code", "code", "The code"),
        Parameter::optional("system", "uri", "The code system of the code"),
        Parameter::optional("version", "string", "The version of the code system"),
        Parameter::optional("coding", "Coding", "The code with its code system"),
        Parameter::optional("displayLanguage", "code", "The language of the name, where there is a name in it"),
        Parameter {
            max: 20,
            ..Parameter::optional(
                "property",
                "code",
                "Which properties to tell, and by designation or lang.cy which names; all by default",
            )
        },
    ],
    run,
};

fn run(session: &mut Session<'_, '_>, _target: &OperationTarget, input: &Input) -> Result<Output, ApiError> {
    let all = coded::codes(input, input.text("system"))?;
    let asked = all.first().ok_or_else(|| ApiError::parameter("code", "one of code and coding"))?;
    let code = coded::with_system(asked)?;
    let version = coded::version("version", input.text("version"), asked.version.as_deref())?;
    let name = coded::versioned(&code.system, version.as_deref());
    let language = coded::language(input)?;
    let mut source = VisibleTerminology::asked(session);
    let mut library = Library::new(&mut source);
    let unknown = |text: String| ApiError::Unprocessable(vec![Issue::plain(IssueCode::NotFound, text)]);
    if let Some(system) = library.code_system(&name).map_err(fault)?
        && let Some(concept) = system.concept(&code.code)
    {
        let told = described(&system, concept, &input.texts("property"), language.as_deref());
        return Ok(Output::Value(build::parameters(told)?));
    }
    let (membership, display) = library.is_code(&name, &code.code).map_err(fault)?;
    for parameter in ["property", "displayLanguage"] {
        if membership == Membership::Yes && input.text(parameter).is_some() {
            let text = format!(
                "parameter {parameter}: the code system {name} is not here, and of a code of it its name alone is told"
            );
            return Err(ApiError::Unprocessable(vec![Issue::plain(IssueCode::NotSupported, text)]));
        }
    }
    match membership {
        Membership::Yes => {
            let shown = display.unwrap_or_else(|| code.code.clone());
            let parts = vec![
                parameter("name", Content::String(code.system.clone())),
                parameter("display", Content::String(shown)),
            ];
            Ok(Output::Value(build::parameters(parts)?))
        }
        Membership::No => Err(unknown(format!("the code system {name} has no code `{}`", code.code))),
        Membership::Unknown => Err(fault(library.untold())),
    }
}

/// What is told in parameters of their own, and may be asked for like properties.
const OWN: [&str; 3] = ["name", "version", "display"];

/// What the code system says of a code: all of it, or the properties that are wanted. Names are told of the languages that are
/// (`lang.cy`), where any are, or by `designation`.
fn described(
    system: &Arc<CodeSystem>,
    concept: &Concept,
    wanted: &[String],
    language: Option<&str>,
) -> Vec<build::Parameter> {
    let is_wanted = |name: &str| wanted.is_empty() || wanted.iter().any(|one| one == name);
    let shown = [(concept.display.as_deref(), system.language.as_deref())];
    let display = language.and_then(|language| name_in(&shown, &concept.designations, language)).map(str::to_owned);
    let display = display.or_else(|| concept.display.clone()).unwrap_or_else(|| concept.code.clone());
    let name = system.name.clone().unwrap_or_else(|| system.url.clone());
    let mut parts = vec![parameter("name", Content::String(name))];
    parts.extend(system.version.clone().map(|version| parameter("version", Content::String(version))));
    parts.push(parameter("display", Content::String(display)));
    let languages: Vec<&str> = wanted.iter().filter_map(|one| one.strip_prefix("lang.")).collect();
    let is_told = |one: &Designation| is_wanted("designation") || languages.iter().any(|token| one.is_meant(token));
    parts.extend(concept.designations.iter().filter(|one| is_told(one)).map(designation));
    let mut tell = |name: &str, value: Content| {
        if is_wanted(name) {
            let inner = vec![parameter("code", Content::Code(name.to_owned())), parameter("value", value)];
            parts.push(parameter("property", Content::Parts(inner)));
        }
    };
    if wanted.iter().any(|one| one == "url" || one == "system") {
        tell("url", Content::Uri(system.url.clone()));
        tell("system", Content::Uri(system.url.clone()));
    }
    if let Some(definition) = &concept.definition {
        tell("definition", Content::String(definition.clone()));
    }
    tell("inactive", Content::Boolean(concept.is_inactive));
    if concept.is_abstract {
        tell("notSelectable", Content::Boolean(true));
    }
    for parent in system.parents(concept) {
        tell("parent", Content::Code(parent.code.clone()));
    }
    for child in system.children(concept) {
        tell("child", Content::Code(child.code.clone()));
    }
    let told = ["parent", "child", "inactive", "notSelectable"];
    let is_told = |code: &str| told.contains(&code) || OWN.contains(&code);
    for property in concept.properties.iter().filter(|one| !is_told(&one.code)) {
        if let Some(value) = value(property) {
            tell(&property.code, value);
        }
    }
    parts
}

fn designation(one: &Designation) -> build::Parameter {
    let mut inner: Vec<build::Parameter> =
        one.language.iter().map(|language| parameter("language", Content::Code(language.clone()))).collect();
    if let Some(usage) = &one.usage {
        let (system, code) = (usage.system.clone(), usage.code.clone());
        let display = usage.display.clone().unwrap_or_default();
        inner.push(parameter("use", Content::Coding { system, code, display }));
    }
    inner.push(parameter("value", Content::String(one.value.clone())));
    parameter("designation", Content::Parts(inner))
}

/// The value of a property, of one of the types that answers are made of.
fn value(property: &Property) -> Option<Content> {
    let text = property.text()?.to_owned();
    Some(match property.member.as_str() {
        "valueBoolean" => Content::Boolean(text == "true"),
        "valueCode" => Content::Code(text),
        "valueInteger" => text.parse().map_or(Content::String(text), Content::Integer),
        "valueDecimal" => Content::Decimal(text),
        "valueCoding" => {
            let part = |name: &str| property.value.text(name).unwrap_or_default().to_owned();
            Content::Coding { system: part("system"), code: text, display: part("display") }
        }
        _ => Content::String(text),
    })
}
