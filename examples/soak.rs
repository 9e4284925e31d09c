//! A soak of the data-key cache at full speed: random invalidation, faults and aborted requests for as long as you say; afterwards
//! the counts must be equal on both sides and the memory flat.
//!
//! `cargo run --release --example soak -- 600`
#![allow(
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "an example reads clocks and arguments, and prints"
)]
#![allow(clippy::cast_possible_truncation, reason = "indices into short lists")]
#![allow(clippy::cast_precision_loss, reason = "figures for people")]

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use rand_core::Rng;
use s3seal::DataKeyCache;
use s3seal::cache::{Audit, FailureLife, Refresh, UsageLimits};
use s3seal::client::{Decrypt, GenerateDataKey, GeneratedKey, KeyRequest, KeyService, ServiceError};
use s3seal::envelope::{DataKey, EncryptionContext, KeyArn, WrappedKey, WrappingKey};
use s3seal::kms::RetryPolicy;
use s3seal::request::Principal;
use s3seal::units::{Seed, Span, Stream};

/// Tasks that ask without a pause.
const TASKS: u64 = 32;
/// Contexts, more than the cache holds.
const CONTEXTS: usize = 400;
const CAPACITY: usize = 300;
/// What the memory may grow by from the second quarter of the time on: allocators keep pages of their own.
const GROWTH_BYTES_MAX: u64 = 16 << 20;

/// A KMS that answers after up to 2 ms, and of a hundred calls throttles five, fails five and denies one.
struct Faulty {
    key: WrappingKey,
    calls: AtomicU64,
    random: std::sync::Mutex<Stream>,
}

impl Faulty {
    async fn answer(&self) -> Result<(), ServiceError> {
        self.calls.fetch_add(1, Ordering::Relaxed);
        let dice = self.random.lock().expect("nobody panics with it").next_u64();
        tokio::time::sleep(Duration::from_micros(dice % 2_000)).await;
        let message = String::new();
        match dice >> 32 & 127 {
            0..5 => Err(ServiceError::Throttled { message, retry_after: None }),
            5..10 => Err(ServiceError::Unavailable { message }),
            10 => Err(ServiceError::Denied { message }),
            _ => Ok(()),
        }
    }
}

impl KeyService for Faulty {
    async fn generate_data_key(&self, call: GenerateDataKey<'_>) -> Result<GeneratedKey, ServiceError> {
        self.answer().await?;
        let random =
            |error: s3seal::envelope::RandomError| ServiceError::Unavailable { message: error.to_string() };
        let key = DataKey::generate().map_err(random)?;
        let wrapped = self.key.wrap(&key, call.context).map_err(random)?;
        Ok(GeneratedKey { key, wrapped })
    }

    async fn decrypt(&self, call: Decrypt<'_>) -> Result<DataKey, ServiceError> {
        self.answer().await?;
        let refused =
            |error: s3seal::envelope::UnwrapError| ServiceError::Invalid { message: error.to_string() };
        self.key.unwrap(call.wrapped, call.context).map_err(refused)
    }
}

/// What the tasks saw.
#[derive(Default)]
struct Seen {
    keys: AtomicU64,
    refused: AtomicU64,
    aborted: AtomicU64,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let seconds: u64 = std::env::args().nth(1).map_or(Ok(5), |seconds| seconds.parse())?;
    let seed = Seed(std::env::args().nth(2).map_or(Ok(1), |seed| seed.parse())?);
    println!("soak of {seconds} s, seed {seed}, {TASKS} tasks, {CONTEXTS} contexts, {CAPACITY} keys");

    let random = std::sync::Mutex::new(seed.stream("soak-kms", 0));
    let kms = Arc::new(Faulty { key: WrappingKey::generate()?, calls: AtomicU64::new(0), random });
    let audited = Arc::new(AtomicU64::new(0));
    let audit = {
        let audited = Arc::clone(&audited);
        Audit::new(move |_| {
            audited.fetch_add(1, Ordering::Relaxed);
        })
    };
    let millis = Span::from_millis;
    let cache = DataKeyCache::builder(Arc::clone(&kms))
        .limits(UsageLimits { max_age: millis(500), max_uses: 5_000, max_bytes: 1 << 22 })
        .refresh(Refresh { after: millis(300), jitter: millis(100) })
        .failure_life(FailureLife { denied: millis(5), absent: millis(5), transient: millis(5) })
        .retry(RetryPolicy::full_jitter(millis(2), millis(10), 3))
        .capacity(CAPACITY)
        .audit(audit)
        .build()?;
    let arn: KeyArn =
        "arn:aws:kms:eu-west-2:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab".parse()?;
    let requests: Arc<[KeyRequest]> = (0..CONTEXTS)
        .map(|number| {
            let context = EncryptionContext::new([("tenant", number.to_string())])?;
            Ok::<_, s3seal::envelope::ContextError>(cache.request(
                arn.clone(),
                context,
                Principal::new("111122223333", "soak", ""),
            ))
        })
        .collect::<Result<_, _>>()?;

    let (seen, stop) = (Arc::new(Seen::default()), Arc::new(AtomicBool::new(false)));
    let tasks: Vec<_> = (0..TASKS)
        .map(|task| {
            let random = seed.stream("soak", task);
            tokio::spawn(ask(
                cache.clone(),
                arn.clone(),
                Arc::clone(&requests),
                Arc::clone(&seen),
                Arc::clone(&stop),
                random,
            ))
        })
        .collect();
    let rss = watch(&cache, &seen, Duration::from_secs(seconds)).await;
    stop.store(true, Ordering::Relaxed);
    for task in tasks {
        task.await?;
    }
    // Fetches whose requests are gone.
    while cache.snapshot().flights > 0 || cache.snapshot().calls() != kms.calls.load(Ordering::Relaxed) {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    judge(&cache, &kms, &seen, audited.load(Ordering::Relaxed), &rss)
}

/// One task: keys to seal and to open with, now and then an aborted request or an invalidation.
async fn ask(
    cache: DataKeyCache,
    arn: KeyArn,
    requests: Arc<[KeyRequest]>,
    seen: Arc<Seen>,
    stop: Arc<AtomicBool>,
    mut random: Stream,
) {
    let mut blobs: VecDeque<(usize, WrappedKey)> = VecDeque::new();
    while !stop.load(Ordering::Relaxed) {
        let dice = random.next_u64();
        // The square makes some contexts hot.
        let number = (((dice & 0xFFFF) * (dice & 0xFFFF) * CONTEXTS as u64) >> 32) as usize;
        if (dice >> 20).is_multiple_of(50_000) {
            cache.invalidate(&arn);
        }
        if (dice >> 24).is_multiple_of(1_000) {
            let request = cache.encrypt_key(&requests[number], None);
            if tokio::time::timeout(Duration::from_micros(dice >> 40 & 1_023), request).await.is_err() {
                seen.aborted.fetch_add(1, Ordering::Relaxed);
            }
            continue;
        }
        let result = match blobs.get(dice as usize >> 50 & 31) {
            Some((number, wrapped)) if (dice >> 30).is_multiple_of(4) => {
                cache.decrypt_key(&requests[*number], wrapped).await
            }
            _ => cache.encrypt_key(&requests[number], Some(dice >> 52)).await,
        };
        if let Ok(key) = result {
            seen.keys.fetch_add(1, Ordering::Relaxed);
            if (dice >> 44).is_multiple_of(64) {
                blobs.push_front((number, key.wrapped().clone()));
                blobs.truncate(32);
            }
        } else {
            seen.refused.fetch_add(1, Ordering::Relaxed);
            tokio::task::yield_now().await;
        }
        if dice.is_multiple_of(64) {
            tokio::task::yield_now().await;
        }
    }
}

/// Prints what happens and gives the resident memory, sampled forty times.
async fn watch(cache: &DataKeyCache, seen: &Seen, time: Duration) -> Vec<u64> {
    let (started, mut rss) = (Instant::now(), Vec::new());
    println!("   s      keys      per s     calls  refused  aborted  kept  waiting  MiB");
    for sample in 1..=40 {
        tokio::time::sleep((time / 40 * sample).saturating_sub(started.elapsed())).await;
        rss.push(resident_bytes());
        if sample % 4 == 0 {
            let (snapshot, seconds) = (cache.snapshot(), started.elapsed().as_secs_f64());
            let keys = seen.keys.load(Ordering::Relaxed);
            println!(
                "{seconds:>4.0} {keys:>9} {:>10.0} {:>9} {:>8} {:>8} {:>5} {:>8} {:>4}",
                keys as f64 / seconds,
                snapshot.calls(),
                seen.refused.load(Ordering::Relaxed),
                seen.aborted.load(Ordering::Relaxed),
                snapshot.encrypt_keys + snapshot.decrypt_keys,
                snapshot.waiting,
                rss.last().unwrap_or(&0) >> 20,
            );
        }
    }
    rss
}

fn judge(
    cache: &DataKeyCache,
    kms: &Faulty,
    seen: &Seen,
    audited: u64,
    rss: &[u64],
) -> Result<(), Box<dyn std::error::Error>> {
    let snapshot = cache.snapshot();
    let calls = kms.calls.load(Ordering::Relaxed);
    let uses = snapshot.encrypt.uses() + snapshot.decrypt.uses();
    println!("KMS calls: {calls} at the service, {} in the cache", snapshot.calls());
    println!(
        "keys handed out: {uses} in the cache, {audited} in the audit, {} seen by the tasks",
        seen.keys.load(Ordering::Relaxed)
    );
    println!(
        "throttled {}, tried again {}, waits expired {}",
        snapshot.throttled, snapshot.retried, snapshot.expired
    );
    let peak = |samples: &[u64]| samples.iter().copied().max().unwrap_or(0);
    let (early, late) = (peak(&rss[10..20]), peak(&rss[30..]));
    println!("resident memory: {} MiB in the second quarter, {} MiB in the last", early >> 20, late >> 20);
    let mut wrong = Vec::new();
    if calls != snapshot.calls() {
        wrong.push("the counts of KMS calls differ");
    }
    if uses != audited || seen.keys.load(Ordering::Relaxed) > uses {
        wrong.push("the counts of keys handed out differ");
    }
    if snapshot.waiting + snapshot.flights > 0 || snapshot.expired > 0 {
        wrong.push("somebody waited in vain, or still waits");
    }
    if late > early + GROWTH_BYTES_MAX {
        wrong.push("the memory grows");
    }
    if wrong.is_empty() {
        println!("all as it should be");
        return Ok(());
    }
    Err(wrong.join("; ").into())
}

/// Resident bytes of this process; 0 where the system does not tell.
fn resident_bytes() -> u64 {
    let pages = std::fs::read_to_string("/proc/self/statm").ok();
    pages.and_then(|text| text.split(' ').nth(1)?.parse::<u64>().ok()).unwrap_or(0) * 4_096
}
