//! Makes the compiled form of a definition: what it starts from, and over that what it says itself.

mod inherit;
mod place;
mod steps;

use std::sync::Arc;

use concord_fhir::issue::{Issue, IssueCode};
use concord_fhir::path::{Expression, Patterns};
use concord_fhir::schema::{ElementType, Primitive, Shape, TypeKind, r4};

use crate::definition::{
    Constraint, Definition, Discriminator, DiscriminatorKind, ElementDefinition, Openness, Rules, Slicing, TypeRule,
    ValueRule,
};
use crate::node::{Node, Profile, Step, Way};
use crate::value::is_fixed;

/// How many definitions may stand between a profile and the type that it constrains.
pub(crate) const MOST_BASES: usize = 20;
/// How many elements and slices a profile may say something about, with all that it starts from.
const MOST_NODES: usize = 10_000;
/// How deep its elements may be nested.
const DEEPEST: usize = 40;

/// Who knows definitions, by canonical.
pub(crate) type Find<'l> = dyn Fn(&str) -> Option<&'l Definition> + 'l;

/// Compiles a definition.
///
/// # Errors
/// Why it cannot be used, with the place in the StructureDefinition.
pub(crate) fn compile<'l>(find: &Find<'l>, definition: &'l Definition) -> Result<Profile, Issue> {
    let chain = chain(find, definition)?;
    let mut root = Node { id: definition.type_name.clone(), ..Node::default() };
    let Some(shape) = shape_of_any(&definition.type_name) else {
        let said = format!("'{}' is no type of R4 that can be constrained", definition.type_name);
        return Err(Issue::error(IssueCode::NotSupported, "StructureDefinition.type", said));
    };
    let mut nodes = 0;
    for part in chain.iter().rev() {
        if part.type_name != definition.type_name && !is_abstract(&part.type_name) {
            let said = format!("the base {} constrains {}, not {}", part.url, part.type_name, definition.type_name);
            return Err(Issue::error(IssueCode::Invalid, "StructureDefinition.baseDefinition", said));
        }
        let ids = place::has_ids(part);
        let mut open = place::OpenSlices::default();
        for (position, element) in part.elements.iter().enumerate() {
            nodes += 1;
            let said = if nodes > MOST_NODES {
                Err(format!("a profile may say something of {MOST_NODES} elements with what it starts from"))
            } else {
                place::segments(element, ids, &mut open)
                    .and_then(|segments| apply(&mut root, shape, &segments, element))
            };
            said.map_err(|said| {
                let whose = if part.url == definition.url { String::new() } else { format!(" (in {})", part.url) };
                let place = format!("StructureDefinition.differential.element[{position}]");
                Issue::error(IssueCode::Invalid, place, format!("{}: {said}{whose}", shown(element)))
            })?;
        }
    }
    inherit::into_slices(&mut root);
    finish(&mut root, &mut Patterns::of_one_definition()).map_err(|(id, said)| {
        Issue::error(IssueCode::Invalid, "StructureDefinition.differential", format!("{id}: {said}"))
    })?;
    Ok(Profile {
        url: definition.url.clone(),
        type_name: definition.type_name.clone(),
        contexts: definition.contexts.clone(),
        is_modifier: root.rules.is_modifier,
        root,
    })
}

fn shown(element: &ElementDefinition) -> &str {
    if element.id.is_empty() { &element.path } else { &element.id }
}

/// The types that have no resources or values of their own.
fn is_abstract(type_name: &str) -> bool {
    matches!(type_name, "Resource" | "DomainResource" | "Element" | "BackboneElement")
}

/// The definition and those that it starts from, itself first, without the type at the end.
fn chain<'l>(find: &Find<'l>, definition: &'l Definition) -> Result<Vec<&'l Definition>, Issue> {
    let refused = |code, said| Err(Issue::error(code, "StructureDefinition.baseDefinition", said));
    let mut chain = vec![definition];
    let mut last = definition;
    while !is_base(last) {
        let Some(base) = find(&last.base) else {
            // One that is not in use yet is not found by its own url.
            if last.base.split(['|', '#']).next() == Some(definition.url.as_str()) {
                return refused(IssueCode::Invalid, format!("{} starts from itself", definition.url));
            }
            return refused(IssueCode::NotFound, format!("the base {} is not known here", last.base));
        };
        if chain.iter().any(|known| known.url == base.url && known.version == base.version) {
            return refused(IssueCode::Invalid, format!("{} starts from itself", base.url));
        }
        chain.push(base);
        if chain.len() > MOST_BASES {
            return refused(IssueCode::TooLong, format!("it starts from more than {MOST_BASES} definitions"));
        }
        last = base;
    }
    Ok(chain)
}

/// Whether a definition starts from a type of R4 itself.
fn is_base(definition: &Definition) -> bool {
    let base = definition.base.split('|').next().unwrap_or_default();
    base.strip_prefix(crate::definition::R4)
        .is_some_and(|name| is_abstract(name) || (name == definition.type_name && shape_of_any(name).is_some()))
}

/// The shape of a resource type or data type.
pub(crate) fn shape_of_type(name: &str) -> Option<&'static Shape> {
    if name.contains('.') { None } else { r4().named(name) }
}

/// The shape of a type, of a primitive that of what it carries besides its value.
fn shape_of_any(name: &str) -> Option<&'static Shape> {
    let primitive = || Primitive::parse(name).and_then(|_| r4().primitive_parts());
    shape_of_type(name).or_else(primitive)
}

/// The shape of the inside of a value of a type.
fn shape_of(of_type: &ElementType) -> Option<&'static Shape> {
    match of_type.kind {
        TypeKind::Shape(id) => r4().shape(id),
        TypeKind::Primitive(_) => r4().primitive_parts(),
        TypeKind::Resource => None,
    }
}

/// Puts what a definition says of an element at its place in the tree.
fn apply(
    root: &mut Node,
    shape: &'static Shape,
    segments: &[(String, Vec<String>)],
    element: &ElementDefinition,
) -> Result<(), String> {
    if segments.len() > DEEPEST {
        return Err(format!("elements may be nested {DEEPEST} deep"));
    }
    let mut node = root;
    // Where the type is open, whatever is below it is found by its name alone.
    let mut shapes = vec![shape];
    let mut types: Vec<&'static ElementType> = Vec::new();
    for (name, slices) in segments {
        let step = place::element(&shapes, name)?;
        node = node.child(&step.name, &step.written).ok_or("it has too many elements")?;
        if step.name == "extension" || step.name == "modifierExtension" {
            node.rules.slicing.get_or_insert_with(|| by(DiscriminatorKind::Value, "url"));
        }
        shapes = step.types.iter().filter_map(|of_type| shape_of(of_type)).collect();
        if let Some(typed) = &step.typed {
            node.rules.slicing.get_or_insert_with(|| by(DiscriminatorKind::Type, "$this"));
            node = node.slice(&step.written).ok_or("it has too many slices")?;
            if node.rules.types.is_empty() {
                node.rules.types.push(TypeRule { code: typed.name.to_string(), ..TypeRule::default() });
            }
        }
        for slice in slices {
            if step.typed.as_ref().is_some_and(|_| *slice == step.written) {
                continue;
            }
            if node.rules.slicing.is_none() && step.is_choice {
                node.rules.slicing = Some(by(DiscriminatorKind::Type, "$this"));
            }
            node = node.slice(slice).ok_or("it has too many slices")?;
            if step.is_choice && node.rules.types.is_empty() {
                node.rules.types.extend(place::type_in_name(&step, slice));
            }
        }
        shapes = narrowed(node, shapes);
        types = step.types;
    }
    possible(&element.rules.types, &types, &node.rules.types)?;
    if let Some(slicing) = &element.rules.slicing {
        discriminated(slicing, &shapes)?;
    }
    merge(&mut node.rules, &element.rules, segments.is_empty())
}

/// Refuses types that an element never has, or that it has not in what the definition starts from.
fn possible(own: &[TypeRule], types: &[&'static ElementType], before: &[TypeRule]) -> Result<(), String> {
    let is_open = types.is_empty() || types.iter().any(|one| matches!(one.kind, TypeKind::Resource));
    // The ids of elements, and urls of extensions, are texts of FHIRPath's.
    let named = own.iter().filter(|rule| !is_open && !rule.code.starts_with("http://hl7.org/fhirpath/"));
    for rule in named {
        let of_rule = |one: &&&ElementType| rule.allows(&one.name);
        let is_before = |one: &&ElementType| before.is_empty() || before.iter().any(|other| other.allows(&one.name));
        let mut all = types.iter().filter(of_rule).peekable();
        if all.peek().is_none() {
            return Err(format!("it is never of type {}", rule.code));
        }
        if !all.any(is_before) {
            return Err(format!("it is not of type {} in what the definition starts from", rule.code));
        }
    }
    Ok(())
}

/// Whether what slices are told apart by begins with an element that is there.
fn discriminated(slicing: &Slicing, shapes: &[&'static Shape]) -> Result<(), String> {
    for discriminator in &slicing.discriminators {
        if let Some(Step::Element(name)) = steps::read(&discriminator.path)?.first() {
            place::element(shapes, name)?;
        }
    }
    Ok(())
}

fn by(kind: DiscriminatorKind, path: &str) -> Slicing {
    let discriminators = vec![Discriminator { kind, path: path.to_owned() }];
    Slicing { discriminators, ordered: false, openness: Openness::Open }
}

/// The shapes of the types that a node allows; those of the element where it says nothing.
fn narrowed(node: &Node, shapes: Vec<&'static Shape>) -> Vec<&'static Shape> {
    let own: Vec<_> = node.rules.types.iter().filter_map(|rule| shape_of_type(&rule.code)).collect();
    let still: Vec<_> = own.iter().copied().filter(|own| shapes.iter().any(|shape| shape.name == own.name)).collect();
    match (still.is_empty(), shapes.is_empty()) {
        (false, _) => still,
        // Any resource may stand here, and the profile says which.
        (true, true) => own,
        (true, false) => shapes,
    }
}

/// Puts what a definition says over what it starts from: the stricter of both.
fn merge(rules: &mut Rules, own: &Rules, is_root: bool) -> Result<(), String> {
    if !is_root {
        rules.min = rules.min.max(own.min);
        rules.max = match (rules.max, own.max) {
            (Some(one), Some(other)) => Some(one.min(other)),
            (one, other) => one.or(other),
        };
        if let (Some(min), Some(max)) = (rules.min, rules.max)
            && min > max
        {
            return Err(format!("at least {min} and at most {max} contradict each other"));
        }
        if !own.types.is_empty() {
            rules.types.clone_from(&own.types);
        }
    }
    for value in &own.values {
        if let ValueRule::Fixed(fixed) = value
            && rules.values.iter().any(|known| matches!(known, ValueRule::Fixed(before) if !is_fixed(fixed, before)))
        {
            return Err("it is fixed to another value than in what it starts from".to_owned());
        }
        // Where both say something both hold.
        if !rules.values.contains(value) {
            rules.values.push(value.clone());
        }
    }
    rules.min_length = rules.min_length.max(own.min_length);
    rules.max_length = match (rules.max_length, own.max_length) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    };
    if let Some(binding) = &own.binding
        && rules.binding.as_ref().is_none_or(|known| known.strength <= binding.strength)
    {
        rules.binding = Some(binding.clone());
    }
    rules
        .more_bindings
        .extend(own.more_bindings.iter().filter(|one| !rules.more_bindings.contains(one)).cloned().collect::<Vec<_>>());
    if own.value_or.is_some() {
        rules.value_or.clone_from(&own.value_or);
    }
    for constraint in &own.constraints {
        rules.constraints.retain(|known| known.key != constraint.key);
        rules.constraints.push(constraint.clone());
    }
    if own.slicing.is_some() {
        rules.slicing.clone_from(&own.slicing);
    }
    rules.is_modifier |= own.is_modifier;
    if own.content_reference.is_some() {
        rules.content_reference.clone_from(&own.content_reference);
    }
    Ok(())
}

/// Works out what is looked up later.
fn finish(node: &mut Node, patterns: &mut Patterns) -> Result<(), (String, String)> {
    node.ways.clear();
    let mut compiled = |constraint: &Constraint| {
        Expression::compile_with(&constraint.expression, patterns).map(Arc::new).map_err(|problem| problem.to_string())
    };
    node.expressions = node.rules.constraints.iter().map(&mut compiled).collect();
    if let Some(slicing) = &node.rules.slicing {
        for discriminator in &slicing.discriminators {
            let steps = steps::read(&discriminator.path).map_err(|said| (node.id.clone(), said))?;
            node.ways.push(Way { kind: discriminator.kind, steps });
        }
    } else if let [_] = node.slices.as_slice() {
        // A kind that nothing is told apart from: all items are of it.
        node.rules.slicing = Some(Slicing { discriminators: Vec::new(), ordered: false, openness: Openness::Open });
        node.slices.iter_mut().for_each(|slice| slice.name = crate::node::REST.to_owned());
    } else if !node.slices.is_empty() {
        let said = "it has slices, and nothing says how they are told apart";
        return Err((node.id.clone(), said.to_owned()));
    }
    let least: u32 = node.slices.iter().map(|slice| slice.node.rules.min.unwrap_or(0)).fold(0, u32::saturating_add);
    if let Some(max) = node.rules.max
        && least > max
    {
        return Err((node.id.clone(), format!("its slices ask for {least}, and at most {max} may be there")));
    }
    for slice in &mut node.slices {
        finish(&mut slice.node, patterns)?;
    }
    for child in &mut node.children {
        finish(child, patterns)?;
    }
    Ok(())
}
