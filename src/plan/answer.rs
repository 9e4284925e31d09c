//! The plan: everything that was found, as data. docs/PLAN.md describes every field.

use serde::Serialize;

use super::drill::Drilled;
use super::figure::{CountedFigures, Figure, Figures};
use super::growth::Growth;
use super::region::RegionOutcome;
use super::sensitivity::Flip;
use super::setting::Setting;
use super::solve::Solved;
use super::transition::Transition;

/// The version of the plan's format. Fields may be added within a version; what a field means never changes in one.
pub const VERSION: u32 = 1;

/// A plan with its reasons.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Plan {
    /// The version of this format: [`VERSION`].
    pub version: u32,
    /// The version of s3seal.
    pub s3seal: String,
    /// The commit that it was built from; empty when unknown.
    pub commit: String,
    /// The seed of every random choice.
    pub seed: u64,
    /// Whether a candidate keeps every demand.
    pub feasible: bool,
    /// The answer in a sentence.
    pub answer: String,
    /// The reasons, a sentence each.
    pub why: Vec<String>,
    /// The demands in words.
    pub demands: Vec<String>,
    /// What all of it rests on.
    pub basis: Basis,
    /// The candidate chosen, or where none keeps every demand the one that is nearest; none when there is no candidate.
    pub choice: Option<Choice>,
    /// Every candidate with its verdict, in the order in which they were listed.
    pub candidates: Vec<Judged>,
    /// What the question comes to in each Region that was asked for, in their order; empty where the scenario's is the only one.
    /// The rest of the plan is about the one picked.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub regions: Vec<RegionOutcome>,
    /// What growth does to the choice; none where no growth was named.
    pub growth: Option<Growth>,
    /// The way from what there is to the choice.
    pub transition: Option<Transition>,
    /// What flips the choice.
    pub sensitivity: Vec<Flip>,
    /// Drills that were asked for.
    pub drills: Vec<Drilled>,
    /// What was solved for.
    pub solved: Vec<Solved>,
    /// What a reader must know: assumptions above all.
    pub notes: Vec<String>,
    /// The scenario in full, as TOML.
    pub scenario: String,
}

/// What a plan rests on.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Basis {
    /// Where the requests come from: `scenario`, `trace` or `profile`.
    pub source: String,
    /// The AWS Region.
    pub region: String,
    /// The day whose quotas hold.
    pub date: String,
    /// The month whose prices hold.
    pub month: String,
    /// The quota of the account, in KMS calls per second.
    pub quota_per_s: Figure<u64>,
    /// Requests per second in the mean.
    pub requests_per_s: Figure<f64>,
    /// KMS calls per second that they make under SSE-KMS without a Bucket Key.
    pub calls_per_s_uncached: Figure<f64>,
    /// How long each candidate ran before it was measured, in nanoseconds.
    pub warm_up_ns: u64,
    /// How long each was measured; 0 where a number of requests ends the run.
    pub measured_ns: u64,
}

/// The candidate that was chosen, or is nearest.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Choice {
    /// Its number among the candidates, from 0.
    pub candidate: usize,
    /// What it is called.
    pub title: String,
    /// Its SSE mode.
    pub mode: String,
    /// The quota that it ran under.
    pub quota_per_s: u64,
    /// What it comes to.
    pub figures: Figures,
    /// What it misses; empty for a choice.
    pub missed: Vec<String>,
    /// What to paste.
    pub settings: Vec<Setting>,
}

/// A candidate's verdict.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// The choice.
    Chosen,
    /// It keeps every demand, and another is better.
    Feasible,
    /// It was run and misses a demand.
    Missed,
    /// Arithmetic rules it out, or a demand that it breaks by its nature.
    Excluded,
    /// The same under another quota tells what it would come to.
    Unneeded,
    /// Counted with others in one pass, which was enough to know that it is not the choice.
    Counted,
}

impl Verdict {
    /// Its word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Chosen => "chosen",
            Self::Feasible => "feasible",
            Self::Missed => "missed",
            Self::Excluded => "excluded",
            Self::Unneeded => "unneeded",
            Self::Counted => "counted",
        }
    }
}

/// A candidate, judged.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Judged {
    /// What it is called.
    pub title: String,
    /// Its SSE mode.
    pub mode: String,
    /// The verdict.
    pub verdict: Verdict,
    /// Why, for all but the chosen one.
    pub reasons: Vec<String>,
    /// What it came to, where it was run.
    pub figures: Option<Figures>,
    /// What is known of it from one pass over all limits of a cache, where that was enough.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub counted: Option<CountedFigures>,
}
