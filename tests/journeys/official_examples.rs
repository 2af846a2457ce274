//! All official R4 examples by PUT under their own ids, and back unchanged. Which of them the specification itself gets
//! wrong is the list of the tests of `concord-fhir`; here it is only shown that those are refused for the same reasons.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use concord_fhir::codec::{self, Format};
use concord_fhir::json::{self, Limits};
use concord_tests::client::{FHIR_JSON, Method};
use concord_tests::{App, Concord, Database, examples};

/// How many files are on their way together.
const TOGETHER: usize = 6;

#[derive(Debug, Default, PartialEq, Eq)]
struct Count {
    stored: usize,
    refused: usize,
    without_endpoint: usize,
}

#[test]
fn come_back_unchanged() {
    // Some are tens of megabytes, and one system stores and reads several at once.
    let much = "1073741824";
    let settings = [
        ("CONCORD_MAX_BODY_BYTES", "67108864"),
        ("CONCORD_MAX_BODY_BYTES_TOGETHER", much),
        ("CONCORD_MAX_ANSWER_BYTES", "67108864"),
        ("CONCORD_MAX_ANSWER_BYTES_TOGETHER", much),
    ];
    concord_tests::run(Database::Sqlite, &settings, all);
}

async fn all(concord: &Concord) {
    let mut files = examples::files();
    // The largest first, so that none is left alone at the end.
    files.sort_by_key(|file| std::cmp::Reverse(file.metadata().map_or(0, |data| data.len())));
    let (files, next) = (Arc::new(files), Arc::new(AtomicUsize::new(0)));
    let tasks: Vec<_> = (0..TOGETHER)
        .map(|_| {
            let (app, files, next) = (concord.system(), Arc::clone(&files), Arc::clone(&next));
            tokio::spawn(async move {
                let mut count = Count::default();
                while let Some(file) = files.get(next.fetch_add(1, Ordering::Relaxed)) {
                    one(&app, file, &mut count).await;
                }
                count
            })
        })
        .collect();
    let mut total = Count::default();
    for task in tasks {
        let count = task.await.expect("examples that come back unchanged");
        total.stored += count.stored;
        total.refused += count.refused;
        total.without_endpoint += count.without_endpoint;
    }
    assert_eq!(total.stored + total.refused + total.without_endpoint, examples::COUNT, "{total:?}");
    assert!(total.refused < 30, "{total:?}");
}

async fn one(app: &App, file: &Path, count: &mut Count) {
    let bytes = std::fs::read(file).expect("an example");
    let limits = Limits::default();
    let name = file.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let sent = json::parse(&bytes, &limits).unwrap_or_else(|issues| panic!("{name}: {issues:?}"));
    let kind = sent.text("resourceType").unwrap_or_default();
    let id = sent.text("id").unwrap_or_default();
    let (method, place) = match kind {
        "Parameters" => {
            count.without_endpoint += 1;
            return;
        }
        "AuditEvent" | "Provenance" => (Method::POST, kind.to_owned()),
        _ => (Method::PUT, format!("{kind}/{id}")),
    };
    let written = app.ask(method, &place).body(FHIR_JSON, bytes.clone()).header("prefer", "return=minimal").await;
    if kind == "Subscription" && written.status == 422 {
        // Nobody would ever be told.
        assert_eq!(written.issues()[0].0, "not-supported", "{name}: {written}");
        count.refused += 1;
        return;
    }
    if written.status != 201 {
        let issues = codec::read(Format::Json, &bytes, &limits).err();
        let issues = issues.unwrap_or_else(|| panic!("{name} is valid: {written}"));
        assert!([400, 404, 422].contains(&written.status), "{name}: {written}");
        for (_, place, _) in written.issues() {
            let known = issues.iter().any(|issue| issue.expression.as_deref().unwrap_or_default() == place);
            assert!(known || written.status == 404, "{name}: {written}");
        }
        count.refused += 1;
        return;
    }
    let place = written.header("location").split("/_history/").next().unwrap_or_default().to_owned();
    let read = app.get(&place).await.expect(200);
    let back = json::parse(&read.body, &limits).unwrap_or_else(|issues| panic!("{name}: {issues:?}"));
    // As text: numbers to the last digit, and members in their order.
    assert!(bare(back) == bare(sent), "{name} has changed");
    count.stored += 1;
}

/// The text of a resource without what the server puts in.
fn bare(mut value: json::Value<'_>) -> String {
    // What a system hands in about others' doings is marked as its word.
    let handed_in = matches!(value.text("resourceType"), Some("AuditEvent" | "Provenance"));
    let stamped = if handed_in { &["versionId", "lastUpdated", "source"][..] } else { &["versionId", "lastUpdated"] };
    if let Some(object) = value.as_object_mut() {
        object.remove("id");
        let mut meta = object.remove("meta").unwrap_or(json::Value::Null);
        if let Some(meta) = meta.as_object_mut() {
            for stamped in stamped {
                meta.remove(stamped);
            }
            if !meta.0.is_empty() {
                object.set("meta", json::Value::Object(meta.clone()));
            }
        }
    }
    json::to_string(&value)
}
