//! What can go wrong with an envelope, one enum per operation.

use super::core::PLAINTEXT_BYTES_MAX;
use super::key::RandomError;

/// Why an object was not sealed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SealError {
    /// The operating system's generator failed.
    #[error(transparent)]
    Random(#[from] RandomError),
    /// The keys given are not those that the slot's mode seals with.
    #[error("mode {mode} seals with {expected}, but {given} was given")]
    KeyKind {
        /// The slot's mode.
        mode: &'static str,
        /// The keys it takes.
        expected: &'static str,
        /// The keys given.
        given: &'static str,
    },
    /// A part number that S3 has not.
    #[error("part number is {number}: expected 1 to 10,000")]
    PartNumber {
        /// The number given.
        number: u16,
    },
    /// Both layers of a DSSE object under one key.
    #[error("the two layers of a DSSE object need two keys, but the inner and the outer key are equal")]
    EqualKeys,
    /// Longer than the format allows.
    #[error("plaintext of {bytes} bytes is longer than the format's limit of {PLAINTEXT_BYTES_MAX}")]
    TooLong {
        /// Bytes given so far.
        bytes: u64,
    },
    /// Not the length announced.
    #[error("plaintext was announced as {announced} bytes, but {given} were given")]
    Length {
        /// Bytes announced when the object was begun.
        announced: u64,
        /// Bytes given.
        given: u64,
    },
}

/// Why an object, or a part of it, was not opened.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// Not this format.
    #[error("not a sealed object: it does not begin with the format's eight magic bytes")]
    NotOurs,
    /// This format in a version that this program does not know.
    #[error("sealed object of format version {version}: this program reads version 1; use a newer one")]
    Version {
        /// The version found.
        version: u8,
    },
    /// A header field out of its range.
    #[error("malformed header: {field} is {value}, expected {expected}")]
    Malformed {
        /// The field.
        field: &'static str,
        /// What stands there: a number, a quoted text, or how many bytes.
        value: String,
        /// What should.
        expected: &'static str,
    },
    /// The keys given are not those that the slot's mode opens with.
    #[error("the object's mode {mode} opens with {expected}, but {given} was given")]
    KeyKind {
        /// The slot's mode.
        mode: &'static str,
        /// The keys it takes.
        expected: &'static str,
        /// The keys given.
        given: &'static str,
    },
    /// The commitment does not match: these three causes cannot be told apart.
    #[error("wrong key, or the object was sealed under another identity, or its header was changed")]
    WrongKeyOrHeader,
    /// Key and identity are right, but the slot was changed.
    #[error("the slot (mode, KMS key, wrapped keys, context) was changed after it was written")]
    SlotChanged,
    /// The object ends early.
    #[error("object is truncated: {found} bytes of it are here, {expected}")]
    Truncated {
        /// Bytes found.
        found: u64,
        /// What was expected.
        expected: Expected,
    },
    /// The object goes on after its end.
    #[error("object has bytes after its end: {found} bytes are here, {expected}")]
    Trailing {
        /// Bytes found.
        found: u64,
        /// What was expected.
        expected: Expected,
    },
    /// A frame that does not authenticate.
    #[error(
        "frame {frame} does not open: the object was changed, reordered, cut inside this frame, or goes on behind it"
    )]
    Corrupt {
        /// Number of the frame from 0.
        frame: u64,
    },
    /// The bytes given are not those that the range plan asked for.
    #[error("the range needs {expected} ciphertext bytes, {found} were given")]
    RangeBytes {
        /// Bytes planned.
        expected: u64,
        /// Bytes given.
        found: u64,
    },
    /// A range plan that was made for an object of another length or layout.
    #[error("the range plan was made for another object: plan the range with the header that opens it")]
    OtherPlan,
    /// The range ends before it begins.
    #[error("range is not valid: it ends at byte {last}, before its first byte {first}")]
    RangeBackwards {
        /// First byte asked for.
        first: u64,
        /// Last byte asked for.
        last: u64,
    },
    /// The range lies beyond the end of the object.
    #[error("range is not satisfiable: it begins at byte {first}, the object has {length}")]
    RangeUnsatisfiable {
        /// First byte asked for.
        first: u64,
        /// Bytes of plaintext.
        length: u64,
    },
}

/// What an object's length should have been, when it is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expected {
    /// Bytes of the whole object or body.
    Bytes(u64),
    /// A header's beginning, whose length field is not yet there.
    Header,
    /// No length was recorded; the last frame tells.
    LastFrame,
}

impl std::fmt::Display for Expected {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Bytes(bytes) => write!(f, "{bytes} are expected"),
            Self::Header => f.write_str("not even a header"),
            Self::LastFrame => f.write_str("and the frame that is marked as the last says where it ends"),
        }
    }
}

/// Why a slot was not replaced.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RewrapError {
    /// The header did not open under these keys.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// A slot of this mode cannot take the place of the present one.
    #[error("an object of mode {from} cannot be rewrapped to {to}: {reason}")]
    Mode {
        /// Mode now.
        from: &'static str,
        /// Mode asked for.
        to: &'static str,
        /// Why not.
        reason: &'static str,
    },
}

/// Why a multipart manifest was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ManifestError {
    /// The manifest's envelope did not open.
    #[error("manifest does not open: {0}")]
    Open(#[from] OpenError),
    /// The manifest was not sealed.
    #[error(transparent)]
    Seal(#[from] SealError),
    /// Its bytes are not those of a manifest.
    #[error("malformed manifest: {found} bytes, expected {expected}")]
    Malformed {
        /// Bytes found.
        found: usize,
        /// What was expected.
        expected: &'static str,
    },
    /// No parts, or too many.
    #[error("a manifest lists 1 to 10,000 parts, this one {parts}")]
    Parts {
        /// Parts listed.
        parts: usize,
    },
    /// Part numbers not ascending.
    #[error("part {part} stands after part {previous}: part numbers must ascend")]
    Order {
        /// The part before.
        previous: u16,
        /// The part out of order.
        part: u16,
    },
    /// The parts together are too long.
    #[error("the parts together are longer than the format's limit of {PLAINTEXT_BYTES_MAX} bytes")]
    TooLong,
    /// An envelope that is not the part listed.
    #[error(
        "the envelope given for part {part} is not the one that the manifest lists: {difference} differs"
    )]
    OtherPart {
        /// The part listed.
        part: u16,
        /// What differs: `part number`, `salt` or `length`.
        difference: &'static str,
    },
    /// An envelope that is no part, or has no recorded length.
    #[error("the envelope cannot stand in a manifest: {reason}")]
    NotAPart {
        /// Why.
        reason: &'static str,
    },
}
