//! Going along the chain of the log, link by link, wherever the links are: what was changed, taken out, put in or moved, and
//! whether it leads through the heads that were kept elsewhere.

use std::collections::BTreeSet;
use std::sync::Arc;

use concord_store::audit::Stored;
use concord_store::audit::chain_links::ChainLink;
use concord_store::audit::period::Period;
use concord_store::transaction::Transaction;

use super::chain::{self, Head, NOTHING, RECORDS};
use crate::error::ApiError;
use crate::interact::{Service, instant};

/// How many problems a verification lists.
const MOST_PROBLEMS: usize = 100;

/// What a verification has found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Report {
    /// How many links there are.
    pub(crate) links: u64,
    /// How many records they cover.
    pub(crate) records: u64,
    /// How many records are not in the chain yet.
    pub(crate) unlinked: u64,
    /// The number of the last link that is in the file of a closed period and no longer in the database.
    pub(crate) closed: u64,
    /// What is wrong, a sentence each; the first hundred.
    pub(crate) problems: Vec<String>,
    /// How many things are wrong.
    pub(crate) wrong: u64,
}

impl Report {
    pub(super) fn problem(&mut self, text: String) {
        self.wrong += 1;
        if self.problems.len() < MOST_PROBLEMS {
            self.problems.push(text);
        }
    }
}

/// Somebody who goes along the chain, link by link.
pub(super) struct Walk<'h> {
    pub(super) report: Report,
    /// The number of the last link.
    pub(super) number: i64,
    /// Its head.
    pub(super) head: String,
    /// The greatest number of a record so far.
    pub(super) last: i64,
    /// Records that stand among those of the chain and are in no link so far.
    strange: BTreeSet<i64>,
    /// The heads that were kept elsewhere and have not been come to, by their numbers.
    heads: &'h [Head],
}

impl<'h> Walk<'h> {
    /// From before the first link, by these heads.
    pub(super) fn begin(heads: &'h [Head]) -> Walk<'h> {
        let first = heads.iter().take_while(|head| head.number == 0).count();
        Walk {
            report: Report::default(),
            number: 0,
            head: NOTHING.to_owned(),
            last: 0,
            strange: BTreeSet::new(),
            heads: heads.get(first..).unwrap_or_default(),
        }
    }

    /// On from the end of a closed period, whose links are not looked at, nor the heads up to there.
    pub(super) fn go_on_from(&mut self, period: &Period) {
        (self.number, self.last) = (period.number, period.last);
        self.head.clone_from(&period.head);
        while let Some((kept, rest)) = self.heads.split_first().filter(|(kept, _)| kept.number <= period.number) {
            self.heads = rest;
            if kept.number == period.number && kept.head != period.head {
                self.report.problem(format!("link {} is not the one whose head was kept elsewhere", kept.number));
            }
        }
    }

    /// The next link, with the records that it lists and those that stand where it would list them.
    pub(super) fn step(&mut self, link: &ChainLink, records: &[Stored]) {
        self.check_link(link);
        self.check_heads(link);
        self.check_records(link, records);
        (self.number, self.last) = (link.number, self.last.max(link.last));
        self.head.clone_from(&link.head);
    }

    fn check_link(&mut self, link: &ChainLink) {
        let (before, report) = (self.number, &mut self.report);
        report.links += 1;
        for missing in before + 1..link.number {
            if missing > before + 10 {
                report.problem(format!("all links up to {} are missing", link.number - 1));
                break;
            }
            report.problem(format!("link {missing} is missing"));
        }
        if link.number == before + 1 && link.previous != self.head {
            report.problem(format!("link {} does not follow the one before it", link.number));
        }
        if chain::head(link) != link.head {
            report.problem(format!("link {} has been changed", link.number));
        }
    }

    fn check_heads(&mut self, link: &ChainLink) {
        while let Some((kept, rest)) = self.heads.split_first().filter(|(kept, _)| kept.number <= link.number) {
            self.heads = rest;
            if kept.number < link.number {
                self.report.problem(format!("link {}, whose head was kept elsewhere, is missing", kept.number));
            } else if kept.head != link.head {
                self.report.problem(format!(
                    "link {} is not the one whose head was kept elsewhere ({}): a backup of before was restored, which \
                     `concord audit restored` tells of, or the log was made anew",
                    link.number,
                    instant(kept.at)
                ));
            }
        }
    }

    fn check_records(&mut self, link: &ChainLink, records: &[Stored]) {
        let (from, report) = (self.last, &mut self.report);
        let mut listed: BTreeSet<i64> = BTreeSet::new();
        for (number, hashed) in chain::lines(link) {
            report.records += 1;
            listed.insert(number);
            self.strange.remove(&number);
            match records.iter().position(|record| record.pk == number).and_then(|at| records.get(at)) {
                None => report.problem(format!("record {number} is missing (link {})", link.number)),
                Some(record) if chain::hash(record) != hashed => {
                    report.problem(format!("record {number} has been changed (link {})", link.number));
                }
                Some(_) => {}
            }
        }
        let stand = records.iter().map(|record| record.pk);
        self.strange.extend(stand.filter(|number| *number > from && !listed.contains(number)));
    }

    /// What is left when there are no more links. `recent`: from which number on a record may still be added.
    pub(super) fn end(mut self, recent: i64) -> Report {
        if let [first, rest @ ..] = self.heads {
            let more = match rest.last() {
                Some(last) => format!(", and {} more up to link {} ({})", rest.len(), last.number, instant(last.at)),
                None => String::new(),
            };
            let why = match self.report.wrong {
                0 => {
                    "; all before it is as it was, so that a backup of before was restored, which `concord audit restored` \
                     tells of, or the end was cut off"
                }
                _ => "",
            };
            self.report.problem(format!("link {}, whose head was kept elsewhere, is missing{more}{why}", first.number));
        }
        for number in self.strange {
            match number > recent {
                true => self.report.unlinked += 1,
                false => {
                    let text = format!("record {number} stands among those of the chain and is in no link");
                    self.report.problem(text);
                }
            }
        }
        self.report
    }
}

/// The link after this one, with its records.
pub(super) async fn next_link(
    service: &Arc<Service>,
    after: i64,
    from: i64,
) -> Result<Option<(ChainLink, Vec<Stored>)>, ApiError> {
    service
        .store
        .read(move |transaction| {
            let found =
                transaction.links_after(after, Some(1)).map_err(ApiError::from).and_then(|mut links| {
                    match links.pop() {
                        Some(link) => covered(transaction, &link, from).map(|records| Some((link, records))),
                        None => Ok(None),
                    }
                });
            (found, Vec::new())
        })
        .await
}

/// The records that a link lists, and those that stand where it would list them.
fn covered(transaction: &mut Transaction<'_>, link: &ChainLink, from: i64) -> Result<Vec<Stored>, ApiError> {
    let late: Vec<i64> = chain::lines(link).map(|(number, _)| number).filter(|number| *number <= from).collect();
    let mut records = transaction.records_numbered(&late)?;
    let mut after = from;
    loop {
        let chunk = transaction.records_between(after, link.last, RECORDS)?;
        let Some(last) = chunk.last() else { return Ok(records) };
        after = last.pk;
        records.extend(chunk);
    }
}
