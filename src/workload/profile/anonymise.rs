//! Names to keyed hashes: the same name under the same key is the same hash, and nobody without the key can try names.

use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use super::Profile;

/// The key of an anonymisation: 32 bytes from a key file.
pub struct AnonymiseKey(Zeroizing<[u8; 32]>);

impl std::fmt::Debug for AnonymiseKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("AnonymiseKey(..)")
    }
}

impl AnonymiseKey {
    /// The key `bytes`.
    pub fn new(bytes: [u8; 32]) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// Names the key without telling it: the first 8 hexadecimal digits of its hash.
    fn name(&self) -> String {
        let hash = Sha256::new().chain_update("s3seal/v1/anonymise-key").chain_update(*self.0).finalize();
        hex(&hash[..4])
    }

    fn hash(&self, kind: &str, name: &[u8]) -> [u8; 32] {
        let mut mac = Hmac::<Sha256>::new_from_slice(&*self.0).expect("HMAC takes any key");
        mac.update(kind.as_bytes());
        mac.update(&[0]);
        mac.update(name);
        mac.finalize().into_bytes().into()
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        use std::fmt::Write;
        write!(text, "{byte:02x}").expect("a string takes everything");
        text
    })
}

impl Profile {
    /// Replaces buckets, prefixes, objects and requesters by HMAC-SHA-256 under `key`, cut to 64 bits. A profile that is
    /// anonymised already keeps its hashes.
    ///
    /// Counts, times and sizes stay: who knows the load may still recognise it.
    pub fn anonymise(&mut self, key: &AnonymiseKey) {
        if self.anonymised.is_some() {
            return;
        }
        let rename = |kind: &'static str| {
            move |name: &str| {
                if name.is_empty() { String::new() } else { hex(&key.hash(kind, name.as_bytes())[..8]) }
            }
        };
        // The bucket's hash stays recognisable in the names below it.
        let below = |kind: &'static str| {
            move |name: &str| match name.split_once('/') {
                Some((bucket, rest)) => {
                    format!("{}/{}", rename("bucket")(bucket), rename(kind)(&format!("{bucket}/{rest}")))
                }
                None => rename(kind)(name),
            }
        };
        self.buckets.rename(rename("bucket"));
        self.principals.rename(rename("principal"));
        self.prefixes.rename(below("prefix"));
        self.top_objects.rename(below("object"));
        let digest = |kind: &'static str| {
            move |digest: u64| {
                let hash = key.hash(kind, &digest.to_be_bytes());
                u64::from_be_bytes(*hash.first_chunk().expect("32 bytes"))
            }
        };
        self.objects.rename(digest("object digest"));
        self.requesters.rename(digest("requester digest"));
        self.anonymised = Some(key.name());
    }
}
