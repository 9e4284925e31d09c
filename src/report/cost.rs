//! What a run costs: what was counted in its measured part, by the month, at the prices of a Region.

use serde::{Deserialize, Serialize};

use super::share::CostAttribution;
use super::summary::{Ended, S3Requests, Summary};
use super::{Report, figure};
use crate::cost::{
    Bill, BillError, Charge, Item, Month, PriceBook, Region, StorageClass, Terms, Usage, Variant,
};
use crate::request::{Operation, SseMode};
use crate::units::Usd;

/// Cells of a terminal that a word from outside may take.
const NAME_CELLS: usize = 48;
/// What every priced report says of its costs.
const NOTE: &str = "Costs are those of the requests counted, as in STANDARD, by the month, and of KMS keys; storage and \
                    transfer, the same in every mode, are left out. S3 bills nothing that it answers with 5xx; that KMS \
                    bills no throttled call is assumed.";
/// Decimals of a price per million requests.
const PER_MILLION_PLACES: u32 = 6;

/// At which prices the runs of a report are billed.
#[derive(Clone, Debug)]
pub struct Pricing {
    /// The prices.
    pub book: PriceBook,
    /// What holds for each bill.
    pub terms: Terms,
    /// Where the requests are made.
    pub region: Region,
    /// The month that the measured part is scaled to; its length and its prices count.
    pub month: Month,
    /// Customer managed KMS keys, billed by the month to every run whose mode uses KMS.
    pub kms_keys: u64,
    /// Rotations that each key has behind it.
    pub rotations: u64,
}

/// Why a run has no bill.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PricingError {
    /// An operation that a report of this version does not know.
    #[error("`{0}` is no S3 operation: expected one that docs/REPORT.md names, such as PutObject")]
    Operation(String),
    /// A line passes what is calculated exactly.
    #[error(transparent)]
    Bill(#[from] BillError),
}

/// A month of a run in money. Amounts are exact decimals, as text in JSON. docs/REPORT.md describes every field,
/// docs/COST.md what is scaled and what is not.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cost {
    /// Where.
    pub region: String,
    /// For which month.
    pub month: String,
    /// `USD`.
    pub currency: String,
    /// Whether the account's free tier is used.
    pub free_tier: bool,
    /// KMS keys billed by the month.
    pub kms_keys: u64,
    /// Whether every line has a price; the sums lack the lines that have none.
    pub complete: bool,
    /// Whether every price is confirmed.
    pub confirmed: bool,
    /// Requests of the month that succeed, at the rate at which they did in the measured part.
    pub requests: u64,
    /// KMS requests of the month that are billed or inside the free tier: at the rate at which they were sent in the
    /// measured part, and no more than the quota grants in a month.
    pub kms_requests: u64,
    /// The month's bill: the sum of its lines, each to the cent.
    pub total: Usd,
    /// The same before rounding.
    pub total_exact: Usd,
    /// What of it is there only because of encryption.
    pub encryption_adds: Usd,
    /// The same before rounding.
    pub encryption_adds_exact: Usd,
    /// What a million requests that succeed cost; none when none did.
    pub per_million: Option<PerMillion>,
    /// What a Bucket Key or the data-key cache saves; none in other modes, or without an `sse-kms` run beside it.
    pub saves: Option<Saving>,
    /// The bill line by line.
    pub lines: Vec<Charge>,
    /// Whose the charges for requests and bytes are.
    pub attribution: CostAttribution,
}

/// The price of a million requests that succeed: without free tier and without the monthly price of keys, so that it
/// does not depend on the rate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PerMillion {
    /// S3, KMS and DSSE-KMS.
    pub total: Usd,
    /// What of it is there only because of encryption.
    pub encryption_adds: Usd,
}

/// The bill of the same requests with the KMS calls that each needs under plain SSE-KMS, less the bill. A plain run that
/// is throttled gets fewer requests through, so its own bill may be smaller than this saving.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Saving {
    /// The mode compared with: `sse-kms`.
    pub against: String,
    /// KMS requests saved by the month; negative when there are more.
    pub kms_requests: i64,
    /// US dollars saved by the month; negative when it costs more.
    pub usd: Usd,
}

/// What S3 bills a request of `operation` as.
///
/// Source: Amazon S3 price page, request classes; S3 user guide, usage types (docs/COST.md).
pub const fn request_item(operation: Operation) -> Item {
    match operation {
        Operation::GetObject | Operation::GetObjectRange | Operation::HeadObject => Item::GetRequest,
        Operation::DeleteObject => Item::DeleteRequest,
        Operation::PutObject
        | Operation::CopyObject
        | Operation::CreateMultipartUpload
        | Operation::UploadPart
        | Operation::CompleteMultipartUpload
        | Operation::ListObjects => Item::PutRequest,
    }
}

/// How often the body of an `operation` passes through encryption: a copy is decrypted and encrypted.
pub const fn body_passes(operation: Operation) -> u64 {
    match operation {
        Operation::PutObject | Operation::UploadPart | Operation::GetObject | Operation::GetObjectRange => 1,
        Operation::CopyObject => 2,
        _ => 0,
    }
}

/// The classes of S3's bills, in the order of [`S3Requests`](super::S3Requests).
pub(super) const CLASSES: [Item; 3] = [Item::PutRequest, Item::GetRequest, Item::DeleteRequest];

/// The place of `operation` in [`CLASSES`].
pub(super) const fn class(operation: Operation) -> usize {
    match request_item(operation) {
        Item::PutRequest => 0,
        Item::GetRequest => 1,
        _ => 2,
    }
}

impl Ended {
    /// The same by the class of S3's bills.
    ///
    /// S3 bills what it answers with 200 or 4xx, and nothing that it answers with 5xx. Where a report of an older program does
    /// not say how many those were: one for each success or refusal, of which those never reached S3 that a client met at KMS.
    pub(super) fn by_class(self, operation: Operation, mode: SseMode) -> S3Requests {
        let mut requests = S3Requests::default();
        let refused = if mode == SseMode::KmsCached { 0 } else { self.refused };
        requests.requests[class(operation)] =
            self.s3_requests.unwrap_or_else(|| self.succeeded.saturating_add(refused));
        requests.crypto_bytes =
            self.crypto_bytes.unwrap_or_else(|| self.bytes.saturating_mul(body_passes(operation)));
        requests
    }
}

impl Report {
    /// Bills every run at `pricing`, in place of what it was billed at before, and notes what that rests on.
    ///
    /// Laws (`tests/report/cost.rs`): the bill is the one that `cost` makes of the same usage; each attribution sums to
    /// the charge for KMS requests and to their number; twice as long a run at the same rate is the same bill; no month
    /// holds more KMS requests than the quota grants.
    ///
    /// # Errors
    /// [`PricingError`] for an operation that does not exist, or an amount beyond exact arithmetic.
    pub fn price(&mut self, pricing: &Pricing) -> Result<(), PricingError> {
        let costs: Vec<_> = self
            .runs
            .iter()
            .map(|run| Cost::of(run, plain(run, &self.runs), pricing))
            .collect::<Result<_, _>>()?;
        self.runs.iter_mut().zip(costs).for_each(|(run, cost)| run.cost = cost);
        if !self.notes.iter().any(|note| note == NOTE) {
            self.notes.push(NOTE.into());
        }
        Ok(())
    }
}

impl Summary {
    /// What a month of the run uses, as it is billed; none for a run without a measured part.
    ///
    /// # Errors
    /// [`PricingError`] for an operation that does not exist.
    pub fn usage(&self, pricing: &Pricing) -> Result<Option<Usage>, PricingError> {
        if self.measured_ns == 0 {
            return Ok(None);
        }
        Ok(Some(Counted::new(self)?.by_the_month(self, pricing.month).with_keys(self.mode, pricing)))
    }
}

fn uses_kms(mode: SseMode) -> bool {
    !matches!(mode, SseMode::SseS3 | SseMode::SseC)
}

/// The plain SSE-KMS run that `run` saves against: of its kind and quota, else of its kind, else any.
fn plain<'r>(run: &Summary, runs: &'r [Summary]) -> Option<&'r Summary> {
    if !matches!(run.mode, SseMode::SseKmsBucketKey | SseMode::KmsCached) {
        return None;
    }
    let base = |fits: fn(&Summary, &Summary) -> bool| {
        runs.iter().find(|other| other.mode == SseMode::SseKms && other.completed > 0 && fits(run, other))
    };
    base(|a, b| a.kind == b.kind && a.quota_per_s == b.quota_per_s)
        .or_else(|| base(|a, b| a.kind == b.kind))
        .or_else(|| base(|_, _| true))
}

/// What one run used in its measured part, as far as it is billed.
#[derive(Clone)]
struct Counted {
    /// By the class of S3's bills.
    requests: Vec<(Item, u64)>,
    kms_requests: u64,
    dsse_bytes: u64,
}

impl Counted {
    fn new(run: &Summary) -> Result<Self, PricingError> {
        let kms_requests = run.kms.billed_in_window.unwrap_or(run.kms.billed);
        let mut counted = Self { requests: Vec::new(), kms_requests, dsse_bytes: 0 };
        for row in &run.operations {
            let operation = Operation::ALL.into_iter().find(|operation| operation.as_str() == row.operation);
            let operation =
                operation.ok_or_else(|| PricingError::Operation(figure::name(&row.operation, NAME_CELLS)))?;
            let ended = row.ended().by_class(operation, run.mode);
            let item = request_item(operation);
            counted.requests.push((item, ended.billed(item, run.mode)));
            counted.dsse_bytes = counted.dsse_bytes.saturating_add(ended.billed(Item::Dsse, run.mode));
        }
        Ok(counted)
    }

    /// A month at the rate of `run`, of which this was counted.
    fn by_the_month(&self, run: &Summary, month: Month) -> Self {
        let to = |count| by_the_month(count, run.measured_ns, month);
        let requests = self.requests.iter();
        // Added up before they are scaled: a rounded sum, not a sum of rounded parts.
        let mut sums: Vec<(Item, u64)> = Vec::new();
        for &(item, count) in requests {
            match sums.iter_mut().find(|(known, _)| *known == item) {
                Some((_, sum)) => *sum = sum.saturating_add(count),
                None => sums.push((item, count)),
            }
        }
        for (_, sum) in &mut sums {
            *sum = to(*sum);
        }
        // A measured part that cuts a second, or begins with a full token bucket, holds more than its share of the quota.
        let kms_requests = to(self.kms_requests).min(granted(run.quota_per_s, month));
        Self { requests: sums, kms_requests, dsse_bytes: to(self.dsse_bytes) }
    }

    /// How much of `item`.
    fn of(&self, item: Item) -> u64 {
        match item {
            Item::KmsRequest => self.kms_requests,
            Item::Dsse => self.dsse_bytes,
            _ => self.requests.iter().find(|(known, _)| *known == item).map_or(0, |(_, count)| *count),
        }
    }

    /// The usage, and the keys of the month.
    fn with_keys(&self, mode: SseMode, pricing: &Pricing) -> Usage {
        let mut usage = self.usage(pricing);
        if uses_kms(mode) {
            let hours = pricing.month.hours();
            let keys = usage.add_keys(pricing.region, pricing.kms_keys, pricing.rotations, hours);
            keys.expect("2⁶⁴ keys fit, for the hours of a month");
        }
        usage
    }

    fn usage(&self, pricing: &Pricing) -> Usage {
        let mut usage = Usage::new(pricing.month);
        let mut add = |item, count| {
            let variant = match item {
                Item::PutRequest | Item::GetRequest => Variant::Class(StorageClass::Standard),
                _ => Variant::None,
            };
            usage.add(item, variant, pricing.region, u128::from(count)).expect("2⁶⁴ fit, and the variant");
        };
        self.requests.iter().for_each(|&(item, count)| add(item, count));
        add(Item::KmsRequest, self.kms_requests);
        add(Item::Dsse, self.dsse_bytes);
        usage
    }
}

/// The most that a quota grants in a month.
fn granted(quota_per_s: Option<u64>, month: Month) -> u64 {
    quota_per_s.map_or(u64::MAX, |quota| quota.saturating_mul(month.seconds()))
}

impl Pricing {
    /// A month's KMS requests and keys, and nothing else, as in [`Summary::usage`]: of a run in `mode` whose measured part of
    /// `measured_ns` sent so many that are `billed`, under a quota.
    pub fn kms_usage(&self, mode: SseMode, billed: u64, measured_ns: u64, quota_per_s: u64) -> Usage {
        let kms_requests = by_the_month(billed, measured_ns.max(1), self.month);
        let kms_requests = kms_requests.min(granted(Some(quota_per_s), self.month));
        Counted { requests: Vec::new(), kms_requests, dsse_bytes: 0 }.with_keys(mode, self)
    }
}

/// `count` of `measured_ns` by the month, to the nearest; saturates.
///
/// # Panics
/// Where nothing was measured.
pub fn by_the_month(count: u64, measured_ns: u64, month: Month) -> u64 {
    let (measured, month) = (u128::from(measured_ns), u128::from(month.seconds()) * 1_000_000_000);
    let scaled = (u128::from(count) * month + measured / 2) / measured;
    u64::try_from(scaled).unwrap_or(u64::MAX)
}

impl Cost {
    /// None for a run without a measured part.
    fn of(run: &Summary, plain: Option<&Summary>, pricing: &Pricing) -> Result<Option<Self>, PricingError> {
        if run.measured_ns == 0 {
            return Ok(None);
        }
        let counted = Counted::new(run)?;
        let month = counted.by_the_month(run, pricing.month);
        let completed = run.completed_in_window();
        let bill =
            |month: &Counted| Bill::new(&month.with_keys(run.mode, pricing), &pricing.book, pricing.terms);
        let billed = bill(&month)?;
        let requests = by_the_month(completed, run.measured_ns, pricing.month);
        let saves = match plain {
            Some(plain) if completed > 0 => {
                // The calls that each request of the plain run needs, for as many as succeed here.
                let (calls, of) = (plain.kms.needed, plain.started());
                let calls = (u128::from(calls) * u128::from(requests) + u128::from(of) / 2) / u128::from(of);
                let calls = u64::try_from(calls).unwrap_or(u64::MAX);
                let dearer = bill(&Counted { kms_requests: calls, ..month.clone() })?;
                let saved = i128::from(calls) - i128::from(month.kms_requests);
                Some(Saving {
                    against: SseMode::SseKms.as_str().into(),
                    kms_requests: i64::try_from(saved).unwrap_or(i64::MAX),
                    usd: dearer.total() - billed.total(),
                })
            }
            _ => None,
        };
        // From the counts as they are: nothing is lost to scaling.
        let terms = Terms { free_tier: false };
        let alone = Bill::new(&counted.usage(pricing), &pricing.book, terms)?;
        let per_million = |usd: Usd| usd.per_million(completed).map(|usd| usd.rounded(PER_MILLION_PLACES));
        Ok(Some(Self {
            region: pricing.region.to_string(),
            month: pricing.month.to_string(),
            currency: "USD".into(),
            free_tier: pricing.terms.free_tier,
            kms_keys: if uses_kms(run.mode) { pricing.kms_keys } else { 0 },
            complete: billed.missing().next().is_none(),
            confirmed: billed.unconfirmed().next().is_none(),
            requests,
            kms_requests: month.kms_requests,
            total: billed.total(),
            total_exact: billed.exact(),
            encryption_adds: billed.encryption(),
            encryption_adds_exact: billed.encryption_exact(),
            per_million: per_million(alone.exact())
                .zip(per_million(alone.encryption_exact()))
                .map(|(total, encryption_adds)| PerMillion { total, encryption_adds }),
            saves,
            lines: billed.charges(),
            attribution: CostAttribution::of(run, billed.lines(), |item| month.of(item)),
        }))
    }
}
