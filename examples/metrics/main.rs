//! What the cache does, as Prometheus scrapes it: the `metrics` facade with a recorder of forty lines.
//!
//! `cargo run --features metrics --example metrics` answers `http://127.0.0.1:9464/metrics` to one scraper after another; with
//! `-- once` it prints one scrape and ends. In production `metrics-exporter-prometheus` takes the recorder's place; what is
//! ours is `cache.publish("main")` before each scrape.
#![allow(
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "an example reads its arguments and prints"
)]

mod recorder;

use recorder::Scrape;
use s3seal::DataKeyCache;
use s3seal::cache::UsageLimits;
use s3seal::client::ModelService;
use s3seal::envelope::{EncryptionContext, KeyArn};
use s3seal::request::Principal;
use s3seal::units::Span;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let scrape = Scrape::default();
    metrics::set_global_recorder(scrape.clone())?;

    let kms_key: KeyArn =
        "arn:aws:kms:eu-west-2:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab".parse()?;
    let limits = UsageLimits { max_uses: 100, ..UsageLimits::of_age(Span::from_seconds(300)) };
    let cache = DataKeyCache::builder(ModelService::of_one_key(&kms_key)?).limits(limits).build()?;
    let context = EncryptionContext::new([("app", "metrics")])?;
    let request = cache.request(kms_key, context, Principal::new("111122223333", "app", ""));
    for _ in 0..1_000 {
        cache.encrypt_key(&request, Some(1_024)).await?;
    }

    if std::env::args().nth(1).as_deref() == Some("once") {
        cache.publish("main");
        print!("{}", scrape.text());
        return Ok(());
    }
    let listener = TcpListener::bind("127.0.0.1:9464").await?;
    println!("http://127.0.0.1:9464/metrics");
    loop {
        let (mut connection, _) = listener.accept().await?;
        // A scraper's request fits into one read; what it asks for does not matter.
        let mut asked = [0; 4_096];
        if connection.read(&mut asked).await? == 0 {
            continue;
        }
        cache.publish("main");
        let text = scrape.text();
        let length = text.len();
        let answer = format!(
            "HTTP/1.1 200 OK\r\ncontent-type: text/plain; version=0.0.4\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{text}"
        );
        connection.write_all(answer.as_bytes()).await?;
    }
}
