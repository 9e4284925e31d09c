//! The sealed core: the 56 bytes of a header that never change, and the arithmetic of lengths.

use super::aead::TAG_BYTES;
use super::error::OpenError;
use super::key::{RandomError, fill_random};

/// First bytes of every envelope. Not text, so that a transfer that mangles text shows at once.
pub const MAGIC: [u8; 8] = *b"\x89S3SEAL\n";
/// Bytes of the core.
pub const CORE_BYTES: usize = 56;
/// Bytes of an object's salt.
pub const SALT_BYTES: usize = 32;
/// Longest plaintext, 2⁴⁸ bytes (256 TiB): five times S3's largest object; docs/FORMAT.md has the arithmetic.
pub const PLAINTEXT_BYTES_MAX: u64 = 1 << 48;
/// Highest part number. Source: S3 user guide, multipart upload limits.
pub const PART_NUMBER_MAX: u16 = 10_000;

const VERSION: u8 = 1;
const UNKNOWN_LENGTH: u64 = u64::MAX;
const MANIFEST: u32 = u32::MAX;

/// Number of AES-256-GCM layers of a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Suite {
    /// One layer: every mode but DSSE-KMS.
    Single,
    /// Two layers under two keys: DSSE-KMS.
    Double,
}

impl Suite {
    /// Layers as a number.
    pub const fn layers(self) -> u8 {
        match self {
            Self::Single => 1,
            Self::Double => 2,
        }
    }

    /// Bytes of tags per frame: 16 per layer.
    pub(crate) const fn tag_bytes(self) -> usize {
        self.layers() as usize * TAG_BYTES
    }
}

/// Plaintext bytes of a full frame: a power of two from 256 B to 16 MiB; 64 KiB unless told otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FrameSize(u8);

impl FrameSize {
    /// 256 bytes.
    pub const MIN: Self = Self(8);
    /// 16 MiB.
    pub const MAX: Self = Self(24);

    /// The frame size of `bytes`, if that is a power of two from 256 to 2²⁴.
    pub const fn new(bytes: u32) -> Option<Self> {
        let mut log2 = Self::MIN.0;
        while log2 <= Self::MAX.0 {
            if bytes == 1 << log2 {
                return Some(Self(log2));
            }
            log2 += 1;
        }
        None
    }

    const fn from_log2(log2: u8) -> Option<Self> {
        if log2 >= Self::MIN.0 && log2 <= Self::MAX.0 { Some(Self(log2)) } else { None }
    }

    /// Bytes.
    pub const fn bytes(self) -> usize {
        1 << self.0
    }
}

impl Default for FrameSize {
    /// 64 KiB.
    fn default() -> Self {
        Self(16)
    }
}

/// What an envelope is within its object.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Part {
    /// The whole object.
    #[default]
    Whole,
    /// A part of a multipart upload, 1–10,000.
    Number(u16),
    /// The manifest that lists the parts.
    Manifest,
}

/// The fields of the core.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Core {
    pub(crate) suite: Suite,
    pub(crate) frame: FrameSize,
    pub(crate) part: Part,
    pub(crate) length: Option<u64>,
    pub(crate) salt: [u8; SALT_BYTES],
}

impl Core {
    /// A core with a fresh salt from the operating system. No function takes a salt: one that came twice would
    /// bring a nonce twice.
    pub(crate) fn new(
        suite: Suite,
        frame: FrameSize,
        part: Part,
        length: Option<u64>,
    ) -> Result<Self, RandomError> {
        let mut salt = [0; SALT_BYTES];
        fill_random(&mut salt)?;
        Ok(Self { suite, frame, part, length, salt })
    }

    pub(crate) fn encode(&self) -> [u8; CORE_BYTES] {
        let part = match self.part {
            Part::Whole => 0,
            Part::Number(number) => number.into(),
            Part::Manifest => MANIFEST,
        };
        let mut out = [0; CORE_BYTES];
        out[..8].copy_from_slice(&MAGIC);
        out[8] = VERSION;
        out[9] = self.suite.layers();
        out[10] = self.frame.0;
        out[12..16].copy_from_slice(&part.to_be_bytes());
        out[16..24].copy_from_slice(&self.length.unwrap_or(UNKNOWN_LENGTH).to_be_bytes());
        out[24..].copy_from_slice(&self.salt);
        out
    }

    pub(crate) fn decode(bytes: &[u8; CORE_BYTES]) -> Result<Self, OpenError> {
        let malformed = |field, value: u64, expected| {
            Err(OpenError::Malformed { field, value: value.to_string(), expected })
        };
        if bytes[..8] != MAGIC {
            return Err(OpenError::NotOurs);
        }
        if bytes[8] != VERSION {
            return Err(OpenError::Version { version: bytes[8] });
        }
        let suite = match bytes[9] {
            1 => Suite::Single,
            2 => Suite::Double,
            other => return malformed("suite", other.into(), "1 (one layer) or 2 (two layers)"),
        };
        let Some(frame) = FrameSize::from_log2(bytes[10]) else {
            return malformed("frame size", bytes[10].into(), "an exponent of two from 8 to 24");
        };
        if bytes[11] != 0 {
            return malformed("reserved byte", bytes[11].into(), "0");
        }
        let word = u32::from_be_bytes([bytes[12], bytes[13], bytes[14], bytes[15]]);
        let part = match u16::try_from(word) {
            Ok(0) => Part::Whole,
            Ok(number) if number <= PART_NUMBER_MAX => Part::Number(number),
            _ if word == MANIFEST => Part::Manifest,
            _ => return malformed("part number", word.into(), "0 to 10,000, or 2³²−1 for a manifest"),
        };
        let (length, salt) = bytes[16..].split_first_chunk::<8>().expect("40 bytes are left");
        let length = match u64::from_be_bytes(*length) {
            UNKNOWN_LENGTH => None,
            bytes if bytes <= PLAINTEXT_BYTES_MAX => Some(bytes),
            other => return malformed("plaintext length", other, "at most 2⁴⁸, or 2⁶⁴−1 for unknown"),
        };
        Ok(Self { suite, frame, part, length, salt: salt.try_into().expect("32 bytes are left") })
    }

    pub(crate) fn layout(&self) -> Layout {
        Layout { frame: self.frame, suite: self.suite }
    }
}

/// How a body divides into frames. All lengths follow from it without reading the object.
///
/// `frames = max(1, ⌈plaintext / frame⌉)`, `body = plaintext + frames · 16 · layers`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    /// Plaintext bytes of a full frame.
    pub frame: FrameSize,
    /// Number of layers.
    pub suite: Suite,
}

impl Layout {
    /// Bytes of a full frame in the body: plaintext and tags.
    pub const fn stride(self) -> usize {
        self.frame.bytes() + self.suite.tag_bytes()
    }

    /// Number of frames of a plaintext; an empty one has one empty frame.
    pub const fn frames(self, plaintext: u64) -> u64 {
        let frames = plaintext.div_ceil(self.frame.bytes() as u64);
        if frames == 0 { 1 } else { frames }
    }

    /// Bytes of the body of a plaintext.
    ///
    /// # Panics
    /// Above [`PLAINTEXT_BYTES_MAX`].
    pub const fn body_bytes(self, plaintext: u64) -> u64 {
        assert!(plaintext <= PLAINTEXT_BYTES_MAX, "plaintext is longer than the format allows");
        plaintext + self.frames(plaintext) * self.suite.tag_bytes() as u64
    }

    /// Bytes of the plaintext of a body, or `None` where no plaintext has a body of this length.
    pub const fn plaintext_bytes(self, body: u64) -> Option<u64> {
        let (stride, tags) = (self.stride() as u64, self.suite.tag_bytes() as u64);
        let rest = body % stride;
        let whole = body / stride;
        // A last frame holds at least one byte, unless it is the only one.
        let valid = if rest == 0 { whole > 0 } else { rest > tags || (rest == tags && whole == 0) };
        if !valid {
            return None;
        }
        let plaintext = body - (whole + (rest > 0) as u64) * tags;
        if plaintext > PLAINTEXT_BYTES_MAX { None } else { Some(plaintext) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_core_decodes_to_what_was_encoded() {
        for (part, length) in [
            (Part::Whole, None),
            (Part::Number(10_000), Some(0)),
            (Part::Manifest, Some(PLAINTEXT_BYTES_MAX)),
        ] {
            for suite in [Suite::Single, Suite::Double] {
                let core = Core::new(suite, FrameSize::MAX, part, length).unwrap();
                assert_eq!(Core::decode(&core.encode()), Ok(core));
            }
        }
    }

    #[test]
    fn a_field_out_of_range_is_named() {
        let good = Core::new(Suite::Single, FrameSize::default(), Part::Whole, Some(5)).unwrap().encode();
        let cases: [(usize, u8, &str); 7] = [
            (9, 0, "suite"),
            (9, 3, "suite"),
            (10, 7, "frame size"),
            (10, 25, "frame size"),
            (11, 1, "reserved byte"),
            (13, 1, "part number"),
            (16, 1, "plaintext length"),
        ];
        for (at, value, name) in cases {
            let mut bad = good;
            bad[at] = value;
            match Core::decode(&bad) {
                Err(OpenError::Malformed { field, .. }) => assert_eq!(field, name),
                other => panic!("{name}: {other:?}"),
            }
        }
        let mut other = good;
        other[0] = b'P';
        assert_eq!(Core::decode(&other), Err(OpenError::NotOurs));
        let mut newer = good;
        newer[8] = 2;
        assert_eq!(Core::decode(&newer), Err(OpenError::Version { version: 2 }));
    }

    #[test]
    fn lengths_convert_both_ways_and_impossible_ones_are_none() {
        for suite in [Suite::Single, Suite::Double] {
            let layout = Layout { frame: FrameSize::MIN, suite };
            let mut bodies = Vec::new();
            for plaintext in 0..2_000 {
                let body = layout.body_bytes(plaintext);
                assert_eq!(layout.plaintext_bytes(body), Some(plaintext));
                bodies.push(body);
            }
            for body in 0..2_000 {
                assert_eq!(layout.plaintext_bytes(body).is_some(), bodies.contains(&body), "{body}");
            }
            assert_eq!(layout.plaintext_bytes(u64::MAX), None);
        }
    }
}
