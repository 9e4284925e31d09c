//! Stories with a known right answer, each flipped by one changed value.

use super::desk::{Story, asked, choice, plan_for};
use s3seal::plan::{Plan, Verdict};
use s3seal::report::Style;

#[track_caller]
fn says(plan: &Plan, text: &str) {
    assert!(plan.why.iter().any(|why| why.contains(text)), "no reason says `{text}`: {:#?}", plan.why);
}

#[test]
fn without_a_demand_that_needs_kms_nothing_beats_the_default_of_s3() {
    let story = Story {
        scenario: "[arrival]\nrate = 200\n[kms]\nquota = 1000",
        question: "[constraints]\nkey_custody = \"any\"",
    };
    assert_eq!(choice(&story.plan(None)), "sse-s3");
    let changed = story.plan(Some(("\"any\"", "\"account\"")));
    assert_eq!(choice(&changed), "sse-kms-bucket-key, quota 1000/s");
}

#[test]
fn a_small_bucket_takes_plain_sse_kms_for_a_bucket_key_would_save_pennies() {
    let scenario = "duration = \"6h\"\n[arrival]\nrate = 0.02";
    let story = Story { scenario, question: "[constraints]\nkey_custody = \"account\"" };
    let plan = story.plan(None);
    assert_eq!(choice(&plan), "sse-kms, quota 100000/s");
    says(&plan, "it saves only");
    let changed = story.plan(Some(("rate = 0.02", "rate = 1")));
    assert_eq!(choice(&changed), "sse-kms-bucket-key, quota 100000/s");
}

#[test]
fn a_hot_read_bucket_takes_a_bucket_key_unless_it_hardly_lives() {
    let scenario = "[arrival]\nrate = 400\n[mix]\nPutObject = 1\nGetObject = 99\n[objects]\ncount = 200\n[kms]\nquota = 300\n\
                    [bucket_key]\nlifetime = \"60s\"";
    let question =
        "[constraints]\nkey_custody = \"account\"\n[candidates]\nmax_age = [\"30s\"]\nquota = [300]";
    let story = Story { scenario, question };
    let plan = story.plan(None);
    assert_eq!(choice(&plan), "sse-kms-bucket-key, quota 300/s");
    says(&plan, "at least 20.0 % failed");
    assert_eq!(
        choice(&story.plan(Some(("\"60s\"", "\"100ms\"")))),
        "kms-cached, age 30s, 1000 uses, quota 300/s"
    );
}

#[test]
fn of_another_mode_the_best_says_why_it_was_not_chosen() {
    let scenario = "[arrival]\nrate = 100\n[mix]\nPutObject = 1\nGetObject = 9\n[objects]\ncount = 50\n[kms]\nquota = 300";
    let question = "[constraints]\nmodes = [\"sse-kms-bucket-key\", \"kms-cached\"]\n[candidates]\nmax_age = [\"1s\", \"9s\"]\nmax_uses = [5, 1000]\nquota = [300]\nrequests = 8_000";
    let story = Story { scenario, question };
    let plan = story.plan(None);
    assert_eq!(choice(&plan), "sse-kms-bucket-key, quota 300/s");
    says(&plan, "Not kms-cached, age 9s, 1000 uses, quota 300/s: ");
    assert_eq!(plan.why.iter().filter(|why| why.contains("kms-cached")).count(), 1);
}

#[test]
fn many_requesters_take_a_cache_that_they_share_for_each_pays_for_its_own_bucket_key() {
    let scenario = "[arrival]\nrate = 300\n[mix]\nPutObject = 9\nGetObject = 1\n[objects]\ncount = 50\n[principals]\nroles = 1\n\
                    sessions = 200\n[bucket_key]\nscope = \"session\"\n[kms]\nquota = 250";
    let question = "[constraints]\nkey_custody = \"account\"\n[candidates]\nmax_age = [\"30s\"]\nscope = [\"account\"]\nquota = [250]\n\
                    requests = 40_000";
    let story = Story { scenario, question };
    let plan = story.plan(None);
    assert!(choice(&plan).starts_with("kms-cached, age 30s, by account"), "{}", plan.answer);
    says(&plan, "Not sse-kms-bucket-key");
    let changed = story.plan(Some(("sessions = 200", "sessions = 1")));
    assert!(choice(&changed).starts_with("sse-kms-bucket-key"), "{}", changed.answer);
}

#[test]
fn an_audit_of_each_object_takes_plain_sse_kms_and_beyond_the_quota_a_larger_one() {
    let scenario = "[arrival]\nrate = 200\n[kms]\nquota = 500";
    let story = Story {
        scenario,
        question: "[constraints]\naudit_per_object = true\n[candidates]\nrequests = 20_000",
    };
    let plan = story.plan(None);
    assert_eq!(choice(&plan), "sse-kms, quota 500/s");
    says(&plan, "warm requests leave none");
    let changed = story.plan(Some(("rate = 200", "rate = 800")));
    assert_eq!(choice(&changed), "sse-kms, quota 10000/s");
    says(&changed, "nothing keeps every demand under 500");
}

#[test]
fn what_flips_the_choice_is_told_from_what_does_not() {
    let story = Story {
        scenario: "[arrival]\nrate = 800\n[kms]\nquota = 500",
        question: "[constraints]\naudit_per_object = true\nmodes = [\"sse-kms\"]\n[candidates]\nrequests = 20_000",
    };
    let (source, mut question) = story.told(None);
    question.sensitivity = true;
    let plan = plan_for(&source, &question);
    assert_eq!(choice(&plan), "sse-kms, quota 10000/s");
    let flip = |change: &str| {
        let of = plan.sensitivity.iter().find(|flip| flip.change == change).unwrap();
        (of.choice.as_deref(), of.flips)
    };
    assert_eq!(flip("half the rate"), (Some("sse-kms, quota 500/s"), true));
    assert_eq!(flip("twice the rate"), (Some("sse-kms, quota 10000/s"), false));
}

#[test]
fn the_quota_there_is_is_that_of_the_scenario_else_the_smallest_to_try_else_that_of_the_region() {
    let story = Story {
        scenario: "duration = \"1s\"\nwarm_up = \"0s\"\n[arrival]\nrate = 40\n[kms]\nquota = 700",
        question: "[constraints]\nmodes = [\"sse-kms\"]",
    };
    let there_is = |in_scenario: bool, to_try: &[u64]| {
        let (source, mut question) = story.told(None);
        question.grid.quotas = to_try.to_vec();
        let source = source.under(|scenario| scenario.kms.quota = Some(700).filter(|_| in_scenario)).unwrap();
        plan_for(&source, &question).basis.quota_per_s.value
    };
    assert_eq!(there_is(true, &[5_000, 300]), 700);
    assert_eq!(there_is(false, &[5_000, 300]), 300);
    assert_eq!(there_is(false, &[]), 100_000);
}

#[test]
fn revocation_within_five_minutes_takes_a_cache_whose_age_is_a_promise() {
    let scenario = "[arrival]\nrate = 100\n[objects]\ncount = 100\n[kms]\nquota = 1000";
    let question =
        "[objectives]\nrevoke_within = \"5m\"\n[candidates]\nmax_uses = [1_000]\nrequests = 100_000";
    let story = Story { scenario, question };
    let plan = story.plan(None);
    assert!(choice(&plan).starts_with("kms-cached, age "), "{}", plan.answer);
    assert!(plan.choice.as_ref().unwrap().figures.revocation_ns.value.unwrap() <= 300_000_000_000);
    says(&plan, "AWS publishes no lifetime of a Bucket Key");
    assert!(
        plan.candidates
            .iter()
            .any(|candidate| candidate.title.contains("age 15m") && candidate.verdict == Verdict::Excluded)
    );
    assert_eq!(choice(&story.plan(Some(("\"5m\"", "\"0s\"")))), "sse-kms, quota 1000/s");
}

#[test]
fn custody_of_the_customer_takes_sse_c_and_only_that() {
    let story = Story {
        scenario: "[arrival]\nrate = 100",
        question: "[constraints]\nkey_custody = \"customer\"\n[candidates]\nrequests = 20_000",
    };
    let plan = story.plan(None);
    assert_eq!(choice(&plan), "sse-c");
    says(&plan, "AWS holds its key");
    let setting = &plan.choice.as_ref().unwrap().settings[0];
    assert!(setting.text.contains("BlockedEncryptionTypes"), "new buckets refuse SSE-C: {}", setting.text);
    assert!(choice(&story.plan(Some(("\"customer\"", "\"account\"")))).starts_with("sse-kms-bucket-key"));
}

#[test]
fn a_huge_rate_of_puts_to_a_store_of_ones_own_lives_on_reused_keys() {
    let scenario = "[arrival]\nrate = 2000\n[mix]\nPutObject = 1\nGetObject = 0\n[kms]\nquota = 300";
    let question = "[constraints]\nkey_custody = \"account\"\nrun_by = \"store\"\n[candidates]\nmax_age = [\"10s\"]\nmax_uses = [1_000]\n\
                    requests = 60_000";
    let story = Story { scenario, question };
    let plan = story.plan(None);
    assert_eq!(choice(&plan), "kms-cached, age 10s, 1000 uses, quota 300/s");
    assert_eq!(plan.choice.unwrap().figures.objects_per_key.value, Some(1_000));
    let changed = story.plan(Some(("\"store\"", "\"s3\"")));
    assert_eq!(choice(&changed), "sse-kms-bucket-key, quota 300/s");
}

#[test]
fn an_upload_in_parts_pays_for_each_of_them() {
    let scenario = "duration = \"30s\"\n[arrival]\nrate = 5\n[mix]\nPutObject = 0\nGetObject = 0\nMultipartUpload = 1\n[mix.multipart]\n\
                    parts = 8\npart = \"5MiB\"\n[kms]\nquota = 45";
    let story = Story { scenario, question: "[constraints]\naudit_per_object = true" };
    let plan = story.plan(None);
    assert_eq!(choice(&plan), "sse-kms, quota 10000/s", "ten calls an upload, fifty a second");
    assert!((plan.basis.calls_per_s_uncached.value - 50.0).abs() < 1e-6);
    assert_eq!(choice(&story.plan(Some(("parts = 8", "parts = 1")))), "sse-kms, quota 45/s");
}

#[test]
fn a_failover_meets_the_quota_of_the_other_region() {
    let scenario =
        "duration = \"2s\"\nwarm_up = \"1s\"\n[arrival]\nrate = 14000\n[kms]\nregion = \"us-east-1\"";
    let story = Story { scenario, question: "[constraints]\naudit_per_object = true\nmodes = [\"sse-kms\"]" };
    let drilled = |change| {
        let (source, question) = story.told(change);
        let plan = asked(&source, &question, &["failover:eu-north-1".parse().unwrap()], &[]);
        assert_eq!(choice(&plan), "sse-kms, quota 100000/s");
        plan.drills.into_iter().next().unwrap()
    };
    let missed = drilled(None);
    assert!(!missed.kept && missed.quota_per_s.value == 10_000, "{missed:?}");
    assert!(drilled(Some(("rate = 14000", "rate = 6000"))).kept);
}

#[test]
fn a_budget_that_the_only_mode_passes_leaves_nothing() {
    let scenario = "[arrival]\nrate = 100";
    let question = "[objectives]\nbudget = \"1000USD\"\n[constraints]\naudit_per_object = true\nmodes = [\"sse-kms\"]\n\
                    [candidates]\nrequests = 20_000";
    let story = Story { scenario, question };
    assert_eq!(choice(&story.plan(None)), "sse-kms, quota 100000/s");
    let changed = story.plan(Some(("1000USD", "100USD")));
    assert!(!changed.feasible && changed.answer.contains("and the budget is 100"), "{}", changed.answer);
    assert!(changed.candidates[0].reasons[0].contains("KMS alone costs at least"), "arithmetic says so");
}

#[test]
fn growth_passes_the_quota_in_a_month_that_the_rate_decides() {
    let scenario = "duration = \"5s\"\nwarm_up = \"1s\"\n[arrival]\nprocess = \"constant\"\nrate = 250\n[kms]\nquota = 500";
    let question = "[constraints]\naudit_per_object = true\nmodes = [\"sse-kms\"]\n[growth]\nrate = \"8%/month\"\nhorizon = 18\n\
                    [candidates]\nquota = [500]";
    let story = Story { scenario, question };
    let growth = story.plan(None).growth.unwrap();
    // 250 · 1.08⁹ = 499.8; 250 · 1.08¹⁰ = 539.7.
    assert_eq!(growth.quota_passed_in.value, Some(10));
    // 250 · 1.08¹⁸ = 999; a second has 1,000 of them; with room, in two digits.
    assert_eq!(growth.request_quota.unwrap().value, 1_300);
    assert_eq!(growth.request_by.unwrap().value, "2027-08", "nine months after November 2026");
    // Four times the load costs four times as much, if the quota lets it through.
    let (now, then) = (growth.adds_now_usd.value.decimal(), growth.adds_at_horizon_usd.value.decimal());
    assert!(
        then > now * rust_decimal::Decimal::new(39, 1) && then < now * rust_decimal::Decimal::new(41, 1),
        "{now} {then}"
    );
    // One call a second too many is enough; and there may be too many now.
    let at_quota = |quota: u64| {
        let (source, mut question) = story.told(None);
        question.grid.quotas = vec![quota];
        question.demands.keep = "throttled<20%".parse().unwrap();
        plan_for(&source, &question).growth.unwrap()
    };
    assert_eq!(at_quota(539).quota_passed_in.value, Some(10));
    let now = at_quota(240);
    assert_eq!((now.quota_passed_in.value, now.request_by.unwrap().value), (Some(0), "2026-11".into()));
    let slow = story.plan(Some(("8%/month", "3%/month"))).growth.unwrap();
    assert_eq!((slow.quota_passed_in.value, slow.request_quota), (None, None));
}

#[test]
fn the_quota_to_ask_for_holds_the_calls_of_others_and_is_never_less_than_there_is() {
    let scenario = "duration = \"5s\"\nwarm_up = \"1s\"\n[arrival]\nprocess = \"constant\"\nrate = 250\n[kms]\nquota = 500";
    let question = "[objectives]\nkeep = \"failed<90%\"\n[constraints]\naudit_per_object = true\nmodes = [\"sse-kms\"]\n[growth]\nrate = \"8%/month\"\n\
                    horizon = 3\n[candidates]\nquota = [500]";
    let story = Story { scenario, question };
    let growth = |change| story.plan(Some(change)).growth.unwrap();
    // 250 · 1.08³ = 314.9 of ours; with 400 of others, and a quarter more, 893.7.
    let shared = growth(("[kms]\n", "[kms]\nbackground = 400\n"));
    assert_eq!((shared.quota_passed_in.value, shared.peak_at_horizon.value), (Some(0), 315));
    assert_eq!(shared.request_quota.unwrap().value, 900);
    // Calls side by side find a bucket of one empty, however large the quota: no smaller one is asked for.
    let shallow = growth((
        "\"constant\"\nrate = 250\n[kms]\n",
        "\"poisson\"\nrate = 250\n[kms]\nthrottle_rule = \"token-bucket\"\nburst = 1\n",
    ));
    assert_eq!(
        (shallow.quota_passed_in.value, shallow.request_quota, shallow.request_by),
        (Some(0), None, None)
    );
}

#[test]
fn what_costs_more_never_pays_however_little_the_change_costs() {
    let scenario = "[arrival]\nrate = 50\n[objects]\ncount = 3\n[kms]\nquota = 1000";
    let question = "[constraints]\naudit_per_object = true\ncurrent = \"sse-s3\"\nmodes = [\"sse-kms\"]";
    let story = Story { scenario, question };
    let plan = story.plan(None);
    let transition = plan.transition.as_ref().unwrap();
    assert_eq!(transition.ways[0].usd.value.to_string(), "0.00", "three objects");
    assert_eq!(transition.break_even.as_ref().unwrap().value, "never");
    let text = plan.to_text(Style::default());
    assert!(text.contains("more than under sse-s3, USD/month") && !text.contains("saved against"), "{text}");
    let saving = story.plan(Some(("\"sse-s3\"", "\"dsse-kms\"")));
    assert_eq!(saving.transition.as_ref().unwrap().break_even.as_ref().unwrap().value, "0");
    assert!(saving.to_text(Style::default()).contains("saved against dsse-kms, USD/month"));
}

#[test]
fn a_bill_of_filling_caches_says_that_it_is_too_high() {
    let scenario = "[arrival]\nrate = 100\n[objects]\ncount = 100\n[kms]\nquota = 1000\n[bucket_key]\nlifetime = \"10s\"";
    let question = "[constraints]\nkey_custody = \"account\"\nmodes = [\"sse-kms-bucket-key\"]\n[candidates]\nrequests = 20_000";
    let story = Story { scenario, question };
    let steady = story.plan(None);
    assert!(
        steady.choice.as_ref().unwrap().figures.steady && !steady.answer.contains("at most"),
        "{}",
        steady.answer
    );
    assert!(!steady.to_text(Style::default()).contains("<= "));
    let filling = story.plan(Some(("\"10s\"", "\"1h\"")));
    assert!(filling.answer.contains("encryption adds at most"), "{}", filling.answer);
    assert!(
        filling.to_text(Style::default()).contains("  <= ")
            && filling.notes.iter().any(|note| note.starts_with("<= at most: in 1 of 1 runs"))
    );
}

#[test]
fn a_throttled_candidate_is_marked_as_the_bill_of_fewer_requests() {
    let scenario = "[arrival]\nrate = 400\n[kms]\nquota = 390\n[retry]\npolicy = \"none\"";
    let question = "[constraints]\nkey_custody = \"account\"\nmodes = [\"sse-kms\"]\n[candidates]\nquota = [390, 1000]\nrequests = 20_000";
    let story = Story { scenario, question };
    let plan = story.plan(None);
    let [throttled, free] = &plan.candidates[..] else { panic!("{:#?}", plan.candidates) };
    let share = |of: &s3seal::plan::Judged| {
        of.figures.as_ref().unwrap_or_else(|| panic!("{of:?}")).billed_share.value
    };
    assert!((0.9..0.99).contains(&share(throttled)) && share(free).to_bits() == 1.0_f64.to_bits());
    let text = plan.to_text(Style::default());
    let row = |title: &str| {
        text.lines().find(|line| line.contains(title) && line.contains(" at once")).unwrap().to_owned()
    };
    assert!(row("quota 390/s").contains('†') && !row("quota 1000/s").contains('†'), "{text}");
    assert!(plan.notes.iter().any(|note| note.starts_with("† The bill of fewer requests")));
}

#[test]
fn where_nothing_is_feasible_the_nearest_is_named_with_what_it_misses() {
    let scenario = "[arrival]\nrate = 100\n[objects]\ncount = 100";
    let question = "[constraints]\ndouble_encryption = true\nrun_by = \"client\"\n[candidates]\nmax_age = [\"30s\"]\nrequests = 20_000";
    let story = Story { scenario, question };
    let plan = story.plan(None);
    assert!(
        !plan.feasible && plan.answer.starts_with("Nothing keeps every demand. Nearest is"),
        "{}",
        plan.answer
    );
    assert_eq!(plan.choice.as_ref().unwrap().missed.len(), 1, "it misses one demand, not two");
    assert!(plan.candidates.iter().all(|candidate| candidate.verdict == Verdict::Excluded));
    let changed = story.plan(Some(("double_encryption = true", "double_encryption = false")));
    assert!(choice(&changed).starts_with("kms-cached, age 30s"), "{}", changed.answer);
}

#[test]
fn a_tight_p99_leaves_no_room_for_a_kms_call_on_the_way() {
    let scenario = "[arrival]\nrate = 100\n[objects]\ncount = 50\n[kms]\nquota = 1000";
    let question = "[objectives]\nkeep = \"p99<60ms\"\n[constraints]\naudit_per_object = true\nmodes = [\"sse-kms\"]\n[candidates]\nrequests = 20_000";
    let story = Story { scenario, question };
    assert_eq!(choice(&story.plan(None)), "sse-kms, quota 1000/s");
    let changed = story.plan(Some(("p99<60ms", "p99<2ms")));
    assert!(!changed.feasible && changed.answer.contains("p99<2ms is demanded"), "{}", changed.answer);
}
