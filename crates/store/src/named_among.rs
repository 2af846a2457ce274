//! Which of some resources are among what a predicate means.

use std::collections::BTreeMap;

use concord_fhir::predicate::Predicate;
use concord_fhir::registry::ResourceType;
use diesel::sql_types::{BigInt, SmallInt, Text};

use crate::error::StoreError;
use crate::lower::Rows;
use crate::statement::Sql;
use crate::transaction::Transaction;

/// How many names one statement looks up.
const NAMES_AT_ONCE: usize = 200;

/// A resource that is among those that were asked for.
#[derive(Debug)]
pub struct NamedIn {
    /// Its type.
    pub resource_type: ResourceType,
    /// Its logical id.
    pub id: String,
    /// The key of the record that it is in; none where it is in several.
    pub record: Option<i64>,
}

impl Transaction<'_> {
    /// Which of these there are among what a predicate means, deleted or not, each with the key of the record that it is in, or
    /// none where it is in several: for what is taken out of an answer, and told to nobody.
    ///
    /// # Errors
    /// When the database fails.
    pub fn named_among(
        &mut self,
        names: &[(ResourceType, String)],
        predicate: &Predicate,
    ) -> Result<Vec<NamedIn>, StoreError> {
        let meant = self.lowered(Rows::Current, predicate, |lowering| lowering.condition(predicate))?;
        let mut found = Vec::new();
        for some in names.chunks(NAMES_AT_ONCE) {
            let mut by_type: BTreeMap<i16, Vec<&str>> = BTreeMap::new();
            for (resource_type, id) in some {
                by_type.entry(resource_type.number()).or_default().push(id);
            }
            let mut sql = Sql::new("SELECT r.type, r.id, r.patient, r.patients FROM resource r WHERE (1 = 0");
            for (number, ids) in by_type {
                sql = sql.sql(" OR (r.type = ").bind(number).sql(" AND r.id IN (NULL");
                sql = ids.into_iter().fold(sql, |sql, id| sql.sql(", ").bind(id)).sql("))");
            }
            let sql = sql.sql(") AND ").append(meant.clone());
            let ask = |own: &mut Self| {
                own.rows_of_any_shape::<(SmallInt, Text, BigInt, SmallInt), (i16, String, i64, i16)>(sql)
            };
            for (number, id, patient, patients) in self.asking(predicate, ask)? {
                let record = (patients <= 1).then_some(patient);
                found.extend(ResourceType::from_number(number).map(|resource_type| NamedIn {
                    resource_type,
                    id,
                    record,
                }));
            }
        }
        Ok(found)
    }
}
