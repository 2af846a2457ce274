//! Point reads on PostgreSQL: those that wait at the same time are looked up by one statement, and their audit records
//! committed together. What costs is the way to the database and back, more than the rows.

use std::sync::mpsc::{Receiver, Sender};

use concord_fhir::registry::ResourceType;
use tokio::sync::oneshot;

use super::audit::Record;
use super::connection::Connection;
use super::postgres::{Append, Waiting};
use super::rows::Head;
use super::statement::{Bind, Sql};
use super::transaction::Transaction;
use super::{Reply, Shared, gathered, guarded};
use crate::fault::Fault;

/// How many reads may share a statement.
const TOGETHER: usize = 64;

/// A read that waits for its resource to be looked up.
pub(super) struct Point {
    pub(super) resource_type: ResourceType,
    pub(super) id: String,
    pub(super) work: Box<dyn Look>,
}

/// What a read does with what was found.
pub(super) trait Look: Send {
    /// Runs it; its audit records, or none at all if it wanted another statement.
    fn run(&mut self, transaction: &mut Transaction<'_>) -> Option<Vec<Record>>;
    /// Answers, once the records are durable or could not be made so.
    fn answer(self: Box<Self>, logged: Result<(), Fault>);
    /// Gives the work back, to be done in a transaction of its own.
    fn give_back(self: Box<Self>);
}

/// What became of a read.
pub(super) enum Looked<T, F> {
    /// It is done and in the log.
    Answered(Result<T, Fault>),
    /// It takes more than one statement.
    Needs(F),
}

pub(super) struct Work<T, F> {
    pub(super) work: F,
    pub(super) result: Option<Result<T, Fault>>,
    pub(super) reply: oneshot::Sender<Looked<T, F>>,
}

impl<T, F> Look for Work<T, F>
where
    T: Send,
    F: Fn(&mut Transaction<'_>) -> Reply<T> + Send,
{
    fn run(&mut self, transaction: &mut Transaction<'_>) -> Option<Vec<Record>> {
        let (result, records) = guarded(&self.work, transaction);
        if transaction.exceeded {
            return None;
        }
        self.result = Some(result);
        Some(records)
    }

    fn answer(self: Box<Self>, logged: Result<(), Fault>) {
        let result = match (self.result, logged) {
            (Some(result), Ok(())) => result,
            (_, Err(fault)) => Err(fault),
            (None, Ok(())) => Err(Fault::Internal("a read was answered before it was run".to_owned())),
        };
        // A caller that has gone away needs no answer.
        let _gone = self.reply.send(Looked::Answered(result));
    }

    fn give_back(self: Box<Self>) {
        let _gone = self.reply.send(Looked::Needs(self.work));
    }
}

/// Takes the reads that wait, looks them up, and hands them on with their records. Each is decided by what the one
/// statement saw: the resource and the versions of the facts, at one moment.
pub(super) fn look_loop(
    mut connection: Connection,
    shared: &Shared,
    points: &Receiver<Point>,
    appends: &Sender<Append>,
    repair: impl Fn(&mut Connection),
) {
    while let Ok(first) = points.recv() {
        let waiting = gathered(first, points, TOGETHER);
        let Ok(found) = Transaction::new(&mut connection, shared).heads(&waiting) else {
            // Each finds out for itself what is wrong.
            waiting.into_iter().for_each(|point| point.work.give_back());
            if connection.is_broken() {
                repair(&mut connection);
            }
            continue;
        };
        let (mut records, mut done) = (Vec::with_capacity(waiting.len()), Vec::with_capacity(waiting.len()));
        for (point, head) in waiting.into_iter().zip(found) {
            let Point { resource_type, id, mut work } = point;
            let mut transaction = Transaction::with_head(&mut connection, shared, (resource_type, id, head));
            match work.run(&mut transaction) {
                Some(own) => {
                    records.extend(own);
                    done.push(work);
                }
                None => work.give_back(),
            }
        }
        if !done.is_empty()
            && let Err(unsent) = appends.send((records, Waiting::Looks(done)))
        {
            unsent.0.1.tell(false);
        }
    }
}

impl Transaction<'_> {
    /// The current versions of several resources, none where there is none, in the order in which they were asked for.
    fn heads(&mut self, points: &[Point]) -> Result<Vec<Option<Head>>, Fault> {
        let mut found: Vec<Option<Head>> = points.iter().map(|_| None).collect();
        let places = (0_i64..).take(points.len()).collect();
        let asked = Sql::new("unnest(")
            .bind(Bind::Smalls(points.iter().map(|point| point.resource_type.number()).collect()))
            .sql(", ")
            .bind(Bind::Texts(points.iter().map(|point| point.id.clone()).collect()))
            .sql(", ")
            .bind(Bind::Bigs(places))
            .sql(") AS w(type, id, place) JOIN resource r ON r.type = w.type AND r.id = w.id");
        for (place, head) in self.heads_from(asked, "w.place")? {
            if let Some(slot) = usize::try_from(place).ok().and_then(|place| found.get_mut(place)) {
                *slot = Some(head);
            }
        }
        Ok(found)
    }
}
