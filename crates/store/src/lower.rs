//! A predicate as SQL. Every leaf reads the same index entries that [`Predicate::holds`] reads in memory.
//!
//! One clause of a conjunction may drive the query as an `IN` over an index that leads with the parameter, the value
//! and the patient, so that one patient's search touches that patient's rows only; every other clause is an `EXISTS`
//! on the rows of the candidate. A chain to another resource is such an `EXISTS`, or drives where nothing else does
//! (file `chained_search`).

mod awaited;
mod depends;
mod driver;
mod labels;
mod many;

use std::borrow::Cow;

use concord_fhir::index::{ParameterId, SEPARATOR};
use concord_fhir::predicate::{Comparison, Predicate, Test};
use concord_fhir::registry::{Kind, ResourceType, combined, parameter_by_id};
use concord_fhir::search::compartments_of;

use crate::statement::{Bind, Sql};
pub(crate) use labels::SECURITY;
use many::joined;
pub(crate) use many::one_of_numbers;

/// The parameter of the rows that say whose record a resource is part of. Its key is the type's name.
pub(crate) const RECORD: ParameterId = ParameterId::of("_record");

/// Which rows a predicate is read over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rows {
    /// The current versions: `resource r` and `entry`.
    Current,
    /// The superseded ones: `history r` and `history_entry`.
    Superseded,
}

impl Rows {
    /// The table of the versions.
    pub(crate) fn table(self) -> &'static str {
        match self {
            Rows::Current => "resource",
            Rows::Superseded => "history",
        }
    }

    /// The column that names a version's rows in the index.
    pub(crate) fn key(self) -> &'static str {
        match self {
            Rows::Current => "r.rid",
            Rows::Superseded => "r.pk",
        }
    }

    /// The table of the index rows.
    pub(crate) fn entries(self) -> &'static str {
        match self {
            Rows::Current => "entry",
            Rows::Superseded => "history_entry",
        }
    }
}

/// Lowers predicates for one database.
#[derive(Clone, Copy)]
pub(crate) struct Lowering<'a> {
    /// Which rows.
    pub rows: Rows,
    /// Whether the text is for PostgreSQL.
    pub postgres: bool,
    /// The key of a patient's logical id; none if no resource is part of such a record.
    pub patient_key: &'a dyn Fn(&str) -> Option<i64>,
    /// How many chain links away from `r` the resource is that conditions are made about: `r1`, `r2` and so on.
    pub(crate) depth: usize,
    /// Whether all candidates are in one record, or in a few.
    pub(crate) in_record: bool,
}

impl Lowering<'_> {
    /// The same where all candidates are in one record.
    pub(crate) fn within_record(&self) -> Self {
        Lowering { in_record: true, ..*self }
    }

    /// A condition on `r` that holds for exactly the versions that the predicate means.
    pub(crate) fn condition(&self, predicate: &Predicate) -> Sql {
        match predicate {
            Predicate::All => Sql::new("1 = 1"),
            // Codes that nobody has looked up are none.
            Predicate::None | Predicate::Coded(..) => Sql::new("1 = 0"),
            Predicate::And(parts) => self.join(parts, " AND ", "1 = 1"),
            Predicate::Or(parts) => match same_test(parts) {
                Some((parameters, test)) => {
                    self.exists_in(&parameters).sql(" AND ").append(self.test(test)).sql(self.end())
                }
                None => self.join(parts, " OR ", "1 = 0"),
            },
            Predicate::Not(part) => Sql::new("NOT (").append(self.condition(part)).sql(")"),
            Predicate::Type(types) => self.among_types(types),
            Predicate::Id(ids) => list(self.column("id"), ids.iter().map(|id| id.as_str().into())),
            Predicate::PatientCompartment(patient) => match (self.patient_key)(patient) {
                None => Sql::new("1 = 0"),
                // The row names the first of them.
                Some(key) => Sql::new("(")
                    .sql(self.column("patient"))
                    .sql(" = ")
                    .bind(key)
                    .sql(" OR (")
                    .sql(self.column("patients"))
                    .sql(" > 1 AND ")
                    .append(self.exists(RECORD))
                    .sql(" AND e.patient = ")
                    .bind(key)
                    .sql(self.end())
                    .sql("))"),
            },
            Predicate::NoPatientCompartment => Sql::new(self.column("patient")).sql(" = 0"),
            Predicate::Author(names) => list(self.column("author"), names.iter().map(|name| name.as_str().into())),
            Predicate::Updated(comparison, wanted) => {
                Sql::new(self.column("updated")).sql(" ").sql(operator(*comparison)).bind(*wanted)
            }
            Predicate::Entry(SECURITY, test) if self.rows == Rows::Current => self.labelled(test),
            Predicate::Entry(parameter, Test::Present) => self.exists(*parameter).sql(self.end()),
            Predicate::Entry(parameter, test) => {
                // Among all records, PostgreSQL may go by its index of dates, which has these rows alone.
                let dated = self.postgres && parameter_by_id(*parameter).is_some_and(|one| one.kind == Kind::Date);
                self.exists(*parameter)
                    .sql(if dated { " AND e.key = '' AND " } else { " AND " })
                    .append(self.test(test))
                    .sql(self.end())
            }
            Predicate::AwaitsLabels => self.awaits_labels(),
            Predicate::DependsOn { through, then } => self.depends_on(through, then),
            Predicate::Given(kind) => Sql::new("EXISTS (SELECT 1 FROM given_by g WHERE g.resource = ")
                .sql(self.column("rid"))
                .sql(" AND g.kind = ")
                .bind(*kind)
                .sql(")"),
            Predicate::Chain { parameter, types, then } => self.through(*parameter, types, then),
            Predicate::ReverseChain { target, resource_type, parameter, by } => {
                self.reverse_chain(*target, *resource_type, *parameter, by)
            }
        }
    }

    /// The condition of a search over current versions of these types (none given: of all): the type, what is asked for
    /// and what is permitted. With `record`, the search can only match resources in the record of the patient with that
    /// key.
    pub(crate) fn search(&self, types: &[ResourceType], record: Option<i64>, predicate: &Predicate) -> Sql {
        let parts = parts_of(predicate);
        let records = record.map_or_else(|| self.records(predicate), |key| vec![key]);
        let driver = self.driver(predicate, &records);
        let led = driver.is_some() || !records.is_empty();
        let mut sql = self.of_search(types, led);
        match driver.and_then(|place| parts.get(place)) {
            Some(part) => sql = sql.append(self.driven(types, part, &records)),
            None if records.is_empty() => {}
            None => {
                sql = sql
                    .sql(" AND ")
                    .sql(self.column("rid"))
                    .sql(" IN (SELECT e.resource FROM entry e WHERE e.parameter = ")
                    .bind(RECORD.0)
                    .sql(" AND e.key <> '' AND ")
                    .append(match types {
                        [] => list("e.key", ResourceType::all().map(|one| one.name().into())),
                        types => list("e.key", types.iter().map(|one| one.name().into())),
                    })
                    .append(in_records(&records))
                    .sql(")");
            }
        }
        sql.append(self.other_parts(parts, driver, record, !records.is_empty()))
    }

    /// The same for the other end of a chain that leads, with what comes before it in `FROM`. On SQLite, where each list of what an
    /// `IN` may be is a table that is made and thrown away, rows of the index lead as a table of their own.
    pub(crate) fn search_led(&self, types: &[ResourceType], predicate: &Predicate) -> (&'static str, Sql) {
        let parts = parts_of(predicate);
        let records = self.records(predicate);
        let driver = if self.postgres { None } else { self.driver(predicate, &records) };
        let Some((place, Predicate::Entry(parameter, test))) =
            driver.and_then(|place| Some((place, parts.get(place)?)))
        else {
            return ("", self.search(types, None, predicate));
        };
        let sql = self
            .of_search(types, true)
            .sql(" AND e.")
            .append(self.led(&[*parameter], test, &records))
            .sql(" AND ")
            .sql(self.column("rid"))
            .sql(" = e.resource")
            .append(self.other_parts(parts, Some(place), None, !records.is_empty()));
        ("entry e CROSS JOIN ", sql)
    }

    /// What is asked of a candidate that another search has found, led by what leads this one, if anything does.
    pub(crate) fn led_condition(&self, types: &[ResourceType], predicate: &Predicate) -> Sql {
        let (parts, records) = (parts_of(predicate), self.records(predicate));
        let driver = self.driver(predicate, &records);
        let led = driver.and_then(|place| parts.get(place)).map(|part| self.driven(types, part, &records));
        Sql::new("(1 = 1")
            .append(led.unwrap_or_default())
            .append(self.other_parts(parts, driver, None, !records.is_empty()))
            .sql(")")
    }

    /// The same where the candidates, all in one record, come by themselves: without what leads to them.
    pub(crate) fn search_among(
        &self,
        resource_type: ResourceType,
        record: i64,
        predicate: &Predicate,
        driver: Option<usize>,
    ) -> Sql {
        let rest = self.other_parts(parts_of(predicate), driver, Some(record), true);
        self.of_search(&[resource_type], true).append(rest)
    }

    /// What every search asks of a row.
    fn of_search(&self, types: &[ResourceType], led: bool) -> Sql {
        let sql = Sql::new(self.column("deleted")).sql(" = 0");
        if types.is_empty() {
            return sql;
        }
        // With the sign, no index of the type is used: SQLite takes one wherever it is offered, and would go through
        // every resource of the type for one patient's few.
        sql.sql(if led && !self.postgres { " AND +" } else { " AND " }).append(self.of_types(types))
    }

    /// The parts of a conjunction but the one that leads, each with ` AND ` before it.
    fn other_parts(&self, parts: &[Predicate], driver: Option<usize>, record: Option<i64>, in_record: bool) -> Sql {
        let candidates = Lowering { in_record, ..*self };
        let mut sql = Sql::new("");
        for (place, part) in parts.iter().enumerate() {
            // The rows that drive the query bear the record's key already.
            let said = matches!(part, Predicate::PatientCompartment(patient)
                if record.is_some() && record == (self.patient_key)(patient));
            if driver.is_none_or(|chosen| chosen != place) && !said {
                sql = sql.sql(" AND ").append(candidates.condition(part));
            }
        }
        sql
    }

    /// The keys of the patients in whose records all matches are; empty if it does not say.
    fn records(&self, predicate: &Predicate) -> Vec<i64> {
        let keys: Option<Vec<i64>> = compartments_of(predicate).iter().map(|id| (self.patient_key)(id)).collect();
        keys.unwrap_or_default()
    }

    /// The clause that leads the query, with ` AND ` before it.
    fn driven(&self, types: &[ResourceType], part: &Predicate, records: &[i64]) -> Sql {
        let lead = |condition: Sql| Sql::new("SELECT e.resource FROM entry e WHERE e.").append(condition);
        let of_rows = match part {
            Predicate::Entry(parameter, test) => lead(self.led(&[*parameter], test, records)),
            Predicate::Or(parts) => match same_test(parts) {
                Some((parameters, test)) => lead(self.led(&parameters, test, records)),
                None => {
                    let mut union: Option<Sql> = None;
                    for part in parts {
                        let one = match part {
                            Predicate::Entry(parameter, test) => lead(self.led(&[*parameter], test, records)),
                            Predicate::Id(ids) => named(types, ids),
                            _ => continue,
                        };
                        union = Some(match union {
                            Some(before) => before.sql(" UNION ALL ").append(one),
                            None => one,
                        });
                    }
                    union.unwrap_or_else(|| Sql::new("SELECT e.resource FROM entry e WHERE 1 = 0"))
                }
            },
            chain => return Sql::new(" AND ").append(self.leading_chain(chain)),
        };
        Sql::new(" AND ").sql(self.column("rid")).sql(" IN (").append(of_rows).sql(")")
    }

    /// The condition on the rows of a leading clause, after `e.`.
    fn led(&self, parameters: &[ParameterId], test: &Test, records: &[i64]) -> Sql {
        of_parameters("parameter", parameters)
            .sql(" AND e.key <> '' AND ")
            .append(self.test(test))
            .append(in_records(records))
    }

    fn exists(&self, parameter: ParameterId) -> Sql {
        self.exists_in(&[parameter])
    }

    fn exists_in(&self, parameters: &[ParameterId]) -> Sql {
        let exists = Sql::new("EXISTS (SELECT 1 FROM ");
        let rows = if self.postgres && self.few() {
            // The rows of the candidate are taken first, and nothing else is looked at: as long as PostgreSQL knows nothing of a
            // table, it would go through all rows with that key for each candidate.
            exists
                .sql("(SELECT i.* FROM ")
                .sql(self.rows.entries())
                .sql(" i WHERE i.resource = ")
                .sql(self.own_key())
                .sql(" OFFSET 0) e WHERE ")
        } else {
            exists.sql(self.rows.entries()).sql(" e WHERE e.resource = ").sql(self.own_key()).sql(" AND ")
        };
        rows.append(of_parameters("e.parameter", parameters))
    }

    /// The column of the key that the rows of a version have in the index.
    pub(crate) fn own_key(&self) -> Cow<'static, str> {
        match (self.depth, self.rows) {
            (0, rows) => Cow::Borrowed(rows.key()),
            (_, Rows::Current) => self.column("rid"),
            (_, Rows::Superseded) => self.column("pk"),
        }
    }

    /// Whether there are few candidates, so that each is better looked up by itself.
    fn few(&self) -> bool {
        self.rows == Rows::Superseded || self.depth > 0 || self.in_record
    }

    /// The end of an `EXISTS`. With an offset it stays a look-up for each candidate on PostgreSQL, which would else go
    /// through all rows with that key first, whoever's they are: for every candidate, where it is over a chain.
    pub(crate) fn end(&self) -> &'static str {
        if self.postgres && self.few() { " OFFSET 0)" } else { ")" }
    }

    /// A column of the resource that conditions are made about.
    pub(crate) fn column(&self, name: &'static str) -> Cow<'static, str> {
        match (self.depth, name) {
            (0, "rid") => Cow::Borrowed("r.rid"),
            (0, "id") => Cow::Borrowed("r.id"),
            (0, "type") => Cow::Borrowed("r.type"),
            (0, "deleted") => Cow::Borrowed("r.deleted"),
            (0, _) => Cow::Owned(format!("r.{name}")),
            (depth, _) => Cow::Owned(format!("r{depth}.{name}")),
        }
    }

    /// With the sign, SQLite leaves its indexes of the type alone: candidates are there already.
    fn among_types(&self, types: &[ResourceType]) -> Sql {
        Sql::new(if self.postgres { "" } else { "+" }).append(self.of_types(types))
    }

    fn of_types(&self, types: &[ResourceType]) -> Sql {
        list(self.column("type"), types.iter().map(|one| one.number().into()))
    }

    fn join(&self, parts: &[Predicate], between: &'static str, empty: &'static str) -> Sql {
        joined(parts, between, empty, &|part| self.condition(part))
    }

    fn test(&self, test: &Test) -> Sql {
        match test {
            Test::Present => Sql::new("1 = 1"),
            Test::Is(wanted) => Sql::new("e.key = ").bind(wanted.as_str()),
            Test::OneOf(wanted) => many::one_of("e.key", wanted, self.postgres),
            Test::Starts(wanted) => {
                let from = Sql::new("e.key >= ").bind(wanted.as_str());
                match successor(wanted) {
                    Some(end) => from.sql(" AND e.key < ").bind(end),
                    None => from,
                }
            }
            Test::Ends(wanted) => {
                let length = i32::try_from(wanted.chars().count()).unwrap_or(i32::MAX);
                Sql::new("(length(e.key) >= ")
                    .bind(length)
                    .sql(" AND substr(e.key, length(e.key) - ")
                    .bind(length)
                    .sql(" + 1) = ")
                    .bind(wanted.as_str())
                    .sql(")")
            }
            // The separator stands in a key only once.
            Test::FirstEnds(wanted) => self.has(format!("{wanted}{SEPARATOR}")),
            Test::Has(wanted) => self.has(wanted.clone()),
            Test::Contains(wanted) => {
                let first = if self.postgres {
                    Sql::new("strpos(split_part(e.key, ").bind(SEPARATOR.to_string()).sql(", 1), ")
                } else {
                    // Without a separator the whole key is the first part.
                    Sql::new("instr(substr(e.key, 1, instr(e.key || ")
                        .bind(SEPARATOR.to_string())
                        .sql(", ")
                        .bind(SEPARATOR.to_string())
                        .sql(") - 1), ")
                };
                first.bind(wanted.as_str()).sql(") > 0")
            }
            Test::Low(comparison, wanted) => Sql::new("e.low ").sql(operator(*comparison)).bind(*wanted),
            Test::High(comparison, wanted) => Sql::new("e.high ").sql(operator(*comparison)).bind(*wanted),
            Test::Every(tests) => self.join_tests(tests, " AND ", "1 = 1"),
            Test::Either(tests) if tests.len() > many::FEW => self.either(tests),
            Test::Either(tests) => self.join_tests(tests, " OR ", "1 = 0"),
            Test::Not(test) => Sql::new("NOT (").append(self.test(test)).sql(")"),
        }
    }

    fn has(&self, wanted: String) -> Sql {
        Sql::new(if self.postgres { "strpos(e.key, " } else { "instr(e.key, " }).bind(wanted).sql(") > 0")
    }

    fn join_tests(&self, tests: &[Test], between: &'static str, empty: &'static str) -> Sql {
        joined(tests, between, empty, &|test| self.test(test))
    }
}

/// The parts of a conjunction; of anything else, itself.
pub(crate) fn parts_of(predicate: &Predicate) -> &[Predicate] {
    match predicate {
        Predicate::And(parts) => parts,
        Predicate::All => &[],
        single => std::slice::from_ref(single),
    }
}

/// The parameters of alternatives that differ in nothing else, and their test.
pub(crate) fn same_test(parts: &[Predicate]) -> Option<(Vec<ParameterId>, &Test)> {
    let Some(Predicate::Entry(_, test)) = parts.first() else { return None };
    let parameters: Option<Vec<ParameterId>> = parts
        .iter()
        .map(|part| match part {
            Predicate::Entry(parameter, other) if other == test => Some(*parameter),
            _ => None,
        })
        .collect();
    parameters.map(|parameters| (parameters, test))
}

/// The row is one of these parameters'; of a combined one, of those that it consists of.
pub(crate) fn of_parameters(column: &'static str, parameters: &[ParameterId]) -> Sql {
    let rows_of = |parameter: &'_ ParameterId| match combined(*parameter) {
        Some(parts) => parts.to_vec(),
        None => vec![*parameter],
    };
    list(column, parameters.iter().flat_map(rows_of).map(|parameter| parameter.0.into()))
}

/// ` AND ` the row is in one of these records; nothing for no record.
fn in_records(records: &[i64]) -> Sql {
    if records.is_empty() {
        return Sql::new("");
    }
    Sql::new(" AND ").append(list("e.patient", records.iter().map(|key| (*key).into())))
}

/// The resources of these types with one of these ids.
fn named(types: &[ResourceType], ids: &[String]) -> Sql {
    Sql::new("SELECT i.rid FROM resource i WHERE ")
        .append(list("i.type", types.iter().map(|one| one.number().into())))
        .sql(" AND ")
        .append(list("i.id", ids.iter().map(|id| id.as_str().into())))
}

/// One of the values; a single one as an equation, so that a query has the same text whichever way it came.
fn list(column: impl Into<Cow<'static, str>>, mut values: impl Iterator<Item = Bind>) -> Sql {
    let Some(first) = values.next() else { return Sql::new("1 = 0") };
    let Some(second) = values.next() else { return Sql::new(column).sql(" = ").bind(first) };
    let mut sql = Sql::new(column).sql(" IN (").bind(first).sql(", ").bind(second);
    for value in values {
        sql = sql.sql(", ").bind(value);
    }
    sql.sql(")")
}

fn operator(comparison: Comparison) -> &'static str {
    match comparison {
        Comparison::Less => "< ",
        Comparison::AtMost => "<= ",
        Comparison::Greater => "> ",
        Comparison::AtLeast => ">= ",
    }
}

/// The least text that is greater than every text that starts with `prefix`, in the order of code points, which is the
/// order of both databases' keys; none if there is no such text.
pub(crate) fn successor(prefix: &str) -> Option<String> {
    let mut text = prefix.to_owned();
    while let Some(last) = text.pop() {
        let next = match last {
            '\u{d7ff}' => Some('\u{e000}'),
            other => char::from_u32(u32::from(other) + 1),
        };
        if let Some(next) = next {
            text.push(next);
            return Some(text);
        }
    }
    None
}

#[cfg(test)]
mod tests;
