//! What a StructureDefinition says, as far as resources are checked by it.

mod corrected;
mod expressions;
mod stripped;

use concord_fhir::issue::{Issue, IssueCode, Severity};
use concord_fhir::json::{Object, Value};

pub use expressions::unreadable;
pub use stripped::stripped;

/// How the urls of R4's own definitions begin.
pub(crate) const R4: &str = "http://hl7.org/fhir/StructureDefinition/";

/// How many elements a definition may say something about.
pub const MOST_ELEMENTS: usize = 3_000;
/// How many characters a url, a name or a path may have.
const LONGEST_NAME: usize = 1_000;

/// The extension by which a definition says how long a text must be.
const MIN_LENGTH: &str = "http://hl7.org/fhir/StructureDefinition/minLength";
/// Extensions that say what R5 says by elements: that a value must be there, which extensions may be there in its place, and
/// which value sets a code must be from besides.
const MUST_HAVE_VALUE: &str = "http://hl7.org/fhir/5.0/StructureDefinition/extension-ElementDefinition.mustHaveValue";
const ALTERNATIVES: &str = "http://hl7.org/fhir/5.0/StructureDefinition/extension-ElementDefinition.valueAlternatives";
const ADDITIONAL: [&str; 2] = [
    "http://hl7.org/fhir/5.0/StructureDefinition/extension-ElementDefinition.binding.additional",
    "http://hl7.org/fhir/tools/StructureDefinition/additional-binding",
];

/// The extensions that are kept of an element.
fn is_kept(extension: &Value<'_>) -> bool {
    extension.text("url").is_some_and(|url| [MIN_LENGTH, MUST_HAVE_VALUE, ALTERNATIVES].contains(&url))
}

/// A StructureDefinition, read.
#[derive(Clone, Debug, PartialEq)]
pub struct Definition {
    /// Its canonical url, without version.
    pub url: String,
    /// Its version; empty where it has none.
    pub version: String,
    /// The type that it constrains.
    pub type_name: String,
    /// The definition that it starts from, with a version or without.
    pub base: String,
    /// Where it may be used, if it is an extension.
    pub contexts: Vec<Context>,
    /// What it says of single elements.
    pub elements: Vec<ElementDefinition>,
}

/// Where an extension may be used (R4 `StructureDefinition.context`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Context {
    /// `element`, `extension` or `fhirpath`
    pub kind: ContextKind,
    /// The path of an element, the url of an extension, or an expression.
    pub expression: String,
}

/// What the expression of a context is (R4 value set `extension-context-type`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ContextKind {
    /// A path or a type.
    Element,
    /// The url of another extension.
    Extension,
    /// An expression that selects the elements.
    FhirPath,
}

/// What a definition says of one element (R4 `ElementDefinition`).
#[derive(Clone, Debug, PartialEq)]
pub struct ElementDefinition {
    /// Its id; empty where it has none.
    pub id: String,
    /// Its path, `Observation.component.code`.
    pub path: String,
    /// The name of the slice that this begins.
    pub slice: Option<String>,
    /// What it asks.
    pub rules: Rules,
}

/// What is asked of an element.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Rules {
    /// How many there must be at least.
    pub min: Option<u32>,
    /// How many there may be at most.
    pub max: Option<u32>,
    /// The types that it may have; empty if nothing is said.
    pub types: Vec<TypeRule>,
    /// What the value must be or hold, and between what it lies.
    pub values: Vec<ValueRule>,
    /// How long a text may be, in characters.
    pub max_length: Option<usize>,
    /// How long it must be.
    pub min_length: Option<usize>,
    /// Whether a primitive must have its value, and not only extensions: nothing of these either, if some are named.
    pub value_or: Option<Vec<String>>,
    /// Which codes it may have.
    pub binding: Option<Binding>,
    /// Value sets from which a code must be besides.
    pub more_bindings: Vec<Binding>,
    /// Expressions that must hold.
    pub constraints: Vec<Constraint>,
    /// How the items of a list are told apart.
    pub slicing: Option<Slicing>,
    /// Whether it changes the meaning of what it stands in.
    pub is_modifier: bool,
    /// The element of the same definition that says what is in this one.
    pub content_reference: Option<String>,
}

/// A rule about the value itself.
#[derive(Clone, Debug, PartialEq)]
pub enum ValueRule {
    /// It is this, and nothing more.
    Fixed(Value<'static>),
    /// It holds this.
    Pattern(Value<'static>),
    /// It is not less.
    Min(Value<'static>),
    /// It is not more.
    Max(Value<'static>),
}

/// A type that an element may have, and what is asked of a value of that type.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TypeRule {
    /// The type's name.
    pub code: String,
    /// Profiles of which the value keeps to one.
    pub profiles: Vec<String>,
    /// For a Reference or canonical: profiles of which the target keeps to one.
    pub targets: Vec<String>,
    /// For a Reference: where the target is (`contained`, `referenced`, `bundled`).
    pub aggregation: Vec<String>,
}

impl TypeRule {
    /// Whether a value of that type is one of those that are meant.
    pub(crate) fn allows(&self, own: &str) -> bool {
        match self.code.strip_prefix(R4).unwrap_or(&self.code) {
            "Resource" | "DomainResource" => own.starts_with(|c: char| c.is_ascii_uppercase()),
            "BackboneElement" | "Element" => own.contains('.'),
            "SimpleQuantity" | "MoneyQuantity" => own == "Quantity" || own == "SimpleQuantity",
            "Quantity" => matches!(own, "Quantity" | "SimpleQuantity" | "Age" | "Count" | "Distance" | "Duration"),
            code => code == own,
        }
    }
}

/// Which codes an element may have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Binding {
    /// How strictly.
    pub strength: Strength,
    /// The canonical url of the value set, with a version or without.
    pub value_set: String,
}

/// How strictly a binding is meant (R4 value set `binding-strength`); what is only preferred or an example binds nobody.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Strength {
    /// Preferred or example.
    Advice,
    /// From the value set if one fits.
    Extensible,
    /// From the value set.
    Required,
}

/// An expression that must hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Constraint {
    /// Its key, `ukc-1`.
    pub key: String,
    /// Whether it is an error if it does not hold, rather than a warning.
    pub severity: Severity,
    /// What is meant, in words.
    pub human: String,
    /// FHIRPath.
    pub expression: String,
}

/// How the items of a list are told apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Slicing {
    /// By what.
    pub discriminators: Vec<Discriminator>,
    /// Whether the slices stand in the order in which they are defined.
    pub ordered: bool,
    /// What may stand besides.
    pub openness: Openness,
}

/// What may stand besides the slices.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Openness {
    /// Anything, anywhere.
    Open,
    /// Anything, after them.
    OpenAtEnd,
    /// Nothing.
    Closed,
}

/// By what slices are told apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Discriminator {
    /// How.
    pub kind: DiscriminatorKind,
    /// What is looked at: a simple FHIRPath.
    pub path: String,
}

/// How slices are told apart (R4 value set `discriminator-type`, and `position`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DiscriminatorKind {
    /// By the value.
    Value,
    /// By whether it is there.
    Exists,
    /// By the type.
    Type,
    /// By the profile.
    Profile,
    /// By the position in the list.
    Position,
}

impl Definition {
    /// Reads a StructureDefinition that has passed the check of its own type: what it says in its differential, or in its
    /// snapshot if it has no other.
    ///
    /// # Errors
    /// What cannot be used, with its place.
    pub fn read(resource: &Value<'_>) -> Result<Definition, Issue> {
        let named = |name: &str| {
            let text = resource.text(name).unwrap_or_default();
            if text.is_empty() || text.len() > LONGEST_NAME {
                let said = format!("'{name}' is needed, with at most {LONGEST_NAME} characters");
                return Err(refused(name, IssueCode::Required, said));
            }
            Ok(text.to_owned())
        };
        let url = named("url")?;
        let is_type = url.strip_prefix(R4).is_some_and(|name| resource.text("type") == Some(name));
        if is_type || resource.text("baseDefinition").is_none() {
            let said = "only profiles and extensions are used: what starts from a type of R4 (derivation 'constraint')";
            return Err(refused("derivation", IssueCode::NotSupported, said));
        }
        let differential = resource.get("differential").map_or(&[][..], |part| part.list("element"));
        let own = !differential.is_empty();
        let elements =
            if own { differential } else { resource.get("snapshot").map_or(&[][..], |part| part.list("element")) };
        let place = if own { "differential.element" } else { "snapshot.element" };
        if elements.len() > MOST_ELEMENTS {
            let said = format!("a definition may say something of {MOST_ELEMENTS} elements, not of {}", elements.len());
            return Err(refused(place, IssueCode::TooLong, said));
        }
        let mut read = Vec::with_capacity(elements.len());
        for (position, element) in elements.iter().enumerate() {
            let element = ElementDefinition::read(element, !own)
                .map_err(|said| refused(&format!("{place}[{position}]"), IssueCode::Invalid, said))?;
            read.push(element);
        }
        Ok(Definition {
            version: resource.text("version").unwrap_or_default().to_owned(),
            type_name: named("type")?,
            base: named("baseDefinition")?,
            contexts: resource.list("context").iter().filter_map(Context::read).collect(),
            elements: read,
            url,
        })
    }

    /// Whether this is an extension.
    #[must_use]
    pub fn is_extension(&self) -> bool {
        self.type_name == "Extension"
    }
}

/// A refusal with its place in a StructureDefinition.
fn refused(place: &str, code: IssueCode, said: impl Into<String>) -> Issue {
    Issue::error(code, format!("StructureDefinition.{place}"), said)
}

impl Context {
    fn read(value: &Value<'_>) -> Option<Context> {
        let kind = match value.text("type")? {
            "element" => ContextKind::Element,
            "extension" => ContextKind::Extension,
            _ => ContextKind::FhirPath,
        };
        Some(Context { kind, expression: value.text("expression")?.to_owned() })
    }
}

impl ElementDefinition {
    fn read(value: &Value<'_>, is_snapshot: bool) -> Result<ElementDefinition, String> {
        let path = value.text("path").unwrap_or_default();
        if path.is_empty() || path.len() > LONGEST_NAME {
            return Err(format!("'path' is needed, with at most {LONGEST_NAME} characters"));
        }
        let id = value.text("id").unwrap_or_default();
        Ok(ElementDefinition {
            id: if id.len() > LONGEST_NAME { String::new() } else { id.to_owned() },
            path: path.to_owned(),
            slice: value.text("sliceName").map(str::to_owned),
            rules: Rules::read(value, is_snapshot)?,
        })
    }
}

impl Rules {
    fn read(value: &Value<'_>, is_snapshot: bool) -> Result<Rules, String> {
        let Some(object) = value.as_object() else { return Err("an element is an object".to_owned()) };
        let max = match value.text("max") {
            None | Some("*") => None,
            Some(max) => Some(max.parse().map_err(|_| format!("'{max}' is no number of elements"))?),
        };
        Ok(Rules {
            min: whole(value, "min"),
            max,
            types: value.list("type").iter().filter_map(TypeRule::read).collect(),
            values: values(object),
            max_length: whole(value, "maxLength"),
            min_length: value
                .list("extension")
                .iter()
                .find(|one| one.text("url") == Some(MIN_LENGTH))
                .and_then(|one| whole(one, "valueInteger")),
            value_or: value_or(value),
            binding: value.get("binding").and_then(Binding::read),
            more_bindings: value.get("binding").map(Binding::additional).unwrap_or_default(),
            constraints: value
                .list("constraint")
                .iter()
                .filter_map(|constraint| Constraint::read(constraint, is_snapshot))
                .collect(),
            slicing: value.get("slicing").map(Slicing::read).transpose()?,
            is_modifier: value.get("isModifier").and_then(Value::as_bool) == Some(true),
            content_reference: value.text("contentReference").map(str::to_owned),
        })
    }
}

fn whole<N: std::str::FromStr>(value: &Value<'_>, name: &str) -> Option<N> {
    value.get(name)?.as_number()?.parse().ok()
}

/// What may stand for a value that must be there.
fn value_or(value: &Value<'_>) -> Option<Vec<String>> {
    let of = |url: &'static str| value.list("extension").iter().filter(move |one| one.text("url") == Some(url));
    let others: Vec<String> =
        of(ALTERNATIVES).filter_map(|one| one.text("valueCanonical")).map(str::to_owned).collect();
    let must = of(MUST_HAVE_VALUE).any(|one| one.get("valueBoolean").and_then(Value::as_bool) == Some(true));
    (must || !others.is_empty()).then_some(others)
}

/// The rules about the value itself: members whose names end with a type.
fn values(object: &Object<'_>) -> Vec<ValueRule> {
    let mut rules = Vec::new();
    for (name, value) in &object.0 {
        let starts =
            |stem: &str| name.strip_prefix(stem).is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_uppercase()));
        let owned = || value.clone().into_owned();
        if starts("fixed") {
            rules.push(ValueRule::Fixed(owned()));
        } else if starts("pattern") {
            rules.push(ValueRule::Pattern(owned()));
        } else if starts("minValue") {
            rules.push(ValueRule::Min(owned()));
        } else if starts("maxValue") {
            rules.push(ValueRule::Max(owned()));
        }
    }
    rules
}

impl TypeRule {
    /// Reads a type; the types of FHIRPath, by which definitions say how an id is written, are none.
    fn read(value: &Value<'_>) -> Option<TypeRule> {
        let code = value.text("code").filter(|code| !code.starts_with("http://hl7.org/fhirpath/"))?;
        let texts = |name: &str| value.list(name).iter().filter_map(Value::as_str).map(str::to_owned).collect();
        Some(TypeRule {
            code: code.to_owned(),
            profiles: texts("profile"),
            targets: texts("targetProfile"),
            aggregation: texts("aggregation"),
        })
    }
}

impl Binding {
    fn read(value: &Value<'_>) -> Option<Binding> {
        let strength = match value.text("strength")? {
            "required" => Strength::Required,
            "extensible" => Strength::Extensible,
            _ => Strength::Advice,
        };
        Some(Binding { strength, value_set: value.text("valueSet")?.to_owned() })
    }
}

impl Binding {
    /// The value sets from which a code must be besides.
    fn additional(value: &Value<'_>) -> Vec<Binding> {
        let mut found = Vec::new();
        for extension in
            value.list("extension").iter().filter(|one| one.text("url").is_some_and(|url| ADDITIONAL.contains(&url)))
        {
            let part = |name: &str| extension.list("extension").iter().find(|one| one.text("url") == Some(name));
            let is_required = part("purpose").and_then(|one| one.text("valueCode")) == Some("required");
            if let Some(value_set) = part("valueSet").and_then(|one| one.text("valueCanonical"))
                && is_required
            {
                found.push(Binding { strength: Strength::Required, value_set: value_set.to_owned() });
            }
        }
        found
    }
}

impl Constraint {
    /// Reads a constraint. What a snapshot repeats of R4's own is checked with the type.
    fn read(value: &Value<'_>, is_snapshot: bool) -> Option<Constraint> {
        let source = value.text("source").unwrap_or_default();
        if is_snapshot && (source.is_empty() || source.starts_with("http://hl7.org/fhir/StructureDefinition/")) {
            return None;
        }
        let severity = if value.text("severity") == Some("warning") { Severity::Warning } else { Severity::Error };
        Some(Constraint {
            key: value.text("key")?.to_owned(),
            severity,
            human: value.text("human").unwrap_or_default().to_owned(),
            expression: corrected::instead(value.text("expression")?).to_owned(),
        })
    }
}

impl Slicing {
    fn read(value: &Value<'_>) -> Result<Slicing, String> {
        let discriminators = value.list("discriminator").iter().map(Discriminator::read).collect::<Result<_, _>>()?;
        let openness = match value.text("rules") {
            Some("closed") => Openness::Closed,
            Some("openAtEnd") => Openness::OpenAtEnd,
            _ => Openness::Open,
        };
        Ok(Slicing { discriminators, ordered: value.get("ordered").and_then(Value::as_bool) == Some(true), openness })
    }
}

impl Discriminator {
    fn read(value: &Value<'_>) -> Result<Discriminator, String> {
        let kind = match value.text("type").unwrap_or_default() {
            "value" | "pattern" => DiscriminatorKind::Value,
            "exists" => DiscriminatorKind::Exists,
            "type" => DiscriminatorKind::Type,
            "profile" => DiscriminatorKind::Profile,
            "position" => DiscriminatorKind::Position,
            other => return Err(format!("slices cannot be told apart by '{other}'")),
        };
        Ok(Discriminator { kind, path: value.text("path").unwrap_or("$this").to_owned() })
    }
}
