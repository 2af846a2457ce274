//! Tests of a resource's labels, which stand in its row as well as in the index.

use concord_fhir::index::{ParameterId, SEPARATOR};
use concord_fhir::predicate::Test;

use super::{Lowering, many};
use crate::statement::Sql;

/// The parameter of the labels in `meta.security`, which the row of a resource has as well, one a line.
pub(crate) const SECURITY: ParameterId = ParameterId::of("_security");

/// How many labels are looked for in a row before the index is the quicker way.
const MOST_LINES: usize = 4;

/// What stands in the lines of labels of which one meets the test, with the line breaks; false if that cannot be told so.
fn lines_with(test: &Test, lines: &mut Vec<String>) -> bool {
    match test {
        Test::Is(key) => lines.push(format!("\n{key}\n")),
        Test::Starts(start) => lines.push(format!("\n{start}")),
        Test::Ends(end) => lines.push(format!("{end}\n")),
        Test::OneOf(keys) => lines.extend(keys.iter().map(|key| format!("\n{key}\n"))),
        Test::Either(tests) => return tests.iter().all(|test| lines_with(test, lines)),
        _ => return false,
    }
    true
}

impl Lowering<'_> {
    /// A test of a label: the row of a resource has its labels too, which is nearer than the index. Of many labels only
    /// whether there are any.
    pub(super) fn labelled(&self, test: &Test) -> Sql {
        let column = self.column("labels");
        let some = || Sql::new("(").sql(column.clone()).sql(" <> '' AND ");
        let mut lines = Vec::new();
        if !lines_with(test, &mut lines) || lines.len() > MOST_LINES {
            let test = self.first_parts(test).unwrap_or_else(|| self.test(test));
            let by_index = self.exists(SECURITY).sql(" AND ").append(test).sql(self.end());
            return some().append(by_index).sql(")");
        }
        let mut any = some().sql("(1 = 0");
        for line in lines {
            let within = if self.postgres { " OR strpos(chr(10) || " } else { " OR instr(char(10) || " };
            any = any.sql(within).sql(column.clone());
            any = any.sql(if self.postgres { " || chr(10), " } else { " || char(10), " }).bind(line).sql(") > 0");
        }
        any.sql("))")
    }

    /// Tests of how a key starts, of which each says all that is before the separator, as one list: a database considers
    /// an index for each of many ranges. None for other tests.
    fn first_parts(&self, test: &Test) -> Option<Sql> {
        let Test::Either(tests) = test else { return None };
        let starts: Vec<String> = tests.iter().map(many::first_part).collect::<Option<_>>()?;
        (!starts.is_empty()).then(|| self.of_first_parts(&starts))
    }

    /// What is before the separator, with that, is one of these.
    pub(super) fn of_first_parts(&self, starts: &[String]) -> Sql {
        let separator = SEPARATOR.to_string();
        let own = if self.postgres {
            Sql::new("left(e.key, strpos(e.key, ").bind(separator).sql("))")
        } else {
            Sql::new("substr(e.key, 1, instr(e.key, ").bind(separator).sql("))")
        };
        own.append(many::one_of("", starts, self.postgres))
    }
}
