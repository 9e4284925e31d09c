//! AWS KMS as S3 and client libraries meet it, as a function of time: keys, quota, service time, faults, audit.

// `word` names its atomics through here, so that the loom test can put loom's in their place.
use std::sync::atomic;

mod timeline;
mod word;
mod background;
mod refill;
mod quota;
mod quota_table;

pub use background::Background;
pub use quota::{Pool, QUOTA_MAX, QuotaError, ThrottleRule, Throttled};
pub use quota_table::{Confidence, Quota};
