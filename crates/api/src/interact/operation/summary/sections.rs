//! The sections of a summary: those of the International Patient Summary 2.0 with the types of entries that it allows, and a
//! few of Concord's own, which it lets stand beside them. What is looked for follows NHS England's shared-care summary.

use concord_fhir::index::ParameterId;
use concord_fhir::predicate::Predicate;
use concord_fhir::rules::communication;
use concord_model::build::{Code, code};

use crate::interact::operation::record;
use crate::interact::operation::record::{coded, not_in_error};

pub(super) const LOINC: &str = "http://loinc.org";
const SNOMED: &str = "http://snomed.info/sct";

/// The record standard's headings.
const HEADINGS: &str = "https://fhir.hl7.org.uk/CodeSystem/UKCore-RecordStandardHeadings";

const DAY: i64 = 24 * 60 * 60 * 1_000;
pub(super) const HALF_A_YEAR: i64 = 183 * DAY;
const YEAR: i64 = 366 * DAY;

/// A section of the summary.
pub(super) struct Section {
    pub(super) title: &'static str,
    pub(super) codes: &'static [Code<'static>],
    /// Whether it is there also when it has no entries (IPS: problems, allergies and medicines).
    pub(super) always: bool,
    /// Whether what is in it has a day on which it is looked at again.
    pub(super) is_reviewed: bool,
    pub(super) parts: &'static [PartOf],
    pub(super) table: Table,
}

/// The resources of one type in a section, the newest by this parameter first, or by when they were written.
pub(super) struct PartOf {
    pub(super) resource_type: &'static str,
    pub(super) newest: Option<&'static str>,
    /// What of it is looked for, at this time.
    pub(super) wanted: fn(i64) -> Predicate,
    pub(super) keep: Keep,
}

/// How many of what was found are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Keep {
    All,
    /// Those of the last half year, and so many in any case.
    Recent(usize),
    /// So many of each code.
    EachKind(usize),
}

/// What a section's table says of its entries.
#[derive(Clone, Copy)]
pub(super) enum Table {
    /// A row an entry.
    Columns(&'static [Column]),
    /// A row an answer of a questionnaire.
    Answers,
}

/// A column: its heading, and the paths of which the first that says something is told.
pub(super) struct Column {
    pub(super) heading: &'static str,
    pub(super) paths: &'static [&'static str],
}

const fn part(resource_type: &'static str, newest: &'static str, wanted: fn(i64) -> Predicate) -> PartOf {
    PartOf { resource_type, newest: Some(newest), wanted, keep: Keep::All }
}

const fn kept(keep: Keep, part: PartOf) -> PartOf {
    PartOf { keep, ..part }
}

const fn column(heading: &'static str, paths: &'static [&'static str]) -> Column {
    Column { heading, paths }
}

const fn section(
    title: &'static str,
    codes: &'static [Code<'static>],
    parts: &'static [PartOf],
    columns: &'static [Column],
) -> Section {
    Section { title, codes, always: false, is_reviewed: false, parts, table: Table::Columns(columns) }
}

/// When something was seen or done.
const WHEN: Column = column(
    "When",
    &[
        "effectiveDateTime",
        "effectivePeriod",
        "effectiveInstant",
        "performedDateTime",
        "performedPeriod",
        "performedString",
        "occurrenceDateTime",
        "occurrenceString",
        "timingPeriod",
        "timingDateTime",
        "timingTiming",
        "issued",
    ],
);
const STATUS: Column = column("Status", &["status"]);
const NOTE: Column = column("Note", &["note"]);
const ONSET: Column = column("Since", &["onsetDateTime", "onsetPeriod", "onsetAge", "onsetString", "recordedDate"]);
const VALUE: Column = column(
    "Value",
    &[
        "valueQuantity",
        "valueCodeableConcept",
        "valueString",
        "valueBoolean",
        "valueInteger",
        "valueRange",
        "valueRatio",
        "valueDateTime",
        "valuePeriod",
        "component",
        "conclusion",
        "conclusionCode",
        "dataAbsentReason",
    ],
);
const OBSERVED: &[Column] = &[column("What", &["code"]), VALUE, WHEN, NOTE];

/// Conditions that have not been entered in error and that have one of these statuses, or none of them.
fn conditions(over: bool) -> Predicate {
    let wrong = coded("Condition.verification-status", &["entered-in-error", "refuted"]).negate();
    let past = coded("Condition.clinical-status", &["resolved", "inactive", "remission"]);
    let function = coded("Condition.category", FUNCTION).negate();
    wrong.and(function).and(if over { past } else { past.negate() })
}

/// What says of a Condition that it is about what somebody can do.
const FUNCTION: &[&str] = &["47420-5", "disability", "functional-status", "functional"];

fn observed(category: &str) -> Predicate {
    coded("Observation.category", &[category]).and(not_in_error("Observation.status"))
}

/// What tells that somebody is or was pregnant (IPS: status, estimated date of delivery, outcomes).
const PREGNANCY: &[&str] = &[
    "82810-3", "11778-8", "11779-6", "11780-4", "11636-8", "11637-6", "11638-4", "11639-2", "11640-0", "11612-9",
    "11613-7", "11614-5", "33065-4",
];

fn since(parameter: &str, first: i64) -> Predicate {
    Predicate::Entry(ParameterId::of(parameter), record::overlapping(Some(first), None))
}

/// About Me, what was said in advance, then the sections of the IPS (R4 LOINC codes).
pub(super) const SECTIONS: &[Section] = &[
    Section {
        table: Table::Answers,
        ..section(
            "About Me",
            &[code(LOINC, "81338-6"), code(SNOMED, "1515851000000101")],
            &[part("QuestionnaireResponse", "authored", |_| record::about_me())],
            &[],
        )
    },
    Section {
        table: Table::Answers,
        is_reviewed: true,
        ..section(
            "Advance statements",
            &[code(HEADINGS, "advance-statement")],
            &[part("QuestionnaireResponse", "authored", |_| record::advance_statement())],
            &[],
        )
    },
    Section {
        is_reviewed: true,
        ..section(
            "Advance decisions",
            &[code(LOINC, "42348-3")],
            &[
                part("Consent", "date", |_| coded("Consent.scope", &["adr"]).and(coded("Consent.status", &["active"]))),
                part("DocumentReference", "date", |_| {
                    let kinds = ["advance-statement", "advance-decision-to-refuse-treatment", "42348-3"];
                    coded("DocumentReference.status", &["current"])
                        .and(coded("DocumentReference.type", &kinds).or(coded("DocumentReference.category", &kinds)))
                }),
            ],
            &[
                column("What", &["category", "type", "description"]),
                column("Refused or permitted", &["provision.type", "provision.code", "description", "policyRule"]),
                column("Made", &["dateTime", "date"]),
                column("Valid", &["provision.period", "context.period"]),
            ],
        )
    },
    section(
        "Alerts",
        &[code(LOINC, "104605-1")],
        &[part("Flag", "date", |_| coded("Flag.status", &["active"]))],
        &[column("What", &["code"]), column("Kind", &["category"]), column("When", &["period"])],
    ),
    Section {
        always: true,
        ..section(
            "Allergies and intolerances",
            &[code(LOINC, "48765-2")],
            &[part("AllergyIntolerance", "date", |_| {
                let wrong = coded("AllergyIntolerance.verification-status", &["entered-in-error", "refuted"]);
                wrong.or(coded("AllergyIntolerance.clinical-status", &["resolved", "inactive"])).negate()
            })],
            &[
                column("To what", &["code"]),
                column("Reaction", &["reaction.manifestation", "reaction.description"]),
                column("Severity", &["reaction.severity", "criticality"]),
                column("Verified", &["verificationStatus"]),
                ONSET,
            ],
        )
    },
    Section {
        always: true,
        ..section(
            "Medicines",
            &[code(LOINC, "10160-0")],
            &[
                part("MedicationStatement", "effective", |now| {
                    let ended = coded("MedicationStatement.status", &["completed", "stopped"]);
                    coded("MedicationStatement.status", &["active", "intended", "on-hold", "unknown"])
                        .or(ended.and(since("MedicationStatement.effective", now - HALF_A_YEAR)))
                }),
                part("MedicationRequest", "authoredon", |now| {
                    let acute = coded("MedicationRequest.status", &["completed"]);
                    coded("MedicationRequest.status", &["active", "on-hold"])
                        .or(acute.and(since("MedicationRequest.authoredon", now - YEAR)))
                        .or(coded("MedicationRequest.status", &["stopped"])
                            .and(since("MedicationRequest.authoredon", now - HALF_A_YEAR)))
                }),
            ],
            &[
                column("Medicine", &["medicationCodeableConcept", "medicationReference"]),
                column("Dose", &["dosage", "dosageInstruction"]),
                STATUS,
                column("When", &["effectivePeriod", "effectiveDateTime", "authoredOn"]),
                NOTE,
            ],
        )
    },
    Section {
        always: true,
        ..section(
            "Problems",
            &[code(LOINC, "11450-4")],
            &[part("Condition", "recorded-date", |_| conditions(false))],
            &[
                column("What", &["code"]),
                column("Status", &["clinicalStatus"]),
                column("Severity", &["severity"]),
                ONSET,
                NOTE,
            ],
        )
    },
    section(
        "Past problems",
        &[code(LOINC, "11348-0")],
        &[part("Condition", "recorded-date", |_| conditions(true))],
        &[
            column("What", &["code"]),
            column("Status", &["clinicalStatus"]),
            ONSET,
            column("Until", &["abatementDateTime", "abatementPeriod", "abatementAge", "abatementString"]),
        ],
    ),
    section(
        "Immunisations",
        &[code(LOINC, "11369-6")],
        &[part("Immunization", "date", |_| not_in_error("Immunization.status"))],
        &[column("Vaccine", &["vaccineCode"]), WHEN, column("Dose", &["protocolApplied"]), STATUS],
    ),
    section(
        "Results",
        &[code(LOINC, "30954-2")],
        &[
            kept(Keep::Recent(5), part("DiagnosticReport", "date", |_| not_in_error("DiagnosticReport.status"))),
            kept(Keep::Recent(5), part("Observation", "date", |_| observed("laboratory").or(observed("imaging")))),
        ],
        OBSERVED,
    ),
    section(
        "Vital signs",
        &[code(LOINC, "8716-3")],
        &[kept(Keep::EachKind(5), part("Observation", "date", |_| observed("vital-signs")))],
        OBSERVED,
    ),
    section(
        "Procedures",
        &[code(LOINC, "47519-4")],
        &[part("Procedure", "date", |_| not_in_error("Procedure.status"))],
        &[column("What", &["code"]), WHEN, STATUS, column("Where", &["bodySite"])],
    ),
    section(
        "Medical devices",
        &[code(LOINC, "46264-8")],
        &[PartOf { newest: None, ..part("DeviceUseStatement", "", |_| Predicate::All) }],
        &[column("Device", &["device"]), STATUS, WHEN, column("Where", &["bodySite"])],
    ),
    section(
        "Social history",
        &[code(LOINC, "29762-2")],
        &[kept(Keep::EachKind(1), part("Observation", "date", |_| observed("social-history")))],
        OBSERVED,
    ),
    section(
        "Pregnancy",
        &[code(LOINC, "10162-6")],
        &[part("Observation", "date", |_| {
            coded("Observation.code", PREGNANCY).and(not_in_error("Observation.status"))
        })],
        OBSERVED,
    ),
    section(
        "Functional status",
        &[code(LOINC, "47420-5")],
        &[part("Condition", "recorded-date", |_| {
            coded("Condition.category", FUNCTION)
                .and(coded("Condition.verification-status", &["entered-in-error", "refuted"]).negate())
        })],
        &[column("What", &["code"]), column("Status", &["clinicalStatus"]), ONSET, NOTE],
    ),
    section(
        "Plans",
        &[code(LOINC, "18776-5")],
        &[
            part("CarePlan", "date", |_| coded("CarePlan.status", &["active", "on-hold"])),
            part("ImmunizationRecommendation", "date", |_| Predicate::All),
        ],
        &[
            column("What", &["title", "category", "recommendation.vaccineCode"]),
            column("Description", &["description", "activity.detail.description", "note"]),
            column("When", &["period", "created", "date"]),
            STATUS,
        ],
    ),
    section(
        "Goals",
        &[code(LOINC, "61146-7")],
        &[part("Goal", "start-date", |_| {
            coded("Goal.lifecycle-status", &["entered-in-error", "cancelled", "rejected", "completed"]).negate()
        })],
        &[
            column("What", &["description"]),
            column("Status", &["lifecycleStatus"]),
            column("Since", &["startDate", "startCodeableConcept"]),
            NOTE,
        ],
    ),
    section(
        "Information prescribed",
        &[code(HEADINGS, "information-and-advice-given")],
        &[
            part("CommunicationRequest", "authored", |_| {
                coded("CommunicationRequest.status", &["active"])
                    .and(coded("CommunicationRequest.category", &[communication::INFORMATION]))
            }),
            part("Communication", "received", |_| {
                coded("Communication.category", &[communication::READ]).and(not_in_error("Communication.status"))
            }),
        ],
        &[column("What", &["payload", "reasonCode"]), column("When", &["authoredOn", "received", "sent"]), STATUS],
    ),
];
