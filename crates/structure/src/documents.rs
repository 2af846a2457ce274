//! Whether what is written about the source is so: the names in the documents and in comments lead somewhere, every room is told of, and the
//! moments of the hooks are those that there are.

use crate::source::Module;
use std::collections::BTreeSet;
use std::path::Path;

/// What tells newcomers where things are.
const DOCUMENTS: [&str; 2] = ["docs/ARCHITECTURE.md", "CONTRIBUTING.md"];

/// Modules each of whose children is told of in the first document or above the module itself.
const ROOMS: [&[&str]; 6] =
    [&["api", "http"], &["api", "interact"], &["api", "sign_in"], &["consent"], &["fhir"], &["store"]];

/// The moments of the hooks: where their fields stand, and the heading of the table that tells of them.
const HOOKS: (&[&str], &str) = (&["api", "interact", "hooks"], "## What a single type does: `TypeHooks`");

/// A crate by its folder, with its modules.
pub(crate) type Named<'c> = (&'c str, &'c [Module]);

/// What is not as the documents say, each in words.
pub(crate) fn faults(root: &Path, crates: &[Named<'_>]) -> Result<Vec<String>, String> {
    let read =
        |file: &str| std::fs::read_to_string(root.join(file)).map_err(|error| format!("cannot read {file}: {error}"));
    let mut faults = Vec::new();
    for document in DOCUMENTS {
        let text = read(document)?;
        let dangling = names(&text).filter(|name| !leads_somewhere(crates, name));
        faults.extend(dangling.map(|name| format!("{document}: there is no {name}")));
    }
    let files: BTreeSet<&Path> =
        crates.iter().flat_map(|(_, modules)| *modules).map(|module| module.file.as_path()).collect();
    for file in files {
        let file = file.display().to_string();
        let text = comments(&read(&file)?);
        let dangling = names(&text).filter(|name| is_ours(crates, name) && !leads_somewhere(crates, name));
        faults.extend(dangling.map(|name| format!("{file}: a comment names {name}, which there is not")));
    }
    let architecture = read("docs/ARCHITECTURE.md")?;
    for room in ROOMS {
        let Some(parent) = module(crates, room) else { continue };
        let above: String = read(&parent.file.display().to_string())?
            .lines()
            .filter_map(|line| line.strip_prefix("//!"))
            .flat_map(|line| [line, "\n"])
            .collect();
        let untold = children(crates, room).filter(|name| !tells_of(&architecture, name) && !tells_of(&above, name));
        faults.extend(untold.map(|name| format!("{}::{name}: no document says what it is for", room.join("::"))));
    }
    let (place, heading) = HOOKS;
    let fields = module(crates, place).map(|module| module.fields("TypeHooks")).unwrap_or_default();
    faults.extend(differences(&fields, section(&architecture, heading)));
    Ok(faults)
}

/// The code of a text, as it stands between single quotes of code on one line.
fn code(text: &str) -> impl Iterator<Item = &str> {
    let mut fenced = false;
    let lines = text.lines().filter(move |line| {
        let fence = line.trim_start().starts_with("```");
        fenced ^= fence;
        !fenced && !fence
    });
    lines.flat_map(|line| line.split('`').skip(1).step_by(2))
}

/// The names in a text that say where something is: `a::b`.
fn names(text: &str) -> impl Iterator<Item = &str> {
    let is_name = |one: &&str| {
        one.contains("::") && one.chars().all(|letter| letter.is_ascii_alphanumeric() || matches!(letter, '_' | ':'))
    };
    code(text).filter(is_name)
}

/// The comments of a source, line by line.
fn comments(source: &str) -> String {
    let lines = source.lines().filter_map(|line| line.trim_start().strip_prefix("//"));
    lines.flat_map(|line| [line.trim_start_matches(['/', '!']), "\n"]).collect()
}

/// Whether a name begins with a crate of ours, or with one of its modules: others are those of libraries.
fn is_ours(crates: &[Named<'_>], name: &str) -> bool {
    let first = name.split("::").next().map_or("", |first| first.strip_prefix("concord_").unwrap_or(first));
    let is_first = |module: &Module| module.path.first().is_some_and(|own| own == first);
    crates.iter().any(|(own, modules)| *own == first || modules.iter().any(is_first))
}

/// Whether a name is that of a module, of something in one, or of something of a type.
fn leads_somewhere(crates: &[Named<'_>], name: &str) -> bool {
    let parts: Vec<&str> = name.split("::").map(|part| part.strip_prefix("concord_").unwrap_or(part)).collect();
    let Some((last, before)) = parts.split_last() else { return true };
    let of_type = before.split_last().filter(|(of, _)| of.starts_with(|first: char| first.is_ascii_uppercase()));
    crates.iter().any(|(own, modules)| {
        modules.iter().any(|module| {
            let path: Vec<&str> = std::iter::once(*own).chain(module.path.iter().map(String::as_str)).collect();
            let has = |word: &str| module.declared.contains(word);
            path.ends_with(&parts)
                || (path.ends_with(before) && has(last))
                || of_type.is_some_and(|(of, rest)| {
                    path.ends_with(rest) && (has(of) || module.implements.contains(*of)) && has(last)
                })
        })
    })
}

fn module<'c>(crates: &[Named<'c>], room: &[&str]) -> Option<&'c Module> {
    let (own, path) = room.split_first()?;
    let (_, modules) = crates.iter().find(|(name, _)| name == own)?;
    modules.iter().find(|module| module.path == path)
}

fn children<'c>(crates: &[Named<'c>], room: &'c [&str]) -> impl Iterator<Item = &'c str> {
    let (own, path) = room.split_first().unwrap_or((&"", &[]));
    let modules = crates.iter().find(|(name, _)| name == own).map_or(&[][..], |(_, modules)| modules);
    modules.iter().filter_map(move |module| match module.path.split_last() {
        Some((last, before)) if before == path => Some(last.as_str()),
        _ => None,
    })
}

/// Whether a text has the name of a module among its code.
fn tells_of(text: &str, name: &str) -> bool {
    code(text)
        .any(|one| one.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_').any(|part| part == name))
}

/// What stands below a heading, up to the next of its kind.
fn section<'t>(text: &'t str, heading: &str) -> &'t str {
    let after = text.split_once(heading).map_or("", |(_, after)| after);
    after.split_once("\n## ").map_or(after, |(section, _)| section)
}

/// How the fields differ from the first column of the table in a section.
fn differences(fields: &[String], section: &str) -> Vec<String> {
    let rows = section.lines().filter_map(|line| line.strip_prefix("| `")?.split_once(" | "));
    let told: Vec<&str> = rows.flat_map(|(first, _)| first.split(", ")).map(|one| one.trim_matches('`')).collect();
    let untold = fields.iter().filter(|field| !told.contains(&field.as_str()));
    let gone = told.iter().filter(|one| !fields.iter().any(|field| field == *one));
    let twice = told.iter().enumerate().filter(|(place, one)| told.iter().take(*place).any(|other| other == *one));
    let untold = untold.map(|field| format!("{field}: untold"));
    let gone = gone.map(|one| format!("{one}: gone"));
    let twice = twice.map(|(_, one)| format!("{one}: told twice"));
    untold.chain(gone).chain(twice).map(|what| format!("the table of hooks in docs/ARCHITECTURE.md: {what}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::from_text;

    #[test]
    fn a_name_leads_to_a_module_to_what_is_in_it_or_to_what_a_type_has() {
        let text = "mod a { pub fn go() {} pub enum Kind { One } mod b { pub(crate) use super::go as gone; } }";
        let modules = from_text(text);
        let crates = [("api", modules.as_slice())];
        for name in ["a::b", "api::a", "concord_api::a::b", "a::go", "api::a::Kind::One", "Kind::One", "b::gone"] {
            assert!(leads_somewhere(&crates, name), "{name}");
        }
        for name in ["b::a", "b::go", "a::Two", "Kind::Two", "store::a", "a::b::Kind"] {
            assert!(!leads_somewhere(&crates, name), "{name}");
        }
    }

    #[test]
    fn names_are_read_from_code_on_a_line() {
        let text = "`a::b` and `c` and\n```\n`d::e`\n```\n`f::g()` or `H::i`, a::b";
        assert_eq!(names(text).collect::<Vec<_>>(), ["a::b", "H::i"]);
        assert!(tells_of(text, "c") && tells_of(text, "g") && !tells_of(text, "d") && !tells_of(text, "or"));
        assert!(tells_of("| what? | [`one`], [`two()`] |", "two"));
    }

    #[test]
    fn names_in_comments_are_ours_or_of_a_library() {
        let modules = from_text("mod a { pub fn go() {} }");
        let crates = [("api", modules.as_slice())];
        let text = comments("//! `a::go`\n    // `std::fs` and `api::b`\nlet x = a::c;\n/// `a::d`\n");
        let ours: Vec<&str> = names(&text).filter(|name| is_ours(&crates, name)).collect();
        assert_eq!(ours, ["a::go", "api::b", "a::d"]);
    }

    #[test]
    fn a_table_of_fields_has_all_and_no_other() {
        let text = "## A\n| `no` | x |\n## B\n| field | when |\n| `one`, `two` | now |\n| `three` | then |\n\n## C\n| `no` | x |";
        let fields = ["one", "three", "four"].map(str::to_owned);
        let told = differences(&fields, section(text, "## B"));
        let ends: Vec<&str> = told.iter().filter_map(|one| one.rsplit_once(".md: ")).map(|(_, what)| what).collect();
        assert_eq!(ends, ["four: untold", "two: gone"]);
    }
}
