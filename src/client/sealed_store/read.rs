//! Reading from a sealed store: whole objects as they arrive, ranges by their frames.

use std::io::Read;
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::stream::{self, BoxStream, StreamExt};
use object_store::path::Path;
use object_store::{GetOptions, GetRange, GetResult, GetResultPayload, ObjectMeta, ObjectStore, Result};

use super::{SealedStore, failed, off_the_path, unopened, with_plaintext_size};
use crate::client::slot::STORE_HEADER_BYTES;
use crate::envelope::{ByteRange, HEADER_PREFIX_BYTES, Header, Opener, RangePlan, Threads, Unlocked};
use crate::request::Operation;

/// Bytes read from a file at once, and of a range opened at once.
const PIECE_BYTES: u64 = 4 << 20;

/// Pieces of a range on their way at once.
const PIECES_AHEAD: usize = 2;

type Pieces = BoxStream<'static, Result<Bytes>>;

/// An object whose header is authentic, and what its pieces are read with.
struct Source {
    inner: Arc<dyn ObjectStore>,
    location: Path,
    unlocked: Unlocked,
    /// Of what is stored.
    meta: ObjectMeta,
    /// Bytes of the plaintext.
    length: u64,
}

impl SealedStore {
    pub(super) async fn read(&self, location: &Path, mut options: GetOptions) -> Result<GetResult> {
        if options.head {
            let result = self.inner.get_opts(location, options).await?;
            let meta = with_plaintext_size(result.meta);
            let payload = GetResultPayload::Stream(stream::empty().boxed());
            return Ok(GetResult { payload, range: 0..meta.size, meta, ..result });
        }
        match options.range.take() {
            None => self.read_whole(location, options).await,
            Some(range) => self.read_range(location, range, options).await,
        }
    }

    async fn read_whole(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        let result = self.inner.get_opts(location, options).await?;
        let GetResult { payload, meta, range, attributes, extensions } = result;
        let stored = meta.size;
        let mut pieces = match payload {
            GetResultPayload::Stream(pieces) => pieces,
            GetResultPayload::File(file, _) => pieces_of(file, range.end - range.start),
        };
        let (header, rest) = header_of(&mut pieces).await?;
        let source = self.unlock(location, meta, &header, Operation::GetObject).await?;
        let Source { unlocked, meta, length, .. } = source;
        let all_here = rest.len() as u64 == stored - header.as_bytes().len() as u64;
        let opened: Pieces = if all_here {
            let work = move || unlocked.open(&rest, Threads::Pool);
            let plaintext = off_the_path(usize::try_from(stored).unwrap_or(usize::MAX), work).await?;
            once(plaintext.map_err(failed)?.into())
        } else {
            let opener = Some(unlocked.opener(Threads::Pool));
            stream::try_unfold(Opening { opener, first: Some(rest), pieces }, Opening::next).boxed()
        };
        let meta = ObjectMeta { size: length, ..meta };
        let payload = GetResultPayload::Stream(opened);
        Ok(GetResult { payload, meta, range: 0..length, attributes, extensions })
    }

    async fn read_range(&self, location: &Path, range: GetRange, options: GetOptions) -> Result<GetResult> {
        range.is_valid().map_err(failed)?;
        let (source, result) = self.source(location, options, Operation::GetObjectRange).await?;
        let range = range.as_range(source.length).map_err(failed)?;
        let meta = ObjectMeta { size: source.length, ..source.meta.clone() };
        let source = Arc::new(source);
        let opened: Pieces = if range.is_empty() {
            stream::empty().boxed()
        } else if range.end - range.start <= PIECE_BYTES {
            once(source.piece(range.clone()).await?)
        } else {
            let Range { start, end } = range;
            let cut = move |n: u64| (n * PIECE_BYTES).clamp(start, end);
            let pieces = (start / PIECE_BYTES..end.div_ceil(PIECE_BYTES)).map(move |n| cut(n)..cut(n + 1));
            stream::iter(pieces)
                .map(move |piece| {
                    let source = Arc::clone(&source);
                    async move { source.piece(piece).await }
                })
                .buffered(PIECES_AHEAD)
                .boxed()
        };
        Ok(GetResult { payload: GetResultPayload::Stream(opened), meta, range, ..result })
    }

    pub(super) async fn read_ranges(&self, location: &Path, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        if ranges.is_empty() {
            return Ok(Vec::new());
        }
        let (source, _) = self.source(location, GetOptions::new(), Operation::GetObjectRange).await?;
        let mut plans = Vec::with_capacity(ranges.len());
        for range in ranges {
            let range = GetRange::Bounded(range.clone()).as_range(source.length).map_err(failed)?;
            plans.push(source.plan(range)?);
        }
        // One call for all, so that the store can join what lies close together.
        let stored: Vec<Range<u64>> =
            plans.iter().flat_map(|plan| [Some(plan.frames()), plan.last_frame()]).flatten().collect();
        let bytes: usize = plans.iter().map(|plan| length(&plan.frames())).sum();
        let mut frames = self.inner.get_ranges(location, &stored).await?.into_iter();
        let work = move || {
            let mut next = || frames.next().unwrap_or_default();
            let open = |plan: RangePlan| {
                let (body, last) = (next(), plan.last_frame().map(|_| next()).unwrap_or_default());
                source.unlocked.open_range(&plan, &body, &last, Threads::Pool).map(Bytes::from)
            };
            plans.into_iter().map(open).collect::<std::result::Result<Vec<_>, _>>()
        };
        off_the_path(bytes, work).await?.map_err(failed)
    }

    /// The object's header, read alone.
    async fn source(
        &self,
        location: &Path,
        options: GetOptions,
        operation: Operation,
    ) -> Result<(Source, GetResult)> {
        let header = options.with_range(Some(0..STORE_HEADER_BYTES as u64));
        let mut result = self.inner.get_opts(location, header).await?;
        let payload =
            std::mem::replace(&mut result.payload, GetResultPayload::Stream(stream::empty().boxed()));
        let mut pieces = match payload {
            GetResultPayload::Stream(pieces) => pieces,
            GetResultPayload::File(file, _) => pieces_of(file, result.range.end - result.range.start),
        };
        let (header, _) = header_of(&mut pieces).await?;
        let source = self.unlock(location, result.meta.clone(), &header, operation).await?;
        Ok((source, result))
    }

    async fn unlock(
        &self,
        location: &Path,
        meta: ObjectMeta,
        header: &Header,
        operation: Operation,
    ) -> Result<Source> {
        let unlocked = self.cache.unlock(&self.requests, &self.identity(location), header).await;
        let unlocked = unlocked.map_err(|error| unopened(location, error))?;
        if let crate::envelope::Slot::SseKms { key, .. } = header.slot() {
            self.record(operation, location, key);
        }
        let body = meta.size.saturating_sub(unlocked.header_bytes() as u64);
        let length = unlocked.check_body_bytes(body).map_err(failed)?;
        Ok(Source { inner: Arc::clone(&self.inner), location: location.clone(), unlocked, meta, length })
    }
}

impl Source {
    fn plan(&self, range: Range<u64>) -> Result<RangePlan> {
        let range = ByteRange::FromTo { first: range.start, last: range.end - 1 };
        self.unlocked.plan_range(range, self.meta.size).map_err(failed)
    }

    /// The plaintext of `range`, which is not empty.
    async fn piece(self: &Arc<Self>, range: Range<u64>) -> Result<Bytes> {
        let plan = self.plan(range)?;
        let frames = self.stored(plan.frames()).await?;
        let last = match plan.last_frame() {
            Some(range) => self.stored(range).await?,
            None => Bytes::new(),
        };
        let source = Arc::clone(self);
        let bytes = frames.len();
        let work = move || source.unlocked.open_range(&plan, &frames, &last, Threads::Pool);
        Ok(off_the_path(bytes, work).await?.map_err(failed)?.into())
    }

    /// These bytes of the very version whose header was read, as far as the store tells versions apart.
    async fn stored(&self, range: Range<u64>) -> Result<Bytes> {
        let options = GetOptions::new()
            .with_range(Some(range))
            .with_if_match(self.meta.e_tag.clone())
            .with_version(self.meta.version.clone());
        self.inner.get_opts(&self.location, options).await?.bytes().await
    }
}

/// A body that is opened as it arrives.
struct Opening {
    /// Gone once the end was reached.
    opener: Option<Opener>,
    /// What followed the header in its piece.
    first: Option<Bytes>,
    pieces: Pieces,
}

impl Opening {
    /// The next plaintext that is authentic.
    async fn next(mut self) -> Result<Option<(Bytes, Self)>> {
        let mut opened = Vec::new();
        loop {
            let Some(opener) = &mut self.opener else { return Ok(None) };
            let piece = match self.first.take() {
                Some(first) => Some(first),
                None => self.pieces.next().await.transpose()?,
            };
            match piece {
                // What was authentic before a fault goes out first; the next call fails alike.
                Some(piece) => match opener.update(&piece, &mut opened) {
                    Err(error) if opened.is_empty() => return Err(failed(error)),
                    _ => {}
                },
                None => {
                    if let Some(opener) = self.opener.take() {
                        opener.finish(&mut opened).map_err(failed)?;
                    }
                }
            }
            if !opened.is_empty() {
                return Ok(Some((opened.into(), self)));
            }
        }
    }
}

/// The header at the front of `pieces`, and what follows it in its piece.
async fn header_of(pieces: &mut Pieces) -> Result<(Header, Bytes)> {
    let mut held = Bytes::new();
    loop {
        if held.len() >= HEADER_PREFIX_BYTES {
            let length = Header::length(&held).map_err(failed)?;
            if held.len() >= length {
                let rest = held.split_off(length);
                return Ok((Header::parse(&held).map_err(failed)?, rest));
            }
        }
        match pieces.next().await.transpose()? {
            Some(piece) if held.is_empty() => held = piece,
            Some(piece) => held = [held, piece].concat().into(),
            None => return Header::parse(&held).map(|header| (header, Bytes::new())).map_err(failed),
        }
    }
}

/// The first `length` bytes of an open file, in pieces that are worth the way to another thread.
fn pieces_of(file: impl Read + Send + 'static, length: u64) -> Pieces {
    stream::try_unfold((file, length), |(mut file, left)| async move {
        if left == 0 {
            return Ok(None);
        }
        let bytes = left.min(PIECE_BYTES);
        let work = move || {
            let mut piece = Vec::with_capacity(usize::try_from(bytes).unwrap_or_default());
            let read = file.by_ref().take(bytes).read_to_end(&mut piece)?;
            if (read as u64) < bytes {
                return Err(std::io::Error::from(std::io::ErrorKind::UnexpectedEof));
            }
            Ok((piece, file))
        };
        // Disks are slow, however short the piece.
        let (piece, file) = off_the_path(usize::MAX, work).await?.map_err(failed)?;
        Ok(Some((Bytes::from(piece), (file, left - bytes))))
    })
    .boxed()
}

fn once(bytes: Bytes) -> Pieces {
    stream::once(std::future::ready(Ok(bytes))).boxed()
}

fn length(range: &Range<u64>) -> usize {
    usize::try_from(range.end - range.start).unwrap_or(usize::MAX)
}
