//! `ModelService`: the KMS model as a key service, with real wrapping, its replies waited for.

use std::fmt;

use parking_lot::{Mutex, RwLock};
use tokio::time::sleep;

use super::clock::Clock;
use super::service::{Decrypt, GenerateDataKey, GeneratedKey, KeyService, ServiceError};
use crate::envelope::{DataKey, EncryptionContext, KeyArn};
use crate::kms::{
    Answer, BlobHeader, Call, Change, Fault, Granted, Grantee, KeyIndex, KeyKind, Keyring, KmsError, Model,
    Operation, Pool, Quota, QuotaError, Reply,
};
use crate::request::Principal;
use crate::units::{Seed, Stream, Timestamp};

/// KMS on your machine: [`Model`] decides about admission, key states, faults and the instant of each reply; the data keys and
/// their wrapping are real. For tests, drills and demonstrations without an account. What it wraps opens as long as it lives.
pub struct ModelService {
    model: RwLock<Model>,
    keyring: Keyring,
    stream: Mutex<Stream>,
    clock: Clock,
}

impl fmt::Debug for ModelService {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ModelService").finish_non_exhaustive()
    }
}

/// A KMS that cannot be set up.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ModelServiceError {
    /// The Region or its quota.
    #[error(transparent)]
    Quota(#[from] QuotaError),
    /// The key.
    #[error(transparent)]
    Key(#[from] KmsError),
}

impl ModelService {
    /// `model` on `clock`, which should be that of the cache. `seed` spreads service times and faults; keys come from the
    /// operating system.
    pub fn new(model: Model, clock: Clock, seed: Seed) -> Self {
        let stream = Mutex::new(seed.stream("client-kms", 0));
        Self { model: RwLock::new(model), keyring: Keyring::new(), stream, clock }
    }

    /// One key, which its own account may use, in its Region under the Region's quota of 24 November 2026.
    ///
    /// # Errors
    /// [`ModelServiceError`] for a Region without a known quota.
    pub fn of_one_key(key: &KeyArn) -> Result<Self, ModelServiceError> {
        let on = jiff::civil::date(2026, 11, 24);
        let mut model = Model::new(key.region(), on)?;
        let quota = Quota::for_region(key.region(), on)?;
        model.add_account(key.account(), Pool::new(quota.rule())?)?;
        let allowed = vec![Grantee::Account(key.account().into())];
        model.add_key(key.clone(), KeyKind::Customer, allowed, Timestamp::ZERO)?;
        Ok(Self::new(model, Clock::boot(), Seed(0)))
    }

    /// On another clock.
    #[must_use]
    pub fn with_clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }

    /// Changes a key now, as its administrator: disable it, enable it, schedule its deletion.
    ///
    /// # Errors
    /// [`KmsError::NotFound`], or what KMS says to the change.
    pub fn change(&self, key: &KeyArn, change: Change) -> Result<(), KmsError> {
        let now = self.clock.now();
        let mut model = self.model.write();
        let index = model.find(key)?;
        let owner = Principal::new(key.account(), "administrator", "");
        match model.change(&owner, index, change, now, &mut self.stream.lock()).answer {
            Answer::Granted(_) => Ok(()),
            Answer::Failed(error) => Err(error),
            Answer::Throttled(_) => Err(KmsError::Internal),
        }
    }

    /// Puts a fault on the schedule.
    ///
    /// # Errors
    /// [`QuotaError`] as for [`Model::add_fault`].
    pub fn add_fault(&self, fault: Fault) -> Result<(), QuotaError> {
        self.model.write().add_fault(fault)
    }

    /// The key that `arn` names, for a call of `principal`. Of keys in other accounts KMS says no more than that they may not
    /// be used: whether there is one stays its owner's business.
    fn find(&self, arn: &KeyArn, principal: &Principal, action: &str) -> Result<KeyIndex, KmsError> {
        self.model.read().find(arn).map_err(|error| match error {
            KmsError::NotFound { key } if key.account() != principal.account() => KmsError::AccessDenied {
                principal: principal.to_string(),
                action: format!("kms:{action}"),
                key,
            },
            error => error,
        })
    }

    fn ask(
        &self,
        operation: Operation,
        key: KeyIndex,
        principal: &Principal,
        context: &EncryptionContext,
    ) -> Reply {
        let now = self.clock.now();
        let call = Call { context: Some(context), ..Call::new(operation, key, principal) };
        self.model.read().call(&call, now, &mut self.stream.lock())
    }

    /// Waits for the reply, and what it grants.
    async fn reply(&self, reply: Reply) -> Result<Granted, ServiceError> {
        sleep(reply.reply_at.since(self.clock.now()).into()).await;
        match reply.answer {
            Answer::Granted(granted) => Ok(granted),
            Answer::Throttled(throttled) => Err(ServiceError::of_aws(&throttled.at_kms(), None)),
            Answer::Failed(error) => Err(refusal(&error)),
        }
    }
}

fn refusal(error: &KmsError) -> ServiceError {
    ServiceError::of_aws(&error.at_kms(), None)
}

impl KeyService for ModelService {
    async fn generate_data_key(&self, call: GenerateDataKey<'_>) -> Result<GeneratedKey, ServiceError> {
        let operation = Operation::GenerateDataKey;
        let found = self.find(call.key, call.principal, operation.as_str());
        let key = found.map_err(|error| refusal(&error))?;
        let reply = self.ask(operation, key, call.principal, call.context);
        let granted = self.reply(reply).await?;
        let header = self.model.read().header(granted);
        let (key, wrapped) = self
            .keyring
            .generate_data_key(&header, call.context)
            .map_err(|error| ServiceError::Unavailable { message: error.to_string() })?;
        Ok(GeneratedKey { key, wrapped })
    }

    async fn decrypt(&self, call: Decrypt<'_>) -> Result<DataKey, ServiceError> {
        let resolved = || {
            let named = self.find(call.key, call.principal, "Decrypt")?;
            let (key, material) = self.model.read().resolve(&BlobHeader::of(call.wrapped)?)?;
            Ok((key, Operation::Decrypt { material, named: Some(named) }))
        };
        let (key, operation) = resolved().map_err(|error: KmsError| refusal(&error))?;
        let reply = self.ask(operation, key, call.principal, call.context);
        self.reply(reply).await?;
        self.keyring.decrypt_data_key(call.wrapped, call.context).map_err(|error| refusal(&error))
    }
}
