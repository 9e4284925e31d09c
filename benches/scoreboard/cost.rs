//! Claims about cost: how fast a bill is made.

use std::hint::black_box;

use rust_decimal::Decimal;
use s3seal::cost::{Bill, Item, PriceBook, Region, Terms, Usage};

use crate::board::{Board, Goal, time};

pub(crate) fn run(board: &mut Board) {
    if !board.wants("bill_lines_per_s") {
        return;
    }
    let book = PriceBook::embedded();
    let usage = every_item();
    let bill = || Bill::new(&usage, &book, Terms::default()).expect("a bill");
    let lines = bill().lines().len();
    assert!(lines > 40, "{lines} lines");
    assert!(bill().exact().decimal() > Decimal::ZERO);
    // The peer does the one multiplication that a line cannot do without.
    let (price, quantity) = (Decimal::new(23, 3), Decimal::from(51_200));
    let mut ours = |n| time(n, bill);
    let mut theirs =
        |n| time(n, || (0..lines).map(|_| black_box(price) * black_box(quantity)).sum::<Decimal>());
    if let Some(paired) = board.race("bill_lines_per_s", &mut ours, &mut theirs) {
        let per_second = f64::from(u32::try_from(lines).expect("few")) * 1e3 / paired.ours;
        let peer = "price × quantity by rust_decimal";
        board.line("bill_lines_per_s", per_second, "M lines/s", Goal::Shown, peer, Some(paired.peer));
    }
}

/// Some of everything that has a variant named STANDARD or none, in us-east-1.
fn every_item() -> Usage {
    let region: Region = "us-east-1".parse().expect("a Region");
    let mut usage = Usage::new("2026-10".parse().expect("a month"));
    for item in Item::ALL {
        let variant = item.variant("STANDARD").or_else(|_| item.variant("")).expect("a variant");
        let quantity = 100_000 * item.unit().base(usage.month());
        usage.add(*item, variant, region, quantity).expect("counted");
    }
    usage
}
