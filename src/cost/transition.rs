//! Re-encrypting objects that exist: what each way uses, and after how many months it has paid for itself.

use std::fmt;

use rust_decimal::prelude::ToPrimitive;
use rust_decimal::{Decimal, RoundingStrategy};

use super::{Item, Month, Region, StorageClass, Usage, UsageError, Variant};
use crate::units::Usd;

/// A way to give existing objects another encryption.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Method {
    /// `CopyObject` onto itself: a COPY per object in its class; objects up to 5 GB.
    CopyObject,
    /// A Batch Operations job that copies.
    BatchCopy,
    /// `UpdateObjectEncryption`: no data moves; billed as a PUT in STANDARD whatever the class.
    UpdateEncryption,
    /// A Batch Operations job that updates the encryption.
    BatchUpdateEncryption,
}

impl Method {
    /// Every method.
    pub const ALL: [Self; 4] =
        [Self::CopyObject, Self::BatchCopy, Self::UpdateEncryption, Self::BatchUpdateEncryption];

    /// The name in reports.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::CopyObject => "CopyObject",
            Self::BatchCopy => "Batch Operations, copy",
            Self::UpdateEncryption => "UpdateObjectEncryption",
            Self::BatchUpdateEncryption => "Batch Operations, UpdateObjectEncryption",
        }
    }

    /// Whether it copies, rather than update in place.
    pub const fn copies(self) -> bool {
        matches!(self, Self::CopyObject | Self::BatchCopy)
    }

    /// What it uses for `objects` of `class`, with `kms_requests` in all. Retrieval fees of the class, and storage of
    /// versions that stay behind in a versioned bucket, are not in it.
    ///
    /// Source: S3 user guide 2026, update-sse-encryption and Batch Operations; worked example in docs/COST.md.
    ///
    /// # Errors
    /// [`UsageError`] on overflow.
    pub fn usage(
        self,
        objects: u64,
        kms_requests: u64,
        class: StorageClass,
        region: Region,
        month: Month,
    ) -> Result<Usage, UsageError> {
        let mut usage = Usage::new(month);
        let count = u128::from(objects);
        if objects == 0 {
            return Ok(usage);
        }
        if self.copies() {
            usage.add(Item::PutRequest, Variant::Class(class), region, count)?;
        } else {
            usage.add(Item::UpdateEncryptionRequest, Variant::None, region, count)?;
        }
        if matches!(self, Self::BatchCopy | Self::BatchUpdateEncryption) {
            usage.add(Item::BatchJob, Variant::None, region, 1)?;
            usage.add(Item::BatchObject, Variant::None, region, count)?;
        }
        usage.add(Item::KmsRequest, Variant::None, region, u128::from(kms_requests))?;
        Ok(usage)
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// How long until something has paid for itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Months {
    /// After this many whole months.
    After(u64),
    /// It saves nothing by the month.
    Never,
}

impl fmt::Display for Months {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::After(months) => f.pad(&months.to_string()),
            Self::Never => f.pad("never"),
        }
    }
}

/// The first whole month at whose end `once` has been saved: ⌈once ÷ monthly⌉; 0 when it costs nothing.
pub fn break_even(once: Usd, monthly_saving: Usd) -> Months {
    if once <= Usd::ZERO {
        return Months::After(0);
    }
    if monthly_saving <= Usd::ZERO {
        return Months::Never;
    }
    let months = once.decimal().checked_div(monthly_saving.decimal()).map(|months| months.ceil());
    months.and_then(|months| months.to_u64()).map_or(Months::Never, Months::After)
}

/// After how many months `once` has been saved, to one decimal, rounded up: 0 when it costs nothing; none where nothing is
/// saved by the month.
pub fn months_to_break_even(once: Usd, monthly_saving: Usd) -> Option<Decimal> {
    if once <= Usd::ZERO {
        return Some(Decimal::ZERO);
    }
    let saves = monthly_saving > Usd::ZERO;
    let months = saves.then(|| once.decimal().checked_div(monthly_saving.decimal())).flatten()?;
    Some(months.round_dp_with_strategy(1, RoundingStrategy::AwayFromZero))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_method_uses_its_requests_and_a_batch_its_job_and_objects_besides() {
        let (region, month) = ("us-east-1".parse().unwrap(), "2026-10".parse().unwrap());
        let used = |method: Method, objects| -> Vec<(&str, u128)> {
            let usage = method.usage(objects, 7, StorageClass::Standard, region, month).unwrap();
            usage.iter().map(|((item, ..), quantity)| (item.as_str(), quantity)).collect()
        };
        let [kms, job, each] = [("kms-request", 7), ("batch-job", 1), ("batch-object", 5)];
        let expected = |method: Method| match method {
            Method::CopyObject => vec![("put-request", 5), kms],
            Method::BatchCopy => vec![("put-request", 5), job, each, kms],
            Method::UpdateEncryption => vec![("update-encryption-request", 5), kms],
            Method::BatchUpdateEncryption => vec![("update-encryption-request", 5), job, each, kms],
        };
        for method in Method::ALL {
            let (mut found, mut expected) = (used(method, 5), expected(method));
            found.sort_unstable();
            expected.sort_unstable();
            assert_eq!(found, expected, "{method}");
            assert!(used(method, 0).is_empty() && !used(method, 1).is_empty(), "{method}");
            assert_eq!(method.copies(), found.iter().any(|(item, _)| *item == "put-request"), "{method}");
        }
    }

    #[test]
    fn months_to_break_even_round_up() {
        let months = |once, saving| break_even(Usd::from_cents(once), Usd::from_cents(saving));
        assert_eq!(months(925, 300), Months::After(4));
        assert_eq!(months(900, 300), Months::After(3));
        assert_eq!(months(900, 0), Months::Never);
        assert_eq!(months(900, -1), Months::Never);
        assert_eq!(months(0, 0), Months::After(0));
        assert_eq!(months(1, 300), Months::After(1));
        let exact = |once, saving| {
            months_to_break_even(Usd::from_cents(once), Usd::from_cents(saving))
                .map(|months| months.to_string())
        };
        assert_eq!(exact(68, 100).as_deref(), Some("0.7"));
        assert_eq!([exact(925, 300), exact(901, 300)].map(Option::unwrap), ["3.1", "3.1"], "rounded up");
        assert_eq!([exact(900, 300), exact(0, 0), exact(-5, 10)].map(Option::unwrap), ["3", "0", "0"]);
        assert_eq!([exact(900, 0), exact(900, -1)], [None, None]);
    }
}
