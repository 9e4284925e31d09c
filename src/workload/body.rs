//! Object bodies: pseudo-random bytes that follow from seed, object and version, so that a read checks what it opened.

use rand_core::Rng;

use super::random::scatter;
use crate::units::Seed;

/// Bytes that come from one step of the generator.
const WORD: usize = 8;

/// The bodies of a run. Neither secret nor unpredictable: they only make one body unlike every other, at each offset.
///
/// Word `i` of a body is the folded 128-bit product of two words made of its key and `i`; so any range is made without
/// what stands before it.
///
/// Source of the folded product: wyhash, Wang Yi (public domain), as a generator `wyrand`.
#[derive(Clone, Copy, Debug)]
pub struct Bodies {
    key: u64,
}

/// The key of one body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Key(u64, u64);

impl Bodies {
    /// The bodies under `seed`.
    pub fn new(seed: Seed) -> Self {
        Self { key: seed.stream("body", 0).next_u64() }
    }

    /// Fills `buffer` with the body of `object` in `version` from byte `offset` on.
    ///
    /// The law: filling a range gives the same bytes as filling the whole and cutting the range out.
    ///
    /// # Cost
    ///
    /// More than 3 GB/s on one core, and 20 ns at the start; the scoreboard's `body_fill` measures it.
    #[inline]
    pub fn fill(&self, object: u64, version: u64, offset: u64, buffer: &mut [u8]) {
        let key = self.body(object, version);
        let (mut word, skipped) = (offset / WORD as u64, (offset % WORD as u64) as usize);
        let mut rest = buffer;
        if skipped > 0 {
            let bytes = key.word(word).to_le_bytes();
            let (head, tail) = rest.split_at_mut((WORD - skipped).min(rest.len()));
            head.copy_from_slice(&bytes[skipped..skipped + head.len()]);
            rest = tail;
            word += 1;
        }
        let mut chunks = rest.chunks_exact_mut(WORD);
        for chunk in &mut chunks {
            chunk.copy_from_slice(&key.word(word).to_le_bytes());
            word = word.wrapping_add(1);
        }
        let tail = chunks.into_remainder();
        tail.copy_from_slice(&key.word(word).to_le_bytes()[..tail.len()]);
    }

    /// Where `bytes` first differ from the body of `object` in `version` at `offset`; `None` when they are it.
    pub fn mismatch(&self, object: u64, version: u64, offset: u64, bytes: &[u8]) -> Option<u64> {
        const STRIDE: usize = 4_096;
        let mut expected = [0_u8; STRIDE];
        for (block, chunk) in bytes.chunks(STRIDE).enumerate() {
            let start = offset.wrapping_add((block * STRIDE) as u64);
            let expected = &mut expected[..chunk.len()];
            self.fill(object, version, start, expected);
            if chunk != expected {
                let at = chunk.iter().zip(expected.iter()).position(|(got, want)| got != want);
                return Some(start + at.unwrap_or(0) as u64);
            }
        }
        None
    }

    fn body(self, object: u64, version: u64) -> Key {
        let key = scatter(scatter(self.key, object), version);
        Key(key, scatter(key, 0) | 1)
    }
}

impl Key {
    fn word(self, index: u64) -> u64 {
        let counter = self.0.wrapping_add(index.wrapping_mul(0xA076_1D64_78BD_642F));
        let product = u128::from(counter) * u128::from(counter ^ self.1);
        (product >> 64) as u64 ^ product as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_range_of_a_body_is_the_same_bytes_as_in_the_whole(
            object: u64, version: u64, start in 0_usize..600, length in 0_usize..600,
        ) {
            let bodies = Bodies::new(Seed(1));
            let mut whole = vec![0; 1_200];
            bodies.fill(object, version, 0, &mut whole);
            let mut range = vec![0; length];
            bodies.fill(object, version, start as u64, &mut range);
            prop_assert_eq!(&range, &whole[start..start + length]);
            prop_assert_eq!(bodies.mismatch(object, version, start as u64, &range), None);
        }

        #[test]
        fn a_changed_byte_is_found_where_it_is(at in 0_usize..10_000, change in 1_u8..) {
            let bodies = Bodies::new(Seed(1));
            let mut body = vec![0; 10_000];
            bodies.fill(3, 4, 0, &mut body);
            body[at] ^= change;
            prop_assert_eq!(bodies.mismatch(3, 4, 0, &body), Some(at as u64));
        }
    }

    #[test]
    fn no_two_bodies_share_sixteen_bytes_anywhere() {
        let mut seen = std::collections::BTreeSet::new();
        for seed in 0..2 {
            let bodies = Bodies::new(Seed(seed));
            for (object, version) in [(0, 0), (0, 1), (1, 0), (u64::MAX, 0)] {
                let mut body = vec![0; 8_192];
                bodies.fill(object, version, 0, &mut body);
                // 65,000 runs of 128 bits: one pair alike in 10²⁹ tries.
                for run in body.windows(16) {
                    assert!(seen.insert(<[u8; 16]>::try_from(run).unwrap()));
                }
            }
        }
    }

    #[test]
    fn bits_of_a_body_are_balanced() {
        let mut body = vec![0; 1 << 20];
        Bodies::new(Seed(9)).fill(5, 6, 0, &mut body);
        for bit in 0..8 {
            let ones = body.iter().filter(|byte| *byte >> bit & 1 == 1).count();
            // Binomial of 2²⁰: deviation 512; five of them.
            assert!(ones.abs_diff(1 << 19) < 2_560, "bit {bit}: {ones}");
        }
    }

    #[test]
    fn the_last_offsets_are_reached_without_overflow() {
        let mut buffer = [0; 20];
        Bodies::new(Seed(1)).fill(1, 1, u64::MAX - 19, &mut buffer);
    }
}
