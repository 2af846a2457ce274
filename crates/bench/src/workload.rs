//! What is stored and what is asked: the same in every run.

use std::fmt::Write as _;

use clap::ValueEnum;

/// How many patients there are where nobody says.
pub(crate) const PATIENTS: usize = 100;
/// How many patients call: every one, or of more some that lie evenly among them.
pub(crate) const CALLERS: usize = 100;
/// How many Observations each patient has.
pub(crate) const READINGS: usize = 100;
/// The code that is searched for: every second Observation has it.
pub(crate) const SEARCHED: &str = "85354-9";

/// A kind of request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Case {
    /// A patient reads one of her Observations.
    Read,
    /// A professional of the patient's care team reads one.
    ReadShared,
    /// A system reads one of the patient with the Consents.
    ReadSystem,
    /// A professional whom one of 50 Consents permits it reads the same.
    ReadConsent,
    /// A patient reads a version.
    Vread,
    /// A patient writes an Observation.
    Create,
    /// A patient searches 20 blood pressures of hers, the latest first.
    Search,
    /// The same through a chain to the patient.
    Chain,
    /// The same with the patient included.
    Include,
    /// A patient looks at two years of one code: 500 readings.
    Trend,
    /// A system looks for the patient whom an Observation with an identifier is about.
    Has,
    /// A system looks for the Observation with an identifier, in all records.
    Token,
}

impl Case {
    /// Every case, in the order of the report.
    pub(crate) const ALL: [Case; 12] = [
        Case::Read,
        Case::ReadShared,
        Case::ReadSystem,
        Case::ReadConsent,
        Case::Vread,
        Case::Search,
        Case::Chain,
        Case::Include,
        Case::Trend,
        Case::Has,
        Case::Token,
        Case::Create,
    ];

    /// The name in the report.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Case::Read => "read",
            Case::ReadShared => "read by a professional",
            Case::ReadSystem => "read by a system",
            Case::ReadConsent => "the same read by a Consent",
            Case::Vread => "vread",
            Case::Create => "create",
            Case::Search => "search page of 20",
            Case::Chain => "page of 20 by a chain",
            Case::Include => "page of 20 with _include",
            Case::Trend => "trend of 500",
            Case::Has => "_has by a token",
            Case::Token => "token in all records",
        }
    }
}

/// The logical id of a patient.
pub(crate) fn patient_id(patient: usize) -> String {
    format!("bench-patient-{patient:03}")
}

/// The logical id of an Observation.
pub(crate) fn observation_id(patient: usize, reading: usize) -> String {
    format!("bench-observation-{patient:03}-{reading:03}")
}

/// The logical id of the professional who is in every care team.
pub(crate) const PROFESSIONAL: &str = "bench-professional";

/// The logical id of the professional whom a Consent of the patient with a long trend permits to read.
pub(crate) const CONSENTED: &str = "bench-consented";

/// The logical id of the patient with a long trend, 50 Consents and a care team of 20.
pub(crate) const TREND: &str = "bench-patient-trend";

/// How many Consents that patient has.
const CONSENTS: usize = 50;

/// How many members that patient's care team has.
const MEMBERS: usize = 20;

/// How many readings of one code that patient has.
const TREND_READINGS: usize = 500;

/// The patient of a caller, where there are so many patients.
pub(crate) fn of_caller(caller: usize, patients: usize) -> usize {
    caller * patients / CALLERS
}

/// All resources as NDJSON.
pub(crate) fn resources(patients: usize) -> String {
    let mut out = String::with_capacity((patients * READINGS + TREND_READINGS) * 2_100);
    let _ = writeln!(
        out,
        r#"{{"resourceType":"Practitioner","id":"{PROFESSIONAL}","name":[{{"family":"Okafor","given":["Ada"]}}]}}"#
    );
    for patient in 0..patients {
        let id = patient_id(patient);
        let _ = writeln!(
            out,
            r#"{{"resourceType":"Patient","id":"{id}","active":true,"name":[{{"use":"official","family":"Example{patient}","given":["Sam"]}}],"gender":"unknown","birthDate":"19{:02}-04-02"}}"#,
            40 + patient % 50
        );
        let _ = writeln!(
            out,
            r#"{{"resourceType":"CareTeam","id":"bench-team-{patient:03}","status":"active","subject":{{"reference":"Patient/{id}"}},"participant":[{{"member":{{"reference":"Practitioner/{PROFESSIONAL}"}}}}]}}"#
        );
        for reading in 0..READINGS {
            out.push_str(&observation(patient, reading, Some(&observation_id(patient, reading))));
            out.push('\n');
        }
    }
    let _ = writeln!(out, r#"{{"resourceType":"Patient","id":"{TREND}","active":true,"gender":"unknown"}}"#);
    for reading in 0..TREND_READINGS {
        let (year, month, day) = (2024 + reading / 250, 1 + reading % 250 / 21, 1 + reading % 250 % 21);
        let _ = writeln!(
            out,
            r#"{{"resourceType":"Observation","id":"bench-trend-{reading:03}","status":"final","category":[{{"coding":[{{"system":"http://terminology.hl7.org/CodeSystem/observation-category","code":"vital-signs"}}]}}],"code":{{"coding":[{{"system":"http://loinc.org","code":"29463-7"}}]}},"subject":{{"reference":"Patient/{TREND}"}},"effectiveDateTime":"{year}-{month:02}-{day:02}","valueQuantity":{{"value":{}.{},"unit":"kg","system":"http://unitsofmeasure.org","code":"kg"}}}}"#,
            70 + reading % 9,
            reading % 10
        );
    }
    out.push_str(&sharing());
    out
}

/// The Consents and the care team of the patient with the long trend: each Consent permits somebody something, with nine
/// exceptions; one in five is about the professional who reads.
fn sharing() -> String {
    let labels = ["MH", "SEX", "HIV", "SUD", "SDV", "ETH", "STD", "PSY", "GDIS"];
    let exceptions = labels.map(|label| {
        format!(
            concat!(
                r#"{{"type":"deny","class":[{{"system":"http://hl7.org/fhir/resource-types","code":"Observation"}}],"#,
                r#""securityLabel":[{{"system":"http://terminology.hl7.org/CodeSystem/v3-ActCode","code":"{label}"}}]}}"#
            ),
            label = label
        )
    });
    let mut out = String::new();
    for number in 0..CONSENTS {
        let who = if number % 5 == 0 { CONSENTED.to_owned() } else { format!("bench-member-{number:02}") };
        let _ = writeln!(
            out,
            concat!(
                r#"{{"resourceType":"Consent","id":"bench-consent-{number:02}","status":"active","#,
                r#""scope":{{"coding":[{{"system":"http://terminology.hl7.org/CodeSystem/consentscope","code":"patient-privacy"}}]}},"#,
                r#""category":[{{"coding":[{{"system":"http://loinc.org","code":"59284-0"}}]}}],"#,
                r#""patient":{{"reference":"Patient/{patient}"}},"dateTime":"2025-01-01","policyRule":{{"text":"sharing"}},"#,
                r#""provision":{{"type":"permit","actor":[{{"role":{{"text":"recipient"}},"reference":{{"reference":"Practitioner/{who}"}}}}],"#,
                r#""provision":[{exceptions}]}}}}"#
            ),
            number = number,
            patient = TREND,
            who = who,
            exceptions = exceptions.join(",")
        );
    }
    let members: Vec<String> = (0..MEMBERS)
        .map(|number| format!(r#"{{"member":{{"reference":"Practitioner/bench-member-{number:02}"}}}}"#))
        .collect();
    let _ = writeln!(
        out,
        r#"{{"resourceType":"CareTeam","id":"bench-team-trend","status":"active","subject":{{"reference":"Patient/{TREND}"}},"participant":[{}]}}"#,
        members.join(",")
    );
    out
}

/// An Observation of about 2 KB, as a home monitor would send it; without an id, one to be created.
pub(crate) fn observation(patient: usize, reading: usize, id: Option<&str>) -> String {
    let (code, display) = match reading % 4 {
        0 | 2 => (SEARCHED, "Blood pressure panel with all children optional"),
        1 => ("55284-4", "Blood pressure systolic and diastolic"),
        _ => ("35094-2", "Blood pressure panel"),
    };
    let person = patient_id(patient);
    let id = id.map(|id| format!(r#""id":"{id}","#)).unwrap_or_default();
    let (month, day) = (1 + reading / 9, 1 + (reading % 9) * 3);
    let (systolic, diastolic) = (110 + (patient * 7 + reading * 3) % 40, 65 + (patient * 3 + reading) % 25);
    let component = |code: &str, display: &str, value: usize, low: u32, high: u32| {
        format!(
            concat!(
                r#"{{"code":{{"coding":[{{"system":"http://loinc.org","code":"{code}","display":"{display}"}}],"text":"{display}"}},"#,
                r#""valueQuantity":{{"value":{value}.0,"unit":"mmHg","system":"http://unitsofmeasure.org","code":"mm[Hg]"}},"#,
                r#""referenceRange":[{{"low":{{"value":{low},"unit":"mmHg","system":"http://unitsofmeasure.org","code":"mm[Hg]"}},"high":{{"value":{high},"unit":"mmHg","system":"http://unitsofmeasure.org","code":"mm[Hg]"}},"text":"usual"}}]}}"#
            ),
            code = code,
            display = display,
            value = value,
            low = low,
            high = high,
        )
    };
    let parts = [
        component("8480-6", "Systolic blood pressure", systolic, 90, 140),
        component("8462-4", "Diastolic blood pressure", diastolic, 60, 90),
    ];
    format!(
        concat!(
            r#"{{"resourceType":"Observation",{id}"identifier":[{{"system":"urn:example:home-monitor","value":"{patient:03}-{reading:03}"}}],"#,
            r#""status":"final","category":[{{"coding":[{{"system":"http://terminology.hl7.org/CodeSystem/observation-category","code":"vital-signs","display":"Vital Signs"}}],"text":"Vital signs"}}],"#,
            r#""code":{{"coding":[{{"system":"http://loinc.org","code":"{code}","display":"{display}"}}],"text":"{display}"}},"#,
            r#""subject":{{"reference":"Patient/{person}"}},"effectiveDateTime":"2025-{month:02}-{day:02}T07:{minute:02}:00+00:00","performer":[{{"reference":"Patient/{person}"}}],"#,
            r#""interpretation":[{{"coding":[{{"system":"http://terminology.hl7.org/CodeSystem/v3-ObservationInterpretation","code":"N","display":"Normal"}}]}}],"#,
            r#""note":[{{"text":"Taken at home, sitting, after five minutes of rest, on the left arm, before breakfast and before any medicine."}}],"#,
            r#""bodySite":{{"coding":[{{"system":"http://snomed.info/sct","code":"368208006","display":"Left upper arm structure"}}]}},"#,
            r#""component":[{parts}]}}"#
        ),
        id = id,
        patient = patient,
        reading = reading,
        code = code,
        display = display,
        person = person,
        month = month.min(12),
        day = day,
        minute = reading % 60,
        parts = parts.join(","),
    )
}

/// The requests of a case, sent in turn and over again. `tokens` has one token for each patient who calls and then those
/// of the professional, of the system, of the patient with the long trend and of the professional whom a Consent permits
/// to read there; without tokens they are for the floor.
pub(crate) fn requests(case: Case, tokens: &[String], patients: usize) -> Vec<Vec<u8>> {
    let (professional, system, trend, consented) = (CALLERS, CALLERS + 1, CALLERS + 2, CALLERS + 3);
    let of_trend = |number: usize| format!("/fhir/Observation/bench-trend-{:03}", number * 13 % TREND_READINGS);
    let token = |number: usize| {
        tokens.get(number).map(|token| format!("authorization: Bearer {token}\r\n")).unwrap_or_default()
    };
    let get = |path: String, number: usize| {
        format!("GET {path} HTTP/1.1\r\nhost: bench\r\naccept: application/fhir+json\r\n{}\r\n", token(number))
    };
    // Steps that are coprime to the numbers, so that neighbours in time are not neighbours in the database.
    (0..1_000)
        .map(|number| {
            let (caller, reading) = (number * 37 % CALLERS, number * 13 % READINGS);
            let patient = of_caller(caller, patients);
            let id = observation_id(patient, reading);
            let page = |more: &str| {
                let code = format!("code=http%3A%2F%2Floinc.org%7C{SEARCHED}");
                format!("/fhir/Observation?patient={}&{code}&_sort=-date&_count=20{more}", patient_id(patient))
            };
            let identifier = format!("identifier=urn%3Aexample%3Ahome-monitor%7C{patient:03}-{reading:03}");
            match case {
                Case::Read => get(format!("/fhir/Observation/{id}"), caller),
                Case::ReadShared => get(format!("/fhir/Observation/{id}"), professional),
                Case::ReadSystem => get(of_trend(number), system),
                Case::ReadConsent => get(of_trend(number), consented),
                Case::Vread => get(format!("/fhir/Observation/{id}/_history/1"), caller),
                Case::Search => get(page(""), caller),
                Case::Chain => get(page("&subject%3APatient.gender=unknown"), caller),
                Case::Include => get(page("&_include=Observation:patient"), caller),
                Case::Trend => get(
                    format!(
                        "/fhir/Observation?patient={TREND}&code=http%3A%2F%2Floinc.org%7C29463-7&date=ge2024-01-01&\
                         _sort=date&_count=500"
                    ),
                    trend,
                ),
                Case::Has => get(format!("/fhir/Patient?_has%3AObservation%3Apatient%3A{identifier}"), system),
                Case::Token => get(format!("/fhir/Observation?{identifier}"), system),
                Case::Create => {
                    let body = observation(patient, reading, None);
                    format!(
                        "POST /fhir/Observation HTTP/1.1\r\nhost: bench\r\naccept: application/fhir+json\r\ncontent-type: \
                         application/fhir+json\r\n{}content-length: {}\r\n\r\n{body}",
                        token(caller),
                        body.len()
                    )
                }
            }
            .into_bytes()
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_observation_is_sound_and_of_about_two_kilobytes() {
        for reading in 0..READINGS {
            let text = observation(99, reading, None);
            assert!((1_800..2_300).contains(&text.len()), "{}", text.len());
            let value = concord_fhir::json::parse(text.as_bytes(), &concord_fhir::json::Limits::default()).unwrap();
            assert!(value.text("effectiveDateTime").is_some_and(|date| date.len() == 25));
        }
    }

    #[test]
    fn there_are_ten_thousand_observations_of_a_hundred_patients_and_one_long_trend() {
        let text = resources(PATIENTS);
        assert_eq!(text.lines().filter(|line| line.contains(r#""resourceType":"Observation""#)).count(), 10_500);
        assert_eq!(text.lines().filter(|line| line.starts_with(r#"{"resourceType":"Patient""#)).count(), 101);
        assert!(text.contains("2025-12-"), "over two years");
    }

    #[test]
    fn of_many_patients_some_call() {
        let callers: std::collections::BTreeSet<usize> = (0..CALLERS).map(|caller| of_caller(caller, 1_000)).collect();
        assert_eq!((callers.len(), callers.first(), callers.last()), (CALLERS, Some(&0), Some(&990)));
        assert_eq!(
            (0..CALLERS).map(|caller| of_caller(caller, PATIENTS)).collect::<Vec<_>>(),
            (0..100).collect::<Vec<_>>()
        );
    }

    #[test]
    fn requests_carry_the_token_of_their_patient() {
        let tokens: Vec<String> = (0..CALLERS + 4).map(|number| format!("t{number}.")).collect();
        for request in requests(Case::Read, &tokens, PATIENTS) {
            let text = String::from_utf8(request).unwrap();
            let patient = text.split("bench-observation-").nth(1).and_then(|rest| rest.get(..3)).unwrap();
            assert!(text.contains(&format!("Bearer t{}.", patient.parse::<usize>().unwrap())), "{text}");
        }
        assert!(!String::from_utf8(requests(Case::Read, &[], PATIENTS).remove(0)).unwrap().contains("authorization"));
    }
}
