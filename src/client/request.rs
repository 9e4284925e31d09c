//! `KeyRequest`: what a data key is for, prepared once; `CachedKey`: the key.

use std::sync::{Arc, OnceLock};

use crate::cache::{Fingerprint, Lent, Opening, Requester};
use crate::envelope::{DataKey, EncryptionContext, KeyArn, Keys, Slot, Suite, WrappedKey};
use crate::request::Principal;
use crate::units::Timestamp;

/// All envelopes of the client have one layer.
const SUITE: u8 = Suite::Single.layers();

/// What a data key is for: KMS key, encryption context, and who asks. Made by [`DataKeyCache::request`], once for any
/// number of keys; a clone shares it.
///
/// The context is the scope of reuse: with an object's name in it every object costs a KMS call. What an object is called
/// belongs in the envelope's identity, which costs nothing to vary.
///
/// [`DataKeyCache::request`]: super::DataKeyCache::request
#[derive(Clone, Debug)]
pub struct KeyRequest(Arc<Prepared>);

/// On cache lines of its own: clones of the request write their count, every hit reads the fingerprint.
#[derive(Debug)]
#[repr(align(64))]
struct Prepared {
    key: KeyArn,
    context: EncryptionContext,
    principal: Principal,
    requester: Requester,
    encrypt: Fingerprint,
    /// Made by the first key that is opened: who only seals does not pay for it.
    decrypt: OnceLock<Opening>,
}

impl KeyRequest {
    pub(super) fn new(
        requester: Requester,
        key: KeyArn,
        context: EncryptionContext,
        principal: Principal,
    ) -> Self {
        let encrypt = Fingerprint::encrypt(&requester, &key, &context, SUITE);
        let decrypt = OnceLock::new();
        Self(Arc::new(Prepared { key, context, principal, requester, encrypt, decrypt }))
    }

    /// The KMS key.
    pub fn key(&self) -> &KeyArn {
        &self.0.key
    }

    /// The encryption context that KMS binds.
    pub fn context(&self) -> &EncryptionContext {
        &self.0.context
    }

    /// Who asks.
    pub fn principal(&self) -> &Principal {
        &self.0.principal
    }

    /// What its data keys for sealing are filed under; stands in audits ([`Used`](crate::cache::Used)).
    #[inline]
    pub fn fingerprint(&self) -> &Fingerprint {
        &self.0.encrypt
    }

    /// What the data key in `wrapped` is filed under.
    pub(super) fn fingerprint_of(&self, wrapped: &WrappedKey) -> Fingerprint {
        let Prepared { requester, key, context, decrypt, .. } = &*self.0;
        decrypt.get_or_init(|| Opening::new(requester, key, context, SUITE)).of(wrapped.as_bytes())
    }
}

/// What a KMS call brought.
#[derive(Debug)]
pub(super) struct Material {
    pub(super) key: DataKey,
    pub(super) wrapped: WrappedKey,
}

/// A data key, lent for one use: seal or open one object with it, then drop it.
///
/// It stays usable while it is held, whatever the cache drops: so holding one is outside of the revocation bound.
#[derive(Clone, Debug)]
pub struct CachedKey(pub(super) Lent<Material>);

impl CachedKey {
    /// The data key.
    pub fn key(&self) -> &DataKey {
        &self.0.key
    }

    /// The same as [`Keys`], for the functions of `envelope`.
    pub fn keys(&self) -> Keys<'_> {
        Keys::One(self.key())
    }

    /// The data key under its KMS key.
    pub fn wrapped(&self) -> &WrappedKey {
        &self.0.wrapped
    }

    /// When the KMS call that brought it was sent, on the cache's clock: its age counts from here.
    pub fn sent_at(&self) -> Timestamp {
        self.0.sent_at()
    }

    /// The slot of an envelope that is sealed with it for `request`.
    pub fn slot(&self, request: &KeyRequest) -> Slot {
        Slot::SseKms {
            key: request.key().clone(),
            wrapped: self.wrapped().clone(),
            context: request.context().clone(),
        }
    }
}
