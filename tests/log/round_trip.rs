//! A simulated run written as AWS's logs, and read back: the KMS calls that the profile predicts are those that were made.

use crate::writer::{Logs, write};
use s3seal::request::{Operation, SseMode};
use s3seal::units::Span;
use s3seal::workload::log::{Account, Format, LogReader, Seen, Turn};
use s3seal::workload::profile::{AnonymiseKey, KmsCalls, Profile, ProfileOptions, Profiler};
use s3seal::workload::{ArrivalProcess, History, Mix, Retry, RetryPolicy, Scenario, ServiceTime, Stop};

const LIFETIME: Span = Span::from_seconds(10);

/// 20 requests a second for 45 s, evenly spaced, so that none runs into the next.
fn scenario() -> Scenario {
    let mut scenario = Scenario {
        mix: Mix {
            put_object: 0.3,
            get_object: 0.4,
            get_object_range: 0.1,
            head_object: 0.05,
            copy_object: 0.1,
            list_objects: 0.05,
            ..Mix::none()
        },
        arrival: ArrivalProcess::Constant { rate: 20.0 },
        stop: Stop::Duration(Span::from_seconds(45)),
        warm_up: Span::ZERO,
        retry: Retry { policy: Some(RetryPolicy::None), ..Retry::default() },
        // All existing objects under one Bucket Key.
        history: History { span: Span::from_millis(1), writers: 1, uses_per_key: 1 },
        ..Scenario::default()
    };
    // No call runs into the next request.
    let millis = Span::from_millis;
    scenario.kms.service_time = Some(ServiceTime { min: millis(1), median: millis(2), sigma: 0.0 });
    scenario.bucket_key.lifetime = Some(LIFETIME);
    scenario.objects.count = 200;
    scenario
}

/// The profile of a log before which the objects came to be as in [`scenario`].
pub(crate) fn profile_of(text: &str, format: &Format, assume: Option<SseMode>) -> Profile {
    let history = Span::from_millis(1);
    let options =
        ProfileOptions { assume, bucket_key_lifetime: LIFETIME, history, ..ProfileOptions::default() };
    profile_with(options, text, format)
}

/// The profile of a log that has no bad line.
pub(crate) fn profile_with(options: ProfileOptions, text: &str, format: &Format) -> Profile {
    let mut profiler = Profiler::new(options);
    profiler.file(format.name());
    let (mut account, mut seen) = (Account::default(), Seen::default());
    let mut reader = LogReader::open("log", text.as_bytes(), format).unwrap();
    loop {
        match reader.turn(&mut seen).unwrap() {
            Turn::Entry(entry) => {
                account.read += 1;
                profiler.record(&entry);
            }
            Turn::Duplicate => profiler.duplicate(),
            Turn::Again => {}
            Turn::End => return profiler.finish(&account),
            Turn::Bad(line) => panic!("{line:?}"),
        }
    }
}

fn cloudtrail(logs: &Logs) -> KmsCalls {
    profile_of(&logs.cloudtrail, &Format::CloudTrail, None).kms
}

fn sum(causes: &std::collections::BTreeMap<String, u64>) -> u64 {
    causes.values().sum()
}

/// Every call seen agrees or has a cause, and so has every call predicted.
pub(crate) fn check_books(kms: &KmsCalls) {
    assert_eq!(sum(&kms.seen), kms.agreed + sum(&kms.seen_not_predicted), "{kms:?}");
    if sum(&kms.seen) > 0 {
        assert_eq!(kms.predicted().likely, kms.agreed + sum(&kms.predicted_not_seen), "{kms:?}");
    }
    let predicted = kms.predicted();
    assert!(predicted.low <= predicted.likely && predicted.likely <= predicted.high, "{kms:?}");
}

#[test]
fn in_every_mode_the_calls_predicted_are_the_calls_made() {
    for mode in SseMode::ALL {
        let logs = write(&scenario(), mode);
        let kms = cloudtrail(&logs);
        check_books(&kms);
        assert_eq!(sum(&kms.seen), logs.kms_calls, "{mode}");
        if mode == SseMode::SseKmsBucketKey {
            // A lifetime of 10 s told in whole seconds is 10 % off at most, so may be the number of windows; and then the
            // cause is named.
            let apart = kms.predicted().likely.abs_diff(logs.kms_calls);
            assert!(apart * 10 <= logs.kms_calls, "{kms:?}");
            let causes: Vec<&String> =
                kms.seen_not_predicted.keys().chain(kms.predicted_not_seen.keys()).collect();
            assert!(causes.iter().all(|cause| cause.starts_with("Bucket Key ")), "{kms:?}");
        } else {
            assert_eq!(kms.predicted().likely, logs.kms_calls, "{mode}: {kms:?}");
            assert_eq!(kms.agreed, logs.kms_calls, "{mode}: {kms:?}");
        }
        let by_bucket_key = if mode == SseMode::SseKmsBucketKey { logs.kms_calls } else { 0 };
        assert_eq!(kms.seen_for_bucket_key, by_bucket_key, "{mode}");
        // What was there before the log has the mode that the others got by default: likely, and no more.
        assert!((kms.predicted().low..=kms.predicted().high).contains(&logs.kms_calls), "{mode}: {kms:?}");
        assert_eq!(kms.basis.contains_key("unknown"), mode == SseMode::SseC, "{mode}: {kms:?}");
        assert_eq!(kms.not_by_s3.is_empty(), mode != SseMode::KmsCached, "{mode}");
        if matches!(mode, SseMode::SseKms | SseMode::DsseKms) {
            assert!(logs.kms_calls > 700, "{mode}: {}", logs.kms_calls);
        }
    }
}

#[test]
fn the_access_log_of_the_same_run_predicts_the_same_when_the_mode_is_assumed() {
    for mode in [SseMode::SseKms, SseMode::SseKmsBucketKey, SseMode::DsseKms, SseMode::SseS3] {
        let logs = write(&scenario(), mode);
        let kms = profile_of(&logs.access, &Format::S3Access, Some(mode)).kms;
        let likely = kms.predicted().likely;
        if mode == SseMode::SseKmsBucketKey {
            // Its times are whole seconds and the Bucket Key of an object is not known: one window of each either way, of
            // five in 45 s, for writing and for reading.
            assert!(likely.abs_diff(logs.kms_calls) <= logs.kms_calls, "{likely} of {}", logs.kms_calls);
            assert!(kms.predicted().low <= logs.kms_calls && logs.kms_calls <= kms.predicted().high);
        } else {
            assert_eq!(likely, logs.kms_calls, "{mode}");
        }
        let unknown = profile_of(&logs.access, &Format::S3Access, None).kms.predicted();
        assert!(unknown.low <= logs.kms_calls && logs.kms_calls <= unknown.high, "{mode}: {unknown:?}");
    }
}

#[test]
fn older_bucket_keys_are_a_difference_with_its_cause() {
    // The existing objects stand under the Bucket Keys of a whole day, of which the log knows nothing.
    let old = Scenario {
        history: History { span: Span::from_seconds(86_400), writers: 1, uses_per_key: 1 },
        ..scenario()
    };
    let kms = cloudtrail(&write(&old, SseMode::SseKmsBucketKey));
    check_books(&kms);
    assert!(sum(&kms.seen) > kms.predicted().likely);
    let causes: Vec<&str> = kms.seen_not_predicted.keys().map(String::as_str).collect();
    assert_eq!(causes, ["Bucket Key fetched again sooner than assumed"]);
    assert!(sum(&kms.seen) <= kms.predicted().high);
}

#[test]
fn a_key_fetched_for_another_service_is_no_requests_own_and_a_refusal_by_kms_was_a_call() {
    let event = |second: u32, source: &str, name: &str, rest: &str| {
        format!(
            r#"{{"eventTime":"2026-11-24T12:00:0{second}Z","eventSource":"{source}.amazonaws.com","eventName":"{name}","requestParameters":{{{rest}}}}}"#
        )
    };
    let trail = r#""encryptionContext":{"aws:s3:arn":"arn:aws:s3:::b/k","aws:cloudtrail:arn":"x"}"#;
    let put = r#""bucketName":"b","key":"k","x-amz-server-side-encryption":"aws:kms","x-amz-server-side-encryption-bucket-key-enabled":"false""#;
    let log = event(1, "kms", "GenerateDataKey", trail) + "\n" + &event(2, "s3", "PutObject", put);
    let kms = profile_of(&log, &Format::CloudTrail, None).kms;
    assert_eq!((kms.agreed, kms.seen_not_predicted["key fetched by another service"]), (0, 1), "{kms:?}");
    check_books(&kms);
    let refused = "o b [24/Nov/2026:12:00:00 +0000] - r A REST.PUT.OBJECT k \"PUT /k\" 400 KMS.DisabledException 300 - 10 - \"-\" \"x\" -";
    let predicted = profile_of(refused, &Format::S3Access, None).kms.predicted();
    assert_eq!((predicted.low, predicted.likely, predicted.high), (1, 1, 1));
}

#[test]
fn throttled_requests_had_called_kms() {
    let mut tight = scenario();
    tight.kms.quota = Some(5);
    let logs = write(&tight, SseMode::SseKms);
    let kms = cloudtrail(&logs);
    check_books(&kms);
    assert!(kms.seen_failed > 100, "{}", kms.seen_failed);
    // A throttled copy ends with its first call, the second is predicted and not made: the only difference.
    assert!(kms.seen_not_predicted.is_empty(), "{kms:?}");
    let causes: Vec<&str> = kms.predicted_not_seen.keys().map(String::as_str).collect();
    assert_eq!(causes, ["failed request that had not called KMS"]);
}

#[test]
fn shards_merged_in_any_order_and_grouping_are_equal_and_counts_are_the_wholes() {
    let logs = write(&scenario(), SseMode::SseKms);
    let lines: Vec<&str> = logs.access.lines().collect();
    let part = |lines: &[&str]| profile_of(&lines.join("\n"), &Format::S3Access, Some(SseMode::SseKms));
    let third = lines.len() / 3;
    let parts = [part(&lines[..third]), part(&lines[third..2 * third]), part(&lines[2 * third..])];
    let merged = |order: [usize; 3], right_first: bool| {
        let [a, b, c] = order.map(|place| parts[place].clone());
        let (mut first, second, third) = if right_first { (b, c, a) } else { (a, b, c) };
        first.merge(&second).unwrap();
        let mut all = third;
        all.merge(&first).unwrap();
        all.to_json()
    };
    let one = merged([0, 1, 2], false);
    for order in [[0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
        assert_eq!(merged(order, false), one);
        assert_eq!(merged(order, true), one);
    }
    let whole = part(&lines);
    let merged = Profile::from_json(one.as_bytes()).unwrap();
    assert_eq!(merged.operations, whole.operations);
    assert_eq!(
        (merged.seconds.clone(), merged.series.clone()),
        (whole.seconds.clone(), whole.series.clone())
    );
    assert_eq!(merged.sizes, whole.sizes);
    assert_eq!(merged.objects.distinct(), whole.objects.distinct());
    assert_eq!(merged.kms.predicted(), whole.kms.predicted());
    // An empty profile changes nothing, and the written form is the same profile.
    let mut empty = Profile::default();
    empty.merge(&whole).unwrap();
    assert_eq!(empty.to_json(), whole.to_json());
    assert_eq!(Profile::from_json(whole.to_json().as_bytes()).unwrap().to_json(), whole.to_json());
}

#[test]
fn anonymised_shards_merge_like_named_ones_and_keep_no_name() {
    let logs = write(&scenario(), SseMode::SseKms);
    let lines: Vec<&str> = logs.access.lines().collect();
    let part = |lines: &[&str]| profile_of(&lines.join("\n"), &Format::S3Access, None);
    let (left, right) = lines.split_at(lines.len() / 2);
    let key = AnonymiseKey::new([7; 32]);
    let (mut a, mut b, mut whole) = (part(left), part(right), part(&lines));
    for profile in [&mut a, &mut b, &mut whole] {
        profile.anonymise(&key);
    }
    a.merge(&b).unwrap();
    assert_eq!(a.buckets.top(9).len(), 1);
    assert_eq!(a.objects.distinct(), whole.objects.distinct());
    let names = |profile: &Profile| {
        profile
            .top_objects
            .top(9)
            .iter()
            .map(|(name, share)| ((*name).to_owned(), share.requests))
            .collect::<Vec<_>>()
    };
    assert_eq!(names(&a), names(&whole));
    let text = a.to_json();
    for name in ["bucket-0000", "assumed-role", "copy-of", "p0000"] {
        assert!(!text.contains(name), "{name}");
    }
    let mut other = part(left);
    assert!(other.merge(&a).unwrap_err().to_string().contains("do not merge"));
    other.anonymise(&AnonymiseKey::new([8; 32]));
    assert!(other.merge(&a).is_err());
    assert_ne!(names(&other), names(&a));
}

#[test]
fn counts_by_operation_are_those_of_the_run_in_both_logs() {
    let logs = write(&scenario(), SseMode::SseKms);
    let trail = profile_of(&logs.cloudtrail, &Format::CloudTrail, None);
    let access = profile_of(&logs.access, &Format::S3Access, None);
    for operation in ["PutObject", "GetObject", "HeadObject", "CopyObject", "ListObjects"] {
        assert_eq!(
            trail.operations[operation].requests, access.operations[operation].requests,
            "{operation}"
        );
    }
    let copies = access.operations[Operation::CopyObject.as_str()].requests;
    assert_eq!(access.operations["CopyObject (source read)"].requests, copies);
    assert_eq!(trail.requests(), 900);
    assert!(trail.to_text(80).contains("KMS calls by S3, seen"));
}
