//! s3seal tells you, before you deploy, what S3 server-side encryption will do to your latency, your KMS quota and
//! your bill; its data-key cache is the part you keep and run.
//!
//! The rooms, in the order of their dependencies (docs/ARCHITECTURE.md):

/// Numbers with units: time, bytes, seeds.
pub mod units;
/// The object format: keys, contexts, and AES-256-GCM envelopes for every SSE mode.
pub mod envelope;
/// The words of a request.
pub mod request;
/// Recorder, summary and rendering: what a run says.
pub mod report;
