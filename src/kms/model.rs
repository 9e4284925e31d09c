//! The model: what KMS answers to a call at `now`, and when the reply comes. Knows no key bytes.

use std::collections::BTreeMap;

use jiff::civil::Date;

use super::authorisation::authorise;
use super::call::{Answer, Call, Connection, Granted, Operation, Reply, Stray};
use super::error::{KmsError, LimitedResource};
use super::fault::{Fault, FaultWindows};
use super::key::{Change, Grantee, Key, KeyIndex, KeyKind, NewKey, StoreIndex};
use super::quota::{Pool, QuotaError, Throttled};
use super::quota_table::Quota;
use super::service_time::ServiceTimes;
use super::wrap::{BlobHeader, KEY_ID_BYTES, PLAINTEXT_BYTES_MAX};
use crate::envelope::{KeyArn, KeyId};
use crate::request::Principal;
use crate::units::{Span, Stream, Timestamp};

/// Most customer keys of an account in a Region. Source: KMS developer guide, resource quotas.
pub const KEYS_PER_ACCOUNT_MAX: u32 = 100_000;

/// KMS in one Region, as a function of time: it decides admission, permission, key state, material and the instant
/// of the reply. Nothing in it moves by itself.
///
/// Data-plane calls take `&self` and cost one word of atomic memory between threads; randomness comes from a stream
/// that the caller owns. The same calls with the same streams give the same replies, byte for byte.
///
/// Assumptions, since AWS does not publish them: quota is charged before anything else is checked, so a call that is
/// denied or finds its key disabled has used quota; it is not billed.
#[derive(Debug)]
pub struct Model {
    region: Box<str>,
    on: Date,
    accounts: Vec<Account>,
    stores: Vec<Store>,
    keys: Vec<Key>,
    by_id: BTreeMap<[u8; KEY_ID_BYTES], KeyIndex>,
    service_times: ServiceTimes,
    faults: FaultWindows,
    throttled_is_billed: bool,
}

#[derive(Debug)]
struct Account {
    id: Box<str>,
    /// Shared by the symmetric cryptographic operations.
    cryptographic: Pool,
    /// One each for the management operations; none where no quota is on record for the date.
    management: BTreeMap<&'static str, Pool>,
}

#[derive(Debug)]
struct Store {
    pool: Pool,
    generate_weight: u32,
}

/// Management operations, each with a quota of its own.
const MANAGEMENT: [&str; 14] = [
    "CancelKeyDeletion",
    "ConnectCustomKeyStore",
    "CreateKey",
    "DeleteImportedKeyMaterial",
    "DescribeKey",
    "DisableKey",
    "DisableKeyRotation",
    "DisconnectCustomKeyStore",
    "EnableKey",
    "EnableKeyRotation",
    "GetKeyRotationStatus",
    "ImportKeyMaterial",
    "RotateKeyOnDemand",
    "ScheduleKeyDeletion",
];

impl Model {
    /// KMS in `region` under the quotas of the day `on`, without accounts and keys.
    ///
    /// # Errors
    /// [`QuotaError`] as for [`Quota::for_region`].
    pub fn new(region: &str, on: Date) -> Result<Self, QuotaError> {
        Quota::for_region(region, on)?;
        Ok(Self {
            region: region.into(),
            on,
            accounts: Vec::new(),
            stores: Vec::new(),
            keys: Vec::new(),
            by_id: BTreeMap::new(),
            service_times: ServiceTimes::default(),
            faults: FaultWindows::default(),
            throttled_is_billed: false,
        })
    }

    /// With these service times instead of the assumed ones.
    #[must_use]
    pub fn with_service_times(mut self, service_times: ServiceTimes) -> Self {
        self.service_times = service_times;
        self
    }

    /// Whether a throttled call costs money; `false` unless set. AWS does not say, so it is an assumption that reports
    /// name.
    #[must_use]
    pub fn with_throttled_billed(mut self, billed: bool) -> Self {
        self.throttled_is_billed = billed;
        self
    }

    /// The Region.
    pub fn region(&self) -> &str {
        &self.region
    }

    /// Adds an account whose cryptographic calls share `pool`, for instance one of [`Quota::for_region`]; its
    /// management operations have the quotas of the date.
    ///
    /// # Errors
    /// [`QuotaError`] unless `id` is twelve digits and new.
    pub fn add_account(&mut self, id: &str, pool: Pool) -> Result<(), QuotaError> {
        if id.len() != 12 || !id.bytes().all(|b| b.is_ascii_digit()) {
            let value = id.chars().take(80).collect();
            return Err(QuotaError { field: "account", value, expected: "twelve digits" });
        }
        if self.account(id).is_some() {
            let expected = "an account that was not added before";
            return Err(QuotaError { field: "account", value: id.into(), expected });
        }
        let management = MANAGEMENT
            .iter()
            .filter_map(|name| {
                let quota = Quota::for_operation(name, self.on).ok()?;
                Some((*name, Pool::new(quota.rule()).ok()?))
            })
            .collect();
        self.accounts.push(Account { id: id.into(), cryptographic: pool, management });
        Ok(())
    }

    /// Adds a custom key store with `pool`, for instance one of [`Quota::for_custom_key_store`]; the account's pool
    /// counts its calls as well. What a `GenerateDataKey` weighs in it follows from the date.
    pub fn add_store(&mut self, pool: Pool) -> StoreIndex {
        self.stores.push(Store { pool, generate_weight: Quota::custom_key_store_weight(self.on) });
        StoreIndex(u32::try_from(self.stores.len() - 1).expect("fewer than 2³² stores"))
    }

    /// Adds a key that exists from `created` on, without a call to KMS: the set-up of a scenario. Its owner may be an account
    /// that was not added: only callers are charged.
    ///
    /// # Errors
    /// [`KmsError::InvalidArn`] for another Region, [`KmsError::Validation`] for a key id that is taken or a store
    /// that was not added, [`KmsError::LimitExceeded`] beyond [`KEYS_PER_ACCOUNT_MAX`] customer keys.
    pub fn add_key(
        &mut self,
        arn: KeyArn,
        kind: KeyKind,
        allowed: Vec<Grantee>,
        created: Timestamp,
    ) -> Result<KeyIndex, KmsError> {
        if arn.region() != &*self.region {
            return Err(KmsError::InvalidArn { region: arn.region().into() });
        }
        let id = id_bytes(&arn.key_id());
        let refuse = |field, expected| KmsError::Validation { field, value: arn.to_string(), expected };
        if self.by_id.contains_key(&id) {
            return Err(refuse("keyId", "an id that no other key has"));
        }
        if kind.store().is_some_and(|store| self.stores.len() <= store.0 as usize) {
            return Err(refuse("customKeyStoreId", "a store of this KMS"));
        }
        // AWS's own keys do not count; keys in every other state do.
        let counts = |kind| !matches!(kind, KeyKind::AwsOwned | KeyKind::AwsManaged);
        let held = || {
            let ours = |key: &&Key| {
                counts(key.kind()) && key.account() == arn.account() && key.state(created).is_some()
            };
            self.keys.iter().filter(ours).count()
        };
        let limit = KEYS_PER_ACCOUNT_MAX;
        // Counting takes time, so only where there are enough keys at all.
        if counts(kind) && self.keys.len() >= limit as usize && held() >= limit as usize {
            let holder = arn.account().into();
            return Err(KmsError::LimitExceeded { what: LimitedResource::Keys, holder, limit });
        }
        let index = self.next_index();
        self.by_id.insert(id, index);
        self.keys.push(Key::new(arn, kind, allowed, created, self.on));
        Ok(index)
    }

    fn next_index(&self) -> KeyIndex {
        KeyIndex(u32::try_from(self.keys.len()).expect("fewer than 2³² keys"))
    }

    /// Puts a fault on the schedule.
    ///
    /// # Errors
    /// [`QuotaError`] when a window ends before it begins, more than every call is to fail, or a quota change names an
    /// account that was not added or a quota out of range.
    pub fn add_fault(&mut self, fault: Fault) -> Result<(), QuotaError> {
        fault.check()?;
        match self.faults.add(fault) {
            Some(Fault::KeyChange { key, at, change }) => self.apply(key, at, change),
            Some(Fault::QuotaChange { account, at, per_second }) => {
                let index = self.account(&account).ok_or_else(|| QuotaError {
                    field: "account",
                    value: account.chars().take(80).collect(),
                    expected: "an account of this KMS",
                })?;
                self.accounts[index].cryptographic.change(at, per_second)?;
            }
            _ => {}
        }
        Ok(())
    }

    /// The key with this ARN, whatever its state.
    ///
    /// # Errors
    /// [`KmsError::InvalidArn`] for another Region, [`KmsError::NotFound`].
    pub fn find(&self, arn: &KeyArn) -> Result<KeyIndex, KmsError> {
        if arn.region() != &*self.region {
            return Err(KmsError::InvalidArn { region: arn.region().into() });
        }
        let found = self.by_id.get(&id_bytes(&arn.key_id())).copied();
        found
            .filter(|index| self.key(*index).arn() == arn)
            .ok_or_else(|| KmsError::NotFound { key: arn.clone() })
    }

    /// The key and the number of the material that a blob names: what `Decrypt` starts from.
    ///
    /// # Errors
    /// [`KmsError::InvalidCiphertext`] when either is not of this KMS.
    pub fn resolve(&self, header: &BlobHeader) -> Result<(KeyIndex, u32), KmsError> {
        let index = self.by_id.get(&header.key_id).copied().ok_or(KmsError::InvalidCiphertext)?;
        let material = self.key(index).material_of(&header.material).ok_or(KmsError::InvalidCiphertext)?;
        Ok((index, material))
    }

    /// The header of what is wrapped as `granted` says.
    pub fn header(&self, granted: Granted) -> BlobHeader {
        let key = self.key(granted.key);
        BlobHeader::new(&key.arn().key_id(), key.material_id(granted.material))
    }

    /// A key.
    ///
    /// # Panics
    /// When `key` is of another model.
    #[inline]
    pub fn key(&self, key: KeyIndex) -> &Key {
        &self.keys[key.index()]
    }

    /// An account's pool of the cryptographic operations.
    pub fn pool(&self, account: &str) -> Option<&Pool> {
        self.account(account).map(|index| &self.accounts[index].cryptographic)
    }

    #[inline]
    fn account(&self, id: &str) -> Option<usize> {
        // A run has a handful of accounts; most have one.
        self.accounts.iter().position(|account| &*account.id == id)
    }

    /// Answers `call` at `now`.
    ///
    /// # Panics
    /// When the key is of another model: an index means nothing elsewhere.
    ///
    /// # Cost
    /// About 100 ns, 40 of them the draw of a lognormal service time.
    #[inline]
    pub fn call(&self, call: &Call<'_>, now: Timestamp, stream: &mut Stream) -> Reply {
        let key = self.key(call.key);
        if key.kind() == KeyKind::AwsOwned {
            // Inside S3: no call to KMS, so no quota, no bill, no network.
            let answer = self.decide(call, key, now).into();
            return Reply { answer, reply_at: now, billed: false };
        }
        let admission = |model: &Self| model.admit(call, key, now);
        self.answer(admission, |model| model.decide(call, key, now), call.connection, now, stream)
    }

    /// Makes `change` to `key` at `now`, as a management call of `principal`. Connecting and disconnecting concern
    /// every key of the key's store. Changes of a key are made in the order of time: an earlier one later on would rewrite
    /// what calls were already told.
    ///
    /// # Panics
    /// When the key is of another model.
    pub fn change(
        &mut self,
        principal: &Principal,
        key: KeyIndex,
        change: Change,
        now: Timestamp,
        stream: &mut Stream,
    ) -> Reply {
        let name = change.as_str();
        let decide = |model: &Self| {
            let target = model.key(key);
            authorise(principal, name, target)?;
            target.check_change(change, now)?;
            Ok(Granted { key, material: target.material(now) })
        };
        let admission = |model: &Self| model.admit_management(principal, name, now);
        let mut reply = self.answer(admission, decide, Connection::default(), now, stream);
        if let Answer::Granted(granted) = &mut reply.answer {
            self.apply(key, now, change);
            granted.material = self.key(key).material(now);
        }
        reply
    }

    /// Refuses `stray` at `now`, once its caller's quota has admitted it.
    pub fn refuse(&self, stray: &Stray<'_>, now: Timestamp, stream: &mut Stream) -> Reply {
        let admission = |model: &Self| {
            let account = model.caller(stray.principal)?;
            if MANAGEMENT.contains(&stray.name) {
                return account.admit_management(stray.name, now);
            }
            Ok(account.cryptographic.admit(1, now)?)
        };
        self.answer(admission, |_| Err(stray.error.clone()), stray.connection, now, stream)
    }

    /// `CreateKey` by `principal` at `now`.
    pub fn create_key(
        &mut self,
        principal: &Principal,
        new: NewKey,
        now: Timestamp,
        stream: &mut Stream,
    ) -> Reply {
        let NewKey { arn, kind, allowed } = new;
        let admission = self.admit_management(principal, "CreateKey", now);
        let ours = principal.account() == arn.account();
        let customers = !matches!(kind, KeyKind::AwsOwned | KeyKind::AwsManaged);
        let decide = |model: &Self| {
            if ours && customers {
                return Ok(Granted { key: model.next_index(), material: 0 });
            }
            let principal = principal.to_string();
            Err(KmsError::AccessDenied { principal, action: "kms:CreateKey".into(), key: arn.clone() })
        };
        let mut reply = self.answer(|_| admission, decide, Connection::default(), now, stream);
        if matches!(reply.answer, Answer::Granted(_)) {
            let added = self.add_key(arn, kind, allowed, now);
            reply.billed = added.is_ok();
            reply.answer = added.map(|key| Granted { key, material: 0 }).into();
        }
        reply
    }

    fn apply(&mut self, key: KeyIndex, at: Timestamp, change: Change) {
        let kind = self.key(key).kind();
        if matches!(change, Change::Connect | Change::Disconnect) {
            for key in self.keys.iter_mut().filter(|key| key.kind() == kind) {
                key.change(at, change);
            }
        } else {
            self.keys[key.index()].change(at, change);
        }
    }

    /// The order of every call: outage, quota, burst, decision, then the instant of the reply.
    #[inline]
    fn answer(
        &self,
        admission: impl FnOnce(&Self) -> Result<(), Refusal>,
        decide: impl FnOnce(&Self) -> Result<Granted, KmsError>,
        connection: Connection,
        now: Timestamp,
        stream: &mut Stream,
    ) -> Reply {
        let cold = if connection.cold { self.service_times.cold_surcharge } else { Span::ZERO };
        if let Some(wait) = self.faults.unanswered(now) {
            let answer = Answer::Failed(KmsError::DependencyTimeout);
            return Reply { answer, reply_at: now + wait, billed: false };
        }
        let (answer, time, billed) = match admission(self) {
            Err(Refusal::Throttled(throttled)) => {
                (Answer::Throttled(throttled), &self.service_times.throttled, self.throttled_is_billed)
            }
            Err(Refusal::Error(error)) => (Answer::Failed(error), &self.service_times.served, false),
            Ok(()) => {
                let failed = self.faults.fails(now, stream);
                let answer: Answer = if failed { Err(KmsError::Internal) } else { decide(self) }.into();
                let billed = matches!(answer, Answer::Granted(_));
                let times = &self.service_times;
                (answer, if connection.cross_region { &times.cross_region } else { &times.served }, billed)
            }
        };
        let took = self.faults.stretch(time.draw(stream), now) + cold;
        Reply { answer, reply_at: now + took, billed }
    }

    /// Charges the caller's pool, and the key's store where it has one.
    #[inline]
    fn admit(&self, call: &Call<'_>, key: &Key, now: Timestamp) -> Result<(), Refusal> {
        let account = match self.caller(call.principal) {
            Ok(account) => account,
            Err(unknown) => {
                // A stranger has no quota here to charge; what it may not use it is denied, as any other.
                authorise(call.principal, call.operation.as_str(), key).map_err(Refusal::Error)?;
                return Err(unknown);
            }
        };
        match call.operation {
            Operation::DescribeKey | Operation::GetKeyRotationStatus => {
                return account.admit_management(call.operation.as_str(), now);
            }
            _ => {}
        }
        let account = &account.cryptographic;
        // The store comes first and gives back what the account then refuses.
        match (key.kind().store(), self.new_store(call, key)) {
            (None, None) => account.admit(1, now)?,
            (Some(store), None) => {
                let generates = matches!(
                    call.operation,
                    Operation::GenerateDataKey | Operation::GenerateDataKeyWithoutPlaintext
                );
                let store = self.store(store);
                let weight = if generates { store.generate_weight } else { 1 };
                Pool::admit_all([(&store.pool, weight), (account, 1)], now)?;
            }
            (None, Some(new)) => Pool::admit_all([(&self.store(new).pool, 1), (account, 1)], now)?,
            (Some(old), Some(new)) => {
                let (old, new) = (&self.store(old).pool, &self.store(new).pool);
                Pool::admit_all([(old, 1), (new, 1), (account, 1)], now)?;
            }
        }
        Ok(())
    }

    /// The store that a `ReEncrypt` charges beside that of the old key.
    fn new_store(&self, call: &Call<'_>, key: &Key) -> Option<StoreIndex> {
        let Operation::ReEncrypt { to, .. } = call.operation else { return None };
        self.key(to).kind().store().filter(|store| key.kind().store() != Some(*store))
    }

    fn store(&self, store: StoreIndex) -> &Store {
        &self.stores[store.0 as usize]
    }

    fn admit_management(
        &self,
        principal: &Principal,
        name: &'static str,
        now: Timestamp,
    ) -> Result<(), Refusal> {
        self.caller(principal)?.admit_management(name, now)
    }

    #[inline]
    fn caller(&self, principal: &Principal) -> Result<&Account, Refusal> {
        let index = self.account(principal.account()).ok_or_else(|| {
            Refusal::Error(KmsError::Validation {
                field: "account",
                value: principal.account().chars().take(80).collect(),
                expected: "an account of this KMS",
            })
        })?;
        Ok(&self.accounts[index])
    }

    /// What a call that was admitted gets: permission, then state, then the material.
    #[inline]
    fn decide(&self, call: &Call<'_>, key: &Key, now: Timestamp) -> Result<Granted, KmsError> {
        let principal = call.principal;
        let granted = |material| Ok(Granted { key: call.key, material });
        if key.state(now).is_none() {
            return Err(key.missing());
        }
        match call.operation {
            Operation::GenerateDataKey | Operation::GenerateDataKeyWithoutPlaintext => {
                authorise(principal, call.operation.as_str(), key)?;
                key.check_use(now)?;
                granted(key.material(now))
            }
            Operation::Encrypt { bytes } => {
                if bytes == 0 || bytes as usize > PLAINTEXT_BYTES_MAX {
                    let expected = "length between 1 and 4096";
                    return Err(KmsError::Validation {
                        field: "plaintext",
                        value: format!("{bytes} bytes"),
                        expected,
                    });
                }
                authorise(principal, "Encrypt", key)?;
                key.check_use(now)?;
                granted(key.material(now))
            }
            Operation::Decrypt { material, named } => {
                if named.is_some_and(|named| named != call.key) {
                    return Err(KmsError::IncorrectKey);
                }
                authorise(principal, "Decrypt", key)?;
                key.check_use(now)?;
                key.check_material(material, now)?;
                granted(material)
            }
            Operation::ReEncrypt { material, to } => {
                authorise(principal, "ReEncryptFrom", key)?;
                key.check_use(now)?;
                key.check_material(material, now)?;
                let to_key = self.key(to);
                authorise(principal, "ReEncryptTo", to_key)?;
                to_key.check_use(now)?;
                Ok(Granted { key: to, material: to_key.material(now) })
            }
            Operation::DescribeKey | Operation::GetKeyRotationStatus => {
                authorise(principal, call.operation.as_str(), key)?;
                granted(key.material(now))
            }
        }
    }
}

/// Why a call was not admitted.
enum Refusal {
    Throttled(Throttled),
    Error(KmsError),
}

impl From<Throttled> for Refusal {
    fn from(throttled: Throttled) -> Self {
        Self::Throttled(throttled)
    }
}

impl Account {
    fn admit_management(&self, name: &'static str, now: Timestamp) -> Result<(), Refusal> {
        match self.management.get(name) {
            Some(pool) => Ok(pool.admit(1, now)?),
            None => Ok(()),
        }
    }
}

fn id_bytes(id: &KeyId) -> [u8; KEY_ID_BYTES] {
    id.as_str().as_bytes().try_into().expect("a key id has 36 bytes, which its type checks")
}
