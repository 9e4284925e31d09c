//! Range open: which bytes of an object to read for a range of its plaintext, and opening only those.

use std::ops::Range;

use super::error::OpenError;
use super::frame::{self, Run, Threads};
use super::open::{Header, Unlocked};

/// A range of plaintext as HTTP asks for it. Source: RFC 9110, section 14.1.2.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ByteRange {
    /// `bytes=FIRST-LAST`, both included; a `last` beyond the end means the end.
    FromTo {
        /// First byte.
        first: u64,
        /// Last byte.
        last: u64,
    },
    /// `bytes=FIRST-`.
    From(u64),
    /// `bytes=-LENGTH`: the last `LENGTH` bytes.
    Suffix(u64),
}

/// What to read from the store for a range, as half-open offsets into the whole object, header included.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RangePlan {
    frames: Range<u64>,
    last_frame: Option<Range<u64>>,
    plaintext: Range<u64>,
    object_bytes: u64,
}

impl RangePlan {
    /// The frames that hold the range.
    pub fn frames(&self) -> Range<u64> {
        self.frames.clone()
    }

    /// The last frame, when it must be seen as well: the object's length stands in no header, and only its last
    /// frame proves it.
    pub fn last_frame(&self) -> Option<Range<u64>> {
        self.last_frame.clone()
    }

    /// The plaintext that the range comes to, clamped to the object.
    pub fn plaintext(&self) -> Range<u64> {
        self.plaintext.clone()
    }
}

impl Header {
    /// What to read of an object for `bytes` of its plaintext from `first` on, before its keys are at hand: the header itself
    /// and the frames. None where the header does not announce a length, which then only the last frame proves, and for
    /// what lies beyond it. Nothing here is authentic: whoever opens what was read plans anew.
    pub(crate) fn stretches(&self, first: u64, bytes: u64) -> Option<[Range<u64>; 2]> {
        let (layout, header) = (self.core().layout(), self.as_bytes().len() as u64);
        let length = self.core().length.filter(|length| first < *length)?;
        let end = first.saturating_add(bytes).min(length);
        let (frame, stride, body) =
            (layout.frame.bytes() as u64, layout.stride() as u64, layout.body_bytes(length));
        let offset = |number: u64| header + (number * stride).min(body);
        Some([0..header, offset(first / frame)..offset(end.div_ceil(frame))])
    }
}

impl Unlocked {
    /// Which ciphertext to read for `range` of an object of `object_bytes`, header included, as the store states.
    ///
    /// At most one frame more than the range covers at either side, and the last frame where the length is unknown.
    ///
    /// # Errors
    /// [`OpenError::RangeUnsatisfiable`], [`OpenError::RangeBackwards`]; [`OpenError::Truncated`] or [`OpenError::Trailing`] when the object cannot
    /// have this length.
    pub fn plan_range(&self, range: ByteRange, object_bytes: u64) -> Result<RangePlan, OpenError> {
        let layout = self.layout();
        let header = self.header_bytes() as u64;
        let body = object_bytes.saturating_sub(header);
        let length = self.check_body_bytes(body)?;
        if let ByteRange::FromTo { first, last } = range
            && last < first
        {
            return Err(OpenError::RangeBackwards { first, last });
        }
        let (first, end) = match range {
            ByteRange::FromTo { first, last } => (first, last.saturating_add(1).min(length)),
            ByteRange::From(first) => (first, length),
            ByteRange::Suffix(bytes) => (length.saturating_sub(bytes), length),
        };
        if first >= end {
            return Err(OpenError::RangeUnsatisfiable { first, length });
        }
        let (frame, stride) = (layout.frame.bytes() as u64, layout.stride() as u64);
        let (first_frame, end_frame) = (first / frame, end.div_ceil(frame));
        let offset = |number: u64| header + (number * stride).min(body);
        let last = layout.frames(length) - 1;
        let last_frame =
            (self.plaintext_bytes().is_none() && end_frame <= last).then(|| offset(last)..object_bytes);
        Ok(RangePlan {
            frames: offset(first_frame)..offset(end_frame),
            last_frame,
            plaintext: first..end,
            object_bytes,
        })
    }

    /// The plaintext of a planned range from the bytes that the plan asked for.
    ///
    /// # Errors
    /// [`OpenError`], [`OpenError::OtherPlan`] for a plan of another object; no plaintext is given then.
    pub fn open_range(
        &self,
        plan: &RangePlan,
        frames: &[u8],
        last_frame: &[u8],
        threads: Threads,
    ) -> Result<Vec<u8>, OpenError> {
        // A plan is trusted only for the object that it was made for: its offsets index the bytes given.
        let (first, last) = (plan.plaintext.start, plan.plaintext.end - 1);
        if self.plan_range(ByteRange::FromTo { first, last }, plan.object_bytes).as_ref() != Ok(plan) {
            return Err(OpenError::OtherPlan);
        }
        let layout = self.layout();
        let header = self.header_bytes() as u64;
        let length_of = |range: &Range<u64>| range.end - range.start;
        let expected = length_of(&plan.frames) + plan.last_frame.as_ref().map_or(0, length_of);
        let found = (frames.len() + last_frame.len()) as u64;
        if frames.len() as u64 != length_of(&plan.frames) || found != expected {
            return Err(OpenError::RangeBytes { expected, found });
        }
        let stride = layout.stride() as u64;
        if let Some(range) = &plan.last_frame {
            let run = Run { layout, first: (range.start - header) / stride, ends: true };
            let mut out = vec![0; last_frame.len() - layout.suite.tag_bytes()];
            frame::open(&self.derived.layers, run, last_frame, &mut out, Threads::One)
                .map_err(|bad| self.explain(bad, run, last_frame))?;
        }
        let ends = plan.frames.end == plan.object_bytes;
        let run = Run { layout, first: (plan.frames.start - header) / stride, ends };
        let count = frames.len().div_ceil(layout.stride());
        let mut out = vec![0; frames.len() - count * layout.suite.tag_bytes()];
        frame::open(&self.derived.layers, run, frames, &mut out, threads)
            .map_err(|bad| self.explain(bad, run, frames))?;
        let skip = plan.plaintext.start - run.first * layout.frame.bytes() as u64;
        // The end goes first, so that nothing of it is moved.
        let skip = usize::try_from(skip).expect("less than a frame");
        out.truncate(skip + usize::try_from(length_of(&plan.plaintext)).expect("in memory"));
        out.drain(..skip);
        Ok(out)
    }
}
