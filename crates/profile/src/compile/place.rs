//! Where in the tree of elements a definition says something: from ids, or from paths and the names of slices.

use std::borrow::Cow;
use std::collections::BTreeMap;

use concord_fhir::schema::{ElementType, Shape};

use crate::definition::{Definition, ElementDefinition, TypeRule};

/// The slices that are being described, by the path of their element.
#[derive(Debug, Default)]
pub(super) struct OpenSlices(BTreeMap<String, String>);

/// Whether the ids of a definition say to which slice each element belongs: they follow the paths, and say of the
/// beginning of a slice which it is.
pub(super) fn has_ids(definition: &Definition) -> bool {
    definition.elements.iter().all(|element| {
        let mut last = None;
        let mut parts = element.path.split('.');
        for segment in element.id.split('.') {
            let (name, slice) = segment.split_once(':').map_or((segment, None), |(name, slice)| (name, Some(slice)));
            let Some(part) = parts.next() else { return false };
            let is_typed = name.strip_suffix("[x]").is_some_and(|stem| part.starts_with(stem));
            if part != name && !is_typed && last.is_some() {
                return false;
            }
            last = Some(slice);
        }
        let named = element.slice.as_deref().is_none_or(|slice| last.flatten() == Some(slice));
        parts.next().is_none() && named
    })
}

/// The way from the root to an element: at each step the name and the slices that are gone into.
pub(super) fn segments(
    element: &ElementDefinition,
    ids: bool,
    open: &mut OpenSlices,
) -> Result<Vec<(String, Vec<String>)>, String> {
    let split = |slice: &str| slice.split('/').map(str::to_owned).collect::<Vec<_>>();
    if ids {
        let segments = element.id.split('.').skip(1).map(|segment| match segment.split_once(':') {
            Some((name, slice)) => (name.to_owned(), split(slice)),
            None => (segment.to_owned(), Vec::new()),
        });
        return Ok(segments.collect());
    }
    // What was described below this element, or of another slice of it, is over.
    let path = element.path.as_str();
    let below = |other: &String| other.strip_prefix(path).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'));
    open.0.retain(|other, _| !below(other));
    if let Some(slice) = &element.slice {
        open.0.insert(path.to_owned(), slice.clone());
    }
    let mut segments = Vec::new();
    let mut at = String::new();
    for (position, name) in path.split('.').enumerate() {
        if position > 0 {
            at.push('.');
        }
        at.push_str(name);
        if position > 0 {
            segments.push((name.to_owned(), open.0.get(&at).map(|slice| split(slice)).unwrap_or_default()));
        }
    }
    Ok(segments)
}

/// An element as it is named in a path.
pub(super) struct Named {
    /// Its name, without `[x]`.
    pub(super) name: Cow<'static, str>,
    /// As it is written in ids.
    pub(super) written: String,
    pub(super) is_choice: bool,
    /// The types that it may have here.
    pub(super) types: Vec<&'static ElementType>,
    /// The type that the name ends with, if it is written so.
    pub(super) typed: Option<&'static ElementType>,
}

/// The element of that name in one of the shapes, `value[x]` and `valueQuantity` for a choice.
pub(super) fn element(shapes: &[&'static Shape], name: &str) -> Result<Named, String> {
    let stem = name.strip_suffix("[x]").unwrap_or(name);
    for shape in shapes {
        if let Some(element) = shape.element(stem) {
            return Ok(Named {
                name: element.name.clone(),
                written: element.defined_name().into_owned(),
                is_choice: element.is_choice,
                types: element.types.iter().collect(),
                typed: None,
            });
        }
        if let Some(found) = shape.member(name).filter(|found| found.element.is_choice && !found.beside) {
            return Ok(Named {
                name: found.element.name.clone(),
                written: name.to_owned(),
                is_choice: true,
                types: vec![found.of_type],
                typed: Some(found.of_type),
            });
        }
    }
    if shapes.is_empty() {
        // Any resource: its elements are known only where one stands.
        return Ok(Named {
            name: stem.to_owned().into(),
            written: name.to_owned(),
            is_choice: stem != name,
            types: Vec::new(),
            typed: None,
        });
    }
    let of: Vec<_> = shapes.iter().take(3).map(|shape| shape.name.as_ref()).collect();
    Err(format!("'{name}' is no element of {}", of.join(" or ")))
}

/// The type that the name of a slice of a choice ends with, as `valueQuantity`.
pub(super) fn type_in_name(named: &Named, slice: &str) -> Option<TypeRule> {
    let rest = slice.strip_prefix(named.name.as_ref())?;
    let found = named.types.iter().find(|of_type| of_type.name.eq_ignore_ascii_case(rest))?;
    Some(TypeRule { code: found.name.to_string(), ..TypeRule::default() })
}
