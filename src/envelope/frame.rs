//! Frames: many of them sealed or opened at once, on one core or on all.

use rayon::prelude::*;

use super::aead::{Aead, NONCE_BYTES, TAG_BYTES};
use super::core::Layout;
use super::derive::Layers;

/// Where the work of a large body is done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Threads {
    /// On the caller's thread.
    One,
    /// From [`PARALLEL_BYTES_MIN`] on in rayon's pool, at least 1 MiB a task; below it on the caller's thread.
    #[default]
    Pool,
}

/// Plaintext bytes from which the pool is used: below, waking it costs more than the second core brings
/// (`cargo bench --bench envelope -- threshold`).
pub const PARALLEL_BYTES_MIN: usize = 4 << 20;

/// Plaintext bytes of a task in the pool, at least.
const TASK_BYTES: usize = 1 << 20;

/// The nonce of a frame: `frame number u64 ‖ 0 u24 ‖ last u8`. A number never comes twice under one object key, and
/// the last frame cannot be taken for another.
fn nonce(frame: u64, last: bool) -> [u8; NONCE_BYTES] {
    let mut nonce = [0; NONCE_BYTES];
    nonce[..8].copy_from_slice(&frame.to_be_bytes());
    nonce[11] = last.into();
    nonce
}

/// Which frames a run of plaintext or body makes up.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Run {
    pub(crate) layout: Layout,
    /// Number of its first frame.
    pub(crate) first: u64,
    /// Whether its last frame is the object's last.
    pub(crate) ends: bool,
}

impl Run {
    fn skip(self, frames: u64, ends: bool) -> Self {
        Self { first: self.first + frames, ends: self.ends && ends, ..self }
    }
}

/// Seals `plaintext` to `body`, which is exactly as long as its frames. All frames but the last are full; an empty
/// plaintext makes one empty frame.
pub(crate) fn seal(layers: &Layers, run: Run, plaintext: &[u8], body: &mut [u8], threads: Threads) {
    let frame = run.layout.frame.bytes();
    if threads == Threads::One || plaintext.len() < PARALLEL_BYTES_MIN {
        return seal_serial(layers, run, plaintext, body);
    }
    let frames = TASK_BYTES.div_ceil(frame);
    let tasks = plaintext.len().div_ceil(frames * frame);
    plaintext
        .par_chunks(frames * frame)
        .zip(body.par_chunks_mut(frames * run.layout.stride()))
        .enumerate()
        .for_each(|(i, (plaintext, body))| {
            seal_serial(layers, run.skip((i * frames) as u64, i + 1 == tasks), plaintext, body);
        });
}

fn seal_serial(layers: &Layers, run: Run, plaintext: &[u8], body: &mut [u8]) {
    let tags = run.layout.suite.tag_bytes();
    let mut rest = plaintext;
    let mut frames = body.chunks_mut(run.layout.stride()).zip(run.first..).peekable();
    while let Some((out, number)) = frames.next() {
        let (plain, tail) = rest.split_at(out.len() - tags);
        rest = tail;
        let nonce = nonce(number, run.ends && frames.peek().is_none());
        let (ciphertext, tail) = out.split_at_mut(plain.len());
        let (tag, outer_tag) = tail.split_at_mut(TAG_BYTES);
        layers.inner.seal(&nonce, &[], plain, ciphertext, tag);
        if let Some(outer) = &layers.outer {
            let (inner, _) = out.split_at_mut(plain.len() + TAG_BYTES);
            let mut sealed_tag = [0; TAG_BYTES];
            outer.seal_in_place(&nonce, &[], inner, &mut sealed_tag);
            out[plain.len() + TAG_BYTES..].copy_from_slice(&sealed_tag);
        } else {
            debug_assert!(outer_tag.is_empty());
        }
    }
    debug_assert!(rest.is_empty(), "the body holds the whole plaintext");
}

/// A frame that did not open, by its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BadFrame(pub(crate) u64);

/// Opens `body` to `out`, which is exactly as long as its plaintext. After an error the frames before the bad one
/// are in `out`, authentic; what stands behind them is unspecified ciphertext-free filling.
pub(crate) fn open(
    layers: &Layers,
    run: Run,
    body: &[u8],
    out: &mut [u8],
    threads: Threads,
) -> Result<(), BadFrame> {
    let frame = run.layout.frame.bytes();
    if threads == Threads::One || out.len() < PARALLEL_BYTES_MIN {
        return open_serial(layers, run, body, out);
    }
    let frames = TASK_BYTES.div_ceil(frame);
    let stride = frames * run.layout.stride();
    let tasks = body.len().div_ceil(stride);
    body.par_chunks(stride)
        .zip(out.par_chunks_mut(frames * frame))
        .enumerate()
        .map(|(i, (body, out))| open_serial(layers, run.skip((i * frames) as u64, i + 1 == tasks), body, out))
        // The first bad frame in order, whichever task ends first; later tasks may have opened more.
        .filter_map(Result::err)
        .min_by_key(|bad| bad.0)
        .map_or(Ok(()), Err)
}

fn open_serial(layers: &Layers, run: Run, body: &[u8], out: &mut [u8]) -> Result<(), BadFrame> {
    let tags = run.layout.suite.tag_bytes();
    let mut scratch = Vec::new();
    let mut rest = out;
    let mut frames = body.chunks(run.layout.stride()).zip(run.first..).peekable();
    while let Some((sealed, number)) = frames.next() {
        let length = sealed.len().checked_sub(tags).ok_or(BadFrame(number))?;
        let (plain, tail) = rest.split_at_mut(length);
        rest = tail;
        let nonce = nonce(number, run.ends && frames.peek().is_none());
        let peel = |layer: &Aead, sealed: &[u8], out: &mut [u8]| {
            let (ciphertext, tag) = sealed.split_at(sealed.len() - TAG_BYTES);
            layer.open(&nonce, &[], ciphertext, tag, out).map_err(|_| BadFrame(number))
        };
        match &layers.outer {
            None => peel(&layers.inner, sealed, plain)?,
            Some(outer) => {
                // Holds the inner frame, which is ciphertext.
                scratch.resize(length + TAG_BYTES, 0);
                peel(outer, sealed, &mut scratch)?;
                peel(&layers.inner, &scratch, plain)?;
            }
        }
    }
    Ok(())
}

/// Whether `sealed` opens as frame `number` with the other value of the last flag: tells an object that was cut or
/// continued at a frame's edge from one that was changed.
pub(crate) fn opens_as(layers: &Layers, layout: Layout, number: u64, last: bool, sealed: &[u8]) -> bool {
    let Some(length) = sealed.len().checked_sub(layout.suite.tag_bytes()) else { return false };
    let run = Run { layout, first: number, ends: last };
    open_serial(layers, run, sealed, &mut vec![0; length]).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nonces_differ_by_number_and_by_the_last_flag() {
        assert_eq!(nonce(1, false), [0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0]);
        assert_eq!(nonce(1, true), [0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 1]);
        assert_eq!(nonce(u64::MAX, false)[..8], [255; 8]);
    }
}
