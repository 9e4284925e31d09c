//! `AwsKms`: AWS KMS through AWS's SDK, one request per call.

use std::error::Error;
use std::fmt;

use aws_sdk_kms::Client;
use aws_sdk_kms::config::Config;
use aws_sdk_kms::config::http::HttpResponse;
use aws_sdk_kms::config::retry::RetryConfig;
use aws_sdk_kms::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_kms::primitives::Blob;
use aws_sdk_kms::types::DataKeySpec;
use zeroize::Zeroizing;

use super::service::{Decrypt, GenerateDataKey, GeneratedKey, KeyService, ServiceError};
use crate::envelope::{DataKey, KEY_BYTES, KeyArn, WrappedKey};
use crate::kms::AwsError;
use crate::units::Span;

/// AWS KMS. Who may use a key is decided by the credentials of the client.
///
/// The SDK's own retries are switched off for these calls: the cache retries by its policy, and its count of calls is KMS's.
/// The plaintext passes through buffers of the SDK, which do not wipe it; ours is wiped.
///
/// ```no_run
/// # async fn example(config: aws_sdk_kms::Config) -> Result<(), Box<dyn std::error::Error>> {
/// use s3seal::DataKeyCache;
/// use s3seal::cache::UsageLimits;
/// use s3seal::client::AwsKms;
/// use s3seal::units::Span;
///
/// // With aws-config: `aws_sdk_kms::Client::new(&aws_config::load_from_env().await)`.
/// let service = AwsKms::new(aws_sdk_kms::Client::from_conf(config));
/// let limits = UsageLimits::of_age(Span::from_seconds(300));
/// let cache = DataKeyCache::builder(service).limits(limits).build()?;
/// # drop(cache);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct AwsKms(Client);

impl fmt::Debug for AwsKms {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AwsKms")
    }
}

impl AwsKms {
    /// KMS as `client` reaches it.
    pub fn new(client: Client) -> Self {
        Self(client)
    }
}

impl KeyService for AwsKms {
    async fn generate_data_key(&self, call: GenerateDataKey<'_>) -> Result<GeneratedKey, ServiceError> {
        let request = self.0.generate_data_key().key_id(call.key.as_str()).key_spec(DataKeySpec::Aes256);
        let request = call.context.iter().fold(request, |request, (k, v)| request.encryption_context(k, v));
        let answer =
            request.customize().config_override(once()).send().await.map_err(|error| refusal(&error))?;
        let key = data_key(answer.plaintext)?;
        check_key(call.key, answer.key_id.as_deref())?;
        let blob = answer.ciphertext_blob.ok_or_else(|| unexpected("an answer without CiphertextBlob"))?;
        let wrapped = WrappedKey::new(blob.into_inner()).map_err(unexpected)?;
        Ok(GeneratedKey { key, wrapped })
    }

    async fn decrypt(&self, call: Decrypt<'_>) -> Result<DataKey, ServiceError> {
        let blob = Blob::new(call.wrapped.as_bytes());
        let request = self.0.decrypt().key_id(call.key.as_str()).ciphertext_blob(blob);
        let request = call.context.iter().fold(request, |request, (k, v)| request.encryption_context(k, v));
        let answer =
            request.customize().config_override(once()).send().await.map_err(|error| refusal(&error))?;
        let key = data_key(answer.plaintext)?;
        check_key(call.key, answer.key_id.as_deref())?;
        Ok(key)
    }
}

/// No retries of the SDK's.
fn once() -> aws_sdk_kms::config::Builder {
    Config::builder().retry_config(RetryConfig::disabled())
}

fn data_key(plaintext: Option<Blob>) -> Result<DataKey, ServiceError> {
    let plaintext = plaintext.ok_or_else(|| unexpected("an answer without Plaintext"))?;
    let plaintext = Zeroizing::new(plaintext.into_inner());
    let bytes: &[u8; KEY_BYTES] = plaintext.as_slice().try_into().map_err(|_| {
        unexpected(format_args!("a data key of {} bytes: expected {KEY_BYTES}", plaintext.len()))
    })?;
    Ok(DataKey::unwrapped(&mut Zeroizing::new(*bytes)))
}

/// KMS names the key that it used, and that must be the one that was asked for.
fn check_key(asked: &KeyArn, used: Option<&str>) -> Result<(), ServiceError> {
    match used {
        Some(used) if used == asked.as_str() => Ok(()),
        used => {
            Err(unexpected(format_args!("an answer under key {}: asked for {asked}", used.unwrap_or("none"))))
        }
    }
}

fn unexpected(what: impl fmt::Display) -> ServiceError {
    ServiceError::Unexpected { message: what.to_string() }
}

fn refusal<E>(error: &SdkError<E, HttpResponse>) -> ServiceError
where
    E: ProvideErrorMetadata + Error + 'static,
{
    match error {
        SdkError::ServiceError(refused) => {
            let meta = refused.err().meta();
            let answer = AwsError {
                code: meta.code().unwrap_or("unknown").into(),
                status: refused.raw().status().as_u16(),
                message: meta.message().unwrap_or_default().into(),
            };
            // Source: SDK reference guide, retry behaviour: milliseconds (docs/SOURCES.md, client).
            let hint = refused.raw().headers().get("x-amz-retry-after");
            let hint = hint.and_then(|millis| millis.parse().ok()).map(Span::from_millis);
            ServiceError::of_aws(&answer, hint)
        }
        SdkError::ConstructionFailure(_) => unexpected(chain(error)),
        // No answer, or one that is none: perhaps the next call gets one.
        _ => ServiceError::Unavailable { message: chain(error) },
    }
}

/// The error and its causes as sentences. Not the SDK's `DisplayErrorContext`: it prints whole responses, and with them keys.
fn chain(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}
