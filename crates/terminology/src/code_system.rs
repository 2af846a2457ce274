//! The codes of a CodeSystem, what they are called, and how they lie below one another: by nesting, or by the properties
//! `parent` and `child` (R4 "CodeSystem", hierarchy).

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use concord_fhir::issue::IssueCode;
use concord_fhir::json::Value;

use crate::MOST_CONCEPTS;
use crate::designation::{Designation, designations};

/// Why a resource cannot be used.
pub type Unusable = (IssueCode, String);

/// A code system.
#[derive(Clone, Debug, Default)]
pub struct CodeSystem {
    /// Its canonical url.
    pub url: String,
    /// Its version.
    pub version: Option<String>,
    /// Its name for programs.
    pub name: Option<String>,
    /// The language in which its codes are called what they are called, if it says so.
    pub language: Option<Arc<str>>,
    /// Whether `a` and `A` may be two codes; they are, unless it says that they are not.
    pub is_case_sensitive: bool,
    /// What it says of itself where it does not hold all its codes: `example`, `fragment`.
    pub partial: Option<String>,
    /// Why nothing can be said of what lies below what.
    flat: Option<String>,
    concepts: Vec<Concept>,
    by_code: HashMap<String, usize>,
    /// The same in small letters, where `a` and `A` are one code.
    by_small_letters: HashMap<String, usize>,
}

/// A code and what is said of it.
#[derive(Clone, Debug, Default)]
pub struct Concept {
    /// The code.
    pub code: String,
    /// What it is called.
    pub display: Option<String>,
    /// What it means.
    pub definition: Option<String>,
    /// What it is called besides.
    pub designations: Vec<Designation>,
    /// What else is said of it.
    pub properties: Vec<Property>,
    /// Whether it is not in use any more.
    pub is_inactive: bool,
    /// Whether it only groups others.
    pub is_abstract: bool,
    pub(crate) parents: BTreeSet<usize>,
    pub(crate) children: BTreeSet<usize>,
}

/// A property of a concept.
#[derive(Clone, Debug)]
pub struct Property {
    /// Which.
    pub code: String,
    /// The member that holds the value: `valueCode`, `valueString` and so on.
    pub member: String,
    /// The value.
    pub value: Value<'static>,
}

impl Property {
    /// The value as text.
    #[must_use]
    pub fn text(&self) -> Option<&str> {
        match &self.value {
            Value::Bool(true) => Some("true"),
            Value::Bool(false) => Some("false"),
            Value::Object(_) => self.value.text("code"),
            other => other.as_str().or_else(|| other.as_number()),
        }
    }
}

impl CodeSystem {
    /// An empty one, to be filled.
    pub(crate) fn new(url: &str, version: Option<&str>) -> CodeSystem {
        let version = version.filter(|version| !version.is_empty()).map(str::to_owned);
        CodeSystem { url: url.to_owned(), version, is_case_sensitive: true, ..CodeSystem::default() }
    }

    /// Reads the resource.
    ///
    /// # Errors
    /// When it holds no codes of its own, or more than can be read.
    pub fn read(resource: &Value<'_>) -> Result<CodeSystem, Unusable> {
        let url = resource.text("url").unwrap_or_default();
        let mut system = CodeSystem::new(url, resource.text("version"));
        match resource.text("content") {
            Some("complete") => {}
            Some(content @ ("example" | "fragment")) => system.partial = Some(content.to_owned()),
            other => {
                let content = other.unwrap_or_default();
                let text = format!("the code system {url} as stored is `{content}` and not `complete`");
                return Err((IssueCode::NotSupported, text));
            }
        }
        system.name = resource.text("name").map(str::to_owned);
        system.language = resource.text("language").map(Into::into);
        system.is_case_sensitive = resource.get("caseSensitive") != Some(&Value::Bool(false));
        if let Some(meaning) = resource.text("hierarchyMeaning").filter(|meaning| *meaning != "is-a") {
            system.flat = Some(format!("the hierarchy of {url} is one of `{meaning}` and not of `is-a`"));
        }
        let mut links = Vec::new();
        system.add_all(None, resource.list("concept"), &mut links)?;
        for (above, below) in links {
            system.link(&above, &below);
        }
        Ok(system)
    }

    /// Adds concepts; of properties that name others by code, only the names are gathered, since these may come later.
    fn add_all(
        &mut self,
        above: Option<usize>,
        concepts: &[Value<'_>],
        links: &mut Vec<(String, String)>,
    ) -> Result<(), Unusable> {
        for one in concepts {
            let Some(code) = one.text("code") else { continue };
            let mut concept = Concept { code: code.to_owned(), ..Concept::default() };
            concept.display = one.text("display").map(str::to_owned);
            concept.definition = one.text("definition").map(str::to_owned);
            concept.designations = designations(one);
            for property in one.list("property") {
                match (property.text("code"), property.get("valueBoolean"), property.text("valueCode")) {
                    (Some("parent"), _, Some(parent)) => links.push((parent.to_owned(), code.to_owned())),
                    (Some("child"), _, Some(child)) => links.push((code.to_owned(), child.to_owned())),
                    (Some("notSelectable" | "abstract"), Some(Value::Bool(true)), _) => concept.is_abstract = true,
                    (Some("inactive"), Some(Value::Bool(true)), _)
                    | (Some("status"), _, Some("inactive" | "retired")) => concept.is_inactive = true,
                    _ => {}
                }
                concept.properties.extend(read_property(property));
            }
            let place = self.add(concept)?;
            if let Some(above) = above {
                self.link_places(above, place);
            }
            self.add_all(Some(place), one.list("concept"), links)?;
        }
        Ok(())
    }

    /// Adds a concept and says where it is; one of a code that is there already is that one.
    pub(crate) fn add(&mut self, concept: Concept) -> Result<usize, Unusable> {
        if self.concepts.len() >= MOST_CONCEPTS {
            let text = format!("the code system {} has more than {MOST_CONCEPTS} concepts", self.url);
            return Err((IssueCode::TooCostly, text));
        }
        if let Some(known) = self.by_code.get(&concept.code) {
            return Ok(*known);
        }
        let place = self.concepts.len();
        self.by_code.insert(concept.code.clone(), place);
        if !self.is_case_sensitive {
            self.by_small_letters.entry(concept.code.to_ascii_lowercase()).or_insert(place);
        }
        self.concepts.push(concept);
        Ok(place)
    }

    /// Says that one code lies right below another, if both are there.
    pub(crate) fn link(&mut self, above: &str, below: &str) {
        if let (Some(above), Some(below)) = (self.by_code.get(above), self.by_code.get(below)) {
            self.link_places(*above, *below);
        }
    }

    pub(crate) fn link_places(&mut self, above: usize, below: usize) {
        if let Some(concept) = self.concepts.get_mut(above) {
            concept.children.insert(below);
        }
        if let Some(concept) = self.concepts.get_mut(below) {
            concept.parents.insert(above);
        }
    }

    /// Every concept, in the order in which they are written.
    #[must_use]
    pub fn concepts(&self) -> &[Concept] {
        &self.concepts
    }

    /// The concept with that code.
    #[must_use]
    pub fn concept(&self, code: &str) -> Option<&Concept> {
        self.place(code).and_then(|place| self.concepts.get(place))
    }

    /// Where the concept with that code is.
    pub(crate) fn place(&self, code: &str) -> Option<usize> {
        self.by_code.get(code).copied().or_else(|| {
            let known = &self.by_small_letters;
            if known.is_empty() { None } else { known.get(&code.to_ascii_lowercase()).copied() }
        })
    }

    /// The concepts right above one.
    pub fn parents<'s>(&'s self, concept: &'s Concept) -> impl Iterator<Item = &'s Concept> {
        concept.parents.iter().filter_map(|place| self.concepts.get(*place))
    }

    /// The concepts right below one.
    pub fn children<'s>(&'s self, concept: &'s Concept) -> impl Iterator<Item = &'s Concept> {
        concept.children.iter().filter_map(|place| self.concepts.get(*place))
    }

    /// Where a code and every code below it are.
    pub(crate) fn with_descendants(&self, code: &str) -> Result<HashSet<usize>, Unusable> {
        self.reach(code, |concept| &concept.children)
    }

    /// Where a code and every code above it are.
    pub(crate) fn with_ancestors(&self, code: &str) -> Result<HashSet<usize>, Unusable> {
        self.reach(code, |concept| &concept.parents)
    }

    /// Whether nothing is said of what lies below what.
    pub(crate) fn is_hierarchical(&self) -> Result<(), Unusable> {
        match &self.flat {
            Some(why) => Err((IssueCode::NotSupported, why.clone())),
            None => Ok(()),
        }
    }

    /// All that can be reached; a circle is gone round once.
    fn reach(&self, code: &str, links: impl Fn(&Concept) -> &BTreeSet<usize>) -> Result<HashSet<usize>, Unusable> {
        self.is_hierarchical()?;
        let mut next: Vec<usize> = self.place(code).into_iter().collect();
        let mut found: HashSet<usize> = next.iter().copied().collect();
        while let Some(one) = next.pop() {
            for linked in self.concepts.get(one).into_iter().flat_map(&links) {
                if found.insert(*linked) {
                    next.push(*linked);
                }
            }
        }
        Ok(found)
    }
}

fn read_property(property: &Value<'_>) -> Option<Property> {
    let (member, value) = property.as_object()?.0.iter().find(|(name, _)| name.starts_with("value"))?;
    Some(Property {
        code: property.text("code")?.to_owned(),
        member: member.clone().into_owned(),
        value: value.clone().into_owned(),
    })
}
