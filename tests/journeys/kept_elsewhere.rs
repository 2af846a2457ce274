//! What is kept of the log where the database is not: heads, by themselves, and closed periods in signed files. An older copy of the
//! database is told apart from a log that was tampered with.

use std::path::PathBuf;

use concord_api::command::audit::{self, Action, AuditArgs, VerifyArgs};
use concord_api::config::Config;
use concord_tests::client::App;
use concord_tests::database::{Database, Folder, Scratch};
use concord_tests::people;
use concord_tests::process::{Process, output};
use concord_tests::{Concord, on_both};

on_both! { closed_periods_are_verified, an_older_copy_is_no_tampering }

/// The settings of the server with a place for what is kept.
fn config(concord: &Concord) -> Config {
    let folder = concord.scratch().folder();
    Config { audit_heads: Some(folder.join("heads")), audit_key: folder.join("audit.key"), ..concord.config.clone() }
}

/// What the command prints, and whether it was content.
async fn command(concord: &Concord, action: Action) -> (bool, String) {
    let mut out = Vec::new();
    let done = audit::run(&AuditArgs { action }, &config(concord), concord.clock.clone(), &mut out).await;
    let printed = String::from_utf8(out).expect("text");
    match done {
        Ok(()) => (true, printed),
        Err(error) => (false, printed + &error),
    }
}

async fn verified(concord: &Concord, periods: Option<PathBuf>) -> (bool, String) {
    command(concord, Action::Verify(VerifyArgs { periods, ..VerifyArgs::default() })).await
}

/// Adds all that there is to the chain, and keeps the head as the server does.
async fn keep_head(concord: &Concord) {
    let (done, printed) = command(concord, Action::Head { key: None }).await;
    assert!(done, "{printed}");
    let path = config(concord).audit_heads.expect("a file");
    let before = std::fs::read_to_string(&path).unwrap_or_default();
    std::fs::write(path, before + &printed).expect("a file of heads");
}

const DAY: i64 = 86_400_000;

/// Where a patient reads who looked.
const LOGS: [&str; 2] = ["Patient/amina/$access-log", "AuditEvent?_count=2"];

async fn closed_periods_are_verified(concord: &Concord) {
    people::arrive(concord).await;
    let amina = concord.patient("amina");
    amina.get("Patient/amina").await.expect(200);
    keep_head(concord).await;
    concord.later(DAY);
    concord.patient("amina").get("Patient/amina").await.expect(200);
    keep_head(concord).await;
    concord.later(3 * DAY);
    let amina = concord.patient("amina");
    amina.get("Patient/amina").await.expect(200);
    keep_head(concord).await;
    let all = amina.entries("AuditEvent?_count=100").await.len();
    for place in LOGS {
        assert!(!amina.get(place).await.expect(200).text().contains("has been closed"), "{place}");
    }
    let folder = concord.scratch().folder().join("periods");
    std::fs::create_dir(&folder).expect("a folder");
    let close = |before: &str| Action::Close { before: before.to_owned(), folder: folder.clone() };
    let (done, told) = command(concord, close("2026-12-05")).await;
    assert!(!done && told.contains("has not been over for a day"), "{told}");
    let (done, told) = command(concord, close("2026-12-02")).await;
    assert!(done && told.contains("audit-000000000001-000000000001.ndjson: links 1 to 1"), "{told}");
    let (done, told) = command(concord, close("2026-12-02")).await;
    assert!(done && told.contains("nothing is left"), "{told}");
    let (done, told) = command(concord, close("2026-12-03")).await;
    assert!(done && told.contains("audit-000000000002-000000000002.ndjson: links 2 to 2"), "{told}");
    let left = amina.entries("AuditEvent?_count=100").await.len();
    assert!(left < all, "{left} of {all}");
    for place in LOGS {
        let told = amina.get(place).await.expect(200).text();
        assert!(told.contains("what happened up to 2026-12-02T12:00:00.000Z has been closed"), "{place}: {told}");
    }
    let (whole, told) = verified(concord, None).await;
    assert!(whole && told.contains("links 1 to 2 were closed") && told.contains("3 heads were kept"), "{told}");
    let (whole, told) = verified(concord, Some(folder.clone())).await;
    assert!(whole && told.contains(" in 3 links,") && told.contains(" 0 problems"), "{told}");

    // A file that was changed, one that is gone, and a note that nobody has signed.
    let file = folder.join("audit-000000000001-000000000001.ndjson");
    let text = std::fs::read_to_string(&file).expect("the file");
    for (changed, wrong) in [
        (text.replacen("\"outcome\":0", "\"outcome\":4", 1), "has been changed (link 1)"),
        (text.replacen("\"agent\":\"", "\"agent\":\"x", 1), "it is not the file that was signed"),
        (text.lines().take(3).collect::<Vec<_>>().join("\n"), "it has no end"),
    ] {
        assert_ne!(changed, text);
        std::fs::write(&file, changed).expect("a file");
        let (whole, told) = verified(concord, Some(folder.clone())).await;
        assert!(!whole && told.contains(wrong), "{wrong}: {told}");
    }
    std::fs::remove_file(&file).expect("the file");
    let (whole, told) = verified(concord, Some(folder.clone())).await;
    assert!(!whole && told.contains("links 1 to 1 were closed: ") && told.contains("No such file"), "{told}");
    std::fs::write(&file, text).expect("a file");
    let (whole, told) = verified(concord, Some(folder.clone())).await;
    assert!(whole, "{told}");
    concord.scratch().tamper(
        "INSERT INTO audit_period SELECT s.number, s.number - 1, s.previous, s.at, s.last, s.head, 1, '', '', p.public_key, \
         p.signature FROM seal s, audit_period p WHERE s.number = 3 AND p.number = 2",
    );
    let (whole, told) = verified(concord, None).await;
    assert!(!whole && told.contains("is not signed by the key"), "{told}");
}

async fn an_older_copy_is_no_tampering(concord: &Concord) {
    people::arrive(concord).await;
    let amina = concord.patient("amina");
    keep_head(concord).await;
    amina.get("Patient/amina").await.expect(200);
    keep_head(concord).await;
    let (whole, told) = verified(concord, None).await;
    assert!(whole && told.contains("2 heads were kept elsewhere"), "{told}");
    // As an older copy is.
    let scratch = concord.scratch();
    scratch.tamper(if concord.is_postgres() {
        "ALTER TABLE audit DISABLE TRIGGER USER; ALTER TABLE seal DISABLE TRIGGER USER;"
    } else {
        "DROP TRIGGER audit_no_delete; DROP TRIGGER seal_no_delete; DROP TRIGGER seal_no_update"
    });
    scratch.tamper(
        "DELETE FROM audit WHERE pk > (SELECT last FROM seal WHERE number = 1); DELETE FROM seal WHERE number = 2",
    );
    let (whole, told) = verified(concord, None).await;
    assert!(!whole && told.contains("link 2, whose head was kept elsewhere, is missing"), "{told}");
    assert!(told.contains("all before it is as it was, so that a backup of before was restored"), "{told}");
    let reason = "the disk was broken".to_owned();
    let (done, told) = command(concord, Action::Restored { reason }).await;
    assert!(done && told.contains("goes on from link 1"), "{told}");
    let (whole, told) = verified(concord, None).await;
    assert!(whole && told.contains("links 2 to 2 of before are gone (the disk was broken)"), "{told}");
    amina.get("Patient/amina").await.expect(200);
    keep_head(concord).await;
    let (whole, told) = verified(concord, None).await;
    assert!(whole && told.contains("3 heads were kept elsewhere"), "{told}");
    // A chain that was made anew is another thing.
    scratch.tamper("UPDATE seal SET head = 'x' WHERE number = 2");
    let (whole, told) = verified(concord, None).await;
    assert!(!whole && told.contains("link 2 has been changed") && !told.contains("as it was"), "{told}");
    assert!(told.contains("link 2 is not the one whose head was kept elsewhere"), "{told}");
}

/// The server keeps them by itself, and `restore` says that it has put an older copy in place.
#[test]
fn heads_are_kept_by_themselves_and_through_a_restore() {
    let (scratch, elsewhere) = (Scratch::new(Database::Sqlite), Folder::new());
    let heads = elsewhere.path().join("heads").display().to_string();
    let key = elsewhere.path().join("audit.key").display().to_string();
    let settings = [
        ("CONCORD_LISTEN", "127.0.0.1:0"),
        ("CONCORD_PUBLIC_URL", "http://concord.test"),
        ("CONCORD_DATABASE_URL", scratch.url()),
        ("CONCORD_DEVELOPMENT_ISSUER", "true"),
        ("CONCORD_AUDIT_HEADS", &heads),
        ("CONCORD_AUDIT_KEY", &key),
    ];
    let run = |arguments: &[&str]| output(scratch.folder(), arguments, &settings);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let serve = || {
        let process = Process::serve(scratch.folder(), &settings);
        let app = App::at(&process.origin).with_token(run(&["token", "--system"]).trim());
        runtime.block_on(async { app.get("Patient").await.expect(200) });
        assert!(process.stop(), "it ends well");
    };
    serve();
    let kept = || std::fs::read_to_string(&heads).expect("the heads").lines().count();
    assert_eq!(kept(), 1);
    let _copied = run(&["backup", "copy.db"]);
    serve();
    assert_eq!(kept(), 2);
    assert!(run(&["audit", "verify"]).contains("0 problems; 2 heads were kept elsewhere"));
    let told = run(&["restore", "copy.db", "--replace"]);
    assert!(told.contains("goes on from link 1"), "{told}");
    let told = run(&["audit", "verify"]);
    assert!(told.contains("links 2 to 2 of before are gone (concord restore copy.db)"), "{told}");
    serve();
    assert!(run(&["audit", "verify"]).contains("0 problems"));
}

/// A byte of the write-ahead log that is not what it was takes with it what was acknowledged after it: the database opens as if
/// nothing had been there, and only the head that was kept elsewhere shows it.
#[test]
fn a_flipped_byte_of_the_write_ahead_log_is_shown_by_a_head() {
    let (scratch, elsewhere) = (Scratch::new(Database::Sqlite), Folder::new());
    let heads = elsewhere.path().join("heads");
    let (kept, key) = (heads.display().to_string(), elsewhere.path().join("audit.key").display().to_string());
    let settings = [
        ("CONCORD_LISTEN", "127.0.0.1:0"),
        ("CONCORD_PUBLIC_URL", "http://concord.test"),
        ("CONCORD_DATABASE_URL", scratch.url()),
        ("CONCORD_DEVELOPMENT_ISSUER", "true"),
        ("CONCORD_AUDIT_HEADS", &kept),
        ("CONCORD_AUDIT_KEY", &key),
    ];
    let run = |arguments: &[&str]| output(scratch.folder(), arguments, &settings);
    let process = Process::serve(scratch.folder(), &settings);
    let app = App::at(&process.origin).with_token(run(&["token", "--system"]).trim());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        for number in 0..20 {
            app.store(&serde_json::json!({"resourceType": "Basic", "id": format!("b{number}"), "code": {"text": "x"}}))
                .await;
        }
    });
    // As the server keeps it, once a minute.
    let head = run(&["audit", "head"]);
    std::fs::write(&heads, head).expect("a file of heads");
    assert!(run(&["audit", "verify"]).contains("0 problems; 1 heads were kept elsewhere"));
    process.kill();
    let wal = std::path::PathBuf::from(format!("{}-wal", scratch.url().trim_start_matches("sqlite:")));
    let mut bytes = std::fs::read(&wal).unwrap_or_default();
    assert!(bytes.len() > 100_000, "{} bytes are there of {}", bytes.len(), wal.display());
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0x10;
    std::fs::write(&wal, bytes).expect("the write-ahead log");
    let mut command = std::process::Command::new(concord_tests::process::binary());
    command.env_clear().current_dir(scratch.folder()).args(["audit", "verify"]).envs(settings);
    let done = command.output().expect("a binary that starts");
    let told = format!("{}{}", String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr));
    assert!(!done.status.success() && told.contains("whose head was kept elsewhere"), "{told}");
}
