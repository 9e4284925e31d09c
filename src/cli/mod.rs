//! The command line: one file per verb. The only code that prints.
#![allow(clippy::print_stderr)] // printing is this room's work

mod cost;
mod file;
mod key_file;
mod progress;
mod keygen;
mod seal;
mod open;

use std::fmt;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// What S3 server-side encryption does to latency, KMS quota and bill, before you deploy.
#[derive(Debug, Parser)]
#[command(version, about, arg_required_else_help = true, subcommand_required = true)]
struct Cli {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Seal a file or standard input under a key file
    Seal(file::Transfer),
    /// Open what was sealed
    Open(file::Transfer),
    /// Make a key file: 32 random bytes, readable by you alone
    Keygen(keygen::Arguments),
    /// What each SSE mode costs a month, from which lines, and what a Bucket Key saves
    Cost(Box<cost::Arguments>),
}

/// Why a verb failed, as the user reads it. Exit code 1.
#[derive(Debug)]
struct Failure(String);

impl Failure {
    fn new(text: impl fmt::Display) -> Self {
        Self(text.to_string())
    }
}

/// Runs the command line. Exit codes: 0 done, 1 failed, 2 usage, 3 limit passed, 130 interrupted.
pub(crate) fn run() -> ExitCode {
    let cli = Cli::parse();
    forbid_core_dumps();
    let result = match cli.verb {
        Verb::Seal(arguments) => seal::run(&arguments).map(|()| ExitCode::SUCCESS),
        Verb::Open(arguments) => open::run(&arguments).map(|()| ExitCode::SUCCESS),
        Verb::Keygen(arguments) => keygen::run(&arguments).map(|()| ExitCode::SUCCESS),
        Verb::Cost(arguments) => cost::run(&arguments),
    };
    match result {
        Ok(code) => code,
        Err(Failure(text)) => {
            eprintln!("s3seal: {text}");
            ExitCode::FAILURE
        }
    }
}

/// Plaintext stands in ordinary memory while it is worked on: no part of it may reach a core dump.
fn forbid_core_dumps() {
    #[cfg(target_os = "linux")]
    if let Err(error) = rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable)
    {
        eprintln!("s3seal: warning: core dumps could not be switched off ({error}); run `ulimit -c 0` first");
    }
}
