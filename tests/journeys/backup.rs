//! A copy of the embedded database ends while others read and write, holds one moment, and comes back.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use concord_tests::client::{App, text};
use concord_tests::database::{Database, Folder, Scratch};
use concord_tests::people::{self, blood_pressure};
use concord_tests::process::{Process, binary, output};

fn settings(url: &str) -> Vec<(&'static str, String)> {
    [
        ("CONCORD_LISTEN", "127.0.0.1:0"),
        ("CONCORD_PUBLIC_URL", "http://concord.test"),
        ("CONCORD_DEVELOPMENT_ISSUER", "true"),
        ("CONCORD_REQUESTS_PER_MINUTE", "0"),
        ("CONCORD_DURABILITY", "process"),
    ]
    .into_iter()
    .map(|(name, value)| (name, value.to_owned()))
    .chain([("CONCORD_DATABASE_URL", url.to_owned())])
    .collect()
}

fn borrowed<'s>(settings: &'s [(&'static str, String)]) -> Vec<(&'static str, &'s str)> {
    settings.iter().map(|(name, value)| (*name, value.as_str())).collect()
}

/// How a command ends, and what it writes.
fn told(folder: &std::path::Path, arguments: &[&str], settings: &[(&'static str, String)]) -> (bool, String) {
    let mut command = std::process::Command::new(binary());
    command.env_clear().current_dir(folder).args(arguments);
    let done = command.envs(borrowed(settings)).output().expect("a binary that starts");
    let text = format!("{}{}", String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr));
    (done.status.success(), text)
}

/// Writes and reads until it is told to stop; the ids of what was written, in order.
async fn load(app: App, stop: Arc<AtomicBool>) -> Vec<String> {
    let mut written = Vec::new();
    while !stop.load(Ordering::Relaxed) {
        let id = app.create(&blood_pressure("amina", 120)).await;
        app.get(&format!("Observation/{id}")).await.expect(200);
        written.push(id);
    }
    written
}

#[test]
fn a_copy_is_made_beside_the_server_and_comes_back() {
    let scratch = Scratch::new(Database::Sqlite);
    let settings_of_server = settings(scratch.url());
    let process = Process::serve(scratch.folder(), &borrowed(&settings_of_server));
    let token = |who: &[&str]| {
        let arguments: Vec<&str> = std::iter::once("token").chain(who.iter().copied()).collect();
        output(scratch.folder(), &arguments, &borrowed(&settings_of_server)).trim().to_owned()
    };
    let system = App::at(&process.origin).with_token(token(&["--system"]).as_str());
    let amina = App::at(&process.origin).with_token(token(&["--patient", "amina"]).as_str());
    let copy = scratch.folder().join("copy.db");
    let copy = copy.to_str().expect("a path");
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime");
    let (before, after) = runtime.block_on(async {
        for resource in people::all() {
            system.store(&resource).await;
        }
        let mut before = Vec::new();
        for _ in 0..50 {
            before.push(amina.create(&blood_pressure("amina", 110)).await);
        }
        let stop = Arc::new(AtomicBool::new(false));
        let loads: Vec<_> = (0..4).map(|_| tokio::spawn(load(amina.clone(), Arc::clone(&stop)))).collect();
        let (folder, own, to) = (scratch.folder().to_owned(), settings_of_server.clone(), copy.to_owned());
        let made = tokio::task::spawn_blocking(move || told(&folder, &["backup", &to], &own)).await.expect("a copy");
        stop.store(true, Ordering::Relaxed);
        let mut after = Vec::new();
        for load in loads {
            after.push(load.await.expect("a load that is served"));
        }
        assert!(made.0 && made.1.contains("found whole"), "{}", made.1);
        (before, after)
    });
    assert!(process.stop(), "it ends well");
    let (again, words) = told(scratch.folder(), &["backup", copy], &settings_of_server);
    assert!(!again && words.contains("there is a file already"), "{words}");

    let elsewhere = Folder::new();
    let restored = settings(&format!("sqlite:{}", elsewhere.path().join("concord.db").display()));
    let (done, words) = told(elsewhere.path(), &["restore", copy], &restored);
    assert!(done && words.contains("0 problems") && words.contains("restored"), "{words}");
    let (done, words) = told(elsewhere.path(), &["restore", copy], &restored);
    assert!(!done && words.contains("there is a file already"), "{words}");
    let process = Process::serve(elsewhere.path(), &borrowed(&restored));
    let key = output(elsewhere.path(), &["token", "--patient", "amina"], &borrowed(&restored));
    let amina = App::at(&process.origin).with_token(key.trim());
    runtime.block_on(async {
        for id in &before {
            amina.get(&format!("Observation/{id}")).await.expect(200);
        }
        // Of what each load wrote there is all up to some moment, and nothing after.
        for written in after {
            let mut there = Vec::new();
            for id in &written {
                there.push(amina.get(&format!("Observation/{id}")).await.status == 200);
            }
            assert!(there.is_sorted_by(|one, other| one >= other), "{there:?}");
        }
        let found = amina.get("Observation?_count=1&_total=accurate").await.expect(200).json();
        assert!(text(&found, "/type") == "searchset");
    });
    assert!(process.stop(), "it ends well");
    let process = Process::serve(elsewhere.path(), &borrowed(&restored));
    let (done, words) = told(elsewhere.path(), &["restore", copy, "--replace"], &restored);
    assert!(!done && words.contains("stop the server first"), "{words}");
    process.kill();
    let (done, words) = told(elsewhere.path(), &["restore", copy, "--replace"], &restored);
    assert!(done && words.contains("concord.db.replaced"), "{words}");
    // What is left beside a database that is gone is no part of the copy.
    std::fs::remove_file(elsewhere.path().join("concord.db")).expect("the database");
    std::fs::write(elsewhere.path().join("concord.db-wal"), b"of another").expect("a file");
    let (done, words) = told(elsewhere.path(), &["restore", copy], &restored);
    assert!(!done && words.contains("concord.db-wal: there is a file already"), "{words}");
}

#[test]
fn a_copy_that_is_not_whole_is_refused() {
    let scratch = Scratch::new(Database::Sqlite);
    let settings_of_server = settings(scratch.url());
    let _done = output(scratch.folder(), &["migrate"], &borrowed(&settings_of_server));
    let copy = scratch.folder().join("copy.db");
    let name = copy.to_str().expect("a path");
    let (done, words) = told(scratch.folder(), &["backup", name], &settings_of_server);
    assert!(done, "{words}");
    let whole = std::fs::read(&copy).expect("the copy");
    let elsewhere = Folder::new();
    let restored = settings(&format!("sqlite:{}", elsewhere.path().join("concord.db").display()));
    let half = whole[..whole.len() / 2].to_vec();
    let mut flipped = whole.clone();
    // A page of its own from the middle, all of it.
    let page = whole.len() / 4096 / 2 * 4096;
    flipped[page..page + 4096].iter_mut().for_each(|byte| *byte ^= 0x5a);
    for (what, bytes, why) in [
        ("half", half, "not a whole database"),
        ("flipped", flipped, "not a whole database"),
        ("text", b"not a database".to_vec(), "not a whole database"),
        ("nothing", Vec::new(), "no database of Concord's"),
    ] {
        std::fs::write(&copy, bytes).expect("a file");
        let (done, words) = told(elsewhere.path(), &["restore", name], &restored);
        assert!(!done && words.contains(why), "{what}: {words}");
        assert_eq!(std::fs::read_dir(elsewhere.path()).expect("a folder").count(), 0, "{what}: nothing is left of it");
    }
    let (done, words) = told(scratch.folder(), &["backup", "x.db"], &settings("postgres://nobody@127.0.0.1/none"));
    assert!(!done && words.contains("its own tools"), "{words}");
}
