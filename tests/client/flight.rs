//! Who waits for whom: stampedes, aborted leaders, runtimes that end, invalidation in mid-flight, limits.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use s3seal::cache::{Audit, Failure, Refresh, UsageLimits};
use s3seal::client::KeyError;
use s3seal::units::Span;
use tokio::runtime;
use tokio::task::yield_now;
use tokio::time::{advance, sleep};

use crate::stub::{Stub, arn, assert_quiet, builder, request, request_of};

#[tokio::test(start_paused = true)]
async fn ten_thousand_tasks_on_one_cold_key_make_one_call() {
    let kms = Stub::new(20);
    let cache = builder(&kms).build().unwrap();
    let request = request(&cache);
    let tasks: Vec<_> = (0..10_000)
        .map(|_| {
            let (cache, request) = (cache.clone(), request.clone());
            tokio::spawn(async move {
                cache.encrypt_key(&request, Some(1)).await.map(|key| key.wrapped().clone())
            })
        })
        .collect();
    let mut keys = Vec::new();
    for task in tasks {
        keys.push(task.await.unwrap().unwrap());
    }
    assert!(keys.iter().all(|key| *key == keys[0]));
    assert_eq!(kms.calls(), 1);
    let snapshot = cache.snapshot();
    assert_eq!((snapshot.calls(), snapshot.encrypt.misses, snapshot.encrypt.joins), (1, 1, 9_999));
    assert_eq!(snapshot.encrypt.resumed, 10_000);
    assert_quiet(&cache);
}

/// Waiters are woken in turns with what else there is to run, but not for long: here each turn takes at least 4 ms.
#[test]
fn a_runtime_that_is_busy_does_not_keep_those_from_their_key_who_are_woken_last() {
    const TURN: Duration = Duration::from_millis(4);
    let kms = Stub::new(50);
    let cache = builder(&kms).build().unwrap();
    let request = request(&cache);
    let turns = Arc::new(AtomicU64::new(0));
    let runtime = runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let woken: Vec<u64> = runtime.block_on(async {
        let tasks: Vec<_> = (0..10_000)
            .map(|_| {
                let (cache, request, turns) = (cache.clone(), request.clone(), Arc::clone(&turns));
                tokio::spawn(async move {
                    cache.encrypt_key(&request, Some(1)).await.unwrap();
                    turns.load(Ordering::Relaxed)
                })
            })
            .collect();
        let turns = Arc::clone(&turns);
        let busy = tokio::spawn(async move {
            loop {
                std::thread::sleep(TURN);
                turns.fetch_add(1, Ordering::Relaxed);
                yield_now().await;
            }
        });
        let mut woken = Vec::new();
        for task in tasks {
            woken.push(task.await.unwrap());
        }
        busy.abort();
        woken
    });
    let (first, last) = (woken.iter().min().unwrap(), woken.iter().max().unwrap());
    // Ten milliseconds are over in the third turn at the latest; those who are woken then run within the next.
    assert!(last - first <= 5, "the first after {first} turns, the last after {last}");
    assert_quiet(&cache);
}

#[tokio::test(start_paused = true)]
async fn memo_and_reuse_are_apart_and_each_has_its_flight() {
    let kms = Stub::new(20);
    let cache = builder(&kms).build().unwrap();
    let request = request(&cache);
    let sealed = cache.encrypt_key(&request, Some(1)).await.unwrap();
    let (one, two) = tokio::join!(
        cache.decrypt_key(&request, sealed.wrapped()),
        cache.decrypt_key(&request, sealed.wrapped())
    );
    assert_eq!(one.unwrap().key(), sealed.key());
    assert_eq!(two.unwrap().key(), sealed.key());
    assert_eq!(kms.calls(), 2);
    let snapshot = cache.snapshot();
    assert_eq!((snapshot.encrypt.calls, snapshot.decrypt.calls), (1, 1));
    assert_eq!((snapshot.encrypt_keys, snapshot.decrypt_keys), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn an_aborted_leader_strands_nobody_and_its_fetch_goes_on() {
    let kms = Stub::new(20);
    let cache = builder(&kms).build().unwrap();
    let request = request(&cache);
    let ask = || {
        let (cache, request) = (cache.clone(), request.clone());
        tokio::spawn(async move { cache.encrypt_key(&request, Some(1)).await.is_ok() })
    };
    let leader = ask();
    yield_now().await;
    let joiner = ask();
    yield_now().await;
    leader.abort();
    assert!(joiner.await.unwrap());
    assert_eq!(kms.calls(), 1);
    assert_quiet(&cache);
}

#[tokio::test(start_paused = true)]
async fn a_flight_that_everybody_left_still_fills_the_cache() {
    let kms = Stub::new(20);
    let cache = builder(&kms).build().unwrap();
    let request = request(&cache);
    let left = tokio::time::timeout(Duration::from_millis(5), cache.encrypt_key(&request, Some(1))).await;
    assert!(left.is_err());
    assert_eq!(cache.snapshot().waiting, 0);
    sleep(Duration::from_millis(20)).await;
    assert_eq!(cache.snapshot().encrypt_keys, 1);
    assert!(cache.encrypt_key(&request, Some(1)).await.is_ok());
    assert_eq!(kms.calls(), 1);
    assert_quiet(&cache);
}

#[test]
fn a_runtime_that_ends_in_mid_flight_lands_its_flights_and_wakes_who_waits_elsewhere() {
    let kms = Stub::new(60_000);
    let build = || runtime::Builder::new_multi_thread().worker_threads(1).enable_time().build().unwrap();
    let (leading, waiting) = (build(), build());
    let cache = {
        let _inside = waiting.enter();
        builder(&kms).wait_max(Span::from_seconds(600)).build().unwrap()
    };
    let request = request(&cache);
    let ask = |runtime: &runtime::Runtime| {
        let (cache, request) = (cache.clone(), request.clone());
        runtime.spawn(async move { cache.encrypt_key(&request, Some(1)).await })
    };
    let leader = ask(&leading);
    while kms.calls() == 0 {
        std::thread::yield_now();
    }
    let joiner = ask(&waiting);
    while cache.snapshot().encrypt.joins == 0 || cache.snapshot().waiting < 2 {
        std::thread::yield_now();
    }
    leading.shutdown_background();
    let woken = waiting.block_on(joiner).unwrap();
    let Err(KeyError::Refused { failure: Failure::Transient, source: Some(source), .. }) = woken else {
        panic!("{woken:?}")
    };
    assert_eq!(source.to_string(), "the fetch was abandoned before the service answered");
    assert!(waiting.block_on(leader).unwrap_err().is_cancelled());
    assert_quiet(&cache);
}

#[tokio::test(start_paused = true)]
async fn waiters_of_an_invalidated_flight_fetch_again_and_once() {
    let kms = Stub::new(20);
    let cache = builder(&kms).build().unwrap();
    let request = request(&cache);
    let tasks: Vec<_> = (0..100)
        .map(|_| {
            let (cache, request) = (cache.clone(), request.clone());
            tokio::spawn(async move { cache.encrypt_key(&request, Some(1)).await.map(|key| key.sent_at()) })
        })
        .collect();
    sleep(Duration::from_millis(10)).await;
    cache.invalidate(&arn());
    for task in tasks {
        let sent_at = task.await.unwrap().unwrap();
        assert!(sent_at.as_nanos() >= 20_000_000, "nobody has the key that was on its way");
    }
    assert_eq!(kms.calls(), 2);
    assert_eq!(cache.snapshot().encrypt.dropped, 1);
    assert_quiet(&cache);
}

#[tokio::test(start_paused = true)]
async fn waiters_of_a_disabled_key_fail_and_enabling_it_brings_a_fresh_one() {
    let kms = Stub::new(20);
    let cache = builder(&kms).build().unwrap();
    let request = request(&cache);
    let waiter = {
        let (cache, request) = (cache.clone(), request.clone());
        tokio::spawn(async move { cache.encrypt_key(&request, Some(1)).await })
    };
    sleep(Duration::from_millis(10)).await;
    cache.disable(&arn());
    assert_eq!(waiter.await.unwrap().unwrap_err().failure(), Some(Failure::Disabled));
    let refused = cache.encrypt_key(&request, Some(1)).await.unwrap_err();
    assert_eq!(refused.failure(), Some(Failure::Disabled));
    assert_eq!(kms.calls(), 1, "a disabled key is refused without a call");
    cache.enable(&arn());
    assert!(cache.encrypt_key(&request, Some(1)).await.is_ok());
    assert_eq!(kms.calls(), 2);
    assert_quiet(&cache);
}

#[tokio::test(start_paused = true)]
async fn no_key_is_handed_out_more_often_than_its_limit_of_uses() {
    let used: Arc<Mutex<BTreeMap<u64, u64>>> = Arc::default();
    let audit = {
        let used = Arc::clone(&used);
        Audit::new(move |one| *used.lock().unwrap().entry(one.sent_at.as_nanos()).or_default() += 1)
    };
    let kms = Stub::new(1);
    let limits = UsageLimits { max_uses: 7, ..UsageLimits::of_age(Span::from_seconds(60)) };
    let cache = builder(&kms).limits(limits).audit(audit).build().unwrap();
    let request = request(&cache);
    let tasks: Vec<_> = (0..100)
        .map(|_| {
            let (cache, request) = (cache.clone(), request.clone());
            tokio::spawn(async move { cache.encrypt_key(&request, Some(1)).await.is_ok() })
        })
        .collect();
    for task in tasks {
        assert!(task.await.unwrap());
    }
    let used = used.lock().unwrap();
    assert_eq!(used.values().sum::<u64>(), 100);
    assert!(used.values().all(|uses| *uses <= 7), "{used:?}");
    assert_eq!(kms.calls(), 100_u64.div_ceil(7));
}

#[tokio::test(start_paused = true)]
async fn a_body_of_unknown_length_has_a_key_of_its_own() {
    let kms = Stub::new(1);
    let cache = builder(&kms).build().unwrap();
    let request = request(&cache);
    let (one, two) = tokio::join!(cache.encrypt_key(&request, None), cache.encrypt_key(&request, None));
    assert_ne!(one.unwrap().wrapped(), two.unwrap().wrapped());
    let snapshot = cache.snapshot();
    assert_eq!((kms.calls(), snapshot.encrypt.own, snapshot.encrypt_keys), (2, 2, 0));
    assert_quiet(&cache);
}

#[tokio::test(start_paused = true)]
async fn a_refresh_runs_beside_those_who_go_on_with_the_old_key() {
    let kms = Stub::new(1_000);
    let refresh = Refresh { after: Span::from_seconds(30), jitter: Span::ZERO };
    let cache = builder(&kms).refresh(refresh).build().unwrap();
    let request = request(&cache);
    let first = cache.encrypt_key(&request, Some(1)).await.unwrap();
    advance(Duration::from_secs(31)).await;
    let during = cache.encrypt_key(&request, Some(1)).await.unwrap();
    assert_eq!(during.wrapped(), first.wrapped());
    sleep(Duration::from_secs(2)).await;
    let after = cache.encrypt_key(&request, Some(1)).await.unwrap();
    assert_ne!(after.wrapped(), first.wrapped());
    assert_eq!((kms.calls(), cache.snapshot().encrypt.refreshes), (2, 1));
    assert_quiet(&cache);
}

#[tokio::test(start_paused = true)]
async fn contexts_and_roles_never_share_a_key() {
    let kms = Stub::new(1);
    let cache = builder(&kms).build().unwrap();
    let (one, two) = (request_of(&cache, "one"), request_of(&cache, "two"));
    let reader = s3seal::request::Principal::new("111122223333", "reader", "");
    let other = cache.request(arn(), one.context().clone(), reader);
    let mut keys = Vec::new();
    for request in [&one, &two, &other, &one] {
        keys.push(cache.encrypt_key(request, Some(1)).await.unwrap().wrapped().clone());
    }
    assert_eq!(keys[0], keys[3]);
    assert!(keys[0] != keys[1] && keys[0] != keys[2] && keys[1] != keys[2]);
    assert_eq!(kms.calls(), 3);
}

#[test]
fn a_hit_needs_no_runtime_and_a_miss_says_that_it_does() {
    let kms = Stub::new(1);
    let runtime = runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let cache = {
        let _inside = runtime.enter();
        builder(&kms).build().unwrap()
    };
    let request = request(&cache);
    let outside = futures_executor::block_on(cache.encrypt_key(&request, Some(1)));
    assert_eq!(outside.unwrap_err(), KeyError::NoRuntime);
    assert_quiet(&cache);
    // The flight that could not start counts as a failure for a moment.
    std::thread::sleep(Duration::from_millis(1_100));
    runtime.block_on(cache.encrypt_key(&request, Some(1))).unwrap();
    assert!(futures_executor::block_on(cache.encrypt_key(&request, Some(1))).is_ok());
    assert_eq!(kms.calls(), 1);
}
