//! From the lines of an access log to the page of a plan, on the command line; and the plan of a log beside that of its profile.

use std::fmt::Write;
use std::path::Path;
use std::process::{Command, Output};
use std::sync::Arc;

use s3seal::plan::Question;
use s3seal::workload::log::{CsvFormat, Trace};
use s3seal::workload::{Replay, ReplayOptions, Scenario, Source};
use serde_json::Value;

use super::desk::plan_for;

/// Requests by second: quiet, then busy.
const SECONDS: [u32; 12] = [3, 4, 3, 5, 4, 40, 45, 38, 42, 4, 3, 5];

/// Lines as S3 writes them: three reads to a write, on objects of which some are asked for often.
fn access_log() -> String {
    let mut log = String::new();
    let mut turn = 0_u32;
    for (second, requests) in SECONDS.iter().enumerate() {
        for _ in 0..*requests {
            // A fixed walk, more often on small numbers.
            turn = turn.wrapping_mul(1_103_515_245).wrapping_add(12_345);
            let object = (turn >> 16) % 40 % (1 + (turn >> 8) % 40);
            let who = (turn >> 20) % 3;
            let (operation, method, sent) = match turn >> 24 & 3 {
                0 => ("REST.PUT.OBJECT", "PUT", "-"),
                _ => ("REST.GET.OBJECT", "GET", "20480"),
            };
            writeln!(
                log,
                "79a59df900b949e55d96a1e698fbacedfd6e09d98eacf8f8d5218e7cd47ef2be photos [24/Nov/2026:12:00:{second:02} +0000] \
                 192.0.2.3 arn:aws:sts::111122223333:assumed-role/r{who}/s 3E57427F3{turn:07X} {operation} k{object} \
                 \"{method} /photos/k{object} HTTP/1.1\" 200 - {sent} 20480 12 10 \"-\" \"app/1\" - h= SigV4 \
                 ECDHE-RSA-AES128-GCM-SHA256 AuthHeader photos.s3.us-east-1.amazonaws.com TLSv1.3"
            )
            .unwrap();
        }
    }
    log
}

fn run(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_s3seal"))
        .current_dir(folder)
        .args(arguments)
        .output()
        .expect("s3seal runs")
}

#[track_caller]
fn done(folder: &Path, arguments: &[&str]) -> Output {
    let output = run(folder, arguments);
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    output
}

fn plan(folder: &Path, load: &[&str], more: &[&str]) -> Value {
    let of = ["plan", "--quota", "30", "--key-custody", "account", "--no-sensitivity", "--format", "json"];
    let output = done(folder, &[&of[..], load, more].concat());
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn raw_lines_become_a_page_with_a_choice_its_reasons_and_a_chart() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("access.log"), access_log()).unwrap();
    let plan = plan(folder.path(), &["--trace", "access.log"], &["--html", "plan.html"]);
    // At most 45 calls in a second under a quota of 30: SSE-KMS is throttled, a Bucket Key is not.
    assert_eq!(plan["feasible"], true);
    assert_eq!(plan["choice"]["mode"], "sse-kms-bucket-key");
    assert_eq!(plan["basis"]["source"], "trace");
    assert_eq!(plan["basis"]["requests_per_s"]["how"], "measured");
    let rejected =
        plan["candidates"].as_array().unwrap().iter().find(|one| one["title"] == "sse-kms, quota 30/s");
    assert_eq!(
        rejected.unwrap()["verdict"],
        "missed",
        "in the mean the quota would do; second by second it does not"
    );
    let page = std::fs::read_to_string(folder.path().join("plan.html")).unwrap();
    for text in
        ["<svg", "Choose sse-kms-bucket-key", "BucketKeyEnabled", "every candidate", "How figures are known"]
    {
        assert!(page.to_lowercase().contains(&text.to_lowercase()), "no `{text}` in the page");
    }
    assert!(
        !page.contains("<script") && !page.contains("src=") && !page.contains("https:"),
        "needs nothing else"
    );
    let again = run(folder.path(), &["plan", "--trace", "access.log", "--html", "plan.html"]);
    assert_eq!(again.status.code(), Some(1), "what exists is not replaced");
}

/// What a log reads may be gone by then; no mode is to blame for that.
#[test]
fn reads_of_what_is_not_there_miss_no_demand_and_throttled_requests_still_do() {
    let mut text = "time,op,key\n".to_owned();
    for n in 0..300 {
        // Every third read finds nothing, in any mode.
        let (second, at) = (n / 100, n % 100);
        for (ms, line) in [
            (0, format!("DELETE,gone{n}")),
            (5, format!("GET,gone{n}")),
            (5, "GET,old".into()),
            (6, "GET,old".into()),
        ] {
            writeln!(text, "{second}.{at:02}{ms},{line}").unwrap();
        }
    }
    let trace = Arc::new(Trace::read("trace.csv", text.as_bytes(), CsvFormat::default()).unwrap());
    let plan = |quota: u64, mode: &str| {
        let scenario =
            Scenario::parse(&format!("[kms]\nquota = {quota}\n[retry]\npolicy = \"none\"")).unwrap();
        let source =
            Source::Replay(Replay::new(Arc::clone(&trace), &scenario, ReplayOptions::default()).unwrap());
        let question = format!(
            "[objectives]\nkeep = \"failed<0.1%\"\n[constraints]\nmodes = [\"{mode}\"]\n[candidates]\nquota = [{quota}]\nsensitivity = false"
        );
        plan_for(&source, &Question::parse(&question).unwrap())
    };
    for mode in ["sse-s3", "sse-kms"] {
        let kept = plan(5_000, mode);
        assert!(kept.feasible, "{mode}: {}", kept.answer);
        let failed = kept.choice.as_ref().unwrap().figures.failed.value;
        assert!((failed - 0.25).abs() < 1e-9, "it says what happens: {failed}");
        assert!(
            kept.notes.iter().any(|note| note.starts_with("25.0 % of the requests fail in every mode")),
            "{:?}",
            kept.notes
        );
    }
    // 200 calls a second are needed; those beyond the quota fail of it.
    let missed = plan(150, "sse-kms");
    assert!(
        !missed.feasible && missed.choice.as_ref().unwrap().missed[0].starts_with("failed is "),
        "{}",
        missed.answer
    );
}

#[test]
fn a_plan_on_a_profile_is_that_on_its_log_within_a_tenth() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("access.log"), access_log()).unwrap();
    done(folder.path(), &["profile", "access.log", "--format", "json", "--output", "profile.json"]);
    let of_log = plan(folder.path(), &["--trace", "access.log"], &[]);
    let of_profile = plan(folder.path(), &["--profile", "profile.json"], &["--warm-up", "0s"]);
    assert_eq!(of_profile["basis"]["source"], "profile");
    assert_eq!(of_log["choice"]["title"], of_profile["choice"]["title"]);
    // 196 requests, each second a Poisson draw: a deviation of 7 %; the seed is fixed, so that this is no lottery.
    let calls = |plan: &Value| plan["basis"]["calls_per_s_uncached"]["value"].as_f64().unwrap();
    let ratio = calls(&of_profile) / calls(&of_log);
    assert!((ratio - 1.0).abs() < 0.1, "{ratio}");
    let verdict = |plan: &Value, title: &str| {
        let candidates = plan["candidates"].as_array().unwrap();
        candidates.iter().find(|one| one["title"] == title).unwrap()["verdict"].clone()
    };
    for title in ["sse-s3", "sse-kms, quota 30/s", "sse-kms-bucket-key, quota 30/s"] {
        assert_eq!(verdict(&of_log, title), verdict(&of_profile, title), "{title}");
    }
}

#[test]
fn exit_codes_tell_a_plan_from_none_and_gates_close() {
    let folder = tempfile::tempdir().unwrap();
    let small = [
        "plan",
        "--rate",
        "50",
        "--requests",
        "2000",
        "--duration",
        "2s",
        "--warm-up",
        "1s",
        "--no-sensitivity",
    ];
    let code = |more: &[&str]| run(folder.path(), &[&small[..], more].concat()).status.code();
    assert_eq!(code(&[]), Some(0));
    assert_eq!(code(&["--double-encryption", "--run-by", "client"]), Some(3), "nothing feasible");
    assert_eq!(code(&["--fail-if", "choice!=sse-s3"]), Some(0));
    assert_eq!(code(&["--fail-if", "choice!=sse-kms"]), Some(3));
    assert_eq!(code(&["--fail-if", "colour>1"]), Some(2));
    assert_eq!(code(&["--find-max", "p99<1s"]), Some(2), "of other verbs");
    let gate = run(folder.path(), &[&small[..], &["--fail-if", "choice!=sse-kms"]].concat());
    assert_eq!(String::from_utf8_lossy(&gate.stderr), "s3seal: choice!=sse-kms: it is sse-s3\n");
}
