//! A trace under a scenario, at a speed: its own requests, sizes and names, in the surroundings that the scenario gives.

use std::sync::Arc;

use thiserror::Error;

use super::arrival::Arrival;
use super::error::ScenarioError;
use super::history::Population;
use super::log::Trace;
use super::name::Naming;
use super::quantity::span_text;
use super::scenario::{
    ArrivalProcess, History, Layout, Objects, Popularity, Principals, Puts, Scenario, Stop,
};
use crate::pipeline::reads;
use crate::request::Operation;
use crate::units::{NANOS_PER_SECOND, Span, Timestamp};

/// Speeds count in millionths: due times stay whole numbers, and speed 1 leaves them as they are.
const UNIT: u64 = 1_000_000;
/// A request that comes so soon after the first write of its object, in the run, may come before the write's end: as long as
/// KMS and S3 take together in nearly all cases.
const CLOSE: Span = Span::from_seconds(1);
/// Fastest replay.
const SPEED_MAX: f64 = 1e6;

/// How a trace is replayed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ReplayOptions {
    /// How many times as fast as it was: from a millionth to a million.
    pub speed: f64,
    /// How much of its beginning is warm-up, at that speed.
    pub warm_up: Span,
    /// Where the measured part ends, if before the trace does.
    pub stop: Option<Stop>,
}

impl Default for ReplayOptions {
    /// All of it, measured, as fast as it was.
    fn default() -> Self {
        Self { speed: 1.0, warm_up: Span::ZERO, stop: None }
    }
}

/// What is known of an object before the run.
#[derive(Clone, Copy, Debug)]
enum Met {
    No,
    /// First at that instant.
    Written(Timestamp),
    /// It is there at the start.
    There,
}

/// Why a trace makes no run.
#[derive(Clone, Debug, PartialEq, Error)]
#[non_exhaustive]
pub enum ReplayError {
    /// A speed out of range.
    #[error("speed is {value}: expected a factor from 0.000001 to 1000000")]
    Speed {
        /// The factor.
        value: f64,
    },
    /// Nothing is left to measure.
    #[error(
        "nothing of the trace is measured: the warm-up takes {}, the trace {}",
        span_text(*warm_up),
        span_text(*length)
    )]
    NothingMeasured {
        /// The warm-up asked for.
        warm_up: Span,
        /// From the first request to the last, at the speed asked for.
        length: Span,
    },
    /// The numbers of the trace and the rest of the scenario do not go together.
    #[error(transparent)]
    Scenario(#[from] ScenarioError),
}

/// A trace under a scenario.
#[derive(Clone, Debug)]
pub struct Replay {
    trace: Arc<Trace>,
    /// As it was asked for.
    base: Scenario,
    options: ReplayOptions,
    scenario: Scenario,
    /// Speed in millionths.
    speed: u64,
    /// Arrivals that are sent.
    count: usize,
}

impl Replay {
    /// `trace` in the surroundings of `scenario`: its KMS, cache, Bucket Key, retries, S3, fleet, faults, history and seed.
    /// Of the scenario's layout only the number of KMS keys counts (the trace's buckets go round them) and the prefixes.
    ///
    /// The measured part ends with the second in which the last request is due, so that rates per second mean something.
    ///
    /// # Errors
    ///
    /// [`ReplayError`].
    pub fn new(trace: Arc<Trace>, scenario: &Scenario, options: ReplayOptions) -> Result<Self, ReplayError> {
        if !(1.0 / SPEED_MAX..=SPEED_MAX).contains(&options.speed) {
            return Err(ReplayError::Speed { value: options.speed });
        }
        let speed = libm::round(options.speed * UNIT as f64) as u64;
        let due = |arrival: &Arrival| at_speed(arrival.due, speed);
        let from = Timestamp::ZERO + options.warm_up;
        let warm = trace.arrivals.partition_point(|arrival| due(arrival) < from);
        let count = match options.stop {
            None => trace.arrivals.len(),
            Some(Stop::Duration(span)) => {
                trace.arrivals.partition_point(|arrival| due(arrival) < from + span)
            }
            Some(Stop::Operations(operations)) => {
                let measured = trace.arrivals.len() - warm;
                warm + usize::try_from(operations).map_or(measured, |operations| operations.min(measured))
            }
        };
        if count <= warm {
            let length = trace.arrivals.last().map_or(Span::ZERO, |last| due(last).since(Timestamp::ZERO));
            return Err(ReplayError::NothingMeasured { warm_up: options.warm_up, length });
        }
        let whole = seconds_up(due(&trace.arrivals[count - 1]).since(from));
        let measured = match options.stop {
            Some(Stop::Duration(span)) => whole.min(span),
            _ => whole,
        };
        let (buckets, principals) = trace.naming.mentioned();
        let adapted = Scenario {
            warm_up: options.warm_up,
            stop: Stop::Duration(measured),
            arrival: ArrivalProcess::Constant { rate: (count - warm) as f64 / seconds(measured) },
            mix: Scenario::default().mix,
            objects: Objects {
                count: trace.objects,
                puts: Puts::Overwrite,
                popularity: Popularity::Uniform,
                ..scenario.objects.clone()
            },
            layout: Layout { buckets, kms_keys: scenario.layout.kms_keys.min(buckets), ..scenario.layout },
            principals: Principals { roles: principals, sessions: 1, zipf: 0.0 },
            history: History { writers: scenario.history.writers.min(principals), ..scenario.history },
            ..scenario.clone()
        };
        adapted.validate()?;
        Ok(Self { trace, base: scenario.clone(), options, scenario: adapted, speed, count })
    }

    /// The scenario with the trace's numbers in it: objects, buckets, KMS keys, principals, the length of the measured part
    /// and the mean rate of its requests. Mix, sizes and popularity are the trace's and stand nowhere in it.
    pub fn scenario(&self) -> &Scenario {
        &self.scenario
    }

    /// The same trace at the speed at which its measured part has `rate` requests a second in the mean.
    ///
    /// # Errors
    ///
    /// [`ReplayError`].
    pub fn at_rate(&self, rate: f64) -> Result<Self, ReplayError> {
        let speed = self.options.speed * rate / self.scenario.arrival.mean_rate();
        Self::new(Arc::clone(&self.trace), &self.base, ReplayOptions { speed, ..self.options })
    }

    /// The same trace in surroundings that `change` has changed.
    ///
    /// # Errors
    ///
    /// [`ReplayError`].
    pub fn under(&self, change: impl FnOnce(&mut Scenario)) -> Result<Self, ReplayError> {
        let mut base = self.base.clone();
        change(&mut base);
        Self::new(Arc::clone(&self.trace), &base, self.options)
    }

    /// Its names.
    pub fn naming(&self) -> Naming {
        self.trace.naming.in_region(&self.scenario.kms.region)
    }

    /// The objects that exist before it begins: those that it uses before it writes them, and those that it uses within
    /// a second of their first write. The log says that these were there, and by its times alone, or faster than it was, the
    /// run could come before the write is done.
    pub fn population(&self) -> Population {
        let objects = usize::try_from(self.trace.objects).unwrap_or(usize::MAX);
        let (mut buckets, mut met) = (vec![0; objects], vec![Met::No; objects]);
        let slot = |object: u64| usize::try_from(object).ok().filter(|object| *object < objects);
        for object in self.trace.existing.iter().filter_map(|(object, _)| slot(*object)) {
            met[object] = Met::There;
        }
        let mut close = Vec::new();
        for arrival in self.arrivals() {
            let Some(object) = slot(arrival.object) else { continue };
            buckets[object] = arrival.bucket;
            match met[object] {
                Met::No if arrival.operation == Operation::PutObject => {
                    met[object] = Met::Written(arrival.due);
                }
                Met::Written(first) if reads(arrival.operation) && arrival.due.since(first) < CLOSE => {
                    close.push((arrival.object, arrival.bytes));
                    met[object] = Met::There;
                }
                _ => {}
            }
        }
        let existing = self.trace.existing.iter().copied().chain(close);
        let listed =
            existing.map(|(object, bytes)| (object, bytes, slot(object).map_or(0, |at| buckets[at])));
        Population::listed(&self.scenario, listed)
    }

    /// Bytes of all its objects at their largest: what a store in memory may come to hold.
    pub fn bytes_at_most(&self) -> u64 {
        let mut largest = vec![0_u64; usize::try_from(self.trace.objects).unwrap_or(usize::MAX)];
        for arrival in &self.trace.arrivals[..self.count] {
            if let Some(bytes) = usize::try_from(arrival.object).ok().and_then(|o| largest.get_mut(o)) {
                *bytes = (*bytes).max(arrival.bytes);
            }
        }
        largest.into_iter().fold(0, u64::saturating_add)
    }

    /// Its requests in due order.
    pub fn arrivals(&self) -> impl Iterator<Item = Arrival> + '_ {
        let keys = self.scenario.layout.kms_keys;
        self.trace.arrivals[..self.count].iter().map(move |arrival| Arrival {
            due: at_speed(arrival.due, self.speed),
            kms_key: arrival.bucket % keys,
            ..*arrival
        })
    }
}

fn at_speed(due: Timestamp, speed: u64) -> Timestamp {
    if speed == UNIT {
        return due;
    }
    let scaled = u128::from(due.as_nanos()) * u128::from(UNIT) / u128::from(speed);
    Timestamp::from_nanos(u64::try_from(scaled).unwrap_or(u64::MAX))
}

/// The end of the second that `last` lies in.
fn seconds_up(last: Span) -> Span {
    let second = last.as_nanos() / NANOS_PER_SECOND;
    Span::from_nanos(second.saturating_add(1).saturating_mul(NANOS_PER_SECOND))
}

fn seconds(span: Span) -> f64 {
    span.as_nanos() as f64 / NANOS_PER_SECOND as f64
}
