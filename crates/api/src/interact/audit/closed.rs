//! Reading events of closed periods from their files, where the operator says where these are (`audit_periods`).
//!
//! Nothing is told of a file before it has been gone through from end to end and found to be what was signed; that is done once a
//! process, and once more when the file or its index is another one than then. What the caller may see of the events is asked of
//! the database, by the condition that holds for events of the log.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::fs::{self, File, Metadata};
use std::os::unix::fs::{FileExt as _, MetadataExt as _};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use concord_store::audit::period::Period;
use concord_store::audit::{AuditQuery, Place, Reach, Span, Stored};

use super::closing::OVER_FOR_MS;
use super::period::{is_genuine, record_of};
use super::period_index::{self, Between, Entry, Of, sort};
use super::sought::{Order, Part, Sought};
use crate::error::ApiError;
use crate::interact::service_settings::AuditPeriods;
use crate::interact::session::Session;
use crate::interact::{Service, access, instant};

/// Up to which size a file is gone through while a request waits: some tens of milliseconds.
const AT_ONCE: u64 = 4 * 1024 * 1024;

/// How many events are looked at in one go.
const BATCH: usize = 64;

/// Which state of a file it is: another one has another.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Stamp([(u64, u64, u64, i64, i64); 2]);

impl Stamp {
    /// Of a file and its index, which may be missing.
    fn of(data: &Metadata, index: Option<&Metadata>) -> Stamp {
        let of = |file: &Metadata| (file.dev(), file.ino(), file.len(), file.ctime(), file.ctime_nsec());
        Stamp([of(data), index.map(of).unwrap_or_default()])
    }
}

/// A file that was found to be what was signed.
#[derive(Debug)]
struct Opened {
    data: File,
    index: File,
    stamp: Stamp,
}

impl Opened {
    fn open(settings: &AuditPeriods, period: &Period) -> Result<Opened, String> {
        if !is_genuine(period, Some(&settings.public_key)) {
            return Err("what says that it was closed is not signed by the key".to_owned());
        }
        let told = |error: std::io::Error| error.to_string();
        let data = File::open(settings.folder.join(&period.file)).map_err(told)?;
        let before = data.metadata().map_err(told)?;
        let index = period_index::open(&settings.folder, period, &data)?;
        let stamp = Stamp::of(&before, Some(&index.metadata().map_err(told)?));
        Ok(Opened { data, index, stamp })
    }

    /// The event of an entry.
    fn event(&self, entry: &Entry) -> Result<Stored, String> {
        let place = entry.place();
        let mut line = vec![0; usize::try_from(place.length).unwrap_or_default()];
        self.data.read_exact_at(&mut line, place.offset).map_err(|error| error.to_string())?;
        record_of(&line)
            .filter(|event| event.pk == entry.place.number && event.record.patient == entry.of.patient)
            .ok_or_else(|| "it is no longer the file that was signed".to_owned())
    }
}

/// What is known of a file.
#[derive(Debug)]
enum Known {
    /// It waits, or is being gone through.
    Waiting,
    Ready(Arc<Opened>),
    /// In that state there is this wrong with it.
    Wrong(Stamp, String),
}

#[derive(Debug, Default)]
struct State {
    known: HashMap<String, Known>,
    /// What is to be gone through beside the requests.
    waiting: VecDeque<Period>,
    /// Whether somebody is at that.
    at_work: bool,
}

/// The files of closed periods.
#[derive(Clone, Debug)]
pub(crate) struct ClosedPeriods {
    settings: Arc<AuditPeriods>,
    state: Arc<Mutex<State>>,
    /// Up to which size a file is gone through at once.
    at_once: u64,
}

impl ClosedPeriods {
    /// None of which has been looked at.
    pub(crate) fn new(settings: AuditPeriods) -> ClosedPeriods {
        ClosedPeriods { settings: Arc::new(settings), state: Arc::default(), at_once: AT_ONCE }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // What is in it is whole between any two lines.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The file of a period.
    fn opened(&self, period: &Period) -> Result<Arc<Opened>, String> {
        let folder: &Path = &self.settings.folder;
        let data = fs::metadata(folder.join(&period.file)).map_err(|error| error.to_string())?;
        let index = fs::metadata(period_index::path(folder, period)).ok();
        let stamp = Stamp::of(&data, index.as_ref());
        let mut state = self.state();
        match state.known.get(&period.file) {
            Some(Known::Waiting) => return Err("it is being checked still; ask again".to_owned()),
            Some(Known::Ready(opened)) if opened.stamp == stamp => return Ok(Arc::clone(opened)),
            Some(Known::Wrong(then, wrong)) if *then == stamp => return Err(wrong.clone()),
            _ => {}
        }
        state.known.insert(period.file.clone(), Known::Waiting);
        if data.len() <= self.at_once {
            drop(state);
            return self.check(period);
        }
        state.waiting.push_back(period.clone());
        let begin = !std::mem::replace(&mut state.at_work, true);
        drop(state);
        if begin {
            let own = self.clone();
            if let Err(error) = std::thread::Builder::new().name("audit-periods".to_owned()).spawn(move || own.work()) {
                self.give_up();
                return Err(error.to_string());
            }
        }
        Err("it is being checked still; ask again".to_owned())
    }

    /// Goes through what waits, until nothing does.
    fn work(&self) {
        loop {
            let mut state = self.state();
            let Some(period) = state.waiting.pop_front() else {
                state.at_work = false;
                return;
            };
            drop(state);
            // What is wrong is known from now on, and told by whoever asks.
            let _wrong = self.check(&period);
        }
    }

    /// Lets what waits be begun again by the next who asks.
    fn give_up(&self) {
        let mut state = self.state();
        state.at_work = false;
        for period in std::mem::take(&mut state.waiting) {
            state.known.remove(&period.file);
        }
    }

    /// Goes through a file, whose state is noted.
    fn check(&self, period: &Period) -> Result<Arc<Opened>, String> {
        let folder: &Path = &self.settings.folder;
        let files = fs::metadata(folder.join(&period.file)).and_then(|data| {
            let index = fs::metadata(period_index::path(folder, period))?;
            Ok(Stamp::of(&data, Some(&index)))
        });
        let checked = Opened::open(&self.settings, period).map(Arc::new);
        let known = match &checked {
            Ok(opened) => Some(Known::Ready(Arc::clone(opened))),
            Err(wrong) => {
                tracing::error!(file = %period.file, %wrong, "audit_periods: a closed period of the log cannot be read");
                // Where there is no index, what is wrong may be that it cannot be written, which may change at any time.
                files.ok().map(|stamp| Known::Wrong(stamp, wrong.clone()))
            }
        };
        let mut state = self.state();
        match known {
            Some(known) => state.known.insert(period.file.clone(), known),
            None => state.known.remove(&period.file),
        };
        checked
    }
}

/// Begins to go through the files of all periods, so that they have been when somebody asks.
///
/// # Errors
/// When the database fails. What is wrong with a file is logged.
pub(crate) async fn look_at_all(service: &Service) -> Result<(), ApiError> {
    let Some(closed) = &service.closed_periods else { return Ok(()) };
    let periods = service.store.read(|transaction| (transaction.periods(), Vec::new())).await?;
    for period in periods.iter().rev() {
        if let Err(cause) = closed.opened(period) {
            tracing::info!(file = %period.file, %cause, "audit_periods: a closed period cannot be read yet");
        }
    }
    Ok(())
}

/// Files, and what is looked for in them.
struct Search {
    files: Vec<(Period, Arc<Opened>)>,
    part: Part,
    groups: Vec<Of>,
    between: Between,
    ascending: bool,
}

/// The events that are looked for, wherever they are. What cannot be read is said in `unread`.
///
/// # Errors
/// When the database fails, or it takes more than a search may.
pub(crate) fn page(
    session: &mut Session<'_, '_>,
    sought: &Sought<'_>,
    unread: &mut BTreeSet<String>,
) -> Result<Vec<Stored>, ApiError> {
    let limit = i64::try_from(sought.most).unwrap_or(i64::MAX);
    let (query, order) = (sought.query, sought.order);
    let mut found = match order {
        Order::Arrival => {
            session.transaction.events(query, sought.after.map(|after| after.number), sought.ascending, limit)?
        }
        Order::Recorded => session.transaction.events_recorded(query, sought.after, sought.ascending, limit)?,
    };
    let upto = found.last().filter(|_| found.len() >= sought.most).map(|last| order.place(last));
    for part in order.parts() {
        let mut search = search(session, sought, *part, upto, unread)?;
        let mut of_files = Vec::new();
        while of_files.len() < sought.most {
            let Some(more) = search.next(session, query, unread)? else { break };
            of_files.extend(more);
        }
        found.extend(of_files);
    }
    sort(&mut found, sought.ascending, |event| order.place(event));
    found.truncate(sought.most);
    Ok(found)
}

/// How many events that are looked for are in the files of closed periods and nowhere else. What cannot be read is said in `unread`.
///
/// # Errors
/// When the database fails, or it takes more than a search may.
pub(crate) fn count(
    session: &mut Session<'_, '_>,
    query: &AuditQuery,
    unread: &mut BTreeSet<String>,
) -> Result<usize, ApiError> {
    let all = Sought { query, emergency: None, order: Order::Arrival, after: None, ascending: true, most: usize::MAX };
    let mut search = search(session, &all, Part::All, None, unread)?;
    let mut count = 0;
    while let Some(more) = search.next(session, query, unread)? {
        count += more.len();
    }
    Ok(count)
}

/// The keys of the records in which the events are that are looked for, as far as the caller may know of them, and whether these
/// are all that are named: of others nothing is read, so that they are like those that are not there.
///
/// # Errors
/// When the database fails.
pub(super) fn records(session: &mut Session<'_, '_>, query: &AuditQuery) -> Result<(Vec<i64>, bool), ApiError> {
    let Some(named) = &query.reach().patients else { return Ok((Vec::new(), false)) };
    session.without_explain(|session| {
        let mut known = Vec::new();
        for patient in named {
            known.extend(access::record_known(session, patient)?);
        }
        let all = known.len() == named.len();
        Ok((known, all))
    })
}

/// Opens the files of the periods in which some may be.
fn search(
    session: &mut Session<'_, '_>,
    sought: &Sought<'_>,
    part: Part,
    upto: Option<Place>,
    unread: &mut BTreeSet<String>,
) -> Result<Search, ApiError> {
    let (between, ascending) = (sought.between(upto), sought.ascending);
    let mut search = Search { files: Vec::new(), part, groups: Vec::new(), between, ascending };
    let Some(closed) = session.service.closed_periods.as_ref() else { return Ok(search) };
    search.groups = sought.groups(&records(session, sought.query)?.0, part);
    if search.groups.is_empty() || between.from > between.to {
        return Ok(search);
    }
    let numbers = search.numbers(sought.query.reach());
    for period in session.without_explain(|session| session.transaction.periods())? {
        if !may_be_in(sought.query.reach(), numbers, (period.at, period.last)) {
            continue;
        }
        match closed.opened(&period) {
            Ok(opened) => search.files.push((period, opened)),
            Err(wrong) => {
                unread.insert(unreadable(&period, &wrong));
            }
        }
    }
    Ok(search)
}

/// Whether an event of these numbers may be in the log up to a link: when that was made, and the greatest number up to it.
pub(super) fn may_be_in(reach: &Reach, numbers: Span, (at, last): (i64, i64)) -> bool {
    // All that a link lists was recorded before it was made, by clocks that hardly differ.
    at.saturating_add(OVER_FOR_MS) >= reach.times.from && last >= numbers.from && numbers.from <= numbers.to
}

/// What is said of a file that cannot be read. Where the folder is is nobody's business.
fn unreadable(period: &Period, wrong: &str) -> String {
    format!("part of the log cannot be read: {}, which goes up to {}: {wrong}", period.file, instant(period.at))
}

impl Search {
    /// The numbers that those can have which are looked for.
    fn numbers(&self, reach: &Reach) -> Span {
        match self.part {
            // What was recorded at some time can have come at any later one.
            Part::HandedIn => reach.numbers,
            Part::All | Part::Own => {
                reach.numbers.within(Span { from: self.between.from.place, to: self.between.to.place })
            }
        }
    }

    /// The next of the events that are looked for, of which there may be none among those that are looked at now. None when there
    /// are no more to look at.
    fn next(
        &mut self,
        session: &mut Session<'_, '_>,
        query: &AuditQuery,
        unread: &mut BTreeSet<String>,
    ) -> Result<Option<Vec<Stored>>, ApiError> {
        let batch = loop {
            match self.batch() {
                Ok(batch) => break batch,
                Err((place, wrong)) => {
                    let (period, _) = self.files.remove(place);
                    unread.insert(unreadable(&period, &wrong));
                }
            }
        };
        let Some(last) = batch.last().map(|(place, _)| *place) else { return Ok(None) };
        match self.ascending {
            true => self.between.from = last.after(),
            false => self.between.to = last.before(),
        }
        let mut batch: Vec<Stored> = batch.into_iter().map(|(_, event)| event).collect();
        batch.retain(|event| self.part != Part::Own || event.record.body.is_empty());
        batch.retain(|event| query.reach().times.has(event.at) && query.reach().numbers.has(event.pk));
        let found: BTreeSet<i64> = session.transaction.events_among(query, &batch)?.into_iter().collect();
        batch.retain(|event| found.contains(&event.pk));
        Ok(Some(batch))
    }

    /// What is looked at next, of all files, and where it stands. If one cannot be read, its place and what is wrong.
    fn batch(&self) -> Result<Vec<(Place, Stored)>, (usize, String)> {
        let mut entries: Vec<(usize, Entry)> = Vec::new();
        for (place, (_, opened)) in self.files.iter().enumerate() {
            for group in &self.groups {
                let first = period_index::first(&opened.index, *group, self.between, self.ascending, BATCH);
                let first = first.map_err(|error| (place, error.to_string()))?;
                entries.extend(first.into_iter().map(|entry| (place, entry)));
            }
        }
        sort(&mut entries, self.ascending, |(_, entry)| entry.place);
        entries.truncate(BATCH);
        let mut batch = Vec::with_capacity(entries.len());
        for (place, entry) in entries {
            let Some((_, opened)) = self.files.get(place) else { continue };
            batch.push((entry.place, opened.event(&entry).map_err(|wrong| (place, wrong))?));
        }
        Ok(batch)
    }
}

#[cfg(test)]
mod tests {
    use concord_store::audit::Record;

    use super::*;
    use crate::interact::audit::heads::Key;
    use crate::interact::audit::period::tests::signed_file;

    const STILL: &str = "it is being checked still; ask again";

    /// What is known of the file once it is no longer waited for.
    fn in_the_end(closed: &ClosedPeriods, period: &Period) -> Result<Arc<Opened>, String> {
        loop {
            match closed.opened(period) {
                Err(text) if text == STILL => std::thread::yield_now(),
                known => return known,
            }
        }
    }

    #[test]
    fn nobody_waits_for_a_large_file_and_another_one_is_checked_anew() {
        let folder = crate::auth::testing::Folder::new();
        let key = Key::open(&folder.path("key")).unwrap();
        let event = |number: i64| Stored {
            pk: number,
            at: 1,
            patient_id: "amina".to_owned(),
            record: Record { patient: 1 + number % 3, agent: format!("Practitioner/{number}"), ..Record::default() },
        };
        let period = signed_file(&folder.path(""), &(1..=500).map(event).collect::<Vec<_>>(), &key);
        let settings = AuditPeriods { folder: folder.path(""), public_key: key.public() };
        let closed = ClosedPeriods { at_once: 0, ..ClosedPeriods::new(settings) };
        assert_eq!(closed.opened(&period).err().as_deref(), Some(STILL));
        let opened = in_the_end(&closed, &period).unwrap();
        let of = Of { patient: 2, emergency: false, handed_in: false };
        let all = Between { from: Place::FIRST, to: Place::LAST };
        let entries = period_index::first(&opened.index, of, all, false, 2).unwrap();
        let agents: Vec<String> = entries.iter().map(|entry| opened.event(entry).unwrap().record.agent).collect();
        assert_eq!(agents, ["Practitioner/499", "Practitioner/496"]);

        // It is known until it is another one.
        assert!(Arc::ptr_eq(&closed.opened(&period).unwrap(), &opened));
        let path = folder.path(&period.file);
        let signed = fs::read(&path).unwrap();
        // A file of its own, which is another one however little time has gone by.
        let put = |content: &[u8]| {
            fs::write(folder.path("new"), content).unwrap();
            fs::rename(folder.path("new"), &path).unwrap();
        };
        let mut flipped = signed.clone();
        flipped[200] ^= 1;
        put(&flipped);
        assert_eq!(closed.opened(&period).err().as_deref(), Some(STILL));
        let wrong = in_the_end(&closed, &period).unwrap_err();
        assert_eq!(closed.opened(&period).err(), Some(wrong), "it is not gone through again for everybody who asks");
        put(&signed);
        in_the_end(&closed, &period).unwrap();
        fs::remove_file(&path).unwrap();
        assert!(closed.opened(&period).unwrap_err().contains("No such file"));
    }
}
