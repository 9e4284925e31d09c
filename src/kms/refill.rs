//! The clock of a bucket whose refill changes: it runs at refill ÷ nominal rate, so that a token is always worth
//! the same on it and what the bucket holds survives the change.

use super::background::Background;
use super::timeline::Timeline;
use crate::units::Timestamp;

/// A piecewise linear clock, 0 at the start.
#[derive(Debug)]
pub(super) struct Refill {
    /// Never empty; in the order of their starts, the first at 0.
    segments: Vec<Segment>,
    nominal: u64,
}

#[derive(Debug)]
struct Segment {
    start: u64,
    /// The clock at the start.
    base: u64,
    /// Tokens a second.
    rate: u64,
}

impl Refill {
    /// The clock of a bucket with `nominal` tokens a second as its measure, `capacity` as its true rate over time,
    /// of which `background` takes its share first: a fluid can take parts of a token, a call cannot.
    pub(super) fn new(nominal: u32, capacity: &Timeline<u32>, background: &Background) -> Self {
        let seconds = match background {
            Background::None | Background::Constant(_) => 0,
            Background::Series(series) => series.len() as u64,
        };
        let mut starts: Vec<Timestamp> = capacity.iter().map(|(at, _)| at).collect();
        starts.extend((0..=seconds).map(Timestamp::from_seconds));
        starts.sort_unstable();
        starts.dedup();
        let mut refill = Self { segments: Vec::new(), nominal: nominal.into() };
        for at in starts {
            let rate = capacity.at(at).saturating_sub(background.rate(at)).into();
            if refill.segments.last().is_some_and(|last| last.rate == rate) {
                continue;
            }
            let base = if refill.segments.is_empty() { 0 } else { refill.clock(at) };
            refill.segments.push(Segment { start: at.as_nanos(), base, rate });
        }
        refill
    }

    /// The clock at `now`, rounded down.
    pub(super) fn clock(&self, now: Timestamp) -> u64 {
        let now = now.as_nanos();
        let index = self.segments.partition_point(|s| s.start <= now) - 1;
        let segment = &self.segments[index];
        let ran = u128::from(now - segment.start) * u128::from(segment.rate) / u128::from(self.nominal);
        segment.base.saturating_add(u64::try_from(ran).unwrap_or(u64::MAX))
    }

    /// The first instant at which the clock shows `clock` or more; [`Timestamp::MAX`] if it never does.
    pub(super) fn when(&self, clock: u64) -> Timestamp {
        for (index, segment) in self.segments.iter().enumerate() {
            let end = self.segments.get(index + 1).map_or(u64::MAX, |next| next.start);
            let ahead = u128::from(clock.saturating_sub(segment.base)) * u128::from(self.nominal);
            let wait = match (ahead, segment.rate) {
                (0, _) => 0,
                (_, 0) => continue,
                (ahead, rate) => u64::try_from(ahead.div_ceil(rate.into())).unwrap_or(u64::MAX),
            };
            let at = segment.start.saturating_add(wait);
            if at < end {
                return Timestamp::from_nanos(at);
            }
        }
        Timestamp::MAX
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clock_and_its_inverse_agree_across_changes_and_stops() {
        let mut capacity = Timeline::new(7);
        capacity.set(Timestamp::from_nanos(500_000_001), 3);
        capacity.set(Timestamp::from_seconds(3), 11);
        let refill = Refill::new(7, &capacity, &Background::Series(vec![0, 2, 9].into()));
        let mut last = 0;
        for millis in (0..5_000).step_by(7) {
            let now = Timestamp::from_millis(millis);
            let clock = refill.clock(now);
            assert!(clock >= last, "{now}");
            last = clock;
            let first = refill.when(clock);
            assert!(first <= now && refill.clock(first) >= clock, "{now}: {first}");
            assert!(
                first == Timestamp::ZERO || refill.clock(first - crate::units::Span::from_nanos(1)) < clock
            );
        }
        // While the background takes everything, the clock stands.
        assert_eq!(refill.clock(Timestamp::from_seconds(2)), refill.clock(Timestamp::from_seconds(3)));
    }

    #[test]
    fn a_clock_that_stands_for_good_never_gets_there() {
        let refill = Refill::new(5, &Timeline::new(5), &Background::Constant(6));
        assert_eq!(refill.when(1), Timestamp::MAX);
        assert_eq!(refill.when(0), Timestamp::ZERO);
    }
}
