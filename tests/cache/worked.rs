//! Worked examples and revocation: what a cache saves, and how late it can be.
#![expect(clippy::print_stdout, reason = "a bound is shown beside the worst case seen")]
#![expect(clippy::cast_precision_loss, clippy::cast_possible_truncation, reason = "small numbers")]

use crate::world::*;
use rand_core::Rng;
use s3seal::cache::{
    BucketKeyAssumptions, Cache, CacheConfig, Failure, Fingerprint, Generations, Landed, Local, Lookup,
    Partition, Refresh, Rules, Ticket,
};
use s3seal::request::Principal;
use s3seal::units::{Seed, Span, Stream};

const SECOND: u64 = 1_000_000_000;

both! {
    /// B5: 500 clients with a request a second each and keys that are good for 100 uses.
    /// Source: AWS Encryption SDK developer guide, data key caching example: 500 calls a second become 5 (1 %).
    fn five_hundred_encrypts_a_second_with_a_hundred_uses_per_key_make_five_calls_a_second(make) {
        let cache = make(CacheConfig::new(limits(3_600 * SECOND, 100, u64::MAX)));
        let kms = Kms { service: (0, 0), disabled_at: u64::MAX, calls: 0 };
        let mut world = World::new(cache, kms, Seed(5).stream("b5", 0));
        let seconds = 20;
        for i in 0_u64..500 * seconds {
            world.ask_at(i * SECOND / 500, Request { fingerprint: fingerprint(0), bytes: 1 });
        }
        world.run();
        assert_eq!((world.uses.len() as u64, world.kms.calls), (500 * seconds, 5 * seconds));
        assert_eq!(world.cache.metrics().calls_avoided(), 495 * seconds);
    }

    /// B6: 1,000 decrypts a second of messages whose wrapped keys each served 100 messages: 10 calls a second.
    fn a_thousand_decrypts_a_second_of_keys_that_sealed_a_hundred_each_make_ten_calls_a_second(make) {
        let cache = make(CacheConfig::new(s3seal::cache::UsageLimits::memo(Span::from_seconds(3_600))));
        let kms = Kms { service: (0, 0), disabled_at: u64::MAX, calls: 0 };
        let mut world = World::new(cache, kms, Seed(6).stream("b6", 0));
        let seconds = 20;
        let who = requester("consumer");
        let context = s3seal::envelope::EncryptionContext::empty();
        for i in 0_u64..1_000 * seconds {
            let wrapped = (i / 100).to_be_bytes();
            let name = Fingerprint::decrypt(&who, &key(0), &context, 1, &wrapped);
            world.ask_at(i * SECOND / 1_000, Request { fingerprint: name, bytes: 1 });
        }
        world.run();
        assert_eq!((world.uses.len() as u64, world.kms.calls), (1_000 * seconds, 10 * seconds));
    }

    /// After `DisableKey` at t, of which nobody tells the cache, nothing is handed out after t + `max_age`.
    fn ten_thousand_revocations_stay_within_max_age(make) {
        let mut worst = 0.0_f64;
        for schedule in 0..10_000 {
            let mut random = Seed(7).stream("revocation", schedule);
            let (late, bound) = revoke(make, &mut random);
            assert!(late <= bound, "schedule {schedule}: {late} ns after DisableKey, bound {bound} ns");
            worst = worst.max(late as f64 / bound as f64);
        }
        println!("last use after DisableKey: at worst {worst:.4} of the bound, max_age");
        assert!(worst > 0.9, "the schedules come near the bound, or they would prove little: {worst}");
    }
}

/// One random schedule; the last use after `DisableKey`, and its bound.
fn revoke<C: Cache<Material = u64>>(make: impl Fn(CacheConfig) -> C, random: &mut Stream) -> (u64, u64)
where
    C::Key: Material,
{
    let mut below = |n: u64| random.next_u64() % n;
    let max_age = 20 + below(200);
    let refresh = (below(2) == 0).then(|| Refresh {
        after: Span::from_nanos(1 + below(max_age / 2)),
        jitter: Span::from_nanos(below(max_age / 2)),
    });
    let limits = limits(max_age, 1 + below(30), u64::MAX);
    let config = CacheConfig { refresh, capacity: 1 + below(3) as usize, ..CacheConfig::new(limits) };
    let shortest = below(10);
    let kms = Kms { service: (shortest, shortest + below(30)), disabled_at: 100 + below(300), calls: 0 };
    let asks: Vec<(u64, usize)> = (0..80).map(|_| (below(800), below(4) as usize)).collect();
    let disabled_at = kms.disabled_at;
    let mut world = World::new(make(config), kms, Seed(8).stream("service", below(u64::MAX)));
    for (at, index) in asks {
        world.ask_at(at, Request { fingerprint: fingerprint(index), bytes: 1 });
    }
    world.run();
    let last = world.uses.iter().map(|u| u.at).max().unwrap_or(0);
    (last.saturating_sub(disabled_at), max_age)
}

/// Two layers: data keys opened under a Bucket Key, which comes from KMS.
#[test]
fn with_a_bucket_key_below_the_bound_is_the_sum_of_both_ages() {
    let mut worst = 0.0_f64;
    for schedule in 0..10_000 {
        let mut random = Seed(9).stream("revocation/layers", schedule);
        let mut below = |n: u64| random.next_u64() % n;
        let (bucket_age, data_age, disabled_at) = (20 + below(200), 20 + below(200), below(300));
        let assumptions = BucketKeyAssumptions {
            lifetime: Span::from_nanos(bucket_age),
            ..BucketKeyAssumptions::default()
        };
        let mut bucket_keys = Local::new(assumptions.rules(8).unwrap(), Generations::new());
        let mut data_keys = local(CacheConfig::new(limits(data_age, u64::MAX, u64::MAX)));
        let bucket = assumptions.read(&requester("r"), "b", &key(0), b"generation").unwrap();
        let mut asks: Vec<u64> = (0..60).map(|_| below(900)).collect();
        asks.sort_unstable();
        let mut last = 0;
        for now in asks {
            let mut lookup = data_keys.try_use(&fingerprint(0), Some(1), at(now));
            if let Lookup::Lead { mut ticket, .. } = lookup {
                data_keys.send(&mut ticket, at(now));
                let result = unwrap(&mut bucket_keys, &bucket, now, disabled_at);
                data_keys.land(ticket, result, at(now));
                lookup = data_keys.resume(&fingerprint(0), Some(1), at(now));
            }
            if is_hit(&lookup) {
                last = now;
            }
        }
        let (late, bound) = (last.saturating_sub(disabled_at), bucket_age + data_age);
        assert!(late <= bound, "schedule {schedule}: {late} ns after DisableKey, bound {bound} ns");
        worst = worst.max(late as f64 / bound as f64);
    }
    println!("last use after DisableKey, two layers: at worst {worst:.4} of the bound, the sum of both ages");
    assert!(worst > 0.9, "{worst}");
}

/// A data key opened with the Bucket Key; a cold Bucket Key costs a call to a KMS that answers at once.
fn unwrap(
    bucket_keys: &mut Local<u64>,
    bucket: &Fingerprint,
    now: u64,
    disabled_at: u64,
) -> Result<u64, Failure> {
    if let Lookup::Lead { mut ticket, .. } = bucket_keys.try_use(bucket, Some(0), at(now)) {
        bucket_keys.send(&mut ticket, at(now));
        let result = if now > disabled_at { Err(Failure::Disabled) } else { Ok(1) };
        bucket_keys.land(ticket, result, at(now));
    }
    match bucket_keys.resume(bucket, Some(0), at(now)) {
        Lookup::Hit { key, .. } => Ok(key),
        _ => Err(Failure::Disabled),
    }
}

/// One landing at once, for a KMS that always answers; the Bucket Key made, or used again.
fn bucket_key(cache: &mut Local<u64>, name: &Fingerprint, now: u64, made: &mut u64) -> u64 {
    if let Lookup::Lead { ticket, .. } = cache.try_use(name, Some(0), at(now)) {
        let mut ticket: Ticket = ticket;
        cache.send(&mut ticket, at(now));
        *made += 1;
        assert!(matches!(cache.land(ticket, Ok(*made), at(now)), Landed::Kept));
    }
    match cache.resume(name, Some(0), at(now)) {
        Lookup::Hit { key, .. } => key,
        other => panic!("{other:?}"),
    }
}

/// KMS calls of 50 PUT, then 100 GET of the same objects, a second apart, by one principal on one bucket and key.
fn bucket_key_sample(assumptions: BucketKeyAssumptions) -> (u64, u64) {
    let rules = || assumptions.rules(1_000).unwrap();
    let generations = Generations::new();
    let mut writes: Local<u64> = Local::new(rules(), generations.clone());
    let mut reads: Local<u64> = Local::new(rules(), generations);
    let who =
        assumptions.requester(&Partition::new("p").unwrap(), &Principal::new("111122223333", "role", "s"));
    let mut made = 0;
    let object = |i: u64| Seed(1).stream("object", i).next_u64();
    let written: Vec<u64> = (0..50)
        .map(|i| {
            let shard = assumptions.shard(object(i));
            let name = assumptions.write(&who, "bucket", &key(0), shard).unwrap();
            bucket_key(&mut writes, &name, i * SECOND, &mut made)
        })
        .collect();
    for i in 0..100 {
        let generation = written[i as usize % 50].to_be_bytes();
        let name = assumptions.read(&who, "bucket", &key(0), &generation).unwrap();
        bucket_key(&mut reads, &name, (50 + i) * SECOND, &mut made);
    }
    let calls = (writes.metrics().calls, reads.metrics().calls);
    assert_eq!(calls.0 + calls.1, made, "the caches count what was fetched");
    calls
}

/// B1: 50 PUT and 100 GET make 150 KMS calls without a Bucket Key and 4 with one, 1 − 4/150 = 97.33 % saved.
/// Source: aws-samples/s3-bucketkey-poc. The sample does not say how the 4 come about. Parameters that give 4: one
/// principal, bucket and KMS key; and either two shards for the whole run, or one shard and a lifetime that the
/// writes outlast once (30 s, at a PUT a second) while the reads of each of the two generations fall into one window.
#[test]
fn fifty_puts_and_a_hundred_gets_make_150_calls_without_a_bucket_key_and_4_with_two_shards() {
    let default = BucketKeyAssumptions::default();
    assert_eq!(bucket_key_sample(default), (1, 1), "the default has one shard: 2 calls");
    assert_eq!(bucket_key_sample(BucketKeyAssumptions { shards: 2, ..default }), (2, 2), "4 calls");
    let short = BucketKeyAssumptions { lifetime: Span::from_seconds(30), ..default };
    let (writes, reads) = bucket_key_sample(short);
    assert_eq!(writes, 2, "two generations written");
    assert!(reads >= 2, "each is opened at least once, and again after 30 s: {reads}");

    let mut off = off(CacheConfig::new(limits(1, 1, 1)));
    for request in 0..150 {
        let mut ticket = lead(off.try_use(&fingerprint(0), Some(0), at(request)));
        off.send(&mut ticket, at(request));
        assert!(matches!(off.land(ticket, Ok(request), at(request)), Landed::Own(_)));
    }
    assert_eq!(off.metrics().calls, 150);
}

#[test]
fn a_write_pays_per_requester_bucket_key_and_window_and_a_read_per_reader_generation_and_window() {
    let assumptions = BucketKeyAssumptions::default();
    let mut cache: Local<u64> = Local::new(assumptions.rules(100).unwrap(), Generations::new());
    let partition = Partition::new("p").unwrap();
    let mut calls = 0;
    let lifetime = assumptions.lifetime.as_nanos();
    for window in 0..3 {
        for role in ["a", "b"] {
            let who = assumptions.requester(&partition, &Principal::new("1", role, "any session"));
            for bucket in ["x", "y"] {
                for kms_key in [0, 1] {
                    for ask in 0..10 {
                        let now = window * (lifetime + 1) + ask;
                        let name = assumptions.write(&who, bucket, &key(kms_key), 0).unwrap();
                        bucket_key(&mut cache, &name, now, &mut calls);
                        let name = assumptions.read(&who, bucket, &key(kms_key), &[kms_key as u8]).unwrap();
                        bucket_key(&mut cache, &name, now, &mut calls);
                    }
                }
            }
        }
    }
    assert_eq!((calls, cache.metrics().calls), (3 * 2 * 2 * 2 * 2, 48));
}

#[test]
fn rules_of_a_bucket_key_are_an_age_alone() {
    let rules: Rules = BucketKeyAssumptions::default().rules(7).unwrap();
    let config = rules.config();
    assert_eq!((config.limits.max_uses, config.limits.max_bytes), (u64::MAX, u64::MAX));
    assert_eq!((config.capacity, config.refresh), (7, None));
}
