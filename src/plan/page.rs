//! The plan as one HTML page, by the house's style.

use rust_decimal::prelude::ToPrimitive;

use super::answer::{Judged, Plan, Verdict};
use super::text::{Facts, revoked};
use crate::cost::Table;
use crate::report::{PlanPage, PlanPoint};

fn table(facts: &Facts) -> Table {
    let mut table = Table::new(&["figure", "#value", "how it is known"]);
    table.rows = facts
        .iter()
        .map(|(name, value, how)| vec![name.clone(), value.clone(), how.as_str().into()])
        .collect();
    table
}

impl Judged {
    /// Its dot, where it was run or counted.
    fn point(&self) -> Option<PlanPoint> {
        let run = self.figures.as_ref();
        let run = run.map(|of| (of.adds_usd.value, Some(of.p99_ns.value), of.revocation_ns.value));
        let pass = self.counted.map(|of| (of.adds_usd.value, None, of.revocation_ns.value));
        let (usd, p99_ns, revocation) = run.or(pass)?;
        Some(PlanPoint {
            label: self.title.clone(),
            mode: self.mode.parse().ok()?,
            usd: usd.decimal().to_f64().unwrap_or(0.0),
            p99_ns,
            revoked: revoked(revocation),
            revoked_ns: revocation,
            kept: matches!(self.verdict, Verdict::Chosen | Verdict::Feasible | Verdict::Counted),
            chosen: self.verdict == Verdict::Chosen,
        })
    }
}

impl Plan {
    /// The plan as an HTML page that needs nothing else. Names from outside are shown harmlessly.
    pub fn to_html(&self) -> String {
        let points = self.candidates.iter().filter_map(Judged::point);
        let mut tables = Vec::new();
        let mut lists = Vec::new();
        if let Some(choice) = &self.choice {
            tables.push(("Figures".to_owned(), table(&choice.facts())));
        }
        tables.push(("Rests on".into(), table(&self.basis_facts())));
        if !self.regions.is_empty() {
            tables.push(("Regions".into(), self.region_table()));
        }
        if let Some(growth) = &self.growth {
            tables.push(("Growth".into(), table(&growth.facts())));
        }
        if let Some(transition) = &self.transition {
            tables.push(("Transition".into(), table(&transition.facts())));
            lists.push(("What changes with it".to_owned(), transition.warnings.clone()));
        }
        lists.push(("What flips the choice".into(), self.flips()));
        lists.push(("Drills".into(), self.drilled()));
        lists.push(("Solved".into(), self.solutions()));
        let settings = self.choice.iter().flat_map(|choice| &choice.settings);
        PlanPage {
            answer: self.answer.clone(),
            feasible: self.feasible,
            demands: self.demands.clone(),
            why: self.why.clone(),
            settings: settings.map(|setting| (setting.title.clone(), setting.text.clone())).collect(),
            points: points.collect(),
            tables,
            candidates: self.table(),
            lists,
            notes: self.notes.clone(),
            origin: format!("seed {}, s3seal {} {}", self.seed, self.s3seal, self.commit).trim_end().into(),
            scenario: self.scenario.clone(),
        }
        .to_html()
    }
}
