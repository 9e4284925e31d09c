//! Recorder, summary and rendering: what a run says.
//!
//! A driver gives each worker a [`Recorder`], hands it every
//! [`Outcome`](crate::request::Outcome) and [`KmsCall`](crate::request::KmsCall), merges them and makes a
//! [`Summary`]. Several summaries are a [`Report`], which renders as
//! text, JSON, CSV and interval logs. Everything renders to a writer or a `String`; nothing here prints, decides or
//! reads a clock.

mod change_limit;
mod chart;
mod compare;
mod cost;
mod csv;
mod distribution;
pub(crate) mod figure;
mod finding;
mod hdr;
mod json;
mod objective;
mod phases;
mod record;
mod recorder;
mod search;
mod series;
mod share;
mod html;
mod markdown;
mod merge;
mod sink;
mod summary;
mod table;
mod tally;
mod text;
mod total;

use serde::{Deserialize, Serialize};

pub use change_limit::{ChangeLimit, ChangeLimitError};
pub use compare::{Change, CompareError, Comparison, Measure, Repeats, compare};
pub use cost::{Cost, PerMillion, Pricing, PricingError, Saving, body_passes, request_item};
pub use distribution::{Distribution, Percentiles};
pub use finding::{Finding, Rule};
pub use hdr::{LoggedRun, merge_interval_logs, write_interval_log};
pub use html::{
    BillPage, BillSum, DARK, LIGHT, LINES_MAX, Line, LineChart, LineName, LinePanel, PlanPage, PlanPoint,
    ProfilePage, Theme,
};
pub use json::ReportError;
pub use objective::{Limit, Miss, Objective, ObjectiveError, Objectives, Quantity};
pub use record::{Coded, MergeError, OperationCoded, Record, Tallied};
pub use recorder::{Phase, Recorder, Window};
pub use search::{Probe, Search, Verdict};
pub use share::{CostAttribution, CostPart, CostShare};
pub use sink::Sink;
pub use summary::{
    Amplification, Attribution, Cache, Ended, Endings, Kind, Kms, KmsOperation, Member, OperationSummary,
    PhaseMeans, PhasePercentiles, REFRESH_AHEAD, Reuse, Run, S3Requests, SecondSummary, Share, Summary,
};
pub(crate) use table::Tone;
pub use text::Style;
pub(crate) use text::wrapped;

/// The version of the report's format. Fields may be added within a version; what a field means never changes in one.
pub const VERSION: u32 = 1;

/// The runs of one command, with what is needed to repeat them. docs/REPORT.md describes every field.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// The version of this format: [`VERSION`].
    pub version: u32,
    /// The version of s3seal.
    pub s3seal: String,
    /// The commit that it was built from; empty when unknown.
    pub commit: String,
    /// The machine that it ran on; empty when unknown.
    pub machine: String,
    /// The seed of every random choice.
    pub seed: u64,
    /// What the scenario is called, or its file, or the trace; empty when nobody said.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// The scenario in full, as TOML.
    pub scenario: String,
    /// Whether the figures may be used.
    pub valid: bool,
    /// Why they may not.
    pub invalid_reason: Option<String>,
    /// Which part of the workload this is; none for the whole.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shard: Option<Shard>,
    /// What a reader must know: assumptions above all.
    pub notes: Vec<String>,
    /// The runs, in the order in which they are shown.
    pub runs: Vec<Summary>,
    /// Searches for the highest rate, where they were asked for; then `runs` holds the run at each answer.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub searches: Vec<Search>,
}

/// The part of a workload that one machine sent: every `of`-th arrival from number `index` on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Shard {
    /// From 0.
    pub index: u32,
    /// How many shards make the whole.
    pub of: u32,
}

impl Report {
    /// A valid report of `runs` by this version of s3seal, with nothing else said.
    pub fn new(seed: crate::units::Seed, scenario: String, runs: Vec<Summary>) -> Self {
        Self {
            version: VERSION,
            s3seal: env!("CARGO_PKG_VERSION").into(),
            commit: String::new(),
            machine: String::new(),
            seed: seed.0,
            name: String::new(),
            scenario,
            valid: true,
            invalid_reason: None,
            shard: None,
            notes: Vec::new(),
            runs,
            searches: Vec::new(),
        }
    }

    /// Marks the report as one whose figures may not be used.
    pub fn invalidate(&mut self, reason: String) {
        self.valid = false;
        self.invalid_reason = Some(reason);
    }
}
