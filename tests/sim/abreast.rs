//! Abreast on several processors or one after the other on one: the same rows in the same order.

use rayon::ThreadPoolBuilder;
use s3seal::request::{KmsCall, Outcome, SseMode};
use s3seal::sim::{self, Options, Run, Sink};
use s3seal::workload::Scenario;

use crate::ledger::AROUND;

#[derive(Debug, PartialEq)]
enum Row {
    Ended(Outcome),
    Called(KmsCall),
}

/// Every row in the order in which it came; where `COSTLY`, said to be worth a processor of its own.
#[derive(Default)]
struct Diary<const COSTLY: bool>(Vec<Row>);

impl<const COSTLY: bool> Sink for Diary<COSTLY> {
    const IS_COSTLY: bool = COSTLY;

    fn outcome(&mut self, row: &Outcome) {
        self.0.push(Row::Ended(*row));
    }

    fn kms_call(&mut self, row: &KmsCall) {
        self.0.push(Row::Called(*row));
    }
}

fn run<const COSTLY: bool>(scenario: &Scenario, mode: SseMode, options: &Options) -> (Vec<Row>, Run) {
    let mut diary = Diary::<COSTLY>::default();
    let run = sim::run(scenario, mode, options, &mut diary).unwrap();
    (diary.0, run)
}

/// More arrivals than three steps have, and no whole number of steps; throttled and dropped requests, writes, deletes, a fleet.
#[test]
fn a_run_abreast_has_the_rows_of_one_on_a_single_thread_in_their_order() {
    let text = format!(
        "duration = \"2s\"\nwarm_up = \"500ms\"\n[mix]\nGetObject = 6\nPutObject = 3\nDeleteObject = 1\n[objects]\nputs = \"new\"\n[arrival]\n\
         process = \"poisson\"\nrate = 6000\n[kms]\nquota = 900\n{AROUND}"
    );
    let scenario = Scenario::parse(&text).unwrap();
    let one = ThreadPoolBuilder::new().num_threads(1).build().unwrap();
    for mode in SseMode::ALL {
        for options in [
            Options::default(),
            Options { run_ahead: false, ..Options::default() },
            Options { in_flight_max: 40, ..Options::default() },
            Options { concurrency: Some(20), ..Options::default() },
        ] {
            let plain = run::<false>(&scenario, mode, &options);
            assert!(
                options.concurrency.is_some() || plain.0.len() > 3 * 4_096,
                "{mode}: {} rows",
                plain.0.len()
            );
            assert!(run::<true>(&scenario, mode, &options) == plain, "{mode}, {options:?}");
            let alone = one.install(|| run::<true>(&scenario, mode, &options));
            assert!(alone == plain, "{mode}, {options:?}, in a pool");
        }
    }
}
