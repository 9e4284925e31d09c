//! The live driver: what it adds to sealing and opening, a cached key beside SSE-S3, how late it releases.
#![expect(clippy::disallowed_methods, reason = "a benchmark reads the clock and starts threads")]
#![expect(clippy::cast_precision_loss, reason = "figures for people")]

use std::hint::black_box;
use std::time::{Duration, Instant};

use s3seal::envelope::{
    Backend, DataKey, EncryptionContext, Header, Identity, Keys, Options as SealOptions, Slot, Threads,
    WrappingKey, seal_into,
};
use s3seal::live::{self, Buffers, Options, Progress};
use s3seal::report::{Distribution, Sink};
use s3seal::request::{Ending, KeySource, KmsCall, Operation, Outcome, SseMode};
use s3seal::units::{Seed, Span};
use s3seal::workload::{ArrivalProcess, Bodies, Mix, Scenario, ServiceTime, SizeLaw, Stop};

use crate::board::{Board, Goal, median};

/// Bytes of each body.
const BYTES: u64 = 4_096;
/// Objects, few enough that their bodies stay in the caches of both contenders.
const OBJECTS: u64 = 256;

pub(crate) fn run(board: &mut Board) {
    in_process(board);
    cached_beside_sse_s3(board);
    lag(board);
}

/// Half PUTs, half GETs of 4 KiB under one data key, which the warm-up fetches.
fn of_4_kib(operations: u64) -> Scenario {
    let mut scenario = Scenario {
        mix: Mix { put_object: 1.0, get_object: 1.0, ..Mix::none() },
        stop: Stop::Operations(operations),
        warm_up: Span::ZERO,
        ..Scenario::default()
    };
    scenario.objects.count = OBJECTS;
    scenario.objects.size = SizeLaw::Fixed { bytes: BYTES };
    scenario.history.uses_per_key = 1 << 20;
    scenario.cache.max_age = Some(Span::from_seconds(3_600));
    // The two fetches at the start are not what is measured.
    scenario.kms.service_time = Some(ServiceTime { min: Span::ZERO, median: Span::ZERO, sigma: 0.0 });
    scenario
}

/// Requests, and how long they took from the first due time to the last end.
#[derive(Default)]
struct Ended {
    requests: u64,
    last: Span,
}

impl Sink for Ended {
    fn outcome(&mut self, row: &Outcome) {
        assert_eq!(row.ending, Ending::Succeeded, "nothing throttles or fails here");
        self.requests += 1;
        self.last = self.last.max(row.finished.since(s3seal::units::Timestamp::ZERO));
    }
    fn kms_call(&mut self, _: &KmsCall) {}
}

/// A closed loop of the driver, beside a loop on one thread that does nothing but the same work on bodies: makes one and
/// seals it, opens one and compares it.
fn in_process(board: &mut Board) {
    if !board.wants("load_in_process_ops") {
        return;
    }
    let batch = if board.is_test() { 500 } else { 20_000 };
    let scenario = of_4_kib(batch);
    let options = Options { concurrency: Some(4), ..Options::default() };
    let mut buffers = Buffers::new();
    let mut ours = |n: u64| {
        let mut took = Span::ZERO;
        for _ in 0..n {
            let mut ended = Ended::default();
            let progress = Progress::default();
            let run = live::run(&scenario, SseMode::KmsCached, &options, &mut buffers, &progress, &mut ended);
            assert_eq!((run.expect("a run").broken, ended.requests), (0, batch));
            took = took + ended.last;
        }
        Duration::from(took)
    };

    let data_key = DataKey::generate().expect("a key");
    let context = EncryptionContext::of_bucket("bucket-0000").expect("a context");
    let wrapped = WrappingKey::generate().expect("a key").wrap(&data_key, &context).expect("a blob");
    let arn = "arn:aws:kms:us-east-1:111122223333:key/00000000-0000-4000-8000-000000000000";
    let slot =
        Slot::SseKms { key: arn.parse().expect("an ARN"), wrapped, context: EncryptionContext::empty() };
    let (bodies, mut plain, mut opened) = (Bodies::new(Seed(1)), vec![0; BYTES as usize], Vec::new());
    let identity = |object: usize| Identity::object("bucket-0000", &format!("p0000/o{object:012}"));
    let mut store = vec![Vec::new(); OBJECTS as usize];
    let mut seal = |object: usize, store: &mut [Vec<u8>]| {
        bodies.fill(object as u64, 1, 0, &mut plain);
        let keys = Keys::One(&data_key);
        seal_into(keys, &slot, &identity(object), &plain, SealOptions::default(), &mut store[object])
            .expect("it seals");
    };
    (0..store.len()).for_each(|object| seal(object, &mut store));
    let mut theirs = |n: u64| {
        let start = Instant::now();
        for i in 0..n * batch / 2 {
            let (written, read) = (i as usize % store.len(), (i * 7) as usize % store.len());
            seal(written, &mut store);
            let header = Header::parse(&store[read]).expect("a header");
            let unlocked =
                header.unlock(Keys::One(&data_key), &identity(read), Backend::default()).expect("its key");
            let body = &store[read][unlocked.header_bytes()..];
            unlocked.open_into(body, Threads::One, &mut opened).expect("it opens");
            assert_eq!(bodies.mismatch(read as u64, 1, 0, black_box(&opened)), None);
        }
        start.elapsed()
    };
    if let Some(paired) = board.race("load_in_process_ops", &mut ours, &mut theirs) {
        let (ratio, peer) = (paired.peer / paired.ours, "the same bodies in a bare loop, one thread");
        let (name, goal) = ("load_in_process_ops", Goal::AtLeast(0.7));
        board.line(name, ratio, "× the peer's speed", goal, peer, Some(paired.peer / batch as f64));
        let rate = batch as f64 * 1e6 / paired.ours;
        board.line("load_in_process_ops_rate", rate, "k requests/s", Goal::Shown, "", None);
    }
}

/// Service times of GETs; under a cached key, of the hits.
#[derive(Default)]
struct Hits {
    service: Distribution,
    requests: u64,
}

impl Sink for Hits {
    fn outcome(&mut self, row: &Outcome) {
        self.requests += 1;
        if row.operation == Operation::GetObject && row.key_source != KeySource::Fetched {
            self.service.record(row.finished.since(row.started));
        }
    }
    fn kms_call(&mut self, _: &KmsCall) {}
}

/// Rounds of whole runs; the median of each side's percentile.
const RUNS: usize = 15;

fn cached_beside_sse_s3(board: &mut Board) {
    if !board.wants("kms_cached_vs_sse_s3") {
        return;
    }
    let mut scenario = of_4_kib(if board.is_test() { 200 } else { 4_000 });
    scenario.arrival = ArrivalProcess::Poisson { rate: 10_000.0 };
    let mut buffers = Buffers::new();
    let mut percentiles = |mode| {
        let mut hits = Hits::default();
        let (options, progress) = (Options::default(), Progress::default());
        let run = live::run(&scenario, mode, &options, &mut buffers, &progress, &mut hits).expect("a run");
        assert_eq!((run.broken, run.late), (0, 0), "{mode}");
        let percentiles = hits.service.percentiles();
        assert!(percentiles.count > hits.requests / 3, "{mode}: half of them are GETs, nearly all hits");
        (percentiles.p50 as f64, percentiles.p99 as f64)
    };
    let (mut cached, mut plain) = ((vec![], vec![]), (vec![], vec![]));
    let push = |to: &mut (Vec<f64>, Vec<f64>), of: (f64, f64)| (to.0.push(of.0), to.1.push(of.1));
    for round in 0..if board.is_test() { 1 } else { RUNS } {
        if round % 2 == 0 {
            push(&mut cached, percentiles(SseMode::KmsCached));
            push(&mut plain, percentiles(SseMode::SseS3));
        } else {
            push(&mut plain, percentiles(SseMode::SseS3));
            push(&mut cached, percentiles(SseMode::KmsCached));
        }
    }
    for (name, mut ours, mut theirs, most) in [
        ("kms_cached_vs_sse_s3", cached.0, plain.0, 1.05),
        ("kms_cached_vs_sse_s3_p99", cached.1, plain.1, 1.2),
    ] {
        let (ours, theirs) = (median(&mut ours), median(&mut theirs));
        let peer = "service time of a GET under SSE-S3";
        board.line(name, ours / theirs, "× the peer's time", Goal::AtMost(most), peer, Some(theirs));
    }
}

/// Lag of each request.
#[derive(Default)]
struct Lags(Distribution);

impl Sink for Lags {
    fn outcome(&mut self, row: &Outcome) {
        self.0.record(row.started.since(row.due));
    }
    fn kms_call(&mut self, _: &KmsCall) {}
}

/// 50,000 HEADs a second: nothing to seal, open or wait for, so that the lag is the generator's own.
fn lag(board: &mut Board) {
    if !board.wants("load_lag") {
        return;
    }
    let mut scenario = Scenario {
        mix: Mix { head_object: 1.0, ..Mix::none() },
        arrival: ArrivalProcess::Poisson { rate: 50_000.0 },
        stop: Stop::Operations(if board.is_test() { 500 } else { 10_000 }),
        warm_up: Span::ZERO,
        ..Scenario::default()
    };
    scenario.objects.count = OBJECTS;
    scenario.objects.size = SizeLaw::Fixed { bytes: BYTES };
    let (mut buffers, mut shares, mut lags) = (Buffers::new(), Vec::new(), Vec::new());
    for _ in 0..if board.is_test() { 1 } else { RUNS } {
        let mut sink = Lags::default();
        let (options, progress) = (Options::default(), Progress::default());
        let run = live::run(&scenario, SseMode::SseS3, &options, &mut buffers, &progress, &mut sink)
            .expect("a run");
        let p99 = sink.0.percentiles().p99 as f64;
        // The probe runs right before: what this machine does to a thread that only watches the clock.
        shares.push(p99 / (3.0 * run.noise.p99 as f64 + 20_000.0));
        lags.push(p99);
    }
    let peer = "3 × the p99 of a thread that only watches the clock + 20 µs";
    board.line("load_lag", median(&mut shares), "of what is allowed", Goal::AtMost(1.0), peer, None);
    board.line("load_lag_p99", median(&mut lags) / 1e3, "µs", Goal::Shown, "", None);
}
