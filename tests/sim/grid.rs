//! The grid against the simulator: cell by cell the same counts, flights and all, or a reason why there are none.

use proptest::prelude::*;
use s3seal::request::SseMode;
use s3seal::sim::{Counts, Inexact, Limits, Options, grid, measure};
use s3seal::units::{Seed, Span};
use s3seal::workload::{Scenario, ServiceTime, Source, Stop};

use crate::ledger::simulate;

/// What the simulator counts under `limits` and `quota`: the same counts where it has them, and whether a call was throttled.
fn simulated(source: &Source, limits: Limits, quota: u64) -> (Counts, bool) {
    let limited = source
        .under(|scenario| {
            (scenario.cache.max_age, scenario.cache.max_uses) = (Some(limits.max_age), Some(limits.max_uses));
        })
        .unwrap();
    let options = Options { quota: Some(quota), ..Options::default() };
    let measured = measure(&limited, SseMode::KmsCached, &options).unwrap();
    let (cache, kms, summary) = (&measured.run.cache, &measured.summary.kms, &measured.summary);
    let seconds = measured.summary.measured_ns;
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "small"
    )]
    let in_window = (kms.calls_per_s * seconds as f64 / 1e9).round() as u64;
    let counts = Counts {
        hits: cache.hits,
        resumed: cache.resumed,
        misses: cache.misses,
        joins: cache.joins,
        calls: measured.run.kms_calls,
        measured_calls: kms.calls,
        calls_in_window: in_window,
        billed_in_window: kms.billed_in_window.unwrap(),
        peak_calls_per_s: kms.peak_calls_per_s,
        measured_ns: summary.measured_ns,
        offered: summary.offered,
        ..Counts::default()
    };
    // In the warm-up as well.
    (counts, summary.series.iter().any(|second| second.throttled > 0))
}

/// `counts` without what the simulator does not count.
fn shared(counts: &Counts) -> Counts {
    let (sealed_bytes, objects_per_key, bytes_per_key) = (0, 0, 0);
    Counts { sealed_bytes, objects_per_key, bytes_per_key, unthrottled: Vec::new(), ..counts.clone() }
}

const QUOTAS: [u64; 2] = [40, 100_000];

/// Compares every cell; gives how many had counts.
pub(crate) fn compare(source: &Source, limits: &[Limits]) -> usize {
    let cells = grid(source, &Options::default(), limits, &QUOTAS).unwrap();
    assert_eq!(cells.len(), limits.len());
    let mut exact = 0;
    for (limits, cell) in limits.iter().zip(&cells) {
        let Ok(counts) = cell else { continue };
        exact += 1;
        for quota in QUOTAS {
            let (of_run, throttled) = simulated(source, *limits, quota);
            assert_eq!(counts.unthrottled.contains(&quota), !throttled, "{limits:?} under {quota}");
            if !throttled {
                assert_eq!(shared(counts), of_run, "{limits:?} under {quota}");
            }
        }
        assert!(counts.objects_per_key <= limits.max_uses);
    }
    exact
}

/// Traffic of a few seconds in which keys run out of age and uses, many wait at once, and objects change their keys.
fn scenarios() -> impl Strategy<Value = String> {
    let mix = (5_u32..60, 1_u32..40, 0_u32..10, 0_u32..4, 0_u32..3, any::<bool>()).prop_map(
        |(get, put, copy, upload, delete, new)| {
            let (puts, deletes) = if new { ("new", delete.min(put)) } else { ("overwrite", 0) };
            format!(
                "[mix]\nGetObject = {get}\nPutObject = {put}\nCopyObject = {copy}\nMultipartUpload = {upload}\nHeadObject = 3\n\
                 DeleteObject = {deletes}\n[objects]\nputs = \"{puts}\"\n"
            )
        },
    );
    let objects = (10_u32..200, 0_u32..300)
        .prop_map(|(count, ms)| format!("count = {count}\nvisible_after = \"{ms}ms\"\n"));
    let arrival = prop_oneof![
        Just("process = \"poisson\"\nrate = 900"),
        Just("process = \"constant\"\nrate = 1000"),
        Just("process = \"burst\"\nrate = 500\npeak = 8\nquiet = \"200ms\"\nbusy = \"50ms\""),
    ]
    .prop_map(|text| format!("[arrival]\n{text}\n"));
    let around = (1_u32..3, 1_u32..4, 1_u32..4, 1_u32..3, 1_u32..5, 1_u32..4).prop_map(
        |(buckets, keys, roles, sessions, uses, hosts)| {
            format!(
                "[layout]\nbuckets = {buckets}\nprefixes = 2\nkms_keys = {keys}\n[principals]\nroles = {roles}\nsessions = {sessions}\n\
                 [history]\nspan = \"1h\"\nwriters = {roles}\nuses_per_key = {uses}\n[fleet]\nhosts = {hosts}\n"
            )
        },
    );
    let cache =
        (prop_oneof![Just(100_u32), Just(20), Just(1_000_000)], 0_usize..3).prop_map(|(capacity, scope)| {
            let scope = ["account", "role", "session"][scope];
            format!("[cache]\ncapacity = {capacity}\nscope = \"{scope}\"\n")
        });
    let s3 = (0_usize..3)
        .prop_map(|time| format!("[s3]\nservice_time = \"{}\"\n", ["none", "standard", "express"][time]));
    let kms = prop_oneof![
        Just(""),
        Just("[kms]\nbackground = 7.0\n"),
        Just("[kms]\nthrottle_rule = \"token-bucket\"\n"),
        Just("[[fault]]\nat = \"300ms\"\nfor = \"400ms\"\nkind = \"kms-brown-out\"\nfactor = 3.0\n"),
        Just("[[fault]]\nat = \"300ms\"\nfor = \"100ms\"\nkind = \"kms-outage\"\n"),
    ];
    let head =
        (any::<u32>(), prop_oneof![Just("0s"), Just("300ms"), Just("1s")]).prop_map(|(seed, warm_up)| {
            format!("seed = {seed}\nwarm_up = \"{warm_up}\"\nduration = \"1500ms\"\n")
        });
    (head, arrival, (mix, objects), around, cache, s3, kms).prop_map(|(a, b, (c, d), e, f, g, h)| {
        [&a, &b, &c, &d, &e, &f, &g, h].map(ToString::to_string).concat()
    })
}

pub(crate) fn limits() -> impl Strategy<Value = Vec<Limits>> {
    let one = (prop_oneof![5_u64..60, 60_u64..2_000], prop_oneof![1_u64..6, 6_u64..80, Just(1 << 32)])
        .prop_map(|(ms, max_uses)| Limits { max_age: Span::from_millis(ms), max_uses });
    prop::collection::vec(one, 1..5)
}

proptest! {
    // A case runs each of up to four cells twice: some 20,000 requests.
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn every_cell_counts_what_the_simulator_counts(text in scenarios(), limits in limits()) {
        let scenario = Scenario::parse(&text).unwrap_or_else(|error| panic!("{error}\n{text}"));
        compare(&Source::Scenario(scenario), &limits);
    }
}

/// 200 objects, fifty at a time under a key, read and written by two hosts.
fn plain() -> Scenario {
    Scenario::parse(
        "warm_up = \"1s\"\nduration = \"3s\"\n[arrival]\nrate = 2000\n[objects]\ncount = 200\nsize = { law = \"fixed\", bytes = \"4KiB\" }\n[history]\nuses_per_key = 50\n\
         [fleet]\nhosts = 2\n[cache]\ncapacity = 100000",
    )
    .unwrap()
}

/// Every pair of `ages` in milliseconds and `uses`.
pub(crate) fn every(ages: &[u64], uses: &[u64]) -> Vec<Limits> {
    let pairs = ages.iter().flat_map(|ms| uses.iter().map(move |uses| (*ms, *uses)));
    pairs.map(|(ms, max_uses)| Limits { max_age: Span::from_millis(ms), max_uses }).collect()
}

#[test]
fn where_a_cache_is_large_enough_every_cell_has_counts_down_to_one_use_per_key() {
    let limits = every(&[400, 900, 10_000], &[1, 7, 1_000]);
    assert_eq!(compare(&Source::Scenario(plain()), &limits), limits.len());
}

#[test]
fn more_age_and_more_uses_never_cost_more_calls_and_bytes_follow_the_objects() {
    let limits = every(&[400, 800, 1_600], &[2, 20, 200]);
    let cells = grid(&Source::Scenario(plain()), &Options::default(), &limits, &[]).unwrap();
    let cells: Vec<Counts> = cells.into_iter().map(Result::unwrap).collect();
    for (a, of_a) in limits.iter().zip(&cells) {
        for (b, of_b) in limits.iter().zip(&cells) {
            if a.max_age <= b.max_age && a.max_uses <= b.max_uses {
                // Fetches that overlap may come out either way; 2 % of them.
                assert!(of_b.calls * 100 <= of_a.calls * 102, "{a:?}: {}, {b:?}: {}", of_a.calls, of_b.calls);
            }
        }
        assert_eq!(of_a.bytes_per_key, of_a.objects_per_key * 4_096, "every object has 4 KiB");
    }
    assert_eq!(cells[0].objects_per_key, 2);
    // Every PUT was sealed once, as the rows say.
    let (ledger, _) = simulate(&plain(), SseMode::SseS3, &Options::default());
    let puts =
        ledger.outcomes.iter().filter(|row| row.operation == s3seal::request::Operation::PutObject).count();
    assert!(cells.iter().all(|cell| cell.sealed_bytes == 4_096 * puts as u128), "{puts} PUTs");
}

#[test]
fn what_only_a_run_follows_is_named_and_never_guessed() {
    let limits = every(&[500], &[100]);
    let only = |change: &dyn Fn(&mut Scenario), options: Options| {
        let mut scenario = plain();
        change(&mut scenario);
        scenario.validate().unwrap();
        grid(&Source::Scenario(scenario), &options, &limits, &[]).unwrap().remove(0).err()
    };
    let usual = Options::default();
    assert_eq!(only(&|_| (), usual), None);
    assert_eq!(only(&|scenario| scenario.cache.capacity = Some(3), usual), Some(Inexact::Capacity));
    let denied = |scenario: &mut Scenario| (scenario.principals.roles, scenario.kms.denied_roles) = (2, 1);
    assert_eq!(only(&denied, usual), Some(Inexact::Refused));
    let slow = |scenario: &mut Scenario| {
        let median = Span::from_millis(501);
        scenario.kms.service_time = Some(ServiceTime { min: median, median, sigma: 0.0 });
    };
    assert_eq!(only(&slow, usual), Some(Inexact::Late));
    let few = Options { in_flight_max: 50, ..usual };
    assert_eq!(only(&|_| (), few), Some(Inexact::InFlight));
    let scenario = Some(Inexact::Scenario("refreshes ahead"));
    assert_eq!(
        only(&|scenario| scenario.cache.refresh_after = Some(Span::from_millis(100)), usual),
        scenario
    );
    let closed = Options { concurrency: Some(4), ..usual };
    assert_eq!(only(&|_| (), closed), Some(Inexact::Scenario("a closed loop")));
}

#[test]
fn a_run_of_so_many_operations_and_other_seeds_agree_as_well() {
    for seed in [1, 2, 3] {
        let scenario = Scenario { stop: Stop::Operations(5_000), seed: Seed(seed).0, ..plain() };
        assert_eq!(compare(&Source::Scenario(scenario), &every(&[400, 900], &[1, 30])), 4);
    }
}
