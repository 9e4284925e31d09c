//! The slot of the client's envelopes: `SseKms` with the whole context, and for a store padded to one header length.

use crate::envelope::{EncryptionContext, KeyArn, Slot, header_bytes};

use super::request::{CachedKey, KeyRequest};

/// Bytes of every header that [`SealedStore`](super::SealedStore) writes: so the plaintext's length follows from the stored one,
/// without reading the object. Fits AWS's ARN (75 bytes), its wrapped key (184) and 620 bytes of context.
pub const STORE_HEADER_BYTES: usize = 1_024;

/// The pair that fills a header up. It is stored, under the slot's tag as everything there, and KMS never sees it.
pub const PAD_KEY: &str = "s3seal:pad";

/// What a pair adds to canonical bytes beside key and value: their lengths.
const PAIR_BYTES: usize = 4;

/// A slot that no header of [`STORE_HEADER_BYTES`] can hold.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "header of an object under {key} would be {bytes} bytes: expected at most {most}; shorten the encryption context"
)]
pub struct HeaderTooLong {
    /// The KMS key.
    pub key: KeyArn,
    /// Bytes of the header without padding.
    pub bytes: usize,
    /// Most bytes that leave room for the padding.
    pub most: usize,
}

/// The slot of an object of a store: its header is [`STORE_HEADER_BYTES`] long.
pub(super) fn padded(key: &CachedKey, request: &KeyRequest) -> Result<Slot, HeaderTooLong> {
    let slot = key.slot(request);
    let bytes = header_bytes(&slot);
    let most = STORE_HEADER_BYTES - PAIR_BYTES - PAD_KEY.len();
    let Slot::SseKms { key, wrapped, context } = slot else { unreachable!("the client's slots are SseKms") };
    if bytes == STORE_HEADER_BYTES {
        return Ok(Slot::SseKms { key, wrapped, context });
    }
    if bytes > most {
        return Err(HeaderTooLong { key, bytes, most });
    }
    let pad = EncryptionContext::new([(PAD_KEY, ".".repeat(most - bytes))]);
    let padded = pad.and_then(|pad| context.with(&pad));
    // Only a context that has the pair itself, or is nearly as long as a context may be, cannot take it.
    let context = padded.map_err(|_| HeaderTooLong { key: key.clone(), bytes, most })?;
    Ok(Slot::SseKms { key, wrapped, context })
}

/// Whether `stored` is `context`, apart from padding.
pub(super) fn is_context_of(stored: &EncryptionContext, context: &EncryptionContext) -> bool {
    stored == context
        || context.value(PAD_KEY).is_none()
            && stored.iter().filter(|(key, _)| *key != PAD_KEY).eq(context.iter())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn padding_is_no_part_of_the_context_and_everything_else_is() {
        let context = |pairs: &[(&str, &str)]| EncryptionContext::new(pairs.iter().copied()).unwrap();
        let (one, padded) = (context(&[("a", "1")]), context(&[("a", "1"), (PAD_KEY, "..")]));
        assert!(is_context_of(&one, &one) && is_context_of(&padded, &one));
        assert!(!is_context_of(&one, &padded), "a caller's own pair of that name must be there");
        assert!(!is_context_of(&context(&[("a", "2"), (PAD_KEY, "..")]), &one));
        assert!(!is_context_of(&context(&[("a", "1"), ("b", "")]), &one));
        assert!(!is_context_of(&EncryptionContext::empty(), &one));
    }
}
