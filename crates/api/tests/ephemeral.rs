//! docs/HARNESS.md: each block of it is run by a shell, and its output contains what the page says.

#![expect(clippy::unwrap_used, reason = "a test stops at the first thing that goes wrong")]

use std::path::Path;
use std::process::Command;

/// The blocks of a page: what is run, and what it says.
fn blocks(page: &str) -> Vec<(String, Vec<String>)> {
    let mut blocks: Vec<(String, Vec<String>)> = Vec::new();
    let mut lines = page.lines();
    while let Some(line) = lines.next() {
        let Some(kind) = line.strip_prefix("```") else { continue };
        let inside: Vec<String> = lines.by_ref().take_while(|line| *line != "```").map(str::to_owned).collect();
        match kind {
            "sh" => blocks.push((inside.join("\n"), Vec::new())),
            "text" => blocks.last_mut().unwrap().1 = inside,
            _ => {}
        }
    }
    blocks
}

#[test]
fn every_line_of_the_page_on_harnesses_is_true() {
    const END: &str = "--- end of block ---";
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let blocks = blocks(&std::fs::read_to_string(root.join("docs/HARNESS.md")).unwrap());
    assert!(blocks.len() > 5);
    let directory = std::env::temp_dir().join(format!("concord-harness-{}", uuid::Uuid::new_v4().simple()));
    std::fs::create_dir(&directory).unwrap();
    let programs = Path::new(env!("CARGO_BIN_EXE_concord")).parent().unwrap();
    let mut script = format!(
        "PATH={}:$PATH\nDIR={}\ntrap 'kill $(jobs -p) 2>/dev/null || true; rm -rf \"$DIR\"' EXIT\n",
        programs.display(),
        directory.display()
    );
    for (code, _) in &blocks {
        script.push_str(&format!("{code}\necho '{END}'\n"));
    }
    let done = Command::new("bash")
        .args(["-euo", "pipefail", "-c", &script])
        .current_dir(&root)
        .env("no_proxy", "*")
        // These are the tests', and the server refuses what is no setting.
        .env_remove("CONCORD_TEST_POSTGRES")
        .env_remove("CONCORD_FHIR_EXAMPLES")
        .output()
        .unwrap();
    let (out, err) = (String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr));
    let outputs: Vec<&str> = out.split(END).collect();
    for (place, (code, wanted)) in blocks.iter().enumerate() {
        let said = outputs.get(place).copied().unwrap_or_default();
        assert!(outputs.len() > place + 1, "stopped in\n{code}\nafter\n{said}\n{err}");
        for line in wanted {
            assert!(said.contains(line.as_str()), "{line} is not in what this says:\n{code}\n{said}\n{err}");
        }
    }
    assert!(done.status.success(), "{err}");
}

#[test]
fn an_ephemeral_server_that_others_could_reach_does_not_start() {
    let done = Command::new(env!("CARGO_BIN_EXE_concord"))
        .args(["serve", "--ephemeral"])
        .env_clear()
        .env("CONCORD_LISTEN", "0.0.0.0:0")
        .output()
        .unwrap();
    assert!(!done.status.success());
    assert!(String::from_utf8_lossy(&done.stderr).contains("from this machine only"));
}
