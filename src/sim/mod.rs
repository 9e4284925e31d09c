//! A run in virtual time: the machines of `pipeline` under an event queue. The same scenario gives the same rows.
//!
//! [`run`] takes a scenario and a mode ([`run_source`] also a trace), makes the population as handles without key bytes, and walks from event to event:
//! nothing waits, so that an hour of traffic takes as long as its requests take to decide. Rows go to a [`Sink`] as they
//! come about.
//!
//! **Running ahead.** A request whose keys are there when it is due is finished on the spot, without a machine. Once a request has its keys, nothing that it still does touches what requests share. Unless told
//! otherwise ([`Options::run_ahead`]) the simulator then finishes it at once instead of queueing each phase. The rows are the
//! same, bit for bit (`tests/sim/fast.rs`); they only come in another order: a request's row may come before rows of calls
//! and requests that ended earlier.
//!
//! **What is deliberately absent.** No clock, no thread, no key bytes, no map with an order of its own.
//!
//! [`Options::run_ahead`]: crate::sim::Options::run_ahead
//! [`Sink`]: crate::sim::Sink
//! [`run`]: crate::sim::run
//! [`run_source`]: crate::sim::run_source

mod object;
mod option;
mod run;
mod fast;
mod measure;

pub use crate::report::Sink;
pub use measure::{Measured, measure, name, window};
pub use option::{IN_FLIGHT_MAX_DEFAULT, Options, Run};
pub use run::{run, run_arrivals, run_source};
