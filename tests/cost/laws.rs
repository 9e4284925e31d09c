//! Laws of bills over random usages, and of the source on the way to them: no float in it.

use std::sync::LazyLock;

use proptest::prelude::*;
use rust_decimal::Decimal;
use s3seal::cost::{Bill, Item, Month, PriceBook, Region, StorageClass, Terms, Usage, Variant};
use s3seal::units::Usd;

const GB: u128 = 1 << 30;

static BOOK: LazyLock<PriceBook> = LazyLock::new(PriceBook::embedded);

fn bill(usage: &Usage) -> Bill {
    Bill::new(usage, &BOOK, Terms::default()).unwrap()
}

fn region(text: &str) -> Region {
    text.parse().unwrap()
}

/// One thing used: any item, in Regions of which some have no price.
fn entry() -> impl Strategy<Value = (Item, Variant, Region, u128)> {
    let item = prop::sample::select(Item::ALL.to_vec());
    let class = prop::sample::select(StorageClass::ALL.to_vec());
    let place =
        prop::sample::select(vec!["us-east-1", "eu-west-1", "ap-southeast-1", "eu-west-3", "us-gov-west-1"]);
    // Up to some hundred thousand units, so that every tier is reached.
    (item, class, place, 0..600_000_u128, 0..1_000_000_u128).prop_map(|(item, class, place, units, part)| {
        let variant = match item.variant(class.as_str()) {
            Ok(variant) => variant,
            Err(_) => Variant::None,
        };
        let base = item.unit().base(month());
        (item, variant, region(place), units * base + part * base / 1_000_000)
    })
}

fn month() -> Month {
    "2026-10".parse().unwrap()
}

fn usage_of(month: Month, entries: &[(Item, Variant, Region, u128)]) -> Usage {
    let mut usage = Usage::new(month);
    for &(item, variant, region, quantity) in entries {
        usage.add(item, variant, region, quantity).unwrap();
    }
    usage
}

proptest! {
    #[test]
    fn a_bill_never_falls_when_usage_grows(
        entries in prop::collection::vec(entry(), 0..12),
        more in entry(),
        free_tier: bool,
    ) {
        let less = usage_of(month(), &entries);
        let mut greater = less.clone();
        greater.add(more.0, more.1, more.2, more.3).unwrap();
        let terms = Terms { free_tier };
        let [less, greater] = [&less, &greater].map(|usage| Bill::new(usage, &BOOK, terms).unwrap());
        prop_assert!(less.total() <= greater.total());
        prop_assert!(less.exact() <= greater.exact());
        prop_assert!(less.encryption() <= greater.encryption());
    }

    #[test]
    fn the_total_is_the_sum_of_lines_each_within_half_a_cent_of_its_exact_value(
        entries in prop::collection::vec(entry(), 0..12),
    ) {
        let bill = bill(&usage_of(month(), &entries));
        let sum: Usd = bill.lines().iter().filter_map(|line| line.amount).sum();
        prop_assert_eq!(bill.total(), sum);
        for line in bill.lines() {
            prop_assert_eq!(line.amount.is_some(), line.exact.is_some());
            let Some((amount, exact)) = line.amount.zip(line.exact) else { continue };
            prop_assert!(amount.decimal().normalize().scale() <= 2);
            prop_assert!((amount.decimal() - exact.decimal()).abs() <= Decimal::new(5, 3));
        }
    }

    #[test]
    fn no_quantity_is_lost_between_usage_and_lines(entries in prop::collection::vec(entry(), 0..12)) {
        let usage = usage_of(month(), &entries);
        let bill = bill(&usage);
        for ((item, variant, region), quantity) in usage.iter() {
            let lines = bill.lines().iter();
            let of_it = lines.filter(|line| (line.item, line.variant, line.region) == (item, variant, region));
            prop_assert_eq!(of_it.map(|line| line.quantity).sum::<u128>(), quantity);
        }
    }

    /// Accounts under consolidated billing are one for tiers and allowances: volume makes storage no dearer than apart,
    /// and there is one free tier instead of two. What has neither adds up exactly.
    #[test]
    fn consolidated_accounts_add_up_where_aws_does(
        a in prop::collection::vec(entry(), 0..8),
        b in prop::collection::vec(entry(), 0..8),
    ) {
        let flat = |item: &Item| !matches!(item, Item::KmsRequest | Item::InternetTransfer | Item::Storage | Item::Bucket
            | Item::ConfigRule | Item::SecurityHubCheck | Item::SecurityHubFinding | Item::MacieInspection | Item::EarlyDelete);
        let only = |entries: &[(Item, Variant, Region, u128)], keep: &dyn Fn(&Item) -> bool| {
            let kept: Vec<_> = entries.iter().copied().filter(|(item, ..)| keep(item)).collect();
            usage_of(month(), &kept)
        };
        let together = |keep: &dyn Fn(&Item) -> bool| {
            let (a, b) = (only(&a, keep), only(&b, keep));
            let mut both = a.clone();
            both.merge(&b).unwrap();
            (bill(&both).exact(), bill(&a).exact() + bill(&b).exact())
        };
        // Twelve decimals a line: a line of each account and of both, at most 24 of them.
        let rounding = Usd::new(Decimal::new(24, 12));
        let (both, apart) = together(&flat);
        prop_assert!(both <= apart + rounding && apart <= both + rounding, "{both} {apart}");
        let (both, apart) = together(&|item| *item == Item::Storage);
        prop_assert!(both <= apart + rounding, "volume tiers: {both} {apart}");
        let (both, apart) = together(&|item| *item == Item::KmsRequest);
        prop_assert!(both + rounding >= apart, "one free tier: {both} {apart}");
        // 20,000 requests at the dearest price there is, 0.04 per 10,000.
        prop_assert!(both <= apart + Usd::from_cents(8), "one free tier: {both} {apart}");
    }

    /// Crossing the edge by one byte-hour costs one byte-hour: no jump.
    #[test]
    fn tiers_are_continuous_at_their_edges(edge in prop::sample::select(vec![51_200_u128, 512_000]), step in 1..1_000_u128) {
        let exact = |quantity| {
            let mut usage = Usage::new(month());
            let standard = Variant::Class(StorageClass::Standard);
            usage.add(Item::Storage, standard, region("us-east-1"), quantity).unwrap();
            bill(&usage).exact().decimal()
        };
        let base = GB * u128::from(month().hours());
        let edge = edge * base;
        let jump = exact(edge + step) - exact(edge - step);
        // Two steps at no more than the first tier's price, and three roundings at the twelfth decimal.
        let most = Decimal::new(23, 3) * Decimal::from(2 * step) / Decimal::from(base) + Decimal::new(3, 12);
        prop_assert!(jump >= Decimal::ZERO && jump <= most, "{jump} {most}");
    }

    /// An independent calculation: decimals to 28 digits, tier by tier, for what has one price.
    #[test]
    fn a_line_is_price_times_quantity(requests in 0..u64::MAX / 1_000_000) {
        let mut usage = Usage::new(month());
        usage.add(Item::KmsRequest, Variant::None, region("us-east-1"), u128::from(requests)).unwrap();
        let terms = Terms { free_tier: false };
        let exact = Bill::new(&usage, &BOOK, terms).unwrap().exact().decimal();
        prop_assert_eq!(exact, Decimal::new(3, 6) * Decimal::from(requests));
    }
}

#[test]
fn months_are_billed_apart_and_each_has_its_free_tier() {
    let requests = |month: &str, count| {
        let usage = usage_of(
            month.parse().unwrap(),
            &[(Item::KmsRequest, Variant::None, region("us-east-1"), count)],
        );
        bill(&usage).total().to_string()
    };
    assert_eq!([requests("2026-10", 30_000), requests("2026-11", 30_000)], ["0.03", "0.03"]);
    let usage = Usage::new(month());
    assert!(Usage::new(month().next()).merge(&usage).is_err());
}

#[test]
fn every_item_has_a_price_in_some_region() {
    for item in Item::ALL {
        let of_item = |priced: Item| BOOK.rows().any(|row| row.item == priced && row.usd.is_some());
        let priced = match item {
            Item::UpdateEncryptionRequest => Item::PutRequest,
            Item::EarlyDelete => Item::Storage,
            item => *item,
        };
        assert!(of_item(priced), "{item}");
    }
}

#[test]
fn no_float_is_in_the_source_on_the_path_of_money() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let of = |folder: &str| std::fs::read_dir(root.join(folder)).unwrap().map(|entry| entry.unwrap().path());
    let alone = ["units.rs", "report/cost.rs", "cli/cost.rs", "cli/pricing.rs"].map(|file| root.join(file));
    let mut files = 0;
    for path in of("cost").chain(of("cli/cost")).chain(alone) {
        if path.extension().is_some_and(|ending| ending == "rs") {
            let text = std::fs::read_to_string(&path).unwrap();
            let words = text.split(|c: char| !c.is_alphanumeric() && c != '_');
            let float = |word: &str| word.contains("f32") || word.contains("f64");
            assert!(!words.into_iter().any(float), "{} has a float", path.display());
            files += 1;
        }
    }
    assert!(files > 20, "reads the room, and whoever makes bills");
}
