//! The runs of a report, billed again: `--from-report`.

use std::path::Path;

use s3seal::cost::{Month, PriceBook, Region, grouped};
use s3seal::report::{Kind, Pricing, Report, Summary};
use s3seal::workload::Scenario as RunScenario;

use super::page::money;
use super::{Choice, Failure, Question, Scenario, refuse};
use crate::cli::pricing::{self, Prices, read};

/// A report and the prices that its runs are billed at.
pub(super) struct Runs {
    pub(super) report: Report,
    pub(super) pricing: Pricing,
}

impl Runs {
    /// What the question does not say stands in the report: Region, month, keys, free tier.
    pub(super) fn new(path: &Path, question: &Question, prices: &Prices) -> Result<Self, Failure> {
        let (kms_keys, rotations) =
            question.flags.keys_alone("--from-report").unwrap_or_else(|problem| refuse(&problem));
        let (name, text) = read(path)?;
        let report =
            Report::from_json(&text).map_err(|error| Failure::new(format_args!("{name}: {error}")))?;
        if let Some(shard) = report.shard {
            refuse(&format!(
                "{name} is shard {}/{} of a workload: billed alone it would carry the whole key and free tier; make one \
                 report of all shards first, with `s3seal report merge`",
                shard.index, shard.of
            ));
        }
        let cost = report.runs.iter().find_map(|run| run.cost.as_ref());
        let scenario = RunScenario::parse(&report.scenario).ok();
        let region = match (question.region.first().copied(), cost, &scenario) {
            (Some(region), ..) => region,
            (None, Some(cost), _) => cost.region.parse::<Region>().map_err(Failure::new)?,
            (None, None, Some(scenario)) => pricing::region(scenario)?,
            (None, None, None) => refuse(&format!("{name} names no Region: give --region")),
        };
        let priced_for = cost.and_then(|cost| cost.month.parse::<Month>().ok());
        let of_runs = report.runs.iter().filter_map(|run| run.cost.as_ref()).map(|cost| cost.kms_keys).max();
        let of_scenario = || scenario.map(|scenario| scenario.layout.kms_keys.into());
        let free_tier = prices.terms.free_tier && cost.is_none_or(|cost| cost.free_tier);
        let pricing = Pricing {
            book: prices.book.clone(),
            terms: s3seal::cost::Terms { free_tier },
            region,
            month: question.month.or(priced_for).unwrap_or_else(PriceBook::month),
            kms_keys: kms_keys.or_else(|| of_runs.filter(|keys| *keys > 0)).or_else(of_scenario).unwrap_or(1),
            rotations: rotations.unwrap_or(0),
        };
        let mut runs = Self { report, pricing };
        runs.report.price(&runs.pricing).map_err(|error| Failure::new(format_args!("{name}: {error}")))?;
        Ok(runs)
    }

    /// The runs that are shown: of each mode the first, or all.
    fn shown(&self, choice: &Choice) -> Vec<&Summary> {
        let mut shown: Vec<&Summary> = Vec::new();
        for run in &self.report.runs {
            let asked_for = choice.mode.is_empty() || choice.mode.contains(&run.mode);
            if asked_for && (choice.all_runs || !shown.iter().any(|other| other.mode == run.mode)) {
                shown.push(run);
            }
        }
        shown
    }

    /// A bill for each run that is shown, with the lines of a usage file in it.
    pub(super) fn scenarios(
        &self,
        choice: &Choice,
        lines: &s3seal::cost::Usage,
    ) -> Result<Vec<Scenario>, Failure> {
        let mut scenarios = Vec::new();
        for run in self.shown(choice) {
            let Some(mut usage) = run.usage(&self.pricing).map_err(Failure::new)? else { continue };
            usage.merge(lines).map_err(Failure::new)?;
            let prices = Prices { book: self.pricing.book.clone(), terms: self.pricing.terms };
            let mut name = run.mode.to_string();
            if choice.all_runs {
                name += run
                    .quota_per_s
                    .map(|quota| format!(" at {}/s", grouped(quota.into())))
                    .as_deref()
                    .unwrap_or("");
                name += if run.kind == Kind::Live { ", live" } else { "" };
            }
            let cost = run.cost.as_ref();
            scenarios.push(Scenario {
                name,
                mode: Some(run.mode),
                region: None,
                baseline: None,
                per_million: cost.and_then(|cost| Some(cost.per_million?.encryption_adds)),
                kms_requests: cost.map_or(0, |cost| cost.kms_requests),
                part: run.billed_percentage(),
                bill: prices.bill(&usage)?,
                list: prices.list(&usage)?,
                lacks: None,
            });
        }
        if scenarios.is_empty() {
            return Err(Failure::new(
                "the report has no run of this kind: nothing was measured, or not in this mode",
            ));
        }
        Ok(scenarios)
    }

    pub(super) fn findings(&self, choice: &Choice) -> Vec<String> {
        let saves = |run: &&Summary| {
            let saves = run.cost.as_ref()?.saves.as_ref()?;
            let calls = grouped(u128::from(saves.kms_requests.unsigned_abs()));
            let (usd, sign) = (money(saves.usd), if saves.kms_requests < 0 { "-" } else { "" });
            let (mode, against) = (run.mode, &saves.against);
            Some(format!(
                "{mode} saves {usd} USD a month and {sign}{calls} KMS requests against {against}, for as many requests as it got through."
            ))
        };
        self.shown(choice).iter().filter_map(saves).collect()
    }

    pub(super) fn assumptions(&self, choice: &Choice) -> Vec<String> {
        let mut list = vec![
            "each month is the measured part of a run, at the rate at which it was offered; KMS keys are by the month, the \
             free tier is each run's own"
                .to_owned(),
            "throttled KMS calls are not billed (assumed); S3 bills nothing that it answers with 5xx; storage and transfer \
             are those of --usage alone"
                .into(),
        ];
        if !self.report.valid {
            list.push("the report is INVALID: its figures may not be used".into());
        }
        list.extend(self.report.filling());
        let left_out = self.report.runs.len() - self.shown(choice).len();
        if left_out > 0 && choice.mode.is_empty() {
            list.push(format!("{left_out} more runs of the same modes are left out; --all-runs shows them"));
        }
        if self.shown(choice).iter().any(|run| run.failed > 0) {
            list.push(
                "a run in which requests failed is billed for fewer: compare it by the million that succeed"
                    .into(),
            );
        }
        list
    }
}
