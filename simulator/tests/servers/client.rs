//! The least HTTP client that does: one request of HTTP/1.0 per connection, read to its end.

use serde_json::Value;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// What came back.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    head: String,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error} in {:?}", self.body))
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines.find(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    /// The value at a JSON pointer, which must be there.
    pub(crate) fn at(&self, pointer: &str) -> Value {
        let json = self.json();
        json.pointer(pointer).unwrap_or_else(|| panic!("nothing at {pointer} in {json}")).clone()
    }
}

/// Sends one request to an origin such as `http://127.0.0.1:8181`.
pub(crate) async fn send(
    method: &str,
    origin: &str,
    path: &str,
    authorization: Option<&str>,
    body: &str,
) -> Answer {
    let address = origin.strip_prefix("http://").unwrap();
    let stream = TcpStream::connect(address).await.unwrap();
    let authorization = authorization.map(|value| format!("Authorization: {value}\r\n")).unwrap_or_default();
    let length = body.len();
    let request = format!(
        "{method} {path} HTTP/1.0\r\nHost: {address}\r\n{authorization}Content-Length: {length}\r\n\r\n{body}"
    );
    exchange(stream, &request).await
}

/// Sends a request as it is, and reads the answer to its end.
pub(crate) async fn exchange(mut stream: impl AsyncRead + AsyncWrite + Unpin, request: &str) -> Answer {
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    Answer { status, head: head.to_owned(), body: body.to_owned() }
}
