//! KMS keys: kinds, states, material, who may use them, and what can be done to them.

use std::fmt;

use jiff::civil::Date;
use sha2::{Digest, Sha256};

use super::error::{KmsError, LimitedResource};
use super::lifecycle::{Lifecycle, RotationStatus};
use crate::envelope::KeyArn;
use crate::request::Principal;
use crate::units::{Span, Timestamp};

/// Fewest and most days of a rotation period. Source: SDK model, `RotationPeriodInDays`.
pub const ROTATION_DAYS: std::ops::RangeInclusive<u32> = 90..=2_560;
/// Fewest and most days of the wait before a deletion. Source: KMS developer guide, `PendingWindowInDays`.
pub const PENDING_DAYS: std::ops::RangeInclusive<u32> = 7..=30;
/// Most rotations on demand in a key's life. Source: KMS developer guide, resource quotas (2025).
pub const ON_DEMAND_ROTATIONS_MAX: u32 = 25;
/// How long before an automatic rotation one on demand is refused. Source: KMS API reference, `RotateKeyOnDemand`.
const ROTATION_CONFLICT: Span = Span::from_seconds(20 * 60);

/// A key of one [`Model`](super::Model): its number in the order of creation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyIndex(pub(super) u32);

impl KeyIndex {
    pub(super) fn index(self) -> usize {
        self.0 as usize
    }
}

/// `KeyMaterialId`: 32 bytes, shown as 64 hexadecimal digits. Not secret.
///
/// The first 28 bytes are a hash of the key's ARN, the last four count the key's materials, so that a ciphertext's
/// material is found by arithmetic and no generator needs to be replayed.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MaterialId([u8; 32]);

impl MaterialId {
    pub(super) const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The bytes as they stand in a ciphertext.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    fn of(key: &KeyArn) -> Self {
        let mut id: [u8; 32] =
            Sha256::new().chain_update("s3seal/v1/material").chain_update(key.as_str()).finalize().into();
        id[28..].fill(0);
        Self(id)
    }

    fn numbered(mut self, index: u32) -> Self {
        self.0[28..].copy_from_slice(&index.to_be_bytes());
        self
    }

    fn number(&self) -> u32 {
        u32::from_be_bytes([self.0[28], self.0[29], self.0[30], self.0[31]])
    }
}

impl fmt::Display for MaterialId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for MaterialId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MaterialId({self})")
    }
}

/// Who owns a key, and where its material comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyKind {
    /// Owned by the service, as S3's own root keys for SSE-S3: outside every quota and bill, used by everybody, and
    /// rotated regularly. AWS does not say how often; a year is an assumption.
    AwsOwned,
    /// Managed by AWS for an account: `aws/s3`. Every principal of the account may use it through the service; it is
    /// rotated yearly (every three years before May 2022).
    AwsManaged,
    /// Symmetric, made by the customer, material from KMS.
    Customer,
    /// Symmetric, with material that the customer imports.
    Imported,
    /// In a custom key store, which has a quota of its own.
    CustomStore(StoreIndex),
}

/// A custom key store of one [`Model`](super::Model).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StoreIndex(pub(super) u32);

impl KeyKind {
    /// `Origin` as AWS names it.
    pub const fn origin(self) -> &'static str {
        match self {
            Self::AwsOwned | Self::AwsManaged | Self::Customer => "AWS_KMS",
            Self::Imported => "EXTERNAL",
            Self::CustomStore(_) => "AWS_CLOUDHSM",
        }
    }

    /// The custom key store, where the key is in one.
    #[inline]
    pub(super) const fn store(self) -> Option<StoreIndex> {
        match self {
            Self::CustomStore(store) => Some(store),
            Self::AwsOwned | Self::AwsManaged | Self::Customer | Self::Imported => None,
        }
    }

    /// Days between the rotations that AWS does by itself from the day of creation on; `None` where the customer
    /// decides. Source: KMS developer guide, Rotating keys; May 2022 for the change (day assumed).
    pub(super) fn own_rotation_days(self, on: Date) -> Option<u32> {
        match self {
            Self::AwsManaged if on < jiff::civil::date(2022, 5, 1) => Some(1_095),
            Self::AwsOwned | Self::AwsManaged => Some(365),
            Self::Customer | Self::Imported | Self::CustomStore(_) => None,
        }
    }
}

/// `KeyState` of a single-Region key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyState {
    /// Works.
    Enabled,
    /// Switched off; can be enabled.
    Disabled,
    /// Waits to be deleted.
    PendingDeletion,
    /// Waits for imported material: new, deleted or expired.
    PendingImport,
    /// In a custom key store that is disconnected.
    Unavailable,
}

impl KeyState {
    /// AWS's name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Enabled => "Enabled",
            Self::Disabled => "Disabled",
            Self::PendingDeletion => "PendingDeletion",
            Self::PendingImport => "PendingImport",
            Self::Unavailable => "Unavailable",
        }
    }
}

/// Principals that a key allows.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Grantee {
    /// Every principal of the account.
    Account(String),
    /// A role or user of an account, in every session.
    Role {
        /// The account.
        account: String,
        /// The role as in [`Principal::role`].
        role: String,
    },
}

impl Grantee {
    /// Whether `principal` is among these.
    pub fn covers(&self, principal: &Principal) -> bool {
        match self {
            Self::Account(account) => account == principal.account(),
            Self::Role { account, role } => account == principal.account() && role == principal.role(),
        }
    }
}

/// A key to be made: `CreateKey`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewKey {
    /// Its ARN, which the caller makes up: a model has no generator of its own.
    pub arn: KeyArn,
    /// Its kind.
    pub kind: KeyKind,
    /// Who may use it.
    pub allowed: Vec<Grantee>,
}

/// Something done to a key: a management call, or an event outside of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Change {
    /// `EnableKey`.
    Enable,
    /// `DisableKey`.
    Disable,
    /// `ScheduleKeyDeletion` with a wait of 7 to 30 days.
    ScheduleDeletion {
        /// `PendingWindowInDays`.
        days: u32,
    },
    /// `CancelKeyDeletion`; the key is then disabled.
    CancelDeletion,
    /// `EnableKeyRotation` with a period of 90 to 2,560 days: the first rotation is a period away.
    EnableRotation {
        /// `RotationPeriodInDays`.
        days: u32,
    },
    /// `DisableKeyRotation`.
    DisableRotation,
    /// `RotateKeyOnDemand`; leaves the automatic schedule as it is.
    RotateOnDemand,
    /// `ImportKeyMaterial`, for good or until an instant.
    ImportMaterial {
        /// When the material expires.
        expires: Option<Timestamp>,
    },
    /// `DeleteImportedKeyMaterial`.
    DeleteImportedMaterial,
    /// The custom key store is disconnected.
    Disconnect,
    /// The custom key store is connected again.
    Connect,
}

impl Change {
    /// The operation's name; that of the store's operation for the last two.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Enable => "EnableKey",
            Self::Disable => "DisableKey",
            Self::ScheduleDeletion { .. } => "ScheduleKeyDeletion",
            Self::CancelDeletion => "CancelKeyDeletion",
            Self::EnableRotation { .. } => "EnableKeyRotation",
            Self::DisableRotation => "DisableKeyRotation",
            Self::RotateOnDemand => "RotateKeyOnDemand",
            Self::ImportMaterial { .. } => "ImportKeyMaterial",
            Self::DeleteImportedMaterial => "DeleteImportedKeyMaterial",
            Self::Disconnect => "DisconnectCustomKeyStore",
            Self::Connect => "ConnectCustomKeyStore",
        }
    }
}

/// A KMS key: what it is and, for any instant, which state it is in and which material it encrypts with.
#[derive(Clone, Debug)]
pub struct Key {
    arn: KeyArn,
    account: Box<str>,
    kind: KeyKind,
    allowed: Vec<Grantee>,
    material: MaterialId,
    life: Lifecycle,
}

impl Key {
    pub(super) fn new(
        arn: KeyArn,
        kind: KeyKind,
        allowed: Vec<Grantee>,
        created: Timestamp,
        on: Date,
    ) -> Self {
        let period = kind.own_rotation_days(on).map(|days| Span::from_days(days.into()));
        let life = Lifecycle::new(created, kind == KeyKind::Imported, period);
        let account = arn.account().into();
        Self { material: MaterialId::of(&arn), arn, account, kind, allowed, life }
    }

    /// The ARN.
    pub fn arn(&self) -> &KeyArn {
        &self.arn
    }

    /// The account that owns it.
    #[inline]
    pub fn account(&self) -> &str {
        &self.account
    }

    /// The kind.
    #[inline]
    pub fn kind(&self) -> KeyKind {
        self.kind
    }

    /// Who may use it; nobody else but the owners of AWS's keys.
    pub fn allowed(&self) -> &[Grantee] {
        &self.allowed
    }

    /// The state at `now`; `None` before its creation and after its deletion.
    #[inline]
    pub fn state(&self, now: Timestamp) -> Option<KeyState> {
        self.life.state(now)
    }

    /// The number of the material that encrypts at `now`: how often the key was rotated.
    #[inline]
    pub fn material(&self, now: Timestamp) -> u32 {
        self.life.material(now)
    }

    /// The id of a material by its number.
    pub fn material_id(&self, material: u32) -> MaterialId {
        self.material.numbered(material)
    }

    /// The number of the material with this id; `None` when the id is of another key.
    pub fn material_of(&self, id: &MaterialId) -> Option<u32> {
        let number = id.number();
        (self.material.numbered(number) == *id).then_some(number)
    }

    /// The rotation schedule at `now`; `None` when the key does not rotate by itself.
    pub fn rotation(&self, now: Timestamp) -> Option<RotationStatus> {
        self.life.rotation(now)
    }

    /// The day on which it will be gone, while that is pending at `now`.
    pub fn deletion(&self, now: Timestamp) -> Option<Timestamp> {
        self.life.deletion(now)
    }

    pub(super) fn deny(&self, principal: &Principal, action: &str) -> KmsError {
        KmsError::AccessDenied {
            principal: principal.to_string(),
            action: format!("kms:{action}"),
            key: self.arn.clone(),
        }
    }

    pub(super) fn missing(&self) -> KmsError {
        KmsError::NotFound { key: self.arn.clone() }
    }

    fn invalid(&self, problem: &'static str) -> KmsError {
        KmsError::InvalidState { key: self.arn.clone(), problem }
    }

    /// Whether the key can encrypt and decrypt at `now`.
    #[inline]
    pub(super) fn check_use(&self, now: Timestamp) -> Result<(), KmsError> {
        match self.state(now) {
            Some(KeyState::Enabled) => Ok(()),
            Some(KeyState::Disabled) => Err(KmsError::Disabled { key: self.arn.clone() }),
            Some(KeyState::PendingDeletion) => Err(self.invalid("is pending deletion")),
            Some(KeyState::PendingImport) => Err(self.invalid("is pending import")),
            Some(KeyState::Unavailable) => Err(self.invalid("is unavailable")),
            None => Err(self.missing()),
        }
    }

    /// Whether a blob can stand under this material at `now`: it can under every material so far.
    #[inline]
    pub(super) fn check_material(&self, material: u32, now: Timestamp) -> Result<(), KmsError> {
        if material <= self.material(now) { Ok(()) } else { Err(KmsError::InvalidCiphertext) }
    }

    /// Whether `change` can be made at `now`: the key state table of the KMS developer guide (docs/SOURCES.md, kms).
    pub(super) fn check_change(&self, change: Change, now: Timestamp) -> Result<(), KmsError> {
        use KeyState::{Disabled, PendingDeletion, PendingImport};
        let state = self.state(now).ok_or_else(|| self.missing())?;
        let pending = || self.invalid("is pending deletion");
        let days = |field, value: u32, range: &std::ops::RangeInclusive<u32>, expected| {
            if range.contains(&value) {
                return Ok(());
            }
            Err(KmsError::Validation { field, value: value.to_string(), expected })
        };
        match change {
            Change::Enable | Change::Disable => match state {
                PendingDeletion => Err(pending()),
                PendingImport => Err(self.invalid("is pending import")),
                _ => Ok(()),
            },
            Change::ScheduleDeletion { days: wait } => {
                days("pendingWindowInDays", wait, &PENDING_DAYS, "value between 7 and 30")?;
                if state == PendingDeletion { Err(pending()) } else { Ok(()) }
            }
            Change::CancelDeletion if state == PendingDeletion => Ok(()),
            Change::CancelDeletion => Err(self.invalid("is not pending deletion")),
            Change::EnableRotation { .. } | Change::DisableRotation | Change::RotateOnDemand => {
                self.check_origin(change, |kind| {
                    kind == KeyKind::Customer
                        || (kind == KeyKind::Imported && change == Change::RotateOnDemand)
                })?;
                if let Change::EnableRotation { days: period } = change {
                    days("rotationPeriodInDays", period, &ROTATION_DAYS, "value between 90 and 2560")?;
                }
                match state {
                    Disabled => Err(KmsError::Disabled { key: self.arn.clone() }),
                    PendingDeletion => Err(pending()),
                    PendingImport => Err(self.invalid("is pending import")),
                    _ if change == Change::RotateOnDemand => self.check_on_demand(now),
                    _ => Ok(()),
                }
            }
            Change::ImportMaterial { .. } | Change::DeleteImportedMaterial => {
                self.check_origin(change, |kind| kind == KeyKind::Imported)?;
                match change {
                    Change::ImportMaterial { .. } if state == PendingDeletion => Err(pending()),
                    Change::ImportMaterial { expires: Some(at) } if at <= now => Err(KmsError::Validation {
                        field: "validTo",
                        value: at.to_string(),
                        expected: "an instant after the import",
                    }),
                    _ => Ok(()),
                }
            }
            Change::Disconnect | Change::Connect => {
                self.check_origin(change, |kind| matches!(kind, KeyKind::CustomStore(_)))
            }
        }
    }

    fn check_origin(&self, change: Change, has: impl Fn(KeyKind) -> bool) -> Result<(), KmsError> {
        if has(self.kind) {
            return Ok(());
        }
        Err(KmsError::UnsupportedOperation {
            key: self.arn.clone(),
            origin: self.kind.origin(),
            operation: change.as_str(),
        })
    }

    fn check_on_demand(&self, now: Timestamp) -> Result<(), KmsError> {
        if self.life.on_demand_rotations(now) >= ON_DEMAND_ROTATIONS_MAX {
            return Err(KmsError::LimitExceeded {
                what: LimitedResource::OnDemandRotations,
                holder: self.arn.to_string(),
                limit: ON_DEMAND_ROTATIONS_MAX,
            });
        }
        match self.rotation(now) {
            Some(status) if status.next.since(now) <= ROTATION_CONFLICT => {
                Err(KmsError::Conflict { key: self.arn.clone() })
            }
            _ => Ok(()),
        }
    }

    /// Makes `change` at `at`, which may lie ahead: a schedule of faults. What the state of that moment does not
    /// allow has no effect.
    pub(super) fn change(&mut self, at: Timestamp, change: Change) {
        self.life.change(at, change);
    }
}
