//! The schedule's laws: what is drawn has the shares that the scenario says, and nothing else than the seed decides.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use s3seal::request::Operation;
use s3seal::units::{Span, Timestamp};
use s3seal::workload::{
    Arrival, ArrivalProcess, Arrivals, Layout, Mix, Multipart, Naming, PRESETS, Popularity, Population,
    Principals, Puts, Scenario, Shape, SizeLaw, Sizes, Stop,
};
use sha2::{Digest, Sha256};

fn valid(scenario: Scenario) -> Scenario {
    scenario.validate().unwrap_or_else(|error| panic!("{error}"));
    scenario
}

/// Every operation, new objects, several buckets, keys and principals.
fn everything() -> Scenario {
    let mut scenario = Scenario { stop: Stop::Operations(100_000), ..Scenario::default() };
    scenario.mix = Mix {
        put_object: 20.0,
        get_object: 30.0,
        get_object_range: 10.0,
        head_object: 10.0,
        copy_object: 5.0,
        multipart_upload: 2.0,
        delete_object: 18.0,
        list_objects: 5.0,
        range_bytes: 1_000,
        multipart: Multipart { parts: 3, part_bytes: 5 << 20, objects: 7 },
    };
    scenario.objects.count = 1_000;
    scenario.objects.puts = Puts::New;
    scenario.layout = Layout { buckets: 3, prefixes: 5, kms_keys: 7 };
    scenario.principals = Principals { roles: 4, sessions: 5, zipf: 0.5 };
    valid(scenario)
}

/// One arrival in bytes: every field, in the order of the struct, little-endian.
fn encode(arrival: &Arrival, hash: &mut Sha256) {
    let (shape, a, b) = match arrival.shape {
        Shape::Whole => (0_u64, 0, 0),
        Shape::Range { first, bytes } => (1, first, bytes),
        Shape::Copy { target } => (2, target, 0),
        Shape::Parts { count, bytes } => (3, u64::from(count), bytes),
    };
    let operation =
        Operation::ALL.iter().position(|operation| *operation == arrival.operation).unwrap() as u64;
    let words =
        [arrival.index, arrival.due.as_nanos(), arrival.object, arrival.bytes, shape, a, b, operation];
    for word in words {
        hash.update(word.to_le_bytes());
    }
    let ids = [arrival.bucket, arrival.kms_key, arrival.principal];
    for id in ids {
        hash.update(id.to_le_bytes());
    }
}

/// The first 16 hexadecimal digits of SHA-256 over the first 10,000 arrivals of each built-in scenario.
///
/// They may change only when a scenario's text changes, or when a draw is meant to change (a new law, another algorithm):
/// then every recorded run becomes irreproducible, which the changelog has to say. Another machine, compiler or
/// dependency is no reason.
const GOLDEN: &[(&str, &str)] = &[
    ("default", "651fc9ce848a2206"),
    ("hot-read", "7914352de3ba98c8"),
    ("many-requesters", "f62e368dcdd8e55d"),
    ("ingest", "0b63d2808662c91c"),
    ("backup", "49ae12e3f7fd61b4"),
    ("burst", "56c321393cc69c37"),
    ("ramp", "7328406c3a5fb681"),
    ("cold-fleet", "1896a973dd6ff56c"),
    ("small-objects", "4ea271c7ff847f7b"),
    ("mixed", "45605e17a8acfc0e"),
];

#[test]
fn a_built_in_scenario_gives_the_same_arrivals_on_every_machine() {
    let hashes: Vec<(&str, String)> = PRESETS
        .iter()
        .map(|preset| {
            let scenario = Scenario::parse(preset.text).unwrap();
            let mut hash = Sha256::new();
            Arrivals::new(&scenario).take(10_000).for_each(|arrival| encode(&arrival, &mut hash));
            (preset.name, hex::encode(&hash.finalize()[..8]))
        })
        .collect();
    let golden: Vec<(&str, String)> = GOLDEN.iter().map(|(name, hash)| (*name, (*hash).to_owned())).collect();
    assert_eq!(hashes, golden);
}

#[test]
fn the_population_of_a_built_in_scenario_agrees_with_its_arrivals() {
    for preset in PRESETS {
        let scenario = Scenario::parse(preset.text).unwrap();
        let population = Population::new(&scenario);
        let sizes = Sizes::new(&scenario.objects.size, scenario.seed());
        for arrival in Arrivals::new(&scenario).take(20_000) {
            if arrival.operation == Operation::GetObject {
                assert_eq!(arrival.bytes, sizes.of(arrival.object), "{}", preset.name);
            }
            if arrival.object < population.count() && arrival.operation != Operation::ListObjects {
                let existing = population.object(arrival.object);
                assert_eq!(
                    (existing.bytes, existing.bucket, existing.kms_key),
                    (arrival.bytes, arrival.bucket, arrival.kms_key),
                    "{}",
                    preset.name,
                );
            }
        }
    }
}

#[test]
fn operations_come_in_the_shares_of_their_weights() {
    let scenario = everything();
    let mut seen = BTreeMap::new();
    let mut measured = 0_u32;
    for arrival in Arrivals::new(&scenario) {
        *seen.entry(arrival.operation).or_insert(0_u32) += 1;
        measured += u32::from(arrival.due >= Timestamp::ZERO + scenario.warm_up);
    }
    assert_eq!(measured, 100_000, "operations count from the end of the warm-up");
    let all: u32 = seen.values().sum();
    for (operation, weight) in [
        (Operation::PutObject, 20.0),
        (Operation::GetObject, 30.0),
        (Operation::GetObjectRange, 10.0),
        (Operation::HeadObject, 10.0),
        (Operation::CopyObject, 5.0),
        (Operation::CreateMultipartUpload, 2.0),
        (Operation::DeleteObject, 18.0),
        (Operation::ListObjects, 5.0),
    ] {
        let share: f64 = weight / 100.0;
        let expected = f64::from(all) * share;
        // Binomial; five deviations.
        let slack = 5.0 * (expected * (1.0 - share)).sqrt();
        assert!(
            (f64::from(seen[&operation]) - expected).abs() < slack,
            "{operation}: {} for {expected}",
            seen[&operation]
        );
    }
}

#[test]
fn nothing_is_asked_of_an_object_after_its_delete_or_before_it_is_there() {
    for popularity in
        [Popularity::Zipf { theta: 0.99 }, Popularity::Uniform, Popularity::Latest { theta: 0.9 }]
    {
        let mut scenario = everything();
        scenario.objects.popularity = popularity;
        scenario.objects.visible_after = Span::from_millis(100);
        let arrivals = Arrivals::new(&scenario);
        let (population, fixed) = (scenario.objects.count, arrivals.fixed_objects());
        let mut written: BTreeMap<u64, Timestamp> = BTreeMap::new();
        let mut deleted = BTreeSet::new();
        for arrival in arrivals {
            let object = arrival.object;
            match arrival.operation {
                Operation::PutObject => {
                    assert!(object >= fixed, "a new object");
                    assert!(written.insert(object, arrival.due).is_none(), "written once");
                    continue;
                }
                Operation::CreateMultipartUpload => {
                    assert!((population..population + 7).contains(&object), "an upload's own target");
                    continue;
                }
                Operation::CopyObject => {
                    let Shape::Copy { target } = arrival.shape else { panic!("{arrival:?}") };
                    assert!((population + 7..fixed).contains(&target), "a copy's own target");
                }
                _ => {}
            }
            assert!(!deleted.contains(&object), "{arrival:?} after its delete");
            if object >= fixed {
                assert!(
                    written[&object] + scenario.objects.visible_after <= arrival.due,
                    "{arrival:?} too early"
                );
            } else {
                assert!(object < population);
            }
            if arrival.operation == Operation::DeleteObject {
                deleted.insert(object);
            }
        }
        assert!(deleted.len() > 10_000 && deleted.iter().any(|object| *object >= fixed));
    }
}

#[test]
fn with_new_objects_reads_stay_within_about_the_newest_count() {
    let mut scenario = everything();
    scenario.mix.delete_object = 0.0;
    scenario.objects.popularity = Popularity::Uniform;
    let arrivals = Arrivals::new(&scenario);
    let (fixed, count) = (arrivals.fixed_objects(), scenario.objects.count);
    // 8,000/s × PUT share × 1 s are not yet visible; ten deviations of that Poisson count.
    let hidden = 2_000 + 450;
    let mut newest = fixed;
    for arrival in arrivals.skip(50_000) {
        if arrival.operation == Operation::PutObject {
            newest = newest.max(arrival.object);
        } else if arrival.operation == Operation::GetObject && newest > fixed {
            assert!(arrival.object + count + hidden >= newest, "{arrival:?}, newest {newest}");
        }
    }
}

#[test]
fn latest_asks_the_newest_most_of_all() {
    let mut scenario = everything();
    scenario.mix = Mix { put_object: 5.0, get_object: 95.0, ..Mix::none() };
    scenario.objects.popularity = Popularity::Latest { theta: 0.99 };
    scenario.objects.visible_after = Span::ZERO;
    let (mut newest, mut hits, mut reads) = (None, 0_u32, 0_u32);
    for arrival in Arrivals::new(&valid(scenario)) {
        match (arrival.operation, newest) {
            (Operation::PutObject, _) => newest = Some(arrival.object),
            (_, Some(newest)) => {
                reads += 1;
                hits += u32::from(arrival.object == newest);
            }
            _ => {}
        }
    }
    let harmonic: f64 = (1..=1_000).map(|rank| f64::from(rank).powf(-0.99)).sum();
    let expected = f64::from(reads) / harmonic;
    // Binomial; five deviations.
    assert!(
        (f64::from(hits) - expected).abs() < 5.0 * expected.sqrt(),
        "{hits} of {reads}, {expected} expected"
    );
}

#[test]
fn ranges_lie_within_their_objects_and_are_never_empty() {
    let mut scenario = everything();
    scenario.objects.size = SizeLaw::Lognormal { median: 900, sigma: 2.0, min: 0, max: 1 << 20 };
    let (mut short, mut all, mut empty) = (0, 0, 0);
    for arrival in Arrivals::new(&valid(scenario)) {
        match arrival.shape {
            Shape::Range { first, bytes } => {
                assert!(bytes > 0 && bytes <= 1_000 && first + bytes <= arrival.bytes, "{arrival:?}");
                (all, short) = (all + 1, short + u32::from(bytes < 1_000));
                assert_eq!(arrival.transferred(), bytes);
            }
            _ => assert_ne!(arrival.operation, Operation::GetObjectRange),
        }
        empty += u32::from(arrival.operation == Operation::GetObject && arrival.bytes == 0);
    }
    assert!(short > 0 && short < all);
    let _ = empty;
}

#[test]
fn a_ranged_read_of_an_empty_object_is_a_whole_one() {
    let mut scenario = everything();
    scenario.mix = Mix { get_object_range: 1.0, ..Mix::none() };
    scenario.objects.size = SizeLaw::Fixed { bytes: 0 };
    assert!(
        Arrivals::new(&valid(scenario))
            .take(100)
            .all(|a| a.operation == Operation::GetObject && a.bytes == 0)
    );
}

#[test]
fn uploads_go_round_their_targets() {
    let mut scenario = everything();
    scenario.mix = Mix { multipart_upload: 1.0, ..scenario.mix };
    let uploads: Vec<Arrival> = Arrivals::new(&scenario)
        .filter(|a| a.operation == Operation::CreateMultipartUpload)
        .take(15)
        .collect();
    for (turn, upload) in uploads.iter().enumerate() {
        assert_eq!(upload.object, 1_000 + turn as u64 % 7);
        assert_eq!(upload.bytes, 3 * (5 << 20));
        assert_eq!(upload.shape, Shape::Parts { count: 3, bytes: 5 << 20 });
    }
}

#[test]
fn the_last_object_of_a_bucket_is_never_deleted() {
    let mut scenario = everything();
    scenario.objects.count = 3;
    scenario.layout = Layout { buckets: 1, prefixes: 1, kms_keys: 1 };
    scenario.mix = Mix { put_object: 1.0, delete_object: 1.0, get_object: 1.0, ..Mix::none() };
    scenario.arrival = ArrivalProcess::Poisson { rate: 5.0 };
    scenario.stop = Stop::Operations(5_000);
    let mut deleted = BTreeSet::new();
    for arrival in Arrivals::new(&valid(scenario)) {
        if arrival.operation == Operation::DeleteObject {
            deleted.insert(arrival.object);
        } else if arrival.operation == Operation::GetObject {
            assert!(!deleted.contains(&arrival.object), "{arrival:?}");
        }
    }
    assert!(deleted.len() > 1_000);
}

#[test]
fn principals_are_asked_by_their_skew_and_have_their_names() {
    let scenario = everything();
    let mut seen = vec![0_u32; 20];
    for arrival in Arrivals::new(&scenario) {
        seen[arrival.principal as usize] += 1;
    }
    let all: u32 = seen.iter().sum();
    let sum: f64 = (1..=20).map(|rank| f64::from(rank).powf(-0.5)).sum();
    for (principal, count) in (1..).zip(&seen) {
        let expected = f64::from(all) * f64::from(principal).powf(-0.5) / sum;
        // Binomial; five deviations.
        assert!((f64::from(*count) - expected).abs() < 5.0 * expected.sqrt(), "principal {principal}");
    }
    let naming = Naming::new(&scenario);
    let names: BTreeSet<_> = (0..20).map(|principal| naming.principal(principal)).collect();
    assert_eq!(names.len(), 20);
}

#[test]
fn a_new_use_of_one_stream_leaves_the_others_as_they_were() {
    let base = valid(Scenario::default());
    let mut other = base.clone();
    other.mix.head_object = 50.0;
    other.principals = Principals { roles: 9, sessions: 1, zipf: 0.0 };
    let pairs = Arrivals::new(&base).zip(Arrivals::new(&other)).take(10_000);
    for (a, b) in pairs {
        assert_eq!((a.due, a.object, a.bytes), (b.due, b.object, b.bytes));
    }
    let mut slower = base.clone();
    slower.arrival = ArrivalProcess::Constant { rate: 10.0 };
    for (a, b) in Arrivals::new(&base).zip(Arrivals::new(&slower)).take(25) {
        assert_eq!((a.operation, a.object), (b.operation, b.object));
    }
}

#[test]
fn a_duration_ends_the_schedule_before_its_last_instant_and_for_good() {
    let scenario = Scenario {
        arrival: ArrivalProcess::Constant { rate: 1_000.0 },
        warm_up: Span::from_seconds(1),
        stop: Stop::Duration(Span::from_seconds(2)),
        ..Scenario::default()
    };
    let mut arrivals = Arrivals::new(&valid(scenario));
    assert_eq!(arrivals.measured_from(), Timestamp::from_seconds(1));
    assert_eq!(arrivals.by_ref().count(), 3_000);
    assert_eq!(arrivals.next(), None);
    assert_eq!(arrivals.next(), None);
}

fn scenarios() -> impl Strategy<Value = Scenario> {
    let process = prop_oneof![
        (1.0..1e6).prop_map(|rate| ArrivalProcess::Constant { rate }),
        (1.0..1e6).prop_map(|rate| ArrivalProcess::Poisson { rate }),
        (1.0..1e5, 1.1..100.0).prop_map(|(rate, peak)| ArrivalProcess::Burst {
            rate,
            peak,
            quiet: Span::from_millis(500),
            busy: Span::from_millis(70),
        }),
        (1.0..1e5, 1.0..1e5).prop_map(|(from, to)| ArrivalProcess::Ramp {
            from,
            to,
            over: Span::from_seconds(1)
        }),
        prop::collection::vec(1.0..1e5, 1..5)
            .prop_map(|rates| ArrivalProcess::Step { rates, every: Span::from_millis(100) }),
    ];
    let popularity = prop_oneof![
        Just(Popularity::Uniform),
        (0.0..5.0).prop_map(|theta| Popularity::Zipf { theta }),
        (0.01..0.99, 0.01..0.99).prop_map(|(objects, requests)| Popularity::Hotspot { objects, requests }),
        (0.0..5.0).prop_map(|theta| Popularity::Latest { theta }),
    ];
    let puts = prop_oneof![Just(Puts::Overwrite), Just(Puts::New)];
    let numbers = (0..1_u64 << 40, 3..5_000_u64, 1..4_u32, 1..8_u32, 1..3_000_u64);
    (process, popularity, puts, numbers).prop_map(
        |(arrival, popularity, puts, (seed, count, buckets, keys, operations))| {
            let mut scenario = everything();
            (scenario.seed, scenario.arrival, scenario.stop) = (seed, arrival, Stop::Operations(operations));
            scenario.warm_up = Span::ZERO;
            (scenario.objects.count, scenario.objects.popularity, scenario.objects.puts) =
                (count, popularity, puts);
            if matches!(popularity, Popularity::Latest { .. }) {
                scenario.objects.puts = Puts::New;
            }
            if scenario.objects.puts == Puts::Overwrite {
                scenario.mix.delete_object = 0.0;
            }
            scenario.layout =
                Layout { buckets, prefixes: 3, kms_keys: keys.min(u32::try_from(count).unwrap()) };
            valid(scenario)
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn the_same_seed_gives_the_same_schedule_and_another_seed_another(scenario in scenarios()) {
        let schedule = |scenario: &Scenario| Arrivals::new(scenario).collect::<Vec<_>>();
        let first = schedule(&scenario);
        prop_assert_eq!(&first, &schedule(&scenario));
        let Stop::Operations(operations) = scenario.stop else { panic!() };
        prop_assert_eq!(first.len() as u64, operations);
        if operations > 50 {
            let other = Scenario { seed: scenario.seed + 1, ..scenario };
            prop_assert_ne!(first, schedule(&other));
        }
    }

    #[test]
    fn the_shards_together_are_the_whole_each_arrival_once(scenario in scenarios(), machines in 1_u64..9) {
        let whole: Vec<Arrival> = Arrivals::new(&scenario).collect();
        let mut union: Vec<Arrival> = (0..machines)
            .flat_map(|machine| Arrivals::new(&scenario).shard(machine, machines))
            .collect();
        union.sort_unstable_by_key(|arrival| arrival.index);
        prop_assert_eq!(union, whole);
    }

    #[test]
    fn arrivals_come_in_due_order_with_numbers_in_turn_and_ids_in_range(scenario in scenarios()) {
        let arrivals = Arrivals::new(&scenario);
        let (fixed, mut puts, mut last) = (arrivals.fixed_objects(), 0, Timestamp::ZERO);
        for (number, arrival) in (0..).zip(arrivals) {
            prop_assert_eq!(arrival.index, number);
            prop_assert!(arrival.due >= last);
            last = arrival.due;
            puts += u64::from(arrival.operation == Operation::PutObject);
            prop_assert!(arrival.object < fixed + puts);
            prop_assert!(arrival.bucket < scenario.layout.buckets);
            prop_assert!(arrival.kms_key < scenario.layout.kms_keys);
            prop_assert!(u64::from(arrival.principal) < scenario.principals.count());
            prop_assert!(arrival.transferred() <= arrival.bytes);
        }
    }
}
