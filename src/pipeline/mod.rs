//! Every decision about one request and one KMS fetch, as two machines that are told `now` and never wait.
//!
//! A [`Request`] asks the cache for the data keys that its operation needs ([`needs`]: the table), waits for fetches,
//! then has the body sealed or opened, stored, and served. A [`Fetch`] makes one KMS call, tries again where the KMS
//! client does, and lands what it brought. Neither does anything itself: each says what should happen next.
//!
//! # How to drive them
//!
//! ```text
//! due ─► Request::step(core, Input::Go(what the object stands under), now, out)
//!          out: Spawn(fetch)      start the fetch: Fetch::step(core, FetchInput::Go, now, out)
//!               Park              keep the request under this flight; Input::Landed when it wakes, else Input::Expired at
//!                                 the deadline
//!               WaitUntil(t)      at t: Input::Go again, with what the object stands under then
//!               Do { phase, … }   do it, then Input::Completed { took }; Input::Broken when it failed
//!               Done(outcome)     the request is over
//! fetch ─► Fetch::step(core, input, now, out)
//!          out: Call(call)        send it to KMS; FetchInput::Reply when the reply is there
//!               WaitUntil(t)      at t: FetchInput::Go
//!               Called(row)       a row for the report
//!               Wake              Input::Landed to every request that is parked there, in order of arrival; then the fetch is
//!                                 over
//! ```
//!
//! `out` is appended to; of one step at most one action concerns the request itself, the others are fetches to spawn. A
//! request parks before its fetch starts. With threads, a request that joined asks [`Request::is_flying`] after it has
//! parked, and resumes at once when the flight has landed in between.
//!
//! A request whose keys are there when it begins needs no machine: [`Core::try_hit`] decides the same by the same functions,
//! or declines.
//!
//! **What is deliberately absent.** No clock, no waiting, no bodies, no KMS, no random generator but the one in [`Core`]
//! that spreads back-off.
//!
//! [`Core`]: crate::pipeline::Core
//! [`Core::try_hit`]: crate::pipeline::Core::try_hit
//! [`Fetch`]: crate::pipeline::Fetch
//! [`Request`]: crate::pipeline::Request
//! [`Request::is_flying`]: crate::pipeline::Request::is_flying
//! [`needs`]: crate::pipeline::needs

mod need;
mod job;
mod directory;
mod prefix;
mod core;
mod step;
mod fetch;
mod machine;
mod hit;

pub use self::core::{Core, Settings};
pub use directory::{Directory, requesters};
pub use fetch::{Fetch, failure_of};
pub use hit::Hit;
pub use job::Job;
pub use machine::Request;
pub use need::{Need, calls, is_cached, is_service_side, needs, phases, reads, spend, uses_kms};
pub use prefix::{PREFIX_READS_PER_SECOND, PREFIX_WRITES_PER_SECOND, PrefixLimits};
pub use step::{
    Action, Call, FetchAction, FetchInput, Input, KeyHandle, Keyed, Parking, Phase, Reply, Standing, Tally,
    Woken,
};
