//! The async data-key cache against a service that the test scripts, the KMS model, stores, and stubs of AWS KMS and of Vault.
#![allow(clippy::disallowed_methods, reason = "threads and clocks belong to what is tested")]
#![allow(clippy::cast_possible_truncation, reason = "lengths of bodies in memory")]

mod stub;
mod flight;
mod deadline;
mod failure;
mod revocation;
mod stress;
mod interleaving;
mod envelope;
mod store;
#[path = "../../examples/vault_transit/transit.rs"]
mod transit;
mod vault;
#[cfg(feature = "aws")]
mod wire;
#[cfg(feature = "aws")]
mod aws;
#[cfg(feature = "metrics")]
#[path = "../../examples/metrics/recorder.rs"]
mod recorder;
#[cfg(feature = "metrics")]
mod scrape;
