//! Published examples of prices and bills, to the cent. Where a source's own figure is wrong, the test says so.

use rust_decimal::Decimal;
use s3seal::cost::{Bill, Item, Month, PriceBook, Region, StorageClass, Terms, Usage, UsageFile, Variant};
use s3seal::units::Usd;

const GB: u128 = 1 << 30;

fn month() -> Month {
    "2026-10".parse().unwrap()
}

fn region() -> Region {
    "us-east-1".parse().unwrap()
}

/// A usage in us-east-1, built by counts in base units.
struct Account(Usage);

impl Account {
    fn new() -> Self {
        Self::in_month("2026-10")
    }

    fn in_month(text: &str) -> Self {
        Self(Usage::new(text.parse().unwrap()))
    }

    fn with(mut self, item: Item, quantity: u128) -> Self {
        self.0.add(item, Variant::None, region(), quantity).unwrap();
        self
    }

    fn class(mut self, item: Item, class: StorageClass, quantity: u128) -> Self {
        self.0.add(item, Variant::Class(class), region(), quantity).unwrap();
        self
    }

    fn keys(mut self, keys: u64, rotations: u64) -> Self {
        let hours = self.0.month().hours();
        self.0.add_keys(region(), keys, rotations, hours).unwrap();
        self
    }

    fn bill(&self) -> Bill {
        Bill::new(&self.0, &PriceBook::embedded(), Terms::default()).unwrap()
    }

    fn total(&self) -> String {
        self.bill().total().to_string()
    }

    /// The total where other work has used up the free tier.
    fn total_without_free_tier(&self) -> String {
        Bill::new(&self.0, &PriceBook::embedded(), Terms { free_tier: false }).unwrap().total().to_string()
    }
}

fn amounts(bill: &Bill) -> Vec<String> {
    bill.lines().iter().map(|line| line.amount.unwrap().to_string()).collect()
}

// AWS KMS.

#[test]
fn a_key_with_two_million_requests_as_on_the_kms_price_page() {
    let account = Account::new().keys(1, 0).with(Item::KmsRequest, 10_000 + 2_000_000);
    assert_eq!(amounts(&account.bill()), ["1.00", "0.00", "5.97"]);
    assert_eq!(account.total(), "6.97");
    let billable = account.bill().lines()[2].quantity;
    assert_eq!(billable, 1_990_000);
}

#[test]
fn requests_inside_the_free_tier_cost_nothing() {
    assert_eq!(Account::new().keys(1, 0).with(Item::KmsRequest, 15_000).total(), "1.00");
    assert_eq!(Account::new().keys(1, 0).with(Item::KmsRequest, 1_000 + 99_000).total(), "1.24");
}

#[test]
fn a_million_files_a_day() {
    let day = Account::new().with(Item::KmsRequest, 1_000_000);
    assert_eq!(day.total_without_free_tier(), "3.00");
    // The source prints "about $1,000/yr"; 365 × 3.00 is 1,095.00.
    let year = Account::new().with(Item::KmsRequest, 365_000_000);
    assert_eq!(year.total_without_free_tier(), "1095.00");
}

#[test]
fn ten_thousand_requests_and_a_key_with_the_free_tier_left_out() {
    let account = Account::new().keys(1, 0).with(Item::KmsRequest, 10_000);
    assert_eq!(account.total_without_free_tier(), "1.03");
}

#[test]
fn a_key_costs_twelve_dollars_a_year_whatever_the_length_of_its_months() {
    let mut month: Month = "2026-01".parse().unwrap();
    let mut year = Usd::ZERO;
    for _ in 0..12 {
        year = year + Account::in_month(&month.to_string()).keys(1, 0).bill().total();
        month = month.next();
    }
    assert_eq!(year.to_string(), "12.00");
}

#[test]
fn three_keys_as_infracost_prices_them() {
    assert_eq!(Account::new().keys(3, 0).total(), "3.00");
}

#[test]
fn rotations_under_the_rule_of_may_2024_and_under_the_one_before() {
    let total = |month, rotations| Account::in_month(month).keys(1, rotations).total();
    assert_eq!([0, 1, 2, 3, 25].map(|n| total("2024-05", n)), ["1.00", "2.00", "3.00", "3.00", "3.00"]);
    assert_eq!([0, 2, 10].map(|n| total("2024-04", n)), ["1.00", "3.00", "11.00"]);
}

#[test]
fn six_test_keys_for_an_hour() {
    let mut account = Account::new();
    account.0.add_keys(region(), 6, 0, 1).unwrap();
    assert_eq!(account.total(), "0.01");
    // The source divides by 730 hours and prints 0.0082; a bill divides by the month's 744.
    assert_eq!(account.bill().exact().to_string(), "0.008064516129");
    // FOCUS 1.0 sample data: one key for an hour of September 2024 is 0.0013888889 of a month.
    let mut september = Account::in_month("2024-09");
    september.0.add_keys(region(), 1, 0, 1).unwrap();
    assert_eq!(september.bill().exact().to_string(), "0.001388888889");
}

#[test]
fn a_million_signatures_are_never_the_3_30_that_one_source_prints() {
    let total = |item| Account::new().keys(1, 0).with(item, 1_000_000).total();
    assert_eq!(total(Item::KmsRequestRsa2048), "4.00");
    assert_eq!(total(Item::KmsRequestAsymmetric), "16.00");
}

// Bucket Keys.

#[test]
fn bucket_keys_that_took_a_bill_from_1500_to_300_a_day() {
    let calls = |calls| Account::new().with(Item::KmsRequest, calls).total_without_free_tier();
    assert_eq!([calls(500_000_000), calls(100_000_000)], ["1500.00", "300.00"]);
    // 30 days of the 1,200.00 saved, and the mean rate that the bill implies: 5,787 calls a second.
    assert_eq!(calls(30 * 400_000_000), "36000.00");
    assert_eq!(500_000_000_u64 / 86_400, 5_787);
}

// Amazon S3.

#[test]
fn march_storage_of_the_s3_faq_byte_hour_by_byte_hour() {
    let mut account = Account::in_month("2026-03");
    for (bytes, days) in [(100 * GB, 15), (100 * 1_024 * GB, 16)] {
        let standard = Variant::Class(StorageClass::Standard);
        account.0.add_held(Item::Storage, standard, region(), bytes, days * 24).unwrap();
    }
    let standard = Variant::Class(StorageClass::Standard);
    assert_eq!(account.0.quantity(Item::Storage, standard, region()), 42_259_901_212_262_400);
    let bill = account.bill();
    let units: Vec<_> = bill.lines().iter().map(|line| line.units().to_string()).collect();
    assert_eq!(units, ["51200", "1700"], "52,900 GB-months");
    assert_eq!(amounts(&bill), ["1177.60", "37.40"]);
    assert_eq!(bill.total().to_string(), "1215.00");
}

#[test]
fn requests_of_the_s3_faq_are_rounded_by_the_line() {
    let account = Account::in_month("2026-03")
        .class(Item::PutRequest, StorageClass::Standard, 310_000)
        .class(Item::GetRequest, StorageClass::Standard, 620_000)
        .with(Item::DeleteRequest, 5_000);
    assert_eq!(amounts(&account.bill()), ["1.55", "0.25", "0.00"]);
    assert_eq!(account.total(), "1.80");
    assert_eq!(account.bill().exact().to_string(), "1.798");
}

#[test]
fn retrieval_from_standard_ia() {
    assert_eq!(Account::new().class(Item::Retrieval, StorageClass::StandardIa, 300 * GB).total(), "3.00");
}

#[test]
fn express_one_zone_of_the_s3_faq() {
    use StorageClass::ExpressOneZone;
    let hours = u128::from(month().hours());
    let account = Account::new()
        .class(Item::Storage, ExpressOneZone, 10 * GB * hours)
        .class(Item::PutRequest, ExpressOneZone, 1_000_000)
        .class(Item::GetRequest, ExpressOneZone, 9_000_000)
        .class(Item::Upload, ExpressOneZone, 1_000_000 * 10_240)
        .class(Item::Retrieval, ExpressOneZone, 9_000_000 * 10_240);
    assert_eq!(amounts(&account.bill()), ["1.10", "1.13", "0.27", "0.03", "0.05"]);
    assert_eq!(account.total(), "2.58");
}

// Batch Operations and restores.

#[test]
fn inventory_batch_jobs_and_puts_of_aws_samples() {
    assert_eq!(Account::new().with(Item::InventoryObject, 100_000_000).total(), "0.25");
    let jobs = Account::new().with(Item::BatchJob, 50).with(Item::BatchObject, 500_000);
    assert_eq!(jobs.total(), "13.00");
    assert_eq!(Account::new().class(Item::PutRequest, StorageClass::Standard, 1_000_000).total(), "5.00");
}

#[test]
fn bulk_restore_from_deep_archive() {
    use StorageClass::DeepArchive;
    assert_eq!(Account::new().class(Item::RetrievalBulk, DeepArchive, 5_000 * GB).total(), "12.50");
    assert_eq!(Account::new().class(Item::RestoreRequestBulk, DeepArchive, 1_000).total(), "0.03", "0.025");
}

#[test]
fn a_million_objects_re_encrypted_by_batch_copy() {
    use s3seal::cost::Method;
    let bill = |calls, free_tier| {
        let usage =
            Method::BatchCopy.usage(1_000_000, calls, StorageClass::Standard, region(), month()).unwrap();
        Bill::new(&usage, &PriceBook::embedded(), Terms { free_tier }).unwrap().total().to_string()
    };
    // One GenerateDataKey an object; from SSE-KMS a Decrypt besides.
    assert_eq!([bill(1_000_000, false), bill(1_000_000, true)], ["9.25", "9.19"]);
    assert_eq!(bill(2_000_000, false), "12.25");
}

/// AWS re:Post, "manage data retrieval and storage costs": 15,000,000 objects, 102,400 GB. It reckons with 0.05 per 1,000
/// standard requests where another source has 0.03: the book calls its price doubtful.
#[test]
fn a_restore_of_100_tb_as_re_post_reckons_it() {
    use StorageClass::Glacier;
    let restore = |request, retrieval| {
        Account::new().class(request, Glacier, 15_000_000).class(retrieval, Glacier, 102_400 * GB)
    };
    let standard = restore(Item::RestoreRequest, Item::Retrieval);
    let row = "item,variant,region,price,per,unit,source\nrestore-request,GLACIER,us-east-1,0.05,1000,request,AWS re:Post\n";
    let book = PriceBook::embedded().overlay(row, "re-post.csv").unwrap();
    let bill = Bill::new(&standard.0, &book, Terms::default()).unwrap();
    assert_eq!(
        (amounts(&bill), bill.total().to_string()),
        (vec!["1024.00".into(), "750.00".into()], "1774.00".into())
    );
    assert_eq!(standard.bill().unconfirmed().count(), 1);
    let expedited = restore(Item::RestoreRequestExpedited, Item::RetrievalExpedited);
    assert_eq!(expedited.total(), "153072.00");
    assert_eq!(restore(Item::RestoreRequestBulk, Item::RetrievalBulk).total(), "0.00");
}

/// Calls that were counted, and what a Bucket Key and a cache leave of them: aws-samples/s3-bucketkey-poc and the
/// Encryption SDK's guide to data key caching.
#[test]
fn call_counts_of_bucket_keys_and_of_a_cache() {
    // 150 calls without a Bucket Key, 4 with one: 97.33 % fewer.
    let saved = Decimal::from(150 - 4) * Decimal::from(100) / Decimal::from(150);
    assert_eq!(saved.round_dp(2), Decimal::new(9_733, 2));
    // 500 and 1,000 requests a second, each data key good for 100 uses: 5 and 10 calls a second, by the month.
    let month =
        |per_second: u128| Account::new().with(Item::KmsRequest, per_second * u128::from(month().seconds()));
    let totals = |calls: [u128; 2]| calls.map(|calls| month(calls).total_without_free_tier());
    assert_eq!(totals([500, 1_000]), ["4017.60", "8035.20"]);
    assert_eq!(totals([5, 10]), ["40.18", "80.35"]);
}

/// Keys of every kind cost the same; a multi-Region key is one in each of its Regions.
///
/// Source: AWS KMS price page.
#[test]
fn a_multi_region_key_is_billed_in_each_region() {
    let mut usage = Usage::new(month());
    for place in ["us-east-1", "eu-west-1", "ap-southeast-2"] {
        usage.add_keys(place.parse().unwrap(), 1, 0, month().hours()).unwrap();
    }
    assert_eq!(
        Bill::new(&usage, &PriceBook::embedded(), Terms::default()).unwrap().total().to_string(),
        "3.00"
    );
}

/// AWS Config's rule of August 2019: 0.001 for the first 100,000 evaluations, 0.0008 for the next 400,000.
#[test]
fn config_rules_and_cloudtrail_that_an_audit_of_kms_brings_along() {
    assert_eq!(Account::new().with(Item::ConfigRule, 150_000).total(), "140.00");
    assert_eq!(Account::new().with(Item::ConfigItem, 1_000).total(), "3.00");
    assert_eq!(Account::new().with(Item::CloudTrailManagement, 10_000_000).total(), "0.00");
    assert_eq!(Account::new().with(Item::CloudTrailManagementCopy, 2_000_000).total(), "40.00");
    assert_eq!(Account::new().with(Item::CloudTrailData, 5_000_000).total(), "5.00");
}

// Real bills, and another program's.

#[test]
fn lines_of_real_bills() {
    let line = |region: &str, item: Item, variant: Variant, quantity: u128| {
        let mut usage = Usage::new("2025-05".parse().unwrap());
        usage.add(item, variant, region.parse().unwrap(), quantity).unwrap();
        Bill::new(&usage, &PriceBook::embedded(), Terms::default()).unwrap()
    };
    let standard = Variant::Class(StorageClass::Standard);
    // March 2021, Tokyo: 19,835 PUT = 0.0932245.
    let tokyo = line("ap-northeast-1", Item::PutRequest, standard, 19_835);
    assert_eq!(tokyo.exact().to_string(), "0.0932245");
    // FOCUS 1.0 sample data, charge by charge: 559 GET, 162 GET, 18 PUT.
    let virginia = |item, count| line("us-east-1", item, standard, count).exact().to_string();
    assert_eq!(virginia(Item::GetRequest, 559), "0.0002236");
    assert_eq!(virginia(Item::GetRequest, 162), "0.0000648");
    assert_eq!(virginia(Item::PutRequest, 18), "0.00009");
    // Oregon there: to other Regions at 0.02, from them and to CloudFront at nothing.
    let oregon = |item, bytes| line("us-west-2", item, Variant::None, bytes).exact().to_string();
    assert_eq!(oregon(Item::InterRegionTransfer, GB), "0.02");
    assert_eq!([oregon(Item::TransferIn, GB), oregon(Item::CloudFrontTransfer, GB)], ["0.00", "0.00"]);
}

/// The bill of May 2025: 14.045 GB-months in Singapore at 0.025.
#[test]
fn a_line_can_be_given_in_the_units_of_its_bill() {
    let text = "month = \"2025-05\"\nregion = \"ap-southeast-1\"\n[[line]]\nitem = \"storage\"\n\
                variant = \"STANDARD\"\nquantity = 14.045\n";
    let file = UsageFile::parse(text, "bill.toml", month(), None).unwrap();
    let bill = Bill::new(&file.usage, &PriceBook::embedded(), Terms::default()).unwrap();
    assert_eq!(bill.total().to_string(), "0.35");
    // To the nearest byte-hour: 10⁻¹² of a GB-month.
    assert_eq!(bill.exact().decimal().round_dp(9), Decimal::new(351_125, 6));
}

/// infracost, testdata of its S3 bucket, line by line.
#[test]
fn the_s3_bucket_that_infracost_prices() {
    use StorageClass::{
        DeepArchive, Glacier, IntelligentTiering, IntelligentTieringArchive, IntelligentTieringDeepArchive,
        IntelligentTieringInfrequent, OneZoneIa, Standard, StandardIa,
    };
    let gb_month = GB * u128::from(month().hours());
    let rows: [(Item, StorageClass, u128, &str); 54] = [
        (Item::Storage, Standard, 10_000 * gb_month, "230.00"),
        (Item::PutRequest, Standard, 10_000, "0.05"),
        (Item::GetRequest, Standard, 10_000, "0.00"),
        (Item::SelectScanned, Standard, 10_000 * GB, "20.00"),
        (Item::SelectReturned, Standard, 10_000 * GB, "7.00"),
        (Item::Storage, IntelligentTiering, 20_000 * gb_month, "460.00"),
        (Item::Storage, IntelligentTieringInfrequent, 20_000 * gb_month, "250.00"),
        (Item::Storage, IntelligentTieringArchive, 20_000 * gb_month, "72.00"),
        (Item::Storage, IntelligentTieringDeepArchive, 20_000 * gb_month, "19.80"),
        (Item::Monitoring, IntelligentTiering, 20_000, "0.05"),
        (Item::PutRequest, IntelligentTiering, 20_000, "0.10"),
        (Item::GetRequest, IntelligentTiering, 20_000, "0.01"),
        (Item::LifecycleTransition, IntelligentTiering, 20_000, "0.20"),
        (Item::SelectScanned, IntelligentTiering, 20_000 * GB, "40.00"),
        (Item::SelectReturned, IntelligentTiering, 20_000 * GB, "14.00"),
        (Item::EarlyDelete, IntelligentTiering, 20_000 * gb_month, "460.00"),
        (Item::Storage, StandardIa, 30_000 * gb_month, "375.00"),
        (Item::PutRequest, StandardIa, 30_000, "0.30"),
        (Item::GetRequest, StandardIa, 30_000, "0.03"),
        (Item::LifecycleTransition, StandardIa, 30_000, "0.30"),
        (Item::Retrieval, StandardIa, 30_000 * GB, "300.00"),
        (Item::SelectScanned, StandardIa, 30_000 * GB, "60.00"),
        (Item::SelectReturned, StandardIa, 30_000 * GB, "300.00"),
        (Item::Storage, OneZoneIa, 40_000 * gb_month, "400.00"),
        (Item::PutRequest, OneZoneIa, 40_000, "0.40"),
        (Item::GetRequest, OneZoneIa, 40_000, "0.04"),
        (Item::LifecycleTransition, OneZoneIa, 40_000, "0.40"),
        (Item::Retrieval, OneZoneIa, 40_000 * GB, "400.00"),
        (Item::SelectScanned, OneZoneIa, 40_000 * GB, "80.00"),
        (Item::SelectReturned, OneZoneIa, 40_000 * GB, "400.00"),
        (Item::Storage, Glacier, 50_000 * gb_month, "180.00"),
        (Item::PutRequest, Glacier, 50_000, "1.50"),
        (Item::GetRequest, Glacier, 50_000, "0.02"),
        (Item::LifecycleTransition, Glacier, 50_000, "1.50"),
        (Item::RestoreRequest, Glacier, 50_000, "1.50"),
        (Item::Retrieval, Glacier, 50_000 * GB, "500.00"),
        (Item::RestoreRequestExpedited, Glacier, 50_000, "500.00"),
        (Item::RetrievalExpedited, Glacier, 50_000 * GB, "1500.00"),
        (Item::EarlyDelete, Glacier, 50_000 * gb_month, "180.00"),
        (Item::SelectScanned, Glacier, 50_000 * GB, "400.00"),
        (Item::SelectReturned, Glacier, 50_000 * GB, "500.00"),
        (Item::SelectScannedExpedited, Glacier, 50_000 * GB, "1000.00"),
        (Item::SelectReturnedExpedited, Glacier, 50_000 * GB, "1500.00"),
        (Item::SelectScannedBulk, Glacier, 50_000 * GB, "50.00"),
        (Item::SelectReturnedBulk, Glacier, 50_000 * GB, "125.00"),
        (Item::Storage, DeepArchive, 60_000 * gb_month, "59.40"),
        (Item::PutRequest, DeepArchive, 60_000, "3.00"),
        (Item::GetRequest, DeepArchive, 60_000, "0.02"),
        (Item::LifecycleTransition, DeepArchive, 60_000, "3.00"),
        (Item::RestoreRequest, DeepArchive, 60_000, "6.00"),
        (Item::Retrieval, DeepArchive, 60_000 * GB, "1200.00"),
        (Item::RestoreRequestBulk, DeepArchive, 60_000, "1.50"),
        (Item::RetrievalBulk, DeepArchive, 60_000 * GB, "150.00"),
        (Item::EarlyDelete, DeepArchive, 60_000 * gb_month, "59.40"),
    ];
    let mut account = Account::new();
    for (item, class, quantity, amount) in rows {
        let alone = Account::new().class(item, class, quantity);
        assert_eq!(alone.total(), amount, "{item} {class}");
        account = account.class(item, class, quantity);
    }
    // It adds up before it rounds.
    assert_eq!(account.bill().exact().to_cents().to_string(), "11811.53");
}
