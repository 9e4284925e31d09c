//! The plan as text for people and as JSON for programs.

use std::fmt::Write;

use super::answer::{Choice, Judged, Plan, Verdict};
use super::figure::{Figure, How};
use super::growth::Growth;
use super::transition::Transition;
use crate::cost::{Table, grouped_decimal};
use crate::report::{FEWER, Style, Tone, figure, wrapped};
use crate::units::{Span, Usd};
use crate::workload::span_text;

/// What stands where there is no figure.
const NONE: &str = "–";
/// Characters of a line of candidates that a reason may take.
const REASON: usize = 110;

/// Stands before amounts in which the filling of caches is more than it is in a month.
pub(super) const AT_MOST: &str = "<= ";

/// Figures under their names: name, value, how it is known.
pub(super) type Facts = Vec<(String, String, How)>;

#[expect(clippy::cast_precision_loss, reason = "shown with three digits")]
fn float(n: u64) -> f64 {
    n as f64
}

pub(super) fn money(usd: Usd) -> String {
    grouped_decimal(usd.decimal(), 2)
}

/// An amount of `figures`, marked where a price is missing or not confirmed, or where it is for fewer requests than offered.
fn priced(figures: &super::Figures, usd: Usd) -> String {
    let least = match (figures.prices_complete, figures.steady) {
        (false, _) => ">= ",
        (true, false) => AT_MOST,
        (true, true) => "",
    };
    let sure = if figures.prices_confirmed { "" } else { "*" };
    let fewer = if is_short(figures) { FEWER } else { "" };
    format!("{least}{}{sure}{fewer}", money(usd))
}

/// Whether the bill is one of fewer requests than others have.
fn is_short(figures: &super::Figures) -> bool {
    figures.billed_share.value < 1.0
}

fn month(months: Option<u32>) -> String {
    match months {
        None => "not within the horizon".into(),
        Some(0) => "now".into(),
        Some(months) => format!("month {months}"),
    }
}

fn fact<T>(facts: &mut Facts, name: &str, of: &Figure<T>, show: impl Fn(&T) -> String) {
    facts.push((name.into(), show(&of.value), of.how));
}

impl Plan {
    /// The plan as JSON (docs/PLAN.md), with a newline at its end.
    ///
    /// # Panics
    /// Never: everything in it has a form in JSON.
    pub fn to_json(&self) -> String {
        let mut text = serde_json::to_string_pretty(self).expect("plain data");
        text.push('\n');
        text
    }

    /// The plan as text with a newline at its end. Names from outside are shown harmlessly.
    pub fn to_text(&self, style: Style) -> String {
        let mut out = String::new();
        let tone = if self.feasible { Tone::Strong } else { Tone::Alarm };
        wrapped(&mut out, &self.answer, "", style, tone);
        list(&mut out, style, "Why", &self.why);
        if let Some(choice) = &self.choice {
            for setting in &choice.settings {
                // In one line, however long: it may be a command.
                out.push('\n');
                out.push_str(&style.paint(&setting.title, Tone::Strong));
                out.push('\n');
                for line in setting.text.lines() {
                    out.push_str("    ");
                    out.push_str(line);
                    out.push('\n');
                }
            }
            table(&mut out, style, "Figures", &choice.facts());
        }
        table(&mut out, style, "Rests on", &self.basis_facts());
        if let Some(growth) = &self.growth {
            table(&mut out, style, "Growth", &growth.facts());
            growth.missed.iter().for_each(|missed| wrapped(&mut out, missed, "  ! ", style, Tone::Plain));
        }
        if let Some(transition) = &self.transition {
            table(&mut out, style, "Transition", &transition.facts());
            transition.warnings.iter().for_each(|text| wrapped(&mut out, text, "  ! ", style, Tone::Plain));
        }
        list(&mut out, style, "What flips the choice", &self.flips());
        list(&mut out, style, "Drills", &self.drilled());
        list(&mut out, style, "Solved", &self.solutions());
        if !self.regions.is_empty() {
            head(&mut out, style, "Regions");
            out.push_str(&self.region_table().text());
        }
        head(&mut out, style, "Candidates");
        out.push_str(&self.table().text());
        let unneeded = self.candidates.iter().filter(|judged| judged.verdict == Verdict::Unneeded).count();
        if unneeded > 0 {
            let _ = writeln!(out, "{unneeded} more differ in a larger quota alone, which changes nothing.");
        }
        out.push('\n');
        self.notes.iter().for_each(|note| wrapped(&mut out, note, "Note: ", style, Tone::Faint));
        let mut origin = format!("seed {}, s3seal {}", self.seed, self.s3seal);
        if !self.commit.is_empty() {
            let _ = write!(origin, ", commit {}", self.commit);
        }
        wrapped(&mut out, &origin, "", style, Tone::Faint);
        out
    }

    pub(super) fn basis_facts(&self) -> Facts {
        let (basis, mut facts) = (&self.basis, Facts::new());
        fact(&mut facts, "requests/s", &basis.requests_per_s, |n| figure::rate(*n));
        fact(&mut facts, "KMS calls/s without a cache", &basis.calls_per_s_uncached, |n| figure::rate(*n));
        fact(&mut facts, &format!("KMS quota in {}", basis.region), &basis.quota_per_s, |n| {
            figure::count(*n)
        });
        facts
    }

    pub(super) fn flips(&self) -> Vec<String> {
        let said = self.sensitivity.iter().map(|flip| match (&flip.choice, flip.flips) {
            (_, false) => format!("{}: no", flip.change),
            (Some(choice), true) => format!("{}: yes, {choice}", flip.change),
            (None, true) => format!("{}: yes, nothing keeps every demand", flip.change),
        });
        said.collect()
    }

    pub(super) fn drilled(&self) -> Vec<String> {
        let said = self.drills.iter().map(|drill| {
            let kept = if drill.kept { "every objective kept".into() } else { drill.missed.join("; ") };
            let calm = match drill.recovered_in_s.value {
                0 => "no second in which a request failed or a call was throttled".into(),
                seconds => format!("calm after {seconds} s"),
            };
            format!(
                "{}: {kept}. p99 {}, {} failed, at most {} KMS calls in a second under a quota of {}; {calm} (simulated)",
                drill.drill,
                figure::time(drill.p99_ns.value),
                figure::share(Some(drill.failed.value)),
                figure::count(drill.kms_peak_per_s.value),
                figure::count(drill.quota_per_s.value),
            )
        });
        said.collect()
    }

    pub(super) fn solutions(&self) -> Vec<String> {
        let said = self.solved.iter().map(|solved| {
            let value = |of: &Figure<u64>| format!("{} {}", figure::count(of.value), solved.unit);
            let (name, of) = (&solved.unknown, &solved.candidate);
            match (&solved.answer, &solved.beyond) {
                (Some(answer), Some(beyond)) => format!(
                    "{name}: {} keep every demand under {of}; at {} {} (simulated, {} runs)",
                    value(answer),
                    value(beyond),
                    solved.missed.join("; "),
                    solved.runs
                ),
                (Some(answer), None) => format!(
                    "{name}: even {} keep every demand under {of}, and nothing beyond was tried (simulated, {} runs)",
                    value(answer),
                    solved.runs
                ),
                (None, Some(beyond)) => format!(
                    "{name}: not even {} keep every demand under {of}, and nothing beyond was tried: {} (simulated, {} runs)",
                    value(beyond),
                    solved.missed.join("; "),
                    solved.runs
                ),
                (None, None) => format!("{name}: nothing was tried"),
            }
        });
        said.collect()
    }

    /// Every Region in a row.
    pub(super) fn region_table(&self) -> Table {
        let mut table = Table::new(&[
            "region",
            "#quota/s",
            "what is best there",
            "#p99",
            "#USD/month added",
            "#total",
            "why not",
        ]);
        table.rows = self
            .regions
            .iter()
            .map(|of| {
                let figures = |show: &dyn Fn(&super::Figures) -> String| {
                    of.figures.as_ref().map_or_else(|| NONE.into(), show)
                };
                let missed = of.missed.first().map(|missed| format!("; {missed}")).unwrap_or_default();
                let reason = match &of.reason {
                    Some(reason) => format!("{reason}{missed}"),
                    None => "picked".into(),
                };
                vec![
                    of.region.clone(),
                    figure::count(of.quota_per_s.value),
                    of.choice.clone().unwrap_or_else(|| NONE.into()),
                    figures(&|figures| figure::time(figures.p99_ns.value)),
                    figures(&|figures| priced(figures, figures.adds_usd.value)),
                    figures(&|figures| priced(figures, figures.total_usd.value)),
                    reason,
                ]
            })
            .collect();
        table
    }

    /// Every candidate in a row, but for those whose quota alone is another and changes nothing.
    pub(super) fn table(&self) -> Table {
        let mut table =
            Table::new(&["verdict", "candidate", "#p99", "#USD/month", "#peak/s", "revoked in", "reason"]);
        let shown = self.candidates.iter().filter(|judged| judged.verdict != Verdict::Unneeded);
        table.rows = shown.map(Judged::row).collect();
        table
    }
}

impl Judged {
    fn row(&self) -> Vec<String> {
        let mut reason = self.reasons.join("; ");
        if reason.chars().count() > REASON {
            reason = reason.chars().take(REASON - 1).chain(['…']).collect();
        }
        let of = |show: &dyn Fn(&super::Figures) -> String| {
            self.figures.as_ref().map_or_else(|| NONE.into(), show)
        };
        // What one pass tells as well as a run.
        let run = self.figures.as_ref();
        let run =
            run.map(|of| (priced(of, of.adds_usd.value), of.kms_peak_per_s.value, of.revocation_ns.value));
        let pass = self.counted.map(|of| {
            let most = if of.steady { "" } else { AT_MOST };
            (format!("{most}{}", money(of.adds_usd.value)), of.kms_peak_per_s.value, of.revocation_ns.value)
        });
        let (usd, peak, late) = match run.or(pass) {
            Some((usd, peak, late)) => (usd, figure::count(peak), revoked(late)),
            None => (NONE.into(), NONE.into(), NONE.into()),
        };
        vec![
            self.verdict.as_str().into(),
            self.title.clone(),
            of(&|figures| figure::time(figures.p99_ns.value)),
            usd,
            peak,
            late,
            if self.verdict == Verdict::Chosen { String::new() } else { reason },
        ]
    }
}

pub(super) fn revoked(nanos: Option<u64>) -> String {
    match nanos {
        None => "never".into(),
        Some(0) => "at once".into(),
        Some(nanos) => span_text(Span::from_nanos(nanos)),
    }
}

impl Choice {
    pub(super) fn facts(&self) -> Facts {
        let (of, mut facts) = (&self.figures, Facts::new());
        let time = |nanos: &u64| figure::time(*nanos);
        let share = |part: &f64| figure::share(Some(*part));
        fact(&mut facts, "p50 response time", &of.p50_ns, time);
        fact(&mut facts, "p99 response time", &of.p99_ns, time);
        fact(&mut facts, "p99.9 response time", &of.p999_ns, time);
        fact(&mut facts, "requests failed", &of.failed, share);
        fact(&mut facts, "requests dropped", &of.dropped, share);
        fact(&mut facts, "KMS calls throttled", &of.throttled, share);
        fact(&mut facts, "KMS calls/s", &of.kms_calls_per_s, |n| figure::rate(*n));
        fact(&mut facts, "KMS calls in the busiest second", &of.kms_peak_per_s, |n| figure::count(*n));
        if let Some(headroom) = &of.headroom {
            let name = format!("headroom below the quota of {}", figure::count(self.quota_per_s));
            fact(&mut facts, &name, headroom, |part| format!("{:.1} %", part * 100.0));
        }
        fact(&mut facts, "encryption adds, USD/month", &of.adds_usd, |usd| priced(of, *usd));
        fact(&mut facts, "total, USD/month", &of.total_usd, |usd| priced(of, *usd));
        fact(&mut facts, "revoked within", &of.revocation_ns, |nanos| revoked(*nanos));
        let shown =
            |n: &Option<u64>, show: &dyn Fn(u64) -> String| n.map_or_else(|| "as you decide".into(), show);
        let megabytes = |n: u64| format!("{} MB", figure::rate(float(n) / 1e6));
        fact(&mut facts, "objects under one key, at most", &of.objects_per_key, |n| shown(n, &figure::count));
        fact(&mut facts, "bytes under one key, at most", &of.bytes_per_key, |n| shown(n, &megabytes));
        facts
    }
}

impl Growth {
    pub(super) fn facts(&self) -> Facts {
        let mut facts = Facts::new();
        fact(&mut facts, "the load grows a month by", &self.rate, |part| format!("{:.1} %", part * 100.0));
        fact(&mut facts, "the quota is passed", &self.quota_passed_in, |months| month(*months));
        fact(&mut facts, "a demand is missed", &self.missed_in, |months| month(*months));
        if let (Some(quota), Some(by)) = (&self.request_quota, &self.request_by) {
            fact(&mut facts, "ask for a quota of", quota, |n| figure::count(*n));
            fact(&mut facts, "by", by, Clone::clone);
        }
        let at = |what: &str| format!("{what} in month {}", self.horizon);
        fact(&mut facts, &at("busiest second"), &self.peak_at_horizon, |n| figure::count(*n));
        fact(&mut facts, "encryption adds now, USD/month", &self.adds_now_usd, |usd| money(*usd));
        fact(&mut facts, &at("encryption adds, USD/month,"), &self.adds_at_horizon_usd, |usd| money(*usd));
        facts
    }
}

impl Transition {
    pub(super) fn facts(&self) -> Facts {
        let mut facts = Facts::new();
        fact(&mut facts, "objects that exist", &self.objects, |n| figure::count(*n));
        if let Some(old) = &self.old_reads {
            fact(&mut facts, "reads that go to them", old, |part| figure::share(Some(*part)));
        }
        for way in &self.ways {
            let calls = figure::count(way.kms_calls);
            fact(&mut facts, &format!("{}, USD once", way.method), &way.usd, |usd| {
                format!("{} ({calls} KMS calls)", money(*usd))
            });
        }
        if let Some(saves) = &self.saves_usd {
            let from = self.from.as_deref().unwrap_or(NONE);
            let (what, amount) = if saves.value < Usd::ZERO {
                (format!("more than under {from}, USD/month"), Usd::ZERO - saves.value)
            } else {
                (format!("saved against {from}, USD/month"), saves.value)
            };
            fact(&mut facts, &what, saves, |_| money(amount));
        }
        if let Some(pays) = &self.break_even {
            fact(&mut facts, "the cheapest has paid after, months", pays, Clone::clone);
        }
        facts
    }
}

fn head(out: &mut String, style: Style, title: &str) {
    out.push('\n');
    wrapped(out, title, "", style, Tone::Strong);
}

fn list(out: &mut String, style: Style, title: &str, lines: &[String]) {
    if !lines.is_empty() {
        head(out, style, title);
        for line in lines {
            wrapped(out, &figure::name(line, usize::MAX), "  • ", style, Tone::Plain);
        }
    }
}

fn table(out: &mut String, style: Style, title: &str, facts: &Facts) {
    head(out, style, title);
    let mut table = Table::new(&["", "#", ""]);
    table.rows = facts
        .iter()
        .map(|(name, value, how)| vec![format!("  {name}"), value.clone(), how.as_str().into()])
        .collect();
    // Without headings.
    out.extend(table.text().split_inclusive('\n').skip(1));
}
