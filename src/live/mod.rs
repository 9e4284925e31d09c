//! A run on the clock: the machines of `pipeline`, real wrapping, real AES, objects in memory or in a directory.
//!
//! [`run`] seals the population, then releases each request at its due time and drives it to its row. One thread decides:
//! it sleeps until [`SPIN_AHEAD`] before the next due time or reply and spins from there, reads the clock once per turn and
//! seals and opens small bodies itself; bodies from [`HAND_OUT_BYTES`] on and every file of a [`Directory`] go to rayon's
//! pool, which stamps when it was done.
//!
//! The loop is open, by due times, unless [`Options::concurrency`] closes it.
//! KMS is the same model as in a simulation; its replies are really waited for.
//!
//! The clock is a setting ([`Time`]): on a paused one, with given times for cryptography and store, the same driver makes the
//! decisions of `sim` (`tests/sim/twin.rs`), with real keys and bodies all the same.
//!
//! **What is deliberately absent.** No decision of `pipeline`; no tokio, whose timers tick at 1 ms (docs/adr/0016).
//!
//! [`Directory`]: crate::live::Directory
//! [`HAND_OUT_BYTES`]: crate::live::HAND_OUT_BYTES
//! [`Options::concurrency`]: crate::live::Options::concurrency
//! [`SPIN_AHEAD`]: crate::live::SPIN_AHEAD
//! [`Time`]: crate::live::Time
//! [`run`]: crate::live::run

mod clock;
mod error;
mod lag;
mod directory;
mod vault;
mod store;
mod task;
mod driver;
mod phase;
mod turn;
mod watch;
#[cfg(test)]
mod proof;

pub use clock::{NOISE_PROBE, SPIN_AHEAD, Time, noise, now};
pub use directory::{Directory, FileError};
pub use driver::{IN_FLIGHT_MAX_DEFAULT, Options, Run, run, run_source};
pub use error::{LiveError, WorkError};
pub use lag::{LAG_MATERIAL, LAG_MAX, LAG_SHARE, spoiled};
pub use store::{Buffers, PopulationSize};
pub use task::HAND_OUT_BYTES;
pub use watch::{Progress, Times};
