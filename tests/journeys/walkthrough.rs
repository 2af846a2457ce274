//! docs/WALKTHROUGH.md and docs/APPS.md: every block that is for a shell is run by one, and its output contains what the page
//! says.

use std::path::{Path, PathBuf};
use std::process::Command;

use concord_tests::process::binary;
use concord_tests::{App, Concord, on_both};

use crate::story::arrive_from_fixtures;

on_both! { every_line_of_the_walkthrough_is_true, an_app_is_connected_from_nothing }

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The blocks of a page: what is run, and what its output contains.
fn blocks(page: &str) -> Vec<(String, Vec<String>)> {
    let mut blocks: Vec<(String, Vec<String>)> = Vec::new();
    let mut lines = page.lines();
    while let Some(line) = lines.next() {
        let inside = |lines: &mut std::str::Lines<'_>| -> Vec<String> {
            lines.take_while(|line| *line != "```").map(str::to_owned).collect()
        };
        match line {
            "```sh" => blocks.push((inside(&mut lines).join("\n"), Vec::new())),
            "```text" => blocks.last_mut().expect("a block before what it says").1 = inside(&mut lines),
            // Of a file, or of somebody else's server.
            "```toml" | "```http" | "```console" => drop(inside(&mut lines)),
            other => assert!(!other.starts_with("```"), "what is this block for? {other}"),
        }
    }
    blocks
}

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

fn every_line_is_true(concord: &Concord, page: &str, least: usize, variables: &[(&str, &str)]) {
    let tokens = tokens(concord);
    let page = std::fs::read_to_string(root().join("docs").join(page)).expect("the page");
    let blocks = blocks(&page);
    assert!(blocks.len() > least, "the page has its blocks");
    // One shell runs all of it; after each block it says so, so that each output can be told from the next.
    const END: &str = "--- end of block ---";
    let script: String = blocks.iter().map(|(code, _)| format!("{code}\necho '{END}'\n")).collect();
    let script = script
        .replace("http://127.0.0.1:8080", &concord.origin())
        .replace("target/run/tokens", &tokens.display().to_string());
    let done = Command::new("bash")
        .args(["-euo", "pipefail", "-c", &script])
        .current_dir(root())
        .env("no_proxy", "*")
        // These are the tests', and the binary refuses what is no setting.
        .env_remove("CONCORD_TEST_POSTGRES")
        .env_remove("CONCORD_FHIR_EXAMPLES")
        .envs(variables.iter().copied())
        .output()
        .expect("bash, with curl");
    let (out, err) = (String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr));
    let outputs: Vec<&str> = out.split(END).collect();
    for (place, (code, wanted)) in blocks.iter().enumerate() {
        let ran = outputs.len() > place + 1;
        let said = outputs.get(place).copied().unwrap_or_default();
        assert!(ran, "stopped in\n{code}\nafter\n{said}\n{err}");
        for line in wanted {
            assert!(said.contains(line.as_str()), "{line} is not in what this says:\n{code}\n{said}");
        }
    }
    assert!(done.status.success(), "{err}");
}
