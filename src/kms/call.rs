//! A call to KMS and its reply.

use super::error::KmsError;
use super::key::KeyIndex;
use super::quota::Throttled;
use crate::envelope::{EncryptionContext, KeyArn};
use crate::request::Principal;
use crate::units::Timestamp;

/// An operation that leaves keys as they are. What changes them is a [`Change`](super::Change).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Operation {
    /// `GenerateDataKey`.
    GenerateDataKey,
    /// `GenerateDataKeyWithoutPlaintext`.
    GenerateDataKeyWithoutPlaintext,
    /// `Encrypt` of so many bytes.
    Encrypt {
        /// 1 to 4,096.
        bytes: u32,
    },
    /// `Decrypt` of a blob under this material of the key.
    Decrypt {
        /// The material's number, from the handle (`sim`) or the blob ([`Model::resolve`](super::Model::resolve)).
        material: u32,
        /// The key that the request names, where it names one.
        named: Option<KeyIndex>,
    },
    /// `ReEncrypt` of a blob under this material of the key to another key. One request: one unit of the account's quota,
    /// and one of each custom key store in which either key is. Where both are in one store AWS does not say whether that
    /// is one unit or two; one, since its quotas count requests, is an assumption.
    ReEncrypt {
        /// The material's number.
        material: u32,
        /// The key of the new blob.
        to: KeyIndex,
    },
    /// `DescribeKey`.
    DescribeKey,
    /// `GetKeyRotationStatus`.
    GetKeyRotationStatus,
}

impl Operation {
    /// AWS's name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::GenerateDataKey => "GenerateDataKey",
            Self::GenerateDataKeyWithoutPlaintext => "GenerateDataKeyWithoutPlaintext",
            Self::Encrypt { .. } => "Encrypt",
            Self::Decrypt { .. } => "Decrypt",
            Self::ReEncrypt { .. } => "ReEncrypt",
            Self::DescribeKey => "DescribeKey",
            Self::GetKeyRotationStatus => "GetKeyRotationStatus",
        }
    }
}

/// The way from the caller to KMS.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Connection {
    /// A connection is opened for this call.
    pub cold: bool,
    /// The caller sits in another Region.
    pub cross_region: bool,
}

/// A call to KMS.
#[derive(Clone, Copy, Debug)]
pub struct Call<'a> {
    /// What is asked.
    pub operation: Operation,
    /// The key: that of the request, or for a blob the key that the blob names.
    pub key: KeyIndex,
    /// Who asks, and whose account is charged.
    pub principal: &'a Principal,
    /// How the call comes.
    pub connection: Connection,
    /// The encryption context, for `ReEncrypt` that of the old blob; for the audit log alone: whether it matches is found
    /// out by the cryptography.
    pub context: Option<&'a EncryptionContext>,
    /// For `ReEncrypt` the context of the new blob, for the audit log alone.
    pub new_context: Option<&'a EncryptionContext>,
    /// Whether S3 calls on the principal's behalf.
    pub via_s3: bool,
}

impl<'a> Call<'a> {
    /// A call over a warm connection from the same Region, not through S3, without context.
    pub fn new(operation: Operation, key: KeyIndex, principal: &'a Principal) -> Self {
        let connection = Connection::default();
        Self { operation, key, principal, connection, context: None, new_context: None, via_s3: false }
    }
}

/// A call that names a key, or bears a blob, that this KMS does not have: charged and logged as any other, and then
/// refused.
#[derive(Clone, Debug)]
pub struct Stray<'a> {
    /// The operation's name, from [`Operation::as_str`] or [`Change::as_str`](super::Change::as_str).
    pub name: &'static str,
    /// The key as the request names it, if it does.
    pub key: Option<&'a KeyArn>,
    /// Why it is refused: what [`Model::find`](super::Model::find) or [`Model::resolve`](super::Model::resolve) said.
    pub error: KmsError,
    /// Who asks, and whose account is charged.
    pub principal: &'a Principal,
    /// How the call comes.
    pub connection: Connection,
    /// The encryption context, for the audit log alone.
    pub context: Option<&'a EncryptionContext>,
    /// Whether S3 calls on the principal's behalf.
    pub via_s3: bool,
}

impl<'a> Stray<'a> {
    /// A call that names `key`, over a warm connection from the same Region, not through S3, without context.
    pub fn new(
        name: &'static str,
        key: Option<&'a KeyArn>,
        error: KmsError,
        principal: &'a Principal,
    ) -> Self {
        Self { name, key, error, principal, connection: Connection::default(), context: None, via_s3: false }
    }
}

/// What a call was given: the key and the number of the material that wraps or unwraps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Granted {
    /// The key; for `ReEncrypt` the new one.
    pub key: KeyIndex,
    /// Its material.
    pub material: u32,
}

/// The answer to a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// It is done.
    Granted(Granted),
    /// The quota is used up: expected, and no error.
    Throttled(Throttled),
    /// It failed.
    Failed(KmsError),
}

impl From<Result<Granted, KmsError>> for Answer {
    fn from(result: Result<Granted, KmsError>) -> Self {
        result.map_or_else(Self::Failed, Self::Granted)
    }
}

/// The answer, when it arrives, and whether it is on the bill.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// What KMS says.
    pub answer: Answer,
    /// The instant at which the caller has it: `sim` queues it, `live` waits for it.
    pub reply_at: Timestamp,
    /// Whether the call is billed.
    pub billed: bool,
}
