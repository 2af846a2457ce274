//! Closing a period of the log: its links and records are written to a file, which is signed, and taken out of the database.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;

use concord_store::audit::Stored;
use concord_store::audit::chain_links::ChainLink;
use concord_store::audit::period::Period;

use super::chain;
use super::heads::Key;
use super::period::{Writing, end_line, link_line, message, record_line, walk_file};
use super::period_index;
use super::walk::{Walk, next_link};
use crate::interact::Service;

/// How long a period must have been over, in milliseconds: what is committed late has come by then.
pub(crate) const OVER_FOR_MS: i64 = 86_400_000;

/// Closes the period that ends with the last link before that time: writes its file to the folder, reads it again, and takes its
/// links and records out of the database. None if there is no such link. What an earlier call has left there is taken out too.
///
/// # Errors
/// One line, when the chain of the period is not whole, or the file cannot be written or the database changed.
pub(crate) async fn close(
    service: &Arc<Service>,
    folder: &Path,
    before_ms: i64,
    key: &Key,
    mut told: impl FnMut(i64),
) -> Result<Option<Period>, String> {
    let closed = service.store.read(|transaction| (transaction.periods(), Vec::new())).await;
    let closed = closed.map_err(database)?.pop();
    take_out(service, closed.as_ref().map_or(0, |period| period.number), &mut told).await?;
    let mut walk = Walk::begin(&[]);
    if let Some(period) = &closed {
        walk.go_on_from(period);
    }
    let (after, previous) = (walk.number, walk.head.clone());
    let part = folder.join("audit-closing.part");
    let name = part.display().to_string();
    let io = |error: std::io::Error| format!("{name}: {error}");
    let mut writing = Writing::begin(&part).map_err(io)?;
    let mut at = 0;
    while let Some((link, records)) = next_link(service, walk.number, walk.last).await.map_err(database)? {
        if link.at >= before_ms {
            break;
        }
        write_link(&mut writing, &link, &records).map_err(io)?;
        walk.step(&link, &records);
        at = link.at;
        told(link.number);
    }
    let (number, last, head) = (walk.number, walk.last, walk.head.clone());
    let report = walk.end(i64::MAX);
    if let Some(problem) = report.problems.first() {
        let _left = fs::remove_file(&part);
        return Err(format!("the log is not whole, so it is not closed: {problem}"));
    }
    if number == after {
        fs::remove_file(&part).map_err(io)?;
        return Ok(None);
    }
    let period = Period {
        number,
        after,
        previous,
        at,
        last,
        head,
        records: writing.records,
        sha256: String::new(),
        file: format!("audit-{:012}-{number:012}.ndjson", after + 1),
        public_key: key.public(),
        signature: String::new(),
    };
    let period = sign(writing, period, key).map_err(io)?;
    finish(service, folder, &part, &period, closed.as_ref()).await?;
    take_out(service, period.number, &mut told).await?;
    Ok(Some(period))
}

fn database(fault: impl std::fmt::Display) -> String {
    format!("the database: {fault}")
}

/// Writes a link and the records that it lists.
fn write_link(writing: &mut Writing, link: &ChainLink, records: &[Stored]) -> std::io::Result<()> {
    writing.line(link_line(link))?;
    let listed: BTreeSet<i64> = chain::lines(link).map(|(number, _)| number).collect();
    for record in records.iter().filter(|record| listed.contains(&record.pk)) {
        writing.line(record_line(record))?;
        writing.records += 1;
    }
    Ok(())
}

/// Ends the file with what is signed of it.
fn sign(writing: Writing, period: Period, key: &Key) -> std::io::Result<Period> {
    let Writing { mut out, sum, .. } = writing;
    let mut period = Period { sha256: chain::hexadecimal(sum.finish().as_ref().iter()), ..period };
    period.signature = key.sign(&message(&period));
    writeln!(out, "{}", end_line(&period))?;
    out.into_inner().map_err(std::io::IntoInnerError::into_error)?.sync_all()?;
    Ok(period)
}

/// Gives the file its name, reads it again as whoever verifies does, and notes that the period is closed.
async fn finish(
    service: &Arc<Service>,
    folder: &Path,
    part: &Path,
    period: &Period,
    before: Option<&Period>,
) -> Result<(), String> {
    let to = folder.join(&period.file);
    if to.exists() {
        return Err(format!("{}: there is a file already", to.display()));
    }
    fs::rename(part, &to)
        .and_then(|()| File::open(folder)?.sync_all())
        .map_err(|error| format!("{}: {error}", to.display()))?;
    let mut walk = Walk::begin(&[]);
    if let Some(before) = before {
        walk.go_on_from(before);
    }
    walk_file(folder, period, &mut walk)?;
    if let Some(problem) = walk.end(i64::MAX).problems.first() {
        return Err(format!("{}: {problem}", to.display()));
    }
    // Whoever answers from the file finds in it by its index.
    let told = |error: String| format!("{}: {error}", to.display());
    let file = File::open(&to).map_err(|error| told(error.to_string()))?;
    period_index::open(folder, period, &file).map_err(told)?;
    let noted = period.clone();
    let closed = service.store.write(move |transaction| (transaction.close_period(&noted), Vec::new())).await;
    closed.map_err(database)
}

/// Takes the links up to this one out of the database, with their records, a transaction each.
async fn take_out(service: &Arc<Service>, upto: i64, told: &mut impl FnMut(i64)) -> Result<(), String> {
    loop {
        let next = service.store.read(|transaction| (transaction.links_after(0, Some(1)), Vec::new())).await;
        let next = next.map_err(database)?.pop();
        let Some(link) = next.filter(|link| link.number <= upto) else { return Ok(()) };
        told(link.number);
        let listed: Vec<i64> = chain::lines(&link).map(|(number, _)| number).collect();
        let done =
            service.store.write(move |transaction| (transaction.take_out_link(link.number, &listed), Vec::new())).await;
        done.map_err(|fault| format!("the database: {fault}; what is closed stays so: run the command again"))?;
    }
}
