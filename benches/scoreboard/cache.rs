//! The data-key cache: hits beside bare `moka` and `quick_cache`, scaling, allocations, a stampede.
//!
//! Whoever looks a key up reads a byte of it and drops the handle, on every side: a hit that nobody reads is not what a
//! user does, and it would spare us the way from the handle to the key.
#![expect(clippy::disallowed_methods, reason = "a benchmark reads the clock and starts threads")]
#![expect(clippy::cast_precision_loss, clippy::cast_possible_truncation, reason = "counts far below 2³²")]
#![expect(clippy::print_stderr, reason = "a peer that is not installed is named, not passed over")]

use std::collections::BTreeMap;
use std::hash::{BuildHasher, Hash, Hasher};
use std::hint::black_box;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Barrier, Mutex};
use std::time::{Duration, Instant};

use rand_core::Rng;
use s3seal::cache::{
    Cache, CacheConfig, Fingerprint, FlightId, Generations, Landed, Local, Lookup, Partition, PrincipalScope,
    Requester, Rules, Shared, Ticket, UsageLimits,
};
use s3seal::envelope::{EncryptionContext, KeyArn};
use s3seal::request::Principal;
use s3seal::units::{Seed, Span, Timestamp};

use crate::board::{Board, Goal, time};

/// Look-ups in the precomputed order; a power of two, so that wrapping around is a mask.
pub(crate) const ORDER: usize = 1 << 20;
/// Exponent of the popularity of keys.
const ZIPF: f64 = 0.99;
/// Time that passes per look-up, so that the instant told is never the same twice.
const STEP: Span = Span::from_nanos(50);

/// A 32-byte key that hashes itself by its first word, for the peers: they pay as little for hashing as we do.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct PeerKey(pub(crate) [u8; 32]);

impl Hash for PeerKey {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(u64::from_be_bytes(*self.0.first_chunk().unwrap()));
    }
}

#[derive(Clone, Copy, Default)]
pub(crate) struct Uniform(u64);

impl Hasher for Uniform {
    fn finish(&self) -> u64 {
        self.0
    }
    fn write(&mut self, _: &[u8]) {
        unreachable!()
    }
    fn write_u64(&mut self, word: u64) {
        self.0 = word;
    }
}

impl BuildHasher for Uniform {
    type Hasher = Self;
    fn build_hasher(&self) -> Self {
        Self(0)
    }
}

pub(crate) type Key = [u8; 32];

fn fingerprints(keys: usize) -> Vec<Fingerprint> {
    let requester = Requester::new(
        &Partition::new("bench").unwrap(),
        PrincipalScope::Role,
        &Principal::new("111122223333", "r", ""),
    );
    let arn: KeyArn =
        "arn:aws:kms:eu-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab".parse().unwrap();
    let of = |i| {
        Fingerprint::encrypt(&requester, &arn, &EncryptionContext::of_bucket(&format!("b{i}")).unwrap(), 1)
    };
    (0..keys).map(of).collect()
}

/// Indices into `keys` keys, popular by Zipf's law, in random places.
pub(crate) fn order(keys: usize) -> Vec<u32> {
    let mut sums = Vec::with_capacity(keys);
    let mut sum = 0.0;
    for rank in 1..=keys {
        sum += (rank as f64).powf(-ZIPF);
        sums.push(sum);
    }
    let mut random = Seed(1).stream("bench/cache", 0);
    let mut draw = || {
        let u = (random.next_u64() >> 11) as f64 / (1_u64 << 53) as f64 * sum;
        sums.partition_point(|s| *s < u).min(keys - 1) as u32
    };
    (0..ORDER).map(|_| draw()).collect()
}

/// All checks on: age, uses, bytes, generation, refresh ahead.
fn rules(capacity: usize) -> Rules {
    let limits = UsageLimits { max_uses: 1 << 32, ..UsageLimits::of_age(Span::from_seconds(3_600)) };
    let refresh =
        s3seal::cache::Refresh { after: Span::from_seconds(2_700), jitter: Span::from_seconds(600) };
    Rules::new(CacheConfig { capacity, refresh: Some(refresh), ..CacheConfig::new(limits) }).unwrap()
}

fn filled(fingerprints: &[Fingerprint]) -> Shared<Key> {
    let mut cache = Shared::new(rules(fingerprints.len()), Generations::new(), 8).unwrap();
    fill(&mut cache, fingerprints);
    cache
}

fn fill<C: Cache<Material = Key>>(cache: &mut C, fingerprints: &[Fingerprint]) {
    for fingerprint in fingerprints {
        let Lookup::Lead { mut ticket, .. } = cache.try_use(fingerprint, Some(0), Timestamp::ZERO) else {
            panic!("a cold key leads");
        };
        cache.send(&mut ticket, Timestamp::ZERO);
        assert!(matches!(cache.land(ticket, Ok(fingerprint.bytes()), Timestamp::ZERO), Landed::Kept));
    }
}

/// Looks all keys up once from this thread, so that its stripe holds them.
fn warm(cache: &Shared<Key>, fingerprints: &[Fingerprint]) {
    for fingerprint in fingerprints {
        hit(cache, fingerprint, Timestamp::ZERO);
    }
}

/// A byte of the key that a hit lends.
#[inline]
fn hit(cache: &Shared<Key>, fingerprint: &Fingerprint, now: Timestamp) -> u8 {
    match cache.try_use(fingerprint, Some(1_024), now) {
        Lookup::Hit { key, .. } => key[0],
        _ => panic!("every look-up is a hit"),
    }
}

/// `n` hits in the precomputed order from `start`, and how long they took.
fn hits(cache: &Shared<Key>, fingerprints: &[Fingerprint], order: &[u32], start: usize, n: u64) -> Duration {
    let (mut at, mut now) = (start, Timestamp::ZERO);
    time(n, || {
        at = (at + 1) & (ORDER - 1);
        now = now + STEP;
        hit(cache, &fingerprints[order[at] as usize], now)
    })
}

pub(crate) fn run(board: &mut Board) {
    for (keys, name, quick, quick_most) in [
        (1_000, "cache_hit_1k", "cache_hit_1k_vs_quick", 3.0),
        (100_000, "cache_hit_100k", "cache_hit_100k_vs_quick", 2.0),
    ] {
        if board.wants(name) || board.wants(quick) {
            hit_beside_peers(board, keys, name, quick, quick_most);
        }
    }
    if board.wants("cache_hit_1k_vs_aws_python") {
        beside_aws_python(board);
    }
    if board.wants("cache_hit_1k_2t") {
        two_threads(board);
    }
    if board.wants("cache_hit_allocs") {
        let fingerprints = fingerprints(1_000);
        let cache = filled(&fingerprints);
        warm(&cache, &fingerprints);
        let before = crate::allocations();
        warm(&cache, &fingerprints);
        let allocations = (crate::allocations() - before) as f64 / 1_000.0;
        board.line("cache_hit_allocs", allocations, "allocations per hit", Goal::AtMost(0.0), "", None);
    }
    if board.wants("cache_stampede_10k") {
        let calls = stampede(10_000, 2);
        assert!(calls >= 1);
        board.line("cache_stampede_10k", calls as f64, "KMS calls", Goal::AtMost(1.0), "", None);
    }
}

fn hit_beside_peers(board: &mut Board, keys: usize, name: &str, quick_name: &str, quick_most: f64) {
    let (fingerprints, order) = (fingerprints(keys), order(keys));
    let peer_keys: Vec<PeerKey> = fingerprints.iter().map(|f| PeerKey(f.bytes())).collect();
    let cache = filled(&fingerprints);
    warm(&cache, &fingerprints);
    // Room to spare, so that no peer evicts.
    let moka =
        moka::sync::Cache::builder().max_capacity(keys as u64 * 2).build_with_hasher(Uniform::default());
    let quick = quick_cache::sync::Cache::<PeerKey, Arc<Key>, _, Uniform>::with(
        keys * 2,
        keys as u64 * 2,
        quick_cache::UnitWeighter,
        Uniform::default(),
        quick_cache::sync::DefaultLifecycle::default(),
    );
    for key in &peer_keys {
        moka.insert(*key, Arc::new(key.0));
        quick.insert(*key, Arc::new(key.0));
    }
    moka.run_pending_tasks();

    let mut start = 0;
    let mut ours = |n| {
        start = (start + 7_919) & (ORDER - 1);
        hits(&cache, &fingerprints, &order, start, n)
    };
    let mut at = 0;
    let mut moka = |n| {
        time(n, || {
            at = (at + 1) & (ORDER - 1);
            moka.get(&peer_keys[order[at] as usize]).expect("filled")[0]
        })
    };
    board.cost(name, Goal::AtMost(0.4), "moka::sync get", &mut ours, &mut moka);
    if keys == 1_000 && board.wants("cache_local_hit_1k") {
        let mut local = Local::new(rules(keys), Generations::new());
        fill(&mut local, &fingerprints);
        let (mut at, mut now) = (0, Timestamp::ZERO);
        let mut simulated = |n| {
            time(n, || {
                at = (at + 1) & (ORDER - 1);
                now = now + STEP;
                match local.try_use(&fingerprints[order[at] as usize], Some(1_024), now) {
                    Lookup::Hit { key, .. } => key[0],
                    _ => panic!("every look-up is a hit"),
                }
            })
        };
        board.cost("cache_local_hit_1k", Goal::Shown, "moka::sync get", &mut simulated, &mut moka);
    }
    let mut at = 0;
    let mut quick = |n| {
        time(n, || {
            at = (at + 1) & (ORDER - 1);
            quick.get(&peer_keys[order[at] as usize]).expect("filled")[0]
        })
    };
    board.cost(quick_name, Goal::AtMost(quick_most), "quick_cache get", &mut ours, &mut quick);
}

/// The one peer that has the same limits: AWS's own caching materials manager, in Python, when it is installed.
fn beside_aws_python(board: &mut Board) {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/peers/aws_encryption_sdk_cache.py");
    let python = std::env::var("PYTHON").unwrap_or_else(|_| "python3".into());
    let output = std::process::Command::new(python).arg(script).output();
    let peer =
        output.ok().and_then(|output| String::from_utf8(output.stdout).ok()?.trim().parse::<f64>().ok());
    let Some(peer) = peer else {
        eprintln!(
            "cache_hit_1k_vs_aws_python skipped: no aws-encryption-sdk for Python (set PYTHON to one that has it)"
        );
        return;
    };
    let (fingerprints, order) = (fingerprints(1_000), order(1_000));
    let cache = filled(&fingerprints);
    warm(&cache, &fingerprints);
    let n = 1_000_000;
    let ours = hits(&cache, &fingerprints, &order, 0, n).as_nanos() as f64 / n as f64;
    let name = "cache_hit_1k_vs_aws_python";
    board.line(
        name,
        peer / ours,
        "× the peer's speed",
        Goal::Shown,
        "AWS Encryption SDK for Python",
        Some(peer),
    );
}

/// Hits of two threads on one cache, in total, beside hits of one.
fn two_threads(board: &mut Board) {
    let (fingerprints, order) = (fingerprints(1_000), order(1_000));
    let cache = filled(&fingerprints);
    warm(&cache, &fingerprints);
    let mut two = |n: u64| {
        let barrier = Barrier::new(3);
        std::thread::scope(|scope| {
            for start in [0, ORDER / 2] {
                let (barrier, cache, fingerprints, order) = (&barrier, &cache, &fingerprints, &order);
                scope.spawn(move || {
                    warm(cache, fingerprints);
                    barrier.wait();
                    black_box(hits(cache, fingerprints, order, start, n.div_ceil(2)));
                    barrier.wait();
                });
            }
            barrier.wait();
            let started = Instant::now();
            barrier.wait();
            started.elapsed()
        })
    };
    let mut one = |n| hits(&cache, &fingerprints, &order, 0, n);
    board.speed("cache_hit_1k_2t", Goal::AtLeast(1.2), "one thread", &mut two, &mut one);
}

/// KMS calls that `callers` make for one cold key from `threads` threads at once, while the fetch takes its time.
fn stampede(callers: usize, threads: usize) -> u64 {
    let fingerprint = &fingerprints(1)[0];
    let cache = Shared::<Key>::new(rules(1), Generations::new(), threads).unwrap();
    let calls = AtomicU64::new(0);
    let (served, barrier) = (AtomicU64::new(0), Barrier::new(threads));
    let parked: Mutex<BTreeMap<FlightId, u64>> = Mutex::default();
    let resume = |waiters: u64| {
        for _ in 0..waiters {
            assert!(matches!(cache.resume(fingerprint, Some(1), Timestamp::ZERO), Lookup::Hit { .. }));
            served.fetch_add(1, Ordering::Relaxed);
        }
    };
    let fetch = |mut ticket: Ticket| {
        cache.send(&mut ticket, Timestamp::ZERO);
        calls.fetch_add(1, Ordering::Relaxed);
        std::thread::sleep(Duration::from_millis(1));
        let flight = ticket.flight();
        assert!(matches!(cache.land(ticket, Ok([7; 32]), Timestamp::ZERO), Landed::Kept));
        let waiters = parked.lock().unwrap().remove(&flight).unwrap_or(0);
        resume(waiters + 1);
    };
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                barrier.wait();
                for _ in 0..callers / threads {
                    match cache.try_use(fingerprint, Some(1), Timestamp::ZERO) {
                        Lookup::Hit { .. } => drop(served.fetch_add(1, Ordering::Relaxed)),
                        Lookup::Lead { ticket, .. } => drop(scope.spawn(move || fetch(ticket))),
                        Lookup::Join { flight, .. } => {
                            let mut waiting = parked.lock().unwrap();
                            *waiting.entry(flight).or_default() += 1;
                            if !cache.is_flying(fingerprint, flight) {
                                let waiters = waiting.remove(&flight).unwrap_or(0);
                                drop(waiting);
                                resume(waiters);
                            }
                        }
                        other => panic!("{other:?}"),
                    }
                }
            });
        }
    });
    assert_eq!(served.load(Ordering::Relaxed), callers as u64);
    assert_eq!(cache.metrics().calls, calls.load(Ordering::Relaxed), "the cache counts every call");
    calls.load(Ordering::Relaxed)
}
