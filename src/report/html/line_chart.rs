//! Figures along a knob as lines, in panels on one scale: an SVG image that carries its own colours for day and night.

use std::fmt::Write;

use maud::{Markup, PreEscaped, html};
use plotters::prelude::*;

use super::palette::{DARK, LIGHT, Theme};
use super::panel::{Axis, IN_MEMORY, nice, panel};
use super::sheet::UNITS;
use super::{MODE_CLASSES, NAME};
use crate::report::figure;

/// Lines that can be told apart.
pub const LINES_MAX: usize = 6;

/// A chart of one figure.
#[derive(Clone, Debug)]
pub struct LineChart {
    /// What is shown.
    pub title: String,
    /// What stands across.
    pub across: String,
    /// Where the values of the knob stand, with what they are called.
    pub ticks: Vec<(f64, String)>,
    /// How a value is written.
    pub label: fn(f64) -> String,
    /// Whether the figure is drawn by its powers of ten.
    pub is_logarithmic: bool,
    /// Names of the lines, at most [`LINES_MAX`].
    pub lines: Vec<LineName>,
    /// Panels, side by side.
    pub panels: Vec<LinePanel>,
}

/// A line in the legend.
#[derive(Clone, Debug)]
pub struct LineName {
    /// What it is called.
    pub name: String,
    /// Its colour, below [`LINES_MAX`].
    pub colour: usize,
}

/// A part of a chart with axes of its own.
#[derive(Clone, Debug)]
pub struct LinePanel {
    /// What sets it apart from the others; empty where there is one.
    pub title: String,
    /// In the order of the names.
    pub lines: Vec<Line>,
}

/// What one line runs through.
#[derive(Clone, Debug, Default)]
pub struct Line {
    /// Where it stands, and how high.
    pub points: Vec<(f64, f64)>,
    /// Where the figure was expected: where, from, to.
    pub expected: Vec<(f64, f64, f64)>,
}

/// Pixels of a panel by how many there are.
const ONE: (u32, u32) = (820, 330);
const MANY: (u32, u32) = (440, 250);
/// Pixels that a label across takes, for each character and around it.
const CHARACTER: f64 = 8.0;
const GAP: f64 = 8.0;
const HEAD: u32 = 44;
const PANEL_HEAD: u32 = 22;
const FOOT: u32 = 26;
const MARGIN: u32 = 14;
const LEGEND_ROW: u32 = 20;

/// Where panels stand, in pixels.
struct Layout {
    columns: u32,
    size: (u32, u32),
    row: u32,
    count: u32,
    /// Where the panels end.
    below: u32,
}

impl LineChart {
    /// The chart as an image that needs nothing else. Names are shown harmlessly.
    pub fn to_svg(&self) -> String {
        let Layout { columns, size, row, count, below } = self.layout();
        let width = columns * size.0 + 2 * MARGIN;
        let (legend, rows) = self.legend(width, below + FOOT + 14);
        let height = below + FOOT + rows * LEGEND_ROW + MARGIN;
        let title = figure::name(&self.title, 400);
        let (low, high) = self.range();
        let image = html! {
            svg xmlns="http://www.w3.org/2000/svg" viewBox={ "0 0 " (width) " " (height) } width=(width) height=(height) role="img" aria-label=(title) {
                style { (PreEscaped(style())) }
                rect class="ground" width=(width) height=(height) rx="10" {}
                text class="title" x=(MARGIN + 4) y="28" { (title) }
                @for (place, part) in self.panels.iter().enumerate() {
                    @let place = u32::try_from(place).unwrap_or(0);
                    @let (x, y) = (MARGIN + place % columns * size.0, HEAD + place / columns * row);
                    @if count > 1 { text class="head" x=(x + 4) y=(y + 14) { (figure::name(&part.title, NAME)) } }
                    svg x=(x) y=(y + row - size.1) width=(size.0) height=(size.1) { (self.panel(part, size, (low, high))) }
                }
                text class="across" x=(width / 2) y=(below + 12) text-anchor="middle" { (figure::name(&self.across, NAME)) }
                (legend)
            }
        };
        image.into_string() + "\n"
    }

    fn layout(&self) -> Layout {
        let count = u32::try_from(self.panels.len()).unwrap_or(0);
        let (columns, size) = if count > 1 { (2, MANY) } else { (1, ONE) };
        let row = size.1 + if count > 1 { PANEL_HEAD } else { 0 };
        Layout { columns, size, row, count, below: HEAD + count.div_ceil(columns) * row }
    }

    /// The names of the lines in rows of `width` from `top` on, and how many rows they take.
    fn legend(&self, width: u32, top: u32) -> (Markup, u32) {
        if self.lines.len() < 2 {
            return (html! {}, 0);
        }
        let left = MARGIN + 4;
        let (mut x, mut row) = (left, 0);
        let mut placed = Vec::new();
        for line in &self.lines {
            let name = figure::name(&line.name, 60);
            let room = 48 + u32::try_from(figure::cells(&name)).unwrap_or(0) * 8;
            if x + room > width && x > left {
                (x, row) = (left, row + 1);
            }
            placed.push((x, top + row * LEGEND_ROW, name, class(line.colour)));
            x += room;
        }
        let drawn = html! {
            @for (x, y, name, class) in &placed {
                path class={ "curve " (class) } transform="scale(.1)" d={ "M" (x * UNITS) " " ((y - 4) * UNITS) "h260" } {}
                text x=(x + 32) y=(y) { (name) }
            }
        };
        (drawn, row + 1)
    }

    /// Where a value stands up the axis.
    fn up(&self, value: f64, low: f64) -> f64 {
        if self.is_logarithmic { libm::log10(value).max(low) } else { value }
    }

    /// From where to where all panels reach.
    fn range(&self) -> (f64, f64) {
        let lines = || self.panels.iter().flat_map(|panel| &panel.lines);
        let values = lines().flat_map(|line| {
            let expected = line.expected.iter().flat_map(|(_, low, high)| [*low, *high]);
            line.points.iter().map(|(_, value)| *value).chain(expected)
        });
        let values: Vec<f64> = values.filter(|value| value.is_finite()).collect();
        let high = values.iter().copied().fold(0.0, f64::max);
        if !self.is_logarithmic {
            return (0.0, if high > 0.0 { high * 1.08 } else { 1.0 });
        }
        let low = values.iter().copied().filter(|value| *value > 0.0).fold(high, f64::min);
        let (low, high) = (libm::floor(libm::log10(low)), libm::ceil(libm::log10(high)));
        (low, high.max(low + 1.0))
    }

    fn panel(&self, part: &LinePanel, size: (u32, u32), (low, high): (f64, f64)) -> Markup {
        let (first, last) = (
            self.ticks.iter().map(|(at, _)| *at).fold(f64::MAX, f64::min),
            self.ticks.iter().map(|(at, _)| *at).fold(f64::MIN, f64::max),
        );
        let width = (last - first).max(1e-9);
        let (from, to) = (first - width * 0.04, last + width * 0.04);
        let label_x = |value: f64| {
            let found = self.ticks.iter().find(|(at, _)| (at - value).abs() < 1e-9);
            found.map_or(String::new(), |(_, name)| figure::name(name, 24))
        };
        let label_y = |value: f64| {
            (self.label)(if self.is_logarithmic {
                let power = libm::pow(10.0, value);
                // Whole powers of ten come out of `pow` with a digit too many.
                if power >= 1.0 { libm::round(power) } else { power }
            } else {
                value
            })
        };
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "at most 20 decades")]
        let decades = (high - low) as u32;
        let ticks_y = if self.is_logarithmic {
            let step = decades.div_ceil(6).max(1) as usize;
            (0..=decades).step_by(step).map(|n| low + f64::from(n)).collect()
        } else {
            nice(high, 5)
        };
        let x = Axis {
            range: from..to,
            ticks: self.apart(f64::from(size.0) - 110.0, to - from),
            label: &label_x,
        };
        let y = Axis { range: low..high, ticks: ticks_y, label: &label_y };
        let name = figure::name(&format!("{}: {}", self.title, part.title), 400);
        panel(size, &name, &x, &y, |chart, pen| {
            // The later ones are smaller: none hides another that it lies on.
            let radii = (0..self.lines.len()).rev().map(|later| 32 + 9 * i32::try_from(later).unwrap_or(0));
            for ((line, named), radius) in part.lines.iter().zip(&self.lines).zip(radii) {
                let class = class(named.colour);
                for (at, from, to) in &line.expected {
                    pen.title(format!("expected: {} to {}", (self.label)(*from), (self.label)(*to)));
                    let points = [(*at, self.up(*from, low)), (*at, self.up(*to, low).min(high))];
                    let ink = pen.ink(&format!("expected {class}"));
                    chart.draw_series(LineSeries::new(points, ink.stroke_width(2))).expect(IN_MEMORY);
                }
                let points = line.points.iter().map(|(at, value)| (*at, self.up(*value, low)));
                let ink = pen.ink(&format!("curve {class}"));
                chart.draw_series(LineSeries::new(points, ink.stroke_width(2))).expect(IN_MEMORY);
                for (at, value) in &line.points {
                    pen.title(format!(
                        "{}, {}: {}",
                        figure::name(&named.name, NAME),
                        label_x(*at),
                        (self.label)(*value)
                    ));
                    let ink = pen.ink(&format!("dot {class}"));
                    let dot = Circle::new((*at, self.up(*value, low)), radius, ink.filled());
                    chart.draw_series(std::iter::once(dot)).expect(IN_MEMORY);
                }
            }
        })
    }

    /// Those of the ticks whose names do not touch, in `pixels` for `width`.
    fn apart(&self, pixels: f64, width: f64) -> Vec<f64> {
        let mut ticks: Vec<&(f64, String)> = self.ticks.iter().collect();
        ticks.sort_by(|a, b| a.0.total_cmp(&b.0));
        let mut kept: Vec<f64> = Vec::new();
        let mut free = f64::MIN;
        for (at, name) in ticks {
            #[expect(clippy::cast_precision_loss, reason = "few characters")]
            let half = figure::cells(&figure::name(name, 24)) as f64 * CHARACTER / 2.0 + GAP / 2.0;
            let middle = at / width * pixels;
            if middle - half >= free {
                kept.push(*at);
                free = middle + half;
            }
        }
        kept
    }
}

fn class(colour: usize) -> &'static str {
    MODE_CLASSES[colour % LINES_MAX]
}

/// Colours as they are, without variables, which not every viewer of images knows.
fn style() -> String {
    let colours = |theme: &Theme| {
        let Theme { card, text, faint, line, modes, .. } = theme;
        let mut css = format!(
            ".ground{{fill:{card}}}text{{fill:{faint}}}.title,.head{{fill:{text}}}.axis{{stroke:{faint}}}.mesh{{stroke:{line}}}"
        );
        for (place, colour) in modes.iter().enumerate() {
            let _ = write!(
                css,
                ".curve.m{place},.expected.m{place}{{stroke:{colour}}}.dot.m{place}{{fill:{colour};stroke:{card}}}"
            );
        }
        css
    };
    format!(
        // In panels and in the legend a pixel has ten units.
        "text{{font:13px system-ui,-apple-system,\"Segoe UI\",Roboto,\"Helvetica Neue\",sans-serif}}.tick{{font-size:122px}}\
         .title{{font-size:16px;font-weight:650}}.head{{font-weight:600}}\
         path{{fill:none;stroke-width:10;stroke-linejoin:round}}.curve{{stroke-width:22}}\
         .expected{{stroke-width:140;opacity:.28}}.m0.curve{{stroke-dasharray:20 30}}.m2.curve{{stroke-dasharray:90 30}}\
         .m3.curve{{stroke-dasharray:140 30 30 30}}.m4.curve{{stroke-dasharray:50 40}}.m5.curve{{stroke-dasharray:15 20}}{}\
         @media (prefers-color-scheme:dark){{{}}}",
        colours(&LIGHT),
        colours(&DARK)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chart(panels: usize) -> LineChart {
        let line = Line { points: vec![(0.0, 10.0), (1.0, 1_000.0)], expected: vec![(1.0, 900.0, 1_100.0)] };
        LineChart {
            title: "<p99> & more".into(),
            across: "rate".into(),
            ticks: vec![(0.0, "1,000".into()), (1.0, "8,000".into())],
            label: figure::rate,
            is_logarithmic: true,
            lines: vec![
                LineName { name: "sse-s3".into(), colour: 0 },
                LineName { name: "\u{202e}odd".into(), colour: 7 },
            ],
            panels: vec![LinePanel { title: "quota 5,500".into(), lines: vec![line.clone(), line] }; panels],
        }
    }

    #[test]
    fn an_image_is_whole_needs_nothing_else_and_shows_names_harmlessly() {
        for panels in [0, 1, 4] {
            let image = chart(panels).to_svg();
            assert!(image.starts_with("<svg xmlns=\"http://www.w3.org/2000/svg\""), "{image}");
            assert!(image.contains("&lt;p99&gt; &amp; more") && !image.contains('\u{202e}'));
            assert!(!image.contains("var(--") && !image.contains("url(") && !image.contains("<script"));
            assert!(image.contains("prefers-color-scheme:dark"));
            assert_eq!(image.matches("expected: 900 to 1,100").count(), 2 * panels);
        }
    }

    #[test]
    fn names_across_do_not_touch() {
        let mut chart = chart(1);
        chart.ticks = (0..100).map(|n| (f64::from(n), format!("{n},000"))).collect();
        let kept = chart.apart(600.0, 100.0);
        // 6 characters of 8 pixels and a gap: at most ten in 600 pixels, and one that hangs over the end.
        assert!(kept.len() <= 12 && kept.len() >= 9 && kept[0].abs() < 1e-9, "{kept:?}");
    }
}
