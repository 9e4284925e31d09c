//! Many threads, random aborts, faults and invalidations: afterwards nothing waits, nothing flies, and both sides count alike.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use rand_core::Rng;
use s3seal::cache::{FailureLife, Refresh, UsageLimits};
use s3seal::client::{KeyError, ServiceError};
use s3seal::kms::RetryPolicy;
use s3seal::units::{Seed, Span};

use crate::stub::{Answer, Stub, arn, assert_quiet, builder, request_of, throttled, unavailable};

const TASKS: u64 = 64;
const TURNS: u64 = 400;

#[test]
fn whatever_is_aborted_refused_and_invalidated_both_sides_count_alike_and_nothing_is_left() {
    let seed = Seed(u64::from(std::process::id()));
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(4).enable_time().build().unwrap();
    runtime.block_on(run(seed));
}

async fn run(seed: Seed) {
    let kms = Stub::new(0);
    let millis = Span::from_millis;
    let life = FailureLife { denied: millis(1), absent: millis(1), transient: millis(1) };
    let cache = builder(&kms)
        .limits(UsageLimits { max_age: millis(20), max_uses: 50, max_bytes: 5_000 })
        .refresh(Refresh { after: millis(10), jitter: millis(5) })
        .retry(RetryPolicy::full_jitter(millis(1), millis(2), 3))
        .failure_life(life)
        .wait_max(Span::from_seconds(30))
        .capacity(4)
        .build()
        .unwrap();
    let served = Arc::new(AtomicU64::new(0));
    let tasks: Vec<_> = (0..TASKS)
        .map(|task| {
            let (cache, kms, served) = (cache.clone(), Arc::clone(&kms), Arc::clone(&served));
            let requests: Vec<_> = (0..8).map(|app| request_of(&cache, &format!("app-{app}"))).collect();
            let mut random = seed.stream("stress", task);
            tokio::spawn(async move {
                for _ in 0..TURNS {
                    let dice = random.next_u64();
                    match dice % 100 {
                        0 => cache.invalidate(&arn()),
                        1 => kms.say([throttled()]),
                        2 => kms.say([unavailable()]),
                        3 => kms.say([Answer::Panic]),
                        4 => kms.say([Answer::Refused(ServiceError::Denied { message: String::new() })]),
                        5 => {
                            cache.disable(&arn());
                            cache.enable(&arn());
                        }
                        _ => {}
                    }
                    let request = requests[(dice >> 8) as usize % 8].clone();
                    let bytes = (dice >> 16).is_multiple_of(16).then_some((dice >> 24) % 64);
                    let asked = {
                        let cache = cache.clone();
                        tokio::spawn(async move { cache.encrypt_key(&request, bytes.or(Some(1))).await })
                    };
                    if (dice >> 40).is_multiple_of(8) {
                        tokio::task::yield_now().await;
                        asked.abort();
                    }
                    match asked.await {
                        Ok(Ok(_)) => drop(served.fetch_add(1, Ordering::Relaxed)),
                        Ok(Err(KeyError::DeadlineExceeded { .. })) => {
                            panic!("nobody waits that long, seed {seed}")
                        }
                        Ok(Err(_)) | Err(_) => {}
                    }
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    // What is still on its way: retries of a few milliseconds.
    for _ in 0..1_000 {
        if cache.snapshot().flights == 0 && cache.snapshot().calls() == kms.calls() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    assert_quiet(&cache);
    let snapshot = cache.snapshot();
    assert_eq!(snapshot.calls(), kms.calls(), "counts are equal on both sides, seed {seed}");
    assert!(snapshot.encrypt.uses() >= served.load(Ordering::Relaxed));
    assert!(served.load(Ordering::Relaxed) > TASKS * TURNS / 4, "seed {seed}: {snapshot:?}");
}
