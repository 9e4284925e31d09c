//! What AWS bills: items with their service and unit, storage classes, variants.

use std::fmt;
use std::str::FromStr;

use super::{Month, Region, UnknownName};

/// Bytes in the GB of S3's bills, 2³⁰.
///
/// Source: S3 FAQ, storage example.
const GB_BYTES: u128 = 1 << 30;

/// The unit that a price is for. Quantities are whole numbers of its base unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Unit {
    /// 2³⁰ bytes for all hours of the month; base unit the byte-hour.
    GbMonth,
    /// 2³⁰ bytes; base unit the byte.
    Gb,
    /// One key for all hours of the month; base unit the key-hour.
    KeyMonth,
    /// Requests.
    Request,
    /// Objects.
    Object,
    /// Objects monitored in the month.
    ObjectMonth,
    /// Buckets in the month.
    BucketMonth,
    /// Jobs.
    Job,
    /// Events.
    Event,
    /// Configuration items.
    ConfigurationItem,
    /// Rule evaluations.
    Evaluation,
    /// Security checks.
    Check,
    /// Findings.
    Finding,
}

impl Unit {
    /// Every unit.
    pub const ALL: [Self; 13] = [
        Self::GbMonth,
        Self::Gb,
        Self::KeyMonth,
        Self::Request,
        Self::Object,
        Self::ObjectMonth,
        Self::BucketMonth,
        Self::Job,
        Self::Event,
        Self::ConfigurationItem,
        Self::Evaluation,
        Self::Check,
        Self::Finding,
    ];

    /// The name in price books.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::GbMonth => "GB-month",
            Self::Gb => "GB",
            Self::KeyMonth => "key-month",
            Self::Request => "request",
            Self::Object => "object",
            Self::ObjectMonth => "object-month",
            Self::BucketMonth => "bucket-month",
            Self::Job => "job",
            Self::Event => "event",
            Self::ConfigurationItem => "item",
            Self::Evaluation => "evaluation",
            Self::Check => "check",
            Self::Finding => "finding",
        }
    }

    /// Its name for more than one: `requests`, `GB`, `GB-months`.
    pub fn plural(self) -> String {
        if self == Self::Gb { "GB".into() } else { format!("{self}s") }
    }

    /// The name in FOCUS.
    ///
    /// Source: FOCUS 1.0 sample data for the first four, events and checks; the rest after their pattern.
    pub const fn focus(self) -> &'static str {
        match self {
            Self::GbMonth => "GB-Months",
            Self::Gb => "GB",
            Self::KeyMonth => "Keys",
            Self::Request => "Requests",
            Self::Object => "Objects",
            Self::ObjectMonth => "Object-Months",
            Self::BucketMonth => "Bucket-Months",
            Self::Job => "Jobs",
            Self::Event => "Events",
            Self::ConfigurationItem => "Items",
            Self::Evaluation => "Evaluations",
            Self::Check => "Security Checks",
            Self::Finding => "Findings",
        }
    }

    /// How many base units make one: 2³⁰ × hours for a GB-month, 1 for what is counted.
    pub fn base(self, month: Month) -> u128 {
        match self {
            Self::GbMonth => GB_BYTES * u128::from(month.hours()),
            Self::Gb => GB_BYTES,
            Self::KeyMonth => u128::from(month.hours()),
            _ => 1,
        }
    }
}

impl fmt::Display for Unit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for Unit {
    type Err = UnknownName;
    fn from_str(text: &str) -> Result<Self, UnknownName> {
        Self::ALL
            .into_iter()
            .find(|unit| unit.as_str() == text)
            .ok_or_else(|| UnknownName::new("unit", text, &Self::ALL.map(Self::as_str)))
    }
}

/// The service that bills an item.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Service {
    /// AWS KMS.
    Kms,
    /// Amazon S3.
    S3,
    /// AWS `CloudTrail`.
    CloudTrail,
    /// AWS Config.
    Config,
    /// AWS Security Hub.
    SecurityHub,
    /// Amazon `GuardDuty`.
    GuardDuty,
    /// Amazon Macie.
    Macie,
}

impl Service {
    /// The name that bills show.
    pub const fn title(self) -> &'static str {
        match self {
            Self::Kms => "AWS Key Management Service",
            Self::S3 => "Amazon Simple Storage Service",
            Self::CloudTrail => "AWS CloudTrail",
            Self::Config => "AWS Config",
            Self::SecurityHub => "AWS Security Hub",
            Self::GuardDuty => "Amazon GuardDuty",
            Self::Macie => "Amazon Macie",
        }
    }

    /// Its category in FOCUS.
    ///
    /// Source: FOCUS 1.0 sample data (S3 Storage, KMS Identity); FOCUS 1.0, list of service categories (the rest).
    pub const fn focus_category(self) -> &'static str {
        match self {
            Self::S3 => "Storage",
            Self::Kms => "Identity",
            Self::SecurityHub | Self::GuardDuty | Self::Macie => "Security",
            Self::CloudTrail | Self::Config => "Management and Governance",
        }
    }
}

/// Which variants an item comes in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Takes {
    Nothing,
    Class,
    Destination,
}

macro_rules! items {
    ($($(#[$doc:meta])* $item:ident $name:literal $service:ident $unit:ident $takes:ident $title:literal;)*) => {
        /// What is billed.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[non_exhaustive]
        pub enum Item { $($(#[$doc])* $item,)* }

        impl Item {
            /// Every item, in the order of bills.
            pub const ALL: &[Self] = &[$(Self::$item,)*];

            /// The name in price books and usage files.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$item => $name,)* }
            }

            /// What a bill calls it.
            pub const fn title(self) -> &'static str {
                match self { $(Self::$item => $title,)* }
            }

            /// Who bills it.
            pub const fn service(self) -> Service {
                match self { $(Self::$item => Service::$service,)* }
            }

            /// What its price is for.
            pub const fn unit(self) -> Unit {
                match self { $(Self::$item => Unit::$unit,)* }
            }

            const fn takes(self) -> Takes {
                match self { $(Self::$item => Takes::$takes,)* }
            }
        }
    };
}

items! {
    /// Customer managed key, each primary and replica.
    KmsKey "kms-key" Kms KeyMonth Nothing "KMS keys, customer managed";
    /// AWS managed key (`aws/s3`).
    KmsAwsManagedKey "kms-aws-managed-key" Kms KeyMonth Nothing "KMS keys, AWS managed";
    /// Surcharge for the first rotation of a key.
    KmsRotation1 "kms-rotation-1" Kms KeyMonth Nothing "KMS key versions, 1st rotation";
    /// Surcharge for the second rotation of a key.
    KmsRotation2 "kms-rotation-2" Kms KeyMonth Nothing "KMS key versions, 2nd rotation";
    /// Surcharge for each rotation of a key from the third on.
    KmsRotationLater "kms-rotation-later" Kms KeyMonth Nothing "KMS key versions, later rotations";
    /// Requests with symmetric keys, and management requests.
    KmsRequest "kms-request" Kms Request Nothing "KMS requests";
    /// Requests with RSA 2048 keys.
    KmsRequestRsa2048 "kms-request-rsa-2048" Kms Request Nothing "KMS requests, RSA 2048";
    /// Requests with all other asymmetric keys.
    KmsRequestAsymmetric "kms-request-asymmetric" Kms Request Nothing "KMS requests, other asymmetric";
    /// `GenerateDataKeyPair` of ECC pairs.
    KmsDataKeyPairEcc "kms-data-key-pair-ecc" Kms Request Nothing "KMS data key pairs, ECC";
    /// `GenerateDataKeyPair` of RSA pairs.
    KmsDataKeyPairRsa "kms-data-key-pair-rsa" Kms Request Nothing "KMS data key pairs, RSA";
    /// The per-GB fee of DSSE-KMS, for bytes written and read.
    Dsse "dsse" S3 Gb Nothing "DSSE-KMS, bytes encrypted and decrypted";
    /// Storage.
    Storage "storage" S3 GbMonth Class "Storage";
    /// Storage billed for objects deleted before their minimum time, at the price of the class's storage.
    EarlyDelete "early-delete" S3 GbMonth Class "Early delete";
    /// PUT, COPY, POST, LIST (Tier 1).
    PutRequest "put-request" S3 Request Class "PUT, COPY, POST, LIST requests";
    /// GET, SELECT and all others (Tier 2).
    GetRequest "get-request" S3 Request Class "GET and all other requests";
    /// DELETE and CANCEL.
    DeleteRequest "delete-request" S3 Request Nothing "DELETE and CANCEL requests";
    /// `UpdateObjectEncryption`, at the price of a PUT request in STANDARD whatever the class.
    UpdateEncryptionRequest "update-encryption-request" S3 Request Nothing "UpdateObjectEncryption requests";
    /// Transitions by lifecycle rules, by the class they go to.
    LifecycleTransition "lifecycle-transition" S3 Request Class "Lifecycle transitions";
    /// Monitoring and automation of `INTELLIGENT_TIERING`.
    Monitoring "monitoring" S3 ObjectMonth Class "Monitoring and automation";
    /// Bytes uploaded, where that is billed.
    Upload "upload" S3 Gb Class "Data upload";
    /// Bytes retrieved; of archives, by standard retrieval.
    Retrieval "retrieval" S3 Gb Class "Data retrieval";
    /// Bytes retrieved from an archive, expedited.
    RetrievalExpedited "retrieval-expedited" S3 Gb Class "Data retrieval, expedited";
    /// Bytes retrieved from an archive in bulk.
    RetrievalBulk "retrieval-bulk" S3 Gb Class "Data retrieval, bulk";
    /// Restores from an archive, standard.
    RestoreRequest "restore-request" S3 Request Class "Restore requests";
    /// Restores from an archive, expedited.
    RestoreRequestExpedited "restore-request-expedited" S3 Request Class "Restore requests, expedited";
    /// Restores from an archive in bulk.
    RestoreRequestBulk "restore-request-bulk" S3 Request Class "Restore requests, bulk";
    /// Bytes that S3 Select scanned.
    SelectScanned "select-scanned" S3 Gb Class "S3 Select, scanned";
    /// Bytes that S3 Select returned.
    SelectReturned "select-returned" S3 Gb Class "S3 Select, returned";
    /// Bytes that S3 Glacier Select scanned, expedited.
    SelectScannedExpedited "select-scanned-expedited" S3 Gb Class "S3 Select, scanned, expedited";
    /// Bytes that S3 Glacier Select returned, expedited.
    SelectReturnedExpedited "select-returned-expedited" S3 Gb Class "S3 Select, returned, expedited";
    /// Bytes that S3 Glacier Select scanned in bulk.
    SelectScannedBulk "select-scanned-bulk" S3 Gb Class "S3 Select, scanned, bulk";
    /// Bytes that S3 Glacier Select returned in bulk.
    SelectReturnedBulk "select-returned-bulk" S3 Gb Class "S3 Select, returned, bulk";
    /// General purpose buckets.
    Bucket "bucket" S3 BucketMonth Nothing "General purpose buckets";
    /// Batch Operations jobs.
    BatchJob "batch-job" S3 Job Nothing "Batch Operations jobs";
    /// Objects that Batch Operations worked on.
    BatchObject "batch-object" S3 Object Nothing "Batch Operations objects";
    /// Objects in manifests that Batch Operations made.
    BatchManifestObject "batch-manifest-object" S3 Object Nothing "Batch Operations manifest objects";
    /// Objects listed by S3 Inventory.
    InventoryObject "inventory-object" S3 Object Nothing "S3 Inventory objects";
    /// Bytes under Replication Time Control.
    ReplicationTimeControl "replication-time-control" S3 Gb Nothing "Replication Time Control";
    /// Bytes to another Region.
    InterRegionTransfer "inter-region-transfer" S3 Gb Destination "Transfer to another Region";
    /// Bytes to the internet.
    InternetTransfer "internet-transfer" S3 Gb Nothing "Transfer to the internet";
    /// Bytes to `CloudFront`.
    CloudFrontTransfer "cloudfront-transfer" S3 Gb Nothing "Transfer to CloudFront";
    /// Bytes from other Regions and from the internet.
    TransferIn "transfer-in" S3 Gb Nothing "Transfer in";
    /// Management events, first copy in a Region. KMS calls that S3 makes are management events.
    CloudTrailManagement "cloudtrail-management" CloudTrail Event Nothing "CloudTrail management events, first copy";
    /// Management events, further copies.
    CloudTrailManagementCopy "cloudtrail-management-copy" CloudTrail Event Nothing "CloudTrail management events, further copies";
    /// Data events.
    CloudTrailData "cloudtrail-data" CloudTrail Event Nothing "CloudTrail data events";
    /// Events analysed by `CloudTrail` Insights.
    CloudTrailInsight "cloudtrail-insight" CloudTrail Event Nothing "CloudTrail Insights";
    /// Configuration items recorded.
    ConfigItem "config-item" Config ConfigurationItem Nothing "Config items";
    /// Rule evaluations.
    ConfigRule "config-rule" Config Evaluation Nothing "Config rule evaluations";
    /// Security checks.
    SecurityHubCheck "securityhub-check" SecurityHub Check Nothing "Security Hub checks";
    /// Findings taken in.
    SecurityHubFinding "securityhub-finding" SecurityHub Finding Nothing "Security Hub findings";
    /// `CloudTrail` management events analysed.
    GuardDutyManagement "guardduty-management" GuardDuty Event Nothing "GuardDuty, management events";
    /// S3 data events analysed.
    GuardDutyData "guardduty-data" GuardDuty Event Nothing "GuardDuty, S3 data events";
    /// Buckets evaluated.
    MacieBucket "macie-bucket" Macie BucketMonth Nothing "Macie, buckets evaluated";
    /// Bytes inspected for sensitive data.
    MacieInspection "macie-inspection" Macie Gb Nothing "Macie, bytes inspected";
    /// Objects monitored by automated discovery.
    MacieObject "macie-object" Macie ObjectMonth Nothing "Macie, objects monitored";
}

impl Item {
    /// Whether a bill has it only because of encryption: everything of KMS, the fee of DSSE-KMS, and
    /// `UpdateObjectEncryption`.
    pub fn is_encryption(self) -> bool {
        self.service() == Service::Kms || matches!(self, Self::Dsse | Self::UpdateEncryptionRequest)
    }

    /// The item and variant whose price it has, where it has none of its own.
    ///
    /// Source: S3 user guide 2026, update-sse-encryption (Standard PUT rate whatever the class); infracost golden
    /// files (early delete at the storage price).
    pub(crate) fn priced_as(self, variant: Variant) -> (Self, Variant) {
        match self {
            Self::UpdateEncryptionRequest => (Self::PutRequest, Variant::Class(StorageClass::Standard)),
            Self::EarlyDelete => (Self::Storage, variant),
            _ => (self, variant),
        }
    }

    /// Reads the variant of this item: a storage class, a destination Region, or nothing, as the item takes.
    ///
    /// # Errors
    /// [`UnknownName`] for a word that is none, or a missing class.
    pub fn variant(self, text: &str) -> Result<Variant, UnknownName> {
        match self.takes() {
            Takes::Nothing | Takes::Destination if text.is_empty() => Ok(Variant::None),
            Takes::Nothing => Err(UnknownName::new("variant of an item that has none", text, &[])),
            Takes::Class => text.parse().map(Variant::Class),
            Takes::Destination => text.parse().map(Variant::To),
        }
    }

    /// Whether `variant` is of the kind that this item takes.
    pub(crate) fn accepts(self, variant: Variant) -> bool {
        match variant {
            Variant::None => self.takes() != Takes::Class,
            Variant::Class(_) => self.takes() == Takes::Class,
            Variant::To(_) => self.takes() == Takes::Destination,
        }
    }
}

impl fmt::Display for Item {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for Item {
    type Err = UnknownName;
    fn from_str(text: &str) -> Result<Self, UnknownName> {
        Self::ALL.iter().copied().find(|item| item.as_str() == text).ok_or_else(|| {
            let known: Vec<_> = Self::ALL.iter().map(|item| item.as_str()).collect();
            UnknownName::new("item", text, &known)
        })
    }
}

/// What an item is a variant by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Variant {
    /// There is only one; of a transfer: to any Region.
    None,
    /// In this storage class.
    Class(StorageClass),
    /// To this Region.
    To(Region),
}

impl Variant {
    /// The name in price books and usage files; empty for [`Variant::None`].
    pub fn as_str(self) -> &'static str {
        match self {
            Self::None => "",
            Self::Class(class) => class.as_str(),
            Self::To(region) => region.as_str(),
        }
    }
}

macro_rules! classes {
    ($($(#[$doc:meta])* $class:ident $name:literal;)*) => {
        /// A storage class, as S3 names it; the access tiers of `INTELLIGENT_TIERING` after the first are classes of
        /// their own here, for they have storage prices of their own.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[non_exhaustive]
        pub enum StorageClass { $($(#[$doc])* $class,)* }

        impl StorageClass {
            /// Every class.
            pub const ALL: &[Self] = &[$(Self::$class,)*];

            /// S3's name.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$class => $name,)* }
            }
        }
    };
}

classes! {
    /// S3 Standard.
    Standard "STANDARD";
    /// S3 Standard-Infrequent Access.
    StandardIa "STANDARD_IA";
    /// S3 One Zone-Infrequent Access.
    OneZoneIa "ONEZONE_IA";
    /// S3 Intelligent-Tiering, frequent access; also its requests and its monitoring.
    IntelligentTiering "INTELLIGENT_TIERING";
    /// S3 Intelligent-Tiering, infrequent access.
    IntelligentTieringInfrequent "INTELLIGENT_TIERING_INFREQUENT";
    /// S3 Intelligent-Tiering, archive instant access.
    IntelligentTieringArchiveInstant "INTELLIGENT_TIERING_ARCHIVE_INSTANT";
    /// S3 Intelligent-Tiering, archive access.
    IntelligentTieringArchive "INTELLIGENT_TIERING_ARCHIVE";
    /// S3 Intelligent-Tiering, deep archive access.
    IntelligentTieringDeepArchive "INTELLIGENT_TIERING_DEEP_ARCHIVE";
    /// S3 Glacier Instant Retrieval.
    GlacierIr "GLACIER_IR";
    /// S3 Glacier Flexible Retrieval.
    Glacier "GLACIER";
    /// S3 Glacier Deep Archive.
    DeepArchive "DEEP_ARCHIVE";
    /// S3 Express One Zone.
    ExpressOneZone "EXPRESS_ONEZONE";
}

impl fmt::Display for StorageClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for StorageClass {
    type Err = UnknownName;
    fn from_str(text: &str) -> Result<Self, UnknownName> {
        Self::ALL.iter().copied().find(|class| class.as_str() == text).ok_or_else(|| {
            let known: Vec<_> = Self::ALL.iter().map(|class| class.as_str()).collect();
            let kind = if text.is_empty() {
                "storage class: expected one such as STANDARD or STANDARD_IA"
            } else {
                "storage class"
            };
            UnknownName::new(kind, text, &known)
        })
    }
}
