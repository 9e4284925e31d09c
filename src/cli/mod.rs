//! The command line: one file per verb. The only code that prints.
#![allow(clippy::print_stderr)] // printing is this room's work

mod file;
mod key_file;
mod progress;
mod keygen;
mod seal;
mod open;
mod field;
mod trace;
mod workload;
mod find_max;
mod machine;
mod rendering;
mod document;
mod pricing;
mod scenario;
mod sim;
mod store;
mod watch;
mod load;
mod report;
mod cost;
mod log_file;
mod profile;
mod plan;
mod experiment;
mod doctor;
mod manual;

use std::fmt;
use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};

/// What S3 server-side encryption does to latency, KMS quota and bill, before you deploy.
#[derive(Debug, Parser)]
#[command(version = env!("S3SEAL_VERSION"), about, after_help = "Without a command it runs `load` with its defaults: under a minute.")]
struct Cli {
    #[command(subcommand)]
    verb: Option<Verb>,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Run a scenario on the clock with real encryption, all SSE modes one after the other
    Load(load::Arguments),
    /// Run a scenario in virtual time, all SSE modes side by side
    Sim(sim::Arguments),
    /// Show, merge and compare saved reports
    Report(report::Arguments),
    /// The built-in scenarios
    Scenario(scenario::Arguments),
    /// What each SSE mode costs a month, from which lines, and what a Bucket Key saves
    Cost(Box<cost::Arguments>),
    /// What real logs say of a load: rates, sizes, popularity, and the KMS calls it makes
    Profile(Box<profile::Arguments>),
    /// Which mode, which cache, which quota, what it costs, and why
    Plan(Box<plan::Arguments>),
    /// Questions with knobs, figures and where these are expected: run, judged, recorded
    Experiment(experiment::Arguments),
    /// Seal a file or standard input under a key file
    Seal(file::Transfer),
    /// Open what was sealed; a new output file is readable by you alone
    Open(file::Transfer),
    /// Make a key file: 32 random bytes, readable by you alone
    Keygen(keygen::Arguments),
    /// What on this machine biases a measurement, and what to do about it
    Doctor(doctor::Arguments),
    /// Completions for a shell, to standard output
    Completions(manual::Completions),
    /// Manual pages, to a folder
    Man(manual::Manual),
}

/// The commit that this program was built from; empty when unknown.
const COMMIT: &str = env!("S3SEAL_COMMIT");

/// Why a verb failed, as the user reads it.
#[derive(Debug)]
struct Failure {
    text: String,
    code: u8,
}

impl Failure {
    /// The work failed: exit code 1.
    fn new(text: impl fmt::Display) -> Self {
        Self { text: text.to_string(), code: 1 }
    }

    /// Ends with `code` and without a word.
    fn silent(code: u8) -> Self {
        Self { text: String::new(), code }
    }

    /// What was asked for cannot be: exit code 2.
    fn usage(text: impl fmt::Display) -> Self {
        Self { text: text.to_string(), code: 2 }
    }
}

/// Runs the command line. Exit codes: 0 done, 1 failed, 2 usage, 3 limit passed or band broken, 130 interrupted.
pub(crate) fn run() -> ExitCode {
    let cli = Cli::parse();
    forbid_core_dumps();
    let done = |()| ExitCode::SUCCESS;
    let result = match cli.verb.unwrap_or(Verb::Load(load::Arguments::default())) {
        Verb::Load(arguments) => load::run(&arguments).map(done),
        Verb::Sim(arguments) => sim::run(&arguments).map(done),
        Verb::Report(arguments) => report::run(&arguments),
        Verb::Scenario(arguments) => scenario::run(&arguments).map(done),
        Verb::Cost(arguments) => cost::run(&arguments),
        Verb::Profile(arguments) => profile::run(&arguments).map(done),
        Verb::Plan(arguments) => plan::run(&arguments),
        Verb::Experiment(arguments) => experiment::run(&arguments),
        Verb::Seal(arguments) => seal::run(&arguments).map(done),
        Verb::Open(arguments) => open::run(&arguments).map(done),
        Verb::Keygen(arguments) => keygen::run(&arguments).map(done),
        Verb::Doctor(arguments) => doctor::run(&arguments).map(done),
        Verb::Completions(arguments) => manual::completions(&arguments, Cli::command()).map(done),
        Verb::Man(arguments) => manual::pages(&arguments, Cli::command()).map(done),
    };
    match result {
        Ok(code) => code,
        Err(Failure { text, code }) => {
            if !text.is_empty() {
                eprintln!("s3seal: {text}");
            }
            ExitCode::from(code)
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
