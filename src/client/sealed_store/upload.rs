//! An upload in parts: one envelope, sealed piece by piece in order, cut into equal parts.

use bytes::{Bytes, BytesMut};
use futures_util::future::{FutureExt, try_join_all};
use object_store::{MultipartUpload, PutPayload, PutResult, Result, UploadPart};

use super::failed;
use crate::envelope::{SealError, Sealer};

/// Fewest bytes of a part that is not the last. Source: S3 user guide, multipart upload limits, 5 MiB (docs/SOURCES.md).
const PART_BYTES_MIN: usize = 5 << 20;

/// Seals what the parts bring. The parts of the store are not those of the caller: a frame may end in the next one. All but
/// the last have one size, as some stores want it.
#[derive(Debug)]
pub(super) struct Upload {
    inner: Box<dyn MultipartUpload>,
    /// Gone after a failure, and at the end.
    sealer: Option<Sealer>,
    /// Sealed and not yet given away: less than a part.
    held: BytesMut,
    /// Bytes of a part, from the first one on.
    part_bytes: Option<usize>,
}

impl Upload {
    pub(super) fn new(inner: Box<dyn MultipartUpload>, sealer: Sealer) -> Self {
        let held = BytesMut::from(sealer.header());
        Self { inner, sealer: Some(sealer), held, part_bytes: None }
    }

    /// Seals `data` and gives the parts that are complete.
    fn seal(&mut self, data: &PutPayload) -> Result<Vec<Bytes>> {
        let part_bytes = *self.part_bytes.get_or_insert_with(|| data.content_length().max(PART_BYTES_MIN));
        let sealer = self.sealer.as_mut().ok_or_else(ended)?;
        let mut sealed = Vec::new();
        for piece in data {
            if let Err(error) = sealer.update(piece, &mut sealed) {
                self.sealer = None;
                return Err(failed(error));
            }
            self.held.extend_from_slice(&sealed);
        }
        let mut parts = Vec::new();
        while self.held.len() >= part_bytes {
            parts.push(self.held.split_to(part_bytes).freeze());
        }
        Ok(parts)
    }
}

#[async_trait::async_trait]
impl MultipartUpload for Upload {
    fn put_part(&mut self, data: PutPayload) -> UploadPart {
        match self.seal(&data) {
            Ok(parts) => {
                let uploads: Vec<_> =
                    parts.into_iter().map(|part| self.inner.put_part(part.into())).collect();
                try_join_all(uploads).map(|result| result.map(drop)).boxed()
            }
            Err(error) => std::future::ready(Err(error)).boxed(),
        }
    }

    async fn complete(&mut self) -> Result<PutResult> {
        let sealer = self.sealer.take().ok_or_else(ended)?;
        let mut sealed = Vec::new();
        sealer.finish(&mut sealed).map_err(|error: SealError| failed(error))?;
        self.held.extend_from_slice(&sealed);
        let part_bytes = self.part_bytes.unwrap_or(PART_BYTES_MIN);
        while self.held.len() > part_bytes {
            let part = self.held.split_to(part_bytes).freeze();
            self.inner.put_part(part.into()).await?;
        }
        let last = self.held.split().freeze();
        self.inner.put_part(last.into()).await?;
        self.inner.complete().await
    }

    async fn abort(&mut self) -> Result<()> {
        self.sealer = None;
        self.inner.abort().await
    }
}

#[derive(Debug, thiserror::Error)]
#[error("the upload has ended: it failed, or was completed or aborted")]
struct Ended;

fn ended() -> object_store::Error {
    failed(Ended)
}
