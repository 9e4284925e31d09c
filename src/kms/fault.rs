//! Faults on a schedule: what goes wrong, and from when to when.

use rand_core::Rng;

use super::key::{Change, KeyIndex};
use super::quota::QuotaError;
use crate::units::{Span, Stream, Timestamp};

/// Something that goes wrong at a known time. Windows hold from `from` to before `until`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// KMS does not answer; each call fails after `gives_up_after`, the time-out of whoever waits.
    Outage {
        /// Its first instant.
        from: Timestamp,
        /// The first instant after it.
        until: Timestamp,
        /// When the caller stops waiting.
        gives_up_after: Span,
    },
    /// KMS answers slowly: service times are multiplied by `slower_per_mille` / 1,000.
    BrownOut {
        /// Its first instant.
        from: Timestamp,
        /// The first instant after it.
        until: Timestamp,
        /// 1,000 for no change, 3,000 for three times as long.
        slower_per_mille: u32,
    },
    /// Admitted calls fail with `KMSInternalException`, `failed_per_mille` of 1,000 at random.
    ErrorBurst {
        /// Its first instant.
        from: Timestamp,
        /// The first instant after it.
        until: Timestamp,
        /// 0 to 1,000.
        failed_per_mille: u32,
    },
    /// A key changes without a call of the run: disabled, deleted, its store disconnected.
    KeyChange {
        /// The key.
        key: KeyIndex,
        /// When.
        at: Timestamp,
        /// What happens to it; nothing where its state of that moment does not allow it.
        change: Change,
    },
    /// An account's quota of the cryptographic operations changes.
    QuotaChange {
        /// The account.
        account: String,
        /// When.
        at: Timestamp,
        /// The quota from then on.
        per_second: u32,
    },
}

impl Fault {
    /// Refuses a window that ends before it begins, and more failures than calls.
    pub(super) fn check(&self) -> Result<(), QuotaError> {
        let refuse = |field, value: String, expected| Err(QuotaError { field, value, expected });
        match self {
            Self::Outage { from, until, .. }
            | Self::BrownOut { from, until, .. }
            | Self::ErrorBurst { from, until, .. }
                if until <= from =>
            {
                refuse("until", until.to_string(), "an instant after `from`")
            }
            Self::BrownOut { slower_per_mille: 0, .. } => {
                refuse("slower per mille", "0".into(), "at least 1; 1000 is the usual speed")
            }
            Self::ErrorBurst { failed_per_mille, .. } if *failed_per_mille > 1_000 => {
                refuse("failed per mille", failed_per_mille.to_string(), "0 to 1000")
            }
            _ => Ok(()),
        }
    }
}

/// The windows among the faults.
#[derive(Clone, Debug, Default)]
pub(super) struct FaultWindows(Vec<Window>);

#[derive(Clone, Copy, Debug)]
struct Window {
    from: Timestamp,
    until: Timestamp,
    effect: Effect,
}

#[derive(Clone, Copy, Debug)]
enum Effect {
    Unanswered(Span),
    Slower(u32),
    Failing(u32),
}

impl FaultWindows {
    /// Adds an outage, a brown-out or an error burst; gives any other fault back.
    pub(super) fn add(&mut self, fault: Fault) -> Option<Fault> {
        let (from, until, effect) = match fault {
            Fault::Outage { from, until, gives_up_after } => {
                (from, until, Effect::Unanswered(gives_up_after))
            }
            Fault::BrownOut { from, until, slower_per_mille } => {
                (from, until, Effect::Slower(slower_per_mille))
            }
            Fault::ErrorBurst { from, until, failed_per_mille } => {
                (from, until, Effect::Failing(failed_per_mille))
            }
            other => return Some(other),
        };
        self.0.push(Window { from, until, effect });
        None
    }

    fn at(&self, now: Timestamp) -> impl Iterator<Item = Effect> {
        self.0.iter().filter(move |w| w.from <= now && now < w.until).map(|w| w.effect)
    }

    /// How long a caller waits in vain, in an outage.
    pub(super) fn unanswered(&self, now: Timestamp) -> Option<Span> {
        self.at(now).find_map(|effect| match effect {
            Effect::Unanswered(wait) => Some(wait),
            _ => None,
        })
    }

    /// Whether an admitted call fails; takes one number from the stream for each burst at `now`.
    pub(super) fn fails(&self, now: Timestamp, stream: &mut Stream) -> bool {
        self.at(now).fold(false, |failed, effect| match effect {
            Effect::Failing(per_mille) => stream.next_u64() % 1_000 < per_mille.into() || failed,
            _ => failed,
        })
    }

    /// `span` as the brown-outs at `now` stretch it.
    pub(super) fn stretch(&self, span: Span, now: Timestamp) -> Span {
        self.at(now).fold(span, |span, effect| match effect {
            Effect::Slower(per_mille) => {
                Span::from_nanos(span.saturating_mul(per_mille.into()).as_nanos() / 1_000)
            }
            _ => span,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::Seed;

    #[test]
    fn windows_hold_from_their_first_instant_to_before_their_last_and_add_up() {
        let mut faults = FaultWindows::default();
        let (from, until) = (Timestamp::from_seconds(1), Timestamp::from_seconds(2));
        let slow = Fault::BrownOut { from, until, slower_per_mille: 1_500 };
        assert_eq!(faults.add(slow.clone()), None);
        assert_eq!(faults.add(slow), None);
        faults.add(Fault::Outage { from, until, gives_up_after: Span::from_seconds(5) });
        let stretched = |at| faults.stretch(Span::from_millis(4), at);
        assert_eq!(stretched(from - Span::from_nanos(1)), Span::from_millis(4));
        assert_eq!((stretched(from), stretched(until)), (Span::from_millis(9), Span::from_millis(4)));
        assert_eq!((faults.unanswered(from), faults.unanswered(until)), (Some(Span::from_seconds(5)), None));
    }

    #[test]
    fn a_burst_fails_its_share() {
        let mut faults = FaultWindows::default();
        let until = Timestamp::MAX;
        faults.add(Fault::ErrorBurst { from: Timestamp::ZERO, until, failed_per_mille: 250 });
        let mut stream = Seed(1).stream("fault", 0);
        let failed = (0..10_000).filter(|_| faults.fails(Timestamp::ZERO, &mut stream)).count();
        // Binomial(10,000, ¼): four standard deviations are 173.
        assert!(failed.abs_diff(2_500) < 173, "{failed}");
    }
}
