//! Small resources made from the R4 element table: one for every place at which a resource may refer to another.

use std::borrow::Cow;

use concord_fhir::registry::ResourceType;
use concord_fhir::schema::{Binding, Element, ElementType, Primitive, Shape, TypeKind, r4};
use serde_json::{Map, Value, json};

/// An element by which a resource may name another: of type Reference, or another one that can.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The type of the resource.
    pub resource_type: ResourceType,
    /// The members that lead there, as they stand in JSON.
    pub members: Vec<String>,
    /// The types that it may point to; empty for any.
    pub targets: Vec<ResourceType>,
    /// The shape that has the element, with the element's name there: `Observation.component.value`, `Annotation.author`.
    pub element: String,
}

impl Place {
    /// Its name: `Observation.component.valueReference`.
    #[must_use]
    pub fn name(&self) -> String {
        format!("{}.{}", self.resource_type, self.members.join("."))
    }

    /// Whether it may point to that type.
    #[must_use]
    pub fn may_name(&self, resource_type: &str) -> bool {
        self.targets.is_empty() || self.targets.iter().any(|target| target.name() == resource_type)
    }
}

/// Every element of type Reference of every resource type: not those in extensions, and of shapes that hold themselves
/// (`Questionnaire.item.item`) the outer ones.
pub fn references() -> Vec<Place> {
    places("Reference")
}

/// The same for those of type Attachment.
#[must_use]
pub fn attachments() -> Vec<Place> {
    places("Attachment")
}

/// The same for those of type canonical.
#[must_use]
pub fn canonicals() -> Vec<Place> {
    places("canonical")
}

fn places(wanted: &'static str) -> Vec<Place> {
    let mut all = Vec::new();
    for resource_type in ResourceType::all() {
        let shape = r4().resource(resource_type).expect("a shape for every type");
        let (members, element) = (Vec::new(), String::new());
        let mut walk = Walk { resource_type, wanted, members, element, within: vec![shape.name.clone()], all };
        walk.shape(shape);
        all = walk.all;
    }
    all
}

struct Walk {
    resource_type: ResourceType,
    wanted: &'static str,
    members: Vec<String>,
    element: String,
    within: Vec<Cow<'static, str>>,
    all: Vec<Place>,
}

impl Walk {
    fn shape(&mut self, shape: &Shape) {
        for element in &shape.elements {
            for of_type in &element.types {
                self.members.push(member(element, of_type));
                self.element = format!("{}.{}", shape.name, element.name);
                self.of_type(of_type);
                self.members.pop();
            }
        }
    }

    fn of_type(&mut self, of_type: &ElementType) {
        if of_type.name == self.wanted {
            let (resource_type, members) = (self.resource_type, self.members.clone());
            let (targets, element) = (of_type.targets.clone(), self.element.clone());
            return self.all.push(Place { resource_type, members, targets, element });
        }
        let TypeKind::Shape(id) = of_type.kind else { return };
        let inner = r4().shape(id).expect("the shape of a type");
        if !self.within.contains(&inner.name) && inner.name != "Extension" {
            self.within.push(inner.name.clone());
            self.shape(inner);
            self.within.pop();
        }
    }
}

/// The smallest resource of a type with these values at these places: what R4 requires, and what it takes to hold them.
/// Where several values lead into one list, each stands in an item of its own.
#[must_use]
pub fn resource(resource_type: ResourceType, values: &[(&[String], Value)]) -> Value {
    let shape = r4().resource(resource_type).expect("a shape for every type");
    let mut made = json!({"resourceType": resource_type.name()});
    merge(&mut made, fill(shape, values));
    if made.get("supplements").is_some() {
        merge(&mut made, json!({"content": "supplement"}));
    }
    let section = made.pointer_mut("/section/0").and_then(Value::as_object_mut);
    if let Some(section) = section.filter(|section| !section.contains_key("entry")) {
        let text = json!({"status": "additional", "div": "<div xmlns=\"http://www.w3.org/1999/xhtml\">x</div>"});
        section.insert("text".to_owned(), text);
    }
    made
}

/// What the constraints of R4 ask for beyond the elements that are required: what stands in a shape unless one of these
/// does.
fn extras(shape: &str) -> Vec<(&'static str, Value, &'static [&'static str])> {
    let text = || json!({"text": "x"});
    match shape {
        "AllergyIntolerance" => vec![(
            "clinicalStatus",
            json!({"coding": [{
            "system": "http://terminology.hl7.org/CodeSystem/allergyintolerance-clinical", "code": "active"}]}),
            &[],
        )],
        "Appointment" => {
            vec![("start", json!("2026-12-02T10:00:00Z"), &[]), ("end", json!("2026-12-02T10:20:00Z"), &[])]
        }
        "Appointment.participant" | "AppointmentResponse" => vec![("actor", json!({"display": "x"}), &["type"])],
        "CapabilityStatement" => {
            vec![("implementation", json!({"description": "x"}), &[]), ("rest", json!([{"mode": "server"}]), &[])]
        }
        "ConceptMap.group.unmapped" => vec![("code", json!("x"), &[])],
        "Consent" => vec![("policyRule", text(), &["policy"])],
        "CoverageEligibilityResponse.insurance.item" => vec![("category", text(), &["productOrService"])],
        "DataRequirement.codeFilter" => vec![("path", json!("x"), &["searchParam"])],
        "ElementDefinition" => vec![
            ("id", json!("x"), &[]),
            ("definition", json!("x"), &[]),
            ("min", json!(0), &[]),
            ("max", json!("1"), &[]),
            ("base", json!({"path": "x", "min": 0, "max": "1"}), &[]),
        ],
        "ImmunizationRecommendation.recommendation" => vec![("vaccineCode", json!([text()]), &["targetDisease"])],
        "InsurancePlan" | "Organization" | "TriggerDefinition" => vec![("name", json!("x"), &[])],
        "MeasureReport.group.stratifier.stratum" => vec![("value", text(), &["component"])],
        "OperationDefinition.parameter" => vec![("type", json!("Reference"), &["part"])],
        "RequestGroup.action" => vec![("resource", json!({"display": "x"}), &["action"])],
        "StructureDefinition" => vec![
            ("differential", json!({"element": [{"id": "x", "path": "x"}]}), &["snapshot"]),
            ("derivation", json!("specialization"), &[]),
        ],
        "TerminologyCapabilities" => vec![("implementation", json!({"description": "x"}), &[])],
        _ => Vec::new(),
    }
}

/// The codes that elements have where the first one of their list would ask for more.
fn code_of(shape: &str, element: &str) -> Option<&'static str> {
    match (shape, element) {
        ("CapabilityStatement" | "TerminologyCapabilities", "kind") => Some("instance"),
        ("ElementDefinition.type", "code") => Some("Reference"),
        ("MeasureReport", "type") => Some("summary"),
        ("Questionnaire.item", "type") => Some("choice"),
        ("StructureDefinition", "kind") => Some("logical"),
        ("TriggerDefinition", "type") => Some("named-event"),
        _ => None,
    }
}

fn merge(into: &mut Value, more: Value) {
    if let (Some(into), Value::Object(more)) = (into.as_object_mut(), more) {
        into.extend(more);
    }
}

fn fill(shape: &Shape, values: &[(&[String], Value)]) -> Value {
    let mut made = Map::new();
    for element in &shape.elements {
        let inside = |of_type: &ElementType| -> Vec<(&[String], Value)> {
            let name = member(element, of_type);
            let leads = values.iter().filter_map(|(members, value)| Some((members.split_first()?, value)));
            leads.filter(|((first, _), _)| **first == name).map(|((_, rest), value)| (rest, value.clone())).collect()
        };
        let wanted = element.types.iter().find(|of_type| !inside(of_type).is_empty());
        if let Some(of_type) = wanted {
            let value = match element.is_list {
                true => inside(of_type).into_iter().map(|one| single(of_type, &[one])).collect(),
                false => single(of_type, &inside(of_type)),
            };
            made.insert(member(element, of_type), value);
        } else if element.min > 0 {
            let of_type = element.types.first().expect("a type for every element");
            let value = code_of(&shape.name, &element.name).map_or_else(|| single(of_type, &[]), |code| json!(code));
            made.insert(member(element, of_type), if element.is_list { json!([value]) } else { value });
        }
    }
    for (element, value, others) in extras(&shape.name) {
        if !made.contains_key(element) && !others.iter().any(|other| made.contains_key(*other)) {
            made.insert(element.to_owned(), value);
        }
    }
    if let Some(items) = made.get_mut("item").and_then(Value::as_array_mut).filter(|_| shape.name == "Linkage") {
        items.push(json!({"type": "alternate", "resource": {"display": "x"}}));
    }
    if made.is_empty() {
        return something(shape);
    }
    Value::Object(made)
}

fn single(of_type: &ElementType, values: &[(&[String], Value)]) -> Value {
    if let Some((_, value)) = values.iter().find(|(members, _)| members.is_empty()) {
        return value.clone();
    }
    let binding = of_type.binding.and_then(|id| r4().binding(id));
    match of_type.kind {
        TypeKind::Primitive(primitive) => self::primitive(primitive, binding),
        TypeKind::Resource => json!({"resourceType": "Basic", "code": {"text": "x"}}),
        TypeKind::Shape(id) => {
            let shape = r4().shape(id).expect("the shape of a type");
            match (shape.name.as_ref(), binding.and_then(first)) {
                ("CodeableConcept", Some((system, code))) => json!({"coding": [{"system": system, "code": code}]}),
                ("Coding", Some((system, code))) => json!({"system": system, "code": code}),
                _ => fill(shape, values),
            }
        }
    }
}

/// An object of a shape that requires nothing: with the first thing that it may say.
fn something(shape: &Shape) -> Value {
    match shape.name.as_ref() {
        "Reference" => json!({"display": "somebody"}),
        "CodeableConcept" | "HumanName" | "Address" | "Dosage" => json!({"text": "x"}),
        _ => {
            let plain = shape.elements.iter().filter(|element| element.name != "id" && element.name != "extension");
            let says = |element: &&Element| {
                element
                    .types
                    .iter()
                    .any(|one| matches!(one.kind, TypeKind::Primitive(_)) || one.name == "CodeableConcept")
            };
            let element = plain.clone().find(says).or_else(|| plain.clone().next()).expect("an element");
            let of_type = element.types.first().expect("a type for every element");
            let value = single(of_type, &[]);
            json!({member(element, of_type): if element.is_list { json!([value]) } else { value }})
        }
    }
}

/// The codes that are taken where they are allowed: those by which a resource counts.
const USUAL: [&str; 8] = ["active", "final", "current", "completed", "finished", "available", "in-progress", "order"];

fn first(binding: &Binding) -> Option<(&str, &str)> {
    let all = || {
        binding
            .systems
            .iter()
            .flat_map(|(system, codes)| codes.iter().map(move |code| (system.as_ref(), code.as_ref())))
    };
    all().find(|(_, code)| USUAL.contains(code)).or_else(|| all().next())
}

fn primitive(primitive: Primitive, binding: Option<&Binding>) -> Value {
    if let Some((_, code)) = binding.and_then(first) {
        return json!(code);
    }
    match primitive {
        Primitive::Base64Binary => json!("eA=="),
        Primitive::Boolean => json!(true),
        Primitive::Date => json!("2026-11-30"),
        Primitive::DateTime | Primitive::Instant => json!("2026-11-30T10:00:00Z"),
        Primitive::Decimal | Primitive::Integer | Primitive::PositiveInt | Primitive::UnsignedInt => json!(1),
        Primitive::Time => json!("10:00:00"),
        Primitive::Oid => json!("urn:oid:1.2.3"),
        Primitive::Uuid => json!("urn:uuid:0c3201bd-1cbf-4d64-b04d-cd9187a4c6e0"),
        Primitive::Canonical | Primitive::Uri | Primitive::Url => json!("http://example.org/x"),
        Primitive::Code | Primitive::ElementId | Primitive::Id | Primitive::Markdown | Primitive::String => json!("x"),
        Primitive::Xhtml => json!("<div xmlns=\"http://www.w3.org/1999/xhtml\">x</div>"),
    }
}

fn member(element: &Element, of_type: &ElementType) -> String {
    if !element.is_choice {
        return element.name.to_string();
    }
    let type_name = if of_type.name == "SimpleQuantity" { "Quantity" } else { of_type.name.as_ref() };
    let mut letters = type_name.chars();
    let first = letters.next().map(|letter| letter.to_ascii_uppercase()).map(String::from).unwrap_or_default();
    format!("{}{first}{}", element.name, letters.as_str())
}
