//! `concord import`: loads resources as a system would write them, in shared commits, with progress and a resume.

use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;

use clap::Args;
use concord_fhir::codec::{self, Format};
use concord_fhir::issue::{Issue, IssueCode};
use concord_fhir::json::{self, Value};
use indicatif::{ProgressBar, ProgressStyle};

use crate::clock::Clock;
use crate::config::Config;
use crate::error::ApiError;
use crate::interact::maintenance::import;
use crate::interact::{Call, Service};
use crate::telemetry::Metrics;

/// How many resources share a transaction.
const BATCH: usize = 500;

/// After how many resources a line says how far it is, where no terminal shows it.
const TOLD_EVERY: u64 = 10_000;

/// Why what a history Bundle holds is not loaded.
const HISTORY: &str = "a history holds old states and deletions beside what is current, and nothing of it is loaded: load the resources as \
                       they are now (what a search or an export answers)";

/// What to load.
#[derive(Args, Clone, Debug)]
pub struct ImportArgs {
    /// Files (.ndjson, .json or .xml: a resource or a Bundle) or folders of them, loaded in the order of their names
    #[arg(required = true, value_name = "PATH")]
    pub paths: Vec<PathBuf>,
    /// A file that keeps how far an import has come; run the same command again to go on from there
    #[arg(long, value_name = "FILE")]
    pub resume: Option<PathBuf>,
    /// Stop at the first resource that is refused instead of telling of all at the end
    #[arg(long)]
    pub strict: bool,
}

/// Loads everything. A resource with an id is stored under that id, one that is the same as before makes no new
/// version; one without an id gets one.
///
/// # Errors
/// One line, when a file cannot be read or a resource was refused. What was loaded before stays.
pub async fn run(args: &ImportArgs, config: &Config, clock: Clock, out: &mut impl Write) -> Result<(), String> {
    let service = super::open(config, clock, Metrics::new().map_err(|error| error.to_string())?).await?;
    let files = files(&args.paths)?;
    let size = files.iter().map(|file| file.metadata().map_or(0, |data| data.len())).sum();
    let bar = ProgressBar::new(size);
    if let Ok(style) = ProgressStyle::with_template("{bar:30} {bytes}/{total_bytes} {msg} ({eta} left)") {
        bar.set_style(style);
    }
    let mut import = Import {
        pending: None,
        service,
        strict: args.strict,
        resume: Resume::open(args.resume.as_deref())?,
        batch: Vec::new(),
        loaded: 0,
        told: 0,
        refused: Vec::new(),
        bar,
    };
    for file in &files {
        import.file(file).await?;
    }
    import.finish_pending().await?;
    let loaded = import.loaded;
    import.finish()?;
    writeln!(out, "loaded {loaded} resources").map_err(|error| format!("standard output: {error}"))
}

/// The files of the paths, folders in the order of their names.
fn files(paths: &[PathBuf]) -> Result<Vec<PathBuf>, String> {
    let mut all = Vec::new();
    for path in paths {
        let failed = |error: std::io::Error| format!("{}: {error}", path.display());
        if !path.metadata().map_err(failed)?.is_dir() {
            all.push(path.clone());
            continue;
        }
        let mut inside = Vec::new();
        for entry in path.read_dir().map_err(failed)? {
            let entry = entry.map_err(failed)?.path();
            let extension = entry.extension().and_then(|text| text.to_str()).unwrap_or_default();
            if ["ndjson", "json", "xml"].contains(&extension) {
                inside.push(entry);
            }
        }
        inside.sort();
        if inside.is_empty() {
            return Err(format!("{}: no .ndjson, .json or .xml file in this folder", path.display()));
        }
        all.extend(inside);
    }
    Ok(all)
}

/// How the resources of a batch fared.
type Loaded = Result<Vec<Result<(), ApiError>>, ApiError>;

/// A batch that the store is working on.
struct Pending {
    file: String,
    /// How far the file is loaded with it; none if more of the same place follows.
    reached: Option<u64>,
    places: Vec<String>,
    work: Pin<Box<dyn Future<Output = Loaded>>>,
    /// How it went, if the first look found it done.
    done: Option<Loaded>,
}

struct Import {
    pending: Option<Pending>,
    service: Arc<Service>,
    strict: bool,
    resume: Resume,
    batch: Vec<(String, Value<'static>)>,
    loaded: u64,
    /// How many there were when a line last said so.
    told: u64,
    refused: Vec<String>,
    bar: ProgressBar,
}

impl Import {
    async fn file(&mut self, path: &Path) -> Result<(), String> {
        let name = path.display().to_string();
        let failed = |error: std::io::Error| format!("{name}: {error}");
        let done = self.resume.done(&name);
        let is_ndjson = path.extension().is_some_and(|extension| extension == "ndjson");
        let mut position = 0_u64;
        if is_ndjson {
            let mut reader = BufReader::new(File::open(path).map_err(failed)?);
            let (mut line, mut number) = (Vec::new(), 0_u64);
            while reader.read_until(b'\n', &mut line).map_err(failed)? > 0 {
                number += 1;
                position += u64::try_from(line.len()).unwrap_or_default();
                if position > done && !line.trim_ascii().is_empty() {
                    self.resource(&format!("{name}:{number}"), Format::Json, line.trim_ascii())?;
                    if self.batch.len() >= BATCH {
                        self.store(&name, position).await?;
                    }
                }
                self.bar.inc(u64::try_from(line.len()).unwrap_or_default());
                line.clear();
            }
        } else {
            let bytes = std::fs::read(path).map_err(failed)?;
            position = u64::try_from(bytes.len()).unwrap_or_default();
            if position > done {
                let is_xml = path.extension().is_some_and(|extension| extension == "xml");
                self.resource(&name, if is_xml { Format::Xml } else { Format::Json }, &bytes)?;
            }
            self.bar.inc(position);
        }
        self.store(&name, position).await
    }

    /// Checks one resource, or each in a Bundle that is a collection of some kind. A history is none of what there is now.
    fn resource(&mut self, place: &str, format: Format, bytes: &[u8]) -> Result<(), String> {
        let resource = match codec::read(format, bytes, &self.service.settings.limits) {
            Ok(resource) => resource,
            Err(issues) => return self.refuse(place, &issues),
        };
        let unpacked = ["transaction", "batch", "collection", "searchset"];
        let is_bundle = resource.resource_type.name() == "Bundle";
        let kind = resource.value.text("type").unwrap_or_default();
        if is_bundle && kind == "history" {
            // Old states would become current, and what was deleted would be there again.
            return self.refuse(place, &[Issue::error(IssueCode::NotSupported, "Bundle.type", HISTORY)]);
        }
        if is_bundle && unpacked.contains(&kind) {
            for (number, value) in import::unpacked(&resource.value) {
                self.batch.push((format!("{place} entry {number}"), value));
            }
        } else {
            self.batch.push((place.to_owned(), resource.value.into_owned()));
        }
        Ok(())
    }

    /// Hands what has been checked to the store, which works on it while the next part is checked.
    async fn store(&mut self, file: &str, position: u64) -> Result<(), String> {
        let mut rest = std::mem::take(&mut self.batch).into_iter().peekable();
        if rest.peek().is_none() {
            self.finish_pending().await?;
            return self.resume.note(file, position);
        }
        while rest.peek().is_some() {
            let (places, values): (Vec<String>, Vec<Value<'static>>) = rest.by_ref().take(BATCH).unzip();
            self.finish_pending().await?;
            let service = Arc::clone(&self.service);
            let mut work: Pin<Box<dyn Future<Output = Loaded>>> =
                Box::pin(async move { import::load(&service, Call::import(), values).await });
            // A first look is what starts it.
            let done = std::future::poll_fn(|context| match work.as_mut().poll(context) {
                Poll::Ready(done) => Poll::Ready(Some(done)),
                Poll::Pending => Poll::Ready(None),
            })
            .await;
            let reached = rest.peek().is_none().then_some(position);
            self.pending = Some(Pending { file: file.to_owned(), reached, places, work, done });
        }
        Ok(())
    }

    /// Waits for what the store is working on, and tells how it went.
    async fn finish_pending(&mut self) -> Result<(), String> {
        let Some(pending) = self.pending.take() else { return Ok(()) };
        let done = match pending.done {
            Some(done) => done,
            None => pending.work.await,
        };
        let results = done.map_err(|fault| format!("{}: {}", pending.file, in_one_line(&fault)))?;
        for (place, result) in pending.places.iter().zip(results) {
            match result {
                Ok(()) => self.loaded += 1,
                Err(fault) => self.refuse(place, &issues(&fault))?,
            }
        }
        self.bar.set_message(format!("{} resources", self.loaded));
        if self.bar.is_hidden() && self.loaded >= self.told + TOLD_EVERY {
            self.told = self.loaded;
            let (done, all) = (self.bar.position(), self.bar.length().unwrap_or_default());
            #[expect(clippy::print_stderr, reason = "how far it is, where no terminal shows it")]
            {
                eprintln!("{} resources, {done} of {all} bytes", self.loaded);
            }
        }
        match pending.reached {
            Some(position) => self.resume.note(&pending.file, position),
            None => Ok(()),
        }
    }

    fn refuse(&mut self, place: &str, issues: &[Issue]) -> Result<(), String> {
        for issue in issues.iter().take(5) {
            let at = issue.expression.as_deref().map(|at| format!(" {at}:")).unwrap_or_default();
            self.refused.push(format!("{place}:{at} {}", issue.text));
        }
        if self.strict {
            return Err(self.refused.join("\n"));
        }
        Ok(())
    }

    fn finish(self) -> Result<(), String> {
        self.bar.finish();
        if self.refused.is_empty() {
            return Ok(());
        }
        Err(format!("loaded {}, refused:\n{}", self.loaded, self.refused.join("\n")))
    }
}

fn issues(fault: &ApiError) -> Vec<Issue> {
    match fault {
        ApiError::Malformed(issues) | ApiError::Unprocessable(issues) | ApiError::Denied(issues) => issues.clone(),
        other => vec![Issue::plain(concord_fhir::issue::IssueCode::Exception, in_one_line(other))],
    }
}

fn in_one_line(fault: &ApiError) -> String {
    fault.to_string().split_whitespace().collect::<Vec<_>>().join(" ")
}

/// How far each file has been loaded, in bytes.
struct Resume {
    path: Option<PathBuf>,
    files: Vec<(String, u64)>,
}

impl Resume {
    fn open(path: Option<&Path>) -> Result<Resume, String> {
        let mut files = Vec::new();
        if let Some(path) = path {
            let text = match std::fs::read(path) {
                Ok(text) => text,
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => b"{}".to_vec(),
                Err(error) => return Err(format!("{}: {error}", path.display())),
            };
            let value = json::parse(&text, &json::Limits::default())
                .map_err(|_| format!("{}: not a file of an import", path.display()))?;
            if let Some(object) = value.as_object() {
                for (name, at) in &object.0 {
                    files.push((name.to_string(), at.as_number().and_then(|at| at.parse().ok()).unwrap_or_default()));
                }
            }
        }
        Ok(Resume { path: path.map(Path::to_path_buf), files })
    }

    fn done(&self, file: &str) -> u64 {
        self.files.iter().find(|(name, _)| name == file).map_or(0, |(_, at)| *at)
    }

    /// Written beside and moved into place, so that it is never half a file.
    fn note(&mut self, file: &str, position: u64) -> Result<(), String> {
        let Some(path) = &self.path else { return Ok(()) };
        match self.files.iter_mut().find(|(name, _)| name == file) {
            Some((_, at)) => *at = position,
            None => self.files.push((file.to_owned(), position)),
        }
        let members =
            self.files.iter().map(|(name, at)| (name.clone().into(), Value::Number(at.to_string().into()))).collect();
        let text = json::to_string(&Value::Object(json::Object(members)));
        let beside = path.with_extension("part");
        let failed = |error: std::io::Error| format!("{}: {error}", path.display());
        let mut out = File::create(&beside).map_err(failed)?;
        out.write_all(text.as_bytes()).and_then(|()| out.sync_all()).map_err(failed)?;
        std::fs::rename(&beside, path).map_err(failed)
    }
}
