//! The clock of a run: that of the machine, or one that stands still until it is set.

use std::time::Duration;

use crate::client::boot_nanos;
use crate::report::{Distribution, Percentiles};
use crate::rig::Cost;
use crate::units::{Span, Timestamp};

/// How long before an instant the driver stops sleeping and spins. A sleep ends 80 µs late in the middle and 113 µs at the
/// 99th percentile; nearer, and the machine's naps would show as lag (docs/METHODOLOGY.md).
pub const SPIN_AHEAD: Span = Span::from_micros(60);

/// How long the noise of the machine is measured before a run.
pub const NOISE_PROBE: Span = Span::from_millis(200);

/// Between two instants of the probe.
const NOISE_EVERY: Span = Span::from_micros(50);

/// Which clock a run is on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Time {
    /// `CLOCK_BOOTTIME`, from the start of the run.
    Real,
    /// A clock that jumps from event to event: sealing and opening take what is given here instead of what they took.
    Paused {
        /// Sealing and opening, one layer.
        crypto: Cost,
        /// The store.
        store: Cost,
    },
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Clock {
    /// Counts from this instant after the start of the machine.
    Real(u64),
    Paused(Timestamp),
}

impl Clock {
    pub(super) fn start(time: Time) -> Self {
        match time {
            Time::Real => Self::Real(boot_nanos()),
            Time::Paused { .. } => Self::Paused(Timestamp::ZERO),
        }
    }

    #[inline]
    pub(super) fn now(self) -> Timestamp {
        match self {
            Self::Real(origin) => Timestamp::from_nanos(boot_nanos().saturating_sub(origin)),
            Self::Paused(now) => now,
        }
    }

    /// How long to sleep before spinning to `instant`; nothing when it is near.
    pub(super) fn sleep_before(self, instant: Timestamp) -> Option<Duration> {
        let left = (instant - SPIN_AHEAD).since(self.now());
        (left > Span::ZERO).then(|| left.into())
    }

    /// [`noise`] for [`NOISE_PROBE`]; a paused clock has none.
    pub(super) fn noise(self) -> Percentiles {
        match self {
            Self::Real(_) => noise(NOISE_PROBE),
            Self::Paused(_) => Distribution::default().percentiles(),
        }
    }
}

/// The clock of a run, in nanoseconds since the start of the machine.
pub fn now() -> Timestamp {
    Timestamp::from_nanos(boot_nanos())
}

/// How late this machine runs a thread that for `length` does nothing but watch the clock, in nanoseconds: what no run on it
/// can be better than.
pub fn noise(length: Span) -> Percentiles {
    let mut lateness = Distribution::default();
    let start = now();
    let mut due = start + NOISE_EVERY;
    while due < start + length {
        let now = now();
        if now < due {
            std::hint::spin_loop();
            continue;
        }
        lateness.record(now.since(due));
        due = due + NOISE_EVERY;
    }
    lateness.percentiles()
}
