//! Where in the file of a closed period the events of a patient stand: a file beside it, which can be made from it at any time.
//!
//! After its first line it has entries of one length, in runs of at most [`RUN`]. Each run is in order of patient, of whether the
//! event was for an emergency, and of number, so that the newest of a patient before some number are found in it by halving; and a
//! run is as much as is held in memory while the index is made. An event that a system has handed in has a second entry, among
//! such only, by when it was recorded. Nobody signs it: whoever opens it goes through the signed file and
//! sees whether the index is what comes of that.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufReader, BufWriter, Read as _, Write as _};
use std::ops::Range;
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use concord_store::audit::Place as Recorded;
use concord_store::audit::period::Period;

use super::interaction::BREAK_GLASS;
use super::period::{Line, Place, read_through};

/// The first line, as long as an entry.
const FIRST: &[u8; LENGTH] = b"concord audit period index 2           \n";

/// How long an entry is.
const LENGTH: usize = 40;

/// The same as a place in a file.
const LENGTH_IN_FILE: u64 = 40;

/// How many entries are in a run.
const RUN: usize = 131_072;

/// The same as a place among the entries.
const RUN_IN_FILE: u64 = 131_072;

/// Which events of a patient's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Of {
    /// The patient's key.
    pub(super) patient: i64,
    /// Whether those of broken glass, or all others.
    pub(super) emergency: bool,
    /// Whether those that systems have handed in, by when they were recorded, or all, by their numbers.
    pub(super) handed_in: bool,
}

/// An event, and where its line is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Entry {
    pub(super) of: Of,
    /// Where the event stands among them.
    pub(super) place: Recorded,
    offset: u64,
    length: u64,
}

impl Entry {
    fn bytes(&self) -> [u8; LENGTH] {
        let last = self.length << 2 | u64::from(self.of.handed_in) << 1 | u64::from(self.of.emergency);
        let mut bytes = [0; LENGTH];
        let parts = [
            self.of.patient.to_be_bytes(),
            self.place.place.to_be_bytes(),
            self.place.number.to_be_bytes(),
            self.offset.to_be_bytes(),
            last.to_be_bytes(),
        ];
        for (to, part) in bytes.chunks_exact_mut(8).zip(parts) {
            to.copy_from_slice(&part);
        }
        bytes
    }

    fn read(bytes: &[u8]) -> Entry {
        let mut parts = bytes.chunks_exact(8).map(|part| <[u8; 8]>::try_from(part).unwrap_or_default());
        let mut next = || parts.next().unwrap_or_default();
        let (patient, place) = (i64::from_be_bytes(next()), i64::from_be_bytes(next()));
        let (number, offset) = (i64::from_be_bytes(next()), u64::from_be_bytes(next()));
        let last = u64::from_be_bytes(next());
        let of = Of { patient, emergency: last & 1 == 1, handed_in: last & 2 == 2 };
        Entry { of, place: Recorded { place, number }, offset, length: last >> 2 }
    }

    /// Where the event's line is in the file of the period.
    pub(super) fn place(&self) -> Place {
        Place { offset: self.offset, length: self.length }
    }
}

/// Where the index of a period's file is.
pub(super) fn path(folder: &Path, period: &Period) -> PathBuf {
    folder.join(format!("{}.index", period.file))
}

/// Goes through the file of a period, which must be the one that was signed, and has its index told piece by piece.
fn compose(
    data: &File,
    period: &Period,
    run_length: usize,
    mut told: impl FnMut(&[u8]) -> Result<(), String>,
) -> Result<(), String> {
    told(FIRST)?;
    let mut run: Vec<Entry> = Vec::new();
    let mut end = |run: &mut Vec<Entry>| {
        run.sort_unstable();
        let bytes: Vec<u8> = run.drain(..).flat_map(|entry| entry.bytes()).collect();
        told(&bytes)
    };
    read_through(data, period, |line, Place { offset, length }| match line {
        Line::Record(stored) if stored.record.patient != 0 => {
            let emergency = stored.record.purpose == BREAK_GLASS;
            let of = Of { patient: stored.record.patient, emergency, handed_in: false };
            let by_number = (of, Recorded::own(stored.pk));
            let by_time = (Of { handed_in: true, ..of }, Recorded::of(&stored));
            let is_handed_in = !stored.record.body.is_empty();
            for (of, place) in [Some(by_number), is_handed_in.then_some(by_time)].into_iter().flatten() {
                run.push(Entry { of, place, offset, length });
                if run.len() == run_length {
                    end(&mut run)?;
                }
            }
            Ok(())
        }
        _ => Ok(()),
    })?;
    end(&mut run)
}

/// Whether a file is the index of that period.
fn is_of(index: &File, data: &File, period: &Period) -> Result<bool, String> {
    let (mut reader, mut same) = (BufReader::new(index), true);
    compose(data, period, RUN, |bytes| {
        let mut there = vec![0; if same { bytes.len() } else { 0 }];
        same = same && reader.read_exact(&mut there).is_ok() && there == bytes;
        Ok(())
    })?;
    Ok(same && reader.read(&mut [0]).is_ok_and(|more| more == 0))
}

fn write(part: &Path, data: &File, period: &Period) -> Result<File, String> {
    let told = |error: io::Error| format!("its index cannot be written: {error}");
    let options = OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(part);
    let mut out = BufWriter::new(options.map_err(told)?);
    compose(data, period, RUN, |bytes| out.write_all(bytes).map_err(told))?;
    let file = out.into_inner().map_err(|error| told(error.into_error()))?;
    file.sync_all().map_err(told)?;
    Ok(file)
}

/// Opens the index of a period, whose file is gone through from end to end: it must be the one that was signed. An index that is
/// not there, or that is not what comes of the file, is made anew.
///
/// # Errors
/// What is wrong, when the file is another one or the index cannot be written.
pub(super) fn open(folder: &Path, period: &Period, data: &File) -> Result<File, String> {
    let path = path(folder, period);
    if let Ok(index) = File::open(&path)
        && is_of(&index, data, period)?
    {
        return Ok(index);
    }
    // Other nodes may be making it as well.
    let part = folder.join(format!("{}.{}.part", period.file, uuid::Uuid::new_v4().simple()));
    let written = write(&part, data, period)
        .and_then(|file| fs::rename(&part, &path).map(|()| file).map_err(|error| format!("its index: {error}")));
    if written.is_err() {
        let _not_there = fs::remove_file(&part);
    }
    written
}

fn entry_at(index: &File, place: u64) -> io::Result<Entry> {
    let mut bytes = [0; LENGTH];
    index.read_exact_at(&mut bytes, (place + 1) * LENGTH_IN_FILE)?;
    Ok(Entry::read(&bytes))
}

/// From one place up to another; nothing where the first comes after the second.
#[derive(Clone, Copy, Debug)]
pub(super) struct Between {
    pub(super) from: Recorded,
    pub(super) to: Recorded,
}

impl Between {
    fn has(self, place: Recorded) -> bool {
        (self.from..=self.to).contains(&place)
    }
}

/// The first of those events that stand there, at most so many, from the oldest up or from the newest down.
///
/// # Errors
/// When the index cannot be read.
pub(super) fn first(index: &File, of: Of, places: Between, ascending: bool, most: usize) -> io::Result<Vec<Entry>> {
    first_in_runs(index, RUN_IN_FILE, of, places, ascending, most)
}

fn first_in_runs(
    index: &File,
    run_length: u64,
    of: Of,
    between: Between,
    ascending: bool,
    most: usize,
) -> io::Result<Vec<Entry>> {
    let entries = (index.metadata()?.len() / LENGTH_IN_FILE).saturating_sub(1);
    let mut found = Vec::new();
    let mut start = 0;
    while start < entries {
        let end = (start + run_length).min(entries);
        let bound = match ascending {
            true => end_of(index, start..end, |entry| (entry.of, entry.place) < (of, between.from))?,
            false => end_of(index, start..end, |entry| (entry.of, entry.place) <= (of, between.to))?,
        };
        let places: &mut dyn Iterator<Item = u64> =
            if ascending { &mut (bound..end) } else { &mut (start..bound).rev() };
        for place in places.take(most) {
            let entry = entry_at(index, place)?;
            if entry.of != of || !between.has(entry.place) {
                break;
            }
            found.push(entry);
        }
        start = end;
    }
    sort(&mut found, ascending, |entry| entry.place);
    found.truncate(most);
    Ok(found)
}

/// The place in a run at which those entries end that come before.
fn end_of(index: &File, run: Range<u64>, comes_before: impl Fn(&Entry) -> bool) -> io::Result<u64> {
    let (mut low, mut high) = (run.start, run.end);
    while low < high {
        let middle = low + (high - low) / 2;
        if comes_before(&entry_at(index, middle)?) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    Ok(low)
}

/// Puts what has places into their order, or from the last down.
pub(super) fn sort<T>(all: &mut [T], ascending: bool, place: impl Fn(&T) -> Recorded) {
    match ascending {
        true => all.sort_by_cached_key(place),
        false => all.sort_by_cached_key(|one| std::cmp::Reverse(place(one))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_of_a_patient_are_found_across_runs() {
        let folder = crate::auth::testing::Folder::new();
        // Every seventh is of a system's, which it has handed in a while after it was recorded.
        let entry = |number: i64| Entry {
            of: Of { patient: number % 3, emergency: number % 5 == 0, handed_in: number % 7 == 0 },
            place: Recorded { place: if number % 7 == 0 { number / 2 } else { number }, number },
            offset: u64::try_from(number).unwrap() * 100,
            length: 100,
        };
        // Numbers come nearly in order, as late records do.
        let mut numbers: Vec<i64> = (0..1_000).collect();
        numbers.swap(3, 400);
        let mut bytes = FIRST.to_vec();
        for run in numbers.chunks(64) {
            let mut run: Vec<Entry> = run.iter().map(|number| entry(*number)).collect();
            run.sort_unstable();
            bytes.extend(run.iter().flat_map(Entry::bytes));
        }
        std::fs::write(folder.path("index"), &bytes).unwrap();
        let index = File::open(folder.path("index")).unwrap();
        for (patient, emergency, handed_in, from, to, most) in [
            (1, false, false, i64::MIN, i64::MAX, 7),
            (1, true, false, 3, 499, 100),
            (1, false, true, i64::MIN, i64::MAX, 100),
            (1, false, true, 200, 300, 5),
            (2, false, false, 380, 400, 1),
            (0, true, false, i64::MIN, 0, 9),
            (0, true, true, i64::MIN, 0, 9),
            (0, true, false, i64::MIN, -1, 9),
            (0, true, false, i64::MAX, i64::MIN, 9),
            (7, false, false, 0, 8, 9),
        ] {
            let of = Of { patient, emergency, handed_in };
            let from = Recorded { place: from, ..Recorded::FIRST };
            let between = Between { from, to: Recorded { place: to, ..Recorded::LAST } };
            let wanted = (0..1_000).map(entry).filter(|entry| entry.of == of && between.has(entry.place));
            let mut wanted: Vec<Entry> = wanted.collect();
            wanted.sort_unstable_by_key(|entry| entry.place);
            for ascending in [true, false] {
                let found = first_in_runs(&index, 64, of, between, ascending, most).unwrap();
                assert_eq!(found, wanted[..most.min(wanted.len())], "{of:?} {between:?} {ascending}");
                wanted.reverse();
            }
        }
    }
}
