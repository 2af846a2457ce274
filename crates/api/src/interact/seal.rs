//! The hash chain over the audit log. Records are sealed some seconds after they have been committed, so that no request
//! waits for it: a seal lists the records it covers with their hashes, and its head covers that list and the head before.
//! A record that is committed after others with greater numbers have been sealed goes into the next seal.

use std::collections::BTreeSet;
use std::sync::Arc;

use aws_lc_rs::digest;

use super::Concord;
use crate::fault::Fault;
use crate::store::audit::Stored;
use crate::store::keys::Keys;
use crate::store::seal::Seal;
use crate::store::statement::Sql;
use crate::store::transaction::Transaction;

/// How many records one seal covers at most.
const RECORDS: i64 = 1_000;

/// How long a record is left to those that are still being committed, in milliseconds.
const SETTLED: i64 = 2_000;

/// How long after its number was made a record may come and still be sealed, in milliseconds. A transaction of the
/// database is stopped long before.
const LATE: i64 = 300_000;

/// How many problems a verification lists.
const MOST_PROBLEMS: usize = 100;

/// The head before the first seal.
const NOTHING: &str = "";

/// What one process knows of the newest seals, so that it need not read them again.
#[derive(Debug, Default)]
pub(crate) struct Sealer {
    number: i64,
    head: String,
    last: i64,
    /// The numbers of the records that have been sealed and among which a late one might stand.
    recent: BTreeSet<i64>,
}

/// Where the chain stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Head {
    /// The number of the newest seal; 0 for none.
    pub(crate) number: i64,
    /// When it was made, in milliseconds since 1970 UTC.
    pub(crate) at: i64,
    /// Its hash, in hexadecimal.
    pub(crate) head: String,
}

/// What a verification has found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Report {
    /// How many seals there are.
    pub(crate) seals: u64,
    /// How many records they cover.
    pub(crate) records: u64,
    /// How many records wait to be sealed.
    pub(crate) unsealed: u64,
    /// What is wrong, a sentence each; the first hundred.
    pub(crate) problems: Vec<String>,
    /// How many things are wrong.
    pub(crate) wrong: u64,
}

impl Report {
    fn problem(&mut self, text: String) {
        self.wrong += 1;
        if self.problems.len() < MOST_PROBLEMS {
            self.problems.push(text);
        }
    }
}

impl Sealer {
    /// Seals what has been committed, all of it or what is settled; how many records.
    ///
    /// # Errors
    /// When the database fails. That another node seals at the same time is no error.
    pub(crate) async fn run(&mut self, concord: &Arc<Concord>, all: bool) -> Result<usize, Fault> {
        let mut done = 0;
        loop {
            let known = std::mem::take(self);
            let (sealer, records) = concord
                .store
                .read(move |transaction| {
                    let mut sealer = known;
                    let upto = if all { i64::MAX } else { Keys::from(transaction.now - SETTLED) };
                    let found = sealer.catch_up(transaction).and_then(|()| sealer.unsealed(transaction, upto));
                    (found.map(|records| (sealer, records)), Vec::new())
                })
                .await?;
            *self = sealer;
            if records.is_empty() {
                return Ok(done);
            }
            let seal = self.next(concord.store.now_ms(), &records);
            let added = seal.clone();
            match concord.store.write(move |transaction| (transaction.add_seal(&added), Vec::new())).await {
                Ok(()) => {
                    done += records.len();
                    self.take(&seal);
                }
                // Another node was first; what it has sealed is read with the next round.
                Err(Fault::Conflict(_)) => {}
                Err(fault) => return Err(fault),
            }
        }
    }

    /// Reads the seals that other nodes have made, or at the start the newest ones.
    fn catch_up(&mut self, transaction: &mut Transaction<'_>) -> Result<(), Fault> {
        let condition = if self.number == 0 {
            Sql::new("s.last > ").bind(Keys::from(transaction.now - LATE))
        } else {
            Sql::new("s.number > ").bind(self.number)
        };
        for seal in transaction.seals(condition.sql(" ORDER BY s.number ASC"))? {
            self.take(&seal);
        }
        if self.number == 0
            && let Some(seal) = transaction.last_seal()?
        {
            self.take(&seal);
        }
        Ok(())
    }

    fn take(&mut self, seal: &Seal) {
        self.number = seal.number;
        self.head.clone_from(&seal.head);
        self.last = seal.last;
        self.recent.extend(lines(seal).map(|(number, _)| number));
        self.recent = self.recent.split_off(&self.window());
    }

    /// The number from which on a late record may still come.
    fn window(&self) -> i64 {
        (self.last - (LATE << 22)).max(0)
    }

    /// The next records to seal: late ones first.
    fn unsealed(&self, transaction: &mut Transaction<'_>, upto: i64) -> Result<Vec<Stored>, Fault> {
        let window = self.window();
        let sql = Sql::new("SELECT count(*) FROM audit a WHERE a.pk > ").bind(window).sql(" AND a.pk <= ");
        let counted = transaction.numbers(sql.bind(self.last))?.first().copied().unwrap_or(0);
        let known = self.recent.range(window + 1..=self.last.max(window + 1)).count();
        if usize::try_from(counted).is_ok_and(|counted| counted > known) {
            let mut late = transaction.record_numbers(window, self.last)?;
            late.retain(|number| !self.recent.contains(number));
            late.truncate(usize::try_from(RECORDS).unwrap_or(usize::MAX));
            let found = transaction.records_numbered(&late)?;
            if !found.is_empty() {
                return Ok(found);
            }
        }
        transaction.records_between(self.last, upto, RECORDS)
    }

    fn next(&self, now: i64, records: &[Stored]) -> Seal {
        let mut listed = String::new();
        for record in records {
            listed.push_str(&format!("{} {}\n", record.pk, hash(record)));
        }
        let last = records.iter().map(|record| record.pk).fold(self.last, i64::max);
        let mut seal = Seal {
            number: self.number + 1,
            at: now,
            previous: self.head.clone(),
            last,
            records: listed,
            head: String::new(),
        };
        seal.head = head(&seal);
        seal
    }
}

/// Where the chain stands.
///
/// # Errors
/// When the database fails.
pub(crate) async fn standing(concord: &Arc<Concord>) -> Result<Head, Fault> {
    let seal = concord.store.read(|transaction| (transaction.last_seal(), Vec::new())).await?;
    let nothing = Head { number: 0, at: 0, head: NOTHING.to_owned() };
    Ok(seal.map_or(nothing, |seal| Head { number: seal.number, at: seal.at, head: seal.head }))
}

/// Goes through the whole chain. `told` is called after each seal. With `known`, a head that was kept elsewhere must be
/// in it.
///
/// # Errors
/// When the database fails. What is wrong with the log is in the report.
pub(crate) async fn verify(
    concord: &Arc<Concord>,
    known: Option<&Head>,
    mut told: impl FnMut(&Report),
) -> Result<Report, Fault> {
    let mut report = Report::default();
    let (mut number, mut head, mut last) = (0_i64, NOTHING.to_owned(), 0_i64);
    // Records that stand among sealed ones and are in no seal so far.
    let mut strange: BTreeSet<i64> = BTreeSet::new();
    let mut kept = known.is_none_or(|known| known.number == 0);
    loop {
        let (after, from) = (number, last);
        let next = concord
            .store
            .read(move |transaction| {
                let condition = Sql::new("s.number > ").bind(after).sql(" ORDER BY s.number ASC LIMIT 1");
                let found = transaction.seals(condition).and_then(|mut seals| match seals.pop() {
                    Some(seal) => covered(transaction, &seal, from).map(|records| Some((seal, records))),
                    None => Ok(None),
                });
                (found, Vec::new())
            })
            .await?;
        let Some((seal, records)) = next else { break };
        check_link(&seal, number, &head, &mut report);
        if let Some(known) = known.filter(|known| known.number == seal.number) {
            kept = true;
            if known.head != seal.head {
                report.problem(format!("seal {} is not the one whose head was kept elsewhere", seal.number));
            }
        }
        check_records(&seal, &records, last, &mut strange, &mut report);
        (number, head, last) = (seal.number, seal.head, last.max(seal.last));
        told(&report);
    }
    if !kept && let Some(known) = known {
        report.problem(format!("seal {}, whose head was kept elsewhere, is missing", known.number));
    }
    let (from, recent) = (last, Keys::from(concord.store.now_ms() - LATE));
    let sql = Sql::new("SELECT count(*) FROM audit a WHERE a.pk > ").bind(from);
    let waiting = concord.store.read(move |transaction| (transaction.numbers(sql), Vec::new())).await?;
    report.unsealed = waiting.first().copied().and_then(|count| u64::try_from(count).ok()).unwrap_or(0);
    for number in strange {
        match number > recent {
            true => report.unsealed += 1,
            false => report.problem(format!("record {number} stands among sealed ones and is in no seal")),
        }
    }
    Ok(report)
}

/// The records that a seal lists, and those that stand where it would list them.
fn covered(transaction: &mut Transaction<'_>, seal: &Seal, from: i64) -> Result<Vec<Stored>, Fault> {
    let late: Vec<i64> = lines(seal).map(|(number, _)| number).filter(|number| *number <= from).collect();
    let mut records = transaction.records_numbered(&late)?;
    let mut after = from;
    loop {
        let chunk = transaction.records_between(after, seal.last, RECORDS)?;
        let Some(last) = chunk.last() else { return Ok(records) };
        after = last.pk;
        records.extend(chunk);
    }
}

fn check_link(seal: &Seal, before: i64, previous: &str, report: &mut Report) {
    report.seals += 1;
    for missing in before + 1..seal.number {
        if missing > before + 10 {
            report.problem(format!("all seals up to {} are missing", seal.number - 1));
            break;
        }
        report.problem(format!("seal {missing} is missing"));
    }
    if seal.number == before + 1 && seal.previous != previous {
        report.problem(format!("seal {} does not follow the one before it", seal.number));
    }
    if head(seal) != seal.head {
        report.problem(format!("seal {} has been changed", seal.number));
    }
}

fn check_records(seal: &Seal, records: &[Stored], from: i64, strange: &mut BTreeSet<i64>, report: &mut Report) {
    let mut listed: BTreeSet<i64> = BTreeSet::new();
    for (number, sealed) in lines(seal) {
        report.records += 1;
        listed.insert(number);
        strange.remove(&number);
        match records.iter().position(|record| record.pk == number).and_then(|at| records.get(at)) {
            None => report.problem(format!("record {number} is missing (seal {})", seal.number)),
            Some(record) if hash(record) != sealed => {
                report.problem(format!("record {number} has been changed (seal {})", seal.number));
            }
            Some(_) => {}
        }
    }
    strange.extend(records.iter().map(|record| record.pk).filter(|number| *number > from && !listed.contains(number)));
}

/// The numbers and hashes that a seal lists.
fn lines(seal: &Seal) -> impl Iterator<Item = (i64, &str)> {
    seal.records
        .lines()
        .filter_map(|line| line.split_once(' '))
        .filter_map(|(number, hash)| Some((number.parse().ok()?, hash)))
}

/// The hash of a record: every column, each with its length before it. The first 128 bits are kept.
fn hash(stored: &Stored) -> String {
    let record = &stored.record;
    let numbers = [
        stored.pk,
        stored.at,
        i64::from(record.interaction),
        i64::from(record.outcome),
        record.patient,
        i64::from(record.resource_type),
        record.version,
    ];
    let texts = [
        &stored.patient_id,
        &record.agent,
        &record.client,
        &record.purpose,
        &record.entity,
        &record.query,
        &record.reason,
        &record.request,
        &record.body,
    ];
    let mut context = digest::Context::new(&digest::SHA256);
    context.update(b"concord audit record 1");
    numbers.iter().for_each(|number| context.update(&number.to_be_bytes()));
    for text in texts {
        context.update(&u64::try_from(text.len()).unwrap_or(u64::MAX).to_be_bytes());
        context.update(text.as_bytes());
    }
    hexadecimal(context.finish().as_ref().iter().take(16))
}

/// The head of a seal.
fn head(seal: &Seal) -> String {
    let mut context = digest::Context::new(&digest::SHA256);
    context.update(b"concord audit seal 1");
    for number in [seal.number, seal.at, seal.last] {
        context.update(&number.to_be_bytes());
    }
    for text in [&seal.previous, &seal.records] {
        context.update(&u64::try_from(text.len()).unwrap_or(u64::MAX).to_be_bytes());
        context.update(text.as_bytes());
    }
    hexadecimal(context.finish().as_ref().iter())
}

fn hexadecimal<'b>(bytes: impl Iterator<Item = &'b u8>) -> String {
    bytes.map(|byte| format!("{byte:02x}")).collect()
}
