//! From a scenario to the parts that a run is made of: KMS model, cache rules, retry policy, jobs, modelled times.
//!
//! The one place where a scenario's plain values become the types of other rooms, so that `sim` and `live` run the same
//! thing. A value that its room refuses is named as in the scenario ([`RigError`]). What a scenario leaves out gets its
//! default here: each is documented where it stands.
//!
//! [`RigError`]: crate::rig::RigError

mod error;
mod setting;
mod kms;
mod job;
mod time;
mod event_queue;
mod slab;
mod shard;

pub(crate) use event_queue::EventQueue;
pub(crate) use slab::{Place, Slab};

pub use error::RigError;
pub use job::{directory, job};
pub use kms::{Kms, OUTAGE_GIVES_UP_AFTER, QUOTA_DATE, kms};
pub use setting::{CACHE_MAX_AGE_DEFAULT, key_lifetime, rules, settings};
pub use shard::shard;
pub use time::{CRYPTO_COST, Cost, S3Times, STORE_COST, Stalls};
