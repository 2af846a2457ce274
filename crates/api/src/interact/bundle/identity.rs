//! Which resource each entry of a transaction is for. No two may be for the same one (R4 "RESTful API", transaction: if any
//! resource identities overlap, those of conditions among them, the transaction fails).

use std::collections::{HashMap, HashSet};

use concord_consent::request::Action;
use concord_fhir::registry::ResourceType;
use concord_fhir::search::Query;
use concord_store::rows::Version;

use crate::error::ApiError;
use crate::interact::audit::interaction::undone;
use crate::interact::bundle::entry::Entry;
use crate::interact::bundle::links::{Name, Used};
use crate::interact::bundle::{Failed, TransactionBundle, same};
use crate::interact::command::{Command, Target};
use crate::interact::search::conditional;
use crate::interact::{access, logical_id, write};

/// What the entries that change or take away are for, before anything is done.
pub(super) struct Identities {
    /// Each resource that one of them is for.
    taken: HashSet<(ResourceType, String)>,
    /// What their conditions match, by place.
    matched: HashMap<usize, Option<String>>,
}

/// What conditions lead to: the id and the version.
type Created = HashMap<(ResourceType, Vec<(String, String)>), (String, i64)>;

/// The ids of what the entries create or replace.
pub(super) struct Named {
    /// By the place of the entry.
    pub(super) ids: HashMap<usize, String>,
    /// By the `fullUrl` of the entry.
    pub(super) names: HashMap<String, Name>,
}

/// What an entry that writes has led to.
pub(super) struct Led {
    place: usize,
    full_url: Option<String>,
    /// Whether it is another resource than it was named as.
    elsewhere: bool,
    /// Whether it changed what it was not for: something that came to meet its condition.
    overlaps: bool,
    version: i64,
}

impl TransactionBundle<'_, '_> {
    /// Matches the conditions of what is changed or taken away, and refuses two entries for the same resource.
    pub(super) fn identities(&mut self, entries: &[&Entry]) -> Result<Identities, Failed> {
        let known = entries.iter().filter_map(|entry| entry.command.changed());
        let taken = known.map(|(resource_type, id)| (resource_type, id.to_owned())).collect();
        let mut identities = Identities { taken, matched: HashMap::new() };
        for entry in entries {
            let (action, resource_type, query) = match &entry.command {
                Command::Delete { resource_type, target: Target::Match(query), .. } => {
                    (Action::Delete, *resource_type, query)
                }
                Command::Update { resource_type, target: Target::Match(query), .. }
                | Command::Patch { resource_type, target: Target::Match(query), .. } => {
                    (Action::Update, *resource_type, query)
                }
                _ => continue,
            };
            let found = self.met(entry, (action, resource_type), query)?;
            let id = found.map(|found| found.id);
            if let Some(id) = &id {
                self.take(&mut identities, entry, resource_type, id)?;
            }
            identities.matched.insert(entry.place, id);
        }
        Ok(identities)
    }

    /// What the condition of an entry meets. Where the transaction fails before the entry is carried out, the log says so.
    fn met(
        &mut self,
        entry: &Entry,
        (action, resource_type): (Action, ResourceType),
        query: &Query,
    ) -> Result<Option<Version>, Failed> {
        let (found, records) = self.within(entry, |session| {
            access::require_scope(session.call, action, resource_type)?;
            let found = conditional::one(session, query)?;
            match &found {
                Some(found) => write::note(session, found)?,
                None => session.audit.says_nothing(),
            }
            Ok(found)
        })?;
        self.met.insert(entry.place, records.into_iter().map(undone).collect());
        Ok(found)
    }

    fn take(
        &self,
        identities: &mut Identities,
        entry: &Entry,
        resource_type: ResourceType,
        id: &str,
    ) -> Result<(), Failed> {
        match identities.taken.insert((resource_type, id.to_owned())) {
            true => Ok(()),
            false => Err(self.failed(same(entry.place))),
        }
    }

    /// Gives every new resource its id, so that each can be referred to before it is stored.
    pub(super) fn name(&mut self, entries: &[&Entry], identities: &mut Identities) -> Result<Named, Failed> {
        let mut named = Named { ids: HashMap::new(), names: HashMap::new() };
        let mut created = Created::new();
        for entry in entries {
            let (resource_type, (id, version)) = match &entry.command {
                Command::Create { resource_type, condition, .. } => {
                    (*resource_type, self.new_id(entry, *resource_type, condition.as_deref(), &mut created)?)
                }
                Command::Update { resource_type, target: Target::Match(query), resource, .. } => {
                    let found = identities.matched.get(&entry.place).cloned().flatten();
                    let own = resource.text("id").map(str::to_owned);
                    if let (None, Some(own)) = (&found, &own) {
                        self.take(identities, entry, *resource_type, own)?;
                    }
                    let id = found.or(own).unwrap_or_else(|| self.unused_id(entry));
                    let known = (id, FIRST);
                    // What one entry creates another would change.
                    let condition = (*resource_type, query.used.clone());
                    if created.insert(condition, known.clone()).is_some() {
                        return Err(self.failed(same(entry.place)));
                    }
                    (*resource_type, known)
                }
                Command::Patch { resource_type, target: Target::Match(_), .. } => {
                    match identities.matched.get(&entry.place).cloned().flatten() {
                        Some(id) => (*resource_type, (id, FIRST)),
                        None => continue,
                    }
                }
                other => match other.changed() {
                    Some((resource_type, id)) => (resource_type, (id.to_owned(), FIRST)),
                    None => continue,
                },
            };
            if let Some(url) = &entry.full_url {
                let version = self.foreseen.get(&entry.place).copied().unwrap_or(version);
                let address = format!("{resource_type}/{id}");
                named.names.insert(url.clone(), Name { address, place: entry.place, version });
            }
            named.ids.insert(entry.place, id);
        }
        Ok(named)
    }

    /// The id under which an entry stores what is new: that under which it has been made ready, if it has.
    fn unused_id(&self, entry: &Entry) -> String {
        self.ahead.ids.get(&entry.place).cloned().unwrap_or_else(|| logical_id::new_id(self.transaction.now))
    }

    /// The id and version of what a create stores, or of what meets its condition already.
    fn new_id(
        &mut self,
        entry: &Entry,
        resource_type: ResourceType,
        condition: Option<&Query>,
        created: &mut Created,
    ) -> Result<(String, i64), Failed> {
        let new = (self.unused_id(entry), FIRST);
        let Some(query) = condition else { return Ok(new) };
        let condition = (resource_type, query.used.clone());
        if let Some(known) = created.get(&condition) {
            return Ok(known.clone());
        }
        let found = self.met(entry, (Action::Create, resource_type), query)?;
        let known = found.map_or(new, |found| (found.id, found.version));
        created.insert(condition, known.clone());
        Ok(known)
    }

    /// Refuses what has come out otherwise than it was foreseen.
    pub(super) fn confirm(&self, written: &[Led], used: &Used) -> Result<(), Failed> {
        // A condition that an earlier entry came to meet: two entries were for that resource, or the references to this entry
        // are to none.
        let is_used = |led: &Led| led.full_url.as_ref().is_some_and(|url| used.urls.contains(url));
        if let Some(led) = written.iter().find(|led| led.overlaps || (led.elsewhere && is_used(led))) {
            return Err(self.failed(same(led.place)));
        }
        let found: HashMap<usize, i64> = written.iter().map(|led| (led.place, led.version)).collect();
        let differs = |(place, said): (&usize, &i64)| found.get(place).is_some_and(|version| version != said);
        if used.versions.iter().any(differs) {
            return Err((ApiError::OtherVersions(found), Vec::new()));
        }
        Ok(())
    }
}

/// The version of what is new.
const FIRST: i64 = 1;

impl Named {
    /// What an entry has led to, beside what it was named as.
    pub(super) fn led_to(&self, entry: &Entry, version: &Version) -> Led {
        let elsewhere = self.ids.get(&entry.place) != Some(&version.id);
        let overlaps = elsewhere && !matches!(entry.command, Command::Create { .. });
        let (place, full_url) = (entry.place, entry.full_url.clone());
        Led { place, full_url, elsewhere, overlaps, version: version.version }
    }
}
