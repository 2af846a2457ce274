//! Events of the log in the order in which they were recorded. The server's own were recorded when they came, so that they stand in
//! that order already, by their numbers. What a system hands in says itself when it was recorded, which may be long before: it has a
//! place among them, the number that an event of then would have, in a table of such events alone.

use concord_fhir::json::{self, Limits};
use concord_fhir::rules::instant;

use super::index::list;
use super::index_hint::AuditIndexHint;
use super::query::AuditQuery;
use super::{COLUMNS, Columns, Record, Stored, StoredRow};
use crate::error::StoreError;
use crate::keys::Keys;
use crate::statement::{Bind, Sql};
use crate::transaction::Transaction;

/// Where an event stands in the order in which events were recorded. What was recorded in the same millisecond is in the order in
/// which it came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The number that an event has which was recorded then.
    pub place: i64,
    /// Its own number.
    pub number: i64,
}

impl Place {
    /// Before all others.
    pub const FIRST: Place = Place { place: i64::MIN, number: i64::MIN };
    /// After all others.
    pub const LAST: Place = Place { place: i64::MAX, number: i64::MAX };

    /// That of one of the server's own events.
    #[must_use]
    pub const fn own(number: i64) -> Place {
        Place { place: number, number }
    }

    /// That of an event.
    #[must_use]
    pub fn of(event: &Stored) -> Place {
        Place { place: place(&event.record, event.pk, event.at), number: event.pk }
    }

    /// The next after it.
    #[must_use]
    pub fn after(self) -> Place {
        Place { number: self.number.saturating_add(1), ..self }
    }

    /// The last before it.
    #[must_use]
    pub fn before(self) -> Place {
        Place { number: self.number.saturating_sub(1), ..self }
    }

    /// A number, such that those of the server's own events that come after it (or, from the last down, before it) are greater (or
    /// less).
    fn bound(self, ascending: bool) -> i64 {
        match ascending {
            true if self.number < self.place => self.place.saturating_sub(1),
            false if self.number > self.place => self.place.saturating_add(1),
            _ => self.place,
        }
    }
}

/// The number of an event recorded then.
fn place(record: &Record, number: i64, at: i64) -> i64 {
    if record.body.is_empty() {
        return number;
    }
    let read = json::parse(record.body.as_bytes(), &Limits::default()).ok();
    let said = read.as_ref().and_then(|event| event.text("recorded")).and_then(instant::range);
    Keys::at(said.map_or(at, |(first, _)| first))
}

impl Transaction<'_> {
    /// Notes when events that systems have handed in were recorded. To be called with the insert.
    pub(super) fn enter_recorded(&mut self, records: &[Record], numbers: &[i64], at: &[i64]) -> Result<(), StoreError> {
        for ((record, number), at) in records.iter().zip(numbers).zip(at) {
            if !record.body.is_empty() {
                let mut sql = Sql::new("INSERT INTO audit_recorded (pk, patient, place) VALUES (");
                sql.push_row([(*number).into(), record.patient.into(), place(record, *number, *at).into()]);
                self.run(sql)?;
            }
        }
        Ok(())
    }

    /// The events that are looked for in the order in which they were recorded, or from the last down, at most `limit`; after a place,
    /// only what follows it.
    ///
    /// # Errors
    /// When the log may not be read here, or the database fails.
    pub fn events_recorded(
        &mut self,
        query: &AuditQuery,
        after: Option<Place>,
        ascending: bool,
        limit: i64,
    ) -> Result<Vec<Stored>, StoreError> {
        let own = query.clone().and(Sql::new("a.body = ''"));
        let mut found = self.events(&own, after.map(|after| after.bound(ascending)), ascending, limit)?;
        let handed_in = recorded_statement(query, after, ascending, limit);
        let handed_in = self.rows_of_any_shape::<Columns, StoredRow>(handed_in)?;
        found.extend(handed_in.into_iter().map(StoredRow::stored));
        found.sort_by_key(Place::of);
        if !ascending {
            found.reverse();
        }
        found.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
        Ok(found)
    }
}

/// Those among them that systems have handed in.
fn recorded_statement(query: &AuditQuery, after: Option<Place>, ascending: bool, limit: i64) -> Sql {
    let mut sql = Sql::new("SELECT i.pk").sql(COLUMNS).sql(
        " FROM audit_recorded i CROSS JOIN audit a CROSS JOIN patient p WHERE a.pk = i.pk AND p.key = a.patient AND ",
    );
    if let Some(AuditIndexHint::Patients(keys)) = &query.hint {
        sql = match keys.as_slice() {
            [] => sql.sql("1 = 0"),
            [one] => sql.sql("i.patient = ").bind(*one),
            several => sql.sql("i.patient IN ").append(list(several.iter().map(|key| Bind::Big(*key)))),
        };
        sql.push_sql(" AND ");
    }
    if let Some(after) = after {
        sql = sql.sql("(i.place, i.pk)").sql(if ascending { " > (" } else { " < (" });
        sql = sql.bind(after.place).sql(", ").bind(after.number).sql(") AND ");
    }
    let sql = sql.append(query.condition.clone());
    let order = if ascending { " ORDER BY i.place, i.pk LIMIT +" } else { " ORDER BY i.place DESC, i.pk DESC LIMIT +" };
    sql.sql(order).bind(limit)
}
