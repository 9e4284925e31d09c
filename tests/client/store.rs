//! `SealedStore`: what every object store must do, plaintext sizes, tampering, names, keys.

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use futures_util::TryStreamExt;
use object_store::local::LocalFileSystem;
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{
    Attribute, Attributes, GetOptions, GetRange, ObjectStore, ObjectStoreExt, PutOptions, PutPayload,
    integration,
};
use proptest::collection::vec;
use proptest::prelude::*;
use s3seal::DataKeyCache;
use s3seal::client::{PAD_KEY, STORE_HEADER_BYTES, SealedStore};
use s3seal::envelope::EncryptionContext;
use s3seal::request::Operation::{self, GetObject, GetObjectRange, PutObject};
use s3seal::request::Principal;

use crate::stub::{Stub, arn, builder, disabled, request};

const FRAME: u64 = 64 << 10;

struct Sealed {
    kms: Arc<Stub>,
    cache: DataKeyCache,
    store: SealedStore,
}

fn sealed(inner: Arc<dyn ObjectStore>) -> Sealed {
    let kms = Stub::new(0);
    let cache = builder(&kms).build().unwrap();
    let store = SealedStore::new(inner, "bucket", cache.clone(), request(&cache));
    Sealed { kms, cache, store }
}

async fn get(store: &SealedStore, path: &Path) -> object_store::Result<Bytes> {
    store.get(path).await?.bytes().await
}

fn body(length: usize) -> Vec<u8> {
    (0..length).map(|i| (i * 7 % 251) as u8).collect()
}

/// What the `object_store` crate expects of all its stores.
async fn expectations(inner: Arc<dyn ObjectStore>) {
    let Sealed { store, cache, kms } = sealed(inner);
    integration::put_get_delete_list(&store).await;
    integration::get_opts(&store).await;
    integration::list_uses_directories_correctly(&store).await;
    integration::list_with_delimiter(&store).await;
    integration::list_with_offset_exclusivity(&store).await;
    integration::rename_and_copy(&store).await;
    integration::copy_if_not_exists(&store).await;
    integration::copy_rename_nonexistent_object(&store).await;
    integration::stream_get(&store).await;
    integration::multipart_out_of_order(&store).await;
    integration::multipart_race_condition(&store, true).await;
    let missing = integration::get_nonexistent_object(&store, None).await.unwrap_err();
    assert!(matches!(missing, object_store::Error::NotFound { .. }), "{missing:?}");
    assert_eq!(cache.snapshot().calls(), kms.calls());
}

#[tokio::test]
async fn a_sealed_store_in_memory_does_what_every_object_store_does() {
    let inner = Arc::new(InMemory::new());
    expectations(inner.clone()).await;
    let Sealed { store, .. } = sealed(inner);
    integration::put_opts(&store, true).await;
    integration::put_get_attributes(&store).await;
}

#[tokio::test]
async fn a_sealed_store_in_a_directory_does_what_every_object_store_does() {
    let directory = tempfile::tempdir().unwrap();
    let inner = LocalFileSystem::new_with_prefix(directory.path()).unwrap();
    expectations(Arc::new(inner)).await;
    let inner = LocalFileSystem::new_with_prefix(directory.path()).unwrap();
    integration::put_opts(&sealed(Arc::new(inner)).store, false).await;
}

#[tokio::test]
async fn sizes_are_those_of_the_plaintext_in_head_list_and_get() {
    let inner = Arc::new(InMemory::new());
    let Sealed { store, .. } = sealed(inner.clone());
    for length in [0, 1, FRAME - 1, FRAME, FRAME + 1, 3 * FRAME] {
        let path = Path::from(format!("object-{length}"));
        store.put(&path, body(length as usize).into()).await.unwrap();
        assert_eq!(store.head(&path).await.unwrap().size, length);
        let got = store.get(&path).await.unwrap();
        assert_eq!((got.meta.size, got.range.clone()), (length, 0..length));
        assert_eq!(got.bytes().await.unwrap(), body(length as usize));
        let frames = length.div_ceil(FRAME).max(1);
        let stored = inner.head(&path).await.unwrap().size;
        assert_eq!(stored, STORE_HEADER_BYTES as u64 + length + 16 * frames);
    }
    let listed: Vec<_> = store.list(None).try_collect().await.unwrap();
    let delimited = store.list_with_delimiter(None).await.unwrap().objects;
    for meta in listed.iter().chain(&delimited) {
        assert_eq!(meta.location.to_string(), format!("object-{}", meta.size));
    }
}

#[tokio::test]
async fn many_objects_cost_one_call_to_seal_and_one_to_open() {
    let Sealed { store, kms, .. } = sealed(Arc::new(InMemory::new()));
    for number in 0..50 {
        store.put(&Path::from(format!("{number}")), "x".into()).await.unwrap();
    }
    for number in 0..50 {
        get(&store, &Path::from(format!("{number}"))).await.unwrap();
    }
    assert_eq!(kms.calls(), 2);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn every_range_is_that_of_the_plaintext_however_the_object_was_written(
        chunks in vec(0_usize..200_000, 1..4),
        parts in any::<bool>(),
        ranges in vec((0_u64..500_000, 1_u64..300_000), 1..4),
        suffix in 0_u64..400_000,
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let all = body(chunks.iter().sum());
        let mut rest = Bytes::from(all.clone());
        let payloads: Vec<Bytes> = chunks.iter().map(|bytes| rest.split_to(*bytes)).collect();
        runtime.block_on(async {
            let Sealed { store, .. } = sealed(Arc::new(InMemory::new()));
            let path = Path::from("object");
            if parts {
                let mut upload = store.put_multipart(&path).await.unwrap();
                for payload in payloads {
                    upload.put_part(payload.into()).await.unwrap();
                }
                upload.complete().await.unwrap();
            } else {
                store.put(&path, payloads.into_iter().collect::<PutPayload>()).await.unwrap();
            }
            prop_assert_eq!(&get(&store, &path).await.unwrap(), &all);
            let length = all.len() as u64;
            let within: Vec<_> = ranges.iter().map(|(first, bytes)| *first..first + bytes).filter(|r| r.start < length).collect();
            for range in &within {
                let expected = &all[range.start as usize..range.end.min(length) as usize];
                prop_assert_eq!(&store.get_range(&path, range.clone()).await.unwrap(), expected);
            }
            let together = store.get_ranges(&path, &within).await.unwrap();
            for (range, bytes) in within.iter().zip(together) {
                prop_assert_eq!(&bytes, &all[range.start as usize..range.end.min(length) as usize]);
            }
            let options = GetOptions::new().with_range(Some(GetRange::Suffix(suffix)));
            let got = store.get_opts(&path, options).await.unwrap();
            prop_assert_eq!(got.meta.size, length);
            prop_assert_eq!(&got.bytes().await.unwrap(), &all[length.saturating_sub(suffix) as usize..]);
            let beyond = store.get_range(&path, length..length + 1).await;
            prop_assert!(beyond.is_err());
            Ok(())
        })?;
    }
}

#[tokio::test]
async fn large_objects_are_read_in_pieces_from_memory_and_from_files() {
    let directory = tempfile::tempdir().unwrap();
    let local = LocalFileSystem::new_with_prefix(directory.path()).unwrap();
    let inners: [Arc<dyn ObjectStore>; 2] = [Arc::new(InMemory::new()), Arc::new(local)];
    let all = body((13 << 20) + 5);
    for inner in inners {
        let Sealed { store, .. } = sealed(inner);
        let (path, copied) = (Path::from("a/large"), Path::from("b/large"));
        store.put(&path, all.clone().into()).await.unwrap();
        assert!(get(&store, &path).await.unwrap() == all);
        let range = 100..(12 << 20) + 1;
        let got = store.get_range(&path, range.clone()).await.unwrap();
        assert!(got == all[range.start as usize..range.end as usize]);
        store.copy(&path, &copied).await.unwrap();
        assert!(get(&store, &copied).await.unwrap() == all);
    }
}

#[tokio::test]
async fn parts_of_the_store_are_equal_and_at_least_5_mib() {
    let recorded: Arc<Mutex<Vec<usize>>> = Arc::default();
    let inner = Arc::new(Parts { inner: InMemory::new(), recorded: Arc::clone(&recorded) });
    let Sealed { store, .. } = sealed(inner);
    let path = Path::from("object");
    let mut upload = store.put_multipart(&path).await.unwrap();
    for part in [5 << 20, 5 << 20, 1, 6 << 20, 100] {
        upload.put_part(body(part).into()).await.unwrap();
    }
    upload.complete().await.unwrap();
    let sizes = recorded.lock().unwrap().clone();
    let (last, rest) = sizes.split_last().unwrap();
    assert!(rest.iter().all(|bytes| *bytes == 5 << 20) && *last <= 5 << 20, "{sizes:?}");
    assert_eq!(store.head(&path).await.unwrap().size, (16 << 20) + 101);
    let all = [body(5 << 20), body(5 << 20), body(1), body(6 << 20), body(100)].concat();
    assert!(get(&store, &path).await.unwrap() == all);
}

#[tokio::test]
async fn an_object_that_was_changed_cut_moved_or_swapped_is_refused() {
    let inner = Arc::new(InMemory::new());
    let Sealed { store, .. } = sealed(inner.clone());
    let (path, other) = (Path::from("object"), Path::from("other"));
    let all = body(3 * FRAME as usize);
    store.put(&path, all.clone().into()).await.unwrap();
    store.put(&other, body(10).into()).await.unwrap();
    let stored = inner.get(&path).await.unwrap().bytes().await.unwrap();
    // Every region: magic, core, commitment, slot, padding, slot tag, frames, tags.
    let header = STORE_HEADER_BYTES;
    for at in [0, 9, 24, 60, 100, 400, header - 40, header - 1, header, header + 70_000, stored.len() - 1] {
        let mut changed = stored.to_vec();
        changed[at] ^= 1;
        inner.put(&path, changed.into()).await.unwrap();
        assert!(get(&store, &path).await.is_err(), "byte {at}");
        let whole = store.get_range(&path, 0..all.len() as u64).await;
        assert!(whole.is_err(), "byte {at}");
    }
    for length in [0, 100, header, header + 10, stored.len() - FRAME as usize - 16, stored.len() - 1] {
        inner.put(&path, stored.slice(..length).into()).await.unwrap();
        assert!(get(&store, &path).await.is_err(), "cut at {length}");
        assert!(store.get_range(&path, 0..1).await.is_err(), "cut at {length}");
        assert!(store.get_ranges(&path, &[0..1, 1..2]).await.is_err(), "cut at {length}");
    }
    inner.put(&path, [&stored[..], b"more"].concat().into()).await.unwrap();
    assert!(get(&store, &path).await.is_err());
    inner.copy(&other, &path).await.unwrap();
    assert!(get(&store, &path).await.is_err(), "an object of ours under another name");
    inner.put(&path, "not ours".into()).await.unwrap();
    assert!(get(&store, &path).await.is_err());
    inner.put(&path, stored.into()).await.unwrap();
    assert_eq!(get(&store, &path).await.unwrap(), all);
}

#[tokio::test]
async fn another_store_name_or_context_does_not_open_and_old_requests_do_when_allowed() {
    let inner = Arc::new(InMemory::new());
    let Sealed { store, cache, kms } = sealed(inner.clone());
    let path = Path::from("object");
    store.put(&path, "old".into()).await.unwrap();
    let renamed = SealedStore::new(inner.clone(), "another", cache.clone(), request(&cache));
    assert!(get(&renamed, &path).await.is_err());
    let new = cache.request(
        arn(),
        EncryptionContext::new([("app", "new")]).unwrap(),
        Principal::new("111122223333", "writer", ""),
    );
    let moved_on = SealedStore::new(inner.clone(), "bucket", cache.clone(), new);
    let calls = kms.calls();
    assert!(get(&moved_on, &path).await.is_err());
    assert_eq!(kms.calls(), calls, "an object that may not be opened costs no call");
    let moved_on = moved_on.also_opening(request(&cache));
    assert_eq!(get(&moved_on, &path).await.unwrap(), "old");
    moved_on.copy(&path, &path).await.unwrap();
    assert_eq!(get(&moved_on, &path).await.unwrap(), "old");
    assert!(get(&store, &path).await.is_err(), "a copy stands under the new context");
}

#[tokio::test]
async fn a_context_too_long_for_the_header_is_refused_by_name_and_one_that_just_fits_is_not() {
    let inner = Arc::new(InMemory::new());
    let cache = builder(&Stub::new(0)).build().unwrap();
    let put = async |pairs: Vec<(&str, String)>| {
        let context = EncryptionContext::new(pairs).unwrap();
        let request = cache.request(arn(), context, Principal::new("111122223333", "writer", ""));
        SealedStore::new(inner.clone(), "bucket", cache.clone(), request)
            .put(&Path::from("a"), "x".into())
            .await
    };
    // 120 + 2 + 1 + (2 + 75) + (2 + 80) + (2 + 2 + 4 + 1 + n) bytes: the stub's wrapped keys have 80.
    let fixed = 291;
    let sizes = [
        (STORE_HEADER_BYTES - fixed - 14, true),
        (STORE_HEADER_BYTES - fixed - 13, false),
        (STORE_HEADER_BYTES - fixed, true),
        (STORE_HEADER_BYTES - fixed + 1, false),
    ];
    for (bytes, fits) in sizes {
        let result = put(vec![("k", "v".repeat(bytes))]).await;
        assert_eq!(result.is_ok(), fits, "{bytes}: {result:?}");
        assert!(fits || result.unwrap_err().to_string().contains("shorten the encryption context"));
    }
    assert!(put(vec![(PAD_KEY, "mine".into())]).await.is_err());
}

#[tokio::test]
async fn attributes_stay_with_the_object_through_a_copy_and_audits_name_every_object() {
    let inner = Arc::new(InMemory::new());
    let Sealed { store, .. } = sealed(inner);
    let heard: Arc<Mutex<Vec<(Operation, String)>>> = Arc::default();
    let audited = {
        let heard = Arc::clone(&heard);
        store.with_audit(move |used| heard.lock().unwrap().push((used.operation, used.location.to_string())))
    };
    let (path, copied) = (Path::from("a"), Path::from("b"));
    let attributes = Attributes::from_iter([(Attribute::ContentType, "text/csv")]);
    let options = PutOptions { attributes: attributes.clone(), ..PutOptions::default() };
    audited.put_opts(&path, "12 EUR".into(), options).await.unwrap();
    audited.copy(&path, &copied).await.unwrap();
    assert_eq!(audited.get(&copied).await.unwrap().attributes, attributes);
    audited.get_range(&copied, 0..2).await.unwrap();
    audited.head(&copied).await.unwrap();
    let expected =
        [(PutObject, "a"), (GetObject, "a"), (PutObject, "b"), (GetObject, "b"), (GetObjectRange, "b")];
    let expected: Vec<_> = expected.map(|(operation, location)| (operation, location.to_string())).into();
    assert_eq!(*heard.lock().unwrap(), expected);
}

#[tokio::test]
async fn nothing_of_the_plaintext_reaches_the_store_and_a_disabled_key_stops_both_ways() {
    let inner = Arc::new(InMemory::new());
    let Sealed { store, cache, kms } = sealed(inner.clone());
    let path = Path::from("object");
    let secret = b"a secret that must not be stored".repeat(100);
    store.put(&path, secret.clone().into()).await.unwrap();
    let stored = inner.get(&path).await.unwrap().bytes().await.unwrap();
    assert!(!stored.windows(16).any(|window| window == &secret[..16]));
    cache.invalidate(&arn());
    kms.say([disabled(), disabled()]);
    assert!(get(&store, &path).await.is_err());
    assert!(store.put(&path, "new".into()).await.is_err());
    let unchanged = inner.get(&path).await.unwrap().bytes().await.unwrap();
    assert_eq!(unchanged, stored, "what was not sealed is not stored");
}

/// Notes the sizes of uploaded parts.
#[derive(Debug)]
struct Parts {
    inner: InMemory,
    recorded: Arc<Mutex<Vec<usize>>>,
}

impl std::fmt::Display for Parts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Parts")
    }
}

#[async_trait::async_trait]
impl ObjectStore for Parts {
    async fn put_opts(
        &self,
        location: &Path,
        payload: PutPayload,
        opts: PutOptions,
    ) -> object_store::Result<object_store::PutResult> {
        self.inner.put_opts(location, payload, opts).await
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        opts: object_store::PutMultipartOptions,
    ) -> object_store::Result<Box<dyn object_store::MultipartUpload>> {
        let inner = self.inner.put_multipart_opts(location, opts).await?;
        Ok(Box::new(PartsUpload { inner, recorded: Arc::clone(&self.recorded) }))
    }

    async fn get_opts(
        &self,
        location: &Path,
        options: GetOptions,
    ) -> object_store::Result<object_store::GetResult> {
        self.inner.get_opts(location, options).await
    }

    fn delete_stream(
        &self,
        locations: futures_util::stream::BoxStream<'static, object_store::Result<Path>>,
    ) -> futures_util::stream::BoxStream<'static, object_store::Result<Path>> {
        self.inner.delete_stream(locations)
    }

    fn list(
        &self,
        prefix: Option<&Path>,
    ) -> futures_util::stream::BoxStream<'static, object_store::Result<object_store::ObjectMeta>> {
        self.inner.list(prefix)
    }

    async fn list_with_delimiter(
        &self,
        prefix: Option<&Path>,
    ) -> object_store::Result<object_store::ListResult> {
        self.inner.list_with_delimiter(prefix).await
    }

    async fn copy_opts(
        &self,
        from: &Path,
        to: &Path,
        options: object_store::CopyOptions,
    ) -> object_store::Result<()> {
        self.inner.copy_opts(from, to, options).await
    }
}

#[derive(Debug)]
struct PartsUpload {
    inner: Box<dyn object_store::MultipartUpload>,
    recorded: Arc<Mutex<Vec<usize>>>,
}

#[async_trait::async_trait]
impl object_store::MultipartUpload for PartsUpload {
    fn put_part(&mut self, data: PutPayload) -> object_store::UploadPart {
        self.recorded.lock().unwrap().push(data.content_length());
        self.inner.put_part(data)
    }

    async fn complete(&mut self) -> object_store::Result<object_store::PutResult> {
        self.inner.complete().await
    }

    async fn abort(&mut self) -> object_store::Result<()> {
        self.inner.abort().await
    }
}
