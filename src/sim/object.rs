//! What each object stands under: the population as its history wrote it, then what PUTs and deletes make of it.

use crate::pipeline::{KeyHandle, Standing, is_cached};
use crate::request::SseMode;
use crate::units::Span;
use crate::workload::{Arrival, Population, Source};

/// Not looked up yet: as the population says.
const AS_WRITTEN: u64 = u64::MAX;
const MISSING: u64 = u64::MAX - 1;

/// Handles of keys that the run makes start here; those of the population lie below.
pub(super) const FIRST_NEW_HANDLE: u64 = 1 << 62;

/// Most objects whose keys are followed: 8 bytes each.
pub(super) const OBJECTS_MAX: u64 = 1 << 28;

/// The objects of a run.
#[derive(Debug)]
pub(super) struct Objects {
    population: Population,
    names: Names,
    /// By object: handle, [`AS_WRITTEN`] or [`MISSING`]; empty when nothing about objects matters.
    of_population: Vec<u64>,
    /// The objects that the run makes, from `first_new` on.
    made: Vec<u64>,
    first_new: u64,
}

/// Which number of an existing object is the name of its key.
#[derive(Clone, Copy, Debug)]
enum Names {
    /// None: no key is kept in this mode.
    Nothing,
    DataKeys,
    BucketKeys(Span),
}

impl Objects {
    /// The objects that exist before `source` begins.
    pub(super) fn new(source: &Source, mode: SseMode, lifetime: Span) -> Self {
        let names = match mode {
            SseMode::KmsCached => Names::DataKeys,
            SseMode::SseKmsBucketKey => Names::BucketKeys(lifetime),
            _ => Names::Nothing,
        };
        let followed = is_cached(mode) || source.makes_objects();
        let population = source.population();
        let count = if followed { population.count() } else { 0 };
        let at_first = |object| if population.exists(object) { AS_WRITTEN } else { MISSING };
        Self {
            of_population: (0..count).map(at_first).collect(),
            population,
            names,
            made: Vec::new(),
            first_new: source.first_new(),
        }
    }

    /// Whether writes and deletes change what later requests meet.
    #[inline]
    pub(super) fn are_followed(&self) -> bool {
        !self.of_population.is_empty()
    }

    /// What `object` stands under now.
    #[inline]
    pub(super) fn standing(&mut self, object: u64) -> Standing {
        if !self.are_followed() {
            return Standing::Under(KeyHandle(0));
        }
        match self.slot(object).map_or(MISSING, |slot| *slot) {
            MISSING => Standing::Missing,
            AS_WRITTEN => {
                let handle = self.written(object);
                if let Some(slot) = self.slot(object) {
                    *slot = handle;
                }
                Standing::Under(KeyHandle(handle))
            }
            handle => Standing::Under(KeyHandle(handle)),
        }
    }

    /// Reads where the objects of `arrivals` stand and forgets it, so that the processor has it at hand when it is asked for:
    /// of millions of objects most lie in main memory, and reads that don't wait for each other take the time of one.
    #[inline]
    pub(super) fn fetch_ahead(&self, arrivals: &[Arrival]) {
        let slot = |arrival: &Arrival| self.of_population.get(usize::try_from(arrival.object).ok()?).copied();
        std::hint::black_box(arrivals.iter().filter_map(slot).fold(0, u64::wrapping_add));
    }

    /// `object` now stands under `handle`, or is gone.
    pub(super) fn change(&mut self, object: u64, handle: Option<KeyHandle>) {
        let value = handle.map_or(MISSING, |handle| handle.0);
        if let Some(made) = object.checked_sub(self.first_new) {
            let made = usize::try_from(made).expect("ids of new objects are dense");
            if made >= self.made.len() {
                self.made.resize(made + 1, MISSING);
            }
        }
        // Targets of uploads and copies lie between, and nobody reads them.
        if let Some(slot) = self.slot(object) {
            *slot = value;
        }
    }

    fn slot(&mut self, object: u64) -> Option<&mut u64> {
        let list = if object >= self.first_new { &mut self.made } else { &mut self.of_population };
        let first = if object >= self.first_new { self.first_new } else { 0 };
        list.get_mut(usize::try_from(object - first).ok()?)
    }

    fn written(&self, object: u64) -> u64 {
        let existing = || self.population.object(object);
        match self.names {
            Names::Nothing => 0,
            Names::DataKeys => existing().data_key,
            Names::BucketKeys(lifetime) => self.population.bucket_key_generation(&existing(), lifetime),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workload::{Puts, Scenario};

    #[test]
    fn objects_stand_under_what_wrote_them_last() {
        let mut scenario = Scenario::default();
        scenario.objects.puts = Puts::New;
        let mut objects = Objects::new(&Source::from(&scenario), SseMode::KmsCached, Span::ZERO);
        let data_key = Population::new(&scenario).object(7).data_key;
        assert_eq!(objects.standing(7), Standing::Under(KeyHandle(data_key)));
        objects.change(7, Some(KeyHandle(9)));
        assert_eq!(objects.standing(7), Standing::Under(KeyHandle(9)));
        objects.change(7, None);
        assert_eq!((objects.standing(7), objects.standing(20_003)), (Standing::Missing, Standing::Missing));
        objects.change(20_003, Some(KeyHandle(4)));
        assert_eq!(objects.standing(20_003), Standing::Under(KeyHandle(4)));
        assert_eq!(objects.standing(20_002), Standing::Missing);
    }
}
