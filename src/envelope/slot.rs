//! The slot: where an object's data key comes from. Replaceable without touching the body.

use super::arn::KeyArn;
use super::context::EncryptionContext;
use super::core::Suite;
use super::error::OpenError;
use super::key::WrappedKey;

/// Bytes of the length field in front of a slot.
pub(crate) const SLOT_PREFIX_BYTES: usize = 2;

/// Mode, KMS key, wrapped keys and extra context of an object. Not secret.
///
/// Encoded as `length u16 ‖ mode u8 ‖ fields`, each field of variable length behind its `length u16`; big-endian.
/// The context holds the pairs beyond `aws:s3:arn`, which follows from the object's name: leave that pair out.
///
/// The wrapped keys are the caller's word: sealing and rewrapping cannot look into them, and an envelope whose slot
/// wraps another key than it was sealed under opens for nobody who has only the slot.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Slot {
    /// SSE-S3: the data key under a root key of the service.
    SseS3 {
        /// Version of the root key.
        root_version: u32,
        /// The data key under it.
        wrapped: WrappedKey,
    },
    /// SSE-KMS: the data key under a KMS key.
    SseKms {
        /// The KMS key.
        key: KeyArn,
        /// The data key under it.
        wrapped: WrappedKey,
        /// Extra context pairs.
        context: EncryptionContext,
    },
    /// SSE-KMS with a Bucket Key: the data key under the Bucket Key, that under a KMS key.
    SseKmsBucketKey {
        /// The KMS key.
        key: KeyArn,
        /// Which generation of the Bucket Key.
        generation: u64,
        /// The Bucket Key under the KMS key.
        wrapped_bucket_key: WrappedKey,
        /// The data key under the Bucket Key.
        wrapped: WrappedKey,
        /// Extra context pairs.
        context: EncryptionContext,
    },
    /// DSSE-KMS: the inner data key under a KMS key, the outer one under a root key of the service.
    DsseKms {
        /// The KMS key.
        key: KeyArn,
        /// The inner data key under it.
        wrapped_inner: WrappedKey,
        /// Version of the root key.
        root_version: u32,
        /// The outer data key under the root key.
        wrapped_outer: WrappedKey,
        /// Extra context pairs.
        context: EncryptionContext,
    },
    /// SSE-C: no key is stored.
    SseC,
}

impl Slot {
    /// The mode's name, as in reports.
    pub const fn mode(&self) -> &'static str {
        match self {
            Self::SseS3 { .. } => "sse-s3",
            Self::SseKms { .. } => "sse-kms",
            Self::SseKmsBucketKey { .. } => "sse-kms-bucket-key",
            Self::DsseKms { .. } => "dsse-kms",
            Self::SseC => "sse-c",
        }
    }

    /// Layers of the body that this slot has keys for.
    pub const fn suite(&self) -> Suite {
        match self {
            Self::DsseKms { .. } => Suite::Double,
            _ => Suite::Single,
        }
    }

    const fn tag(&self) -> u8 {
        match self {
            Self::SseS3 { .. } => 1,
            Self::SseKms { .. } => 2,
            Self::SseKmsBucketKey { .. } => 3,
            Self::DsseKms { .. } => 4,
            Self::SseC => 5,
        }
    }

    /// Bytes of the encoded slot with its length field.
    pub(crate) fn encoded_len(&self) -> usize {
        let blob = |wrapped: &WrappedKey| 2 + wrapped.as_bytes().len();
        let named =
            |key: &KeyArn, context: &EncryptionContext| 2 + key.as_str().len() + 2 + context.canonical_len();
        let fields = match self {
            Self::SseS3 { wrapped, .. } => 4 + blob(wrapped),
            Self::SseKms { key, wrapped, context } => named(key, context) + blob(wrapped),
            Self::SseKmsBucketKey { key, wrapped_bucket_key, wrapped, context, .. } => {
                named(key, context) + 8 + blob(wrapped_bucket_key) + blob(wrapped)
            }
            Self::DsseKms { key, wrapped_inner, wrapped_outer, context, .. } => {
                named(key, context) + blob(wrapped_inner) + 4 + blob(wrapped_outer)
            }
            Self::SseC => 0,
        };
        SLOT_PREFIX_BYTES + 1 + fields
    }

    /// Writes the encoded slot, [`Self::encoded_len`] bytes, to the front of `out`.
    pub(crate) fn encode(&self, out: &mut [u8]) {
        let mut at = 0;
        let mut put = |bytes: &[u8]| {
            out[at..at + bytes.len()].copy_from_slice(bytes);
            at += bytes.len();
        };
        // At most 3 + 2,050 + 8 + 2 · 6,146 + 2 + 40,962 bytes: the fields' own limits keep every length below 2¹⁶.
        put(&u16_of(self.encoded_len() - SLOT_PREFIX_BYTES));
        put(&[self.tag()]);
        match self {
            Self::SseS3 { root_version, wrapped } => {
                put(&root_version.to_be_bytes());
                put_field(&mut put, wrapped.as_bytes());
            }
            Self::SseKms { key, wrapped, context } => {
                put_field(&mut put, key.as_str().as_bytes());
                put_field(&mut put, wrapped.as_bytes());
                put_context(&mut put, context);
            }
            Self::SseKmsBucketKey { key, generation, wrapped_bucket_key, wrapped, context } => {
                put_field(&mut put, key.as_str().as_bytes());
                put(&generation.to_be_bytes());
                put_field(&mut put, wrapped_bucket_key.as_bytes());
                put_field(&mut put, wrapped.as_bytes());
                put_context(&mut put, context);
            }
            Self::DsseKms { key, wrapped_inner, root_version, wrapped_outer, context } => {
                put_field(&mut put, key.as_str().as_bytes());
                put_field(&mut put, wrapped_inner.as_bytes());
                put(&root_version.to_be_bytes());
                put_field(&mut put, wrapped_outer.as_bytes());
                put_context(&mut put, context);
            }
            Self::SseC => {}
        }
        debug_assert_eq!(at, self.encoded_len());
    }

    /// The slot whose bytes after the length field are `bytes`.
    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, OpenError> {
        let mut fields = Fields(bytes);
        let slot = match fields.u8("slot mode")? {
            1 => Self::SseS3 { root_version: fields.u32("root key version")?, wrapped: fields.wrapped()? },
            2 => Self::SseKms { key: fields.arn()?, wrapped: fields.wrapped()?, context: fields.context()? },
            3 => Self::SseKmsBucketKey {
                key: fields.arn()?,
                generation: fields.u64("Bucket Key generation")?,
                wrapped_bucket_key: fields.wrapped()?,
                wrapped: fields.wrapped()?,
                context: fields.context()?,
            },
            4 => Self::DsseKms {
                key: fields.arn()?,
                wrapped_inner: fields.wrapped()?,
                root_version: fields.u32("root key version")?,
                wrapped_outer: fields.wrapped()?,
                context: fields.context()?,
            },
            5 => Self::SseC,
            other => return Err(malformed("slot mode", other.to_string(), "1 to 5")),
        };
        match fields.0 {
            [] => Ok(slot),
            rest => Err(malformed("end of the slot", bytes_of(rest.len()), "nothing behind its last field")),
        }
    }
}

fn malformed(field: &'static str, value: String, expected: &'static str) -> OpenError {
    OpenError::Malformed { field, value, expected }
}

fn bytes_of(count: usize) -> String {
    format!("{count} bytes")
}

fn u16_of(length: usize) -> [u8; 2] {
    u16::try_from(length).expect("bounded by the limits of the fields").to_be_bytes()
}

fn put_field(put: &mut impl FnMut(&[u8]), bytes: &[u8]) {
    put(&u16_of(bytes.len()));
    put(bytes);
}

fn put_context(put: &mut impl FnMut(&[u8]), context: &EncryptionContext) {
    put(&u16_of(context.canonical_len()));
    context.write_canonical(put);
}

/// Reads fields off the front; every length is checked against what is there.
struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    fn array<const N: usize>(&mut self, field: &'static str) -> Result<[u8; N], OpenError> {
        let (head, rest) = self
            .0
            .split_first_chunk::<N>()
            .ok_or_else(|| malformed(field, bytes_of(self.0.len()), "more: the slot ends there"))?;
        self.0 = rest;
        Ok(*head)
    }

    fn u8(&mut self, field: &'static str) -> Result<u8, OpenError> {
        Ok(self.array::<1>(field)?[0])
    }

    fn u32(&mut self, field: &'static str) -> Result<u32, OpenError> {
        self.array(field).map(u32::from_be_bytes)
    }

    fn u64(&mut self, field: &'static str) -> Result<u64, OpenError> {
        self.array(field).map(u64::from_be_bytes)
    }

    fn bytes(&mut self, field: &'static str) -> Result<&'a [u8], OpenError> {
        let length = u16::from_be_bytes(self.array(field)?);
        let (head, rest) = self
            .0
            .split_at_checked(length.into())
            .ok_or_else(|| malformed(field, bytes_of(length.into()), "no more than the slot has left"))?;
        self.0 = rest;
        Ok(head)
    }

    fn arn(&mut self) -> Result<KeyArn, OpenError> {
        let bytes = self.bytes("KMS key ARN")?;
        let arn = std::str::from_utf8(bytes).ok().and_then(|text| text.parse().ok());
        let shown = || format!("{:?}", String::from_utf8_lossy(bytes).chars().take(80).collect::<String>());
        arn.ok_or_else(|| malformed("KMS key ARN", shown(), "arn:PARTITION:kms:REGION:ACCOUNT:key/KEY-ID"))
    }

    fn wrapped(&mut self) -> Result<WrappedKey, OpenError> {
        let bytes = self.bytes("wrapped key")?;
        WrappedKey::new(bytes)
            .map_err(|_| malformed("wrapped key", bytes_of(bytes.len()), "1 to 6,144 bytes"))
    }

    fn context(&mut self) -> Result<EncryptionContext, OpenError> {
        let bytes = self.bytes("encryption context")?;
        EncryptionContext::from_canonical_bytes(bytes)
            .map_err(|_| malformed("encryption context", bytes_of(bytes.len()), "pairs in canonical form"))
    }
}

#[cfg(test)]
mod tests {
    use super::super::context::CONTEXT_BYTES_MAX;
    use super::super::key::WRAPPED_KEY_BYTES_MAX;
    use super::*;

    fn slots(context: &EncryptionContext, blob: usize) -> Vec<Slot> {
        let key: KeyArn =
            "arn:aws:kms:eu-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab".parse().unwrap();
        let wrapped = |fill: u8| WrappedKey::new(vec![fill; blob]).unwrap();
        vec![
            Slot::SseS3 { root_version: 7, wrapped: wrapped(1) },
            Slot::SseKms { key: key.clone(), wrapped: wrapped(2), context: context.clone() },
            Slot::SseKmsBucketKey {
                key: key.clone(),
                generation: 1 << 40,
                wrapped_bucket_key: wrapped(3),
                wrapped: wrapped(4),
                context: context.clone(),
            },
            Slot::DsseKms {
                key,
                wrapped_inner: wrapped(5),
                root_version: 9,
                wrapped_outer: wrapped(6),
                context: context.clone(),
            },
            Slot::SseC,
        ]
    }

    #[test]
    fn every_slot_decodes_to_what_was_encoded_also_at_its_longest() {
        let small = EncryptionContext::new([("team", "blue")]).unwrap();
        // Many short pairs make the canonical form longest for its limit.
        let many =
            EncryptionContext::new((0..CONTEXT_BYTES_MAX / 4).map(|i| (format!("{i:04}"), ""))).unwrap();
        for slot in slots(&small, 80).into_iter().chain(slots(&many, WRAPPED_KEY_BYTES_MAX)) {
            let mut bytes = vec![0; slot.encoded_len()];
            slot.encode(&mut bytes);
            let length = u16::from_be_bytes([bytes[0], bytes[1]]);
            assert_eq!(usize::from(length), bytes.len() - 2);
            assert_eq!(Slot::decode(&bytes[2..]), Ok(slot));
        }
    }

    #[test]
    fn every_truncation_and_every_extension_of_a_slot_is_refused() {
        for slot in slots(&EncryptionContext::new([("a", "b")]).unwrap(), 80) {
            let mut bytes = vec![0; slot.encoded_len()];
            slot.encode(&mut bytes);
            for length in 2..bytes.len() {
                assert!(Slot::decode(&bytes[2..length]).is_err(), "{} cut at {length}", slot.mode());
            }
            bytes.push(0);
            assert!(Slot::decode(&bytes[2..]).is_err(), "{} with a byte more", slot.mode());
        }
    }
}
