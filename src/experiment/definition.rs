//! What an experiment is: a question, a scenario, knobs, figures, and where figures are expected to lie.

use toml::Value;

use super::figure::{Figure, Unit};
use super::knob::{Knob, same, show};
use super::point::Point;
use crate::report::{Kind, LINES_MAX};
use crate::request::SseMode;
use crate::workload::{Scenario, ScenarioError, Where};

/// The knob that sets how objects are encrypted.
pub(super) const MODE: &str = "mode";
/// The knob that sets whether runs are simulated or live.
pub(super) const KIND: &str = "kind";

/// Most runs of one experiment.
pub const RUNS_MAX: usize = 10_000;
/// Most panels of a chart.
const PANELS_MAX: usize = 12;

/// An experiment, read and checked.
#[derive(Clone, Debug, PartialEq)]
pub struct Experiment {
    /// Its name: what its results are filed under.
    pub name: String,
    /// What is asked.
    pub question: String,
    /// What is expected, and why.
    pub hypothesis: String,
    /// What it does not show.
    pub limits: Vec<String>,
    /// Whether runs take virtual time or the clock, unless a knob says so.
    pub kind: Kind,
    /// What is turned, in the order of the points: the last turns fastest.
    pub knobs: Vec<Knob>,
    /// The knob across a chart.
    pub x: usize,
    /// The knob whose values are lines; none: one line.
    pub lines: Option<usize>,
    /// What is measured and drawn.
    pub figures: Vec<Figure>,
    /// Each point is run under each.
    pub seeds: Vec<u64>,
    /// Where figures are expected.
    pub bands: Vec<Band>,
    /// The answer: sentences with the names of bands in braces, which stand for what was measured.
    pub answer: Vec<String>,
    /// What the knobs turn.
    pub scenario: Scenario,
    /// What the small version has instead.
    pub(super) small: Small,
}

/// The small version: what differs.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Small {
    pub(super) seeds: Option<Vec<u64>>,
    /// Fields of the scenario by their paths.
    pub(super) scenario: Vec<(String, Value)>,
    /// Values of knobs.
    pub(super) knobs: Vec<Knob>,
}

/// Where a figure, or the ratio of two, is expected.
#[derive(Clone, Debug, PartialEq)]
pub struct Band {
    /// Its name in the answer.
    pub name: String,
    /// Of what.
    pub figure: Figure,
    /// At which points: those whose knobs have these values, by the places of knob and value.
    pub at: Vec<(usize, usize)>,
    /// Of a ratio: what the point under the line has instead; none: the figure itself.
    pub over: Option<Vec<(usize, usize)>>,
    /// From here on.
    pub low: Option<f64>,
    /// Up to here.
    pub high: Option<f64>,
    /// A formula, or a source.
    pub why: String,
}

impl Band {
    /// What its values are.
    pub const fn unit(&self) -> Unit {
        if self.over.is_some() { Unit::Number } else { self.figure.unit() }
    }

    /// Whether it is about the point with these places of values.
    pub(super) fn covers(&self, places: &[usize]) -> bool {
        self.at.iter().all(|(knob, value)| places[*knob] == *value)
    }

    /// From where to where.
    pub fn expected(&self) -> String {
        let show = |value: f64| self.unit().exact(value);
        match (self.low, self.high) {
            (Some(low), Some(high)) if low < high => format!("{} to {}", show(low), show(high)),
            (Some(value), Some(_)) => show(value),
            (Some(low), None) => format!("at least {}", show(low)),
            (None, Some(high)) => format!("at most {}", show(high)),
            (None, None) => String::new(),
        }
    }

    /// Whether `value` lies in it.
    pub fn holds(&self, value: f64) -> bool {
        self.low.is_none_or(|low| value >= low) && self.high.is_none_or(|high| value <= high)
    }
}

impl Experiment {
    /// Its small version: shorter runs at fewer points, for the bands that are about them. It has a name of its own, so that
    /// its results are not taken for those of the whole.
    ///
    /// # Errors
    /// [`ScenarioError`] for values that make no scenario, and when no band is left.
    pub fn small(&self) -> Result<Self, ScenarioError> {
        let fields = self.small.scenario.iter().map(|(path, value)| (path.as_str(), value.clone()));
        let scenario = self.scenario.with(fields).map_err(|error| error.below("small.scenario"))?;
        let mut small = Self {
            name: format!("{}-small", self.name),
            scenario,
            seeds: self.small.seeds.clone().unwrap_or_else(|| self.seeds.clone()),
            small: Small::default(),
            ..self.clone()
        };
        for changed in &self.small.knobs {
            if let Some(knob) = small.knobs.iter_mut().find(|knob| knob.path == changed.path) {
                knob.values.clone_from(&changed.values);
            }
        }
        small.bands = self.bands.iter().filter_map(|band| small.moved(self, band)).collect();
        if small.bands.is_empty() {
            return Err(wrong(
                "small.knobs",
                "no point of any band",
                "values that at least one band is about",
            ));
        }
        Ok(small)
    }

    /// `band` of `whole` with the places that its values have here; none where one is not here.
    fn moved(&self, whole: &Self, band: &Band) -> Option<Band> {
        let place = |(knob, value): &(usize, usize)| {
            let value = &whole.knobs[*knob].values[*value];
            Some((*knob, self.knobs[*knob].values.iter().position(|here| same(here, value))?))
        };
        let at = band.at.iter().map(place).collect::<Option<_>>()?;
        let over = match &band.over {
            None => None,
            Some(over) => Some(over.iter().map(place).collect::<Option<_>>()?),
        };
        Some(Band { at, over, ..band.clone() })
    }

    /// Every point, the last knob turning fastest.
    ///
    /// # Errors
    /// [`ScenarioError`] for values that make no scenario, with the field of the knob.
    pub fn points(&self) -> Result<Vec<Point>, ScenarioError> {
        let count = self.knobs.iter().fold(1_usize, |count, knob| count.saturating_mul(knob.values.len()));
        let runs = count.saturating_mul(self.seeds.len());
        if runs > RUNS_MAX {
            return Err(wrong(
                "knobs",
                &format!("{count} points, {runs} runs"),
                "at most 10000 runs: fewer values",
            ));
        }
        (0..count).map(|number| self.point(number)).collect()
    }

    fn point(&self, mut number: usize) -> Result<Point, ScenarioError> {
        let mut places = vec![0; self.knobs.len()];
        for (place, knob) in places.iter_mut().zip(&self.knobs).rev() {
            (*place, number) = (number % knob.values.len(), number / knob.values.len());
        }
        let value = |path: &str| {
            let of =
                |(place, knob): (&usize, &'_ Knob)| (knob.path == path).then(|| knob.values[*place].clone());
            places.iter().zip(&self.knobs).find_map(of)
        };
        let word = |value: Value| value.as_str().map(str::to_owned).unwrap_or_default();
        let kind = match value(KIND).map(word).as_deref() {
            Some("live") => Kind::Live,
            Some(_) => Kind::Simulated,
            None => self.kind,
        };
        let mode = match value(MODE).map(word) {
            Some(word) => word.parse::<SseMode>().ok(),
            None => self.scenario.modes.first().copied(),
        };
        let mode = mode.ok_or_else(|| wrong("knobs.mode", "no mode", "SSE modes by their names"))?;
        let fields = places.iter().zip(&self.knobs).filter(|(_, knob)| !is_special(&knob.path));
        let fields = fields.map(|(place, knob)| (knob.path.as_str(), knob.values[*place].clone()));
        let base = Scenario { modes: vec![mode], ..self.scenario.clone() };
        let scenario = base.with(fields).map_err(|error| self.named(error, &places))?;
        Ok(Point { places, mode, kind, scenario })
    }

    /// `error` at a point, with the knob that it is about and the values of all.
    fn named(&self, error: ScenarioError, places: &[usize]) -> ScenarioError {
        let field = error.field().unwrap_or_default().to_owned();
        let about = |knob: &&Knob| knob.path == field || knob.path.starts_with(&format!("{field}."));
        match self.knobs.iter().find(about) {
            Some(_) => error.below("knobs"),
            None => wrong("knobs", &self.title(places), &format!("values that fit together: {error}")),
        }
    }

    /// The settings of a point in words: `mode sse-kms, rate 8,000`. Knobs of one value are left out.
    pub fn title(&self, places: &[usize]) -> String {
        self.words(places, |_| true)
    }

    /// The same of the knobs that `wanted` takes.
    pub(super) fn words(&self, places: &[usize], wanted: impl Fn(usize) -> bool) -> String {
        let turned = self.knobs.iter().zip(places).enumerate();
        let turned = turned.filter(|(knob, (held, _))| held.values.len() > 1 && wanted(*knob));
        let words: Vec<String> =
            turned.map(|(_, (knob, place))| format!("{} {}", knob.name(), knob.show(*place))).collect();
        words.join(", ")
    }

    /// Knobs that are neither across nor lines and take several values: each combination has a panel.
    pub(super) fn panel_knobs(&self) -> Vec<usize> {
        let free =
            |knob: &usize| *knob != self.x && Some(*knob) != self.lines && self.knobs[*knob].values.len() > 1;
        (0..self.knobs.len()).filter(free).collect()
    }

    /// What does not hold together beyond single fields; without a place.
    pub(super) fn check(&self) -> Result<(), ScenarioError> {
        let panels: usize = self.panel_knobs().iter().map(|knob| self.knobs[*knob].values.len()).product();
        if panels > PANELS_MAX {
            return Err(wrong(
                "knobs",
                &format!("{panels} panels a chart"),
                "at most 12 beyond `x` and `lines`",
            ));
        }
        if let Some(lines) = self.lines.filter(|lines| self.knobs[*lines].values.len() > LINES_MAX) {
            let count = format!("{} values", self.knobs[lines].values.len());
            return Err(wrong("lines", &count, "a knob of at most 6 values, which can be told apart"));
        }
        let has_mode = self.knobs.iter().any(|knob| knob.path == MODE);
        if !has_mode && self.scenario.modes.len() != 1 {
            return Err(wrong(
                "scenario.modes",
                &format!("{} modes", self.scenario.modes.len()),
                "one, or a knob `mode`",
            ));
        }
        self.points()?;
        for sentence in &self.answer {
            for name in cited(sentence) {
                if !self.bands.iter().any(|band| band.name == name) {
                    return Err(wrong("answer", &format!("{{{name}}}"), "names of bands in braces"));
                }
            }
        }
        self.small()?.points().map(drop)
    }
}

/// Whether a knob is none of the scenario's fields.
pub(super) fn is_special(path: &str) -> bool {
    path == MODE || path == KIND
}

/// The names in braces.
pub(super) fn cited(sentence: &str) -> impl Iterator<Item = &str> {
    sentence.split('{').skip(1).filter_map(|rest| rest.split_once('}')).map(|(name, _)| name)
}

/// `field` is `value` and should be otherwise; its place is found by whoever has the text.
pub(super) fn wrong(field: &str, value: &str, expected: &str) -> ScenarioError {
    ScenarioError::Invalid {
        at: Where(None),
        field: field.into(),
        value: value.into(),
        expected: expected.into(),
    }
}

/// Values as an error lists them.
pub(super) fn list(values: &[Value]) -> String {
    let shown: Vec<String> = values.iter().map(show).collect();
    shown.join(", ")
}
