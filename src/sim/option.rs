//! What a run is told beyond its scenario, and what it gives back.

use crate::cache::Metrics;
use crate::rig::{CRYPTO_COST, Cost, RigError, STORE_COST};
use crate::units::Timestamp;

/// Most requests in flight when nothing else is asked: what is due beyond it is dropped and counted. An assumption, in
/// the order of the sockets that a few large machines keep open.
pub const IN_FLIGHT_MAX_DEFAULT: usize = 100_000;

/// What a run does beyond its scenario.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// KMS quota in place of the scenario's.
    pub quota: Option<u64>,
    /// Most requests in flight; a closed loop has no more than it has clients.
    pub in_flight_max: usize,
    /// A closed loop: so many clients, each of which sends its next request when the last one has ended; then due times are
    /// not those of the schedule. None: the open loop of the scenario. A closed loop hides the delay that requests would
    /// have met which it did not send.
    pub concurrency: Option<u32>,
    /// Which part of the arrivals this run sends, of how many: the schedule of the whole goes on underneath, so that parts
    /// together send exactly what one run would. None: all.
    pub shard: Option<(u32, u32)>,
    /// Whether requests that have their keys are finished at once, which is faster and gives the same rows.
    pub run_ahead: bool,
    /// Sealing and opening, one layer.
    pub crypto: Cost,
    /// The store.
    pub store: Cost,
}

impl Options {
    /// Whether a run can be made with them.
    ///
    /// # Errors
    /// [`RigError`] for no request in flight, a closed loop without a client, and a shard beyond the number of shards.
    pub fn check(&self) -> Result<(), RigError> {
        let refuse = |field: &str, value: String, expected: &str| {
            Err(RigError { field: field.into(), value, expected: expected.into() })
        };
        if self.in_flight_max == 0 {
            return refuse("in_flight_max", "0".into(), "at least 1 request");
        }
        if self.concurrency == Some(0) {
            return refuse("concurrency", "0".into(), "at least 1 client");
        }
        match self.shard {
            Some((index, of)) if index >= of => {
                refuse("shard", format!("{index}/{of}"), "an index from 0, less than the number of shards")
            }
            _ => Ok(()),
        }
    }
}

impl Default for Options {
    fn default() -> Self {
        Self {
            quota: None,
            in_flight_max: IN_FLIGHT_MAX_DEFAULT,
            concurrency: None,
            shard: None,
            run_ahead: true,
            crypto: CRYPTO_COST,
            store: STORE_COST,
        }
    }
}

/// What is known after a run beside its rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Run {
    /// The start of the measured part.
    pub measured_from: Timestamp,
    /// Its end by the schedule; of a run of so many operations, the due time of the last.
    pub measured_until: Timestamp,
    /// When the last request ended.
    pub ended: Timestamp,
    /// Requests, dropped ones included.
    pub requests: u64,
    /// Calls that KMS was sent.
    pub kms_calls: u64,
    /// Quota in calls per second.
    pub quota_per_s: u32,
    /// What the caches counted.
    pub cache: Metrics,
    /// What the reader should be told about the quota.
    pub note: Option<String>,
}
