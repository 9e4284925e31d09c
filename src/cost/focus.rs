//! Bills in the columns of FOCUS 1.0, the `FinOps` convention for cost and usage.

use super::{Bill, Column, Confidence, Line, Region, Table};

/// The 43 columns of FOCUS 1.0 in the order of its sample, then four of our own (`x_`, as FOCUS asks).
///
/// Source: FOCUS 1.0 specification and sample data (`FinOps` Open Cost and Usage Specification).
pub const FOCUS_COLUMNS: [&str; 47] = [
    "AvailabilityZone",
    "BilledCost",
    "BillingAccountId",
    "BillingAccountName",
    "BillingCurrency",
    "BillingPeriodEnd",
    "BillingPeriodStart",
    "ChargeCategory",
    "ChargeClass",
    "ChargeDescription",
    "ChargeFrequency",
    "ChargePeriodEnd",
    "ChargePeriodStart",
    "CommitmentDiscountCategory",
    "CommitmentDiscountId",
    "CommitmentDiscountName",
    "CommitmentDiscountStatus",
    "CommitmentDiscountType",
    "ConsumedQuantity",
    "ConsumedUnit",
    "ContractedCost",
    "ContractedUnitPrice",
    "EffectiveCost",
    "InvoiceIssuerName",
    "ListCost",
    "ListUnitPrice",
    "PricingCategory",
    "PricingQuantity",
    "PricingUnit",
    "ProviderName",
    "PublisherName",
    "RegionId",
    "RegionName",
    "ResourceId",
    "ResourceName",
    "ResourceType",
    "ServiceCategory",
    "ServiceName",
    "SkuId",
    "SkuPriceId",
    "SubAccountId",
    "SubAccountName",
    "Tags",
    "x_Scenario",
    "x_Item",
    "x_PriceConfidence",
    "x_PriceSource",
];

/// A table in FOCUS's columns with one row per line of `bill`; `x_Scenario` names it. One bill a file: costs of
/// alternatives do not add up. `list` is the bill of the same usage at list prices; a line that it has not in the same
/// tier has no `ListUnitPrice`, and its `ListCost` is empty.
///
/// `BilledCost` is the line to the cent, so that its sum is the total; the other costs are exact. A null is an empty
/// field. FOCUS allows no null cost; a line without a known price has one all the same, for a zero would be a lie, and
/// `x_PriceConfidence` says `missing`.
pub fn focus(scenario: &str, bill: &Bill, list: &Bill, account: &str) -> Table {
    let columns = FOCUS_COLUMNS.iter().map(|name| Column { name: (*name).into(), number: false }).collect();
    let (start, end) = (bill.month().first(), bill.month().next().first());
    let period = [start, end].map(|day| format!("{day}T00:00:00Z"));
    let same = |a: &Line, b: &Line| {
        let what = |line: &Line| (line.item, line.variant, line.region, line.is_allowance());
        let tier = |line: &Line| (line.price.as_ref().map_or(0, |price| price.over), line.quantity);
        what(a) == what(b) && tier(a) == tier(b)
    };
    let listed = |line: &Line| list.lines().iter().find(|other| same(line, other));
    let rows = bill.lines().iter().map(|line| row(line, listed(line), scenario, account, &period));
    Table { columns, rows: rows.collect() }
}

fn unit_price(line: &Line) -> Option<String> {
    let price = line.price.as_deref()?;
    let usd = price.usd? / rust_decimal::Decimal::from(price.per);
    Some(usd.normalize().to_string())
}

/// Bills still call the older Regions of Europe `EU`, and write São Paulo without its tilde.
///
/// Source: FOCUS 1.0 sample data, charges of September 2024 in six Regions; the user guide's names elsewhere.
fn region_name(region: Region) -> String {
    let title = region.title();
    match region.as_str() {
        "eu-central-1" | "eu-north-1" | "eu-west-1" | "eu-west-2" | "eu-west-3" => {
            title.replacen("Europe", "EU", 1)
        }
        "sa-east-1" => title.replace('ã', "a"),
        _ => title.into(),
    }
}

fn row(
    line: &Line,
    listed: Option<&Line>,
    scenario: &str,
    account: &str,
    [start, end]: &[String; 2],
) -> Vec<String> {
    let exact = line.exact.map(|usd| usd.to_string()).unwrap_or_default();
    let price = line.price.as_deref();
    let rate = price.map_or_else(|| "no price known".into(), super::Price::rate);
    let service = line.item.service();
    let cell = |column: &str| -> String {
        match column {
            "BilledCost" => line.amount.map(|usd| usd.to_string()).unwrap_or_default(),
            "BillingAccountId" | "SubAccountId" => account.into(),
            "BillingCurrency" => "USD".into(),
            "BillingPeriodStart" | "ChargePeriodStart" => start.clone(),
            "BillingPeriodEnd" | "ChargePeriodEnd" => end.clone(),
            "ChargeCategory" => "Usage".into(),
            "ChargeDescription" => format!("{} ({rate})", line.title()),
            "ChargeFrequency" => "Usage-Based".into(),
            "ConsumedQuantity" | "PricingQuantity" => line.units().to_string(),
            "ConsumedUnit" | "PricingUnit" => line.item.unit().focus().into(),
            "ContractedCost" | "EffectiveCost" => exact.clone(),
            "ContractedUnitPrice" => unit_price(line).unwrap_or_default(),
            "ListCost" => listed.and_then(|line| line.exact).map(|usd| usd.to_string()).unwrap_or_default(),
            "ListUnitPrice" => listed.and_then(unit_price).unwrap_or_default(),
            "InvoiceIssuerName" | "PublisherName" => "Amazon Web Services, Inc.".into(),
            "PricingCategory" => "Standard".into(),
            "ProviderName" => "AWS".into(),
            "RegionId" => line.region.as_str().into(),
            "RegionName" => region_name(line.region),
            "ServiceCategory" => service.focus_category().into(),
            "ServiceName" => service.title().into(),
            "x_Scenario" => scenario.into(),
            "x_Item" => line.item.as_str().into(),
            "x_PriceConfidence" => line.confidence().map_or("missing", Confidence::as_str).into(),
            "x_PriceSource" => price.map(|price| price.source.clone()).unwrap_or_default(),
            _ => String::new(),
        }
    };
    FOCUS_COLUMNS.iter().map(|column| cell(column)).collect()
}
