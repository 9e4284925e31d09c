//! s3seal tells you, before you deploy, what S3 server-side encryption will do to your latency, your KMS quota and
//! your bill; its data-key cache is the part you keep and run.
//!
//! The rooms stand in the order of their dependencies: each may import what stands above it, as far as the table in
//! `docs/ARCHITECTURE.md` allows.

// Numbers with units: time, money, seeds.
pub mod units;
// The object format: keys, contexts, and AES-256-GCM envelopes for every SSE mode.
pub mod envelope;
// The words of a request, and the rows that every report is made from.
pub mod request;
// AWS KMS as a function of time: keys, quota, throttling, service time, audit; and apart from it the real wrapping.
pub mod kms;
// The data-key cache: who may use a key again, who waits for whom, where keys are kept.
pub mod cache;
// Every decision about one request and one KMS fetch, as machines that are told the time.
pub mod pipeline;
// What arrives and when: scenario files, arrivals, the population, traces.
pub mod workload;
// What it costs: usage × price book = bill, in exact decimals.
pub mod cost;
// Recorder, summary and rendering: what a run says.
pub mod report;
// The async data-key cache for applications, in front of a real KMS.
pub mod client;
// From a scenario to the parts that a run is made of.
pub mod rig;
// A run in virtual time.
pub mod sim;
// The planner: which mode, which cache, which quota, what it costs, and why.
pub mod plan;
// Experiments: knobs, figures, and where they are expected to lie.
pub mod experiment;
// A run on the clock, with real encryption.
pub mod live;

// What most applications start from.
pub use client::{DataKeyCache, KeyService, SealedStore};
