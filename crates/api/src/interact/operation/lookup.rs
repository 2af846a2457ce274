//! `CodeSystem/$lookup`: what a code is called and what is said of it (R4 "CodeSystem-lookup").

use std::sync::Arc;

use concord_fhir::issue::{Issue, IssueCode};
use concord_fhir::terminology::Membership;
use concord_model::build::{self, Content, parameter};
use concord_terminology::Library;
use concord_terminology::code_system::{CodeSystem, Concept, Property};

use crate::error::ApiError;
use crate::interact::operation::coded;
use crate::interact::operation::{Conduct, Input, Level, Operation, OperationTarget, Output, Parameter};
use crate::interact::session::Session;
use crate::interact::terminology::{VisibleTerminology, fault};

/// `CodeSystem/$lookup`
pub(super) const OPERATION: Operation = Operation {
    name: "$lookup",
    levels: &[Level::Type],
    types: &["CodeSystem"],
    conduct: Conduct { computes: true, ..Conduct::READS },
    description: "What a code is called, and what its code system says of it.",
    definition: Some("http://hl7.org/fhir/OperationDefinition/CodeSystem-lookup"),
    parameters: &[
        Parameter::optional("code", "code", "The code"),
        Parameter::optional("system", "uri", "The code system of the code"),
        Parameter::optional("version", "string", "The version of the code system"),
        Parameter::optional("coding", "Coding", "The code with its code system"),
        Parameter::optional("displayLanguage", "code", "The language of the name, where there is a name in it"),
        Parameter { max: 20, ..Parameter::optional("property", "code", "Which properties to tell; all by default") },
    ],
    run,
};

fn run(session: &mut Session<'_, '_>, _target: &OperationTarget, input: &Input) -> Result<Output, ApiError> {
    let all = coded::codes(input, input.text("system"))?;
    let asked = all.first().ok_or_else(|| ApiError::parameter("code", "one of code and coding"))?;
    let code = coded::with_system(asked)?;
    let name = match input.text("version") {
        Some(version) => format!("{}|{version}", code.system),
        None => code.system.clone(),
    };
    let mut source = VisibleTerminology::asked(session);
    let mut library = Library::new(&mut source);
    let unknown = |text: String| ApiError::Unprocessable(vec![Issue::plain(IssueCode::NotFound, text)]);
    if let Some(system) = library.code_system(&name).map_err(fault)? {
        let concept = system
            .concept(&code.code)
            .ok_or_else(|| unknown(format!("the code system {name} has no code `{}`", code.code)))?;
        return Ok(Output::Value(build::parameters(described(&system, concept, input))?));
    }
    let (membership, display) = library.is_code(&name, &code.code).map_err(fault)?;
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

fn described(system: &Arc<CodeSystem>, concept: &Concept, input: &Input) -> Vec<build::Parameter> {
    let wanted = input.texts("property");
    let is_wanted = |name: &str| wanted.is_empty() || wanted.iter().any(|one| one == name);
    let language = input.text("displayLanguage").map(|language| language.to_lowercase());
    let of_language = concept
        .designations
        .iter()
        .find(|one| language.is_some() && one.language.as_ref().map(|own| own.to_lowercase()) == language);
    let display = of_language.map(|one| one.value.clone()).or_else(|| concept.display.clone());
    let name = system.name.clone().unwrap_or_else(|| system.url.clone());
    let mut parts = vec![parameter("name", Content::String(name))];
    parts.extend(system.version.clone().map(|version| parameter("version", Content::String(version))));
    parts.push(parameter("display", Content::String(display.unwrap_or_else(|| concept.code.clone()))));
    for one in &concept.designations {
        let mut inner: Vec<build::Parameter> =
            one.language.iter().map(|language| parameter("language", Content::Code(language.clone()))).collect();
        inner.push(parameter("value", Content::String(one.value.clone())));
        parts.push(parameter("designation", Content::Parts(inner)));
    }
    let mut tell = |name: &str, value: Content| {
        if is_wanted(name) {
            let inner = vec![parameter("code", Content::Code(name.to_owned())), parameter("value", value)];
            parts.push(parameter("property", Content::Parts(inner)));
        }
    };
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
    for property in concept.properties.iter().filter(|one| !told.contains(&one.code.as_str())) {
        if let Some(value) = value(property) {
            tell(&property.code, value);
        }
    }
    parts
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
