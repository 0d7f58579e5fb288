//! Whole answers that are wrong: instead of the right one, or made of its bytes. None of them is ever in memory as a
//! whole where it is large, and none outlives the client that waits for it.

use std::convert::Infallible;
use std::io;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{Html, IntoResponse as _, Response};
use flate2::{Compress, Compression, FlushCompress};
use futures::{StreamExt as _, stream};

use super::{Fault, Vendor};
use crate::server::Reset;

/// The size of a body that no client can want, in blocks.
const HUGE_BLOCKS: usize = 1024;

/// The size of one block.
const BLOCK: usize = 1 << 20;

/// The pause before each byte of a slow answer.
const DRIP: Duration = Duration::from_millis(100);

/// The answer that stands in for the right one, where the fault does not even ask for that.
pub(crate) async fn instead(fault: Fault, vendor: Vendor) -> Option<Response> {
    let answer = match fault {
        Fault::Http500Once => refusal(vendor, StatusCode::INTERNAL_SERVER_ERROR, "Internal Server Error"),
        Fault::Http503 => {
            (StatusCode::SERVICE_UNAVAILABLE, Html("<html><h1>No server is available</h1></html>"))
                .into_response()
        }
        Fault::Storm => refusal(vendor, StatusCode::TOO_MANY_REQUESTS, "Too Many Requests"),
        Fault::StormRetryAfter => {
            let mut answer = refusal(vendor, StatusCode::TOO_MANY_REQUESTS, "Too Many Requests");
            answer.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
            answer
        }
        Fault::MissingGrant => match vendor {
            Vendor::Scalr => {
                refusal(vendor, StatusCode::FORBIDDEN, "User unauthorized to perform this action.")
            }
            Vendor::PlanetScale => refusal(vendor, StatusCode::NOT_FOUND, "Not Found"),
        },
        Fault::Html200 => {
            Html("<html><form action=\"/login\"><input name=\"password\"></form></html>").into_response()
        }
        Fault::RedirectOtherHost => {
            let location = "https://login.example.com/start?session=must-never-be-kept";
            (StatusCode::FOUND, [(header::LOCATION, location)]).into_response()
        }
        Fault::HugeBody => json_body(media_type(vendor), huge()),
        Fault::GzipBomb => {
            let mut answer = json_body(media_type(vendor), bomb());
            answer.headers_mut().insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
            answer
        }
        Fault::Hang => std::future::pending().await,
        _ => return None,
    };
    Some(answer)
}

/// What becomes of the right answer's head and bytes.
pub(crate) fn mangled(fault: Fault, headers: &mut HeaderMap, bytes: Bytes, reset: Option<&Reset>) -> Body {
    match fault {
        Fault::WrongContentType => {
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
            bytes.into()
        }
        Fault::TruncatedBody => bytes.slice(..bytes.len() / 2).into(),
        Fault::SlowDrip => drip(bytes),
        Fault::Reset => {
            if let Some(reset) = reset {
                reset.order();
            }
            let half = bytes.slice(..bytes.len() / 2);
            Body::from_stream(stream::iter([Ok(half), Err(io::Error::from(io::ErrorKind::ConnectionReset))]))
        }
        _ => bytes.into(),
    }
}

/// Whether [`mangled`] does anything.
pub(crate) fn mangles(fault: Fault) -> bool {
    matches!(fault, Fault::WrongContentType | Fault::TruncatedBody | Fault::SlowDrip | Fault::Reset)
}

fn media_type(vendor: Vendor) -> &'static str {
    match vendor {
        Vendor::Scalr => crate::scalr::MEDIA_TYPE,
        Vendor::PlanetScale => crate::planetscale::MEDIA_TYPE,
    }
}

fn json_body(media_type: &'static str, body: Body) -> Response {
    ([(header::CONTENT_TYPE, media_type)], body).into_response()
}

/// An error in the vendor's own form.
fn refusal(vendor: Vendor, status: StatusCode, words: &str) -> Response {
    let code = words.to_lowercase().replace(' ', "_");
    let body = match vendor {
        Vendor::Scalr => {
            serde_json::json!({"errors": [{"status": status.as_str(), "title": words, "detail": null}]})
        }
        Vendor::PlanetScale => serde_json::json!({"code": code, "message": words}),
    };
    crate::gate::json(status, media_type(vendor), &body)
}

fn drip(bytes: Bytes) -> Body {
    Body::from_stream(stream::unfold(bytes, |mut rest| async move {
        if rest.is_empty() {
            return None;
        }
        tokio::time::sleep(DRIP).await;
        let byte = rest.split_to(1);
        Some((Ok::<_, Infallible>(byte), rest))
    }))
}

/// The beginning of a page, and space without end.
fn huge() -> Body {
    let space = Bytes::from(vec![b' '; BLOCK]);
    let blocks = stream::repeat(space).take(HUGE_BLOCKS);
    let body = stream::iter([Bytes::from_static(b"{\"data\":[")]).chain(blocks);
    Body::from_stream(body.map(Ok::<_, Infallible>))
}

/// The same in gzip: a block that refers to nothing before it, so that it can be sent over and over.
fn bomb() -> Body {
    const HEAD: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255];
    let blocks = stream::repeat(deflated(&[b' '; BLOCK])).take(HUGE_BLOCKS);
    let body = stream::iter([Bytes::from_static(&HEAD), deflated(b"{\"data\":[")]).chain(blocks);
    Body::from_stream(body.map(Ok::<_, Infallible>))
}

/// `plain` as blocks of raw deflate that end on a byte and are not the last.
fn deflated(plain: &[u8]) -> Bytes {
    let mut compress = Compress::new(Compression::best(), false);
    let mut packed = Vec::with_capacity(plain.len() / 100 + 64);
    // Compressing into enough room cannot fail.
    drop(compress.compress_vec(plain, &mut packed, FlushCompress::Full));
    packed.into()
}
