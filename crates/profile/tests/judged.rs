//! The cases of HL7's validator for R4: whether both find an error or both find none.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test ends where its files are not as they should be, and says what it has counted"
)]

use std::path::{Path, PathBuf};

use concord_fhir::codec::{Format, parsed, read};
use concord_fhir::issue::{Issue, Severity};
use concord_fhir::json::{Limits, Value, parse};
use concord_fhir::terminology::{CodingRef, Membership, Terminology};
use concord_profile::check::{Asked, Checker};
use concord_profile::definition::Definition;
use concord_profile::library::Library;
use concord_profile::questionnaire;
use concord_terminology::Tables;

/// A case: the resource, what is loaded for it, the profile that is asked, and how many errors HL7's validator found.
struct Case {
    name: String,
    file: String,
    loaded: Vec<String>,
    profile: Option<String>,
    errors: u64,
}

fn cases(folder: &Path) -> Vec<Case> {
    let text = std::fs::read(folder.join("cases.json")).unwrap();
    let all = parse(&text, &Limits::default()).unwrap();
    let texts = |value: &Value<'_>, name: &str| -> Vec<String> {
        value.list(name).iter().filter_map(Value::as_str).map(str::to_owned).collect()
    };
    let errors = |value: &Value<'_>| value.get("errors").and_then(Value::as_number).unwrap_or("0").parse().unwrap();
    let mut cases = Vec::new();
    for case in all.items() {
        let (name, file) = (case.text("name").unwrap(), case.text("file").unwrap().to_owned());
        let loaded = texts(case, "supporting");
        if case.get("errors").is_some() {
            cases.push(Case {
                name: name.to_owned(),
                file: file.clone(),
                loaded: loaded.clone(),
                profile: None,
                errors: errors(case),
            });
        }
        if let Some(profile) = case.get("profile") {
            let source = profile.text("source").unwrap_or_default().to_owned();
            let loaded = loaded.into_iter().chain(texts(profile, "supporting")).chain([source.clone()]).collect();
            cases.push(Case {
                name: format!("{name} (profile)"),
                file,
                loaded,
                profile: Some(source),
                errors: errors(profile),
            });
        }
    }
    cases
}

/// A resource of the cases, whatever is wrong with it, and what is wrong by the rules of R4.
fn resource(path: &Path) -> (Option<Value<'static>>, Vec<Issue>) {
    let Ok(bytes) = std::fs::read(path) else { return (None, Vec::new()) };
    let format = if path.extension().is_some_and(|end| end == "xml") { Format::Xml } else { Format::Json };
    let issues = read(format, &bytes, &Limits::default()).err().unwrap_or_default();
    (parsed(format, &bytes, &Limits::default()).ok().map(|(value, _)| value.into_owned()), issues)
}

/// The value sets of a case that list their codes, over those of R4.
struct Lists(Vec<Value<'static>>);

impl Terminology for Lists {
    fn member_of(&self, coding: CodingRef<'_>, value_set: &str) -> Membership {
        let CodingRef { system, code, .. } = coding;
        let url = value_set.split('|').next().unwrap_or_default();
        let Some(found) = self.0.iter().find(|one| one.text("url") == Some(url)) else {
            return Tables.member_of(coding, value_set);
        };
        let includes = found.get("compose").map_or(&[][..], |compose| compose.list("include"));
        let is_listed = |include: &&Value<'_>| !include.list("concept").is_empty();
        let is_known = includes.iter().all(|include| is_listed(&include));
        let of_system = |include: &&Value<'_>| system.is_none_or(|system| include.text("system") == Some(system));
        let mut concepts = includes.iter().filter(of_system).flat_map(|include| include.list("concept"));
        match concepts.any(|concept| concept.text("code") == Some(code)) {
            true => Membership::Yes,
            false if is_known => Membership::No,
            false => Membership::Unknown,
        }
    }
}

/// The errors that are found here.
fn found(folder: &Path, case: &Case) -> Vec<Issue> {
    let files = folder.join("files");
    let (value, mut issues) = resource(&files.join(&case.file));
    let mut library = Library::over_shipped();
    let mut asked = Vec::new();
    let (mut questionnaires, mut value_sets) = (Vec::new(), Vec::new());
    for name in &case.loaded {
        let Some(loaded) = resource(&files.join(name)).0 else { continue };
        if case.profile.as_ref() == Some(name) {
            asked.extend(loaded.text("url").map(str::to_owned));
        }
        match loaded.text("resourceType") {
            Some("StructureDefinition") => match Definition::read(&loaded) {
                Ok(definition) => library.add(definition).unwrap(),
                Err(issue) => println!("{name}: {}", issue.text),
            },
            Some("Questionnaire") => questionnaires.push(loaded),
            Some("ValueSet") => value_sets.push(loaded),
            _ => {}
        }
    }
    if let Some(value) = value {
        let lists = Lists(value_sets);
        let checker =
            Checker { library: &library, terminology: &lists, stored: None, is_whole: true, now: None, together: None };
        issues.extend(checker.check(&value, Asked { profiles: &asked, claimed: None }));
        if value.text("resourceType") == Some("QuestionnaireResponse")
            && let Some(named) = questionnaire::named(&value)
        {
            let url = named.split('|').next().unwrap_or_default();
            let loaded = questionnaires.iter().find(|one| one.text("url") == Some(url));
            if let Some(found) = questionnaire::contained(&value, &named).or(loaded) {
                issues.extend(questionnaire::check(&value, found, &lists, None));
            }
        }
    }
    issues
}

/// Why verdicts differ.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Why {
    /// The case needs what is not among the cases.
    Needs(&'static str),
    /// It is judged otherwise here.
    Differs(&'static str),
}

use Why::{Differs, Needs};

/// Where the verdicts differ, with the reason, in the order of the cases.
#[rustfmt::skip]
const DIFFERENT: &[(&str, Why)] = &[
    ("allergy", Differs("an element of a required code holds only the reason why there is none, which R4 allows")),
    ("patient-xver-bad", Needs("an argument of that validator which allows no extension that it does not know")),
    ("patient-circle1-bad-linked1 (profile)", Needs("a resource that is not among the cases")),
    ("patient-circle1-bad-source1 (profile)", Needs("a resource that is not among the cases")),
    ("patient-circle2-bad-linked (profile)", Needs("a resource that is not among the cases")),
    ("patient-circle2-bad-source1 (profile)", Needs("a resource that is not among the cases")),
    ("sp-diff-base", Differs("a SearchParameter that is derived from another")),
    ("vs-bad-code", Needs("SNOMED CT")),
    ("obs-temp-bad", Differs("a vital sign that does not claim to be one, which is a warning here")),
    ("bundle-bad-by-param", Needs("an argument of that validator which names a profile for an entry")),
    ("test-input-params-example1", Differs("a modifier extension that nobody knows is an error here")),
    ("supplement-1b", Needs("which code systems are supplements")),
    ("bundle-id-4", Needs("the displays of CVX")),
    ("pat-example-extensions", Needs("an argument of that validator which allows no extension that it does not know")),
    ("uk-msg", Needs("SNOMED CT")),
    ("contained-resource-bad-id-ignore", Needs("an argument of that validator which lets ids pass")),
    ("encounter-period", Differs("the constraint per-1 of R4, over times of different precision")),
    ("AuditEvent-slice23-second", Needs("an argument of that validator which allows no extension that it does not know")),
    ("patient_as_operator_issue-r4", Differs("an expression that takes a FHIR string for one of FHIRPath's own")),
    ("uuid-extension", Needs("an argument of that validator which allows no extension that it does not know")),
    ("profile-patient-op1", Needs("an argument of that validator which allows no extension that it does not know")),
    ("obs-temp-code2", Needs("SNOMED CT")),
    ("vs-bad-props", Needs("the properties of SNOMED CT")),
    ("binary-ref-internal", Differs("a contained resource that only an url in a narrative leads to")),
    ("vs-filter-property-bad2", Differs("how the filters of a ValueSet are written")),
    ("choice-gender-coding-async-qr", Needs("the displays of code systems")),
    ("choice-invalid-type-qr", Differs("a choice that offers nothing is answered by a code, as R4 says")),
    ("xhtml-ctrl-no-lang-bad (profile)", Differs("an extension of later definitions (the languages of a narrative)")),
    ("xhtml-ctrl-twob-lang-bad (profile)", Differs("an extension of later definitions (the languages of a narrative)")),
    ("xhtml-ctrl-twob-lang-good2 (profile)", Differs("an extension of later definitions (the languages of a narrative)")),
    ("vs-bad-ecl", Needs("the expressions of SNOMED CT")),
    ("vs-bad-ecl-us", Needs("the expressions of SNOMED CT")),
    ("contract-binding-test", Needs("code systems that are bound by example")),
    ("patient-xver-gino", Needs("an argument of that validator which allows no extension that it does not know")),
];

#[test]
fn verdicts_agree_with_those_of_hl7() {
    let usual = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data/fhir-test-cases");
    let folder = std::env::var_os("CONCORD_FHIR_TEST_CASES").map_or(usual, PathBuf::from).join("validator");
    if !folder.is_dir() {
        println!("not compared: {} is not there (CONCORD_FHIR_TEST_CASES names it)", folder.display());
        return;
    }
    let cases = cases(&folder);
    let mut different = Vec::new();
    let (mut accepted, mut refused) = (0, 0);
    for case in &cases {
        let issues = found(&folder, case);
        let own = issues.iter().filter(|issue| issue.severity >= Severity::Error).count();
        if (own > 0) != (case.errors > 0) {
            if own > 0 {
                refused += 1
            } else {
                accepted += 1
            }
            println!("{}: {own} errors, not {}", case.name, case.errors);
            for issue in issues.iter().take(6) {
                println!(
                    "      {:?} {} {}",
                    issue.severity,
                    issue.expression.as_deref().unwrap_or_default(),
                    issue.text
                );
            }
            different.push(case.name.as_str());
        }
    }
    let known: Vec<&str> = DIFFERENT.iter().map(|(name, _)| *name).collect();
    let needing = DIFFERENT.iter().filter(|(_, why)| matches!(why, Needs(_))).count();
    let agree = cases.len() - different.len();
    println!(
        "{agree} of {} verdicts agree, {} of which need nothing else ({:.1} %); wrongly accepted {accepted}, refused {refused}",
        cases.len(),
        cases.len() - needing,
        100.0 * agree as f64 / (cases.len() - needing) as f64
    );
    assert_eq!(different, known);
    for (name, why) in DIFFERENT {
        let (Needs(reason) | Differs(reason)) = why;
        assert!(!reason.is_empty(), "{name}");
    }
}
