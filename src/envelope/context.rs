//! `EncryptionContext`: the string pairs that KMS binds to a wrapped key as associated data.

use std::collections::BTreeMap;
use std::collections::btree_map;

/// Most bytes of keys and values together.
///
/// KMS documents no figure for a request; 8,192 is what the AWS SDKs and S3's header admit in practice and is
/// treated as an assumption (docs/SOURCES.md).
pub const CONTEXT_BYTES_MAX: usize = 8_192;

/// The context key under which S3 puts an object's or, with a Bucket Key, a bucket's ARN.
pub const S3_ARN_KEY: &str = "aws:s3:arn";

/// A context that breaks a rule.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ContextError {
    /// A pair has an empty key.
    #[error("encryption context has an empty key: every key needs at least one character")]
    EmptyKey,
    /// Two pairs bear one key.
    #[error("encryption context names `{key}` twice: keys are unique")]
    Repeated {
        /// The repeated key.
        key: String,
    },
    /// Too long in total.
    #[error("encryption context is {bytes} bytes of keys and values: the limit is {CONTEXT_BYTES_MAX}")]
    TooLong {
        /// Bytes of all keys and values.
        bytes: usize,
    },
    /// A bucket without a name. How long a name may be is not judged: it differs from store to store.
    #[error("the bucket has an empty name: an encryption context names a bucket by at least one character")]
    NoBucket,
    /// Canonical bytes that are not in canonical form.
    #[error("encryption context bytes are malformed: {expected}")]
    Malformed {
        /// What was expected.
        expected: &'static str,
    },
}

/// String pairs in the order of their keys. Equal contexts have equal canonical bytes and no others do.
///
/// Matching is exact and case-sensitive and does not depend on the order in which pairs were given, as in KMS.
/// Not secret: it stands in audit logs in clear.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EncryptionContext(BTreeMap<String, String>);

impl EncryptionContext {
    /// No pairs.
    pub const fn empty() -> Self {
        Self(BTreeMap::new())
    }

    /// The context of these pairs.
    ///
    /// # Errors
    /// [`ContextError`] for an empty or repeated key, or more than [`CONTEXT_BYTES_MAX`] bytes.
    pub fn new<K: Into<String>, V: Into<String>>(
        pairs: impl IntoIterator<Item = (K, V)>,
    ) -> Result<Self, ContextError> {
        let mut map = BTreeMap::new();
        let mut bytes = 0;
        for (key, value) in pairs {
            let (key, value) = (key.into(), value.into());
            if key.is_empty() {
                return Err(ContextError::EmptyKey);
            }
            bytes += key.len() + value.len();
            if map.contains_key(&key) {
                return Err(ContextError::Repeated { key });
            }
            map.insert(key, value);
        }
        if bytes > CONTEXT_BYTES_MAX {
            return Err(ContextError::TooLong { bytes });
        }
        Ok(Self(map))
    }

    /// S3's own context of an object without a Bucket Key: `aws:s3:arn = arn:aws:s3:::BUCKET/KEY`.
    ///
    /// # Errors
    /// [`ContextError::NoBucket`] and [`ContextError::TooLong`].
    pub fn of_object(bucket: &str, key: &str) -> Result<Self, ContextError> {
        Self::new([(S3_ARN_KEY, format!("{}/{key}", bucket_arn(bucket)?))])
    }

    /// S3's own context under a Bucket Key: `aws:s3:arn = arn:aws:s3:::BUCKET`.
    ///
    /// # Errors
    /// [`ContextError::NoBucket`] and [`ContextError::TooLong`].
    pub fn of_bucket(bucket: &str) -> Result<Self, ContextError> {
        Self::new([(S3_ARN_KEY, bucket_arn(bucket)?)])
    }

    /// This context and the pairs of `more`.
    ///
    /// # Errors
    /// [`ContextError`] when a key stands in both or the sum is too long.
    pub fn with(&self, more: &Self) -> Result<Self, ContextError> {
        Self::new(self.iter().chain(more.iter()))
    }

    /// The value under `key`.
    pub fn value(&self, key: &str) -> Option<&str> {
        self.0.get(key).map(String::as_str)
    }

    /// Whether there are no pairs.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Number of pairs.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Pairs in the byte order of their keys.
    pub fn iter(&self) -> Pairs<'_> {
        Pairs(self.0.iter())
    }

    /// The canonical bytes: `count u16 ‖ (key length u16 ‖ key ‖ value length u16 ‖ value)*`, big-endian, in the
    /// byte order of the keys. Length: 2 + Σ (4 + |key| + |value|).
    pub fn canonical_bytes(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.canonical_len());
        self.write_canonical(&mut |bytes| out.extend_from_slice(bytes));
        out
    }

    /// Length of [`Self::canonical_bytes`].
    pub(crate) fn canonical_len(&self) -> usize {
        2 + self.0.iter().map(|(k, v)| 4 + k.len() + v.len()).sum::<usize>()
    }

    /// Gives the canonical bytes to `put`, piece by piece.
    pub(crate) fn write_canonical(&self, put: &mut impl FnMut(&[u8])) {
        // Fits: CONTEXT_BYTES_MAX < 2¹⁶ bounds every length, and every key has at least one byte.
        let length = |n: usize| u16::try_from(n).expect("bounded by CONTEXT_BYTES_MAX").to_be_bytes();
        put(&length(self.0.len()));
        for (key, value) in &self.0 {
            put(&length(key.len()));
            put(key.as_bytes());
            put(&length(value.len()));
            put(value.as_bytes());
        }
    }

    /// The inverse of [`Self::canonical_bytes`]; whatever is not in canonical form is refused.
    ///
    /// # Errors
    /// [`ContextError`].
    pub fn from_canonical_bytes(bytes: &[u8]) -> Result<Self, ContextError> {
        fn text<'a>(rest: &mut &'a [u8]) -> Result<&'a str, ContextError> {
            const SHORT: ContextError = ContextError::Malformed { expected: "a length and as many bytes" };
            let (length, tail) = rest.split_first_chunk::<2>().ok_or(SHORT)?;
            let (word, tail) = tail.split_at_checked(u16::from_be_bytes(*length).into()).ok_or(SHORT)?;
            *rest = tail;
            std::str::from_utf8(word).map_err(|_| ContextError::Malformed { expected: "UTF-8 text" })
        }
        let (count, mut rest) = bytes
            .split_first_chunk::<2>()
            .ok_or(ContextError::Malformed { expected: "a count of pairs in two bytes" })?;
        let mut pairs: Vec<(&str, &str)> = Vec::new();
        for _ in 0..u16::from_be_bytes(*count) {
            let pair = (text(&mut rest)?, text(&mut rest)?);
            if pairs.last().is_some_and(|last| last.0 >= pair.0) {
                return Err(ContextError::Malformed { expected: "keys in strictly ascending byte order" });
            }
            pairs.push(pair);
        }
        if !rest.is_empty() {
            return Err(ContextError::Malformed { expected: "nothing after the last pair" });
        }
        Self::new(pairs)
    }
}

fn bucket_arn(bucket: &str) -> Result<String, ContextError> {
    if bucket.is_empty() {
        return Err(ContextError::NoBucket);
    }
    Ok(format!("arn:aws:s3:::{bucket}"))
}

/// Iterator over the pairs of a context, in the byte order of their keys.
#[derive(Clone, Debug)]
pub struct Pairs<'a>(btree_map::Iter<'a, String, String>);

impl<'a> Iterator for Pairs<'a> {
    type Item = (&'a str, &'a str);
    fn next(&mut self) -> Option<Self::Item> {
        self.0.next().map(|(k, v)| (k.as_str(), v.as_str()))
    }
}

impl<'a> IntoIterator for &'a EncryptionContext {
    type Item = (&'a str, &'a str);
    type IntoIter = Pairs<'a>;
    fn into_iter(self) -> Pairs<'a> {
        self.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn canonical_bytes_do_not_depend_on_the_order_given() {
        let one = EncryptionContext::new([("a", "1"), ("b", "2")]).unwrap();
        let two = EncryptionContext::new([("b", "2"), ("a", "1")]).unwrap();
        assert_eq!(one.canonical_bytes(), two.canonical_bytes());
        assert_eq!(one.canonical_bytes(), b"\0\x02\0\x01a\0\x011\0\x01b\0\x012");
        assert_eq!(EncryptionContext::from_canonical_bytes(&one.canonical_bytes()).unwrap(), one);
    }

    #[test]
    fn pairs_that_run_together_have_other_bytes() {
        let one = EncryptionContext::new([("ab", "c")]).unwrap();
        let two = EncryptionContext::new([("a", "bc")]).unwrap();
        assert_ne!(one.canonical_bytes(), two.canonical_bytes());
    }

    #[test]
    fn a_bucket_has_a_name() {
        assert_eq!(EncryptionContext::of_bucket(""), Err(ContextError::NoBucket));
        assert_eq!(EncryptionContext::of_object("", "key"), Err(ContextError::NoBucket));
        let of_object = EncryptionContext::of_object("b", "").unwrap();
        assert_eq!(of_object.value(S3_ARN_KEY), Some("arn:aws:s3:::b/"));
    }

    #[test]
    fn the_limit_is_exact() {
        let value = |n: usize| "v".repeat(n);
        assert!(EncryptionContext::new([("k", value(CONTEXT_BYTES_MAX - 1))]).is_ok());
        assert_eq!(
            EncryptionContext::new([("k", value(CONTEXT_BYTES_MAX))]),
            Err(ContextError::TooLong { bytes: CONTEXT_BYTES_MAX + 1 })
        );
    }

    #[test]
    fn bytes_out_of_canonical_form_are_refused() {
        for bytes in [
            &b""[..],
            b"\0\x01",
            b"\0\x01\0\x01a\0\x011x",
            b"\0\x02\0\x01b\0\x012\0\x01a\0\x011",
            b"\0\x02\0\x01a\0\x012\0\x01a\0\x011",
            b"\0\x01\0\0\0\0",
            b"\0\x01\0\x01\xff\0\0",
            b"\xff\xff\xff\xff",
        ] {
            assert!(EncryptionContext::from_canonical_bytes(bytes).is_err(), "{bytes:?}");
        }
    }

    #[test]
    fn empty_and_repeated_keys_are_refused() {
        assert_eq!(EncryptionContext::new([("", "x")]), Err(ContextError::EmptyKey));
        let twice = EncryptionContext::new([("a", "1"), ("a", "1")]);
        assert_eq!(twice, Err(ContextError::Repeated { key: "a".into() }));
    }
}
