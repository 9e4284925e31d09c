//! Opening: an envelope to its plaintext, at once or in pieces. Nothing is released before its tag is checked.

use std::cmp::Ordering;
use std::fmt;
use std::io::{self, Read};

use super::aead::Backend;
use super::core::{CORE_BYTES, Core, FrameSize, Layout, MAGIC, Part, SALT_BYTES, Suite};
use super::derive::{COMMITMENT_BYTES, Derived, Keys, SLOT_TAG_BYTES, SlotKey};
use super::error::{Expected, OpenError, RewrapError};
use super::frame::{self, BadFrame, Run, Threads};
use super::identity::Identity;
use super::seal::{header_bytes, write_header};
use super::slot::{SLOT_PREFIX_BYTES, Slot};

/// Bytes that tell how long a header is: core, commitment and the slot's length field.
pub const HEADER_PREFIX_BYTES: usize = CORE_BYTES + COMMITMENT_BYTES + SLOT_PREFIX_BYTES;
/// Longest header: a slot's length field has 16 bits.
pub const HEADER_BYTES_MAX: usize = HEADER_PREFIX_BYTES + u16::MAX as usize + SLOT_TAG_BYTES;

/// A parsed header, **not yet authentic**: good for finding the key that [`Self::unlock`] then checks it with.
#[derive(Clone, PartialEq, Eq)]
pub struct Header {
    core: Core,
    slot: Slot,
    bytes: Vec<u8>,
}

impl Header {
    /// Bytes of the header that begins with `prefix`, at least [`HEADER_PREFIX_BYTES`] of it. At most
    /// [`HEADER_BYTES_MAX`].
    ///
    /// # Errors
    /// [`OpenError`] when this is no header, or too little of one.
    pub fn length(prefix: &[u8]) -> Result<usize, OpenError> {
        let begun = prefix.len().min(MAGIC.len());
        if prefix[..begun] != MAGIC[..begun] {
            return Err(OpenError::NotOurs);
        }
        if let Some(core) = prefix.first_chunk() {
            Core::decode(core)?;
        }
        let Some(length) = prefix.get(HEADER_PREFIX_BYTES - SLOT_PREFIX_BYTES..HEADER_PREFIX_BYTES) else {
            return Err(OpenError::Truncated { found: prefix.len() as u64, expected: Expected::Header });
        };
        let slot = usize::from(u16::from_be_bytes([length[0], length[1]]));
        Ok(HEADER_PREFIX_BYTES + slot + SLOT_TAG_BYTES)
    }

    /// The header at the front of `bytes`; what follows it is left alone.
    ///
    /// # Errors
    /// [`OpenError`] when this is no header, or it is cut, or a field is out of its range.
    pub fn parse(bytes: &[u8]) -> Result<Self, OpenError> {
        let length = Self::length(bytes)?;
        let header = bytes.get(..length).ok_or(OpenError::Truncated {
            found: bytes.len() as u64,
            expected: Expected::Bytes(length as u64),
        })?;
        let core = Core::decode(header.first_chunk().expect("longer than a core"))?;
        let slot = Slot::decode(&header[HEADER_PREFIX_BYTES..length - SLOT_TAG_BYTES])?;
        if slot.suite() != core.suite {
            return Err(OpenError::Malformed {
                field: "suite",
                value: core.suite.layers().to_string(),
                expected: "2 for dsse-kms and 1 for the other modes",
            });
        }
        Ok(Self { core, slot, bytes: header.to_vec() })
    }

    /// Reads a header off the front of `reader`, and not a byte more.
    ///
    /// # Errors
    /// I/O errors as they are; [`OpenError`] inside an [`io::ErrorKind::InvalidData`] error.
    pub fn read(reader: &mut impl Read) -> io::Result<Self> {
        let invalid = |error: OpenError| io::Error::new(io::ErrorKind::InvalidData, error);
        let mut bytes = Vec::with_capacity(512);
        reader.by_ref().take(HEADER_PREFIX_BYTES as u64).read_to_end(&mut bytes)?;
        let length = Self::length(&bytes).map_err(invalid)?;
        reader.by_ref().take((length - bytes.len()) as u64).read_to_end(&mut bytes)?;
        Self::parse(&bytes).map_err(invalid)
    }

    pub(super) fn core(&self) -> &Core {
        &self.core
    }

    /// Where the data key comes from.
    pub fn slot(&self) -> &Slot {
        &self.slot
    }

    /// The header as it is stored.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Checks the header against keys and identity.
    ///
    /// # Errors
    /// [`OpenError::KeyKind`], [`OpenError::WrongKeyOrHeader`], [`OpenError::SlotChanged`].
    pub fn unlock(
        &self,
        keys: Keys<'_>,
        identity: &Identity,
        backend: Backend,
    ) -> Result<Unlocked, OpenError> {
        self.unlock_both(&keys, identity, backend, &mut SlotKey::room())
    }

    /// As [`Self::unlock`], with the key of the slot's tag.
    fn unlock_both(
        &self,
        keys: &Keys<'_>,
        identity: &Identity,
        backend: Backend,
        slot_key: &mut SlotKey,
    ) -> Result<Unlocked, OpenError> {
        keys.check_open(&self.slot)?;
        let (core, rest) = self.bytes.split_first_chunk::<CORE_BYTES>().expect("a parsed header has a core");
        let (commitment, rest) = rest.split_first_chunk::<COMMITMENT_BYTES>().expect("and a commitment");
        let (slot, tag) = rest.split_at(rest.len() - SLOT_TAG_BYTES);
        let derived = Derived::new(keys, &self.core, core, identity, backend, slot_key);
        if !derived.commits_to(commitment) {
            return Err(OpenError::WrongKeyOrHeader);
        }
        if !slot_key.authenticates(core, slot, tag) {
            return Err(OpenError::SlotChanged);
        }
        Ok(Unlocked { core: self.core, header_bytes: self.bytes.len(), derived })
    }
}

impl fmt::Debug for Header {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Header").field("core", &self.core).field("slot", &self.slot).finish_non_exhaustive()
    }
}

/// An authentic header with the keys of its body.
pub struct Unlocked {
    core: Core,
    header_bytes: usize,
    pub(crate) derived: Derived,
}

impl Unlocked {
    /// Bytes of the plaintext, when they were known as the object was begun.
    pub fn plaintext_bytes(&self) -> Option<u64> {
        self.core.length
    }

    /// Bytes of the header in the object.
    pub fn header_bytes(&self) -> usize {
        self.header_bytes
    }

    /// How the body divides into frames.
    pub fn layout(&self) -> Layout {
        self.core.layout()
    }

    /// Plaintext bytes of a full frame.
    pub fn frame_size(&self) -> FrameSize {
        self.core.frame
    }

    /// Number of layers.
    pub fn suite(&self) -> Suite {
        self.core.suite
    }

    /// What the envelope is within its object.
    pub fn part(&self) -> Part {
        self.core.part
    }

    pub(crate) fn salt(&self) -> &[u8; SALT_BYTES] {
        &self.core.salt
    }

    /// The plaintext of `body`, all that follows the header.
    ///
    /// # Errors
    /// [`OpenError`]; no plaintext is given then.
    pub fn open(&self, body: &[u8], threads: Threads) -> Result<Vec<u8>, OpenError> {
        let mut out = Vec::new();
        self.open_into(body, threads, &mut out)?;
        Ok(out)
    }

    /// [`Self::open`] into a buffer that is used again: `out` becomes the plaintext, its memory stays.
    ///
    /// # Errors
    /// As [`Self::open`]; `out` is then empty.
    pub fn open_into(&self, body: &[u8], threads: Threads, out: &mut Vec<u8>) -> Result<(), OpenError> {
        let opened = self.check_body_bytes(body.len() as u64).and_then(|plaintext| {
            out.resize(usize::try_from(plaintext).expect("shorter than its body"), 0);
            let run = Run { layout: self.layout(), first: 0, ends: true };
            frame::open(&self.derived.layers, run, body, out, threads)
                .map_err(|bad| self.explain(bad, run, body))
        });
        opened.inspect_err(|_| out.clear())
    }

    /// The opener for a body that comes in pieces.
    pub fn opener(self, threads: Threads) -> Opener {
        let stride = self.layout().stride();
        Opener {
            unlocked: self,
            threads,
            given: 0,
            opened: 0,
            failed: None,
            pending: Vec::with_capacity(stride),
        }
    }

    /// Bytes of the plaintext of a body of `body` bytes, if it can be one of this object.
    pub(crate) fn check_body_bytes(&self, body: u64) -> Result<u64, OpenError> {
        let layout = self.layout();
        let found = self.object_bytes(body);
        let Some(length) = self.core.length else {
            // A length that no plaintext has: cut inside a frame.
            let cut = OpenError::Truncated { found, expected: Expected::LastFrame };
            return layout.plaintext_bytes(body).ok_or(cut);
        };
        let right = self.object_bytes(layout.body_bytes(length));
        let expected = Expected::Bytes(right);
        match found.cmp(&right) {
            Ordering::Less => Err(OpenError::Truncated { found, expected }),
            Ordering::Equal => Ok(length),
            Ordering::Greater => Err(OpenError::Trailing { found, expected }),
        }
    }

    /// Bytes of the whole object with this many in its body.
    fn object_bytes(&self, body: u64) -> u64 {
        body.saturating_add(self.header_bytes as u64)
    }

    /// Why a frame did not open: cut or continued at a frame's edge, or else changed.
    pub(crate) fn explain(&self, bad: BadFrame, run: Run, body: &[u8]) -> OpenError {
        let layout = self.layout();
        let stride = layout.stride();
        let start = usize::try_from(bad.0 - run.first).expect("a frame of this body") * stride;
        let sealed = &body[start..body.len().min(start + stride)];
        let is_last_here = start + sealed.len() == body.len() && run.ends;
        if !frame::opens_as(&self.derived.layers, layout, bad.0, !is_last_here, sealed) {
            return OpenError::Corrupt { frame: bad.0 };
        }
        let found = self.object_bytes(run.first * stride as u64 + body.len() as u64);
        let expected = Expected::LastFrame;
        if is_last_here {
            OpenError::Truncated { found, expected }
        } else {
            OpenError::Trailing { found, expected }
        }
    }
}

impl fmt::Debug for Unlocked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Unlocked").field("core", &self.core).finish_non_exhaustive()
    }
}

/// The plaintext of a whole envelope in memory.
///
/// # Errors
/// [`OpenError`]; no plaintext is given then.
pub fn open(keys: Keys<'_>, identity: &Identity, envelope: &[u8]) -> Result<Vec<u8>, OpenError> {
    let header = Header::parse(envelope)?;
    let mut slot_key = SlotKey::room();
    let unlocked = header.unlock_both(&keys, identity, Backend::default(), &mut slot_key)?;
    unlocked.open(&envelope[header.as_bytes().len()..], Threads::default())
}

/// Opens a body that comes in pieces. What it lets out is always an authentic prefix of the plaintext.
#[derive(Debug)]
pub struct Opener {
    unlocked: Unlocked,
    threads: Threads,
    given: u64,
    opened: u64,
    failed: Option<OpenError>,
    /// Body bytes not opened yet: at most a frame, which may be the last.
    pending: Vec<u8>,
}

impl Opener {
    /// Takes the next piece of the body; `out` becomes the plaintext that is authentic now, perhaps none.
    ///
    /// # Errors
    /// [`OpenError`]: `out` still holds the authentic frames before the fault, and every later call fails alike.
    pub fn update(&mut self, body: &[u8], out: &mut Vec<u8>) -> Result<(), OpenError> {
        out.clear();
        if let Some(error) = &self.failed {
            return Err(error.clone());
        }
        let layout = self.unlocked.layout();
        let stride = layout.stride();
        self.given = self.given.saturating_add(body.len() as u64);
        let right = self.unlocked.core.length.map(|length| layout.body_bytes(length));
        let last_is_here = right.is_some_and(|right| self.given >= right);
        // Beyond the announced end: what belongs to the object is opened, then the rest is refused.
        let excess = right.map_or(0, |right| self.given.saturating_sub(right));
        let body =
            &body[..body.len() - usize::try_from(excess.min(body.len() as u64)).expect("within the piece")];
        let available = self.pending.len() + body.len();
        let ready = if last_is_here { available } else { available.saturating_sub(1) / stride * stride };
        let mut rest = body;
        let mut done = 0;
        let mut result = Ok(());
        if ready > 0 {
            let tags = layout.suite.tag_bytes();
            out.resize(ready - ready.div_ceil(stride) * tags, 0);
            if !self.pending.is_empty() {
                let (fill, tail) = rest.split_at(rest.len().min(stride - self.pending.len()));
                self.pending.extend_from_slice(fill);
                rest = tail;
                let held = std::mem::take(&mut self.pending);
                let length = held.len() - tags;
                result = self.open_run(&held, &mut out[..length], last_is_here && rest.is_empty(), &mut done);
                self.pending = held;
                self.pending.clear();
            }
            let whole =
                if last_is_here { rest.len() } else { rest.len().saturating_sub(1) / stride * stride };
            let (whole, tail) = rest.split_at(whole);
            rest = tail;
            if result.is_ok() && !whole.is_empty() {
                result = self.open_run(whole, &mut out[done..], last_is_here, &mut done);
            }
        }
        if excess > 0 && result.is_ok() {
            result = self.unlocked.check_body_bytes(self.given).map(drop);
        }
        match result {
            Ok(()) => self.pending.extend_from_slice(rest),
            Err(error) => {
                out.truncate(done);
                self.failed = Some(error.clone());
                return Err(error);
            }
        }
        Ok(())
    }

    /// Ends the object; `out` becomes its last plaintext. Only now is it certain that the whole was there.
    ///
    /// # Errors
    /// [`OpenError`]: `out` is then empty.
    pub fn finish(mut self, out: &mut Vec<u8>) -> Result<(), OpenError> {
        out.clear();
        if let Some(error) = self.failed {
            return Err(error);
        }
        let plaintext = self.unlocked.check_body_bytes(self.given)?;
        if self.unlocked.core.length.is_some() && self.opened > 0 {
            return Ok(()); // the last frame left with the last byte
        }
        let held = std::mem::take(&mut self.pending);
        let frame = self.unlocked.core.frame.bytes() as u64;
        let length = usize::try_from(plaintext - self.opened * frame).expect("at most a frame");
        out.resize(length, 0);
        let mut done = 0;
        self.open_run(&held, out, true, &mut done).inspect_err(|_| out.clear())
    }

    /// Opens a run of frames to the front of `out`; `done` grows by the authentic bytes, also after an error.
    fn open_run(
        &mut self,
        body: &[u8],
        out: &mut [u8],
        ends: bool,
        done: &mut usize,
    ) -> Result<(), OpenError> {
        let layout = self.unlocked.layout();
        let run = Run { layout, first: self.opened, ends };
        match frame::open(&self.unlocked.derived.layers, run, body, out, self.threads) {
            Ok(()) => {
                self.opened += body.len().div_ceil(layout.stride()) as u64;
                *done += out.len();
                Ok(())
            }
            Err(bad) => {
                *done += usize::try_from(bad.0 - run.first).expect("in memory") * layout.frame.bytes();
                Err(self.unlocked.explain(bad, run, body))
            }
        }
    }
}

/// A header with another slot: the same object key, the same body, another way to the data key. `slot` must wrap that very
/// data key; only opening would show it.
///
/// The data key stays, so whoever still holds the old slot and the key that opens it still opens the object.
///
/// # Errors
/// [`RewrapError`] when the header does not open, or the modes cannot follow one another: the number of layers is
/// sealed into the body, and an SSE-C key is the customer's alone.
pub fn rewrap(
    header: &Header,
    keys: Keys<'_>,
    identity: &Identity,
    slot: &Slot,
) -> Result<Vec<u8>, RewrapError> {
    let refuse = |reason| Err(RewrapError::Mode { from: header.slot.mode(), to: slot.mode(), reason });
    if matches!(header.slot, Slot::SseC) || matches!(slot, Slot::SseC) {
        return refuse("the key of an SSE-C object is the customer's and is not stored");
    }
    if slot.suite() != header.core.suite {
        return refuse("one has two layers and the other one, which are sealed into the body");
    }
    let mut slot_key = SlotKey::room();
    let unlocked = header.unlock_both(&keys, identity, Backend::default(), &mut slot_key)?;
    let mut out = vec![0; header_bytes(slot)];
    write_header(&unlocked.derived, &slot_key, &header.core.encode(), slot, &mut out);
    Ok(out)
}
