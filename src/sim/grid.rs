//! A grid of limits over one stream: what each pair of age and uses makes of it, counted in one pass.
//!
//! Every cell takes the decisions of a run in mode `kms-cached`: who finds a usable key, who leads a flight, who joins it, when
//! KMS answers (each cell draws from the stream of its own run), which key an object stands under when it is read. Nothing
//! else is kept: no rows, no machines, no percentiles. So a cell's counts are those of the run, to the last call, flights
//! and all (`tests/sim/grid.rs`), wherever nothing comes in that only a run follows. That is found out on the way, and the
//! cell is then none: [`Inexact`] says why.

use std::collections::BTreeMap;

use super::cell::{AS_WRITTEN, Cell, Kind, MISSING, Step};
use super::measure::window;
use super::object::OBJECTS_MAX;
use super::option::Options;
use crate::kms::QUOTA_MAX;
use crate::pipeline::{Directory, Job, Phase, phases, requesters};
use crate::report::Window;
use crate::request::{Operation, SseMode};
use crate::rig::{self, RigError, S3Times};
use crate::units::Span;
use crate::workload::{Arrival, Arrivals, FaultKind, FleetStart, Scenario, Source, Stop};

/// Requests that are looked at before each cell takes them: so many that a cell's objects are worth bringing to the
/// processor, and few enough to stay near it.
const BLOCK: usize = 8_192;

/// The limits of a cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Limits {
    /// Longest time since the KMS call was sent.
    pub max_age: Span,
    /// Most objects under a data key.
    pub max_uses: u64,
}

/// What a cell came to. Those of the whole run first, warm-up included, then those of the measured part.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Keys found usable at the first asking.
    pub hits: u64,
    /// Keys handed to requests that had waited.
    pub resumed: u64,
    /// Askings that led a flight.
    pub misses: u64,
    /// Askings that joined one.
    pub joins: u64,
    /// KMS calls sent.
    pub calls: u64,
    /// Plaintext bytes sealed under the keys.
    pub sealed_bytes: u128,
    /// The most objects under one key.
    pub objects_per_key: u64,
    /// The most plaintext bytes under one key.
    pub bytes_per_key: u64,
    /// Calls sent at or after the start of the measured part.
    pub measured_calls: u64,
    /// Those of them sent before its end: ÷ [`Self::measured_ns`] they are the mean.
    pub calls_in_window: u64,
    /// Those of these that cost money.
    pub billed_in_window: u64,
    /// The most in one second of the clock.
    pub peak_calls_per_s: u64,
    /// Length of the measured part.
    pub measured_ns: u64,
    /// Requests due in it.
    pub offered: u64,
    /// Those of the quotas asked for under which no call would have been throttled, so that the counts hold under them.
    pub unthrottled: Vec<u64>,
}

/// Why a cell has no counts: only a run has them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Inexact {
    /// The scenario has something that only a run follows.
    #[error("only a run follows {0}")]
    Scenario(&'static str),
    /// A key had to make room.
    #[error("keys outnumber the capacity")]
    Capacity,
    /// KMS did not grant a call: it throttled, failed or refused.
    #[error("KMS did not grant a call")]
    Refused,
    /// A key came when it was over age, or nobody waited any more.
    #[error("a key came too late")]
    Late,
    /// So many requests may have been under way that some would have been dropped.
    #[error("requests under way may come near the limit")]
    InFlight,
    /// A key may have come to the limit of bytes that every key has.
    #[error("a key comes to 2^63 bytes")]
    Bytes,
}

/// What cells share.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) directory: Directory,
    pub(super) window: Window,
    /// The host of each context.
    pub(super) contexts: Vec<u32>,
    /// Objects that were named.
    pub(super) objects: usize,
    /// An upper bound of the requests that have their keys and are under way.
    pub(super) passing: usize,
    pub(super) in_flight_max: usize,
}

/// Counts `source` in mode `kms-cached` under each of `limits`, in their order, in one pass over its requests.
///
/// A cell's counts are exactly those of [`run_source`](super::run_source) under these limits and any quota among
/// [`Counts::unthrottled`]. What its requests took is not among them.
///
/// # Errors
/// [`RigError`] as for a run.
///
/// # Cost
/// About 10 ns for each request and cell; memory of 8 bytes for each object and cell.
pub fn grid(
    source: &Source,
    options: &Options,
    limits: &[Limits],
    quotas: &[u64],
) -> Result<Vec<Result<Counts, Inexact>>, RigError> {
    options.check()?;
    let scenario = source.scenario();
    if let Some(reason) = beyond(scenario, options) {
        return Ok(vec![Err(Inexact::Scenario(reason)); limits.len()]);
    }
    let mut pass = Pass::new(source, options)?;
    let directory = &pass.shared.directory;
    let mode = SseMode::KmsCached;
    let cell = |limits: &Limits| -> Result<Cell, RigError> {
        let mut limited = scenario.clone();
        (limited.cache.max_age, limited.cache.max_uses) = (Some(limits.max_age), Some(limits.max_uses));
        let (rules, _) = rig::rules(&limited, mode)?;
        let kms = |quota: u64| rig::kms(scenario, mode, Some(quota), directory);
        let against =
            quotas.iter().map(|quota| Ok((*quota, kms(*quota)?))).collect::<Result<_, RigError>>()?;
        let stream = scenario.seed().stream("kms", 0);
        let hosts = scenario.fleet.hosts;
        Ok(Cell::new(*limits, rules.config().capacity, kms(QUOTA_MAX.into())?, against, stream, hosts))
    };
    let mut cells =
        limits.iter().map(|limits| Ok(Ok(cell(limits)?))).collect::<Result<Vec<_>, RigError>>()?;
    match source {
        Source::Scenario(scenario) => pass.run(Arrivals::new(scenario), &mut cells),
        Source::Replay(replay) => pass.run(replay.arrivals(), &mut cells),
    }
    let Pass { shared, measured_ns, offered, .. } = pass;
    let finished = cells.into_iter().map(|cell: Result<Cell, Inexact>| {
        let counts = cell?.finish(&shared)?;
        Ok(Counts { measured_ns, offered, ..counts })
    });
    Ok(finished.collect())
}

/// What of `scenario` or `options` no cell follows.
fn beyond(scenario: &Scenario, options: &Options) -> Option<&'static str> {
    let stalls = scenario.faults.iter().any(|fault| fault.kind == FaultKind::StoreStall);
    let of = [
        (options.concurrency.is_some(), "a closed loop"),
        (options.shard.is_some(), "a part of the machines"),
        (scenario.cache.refresh_after.is_some(), "refreshes ahead"),
        (scenario.cache.max_bytes.is_some(), "a limit of bytes"),
        (scenario.s3.prefix_limits, "S3's limits per prefix"),
        (scenario.fleet.start == FleetStart::Cold, "a cold start"),
        (scenario.fleet.restart_every.is_some(), "restarts"),
        (stalls, "stalls of the store"),
        (scenario.objects.count == 0, "a bucket without an object"),
        (scenario.objects.count > OBJECTS_MAX.min(u64::from(u32::MAX) / 4), "so many objects"),
    ];
    of.iter().find(|(is, _)| *is).map(|(_, what)| *what)
}

/// One pass over the requests.
struct Pass<'a> {
    source: &'a Source,
    options: &'a Options,
    shared: Shared,
    population: crate::workload::Population,
    first_new: u64,
    requesters: Vec<u32>,
    contexts: BTreeMap<[u32; 4], u32>,
    /// By object of the population: the number of the key that it was written under, from 1; 0: not looked up yet.
    written: Vec<u32>,
    keys: BTreeMap<u64, u32>,
    s3: S3Times,
    /// The longest that a request takes once it has its keys.
    longest: Span,
    /// Requests of the second under way, and the most of a second so far.
    second: (u64, usize),
    busiest: usize,
    measured_ns: u64,
    offered: u64,
}

impl<'a> Pass<'a> {
    fn new(source: &'a Source, options: &'a Options) -> Result<Self, RigError> {
        let scenario = source.scenario();
        let directory = rig::directory(scenario, &source.naming())?;
        let scope = rig::settings(scenario, SseMode::KmsCached).scope;
        let population = source.population();
        let count = usize::try_from(population.count()).expect("it was compared just now");
        Ok(Self {
            source,
            options,
            requesters: requesters(&directory.principals, scope),
            shared: Shared {
                directory,
                window: window(source, None),
                contexts: Vec::new(),
                objects: count,
                passing: 0,
                in_flight_max: options.in_flight_max,
            },
            written: vec![AS_WRITTEN; count],
            population,
            first_new: source.first_new(),
            contexts: BTreeMap::new(),
            keys: BTreeMap::new(),
            s3: S3Times::new(scenario),
            longest: Span::ZERO,
            second: (0, 0),
            busiest: 0,
            measured_ns: 0,
            offered: 0,
        })
    }

    fn run(&mut self, arrivals: impl Iterator<Item = Arrival>, cells: &mut [Result<Cell, Inexact>]) {
        let (hosts, mut last_due) = (self.source.scenario().fleet.hosts, None);
        let mut block: Vec<Step> = Vec::with_capacity(BLOCK);
        for arrival in arrivals {
            last_due = Some(arrival.due);
            let job = rig::job(&arrival, None, hosts);
            self.note(&job, arrival.index);
            block.extend(self.step(&job, arrival.index));
            if block.len() == BLOCK {
                self.hand_out(&block, cells);
                block.clear();
                if cells.iter().all(Result::is_err) {
                    return;
                }
            }
        }
        self.hand_out(&block, cells);
        let Window { from, until } = self.shared.window;
        let planned = match self.source.scenario().stop {
            Stop::Duration(duration) => from + duration,
            Stop::Operations(_) => last_due.unwrap_or(from),
        };
        self.measured_ns = Window { from, until: until.min(planned) }.length().as_nanos();
    }

    fn hand_out(&mut self, block: &[Step], cells: &mut [Result<Cell, Inexact>]) {
        // Requests due within the longest time that one takes lie in so many seconds of the clock and one more.
        let seconds = self.longest.as_nanos() / crate::units::NANOS_PER_SECOND + 2;
        let seconds = usize::try_from(seconds).unwrap_or(usize::MAX);
        self.shared.passing = self.busiest.saturating_mul(seconds);
        for cell in cells {
            if let Ok(state) = cell
                && let Err(inexact) = self.fits().and_then(|()| state.take(block, &self.shared))
            {
                *cell = Err(inexact);
            }
        }
    }

    fn fits(&self) -> Result<(), Inexact> {
        if self.shared.passing > self.shared.in_flight_max { Err(Inexact::InFlight) } else { Ok(()) }
    }

    /// What is known of a request without its keys: how long it takes at most, and how many others are due with it.
    fn note(&mut self, job: &Job, index: u64) {
        self.offered += u64::from(self.shared.window.contains(job.due));
        let (second, of_it) = &mut self.second;
        if job.due.second() != *second {
            (*second, *of_it) = (job.due.second(), 0);
        }
        *of_it += 1;
        self.busiest = self.busiest.max(*of_it);
        let mut serves = 0;
        let mut took = self.time(job.operation, job.body, index, &mut serves);
        if job.operation == Operation::CreateMultipartUpload {
            for _ in 0..job.parts.0 {
                took = took + self.time(Operation::UploadPart, job.parts.1, index, &mut serves);
            }
            took = took + self.time(Operation::CompleteMultipartUpload, 0, index, &mut serves);
        }
        self.longest = self.longest.max(took);
    }

    /// How long the phases of a (sub-)request take.
    fn time(&self, operation: Operation, bytes: u64, index: u64, serves: &mut u32) -> Span {
        phases(operation).iter().fold(Span::ZERO, |sum, phase| {
            sum + match phase {
                Phase::Seal | Phase::Open => self.options.crypto.of(bytes),
                Phase::Read | Phase::Write => self.options.store.of(bytes),
                Phase::Touch => self.options.store.of(0),
                Phase::Serve => {
                    *serves += 1;
                    self.s3.of(index, *serves, operation, bytes)
                }
            }
        })
    }

    fn step(&mut self, job: &Job, index: u64) -> Option<Step> {
        let kind = match job.operation {
            Operation::PutObject => Kind::Put,
            Operation::CreateMultipartUpload => Kind::Upload,
            Operation::GetObject | Operation::GetObjectRange => Kind::Get,
            Operation::CopyObject => Kind::Copy,
            Operation::DeleteObject => Kind::Delete,
            _ => return None,
        };
        let after = match kind {
            Kind::Put => self.options.crypto.of(job.body) + self.options.store.of(job.body),
            _ => self.options.store.of(0),
        };
        let (object, written) = self.object(job.object);
        Some(Step {
            due: job.due,
            index,
            bytes: job.bytes,
            after,
            object,
            written,
            context: self.context(job),
            principal: job.principal,
            kms_key: job.kms_key,
            kind,
        })
    }

    /// The place of `object` in the tables of cells, and the key that it stands under at the start.
    fn object(&mut self, object: u64) -> (u32, u32) {
        let count = self.written.len();
        let place = usize::try_from(object).unwrap_or(usize::MAX);
        if let Some(made) = object.checked_sub(self.first_new).filter(|_| place >= count) {
            let place = count + usize::try_from(made).expect("ids of new objects are dense");
            self.shared.objects = self.shared.objects.max(place + 1);
            return (u32::try_from(place).unwrap_or(MISSING), MISSING);
        }
        let Some(&written) = self.written.get(place) else { return (MISSING, MISSING) };
        let written = if written != AS_WRITTEN {
            written
        } else if self.population.exists(object) {
            let next = u32::try_from(self.keys.len() + 1).expect("fewer than objects");
            *self.keys.entry(self.population.object(object).data_key).or_insert(next)
        } else {
            MISSING
        };
        self.written[place] = written;
        (u32::try_from(place).unwrap_or(MISSING), written)
    }

    fn context(&mut self, job: &Job) -> u32 {
        let requester = self.requesters[job.principal as usize];
        let next = u32::try_from(self.contexts.len()).expect("fewer than 2³² contexts");
        let context = *self.contexts.entry([job.host, requester, job.bucket, job.kms_key]).or_insert(next);
        if context == next {
            self.shared.contexts.push(job.host);
        }
        context
    }
}
