//! What runs cost: the same usage is the same bill in a report and in the library, scaled exactly, and attributed
//! without a rest.

use crate::rows::*;
use proptest::prelude::*;
use rust_decimal::Decimal;
use s3seal::cost::{Bill, Charge, Item, StorageClass, Terms, Usage, Variant};
use s3seal::report::*;
use s3seal::request::*;
use s3seal::units::{Timestamp, Usd};

/// A report of runs of `recorders`, priced.
fn priced(runs: &[(SseMode, &Recorder)], pricing: &Pricing) -> Report {
    let runs = runs.iter().map(|(mode, recorder)| {
        Summary::new(recorder, &self::run(*mode, Kind::Simulated, Some(5_500)), named)
    });
    let mut report = Report::new(s3seal::units::Seed(1), String::new(), runs.collect());
    report.price(pricing).unwrap();
    report
}

fn cost(report: &Report, run: usize) -> &Cost {
    report.runs[run].cost.as_ref().expect("a priced run with a measured part")
}

fn cents(text: &str) -> Usd {
    Usd::new(Decimal::from_str_exact(text).unwrap())
}

/// 400 GETs a second in 4 s, each with a Decrypt that is granted and billed.
#[test]
fn a_run_is_billed_as_the_library_bills_the_same_usage_by_the_month() {
    let recorder = sse_kms(400, 400);
    let report = priced(&[(SseMode::SseKms, &recorder)], &pricing());
    let seconds: u128 = 31 * 86_400;
    let (month, region) = (pricing().month, pricing().region);
    let mut usage = Usage::new(month);
    usage.add_keys(region, 1, 0, month.hours()).unwrap();
    usage.add(Item::KmsRequest, Variant::None, region, 400 * seconds).unwrap();
    usage.add(Item::GetRequest, Variant::Class(StorageClass::Standard), region, 400 * seconds).unwrap();
    let bill = Bill::new(&usage, &pricing().book, Terms::default()).unwrap();
    let ours = cost(&report, 0);
    assert_eq!(ours.lines, bill.lines().iter().map(Charge::from).collect::<Vec<_>>());
    assert_eq!((ours.total, ours.total_exact), (bill.total(), bill.exact()));
    assert_eq!(
        (ours.encryption_adds, ours.encryption_adds_exact),
        (bill.encryption(), bill.encryption_exact())
    );
    // By hand: 1,071,360,000 requests; (those − 20,000) × 0.000003, one key, and GETs at 0.0000004.
    assert_eq!(ours.requests, 1_071_360_000);
    assert_eq!(ours.encryption_adds, cents("3215.02"));
    assert_eq!(ours.total, cents("3643.56"));
    // A million: 3.00 for KMS and 0.40 for S3, whatever the rate.
    let million = ours.per_million.unwrap();
    assert_eq!((million.total, million.encryption_adds), (cents("3.40"), cents("3.00")));
}

#[test]
fn what_kms_throttles_and_what_s3_answers_with_503_is_not_billed_and_a_denial_is() {
    let throttled = sse_kms(400, 300);
    let report = priced(&[(SseMode::SseKms, &throttled)], &pricing());
    let seconds = 31 * 86_400;
    assert_eq!((cost(&report, 0).kms_requests, cost(&report, 0).requests), (300 * seconds, 300 * seconds));
    assert!(report.runs[0].kms.throttled > 0 && report.runs[0].failed == 400);

    let mut recorder = Recorder::new(WINDOW);
    let denied = Outcome { ending: Ending::Denied, ..get(WINDOW.from) };
    recorder.record(&denied);
    let gets = |report: &Report| {
        let line = cost(report, 0).lines.iter().find(|line| line.item == "get-request");
        line.map(|line| line.quantity.clone())
    };
    let once = Some((seconds / 4).to_string());
    let mut report = priced(&[(SseMode::SseKms, &recorder)], &pricing());
    assert_eq!(gets(&report), once, "S3 bills what it answers with 403");
    let mut unheard = Recorder::new(WINDOW);
    unheard.record(&Outcome { s3_requests: 0, ..denied });
    let cached = priced(&[(SseMode::KmsCached, &unheard)], &pricing());
    assert_eq!(gets(&cached), None, "the client asked KMS first, and then S3 nothing");
    // A report of an older program does not say what reached S3: the mode does.
    let mut old = |mode| {
        report.runs[0].mode = mode;
        let ended = report.runs[0].operations[0].ended.as_mut().unwrap();
        (ended.s3_requests, ended.crypto_bytes) = (None, None);
        report.price(&pricing()).unwrap();
        gets(&report)
    };
    assert_eq!([old(SseMode::SseKms), old(SseMode::KmsCached)], [once, None]);
}

#[test]
fn a_bucket_key_saves_what_its_requests_would_have_paid_for_under_plain_sse_kms() {
    let (plain, warm) = (sse_kms(400, 400), warm(400));
    let report = priced(&[(SseMode::SseKms, &plain), (SseMode::SseKmsBucketKey, &warm)], &pricing());
    let (before, after) = (cost(&report, 0), cost(&report, 1));
    let saves = after.saves.as_ref().unwrap();
    assert_eq!((saves.against.as_str(), before.saves.clone()), ("sse-kms", None));
    // As many succeed on both sides, so the saving is the difference of the bills.
    assert_eq!(saves.usd, before.total - after.total);
    assert_eq!(saves.kms_requests, i64::try_from(before.kms_requests - after.kms_requests).unwrap());
    // A throttled plain run is taken by the calls of a success, not by what it got through.
    let throttled = sse_kms(400, 200);
    let report = priced(&[(SseMode::SseKms, &throttled), (SseMode::SseKmsBucketKey, &warm)], &pricing());
    assert_eq!(cost(&report, 1).saves.as_ref(), Some(saves));
    let alone = priced(&[(SseMode::SseKmsBucketKey, &warm)], &pricing());
    assert_eq!(cost(&alone, 0).saves, None, "nothing to compare with");
}

#[test]
fn the_bill_of_fewer_requests_is_marked_where_it_stands_and_the_mark_says_how_many() {
    let said = |done: u64| {
        let plain = sse_kms(400, done);
        let report = priced(&[(SseMode::SseKms, &plain), (SseMode::SseKmsBucketKey, &warm(400))], &pricing());
        assert!(report.runs[1].billed_share().is_none(), "it did all of them");
        (report.runs[0].billed_share(), report)
    };
    let (share, report) = said(300);
    assert!((share.unwrap() - 0.75).abs() < 1e-9);
    let total = &cost(&report, 0).total;
    assert!(*total < cost(&said(400).1, 0).total, "it looks cheaper");
    let explained = "of those offered it has 75.0 % under sse-kms";
    let text = report.to_text(Style::default());
    let row = |mode: &str| {
        let rows = text.lines().skip_while(|line| !line.contains("Cost, USD"));
        rows.map(str::to_owned).find(|line| line.starts_with(mode)).unwrap()
    };
    assert_eq!(
        (row("sse-kms ").matches('†').count(), row("sse-kms-bucket-key").matches('†').count()),
        (2, 0),
        "{text}"
    );
    let prose = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let (table, prices) = (prose.find("Cost, USD").unwrap(), prose.find("Prices in").unwrap());
    let mark = prose.find(explained).expect(&text);
    assert!(table < mark && mark < prices, "right below the tables");
    assert!(report.to_markdown().contains(explained));
    let page = report.to_html();
    assert!(page.contains(explained) && page.contains("of 75.0 % of the requests"));
    // One in a hundred is the least that is marked.
    assert_eq!((said(397).0.is_some(), said(396).0.is_some()), (false, true));
    assert!(!said(397).1.to_text(Style::default()).contains('†'));
}

#[test]
fn dsse_pays_by_the_byte_and_rests_on_a_price_that_is_not_confirmed() {
    let recorder = sse_kms(400, 400);
    let report = priced(&[(SseMode::DsseKms, &recorder), (SseMode::SseKms, &recorder)], &pricing());
    let dsse = cost(&report, 0);
    let line = dsse.lines.iter().find(|line| line.item == "dsse").expect("a line by the byte");
    assert_eq!(line.quantity_base, (400_u64 * 31 * 86_400 * 16_384).to_string());
    assert_eq!((dsse.confirmed, dsse.complete, cost(&report, 1).confirmed), (false, true, true));
    assert!(report.to_text(Style::default()).contains("UNCONFIRMED"));
}

#[test]
fn a_missing_price_is_shown_and_not_filled() {
    let pricing = Pricing { region: "eu-west-3".parse().unwrap(), ..pricing() };
    let report = priced(&[(SseMode::SseKms, &sse_kms(400, 400))], &pricing);
    let ours = cost(&report, 0);
    assert_eq!((ours.complete, ours.total), (false, cents("1.00")), "the key alone has a price");
    assert_eq!(ours.attribution.operation[0].usd, None);
    let text = report.to_text(Style::default());
    assert!(text.contains(">=1.00") && text.contains("MISSING"), "{text}");
}

#[test]
fn an_operation_that_does_not_exist_is_refused() {
    let mut report = priced(&[(SseMode::SseKms, &sse_kms(4, 4))], &pricing());
    report.runs[0].operations[0].operation = "RenameObject\u{1b}".into();
    let refused = report.price(&pricing()).unwrap_err().to_string();
    assert!(refused.starts_with("`RenameObject\\u{1b}` is no S3 operation"), "{refused}");
}

#[test]
fn a_priced_report_reads_back_and_can_be_priced_again() {
    let mut report = planted();
    let mut json = Vec::new();
    report.write_json(&mut json).unwrap();
    let mut back = Report::from_json(std::str::from_utf8(&json).unwrap()).unwrap();
    assert_eq!(back, report);
    back.price(&Pricing { month: "2026-02".parse().unwrap(), ..pricing() }).unwrap();
    assert_ne!(back, report);
    back.price(&pricing()).unwrap();
    assert_eq!(back, report, "a second pricing leaves nothing of the first behind");
    // A report without costs reads too.
    report.runs.iter_mut().for_each(|run| run.cost = None);
    let mut value = serde_json::to_value(&report).unwrap();
    value["runs"].as_array_mut().unwrap().iter_mut().for_each(|run| {
        run.as_object_mut().unwrap().remove("cost");
    });
    assert_eq!(Report::from_json(&value.to_string()).unwrap(), report);
}

#[test]
fn an_amount_in_json_is_text_and_a_number_is_refused() {
    let mut value = serde_json::to_value(planted()).unwrap();
    assert!(value["runs"][1]["cost"]["total"].is_string());
    value["runs"][1]["cost"]["total"] = serde_json::json!(5.97);
    assert!(Report::from_json(&value.to_string()).is_err());
}

/// Rows over buckets, principals and operations, some of them not billed.
fn recorded(calls: &[(u32, u32, u8, bool)]) -> Recorder {
    let mut recorder = Recorder::new(WINDOW);
    for (place, &(bucket, principal, operation, billed)) in calls.iter().enumerate() {
        let operation = Operation::ALL[usize::from(operation) % Operation::ALL.len()];
        let at = WINDOW.from + ms(u64::try_from(place).unwrap() % 4_000);
        recorder.record(&Outcome { operation, ..get(at) });
        let call = KmsCall { bucket, principal, cause: Some(operation), billed, ..decrypt(at) };
        recorder.record_call(&call);
    }
    recorder
}

/// Bucket, principal, operation, ending, bytes.
type Requested = (u32, u32, u8, u8, u64);

/// Requests over buckets, principals and operations, a few of them refused or failed, each with its own size: every
/// `of`-th of them from the `index`-th on.
fn requested(requests: &[Requested], index: usize, of: usize) -> Recorder {
    let mut recorder = Recorder::new(WINDOW);
    let part = requests.iter().enumerate().skip(index).step_by(of);
    for (place, &(bucket, principal, operation, ending, bytes)) in part {
        let operation = Operation::ALL[usize::from(operation) % Operation::ALL.len()];
        let ending = Ending::ALL[usize::from(ending) % Ending::ALL.len()];
        let at = WINDOW.from + ms(u64::try_from(place).unwrap() % 4_000);
        let s3_requests = u32::from(operation as u8 % 3) * 4 + u32::from(ending == Ending::Succeeded);
        let row = Outcome { operation, bucket, principal, ending, bytes, s3_requests, ..get(at) };
        recorder.record(&Outcome { crypto_bytes: bytes * 2, ..row });
        recorder.record_call(&KmsCall { bucket, principal, cause: Some(operation), ..decrypt(at) });
    }
    recorder
}

/// Item by item, what the lines of `cost` come to: amount, exact amount, quantity in base units.
fn of_lines(cost: &Cost, item: &str) -> (Usd, Usd, u128) {
    let lines = || cost.lines.iter().filter(|line| line.item == item);
    let quantity = lines().map(|line| line.quantity_base.parse::<u128>().unwrap()).sum();
    (lines().map(|line| line.amount.unwrap()).sum(), lines().map(|line| line.exact.unwrap()).sum(), quantity)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn every_attribution_sums_to_the_charge_for_kms_requests(
        calls in prop::collection::vec((0..15_u32, 0..4_u32, 0..10_u8, prop::bool::weighted(0.8)), 1..200),
        free_tier: bool,
    ) {
        let pricing = Pricing { terms: Terms { free_tier }, ..pricing() };
        let report = priced(&[(SseMode::SseKms, &recorded(&calls))], &pricing);
        let ours = cost(&report, 0);
        let charge: Usd = ours.lines.iter().filter(|line| line.item == "kms-request").filter_map(|line| line.amount).sum();
        let lists = [
            &ours.attribution.bucket, &ours.attribution.principal, &ours.attribution.operation, &ours.attribution.kms_key,
        ];
        for list in lists {
            let sum: Usd = list.iter().map(|share| share.usd.unwrap()).sum();
            prop_assert_eq!(sum, charge);
            prop_assert!(list.iter().all(|share| share.usd.unwrap() >= Usd::ZERO));
        }
    }

    /// Item by item: the parts of each list are the lines of the bill, and with the keys they are the bill.
    #[test]
    fn the_parts_of_every_attribution_are_the_lines_of_the_bill_to_the_exact_decimal(
        requests in prop::collection::vec((0..15_u32, 0..12_u32, 0..10_u8, 0..6_u8, 0..1_u64 << 34), 1..200),
        mode in prop::sample::select(&SseMode::ALL[..]),
        free_tier: bool,
        contract: bool,
    ) {
        let mut pricing = Pricing { terms: Terms { free_tier }, ..pricing() };
        if contract {
            // Prices with more decimals than twelve hold, and two tiers of one item.
            pricing.book = pricing.book.overlay(
                "item,variant,region,over,price,per,unit,source\n\
                 get-request,STANDARD,commercial,0,0.00037,1000,request,contract\n\
                 get-request,STANDARD,commercial,1000,0.000311,1000,request,contract\n\
                 dsse,,commercial,,0.0017,1,GB,contract\n",
                "contract.csv",
            ).unwrap();
        }
        let report = priced(&[(mode, &requested(&requests, 0, 1))], &pricing);
        let ours = cost(&report, 0);
        let keys = of_lines(ours, "kms-key");
        let CostAttribution { bucket, principal, operation, kms_key } = &ours.attribution;
        for list in [bucket, principal, operation] {
            let parts = |item: &str| -> Vec<&CostPart> {
                list.iter().flat_map(|share| &share.parts).filter(|part| part.item == item).collect()
            };
            for item in ["kms-request", "put-request", "get-request", "delete-request", "dsse"] {
                let parts = parts(item);
                let sums = (
                    parts.iter().map(|part| part.amount.unwrap()).sum::<Usd>(),
                    parts.iter().map(|part| part.exact.unwrap()).sum::<Usd>(),
                    parts.iter().map(|part| u128::from(part.quantity)).sum::<u128>(),
                );
                prop_assert_eq!(sums, of_lines(ours, item), "{}", item);
            }
            let total: Usd = list.iter().map(|share| share.total.unwrap()).sum();
            let exact: Usd = list.iter().map(|share| share.total_exact.unwrap()).sum();
            if ours.lines.iter().any(|line| line.item != "kms-key") {
                prop_assert_eq!(total + keys.0, ours.total);
                prop_assert_eq!(exact + keys.1, ours.total_exact);
            }
        }
        prop_assert!(kms_key.iter().all(|share| share.total.is_none()));
    }

    /// Parts of a workload merged are the whole, with what everybody pays.
    #[test]
    fn attributions_of_merged_shards_are_those_of_the_whole(
        requests in prop::collection::vec((0..15_u32, 0..12_u32, 0..10_u8, 0..6_u8, 0..1_u64 << 20), 2..60),
    ) {
        let run = |index, of, quota| {
            let run = self::run(SseMode::DsseKms, Kind::Simulated, Some(quota));
            Summary::new(&requested(&requests, index, of), &run, named)
        };
        let (even, odd, whole) = (run(0, 2, 5_500), run(1, 2, 5_500), run(0, 1, 11_000));
        let merged = Summary::merge(&[("even", &even), ("odd", &odd)]).unwrap();
        prop_assert_eq!(merged.attribution, whole.attribution);
    }

    /// The same rows again in a window twice as long: the same rate, so the same month.
    #[test]
    fn twice_as_long_a_run_at_the_same_rate_is_the_same_bill(
        calls in prop::collection::vec((0..3_u32, 0..3_u32, 0..10_u8, any::<bool>()), 1..60),
    ) {
        let once = recorded(&calls);
        let long = Window { until: Timestamp::from_seconds(10), ..WINDOW };
        let mut twice = Recorder::new(long);
        for shift in [0, 4_000] {
            for (place, &(bucket, principal, operation, billed)) in calls.iter().enumerate() {
                let operation = Operation::ALL[usize::from(operation) % Operation::ALL.len()];
                let at = WINDOW.from + ms(shift + u64::try_from(place).unwrap());
                twice.record(&Outcome { operation, ..get(at) });
                twice.record_call(&KmsCall { bucket, principal, cause: Some(operation), billed, ..decrypt(at) });
            }
        }
        let of = |recorder| priced(&[(SseMode::SseKms, recorder)], &pricing()).runs[0].cost.clone().unwrap();
        let (once, twice) = (of(&once), of(&twice));
        prop_assert_eq!(once.lines, twice.lines);
        prop_assert_eq!(once.per_million, twice.per_million);
        prop_assert_eq!(once.attribution, twice.attribution);
    }
}
