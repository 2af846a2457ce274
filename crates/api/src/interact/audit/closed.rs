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
use concord_store::audit::{AuditQuery, Stored};

use super::closing::OVER_FOR_MS;
use super::period::{is_genuine, record_of};
use super::period_index::{self, Entry, Of};
use crate::error::ApiError;
use crate::interact::service_settings::AuditPeriods;
use crate::interact::session::Session;
use crate::interact::{Service, instant};

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
            .filter(|event| event.pk == entry.number && event.record.patient == entry.of.patient)
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

/// The events that are looked for in closed periods.
pub(crate) struct Sought<'q> {
    /// What holds for them.
    pub(crate) query: &'q AuditQuery,
    /// The patient's key.
    pub(crate) patient: i64,
    /// Whether those of broken glass, or all others.
    pub(crate) emergency: bool,
    /// They were recorded at or after this time, if one is given.
    pub(crate) since: Option<i64>,
    /// They come before this number.
    pub(crate) before: i64,
    /// Those that come before this one are not needed.
    pub(crate) from: i64,
    /// How many are wanted.
    pub(crate) most: usize,
}

/// The files of the periods in which some may be, and what cannot be read is put to `unread`.
fn files(
    session: &mut Session<'_, '_>,
    sought: &Sought<'_>,
    unread: &mut BTreeSet<String>,
) -> Result<Vec<(Period, Arc<Opened>)>, ApiError> {
    let Some(closed) = &session.service.closed_periods else { return Ok(Vec::new()) };
    let mut files = Vec::new();
    for period in session.without_explain(|session| session.transaction.periods())? {
        // All that a link lists was recorded before it was made, by clocks that hardly differ.
        let over = sought.since.is_some_and(|since| period.at.saturating_add(OVER_FOR_MS) < since);
        if over || period.last < sought.from {
            continue;
        }
        match closed.opened(&period) {
            Ok(opened) => files.push((period, opened)),
            Err(wrong) => {
                unread.insert(told(&period, &wrong));
            }
        }
    }
    Ok(files)
}

/// What is said of a file that cannot be read. Where the folder is is nobody's business.
fn told(period: &Period, wrong: &str) -> String {
    format!("part of the log cannot be read: {}, which goes up to {}: {wrong}", period.file, instant(period.at))
}

/// The events of closed periods that are looked for, newest first. What cannot be read is said in `unread`.
///
/// # Errors
/// When the database fails, or it takes more than a search may.
pub(crate) fn events(
    session: &mut Session<'_, '_>,
    sought: &Sought<'_>,
    unread: &mut BTreeSet<String>,
) -> Result<Vec<Stored>, ApiError> {
    let mut files = files(session, sought, unread)?;
    let of = Of { patient: sought.patient, emergency: sought.emergency };
    let (mut found, mut before) = (Vec::new(), sought.before);
    while found.len() < sought.most && !files.is_empty() {
        let mut batch: Vec<Stored> = Vec::new();
        let mut wrong: Option<(usize, String)> = None;
        for (place, entry) in next_entries(&files, of, before, &mut wrong) {
            let Some((_, opened)) = files.get(place) else { continue };
            match opened.event(&entry) {
                Ok(event) => batch.push(event),
                Err(error) => {
                    wrong = Some((place, error));
                    break;
                }
            }
        }
        if let Some((place, error)) = wrong {
            let (period, _) = files.remove(place);
            unread.insert(told(&period, &error));
            continue;
        }
        let Some(last) = batch.last().map(|event| event.pk) else { break };
        let looked_at = batch.len();
        let permitted: BTreeSet<i64> = session.transaction.events_among(sought.query, &batch)?.into_iter().collect();
        found.extend(batch.into_iter().filter(|event| permitted.contains(&event.pk)));
        if last < sought.from {
            break;
        }
        before = last;
        if looked_at < BATCH {
            break;
        }
    }
    found.truncate(sought.most);
    Ok(found)
}

/// The next entries of all files, newest first, each with the place of its file. `wrong`: the place of one that cannot be read.
fn next_entries(
    files: &[(Period, Arc<Opened>)],
    of: Of,
    before: i64,
    wrong: &mut Option<(usize, String)>,
) -> Vec<(usize, Entry)> {
    let mut entries: Vec<(usize, Entry)> = Vec::new();
    for (place, (_, opened)) in files.iter().enumerate() {
        match period_index::newest(&opened.index, of, before, BATCH) {
            Ok(newest) => entries.extend(newest.into_iter().map(|entry| (place, entry))),
            Err(error) => {
                *wrong = Some((place, error.to_string()));
                return Vec::new();
            }
        }
    }
    entries.sort_unstable_by_key(|(_, entry)| std::cmp::Reverse(entry.number));
    entries.truncate(BATCH);
    entries
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
        let of = Of { patient: 2, emergency: false };
        let entries = period_index::newest(&opened.index, of, i64::MAX, 2).unwrap();
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
