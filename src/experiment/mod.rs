//! Experiments: a question, knobs that are turned, figures that are measured, and where they are expected to lie.
//!
//! An [`Experiment`] is read from TOML (docs/EXPERIMENTS.md). Its [`Point`]s are the cartesian product of its knobs'
//! values; each is run under each seed, simulated by [`Point::simulate`] or live by whoever has a clock. An [`Outcome`]
//! judges the [`Band`]s and renders itself as text, Markdown, JSON, CSV and charts.
//!
//! Same input, same bytes, for what is simulated. Nothing here reads a clock or opens a file.
//!
//! [`Band`]: crate::experiment::Band
//! [`Experiment`]: crate::experiment::Experiment
//! [`Outcome`]: crate::experiment::Outcome
//! [`Point`]: crate::experiment::Point
//! [`Point::simulate`]: crate::experiment::Point::simulate

mod figure;
mod knob;
mod point;
mod definition;
mod parse;
mod outcome;
mod page;
mod preset;

pub use definition::{Band, Experiment, RUNS_MAX};
pub use figure::{Figure, Unit};
pub use knob::{Knob, VALUES_MAX};
pub use outcome::{Judged, Outcome};
pub use page::{Origin, findings};
pub use point::{Point, Row, RunError};
pub use preset::{EXPERIMENTS, NameError, Preset, preset};
