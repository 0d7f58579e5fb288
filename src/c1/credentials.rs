//! The client id and secret that C1 gives to a connector, and the assertion that they sign.
//!
//! The form of both, and the claims, are those of C1's own SDK (baton-sdk v0.25.0).

use std::fmt;
use std::str::FromStr;

use aws_lc_rs::rand;
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::{SignedDuration, Timestamp};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use url::Url;
use zeroize::Zeroizing;

/// An assertion is good for so long, and so long before it was made, should clocks differ.
const GOOD_FOR: SignedDuration = SignedDuration::from_secs(120);

/// Bytes of the random number in an assertion.
const NONCE: usize = 16;

/// Why a client id or secret is none. Never carries any of the secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the C1 {what} {problem}")]
pub struct CredentialsError {
    /// Which of the two: `client id` or `client secret`.
    pub what: &'static str,
    /// What is wrong with it.
    pub problem: &'static str,
}

/// A client id: `<name>@<host>/<suffix>`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClientId {
    text: String,
    name: String,
    authority: String,
    host: String,
}

impl ClientId {
    /// The id as C1 gave it.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The part before the `@`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Where C1 is for this client: a host, with a port where it names one.
    pub fn authority(&self) -> &str {
        &self.authority
    }

    /// The same without a port.
    pub fn host(&self) -> &str {
        &self.host
    }
}

impl fmt::Display for ClientId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl FromStr for ClientId {
    type Err = CredentialsError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let refuse = |problem| CredentialsError { what: "client id", problem };
        let text = text.trim();
        if text.is_empty() {
            return Err(refuse("is empty"));
        }
        if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(refuse("has a space, a line break or another character that no client id has"));
        }
        let (name, rest) =
            text.split_once('@').ok_or_else(|| refuse("has no @ between its name and its host"))?;
        let (authority, _) = rest.split_once('/').ok_or_else(|| refuse("has no / after its host"))?;
        if name.is_empty() {
            return Err(refuse("has no name before the @"));
        }
        let host = host_of(authority).ok_or_else(|| refuse("has no host between @ and /"))?;
        Ok(Self { text: text.to_owned(), name: name.to_owned(), authority: authority.to_owned(), host })
    }
}

/// The host in `<host>[:<port>]`, where it is nothing else.
pub(super) fn host_of(authority: &str) -> Option<String> {
    let url = Url::parse(&format!("https://{authority}")).ok()?;
    let nothing_else = url.username().is_empty()
        && url.password().is_none()
        && url.path() == "/"
        && url.query().is_none()
        && url.fragment().is_none();
    url.host_str().filter(|_| nothing_else).map(str::to_owned)
}

/// A client id with the key that its secret holds.
pub struct Credentials {
    id: ClientId,
    key: Ed25519KeyPair,
    key_id: Option<String>,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").field("id", &self.id).finish_non_exhaustive()
    }
}

/// A private key as a JSON Web Key (RFC 8037). The texts go when this does.
#[derive(Deserialize)]
struct PrivateKey {
    #[serde(default)]
    kty: String,
    #[serde(default)]
    crv: String,
    #[serde(default)]
    x: String,
    #[serde(default)]
    d: Zeroizing<String>,
    kid: Option<String>,
}

#[derive(Serialize)]
struct Header<'a> {
    alg: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    kid: Option<&'a str>,
    nonce: String,
}

#[derive(Serialize)]
struct Claims<'a> {
    iss: &'a str,
    sub: &'a str,
    aud: &'a str,
    iat: i64,
    exp: i64,
    nbf: i64,
}

impl Credentials {
    /// Are these of the same client, with the same key?
    pub fn are(&self, other: &Self) -> bool {
        self.id == other.id
            && self.key_id == other.key_id
            && self.key.public_key().as_ref() == other.key.public_key().as_ref()
    }

    /// The credentials in what C1 gave: a client id, and a secret of the form
    /// `secret-token:conductorone.com:v1:<key>`, where the key is a JSON Web Key in unpadded base64url.
    ///
    /// # Errors
    /// [`CredentialsError`] says which of the two is wrong, and how.
    pub fn new(id: &str, secret: &SecretString) -> Result<Self, CredentialsError> {
        let id = id.parse()?;
        let refuse = |problem| CredentialsError { what: "client secret", problem };
        let secret = secret.expose_secret().trim();
        if secret.is_empty() {
            return Err(refuse("is empty"));
        }
        let parts: Vec<&str> = secret.split(':').collect();
        let [_, _, version, key] = parts.as_slice() else {
            return Err(refuse("has not the four parts, joined by colons, that C1 gives"));
        };
        if *version != "v1" {
            return Err(refuse("is of another version than v1, the only one that is known here"));
        }
        let json = decoded(key).ok_or_else(|| refuse("has a last part that is not base64url"))?;
        let key: PrivateKey =
            serde_json::from_slice(&json).map_err(|_| refuse("has a last part that is no JSON Web Key"))?;
        if key.kty != "OKP" || key.crv != "Ed25519" {
            return Err(refuse("has a key that is not of the type OKP and the curve Ed25519"));
        }
        let broken = || refuse("has a key whose x and d do not belong together");
        let (x, d) = (decoded(&key.x).ok_or_else(broken)?, decoded(&key.d).ok_or_else(broken)?);
        let pair = Ed25519KeyPair::from_seed_and_public_key(&d, &x).map_err(|_| broken())?;
        Ok(Self { id, key: pair, key_id: key.kid })
    }

    /// Whose credentials these are.
    pub fn id(&self) -> &ClientId {
        &self.id
    }

    /// The public half of the key, which tells two secrets of one client apart.
    pub fn public_key(&self) -> &[u8] {
        self.key.public_key().as_ref()
    }

    /// A signed statement of who asks for a token, as a compact JWS (RFC 7515, EdDSA).
    ///
    /// # Errors
    /// When the system has no random numbers, which does not happen once it has started.
    pub(super) fn assertion(&self, now: Timestamp) -> Result<SecretString, aws_lc_rs::error::Unspecified> {
        let mut nonce = [0; NONCE];
        rand::fill(&mut nonce)?;
        let nonce = nonce.iter().map(|byte| format!("{byte:02x}")).collect();
        let header = Header { alg: "EdDSA", kid: self.key_id.as_deref(), nonce };
        let seconds = |time: Timestamp| time.as_second();
        let claims = Claims {
            iss: self.id.as_str(),
            sub: self.id.as_str(),
            aud: self.id.host(),
            iat: seconds(now),
            exp: seconds(now.saturating_add(GOOD_FOR).unwrap_or(now)),
            nbf: seconds(now.saturating_sub(GOOD_FOR).unwrap_or(now)),
        };
        let mut text = format!("{}.{}", encoded_json(&header), encoded_json(&claims));
        let signature = self.key.sign(text.as_bytes());
        text.push('.');
        URL_SAFE_NO_PAD.encode_string(signature.as_ref(), &mut text);
        Ok(text.into())
    }
}

fn decoded(text: &str) -> Option<Zeroizing<Vec<u8>>> {
    URL_SAFE_NO_PAD.decode(text.trim_end_matches('=')).ok().map(Zeroizing::new)
}

/// Structs of texts and numbers are always JSON.
fn encoded_json(value: &impl Serialize) -> String {
    URL_SAFE_NO_PAD.encode(serde_json::to_vec(value).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::signature::{ED25519, UnparsedPublicKey};
    use proptest::prelude::*;
    use rstest::rstest;
    use serde_json::{Value, json};

    use super::*;

    const ID: &str = "strange-hydra-68836@acme.conductor.one/pcc";

    /// The key pair of RFC 8037, appendix A.1.
    fn key() -> Value {
        json!({
            "kty": "OKP", "crv": "Ed25519", "kid": "k1",
            "d": "nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A",
            "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo",
        })
    }

    fn secret(key: &Value) -> SecretString {
        format!("secret-token:conductorone.com:v1:{}", URL_SAFE_NO_PAD.encode(key.to_string())).into()
    }

    fn problem(id: &str, secret: &SecretString) -> String {
        Credentials::new(id, secret).unwrap_err().to_string()
    }

    #[test]
    fn a_client_id_says_where_c1_is() {
        let id: ClientId = ID.parse().unwrap();
        assert_eq!(
            (id.name(), id.authority(), id.host()),
            ("strange-hydra-68836", "acme.conductor.one", "acme.conductor.one")
        );
        let id: ClientId = "a@localhost:8443/b/c@d".parse().unwrap();
        assert_eq!((id.name(), id.authority(), id.host()), ("a", "localhost:8443", "localhost"));
    }

    #[rstest]
    #[case("", "is empty")]
    #[case("acme", "no @")]
    #[case("acme@host", "no / after")]
    #[case("@host/a", "no name")]
    #[case("acme@/a", "no host")]
    #[case("acme@ho st/a", "space")]
    #[case("acme@ada:pw@host/a", "no host")]
    #[case("acme@host?q/a", "no host")]
    fn a_client_id_of_another_form_is_refused_in_words(#[case] id: &str, #[case] because: &str) {
        let problem = problem(id, &secret(&key()));
        assert!(problem.starts_with("the C1 client id ") && problem.contains(because), "{problem}");
    }

    #[rstest]
    #[case("", "is empty")]
    #[case("a:b:v1", "four parts")]
    #[case("a:b:v1:c:d", "four parts")]
    #[case("a:b:v2:e30", "version")]
    #[case("a:b:v1:canary!", "base64url")]
    #[case("a:b:v1:Y2FuYXJ5", "no JSON Web Key")]
    #[case("a:b:v1:e30", "type OKP")]
    fn a_client_secret_of_another_form_is_refused_in_words(#[case] text: &str, #[case] because: &str) {
        let problem = problem(ID, &text.into());
        assert!(problem.starts_with("the C1 client secret ") && problem.contains(because), "{problem}");
        assert!(!problem.contains("canary") && !problem.contains("Y2FuYXJ5"), "{problem}");
    }

    #[rstest]
    #[case("kty", "EC")]
    #[case("crv", "X25519")]
    #[case("x", "AAAAAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo")]
    #[case("d", "nWGx")]
    #[case("d", "***")]
    fn a_key_that_cannot_sign_is_refused(#[case] field: &str, #[case] value: &str) {
        let mut key = key();
        key[field] = value.into();
        let problem = problem(ID, &secret(&key));
        assert!(problem.contains("has a key"), "{problem}");
    }

    #[test]
    fn a_line_break_at_the_end_does_no_harm() {
        let secret = format!("{}\n", secret(&key()).expose_secret());
        assert!(Credentials::new(&format!("{ID}\n"), &secret.into()).is_ok());
    }

    #[test]
    fn an_assertion_says_who_asks_whom_and_for_how_long_and_is_signed() {
        let credentials = Credentials::new(ID, &secret(&key())).unwrap();
        let now = Timestamp::from_second(1_800_000_000).unwrap();
        let assertion = credentials.assertion(now).unwrap();
        let text = assertion.expose_secret();
        let (signed, signature) = text.rsplit_once('.').unwrap();
        let public = UnparsedPublicKey::new(&ED25519, credentials.public_key());
        public.verify(signed.as_bytes(), &URL_SAFE_NO_PAD.decode(signature).unwrap()).unwrap();
        let parts: Vec<Value> = signed
            .split('.')
            .map(|part| serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap())
            .collect();
        assert_eq!((&parts[0]["alg"], &parts[0]["kid"]), (&json!("EdDSA"), &json!("k1")));
        assert_eq!(parts[0]["nonce"].as_str().unwrap().len(), 32);
        let expected = json!({
            "iss": ID, "sub": ID, "aud": "acme.conductor.one",
            "iat": 1_800_000_000, "exp": 1_800_000_120, "nbf": 1_799_999_880,
        });
        assert_eq!(parts[1], expected);
        assert_ne!(text, credentials.assertion(now).unwrap().expose_secret(), "each has its own nonce");
    }

    #[test]
    fn debugging_shows_no_key() {
        let credentials = Credentials::new(ID, &secret(&key())).unwrap();
        assert_eq!(format!("{credentials:?}"), format!("Credentials {{ id: {:?}, .. }}", credentials.id()));
    }

    proptest! {
        #[test]
        fn any_text_is_a_client_id_and_secret_or_refused(id in "\\PC{0,40}", secret in "\\PC{0,60}") {
            let _ = Credentials::new(&id, &secret.into());
            let _ = id.parse::<ClientId>();
        }
    }
}
