//! A SearchParameter resource (R4 "SearchParameter") as lines of the parameter table.

use super::elements::{Schema, reads};
use super::expression;
use super::{composite, simple};
use crate::issue::{Issue, IssueCode};
use crate::json::Value;
use crate::registry::{
    Added, Component, Index, Kind, Parameter, ResourceType, added_parameter, is_addressed, is_event, parameter,
};

/// The longest expression, in bytes.
pub const LONGEST_EXPRESSION: usize = 4_000;

/// The most paths that a parameter may have in one type.
pub const MOST_PATHS: usize = 40;

/// The longest url of a definition, in bytes.
const LONGEST_URL: usize = 500;

/// The longest name, in bytes.
const LONGEST_CODE: usize = 64;

/// Where the parameters of R4 are defined.
const R4: &str = "http://hl7.org/fhir/SearchParameter/";

/// A parameter as a resource defines it for one type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Defined {
    /// The type.
    pub resource_type: ResourceType,
    /// Its line of the table, without the blank before it.
    pub row: String,
}

/// What a checked SearchParameter defines, for each type that it names.
///
/// # Errors
/// Everything that is wrong with it, or that cannot be searched by, each with its place.
pub fn definition(value: &Value<'_>) -> Result<Vec<Defined>, Vec<Issue>> {
    let mut faults = Problems(Vec::new());
    let text = |name: &str| value.text(name).unwrap_or_default();
    let (code, written) = (text("code"), text("expression"));
    if text("url").len() > LONGEST_URL {
        faults.add(IssueCode::TooLong, "url", format!("the url is longer than {LONGEST_URL} bytes"));
    }
    if !is_code(code) {
        let why = format!(
            "the name in a query is a letter and then letters, digits, `-` and `_`, at most {LONGEST_CODE} in all"
        );
        faults.add(IssueCode::Value, "code", why);
    }
    let kind = Kind::parse(text("type"));
    if kind.is_none() {
        faults.add(IssueCode::NotSupported, "type", format!("a parameter of type `{}` cannot be added", text("type")));
    }
    if !matches!(text("xpathUsage"), "" | "normal") {
        let why = format!("`{}` says of the value what only `normal` does not leave open", text("xpathUsage"));
        faults.add(IssueCode::NotSupported, "xpathUsage", why);
    }
    if written.is_empty() {
        let why = "without an expression there is nothing to search by".to_owned();
        faults.add(IssueCode::Required, "expression", why);
    }
    if written.len() > LONGEST_EXPRESSION {
        let why = format!("the expression is longer than {LONGEST_EXPRESSION} bytes");
        faults.add(IssueCode::TooLong, "expression", why);
    }
    let bases = bases(value, code, &mut faults);
    let targets = targets(value, &mut faults);
    let mut issues = faults.0;
    let Some(kind) = kind.filter(|_| issues.is_empty()) else { return Err(issues) };
    let all_targets = targets.len() < value.list("target").len();
    let targets_column = match kind {
        Kind::Reference if targets.is_empty() || all_targets => "*".to_owned(),
        Kind::Reference => targets.join(","),
        _ => "-".to_owned(),
    };
    let mut found = Vec::new();
    for one in &bases {
        let columns = match kind {
            Kind::Composite => parts(value, written, *one),
            _ => paths(written, kind, &targets, &bases, *one),
        };
        let row = columns.map(|columns| format!("{code} {} {targets_column} {}", kind.code(), columns.join(" ")));
        match row.and_then(|row| read(*one, &row).map(|()| row)) {
            Ok(row) => found.push(Defined { resource_type: *one, row }),
            Err(issue) if issues.contains(&issue) => {}
            Err(issue) => issues.push(issue),
        }
    }
    if issues.is_empty() { Ok(found) } else { Err(issues) }
}

/// What is wrong with a definition.
struct Problems(Vec<Issue>);

impl Problems {
    fn add(&mut self, code: IssueCode, place: &str, text: String) {
        self.0.push(Issue::error(code, format!("SearchParameter.{place}"), text));
    }
}

/// The types that the parameter is added to.
fn bases(value: &Value<'_>, code: &str, faults: &mut Problems) -> Vec<ResourceType> {
    let mut bases = Vec::new();
    for (place, name) in value.list("base").iter().filter_map(Value::as_str).enumerate() {
        let place = format!("base[{place}]");
        match ResourceType::parse(name) {
            None => {
                let why = format!("`{name}` is no single type; name each that is meant");
                faults.add(IssueCode::NotSupported, &place, why);
            }
            Some(one) if is_event(one) || !is_addressed(one) => {
                faults.add(IssueCode::NotSupported, &place, format!("parameters cannot be added to {one}"));
            }
            Some(one) if bases.contains(&one) => {
                faults.add(IssueCode::Invalid, &place, format!("{one} is named twice"))
            }
            Some(one) => {
                if parameter(one, code).is_some() {
                    let why = format!("{one} has a search parameter `{code}` already, which stays what it is");
                    faults.add(IssueCode::BusinessRule, "code", why);
                }
                bases.push(one);
            }
        }
    }
    bases
}

/// The types that a reference may point at, `Resource` left out.
fn targets<'v>(value: &'v Value<'_>, faults: &mut Problems) -> Vec<&'v str> {
    let mut targets = Vec::new();
    for (place, name) in value.list("target").iter().filter_map(Value::as_str).enumerate() {
        match (name, ResourceType::parse(name)) {
            ("Resource", _) => {}
            (_, Some(_)) => targets.push(name),
            (_, None) => {
                faults.add(
                    IssueCode::Value,
                    &format!("target[{place}]"),
                    format!("`{name}` is no single resource type"),
                );
            }
        }
    }
    targets
}

fn is_code(code: &str) -> bool {
    code.len() <= LONGEST_CODE
        && code.starts_with(|first: char| first.is_ascii_alphabetic())
        && code.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
}

fn at_expression(text: impl Into<String>) -> Issue {
    Issue::error(IssueCode::NotSupported, "SearchParameter.expression", text)
}

/// The paths of a parameter that is no composite.
fn paths(
    written: &str,
    kind: Kind,
    targets: &[&str],
    bases: &[ResourceType],
    one: ResourceType,
) -> Result<Vec<String>, Issue> {
    if let Ok(branches) = expression::parse(written) {
        let is_base = |root: &str| root.is_empty() || bases.iter().any(|base| base.name() == root);
        if let Some(other) = branches.iter().find(|branch| !is_base(&branch.root)) {
            let why = format!("it begins at `{}`, which is none of the types in `base`", other.root);
            return Err(at_expression(why));
        }
    }
    simple(kind.code(), written, targets, one.name(), &Schema).map_err(at_expression)
}

/// The elements and parts of a composite, whose parts are searched like parameters of R4.
fn parts(value: &Value<'_>, written: &str, one: ResourceType) -> Result<Vec<String>, Issue> {
    let place = |number: usize, name: &str| format!("SearchParameter.component[{number}].{name}");
    let mut components = Vec::new();
    for (number, component) in value.list("component").iter().enumerate() {
        let url = component.text("definition").unwrap_or_default();
        let code = super::resolve::component_code(url, one.name());
        let known = parameter(one, &code).filter(|known| known.resource_type.is_some());
        if !url.starts_with(R4) || known.is_none_or(|known| known.kind == Kind::Composite) {
            let why = format!("a part is one of the parameters that R4 defines for {one}, by its url below {R4}");
            return Err(Issue::error(IssueCode::NotSupported, place(number, "definition"), why));
        }
        components.push((url, component.text("expression").unwrap_or_default()));
    }
    composite(written, &components, one.name(), &Schema).map_err(|(number, text)| match number {
        Some(number) => Issue::error(IssueCode::NotSupported, place(number, "expression"), text),
        None => at_expression(text),
    })
}

/// Reads a line as the table's are read, and checks what is found.
fn read(one: ResourceType, row: &str) -> Result<(), Issue> {
    let added = Added { url: "".into(), number: 0, index: Index::Missing };
    let read = added_parameter(one, row, added).ok_or_else(|| at_expression("it leads to what cannot be indexed"))?;
    let count = read.paths.len() + read.elements.len() * read.components.len().max(1);
    if count > MOST_PATHS {
        let why =
            format!("it leads to {count} places in {one}, more than {MOST_PATHS}; say which data types are meant");
        return Err(Issue::error(IssueCode::TooCostly, "SearchParameter.expression", why));
    }
    if read.kind == Kind::Composite {
        return composite_is_whole(one, &read);
    }
    Ok(())
}

fn composite_is_whole(one: ResourceType, read: &Parameter) -> Result<(), Issue> {
    let suits =
        |part: &&Component| parameter(one, &part.code).is_some_and(|known| reads(known.kind, part.path.data_type));
    if let Some(part) = read.components.iter().find(|part| !suits(part)) {
        let why = format!("the part `{}` cannot be read from what its expression leads to", part.code);
        return Err(Issue::error(IssueCode::NotSupported, "SearchParameter.component", why));
    }
    if !read.is_supported() {
        let why = "a composite has two parts, or a token and the two ends of a span";
        return Err(Issue::error(IssueCode::NotSupported, "SearchParameter.component", why));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::index::from_json;
    use serde_json::json;

    fn parameter_of(kind: &str, bases: &[&str], expression: &str) -> serde_json::Value {
        json!({
            "resourceType": "SearchParameter", "url": "http://example.org/p", "status": "active", "code": "own",
            "base": bases, "type": kind, "expression": expression,
        })
    }

    fn rows(definition_of: &serde_json::Value) -> Vec<String> {
        let found = definition(&from_json(definition_of)).expect("understood");
        found.into_iter().map(|one| format!("{} {}", one.resource_type, one.row)).collect()
    }

    fn row(kind: &str, base: &str, expression: &str) -> String {
        rows(&parameter_of(kind, &[base], expression)).remove(0)
    }

    #[test]
    fn plain_elements_are_compiled() {
        assert_eq!(
            row("string", "Patient", "Patient.maritalStatus.text"),
            "Patient own string - maritalStatus.text:string"
        );
        assert_eq!(
            row("reference", "Observation", "Observation.note.author.as(Reference)"),
            "Observation own reference * note.authorReference:Reference"
        );
        assert_eq!(
            row("token", "Patient", "Patient.contact.telecom.where(system = 'email')"),
            "Patient own token - contact.telecom[system=email]:ContactPoint"
        );
        assert_eq!(
            row("number", "Patient", "(Patient.multipleBirth as integer)"),
            "Patient own number - multipleBirthInteger:integer"
        );
        assert_eq!(
            row("quantity", "Observation", "Observation.referenceRange.low"),
            "Observation own quantity - referenceRange.low:Quantity"
        );
        assert_eq!(row("number", "Claim", "Claim.item.sequence"), "Claim own number - item.sequence:integer");
        assert_eq!(
            rows(&parameter_of("date", &["Goal", "Flag"], "Goal.target.due | Flag.period")),
            ["Goal own date - target.dueDate:date", "Flag own date - period:Period"]
        );
        assert_eq!(
            row("token", "Questionnaire", "Questionnaire.item.item.linkId"),
            "Questionnaire own token - item.item.linkId:string"
        );
    }

    #[test]
    fn extensions_are_compiled() {
        let plain = "Patient own string - extension[url=http://x.y/e].valueMarkdown:markdown \
                     extension[url=http://x.y/e].valueString:string";
        for form in [
            "Patient.extension.where(url='http://x.y/e').value",
            "Patient.extension('http://x.y/e').value",
            "Patient.extension('http://x.y/e')",
        ] {
            let found = row("string", "Patient", form);
            for part in plain.split(' ') {
                assert!(found.split(' ').any(|own| own == part), "{form}: {found}");
            }
        }
        assert_eq!(
            row("token", "Patient", "Patient.extension.where(url='http://x.y/e').value.ofType(CodeableConcept)"),
            "Patient own token - extension[url=http://x.y/e].valueCodeableConcept:CodeableConcept"
        );
        assert_eq!(
            row("token", "Patient", "Patient.extension('http://x.y/a').extension('http://x.y/b').value as code"),
            "Patient own token - extension[url=http://x.y/a].extension[url=http://x.y/b].valueCode:code"
        );
        let positive = row("number", "Patient", "Patient.extension('http://x.y/n').value");
        assert!(positive.contains("[url=http://x.y/n].valuePositiveInt:integer"), "{positive}");
    }

    #[test]
    fn composites_of_r4_parameters_are_compiled() {
        let mut composite = parameter_of("composite", &["Observation"], "Observation.component");
        composite["component"] = json!([
            { "definition": "http://hl7.org/fhir/SearchParameter/Observation-component-code", "expression": "code" },
            { "definition": "http://hl7.org/fhir/SearchParameter/Observation-component-value-quantity",
              "expression": "value.as(Quantity)" },
        ]);
        assert_eq!(
            rows(&composite),
            ["Observation own composite - component @component-code=code:CodeableConcept \
              @component-value-quantity=valueQuantity:Quantity"]
        );
    }

    fn refused(definition_of: &serde_json::Value) -> Vec<(IssueCode, String)> {
        let issues = definition(&from_json(definition_of)).expect_err("refused");
        issues.into_iter().map(|issue| (issue.code, issue.expression.unwrap_or_default())).collect()
    }

    #[test]
    fn what_cannot_be_searched_by_is_refused_with_its_place() {
        let place = |name: &str| format!("SearchParameter.{name}");
        for (kind, base, expression) in [
            ("string", "Patient", "Patient.name.first()"),
            ("string", "Patient", "Patient.colour"),
            ("string", "Patient", "Patient.name.exists()"),
            ("string", "Patient", "Patient.birthDate"),
            ("date", "Patient", "Patient.name"),
            ("string", "Patient", "Observation.code.text"),
            ("string", "Patient", "Patient"),
            ("reference", "PlanDefinition", "PlanDefinition.library"),
            ("reference", "Bundle", "Bundle.entry[0].resource"),
            ("token", "Observation", "Patient.deceased.exists() and Patient.deceased != false"),
            ("string", "Patient", "Patient.name.where(nothing='x').family"),
            ("string", "Patient", "Patient.extension('a').value.extension('b').value.extension('c').value"),
            ("token", "Patient", "Patient.extension.value.extension.value.extension.value.extension.value"),
        ] {
            let definition_of = parameter_of(kind, &[base], expression);
            assert_eq!(refused(&definition_of)[0].1, place("expression"), "{expression}");
        }
        let long = format!("Patient.{}", "a".repeat(LONGEST_EXPRESSION));
        assert_eq!(refused(&parameter_of("string", &["Patient"], &long)), [(IssueCode::TooLong, place("expression"))]);
        let with = |name: &str, value: serde_json::Value| {
            let mut definition_of = parameter_of("string", &["Patient"], "Patient.maritalStatus.text");
            definition_of[name] = value;
            refused(&definition_of)
        };
        for code in ["", "a:b", "a.b", "_own", "a,b", "a b", "9", &"a".repeat(65)] {
            assert_eq!(with("code", json!(code)), [(IssueCode::Value, place("code"))], "{code}");
        }
        assert_eq!(with("code", json!("name")), [(IssueCode::BusinessRule, place("code"))]);
        assert_eq!(with("type", json!("special")), [(IssueCode::NotSupported, place("type"))]);
        assert_eq!(with("xpathUsage", json!("phonetic")), [(IssueCode::NotSupported, place("xpathUsage"))]);
        assert_eq!(with("base", json!(["Patient", "Resource"])), [(IssueCode::NotSupported, place("base[1]"))]);
        assert_eq!(with("base", json!(["AuditEvent"])), [(IssueCode::NotSupported, place("base[0]"))]);
        assert_eq!(with("base", json!(["Patient", "Patient"])), [(IssueCode::Invalid, place("base[1]"))]);
        assert_eq!(with("target", json!(["DomainResource"])), [(IssueCode::Value, place("target[0]"))]);
        let mut composite = parameter_of("composite", &["Observation"], "Observation.component");
        let part = |name: &str, expression: &str| json!({ "definition": name, "expression": expression });
        let code = "http://hl7.org/fhir/SearchParameter/Observation-component-code";
        composite["component"] = json!([part(code, "code"), part("http://example.org/p", "value as Quantity")]);
        assert_eq!(refused(&composite)[0].1, place("component[1].definition"));
        composite["component"] = json!([part(code, "code"), part(code, "colour")]);
        assert_eq!(refused(&composite)[0].1, place("component[1].expression"));
        composite["component"] = json!([part(code, "code")]);
        assert_eq!(refused(&composite)[0].1, place("component"));
        let quantity = "http://hl7.org/fhir/SearchParameter/Observation-component-value-quantity";
        composite["component"] = json!([part(code, "code"), part(quantity, "code")]);
        assert_eq!(refused(&composite)[0].1, place("component"));
    }
}
