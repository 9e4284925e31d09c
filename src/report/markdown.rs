//! The report in Markdown, for pull requests: findings, tables, KMS calls as a row of blocks, notes.

use std::fmt::Write;

use super::chart::chart;
use super::figure::{self, count};
use super::search::WHICH;
use super::table::{Tone, fewer, groups, label};
use super::text::{Callers, MEMBER_USD, Member, SAVES, callers};
use super::{Report, Search, Summary};

/// Cells of a row of blocks: a pull request's width.
const CHART: usize = 60;

impl Report {
    /// The report in GitHub's Markdown, with a newline at its end. Names from outside are shown harmlessly.
    pub fn to_markdown(&self) -> String {
        let mut out = String::new();
        if self.runs.is_empty() {
            out.push_str("No run was made.\n\n");
        }
        for search in &self.searches {
            let _ = writeln!(out, "- **{}**", escaped(&search.sentence()));
        }
        if !self.searches.is_empty() {
            let _ = writeln!(out, "\n{WHICH}\n");
            tried(&mut out, &self.searches);
        }
        if let Some(part) = self.part() {
            let _ = writeln!(out, "- {}\n", escaped(&part));
        }
        for (place, finding) in self.findings().iter().enumerate() {
            let sentence = escaped(&finding.sentence);
            let _ =
                if place == 0 { writeln!(out, "**{sentence}**\n") } else { writeln!(out, "- {sentence}") };
        }
        out.push('\n');
        if !self.runs.is_empty() {
            for group in groups(&self.runs) {
                table(&mut out, &self.runs, &group);
            }
            for sentence in self.runs.iter().filter_map(Summary::failures).chain(fewer(&self.runs)) {
                let _ = writeln!(out, "{}\n", escaped(&sentence));
            }
            blocks(&mut out, &self.runs);
            members(&mut out, &self.runs);
            if self.runs.iter().any(|run| run.cost.is_some()) {
                let _ = writeln!(out, "- Saves: {SAVES}.");
            }
        }
        for note in &self.notes {
            let _ = writeln!(out, "- {}", escaped(&figure::name(note, usize::MAX)));
        }
        let scenario = if self.name.is_empty() {
            String::new()
        } else {
            format!("{}, ", escaped(&figure::name(&self.name, 200)))
        };
        let mut origin =
            format!("\n{scenario}seed {}, s3seal {}", self.seed, escaped(&figure::name(&self.s3seal, 32)));
        if !self.commit.is_empty() {
            let _ = write!(origin, ", commit {}", escaped(&figure::name(&self.commit, 40)));
        }
        if !self.machine.is_empty() {
            let _ = write!(origin, ", on {}", escaped(&figure::name(&self.machine, 200)));
        }
        let _ = writeln!(out, "{origin}.\n\n<details><summary>Scenario</summary>\n");
        for line in self.scenario.lines() {
            // An indented block needs no fence that the text could end.
            let _ = writeln!(
                out,
                "    {}",
                if line.is_empty() { String::new() } else { figure::name(line, 1_000) }
            );
        }
        out.push_str("\n</details>\n");
        out
    }
}

/// What each search tried, in its order.
fn tried(out: &mut String, searches: &[Search]) {
    for search in searches {
        let _ = writeln!(out, "{}\n\n| requests/s | requests | p99 | missed |", escaped(&search.title()));
        out.push_str("|--:|--:|--:|:--|\n");
        for probe in &search.probes {
            let missed = escaped(&figure::name(&probe.missed.join(", "), 200));
            let missed = if probe.missed.is_empty() { figure::NONE } else { &missed };
            let (per_s, p99) = (figure::rate(probe.rate_per_s), figure::time(probe.p99_ns));
            let _ = writeln!(out, "| {per_s} | {} | {p99} | {missed} |", count(probe.requests));
        }
        out.push('\n');
    }
}

fn table(out: &mut String, runs: &[Summary], group: &super::table::Group) {
    let label = label();
    let columns: Vec<_> = label.columns.iter().chain(&group.columns).collect();
    let _ = writeln!(out, "{}\n", escaped(group.title));
    let headings =
        columns.iter().map(|column| format!("{} {}", column.heading, column.unit).trim_end().to_owned());
    let _ = writeln!(out, "| {} |", headings.collect::<Vec<_>>().join(" | "));
    let rules = columns.iter().enumerate().map(|(place, _)| if place < 2 { ":--" } else { "--:" });
    let _ = writeln!(out, "|{}|", rules.collect::<Vec<_>>().join("|"));
    for run in runs {
        let cells = columns.iter().map(|column| {
            let cell = (column.cell)(run);
            if cell.tone == Tone::Alarm {
                format!("**{}**", escaped(&cell.text))
            } else {
                escaped(&cell.text)
            }
        });
        let _ = writeln!(out, "| {} |", cells.collect::<Vec<_>>().join(" | "));
    }
    out.push('\n');
}

fn blocks(out: &mut String, runs: &[Summary]) {
    let drawn: Vec<_> = runs.iter().filter_map(|run| Some((run, chart(run, CHART)?))).collect();
    if drawn.is_empty() {
        return;
    }
    out.push_str("KMS calls per second; a full block is the quota, │ ends the warm-up; the row above is what went beyond it.\n\n```text\n");
    for (run, chart) in drawn {
        let quota = run.quota_per_s.map_or_else(|| "no quota".into(), count);
        let name = format!("{:<18}  {:<9}  {quota:>9}", run.mode, run.kind.as_str());
        if !chart.beyond.is_empty() {
            let _ = writeln!(
                out,
                "{:>width$}  {}",
                "over quota",
                chart.beyond.trim_end(),
                width = figure::cells(&name)
            );
        }
        let _ = writeln!(out, "{name}  {}  peak {}", chart.within, count(run.kms.peak_calls_per_s));
    }
    out.push_str("```\n\n");
}

fn members(out: &mut String, runs: &[Summary]) {
    let Some(Callers { run, title, members }) = callers(runs) else { return };
    let money: Vec<&str> = MEMBER_USD.into_iter().filter(|_| run.cost.is_some()).collect();
    let headings = [&["", "name", "calls", "throttled"], &money[..]].concat();
    let rules = "--:|".repeat(headings.len() - 2);
    let _ = writeln!(out, "{}\n\n| {} |\n|:--|:--|{rules}", escaped(&title), headings.join(" | "));
    for Member { what, shares, usd, name } in members {
        let name = name.map_or_else(|| "all others".into(), |name| escaped(&figure::name(&name, 200)));
        let _ = writeln!(out, "| {what} | {name} | {} |", [&shares[..], &usd[..]].concat().join(" | "));
    }
    out.push('\n');
}

/// Letters that Markdown or HTML reads are shown as themselves.
pub(super) fn escaped(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '<' => shown.push_str("&lt;"),
            '>' => shown.push_str("&gt;"),
            '&' => shown.push_str("&amp;"),
            // Also those that would name a person, an issue or a host.
            '\\' | '`' | '*' | '_' | '[' | ']' | '|' | '~' | '#' | '!' => {
                shown.push('\\');
                shown.push(c);
            }
            '@' => shown.push_str("&#64;"),
            c => shown.push(c),
        }
    }
    shown.replace("://", ":&#47;&#47;").replace("www.", "www&#46;")
}
