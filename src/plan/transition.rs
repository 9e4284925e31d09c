//! From what there is to what is chosen: reads on old objects, what it costs to encrypt them anew, when that has paid.

use serde::Serialize;

use super::error::PlanError;
use super::figure::{Figure, How, arithmetic, assumption};
use super::inquiry::Trial;
use super::load::old_reads;
use crate::cost::{Bill, Item, Method, Months, StorageClass, Usage, Variant, break_even};
use crate::pipeline::{calls, uses_kms};
use crate::report::{Pricing, PricingError};
use crate::request::{Operation, SseMode};
use crate::units::Usd;
use crate::workload::Source;

/// Why a count is always taken.
const FITS: &str = "2⁶⁴ fit, and the variant";

/// What the way to a choice takes.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Transition {
    /// The mode of the objects that exist; none when nobody said.
    pub from: Option<String>,
    /// The mode chosen.
    pub to: String,
    /// Objects that exist.
    pub objects: Figure<u64>,
    /// The share of reads that go to objects written before; none without a read.
    pub old_reads: Option<Figure<f64>>,
    /// Ways to encrypt them anew, the cheapest first.
    pub ways: Vec<Way>,
    /// What a month's bill falls by, in US dollars; none when nobody said what there is.
    pub saves_usd: Option<Figure<Usd>>,
    /// The first month at whose end the cheapest way has paid for itself: a number or `never`.
    pub break_even: Option<Figure<String>>,
    /// What changes besides.
    pub warnings: Vec<String>,
}

/// One way to encrypt what exists anew.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Way {
    /// Which.
    pub method: String,
    /// What it costs once, in US dollars.
    pub usd: Figure<Usd>,
    /// KMS calls that it makes in all; they count against the quota while it runs.
    pub kms_calls: u64,
}

/// The way from `current` to `chosen`, both run on the same load.
pub(super) fn transition(
    source: &Source,
    current: Option<(SseMode, &Trial)>,
    chosen: &Trial,
    pricing: &Pricing,
    requests_max: u64,
) -> Result<Transition, PlanError> {
    let to = chosen.candidate.mode;
    let from = current.map(|(mode, _)| mode);
    let population = source.population();
    let objects = match source {
        Source::Scenario(_) => population.count(),
        Source::Replay(_) => {
            (0..population.count()).filter(|object| population.exists(*object)).count() as u64
        }
    };
    let known = if matches!(source, Source::Replay(_)) { How::Measured } else { How::Assumption };
    let needed = from != Some(to);
    let mut ways = if needed { ways(from, to, objects, pricing)? } else { Vec::new() };
    ways.sort_by_key(|way| way.usd.value);
    let saves = current.map(|(_, trial)| trial.adds - chosen.adds);
    let pays = ways.first().zip(saves).map(|(way, saves)| match break_even(way.usd.value, saves) {
        // What costs nothing and saves nothing does not pay, either.
        Months::After(months) if saves > Usd::ZERO => months.to_string(),
        _ => "never".into(),
    });
    Ok(Transition {
        from: from.map(|mode| mode.to_string()),
        to: to.to_string(),
        objects: Figure { value: objects, how: known },
        old_reads: old_reads(source, requests_max)
            .map(|value| Figure { value, how: if known == How::Measured { known } else { How::Simulated } }),
        ways,
        saves_usd: saves.map(|value| Figure { value, how: How::Simulated }),
        break_even: pays.map(arithmetic),
        warnings: warnings(from, to),
    })
}

/// What S3 itself can do, and else the client: read, write again.
///
/// Source: S3 user guide 2026, `UpdateObjectEncryption` (from SSE-S3 or SSE-KMS to SSE-KMS), `CopyObject` (not to
/// client-side encryption); docs/COST.md.
fn ways(from: Option<SseMode>, to: SseMode, objects: u64, pricing: &Pricing) -> Result<Vec<Way>, PlanError> {
    let class = StorageClass::Standard;
    let copied = from.map_or(0, |from| u64::from(uses_kms(from))) + u64::from(uses_kms(to));
    let kms_calls = |each: u64| objects.saturating_mul(each);
    let bill = |usage: Usage| -> Result<Usd, PlanError> {
        Ok(Bill::new(&usage, &pricing.book, pricing.terms).map_err(PricingError::Bill)?.total())
    };
    let by_clients = to == SseMode::KmsCached || from == Some(SseMode::KmsCached);
    if by_clients {
        let each = from.map_or(0, |from| u64::from(calls(Operation::GetObject, from, false)))
            + u64::from(calls(Operation::PutObject, to, false));
        let mut usage = Usage::new(pricing.month);
        for (item, variant, count) in [
            (Item::GetRequest, Variant::Class(class), objects),
            (Item::PutRequest, Variant::Class(class), objects),
            (Item::KmsRequest, Variant::None, kms_calls(each)),
        ] {
            usage.add(item, variant, pricing.region, u128::from(count)).expect(FITS);
        }
        let usd = arithmetic(bill(usage)?);
        return Ok(vec![Way { method: "read and write by clients".into(), usd, kms_calls: kms_calls(each) }]);
    }
    let updates = matches!(to, SseMode::SseKms | SseMode::SseKmsBucketKey)
        && matches!(from, None | Some(SseMode::SseS3 | SseMode::SseKms | SseMode::SseKmsBucketKey));
    let copies = to != SseMode::SseC && from != Some(SseMode::SseC);
    let mut ways = Vec::new();
    for method in Method::ALL {
        // With SSE-C every copy brings its keys; a Batch Operations job has none to send.
        let batch = matches!(method, Method::BatchCopy | Method::BatchUpdateEncryption);
        let can = if method.copies() { copies || !batch } else { updates };
        if can {
            // A copy decrypts and encrypts; an update makes one call an object (docs/COST.md, an assumption).
            let calls = if method.copies() { kms_calls(copied) } else { kms_calls(1) };
            let usage = method.usage(objects, calls, class, pricing.region, pricing.month).expect(FITS);
            let how = if method.copies() { arithmetic } else { assumption };
            ways.push(Way { method: method.to_string(), usd: how(bill(usage)?), kms_calls: calls });
        }
    }
    Ok(ways)
}

fn warnings(from: Option<SseMode>, to: SseMode) -> Vec<String> {
    let mut warnings = vec![
        "A new default changes no object that exists; each keeps the key that it was written under."
            .to_owned(),
    ];
    match to {
        SseMode::SseKmsBucketKey => warnings.push(
            "With a Bucket Key the encryption context becomes the ARN of the bucket: key policies and grants that match the ARN of an \
             object stop matching, and the audit log names the bucket and far fewer events."
                .into(),
        ),
        SseMode::KmsCached => warnings.push(
            "kms-cached is encryption by your clients or your own store, with the cache below; it is no setting of S3, which \
             sees SSE-S3. Who reads must know how to open it."
                .into(),
        ),
        SseMode::SseC => warnings.push(
            "Since April 2026 new buckets refuse SSE-C until it is unblocked. A lost key is a lost object; replication, Batch \
             Operations and browsers cannot read without the key."
                .into(),
        ),
        SseMode::DsseKms => warnings.push("DSSE-KMS works with no Bucket Key: every request calls KMS.".into()),
        SseMode::SseS3 | SseMode::SseKms => {}
    }
    if from == Some(SseMode::SseKmsBucketKey) && to == SseMode::SseKms {
        warnings.push("Without a Bucket Key the context is the ARN of the object again; policies on the bucket's stop matching.".into());
    }
    if uses_kms(to) && from.is_none_or(|from| !uses_kms(from)) {
        warnings.push(
            "Writers need kms:GenerateDataKey and readers kms:Decrypt on the key before the default changes."
                .into(),
        );
    }
    warnings
}
