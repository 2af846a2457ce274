//! Whether labels are still being handed on to a version, as SQL: from each candidate up along the rows by which it inherits
//! (`label_link`, whose parts are looked up one by one), to what the backlog says has labels that have not reached all that inherits
//! from it (`transaction::effective_label::backlog`). It is asked while there is a backlog only.
//!
//! What is found is `w{n}`: keys of resources, and of older versions that are named as such. On PostgreSQL each step is a look-up for
//! each row (`OFFSET 0`), or it would go through whole tables where it knows nothing of them.

use super::Lowering;
use crate::statement::Sql;

/// What is one step further up: what it names, the version of that where it names one, what shows it or has shown it, and what is
/// called as it says.
const STEPS: [&str; 4] = [
    "SELECT t.rid, 1 FROM {w} CROSS JOIN label_source s CROSS JOIN resource t \
     WHERE s.resource = {w}.rid AND t.type = s.type AND t.id = s.id",
    "SELECT v.pk, 1 FROM {w} CROSS JOIN label_source s CROSS JOIN resource t CROSS JOIN history v \
     WHERE s.resource = {w}.rid AND s.version > 0 AND t.type = s.type AND t.id = s.id AND v.rid = t.rid \
     AND v.version = s.version",
    "SELECT c.resource, 1 FROM {w} CROSS JOIN resource m CROSS JOIN label_content c \
     WHERE m.rid = {w}.rid AND c.type = m.type AND c.id = m.id",
    "SELECT c.resource, 1 FROM {w} CROSS JOIN label_source s CROSS JOIN canonical_name c \
     WHERE s.resource = {w}.rid AND c.type = s.type AND c.url = s.id",
];

/// The same on PostgreSQL, for each row.
const STEPS_OF_EACH: [&str; 4] = [
    "SELECT t.rid FROM label_source s CROSS JOIN LATERAL \
     (SELECT n.rid FROM resource n WHERE n.type = s.type AND n.id = s.id OFFSET 0) t WHERE s.resource = {w}.rid",
    "SELECT v.pk FROM label_source s CROSS JOIN LATERAL (SELECT h.pk FROM resource n, history h WHERE n.type = s.type \
     AND n.id = s.id AND h.rid = n.rid AND h.version = s.version OFFSET 0) v WHERE s.resource = {w}.rid AND s.version > 0",
    "SELECT c.resource FROM (SELECT n.type, n.id FROM resource n WHERE n.rid = {w}.rid OFFSET 0) m CROSS JOIN LATERAL \
     (SELECT l.resource FROM label_content l WHERE l.type = m.type AND l.id = m.id OFFSET 0) c",
    "SELECT c.resource FROM label_source s CROSS JOIN LATERAL \
     (SELECT n.resource FROM canonical_name n WHERE n.type = s.type AND n.url = s.id OFFSET 0) c WHERE s.resource = {w}.rid",
];

impl Lowering<'_> {
    /// Whether it inherits, however far, from what has labels that are still being handed on.
    pub(super) fn awaits_labels(&self) -> Sql {
        let found = format!("w{}", self.depth);
        let (steps, left, end) = match self.postgres {
            true => (
                format!("SELECT l.rid, 1 FROM {{w}} CROSS JOIN LATERAL ({}) l(rid)", STEPS_OF_EACH.join(" UNION ALL ")),
                "LATERAL (SELECT b.going FROM resource m, label_backlog b WHERE m.rid = {w}.rid AND b.going = 0 \
                 AND b.type = m.type AND b.id = m.id OFFSET 0) b WHERE ",
                " OFFSET 0)",
            ),
            false => (
                STEPS.join(" UNION "),
                "resource m CROSS JOIN label_backlog b WHERE m.rid = {w}.rid AND b.going = 0 AND b.type = m.type \
                 AND b.id = m.id AND ",
                ")",
            ),
        };
        let own = self.own_key();
        let text = format!(
            "EXISTS (WITH RECURSIVE {{w}}(rid, far) AS (SELECT {own}, 0 UNION {steps}) SELECT 1 FROM {{w}} CROSS JOIN \
             {left}{{w}}.far = 1{end}"
        );
        Sql::new(text.replace("{w}", &found))
    }
}
