//! The numbers: circles, lengths, SQL above the store, types named by generic code.

use crate::circles::{Uses, circles};
use crate::documents::Named;
use crate::limits::{Limits, Numbers};
use crate::resolve;
use crate::source::{self, Module};
use concord_fhir::registry::ResourceType;
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

/// The most lines of a function.
const LONGEST_FUNCTION: usize = 60;
/// The most lines of a file, its tests included.
const LONGEST_FILE: usize = 500;

/// What was found in one crate.
#[derive(Debug, Default)]
pub(crate) struct Crate {
    /// Its folder in `crates`.
    name: String,
    /// Its modules; files from the root of the workspace on.
    modules: Vec<Module>,
    /// Its files and their lines, those of tests included.
    files: Vec<(String, usize)>,
    /// Files that need each other.
    file_circles: Vec<BTreeSet<String>>,
    /// Modules of the first level that need each other.
    module_circles: Vec<BTreeSet<String>>,
}

impl Crate {
    /// It by its name, with its modules.
    pub(crate) fn named(&self) -> Named<'_> {
        (&self.name, &self.modules)
    }
}

/// Reads every crate of the workspace.
pub(crate) fn crates(root: &Path) -> Result<Vec<Crate>, String> {
    let folders = list(&root.join("crates"))?;
    folders.iter().filter(|folder| folder.join("src").is_dir()).map(|folder| read(root, folder)).collect()
}

fn list(folder: &Path) -> Result<Vec<PathBuf>, String> {
    let failed = |error: std::io::Error| format!("cannot read {}: {error}", folder.display());
    let entries = std::fs::read_dir(folder).map_err(failed)?;
    let mut found: Vec<PathBuf> =
        entries.map(|one| one.map(|one| one.path()).map_err(failed)).collect::<Result<_, _>>()?;
    found.sort();
    Ok(found)
}

fn read(root: &Path, folder: &Path) -> Result<Crate, String> {
    let name = folder.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let mut one = Crate { name, ..Crate::default() };
    let src = folder.join("src");
    files(root, &src, &mut one.files)?;
    // A library and a program beside it are two crates to the compiler: neither's modules are the other's.
    for start in ["lib.rs", "main.rs"].map(|file| src.join(file)).iter().filter(|file| file.exists()) {
        let mut modules = source::modules(start)?;
        modules.iter_mut().for_each(|module| module.file = below(root, &module.file).into());
        let uses = resolve::uses(&modules);
        one.file_circles.extend(file_circles(&modules, &uses));
        one.module_circles.extend(module_circles(&modules, &uses));
        one.modules.append(&mut modules);
    }
    Ok(one)
}

fn files(root: &Path, folder: &Path, found: &mut Vec<(String, usize)>) -> Result<(), String> {
    for path in list(folder)? {
        if path.is_dir() {
            files(root, &path, found)?;
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text =
                std::fs::read_to_string(&path).map_err(|error| format!("cannot read {}: {error}", path.display()))?;
            found.push((below(root, &path), text.lines().count()));
        }
    }
    Ok(())
}

fn below(root: &Path, path: &Path) -> String {
    path.strip_prefix(root).unwrap_or(path).display().to_string()
}

fn file_circles(modules: &[Module], uses: &BTreeSet<(usize, usize)>) -> Vec<BTreeSet<String>> {
    let file = |number: usize| modules.get(number).map(|module| module.file.display().to_string()).unwrap_or_default();
    let between: Uses =
        uses.iter().map(|(from, to)| (file(*from), file(*to))).filter(|(from, to)| from != to).collect();
    // The module that a file is: the first that stands in it, for those within it come after it.
    let module = |file: &str| modules.iter().find(|module| module.file == Path::new(file)).map(|module| &module.path);
    let is_above = |one: &str, other: &str| match (module(one), module(other)) {
        (Some(one), Some(other)) => other.starts_with(one),
        _ => false,
    };
    circles(&between, &is_above)
}

fn module_circles(modules: &[Module], uses: &BTreeSet<(usize, usize)>) -> Vec<BTreeSet<String>> {
    let top = |number: usize| modules.get(number).and_then(|module| module.path.first().cloned());
    let between = uses.iter().filter_map(|(from, to)| Some((top(*from)?, top(*to)?)));
    circles(&between.filter(|(from, to)| from != to).collect(), &|_, _| false)
}

/// Every number that a limit is kept for.
pub(crate) fn numbers(crates: &[Crate], limits: &Limits) -> Numbers {
    let mut numbers = Numbers::default();
    for one in crates {
        numbers.add(format!("files-in-circles {}", one.name), members(&one.file_circles));
        numbers.add(format!("modules-in-circles {}", one.name), members(&one.module_circles));
        for function in one.modules.iter().flat_map(|module| &module.functions) {
            if function.lines > LONGEST_FUNCTION {
                numbers.raise(format!("function {} {}", one.name, function.name), function.lines);
            }
        }
        for (file, lines) in one.files.iter().filter(|(_, lines)| *lines > LONGEST_FILE) {
            numbers.add(format!("file {file}"), *lines);
        }
    }
    let modules: Vec<&Module> = crates.iter().flat_map(|one| &one.modules).collect();
    for place in limits.subjects("sql") {
        numbers.add(format!("sql {place}"), within(&modules, place, sql));
    }
    for place in limits.subjects("type-names") {
        numbers.add(format!("type-names {place}"), within(&modules, place, type_names));
    }
    let places = ["sql", "type-names"].into_iter().flat_map(|kind| limits.subjects(kind));
    for place in places {
        if !modules.iter().any(|module| module.file.starts_with(place)) {
            numbers.miss(format!("{place}: no such source, correct the list in limits.txt"));
        }
    }
    numbers
}

fn members(circles: &[BTreeSet<String>]) -> usize {
    circles.iter().map(BTreeSet::len).sum()
}

/// The sum over the modules of a file or folder.
fn within(modules: &[&Module], place: &str, count: fn(&Module) -> usize) -> usize {
    modules.iter().filter(|module| module.file.starts_with(place)).map(|module| count(module)).sum()
}

/// How often SQL is named: in a text, or by the type that makes it.
fn sql(module: &Module) -> usize {
    let is_sql =
        |text: &&String| ["SELECT ", "INSERT INTO ", "DELETE FROM ", "UPDATE "].iter().any(|word| text.contains(word));
    module.paths.iter().filter(|path| path.iter().any(|segment| segment == "Sql")).count()
        + module.texts.iter().filter(is_sql).count()
}

/// How often a resource type is named: by a text that is one or begins with one (`Goal`, `Goal/`, `Goal.agreement`), or by a
/// constant of its name (`AUDIT_EVENT`).
fn type_names(module: &Module) -> usize {
    let begins = |text: &&String| {
        let first = text.split(['/', '.', '?']).next().unwrap_or_default();
        ResourceType::parse(first).is_some()
    };
    let texts = module.texts.iter().filter(begins).count();
    texts + module.constants.iter().filter(|name| ResourceType::parse(&camel_case(name)).is_some()).count()
}

/// `AUDIT_EVENT` as `AuditEvent`.
fn camel_case(name: &str) -> String {
    let word = |word: &str| {
        let (first, rest) = word.split_at(word.len().min(1));
        format!("{first}{}", rest.to_ascii_lowercase())
    };
    name.split('_').map(word).collect()
}

/// The report.
pub(crate) fn table(crates: &[Crate], limits: &Limits) -> String {
    let head = ["crate", "files", "in circles", "modules in circles", "longest function", "longest file"];
    let mut text = row(&head.map(str::to_owned));
    for one in crates {
        let function = one.modules.iter().flat_map(|module| module.functions.iter().map(move |one| (module, one)));
        let function = function.max_by_key(|(_, function)| function.lines);
        let file = one.files.iter().max_by_key(|(_, lines)| *lines);
        text.push_str(&row(&[
            one.name.clone(),
            one.files.len().to_string(),
            members(&one.file_circles).to_string(),
            members(&one.module_circles).to_string(),
            function.map(|(_, function)| format!("{} {}", function.lines, function.name)).unwrap_or_default(),
            file.map(|(file, lines)| format!("{lines} {}", inside(&one.name, file))).unwrap_or_default(),
        ]));
    }
    for one in crates {
        for circle in one.file_circles.iter().chain(&one.module_circles) {
            let names: Vec<&str> = circle.iter().map(|file| inside(&one.name, file)).collect();
            let _ = write!(text, "\ncircle in {}: {}", one.name, names.join(" "));
        }
    }
    let _ = write!(text, "\n{limits:#}");
    text
}

fn inside<'f>(name: &str, file: &'f str) -> &'f str {
    file.strip_prefix(&format!("crates/{name}/src/")).unwrap_or(file)
}

fn row(cells: &[String; 6]) -> String {
    let [name, files, in_circles, modules, function, file] = cells;
    format!("{name:<10} {files:>5} {in_circles:>11} {modules:>19}   {function:<30} {file}\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::from_text;

    #[test]
    fn sql_is_counted_wherever_it_is_named() {
        let text = r#"
            fn f() { Sql::new("SELECT 1"); crate::store::Sql::text("x"); say("please SELECT one"); }
            mod store { fn g() { Sql::new("SELECT 1") } }
            mod audit { const A: &str = "DELETE FROM t"; const B: &str = "UPDATE t"; const C: &str = "an update"; }"#;
        let counts: Vec<usize> = from_text(text).iter().map(sql).collect();
        assert_eq!(counts, [4, 2, 2]);
    }

    #[test]
    fn types_are_counted_where_they_are_named() {
        let text = r#"fn f() { ResourceType::of("Goal"); is("Task/"); is("Goal.agreement"); is("task"); is("a Goal"); } /* "Goal" */"#;
        assert_eq!(type_names(&from_text(text)[0]), 3);
        let constants =
            "fn f() { if one == AUDIT_EVENT || two == CARE_PLAN { of(SECURITY, PATIENT_KEY, rest::GOAL) } }";
        assert_eq!(type_names(&from_text(constants)[0]), 3);
    }

    #[test]
    fn circles_are_found_between_files_and_between_modules() {
        let mut modules = from_text("mod a { pub mod b { use crate::c::D; } } mod c { use crate::a::b::E; }");
        for (module, file) in modules.iter_mut().zip(["lib.rs", "a.rs", "a/b.rs", "c.rs"]) {
            module.file = file.into();
        }
        let uses = resolve::uses(&modules);
        let set = |names: [&str; 2]| vec![BTreeSet::from(names.map(str::to_owned))];
        assert_eq!(file_circles(&modules, &uses), set(["a/b.rs", "c.rs"]));
        assert_eq!(module_circles(&modules, &uses), set(["a", "c"]));
    }
}
