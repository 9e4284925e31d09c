//! Which prices hold: a book of one's own over the one in the program, the free tier, the month.

use std::path::{Path, PathBuf};

use clap::Args;
use s3seal::cost::{Bill, Month, PriceBook, Region, Terms, Usage};
use s3seal::report::{Pricing, Report};
use s3seal::workload::Scenario;

use super::{Failure, file};

#[derive(Debug, Default, Args)]
#[group(skip)]
pub(super) struct Arguments {
    /// A CSV price book over the one in the program; may be repeated, the last goes first
    #[arg(long, value_name = "FILE")]
    prices: Vec<PathBuf>,
    /// The account's free tier is used up by other work
    #[arg(long)]
    no_free_tier: bool,
}

/// The prices with their files read.
pub(super) struct Prices {
    pub(super) book: PriceBook,
    pub(super) terms: Terms,
}

impl Prices {
    pub(super) fn new(arguments: &Arguments) -> Result<Self, Failure> {
        let mut book = PriceBook::embedded();
        for path in &arguments.prices {
            let (name, text) = read(path)?;
            book = book.overlay(&text, &name).map_err(Failure::new)?;
        }
        Ok(Self { book, terms: Terms { free_tier: !arguments.no_free_tier } })
    }

    /// The same at the prices in the program, which are list prices.
    pub(super) fn list(&self, usage: &Usage) -> Result<Bill, Failure> {
        Bill::new(usage, &PriceBook::embedded(), self.terms).map_err(Failure::new)
    }

    pub(super) fn bill(&self, usage: &Usage) -> Result<Bill, Failure> {
        Bill::new(usage, &self.book, self.terms).map_err(Failure::new)
    }
}

/// How the costs of a run's report are priced.
#[derive(Debug, Default, Args)]
#[group(skip)]
pub(super) struct OfRun {
    /// The month of the costs, such as 2026-10; its length and its prices count [default: that of the price book]
    #[arg(long, value_name = "YYYY-MM")]
    month: Option<Month>,
    #[command(flatten)]
    prices: Arguments,
}

impl OfRun {
    /// Whether something was said of the prices.
    pub(super) fn is_given(&self) -> bool {
        self.month.is_some() || !self.prices.prices.is_empty() || self.prices.no_free_tier
    }

    /// Prices a saved report anew, as its runs were priced when nothing else was said.
    pub(super) fn reprice(&self, report: &mut Report) -> Result<(), Failure> {
        let scenario = Scenario::parse(&report.scenario).map_err(Failure::new)?;
        self.price(report, &scenario)
    }

    /// Prices the runs of `scenario`; in a Region without any price, or billed in another currency, they stay without costs, and a
    /// note says so.
    pub(super) fn price(&self, report: &mut Report, scenario: &Scenario) -> Result<(), Failure> {
        match scenario.kms.region.parse::<Region>() {
            Err(error) => {
                report.notes.push(format!("{error}: no prices are known there, so runs have no costs."));
                return Ok(());
            }
            Ok(region) if !region.is_billed_in_usd() => {
                report.notes.push(format!(
                    "{region} is billed in CNY, at prices of its own: costs are in USD alone, so runs have none."
                ));
                report.runs.iter_mut().for_each(|run| run.cost = None);
                return Ok(());
            }
            Ok(_) => {}
        }
        report.price(&self.pricing(scenario)?).map_err(Failure::new)
    }

    /// The prices for runs of `scenario`, in its Region and with its keys.
    pub(super) fn pricing(&self, scenario: &Scenario) -> Result<Pricing, Failure> {
        let Prices { book, terms } = Prices::new(&self.prices)?;
        Ok(Pricing {
            book,
            terms,
            region: region(scenario)?,
            month: self.month.unwrap_or_else(PriceBook::month),
            kms_keys: scenario.layout.kms_keys.into(),
            rotations: 0,
        })
    }
}

/// The Region of `scenario` as bills know it.
pub(super) fn region(scenario: &Scenario) -> Result<Region, Failure> {
    let region = scenario.kms.region.parse();
    region.map_err(|error| Failure::usage(format_args!("kms.region: {error}")))
}

pub(super) fn read(path: &Path) -> Result<(String, String), Failure> {
    use std::io::Read;
    let mut input = file::Input::new(Some(path))?;
    let mut text = String::new();
    input
        .read_to_string(&mut text)
        .map_err(|error| Failure::new(format_args!("cannot read {}: {error}", input.name)))?;
    Ok((input.name, text))
}
