//! `Snapshot`: what a data-key cache did and holds; and the same through the `metrics` facade.

use crate::cache::Metrics;

/// What a [`DataKeyCache`](super::DataKeyCache) did since it was made, and what it holds now.
///
/// `encrypt.calls + decrypt.calls` is the number of calls that the service got, retries and throttled ones included: hold it
/// against the service's own count. Counters of one moment that many threads change need not fit each other to the last one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Snapshot {
    /// The reuse cache, for sealing: `GenerateDataKey`.
    pub encrypt: Metrics,
    /// The memo, for opening: `Decrypt`.
    pub decrypt: Metrics,
    /// Data keys kept for sealing.
    pub encrypt_keys: usize,
    /// Data keys kept for opening.
    pub decrypt_keys: usize,
    /// Requests that wait now.
    pub waiting: usize,
    /// Flights that somebody waits for now.
    pub flights: usize,
    /// Calls that KMS throttled.
    pub throttled: u64,
    /// Calls that KMS did not answer in time.
    pub timed_out: u64,
    /// Calls made again after a failure.
    pub retried: u64,
    /// Requests that waited until their deadline in vain.
    pub expired: u64,
}

impl Snapshot {
    /// KMS calls sent.
    pub const fn calls(&self) -> u64 {
        self.encrypt.calls + self.decrypt.calls
    }

    /// KMS calls that a call per use would have cost beyond those made.
    pub const fn calls_avoided(&self) -> u64 {
        self.encrypt.calls_avoided() + self.decrypt.calls_avoided()
    }
}

#[cfg(feature = "metrics")]
mod facade {
    use metrics::{counter, gauge};

    use super::super::DataKeyCache;
    use super::Snapshot;
    use crate::cache::{End, Metrics};

    impl DataKeyCache {
        /// Hands a [`Snapshot`] to the recorder of the `metrics` crate, labelled with `cache`: call it before each scrape.
        /// Hits thus cost nothing more.
        ///
        /// Counters: `s3seal_data_key_uses_total` by `operation` and `source` (hit, joined, own), `s3seal_kms_calls_total`
        /// and `s3seal_kms_calls_avoided_total` by `operation`, `s3seal_data_key_lookups_total` by `operation` and `answer`,
        /// `s3seal_data_key_ends_total` by `operation` and `cause`, `s3seal_kms_failures_total` by `cause`,
        /// `s3seal_kms_retries_total`, `s3seal_data_key_waits_expired_total`. Gauges: `s3seal_data_keys` by `operation`,
        /// `s3seal_data_key_waiting`, `s3seal_data_key_flights`.
        pub fn publish(&self, cache: &str) {
            self.snapshot().publish(cache);
        }
    }

    impl Snapshot {
        /// As [`DataKeyCache::publish`], of this moment.
        #[expect(clippy::cast_precision_loss, reason = "gauges are floats, and counts stay below 2⁵³")]
        pub fn publish(&self, cache: &str) {
            let sides = [
                ("GenerateDataKey", &self.encrypt, self.encrypt_keys),
                ("Decrypt", &self.decrypt, self.decrypt_keys),
            ];
            for (operation, metrics, keys) in sides {
                publish_side(cache, operation, metrics);
                gauge!("s3seal_data_keys", "cache" => cache.to_owned(), "operation" => operation)
                    .set(keys as f64);
            }
            for (cause, count) in [("throttled", self.throttled), ("timed_out", self.timed_out)] {
                counter!("s3seal_kms_failures_total", "cache" => cache.to_owned(), "cause" => cause)
                    .absolute(count);
            }
            counter!("s3seal_kms_retries_total", "cache" => cache.to_owned()).absolute(self.retried);
            counter!("s3seal_data_key_waits_expired_total", "cache" => cache.to_owned())
                .absolute(self.expired);
            gauge!("s3seal_data_key_waiting", "cache" => cache.to_owned()).set(self.waiting as f64);
            gauge!("s3seal_data_key_flights", "cache" => cache.to_owned()).set(self.flights as f64);
        }
    }

    fn publish_side(cache: &str, operation: &'static str, metrics: &Metrics) {
        let count = |name: &'static str, label: &'static str, value: &'static str, count: u64| {
            counter!(name, "cache" => cache.to_owned(), "operation" => operation, label => value)
                .absolute(count);
        };
        for (source, uses) in [("hit", metrics.hits), ("joined", metrics.resumed), ("own", metrics.own)] {
            count("s3seal_data_key_uses_total", "source", source, uses);
        }
        let answers = [
            ("hit", metrics.hits),
            ("miss", metrics.misses),
            ("joined", metrics.joins),
            ("refused", metrics.negative_hits),
            ("paced", metrics.paced),
        ];
        for (answer, lookups) in answers {
            count("s3seal_data_key_lookups_total", "answer", answer, lookups);
        }
        for end in End::ALL {
            let cause = match end {
                End::Age => "age",
                End::Bytes => "bytes",
                End::Capacity => "capacity",
                End::Invalidated => "invalidated",
                End::Refused => "refused",
                End::Replaced => "replaced",
                End::Uses => "uses",
            };
            count("s3seal_data_key_ends_total", "cause", cause, metrics.ended(end));
        }
        counter!("s3seal_kms_calls_total", "cache" => cache.to_owned(), "operation" => operation)
            .absolute(metrics.calls);
        counter!("s3seal_kms_calls_avoided_total", "cache" => cache.to_owned(), "operation" => operation)
            .absolute(metrics.calls_avoided());
    }
}
