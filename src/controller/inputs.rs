//! What a run needs besides the spec: the credential and the CA bundle, read once, when it starts, and kept nowhere.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use kube::{Api, Client, ResourceExt};
use secrecy::{ExposeSecret, SecretString};

use crate::api::{C1CredentialsRef, CaBundleKind, CaBundleRef, Reason};
use crate::c1::Credentials;
use crate::connectors::Connector;
use crate::connectors::http::ClientOptions;
use crate::kinds::Kind;
use crate::sync::{Credential, Failure, ObjectKey, Opened, SecretSeen, Settings, Source};

use super::fingerprints::Fingerprints;

/// Where a spec names the credentials of C1.
const C1_FIELD: &str = "spec.c1.credentialsSecretRef";

/// One namespace, for reading from it what objects in it refer to.
pub struct Namespace {
    client: Client,
    name: String,
}

impl Namespace {
    /// The namespace `name`.
    pub fn new(client: Client, name: &str) -> Self {
        Self { client, name: name.to_owned() }
    }

    /// The Secret that `field` names; `None` where there is none.
    async fn secret(&self, field: &str, name: &str) -> Result<Option<Secret>, Failure> {
        let api: Api<Secret> = Api::namespaced(self.client.clone(), &self.name);
        api.get_opt(name).await.map_err(|error| self.unreadable(field, "Secret", name, &error))
    }

    /// The CA bundle that `reference` names, where it names one.
    ///
    /// # Errors
    /// A [`Failure`] where there is none, or Kubernetes does not give it.
    pub async fn ca_bundle(&self, reference: Option<&CaBundleRef>) -> Result<Option<Vec<u8>>, Failure> {
        let Some(reference) = reference else { return Ok(None) };
        let (name, key) = (&reference.name, reference.key());
        let found = match reference.kind {
            CaBundleKind::ConfigMap => {
                let api: Api<ConfigMap> = Api::namespaced(self.client.clone(), &self.name);
                let found = api.get_opt(name).await;
                found.map(|found| found?.data?.remove(key).map(String::into_bytes))
            }
            CaBundleKind::Secret => {
                let api: Api<Secret> = Api::namespaced(self.client.clone(), &self.name);
                let found = api.get_opt(name).await;
                found.map(|found| found?.data?.remove(key).map(|ByteString(pem)| pem))
            }
        };
        let failed = |error| self.unreadable("spec.caBundleRef", reference.kind.as_str(), name, &error);
        let pem = found.map_err(failed)?.ok_or_else(|| no_ca_bundle(reference, &self.here()))?;
        Ok(Some(pem))
    }

    fn unreadable(&self, field: &str, kind: &str, name: &str, error: &kube::Error) -> Failure {
        let message = format!(
            "The {kind} {name} of {field} could not be read: {error}. \
             Check that the operator's ServiceAccount may get it in {}.",
            self.here()
        );
        Failure::new(Reason::KubernetesError, message)
    }

    fn here(&self) -> String {
        format!("namespace {}", self.name)
    }
}

/// Reads what one object's run needs from Kubernetes.
pub struct Inputs<K> {
    namespace: Namespace,
    object: Arc<K>,
    upstream: ClientOptions,
    /// Of what is read.
    fingerprints: Arc<Fingerprints>,
    key: ObjectKey,
}

impl<K: Kind> Inputs<K> {
    /// Reads for `object`, whose key is `key`, from its namespace; its upstream is asked as `upstream` says.
    pub fn new(
        namespace: Namespace,
        object: Arc<K>,
        upstream: ClientOptions,
        fingerprints: Arc<Fingerprints>,
        key: ObjectKey,
    ) -> Self {
        Self { namespace, object, upstream, fingerprints, key }
    }

    /// Does the Secret say what its version `observed` did? Then its version, which is another by now.
    pub(super) async fn unchanged(&self, observed: Option<&str>) -> Option<String> {
        if !observed.is_some_and(|version| self.fingerprints.knows(&self.key, version)) {
            return None;
        }
        let name = &self.object.credential_ref().name;
        // What cannot be read is the run's to say.
        let secret = self.namespace.secret(K::CREDENTIAL_FIELD, name).await.ok()??;
        if !self.fingerprints.is_the_same(&self.key, &secret, &self.keys()) {
            return None;
        }
        self.fingerprints.remember(&self.key, &secret, &self.keys());
        Some(secret.resource_version().unwrap_or_default())
    }

    async fn secret(&self) -> (SecretSeen, Result<Secret, Failure>) {
        match self.namespace.secret(K::CREDENTIAL_FIELD, &self.object.credential_ref().name).await {
            Ok(Some(secret)) => {
                self.fingerprints.remember(&self.key, &secret, &self.keys());
                (SecretSeen::Version(secret.resource_version().unwrap_or_default()), Ok(secret))
            }
            Ok(None) => {
                self.fingerprints.forget(&self.key);
                (SecretSeen::Missing, Err(no_secret(self.object.as_ref(), &self.namespace.here())))
            }
            Err(failure) => (SecretSeen::Unread, Err(failure)),
        }
    }

    /// The keys that are read of the Secret: the credential, and the CA bundle where it is in the same one.
    fn keys(&self) -> Vec<&str> {
        let secret = &self.object.credential_ref().name;
        let here = |it: &&CaBundleRef| it.kind == CaBundleKind::Secret && it.name == *secret;
        let ca_bundle = self.object.common().ca_bundle_ref.as_ref().filter(here);
        std::iter::once(self.object.credential_key()).chain(ca_bundle.map(CaBundleRef::key)).collect()
    }

    async fn connect(&self, secret: Secret) -> Result<(Box<dyn Connector>, Credential), Failure> {
        let data = secret.data.into_iter().flatten().map(|(key, ByteString(value))| (key, value)).collect();
        let token = token(self.object.as_ref(), data)?;
        let ca_bundle = self.namespace.ca_bundle(self.object.common().ca_bundle_ref.as_ref()).await?;
        connect(self.object.as_ref(), token, ca_bundle, self.upstream.clone())
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

/// The credentials of C1 in the Secret that `reference` names, with what was found of it.
///
/// # Errors
/// A [`Failure`] that says what of them is missing or wrong.
pub async fn c1_credentials(
    namespace: &Namespace,
    reference: &C1CredentialsRef,
) -> (SecretSeen, Result<Credentials, Failure>) {
    match namespace.secret(C1_FIELD, &reference.name).await {
        Ok(Some(secret)) => {
            let version = secret.resource_version().unwrap_or_default();
            (SecretSeen::Version(version), credentials_in(secret, reference))
        }
        Ok(None) => {
            let message = format!(
                "The Secret {} of {C1_FIELD} does not exist in {}. Create it with the client id and secret that C1 gives, \
                 under the keys {} and {}.",
                reference.name,
                namespace.here(),
                reference.client_id_key(),
                reference.client_secret_key()
            );
            (SecretSeen::Missing, Err(Failure::new(Reason::SecretNotFound, message)))
        }
        Err(failure) => (SecretSeen::Unread, Err(failure)),
    }
}

fn credentials_in(secret: Secret, reference: &C1CredentialsRef) -> Result<Credentials, Failure> {
    let name = &reference.name;
    let mut data = secret.data.unwrap_or_default();
    let mut text = |key: &str| {
        let text = data.remove(key).and_then(|ByteString(value)| String::from_utf8(value).ok());
        text.map(SecretString::from).ok_or_else(|| {
            let message = format!(
                "The key {key} of {C1_FIELD} does not exist in the Secret {name}, or is not text. Put there what C1 gives."
            );
            Failure::new(Reason::SecretKeyMissing, message)
        })
    };
    let (id, client_secret) = (text(reference.client_id_key())?, text(reference.client_secret_key())?);
    Credentials::new(id.expose_secret(), &client_secret).map_err(|error| {
        let remedy = format!("Put into the Secret {name} what C1 gives.");
        Failure::sentence(Reason::CredentialMalformed, &error.to_string(), &remedy)
    })
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
    let (address, scope) = (object.address_field().to_owned(), K::SCOPE_FIELD.to_owned());
    Credential { name: K::CREDENTIAL, place, address, scope, settings: Settings::Spec }
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::api::ScalrConnector;
    use crate::sync::assert_says_what_to_do;

    fn connector() -> ScalrConnector {
        serde_json::from_value(json!({
            "apiVersion": "connectors.conductorone.com/v1alpha1", "kind": "ScalrConnector",
            "metadata": { "name": "acme", "namespace": "identity" },
            "spec": { "account": "acme", "apiTokenSecretRef": { "name": "scalr-acme" } },
        }))
        .unwrap()
    }

    fn data(value: &[u8]) -> BTreeMap<String, Vec<u8>> {
        BTreeMap::from([("api-token".to_owned(), value.to_vec())])
    }

    #[test]
    fn every_sentence_about_what_a_connector_refers_to_says_what_is_wrong_and_what_to_do() {
        let (object, here) = (connector(), "namespace identity");
        let reference = CaBundleRef { kind: CaBundleKind::ConfigMap, name: "corp-ca".to_owned(), key: None };
        let c1: C1CredentialsRef = serde_json::from_value(json!({ "name": "c1-scalr" })).unwrap();
        let mut failures = vec![no_secret(&object, here), no_ca_bundle(&reference, here)];
        failures.extend(
            [BTreeMap::new(), data(b" \n"), data(&[0xff])].map(|data| token(&object, data).unwrap_err()),
        );
        failures.push(credentials_in(Secret::default(), &c1).err().unwrap());
        let keys = [("client-id", "canary"), ("client-secret", "canary")];
        let keys = keys.map(|(key, value)| (key.to_owned(), ByteString(value.into())));
        let malformed = Secret { data: Some(keys.into()), ..Secret::default() };
        failures.push(credentials_in(malformed, &c1).err().unwrap());
        let mut all = String::new();
        for Failure { reason, message, .. } in failures {
            assert_says_what_to_do(&message);
            assert!(!message.contains("canary"), "{message}");
            all += &format!("{}: {message}\n", reason.as_str());
        }
        insta::assert_snapshot!(all);
    }
}
