//! Signing in.

use std::time::Duration;

use connector_simulator::c1::Answer;
use connector_simulator::{C1Config, C1Simulator, Error};
use serde_json::json;
use tonic::{Code, Request};

use super::connector::{Assertion, Connector, c1, connect, post};

#[tokio::test]
async fn a_right_assertion_is_answered_with_a_bearer_token_and_its_lifetime() {
    let c1 = c1().await;
    let answer = Assertion::new(&c1.client(0).unwrap()).send(&c1).await;
    assert_eq!(answer.status, 200);
    assert_eq!((answer.at("/token_type"), answer.at("/expires_in")), (json!("Bearer"), json!(3600)));
    assert!(answer.at("/access_token").as_str().unwrap().len() > 30);
    let again = Assertion::new(&c1.client(0).unwrap()).send(&c1).await;
    assert_ne!(answer.at("/access_token"), again.at("/access_token"));
}

#[tokio::test]
async fn whatever_is_wrong_with_an_assertion_is_refused_in_a_sentence() {
    type Spoil = fn(&mut Assertion);
    let cases: [(Spoil, u16, &str, &str); 19] = [
        (|it| it.header["alg"] = json!("none"), 401, "invalid_client", "alg"),
        (|it| it.header["kid"] = json!("other"), 401, "invalid_client", "kid"),
        (|it| it.header["nonce"] = json!(""), 401, "invalid_client", "nonce"),
        (|it| it.private[0] ^= 1, 401, "invalid_client", "signature"),
        (|it| it.claims["iss"] = json!("other"), 401, "invalid_client", "iss"),
        (|it| it.claims["sub"] = json!("other"), 401, "invalid_client", "sub"),
        (|it| it.claims["aud"] = json!("127.0.0.1"), 401, "invalid_client", "aud"),
        (|it| it.claims["aud"] = json!("acme.conductor.one:443"), 401, "invalid_client", "aud"),
        (|it| it.claims["aud"] = json!(["acme.conductor.one"]), 401, "invalid_client", "claims"),
        (|it| it.claims["iat"] = json!("now"), 401, "invalid_client", "claims"),
        (|it| later(it, "iat", 100), 401, "invalid_client", "iat"),
        (|it| later(it, "exp", -121), 401, "invalid_client", "exp"),
        (|it| later(it, "exp", 200), 401, "invalid_client", "five minutes"),
        (|it| later(it, "nbf", 180), 401, "invalid_client", "nbf"),
        (|it| it.form[0].1 = "nobody@acme.conductor.one/pcc".into(), 401, "invalid_client", "no such client"),
        (|it| it.form[1].1 = "password".into(), 400, "unsupported_grant_type", "client_credentials"),
        (|it| it.form[2].1 = "jwt".into(), 400, "invalid_request", "jwt-bearer"),
        (|it| drop(it.form.remove(1)), 400, "unsupported_grant_type", "client_credentials"),
        (|it| drop(it.form.remove(0)), 401, "invalid_client", "no such client"),
    ];
    let c1 = c1().await;
    for (spoil, status, error, description) in cases {
        let mut assertion = Assertion::new(&c1.client(0).unwrap());
        spoil(&mut assertion);
        let answer = assertion.send(&c1).await;
        assert_eq!((answer.status, answer.at("/error")), (status, json!(error)), "{description}");
        let said = answer.at("/error_description");
        assert!(said.as_str().unwrap().contains(description), "{said} lacks {description}");
        assert_eq!(c1.transcript().last().unwrap().answer, Answer::Http(status));
    }
}

fn later(assertion: &mut Assertion, claim: &str, seconds: i64) {
    assertion.claims[claim] = json!(assertion.claims[claim].as_i64().unwrap() + seconds);
}

#[tokio::test]
async fn what_is_no_form_is_refused_in_oauths_terms() {
    let c1 = c1().await;
    let answer = post(&c1, "application/json", "{}").await;
    assert_eq!((answer.status, answer.at("/error")), (400, json!("invalid_request")));
}

#[tokio::test]
async fn one_clients_key_does_not_sign_for_another() {
    let c1 = c1().await;
    let second = c1.add_client("blue-otter").unwrap();
    assert_eq!((second.index, second.client_id.as_str()), (1, "blue-otter@acme.conductor.one/pcc"));
    let mut assertion = Assertion::new(&second);
    assertion.private = Assertion::new(&c1.client(0).unwrap()).private;
    assert_eq!(assertion.send(&c1).await.status, 401);
    assert_eq!(Assertion::new(&second).send(&c1).await.status, 200);
    assert!(matches!(c1.add_client("blue-otter"), Err(Error::Exists { .. })));
}

#[tokio::test]
async fn a_call_needs_a_token_that_is_good() {
    let c1 = c1().await;
    let connector = Connector::signed_in(&c1, 0, "host-1").await;
    let mut rpc = connector.rpc.clone();
    let refused = rpc.hello(Request::new(connector.hello())).await.unwrap_err();
    assert_eq!(refused.code(), Code::Unauthenticated);
    for authorization in ["Bearer wrong", &format!("Basic {}", connector.token), &connector.token] {
        let mut request = Request::new(connector.hello());
        request.metadata_mut().insert("authorization", authorization.parse().unwrap());
        assert_eq!(rpc.hello(request).await.unwrap_err().code(), Code::Unauthenticated, "{authorization}");
    }
    connector.say(connector.hello()).await.unwrap();
    c1.end_tokens();
    assert_eq!(connector.say(connector.hello()).await.unwrap_err().code(), Code::Unauthenticated);
}

#[tokio::test]
async fn a_token_ends_with_its_lifetime() {
    let config = C1Config { token_lifetime: Duration::ZERO, ..C1Config::default() };
    let c1 = C1Simulator::start(config).await.unwrap();
    let connector = Connector::signed_in(&c1, 0, "host-1").await;
    assert_eq!(connector.say(connector.hello()).await.unwrap_err().code(), Code::Unauthenticated);
}

#[tokio::test]
async fn both_versions_of_http_are_offered() {
    let c1 = c1().await;
    for protocol in [b"h2".as_slice(), b"http/1.1"] {
        let stream = connect(&c1, &[protocol]).await;
        assert_eq!(stream.get_ref().1.alpn_protocol(), Some(protocol));
    }
}
