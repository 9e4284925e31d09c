//! A run in virtual time: the machines of `pipeline` under an event queue. The same scenario gives the same rows.
//!
//! [`run`] takes a scenario and a mode ([`run_source`] also a trace), makes the population as handles without key bytes, and walks from event to event:
//! nothing waits, so that an hour of traffic takes as long as its requests take to decide. Rows go to a [`Sink`] as they
//! come about.
//!
//! ```
//! use s3seal::report::{Kind, Recorder, Run, Summary, Window};
//! use s3seal::request::SseMode;
//! use s3seal::sim::{self, Options};
//! use s3seal::units::{Span, Timestamp};
//! use s3seal::workload::{Scenario, Stop};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let scenario = Scenario { stop: Stop::Duration(Span::from_seconds(1)), ..Scenario::default() };
//! // What is recorded in full: what is due after the warm-up. With `Stop::Operations` its end is `Timestamp::MAX`.
//! let from = Timestamp::ZERO + scenario.warm_up;
//! let mut recorder = Recorder::new(Window { from, until: from + Span::from_seconds(1) });
//! let run = sim::run(&scenario, SseMode::SseKms, &Options { quota: Some(5_500), ..Options::default() }, &mut recorder)?;
//! let facts = Run {
//!     mode: SseMode::SseKms,
//!     kind: Kind::Simulated,
//!     quota_per_s: Some(run.quota_per_s.into()),
//!     until: run.measured_until,
//!     concurrency: None,
//! };
//! let summary = Summary::new(&recorder, &facts, |member| format!("{member:?}"));
//! assert!(summary.kms.throttled > 0, "8,000 requests a second against 5,500");
//! # Ok(())
//! # }
//! ```
//!
//! **Running ahead.** A request whose keys are there when it is due is finished on the spot, without a machine. Once a request has its keys, nothing that it still does touches what requests share. Unless told
//! otherwise ([`Options::run_ahead`]) the simulator then finishes it at once instead of queueing each phase. The rows are the
//! same, bit for bit (`tests/sim/fast.rs`); they only come in another order: a request's row may come before rows of calls
//! and requests that ended earlier.
//!
//! **A grid.** [`grid`] counts many pairs of age and uses in one pass over the requests, each exactly as a run of its own
//! would, where nothing is throttled and no key has to make room.
//!
//! **Abreast.** A run into a [`Recorder`](crate::report::Recorder) draws its arrivals and records its rows on other processors
//! meanwhile, unless a pool's thread called it. The rows are the same, in the same order.
//!
//! **What is deliberately absent.** No clock, no thread of its own, no key bytes, no map with an order of its own.
//!
//! [`Options::run_ahead`]: crate::sim::Options::run_ahead
//! [`Sink`]: crate::sim::Sink
//! [`grid`]: crate::sim::grid()
//! [`run`]: crate::sim::run
//! [`run_source`]: crate::sim::run_source

mod audit;
mod object;
mod option;
mod run;
mod abreast;
mod fast;
mod measure;
mod cell;
mod grid;
mod entry;

pub use crate::report::Sink;
pub use audit::Audit;
pub use entry::{run, run_arrivals, run_audited, run_source};
pub use grid::{Counts, Inexact, Limits, grid};
pub use measure::{Measured, measure, name, reuse, window};
pub use option::{IN_FLIGHT_MAX_DEFAULT, Options, Run};
