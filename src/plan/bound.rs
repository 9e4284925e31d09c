//! What needs no run: demands that a candidate breaks by its nature, and loads that arithmetic rules out.

use super::candidate::Candidate;
use super::load::Load;
use super::objective::Demands;
use super::revocation::Revocation;
use crate::cost::{Bill, Item, Variant};
use crate::pipeline::is_cached;
use crate::pipeline::uses_kms;
use crate::report::{Limit, Pricing, Quantity};
use crate::workload::{Scenario, span_text};

/// How far the load of a run may stray from its mean: what arithmetic rules out is missed by more than this.
const MARGIN: f64 = 0.05;

/// What is known of a candidate before it runs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Bounds {
    /// Demands that it breaks by its nature, whatever the load.
    pub broken: Vec<String>,
    /// Why arithmetic alone rules it out under this load.
    pub hopeless: Option<String>,
}

/// What is known of `candidate` under `load` before it runs.
pub fn bounds(
    candidate: &Candidate,
    scenario: &Scenario,
    load: &Load,
    demands: &Demands,
    pricing: &Pricing,
) -> Bounds {
    let mut broken = demands.forbid(candidate.mode);
    if broken.is_empty()
        && let Some(within) = demands.revoke_within
    {
        broken.extend(Revocation::of(candidate, scenario).unkept(within));
    }
    let hopeless =
        if broken.is_empty() { hopeless(candidate, scenario, load, demands, pricing) } else { None };
    Bounds { broken, hopeless }
}

/// Why `load` passes what the quota admits, or the budget pays: a bound from below, kept by `tests/plan`.
///
/// Where no key is kept, the needed calls are n a second. KMS grants at most the quota q, so at least n − q of them are
/// throttled: a share of at least 1 − q ÷ n of all calls that are sent, for each that is not granted was sent at least once.
/// Requests fail at least (n − q) ÷ the most calls of one request, a second.
fn hopeless(
    candidate: &Candidate,
    scenario: &Scenario,
    load: &Load,
    demands: &Demands,
    pricing: &Pricing,
) -> Option<String> {
    if !uses_kms(candidate.mode) || is_cached(candidate.mode) {
        return None;
    }
    let needed = load.calls_per_s(candidate.mode, false);
    #[expect(clippy::cast_precision_loss, reason = "a quota has at most nine digits")]
    let quota = (candidate.quota as f64 - scenario.kms.background).max(0.0);
    let over = needed * (1.0 - MARGIN) - quota;
    if over > 0.0 {
        let throttled = over / (over + quota);
        let failed = over / load.calls_max() / load.requests_per_s();
        for objective in demands.keep.iter() {
            let least = match (objective.quantity, objective.limit) {
                (Quantity::Throttled, Limit::Share(limit)) if throttled > limit => throttled,
                (Quantity::Failed, Limit::Share(limit)) if failed > limit => failed,
                _ => continue,
            };
            return Some(format!(
                "it needs {needed:.0} KMS calls/s in the mean and {quota:.0} are left of the quota of {}: at least {:.1} % {}",
                candidate.quota,
                least * 100.0,
                objective.quantity.as_str(),
            ));
        }
    }
    let budget = demands.budget?;
    let granted = (needed * (1.0 - MARGIN)).min(quota);
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "not negative, and calls of a month stay below 2⁵³"
    )]
    let calls = (granted * pricing.month.seconds() as f64) as u64;
    // Calls that are granted to requests which fail are billed like all others.
    let mut usage = crate::cost::Usage::new(pricing.month);
    usage.add(Item::KmsRequest, Variant::None, pricing.region, calls.into()).ok()?;
    usage.add_keys(pricing.region, pricing.kms_keys, pricing.rotations, pricing.month.hours()).ok()?;
    let least = Bill::new(&usage, &pricing.book, pricing.terms).ok()?.total();
    (least > budget).then(|| {
        format!(
            "KMS alone costs at least {least} USD a month at {needed:.0} calls/s, and the budget is {budget}"
        )
    })
}

impl Revocation {
    /// What is missing where revocation is to take effect `within`.
    fn unkept(self, within: crate::units::Span) -> Option<String> {
        match self {
            Self::AtOnce => None,
            Self::Within(bound) if bound <= within => None,
            Self::Within(bound) => Some(format!(
                "a key serves up to {} after it is disabled, and {} is demanded",
                span_text(bound),
                span_text(within)
            )),
            Self::Unpublished(assumed) => Some(format!(
                "AWS publishes no lifetime of a Bucket Key, so no bound can be promised; set bucket_key.lifetime to plan on an \
                 assumption (elsewhere here: {})",
                span_text(assumed)
            )),
            Self::Never => Some("nothing revokes it".into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cost::{PriceBook, Terms};
    use crate::request::SseMode;
    use crate::units::{Span, Usd};
    use crate::workload::{Source, Stop};

    fn pricing() -> Pricing {
        Pricing {
            book: PriceBook::embedded(),
            terms: Terms::default(),
            region: "us-east-1".parse().unwrap(),
            month: PriceBook::month(),
            kms_keys: 1,
            rotations: 0,
        }
    }

    fn of(mode: SseMode, quota: u64, demands: &Demands) -> Bounds {
        let scenario = Scenario { stop: Stop::Operations(10_000), ..Scenario::default() };
        let load = Load::of(&Source::from(&scenario), u64::MAX);
        let candidate = Candidate { mode, max_age: None, max_uses: None, scope: None, retry: None, quota };
        bounds(&candidate, &scenario, &load, demands, &pricing())
    }

    #[test]
    fn a_load_beyond_the_quota_is_hopeless_without_a_cache_and_only_then() {
        let demands = Demands::default();
        // 8,000 calls a second.
        assert!(of(SseMode::SseKms, 5_500, &demands).hopeless.unwrap().contains("5500"));
        assert_eq!(of(SseMode::SseKms, 7_990, &demands).hopeless, None, "too close for arithmetic");
        assert_eq!(of(SseMode::SseKmsBucketKey, 5_500, &demands).hopeless, None);
        assert_eq!(of(SseMode::SseS3, 5_500, &demands).hopeless, None);
        let lenient = Demands { keep: "failed<90%,throttled<90%".parse().unwrap(), ..demands };
        assert_eq!(of(SseMode::SseKms, 5_500, &lenient).hopeless, None);
    }

    #[test]
    fn a_budget_that_kms_alone_passes_is_hopeless() {
        // 7,600 calls/s for 30 days at 0.03 USD per 10,000 are 59,098 USD; the free tier takes 0.06 of them.
        let tight = Demands { budget: Some(Usd::from_cents(5_000_000)), ..Demands::default() };
        let wide = Demands { budget: Some(Usd::from_cents(6_000_000)), ..Demands::default() };
        assert!(of(SseMode::SseKms, 100_000, &tight).hopeless.unwrap().contains("budget"));
        assert_eq!(of(SseMode::SseKms, 100_000, &wide).hopeless, None);
    }

    #[test]
    fn an_unpublished_lifetime_keeps_no_promise_until_it_is_assumed() {
        let demands = Demands { revoke_within: Some(Span::from_seconds(300)), ..Demands::default() };
        assert!(
            of(SseMode::SseKmsBucketKey, 5_500, &demands).broken[0].contains("AWS publishes no lifetime")
        );
        assert!(of(SseMode::SseKms, 100_000, &demands).broken.is_empty());
    }

    #[test]
    fn a_bound_that_is_just_kept_breaks_no_demand() {
        let within = |seconds| Revocation::Within(Span::from_seconds(60)).unkept(Span::from_seconds(seconds));
        assert_eq!((within(60), within(61)), (None, None));
        assert!(within(59).unwrap().contains("up to 1m after it is disabled"));
        assert_eq!(Revocation::AtOnce.unkept(Span::ZERO), None);
        assert_eq!(Revocation::Never.unkept(Span::MAX).as_deref(), Some("nothing revokes it"));
    }

    #[test]
    fn calls_of_others_and_the_calls_of_a_request_enter_the_bound() {
        let mut scenario = Scenario { stop: Stop::Operations(10_000), ..Scenario::default() };
        let demands = |keep: &str| Demands { keep: keep.parse().unwrap(), ..Demands::default() };
        let hopeless = |scenario: &Scenario, demands: &Demands, quota| {
            let load = Load::of(&Source::from(scenario), u64::MAX);
            let mode = SseMode::SseKms;
            let candidate =
                Candidate { mode, max_age: None, max_uses: None, scope: None, retry: None, quota };
            bounds(&candidate, scenario, &load, demands, &pricing()).hopeless
        };
        // 7,600 of 8,000 calls a second are certain.
        assert_eq!(hopeless(&scenario, &demands("throttled<1%"), 7_700), None);
        scenario.kms.background = 1_000.0;
        let reason = hopeless(&scenario, &demands("throttled<1%"), 7_700).unwrap();
        assert!(reason.contains("6700 are left of the quota of 7700: at least 11.8 % throttled"), "{reason}");
        // Half of all calls too many: where each request makes two, a quarter of the requests may fail of it, not half.
        scenario.kms.background = 0.0;
        scenario.mix = crate::workload::Mix { copy_object: 1.0, ..crate::workload::Mix::none() };
        let reason = hopeless(&scenario, &demands("failed<1%"), 8_000).unwrap();
        assert!(reason.contains("at least 45.0 % failed"), "{reason}");
        assert_eq!(hopeless(&scenario, &demands("failed<46%"), 8_000), None);
    }

    #[test]
    fn a_budget_is_held_against_granted_calls_and_keys_to_the_cent() {
        let least = |budget: Usd, quota| {
            let demands =
                Demands { budget: Some(budget), keep: "p99<5s".parse().unwrap(), ..Demands::default() };
            of(SseMode::SseKms, quota, &demands).hopeless
        };
        // 1,000 calls/s are all that a quota of 1,000 grants in 30 days: 2,592,000,000, of which 20,000 are free; and a key.
        let bill = Usd::from_cents(777_594 + 100);
        assert_eq!(least(bill, 1_000), None);
        assert!(least(bill - Usd::from_cents(1), 1_000).unwrap().contains("at least 7776.94 USD"));
    }
}
