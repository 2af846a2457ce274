//! What a package says of itself: its name and version, and which packages it builds on (`package.json`, FHIR NPM packages).

use concord_fhir::json::Value;

/// The release of FHIR for which packages are.
pub(super) const RELEASE: &str = "4.0";

/// How many characters a name may have, and a version.
const LONGEST_NAME: usize = 214;
const LONGEST_VERSION: usize = 100;
/// How many packages one may build on.
const MOST_DEPENDENCIES: usize = 200;

/// What R4 itself and its vocabularies are called, whose definitions are here without a package, in the version that is here.
const OF_R4: [&str; 8] = [
    "hl7.fhir.core",
    "hl7.fhir.r4.core",
    "hl7.fhir.r4.expansions",
    "hl7.fhir.r4.examples",
    "hl7.fhir.r4.elements",
    "hl7.fhir.r4.corexml",
    "hl7.terminology",
    "hl7.terminology.r4",
];

/// What a package says of itself.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Description {
    /// `name#version`, in small letters as far as the name goes.
    pub(super) name: String,
    /// Those that it builds on, as `name#version`.
    pub(super) needs: Vec<String>,
    /// What is odd about it, a line each.
    pub(super) remarks: Vec<String>,
}

impl Description {
    /// Reads `package.json`.
    ///
    /// # Errors
    /// What is wrong with it, in one line.
    pub(super) fn read(value: &Value<'_>) -> Result<Description, String> {
        let (own, version) = (value.text("name").unwrap_or_default(), value.text("version").unwrap_or_default());
        if own.is_empty() || version.is_empty() {
            return Err("it says no name, or no version".to_owned());
        }
        let listed = ["fhirVersions", "fhir-version-list"].iter().flat_map(|member| value.list(member));
        let releases: Vec<&str> = listed.filter_map(Value::as_str).collect();
        if !releases.is_empty() && !releases.iter().any(|release| is_of_release(release)) {
            return Err(format!("it is for FHIR {}, and this server is of FHIR {RELEASE}", releases.join(", ")));
        }
        let name = own.to_ascii_lowercase();
        if !is_name(&name) {
            return Err(format!(
                "{:?} is no name of a package: it has letters, digits, '.', '-' and '_', after a scope (@scope/) or not",
                shortened(own)
            ));
        }
        if !is_version(version) {
            return Err(format!(
                "{:?} is no version of a package: it has letters, digits, '.', '-', '_' and '+'",
                shortened(version)
            ));
        }
        let mut found = Description { name: format!("{name}#{version}"), ..Description::default() };
        if name != own {
            found.remarks.push(format!("{own} is listed as {name}: names of packages are in small letters"));
        }
        found.dependencies(value.get("dependencies"));
        Ok(found)
    }

    fn dependencies(&mut self, value: Option<&Value<'_>>) {
        let Some(value) = value else { return };
        let Some(object) = value.as_object() else {
            return self
                .remarks
                .push("package.json: its dependencies are no names with versions, and are not looked at".to_owned());
        };
        for (alias, wanted) in object.0.iter().take(MOST_DEPENDENCIES) {
            let wanted = wanted.as_str().unwrap_or_default();
            // `alias: npm:name@version`, by which two versions of one package can be named.
            let (name, version) = match wanted.strip_prefix("npm:").and_then(|rest| rest.rsplit_once('@')) {
                Some((name, version)) => (name, version),
                None => (alias.as_ref(), wanted),
            };
            let name = name.to_ascii_lowercase();
            if !is_name(&name) || version.len() > LONGEST_VERSION {
                self.remarks
                    .push(format!("package.json: {:?} names no package that it could depend on", shortened(alias)));
            } else if !OF_R4.contains(&name.as_str()) {
                self.needs.push(format!("{name}#{version}"));
            }
        }
        if object.0.len() > MOST_DEPENDENCIES {
            self.remarks.push(format!("package.json: of its dependencies {MOST_DEPENDENCIES} are looked at"));
        }
    }

    /// What it builds on and none of these packages is, a line each.
    pub(super) fn missing<'a>(&'a self, there: &'a [String]) -> impl Iterator<Item = String> + 'a {
        let is_there = |needed: &&String| there.iter().any(|package| is_met(needed, package));
        self.needs.iter().filter(move |needed| !is_there(needed)).map(|needed| {
            format!("{needed}, on which it depends, was not added: profiles that start from one of it cannot be used until it is")
        })
    }
}

/// Whether a package is one that is needed: in that version, in one that a `x` stands for, or in any that a word means.
fn is_met(needed: &str, package: &str) -> bool {
    let ((name, wanted), (own, version)) = match (needed.split_once('#'), package.split_once('#')) {
        (Some(needed), Some(package)) => (needed, package),
        _ => return false,
    };
    if name != own {
        return false;
    }
    let bare = wanted.trim_start_matches(['^', '~', '=', 'v']);
    match bare.split_once(['x', 'X', '*']) {
        Some((start, _)) => version.starts_with(start),
        None => bare.is_empty() || bare == version || !bare.starts_with(|first: char| first.is_ascii_digit()),
    }
}

/// Whether a version of FHIR is one of the release that this server is of.
fn is_of_release(version: &str) -> bool {
    version.strip_prefix(RELEASE).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

fn is_name(name: &str) -> bool {
    let is_part = |part: &str| {
        part.starts_with(|first: char| first.is_ascii_alphanumeric())
            && !part.contains("..")
            && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
    };
    let parts: Vec<&str> = match name.strip_prefix('@') {
        Some(scoped) => scoped.splitn(2, '/').collect(),
        None => vec![name],
    };
    let is_whole = parts.len() == if name.starts_with('@') { 2 } else { 1 };
    name.len() <= LONGEST_NAME && is_whole && parts.into_iter().all(is_part)
}

fn is_version(version: &str) -> bool {
    version.len() <= LONGEST_VERSION
        && version.starts_with(|first: char| first.is_ascii_alphanumeric())
        && version.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-+".contains(&byte))
}

fn shortened(text: &str) -> String {
    text.chars().take(60).collect()
}

#[cfg(test)]
mod tests {
    use concord_fhir::json::{Limits, parse};

    use super::*;

    fn read(text: &str) -> Result<Description, String> {
        Description::read(&parse(text.as_bytes(), &Limits::default()).unwrap())
    }

    #[test]
    fn names_that_are_odd_are_told_or_refused() {
        for (name, found) in [
            ("example.guide", Some("example.guide#1")),
            ("@scope/example.guide", Some("@scope/example.guide#1")),
            ("UK.Example_R4", Some("uk.example_r4#1")),
            ("../example", None),
            ("a/b", None),
            ("@scope", None),
            ("@/a", None),
            ("@a/b/c", None),
            ("/etc/passwd", None),
            ("a..b", None),
            ("a#1", None),
            ("caf\u{e9}", None),
            ("a b", None),
        ] {
            let told = read(&format!(r#"{{"name":"{name}","version":"1"}}"#));
            assert_eq!(told.as_ref().ok().map(|one| one.name.as_str()), found, "{name}: {told:?}");
            if let Ok(told) = told {
                assert_eq!(told.remarks.len(), usize::from(name.chars().any(|letter| letter.is_ascii_uppercase())));
            }
        }
        for version in ["1.0.0", "1.0.0-beta+2", "current"] {
            assert!(read(&format!(r#"{{"name":"a","version":"{version}"}}"#)).is_ok(), "{version}");
        }
        for version in ["../1", "1 2", "-1", "1#2"] {
            assert!(read(&format!(r#"{{"name":"a","version":"{version}"}}"#)).is_err(), "{version}");
        }
        let long = format!(r#"{{"name":"{}","version":"1"}}"#, "a".repeat(300));
        assert!(read(&long).is_err_and(|said| said.len() < 200));
    }

    #[test]
    fn what_it_depends_on_is_told_where_it_is_not_there() {
        let told = read(
            r#"{"name":"a","version":"1","dependencies":{"hl7.fhir.r4.core":"4.0.1","base.guide":"1.2.0",
                "other.guide":"1.2.x","own":"npm:Real.Guide@2.0.0","word.guide":"current","../x":"1","odd":7}}"#,
        )
        .unwrap();
        assert_eq!(
            told.needs,
            ["base.guide#1.2.0", "other.guide#1.2.x", "real.guide#2.0.0", "word.guide#current", "odd#"]
        );
        assert!(told.remarks.len() == 1 && told.remarks[0].contains("../x"), "{:?}", told.remarks);
        let there = ["base.guide#1.2.1", "other.guide#1.2.7", "real.guide#2.0.0", "word.guide#3", "odd#1"];
        let missing: Vec<String> = told.missing(&there.map(str::to_owned)).collect();
        assert!(missing.len() == 1 && missing[0].starts_with("base.guide#1.2.0, "), "{missing:?}");
        assert!(read(r#"{"name":"a","version":"1","dependencies":["b"]}"#).unwrap().remarks.len() == 1);
    }
}
