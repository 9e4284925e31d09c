//! A KMS of one account for the tests of the model: its keys, its calls, its real wrapping.

use jiff::civil::{Date, date};
use s3seal::envelope::{DataKey, EncryptionContext, KeyArn, WrappedKey};
use s3seal::kms::{
    Answer, BlobHeader, Call, Change, Grantee, KeyIndex, KeyKind, Keyring, KmsError, Model, Operation, Pool,
    Reply, ServiceTimes, ThrottleRule,
};
use s3seal::request::Principal;
use s3seal::units::{Seed, Span, Stream, Timestamp};

pub(crate) const OWNER: &str = "111122223333";
pub(crate) const FOREIGN: &str = "444455556666";
pub(crate) const TODAY: Date = date(2026, 11, 24);
pub(crate) const GENERATE: Operation = Operation::GenerateDataKey;
pub(crate) const ENCRYPT: Operation = Operation::Encrypt { bytes: 32 };
pub(crate) const DECRYPT: Operation = Operation::Decrypt { material: 0, named: None };

pub(crate) const fn day(days: u64) -> Timestamp {
    Timestamp::from_seconds(days * 86_400)
}

pub(crate) fn arn(number: u32) -> KeyArn {
    format!("arn:aws:kms:eu-west-2:{OWNER}:key/{number:08x}-12ab-34cd-56ef-1234567890ab").parse().unwrap()
}

pub(crate) fn owner() -> Principal {
    Principal::new(OWNER, "writer", "session")
}

/// A KMS of one account with a quota and a service time of 1 ms.
pub(crate) struct House {
    pub(crate) model: Model,
    pub(crate) ring: Keyring,
    pub(crate) stream: Stream,
    keys: u32,
}

impl House {
    pub(crate) fn new(per_second: u32, on: Date) -> Self {
        let times = ServiceTimes::constant(Span::from_millis(1)).unwrap();
        let mut model = Model::new("eu-west-2", on).unwrap().with_service_times(times);
        let pool = Pool::new(ThrottleRule::FixedWindow { per_second }).unwrap();
        model.add_account(OWNER, pool).unwrap();
        Self { model, ring: Keyring::new(), stream: Seed(1).stream("kms", 0), keys: 0 }
    }

    pub(crate) fn key(&mut self, kind: KeyKind) -> KeyIndex {
        self.keys += 1;
        let allowed = vec![Grantee::Account(OWNER.into())];
        self.model.add_key(arn(self.keys), kind, allowed, Timestamp::ZERO).unwrap()
    }

    pub(crate) fn call(&mut self, operation: Operation, key: KeyIndex, now: Timestamp) -> Reply {
        self.model.call(&Call::new(operation, key, &owner()), now, &mut self.stream)
    }

    /// How many of so many calls pass in one second.
    pub(crate) fn passed(&mut self, operation: Operation, calls: u32, key: KeyIndex) -> u32 {
        let pass = |_: &u32| matches!(self.call(operation, key, Timestamp::ZERO).answer, Answer::Granted(_));
        u32::try_from((0..calls).filter(pass).count()).unwrap()
    }

    pub(crate) fn change(&mut self, key: KeyIndex, change: Change, now: Timestamp) -> Answer {
        self.model.change(&owner(), key, change, now, &mut self.stream).answer
    }

    pub(crate) fn generate(
        &mut self,
        key: KeyIndex,
        now: Timestamp,
    ) -> Result<(DataKey, WrappedKey), KmsError> {
        match self.call(GENERATE, key, now).answer {
            Answer::Granted(granted) => {
                Ok(self.ring.generate_data_key(&self.model.header(granted), &context()).unwrap())
            }
            Answer::Failed(error) => Err(error),
            Answer::Throttled(throttled) => panic!("{throttled:?}"),
        }
    }

    pub(crate) fn open(&mut self, blob: &WrappedKey, now: Timestamp) -> Result<DataKey, KmsError> {
        let (key, material) = self.model.resolve(&BlobHeader::of(blob)?)?;
        match self.call(Operation::Decrypt { material, named: None }, key, now).answer {
            Answer::Granted(_) => self.ring.decrypt_data_key(blob, &context()),
            Answer::Failed(error) => Err(error),
            Answer::Throttled(throttled) => panic!("{throttled:?}"),
        }
    }
}

pub(crate) fn context() -> EncryptionContext {
    EncryptionContext::of_bucket("bucket").unwrap()
}
