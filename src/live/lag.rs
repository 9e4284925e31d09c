//! When the generator's own lag spoils a result.

use crate::report::Summary;
use crate::units::Span;

/// A request that cannot start this long after it was due is dropped and counted: released together with all that waited
/// behind it, it would be another load than the one asked for.
pub const LAG_MAX: Span = Span::from_millis(100);

/// A p99 of the lag below this never spoils a result: KMS answers in no less than about 3 ms.
pub const LAG_MATERIAL: Span = Span::from_millis(1);

/// A p99 of the lag that is one in this many of the p99 response time spoils it.
pub const LAG_SHARE: u64 = 10;

/// Why the figures of `run` may not be used: its p99 lag is more than [`LAG_MATERIAL`] and more than a tenth of its p99
/// response time, so that they say as much of this machine as of what was measured; or requests were dropped because the
/// generator was late.
pub fn spoiled(run: &Summary, late: u64) -> Option<String> {
    let (lag, response) = (run.phase_ns.lag.p99, run.response_time_ns.p99);
    if late > 0 {
        return Some(format!(
            "under {} {late} requests could not start within {LAG_MAX} of their due time: this machine does not hold the rate",
            run.mode
        ));
    }
    let spoils = lag > LAG_MATERIAL.as_nanos() && lag.saturating_mul(LAG_SHARE) > response;
    spoils.then(|| {
        format!(
            "under {} one request in 100 started {} or more after it was due, against a p99 response time of {}",
            run.mode,
            Span::from_nanos(lag),
            Span::from_nanos(response)
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::{Kind, Recorder, Run, Window};
    use crate::request::{Ending, KeySource, Operation, Outcome, SseMode};
    use crate::units::Timestamp;

    /// A run of one request with this lag and service time.
    fn run(lag: Span, service: Span) -> Summary {
        let window = Window { from: Timestamp::ZERO, until: Timestamp::from_seconds(1) };
        let mut recorder = Recorder::new(window);
        let (due, started) = (Timestamp::ZERO, Timestamp::ZERO + lag);
        recorder.record(&Outcome {
            operation: Operation::GetObject,
            due,
            started,
            finished: started + service,
            kms_wait: Span::ZERO,
            crypto: Span::ZERO,
            store: Span::ZERO,
            s3: Span::ZERO,
            key_source: KeySource::None,
            kms_calls: 0,
            throttles: 0,
            retries: 0,
            crypto_bytes: 0,
            s3_requests: 1,
            bytes: 0,
            bucket: 0,
            principal: 0,
            kms_key: 0,
            ending: Ending::Succeeded,
        });
        let (quota_per_s, concurrency) = (None, None);
        let facts =
            Run { mode: SseMode::SseKms, kind: Kind::Live, quota_per_s, until: window.until, concurrency };
        Summary::new(&recorder, &facts, |_| String::new())
    }

    #[test]
    fn lag_spoils_a_result_only_when_it_is_long_and_a_tenth_of_what_was_measured() {
        let (ms, us) = (Span::from_millis, Span::from_micros);
        assert_eq!(spoiled(&run(us(900), Span::ZERO), 0), None, "below 1 ms");
        assert_eq!(spoiled(&run(ms(5), ms(50)), 0), None, "less than a tenth");
        let reason = spoiled(&run(ms(5), ms(40)), 0).unwrap();
        assert!(reason.contains("sse-kms") && reason.contains("5 ms"), "{reason}");
        assert!(spoiled(&run(Span::ZERO, ms(1)), 3).unwrap().contains("3 requests"));
    }
}
