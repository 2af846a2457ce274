//! The table that a section shows to people: what its entries say, in plain text.

use concord_fhir::display;
use concord_fhir::json::Value;
use concord_model::build::TableParts;

use super::sections::{Column, Table};
use crate::interact::operation::collect::{Held, Names};

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
    (!rows.is_empty() && !headings.is_empty()).then_some(TableParts { headings, rows })
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

fn joined(texts: impl Iterator<Item = String>) -> String {
    let mut parts: Vec<String> = Vec::new();
    for text in texts.filter(|text| !text.is_empty()) {
        if !parts.contains(&text) {
            parts.push(text);
        }
    }
    parts.join("; ")
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
