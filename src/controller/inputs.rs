//! What a run needs besides the spec: the credential and the CA bundle, read once, when it starts, and kept nowhere.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use kube::{Api, Client, ResourceExt};
use secrecy::SecretString;

use crate::api::{CaBundleKind, CaBundleRef, Reason};
use crate::connectors::Connector;
use crate::connectors::http::ClientOptions;
use crate::kinds::Kind;
use crate::sync::{Credential, Failure, Opened, SecretSeen, Settings, Source};

/// Reads what one object's run needs from Kubernetes.
pub struct Inputs<K> {
    client: Client,
    object: Arc<K>,
    namespace: String,
    upstream: ClientOptions,
}

impl<K: Kind> Inputs<K> {
    /// Reads for `object`, whose upstream is asked as `upstream` says.
    pub fn new(client: Client, object: Arc<K>, namespace: String, upstream: ClientOptions) -> Self {
        Self { client, object, namespace, upstream }
    }

    async fn secret(&self) -> (SecretSeen, Result<Secret, Failure>) {
        let name = &self.object.credential_ref().name;
        let api: Api<Secret> = Api::namespaced(self.client.clone(), &self.namespace);
        match api.get_opt(name).await {
            Ok(Some(secret)) => {
                (SecretSeen::Version(secret.resource_version().unwrap_or_default()), Ok(secret))
            }
            Ok(None) => (SecretSeen::Missing, Err(no_secret(self.object.as_ref(), &self.here()))),
            Err(error) => {
                let failure = self.kubernetes(K::CREDENTIAL_FIELD, "Secret", name, &error);
                (SecretSeen::Unread, Err(failure))
            }
        }
    }

    async fn ca_bundle(&self) -> Result<Option<Vec<u8>>, Failure> {
        let Some(reference) = &self.object.common().ca_bundle_ref else { return Ok(None) };
        let (name, key) = (&reference.name, reference.key());
        let found = match reference.kind {
            CaBundleKind::ConfigMap => {
                let api: Api<ConfigMap> = Api::namespaced(self.client.clone(), &self.namespace);
                let found = api.get_opt(name).await;
                found.map(|found| found?.data?.remove(key).map(String::into_bytes))
            }
            CaBundleKind::Secret => {
                let api: Api<Secret> = Api::namespaced(self.client.clone(), &self.namespace);
                let found = api.get_opt(name).await;
                found.map(|found| found?.data?.remove(key).map(|ByteString(pem)| pem))
            }
        };
        let failed = |error| self.kubernetes("spec.caBundleRef", reference.kind.as_str(), name, &error);
        let pem = found.map_err(failed)?.ok_or_else(|| no_ca_bundle(reference, &self.here()))?;
        Ok(Some(pem))
    }

    fn kubernetes(&self, field: &str, kind: &str, name: &str, error: &kube::Error) -> Failure {
        let message = format!(
            "The {kind} {name} of {field} could not be read: {error}. \
             Check that the operator's ServiceAccount may get it in {}.",
            self.here()
        );
        Failure::new(Reason::KubernetesError, message)
    }

    fn here(&self) -> String {
        format!("namespace {}", self.namespace)
    }

    async fn connect(&self, secret: Secret) -> Result<(Box<dyn Connector>, Credential), Failure> {
        let data = secret.data.into_iter().flatten().map(|(key, ByteString(value))| (key, value)).collect();
        let token = token(self.object.as_ref(), data)?;
        connect(self.object.as_ref(), token, self.ca_bundle().await?, self.upstream.clone())
    }
}

#[async_trait]
impl<K: Kind> Source for Inputs<K> {
    async fn open(&self) -> Opened {
        let (seen, secret) = self.secret().await;
        let connector = match secret {
            Ok(secret) => self.connect(secret).await,
            Err(failure) => Err(failure),
        };
        Opened { secret: seen, connector }
    }
}

/// The credential in the data of the Secret that `object` names.
///
/// # Errors
/// A [`Failure`] that names the key where it is missing, empty or no text.
pub fn token<K: Kind>(object: &K, mut data: BTreeMap<String, Vec<u8>>) -> Result<SecretString, Failure> {
    let key = object.credential_key();
    let wrong = match data.remove(key) {
        None => "does not exist",
        Some(value) if value.iter().all(u8::is_ascii_whitespace) => "is empty",
        Some(value) => {
            return String::from_utf8(value).map(SecretString::from).map_err(|_| {
                let message = format!("The {} is not text. Correct {}.", K::CREDENTIAL, place(object));
                Failure::new(Reason::CredentialMalformed, message)
            });
        }
    };
    let (field, name) = (K::CREDENTIAL_FIELD, &object.credential_ref().name);
    let (vendor, credential) = (K::VENDOR, K::CREDENTIAL);
    let message = format!(
        "The key {key} of {field} {wrong} in the Secret {name}. Put the {vendor} {credential} there."
    );
    Err(Failure::new(Reason::SecretKeyMissing, message))
}

/// The connector of `object` with this credential, which asks as `upstream` says and trusts `ca_bundle` besides.
///
/// # Errors
/// A [`Failure`] where no request could ever succeed.
pub fn connect<K: Kind>(
    object: &K,
    token: SecretString,
    ca_bundle: Option<Vec<u8>>,
    upstream: ClientOptions,
) -> Result<(Box<dyn Connector>, Credential), Failure> {
    let credential = place(object);
    let options = ClientOptions { ca_bundle, ..upstream };
    let connector = object.connect(token, options).map_err(|error| Failure::config(&error, &credential))?;
    Ok((connector, credential))
}

/// Where a person finds the credential of `object`.
pub fn place<K: Kind>(object: &K) -> Credential {
    let place = format!("key {} of Secret {}", object.credential_key(), object.credential_ref().name);
    Credential { name: K::CREDENTIAL, place, settings: Settings::Spec }
}

/// The Secret that `object` names is not `here`.
pub fn no_secret<K: Kind>(object: &K, here: &str) -> Failure {
    let message = format!(
        "The Secret {} of {} does not exist in {here}. Create it with the {} {} under the key {}.",
        object.credential_ref().name,
        K::CREDENTIAL_FIELD,
        K::VENDOR,
        K::CREDENTIAL,
        object.credential_key()
    );
    Failure::new(Reason::SecretNotFound, message)
}

/// The CA bundle that `reference` names is not `here`.
pub fn no_ca_bundle(reference: &CaBundleRef, here: &str) -> Failure {
    let message = format!(
        "The {} {} of spec.caBundleRef or its key {} does not exist in {here}. \
         Create it with the PEM certificates to trust, or remove spec.caBundleRef.",
        reference.kind.as_str(),
        reference.name,
        reference.key()
    );
    Failure::new(Reason::CaBundleNotFound, message)
}
