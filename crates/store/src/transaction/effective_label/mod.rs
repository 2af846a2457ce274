//! Effective labels: those of a version, those beside it and those that it inherits, kept in its row and its index, so
//! that a decision reads nothing else. Whatever is written goes through `Transaction::inherit`, and all that depends on
//! it follows: current versions, and superseded ones by what they name themselves.
//!
//! | question | module |
//! |---|---|
//! | what does a version inherit from, and what inherits from it? | `links` |
//! | what does a resource show, that inherits from it? | `content` |
//! | how do labels come? | `grow` |
//! | how do they go? | `together` |
//! | what is left when that is more than a transaction may do? | `backlog` |
//!
//! Labels that come go as far as there is anything that has not got them. When labels or links go away, what depends on
//! the resource is worked out together, as resources that name one another would keep each other's labels for ever. What
//! is more than `label_steps` resources is left to the backlog: labels that come count as borne by all that they may reach
//! until it is done, and labels that go stay until then. Of so many, those that name one another in a ring keep what hid
//! them: too much is hidden then and never too little.

mod backlog;
mod content;
mod grow;
mod links;
#[cfg(test)]
mod tests;
mod together;

pub use backlog::{BacklogStep, MayLeave};

use std::collections::HashMap;

use concord_fhir::index::Entries;
use concord_fhir::label::{self, Source};
use diesel::sql_types::Text;

use crate::error::StoreError;
use crate::lower::Rows;
use crate::rows::{MARK, Version, joined};
use crate::statement::Sql;
use crate::transaction::Transaction;

/// How many resources one statement asks about.
const CHUNK: usize = 200;

/// What a written resource was before.
#[derive(Clone, Debug)]
pub(crate) struct Written {
    /// Its key.
    key: i64,
    /// Its type and logical id, where it was not there before.
    new: Option<(i16, String)>,
    /// The labels that it handed on.
    before: Vec<String>,
    /// Whether it may have lost a label, or what it inherited one from.
    loses: bool,
    /// Whether it names nothing to inherit from and hands nothing on, so that there is nothing to do for it.
    is_plain: bool,
    /// Whether it had and has no label to hand on: then only one that it inherits matters.
    is_bare: bool,
    /// What it names, if that is known without looking.
    sources: Option<Vec<Source>>,
    /// Whether it shows anything.
    shows: bool,
    /// What may not be there yet and hands labels on as soon as it is: what it shows, and definitions by their urls.
    named: Vec<(i16, String)>,
    /// As what others may have named it already.
    awaited: Vec<(i16, String)>,
    /// The key of the version that it superseded, with the labels that this had inherited.
    superseded: Option<(i64, Vec<String>)>,
}

/// All the labels of a row, without the lines between them.
fn lines_of(labels: &str) -> impl Iterator<Item = &str> {
    labels.split('\n').filter(|key| !key.is_empty() && *key != MARK)
}

/// The number of what is called by a canonical url, in place of a type.
const CALLED: i16 = -1;

fn called(url: String) -> (i16, String) {
    (CALLED, url)
}

/// What a version names to inherit from.
fn places(entries: &Entries) -> Vec<Place> {
    let sources = entries.sources.iter().map(|one| (one.resource_type.number(), one.id.clone(), one.version));
    sources.chain(entries.canonicals.iter().map(|url| (CALLED, url.clone(), 0))).collect()
}

/// What it names that may not be there yet.
fn named(entries: &Entries) -> Vec<(i16, String)> {
    let contents = entries.contents.iter().map(|one| (one.resource_type.number(), one.id.clone()));
    contents.chain(entries.canonicals.iter().cloned().map(called)).collect()
}

fn shows(entries: &Entries) -> bool {
    !entries.contents.is_empty()
}

/// The labels of a version that are handed on.
fn handed(version: &Version) -> Vec<String> {
    label::union(lines_of(&version.labels))
}

/// The labels of its own and beside it that are handed on.
fn given(version: &Version) -> Vec<String> {
    label::union(version.own_labels().split('\n').chain(version.added_labels()))
}

/// Whether one of the labels is none of the others.
fn has_more(labels: &[String], others: &[String]) -> bool {
    labels.iter().any(|label| !others.contains(label))
}

/// A stored version, with the table that it is in.
#[derive(Clone, Debug)]
struct Stored {
    rows: Rows,
    version: Version,
}

impl Stored {
    /// What names exactly this version, and what it is a version of: its type, id and version, 0 for the current one.
    fn place(&self) -> Place {
        let version = if self.rows == Rows::Current { 0 } else { self.version.version };
        (self.version.resource_type.number(), self.version.id.clone(), version)
    }
}

/// A type by its number, a logical id, and a version: 0 for the current one.
type Place = (i16, String, i64);

impl Written {
    /// A resource that was not there, with what hands labels on to it and what it hands labels on to.
    pub(crate) fn new(version: &Version, entries: &Entries) -> Written {
        let content =
            label::is_content(version.resource_type).then(|| (version.resource_type.number(), version.id.clone()));
        let is_awaited = content.is_some() || entries.name.is_some();
        let is_bare = handed(version).is_empty();
        let is_plain = is_bare && !entries.inherits() && entries.contents.is_empty() && !is_awaited;
        // What shows it, or is called by a url, is not among what it names.
        let is_known = content.is_none() && entries.canonicals.is_empty();
        let sources = is_known.then(|| entries.sources.clone());
        let awaited = content.into_iter().chain(entries.name.clone().map(called)).collect();
        let again = Written::again(version.key, Vec::new(), None);
        let new = Some((version.resource_type.number(), version.id.clone()));
        Written { new, is_plain, is_bare, sources, awaited, named: named(entries), shows: shows(entries), ..again }
    }

    /// One of which nothing is known but its key, what it handed on before, and the version that it superseded.
    fn again(key: i64, before: Vec<String>, superseded: Option<(i64, Vec<String>)>) -> Written {
        let (loses, is_plain, is_bare, shows) = (false, false, before.is_empty(), false);
        let (new, sources, named, awaited) = (None, None, Vec::new(), Vec::new());
        Written { key, new, before, loses, is_plain, is_bare, sources, shows, named, awaited, superseded }
    }
}

impl Written {
    /// Whether it is new, has no labels itself, and names nothing but what is as new as itself and has none either: most
    /// Provenances are so. Nobody else can have named either yet.
    fn names_plain(&self, all: &[Written]) -> bool {
        let is_plain = |source: &Source| {
            let is_it = |new: &(i16, String)| new.0 == source.resource_type.number() && new.1 == source.id;
            all.iter().any(|one| one.is_plain && one.new.as_ref().is_some_and(is_it))
        };
        let says_no_more = !self.shows && self.named.is_empty() && self.awaited.is_empty();
        self.new.is_some()
            && self.is_bare
            && says_no_more
            && self.sources.as_deref().is_some_and(|all| all.iter().all(is_plain))
    }
}

impl Transaction<'_> {
    /// Says what a version inherits from that takes the place of another one; none for a deletion, which keeps it. The
    /// other one, if it is superseded, goes on to inherit from what it names, under the key that it has from now on.
    pub(crate) fn written(
        &mut self,
        old: &Version,
        new: &Version,
        entries: Option<&Entries>,
        superseded: Option<i64>,
    ) -> Result<Written, StoreError> {
        let before = handed(old);
        let mut loses = false;
        if !before.is_empty() {
            loses = has_more(&given(old), &given(new));
            if let Some(entries) = entries {
                let (before, now) = (self.named_by(old.key)?, places(entries));
                loses = loses || before.iter().any(|one| !now.contains(one));
            }
        }
        let moved = self.supersede_sources(old.key, superseded, entries)?;
        let names = entries.is_none_or(Entries::inherits);
        let inherited: Vec<String> = old.inherited_labels().map(str::to_owned).collect();
        let superseded = superseded.filter(|_| moved).map(|key| (key, inherited));
        let is_bare = before.is_empty() && handed(new).is_empty();
        let mut again = Written { loses, is_bare, ..Written::again(old.key, before, superseded) };
        if let Some(entries) = entries {
            self.put_contents(&[(old.key, entries)])?;
            again.shows = shows(entries);
            again.named = named(entries);
            if self.put_names(&[(old.key, entries)])? {
                again.awaited.extend(entries.name.clone().map(called));
            }
        }
        again.is_plain = is_bare && !names && again.superseded.is_none() && !again.shows && again.awaited.is_empty();
        Ok(again)
    }

    /// Says anew what a superseded version inherits from.
    pub(crate) fn written_again(&mut self, version: &Version, entries: &Entries) -> Result<Written, StoreError> {
        self.run(Sql::new("DELETE FROM label_source WHERE resource = ").bind(version.key))?;
        self.put_sources(&[(version.key, entries)])?;
        let had: Vec<String> = version.inherited_labels().map(str::to_owned).collect();
        let is_plain = !entries.inherits() && had.is_empty();
        let superseded = Some((version.key, had));
        Ok(Written { is_plain, ..Written::again(version.key, Vec::new(), superseded) })
    }

    /// Makes the effective labels of what was written right, and of all that depends on it.
    pub(crate) fn inherit(&mut self, written: &[Written]) -> Result<(), StoreError> {
        let written: Vec<&Written> = written.iter().filter(|one| !one.is_plain && !one.names_plain(written)).collect();
        if written.is_empty() {
            return Ok(());
        }
        let left_behind = written.iter().filter_map(|one| one.superseded.as_ref().map(|(key, _)| *key));
        let keys: Vec<i64> = written.iter().map(|one| one.key).chain(left_behind).collect();
        let known: Option<Vec<&[Source]>> = written.iter().map(|one| one.sources.as_deref()).collect();
        self.await_naming(&written)?;
        self.await_writers(&keys, known.map(|all| all.concat()))?;
        let inherited = self.inherited_by(&keys)?;
        let mut changed = self.relabel_superseded(&written, &inherited)?;
        let losing: Vec<i64> = written.iter().filter(|one| one.loses).map(|one| one.key).collect();
        let is_done = !losing.is_empty() && self.work_out_together(&losing)?;
        let rest: Vec<&Written> = written.iter().filter(|one| !(is_done && one.loses)).copied().collect();
        changed.extend(self.relabel_written(&rest, &inherited)?);
        self.grow(changed)?;
        self.protect_contents(&written)
    }

    /// What has just been stored, with the labels that it has inherited by that.
    ///
    /// # Errors
    /// When the database fails.
    pub fn with_inherited(&mut self, version: Version, entries: &Entries) -> Result<Version, StoreError> {
        let inherits = entries.inherits() || label::is_content(version.resource_type);
        if !inherits || self.is_buffering() || !self.relabelled {
            return Ok(version);
        }
        let sql = Sql::new("SELECT labels FROM resource WHERE rid = ").bind(version.key);
        let labels = self.rows::<(Text,), (String,)>(sql)?.pop();
        Ok(match labels {
            Some((labels,)) => Version { labels, ..version },
            None => version,
        })
    }

    /// A version that was superseded has what it inherited then; another writer may have changed that meanwhile.
    fn relabel_superseded(
        &mut self,
        written: &[&Written],
        inherited: &HashMap<i64, Vec<String>>,
    ) -> Result<Vec<Stored>, StoreError> {
        let nothing = Vec::new();
        let others: Vec<i64> = written
            .iter()
            .filter_map(|one| one.superseded.as_ref())
            .filter(|(key, had)| inherited.get(key).unwrap_or(&nothing) != had)
            .map(|(key, _)| *key)
            .collect();
        let mut changed = Vec::new();
        for stored in self.stored(&others)? {
            let labels = inherited.get(&stored.version.key).cloned().unwrap_or_default();
            let before = handed(&stored.version);
            let stored = self.set_inherited(stored, &labels)?;
            if has_more(&handed(&stored.version), &before) {
                changed.push(stored);
            }
        }
        Ok(changed)
    }

    /// Gives what was written the labels of what it inherits from: those that have got a label to hand on. What has lost
    /// one and could not be worked out together with all that depends on it is left to the backlog.
    fn relabel_written(
        &mut self,
        written: &[&Written],
        inherited: &HashMap<i64, Vec<String>>,
    ) -> Result<Vec<Stored>, StoreError> {
        let before: HashMap<i64, &Written> = written.iter().map(|one| (one.key, *one)).collect();
        // Most of what is written inherits nothing, and nothing has to be read for it.
        let keys: Vec<i64> = written
            .iter()
            .filter(|one| !one.is_bare || inherited.get(&one.key).is_some_and(|labels| !labels.is_empty()))
            .map(|one| one.key)
            .collect();
        let (mut changed, mut losing) = (Vec::new(), Vec::new());
        for version in self.current(&keys)? {
            let Some(was) = before.get(&version.key) else { continue };
            let labels = inherited.get(&version.key).cloned().unwrap_or_default();
            let stored = self.set_inherited(Stored { rows: Rows::Current, version }, &labels)?;
            let now = handed(&stored.version);
            if has_more(&was.before, &now) {
                losing.push(stored.clone());
            }
            // To what has named it by a name that it has got, all its labels are new.
            if has_more(&now, &was.before) || (!was.awaited.is_empty() && !now.is_empty()) {
                changed.push(stored);
            }
        }
        self.leave_going(&losing)?;
        Ok(changed)
    }

    /// Makes these the labels that a version inherits, in its row and its index.
    fn set_inherited(&mut self, stored: Stored, inherited: &[String]) -> Result<Stored, StoreError> {
        let Stored { rows, version } = stored;
        let added: Vec<String> = version.added_labels().map(str::to_owned).collect();
        let labels = joined(version.own_labels(), &added, inherited);
        let relabelled = Version { labels, ..version.clone() };
        self.set_labels(rows, &relabelled, &version.labels)?;
        self.relabelled = true;
        Ok(Stored { rows, version: relabelled })
    }
}
