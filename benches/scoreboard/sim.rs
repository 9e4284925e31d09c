//! The simulator: hits beside the barest loops that count anything, the full run, and a throttled run without a cache.
#![expect(clippy::disallowed_methods, reason = "a benchmark reads the clock")]
#![expect(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    reason = "indices and counts below 2³²"
)]

use std::time::{Duration, Instant};

use hashbrown::HashMap;
use s3seal::request::{KmsCall, Outcome, SseMode};
use s3seal::sim::{Options, Run, Sink, run as simulate};
use s3seal::units::{Seed, Span};
use s3seal::workload::{ArrivalProcess, Mix, Popularity, Ranks, S3ServiceTime, Scenario, SizeLaw, Stop};

use crate::board::{Board, Goal};

/// Objects of the loops.
const OBJECTS: u64 = 1 << 20;
/// Requests of one batch: enough to make the set-up (tables, names) small beside it.
const BATCH: u64 = 4_000_000;

pub(crate) fn run(board: &mut Board) {
    hits(board);
    full(board);
    uncached_throttled(board);
}

/// What every sink here keeps: enough that no row can be optimised away, and the seconds' calls.
#[derive(Default)]
struct Counts {
    outcomes: u64,
    bytes: u64,
    calls: u64,
    calls_per_second: Vec<u64>,
}

impl Sink for Counts {
    fn outcome(&mut self, row: &Outcome) {
        self.outcomes += 1;
        self.bytes += row.bytes;
    }
    fn kms_call(&mut self, row: &KmsCall) {
        self.calls += 1;
        let second = row.sent.second() as usize;
        if second >= self.calls_per_second.len() {
            self.calls_per_second.resize(second + 1, 0);
        }
        self.calls_per_second[second] += 1;
    }
}

/// As [`Counts`], with a histogram by power of two of each phase.
#[derive(Default)]
struct Histograms {
    counts: Counts,
    phases: [s3seal::cache::Histogram; 6],
}

impl Sink for Histograms {
    fn outcome(&mut self, row: &Outcome) {
        self.counts.outcome(row);
        let spans = [
            row.finished.since(row.due),
            row.started.since(row.due),
            row.kms_wait,
            row.crypto,
            row.store,
            row.s3,
        ];
        for (histogram, span) in self.phases.iter_mut().zip(spans) {
            histogram.record(span.as_nanos());
        }
    }
    fn kms_call(&mut self, row: &KmsCall) {
        self.counts.kms_call(row);
    }
}

fn timed(scenario: &Scenario, mode: SseMode, batches: u64, sink: &mut impl Sink) -> (Duration, Run) {
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

fn hits(board: &mut Board) {
    if !board.wants("sim_hits") {
        return;
    }
    let batch = if board.is_test() { 200_000 } else { BATCH };
    let scenario = of_hits(batch);
    let (mut sink, order) = (Counts::default(), zipf_order());
    // A batch answers every request, nearly all from the cache.
    let (_, first) = timed(&scenario, SseMode::KmsCached, 1, &mut sink);
    assert_eq!((sink.outcomes, sink.calls), (batch, first.kms_calls));
    let mut ours = |n| timed(&scenario, SseMode::KmsCached, n, &mut sink).0;
    // The peer has the trace ready and keeps an age and a count of uses for each object in a flat array.
    let mut state = vec![(0_u64, 0_u32); OBJECTS as usize];
    let (mut now, mut misses) = (0_u64, 0_u64);
    let mut theirs = |n: u64| {
        let start = Instant::now();
        for i in 0..n * batch {
            now += 10_000;
            let (since, uses) = &mut state[order[i as usize & (order.len() - 1)] as usize];
            if now - *since > 3_600_000_000_000 || *uses >= 1 << 30 {
                (*since, *uses) = (now, 0);
                misses += 1;
            }
            *uses += 1;
        }
        start.elapsed()
    };
    if let Some(paired) = board.race("sim_hits", &mut ours, &mut theirs) {
        let peer = "flat array of ages and uses over a ready trace, the same number of requests";
        let (ratio, batch) = (paired.peer / paired.ours, batch as f64);
        board.line("sim_hits", ratio, "× the peer's speed", Goal::Shown, peer, Some(paired.peer / batch));
        board.line("sim_hits_rate", batch * 1e3 / paired.ours, "M requests/s", Goal::Shown, peer, None);
    }
    drop((misses, state));
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

/// A mix of reads and writes with S3's drawn times and a histogram of each phase.
fn full(board: &mut Board) {
    if !board.wants("sim_full") {
        return;
    }
    let batch = if board.is_test() { 2_000 } else { BATCH / 4 };
    let mut scenario = of_hits(batch);
    scenario.mix.put_object = 0.25;
    scenario.s3.service_time = S3ServiceTime::Standard;
    scenario.objects.size = Scenario::default().objects.size;
    let (mut sink, order) = (Histograms::default(), zipf_order());
    let mut ours = |n| timed(&scenario, SseMode::KmsCached, n, &mut sink).0;
    let (mut lru, mut hits) = (Lru::new(OBJECTS as usize / 10), 0_u64);
    let mut theirs = |n: u64| {
        let start = Instant::now();
        for i in 0..n * batch {
            hits += u64::from(lru.ask(order[i as usize & (order.len() - 1)]));
        }
        start.elapsed()
    };
    if let Some(paired) = board.race("sim_full", &mut ours, &mut theirs) {
        let (value, batch) = (batch as f64 * 1e3 / paired.ours, batch as f64);
        let peer = "a bare LRU over a hash map";
        board.line("sim_full", value, "M requests/s", Goal::Shown, peer, Some(paired.peer / batch));
    }
    drop((hits, lru));
}

/// The default rate on 5,500 calls a second, each request a call, retries at the S3 client.
fn uncached_throttled(board: &mut Board) {
    if !board.wants("sim_uncached_throttled") {
        return;
    }
    let batch = if board.is_test() { 2_000 } else { BATCH / 16 };
    let mut scenario = Scenario { stop: Stop::Operations(batch), warm_up: Span::ZERO, ..Scenario::default() };
    scenario.kms.quota = Some(5_500);
    let mut sink = Counts::default();
    let (_, first) = timed(&scenario, SseMode::SseKms, 1, &mut sink);
    assert!(board.is_test() || first.kms_calls > batch, "some calls are repeated");
    let order = zipf_order();
    let mut ours = |n| timed(&scenario, SseMode::SseKms, n, &mut sink).0;
    let (mut lru, mut hits) = (Lru::new(OBJECTS as usize / 10), 0_u64);
    let mut theirs = |n: u64| {
        let start = Instant::now();
        for i in 0..n * batch {
            hits += u64::from(lru.ask(order[i as usize & (order.len() - 1)]));
        }
        start.elapsed()
    };
    if let Some(paired) = board.race("sim_uncached_throttled", &mut ours, &mut theirs) {
        let (value, batch) = (batch as f64 * 1e3 / paired.ours, batch as f64);
        let peer = "a bare LRU over a hash map";
        board.line(
            "sim_uncached_throttled",
            value,
            "M requests/s",
            Goal::Shown,
            peer,
            Some(paired.peer / batch),
        );
    }
    drop((hits, lru));
}
