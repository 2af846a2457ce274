//! Other resources as SQL: chains and `_has`. What the caller may see of those resources is in the predicate
//! already (`interact::access::guard`); a deleted resource is never reached.
//!
//! The resource at the other end of link n is `r{n}`, and the row that leads there or back is `h{n}`.

use std::borrow::Cow;

use concord_fhir::index::{ParameterId, SEPARATOR};
use concord_fhir::predicate::Predicate;
use concord_fhir::registry::{ResourceType, canonical_url, canonical_version, refers_by_url};

use crate::lower::{Lowering, Rows};
use crate::statement::Sql;

impl Lowering<'_> {
    /// The same for the resource at the other end of a link.
    pub(crate) fn deeper(&self) -> Lowering<'_> {
        Lowering {
            rows: Rows::Current,
            postgres: self.postgres,
            patient_key: self.patient_key,
            depth: self.depth.saturating_add(1),
            in_record: false,
        }
    }

    /// A column of the row that leads over the chain to the resource that conditions are made about.
    fn link(&self, name: &'static str) -> Cow<'static, str> {
        Cow::Owned(format!("h{}.{name}", self.depth))
    }

    fn tables(&self) -> Cow<'static, str> {
        Cow::Owned(format!("resource r{0}, entry h{0}", self.depth))
    }

    /// A chain, for each candidate.
    pub(crate) fn through(&self, parameter: ParameterId, types: &[ResourceType], then: &Predicate) -> Sql {
        let there = self.deeper();
        let mut any = Sql::new("(1 = 0");
        for one in types {
            let row = Sql::new(" OR EXISTS (SELECT 1 FROM ")
                .sql(there.tables())
                .sql(" WHERE ")
                .sql(there.link("resource"))
                .sql(" = ")
                .sql(self.column("rid"))
                .sql(" AND ")
                .sql(there.link("parameter"))
                .sql(" = ")
                .bind(parameter.0)
                .sql(" AND ")
                .sql(there.column("deleted"))
                .sql(" = 0 AND ")
                .sql(there.column("type"))
                .sql(" = ")
                .bind(one.number())
                .sql(" AND ");
            let by_id = there.names(*one).sql(" AND ").sql(there.column("id")).sql(" = ").append(there.named(*one));
            let linked = match canonical_url(*one).filter(|_| refers_by_url(parameter)) {
                None => by_id,
                Some(url) => Sql::new("((")
                    .append(by_id)
                    .sql(") OR ")
                    .sql(there.column("rid"))
                    .sql(" IN (SELECT u.resource FROM entry u WHERE u.key <> '' AND u.parameter = ")
                    .bind(url.0)
                    .sql(" AND u.key = ")
                    .sql(there.link("key"))
                    .sql(")")
                    .append(there.of_version(*one, there.column("rid")))
                    .sql(")"),
            };
            any = any.append(row).append(linked).sql(" AND ").append(there.condition(then)).sql(self.end());
        }
        any.sql(")")
    }

    /// `_has`, for each candidate.
    pub(crate) fn reverse_chain(
        &self,
        target: ResourceType,
        resource_type: ResourceType,
        parameter: ParameterId,
        by: &Predicate,
    ) -> Sql {
        let there = self.deeper();
        let by_id = Sql::new(there.link("key")).sql(" = ").bind(prefix(target)).sql(" || ").sql(self.column("id"));
        let linked = match canonical_url(target).filter(|_| refers_by_url(parameter)) {
            None => by_id,
            Some(url) => Sql::new("(")
                .append(by_id)
                .sql(" OR ")
                .sql(there.link("key"))
                .sql(" IN (SELECT u.key FROM entry u WHERE u.resource = ")
                .sql(self.column("rid"))
                .sql(" AND u.parameter = ")
                .bind(url.0)
                .sql(")")
                .append(there.of_version(target, self.column("rid")))
                .sql(")"),
        };
        // With the sign, SQLite does not go through every resource of the type for one that is a candidate already.
        Sql::new(if self.postgres { "(" } else { "(+" })
            .sql(self.column("type"))
            .sql(" = ")
            .bind(target.number())
            .sql(" AND EXISTS (SELECT 1 FROM ")
            .sql(there.tables())
            .sql(" WHERE ")
            .sql(there.link("parameter"))
            .sql(" = ")
            .bind(parameter.0)
            .sql(" AND ")
            .sql(there.link("key"))
            .sql(" <> '' AND ")
            .append(linked)
            .sql(" AND ")
            .sql(there.column("rid"))
            .sql(" = ")
            .sql(there.link("resource"))
            .sql(" AND ")
            .sql(there.column("deleted"))
            .sql(" = 0 AND ")
            .sql(there.column("type"))
            .sql(" = ")
            .bind(resource_type.number())
            .sql(" AND ")
            .append(there.condition(by))
            .sql(self.end())
            .sql(")")
    }

    /// ` AND ` the row of a url names no version of it, or the one that the resource with that key has. A url with a version
    /// has a row without it too.
    fn of_version(&self, target: ResourceType, resource: Cow<'static, str>) -> Sql {
        let versions = |more: &'static str| {
            Sql::new("EXISTS (SELECT 1 FROM entry w")
                .sql(more)
                .sql(" WHERE w.resource = ")
                .sql(self.link("resource"))
                .sql(" AND w.parameter = ")
                .sql(self.link("parameter"))
        };
        let url = || Cow::Owned(format!("{} || '|'", self.link("key")));
        let sql = Sql::new(" AND (NOT ").append(versions(""));
        // `}` follows `|`.
        let sql = sql.sql(" AND w.key >= ").sql(url()).sql(" AND w.key < ");
        let sql = sql.sql(self.link("key")).sql(" || '}')");
        let Some(version) = canonical_version(target) else { return sql.sql(")") };
        sql.sql(" OR ")
            .append(versions(", entry v"))
            .sql(" AND v.resource = ")
            .sql(resource)
            .sql(" AND v.parameter = ")
            .bind(version.0)
            .sql(" AND w.key || ")
            .bind(SEPARATOR.to_string())
            .sql(" = ")
            .sql(url())
            .sql(" || v.key))")
    }

    /// A chain that drives the query: the other end is searched first.
    pub(crate) fn leading_chain(&self, chain: &Predicate) -> Sql {
        let there = self.deeper();
        match chain {
            Predicate::Chain { parameter, types, then } => {
                let Some(one) = types.first() else { return Sql::new("1 = 0") };
                let (before, found) = there.search_led(types, then);
                Sql::new(self.column("rid"))
                    .sql(" IN (SELECT ")
                    .sql(there.link("resource"))
                    .sql(" FROM ")
                    .sql(before)
                    .sql(there.tables())
                    .sql(" WHERE ")
                    .append(found)
                    .sql(" AND ")
                    .append(there.leads(*parameter))
                    .sql(" = ")
                    .bind(prefix(*one))
                    .sql(" || ")
                    .sql(there.column("id"))
                    .sql(")")
            }
            Predicate::ReverseChain { target, resource_type, parameter, by } => {
                let (before, found) = there.search_led(&[*resource_type], by);
                Sql::new(self.column("type"))
                    .sql(" = ")
                    .bind(target.number())
                    .sql(" AND ")
                    .sql(self.column("id"))
                    .sql(" IN (SELECT ")
                    .append(there.named(*target))
                    .sql(" FROM ")
                    .sql(before)
                    .sql(there.tables())
                    .sql(" WHERE ")
                    .append(found)
                    .sql(" AND ")
                    .sql(there.link("resource"))
                    .sql(" = ")
                    .sql(there.column("rid"))
                    .sql(" AND ")
                    .sql(there.link("parameter"))
                    .sql(" = ")
                    .bind(parameter.0)
                    .sql(" AND ")
                    .append(there.names(*target))
                    .sql(")")
            }
            other => self.condition(other),
        }
    }

    /// The row's parameter, and then its key for a comparison.
    fn leads(&self, parameter: ParameterId) -> Sql {
        Sql::new(self.link("parameter"))
            .sql(" = ")
            .bind(parameter.0)
            .sql(" AND ")
            .sql(self.link("key"))
            .sql(" <> '' AND ")
            .sql(self.link("key"))
    }

    /// The row names a resource of the type.
    fn names(&self, resource_type: ResourceType) -> Sql {
        // `0` follows `/`.
        Sql::new(self.link("key"))
            .sql(" >= ")
            .bind(prefix(resource_type))
            .sql(" AND ")
            .sql(self.link("key"))
            .sql(" < ")
            .bind(format!("{resource_type}0"))
    }

    /// The logical id that the row names, for a row that names one of the type.
    fn named(&self, resource_type: ResourceType) -> Sql {
        let from = i32::try_from(resource_type.name().len()).unwrap_or(i32::MAX).saturating_add(2);
        Sql::new("substr(").sql(self.link("key")).sql(", ").bind(from).sql(")")
    }
}

fn prefix(resource_type: ResourceType) -> String {
    format!("{resource_type}/")
}
