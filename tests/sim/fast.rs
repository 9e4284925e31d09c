//! The fast lane against the slow way: over random scenarios both give the same rows, counts and ends, bit for bit.

use crate::ledger::simulate;
use proptest::prelude::*;
use s3seal::request::{KeySource, SseMode};
use s3seal::sim::Options;
use s3seal::workload::Scenario;

/// Sections of a scenario, each drawn on its own; small enough that a few seconds of traffic meet every limit.
fn scenarios() -> impl Strategy<Value = String> {
    let mix = prop::collection::vec(0_u32..10, 8).prop_map(|weights| {
        let names = [
            "GetObject",
            "PutObject",
            "GetObjectRange",
            "HeadObject",
            "CopyObject",
            "MultipartUpload",
            "DeleteObject",
            "ListObjects",
        ];
        // Reads always; no more deletes than writes; uploads make many requests of one.
        let weight = |(at, weight): (usize, u32)| match at {
            0 => weight + 5,
            1 => weight + 9,
            5 => weight.min(1),
            _ => weight,
        };
        let lines = names.iter().zip(weights.into_iter().enumerate().map(weight));
        lines.fold("[mix]\n".to_owned(), |text, (name, weight)| text + &format!("{name} = {weight}\n"))
    });
    let arrival = prop_oneof![
        Just("process = \"poisson\"\nrate = 800"),
        Just("process = \"constant\"\nrate = 1000"),
        Just("process = \"burst\"\nrate = 500\npeak = 8\nquiet = \"200ms\"\nbusy = \"50ms\""),
    ]
    .prop_map(|text| format!("[arrival]\n{text}\n"));
    let objects =
        (20_u32..400, any::<bool>(), 0_u32..300, any::<bool>()).prop_map(|(count, new, ms, latest)| {
            let puts = if new { "new" } else { "overwrite" };
            let law = if latest && new { "latest" } else { "zipf" };
            format!(
                "[objects]\ncount = {count}\nputs = \"{puts}\"\nvisible_after = \"{ms}ms\"\n\
             popularity = {{ law = \"{law}\", theta = 0.9 }}\n"
            )
        });
    let layout = (1_u32..4, 1_u32..5).prop_map(|(buckets, keys)| {
        format!("[layout]\nbuckets = {buckets}\nprefixes = 2\nkms_keys = {keys}\n")
    });
    let people = (1_u32..4, 1_u32..3, 1_u32..5).prop_map(|(roles, sessions, uses)| {
        let history = format!("[history]\nspan = \"1h\"\nwriters = {roles}\nuses_per_key = {uses}\n");
        format!("[principals]\nroles = {roles}\nsessions = {sessions}\n{history}")
    });
    let kms =
        (prop_oneof![Just(20_u32), Just(300), Just(100_000)], any::<bool>()).prop_map(|(quota, bucket)| {
            let rule = if bucket { "token-bucket" } else { "fixed-window" };
            format!("[kms]\nquota = {quota}\nthrottle_rule = \"{rule}\"\n")
        });
    // Tiny caches, refreshes ahead, limits of uses and of bytes.
    let cache = (1_u32..80, 50_u32..1_500, prop::option::of(1_u32..40), any::<bool>(), any::<bool>())
        .prop_map(|(capacity, age, uses, refresh, bytes)| {
            let uses = uses.map_or(String::new(), |uses| format!("max_uses = {uses}\n"));
            let refresh =
                if refresh { format!("refresh_after = \"{}ms\"\n", age * 2 / 3) } else { String::new() };
            let bytes = if bytes { "max_bytes = \"100KiB\"\n" } else { "" };
            format!(
                "[cache]\ncapacity = {capacity}\nmax_age = \"{age}ms\"\n{uses}{refresh}{bytes}\
                 [bucket_key]\nlifetime = \"{age}ms\"\n"
            )
        });
    let s3 = (0_usize..3, 0_u32..4).prop_map(|(time, limits)| {
        let time = ["none", "standard", "express"][time];
        format!("[s3]\nservice_time = \"{time}\"\nprefix_limits = {}\n", limits == 0)
    });
    let fleet = (1_u32..5, any::<bool>(), any::<bool>()).prop_map(|(hosts, cold, restarts)| {
        let cold = if cold { "start = \"cold\"\n" } else { "" };
        let restarts = if restarts { "restart_every = \"150ms\"\n" } else { "" };
        format!("[fleet]\nhosts = {hosts}\n{cold}{restarts}")
    });
    let fault = |text: &'static str| {
        prop::option::of((0_u32..1_000, 1_u32..500)).prop_map(move |at| {
            at.map_or(String::new(), |(at, length)| {
                format!("[[fault]]\nat = \"{at}ms\"\nfor = \"{length}ms\"\n{text}\n")
            })
        })
    };
    let faults = (
        fault("kind = \"kms-errors\"\nshare = 0.5"),
        fault("kind = \"kms-outage\""),
        fault("kind = \"store-stall\""),
        fault("kind = \"key-disabled\"\nkey = 0"),
    )
        .prop_map(|(errors, outage, stall, disabled)| errors + &outage + &stall + &disabled);
    let head =
        any::<u32>().prop_map(|seed| format!("seed = {seed}\nwarm_up = \"200ms\"\nduration = \"1s\"\n"));
    let first = (head, arrival, mix, objects, layout, people);
    (first, kms, cache, s3, fleet, faults).prop_map(|((head, arrival, mix, objects, c, d), e, f, g, h, i)| {
        // Deletes need PUTs that make new objects.
        let mix = if objects.contains("overwrite") { mix.replace("DeleteObject", "# ") } else { mix };
        [head, arrival, mix, objects, c, d, e, f, g, h, i].concat()
    })
}

proptest! {
    // A case runs each mode twice: some 12,000 requests.
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn the_fast_lane_and_the_slow_way_give_the_same_rows_bit_for_bit(
        text in scenarios(),
        in_flight_max in prop_oneof![Just(5_usize), Just(100_000)],
    ) {
        let scenario = Scenario::parse(&text).unwrap();
        for mode in SseMode::ALL {
            let options = Options { in_flight_max, ..Options::default() };
            let (fast, fast_run) = simulate(&scenario, mode, &options);
            let (slow, slow_run) = simulate(&scenario, mode, &Options { run_ahead: false, ..options });
            prop_assert_eq!(fast_run, slow_run, "{}", mode);
            let (fast, slow) = (fast.sorted(), slow.sorted());
            let other = fast.iter().zip(&slow).find(|(fast, slow)| fast != slow);
            prop_assert!(other.is_none() && fast.len() == slow.len(), "{mode}: {other:?}");
        }
    }
}

#[test]
fn hits_on_a_warm_cache_are_most_of_a_run_so_that_the_lane_is_travelled() {
    let scenario = Scenario::default();
    for mode in [SseMode::KmsCached, SseMode::SseKmsBucketKey] {
        let (ledger, _) = simulate(&scenario, mode, &Options::default());
        let cached = ledger.outcomes.iter().filter(|row| row.key_source == KeySource::Cached).count();
        assert!(cached * 2 > ledger.outcomes.len(), "{mode}: {cached} of {}", ledger.outcomes.len());
    }
}
