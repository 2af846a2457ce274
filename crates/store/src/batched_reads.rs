//! Point reads on PostgreSQL: those that wait at the same time are looked up by one statement, and their audit records
//! committed together. What costs is the way to the database and back, more than the rows.

use concord_fhir::registry::ResourceType;

use crate::audit::Record;
use crate::connection::Connection;
use crate::error::{StoreError, WorkError};
use crate::fair_queue::Asker;
use crate::line::Waits;
use crate::rows::Head;
use crate::shared_queue::{SharedQueue, Worker};
use crate::slot::Slot;
use crate::statement::{Bind, Sql};
use crate::transaction::Transaction;
use crate::transaction::large_bodies::Bodies;
use crate::{Reply, Shared, guarded, reply, stopped};

/// How many reads may share a statement.
const TOGETHER: usize = 64;

/// A read that waits for its resource to be looked up.
pub(crate) struct WaitingRead {
    pub(crate) resource_type: ResourceType,
    pub(crate) id: String,
    pub(crate) work: Box<dyn PointRead>,
    /// Until it is answered.
    pub(crate) waits: Waits,
}

/// What a read does with what was found.
pub(crate) trait PointRead: Send {
    /// Whether somebody waits for its answer.
    fn is_waited_for(&self) -> bool;
    /// Runs it; its audit records, or none at all if it wanted another statement.
    fn run(&mut self, transaction: &mut Transaction<'_>) -> Option<Vec<Record>>;
    /// Answers, once the records are durable or could not be made so.
    fn answer(self: Box<Self>, logged: Result<(), StoreError>);
    /// Gives the work back, to be done in a transaction of its own.
    fn give_back(self: Box<Self>);
}

/// Audit records for PostgreSQL's log, and who waits for them.
pub(crate) type Append = (Vec<Record>, Waiting);

/// Who waits for audit records to be durable.
pub(crate) enum Waiting {
    /// With a place in the line.
    Append(reply::Sender<Result<(), StoreError>>, Waits),
    PointReads(Vec<(Box<dyn PointRead>, Waits)>),
}

impl Waiting {
    pub(crate) fn tell(self, logged: Result<(), &StoreError>) {
        let result = || match logged {
            Ok(()) => Ok(()),
            Err(StoreError::NoSpace(seconds)) => Err(StoreError::NoSpace(*seconds)),
            Err(_) => Err(StoreError::Busy(1)),
        };
        match self {
            // Whoever is told has a place no more.
            Waiting::Append(done, waits) => {
                drop(waits);
                let _gone = done.send(result());
            }
            Waiting::PointReads(reads) => reads.into_iter().for_each(|(read, waits)| {
                drop(waits);
                read.answer(result());
            }),
        }
    }
}

/// What became of a read.
pub(crate) enum PointReadOutcome<T, E, F> {
    /// It is done and in the log.
    Answered(Result<T, E>),
    /// It takes more than one statement.
    Needs(F),
}

pub(crate) struct Work<T, E, F> {
    pub(crate) work: F,
    pub(crate) result: Option<Result<T, E>>,
    pub(crate) reply: reply::Sender<PointReadOutcome<T, E, F>>,
}

impl<T, E, F> PointRead for Work<T, E, F>
where
    T: Send,
    E: WorkError,
    F: Fn(&mut Transaction<'_>) -> Reply<T, E> + Send,
{
    fn is_waited_for(&self) -> bool {
        !self.reply.is_closed()
    }

    fn run(&mut self, transaction: &mut Transaction<'_>) -> Option<Vec<Record>> {
        let (result, records) = guarded(&self.work, transaction);
        if transaction.exceeded {
            return None;
        }
        self.result = Some(result);
        Some(records)
    }

    fn answer(self: Box<Self>, logged: Result<(), StoreError>) {
        let result = match (self.result, logged) {
            (Some(result), Ok(())) => result,
            (_, Err(fault)) => Err(fault.into()),
            (None, Ok(())) => Err(StoreError::Internal("a read was answered before it was run".to_owned()).into()),
        };
        // A caller that has gone away needs no answer.
        let _gone = self.reply.send(PointReadOutcome::Answered(result));
    }

    fn give_back(self: Box<Self>) {
        let _gone = self.reply.send(PointReadOutcome::Needs(self.work));
    }
}

/// Takes the reads that wait, looks them up, and hands them on with their records. Those that come while there is no
/// database are dropped, and so told to come again; those that nobody waits for any longer are not begun.
pub(crate) fn read_batches(
    mut slot: Slot,
    shared: &Shared,
    points: &Worker<WaitingRead>,
    appends: &SharedQueue<Append>,
) {
    while let Some(mut waiting) = points.next(TOGETHER) {
        waiting.retain(|point| {
            shared.observer.waited(point.waits.so_far());
            point.work.is_waited_for()
        });
        if waiting.is_empty() {
            continue;
        }
        let _away = slot.with(|connection| read_batch(connection, shared, waiting, appends));
    }
}

/// Each is decided by what the one statement saw: the resource and the versions of the facts, at one moment.
fn read_batch(connection: &mut Connection, shared: &Shared, waiting: Vec<WaitingRead>, appends: &SharedQueue<Append>) {
    let Ok(found) = Transaction::new(connection, shared).heads(&waiting) else {
        // Each finds out for itself what is wrong.
        reply::together(|| waiting.into_iter().for_each(|point| point.work.give_back()));
        return;
    };
    let (mut records, mut done) = (Vec::with_capacity(waiting.len()), Vec::with_capacity(waiting.len()));
    for (point, head) in waiting.into_iter().zip(found) {
        let WaitingRead { resource_type, id, mut work, waits } = point;
        let mut transaction = Transaction::with_head(connection, shared, (resource_type, id, head));
        match work.run(&mut transaction) {
            Some(own) => {
                records.extend(own);
                done.push((work, waits));
            }
            None => work.give_back(),
        }
    }
    // They have come in turn already, and are of many who ask.
    if !done.is_empty()
        && let Err((_, unsent)) = appends.add(Asker::SERVER, (records, Waiting::PointReads(done)))
    {
        unsent.tell(Err(&stopped()));
    }
}

impl Transaction<'_> {
    /// The current versions of several resources, none where there is none, in the order in which they were asked for.
    fn heads(&mut self, points: &[WaitingRead]) -> Result<Vec<Option<Head>>, StoreError> {
        let mut found: Vec<Option<Head>> = points.iter().map(|_| None).collect();
        let places = (0_i64..).take(points.len()).collect();
        let asked = Sql::new("unnest(")
            .bind(Bind::Smalls(points.iter().map(|point| point.resource_type.number()).collect()))
            .sql(", ")
            .bind(Bind::Texts(points.iter().map(|point| point.id.clone()).collect()))
            .sql(", ")
            .bind(Bind::Bigs(places))
            .sql(") AS w(type, id, place) JOIN resource r ON r.type = w.type AND r.id = w.id");
        for (place, head) in self.heads_from(asked, "w.place", Bodies::NotLarge)? {
            if let Some(slot) = usize::try_from(place).ok().and_then(|place| found.get_mut(place)) {
                *slot = Some(head);
            }
        }
        Ok(found)
    }
}
