//! The key service of `examples/vault_transit` against a stub of the transit engine's wire format: what it sends, and what Vault's
//! answers become.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use s3seal::DataKeyCache;
use s3seal::cache::{Failure, FailureLife, UsageLimits};
use s3seal::client::{Builder, KeyError};
use s3seal::envelope::Identity;
use s3seal::kms::RetryPolicy;
use s3seal::units::Span;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::stub::{arn, assert_quiet, request};
use crate::transit::Vault;

const KEY: [u8; 32] = [0xA5; 32];
const CIPHERTEXT: &str = "vault:v1:abcdefgh";

/// What the next request gets.
enum Reply {
    /// Status, body, headers.
    Json(u16, Value, &'static str),
    /// What is due, so much later.
    Late(Duration),
}

/// Vault's shape of an error.
fn error(status: u16, message: &str) -> Reply {
    Reply::Json(status, json!({ "errors": [message] }), "")
}

#[derive(Default)]
struct Wire {
    requests: Mutex<Vec<(String, Value)>>,
    replies: Mutex<VecDeque<Reply>>,
}

impl Wire {
    /// A stub, and a cache in front of it.
    async fn start() -> (Arc<Self>, Builder) {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let wire = Arc::new(Self::default());
        let serving = Arc::clone(&wire);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let wire = Arc::clone(&serving);
                tokio::spawn(async move { wire.serve(stream).await });
            }
        });
        let vault = Vault { address, token: "root".into(), key: "invoices".into(), arn: arn() };
        let life = FailureLife { denied: Span::ZERO, absent: Span::ZERO, transient: Span::ZERO };
        let builder = DataKeyCache::builder(vault)
            .limits(UsageLimits::of_age(Span::from_seconds(300)))
            .retry(RetryPolicy::full_jitter(Span::from_millis(1), Span::from_millis(2), 3))
            .failure_life(life);
        (wire, builder)
    }

    fn say(&self, replies: impl IntoIterator<Item = Reply>) {
        self.replies.lock().unwrap().extend(replies);
    }

    fn calls(&self) -> usize {
        self.requests.lock().unwrap().len()
    }

    /// One request and its answer, after which the connection is closed.
    async fn serve(&self, mut stream: TcpStream) -> Option<()> {
        let mut bytes = Vec::new();
        let (head, body) = loop {
            if stream.read_buf(&mut bytes).await.ok()? == 0 {
                return None;
            }
            let text = std::str::from_utf8(&bytes).unwrap();
            let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap();
            if body.len() == length.parse::<usize>().unwrap() {
                break (head.to_owned(), serde_json::from_str(body).unwrap());
            }
        };
        let data = if head.starts_with("POST /v1/transit/datakey/plaintext/") {
            json!({ "ciphertext": CIPHERTEXT, "key_version": 1, "plaintext": STANDARD.encode(KEY) })
        } else {
            json!({ "plaintext": STANDARD.encode(KEY) })
        };
        self.requests.lock().unwrap().push((head, body));
        let reply = self.replies.lock().unwrap().pop_front();
        let (status, body, headers) = match reply {
            Some(Reply::Json(status, body, headers)) => (status, body, headers),
            Some(Reply::Late(late)) => {
                tokio::time::sleep(late).await;
                (200, json!({ "data": data }), "")
            }
            None => (200, json!({ "request_id": "1", "lease_duration": 0, "data": data }), ""),
        };
        let answer = format!("HTTP/1.0 {status} X\r\nContent-Type: application/json\r\n{headers}\r\n{body}");
        stream.write_all(answer.as_bytes()).await.ok()
    }
}

#[tokio::test]
async fn calls_go_out_as_vault_wants_them_and_come_back_as_keys() {
    let (wire, builder) = Wire::start().await;
    let cache = builder.build().unwrap();
    let request = request(&cache);
    let identity = Identity::text("a");
    let envelope = cache.seal_bytes(&request, &identity, b"plain").await.unwrap();
    assert_eq!(cache.open_bytes(&request, &identity, &envelope).await.unwrap(), b"plain");

    let context = STANDARD.encode(request.context().canonical_bytes());
    let requests = wire.requests.lock().unwrap();
    let [(generate, asked), (decrypt, asked_for)] = requests.as_slice() else { panic!("{requests:?}") };
    assert!(generate.starts_with("POST /v1/transit/datakey/plaintext/invoices HTTP/1.0\r\n"), "{generate}");
    assert_eq!(*asked, json!({ "context": context, "bits": 256 }));
    assert!(decrypt.starts_with("POST /v1/transit/decrypt/invoices HTTP/1.0\r\n"), "{decrypt}");
    assert_eq!(*asked_for, json!({ "ciphertext": CIPHERTEXT, "context": context }));
    for head in [generate, decrypt] {
        assert!(head.lines().any(|line| line == "x-vault-token: root"), "{head}");
        assert!(head.lines().any(|line| line == "content-type: application/json"), "{head}");
    }
    assert_eq!(cache.snapshot().calls(), 2);
}

#[tokio::test]
async fn errors_of_vault_become_ours_and_keep_what_vault_said() {
    let (wire, builder) = Wire::start().await;
    let cache = builder.build().unwrap();
    let request = request(&cache);
    let key = cache.encrypt_key(&request, Some(1)).await.unwrap();
    let sealing = [
        (403, "permission denied", Failure::Denied),
        (404, "no handler for route", Failure::NotFound),
        (400, "encryption key not found", Failure::NotFound),
        (400, "missing 'context' for key derivation", Failure::Transient),
    ];
    for (status, message, failure) in sealing {
        cache.invalidate_all();
        wire.say([error(status, message)]);
        check(cache.encrypt_key(&request, Some(1)).await.unwrap_err(), failure, message);
    }
    let opening = [
        (400, "cipher: message authentication failed", Failure::Invalid),
        (400, "encryption key not found", Failure::NotFound),
    ];
    for (status, message, failure) in opening {
        wire.say([error(status, message)]);
        check(cache.decrypt_key(&request, key.wrapped()).await.unwrap_err(), failure, message);
    }
    assert_eq!((wire.calls(), cache.snapshot().calls()), (7, 7), "none is tried again");
    assert_quiet(&cache);
}

fn check(refused: KeyError, expected: Failure, message: &str) {
    let KeyError::Refused { failure, source: Some(source), .. } = refused else { panic!("{refused:?}") };
    assert_eq!(failure, expected, "{message}");
    assert!(source.to_string().contains(message), "{source}");
}

#[tokio::test]
async fn a_rate_limit_and_a_sealed_vault_are_tried_again_and_a_slow_answer_is_given_up() {
    let (wire, builder) = Wire::start().await;
    let cache = builder.call_max(Duration::from_millis(200)).build().unwrap();
    let request = request(&cache);
    wire.say([error(429, "request path: rate limit quota exceeded"), error(503, "Vault is sealed")]);
    cache.encrypt_key(&request, Some(1)).await.unwrap();
    let snapshot = cache.snapshot();
    assert_eq!((wire.calls(), snapshot.calls()), (3, 3));
    assert_eq!((snapshot.throttled, snapshot.retried), (1, 2));
    cache.invalidate_all();
    wire.say([Reply::Late(Duration::from_mins(1))]);
    cache.encrypt_key(&request, Some(1)).await.unwrap();
    assert_eq!((cache.snapshot().timed_out, wire.calls()), (1, 5));
}

#[tokio::test]
async fn the_wait_that_vault_asks_for_paces_the_next_call() {
    let (wire, builder) = Wire::start().await;
    let cache = builder.retry(RetryPolicy::NONE).build().unwrap();
    let request = request(&cache);
    wire.say([Reply::Json(429, json!({ "errors": ["rate limit"] }), "Retry-After: 60\r\n")]);
    assert!(cache.encrypt_key(&request, Some(1)).await.is_err());
    let paced = cache.encrypt_key(&request, Some(1)).await.unwrap_err();
    assert!(matches!(paced, KeyError::Paced { wait, .. } if wait > Span::from_seconds(50)), "{paced:?}");
    assert_eq!(wire.calls(), 1);
}

#[tokio::test]
async fn an_answer_that_makes_no_sense_is_refused_and_no_error_shows_a_key() {
    let (wire, builder) = Wire::start().await;
    let cache = builder.retry(RetryPolicy::NONE).build().unwrap();
    let request = request(&cache);
    let plaintext = STANDARD.encode(KEY);
    let answers = [
        (json!({ "data": { "plaintext": plaintext } }), "without ciphertext"),
        (json!({ "data": { "ciphertext": CIPHERTEXT } }), "without plaintext"),
        (json!({ "plaintext": plaintext, "ciphertext": CIPHERTEXT }), "without ciphertext"),
        (
            json!({ "data": { "plaintext": STANDARD.encode(&KEY[1..]), "ciphertext": CIPHERTEXT } }),
            "has not 256 bits",
        ),
        (json!({ "data": { "plaintext": "%", "ciphertext": CIPHERTEXT } }), "no base64"),
    ];
    for (answer, expected) in answers {
        wire.say([Reply::Json(200, answer, "")]);
        let refused = cache.encrypt_key(&request, Some(1)).await.unwrap_err();
        let KeyError::Refused { source: Some(source), .. } = &refused else { panic!("{refused:?}") };
        assert!(source.to_string().contains(expected), "{source}");
        let printed = format!("{refused:?} {refused} {source:?} {source}");
        assert!(!printed.contains(&plaintext[..20]) && !printed.contains("165, 165"), "{printed}");
    }
}
