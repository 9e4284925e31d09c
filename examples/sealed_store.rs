//! Any `object_store` with client-side encryption: a directory, or S3 with `--features s3` and `BUCKET` set.
//!
//! `cargo run --example sealed_store [DIRECTORY]`; for S3 the usual `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`, `AWS_REGION`.
//! KMS is the model: what this writes opens only in this run. `encrypt_files_aws.rs` shows AWS KMS.
#![allow(
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "an example reads its arguments and prints"
)]

use std::sync::Arc;

use futures_util::TryStreamExt;
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};
use s3seal::DataKeyCache;
use s3seal::cache::UsageLimits;
use s3seal::client::{ModelService, SealedStore};
use s3seal::envelope::{EncryptionContext, KeyArn};
use s3seal::request::Principal;
use s3seal::units::Span;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let scratch = tempfile::tempdir()?;
    let directory = std::env::args().nth(1).map_or(scratch.path().to_owned(), Into::into);
    let (inner, name) = inner(&directory)?;

    let kms_key: KeyArn =
        "arn:aws:kms:eu-west-2:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab".parse()?;
    let limits = UsageLimits { max_uses: 10_000, ..UsageLimits::of_age(Span::from_seconds(300)) };
    let cache = DataKeyCache::builder(ModelService::of_one_key(&kms_key)?).limits(limits).build()?;

    // Three lines: whoever uses `store` encrypts.
    let context = EncryptionContext::of_bucket(&name)?;
    let request = cache.request(kms_key, context, Principal::new("111122223333", "example", ""));
    let store = SealedStore::new(Arc::clone(&inner), &name, cache.clone(), request);

    for number in 1..=100 {
        store.put(&Path::from(format!("invoices/{number:03}.csv")), format!("{number} EUR\n").into()).await?;
    }
    let path = Path::from("invoices/042.csv");
    println!("{path}: {:?}", store.get(&path).await?.bytes().await?);
    println!("its first two bytes: {:?}", store.get_range(&path, 0..2).await?);
    println!(
        "its size: {} in {store}, {} in what is stored",
        store.head(&path).await?.size,
        inner.head(&path).await?.size
    );
    let listed: Vec<_> = store.list(Some(&Path::from("invoices"))).try_collect().await?;
    println!(
        "{} objects, {} bytes of plaintext",
        listed.len(),
        listed.iter().map(|meta| meta.size).sum::<u64>()
    );
    println!("KMS calls: {}, avoided: {}", cache.snapshot().calls(), cache.snapshot().calls_avoided());

    // Whoever changes or moves what is stored is found out.
    let moved = Path::from("invoices/041.csv");
    inner.copy(&path, &moved).await?;
    match store.get(&moved).await {
        Ok(_) => return Err("an object that was moved must not open".into()),
        Err(error) => println!("moved behind our back: {error}"),
    }
    for meta in listed {
        store.delete(&meta.location).await?;
    }
    Ok(())
}

#[cfg(feature = "s3")]
fn inner(directory: &std::path::Path) -> Result<(Arc<dyn ObjectStore>, String), Box<dyn std::error::Error>> {
    let Ok(bucket) = std::env::var("BUCKET") else { return local(directory) };
    let store = object_store::aws::AmazonS3Builder::from_env().with_bucket_name(&bucket).build()?;
    Ok((Arc::new(store), bucket))
}

#[cfg(not(feature = "s3"))]
fn inner(directory: &std::path::Path) -> Result<(Arc<dyn ObjectStore>, String), Box<dyn std::error::Error>> {
    local(directory)
}

fn local(directory: &std::path::Path) -> Result<(Arc<dyn ObjectStore>, String), Box<dyn std::error::Error>> {
    Ok((Arc::new(LocalFileSystem::new_with_prefix(directory)?), "local".into()))
}
