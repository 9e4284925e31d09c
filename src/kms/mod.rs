//! AWS KMS as S3 and client libraries meet it, as a function of time: keys, quota, service time, faults, audit.
//!
//! [`Model`] decides: who may, which material, admitted or throttled, and when the reply
//! comes. It knows no key bytes and no clock. [`Keyring`] wraps and unwraps with real keys and
//! decides nothing.
//!
//! ```
//! use s3seal::kms::{Answer, Call, Grantee, KeyKind, Model, Operation, Pool, Quota};
//! use s3seal::request::Principal;
//! use s3seal::units::{Seed, Timestamp};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let on = jiff::civil::date(2026, 11, 24);
//! let quota = Quota::for_region("eu-west-2", on)?;
//! assert_eq!(quota.per_second, 20_000);
//!
//! let mut model = Model::new("eu-west-2", on)?;
//! model.add_account("111122223333", Pool::new(quota.rule())?)?;
//! let arn = "arn:aws:kms:eu-west-2:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab".parse()?;
//! let allowed = vec![Grantee::Account("111122223333".into())];
//! let key = model.add_key(arn, KeyKind::Customer, allowed, Timestamp::ZERO)?;
//!
//! let (principal, mut stream) = (Principal::new("111122223333", "writer", ""), Seed(1).stream("kms", 0));
//! let call = Call::new(Operation::GenerateDataKey, key, &principal);
//! let reply = model.call(&call, Timestamp::from_seconds(1), &mut stream);
//! match reply.answer {
//!     Answer::Granted(granted) => assert_eq!(granted.material, 0),
//!     Answer::Throttled(throttled) => assert!(throttled.earliest > Timestamp::from_seconds(1)),
//!     Answer::Failed(error) => return Err(error.into()),
//! }
//! assert!(reply.reply_at > Timestamp::from_seconds(1));
//! # Ok(())
//! # }
//! ```

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
pub use call::{Answer, Call, Connection, Granted, Operation, Reply, Stray};
pub use error::{AwsError, KmsError, LimitedResource};
pub use fault::Fault;
pub use key::{
    Change, Grantee, Key, KeyIndex, KeyKind, KeyState, MaterialId, NewKey, ON_DEMAND_ROTATIONS_MAX,
    PENDING_DAYS, ROTATION_DAYS, StoreIndex,
};
pub use lifecycle::RotationStatus;
pub use model::{KEYS_PER_ACCOUNT_MAX, Model};
pub use quota::{Pool, QUOTA_MAX, QuotaError, ThrottleRule, Throttled};
pub use quota_table::{Confidence, Quota};
pub use service_time::{Preset, ServiceTime, ServiceTimeError, ServiceTimes};
pub use wrap::{BlobHeader, Keyring, PLAINTEXT_BYTES_MAX, WrapError};
