//! The rules, by shape. Keys and meaning are those of R4's definitions.

use super::super::rule::Holds::{AtLeastOne, AtMostOne, Needs, When};
use super::super::rule::{Holds, Rule};
use super::{are_distinct, has, is_after, is_coded, list, text};
use crate::json::{Object, Value};

const fn rule(key: &'static str, text: &'static str, holds: Holds) -> Rule {
    Rule { key, text, holds }
}

const VERIFICATION: &str = "http://terminology.hl7.org/CodeSystem/allergyintolerance-verification";
const CONDITION_VERIFICATION: &str = "http://terminology.hl7.org/CodeSystem/condition-ver-status";
const CONDITION_CLINICAL: &str = "http://terminology.hl7.org/CodeSystem/condition-clinical";
const UCUM: &str = "http://unitsofmeasure.org";

pub(super) static ALL: &[(&str, &[Rule])] = &[
    ("Age", &[rule("qty-3", "a coded unit needs its 'system'", Needs("code", "system"))]),
    (
        "AllergyIntolerance",
        &[
            rule(
                "ait-1",
                "'clinicalStatus' is required unless it was entered in error",
                When(|allergy| {
                    has(allergy, "clinicalStatus")
                        || is_coded(allergy, "verificationStatus", VERIFICATION, &["entered-in-error"])
                }),
            ),
            rule(
                "ait-2",
                "what was entered in error has no 'clinicalStatus'",
                When(|allergy| {
                    !has(allergy, "clinicalStatus")
                        || !is_coded(allergy, "verificationStatus", VERIFICATION, &["entered-in-error"])
                }),
            ),
        ],
    ),
    (
        "Appointment",
        &[
            rule(
                "app-2",
                "'start' and 'end' are given together",
                When(|appointment| has(appointment, "start") == has(appointment, "end")),
            ),
            rule(
                "app-3",
                "only a proposed, cancelled or waitlisted appointment may be without 'start' and 'end'",
                When(|appointment| {
                    has(appointment, "start") && has(appointment, "end")
                        || matches!(text(appointment, "status"), "proposed" | "cancelled" | "waitlist")
                }),
            ),
            rule(
                "app-4",
                "a 'cancelationReason' needs the status cancelled or noshow",
                When(|appointment| {
                    !has(appointment, "cancelationReason")
                        || matches!(text(appointment, "status"), "no-show" | "noshow" | "cancelled")
                }),
            ),
        ],
    ),
    (
        "Appointment.participant",
        &[rule("app-1", "a participant has a 'type' or an 'actor'", AtLeastOne(&["type", "actor"]))],
    ),
    (
        "AppointmentResponse",
        &[rule("apr-1", "'participantType' or 'actor' is required", AtLeastOne(&["participantType", "actor"]))],
    ),
    ("Attachment", &[rule("att-1", "'data' needs its 'contentType'", Needs("data", "contentType"))]),
    ("AuditEvent.entity", &[rule("sev-1", "'name' and 'query' exclude each other", AtMostOne(&["name", "query"]))]),
    (
        "Bundle",
        &[
            rule(
                "bdl-1",
                "only a searchset or a history has a 'total'",
                When(|bundle| !has(bundle, "total") || matches!(text(bundle, "type"), "searchset" | "history")),
            ),
            rule(
                "bdl-2",
                "only the entries of a searchset have 'search'",
                When(|bundle| text(bundle, "type") == "searchset" || !any_entry_has(bundle, "search")),
            ),
            rule(
                "bdl-3",
                "the entries of a batch, transaction or history, and no others, have a 'request'",
                When(|bundle| {
                    every_entry_has(
                        bundle,
                        "request",
                        matches!(text(bundle, "type"), "batch" | "transaction" | "history"),
                    )
                }),
            ),
            rule(
                "bdl-4",
                "the entries of a response or a history, and no others, have a 'response'",
                When(|bundle| {
                    every_entry_has(
                        bundle,
                        "response",
                        matches!(text(bundle, "type"), "batch-response" | "transaction-response" | "history"),
                    )
                }),
            ),
            rule(
                "bdl-9",
                "a document has an identifier with 'system' and 'value'",
                When(|bundle| {
                    text(bundle, "type") != "document"
                        || bundle.get("identifier").is_some_and(|identifier| {
                            identifier.get("system").is_some() && identifier.get("value").is_some()
                        })
                }),
            ),
            rule(
                "bdl-10",
                "a document has a 'timestamp'",
                When(|bundle| text(bundle, "type") != "document" || has(bundle, "timestamp")),
            ),
            rule(
                "bdl-11",
                "the first resource of a document is a Composition",
                When(|bundle| text(bundle, "type") != "document" || first_entry_is(bundle, "Composition")),
            ),
            rule(
                "bdl-12",
                "the first resource of a message is a MessageHeader",
                When(|bundle| text(bundle, "type") != "message" || first_entry_is(bundle, "MessageHeader")),
            ),
        ],
    ),
    (
        "Bundle.entry",
        &[
            rule(
                "bdl-5",
                "an entry has a 'resource', a 'request' or a 'response'",
                AtLeastOne(&["resource", "request", "response"]),
            ),
            rule("bdl-8", "a 'fullUrl' names no version", When(|entry| !text(entry, "fullUrl").contains("/_history/"))),
        ],
    ),
    (
        "CarePlan.activity",
        &[rule("cpl-3", "'detail' and 'reference' exclude each other", AtMostOne(&["detail", "reference"]))],
    ),
    (
        "Composition.section",
        &[
            rule(
                "cmp-1",
                "a section has a 'text', an 'entry' or a 'section'",
                AtLeastOne(&["text", "entry", "section"]),
            ),
            rule("cmp-2", "'emptyReason' and 'entry' exclude each other", AtMostOne(&["emptyReason", "entry"])),
        ],
    ),
    (
        "Condition",
        &[
            rule(
                "con-4",
                "a condition that has abated is inactive, resolved or in remission",
                When(|condition| {
                    !has(condition, "abatement[x]")
                        || is_coded(
                            condition,
                            "clinicalStatus",
                            CONDITION_CLINICAL,
                            &["resolved", "remission", "inactive"],
                        )
                }),
            ),
            rule(
                "con-5",
                "what was entered in error has no 'clinicalStatus'",
                When(|condition| {
                    !has(condition, "clinicalStatus")
                        || !is_coded(condition, "verificationStatus", CONDITION_VERIFICATION, &["entered-in-error"])
                }),
            ),
        ],
    ),
    ("Condition.evidence", &[rule("con-2", "evidence has a 'code' or a 'detail'", AtLeastOne(&["code", "detail"]))]),
    (
        "Condition.stage",
        &[rule("con-1", "a stage has a 'summary' or an 'assessment'", AtLeastOne(&["summary", "assessment"]))],
    ),
    ("Consent", &[rule("ppc-1", "'policy' or 'policyRule' is required", AtLeastOne(&["policy", "policyRule"]))]),
    ("ContactPoint", &[rule("cpt-2", "a 'value' needs its 'system'", Needs("value", "system"))]),
    ("Count", &[rule("qty-3", "a coded unit needs its 'system'", Needs("code", "system"))]),
    ("Distance", &[rule("qty-3", "a coded unit needs its 'system'", Needs("code", "system"))]),
    (
        "Duration",
        &[
            rule("qty-3", "a coded unit needs its 'system'", Needs("code", "system")),
            rule(
                "drt-1",
                "the unit of a duration is coded in UCUM, beside a 'value'",
                When(|duration| !has(duration, "code") || (text(duration, "system") == UCUM && has(duration, "value"))),
            ),
        ],
    ),
    (
        "Expression",
        &[rule("exp-1", "'expression' or 'reference' is required", AtLeastOne(&["expression", "reference"]))],
    ),
    (
        "FamilyMemberHistory",
        &[
            rule("fhs-1", "'age' and 'born' exclude each other", AtMostOne(&["age[x]", "born[x]"])),
            rule("fhs-2", "'estimatedAge' needs 'age'", Needs("estimatedAge", "age[x]")),
        ],
    ),
    ("Goal.target", &[rule("gol-1", "a 'detail' needs its 'measure'", Needs("detail[x]", "measure"))]),
    (
        "Group",
        &[rule(
            "grp-1",
            "only an actual group has members",
            When(|group| !has(group, "member") || group.get("actual").and_then(Value::as_bool) == Some(true)),
        )],
    ),
    (
        "Immunization.education",
        &[rule("imm-1", "'documentType' or 'reference' is required", AtLeastOne(&["documentType", "reference"]))],
    ),
    ("InsurancePlan", &[rule("ipn-1", "'identifier' or 'name' is required", AtLeastOne(&["identifier", "name"]))]),
    ("Linkage", &[rule("lnk-1", "a linkage has two items or more", When(|linkage| list(linkage, "item").len() > 1))]),
    (
        "List",
        &[
            rule("lst-1", "'emptyReason' and 'entry' exclude each other", AtMostOne(&["emptyReason", "entry"])),
            rule(
                "lst-2",
                "only the entries of a list of changes are 'deleted'",
                When(|items| text(items, "mode") == "changes" || !any_entry_has(items, "deleted")),
            ),
            rule(
                "lst-3",
                "only the entries of a working list have a 'date'",
                When(|items| text(items, "mode") == "working" || !any_entry_has(items, "date")),
            ),
        ],
    ),
    (
        "MedicationAdministration.dosage",
        &[rule("mad-1", "'dose' or 'rate' is required", AtLeastOne(&["dose", "rate[x]"]))],
    ),
    (
        "MedicationDispense",
        &[rule(
            "mdd-1",
            "nothing is handed over before it is prepared",
            When(|dispense| !is_after(dispense, "whenPrepared", "whenHandedOver")),
        )],
    ),
    (
        "Observation",
        &[
            rule(
                "obs-6",
                "'dataAbsentReason' and a value exclude each other",
                AtMostOne(&["dataAbsentReason", "value[x]"]),
            ),
            rule(
                "obs-7",
                "a component has not the code of the observation if that has a value",
                When(|observation| !has(observation, "value[x]") || !a_component_has_the_same_code(observation)),
            ),
        ],
    ),
    (
        "Observation.referenceRange",
        &[rule("obs-3", "a reference range has 'low', 'high' or 'text'", AtLeastOne(&["low", "high", "text"]))],
    ),
    (
        "Organization",
        &[
            rule("org-1", "'identifier' or 'name' is required", AtLeastOne(&["identifier", "name"])),
            rule(
                "org-2",
                "an organization has no home address",
                When(|organization| !any_is_home(organization, "address")),
            ),
            rule(
                "org-3",
                "an organization has no home telephone",
                When(|organization| !any_is_home(organization, "telecom")),
            ),
        ],
    ),
    (
        "Parameters.parameter",
        &[rule(
            "inv-1",
            "a parameter has a value, a 'resource' or 'part', and only one of them",
            When(|parameter| ["part", "value[x]", "resource"].iter().filter(|name| has(parameter, name)).count() == 1),
        )],
    ),
    (
        "Patient.contact",
        &[rule(
            "pat-1",
            "a contact has a name, telecom, address or organization",
            AtLeastOne(&["name", "telecom", "address", "organization"]),
        )],
    ),
    ("Period", &[rule("per-1", "a period ends after it starts", When(|period| !is_after(period, "start", "end")))]),
    ("Quantity", &[rule("qty-3", "a coded unit needs its 'system'", Needs("code", "system"))]),
    (
        "Questionnaire",
        &[rule(
            "que-2",
            "a 'linkId' stands once in a questionnaire",
            When(|questionnaire| {
                let mut ids = Vec::new();
                gather_link_ids(list(questionnaire, "item"), &mut ids);
                are_distinct(ids)
            }),
        )],
    ),
    (
        "Questionnaire.item",
        &[
            rule(
                "que-1",
                "a group has items, and a display has none",
                When(|item| match text(item, "type") {
                    "group" => has(item, "item"),
                    "display" => !has(item, "item"),
                    _ => true,
                }),
            ),
            rule(
                "que-3",
                "a display has no 'code'",
                When(|item| text(item, "type") != "display" || !has(item, "code")),
            ),
            rule(
                "que-4",
                "'answerOption' and 'answerValueSet' exclude each other",
                AtMostOne(&["answerOption", "answerValueSet"]),
            ),
            rule(
                "que-6",
                "a display is neither 'required' nor does it 'repeat'",
                When(|item| text(item, "type") != "display" || !(has(item, "required") || has(item, "repeats"))),
            ),
            rule(
                "que-8",
                "a group or a display has no 'initial'",
                When(|item| !matches!(text(item, "type"), "group" | "display") || !has(item, "initial")),
            ),
            rule(
                "que-9",
                "a display is not 'readOnly'",
                When(|item| text(item, "type") != "display" || !has(item, "readOnly")),
            ),
            rule("que-11", "'answerOption' and 'initial' exclude each other", AtMostOne(&["answerOption", "initial"])),
            rule(
                "que-12",
                "several 'enableWhen' need an 'enableBehavior'",
                When(|item| list(item, "enableWhen").len() <= 2 || has(item, "enableBehavior")),
            ),
        ],
    ),
    (
        "QuestionnaireResponse.item",
        &[rule("qrs-1", "'answer' and 'item' exclude each other", AtMostOne(&["answer", "item"]))],
    ),
    (
        "Ratio",
        &[rule(
            "rat-1",
            "'numerator' and 'denominator' are given together, or an extension stands for both",
            When(|ratio| {
                has(ratio, "numerator") == has(ratio, "denominator")
                    && (has(ratio, "numerator") || has(ratio, "extension"))
            }),
        )],
    ),
    ("ServiceRequest", &[rule("prr-1", "'orderDetail' needs a 'code'", Needs("orderDetail", "code"))]),
    ("SimpleQuantity", &[rule("qty-3", "a coded unit needs its 'system'", Needs("code", "system"))]),
    (
        "Task",
        &[rule(
            "inv-1",
            "'lastModified' is not before 'authoredOn'",
            When(|task| !is_after(task, "authoredOn", "lastModified")),
        )],
    ),
    (
        "Timing.repeat",
        &[
            rule("tim-1", "'duration' needs its 'durationUnit'", Needs("duration", "durationUnit")),
            rule("tim-2", "'period' needs its 'periodUnit'", Needs("period", "periodUnit")),
            rule("tim-4", "'duration' is not negative", When(|repeat| !is_negative(repeat, "duration"))),
            rule("tim-5", "'period' is not negative", When(|repeat| !is_negative(repeat, "period"))),
            rule("tim-6", "'periodMax' needs 'period'", Needs("periodMax", "period")),
            rule("tim-7", "'durationMax' needs 'duration'", Needs("durationMax", "duration")),
            rule("tim-8", "'countMax' needs 'count'", Needs("countMax", "count")),
            rule(
                "tim-9",
                "'offset' needs a 'when' that is not a meal as such",
                When(|repeat| {
                    let when = list(repeat, "when");
                    !has(repeat, "offset")
                        || (!when.is_empty()
                            && !when
                                .iter()
                                .filter_map(Value::as_str)
                                .any(|when| matches!(when, "C" | "CM" | "CD" | "CV")))
                }),
            ),
            rule("tim-10", "'timeOfDay' and 'when' exclude each other", AtMostOne(&["timeOfDay", "when"])),
        ],
    ),
];

fn any_entry_has(object: &Object<'_>, name: &str) -> bool {
    list(object, "entry").iter().any(|entry| entry.get(name).is_some())
}

fn every_entry_has(object: &Object<'_>, name: &str, wanted: bool) -> bool {
    list(object, "entry").iter().all(|entry| entry.get(name).is_some() == wanted)
}

fn first_entry_is(bundle: &Object<'_>, resource_type: &str) -> bool {
    let first = list(bundle, "entry").first().and_then(|entry| entry.get("resource"));
    first.is_some_and(|resource| resource.text("resourceType") == Some(resource_type))
}

fn a_component_has_the_same_code(observation: &Object<'_>) -> bool {
    let mut own: Vec<_> =
        observation.get("code").map_or(&[][..], |code| code.list("coding")).iter().map(parts).collect();
    own.sort_unstable();
    let mut components = list(observation, "component").iter().filter_map(|component| component.get("code"));
    components.any(|code| code.list("coding").iter().any(|coding| own.binary_search(&parts(coding)).is_ok()))
}

/// What makes two codings equal.
fn parts<'v>(coding: &'v Value<'_>) -> ([Option<&'v str>; 4], Option<bool>) {
    let texts = ["system", "version", "code", "display"].map(|name| coding.text(name));
    (texts, coding.get("userSelected").and_then(Value::as_bool))
}

fn any_is_home(organization: &Object<'_>, name: &str) -> bool {
    list(organization, name).iter().any(|item| item.text("use") == Some("home"))
}

fn gather_link_ids(items: &[Value<'_>], ids: &mut Vec<String>) {
    for item in items {
        ids.extend(item.text("linkId").map(ToOwned::to_owned));
        gather_link_ids(item.list("item"), ids);
    }
}

fn is_negative(object: &Object<'_>, name: &str) -> bool {
    let number = object.get(name).and_then(Value::as_number).unwrap_or_default();
    number.starts_with('-')
        && number.bytes().take_while(|byte| !matches!(byte, b'e' | b'E')).any(|byte| matches!(byte, b'1'..=b'9'))
}
