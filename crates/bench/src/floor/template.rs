//! The rows of one create, as the product wrote them, to be written again under new keys.

use std::sync::atomic::{AtomicI64, Ordering};

use actix_web::web::Bytes;
use diesel::sql_types::{BigInt, Double, Integer, Nullable, SmallInt, Text};

use crate::database::{Connection, Value};

type ResourceColumns = (BigInt, SmallInt, Text, BigInt, BigInt, SmallInt, SmallInt, BigInt, SmallInt, Text, Text, Text);
type ResourceRow = (i64, i16, String, i64, i64, i16, i16, i64, i16, String, String, String);
const RESOURCE: &str = "rid, type, id, version, updated, method, deleted, patient, patients, author, labels, body";
type EntryColumns = (BigInt, Integer, Integer, BigInt, Text, Nullable<Double>, Nullable<Double>);
type EntryRow = (i64, i32, i32, i64, String, Option<f64>, Option<f64>);
type AuditColumns =
    (BigInt, BigInt, SmallInt, SmallInt, BigInt, Text, Text, Text, SmallInt, Text, BigInt, Text, Text, Text, Text);
type AuditRow = (i64, i64, i16, i16, i64, String, String, String, i16, String, i64, String, String, String, String);

/// A prepared create: the resource with its Provenance, their index entries, and the audit record.
pub(super) struct Template {
    resources: (&'static str, Vec<Value>),
    entries: (&'static str, Vec<Value>),
    audit: (&'static str, Vec<Value>),
    /// Of the resources, in the order of their rows.
    keys: Vec<i64>,
    next: AtomicI64,
    body: Bytes,
}

impl Template {
    /// Reads the rows of the last create of an Observation.
    ///
    /// # Errors
    /// One line, when there is none.
    pub(super) fn read(connection: &mut Connection, example: &str) -> Result<Template, String> {
        let resources = connection.rows::<ResourceColumns, ResourceRow>(
            format!(
                "SELECT {RESOURCE} FROM resource WHERE rid >= (SELECT max(rid) FROM resource WHERE type = (SELECT type \
                 FROM resource WHERE id = ?)) ORDER BY rid"
            )
            .leak(),
            vec![Value::Text(example.to_owned())],
        )?;
        let first = resources.first().ok_or("the database has no observation")?;
        let body = Bytes::copy_from_slice(first.11.as_bytes());
        let keys: Vec<i64> = resources.iter().map(|row| row.0).collect();
        let entries = connection.rows::<EntryColumns, EntryRow>(
            "SELECT resource, parameter, position, patient, key, low, high FROM entry WHERE resource >= ? ORDER BY \
             resource, parameter, position",
            vec![Value::Big(first.0)],
        )?;
        let audit = connection.rows::<AuditColumns, AuditRow>(
            "SELECT pk, at, interaction, outcome, patient, agent, client, purpose, type, entity, version, query, reason, \
             request, body FROM audit ORDER BY pk DESC LIMIT 1",
            Vec::new(),
        )?;
        let highest = keys.iter().chain(audit.iter().map(|row| &row.0)).copied().max().unwrap_or(0);
        Ok(Template {
            resources: insert(
                &format!("resource ({RESOURCE})"),
                resources.into_iter().map(|row| {
                    vec![
                        Value::Big(row.0),
                        Value::Small(row.1),
                        Value::Text(row.2),
                        Value::Big(row.3),
                        Value::Big(row.4),
                        Value::Small(row.5),
                        Value::Small(row.6),
                        Value::Big(row.7),
                        Value::Small(row.8),
                        Value::Text(row.9),
                        Value::Text(row.10),
                        Value::Text(row.11),
                    ]
                }),
            ),
            entries: insert(
                "entry (resource, parameter, position, patient, key, low, high)",
                entries.into_iter().map(|row| {
                    vec![
                        Value::Big(row.0),
                        Value::Int(row.1),
                        Value::Int(row.2),
                        Value::Big(row.3),
                        Value::Text(row.4),
                        Value::Double(row.5),
                        Value::Double(row.6),
                    ]
                }),
            ),
            audit: insert(
                "audit (pk, at, interaction, outcome, patient, agent, client, purpose, type, entity, version, query, \
                 reason, request, body)",
                audit.into_iter().map(|row| {
                    vec![
                        Value::Big(row.0),
                        Value::Big(row.1),
                        Value::Small(row.2),
                        Value::Small(row.3),
                        Value::Big(row.4),
                        Value::Text(row.5),
                        Value::Text(row.6),
                        Value::Text(row.7),
                        Value::Small(row.8),
                        Value::Text(row.9),
                        Value::Big(row.10),
                        Value::Text(row.11),
                        Value::Text(row.12),
                        Value::Text(row.13),
                        Value::Text(row.14),
                    ]
                }),
            ),
            keys,
            next: AtomicI64::new(highest + (1 << 32)),
            body,
        })
    }

    /// Writes the rows under new keys and ids; the id and the body of the Observation.
    ///
    /// # Errors
    /// One line.
    pub(super) fn write(&self, connection: &mut Connection) -> Result<(String, Bytes), String> {
        let mut numbers = [0_i64; 8];
        let mut first_id = String::new();
        for number in &mut numbers {
            *number = self.next.fetch_add(1, Ordering::Relaxed);
        }
        let fresh = |key: i64| {
            let place = self.keys.iter().position(|known| *known == key).unwrap_or(0);
            numbers.get(place).copied().unwrap_or(key)
        };
        let (text, mut values) = self.resources.clone();
        for row in values.chunks_mut(12) {
            if let [Value::Big(key), _, Value::Text(id), ..] = row {
                *key = fresh(*key);
                *id = format!("{:08x}-0000-7000-8000-{:012x}", *key >> 48, *key & 0xffff_ffff_ffff);
                if first_id.is_empty() {
                    first_id.clone_from(id);
                }
            }
        }
        connection.run(text, values)?;
        let (text, mut values) = self.entries.clone();
        for row in values.chunks_mut(7) {
            if let [Value::Big(key), ..] = row {
                *key = fresh(*key);
            }
        }
        connection.run(text, values)?;
        let (text, mut values) = self.audit.clone();
        if let (Some(Value::Big(key)), Some(number)) = (values.first_mut(), numbers.last()) {
            *key = *number;
        }
        connection.run(text, values)?;
        Ok((first_id, self.body.clone()))
    }
}

/// An insert of all rows at once.
fn insert(into: &str, rows: impl Iterator<Item = Vec<Value>>) -> (&'static str, Vec<Value>) {
    let (mut text, mut values) = (format!("INSERT INTO {into} VALUES "), Vec::new());
    for (place, row) in rows.enumerate() {
        text.push_str(if place == 0 { "(" } else { ", (" });
        text.push_str(&vec!["?"; row.len()].join(", "));
        text.push(')');
        values.extend(row);
    }
    // There are three of them for as long as the process lives.
    (text.leak(), values)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_insert_has_a_placeholder_for_every_value() {
        let rows = [vec![Value::Big(1), Value::Int(2)], vec![Value::Big(3), Value::Int(4)]];
        let (text, values) = insert("t (a, b)", rows.into_iter());
        assert_eq!(text, "INSERT INTO t (a, b) VALUES (?, ?), (?, ?)");
        assert_eq!(values.len(), 4);
    }
}
