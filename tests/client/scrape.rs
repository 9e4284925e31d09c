//! Through the `metrics` facade: what a recorder gets is what the snapshot says.

use crate::recorder::Scrape;
use crate::stub::{Stub, builder, request};

#[tokio::test(start_paused = true)]
async fn a_recorder_gets_what_the_snapshot_says() {
    let cache = builder(&Stub::new(1)).build().unwrap();
    let request = request(&cache);
    for _ in 0..10 {
        cache.encrypt_key(&request, Some(1)).await.unwrap();
    }
    let scrape = Scrape::default();
    metrics::with_local_recorder(&scrape, || cache.publish("main"));
    let text = scrape.text();
    let encrypt = r#"cache="main",operation="GenerateDataKey""#;
    for line in [
        format!(r#"s3seal_data_key_uses_total{{{encrypt},source="hit"}} 9"#),
        format!(r#"s3seal_data_key_uses_total{{{encrypt},source="joined"}} 1"#),
        format!("s3seal_kms_calls_total{{{encrypt}}} 1"),
        format!("s3seal_kms_calls_avoided_total{{{encrypt}}} 9"),
        format!("s3seal_data_keys{{{encrypt}}} 1"),
        r#"s3seal_kms_failures_total{cache="main",cause="throttled"} 0"#.into(),
    ] {
        assert!(text.lines().any(|printed| printed == line), "{line}\n{text}");
    }
}
