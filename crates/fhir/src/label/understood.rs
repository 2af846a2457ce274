//! Which labels are understood: in a system whose labels protect, a coding without a code, or with one that the system has not got or
//! writes otherwise, may mean any of them. It hides as what is kept for its author's team does, for whoever put it there meant to
//! protect something.

use crate::entry::SEPARATOR;
use crate::json::Value;
use crate::rules::is_claim_code;

/// The system of Concord's own labels. Any code of it hides, and none does.
pub const OWN_SYSTEM: &str = "urn:concord:label";

/// The codes of it that mean something. Under any other system they are not understood.
const OWN: [&str; 3] = ["AUTHOR-TEAM", "SAFEGUARDING", "THIRD-PARTY"];

/// The code of the label that stands for one that is not understood, in Concord's own system.
const NOT_UNDERSTOOD: &str = "not-understood";

/// The systems whose labels protect: v3 Confidentiality and v3 ActCode under the names that R4 and STU3 have for them, and the privacy
/// labels of Patients Know Best. A code of one of them protects under any other as well.
const SYSTEMS: [&str; 5] = [
    "http://terminology.hl7.org/CodeSystem/v3-Confidentiality",
    "http://hl7.org/fhir/v3/Confidentiality",
    "http://terminology.hl7.org/CodeSystem/v3-ActCode",
    "http://hl7.org/fhir/v3/ActCode",
    "http://fhir.patientsknowbest.com/codesystem/privacy-label",
];

const LEVELS: [&str; 6] = ["L", "M", "N", "R", "U", "V"];

const PRIVACY: [&str; 4] = ["GENERAL_HEALTH", "MENTAL_HEALTH", "SEXUAL_HEALTH", "SOCIAL_CARE"];

/// What R4 has below ActPolicyType: the sensitivities, and what says how data is to be handled. With `SOCIAL_CARE`, which some
/// send under this system.
const POLICIES: [&str; 126] = [
    "42CFRPart2",
    "ACCESSCONSCHEME",
    "ACOCOMPT",
    "ADOL",
    "ANONY",
    "AOD",
    "AUDIT",
    "AUDTR",
    "AUTHPOL",
    "ActTrustPolicyType",
    "B",
    "BH",
    "CEL",
    "COGN",
    "COMPT",
    "COVPOL",
    "CPLYCC",
    "CPLYCD",
    "CPLYJPP",
    "CPLYOPP",
    "CPLYOSP",
    "CPLYPOL",
    "CTCOMPT",
    "CommonRule",
    "DECLASSIFYLABEL",
    "DEID",
    "DELAU",
    "DELEPOL",
    "DEMO",
    "DIA",
    "DOB",
    "DOWNGRDLABEL",
    "DRGIS",
    "DRIVLABEL",
    "DVD",
    "EMOTDIS",
    "EMP",
    "EMPL",
    "EMRGONLY",
    "ENCRYPT",
    "ENCRYPTR",
    "ENCRYPTT",
    "ENCRYPTU",
    "ETH",
    "ETHUD",
    "FMCOMPT",
    "GDIS",
    "GENDER",
    "GRANTORCHOICE",
    "HIPAANOPP",
    "HIPAAPsyNotes",
    "HIPAASelfPay",
    "HIV",
    "HRCOMPT",
    "HUAPRV",
    "IMPLIED",
    "IMPLIEDD",
    "LABEL",
    "LIVARG",
    "LOCIS",
    "LRCOMPT",
    "MARST",
    "MASK",
    "MH",
    "MINEC",
    "MST",
    "NOAUTH",
    "NOCOLLECT",
    "NOCONSENT",
    "NODSCLCD",
    "NODSCLCDS",
    "NOINTEGRATE",
    "NOLIST",
    "NOMOU",
    "NOORGPOL",
    "NOPAT",
    "NOPERSISTP",
    "NOPP",
    "NORDSCLCD",
    "NORDSCLCDS",
    "NORDSCLW",
    "NORELINK",
    "NOREUSE",
    "NOVIP",
    "OPIOIDUD",
    "OPTIN",
    "OPTINR",
    "OPTOUT",
    "OPTOUTE",
    "ORCON",
    "ObligationPolicy",
    "PACOMPT",
    "PDS",
    "PERSISTLABEL",
    "PHY",
    "PRIVMARK",
    "PRS",
    "PSEUD",
    "PSY",
    "PSYTHPN",
    "RACE",
    "REDACT",
    "REL",
    "RESCOMPT",
    "RMGTCOMPT",
    "RefrainPolicy",
    "SCA",
    "SDV",
    "SEX",
    "SICKLE",
    "SOCIAL_CARE",
    "SPI",
    "SSP",
    "STD",
    "SUD",
    "SecurityPolicy",
    "TBOO",
    "TRSTACCRD",
    "TRSTAGRE",
    "TRSTASSUR",
    "TRSTCERT",
    "TRSTFWK",
    "TRSTMEC",
    "Title38Section7332",
    "UPGRDLABEL",
    "VIO",
];

/// Whether it is known what a label means: also that it means nothing here, as one of a system does that protects nothing.
#[must_use]
pub fn is_understood(system: &str, code: &str) -> bool {
    if system == OWN_SYSTEM {
        return true;
    }
    match SYSTEMS.contains(&system) {
        true if is_claim_code(code) => true,
        true => [&LEVELS[..], &POLICIES, &PRIVACY].iter().any(|codes| codes.binary_search(&code).is_ok()),
        false => !OWN.contains(&code),
    }
}

/// Whether a coding of `meta.security` is understood.
pub(super) fn coding_is_understood(coding: &Value<'_>) -> bool {
    is_understood(coding.text("system").unwrap_or_default(), coding.text("code").unwrap_or_default())
}

/// The index key of the label that stands for one that is not understood.
pub(super) fn not_understood() -> String {
    format!("{NOT_UNDERSTOOD}{SEPARATOR}{OWN_SYSTEM}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_shape_of_a_label_is_decided() {
        let (act, level) = (SYSTEMS[2], SYSTEMS[0]);
        for (system, code, wanted) in [
            (act, "SEX", true),
            (act, "NOPAT", true),
            (act, "NODSCLCD", true),
            (act, "sex", false),
            (act, "nopat", false),
            (act, "XYZZY", false),
            (act, "PATAST", true),
            (act, "AMB", false),
            (act, "", false),
            (act, "AUTHOR-TEAM", false),
            (level, "R", true),
            (level, "r", false),
            (level, "SEX", true),
            (level, "", false),
            ("http://hl7.org/fhir/v3/ActCode", "", false),
            (SYSTEMS[4], "MENTAL_HEALTH", true),
            (SYSTEMS[4], "mental health", false),
            (OWN_SYSTEM, "AUTHOR-TEAM", true),
            (OWN_SYSTEM, "whatever", true),
            (OWN_SYSTEM, "", true),
            ("http://terminology.hl7.org/CodeSystem/v3-ObservationValue", "PATAST", true),
            ("http://elsewhere.example/labels", "sex", true),
            ("http://elsewhere.example/labels", "", true),
            ("http://elsewhere.example/labels", "SAFEGUARDING", false),
            ("", "SEX", true),
            ("", "AUTHOR-TEAM", false),
        ] {
            assert_eq!(is_understood(system, code), wanted, "{system} {code}");
        }
        for codes in [&LEVELS[..], &POLICIES, &PRIVACY] {
            assert!(codes.is_sorted(), "{codes:?}");
        }
    }

    /// The label that stands for others hides and is handed on as those are: in the system whose codes all hide.
    #[test]
    fn what_stands_for_a_label_that_is_not_understood_is_one_of_our_own() {
        let key = not_understood();
        assert_eq!(key.split_once(SEPARATOR), Some((NOT_UNDERSTOOD, OWN_SYSTEM)));
        assert!(crate::label::hands_on(&key));
    }
}
