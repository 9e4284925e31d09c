//! Where a run's requests come from: the schedule of a scenario, or a trace.

use super::arrival::Arrivals;
use super::history::Population;
use super::name::Naming;
use super::replay::{Replay, ReplayError};
use super::scenario::Scenario;

/// What a driver runs.
#[derive(Clone, Debug)]
#[expect(clippy::large_enum_variant, reason = "one per run; a box would only be in the way")]
pub enum Source {
    /// The schedule that a scenario describes.
    Scenario(Scenario),
    /// A trace under a scenario.
    Replay(Replay),
}

impl Source {
    /// The scenario that holds; of a trace with the trace's numbers in it.
    pub fn scenario(&self) -> &Scenario {
        match self {
            Self::Scenario(scenario) => scenario,
            Self::Replay(replay) => replay.scenario(),
        }
    }

    /// What numbers are called.
    pub fn naming(&self) -> Naming {
        match self {
            Self::Scenario(scenario) => Naming::new(scenario),
            Self::Replay(replay) => replay.naming(),
        }
    }

    /// The objects that exist before the run.
    pub fn population(&self) -> Population {
        match self {
            Self::Scenario(scenario) => Population::new(scenario),
            Self::Replay(replay) => replay.population(),
        }
    }

    /// Whether writes decide which objects there are: in a trace, and where PUTs make new objects.
    pub fn makes_objects(&self) -> bool {
        match self {
            Self::Scenario(scenario) => scenario.objects.puts == super::scenario::Puts::New,
            Self::Replay(_) => true,
        }
    }

    /// Ids from here on are of objects that the run makes, in the order of their PUTs; a trace has named them all.
    pub fn first_new(&self) -> u64 {
        match self {
            Self::Scenario(scenario) => Arrivals::new(scenario).fixed_objects(),
            Self::Replay(replay) => replay.scenario().objects.count,
        }
    }

    /// The same with what `change` changes around it; of a trace requests, objects, sizes and names stay its own.
    ///
    /// # Errors
    ///
    /// [`ReplayError`] for a scenario that does not hold.
    pub fn under(&self, change: impl FnOnce(&mut Scenario)) -> Result<Self, ReplayError> {
        match self {
            Self::Scenario(scenario) => {
                let mut changed = scenario.clone();
                change(&mut changed);
                changed.validate()?;
                Ok(Self::Scenario(changed))
            }
            Self::Replay(replay) => Ok(Self::Replay(replay.under(change)?)),
        }
    }

    /// The same with `rate` requests per second in the long run: of a trace another speed.
    ///
    /// # Errors
    ///
    /// [`ReplayError`] for a rate that no such run can have.
    pub fn at_rate(&self, rate: f64) -> Result<Self, ReplayError> {
        match self {
            Self::Scenario(scenario) => {
                let arrival = scenario.arrival.scaled(rate / scenario.arrival.mean_rate());
                let scaled = Scenario { arrival, ..scenario.clone() };
                scaled.validate()?;
                Ok(Self::Scenario(scaled))
            }
            Self::Replay(replay) => Ok(Self::Replay(replay.at_rate(rate)?)),
        }
    }
}

impl From<&Scenario> for Source {
    fn from(scenario: &Scenario) -> Self {
        Self::Scenario(scenario.clone())
    }
}
