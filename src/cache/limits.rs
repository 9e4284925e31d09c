//! How long, how often and for how much a data key may be used: the limits, and the counting that never passes them.

use crate::units::{Span, Timestamp};

/// Uses of one data key when nothing else is asked: 2³². Source: AWS Encryption SDK, caching materials manager,
/// default and upper limit of messages per data key (docs/SOURCES.md).
pub const USES_DEFAULT: u64 = 1 << 32;

/// Bytes under one data key when nothing else is asked: 2⁶³ − 1. Source: as [`USES_DEFAULT`].
pub const BYTES_DEFAULT: u64 = (1 << 63) - 1;

/// Most uses that a stripe of the shared cache may hold unused.
const LEASE_USES_MAX: u32 = 1_024;

/// All stripes together hold at most this part of a limit unused: 1/64.
const LEASE_PARTS: u64 = 64;

/// When a cached data key may be used once more: age ≤ `max_age`, uses ≤ `max_uses`, bytes ≤ `max_bytes`.
///
/// Exactly the limit is allowed, one more is not. Age counts from the instant at which the KMS call was *sent*, so
/// it never understates how old the key is. Bytes are plaintext bytes of the bodies sealed. Each is exact under
/// concurrency: N is never passed (`tests/cache/laws.rs`, `tests/cache/interleaving.rs`).
///
/// Source: AWS Encryption SDK, `LocalCryptoMaterialsCache`: an entry is unusable when age > maximum age, messages >
/// maximum, or bytes > maximum.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UsageLimits {
    /// Longest time since the KMS call was sent.
    pub max_age: Span,
    /// Most uses, the first included.
    pub max_uses: u64,
    /// Most plaintext bytes over all uses.
    pub max_bytes: u64,
}

impl UsageLimits {
    /// A limit of age, and the defaults for uses and bytes. Age has no default: it is the revocation bound.
    pub const fn of_age(max_age: Span) -> Self {
        Self { max_age, max_uses: USES_DEFAULT, max_bytes: BYTES_DEFAULT }
    }

    /// A limit of age alone, for the decrypt memo: opening does not wear a key out.
    pub const fn memo(max_age: Span) -> Self {
        Self { max_age, max_uses: u64::MAX, max_bytes: u64::MAX }
    }

    /// What one of `stripes`, at least one, may hold: ⌊limit ÷ (64 × stripes)⌋, uses within 1–1,024, bytes within 1–2³² − 1.
    ///
    /// Small limits thus have a lease of one use, the very one that is asked for, and what all stripes hold unused is
    /// at most 1/64 of a large one.
    pub fn lease(self, stripes: usize) -> Lease {
        let parts = LEASE_PARTS.saturating_mul(stripes.max(1) as u64);
        let within =
            |limit: u64, most: u32| u32::try_from((limit / parts).max(1)).map_or(most, |n| n.min(most));
        Lease { uses: within(self.max_uses, LEASE_USES_MAX), bytes: within(self.max_bytes, u32::MAX) }
    }
}

/// Why a balance does not cover a use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spent {
    /// No use is left.
    Uses,
    /// Fewer bytes are left than the use needs.
    Bytes,
}

/// What may still be used: whole uses and plaintext bytes. It only shrinks, apart from what a lease brings back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Balance {
    uses: u64,
    bytes: u64,
}

impl Balance {
    /// All that `limits` allow.
    pub const fn full(limits: UsageLimits) -> Self {
        Self { uses: limits.max_uses, bytes: limits.max_bytes }
    }

    /// Uses left.
    pub const fn uses(self) -> u64 {
        self.uses
    }

    /// Takes one use of `bytes`, or nothing.
    ///
    /// # Errors
    /// [`Spent`] when uses or bytes do not suffice; the balance is as before.
    #[inline]
    pub fn take(&mut self, bytes: u64) -> Result<(), Spent> {
        let uses = self.uses.checked_sub(1).ok_or(Spent::Uses)?;
        let bytes = self.bytes.checked_sub(bytes).ok_or(Spent::Bytes)?;
        *self = Self { uses, bytes };
        Ok(())
    }

    /// Takes one use of `bytes`, takes `lease` back, and fills it anew with what `size` leaves beside that use.
    ///
    /// # Errors
    /// [`Spent`] when the use is not covered; `lease` is then empty and its rest is in this balance.
    #[expect(clippy::cast_possible_truncation, reason = "both are at most the size, which has 32 bits each")]
    pub fn draw(&mut self, lease: &mut Lease, bytes: u64, size: Lease) -> Result<(), Spent> {
        self.give_back(lease);
        self.take(bytes)?;
        let uses = u64::from(size.uses - 1).min(self.uses);
        let bytes = if uses == 0 { 0 } else { u64::from(size.bytes).min(self.bytes) };
        self.uses -= uses;
        self.bytes -= bytes;
        *lease = Lease { uses: uses as u32, bytes: bytes as u32 };
        Ok(())
    }

    /// Takes `lease` back and leaves it empty.
    pub fn give_back(&mut self, lease: &mut Lease) {
        // No overflow: a lease came out of this balance, and both together never exceed the limit.
        self.uses += u64::from(lease.uses);
        self.bytes += u64::from(lease.bytes);
        *lease = Lease::EMPTY;
    }
}

/// A part of a balance that one stripe of the shared cache holds, in eight bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lease {
    uses: u32,
    bytes: u32,
}

impl Lease {
    /// Nothing.
    pub const EMPTY: Self = Self { uses: 0, bytes: 0 };

    /// Uses left.
    pub const fn uses(self) -> u32 {
        self.uses
    }

    /// Takes one use of `bytes`, or nothing. Whether it was covered; if not, the balance decides.
    #[inline]
    #[expect(
        clippy::cast_possible_truncation,
        reason = "a use that is covered has at most `self.bytes` bytes"
    )]
    pub fn take(&mut self, bytes: u64) -> bool {
        let covered = self.uses > 0 && bytes <= u64::from(self.bytes);
        if covered {
            self.uses -= 1;
            self.bytes -= bytes as u32;
        }
        covered
    }
}

/// The life of one key: fixed when it lands, checked against `now` at every use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::struct_field_names, reason = "every field is an instant, and instants end in `at`")]
pub(super) struct Life {
    /// When the KMS call that brought it was sent.
    pub(super) sent_at: Timestamp,
    /// The last instant at which it may be used: `sent_at + max_age`.
    pub(super) last_at: Timestamp,
    /// From when a use should start a refresh; [`Timestamp::MAX`] for never.
    pub(super) refresh_at: Timestamp,
}

impl Life {
    /// Whether age > `max_age`.
    #[inline]
    pub(super) fn is_over(self, now: Timestamp) -> bool {
        now > self.last_at
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: UsageLimits = UsageLimits { max_age: Span::from_seconds(1), max_uses: 3, max_bytes: 10 };

    #[test]
    fn a_balance_gives_exactly_the_limit_of_uses_and_bytes() {
        let mut balance = Balance::full(LIMITS);
        assert_eq!([balance.take(0), balance.take(0), balance.take(10)], [Ok(()); 3]);
        assert_eq!(balance.take(0), Err(Spent::Uses));

        let mut balance = Balance::full(LIMITS);
        assert_eq!(balance.take(11), Err(Spent::Bytes));
        assert_eq!(balance.take(10), Ok(()));
        assert_eq!(balance.take(1), Err(Spent::Bytes));
        assert_eq!(balance.take(0), Ok(()), "an empty body still fits");
    }

    #[test]
    fn what_nobody_limits_is_limited_as_in_the_encryption_sdk_and_a_memo_by_age_alone() {
        let age = Span::from_seconds(1);
        let limits =
            UsageLimits { max_age: age, max_uses: 4_294_967_296, max_bytes: 9_223_372_036_854_775_807 };
        assert_eq!(UsageLimits::of_age(age), limits);
        assert_eq!(UsageLimits::memo(age), UsageLimits { max_uses: u64::MAX, max_bytes: u64::MAX, ..limits });
    }

    #[test]
    fn a_life_ends_after_its_last_instant_and_not_at_it() {
        let last_at = Timestamp::from_seconds(1);
        let life = Life { sent_at: Timestamp::ZERO, last_at, refresh_at: Timestamp::MAX };
        assert!(!life.is_over(last_at));
        assert!(life.is_over(last_at + Span::from_nanos(1)));
    }

    #[test]
    fn leases_of_all_stripes_hold_at_most_a_64th_of_a_large_limit_and_one_use_of_a_small_one() {
        for stripes in [1, 2, 8, 64] {
            for max_uses in [1, 2, 100, 10_000, USES_DEFAULT, u64::MAX] {
                let lease = u64::from(UsageLimits { max_uses, ..LIMITS }.lease(stripes).uses);
                assert!(lease == 1 || lease * stripes as u64 <= max_uses / 64, "{stripes} {max_uses}");
                assert!((1..=1_024).contains(&lease));
            }
        }
    }

    #[test]
    fn a_lease_is_a_64th_for_all_stripes_and_gives_exactly_what_it_holds() {
        let limits = UsageLimits { max_uses: 10_000, max_bytes: 1 << 20, ..LIMITS };
        let mut lease = limits.lease(2);
        assert_eq!(lease, Lease { uses: 78, bytes: 8_192 });
        assert!(!lease.take(8_193));
        assert!(lease.take(8_192) && !lease.take(1) && lease.take(0));
        assert_eq!(lease, Lease { uses: 76, bytes: 0 });
        assert_eq!((lease.uses(), Balance::full(limits).uses()), (76, 10_000));
        assert!((0..76).all(|_| lease.take(0)) && !lease.take(0));
    }

    #[test]
    fn drawing_keeps_the_sum_and_covers_a_use_larger_than_the_lease() {
        let mut balance = Balance { uses: 10, bytes: 100 };
        let mut lease = Lease { uses: 1, bytes: 5 };
        let size = Lease { uses: 4, bytes: 8 };
        assert_eq!(balance.draw(&mut lease, 50, size), Ok(()));
        assert_eq!((balance, lease), (Balance { uses: 7, bytes: 47 }, Lease { uses: 3, bytes: 8 }));
        assert_eq!(balance.draw(&mut lease, 56, size), Err(Spent::Bytes));
        assert_eq!((balance, lease), (Balance { uses: 10, bytes: 55 }, Lease::EMPTY));
    }

    #[test]
    fn a_lease_of_one_use_leaves_nothing_unused() {
        let mut balance = Balance { uses: 2, bytes: 100 };
        let mut lease = Lease::EMPTY;
        assert_eq!(balance.draw(&mut lease, 1, Lease { uses: 1, bytes: 8 }), Ok(()));
        assert_eq!((balance, lease), (Balance { uses: 1, bytes: 99 }, Lease::EMPTY));
    }
}
