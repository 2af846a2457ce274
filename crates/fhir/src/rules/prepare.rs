//! What becomes of a resource before it is stored: its author is filled in, and the rules of its type are asked.

use super::authorship::{self, AuthorElement, Fill, Others};
use super::colleague::{is_colleague, is_writer};
use super::writer::{Settings, WriteContext, Writer, WriterKind, reference_value};
use super::{parties, table, vouching};
use crate::issue::{Issue, IssueCode, Severity};
use crate::json::Value;
use crate::nhs_number;
use crate::registry::ResourceType;

/// The most problems that one answer lists.
const MOST_ISSUES: usize = 100;

/// Whether some resources of the type are written by several parties, see [`is_multi_author`].
#[must_use]
pub fn may_be_multi_author(resource_type: ResourceType) -> bool {
    parties::has(resource_type.name())
}

/// Whether a resource is written by several parties, each its part: those whom the access decision lets update it may do
/// so although somebody else wrote it first, within the rules of the type. A goal is, and a request for correction.
#[must_use]
pub fn is_multi_author(resource_type: ResourceType, resource: &Value<'_>) -> bool {
    parties::has(resource_type.name()) && parties::is_of_several(resource)
}

/// How many security labels a resource may bear: each is handed on to all that speaks about it or is part of it.
const MOST_LABELS: usize = 100;

/// Refuses more; the one that the server adds, of who vouches for it, does not count, or what is read could not be sent back.
fn bears_too_many(resource_type: ResourceType, resource: &Value<'_>) -> Option<Issue> {
    let labels = resource.get("meta").map_or(&[][..], |meta| meta.list("security"));
    let number = labels.len() - usize::from(labels.iter().any(vouching::is_claim));
    let text = format!("has {MOST_LABELS} labels at most, and here are {number}");
    (number > MOST_LABELS).then(|| Issue::error(IssueCode::TooCostly, format!("{resource_type}.meta.security"), text))
}

/// Makes a resource that has passed the schema check ready to be stored: fills in the writer where the type has an
/// author element that is missing, and checks every rule of the type. What a system writes for others keeps its authors.
///
/// # Errors
/// Every broken rule with its place; the answer to the client is 422. The resource must not be stored then.
pub fn prepare(
    resource_type: ResourceType,
    resource: &mut Value<'_>,
    context: &WriteContext<'_>,
) -> Result<Vec<Issue>, Vec<Issue>> {
    let WriteContext { previous, writer, settings, .. } = *context;
    let mut issues = Vec::new();
    if !writer.kind.is_system() {
        if let Some(row) = authorship::of(resource_type) {
            check_subject(row, resource, context, &mut issues);
            // In another party's part of a resource of several authors the authors are those who stand there already.
            let authors = if previous.is_some_and(|previous| !previous.own) { &[][..] } else { row.authors };
            for element in authors {
                fill(element, resource, writer);
                check_author(row, element, resource, context, &mut issues);
            }
        }
        if let Some(own) = &writer.patient {
            let mut place = vec![Step::Member(resource_type.name())];
            find_other_patients(resource, own, settings, &mut place, &mut issues);
        }
    }
    if let Some(rules) = table::of(resource_type) {
        (rules.check)(resource, context, &mut issues);
        if writer.kind.is_system() && rules.only_remarks_to_systems {
            for issue in &mut issues {
                issue.severity = issue.severity.min(Severity::Warning);
            }
        }
    }
    // Nobody is spared this, and first: it is for the sake of all that inherits from it.
    issues.splice(0..0, bears_too_many(resource_type, resource));
    issues.truncate(MOST_ISSUES);
    if issues.iter().any(|issue| issue.severity >= Severity::Error) { Err(issues) } else { Ok(issues) }
}

/// The subject is there, and is the patient whose record the writer may add to.
fn check_subject(
    row: &authorship::Authorship,
    resource: &Value<'_>,
    context: &WriteContext<'_>,
    issues: &mut Vec<Issue>,
) {
    let WriteContext { writer, settings, filed, .. } = *context;
    let place = format!("{}.{}", row.name, row.subject);
    let Some(subject) = resource.get(row.subject) else {
        if writer.is_person() || !row.may_be_about_nobody {
            issues.push(Issue::error(IssueCode::Required, place, "name the patient whose record this belongs to"));
        }
        return;
    };
    let Some(own) = &writer.patient else { return };
    let named = subject.text("reference").and_then(|reference| settings.local(reference));
    if row.through_others && named.as_deref().is_some_and(|named| !named.starts_with("Patient/")) {
        // In whose record that is decides the access decision.
        return;
    }
    // What a system has filed by the number of its patient names her by that.
    let has_address = subject.get("reference").is_some();
    let number = subject.get("identifier").filter(|_| !has_address).and_then(nhs_number::of_identifier);
    if number.is_some_and(|number| filed.iter().any(|(known, patient)| *known == number && patient == own)) {
        return;
    }
    if named.as_deref().and_then(|named| named.strip_prefix("Patient/")) != Some(own.as_str()) {
        let text = format!("must be Patient/{own}: you write in that patient's record only");
        issues.push(Issue::error(IssueCode::BusinessRule, place, text));
    }
}

/// Puts the writer into the element if it is missing and the type wants it so.
fn fill(element: &AuthorElement, resource: &mut Value<'_>, writer: &Writer) {
    let wanted = match element.fill {
        Fill::Writer => true,
        Fill::Person => writer.is_person(),
        Fill::Nobody => false,
    };
    let (true, Some(reference), Some(object)) = (wanted, &writer.reference, resource.as_object_mut()) else { return };
    if object.get(element.name).is_none() {
        let value = reference_value(reference);
        object.set(element.name, if element.repeats { Value::Array(vec![value]) } else { value });
    }
}

/// Nobody but the writer stands in the element, apart from those whom the type lets stand there.
fn check_author(
    row: &authorship::Authorship,
    element: &AuthorElement,
    resource: &Value<'_>,
    context: &WriteContext<'_>,
    issues: &mut Vec<Issue>,
) {
    for position in foreign_authors(row, element, resource, resource, context) {
        let place = match element.repeats {
            true => format!("{}.{}[{position}]", row.name, element.name),
            false => format!("{}.{}", row.name, element.name),
        };
        let text = match &context.writer.reference {
            Some(own) => format!("names somebody else than you: put {own} here or leave it out"),
            None => "names somebody else than you: leave it out".to_owned(),
        };
        issues.push(Issue::error(IssueCode::BusinessRule, place, text));
    }
}

/// Where in the element of a resource somebody stands who may not: neither the writer nor whom the type lets stand there. `within` is the
/// resource whose contained ones a reference may mean: itself, or the one that contains it.
pub(super) fn foreign_authors(
    row: &authorship::Authorship,
    element: &AuthorElement,
    resource: &Value<'_>,
    within: &Value<'_>,
    WriteContext { writer, settings, .. }: &WriteContext<'_>,
) -> Vec<usize> {
    let subject = resource.get(row.subject).and_then(|subject| subject.text("reference"));
    let subject = subject.and_then(|subject| settings.local(subject));
    let may_stand = |item: &Value<'_>| {
        let reference = item.text("reference").and_then(|reference| settings.local(reference));
        let reference = reference.as_deref();
        if is_writer(item, writer, settings) {
            return true;
        }
        match element.others {
            Others::Nobody => false,
            Others::Subject => {
                writer.kind != WriterKind::Patient && reference.is_some() && reference == subject.as_deref()
            }
            Others::Colleagues => !writer.is_person() && is_colleague(item, within, settings),
            Others::Sources => !writer.is_person(),
        }
    };
    let items = resource.list(element.name).iter().enumerate();
    items.filter(|(_, item)| !may_stand(item)).map(|(position, _)| position).collect()
}

/// A step from an element to one inside it.
#[derive(Clone, Copy)]
pub(super) enum Step<'v> {
    Member(&'v str),
    Item(usize),
}

/// The steps as the place of an issue: `Type.name[0].part`.
pub(super) fn written(place: &[Step<'_>]) -> String {
    place.iter().fold(String::new(), |mut text, step| {
        match step {
            Step::Member(name) if text.is_empty() => text.push_str(name),
            Step::Member(name) => text.extend([".", name]),
            Step::Item(position) => text.push_str(&format!("[{position}]")),
        }
        text
    })
}

/// A patient's resource says nothing of another patient: it would join that patient's record too.
fn find_other_patients<'v>(
    value: &'v Value<'_>,
    own: &str,
    settings: &Settings<'_>,
    place: &mut Vec<Step<'v>>,
    issues: &mut Vec<Issue>,
) {
    if issues.len() >= MOST_ISSUES {
        return;
    }
    match value {
        Value::Object(object) => {
            for (name, member) in &object.0 {
                place.push(Step::Member(name));
                match member.as_str() {
                    Some(text) if name == "reference" => {
                        if settings
                            .local(text)
                            .is_some_and(|it| it.strip_prefix("Patient/").is_some_and(|id| id != own))
                        {
                            let text = "names another patient: you write in one patient's record only";
                            issues.push(Issue::error(IssueCode::BusinessRule, written(place), text));
                        }
                    }
                    _ => find_other_patients(member, own, settings, place, issues),
                }
                place.pop();
            }
        }
        Value::Array(items) => {
            for (position, item) in items.iter().enumerate() {
                place.push(Step::Item(position));
                find_other_patients(item, own, settings, place, issues);
                place.pop();
            }
        }
        _ => {}
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in crate::rules) const NOW: i64 = 1_772_366_400_000; // 2026-03-01T12:00:00Z
    pub(in crate::rules) const SETTINGS: Settings<'_> =
        Settings { base: "https://phr.example/fhir", check_nhs_number: true, issuers: &[] };

    /// What is written by somebody where nothing stands.
    pub(in crate::rules) fn by(writer: &Writer) -> WriteContext<'_> {
        WriteContext { previous: None, writer, filed: &[], now: NOW, settings: &SETTINGS }
    }

    pub(in crate::rules) fn patient() -> Writer {
        Writer {
            kind: WriterKind::Patient,
            reference: Some("Patient/p1".to_owned()),
            also: Vec::new(),
            patient: Some("p1".to_owned()),
        }
    }

    pub(in crate::rules) fn carer() -> Writer {
        Writer {
            kind: WriterKind::RelatedPerson { decides: false },
            reference: Some("RelatedPerson/c1".to_owned()),
            also: Vec::new(),
            patient: Some("p1".to_owned()),
        }
    }

    pub(in crate::rules) fn professional() -> Writer {
        Writer {
            kind: WriterKind::Professional,
            reference: Some("Practitioner/gp".to_owned()),
            also: vec!["PractitionerRole/gp-r".to_owned(), "Organization/surgery".to_owned()],
            patient: None,
        }
    }

    pub(in crate::rules) fn system() -> Writer {
        Writer { kind: WriterKind::System, reference: None, also: Vec::new(), patient: None }
    }

    pub(in crate::rules) fn unregistered() -> Writer {
        Writer { kind: WriterKind::Unregistered, ..system() }
    }

    /// The value of a JSON text, for tests.
    pub(in crate::rules) fn json(text: &str) -> Value<'static> {
        crate::json::parse(text.as_bytes(), &crate::json::Limits::default()).unwrap().into_owned()
    }

    /// Prepares the resource and says where something was wrong (errors) or remarkable (warnings).
    pub(in crate::rules) fn places(text: &str, writer: &Writer) -> Result<Vec<String>, Vec<String>> {
        let mut resource = json(text);
        let resource_type = ResourceType::parse(resource.text("resourceType").unwrap()).unwrap();
        let list = |issues: Vec<Issue>| -> Vec<String> {
            issues.into_iter().map(|issue| issue.expression.unwrap_or_default()).collect()
        };
        prepare(resource_type, &mut resource, &by(writer)).map(list).map_err(list)
    }

    fn prepared(text: &str, writer: &Writer) -> Value<'static> {
        let mut resource = json(text);
        let resource_type = ResourceType::parse(resource.text("resourceType").unwrap()).unwrap();
        prepare(resource_type, &mut resource, &by(writer)).unwrap();
        resource
    }

    #[test]
    fn a_missing_author_is_filled_in() {
        let goal = r#"{"resourceType":"Goal","subject":{"reference":"Patient/p1"},"description":{"text":"walk"}}"#;
        let author = |writer: &Writer| {
            prepared(goal, writer).get("expressedBy").and_then(|it| it.text("reference")).map(str::to_owned)
        };
        assert_eq!(author(&patient()).as_deref(), Some("Patient/p1"));
        assert_eq!(author(&professional()).as_deref(), Some("Practitioner/gp"));
        assert_eq!(author(&system()), None);
        let statement = r#"{"resourceType":"MedicationStatement","subject":{"reference":"Patient/p1"}}"#;
        assert!(prepared(statement, &professional()).get("informationSource").is_none());
        assert!(prepared(statement, &patient()).get("informationSource").is_some());
        let document = r#"{"resourceType":"DocumentReference","subject":{"reference":"Patient/p1"}}"#;
        assert!(matches!(prepared(document, &patient()).get("author"), Some(Value::Array(items)) if items.len() == 1));
    }

    #[test]
    fn nobody_writes_in_anothers_name() {
        let goal = |author: &str| {
            format!(
                r#"{{"resourceType":"Goal","subject":{{"reference":"Patient/p1"}},"expressedBy":{{"reference":"{author}"}}}}"#
            )
        };
        for (author, writer, fine) in [
            ("Patient/p1", patient(), true),
            ("https://phr.example/fhir/Patient/p1", patient(), true),
            ("Practitioner/gp", patient(), false),
            ("RelatedPerson/c1", patient(), false),
            ("https://other.example/fhir/Patient/p1", patient(), false),
            ("#me", patient(), false),
            ("Patient/p1", professional(), false),
            ("Practitioner/gp", professional(), true),
            ("PractitionerRole/gp-r", professional(), true),
            ("Practitioner/other", professional(), false),
            ("Practitioner/other", system(), true),
        ] {
            let found = places(&goal(author), &writer);
            assert_eq!(found, if fine { Ok(vec![]) } else { Err(vec!["Goal.expressedBy".to_owned()]) }, "{author}");
        }
    }

    #[test]
    fn colleagues_and_sources_may_be_named_by_professionals_only() {
        let statement = r#"{"resourceType":"MedicationStatement","subject":{"reference":"Patient/p1"},
            "informationSource":{"reference":"Patient/p1"}}"#;
        assert_eq!(places(statement, &professional()), Ok(vec![]));
        let report = r#"{"resourceType":"DiagnosticReport","subject":{"reference":"Patient/p1"},
            "performer":[{"reference":"Organization/lab"},{"reference":"Patient/p1"},{"identifier":{"value":"x"}}]}"#;
        assert_eq!(
            places(report, &professional()),
            Err(vec!["DiagnosticReport.performer[1]".to_owned(), "DiagnosticReport.performer[2]".to_owned()])
        );
        let response = r#"{"resourceType":"QuestionnaireResponse","subject":{"reference":"Patient/p1"},
            "source":{"reference":"Patient/p1"}}"#;
        for writer in [patient(), carer(), professional()] {
            assert_eq!(places(response, &writer), Ok(vec![]));
        }
        let response =
            response.replace("\"source\":{\"reference\":\"Patient/p1\"}", "\"source\":{\"reference\":\"Patient/p2\"}");
        assert_eq!(places(&response, &professional()), Err(vec!["QuestionnaireResponse.source".to_owned()]));
    }

    #[test]
    fn the_subject_is_the_writers_patient() {
        let subject = |subject: &str| format!(r#"{{"resourceType":"Communication"{subject}}}"#);
        let place = Err(vec!["Communication.subject".to_owned()]);
        for writer in [patient(), carer(), professional()] {
            assert_eq!(places(&subject(""), &writer), place);
            assert_eq!(places(&subject(r#","subject":{"reference":"Patient/p1"}"#), &writer), Ok(vec![]));
        }
        assert_eq!(places(&subject(""), &system()), Ok(vec![]));
        let by_identifier = subject(r#","subject":{"identifier":{"value":"9990000000"}}"#);
        assert_eq!(places(&by_identifier, &patient()), place);
        let other = subject(r#","subject":{"reference":"Patient/p2"}"#);
        let found = places(&other, &patient()).unwrap_err();
        assert_eq!(found, ["Communication.subject", "Communication.subject.reference"]);
        assert_eq!(places(&other, &professional()), Ok(vec![]));
    }

    #[test]
    fn no_other_patient_is_named_anywhere() {
        let message = r#"{"resourceType":"Communication","subject":{"reference":"Patient/p1"},
            "recipient":[{"reference":"Practitioner/gp"},{"reference":"Patient/p2"}],
            "extension":[{"url":"x","valueReference":{"reference":"https://phr.example/fhir/Patient/p3/_history/1"}}]}"#;
        assert_eq!(
            places(message, &carer()),
            Err(vec![
                "Communication.recipient[1].reference".to_owned(),
                "Communication.extension[0].valueReference.reference".to_owned()
            ])
        );
        assert_eq!(places(message, &professional()), Ok(vec![]));
    }

    #[test]
    fn an_answer_lists_no_more_than_a_hundred_problems() {
        let recipients = vec![r#"{"reference":"Patient/p2"}"#; 500].join(",");
        let message = format!(
            r#"{{"resourceType":"Communication","subject":{{"reference":"Patient/p1"}},"recipient":[{recipients}]}}"#
        );
        assert_eq!(places(&message, &patient()).unwrap_err().len(), MOST_ISSUES);
    }
}
