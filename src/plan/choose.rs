//! Which one: the cheapest that keeps every demand, but for pennies rather the one that is revoked sooner.

use super::candidate::Candidate;
use super::inquiry::Trial;
use super::revocation::{BlastRadius, Revocation};
use super::text::money;
use crate::report::figure;
use crate::request::SseMode;
use crate::units::{Span, Usd};

/// Savings below this are not worth a longer life of keys: 1 US dollar a month. An assumption, and 1 % besides.
const PENNIES: i64 = 100;

/// What a choice looks at.
#[derive(Clone, Copy, Debug)]
pub(super) struct Known {
    pub(super) candidate: Candidate,
    /// Whether it keeps every demand, as far as is known.
    pub(super) kept: bool,
    /// What encryption adds to a month's bill.
    pub(super) adds: Usd,
    pub(super) revocation: Revocation,
    /// Objects under a key at most; [`u64::MAX`] where the callers decide.
    pub(super) objects: u64,
    /// Whether its bill is that of a month; else caches fill in it, and it is too high.
    pub(super) steady: bool,
    /// In nanoseconds; 0 where only a run would tell, so that none is passed over that a run would prefer.
    pub(super) p99: u64,
}

impl Known {
    pub(super) fn of(trial: &Trial, blast: Option<BlastRadius>) -> Self {
        Self {
            candidate: trial.candidate,
            kept: trial.missed.is_empty(),
            adds: trial.adds,
            revocation: trial.revocation,
            objects: blast.map_or(u64::MAX, |blast| blast.objects),
            steady: trial.steady,
            p99: trial.run.response_time_ns.p99,
        }
    }
}

/// Of those `known`, in candidate order, the place of the one to choose; none where none keeps every demand.
///
/// SSE-C only where nothing else keeps them: its keys are for the customer to keep and to send. Of the others those under the
/// smallest quota that any needs: a quota that is there needs no request. Of these the cheapest, and what costs less than
/// 1 USD or 1 % of it more. Of these first the settings of S3, which no client has to be changed for; then the soonest
/// revoked; then the fewest objects under a key; then the cheapest; then the shortest p99; then the first.
pub(super) fn choose(known: &[Known], own_quota: u64) -> Option<usize> {
    decisive(known, own_quota).map(|(chosen, _)| chosen)
}

/// The choice and the cheapest that it was weighed against: the places of the two that decide. Where both keep every demand,
/// no other would be chosen even if some of the rest kept fewer than is known.
pub(super) fn decisive(known: &[Known], own_quota: u64) -> Option<(usize, usize)> {
    let feasible: Vec<usize> = (0..known.len()).filter(|place| known[*place].kept).collect();
    let others: Vec<usize> =
        feasible.iter().copied().filter(|place| known[*place].candidate.mode != SseMode::SseC).collect();
    let feasible = if others.is_empty() { feasible } else { others };
    let raised = |place: usize| known[place].candidate.quota.max(own_quota);
    let quota = feasible.iter().map(|place| raised(*place)).min()?;
    let within: Vec<usize> = feasible.into_iter().filter(|place| raised(*place) == quota).collect();
    let cheapest = within.iter().copied().min_by_key(|place| known[*place].adds)?;
    let least = known[cheapest].adds;
    let slack = slack(least);
    let near = within.into_iter().filter(|place| known[*place].adds - least < slack);
    let chosen = near.min_by_key(|place| {
        let Known { candidate, adds, revocation, objects, p99, .. } = known[*place];
        (candidate.mode == SseMode::KmsCached, revoked(revocation), objects, adds, p99, *place)
    })?;
    Some((chosen, cheapest))
}

/// What is not worth a longer life of keys beside a cost of `least`.
pub(super) fn slack(least: Usd) -> Usd {
    let percent = Usd::new(least.decimal() / rust_decimal::Decimal::ONE_HUNDRED);
    percent.max(Usd::from_cents(PENNIES))
}

fn revoked(revocation: Revocation) -> Span {
    revocation.bound().unwrap_or(Span::MAX)
}

/// Why `other`, which keeps every demand, was not chosen beside `chosen`.
pub(super) fn why_not(other: &Known, chosen: &Known, own_quota: u64) -> String {
    if other.candidate.mode == SseMode::SseC {
        return "its keys are yours to keep and to send, and no demand needs that".into();
    }
    let (theirs, ours) = (other.candidate.quota, chosen.candidate.quota);
    if theirs.max(own_quota) > ours.max(own_quota) {
        return format!(
            "it needs a quota of {} KMS calls/s, and there is a choice under {}",
            figure::count(theirs),
            figure::count(ours.max(own_quota))
        );
    }
    let dearer = other.adds - chosen.adds;
    if dearer >= slack(chosen.adds.min(other.adds)) {
        let (most, why) = if other.steady { ("", "") } else { ("up to ", ", with caches that fill") };
        return format!("it costs {most}{} USD a month more{why}", money(dearer));
    }
    if other.candidate.mode == SseMode::KmsCached && chosen.candidate.mode != SseMode::KmsCached {
        return "clients would have to encrypt, and that saves no more than pennies".into();
    }
    let (later, sooner) = (revoked(other.revocation), revoked(chosen.revocation));
    if later > sooner {
        let saves = if dearer < Usd::ZERO {
            format!("it saves only {} USD a month", money(Usd::ZERO - dearer))
        } else {
            "it saves nothing".into()
        };
        return match other.revocation.bound() {
            Some(span) => format!(
                "{saves}, and keys serve up to {} after they are disabled",
                crate::workload::span_text(span)
            ),
            None => format!("{saves}, and nothing revokes it"),
        };
    }
    if dearer > Usd::ZERO {
        return format!("it costs {} USD a month more and is no better", money(dearer));
    }
    if other.objects > chosen.objects {
        let (theirs, ours) = (figure::count(other.objects), figure::count(chosen.objects));
        return format!("up to {theirs} objects stand under a key, not {ours}");
    }
    "it is no better and comes later in the list".into()
}

/// Of `trials`, each with the number of demands that it breaks by its nature, the place of the one nearest to feasible:
/// fewest demands broken, then fewest requests lost, then fewest calls throttled, then the shortest p99, the cheapest, the
/// first.
pub(super) fn nearest(trials: &[(usize, &Trial)]) -> Option<usize> {
    (0..trials.len()).min_by(|a, b| {
        let key = |place: usize| {
            let (broken, trial) = trials[place];
            let run = &trial.run;
            let lost = run.failed_share().unwrap_or(0.0) + run.dropped_share().unwrap_or(0.0);
            (
                broken + trial.missed.len(),
                lost,
                run.throttled_share().unwrap_or(0.0),
                run.response_time_ns.p99,
                trial.adds,
            )
        };
        let (a_key, b_key) = (key(*a), key(*b));
        let by = a_key.0.cmp(&b_key.0).then(a_key.1.total_cmp(&b_key.1)).then(a_key.2.total_cmp(&b_key.2));
        by.then(a_key.3.cmp(&b_key.3)).then(a_key.4.cmp(&b_key.4)).then(a.cmp(b))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::{Kind, Recorder, Run, Summary, Window};
    use crate::units::Timestamp;

    const OWN: u64 = 5_000;

    /// One that keeps every demand at so many cents, under the quota that there is.
    fn known(mode: SseMode, cents: i64) -> Known {
        let candidate =
            Candidate { mode, max_age: None, max_uses: None, scope: None, retry: None, quota: OWN };
        let (adds, revocation) = (Usd::from_cents(cents), Revocation::AtOnce);
        Known { candidate, kept: true, adds, revocation, objects: 1, steady: true, p99: 100 }
    }

    fn plain(cents: i64) -> Known {
        known(SseMode::SseKms, cents)
    }

    fn under(quota: u64, of: Known) -> Known {
        Known { candidate: Candidate { quota, ..of.candidate }, ..of }
    }

    fn within(seconds: u64, of: Known) -> Known {
        Known { revocation: Revocation::Within(Span::from_seconds(seconds)), ..of }
    }

    #[test]
    fn a_smaller_quota_goes_before_a_lower_bill_and_less_than_there_is_is_no_smaller() {
        assert_eq!(choose(&[under(10_000, plain(1)), plain(90_000)], OWN), Some(1));
        assert_eq!(choose(&[plain(1), under(1_000, plain(90_000))], OWN), Some(0), "both are there");
        assert_eq!(choose(&[Known { kept: false, ..plain(1) }, plain(2)], OWN), Some(1));
        assert_eq!(choose(&[Known { kept: false, ..plain(1) }], OWN), None);
    }

    #[test]
    fn what_costs_a_dollar_or_a_percent_more_is_dearer_and_less_is_weighed_by_its_life() {
        let short_of = |cents, more| choose(&[within(60, plain(cents)), plain(cents + more)], OWN);
        assert_eq!((short_of(1_000, 99), short_of(1_000, 100)), (Some(1), Some(0)), "a dollar");
        assert_eq!((short_of(100_000, 999), short_of(100_000, 1_000)), (Some(1), Some(0)), "a percent");
    }

    #[test]
    fn of_what_costs_the_same_each_rule_decides_in_its_turn() {
        let cached = within(60, known(SseMode::KmsCached, 100));
        let bucket = within(300, known(SseMode::SseKmsBucketKey, 150));
        assert_eq!(choose(&[cached, bucket], OWN), Some(1), "a setting of S3 before a change of clients");
        assert_eq!(choose(&[within(60, plain(100)), within(59, plain(150))], OWN), Some(1), "sooner revoked");
        let many = Known { objects: 2, ..plain(100) };
        assert_eq!(choose(&[many, plain(150)], OWN), Some(1), "fewer objects under a key");
        assert_eq!(choose(&[plain(101), plain(100)], OWN), Some(1), "the cheaper");
        assert_eq!(choose(&[plain(100), Known { p99: 99, ..plain(100) }], OWN), Some(1), "the faster");
        assert_eq!(choose(&[plain(100), plain(100)], OWN), Some(0), "the first");
        assert_eq!(choose(&[known(SseMode::SseC, 1), plain(90_000)], OWN), Some(1));
        assert_eq!(choose(&[known(SseMode::SseC, 1)], OWN), Some(0), "where nothing else will do");
    }

    #[test]
    fn the_cheapest_that_a_choice_was_weighed_against_decides_with_it() {
        let known = [plain(100), within(60, plain(90)), plain(5_000)];
        assert_eq!(decisive(&known, OWN), Some((0, 1)));
    }

    #[test]
    fn nearest_goes_by_demands_then_requests_lost_then_calls_throttled_then_p99_bill_and_place() {
        let window = Window { from: Timestamp::ZERO, until: Timestamp::from_seconds(1) };
        let facts = Run {
            mode: SseMode::SseKms,
            kind: Kind::Simulated,
            quota_per_s: None,
            until: window.until,
            concurrency: None,
        };
        // Of 100 requests and 100 calls.
        let trial = |missed: usize, [failed, dropped, throttled, p99]: [u64; 4], cents| {
            let mut run = Summary::new(&Recorder::new(window), &facts, |_| String::new());
            (run.offered, run.failed, run.dropped) = (100, failed, dropped);
            (run.kms.calls, run.kms.throttled, run.response_time_ns.p99) = (100, throttled, p99);
            Trial {
                candidate: plain(cents).candidate,
                run,
                adds: Usd::from_cents(cents),
                total: Usd::from_cents(cents),
                complete: true,
                confirmed: true,
                missed: vec![String::new(); missed],
                steady: true,
                revocation: Revocation::AtOnce,
                background: 0.0,
                own_failures: 0,
            }
        };
        let nearer = |(a_broken, a): (usize, Trial), (b_broken, b): (usize, Trial)| {
            assert_eq!(nearest(&[(a_broken, &a), (b_broken, &b)]), Some(0), "the nearer first");
            assert_eq!(nearest(&[(b_broken, &b), (a_broken, &a)]), Some(1), "the nearer last");
        };
        nearer((0, trial(1, [9; 4], 9)), (1, trial(1, [0; 4], 0)));
        nearer((1, trial(1, [9; 4], 9)), (0, trial(3, [0; 4], 0)));
        nearer((0, trial(1, [3, 1, 9, 9], 9)), (0, trial(1, [0, 5, 0, 0], 0)));
        nearer((0, trial(1, [1, 3, 9, 9], 9)), (0, trial(1, [5, 0, 0, 0], 0)));
        nearer((0, trial(1, [1, 1, 1, 9], 9)), (0, trial(1, [1, 1, 2, 0], 0)));
        nearer((0, trial(1, [1, 1, 1, 1], 9)), (0, trial(1, [1, 1, 1, 2], 0)));
        nearer((0, trial(1, [1; 4], 1)), (0, trial(1, [1; 4], 2)));
        let alike = trial(1, [1; 4], 1);
        assert_eq!(nearest(&[(0, &alike), (0, &alike)]), Some(0));
        assert_eq!(nearest(&[]), None);
    }

    #[test]
    fn each_reason_is_the_rule_that_decided() {
        let chosen = within(60, plain(1_000));
        let why = |other: Known| why_not(&other, &chosen, OWN);
        assert!(why(known(SseMode::SseC, 1)).starts_with("its keys are yours"));
        assert!(why(under(OWN + 1, plain(1))).starts_with("it needs a quota of 5,001"));
        assert!(!why(under(OWN - 1, plain(1_050))).contains("quota"), "less than there is");
        assert_eq!(why(plain(1_100)), "it costs 1.00 USD a month more");
        let filling = Known { steady: false, ..plain(1_100) };
        assert_eq!(why(filling), "it costs up to 1.00 USD a month more, with caches that fill");
        assert!(why(known(SseMode::KmsCached, 990)).starts_with("clients would have to encrypt"));
        assert_eq!(
            why(within(61, plain(950))),
            "it saves only 0.50 USD a month, and keys serve up to 1m1s after they are disabled"
        );
        assert!(why(within(61, plain(1_000))).starts_with("it saves nothing, and keys serve"));
        let never = Known { revocation: Revocation::Never, ..plain(1_000) };
        assert_eq!(why(never), "it saves nothing, and nothing revokes it");
        assert_eq!(why(within(60, plain(1_050))), "it costs 0.50 USD a month more and is no better");
        let many = Known { objects: 2_000, ..within(60, plain(1_000)) };
        assert_eq!(why(many), "up to 2,000 objects stand under a key, not 1");
        assert_eq!(why(within(60, plain(1_000))), "it is no better and comes later in the list");
    }
}
