//! A stub of AWS KMS's wire format on 127.0.0.1: HTTP/1.1, JSON 1.1, AWS's error shapes.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

use crate::stub::arn;

/// The data key that it gives, again and again.
pub(crate) const KEY: [u8; 32] = [0xA5; 32];
/// Its blob.
pub(crate) const BLOB: &[u8] = b"a blob under the key";

/// A request as it came.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) line: String,
    headers: Vec<(String, String)>,
    pub(crate) body: Value,
}

impl Request {
    pub(crate) fn header(&self, name: &str) -> &str {
        let found = self.headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name));
        found.map_or("", |(_, value)| value.as_str())
    }
}

/// What the next request gets.
#[derive(Clone, Debug)]
pub(crate) enum Reply {
    /// Status, body, headers beside the usual ones.
    Json(u16, Value, &'static str),
    /// The answer that is due, so much later.
    Late(Duration),
    /// The connection is closed.
    Close,
}

/// AWS's shape of an error.
pub(crate) fn error(status: u16, code: &str, message: &str) -> Reply {
    Reply::Json(status, json!({ "__type": code, "message": message }), "")
}

#[derive(Clone, Default)]
pub(crate) struct Wire {
    pub(crate) port: u16,
    requests: Arc<Mutex<Vec<Request>>>,
    replies: Arc<Mutex<VecDeque<Reply>>>,
}

impl Wire {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let wire = Self { port: listener.local_addr().unwrap().port(), ..Self::default() };
        let serving = wire.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let wire = serving.clone();
                tokio::spawn(async move { wire.serve(stream).await });
            }
        });
        wire
    }

    pub(crate) fn say(&self, replies: impl IntoIterator<Item = Reply>) {
        self.replies.lock().unwrap().extend(replies);
    }

    pub(crate) fn requests(&self) -> Vec<Request> {
        self.requests.lock().unwrap().clone()
    }

    /// One connection; `None` when it ends.
    async fn serve(&self, stream: TcpStream) -> Option<()> {
        let mut stream = BufReader::new(stream);
        loop {
            let request = read(&mut stream).await?;
            self.requests.lock().unwrap().push(request.clone());
            let reply = self.replies.lock().unwrap().pop_front();
            let (status, body, more) = match reply {
                Some(Reply::Close) => return None,
                Some(Reply::Json(status, body, more)) => (status, body, more),
                Some(Reply::Late(late)) => {
                    tokio::time::sleep(late).await;
                    (200, answer(&request), "")
                }
                None => (200, answer(&request), ""),
            };
            let body = body.to_string();
            let head = format!(
                "HTTP/1.1 {status} X\r\ncontent-type: application/x-amz-json-1.1\r\ncontent-length: {}\r\n{more}\r\n",
                body.len()
            );
            stream.write_all(format!("{head}{body}").as_bytes()).await.ok()?;
        }
    }
}

async fn read(stream: &mut BufReader<TcpStream>) -> Option<Request> {
    let mut lines = Vec::new();
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).await.ok()? == 0 {
            return None;
        }
        match line.trim_end() {
            "" => break,
            line => lines.push(line.to_owned()),
        }
    }
    let line = lines.remove(0);
    let headers: Vec<(String, String)> = lines
        .iter()
        .filter_map(|line| line.split_once(':').map(|(k, v)| (k.to_owned(), v.trim().to_owned())))
        .collect();
    let mut request = Request { line, headers, body: Value::Null };
    let mut body = vec![0; request.header("content-length").parse().ok()?];
    stream.read_exact(&mut body).await.ok()?;
    request.body = serde_json::from_slice(&body).ok()?;
    Some(request)
}

/// What KMS says when all is well.
fn answer(request: &Request) -> Value {
    let plaintext = STANDARD.encode(KEY);
    match request.header("x-amz-target") {
        "TrentService.GenerateDataKey" => {
            json!({ "CiphertextBlob": STANDARD.encode(BLOB), "KeyId": arn().as_str(), "Plaintext": plaintext })
        }
        "TrentService.Decrypt" => {
            json!({ "EncryptionAlgorithm": "SYMMETRIC_DEFAULT", "KeyId": arn().as_str(), "Plaintext": plaintext })
        }
        other => json!({ "unknown": other }),
    }
}
