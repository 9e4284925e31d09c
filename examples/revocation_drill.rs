//! A drill: a KMS key is disabled while an application uses its data keys. How long does it go on, and what shortens that?
//!
//! `cargo run --example revocation_drill`, about ten seconds; KMS is the model, on your machine.
#![allow(clippy::disallowed_methods, clippy::print_stdout, reason = "an example prints")]

use std::sync::Arc;
use std::time::Duration;

use s3seal::DataKeyCache;
use s3seal::cache::{Refresh, UsageLimits};
use s3seal::client::{Clock, KeyRequest, ModelService};
use s3seal::envelope::{EncryptionContext, KeyArn};
use s3seal::kms::Change;
use s3seal::request::Principal;
use s3seal::units::{Span, Timestamp};
use tokio::time::sleep;

const MAX_AGE: Span = Span::from_seconds(3);

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("keys may be {MAX_AGE} old; the KMS key is disabled when they are 1 s old\n");
    let refresh = Refresh { after: Span::from_millis(1_500), jitter: Span::ZERO };
    let drills = [
        ("nothing else is done: the age is the bound", None, false),
        ("keys are refreshed after 1.5 s: the first refusal ends them", Some(refresh), false),
        ("the key is disabled in the cache, too: at once", None, true),
    ];
    for (what, refresh, in_cache) in drills {
        let (sealed, opened) = drill(refresh, in_cache).await?;
        println!(
            "{what}\n  last key to seal with {sealed} after the order, last key to open with {opened} after it"
        );
        if sealed > MAX_AGE || opened > MAX_AGE {
            return Err(format!("a key was handed out later than {MAX_AGE} after the order").into());
        }
    }
    Ok(())
}

/// How long after the KMS key was disabled keys were still handed out, to seal and to open.
async fn drill(refresh: Option<Refresh>, in_cache: bool) -> Result<(Span, Span), Box<dyn std::error::Error>> {
    let kms_key: KeyArn =
        "arn:aws:kms:eu-west-2:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab".parse()?;
    let kms = Arc::new(ModelService::of_one_key(&kms_key)?);
    let mut builder = DataKeyCache::builder(Arc::clone(&kms)).limits(UsageLimits::of_age(MAX_AGE));
    if let Some(refresh) = refresh {
        builder = builder.refresh(refresh);
    }
    let cache = builder.build()?;
    let context = EncryptionContext::new([("app", "drill")])?;
    let request: KeyRequest =
        cache.request(kms_key.clone(), context, Principal::new("111122223333", "app", ""));
    let wrapped = cache.encrypt_key(&request, Some(1)).await?.wrapped().clone();
    cache.decrypt_key(&request, &wrapped).await?;
    sleep(Duration::from_secs(1)).await;

    kms.change(&kms_key, Change::Disable)?;
    if in_cache {
        cache.disable(&kms_key);
    }
    let ordered_at = Clock::boot().now();
    let (mut sealed, mut opened) = (ordered_at, ordered_at);
    let late = |at: Timestamp| at.since(ordered_at);
    while late(Clock::boot().now()) < MAX_AGE + Span::from_millis(200) {
        if cache.encrypt_key(&request, Some(1)).await.is_ok() {
            sealed = Clock::boot().now();
        }
        if cache.decrypt_key(&request, &wrapped).await.is_ok() {
            opened = Clock::boot().now();
        }
        sleep(Duration::from_millis(20)).await;
    }
    Ok((late(sealed), late(opened)))
}
