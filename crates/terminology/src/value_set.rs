//! What a ValueSet says of what is in it: its parts, or an expansion that holds all of it (R4 "ValueSet").

use std::collections::HashSet;
use std::sync::{Arc, OnceLock};

use concord_fhir::json::Value;
use concord_fhir::terminology::Code;

use crate::MOST_CONCEPTS;
use crate::designation::{Designation, designations};
use crate::filter::Filter;
use crate::item::Item;

/// A value set as it is defined.
#[derive(Clone, Debug, Default)]
pub struct ValueSet {
    /// Its canonical url.
    pub url: Option<String>,
    /// Its version.
    pub version: Option<String>,
    /// Its name for programs.
    pub name: Option<String>,
    /// Its name for people.
    pub title: Option<String>,
    /// The language in which it calls codes what it calls them, if it says so.
    pub language: Option<Arc<str>>,
    /// Its status.
    pub status: Option<String>,
    /// What is in it.
    pub include: Vec<Part>,
    /// What of that is not.
    pub exclude: Vec<Part>,
    /// Whether codes that are not in use any more are left out.
    pub active_only: bool,
    /// Whether it says what is in it, by a definition.
    pub is_defined: bool,
    /// All that is in it, where it holds that.
    pub whole: Option<Vec<Item>>,
}

/// Some codes: those of a system that are listed, or that meet every filter, or all; as far as they are in all of the
/// value sets.
#[derive(Clone, Debug, Default)]
pub struct Part {
    /// The url of the code system.
    pub system: Option<String>,
    /// The version of the code system.
    pub version: Option<String>,
    /// The language in which these are called what they are called, if that is said.
    pub language: Option<Arc<str>>,
    /// The codes, where they are listed.
    pub listed: Vec<Listed>,
    /// What the codes have to meet.
    pub filters: Vec<Filter>,
    /// The value sets that they have to be in.
    pub imports: Vec<String>,
    /// Whether it lists codes that may not be written down here.
    pub is_left_out: bool,
    pub(crate) codes: OnceLock<HashSet<String>>,
}

/// A code that is listed.
#[derive(Clone, Debug, Default)]
pub struct Listed {
    /// The code.
    pub code: String,
    /// What it is called here.
    pub display: Option<String>,
    /// What it is called besides.
    pub designations: Vec<Designation>,
}

impl Part {
    /// Whether its codes have been looked through already.
    pub(crate) fn is_listed(&self) -> bool {
        self.codes.get().is_some()
    }

    /// Whether it lists the code.
    pub(crate) fn lists(&self, code: &str) -> bool {
        self.codes.get_or_init(|| self.listed.iter().map(|one| one.code.clone()).collect()).contains(code)
    }
}

impl ValueSet {
    /// Reads the resource.
    #[must_use]
    pub fn read(resource: &Value<'_>) -> ValueSet {
        let text = |name: &str| resource.text(name).map(str::to_owned);
        let mut set = ValueSet { url: text("url"), version: text("version"), ..ValueSet::default() };
        (set.name, set.title, set.status) = (text("name"), text("title"), text("status"));
        set.language = resource.text("language").map(Into::into);
        let part = |value: &Value<'_>| Part { language: set.language.clone(), ..part(value) };
        if let Some(compose) = resource.get("compose") {
            set.is_defined = true;
            set.active_only = compose.get("inactive") == Some(&Value::Bool(false));
            set.include = compose.list("include").iter().map(&part).collect();
            set.exclude = compose.list("exclude").iter().map(&part).collect();
        }
        set.whole = whole_expansion(resource);
        set
    }

    /// What a code is called in it, where it lists the code with names: what it calls it, and what it is called besides.
    #[must_use]
    pub fn names(&self, code: &Code) -> (Option<&str>, Vec<Designation>) {
        if let Some(whole) = &self.whole {
            let own = whole.iter().find(|item| item.code == code.code && *item.system == *code.system);
            return own.map_or((None, Vec::new()), |own| (own.display.as_deref(), own.designations.clone()));
        }
        let of_system = self.include.iter().filter(|part| part.system.as_deref() == Some(code.system.as_str()));
        let mut listed = of_system.flat_map(|part| &part.listed).filter(|one| one.code == code.code);
        listed.next().map_or((None, Vec::new()), |one| (one.display.as_deref(), one.designations.clone()))
    }

    /// What it is called in a message.
    pub(crate) fn shown(&self) -> &str {
        self.url.as_deref().unwrap_or("that was given")
    }
}

fn part(value: &Value<'_>) -> Part {
    let listed = value.list("concept").iter().filter_map(|one| {
        let display = one.text("display").map(str::to_owned);
        Some(Listed { code: one.text("code")?.to_owned(), display, designations: designations(one) })
    });
    Part {
        system: value.text("system").map(str::to_owned),
        version: value.text("version").map(str::to_owned),
        language: None,
        listed: listed.collect(),
        filters: value.list("filter").iter().map(Filter::read).collect(),
        imports: value.list("valueSet").iter().filter_map(Value::as_str).map(str::to_owned).collect(),
        is_left_out: false,
        codes: OnceLock::new(),
    }
}

/// The codes of the expansion, if all of it is there.
pub(crate) fn whole_expansion(set: &Value<'_>) -> Option<Vec<Item>> {
    let expansion = set.get("expansion")?;
    let mut found = (Vec::new(), 0);
    contained(expansion.list("contains"), &mut found);
    let (mut items, count) = found;
    let language: Option<Arc<str>> = set.text("language").map(Into::into);
    items.iter_mut().for_each(|item| item.language.clone_from(&language));
    let total = expansion.get("total").and_then(Value::as_number).map(|total| total.parse::<usize>().ok());
    let whole = match total {
        Some(total) => total == Some(count),
        None => expansion.get("offset").is_none(),
    };
    let told_so = expansion.list("extension").iter().any(|extension| {
        extension.text("url") == Some("http://hl7.org/fhir/StructureDefinition/valueset-toocostly")
            || extension.text("url") == Some("http://hl7.org/fhir/StructureDefinition/valueset-unclosed")
    });
    (whole && !told_so && !items.is_empty() && items.len() <= MOST_CONCEPTS).then_some(items)
}

/// Adds what an expansion holds, without what only groups others, and counts all of it.
pub(crate) fn contained(values: &[Value<'_>], found: &mut (Vec<Item>, usize)) {
    for value in values {
        found.1 += 1;
        let abstract_only = value.get("abstract") == Some(&Value::Bool(true));
        if let (Some(system), Some(code), false) = (value.text("system"), value.text("code"), abstract_only) {
            let mut item = Item::of(&system.into(), code.to_owned());
            item.version = value.text("version").map(Into::into);
            item.display = value.text("display").map(str::to_owned);
            item.designations = designations(value);
            item.is_inactive = value.get("inactive") == Some(&Value::Bool(true));
            found.0.push(item);
        }
        contained(value.list("contains"), found);
    }
}
