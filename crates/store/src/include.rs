//! What comes along with a page of a search: what its resources refer to, and what refers to them.

use concord_fhir::index::ParameterId;
use concord_fhir::predicate::Predicate;
use concord_fhir::registry::ResourceType;

use crate::error::StoreError;
use crate::lower::Rows;
use crate::rows::Version;
use crate::statement::{Bind, Sql};
use crate::transaction::Transaction;
use crate::transaction::bodies::{Holding, Reading};

/// How the resources that are looked for hang together with those that there are.
#[derive(Clone, Copy, Debug)]
pub enum Linked<'a> {
    /// They have one of these logical ids.
    Ids(&'a [String]),
    /// They have one of these keys for this parameter: the urls by which others refer to them.
    Urls(ParameterId, &'a [String]),
    /// They have one of these keys for one of these parameters: those by which they refer to others.
    Referring(&'a [ParameterId], &'a [String]),
}

/// How many come along.
pub struct Along<'a> {
    /// How many are looked up, known ones among them.
    pub limit: usize,
    /// Of how many the bodies are wanted.
    pub shown: usize,
    /// Whether one is known already, by its key.
    pub is_known: &'a dyn Fn(i64) -> bool,
}

impl Transaction<'_> {
    /// The keys, each once, that some resources have for some parameters.
    ///
    /// # Errors
    /// When the database fails.
    pub fn keys_of(&mut self, resources: &[i64], parameters: &[ParameterId]) -> Result<Vec<String>, StoreError> {
        let sql = Sql::new("SELECT DISTINCT e.key FROM entry e WHERE ")
            .append(one_of("e.resource", resources.iter().map(|key| (*key).into())))
            .sql(" AND ")
            .append(one_of("e.parameter", parameters.iter().map(|one| one.0.into())));
        self.texts(sql)
    }

    /// The keys that a resource has for a parameter.
    ///
    /// # Errors
    /// When the database fails.
    pub fn keys_of_one(&mut self, resource: i64, parameter: ParameterId) -> Result<Vec<String>, StoreError> {
        let sql = Sql::new("SELECT e.key FROM entry e WHERE e.resource = ").bind(resource);
        self.texts(sql.sql(" AND e.parameter = ").bind(parameter.0))
    }

    /// The current versions of a type that are linked so and that the predicate permits, by their keys, but for those that are
    /// known. They take of the room for bodies, the first `shown` of them; others have none.
    ///
    /// # Errors
    /// When the database fails; [`StoreError::BeyondAnswer`] when there is no room for their bodies.
    pub fn linked(
        &mut self,
        resource_type: ResourceType,
        linked: Linked<'_>,
        permit: &Predicate,
        along: &Along<'_>,
    ) -> Result<Vec<Version>, StoreError> {
        let permitted = self.lowered(Rows::Current, permit, |lowering| lowering.condition(permit))?;
        let condition =
            Sql::new("r.deleted = 0 AND ").append(self.link(resource_type, linked)).sql(" AND ").append(permitted);
        let limit = i64::try_from(along.limit).unwrap_or(i64::MAX);
        let from = self.sorted(Rows::Current, condition, &[("r.rid", "ASC")], limit);
        let Along { shown, is_known, .. } = *along;
        let reading = Reading { rows: Rows::Current, from, shown, holding: Holding::Answer, is_known, besides: None };
        let found = self.read_bodies(reading)?;
        if found.beyond.is_some() {
            return Err(self.exceed_bodies());
        }
        self.take_bodies(found.versions.iter().take(shown))?;
        Ok(found.versions)
    }

    fn link(&self, resource_type: ResourceType, linked: Linked<'_>) -> Sql {
        // With the sign, SQLite does not go through every resource of the type where rows of the index lead to them.
        let led = if self.is_postgres() { "r.type = " } else { "+r.type = " };
        let of_type = |column: &'static str| Sql::new(column).bind(resource_type.number()).sql(" AND ");
        match linked {
            Linked::Ids(ids) => of_type("r.type = ").append(one_of("r.id", texts(ids))),
            Linked::Urls(parameter, urls) => of_type(led)
                .sql("r.rid IN (SELECT u.resource FROM entry u WHERE u.key <> '' AND u.parameter = ")
                .bind(parameter.0)
                .sql(" AND ")
                .append(one_of("u.key", texts(urls)))
                .sql(")"),
            Linked::Referring(parameters, keys) => of_type(led)
                .sql("r.rid IN (SELECT e.resource FROM entry e WHERE e.key <> '' AND ")
                .append(one_of("e.parameter", parameters.iter().map(|one| one.0.into())))
                .sql(" AND ")
                .append(one_of("e.key", texts(keys)))
                .sql(")"),
        }
    }
}

fn texts(values: &[String]) -> impl ExactSizeIterator<Item = Bind> {
    values.iter().map(|value| value.as_str().into())
}

/// The column has one of the values; not one of none.
fn one_of(column: &'static str, values: impl ExactSizeIterator<Item = Bind>) -> Sql {
    let mut sql = Sql::new(if values.len() == 0 { "1 = 0 AND " } else { "" }).sql(column).sql(" IN (NULL");
    for value in values {
        sql = sql.sql(", ").bind(value);
    }
    sql.sql(")")
}
