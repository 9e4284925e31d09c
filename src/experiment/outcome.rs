//! What the runs of an experiment come to: medians, bands judged, the answer, charts.

use std::fmt::Write;

use serde_json::{Value, json};

use super::definition::{Band, Experiment, cited};
use super::figure::Figure;
use super::point::{Point, Row, median};
use crate::cost::Table;
use crate::report::{Line, LineChart, LineName, LinePanel};
use crate::request::SseMode;

/// An experiment that was run.
#[derive(Debug)]
pub struct Outcome<'e> {
    pub(super) experiment: &'e Experiment,
    points: &'e [Point],
    /// One for each run, in the order of points and seeds.
    rows: Vec<Row>,
    /// The bands, judged.
    pub judged: Vec<Judged>,
    /// The sentences of the answer whose figures were measured.
    pub answer: Vec<String>,
}

/// A band against what was measured.
#[derive(Clone, Debug, PartialEq)]
pub struct Judged {
    /// Which.
    pub band: Band,
    /// What it is about, in words.
    pub what: String,
    /// The lowest and the highest of its points, each the median over the seeds; none where a figure is missing.
    pub found: Option<(f64, f64)>,
}

impl Judged {
    /// Whether it holds at all of its points.
    pub fn holds(&self) -> bool {
        self.found.is_some_and(|(low, high)| self.band.holds(low) && self.band.holds(high))
    }

    /// What was measured, in words.
    pub fn shown(&self) -> String {
        let show = |value: f64| self.band.unit().show(value);
        match self.found.map(|(low, high)| (show(low), show(high))) {
            None => "no figure".into(),
            Some((low, high)) if low == high => low,
            Some((low, high)) => format!("{low} to {high}"),
        }
    }
}

impl<'e> Outcome<'e> {
    /// Judges `rows`, one for each of `points` under each seed of `experiment`.
    pub fn new(experiment: &'e Experiment, points: &'e [Point], rows: Vec<Row>) -> Self {
        let mut outcome = Self { experiment, points, rows, judged: Vec::new(), answer: Vec::new() };
        outcome.judged = experiment.bands.iter().map(|band| outcome.judge(band)).collect();
        outcome.answer = experiment.answer.iter().filter_map(|sentence| outcome.said(sentence)).collect();
        outcome
    }

    /// Whether every band holds.
    pub fn holds(&self) -> bool {
        self.judged.iter().all(Judged::holds)
    }

    /// How many runs there were.
    pub fn runs(&self) -> usize {
        self.rows.len()
    }

    /// `figure` at a point: the median over the seeds; none where a run has none.
    pub fn value(&self, point: usize, figure: Figure) -> Option<f64> {
        let seeds = self.experiment.seeds.len();
        let rows = self.rows.get(point * seeds..(point + 1) * seeds)?;
        median(rows.iter().map(|row| row.values[figure.place()]))
    }

    fn judge(&self, band: &Band) -> Judged {
        let covered = (0..self.points.len()).filter(|point| band.covers(&self.points[*point].places));
        let values: Option<Vec<f64>> = covered.map(|point| self.banded(band, point)).collect();
        let found = values.filter(|values| !values.is_empty()).map(|values| {
            let low = values.iter().copied().fold(f64::INFINITY, f64::min);
            (low, values.into_iter().fold(f64::NEG_INFINITY, f64::max))
        });
        Judged { what: self.what(band), band: band.clone(), found }
    }

    /// What `band` looks at, at one point.
    fn banded(&self, band: &Band, point: usize) -> Option<f64> {
        let value = self.value(point, band.figure)?;
        let Some(over) = &band.over else { return Some(value) };
        let mut places = self.points[point].places.clone();
        for (knob, place) in over {
            places[*knob] = *place;
        }
        let below = self.points.iter().position(|point| point.places == places)?;
        let below = self.value(below, band.figure)?;
        (below != 0.0).then(|| value / below)
    }

    fn what(&self, band: &Band) -> String {
        let words = |settings: &[(usize, usize)]| {
            let one = |(knob, value): &(usize, usize)| {
                let knob = &self.experiment.knobs[*knob];
                format!("{} {}", knob.name(), knob.show(*value))
            };
            settings.iter().map(one).collect::<Vec<_>>().join(", ")
        };
        let mut what = band.figure.as_str().to_owned();
        if !band.at.is_empty() {
            let _ = write!(what, " at {}", words(&band.at));
        }
        if let Some(over) = &band.over {
            let _ = write!(what, ", over that at {}", words(over));
        }
        what
    }

    /// `sentence` with what was measured; none where it cites a band that is not here. One that cites none rests on all.
    fn said(&self, sentence: &str) -> Option<String> {
        if cited(sentence).next().is_none() {
            return self.holds().then(|| sentence.to_owned());
        }
        let mut said = sentence.to_owned();
        for name in cited(sentence) {
            let judged = self.judged.iter().find(|judged| judged.band.name == name)?;
            said = said.replace(&format!("{{{name}}}"), &judged.shown());
        }
        Some(said)
    }

    /// The figures that the experiment is about, one row a point: medians over the seeds.
    pub fn table(&self) -> Table {
        let shown = self.turned();
        let heads = shown.iter().map(|knob| self.experiment.knobs[*knob].name().to_owned());
        let figures = self.experiment.figures.iter().map(|figure| format!("#{}", figure.as_str()));
        let heads: Vec<String> = heads.chain(figures).collect();
        let mut table = Table::new(&heads.iter().map(String::as_str).collect::<Vec<_>>());
        for (place, point) in self.points.iter().enumerate() {
            let knobs = shown.iter().map(|knob| self.experiment.knobs[*knob].show(point.places[*knob]));
            let value = |figure: &Figure| {
                self.value(place, *figure).map_or_else(|| "–".into(), |value| figure.show(value))
            };
            table.rows.push(knobs.chain(self.experiment.figures.iter().map(value)).collect());
        }
        table
    }

    /// Panels and lines first, what is across last.
    fn turned(&self) -> Vec<usize> {
        let experiment = self.experiment;
        let mut shown = experiment.panel_knobs();
        shown.extend(experiment.lines);
        shown.push(experiment.x);
        shown
    }

    /// Every figure of every run with nothing rounded, for programs: times in nanoseconds, shares from 0 to 1.
    pub fn rows_csv(&self) -> String {
        let knobs = self.experiment.knobs.iter().map(|knob| knob.path.clone());
        let figures = Figure::ALL.iter().map(|figure| figure.as_str().to_owned());
        let heads: Vec<String> = knobs.chain(["seed".to_owned()]).chain(figures).collect();
        let mut table = Table::new(&heads.iter().map(String::as_str).collect::<Vec<_>>());
        for row in &self.rows {
            let places = &self.points[row.point].places;
            let knobs =
                self.experiment.knobs.iter().zip(places).map(|(knob, place)| plain(&knob.values[*place]));
            let values =
                row.values.iter().map(|value| value.map(|value| value.to_string()).unwrap_or_default());
            table.rows.push(knobs.chain([row.seed.to_string()]).chain(values).collect());
        }
        table.csv()
    }

    /// Question, answer, bands and medians as JSON (docs/EXPERIMENTS.md).
    pub fn to_json(&self) -> Value {
        let experiment = self.experiment;
        let bands: Vec<Value> = self.judged.iter().map(judged_json).collect();
        let points = self.points.iter().enumerate().map(|(place, point)| {
            let settings = experiment.knobs.iter().zip(&point.places);
            let settings: serde_json::Map<String, Value> =
                settings.map(|(knob, at)| (knob.path.clone(), json!(knob.values[*at]))).collect();
            let figures = experiment.figures.iter();
            let figures: serde_json::Map<String, Value> = figures
                .map(|figure| (figure.as_str().to_owned(), json!(self.value(place, *figure))))
                .collect();
            json!({ "kind": point.kind, "knobs": settings, "figures": figures })
        });
        json!({
            "experiment": experiment.name,
            "question": experiment.question,
            "hypothesis": experiment.hypothesis,
            "limits": experiment.limits,
            "seeds": experiment.seeds,
            "runs": self.rows.len(),
            "holds": self.holds(),
            "answer": self.answer,
            "bands": bands,
            "points": points.collect::<Vec<_>>(),
            "scenario": experiment.scenario.to_toml(),
        })
    }

    /// A chart of each figure.
    pub fn charts(&self) -> Vec<(Figure, LineChart)> {
        self.experiment.figures.iter().map(|figure| (*figure, self.chart(*figure))).collect()
    }

    fn chart(&self, figure: Figure) -> LineChart {
        let experiment = self.experiment;
        let across = &experiment.knobs[experiment.x];
        let stands = across.places();
        let lines = match experiment.lines {
            None => vec![LineName { name: figure.as_str().into(), colour: 1 }],
            Some(knob) => {
                let knob = &experiment.knobs[knob];
                (0..knob.values.len()).map(|place| line_name(knob.show(place), place)).collect()
            }
        };
        let panel_knobs = experiment.panel_knobs();
        let mut panels: Vec<(Vec<usize>, LinePanel)> = Vec::new();
        let (mut low, mut high) = (f64::INFINITY, 0.0_f64);
        for (place, point) in self.points.iter().enumerate() {
            let key: Vec<usize> = panel_knobs.iter().map(|knob| point.places[*knob]).collect();
            let title = experiment.words(&point.places, |knob| panel_knobs.contains(&knob));
            let found = panels.iter().position(|(held, _)| *held == key).unwrap_or_else(|| {
                panels.push((key, LinePanel { title, lines: vec![Line::default(); lines.len()] }));
                panels.len() - 1
            });
            let line = &mut panels[found].1.lines[experiment.lines.map_or(0, |knob| point.places[knob])];
            let at = stands[point.places[experiment.x]];
            if let Some(value) = self.value(place, figure) {
                (low, high) = (low.min(value), high.max(value));
                line.points.push((at, value));
            }
            let about =
                |band: &&Band| band.figure == figure && band.over.is_none() && band.covers(&point.places);
            if let Some(band) = experiment.bands.iter().find(about)
                && let (Some(from), Some(to)) = (band.low, band.high)
            {
                line.expected.push((at, from, to));
            }
        }
        for (_, panel) in &mut panels {
            panel.lines.iter_mut().for_each(|line| line.points.sort_by(|a, b| a.0.total_cmp(&b.0)));
        }
        LineChart {
            title: figure.title().into(),
            across: across.path.clone(),
            ticks: stands.into_iter().enumerate().map(|(place, at)| (at, across.show(place))).collect(),
            label: figure.unit().label(),
            is_logarithmic: figure.unit().is_logarithmic(low, high),
            lines,
            panels: panels.into_iter().map(|(_, panel)| panel).collect(),
        }
    }
}

/// A line in its colour: a mode has the same one everywhere.
fn line_name(name: String, place: usize) -> LineName {
    let mode = SseMode::ALL.iter().position(|mode| mode.as_str() == name);
    LineName { name, colour: mode.unwrap_or(place) }
}

fn judged_json(judged: &Judged) -> Value {
    let Band { name, low, high, why, .. } = &judged.band;
    let (lowest, highest) = judged.found.unzip();
    json!({
        "name": name,
        "what": judged.what,
        "low": low,
        "high": high,
        "lowest": lowest,
        "highest": highest,
        "holds": judged.holds(),
        "why": why,
    })
}

fn plain(value: &toml::Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}
