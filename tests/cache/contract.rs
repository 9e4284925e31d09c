//! What every cache promises, said as tests that run for `Local` and for `Shared`.

use std::sync::Arc;

use crate::world::*;
use s3seal::cache::{
    Cache, CacheConfig, Core, End, Failure, FailureLife, Fingerprint, Generations, Landed, Lookup, Partition,
    PrincipalScope, Refresh, Requester, Rules, Shared, UsageLimits,
};
use s3seal::envelope::EncryptionContext;
use s3seal::request::Principal;
use s3seal::units::Span;

fn config(limits: UsageLimits) -> CacheConfig {
    CacheConfig::new(limits)
}

both! {
    fn a_key_serves_at_exactly_max_age_from_sending_and_not_a_nanosecond_later(make) {
        let mut cache = make(config(limits(100, 9, 9)));
        fill(&mut cache, &fingerprint(0), 1_u64, 50, 90);
        assert!(is_hit(&cache.try_use(&fingerprint(0), Some(0), at(150))));
        assert!(!is_hit(&cache.try_use(&fingerprint(0), Some(0), at(151))));
        assert_eq!(cache.metrics().ended(End::Age), 1);
    }

    fn a_retried_call_counts_age_from_its_last_sending(make) {
        let mut cache = make(config(limits(100, 9, 9)));
        let mut ticket = lead(cache.try_use(&fingerprint(0), Some(0), at(0)));
        cache.send(&mut ticket, at(0));
        cache.send(&mut ticket, at(60));
        assert!(matches!(cache.land(ticket, Ok(1_u64), at(70)), Landed::Kept));
        assert!(is_hit(&cache.try_use(&fingerprint(0), Some(0), at(160))));
        assert!(!is_hit(&cache.try_use(&fingerprint(0), Some(0), at(161))));
        assert_eq!(cache.metrics().calls, 2);
    }

    fn a_key_serves_exactly_max_uses_times(make) {
        let name = &fingerprint(0);
        for max_uses in [1, 2, 100, 3_000] {
            let mut cache = make(config(limits(100, max_uses, u64::MAX)));
            fill(&mut cache, name, 1_u64, 0, 0);
            for used in 0..max_uses {
                assert!(is_hit(&cache.try_use(name, Some(7), at(0))), "use {used} of {max_uses}");
            }
            assert!(!is_hit(&cache.try_use(name, Some(7), at(0))));
            let metrics = cache.metrics();
            assert_eq!((metrics.ended(End::Uses), metrics.hits), (1, max_uses));
        }
    }

    fn a_key_serves_exactly_max_bytes(make) {
        let name = &fingerprint(0);
        for (max_bytes, each) in [(10, 5), (10, 10), (100_000, 1), (1 << 40, 1 << 33), (10, 1)] {
            let mut cache = make(config(limits(100, u64::MAX, max_bytes)));
            fill(&mut cache, name, 1_u64, 0, 0);
            for _ in 0..max_bytes / each {
                assert!(is_hit(&cache.try_use(name, Some(each), at(0))), "{max_bytes} {each}");
            }
            assert!(is_hit(&cache.try_use(name, Some(0), at(0))), "an empty body always fits");
            assert!(!is_hit(&cache.try_use(name, Some(1), at(0))));
            assert_eq!(cache.metrics().ended(End::Bytes), 1);
        }
    }

    fn a_body_of_unknown_length_or_beyond_max_bytes_gets_a_key_of_its_own(make) {
        let mut cache = make(config(limits(100, 9, 10)));
        fill(&mut cache, &fingerprint(0), 1_u64, 0, 0);
        for (material, bytes) in [(2_u64, None), (3, Some(11))] {
            let mut ticket = lead(cache.try_use(&fingerprint(0), bytes, at(0)));
            assert!(ticket.is_own());
            cache.send(&mut ticket, at(0));
            match cache.land(ticket, Ok(material), at(0)) {
                Landed::Own(key) => assert_eq!(key.value(), material),
                other => panic!("{other:?}"),
            }
        }
        match cache.try_use(&fingerprint(0), Some(10), at(0)) {
            Lookup::Hit { key, .. } => assert_eq!(key.value(), 1, "the shared key is still the first"),
            other => panic!("{other:?}"),
        }
    }

    fn waiters_beyond_max_uses_fetch_again_one_at_a_time(make) {
        let cache = make(config(limits(1_000_000, 3, u64::MAX)));
        let kms = Kms { service: (10, 10), disabled_at: u64::MAX, calls: 0 };
        let mut world = World::new(cache, kms, s3seal::units::Seed(1).stream("test", 0));
        for _ in 0..10 {
            world.ask_at(0, Request { fingerprint: fingerprint(0), bytes: 1 });
        }
        world.run();
        assert_eq!((world.uses.len(), world.kms.calls), (10, 4), "⌈10 ÷ 3⌉ calls");
        for material in 1..=4 {
            assert!(world.uses.iter().filter(|u| u.material == material).count() <= 3);
        }
        assert_eq!(world.cache.metrics().resumed, 10);
    }

    fn with_the_object_in_the_context_nothing_is_reused_and_with_the_bucket_what_the_limits_allow(make) {
        let requests = 1_000;
        for (of_object, calls) in [(true, requests), (false, requests / 100)] {
            let mut cache = make(config(limits(1_000_000, 100, u64::MAX)));
            for object in 0..requests {
                let context = if of_object {
                    EncryptionContext::of_object("bucket", &format!("object-{object}"))
                } else {
                    EncryptionContext::of_bucket("bucket")
                };
                let name = Fingerprint::encrypt(&requester("r"), &key(0), &context.unwrap(), 1);
                if let Lookup::Lead { mut ticket, .. } = cache.try_use(&name, Some(1), at(object)) {
                    cache.send(&mut ticket, at(object));
                    cache.land(ticket, Ok(object), at(object));
                    assert!(is_hit(&cache.resume(&name, Some(1), at(object))));
                }
            }
            let metrics = cache.metrics();
            assert_eq!((metrics.calls, metrics.uses()), (calls, requests), "object in context: {of_object}");
            assert_eq!(metrics.calls_avoided(), requests - calls);
        }
    }

    fn a_principal_without_permission_never_rides_on_the_key_of_another(make) {
        let mut cache = make(config(limits(1_000, 1_000, u64::MAX)));
        let context = EncryptionContext::of_bucket("b").unwrap();
        let of = |partition: &str, principal: [&str; 3], context: &EncryptionContext| {
            let [account, role, session] = principal;
            let who = Requester::new(
                &Partition::new(partition).unwrap(),
                PrincipalScope::Role,
                &Principal::new(account, role, session),
            );
            [
                Fingerprint::encrypt(&who, &key(0), context, 1),
                Fingerprint::decrypt(&who, &key(0), context, 1, b"wrapped"),
            ]
        };
        let allowed = of("p", ["1", "good", "s"], &context);
        let others = [
            of("p", ["1", "bad", "s"], &context),
            of("p", ["2", "good", "s"], &context),
            of("q", ["1", "good", "s"], &context),
            of("p", ["1", "good", "s"], &EncryptionContext::of_bucket("B").unwrap()),
        ];
        for side in 0..2 {
            fill(&mut cache, &allowed[side], 1_u64, 0, 0);
            for other in &others {
                let mut ticket = lead(cache.try_use(&other[side], Some(0), at(1)));
                cache.send(&mut ticket, at(1));
                let landed = cache.land(ticket, Err(Failure::Denied), at(1));
                assert!(matches!(landed, Landed::Failed(Failure::Denied)));
                let again = cache.try_use(&other[side], Some(0), at(2));
                assert!(matches!(again, Lookup::Refused(Failure::Denied)));
                assert!(is_hit(&cache.try_use(&allowed[side], Some(0), at(2))));
            }
        }
    }

    fn a_refresh_starts_once_from_its_jittered_age_and_the_old_key_serves_meanwhile(make) {
        let refresh = Refresh { after: Span::from_nanos(5_000), jitter: Span::from_nanos(1_000) };
        let mut starts = vec![];
        for index in 0..50 {
            let mut cache = make(CacheConfig { refresh: Some(refresh), ..config(limits(6_400, 99_999, u64::MAX)) });
            let name = fingerprint(index);
            fill(&mut cache, &name, 1_u64, 0, 0);
            let mut begun = vec![];
            for now in (4_900..6_200).step_by(10) {
                match cache.try_use(&name, Some(0), at(now)) {
                    Lookup::Hit { refresh: Some(ticket), .. } => begun.push((now, ticket)),
                    Lookup::Hit { .. } => {}
                    other => panic!("{other:?}"),
                }
            }
            assert_eq!(begun.len(), 1, "at most one refresh per key");
            let (start, mut ticket) = begun.pop().unwrap();
            assert!(ticket.is_refresh());
            // Steps of 10 ns, and a shared cache looks every max_age / 64 = 100 ns.
            assert!((5_000..6_000 + 110).contains(&start), "{start}");
            starts.push(start);
            cache.send(&mut ticket, at(start));
            assert!(matches!(cache.land(ticket, Ok(2_u64), at(6_300)), Landed::Kept));
            assert_eq!(cache.metrics().ended(End::Replaced), 1);
            assert!(is_hit(&cache.try_use(&name, Some(0), at(start + 6_400))), "age counts from the refresh");
        }
        starts.sort_unstable();
        starts.dedup();
        assert!(starts.len() > 10, "keys fetched together are refreshed apart: {starts:?}");
    }

    fn a_refresh_that_is_due_when_a_key_is_first_used_starts_with_that_use(make) {
        let refresh = Refresh { after: Span::from_nanos(5_000), jitter: Span::ZERO };
        let mut cache = make(CacheConfig { refresh: Some(refresh), ..config(limits(64_000, 9, 9)) });
        fill(&mut cache, &fingerprint(0), 1_u64, 0, 0);
        let first = cache.try_use(&fingerprint(0), Some(0), at(5_001));
        assert!(matches!(first, Lookup::Hit { refresh: Some(_), .. }), "{first:?}");
    }

    fn a_failing_refresh_never_carries_a_key_beyond_max_age(make) {
        let refresh = Refresh { after: Span::from_nanos(10), jitter: Span::ZERO };
        let mut cache = make(CacheConfig { refresh: Some(refresh), ..config(limits(60, 99, u64::MAX)) });
        fill(&mut cache, &fingerprint(0), 1_u64, 0, 0);
        for now in 10..=60 {
            match cache.try_use(&fingerprint(0), Some(0), at(now)) {
                Lookup::Hit { refresh: Some(mut ticket), .. } => {
                    cache.send(&mut ticket, at(now));
                    cache.land(ticket, Err(Failure::Throttled { earliest: at(now + 7) }), at(now));
                }
                Lookup::Hit { .. } => {}
                other => panic!("the old key serves on: {other:?}"),
            }
        }
        assert!(!is_hit(&cache.try_use(&fingerprint(0), Some(0), at(61))));
        assert_eq!(cache.metrics().refreshes, 8, "at 10, 17, … 59: never before the instant that KMS named");
    }

    fn a_refresh_answered_definitively_kills_the_key_at_once(make) {
        for failure in [Failure::Disabled, Failure::Denied, Failure::NotFound, Failure::Invalid] {
            let refresh = Refresh { after: Span::from_nanos(10), jitter: Span::ZERO };
            let mut cache = make(CacheConfig { refresh: Some(refresh), ..config(limits(60, 99, u64::MAX)) });
            fill(&mut cache, &fingerprint(0), 1_u64, 0, 0);
            let Lookup::Hit { refresh: Some(mut ticket), .. } = cache.try_use(&fingerprint(0), Some(0), at(10))
            else {
                panic!("a refresh is due");
            };
            cache.send(&mut ticket, at(10));
            assert!(matches!(cache.land(ticket, Err(failure), at(11)), Landed::Failed(f) if f == failure));
            let after = cache.try_use(&fingerprint(0), Some(0), at(11));
            assert!(matches!(after, Lookup::Refused(f) if f == failure), "{after:?}");
            assert_eq!(cache.metrics().ended(End::Refused), 1);
        }
    }

    fn a_failure_answers_for_its_own_short_life_and_never_as_success(make) {
        let life = FailureLife {
            denied: Span::from_nanos(5),
            absent: Span::from_nanos(30),
            transient: Span::from_nanos(2),
        };
        let cases = [
            (Failure::Denied, 5),
            (Failure::NotFound, 30),
            (Failure::Disabled, 30),
            (Failure::Invalid, 30),
            (Failure::Transient, 2),
        ];
        for (failure, nanos) in cases {
            let mut cache = make(CacheConfig { failure_life: life, ..config(limits(100, 9, 9)) });
            let mut ticket = lead(cache.try_use(&fingerprint(0), Some(0), at(0)));
            cache.send(&mut ticket, at(0));
            cache.land(ticket, Err(failure), at(100));
            let last = cache.try_use(&fingerprint(0), Some(0), at(100 + nanos - 1));
            assert!(matches!(last, Lookup::Refused(f) if f == failure), "{failure:?} {last:?}");
            fill(&mut cache, &fingerprint(0), 1_u64, 100 + nanos, 100 + nanos);
            assert!(is_hit(&cache.try_use(&fingerprint(0), Some(0), at(100 + nanos))), "then it is over");
        }
    }

    fn throttling_paces_until_the_instant_that_the_back_off_names(make) {
        let mut cache = make(config(limits(100, 9, 9)));
        let mut ticket = lead(cache.try_use(&fingerprint(0), Some(0), at(0)));
        cache.send(&mut ticket, at(0));
        cache.land(ticket, Err::<u64, _>(Failure::Throttled { earliest: at(40) }), at(5));
        for now in [5, 39] {
            let lookup = cache.try_use(&fingerprint(0), Some(0), at(now));
            assert!(matches!(lookup, Lookup::Pace { until } if until == at(40)));
        }
        drop(lead(cache.try_use(&fingerprint(0), Some(0), at(40))));
        assert_eq!(cache.metrics().paced, 2);
    }

    fn failures_are_bounded_and_the_first_to_end_makes_room(make) {
        // 16 per share of the flights, however the fingerprints fall.
        let mut cache = make(CacheConfig { failures_max: 256, ..config(limits(100, 9, 9)) });
        for index in 0..3_000 {
            let mut ticket = lead(cache.try_use(&fingerprint(index), Some(0), at(0)));
            cache.send(&mut ticket, at(0));
            cache.land(ticket, Err::<u64, _>(Failure::NotFound), at(0));
        }
        let refused = (0..3_000)
            .filter(|i| matches!(cache.try_use(&fingerprint(*i), Some(0), at(1)), Lookup::Refused(_)))
            .count();
        assert!(refused <= 256 && refused > 0, "{refused}");
    }

    fn after_invalidate_a_fetch_on_its_way_is_dropped_and_fetched_again_once(make) {
        let mut cache = make(config(limits(100, 99, 99)));
        let mut ticket = lead(cache.try_use(&fingerprint(0), Some(0), at(0)));
        let flight = ticket.flight();
        cache.send(&mut ticket, at(0));
        for _ in 0..3 {
            assert!(matches!(cache.try_use(&fingerprint(0), Some(0), at(1)), Lookup::Join { flight: f, .. } if f == flight));
        }
        cache.invalidate(&key(0), at(2));
        assert!(matches!(cache.land(ticket, Ok(1_u64), at(3)), Landed::Dropped));
        let mut second = lead(cache.resume(&fingerprint(0), Some(0), at(3)));
        for _ in 0..3 {
            assert!(matches!(cache.resume(&fingerprint(0), Some(0), at(3)), Lookup::Join { .. }));
        }
        cache.send(&mut second, at(3));
        assert!(matches!(cache.land(second, Ok(2_u64), at(4)), Landed::Kept));
        for _ in 0..4 {
            assert!(is_hit(&cache.resume(&fingerprint(0), Some(0), at(4))));
        }
        assert_eq!(cache.metrics().calls, 2);
    }

    fn a_fetch_sent_after_invalidate_counts_even_if_its_flight_began_before(make) {
        let mut cache = make(config(limits(100, 99, 99)));
        let mut ticket = lead(cache.try_use(&fingerprint(0), Some(0), at(0)));
        cache.invalidate_all(at(1));
        cache.send(&mut ticket, at(2));
        assert!(matches!(cache.land(ticket, Ok(1_u64), at(3)), Landed::Kept));
        assert!(is_hit(&cache.resume(&fingerprint(0), Some(0), at(3))));
    }

    fn after_disable_nothing_is_handed_out_and_waiters_fail(make) {
        let mut cache = make(config(limits(100, 99, 99)));
        fill(&mut cache, &fingerprint(0), 1_u64, 0, 0);
        let mut ticket = lead(cache.try_use(&fingerprint(1), Some(0), at(0)));
        cache.send(&mut ticket, at(0));
        cache.disable(&key(0), at(1));
        assert!(cache.is_empty(), "keys leave at once");
        assert!(matches!(cache.try_use(&fingerprint(0), Some(0), at(1)), Lookup::Refused(Failure::Disabled)));
        assert!(matches!(cache.land(ticket, Ok(2_u64), at(2)), Landed::Failed(Failure::Disabled)));
        assert!(matches!(cache.resume(&fingerprint(1), Some(0), at(2)), Lookup::Refused(Failure::Disabled)));
        cache.enable(&key(0));
        fill(&mut cache, &fingerprint(0), 3_u64, 3, 3);
        assert!(is_hit(&cache.try_use(&fingerprint(0), Some(0), at(3))));
    }

    fn invalidating_one_kms_key_leaves_the_keys_under_others(make) {
        let mut cache = make(config(limits(100, 99, 99)));
        let context = EncryptionContext::empty();
        let names = [0, 1].map(|k| Fingerprint::encrypt(&requester("r"), &key(k), &context, 1));
        fill(&mut cache, &names[0], 1_u64, 0, 0);
        fill(&mut cache, &names[1], 2_u64, 0, 0);
        cache.invalidate(&key(0), at(1));
        assert!(!is_hit(&cache.try_use(&names[0], Some(0), at(1))));
        assert!(is_hit(&cache.try_use(&names[1], Some(0), at(1))));
    }

    fn a_fetch_that_never_lands_is_overtaken_and_what_it_brings_late_is_dropped(make) {
        let wait_max = Span::from_nanos(50);
        let mut cache = make(CacheConfig { wait_max, ..config(limits(1_000, 99, 99)) });
        let Lookup::Lead { ticket: mut lost, deadline } = cache.try_use(&fingerprint(0), Some(0), at(0)) else {
            panic!("a cold key leads");
        };
        assert_eq!(deadline, at(50));
        cache.send(&mut lost, at(0));
        assert!(matches!(cache.try_use(&fingerprint(0), Some(0), at(50)), Lookup::Join { .. }));
        let mut second = lead(cache.try_use(&fingerprint(0), Some(0), at(51)));
        assert!(!cache.is_flying(&fingerprint(0), lost.flight()));
        cache.send(&mut second, at(51));
        assert!(matches!(cache.land(lost, Ok(1_u64), at(52)), Landed::Dropped));
        assert!(matches!(cache.land(second, Ok(2_u64), at(53)), Landed::Kept));
    }

    fn a_key_that_arrives_over_age_fails_its_waiters_instead_of_being_fetched_in_a_circle(make) {
        let mut cache = make(config(limits(100, 99, 99)));
        let mut ticket = lead(cache.try_use(&fingerprint(0), Some(0), at(0)));
        cache.send(&mut ticket, at(0));
        assert!(matches!(cache.land(ticket, Ok(1_u64), at(101)), Landed::Failed(Failure::Transient)));
    }

    fn every_key_that_leaves_is_dropped_with_its_last_use(make) {
        let census = Census::new();
        let refresh = Refresh { after: Span::from_nanos(10), jitter: Span::ZERO };
        let mut cache = make(CacheConfig { capacity: 4, refresh: Some(refresh), ..config(limits(60, 2, 9)) });
        for index in 0..100 {
            fill(&mut cache, &fingerprint(index), Arc::new(census.born()), 0, 0);
            assert!(census.alive() <= 4, "evicted keys are gone when the landing returns");
        }
        // Replaced.
        let Lookup::Hit { key: lent, refresh: Some(mut ticket) } =
            cache.try_use(&fingerprint(99), Some(0), at(10))
        else {
            panic!("a refresh is due");
        };
        cache.send(&mut ticket, at(10));
        cache.land(ticket, Ok(Arc::new(census.born())), at(10));
        assert_eq!(census.alive(), 5, "a key that is lent lives on");
        drop(lent);
        assert_eq!(census.alive(), 4);
        // Used up: gone when the refusal is found.
        assert!(is_hit(&cache.try_use(&fingerprint(99), Some(0), at(10))));
        assert!(is_hit(&cache.try_use(&fingerprint(99), Some(0), at(10))));
        drop(lead(cache.try_use(&fingerprint(99), Some(0), at(10))));
        assert_eq!(census.alive(), 3);
        // Over age: gone at the next sweep.
        assert_eq!(cache.sweep(at(61)), 3);
        assert_eq!(census.alive(), 0);
        // Invalidated, disabled, and the cache itself dropped.
        fill(&mut cache, &fingerprint(0), Arc::new(census.born()), 61, 61);
        cache.invalidate(&key(0), at(61));
        assert_eq!(census.alive(), 0);
        fill(&mut cache, &fingerprint(0), Arc::new(census.born()), 61, 61);
        cache.disable(&key(0), at(61));
        assert_eq!(census.alive(), 0);
        cache.enable(&key(0));
        fill(&mut cache, &fingerprint(0), Arc::new(census.born()), 61, 61);
        drop(cache);
        assert_eq!(census.alive(), 0);
    }
}

#[test]
fn off_makes_a_call_for_every_request_and_shares_nothing() {
    let mut cache = off(config(limits(100, 9, 9)));
    for material in 0..100_u64 {
        let mut ticket = lead(cache.try_use(&fingerprint(0), Some(0), at(0)));
        cache.send(&mut ticket, at(0));
        assert!(matches!(cache.land(ticket, Ok(material), at(0)), Landed::Own(key) if key == material));
    }
    let metrics = cache.metrics();
    assert_eq!((metrics.calls, metrics.own, metrics.calls_avoided()), (100, 100, 0));
    cache.disable(&key(0), at(0));
    assert!(matches!(cache.try_use(&fingerprint(0), Some(0), at(0)), Lookup::Refused(Failure::Disabled)));
}

#[test]
fn a_core_invalidates_on_both_sides() {
    let rules = || Rules::new(config(limits(100, 9, 9))).unwrap();
    let make = |rules, generations| Shared::new(rules, generations, 2);
    let mut core = Core::new(rules(), rules(), make).unwrap();
    fill(&mut core.encrypt, &fingerprint(0), 1_u64, 0, 0);
    fill(&mut core.decrypt, &fingerprint(0), 2_u64, 0, 0);
    core.invalidate(&key(0), at(0));
    assert!(core.encrypt.is_empty() && core.decrypt.is_empty());
    assert_eq!(core.metrics().ended(End::Invalidated), 2);
    core.disable(&key(0), at(0));
    assert!(matches!(
        core.decrypt.try_use(&fingerprint(0), Some(0), at(0)),
        Lookup::Refused(Failure::Disabled)
    ));
}

#[test]
fn a_front_without_stripes_or_with_too_many_is_refused() {
    for stripes in [0, 257] {
        let error = Shared::<u64>::new(rules(limits(1, 1, 1)), Generations::new(), stripes).unwrap_err();
        assert_eq!(error.to_string(), format!("stripes is {stripes}: expected 1 to 256"));
    }
}

/// A use as the audit was told of it: what it is filed under, bytes, when, and when its key was sent for.
type Told = (Fingerprint, Option<u64>, u64, u64);

/// A cache of the rules that it is given, and what its audit was told.
fn heard<C>(make: impl Fn(CacheConfig) -> C) -> (C, std::sync::Arc<std::sync::Mutex<Vec<Told>>>) {
    let told = std::sync::Arc::<std::sync::Mutex<Vec<Told>>>::default();
    let audit = {
        let told = std::sync::Arc::clone(&told);
        s3seal::cache::Audit::new(move |used| {
            let times = (used.at.as_nanos(), used.sent_at.as_nanos());
            told.lock().unwrap().push((used.fingerprint.clone(), used.bytes, times.0, times.1));
        })
    };
    (make(CacheConfig { audit: Some(audit), ..config(limits(100, 50, 10)) }), told)
}

both! {
    fn the_audit_is_told_of_each_use_with_its_name_its_bytes_and_the_age_of_its_key(make) {
        let (mut cache, told) = heard(make);
        let mut ticket = lead(cache.try_use(&fingerprint(0), Some(1), at(3)));
        cache.send(&mut ticket, at(5));
        assert!(matches!(cache.try_use(&fingerprint(0), Some(2), at(6)), Lookup::Join { .. }));
        cache.land(ticket, Ok(1), at(9));
        assert!(told.lock().unwrap().is_empty(), "nobody has used a key yet");
        assert!(is_hit(&cache.resume(&fingerprint(0), Some(1), at(10))));
        assert!(is_hit(&cache.resume(&fingerprint(0), Some(2), at(11))));
        assert!(is_hit(&cache.try_use(&fingerprint(0), Some(3), at(12))));
        // A body of unknown length: its own key, told when it is handed over.
        let mut own = lead(cache.try_use(&fingerprint(0), None, at(20)));
        cache.send(&mut own, at(21));
        assert!(matches!(cache.land(own, Ok(2), at(30)), Landed::Own(_)));
        let expected = [(Some(1), 10, 5), (Some(2), 11, 5), (Some(3), 12, 5), (None, 30, 21)];
        let expected = expected.map(|(bytes, at, sent)| (fingerprint(0), bytes, at, sent));
        assert_eq!(*told.lock().unwrap(), expected);
        // What is refused or fails is no use.
        cache.disable(&key(0), at(40));
        assert!(matches!(cache.try_use(&fingerprint(0), Some(1), at(41)), Lookup::Refused(Failure::Disabled)));
        assert_eq!(told.lock().unwrap().len() as u64, cache.metrics().uses());
    }
}

#[test]
fn the_audit_hears_of_uses_without_a_cache_too() {
    let (mut cache, told) = heard(off);
    for now in [1, 2] {
        let mut ticket = lead(cache.try_use(&fingerprint(0), Some(7), at(now)));
        cache.send(&mut ticket, at(now));
        assert!(matches!(cache.land(ticket, Ok(1), at(now + 5)), Landed::Own(1)));
    }
    assert_eq!(*told.lock().unwrap(), [(fingerprint(0), Some(7), 6, 1), (fingerprint(0), Some(7), 7, 2)]);
}
