//! `ConceptMap/$translate`: what a code is in another code system (R4 "ConceptMap-translate").

use concord_model::build::{self, Content, parameter};
use concord_terminology::Library;
use concord_terminology::concept_map::{ConceptMap, Translation};
use concord_terminology::item::{Dependency, Match};

use crate::error::ApiError;
use crate::interact::operation::coded::{self, Definition};
use crate::interact::operation::{Computing, Conduct, Input, Level, Operation, OperationTarget, Output, Parameter};
use crate::interact::session::Session;
use crate::interact::terminology::{VisibleTerminology, fault};

/// How many things may be said that mappings depend on.
const MOST_DEPENDENCIES: usize = 20;

/// `ConceptMap/$translate`
pub(super) const OPERATION: Operation = Operation {
    name: "$translate",
    levels: &[Level::Type, Level::Instance],
    types: &["ConceptMap"],
    conduct: Conduct::READS,
    computing: Computing::ByPieces,
    description: "What a code is in another code system: by a map that is stored, of R4 itself, given in the body, or known to \
           the terminology server that is asked. Where none is named, by R4's own and those that registered systems gave.",
    definition: Some("http://hl7.org/fhir/OperationDefinition/ConceptMap-translate"),
    parameters: &[
        coded::URL,
        Parameter::optional("conceptMap", "ConceptMap", "The map itself"),
        Parameter::optional("conceptMapVersion", "string", "The version of the map"),
        Parameter::optional("code", "code", "The code"),
        Parameter::optional("system", "uri", "The code system of the code"),
        Parameter::optional(
            "version",
            "string",
            "The version of the code system: what is mapped of another one is left out",
        ),
        Parameter::optional("source", "uri", "The value set that the code is from"),
        Parameter::optional("coding", "Coding", "The code with its code system"),
        Parameter::optional("codeableConcept", "CodeableConcept", "Several codes"),
        Parameter::optional("target", "uri", "The value set that is wanted"),
        Parameter::optional("targetsystem", "uri", "The code system that is wanted"),
        Parameter {
            max: MOST_DEPENDENCIES,
            ..Parameter::optional(
                "dependency",
                "",
                "What is so besides, by the parts `element` and `concept`: some mappings depend on it",
            )
        },
        Parameter::optional("reverse", "boolean", "Whether the map is read backwards"),
    ],
    run,
};

fn run(session: &mut Session<'_, '_>, target: &OperationTarget, input: &Input) -> Result<Output, ApiError> {
    let reverse = coded::flag(input, "reverse")?.unwrap_or(false);
    let all = coded::codes(input, input.text("system"))?;
    let dependencies = dependencies(input)?;
    let given = coded::optional_definition(session, target, input, "conceptMap", "conceptMapVersion")?;
    let (name, map) = match given {
        None => (None, None),
        Some(Definition::Named(name)) => (Some(name), None),
        Some(Definition::Given(resource)) => (None, Some(ConceptMap::read(&resource))),
    };
    let mut source = VisibleTerminology::asked(session);
    let mut library = Library::new(&mut source);
    let mut found: Vec<Match> = Vec::new();
    for asked in &all {
        let asked = Translation {
            code: asked.code.clone(),
            version: coded::version("version", input.text("version"), asked.version.as_deref())?,
            dependencies: dependencies.clone(),
            target_system: input.text("targetsystem"),
            source: input.text("source"),
            target: input.text("target"),
            reverse,
        };
        let matches = match &map {
            Some(map) => library.translate(map, &asked),
            None => library.translate_named(name.as_deref(), &asked),
        };
        found.extend(matches.map_err(fault)?);
    }
    let result = found.iter().any(Match::is_match);
    let mut answer = vec![parameter("result", Content::Boolean(result))];
    if !result {
        let doubts = library.doubts().join("; ");
        let text = if doubts.is_empty() { "the code maps to nothing".to_owned() } else { doubts };
        answer.push(parameter("message", Content::String(text)));
    }
    answer.extend(found.into_iter().map(matched));
    Ok(Output::Value(build::parameters(answer)?))
}

/// What is said to be so besides.
fn dependencies(input: &Input) -> Result<Vec<Dependency>, ApiError> {
    let mut found = Vec::new();
    for parts in input.parts("dependency") {
        let part = |name: &str| parts.iter().find(|part| part.text("name") == Some(name));
        let element = part("element").and_then(|part| part.text("valueUri"));
        let concept = part("concept").and_then(|part| part.get("valueCodeableConcept"));
        let (Some(property), Some(concept)) = (element, concept) else {
            return Err(ApiError::parameter("dependency", "the parts `element` (uri) and `concept` (CodeableConcept)"));
        };
        let one = |system: Option<&str>, value: &str| Dependency {
            property: property.to_owned(),
            system: system.map(str::to_owned),
            value: value.to_owned(),
        };
        found.extend(
            concept.list("coding").iter().filter_map(|coding| Some(one(coding.text("system"), coding.text("code")?))),
        );
        found.extend(concept.text("text").map(|text| one(None, text)));
    }
    Ok(found)
}

fn matched(one: Match) -> build::Parameter {
    let mut parts = vec![parameter("equivalence", Content::Code(one.equivalence))];
    if let Some(code) = one.code {
        let display = one.display.unwrap_or_default();
        parts.push(parameter("concept", Content::Coding { system: code.system, code: code.code, display }));
    }
    for product in one.product {
        let (system, code) = (product.system.unwrap_or_default(), product.value);
        let concept = Content::Coding { system, code, display: String::new() };
        let inner = vec![parameter("element", Content::Uri(product.property)), parameter("concept", concept)];
        parts.push(parameter("product", Content::Parts(inner)));
    }
    parts.extend(one.map.map(|map| parameter("source", Content::Uri(map))));
    parameter("match", Content::Parts(parts))
}
