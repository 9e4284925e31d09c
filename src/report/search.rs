//! The highest rate that still keeps the objectives: what a search tried and found.

use std::fmt::Write;

use serde::{Deserialize, Serialize};

use super::figure::{self, NONE, count, rate};
use super::table::Tone;
use super::text::{Style, wrapped};
use super::{Kind, summary};
use crate::request::SseMode;

/// What a search came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// `highest_per_s` keeps the objectives, `exceeded_per_s` does not.
    Found,
    /// Not even the lowest rate tried keeps them: `exceeded_per_s`.
    Unreachable,
    /// The highest rate tried keeps them: `highest_per_s`.
    Unlimited,
    /// It was interrupted: the rates are those known by then.
    Interrupted,
}

/// A search for the highest rate in one mode. Rates are requests offered per second in the long run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Search {
    /// How objects were encrypted.
    #[serde(with = "summary::mode_name")]
    pub mode: SseMode,
    /// Real or virtual time.
    pub kind: Kind,
    /// The KMS quota in calls per second; none where no quota applied.
    pub quota_per_s: Option<u64>,
    /// The objectives, as in `p99<50ms,failed<0.1%`.
    pub objectives: String,
    /// What came of it.
    pub verdict: Verdict,
    /// The highest rate known to keep the objectives.
    pub highest_per_s: Option<f64>,
    /// The lowest rate known to miss them: one step further.
    pub exceeded_per_s: Option<f64>,
    /// What is missed there.
    pub missed: Vec<String>,
    /// Every run that was made, in order.
    pub probes: Vec<Probe>,
}

/// One run of a search.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Probe {
    /// The rate.
    pub rate_per_s: f64,
    /// Requests offered in its measured part: how much its figures rest on.
    pub requests: u64,
    /// 99th percentile of the response time, over all that started.
    pub p99_ns: u64,
    /// What it missed; empty when it kept all objectives.
    pub missed: Vec<String>,
}

impl Search {
    /// What was found, in a sentence.
    pub fn sentence(&self) -> String {
        let title = self.title();
        let per_s = |found: Option<f64>| found.map_or_else(|| NONE.into(), rate);
        let (highest, exceeded) = (per_s(self.highest_per_s), per_s(self.exceeded_per_s));
        let why = figure::name(&self.missed.join(", "), 200);
        match self.verdict {
            Verdict::Found => {
                format!("{title} keeps {} up to {highest} requests/s; at {exceeded} {why}.", self.objectives)
            }
            Verdict::Unreachable => format!(
                "{title} misses {} at any rate: at the lowest tried, {exceeded} requests/s, {why}.",
                self.objectives
            ),
            Verdict::Unlimited => format!(
                "{title} keeps {} at every rate tried, up to {highest} requests/s: nothing limited it; start higher \
                 (--rate, for a trace --speed) to go on.",
                self.objectives
            ),
            Verdict::Interrupted => format!(
                "The search under {title} was interrupted: {highest} requests/s keep {}, {exceeded} do not.",
                self.objectives
            ),
        }
    }

    pub(super) fn title(&self) -> String {
        let kind = if self.kind == Kind::Simulated { " (simulated)" } else { "" };
        match self.quota_per_s {
            Some(quota) => format!("{}{kind} under a quota of {} KMS calls/s", self.mode, count(quota)),
            None => format!("{}{kind}", self.mode),
        }
    }
}

/// Which runs stand beside searches.
pub(super) const WHICH: &str = "The runs below are those at the highest rate that keeps the objectives, or at the lowest \
                                tried: each at a rate of its own, so their costs and calls do not compare.";

/// Writes each search's sentence, then what each tried.
pub(super) fn write(out: &mut String, searches: &[Search], style: Style) {
    if searches.is_empty() {
        return;
    }
    for search in searches {
        wrapped(out, &search.sentence(), "• ", style, Tone::Strong);
    }
    out.push_str(&style.paint("\nTried, in this order\n", Tone::Strong));
    for search in searches {
        let _ = writeln!(out, "{}", search.title());
        let head = "  requests/s  requests          p99  missed";
        let _ = writeln!(out, "{}", style.paint(head, Tone::Faint));
        for probe in &search.probes {
            let (per_s, p99) = (rate(probe.rate_per_s), figure::time(probe.p99_ns));
            let line = format!("  {per_s:>10}  {:>8}  {p99:>11}  ", count(probe.requests));
            let missed = if probe.missed.is_empty() { NONE.into() } else { probe.missed.join(", ") };
            let missed = figure::name(&missed, style.width().saturating_sub(figure::cells(&line)));
            let tone = if probe.missed.is_empty() { Tone::Plain } else { Tone::Alarm };
            let _ = writeln!(out, "{line}{}", style.paint(&missed, tone));
        }
    }
    out.push('\n');
    wrapped(out, WHICH, "", style, Tone::Faint);
    out.push('\n');
}
