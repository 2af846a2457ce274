//! Pages of the documentation whose blocks for a shell are run, and say what the page says that they say.

use std::path::{Path, PathBuf};
use std::process::Command;

/// What a block may be besides: of a file, of somebody else's server, of another language.
const NOT_RUN: [&str; 9] = ["toml", "http", "console", "json", "python", "java", "javascript", "typescript", "yaml"];

/// The folder of the project.
#[must_use]
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// A page of the documentation, and how its blocks are run.
#[derive(Clone, Copy)]
pub struct Page<'a> {
    /// Its name in the folder of the documentation.
    pub name: &'a str,
    /// How many blocks it has at least.
    pub least: usize,
    /// What the shell does first.
    pub before: &'a str,
    /// What stands on the page for what is another text here.
    pub other: &'a [(&'a str, &'a str)],
    /// The variables of the shell.
    pub variables: &'a [(&'a str, &'a str)],
}

impl Page<'_> {
    /// Runs every block, all in one shell, and looks for what each says.
    ///
    /// # Panics
    /// When one fails, or says something else.
    pub fn is_true(&self) {
        // After each block the shell says so, so that each output can be told from the next.
        const END: &str = "--- end of block ---";
        let page = std::fs::read_to_string(root().join("docs").join(self.name)).expect("the page");
        let blocks = blocks(&page);
        assert!(blocks.len() > self.least, "{} has its blocks", self.name);
        let mut script = self.before.to_owned();
        script.extend(blocks.iter().map(|(code, _)| format!("{code}\necho '{END}'\n")));
        for (written, here) in self.other {
            script = script.replace(written, here);
        }
        let done = Command::new("bash")
            .args(["-euo", "pipefail", "-c", &script])
            .current_dir(root())
            .env("no_proxy", "*")
            // These are the tests', and the binary refuses what is no setting.
            .env_remove("CONCORD_TEST_POSTGRES")
            .env_remove("CONCORD_FHIR_EXAMPLES")
            .envs(self.variables.iter().copied())
            .output()
            .expect("bash, with curl");
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
}

/// The blocks of a page: what is run, and what its output contains.
fn blocks(page: &str) -> Vec<(String, Vec<String>)> {
    let mut blocks: Vec<(String, Vec<String>)> = Vec::new();
    let mut lines = page.lines();
    while let Some(line) = lines.next() {
        let Some(kind) = line.strip_prefix("```") else { continue };
        let inside: Vec<String> = lines.by_ref().take_while(|line| *line != "```").map(str::to_owned).collect();
        match kind {
            "sh" => blocks.push((inside.join("\n"), Vec::new())),
            "text" => blocks.last_mut().expect("a block before what it says").1 = inside,
            other => assert!(NOT_RUN.contains(&other), "what is this block for? {other}"),
        }
    }
    blocks
}
