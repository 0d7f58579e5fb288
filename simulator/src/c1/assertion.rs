//! Verifies what a client signs to prove that it is who it says: a JSON web signature by Ed25519 (RFC 7523, RFC 8037),
//! with the claims that connectors on C1's SDK send.

use aws_lc_rs::signature::{ED25519, UnparsedPublicKey};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::credentials::Registered;

/// How long an assertion may be good for, in seconds.
const LONGEST: i64 = 300;
/// How far the client's clock may be ahead, in seconds.
const AHEAD: i64 = 30;

#[derive(Deserialize)]
struct Header {
    alg: String,
    #[serde(default)]
    kid: String,
    #[serde(default)]
    nonce: String,
}

#[derive(Deserialize)]
struct Claims {
    iss: String,
    sub: String,
    aud: String,
    iat: i64,
    exp: i64,
    nbf: i64,
}

/// Is `assertion` signed by the client, for `audience`, and good at `now` (seconds since 1970)? Otherwise, what is
/// wrong with it.
pub(super) fn verify(assertion: &str, by: &Registered, audience: &str, now: i64) -> Result<(), String> {
    let (signed, signature) = assertion.rsplit_once('.').ok_or("the assertion is no compact JWS")?;
    let (header, claims) = signed.split_once('.').ok_or("the assertion is no compact JWS")?;
    let header: Header = part(header, "header")?;
    if header.alg != "EdDSA" {
        return Err(format!("the assertion's alg is {:?} instead of EdDSA", header.alg));
    }
    if header.kid != by.kid {
        return Err(format!("the assertion's kid is {:?}, which is not the client's key", header.kid));
    }
    if header.nonce.is_empty() {
        return Err("the assertion has no nonce".to_owned());
    }
    let signature = decoded(signature, "signature")?;
    UnparsedPublicKey::new(&ED25519, &by.public_key)
        .verify(signed.as_bytes(), &signature)
        .map_err(|_| "the assertion's signature is not the client's")?;
    part::<Claims>(claims, "claims")?.judge(&by.client.client_id, audience, now)
}

impl Claims {
    fn judge(&self, client_id: &str, audience: &str, now: i64) -> Result<(), String> {
        let wrong = if self.iss != client_id {
            "iss is not the client id"
        } else if self.sub != client_id {
            "sub is not the client id"
        } else if self.aud != audience {
            return Err(format!("the assertion's aud is {:?} instead of {audience}", self.aud));
        } else if self.exp <= now {
            "exp is in the past"
        } else if self.nbf > now {
            "nbf is in the future"
        } else if self.iat > now + AHEAD {
            "iat is in the future"
        } else if self.exp - self.iat > LONGEST || self.exp - self.nbf > LONGEST {
            "lifetime is longer than five minutes"
        } else {
            return Ok(());
        };
        Err(format!("the assertion's {wrong}"))
    }
}

fn part<T: DeserializeOwned>(text: &str, what: &str) -> Result<T, String> {
    let bytes = decoded(text, what)?;
    serde_json::from_slice(&bytes).map_err(|error| format!("the assertion's {what}: {error}"))
}

fn decoded(text: &str, what: &str) -> Result<Vec<u8>, String> {
    let decoded = URL_SAFE_NO_PAD.decode(text);
    decoded.map_err(|_| format!("the assertion's {what} is not base64url without padding"))
}
