//! `s3seal cost`: what each SSE mode costs a month, where it comes from, and what a gate in CI may say to it.

mod compare;
mod flag;
mod page;
mod price;
mod run;
mod workload;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::error::ErrorKind;
use clap::{Args, CommandFactory, Subcommand, ValueEnum};
use s3seal::cost::{Bill, Month, Region, Usage, UsageFile};
use s3seal::request::SseMode;

use self::flag::Limit;
use self::run::Runs;
use self::workload::{Flags, Workload};
use super::pricing::{Prices, read};
use super::{Failure, file, pricing};

#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(super) struct Arguments {
    #[command(subcommand)]
    view: Option<View>,
    #[command(flatten)]
    question: Question,
}

#[derive(Debug, Subcommand)]
enum View {
    /// List the prices with their sources, how sure they are, and how old
    Prices(price::Arguments),
    /// Compare choices: Bucket Key, kinds and numbers of keys, multipart, re-encrypting what exists
    Compare(Box<compare::Arguments>),
}

/// What is asked, and how the answer is wanted.
#[derive(Debug, Args)]
struct Question {
    #[command(flatten)]
    flags: Flags,
    /// The Region [default: us-east-1]
    #[arg(long, value_name = "REGION")]
    region: Option<Region>,
    /// The month, such as 2026-10; its length and its prices count [default: this one, UTC]
    #[arg(long, value_name = "YYYY-MM")]
    month: Option<Month>,
    /// Only this mode; may be repeated [default: all, side by side]
    #[arg(long, value_name = "MODE")]
    mode: Vec<SseMode>,
    /// A TOML file with lines of usage, a workload, or both; flags go before it
    #[arg(long, value_name = "FILE")]
    usage: Option<PathBuf>,
    /// The JSON of a `load` or `sim` report: bills its runs by the month, of each mode the first
    #[arg(long, value_name = "FILE")]
    from_report: Option<PathBuf>,
    /// Every run of the report, also of one mode under several quotas
    #[arg(long, requires = "from_report")]
    all_runs: bool,
    #[command(flatten)]
    pricing: pricing::Arguments,
    #[command(flatten)]
    answer: Answer,
    /// Exit with 3 when this holds: `month>500USD`, or `encryption>=20USD` for what encryption adds
    #[arg(long, value_name = "CONDITION")]
    fail_if: Vec<Limit>,
    /// The account named in FOCUS output
    #[arg(long, value_name = "ID", default_value = "estimate")]
    account: String,
}

/// Where the answer goes, and in what form.
#[derive(Debug, Args)]
struct Answer {
    /// The form of the answer
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    /// The output file; standard output when left out or -
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Replace an existing output file
    #[arg(long)]
    force: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    Text,
    Json,
    Csv,
    Markdown,
    /// CSV in the columns of FOCUS 1.0
    Focus,
}

pub(super) fn run(arguments: &Arguments) -> Result<ExitCode, Failure> {
    match &arguments.view {
        Some(View::Prices(prices)) => price::run(prices).map(|()| ExitCode::SUCCESS),
        Some(View::Compare(comparison)) => compare::run(comparison).map(|()| ExitCode::SUCCESS),
        None => bills(&arguments.question),
    }
}

/// A mode, a run, or the lines of a usage file alone, and its bill.
struct Scenario {
    name: String,
    mode: Option<SseMode>,
    /// What a price by the million is divided by; none for a usage file.
    requests: Option<u64>,
    kms_requests: u64,
    bill: Bill,
}

fn bills(question: &Question) -> Result<ExitCode, Failure> {
    let asked = Asked::new(question)?;
    let baseline = match &asked.load {
        Load::Workload(workload) => Some(asked.scenario(workload, SseMode::SseS3)?.bill),
        Load::Runs(_) | Load::Lines => None,
    };
    let page = page::Page {
        scenarios: &asked.scenarios(question)?,
        load: &asked.load,
        question,
        baseline: baseline.as_ref(),
        month: asked.month,
    };
    if !question.fail_if.is_empty() && page.scenarios.len() > 1 {
        refuse("--fail-if needs one bill to judge: add --mode, such as --mode sse-kms");
    }
    question.answer.write(&match question.answer.format {
        Format::Text => page.text(),
        Format::Markdown => page.markdown(),
        Format::Json => page.json(),
        Format::Csv => page.csv(),
        Format::Focus => page.focus(&question.account),
    })?;
    judge(&question.fail_if, &page.scenarios[0], &page)
}

/// Exit code 3 when a limit is passed; a bill that lacks prices is judged only where it is over already.
fn judge(limits: &[Limit], scenario: &Scenario, page: &page::Page<'_>) -> Result<ExitCode, Failure> {
    for limit in limits {
        let value = if limit.encryption { page.added(&scenario.bill) } else { scenario.bill.total() };
        if limit.passed(value) {
            eprintln!("s3seal: {limit} holds: {} costs {value} USD", scenario.name);
            return Ok(ExitCode::from(3));
        }
        if let Some(line) = scenario.bill.missing().next() {
            return Err(Failure::new(format_args!(
                "cannot judge {limit}: no price is known for {} in {}; give it with --prices",
                line.item, line.region
            )));
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// The question with its files read and its defaults filled in.
struct Asked {
    month: Month,
    pricing: Prices,
    lines: Usage,
    load: Load,
}

/// What is billed beside the lines of a usage file.
enum Load {
    /// Nothing.
    Lines,
    Workload(Box<Workload>),
    Runs(Box<Runs>),
}

impl Asked {
    fn new(question: &Question) -> Result<Self, Failure> {
        let pricing = Prices::new(&question.pricing)?;
        let runs =
            question.from_report.as_ref().map(|path| Runs::new(path, question, &pricing)).transpose()?;
        let default = runs.as_ref().map(|runs| runs.pricing.month).or(question.month).or_else(this_month);
        let default = default.ok_or_else(|| Failure::new("the clock stands before 2006; give --month"))?;
        let mut flags = question.flags.clone();
        let (mut month, mut region) = (default, question.region);
        let mut lines = None;
        if let Some(path) = &question.usage {
            let (name, text) = read(path)?;
            let file = UsageFile::parse(&text, &name, default).map_err(Failure::new)?;
            let fixed = runs.as_ref().map(|runs| runs.pricing.month).or(question.month);
            if let Some((file, other)) = file.month.zip(fixed).filter(|(file, other)| file != other) {
                let other =
                    if runs.is_some() { format!("the report's {other}") } else { format!("--month {other}") };
                refuse(&format!("{other} contradicts month {file} in {name}"));
            }
            if let Some((field, _, line)) = file.workload.first().filter(|_| runs.is_some()) {
                refuse(&format!("{name}, line {line}: `{field}`: --from-report has its own workload"));
            }
            month = file.usage.month();
            region = region.or(file.region);
            for (field, value, line) in &file.workload {
                flags
                    .fill(field, value)
                    .map_err(|problem| Failure::new(format_args!("{name}, line {line}: {problem}")))?;
            }
            lines = Some(file.usage);
        }
        let nothing = lines.is_none();
        let lines = lines.unwrap_or(Usage::new(month));
        if let Some(runs) = runs {
            return Ok(Self { month, pricing, lines, load: Load::Runs(Box::new(runs)) });
        }
        let region = region.unwrap_or_else(|| "us-east-1".parse().expect("a Region"));
        let workload = flags.workload(region, month).map_err(|problem| refuse(&problem)).unwrap_or(None);
        if workload.is_none() && nothing {
            refuse(
                "nothing is used: give at least one of --put, --get, --objects with --size, or --usage FILE, or \
                 --from-report FILE; `s3seal cost --put 10M --get 100M --objects 50M --size 64KiB` is a start",
            );
        }
        let load = workload.map_or(Load::Lines, |workload| Load::Workload(Box::new(workload)));
        Ok(Self { month, pricing, lines, load })
    }

    /// The bills to show.
    fn scenarios(&self, question: &Question) -> Result<Vec<Scenario>, Failure> {
        match &self.load {
            Load::Runs(runs) => runs.scenarios(question, &self.lines),
            Load::Workload(workload) => {
                let asked_for = |mode: &SseMode| question.mode.is_empty() || question.mode.contains(mode);
                let modes = SseMode::ALL.into_iter().filter(asked_for);
                modes.map(|mode| self.scenario(workload, mode)).collect()
            }
            Load::Lines if !question.mode.is_empty() => refuse(
                "--mode needs a workload; the lines of a usage file are one bill: leave it away, or give --put, --get, …",
            ),
            Load::Lines => Ok(vec![Scenario {
                name: "usage".into(),
                mode: None,
                requests: None,
                kms_requests: 0,
                bill: self.pricing.bill(&self.lines)?,
            }]),
        }
    }

    fn scenario(&self, workload: &Workload, mode: SseMode) -> Result<Scenario, Failure> {
        let mut usage = workload.usage(mode).map_err(Failure::new)?;
        usage.merge(&self.lines).map_err(Failure::new)?;
        Ok(Scenario {
            name: mode.to_string(),
            mode: Some(mode),
            requests: Some(workload.requests()),
            kms_requests: workload.kms_requests(mode),
            bill: self.pricing.bill(&usage)?,
        })
    }
}

impl Answer {
    fn write(&self, text: &str) -> Result<(), Failure> {
        let mut output = file::Output::new(self.output.as_deref(), self.force, false)?;
        output.write(text.as_bytes())?;
        output.finish()
    }
}

fn this_month() -> Option<Month> {
    Month::of(jiff::tz::Offset::UTC.to_datetime(jiff::Timestamp::now()).date())
}

/// Ends with exit code 2: the arguments contradict each other.
fn refuse(text: &str) -> ! {
    let mut command = super::Cli::command();
    command.build();
    let cost = command.find_subcommand_mut("cost").expect("this verb");
    cost.error(ErrorKind::ArgumentConflict, text).exit()
}
