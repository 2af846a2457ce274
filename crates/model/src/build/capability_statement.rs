use fhirbolt::model::r4::Resource;
use fhirbolt::model::r4::resources::{
    CapabilityStatement, CapabilityStatementImplementation, CapabilityStatementRest,
    CapabilityStatementRestInteraction, CapabilityStatementRestResource, CapabilityStatementRestResourceInteraction,
    CapabilityStatementRestResourceOperation, CapabilityStatementRestResourceSearchParam,
    CapabilityStatementRestSecurity, CapabilityStatementSoftware,
};

use super::code;
use super::elements::codeable_concept;
use crate::refused::Refused;
use crate::write::to_json;

const SECURITY_SERVICE: &str = "http://terminology.hl7.org/CodeSystem/restful-security-service";

/// What a server can do.
#[derive(Clone, Debug)]
pub struct CapabilityStatementParts<'a> {
    /// The FHIR base as clients see it.
    pub base: &'a str,
    /// The version of the software.
    pub version: &'a str,
    /// Since when, as an instant.
    pub date: String,
    /// What is to be said of who may do what.
    pub security: &'a str,
    /// The media types that it reads and writes.
    pub formats: &'a [&'a str],
    /// The media types of patches.
    pub patch_formats: &'a [&'a str],
    /// The types.
    pub resources: Vec<ResourceParts>,
    /// The interactions on no type.
    pub interactions: &'a [&'a str],
    /// The parameters of a search over several types.
    pub search_parameters: Vec<SearchParameterParts>,
    /// The operations on no type.
    pub operations: Vec<OperationParts>,
    /// The compartments, by the addresses of their definitions.
    pub compartments: &'a [&'a str],
}

/// What can be done with one type.
#[derive(Clone, Debug)]
pub struct ResourceParts {
    /// The type.
    pub name: &'static str,
    /// What a developer would otherwise meet by surprise.
    pub documentation: Option<&'static str>,
    /// The interactions.
    pub interactions: &'static [&'static str],
    /// Whether versions are checked when they are replaced, or only kept.
    pub versioning: &'static str,
    /// Whether superseded versions can be read.
    pub read_history: bool,
    /// Whether an update may create.
    pub update_create: bool,
    /// Whether a create may have a condition.
    pub conditional_create: bool,
    /// Whether an update may have a condition.
    pub conditional_update: bool,
    /// Which deletions may have a condition.
    pub conditional_delete: &'static str,
    /// What `_include` takes.
    pub includes: Vec<String>,
    /// What `_revinclude` takes.
    pub reverse_includes: Vec<String>,
    /// The search parameters.
    pub search_parameters: Vec<SearchParameterParts>,
    /// The operations.
    pub operations: Vec<OperationParts>,
}

/// A search parameter.
#[derive(Clone, Debug)]
pub struct SearchParameterParts {
    /// Its name in an address.
    pub name: String,
    /// The address of its definition, if it is not of the specification.
    pub definition: Option<String>,
    /// Its type.
    pub kind: &'static str,
}

/// An operation.
#[derive(Clone, Debug)]
pub struct OperationParts {
    /// Its name without the `$`.
    pub name: &'static str,
    /// The address of its definition.
    pub definition: String,
    /// What it does.
    pub documentation: &'static str,
}

/// The CapabilityStatement (R4 "CapabilityStatement") as JSON.
///
/// # Errors
/// When the typed model does not write it.
pub fn capability_statement(parts: CapabilityStatementParts<'_>) -> Result<String, Refused> {
    let statement = CapabilityStatement {
        id: Some("concord".into()),
        url: Some(format!("{}/metadata", parts.base).into()),
        version: Some(parts.version.into()),
        name: Some("Concord".into()),
        title: Some("Concord".into()),
        status: "active".into(),
        date: parts.date.as_str().into(),
        publisher: Some("The Concord project".into()),
        kind: "instance".into(),
        software: Some(CapabilityStatementSoftware {
            name: "Concord".into(),
            version: Some(parts.version.into()),
            ..Default::default()
        }),
        implementation: Some(CapabilityStatementImplementation {
            description: "A personal health record that asks the patient".into(),
            url: Some(parts.base.into()),
            ..Default::default()
        }),
        fhir_version: "4.0.1".into(),
        format: parts.formats.iter().map(|format| (*format).into()).collect(),
        patch_format: parts.patch_formats.iter().map(|format| (*format).into()).collect(),
        rest: vec![rest(parts)],
        ..Default::default()
    };
    to_json(&Resource::CapabilityStatement(Box::new(statement)))
}

fn rest(parts: CapabilityStatementParts<'_>) -> CapabilityStatementRest {
    let interaction = |code: &&str| CapabilityStatementRestInteraction { code: (*code).into(), ..Default::default() };
    CapabilityStatementRest {
        mode: "server".into(),
        security: Some(CapabilityStatementRestSecurity {
            cors: Some(true.into()),
            service: vec![codeable_concept(code(SECURITY_SERVICE, "SMART-on-FHIR"))],
            description: Some(parts.security.into()),
            ..Default::default()
        }),
        resource: parts.resources.into_iter().map(resource).collect(),
        interaction: parts.interactions.iter().map(interaction).collect(),
        search_param: parts.search_parameters.into_iter().map(search_parameter).collect(),
        operation: parts.operations.into_iter().map(operation).collect(),
        compartment: parts.compartments.iter().map(|address| (*address).into()).collect(),
        ..Default::default()
    }
}

fn resource(parts: ResourceParts) -> CapabilityStatementRestResource {
    let interaction =
        |code: &&str| CapabilityStatementRestResourceInteraction { code: (*code).into(), ..Default::default() };
    CapabilityStatementRestResource {
        r#type: parts.name.into(),
        profile: Some(format!("http://hl7.org/fhir/StructureDefinition/{}", parts.name).into()),
        documentation: parts.documentation.map(Into::into),
        interaction: parts.interactions.iter().map(interaction).collect(),
        versioning: Some(parts.versioning.into()),
        read_history: Some(parts.read_history.into()),
        update_create: Some(parts.update_create.into()),
        conditional_create: Some(parts.conditional_create.into()),
        conditional_read: Some("full-support".into()),
        conditional_update: Some(parts.conditional_update.into()),
        conditional_delete: Some(parts.conditional_delete.into()),
        search_include: parts.includes.into_iter().map(Into::into).collect(),
        search_rev_include: parts.reverse_includes.into_iter().map(Into::into).collect(),
        search_param: parts.search_parameters.into_iter().map(search_parameter).collect(),
        operation: parts.operations.into_iter().map(operation).collect(),
        ..Default::default()
    }
}

fn search_parameter(parts: SearchParameterParts) -> CapabilityStatementRestResourceSearchParam {
    CapabilityStatementRestResourceSearchParam {
        name: parts.name.into(),
        definition: parts.definition.map(Into::into),
        r#type: parts.kind.into(),
        ..Default::default()
    }
}

fn operation(parts: OperationParts) -> CapabilityStatementRestResourceOperation {
    CapabilityStatementRestResourceOperation {
        name: parts.name.into(),
        definition: parts.definition.into(),
        documentation: Some(parts.documentation.into()),
        ..Default::default()
    }
}
