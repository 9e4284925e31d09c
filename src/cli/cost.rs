//! `s3seal cost`: what each SSE mode costs a month, where it comes from, and what a gate in CI may say to it.

mod compare;
mod flag;
mod measured;
mod page;
mod price;
mod run;
mod workload;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::error::ErrorKind;
use clap::{Args, CommandFactory, Subcommand, ValueEnum};
use s3seal::cost::{Bill, Item, Line, Month, Price, Region, Terms, Unit, Usage, UsageFile};
use s3seal::request::SseMode;
use s3seal::units::Usd;

use self::flag::Limit;
use self::measured::Measured;
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
    #[command(flatten)]
    choice: Choice,
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
    /// The Region, or several side by side, as in us-east-1,eu-west-1 [default: us-east-1]
    #[arg(long, value_name = "REGION", value_delimiter = ',')]
    region: Vec<Region>,
    /// The month, such as 2026-10; its length and its prices count [default: this one, UTC]
    #[arg(long, value_name = "YYYY-MM")]
    month: Option<Month>,
    /// A TOML file with lines of usage, a workload, or both; a flag of the workload goes before its field
    #[arg(long, value_name = "FILE")]
    usage: Option<PathBuf>,
    #[command(flatten)]
    pricing: pricing::Arguments,
    #[command(flatten)]
    answer: Answer,
    /// Also a page, in one file that needs no network
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
}

/// Which bills are made, and what is said to them.
#[derive(Debug, Args)]
struct Choice {
    /// Only this mode; may be repeated [default: all, side by side]
    #[arg(long, value_name = "MODE")]
    mode: Vec<SseMode>,
    /// The JSON of a `load` or `sim` report: bills its runs by the month, of each mode the first
    #[arg(long, value_name = "FILE")]
    from_report: Option<PathBuf>,
    /// The JSON of a profile (`s3seal profile --format json`): bills a month of the traffic that it measured
    #[arg(long, value_name = "FILE", conflicts_with = "from_report")]
    profile: Option<PathBuf>,
    /// Every run of the report, also of one mode under several quotas
    #[arg(long, requires = "from_report")]
    all_runs: bool,
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
    /// CSV in the columns of FOCUS 1.0, for one bill
    Focus,
}

pub(super) fn run(arguments: &Arguments) -> Result<ExitCode, Failure> {
    match &arguments.view {
        Some(View::Prices(prices)) => price::run(prices).map(|()| ExitCode::SUCCESS),
        Some(View::Compare(comparison)) => compare::run(comparison).map(|()| ExitCode::SUCCESS),
        None => bills(&arguments.question, &arguments.choice),
    }
}

/// A mode, a run, or the lines of a usage file alone, and its bill.
struct Scenario {
    name: String,
    mode: Option<SseMode>,
    /// Where, of a workload that is billed in several Regions.
    region: Option<Region>,
    /// What encryption adds to a million requests, without the free tier and the monthly price of keys, as in reports; none
    /// for a usage file.
    per_million: Option<Usd>,
    kms_requests: u64,
    /// Of a run whose bill is one of fewer requests: the part of those offered that it has, as a percentage.
    part: Option<String>,
    bill: Bill,
    /// The same under SSE-S3: what costs more than that, encryption adds; none without a workload.
    baseline: Option<Bill>,
    /// The same usage at list prices.
    list: Bill,
    /// What of it has no quantity, so that the bill lacks it.
    lacks: Option<&'static str>,
}

impl Scenario {
    /// What encryption adds: over SSE-S3 with a workload, its own lines otherwise.
    fn added(&self) -> Usd {
        let bill = &self.bill;
        self.baseline.as_ref().map_or_else(|| bill.encryption(), |below| bill.total() - below.total())
    }

    /// The same before rounding.
    fn added_exact(&self) -> Usd {
        let bill = &self.bill;
        self.baseline.as_ref().map_or_else(|| bill.encryption_exact(), |below| bill.exact() - below.exact())
    }

    /// Whether its sums are too small.
    fn is_short(&self) -> bool {
        self.lacks.is_some() || self.bill.missing().next().is_some()
    }

    /// Whether its sums rest on a price that is not confirmed, or was stated only after the month.
    fn is_unsure(&self) -> bool {
        self.bill.unconfirmed().next().is_some()
            || self.bill.lines().iter().any(|line| is_later(line, self.bill.month()))
    }
}

/// Whether a price was stated after `month` and does not say since when it holds.
fn is_later(line: &Line, month: Month) -> bool {
    // As far as the source's date goes: a year, a month.
    let later = |price: &Price| {
        let digits = price.source_date.len().min(7);
        price.from.is_none() && price.source_date.get(..digits) > month.to_string().get(..digits)
    };
    line.price.as_deref().is_some_and(later)
}

fn bills(question: &Question, choice: &Choice) -> Result<ExitCode, Failure> {
    let asked = Asked::new(question, Some(choice))?;
    let page = page::Page {
        scenarios: &asked.scenarios(choice)?,
        load: &asked.load,
        choice,
        regions: &asked.regions,
        month: asked.month,
    };
    if !choice.fail_if.is_empty() && page.scenarios.len() > 1 {
        refuse(
            "--fail-if needs one bill to judge: add --mode, such as --mode sse-kms, and name one --region",
        );
    }
    if question.answer.format == Format::Focus && page.scenarios.len() > 1 {
        refuse(
            "--format focus is for one bill, since costs of alternatives do not add up: add --mode, such as --mode sse-kms, and \
             name one --region",
        );
    }
    question.write_page(|| page.html())?;
    question.answer.write(&match question.answer.format {
        Format::Text => page.text(),
        Format::Markdown => page.markdown(),
        Format::Json => page.json(),
        Format::Csv => page.csv(),
        Format::Focus => page.focus(&choice.account),
    })?;
    judge(&choice.fail_if, &page.scenarios[0])
}

/// Exit code 3 when a limit is passed; a bill that lacks prices is judged only where it is over already.
fn judge(limits: &[Limit], scenario: &Scenario) -> Result<ExitCode, Failure> {
    for limit in limits {
        let value = if limit.encryption { scenario.added() } else { scenario.bill.total() };
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
        if let Some(lacks) = scenario.lacks {
            return Err(Failure::new(format_args!("cannot judge {limit}: {lacks}")));
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
    /// Where the workload is billed; none for lines and runs.
    regions: Vec<Region>,
}

/// What is billed beside the lines of a usage file.
enum Load {
    /// Nothing.
    Lines,
    Workload(Box<Workload>),
    Runs(Box<Runs>),
    Profile(Box<Measured>),
}

impl Asked {
    fn new(question: &Question, choice: Option<&Choice>) -> Result<Self, Failure> {
        let pricing = Prices::new(&question.pricing)?;
        let report = choice.and_then(|choice| choice.from_report.as_ref());
        let profile = choice.and_then(|choice| choice.profile.as_ref());
        let runs = report.map(|path| Runs::new(path, question, &pricing)).transpose()?;
        let default = runs.as_ref().map(|runs| runs.pricing.month).or(question.month).or_else(this_month);
        let default = default.ok_or_else(|| Failure::new("the clock stands before 2006; give --month"))?;
        let mut flags = question.flags.clone();
        let regions = question.regions(runs.is_some());
        let (mut month, mut region) = (default, regions.first().copied());
        let mut lines = None;
        if let Some(path) = &question.usage {
            let (name, text) = read(path)?;
            let file = UsageFile::parse(&text, &name, default, region).map_err(Failure::new)?;
            let fixed = runs.as_ref().map(|runs| runs.pricing.month).or(question.month);
            if let Some((file, other)) = file.month.zip(fixed).filter(|(file, other)| file != other) {
                let other =
                    if runs.is_some() { format!("the report's {other}") } else { format!("--month {other}") };
                refuse(&format!("{other} contradicts month {file} in {name}"));
            }
            let lines_stay = file.usage.iter().next().is_some();
            if lines_stay && regions.len() > 1 {
                refuse(&format!(
                    "--region names several Regions, and the lines of {name} are in their own: name one"
                ));
            }
            if let Some((file, flag)) = file.region.zip(region).filter(|(file, flag)| file != flag) {
                refuse(&format!(
                    "--region {flag} contradicts region {file} in {name}: its lines would stay there"
                ));
            }
            let other = if runs.is_some() { Some("--from-report") } else { profile.map(|_| "--profile") };
            if let Some(((field, _, line), other)) = file.workload.first().zip(other) {
                refuse(&format!("{name}, line {line}: `{field}`: {other} has its own workload"));
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
            let (load, regions) = (Load::Runs(Box::new(runs)), Vec::new());
            return Ok(Self { month, pricing, lines, load, regions });
        }
        let region = region.unwrap_or_else(|| "us-east-1".parse().expect("a Region"));
        let regions = if regions.is_empty() { vec![region] } else { regions };
        if let Some(path) = profile {
            let load = Load::Profile(Box::new(Measured::new(path, question, region)?));
            return Ok(Self { month, pricing, lines, load, regions });
        }
        let workload = flags.workload(region, month).map_err(|problem| refuse(&problem)).unwrap_or(None);
        if workload.is_none() && nothing {
            refuse(
                "nothing is used: give at least one of --put, --get, --objects with --size, or --usage FILE, or \
                 --from-report FILE, or --profile FILE; `s3seal cost --put 10M --get 100M --objects 50M --size 64KiB` is a start",
            );
        }
        let load = workload.map_or(Load::Lines, |workload| Load::Workload(Box::new(workload)));
        Ok(Self { month, pricing, lines, load, regions })
    }

    /// The bills to show.
    fn scenarios(&self, choice: &Choice) -> Result<Vec<Scenario>, Failure> {
        match &self.load {
            Load::Runs(runs) => runs.scenarios(choice, &self.lines),
            Load::Workload(workload) => self.side_by_side(choice, |mode, region| {
                let mut there = Workload::clone(workload);
                there.region = region;
                self.scenario(&there, mode)
            }),
            Load::Profile(measured) => self.side_by_side(choice, |mode, region| {
                self.bill(Monthly {
                    mode,
                    usage: measured.usage(mode, region, self.month).map_err(Failure::new)?,
                    plain: measured.usage(SseMode::SseS3, region, self.month).map_err(Failure::new)?,
                    requests: measured.requests(self.month),
                    kms_requests: measured.kms_requests(mode, self.month),
                    lacks: None,
                })
            }),
            Load::Lines if !choice.mode.is_empty() => refuse(
                "--mode needs a workload; the lines of a usage file are one bill: leave it away, or give --put, --get, …",
            ),
            Load::Lines => Ok(vec![Scenario {
                name: "usage".into(),
                mode: None,
                region: None,
                baseline: None,
                per_million: None,
                kms_requests: 0,
                part: None,
                bill: self.pricing.bill(&self.lines)?,
                list: self.pricing.list(&self.lines)?,
                lacks: None,
            }]),
        }
    }

    /// Every mode that is asked for, in every Region.
    fn side_by_side(
        &self,
        choice: &Choice,
        bill: impl Fn(SseMode, Region) -> Result<Scenario, Failure>,
    ) -> Result<Vec<Scenario>, Failure> {
        let asked_for = |mode: &SseMode| choice.mode.is_empty() || choice.mode.contains(mode);
        let modes = SseMode::ALL.into_iter().filter(asked_for);
        let bills = modes.flat_map(|mode| self.regions.iter().map(move |region| (mode, *region)));
        bills
            .map(|(mode, region)| {
                let mut scenario = bill(mode, region)?;
                if self.regions.len() > 1 {
                    scenario.name = format!("{mode} {region}");
                    scenario.region = Some(region);
                }
                Ok(scenario)
            })
            .collect()
    }

    fn scenario(&self, workload: &Workload, mode: SseMode) -> Result<Scenario, Failure> {
        self.bill(Monthly {
            mode,
            usage: workload.usage(mode).map_err(Failure::new)?,
            plain: workload.usage(SseMode::SseS3).map_err(Failure::new)?,
            requests: workload.requests(),
            kms_requests: workload.kms_requests(mode),
            lacks: workload.lacks(mode),
        })
    }

    fn bill(&self, monthly: Monthly) -> Result<Scenario, Failure> {
        let Monthly { mode, mut usage, mut plain, requests, kms_requests, lacks } = monthly;
        let alone =
            Bill::new(&usage, &self.pricing.book, Terms { free_tier: false }).map_err(Failure::new)?;
        let by_the_request =
            alone.lines().iter().filter(|line| line.item.is_encryption() && !is_key(line.item));
        let added: Usd = by_the_request.filter_map(|line| line.exact).sum();
        usage.merge(&self.lines).map_err(Failure::new)?;
        plain.merge(&self.lines).map_err(Failure::new)?;
        Ok(Scenario {
            name: mode.to_string(),
            mode: Some(mode),
            region: None,
            baseline: Some(self.pricing.bill(&plain)?),
            per_million: added.per_million(requests),
            kms_requests,
            part: None,
            bill: self.pricing.bill(&usage)?,
            list: self.pricing.list(&usage)?,
            lacks,
        })
    }
}

/// A month in one mode.
struct Monthly {
    mode: SseMode,
    usage: Usage,
    /// The same under SSE-S3.
    plain: Usage,
    requests: u64,
    kms_requests: u64,
    /// What of it has no quantity.
    lacks: Option<&'static str>,
}

/// Whether it is billed by the month, not by the request.
fn is_key(item: Item) -> bool {
    item.unit() == Unit::KeyMonth
}

impl Question {
    /// The Regions named, each once. A report's runs are billed in one.
    fn regions(&self, of_runs: bool) -> Vec<Region> {
        let mut regions: Vec<Region> = Vec::new();
        for &region in &self.region {
            if !regions.contains(&region) {
                regions.push(region);
            }
        }
        if of_runs && regions.len() > 1 {
            refuse("--from-report bills its runs in one Region: name one --region");
        }
        regions
    }

    /// Writes the page, where one is asked for.
    fn write_page(&self, page: impl FnOnce() -> String) -> Result<(), Failure> {
        let Some(path) = &self.html else { return Ok(()) };
        let mut output = file::Output::new(Some(path), self.answer.force, false)?;
        output.write(page().as_bytes())?;
        output.finish()
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
