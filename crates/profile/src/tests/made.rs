//! For every profile that ships: resources that are made to keep to it pass, and broken at one place they fail there.

use concord_fhir::issue::{IssueCode, Severity};
use concord_fhir::json::{Object, Value};
use concord_fhir::registry::ResourceType;
use concord_fhir::schema::{Element, ElementType, Primitive, Shape, TypeKind, r4};
use concord_terminology::library::Nothing;
use concord_terminology::{Library as Codes, MOST_EXPANDED};

use super::issues;
use crate::definition::{Openness, Strength, TypeRule, ValueRule};
use crate::library::Library;
use crate::node::{Node, REST};

/// How deep things are made that need not be there.
const DEEPEST_CHOICE: usize = 2;
/// How deep anything is made.
const DEEPEST: usize = 12;

/// A place in a resource, and how it is written.
#[derive(Clone, Debug)]
enum Step {
    Member(String),
    Item(usize),
}

/// A way to break what was made.
#[derive(Clone, Debug)]
struct Break {
    /// What holds the member.
    path: Vec<Step>,
    member: String,
    /// The item that is taken out, where others stay.
    item: Option<usize>,
    /// Whether the value is another then, or is not there.
    changes: bool,
    /// Where it is wrong then.
    place: String,
}

struct Maker<'m> {
    library: &'m Library,
    seed: u64,
    /// Whether it is in an item of a kind that need not be there: what is changed in it may make it one of another.
    is_free: bool,
    path: Vec<Step>,
    breaks: Vec<Break>,
}

fn text(value: &str) -> Value<'static> {
    Value::string(value.to_owned())
}

impl<'m> Maker<'m> {
    /// One of so many.
    fn any(&mut self, count: usize) -> usize {
        self.seed ^= self.seed << 13;
        self.seed ^= self.seed >> 7;
        self.seed ^= self.seed << 17;
        usize::try_from(self.seed % count.max(1) as u64).unwrap()
    }

    fn place(&self) -> String {
        self.path.iter().fold(String::new(), |place, step| match step {
            Step::Member(name) if place.is_empty() => name.clone(),
            Step::Member(name) => format!("{place}.{name}"),
            Step::Item(at) => format!("{place}[{at}]"),
        })
    }

    fn resource(&mut self, name: &str, nodes: &[&'m Node], depth: usize) -> Value<'static> {
        let shape = r4().resource(ResourceType::parse(name).unwrap()).unwrap();
        let mut object = self.object(shape, nodes, depth);
        object.0.insert(0, ("resourceType".into(), text(name)));
        Value::Object(object)
    }

    fn object(&mut self, shape: &'static Shape, nodes: &[&'m Node], depth: usize) -> Object<'static> {
        let mut object = Object::default();
        for element in &shape.elements {
            self.element(element, nodes, depth, &mut object);
        }
        object
    }

    /// Makes the items of an element: those that must be there, and now and then others.
    fn element(&mut self, element: &'static Element, nodes: &[&'m Node], depth: usize, object: &mut Object<'static>) {
        let own: Vec<&'m Node> = nodes.iter().filter_map(|node| node.find(&element.name)).collect();
        let least = own.iter().filter_map(|node| node.rules.min).max().unwrap_or(0);
        let most = own.iter().filter_map(|node| node.rules.max).chain(element.max).min().unwrap_or(u32::MAX);
        if most == 0 || depth > DEEPEST {
            return;
        }
        let mut kinds: Vec<(Vec<&'m Node>, bool)> = Vec::new();
        // What is said of a kind in several places is said of one kind.
        let mut slices: Vec<(&str, Vec<&'m Node>)> = Vec::new();
        for slice in own.iter().flat_map(|node| &node.slices).filter(|slice| slice.name != REST) {
            match slices.iter_mut().find(|(name, _)| *name == slice.name) {
                Some((_, nodes)) => nodes.push(&slice.node),
                None => slices.push((&slice.name, vec![&slice.node])),
            }
        }
        for (_, nodes) in slices {
            let must = nodes.iter().filter_map(|node| node.rules.min).max().unwrap_or(0);
            let may = depth <= DEEPEST_CHOICE && nodes.iter().all(|node| node.rules.max != Some(0)) && self.any(4) == 0;
            let with: Vec<&'m Node> = own.iter().copied().chain(nodes).collect();
            for _ in 0..must.max(u32::from(may)) {
                kinds.push((with.clone(), must > 0));
            }
        }
        let is_safe = element.types.iter().all(|one| matches!(one.kind, TypeKind::Primitive(_)))
            && !element.is_modifier
            && !element.is_attribute
            && element.name != "language";
        let chosen = own.is_empty() && is_safe && depth <= DEEPEST_CHOICE && self.any(6) == 0;
        // What says which value it has makes the item one of its kind.
        let is_said = own.iter().any(|node| says(node)) && depth > 0;
        let wanted = least.max(element.min).max(u32::from(chosen || is_said)) as usize;
        while kinds.len() < wanted {
            let closed = own
                .iter()
                .find(|node| node.rules.slicing.as_ref().is_some_and(|slicing| slicing.openness == Openness::Closed));
            let slice = closed.and_then(|node| node.slices.iter().find(|slice| slice.node.rules.max != Some(0)));
            kinds.push((own.iter().copied().chain(slice.map(|slice| &slice.node)).collect(), false));
        }
        // What need not be there goes first where there is too much.
        while kinds.len() > most as usize {
            let Some(at) = kinds.iter().position(|(_, must)| !must) else { break };
            kinds.remove(at);
        }
        if kinds.is_empty() {
            return;
        }
        self.items(element, &kinds, least > 0, depth, object);
    }

    fn items(
        &mut self,
        element: &'static Element,
        kinds: &[(Vec<&'m Node>, bool)],
        is_required: bool,
        depth: usize,
        object: &mut Object<'static>,
    ) {
        let mut made: Vec<(String, Value<'static>)> = Vec::new();
        let holder = self.path.clone();
        let here = format!("{}.{}", self.place(), element.name);
        let was_free = self.is_free;
        for (at, (nodes, must)) in kinds.iter().enumerate() {
            let in_slice = nodes.iter().any(|node| node.id.rsplit('.').next().is_some_and(|last| last.contains(':')));
            self.is_free = was_free || (in_slice && !must);
            let of_type = self.type_of(element, nodes);
            let member = if element.is_choice { typed(&element.name, &of_type.name) } else { element.name.to_string() };
            self.path.push(Step::Member(member.clone()));
            if element.is_list {
                self.path.push(Step::Item(at));
            }
            let value = self.value(of_type, nodes, depth + 1);
            let first = nodes.iter().flat_map(|node| &node.rules.values).next().filter(|_| !self.is_free);
            if let Some(ValueRule::Fixed(Value::String(_))) = first {
                let item = element.is_list.then_some(at);
                let place = self.place();
                self.breaks.push(Break { path: holder.clone(), member: member.clone(), item, changes: true, place });
            }
            self.path.clone_from(&holder);
            self.is_free = was_free;
            if *must && element.is_list && !was_free {
                let (item, place) = (Some(at), here.clone());
                self.breaks.push(Break { path: holder.clone(), member: member.clone(), item, changes: false, place });
            }
            made.push((member, value));
        }
        let member = made[0].0.clone();
        if is_required && !was_free {
            let (path, member) = (holder, member.clone());
            self.breaks.push(Break { path, member, item: None, changes: false, place: here });
        }
        let values: Vec<Value<'static>> = made.into_iter().map(|(_, value)| value).collect();
        let value = if element.is_list { Value::Array(values) } else { values.into_iter().next().unwrap() };
        object.set(member, value);
    }

    fn type_of(&mut self, element: &'static Element, nodes: &[&'m Node]) -> &'static ElementType {
        let allowed: Vec<&'static ElementType> = element
            .types
            .iter()
            .filter(|one| {
                nodes.iter().filter(|node| !node.rules.types.is_empty()).all(|node| {
                    matches!(one.kind, TypeKind::Resource) || node.rules.types.iter().any(|rule| rule.allows(&one.name))
                })
            })
            .collect();
        let at = self.any(allowed.len());
        allowed.get(at).copied().unwrap_or(&element.types[0])
    }

    fn value(&mut self, of_type: &'static ElementType, nodes: &[&'m Node], depth: usize) -> Value<'static> {
        let rules: Vec<&'m TypeRule> = nodes.iter().flat_map(|node| &node.rules.types).collect();
        let mut inner = nodes.to_vec();
        for rule in rules.iter().filter(|rule| matches!(of_type.kind, TypeKind::Resource) || rule.allows(&of_type.name))
        {
            if let Some(Ok(profile)) = rule.profiles.first().and_then(|canonical| self.library.profile(canonical)) {
                inner.push(&profile.root);
            }
        }
        let values: Vec<&'m ValueRule> = nodes.iter().chain(&inner).flat_map(|node| &node.rules.values).collect();
        if let Some(fixed) = values.iter().find_map(|rule| match rule {
            ValueRule::Fixed(fixed) => Some(fixed),
            _ => None,
        }) {
            return fixed.clone();
        }
        let mut made = match of_type.kind {
            TypeKind::Primitive(primitive) => self.primitive(primitive, of_type, nodes),
            TypeKind::Resource => {
                let named = rules.iter().flat_map(|rule| &rule.profiles).find_map(|one| self.library.find(one));
                let plain = rules.iter().map(|rule| rule.code.as_str()).find(|code| *code != "Resource");
                let name = named.map(|one| one.type_name.as_str()).or(plain).unwrap_or("Basic");
                self.resource(name, &inner, depth)
            }
            TypeKind::Shape(id) => {
                let shape = r4().shape(id).unwrap();
                let mut object = self.object(shape, &inner, depth);
                self.complete(shape, &inner, &rules, &mut object);
                Value::Object(object)
            }
        };
        for rule in values {
            if let ValueRule::Pattern(pattern) = rule {
                merge(&mut made, pattern);
            }
        }
        made
    }

    /// Puts something in what would be empty, and the codes that it has to have.
    fn complete(
        &mut self,
        shape: &'static Shape,
        nodes: &[&'m Node],
        rules: &[&'m TypeRule],
        object: &mut Object<'static>,
    ) {
        let bound = nodes.iter().flat_map(|node| &node.rules.binding).find(|one| one.strength == Strength::Required);
        if let Some(binding) = bound {
            let (system, code) = code_of(&binding.value_set).unwrap_or_else(|| unlisted(&binding.value_set));
            let coding = Value::object([("system", text(&system)), ("code", text(&code))]);
            match shape.name.as_ref() {
                "CodeableConcept" if object.get("coding").is_none() => object.set("coding", Value::Array(vec![coding])),
                "Coding" | "Quantity" if object.get("code").is_none() => {
                    object.set("code", text(&code));
                    if !nodes.iter().filter_map(|node| node.find("system")).any(says) {
                        object.set("system", text(&system));
                    }
                }
                _ => {}
            }
        }
        if shape.name == "Reference" {
            let known = rules.iter().flat_map(|rule| &rule.targets).next();
            let named = known.and_then(|target| {
                let base = crate::library::base_type(target).filter(|name| ResourceType::parse(name).is_some());
                base.map(str::to_owned).or_else(|| self.library.find(target).map(|one| one.type_name.clone()))
            });
            object.set("reference", text(&format!("{}/a", named.as_deref().unwrap_or("Patient"))));
        }
        if object.0.is_empty() {
            let preferred = ["text", "value", "display", "start", "system", "name"];
            let may = |element: &&Element| {
                matches!(element.types[0].kind, TypeKind::Primitive(_))
                    && nodes.iter().filter_map(|node| node.find(&element.name)).all(|node| node.rules.max != Some(0))
            };
            let mut all: Vec<&'static Element> = shape.elements.iter().filter(may).collect();
            all.sort_by_key(|element| preferred.iter().position(|name| element.name == *name).unwrap_or(99));
            if let Some(element) = all.into_iter().find(|element| element.name != "id") {
                let one = self.primitive_of(&element.types[0]);
                let one = if element.is_list { Value::Array(vec![one]) } else { one };
                let name = if element.is_choice {
                    typed(&element.name, &element.types[0].name)
                } else {
                    element.name.to_string()
                };
                object.set(name, one);
            }
        }
    }

    fn primitive(&mut self, primitive: Primitive, of_type: &'static ElementType, nodes: &[&'m Node]) -> Value<'static> {
        let bound = nodes.iter().flat_map(|node| &node.rules.binding).find(|one| one.strength == Strength::Required);
        match bound.and_then(|binding| code_of(&binding.value_set)) {
            Some((_, code)) if primitive == Primitive::Code => text(&code),
            _ => self.primitive_of(of_type),
        }
    }

    fn primitive_of(&mut self, of_type: &'static ElementType) -> Value<'static> {
        let listed = of_type.binding.and_then(|id| r4().binding(id)).and_then(|list| {
            let codes: Vec<&str> = list.systems.iter().flat_map(|(_, codes)| codes).map(AsRef::as_ref).collect();
            let at = self.any(codes.len());
            codes.get(at).map(|code| text(code))
        });
        let TypeKind::Primitive(primitive) = of_type.kind else { return Value::Null };
        let words = format!("words {}", self.any(1_000));
        listed.unwrap_or_else(|| match primitive {
            Primitive::Boolean => Value::Bool(true),
            Primitive::Integer | Primitive::PositiveInt | Primitive::UnsignedInt => Value::Number("3".into()),
            Primitive::Decimal => Value::Number("1.50".into()),
            Primitive::Date => text("2026-01-31"),
            Primitive::DateTime | Primitive::Instant => text("2026-01-31T10:00:00Z"),
            Primitive::Time => text("10:00:00"),
            Primitive::Base64Binary => text("YQ=="),
            Primitive::Code => text("a"),
            Primitive::Id | Primitive::ElementId => text("a-1"),
            Primitive::Oid => text("urn:oid:1.2.3"),
            Primitive::Uuid => text("urn:uuid:c757873d-ec9a-4326-a141-556f43239520"),
            Primitive::Uri | Primitive::Url | Primitive::Canonical => text("http://example.org/a"),
            Primitive::Xhtml => text("<div xmlns=\"http://www.w3.org/1999/xhtml\">a</div>"),
            Primitive::String | Primitive::Markdown => text(&words),
        })
    }
}

/// Whether something is said of the value of an element, or of what is in it.
fn says(node: &Node) -> bool {
    let is_value = |rule: &ValueRule| matches!(rule, ValueRule::Fixed(_) | ValueRule::Pattern(_));
    node.rules.max != Some(0) && (node.rules.values.iter().any(is_value) || node.children.iter().any(says))
}

fn typed(stem: &str, name: &str) -> String {
    let (first, rest) = name.split_at(1);
    format!("{stem}{}{rest}", first.to_uppercase())
}

/// A code of a value set that R4's own tables can list.
fn code_of(value_set: &str) -> Option<(String, String)> {
    let mut source = Nothing;
    let items = Codes::new(&mut source).expand_named(value_set).ok()?;
    let item = items.iter().take(MOST_EXPANDED).find(|item| !item.is_abstract)?;
    Some((item.system.to_string(), item.code.clone()))
}

/// A code that may be of a value set that nobody here can list: of a system that it takes codes from, where it is known.
fn unlisted(value_set: &str) -> (String, String) {
    let set = concord_terminology::tables::value_set(value_set);
    let part = set.as_ref().and_then(|set| set.include.first());
    let system = part.and_then(|part| part.system.clone()).unwrap_or_else(|| "http://example.org/codes".to_owned());
    let code = part.and_then(|part| part.listed.first()).map_or("a", |one| one.code.as_str());
    (system, code.to_owned())
}

/// Puts all that a pattern asks into a value.
fn merge(value: &mut Value<'static>, pattern: &Value<'static>) {
    match (value, pattern) {
        (Value::Object(own), Value::Object(wanted)) => {
            for (name, wanted) in &wanted.0 {
                match own.get_mut(name) {
                    Some(own) => merge(own, wanted),
                    None => own.set(name.clone(), wanted.clone()),
                }
            }
        }
        (Value::Array(own), Value::Array(wanted)) => {
            for (at, wanted) in wanted.iter().enumerate() {
                match own.get_mut(at) {
                    Some(own) => merge(own, wanted),
                    None => own.push(wanted.clone()),
                }
            }
        }
        (value, pattern) => *value = pattern.clone(),
    }
}

/// Breaks a resource at a place; whether there was anything to break.
fn destroy(resource: &mut Value<'static>, how: &Break) -> bool {
    let mut at = resource;
    for step in how.path.iter().skip(1) {
        let next = match (step, at) {
            (Step::Member(name), Value::Object(object)) => object.get_mut(name),
            (Step::Item(position), Value::Array(items)) => items.get_mut(*position),
            _ => None,
        };
        let Some(next) = next else { return false };
        at = next;
    }
    let Value::Object(holder) = at else { return false };
    match (how.changes, how.item, holder.get_mut(&how.member)) {
        (_, _, None) => return false,
        (true, None, Some(value)) => *value = text("something-else"),
        (true, Some(item), Some(Value::Array(items))) if items.len() > item => items[item] = text("something-else"),
        (false, Some(item), Some(Value::Array(items))) if items.len() > item && items.len() > 1 => {
            drop(items.remove(item))
        }
        _ => drop(holder.remove(&how.member)),
    }
    true
}

/// The errors but for those of expressions, which a resource is not made to keep to.
fn errors(library: &Library, canonical: &str, resource: &Value<'_>) -> Vec<String> {
    let is_error =
        |issue: &concord_fhir::issue::Issue| issue.severity >= Severity::Error && issue.code != IssueCode::Invariant;
    let found = issues(library, canonical, resource).into_iter().filter(is_error);
    found.map(|issue| format!("{}: {}", issue.expression.unwrap_or_default(), issue.text)).collect()
}

/// Whether an error is at a place, or where what stands there belongs.
fn is_at(error: &str, place: &str) -> bool {
    let at = error.split(": ").next().unwrap_or_default();
    let at = at.rsplit_once('[').filter(|(_, rest)| rest.ends_with(']')).map_or(at, |(at, _)| at);
    place.starts_with(at) || at.starts_with(place)
}

/// The profiles for which none is made, each with the reason.
const NOT_MADE: [(&str, &str); 5] = [
    ("http://hl7.org/fhir/StructureDefinition/cdshooksguidanceresponse", ELSEWHERE),
    ("http://hl7.org/fhir/StructureDefinition/servicerequest-genetics", ELSEWHERE),
    (
        "http://hl7.org/fhir/StructureDefinition/example-composition",
        "its sections are told apart by their codes, of which it says nothing",
    ),
    ("http://hl7.org/fhir/StructureDefinition/lipidprofile", "its results are told apart by what references lead to"),
    (
        "http://hl7.org/fhir/uv/ips/StructureDefinition/Bundle-uv-ips",
        "its entries are told apart by profiles with all their expressions; whole documents are judged by it in a test of their own",
    ),
];

/// R4 has an extension stand in one type, and a profile of its own ask for it in another.
const ELSEWHERE: &str = "it asks for an extension where that may not stand";

/// How many resources are made for each profile.
const ROUNDS: u64 = 4;

#[test]
#[expect(clippy::print_stdout, reason = "it says how many profiles that was about")]
fn what_is_made_for_a_profile_passes_and_broken_at_one_place_fails_there() {
    let library = Library::shipped();
    let (mut profiles, mut resources, mut broken) = (0, 0, 0);
    let mut wrong = Vec::new();
    for definition in library.definitions().filter(|one| ResourceType::parse(&one.type_name).is_some()) {
        let canonical = format!("{}|{}", definition.url, definition.version);
        let Some(Ok(profile)) = library.profile(&canonical) else { continue };
        if NOT_MADE.iter().any(|(url, reason)| *url == definition.url && !reason.is_empty()) {
            continue;
        }
        profiles += 1;
        for round in 1..=ROUNDS {
            let path = vec![Step::Member(profile.type_name.clone())];
            let is_free = false;
            let mut maker =
                Maker { library, is_free, seed: round.wrapping_mul(0x9E37_79B9_7F4A_7C15), path, breaks: Vec::new() };
            let made = maker.resource(&profile.type_name, &[&profile.root], 0);
            resources += 1;
            let found = errors(library, &canonical, &made);
            if !found.is_empty() {
                wrong.push(format!("{canonical} is not kept to: {found:?} {}", concord_fhir::json::to_string(&made)));
                break;
            }
            for how in &maker.breaks {
                let mut odd = made.clone();
                if !destroy(&mut odd, how) {
                    continue;
                }
                broken += 1;
                let found = errors(library, &canonical, &odd);
                if !found.iter().any(|error| is_at(error, &how.place)) {
                    wrong.push(format!("{canonical} says nothing of {}: {found:?} {how:?}", how.place));
                }
            }
        }
    }
    println!("{resources} resources for {profiles} profiles pass, and broken in {broken} places they fail there");
    assert!(wrong.is_empty(), "{} of {profiles}:\n{}", wrong.len(), wrong.join("\n"));
    assert!(profiles > 100 && broken > 1_000, "{profiles} {broken}");
}
