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
//! Source: Vault API documentation, transit secrets engine, "Generate data key" and "Decrypt data" (docs/SOURCES.md).
#![allow(
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "an example reads its environment and prints"
)]

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use s3seal::DataKeyCache;
use s3seal::cache::UsageLimits;
use s3seal::client::{Decrypt, GenerateDataKey, GeneratedKey, KeyService, ServiceError};
use s3seal::envelope::{DataKey, EncryptionContext, Identity, KEY_BYTES, KeyArn, WrappedKey};
use s3seal::request::Principal;
use s3seal::units::Span;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use zeroize::Zeroizing;

/// One transit key under the name that its objects know it by. Objects name KMS keys by ARN; a key elsewhere gets one that you
/// choose and keep.
struct Vault {
    address: String,
    token: String,
    key: String,
    arn: KeyArn,
}

fn unavailable(error: &dyn std::fmt::Display) -> ServiceError {
    ServiceError::Unavailable { message: error.to_string() }
}

fn unexpected(what: &str) -> ServiceError {
    ServiceError::Unexpected { message: what.into() }
}

impl Vault {
    /// One request; the `data` of the answer.
    async fn post(&self, path: &str, body: Value) -> Result<Value, ServiceError> {
        let body = body.to_string();
        let request = format!(
            "POST /v1/transit/{path}/{} HTTP/1.1\r\nhost: {}\r\nx-vault-token: {}\r\ncontent-type: application/json\r\n\
             content-length: {}\r\nconnection: close\r\n\r\n{body}",
            self.key,
            self.address,
            self.token,
            body.len()
        );
        let mut stream = TcpStream::connect(&self.address).await.map_err(|error| unavailable(&error))?;
        stream.write_all(request.as_bytes()).await.map_err(|error| unavailable(&error))?;
        let mut answer = Zeroizing::new(Vec::new());
        stream.read_to_end(&mut answer).await.map_err(|error| unavailable(&error))?;
        let text = std::str::from_utf8(&answer).map_err(|_| unexpected("an answer that is no text"))?;
        let (head, body) =
            text.split_once("\r\n\r\n").ok_or_else(|| unexpected("an answer without a body"))?;
        let status = head.split(' ').nth(1).unwrap_or_default();
        // Errors come as {"errors": ["…"]}.
        let json: Value = serde_json::from_str(body).unwrap_or_default();
        let message = json["errors"][0].as_str().unwrap_or(status).to_owned();
        match status {
            "200" => Ok(json["data"].clone()),
            "400" => Err(ServiceError::Invalid { message }),
            "403" => Err(ServiceError::Denied { message }),
            "404" => Err(ServiceError::NotFound { message }),
            "429" => Err(ServiceError::Throttled { message, retry_after: None }),
            _ => Err(ServiceError::Unavailable { message }),
        }
    }

    fn check(&self, asked: &KeyArn) -> Result<(), ServiceError> {
        if *asked == self.arn {
            return Ok(());
        }
        Err(ServiceError::NotFound { message: format!("{asked} is no key of this Vault") })
    }
}

fn context_of(context: &EncryptionContext) -> String {
    STANDARD.encode(context.canonical_bytes())
}

fn data_key(data: &Value) -> Result<DataKey, ServiceError> {
    let text = data["plaintext"].as_str().ok_or_else(|| unexpected("an answer without plaintext"))?;
    let bytes =
        Zeroizing::new(STANDARD.decode(text).map_err(|_| unexpected("a plaintext that is no base64"))?);
    let bytes: &[u8; KEY_BYTES] =
        bytes.as_slice().try_into().map_err(|_| unexpected("a data key that has not 256 bits"))?;
    Ok(DataKey::unwrapped(&mut Zeroizing::new(*bytes)))
}

impl KeyService for Vault {
    async fn generate_data_key(&self, call: GenerateDataKey<'_>) -> Result<GeneratedKey, ServiceError> {
        self.check(call.key)?;
        let body = json!({ "context": context_of(call.context), "bits": 256 });
        let data = self.post("datakey/plaintext", body).await?;
        let wrapped =
            data["ciphertext"].as_str().ok_or_else(|| unexpected("an answer without ciphertext"))?;
        let wrapped = WrappedKey::new(wrapped.as_bytes()).map_err(|error| unexpected(&error.to_string()))?;
        Ok(GeneratedKey { key: data_key(&data)?, wrapped })
    }

    async fn decrypt(&self, call: Decrypt<'_>) -> Result<DataKey, ServiceError> {
        self.check(call.key)?;
        let ciphertext = std::str::from_utf8(call.wrapped.as_bytes())
            .map_err(|_| ServiceError::Invalid { message: "the wrapped key is not Vault's".into() })?;
        let body = json!({ "ciphertext": ciphertext, "context": context_of(call.context) });
        data_key(&self.post("decrypt", body).await?)
    }
}

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
