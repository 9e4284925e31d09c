//! Sealing: a plaintext to an envelope, at once or in pieces.

use std::fmt;

use zeroize::Zeroizing;

use super::aead::Backend;
use super::core::{CORE_BYTES, Core, FrameSize, Layout, PART_NUMBER_MAX, PLAINTEXT_BYTES_MAX, Part};
use super::derive::{COMMITMENT_BYTES, Derived, Keys, SLOT_TAG_BYTES, SlotKey};
use super::error::SealError;
use super::frame::{self, Run, Threads};
use super::identity::Identity;
use super::slot::Slot;

/// How an envelope is made; the defaults suit whole objects.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    /// Plaintext bytes of a full frame.
    pub frame_size: FrameSize,
    /// What the envelope is within its object.
    pub part: Part,
    /// Which implementation of AES-256-GCM does the work; the bytes are the same.
    pub backend: Backend,
    /// Where large bodies are worked on.
    pub threads: Threads,
}

/// Bytes of a header with this slot: 120 + the slot's own.
pub fn header_bytes(slot: &Slot) -> usize {
    CORE_BYTES + COMMITMENT_BYTES + slot.encoded_len() + SLOT_TAG_BYTES
}

/// Bytes of the envelope of `plaintext` bytes in frames of `frame_size` with this slot.
///
/// # Panics
/// Above [`PLAINTEXT_BYTES_MAX`].
pub fn sealed_bytes(slot: &Slot, frame_size: FrameSize, plaintext: u64) -> u64 {
    let layout = Layout { frame: frame_size, suite: slot.suite() };
    header_bytes(slot) as u64 + layout.body_bytes(plaintext)
}

/// What every frame of an envelope needs: a fresh salt and the keys that follow from it.
struct Begun {
    derived: Derived,
    core: [u8; CORE_BYTES],
    layout: Layout,
}

fn begin(
    keys: &Keys<'_>,
    slot: &Slot,
    identity: &Identity,
    length: Option<u64>,
    options: Options,
    slot_key: &mut SlotKey,
) -> Result<Begun, SealError> {
    keys.check_seal(slot)?;
    if let Part::Number(number) = options.part
        && !(1..=PART_NUMBER_MAX).contains(&number)
    {
        return Err(SealError::PartNumber { number });
    }
    if let Some(bytes) = length
        && bytes > PLAINTEXT_BYTES_MAX
    {
        return Err(SealError::TooLong { bytes });
    }
    let core = Core::new(keys.suite(), options.frame_size, options.part, length)?;
    let encoded = core.encode();
    let derived = Derived::new(keys, &core, &encoded, identity, options.backend, slot_key);
    Ok(Begun { derived, core: encoded, layout: core.layout() })
}

/// Writes `core ‖ commitment ‖ slot ‖ slot tag` to `out`, which is exactly as long.
pub(crate) fn write_header(
    derived: &Derived,
    slot_key: &SlotKey,
    core: &[u8; CORE_BYTES],
    slot: &Slot,
    out: &mut [u8],
) {
    let (head, rest) = out.split_at_mut(CORE_BYTES);
    head.copy_from_slice(core);
    let (commitment, rest) = rest.split_at_mut(COMMITMENT_BYTES);
    commitment.copy_from_slice(&derived.commitment);
    let (encoded, tag) = rest.split_at_mut(slot.encoded_len());
    slot.encode(encoded);
    tag.copy_from_slice(&slot_key.tag(core, encoded));
}

/// The envelope of `plaintext`: header and frames. `slot` must wrap the very keys given; only opening would show it.
///
/// # Errors
/// [`SealError`] when the keys do not suit the slot, the plaintext is too long, or there are no random bytes.
pub fn seal(
    keys: Keys<'_>,
    slot: &Slot,
    identity: &Identity,
    plaintext: &[u8],
    options: Options,
) -> Result<Vec<u8>, SealError> {
    let mut out = Vec::new();
    seal_into(keys, slot, identity, plaintext, options, &mut out)?;
    Ok(out)
}

/// [`seal`] into a buffer that is used again: `out` becomes the envelope, its memory stays.
///
/// # Errors
/// As [`seal`]; `out` is then empty.
///
/// # Cost
/// No allocation when `out` has the capacity, and no pass over it but the sealing when it already has the length.
pub fn seal_into(
    keys: Keys<'_>,
    slot: &Slot,
    identity: &Identity,
    plaintext: &[u8],
    options: Options,
    out: &mut Vec<u8>,
) -> Result<(), SealError> {
    let mut slot_key = SlotKey::room();
    let begun = begin(&keys, slot, identity, Some(plaintext.len() as u64), options, &mut slot_key)
        .inspect_err(|_| out.clear())?;
    let header = header_bytes(slot);
    out.resize(header + body_bytes(begun.layout, plaintext.len()), 0);
    let (head, body) = out.split_at_mut(header);
    write_header(&begun.derived, &slot_key, &begun.core, slot, head);
    let run = Run { layout: begun.layout, first: 0, ends: true };
    frame::seal(&begun.derived.layers, run, plaintext, body, options.threads);
    Ok(())
}

/// Bytes of the frames of `plaintext` bytes that lie in memory.
fn body_bytes(layout: Layout, plaintext: usize) -> usize {
    usize::try_from(layout.body_bytes(plaintext as u64)).expect("a body of bytes in memory fits in memory")
}

/// Seals a plaintext that comes in pieces. However it is cut, the same envelope follows (but for the salt).
///
/// [`Self::header`] first, then what each [`Self::update`] gives, then what [`Self::finish`] gives: together they
/// are the envelope. Memory: one frame, and what a call returns.
pub struct Sealer {
    begun: Begun,
    header: Vec<u8>,
    threads: Threads,
    announced: Option<u64>,
    given: u64,
    sealed: u64,
    /// Plaintext that is not sealed yet: less than a frame, or a full one that may be the last.
    pending: Zeroizing<Vec<u8>>,
}

impl Sealer {
    /// Begins an envelope; `length` is the plaintext's when it is known, and stands in the header.
    ///
    /// # Errors
    /// As [`seal`].
    pub fn new(
        keys: Keys<'_>,
        slot: &Slot,
        identity: &Identity,
        length: Option<u64>,
        options: Options,
    ) -> Result<Self, SealError> {
        let mut slot_key = SlotKey::room();
        let begun = begin(&keys, slot, identity, length, options, &mut slot_key)?;
        let mut header = vec![0; header_bytes(slot)];
        write_header(&begun.derived, &slot_key, &begun.core, slot, &mut header);
        let pending = Zeroizing::new(Vec::with_capacity(begun.layout.frame.bytes()));
        Ok(Self { begun, header, threads: options.threads, announced: length, given: 0, sealed: 0, pending })
    }

    /// The header, the first bytes of the envelope.
    pub fn header(&self) -> &[u8] {
        &self.header
    }

    /// Takes the next piece of plaintext; `out` becomes the frames that are complete now, perhaps none.
    ///
    /// A frame is held back until it is known whether another follows. Whole frames are sealed straight from
    /// `plaintext`; only what crosses a frame's edge is copied.
    ///
    /// # Errors
    /// [`SealError::TooLong`], or [`SealError::Length`] beyond the announced length. The envelope is then lost.
    pub fn update(&mut self, plaintext: &[u8], out: &mut Vec<u8>) -> Result<(), SealError> {
        self.given = self.given.saturating_add(plaintext.len() as u64);
        match self.announced {
            Some(announced) if self.given > announced => {
                out.clear();
                return Err(SealError::Length { announced, given: self.given });
            }
            None if self.given > PLAINTEXT_BYTES_MAX => {
                out.clear();
                return Err(SealError::TooLong { bytes: self.given });
            }
            _ => {}
        }
        let (frame, stride) = (self.begun.layout.frame.bytes(), self.begun.layout.stride());
        let available = self.pending.len() + plaintext.len();
        // With a full frame at the end, whether it is the last is known only from the announced length.
        let last_is_here = self.announced == Some(self.given);
        let ready = if last_is_here { available } else { available.saturating_sub(1) / frame * frame };
        if ready == 0 {
            out.clear();
            self.pending.extend_from_slice(plaintext);
            return Ok(());
        }
        out.resize(body_bytes(self.begun.layout, ready), 0);
        let mut rest = plaintext;
        let mut body = &mut out[..];
        if !self.pending.is_empty() {
            let (fill, tail) = rest.split_at(rest.len().min(frame - self.pending.len()));
            self.pending.extend_from_slice(fill);
            rest = tail;
            let held = std::mem::take(&mut self.pending);
            let ends = last_is_here && rest.is_empty();
            let (head, tail) = body.split_at_mut(body.len().min(stride));
            self.seal_run(&held, head, ends);
            body = tail;
            self.pending = held;
            self.pending.clear();
        }
        let (whole, tail) = rest.split_at(if last_is_here {
            rest.len()
        } else {
            rest.len().saturating_sub(1) / frame * frame
        });
        if !whole.is_empty() {
            self.seal_run(whole, body, last_is_here);
        }
        self.pending.extend_from_slice(tail);
        Ok(())
    }

    /// Ends the envelope; `out` becomes its last bytes.
    ///
    /// # Errors
    /// [`SealError::Length`] when less was given than announced.
    pub fn finish(mut self, out: &mut Vec<u8>) -> Result<(), SealError> {
        out.clear();
        if let Some(announced) = self.announced {
            if self.given != announced {
                return Err(SealError::Length { announced, given: self.given });
            }
            if announced > 0 {
                return Ok(()); // the last frame left with the last byte
            }
        }
        out.resize(body_bytes(self.begun.layout, self.pending.len()), 0);
        let held = std::mem::take(&mut self.pending);
        self.seal_run(&held, out, true);
        Ok(())
    }

    fn seal_run(&mut self, plaintext: &[u8], body: &mut [u8], ends: bool) {
        let run = Run { layout: self.begun.layout, first: self.sealed, ends };
        frame::seal(&self.begun.derived.layers, run, plaintext, body, self.threads);
        self.sealed += self.begun.layout.frames(plaintext.len() as u64);
    }
}

impl fmt::Debug for Sealer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sealer")
            .field("announced", &self.announced)
            .field("given", &self.given)
            .field("frames", &self.sealed)
            .finish_non_exhaustive()
    }
}
