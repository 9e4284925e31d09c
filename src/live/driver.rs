//! A run from its population to its last row: what it is made of, when it turns, when it ends.

use std::collections::{BTreeMap, VecDeque};
use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, Sender, channel};

use super::clock::{Clock, Time};
use super::directory::Directory;
use super::error::{LiveError, WorkError};
use super::store::{Buffers, Sealed, Store, Stored};
use super::task::{Bench, Finished, HAND_OUT_BYTES};
use super::vault::{Held, Name, Vault};
use super::watch::Progress;
use crate::cache::{self, Cache, Failure, Metrics, Off, Shared};
use crate::envelope::WrappedKey;
use crate::kms::{BlobHeader, Granted};
use crate::pipeline::{
    Action, Core, Fetch, FetchAction, KeyHandle, Keyed, Parking, Phase, Request, is_cached, is_service_side,
};
use crate::report::{Percentiles, Sink};
use crate::request::{Ending, Operation, Outcome, SseMode};
use crate::rig::{self, EventQueue, Kms, Place, S3Times, Slab, Stalls};
use crate::units::{Span, Stream, Timestamp};
use crate::workload::{Arrival, Arrivals, FleetStart, Placement, Scenario, Source, Stop};

/// Most requests in flight when nothing else is asked; see [`crate::live`]. As in a simulation.
pub const IN_FLIGHT_MAX_DEFAULT: usize = 100_000;

/// Handles of keys that the run makes start here; those of the population lie below.
const FIRST_NEW_HANDLE: u64 = 1 << 62;

/// How long an interrupted run waits for what is in flight.
const GRACE: Span = Span::from_seconds(1);

/// Longest sleep, so that an interrupt is seen.
const NAP: std::time::Duration = std::time::Duration::from_millis(50);

/// What a run does beyond its scenario.
#[derive(Clone, Debug)]
pub struct Options {
    /// KMS quota in place of the scenario's.
    pub quota: Option<u64>,
    /// Most requests in flight; a closed loop has no more than it has clients.
    pub in_flight_max: usize,
    /// A closed loop: so many clients, each of which sends its next request when the last one has ended; then due times are
    /// not those of the schedule. None: the open loop of the scenario. A closed loop hides the delay that requests would
    /// have met which it did not send.
    pub concurrency: Option<u32>,
    /// The clock.
    pub time: Time,
    /// Where the objects lie; none: in memory.
    pub directory: Option<Directory>,
    /// Most bytes of a population in memory.
    pub memory_max: u64,
    /// Which part of the arrivals this run sends, of how many; as in a simulation. None: all.
    pub shard: Option<(u32, u32)>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            quota: None,
            in_flight_max: IN_FLIGHT_MAX_DEFAULT,
            concurrency: None,
            time: Time::Real,
            directory: None,
            memory_max: u64::MAX,
            shard: None,
        }
    }
}

/// What is known after a run beside its rows.
#[derive(Clone, Debug)]
pub struct Run {
    /// The start of the measured part.
    pub measured_from: Timestamp,
    /// Its end by the schedule, or when it was interrupted; of a run of so many operations, the due time of the last.
    pub measured_until: Timestamp,
    /// Whether it was interrupted.
    pub interrupted: bool,
    /// Requests, dropped ones included.
    pub requests: u64,
    /// Of these, in flight when an interrupted run gave up waiting: they have no row.
    pub abandoned: u64,
    /// Requests dropped because they could not start within [`LAG_MAX`](super::LAG_MAX).
    pub late: u64,
    /// Calls that KMS was sent.
    pub kms_calls: u64,
    /// Quota in calls per second.
    pub quota_per_s: u32,
    /// What the caches counted.
    pub cache: Metrics,
    /// Lateness of a thread that only watched the clock, right before the run: the machine's own.
    pub noise: Percentiles,
    /// Bodies that were opened and compared with what had been written.
    pub checked: u64,
    /// Copies that were left at the end and opened and compared then.
    pub copies: u64,
    /// Pieces of work that failed, and the first failure: with KMS and store in memory there should be none.
    pub broken: u64,
    /// The first of them.
    pub first_broken: Option<WorkError>,
    /// What the reader should be told about the quota.
    pub note: Option<String>,
}

/// Runs `scenario` in `mode` on the clock. Rows go to `sink`; memory comes from `buffers` and goes back there.
///
/// # Errors
/// [`LiveError`] before the first request: values that another room refuses, a population that does not fit.
pub fn run(
    scenario: &Scenario,
    mode: SseMode,
    options: &Options,
    buffers: &mut Buffers,
    progress: &Progress,
    sink: &mut impl Sink,
) -> Result<Run, LiveError> {
    run_source(&Source::from(scenario), mode, options, buffers, progress, sink)
}

/// As [`run`], for the schedule of a scenario or for a trace.
///
/// # Errors
/// As [`run`].
pub fn run_source(
    source: &Source,
    mode: SseMode,
    options: &Options,
    buffers: &mut Buffers,
    progress: &Progress,
    sink: &mut impl Sink,
) -> Result<Run, LiveError> {
    if is_cached(mode) {
        // One thread asks the cache: one stripe.
        let make = |rules, generations| Shared::<Held>::new(rules, generations, 1);
        run_with(source, mode, options, buffers, progress, sink, make)
    } else {
        let make = |rules, generations| Ok(Off::<Arc<Held>>::new(rules, generations));
        run_with(source, mode, options, buffers, progress, sink, make)
    }
}

fn run_with<C, S>(
    source: &Source,
    mode: SseMode,
    options: &Options,
    buffers: &mut Buffers,
    progress: &Progress,
    sink: &mut S,
    make: impl Fn(cache::Rules, Arc<cache::Generations>) -> Result<C, cache::ConfigError> + Copy,
) -> Result<Run, LiveError>
where
    C: Cache,
    C::Key: Keyed + Deref<Target = Held> + Send + 'static,
    C::Material: From<Held>,
    S: Sink,
{
    let (scenario, naming) = (source.scenario(), source.naming());
    let directory = rig::directory(scenario, &naming)?;
    let settings = rig::settings(scenario, mode);
    let kms = rig::kms(scenario, mode, options.quota, &directory)?;
    let (seal, open) = rig::rules(scenario, mode)?;
    let vault = Arc::new(Vault::new(scenario, naming, mode, directory.kms_keys.clone())?);
    #[cfg(test)]
    super::proof::LATEST.set(Some(Arc::clone(&vault)));
    let headers: Vec<BlobHeader> =
        kms.keys.iter().map(|&key| kms.model.header(Granted { key, material: 0 })).collect();
    let measured_from = Timestamp::ZERO + scenario.warm_up;
    let lifetime = settings.bucket_key.lifetime;
    let store = Store::new(source, &vault, &headers, lifetime, options, buffers, progress)?;
    let hosts = scenario.fleet.hosts;
    let caches = (0..Core::<C>::caches(mode, hosts))
        .map(|_| cache::Core::new(seal.clone(), open.clone(), make))
        .collect::<Result<Vec<_>, _>>()
        .expect("rules that were accepted make a cache");
    let mut core =
        Core::new(settings, hosts, caches, directory, scenario.seed(), 0).map_err(rig::RigError::from)?;
    if scenario.s3.prefix_limits {
        core = core.with_prefix_limits();
    }
    let (s3, stalls, placement) = (S3Times::new(scenario), Stalls::new(scenario), Placement::new(scenario));
    // Tables of popularity are made here: of millions of objects they take longer than the first requests may lag.
    let mut arrivals: Box<dyn Iterator<Item = Arrival> + '_> = match source {
        Source::Scenario(scenario) if options.concurrency.is_some() => {
            // The clients, not the schedule, decide when a run is over.
            let endless = Scenario { stop: Stop::Operations(u64::MAX), ..scenario.clone() };
            Box::new(Arrivals::new(&endless))
        }
        Source::Scenario(scenario) => {
            let (machine, machines) = options.shard.unwrap_or((0, 1));
            Box::new(Arrivals::new(scenario).shard(machine.into(), machines.into()))
        }
        Source::Replay(replay) => Box::new(replay.arrivals()),
    };
    let noise = Clock::start(options.time).noise();
    let (sender, receiver) = channel();
    // From here on time runs.
    let clock = Clock::start(options.time);
    let driver = Driver {
        clock,
        time: options.time,
        core,
        kms_stream: scenario.seed().stream("kms", 0),
        kms,
        bench: Bench { vault, directory: options.directory.clone(), clock },
        store,
        layers: if mode == SseMode::DsseKms { 2 } else { 1 },
        service_side: is_service_side(mode),
        in_flight_max: options.in_flight_max,
        concurrency: options.concurrency,
        idle: options.concurrency.unwrap_or(0),
        s3,
        stalls,
        placement,
        queue: EventQueue::new(),
        running: Slab::new(),
        fetches: Slab::new(),
        parked: BTreeMap::new(),
        deadlines: VecDeque::new(),
        actions: Vec::new(),
        fetch_actions: Vec::new(),
        handed_out: 0,
        sender,
        receiver,
        next_handle: FIRST_NEW_HANDLE,
        run: Run {
            measured_from,
            measured_until: measured_from,
            interrupted: false,
            requests: 0,
            abandoned: 0,
            late: 0,
            kms_calls: 0,
            quota_per_s: 0,
            cache: Metrics::default(),
            noise,
            checked: 0,
            copies: 0,
            broken: 0,
            first_broken: None,
            note: None,
        },
        progress,
        sink,
    };
    Ok(driver.run(scenario, &mut arrivals, buffers))
}

/// A request and what the driver knows of it.
#[derive(Debug)]
pub(super) struct Running<K: Clone + Keyed> {
    pub(super) request: Request<K>,
    pub(super) arrival: Arrival,
    /// Times that S3 served it.
    pub(super) serves: u32,
    /// The phase that it is in, of which (sub-)request, with which key.
    pub(super) phase: Phase,
    pub(super) operation: Operation,
    pub(super) handle: KeyHandle,
    /// When the stall ends that the phase met.
    pub(super) stalled_until: Timestamp,
    /// The object as it was when the attempt began.
    pub(super) source: Option<Arc<Stored>>,
    /// The body to be sealed; of a copy what was opened.
    pub(super) plain: Vec<u8>,
    /// What was sealed, or opened.
    pub(super) out: Vec<u8>,
    /// What was read of a file.
    pub(super) sealed: Vec<u8>,
    /// The parts of an upload so far.
    pub(super) parts: Vec<Sealed>,
}

/// A fetch, with what its call to KMS is about.
#[derive(Debug)]
pub(super) struct Flying {
    pub(super) fetch: Fetch,
    pub(super) name: Name,
    /// What is to be decrypted.
    pub(super) wrapped: Option<WrappedKey>,
}

/// What a phase changes when it is done.
#[derive(Debug)]
pub(super) struct Effect {
    pub(super) object: u64,
    /// What the object then is; none: it is gone.
    pub(super) stored: Option<Stored>,
}

#[derive(Debug)]
pub(super) enum Event {
    /// A phase is done, with its effect.
    Completed(Place, Span, Option<Box<Effect>>),
    /// Sealing or opening failed.
    Broken(Place, Span),
    /// A request has waited.
    Go(Place),
    /// A fetch has waited.
    FetchGo(Place),
    /// KMS answered.
    Replied(Place, Box<Result<Held, Failure>>, bool),
    /// A host starts anew; so does the next one an interval later.
    Restart(u32, Span),
    /// All hosts start anew.
    ColdStart,
}

pub(super) struct Driver<'s, C: Cache, S>
where
    C::Key: Keyed,
{
    pub(super) clock: Clock,
    pub(super) time: Time,
    pub(super) core: Core<C>,
    pub(super) kms: Kms,
    pub(super) kms_stream: Stream,
    pub(super) bench: Bench,
    pub(super) store: Store,
    pub(super) layers: u64,
    pub(super) service_side: bool,
    pub(super) in_flight_max: usize,
    pub(super) concurrency: Option<u32>,
    /// Of a closed loop, the clients that wait for nothing.
    idle: u32,
    pub(super) s3: S3Times,
    pub(super) stalls: Stalls,
    pub(super) placement: Placement,
    pub(super) queue: EventQueue<Event>,
    pub(super) running: Slab<Running<C::Key>>,
    pub(super) fetches: Slab<Flying>,
    /// In order of arrival.
    pub(super) parked: BTreeMap<Parking, Vec<Place>>,
    /// In order of time, since every wait is equally long.
    pub(super) deadlines: VecDeque<(Timestamp, Place, Parking)>,
    pub(super) actions: Vec<Action<C::Key>>,
    pub(super) fetch_actions: Vec<FetchAction<C::Key>>,
    /// Tasks in the pool.
    pub(super) handed_out: usize,
    pub(super) sender: Sender<(Place, Finished)>,
    receiver: Receiver<(Place, Finished)>,
    pub(super) next_handle: u64,
    pub(super) run: Run,
    pub(super) progress: &'s Progress,
    pub(super) sink: &'s mut S,
}

/// The next arrival, with the body that it will seal: made before it is due.
struct Next {
    arrival: Arrival,
    plain: Vec<u8>,
}

impl<C, S> Driver<'_, C, S>
where
    C: Cache,
    C::Key: Keyed + Deref<Target = Held> + Send + 'static,
    C::Material: From<Held>,
    S: Sink,
{
    fn run(
        mut self,
        scenario: &Scenario,
        arrivals: &mut dyn Iterator<Item = Arrival>,
        buffers: &mut Buffers,
    ) -> Run {
        let measured_from = self.run.measured_from;
        if scenario.fleet.start == FleetStart::Cold {
            self.queue.push(measured_from, Event::ColdStart);
        }
        if let Some(every) = scenario.fleet.restart_every {
            self.queue.push(measured_from + every, Event::Restart(0, every));
        }
        let end = match scenario.stop {
            Stop::Duration(duration) => Some(measured_from + duration),
            Stop::Operations(_) => None,
        };
        // What the clients of a closed loop may still send in the measured part.
        let mut left = match scenario.stop {
            Stop::Operations(count) if self.concurrency.is_some() => count,
            _ => u64::MAX,
        };
        let mut last_due = measured_from;
        let mut next = self.prepare(arrivals.next());
        let mut give_up = Timestamp::MAX;
        loop {
            self.take_finished();
            let now = self.clock.now();
            if !self.run.interrupted && self.progress.interrupted.load(Ordering::Relaxed) {
                (self.run.interrupted, next, give_up) = (true, None, now + GRACE);
                last_due = now;
            }
            let due = if self.concurrency.is_none() {
                next.as_ref().map(|next| next.arrival.due)
            } else {
                // Nobody sends any more once the time or the count is over.
                next = next.filter(|_| left > 0 && end.is_none_or(|end| now < end));
                next.as_ref().filter(|_| self.idle > 0).map(|_| now)
            };
            // Deadlines of requests that have long been woken are nothing to wait for.
            if due.is_none() && self.running.len() + self.fetches.len() + self.handed_out == 0 {
                break;
            }
            let event = self.next_event();
            let soonest = event.unwrap_or(Timestamp::MAX).min(due.unwrap_or(Timestamp::MAX));
            if now >= give_up {
                break;
            }
            if soonest > now {
                self.wait(soonest.min(give_up));
                continue;
            }
            if event == Some(soonest) && !(due.is_some() && self.clients_first()) {
                self.turn(now, next.is_some());
            } else if let Some(Next { mut arrival, plain }) = next.take() {
                arrival.due = due.expect("there is one to release");
                last_due = arrival.due;
                left -= u64::from(arrival.due >= measured_from);
                self.run.requests += 1;
                self.idle = self.idle.saturating_sub(1);
                self.progress.elapsed_ns.store(arrival.due.as_nanos(), Ordering::Relaxed);
                self.arrive(arrival, plain, now);
                next = self.prepare(arrivals.next());
            }
        }
        let interrupted = self.run.interrupted;
        self.run.measured_until = end.filter(|_| !interrupted).unwrap_or(last_due);
        self.run.abandoned = self.running.len() as u64;
        self.run.cache = self.core.metrics();
        (self.run.quota_per_s, self.run.note) = (self.kms.quota_per_s, self.kms.note.take());
        self.check_copies();
        self.store.recycle(buffers);
        self.run
    }

    fn take_finished(&mut self) {
        while self.handed_out > 0
            && let Ok((place, finished)) = self.receiver.try_recv()
        {
            self.finished(place, finished);
        }
    }

    /// Whether idle clients of a closed loop send before the events of their instant, as in a simulation. On a real clock
    /// clients that are answered at once would never let an event have its turn.
    fn clients_first(&self) -> bool {
        self.concurrency.is_some() && matches!(self.clock, Clock::Paused(_))
    }

    /// Opens the copies, which nobody read during the run, with keys that KMS opens anew.
    fn check_copies(&mut self) {
        let copies: Vec<(Name, Arc<Stored>)> = self.store.copies.values().cloned().collect();
        for (name, copy) in copies {
            match self.bench.vault.check_stored(&copy, name, self.store.directory.as_ref()) {
                Ok(()) => self.run.copies += 1,
                Err(error) => self.broken(error),
            }
        }
    }

    fn prepare(&mut self, arrival: Option<Arrival>) -> Option<Next> {
        let arrival = arrival?;
        let mut plain = Vec::new();
        if arrival.operation == Operation::PutObject && arrival.bytes < HAND_OUT_BYTES {
            plain = self.store.buffer();
            plain.resize(usize::try_from(arrival.bytes).expect("less than the limit"), 0);
            self.bench.vault.bodies.fill(arrival.object, arrival.version(), 0, &mut plain);
        }
        Some(Next { arrival, plain })
    }

    fn next_event(&self) -> Option<Timestamp> {
        let deadline = self.deadlines.front().map(|(at, ..)| *at);
        match (self.queue.next_at(), deadline) {
            (Some(event), Some(deadline)) => Some(event.min(deadline)),
            (event, deadline) => event.or(deadline),
        }
    }

    /// Until `instant`, or until the pool has finished something, or for a nap.
    fn wait(&mut self, instant: Timestamp) {
        let received = match (&mut self.clock, self.handed_out) {
            (Clock::Paused(now), 0) => {
                *now = instant;
                return;
            }
            // On a paused clock nothing is handed out.
            (Clock::Paused(_), _) => self.receiver.recv().ok(),
            (clock @ Clock::Real(_), _) => {
                if let Some(sleep) = clock.sleep_before(instant) {
                    self.receiver.recv_timeout(sleep.min(NAP)).ok()
                } else {
                    std::hint::spin_loop();
                    None
                }
            }
        };
        if let Some((place, finished)) = received {
            self.finished(place, finished);
        }
    }

    /// Hands a row on.
    pub(super) fn row(&mut self, row: &Outcome) {
        if row.ending != Ending::Dropped {
            self.progress.throttled.fetch_add(row.throttles.into(), Ordering::Relaxed);
            self.progress.times.record(row.finished.since(row.due));
        }
        self.progress.ended.fetch_add(1, Ordering::Relaxed);
        self.idle += u32::from(self.concurrency.is_some());
        self.sink.outcome(row);
    }

    /// Counts a piece of work that failed.
    pub(super) fn broken(&mut self, error: WorkError) {
        self.run.broken += 1;
        self.run.first_broken.get_or_insert(error);
    }
}
