//! A point of an experiment, and what its runs give.

use super::figure::{Figure, Unit};
use crate::cost::{PriceBook, Region, Terms};
use crate::report::{Kind, Pricing, PricingError, Report, Summary};
use crate::request::SseMode;
use crate::rig::RigError;
use crate::sim::{Measured, Options, measure};
use crate::units::NANOS_PER_SECOND;
use crate::workload::{Scenario, Source, Stop};

/// Every knob at one of its values.
#[derive(Clone, Debug, PartialEq)]
pub struct Point {
    /// The places of the values, by knob.
    pub places: Vec<usize>,
    /// How objects are encrypted.
    pub mode: SseMode,
    /// Virtual time, or the clock.
    pub kind: Kind,
    /// What is run, but for the seed.
    pub scenario: Scenario,
}

/// The figures of one run.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// The place of its point.
    pub point: usize,
    /// Its seed.
    pub seed: u64,
    /// In the order of [`Figure::ALL`].
    pub values: Vec<Option<f64>>,
}

/// Why a point gives no figures.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RunError {
    /// It makes no run.
    #[error(transparent)]
    Rig(#[from] RigError),
    /// Its run has no bill.
    #[error(transparent)]
    Pricing(#[from] PricingError),
}

impl Point {
    /// What is run under `seed`.
    pub fn scenario(&self, seed: u64) -> Scenario {
        Scenario { seed, ..self.scenario.clone() }
    }

    /// Its figures from a run in virtual time.
    ///
    /// # Errors
    /// [`RunError`] for values that the workload allows and another room refuses.
    pub fn simulate(&self, place: usize, seed: u64) -> Result<Row, RunError> {
        self.row(place, seed, self.measure(seed)?.summary)
    }

    /// A run in virtual time, with its distributions.
    ///
    /// # Errors
    /// [`RigError`] for values that the workload allows and another room refuses.
    pub fn measure(&self, seed: u64) -> Result<Measured, RigError> {
        measure(&Source::Scenario(self.scenario(seed)), self.mode, &Options::default())
    }

    /// Its figures from `run`, priced at the list prices in the program; in a Region without prices those of money are none.
    ///
    /// # Errors
    /// [`RunError::Pricing`] for an amount beyond exact arithmetic.
    pub fn row(&self, place: usize, seed: u64, mut run: Summary) -> Result<Row, RunError> {
        run.record = None;
        if let Ok(region) = self.scenario.kms.region.parse::<Region>() {
            let pricing = Pricing {
                book: PriceBook::embedded(),
                terms: Terms::default(),
                region,
                month: PriceBook::month(),
                kms_keys: self.scenario.layout.kms_keys.into(),
                rotations: 0,
            };
            let mut report = Report::new(self.scenario.seed(), String::new(), vec![run]);
            report.price(&pricing)?;
            run = report.runs.remove(0);
        }
        let values = Figure::ALL.iter().map(|figure| figure.of(&run, &self.scenario)).collect();
        Ok(Row { point: place, seed, values })
    }

    /// Requests of a run, about.
    pub fn requests(&self) -> f64 {
        let rate = self.scenario.arrival.mean_rate();
        match self.scenario.stop {
            Stop::Duration(_) => rate * self.seconds(),
            #[expect(clippy::cast_precision_loss, reason = "an estimate")]
            Stop::Operations(count) => rate * seconds(self.scenario.warm_up) + count as f64,
        }
    }

    /// Seconds of schedule, about.
    pub fn seconds(&self) -> f64 {
        let measured = match self.scenario.stop {
            Stop::Duration(measured) => seconds(measured),
            #[expect(clippy::cast_precision_loss, reason = "an estimate")]
            Stop::Operations(count) => count as f64 / self.scenario.arrival.mean_rate(),
        };
        seconds(self.scenario.warm_up) + measured
    }
}

#[expect(clippy::cast_precision_loss, reason = "an estimate")]
fn seconds(span: crate::units::Span) -> f64 {
    span.as_nanos() as f64 / NANOS_PER_SECOND as f64
}

/// The middle of `values`; none where one is missing, or all.
pub(super) fn median(values: impl Iterator<Item = Option<f64>>) -> Option<f64> {
    let mut values = values.collect::<Option<Vec<f64>>>()?;
    values.sort_by(f64::total_cmp);
    let (low, high) = (values.len().checked_sub(1)? / 2, values.len() / 2);
    Some(f64::midpoint(values[low], values[high]))
}

impl Unit {
    /// Whether a chart of values from `low` to `high` goes by powers of ten.
    pub(super) fn is_logarithmic(self, low: f64, high: f64) -> bool {
        self != Self::Share && low > 0.0 && high / low >= 30.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_middle_of_an_even_number_lies_between_two_and_a_gap_leaves_none() {
        let median = |values: &[Option<f64>]| median(values.iter().copied());
        assert_eq!(median(&[Some(3.0), Some(1.0), Some(2.0)]), Some(2.0));
        assert_eq!(median(&[Some(1.0), Some(2.0)]), Some(1.5));
        assert_eq!((median(&[]), median(&[Some(1.0), None])), (None, None));
    }
}
