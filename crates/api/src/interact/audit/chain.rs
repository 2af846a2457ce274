//! The hash chain over the audit log. Records are added to it some seconds after they have been committed, so that no
//! request waits for it: a link lists the records it covers with their hashes, and its head covers that list and the head
//! before. A record that is committed after others with greater numbers have been added goes into the next link.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use aws_lc_rs::digest;
use concord_store::StoreError;
use concord_store::audit::Stored;
use concord_store::audit::chain_links::ChainLink;
use concord_store::keys::Keys;
use concord_store::transaction::Transaction;

use crate::error::ApiError;
use crate::interact::Service;

/// How many records one link covers at most.
pub(super) const RECORDS: i64 = 1_000;

/// How long a record is left to those that are still being committed, in milliseconds.
const SEALED_AFTER_MS: i64 = 2_000;

/// How long after its number was made a record may come and still be added, in milliseconds. A transaction of the
/// database is stopped long before.
pub(super) const LATE: i64 = 300_000;

/// The head before the first link.
pub(super) const NOTHING: &str = "";

/// What one process knows of the newest links, so that it need not read them again.
#[derive(Debug, Default)]
pub(crate) struct ChainWriter {
    number: i64,
    head: String,
    last: i64,
    /// The numbers of the records that are in the chain and among which a late one might stand.
    recent: BTreeSet<i64>,
    /// When it was last looked how far the log goes, in milliseconds since 1970 UTC, and the number that it went to then.
    seen: Option<(i64, i64)>,
}

/// The head of the chain as it is now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Head {
    /// The number of the newest link; 0 for none.
    pub(crate) number: i64,
    /// When it was made, in milliseconds since 1970 UTC.
    pub(crate) at: i64,
    /// Its hash, in hexadecimal.
    pub(crate) head: String,
}

impl ChainWriter {
    /// Adds what has been committed to the chain, all of it or what is settled; how many records.
    ///
    /// # Errors
    /// When the database fails. That another node does so at the same time is no error.
    pub(crate) async fn run(&mut self, service: &Arc<Service>, all: bool) -> Result<usize, ApiError> {
        let mut done = 0;
        let mut upto = all.then_some(i64::MAX);
        // To look for late ones takes the longer the more records there are: once a run is enough.
        let mut look = true;
        loop {
            let known = std::mem::take(self);
            let (writer, (records, end, are_late)) = service
                .store
                .read(move |transaction| {
                    let mut writer = known;
                    let found = writer.catch_up(transaction).and_then(|()| {
                        let end = upto.map_or_else(|| writer.settled(transaction), Ok)?;
                        let late = if look { writer.late(transaction)? } else { Vec::new() };
                        Ok(match late.is_empty() {
                            true => (transaction.records_between(writer.last, end, RECORDS)?, end, false),
                            false => (late, end, true),
                        })
                    });
                    (found.map(|found| (writer, found)), Vec::new())
                })
                .await?;
            *self = writer;
            upto = Some(end);
            look = are_late;
            if records.is_empty() {
                let last = self.last;
                let left =
                    service.store.read(move |transaction| (transaction.count_unsealed(last), Vec::new())).await?;
                service.unsealed.store(left, Ordering::Relaxed);
                return Ok(done);
            }
            let link = self.next(service.store.now_ms(), &records);
            let added = link.clone();
            match service.store.write(move |transaction| (transaction.add_link(&added), Vec::new())).await {
                Ok(()) => {
                    done += records.len();
                    self.take(&link);
                }
                // Another node was first; what it has added is read with the next round.
                Err(StoreError::Conflict(_)) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Reads the links that other nodes have made, or at the start the newest ones.
    fn catch_up(&mut self, transaction: &mut Transaction<'_>) -> Result<(), ApiError> {
        let newer = if self.number == 0 {
            match transaction.last_link()? {
                // All among whose records a late one might stand.
                Some(last) => transaction.links_beyond((last.last - (LATE << 22)).max(-1))?,
                None => Vec::new(),
            }
        } else {
            transaction.links_after(self.number, None)?
        };
        newer.iter().for_each(|link| self.take(link));
        Ok(())
    }

    /// Up to which number all has been committed: what was numbered long enough ago, and what was there long enough ago,
    /// whatever clock it was numbered by.
    fn settled(&mut self, transaction: &mut Transaction<'_>) -> Result<i64, ApiError> {
        let by_clock = Keys::from(transaction.now - SEALED_AFTER_MS);
        let seen = self.seen.filter(|(when, _)| transaction.now - when >= SEALED_AFTER_MS);
        if self.seen.is_none() || seen.is_some() {
            self.seen = Some((transaction.now, transaction.newest_record()?));
        }
        Ok(seen.map_or(by_clock, |(_, number)| by_clock.max(number)))
    }

    fn take(&mut self, link: &ChainLink) {
        self.number = link.number;
        self.head.clone_from(&link.head);
        self.last = link.last;
        self.recent.extend(lines(link).map(|(number, _)| number));
        self.recent = self.recent.split_off(&self.window());
    }

    /// The number from which on a late record may still come.
    fn window(&self) -> i64 {
        (self.last - (LATE << 22)).max(0)
    }

    /// The records that were committed after others with greater numbers had been added, as many as a link covers.
    fn late(&self, transaction: &mut Transaction<'_>) -> Result<Vec<Stored>, ApiError> {
        let window = self.window();
        let counted = transaction.count_records(window, Some(self.last))?;
        let known = self.recent.range(window + 1..=self.last.max(window + 1)).count();
        if usize::try_from(counted).is_ok_and(|counted| counted <= known) {
            return Ok(Vec::new());
        }
        let mut late = transaction.record_numbers(window, self.last)?;
        late.retain(|number| !self.recent.contains(number));
        late.truncate(usize::try_from(RECORDS).unwrap_or(usize::MAX));
        Ok(transaction.records_numbered(&late)?)
    }

    fn next(&self, now: i64, records: &[Stored]) -> ChainLink {
        let mut listed = String::new();
        for record in records {
            listed.push_str(&format!("{} {}\n", record.pk, hash(record)));
        }
        let last = records.iter().map(|record| record.pk).fold(self.last, i64::max);
        let mut link = ChainLink {
            number: self.number + 1,
            at: now,
            previous: self.head.clone(),
            last,
            records: listed,
            head: String::new(),
        };
        link.head = head(&link);
        link
    }
}

/// The head of the chain as it is now.
///
/// # Errors
/// When the database fails.
pub(crate) async fn current_head(service: &Arc<Service>) -> Result<Head, ApiError> {
    let link = service.store.read(|transaction| (transaction.last_link(), Vec::new())).await?;
    let nothing = Head { number: 0, at: 0, head: NOTHING.to_owned() };
    Ok(link.map_or(nothing, |link| Head { number: link.number, at: link.at, head: link.head }))
}

/// The numbers and hashes that a link lists.
pub(super) fn lines(link: &ChainLink) -> impl Iterator<Item = (i64, &str)> {
    link.records
        .lines()
        .filter_map(|line| line.split_once(' '))
        .filter_map(|(number, hash)| Some((number.parse().ok()?, hash)))
}

/// The hash of a record: every column, each with its length before it. The first 128 bits are kept.
pub(super) fn hash(stored: &Stored) -> String {
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

/// The head of a link.
pub(super) fn head(link: &ChainLink) -> String {
    let mut context = digest::Context::new(&digest::SHA256);
    context.update(b"concord audit seal 1");
    for number in [link.number, link.at, link.last] {
        context.update(&number.to_be_bytes());
    }
    for text in [&link.previous, &link.records] {
        context.update(&u64::try_from(text.len()).unwrap_or(u64::MAX).to_be_bytes());
        context.update(text.as_bytes());
    }
    hexadecimal(context.finish().as_ref().iter())
}

pub(super) fn hexadecimal<'b>(bytes: impl Iterator<Item = &'b u8>) -> String {
    bytes.map(|byte| format!("{byte:02x}")).collect()
}
