//! The list of self-hosted connectors: what each is told besides what all are, under the names of its product page.

use clap::Args;
use secrecy::{ExposeSecret, SecretString};

use crate::api::{CommonSpec, PlanetScaleConnector, PlanetScaleConnectorSpec, ScalrConnector};
use crate::api::{ScalrConnectorSpec, SecretKeyRef};
use crate::kinds::Kind;

/// What one connector is told besides what all are.
pub(in super::super) trait OwnFlags: Args + std::fmt::Debug {
    /// The object that would say the same in a cluster.
    type Object: Kind;
    /// The name of the command.
    const NAME: &'static str;
    /// What the connector calls itself to C1 unless it is told otherwise.
    const HOST_ID: &'static str;
    /// The flag of the credential.
    const CREDENTIAL_FLAG: &'static str;
    /// The flag that says what is read.
    const SCOPE_FLAG: &'static str;
    /// The flags without which nothing can be read, and what each is.
    const REQUIRED: &'static [(&'static str, &'static str)];

    /// The object, and the credential that its Secret would have.
    ///
    /// # Errors
    /// The flags of [`OwnFlags::REQUIRED`] that are missing.
    fn object(self) -> Result<(Self::Object, SecretString), Vec<&'static str>>;

    /// The flag that says where `object` is read.
    fn address_flag(object: &Self::Object) -> &'static str;
}

/// The variable that sets `flag`, which is given without its dashes.
pub(super) fn variable(flag: &str) -> String {
    format!("BATON_{}", flag.replace('-', "_").to_ascii_uppercase())
}

/// Which Scalr account to read.
#[derive(Debug, Args)]
#[command(next_help_heading = "Scalr")]
pub(in super::super) struct ScalrFlags {
    /// The Scalr account: the subdomain of its address, such as acme for https://acme.scalr.io.
    #[arg(long, env = "BATON_SCALR_ACCOUNT", value_name = "NAME")]
    scalr_account: Option<String>,
    /// A Scalr API token that can read the account's users.
    #[arg(long, env = "BATON_SCALR_API_TOKEN", value_name = "TOKEN", hide_env_values = true)]
    scalr_api_token: Option<SecretString>,
    /// Only for self-hosted Scalr: the origin to use instead of https://<account>.scalr.io.
    #[arg(long, env = "BATON_SCALR_BASE_URL", value_name = "URL")]
    scalr_base_url: Option<String>,
}

impl OwnFlags for ScalrFlags {
    type Object = ScalrConnector;
    const NAME: &'static str = "scalr";
    const HOST_ID: &'static str = "baton-scalr";
    const CREDENTIAL_FLAG: &'static str = "scalr-api-token";
    const SCOPE_FLAG: &'static str = "scalr-account";
    const REQUIRED: &'static [(&'static str, &'static str)] = &[
        ("scalr-account", "the subdomain of your Scalr address, such as acme for https://acme.scalr.io"),
        ("scalr-api-token", "a Scalr API token that can read the account's users"),
    ];

    fn object(self) -> Result<(ScalrConnector, SecretString), Vec<&'static str>> {
        match (given(self.scalr_account), given_secret(self.scalr_api_token)) {
            (Some(account), Some(token)) => {
                let spec = ScalrConnectorSpec {
                    account,
                    api_token_secret_ref: no_secret(),
                    base_url: given(self.scalr_base_url),
                    common: CommonSpec::default(),
                };
                Ok((ScalrConnector::new(Self::NAME, spec), token))
            }
            (account, token) => {
                Err(missing([("scalr-account", account.is_none()), (Self::CREDENTIAL_FLAG, token.is_none())]))
            }
        }
    }

    fn address_flag(object: &ScalrConnector) -> &'static str {
        if object.spec.base_url.is_some() { "scalr-base-url" } else { Self::SCOPE_FLAG }
    }
}

/// What of PlanetScale to read.
#[derive(Debug, Args)]
#[command(next_help_heading = "PlanetScale")]
pub(in super::super) struct PlanetScaleFlags {
    /// The service token as <token-id>:<token-value>. It needs read_organization on each organization to read.
    #[arg(long, env = "BATON_PLANETSCALE_SERVICE_TOKEN", value_name = "ID:VALUE", hide_env_values = true)]
    planetscale_service_token: Option<SecretString>,
    /// The origin of the PlanetScale API: https://api.planetscale.com for the standard cloud.
    #[arg(long, env = "BATON_PLANETSCALE_API_URL", value_name = "URL")]
    planetscale_api_url: Option<String>,
}

impl OwnFlags for PlanetScaleFlags {
    type Object = PlanetScaleConnector;
    const NAME: &'static str = "planetscale";
    const HOST_ID: &'static str = "baton-planetscale";
    const CREDENTIAL_FLAG: &'static str = "planetscale-service-token";
    const SCOPE_FLAG: &'static str = Self::CREDENTIAL_FLAG;
    const REQUIRED: &'static [(&'static str, &'static str)] = &[
        ("planetscale-service-token", "the service token as <token-id>:<token-value>"),
        (
            "planetscale-api-url",
            "the origin of the PlanetScale API, https://api.planetscale.com for the standard cloud",
        ),
    ];

    fn object(self) -> Result<(PlanetScaleConnector, SecretString), Vec<&'static str>> {
        match (given_secret(self.planetscale_service_token), given(self.planetscale_api_url)) {
            (Some(token), Some(api_url)) => {
                let spec = PlanetScaleConnectorSpec {
                    service_token_secret_ref: no_secret(),
                    api_url,
                    common: CommonSpec::default(),
                };
                Ok((PlanetScaleConnector::new(Self::NAME, spec), token))
            }
            (token, api_url) => Err(missing([
                (Self::CREDENTIAL_FLAG, token.is_none()),
                ("planetscale-api-url", api_url.is_none()),
            ])),
        }
    }

    fn address_flag(_: &PlanetScaleConnector) -> &'static str {
        "planetscale-api-url"
    }
}

/// What is empty is not given, as with C1's own SDK.
pub(super) fn given(value: Option<String>) -> Option<String> {
    value.map(|value| value.trim().to_owned()).filter(|value| !value.is_empty())
}

/// The same of a secret, which is left as it is.
pub(super) fn given_secret(value: Option<SecretString>) -> Option<SecretString> {
    value.filter(|value| !value.expose_secret().trim().is_empty())
}

fn missing(flags: [(&'static str, bool); 2]) -> Vec<&'static str> {
    flags.into_iter().filter(|(_, is_missing)| *is_missing).map(|(flag, _)| flag).collect()
}

/// Outside a cluster there is none.
fn no_secret() -> SecretKeyRef {
    SecretKeyRef { name: String::new(), key: None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flag_is_set_by_the_variable_that_the_sdk_would_read() {
        assert_eq!(variable("scalr-api-token"), "BATON_SCALR_API_TOKEN");
    }

    #[test]
    fn what_is_empty_is_missing() {
        let flags = ScalrFlags {
            scalr_account: Some(" ".to_owned()),
            scalr_api_token: Some(String::new().into()),
            scalr_base_url: None,
        };
        assert_eq!(flags.object().unwrap_err(), ["scalr-account", "scalr-api-token"]);
    }
}
