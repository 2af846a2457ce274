//! A predicate as SQL. Every leaf reads the same index entries that [`Predicate::holds`] reads in memory.
//!
//! One clause of a conjunction may drive the query as an `IN` over an index that leads with the parameter, the value
//! and the patient, so that one patient's search touches that patient's rows only; every other clause is an `EXISTS`
//! on the rows of the candidate.

use concord_fhir::index::{ParameterId, SEPARATOR};
use concord_fhir::predicate::{Comparison, Predicate, Test};
use concord_fhir::registry::ResourceType;

use super::statement::Sql;

/// The parameter of the rows that say whose record a resource is part of. Its key is the type's name.
pub(crate) const RECORD: ParameterId = ParameterId::of("_record");

/// Which rows a predicate is read over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rows {
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
pub(crate) struct Lowering<'a> {
    /// Which rows.
    pub(crate) rows: Rows,
    /// Whether the text is for PostgreSQL.
    pub(crate) postgres: bool,
    /// The key of a patient's logical id; none if no resource is part of such a record.
    pub(crate) patient_key: &'a dyn Fn(&str) -> Option<i64>,
}

impl Lowering<'_> {
    /// A condition on `r` that holds for exactly the versions that the predicate means.
    pub(crate) fn condition(&self, predicate: &Predicate) -> Sql {
        match predicate {
            Predicate::All => Sql::new("1 = 1"),
            Predicate::None => Sql::new("1 = 0"),
            Predicate::And(parts) => self.join(parts, " AND ", "1 = 1"),
            Predicate::Or(parts) => self.join(parts, " OR ", "1 = 0"),
            Predicate::Not(part) => Sql::new("NOT (").append(self.condition(part)).sql(")"),
            Predicate::Type(types) => list("r.type", types.iter().map(|resource_type| resource_type.number().into())),
            Predicate::Id(ids) => list("r.id", ids.iter().map(|id| id.as_str().into())),
            Predicate::Record(patient) => match (self.patient_key)(patient) {
                None => Sql::new("1 = 0"),
                Some(key) => self.exists(RECORD).sql(" AND e.patient = ").bind(key).sql(")"),
            },
            Predicate::NoRecord => Sql::new("r.patient = 0"),
            Predicate::Updated(comparison, wanted) => Sql::new("r.updated ").sql(operator(*comparison)).bind(*wanted),
            Predicate::Entry(parameter, Test::Present) => self.exists(*parameter).sql(")"),
            Predicate::Entry(parameter, test) => self.exists(*parameter).sql(" AND ").append(self.test(test)).sql(")"),
        }
    }

    /// The condition of a search over current versions of one type: the type, what is asked for and what is permitted.
    /// With `record`, the search can only match resources in the record of the patient with that key.
    pub(crate) fn search(&self, resource_type: ResourceType, record: Option<i64>, predicate: &Predicate) -> Sql {
        let single = std::slice::from_ref(predicate);
        let parts: &[Predicate] = match predicate {
            Predicate::And(parts) => parts,
            Predicate::All => &[],
            _ => single,
        };
        let driver = parts.iter().enumerate().filter_map(|(place, part)| Some((selectivity(part)?, place))).min();
        let driven = driver.is_some() || record.is_some();
        // With the sign, no index of the type is used: SQLite takes one wherever it is offered, and would go through
        // every resource of the type for one patient's few.
        let mut sql = Sql::new(if driven { "r.deleted = 0 AND +r.type = " } else { "r.deleted = 0 AND r.type = " });
        sql.push_bind(resource_type.number());
        match (driver, record) {
            (Some((_, place)), _) => {
                if let Some(Predicate::Entry(parameter, test)) = parts.get(place) {
                    sql.push_sql(" AND r.rid IN (SELECT e.resource FROM entry e WHERE e.parameter = ");
                    sql.push_bind(parameter.0);
                    sql.push_sql(" AND e.key <> '' AND ");
                    sql = sql.append(self.test(test));
                    if let Some(key) = record {
                        sql.push_sql(" AND e.patient = ");
                        sql.push_bind(key);
                    }
                    sql.push_sql(")");
                }
            }
            (None, Some(key)) => {
                sql = sql
                    .sql(" AND r.rid IN (SELECT e.resource FROM entry e WHERE e.parameter = ")
                    .bind(RECORD.0)
                    .sql(" AND e.key <> '' AND e.key = ")
                    .bind(resource_type.name())
                    .sql(" AND e.patient = ")
                    .bind(key)
                    .sql(")");
            }
            (None, None) => {}
        }
        for (place, part) in parts.iter().enumerate() {
            // The rows that drive the query bear the record's key already.
            let said = matches!(part, Predicate::Record(patient)
                if record.is_some() && record == (self.patient_key)(patient));
            if driver.is_none_or(|(_, chosen)| chosen != place) && !said {
                sql = sql.sql(" AND ").append(self.condition(part));
            }
        }
        sql
    }

    fn exists(&self, parameter: ParameterId) -> Sql {
        Sql::new("EXISTS (SELECT 1 FROM ")
            .sql(self.rows.entries())
            .sql(" e WHERE e.resource = ")
            .sql(self.rows.key())
            .sql(" AND e.parameter = ")
            .bind(parameter.0)
    }

    fn join(&self, parts: &[Predicate], between: &'static str, empty: &'static str) -> Sql {
        let mut all = Sql::new("(");
        if parts.is_empty() {
            all.push_sql(empty);
        }
        for (place, part) in parts.iter().enumerate() {
            if place > 0 {
                all.push_sql(between);
            }
            all = all.append(self.condition(part));
        }
        all.sql(")")
    }

    fn test(&self, test: &Test) -> Sql {
        match test {
            Test::Present => Sql::new("1 = 1"),
            Test::Is(wanted) => Sql::new("e.key = ").bind(wanted.as_str()),
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
            Test::Either(tests) => self.join_tests(tests, " OR ", "1 = 0"),
        }
    }

    fn join_tests(&self, tests: &[Test], between: &'static str, empty: &'static str) -> Sql {
        let mut all = Sql::new("(");
        if tests.is_empty() {
            all.push_sql(empty);
        }
        for (place, test) in tests.iter().enumerate() {
            if place > 0 {
                all.push_sql(between);
            }
            all = all.append(self.test(test));
        }
        all.sql(")")
    }
}

/// How few rows a clause is likely to leave, smaller is fewer; none for one that cannot drive a query through the
/// index of keys. A token without a system may lead anywhere, so an exact key comes first; status and category
/// values are few and common, which is why a key with more text is preferred among equals.
fn selectivity(predicate: &Predicate) -> Option<usize> {
    let Predicate::Entry(_, test) = predicate else { return None };
    fn rank(test: &Test) -> Option<usize> {
        match test {
            // The index of keys leaves out the rows that have none.
            Test::Is(key) if !key.is_empty() => Some(1_000 - key.len().min(900)),
            Test::Starts(key) if !key.is_empty() => Some(2_000 - key.len().min(900)),
            Test::Either(tests) if !tests.is_empty() => {
                tests.iter().map(rank).try_fold(0, |most, each| Some(most.max(each?)))
            }
            Test::Every(tests) => tests.iter().filter_map(rank).min(),
            _ => None,
        }
    }
    rank(test)
}

fn list(column: &'static str, values: impl Iterator<Item = super::statement::Bind>) -> Sql {
    let mut sql = Sql::new(column).sql(" IN (");
    let mut any = false;
    for value in values {
        if any {
            sql.push_sql(", ");
        }
        sql.push_bind(value);
        any = true;
    }
    if any { sql.sql(")") } else { Sql::new("1 = 0") }
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
fn successor(prefix: &str) -> Option<String> {
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
mod tests {
    use super::*;

    #[test]
    fn successor_skips_what_is_no_character() {
        assert_eq!(successor("abc").as_deref(), Some("abd"));
        assert_eq!(successor("a\u{10ffff}").as_deref(), Some("b"));
        assert_eq!(successor("\u{d7ff}").as_deref(), Some("\u{e000}"));
        assert_eq!(successor("\u{10ffff}"), None);
        assert_eq!(successor(""), None);
    }

    #[test]
    fn a_search_in_one_record_is_driven_by_its_most_selective_key() {
        let lowering = Lowering { rows: Rows::Current, postgres: false, patient_key: &|_| Some(7) };
        let observation = ResourceType::parse("Observation").unwrap();
        let code =
            Predicate::Entry(ParameterId::of("Observation.code"), Test::Is("85354-9\u{1f}http://loinc.org".to_owned()));
        let status = Predicate::Entry(ParameterId::of("Observation.status"), Test::Starts("final\u{1f}".to_owned()));
        let sql =
            lowering.search(observation, Some(7), &status.clone().and(code).and(Predicate::Record("a".to_owned())));
        assert_eq!(
            sql.text(),
            "r.deleted = 0 AND +r.type = ? AND r.rid IN (SELECT e.resource FROM entry e WHERE e.parameter = ? AND \
             e.key <> '' AND e.key = ? AND e.patient = ?) AND EXISTS (SELECT 1 FROM entry e WHERE e.resource = r.rid \
             AND e.parameter = ? AND e.key >= ? AND e.key < ?)"
        );
        let bare = lowering.search(observation, Some(7), &Predicate::Record("a".to_owned()));
        assert!(bare.text().contains("e.parameter = ? AND e.key <> '' AND e.key = ? AND e.patient = ?"));
    }

    #[test]
    fn an_unknown_patient_has_no_rows() {
        let lowering = Lowering { rows: Rows::Current, postgres: true, patient_key: &|_| None };
        assert_eq!(lowering.condition(&Predicate::Record("x".to_owned())).text(), "1 = 0");
        assert_eq!(lowering.condition(&Predicate::Type(vec![])).text(), "1 = 0");
    }
}
