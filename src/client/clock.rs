//! The clock of the cache: that of the machine, or that of the runtime, which a test can pause.

use crate::units::{Span, Timestamp};

/// Where the cache reads the time. A copy is the same clock.
#[derive(Clone, Copy, Debug)]
pub struct Clock(Source);

#[derive(Clone, Copy, Debug)]
enum Source {
    Boot,
    Runtime(tokio::time::Instant),
}

impl Default for Clock {
    fn default() -> Self {
        Self::boot()
    }
}

impl Clock {
    /// `CLOCK_BOOTTIME`, so that keys age while the machine is suspended; where there is none, the monotonic clock.
    pub const fn boot() -> Self {
        Self(Source::Boot)
    }

    /// tokio's clock, from this call on: for tests under `#[tokio::test(start_paused = true)]`, where time passes at once
    /// and to the nanosecond.
    pub fn runtime() -> Self {
        Self(Source::Runtime(tokio::time::Instant::now()))
    }

    /// The time.
    #[inline]
    pub fn now(self) -> Timestamp {
        match self.0 {
            Source::Boot => Timestamp::from_nanos(boot_nanos()),
            Source::Runtime(origin) => {
                Timestamp::ZERO + Span::from(tokio::time::Instant::now().duration_since(origin))
            }
        }
    }
}

/// Nanoseconds since the start of the machine, suspensions included.
#[cfg(any(target_os = "linux", target_os = "android"))]
#[inline]
pub(crate) fn boot_nanos() -> u64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
    // Since the machine started: neither negative nor beyond 584 years.
    time.tv_sec.unsigned_abs().saturating_mul(crate::units::NANOS_PER_SECOND) + time.tv_nsec.unsigned_abs()
}

/// Elsewhere the monotonic clock, which may stand still while the machine sleeps.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
#[expect(clippy::disallowed_methods, reason = "client reads the clock")]
pub(crate) fn boot_nanos() -> u64 {
    use std::sync::OnceLock;
    use std::time::Instant;
    static ORIGIN: OnceLock<Instant> = OnceLock::new();
    Span::from(ORIGIN.get_or_init(Instant::now).elapsed()).as_nanos()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_clock_of_a_paused_runtime_moves_only_with_it() {
        let clock = Clock::runtime();
        assert_eq!(clock.now(), clock.now());
        tokio::time::advance(std::time::Duration::from_nanos(7)).await;
        assert_eq!(clock.now(), Timestamp::from_nanos(7));
    }

    #[test]
    fn the_clock_of_the_machine_does_not_go_back() {
        let before = Clock::boot().now();
        assert!(Clock::boot().now() >= before);
    }
}
