//! The search parameters that operators have added: what is kept of them, and which version of them a
//! transaction sees.
//!
//! Every write has to make the rows of every parameter that is added, on every node. So a write on PostgreSQL puts its
//! rows in under the condition that the parameters are still those that they were made by ([`crate::rows`]), and a change
//! of the parameters first waits for the writes that are under way ([`Transaction::block_writes`]): a write either has
//! rows for a new parameter, or is there when its index begins to be built. SQLite has one writer, who looks.

use std::sync::Arc;

use concord_fhir::registry::compile::Defined;
use concord_fhir::registry::{Added, Index, Parameter, Registry, ResourceType, added_parameter};
use diesel::sql_types::{BigInt, SmallInt, Text};

use crate::error::StoreError;
use crate::statement::Sql;
use crate::transaction::Transaction;

/// The setting that says which version of them there is.
const SETTING: &str = "search-parameters";

/// How far a parameter is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// What was stored before it was added has no rows, or not all of it.
    Missing,
    /// Every resource has its rows.
    Whole,
    /// Every resource has its rows, and they are made again.
    Again,
    /// It is out of use, and its rows are to go.
    Leaving,
}

impl State {
    fn number(self) -> i16 {
        match self {
            State::Missing => 0,
            State::Whole => 1,
            State::Again => 2,
            State::Leaving => 3,
        }
    }

    fn from_number(number: i16) -> State {
        match number {
            0 => State::Missing,
            1 => State::Whole,
            2 => State::Again,
            _ => State::Leaving,
        }
    }
}

/// A parameter of one type as it is kept.
#[derive(Clone, Debug)]
pub struct Kept {
    /// Its number among all that were ever added.
    pub number: i64,
    /// The key of the resource that defines it.
    pub resource: i64,
    /// The type that it is a parameter of.
    pub resource_type: ResourceType,
    /// The url of its definition.
    pub url: String,
    /// Its line of the table of parameters.
    pub row: String,
    /// How far it is.
    pub state: State,
    /// The id of the last resource that is done; empty before the first.
    pub place: String,
    /// How many resources are done.
    pub done: i64,
    /// How many there were when the first was.
    pub total: i64,
}

impl Kept {
    /// As it is searched by; none if this release cannot read it.
    pub fn parameter(&self) -> Option<Parameter> {
        let index = match self.state {
            State::Missing if self.place.is_empty() => Index::Missing,
            State::Missing => {
                let hundredths = self.done.saturating_mul(100) / self.total.max(self.done).max(1);
                Index::Begun(u8::try_from(hundredths.clamp(0, 99)).unwrap_or(99))
            }
            State::Whole | State::Again | State::Leaving => Index::Whole,
        };
        let added = Added { url: self.url.as_str().into(), number: self.number, index };
        added_parameter(self.resource_type, &self.row, added)
    }

    /// Its name in a query.
    pub fn code(&self) -> &str {
        self.row.split(' ').next().unwrap_or_default()
    }
}

type Columns = (BigInt, BigInt, SmallInt, Text, Text, SmallInt, Text, BigInt, BigInt);
type Row = (i64, i64, i16, String, String, i16, String, i64, i64);

impl Transaction<'_> {
    /// The search parameters that there are, as the transaction sees them.
    pub fn registry(&mut self) -> Result<Arc<Registry>, StoreError> {
        if let Some(registry) = &self.registry {
            return Ok(Arc::clone(registry));
        }
        let version = self.registry_version()?;
        let known = self.known_registry();
        let registry = if known.version() == version { known } else { self.load_registry(version)? };
        self.registry = Some(Arc::clone(&registry));
        Ok(registry)
    }

    /// The same, and how far the indexes are that are being built.
    pub fn newest_registry(&mut self) -> Result<Arc<Registry>, StoreError> {
        let registry = self.registry()?;
        if registry.added().iter().all(Parameter::is_whole) {
            return Ok(registry);
        }
        self.load_registry(registry.version())
    }

    /// The search parameters by which a write makes its rows. On PostgreSQL they are those that this process knows: the
    /// statement that stores the rows tells whether they still are what they were.
    pub(crate) fn registry_for_rows(&mut self) -> Result<Arc<Registry>, StoreError> {
        match (&self.registry, self.is_postgres()) {
            (None, true) => Ok(self.known_registry()),
            _ => self.registry(),
        }
    }

    /// Refuses what was understood by other search parameters than there are: one that has been taken out of use would
    /// find less and less. It is rare, and to come again is enough.
    pub fn require_registry(&mut self, version: Option<i64>) -> Result<(), StoreError> {
        match version {
            Some(version) if self.registry_version()? != version => Err(StoreError::Busy(1)),
            _ => Ok(()),
        }
    }

    /// Which version of the search parameters there is.
    pub(crate) fn registry_version(&mut self) -> Result<i64, StoreError> {
        let sql = Sql::new("SELECT value FROM setting WHERE name = ").bind(SETTING);
        let rows = self.without_explain(|own| own.rows::<(Text,), (String,)>(sql))?;
        let version = rows.first().and_then(|(text,)| text.parse().ok());
        version.ok_or_else(|| StoreError::Internal("the version of the search parameters is lost".to_owned()))
    }

    /// The condition that the search parameters are still of this version.
    pub(crate) fn under(version: i64) -> Sql {
        let sql = Sql::new("(SELECT s.value FROM setting s WHERE s.name = ").bind(SETTING);
        sql.sql(") = ").bind(version.to_string())
    }

    fn load_registry(&mut self, version: i64) -> Result<Arc<Registry>, StoreError> {
        let kept = self.kept_parameters(Sql::new("p.state < ").bind(State::Leaving.number()))?;
        let read = |one: &Kept| {
            let parameter = one.parameter();
            if parameter.is_none() {
                tracing::error!(url = one.url, "a search parameter that was added cannot be read and is left out");
            }
            parameter
        };
        let registry = Arc::new(Registry::with(version, kept.iter().filter_map(read).collect()));
        self.know_registry(&registry);
        Ok(registry)
    }

    /// The parameters that meet a condition on `p`, in the order in which they were added.
    fn kept_parameters(&mut self, condition: Sql) -> Result<Vec<Kept>, StoreError> {
        let sql = Sql::new(
            "SELECT p.number, p.resource, p.type, p.url, p.definition, p.state, p.place, p.done, p.total \
             FROM search_parameter p WHERE ",
        )
        .append(condition);
        let rows = self.without_explain(|own| own.rows::<Columns, Row>(sql))?;
        rows.into_iter()
            .map(|(number, resource, of_type, url, row, state, place, done, total)| {
                let resource_type = ResourceType::from_number(of_type).ok_or_else(|| {
                    StoreError::Internal(format!("a search parameter has the unknown type {of_type}"))
                })?;
                let state = State::from_number(state);
                Ok(Kept { number, resource, resource_type, url, row, state, place, done, total })
            })
            .collect()
    }

    /// Waits until the writes that are under way have ended, and makes others wait for the end of this one.
    pub fn block_writes(&mut self) -> Result<(), StoreError> {
        if self.is_postgres() {
            self.batch("LOCK TABLE resource IN SHARE ROW EXCLUSIVE MODE")?;
        }
        Ok(())
    }

    /// The parameters in use.
    pub fn parameters_in_use(&mut self) -> Result<Vec<Kept>, StoreError> {
        let in_use = Sql::new("p.state < ").bind(State::Leaving.number());
        self.kept_parameters(in_use.sql(" ORDER BY p.number"))
    }

    /// The parameters that there is something to do about, all or those of one url, oldest first. Until the transaction
    /// ends nobody else does it.
    pub fn unfinished_parameters(&mut self, url: Option<&str>) -> Result<Vec<Kept>, StoreError> {
        let mut sql = Sql::new("p.state <> ").bind(State::Whole.number());
        if let Some(url) = url {
            sql = sql.sql(" AND p.url = ").bind(url);
        }
        sql.push_sql(if self.is_postgres() { " ORDER BY p.number FOR UPDATE" } else { " ORDER BY p.number" });
        self.kept_parameters(sql)
    }

    /// Keeps a new parameter. It is whole at once if there is nothing that it could be missing of.
    pub fn add_parameter(&mut self, resource: i64, url: &str, defined: &Defined) -> Result<(), StoreError> {
        let all = self.kept_parameters(Sql::new("1 = 1"))?;
        let taken = Registry::with(0, all.iter().filter_map(Kept::parameter).collect());
        let there = Sql::new("SELECT r.rid FROM resource r WHERE r.deleted = 0 AND r.type = ")
            .bind(defined.resource_type.number())
            .sql(" LIMIT 1");
        let state = if self.numbers(there)?.is_empty() { State::Whole } else { State::Missing };
        let mut kept = Kept {
            number: self.next_key(),
            resource,
            resource_type: defined.resource_type,
            url: url.to_owned(),
            row: defined.row.clone(),
            state,
            place: String::new(),
            done: 0,
            total: 0,
        };
        // Its rows are told from those of others by a hash, of which there is room for billions.
        while !kept.parameter().is_some_and(|new| taken.has_room_for(&new)) {
            if kept.parameter().is_none() {
                return Err(StoreError::Internal("a search parameter cannot be read again".to_owned()));
            }
            kept.number = self.next_key();
        }
        let sql = Sql::new(
            "INSERT INTO search_parameter (number, resource, type, url, definition, state, place, done, total) VALUES (",
        )
        .bind(kept.number)
        .sql(", ")
        .bind(kept.resource)
        .sql(", ")
        .bind(kept.resource_type.number())
        .sql(", ")
        .bind(kept.url)
        .sql(", ")
        .bind(kept.row)
        .sql(", ")
        .bind(kept.state.number())
        .sql(", '', 0, 0)");
        self.run(sql)?;
        Ok(())
    }

    /// Begins to do something about a parameter.
    pub fn begin_parameter(&mut self, number: i64, state: State) -> Result<(), StoreError> {
        self.advance_parameter(number, state, "", 0, 0)
    }

    /// Keeps how far something about a parameter has come.
    pub fn advance_parameter(
        &mut self,
        number: i64,
        state: State,
        place: &str,
        done: i64,
        total: i64,
    ) -> Result<(), StoreError> {
        let sql = Sql::new("UPDATE search_parameter SET state = ")
            .bind(state.number())
            .sql(", place = ")
            .bind(place)
            .sql(", done = ")
            .bind(done)
            .sql(", total = ")
            .bind(total)
            .sql(" WHERE number = ")
            .bind(number);
        self.run(sql)?;
        Ok(())
    }

    /// Forgets a parameter that has no rows any more.
    pub fn forget_parameter(&mut self, number: i64) -> Result<(), StoreError> {
        self.run(Sql::new("DELETE FROM search_parameter WHERE number = ").bind(number))?;
        Ok(())
    }

    /// Says that there are other search parameters from the commit on, or that one is whole: on every node.
    pub fn bump_registry(&mut self) -> Result<(), StoreError> {
        let version = self.next_key().to_string();
        self.run(Sql::new("UPDATE setting SET value = ").bind(version).sql(" WHERE name = ").bind(SETTING))?;
        self.registry_changed = true;
        self.registry = None;
        Ok(())
    }
}
