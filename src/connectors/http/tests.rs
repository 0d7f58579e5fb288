//! The client against a server that answers as it is told.

use std::time::Duration;

use rstest::rstest;
use serde::Deserialize;

use super::super::scripted::{Asked, Reply, Scripted, options};
use super::*;
use crate::network::AddressError;

const CANARY: &str = "canary-5f1d3e9a";

const VENDOR: Vendor = Vendor {
    name: "Vendor",
    accept: "application/vnd.api+json",
    error_text: |body| String::from_utf8(body.to_vec()).ok(),
    requests_per_minute: NonZeroU32::new(300).unwrap(),
};

const THINGS: Get<'_> = Get {
    what: "the things",
    operation: "list_things",
    path: &["v1", "things"],
    query: &[("secret", "query")],
};

#[derive(Debug, Deserialize, PartialEq)]
struct Thing {
    name: String,
}

fn client_with(base: &Url, options: ClientOptions) -> Result<UpstreamClient, ConfigError> {
    let credential = Credential {
        authorization: format!("Bearer {CANARY}").into(),
        secrets: vec![CANARY.to_owned().into()],
    };
    UpstreamClient::new(VENDOR, base.clone(), credential, options)
}

fn client(base: &Url) -> UpstreamClient {
    client_with(base, options()).unwrap()
}

async fn ask(
    script: impl Fn(&Asked) -> Reply + Send + Sync + 'static,
) -> (Result<Answer, ReadError>, Scripted) {
    let server = Scripted::start(script).await;
    let answer = client(&server.base).get(&THINGS).await;
    (answer, server)
}

fn ok() -> Reply {
    Reply::json(r#"{"name": "a thing"}"#)
}

#[tokio::test]
async fn an_answer_is_asked_for_with_the_token_and_decoded() {
    let (answer, server) = ask(|_| ok()).await;
    assert_eq!(answer.unwrap().decode::<Thing>().unwrap(), Thing { name: "a thing".to_owned() });
    let asked = &server.asked()[0];
    assert_eq!(asked.path, "/v1/things");
    assert_eq!(asked.query("secret"), "query");
    assert_eq!(asked.headers["authorization"], format!("Bearer {CANARY}"));
    assert_eq!(asked.headers["accept"], "application/vnd.api+json");
    assert_eq!(asked.headers["accept-encoding"], "gzip");
    assert_eq!(asked.headers["user-agent"], concat!("connector-operator/", env!("CARGO_PKG_VERSION")));
}

#[rstest]
#[case(401, "Vendor refused the credential: GET HOST/v1/things answered 401 words (x-request-id r-1)")]
#[case(
    403,
    "Vendor does not let the credential read the things: GET HOST/v1/things answered 403 words (x-request-id r-1)"
)]
#[case(
    404,
    "Vendor does not let the credential read the things: GET HOST/v1/things answered 404 words (x-request-id r-1)"
)]
#[case(400, "Vendor failed: GET HOST/v1/things answered 400 words (x-request-id r-1)")]
#[case(418, "Vendor failed: GET HOST/v1/things answered 418 words (x-request-id r-1)")]
#[case(422, "Vendor failed: GET HOST/v1/things answered 422 words (x-request-id r-1)")]
#[case(204, "GET HOST/v1/things gave an answer that cannot be trusted: its status is 204, not 200")]
#[tokio::test]
async fn what_cannot_pass_is_told_at_once(#[case] status: u16, #[case] message: &str) {
    let (answer, server) =
        ask(move |_| Reply::of(status, "text/plain", "words").with_header("x-request-id", "r-1")).await;
    let host = server.base.as_str().trim_start_matches("http://").trim_end_matches('/').to_owned();
    assert_eq!(answer.unwrap_err().to_string(), message.replace("HOST", &host));
    assert_eq!(server.asked().len(), 1, "it was asked again");
}

#[rstest]
#[case(408)]
#[case(429)]
#[case(500)]
#[case(502)]
#[case(503)]
#[case(504)]
#[tokio::test]
async fn what_may_pass_is_tried_again(#[case] status: u16) {
    let (answer, server) =
        ask(move |asked| if asked.before < 2 { Reply::status(status) } else { ok() }).await;
    assert!(answer.is_ok());
    assert_eq!(server.asked().len(), 3);
}

#[rstest]
#[case::cut_by_the_network(ok().broken_off())]
#[case::cut_by_the_server(Reply::json(r#"{"name": "a th"#))]
#[tokio::test]
async fn half_an_answer_is_asked_for_again(#[case] half: Reply) {
    let (answer, server) = ask(move |asked| if asked.before == 0 { half.clone() } else { ok() }).await;
    assert!(answer.is_ok());
    assert_eq!(server.asked().len(), 2);
}

#[tokio::test]
async fn the_tries_come_to_an_end() {
    let (answer, server) = ask(|_| Reply::of(503, "text/html", "down")).await;
    assert!(matches!(answer, Err(ReadError::Upstream { status: 503, .. })));
    assert_eq!(server.asked().len(), 3);
}

#[tokio::test]
async fn a_retry_after_that_the_request_cannot_wait_for_is_left_to_the_run() {
    let (answer, server) = ask(|_| Reply::status(429).with_header("retry-after", "90")).await;
    assert_eq!(answer.unwrap_err().retry_after(), Some(Duration::from_secs(90)));
    assert_eq!(server.asked().len(), 1);
}

#[tokio::test]
async fn a_retry_after_is_waited_for() {
    let begun = std::time::Instant::now();
    let (answer, _server) =
        ask(
            |asked| {
                if asked.before == 0 { Reply::status(429).with_header("retry-after", "1") } else { ok() }
            },
        )
        .await;
    assert!(answer.is_ok());
    assert!(begun.elapsed() >= Duration::from_secs(1));
}

#[rstest]
#[case(301)]
#[case(302)]
#[case(307)]
#[case(308)]
#[tokio::test]
async fn a_redirect_is_an_error_and_nothing_is_sent_after_it(#[case] status: u16) {
    let (answer, server) = ask(move |asked| match asked.path.as_str() {
        "/v1/things" => Reply::status(status).with_header("location", "/elsewhere?session=1"),
        _ => ok(),
    })
    .await;
    let message = answer.unwrap_err().to_string();
    assert!(message.contains(&format!("it redirects ({status}) to 127.0.0.1")), "{message}");
    assert!(!message.contains("session"), "{message}");
    assert_eq!(server.paths(), ["/v1/things"]);
}

#[rstest]
#[case(Reply::of(200, "text/html", "<html>{}"), "its content type is `text/html`")]
#[case(Reply::of(200, "", "{}"), "its content type is ``")]
#[case(Reply::json(r#"{"nom": 1}"#), "missing field `name`")]
#[case(Reply::json(r#"[]"#), "is no object")]
#[case(Reply::json("").with_body(b"{\"name\": \"\xff\"}".to_vec()), "it is not UTF-8")]
#[case(ok().with_header("x-much", "m".repeat(33 << 10)), "its headers have")]
#[tokio::test]
async fn a_200_is_not_yet_an_answer(#[case] reply: Reply, #[case] because: &str) {
    let (answer, _server) = ask(move |_| reply.clone()).await;
    let error = answer.and_then(|answer| answer.decode::<Thing>()).unwrap_err();
    let message = error.to_string();
    assert!(matches!(error, ReadError::UnexpectedResponse { .. }), "{message}");
    assert!(message.contains(because), "{message}");
}

/// 20 MB of spaces and a closing brace, which gzip makes 20 kB of.
fn gzip_bomb() -> Reply {
    use std::io::Write;
    let mut bomb = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    bomb.write_all(&vec![b' '; 20 << 20]).unwrap();
    Reply::json("").with_body(bomb.finish().unwrap()).with_header("content-encoding", "gzip")
}

#[rstest]
#[case::plain(Reply::json(" ".repeat(3 << 20)))]
#[case::gzip(gzip_bomb())]
#[tokio::test]
async fn a_body_larger_than_the_limit_is_not_taken(#[case] reply: Reply) {
    let (answer, server) = ask(move |_| reply.clone()).await;
    let message = answer.unwrap_err().to_string();
    assert!(message.contains("larger than the 2097152 bytes"), "{message}");
    assert_eq!(server.asked().len(), 1);
}

#[tokio::test]
async fn a_server_that_says_the_token_back_does_not_get_it_into_an_error() {
    let echo = |status| {
        move |asked: &Asked| Reply::of(status, "application/json", format!("{{{:?}}}", asked.headers))
    };
    for status in [200, 401, 403, 404, 429, 500] {
        let (answer, server) = ask(echo(status)).await;
        let error = answer.and_then(|answer| answer.decode::<Thing>()).unwrap_err();
        let all = format!("{error} {error:?} {:?} {:?}", client(&server.base), options());
        assert!(!all.contains(CANARY), "{all}");
    }
}

#[tokio::test]
async fn words_from_upstream_are_short_and_on_one_line() {
    let (answer, _server) =
        ask(|_| Reply::of(400, "text/plain", format!("a\nb\u{1b}[31m{}", "c".repeat(500)))).await;
    let message = answer.unwrap_err().to_string();
    assert!(!message.chars().any(char::is_control) && message.len() < 300, "{message}");
}

#[tokio::test]
async fn an_answer_that_does_not_come_is_given_up() {
    let server = Scripted::start(|_| {
        std::thread::sleep(Duration::from_millis(300));
        ok()
    })
    .await;
    let mut options = options();
    options.timeouts.request = Duration::from_millis(50);
    options.retry.tries = 2;
    let error = client_with(&server.base, options).unwrap().get(&THINGS).await.unwrap_err();
    assert!(error.to_string().contains("was not answered in time"), "{error}");
}

#[tokio::test]
async fn a_closed_port_is_unreachable() {
    let base = "http://127.0.0.1:1".parse().unwrap();
    let error = client(&base).get(&THINGS).await.unwrap_err();
    assert!(matches!(&error, ReadError::Unreachable { host, .. } if host == "127.0.0.1:1"), "{error}");
    assert!(error.to_string().contains("refused"), "{error}");
}

#[rstest]
#[case("")]
#[case(".")]
#[case("..")]
#[tokio::test]
async fn a_name_cannot_lead_out_of_its_place_in_the_path(#[case] name: &str) {
    let server = Scripted::start(|_| ok()).await;
    let get = Get { what: "it", operation: "get_it", path: &["v1", name, "members"], query: &[] };
    assert!(client(&server.base).get(&get).await.is_err());
    let get = Get { what: "it", operation: "get_it", path: &["v1", "a/../b?c#d", "members"], query: &[] };
    assert!(client(&server.base).get(&get).await.is_ok());
    assert_eq!(server.paths(), ["/v1/a%2F..%2Fb%3Fc%23d/members"]);
}

#[rstest]
#[case(b"", "no certificate")]
#[case(
    b"-----BEGIN CERTIFICATE-----\nbm90IG9uZQ==\n-----END CERTIFICATE-----\n",
    "the certificate no. 1 in it is none"
)]
#[case(b"-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n", "the certificate no. 1 in it is none")]
fn a_ca_bundle_without_a_certificate_is_refused(#[case] bundle: &[u8], #[case] because: &str) {
    let mut options = options();
    options.ca_bundle = Some(bundle.to_vec());
    let error = client_with(&"http://localhost".parse().unwrap(), options).unwrap_err();
    assert!(matches!(error, ConfigError::CaBundle(_)), "{error:?}");
    assert!(error.to_string().contains(because), "{error}");
}

#[test]
fn a_host_that_is_not_listed_gets_no_client() {
    let error = client_with(&"https://evil.example".parse().unwrap(), options()).unwrap_err();
    assert!(
        matches!(error, ConfigError::Address(AddressError::HostNotAllowed { host }) if host == "evil.example")
    );
}

#[test]
fn a_token_that_breaks_the_header_is_refused_without_being_shown() {
    let credential = Credential { authorization: format!("{CANARY}\r\nx: y").into(), secrets: Vec::new() };
    let base = "http://localhost".parse().unwrap();
    let error = UpstreamClient::new(VENDOR, base, credential, options()).unwrap_err();
    assert!(!format!("{error} {error:?}").contains(CANARY));
}

#[tokio::test]
async fn json_nested_beyond_any_reason_does_not_exhaust_the_stack() {
    let deep = |field: &str| {
        format!("{{\"name\": \"a\", \"{field}\": {}{}}}", "[".repeat(1_000_000), "]".repeat(1_000_000))
    };
    for (field, decoded) in [("unknown", true), ("name", false)] {
        let body = deep(field);
        let (answer, _server) = ask(move |_| Reply::json(&body)).await;
        assert_eq!(answer.unwrap().decode::<Thing>().is_ok(), decoded, "{field}");
    }
}

/// Notes what it is told.
#[derive(Debug, Default)]
struct Noted(std::sync::Mutex<Vec<String>>);

impl Observer for Noted {
    fn ended(&self, operation: &'static str, code: Code, _: Duration) {
        self.0.lock().unwrap().push(format!("{operation} {code}"));
    }

    fn limited(&self) {
        self.0.lock().unwrap().push("limited".to_owned());
    }
}

async fn noted(server: &Scripted, options: ClientOptions, patience: Duration) -> Vec<String> {
    let noted = Arc::new(Noted::default());
    let options = ClientOptions { observer: Some(Arc::clone(&noted) as Arc<dyn Observer>), ..options };
    let client = client_with(&server.base, options).unwrap();
    let _ = tokio::time::timeout(patience, client.get(&THINGS)).await;
    noted.0.lock().unwrap().clone()
}

#[tokio::test]
async fn each_request_is_told_of_by_its_operation_and_how_it_ended_tries_included() {
    let tries = std::sync::atomic::AtomicUsize::new(0);
    let server = Scripted::start(move |_| match tries.fetch_add(1, std::sync::atomic::Ordering::SeqCst) {
        0 => Reply::status(503),
        1 => Reply::status(429),
        _ => ok(),
    })
    .await;
    let patience = Duration::from_secs(10);
    assert_eq!(
        noted(&server, options(), patience).await,
        ["list_things 503", "limited", "list_things 429", "list_things 200"]
    );
}

#[tokio::test]
async fn a_request_that_gets_no_answer_is_told_of_by_why() {
    let server = Scripted::start(|_| ok().after(60_000)).await;
    let timeouts = Timeouts { request: Duration::from_millis(50), ..Timeouts::default() };
    let once = RetryPolicy { tries: 1, ..RetryPolicy::default() };
    let patience = Duration::from_secs(10);
    let slow = ClientOptions { timeouts, retry: once, ..options() };
    assert_eq!(noted(&server, slow, patience).await, ["list_things timeout"]);
    let given_up = noted(&server, options(), Duration::from_millis(50)).await;
    assert_eq!(given_up, ["list_things cancelled"]);
    let refused = ClientOptions { retry: once, ..options() };
    let base = server.base.clone();
    drop(server);
    let noted_of = Arc::new(Noted::default());
    let refused = ClientOptions { observer: Some(Arc::clone(&noted_of) as Arc<dyn Observer>), ..refused };
    let _ = client_with(&base, refused).unwrap().get(&THINGS).await;
    assert_eq!(*noted_of.0.lock().unwrap(), ["list_things unreachable"]);
}
