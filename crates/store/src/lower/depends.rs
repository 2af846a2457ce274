//! What a version shows or speaks about, as SQL: the rows along which labels are handed on, walked from each candidate.
//!
//! The walk is `u{n}`, the resource that conditions are made about is `r{n}`, and so is an older version that is named. A row of the
//! walk is a link (step 0: from which key, to what), or a resource whose links are followed next (step 1). What is followed is
//! followed to its last link before the next, so that of what is bounded no more is read than that and one resource's links.
//! On PostgreSQL each step is a look-up for each row (`OFFSET 0`), or it would go through whole tables where it knows nothing of
//! them.

use std::borrow::Cow;

use concord_fhir::predicate::{MOST_LINKS, Predicate};
use concord_fhir::registry::ResourceType;

use super::{Lowering, Rows, list};
use crate::statement::Sql;

/// How many bytes the texts of older versions may have that are gone through for one resource: more than one of the longest.
const MOST_BYTES: usize = 16 * 1024 * 1024;

/// The columns of a walk.
const COLUMNS: &str = "(step, rid, type, id, version) AS (";

impl Lowering<'_> {
    /// Whether it names or is shown by what meets the rest, by itself or through resources of these types; or leads to more than
    /// may be looked at.
    pub(super) fn depends_on(&self, through: &[ResourceType], then: &Predicate) -> Sql {
        let there = self.deeper();
        let walk: Cow<'static, str> = Cow::Owned(format!("u{}", there.depth));
        let links = i64::try_from(MOST_LINKS).unwrap_or(i64::MAX);
        let mut sql = Sql::new("EXISTS (WITH RECURSIVE ")
            .sql(walk.clone())
            .sql(COLUMNS)
            .append(named_by(self.version_keys()))
            .sql(" UNION ")
            .append(self.shown_by(self.column("rid"), self.column("type"), self.column("id")));
        if !through.is_empty() {
            sql = sql.sql(" UNION ").append(self.step(&walk, through));
        }
        if !self.postgres {
            sql = sql.sql(" ORDER BY 1 LIMIT ").bind(links + 1);
        }
        sql = sql.sql(") SELECT 1 FROM (SELECT DISTINCT n.type, n.id, n.version, count(*) OVER () AS links FROM ");
        sql = match self.postgres {
            true => sql.sql("(SELECT * FROM ").sql(walk).sql(" LIMIT ").bind(links + 1).sql(") n"),
            false => sql.sql(walk).sql(" n"),
        };
        sql.sql(") n WHERE (n.links > ")
            .bind(links)
            .sql(" OR ")
            .append(self.is_meant(then, &there))
            .sql(" OR (n.version <> 0 AND ")
            .append(self.version_is_meant(then, &there))
            .sql("))")
            .append(self.shown_before(then, &there))
            .sql(there.end())
    }

    /// ` UNION ALL` the older versions of what shows it no more, and has shown it: what only those show is what they say it is. That a
    /// version shows it is told by its text, in which the address stands; what may be another's is taken for its own. So many texts
    /// are gone through as links are followed, and so many bytes of them: beyond, it counts as shown by what is looked for.
    fn shown_before(&self, then: &Predicate, there: &Lowering<'_>) -> Sql {
        let older = Lowering { rows: Rows::Superseded, ..*there };
        let name = format!("r{}", there.depth);
        let (type_column, id) = (self.column("type"), self.column("id"));
        let find = if self.postgres { "strpos" } else { "instr" };
        let of_it = format!("c.type = {type_column} AND c.id = {id}");
        let shows_it_now =
            format!("({find}(t.body, '/' || {id} || '\"') > 0 OR {find}(t.body, '/' || {id} || '\\\"') > 0)");
        let now = format!("t.rid = c.resource AND NOT {shows_it_now}");
        let (versions, one) = match self.postgres {
            true => (
                format!(
                    "SELECT h.pk, h.bytes FROM label_content c CROSS JOIN LATERAL (SELECT t.rid FROM resource t WHERE {now} \
                     OFFSET 0) t CROSS JOIN LATERAL (SELECT h.pk, octet_length(h.body) AS bytes FROM history h \
                     WHERE h.rid = t.rid OFFSET 0) h WHERE {of_it}"
                ),
                format!("LATERAL (SELECT h.* FROM history h WHERE h.pk = v.pk OFFSET 0) {name} WHERE "),
            ),
            false => (
                format!(
                    "SELECT h.pk, octet_length(h.body) AS bytes FROM label_content c CROSS JOIN resource t \
                     CROSS JOIN history h WHERE {of_it} AND {now} AND h.rid = t.rid"
                ),
                format!("history {name} WHERE {name}.pk = v.pk AND "),
            ),
        };
        let text = format!(
            " UNION ALL SELECT 1 FROM (SELECT v.pk, count(*) OVER () AS number, sum(v.bytes) OVER () AS bytes \
             FROM ({versions} LIMIT {}) v) v CROSS JOIN {one}(v.number > {MOST_LINKS} OR v.bytes > {MOST_BYTES} OR \
             ({find}({name}.body, '/' || {id}) > 0 AND ",
            MOST_LINKS + 1
        );
        Sql::new(text).append(older.condition(then)).sql("))")
    }

    /// Whether what a link leads to meets the rest.
    fn is_meant(&self, then: &Predicate, there: &Lowering<'_>) -> Sql {
        let name: Cow<'static, str> = Cow::Owned(format!("r{}", there.depth));
        let sql = Sql::new("EXISTS (SELECT 1 FROM ");
        let of = |sql: Sql| sql.sql(name.clone()).sql(".type = n.type AND ").sql(name.clone()).sql(".id = n.id");
        let sql = match self.postgres {
            true => of(sql.sql("(SELECT * FROM resource ").sql(name.clone()).sql(" WHERE "))
                .sql(" OFFSET 0) ")
                .sql(name.clone())
                .sql(" WHERE "),
            false => of(sql.sql("resource ").sql(name.clone()).sql(" WHERE ")).sql(" AND "),
        };
        sql.append(there.condition(then)).sql(there.end())
    }

    /// Whether the older version does that a link names as such: what is said of a version says what that version said.
    fn version_is_meant(&self, then: &Predicate, there: &Lowering<'_>) -> Sql {
        let older = Lowering { rows: Rows::Superseded, ..*there };
        let name: Cow<'static, str> = Cow::Owned(format!("r{}", there.depth));
        let sql = Sql::new("EXISTS (SELECT 1 FROM ");
        let sql = match self.postgres {
            true => sql
                .sql("(SELECT h.* FROM resource t, history h WHERE t.type = n.type AND t.id = n.id AND h.rid = t.rid")
                .sql(" AND h.version = n.version OFFSET 0) ")
                .sql(name)
                .sql(" WHERE "),
            false => sql
                .sql("resource t CROSS JOIN history ")
                .sql(name.clone())
                .sql(" WHERE t.type = n.type AND t.id = n.id AND ")
                .sql(name.clone())
                .sql(".rid = t.rid AND ")
                .sql(name)
                .sql(".version = n.version AND "),
        };
        sql.append(older.condition(then)).sql(older.end())
    }

    /// The keys under which rows say what the candidate names. A superseded version is kept back by what the resource names
    /// now, too: its content is shown by what shows the resource.
    fn version_keys(&self) -> Sql {
        match (self.depth, self.rows) {
            (0, Rows::Superseded) => Sql::new("IN (r.pk, r.rid)"),
            _ => Sql::new("= ").sql(self.own_key()),
        }
    }

    /// What follows from what is found already: of a link the resource to which it leads, where that is of one of these types,
    /// and of that its links.
    fn step(&self, walk: &str, through: &[ResourceType]) -> Sql {
        let column = |name: &str| Cow::<'static, str>::Owned(format!("{walk}.{name}"));
        let leads_on = |sql: Sql| {
            sql.sql(column("step"))
                .sql(" = 0 AND ")
                .append(list(column("type"), through.iter().map(|one| one.number().into())))
                .sql(" AND t.type = ")
                .sql(column("type"))
                .sql(" AND t.id = ")
                .sql(column("id"))
        };
        let is_followed = |sql: Sql| sql.sql(column("step")).sql(" = 1 AND ");
        let key = || Sql::new("= ").sql(column("rid"));
        if self.postgres {
            // It may name what is found once only.
            let resource =
                Sql::new("(SELECT 1 AS step, t.rid, t.type, t.id, CAST(0 AS BIGINT) AS version FROM resource t WHERE ");
            return Sql::new("SELECT l.* FROM ")
                .sql(walk.to_owned())
                .sql(" CROSS JOIN LATERAL (")
                .append(leads_on(resource))
                .sql(" OFFSET 0) UNION ALL (")
                .append(is_followed(named_by(key()).sql(" AND ")))
                .sql("1 = 1 OFFSET 0) UNION ALL (")
                .append(self.shown_by(column("rid"), column("type"), column("id")))
                .append(is_followed(Sql::new(" AND ")))
                .sql("1 = 1 OFFSET 0)) l");
        }
        let from = |columns: &'static str, table: &'static str| {
            Sql::new("SELECT ").sql(columns).sql(walk.to_owned()).sql(" CROSS JOIN ").sql(table).sql(" WHERE ")
        };
        leads_on(from("1, t.rid, t.type, t.id, 0 FROM ", "resource t"))
            .sql(" UNION SELECT 0, ")
            .sql(column("rid"))
            .sql(", s.type, s.id, s.version FROM ")
            .sql(walk.to_owned())
            .sql(" CROSS JOIN label_source s WHERE ")
            .append(is_followed(Sql::new("")))
            .sql("s.resource = ")
            .sql(column("rid"))
            .sql(" UNION SELECT 0, ")
            .sql(column("rid"))
            .sql(", n.type, n.id, 0 FROM ")
            .sql(walk.to_owned())
            .sql(" CROSS JOIN label_content c CROSS JOIN resource n WHERE ")
            .append(is_followed(Sql::new("")))
            .sql("c.type = ")
            .sql(column("type"))
            .sql(" AND c.id = ")
            .sql(column("id"))
            .sql(" AND n.rid = c.resource")
    }

    /// The links from a resource to those that show it or have shown it.
    fn shown_by(&self, key: Cow<'static, str>, type_column: Cow<'static, str>, id: Cow<'static, str>) -> Sql {
        let sql = Sql::new("SELECT 0, ").sql(key);
        let sql = match self.postgres {
            true => sql
                .sql(", n.type, n.id, CAST(0 AS BIGINT) FROM label_content c CROSS JOIN LATERAL (SELECT m.type, m.id FROM ")
                .sql("resource m WHERE m.rid = c.resource OFFSET 0) n WHERE c.type = "),
            false => sql
                .sql(", n.type, n.id, 0 FROM label_content c CROSS JOIN resource n WHERE n.rid = c.resource AND c.type = "),
        };
        sql.sql(type_column).sql(" AND c.id = ").sql(id)
    }
}

/// The links to what is named under a key.
fn named_by(key: Sql) -> Sql {
    Sql::new("SELECT 0, s.resource, s.type, s.id, s.version FROM label_source s WHERE s.resource ").append(key)
}
