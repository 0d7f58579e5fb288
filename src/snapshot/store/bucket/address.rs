//! Where a bucket is, and who asks there: the address from the command line, all else from the variables that the cloud's
//! own tools have.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey, S3ConditionalPut};
use object_store::azure::{AzureConfigKey, MicrosoftAzureBuilder};
use object_store::gcp::GoogleCloudStorageBuilder;
use object_store::path::Path as Key;
use object_store::{BackoffConfig, ClientConfigKey, ClientOptions, ObjectStore, RetryConfig};
use url::Url;

use crate::network::clean;

/// How long a connection may take.
const CONNECT_WITHIN: Duration = Duration::from_secs(10);
/// How long one request may take, a part of a file among them.
const REQUEST_WITHIN: Duration = Duration::from_secs(60);
/// No request is repeated after this time.
const RETRY_WITHIN: Duration = Duration::from_secs(20);
const RETRIES: usize = 4;
/// The longest that is repeated of what others say.
const WORDS: usize = 200;

/// Who keeps the bucket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Scheme {
    S3,
    Gs,
    Az,
}

impl Scheme {
    fn name(self) -> &'static str {
        match self {
            Self::S3 => "s3",
            Self::Gs => "gs",
            Self::Az => "az",
        }
    }
}

/// A bucket, and the prefix in it below which everything is: `s3://bucket/prefix`, `gs://bucket/prefix` or
/// `az://container/prefix`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BucketAddress {
    scheme: Scheme,
    bucket: String,
    prefix: Key,
}

/// A bucket that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum InvalidBucket {
    /// The address is none.
    #[error(
        "{0:?} is not the address of a bucket: it must read s3://BUCKET, gs://BUCKET or az://CONTAINER, with a \
             /PREFIX where that is wanted, and nothing else"
    )]
    Address(String),
    /// What the environment says cannot be used.
    #[error("{address}: its settings cannot be used: {problem}")]
    Settings {
        /// The bucket.
        address: String,
        /// What is wrong with them.
        problem: String,
    },
    /// The endpoint would have credentials' signatures and snapshots go over the network for all to read.
    #[error(
        "{endpoint}: the endpoint for {address} must begin with https://; where that network may see the snapshots, \
             set {variable}=true"
    )]
    Plain {
        /// The endpoint.
        endpoint: String,
        /// The bucket.
        address: String,
        /// What allows it.
        variable: &'static str,
    },
    /// There is no thread for it.
    #[error("no thread for requests: {0}")]
    Thread(#[from] std::io::Error),
}

impl fmt::Display for BucketAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.of(&self.prefix))
    }
}

impl FromStr for BucketAddress {
    type Err = InvalidBucket;

    fn from_str(text: &str) -> Result<Self, InvalidBucket> {
        parse(text).ok_or_else(|| InvalidBucket::Address(without_user(text)))
    }
}

fn parse(text: &str) -> Option<BucketAddress> {
    let (scheme, rest) = text.split_once("://")?;
    let scheme = match scheme {
        "s3" => Scheme::S3,
        "gs" => Scheme::Gs,
        "az" => Scheme::Az,
        _ => return None,
    };
    let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
    let of_bucket = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_');
    let of_prefix = |byte: u8| of_bucket(byte) || byte == b'/';
    let strange = !bucket.bytes().all(of_bucket) || !prefix.bytes().all(of_prefix);
    if bucket.is_empty() || strange || prefix.starts_with('/') {
        return None;
    }
    let prefix = Key::parse(prefix).ok()?;
    Some(BucketAddress { scheme, bucket: bucket.to_owned(), prefix })
}

/// Whoever writes a key into an address is not told it again.
fn without_user(text: &str) -> String {
    let text = text.rsplit_once('@').map_or(text, |(_, rest)| rest);
    clean(text.split(['?', '#']).next().unwrap_or_default(), WORDS)
}

impl BucketAddress {
    /// The address of the object at `key`.
    pub(super) fn of(&self, key: &Key) -> String {
        let slash = if key.as_ref().is_empty() { "" } else { "/" };
        format!("{}://{}{slash}{key}", self.scheme.name(), self.bucket)
    }

    pub(super) fn prefix(&self) -> &Key {
        &self.prefix
    }

    /// Who keeps the objects, asked with the environment's credentials.
    pub(super) fn connect(&self) -> Result<Arc<dyn ObjectStore>, InvalidBucket> {
        match self.scheme {
            Scheme::S3 => self.s3(),
            Scheme::Gs => self.gs(),
            Scheme::Az => self.az(),
        }
    }

    fn s3(&self) -> Result<Arc<dyn ObjectStore>, InvalidBucket> {
        let builder = AmazonS3Builder::from_env();
        let set = |key| builder.get_config_value(&key);
        let plain = set(AmazonS3ConfigKey::Client(ClientConfigKey::AllowHttp));
        let endpoint = set(AmazonS3ConfigKey::S3Endpoint).or_else(|| set(AmazonS3ConfigKey::Endpoint));
        let options = self.client(endpoint.as_deref(), plain.as_deref(), "AWS_ALLOW_HTTP")?;
        let store = builder
            .with_bucket_name(&self.bucket)
            .with_conditional_put(S3ConditionalPut::ETagMatch)
            // One by one, as every server can.
            .with_disable_bulk_delete(true)
            .with_client_options(options)
            .with_retry(retry())
            .build();
        Ok(Arc::new(store.map_err(|error| self.unusable(&error))?))
    }

    fn gs(&self) -> Result<Arc<dyn ObjectStore>, InvalidBucket> {
        let store = GoogleCloudStorageBuilder::from_env()
            .with_bucket_name(&self.bucket)
            .with_client_options(self.client(None, None, "")?)
            .with_retry(retry())
            .build();
        Ok(Arc::new(store.map_err(|error| self.unusable(&error))?))
    }

    fn az(&self) -> Result<Arc<dyn ObjectStore>, InvalidBucket> {
        let builder = MicrosoftAzureBuilder::from_env();
        let set = |key| builder.get_config_value(&key);
        let plain = set(AzureConfigKey::Client(ClientConfigKey::AllowHttp));
        let endpoint = set(AzureConfigKey::Endpoint);
        let options = self.client(endpoint.as_deref(), plain.as_deref(), "AZURE_ALLOW_HTTP")?;
        let store = builder
            .with_container_name(&self.bucket)
            .with_client_options(options)
            .with_retry(retry())
            .build();
        Ok(Arc::new(store.map_err(|error| self.unusable(&error))?))
    }

    /// Nothing of the environment but leave to ask without TLS: whom to trust and which proxy to take is as for all other
    /// requests.
    fn client(
        &self,
        endpoint: Option<&str>,
        plain: Option<&str>,
        variable: &'static str,
    ) -> Result<ClientOptions, InvalidBucket> {
        let plain =
            plain.is_some_and(|it| matches!(it.to_ascii_lowercase().as_str(), "true" | "1" | "yes" | "on"));
        if let Some(endpoint) = endpoint.filter(|it| !it.starts_with("https://") && !plain) {
            return Err(InvalidBucket::Plain {
                endpoint: Url::parse(endpoint)
                    .map_or_else(|_| without_user(endpoint), |url| url.origin().ascii_serialization()),
                address: self.to_string(),
                variable,
            });
        }
        Ok(ClientOptions::new()
            .with_user_agent(http::HeaderValue::from_static(concat!(
                "connector-operator/",
                env!("CARGO_PKG_VERSION")
            )))
            .with_allow_http(plain)
            .with_connect_timeout(CONNECT_WITHIN)
            .with_timeout(REQUEST_WITHIN))
    }

    /// Without anything quoted: that may be a key.
    fn unusable(&self, error: &object_store::Error) -> InvalidBucket {
        let text = match error {
            object_store::Error::Generic { source, .. } => source.to_string(),
            other => other.to_string(),
        };
        let unquoted = text.split(['"', '`', '\'']).next().unwrap_or_default();
        let problem = clean(unquoted, WORDS).trim_end_matches([':', ' ']).to_owned();
        InvalidBucket::Settings { address: self.to_string(), problem }
    }
}

fn retry() -> RetryConfig {
    let backoff = BackoffConfig {
        init_backoff: Duration::from_millis(200),
        max_backoff: Duration::from_secs(5),
        base: 2.,
    };
    RetryConfig { backoff, max_retries: RETRIES, retry_timeout: RETRY_WITHIN }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("s3://snapshots", "s3://snapshots", "")]
    #[case("s3://snapshots/", "s3://snapshots", "")]
    #[case("gs://snapshots/prod/eu", "gs://snapshots/prod/eu", "prod/eu")]
    #[case("az://snapshots/prod/", "az://snapshots/prod", "prod")]
    fn an_address_is_a_bucket_and_a_prefix(#[case] text: &str, #[case] shown: &str, #[case] prefix: &str) {
        let address: BucketAddress = text.parse().unwrap();
        assert_eq!((address.to_string().as_str(), address.prefix().as_ref()), (shown, prefix));
    }

    #[rstest]
    #[case("")]
    #[case("/var/lib/snapshots")]
    #[case("s3://")]
    #[case("s3:///prefix")]
    #[case("S3://snapshots")]
    #[case("https://snapshots.s3.amazonaws.com")]
    #[case("s3://snapshots:9000/prefix")]
    #[case("s3://snapshots/../other")]
    #[case("s3://snapshots//prefix")]
    #[case("s3://snapshots/a b")]
    #[case("s3://AKIA:canary@snapshots/prefix")]
    #[case("s3://snapshots?sig=canary")]
    fn anything_else_is_none_and_no_key_is_said_back(#[case] text: &str) {
        let error = text.parse::<BucketAddress>().unwrap_err().to_string();
        assert!(error.contains("must read s3://BUCKET"), "{error}");
        assert!(!error.contains("canary"), "{error}");
    }

    #[rstest]
    #[case(Some("https://s3.corp.example"), None, true)]
    #[case(None, None, true)]
    #[case(Some("http://minio.storage:9000"), None, false)]
    #[case(Some("http://minio.storage:9000"), Some("false"), false)]
    #[case(Some("http://minio.storage:9000"), Some("true"), true)]
    #[case(Some("minio.storage:9000"), None, false)]
    fn an_endpoint_is_asked_over_tls_unless_the_administrator_says_so(
        #[case] endpoint: Option<&str>,
        #[case] plain: Option<&str>,
        #[case] taken: bool,
    ) {
        let address: BucketAddress = "s3://snapshots".parse().unwrap();
        let client = address.client(endpoint, plain, "AWS_ALLOW_HTTP");
        assert_eq!(client.is_ok(), taken);
        if let Err(error) = client {
            assert!(error.to_string().contains("set AWS_ALLOW_HTTP=true"), "{error}");
        }
    }
}
