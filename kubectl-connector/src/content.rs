//! What a snapshot holds, in memory: a person looks at one at a time.

use std::collections::BTreeMap;

use connector_operator::proto::c1::connector::v2;
use connector_operator::proto::c1::connector::v2::user_trait::AccountType;
use connector_operator::proto::c1::connector::v2::user_trait::status::Status;
use connector_operator::snapshot::Snapshot;
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use prost::{Message, Name};
use serde::Serialize;

use crate::{Failed, Result};

/// What a snapshot holds, each thing by its id.
#[derive(Debug)]
pub(crate) struct Content {
    /// The id of the run that read it.
    pub(crate) run: String,
    /// When all was read.
    pub(crate) read_at: Time,
    pub(crate) resources: BTreeMap<String, Thing>,
    pub(crate) entitlements: BTreeMap<String, Right>,
    pub(crate) grants: BTreeMap<String, Holding>,
}

/// A resource.
#[derive(Debug)]
pub(crate) struct Thing {
    /// The id of its type, such as `team`.
    pub(crate) resource_type: String,
    pub(crate) name: String,
    /// The id of what it belongs to, such as a team's organization.
    pub(crate) parent: Option<String>,
    /// What only somebody who signs in has.
    pub(crate) user: Option<User>,
    /// Everything that is told as changed when it does, by its name. The last sign-in is not.
    pub(crate) attributes: BTreeMap<String, String>,
}

/// Somebody who signs in.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct User {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) email: String,
    pub(crate) login: String,
    /// `enabled`, `disabled`, or the vendor's own word behind either.
    pub(crate) status: String,
    /// `human` or `service`.
    pub(crate) kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) last_sign_in: Option<Time>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) second_factor: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) single_sign_on: Option<bool>,
}

/// An entitlement.
#[derive(Debug)]
pub(crate) struct Right {
    pub(crate) name: String,
    /// What is granted, such as `member`.
    pub(crate) slug: String,
    pub(crate) attributes: BTreeMap<String, String>,
}

/// A grant.
#[derive(Debug)]
pub(crate) struct Holding {
    pub(crate) principal: String,
    pub(crate) entitlement: String,
    /// What it is about.
    pub(crate) resource: String,
}

impl Content {
    /// Everything in `snapshot`.
    pub(crate) fn of(snapshot: &Snapshot) -> Result<Self> {
        let run = snapshot.run();
        let mut content = Self {
            run: run.id.to_string(),
            read_at: Time(run.ended_at),
            resources: BTreeMap::new(),
            entitlements: BTreeMap::new(),
            grants: BTreeMap::new(),
        };
        snapshot.resources::<Failed>(|resource| {
            content.resources.insert(id(resource.id.as_ref()), Thing::of(&resource)?);
            Ok(())
        })?;
        snapshot.entitlements::<Failed>(|entitlement| {
            content.entitlements.insert(entitlement.id.clone(), Right::of(entitlement));
            Ok(())
        })?;
        snapshot.grants::<Failed>(|grant| {
            content.grants.insert(grant.id.clone(), Holding::of(&grant));
            Ok(())
        })?;
        Ok(content)
    }

    /// All users, in the order of their names.
    pub(crate) fn users(&self) -> Vec<&User> {
        let mut users: Vec<&User> = self.resources.values().filter_map(|it| it.user.as_ref()).collect();
        users.sort_by_cached_key(|user| (user.name.to_lowercase(), user.id.clone()));
        users
    }

    /// What a person calls the resource of this id: `Ada <ada@example.com>`, `acme`, `Platform in acme`.
    pub(crate) fn name_of(&self, id: &str) -> String {
        match self.resources.get(id) {
            Some(Thing { user: Some(user), .. }) => user.title(),
            Some(Thing { name, parent: Some(parent), .. }) if !name.is_empty() => {
                let parent = self.resources.get(parent).map_or(parent, |parent| &parent.name);
                format!("{name} in {parent}")
            }
            Some(thing) if !thing.name.is_empty() => thing.name.clone(),
            _ => id.to_owned(),
        }
    }

    /// What a person calls the grant: `Ada <ada@example.com> as admin of acme`.
    pub(crate) fn name_of_grant(&self, grant: &Holding) -> String {
        format!(
            "{} as {} of {}",
            self.name_of(&grant.principal),
            self.role(grant),
            self.name_of(&grant.resource)
        )
    }

    /// What the grant gives, in one word.
    pub(crate) fn role(&self, grant: &Holding) -> String {
        let slug = self.entitlements.get(&grant.entitlement).map(|it| it.slug.clone());
        slug.unwrap_or_else(|| grant.entitlement.clone())
    }
}

impl User {
    /// `Ada <ada@example.com>`
    pub(crate) fn title(&self) -> String {
        match (self.name.as_str(), self.email.as_str()) {
            ("", "") => self.id.clone(),
            ("", email) => email.to_owned(),
            (name, email) if email.is_empty() || email == name => name.to_owned(),
            (name, email) => format!("{name} <{email}>"),
        }
    }

    fn of(resource: &v2::Resource, of_user: &v2::UserTrait) -> Self {
        let primary = of_user.emails.iter().find(|email| email.is_primary).or(of_user.emails.first());
        let time = of_user.last_login.as_ref();
        let time = time.and_then(|time| Timestamp::new(time.seconds, time.nanos).ok());
        Self {
            id: id(resource.id.as_ref()),
            name: resource.display_name.clone(),
            email: primary.map(|email| email.address.clone()).unwrap_or_default(),
            login: of_user.login.clone(),
            status: status(of_user),
            kind: match of_user.account_type() {
                AccountType::Service | AccountType::System => "service",
                AccountType::Human | AccountType::Unspecified => "human",
            },
            last_sign_in: time.map(Time),
            second_factor: of_user.mfa_status.as_ref().map(|it| it.mfa_enabled),
            single_sign_on: of_user.sso_status.as_ref().map(|it| it.sso_enabled),
        }
    }

    fn attributes(&self) -> impl Iterator<Item = (String, String)> {
        let yes =
            |it: Option<bool>| it.map_or(String::new(), |yes| if yes { "yes" } else { "no" }.to_owned());
        [
            ("email", self.email.clone()),
            ("login", self.login.clone()),
            ("status", self.status.clone()),
            ("kind", self.kind.to_owned()),
            ("second factor", yes(self.second_factor)),
            ("single sign-on", yes(self.single_sign_on)),
        ]
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value))
    }
}

fn status(of_user: &v2::UserTrait) -> String {
    let Some(status) = &of_user.status else { return "unknown".to_owned() };
    let word = match status.status() {
        Status::Enabled => "enabled",
        Status::Disabled => "disabled",
        Status::Deleted => "deleted",
        Status::Unspecified => "unknown",
    };
    match status.details.as_str() {
        "" => word.to_owned(),
        details => format!("{word} ({details})"),
    }
}

impl Thing {
    fn of(resource: &v2::Resource) -> Result<Self> {
        let mut user = None;
        let parent = resource.parent_resource_id.as_ref().map(|it| id(Some(it)));
        let mut attributes = BTreeMap::from([
            ("name".to_owned(), resource.display_name.clone()),
            ("description".to_owned(), resource.description.clone()),
            ("parent".to_owned(), parent.clone().unwrap_or_default()),
        ]);
        for annotation in &resource.annotations {
            if annotation.type_url == v2::UserTrait::type_url() {
                user = Some(User::of(resource, &v2::UserTrait::decode(annotation.value.as_slice())?));
            } else if annotation.type_url == v2::ExternalLink::type_url() {
                let link = v2::ExternalLink::decode(annotation.value.as_slice())?;
                attributes.insert("link".to_owned(), link.url);
            }
        }
        attributes.extend(user.iter().flat_map(User::attributes));
        for (name, value) in resource.profile.iter().flat_map(|profile| &profile.fields) {
            // What stands in the profile and elsewhere is told once.
            attributes.entry(name.replace('_', " ")).or_insert_with(|| said(value));
        }
        attributes.retain(|_, value| !value.is_empty());
        Ok(Self {
            resource_type: resource.id.as_ref().map(|it| it.resource_type.clone()).unwrap_or_default(),
            name: resource.display_name.clone(),
            parent,
            user,
            attributes,
        })
    }
}

fn said(value: &prost_types::Value) -> String {
    use prost_types::value::Kind;
    match &value.kind {
        Some(Kind::StringValue(text)) => text.clone(),
        Some(Kind::BoolValue(yes)) => if *yes { "yes" } else { "no" }.to_owned(),
        Some(Kind::NumberValue(number)) => number.to_string(),
        _ => String::new(),
    }
}

impl Right {
    fn of(entitlement: v2::Entitlement) -> Self {
        let attributes = BTreeMap::from([
            ("name".to_owned(), entitlement.display_name.clone()),
            ("description".to_owned(), entitlement.description),
        ]);
        Self { name: entitlement.display_name, slug: entitlement.slug, attributes }
    }
}

impl Holding {
    fn of(grant: &v2::Grant) -> Self {
        let entitlement = grant.entitlement.as_ref();
        let resource = entitlement.and_then(|it| it.resource.as_ref());
        Self {
            principal: id(grant.principal.as_ref().and_then(|it| it.id.as_ref())),
            entitlement: entitlement.map(|it| it.id.clone()).unwrap_or_default(),
            resource: id(resource.and_then(|it| it.id.as_ref())),
        }
    }
}

/// As the snapshot spells it: `user:a1`.
fn id(id: Option<&v2::ResourceId>) -> String {
    id.map_or(String::new(), |id| format!("{}:{}", id.resource_type, id.resource))
}
