//! The charts of a profile: the rate against the quotas, sizes, popularity.

use maud::{Markup, html};
use plotters::prelude::*;
use serde_json::Value;

use super::panel::{Axis, IN_MEMORY, nice, panel};
use super::profile::{bytes, float};
use crate::report::figure::{rate as number, share};

/// Bars of the chart over time; more stretches share a bar.
const BARS: f64 = 144.0;

/// Some seconds that share a bar: where they begin, and the busiest of them.
struct Bin {
    from: f64,
    requests: f64,
    calls: f64,
}

/// The busiest seconds of the stretches of `series` against `quotas`, logarithmic.
pub(super) fn rate(series: &Value, quotas: &[u64]) -> Markup {
    let step = float(&series["step_seconds"]).max(1.0);
    let points: Vec<[f64; 3]> = series["busiest"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|point| [0, 1, 2].map(|place| float(&point[place])))
        .collect();
    let (Some([first, ..]), Some([last, ..])) = (points.first(), points.last()) else { return html! {} };
    let (first, end) = (*first, *last + step);
    let width = libm::ceil((end - first) / step / BARS).max(1.0) * step;
    let mut bins: Vec<Bin> = Vec::new();
    for [second, requests, calls] in points {
        let from = first + libm::floor((second - first) / width) * width;
        match bins.last_mut().filter(|bin| bin.from >= from) {
            Some(bin) => (bin.requests, bin.calls) = (bin.requests.max(requests), bin.calls.max(calls)),
            None => bins.push(Bin { from, requests, calls }),
        }
    }
    let quotas: Vec<f64> =
        quotas.iter().map(|quota| libm::log10(float(&Value::from(*quota)).max(1.0))).collect();
    // Half a call a second stands at the bottom, so that one still shows.
    let bottom = libm::log10(0.5);
    let busiest =
        bins.iter().map(|bin| libm::log10(bin.requests.max(bin.calls).max(1.0))).fold(0.0, f64::max);
    let top = quotas.iter().copied().fold(busiest, f64::max) + 0.2;
    let mut ticks: Vec<f64> =
        [0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0].into_iter().filter(|tick| *tick < top).collect();
    ticks.retain(|tick| quotas.iter().all(|quota| (quota - tick).abs() > 0.01));
    ticks.extend(&quotas);
    let label_y = |value: f64| {
        let quota = quotas.iter().any(|quota| (quota - value).abs() < 0.01);
        format!("{}{}", if quota { "quota " } else { "" }, number(libm::round(libm::pow(10.0, value))))
    };
    let label_x = |value: f64| moment(value, end - first);
    let x = Axis { range: first..end, ticks: moments(first, end), label: &label_x };
    let y = Axis { range: bottom..top, ticks, label: &label_y };
    panel(
        (860, 300),
        "KMS calls and requests in the busiest seconds, against the quotas",
        &x,
        &y,
        |chart, pen| {
            for bin in bins.iter().filter(|bin| bin.calls > 0.0) {
                pen.title(format!(
                    "{}: {} KMS calls, {} requests",
                    exact(bin.from),
                    number(bin.calls),
                    number(bin.requests)
                ));
                let area = [(bin.from, bottom), ((bin.from + width * 0.9).min(end), libm::log10(bin.calls))];
                let over = quotas.first().is_some_and(|quota| libm::log10(bin.calls) > *quota);
                let ink = pen.ink(if over { "throttled" } else { "calls" });
                chart.draw_series(std::iter::once(Rectangle::new(area, ink.filled()))).expect(IN_MEMORY);
            }
            let dot = pen.ink("dot m1");
            for bin in bins.iter().filter(|bin| bin.requests > 0.0) {
                pen.title(format!("{}: {} requests", exact(bin.from), number(bin.requests)));
                let middle = (bin.from + width * 0.45).min(end);
                let dot = Circle::new((middle, libm::log10(bin.requests)), 22, dot.filled());
                chart.draw_series(std::iter::once(dot)).expect(IN_MEMORY);
            }
            for quota in &quotas {
                let ink = pen.ink("quota");
                pen.title(format!("quota {}", label_y(*quota)));
                chart
                    .draw_series(LineSeries::new([(first, *quota), (end, *quota)], ink.stroke_width(2)))
                    .expect(IN_MEMORY);
            }
        },
    )
}

/// Steps between the marks of a time axis, in seconds.
const STEPS: [f64; 20] = [
    1.0,
    2.0,
    5.0,
    10.0,
    30.0,
    60.0,
    120.0,
    300.0,
    600.0,
    1_800.0,
    3_600.0,
    7_200.0,
    14_400.0,
    43_200.0,
    86_400.0,
    172_800.0,
    604_800.0,
    2_592_000.0,
    7_776_000.0,
    31_536_000.0,
];

/// Round times from `from` to `to`, few enough that their labels do not touch.
fn moments(from: f64, to: f64) -> Vec<f64> {
    let step = STEPS.into_iter().find(|step| (to - from) / step <= 6.0).unwrap_or((to - from) / 5.0);
    let first = libm::ceil(from / step) * step;
    (0_u8..8).map(|n| first + f64::from(n) * step).filter(|tick| *tick <= to).collect()
}

#[expect(clippy::cast_possible_truncation, reason = "a second since 1970, or far fewer")]
fn calendar(second: f64) -> Option<jiff::Timestamp> {
    // Before 2001 it is a trace that counts from its own beginning.
    jiff::Timestamp::from_second(second as i64).ok().filter(|time| time.as_second() >= 978_307_200)
}

/// A mark of an axis that is `length` seconds long.
fn moment(second: f64, length: f64) -> String {
    let form = match length {
        ..600.0 => "%H:%M:%S",
        ..86_400.0 => "%H:%M",
        ..432_000.0 => "%b %d %H:%M",
        ..31_536_000.0 => "%b %d",
        _ => "%Y-%m",
    };
    calendar(second).map_or_else(|| format!("{} s", number(second)), |time| time.strftime(form).to_string())
}

fn exact(second: f64) -> String {
    calendar(second).map_or_else(|| format!("{} s", number(second)), |time| time.to_string())
}

/// The share of requests by size: a column for each power of two.
pub(super) fn sizes(counts: &Value) -> Markup {
    let columns: Vec<(f64, f64)> =
        counts.as_array().into_iter().flatten().map(|pair| (float(&pair[0]), float(&pair[1]))).collect();
    let all: f64 = columns.iter().map(|(_, count)| count).sum();
    // A size of zero stands where one byte does.
    let place = |lowest: f64| libm::floor(libm::log2(lowest.max(1.0)));
    let (Some((low, _)), Some((high, _))) = (columns.first(), columns.last()) else { return html! {} };
    let (low, high) = (place(*low), place(*high) + 1.0);
    let highest = columns.iter().map(|(_, count)| count / all).fold(0.0, f64::max);
    let step =
        [1.0, 2.0, 5.0, 10.0, 20.0].into_iter().find(|step| (high - low) / step <= 6.0).unwrap_or(20.0);
    let first = libm::ceil(low / step) * step;
    let ticks = (0_u8..8).map(|n| first + f64::from(n) * step).filter(|tick| *tick <= high).collect();
    let label_x = |value: f64| bytes(libm::pow(2.0, value));
    let label_y = |value: f64| format!("{} %", number(value * 100.0));
    let x = Axis { range: low..high, ticks, label: &label_x };
    let y = Axis { range: 0.0..highest * 1.08, ticks: nice(highest, 4), label: &label_y };
    panel((430, 230), "Share of requests by size", &x, &y, |chart, pen| {
        for (lowest, count) in columns.iter().filter(|(_, count)| *count > 0.0) {
            let from = place(*lowest);
            pen.title(format!(
                "{} to {}: {} of the requests",
                bytes(*lowest),
                bytes(libm::pow(2.0, from + 1.0)),
                share(Some(count / all))
            ));
            let area = [(from + 0.06, 0.0), (from + 0.94, count / all)];
            let ink = pen.ink("calls");
            chart.draw_series(std::iter::once(Rectangle::new(area, ink.filled()))).expect(IN_MEMORY);
        }
    })
}

/// The share of the requests that the most popular share of the objects gets.
pub(super) fn popularity(curve: &Value) -> Markup {
    let points: Vec<(f64, f64)> =
        curve.as_array().into_iter().flatten().map(|pair| (float(&pair[0]), float(&pair[1]))).collect();
    let at = |objects: f64| libm::log10(objects.clamp(1e-9, 1.0));
    let Some((first, _)) = points.first() else { return html! {} };
    let low = libm::floor(at(*first)).min(-1.0);
    let label_x = |value: f64| format!("{} %", number(100.0 * libm::pow(10.0, value)));
    let label_y = |value: f64| format!("{} %", number(value * 100.0));
    let ticks = (0_u8..10).map(|n| low + f64::from(n)).filter(|tick| *tick <= 0.0).collect();
    let x = Axis { range: low..0.0, ticks, label: &label_x };
    let y = Axis { range: 0.0..1.02, ticks: vec![0.0, 0.25, 0.5, 0.75, 1.0], label: &label_y };
    panel(
        (430, 230),
        "Share of requests by share of objects, the most popular first",
        &x,
        &y,
        |chart, pen| {
            let ink = pen.ink("curve m2");
            let line = points.iter().map(|(objects, requests)| (at(*objects), *requests));
            chart.draw_series(LineSeries::new(line, ink.stroke_width(2))).expect(IN_MEMORY);
            let dot = pen.ink("dot m2");
            for (objects, requests) in &points {
                pen.title(format!(
                    "{} of the objects get {} of the requests",
                    share(Some(*objects)),
                    share(Some(*requests))
                ));
                let dot = Circle::new((at(*objects), *requests), 24, dot.filled());
                chart.draw_series(std::iter::once(dot)).expect(IN_MEMORY);
            }
        },
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_on_an_axis_are_round_and_few() {
        assert_eq!(moments(1_549_411_238.0, 1_549_411_300.0).len(), 2);
        assert_eq!(moments(0.0, 1.0), [0.0, 1.0]);
        assert_eq!(moment(1_549_411_200.0, 90_000.0), "Feb 06 00:00");
        assert_eq!(moment(1_549_411_200.0, 60.0), "00:00:00");
        assert_eq!(moment(90.0, 60.0), "90 s");
        assert!((0..60).all(|n| moments(0.0, libm::pow(1.7, f64::from(n))).len() <= 8));
    }
}
