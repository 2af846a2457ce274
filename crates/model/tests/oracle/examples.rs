//! The official examples of R4.
//!
//! `make test` fetches them (npm `hl7.fhir.r4.examples` 4.0.1); `CONCORD_FHIR_EXAMPLES` may name another folder.

use std::borrow::Cow;
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use concord_fhir::codec::{Format, read, write_xml};
use concord_fhir::json::{Limits, Value, parse};

use crate::typed::{from_json, from_xml, to_json};

/// Larger examples (Bundles of definitions) say nothing new, and fhirbolt takes minutes for them without optimisation.
const LARGEST: u64 = 100_000;

#[expect(clippy::disallowed_methods, reason = "a test has no configuration to take a folder from")]
fn folder() -> PathBuf {
    std::env::var("CONCORD_FHIR_EXAMPLES").map_or_else(
        |_| {
            let home = PathBuf::from(std::env::var("HOME").unwrap_or_default());
            home.join(".cache/concord/hl7.fhir.r4.examples-4.0.1/package")
        },
        PathBuf::from,
    )
}

/// The value without what fhirbolt is known to change: the case of an exponent, and in XML the white space and the comments of
/// narratives.
fn comparable(value: Value<'_>) -> Value<'_> {
    match value {
        Value::Number(text) => Value::Number(Cow::Owned(text.to_ascii_lowercase())),
        Value::Array(items) => Value::Array(items.into_iter().map(comparable).collect()),
        Value::Object(mut object) => {
            for (name, member) in &mut object.0 {
                let taken = std::mem::replace(member, Value::Null);
                *member = match taken {
                    Value::String(text) if name == "div" => {
                        let plain = without_comments(&text);
                        Value::String(Cow::Owned(plain.chars().filter(|c| !c.is_whitespace()).collect()))
                    }
                    other => comparable(other),
                };
            }
            Value::Object(object)
        }
        other => other,
    }
}

fn without_comments(text: &str) -> String {
    let mut parts = text.split("<!--");
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |plain, part| plain + part.split_once("-->").map_or("", |(_, after)| after))
}

/// What fhirbolt and we disagree about, if anything.
fn disagreement(text: &str) -> Option<String> {
    let limits = Limits::default();
    let typed = from_json(text);
    let Ok(resource) = read(Format::Json, text.as_bytes(), &limits) else { return None };
    let value = comparable(resource.value.clone());
    let same = |json: &str| parse(json.as_bytes(), &limits).is_ok_and(|back| comparable(back).same(&value));
    match typed.and_then(|typed| to_json(&typed)) {
        Err(refused) => return Some(format!("we accept it, but {refused}")),
        Ok(json) if !same(&json) => return Some("it differs in JSON".to_owned()),
        Ok(_) => {}
    }
    let xml = match write_xml(&resource.value) {
        Ok(xml) => xml,
        Err(issue) => return Some(issue.text),
    };
    match from_xml(&xml).and_then(|typed| to_json(&typed)) {
        Err(refused) => Some(format!("we write it as XML, but {refused}")),
        Ok(json) if !same(&json) => Some("it differs in XML".to_owned()),
        Ok(_) => None,
    }
}

#[test]
fn fhirbolt_reads_what_we_accept_and_write_as_we_do() {
    let folder = folder();
    let Ok(entries) = std::fs::read_dir(&folder) else {
        panic!(
            "the official R4 examples are not in {}: run `scripts/official-examples.sh`, or name their folder in CONCORD_FHIR_EXAMPLES",
            folder.display()
        );
    };
    let files: Vec<PathBuf> = entries
        .map(|entry| entry.unwrap())
        .filter(|entry| entry.metadata().unwrap().len() <= LARGEST)
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "json"))
        .collect();
    assert!(files.len() > 4_500, "only {} examples in {}", files.len(), folder.display());
    let next = AtomicUsize::new(0);
    let failures = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(2, usize::from) {
            scope.spawn(|| {
                while let Some(file) = files.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let text = std::fs::read_to_string(file).unwrap();
                    if let Some(how) = disagreement(&text) {
                        failures.lock().unwrap().push(format!("{}: {how}", file.display()));
                    }
                }
            });
        }
    });
    let failures = failures.into_inner().unwrap();
    assert!(failures.is_empty(), "{}:\n{}", failures.len(), failures.join("\n"));
}
