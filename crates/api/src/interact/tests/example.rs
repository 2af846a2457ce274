//! The official examples as a corpus: whatever is drawn from them finds exactly the resources that have it, in the store
//! as in memory.

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;

use concord_fhir::index::{Entries, Entry, ParameterId, SEPARATOR, extract_under};
use concord_fhir::json::{Limits, parse};
use concord_fhir::registry::{Kind, Parameter, ResourceType, parameter_by_id};
use concord_store::rows::{Method, Version};

use crate::interact::tests::search::{found, on_each, query, system};

const BASE: &str = "https://phr.example/fhir";

/// How many values are drawn for each parameter of a type.
const DRAWN: usize = 2;

#[expect(clippy::disallowed_methods, reason = "a test finds the examples through the environment")]
fn files() -> Vec<PathBuf> {
    let cached =
        || Some(PathBuf::from(std::env::var("HOME").ok()?).join(".cache/concord/hl7.fhir.r4.examples-4.0.1/package"));
    let folder = std::env::var("CONCORD_FHIR_EXAMPLES").ok().map(PathBuf::from).or_else(cached);
    let entries = folder.and_then(|folder| std::fs::read_dir(folder).ok());
    let entries = entries.expect("set CONCORD_FHIR_EXAMPLES to the folder `package` of npm hl7.fhir.r4.examples 4.0.1");
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "json"));
    files.sort();
    files
}

/// The examples, a number as the id of each; every definition of a search parameter is left to others.
fn corpus() -> Vec<Entries> {
    let mut all = Vec::new();
    for path in files() {
        let text = std::fs::read(&path).unwrap();
        let value = parse(&text, &Limits::default()).unwrap();
        let Some(resource_type) = value.text("resourceType").and_then(ResourceType::parse) else { continue };
        if resource_type.name() != "SearchParameter" && resource_type.name() != "AuditEvent" {
            all.push(extract_under(BASE, resource_type, &all.len().to_string(), 0, &value));
        }
    }
    all
}

/// A query for the row, as a client would write it.
fn asked(parameter: &Parameter, row: &Entry) -> Option<String> {
    let escape = |text: &str| {
        let escaped = text.replace('\\', "\\\\").replace(',', "\\,").replace('|', "\\|").replace('$', "\\$");
        url::form_urlencoded::byte_serialize(escaped.as_bytes()).collect::<String>()
    };
    let (first, second) = row.key.split_once(SEPARATOR).unwrap_or((&row.key, ""));
    // A cut key does not say what it was cut from.
    if first.len() > 200 || second.len() > 200 || second.chars().chain(first.chars()).any(char::is_control) {
        return None;
    }
    let code = &parameter.code;
    let point = row.low.filter(|low| low.is_finite() && row.high == Some(*low));
    Some(match parameter.kind {
        Kind::Token if second.is_empty() => format!("{code}={}", escape(first)),
        Kind::Token => format!("{code}={}|{}", escape(second), escape(first)),
        Kind::String => format!("{code}:exact={}", escape(second)),
        Kind::Uri => format!("{code}={}", escape(&row.key)),
        Kind::Reference if !row.key.contains(['/', ':']) => return None,
        Kind::Reference => format!("{code}={}", escape(&row.key)),
        Kind::Number => format!("{code}={}", point?),
        Kind::Quantity => format!("{code}=ge{}|{}|{}", point?, escape(second), escape(first)),
        Kind::Date => {
            let day = |ms: f64| {
                #[expect(clippy::cast_possible_truncation, reason = "whole milliseconds")]
                let time = chrono::DateTime::from_timestamp_millis(ms as i64)?;
                Some(time.format("%Y-%m-%d").to_string())
            };
            format!("{code}=ge{}", day(row.low.filter(|low| low.is_finite())?)?)
        }
        Kind::Composite => return None,
    })
}

#[tokio::test]
async fn what_is_drawn_from_the_examples_finds_exactly_what_has_it() {
    let corpus = corpus();
    assert!(corpus.len() > 3_000, "{} examples", corpus.len());
    // The rows of every parameter of every type, those that come first in the order of their keys.
    let mut drawn: BTreeMap<(ResourceType, ParameterId), Vec<Entry>> = BTreeMap::new();
    for entries in &corpus {
        for row in &entries.rows {
            let rows = drawn.entry((entries.resource_type, row.parameter)).or_default();
            if rows.len() < DRAWN && !rows.iter().any(|known| known.key == row.key) {
                rows.push(row.clone());
            }
        }
    }
    let mut by_type: HashMap<ResourceType, Vec<&Entries>> = HashMap::new();
    for entries in &corpus {
        by_type.entry(entries.resource_type).or_default().push(entries);
    }
    let (corpus, drawn, by_type) = (&corpus, &drawn, &by_type);
    on_each(async |service| {
        let copies = corpus.clone();
        let stored = service.store.write(move |transaction| {
            let mut all = Ok(());
            for (number, entries) in copies.iter().enumerate() {
                let version = Version {
                    key: 1 + i64::try_from(number).unwrap(),
                    resource_type: entries.resource_type,
                    id: entries.id.clone(),
                    version: 1,
                    updated: 0,
                    method: Method::Put,
                    deleted: false,
                    patient: 0,
                    patients: 0,
                    author: String::new(),
                    labels: String::new(),
                    body: "{}".to_owned(),
                };
                #[expect(clippy::disallowed_methods, reason = "the store by itself")]
                let stored = all.and_then(|()| transaction.insert(&[(version, entries)]));
                all = stored;
            }
            (all, Vec::new())
        });
        stored.await.unwrap();
        let (mut queries, mut parameters, mut matches) = (0, 0, 0);
        for ((resource_type, id), rows) in drawn {
            let Some(parameter) = parameter_by_id(*id) else { continue };
            let texts: Vec<String> = rows.iter().filter_map(|row| asked(parameter, row)).collect();
            parameters += usize::from(!texts.is_empty());
            for text in texts {
                let wanted = query(resource_type.name(), &text).predicate;
                let of_type = by_type.get(resource_type).map(Vec::as_slice).unwrap_or_default();
                let mut ids: Vec<String> =
                    of_type.iter().filter(|one| wanted.holds(one)).map(|one| one.id.clone()).collect();
                ids.sort();
                assert!(!ids.is_empty(), "{resource_type}?{text}");
                queries += 1;
                matches += ids.len();
                let seen = found(&service, system(), resource_type.name(), &format!("{text}&_count=2000")).await;
                assert_eq!(seen, ids, "{resource_type}?{text}");
            }
        }
        assert!(parameters > 800 && queries > 1_000, "{parameters} parameters, {queries} queries, {matches} matches");
    })
    .await;
}
