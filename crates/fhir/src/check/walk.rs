//! The strict check: one walk over a resource, element by element, beside the element table.

use std::collections::HashSet;

use super::rules::{Bounds, MOST_STEPS, broken};
use super::{constraints, leniency, worded};
use crate::issue::{Issue, IssueCode};
use crate::json::{Limits, Object, Value};
use crate::path::Fault;
use crate::pieces;
use crate::resource_type::ResourceType;
use crate::schema::element_path::ElementPath;
use crate::schema::problems::{Problems, kind_of, shown};
use crate::schema::{ElementType, Found, Primitive, Schema, Shape, Special, TypeKind, r4};

/// Checks a resource against the element table of R4 in one pass, and names its type.
///
/// # Errors
/// Every problem that was found (up to 1,000), each with its place. [`IssueCode::Structure`] says that the JSON is not
/// that of a resource (wrong JSON type, list for single, null, empty list or object, no or unknown `resourceType`); the other
/// codes say that a rule of FHIR is broken: [`IssueCode::Required`], [`IssueCode::Value`], [`IssueCode::CodeInvalid`],
/// [`IssueCode::Invariant`], and [`IssueCode::Invalid`] for unknown elements and a second choice.
pub fn check(value: &Value<'_>, limits: &Limits) -> Result<ResourceType, Vec<Issue>> {
    check_within(value, limits, MOST_STEPS).0
}

/// The same where the rules may take so many steps together: with how many of them are left, if they were enough.
pub(crate) fn check_within(
    value: &Value<'_>,
    limits: &Limits,
    steps: usize,
) -> (Result<ResourceType, Vec<Issue>>, Option<usize>) {
    let mut walk = Walk::new(limits, steps);
    let checked = checked(value, &mut walk)
        .map_err(|(resource_type, mut issues)| {
            issues.retain(|issue| !leniency::is_let_pass(value, issue));
            match resource_type {
                Some(resource_type) if issues.is_empty() => Ok(resource_type),
                _ => Err(issues),
            }
        })
        .or_else(|known| known);
    (checked, (!walk.are_spent).then_some(walk.left))
}

/// What the check lets pass of a resource that has passed it, because a national service writes so.
#[must_use]
pub fn strictly(value: &Value<'_>) -> Vec<Issue> {
    checked(value, &mut Walk::new(&Limits::default(), MOST_STEPS)).err().map(|(_, issues)| issues).unwrap_or_default()
}

/// The check without what is let pass.
fn checked(value: &Value<'_>, walk: &mut Walk) -> Result<ResourceType, (Option<ResourceType>, Vec<Issue>)> {
    if value.as_object().is_none() {
        let text = format!("a resource is a JSON object, not {}", kind_of(value));
        return Err((None, vec![Issue::plain(IssueCode::Structure, text)]));
    }
    let name = value.text("resourceType").unwrap_or("Resource");
    let place = ElementPath::root(name);
    let resource_type = walk.resource(value, &place, Within::default());
    match (resource_type, std::mem::take(&mut walk.problems).into_issues()) {
        (Some(resource_type), issues) if issues.is_empty() => Ok(resource_type),
        (resource_type, issues) => Err((resource_type, issues)),
    }
}

/// Checks the value of an element with elements of its own (`Bundle.entry`), which stands at a place.
pub(crate) fn check_element(shape: &str, value: &Value<'_>, place: &str, limits: &Limits) -> Vec<Issue> {
    let mut walk = Walk::new(limits, MOST_STEPS);
    let place = ElementPath::root(place);
    match (walk.schema.named(shape), value) {
        (Some(shape), Value::Object(object)) => walk.object(shape, value, object, &place, Within::default()),
        (_, other) => {
            let text = format!("a {shape} must be an object, not {}", kind_of(other));
            walk.problems.add(IssueCode::Structure, &place, text);
        }
    }
    walk.problems.into_issues()
}

/// What the walk is inside of.
#[derive(Clone, Copy, Default)]
pub(super) struct Within<'v> {
    /// Whether this is a contained resource.
    contained: bool,
    /// The ids, sorted, of the contained resources that a `#` reference may mean.
    pub(super) local: &'v [&'v str],
    /// The resource, and the one that contains it or itself: what rules are evaluated in.
    resource: Option<&'v Value<'v>>,
    pub(super) root: Option<&'v Value<'v>>,
}

pub(super) struct Walk {
    pub(super) schema: &'static Schema,
    pub(super) problems: Problems,
    depth: usize,
    deepest: usize,
    /// How many steps the rules may still take.
    left: usize,
    /// Whether a rule has needed more.
    are_spent: bool,
}

impl Walk {
    fn new(limits: &Limits, left: usize) -> Walk {
        let problems = Problems::default();
        Walk { schema: r4(), problems, depth: 0, deepest: limits.depth, left, are_spent: false }
    }

    /// Checks a resource at any depth, and names its type if that is known.
    fn resource(&mut self, value: &Value<'_>, place: &ElementPath<'_>, within: Within<'_>) -> Option<ResourceType> {
        let object = value.as_object()?;
        let name = match object.get("resourceType") {
            Some(Value::String(name)) => name,
            Some(other) => {
                let text = format!("'resourceType' must be a string, not {}", kind_of(other));
                self.problems.add(IssueCode::Structure, place, text);
                return None;
            }
            None => {
                self.problems.add(IssueCode::Structure, place, "'resourceType' is missing");
                return None;
            }
        };
        let resource_type = ResourceType::parse(name);
        let Some(shape) = resource_type.and_then(|known| self.schema.resource(known)) else {
            self.problems.add(IssueCode::Structure, place, format!("'{}' is not a resource type of R4", shown(name)));
            return None;
        };
        // A contained resource refers to its neighbours.
        let own = if within.contained { Vec::new() } else { local_ids(object) };
        let within = if within.contained {
            Within { resource: Some(value), ..within }
        } else {
            Within { local: &own, resource: Some(value), root: Some(value), ..within }
        };
        self.object(shape, value, object, place, within);
        self.twice_contained(object, place, &own);
        if within.contained {
            self.contained_rules(object, place);
        }
        resource_type
    }

    /// No two contained resources have one id: a reference could not tell them apart (R4 "References", contained).
    fn twice_contained(&mut self, object: &Object<'_>, place: &ElementPath<'_>, ids: &[&str]) {
        if ids.windows(2).all(|pair| pair.first() != pair.last()) {
            return;
        }
        let mut met = HashSet::new();
        let contained = object.get("contained").map_or(&[][..], Value::items);
        for (at, id) in contained.iter().enumerate().filter_map(|(at, one)| Some((at, one.text("id")?))) {
            if !met.insert(id) {
                let text = format!("two contained resources have the id '{}'", shown(id));
                let list = place.element("contained");
                self.problems.add(IssueCode::Value, &list.item(at).element("id"), text);
            }
        }
    }

    /// The rules for a resource inside another one (R4 "DomainResource", dom-2, dom-4 and dom-5).
    fn contained_rules(&mut self, object: &Object<'_>, place: &ElementPath<'_>) {
        if object.get("contained").is_some() {
            let place = place.element("contained");
            self.problems.add(IssueCode::Invariant, &place, "a contained resource contains no others (dom-2)");
        }
        let Some(Value::Object(meta)) = object.get("meta") else { return };
        for (name, rule) in [("versionId", "dom-4"), ("lastUpdated", "dom-4"), ("security", "dom-5")] {
            if meta.get(name).is_some() {
                let text = format!("a contained resource has no 'meta.{name}' ({rule})");
                self.problems.add(IssueCode::Invariant, &place.element("meta").element(name), text);
            }
        }
    }

    fn object(
        &mut self,
        shape: &'static Shape,
        value: &Value<'_>,
        object: &Object<'_>,
        place: &ElementPath<'_>,
        within: Within<'_>,
    ) {
        pieces::did(object.0.len());
        if object.0.is_empty() {
            self.problems.add(IssueCode::Structure, place, "an object must not be empty");
            return;
        }
        if self.depth >= self.deepest {
            let text = format!("nested deeper than {} levels", self.deepest);
            self.problems.add(IssueCode::TooLong, place, text);
            return;
        }
        self.depth += 1;
        let seen = self.members(shape, object, place, within);
        let missing = shape.required & !seen;
        if missing != 0 {
            self.missing(shape, missing, place);
        }
        if let [(only, _)] = object.0.as_slice()
            && only == "id"
            && !shape.is_resource
        {
            self.problems.add(IssueCode::Invariant, place, "an element has a value or children besides its id (ele-1)");
        }
        match shape.special {
            Special::None => {}
            Special::Reference => self.reference(object, place, within),
            Special::Extension => self.extension(shape, object, seen, place),
            Special::CodeableConcept => {}
            Special::Attachment => worded::attachment(object, place, &mut self.problems),
            Special::CodeSystem => worded::code_system(object, place, &mut self.problems),
        }
        self.rules(shape, value, seen, place, within);
        self.depth -= 1;
    }

    /// Checks the members of an object, and says which elements are there: a bit for each.
    fn members(&mut self, shape: &Shape, object: &Object<'_>, place: &ElementPath<'_>, within: Within<'_>) -> u128 {
        let mut seen: u128 = 0;
        for (name, value) in &object.0 {
            match shape.member(name) {
                Some(found) => {
                    let bit = 1_u128 << found.position;
                    if found.element.is_choice && seen & bit != 0 {
                        self.second_choice(shape, object, &found, name, place);
                    }
                    seen |= bit;
                    let plain = if found.beside { name.get(1..).unwrap_or(name) } else { name };
                    let here = place.element(plain);
                    if found.beside {
                        self.check_companion(&found, value, object.get(plain), &here, within);
                    } else {
                        self.member(&found, value, object, &here, within);
                    }
                }
                None if shape.is_resource && name == "resourceType" => {}
                None => self.unknown(shape, name, place),
            }
        }
        seen
    }

    /// Tells which rules of the shape are broken.
    fn rules(
        &mut self,
        shape: &'static Shape,
        value: &Value<'_>,
        seen: u128,
        place: &ElementPath<'_>,
        within: Within<'_>,
    ) {
        let Some(rules) = constraints::of(shape) else { return };
        let (resource, root) = (within.resource.unwrap_or(value), within.root.unwrap_or(value));
        let mut bounds = Bounds { resource, root, left: self.left };
        for rule in &rules.errors {
            match broken(rule, shape, value, seen, &mut bounds, place) {
                Ok(places) => {
                    for place in places {
                        self.problems.add_at(IssueCode::Invariant, place, format!("{} ({})", rule.text, rule.key));
                    }
                }
                // What nobody here knows is for whoever does.
                Err(Fault::Unknown(_)) => {}
                Err(Fault::TooCostly) => {
                    self.are_spent = true;
                    let text = format!("it takes too many steps to find out whether it keeps a rule ({})", rule.key);
                    self.problems.add(IssueCode::TooCostly, place, text);
                }
                // Of what is not as it should be, a rule may make no sense; what is wrong with it is told already.
                Err(Fault::Wrong(_)) if !self.problems.is_empty() => {}
                Err(Fault::Wrong(reason)) => {
                    self.problems.add(IssueCode::Invariant, place, format!("{} ({}): {reason}", rule.text, rule.key));
                }
            }
        }
        self.left = bounds.left;
    }

    fn unknown(&mut self, shape: &Shape, name: &str, place: &ElementPath<'_>) {
        let text = format!("'{}' is not an element of {}", shown(name), shape.name);
        self.problems.add(IssueCode::Invalid, &place.element(name), text);
    }

    fn missing(&mut self, shape: &Shape, missing: u128, place: &ElementPath<'_>) {
        for (position, element) in shape.elements.iter().enumerate() {
            if missing & (1 << position) != 0 {
                let text = format!("'{}' is required", element.defined_name());
                self.problems.add(IssueCode::Required, &place.element(&element.name), text);
            }
        }
    }

    /// A choice was met for the second time: that is right only for `valueString` with `_valueString`.
    fn second_choice(
        &mut self,
        shape: &Shape,
        object: &Object<'_>,
        found: &Found<'_>,
        name: &str,
        place: &ElementPath<'_>,
    ) {
        let first = object.0.iter().map(|(other, _)| other).take_while(|other| *other != name).find(|other| {
            shape
                .member(other)
                .is_some_and(|other| other.position == found.position && other.type_position != found.type_position)
        });
        if let Some(first) = first {
            let text =
                format!("'{name}' and '{first}' are both given, but '{}' is one choice", found.element.defined_name());
            self.problems.add(IssueCode::Invalid, &place.element(name.trim_start_matches('_')), text);
        }
    }

    /// Checks the member of an element: single or list as it must be, and each item.
    fn member(
        &mut self,
        found: &Found<'_>,
        value: &Value<'_>,
        object: &Object<'_>,
        here: &ElementPath<'_>,
        within: Within<'_>,
    ) {
        match (found.element.is_list, value) {
            (true, Value::Array(items)) => {
                if items.is_empty() {
                    self.problems.add(IssueCode::Structure, here, "a list must not be empty");
                }
                self.count(found, items.len(), here);
                let beside =
                    if items.contains(&Value::Null) { companion_list(found, object, here.name()) } else { &[] };
                for (position, item) in items.iter().enumerate() {
                    // A null may stand where something stands beside it.
                    if *item == Value::Null && matches!(beside.get(position), Some(Value::Object(_))) {
                        continue;
                    }
                    self.single(found.of_type, item, &here.item(position), within);
                }
            }
            (true, single) => {
                let text = format!("'{}' must be a list, not {}", here.name(), kind_of(single));
                self.problems.add(IssueCode::Structure, here, text);
                if *single != Value::Null {
                    self.single(found.of_type, single, here, within);
                }
            }
            (false, Value::Array(items)) => {
                let text = format!("'{}' is a single element, not a list", here.name());
                self.problems.add(IssueCode::Structure, here, text);
                for (position, item) in items.iter().enumerate() {
                    self.single(found.of_type, item, &here.item(position), within);
                }
            }
            (false, single) => self.single(found.of_type, single, here, within),
        }
    }

    fn count(&mut self, found: &Found<'_>, length: usize, here: &ElementPath<'_>) {
        let element = found.element;
        let most = element.max.and_then(|max| usize::try_from(max).ok()).unwrap_or(usize::MAX);
        let least = usize::try_from(element.min).unwrap_or_default();
        if length > most {
            let text = format!("'{}' may stand at most {most} times, not {length}", element.name);
            self.problems.add(IssueCode::Invalid, here, text);
        } else if length < least && length > 0 {
            let text = format!("'{}' must stand at least {least} times, not {length}", element.name);
            self.problems.add(IssueCode::Required, here, text);
        }
    }

    /// Checks what stands beside a primitive, under its name with an underscore (R4 "JSON Representation of Resources",
    /// primitive types).
    fn check_companion(
        &mut self,
        found: &Found<'_>,
        value: &Value<'_>,
        plain: Option<&Value<'_>>,
        here: &ElementPath<'_>,
        within: Within<'_>,
    ) {
        if !found.element.is_list {
            let has_value = plain.is_some_and(|plain| *plain != Value::Null);
            self.carried(value, has_value, here, within);
            return;
        }
        let Value::Array(items) = value else {
            let text = format!("'_{}' must be a list, not {}", here.name(), kind_of(value));
            self.problems.add(IssueCode::Structure, here, text);
            return;
        };
        if items.is_empty() {
            self.problems.add(IssueCode::Structure, here, "a list must not be empty");
        }
        let plain = match plain {
            Some(Value::Array(plain)) => {
                if plain.len() != items.len() {
                    let text = format!(
                        "'{0}' has {1} items and '_{0}' has {2}; they stand in pairs",
                        here.name(),
                        plain.len(),
                        items.len()
                    );
                    self.problems.add(IssueCode::Structure, here, text);
                }
                plain.as_slice()
            }
            _ => {
                self.count(found, items.len(), here);
                &[]
            }
        };
        for (position, item) in items.iter().enumerate() {
            let has_value = plain.get(position).is_some_and(|plain| *plain != Value::Null);
            if *item == Value::Null && (has_value || plain.get(position).is_some()) {
                continue;
            }
            self.carried(item, has_value, &here.item(position), within);
        }
    }

    /// Checks the id and the extensions of one primitive.
    fn carried(&mut self, value: &Value<'_>, has_value: bool, here: &ElementPath<'_>, within: Within<'_>) {
        let Value::Object(object) = value else {
            let text = format!("'_{}' must be an object, not {}", here.name(), kind_of(value));
            self.problems.add(IssueCode::Structure, here, text);
            return;
        };
        let Some(shape) = self.schema.primitive_parts() else { return };
        if has_value
            && let [(only, Value::String(id))] = object.0.as_slice()
            && only == "id"
        {
            self.form(Primitive::ElementId, id, &here.element("id"));
            return;
        }
        self.object(shape, value, object, here, within);
    }

    /// Checks one value of a type.
    fn single(&mut self, of_type: &ElementType, value: &Value<'_>, here: &ElementPath<'_>, within: Within<'_>) {
        match (of_type.kind, value) {
            (_, Value::Null) => self.problems.add(IssueCode::Structure, here, "null must not stand here"),
            (TypeKind::Primitive(primitive), value) => self.primitive(primitive, of_type, value, here),
            (TypeKind::Shape(id), Value::Object(object)) => {
                let Some(shape) = self.schema.shape(id) else { return };
                self.object(shape, value, object, here, within);
                if shape.special == Special::CodeableConcept {
                    self.concept(of_type, object, here);
                }
            }
            (TypeKind::Resource, Value::Object(_)) => {
                let contained = here.name() == "contained";
                let within = Within { contained, ..within };
                self.resource(value, here, within);
            }
            (TypeKind::Shape(_) | TypeKind::Resource, other) => {
                let text = format!("'{}' must be an object, not {}", here.name(), kind_of(other));
                self.problems.add(IssueCode::Structure, here, text);
            }
        }
    }
}

/// The ids of the resources that this one contains, sorted.
fn local_ids<'o>(object: &'o Object<'_>) -> Vec<&'o str> {
    let contained = object.get("contained").map_or(&[][..], Value::items);
    let mut ids: Vec<&str> = contained.iter().filter_map(|resource| resource.text("id")).collect();
    ids.sort_unstable();
    ids
}

/// The list that stands beside a list of primitives, under its name with an underscore.
fn companion_list<'o, 'v>(found: &Found<'_>, object: &'o Object<'v>, name: &str) -> &'o [Value<'v>] {
    if !matches!(found.of_type.kind, TypeKind::Primitive(_)) {
        return &[];
    }
    match object.0.iter().find(|(other, _)| other.strip_prefix('_') == Some(name)) {
        Some((_, Value::Array(items))) => items,
        _ => &[],
    }
}
