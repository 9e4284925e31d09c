//! `s3seal plan`: a workload and objectives in, a plan with its reasons out.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use jiff::civil::Date;
use s3seal::cost::Region;
use s3seal::plan::{
    Custody, Drill, Gate, GrowthRate, HORIZON_MAX, Plan, Question, Runner, Surroundings, Unknown, plan,
    retry, scope, twice, usd,
};
use s3seal::report::Objectives;
use s3seal::request::SseMode;
use s3seal::rig::QUOTA_DATE;
use s3seal::units::{Span, Usd};
use s3seal::workload::profile::Profile;
use s3seal::workload::{RetryPolicy, Scenario, Scope, Source, span};

use super::document::{Document, Writing};
use super::file::Output;
use super::{COMMIT, Failure, pricing, rendering, workload};

#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    workload: workload::Arguments,
    /// A profile as JSON (see `s3seal profile`) for rates, operations, sizes and popularity; the scenario is around it
    #[arg(long, value_name = "FILE", conflicts_with_all = ["trace", "rate"])]
    profile: Option<PathBuf>,
    /// Objectives, constraints, growth and candidates as a TOML file (docs/PLAN.md); flags go before it
    #[arg(long, value_name = "FILE")]
    question: Option<PathBuf>,
    #[command(flatten)]
    demands: Demanded,
    #[command(flatten)]
    tries: Tried,
    /// How the load grows, as in 8%/month
    #[arg(long, value_name = "RATE")]
    growth: Option<GrowthRate>,
    /// For how many months it is followed [default: 12]
    #[arg(long, value_name = "MONTHS", requires = "growth", value_parser = clap::value_parser!(u32).range(1..=i64::from(HORIZON_MAX)))]
    horizon: Option<u32>,
    /// The mode of the objects that exist: what a change saves, and when it has paid
    #[arg(long, value_name = "MODE")]
    current: Option<SseMode>,
    /// The day whose KMS quotas hold [default: that of the newest table]
    #[arg(long, value_name = "YYYY-MM-DD")]
    date: Option<Date>,
    /// Find where the demands are just kept, checked by runs: quota, max-age or max-rate; may be repeated
    #[arg(long, value_name = "UNKNOWN")]
    solve: Vec<Unknown>,
    /// Put the choice through failover:REGION, cold-start or outage:TIME; may be repeated
    #[arg(long, value_name = "DRILL")]
    drill: Vec<Drill>,
    /// Exit with code 3 when this holds, as in 'month>500USD', 'headroom<20%' or 'choice!=sse-kms'; may be repeated
    #[arg(long, value_name = "CONDITION")]
    fail_if: Vec<Gate>,
    /// Leave out what flips the choice: several times as fast
    #[arg(long)]
    no_sensitivity: bool,
    #[command(flatten)]
    pricing: pricing::OfRun,
    #[command(flatten)]
    writing: Writing,
}

/// What is to be kept to.
#[derive(Debug, Args)]
#[group(skip)]
struct Demanded {
    /// What to keep, as in 'p99<50ms,failed<0.1%' [default: p99<5s,failed<0.1%,throttled<1%]
    #[arg(long, value_name = "OBJECTIVES")]
    keep: Option<Objectives>,
    /// Most that encryption may add to a month's bill, as in 500USD
    #[arg(long, value_name = "USD", value_parser = usd)]
    budget: Option<Usd>,
    /// How soon after its KMS key is disabled nothing may be opened any more, as in 5m
    #[arg(long, value_name = "TIME", value_parser = time)]
    revoke_within: Option<Span>,
    /// Every use of an object must stand in the KMS audit log under its own ARN
    #[arg(long)]
    audit_per_object: bool,
    /// Who must hold the key: any, account (a KMS key of yours) or customer (AWS keeps none)
    #[arg(long, value_name = "WHO")]
    key_custody: Option<Custody>,
    /// Two layers of encryption are required
    #[arg(long)]
    double_encryption: bool,
    /// Who encrypts: any, s3, store (S3-compatible, your own) or client
    #[arg(long, value_name = "WHO")]
    run_by: Option<Runner>,
}

/// What is to be tried.
#[derive(Debug, Args)]
#[group(skip)]
struct Tried {
    /// Ages of cached data keys to try, as in 1m,5m
    #[arg(long, value_name = "TIMES", value_delimiter = ',', value_parser = age)]
    max_ages: Vec<Span>,
    /// Objects under a cached data key to try, as in 100,1000
    #[arg(long, value_name = "COUNTS", value_delimiter = ',', value_parser = clap::value_parser!(u64).range(1..))]
    max_uses: Vec<u64>,
    /// Who shares cached data keys: account, role, session; several with commas
    #[arg(long, value_name = "SCOPES", value_delimiter = ',', value_parser = scope)]
    scopes: Vec<Scope>,
    /// Retry policies to try: none, standard-2.0, standard-2.1, full-jitter
    #[arg(long, value_name = "POLICIES", value_delimiter = ',', value_parser = retry)]
    retries: Vec<RetryPolicy>,
    /// Requests that a candidate is simulated with at most [default: 2000000]
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u64).range(1..))]
    requests: Option<u64>,
}

fn time(text: &str) -> Result<Span, String> {
    span(text).ok_or_else(|| "expected a time such as 30s, 5m or 1h".into())
}

fn age(text: &str) -> Result<Span, String> {
    time(text).and_then(|age| if age > Span::ZERO { Ok(age) } else { Err("expected times above 0".into()) })
}

pub(super) fn run(arguments: &Arguments) -> Result<ExitCode, Failure> {
    arguments.refuse()?;
    let output = arguments.writing.open()?;
    let question = arguments.question()?;
    let mut work = arguments.workload.work_in_first_region(None)?;
    if work.took_default_quota
        && let Source::Scenario(scenario) = &mut work.source
    {
        // A plan is for today's quota of the Region; the default of the other verbs is one that bites.
        scenario.kms.quota = None;
    }
    if let Some(path) = &arguments.profile {
        let (source, note) = profiled(path, work.source.scenario(), question.requests_max)?;
        work = workload::Work { source, notes: vec![note], ..work };
    }
    let pricing = arguments.pricing.pricing(work.source.scenario())?;
    let around = Surroundings {
        pricing: &pricing,
        date: arguments.date.unwrap_or(QUOTA_DATE),
        from_profile: arguments.profile.is_some(),
        drills: &arguments.drill,
        unknowns: &arguments.solve,
    };
    let mut made = plan(&work.source, &question, &around).map_err(Failure::usage)?;
    made.commit = COMMIT.into();
    made.notes.extend(work.notes);
    arguments.writing.write(output, &made)?;
    let mut failed = !made.feasible;
    for gate in arguments.fail_if.iter().filter_map(|gate| gate.passed_by(&made)) {
        eprintln!("s3seal: {gate}");
        failed = true;
    }
    Ok(if failed { ExitCode::from(3) } else { ExitCode::SUCCESS })
}

/// The load of the profile at `path` in the surroundings of `base`, and what a reader should know of it.
fn profiled(path: &Path, base: &Scenario, requests_max: u64) -> Result<(Source, String), Failure> {
    let (name, text) = pricing::read(path)?;
    let refuse = |error: &dyn std::fmt::Display| Failure::usage(format_args!("{name}: {error}"));
    let profile = Profile::from_json(text.as_bytes()).map_err(|error| refuse(&error))?;
    let scenario = profile.scenario(base, requests_max).map_err(|error| refuse(&error))?;
    let sent = if profile.requests() > requests_max {
        "; of these the busiest stretch is run, and bills are as if it were always so"
    } else {
        ""
    };
    let note = format!(
        "Rates, operations, sizes and popularity are those of the profile {name}: {} requests{sent}. The order in which objects came is not in \
         a profile: what caches save is that of independent draws.",
        profile.requests(),
    );
    Ok((Source::Scenario(scenario), note))
}

impl Arguments {
    /// Refuses what belongs to other verbs.
    fn refuse(&self) -> Result<(), Failure> {
        let of_runs = [
            (self.workload.find_max.is_some(), "--find-max", "--solve max-rate finds the highest rate"),
            (self.workload.concurrency.is_some(), "--concurrency", "a plan rests on an open loop"),
            (self.workload.shard.is_some(), "--shard", "a plan is about the whole workload"),
        ];
        for (given, flag, reason) in of_runs {
            if given {
                return Err(Failure::usage(format_args!("{flag} is not for plans: {reason}")));
            }
        }
        Ok(())
    }

    /// The Regions to ask in; none where a single one is given, which is then the scenario's.
    fn regions(&self) -> Result<Vec<Region>, Failure> {
        if self.workload.region.len() < 2 {
            return Ok(Vec::new());
        }
        let read = |region: &String| {
            region.parse().map_err(|error| Failure::usage(format_args!("--region: {error}")))
        };
        let regions = self.workload.region.iter().map(read).collect::<Result<Vec<Region>, _>>()?;
        match twice(&regions) {
            Some(region) => Err(Failure::usage(format_args!("--region: {region} is given twice"))),
            None => Ok(regions),
        }
    }

    /// The file's question with the flags over it.
    fn question(&self) -> Result<Question, Failure> {
        let mut question = match &self.question {
            None => Question::default(),
            Some(path) => {
                let (name, text) = pricing::read(path)?;
                Question::parse(&text).map_err(|error| Failure::usage(format_args!("{name}: {error}")))?
            }
        };
        let (demands, asked) = (&mut question.demands, &self.demands);
        if let Some(keep) = &asked.keep {
            demands.keep = keep.clone();
        }
        demands.budget = asked.budget.or(demands.budget);
        demands.revoke_within = asked.revoke_within.or(demands.revoke_within);
        demands.audit_per_object |= asked.audit_per_object;
        demands.custody = asked.key_custody.unwrap_or(demands.custody);
        demands.double_encryption |= asked.double_encryption;
        demands.runner = asked.run_by.unwrap_or(demands.runner);
        let (grid, tries) = (&mut question.grid, &self.tries);
        replace(&mut grid.max_ages, &tries.max_ages);
        replace(&mut grid.max_uses, &tries.max_uses);
        replace(&mut grid.scopes, &tries.scopes);
        replace(&mut grid.retries, &tries.retries);
        if self.workload.quota.len() > 1 {
            grid.quotas.clone_from(&self.workload.quota);
        }
        if !self.workload.region.is_empty() {
            question.regions = self.regions()?;
        }
        question.requests_max = tries.requests.unwrap_or(question.requests_max);
        question.growth = self.growth.or(question.growth);
        question.horizon = self.horizon.unwrap_or(question.horizon);
        question.current = self.current.or(question.current);
        question.sensitivity &= !self.no_sensitivity;
        Ok(question)
    }
}

fn replace<T: Clone>(held: &mut Vec<T>, given: &[T]) {
    if !given.is_empty() {
        *held = given.to_vec();
    }
}

impl Document for Plan {
    fn text(&self, output: &Output) -> String {
        self.to_text(rendering::style(output))
    }
    fn json(&self) -> String {
        self.to_json()
    }
    fn html(&self) -> String {
        self.to_html()
    }
}
