//! A chart on axes of its own: the part that all of them share.

use std::ops::Range;

use maud::Markup;
use plotters::coord::ranged1d::{DefaultFormatting, KeyPointHint, Ranged};
use plotters::prelude::*;

use super::sheet::{Pen, Sheet, UNITS, svg};

/// Labels are written this high, as the style sheet has it.
const FONT: f64 = 122.0;

/// An axis: from where to where, which values are marked, and how they are written.
pub(super) struct Axis<'a> {
    pub(super) range: Range<f64>,
    pub(super) ticks: Vec<f64>,
    pub(super) label: &'a dyn Fn(f64) -> String,
}

/// A linear coordinate that is marked where it is told to be.
pub(super) struct Scale {
    range: Range<f64>,
    ticks: Vec<f64>,
}

impl Ranged for Scale {
    type FormatOption = DefaultFormatting;
    type ValueType = f64;

    #[expect(clippy::cast_possible_truncation, reason = "a place on a sheet")]
    fn map(&self, value: &f64, (from, to): (i32, i32)) -> i32 {
        let part = (value - self.range.start) / (self.range.end - self.range.start);
        from + libm::round(part.clamp(0.0, 1.0) * f64::from(to - from)) as i32
    }

    fn key_points<Hint: KeyPointHint>(&self, hint: Hint) -> Vec<f64> {
        if hint.weight().allow_light_points() { Vec::new() } else { self.ticks.clone() }
    }

    fn range(&self) -> Range<f64> {
        self.range.clone()
    }
}

impl Axis<'_> {
    fn scale(&self) -> Scale {
        Scale { range: self.range.clone(), ticks: self.ticks.clone() }
    }
}

pub(super) type Chart<'a> = ChartContext<'a, Sheet, Cartesian2d<Scale, Scale>>;

/// A chart of `width × height` pixels at its natural size. What `draw` draws lies over the mesh.
pub(super) fn panel(
    (width, height): (u32, u32),
    name: &str,
    x: &Axis<'_>,
    y: &Axis<'_>,
    draw: impl FnOnce(&mut Chart<'_>, &Pen),
) -> Markup {
    let pen = Pen::default();
    let size = (width * UNITS, height * UNITS);
    let written = y.ticks.iter().map(|tick| (y.label)(*tick).chars().count()).max().unwrap_or(0);
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "few characters"
    )]
    let left = (written as f64 * FONT * 0.6) as u32 + 170;
    {
        let root = Sheet::new(&pen, size).into_drawing_area();
        let mut chart = ChartBuilder::on(&root)
            .margin_top(90)
            .margin_right(130)
            .x_label_area_size(260)
            .y_label_area_size(left)
            .build_cartesian_2d(x.scale(), y.scale())
            .expect(IN_MEMORY);
        let text = ("sans-serif", FONT).into_font().color(&pen.ink("tick"));
        chart
            .configure_mesh()
            .light_line_style(TRANSPARENT)
            .bold_line_style(pen.ink("mesh"))
            .axis_style(pen.ink("axis"))
            .label_style(text)
            .x_labels(x.ticks.len())
            .y_labels(y.ticks.len())
            .set_tick_mark_size(LabelAreaPosition::Left, 50)
            .set_tick_mark_size(LabelAreaPosition::Bottom, 50)
            .disable_x_mesh()
            .x_label_formatter(&|value| (x.label)(*value))
            .y_label_formatter(&|value| (y.label)(*value))
            .draw()
            .expect(IN_MEMORY);
        draw(&mut chart, &pen);
    }
    svg(&pen, size, name)
}

/// What drawing cannot fail for: it writes to a string.
pub(super) const IN_MEMORY: &str = "a string takes anything";

/// Ticks from 0 to `top` at 1, 2 or 5 times a power of ten, at most `most` above 0.
pub(super) fn nice(top: f64, most: u32) -> Vec<f64> {
    if !(top.is_finite() && top > 0.0) {
        return vec![0.0];
    }
    let rough = top / f64::from(most);
    let power = libm::pow(10.0, libm::floor(libm::log10(rough)));
    let step = [1.0, 2.0, 5.0, 10.0].into_iter().map(|step| step * power).find(|step| *step >= rough * 0.999);
    let step = step.unwrap_or(power * 10.0);
    (0..=most).map(|n| f64::from(n) * step).filter(|tick| *tick <= top * 1.000_001).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round_and_few() {
        assert_eq!(nice(955.0, 4), [0.0, 500.0]);
        assert_eq!(nice(1_000.0, 4), [0.0, 500.0, 1_000.0]);
        assert_eq!(nice(7.0, 4), [0.0, 2.0, 4.0, 6.0]);
        assert_eq!(nice(0.0, 4), [0.0]);
        assert_eq!(nice(f64::INFINITY, 4), [0.0]);
        assert!((1..200).all(|n| nice(f64::from(n) * 1e17, 4).len() >= 2));
    }
}
