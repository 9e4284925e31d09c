//! Rows and runs that the tests of the report plant.

use s3seal::cost::{PriceBook, Terms};
use s3seal::report::*;
use s3seal::request::*;
use s3seal::units::{Seed, Span, Timestamp};

pub(crate) fn at_ms(millis: u64) -> Timestamp {
    Timestamp::from_millis(millis)
}

pub(crate) fn ms(millis: u64) -> Span {
    Span::from_millis(millis)
}

/// A GET due at `due` that starts at once and succeeds after 2 ms with a cached key.
pub(crate) fn get(due: Timestamp) -> Outcome {
    Outcome {
        operation: Operation::GetObject,
        due,
        started: due,
        finished: due + ms(2),
        kms_wait: Span::ZERO,
        crypto: Span::from_micros(3),
        store: Span::from_micros(900),
        s3: Span::ZERO,
        key_source: KeySource::Cached,
        kms_calls: 0,
        throttles: 0,
        retries: 0,
        crypto_bytes: 16_384,
        s3_requests: 1,
        bytes: 16_384,
        bucket: 0,
        principal: 0,
        kms_key: 0,
        ending: Ending::Succeeded,
    }
}

/// A call that is answered after 4 ms with what it asked for.
pub(crate) fn decrypt(sent: Timestamp) -> KmsCall {
    KmsCall {
        name: "Decrypt",
        cause: Some(Operation::GetObject),
        due: sent,
        sent,
        replied: sent + ms(4),
        answer: KmsAnswer::Granted,
        billed: true,
        bucket: 0,
        principal: 0,
        kms_key: 0,
    }
}

/// From second 2 on, 4 s long.
pub(crate) const WINDOW: Window =
    Window { from: Timestamp::from_seconds(2), until: Timestamp::from_seconds(6) };

pub(crate) fn run(mode: SseMode, kind: Kind, quota_per_s: Option<u64>) -> Run {
    Run { mode, kind, quota_per_s, until: Timestamp::MAX, concurrency: None }
}

pub(crate) fn named(member: Member) -> String {
    match member {
        Member::Bucket(0) => "logs".into(),
        Member::Bucket(n) => format!("bucket-{n}"),
        Member::Principal(n) => format!("111122223333:role/app-{n}"),
        Member::KmsKey(n) => format!("key/{n}"),
    }
}

/// Each request calls KMS; beyond `quota` in a second calls are throttled, tried again a second later, then given up.
pub(crate) fn sse_kms(per_second: u64, quota: u64) -> Recorder {
    let mut recorder = Recorder::new(WINDOW);
    for second in 0..6 {
        for i in 0..per_second {
            let due = at_ms(second * 1_000 + i * 1_000 / per_second);
            let call = KmsCall { bucket: u32::from(i % 4 == 0), principal: (i % 3) as u32, ..decrypt(due) };
            let row = Outcome {
                kms_wait: ms(4),
                finished: due + ms(6 + i % 7),
                key_source: KeySource::Fetched,
                kms_calls: 1,
                bucket: call.bucket,
                principal: call.principal,
                ..get(due)
            };
            if i < quota {
                recorder.record_call(&call);
                recorder.record(&row);
                continue;
            }
            let throttled =
                KmsCall { answer: KmsAnswer::Throttled, billed: false, replied: due + ms(1), ..call };
            recorder.record_call(&throttled);
            recorder.record_call(&KmsCall { sent: due + ms(1_000), replied: due + ms(1_001), ..throttled });
            let ending = Ending::Throttled;
            let finished = due + ms(1_002);
            let kms_wait = ms(1_002);
            recorder.record(&Outcome {
                finished,
                kms_wait,
                kms_calls: 2,
                throttles: 2,
                retries: 1,
                s3_requests: 0,
                crypto_bytes: 0,
                ending,
                ..row
            });
        }
    }
    recorder
}

/// Nobody waits for KMS but one in a hundred, and a refresh ahead each second.
pub(crate) fn warm(per_second: u64) -> Recorder {
    let mut recorder = Recorder::new(WINDOW);
    for second in 0..6 {
        for i in 0..per_second {
            let due = at_ms(second * 1_000 + i * 1_000 / per_second);
            if i % 100 == 0 {
                recorder.record_call(&decrypt(due));
                let row = Outcome { kms_wait: ms(4), finished: due + ms(6), kms_calls: 1, ..get(due) };
                recorder.record(&Outcome { key_source: KeySource::Fetched, ..row });
            } else {
                recorder.record(&get(due));
            }
        }
        let ahead = KmsCall { cause: None, name: "GenerateDataKey", ..decrypt(at_ms(second * 1_000 + 500)) };
        recorder.record_call(&ahead);
    }
    recorder
}

/// No KMS at all; one request in 200 never starts.
pub(crate) fn sse_s3(per_second: u64) -> Recorder {
    let mut recorder = Recorder::new(WINDOW);
    for second in 0..6 {
        for i in 0..per_second {
            let due = at_ms(second * 1_000 + i * 1_000 / per_second);
            let row = Outcome { key_source: KeySource::None, finished: due + ms(1 + i % 2), ..get(due) };
            let dropped = Outcome { ending: Ending::Dropped, finished: due, ..row };
            recorder.record(if i % 200 == 199 { &dropped } else { &row });
        }
    }
    recorder
}

/// October 2026 in us-east-1 with one key.
pub(crate) fn pricing() -> Pricing {
    Pricing {
        book: PriceBook::embedded(),
        terms: Terms::default(),
        region: "us-east-1".parse().unwrap(),
        month: "2026-10".parse().unwrap(),
        kms_keys: 1,
        rotations: 0,
    }
}

/// Four runs: SSE-S3, a throttled SSE-KMS, a Bucket Key, and SSE-KMS under a larger quota, simulated.
pub(crate) fn planted() -> Report {
    let of = |recorder: &Recorder, run: Run| Summary::new(recorder, &run, named);
    let runs = vec![
        of(&sse_s3(400), run(SseMode::SseS3, Kind::Live, None)),
        of(&sse_kms(400, 300), run(SseMode::SseKms, Kind::Live, Some(300))),
        of(&warm(400), run(SseMode::SseKmsBucketKey, Kind::Live, Some(300))),
        of(&sse_kms(400, 400), run(SseMode::SseKms, Kind::Simulated, Some(500))),
    ];
    let mut report = Report::new(Seed(42), "rate = 400\nduration = \"4s\"\n".into(), runs);
    report.s3seal = "0.1.0".into();
    report.commit = "0123456".into();
    report.machine = "two cores, \"fast\", shared".into();
    report.notes = vec!["A throttled call uses no quota: an assumption.".into()];
    report.price(&pricing()).unwrap();
    report
}
