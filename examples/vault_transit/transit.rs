//! `Vault`: one key of Vault's transit engine as a key service.
//!
//! Source: Vault API documentation, transit secrets engine, "Generate data key" and "Decrypt data" (docs/SOURCES.md).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use s3seal::client::{Decrypt, GenerateDataKey, GeneratedKey, KeyService, ServiceError};
use s3seal::envelope::{DataKey, EncryptionContext, KEY_BYTES, KeyArn, WrappedKey};
use s3seal::units::Span;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use zeroize::Zeroizing;

/// One transit key under the name that its objects know it by. Objects name KMS keys by ARN; a key elsewhere gets one that you
/// choose and keep.
pub(crate) struct Vault {
    /// `host:port`.
    pub(crate) address: String,
    pub(crate) token: String,
    /// The name in Vault.
    pub(crate) key: String,
    pub(crate) arn: KeyArn,
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
        // HTTP/1.0 has one form of an answer: a head, and a body until the end.
        let request = format!(
            "POST /v1/transit/{path}/{} HTTP/1.0\r\nhost: {}\r\nx-vault-token: {}\r\ncontent-type: application/json\r\n\
             content-length: {}\r\n\r\n{body}",
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
        if status == "200" {
            let mut json: Value =
                serde_json::from_str(body).map_err(|_| unexpected("an answer that is no JSON"))?;
            return Ok(json["data"].take());
        }
        // Errors come as {"errors": ["…"]}.
        let json: Value = serde_json::from_str(body).unwrap_or_default();
        let message = json["errors"][0].as_str().unwrap_or(status).to_owned();
        Err(match status {
            // The transit engine has no status of its own for a key that is not there.
            "400" if message.ends_with("key not found") => ServiceError::NotFound { message },
            "400" if path == "decrypt" => ServiceError::Invalid { message },
            "400" => ServiceError::Unexpected { message },
            "403" => ServiceError::Denied { message },
            "404" => ServiceError::NotFound { message },
            "429" => ServiceError::Throttled { message, retry_after: retry_after(head) },
            _ => ServiceError::Unavailable { message },
        })
    }

    fn check(&self, asked: &KeyArn) -> Result<(), ServiceError> {
        if *asked == self.arn {
            return Ok(());
        }
        Err(ServiceError::NotFound { message: format!("{asked} is no key of this Vault") })
    }
}

/// The seconds of `retry-after`, which a rate limit of Vault's sends.
fn retry_after(head: &str) -> Option<Span> {
    let (_, value) = head
        .lines()
        .filter_map(|line| line.split_once(':'))
        .find(|(name, _)| name.eq_ignore_ascii_case("retry-after"))?;
    value.trim().parse().ok().map(Span::from_seconds)
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
