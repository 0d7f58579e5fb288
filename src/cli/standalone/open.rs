//! Opens the connector that flags and variables describe, as often as it is wanted.

use async_trait::async_trait;
use secrecy::SecretString;

use crate::access::Counts;
use crate::connectors::Connector;
use crate::connectors::http::ClientOptions;
use crate::kinds::Kind;
use crate::network::HostPolicy;
use crate::server::Probe;
use crate::sync::{Credential, Failure, Opened, SecretSeen, Source};

/// What opens one connector. Nothing but the connectors it makes ever shows the credential.
pub(super) struct Open<K> {
    object: K,
    token: SecretString,
    credential: Credential,
    options: ClientOptions,
}

impl<K: Kind> Open<K> {
    /// Opens the connector of `object` with `token`, which people find as `credential` says.
    pub(super) fn new(
        object: K,
        token: SecretString,
        credential: Credential,
        options: ClientOptions,
    ) -> Self {
        Self { object, token, credential, options }
    }

    /// The connector. It may ask the host that it was given, whichever that is, and no other.
    ///
    /// # Errors
    /// A [`Failure`] where no request could ever succeed.
    pub(super) fn connector(&self) -> Result<Box<dyn Connector>, Failure> {
        let connect = || {
            let allowed_hosts = HostPolicy::of_origin(&self.object.origin()?)?;
            let options = ClientOptions { allowed_hosts, ..self.options.clone() };
            self.object.connect(self.token.clone(), options)
        };
        connect().map_err(|error| Failure::config(&error, &self.credential))
    }

    /// The heading and the cell of the column that says which account it is.
    pub(super) fn scope(&self, counts: &Counts) -> (&'static str, String) {
        self.object.scope_column(counts.get("organizations").copied())
    }

    /// What asks whether the credential works.
    ///
    /// # Errors
    /// As [`Open::connector`].
    pub(super) fn probe(&self) -> Result<Probe, Failure> {
        let connector: std::sync::Arc<dyn Connector> = self.connector()?.into();
        let credential = self.credential.clone();
        Ok(Box::new(move || {
            let (connector, credential) = (std::sync::Arc::clone(&connector), credential.clone());
            Box::pin(async move {
                let validated = connector.validate().await;
                validated.map_err(|error| Failure::read(&error, &credential).message)
            })
        }))
    }
}

#[async_trait]
impl<K: Kind> Source for Open<K> {
    async fn open(&self) -> Opened {
        let connector = self.connector().map(|connector| (connector, self.credential.clone()));
        Opened { secret: SecretSeen::Unread, connector }
    }
}
