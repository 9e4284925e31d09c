//! `SealedStore`: any `object_store`, encrypted on put and opened on get, with the plaintext's sizes.

mod read;
mod upload;

use std::fmt;
use std::ops::Range;
use std::sync::{Arc, OnceLock};

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::stream::{BoxStream, StreamExt, TryStreamExt};
use object_store::path::Path;
use object_store::{
    Attributes, CopyMode, CopyOptions, Error, Extensions, GetOptions, GetResult, ListResult, MultipartUpload,
    ObjectMeta, ObjectStore, PutMode, PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
};
use tokio::runtime::Handle;

use self::upload::Upload;
use super::clock::boot_nanos;
use super::data_key_cache::DataKeyCache;
use super::error::{KeyError, OpeningError};
use super::request::KeyRequest;
use super::slot::{STORE_HEADER_BYTES, padded};
use crate::cache::Failure;
use crate::envelope::{
    CustomerKey, FrameSize, Identity, KeyArn, Keys, Layout, Options, Sealer, Slot, Suite, seal,
};
use crate::request::Operation;
use crate::units::Span;

/// How long a piece of work may keep a runtime's thread; the way to another thread and back takes as long. What takes longer
/// goes to `spawn_blocking`. Source: tokio's advice of 10 to 100 µs between two awaits.
const INLINE_MAX: Span = Span::from_micros(100);

/// Bytes that are sealed, on this machine, in [`INLINE_MAX`]: at most 2 MiB.
fn inline_bytes_max() -> usize {
    static MEASURED: OnceLock<usize> = OnceLock::new();
    /// What is timed: enough to see the cipher rather than the clock.
    const PIECE: usize = 64 << 10;
    *MEASURED.get_or_init(|| {
        let Ok(key) = CustomerKey::generate() else { return PIECE };
        let (identity, piece) = (Identity::text(""), vec![0; PIECE]);
        let mut fastest = u64::MAX;
        for _ in 0..4 {
            let start = boot_nanos();
            // The result is of no use; the time that it took is.
            drop(seal(Keys::Customer(&key), &Slot::SseC, &identity, &piece, Options::default()));
            fastest = fastest.min(boot_nanos().saturating_sub(start));
        }
        let pieces = INLINE_MAX.as_nanos() / fastest.max(1);
        usize::try_from(pieces).unwrap_or(usize::MAX).clamp(1, 32) * PIECE
    })
}

/// Largest object that is copied in one put, in bytes; larger ones go part by part, each of this size.
const COPY_PART_BYTES: usize = 8 << 20;

/// One use of an object, for an audit: KMS no longer sees it when the data key was cached.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct ObjectUse<'a> {
    /// `PutObject`, `GetObject`, `GetObjectRange` or `CreateMultipartUpload`. A copy is a get and a put.
    pub operation: Operation,
    /// The object.
    pub location: &'a Path,
    /// The KMS key that its data key stands under.
    pub key: &'a KeyArn,
}

type Audit = Arc<dyn Fn(ObjectUse<'_>) + Send + Sync>;

/// An object store whose objects are sealed before they reach `inner`: client-side encryption for any program that uses
/// `object_store`.
///
/// ```
/// # use s3seal::client::ModelService;
/// # use s3seal::cache::UsageLimits;
/// # use s3seal::envelope::EncryptionContext;
/// # use s3seal::request::Principal;
/// # use s3seal::units::Span;
/// # use s3seal::DataKeyCache;
/// use std::sync::Arc;
///
/// use object_store::{ObjectStoreExt, memory::InMemory, path::Path};
/// use s3seal::client::SealedStore;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let kms_key = "arn:aws:kms:eu-west-2:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab".parse()?;
/// # let service = ModelService::of_one_key(&kms_key)?;
/// # let cache = DataKeyCache::builder(service).limits(UsageLimits::of_age(Span::from_seconds(300))).build()?;
/// # let (context, principal) = (EncryptionContext::of_bucket("invoices")?, Principal::new("111122223333", "writer", ""));
/// let inner = Arc::new(InMemory::new());
/// let request = cache.request(kms_key, context, principal);
/// let store = SealedStore::new(inner.clone(), "invoices", cache, request);
///
/// let path = Path::from("2026/11.csv");
/// store.put(&path, "12 EUR".into()).await?;
/// assert_eq!(store.get(&path).await?.bytes().await?, "12 EUR");
/// assert_eq!(store.head(&path).await?.size, 6);
/// assert!(inner.head(&path).await?.size > 1_024, "what is stored is an envelope");
/// # Ok(())
/// # }
/// ```
///
/// **Names.** An object is bound to the store's name and its path: moved by anyone else it does not open. So a copy, and with it
/// a rename, opens and seals anew, through this process; it is not atomic. Paths, attributes and tags are not encrypted, and a
/// copy takes attributes along and tags not.
///
/// **Sizes.** Every header is [`STORE_HEADER_BYTES`] long, so head and list give plaintext sizes without reading objects. They
/// believe the store; a get does not. Objects that are not ours keep their stored size there, and no get opens them.
///
/// **Costs.** 1,024 bytes an object and 16 per 64 KiB. A ranged get reads the header first: one small request more. An upload in
/// parts has a data key of its own, hence one KMS call; its pieces are cut anew into equal parts of at least 5 MiB, and sealing
/// happens in `put_part`.
///
/// **What is not detected:** an old object put back whole, and one deleted (docs/FORMAT.md).
#[derive(Clone)]
pub struct SealedStore {
    inner: Arc<dyn ObjectStore>,
    name: Arc<str>,
    cache: DataKeyCache,
    /// The first one seals.
    requests: Arc<[KeyRequest]>,
    audit: Option<Audit>,
}

impl fmt::Debug for SealedStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SealedStore")
            .field("inner", &self.inner)
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

impl fmt::Display for SealedStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SealedStore({})", self.inner)
    }
}

impl SealedStore {
    /// `inner` under data keys of `request`. `name` is what the objects are bound to beside their paths, for instance the
    /// bucket's name: keep it for as long as the objects live.
    pub fn new(inner: Arc<dyn ObjectStore>, name: &str, cache: DataKeyCache, request: KeyRequest) -> Self {
        Self { inner, name: name.into(), cache, requests: [request].into(), audit: None }
    }

    /// Opens objects of `request` as well: those from before the KMS key or the context was changed. An object that stands
    /// under neither is refused without asking KMS, since whoever can write to the store chooses what its header names.
    #[must_use]
    pub fn also_opening(mut self, request: KeyRequest) -> Self {
        self.requests = self.requests.iter().cloned().chain([request]).collect();
        self
    }

    /// Tells `record` of every use of an object, before its data is sealed or given out. It runs on the path of the request.
    #[must_use]
    pub fn with_audit(mut self, record: impl Fn(ObjectUse<'_>) + Send + Sync + 'static) -> Self {
        self.audit = Some(Arc::new(record));
        self
    }

    fn request(&self) -> &KeyRequest {
        &self.requests[0]
    }

    fn identity(&self, location: &Path) -> Identity {
        Identity::object(&self.name, location.as_ref())
    }

    fn record(&self, operation: Operation, location: &Path, key: &KeyArn) {
        if let Some(audit) = &self.audit {
            audit(ObjectUse { operation, location, key });
        }
    }

    /// The envelope of `payload`.
    async fn seal(&self, location: &Path, payload: PutPayload) -> Result<PutPayload> {
        let request = self.request();
        let bytes = payload.content_length();
        let key = self.cache.encrypt_key(request, Some(bytes as u64)).await;
        let key = key.map_err(|error| refused(location, error))?;
        let slot = padded(&key, request).map_err(failed)?;
        self.record(Operation::PutObject, location, request.key());
        let identity = self.identity(location);
        let work = move || {
            if let [plaintext] = payload.as_ref() {
                return seal(key.keys(), &slot, &identity, plaintext, Options::default())
                    .map(PutPayload::from);
            }
            let mut sealer =
                Sealer::new(key.keys(), &slot, &identity, Some(bytes as u64), Options::default())?;
            let mut pieces = vec![Bytes::copy_from_slice(sealer.header())];
            for plaintext in &payload {
                let mut sealed = Vec::new();
                sealer.update(plaintext, &mut sealed)?;
                pieces.push(sealed.into());
            }
            let mut sealed = Vec::new();
            sealer.finish(&mut sealed)?;
            pieces.push(sealed.into());
            pieces.retain(|piece| !piece.is_empty());
            Ok(pieces.into_iter().collect())
        };
        off_the_path(bytes, work).await?.map_err(failed)
    }

    /// Part by part from `from`.
    async fn copy_parts(&self, from: GetResult, to: &Path, options: PutMultipartOptions) -> Result<()> {
        let mut upload = self.put_multipart_opts(to, options).await?;
        let mut pieces = from.into_stream();
        let copied = async {
            let (mut held, mut bytes) = (Vec::new(), 0);
            while let Some(piece) = pieces.try_next().await? {
                bytes += piece.len();
                held.push(piece);
                if bytes >= COPY_PART_BYTES {
                    upload.put_part(std::mem::take(&mut held).into_iter().collect()).await?;
                    bytes = 0;
                }
            }
            upload.put_part(held.into_iter().collect()).await?;
            upload.complete().await.map(drop)
        };
        let copied = copied.await;
        if copied.is_err() {
            // The first error is the one to tell; parts that stay are the store's to clean up.
            drop(upload.abort().await);
        }
        copied
    }
}

#[async_trait]
impl ObjectStore for SealedStore {
    async fn put_opts(&self, location: &Path, payload: PutPayload, opts: PutOptions) -> Result<PutResult> {
        let sealed = self.seal(location, payload).await?;
        self.inner.put_opts(location, sealed, opts).await
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        opts: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        let request = self.request();
        let key = self.cache.encrypt_key(request, None).await;
        let key = key.map_err(|error| refused(location, error))?;
        let slot = padded(&key, request).map_err(failed)?;
        self.record(Operation::CreateMultipartUpload, location, request.key());
        let identity = self.identity(location);
        let sealer = Sealer::new(key.keys(), &slot, &identity, None, Options::default());
        let sealer = sealer.map_err(failed)?;
        Ok(Box::new(Upload::new(self.inner.put_multipart_opts(location, opts).await?, sealer)))
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        self.read(location, options).await
    }

    async fn get_ranges(&self, location: &Path, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        self.read_ranges(location, ranges).await
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        self.inner.delete_stream(locations)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.inner.list(prefix).map_ok(with_plaintext_size).boxed()
    }

    fn list_with_offset(
        &self,
        prefix: Option<&Path>,
        offset: &Path,
    ) -> BoxStream<'static, Result<ObjectMeta>> {
        self.inner.list_with_offset(prefix, offset).map_ok(with_plaintext_size).boxed()
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        let mut result = self.inner.list_with_delimiter(prefix).await?;
        result.objects = result.objects.into_iter().map(with_plaintext_size).collect();
        Ok(result)
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        let CopyOptions { mode, extensions, .. } = options;
        let source = self.read(from, GetOptions::new()).await?;
        let attributes: Attributes = source.attributes.clone();
        if mode == CopyMode::Overwrite && source.meta.size > COPY_PART_BYTES as u64 {
            let options = PutMultipartOptions { attributes, extensions, ..PutMultipartOptions::default() };
            return self.copy_parts(source, to, options).await;
        }
        // Only a put of the whole can be made to fail where something stands already.
        let mode = if mode == CopyMode::Create { PutMode::Create } else { PutMode::Overwrite };
        let options = put_options(mode, attributes, extensions);
        self.put_opts(to, source.bytes().await?.into(), options).await.map(drop)
    }
}

fn put_options(mode: PutMode, attributes: Attributes, extensions: Extensions) -> PutOptions {
    PutOptions { mode, attributes, extensions, ..PutOptions::default() }
}

/// The size of the plaintext in an object of `stored` bytes, if it is one of ours.
fn plaintext_bytes(stored: u64) -> Option<u64> {
    let layout = Layout { frame: FrameSize::default(), suite: Suite::Single };
    layout.plaintext_bytes(stored.checked_sub(STORE_HEADER_BYTES as u64)?)
}

fn with_plaintext_size(meta: ObjectMeta) -> ObjectMeta {
    ObjectMeta { size: plaintext_bytes(meta.size).unwrap_or(meta.size), ..meta }
}

/// Does `work` on `bytes` bytes here when it is short, and otherwise where it holds nobody up.
async fn off_the_path<T: Send + 'static>(
    bytes: usize,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T> {
    match Handle::try_current() {
        Ok(runtime) if bytes > inline_bytes_max() => Ok(runtime.spawn_blocking(work).await?),
        _ => Ok(work()),
    }
}

fn failed(source: impl std::error::Error + Send + Sync + 'static) -> Error {
    Error::Generic { store: "SealedStore", source: Box::new(source) }
}

fn refused(location: &Path, error: KeyError) -> Error {
    if error.failure() == Some(Failure::Denied) {
        return Error::PermissionDenied { path: location.to_string(), source: Box::new(error) };
    }
    failed(error)
}

fn unopened(location: &Path, error: OpeningError) -> Error {
    match error {
        OpeningError::Key(error) => refused(location, error),
        error => failed(error),
    }
}
