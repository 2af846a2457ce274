//! `concord package`: the definitions of an implementation guide (an npm package of FHIR) taken into use, listed, and taken
//! out of use.

mod archive;
mod description;

use std::collections::{BTreeMap, HashMap};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::{Args, Subcommand};
use concord_fhir::codec::{Format, parsed};
use concord_fhir::json::{Limits, Value};
use concord_profile::library::{Library, MOST_DEFINITIONS, read_line};
use concord_store::definitions::KeptDefinition;
use concord_store::transaction::Transaction;

use crate::clock::Clock;
use crate::config::Config;
use crate::error::ApiError;
use crate::interact::{Service, profiles};
use crate::telemetry::Metrics;

use description::Description;

/// Take the profiles and extensions of implementation guides into use, list them, and take them out of use
#[derive(Args, Clone, Debug)]
pub struct PackageArgs {
    /// What to do
    #[command(subcommand)]
    pub action: Action,
}

/// What to do with packages.
#[derive(Subcommand, Clone, Debug)]
pub enum Action {
    /// Take the definitions of a package into use, in the place of those of the same package and version
    Add {
        /// An npm package of FHIR (.tgz)
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
    /// List the packages, with how many definitions each has
    List,
    /// Take the definitions of a package out of use
    Remove {
        /// The package as `list` names it: NAME#VERSION
        #[arg(value_name = "NAME#VERSION")]
        package: String,
    },
}

/// What the names of packages begin with among the sources of definitions.
const PACKAGE: &str = "package:";

/// Runs it.
///
/// # Errors
/// One line: when the file is no such package or beyond a limit, there is no such package, or the database fails.
pub async fn run(args: &PackageArgs, config: &Config, clock: Clock, out: &mut impl Write) -> Result<(), String> {
    // A file that cannot be used is told before anything is opened.
    let package = match &args.action {
        Action::Add { file } => Some(Package::read(file)?),
        _ => None,
    };
    let metrics = Metrics::new().map_err(|error| error.to_string())?;
    let service = super::open(config, clock, metrics).await?;
    let mut say = |text: String| writeln!(out, "{text}").map_err(|error| format!("standard output: {error}"));
    match (&args.action, package) {
        (Action::Add { .. }, Some(package)) => {
            let (name, count, other) = (package.description.name.clone(), package.definitions.len(), package.other);
            for line in add(&service, package).await? {
                say(line)?;
            }
            say(format!("{name}: {count} profiles and extensions are in use; {other} other resources were left out"))
        }
        (Action::Remove { package }, _) => remove(&service, package.clone()).await,
        _ => {
            for (source, count) in sources(&service).await? {
                if let Some(name) = source.strip_prefix(PACKAGE) {
                    say(format!("{name}\t{count}"))?;
                }
            }
            Ok(())
        }
    }
}

/// What is used of a package.
#[derive(Default)]
struct Package {
    /// What it says of itself.
    description: Description,
    definitions: Vec<KeptDefinition>,
    /// In which file each url and version stands.
    files: BTreeMap<(String, String), (String, usize)>,
    /// How many resources are not used.
    other: usize,
    /// What this server does not check by, a line each.
    unread: Vec<String>,
    /// What is wrong with the package as a whole, a line each.
    faults: Vec<String>,
}

/// How many faults are told.
const MOST_FAULTS: usize = 20;

impl Package {
    /// Reads a package. Of one that is damaged nothing is used.
    fn read(file: &Path) -> Result<Package, String> {
        let mut package = Package::default();
        let refused = |said: String| Err(format!("{}: {said}", file.display()));
        archive::members(file, &mut |name, bytes| package.member(name, bytes))?;
        if !package.faults.is_empty() {
            let more = package.faults.len().saturating_sub(MOST_FAULTS);
            package.faults.truncate(MOST_FAULTS);
            let more = if more > 0 { format!("; and {more} more") } else { String::new() };
            return refused(format!("nothing of it is taken into use: {}{more}", package.faults.join("; ")));
        }
        if package.description.name.is_empty() {
            return refused("it is no package of FHIR: package/package.json is missing".to_owned());
        }
        if package.definitions.is_empty() {
            let (name, other, unread) = (&package.description.name, package.other, package.unread.join("; "));
            let why = if unread.is_empty() { String::new() } else { format!(": {unread}") };
            return refused(format!(
                "there is no profile or extension in {name} to check by, beside {other} other resources{why}"
            ));
        }
        package.definitions.sort_by(|one, other| (&one.url, &one.version).cmp(&(&other.url, &other.version)));
        Ok(package)
    }

    /// Takes a member of the archive in: its description, or a resource.
    fn member(&mut self, name: &str, bytes: &[u8]) {
        let Some(file) = name.strip_prefix("package/").filter(|file| !file.contains('/')) else { return };
        let is_json = Path::new(file).extension().is_some_and(|end| end.eq_ignore_ascii_case("json"));
        if !is_json || file.starts_with('.') {
            return;
        }
        // Some write a mark of the order of bytes.
        let bytes = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes);
        if let Err(error) = std::str::from_utf8(bytes) {
            return self.faults.push(format!("{file}: it is not UTF-8, from byte {} on", error.valid_up_to() + 1));
        }
        let Ok((value, _)) = parsed(Format::Json, bytes, &Limits::default()) else {
            return self.faults.push(format!("{file}: it is not JSON"));
        };
        if file == "package.json" {
            return self.description(&value);
        }
        if value.text("resourceType") != Some("StructureDefinition") || !is_profile(&value) {
            self.other += 1;
            return;
        }
        // More than may be in use are refused as a whole, and need not be kept until then.
        if self.definitions.len() > MOST_DEFINITIONS {
            return;
        }
        match profiles::kept(&value) {
            Ok((kept, _)) => self.definition(file, kept),
            Err(issue) => self.unread.push(format!("{file}: {}: {}", issue.expression.unwrap_or_default(), issue.text)),
        }
    }

    /// Takes `package.json` in.
    fn description(&mut self, value: &Value<'_>) {
        match Description::read(value) {
            Err(said) => self.faults.push(format!("package.json: {said}")),
            Ok(other) if !self.description.name.is_empty() && self.description != other => {
                self.faults
                    .push(format!("package.json is there twice: as {} and as {}", self.description.name, other.name));
            }
            Ok(read) => self.description = read,
        }
    }

    /// Takes a definition in. The same twice is one; two that differ are not to be told apart.
    fn definition(&mut self, file: &str, kept: KeptDefinition) {
        let key = (kept.url.clone(), kept.version.clone());
        match self.files.get(&key) {
            None => {
                self.files.insert(key, (file.to_owned(), self.definitions.len()));
                self.definitions.push(kept);
            }
            Some((_, at)) if self.definitions.get(*at) == Some(&kept) => {}
            Some((other, _)) => {
                let version = if kept.version.is_empty() { String::new() } else { format!("|{}", kept.version) };
                self.faults
                    .push(format!("{other} and {file} both define {}{version}, and say different things", kept.url));
            }
        }
    }
}

fn is_profile(value: &Value<'_>) -> bool {
    value.text("derivation") == Some("constraint")
}

/// Puts a package into use; a line for each definition that cannot be checked by.
async fn add(service: &Service, package: Package) -> Result<Vec<String>, String> {
    let Package { description, definitions, unread, .. } = package;
    let (definitions, source) = (Arc::new(definitions), format!("{PACKAGE}{}", description.name));
    let (new, own) = (Arc::clone(&definitions), source.clone());
    let replaced = service.store.write(move |transaction| (profiles::replace(transaction, &source, &new), Vec::new()));
    replaced.await.map_err(|error: ApiError| failed(&error))?;
    // What takes long is done where no write of a server that is running waits for it.
    let told = service.store.read(move |transaction| (told(transaction, &own, &definitions), Vec::new()));
    let (unusable, twice, there) = told.await.map_err(|error: ApiError| failed(&error))?;
    let remarks = description.remarks.iter().cloned().chain(description.missing(&there)).chain(twice);
    let lines = remarks.map(|line| format!("note: {line}"));
    Ok(unread.into_iter().chain(unusable).map(|line| format!("not used: {line}")).chain(lines).collect())
}

/// What there is to say of definitions that are in use now: which cannot be used, which others define too, and the packages that
/// there are.
type Told = (Vec<String>, Vec<String>, Vec<String>);

fn told(transaction: &mut Transaction<'_>, source: &str, definitions: &[KeptDefinition]) -> Result<Told, ApiError> {
    let library = profiles::load(transaction)?;
    let own: HashMap<(&str, &str), &str> =
        definitions.iter().map(|one| ((one.url.as_str(), one.version.as_str()), one.body.as_str())).collect();
    let mut twice = Vec::new();
    for (other, kept) in transaction.definitions_besides(source)? {
        let differs = own.get(&(kept.url.as_str(), kept.version.as_str())).is_some_and(|body| *body != kept.body);
        if differs {
            let theirs = read_line(&kept.body).ok();
            let is_theirs = theirs.as_ref() == library.find(&format!("{}|{}", kept.url, kept.version));
            let meant = if is_theirs { other.as_str() } else { source };
            let name = |source: &str| source.strip_prefix(PACKAGE).unwrap_or(source).to_owned();
            twice.push(format!(
                "{}|{} is in {} too and says something else there: that of {} is used",
                kept.url,
                kept.version,
                name(&other),
                name(meant)
            ));
        }
    }
    let sources = transaction.definition_sources()?.into_iter();
    let there = sources.filter_map(|(source, _)| source.strip_prefix(PACKAGE).map(str::to_owned)).collect();
    Ok((unusable(&library, definitions), twice, there))
}

/// The definitions that cannot be used, with the reason.
fn unusable(library: &Library, definitions: &[KeptDefinition]) -> Vec<String> {
    let canonical = |kept: &KeptDefinition| format!("{}|{}", kept.url, kept.version);
    let problem = |kept: &KeptDefinition| {
        let issue = library.profile(&canonical(kept))?.err()?;
        Some(format!("{}: {}", kept.url, issue.text))
    };
    definitions.iter().filter_map(problem).collect()
}

async fn remove(service: &Service, package: String) -> Result<(), String> {
    let listed = match package.split_once('#') {
        Some((name, version)) => format!("{}#{version}", name.to_ascii_lowercase()),
        None => package.clone(),
    };
    let source = format!("{PACKAGE}{listed}");
    let changed = service
        .store
        .write(move |transaction| (profiles::replace(transaction, &source, &[]), Vec::new()))
        .await
        .map_err(|error: ApiError| failed(&error))?;
    if changed { Ok(()) } else { Err(format!("no package {package:?} was added: see `concord package list`")) }
}

async fn sources(service: &Service) -> Result<Vec<(String, i64)>, String> {
    let sources = service.store.read(|transaction| (transaction.definition_sources(), Vec::new())).await;
    sources.map_err(|error: concord_store::StoreError| format!("the database fails: {error}"))
}

fn failed(error: &ApiError) -> String {
    match error {
        ApiError::Unprocessable(issues) => {
            issues.iter().map(|issue| issue.text.as_str()).collect::<Vec<_>>().join("; ")
        }
        error => format!("the database fails: {error}"),
    }
}

#[cfg(test)]
mod tests;
