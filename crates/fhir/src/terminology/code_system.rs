//! The codes of a CodeSystem and how they lie below one another: by nesting, or by the properties `parent` and `child`
//! (R4 "CodeSystem", hierarchy).

use std::collections::{BTreeMap, BTreeSet};

use super::MOST_CONCEPTS;
use crate::issue::IssueCode;
use crate::json::Value;

/// A code system, all of which is known.
#[derive(Clone, Debug, Default)]
pub struct CodeSystem {
    /// Every code, with the codes right above it.
    parents: BTreeMap<String, BTreeSet<String>>,
    /// The codes right below a code.
    children: BTreeMap<String, BTreeSet<String>>,
    /// Those that are not in use any more.
    inactive: BTreeSet<String>,
    /// Why nothing can be said of what lies below what.
    flat: Option<String>,
}

/// Why a CodeSystem cannot be used.
pub(super) type Unusable = (IssueCode, String);

impl CodeSystem {
    /// Reads the resource.
    ///
    /// # Errors
    /// When it does not hold all its codes, or more than can be read.
    pub(super) fn read(resource: &Value<'_>) -> Result<CodeSystem, Unusable> {
        let url = resource.text("url").unwrap_or_default();
        match resource.text("content") {
            Some("complete") => {}
            other => {
                let content = other.unwrap_or_default();
                let text = format!("the code system {url} as stored is `{content}` and not `complete`");
                return Err((IssueCode::NotSupported, text));
            }
        }
        let mut system = CodeSystem::default();
        if let Some(meaning) = resource.text("hierarchyMeaning").filter(|meaning| *meaning != "is-a") {
            system.flat = Some(format!("the hierarchy of {url} is one of `{meaning}` and not of `is-a`"));
        }
        system.add(url, None, resource.list("concept"))?;
        Ok(system)
    }

    fn add(&mut self, url: &str, above: Option<&str>, concepts: &[Value<'_>]) -> Result<(), Unusable> {
        for concept in concepts {
            let Some(code) = concept.text("code") else { continue };
            if self.parents.len() >= MOST_CONCEPTS {
                let text = format!("the code system {url} has more than {MOST_CONCEPTS} concepts");
                return Err((IssueCode::TooCostly, text));
            }
            self.parents.entry(code.to_owned()).or_default();
            if let Some(above) = above {
                self.link(above, code);
            }
            for property in concept.list("property") {
                match (property.text("code"), property.get("valueBoolean"), property.text("valueCode")) {
                    (Some("parent"), _, Some(parent)) => self.link(parent, code),
                    (Some("child"), _, Some(child)) => self.link(code, child),
                    (Some("inactive"), Some(Value::Bool(true)), _)
                    | (Some("status"), _, Some("inactive" | "retired")) => {
                        self.inactive.insert(code.to_owned());
                    }
                    _ => {}
                }
            }
            self.add(url, Some(code), concept.list("concept"))?;
        }
        Ok(())
    }

    fn link(&mut self, above: &str, below: &str) {
        self.parents.entry(below.to_owned()).or_default().insert(above.to_owned());
        self.children.entry(above.to_owned()).or_default().insert(below.to_owned());
    }

    /// Whether it has the code.
    #[must_use]
    pub fn has(&self, code: &str) -> bool {
        self.parents.contains_key(code)
    }

    /// Whether the code is not in use any more.
    pub(super) fn is_inactive(&self, code: &str) -> bool {
        self.inactive.contains(code)
    }

    /// Every code.
    pub(super) fn all(&self) -> BTreeSet<String> {
        self.parents.keys().cloned().collect()
    }

    /// The code and every code below it.
    ///
    /// # Errors
    /// When there is no telling what lies below.
    pub(super) fn with_descendants(&self, code: &str) -> Result<BTreeSet<String>, Unusable> {
        self.reach(code, &self.children)
    }

    /// The code and every code above it.
    ///
    /// # Errors
    /// When there is no telling what lies above.
    pub(super) fn with_ancestors(&self, code: &str) -> Result<BTreeSet<String>, Unusable> {
        self.reach(code, &self.parents)
    }

    /// All that can be reached; a circle is gone round once.
    fn reach(&self, code: &str, links: &BTreeMap<String, BTreeSet<String>>) -> Result<BTreeSet<String>, Unusable> {
        if let Some(why) = &self.flat {
            return Err((IssueCode::NotSupported, why.clone()));
        }
        let mut found = BTreeSet::from([code.to_owned()]);
        let mut next = vec![code.to_owned()];
        while let Some(one) = next.pop() {
            for linked in links.get(&one).into_iter().flatten() {
                if found.insert(linked.clone()) {
                    next.push(linked.clone());
                }
            }
        }
        Ok(found)
    }
}
