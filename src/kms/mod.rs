//! AWS KMS as S3 and client libraries meet it, as a function of time: keys, quota, service time, faults, audit.

// `word` names its atomics through here, so that the loom test can put loom's in their place.
use std::sync::atomic;

mod error;
mod timeline;
mod lifecycle;
mod key;
mod word;
mod background;
mod refill;
mod quota;
mod quota_table;
mod normal;
mod service_time;
mod fault;
mod authorisation;
mod wrap;
mod call;
mod model;
mod backoff;
mod audit;

pub use audit::{Event, Trail};
pub use authorisation::authorise;
pub use background::Background;
pub use backoff::{Attempts, Failure, GiveUp, Jitter, Retry, RetryBudget, RetryCost, RetryPolicy};
pub use call::{Answer, Call, Connection, Granted, Operation, Reply};
pub use error::{AwsError, KmsError, LimitedResource};
pub use fault::Fault;
pub use key::{
    Change, Grantee, Key, KeyIndex, KeyKind, KeyState, MaterialId, ON_DEMAND_ROTATIONS_MAX, PENDING_DAYS,
    ROTATION_DAYS, StoreIndex,
};
pub use lifecycle::RotationStatus;
pub use model::{KEYS_PER_ACCOUNT_MAX, Model};
pub use quota::{Pool, QUOTA_MAX, QuotaError, ThrottleRule, Throttled};
pub use quota_table::{Confidence, Quota};
pub use service_time::{Preset, ServiceTime, ServiceTimeError, ServiceTimes};
pub use wrap::{BlobHeader, Keyring, PLAINTEXT_BYTES_MAX, WrapError};
