//! The report as text: findings, tables on fixed columns, charts; readable from 80 columns on.

use std::fmt::Write;

use anstyle::{AnsiColor, Style as Ansi};

use super::chart::chart;
use super::figure::{self, NONE, cells, count, share};
use super::table::{Cell, Group, Tone, fewer, groups, label};
use super::{Cost, CostAttribution, CostShare, Kind, Report, Share, Summary};
use crate::cost::{Charge, Unit, grouped_decimal};
use crate::units::Usd;

/// The least width that is laid out for; a narrower terminal wraps.
const WIDTH_MIN: usize = 80;
/// How wide sentences get at most: longer lines are hard to read.
const PROSE_MAX: usize = 100;
/// Cells between two columns.
const GAP: usize = 2;
/// Cells that a word of a price may take.
const NAME_MAX: usize = 72;
/// Members that are shown of each breakdown; the JSON has more.
const MEMBERS: usize = 3;

/// How to render text. The caller knows whether it writes to a terminal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Style {
    /// Cells in a line; less than 80 counts as 80.
    pub width: usize,
    /// Whether to use ANSI colours.
    pub colour: bool,
}

impl Default for Style {
    /// 80 columns, no colours: what fits everywhere.
    fn default() -> Self {
        Self { width: WIDTH_MIN, colour: false }
    }
}

impl Style {
    pub(super) fn width(self) -> usize {
        self.width.max(WIDTH_MIN)
    }

    pub(crate) fn paint(self, text: &str, tone: Tone) -> String {
        let ansi = match tone {
            _ if !self.colour => return text.into(),
            Tone::Plain => return text.into(),
            Tone::Alarm => AnsiColor::Red.on_default(),
            Tone::Faint => Ansi::new().dimmed(),
            Tone::Strong => Ansi::new().bold(),
        };
        format!("{ansi}{text}{ansi:#}")
    }
}

impl Summary {
    /// Why requests failed, in a sentence; none when none did.
    pub(super) fn failures(&self) -> Option<String> {
        let crate::report::Endings { throttled, denied, key_unavailable, failed, .. } = self.endings;
        let reasons = [
            (throttled, "throttled to the end of their retries"),
            (denied, "not allowed to use the key"),
            (key_unavailable, "whose KMS key could not be used"),
            (failed, "on an object that is not there (yet), in an outage, or past a deadline"),
        ];
        let said: Vec<String> = reasons
            .iter()
            .filter(|(count, _)| *count > 0)
            .map(|(failed, why)| format!("{} {why}", count(*failed)))
            .collect();
        (!said.is_empty()).then(|| {
            format!("Failed under {}, of {} requests: {}.", self.mode, count(self.offered), said.join(", "))
        })
    }
}

impl Report {
    /// What a shard is of the whole; none for the whole.
    pub(super) fn part(&self) -> Option<String> {
        let shard = self.shard?;
        Some(format!(
            "This is shard {} of {} of the workload, numbered from 0: rates and quotas are those of a part, and the bill is that \
             of the part with the whole key and free tier. `s3seal report merge` makes the whole.",
            shard.index, shard.of
        ))
    }

    /// The report as text with a newline at its end. Names from outside are shown harmlessly.
    pub fn to_text(&self, style: Style) -> String {
        let mut out = String::new();
        self.prose(&mut out, style);
        super::search::write(&mut out, &self.searches, style);
        if self.runs.is_empty() {
            out.push_str("No run was made.\n\n");
        } else {
            tables(&mut out, &self.runs, style);
            let failures: Vec<String> = self.runs.iter().filter_map(Summary::failures).collect();
            for sentence in &failures {
                wrapped(&mut out, sentence, "", style, Tone::Alarm);
            }
            let fewer = fewer(&self.runs);
            if let Some(sentence) = &fewer {
                wrapped(&mut out, sentence, "", style, Tone::Alarm);
            }
            if !failures.is_empty() || fewer.is_some() {
                out.push('\n');
            }
            charts(&mut out, &self.runs, style);
            members(&mut out, &self.runs, style);
            prices(&mut out, self, style);
        }
        self.foot(&mut out, style);
        out
    }

    fn prose(&self, out: &mut String, style: Style) {
        let findings = self.findings();
        for finding in &findings {
            let tone = if finding.rule == super::Rule::Invalid { Tone::Alarm } else { Tone::Strong };
            wrapped(out, &finding.sentence, "• ", style, tone);
        }
        if let Some(part) = self.part() {
            wrapped(out, &part, "• ", style, Tone::Strong);
        }
        if !findings.is_empty() {
            out.push('\n');
        }
    }

    fn foot(&self, out: &mut String, style: Style) {
        let covered = "Percentiles cover every request that started, failed ones with the time they took; dropped \
                       ones took none and are counted apart. Completed are the successes that ended in the measured time.";
        wrapped(out, covered, "", style, Tone::Faint);
        if let Some(clients) = self.runs.iter().find_map(|run| run.concurrency) {
            let plural = if clients == 1 { "" } else { "s" };
            let closed = format!(
                "Closed loop of {} client{plural}, each of which sends its next request when the last one has ended. A \
                 closed loop hides stalls: while nothing is answered it sends nothing, so the delay that others would \
                 have met stands in no percentile. For what users meet at a given rate, run the open loop (--rate).",
                count(clients.into()),
            );
            wrapped(out, &closed, "", style, Tone::Strong);
        }
        for note in &self.notes {
            wrapped(out, &figure::name(note, usize::MAX), "Note: ", style, Tone::Faint);
        }
        if !self.name.is_empty() {
            wrapped(out, &format!("scenario {}", figure::name(&self.name, 200)), "", style, Tone::Faint);
        }
        let mut origin = format!("seed {}, s3seal {}", self.seed, figure::name(&self.s3seal, 32));
        if !self.commit.is_empty() {
            let _ = write!(origin, ", commit {}", figure::name(&self.commit, 40));
        }
        if !self.machine.is_empty() {
            let _ = write!(origin, ", on {}", figure::name(&self.machine, 200));
        }
        wrapped(out, &origin, "", style, Tone::Faint);
    }
}

/// A group laid out: the width of each column, heading and cells.
struct Block {
    title: &'static str,
    widths: Vec<usize>,
    heads: Vec<(&'static str, &'static str)>,
    rows: Vec<Vec<Cell>>,
}

impl Block {
    fn new(group: &Group, runs: &[Summary]) -> Self {
        let rows: Vec<Vec<Cell>> =
            runs.iter().map(|run| group.columns.iter().map(|column| (column.cell)(run)).collect()).collect();
        let widest = |place: usize| rows.iter().map(|row| cells(&row[place].text)).max().unwrap_or(0);
        let widths =
            group.columns.iter().enumerate().map(|(place, column)| column.width.max(widest(place))).collect();
        let heads = group.columns.iter().map(|column| (column.heading, column.unit)).collect();
        Self { title: group.title, widths, heads, rows }
    }

    fn width(&self) -> usize {
        self.widths.iter().sum::<usize>() + GAP * self.widths.len().saturating_sub(1)
    }
}

/// As many groups side by side as fit; each further table starts with the labels again.
fn tables(out: &mut String, runs: &[Summary], style: Style) {
    let label = Block::new(&label(), runs);
    let mut side_by_side: Vec<Block> = Vec::new();
    let mut used = label.width();
    for block in groups(runs).iter().map(|group| Block::new(group, runs)) {
        // A gap twice as wide sets groups apart.
        let needed = 2 * GAP + block.width();
        if !side_by_side.is_empty() && used + needed > style.width() {
            table(out, &label, &side_by_side, runs, style);
            side_by_side.clear();
            used = label.width();
        }
        used += needed;
        side_by_side.push(block);
    }
    table(out, &label, &side_by_side, runs, style);
}

fn table(out: &mut String, label: &Block, blocks: &[Block], runs: &[Summary], style: Style) {
    let mut titles = " ".repeat(label.width());
    for block in blocks {
        let gap = block_gap(blocks);
        let _ = write!(titles, "{}{:<width$}", " ".repeat(gap), block.title, width = block.width());
    }
    out.push_str(&style.paint(titles.trim_end(), Tone::Strong));
    out.push('\n');
    let names = headings(label, blocks, |(name, _)| name);
    out.push_str(&style.paint(&names, Tone::Strong));
    out.push('\n');
    let units = headings(label, blocks, |(_, unit)| unit);
    out.push_str(&style.paint(&units, Tone::Faint));
    out.push('\n');
    for (place, run) in runs.iter().enumerate() {
        let row_tone = if run.kind == Kind::Simulated { Tone::Faint } else { Tone::Plain };
        let mut line = String::new();
        row(&mut line, label, place, row_tone, style);
        for block in blocks {
            line.push_str(&" ".repeat(block_gap(blocks)));
            row(&mut line, block, place, row_tone, style);
        }
        out.push_str(line.trim_end());
        out.push('\n');
    }
    out.push('\n');
}

/// One block alone stands as close as its columns do, so that 80 cells suffice.
fn block_gap(blocks: &[Block]) -> usize {
    if blocks.len() == 1 { GAP } else { 2 * GAP }
}

fn headings(
    label: &Block,
    blocks: &[Block],
    pick: fn((&'static str, &'static str)) -> &'static str,
) -> String {
    let mut line = String::new();
    for (place, block) in std::iter::once(label).chain(blocks).enumerate() {
        if place > 0 {
            line.push_str(&" ".repeat(block_gap(blocks)));
        }
        for (column, (head, width)) in block.heads.iter().zip(&block.widths).enumerate() {
            push_cell(&mut line, pick(*head), *width, column, is_left(place == 0, column));
        }
    }
    line.trim_end().into()
}

fn row(line: &mut String, block: &Block, place: usize, row_tone: Tone, style: Style) {
    let is_label = block.title.is_empty();
    for (column, (cell, width)) in block.rows[place].iter().zip(&block.widths).enumerate() {
        let tone = if cell.tone == Tone::Plain { row_tone } else { cell.tone };
        let mut padded = String::new();
        push_cell(&mut padded, &cell.text, *width, column, is_left(is_label, column));
        // Colour the text alone, so that it does not hide in a cell's padding.
        line.push_str(&padded.replacen(&cell.text, &style.paint(&cell.text, tone), 1));
    }
}

/// Mode and kind stand left, figures right.
fn is_left(is_label: bool, column: usize) -> bool {
    is_label && column < 2
}

fn push_cell(line: &mut String, text: &str, width: usize, column: usize, left: bool) {
    let padding = " ".repeat(width.saturating_sub(cells(text)));
    let gap = " ".repeat(if column > 0 { GAP } else { 0 });
    let _ = if left { write!(line, "{gap}{text}{padding}") } else { write!(line, "{gap}{padding}{text}") };
}

fn charts(out: &mut String, runs: &[Summary], style: Style) {
    let label = Block::new(&label(), runs);
    let peak = |run: &Summary| format!("{}peak {}", " ".repeat(GAP), count(run.kms.peak_calls_per_s));
    let widest_peak = runs.iter().map(|run| cells(&peak(run))).max().unwrap_or(0);
    let room = style.width().saturating_sub(label.width() + GAP + widest_peak);
    let drawn: Vec<_> =
        runs.iter().enumerate().filter_map(|(place, run)| Some((place, run, chart(run, room)?))).collect();
    if drawn.is_empty() {
        return;
    }
    out.push_str(&style.paint("KMS calls per second", Tone::Strong));
    out.push('\n');
    wrapped(
        out,
        "A full block is the quota, or the busiest second where there is none; │ ends the warm-up. The row above, where \
         there is one, is what was sent beyond the quota, full at twice the quota. Peak: the busiest second after the \
         warm-up.",
        "",
        style,
        Tone::Faint,
    );
    for (place, run, chart) in drawn {
        if !chart.beyond.is_empty() {
            let what = format!("{:>width$}", "over quota", width = label.width());
            let beyond = style.paint(chart.beyond.trim_end(), Tone::Alarm);
            let _ = writeln!(out, "{what}{}{beyond}", " ".repeat(GAP));
        }
        let row_tone = if run.kind == Kind::Simulated { Tone::Faint } else { Tone::Plain };
        row(out, &label, place, row_tone, style);
        let _ = writeln!(out, "{}{}{}", " ".repeat(GAP), chart.within, peak(run));
    }
    out.push('\n');
}

/// The run that calls KMS most; none where none calls it.
pub(super) fn caller(runs: &[Summary]) -> Option<&Summary> {
    let most = runs.iter().reduce(|a, b| if b.kms.calls > a.kms.calls { b } else { a });
    most.filter(|run| run.kms.calls > 0)
}

/// Who causes the KMS calls of the run that calls most.
pub(super) struct Callers<'a> {
    pub(super) run: &'a Summary,
    pub(super) title: String,
    pub(super) members: Vec<Member>,
}

/// One of them, or all others of its kind.
pub(super) struct Member {
    /// Of the first of its kind, which that is.
    pub(super) what: &'static str,
    /// Shares of the run's calls, and of its own that were throttled.
    pub(super) shares: [String; 2],
    /// What its KMS requests and all of it cost a month; empty without prices.
    pub(super) usd: Vec<String>,
    pub(super) name: Option<String>,
}

/// Headings of what members cost.
pub(super) const MEMBER_USD: [&str; 2] = ["KMS USD/mo", "all USD/mo"];

/// The callers of `runs`, where there is more than one who could be.
pub(super) fn callers(runs: &[Summary]) -> Option<Callers<'_>> {
    let run = caller(runs)?;
    let (calls, unpriced) = (&run.attribution, CostAttribution::default());
    let cost = run.cost.as_ref().map_or(&unpriced, |cost| &cost.attribution);
    let lists = [
        ("bucket", &calls.bucket, &cost.bucket),
        ("principal", &calls.principal, &cost.principal),
        ("operation", &calls.operation, &cost.operation),
        ("KMS key", &calls.kms_key, &cost.kms_key),
    ];
    let mut members = Vec::new();
    for (what, list, costs) in lists.into_iter().filter(|(_, list, _)| list.len() > 1) {
        for (place, (member, usd)) in top(list, costs).into_iter().enumerate() {
            let amount =
                |usd: Option<Usd>| usd.map_or_else(|| NONE.into(), |usd| grouped_decimal(usd.decimal(), 2));
            members.push(Member {
                what: if place == 0 { what } else { "" },
                shares: [
                    share(figure::ratio(member.calls, run.kms.calls)),
                    share(figure::ratio(member.throttled, member.calls)),
                ],
                usd: run.cost.iter().flat_map(|_| usd.map(amount)).collect(),
                name: member.name,
            });
        }
    }
    let kind = if run.kind == Kind::Live { "" } else { " (simulated)" };
    let title = format!("Who calls KMS under {}{kind}", run.mode);
    (!members.is_empty()).then_some(Callers { run, title, members })
}

fn members(out: &mut String, runs: &[Summary], style: Style) {
    let Some(Callers { run, title, members }) = callers(runs) else { return };
    out.push_str(&style.paint(&title, Tone::Strong));
    let money = |amounts: &mut dyn Iterator<Item = &str>| {
        amounts.fold(String::new(), |line, amount| line + &format!("{amount:>11}  "))
    };
    let headings = money(&mut MEMBER_USD.into_iter().filter(|_| run.cost.is_some()));
    let _ = writeln!(out, "\n{:<9}  {:>6}  {:>9}  {headings}name", "", "calls", "throttled");
    for Member { what, shares: [calls, throttled], usd, name } in members {
        let usd = money(&mut usd.iter().map(String::as_str));
        let line = format!("{what:<9}  {calls:>6}  {throttled:>9}  {usd}");
        let room = style.width().saturating_sub(cells(&line));
        let name = name.map_or_else(|| "all others".into(), |name| figure::name_ends(&name, room));
        let _ = writeln!(out, "{line}{name}");
    }
    out.push('\n');
}

/// The largest few with what they cost for KMS requests and for everything, and the rest in one.
fn top(list: &[Share], costs: &[CostShare]) -> Vec<(Share, [Option<Usd>; 2])> {
    let usd = |place: usize| costs.get(place).map_or([None; 2], |cost| [cost.usd, cost.total]);
    let mut all = list.iter().cloned().enumerate().map(|(place, share)| (share, usd(place)));
    if list.len() <= MEMBERS + 1 {
        return all.collect();
    }
    let mut shown: Vec<_> = all.by_ref().take(MEMBERS).collect();
    let nobody = Share { name: None, calls: 0, throttled: 0, billed: 0, s3: None };
    shown.push(all.fold((nobody, [Some(Usd::ZERO); 2]), |(rest, sums), (share, usd)| {
        let rest = Share {
            calls: rest.calls.saturating_add(share.calls),
            throttled: rest.throttled.saturating_add(share.throttled),
            billed: rest.billed.saturating_add(share.billed),
            ..rest
        };
        let plus = |place: usize| sums[place].zip(usd[place]).map(|(sum, usd)| sum + usd);
        (rest, [plus(0), plus(1)])
    }));
    shown
}

/// What a saving is set against.
pub(super) const SAVES: &str = "the bill of as many requests under plain sse-kms, less this one; a plain run that the quota \
                                throttles gets fewer through, so its own bill may be smaller than what is saved";

/// The prices that the costs rest on, each once, and what the columns mean.
fn prices(out: &mut String, report: &Report, style: Style) {
    let costs: Vec<&Cost> = report.runs.iter().filter_map(|run| run.cost.as_ref()).collect();
    let Some(first) = costs.first() else { return };
    let mut rows: Vec<(String, String)> = Vec::new();
    for charge in costs.iter().flat_map(|cost| &cost.lines) {
        let sure = match charge.confidence.as_str() {
            "found" => "",
            "missing" => "; MISSING",
            _ => "; UNCONFIRMED",
        };
        let title = figure::name(&charge.title, NAME_MAX) + sure;
        if !rows.iter().any(|(_, known)| *known == title) {
            rows.push((rate_of(charge), title));
        }
    }
    let place = [&first.region, &first.month].map(|text| figure::name(text, NAME_MAX)).join(", ");
    out.push_str(&style.paint(&format!("Prices in {place}, USD"), Tone::Strong));
    out.push('\n');
    let widest = rows.iter().map(|(rate, _)| cells(rate)).max().unwrap_or(0);
    for (rate, title) in &rows {
        let _ = writeln!(out, "{rate}{}{title}", " ".repeat(widest - cells(rate) + GAP));
    }
    let mut meaning = format!(
        "Month: the requests at this rate for a month, with the free tier, and the keys. Million: a million requests that \
         succeed, without either. Saves: {SAVES}."
    );
    if costs.iter().any(|cost| !cost.confirmed) {
        meaning.push_str(" *: a price is not confirmed.");
    }
    if costs.iter().any(|cost| !cost.complete) {
        meaning.push_str(" >=: a price is not known, and its line is not in the sum.");
    }
    meaning.push_str(" Sources: `s3seal cost prices`.");
    wrapped(out, &meaning, "", style, Tone::Faint);
    if let Some(filling) = report.filling() {
        wrapped(out, &filling, "", style, Tone::Alarm);
    }
    out.push('\n');
}

/// `0.03 per 10,000 requests`.
pub(super) fn rate_of(charge: &Charge) -> String {
    let (Some(price), Some(per)) = (&charge.price, &charge.per) else { return NONE.into() };
    let unit =
        charge.unit.parse::<Unit>().map_or_else(|_| figure::name(&charge.unit, NAME_MAX), Unit::plural);
    match per.parse::<u64>() {
        Ok(1) | Err(_) => {
            format!("{} per {}", figure::name(price, NAME_MAX), figure::name(&charge.unit, NAME_MAX))
        }
        Ok(per) => format!("{} per {} {unit}", figure::name(price, NAME_MAX), count(per)),
    }
}

/// Writes `text` in lines that fit, each after the first indented by the width of `lead`.
pub(crate) fn wrapped(out: &mut String, text: &str, lead: &str, style: Style, tone: Tone) {
    let room = style.width().min(PROSE_MAX) - cells(lead);
    let mut lines: Vec<String> = vec![String::new()];
    for word in text.split_whitespace() {
        let line = lines.last_mut().expect("starts with one");
        if line.is_empty() {
            line.push_str(word);
        } else if cells(line) + 1 + cells(word) <= room {
            line.push(' ');
            line.push_str(word);
        } else {
            lines.push(word.into());
        }
    }
    for (place, line) in lines.iter().enumerate() {
        let lead = if place == 0 { lead.to_owned() } else { " ".repeat(cells(lead)) };
        let _ = writeln!(out, "{lead}{}", style.paint(line, tone));
    }
}
