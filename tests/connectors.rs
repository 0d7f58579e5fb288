//! Both connectors against the simulated vendors: every record compared with what the simulator knows is true.
#![allow(missing_docs, reason = "a test is documented by its name")]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of tests fail as tests do"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use connector_operator::access::{
    AccountType, EntitlementId, ProfileValue, Record, RecordId, Resource, ResourceId, ResourceKind, Status,
    User, channel,
};
use connector_operator::api::{Class, Reason};
use connector_operator::connectors::http::{Allowances, ClientOptions};
use connector_operator::connectors::planetscale::{PlanetScale, PlanetScaleSettings};
use connector_operator::connectors::scalr::{Scalr, ScalrSettings};
use connector_operator::connectors::{Connector, LookUp, ReadError, Upstream};
use connector_operator::network::HostPolicy;
use connector_operator::sync::{Credential, Failure, Settings};
use connector_simulator::{
    ObjectId, OrganizationSize, PlanetScaleConfig, PlanetScaleSimulator, ScalrConfig, ScalrSimulator,
    planetscale, scalr,
};
use jiff::Timestamp;

fn options() -> ClientOptions {
    ClientOptions {
        allowances: Allowances::new(Some(0)),
        ..ClientOptions::new(HostPolicy::default().with_loopback(true))
    }
}

/// What the condition says of `error`, after checking that a person has to act before it is worth another try.
fn waits_for_a_change(error: &ReadError) -> (Reason, String) {
    let credential = Credential {
        name: "token",
        place: "key token of Secret acme".to_owned(),
        address: "spec.baseUrl".to_owned(),
        scope: "spec.account".to_owned(),
        settings: Settings::Spec,
    };
    let failure = Failure::read(error, &credential);
    assert_eq!(failure.reason.class(), Some(Class::WaitForChange), "{error}");
    (failure.reason, failure.message)
}

/// Everything that a connector has sent, by what it is.
#[derive(Debug, Default)]
struct Read {
    resources: BTreeMap<String, Resource>,
    entitlements: BTreeSet<String>,
    grants: BTreeSet<String>,
    records: u64,
    pages: u64,
}

impl Read {
    /// Takes `record`, which must come after what it refers to, and only once.
    fn take(&mut self, record: Record) {
        self.records += 1;
        match record {
            Record::Resource(resource) => {
                let id = resource.id.to_string();
                assert!(self.resources.insert(id.clone(), resource).is_none(), "{id} came twice");
            }
            Record::Entitlement(entitlement) => {
                assert!(self.resources.contains_key(&entitlement.id.resource.to_string()), "{entitlement:?}");
                assert!(self.entitlements.insert(entitlement.id.to_string()), "{entitlement:?} came twice");
            }
            Record::Grant(grant) => {
                assert!(
                    self.entitlements.contains(&grant.entitlement.to_string()),
                    "{grant:?} came too early"
                );
                assert!(
                    self.grants.insert(format!("{}:{}", grant.entitlement, grant.principal)),
                    "{grant:?}"
                );
            }
        }
    }

    fn ids(&self, resource_type: &str) -> BTreeSet<String> {
        let of_type = self.resources.values().filter(|resource| resource.id.resource_type == resource_type);
        of_type.map(|resource| resource.id.id.clone()).collect()
    }

    fn user(&self, id: impl ToString) -> (&Resource, &User) {
        let resource = &self.resources[&format!("user:{}", id.to_string())];
        match &resource.kind {
            ResourceKind::User(user) => (resource, user),
            other => panic!("{other:?}"),
        }
    }
}

async fn read(connector: &dyn Connector) -> (Result<Upstream, ReadError>, Read) {
    let (sender, mut receiver) = channel();
    let collect = async {
        let mut read = Read::default();
        while let Some(page) = receiver.next().await {
            page.into_iter().for_each(|record| read.take(record));
        }
        read
    };
    let run = async {
        let sender = sender;
        let end = connector.read(&sender).await;
        assert!(sender.progress().pages() > 0 || end.is_err());
        (end, sender.progress().pages(), sender.progress().records())
    };
    let ((end, pages, records), mut read) = tokio::join!(run, collect);
    assert_eq!(read.records, records);
    read.pages = pages;
    (end, read)
}

fn text(resource: &Resource, key: &str) -> Option<String> {
    match resource.profile.get(key) {
        Some(ProfileValue::Text(text)) => Some(text.clone()),
        Some(other) => panic!("{other:?}"),
        None => None,
    }
}

fn scalr(simulator: &ScalrSimulator, token: &str) -> Scalr {
    let settings =
        ScalrSettings { account: "acme".to_owned(), base_url: Some(simulator.base_url().parse().unwrap()) };
    Scalr::new(settings, token.to_owned().into(), options()).unwrap()
}

async fn scalr_of(users: usize, service_accounts: usize) -> ScalrSimulator {
    ScalrSimulator::start(ScalrConfig { users, service_accounts, ..ScalrConfig::default() }).await.unwrap()
}

/// Scalr writes times without fractions.
fn whole_second(time: Option<Timestamp>) -> Option<Timestamp> {
    time.map(|time| Timestamp::from_second(time.as_second()).unwrap())
}

fn compare_person(read: &Read, truth: &scalr::User) {
    let (resource, user) = read.user(&truth.id);
    let words = [truth.relation_status, truth.status].map(scalr::Status::as_str);
    let mut others: Vec<_> = words.into_iter().filter(|word| *word != "Active").collect();
    others.dedup();
    let details = (!others.is_empty()).then(|| others.join(", "));
    assert_eq!(user.status, Status { enabled: truth.enabled(), details }, "{truth:?}");
    assert_eq!(user.email, truth.email);
    assert_eq!(user.account_type, AccountType::Human);
    assert_eq!(user.last_login, whole_second(truth.relation_last_login_at));
    assert_eq!(resource.created_at, whole_second(truth.created_at));
    assert_eq!(text(resource, "user_id").as_ref(), Some(&truth.id));
    assert_eq!(text(resource, "email").as_ref(), Some(&truth.email));
    assert_eq!(text(resource, "full_name"), truth.full_name);
    if let Some(name) = &truth.full_name {
        assert_eq!(&resource.display_name, name);
    }
}

#[tokio::test]
async fn scalr_is_read_as_it_is() {
    let simulator = scalr_of(1_234, 117).await;
    let truth = simulator.truth();
    let (end, read) = read(&scalr(&simulator, &simulator.token())).await;
    assert_eq!(end.unwrap().account_id, truth.account_id);
    assert_eq!(read.resources.len(), 1_234 + 117);
    truth.users.iter().for_each(|user| compare_person(&read, user));
    for program in &truth.service_accounts {
        let (resource, user) = read.user(&program.id);
        assert_eq!(user.account_type, AccountType::Service);
        assert_eq!((&user.email, &user.login), (&program.email, &program.name));
        assert_eq!(user.status.enabled, program.status == scalr::Status::Active);
        assert_eq!(user.last_login, None);
        assert_eq!(resource.description, program.description);
        assert_eq!(resource.created_at, whole_second(Some(program.created_at)));
    }
    assert!(read.entitlements.is_empty() && read.grants.is_empty());
    assert_eq!(simulator.stats().total(), 1 + 13 + 2, "each page is asked for once");
    assert_eq!(read.pages, 16);
}

#[tokio::test]
async fn scalr_without_service_accounts_in_its_quotas_is_read_without_them() {
    let simulator = scalr_of(5, 5).await;
    simulator.set_service_accounts_available(false);
    let (end, read) = read(&scalr(&simulator, &simulator.token())).await;
    assert!(end.is_ok());
    assert_eq!(read.resources.len(), 5);
}

#[tokio::test]
async fn scalr_refusing_the_token_waits_for_another() {
    let simulator = scalr_of(5, 0).await;
    let (end, read) = read(&scalr(&simulator, "canary-5f1d3e9a")).await;
    let error = end.unwrap_err();
    assert!(matches!(error, ReadError::Unauthorized { .. }), "{error}");
    assert_eq!(waits_for_a_change(&error).0, Reason::Unauthorized);
    assert!(!format!("{error} {error:?}").contains("canary"));
    assert!(read.resources.is_empty());
}

#[tokio::test]
async fn scalr_without_the_account_says_so() {
    let config = ScalrConfig { account: "acme-2".to_owned(), ..ScalrConfig::default() };
    let simulator = ScalrSimulator::start(config).await.unwrap();
    let (end, _) = read(&scalr(&simulator, &simulator.token())).await;
    let error = end.unwrap_err();
    assert!(error.to_string().contains("no account named `acme`"), "{error}");
    assert_eq!(waits_for_a_change(&error).0, Reason::AccountNotFound);
}

fn planetscale(simulator: &PlanetScaleSimulator, token: &str) -> PlanetScale {
    let settings = PlanetScaleSettings { api_url: simulator.base_url().parse().unwrap() };
    PlanetScale::new(settings, token.to_owned().into(), options()).unwrap()
}

async fn planetscale_of(organizations: Vec<OrganizationSize>) -> PlanetScaleSimulator {
    let config = PlanetScaleConfig { organizations, analysts: true, ..PlanetScaleConfig::default() };
    PlanetScaleSimulator::start(config).await.unwrap()
}

fn compare_member(read: &Read, truth: &planetscale::User) {
    let (resource, user) = read.user(truth.id);
    assert_eq!(user.email, truth.email);
    assert_eq!(user.status, Status { enabled: true, details: None });
    assert_eq!(user.mfa_enabled, Some(truth.two_factor));
    assert_eq!(user.sso_enabled.is_some(), truth.optional == planetscale::OptionalFields::Present);
    assert_eq!(resource.display_name, *truth.name.as_ref().unwrap_or(&truth.display_name));
    assert_eq!(resource.created_at, Some(truth.created_at));
    assert_eq!(text(resource, "name"), truth.name);
    assert_eq!(text(resource, "display_name").as_ref(), Some(&truth.display_name));
    assert_eq!(text(resource, "user_id"), Some(truth.id.to_string()));
}

fn texts<'i>(ids: impl IntoIterator<Item = &'i ObjectId>) -> BTreeSet<String> {
    ids.into_iter().map(ObjectId::to_string).collect()
}

/// Compares everything that was read with everything that there is.
fn compare(read: &Read, truth: &planetscale::Truth) {
    let users = truth.users();
    assert_eq!(read.ids("user"), texts(users.keys()));
    users.values().for_each(|user| compare_member(read, user));
    assert_eq!(
        read.ids("organization"),
        texts(truth.organizations.iter().map(|organization| &organization.id))
    );
    let teams = || truth.organizations.iter().flat_map(|organization| &organization.teams);
    assert_eq!(read.ids("team"), texts(teams().map(|team| &team.id)));

    let (mut entitlements, mut grants) = (BTreeSet::new(), BTreeSet::new());
    for organization in &truth.organizations {
        let id = format!("organization:{}", organization.id);
        let roles = organization.members.iter().map(|member| &*member.role).chain(["member", "admin"]);
        entitlements.extend(roles.map(|role| format!("{id}:{role}")));
        grants.extend(
            organization.members.iter().map(|member| format!("{id}:{}:user:{}", member.role, member.user.id)),
        );
        for team in &organization.teams {
            let resource = &read.resources[&format!("team:{}", team.id)];
            assert_eq!(resource.display_name, team.name);
            assert_eq!(resource.parent.as_ref().map(ToString::to_string), Some(id.clone()));
            entitlements.insert(format!("team:{}:member", team.id));
            grants
                .extend(team.members.iter().map(|user| format!("team:{}:member:user:{}", team.id, user.id)));
        }
    }
    assert_eq!(read.entitlements, entitlements);
    assert_eq!(read.grants, grants);
}

#[tokio::test]
async fn planetscale_is_read_as_it_is() {
    let simulator = planetscale_of(OrganizationSize::several(3, 530, 7, 120)).await;
    simulator.add_member("org-2", "a_role_to_come").unwrap();
    let (end, read) = read(&planetscale(&simulator, &simulator.token())).await;
    let truth = simulator.truth();
    let ids = texts(truth.organizations.iter().map(|organization| &organization.id));
    assert_eq!(end.unwrap().account_id, ids.into_iter().collect::<Vec<_>>().join(","));
    compare(&read, &truth);
    assert!(read.entitlements.iter().any(|id| id.ends_with(":analyst")), "the data has no analyst");
    assert!(read.entitlements.iter().any(|id| id.ends_with(":a_role_to_come")));
    assert!(!format!("{read:?}").contains(planetscale::NEVER_KEEP));
    let pages = 2 + 3 * (6 + 1 + 7 * 2);
    assert_eq!((simulator.stats().total(), read.pages), (pages, pages), "each page is asked for once");
}

#[tokio::test]
async fn planetscale_is_asked_four_things_at_once_and_no_more() {
    let simulator = planetscale_of(OrganizationSize::several(1, 30, 12, 5)).await;
    simulator.set_latency(Duration::from_millis(20));
    let (end, _) = read(&planetscale(&simulator, &simulator.token())).await;
    assert!(end.is_ok());
    assert_eq!(simulator.stats().max_in_flight, 4);
}

#[tokio::test]
async fn a_long_listing_is_read_four_pages_at_once_and_no_page_twice() {
    let simulator = planetscale_of(OrganizationSize::several(1, 3_000, 0, 0)).await;
    simulator.set_latency(Duration::from_millis(20));
    let (end, read) = read(&planetscale(&simulator, &simulator.token())).await;
    assert!(end.is_ok());
    compare(&read, &simulator.truth());
    assert_eq!((simulator.stats().total(), simulator.stats().max_in_flight), (2 + 30 + 1, 4));
}

#[tokio::test]
async fn connectors_with_one_credential_ask_four_things_at_once_between_them() {
    let simulator = planetscale_of(OrganizationSize::several(1, 600, 3, 150)).await;
    simulator.set_latency(Duration::from_millis(10));
    let options = options();
    let connectors: Vec<_> = (0..20)
        .map(|_| {
            let settings = PlanetScaleSettings { api_url: simulator.base_url().parse().unwrap() };
            PlanetScale::new(settings, simulator.token().into(), options.clone()).unwrap()
        })
        .collect();
    let readings = futures::future::join_all(connectors.iter().map(|connector| read(connector))).await;
    assert!(readings.iter().all(|(end, _)| end.is_ok()));
    assert_eq!(simulator.stats().max_in_flight, 4);
}

#[tokio::test]
async fn planetscale_without_the_grant_is_no_empty_organization() {
    let simulator = planetscale_of(OrganizationSize::several(2, 30, 2, 5)).await;
    simulator.set_granted("org-2", false).unwrap();
    let (end, _) = read(&planetscale(&simulator, &simulator.token())).await;
    let error = end.unwrap_err();
    let (reason, message) = waits_for_a_change(&error);
    assert_eq!(reason, Reason::MissingGrant);
    let remedy = "Give the token in key token of Secret acme the access grant read_organization on the organization org-2.";
    assert!(message.contains(remedy), "{message}");
}

#[tokio::test]
async fn planetscale_refusing_the_token_waits_for_another() {
    let simulator = planetscale_of(OrganizationSize::several(1, 3, 0, 0)).await;
    let (end, read) = read(&planetscale(&simulator, "tokenid0:canary")).await;
    let error = end.unwrap_err();
    assert!(matches!(error, ReadError::Unauthorized { .. }), "{error}");
    assert!(!format!("{error} {error:?}").contains("canary"));
    assert!(read.resources.is_empty());
}

#[tokio::test]
async fn planetscale_with_nobody_in_it_is_an_error() {
    let simulator = planetscale_of(Vec::new()).await;
    let (end, _) = read(&planetscale(&simulator, &simulator.token())).await;
    assert_eq!(waits_for_a_change(&end.unwrap_err()).0, Reason::NoOrganizations);
    simulator.add_organization(&OrganizationSize::several(1, 0, 0, 0)[0]).unwrap();
    let (end, _) = read(&planetscale(&simulator, &simulator.token())).await;
    assert_eq!(waits_for_a_change(&end.unwrap_err()).0, Reason::EmptyOrganization);
}

fn user(id: impl ToString) -> ResourceId {
    ResourceId::new("user", id.to_string())
}

fn resources(ids: impl IntoIterator<Item = ResourceId>) -> LookUp {
    let mut ids: Vec<_> = ids.into_iter().map(RecordId::Resource).collect();
    ids.sort();
    LookUp::Found(ids)
}

#[tokio::test]
async fn scalr_is_asked_for_users_one_by_one() {
    let simulator = scalr_of(30, 4).await;
    let before = simulator.truth();
    let gone = simulator.remove_user(&before.users[7].id).unwrap().id;
    simulator.disable_user(&before.users[8].id).unwrap();
    let program = simulator.remove_service_account(&before.service_accounts[2].id).unwrap().id;
    let there = [&before.users[8].id, &before.users[29].id, &before.service_accounts[3].id];
    let missing: Vec<_> =
        there.into_iter().chain([&gone, &program]).map(|id| RecordId::Resource(user(id))).collect();
    let connector = scalr(&simulator, &simulator.token());
    let LookUp::Found(mut found) = connector.look_up(&missing).await.unwrap() else { panic!("impossible") };
    found.sort();
    assert_eq!(LookUp::Found(found), resources(there.map(user)));
    let error = scalr(&simulator, "canary").look_up(&missing).await.unwrap_err();
    assert!(matches!(error, ReadError::Unauthorized { .. }), "{error}");
}

#[tokio::test]
async fn planetscale_is_asked_for_members_and_teams_by_themselves() {
    let simulator = planetscale_of(OrganizationSize::several(2, 20, 3, 6)).await;
    let before = simulator.truth();
    let organization = &before.organizations[0];
    let (team, other) = (&organization.teams[0], &organization.teams[1]);
    let id = |user: &planetscale::User| user.id.to_string();
    // Who is a member of the first organization only, and in neither of the teams.
    let elsewhere = |user: &planetscale::User| {
        before.organizations[1].members.iter().any(|member| member.user.id == user.id)
            || [team, other].iter().any(|team| team.members.iter().any(|member| member.id == user.id))
    };
    let mut members = organization.members.iter().filter(|member| !elsewhere(&member.user));
    let (gone, promoted) = (&members.next().unwrap().user, &members.next().unwrap().user);
    let (left, stays) = (&team.members[0], &team.members[1]);
    simulator.remove_member("org-1", &id(gone)).unwrap();
    simulator.set_role("org-1", &id(promoted), "owner_to_be").unwrap();
    simulator.remove_team_member("org-1", &team.slug, &id(left)).unwrap();
    simulator.remove_team("org-1", &other.slug).unwrap();

    let of_organization = |slug: &str, user: &planetscale::User| RecordId::Grant {
        entitlement: EntitlementId::new(ResourceId::new("organization", organization.id.to_string()), slug),
        principal: self::user(user.id),
    };
    let of_team = |team: &planetscale::TeamTruth, user: &planetscale::User| RecordId::Grant {
        entitlement: EntitlementId::new(ResourceId::new("team", team.id.to_string()), "member"),
        principal: self::user(user.id),
    };
    let team_id =
        |team: &planetscale::TeamTruth| RecordId::Resource(ResourceId::new("team", team.id.to_string()));
    let missing = [
        of_organization("member", gone),
        RecordId::Resource(user(gone.id)),
        of_organization("member", promoted),
        of_team(team, left),
        of_team(team, stays),
        of_team(other, left),
        team_id(other),
    ];
    let answer = planetscale(&simulator, &simulator.token()).look_up(&missing).await.unwrap();
    let mut there = vec![
        RecordId::Resource(user(promoted.id)),
        of_organization("owner_to_be", promoted),
        team_id(team),
        of_team(team, stays),
    ];
    there.sort();
    assert_eq!(answer, LookUp::Found(there));

    simulator.set_granted("org-1", false).unwrap();
    let answer = planetscale(&simulator, &simulator.token()).look_up(&missing[..3]).await.unwrap();
    assert_eq!(answer, LookUp::Impossible, "a 404 without the grant is nobody's absence");
}
