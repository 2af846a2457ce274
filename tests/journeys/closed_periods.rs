//! Who looked in a closed period: `$access-log` tells it from the signed files, by the rules that hold for the rest of the log.

use std::fmt::Debug;
use std::path::{Path, PathBuf};

use concord_api::command::audit::{self, Action, AuditArgs, VerifyArgs};
use concord_tests::client::text;
use concord_tests::people::{self, blood_pressure, with};
use concord_tests::{App, Concord, on_both};
use serde_json::json;

on_both! {
    what_is_closed_is_told_as_before, what_is_closed_is_searched_as_before, a_file_that_is_not_what_was_signed_is_told_of,
    an_index_is_made_anew
}

const DAY: i64 = 86_400_000;

const LOG: &str = "Patient/amina/$access-log";

const UNREAD: &str =
    "part of the log cannot be read: audit-000000000001-000000000001.ndjson, which goes up to 2026-12-01T";

/// The folder of the files.
fn folder(concord: &Concord) -> PathBuf {
    concord.scratch().folder().join("periods")
}

/// A node that is told where the files are.
async fn reader(concord: &Concord) -> Concord {
    let (folder, key) = (folder(concord), concord.scratch().folder().join("audit.key"));
    std::fs::create_dir_all(&folder).expect("a folder");
    let (folder, key) = (folder.display().to_string(), key.display().to_string());
    concord.another_node_with(&[("CONCORD_AUDIT_PERIODS", &folder), ("CONCORD_AUDIT_KEY", &key)]).await
}

/// Puts a file in the place of another, which it differs from however little time has gone by.
fn put(path: &Path, content: &[u8]) {
    let new = path.with_extension("new");
    std::fs::write(&new, content).expect("a file");
    std::fs::rename(new, path).expect("a file in its place");
}

/// What the command prints, and whether it was content.
async fn command(node: &Concord, action: Action) -> (bool, String) {
    let mut out = Vec::new();
    let done = audit::run(&AuditArgs { action }, &node.config, node.clock.clone(), &mut out).await;
    let printed = String::from_utf8(out).expect("text");
    match done {
        Ok(()) => (true, printed),
        Err(error) => (false, printed + &error),
    }
}

/// Adds all that there is to the chain.
async fn link(node: &Concord) {
    let (done, printed) = command(node, Action::Head { key: None }).await;
    assert!(done, "{printed}");
}

async fn close(node: &Concord, before: &str) {
    let (done, told) = command(node, Action::Close { before: before.to_owned(), folder: folder(node) }).await;
    assert!(done && told.contains("audit-"), "{told}");
}

/// The ids and the sentences of all pages.
async fn told(app: &App, place: &str) -> Vec<(String, String)> {
    let (mut all, mut next) = (Vec::new(), Some(place.to_owned()));
    while let Some(place) = next {
        let page = app.get(&place).await.expect(200);
        all.extend(page.matches().iter().map(|event| (text(event, "/id").to_owned(), event.to_string())));
        next = page.link("next");
    }
    all
}

/// A reading of hers that her GP reads, one that is kept from her and is read too, somebody who is refused, and broken glass.
async fn one_day(concord: &Concord, number: i64) {
    let reading = with(blood_pressure("amina", 120), "id", json!(format!("open-{number}")));
    let label = json!([{"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "NOPAT"}]);
    let kept = with(reading.clone(), "id", json!(format!("kept-{number}")));
    concord.system().store(&reading).await;
    concord.system().store(&with(kept, "meta", json!({"security": label}))).await;
    concord.user("Practitioner/gp").get(&format!("Observation/open-{number}")).await.expect(200);
    concord.system().get(&format!("Observation/kept-{number}")).await.expect(200);
    concord.user("Practitioner/former").get(&format!("Observation/open-{number}")).await.expect(404);
    // The first of the days is told of something of the day before, in a second that clocks leap over.
    let recorded =
        if number == 1 { "2026-11-30T23:59:60.5Z".to_owned() } else { format!("2026-12-0{number}T03:00:00Z") };
    let glass = json!({"resourceType": "AuditEvent",
        "type": {"system": "http://terminology.hl7.org/CodeSystem/audit-event-type", "code": "rest"},
        "subtype": [{"system": "http://hl7.org/fhir/restful-interaction", "code": "read"}],
        "action": "R", "recorded": recorded, "outcome": "0",
        "purposeOfEvent": [{"coding": [{
            "system": "http://terminology.hl7.org/CodeSystem/v3-ActReason", "code": "BTG"}]}],
        "agent": [{"who": {"reference": "Practitioner/gp-elsewhere"}, "requestor": true}],
        "source": {"observer": {"display": "the hospital"}},
        "entity": [{"what": {"reference": "Patient/amina"}}, {"what": {"reference": format!("Condition/{number}")}}]});
    concord.system().create(&glass).await;
}

/// Three days of a log, of which the first two are to be closed, and a node that reads what is.
async fn three_days(concord: &Concord) -> Concord {
    people::arrive(concord).await;
    let node = reader(concord).await;
    for number in 1..=3 {
        one_day(concord, number).await;
        link(&node).await;
        concord.later(DAY);
    }
    concord.later(DAY);
    node
}

/// Puts what has been closed back into the log, as it was: up to a watermark SQLite has it by patient, too.
fn put_back(concord: &Concord) {
    concord.scratch().tamper("INSERT INTO audit SELECT * FROM before WHERE pk NOT IN (SELECT pk FROM audit)");
    concord.scratch().tamper(
        "INSERT INTO audit_recorded SELECT * FROM recorded_before WHERE pk NOT IN (SELECT pk FROM audit_recorded)",
    );
    if !concord.is_postgres() {
        concord.scratch().tamper(
            "INSERT OR IGNORE INTO audit_patient (patient, pk) SELECT patient, pk FROM before WHERE pk <= (SELECT pk FROM \
             audit_watermark)",
        );
    }
}

/// What each of them is told of the days that are to be closed, wherever a page ends.
async fn as_seen(node: &Concord) -> Vec<(String, Vec<(String, String)>)> {
    let readers = [
        ("amina", node.patient("amina")),
        ("gp", node.user("Practitioner/gp")),
        ("former", node.user("Practitioner/former")),
        ("callum", node.patient("callum")),
        ("system", node.system()),
    ];
    let mut seen = Vec::new();
    for (who, app) in &readers {
        for asked in ["_count=100", "_count=2", "start=2026-12-02&_count=1", "start=2026-12-02T12:00:01Z"] {
            let place = format!("{LOG}?end=2026-12-02&{asked}");
            seen.push((format!("{who} {asked}"), told(app, &place).await));
        }
    }
    seen
}

/// Closes two of the days; what was seen before, by name, which is seen just so afterwards.
async fn closed<S: PartialEq + Debug>(
    concord: &Concord,
    node: &Concord,
    see: impl AsyncFn(&Concord) -> Vec<(String, S)>,
) -> Vec<(String, S)> {
    let before = see(node).await;
    concord.scratch().tamper("CREATE TABLE before AS SELECT * FROM audit");
    concord.scratch().tamper("CREATE TABLE recorded_before AS SELECT * FROM audit_recorded");
    close(node, "2026-12-02").await;
    close(node, "2026-12-03").await;
    for (then, now) in before.iter().zip(&see(node).await) {
        assert_eq!(then, now);
    }
    before
}

/// What was seen under a name.
fn of<'s, S>(seen: &'s [(String, S)], name: &str) -> &'s S {
    &seen.iter().find(|(who, _)| who == name).expect("what was seen").1
}

async fn what_is_closed_is_told_as_before(concord: &Concord) {
    let node = three_days(concord).await;
    let seen = closed(concord, &node, as_seen).await;
    let of = |name: &str| of(&seen, name);
    let amina = of("amina _count=100");
    assert_eq!(amina, of("amina _count=2"), "page by page it is the same");
    assert!(amina[0].1.contains("breaking the glass") && amina[1].1.contains("breaking the glass"), "{amina:#?}");
    assert!(amina.iter().any(|event| event.1.contains("tried to read")), "{amina:#?}");
    let all = format!("{amina:?}");
    assert!(all.contains("open-1") && all.contains("open-2") && !all.contains("kept-"), "{all}");
    let gp = of("gp _count=100");
    assert!(!gp.is_empty() && gp.iter().all(|event| event.1.contains("Practitioner/gp\"")), "{gp:#?}");
    assert!(of("callum _count=100").is_empty());
    assert!(format!("{:?}", of("system _count=100")).contains("kept-1"));
    // Broken glass of all days comes first, also where the newest day is in the database.
    let first = node.patient("amina").get(&format!("{LOG}?_count=4")).await.expect(200);
    let glass =
        first.matches().iter().map(|event| event.to_string().contains("breaking the glass")).collect::<Vec<_>>();
    assert_eq!(glass, [true, true, true, false]);
    assert!(!first.text().contains("cannot be read") && !first.text().contains("has been closed"), "{}", first.text());
    // Whose app may not see the log sees nothing of its files.
    node.patient_with("amina", "patient/Observation.rs").get(LOG).await.expect(403);
    node.nobody().get(LOG).await.expect(401);
    // Nodes that do not know where the files are say that the log goes further back.
    let elsewhere = concord.patient("amina").get(LOG).await.expect(200).text();
    assert!(elsewhere.contains("has been closed and is not listed here: whoever runs"), "{elsewhere}");
    // Where the files are is known to whoever verifies, too.
    let (whole, printed) = command(&node, Action::Verify(VerifyArgs::default())).await;
    assert!(whole && printed.contains(" in 3 links,") && !printed.contains("not looked at"), "{printed}");
    // While it is being closed it is in its file and in the database, and told once.
    put_back(concord);
    assert_eq!(as_seen(&node).await, seen);
}

/// What they search for in the days that are to be closed, with how many there are. The first are answered from the files too.
const SEARCHES: [&str; 15] = [
    "AuditEvent?patient=amina&date=le2026-12-02&_count=100",
    "AuditEvent?patient=amina&date=le2026-12-02&_count=3",
    "AuditEvent?patient=amina&date=le2026-12-02&_count=3&_sort=date",
    "AuditEvent?patient=amina&date=2026-12-01&_sort=date&_count=4&_total=accurate",
    "AuditEvent?patient=amina&date=le2026-12-02&_count=2&_sort=-date",
    "AuditEvent?patient=amina,callum&date=le2026-12-02&outcome=0&_count=1&_sort=date",
    "AuditEvent?patient=amina&date=ge2026-12-02&date=lt2026-12-03&_total=accurate",
    "AuditEvent?patient=amina,callum&date=le2026-12-02&entity=Observation/open-1",
    "AuditEvent?patient=amina&date=le2026-12-02&entity=Observation/kept-2&_total=accurate",
    "AuditEvent?patient=amina&date=le2026-12-02&agent=Practitioner/gp&outcome=0&_count=1",
    "AuditEvent?patient=amina&date=le2026-12-02&outcome:not=0&action=R",
    "AuditEvent?patient=Patient/amina&_lastUpdated=lt2026-12-02T12:00:01Z&_count=1&_sort=_lastUpdated",
    "Patient/amina/AuditEvent?date=le2026-12-02&subtype=read&_count=2",
    "AuditEvent?patient=callum&date=le2026-12-02",
    // What a system has handed in was recorded before the day on which it came.
    "AuditEvent?patient=amina&date=2026-11-30&_total=accurate",
];

/// The ids and bodies of all pages, and the total of the first.
async fn searched(app: &App, place: &str) -> (Option<u64>, Vec<(String, String)>) {
    let (mut all, mut next, mut total) = (Vec::new(), Some(place.to_owned()), None);
    while let Some(place) = next {
        let page = app.get(&place).await.expect(200);
        // Of whom the caller may not know, it is said that there may be more, whoever that is.
        let left_out =
            page.text().replace("not listed here: it is listed for those who may know of whom it was about", "");
        assert!(!left_out.contains("not listed here") && !left_out.contains("cannot be read"), "{left_out}");
        total = total.or_else(|| page.json()["total"].as_u64());
        all.extend(page.matches().iter().map(|event| (text(event, "/id").to_owned(), event.to_string())));
        next = page.link("next");
    }
    (total, all)
}

async fn found_by_each(node: &Concord) -> Vec<(String, (Option<u64>, Vec<(String, String)>))> {
    let mut seen = Vec::new();
    for (who, app) in
        [("amina", node.patient("amina")), ("gp", node.user("Practitioner/gp")), ("system", node.system())]
    {
        for place in SEARCHES {
            seen.push((format!("{who} {place}"), searched(&app, place).await));
        }
    }
    // Her own token says whose record it is.
    let own = "AuditEvent?date=le2026-12-02&_count=100&_total=accurate";
    seen.push((format!("amina {own}"), searched(&node.patient("amina"), own).await));
    seen
}

async fn what_is_closed_is_searched_as_before(concord: &Concord) {
    let node = three_days(concord).await;
    let seen = closed(concord, &node, found_by_each).await;
    let of = |name: &str| of(&seen, name);
    let amina = of(&format!("amina {}", SEARCHES[0]));
    assert_eq!(amina.1, of(&format!("amina {}", SEARCHES[1])).1, "page by page it is the same");
    assert!(amina.1.len() > 8 && of(&format!("amina {}", SEARCHES[6])).0.is_some_and(|total| total > 3), "{amina:#?}");
    assert_eq!(of(&format!("amina {}", SEARCHES[8])), &(Some(0), Vec::new()), "what is kept from her");
    assert_ne!(of(&format!("system {}", SEARCHES[8])).0, Some(0));
    assert!(!of(&format!("gp {}", SEARCHES[9])).1.is_empty(), "what he did himself");
    assert!(!of(&format!("system {}", SEARCHES[14])).1.is_empty(), "what was handed in later");
    // A single event of then is read by those whose record it was about, and is missing for all others.
    let (id, _) = &amina.1[0];
    let event = node.patient("amina").get(&format!("AuditEvent/{id}")).await.expect(200);
    assert_eq!(text(&event.json(), "/id"), id);
    node.patient("callum").get(&format!("AuditEvent/{id}")).await.expect(404);
    // Systems have no record of their own: they say whose it was.
    node.system().get(&format!("AuditEvent/{id}")).await.expect(404);
    let named = searched(&node.system(), &format!("AuditEvent?patient=amina&_id={id},1&_total=accurate")).await;
    assert_eq!((named.0, named.1.len()), (Some(1), 1));
    node.patient_with("amina", "patient/Observation.rs").get("AuditEvent?patient=amina").await.expect(403);
    // The same across the days that are closed and those that are not, in both directions.
    let amina = node.patient("amina");
    let newest = searched(&amina, "AuditEvent?patient=amina&_count=5&_sort=-date").await.1;
    let mut oldest = searched(&amina, "AuditEvent?patient=amina&_count=7&_sort=date").await.1;
    oldest.truncate(10);
    assert_eq!(newest.iter().rev().take(10).cloned().collect::<Vec<_>>(), oldest);
    say_where_the_rest_is(concord, &node).await;
    hidden_is_as_missing(concord).await;
    hidden_is_as_missing(&node).await;
    // While it is being closed it is in its file and in the database, and found and counted once.
    put_back(concord);
    assert_eq!(found_by_each(&node).await, seen);
}

/// Searches that could reach into closed periods and are not answered from them say so, and no others do.
async fn say_where_the_rest_is(concord: &Concord, node: &Concord) {
    let told = "what happened up to 2026-12-02T12:00:00.000Z has been closed and is not listed here: ";
    let system = node.system();
    for place in ["AuditEvent", "AuditEvent?agent=Practitioner/gp", "AuditEvent?date=le2026-12-02&_sort=date"] {
        let page = system.get(place).await.expect(200).text();
        assert!(page.contains(&format!("{told}say whose record it was about (`patient`)")), "{place}: {page}");
        let page = concord.system().get(place).await.expect(200).text();
        assert!(page.contains(&format!("{told}whoever runs the server keeps it")), "{place}: {page}");
    }
    for place in ["AuditEvent?date=ge2026-12-04", "AuditEvent?patient=nobody&date=ge2026-12-04"] {
        for node in [concord, node] {
            let page = node.system().get(place).await.expect(200).text();
            assert!(!page.contains("has been closed"), "{place}: {page}");
        }
    }
}

/// What is told of a patient who is named: how many events, which, the remarks, and where else to look.
async fn told_of(app: &App, place: &str, name: &str) -> String {
    let page = app.get(&place.replace("NAME", name)).await;
    let mut body = page.json();
    for part in ["id", "meta", "timestamp"] {
        body.as_object_mut().expect("a Bundle").remove(part);
    }
    for entry in body["entry"].as_array_mut().into_iter().flatten() {
        entry.as_object_mut().expect("an entry").remove("fullUrl");
        entry["resource"].as_object_mut().expect("a resource").remove("id");
    }
    format!("{} {body}", page.status).replace(name, "NAME")
}

/// Who may not know of somebody is told of her what they are told of nobody, whatever has become of the files.
async fn hidden_is_as_missing(node: &Concord) {
    for app in [node.user("Practitioner/who-did-nothing"), node.user("RelatedPerson/neighbour"), node.patient("callum")]
    {
        for place in [
            "AuditEvent?patient=NAME",
            "AuditEvent?patient=NAME&_summary=count",
            "AuditEvent?patient=NAME,nobody&date=lt2026-12-02&_total=accurate",
            "AuditEvent?patient=NAME&date=ge2026-12-04",
            "Patient/NAME/AuditEvent?_sort=date",
            "Patient/NAME/$access-log",
        ] {
            let hidden = told_of(&app, place, "amina").await;
            assert_eq!(hidden, told_of(&app, place, "nosuch").await, "{place}");
            assert!(!hidden.contains("cannot be read"), "{place}: {hidden}");
        }
    }
    let stranger = told_of(&node.user("Practitioner/who-did-nothing"), "AuditEvent?patient=NAME", "nosuch").await;
    assert!(stranger.contains("has been closed and is not listed here"), "{stranger}");
}

async fn a_file_that_is_not_what_was_signed_is_told_of(concord: &Concord) {
    let node = three_days(concord).await;
    close(&node, "2026-12-02").await;
    close(&node, "2026-12-03").await;
    let file = folder(&node).join("audit-000000000001-000000000001.ndjson");
    let signed = std::fs::read(&file).expect("the file");
    let whole = told(&node.patient("amina"), &format!("{LOG}?end=2026-12-02&_count=100")).await;
    let of_second = told(&node.patient("amina"), &format!("{LOG}?start=2026-12-02&end=2026-12-02&_count=100")).await;
    let mut flipped = signed.clone();
    let place = signed.windows(6).position(|part| part == b"open-1").expect("an event of that day") + 5;
    flipped[place] ^= 1;
    let other = format!("{}\n", String::from_utf8_lossy(&signed).lines().take(2).collect::<Vec<_>>().join("\n"));
    for (content, wrong) in [
        (Some(flipped), "it is not the file that was signed"),
        (Some(other.into_bytes()), "it has no end"),
        (None, "No such file"),
    ] {
        match &content {
            Some(content) => put(&file, content),
            None => std::fs::remove_file(&file).expect("a file"),
        }
        // The node that has read it before, and one that begins now.
        for node in [&node, &reader(concord).await] {
            hidden_is_as_missing(node).await;
            let amina = node.patient("amina");
            for _ in 0..2 {
                let page = amina.get(&format!("{LOG}?end=2026-12-02&_count=100")).await.expect(200);
                assert!(page.text().contains(UNREAD) && page.text().contains(wrong), "{wrong}: {}", page.text());
                assert!(!page.text().contains("periods/"), "where it is, is nobody's business: {}", page.text());
                let ids: Vec<String> = of_second.iter().map(|(id, _)| id.clone()).collect();
                assert_eq!(page.ids(), ids, "what is whole is told, and nothing else");
            }
            let later = amina.get(&format!("{LOG}?start=2026-12-04")).await.expect(200).text();
            assert!(!later.contains("cannot be read"), "who does not ask for it is not troubled: {later}");
            // A search says it too, and tells no number that would leave it out; what may be in there is not said to be missing.
            let found =
                amina.get("AuditEvent?patient=amina&date=le2026-12-02&_total=accurate&_count=100").await.expect(200);
            assert!(found.text().contains(UNREAD) && found.text().contains(wrong), "{wrong}: {}", found.text());
            assert_eq!(found.json()["total"], serde_json::Value::Null);
            assert_eq!(found.ids().len(), of_second.len(), "what is whole is found");
            let event = amina.get(&format!("AuditEvent/{}", whole.last().expect("an event").0)).await.expect(503);
            assert!(event.text().contains(UNREAD) && event.text().contains(wrong), "{wrong}: {}", event.text());
            assert_eq!(event.header("retry-after"), "60");
        }
    }
    put(&file, &signed);
    assert_eq!(told(&node.patient("amina"), &format!("{LOG}?end=2026-12-02&_count=100")).await, whole);
    // A period that nobody with the key has closed is not believed, whatever its file says.
    let other = folder(&node).join("other.key").display().to_string();
    let stranger = [("CONCORD_AUDIT_PERIODS", &*folder(&node).display().to_string()), ("CONCORD_AUDIT_KEY", &*other)];
    let log = format!("{LOG}?_count=1000");
    let page = concord.another_node_with(&stranger).await.patient("amina").get(&log).await.expect(200);
    assert!(page.text().contains("what says that it was closed is not signed by the key"), "{}", page.text());
    assert!(!page.text().contains("open-1") && page.text().contains("open-3"), "{}", page.text());
}

async fn an_index_is_made_anew(concord: &Concord) {
    let node = three_days(concord).await;
    close(&node, "2026-12-02").await;
    let place = format!("{LOG}?end=2026-12-01&_count=3");
    let whole = told(&node.patient("amina"), &place).await;
    assert!(whole.len() > 3, "{whole:?}");
    let index = folder(&node).join("audit-000000000001-000000000001.ndjson.index");
    let written = std::fs::read(&index).expect("the index");
    let mut short = written.clone();
    short.truncate(32);
    let mut elsewhere = written.clone();
    elsewhere[50] ^= 1;
    for changed in [Some(short), Some(elsewhere), None] {
        match changed {
            Some(content) => put(&index, &content),
            None => std::fs::remove_file(&index).expect("a file"),
        }
        for node in [&node, &reader(concord).await] {
            assert_eq!(told(&node.patient("amina"), &place).await, whole);
            assert_eq!(std::fs::read(&index).expect("the index"), written);
        }
    }
    let left = std::fs::read_dir(folder(&node)).expect("the folder").count();
    assert_eq!(left, 2, "the file and its index, and nothing half done");
}
