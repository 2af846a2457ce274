//! `Composition/$document` and `Bundle/$document`: a document that somebody else has composed (R4 "Composition-document"). Of
//! a Composition it is made from what there is now, as far as the caller may see it; one that is stored whole is shown as
//! it is.

use concord_fhir::issue::{Issue, IssueCode};
use concord_fhir::json::Value;
use concord_fhir::literal::Literal;
use concord_fhir::registry::ResourceType;
use concord_model::build;
use concord_store::lower::Rows;

use crate::error::ApiError;
use crate::interact::operation::collect::{self, ALONG, Held};
use crate::interact::operation::{Computing, Conduct, Input, Level, Operation, OperationTarget, Output, Parameter};
use crate::interact::session::Session;
use crate::interact::{access, instant, logical_id, read};

/// The type of documents that are stored whole.
const BUNDLE: ResourceType = ResourceType::of("Bundle");

/// `$document`
pub(super) const OPERATION: Operation = Operation {
    name: "$document",
    levels: &[Level::Type, Level::Instance],
    types: &["Bundle", "Composition"],
    conduct: Conduct::READS,
    computing: Computing::InProportion,
    description: "The document that a Composition makes, with what it refers to as far as the caller may see it; of a Bundle \
           that is a document, the document as it is stored. In JSON, XML and as a page.",
    definition: Some("http://hl7.org/fhir/OperationDefinition/Composition-document"),
    parameters: &[
        Parameter::optional("id", "uri", "Which one, if the address does not say"),
        Parameter::optional("persist", "boolean", "Documents made like this are not kept"),
    ],
    run,
};

fn run(session: &mut Session<'_, '_>, target: &OperationTarget, input: &Input) -> Result<Output, ApiError> {
    let named = target.resource_type.ok_or_else(|| ApiError::Internal("a document of no type".to_owned()))?;
    if input.text("persist").is_some_and(|wanted| wanted != "false") {
        return Err(ApiError::parameter("persist", "the document is not kept: store the Bundle that is answered"));
    }
    let id = id(session, named, target, input)?;
    session.audit.about(&id);
    let held = vec![Held::of(read::current(session, named, &id)?)?];
    let (value, held) = if named == BUNDLE { whole(held)? } else { composed(session, held)? };
    let disclosed: Vec<_> = held.iter().map(|held| (Rows::Current, &held.version)).collect();
    access::disclose(session, &disclosed, &[])?;
    Ok(Output::Value(value))
}

/// The id in the address, else the one that is asked for.
fn id(
    session: &Session<'_, '_>,
    named: ResourceType,
    target: &OperationTarget,
    input: &Input,
) -> Result<String, ApiError> {
    match (&target.id, input.text("id")) {
        (Some(id), None) => Ok(id.clone()),
        (Some(_), Some(_)) => Err(ApiError::parameter("id", "the address names it already")),
        (None, Some(text)) => match Literal::read(&text, &session.service.base) {
            Literal::Local(found, id) if found == named => Ok(id.to_owned()),
            Literal::Elsewhere(id) if !id.contains(['/', ':']) => Ok(id.to_owned()),
            _ => Err(ApiError::parameter("id", format!("the id of a {named} here"))),
        },
        (None, None) => Err(ApiError::parameter("id", "name it in the address, or by this parameter")),
    }
}

/// A document that is stored whole.
fn whole(mut held: Vec<Held>) -> Result<(Value<'static>, Vec<Held>), ApiError> {
    let value = held.first_mut().map(|held| std::mem::replace(&mut held.value, Value::Null)).unwrap_or(Value::Null);
    if value.text("type") != Some("document") {
        let text = "this Bundle is no document: its type says what it is";
        return Err(ApiError::Unprocessable(vec![Issue::error(IssueCode::BusinessRule, "Bundle.type", text)]));
    }
    Ok((value, held))
}

/// A Composition with everything that it refers to, and who, where and with what that names.
fn composed(session: &mut Session<'_, '_>, mut held: Vec<Held>) -> Result<(Value<'static>, Vec<Held>), ApiError> {
    collect::along(session, None, &mut held, &|round, named| round == 0 || ALONG.contains(&named.name()))?;
    let contents = collect::contents(&held);
    let base = session.service.base.clone();
    let mut entries = Vec::with_capacity(held.len());
    for one in &mut held {
        let mut value = std::mem::replace(&mut one.value, Value::Null);
        contents.cut(&mut value, &base);
        entries.push((one.address(&base), value));
    }
    let now = session.transaction.now;
    let bundle = build::stored_document(&logical_id::new_id(now), &instant(now), entries)?;
    Ok((bundle, held))
}
