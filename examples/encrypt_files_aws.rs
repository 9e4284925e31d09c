//! Encrypt files under AWS KMS, and decrypt them again: one KMS call for many files.
//!
//! ```text
//! export AWS_REGION=eu-west-2 AWS_ACCESS_KEY_ID=… AWS_SECRET_ACCESS_KEY=… AWS_SESSION_TOKEN=…
//! cargo run --features aws --example encrypt_files_aws -- encrypt arn:aws:kms:… FILE…
//! cargo run --features aws --example encrypt_files_aws -- decrypt arn:aws:kms:… FILE.sealed…
//! ```
//!
//! `aws configure export-credentials --format env` prints those variables for profiles, roles and SSO. An application takes
//! `aws_sdk_kms::Client::new(&aws_config::load_from_env().await)` instead. `AWS_ENDPOINT_URL_KMS` leads to another endpoint.
#![allow(
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "an example reads its arguments and prints"
)]

use std::path::{Path, PathBuf};

use aws_sdk_kms::config::{BehaviorVersion, Config, Credentials, Region};
use s3seal::DataKeyCache;
use s3seal::cache::UsageLimits;
use s3seal::client::{AwsKms, KeyRequest};
use s3seal::envelope::{EncryptionContext, Identity, KeyArn};
use s3seal::request::Principal;
use s3seal::units::Span;
use tokio::fs::File;

type Fault = Box<dyn std::error::Error>;

#[tokio::main]
async fn main() -> Result<(), Fault> {
    let mut arguments = std::env::args().skip(1);
    let usage = "usage: encrypt_files_aws encrypt|decrypt KEY-ARN FILE…";
    let (verb, kms_key) = arguments.next().zip(arguments.next()).ok_or(usage)?;
    let kms_key: KeyArn = kms_key.parse()?;

    let limits = UsageLimits { max_uses: 10_000, ..UsageLimits::of_age(Span::from_seconds(300)) };
    let cache = DataKeyCache::builder(AwsKms::new(client()?)).limits(limits).build()?;
    // The context is the same for all files, so that they share a data key; a file's name goes into its identity.
    let context = EncryptionContext::new([("app", "encrypt_files_aws")])?;
    let request = cache.request(kms_key.clone(), context, Principal::new(kms_key.account(), "me", ""));
    for file in arguments.map(PathBuf::from) {
        let written = match verb.as_str() {
            "encrypt" => encrypt(&cache, &request, &file).await?,
            "decrypt" => decrypt(&cache, &request, &file).await?,
            _ => return Err(usage.into()),
        };
        println!("{}", written.display());
    }
    let snapshot = cache.snapshot();
    println!("KMS calls: {}, avoided: {}", snapshot.calls(), snapshot.calls_avoided());
    Ok(())
}

fn client() -> Result<aws_sdk_kms::Client, Fault> {
    let variable = |name: &str| std::env::var(name).map_err(|_| format!("{name} is not set"));
    let credentials = Credentials::new(
        variable("AWS_ACCESS_KEY_ID")?,
        variable("AWS_SECRET_ACCESS_KEY")?,
        variable("AWS_SESSION_TOKEN").ok(),
        None,
        "environment",
    );
    let mut config = Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new(variable("AWS_REGION")?))
        .credentials_provider(credentials);
    if let Ok(url) = variable("AWS_ENDPOINT_URL_KMS") {
        config = config.endpoint_url(url);
    }
    Ok(aws_sdk_kms::Client::from_conf(config.build()))
}

/// The name that a file is bound to: it may move between folders, but not change its name.
fn identity(file: &Path) -> Identity {
    Identity::text(&file.file_name().unwrap_or_default().to_string_lossy())
}

async fn encrypt(cache: &DataKeyCache, request: &KeyRequest, file: &Path) -> Result<PathBuf, Fault> {
    let target = PathBuf::from(format!("{}.sealed", file.display()));
    let from = File::open(file).await?;
    let length = from.metadata().await?.len();
    cache.seal(request, &identity(file), Some(length), from, File::create_new(&target).await?).await?;
    Ok(target)
}

async fn decrypt(cache: &DataKeyCache, request: &KeyRequest, file: &Path) -> Result<PathBuf, Fault> {
    let target = file.with_extension("");
    let opened = File::create_new(&target).await?;
    let result = cache.open(request, &identity(&target), File::open(file).await?, opened).await;
    if result.is_err() {
        // What was written is authentic, but it may not be all.
        tokio::fs::remove_file(&target).await?;
    }
    result?;
    Ok(target)
}
