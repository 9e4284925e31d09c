//! An outcome for people: on a terminal, as the page of its results, and as a part of the index of all.

use std::fmt::Write;

use serde_json::Value;

use super::outcome::Outcome;
use crate::cost::Table;
use crate::report::{Style, Tone, figure, wrapped};

/// Rows of a table that a page shows without being asked.
const ROWS_OPEN: usize = 40;

/// Where results come from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Origin {
    /// The day, `YYYY-MM-DD`.
    pub date: String,
    /// The exact command.
    pub command: String,
    /// The version of s3seal and the commit that it was built from.
    pub program: String,
    /// The commit; empty when unknown.
    pub commit: String,
    /// The compiler, and whether it optimised.
    pub toolchain: String,
    /// The machine.
    pub machine: String,
    /// What spoilt it; empty where nothing did.
    pub spoiled: Vec<String>,
}

impl Outcome<'_> {
    /// For a terminal, laid out by `style`.
    pub fn to_text(&self, style: Style) -> String {
        let mut text = String::new();
        let experiment = self.experiment;
        let question = format!("{}: {}", experiment.name, experiment.question);
        wrapped(&mut text, &question, "", style, Tone::Strong);
        wrapped(&mut text, &experiment.hypothesis, "Hypothesis: ", style, Tone::Plain);
        text.push('\n');
        text += &self.table().text();
        text.push('\n');
        for sentence in &self.answer {
            wrapped(&mut text, sentence, "", style, Tone::Strong);
        }
        if !self.answer.is_empty() {
            text.push('\n');
        }
        for judged in &self.judged {
            let (lead, tone) =
                if judged.holds() { ("holds   ", Tone::Plain) } else { ("BROKEN  ", Tone::Alarm) };
            let said = format!("{}: {}, expected {}", judged.what, judged.shown(), judged.band.expected());
            wrapped(&mut text, &said, lead, style, tone);
            wrapped(&mut text, &judged.band.why, "        ", style, Tone::Faint);
        }
        text
    }

    /// The page of a folder of results that holds its charts beside it.
    pub fn to_markdown(&self, origin: &Origin) -> String {
        let experiment = self.experiment;
        let mut page = format!("# {}, {}\n\n", experiment.name, origin.date);
        if !origin.spoiled.is_empty() {
            let _ = writeln!(page, "**INVALID: {}.**\n", inline(&origin.spoiled.join("; ")));
        }
        let _ = writeln!(page, "**{}**\n", inline(&experiment.question));
        let _ = writeln!(page, "Hypothesis: {}\n", inline(&experiment.hypothesis));
        if !self.answer.is_empty() {
            let _ = writeln!(page, "{}\n", inline(&self.answer.join(" ")));
        }
        for (figure, chart) in self.charts() {
            let _ = writeln!(page, "![{}]({}.svg)\n", inline(&chart.title), figure.as_str());
        }
        page += "Bars behind a line show where a figure was expected.\n\n## Bands\n\n";
        let mut bands = Table::new(&["", "what", "#measured", "expected", "why"]);
        for judged in &self.judged {
            let verdict = if judged.holds() { "holds" } else { "**BROKEN**" };
            let cells = [&judged.what, &judged.shown(), &judged.band.expected(), &judged.band.why];
            let cells = cells.into_iter().map(|cell| figure::name(cell, usize::MAX));
            bands.rows.push(std::iter::once(verdict.to_owned()).chain(cells).collect());
        }
        page += &bands.markdown();
        page += "\n## Figures\n\n";
        let table = self.table();
        let many = table.rows.len() > ROWS_OPEN;
        if many {
            let _ = writeln!(page, "<details><summary>{} points</summary>\n", table.rows.len());
        }
        page += &table.markdown();
        if many {
            page += "\n</details>\n";
        }
        if experiment.seeds.len() > 1 {
            let _ = writeln!(page, "\nMedians over the seeds; every run is in [rows.csv](rows.csv).");
        } else {
            page += "\nEvery figure is in [rows.csv](rows.csv).\n";
        }
        if !experiment.limits.is_empty() {
            page += "\n## What it does not show\n\n";
            for limit in &experiment.limits {
                let _ = writeln!(page, "- {}", inline(limit));
            }
        }
        page += "\n## Where this comes from\n\n";
        page += &self.origin(origin).markdown();
        let _ = writeln!(
            page,
            "\n<details><summary>The scenario in full, before its knobs are turned</summary>\n\n```toml\n{}```\n\n</details>",
            experiment.scenario.to_toml()
        );
        page += "\n## Conclusions\n\nBy hand, below this line; all above is generated.\n";
        page
    }

    fn origin(&self, origin: &Origin) -> Table {
        // A table escapes its cells itself.
        let shown = |text: &str| figure::name(text, usize::MAX);
        let mut table = Table::new(&["", ""]);
        let seeds: Vec<String> = self.experiment.seeds.iter().map(u64::to_string).collect();
        let rows = [
            ("command", format!("`{}`", origin.command.replace('`', "'"))),
            ("program", shown(&origin.program)),
            ("commit", shown(if origin.commit.is_empty() { "unknown" } else { &origin.commit })),
            ("toolchain", shown(&origin.toolchain)),
            ("machine", shown(&origin.machine)),
            ("seeds", seeds.join(", ")),
            ("runs", figure::count(self.runs() as u64)),
        ];
        table.rows.extend(rows.map(|(name, value)| vec![name.to_owned(), value]));
        table
    }
}

/// A text that Markdown shows as it is.
fn inline(text: &str) -> String {
    let mut shown = String::new();
    for c in figure::name(text, usize::MAX).chars() {
        if matches!(c, '*' | '_' | '`' | '[' | ']' | '<' | '>' | '#') {
            shown.push('\\');
        }
        shown.push(c);
    }
    shown
}

/// The newest result of each experiment on one page, from folders with their `summary.json`, in any order: picture,
/// sentences, and whether the bands hold. What is no summary of an experiment is passed over.
pub fn findings(summaries: &[(String, Value)]) -> String {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let mut newest: Vec<(&String, &Value)> = Vec::new();
    let mut order: Vec<&(String, Value)> =
        summaries.iter().filter(|(_, summary)| summary["experiment"].is_string()).collect();
    order.sort_by(|a, b| text(&a.1["experiment"]).cmp(&text(&b.1["experiment"])).then(a.0.cmp(&b.0)));
    for (folder, summary) in order {
        match newest.last_mut() {
            Some(last) if last.1["experiment"] == summary["experiment"] => *last = (folder, summary),
            _ => newest.push((folder, summary)),
        }
    }
    let mut page = String::from(
        "# Findings\n\nThe newest result of each experiment. Generated by `s3seal experiment index`; what each rests on stands \
         in its folder.\n",
    );
    for (folder, summary) in newest {
        let _ = writeln!(page, "\n## {}\n", inline(&text(&summary["question"])));
        if summary["valid"] == Value::Bool(false) {
            page += "**INVALID: the machine spoilt it.**\n\n";
        }
        let answer: Vec<String> = summary["answer"].as_array().into_iter().flatten().map(text).collect();
        if !answer.is_empty() {
            let _ = writeln!(page, "{}\n", inline(&answer.join(" ")));
        }
        let chart = text(&summary["charts"][0]);
        if !chart.is_empty() {
            let _ = writeln!(page, "![{}]({folder}/{chart})\n", inline(&text(&summary["question"])));
        }
        let bands = summary["bands"].as_array().map_or(&[][..], Vec::as_slice);
        let held = bands.iter().filter(|band| band["holds"] == Value::Bool(true)).count();
        let _ = writeln!(
            page,
            "{held} of {} bands hold. [{}]({folder}/README.md), {}.",
            bands.len(),
            inline(&text(&summary["experiment"])),
            inline(&text(&summary["date"]))
        );
        for band in bands.iter().filter(|band| band["holds"] != Value::Bool(true)) {
            let _ = writeln!(page, "- **BROKEN**: {}", inline(&text(&band["what"])));
        }
    }
    page
}
