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
