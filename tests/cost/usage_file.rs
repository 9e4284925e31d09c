//! Usage files and price books as users get them wrong; FOCUS as its sample has it.

use s3seal::cost::{Bill, FOCUS_COLUMNS, Item, Month, PriceBook, Terms, Usage, UsageFile, Variant, focus};

fn month() -> Month {
    "2026-10".parse().unwrap()
}

fn parse(text: &str) -> Result<UsageFile, String> {
    UsageFile::parse(text, "usage.toml", month(), None).map_err(|error| error.to_string())
}

fn refusal(text: &str) -> String {
    parse(text).unwrap_err()
}

#[test]
fn lines_say_what_was_held_or_what_a_bill_says() {
    let file = parse(
        r#"
month = "2026-03"
region = "us-east-1"

[[line]]
item = "storage"
variant = "STANDARD"
bytes = "100GiB"
hours = 360

[[line]]
item = "storage"
variant = "STANDARD"
bytes = "100TiB"
hours = 384

[[line]]
item = "kms-key"
keys = 2
rotations = 3

[[line]]
item = "kms-request"
region = "eu-west-1"
quantity = 2_010_000

[[line]]
item = "retrieval"
variant = "STANDARD_IA"
quantity = "300 GB"

[workload]
put = "10M"
get = 5
"#,
    )
    .unwrap();
    assert_eq!(file.month, Some("2026-03".parse().unwrap()));
    let bill = Bill::new(&file.usage, &PriceBook::embedded(), Terms::default()).unwrap();
    let amounts: Vec<_> =
        bill.lines().iter().map(|line| (line.item.as_str(), line.amount.unwrap().to_string())).collect();
    let expected = [
        ("kms-key", "2.00"),
        ("kms-rotation-1", "2.00"),
        ("kms-rotation-2", "2.00"),
        ("kms-rotation-later", "0.00"),
        ("kms-request", "0.00"),
        ("kms-request", "5.97"),
        ("storage", "1177.60"),
        ("storage", "37.40"),
        ("retrieval", "3.00"),
    ];
    assert_eq!(amounts, expected.map(|(item, amount)| (item, amount.to_owned())));
    let fields: Vec<_> = file.workload.iter().map(|(name, text, _)| (name.as_str(), text.as_str())).collect();
    assert_eq!(fields, [("get", "5"), ("put", "10M")]);
}

#[test]
fn each_error_names_file_line_field_and_the_nearest_name() {
    let line = |rest: &str| format!("region = \"us-east-1\"\n[[line]]\n{rest}\n");
    for (text, said) in [
        (
            "month = \"2026-13\"".to_owned(),
            "usage.toml, line 1: `month` is 2026-13: expected a month such as 2026-10",
        ),
        (
            "regions = \"x\"".into(),
            "usage.toml, line 1: `regions` is no field; did you mean `region`?; known here: month, region, line, workload",
        ),
        (
            "region = \"us-esat-1\"".into(),
            "usage.toml, line 1: `region`: `us-esat-1` is no Region; did you mean `us-east-1`?",
        ),
        (
            line("item = \"storages\""),
            "usage.toml, line 3: `item`: `storages` is no item; did you mean `storage`?",
        ),
        (
            line("item = \"storage\"\nvariant = \"STANDARDS\""),
            "usage.toml, line 4: `variant`: `STANDARDS` is no storage class; did you mean `STANDARD`?",
        ),
        (
            line("item = \"kms-request\"\nquantity = -5"),
            "usage.toml, line 4: `quantity` is -5: expected a whole number of requests, not negative",
        ),
        (
            line("item = \"kms-request\"\nquantity = 1.5"),
            "usage.toml, line 4: `quantity` is 1.5: expected a whole number of requests, not negative",
        ),
        (
            line("item = \"kms-request\"\nquantity = \"99999999999999999999\""),
            "usage.toml, line 4: `quantity` is 99999999999999999999: expected a whole number of requests, not negative",
        ),
        (
            line("item = \"kms-key\"\nquantity = \"-1\""),
            "usage.toml, line 4: `quantity` is -1: expected a number of key-months, not negative",
        ),
        (
            line("item = \"kms-key\"\nkeys = 1\nhours = 745"),
            "usage.toml, line 5: `hours` is 745: expected at most the 744 hours of 2026-10",
        ),
        (
            line("item = \"kms-request\"\nkeys = 1"),
            "usage.toml, line 2: `quantity` is missing: expected `quantity` alone, for kms-request",
        ),
        (
            line("item = \"kms-request\"\namount = 1"),
            "usage.toml, line 4: `amount` is no field; known here: item, variant, region, quantity, bytes, keys, rotations, hours",
        ),
    ] {
        assert_eq!(refusal(&text), said);
    }
    assert!(
        refusal("[[line]]\nitem = \"kms-request\"\nquantity = 1").contains("line 1: `region` is missing")
    );
    assert!(refusal("month =").starts_with("usage.toml, line 1: not valid TOML"));
}

#[test]
fn focus_has_the_columns_of_its_sample_and_sums_to_the_total() {
    // The header of the FOCUS 1.0 sample data; its `Id` is a slip for `ServiceName`'s neighbour and no column of 1.0.
    let sample = "AvailabilityZone,BilledCost,BillingAccountId,BillingAccountName,BillingCurrency,BillingPeriodEnd,\
        BillingPeriodStart,ChargeCategory,ChargeClass,ChargeDescription,ChargeFrequency,ChargePeriodEnd,\
        ChargePeriodStart,CommitmentDiscountCategory,CommitmentDiscountId,CommitmentDiscountName,\
        CommitmentDiscountStatus,CommitmentDiscountType,ConsumedQuantity,ConsumedUnit,ContractedCost,\
        ContractedUnitPrice,EffectiveCost,InvoiceIssuerName,ListCost,ListUnitPrice,PricingCategory,PricingQuantity,\
        PricingUnit,ProviderName,PublisherName,RegionId,RegionName,ResourceId,ResourceName,ResourceType,\
        ServiceCategory,ServiceName,SkuId,SkuPriceId,SubAccountId,SubAccountName,Tags";
    assert_eq!(FOCUS_COLUMNS[..43].join(","), sample);

    let mut usage = Usage::new("2024-09".parse().unwrap());
    let oregon = "us-west-2".parse().unwrap();
    usage.add_keys(oregon, 1, 0, 1).unwrap();
    usage.add(Item::KmsRequest, Variant::None, "eu-west-3".parse().unwrap(), 20_001).unwrap();
    let bill = Bill::new(&usage, &PriceBook::embedded(), Terms::default()).unwrap();
    let table = focus("usage", &bill, &bill, "123456789012");
    let cell = |row: usize, column: &str| {
        table.rows[row][FOCUS_COLUMNS.iter().position(|name| *name == column).unwrap()].as_str()
    };
    // The sample's line for one key-hour: 0.0013888889 Keys at 1.
    let row =
        ["ConsumedUnit", "ListUnitPrice", "RegionName", "ServiceName", "ServiceCategory", "BillingPeriodEnd"];
    let expected =
        ["Keys", "1", "US West (Oregon)", "AWS Key Management Service", "Identity", "2024-10-01T00:00:00Z"];
    assert_eq!(row.map(|column| cell(0, column)), expected);
    assert_eq!(cell(0, "ConsumedQuantity"), "0.001388888889");
    // A missing price is a null and says so; it is not zero.
    assert_eq!([cell(2, "BilledCost"), cell(2, "x_PriceConfidence")], ["", "missing"]);
    assert_eq!(cell(2, "ConsumedQuantity"), "1");
}
