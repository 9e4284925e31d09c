//! A run on the clock: the machines of `pipeline`, real wrapping, real AES, objects in memory.
//!
//! [`run`] seals the population, then releases each request at its due time and drives it to its row. One thread decides:
//! it sleeps until [`SPIN_AHEAD`] before the next due time or reply and spins from there, reads the clock once per turn and
//! seals and opens small bodies itself; bodies from [`HAND_OUT_BYTES`] on go to rayon's pool, which stamps when it was done.
//! KMS is the same model as in a simulation; its replies are really waited for.
//!
//! The clock is a setting ([`Time`]): on a paused one, with given times for cryptography and store, the same driver makes the
//! decisions of `sim` (`tests/live_twin.rs`), with real keys and bodies all the same.
//!
//! **What is deliberately absent.** No decision of `pipeline`; no tokio, whose timers tick at 1 ms (docs/adr/0016).
//!
//! [`HAND_OUT_BYTES`]: crate::live::HAND_OUT_BYTES
//! [`SPIN_AHEAD`]: crate::live::SPIN_AHEAD
//! [`Time`]: crate::live::Time
//! [`run`]: crate::live::run

mod clock;
mod error;
mod lag;
mod vault;
mod store;
mod task;
mod driver;
mod turn;

pub use clock::{NOISE_PROBE, SPIN_AHEAD, Time};
pub use driver::{IN_FLIGHT_MAX_DEFAULT, Options, Progress, Run, run, run_source};
pub use error::{LiveError, WorkError};
pub use lag::{LAG_MATERIAL, LAG_MAX, LAG_SHARE, spoiled};
pub use store::Buffers;
pub use task::HAND_OUT_BYTES;
