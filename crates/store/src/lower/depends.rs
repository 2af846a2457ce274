//! What a version shows or speaks about, as SQL: the rows along which labels are handed on, walked from each candidate.
//!
//! The keys of what is found are `u{n}`, the resource that conditions are made about is `r{n}`, and so is an older version that is named. On PostgreSQL each step is
//! a look-up for each row (`OFFSET 0`), or it would go through whole tables where it knows nothing of them.

use std::borrow::Cow;

use concord_fhir::predicate::Predicate;
use concord_fhir::registry::ResourceType;

use super::{Lowering, Rows, list};
use crate::statement::Sql;

impl Lowering<'_> {
    /// Whether it names or is shown by what meets the rest, by itself or through resources of these types.
    pub(super) fn depends_on(&self, through: &[ResourceType], then: &Predicate) -> Sql {
        let there = self.deeper();
        let found: Cow<'static, str> = Cow::Owned(format!("u{}", there.depth));
        let here = Sql::new("resource ").sql(Cow::Owned(format!("r{}", there.depth)));
        Sql::new("EXISTS (WITH RECURSIVE ")
            .sql(found.clone())
            .sql("(rid) AS (")
            .append(self.named_by(self.version_keys()))
            .sql(" UNION ")
            .append(shown_by(self.column("type"), self.column("id")))
            .sql(" UNION ")
            .append(self.step(&found, through))
            .sql(") SELECT 1 FROM ")
            .sql(found.clone())
            .append(self.each("*", here, Sql::new(there.column("rid")).sql(" = ").sql(found).sql(".rid"), &there))
            .sql(" AND ")
            .append(there.condition(then))
            .append(self.depends_on_version(through, then, &there))
            .append(self.shown_before(then, &there))
            .sql(there.end())
    }

    /// ` UNION ALL` the older versions of what shows it no more, and has shown it: what only those show is what they say it is. That a
    /// version shows it is told by its text, in which the address stands; what may be another's is taken for its own.
    fn shown_before(&self, then: &Predicate, there: &Lowering<'_>) -> Sql {
        let older = Lowering { rows: Rows::Superseded, ..*there };
        let name = format!("r{}", there.depth);
        let (type_column, id) = (self.column("type"), self.column("id"));
        let find = if self.postgres { "strpos" } else { "instr" };
        let of_it = format!("c.type = {type_column} AND c.id = {id}");
        let shows_it_now =
            format!("({find}(t.body, '/' || {id} || '\"') > 0 OR {find}(t.body, '/' || {id} || '\\\"') > 0)");
        let now = format!("t.rid = c.resource AND NOT {shows_it_now}");
        let showed_it = |version: &str| format!("{version}.rid = t.rid AND {find}({version}.body, '/' || {id}) > 0");
        let text = match self.postgres {
            true => format!(
                " UNION ALL SELECT 1 FROM label_content c CROSS JOIN LATERAL (SELECT t.rid FROM resource t WHERE {now} OFFSET 0) t \
                 CROSS JOIN LATERAL (SELECT h.* FROM history h WHERE {} OFFSET 0) {name} WHERE {of_it} AND ",
                showed_it("h")
            ),
            false => format!(
                " UNION ALL SELECT 1 FROM label_content c CROSS JOIN resource t CROSS JOIN history {name} \
                 WHERE {of_it} AND {now} AND {} AND ",
                showed_it(&name)
            ),
        };
        Sql::new(text).append(older.condition(then))
    }

    /// ` UNION ALL` the older versions that are named as such, by itself or by what is found of these types: what is said of a version
    /// says what that version said.
    fn depends_on_version(&self, through: &[ResourceType], then: &Predicate, there: &Lowering<'_>) -> Sql {
        let older = Lowering { rows: Rows::Superseded, ..*there };
        let found = Cow::<'static, str>::Owned(format!("u{}", there.depth));
        let name = Cow::<'static, str>::Owned(format!("r{}", there.depth));
        let of_types = list("m.type", through.iter().map(|one| one.number().into()));
        let keys = match (self.depth, self.rows) {
            (0, Rows::Superseded) => Sql::new("SELECT r.pk AS rid UNION ALL SELECT r.rid"),
            _ => Sql::new("SELECT ").sql(self.own_key()).sql(" AS rid"),
        };
        let keys = keys
            .sql(" UNION ALL SELECT m.rid FROM ")
            .sql(found.clone())
            .sql(" CROSS JOIN ")
            .append(self.single("resource m", Sql::new("m.rid = ").sql(found).sql(".rid AND ").append(of_types)));
        let named = Sql::new("s.resource = k.rid AND s.version <> 0");
        let sql = Sql::new(" UNION ALL SELECT 1 FROM (").append(keys).sql(") k CROSS JOIN ");
        let sql = if self.postgres {
            sql.sql("LATERAL (SELECT s.* FROM label_source s WHERE ")
                .append(named)
                .sql(" OFFSET 0) s CROSS JOIN LATERAL (SELECT h.* FROM resource t, history h WHERE t.type = s.type AND t.id = s.id")
                .sql(" AND h.rid = t.rid AND h.version = s.version OFFSET 0) ")
                .sql(name)
                .sql(" WHERE 1 = 1")
        } else {
            let version = Sql::new("t.type = s.type AND t.id = s.id AND ")
                .sql(name.clone())
                .sql(".rid = t.rid AND ")
                .sql(name.clone())
                .sql(".version = s.version");
            sql.sql("label_source s CROSS JOIN resource t CROSS JOIN history ")
                .sql(name)
                .sql(" WHERE ")
                .append(named)
                .sql(" AND ")
                .append(version)
        };
        sql.sql(" AND ").append(older.condition(then))
    }

    /// A table, ` WHERE` what follows, looked up for each row before it.
    fn single(&self, table: &'static str, one: Sql) -> Sql {
        match self.postgres {
            true => Sql::new("LATERAL (SELECT * FROM ").sql(table).sql(" WHERE ").append(one).sql(" OFFSET 0) m"),
            false => Sql::new(table).sql(" WHERE ").append(one),
        }
    }

    /// ` CROSS JOIN` the one resource that meets the condition, ` WHERE` what follows.
    fn each(&self, columns: &'static str, table: Sql, one: Sql, there: &Lowering<'_>) -> Sql {
        if !self.postgres {
            return Sql::new(" CROSS JOIN ").append(table).sql(" WHERE ").append(one);
        }
        let name = Cow::Owned(format!("r{}", there.depth));
        Sql::new(" CROSS JOIN LATERAL (SELECT ")
            .sql(columns)
            .sql(" FROM ")
            .append(table)
            .sql(" WHERE ")
            .append(one)
            .sql(" OFFSET 0) ")
            .sql(name)
            .sql(" WHERE 1 = 1")
    }

    /// The keys under which rows say what the candidate names. A superseded version is kept back by what the resource names
    /// now, too: its content is shown by what shows the resource.
    fn version_keys(&self) -> Sql {
        match (self.depth, self.rows) {
            (0, Rows::Superseded) => Sql::new("IN (r.pk, r.rid)"),
            _ => Sql::new("= ").sql(self.own_key()),
        }
    }

    /// The keys of the resources that are named under a key.
    fn named_by(&self, key: Sql) -> Sql {
        let sql = Sql::new("SELECT t.rid FROM label_source s CROSS JOIN ");
        let sql = match self.postgres {
            true => sql
                .sql("LATERAL (SELECT n.rid FROM resource n WHERE n.type = s.type AND n.id = s.id OFFSET 0) t WHERE "),
            false => sql.sql("resource t WHERE t.type = s.type AND t.id = s.id AND "),
        };
        sql.sql("s.resource ").append(key)
    }

    /// What follows from what is found already.
    fn step(&self, found: &str, through: &[ResourceType]) -> Sql {
        let of_types = || list("m.type", through.iter().map(|one| one.number().into()));
        let own = || self.named_by(Sql::new("= m.rid"));
        let shown = || shown_by("m.type".into(), "m.id".into());
        if self.postgres {
            // It may name what is found once only.
            return Sql::new("SELECT l.rid FROM ")
                .sql(found.to_owned())
                .sql(" CROSS JOIN LATERAL (SELECT m.rid, m.type, m.id FROM resource m WHERE m.rid = ")
                .sql(found.to_owned())
                .sql(".rid AND ")
                .append(of_types())
                .sql(" OFFSET 0) m CROSS JOIN LATERAL (")
                .append(own())
                .sql(" UNION ALL ")
                .append(shown())
                .sql(") l");
        }
        let from = |table: &'static str| {
            Sql::new("SELECT ")
                .sql(if table == "label_source s" { "t.rid" } else { "c.resource" })
                .sql(" FROM ")
                .sql(found.to_owned())
                .sql(" CROSS JOIN resource m CROSS JOIN ")
                .sql(table)
                .sql(if table == "label_source s" { " CROSS JOIN resource t" } else { "" })
                .sql(" WHERE m.rid = ")
                .sql(found.to_owned())
                .sql(".rid AND ")
                .append(of_types())
        };
        from("label_source s")
            .sql(" AND s.resource = m.rid AND t.type = s.type AND t.id = s.id UNION ")
            .append(from("label_content c"))
            .sql(" AND c.type = m.type AND c.id = m.id")
    }
}

/// The keys of the resources that show a resource or have shown it.
fn shown_by(type_column: Cow<'static, str>, id: Cow<'static, str>) -> Sql {
    Sql::new("SELECT c.resource FROM label_content c WHERE c.type = ").sql(type_column).sql(" AND c.id = ").sql(id)
}
