//! Retry policies as values, and the retry budget of a client: the AWS SDKs' standard modes, full jitter, none.

use rand_core::Rng;

use super::error::AwsError;
use crate::units::{Span, Stream};

/// What kind of failure a call met: it decides base, cost and whether to retry at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// Told to slow down: KMS `ThrottlingException`, S3 `SlowDown`, HTTP 429, …
    Throttling,
    /// HTTP 500, 502, 503, 504, or a broken connection.
    Transient,
    /// No answer within the client's time-out.
    TimeOut,
    /// Anything else; no policy retries it.
    Permanent,
}

/// Error codes that the SDKs take for throttling. `LimitExceededException` is among them although no wait helps
/// against a resource quota. Source: botocore 1.44.5, standard retry mode.
const THROTTLING_CODES: [&str; 14] = [
    "Throttling",
    "ThrottlingException",
    "ThrottledException",
    "RequestThrottledException",
    "TooManyRequestsException",
    "ProvisionedThroughputExceededException",
    "TransactionInProgressException",
    "RequestLimitExceeded",
    "BandwidthLimitExceeded",
    "LimitExceededException",
    "RequestThrottled",
    "SlowDown",
    "PriorRequestNotComplete",
    "EC2ThrottledException",
];

impl Failure {
    /// How the SDKs classify an answer.
    pub fn of(error: &AwsError) -> Self {
        match error.status {
            _ if THROTTLING_CODES.contains(&error.code.as_str()) => Self::Throttling,
            429 => Self::Throttling,
            500 | 502 | 503 | 504 => Self::Transient,
            _ if error.code.starts_with("RequestTimeout") => Self::Transient,
            _ => Self::Permanent,
        }
    }
}

/// Whether the random factor applies before or after the cap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Jitter {
    /// min(u × base × 2^i, cap): long waits pile up at the cap.
    BeforeCap,
    /// u × min(base × 2^i, cap).
    AfterCap,
}

/// What retries cost a client, in tokens of its budget.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetryCost {
    /// Tokens of a full budget.
    pub capacity: u32,
    /// A retry after throttling.
    pub throttling: u32,
    /// A retry after a transient failure.
    pub transient: u32,
    /// A retry after a time-out.
    pub time_out: u32,
}

/// When and how often a client calls again. All waits are random: u is uniform in [0, 1).
///
/// Source: botocore 1.34.0 and 1.44.5, aws-smithy-runtime 1.16.2 (docs/SOURCES.md, kms).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetryPolicy {
    /// The name in scenarios and reports.
    pub name: &'static str,
    /// Calls in all, the first included.
    pub max_attempts: u32,
    /// Wait before the first retry after throttling, at u = 1.
    pub base_throttling: Span,
    /// Wait before the first retry after another failure, at u = 1.
    pub base_transient: Span,
    /// The longest wait.
    pub cap: Span,
    /// Where the random factor applies.
    pub jitter: Jitter,
    /// The budget; `None` for none.
    pub cost: Option<RetryCost>,
    /// Whether the server's `x-amz-retry-after` counts, between the wait worked out and 5 s more.
    pub heeds_hint: bool,
}

const STANDARD_CAP: Span = Span::from_seconds(20);
const HINT_MARGIN: Span = Span::from_seconds(5);
const COST_2_0: Option<RetryCost> =
    Some(RetryCost { capacity: 500, throttling: 5, transient: 5, time_out: 10 });

impl RetryPolicy {
    /// One call and no more.
    pub const NONE: Self = Self {
        name: "none",
        max_attempts: 1,
        base_throttling: Span::ZERO,
        base_transient: Span::ZERO,
        cap: Span::ZERO,
        jitter: Jitter::AfterCap,
        cost: None,
        heeds_hint: false,
    };

    /// Standard mode, generation 2.0, as in botocore: base 1 s for everything, jitter before the cap.
    pub const STANDARD_2_0: Self = Self {
        name: "standard-2.0",
        max_attempts: 3,
        base_throttling: Span::from_seconds(1),
        base_transient: Span::from_seconds(1),
        cap: STANDARD_CAP,
        jitter: Jitter::BeforeCap,
        cost: COST_2_0,
        heeds_hint: false,
    };

    /// Standard mode, generation 2.0, as in the Rust SDK: jitter after the cap.
    pub const STANDARD_2_0_RUST: Self =
        Self { name: "standard-2.0-rust", jitter: Jitter::AfterCap, ..Self::STANDARD_2_0 };

    /// Standard mode, generation 2.1: base 1 s for throttling, 50 ms otherwise; other failures cost more.
    pub const STANDARD_2_1: Self = Self {
        name: "standard-2.1",
        max_attempts: 3,
        base_throttling: Span::from_seconds(1),
        base_transient: Span::from_millis(50),
        cap: STANDARD_CAP,
        jitter: Jitter::AfterCap,
        cost: Some(RetryCost { capacity: 500, throttling: 5, transient: 14, time_out: 14 }),
        heeds_hint: true,
    };

    /// Every named policy.
    pub const ALL: [Self; 4] = [Self::NONE, Self::STANDARD_2_0, Self::STANDARD_2_0_RUST, Self::STANDARD_2_1];

    /// u × min(base × 2^i, cap) for every failure, without a budget.
    ///
    /// Source: Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog (2015), Full Jitter.
    pub const fn full_jitter(base: Span, cap: Span, max_attempts: u32) -> Self {
        Self {
            name: "full-jitter",
            max_attempts,
            base_throttling: base,
            base_transient: base,
            cap,
            jitter: Jitter::AfterCap,
            cost: None,
            heeds_hint: false,
        }
    }

    /// The longest wait before retry `retry` (0 for the first), that at u = 1.
    pub fn wait_max(&self, retry: u32, failure: Failure) -> Span {
        self.exponential(retry, failure).min(self.cap)
    }

    fn exponential(&self, retry: u32, failure: Failure) -> Span {
        let base = match failure {
            Failure::Throttling => self.base_throttling,
            _ => self.base_transient,
        };
        base.saturating_mul(1u64.checked_shl(retry).unwrap_or(u64::MAX))
    }

    fn wait(&self, retry: u32, failure: Failure, hint: Option<Span>, stream: &mut Stream) -> Span {
        let u = stream.next_u64();
        let wait = match self.jitter {
            Jitter::BeforeCap => share(self.exponential(retry, failure), u).min(self.cap),
            Jitter::AfterCap => share(self.exponential(retry, failure).min(self.cap), u),
        };
        match hint {
            Some(hint) if self.heeds_hint => hint.clamp(wait, wait + HINT_MARGIN),
            _ => wait,
        }
    }
}

/// ⌊span × u / 2⁶⁴⌋.
fn share(span: Span, u: u64) -> Span {
    Span::from_nanos(((u128::from(span.as_nanos()) * u128::from(u)) >> 64) as u64)
}

/// What one request has tried so far. Keep one per request, from [`Attempts::default`] on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Attempts {
    retries: u32,
    /// Tokens that the last retry took.
    taken: u32,
}

impl Attempts {
    /// Retries so far.
    pub fn retries(&self) -> u32 {
        self.retries
    }
}

/// What a client does after a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retry {
    /// Calls again after this wait.
    After(Span),
    /// Hands the failure to its caller.
    GiveUp(GiveUp),
}

/// Why there is no further call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GiveUp {
    /// Retrying cannot help.
    NotRetryable,
    /// The policy's attempts are used up.
    Attempts,
    /// The client's budget is used up.
    Budget,
}

/// A client's retry budget under its policy; its requests share it.
///
/// Order, as in the SDKs: is the failure retryable, are attempts left, are tokens left, wait.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RetryBudget {
    policy: RetryPolicy,
    tokens: u32,
}

impl RetryBudget {
    /// A full budget.
    pub fn new(policy: RetryPolicy) -> Self {
        Self { policy, tokens: policy.cost.map_or(0, |cost| cost.capacity) }
    }

    /// The policy.
    pub fn policy(&self) -> &RetryPolicy {
        &self.policy
    }

    /// Tokens left.
    pub fn tokens(&self) -> u32 {
        self.tokens
    }

    /// What to do after `failure`; `hint` is the server's `x-amz-retry-after`. Takes one number from the stream when
    /// the answer is [`Retry::After`].
    pub fn failed(
        &mut self,
        attempts: &mut Attempts,
        failure: Failure,
        hint: Option<Span>,
        stream: &mut Stream,
    ) -> Retry {
        if failure == Failure::Permanent {
            return Retry::GiveUp(GiveUp::NotRetryable);
        }
        if attempts.retries + 1 >= self.policy.max_attempts {
            return Retry::GiveUp(GiveUp::Attempts);
        }
        if let Some(cost) = self.policy.cost {
            let price = match failure {
                Failure::Throttling => cost.throttling,
                Failure::TimeOut => cost.time_out,
                Failure::Transient | Failure::Permanent => cost.transient,
            };
            let Some(left) = self.tokens.checked_sub(price) else {
                return Retry::GiveUp(GiveUp::Budget);
            };
            self.tokens = left;
            attempts.taken = price;
        }
        let wait = self.policy.wait(attempts.retries, failure, hint, stream);
        attempts.retries += 1;
        Retry::After(wait)
    }

    /// A request succeeded: gives back what its last retry took, or one token when it needed none, up to the
    /// capacity. A request that failed for good gives nothing back.
    #[inline]
    pub fn succeeded(&mut self, attempts: &Attempts) {
        if let Some(cost) = self.policy.cost {
            let back = if attempts.retries == 0 { 1 } else { attempts.taken };
            self.tokens = (self.tokens + back).min(cost.capacity);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kms::{KmsError, Throttled};
    use crate::units::{Seed, Timestamp};

    fn stream() -> Stream {
        Seed(3).stream("backoff", 0)
    }

    /// Retries of a new request each, until the budget is empty.
    fn retries_in_budget(policy: RetryPolicy, failure: Failure) -> (u32, u32) {
        let (mut budget, mut stream) = (RetryBudget::new(policy), stream());
        let mut count = 0;
        loop {
            match budget.failed(&mut Attempts::default(), failure, None, &mut stream) {
                Retry::After(_) => count += 1,
                Retry::GiveUp(why) => {
                    assert_eq!(why, GiveUp::Budget);
                    return (count, budget.tokens());
                }
            }
        }
    }

    #[test]
    fn the_budget_pays_for_so_many_retries() {
        assert_eq!(retries_in_budget(RetryPolicy::STANDARD_2_1, Failure::Throttling), (100, 0));
        assert_eq!(retries_in_budget(RetryPolicy::STANDARD_2_1, Failure::Transient), (35, 10));
        assert_eq!(retries_in_budget(RetryPolicy::STANDARD_2_1, Failure::TimeOut), (35, 10));
        assert_eq!(retries_in_budget(RetryPolicy::STANDARD_2_0, Failure::Throttling), (100, 0));
        assert_eq!(retries_in_budget(RetryPolicy::STANDARD_2_0, Failure::TimeOut), (50, 0));
    }

    #[test]
    fn the_longest_waits_double_up_to_the_cap() {
        let waits = |policy: RetryPolicy, failure| {
            [0, 1, 2, 3, 4, 5, 6].map(|retry| policy.wait_max(retry, failure).as_nanos() / 1_000_000)
        };
        let throttled = waits(RetryPolicy::STANDARD_2_1, Failure::Throttling);
        assert_eq!(throttled, [1_000, 2_000, 4_000, 8_000, 16_000, 20_000, 20_000]);
        let transient = waits(RetryPolicy::STANDARD_2_1, Failure::Transient);
        assert_eq!(transient, [50, 100, 200, 400, 800, 1_600, 3_200]);
        assert_eq!(waits(RetryPolicy::STANDARD_2_0, Failure::Transient), throttled);
        assert_eq!(RetryPolicy::STANDARD_2_1.wait_max(900, Failure::Throttling), STANDARD_CAP);
    }

    #[test]
    fn three_attempts_wait_three_seconds_at_worst_and_half_that_on_average() {
        let policy = RetryPolicy::STANDARD_2_1;
        let worst: u64 = (0..2).map(|i| policy.wait_max(i, Failure::Throttling).as_nanos()).sum();
        assert_eq!(worst, 3_000_000_000);
        let (mut stream, mut sum, n) = (stream(), 0, 20_000);
        for _ in 0..n {
            let (mut budget, mut attempts) = (RetryBudget::new(policy), Attempts::default());
            while let Retry::After(wait) =
                budget.failed(&mut attempts, Failure::Throttling, None, &mut stream)
            {
                sum += wait.as_nanos();
            }
            assert_eq!(attempts.retries(), 2);
        }
        // Standard deviation of one sum: √(1²/12 + 2²/12) = 0.65 s; four standard errors are 0.018 s.
        assert!((sum / n).abs_diff(1_500_000_000) < 18_000_000, "{}", sum / n);
    }

    #[test]
    fn jitter_before_the_cap_piles_up_at_the_cap() {
        let share_at_cap = |policy: RetryPolicy| {
            let mut stream = stream();
            (0..1_000)
                .filter(|_| policy.wait(8, Failure::Throttling, None, &mut stream) == STANDARD_CAP)
                .count()
        };
        // At 2⁸ s the wait is the cap with probability 1 − 20/256 = 92 %; after the cap, never.
        assert!(share_at_cap(RetryPolicy::STANDARD_2_0).abs_diff(922) < 35);
        assert_eq!(share_at_cap(RetryPolicy::STANDARD_2_0_RUST), 0);
    }

    #[test]
    fn success_gives_back_what_the_last_retry_took_or_one_token() {
        let (mut budget, mut stream) = (RetryBudget::new(RetryPolicy::STANDARD_2_1), stream());
        let mut attempts = Attempts::default();
        budget.failed(&mut attempts, Failure::Throttling, None, &mut stream);
        budget.failed(&mut attempts, Failure::Transient, None, &mut stream);
        assert_eq!(budget.tokens(), 481);
        budget.succeeded(&attempts);
        assert_eq!(budget.tokens(), 495);
        budget.succeeded(&Attempts::default());
        assert_eq!(budget.tokens(), 496);
        (0..9).for_each(|_| budget.succeeded(&Attempts::default()));
        assert_eq!(budget.tokens(), 500);
    }

    #[test]
    fn a_hint_counts_between_the_wait_and_five_seconds_more() {
        let policy = RetryPolicy::STANDARD_2_1;
        let wait = |hint| policy.wait(0, Failure::Throttling, hint, &mut stream());
        let plain = wait(None);
        assert_eq!(wait(Some(Span::ZERO)), plain);
        assert_eq!(wait(Some(plain + Span::from_seconds(2))), plain + Span::from_seconds(2));
        assert_eq!(wait(Some(Span::from_seconds(60))), plain + Span::from_seconds(5));
        let old = RetryPolicy::STANDARD_2_0;
        let heedless = |hint| old.wait(0, Failure::Throttling, hint, &mut stream());
        assert_eq!(heedless(None), heedless(Some(Span::from_seconds(60))));
    }

    #[test]
    fn what_kms_and_s3_say_is_classified_as_the_sdks_do() {
        let throttled = Throttled { earliest: Timestamp::ZERO };
        assert_eq!(Failure::of(&throttled.at_kms()), Failure::Throttling);
        assert_eq!(Failure::of(&throttled.at_s3()), Failure::Throttling);
        assert_eq!(Failure::of(&KmsError::Internal.at_kms()), Failure::Transient);
        assert_eq!(Failure::of(&KmsError::InvalidCiphertext.at_kms()), Failure::Permanent);
        let mut budget = RetryBudget::new(RetryPolicy::STANDARD_2_1);
        let answer = budget.failed(&mut Attempts::default(), Failure::Permanent, None, &mut stream());
        assert_eq!(answer, Retry::GiveUp(GiveUp::NotRetryable));
    }

    #[test]
    fn no_policy_retries_beyond_its_attempts() {
        for policy in [RetryPolicy::NONE, RetryPolicy::full_jitter(Span::from_millis(10), STANDARD_CAP, 5)] {
            let (mut budget, mut attempts, mut stream) =
                (RetryBudget::new(policy), Attempts::default(), stream());
            while let Retry::After(wait) = budget.failed(&mut attempts, Failure::Transient, None, &mut stream)
            {
                assert!(wait < policy.wait_max(attempts.retries() - 1, Failure::Transient));
            }
            assert_eq!(attempts.retries(), policy.max_attempts - 1);
        }
    }
}
