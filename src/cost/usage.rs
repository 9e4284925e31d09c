//! What was used in one month of one paying account.

use std::collections::BTreeMap;

use super::{Item, Month, Region, StorageClass, Unit, Variant};

/// Quantities by item, variant and Region, in whole base units: requests, bytes, byte-hours, key-hours.
///
/// One paying account, one calendar month: free tiers and volume tiers are counted over it. The accounts of a
/// consolidated bill are [merged](Self::merge) first, as AWS does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Usage {
    month: Month,
    quantities: BTreeMap<(Item, Variant, Region), u128>,
}

/// Why a quantity cannot be taken into a usage.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum UsageError {
    /// The sum passes what is counted.
    #[error("the quantity of {item} in {region} passes 2^128 {unit} in its smallest unit: expected less")]
    Overflow {
        /// What.
        item: Item,
        /// Where.
        region: Region,
        /// In units of which the smallest is counted.
        unit: Unit,
    },
    /// A storage class or destination that the item does not have.
    #[error("{item} has no variant `{variant}`: expected {expected}")]
    Variant {
        /// What.
        item: Item,
        /// The variant given; empty for none.
        variant: &'static str,
        /// What the item takes.
        expected: &'static str,
    },
    /// Usages of two months cannot be one.
    #[error("usage of {0} cannot be merged with usage of {1}: expected one month")]
    Months(Month, Month),
}

impl Usage {
    /// Nothing used in `month`.
    pub const fn new(month: Month) -> Self {
        Self { month, quantities: BTreeMap::new() }
    }

    /// The month.
    pub const fn month(&self) -> Month {
        self.month
    }

    /// Adds `quantity` in base units: the item's unit where it is counted, bytes for GB, byte-hours for GB-months,
    /// key-hours for key-months.
    ///
    /// # Errors
    /// [`UsageError`] on overflow, or a variant that the item does not take.
    pub fn add(
        &mut self,
        item: Item,
        variant: Variant,
        region: Region,
        quantity: u128,
    ) -> Result<(), UsageError> {
        if !item.accepts(variant) {
            let expected = match item.variant("STANDARD") {
                Ok(_) => "a storage class",
                Err(_) if item == Item::InterRegionTransfer => "a Region, or nothing",
                Err(_) => "nothing",
            };
            return Err(UsageError::Variant { item, variant: variant.as_str(), expected });
        }
        let sum = self.quantities.entry((item, variant, region)).or_default();
        *sum = sum.checked_add(quantity).ok_or(UsageError::Overflow { item, region, unit: item.unit() })?;
        Ok(())
    }

    /// Adds `held` bytes or keys for `hours` of the month: `held × hours` byte-hours or key-hours.
    ///
    /// # Errors
    /// As for [`Self::add`].
    pub fn add_held(
        &mut self,
        item: Item,
        variant: Variant,
        region: Region,
        held: u128,
        hours: u64,
    ) -> Result<(), UsageError> {
        let overflow = UsageError::Overflow { item, region, unit: item.unit() };
        self.add(item, variant, region, held.checked_mul(u128::from(hours)).ok_or(overflow)?)
    }

    /// Adds `keys` customer managed keys for `hours` of the month, each of which was rotated `rotations` times: the
    /// first two rotations and the later ones are priced apart (the rule of the month decides what they cost).
    ///
    /// # Errors
    /// As for [`Self::add`].
    pub fn add_keys(
        &mut self,
        region: Region,
        keys: u64,
        rotations: u64,
        hours: u64,
    ) -> Result<(), UsageError> {
        let later = rotations.saturating_sub(2);
        for (item, versions) in [
            (Item::KmsKey, 1),
            (Item::KmsRotation1, rotations.min(1)),
            (Item::KmsRotation2, rotations.saturating_sub(1).min(1)),
            (Item::KmsRotationLater, later),
        ] {
            if versions > 0 {
                let held = u128::from(keys) * u128::from(versions);
                self.add_held(item, Variant::None, region, held, hours)?;
            }
        }
        Ok(())
    }

    /// Adds `bytes` of `class` stored for the whole month.
    ///
    /// # Errors
    /// As for [`Self::add`].
    pub fn add_stored(&mut self, class: StorageClass, region: Region, bytes: u128) -> Result<(), UsageError> {
        self.add_held(Item::Storage, Variant::Class(class), region, bytes, self.month.hours())
    }

    /// Adds what `other` used: the accounts of a consolidated bill.
    ///
    /// # Errors
    /// [`UsageError`] when the months differ, or on overflow; `self` may then hold part of `other`.
    pub fn merge(&mut self, other: &Self) -> Result<(), UsageError> {
        if self.month != other.month {
            return Err(UsageError::Months(self.month, other.month));
        }
        for ((item, variant, region), quantity) in other.iter() {
            self.add(item, variant, region, quantity)?;
        }
        Ok(())
    }

    /// Every quantity in base units: by item, variant, Region.
    pub fn iter(&self) -> impl Iterator<Item = ((Item, Variant, Region), u128)> {
        self.quantities.iter().map(|(key, quantity)| (*key, *quantity))
    }

    /// The quantity of one item in base units.
    pub fn quantity(&self, item: Item, variant: Variant, region: Region) -> u128 {
        self.quantities.get(&(item, variant, region)).copied().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_counted_is_refused() {
        let (month, region) = ("2026-10".parse().unwrap(), "us-east-1".parse().unwrap());
        let mut usage = Usage::new(month);
        usage.add(Item::KmsRequest, Variant::None, region, u128::MAX).unwrap();
        let refused = usage.add(Item::KmsRequest, Variant::None, region, 1).unwrap_err();
        assert!(matches!(refused, UsageError::Overflow { item: Item::KmsRequest, .. }));
        let refused = usage.add(Item::Storage, Variant::None, region, 1).unwrap_err();
        assert_eq!(refused.to_string(), "storage has no variant ``: expected a storage class");
        let refused = usage.add(Item::KmsKey, Variant::Class(StorageClass::Standard), region, 1).unwrap_err();
        assert_eq!(refused.to_string(), "kms-key has no variant `STANDARD`: expected nothing");
        assert!(usage.merge(&Usage::new(month.next())).is_err());
        assert!(
            usage
                .add_held(Item::Storage, Variant::Class(StorageClass::Standard), region, u128::MAX, 2)
                .is_err()
        );
    }
}
