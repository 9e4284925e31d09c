//! Claims of the report: what it costs to record one row.
#![allow(clippy::cast_possible_truncation)]

use hdrhistogram::Histogram;
use rand_core::Rng;
use s3seal::report::{Phase, Recorder, Window};
use s3seal::request::{Ending, KeySource, Operation, Outcome};
use s3seal::units::{Seed, Span, Timestamp};

use crate::board::{Board, Goal, time};

/// Rows that are gone through in turn: enough that no branch is learnt by heart.
const ROWS: usize = 1 << 16;

pub fn run(board: &mut Board) {
    if !board.wants("report_record") {
        return;
    }
    let rows = rows();
    let window = Window { from: Timestamp::ZERO, until: Timestamp::MAX };
    let mut recorder = Recorder::new(window);
    let mut place = 0;
    let mut record = |n: u64| {
        time(n, || {
            recorder.record(&rows[place % ROWS]);
            place += 1;
        })
    };
    // The five spans of a row that are not zero (no lag, no S3 model, a wait in one of 50), each in a histogram.
    let mut bare: [Histogram<u64>; 5] =
        std::array::from_fn(|_| Histogram::new_with_max(64_000_000_000, 3).expect("constant"));
    let mut bare_place = 0;
    let mut record_bare = |n: u64| {
        time(n, || {
            let row = &rows[bare_place % ROWS];
            bare_place += 1;
            let service = row.finished.since(row.started);
            let spans = [row.finished.since(row.due), service, row.crypto, row.store, row.kms_wait];
            bare.iter_mut()
                .zip(spans)
                .for_each(|(histogram, span)| histogram.saturating_record(span.as_nanos()));
        })
    };
    let peer = "5 bare histogram records of the same row";
    board.cost("report_record", Goal::Shown, peer, &mut record, &mut record_bare);
    assert!(
        recorder.distribution(Operation::GetObject, Phase::Response, true).count() > 0,
        "rows were counted"
    );
    assert!(!bare[0].is_empty(), "rows were counted");
}

/// A warm cache: 80 % GET, 20 % PUT, 2 % of them wait for KMS, 1 % fail.
fn rows() -> Vec<Outcome> {
    let mut stream = Seed(1).stream("report_record", 0);
    let mut draw = |below: u64| stream.next_u64() % below;
    let row = |i: usize| {
        let due = Timestamp::from_nanos(i as u64 * 20_000);
        let (crypto, store) =
            (Span::from_nanos(1_000 + draw(9_000)), Span::from_nanos(100_000 + draw(900_000)));
        let waits = draw(50) == 0;
        let kms_wait = if waits { Span::from_nanos(3_000_000 + draw(2_000_000)) } else { Span::ZERO };
        Outcome {
            operation: if draw(5) == 0 { Operation::PutObject } else { Operation::GetObject },
            due,
            started: due,
            finished: due + crypto + store + kms_wait,
            kms_wait,
            crypto,
            store,
            s3: Span::ZERO,
            key_source: if waits { KeySource::Fetched } else { KeySource::Cached },
            kms_calls: waits.into(),
            throttles: 0,
            retries: 0,
            crypto_bytes: 16_384,
            s3_requests: 1,
            bytes: 16_384,
            bucket: draw(8) as u32,
            principal: draw(8) as u32,
            kms_key: 0,
            ending: if draw(100) == 0 { Ending::Throttled } else { Ending::Succeeded },
        }
    };
    (0..ROWS).map(row).collect()
}
