//! The async data-key cache against a service that the test scripts, the KMS model, stores, and a stub of AWS KMS.
#![allow(clippy::disallowed_methods, reason = "threads and clocks belong to what is tested")]
#![allow(clippy::cast_possible_truncation, reason = "lengths of bodies in memory")]

mod stub;
mod flight;
mod failure;
mod revocation;
mod stress;
mod envelope;
mod store;
#[cfg(feature = "aws")]
mod wire;
#[cfg(feature = "aws")]
mod aws;
#[cfg(feature = "metrics")]
#[path = "../../examples/metrics/recorder.rs"]
mod recorder;
#[cfg(feature = "metrics")]
mod scrape;
