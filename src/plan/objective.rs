//! What a plan is to keep to: objectives that a run is held against, and constraints that rule modes out.

use std::fmt;
use std::str::FromStr;

use rust_decimal::Decimal;

use crate::report::Objectives;
use crate::request::SseMode;
use crate::units::{Span, Usd};
use crate::workload::span_text;

/// The objectives of a plan that names none: no queue grows without end, hardly a request fails, hardly a KMS call is throttled.
const KEEP_DEFAULT: &str = "p99<5s,failed<0.1%,throttled<1%";

/// Who must hold the key under which data keys stand.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Custody {
    /// Anybody, S3 too.
    #[default]
    Any,
    /// A KMS key of the account: its policy, its audit, its deletion.
    Account,
    /// The customer alone; AWS keeps no copy.
    Customer,
}

/// Who encrypts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Runner {
    /// Whoever suits.
    #[default]
    Any,
    /// Amazon S3.
    S3,
    /// An S3-compatible store of one's own.
    Store,
    /// The clients, before anything is sent.
    Client,
}

/// A word that is none of those expected.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{value}` is no {kind}: expected {expected}")]
pub struct WordError {
    pub(super) kind: &'static str,
    pub(super) value: String,
    pub(super) expected: String,
}

impl WordError {
    pub(super) fn new(kind: &'static str, value: &str, expected: impl Into<String>) -> Self {
        Self { kind, value: value.chars().take(40).collect(), expected: expected.into() }
    }
}

/// The word of `choices` that `text` is.
pub(super) fn choose<T: Copy>(
    kind: &'static str,
    text: &str,
    choices: &[(&'static str, T)],
) -> Result<T, WordError> {
    let found = choices.iter().find(|(word, _)| *word == text.trim());
    found.map(|(_, choice)| *choice).ok_or_else(|| {
        let words: Vec<&str> = choices.iter().map(|(word, _)| *word).collect();
        WordError::new(kind, text, words.join(", "))
    })
}

impl FromStr for Custody {
    type Err = WordError;
    fn from_str(text: &str) -> Result<Self, WordError> {
        let choices = [("any", Self::Any), ("account", Self::Account), ("customer", Self::Customer)];
        choose("key custody", text, &choices)
    }
}

impl FromStr for Runner {
    type Err = WordError;
    fn from_str(text: &str) -> Result<Self, WordError> {
        let choices =
            [("any", Self::Any), ("s3", Self::S3), ("store", Self::Store), ("client", Self::Client)];
        choose("runner", text, &choices)
    }
}

/// What a plan is to keep to.
#[derive(Clone, Debug, PartialEq)]
pub struct Demands {
    /// Response times and shares of failed and throttled.
    pub keep: Objectives,
    /// Most that encryption may add to a month's bill.
    pub budget: Option<Usd>,
    /// How long after its KMS key is disabled data may still be opened, at most.
    pub revoke_within: Option<Span>,
    /// Whether every use of an object must stand in the KMS audit log under the object's own ARN.
    pub audit_per_object: bool,
    /// Who must hold the key.
    pub custody: Custody,
    /// Whether two layers of encryption are required.
    pub double_encryption: bool,
    /// Who encrypts.
    pub runner: Runner,
}

impl Default for Demands {
    fn default() -> Self {
        Self {
            keep: KEEP_DEFAULT.parse().expect("it is tested"),
            budget: None,
            revoke_within: None,
            audit_per_object: false,
            custody: Custody::Any,
            double_encryption: false,
            runner: Runner::Any,
        }
    }
}

impl Demands {
    /// Every demand in words, the objectives first.
    pub fn said(&self) -> Vec<String> {
        let mut said: Vec<String> = self.keep.iter().map(ToString::to_string).collect();
        said.extend(self.budget.map(|usd| format!("encryption adds at most {usd} USD a month")));
        said.extend(self.revoke_within.map(|span| format!("revocation within {}", span_text(span))));
        let flags = [
            (self.audit_per_object, "an audit event for each object"),
            (self.custody == Custody::Account, "a KMS key of the account"),
            (self.custody == Custody::Customer, "the customer alone holds the key"),
            (self.double_encryption, "two layers of encryption"),
            (self.runner == Runner::S3, "Amazon S3 encrypts"),
            (self.runner == Runner::Store, "a store of one's own encrypts"),
            (self.runner == Runner::Client, "clients encrypt"),
        ];
        said.extend(flags.iter().filter(|(asked, _)| *asked).map(|(_, text)| (*text).to_owned()));
        said
    }

    /// Why `mode` is out of the question whatever the load, one text for each demand that it breaks.
    ///
    /// Source: S3 user guide 2026, SSE-C, SSE-KMS, Bucket Keys, DSSE-KMS (docs/PLAN.md, what rules a mode out).
    pub fn forbid(&self, mode: SseMode) -> Vec<String> {
        use SseMode::{DsseKms, KmsCached, SseC, SseKmsBucketKey, SseS3};
        let mut reasons = Vec::new();
        let mut rule = |broken: bool, reason: &str| {
            if broken {
                reasons.push(reason.to_owned());
            }
        };
        match self.runner {
            Runner::Any => {}
            Runner::S3 => rule(
                mode == KmsCached,
                "Amazon S3 has no data-key cache; kms-cached is for clients and stores of one's own, its counterpart in S3 is the Bucket Key",
            ),
            Runner::Store => {
                rule(
                    mode == SseKmsBucketKey,
                    "the Bucket Key is Amazon S3's; a store of one's own caches data keys",
                );
            }
            Runner::Client => {
                rule(mode != KmsCached, "Amazon S3 encrypts, and not the clients");
            }
        }
        match self.custody {
            Custody::Any => {}
            Custody::Account => {
                rule(matches!(mode, SseS3 | SseC), "no KMS key of the account stands behind it");
            }
            Custody::Customer => rule(mode != SseC, "AWS holds its key, and the customer alone is to"),
        }
        rule(self.double_encryption && mode != DsseKms, "it encrypts once, and two layers are required");
        if self.audit_per_object {
            rule(matches!(mode, SseS3 | SseC), "its use leaves no event in a KMS audit log");
            rule(
                mode == SseKmsBucketKey,
                "a Bucket Key's events name the bucket and not the object, and warm requests leave none",
            );
            rule(mode == KmsCached, "uses of a cached data key leave no event in the KMS audit log");
        }
        rule(
            self.revoke_within.is_some() && mode == SseS3,
            "its key cannot be disabled by the account, so nothing revokes it",
        );
        reasons
    }
}

/// An amount in US dollars as people write it: `500`, `12.50 USD`, `500USD`.
///
/// # Errors
/// [`WordError`] for what is no amount, or negative.
pub fn usd(text: &str) -> Result<Usd, WordError> {
    let number = text.trim().trim_end_matches("USD").trim().replace('_', "");
    let amount: Option<Decimal> = number.parse().ok().filter(|amount: &Decimal| !amount.is_sign_negative());
    let amount =
        amount.ok_or_else(|| WordError::new("amount", text, "US dollars such as 500 or 12.50USD"))?;
    Ok(Usd::new(amount))
}

/// Growth by the month, as in `8%/month`: the part that is added.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct GrowthRate(pub f64);

impl GrowthRate {
    /// How many times as much there is after `months`.
    pub fn after(self, months: u32) -> f64 {
        libm::pow(1.0 + self.0, f64::from(months))
    }
}

impl FromStr for GrowthRate {
    type Err = WordError;

    /// `8%/month`, `8%`, or by the year `150%/year`, taken as the twelfth root.
    fn from_str(text: &str) -> Result<Self, WordError> {
        let refuse = || WordError::new("growth", text, "a percentage a month or year such as 8%/month");
        let (number, period) = text.split_once('%').ok_or_else(refuse)?;
        let percent: f64 = number.trim().parse().map_err(|_| refuse())?;
        if !(percent > -100.0 && percent <= 1_000.0) {
            return Err(refuse());
        }
        match period.trim() {
            "" | "/month" => Ok(Self(percent / 100.0)),
            "/year" => Ok(Self(libm::pow(1.0 + percent / 100.0, 1.0 / 12.0) - 1.0)),
            _ => Err(refuse()),
        }
    }
}

impl fmt::Display for GrowthRate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let percent = format!("{:.4}", self.0 * 100.0);
        write!(f, "{}%/month", percent.trim_end_matches('0').trim_end_matches('.'))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn left(demands: &Demands) -> Vec<SseMode> {
        SseMode::ALL.into_iter().filter(|mode| demands.forbid(*mode).is_empty()).collect()
    }

    #[test]
    fn each_constraint_leaves_the_modes_that_can_keep_it() {
        use SseMode::{DsseKms, KmsCached, SseC, SseKms, SseKmsBucketKey, SseS3};
        let none = Demands::default();
        assert_eq!(left(&none), SseMode::ALL);
        assert_eq!(left(&Demands { audit_per_object: true, ..none.clone() }), [SseKms, DsseKms]);
        assert_eq!(left(&Demands { custody: Custody::Customer, ..none.clone() }), [SseC]);
        let account = Demands { custody: Custody::Account, ..none.clone() };
        assert_eq!(left(&account), [SseKms, SseKmsBucketKey, KmsCached, DsseKms]);
        assert_eq!(left(&Demands { double_encryption: true, ..none.clone() }), [DsseKms]);
        assert_eq!(left(&Demands { runner: Runner::Client, ..none.clone() }), [KmsCached]);
        let s3 = Demands { runner: Runner::S3, ..none.clone() };
        assert_eq!(left(&s3), [SseS3, SseKms, SseKmsBucketKey, DsseKms, SseC]);
        let store = Demands { runner: Runner::Store, ..none };
        assert!(left(&store).contains(&KmsCached) && !left(&store).contains(&SseKmsBucketKey));
    }

    #[test]
    fn amounts_and_growth_read_as_people_write_them() {
        assert_eq!(usd("500USD").unwrap().to_string(), "500.00");
        assert_eq!(usd("12.5 USD").unwrap().to_string(), "12.50");
        assert!(usd("-1").is_err() && usd("many").is_err());
        assert_eq!("8%/month".parse::<GrowthRate>().unwrap().to_string(), "8%/month");
        let yearly: GrowthRate = "100%/year".parse().unwrap();
        assert!((yearly.after(12) - 2.0).abs() < 1e-12, "twelve months make the year, to rounding");
        assert!("8".parse::<GrowthRate>().is_err() && "8%/week".parse::<GrowthRate>().is_err());
        // Nothing is left of a load that shrinks by all of it.
        let reads = |text: &str| text.parse::<GrowthRate>().is_ok();
        assert_eq!(["-100%", "-99%", "1000%", "1001%", "NaN%"].map(reads), [false, true, true, false, false]);
    }
}
