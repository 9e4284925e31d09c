//! A key service for the tests: wraps data keys under keys of its own and makes slots of every mode.

use s3seal::envelope::*;

/// A key service of the tests: wraps data keys under keys of its own and makes slots of every mode.
pub(crate) struct Service {
    pub(crate) kms: WrappingKey,
    pub(crate) root: WrappingKey,
    pub(crate) customer: CustomerKey,
}

/// Data keys as they come out of a slot.
pub(crate) enum Held {
    One(DataKey),
    Two(DataKey, DataKey),
    Customer(CustomerKey),
}

impl Held {
    pub(crate) fn keys(&self) -> Keys<'_> {
        match self {
            Self::One(key) => Keys::One(key),
            Self::Two(inner, outer) => Keys::Two { inner, outer },
            Self::Customer(key) => Keys::Customer(key),
        }
    }
}

pub(crate) fn arn() -> KeyArn {
    "arn:aws:kms:eu-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab".parse().unwrap()
}

impl Service {
    /// Fresh keys.
    pub(crate) fn new() -> Self {
        Self {
            kms: WrappingKey::generate().unwrap(),
            root: WrappingKey::generate().unwrap(),
            customer: CustomerKey::generate().unwrap(),
        }
    }

    /// A slot of mode 0–4 (SSE-S3, SSE-KMS, Bucket Key, DSSE-KMS, SSE-C) and the data keys that stand in it.
    pub(crate) fn slot(&self, mode: usize) -> (Slot, Held) {
        let context = EncryptionContext::of_object("bucket", "key").unwrap();
        let none = EncryptionContext::empty();
        let key = DataKey::generate().unwrap();
        match mode {
            0 => (
                Slot::SseS3 { root_version: 3, wrapped: self.root.wrap(&key, &context).unwrap() },
                Held::One(key),
            ),
            1 => {
                let wrapped = self.kms.wrap(&key, &context).unwrap();
                (Slot::SseKms { key: arn(), wrapped, context: none }, Held::One(key))
            }
            2 => {
                let bucket_key = DataKey::generate().unwrap();
                let bucket = EncryptionContext::of_bucket("bucket").unwrap();
                let wrapped_bucket_key = self.kms.wrap(&bucket_key, &bucket).unwrap();
                let wrapped = WrappingKey::from_data_key(&bucket_key).wrap(&key, &context).unwrap();
                let slot = Slot::SseKmsBucketKey {
                    key: arn(),
                    generation: 9,
                    wrapped_bucket_key,
                    wrapped,
                    context: none,
                };
                (slot, Held::One(key))
            }
            3 => {
                let outer = DataKey::generate().unwrap();
                let wrapped_inner = self.kms.wrap(&key, &context).unwrap();
                let wrapped_outer = self.root.wrap(&outer, &context).unwrap();
                let slot = Slot::DsseKms {
                    key: arn(),
                    wrapped_inner,
                    root_version: 3,
                    wrapped_outer,
                    context: none,
                };
                (slot, Held::Two(key, outer))
            }
            _ => (Slot::SseC, Held::Customer(self.customer.clone())),
        }
    }

    /// The data keys of a stored header, unwrapped as a store would.
    pub(crate) fn unwrap(&self, slot: &Slot) -> Held {
        let context = EncryptionContext::of_object("bucket", "key").unwrap();
        match slot {
            Slot::SseS3 { wrapped, .. } => Held::One(self.root.unwrap(wrapped, &context).unwrap()),
            Slot::SseKms { wrapped, .. } => Held::One(self.kms.unwrap(wrapped, &context).unwrap()),
            Slot::SseKmsBucketKey { wrapped_bucket_key, wrapped, .. } => {
                let bucket = EncryptionContext::of_bucket("bucket").unwrap();
                let bucket_key = self.kms.unwrap(wrapped_bucket_key, &bucket).unwrap();
                Held::One(WrappingKey::from_data_key(&bucket_key).unwrap(wrapped, &context).unwrap())
            }
            Slot::DsseKms { wrapped_inner, wrapped_outer, .. } => Held::Two(
                self.kms.unwrap(wrapped_inner, &context).unwrap(),
                self.root.unwrap(wrapped_outer, &context).unwrap(),
            ),
            _ => Held::Customer(self.customer.clone()),
        }
    }

    /// The slot of the same mode and data keys wrapped anew: other bytes of the same length. None for SSE-C.
    pub(crate) fn rewrapped(&self, mode: usize, held: &Held) -> Option<Slot> {
        let context = EncryptionContext::of_object("bucket", "key").unwrap();
        let none = EncryptionContext::empty();
        Some(match (mode, held) {
            (0, Held::One(key)) => {
                Slot::SseS3 { root_version: 3, wrapped: self.root.wrap(key, &context).unwrap() }
            }
            (1, Held::One(key)) => {
                Slot::SseKms { key: arn(), wrapped: self.kms.wrap(key, &context).unwrap(), context: none }
            }
            (2, Held::One(key)) => {
                let bucket_key = DataKey::generate().unwrap();
                let bucket = EncryptionContext::of_bucket("bucket").unwrap();
                Slot::SseKmsBucketKey {
                    key: arn(),
                    generation: 10,
                    wrapped_bucket_key: self.kms.wrap(&bucket_key, &bucket).unwrap(),
                    wrapped: WrappingKey::from_data_key(&bucket_key).wrap(key, &context).unwrap(),
                    context: none,
                }
            }
            (3, Held::Two(inner, outer)) => Slot::DsseKms {
                key: arn(),
                wrapped_inner: self.kms.wrap(inner, &context).unwrap(),
                root_version: 4,
                wrapped_outer: self.root.wrap(outer, &context).unwrap(),
                context: none,
            },
            _ => return None,
        })
    }
}
