//! The noisy neighbour: load on a pool that is known by its rate and not simulated call by call.

use std::sync::Arc;

use crate::units::{NANOS_PER_SECOND, Timestamp};

/// Load that shares a pool with the calls of a run: other services and accounts' roles on the same quota.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Background {
    /// Nobody else.
    #[default]
    None,
    /// Units a second, evenly spread.
    Constant(u32),
    /// Units in each second from the start of the clock, evenly spread within it; nothing after the last.
    Series(Arc<[u32]>),
}

impl Background {
    /// Whether there is never any load.
    pub(super) fn is_none(&self) -> bool {
        matches!(self, Self::None)
    }

    /// Units a second in the second of `now`.
    pub(super) fn rate(&self, now: Timestamp) -> u32 {
        match self {
            Self::None => 0,
            Self::Constant(rate) => *rate,
            Self::Series(series) => {
                usize::try_from(now.second()).ok().and_then(|s| series.get(s)).copied().unwrap_or(0)
            }
        }
    }

    /// Units offered from the start of the second of `now` until `now`: ⌊rate × elapsed⌋.
    pub(super) fn offered(&self, now: Timestamp) -> u64 {
        u64::from(self.rate(now)) * (now.as_nanos() % NANOS_PER_SECOND) / NANOS_PER_SECOND
    }
}
