//! The clients of the simulated C1: what a connector is given to sign in with, and what C1 keeps of it to verify that.
//! Keys are drawn from the seed, so that a restarted server accepts what it accepted before.

use std::fmt;

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::json;
use sha2::{Digest as _, Sha256};

use crate::error::Error;

/// What stands after the tenant's host in a client id.
const SUFFIX: &str = "pcc";

/// What a connector is given to sign in with.
#[derive(Clone, PartialEq, Eq)]
pub struct C1Client {
    /// What tasks are given to.
    pub index: usize,
    /// The part of the id before the `@`.
    pub name: String,
    /// What a connector takes as `client-id`: `<name>@<tenant host>/<suffix>`.
    pub client_id: String,
    /// What a connector takes as `client-secret`: `secret-token:conductorone.com:v1:` and a private JWK.
    pub client_secret: String,
}

impl fmt::Debug for C1Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("C1Client")
            .field("index", &self.index)
            .field("id", &self.client_id)
            .finish_non_exhaustive()
    }
}

/// A client, and the key that its assertions must be signed with.
#[derive(Debug)]
pub(super) struct Registered {
    pub(super) client: C1Client,
    pub(super) kid: String,
    pub(super) public_key: Vec<u8>,
}

impl Registered {
    pub(super) fn new(seed: u64, tenant_host: &str, name: &str, index: usize) -> Result<Self, Error> {
        if name.is_empty() || name.contains(['@', '/', ':']) {
            return Err(Error::C1ClientName(name.to_owned()));
        }
        let private = Sha256::digest(format!("simulated C1, seed {seed}, client {name}"));
        let pair =
            Ed25519KeyPair::from_seed_unchecked(&private).map_err(|error| Error::Key(error.to_string()))?;
        let public_key = pair.public_key().as_ref().to_vec();
        let fingerprint = Sha256::digest(&public_key);
        let kid = URL_SAFE_NO_PAD.encode(fingerprint.get(..12).unwrap_or_default());
        let jwk = json!({
            "kty": "OKP",
            "crv": "Ed25519",
            "x": URL_SAFE_NO_PAD.encode(&public_key),
            "d": URL_SAFE_NO_PAD.encode(private),
            "kid": kid,
        });
        let client = C1Client {
            index,
            name: name.to_owned(),
            client_id: format!("{name}@{tenant_host}/{SUFFIX}"),
            client_secret: format!(
                "secret-token:conductorone.com:v1:{}",
                URL_SAFE_NO_PAD.encode(jwk.to_string())
            ),
        };
        Ok(Self { client, kid, public_key })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_gives_the_same_credentials_again_and_never_shows_them() {
        let one = Registered::new(1, "acme.conductor.one", "blue-otter", 0).unwrap();
        let again = Registered::new(1, "acme.conductor.one", "blue-otter", 0).unwrap();
        let other = Registered::new(2, "acme.conductor.one", "blue-otter", 0).unwrap();
        assert_eq!(one.client, again.client);
        assert_eq!(one.client.client_id, "blue-otter@acme.conductor.one/pcc");
        assert_ne!(one.client.client_secret, other.client.client_secret);
        assert!(!format!("{one:?}").contains(&one.client.client_secret));
    }

    #[test]
    fn a_name_that_would_break_the_client_id_is_refused() {
        for name in ["", "a@b", "a/b"] {
            assert!(matches!(Registered::new(1, "host", name, 0), Err(Error::C1ClientName(_))), "{name}");
        }
    }
}
