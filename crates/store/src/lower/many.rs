//! What is asked of hundreds of values, in a statement that does not grow with them: a list of keys is one value, and
//! what stays many parts is a tree whose depth is the logarithm of their number. SQLite bounds both the depth of an
//! expression and the number of values of a statement.

use concord_fhir::index::SEPARATOR;
use concord_fhir::predicate::Test;

use super::{Lowering, list};
use crate::statement::{Bind, Sql};

/// How many keys stand in the text one by one, so that those of ordinary searches are planned with each of them in sight.
pub(super) const FEW: usize = 64;

/// How many parts stand side by side. A database reads them as a tree that is as deep.
const SIDE_BY_SIDE: usize = 32;

/// The text is one of these.
pub(super) fn one_of(column: &'static str, keys: &[String], postgres: bool) -> Sql {
    if postgres {
        return Sql::new(column).sql(" = ANY(").bind(Bind::Texts(keys.to_vec())).sql(")");
    }
    if keys.len() <= FEW {
        return list(column, keys.iter().map(|key| key.as_str().into()));
    }
    Sql::new(column).sql(" IN (SELECT value FROM json_each(").bind(json(keys)).sql("))")
}

/// The number is one of these.
pub(crate) fn one_of_numbers(column: &'static str, numbers: &[i64], postgres: bool) -> Sql {
    if postgres {
        return Sql::new(column).sql(" = ANY(").bind(Bind::Bigs(numbers.to_vec())).sql(")");
    }
    if numbers.len() <= FEW {
        return list(column, numbers.iter().map(|number| (*number).into()));
    }
    let all = numbers.iter().map(i64::to_string).collect::<Vec<String>>().join(",");
    Sql::new(column).sql(" IN (SELECT value FROM json_each(").bind(format!("[{all}]")).sql("))")
}

/// A list of texts as JSON.
fn json(keys: &[String]) -> String {
    let mut text = String::from("[");
    for (place, key) in keys.iter().enumerate() {
        text.push_str(if place > 0 { ",\"" } else { "\"" });
        for letter in key.chars() {
            match letter {
                '"' => text.push_str("\\\""),
                '\\' => text.push_str("\\\\"),
                control if control < ' ' => text.push_str(&format!("\\u{:04x}", u32::from(control))),
                other => text.push(other),
            }
        }
        text.push('"');
    }
    text.push(']');
    text
}

/// The conditions of the parts, with a word between them, in parentheses.
pub(super) fn joined<T>(parts: &[T], between: &'static str, empty: &'static str, one: &impl Fn(&T) -> Sql) -> Sql {
    let mut all = Sql::new("(");
    if parts.is_empty() {
        all.push_sql(empty);
    }
    if parts.len() > SIDE_BY_SIDE {
        let (left, right) = parts.split_at(parts.len() / 2);
        return all
            .append(joined(left, between, empty, one))
            .sql(between)
            .append(joined(right, between, empty, one))
            .sql(")");
    }
    for (place, part) in parts.iter().enumerate() {
        if place > 0 {
            all.push_sql(between);
        }
        all = all.append(one(part));
    }
    all.sql(")")
}

impl Lowering<'_> {
    /// At least one of many tests: those for whole keys as one list.
    pub(super) fn either(&self, tests: &[Test]) -> Sql {
        fn sort<'t>(tests: &'t [Test], keys: &mut Vec<String>, others: &mut Vec<&'t Test>) {
            for test in tests {
                match test {
                    Test::Is(key) => keys.push(key.clone()),
                    Test::OneOf(several) => keys.extend(several.iter().cloned()),
                    Test::Either(tests) => sort(tests, keys, others),
                    other => others.push(other),
                }
            }
        }
        let (mut keys, mut others) = (Vec::new(), Vec::new());
        sort(tests, &mut keys, &mut others);
        let mut starts = Vec::new();
        if others.iter().filter(|test| first_part(test).is_some()).count() > FEW {
            others.retain(|test| match first_part(test) {
                Some(start) => {
                    starts.push(start);
                    false
                }
                None => true,
            });
        }
        let mut any = Vec::new();
        if !keys.is_empty() {
            any.push(one_of("e.key", &keys, self.postgres));
        }
        if !starts.is_empty() {
            any.push(self.of_first_parts(&starts));
        }
        if !others.is_empty() {
            any.push(joined(&others, " OR ", "1 = 0", &|test| self.test(test)));
        }
        joined(&any, " OR ", "1 = 0", &Sql::clone)
    }
}

/// What a key starts with, if that is all before the separator.
pub(super) fn first_part(test: &Test) -> Option<String> {
    match test {
        Test::Starts(start) if start.find(SEPARATOR) == start.rfind(SEPARATOR) => {
            start.ends_with(SEPARATOR).then(|| start.clone())
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_json_whatever_is_in_it() {
        let keys = ["a\u{1f}b", "\"", "\\", "é"].map(str::to_owned);
        assert_eq!(json(&keys), "[\"a\\u001fb\",\"\\\"\",\"\\\\\",\"é\"]");
        assert_eq!(json(&[]), "[]");
    }

    #[test]
    fn many_parts_are_no_deep_tree() {
        let parts: Vec<i64> = (0..10_000).collect();
        let text = joined(&parts, " OR ", "1 = 0", &|part| Sql::new("x = ").bind(*part)).text();
        let mut depth = 0_usize;
        let deepest = text.chars().map(|letter| {
            match letter {
                '(' => depth += 1,
                ')' => depth -= 1,
                _ => {}
            }
            depth
        });
        assert!(deepest.max() <= Some(12));
        assert_eq!(text.matches(" OR ").count(), 9_999);
    }
}
