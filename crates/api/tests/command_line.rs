//! The binary as its operators use it: what each command prints, and what it says in one line when something is wrong.

#![expect(clippy::unwrap_used, reason = "a test stops at the first thing that goes wrong")]

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use concord_store::DatabaseUrl;
use concord_store::testing::execute;

/// A folder that is removed when it is dropped.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Folder {
        let path = std::env::temp_dir().join(format!("concord-command-{}", uuid::Uuid::new_v4().simple()));
        std::fs::create_dir(&path).unwrap();
        Folder(path)
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.0.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
        path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _left = std::fs::remove_dir_all(&self.0);
    }
}

fn concord(folder: &Path, arguments: &[&str], settings: &[(&str, &str)]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_concord"));
    command.args(arguments).current_dir(folder).env_clear();
    for (name, value) in settings {
        command.env(name, value);
    }
    command.output().unwrap()
}

#[track_caller]
fn done(output: &Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout.clone()).unwrap()
}

/// The one line of a failure, after the name of the program.
#[track_caller]
fn failed(output: &Output) -> String {
    assert!(!output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    let told = String::from_utf8(output.stderr.clone()).unwrap();
    assert_eq!(told.lines().count(), 1, "{told}");
    told.trim_end().strip_prefix("concord: ").unwrap().to_owned()
}

#[test]
fn bad_settings_are_named() {
    let folder = Folder::new();
    for (settings, wanted) in [
        (&[("CONCORD_LISTEN", "everywhere")][..], "listen"),
        (&[("CONCORD_DATABASE_URL", "mysql://x")], "database_url"),
        (&[("CONCORD_DATABASE_URL", "sqlite:no/such/folder/concord.db")], "database_url"),
        (&[("CONCORD_DATABASE_URL", "postgres://127.0.0.1:1/none")], "database_url"),
        (&[("CONCORD_MAX_BODY_BYTES", "1")], "max_body_bytes"),
        (&[("CONCORD_DEVELOPMENT_ISSUER", "perhaps")], "development_issuer"),
        (&[("CONCORD_CONFIG", "missing.toml")], "missing.toml"),
        (&[("CONCORD_PUBLIC_URL", "https://phr.example.org/fhir")], "without /fhir"),
        (&[("CONCORD_PUBLIC_URL", "https://phr.example.org/fhir/")], "without /fhir"),
        (&[("CONCORD_PUBLIC_URL", "https://phr.example.org/FHIR")], "without /fhir"),
    ] {
        let told = failed(&concord(&folder.0, &["migrate"], settings));
        assert!(told.to_lowercase().contains(wanted), "{settings:?}: {told}");
    }
    folder.write("concord.toml", "lisen = \"127.0.0.1:0\"\n");
    let told = failed(&concord(&folder.0, &["--config", "concord.toml", "migrate"], &[]));
    assert!(told.contains("lisen"), "{told}");
    let told = failed(&concord(&folder.0, &["token", "--system"], &[]));
    assert!(told.contains("CONCORD_DEVELOPMENT_ISSUER"), "{told}");
}

#[test]
fn an_address_that_is_taken_is_named() {
    let folder = Folder::new();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let output = concord(&folder.0, &["serve"], &[("CONCORD_LISTEN", &address), ("CONCORD_LOG_LEVEL", "error")]);
    let told = failed(&output);
    assert!(told.starts_with("listen: ") && told.contains(&address), "{told}");
}

/// The port that the system has chosen is in the log, and in the links.
#[test]
fn any_free_port_is_named() {
    let folder = Folder::new();
    let mut server = Command::new(env!("CARGO_BIN_EXE_concord"))
        .arg("serve")
        .current_dir(&folder.0)
        .env_clear()
        .env("CONCORD_LISTEN", "127.0.0.1:0")
        .env("CONCORD_DEVELOPMENT_ISSUER", "true")
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(server.stderr.take().unwrap()).lines();
    let told = lines.map(Result::unwrap).find(|line| line.contains("serving")).unwrap();
    server.kill().unwrap();
    server.wait().unwrap();
    let (_, rest) = told.split_once("127.0.0.1:").unwrap();
    let port: u16 = rest.chars().take_while(char::is_ascii_digit).collect::<String>().parse().unwrap();
    assert!(port != 0 && told.contains(&format!("http://127.0.0.1:{port}/fhir")), "{told}");
}

#[test]
fn an_ephemeral_server_that_others_could_reach_does_not_start() {
    let folder = Folder::new();
    let told = failed(&concord(&folder.0, &["serve", "--ephemeral"], &[("CONCORD_LISTEN", "0.0.0.0:0")]));
    assert!(told.contains("from this machine only"), "{told}");
}

#[test]
fn an_ephemeral_server_is_reached_by_others_where_that_is_said_twice_and_asked_whether_it_is_ready() {
    let folder = Folder::new();
    let mut server = Command::new(env!("CARGO_BIN_EXE_concord"))
        .args(["serve", "--ephemeral", "--anywhere"])
        .current_dir(&folder.0)
        .env_clear()
        .env("CONCORD_LISTEN", "0.0.0.0:0")
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let told = BufReader::new(server.stdout.take().unwrap()).lines().next().unwrap().unwrap();
    let port = told.rsplit_once(':').unwrap().1.trim_end_matches("/fhir").to_owned();
    let place = format!("http://127.0.0.1:{port}");
    assert_eq!(done(&concord(&folder.0, &["health", &place], &[])), "ready\n");
    let listen = format!("0.0.0.0:{port}");
    assert_eq!(done(&concord(&folder.0, &["health"], &[("CONCORD_LISTEN", &listen)])), "ready\n");
    server.kill().unwrap();
    server.wait().unwrap();
    assert!(failed(&concord(&folder.0, &["health", &place], &[])).contains(&format!("127.0.0.1:{port}")));
    assert!(failed(&concord(&folder.0, &["health", "https://127.0.0.1"], &[])).contains("https"));
}

/// What `serve --check` says where the server would not start: one line that says what to do.
fn refused(folder: &Path, settings: &[(&str, &str)]) -> String {
    let usual = [("CONCORD_DEVELOPMENT_ISSUER", "true"), ("CONCORD_LISTEN", "127.0.0.1:0")];
    let settings: Vec<(&str, &str)> = usual.iter().chain(settings).copied().collect();
    failed(&concord(folder, &["serve", "--check"], &settings))
}

/// Everything in a folder, with what is in it.
fn contents(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut all: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_file())
        .map(|path| (path.clone(), std::fs::read(path).unwrap()))
        .collect();
    all.sort();
    all
}

#[test]
fn a_check_of_a_database_without_its_folder_says_no() {
    let folder = Folder::new();
    for place in ["sqlite:no/such/concord.db", "sqlite:/no/such/concord.db"] {
        let told = refused(&folder.0, &[("CONCORD_DATABASE_URL", place)]);
        assert!(told.starts_with("database_url: the folder") && told.contains("make it"), "{told}");
    }
    assert!(contents(&folder.0).is_empty());
}

#[test]
fn a_check_of_a_file_of_another_program_says_no_and_changes_nothing() {
    let folder = Folder::new();
    let foreign = folder.0.join("foreign.db");
    let table = "PRAGMA journal_mode = DELETE; CREATE TABLE holiday (photo BLOB); INSERT INTO holiday VALUES (x'00')";
    execute(&DatabaseUrl::Sqlite(foreign), table);
    folder.write("text.db", &"no database ".repeat(1_000));
    let before = contents(&folder.0);
    for (file, why) in
        [("foreign.db", "of another program (with the table \"holiday\")"), ("text.db", "no SQLite database")]
    {
        let place = format!("sqlite:{file}");
        let settings = [("CONCORD_DATABASE_URL", place.as_str()), ("CONCORD_DEVELOPMENT_KEY", "elsewhere/key.pem")];
        let told = refused(&folder.0, &settings);
        assert!(told.contains(file) && told.contains(why) && told.contains("name another file"), "{told}");
        for command in [&["migrate"][..], &["serve"], &["audit", "verify"]] {
            let output = concord(&folder.0, command, &settings);
            assert!(!output.status.success(), "{command:?}");
            assert!(String::from_utf8_lossy(&output.stderr).contains(why), "{command:?}");
        }
        assert_eq!(contents(&folder.0), before, "nobody has touched it");
    }
}

#[test]
fn a_check_of_an_address_that_is_taken_says_no() {
    let folder = Folder::new();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let told = refused(&folder.0, &[("CONCORD_LISTEN", &address)]);
    assert!(told.starts_with("listen: ") && told.contains(&address) && told.contains("stop that one"), "{told}");
    let told = refused(&folder.0, &[("CONCORD_LISTEN", "192.0.2.1:8080")]);
    assert!(told.contains("no address of this machine"), "{told}");
    drop(taken);
    let output = concord(
        &folder.0,
        &["serve", "--check"],
        &[("CONCORD_LISTEN", &address), ("CONCORD_DEVELOPMENT_ISSUER", "true")],
    );
    let told = done(&output);
    assert!(told.contains(&format!("listen: {address} is free")), "{told}");
    assert!(!folder.0.join("concord.db").exists(), "no database is made");
}

#[test]
fn documents_and_tokens_are_all_that_is_printed() {
    let folder = Folder::new();
    let document: serde_json::Value = serde_json::from_str(&done(&concord(&folder.0, &["openapi"], &[]))).unwrap();
    assert!(document["paths"]["/fhir/{type}/{id}"].is_object());
    let settings = [("CONCORD_DEVELOPMENT_ISSUER", "true")];
    let told = concord(&folder.0, &["token", "--patient", "amina"], &settings);
    let token = done(&told);
    // Beside it: that there was no key.
    let beside = String::from_utf8(told.stderr).unwrap();
    assert!(beside.starts_with("concord: there was no key") && beside.lines().count() == 1, "{beside}");
    assert!(concord(&folder.0, &["token", "--patient", "amina"], &settings).stderr.is_empty());
    assert_eq!(token.trim_end().split('.').count(), 3);
    assert_eq!(token.lines().count(), 1);
}

/// The words of a help text that begin its lines, indented: commands below `Commands:`, options with their dashes.
fn listed(arguments: &[&str]) -> (Vec<String>, Vec<String>) {
    let text = done(&concord(&std::env::temp_dir(), &[arguments, &["--help"][..]].concat(), &[]));
    let (above, options) = text.split_once("Options:").unwrap();
    let commands = above.split_once("Commands:").map_or("", |(_, commands)| commands);
    let first = |line: &str| line.split_whitespace().next().map(str::to_owned);
    let commands = commands.lines().filter_map(first).filter(|name| name != "help").collect();
    let option = |line: &str| line.split([' ', ',', '=', '[']).find(|word| word.starts_with("--")).map(str::to_owned);
    let own = |name: &String| !["--help", "--version", "--config"].contains(&name.as_str());
    let options = options.lines().filter(|line| line.trim_start().starts_with('-')).filter_map(option).filter(own);
    (commands, options.collect())
}

/// The page for operators has a table of the commands: each command, each part of one and each option stands there, and no other.
#[test]
fn the_table_of_operations_has_every_command_and_option() {
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs");
    let text = std::fs::read_to_string(docs.join("OPERATIONS.md")).unwrap();
    let rows = |command: &str| -> String {
        let begins = format!("| `concord {command}");
        text.lines().filter(|line| line.starts_with(&begins)).flat_map(|line| [line, "\n"]).collect()
    };
    let (commands, _) = listed(&[]);
    for row in text.lines().filter_map(|line| line.strip_prefix("| `concord ")) {
        let named: String = row.chars().take_while(char::is_ascii_lowercase).collect();
        assert!(commands.contains(&named), "docs/OPERATIONS.md has a row of `concord {named}`, which there is not");
    }
    for command in &commands {
        let row = rows(command);
        assert!(!row.is_empty(), "docs/OPERATIONS.md has no row of `concord {command}`");
        let (parts, mut options) = listed(&[command]);
        for part in &parts {
            let named = |after: char| row.contains(&format!("{part}{after}"));
            assert!(named('`') || named(' '), "docs/OPERATIONS.md does not tell of `concord {command} {part}`");
            options.extend(listed(&[command, part]).1);
        }
        // What a client is registered with is for those who write apps, too.
        let elsewhere =
            if command == "client" { std::fs::read_to_string(docs.join("APPS.md")).unwrap() } else { row.clone() };
        for option in &options {
            assert!(elsewhere.contains(option), "no page tells of `concord {command} {option}`");
        }
        for told in row.split(|letter: char| !letter.is_ascii_lowercase() && letter != '-') {
            let is_option = told.starts_with("--") && told.len() > 2;
            assert!(!is_option || options.iter().any(|option| option == told), "`concord {command}` has no {told}");
        }
    }
}

#[test]
fn an_import_tells_of_what_is_refused_and_goes_on_where_it_stopped() {
    let folder = Folder::new();
    let patient = |id: &str| format!(r#"{{"resourceType":"Patient","id":"{id}"}}"#);
    folder.write("in/1.ndjson", &format!("{}\n\n{}\n", patient("a"), patient("b")));
    folder.write(
        "in/2.json",
        &format!(
            r#"{{"resourceType":"Bundle","type":"collection","entry":[{{"resource":{}}},{{"resource":{}}}]}}"#,
            patient("c"),
            patient("d")
        ),
    );
    folder.write("in/3.xml", "<Patient xmlns=\"http://hl7.org/fhir\"><id value=\"e\"/></Patient>");
    folder.write("in/notes.txt", "not for us");
    done(&concord(&folder.0, &["import", "in", "--resume", "state"], &[]));
    let state = std::fs::read_to_string(folder.0.join("state")).unwrap();
    assert!(["1.ndjson", "2.json", "3.xml"].iter().all(|name| state.contains(name)), "{state}");
    // Nothing is left to do, and without the state the same again makes no new versions and no errors.
    done(&concord(&folder.0, &["import", "in", "--resume", "state"], &[]));
    let told = done(&concord(&folder.0, &["import", "in"], &[]));
    assert!(told.starts_with("loaded ") && told.ends_with(" resources\n"), "{told}");

    folder.write(
        "bad.ndjson",
        &format!("{}\n{{\"resourceType\":\"Patient\",\"gender\":\"x\"}}\nnonsense\n", patient("f")),
    );
    let output = concord(&folder.0, &["import", "bad.ndjson"], &[]);
    assert!(!output.status.success());
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(told.contains("loaded 1") && told.contains("bad.ndjson:2: Patient.gender"), "{told}");
    assert!(told.contains("bad.ndjson:3"), "{told}");
    let strict = concord(&folder.0, &["import", "bad.ndjson", "--strict"], &[]);
    assert!(!strict.status.success());
    assert!(!String::from_utf8(strict.stderr).unwrap().contains("bad.ndjson:3"), "it stops at the first");
    // The newest comes first in a history, and an old state is not what is there now.
    let history = r#"{"resourceType":"Bundle","type":"history","entry":[
        {"fullUrl":"http://x.example/Patient/h","request":{"method":"DELETE","url":"Patient/h"},"response":{"status":"204"}},
        {"fullUrl":"http://x.example/Patient/h","resource":{"resourceType":"Patient","id":"h"},
            "request":{"method":"PUT","url":"Patient/h"},"response":{"status":"201"}}]}"#;
    folder.write("history.json", history);
    let output = concord(&folder.0, &["import", "history.json"], &[]);
    assert!(!output.status.success());
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(
        told.contains("loaded 0") && told.contains("history.json: Bundle.type: a history holds old states"),
        "{told}"
    );
    let told = failed(&concord(&folder.0, &["import", "nowhere"], &[]));
    assert!(told.contains("nowhere"), "{told}");
}

#[test]
fn clients_are_registered_listed_changed_and_revoked() {
    let folder = Folder::new();
    let settings = [
        ("CONCORD_PUBLIC_URL", "http://localhost:8080"),
        ("CONCORD_SIGN_IN", "{}"),
        (
            "CONCORD_CLIENTS",
            r#"[{"client": "diary", "scope": "patient/*.rs", "kind": "third-party"}, {"client": "other"}]"#,
        ),
    ];
    let client = |arguments: &[&str]| concord(&folder.0, &[&["client"], arguments].concat(), &settings);
    let add = ["add", "portal", "--name", "Portal", "--own", "--secret", "--scope", "patient/*.cruds"];
    let secret = done(&client(&add));
    assert!(secret.starts_with("concord_cs_") && secret.lines().count() == 1, "{secret}");
    assert!(failed(&client(&add)).contains("there is a client"));
    let listed = "diary\tsettings\tthird-party\tpublic\tdiary\tpatient/*.rs\nportal\tregistered\town\tsecret\tPortal\tpatient/*.cruds\n";
    assert_eq!(done(&client(&["list"])), listed);
    assert_ne!(done(&client(&["rotate", "portal"])), secret);
    assert!(failed(&client(&["revoke", "diary"])).contains("in the settings"));
    assert!(failed(&client(&["rotate", "nobody"])).contains("no client"));
    for (arguments, told) in [
        (&["add", "a", "--name", "A", "--scope", "patient/Nonsense.rs"][..], "scope"),
        (&["add", "a", "--name", "A", "--scope", "openid", "--redirect-uri", "http://app.example/"], "redirect URI"),
        (&["add", "a", "--name", "A", "--scope", "system/*.rs", "--keys", "nowhere.json"], "nowhere.json"),
        (&["add", "a", "--name", "A", "--scope", "system/*.rs", "--keys-url", "http://app.example/"], "https"),
        (&["add", "a", "--name", "A", "--scope", "openid", "--purpose", "FUN"], "FUN"),
    ] {
        assert!(failed(&client(arguments)).contains(told), "{arguments:?}");
    }
    done(&client(&["revoke", "portal"]));
    assert!(failed(&client(&["revoke", "portal"])).contains("revoked"));
    assert!(done(&client(&["list"])).contains("portal\trevoked"));
    assert!(failed(&client(&add)).contains("revoked"));
    done(&client(&["forget-keys"]));
}
