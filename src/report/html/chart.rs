//! The charts of a report: KMS calls against the quota, latency curves, hit ratio over time.

use std::collections::BTreeMap;

use maud::{Markup, html};
use plotters::prelude::*;

use super::panel::{Axis, IN_MEMORY, nice, panel};
use super::{Group, chip, mode_class, swatch};
use crate::report::distribution::Distribution;
use crate::report::figure::{count, one_of, rate, share, time};
use crate::report::table::hit_ratio;
use crate::report::{Phase, SecondSummary, Summary};

/// Bars of a chart over time; more seconds share a bar.
const BARS: u64 = 72;
/// A quota so many times the busiest second is not drawn.
const FAR: u64 = 10;
/// Points of a curve.
const STEPS: u32 = 96;
/// Percentiles that a curve marks and names, in parts of 100,000.
pub(super) const MARKED: [(u32, &str); 6] = [
    (50_000, "p50"),
    (90_000, "p90"),
    (99_000, "p99"),
    (99_900, "p99.9"),
    (99_990, "p99.99"),
    (100_000, "max"),
];

/// Some seconds that share a bar: the calls of the busiest, what they were together.
#[derive(Clone, Copy, Debug, Default)]
struct Bin {
    busiest: u64,
    throttled_in_busiest: u64,
    calls: u64,
    throttled: u64,
    cached: u64,
    keys: u64,
}

/// A run over time.
struct Timeline {
    first: i64,
    last: i64,
    seconds_in_a_bin: u64,
    bins: Vec<Bin>,
}

impl Timeline {
    fn new(series: &[SecondSummary]) -> Option<Self> {
        let mut seconds: BTreeMap<i64, Bin> = BTreeMap::new();
        for second in series {
            let bin = seconds.entry(second.second).or_default();
            let sum = |a: &mut u64, b: u64| *a = a.saturating_add(b);
            sum(&mut bin.calls, second.kms_calls);
            sum(&mut bin.throttled, second.throttled);
            sum(&mut bin.cached, second.cached);
            sum(&mut bin.keys, second.cached.saturating_add(second.joined).saturating_add(second.fetched));
        }
        let (first, last) = (*seconds.first_key_value()?.0, *seconds.last_key_value()?.0);
        let length = last.abs_diff(first).saturating_add(1);
        let seconds_in_a_bin = length.div_ceil(BARS);
        let bins = usize::try_from(length.div_ceil(seconds_in_a_bin)).unwrap_or(1);
        let mut timeline = Self { first, last, seconds_in_a_bin, bins: vec![Bin::default(); bins] };
        for (second, counts) in seconds {
            let place = usize::try_from(second.abs_diff(first) / seconds_in_a_bin).unwrap_or(0);
            let bin = &mut timeline.bins[place];
            if counts.calls > bin.busiest {
                (bin.busiest, bin.throttled_in_busiest) = (counts.calls, counts.throttled);
            }
            bin.calls = bin.calls.saturating_add(counts.calls);
            bin.throttled = bin.throttled.saturating_add(counts.throttled);
            bin.cached = bin.cached.saturating_add(counts.cached);
            bin.keys = bin.keys.saturating_add(counts.keys);
        }
        Some(timeline)
    }

    /// The first second of bin `place`, and the one after its last.
    fn span(&self, place: usize) -> (i64, i64) {
        let offset = i64::try_from(place as u64 * self.seconds_in_a_bin).unwrap_or(i64::MAX);
        let from = self.first.saturating_add(offset);
        let width = i64::try_from(self.seconds_in_a_bin).unwrap_or(i64::MAX);
        (from, from.saturating_add(width))
    }

    fn named(&self, place: usize) -> String {
        let (from, to) = self.span(place);
        if to - from <= 1 { format!("second {from}") } else { format!("seconds {from} to {}", to - 1) }
    }

    fn axis<'a>(&self, label: &'a dyn Fn(f64) -> String) -> Axis<'a> {
        let (from, to) = (float(self.first), float(self.last.saturating_add(1)));
        // Half a chart of warm-up leaves room for half the ticks.
        let measured = to / (to - from).max(1.0);
        let mut ticks = nice(to, if measured < 0.6 { 2 } else { 4 });
        // Labels are whole seconds: no two alike.
        ticks.retain(|tick| *tick >= from && (tick - libm::round(*tick)).abs() < 1e-9);
        if ticks.is_empty() {
            ticks.push(from);
        }
        Axis { range: from..to, ticks, label }
    }
}

fn seconds(value: f64) -> String {
    format!("{} s", signed(value))
}

#[expect(clippy::cast_possible_truncation, reason = "a tick at whole seconds")]
fn signed(value: f64) -> String {
    if value < 0.0 { format!("−{}", rate(-value)) } else { (value as i64).to_string() }
}

#[expect(clippy::cast_precision_loss, reason = "a place on a chart")]
fn float(n: i64) -> f64 {
    n as f64
}

#[expect(clippy::cast_precision_loss, reason = "a place on a chart")]
fn height(n: u64) -> f64 {
    n as f64
}

/// Whether a chart of KMS calls says something of `run`: a quota stands above it, or there are calls.
pub(super) fn may_call(run: &Summary) -> bool {
    run.kms.calls > 0 || run.quota_per_s.is_some()
}

/// KMS calls of each run of `group`, second by second, on one scale.
pub(super) fn quota(group: &Group<'_>) -> Markup {
    let calling: Vec<&Summary> = group.runs.iter().map(|(_, run)| *run).filter(|run| may_call(run)).collect();
    let most = |run: &&Summary| {
        let busiest = Timeline::new(&run.series)
            .map_or(0, |line| line.bins.iter().map(|bin| bin.busiest).max().unwrap_or(0));
        (run.quota_per_s.unwrap_or(0), busiest)
    };
    let most: Vec<(u64, u64)> = calling.iter().map(most).collect();
    let (quota, busiest) =
        (most.iter().map(|(quota, _)| *quota).max(), most.iter().map(|(_, busiest)| *busiest).max());
    let (quota, busiest) = (quota.unwrap_or(0), busiest.unwrap_or(0));
    // A quota far above would leave nothing to be seen of the calls: then it is named, and not drawn.
    let is_far = busiest > 0 && quota / busiest >= FAR;
    let top = height(if is_far { busiest } else { quota.max(busiest) }.max(1)) * 1.13;
    // A few may be wide; many are small multiples.
    let (grid, width) = if calling.len() < 3 { ("grid wide", 430) } else { ("grid", 280) };
    html! {
        div class=(grid) {
            @for run in calling {
                figure class="card" {
                    h3 { (swatch(run.mode)) (run.mode) (chip(run)) }
                    @if run.kms.throttled > 0 {
                        p class="alarm" { (share(run.throttled_share())) " of " (count(run.kms.calls)) " calls throttled" }
                    } @else {
                        p {
                            @if run.kms.calls == 0 { "no KMS call after the warm-up" }
                            @else { "none throttled, at most " (one_of(run.kms.peak_calls_per_s, "call")) " in a second" }
                        }
                    }
                    @if is_far && run.quota_per_s.is_some() { p { "The quota lies beyond the chart." } }
                    (calls(run, top, width))
                }
            }
        }
    }
}

fn calls(run: &Summary, top: f64, width: u32) -> Markup {
    let Some(line) = Timeline::new(&run.series) else { return html! {} };
    let limit = run.quota_per_s.map(height).filter(|limit| *limit <= top);
    let label =
        |value: f64| if limit == Some(value) { format!("quota {}", short(value)) } else { short(value) };
    let x = line.axis(&seconds);
    let mut ticks = nice(top, 4);
    if let Some(limit) = limit {
        // Where it would touch a round number, the quota is written.
        ticks.retain(|tick| (tick - limit).abs() > top * 0.09);
        ticks.push(limit);
    }
    let y = Axis { range: 0.0..top, ticks, label: &label };
    let name = format!("KMS calls per second under {}", run.mode);
    panel((width, 165), &name, &x, &y, |chart, pen| {
        if line.first < 0 && line.last >= 0 {
            pen.title("warm-up: not in the figures".into());
            let warm = Rectangle::new([(float(line.first), 0.0), (0.0, top)], pen.ink("warm").filled());
            chart.draw_series(std::iter::once(warm)).expect(IN_MEMORY);
        }
        for (place, bin) in line.bins.iter().enumerate().filter(|(_, bin)| bin.calls > 0) {
            let (from, to) = line.span(place);
            let (from, to) = (float(from), float(to.min(line.last.saturating_add(1))));
            let gap = (to - from) * 0.1;
            let busiest = if line.seconds_in_a_bin > 1 {
                format!(", {} in the busiest second", count(bin.busiest))
            } else {
                String::new()
            };
            let said = format!(
                "{}: {} KMS calls, {} throttled{busiest}",
                line.named(place),
                count(bin.calls),
                count(bin.throttled)
            );
            let granted = height(bin.busiest.saturating_sub(bin.throttled_in_busiest));
            for (class, low, high) in [("calls", 0.0, granted), ("throttled", granted, height(bin.busiest))] {
                if high > low {
                    pen.title(said.clone());
                    let bar = Rectangle::new([(from + gap, low), (to - gap, high)], pen.ink(class).filled());
                    chart.draw_series(std::iter::once(bar)).expect(IN_MEMORY);
                }
            }
        }
        if let Some(at) = limit {
            let (from, to) = (x.range.start, x.range.end);
            chart
                .draw_series(LineSeries::new([(from, at), (to, at)], pen.ink("quota").stroke_width(2)))
                .expect(IN_MEMORY);
        }
    })
}

/// `1.2k`, `30k`, `2M`: for axes alone.
fn short(value: f64) -> String {
    match value {
        n if n >= 999_500_000_000.0 => format!("{n:.0e}"),
        n if n >= 1e9 => format!("{}G", rate(n / 1e9)),
        n if n >= 1e6 => format!("{}M", rate(n / 1e6)),
        n if n >= 1e3 => format!("{}k", rate(n / 1e3)),
        n => rate(n),
    }
}

/// Whether it shows the successes alone, what it is called, and its curves.
type Drawn<'a> = (bool, &'a str, Vec<(&'a Summary, Curve)>);

/// The response times of the runs of `group` as curves: all that started, and, where some failed, the successes beside them.
pub(super) fn curves(group: &Group<'_>) -> Markup {
    let some_failed = group.runs.iter().any(|(_, run)| run.failed > 0);
    let both = [(false, "All that started, failures included"), (true, "Successes alone")];
    let shown = if some_failed { &both[..] } else { &both[..1] };
    let drawn: Vec<Drawn<'_>> = shown
        .iter()
        .map(|(successes, name)| {
            let runs = group.runs.iter().map(|(_, run)| *run);
            (*successes, *name, runs.filter_map(|run| Some((run, Curve::new(run, *successes)?))).collect())
        })
        .collect();
    let lows = drawn.iter().flat_map(|(_, _, curves)| curves).map(|(_, curve)| curve.low());
    let highs = drawn.iter().flat_map(|(_, _, curves)| curves).map(|(_, curve)| curve.high());
    let (low, high) = (lows.fold(f64::MAX, f64::min), highs.fold(0.0, f64::max));
    if low > high {
        return html! {};
    }
    let (low, high) = (libm::floor(low), libm::ceil(high).max(libm::floor(low) + 1.0));
    html! {
        @for (successes, name, curves) in &drawn {
            figure class="card" {
                h3 { (if some_failed { name } else { "All requests; none failed" }) small { (group.title) } }
                (curve_panel(name, curves, (low, high)))
                ul class="legend" {
                    @for (run, curve) in curves {
                        li class=(mode_class(run.mode)) {
                            (dash(run)) (run.mode) (chip_if(run, group))
                            small { "p99 " (time(curve.at(99_000))) }
                        }
                    }
                }
                @if *successes { p { "Failures are left out here: a mode that gives up fast does not look fast." } }
            }
        }
    }
}

fn chip_if(run: &Summary, group: &Group<'_>) -> Markup {
    let alike = group.runs.iter().filter(|(_, other)| other.mode == run.mode).count();
    if alike > 1 {
        chip(run)
    } else {
        html! {}
    }
}

fn dash(run: &Summary) -> Markup {
    html! {
        svg class="dash" viewBox="0 0 30 8" aria-hidden="true" {
            path class={ "curve " (mode_class(run.mode)) } d="M0 4L30 4" {}
        }
    }
}

fn curve_panel(name: &str, curves: &[(&Summary, Curve)], (low, high): (f64, f64)) -> Markup {
    let nines = [(0.0, "0 %"), (1.0, "90 %"), (2.0, "99 %"), (3.0, "99.9 %"), (4.0, "99.99 %")];
    let label_x = |value: f64| {
        let name = nines.iter().find(|(at, _)| (value - at).abs() < 0.01);
        name.map_or(String::new(), |(_, name)| (*name).into())
    };
    let label_y = |value: f64| decade(value);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "at most 20 decades")]
    let decades = (high - low) as u32;
    let step = decades.div_ceil(8).max(1) as usize;
    let x = Axis { range: 0.0..4.0, ticks: (0..=4).map(f64::from).collect(), label: &label_x };
    let ticks = (0..=decades).step_by(step).map(|n| low + f64::from(n)).collect();
    let y = Axis { range: low..high, ticks, label: &label_y };
    let name = format!("Response time by percentile: {name}");
    panel((430, 270), &name, &x, &y, |chart, pen| {
        for (run, curve) in curves {
            let class = mode_class(run.mode);
            let ink = pen.ink(&format!("curve {class}"));
            pen.title(run.mode.to_string());
            let points = curve.points.iter().map(|(x, nanos)| (*x, log(*nanos)));
            chart.draw_series(LineSeries::new(points, ink.stroke_width(2))).expect(IN_MEMORY);
            let dot = pen.ink(&format!("dot {class}"));
            for (part, name) in MARKED {
                if part < 100_000 {
                    pen.title(format!("{} {name}: {}", run.mode, time(curve.at(part))));
                    let dot = Circle::new((place(part), log(curve.at(part))), 32, dot.filled());
                    chart.draw_series(std::iter::once(dot)).expect(IN_MEMORY);
                }
            }
        }
    })
}

/// A distribution, ready to be drawn.
struct Curve {
    /// Where on the axis, and how long in nanoseconds.
    points: Vec<(f64, u64)>,
    /// The marked percentiles.
    marked: Vec<(u32, u64)>,
}

impl Curve {
    /// None where nothing started. Without a record the percentiles that stand in the report are joined by straight lines.
    fn new(run: &Summary, successes: bool) -> Option<Self> {
        let known = if successes { &run.response_time_success_ns } else { &run.response_time_ns };
        if known.count == 0 {
            return None;
        }
        let Some(whole) = run.distribution(Phase::Response, successes) else {
            let known = [
                (50_000, known.p50),
                (90_000, known.p90),
                (99_000, known.p99),
                (99_900, known.p999),
                (99_990, known.max),
            ];
            let points = known.iter().map(|(part, nanos)| (place(*part), *nanos)).collect();
            return Some(Self { points, marked: known.to_vec() });
        };
        let at = |part: u32| Distribution::quantile(&whole, part).as_nanos();
        let points = (0..=STEPS).map(|step| {
            let x = f64::from(step) * 4.0 / f64::from(STEPS);
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "between 0 and 100,000"
            )]
            let part = libm::round(100_000.0 * (1.0 - libm::pow(10.0, -x))) as u32;
            (x, at(part.max(1)))
        });
        Some(Self {
            points: points.collect(),
            marked: MARKED.iter().map(|(part, _)| (*part, at(*part))).collect(),
        })
    }

    fn at(&self, part: u32) -> u64 {
        self.marked.iter().find(|(held, _)| *held == part).map_or(0, |(_, nanos)| *nanos)
    }

    fn low(&self) -> f64 {
        self.points.iter().map(|(_, nanos)| log(*nanos)).fold(f64::MAX, f64::min)
    }

    fn high(&self) -> f64 {
        self.points.iter().map(|(_, nanos)| log(*nanos)).fold(0.0, f64::max)
    }
}

/// A time on the axis: nothing stands where 1 ns does.
pub(super) fn log(nanos: u64) -> f64 {
    libm::log10(height(nanos.max(1)))
}

/// −log₁₀(1 − part): 90 % stands at 1, 99 % at 2.
fn place(part: u32) -> f64 {
    -libm::log10(1.0 - f64::from(part.min(99_990)) / 100_000.0)
}

/// A power of ten of nanoseconds.
pub(super) fn decade(power: f64) -> String {
    #[expect(clippy::cast_possible_truncation, reason = "0 to 20")]
    let power = libm::round(power) as i64;
    let (unit, below) = match power {
        ..3 => ("ns", 0),
        3..6 => ("µs", 3),
        6..9 => ("ms", 6),
        _ => ("s", 9),
    };
    let factor = 10_u64.saturating_pow(u32::try_from(power - below).unwrap_or(0));
    format!("{} {unit}", if factor < 10_000 { factor.to_string() } else { short(height(factor)) })
}

/// The part of requests whose data key was cached, over time; a curve for each run of `group` that needed KMS keys.
pub(super) fn hits(group: &Group<'_>, width: u32) -> Option<Markup> {
    let lines: Vec<(&Summary, Timeline)> = group
        .runs
        .iter()
        .filter_map(|(_, run)| Some((*run, Timeline::new(&run.series)?)))
        .filter(|(_, line)| line.bins.iter().any(|bin| bin.keys > 0))
        .collect();
    let first = lines.iter().map(|(_, line)| line.first).min()?;
    let last = lines.iter().map(|(_, line)| line.last).max()?;
    let whole = Timeline { first, last, seconds_in_a_bin: 1, bins: Vec::new() };
    let label = |value: f64| format!("{} %", rate(value * 100.0));
    let y = Axis { range: -0.02..1.02, ticks: vec![0.0, 0.25, 0.5, 0.75, 1.0], label: &label };
    let drawn = panel((width, 190), "Hit ratio over time", &whole.axis(&seconds), &y, |chart, pen| {
        if first < 0 && last >= 0 {
            pen.title("warm-up: not in the figures".into());
            let warm = Rectangle::new([(float(first), -0.02), (0.0, 1.02)], pen.ink("warm").filled());
            chart.draw_series(std::iter::once(warm)).expect(IN_MEMORY);
        }
        for (run, line) in &lines {
            let class = mode_class(run.mode);
            let ratio = |bin: &Bin| height(bin.cached) / height(bin.keys.max(1));
            let middle = |place: usize| {
                let (from, to) = line.span(place);
                f64::midpoint(float(from), float(to.min(line.last.saturating_add(1))))
            };
            let known: Vec<(usize, &Bin)> =
                line.bins.iter().enumerate().filter(|(_, bin)| bin.keys > 0).collect();
            let points = known.iter().map(|(place, bin)| (middle(*place), ratio(bin)));
            let ink = pen.ink(&format!("curve {class}"));
            pen.title(run.mode.to_string());
            chart.draw_series(LineSeries::new(points, ink.stroke_width(2))).expect(IN_MEMORY);
            let dot = pen.ink(&format!("dot {class}"));
            for (place, bin) in known {
                pen.title(format!(
                    "{}, {}: {} of {} cached",
                    run.mode,
                    line.named(place),
                    count(bin.cached),
                    count(bin.keys)
                ));
                let dot = Circle::new((middle(place), ratio(bin)), 26, dot.filled());
                chart.draw_series(std::iter::once(dot)).expect(IN_MEMORY);
            }
        }
    });
    Some(html! {
        figure class="card" {
            h3 { "Hit ratio" small { (group.title) } }
            (drawn)
            ul class="legend" {
                @for (run, _) in &lines {
                    li { (dash(run)) (run.mode) (chip_if(run, group)) small { (run.cache.hit_ratio.map_or_else(String::new, hit_ratio)) } }
                }
            }
        }
    })
}
