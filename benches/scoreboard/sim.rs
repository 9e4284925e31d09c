//! The simulator: hits beside the barest loops that count anything, the full run, and a throttled run without a cache.
#![expect(clippy::disallowed_methods, reason = "a benchmark reads the clock")]
#![expect(clippy::print_stderr, reason = "a benchmark says what it leaves out")]
#![expect(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    reason = "indices and counts below 2³²"
)]

use std::time::{Duration, Instant};

use hashbrown::HashMap;
use s3seal::report::{Recorder, Window};
use s3seal::request::{KmsCall, Operation, Outcome, SseMode};
use s3seal::sim::{Options, Run, Sink, run as simulate, run_arrivals};
use s3seal::units::{Seed, Span, Timestamp};
use s3seal::workload::{
    Arrival, ArrivalProcess, Mix, Popularity, Ranks, S3ServiceTime, Scenario, Shape, SizeLaw, Source, Stop,
};

use crate::board::{Board, Goal};
use crate::libcachesim::Libcachesim;

/// Objects of the loops.
const OBJECTS: u64 = 1 << 20;
/// Requests of one batch: enough to make the set-up (tables, names, first looks at objects) small beside it.
const BATCH: u64 = 8_000_000;
/// Between two requests of the ready trace.
const GAP: u64 = 10_000;

pub(crate) fn run(board: &mut Board) {
    hits(board);
    drawn(board);
    full(board);
    uncached_throttled(board);
}

/// What is counted of each run: requests, bytes, and the calls of each second.
#[derive(Default)]
struct Counts {
    outcomes: u64,
    bytes: u64,
    calls: u64,
    calls_per_second: Vec<u64>,
}

impl Sink for Counts {
    #[inline]
    fn outcome(&mut self, row: &Outcome) {
        self.outcomes += 1;
        self.bytes += row.bytes;
    }
    fn kms_call(&mut self, row: &KmsCall) {
        self.call(row.sent);
    }
}

impl Counts {
    fn call(&mut self, sent: Timestamp) {
        self.calls += 1;
        let second = sent.second() as usize;
        if second >= self.calls_per_second.len() {
            self.calls_per_second.resize(second + 1, 0);
        }
        self.calls_per_second[second] += 1;
    }
}

fn timed(scenario: &Scenario, mode: SseMode, batches: u64, sink: &mut (impl Sink + Send)) -> (Duration, Run) {
    let start = Instant::now();
    let mut last = None;
    for _ in 0..batches {
        last = Some(simulate(scenario, mode, &Options::default(), sink).expect("the scenario runs"));
    }
    (start.elapsed(), last.expect("at least one batch"))
}

/// Reads of a million objects under a thousand data keys: a hit each, but for the keys' first reads.
fn of_hits(operations: u64) -> Scenario {
    let mut scenario = Scenario {
        mix: Mix { get_object: 1.0, ..Mix::none() },
        arrival: ArrivalProcess::Poisson { rate: 100_000.0 },
        stop: Stop::Operations(operations),
        warm_up: Span::ZERO,
        ..Scenario::default()
    };
    scenario.objects.count = OBJECTS;
    scenario.objects.size = SizeLaw::Fixed { bytes: 4_096 };
    scenario.history.uses_per_key = 1_024;
    scenario.cache.max_age = Some(Span::from_seconds(3_600));
    scenario.cache.capacity = Some(2_048);
    scenario
}

fn zipf_order() -> Vec<u32> {
    let ranks = Ranks::new(Popularity::Zipf { theta: 0.99 }, OBJECTS);
    let mut stream = Seed(1).stream("bench/sim", 0);
    (0..1 << 22).map(|_| ranks.draw(&mut stream) as u32).collect()
}

/// `order` again and again, a read each: what a trace holds that lies ready.
fn ready(order: &[u32], requests: u64) -> impl Iterator<Item = Arrival> + '_ {
    (0..requests).map(|index| Arrival {
        index,
        due: Timestamp::from_nanos(index * GAP),
        object: u64::from(order[index as usize & (order.len() - 1)]),
        bytes: 4_096,
        shape: Shape::Whole,
        operation: Operation::GetObject,
        bucket: 0,
        kms_key: 0,
        principal: 0,
    })
}

/// The simulator and the barest loop over one ready trace.
fn hits(board: &mut Board) {
    if !board.wants("sim_hits") {
        return;
    }
    let batch = if board.is_test() { 200_000 } else { BATCH };
    let scenario = of_hits(batch);
    let (source, order, mut sink) = (Source::from(&scenario), zipf_order(), Counts::default());
    let once = |sink: &mut Counts| {
        let arrivals = ready(&order, batch);
        let mode = SseMode::KmsCached;
        run_arrivals(&source, mode, &Options::default(), arrivals, sink).expect("the trace runs")
    };
    // Every request is answered, nearly all from the cache.
    let first = once(&mut sink);
    assert_eq!((sink.outcomes, sink.calls), (batch, first.kms_calls));
    assert!(first.cache.hits > batch * 9 / 10 && sink.bytes == batch * 4_096);
    let mut ours = |n| {
        let start = Instant::now();
        for _ in 0..n {
            once(&mut sink);
        }
        start.elapsed()
    };
    // The peer keeps an age and a count of uses for each object in a flat array, and counts the same.
    let (mut state, mut counts) = (vec![(0_u64, 0_u32); OBJECTS as usize], Counts::default());
    let mut now = 0_u64;
    let mut theirs = |n: u64| {
        let start = Instant::now();
        for i in 0..n * batch {
            now += GAP;
            let (since, uses) = &mut state[order[i as usize & (order.len() - 1)] as usize];
            if now - *since > 3_600_000_000_000 || *uses >= 1 << 30 {
                (*since, *uses) = (now, 0);
                counts.call(Timestamp::from_nanos(now));
            }
            *uses += 1;
            counts.outcomes += 1;
            counts.bytes += 4_096;
        }
        start.elapsed()
    };
    if let Some(paired) = board.race("sim_hits", &mut ours, &mut theirs) {
        let peer = "flat array of ages and uses over the same ready trace";
        let (ratio, batch) = (paired.peer / paired.ours, batch as f64);
        board.line(
            "sim_hits",
            ratio,
            "× the peer's speed",
            Goal::AtLeast(0.25),
            peer,
            Some(paired.peer / batch),
        );
    }
    assert_eq!(counts.bytes, counts.outcomes * 4_096);
    drop((counts, state));
}

/// The same hits, their arrivals drawn from the scenario: Poisson and zipf.
fn drawn(board: &mut Board) {
    if !board.wants("sim_hits_drawn") {
        return;
    }
    let batch = if board.is_test() { 200_000 } else { BATCH };
    let (scenario, order, mut sink) = (of_hits(batch), zipf_order(), Counts::default());
    let mut ours = |n| timed(&scenario, SseMode::KmsCached, n, &mut sink).0;
    against_lru(board, "sim_hits_drawn", batch, &order, &mut ours);
}

/// Shows `ours`, of `batch` requests an operation, in M requests/s beside a bare LRU.
fn against_lru(
    board: &mut Board,
    name: &str,
    batch: u64,
    order: &[u32],
    ours: &mut dyn FnMut(u64) -> Duration,
) {
    let (mut lru, mut hits) = (Lru::new(OBJECTS as usize / 10), 0_u64);
    let mut theirs = |n: u64| {
        let start = Instant::now();
        for i in 0..n * batch {
            hits += u64::from(lru.ask(order[i as usize & (order.len() - 1)]));
        }
        start.elapsed()
    };
    if let Some(paired) = board.race(name, ours, &mut theirs) {
        let (value, batch) = (batch as f64 * 1e3 / paired.ours, batch as f64);
        let peer = "a bare LRU over a hash map";
        board.line(name, value, "M requests/s", Goal::Shown, peer, Some(paired.peer / batch));
    }
    assert!(hits > 0);
}

/// The least recently used of `capacity` ids over a hash map: what a cache simulator does at least.
struct Lru {
    places: HashMap<u32, u32, Fixed>,
    /// Id, newer, older.
    entries: Vec<(u32, u32, u32)>,
    newest: u32,
    oldest: u32,
    capacity: usize,
}

#[derive(Clone, Copy, Default)]
struct Fixed(u64);

impl std::hash::Hasher for Fixed {
    fn finish(&self) -> u64 {
        self.0
    }
    fn write(&mut self, _: &[u8]) {
        unreachable!("ids hash themselves with write_u32");
    }
    fn write_u32(&mut self, id: u32) {
        self.0 = u64::from(id).wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        self.0 ^= self.0 >> 32;
    }
}

impl std::hash::BuildHasher for Fixed {
    type Hasher = Self;
    fn build_hasher(&self) -> Self {
        Self(0)
    }
}

const NONE: u32 = u32::MAX;

impl Lru {
    fn new(capacity: usize) -> Self {
        Self { places: HashMap::default(), entries: Vec::new(), newest: NONE, oldest: NONE, capacity }
    }

    fn unlink(&mut self, place: u32) {
        let (_, newer, older) = self.entries[place as usize];
        if newer == NONE {
            self.newest = older;
        } else {
            self.entries[newer as usize].2 = older;
        }
        if older == NONE { self.oldest = newer } else { self.entries[older as usize].1 = newer }
    }

    fn link(&mut self, place: u32) {
        let older = std::mem::replace(&mut self.newest, place);
        (self.entries[place as usize].1, self.entries[place as usize].2) = (NONE, older);
        if older == NONE { self.oldest = place } else { self.entries[older as usize].1 = place }
    }

    fn ask(&mut self, id: u32) -> bool {
        if let Some(&place) = self.places.get(&id) {
            self.unlink(place);
            self.link(place);
            return true;
        }
        let place = if self.entries.len() < self.capacity {
            self.entries.push((id, NONE, NONE));
            (self.entries.len() - 1) as u32
        } else {
            let place = self.oldest;
            self.unlink(place);
            self.places.remove(&self.entries[place as usize].0);
            self.entries[place as usize].0 = id;
            place
        };
        self.places.insert(id, place);
        self.link(place);
        false
    }
}

/// A mix of reads and writes with S3's drawn times, everything recorded that a report says.
fn full(board: &mut Board) {
    if !board.wants("sim_full") {
        return;
    }
    let batch = if board.is_test() { 2_000 } else { BATCH / 4 };
    let mut scenario = of_hits(batch);
    scenario.mix.put_object = 0.25;
    scenario.s3.service_time = S3ServiceTime::Standard;
    scenario.objects.size = Scenario::default().objects.size;
    let order = zipf_order();
    let window = Window { from: Timestamp::ZERO, until: Timestamp::MAX };
    let mut ours = |n| {
        let start = Instant::now();
        for _ in 0..n {
            let mut recorder = Recorder::new(window);
            timed(&scenario, SseMode::KmsCached, 1, &mut recorder);
            std::hint::black_box(recorder);
        }
        start.elapsed()
    };
    against_lru(board, "sim_full", batch, &order, &mut ours);
    let name = "sim_full_libcachesim";
    if !board.wants(name) {
        return;
    }
    let passes = if board.is_test() { &order[..2_000] } else { &order[..BATCH as usize / 4] };
    let Some(mut peer) = Libcachesim::start(passes, OBJECTS as usize / 10) else {
        eprintln!(
            "{name}: no libcachesim (pip install libcachesim; PYTHON names the interpreter): its line is left out"
        );
        return;
    };
    if let Some(paired) = board.race(name, &mut ours, &mut |n| peer.run(n)) {
        let threads = rayon::current_num_threads();
        let of_peer = format!(
            "libcachesim {}, LRU, its own loop over a trace file; ours on {threads} threads",
            peer.version
        );
        let ratio = paired.peer / paired.ours;
        let each = paired.peer / batch as f64;
        // The peer keeps a cache and nothing else; beside it 5 M requests/s with latencies and histograms are enough.
        let enough = paired.ours / batch as f64 <= 200.0;
        let goal = if enough { Goal::Shown } else { Goal::AtLeast(1.2) };
        board.line(name, ratio, "× the peer's speed", goal, &of_peer, Some(each));
    }
}

/// The default rate on 5,500 calls a second, each request a call, retries at the S3 client.
fn uncached_throttled(board: &mut Board) {
    if !board.wants("sim_uncached_throttled") {
        return;
    }
    let batch = if board.is_test() { 2_000 } else { BATCH / 32 };
    let mut scenario = Scenario { stop: Stop::Operations(batch), warm_up: Span::ZERO, ..Scenario::default() };
    scenario.kms.quota = Some(5_500);
    let mut sink = Counts::default();
    let (_, first) = timed(&scenario, SseMode::SseKms, 1, &mut sink);
    assert!(board.is_test() || first.kms_calls > batch, "some calls are repeated");
    let order = zipf_order();
    let mut ours = |n| timed(&scenario, SseMode::SseKms, n, &mut sink).0;
    against_lru(board, "sim_uncached_throttled", batch, &order, &mut ours);
}
