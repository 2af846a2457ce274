//! Code systems and systems of identifiers that are nearly ones that are known, or are known ones by another name.

use std::collections::HashMap;
use std::sync::LazyLock;

use concord_fhir::json::Object;
use concord_fhir::schema::Met;

use super::{Oddity, text};
use crate::tables;

/// Code systems that everybody knows, beside R4's own.
const CODES: [&str; 16] = [
    "http://loinc.org",
    "http://snomed.info/sct",
    "http://unitsofmeasure.org",
    "https://dmd.nhs.uk",
    "http://read.info/readv2",
    "http://read.info/ctv3",
    "http://hl7.org/fhir/sid/icd-10",
    "http://hl7.org/fhir/sid/icd-10-uk",
    "http://hl7.org/fhir/sid/icd-9-cm",
    "http://id.who.int/icd/release/11/mms",
    "http://www.nlm.nih.gov/research/umls/rxnorm",
    "http://www.whocc.no/atc",
    "https://fhir.hl7.org.uk/CodeSystem/UKCore-EthnicCategory",
    "urn:iso:std:iso:3166",
    "urn:iso:std:iso:4217",
    "urn:ietf:bcp:47",
];

/// Systems of identifiers that NHS systems use.
const IDENTIFIERS: [&str; 12] = [
    "https://fhir.nhs.uk/Id/nhs-number",
    "https://fhir.nhs.uk/Id/ods-organization-code",
    "https://fhir.nhs.uk/Id/ods-site-code",
    "https://fhir.nhs.uk/Id/sds-user-id",
    "https://fhir.nhs.uk/Id/sds-role-profile-id",
    "https://fhir.nhs.uk/Id/nhsSpineASID",
    "https://fhir.nhs.uk/Id/local-gp-patient-identifier",
    "https://fhir.nhs.uk/Id/cross-care-setting-identifier",
    "https://fhir.hl7.org.uk/Id/gmc-number",
    "https://fhir.hl7.org.uk/Id/gmp-number",
    "https://fhir.hl7.org.uk/Id/nmc-number",
    "https://fhir.hl7.org.uk/Id/gphc-number",
];

/// Other names that are in use, as they are compared ([`key`]), and what they mean.
const OTHER_NAMES: [(&str, &str); 36] = [
    ("loinc", "http://loinc.org"),
    ("lnc", "http://loinc.org"),
    ("urn:oid:2.16.840.1.113883.6.1", "http://loinc.org"),
    ("snomed", "http://snomed.info/sct"),
    ("snomed ct", "http://snomed.info/sct"),
    ("snomed-ct", "http://snomed.info/sct"),
    ("snomedct", "http://snomed.info/sct"),
    ("sct", "http://snomed.info/sct"),
    ("snomed.info", "http://snomed.info/sct"),
    ("snomed.org", "http://snomed.info/sct"),
    ("snomed.info/ct", "http://snomed.info/sct"),
    ("snomed.info/id", "http://snomed.info/sct"),
    ("urn:oid:2.16.840.1.113883.6.96", "http://snomed.info/sct"),
    ("ucum", "http://unitsofmeasure.org"),
    ("unitsofmeasure.org/ucum", "http://unitsofmeasure.org"),
    ("urn:oid:2.16.840.1.113883.6.8", "http://unitsofmeasure.org"),
    ("urn:oid:2.16.840.1.113883.6.3", "http://hl7.org/fhir/sid/icd-10"),
    ("icd10", "http://hl7.org/fhir/sid/icd-10"),
    ("icd-10", "http://hl7.org/fhir/sid/icd-10"),
    ("dm+d", "https://dmd.nhs.uk"),
    ("dmd", "https://dmd.nhs.uk"),
    ("hl7.org/fhir/v3/actcode", "http://terminology.hl7.org/CodeSystem/v3-ActCode"),
    ("hl7.org/fhir/v3/actreason", "http://terminology.hl7.org/CodeSystem/v3-ActReason"),
    ("hl7.org/fhir/v3/rolecode", "http://terminology.hl7.org/CodeSystem/v3-RoleCode"),
    ("hl7.org/fhir/v3/confidentiality", "http://terminology.hl7.org/CodeSystem/v3-Confidentiality"),
    ("hl7.org/fhir/v3/nullflavor", "http://terminology.hl7.org/CodeSystem/v3-NullFlavor"),
    ("urn:oid:2.16.840.1.113883.5.25", "http://terminology.hl7.org/CodeSystem/v3-Confidentiality"),
    ("urn:oid:2.16.840.1.113883.5.4", "http://terminology.hl7.org/CodeSystem/v3-ActCode"),
    ("urn:oid:2.16.840.1.113883.5.8", "http://terminology.hl7.org/CodeSystem/v3-ActReason"),
    ("urn:oid:2.16.840.1.113883.5.1008", "http://terminology.hl7.org/CodeSystem/v3-NullFlavor"),
    ("urn:oid:2.16.840.1.113883.2.1.4.1", "https://fhir.nhs.uk/Id/nhs-number"),
    ("fhir.nhs.net/id/nhs-number", "https://fhir.nhs.uk/Id/nhs-number"),
    ("fhir.nhs.uk/nhs-number", "https://fhir.nhs.uk/Id/nhs-number"),
    ("nhs-number", "https://fhir.nhs.uk/Id/nhs-number"),
    ("nhs number", "https://fhir.nhs.uk/Id/nhs-number"),
    ("fhir.nhs.net/id/ods-organization-code", "https://fhir.nhs.uk/Id/ods-organization-code"),
];

/// How many letters of the last part may be wrong.
const MOST_WRONG: usize = 2;

/// A code system that is not quite the one that is meant.
pub(super) fn mistyped_coding(coding: &Object<'_>, met: &Met<'_>) -> Option<Oddity> {
    // What a Consent's class is by a wrong system, and what follows, is told by the rules of its type.
    let system = text(coding, "system").filter(|_| !is_class(met))?;
    if CODES.contains(&system) || tables::has_code_system(system) || is_below(system) {
        return None;
    }
    let meant = CODE_SYSTEMS.get(&key(system)).copied().or_else(|| of_last_part(system));
    if let Some(meant) = meant.filter(|meant| *meant != system) {
        return Some(("system", format!("is not the address of a code system that is known; {meant} is")));
    }
    // In a narrative tag or a local catalogue a name may be anything, but a system is an address.
    (!system.contains(':')).then(|| {
        let kind = if met.type_name == "Coding" { "code system" } else { "system of units" };
        ("system", format!("is no absolute address, so that it names no {kind} for others"))
    })
}

/// The same of identifiers.
pub(super) fn mistyped_identifier(identifier: &Object<'_>, _met: &Met<'_>) -> Option<Oddity> {
    let system = text(identifier, "system").filter(|system| !IDENTIFIERS.contains(system))?;
    let meant = IDENTIFIER_SYSTEMS.get(&key(system)).filter(|meant| **meant != system)?;
    Some(("system", format!("is not the system of identifiers that is known; {meant} is")))
}

/// A code without its system is one that nobody can tell.
pub(super) fn missing(coding: &Object<'_>, met: &Met<'_>) -> Option<Oddity> {
    // Of a Consent's class, and of codes that a program keeps for itself, the system may be left out.
    let may_be_bare = is_class(met) || met.within == "Meta";
    if may_be_bare || text(coding, "system").is_some() {
        return None;
    }
    let code = text(coding, "code")?;
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let looks_like = match code.rsplit_once('-') {
        Some((body, check)) if digits(body) && digits(check) && check.len() == 1 => {
            "; by its form it is one of http://loinc.org"
        }
        None if digits(code) && (6..=18).contains(&code.len()) => "; by its form it is one of http://snomed.info/sct",
        _ => "",
    };
    Some(("code", format!("has no system beside it, so that nobody can tell which code it is{looks_like}")))
}

/// Whether it is what a provision of a Consent is about.
fn is_class(met: &Met<'_>) -> bool {
    met.within.starts_with("Consent.") && met.element == "class"
}

/// Editions and versions, implicit value sets and the parts of LOINC have addresses below the system's.
fn is_below(system: &str) -> bool {
    let below = |of: &str| system.strip_prefix(of).is_some_and(|rest| rest.len() > 1 && rest.starts_with('/'));
    below("http://snomed.info/sct") || below("http://loinc.org")
}

/// A name as it is compared: in small letters, without scheme, `www.` and what ends it.
fn key(system: &str) -> String {
    let lower = system.trim().to_lowercase();
    let rest = lower.strip_prefix("http://").or_else(|| lower.strip_prefix("https://")).unwrap_or(&lower);
    let rest = rest.strip_prefix("www.").unwrap_or(rest);
    // A version does not belong into the system.
    let rest = rest.split(['|', '#', '?']).next().unwrap_or(rest);
    rest.trim_end_matches('/').to_owned()
}

/// Code systems by what they are compared by.
static CODE_SYSTEMS: LazyLock<HashMap<String, &'static str>> = LazyLock::new(|| {
    let of_r4 = tables::code_systems().into_iter().map(|(url, _)| url).filter(|url| !url.contains('|'));
    compared(of_r4.chain(CODES))
});

/// Systems of identifiers by what they are compared by.
static IDENTIFIER_SYSTEMS: LazyLock<HashMap<String, &'static str>> =
    LazyLock::new(|| compared(IDENTIFIERS.into_iter()));

/// R4's code systems by the last part of their addresses: of several, the first.
static LAST_PARTS: LazyLock<HashMap<String, &'static str>> = LazyLock::new(|| {
    let mut found = HashMap::new();
    for (url, _) in tables::code_systems().into_iter().filter(|(url, _)| !url.contains('|')) {
        if let Some((_, last)) = key(url).rsplit_once('/') {
            found.entry(last.to_owned()).or_insert(url);
        }
    }
    found
});

fn compared(systems: impl Iterator<Item = &'static str>) -> HashMap<String, &'static str> {
    let others = OTHER_NAMES.into_iter().map(|(name, meant)| (name.to_owned(), meant));
    systems.map(|system| (key(system), system)).chain(others).collect()
}

/// The code system of R4 that is meant by the last part of an address where such are or were: the same, or one of which a
/// letter or two are wrong.
fn of_last_part(system: &str) -> Option<&'static str> {
    let wanted = key(system);
    let (stem, last) = wanted.rsplit_once('/')?;
    if !matches!(
        stem,
        "hl7.org/fhir" | "hl7.org/fhir/codesystem" | "terminology.hl7.org" | "terminology.hl7.org/codesystem"
    ) {
        return None;
    }
    let near = || LAST_PARTS.iter().filter(|(known, _)| is_near(known, last)).map(|(_, url)| *url).min();
    LAST_PARTS.get(last).copied().or_else(near)
}

/// Whether few letters are wrong, missing or too many, for the length of it.
fn is_near(one: &str, other: &str) -> bool {
    let most = MOST_WRONG.min(other.len() / 6);
    if most == 0 || one.len().abs_diff(other.len()) > most {
        return false;
    }
    let (one, other): (Vec<char>, Vec<char>) = (one.chars().collect(), other.chars().collect());
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (place, letter) in one.iter().enumerate() {
        let mut next = vec![place + 1];
        for ((own, above), (before, _)) in other.iter().zip(row.iter().skip(1)).zip(row.iter().zip(&other)) {
            let left = next.last().copied().unwrap_or(0);
            let changed = before + usize::from(own != letter);
            next.push(changed.min(above + 1).min(left + 1));
        }
        row = next;
    }
    row.last().is_some_and(|wrong| *wrong <= most)
}
