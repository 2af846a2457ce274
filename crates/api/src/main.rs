//! The binary `concord`.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use concord_api::clock::Clock;
use concord_api::command;
use concord_api::config::Config;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// A FHIR R4 backend for personal health records that asks the patient
#[derive(Parser)]
#[command(name = "concord", version)]
struct Arguments {
    /// The configuration file [default: the variable CONCORD_CONFIG, else none]
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Serve the API
    Serve(command::serve::ServeArgs),
    /// Bring the database to the schema of this release
    Migrate,
    /// Load resources from NDJSON files, Bundles or a folder of them
    Import(command::import::ImportArgs),
    /// Write every resource to NDJSON files
    Export(command::export::ExportArgs),
    /// Make the index rows of search parameters that were added
    Reindex(command::reindex::ReindexArgs),
    /// Write a copy of the SQLite database, beside the running server
    Backup(command::backup::BackupArgs),
    /// Check a copy of the SQLite database and put it in its place
    Restore(command::backup::RestoreArgs),
    /// Check that every stored version is what it was
    Verify(command::verify::VerifyArgs),
    /// Check the audit log, or print where it stands
    Audit(command::audit::AuditArgs),
    /// Register apps and systems for sign-in, list and revoke them
    Client(command::client::ClientArgs),
    /// Take the profiles and extensions of implementation guides into use
    Package(command::package::PackageArgs),
    /// Print a token of the development issuer
    Token(command::token::TokenArgs),
    /// Say whether a server is ready, for what watches it
    Health(command::health::HealthArgs),
    /// Print the OpenAPI document
    Openapi,
    /// Print the page that documents the settings
    #[command(hide = true)]
    Settings,
}

fn main() -> ExitCode {
    match run(Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(text) => {
            #[expect(clippy::print_stderr, reason = "the one place where a command says why it failed")]
            {
                eprintln!("concord: {text}");
            }
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: Arguments) -> Result<(), String> {
    let out = &mut std::io::stdout();
    match arguments.command {
        Command::Openapi => return command::openapi::run(out),
        Command::Settings => return command::settings::run(out),
        _ => {}
    }
    #[expect(clippy::disallowed_methods, reason = "the one place where settings come from the environment")]
    let variables = std::env::vars_os();
    // A server for a test takes any port that is free, unless somebody says which.
    let free = match &arguments.command {
        Command::Serve(serve) if serve.ephemeral.is_some() => vec![("CONCORD_LISTEN".into(), "127.0.0.1:0".into())],
        _ => Vec::new(),
    };
    let variables = free.into_iter().chain(variables);
    let config = Config::load(arguments.config.as_deref(), variables).map_err(|error| error.to_string())?;
    let clock = Clock::System;
    match arguments.command {
        Command::Serve(serve) => actix_web::rt::System::new().block_on(command::serve::run(&serve, config, clock, out)),
        Command::Migrate => command::migrate::run(&config, out),
        Command::Import(import) => {
            actix_web::rt::System::new().block_on(command::import::run(&import, &config, clock, out))
        }
        Command::Export(export) => actix_web::rt::System::new().block_on(command::export::run(&export, &config, clock)),
        Command::Reindex(reindex) => {
            actix_web::rt::System::new().block_on(command::reindex::run(&reindex, &config, clock))
        }
        Command::Backup(backup) => command::backup::backup(&backup, &config, out),
        Command::Restore(restore) => {
            actix_web::rt::System::new().block_on(command::backup::restore(&restore, &config, clock, out))
        }
        Command::Verify(verify) => {
            actix_web::rt::System::new().block_on(command::verify::run(&verify, &config, clock, out))
        }
        Command::Audit(audit) => {
            actix_web::rt::System::new().block_on(command::audit::run(&audit, &config, clock, out))
        }
        Command::Client(client) => {
            actix_web::rt::System::new().block_on(command::client::run(&client, &config, clock, out))
        }
        Command::Package(package) => {
            actix_web::rt::System::new().block_on(command::package::run(&package, &config, clock, out))
        }
        Command::Token(token) => {
            let streams = (out, &mut std::io::stderr());
            command::token::run(&token, &config, &clock, streams).map_err(|error| error.to_string())
        }
        Command::Health(health) => command::health::run(&health, &config, out),
        Command::Openapi | Command::Settings => Ok(()),
    }
}
