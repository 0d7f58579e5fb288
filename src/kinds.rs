//! The list of connectors. To add one: its kind in `api/`, its reading in `connectors/`, and its entry here.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use secrecy::SecretString;
use serde_json::Value;
use url::Url;

use crate::api::{self, ConnectorObject, PlanetScaleConnector, ScalrConnector};
use crate::c1::About;
use crate::connectors::http::ClientOptions;
use crate::connectors::planetscale::{self, PlanetScale, PlanetScaleSettings};
use crate::connectors::scalr::{self, Scalr, ScalrSettings};
use crate::connectors::{ConfigError, Connector};
use crate::network::AddressError;

/// A kind of object, tied to the connector that reads for it.
pub trait Kind: ConnectorObject {
    /// What it reads, as a sentence says it: `the Scalr account acme`.
    fn what(&self) -> String;

    /// What C1 is told of the connector.
    fn about() -> About;

    /// The field that says where it reads.
    fn address_field(&self) -> &'static str;

    /// Where it reads: an origin.
    ///
    /// # Errors
    /// [`ConfigError::Address`] where the spec's address is none.
    fn origin(&self) -> Result<Url, ConfigError>;

    /// The connector that the spec describes.
    ///
    /// # Errors
    /// [`ConfigError`] where no request could ever succeed.
    fn connect(
        &self,
        credential: SecretString,
        options: ClientOptions,
    ) -> Result<Box<dyn Connector>, ConfigError>;
}

impl Kind for ScalrConnector {
    fn what(&self) -> String {
        format!("the Scalr account {}", self.spec.account)
    }

    fn about() -> About {
        About {
            display_name: Self::VENDOR,
            description: "Users of a Scalr account: email, status, whether human or service, and last sign-in.",
            resource_types: scalr::RESOURCE_TYPES,
        }
    }

    fn address_field(&self) -> &'static str {
        if self.spec.base_url.is_some() { "spec.baseUrl" } else { Self::SCOPE_FIELD }
    }

    fn origin(&self) -> Result<Url, ConfigError> {
        match &self.spec.base_url {
            Some(base_url) => address(base_url),
            None => address(&format!("https://{}.scalr.io", self.spec.account)),
        }
    }

    fn connect(
        &self,
        credential: SecretString,
        options: ClientOptions,
    ) -> Result<Box<dyn Connector>, ConfigError> {
        let settings = ScalrSettings { account: self.spec.account.clone(), base_url: Some(self.origin()?) };
        Ok(Box::new(Scalr::new(settings, credential, options)?))
    }
}

impl Kind for PlanetScaleConnector {
    fn what(&self) -> String {
        "every PlanetScale organization that the service token reaches".to_owned()
    }

    fn about() -> About {
        About {
            display_name: Self::VENDOR,
            description: "Organizations of PlanetScale with their members and administrators, and teams with theirs.",
            resource_types: planetscale::RESOURCE_TYPES,
        }
    }

    fn address_field(&self) -> &'static str {
        "spec.apiUrl"
    }

    fn origin(&self) -> Result<Url, ConfigError> {
        address(&self.spec.api_url)
    }

    fn connect(
        &self,
        credential: SecretString,
        options: ClientOptions,
    ) -> Result<Box<dyn Connector>, ConfigError> {
        let settings = PlanetScaleSettings { api_url: self.origin()? };
        Ok(Box::new(PlanetScale::new(settings, credential, options)?))
    }
}

fn address(text: &str) -> Result<Url, ConfigError> {
    Url::parse(text).map_err(|_| {
        AddressError::Invalid {
            url: text.to_owned(),
            problem: "is not a URL such as https://api.example.com",
        }
        .into()
    })
}

/// Something that is done for a kind, whichever it is.
pub trait Visitor {
    /// What comes of it.
    type Output;

    /// Does it for kind `K`.
    fn visit<K: Kind>(&mut self) -> Self::Output;
}

/// Does something for every kind, in the order in which people see them.
pub fn for_each<V: Visitor>(visitor: &mut V) -> Vec<V::Output> {
    vec![visitor.visit::<ScalrConnector>(), visitor.visit::<PlanetScaleConnector>()]
}

/// The names of all kinds.
pub fn names() -> Vec<&'static str> {
    struct Names;
    impl Visitor for Names {
        type Output = &'static str;
        fn visit<K: Kind>(&mut self) -> &'static str {
            K::KIND
        }
    }
    for_each(&mut Names)
}

/// The CustomResourceDefinitions of all kinds.
pub fn crds() -> Vec<CustomResourceDefinition> {
    struct Crds;
    impl Visitor for Crds {
        type Output = CustomResourceDefinition;
        fn visit<K: Kind>(&mut self) -> CustomResourceDefinition {
            api::crd::<K>()
        }
    }
    for_each(&mut Crds)
}

/// The JSON schemas of all kinds, each with its file name as kubeconform looks for it.
pub fn json_schemas() -> Vec<(String, Value)> {
    struct Schemas;
    impl Visitor for Schemas {
        type Output = (String, Value);
        fn visit<K: Kind>(&mut self) -> Self::Output {
            (format!("{}_{}.json", K::KIND.to_lowercase(), api::VERSION), api::json_schema::<K>())
        }
    }
    for_each(&mut Schemas)
}
