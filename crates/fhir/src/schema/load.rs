//! Reads the committed tables, `elements.txt` and `bindings.txt`, into their compiled form.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::sync::LazyLock;

use super::primitive::Primitive;
use super::table::{Binding, BindingId, Element, ElementType, Schema, Shape, ShapeId, Special, TypeKind};
use crate::registry::ResourceType;

const ELEMENTS: &str = include_str!("elements.txt");
const BINDINGS: &str = include_str!("bindings.txt");

/// The elements of R4. Compiled once, on first use, in a few milliseconds.
static R4: LazyLock<Schema> = LazyLock::new(compile);

/// The elements of R4 (4.0.1), without any profile.
#[must_use]
pub fn r4() -> &'static Schema {
    &R4
}

/// The schema of the committed tables. A table that could not be read would be an error of the build, which the tests find;
/// it would leave no type known, and so nothing would be accepted.
pub(super) fn compile() -> Schema {
    read(ELEMENTS, BINDINGS).unwrap_or_default()
}

/// A shape as it stands in the table: its base's elements are not with it yet.
struct Draft {
    kind: &'static str,
    base: &'static str,
    lines: Vec<&'static str>,
}

/// Reads both tables.
///
/// # Errors
/// The first thing that is not as the tables' headers say.
fn read(elements: &'static str, bindings: &'static str) -> Result<Schema, String> {
    let (bindings, binding_ids) = read_bindings(bindings)?;
    let drafts = read_drafts(elements)?;
    let mut ids = HashMap::with_capacity(drafts.len());
    for (position, name) in drafts.keys().enumerate() {
        ids.insert(*name, ShapeId(u16::try_from(position).map_err(|_| "too many shapes")?));
    }
    let names = Names { shapes: &ids, bindings: &binding_ids };
    let mut shapes = Vec::with_capacity(drafts.len());
    for (name, draft) in &drafts {
        let mut elements = Vec::new();
        gather(name, draft, &drafts, &names, &mut elements)?;
        let mut shape = Shape {
            name: Cow::Borrowed(name),
            base: Cow::Borrowed(draft.base),
            is_resource: draft.kind == "resource",
            elements,
            special: special(name),
            id: names.shape(name)?,
            required: 0,
            members: Vec::new(),
            slots: Vec::new(),
        };
        shape.compile()?;
        shapes.push(shape);
    }
    let resources = ResourceType::all().map(|resource| names.shape(resource.name())).collect::<Result<_, _>>()?;
    Ok(Schema { shapes, resources, bindings, primitive_parts: names.shape("Element")? })
}

fn special(name: &str) -> Special {
    match name {
        "Reference" => Special::Reference,
        "Extension" => Special::Extension,
        "CodeableConcept" => Special::CodeableConcept,
        "Attachment" => Special::Attachment,
        "CodeSystem" => Special::CodeSystem,
        _ => Special::None,
    }
}

type Bindings = (Vec<Binding>, HashMap<&'static str, BindingId>);

fn read_bindings(table: &'static str) -> Result<Bindings, String> {
    let mut bindings: Vec<Binding> = Vec::new();
    let mut ids = HashMap::new();
    for line in table.lines().filter(|line| !line.starts_with('#')) {
        let mut cells = line.split('\t');
        let (Some(name), Some(system)) = (cells.next(), cells.next()) else {
            return Err(format!("a code list has no system: {line}"));
        };
        let codes = cells.map(Cow::Borrowed).collect();
        if bindings.last().is_none_or(|last| last.name != name) {
            let id = u16::try_from(bindings.len()).map_err(|_| "too many code lists")?;
            ids.insert(name, BindingId(id));
            bindings.push(Binding { name: Cow::Borrowed(name), systems: Vec::new() });
        }
        if let Some(binding) = bindings.last_mut() {
            binding.systems.push((Cow::Borrowed(system), codes));
        }
    }
    Ok((bindings, ids))
}

fn read_drafts(table: &'static str) -> Result<BTreeMap<&'static str, Draft>, String> {
    let mut drafts: BTreeMap<&str, Draft> = BTreeMap::new();
    let mut current = "";
    for line in table.lines().filter(|line| !line.starts_with('#')) {
        if let Some(element) = line.strip_prefix(' ') {
            let draft = drafts.get_mut(current).ok_or("an element stands before any shape")?;
            draft.lines.push(element);
        } else {
            let mut cells = line.split(' ');
            let (Some(name), Some(kind), Some(base)) = (cells.next(), cells.next(), cells.next()) else {
                return Err(format!("a shape is not NAME KIND BASE: {line}"));
            };
            drafts.insert(name, Draft { kind, base, lines: Vec::new() });
            current = name;
        }
    }
    Ok(drafts)
}

/// Puts the elements of the base first, then the shape's own; one of a name that the base has replaces it in its place.
fn gather(
    name: &'static str,
    draft: &Draft,
    drafts: &BTreeMap<&'static str, Draft>,
    names: &Names<'_>,
    elements: &mut Vec<Element>,
) -> Result<(), String> {
    if let Some((base, base_draft)) = drafts.get_key_value(draft.base) {
        gather(base, base_draft, drafts, names, elements)?;
    }
    for line in &draft.lines {
        let element = element(name, line, names)?;
        match elements.iter_mut().find(|other| other.name == element.name) {
            Some(inherited) => *inherited = element,
            None => elements.push(element),
        }
    }
    Ok(())
}

/// What names in the table stand for.
struct Names<'n> {
    shapes: &'n HashMap<&'static str, ShapeId>,
    bindings: &'n HashMap<&'static str, BindingId>,
}

impl Names<'_> {
    fn shape(&self, name: &str) -> Result<ShapeId, String> {
        self.shapes.get(name).copied().ok_or_else(|| format!("there is no shape '{name}'"))
    }
}

fn element(shape: &'static str, line: &'static str, names: &Names<'_>) -> Result<Element, String> {
    let wrong = || format!("an element of {shape} is not NAME MIN MAX TYPES FLAGS: {line}");
    let mut cells = line.split(' ');
    let (Some(name), Some(min), Some(max), Some(types), Some(flags)) =
        (cells.next(), cells.next(), cells.next(), cells.next(), cells.next())
    else {
        return Err(wrong());
    };
    let max = if max == "*" { None } else { Some(max.parse().map_err(|_| wrong())?) };
    let (types, binding) = match types.rsplit_once('!') {
        Some((types, binding)) => {
            let id = names.bindings.get(binding).copied();
            (types, Some(id.ok_or_else(|| format!("there is no code list '{binding}'"))?))
        }
        None => (types, None),
    };
    let types =
        types.split('|').map(|text| element_type(shape, name, text, binding, names)).collect::<Result<_, _>>()?;
    Ok(Element {
        name: Cow::Borrowed(name.trim_end_matches("[x]")),
        min: min.parse().map_err(|_| wrong())?,
        max,
        is_list: max != Some(1),
        is_choice: name.ends_with("[x]"),
        in_summary: flags.contains('s'),
        is_modifier: flags.contains('m'),
        is_attribute: flags.contains('a'),
        types,
    })
}

fn element_type(
    shape: &str,
    element: &str,
    text: &'static str,
    binding: Option<BindingId>,
    names: &Names<'_>,
) -> Result<ElementType, String> {
    let (name, targets) = match text.strip_suffix(')').and_then(|text| text.split_once('(')) {
        Some((name, targets)) => (name, targets),
        None => (text, ""),
    };
    let name: Cow<'static, str> = match name {
        "." => Cow::Owned(format!("{shape}.{element}")),
        name => Cow::Borrowed(name.strip_prefix('@').unwrap_or(name)),
    };
    let kind = if name == "Resource" {
        TypeKind::Resource
    } else if let Some(primitive) = Primitive::parse(&name) {
        TypeKind::Primitive(primitive)
    } else {
        TypeKind::Shape(names.shape(&name)?)
    };
    let targets = targets.split(',').filter_map(ResourceType::parse).collect();
    Ok(ElementType { name, kind, targets, binding })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_committed_tables_are_read_whole() {
        let schema = read(ELEMENTS, BINDINGS).unwrap();
        let shapes = ELEMENTS.lines().filter(|line| !line.starts_with(['#', ' '])).count();
        assert_eq!(schema.shapes.len(), shapes);
        assert!(schema.shapes.is_sorted_by(|a, b| a.name < b.name));
        for binding in &schema.bindings {
            for (_, codes) in &binding.systems {
                assert!(codes.is_sorted() && !codes.is_empty(), "{}", binding.name);
            }
        }
        // Every target that the table names is a resource type; a profile as a target would be lost unseen.
        for line in ELEMENTS.lines().filter(|line| !line.starts_with('#')) {
            for targets in line.split('(').skip(1).filter_map(|rest| rest.split(')').next()) {
                assert!(targets.split(',').all(|name| ResourceType::parse(name).is_some()), "{line}");
            }
        }
    }

    #[test]
    fn a_damaged_table_is_refused() {
        for damaged in [
            " a 0 1 string -",
            "A type",
            "A type -\n a 0 1 string",
            "A type -\n a x 1 string -",
            "A type -\n a 0 1 Nothing -",
            "A type -\n a 0 1 code!none -",
        ] {
            assert!(read(damaged, "").is_err(), "{damaged}");
        }
    }
}
