//! A whole trace in memory: its requests, its names, and the objects that must exist before it begins.
//!
//! Every reader ends here: [`Trace::gather`] takes the requests of a log in due order, whatever its format was.

use std::collections::BTreeMap;
use std::io::BufRead;

use super::csv::{CsvFormat, CsvTrace};
use super::error::{BadLines, LogError};
use super::name::Names;
use crate::request::Operation;
use crate::units::{NANOS_PER_SECOND, Span};
use crate::workload::arrival::{Arrival, Shape};
use crate::workload::name::Naming;
use crate::workload::rule::MAX_PARTS;

/// A whole trace in memory.
#[derive(Clone, Debug)]
pub struct Trace {
    /// Its requests in due order, the first one due at 0. A multipart upload is one of them, its parts inside it.
    pub arrivals: Vec<Arrival>,
    /// What its numbers are called.
    pub naming: Naming,
    /// Objects that are used before they are written, with their size then: they are to exist at the start.
    pub existing: Vec<(u64, u64)>,
    /// How many objects there are; ids lie below it.
    pub objects: u64,
    /// Whether the log has whole seconds alone, so that the requests of a second were spread over it.
    pub spread: bool,
    /// The lines that could not be used.
    pub bad: BadLines,
}

impl Trace {
    /// All of `input` in memory: 72 bytes a request, and its names.
    ///
    /// # Errors
    ///
    /// [`LogError`]; a trace without a request is one.
    pub fn read<R: BufRead>(file: &str, input: R, format: CsvFormat) -> Result<Self, LogError> {
        let mut reader = CsvTrace::open(file, input, format)?;
        let mut arrivals = Vec::new();
        for arrival in &mut reader {
            arrivals.push(arrival?);
        }
        let (bad, names) = reader.into_parts();
        Ok(Self::gather(arrivals, names, bad))
    }

    /// The trace of `arrivals`, in due order from 0, named by `names`.
    ///
    /// The calls of a multipart upload become one arrival, at the instant of the first of them: the parts follow inside
    /// it, all of their mean size (docs/ARCHITECTURE.md). An object that an upload writes and that is read later counts as
    /// existing, since nobody reads what uploads of a run write.
    ///
    /// Where all times are whole seconds, as in access logs and `CloudTrail`, the requests of a second follow one another
    /// evenly within it: nobody sent all of them at its beginning. The counts of seconds stay as they are.
    pub(super) fn gather(arrivals: Vec<Arrival>, names: Names, bad: BadLines) -> Self {
        let mut arrivals = with_whole_uploads(arrivals);
        let spread = spread(&mut arrivals);
        let objects = names.object_count();
        let mut met = vec![false; usize::try_from(objects).unwrap_or(usize::MAX)];
        let mut existing = Vec::new();
        for Arrival { object, bytes, operation, .. } in &arrivals {
            let Some(met) = usize::try_from(*object).ok().and_then(|object| met.get_mut(object)) else {
                continue;
            };
            match operation {
                Operation::GetObject
                | Operation::GetObjectRange
                | Operation::HeadObject
                | Operation::CopyObject
                | Operation::DeleteObject
                    if !*met =>
                {
                    existing.push((*object, *bytes));
                    *met = true;
                }
                Operation::PutObject => *met = true,
                // A listing says nothing of its key's object.
                _ => {}
            }
        }
        Self { arrivals, naming: Naming::of_trace(names), existing, objects, spread, bad }
    }

    /// From the first request to the last.
    pub fn length(&self) -> Span {
        self.arrivals.last().map_or(Span::ZERO, |last| Span::from_nanos(last.due.as_nanos()))
    }
}

/// Spreads those of a second over it, where no time has a fraction of one; gives whether any moved.
fn spread(arrivals: &mut [Arrival]) -> bool {
    let whole = |arrival: &Arrival| arrival.due.as_nanos().is_multiple_of(NANOS_PER_SECOND);
    if !arrivals.iter().all(whole) {
        return false;
    }
    let mut moved = false;
    for second in arrivals.chunk_by_mut(|one, next| one.due == next.due) {
        let count = second.len() as u64;
        for (place, arrival) in (0..).zip(second) {
            let after = u128::from(NANOS_PER_SECOND) * u128::from(place) / u128::from(count);
            arrival.due = arrival.due + Span::from_nanos(u64::try_from(after).expect("less than a second"));
            moved |= place > 0_u64;
        }
    }
    moved
}

/// `arrivals` with each upload's calls in one; an end without a beginning is left out, for it writes nothing.
fn with_whole_uploads(arrivals: Vec<Arrival>) -> Vec<Arrival> {
    let mut whole: Vec<Arrival> = Vec::with_capacity(arrivals.len());
    // By object: where its upload under way stands, its parts and their bytes.
    let mut under_way: BTreeMap<u64, (usize, u32, u64)> = BTreeMap::new();
    let begin = |whole: &mut Vec<Arrival>, arrival: Arrival| {
        let shape = Shape::Parts { count: 0, bytes: 0 };
        let operation = Operation::CreateMultipartUpload;
        whole.push(Arrival { operation, shape, bytes: 0, ..arrival });
        (whole.len() - 1, 0, 0)
    };
    for arrival in arrivals {
        match arrival.operation {
            Operation::CreateMultipartUpload => {
                let begun = begin(&mut whole, arrival);
                under_way.insert(arrival.object, begun);
            }
            Operation::UploadPart => {
                let upload = under_way.entry(arrival.object).or_insert_with(|| begin(&mut whole, arrival));
                if upload.1 == MAX_PARTS {
                    *upload = begin(&mut whole, arrival);
                }
                (upload.1, upload.2) = (upload.1 + 1, upload.2.saturating_add(arrival.bytes));
                let bytes = upload.2.div_ceil(u64::from(upload.1));
                let of_upload = &mut whole[upload.0];
                of_upload.shape = Shape::Parts { count: upload.1, bytes };
                of_upload.bytes = bytes.saturating_mul(u64::from(upload.1));
            }
            Operation::CompleteMultipartUpload => {
                under_way.remove(&arrival.object);
            }
            _ => whole.push(arrival),
        }
    }
    for (index, arrival) in (0..).zip(&mut whole) {
        arrival.index = index;
    }
    whole
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::Timestamp;

    fn at(nanos: u64) -> Arrival {
        Arrival {
            index: 0,
            due: Timestamp::from_nanos(nanos),
            object: 0,
            bytes: 1,
            shape: Shape::Whole,
            operation: Operation::GetObject,
            bucket: 0,
            kms_key: 0,
            principal: 0,
        }
    }

    fn dues(nanos: &[u64]) -> (bool, Vec<u64>) {
        let mut arrivals: Vec<Arrival> = nanos.iter().map(|nanos| at(*nanos)).collect();
        let moved = spread(&mut arrivals);
        (moved, arrivals.iter().map(|arrival| arrival.due.as_nanos()).collect())
    }

    #[test]
    fn requests_of_a_whole_second_follow_one_another_within_it() {
        const S: u64 = NANOS_PER_SECOND;
        assert_eq!(
            dues(&[0, 0, 0, 0, S, 3 * S, 3 * S]),
            (true, vec![0, S / 4, S / 2, S / 4 * 3, S, 3 * S, 3 * S + S / 2])
        );
        assert_eq!(dues(&[0, S, 2 * S]), (false, vec![0, S, 2 * S]));
        // One fraction shows that the log has them: those of an instant were sent at that instant.
        assert_eq!(dues(&[0, 0, S + 1]), (false, vec![0, 0, S + 1]));
    }
}
