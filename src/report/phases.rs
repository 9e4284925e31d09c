//! The distributions of a request's phases; the service time costs nothing while it is the response time.

use std::ops::Index;

use super::distribution::Distribution;
use super::recorder::Phase;
use crate::request::Outcome;
use crate::units::Span;

const COUNT: usize = Phase::ALL.len();
const RESPONSE: usize = Phase::Response as usize;
const SERVICE: usize = Phase::Service as usize;

/// A distribution per phase, in the order of [`Phase::ALL`].
///
/// Where nothing lags, as in a simulation, each service time is the response time: the two have one histogram until the first
/// request lags.
#[derive(Clone, Debug, Default)]
pub(super) struct Phases {
    each: [Distribution; COUNT],
    apart: bool,
}

impl Phases {
    /// Counts the phases of `row`.
    pub(super) fn record(&mut self, row: &Outcome) {
        let lag = row.started.since(row.due);
        if lag != Span::ZERO {
            self.set_apart();
        }
        let [response, service, lags, kms_wait, crypto, store, s3] = &mut self.each;
        response.record(row.finished.since(row.due));
        if self.apart {
            service.record(row.finished.since(row.started));
        }
        lags.record(lag);
        kms_wait.record(row.kms_wait);
        crypto.record(row.crypto);
        store.record(row.store);
        s3.record(row.s3);
    }

    /// Adds what `other` counted; the order of merges makes no difference.
    pub(super) fn merge(&mut self, other: &Self) {
        if other.apart {
            self.set_apart();
        }
        for (phase, ours) in self.each.iter_mut().enumerate() {
            if phase != SERVICE || self.apart {
                ours.merge(&other[phase]);
            }
        }
    }

    fn set_apart(&mut self) {
        if !self.apart {
            self.apart = true;
            self.each[SERVICE] = self.each[RESPONSE].clone();
        }
    }
}

impl Index<usize> for Phases {
    type Output = Distribution;

    fn index(&self, phase: usize) -> &Distribution {
        &self.each[if phase == SERVICE && !self.apart { RESPONSE } else { phase }]
    }
}

impl From<[Distribution; COUNT]> for Phases {
    fn from(each: [Distribution; COUNT]) -> Self {
        Self { each, apart: true }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request::{Ending, KeySource, Operation};
    use crate::units::Timestamp;

    fn row(lag: u64, service: u64) -> Outcome {
        let started = Timestamp::from_nanos(lag);
        Outcome {
            operation: Operation::GetObject,
            due: Timestamp::ZERO,
            started,
            finished: started + Span::from_nanos(service),
            kms_wait: Span::ZERO,
            crypto: Span::ZERO,
            store: Span::ZERO,
            s3: Span::ZERO,
            key_source: KeySource::None,
            kms_calls: 0,
            throttles: 0,
            retries: 0,
            bytes: 0,
            crypto_bytes: 0,
            s3_requests: 1,
            bucket: 0,
            principal: 0,
            kms_key: 0,
            ending: Ending::Succeeded,
        }
    }

    fn of(rows: &[Outcome]) -> Phases {
        let mut phases = Phases::default();
        for row in rows {
            phases.record(row);
        }
        phases
    }

    /// Whatever comes first, and however the parts are merged, each phase has what was recorded.
    #[test]
    fn the_service_time_is_kept_apart_from_the_first_lag_on() {
        let (prompt, late) = (row(0, 40), row(7, 20));
        let figures = |phases: &Phases| [RESPONSE, SERVICE].map(|at| (phases[at].count(), phases[at].sum));
        let whole = [(3, 107), (3, 100)];
        assert_eq!(figures(&of(&[prompt, prompt])), [(2, 80), (2, 80)]);
        assert_eq!(figures(&of(&[prompt, prompt, late])), whole);
        assert_eq!(figures(&of(&[late, prompt, prompt])), whole);
        for (mut ours, theirs) in [
            (of(&[prompt, prompt]), of(&[late])),
            (of(&[late]), of(&[prompt, prompt])),
            (of(&[prompt]), of(&[prompt, late])),
        ] {
            ours.merge(&theirs);
            assert_eq!(figures(&ours), whole);
        }
    }
}
