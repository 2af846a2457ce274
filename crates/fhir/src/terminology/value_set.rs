//! The codes of a ValueSet: its expansion where it holds a whole one, else its definition (R4 "ValueSet", composition
//! rules).

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use super::{Code, CodeSystem, DEEPEST_IMPORT, LookUpError, MOST_CODES, MOST_CONCEPTS, MOST_SOURCES, Source};
use crate::json::Value;
use crate::schema::{Binding, r4};

/// The reading of one value set, with what it has read so far.
pub(super) struct Expansion<'s, S: Source> {
    source: &'s mut S,
    /// The value sets that are being read, the outermost first.
    open: Vec<String>,
    systems: BTreeMap<String, Rc<CodeSystem>>,
    /// How many resources were asked for.
    asked: usize,
}

type Codes<S> = Result<BTreeSet<Code>, LookUpError<<S as Source>::Error>>;

impl<'s, S: Source> Expansion<'s, S> {
    pub(super) fn new(source: &'s mut S) -> Expansion<'s, S> {
        Expansion { source, open: Vec::new(), systems: BTreeMap::new(), asked: 0 }
    }

    /// The codes of the value set.
    pub(super) fn value_set(&mut self, name: &str) -> Codes<S> {
        if self.open.iter().any(|open| open == name) {
            return Err(LookUpError::unsupported(format!("the value set {name} is built on itself")));
        }
        if self.open.len() >= DEEPEST_IMPORT {
            let text = format!("the value set {name} is built on others more than {DEEPEST_IMPORT} deep");
            return Err(LookUpError::costly(text));
        }
        self.count()?;
        let found = self.source.value_set(name).map_err(LookUpError::Source)?;
        let Some(set) = found else {
            // The codes that R4 itself requires somewhere are known without a resource.
            return match r4().value_set(name) {
                Some(binding) => Ok(of_binding(binding)),
                None => Err(LookUpError::missing(format!("there is no value set {name} here"))),
            };
        };
        self.open.push(name.to_owned());
        let codes = match whole_expansion(&set) {
            Some(codes) => Ok(codes),
            None => self.defined(name, &set),
        };
        self.open.pop();
        let codes = codes?;
        if codes.len() > MOST_CONCEPTS {
            return Err(LookUpError::costly(format!("the value set {name} has more than {MOST_CONCEPTS} codes")));
        }
        Ok(codes)
    }

    /// A code and those that its code system relates to it.
    pub(super) fn related(
        &mut self,
        code: &Code,
        relation: impl Fn(&CodeSystem, &str) -> Result<BTreeSet<String>, super::code_system::Unusable>,
    ) -> Codes<S> {
        let system = self.system(&code.system)?;
        if !system.has(&code.code) {
            let text = format!("the code system {} has no code `{}`", code.system, code.code);
            return Err(LookUpError::missing(text));
        }
        let codes = relation(&system, &code.code).map_err(|(code, text)| LookUpError::Said(code, text))?;
        Ok(of_system(&code.system, codes))
    }

    fn count(&mut self) -> Result<(), LookUpError<S::Error>> {
        self.asked += 1;
        if self.asked > MOST_SOURCES {
            let text = format!("it is built on more than {MOST_SOURCES} value sets and code systems");
            return Err(LookUpError::costly(text));
        }
        Ok(())
    }

    fn system(&mut self, name: &str) -> Result<Rc<CodeSystem>, LookUpError<S::Error>> {
        if let Some(known) = self.systems.get(name) {
            return Ok(Rc::clone(known));
        }
        self.count()?;
        let found = self.source.code_system(name).map_err(LookUpError::Source)?;
        let resource = found.ok_or_else(|| LookUpError::missing(format!("there is no code system {name} here")))?;
        let system = CodeSystem::read(&resource).map_err(|(code, text)| LookUpError::Said(code, text))?;
        let system = Rc::new(system);
        self.systems.insert(name.to_owned(), Rc::clone(&system));
        Ok(system)
    }

    /// What the definition says.
    fn defined(&mut self, name: &str, set: &Value<'_>) -> Codes<S> {
        let Some(compose) = set.get("compose") else {
            return Err(LookUpError::unsupported(format!(
                "the value set {name} has neither a definition nor an expansion"
            )));
        };
        let active_only = compose.get("inactive") == Some(&Value::Bool(false));
        let mut codes = BTreeSet::new();
        for include in compose.list("include") {
            codes.extend(self.part(include, active_only)?);
            if codes.len() > MOST_CONCEPTS {
                break;
            }
        }
        for exclude in compose.list("exclude") {
            for code in self.part(exclude, false)? {
                codes.remove(&code);
            }
        }
        Ok(codes)
    }

    /// What one `include` or `exclude` names: the codes of its system that are in all of its value sets.
    fn part(&mut self, part: &Value<'_>, active_only: bool) -> Codes<S> {
        let mut found: Option<BTreeSet<Code>> = None;
        if let Some(system) = part.text("system") {
            found = Some(self.of_part(system, part, active_only)?);
        }
        for imported in part.list("valueSet").iter().filter_map(Value::as_str) {
            let codes = self.value_set(imported)?;
            found = Some(match found {
                Some(before) => before.intersection(&codes).cloned().collect(),
                None => codes,
            });
        }
        Ok(found.unwrap_or_default())
    }

    /// The codes of a system: those listed, those that meet every filter, or all.
    fn of_part(&mut self, system: &str, part: &Value<'_>, active_only: bool) -> Codes<S> {
        let listed = part.list("concept");
        if !listed.is_empty() && !active_only {
            let codes = listed.iter().filter_map(|concept| concept.text("code")).map(str::to_owned).collect();
            return Ok(of_system(system, codes));
        }
        let known = match part.text("version") {
            Some(version) => self.system(&format!("{system}|{version}"))?,
            None => self.system(system)?,
        };
        let mut codes: BTreeSet<String> = if listed.is_empty() {
            known.all()
        } else {
            listed.iter().filter_map(|concept| concept.text("code")).map(str::to_owned).collect()
        };
        for filter in part.list("filter") {
            let wanted = filtered(&known, filter).map_err(|(code, text)| LookUpError::Said(code, text))?;
            codes.retain(|code| wanted.contains(code));
        }
        if active_only {
            codes.retain(|code| !known.is_inactive(code));
        }
        Ok(of_system(system, codes))
    }
}

fn of_binding(binding: &Binding) -> BTreeSet<Code> {
    let of = |system: &str, code: &str| Code { system: system.to_owned(), code: code.to_owned() };
    binding.systems.iter().flat_map(|(system, codes)| codes.iter().map(move |code| of(system, code))).collect()
}

fn of_system(system: &str, codes: BTreeSet<String>) -> BTreeSet<Code> {
    codes.into_iter().map(|code| Code { system: system.to_owned(), code }).collect()
}

/// The codes that meet a filter (R4 value set `filter-operator`).
fn filtered(system: &CodeSystem, filter: &Value<'_>) -> Result<BTreeSet<String>, super::code_system::Unusable> {
    let (property, operator) = (filter.text("property").unwrap_or_default(), filter.text("op").unwrap_or_default());
    let value = filter.text("value").unwrap_or_default();
    let listed = || value.split(',').map(|code| code.trim().to_owned()).collect::<BTreeSet<_>>();
    let without = |codes: &BTreeSet<String>| system.all().difference(codes).cloned().collect();
    match (property, operator) {
        ("concept" | "code", "is-a") => system.with_descendants(value),
        ("concept" | "code", "descendent-of") => {
            let mut codes = system.with_descendants(value)?;
            codes.remove(value);
            Ok(codes)
        }
        ("concept" | "code", "is-not-a") => Ok(without(&system.with_descendants(value)?)),
        ("concept" | "code", "generalizes") => system.with_ancestors(value),
        ("concept" | "code", "=") => Ok(BTreeSet::from([value.to_owned()])),
        ("concept" | "code", "in") => Ok(listed()),
        ("concept" | "code", "not-in") => Ok(without(&listed())),
        _ => {
            let text = format!("the filter `{property} {operator}` of a value set is not supported");
            Err((crate::issue::IssueCode::NotSupported, text))
        }
    }
}

/// The codes of the expansion, if all of it is there.
fn whole_expansion(set: &Value<'_>) -> Option<BTreeSet<Code>> {
    let expansion = set.get("expansion")?;
    let mut found = (BTreeSet::new(), 0);
    contained(expansion.list("contains"), &mut found);
    let (codes, count) = found;
    let total = expansion.get("total").and_then(Value::as_number).map(|total| total.parse::<usize>().ok());
    let whole = match total {
        Some(total) => total == Some(count),
        None => expansion.get("offset").is_none(),
    };
    let told_so = expansion.list("extension").iter().any(|extension| {
        extension.text("url") == Some("http://hl7.org/fhir/StructureDefinition/valueset-toocostly")
            || extension.text("url") == Some("http://hl7.org/fhir/StructureDefinition/valueset-unclosed")
    });
    (whole && !told_so && !codes.is_empty() && codes.len() <= MOST_CONCEPTS.max(MOST_CODES)).then_some(codes)
}

fn contained(items: &[Value<'_>], found: &mut (BTreeSet<Code>, usize)) {
    for item in items {
        found.1 += 1;
        let abstract_only = item.get("abstract") == Some(&Value::Bool(true));
        if let (Some(system), Some(code), false) = (item.text("system"), item.text("code"), abstract_only) {
            found.0.insert(Code { system: system.to_owned(), code: code.to_owned() });
        }
        contained(item.list("contains"), found);
    }
}
