//! Several Regions: each as if asked alone, one picked with a reason, and what flips it.

use super::desk::{Story, choice, plan_for, pricing};
use s3seal::cost::Region;
use s3seal::plan::{Plan, Question, Surroundings, plan};
use s3seal::report::Style;
use s3seal::rig::QUOTA_DATE;
use s3seal::workload::Source;

const STORY: Story = Story {
    scenario: "duration = \"2s\"\nwarm_up = \"1s\"\n[arrival]\nrate = 14000\n[kms]\nregion = \"us-west-2\"",
    question: "[constraints]\naudit_per_object = true\nmodes = [\"sse-kms\"]\n[candidates]\nregion = [\"eu-north-1\", \"us-east-1\"]",
};

/// The question in `region` alone.
fn alone(source: &Source, question: &Question, region: Region) -> Plan {
    let there = source.under(|scenario| scenario.kms.region = region.to_string()).unwrap();
    plan_for(&there, &Question { regions: Vec::new(), ..question.clone() })
}

fn picked(plan: &Plan) -> &str {
    let mut picked = plan.regions.iter().filter(|of| of.picked);
    let (one, other) = (picked.next(), picked.next());
    assert!(other.is_none(), "one is picked");
    &one.unwrap().region
}

#[test]
fn a_region_whose_quota_suffices_is_picked_and_no_price_is_no_low_price() {
    let plan = STORY.plan(None);
    assert_eq!(picked(&plan), "us-east-1");
    assert!(plan.answer.starts_with("us-east-1: Choose sse-kms, quota 100000/s"), "{}", plan.answer);
    let other = &plan.regions[0];
    assert_eq!((other.quota_per_s.value, other.feasible), (10_000, true), "{other:?}");
    assert_eq!(other.reason.as_deref(), Some("it needs a quota of 20,000, which is more than there is"));
    assert!(
        plan.why.iter().any(|why| why.starts_with("Not eu-north-1: it needs a quota")),
        "{:#?}",
        plan.why
    );
    let changed = STORY.plan(Some(("rate = 14000", "rate = 7000")));
    // The quota suffices in both now, and no price is known of the one.
    assert_eq!(picked(&changed), "us-east-1");
    let reason = changed.regions[0].reason.as_ref().unwrap();
    assert!(
        reason.starts_with("its bill is not known in full")
            && changed.to_text(Style::default()).contains(">= "),
        "{reason}"
    );
    let (source, mut question) = STORY.told(None);
    question.regions = ["us-west-2", "us-east-1"].map(|region| region.parse().unwrap()).to_vec();
    assert_eq!(picked(&plan_for(&source, &question)), "us-west-2", "as good, and named first");
}

#[test]
fn each_region_is_as_if_it_were_asked_alone_and_the_rest_is_the_plan_of_the_one_picked() {
    let (source, question) = STORY.told(None);
    let all = plan_for(&source, &question);
    for (of, region) in all.regions.iter().zip(&question.regions) {
        let there = alone(&source, &question, *region);
        assert_eq!(of.region, region.to_string());
        assert_eq!(of.choice.as_deref(), Some(choice(&there)));
        assert_eq!(of.figures.as_ref(), there.choice.as_ref().map(|choice| &choice.figures));
        assert_eq!((of.feasible, of.quota_per_s), (there.feasible, there.basis.quota_per_s));
        assert_eq!(of.reason.is_none(), of.picked);
        if of.picked {
            assert_eq!(
                (&all.choice, &all.candidates, &all.basis),
                (&there.choice, &there.candidates, &there.basis)
            );
        }
    }
    let (text, page) = (all.to_text(Style::default()), all.to_html());
    for region in ["eu-north-1", "us-east-1"] {
        assert!(text.contains(region) && page.contains(region), "side by side: {region}");
    }
    assert!(all.to_json().contains("\"regions\""));
}

#[test]
fn the_dearer_region_is_passed_over_and_prices_of_each_hold_there() {
    let question = STORY.question.replace("eu-north-1", "sa-east-1");
    let question = Question::parse(&question.replace("\"us-east-1\"", "\"us-west-2\"")).unwrap();
    let (source, _) = STORY.told(Some(("rate = 14000", "rate = 1000")));
    let question = Question { sensitivity: false, requests_max: 10_000, ..question };
    let plan = plan_for(&source, &question);
    let total = |place: usize| plan.regions[place].figures.as_ref().unwrap().total_usd.value;
    assert!(total(0) > total(1), "S3 costs more in São Paulo");
    assert_eq!(picked(&plan), "us-west-2");
    assert!(plan.regions[0].reason.as_ref().unwrap().starts_with("a month costs "));
}

#[test]
fn a_quota_that_is_named_holds_in_every_region_and_where_none_will_do_the_nearest_is_said() {
    let (source, mut question) = STORY.told(None);
    question.grid.quotas = vec![5_000];
    let plan = plan_for(&source, &question);
    assert!(!plan.feasible && plan.regions.iter().all(|of| !of.feasible && of.quota_per_s.value == 5_000));
    assert!(plan.answer.contains("Nothing keeps every demand. Nearest is"), "{}", plan.answer);
    assert_eq!(picked(&plan), "us-east-1", "they miss the same, and its bill is known");
}

#[test]
fn a_failover_of_the_one_picked_is_drilled_there() {
    let (source, question) = STORY.told(None);
    let pricing = pricing(source.scenario());
    let drills = ["failover:eu-north-1".parse().unwrap()];
    let around = Surroundings {
        pricing: &pricing,
        date: QUOTA_DATE,
        from_profile: false,
        drills: &drills,
        unknowns: &[],
    };
    let plan = plan(&source, &question, &around).unwrap();
    assert_eq!(plan.drills.len(), 1);
    assert!(!plan.drills[0].kept && plan.drills[0].quota_per_s.value == 10_000);
}
