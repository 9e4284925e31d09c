//! The request quota: one atomic word per pool, two throttle rules, explicit time, no lock.

use super::background::Background;
use super::refill::Refill;
use super::timeline::Timeline;
use super::word::{BucketEmpty, LIMIT_MAX, Receipt, WindowFull, Word};
use crate::units::{NANOS_PER_SECOND, Timestamp};

/// Largest quota and burst: 2²⁸ calls a second, 2,684 times the largest that AWS publishes.
#[allow(clippy::cast_possible_truncation)] // 2²⁸ fits; a test holds the two together
pub const QUOTA_MAX: u32 = LIMIT_MAX as u32;

/// A number or name that a quota cannot have.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field} `{value}` is not valid: expected {expected}")]
pub struct QuotaError {
    /// Which field is wrong.
    pub field: &'static str,
    /// What it was.
    pub value: String,
    /// What it should be.
    pub expected: &'static str,
}

/// How a pool decides who passes.
///
/// AWS documents one-second windows and no token bucket: "the rest of that second is throttled, the next starts
/// anew". What it does inside is not published, so the bucket stands beside the window, to be compared.
/// Source: KMS developer guide, Throttling (docs/SOURCES.md, kms).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ThrottleRule {
    /// At most `per_second` units in each whole second of the clock.
    FixedWindow {
        /// Units per window, 1 to [`QUOTA_MAX`].
        per_second: u32,
    },
    /// A bucket of `burst` units that refills at `rate` a second, full at first.
    ///
    /// The generic cell rate algorithm on whole nanoseconds: a unit is worth ⌈10⁹ / rate⌉ ns, so the rate is never
    /// above `rate`, and below it by at most a share of rate / 10⁹ (0.01 % at 100,000 a second).
    TokenBucket {
        /// Units per second, 1 to [`QUOTA_MAX`].
        rate: u32,
        /// Units that the full bucket holds, 1 to [`QUOTA_MAX`].
        burst: u32,
    },
}

/// A refusal for want of quota, which is expected and no error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Throttled {
    /// The first instant at which the call would pass if nobody else called; [`Timestamp::MAX`] if it never will.
    pub earliest: Timestamp,
}

/// A quota that calls share: those of one account and Region, or of one custom key store.
///
/// Law (`tests/kms/laws.rs`): a window never admits more than its quota, and exactly the quota when offered more; a
/// bucket admits at most burst + rate × Δt in any Δt; threads that race never exceed either.
///
/// A `now` earlier than one seen before counts in the latest window seen; a bucket judges it by its own time,
/// which only makes it stricter.
///
/// # Cost
/// Admission is one load and one locked operation, 3–4 ns; a contended window of constant capacity never retries
/// (scoreboard `quota_admit`).
#[derive(Debug)]
pub struct Pool {
    word: Word,
    plan: Plan,
    throttled_uses_quota: bool,
    rule: ThrottleRule,
    capacity: Timeline<u32>,
    background: Background,
}

/// The rule, the changes of capacity and the background load, made ready for the path.
#[derive(Debug)]
enum Plan {
    /// A window whose limit never changes.
    Window { limit: u64 },
    /// A window whose limit depends on the time: see [`Pool::limit_at`].
    VaryingWindow,
    /// A bucket: a unit is worth `cost` ns and the full bucket `depth` ns. Its clock is the time.
    Bucket { cost: u64, depth: u64 },
    /// A bucket whose clock runs as fast as it refills.
    VaryingBucket { cost: u64, depth: u64, refill: Refill },
}

/// Refuses a number outside 1 to [`QUOTA_MAX`].
fn in_range(field: &'static str, value: u32) -> Result<u32, QuotaError> {
    if (1..=QUOTA_MAX).contains(&value) {
        return Ok(value);
    }
    Err(QuotaError { field, value: value.to_string(), expected: "1 to 268,435,456 units a second" })
}

impl Pool {
    /// An unused pool under `rule`.
    ///
    /// # Errors
    /// [`QuotaError`] when a number of the rule is 0 or above [`QUOTA_MAX`].
    pub fn new(rule: ThrottleRule) -> Result<Self, QuotaError> {
        let capacity = match rule {
            ThrottleRule::FixedWindow { per_second } => in_range("quota per second", per_second)?,
            ThrottleRule::TokenBucket { rate, burst } => {
                in_range("burst", burst)?;
                in_range("rate", rate)?
            }
        };
        let mut pool = Self {
            word: Word::new(),
            plan: Plan::VaryingWindow,
            throttled_uses_quota: false,
            rule,
            capacity: Timeline::new(capacity),
            background: Background::None,
        };
        pool.plan = pool.plan();
        Ok(pool)
    }

    /// Whether a refused call uses up what was left for it; `false` unless set. AWS does not say, so it is an
    /// assumption that reports name.
    #[must_use]
    pub fn with_throttled_using_quota(mut self, uses: bool) -> Self {
        self.throttled_uses_quota = uses;
        self
    }

    /// The pool shared with `background`, a load that is not simulated call by call.
    #[must_use]
    pub fn with_background(mut self, background: Background) -> Self {
        self.background = background;
        self.plan = self.plan();
        self
    }

    /// Makes the quota `per_second` from `at` on: a quota raised, a failover to a smaller Region. A bucket keeps its
    /// burst and what it holds.
    ///
    /// # Errors
    /// [`QuotaError`] when `per_second` is 0 or above [`QUOTA_MAX`].
    pub fn change(&mut self, at: Timestamp, per_second: u32) -> Result<(), QuotaError> {
        self.capacity.set(at, in_range("quota per second", per_second)?);
        self.plan = self.plan();
        Ok(())
    }

    /// The rule as it was given.
    pub fn rule(&self) -> ThrottleRule {
        self.rule
    }

    /// Units per second that the quota allows at `now`.
    pub fn capacity(&self, now: Timestamp) -> u32 {
        *self.capacity.at(now)
    }

    fn plan(&self) -> Plan {
        let plain = self.background.is_none() && self.capacity.after(Timestamp::ZERO).is_empty();
        match self.rule {
            ThrottleRule::FixedWindow { .. } if plain => {
                Plan::Window { limit: (*self.capacity.at(Timestamp::ZERO)).into() }
            }
            ThrottleRule::FixedWindow { .. } => Plan::VaryingWindow,
            ThrottleRule::TokenBucket { rate, burst } => {
                let cost = NANOS_PER_SECOND.div_ceil(rate.into());
                let depth = cost * u64::from(burst);
                if plain && *self.capacity.at(Timestamp::ZERO) == rate {
                    return Plan::Bucket { cost, depth };
                }
                Plan::VaryingBucket {
                    cost,
                    depth,
                    refill: Refill::new(rate, &self.capacity, &self.background),
                }
            }
        }
    }

    /// Takes `weight` units at `now`, all or none.
    ///
    /// # Errors
    /// [`Throttled`], which is data: it says when the call would pass.
    #[inline]
    pub fn admit(&self, weight: u32, now: Timestamp) -> Result<(), Throttled> {
        // The two plans without a timeline are decided where they are asked, which halves the cost; what is left, and
        // working out when a refused call would pass, is a call away.
        let taken = match (&self.plan, weight) {
            (Plan::Window { limit }, 1) => self.word.take_one(now.second(), *limit).is_ok(),
            (Plan::Bucket { cost, depth }, _) => {
                self.word.draw(now.as_nanos(), cost * u64::from(weight), *depth).is_ok()
            }
            _ => false,
        };
        if taken {
            return Ok(());
        }
        self.take(weight, now).map(|_| ())
    }

    /// Takes from each pool its units at `now`, all or none.
    ///
    /// In the order given; those before the one that refuses get their units back. Giving back never makes room that was
    /// not there: a window gets the units only while it is the latest, a bucket only when nobody drew since. A race
    /// can thus lose units, never admit too many; a single thread loses none.
    ///
    /// # Errors
    /// [`Throttled`] by the first pool that refuses.
    pub fn admit_all<const N: usize>(charges: [(&Self, u32); N], now: Timestamp) -> Result<(), Throttled> {
        let mut receipts = [None; N];
        for (i, (pool, weight)) in charges.into_iter().enumerate() {
            match pool.take(weight, now) {
                Ok(receipt) => receipts[i] = Some(receipt),
                Err(throttled) => {
                    for ((pool, weight), receipt) in charges.into_iter().zip(receipts.into_iter().flatten()) {
                        pool.give_back(receipt, weight);
                    }
                    return Err(throttled);
                }
            }
        }
        Ok(())
    }

    fn give_back(&self, receipt: Receipt, weight: u32) {
        match self.plan {
            Plan::Window { .. } | Plan::VaryingWindow => self.word.undo_window(receipt, weight.into()),
            Plan::Bucket { .. } | Plan::VaryingBucket { .. } => self.word.undo_bucket(receipt),
        }
    }

    fn take(&self, weight: u32, now: Timestamp) -> Result<Receipt, Throttled> {
        let (units, second) = (u64::from(weight), now.second());
        match &self.plan {
            Plan::Window { limit } => {
                let taken = match weight {
                    1 => self.word.take_one(second, *limit),
                    _ => self.word.take(second, units, |_| *limit),
                };
                taken.map_err(|full| self.refused_by_window(full, weight, now))
            }
            Plan::VaryingWindow => {
                let limit = |window| self.limit_at(now.max(window_start(window)));
                self.word.take(second, units, limit).map_err(|full| self.refused_by_window(full, weight, now))
            }
            Plan::Bucket { cost, depth } => self
                .word
                .draw(now.as_nanos(), cost * units, *depth)
                .map_err(|empty| self.refused_by_bucket(empty, cost * units, *depth, now.as_nanos(), None)),
            Plan::VaryingBucket { cost, depth, refill } => {
                let clock = refill.clock(now);
                self.word
                    .draw(clock, cost * units, *depth)
                    .map_err(|empty| self.refused_by_bucket(empty, cost * units, *depth, clock, Some(refill)))
            }
        }
    }

    /// Units that a window has for our calls at `now`: the quota less what the background took of it so far. Both
    /// are served in the order in which they come, the background evenly spread.
    fn limit_at(&self, now: Timestamp) -> u64 {
        u64::from(*self.capacity.at(now)).saturating_sub(self.background.offered(now))
    }

    #[cold]
    fn refused_by_window(&self, full: WindowFull, weight: u32, now: Timestamp) -> Throttled {
        let now = now.max(window_start(full.window));
        if self.throttled_uses_quota {
            self.word.fill_window(full.window, self.limit_at(now));
        }
        let next = window_start(full.window + 1);
        let taken = if self.throttled_uses_quota { full.taken.max(self.limit_at(now)) } else { full.taken };
        let fits = |at: Timestamp, taken: u64| taken + u64::from(weight) <= self.limit_at(at);
        // A quota can be raised within the window; after it, a window's start and the changes of quota are the
        // instants at which a call that did not fit may fit.
        let changes = self.capacity.after(now).iter().map(|(at, _)| *at);
        let earliest = changes
            .clone()
            .take_while(|at| *at < next)
            .find(|at| fits(*at, taken))
            .or_else(|| fits(next, 0).then_some(next))
            .or_else(|| {
                // Not in order: a second change may come before the window that follows the first one's.
                changes
                    .filter(|at| *at > next)
                    .flat_map(|at| [at, window_start(at.second() + 1)])
                    .filter(|at| fits(*at, 0))
                    .min()
            });
        Throttled { earliest: earliest.unwrap_or(Timestamp::MAX) }
    }

    #[cold]
    fn refused_by_bucket(
        &self,
        empty: BucketEmpty,
        cost: u64,
        depth: u64,
        clock: u64,
        refill: Option<&Refill>,
    ) -> Throttled {
        let mut until = empty.until;
        if until == u64::MAX {
            return Throttled { earliest: Timestamp::MAX };
        }
        if self.throttled_uses_quota {
            self.word.empty_bucket(clock, depth);
            until = until.max(clock + cost);
        }
        let earliest = match refill {
            None => Timestamp::from_nanos(until),
            Some(refill) => refill.when(until),
        };
        Throttled { earliest }
    }
}

/// The first instant of a window.
const fn window_start(window: u64) -> Timestamp {
    Timestamp::from_seconds(window)
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(millis: u64) -> Timestamp {
        Timestamp::from_millis(millis)
    }

    fn window(per_second: u32) -> Pool {
        Pool::new(ThrottleRule::FixedWindow { per_second }).unwrap()
    }

    fn bucket(rate: u32, burst: u32) -> Pool {
        Pool::new(ThrottleRule::TokenBucket { rate, burst }).unwrap()
    }

    fn admitted(pool: &Pool, calls: u32, now: Timestamp) -> u32 {
        (0..calls).map(|_| u32::from(pool.admit(1, now).is_ok())).sum()
    }

    #[test]
    fn a_window_admits_its_quota_and_names_the_next_window() {
        let pool = window(3);
        assert_eq!(admitted(&pool, 5, at(900)), 3);
        assert_eq!(pool.admit(1, at(950)), Err(Throttled { earliest: at(1000) }));
        assert_eq!(admitted(&pool, 5, at(1000)), 3);
    }

    #[test]
    fn a_late_call_counts_in_the_latest_window_seen() {
        let pool = window(2);
        assert_eq!(admitted(&pool, 1, at(5000)), 1);
        assert_eq!(admitted(&pool, 5, at(100)), 1);
        assert_eq!(pool.admit(1, at(100)), Err(Throttled { earliest: at(6000) }));
    }

    #[test]
    fn a_bucket_admits_its_burst_and_then_its_rate() {
        let pool = bucket(10, 4);
        assert_eq!(admitted(&pool, 9, at(0)), 4);
        assert_eq!(pool.admit(1, at(0)), Err(Throttled { earliest: at(100) }));
        assert_eq!(admitted(&pool, 9, at(350)), 3);
    }

    #[test]
    fn weights_take_all_or_nothing() {
        let pool = window(10);
        assert!(pool.admit(3, at(0)).is_ok() && pool.admit(3, at(0)).is_ok());
        assert!(pool.admit(5, at(0)).is_err());
        assert_eq!(admitted(&pool, 9, at(0)), 4);
        assert_eq!(pool.admit(11, at(0)), Err(Throttled { earliest: Timestamp::MAX }));
        assert_eq!(bucket(10, 10).admit(11, at(0)), Err(Throttled { earliest: Timestamp::MAX }));
    }

    #[test]
    fn the_background_takes_its_turn_as_the_second_passes() {
        let pool = window(100).with_background(Background::Constant(80));
        // At the half of the second the neighbour took 40: 60 are left.
        assert_eq!(admitted(&pool, 999, at(500)), 60);
        assert_eq!(admitted(&pool, 999, at(1000)), 100);
        let series = window(100).with_background(Background::Series(vec![0, 100].into()));
        assert_eq!(admitted(&series, 999, at(999)), 100);
        assert_eq!(admitted(&series, 999, at(1500)), 50);
        assert_eq!(admitted(&series, 999, at(2500)), 100);
    }

    #[test]
    fn a_background_slows_a_bucket_and_can_starve_it() {
        let pool = bucket(10, 1).with_background(Background::Constant(5));
        assert_eq!(admitted(&pool, 9, at(0)), 1);
        assert_eq!(pool.admit(1, at(0)), Err(Throttled { earliest: at(200) }));
        let starved = bucket(10, 1).with_background(Background::Constant(10));
        assert_eq!(admitted(&starved, 9, at(0)), 1);
        assert_eq!(starved.admit(1, at(0)), Err(Throttled { earliest: Timestamp::MAX }));
    }

    #[test]
    fn a_quota_raised_within_a_window_counts_at_once() {
        let mut pool = window(2);
        pool.change(at(500), 4).unwrap();
        assert_eq!(admitted(&pool, 9, at(100)), 2);
        assert_eq!(pool.admit(1, at(100)), Err(Throttled { earliest: at(500) }));
        assert_eq!(admitted(&pool, 9, at(500)), 2);
        assert_eq!(admitted(&pool, 9, at(1000)), 4);
    }

    #[test]
    fn a_bucket_keeps_its_tokens_when_its_rate_changes() {
        let mut pool = bucket(10, 10);
        pool.change(at(1000), 20).unwrap();
        assert_eq!(admitted(&pool, 99, at(900)), 10);
        // 100 ms at 10/s and 100 ms at 20/s: three tokens.
        assert_eq!(admitted(&pool, 99, at(1100)), 3);
        assert_eq!(pool.admit(1, at(1100)), Err(Throttled { earliest: at(1150) }));
    }

    #[test]
    fn a_weight_above_the_quota_waits_for_the_quota_to_be_raised() {
        let mut pool = window(2);
        pool.change(at(4500), 5).unwrap();
        assert_eq!(pool.admit(4, at(100)), Err(Throttled { earliest: at(4500) }));
        assert!(pool.admit(4, at(4500)).is_ok());
    }

    #[test]
    fn the_first_of_two_raises_in_one_window_need_not_be_the_one_that_suffices() {
        let mut pool = window(2);
        pool.change(at(4200), 3).unwrap();
        pool.change(at(4500), 5).unwrap();
        assert_eq!(pool.admit(4, at(100)), Err(Throttled { earliest: at(4500) }));
    }

    #[test]
    fn what_a_raise_leaves_to_the_background_waits_for_the_next_window() {
        let mut pool = window(2).with_background(Background::Constant(3));
        pool.change(at(4500), 5).unwrap();
        // At the raise the neighbour took one of the five.
        assert_eq!(pool.admit(5, at(100)), Err(Throttled { earliest: at(5000) }));
        assert!(pool.admit(5, at(5000)).is_ok());
    }

    #[test]
    fn a_change_at_the_start_is_the_rate_from_the_start() {
        let mut pool = bucket(10, 1);
        pool.change(at(0), 20).unwrap();
        assert!(pool.admit(1, at(0)).is_ok());
        assert_eq!(pool.admit(1, at(0)), Err(Throttled { earliest: at(50) }));
    }

    #[test]
    fn a_pool_tells_its_rule_and_what_its_quota_is_at_an_instant() {
        let mut pool = window(2);
        pool.change(at(500), 4).unwrap();
        assert_eq!(pool.rule(), ThrottleRule::FixedWindow { per_second: 2 });
        assert_eq!([0, 499, 500, 9_000].map(|millis| pool.capacity(at(millis))), [2, 2, 4, 4]);
    }

    #[test]
    fn all_pools_admit_or_none_is_charged() {
        for (store, other, account) in
            [(window(10), window(8), window(2)), (bucket(10, 10), bucket(1, 8), bucket(1, 2))]
        {
            let call = |_: &u32| Pool::admit_all([(&store, 3), (&other, 2), (&account, 1)], at(0)).is_ok();
            assert_eq!((0..9).filter(call).count(), 2);
            // Two calls of weights 3 and 2 are charged, the seven refused ones are not.
            assert_eq!((admitted(&store, 99, at(0)), admitted(&other, 99, at(0))), (4, 4));
        }
    }

    #[test]
    fn a_refused_call_uses_up_what_was_left_only_where_that_is_assumed() {
        for uses in [false, true] {
            let pool = window(5).with_throttled_using_quota(uses);
            assert!(pool.admit(3, at(0)).is_ok() && pool.admit(3, at(0)).is_err());
            assert_eq!(admitted(&pool, 9, at(0)), if uses { 0 } else { 2 });
            let pool = bucket(10, 1).with_throttled_using_quota(uses);
            assert_eq!(admitted(&pool, 1, at(0)) + admitted(&pool, 1, at(90)), 1);
            // Hammering a strict bucket starves the caller: the refusal at 90 ms took what had refilled.
            assert_eq!(admitted(&pool, 1, at(100)), u32::from(!uses));
            assert_eq!(admitted(&pool, 1, at(250)), 1);
        }
    }

    #[test]
    fn a_bucket_that_a_refusal_emptied_says_when_it_holds_enough_again() {
        let strict = |pool: Pool| pool.with_throttled_using_quota(true);
        // Empty at 100 ms, two units are 200 ms away; beside a neighbour who takes half, empty at 200 ms, 400 ms.
        for (pool, refused, passes) in [
            (strict(bucket(10, 4)), at(100), at(300)),
            (strict(bucket(10, 4).with_background(Background::Constant(5))), at(200), at(600)),
        ] {
            assert_eq!(admitted(&pool, 4, at(0)), 4);
            assert_eq!(pool.admit(2, refused), Err(Throttled { earliest: passes }));
            assert!(pool.admit(2, passes).is_ok());
        }
    }

    #[test]
    fn numbers_out_of_range_are_refused_by_name() {
        let refused = |rule| Pool::new(rule).unwrap_err();
        let error = refused(ThrottleRule::FixedWindow { per_second: 0 });
        let text = "quota per second `0` is not valid: expected 1 to 268,435,456 units a second";
        assert_eq!(error.to_string(), text);
        assert_eq!(refused(ThrottleRule::TokenBucket { rate: 0, burst: 1 }).field, "rate");
        assert_eq!(refused(ThrottleRule::TokenBucket { rate: 1, burst: 0 }).field, "burst");
        assert!(Pool::new(ThrottleRule::FixedWindow { per_second: QUOTA_MAX + 1 }).is_err());
        assert!(window(1).change(at(0), 0).is_err());
        assert_eq!(u64::from(QUOTA_MAX), LIMIT_MAX);
    }
}
