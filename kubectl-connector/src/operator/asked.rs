//! One request to an operator, over whatever stream leads to it.

use std::io::Write;

use http::{Request, StatusCode, header};
use http_body_util::{BodyExt, Empty};
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;

use super::Stream;
use crate::Result;

/// Writes the answer to `GET path` to `out`; false where there is nothing there.
pub(super) async fn get(stream: Box<dyn Stream>, path: &str, out: &mut (impl Write + Send)) -> Result<bool> {
    let said = |error: hyper::Error| format!("the operator does not answer: {error}; try again");
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(said)?;
    let connected = tokio::spawn(connection);
    // Nobody asks for this name, and HTTP wants one.
    let request = Request::get(path).header(header::HOST, "localhost").body(Empty::<Bytes>::new())?;
    let answer = sender.send_request(request).await.map_err(said)?;
    let status = answer.status();
    let mut body = answer.into_body();
    let mut refusal = Vec::new();
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame
            .map_err(|error| format!("the operator's answer was cut off: {error}; try again"))?
            .into_data()
        else {
            continue;
        };
        if status == StatusCode::OK { out.write_all(&data)? } else { refusal.extend_from_slice(&data) }
    }
    connected.abort();
    match status {
        StatusCode::OK => Ok(true),
        StatusCode::NOT_FOUND => Ok(false),
        _ => {
            Err(format!("the operator answers {status}: {}", String::from_utf8_lossy(&refusal).trim()).into())
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};

    use super::*;

    /// Something that answers the first request with this, whatever it is, and what it was asked.
    fn answering(answer: &'static str) -> (DuplexStream, tokio::task::JoinHandle<String>) {
        let (near, mut far) = duplex(1024);
        let asked = tokio::spawn(async move {
            let mut asked = vec![0; 1024];
            let read = far.read(&mut asked).await.unwrap();
            far.write_all(answer.as_bytes()).await.unwrap();
            asked.truncate(read);
            String::from_utf8(asked).unwrap()
        });
        (near, asked)
    }

    async fn asked(answer: &'static str) -> (Result<bool>, String) {
        let (stream, _asked) = answering(answer);
        let mut out = Vec::new();
        let got = get(Box::new(stream), "/snapshots/identity/scalrconnector/acme/ids", &mut out).await;
        (got, String::from_utf8(out).unwrap())
    }

    #[tokio::test]
    async fn an_answer_is_written_as_it_comes() {
        let (stream, request) = answering("HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\none\n");
        let mut out = Vec::new();
        assert!(get(Box::new(stream), "/a/path", &mut out).await.unwrap());
        assert_eq!(out, b"one\n");
        let request = request.await.unwrap();
        assert!(request.starts_with("GET /a/path HTTP/1.1\r\nhost: localhost\r\n"), "{request}");
    }

    #[tokio::test]
    async fn what_is_not_there_is_no_failure_and_anything_else_is() {
        let (got, out) = asked("HTTP/1.1 404 Not Found\r\ncontent-length: 8\r\n\r\nnothing\n").await;
        assert_eq!((got.unwrap(), out.as_str()), (false, ""));
        let (got, out) = asked("HTTP/1.1 500 Oh\r\ncontent-length: 4\r\n\r\nbad\n").await;
        let said = "the operator answers 500 Internal Server Error: bad";
        assert_eq!((got.unwrap_err().to_string().as_str(), out.as_str()), (said, ""));
        let (got, _) = asked("HTTP/1.1 200 OK\r\ncontent-length: 40\r\n\r\none\n").await;
        assert!(got.unwrap_err().to_string().starts_with("the operator's answer was cut off"));
        let (got, _) = asked("").await;
        assert!(got.unwrap_err().to_string().starts_with("the operator does not answer"));
    }
}
