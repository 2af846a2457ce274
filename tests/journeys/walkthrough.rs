//! README.md, docs/WALKTHROUGH.md, docs/APPS.md and docs/HARNESS.md: every block that is for a shell is run by one, and its output contains what
//! the page says.

use std::path::PathBuf;

use concord_tests::pages::{Page, root};
use concord_tests::process::binary;
use concord_tests::{App, Concord, on_both};

use crate::story::arrive_from_fixtures;

on_both! { every_line_of_the_walkthrough_is_true, the_first_five_minutes_go_as_they_say, an_app_is_connected_from_nothing }

/// The app of one of the people of fixtures/tokens.tsv.
fn app(concord: &Concord, options: &str) -> App {
    match options.split_once(' ') {
        Some(("--patient", id)) => concord.patient(id),
        Some(("--fhir-user", reference)) => concord.user(reference),
        _ => concord.system(),
    }
}

/// The tokens of everybody, in files as `make run` has them.
fn tokens(concord: &Concord) -> PathBuf {
    let tokens = concord.scratch().folder().join("tokens");
    std::fs::create_dir_all(&tokens).expect("a folder for the tokens");
    let people = std::fs::read_to_string(root().join("fixtures/tokens.tsv")).expect("the people");
    for line in people.lines().filter(|line| !line.starts_with('#')) {
        let columns: Vec<&str> = line.split('\t').collect();
        std::fs::write(tokens.join(columns[3]), app(concord, columns[2]).token()).expect("a token");
    }
    tokens
}

async fn every_line_of_the_walkthrough_is_true(concord: &Concord) {
    arrive_from_fixtures(concord).await;
    every_line_is_true(concord, "WALKTHROUGH.md", 20, &[]);
}

/// What README.md has a newcomer do. Where something is stored is told by the address that the server is known by.
async fn the_first_five_minutes_go_as_they_say(concord: &Concord) {
    arrive_from_fixtures(concord).await;
    let (tokens, origin) = (tokens(concord).display().to_string(), concord.origin());
    let other = [("http://127.0.0.1:8080", origin.as_str()), ("target/run/tokens", tokens.as_str())];
    let here = origin.trim_start_matches("http://");
    let before = format!("curl() {{ command curl --connect-to concord.test:80:{here} \"$@\"; }}\n");
    Page { name: "../README.md", least: 5, before: &before, other: &other, variables: &[] }.is_true();
}

/// What `make run` sets.
const SIGN_IN: &[(&str, &str)] = &[
    ("CONCORD_PUBLIC_URL", "http://127.0.0.1:8080"),
    ("CONCORD_SIGN_IN", r#"{"development_provider": true}"#),
    (
        "CONCORD_CLIENTS",
        r#"[{"client": "example-app", "kind": "third-party", "redirect_uris": ["http://localhost:3000/callback"],
            "scope": "openid fhirUser launch/patient offline_access online_access patient/*.cruds user/*.cruds"}]"#,
    ),
];

async fn an_app_is_connected_from_nothing(concord: &Concord) {
    arrive_from_fixtures(concord).await;
    let server = concord.another_node_with(SIGN_IN).await;
    let binary = binary();
    let folder = binary.parent().expect("a folder").display().to_string();
    let path = format!("{folder}:/usr/local/bin:/usr/bin:/bin");
    let own = [("PATH", path.as_str()), ("CONCORD_DATABASE_URL", concord.scratch().url())];
    every_line_is_true(&server, "APPS.md", 7, &own);
}

fn every_line_is_true(concord: &Concord, name: &str, least: usize, variables: &[(&str, &str)]) {
    let tokens = tokens(concord).display().to_string();
    let origin = concord.origin();
    let other = [("http://127.0.0.1:8080", origin.as_str()), ("target/run/tokens", tokens.as_str())];
    Page { name, least, before: "", other: &other, variables }.is_true();
}

/// The page on harnesses starts the servers that it speaks of.
#[test]
fn every_line_of_the_page_on_harnesses_is_true() {
    let binary = binary();
    let before = format!(
        "PATH={}:$PATH\nDIR=$(mktemp -d)\ntrap 'kill $(jobs -p) 2>/dev/null || true; rm -rf \"$DIR\"' EXIT\n",
        binary.parent().expect("a folder").display()
    );
    Page { name: "HARNESS.md", least: 5, before: &before, other: &[], variables: &[] }.is_true();
}
