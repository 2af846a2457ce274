//! The files of closed periods: links and records, a line of JSON each, and at the end what is signed of it. The chain goes
//! through the files and then through the database.

use std::fs::{File, OpenOptions};
use std::io::{BufRead as _, BufReader, BufWriter, Read as _, Seek as _, Write};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use aws_lc_rs::digest::{Context, SHA256};
use concord_fhir::json::{self, Limits, Value};
use concord_store::audit::chain_links::ChainLink;
use concord_store::audit::period::Period;
use concord_store::audit::{Record, Stored};

use super::chain;
use super::heads::is_signed;
use super::walk::Walk;

/// The longest line that a file may have: a link lists a thousand records, and a record may bear an AuditEvent that a system
/// handed in.
const LONGEST: u64 = 64 * 1024 * 1024;

/// What is signed of a period.
pub(super) fn message(period: &Period) -> String {
    format!(
        "concord audit period 1\n{}\n{}\n{}\n{}\n{}\n{}\n{}\n{}\n",
        period.after,
        period.previous,
        period.number,
        period.at,
        period.last,
        period.head,
        period.records,
        period.sha256
    )
}

/// Whether it is signed, with that key if one is given.
pub(super) fn is_genuine(period: &Period, public_key: Option<&str>) -> bool {
    public_key.is_none_or(|wanted| wanted == period.public_key)
        && is_signed(&message(period), &period.public_key, &period.signature)
}

fn number(value: i64) -> Value<'static> {
    Value::Number(value.to_string().into())
}

fn text(value: &str) -> Value<'_> {
    Value::String(value.into())
}

pub(super) fn link_line(link: &ChainLink) -> String {
    let value = Value::object([
        ("number", number(link.number)),
        ("at", number(link.at)),
        ("previous", text(&link.previous)),
        ("last", number(link.last)),
        ("records", text(&link.records)),
        ("head", text(&link.head)),
    ]);
    json::to_string(&Value::object([("link", value)]))
}

pub(super) fn record_line(stored: &Stored) -> String {
    let record = &stored.record;
    let value = Value::object([
        ("number", number(stored.pk)),
        ("at", number(stored.at)),
        ("patientId", text(&stored.patient_id)),
        ("interaction", number(record.interaction.into())),
        ("outcome", number(record.outcome.into())),
        ("patient", number(record.patient)),
        ("agent", text(&record.agent)),
        ("client", text(&record.client)),
        ("purpose", text(&record.purpose)),
        ("type", number(record.resource_type.into())),
        ("entity", text(&record.entity)),
        ("version", number(record.version)),
        ("query", text(&record.query)),
        ("reason", text(&record.reason)),
        ("request", text(&record.request)),
        ("body", text(&record.body)),
    ]);
    json::to_string(&Value::object([("record", value)]))
}

pub(super) fn end_line(period: &Period) -> String {
    let value = Value::object([
        ("after", number(period.after)),
        ("previous", text(&period.previous)),
        ("number", number(period.number)),
        ("at", number(period.at)),
        ("last", number(period.last)),
        ("head", text(&period.head)),
        ("records", number(period.records)),
        ("sha256", text(&period.sha256)),
        ("publicKey", text(&period.public_key)),
        ("signature", text(&period.signature)),
    ]);
    json::to_string(&Value::object([("period", value)]))
}

/// A member that is a whole number.
fn integer<N: std::str::FromStr>(value: &Value<'_>, name: &str) -> Option<N> {
    value.get(name)?.as_number()?.parse().ok()
}

fn owned(value: &Value<'_>, name: &str) -> Option<String> {
    value.text(name).map(str::to_owned)
}

fn read_link(value: &Value<'_>) -> Option<ChainLink> {
    Some(ChainLink {
        number: integer(value, "number")?,
        at: integer(value, "at")?,
        previous: owned(value, "previous")?,
        last: integer(value, "last")?,
        records: owned(value, "records")?,
        head: owned(value, "head")?,
    })
}

fn read_record(value: &Value<'_>) -> Option<Stored> {
    Some(Stored {
        pk: integer(value, "number")?,
        at: integer(value, "at")?,
        patient_id: owned(value, "patientId")?,
        record: Record {
            interaction: integer(value, "interaction")?,
            outcome: integer(value, "outcome")?,
            patient: integer(value, "patient")?,
            agent: owned(value, "agent")?,
            client: owned(value, "client")?,
            purpose: owned(value, "purpose")?,
            resource_type: integer(value, "type")?,
            entity: owned(value, "entity")?,
            version: integer(value, "version")?,
            query: owned(value, "query")?,
            reason: owned(value, "reason")?,
            request: owned(value, "request")?,
            body: owned(value, "body")?,
        },
    })
}

fn read_end(value: &Value<'_>, file: &str) -> Option<Period> {
    Some(Period {
        number: integer(value, "number")?,
        after: integer(value, "after")?,
        previous: owned(value, "previous")?,
        at: integer(value, "at")?,
        last: integer(value, "last")?,
        head: owned(value, "head")?,
        records: integer(value, "records")?,
        sha256: owned(value, "sha256")?,
        file: file.to_owned(),
        public_key: owned(value, "publicKey")?,
        signature: owned(value, "signature")?,
    })
}

/// What a line of a period's file holds, but for its last.
pub(super) enum Line {
    /// A link of the chain; the records that it lists follow.
    Link(ChainLink),
    /// A record.
    Record(Stored),
}

/// Where a line stands in the file, with its end.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    pub(super) offset: u64,
    pub(super) length: u64,
}

fn limits() -> Limits {
    Limits { bytes: usize::try_from(LONGEST).unwrap_or(usize::MAX), ..Limits::default() }
}

/// The record in a line of a period's file.
pub(super) fn record_of(line: &[u8]) -> Option<Stored> {
    read_record(json::parse(line, &limits()).ok()?.get("record")?)
}

/// Goes through a period's file from its start, line by line, and sees at its end whether it is the one that was signed: what was
/// told of it before that is not to be believed until then.
///
/// # Errors
/// What is wrong, when it cannot be read or is another one, or `each` fails.
pub(super) fn read_through(
    file: &File,
    period: &Period,
    mut each: impl FnMut(Line, Place) -> Result<(), String>,
) -> Result<(), String> {
    let mut reader = BufReader::new(file);
    reader.rewind().map_err(|error| error.to_string())?;
    let (mut context, mut bytes, mut offset) = (Context::new(&SHA256), Vec::new(), 0);
    for line in 1_u64.. {
        let wrong = || format!("line {line}: not a line of a closed period");
        bytes.clear();
        let read = reader.by_ref().take(LONGEST).read_until(b'\n', &mut bytes).map_err(|error| error.to_string())?;
        if read == 0 {
            break;
        }
        let place = Place { offset, length: u64::try_from(read).unwrap_or(u64::MAX) };
        offset += place.length;
        let value = json::parse(&bytes, &limits()).map_err(|_| wrong())?;
        if let Some(found) = value.get("record") {
            each(Line::Record(read_record(found).ok_or_else(wrong)?), place)?;
        } else if let Some(found) = value.get("link") {
            each(Line::Link(read_link(found).ok_or_else(wrong)?), place)?;
        } else {
            let end = value.get("period").and_then(|found| read_end(found, &period.file)).ok_or_else(wrong)?;
            let sum = chain::hexadecimal(context.finish().as_ref().iter());
            return match end == *period && sum == period.sha256 {
                true => Ok(()),
                false => Err("it is not the file that was signed".to_owned()),
            };
        }
        context.update(&bytes);
    }
    Err("it has no end".to_owned())
}

/// Goes along the links of a period's file, which must be the one that was signed.
///
/// # Errors
/// One line, when it cannot be read or is another one.
pub(super) fn walk_file(folder: &Path, period: &Period, walk: &mut Walk<'_>) -> Result<(), String> {
    let path = folder.join(&period.file);
    let told = |error: String| format!("{}: {error}", path.display());
    let file = File::open(&path).map_err(|error| told(error.to_string()))?;
    let (mut open, mut records): (Option<ChainLink>, Vec<Stored>) = (None, Vec::new());
    let done = read_through(&file, period, |line, _| {
        match line {
            Line::Record(record) => records.push(record),
            Line::Link(next) => {
                if let Some(link) = open.replace(next) {
                    walk.step(&link, &records);
                }
                records.clear();
            }
        }
        Ok(())
    });
    if let Some(link) = open {
        walk.step(&link, &records);
    }
    done.map_err(told)
}

/// What a period that is being written has come to.
pub(super) struct Writing {
    pub(super) out: BufWriter<File>,
    pub(super) sum: Context,
    pub(super) records: i64,
}

impl Writing {
    pub(super) fn begin(part: &Path) -> std::io::Result<Writing> {
        let file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(part)?;
        Ok(Writing { out: BufWriter::new(file), sum: Context::new(&SHA256), records: 0 })
    }

    pub(super) fn line(&mut self, mut line: String) -> std::io::Result<()> {
        line.push('\n');
        self.sum.update(line.as_bytes());
        self.out.write_all(line.as_bytes())
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::interact::audit::heads::Key;

    /// Writes the file of a period with one link and these records, signed.
    pub(in crate::interact::audit) fn signed_file(folder: &Path, records: &[Stored], key: &Key) -> Period {
        let listed = records.iter().map(|record| format!("{} {}\n", record.pk, chain::hash(record))).collect();
        let last = records.iter().map(|record| record.pk).max().unwrap();
        let mut link =
            ChainLink { number: 1, at: 9, previous: String::new(), last, records: listed, head: String::new() };
        link.head = chain::head(&link);
        let mut period = Period {
            number: 1,
            after: 0,
            previous: String::new(),
            at: 9,
            last,
            head: link.head.clone(),
            records: i64::try_from(records.len()).unwrap(),
            sha256: String::new(),
            file: "audit-1-1.ndjson".to_owned(),
            public_key: key.public(),
            signature: String::new(),
        };
        let mut writing = Writing::begin(&folder.join(&period.file)).unwrap();
        writing.line(link_line(&link)).unwrap();
        for record in records {
            writing.line(record_line(record)).unwrap();
        }
        period.sha256 = chain::hexadecimal(writing.sum.clone().finish().as_ref().iter());
        period.signature = key.sign(&message(&period));
        writing.line(end_line(&period)).unwrap();
        writing.out.flush().unwrap();
        period
    }

    #[test]
    fn links_and_records_come_back_from_their_lines() {
        let link = ChainLink {
            number: 3,
            at: 4,
            previous: "p".to_owned(),
            last: 5,
            records: "1 a\n2 b\n".to_owned(),
            head: "h".to_owned(),
        };
        let line = link_line(&link);
        let value = json::parse(line.as_bytes(), &Limits::default()).unwrap();
        assert_eq!(read_link(value.get("link").unwrap()).unwrap(), link);
        let record = Record {
            interaction: 1,
            outcome: 4,
            patient: 7,
            agent: "Practitioner/\"x\"".to_owned(),
            resource_type: -1,
            body: "{\"a\":\n1}".to_owned(),
            ..Record::default()
        };
        let stored = Stored { pk: i64::MAX, at: 9, patient_id: "amina".to_owned(), record };
        let line = record_line(&stored);
        let value = json::parse(line.as_bytes(), &Limits::default()).unwrap();
        let read = read_record(value.get("record").unwrap()).unwrap();
        assert_eq!(chain::hash(&read), chain::hash(&stored));
    }
}
