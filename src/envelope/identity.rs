//! `Identity`: what an envelope belongs to. Bound into its keys, not stored in it.

/// The name under which an object is sealed and must be opened again.
///
/// An envelope moved to another name does not open. The bytes are `kind ‖ (length u32 ‖ bytes)*`, so that no two
/// names share them.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Identity(Vec<u8>);

impl Identity {
    /// An object of a bucket.
    pub fn object(bucket: &str, key: &str) -> Self {
        Self::of(1, &[bucket, key])
    }

    /// The parts and the manifest of one multipart upload.
    pub fn upload(bucket: &str, key: &str, upload_id: &str) -> Self {
        Self::of(2, &[bucket, key, upload_id])
    }

    /// Whatever text the caller knows an object by; empty for none.
    pub fn text(name: &str) -> Self {
        Self::of(3, &[name])
    }

    fn of(kind: u8, words: &[&str]) -> Self {
        let mut bytes = Vec::with_capacity(1 + words.iter().map(|word| 4 + word.len()).sum::<usize>());
        bytes.push(kind);
        for word in words {
            let length = u32::try_from(word.len()).expect("a name is shorter than 4 GiB");
            bytes.extend_from_slice(&length.to_be_bytes());
            bytes.extend_from_slice(word.as_bytes());
        }
        Self(bytes)
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_run_together_differ() {
        assert_ne!(Identity::object("ab", "c"), Identity::object("a", "bc"));
        assert_ne!(Identity::object("a", "b"), Identity::upload("a", "b", ""));
        assert_ne!(Identity::text(""), Identity::object("", ""));
    }
}
