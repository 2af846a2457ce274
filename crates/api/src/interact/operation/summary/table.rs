//! The table that a section shows to people: what its entries say, in plain text.

use std::collections::HashSet;

use concord_fhir::display;
use concord_fhir::json::Value;
use concord_model::build::TableParts;

use super::sections::{Column, Table};
use crate::interact::operation::collect::{Held, Names};

/// How many values a cell shows, and how many bytes of them.
const MOST_VALUES: usize = 100;
const MOST_OF_A_CELL: usize = 10_000;
/// How many rows a table shows, and how many bytes of them; the entries are in the document themselves.
const MOST_ROWS: usize = 1_000;
const MOST_OF_A_TABLE: usize = 500_000;

/// The table of a section; none if there is nothing to tell.
pub(super) fn of(table: Table, entries: &[&Held], names: &Names) -> Option<TableParts<'static>> {
    let (headings, rows) = match table {
        Table::Answers => {
            let mut rows = Vec::new();
            entries.iter().for_each(|entry| answers(entry.value.list("item"), names, &mut rows));
            (vec!["Question", "Answer"], rows)
        }
        Table::Columns(columns) => {
            let row = |entry: &&Held| columns.iter().map(|column| cell(&entry.value, column, names)).collect();
            let rows: Vec<Vec<String>> = entries.iter().map(row).collect();
            // A column in which nothing stands tells nothing.
            let told = |at: &usize| rows.iter().any(|row| row.get(*at).is_some_and(|cell| !cell.is_empty()));
            let kept: Vec<usize> = (0..columns.len()).filter(told).collect();
            let headings = kept.iter().filter_map(|at| columns.get(*at)).map(|column| column.heading).collect();
            let cells = |row: &Vec<String>| kept.iter().filter_map(|at| row.get(*at)).cloned().collect();
            (headings, rows.iter().map(cells).collect())
        }
    };
    let rows = bounded(rows, headings.len());
    (!rows.is_empty() && !headings.is_empty()).then_some(TableParts { headings, rows })
}

/// The first rows, and how many more there are.
fn bounded(mut rows: Vec<Vec<String>>, width: usize) -> Vec<Vec<String>> {
    let mut size = 0;
    let fits = |row: &&Vec<String>| {
        size += row.iter().map(String::len).sum::<usize>();
        size <= MOST_OF_A_TABLE
    };
    let shown = rows.iter().take(MOST_ROWS).take_while(fits).count().max(1);
    let more = rows.len().saturating_sub(shown);
    if more > 0 {
        rows.truncate(shown);
        let mut last = vec![format!("and {more} more")];
        last.resize(width, String::new());
        rows.push(last);
    }
    rows
}

/// The first of the column's paths that says something of a resource.
fn cell(resource: &Value<'_>, column: &Column, names: &Names) -> String {
    let told = column.paths.iter().map(|path| {
        let mut found = Vec::new();
        walk(resource, path, &mut found);
        joined(found.into_iter().map(|value| names.text(value)))
    });
    told.into_iter().find(|text| !text.is_empty()).unwrap_or_default()
}

/// The texts, each once; of many, and of long ones, the first, and how many more there are.
fn joined(texts: impl Iterator<Item = String>) -> String {
    let mut known = HashSet::new();
    let (mut shown, mut more) = (String::new(), 0_usize);
    for text in texts.filter(|text| !text.is_empty()) {
        if !known.insert(text.clone()) {
            continue;
        }
        if more > 0 || known.len() > MOST_VALUES || (!shown.is_empty() && shown.len() + text.len() > MOST_OF_A_CELL) {
            more += 1;
            continue;
        }
        if !shown.is_empty() {
            shown.push_str("; ");
        }
        shown.push_str(&text);
    }
    if more > 0 {
        shown.push_str(&format!("; and {more} more"));
    }
    shown
}

/// Everything that a path of names leads to.
fn walk<'o, 'v>(value: &'o Value<'v>, path: &str, found: &mut Vec<&'o Value<'v>>) {
    let (name, rest) = path.split_once('.').map_or((path, None), |(name, rest)| (name, Some(rest)));
    for item in value.list(name) {
        match rest {
            Some(rest) => walk(item, rest, found),
            None => found.push(item),
        }
    }
}

/// What was answered to each question, with those inside of others.
fn answers(items: &[Value<'_>], names: &Names, rows: &mut Vec<Vec<String>>) {
    for item in items {
        let question = item.get("text").map(display::text);
        let question = question.unwrap_or_else(|| item.text("linkId").unwrap_or_default().replace('-', " "));
        let answer = joined(item.list("answer").iter().map(|answer| names.text(answer)));
        if !answer.is_empty() {
            rows.push(vec![question, answer]);
        }
        answers(item.list("item"), names, rows);
        item.list("answer").iter().for_each(|answer| answers(answer.list("item"), names, rows));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(count: usize, size: usize) -> impl Iterator<Item = String> {
        (0..count).map(move |at| format!("{at:0size$}"))
    }

    #[test]
    fn cells_and_tables_show_the_first_and_how_many_more() {
        assert_eq!(joined(["a", "", "b", "a"].map(str::to_owned).into_iter()), "a; b");
        let many = joined(texts(100_000, 1));
        assert!(many.ends_with("; 99; and 99900 more"), "{many}");
        assert!(joined(texts(1_000, 3_000)).ends_with("; and 997 more"));
        // A single one is shown as it is.
        assert_eq!(joined(texts(1, 20_000)).len(), 20_000);
        let rows = |count, size| texts(count, size).map(|text| vec![text, "b".to_owned()]).collect::<Vec<_>>();
        assert_eq!(bounded(rows(3, 1), 2), rows(3, 1));
        assert_eq!(bounded(rows(1_500, 1), 2).last(), Some(&vec!["and 500 more".to_owned(), String::new()]));
        assert_eq!(bounded(rows(200, 10_000), 2).len(), 50);
        assert_eq!(bounded(rows(20, 60_000), 2).len(), 9);
        assert_eq!(bounded(Vec::new(), 2).len(), 0);
    }
}
