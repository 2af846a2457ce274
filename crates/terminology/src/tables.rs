//! The code systems, value sets and concept maps of R4 itself: `tables.txt`, made by `concord-generate`. Nothing is read
//! before the first question, and of what is asked about only that.
//!
//! A line is fields parted by tabs. `S url version name flags` begins a code system; a concept is a line below it, a space
//! for each level that it lies deeper: code, display unless that is the code, flags, codes right above it besides. `V url
//! version name` begins a value set, whose parts begin with `+` or `-` and the code system: `?` is a filter, `^` a value set,
//! `=` a code and `"` what it is called, `!` codes that may not be written down. `M url version name source target` begins a
//! concept map, `>` a group with its code systems, and below are code, target, equivalence. `B url` begins the bindings that are
//! `extensible`: shape, element, value set.
//! Flags: `c` case sensitive, `p` in part, `a` abstract, `i` inactive, `d` deprecated.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};

use crate::code_system::{CodeSystem, Concept, Property};
use crate::concept_map::{ConceptMap, Group, Mapping};
use crate::filter::Filter;
use crate::name::split;
use crate::value_set::{Listed, Part, ValueSet};

use concord_fhir::json::Value;

const TABLES: &str = include_str!("tables.txt");

/// One thing of the tables: its lines, and what they are once somebody has asked.
struct Section<T> {
    version: &'static str,
    lines: &'static str,
    read: OnceLock<Arc<T>>,
}

impl<T> Section<T> {
    fn get(&self, read: impl FnOnce(&'static str) -> T) -> Arc<T> {
        Arc::clone(self.read.get_or_init(|| Arc::new(read(self.lines))))
    }
}

#[derive(Default)]
struct Tables {
    systems: HashMap<&'static str, Section<CodeSystem>>,
    sets: HashMap<&'static str, Section<ValueSet>>,
    maps: HashMap<&'static str, Section<ConceptMap>>,
    /// The extensible bindings: by shape, the elements with their value sets.
    extensible: HashMap<&'static str, Vec<(&'static str, &'static str)>>,
}

/// Where every section is.
fn tables() -> &'static Tables {
    static READ: OnceLock<Tables> = OnceLock::new();
    READ.get_or_init(|| {
        let mut found = Tables::default();
        let mut rest = TABLES;
        while let Some((lines, after)) = next_section(rest) {
            let mut fields = lines.lines().next().unwrap_or_default().split('\t');
            let (kind, url) = (fields.next().unwrap_or_default(), fields.next().unwrap_or_default());
            let version = fields.next().unwrap_or_default();
            match kind {
                "S" => drop(found.systems.insert(url, Section { version, lines, read: OnceLock::new() })),
                "V" => drop(found.sets.insert(url, Section { version, lines, read: OnceLock::new() })),
                "M" => drop(found.maps.insert(url, Section { version, lines, read: OnceLock::new() })),
                _ => found.extensible = read_bindings(lines),
            }
            rest = after;
        }
        found
    })
}

/// The lines up to the next that begins a section, and what follows them.
fn next_section(text: &'static str) -> Option<(&'static str, &'static str)> {
    let begins = |line: &str| ["S\t", "V\t", "M\t", "B\t"].iter().any(|start| line.starts_with(start));
    let mut end = 0;
    for line in text.split_inclusive('\n') {
        // A code may be one of those letters; the address that follows it is none.
        if end > 0 && begins(line) && is_header(line) {
            break;
        }
        end += line.len();
    }
    text.split_at_checked(end).filter(|(lines, _)| !lines.is_empty())
}

fn is_header(line: &str) -> bool {
    let url = line.split('\t').nth(1).unwrap_or_default();
    url.starts_with("http://") || url.starts_with("urn:") || url.starts_with("https://")
}

/// The section of that name: a url as it is, or with the version that the table has.
fn find<'t, T>(among: &'t HashMap<&'static str, Section<T>>, name: &str) -> Option<&'t Section<T>> {
    if let Some(found) = among.get(name) {
        return Some(found);
    }
    let (url, version) = split(name);
    among.get(url).filter(|section| version.is_none_or(|wanted| wanted == section.version))
}

/// The code system of that name.
#[must_use]
pub fn code_system(name: &str) -> Option<Arc<CodeSystem>> {
    Some(find(&tables().systems, name)?.get(read_system))
}

/// The value set of that name.
#[must_use]
pub fn value_set(name: &str) -> Option<Arc<ValueSet>> {
    Some(find(&tables().sets, name)?.get(read_set))
}

/// The concept map of that name.
#[must_use]
pub fn concept_map(name: &str) -> Option<Arc<ConceptMap>> {
    Some(find(&tables().maps, name)?.get(read_map))
}

/// Every concept map.
pub fn concept_maps() -> impl Iterator<Item = Arc<ConceptMap>> {
    tables().maps.values().map(|section| section.get(read_map))
}

/// The url and version of every code system, in the order of urls.
#[must_use]
pub fn code_systems() -> Vec<(&'static str, &'static str)> {
    listed(&tables().systems)
}

/// The url and version of every value set, in the order of urls.
#[must_use]
pub fn value_sets() -> Vec<(&'static str, &'static str)> {
    listed(&tables().sets)
}

/// Whether R4 has a code system of that very name.
pub(crate) fn has_code_system(name: &str) -> bool {
    tables().systems.contains_key(name)
}

/// The value set that an element would have its codes from unless none fits, where R4 says one that is here.
pub(crate) fn extensible(within: &str, element: &str) -> Option<&'static str> {
    tables().extensible.get(within)?.iter().find(|(own, _)| own.trim_end_matches("[x]") == element).map(|(_, set)| *set)
}

fn listed<T>(among: &HashMap<&'static str, Section<T>>) -> Vec<(&'static str, &'static str)> {
    let mut found: Vec<_> = among.iter().map(|(url, section)| (*url, section.version)).collect();
    found.sort_unstable();
    found
}

fn some(text: Option<&str>) -> Option<String> {
    text.filter(|text| !text.is_empty()).map(str::to_owned)
}

fn read_system(lines: &'static str) -> CodeSystem {
    let mut lines = lines.lines();
    let mut head = lines.next().unwrap_or_default().split('\t').skip(1);
    let mut system = CodeSystem::new(head.next().unwrap_or_default(), head.next());
    system.name = some(head.next());
    let flags = head.next().unwrap_or_default();
    system.partial = flags.contains('p').then(|| "fragment".to_owned());
    let mut above: Vec<usize> = Vec::new();
    let mut links = Vec::new();
    for line in lines {
        let mut fields = line.split('\t');
        let written = fields.next().unwrap_or_default();
        let code = written.trim_start_matches(' ');
        let depth = written.len() - code.len();
        let (display, flags) = (some(fields.next()), fields.next().unwrap_or_default());
        let deprecated = flags.contains('d').then(|| Property {
            code: "status".to_owned(),
            member: "valueCode".to_owned(),
            value: Value::string("deprecated"),
        });
        let concept = Concept {
            code: code.to_owned(),
            display: display.or_else(|| some(Some(code))),
            is_abstract: flags.contains('a'),
            is_inactive: flags.contains('i'),
            properties: deprecated.into_iter().collect(),
            ..Concept::default()
        };
        links.extend(fields.next().unwrap_or_default().split_whitespace().map(|parent| (parent, code)));
        // The table is far smaller than what may be read.
        let Ok(place) = system.add(concept) else { continue };
        above.truncate(depth);
        if let Some(parent) = above.last() {
            system.link_places(*parent, place);
        }
        above.push(place);
    }
    for (parent, code) in links {
        system.link(parent, code);
    }
    system
}

fn read_set(lines: &'static str) -> ValueSet {
    let mut lines = lines.lines();
    let mut head = lines.next().unwrap_or_default().split('\t').skip(1);
    let mut set = ValueSet { url: some(head.next()), version: some(head.next()), ..ValueSet::default() };
    set.name = some(head.next());
    set.status = Some("active".to_owned());
    for line in lines {
        if let Some(rest) = line.strip_prefix('+') {
            set.include.push(read_part(rest));
        } else if let Some(rest) = line.strip_prefix('-') {
            set.exclude.push(read_part(rest));
        }
    }
    set.is_defined = !set.include.is_empty();
    set
}

fn read_part(line: &'static str) -> Part {
    let mut fields = line.split('\t');
    let mut part = Part { system: some(fields.next()), ..Part::default() };
    for field in fields {
        let Some((tag, rest)) = field.split_at_checked(1) else { continue };
        match tag {
            "=" => part.listed.push(Listed { code: rest.to_owned(), ..Listed::default() }),
            "\"" => {
                if let Some(last) = part.listed.last_mut() {
                    last.display = some(Some(rest));
                }
            }
            "?" => {
                let mut words = rest.splitn(3, ' ').map(str::to_owned);
                let mut word = || words.next().unwrap_or_default();
                part.filters.push(Filter { property: word(), operator: word(), value: word() });
            }
            "^" => part.imports.push(rest.to_owned()),
            _ => part.is_left_out = true,
        }
    }
    part
}

fn read_bindings(lines: &'static str) -> HashMap<&'static str, Vec<(&'static str, &'static str)>> {
    let mut found: HashMap<&'static str, Vec<_>> = HashMap::new();
    for line in lines.lines().filter(|line| !line.starts_with("B\t")) {
        let mut fields = line.split('\t');
        if let (Some(shape), Some(element), Some(set)) = (fields.next(), fields.next(), fields.next()) {
            found.entry(shape).or_default().push((element, set));
        }
    }
    found
}

fn read_map(lines: &'static str) -> ConceptMap {
    let mut lines = lines.lines();
    let mut head = lines.next().unwrap_or_default().split('\t').skip(1);
    let (url, version, _) = (some(head.next()), some(head.next()), head.next());
    let mut map = ConceptMap { url, version, source: some(head.next()), target: some(head.next()), groups: Vec::new() };
    for line in lines {
        let mut fields = line.split('\t');
        let first = fields.next().unwrap_or_default();
        if let Some(source) = first.strip_prefix('>') {
            let target = fields.next().unwrap_or_default().to_owned();
            map.groups.push(Group { source: source.to_owned(), target, ..Group::default() });
        } else if let Some(group) = map.groups.last_mut() {
            group.elements.push(Mapping {
                code: first.to_owned(),
                target: some(fields.next()),
                equivalence: fields.next().unwrap_or_default().to_owned(),
                ..Mapping::default()
            });
        }
    }
    map
}

#[cfg(test)]
mod tests;
