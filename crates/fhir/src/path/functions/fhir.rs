//! What FHIR adds to FHIRPath (R4 "FHIRPath", additional functions).

use std::borrow::Cow;

use super::super::ast::NodeId;
use super::super::evaluation::{Answer, Evaluation, Frame, maybe, one};
use super::super::fault::Fault;
use super::super::item::{Item, Node, NodeType, PlaceId};
use super::super::typing;
use super::function::{Call, Function, argument};
use crate::json::Value;
use crate::literal;
use crate::schema::{is_narrative, r4};

/// Where the definitions of R4's own types lie.
const DEFINITIONS: &str = "http://hl7.org/fhir/StructureDefinition/";

pub(super) static FUNCTIONS: &[Function] = &[
    Function::of("extension", 1, extension),
    Function::of("hasExtension", 1, |evaluation, input, values| {
        Ok(vec![(!extension(evaluation, input, values)?.is_empty()).into()])
    }),
    Function::plain("hasValue", |_, input| Ok(vec![(input.len() == 1 && input.iter().all(has_value)).into()])),
    Function::plain("getValue", |_, input| match input.as_slice() {
        [Item::Node(node)] => maybe(node.system()),
        [value @ Item::System(_)] => Ok(vec![value.clone()]),
        _ => Ok(Vec::new()),
    }),
    Function::plain("resolve", |evaluation, input| {
        let mut found = Vec::new();
        for item in &input {
            // What is contained and what else the Bundle has is searched for it.
            let listed = |value: Option<&Value<'_>>, name: &str| value.map_or(0, |value| value.list(name).len());
            let contained = listed(evaluation.context.root.value, "contained");
            evaluation.spend(1 + (contained + listed(evaluation.context.bundle, "entry")) / 4)?;
            found.extend(resolved(evaluation, item));
        }
        Ok(found)
    }),
    Function::of("memberOf", 1, |evaluation, input, values| {
        let (Some(item), Some(value_set)) = (one(&input)?, evaluation.text(argument(values))?) else {
            return Ok(Vec::new());
        };
        let answer = evaluation.context.outside.and_then(|outside| outside.member_of(item, &value_set));
        known(answer, || format!("the value set {value_set} is not known here"))
    }),
    Function::of("conformsTo", 1, |evaluation, input, values| {
        let (Some(item), Some(profile)) = (one(&input)?, evaluation.text(argument(values))?) else {
            return Ok(Vec::new());
        };
        let answer = match profile.strip_prefix(DEFINITIONS).filter(|name| r4().named(name).is_some()) {
            Some(name) => Some(item.as_node().is_some_and(|node| typing::is_a(node, name))),
            None => evaluation.context.outside.and_then(|outside| outside.conforms_to(item, &profile)),
        };
        known(answer, || format!("the profile {profile} is not known here"))
    }),
    Function::of("subsumes", 1, |evaluation, input, values| subsumes(evaluation, &input, argument(values))),
    Function::of("subsumedBy", 1, |evaluation, input, values| subsumes(evaluation, argument(values), &input)),
    Function::plain("htmlChecks", |evaluation, input| {
        evaluation.spend_on_reading(&input)?;
        let Some(item) = one(&input)? else { return Ok(Vec::new()) };
        maybe(item.as_text().map(|text| is_narrative(&text)))
    }),
    Function::plain("elementDefinition", |_, _| Err(Fault::unknown("elementDefinition() is not answered here"))),
    Function::of("slice", 2, |_, _, _| Err(Fault::unknown("slice() is not answered here"))),
    Function::new("checkModifiers", 0, 64, Call::Values(check_modifiers)),
    Function::new("type", 0, 0, Call::Own(type_of)),
];

fn has_value(item: &Item<'_>) -> bool {
    match item {
        Item::Node(node) => node.is_primitive() && node.value.is_some(),
        Item::System(_) => true,
        Item::Type(..) => false,
    }
}

/// An answer that somebody has to know.
fn known<'a>(answer: Option<bool>, unknown: impl FnOnce() -> String) -> Answer<'a> {
    match answer {
        Some(answer) => Ok(vec![answer.into()]),
        None => Err(Fault::unknown(unknown())),
    }
}

fn extension<'a>(evaluation: &mut Evaluation<'a>, input: Vec<Item<'a>>, values: &[Vec<Item<'a>>]) -> Answer<'a> {
    let Some(url) = evaluation.text(argument(values))? else { return Ok(Vec::new()) };
    let mut all = Vec::new();
    for item in input.iter().filter(|item| matches!(item, Item::Node(_))) {
        evaluation.member(item, "extension", &mut all)?;
    }
    let is_it = |item: &Item<'a>| {
        item.as_node().and_then(|node| node.value).and_then(|value| value.text("url")) == Some(url.as_ref())
    };
    Ok(all.into_iter().filter(is_it).collect())
}

fn type_of<'a>(_: &mut Evaluation<'a>, input: Vec<Item<'a>>, _: &[NodeId], _: &Frame<'_, 'a>) -> Answer<'a> {
    let named = |item: &Item<'a>| {
        let (namespace, name) = item.type_name();
        Item::Type(namespace, Cow::Borrowed(name))
    };
    Ok(input.iter().map(named).collect())
}

/// What a Reference or an address means: a contained resource, an entry of the Bundle, or what is known outside.
fn resolved<'a>(evaluation: &Evaluation<'a>, item: &Item<'a>) -> Option<Item<'a>> {
    let reference: Cow<'a, str> = match item.as_text() {
        Some(text) => text,
        None => Cow::Borrowed(item.as_node()?.value?.text("reference")?),
    };
    let resource = |value: &'a Value<'a>| Item::Node(Node { place: PlaceId::ELSEWHERE, ..Node::resource(value) });
    let root = evaluation.context.root.value?;
    if let Some(id) = reference.strip_prefix('#') {
        if id.is_empty() {
            return Some(resource(root));
        }
        return root.list("contained").iter().find(|contained| contained.text("id") == Some(id)).map(resource);
    }
    if let Some(found) = evaluation.context.bundle.and_then(|bundle| in_bundle(bundle, root, &reference)) {
        return Some(resource(found));
    }
    if let Some(found) = evaluation.context.outside.and_then(|outside| outside.resolve(&reference)) {
        return Some(resource(found));
    }
    // Nobody knows it, but a reference says which type it is of.
    let named = literal::named_type(&reference)?;
    let of_type = NodeType::Shape(r4().resource(named)?);
    Some(Item::Node(Node { value: None, beside: None, of_type, place: PlaceId::ELSEWHERE }))
}

/// The entry of a Bundle that a reference means (R4 "Bundle", resolving references): by its full URL, which a relative
/// reference follows from that of the resource that it stands in.
fn in_bundle<'a>(bundle: &'a Value<'a>, root: &Value<'a>, reference: &str) -> Option<&'a Value<'a>> {
    let entries = bundle.list("entry");
    let by_url = |url: &str| {
        entries.iter().find(|entry| entry.text("fullUrl") == Some(url)).and_then(|entry| entry.get("resource"))
    };
    let reference = reference.split("/_history/").next().unwrap_or(reference);
    if reference.contains(':') {
        return by_url(reference);
    }
    let own = entries.iter().find(|entry| {
        entry.get("resource").is_some_and(|resource| {
            resource.text("id") == root.text("id") && resource.text("resourceType") == root.text("resourceType")
        })
    });
    let own = own.and_then(|entry| entry.text("fullUrl")).filter(|url| url.starts_with("http"));
    if let Some(base) = own.and_then(|url| url.rsplitn(3, '/').nth(2)) {
        return by_url(&format!("{base}/{reference}"));
    }
    let (resource_type, id) = reference.split_once('/')?;
    entries
        .iter()
        .filter_map(|entry| entry.get("resource"))
        .find(|resource| resource.text("resourceType") == Some(resource_type) && resource.text("id") == Some(id))
}

fn subsumes<'a>(evaluation: &mut Evaluation<'a>, above: &[Item<'a>], below: &[Item<'a>]) -> Answer<'a> {
    let (Some(above), Some(below)) = (one(above)?, one(below)?) else { return Ok(Vec::new()) };
    let answer = evaluation.context.outside.and_then(|outside| outside.subsumes(above, below));
    known(answer, || "whether one code is above another is not known here".to_owned())
}

/// Passes the items on, unless one has a modifier extension that is not among those that are named.
fn check_modifiers<'a>(evaluation: &mut Evaluation<'a>, input: Vec<Item<'a>>, values: &[Vec<Item<'a>>]) -> Answer<'a> {
    let mut allowed = Vec::new();
    for value in values {
        allowed.extend(evaluation.text(value)?);
    }
    for item in &input {
        let mut modifiers = Vec::new();
        let has_any =
            item.as_node().and_then(|node| node.value).is_some_and(|value| value.get("modifierExtension").is_some());
        if has_any {
            evaluation.member(item, "modifierExtension", &mut modifiers)?;
        }
        for modifier in &modifiers {
            let url = modifier.as_node().and_then(|node| node.value).and_then(|value| value.text("url"));
            if !url.is_some_and(|url| allowed.iter().any(|other| other == url)) {
                return Err(Fault::wrong(format!("there is a modifier extension {}", url.unwrap_or("without a url"))));
            }
        }
    }
    Ok(input)
}
