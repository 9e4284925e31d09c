//! Sealing and opening a body, with the stamps of its start and end; here or in rayon's pool.

use std::ops::Deref;
use std::sync::Arc;

use super::clock::Clock;
use super::error::WorkError;
use super::store::Stored;
use super::vault::{Held, Name, Vault};
use crate::envelope::Part;
use crate::units::{Span, Timestamp};

/// Bodies of this many bytes and more go to the pool: opened and compared where requests are released, each would hold up
/// the next for longer than a sleeping worker takes to wake. An estimate (docs/SOURCES.md, live).
pub const HAND_OUT_BYTES: u64 = 128 << 10;

/// A piece of work on one body.
#[derive(Debug)]
pub(super) struct Task<K> {
    pub(super) name: Name,
    pub(super) key: Option<K>,
    pub(super) work: Work,
    /// Where the result goes: memory that is used again.
    pub(super) out: Vec<u8>,
}

#[derive(Debug)]
pub(super) enum Work {
    /// Seal `plain`, which is made first where it does not have its `bytes` yet.
    Seal { plain: Vec<u8>, body: Body, part: Part },
    /// Open all of it, or bytes from an offset on, and compare.
    Open { source: Arc<Stored>, range: Option<(u64, u64)> },
}

/// Which bytes a body is made of.
#[derive(Clone, Copy, Debug)]
pub(super) struct Body {
    pub(super) object: u64,
    pub(super) version: u64,
    pub(super) offset: u64,
    pub(super) bytes: u64,
}

/// What came of it. Making and comparing bodies is the load generator's own work and counts in no time.
#[derive(Debug)]
pub(super) struct Finished {
    pub(super) result: Result<(), WorkError>,
    pub(super) took: Span,
    pub(super) at: Timestamp,
    pub(super) out: Vec<u8>,
    /// The plaintext that was sealed, its memory to be used again; none when a body was opened.
    pub(super) plain: Option<Vec<u8>>,
}

pub(super) fn perform<K: Deref<Target = Held>>(vault: &Vault, clock: Clock, task: Task<K>) -> Finished {
    let Task { name, key, work, mut out } = task;
    let held = key.as_deref();
    match work {
        Work::Seal { mut plain, body, part } => {
            let bytes = usize::try_from(body.bytes).expect("a body fits in memory");
            if plain.len() != bytes {
                plain.resize(bytes, 0);
                vault.bodies.fill(body.object, body.version, body.offset, &mut plain);
            }
            let start = clock.now();
            let result = vault.seal(held, name, part, &plain, &mut out);
            let at = clock.now();
            Finished { result, took: at.since(start), at, out, plain: Some(plain) }
        }
        Work::Open { source, range } => {
            let start = clock.now();
            let opened = match range {
                None => vault.open(held, name, &source.sealed, &mut out),
                Some(range) => vault.open_range(held, name, &source.sealed, range).map(|opened| out = opened),
            };
            let at = clock.now();
            let offset = range.map_or(0, |(first, _)| first);
            let result = opened.and_then(|()| vault.check(source.object, source.version, offset, &out));
            Finished { result, took: at.since(start), at, out, plain: None }
        }
    }
}
