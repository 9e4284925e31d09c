//! A plan as a page: the answer, every candidate on a chart of cost × p99 × revocation, figures with how they are known.

use maud::{Markup, html};
use plotters::prelude::*;

use super::panel::{Axis, IN_MEMORY, nice, panel};
use super::{NAME, chart, lines, mode_class, page, split, swatch};
use crate::cost::Table;
use crate::report::figure;
use crate::request::SseMode;

/// A candidate on the chart.
#[derive(Clone, Debug)]
pub struct PlanPoint {
    /// What it is called.
    pub label: String,
    /// Its mode.
    pub mode: SseMode,
    /// What encryption adds to a month's bill, in US dollars.
    pub usd: f64,
    /// 99th percentile of the response time, in nanoseconds; none where one pass counted its calls and nothing was run.
    pub p99_ns: Option<u64>,
    /// How soon its keys are revoked, in words.
    pub revoked: String,
    /// The same in nanoseconds; none for never. The sooner, the smaller the dot.
    pub revoked_ns: Option<u64>,
    /// Whether it keeps every demand.
    pub kept: bool,
    /// Whether it is the choice.
    pub chosen: bool,
}

/// A page of a plan. Every text is shown harmlessly.
#[derive(Clone, Debug)]
pub struct PlanPage {
    /// The answer.
    pub answer: String,
    /// Whether it keeps every demand.
    pub feasible: bool,
    /// The demands in words.
    pub demands: Vec<String>,
    /// The reasons.
    pub why: Vec<String>,
    /// Texts to paste, with their titles.
    pub settings: Vec<(String, String)>,
    /// The candidates that were run, and those that were counted.
    pub points: Vec<PlanPoint>,
    /// Figures under headings; the last column says how each is known.
    pub tables: Vec<(String, Table)>,
    /// Every candidate with its verdict.
    pub candidates: Table,
    /// Lists under headings.
    pub lists: Vec<(String, Vec<String>)>,
    /// Notes.
    pub notes: Vec<String>,
    /// Seed and program.
    pub origin: String,
    /// The scenario in full.
    pub scenario: String,
}

/// Diameters of dots, from the soonest revoked to what is never.
const DOTS: [i32; 4] = [30, 44, 58, 74];
/// How far above the chart the lane of those stands that were not run, as a part of the chart's height.
const LANE: f64 = 0.16;

impl PlanPage {
    /// The page, which needs nothing else.
    pub fn to_html(&self) -> String {
        let shown = |text: &String| figure::name(text, usize::MAX);
        let answer = shown(&self.answer);
        let (headline, lede) = split(&answer);
        let head = html! {
            @if !self.feasible { p class="invalid" { "No candidate keeps every demand." } }
            p class="eyebrow" { b { "S3 encryption plan" } " · " (figure::name(&self.demands.join("; "), 400)) }
            h1 { (headline) }
            @if !lede.is_empty() { p class="lede" { (lede) } }
            @if !self.why.is_empty() {
                ul class="more" { @for why in &self.why { @let why = shown(why); @let (head, tail) = split(&why); li { b { (head) } span { (tail) } } } }
            }
        };
        let main = html! {
            @if !self.settings.is_empty() {
                section id="settings" {
                    h2 { "What to paste" }
                    @for (title, text) in &self.settings { div class="card top" { h3 { (figure::name(title, 400)) } pre { (lines(text)) } } }
                }
            }
            @if !self.points.is_empty() { (pareto(&self.points)) }
            @for (heading, table) in &self.tables {
                section { h2 { (figure::name(heading, NAME)) } (rows(table)) }
            }
            @for (heading, texts) in self.lists.iter().filter(|(_, texts)| !texts.is_empty()) {
                section { h2 { (figure::name(heading, NAME)) } ul class="plain" { @for text in texts { li { (shown(text)) } } } }
            }
            section id="candidates" { h2 { "Every candidate" } p { "In the order in which they were listed, with what kept each from being chosen." } (rows(&self.candidates)) }
        };
        let foot = html! {
            h2 { "How figures are known" }
            p { "measured: counted in a log. simulated: counted in a run in virtual time. arithmetic: follows by a formula. assumption: \
                given, or taken from what is published." }
            h2 { "Assumptions and notes" }
            ul { @for note in &self.notes { li { (shown(note)) } } }
            h2 { "Where this comes from" }
            p { (figure::name(&self.origin, 200)) }
            details { summary { "The scenario in full" } pre { (lines(&self.scenario)) } }
        };
        page(&answer, &head, &main, &foot)
    }
}

fn rows(table: &Table) -> Markup {
    html! {
        div class="card scroll" tabindex="0" {
            table class="cards one" {
                @if table.columns.iter().any(|column| !column.name.is_empty()) {
                    thead { tr { @for column in &table.columns { th scope="col" class=[(!column.number).then_some("name")] { (column.name) } } } }
                }
                tbody { @for row in &table.rows { tr {
                    @for (place, (cell, column)) in row.iter().zip(&table.columns).enumerate() {
                        @let cell = if cell.is_empty() { String::new() } else { figure::name(cell.trim(), 400) };
                        @if place == 0 { th scope="row" { (cell) } }
                        @else { td class=[(!column.number).then_some(if cell.chars().count() > 40 { "text" } else { "name" })] data-th=(column.name) { (cell) } }
                    }
                } } }
            }
        }
    }
}

/// Cost against p99; the size of a dot says how late its keys are revoked. What no other beats in all three is on the front.
/// Candidates without a p99 stand in a lane of their own above it, hollow.
fn pareto(points: &[PlanPoint]) -> Markup {
    let timed = || points.iter().filter_map(|point| Some((point, chart::log(point.p99_ns?))));
    let counted = points.iter().any(|point| point.p99_ns.is_none());
    let front: Vec<(f64, f64)> = timed()
        .filter(|(point, _)| !points.iter().any(|other| beats(other, point)))
        .map(|(point, at)| (point.usd, at))
        .collect();
    let top = points.iter().map(|point| point.usd).fold(1.0, f64::max) * 1.06;
    let (low, high) = timed().fold((f64::MAX, 0.0_f64), |(low, high), (_, at)| (low.min(at), high.max(at)));
    // With nothing run there is a lane alone.
    let low = if low <= high { libm::floor(low) } else { 0.0 };
    let high = libm::ceil(high).max(low + 1.0);
    let lane = high + (high - low) * LANE;
    let dollars = |value: f64| figure::rate(value);
    let decade = |value: f64| if value > high { "not run".into() } else { chart::decade(value) };
    let x = Axis { range: -top * 0.03..top, ticks: nice(top, 5), label: &dollars };
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "at most 20 decades")]
    let mut ticks: Vec<f64> = (0..=(high - low) as u32).map(|n| low + f64::from(n)).collect();
    ticks.extend(counted.then_some(lane));
    let y =
        Axis { range: low..if counted { lane + (lane - high) / 2.0 } else { high }, ticks, label: &decade };
    let drawn =
        panel((720, 330), "Cost a month against p99 response time, by candidate", &x, &y, |chart, pen| {
            let mut edge = front;
            edge.sort_by(|a, b| a.0.total_cmp(&b.0).then(b.1.total_cmp(&a.1)));
            chart.draw_series(LineSeries::new(edge, pen.ink("mesh").stroke_width(1))).expect(IN_MEMORY);
            // The large ones first, so that none hides another.
            let mut order: Vec<&PlanPoint> = points.iter().collect();
            order.sort_by_key(|point| std::cmp::Reverse(dot(point)));
            for point in order {
                pen.title(tooltip(point));
                let at = (point.usd, point.p99_ns.map_or(lane, chart::log));
                let missed = if point.kept { "" } else { " missed" };
                let hollow = if point.p99_ns.is_none() { " counted" } else { "" };
                let ink = pen.ink(&format!("dot {}{missed}{hollow}", mode_class(point.mode)));
                chart
                    .draw_series(std::iter::once(Circle::new(at, dot(point), ink.filled())))
                    .expect(IN_MEMORY);
                if point.chosen {
                    let ring = Circle::new(at, dot(point) + 30, pen.ink("ring").stroke_width(2));
                    chart.draw_series(std::iter::once(ring)).expect(IN_MEMORY);
                }
            }
        });
    let modes = SseMode::ALL.into_iter().filter(|mode| points.iter().any(|point| point.mode == *mode));
    html! {
        section id="pareto" {
            h2 { "What it costs, and what that buys" }
            p {
                "Each dot is a candidate: to the left is cheaper, down is faster, and the smaller the dot, the sooner its keys are revoked. \
                Pale dots miss a demand; the ring is the choice. The line joins those that no other beats in all three. All of it is \
                simulated."
                @if counted { " Hollow dots, in the row above, were counted and not run: one pass over the requests tells their calls and so \
                    their bill, as a run would, and no response time. None of them can be the choice." }
            }
            div class="grid one" { div class="card top" {
                (drawn)
                ul class="legend" {
                    @for mode in modes { li { (swatch(mode)) (mode) } }
                    @if counted { li { span class="swatch hollow" {} "counted, not run" } }
                    li { small { "across: USD a month that encryption adds; up: p99 response time" } }
                }
            } }
        }
    }
}

/// What a candidate is, and how its figures are known.
fn tooltip(point: &PlanPoint) -> String {
    let verdict = match (point.chosen, point.kept, point.p99_ns) {
        (true, ..) => "chosen",
        (_, true, Some(_)) => "keeps every demand",
        (_, true, None) => "not the choice",
        (_, false, _) => "misses a demand",
    };
    let (time, how) = match point.p99_ns {
        Some(p99) => (figure::time(p99), "simulated"),
        None => ("not known".into(), "counted in one pass, not run"),
    };
    format!(
        "{}: {verdict}; {} USD a month, p99 {time}, revoked {} ({how})",
        figure::name(&point.label, NAME),
        figure::rate(point.usd),
        point.revoked
    )
}

/// Whether `other` is nowhere worse than `point` and somewhere better. What was not run beats none: its p99 is not known.
fn beats(other: &PlanPoint, point: &PlanPoint) -> bool {
    let Some((other_p99, p99)) = other.p99_ns.zip(point.p99_ns) else { return false };
    let revoked = |point: &PlanPoint| point.revoked_ns.unwrap_or(u64::MAX);
    let (a, b) = ((other.usd, other_p99, revoked(other)), (point.usd, p99, revoked(point)));
    a.0 <= b.0 && a.1 <= b.1 && a.2 <= b.2 && (a.0 < b.0 || a.1 < b.1 || a.2 < b.2)
}

fn dot(point: &PlanPoint) -> i32 {
    match point.revoked_ns {
        Some(0) => DOTS[0],
        Some(nanos) if nanos <= 300_000_000_000 => DOTS[1],
        Some(_) => DOTS[2],
        None => DOTS[3],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn point(usd: f64, p99_ns: Option<u64>, revoked_ns: Option<u64>) -> PlanPoint {
        PlanPoint {
            label: String::new(),
            mode: SseMode::SseKms,
            usd,
            p99_ns,
            revoked: "soon".into(),
            revoked_ns,
            kept: true,
            chosen: false,
        }
    }

    #[test]
    fn a_point_is_beaten_by_one_that_is_nowhere_worse_and_somewhere_better() {
        let one = point(1.0, Some(5), Some(0));
        assert!(beats(&one, &point(1.0, Some(5), None)) && beats(&one, &point(2.0, Some(5), Some(0))));
        assert!(beats(&one, &point(1.0, Some(6), Some(0))));
        assert!(!beats(&one, &one) && !beats(&one, &point(0.5, Some(9), None)));
        let counted = point(1.0, None, Some(0));
        assert!(!beats(&counted, &point(2.0, Some(9), None)) && !beats(&one, &point(2.0, None, None)));
    }

    #[test]
    fn what_was_counted_stands_in_a_row_of_its_own_and_says_so() {
        let run = [point(1.0, Some(5_000_000), Some(0)), point(3.0, Some(50_000_000), None)];
        let plain = pareto(&run).into_string();
        assert!(!plain.contains("counted") && !plain.contains("not run"), "{plain}");
        let page = pareto(&[&run[..], &[point(2.0, None, Some(1)), point(2.5, None, Some(1))]].concat())
            .into_string();
        assert_eq!(page.matches("p99 not known, revoked soon (counted in one pass, not run)").count(), 2);
        assert_eq!(page.matches(", revoked soon (simulated)").count(), 2);
        assert_eq!(page.matches(" counted\"").count(), 2, "hollow: {page}");
        assert!(page.contains(">not run<") && page.contains("counted, not run"), "{page}");
        // Above every dot that has a p99.
        let heights = |class: &str| -> Vec<f64> {
            let dots = page.split("<circle").skip(1).filter(|dot| {
                let dot = dot.split('>').next().unwrap_or_default();
                dot.contains("dot ") && dot.contains(" counted") == (class == "counted")
            });
            dots.map(|dot| dot.split("cy=\"").nth(1).unwrap().split('"').next().unwrap().parse().unwrap())
                .collect()
        };
        let (counted, timed) = (heights("counted"), heights(""));
        assert!(counted.len() == 2 && timed.len() == 2);
        assert!(counted.iter().all(|lane| timed.iter().all(|at| lane < at)), "{counted:?} {timed:?}");
        assert!(pareto(&[point(2.0, None, None)]).into_string().contains("not run"), "alone");
    }
}
