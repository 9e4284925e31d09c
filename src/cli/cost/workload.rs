//! A workload by the month, and what each SSE mode makes of it: requests, bytes, KMS calls.

use clap::Args;
use s3seal::cost::{Item, Month, Region, StorageClass, Usage, UsageError, Variant, grouped, nearest};
use s3seal::request::{Operation, SseMode};

use super::flag::{Count, Load, Share, Size};
use s3seal::pipeline;
use s3seal::report::{body_passes, request_item};

/// A workload as the command line gives it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Args)]
pub(super) struct Flags {
    /// PUT requests: by the month (10M), or at a rate (100/s, 5k/day)
    #[arg(long, value_name = "LOAD", allow_negative_numbers = true)]
    put: Option<Load>,
    /// GET requests; each range counts
    #[arg(long, value_name = "LOAD", allow_negative_numbers = true)]
    get: Option<Load>,
    /// HEAD requests
    #[arg(long, value_name = "LOAD", allow_negative_numbers = true)]
    head: Option<Load>,
    /// LIST requests
    #[arg(long, value_name = "LOAD", allow_negative_numbers = true)]
    list: Option<Load>,
    /// COPY requests, source and target in this mode
    #[arg(long, value_name = "LOAD", allow_negative_numbers = true)]
    copy: Option<Load>,
    /// DELETE requests
    #[arg(long, value_name = "LOAD", allow_negative_numbers = true)]
    delete: Option<Load>,
    /// Multipart uploads
    #[arg(long, value_name = "LOAD", allow_negative_numbers = true)]
    multipart: Option<Load>,
    /// Parts of a multipart upload [default: 10]
    #[arg(long, value_name = "COUNT", allow_negative_numbers = true)]
    parts: Option<Count>,
    /// Objects stored all month
    #[arg(long, value_name = "COUNT", allow_negative_numbers = true)]
    objects: Option<Count>,
    /// Bytes stored all month, where the sizes of objects are not known: 500TB; with --objects the mean size follows
    #[arg(long, value_name = "SIZE", allow_negative_numbers = true)]
    stored: Option<Size>,
    /// Bytes of an object: 64KiB, 5MB
    #[arg(long, value_name = "SIZE", allow_negative_numbers = true)]
    size: Option<Size>,
    /// Storage class [default: STANDARD]
    #[arg(long, value_name = "CLASS")]
    class: Option<StorageClass>,
    /// Customer managed KMS keys [default: 1]
    #[arg(long, value_name = "COUNT", allow_negative_numbers = true)]
    keys: Option<Count>,
    /// Rotations that each key has behind it [default: 0]
    #[arg(long, value_name = "COUNT", allow_negative_numbers = true)]
    rotations: Option<Count>,
    /// Use the AWS managed key aws/s3, free of its monthly price
    #[arg(long)]
    aws_managed_key: bool,
    /// Assumption: share of KMS calls that a Bucket Key saves [default: 0.99, what AWS claims at best]
    #[arg(long, value_name = "SHARE", allow_negative_numbers = true)]
    bucket_key_hit: Option<Share>,
    /// Assumption: share of reads on objects older than the Bucket Key, which it does not help [default: 0]
    #[arg(long, value_name = "SHARE", allow_negative_numbers = true)]
    old_reads: Option<Share>,
    /// Assumption: share of KMS calls that a data-key cache saves [default: 0.99]
    #[arg(long, value_name = "SHARE", allow_negative_numbers = true)]
    cache_hit: Option<Share>,
    /// Assumption: KMS calls of DSSE-KMS for each of SSE-KMS, 1 or 2; not published [default: 1]
    #[arg(long, value_name = "COUNT", allow_negative_numbers = true)]
    dsse_calls: Option<Count>,
    /// Trails beyond the first that record KMS calls
    #[arg(long, value_name = "COUNT", allow_negative_numbers = true)]
    extra_trails: Option<Count>,
    /// Each S3 request is recorded by `CloudTrail` as a data event
    #[arg(long)]
    data_events: bool,
}

/// The fields of `[workload]`: the flags, with underscores.
const FIELDS: [&str; 21] = [
    "put",
    "get",
    "head",
    "list",
    "copy",
    "delete",
    "multipart",
    "parts",
    "objects",
    "stored",
    "size",
    "class",
    "keys",
    "rotations",
    "aws_managed_key",
    "bucket_key_hit",
    "old_reads",
    "cache_hit",
    "dsse_calls",
    "extra_trails",
    "data_events",
];

impl Flags {
    /// Sets `field` from a file, unless the command line has.
    pub(super) fn fill(&mut self, field: &str, text: &str) -> Result<(), String> {
        fn set<T: std::str::FromStr>(to: &mut Option<T>, field: &str, text: &str) -> Result<(), String>
        where
            T::Err: std::fmt::Display,
        {
            let value = text.parse().map_err(|error| format!("`{field}`: {error}"))?;
            to.get_or_insert(value);
            Ok(())
        }
        fn switch(to: &mut bool, field: &str, text: &str) -> Result<(), String> {
            *to |=
                text.parse::<bool>().map_err(|_| format!("`{field}` is {text}: expected true or false"))?;
            Ok(())
        }
        match field {
            "put" => set(&mut self.put, field, text),
            "get" => set(&mut self.get, field, text),
            "head" => set(&mut self.head, field, text),
            "list" => set(&mut self.list, field, text),
            "copy" => set(&mut self.copy, field, text),
            "delete" => set(&mut self.delete, field, text),
            "multipart" => set(&mut self.multipart, field, text),
            "parts" => set(&mut self.parts, field, text),
            "objects" => set(&mut self.objects, field, text),
            "stored" => set(&mut self.stored, field, text),
            "size" => set(&mut self.size, field, text),
            "class" => set(&mut self.class, field, text),
            "keys" => set(&mut self.keys, field, text),
            "rotations" => set(&mut self.rotations, field, text),
            "aws_managed_key" => switch(&mut self.aws_managed_key, field, text),
            "bucket_key_hit" => set(&mut self.bucket_key_hit, field, text),
            "old_reads" => set(&mut self.old_reads, field, text),
            "cache_hit" => set(&mut self.cache_hit, field, text),
            "dsse_calls" => set(&mut self.dsse_calls, field, text),
            "extra_trails" => set(&mut self.extra_trails, field, text),
            "data_events" => switch(&mut self.data_events, field, text),
            _ => {
                let hint = nearest(field, &FIELDS).map(|name| format!("; did you mean `{name}`?"));
                let known = FIELDS.join(", ");
                Err(format!(
                    "`{field}` is no field of [workload]{}; known here: {known}",
                    hint.unwrap_or_default()
                ))
            }
        }
    }

    /// Keys and rotations, where they are all that is given: what a report's runs may be billed with.
    ///
    /// # Errors
    /// A sentence when anything else is given.
    pub(super) fn keys_alone(&self, beside: &str) -> Result<(Option<u64>, Option<u64>), String> {
        let (keys, rotations) = (self.keys, self.rotations);
        if (Self { keys, rotations, ..Self::default() }) != *self {
            return Err(format!(
                "{beside} has its own workload: beside it stand --keys and --rotations alone, and the lines of --usage"
            ));
        }
        Ok((keys.map(|count| count.0), rotations.map(|count| count.0)))
    }

    /// The workload; `None` when nothing is used.
    pub(super) fn workload(&self, region: Region, month: Month) -> Result<Option<Workload>, String> {
        let load = |name, load: Option<Load>| {
            let requests = load.map_or(Some(0), |load| load.requests(month));
            // Far beyond any account, and far from every overflow below.
            requests
                .filter(|requests| *requests <= COUNT_MAX)
                .ok_or_else(|| format!("--{name} passes {COUNT_MAX} requests a month"))
        };
        let count = |name, count: Option<Count>, default, max| match count.map_or(default, |count| count.0) {
            count if count <= max => Ok(count),
            count => Err(format!("--{name} is {count}: expected at most {max}")),
        };
        let dsse_calls = count("dsse-calls", self.dsse_calls, 1, 2)?;
        let parts = count("parts", self.parts, 10, 10_000)?;
        if dsse_calls == 0 || parts == 0 {
            return Err("--dsse-calls and --parts are at least 1".into());
        }
        let objects = count("objects", self.objects, 0, COUNT_MAX)?;
        let stored = self.stored.map(|stored| stored.0);
        if objects > 0 && self.size.is_none() && stored.is_none() {
            return Err(
                "--objects needs --size, the bytes of an object, or --stored, the bytes of all".into()
            );
        }
        // The mean, rounded up: a bill of what is read or encrypted by the byte is not too small.
        let mean = stored.filter(|_| objects > 0).map(|stored| stored.div_ceil(objects));
        let size = self.size.map(|size| size.0).or(mean);
        let workload = Workload {
            region,
            month,
            put: load("put", self.put)?,
            get: load("get", self.get)?,
            head: load("head", self.head)?,
            list: load("list", self.list)?,
            copy: load("copy", self.copy)?,
            delete: load("delete", self.delete)?,
            multipart: load("multipart", self.multipart)?,
            parts,
            objects,
            stored,
            size_is: match (self.size, size) {
                (Some(_), _) => SizeIs::Given,
                (None, Some(_)) => SizeIs::Mean,
                (None, None) => SizeIs::Unknown,
            },
            size: size.unwrap_or(0),
            class: self.class.unwrap_or(StorageClass::Standard),
            keys: match count("keys", self.keys, 1, COUNT_MAX)? {
                0 => {
                    return Err(
                        "--keys is 0: SSE-KMS needs a key; --aws-managed-key is the one without a price"
                            .into(),
                    );
                }
                keys => keys,
            },
            rotations: count("rotations", self.rotations, 0, 1_000)?,
            aws_managed_key: self.aws_managed_key,
            bucket_key_hit: self.bucket_key_hit.unwrap_or(Share::percent(99)),
            old_reads: self.old_reads.unwrap_or(Share::NONE),
            cache_hit: self.cache_hit.unwrap_or(Share::percent(99)),
            dsse_calls,
            extra_trails: count("extra-trails", self.extra_trails, 0, 100)?,
            data_events: self.data_events,
        };
        if workload.size > 50 << 40 {
            return Err(match self.size {
                Some(_) => "--size passes 50 TiB: expected the bytes of one object".into(),
                None => "--stored divided by --objects passes 50 TiB an object: expected the bytes of all objects and their \
                         number"
                    .into(),
            });
        }
        let holds = objects > 0 || stored.is_some_and(|stored| stored > 0);
        Ok((workload.requests() > 0 || holds).then_some(workload))
    }
}

const COUNT_MAX: u64 = 1_000_000_000_000_000;

/// Where the size of objects is from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum SizeIs {
    Unknown,
    Given,
    /// What is stored, by the number of objects.
    Mean,
}

/// A workload by the month.
#[derive(Clone, Debug)]
pub(super) struct Workload {
    pub(super) region: Region,
    pub(super) month: Month,
    pub(super) put: u64,
    pub(super) get: u64,
    head: u64,
    list: u64,
    copy: u64,
    delete: u64,
    pub(super) multipart: u64,
    pub(super) parts: u64,
    pub(super) objects: u64,
    pub(super) size: u64,
    /// Bytes stored, where they were given beside the number of objects.
    stored: Option<u64>,
    size_is: SizeIs,
    pub(super) class: StorageClass,
    pub(super) keys: u64,
    pub(super) rotations: u64,
    pub(super) aws_managed_key: bool,
    pub(super) bucket_key_hit: Share,
    pub(super) old_reads: Share,
    cache_hit: Share,
    dsse_calls: u64,
    extra_trails: u64,
    data_events: bool,
}

impl Workload {
    fn operations(&self) -> [(Operation, u64); 9] {
        [
            (Operation::PutObject, self.put),
            (Operation::GetObject, self.get),
            (Operation::HeadObject, self.head),
            (Operation::ListObjects, self.list),
            (Operation::CopyObject, self.copy),
            (Operation::DeleteObject, self.delete),
            (Operation::CreateMultipartUpload, self.multipart),
            (Operation::UploadPart, self.multipart.saturating_mul(self.parts)),
            (Operation::CompleteMultipartUpload, self.multipart),
        ]
    }

    /// S3 requests by the month.
    pub(super) fn requests(&self) -> u64 {
        self.operations().iter().fold(0, |sum, (_, count)| sum.saturating_add(*count))
    }

    /// KMS calls by the month under `mode`.
    pub(super) fn kms_requests(&self, mode: SseMode) -> u64 {
        let each = |operation| u64::from(pipeline::calls(operation, mode, false));
        let calls = |(operation, count): &(Operation, u64)| count.saturating_mul(each(*operation));
        let all = self.operations().iter().map(calls).fold(0_u64, u64::saturating_add);
        match mode {
            SseMode::SseKmsBucketKey => {
                let helped_reads = self.old_reads.rest(self.get);
                let unhelped = (self.get - helped_reads).saturating_mul(each(Operation::GetObject));
                unhelped + self.bucket_key_hit.rest(all - unhelped)
            }
            SseMode::DsseKms => all.saturating_mul(self.dsse_calls),
            SseMode::KmsCached => self.cache_hit.rest(all),
            _ => all,
        }
    }

    /// What of a month under `mode` has no quantity.
    pub(super) fn lacks(&self, mode: SseMode) -> Option<&'static str> {
        let bodies = self.put | self.get | self.copy | self.multipart;
        (mode == SseMode::DsseKms && self.size_is == SizeIs::Unknown && bodies > 0).then_some(
            "dsse-kms: its price by the byte is left out, for no size of objects is known; give --size, or --stored and --objects",
        )
    }

    /// What a month uses under `mode`.
    pub(super) fn usage(&self, mode: SseMode) -> Result<Usage, UsageError> {
        let mut usage = Usage::new(self.month);
        let (region, class) = (self.region, self.class);
        let (in_class, plain) = (Variant::Class(class), Variant::None);
        for (operation, count) in self.operations() {
            let item = request_item(operation);
            let variant = if item == Item::DeleteRequest { plain } else { in_class };
            usage.add(item, variant, region, u128::from(count))?;
        }
        let of_size = |objects: u64| u128::from(objects) * u128::from(self.size);
        let written = of_size(self.put) + of_size(self.copy) + of_size(self.multipart);
        usage.add_stored(class, region, self.stored.map_or(of_size(self.objects), u128::from))?;
        if matches!(
            class,
            StorageClass::StandardIa
                | StorageClass::OneZoneIa
                | StorageClass::GlacierIr
                | StorageClass::ExpressOneZone
        ) {
            usage.add(Item::Retrieval, in_class, region, of_size(self.get))?;
        }
        if class == StorageClass::ExpressOneZone {
            usage.add(Item::Upload, in_class, region, written)?;
        }
        if class == StorageClass::IntelligentTiering {
            usage.add(Item::Monitoring, in_class, region, u128::from(self.objects))?;
        }
        if self.data_events {
            usage.add(Item::CloudTrailData, plain, region, u128::from(self.requests()))?;
        }
        let kms_requests = u128::from(self.kms_requests(mode));
        if matches!(mode, SseMode::SseS3 | SseMode::SseC) {
            return Ok(usage);
        }
        usage.add(Item::KmsRequest, plain, region, kms_requests)?;
        usage.add(
            Item::CloudTrailManagementCopy,
            plain,
            region,
            kms_requests * u128::from(self.extra_trails),
        )?;
        if mode == SseMode::DsseKms {
            let bodies = [
                (Operation::PutObject, self.put),
                (Operation::GetObject, self.get),
                (Operation::CopyObject, self.copy),
                (Operation::UploadPart, self.multipart),
            ];
            let bytes = |(operation, objects)| of_size(objects) * u128::from(body_passes(operation));
            usage.add(Item::Dsse, plain, region, bodies.map(bytes).iter().sum())?;
        }
        let hours = self.month.hours();
        // A client cannot use aws/s3: its policy lets only S3 call it.
        if self.aws_managed_key && mode != SseMode::KmsCached {
            usage.add_held(Item::KmsAwsManagedKey, plain, region, 1, hours)?;
        } else {
            usage.add_keys(region, self.keys, self.rotations, hours)?;
        }
        Ok(usage)
    }

    /// What the answer takes for granted.
    pub(super) fn assumptions(&self, modes: &[SseMode]) -> Vec<String> {
        let mut list = Vec::new();
        let shows = |mode: SseMode| modes.contains(&mode);
        if shows(SseMode::SseKmsBucketKey) {
            list.push(format!(
                "sse-kms-bucket-key: the Bucket Key saves {} of the KMS calls it can help (AWS: up to 99 %; it \
                 publishes no lifetime); {} of reads are on objects that it does not help",
                self.bucket_key_hit, self.old_reads
            ));
        }
        if shows(SseMode::KmsCached) {
            list.push(format!(
                "kms-cached: client-side encryption, no setting of S3; its data-key cache saves {} of the KMS calls",
                self.cache_hit
            ));
            if self.aws_managed_key {
                list.push(format!(
                    "kms-cached: {} customer managed key(s) all the same: a client cannot use aws/s3",
                    self.keys
                ));
            }
        }
        if shows(SseMode::DsseKms) {
            list.push(format!(
                "dsse-kms: {} KMS call(s) for each of sse-kms (not published); every GET reads a whole object",
                self.dsse_calls
            ));
        }
        if [SseMode::SseKms, SseMode::DsseKms, SseMode::SseKmsBucketKey].into_iter().any(shows) {
            list.push(
                "KMS calls: one per PUT, GET and part, two per copy, none for HEAD, LIST and DELETE \
                 (inferred from permissions; AWS publishes no table)"
                    .into(),
            );
        }
        if self.stored.is_some() && self.objects > 0 {
            list.push(format!(
                "--stored is what is billed as stored; requests are of objects of {} bytes{}",
                grouped(u128::from(self.size)),
                if self.size_is == SizeIs::Mean { ", the mean" } else { "" }
            ));
        }
        if self.class != StorageClass::Standard {
            list.push(format!(
                "{}: neither its minimum size and time nor overhead per object are in the bill",
                self.class
            ));
        }
        list
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use s3seal::cost::{Bill, PriceBook, Terms};

    fn workload(fields: &[(&str, &str)]) -> Workload {
        let mut flags = Flags::default();
        for (field, text) in fields {
            flags.fill(field, text).unwrap();
        }
        let (region, month) = ("us-east-1".parse().unwrap(), "2026-10".parse().unwrap());
        flags.workload(region, month).unwrap().unwrap()
    }

    /// Source: aws-samples/s3-bucketkey-poc, 50 uploads and 100 downloads: 150 calls, 4 with a Bucket Key.
    #[test]
    fn fifty_uploads_and_a_hundred_downloads_make_150_calls_or_4() {
        let workload = workload(&[("put", "50"), ("get", "100"), ("bucket_key_hit", "97.34%")]);
        assert_eq!(workload.kms_requests(SseMode::SseKms), 150);
        assert_eq!(workload.kms_requests(SseMode::SseKmsBucketKey), 4);
        assert_eq!([SseMode::SseS3, SseMode::SseC].map(|mode| workload.kms_requests(mode)), [0, 0]);
    }

    #[test]
    fn a_multipart_upload_asks_for_each_part_and_twice_besides() {
        let workload =
            workload(&[("multipart", "100"), ("parts", "8"), ("head", "7"), ("list", "7"), ("delete", "7")]);
        assert_eq!(workload.kms_requests(SseMode::SseKms), 100 * (8 + 2));
        assert_eq!(workload.kms_requests(SseMode::KmsCached), 1);
    }

    #[test]
    fn a_copy_unwraps_one_key_and_fetches_another_and_dsse_may_double_that() {
        let workload = workload(&[("copy", "10"), ("dsse_calls", "2")]);
        assert_eq!(workload.kms_requests(SseMode::SseKms), 20);
        assert_eq!(workload.kms_requests(SseMode::DsseKms), 40);
    }

    #[test]
    fn reads_on_old_objects_are_beyond_the_bucket_keys_help() {
        let workload =
            workload(&[("put", "1000"), ("get", "1000"), ("bucket_key_hit", "1"), ("old_reads", "0.1")]);
        assert_eq!(workload.kms_requests(SseMode::SseKmsBucketKey), 100);
    }

    #[test]
    fn what_encryption_adds_to_sse_s3_is_its_lines() {
        let workload = workload(&[
            ("put", "3M"),
            ("get", "7M"),
            ("copy", "1M"),
            ("objects", "5M"),
            ("size", "1MiB"),
            ("rotations", "4"),
        ]);
        let bill = |mode| {
            Bill::new(&workload.usage(mode).unwrap(), &PriceBook::embedded(), Terms::default()).unwrap()
        };
        let baseline = bill(SseMode::SseS3);
        for mode in SseMode::ALL {
            assert_eq!(bill(mode).total() - baseline.total(), bill(mode).encryption(), "{mode}");
        }
        assert!(bill(SseMode::DsseKms).encryption() > bill(SseMode::SseKms).encryption());
    }

    #[test]
    fn every_field_of_a_file_is_a_flag() {
        for field in FIELDS {
            let text = match field {
                "class" => "STANDARD",
                "aws_managed_key" | "data_events" => "true",
                field if field.ends_with("_hit") || field == "old_reads" => "0.5",
                _ => "1",
            };
            assert_eq!(Flags::default().fill(field, text), Ok(()), "{field}");
        }
    }
}
