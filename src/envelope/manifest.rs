//! The multipart manifest: which parts make up an object, in which order, sealed like any envelope.

use std::ops::Range;

use super::aead::Backend;
use super::core::{PART_NUMBER_MAX, PLAINTEXT_BYTES_MAX, Part, SALT_BYTES};
use super::derive::Keys;
use super::error::ManifestError;
use super::frame::Threads;
use super::identity::Identity;
use super::open::{Header, Unlocked};
use super::seal::{Options, seal};
use super::slot::Slot;

/// Bytes of a listed part: `part number u16 ‖ plaintext length u64 ‖ salt`.
const ENTRY_BYTES: usize = 2 + 8 + SALT_BYTES;

/// A part as the manifest lists it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ManifestPart {
    /// Part number, 1–10,000.
    pub number: u16,
    /// Bytes of its plaintext.
    pub plaintext_bytes: u64,
    salt: [u8; SALT_BYTES],
}

impl ManifestPart {
    /// The entry for a part whose header was checked.
    ///
    /// # Errors
    /// [`ManifestError::NotAPart`] when the envelope has no part number or no recorded length.
    pub fn of(part: &Unlocked) -> Result<Self, ManifestError> {
        let Part::Number(number) = part.part() else {
            return Err(ManifestError::NotAPart { reason: "it has no part number" });
        };
        let Some(plaintext_bytes) = part.plaintext_bytes() else {
            return Err(ManifestError::NotAPart { reason: "it was sealed without a known length" });
        };
        Ok(Self { number, plaintext_bytes, salt: *part.salt() })
    }
}

/// The parts of a completed multipart upload, in ascending order of their numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Manifest(Vec<ManifestPart>);

impl Manifest {
    /// The manifest of these parts.
    ///
    /// # Errors
    /// [`ManifestError`] for no parts, too many, descending or equal numbers, or too long a whole.
    pub fn new(parts: Vec<ManifestPart>) -> Result<Self, ManifestError> {
        if parts.is_empty() || parts.len() > PART_NUMBER_MAX.into() {
            return Err(ManifestError::Parts { parts: parts.len() });
        }
        for pair in parts.windows(2) {
            if pair[0].number >= pair[1].number {
                return Err(ManifestError::Order { previous: pair[0].number, part: pair[1].number });
            }
        }
        let total = parts.iter().try_fold(0_u64, |sum, part| sum.checked_add(part.plaintext_bytes));
        match total {
            Some(bytes) if bytes <= PLAINTEXT_BYTES_MAX => Ok(Self(parts)),
            _ => Err(ManifestError::TooLong),
        }
    }

    /// The parts.
    pub fn parts(&self) -> &[ManifestPart] {
        &self.0
    }

    /// Bytes of the whole plaintext.
    pub fn plaintext_bytes(&self) -> u64 {
        self.0.iter().map(|part| part.plaintext_bytes).sum()
    }

    /// Which parts hold `range` of the whole plaintext, and which range of each: pairs of index and range.
    pub fn locate(&self, range: Range<u64>) -> impl Iterator<Item = (usize, Range<u64>)> {
        let mut start = 0;
        self.0.iter().enumerate().filter_map(move |(index, part)| {
            let (from, to) = (start, start + part.plaintext_bytes);
            start = to;
            let (first, end) = (range.start.max(from), range.end.min(to));
            (first < end).then(|| (index, first - from..end - from))
        })
    }

    /// Whether an envelope whose header was checked is the part listed at `index`.
    ///
    /// # Errors
    /// [`ManifestError::OtherPart`] names what differs.
    ///
    /// # Panics
    /// When `index` is not below the number of parts.
    pub fn check_part(&self, index: usize, part: &Unlocked) -> Result<(), ManifestError> {
        let listed = &self.0[index];
        let differs = |difference| Err(ManifestError::OtherPart { part: listed.number, difference });
        if part.part() != Part::Number(listed.number) {
            return differs("part number");
        }
        if part.salt() != &listed.salt {
            return differs("salt");
        }
        if part.plaintext_bytes() != Some(listed.plaintext_bytes) {
            return differs("length");
        }
        Ok(())
    }

    /// The manifest as an envelope of its own, under the keys of the parts.
    ///
    /// # Errors
    /// As [`seal`].
    pub fn seal(&self, keys: Keys<'_>, slot: &Slot, identity: &Identity) -> Result<Vec<u8>, ManifestError> {
        let options = Options { part: Part::Manifest, threads: Threads::One, ..Options::default() };
        Ok(seal(keys, slot, identity, &self.to_bytes(), options)?)
    }

    /// Opens and checks a sealed manifest.
    ///
    /// # Errors
    /// [`ManifestError`].
    pub fn open(keys: Keys<'_>, identity: &Identity, envelope: &[u8]) -> Result<Self, ManifestError> {
        let header = Header::parse(envelope)?;
        let unlocked = header.unlock(keys, identity, Backend::default())?;
        if unlocked.part() != Part::Manifest {
            return Err(ManifestError::NotAPart { reason: "it is an object or a part, not a manifest" });
        }
        Self::from_bytes(&unlocked.open(&envelope[unlocked.header_bytes()..], Threads::One)?)
    }

    fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(4 + self.0.len() * ENTRY_BYTES);
        let count = u32::try_from(self.0.len()).expect("at most 10,000 parts");
        out.extend_from_slice(&count.to_be_bytes());
        for part in &self.0 {
            out.extend_from_slice(&part.number.to_be_bytes());
            out.extend_from_slice(&part.plaintext_bytes.to_be_bytes());
            out.extend_from_slice(&part.salt);
        }
        out
    }

    /// The manifest with these plaintext bytes: `count u32 ‖ entry*`.
    ///
    /// # Errors
    /// [`ManifestError`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, ManifestError> {
        let malformed = |expected| ManifestError::Malformed { found: bytes.len(), expected };
        let (count, entries) =
            bytes.split_first_chunk::<4>().ok_or_else(|| malformed("a count of parts in four bytes"))?;
        let count = u32::from_be_bytes(*count) as usize;
        let (entries, []) = entries.as_chunks::<ENTRY_BYTES>() else {
            return Err(malformed("42 bytes for each part"));
        };
        if entries.len() != count {
            return Err(malformed("as many parts as its count says"));
        }
        let parts = entries.iter().map(|entry| {
            let (number, rest) = entry.split_first_chunk::<2>().expect("42 bytes");
            let (length, salt) = rest.split_first_chunk::<8>().expect("40 bytes");
            let number = u16::from_be_bytes(*number);
            if !(1..=PART_NUMBER_MAX).contains(&number) {
                return Err(malformed("part numbers from 1 to 10,000"));
            }
            let salt = salt.try_into().expect("32 bytes");
            Ok(ManifestPart { number, plaintext_bytes: u64::from_be_bytes(*length), salt })
        });
        Self::new(parts.collect::<Result<_, _>>()?)
    }
}
