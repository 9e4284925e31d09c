//! From the requests of a log to a trace that can be replayed.

use super::entry::{Ending, Request, Side};
use super::error::{BadLines, LogError};
use super::name::Names;
use super::trace::Trace;
use crate::request::Operation;
use crate::units::Timestamp;
use crate::workload::arrival::{Arrival, Shape};
use crate::workload::rule::MAX_OBJECT_BYTES;

/// Gathers requests, in whatever order they come: all of them are in memory, 64 bytes each, beside their names.
///
/// A trace holds what was done: requests that failed are left out, as are operations that no run has. The source's read of
/// a copy is part of the copy. A request of which the log tells no size is as large as the last one that told it.
#[derive(Debug, Default)]
pub struct Gather {
    names: Names,
    requests: Vec<Gathered>,
    left_out: u64,
}

#[derive(Clone, Copy, Debug)]
struct Gathered {
    time: Timestamp,
    object: u64,
    target: u64,
    size: Option<u64>,
    sent: u64,
    bucket: u32,
    principal: u32,
    operation: Operation,
}

impl Gather {
    /// Takes in `request`, or leaves it out.
    pub fn record(&mut self, request: &Request<'_>) {
        // The other record of the same action is replayed.
        if matches!(request.side, Side::CopyRead | Side::ObjectLambda) {
            return;
        }
        let done = matches!(request.ending, Ending::Done | Ending::Unchanged);
        let keyless = request.key.is_empty() && request.operation != Some(Operation::ListObjects);
        let Some(operation) = request.operation.filter(|_| done && !keyless) else {
            self.left_out += 1;
            return;
        };
        let named = |name: &str, other: &'static str| {
            if name.is_empty() { other.to_owned() } else { name.to_owned() }
        };
        let (of_bucket, of_key) = match &request.source {
            Some((bucket, key)) if operation == Operation::CopyObject => (bucket, key),
            _ => (&request.bucket, &request.key),
        };
        let bucket = self.names.bucket_id(&named(of_bucket, "bucket"));
        let object = self.names.object_id(bucket, of_key);
        let target = if operation == Operation::CopyObject {
            let bucket = self.names.bucket_id(&named(&request.bucket, "bucket"));
            self.names.object_id(bucket, &request.key)
        } else {
            object
        };
        let principal = self.names.principal_id(&named(&request.requester, "principal"));
        self.requests.push(Gathered {
            time: request.time,
            object,
            target,
            size: request.size.filter(|size| *size <= MAX_OBJECT_BYTES),
            sent: request.sent,
            bucket,
            principal,
            operation,
        });
    }

    /// Requests that were left out so far.
    pub fn left_out(&self) -> u64 {
        self.left_out
    }

    /// The trace of `file`; objects of unknown size have `default_bytes`.
    ///
    /// # Errors
    /// [`LogError::Empty`] when nothing can be replayed.
    pub fn finish(self, file: &str, default_bytes: u64, bad: BadLines) -> Result<Trace, LogError> {
        let Self { names, mut requests, left_out } = self;
        // Stable: within an instant as they came.
        requests.sort_by_key(|request| request.time);
        let Some(start) = requests.first().map(|request| request.time) else {
            let first = bad.first.first().cloned().map(Box::new);
            return Err(LogError::Empty { file: file.into(), lines: left_out + bad.count, first });
        };
        let objects = usize::try_from(names.object_count()).unwrap_or(usize::MAX);
        let mut sizes: Vec<Option<u64>> = vec![None; objects];
        let mut size_of = |object: u64, told: Option<u64>| {
            let slot = usize::try_from(object).ok().and_then(|object| sizes.get_mut(object));
            slot.and_then(|slot| {
                *slot = told.or(*slot);
                *slot
            })
            .unwrap_or(default_bytes)
        };
        let arrivals = (0..).zip(requests).map(|(index, request)| {
            let Gathered { time, object, target, size, sent, bucket, principal, operation } = request;
            let bytes = match operation {
                Operation::ListObjects => 0,
                // A part is not the object.
                Operation::UploadPart => size.unwrap_or(default_bytes),
                _ => size_of(object, size),
            };
            let part = sent.min(bytes);
            let (operation, shape) = match operation {
                Operation::GetObjectRange if part == 0 => (Operation::GetObject, Shape::Whole),
                Operation::GetObjectRange => (operation, Shape::Range { first: 0, bytes: part }),
                Operation::CopyObject => (operation, Shape::Copy { target }),
                _ => (operation, Shape::Whole),
            };
            let due = Timestamp::from_nanos(time.since(start).as_nanos());
            Arrival { index, due, object, bytes, shape, operation, bucket, kms_key: 0, principal }
        });
        Ok(Trace::gather(arrivals.collect(), names, bad))
    }
}
