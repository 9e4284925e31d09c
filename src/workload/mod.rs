//! What arrives, when, and on which objects: scenario files, the schedule, the population, bodies, traces.
//!
//! A [`Scenario`] is data, read from TOML with the place of every mistake.
//! [`Arrivals`] turns it into a schedule that is fixed before the run: due times do not know of
//! responses. [`Population`] says how the objects came to be that exist at the start.
//! [`log`] reads arrivals from files instead.
//!
//! Nothing here opens a file or reads a clock; logarithms and powers come from `libm`, so that a seed gives the same bytes
//! on every machine.

#![expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "draws go from words to floats to whole numbers; the scenario's rules keep them where casts are exact, and \
              casts saturate elsewhere"
)]

mod random;
mod quantity;
mod error;
mod document;
mod scenario;
mod parse;
mod field;
mod rule;
mod size;
mod popularity;
mod process;
mod name;
mod arrival;
mod history;
mod body;
mod preset;
mod replay;
mod source;
/// Readers of logs and traces: `BufRead` in, arrivals out.
pub mod log;
pub mod profile;

pub use arrival::{Arrival, Arrivals, Shape};
pub use body::Bodies;
pub(crate) use document::{Document, Section, shorten};
pub(crate) use error::nearest;
pub use error::{Place, ScenarioError, Where};
pub use history::{Existing, Population};
pub use name::{Naming, Placement};
pub(crate) use parse::section_of;
pub use popularity::Ranks;
pub use preset::{FIELDS, PRESETS, Preset, PresetError, preset};
pub use process::DueTimes;
pub use quantity::{bytes, bytes_text, span, span_text};
pub use replay::{Replay, ReplayError, ReplayOptions};
pub use rule::{MAX_OBJECT_BYTES, MAX_PART_BYTES, MAX_PARTS, MIN_PART_BYTES};
pub use scenario::{
    ArrivalProcess, BucketKey, Cache, Fault, FaultKind, Fleet, FleetStart, History, Kms, Layout, Mix,
    Multipart, Objects, Popularity, Principals, Puts, Quantile, Retry, RetryPolicy, RetrySide, S3,
    S3ServiceTime, Scenario, Scope, ServiceTime, SizeLaw, SizePreset, Stop, ThrottleRule,
};
pub use size::Sizes;
pub use source::Source;
