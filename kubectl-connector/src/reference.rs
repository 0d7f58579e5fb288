//! How a connector is named on the command line: `scalr/acme`, as kubectl would name it, or by its name alone.

use std::str::FromStr;
use std::sync::Arc;

use clap::Args;
use clap_complete::engine::ArgValueCompleter;

use crate::Result;
use crate::cluster::Cluster;
use crate::completion;
use crate::connectors::{self, Connector, KindOf};

/// A connector that must be there.
#[derive(Debug, Args)]
pub(crate) struct Named {
    /// The connector: scalr/acme, planetscale/all, or its name alone where there is one of that name.
    #[arg(value_name = "CONNECTOR", add = ArgValueCompleter::new(completion::connectors))]
    connector: Reference,
}

/// What was typed for a connector.
#[derive(Debug, Clone)]
pub(crate) struct Reference {
    kind: Option<Arc<KindOf>>,
    name: String,
}

impl FromStr for Reference {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Self, String> {
        let (kind, name) = match text.split_once('/') {
            None => (None, text),
            Some((word, name)) => match connectors::kinds().into_iter().find(|kind| kind.is_called(word)) {
                None => {
                    let words: Vec<String> = connectors::kinds().iter().map(|it| it.word.clone()).collect();
                    return Err(format!(
                        "there is no kind of connector called {word}: {}",
                        words.join(" or ")
                    ));
                }
                kind => (kind, name),
            },
        };
        if is_name(name) {
            Ok(Self { kind, name: name.to_owned() })
        } else {
            Err("a name is lower-case letters, digits, - and ., such as scalr/acme".to_owned())
        }
    }
}

fn is_name(name: &str) -> bool {
    let ends_well = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphanumeric);
    let bytes = name.as_bytes();
    ends_well(bytes.first())
        && ends_well(bytes.last())
        && bytes
            .iter()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'.'))
}

impl Named {
    pub(crate) async fn find(&self, cluster: &Cluster) -> Result<Connector> {
        self.connector.find(cluster).await
    }
}

impl Reference {
    /// The connector of that name.
    pub(crate) async fn find(&self, cluster: &Cluster) -> Result<Connector> {
        let Self { kind, name } = self;
        let kinds = kind.clone().map_or_else(connectors::kinds, |kind| vec![kind]);
        let mut found = Vec::new();
        for kind in &kinds {
            found.extend(connectors::find(cluster, kind, name).await?);
        }
        match (found.pop(), found.pop()) {
            (Some(only), None) => Ok(only),
            (Some(one), Some(other)) => Err(format!(
                "{name} is both {} and {} in namespace {}: say which",
                other.title(),
                one.title(),
                cluster.namespace
            )
            .into()),
            (None, _) => Err(self.missing(cluster).await.into()),
        }
    }

    /// There is none. What there is instead, as far as one may know.
    async fn missing(&self, cluster: &Cluster) -> String {
        const SHOWN: usize = 5;
        let wanted = self.kind.as_ref().map_or(String::new(), |kind| format!("{}/", kind.word));
        let problem =
            format!("there is no connector {wanted}{} in namespace {}", self.name, cluster.namespace);
        let titles: Vec<String> = match connectors::list(cluster, Some(&cluster.namespace), None).await {
            Ok(others) => others.iter().take(SHOWN + 1).map(Connector::title).collect(),
            Err(_) => return problem,
        };
        match titles.len() {
            0 => format!("{problem}, nor any other: kubectl connector get -A lists those of all namespaces"),
            1..=SHOWN => format!("{problem}: it has {}", titles.join(", ")),
            _ => format!("{problem}: kubectl connector get lists those it has"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind_of(text: &str) -> Option<String> {
        let reference: Reference = text.parse().unwrap();
        assert_eq!(reference.name, "acme");
        reference.kind.map(|kind| kind.resource.kind.clone())
    }

    #[test]
    fn a_connector_is_named_as_people_and_as_kubectl_name_it() {
        for text in [
            "scalr/acme",
            "Scalr/acme",
            "scalrconnector/acme",
            "scalrconnectors/acme",
            "ScalrConnector/acme",
            "scalrconnectors.connectors.conductorone.com/acme",
            "scalrconnector.v1alpha1.connectors.conductorone.com/acme",
        ] {
            assert_eq!(kind_of(text).as_deref(), Some("ScalrConnector"), "{text}");
        }
        for text in ["planetscale/acme", "pscale/acme", "planetscaleconnector/acme"] {
            assert_eq!(kind_of(text).as_deref(), Some("PlanetScaleConnector"), "{text}");
        }
        assert_eq!(kind_of("acme"), None);
    }

    #[test]
    fn what_can_be_no_connector_is_said_at_once() {
        let problem = |text: &str| text.parse::<Reference>().unwrap_err();
        assert_eq!(
            problem("deployment/acme"),
            "there is no kind of connector called deployment: scalr or planetscale"
        );
        for text in ["", "scalr/", "Acme", "a/b/c", "-a", "a b"] {
            problem(text);
        }
    }
}
