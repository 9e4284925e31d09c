//! Laws of the quota, over any arrivals: bounds, promises, and agreement with naive models. A failure prints the
//! seed and the smallest arrivals that show it.
#![expect(clippy::disallowed_methods, reason = "racing callers are threads")]

use std::collections::BTreeMap;
use std::sync::Barrier;

use proptest::prelude::*;
use s3seal::kms::{Background, Pool, ThrottleRule};
use s3seal::units::{Span, Timestamp};

const SECOND: u64 = 1_000_000_000;

fn window(per_second: u32) -> Pool {
    Pool::new(ThrottleRule::FixedWindow { per_second }).unwrap()
}

fn bucket(rate: u32, burst: u32) -> Pool {
    Pool::new(ThrottleRule::TokenBucket { rate, burst }).unwrap()
}

/// Arrivals in order over a few seconds, many of them close together.
fn in_order() -> impl Strategy<Value = Vec<u64>> {
    let gap = prop_oneof![3 => Just(0u64), 4 => 0..5_000_000u64, 2 => 0..300_000_000u64, 1 => 0..2 * SECOND];
    prop::collection::vec(gap, 1..200).prop_map(|gaps| {
        let sum = |now: &mut u64, gap| {
            *now += gap;
            Some(*now)
        };
        gaps.into_iter().scan(0, sum).collect()
    })
}

/// Arrivals of which some come late.
fn any_order() -> impl Strategy<Value = Vec<u64>> {
    let late = prop::collection::vec((any::<prop::sample::Index>(), 0..2 * SECOND), 0..20);
    (in_order(), late).prop_map(|(mut times, late)| {
        for (index, by) in late {
            let index = index.index(times.len());
            times[index] = times[index].saturating_sub(by);
        }
        times
    })
}

/// Arrivals with weights.
fn weighted(times: impl Strategy<Value = Vec<u64>>) -> impl Strategy<Value = Vec<(u64, u32)>> {
    times.prop_flat_map(|times| {
        let weights = prop::collection::vec(1u32..4, times.len());
        (Just(times), weights).prop_map(|(times, weights)| times.into_iter().zip(weights).collect())
    })
}

/// What a window should do, from a count per window; a late call belongs to the latest window that was charged.
#[derive(Default)]
struct NaiveWindow {
    taken: BTreeMap<u64, u64>,
}

impl NaiveWindow {
    fn fits(&self, weight: u32, quota: u32, now: u64) -> Option<u64> {
        let window = (now / SECOND).max(self.taken.keys().next_back().copied().unwrap_or(0));
        let taken = self.taken.get(&window).copied().unwrap_or(0);
        (taken + u64::from(weight) <= quota.into()).then_some(window)
    }

    fn admit(&mut self, weight: u32, quota: u32, now: u64) -> bool {
        let window = self.fits(weight, quota, now);
        window.map(|window| *self.taken.entry(window).or_insert(0) += u64::from(weight)).is_some()
    }
}

/// What a bucket should do, from tokens counted exactly: a token is `cost` parts, and a part drips in each ns.
struct NaiveBucket {
    parts: u128,
    last: u64,
    cost: u128,
    burst: u128,
}

impl NaiveBucket {
    fn new(rate: u32, burst: u32) -> Self {
        let cost = u128::from(SECOND.div_ceil(rate.into()));
        let burst = cost * u128::from(burst);
        Self { parts: burst, last: 0, cost, burst }
    }

    fn admit(&mut self, weight: u32, now: u64) -> bool {
        self.parts = (self.parts + u128::from(now - self.last)).min(self.burst);
        self.last = now;
        let price = self.cost * u128::from(weight);
        let pass = price <= self.parts;
        if pass {
            self.parts -= price;
        }
        pass
    }
}

/// A bucket whose calls may come late, from the list of all admitted: each moves the instant at which the bucket is
/// full again by one token, from its own time or from where it was.
fn full_again(admitted: &[(u64, u32)], cost: u64) -> u64 {
    admitted.iter().fold(0, |full, (now, weight)| full.max(*now) + cost * u64::from(*weight))
}

proptest! {
    #[test]
    fn a_window_agrees_with_a_count_per_window_also_when_calls_come_late(
        quota in 1u32..20,
        calls in weighted(any_order()),
    ) {
        let (pool, mut naive) = (window(quota), NaiveWindow::default());
        for (now, weight) in calls {
            let pass = pool.admit(weight, Timestamp::from_nanos(now)).is_ok();
            prop_assert_eq!(pass, naive.admit(weight, quota, now), "at {}", now);
        }
    }

    #[test]
    fn a_bucket_agrees_with_tokens_counted_exactly(
        rate in prop_oneof![1u32..50, Just(5_500), Just(100_000)],
        burst in 1u32..12,
        calls in weighted(in_order()),
    ) {
        let (pool, mut naive) = (bucket(rate, burst), NaiveBucket::new(rate, burst));
        for (now, weight) in calls {
            let pass = pool.admit(weight, Timestamp::from_nanos(now)).is_ok();
            prop_assert_eq!(pass, naive.admit(weight, now), "at {}", now);
        }
    }

    #[test]
    fn a_bucket_judges_a_late_call_by_its_own_time(
        rate in 1u32..50,
        burst in 1u32..12,
        calls in weighted(any_order()),
    ) {
        let pool = bucket(rate, burst);
        let cost = SECOND.div_ceil(rate.into());
        let mut admitted = Vec::new();
        for (now, weight) in calls {
            let full = full_again(&admitted, cost).max(now) + cost * u64::from(weight);
            let expected = full <= now + cost * u64::from(burst);
            prop_assert_eq!(pool.admit(weight, Timestamp::from_nanos(now)).is_ok(), expected, "at {}", now);
            if expected {
                admitted.push((now, weight));
            }
        }
    }

    #[test]
    fn a_window_admits_its_quota_exactly_when_more_is_offered(
        quota in 1u32..500,
        extra in 0u32..500,
        from in 0..5 * SECOND,
    ) {
        let pool = window(quota);
        let pass = |_: &u32| pool.admit(1, Timestamp::from_nanos(from)).is_ok();
        prop_assert_eq!((0..quota + extra).filter(pass).count(), quota as usize);
    }

    #[test]
    fn a_bucket_admits_at_most_burst_and_rate_times_the_span(
        rate in prop_oneof![1u32..50, Just(5_500)],
        burst in 1u32..12,
        times in any_order(),
    ) {
        let pool = bucket(rate, burst);
        let pass = |now: &u64| pool.admit(1, Timestamp::from_nanos(*now)).is_ok();
        let mut admitted: Vec<u64> = times.into_iter().filter(pass).collect();
        admitted.sort_unstable();
        for (i, from) in admitted.iter().enumerate() {
            for (j, to) in admitted.iter().enumerate().skip(i) {
                // count ≤ burst + rate·Δt, in whole numbers: (count − burst) × 10⁹ ≤ rate × Δt.
                let beyond = ((j - i + 1) as u64).saturating_sub(burst.into());
                prop_assert!(beyond * SECOND <= u64::from(rate) * (to - from));
            }
        }
    }

    #[test]
    fn a_lone_caller_is_refused_until_the_promised_time_and_admitted_exactly_then(
        rule in prop_oneof![
            (1u32..30).prop_map(|per_second| ThrottleRule::FixedWindow { per_second }),
            (1u32..30, 1u32..9).prop_map(|(rate, burst)| ThrottleRule::TokenBucket { rate, burst }),
        ],
        change in prop::option::of((0..4 * SECOND, 1u32..40)),
        background in prop_oneof![
            Just(Background::None),
            (0u32..8).prop_map(Background::Constant),
            prop::collection::vec(0u32..20, 1..6).prop_map(|s| Background::Series(s.into())),
        ],
        uses in any::<bool>(),
        times in in_order(),
        weight in 1u32..4,
        probes in prop::collection::vec(any::<prop::sample::Index>(), 4),
    ) {
        // The pool is driven to its first refusal, then one caller waits for what it was promised. Each probe gets a
        // pool of its own, driven the same way, since where refusals use quota a probe changes the outcome.
        let driven = || {
            let pool = Pool::new(rule).unwrap().with_background(background.clone());
            let mut pool = pool.with_throttled_using_quota(uses);
            if let Some((at, per_second)) = change {
                pool.change(Timestamp::from_nanos(at), per_second).unwrap();
            }
            let refused = times.iter().find_map(|now| {
                let now = Timestamp::from_nanos(*now);
                pool.admit(weight, now).err().map(|throttled| (now, throttled.earliest))
            });
            refused.map(|(now, earliest)| (pool, now, earliest))
        };
        let Some((pool, now, earliest)) = driven() else { return Ok(()) };
        prop_assert!(earliest > now);
        if earliest == Timestamp::MAX {
            // Never: not even after every change, with all that was taken back again.
            prop_assert!(pool.admit(weight, Timestamp::from_seconds(1_000_000)).is_err());
            return Ok(());
        }
        prop_assert!(pool.admit(weight, earliest).is_ok(), "refused at {}", earliest);
        let wait = usize::try_from(earliest.since(now).as_nanos()).unwrap();
        let sooner = probes.iter().map(|probe| probe.index(wait) as u64).chain([wait as u64 - 1]);
        for probe in sooner.map(|nanos| now + Span::from_nanos(nanos)) {
            let (pool, ..) = driven().unwrap();
            prop_assert!(pool.admit(weight, probe).is_err(), "admitted at {} before {}", probe, earliest);
        }
    }

    #[test]
    fn a_window_and_its_background_together_never_exceed_the_quota(
        quota in 1u32..60,
        rate in 0u32..80,
        times in in_order(),
    ) {
        let pool = window(quota).with_background(Background::Constant(rate));
        let mut ours: BTreeMap<u64, u64> = BTreeMap::new();
        for now in times {
            let taken = ours.entry(now / SECOND).or_insert(0);
            let theirs = u64::from(rate) * (now % SECOND) / SECOND;
            let pass = pool.admit(1, Timestamp::from_nanos(now)).is_ok();
            prop_assert_eq!(pass, *taken + 1 + theirs <= u64::from(quota));
            *taken += u64::from(pass);
        }
    }

    #[test]
    fn a_quota_that_changes_holds_on_both_sides_of_the_change(
        before in 1u32..30,
        after in 1u32..30,
        at in 0..3 * SECOND,
        times in in_order(),
    ) {
        let mut pool = window(before);
        pool.change(Timestamp::from_nanos(at), after).unwrap();
        let mut naive = NaiveWindow::default();
        for now in times {
            let quota = if now < at { before } else { after };
            let pass = pool.admit(1, Timestamp::from_nanos(now)).is_ok();
            prop_assert_eq!(pass, naive.admit(1, quota, now));
        }
    }

    #[test]
    fn two_pools_admit_together_what_the_stricter_allows_and_a_refusal_charges_neither(
        store in 1u32..30,
        account in 1u32..30,
        calls in weighted(any_order()),
    ) {
        let (pool, other) = (window(store), window(account));
        let (mut naive, mut naive_other) = (NaiveWindow::default(), NaiveWindow::default());
        for (at, weight) in calls {
            let now = Timestamp::from_nanos(at);
            if weight == 1 {
                // A call on the first pool alone shows whether it kept the charge of a call that the second refused.
                prop_assert_eq!(pool.admit(1, now).is_ok(), naive.admit(1, store, at));
                continue;
            }
            let pass = Pool::admit_all([(&pool, weight), (&other, 1)], now).is_ok();
            // Naively: ask both, then charge both.
            let both = naive.fits(weight, store, at).is_some() && naive_other.fits(1, account, at).is_some();
            prop_assert_eq!(pass, both);
            if both {
                naive.admit(weight, store, at);
                naive_other.admit(1, account, at);
            }
        }
    }
}

#[test]
fn a_caller_that_always_comes_at_the_promised_instant_gets_the_rate_and_no_more() {
    for rate in [7, 5_500, 30_001, 100_000] {
        let pool = bucket(rate, 3);
        let (mut now, mut admitted) = (Timestamp::ZERO, 0u64);
        while admitted < 5_000 {
            match pool.admit(1, now) {
                Ok(()) => admitted += 1,
                Err(throttled) => now = throttled.earliest,
            }
        }
        let (beyond, elapsed) = (admitted - 3, now.as_nanos());
        assert!(beyond * SECOND <= u64::from(rate) * elapsed, "{rate}: more than the rate");
        // Rounding a token up to whole nanoseconds takes a ns per token at most.
        assert!(elapsed <= beyond * SECOND / u64::from(rate) + beyond, "{rate}: less than the rate");
    }
}

/// How many of `calls` calls on each of four threads pass.
fn race(calls: usize, call: impl Fn() -> bool + Sync) -> usize {
    const THREADS: usize = 4;
    let start = Barrier::new(THREADS);
    let work = || {
        start.wait();
        (0..calls).filter(|_| call()).count()
    };
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS).map(|_| scope.spawn(work)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).sum()
    })
}

#[test]
fn racing_threads_never_exceed_the_quota_and_use_all_of_it() {
    const QUOTA: u32 = 30_000;
    for round in 0..4 {
        for (pool, weight) in [(window(QUOTA), 1), (window(QUOTA), 3), (bucket(1, QUOTA), 1)] {
            let admitted = race(20_000, || pool.admit(weight, Timestamp::ZERO).is_ok());
            assert_eq!(admitted, (QUOTA / weight) as usize, "round {round}, weight {weight}");
        }
    }
}

#[test]
fn racing_threads_that_need_two_pools_never_exceed_either() {
    let (store, account) = (window(5_000), window(3_000));
    let admitted = race(5_000, || Pool::admit_all([(&store, 1), (&account, 1)], Timestamp::ZERO).is_ok());
    assert_eq!(admitted, 3_000);
    let left = (0..9_000).filter(|_| store.admit(1, Timestamp::ZERO).is_ok()).count();
    assert!(admitted + left <= 5_000);
}
