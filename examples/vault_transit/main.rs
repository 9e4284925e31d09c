//! Another KMS behind the cache: the transit engine of Vault, over its HTTP API.
//!
//! ```text
//! vault server -dev -dev-root-token-id=root
//! vault secrets enable transit
//! vault write -f transit/keys/invoices derived=true
//! VAULT_ADDR=127.0.0.1:8200 VAULT_TOKEN=root cargo run --example vault_transit -- invoices
//! ```
//!
//! `derived=true` makes Vault bind the encryption context: it derives the wrapping key from it. Plain HTTP to a Vault agent or a
//! development server on this host; take an HTTP client with TLS for anything else.
//!
//! `transit.rs` is the part to keep. It is tested against a stub of the transit engine's wire format
//! (`tests/client/vault.rs`), and was not run against a real Vault.
#![allow(
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "an example reads its environment and prints"
)]

mod transit;

use s3seal::DataKeyCache;
use s3seal::cache::UsageLimits;
use s3seal::envelope::{EncryptionContext, Identity, KeyArn};
use s3seal::request::Principal;
use s3seal::units::Span;
use transit::Vault;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let key = std::env::args().nth(1).unwrap_or_else(|| "invoices".into());
    let (Ok(address), Ok(token)) = (std::env::var("VAULT_ADDR"), std::env::var("VAULT_TOKEN")) else {
        println!(
            "set VAULT_ADDR (host:port) and VAULT_TOKEN; the first lines of this file say how to start a Vault"
        );
        return Ok(());
    };
    let arn: KeyArn = "arn:aws:kms:vault:000000000000:key/00000000-0000-4000-8000-000000000001".parse()?;
    let address = address.trim_start_matches("http://").to_owned();
    let vault = Vault { address, token, key, arn: arn.clone() };
    let cache = DataKeyCache::builder(vault).limits(UsageLimits::of_age(Span::from_seconds(300))).build()?;
    let context = EncryptionContext::new([("app", "invoices")])?;
    let request = cache.request(arn, context, Principal::new("000000000000", "app", ""));
    for number in 0..1_000 {
        let identity = Identity::text(&format!("invoice/{number}"));
        let envelope = cache.seal_bytes(&request, &identity, b"12 EUR").await?;
        assert_eq!(cache.open_bytes(&request, &identity, &envelope).await?, b"12 EUR");
    }
    let snapshot = cache.snapshot();
    println!("1,000 invoices sealed and opened with {} calls to Vault", snapshot.calls());
    Ok(())
}
