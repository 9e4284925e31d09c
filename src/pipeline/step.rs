//! What the two machines are told and what they ask for: inputs, actions, and the words in them.

use super::fetch::Fetch;
use super::need::Need;
use crate::cache::{Failure, FlightId};
use crate::request::{KmsCall, Operation, Outcome};
use crate::units::{Span, Timestamp};

/// Names a data key or a Bucket Key within a run: what an object remembers of the key that seals it. No key bytes.
///
/// The driver numbers the keys as it makes them; two keys of a run never share a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyHandle(pub u64);

/// A key that knows its handle: in a simulation the handle itself, live the data key with its wrapped form.
pub trait Keyed {
    /// Which key it is.
    fn handle(&self) -> KeyHandle;
}

impl Keyed for KeyHandle {
    fn handle(&self) -> KeyHandle {
        *self
    }
}

/// What an object stands under when an attempt begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// This key. In modes that keep no keys its number is for the driver alone.
    Under(KeyHandle),
    /// There is no such object (`NoSuchKey`), for the operations that need one.
    Missing,
}

/// Where a request waits: a flight of one of the caches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Parking {
    /// Which cache: that of a host, or S3's own.
    pub cache: u32,
    /// Whether it is the side that opens.
    pub decrypt: bool,
    /// The flight.
    pub flight: FlightId,
}

/// What a landed fetch says to those who wait.
#[derive(Clone, Debug)]
pub enum Woken<K> {
    /// Ask the cache again.
    Resume,
    /// The key, for the one request that waits.
    Own(K),
    /// It failed.
    Failed(Failure),
}

/// What a fetch cost. It counts for the request that led.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// KMS calls sent.
    pub calls: u32,
    /// Throttled answers.
    pub throttles: u32,
    /// Calls after the first.
    pub retries: u32,
}

/// A part of the service time that touches no shared state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Phase {
    /// Sealing a body.
    Seal,
    /// Opening one.
    Open,
    /// Reading it from the store.
    Read,
    /// Writing it to the store.
    Write,
    /// An access to the store without a body.
    Touch,
    /// S3's own time for the attempt.
    Serve,
}

/// What a request is told.
#[derive(Clone, Debug)]
pub enum Input<K> {
    /// Begin, or begin again after [`Action::WaitUntil`].
    Go(Standing),
    /// The flight has landed.
    Landed(Woken<K>, Tally),
    /// The deadline of [`Action::Park`] has passed.
    Expired,
    /// The phase is done; what of the time since it was asked for was spent on it, the rest waited for a worker.
    Completed {
        /// Time spent.
        took: Span,
    },
    /// The phase failed: a body that does not open, a store that refuses.
    Broken {
        /// Time spent.
        took: Span,
    },
}

/// What a request asks for.
#[derive(Debug)]
pub enum Action<K> {
    /// Start this fetch.
    Spawn(Fetch),
    /// Wait for a flight, no longer than until the deadline.
    Park(Parking, Timestamp),
    /// Come back with [`Input::Go`] at this instant.
    WaitUntil(Timestamp),
    /// Do this with a body of so many bytes.
    Do {
        /// What.
        phase: Phase,
        /// Of which (sub-)request: within a multipart upload the part or its end.
        operation: Operation,
        /// Body bytes.
        bytes: u64,
        /// The key to seal or open with, or that a written object then stands under; none where no KMS key is needed.
        key: Option<K>,
    },
    /// It is over.
    Done(Outcome),
}

/// What a fetch is told.
#[derive(Debug)]
pub enum FetchInput<M> {
    /// Send the call, for the first time or after [`FetchAction::WaitUntil`].
    Go,
    /// KMS answered.
    Reply(Reply<M>),
}

/// KMS's answer.
#[derive(Debug)]
pub struct Reply<M> {
    /// The material, or why there is none ([`failure_of`](super::failure_of) for an error of KMS).
    pub result: Result<M, Failure>,
    /// Whether the call costs money.
    pub billed: bool,
}

/// A KMS call that the driver is to make.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Call {
    /// What for: [`Need::Generate`] is a `GenerateDataKey`, the others are a `Decrypt` of `handle`.
    pub need: Need,
    /// The key to decrypt.
    pub handle: Option<KeyHandle>,
    /// The S3 operation that it is for; none for a refresh ahead.
    pub cause: Option<Operation>,
    /// When the request was due that it is for, or that begins the refresh ahead.
    pub due: Timestamp,
    /// The bucket.
    pub bucket: u32,
    /// The object; none for a refresh ahead.
    pub object: Option<u64>,
    /// Who asks.
    pub principal: u32,
    /// The KMS key.
    pub kms_key: u32,
}

/// What a fetch asks for.
#[derive(Debug)]
pub enum FetchAction<K> {
    /// Send this to KMS.
    Call(Call),
    /// Come back with [`FetchInput::Go`] at this instant.
    WaitUntil(Timestamp),
    /// A call has ended: its row.
    Called(KmsCall),
    /// Wake the requests parked here; the fetch is over.
    Wake(Parking, Woken<K>, Tally),
}
