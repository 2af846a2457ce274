//! The definitions that are known, by canonical url and version.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use concord_fhir::issue::{Issue, IssueCode};
use concord_fhir::json::{Limits, Value, parse};
use concord_fhir::version::version_order;

use crate::compile::{MOST_BASES, compile};
use crate::definition::{Definition, R4};
use crate::node::Profile;

/// How many definitions may be known.
pub const MOST_DEFINITIONS: usize = 5_000;

/// Definitions by canonical url, the versions of each side by side.
#[derive(Debug, Default)]
pub struct Library {
    by_url: BTreeMap<String, Vec<Known>>,
    count: usize,
    below: Option<&'static Library>,
}

/// A definition, and what was made of it when it was first asked for.
#[derive(Debug)]
struct Known {
    definition: Arc<Definition>,
    compiled: OnceLock<Result<Arc<Profile>, Issue>>,
}

/// What ships with Concord: the profiles and extensions of R4, UK Core and the International Patient Summary, a
/// StructureDefinition a line in the form of [`crate::definition::stripped`].
const SHIPPED: [&str; 3] =
    [include_str!("shipped/r4.txt"), include_str!("shipped/ukcore.txt"), include_str!("shipped/ips.txt")];

impl Library {
    /// What ships with Concord, read on first use.
    #[must_use]
    pub fn shipped() -> &'static Library {
        static LIBRARY: OnceLock<Library> = OnceLock::new();
        LIBRARY.get_or_init(|| {
            let mut library = Library::default();
            for line in SHIPPED.iter().flat_map(|text| text.lines()).filter(|line| !line.starts_with('#')) {
                if let Ok(value) = parse(line.as_bytes(), &Limits::default())
                    && let Ok(definition) = Definition::read(&value)
                {
                    library.put(definition);
                }
            }
            library
        })
    }

    /// An empty one over what ships: what is added comes first, also under the same url and version.
    #[must_use]
    pub fn over_shipped() -> Library {
        Library { below: Some(Library::shipped()), ..Library::default() }
    }

    /// Adds a definition, in place of one of the same url and version.
    ///
    /// # Errors
    /// When there are too many.
    pub fn add(&mut self, definition: Definition) -> Result<(), Issue> {
        if self.count >= MOST_DEFINITIONS {
            let said = format!("more than {MOST_DEFINITIONS} definitions cannot be used");
            return Err(Issue::plain(IssueCode::TooCostly, said));
        }
        self.put(definition);
        Ok(())
    }

    fn put(&mut self, definition: Definition) {
        let versions = self.by_url.entry(definition.url.clone()).or_default();
        let before = versions.len();
        versions.retain(|known| known.definition.version != definition.version);
        versions.push(Known { definition: Arc::new(definition), compiled: OnceLock::new() });
        versions.sort_by_cached_key(|known| version_order(&known.definition.version));
        self.count = self.count + versions.len() - before;
    }

    /// Whether it has one of that url and version by itself; one without a version would stand for every version.
    #[must_use]
    pub fn ships(&self, url: &str, version: &str) -> bool {
        let is_one = |known: &Known| version.is_empty() || known.definition.version == version;
        self.by_url.get(url).is_some_and(|versions| versions.iter().any(is_one))
    }

    /// The definition of a canonical: of that version, or the newest if it names none.
    #[must_use]
    pub fn find(&self, canonical: &str) -> Option<&Definition> {
        self.known(canonical).map(|(_, known)| known.definition.as_ref())
    }

    fn known(&self, canonical: &str) -> Option<(&Library, &Known)> {
        let (url, version) = split(canonical);
        let versions = self.by_url.get(url).map_or(&[][..], Vec::as_slice);
        let found = match version {
            // `4.0` means any that begins so.
            Some(version) => versions.iter().rev().find(|known| is_version(&known.definition.version, version)),
            None => versions.last(),
        };
        found.map(|known| (self, known)).or_else(|| self.below.and_then(|below| below.known(canonical)))
    }

    /// Whether another version of it is known.
    #[must_use]
    pub fn other_versions(&self, canonical: &str) -> Vec<&str> {
        let (url, _) = split(canonical);
        let own = self.by_url.get(url).map_or(&[][..], Vec::as_slice);
        let mut versions: Vec<&str> = own.iter().map(|known| known.definition.version.as_str()).collect();
        versions.extend(self.below.map(|below| below.other_versions(url)).unwrap_or_default());
        versions
    }

    /// The compiled form of a canonical's definition; nothing if none is known.
    ///
    /// # Errors
    /// Why the definition cannot be used.
    pub fn profile(&self, canonical: &str) -> Option<Result<&Arc<Profile>, &Issue>> {
        let (owner, known) = self.known(canonical)?;
        // What ships is compiled with what ships, whatever has been added beside it.
        Some(
            known
                .compiled
                .get_or_init(|| compile(&|canonical| owner.find(canonical), &known.definition).map(Arc::new))
                .as_ref(),
        )
    }

    /// Whether a canonical means that definition, or one that starts from it.
    #[must_use]
    pub(crate) fn starts_from(&self, canonical: &str, url: &str) -> bool {
        let mut next = Some(canonical);
        for _ in 0..=MOST_BASES {
            let Some(one) = next else { return false };
            if split(one).0 == url {
                return true;
            }
            next = self.find(one).map(|definition| definition.base.as_str());
        }
        false
    }

    /// Compiles a definition that is not added yet, to tell what is wrong with it.
    ///
    /// # Errors
    /// Why it cannot be used.
    pub fn check(&self, definition: &Definition) -> Result<(), Issue> {
        compile(&|canonical| self.find(canonical), definition).map(|_| ())
    }

    /// How many definitions are known, without those below.
    #[must_use]
    pub fn len(&self) -> usize {
        self.count
    }

    /// Whether none has been added.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Every definition, those that ship first.
    pub fn definitions(&self) -> impl Iterator<Item = &Definition> {
        let below = self.below.into_iter().flat_map(|below| below.by_url.values());
        below.chain(self.by_url.values()).flatten().map(|known| known.definition.as_ref())
    }
}

/// A canonical's url and version; a fragment names a part that is not asked for.
pub(crate) fn split(canonical: &str) -> (&str, Option<&str>) {
    let canonical = canonical.split('#').next().unwrap_or(canonical);
    canonical.split_once('|').map_or((canonical, None), |(url, version)| (url, Some(version)))
}

fn is_version(known: &str, asked: &str) -> bool {
    known == asked || known.strip_prefix(asked).is_some_and(|rest| rest.starts_with('.'))
}

/// What a canonical url of R4's own definitions names: a resource type or data type.
pub(crate) fn base_type(canonical: &str) -> Option<&str> {
    let (url, _) = split(canonical);
    url.strip_prefix(R4).filter(|name| {
        crate::compile::shape_of_type(name).is_some() || *name == "Resource" || *name == "DomainResource"
    })
}

/// Reads a StructureDefinition from text, as a line of what ships.
///
/// # Errors
/// What is wrong with it.
pub fn read_line(line: &str) -> Result<Definition, Issue> {
    let value: Value<'_> = parse(line.as_bytes(), &Limits::default())
        .map_err(|_| Issue::plain(IssueCode::Structure, "a line is a StructureDefinition as JSON"))?;
    Definition::read(&value)
}
