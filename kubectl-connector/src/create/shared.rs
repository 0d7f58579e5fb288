//! What every kind of connector is made with, and making it.

use std::process::ExitCode;

use clap::Args;
use connector_operator::api::{C1CredentialsRef, C1Spec, CommonSpec, Schedule, SecretKeyRef, SpecDuration};
use connector_operator::connectors::http::ClientOptions;
use connector_operator::kinds::Kind;
use connector_operator::network::HostPolicy;
use k8s_openapi::api::core::v1::Secret;
use kube::api::PostParams;
use kube::{Api, Resource};
use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;
use serde_json::{Value, json};

use super::token::Token;
use crate::cluster::{Cluster, Connection, refused};
use crate::output::Output;
use crate::waiting::duration;
use crate::{FIELD_MANAGER, Result, asking, screen};

/// What every kind of connector is made with.
#[derive(Debug, Args)]
pub(super) struct Shared {
    /// Who answers for it: an email address or a team's name.
    #[arg(long)]
    owner: Option<String>,
    /// How often it reads, such as 1h; as the operator is set where it is absent.
    #[arg(long, value_name = "DURATION", conflicts_with = "cron")]
    interval: Option<String>,
    /// When it reads, as in crontab: "0 6 * * 1-5" is at six on weekdays.
    #[arg(long)]
    cron: Option<String>,
    /// The time zone of --cron, such as Europe/Prague.
    #[arg(long, value_name = "ZONE", requires = "cron")]
    time_zone: Option<String>,
    /// The Secret with the token. Without a token, one that is there or comes later.
    #[arg(long, value_name = "NAME")]
    secret: Option<String>,
    #[command(flatten)]
    token: Token,
    /// Deliver to C1 with the client id and secret in this Secret.
    #[arg(long, value_name = "NAME")]
    c1_secret: Option<String>,
    /// Print the YAML, with the token, and make nothing.
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    output: Output,
}

impl Shared {
    /// Is there something that a person has to be asked?
    pub(super) fn has_to_ask(&self) -> bool {
        screen::can_ask() && self.secret.is_none() && !self.token.is_said()
    }

    pub(super) fn ask_for_owner(&mut self) -> Result<()> {
        if self.owner.is_none() {
            let owner =
                asking::line("Who answers for it (an email address or a team; may be empty)", Some(""))?;
            self.owner = Some(owner).filter(|owner| !owner.is_empty());
        }
        Ok(())
    }

    /// The reference to the Secret, which is called `usual` where nobody says otherwise.
    pub(super) fn secret_ref(&self, usual: &str) -> SecretKeyRef {
        SecretKeyRef { name: self.secret.clone().unwrap_or_else(|| usual.to_owned()), key: None }
    }

    pub(super) fn common(&self) -> Result<CommonSpec> {
        if let Some(interval) = &self.interval {
            duration(interval).map_err(|error| format!("--interval: {error}"))?;
        }
        let schedule = Schedule {
            interval: self.interval.clone().map(SpecDuration),
            cron: self.cron.clone(),
            time_zone: self.time_zone.clone(),
        };
        let c1 = self.c1_secret.as_ref().map(|name| C1Spec {
            credentials_secret_ref: C1CredentialsRef {
                name: name.clone(),
                client_id_key: None,
                client_secret_key: None,
            },
            host_id: None,
        });
        Ok(CommonSpec {
            owner: self.owner.clone(),
            schedule: (schedule != Schedule::default()).then_some(schedule),
            c1,
            ..CommonSpec::default()
        })
    }

    /// Makes the connector, and the Secret where there is a token.
    pub(super) async fn create<K: Kind>(self, connection: Connection, object: K) -> Result<ExitCode> {
        let token = if self.has_to_ask() {
            asking::secret(&format!(
                "{} {} (not shown; empty to make the Secret later)",
                K::VENDOR,
                K::CREDENTIAL
            ))?
        } else {
            self.token.read()?
        };
        if let Some(token) = &token {
            check(&object, token.clone())?;
        }
        if self.dry_run {
            return self.print(&connection, &object, token.as_ref());
        }
        let cluster = connection.cluster().await?;
        let made = make(&cluster, &object, token.as_ref()).await?;
        let title =
            format!("{}/{}", K::VENDOR.to_lowercase(), made.meta().name.as_deref().unwrap_or_default());
        let said = said(&title, &cluster.namespace, &object, token.is_some());
        let made = manifest(&made)?;
        self.output.print(&made, || vec![full_name(&made)], || said)?;
        Ok(ExitCode::SUCCESS)
    }

    /// Prints what would be made: as YAML, unless another form is asked for.
    fn print<K: Kind>(
        &self,
        connection: &Connection,
        object: &K,
        token: Option<&SecretString>,
    ) -> Result<ExitCode> {
        let mut documents = vec![manifest(object)?];
        match token {
            Some(token) => {
                screen::note("The Secret below holds the token as it is: seal it before it goes anywhere.");
                documents.insert(0, secret(object, token));
            }
            None => screen::note(&expected(object)),
        }
        for document in &mut documents {
            let metadata = document.get_mut("metadata").and_then(Value::as_object_mut);
            if let (Some(namespace), Some(metadata)) = (connection.namespace(), metadata) {
                metadata.insert("namespace".to_owned(), namespace.into());
            }
        }
        let mut yaml = String::new();
        for document in &documents {
            yaml += &format!("---\n{}", serde_yaml::to_string(document)?);
        }
        let names = documents.iter().map(full_name).collect();
        let value = match documents.as_slice() {
            [only] => only.clone(),
            all => json!({ "apiVersion": "v1", "kind": "List", "items": all }),
        };
        self.output.print(&value, || names, || yaml)?;
        Ok(ExitCode::SUCCESS)
    }
}

/// A manifest's name as kubectl prints it.
fn full_name(manifest: &Value) -> String {
    let word = |pointer: &str| manifest.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    let kind = word("/kind").to_lowercase();
    let group = word("/apiVersion").split_once('/').map(|(group, _)| format!(".{group}"));
    format!("{kind}{}/{}", group.unwrap_or_default(), word("/metadata/name"))
}

/// Could the connector ever read with this token?
fn check<K: Kind>(object: &K, token: SecretString) -> Result<()> {
    let hosts = HostPolicy::of_origin(&object.origin()?)?;
    object.connect(token, ClientOptions::new(hosts))?;
    Ok(())
}

fn name<K: Resource>(object: &K) -> &str {
    object.meta().name.as_deref().unwrap_or_default()
}

/// Nothing is made unless the API server takes the connector: a Secret alone would be left behind.
async fn make<K: Kind>(cluster: &Cluster, object: &K, token: Option<&SecretString>) -> Result<K> {
    let api: Api<K> = Api::namespaced(cluster.client.clone(), &cluster.namespace);
    let doing =
        format!("creating {}/{} in namespace {}", K::VENDOR.to_lowercase(), name(object), cluster.namespace);
    let params = |dry_run| PostParams { dry_run, field_manager: Some(FIELD_MANAGER.to_owned()) };
    api.create(&params(true), object).await.map_err(|error| match &error {
        kube::Error::Api(status) if status.code == 409 => {
            format!("{doing}: there is one already: choose another name, or change that one").into()
        }
        _ => refused(&doing, &error),
    })?;
    if let Some(token) = token {
        let secrets: Api<Secret> = Api::namespaced(cluster.client.clone(), &cluster.namespace);
        let secret: Secret = serde_json::from_value(secret(object, token))?;
        let created = secrets.create(&params(false), &secret).await;
        created.map_err(|error| {
            let doing = format!("creating Secret {}", object.credential_ref().name);
            match &error {
                kube::Error::Api(status) if status.code == 409 => format!(
                    "{doing}: there is one already: use it by --secret without a token, or name another"
                )
                .into(),
                _ => refused(&doing, &error),
            }
        })?;
    }
    api.create(&params(false), object).await.map_err(|error| refused(&doing, &error))
}

fn secret<K: Kind>(object: &K, token: &SecretString) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": { "name": object.credential_ref().name },
        "stringData": { object.credential_key(): token.expose_secret() },
    })
}

/// The object as a person writes it.
fn manifest(object: &impl Serialize) -> Result<Value> {
    let mut manifest = serde_json::to_value(object)?;
    if let Some(fields) = manifest.as_object_mut() {
        fields.retain(|_, value| !value.is_null());
    }
    Ok(manifest)
}

fn expected<K: Kind>(object: &K) -> String {
    let (secret, key) = (&object.credential_ref().name, object.credential_key());
    format!("It waits for the {} in the key {key} of Secret {secret}.", K::CREDENTIAL)
}

fn said<K: Kind>(title: &str, namespace: &str, object: &K, has_token: bool) -> String {
    let secret = if has_token {
        format!("with its {} in Secret {}", K::CREDENTIAL, object.credential_ref().name)
    } else {
        expected(object)
    };
    let separator = if has_token { " " } else { ". " };
    format!(
        "{title} was made in namespace {namespace}{separator}{secret}\n\
         See how it is: kubectl connector describe {title} -n {namespace}\n"
    )
}
