//! A whole trace in memory: its requests, its names, and the objects that must exist before it begins.
//!
//! Every reader ends here: [`Trace::gather`] takes the requests of a log in due order, whatever its format was.

use std::collections::BTreeMap;
use std::io::BufRead;

use super::csv::{CsvFormat, CsvTrace};
use super::error::{BadLines, LogError};
use super::name::Names;
use crate::request::Operation;
use crate::units::Span;
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
    pub(super) fn gather(arrivals: Vec<Arrival>, names: Names, bad: BadLines) -> Self {
        let arrivals = with_whole_uploads(arrivals);
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
        Self { arrivals, naming: Naming::of_trace(names), existing, objects, bad }
    }

    /// From the first request to the last.
    pub fn length(&self) -> Span {
        self.arrivals.last().map_or(Span::ZERO, |last| Span::from_nanos(last.due.as_nanos()))
    }
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
