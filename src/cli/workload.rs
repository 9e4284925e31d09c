//! What `sim` and `load` take: a scenario, by name or file, and flags that change it.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;
use s3seal::pipeline::uses_kms;
use s3seal::report::{Objectives, Shard};
use s3seal::request::SseMode;
use s3seal::rig;
use s3seal::units::Span;
use s3seal::workload::{ArrivalProcess, Replay, ReplayOptions, Scenario, Source, Stop, preset, span};

use super::file::Input;
use super::{Failure, field, trace};

#[derive(Debug, Default, Args)]
#[group(skip)]
pub(super) struct Arguments {
    /// A built-in scenario (see `s3seal scenario list`)
    #[arg(default_value = "default", conflicts_with = "file")]
    scenario: String,
    /// A scenario file instead (see `s3seal scenario new`)
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
    #[command(flatten)]
    trace: trace::Arguments,
    /// Requests per second, in the long run
    #[arg(long, value_name = "PER_SECOND", allow_negative_numbers = true, value_parser = rate)]
    rate: Option<f64>,
    /// The AWS Region: its KMS quota, where --quota gives none, and its prices; a plan takes several, as in eu-west-2,us-east-1
    #[arg(long, value_name = "REGION", value_delimiter = ',')]
    pub(super) region: Vec<String>,
    /// KMS calls per second; several, as in 5500,10000, are run side by side
    #[arg(long, value_name = "PER_SECOND", value_delimiter = ',', allow_negative_numbers = true, value_parser = quota)]
    pub(super) quota: Vec<u64>,
    /// How long requests arrive in the measured part
    #[arg(long, value_name = "TIME", value_parser = time, allow_hyphen_values = true)]
    pub(super) duration: Option<Span>,
    /// How many requests arrive in the measured part, instead
    #[arg(long, value_name = "COUNT", conflicts_with = "duration", allow_negative_numbers = true)]
    operations: Option<u64>,
    /// A closed loop: so many clients, each with one request at a time, instead of a rate; it hides stalls
    #[arg(
        long,
        value_name = "CLIENTS",
        conflicts_with_all = ["rate", "trace", "find_max"],
        allow_negative_numbers = true,
        value_parser = clients
    )]
    pub(super) concurrency: Option<u32>,
    /// How long they arrive before it
    #[arg(long, value_name = "TIME", value_parser = time, allow_hyphen_values = true)]
    pub(super) warm_up: Option<Span>,
    /// The number from which every random choice follows
    #[arg(long, allow_negative_numbers = true, value_parser = seed)]
    seed: Option<u64>,
    /// SSE modes, as in sse-s3,sse-kms
    #[arg(long, value_name = "MODES", value_delimiter = ',')]
    modes: Vec<SseMode>,
    /// Any other field of the scenario (see `s3seal scenario fields`), as in objects.count=1000
    #[arg(long, value_name = "FIELD=VALUE")]
    set: Vec<String>,
    /// Search the highest rate that keeps these, mode by mode, as in 'p99<50ms,failed<0.1%'
    #[arg(
        long,
        value_name = "OBJECTIVES",
        long_help = "Search the highest rate that keeps these objectives, mode by mode, from the scenario's own rate on: \
                     doubling it while they hold, then halving what is left. p50, p90, p99, p999 or max < a time; failed, \
                     throttled or dropped < a percentage; several with commas between. <= holds at the limit itself"
    )]
    pub(super) find_max: Option<Objectives>,
    /// Only every N-th request from number I on, as in 0/4, with an N-th of the quota: N machines make the whole workload
    #[arg(long, value_name = "I/N", value_parser = shard, conflicts_with_all = ["trace", "find_max", "concurrency"])]
    pub(super) shard: Option<Shard>,
}

/// KMS quota of the built-in default scenario where nothing names another: that of most Regions from 2019 to 2021, low enough to
/// bite at its 8,000/s.
pub(super) const DEFAULT_QUOTA: u64 = 5_500;

/// What is to run.
pub(super) struct Work {
    pub(super) source: Source,
    /// What the scenario is called, or its file, or the trace.
    pub(super) name: String,
    /// Whether it runs under [`DEFAULT_QUOTA`].
    pub(super) took_default_quota: bool,
    /// What a report says of it.
    pub(super) notes: Vec<String>,
}

/// `0/4`: the first of four.
fn shard(text: &str) -> Result<Shard, String> {
    let read = || {
        let (index, of) = text.split_once('/')?;
        let shard = Shard { index: index.parse().ok()?, of: of.parse().ok()? };
        (shard.index < shard.of).then_some(shard)
    };
    read().ok_or_else(|| "expected I/N with I from 0 to N - 1, as in 0/4".into())
}

fn time(text: &str) -> Result<Span, String> {
    span(text).ok_or_else(|| "expected a time such as 500ms, 5s or 1h30m".into())
}

fn quota(text: &str) -> Result<u64, String> {
    text.parse().map_err(|_| "expected whole numbers of KMS calls a second, as in 5500 or 5500,10000".into())
}

/// The number that was meant where a list of quotas looks like one with its thousands apart, as in `5,500`; quotas below 100 are
/// rare enough.
fn thousands(quotas: &[u64]) -> Option<u64> {
    let (first, groups) = quotas.split_first()?;
    let looks_so =
        !groups.is_empty() && *first < 100 && groups.iter().all(|group| (100..1_000).contains(group));
    looks_so.then(|| {
        groups.iter().fold(*first, |whole, group| whole.saturating_mul(1_000).saturating_add(*group))
    })
}

fn seed(text: &str) -> Result<u64, String> {
    text.parse().map_err(|_| format!("expected a whole number from 0 to {}", u64::MAX))
}

/// Most clients of a closed loop: each holds at most one request in flight.
const CLIENTS_MAX: u32 = 1_000_000;

fn clients(text: &str) -> Result<u32, String> {
    let clients = text.parse().ok().filter(|clients| (1..=CLIENTS_MAX).contains(clients));
    clients.ok_or_else(|| format!("expected a whole number of clients from 1 to {CLIENTS_MAX}"))
}

impl Arguments {
    /// Whether it is the scenario that runs when nothing is asked for, in its own length.
    pub(super) fn is_default(&self) -> bool {
        self.file.is_none()
            && matches!(self.scenario.as_str(), "" | "default")
            && self.duration.is_none()
            && self.operations.is_none()
            && self.warm_up.is_none()
            && self.trace.trace.is_none()
            && self.set.is_empty()
            && self.find_max.is_none()
    }

    /// Whether it says itself how long it warms up or measures, so that nothing else should.
    pub(super) fn has_own_times(&self) -> bool {
        let set = |field: &str| {
            self.set.iter().any(|set| set.split('=').next().is_some_and(|path| path.trim() == field))
        };
        self.file.is_some()
            || self.trace.trace.is_some()
            || self.find_max.is_some()
            || self.concurrency.is_some()
            || self.duration.is_some()
            || self.operations.is_some()
            || self.warm_up.is_some()
            || ["warm_up", "duration", "operations"].iter().any(|field| set(field))
    }

    /// What a report calls the scenario.
    fn name(&self) -> String {
        match &self.file {
            Some(path) => path.display().to_string(),
            None if self.scenario.is_empty() => "default".into(),
            None => self.scenario.clone(),
        }
    }

    /// Whether it is the default scenario in the default Region, and nothing names a quota.
    fn takes_default_quota(&self, scenario: &Scenario) -> bool {
        self.file.is_none()
            && matches!(self.scenario.as_str(), "" | "default")
            && self.trace.trace.is_none()
            && self.region.is_empty()
            && self.quota.is_empty()
            && scenario.kms.quota.is_none()
            && scenario.kms.region == Scenario::default().kms.region
    }

    /// Refuses flags that contradict each other and that no parser knows of.
    fn agree(&self) -> Result<(), Failure> {
        for (place, quota) in self.quota.iter().enumerate() {
            if self.quota[..place].contains(quota) {
                return Err(Failure::usage(format_args!("--quota: {quota} is given twice")));
            }
        }
        if let Some(set) = self.set.iter().find(|set| {
            let section = set.split(['.', '=']).next().unwrap_or_default().trim();
            self.trace.trace.is_some() && matches!(section, "arrival" | "mix" | "objects" | "principals")
        }) {
            return Err(Failure::usage(format_args!(
                "--set {set}: requests, objects and principals are those of the trace; only what is around them can be set \
                 (kms, cache, bucket_key, retry, s3, fleet, history, layout.kms_keys, fault)"
            )));
        }
        Ok(())
    }

    /// What is to run, held against every rule that can be checked before; `quota` in place of the scenario's.
    pub(super) fn work(&self, quota: Option<u64>) -> Result<Work, Failure> {
        if let [_, second, ..] = &self.region[..] {
            return Err(Failure::usage(format_args!(
                "--region: {second} is one too many: a run is in one Region; s3seal plan takes several and picks one"
            )));
        }
        self.work_in_first_region(quota)
    }

    /// As [`Self::work`], in the first of the Regions where several are given.
    pub(super) fn work_in_first_region(&self, quota: Option<u64>) -> Result<Work, Failure> {
        self.agree()?;
        if let Some(whole) = thousands(&self.quota) {
            eprintln!(
                "s3seal: --quota with a comma is several quotas, here {}; for one of {whole} write {whole}",
                self.quota.iter().map(u64::to_string).collect::<Vec<_>>().join(" and ")
            );
        }
        let mut scenario = self.scenario()?;
        scenario.kms.quota = quota.or(scenario.kms.quota);
        let took_default_quota = self.takes_default_quota(&scenario);
        if took_default_quota {
            scenario.kms.quota = Some(DEFAULT_QUOTA);
        }
        scenario.validate().map_err(|error| self.explain(&error))?;
        let work = match self.trace.read()? {
            None => {
                let name = self.name();
                Work { source: Source::Scenario(scenario), name, took_default_quota, notes: Vec::new() }
            }
            Some((read, name)) => {
                let notes = vec![trace::note(&name, &read)];
                let stop = self.duration.map(Stop::Duration).or(self.operations.map(Stop::Operations));
                let options = ReplayOptions {
                    speed: self.trace.speed.unwrap_or(1.0),
                    warm_up: self.warm_up.unwrap_or(Span::ZERO),
                    stop,
                };
                let replay = Replay::new(Arc::new(read), &scenario, options);
                let replay = replay.map_err(|error| Failure::usage(format_args!("{name}: {error}")))?;
                Work { source: Source::Replay(replay), name, took_default_quota, notes }
            }
        };
        self.check(&work.source)?;
        Ok(work)
    }

    /// The scenario with its flags.
    fn scenario(&self) -> Result<Scenario, Failure> {
        let scenario = match &self.file {
            Some(path) => read(path)?,
            None if self.scenario.is_empty() => Scenario::default(),
            None => Scenario::parse(preset(&self.scenario).map_err(Failure::usage)?.text)
                .map_err(Failure::usage)?,
        };
        let mut scenario = field::set(&scenario, &self.set)?;
        if let Some(rate) = self.rate {
            set_rate(&mut scenario.arrival, rate);
        }
        let stop = self.duration.map(Stop::Duration).or(self.operations.map(Stop::Operations));
        scenario.stop = stop.unwrap_or(scenario.stop);
        if let Some(region) = self.region.first() {
            scenario.kms.region.clone_from(region);
        }
        scenario.warm_up = self.warm_up.unwrap_or(scenario.warm_up);
        scenario.seed = self.seed.unwrap_or(scenario.seed);
        if !self.modes.is_empty() {
            scenario.modes.clone_from(&self.modes);
        }
        if let [quota] = self.quota[..] {
            scenario.kms.quota = Some(quota);
        }
        Ok(scenario)
    }

    /// The rooms' own rules, before anything takes time.
    fn check(&self, source: &Source) -> Result<(), Failure> {
        let scenario = source.scenario();
        let directory = rig::directory(scenario, &source.naming()).map_err(|e| self.explain(&e))?;
        for &mode in &scenario.modes {
            rig::rules(scenario, mode).map_err(|error| self.explain(&error))?;
            for quota in self.quotas(mode) {
                let (part, quota) = self.part(source, quota)?;
                rig::kms(part.scenario(), mode, quota, &directory).map_err(|error| self.explain(&error))?;
            }
        }
        Ok(())
    }

    /// The quotas to run `mode` under: `None` is the scenario's own, or what the Region grants.
    pub(super) fn quotas(&self, mode: SseMode) -> Vec<Option<u64>> {
        if self.quota.len() < 2 || !uses_kms(mode) {
            return vec![None];
        }
        self.quota.iter().copied().map(Some).collect()
    }

    /// What this machine runs of `source` under `quota`, and the quota that is left to say.
    pub(super) fn part(&self, source: &Source, quota: Option<u64>) -> Result<(Source, Option<u64>), Failure> {
        match self.shard {
            None => Ok((source.clone(), quota)),
            Some(Shard { index, of }) => {
                let part = rig::shard(source.scenario(), quota, index, of);
                Ok((Source::Scenario(part.map_err(|error| self.explain(&error))?), None))
            }
        }
    }

    /// An error of values, with the file that they came from. Flags are named by the field that they set.
    fn explain(&self, error: &dyn std::error::Error) -> Failure {
        match &self.file {
            Some(path) => Failure::usage(format_args!("{}: {error}", path.display())),
            None => Failure::usage(error),
        }
    }
}

/// The scenario in the file at `path`, held against every rule that is checked before a run.
pub(super) fn checked(path: &Path) -> Result<Scenario, Failure> {
    let arguments = Arguments { file: Some(path.into()), ..Arguments::default() };
    let work = arguments.work(None)?;
    Ok(work.source.scenario().clone())
}

/// `800`, `0.5`, `20k`, `1e4`.
fn rate(text: &str) -> Result<f64, String> {
    let wrong = || format!("`{text}` is no rate: expected requests per second such as 800, 0.5, 20k or 1e4");
    let (number, factor) = match text.strip_suffix('k') {
        Some(number) => (number, 1e3),
        None => text.strip_suffix('M').map_or((text, 1.0), |number| (number, 1e6)),
    };
    number.parse::<f64>().map(|rate| rate * factor).map_err(|_| wrong())
}

fn set_rate(arrival: &mut ArrivalProcess, to: f64) {
    match arrival {
        ArrivalProcess::Constant { rate }
        | ArrivalProcess::Poisson { rate }
        | ArrivalProcess::Burst { rate, .. } => *rate = to,
        // Their rates rise or fall together.
        varying => *varying = varying.scaled(to / varying.mean_rate()),
    }
}

/// Most bytes of a scenario file; a typical one has a thousand.
const FILE_BYTES_MAX: usize = 1 << 20;

fn read(path: &Path) -> Result<Scenario, Failure> {
    let mut input = Input::new(Some(path))?;
    let mut bytes = vec![0; FILE_BYTES_MAX + 1];
    let filled = input.fill(&mut bytes)?;
    let name = &input.name;
    if filled > FILE_BYTES_MAX {
        return Err(Failure::usage(format_args!("{name}: more than 1 MiB: expected a scenario in TOML")));
    }
    let text = std::str::from_utf8(&bytes[..filled])
        .map_err(|_| Failure::usage(format_args!("{name}: not UTF-8: expected a scenario in TOML")))?;
    Scenario::parse(text).map_err(|error| Failure::usage(format_args!("{name}: {error}")))
}
