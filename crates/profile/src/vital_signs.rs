//! The profiles of vital signs, which R4 asks of every Observation of their codes, whether it claims them or not (R4 "Vital Signs",
//! ADR 66).

use concord_fhir::json::Value;

use crate::definition::R4;

const LOINC: &str = "http://loinc.org";
const SNOMED: &str = "http://snomed.info/sct";

/// A vital sign.
struct VitalSign {
    /// The name of its profile.
    profile: &'static str,
    /// The codes of LOINC that R4 gives it, and those that mean the same.
    loinc: &'static [&'static str],
    /// The codes of SNOMED CT by which it is commonly recorded.
    snomed: &'static [&'static str],
}

const VITAL_SIGNS: [VitalSign; 10] = [
    VitalSign { profile: "vitalspanel", loinc: &["85353-1"], snomed: &["46680005"] },
    VitalSign { profile: "resprate", loinc: &["9279-1"], snomed: &["86290005"] },
    VitalSign { profile: "heartrate", loinc: &["8867-4"], snomed: &["364075005"] },
    VitalSign { profile: "oxygensat", loinc: &["2708-6", "59408-5"], snomed: &["103228002"] },
    VitalSign { profile: "bodytemp", loinc: &["8310-5"], snomed: &["386725007", "276885007"] },
    VitalSign { profile: "bodyheight", loinc: &["8302-2"], snomed: &["50373000"] },
    VitalSign { profile: "headcircum", loinc: &["9843-4"], snomed: &["363812007"] },
    VitalSign { profile: "bodyweight", loinc: &["29463-7"], snomed: &["27113001"] },
    VitalSign { profile: "bmi", loinc: &["39156-5"], snomed: &["60621009"] },
    VitalSign { profile: "bp", loinc: &["85354-9"], snomed: &["75367002"] },
];

/// The profile that R4 asks of a resource by its code, and the code.
pub(crate) fn asked_of<'v>(resource: &'v Value<'_>) -> Option<(String, &'v str)> {
    if resource.text("resourceType") != Some("Observation") {
        return None;
    }
    let codings = resource.get("code")?.list("coding");
    let found = |system: &str, codes: fn(&VitalSign) -> &'static [&'static str]| {
        let own = codings.iter().filter(|coding| coding.text("system") == Some(system));
        own.filter_map(|coding| coding.text("code")).find_map(|code| {
            let sign = VITAL_SIGNS.iter().find(|sign| codes(sign).contains(&code))?;
            Some((format!("{R4}{}", sign.profile), code))
        })
    };
    found(LOINC, |sign| sign.loinc).or_else(|| found(SNOMED, |sign| sign.snomed))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::library::Library;

    #[test]
    fn each_has_a_profile_and_no_code_is_of_two() {
        let mut codes: Vec<&str> =
            VITAL_SIGNS.iter().flat_map(|sign| sign.loinc.iter().chain(sign.snomed)).copied().collect();
        let count = codes.len();
        codes.sort_unstable();
        codes.dedup();
        assert_eq!(codes.len(), count);
        for sign in &VITAL_SIGNS {
            let profile = Library::shipped().profile(&format!("{R4}{}", sign.profile));
            assert!(profile.is_some_and(|profile| profile.is_ok()), "{}", sign.profile);
        }
    }
}
