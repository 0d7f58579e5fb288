//! From a simulated upstream to what `baton` shows of it, and from a change there to what the status says of it.

use std::collections::{BTreeMap, BTreeSet};

use connector_operator::api::{
    ChangeStatus, ConnectorObject, PerScope, PlanetScaleConnector, ScalrConnector,
};
use connector_simulator::planetscale::Truth;
use connector_simulator::{
    OrganizationSize, PlanetScaleConfig, PlanetScaleSimulator, ScalrConfig, ScalrSimulator, scalr,
};
use serde_json::{Value, json};

use crate::baton::{Baton, published_file, text, user_trait};
use crate::operator::shared_operator;
use crate::place::Place;
use crate::upstream::{PLANETSCALE_SECRET, SCALR_SECRET, planetscale_spec, scalr_spec};

/// Users over more than two pages, so that every listing has a middle one.
const SEVERAL_PAGES: usize = 230;

async fn scalr_place(namespace: &str) -> (ScalrSimulator, Place<'static>) {
    let config = ScalrConfig { users: SEVERAL_PAGES, service_accounts: 9, ..ScalrConfig::default() };
    let scalr = ScalrSimulator::start(config).await.unwrap();
    let place = Place::new(namespace).await;
    place.put_secret(SCALR_SECRET.0, SCALR_SECRET.1, &scalr.token()).await;
    place.apply::<ScalrConnector>("acme", &scalr_spec(&scalr)).await;
    (scalr, place)
}

async fn planetscale_place(namespace: &str) -> (PlanetScaleSimulator, Place<'static>) {
    let organizations = OrganizationSize::several(3, SEVERAL_PAGES, 4, 30);
    let config = PlanetScaleConfig { organizations, analysts: true, ..PlanetScaleConfig::default() };
    let planetscale = PlanetScaleSimulator::start(config).await.unwrap();
    let place = Place::new(namespace).await;
    place.put_secret(PLANETSCALE_SECRET.0, PLANETSCALE_SECRET.1, &planetscale.token()).await;
    place.apply::<PlanetScaleConnector>("all", &planetscale_spec(&planetscale)).await;
    (planetscale, place)
}

fn counts(pairs: &[(&str, usize)]) -> BTreeMap<String, usize> {
    pairs.iter().map(|(name, count)| ((*name).to_owned(), *count)).collect()
}

fn published_counts(object: &impl ConnectorObject) -> BTreeMap<String, usize> {
    let published = object.status().unwrap().last_published.clone().unwrap();
    published.counts.into_iter().map(|(name, count)| (name, usize::try_from(count).unwrap())).collect()
}

/// `added, removed, changed` per scope, where anything differs.
fn changes(object: &impl ConnectorObject) -> BTreeMap<String, (u64, u64, u64)> {
    let changes = object.status().unwrap().last_sync.clone().unwrap().changes.into_iter();
    let parts = |ChangeStatus { added, removed, changed }| (added, removed, changed);
    changes.map(|(scope, it)| (scope, parts(it))).filter(|(_, it)| *it != (0, 0, 0)).collect()
}

fn changed(pairs: &[(&str, (u64, u64, u64))]) -> BTreeMap<String, (u64, u64, u64)> {
    pairs.iter().map(|(scope, parts)| ((*scope).to_owned(), *parts)).collect()
}

#[tokio::test]
async fn baton_shows_exactly_the_users_of_a_scalr_account() {
    let (scalr, place) = scalr_place("scalr-whole").await;
    let object: ScalrConnector = place.until_connected("acme").await;
    let truth = scalr.truth();
    let all = truth.users.len() + truth.service_accounts.len();
    assert_eq!(published_counts(&object), counts(&[("entitlements", 0), ("grants", 0), ("users", all)]));
    let published = object.status.as_ref().unwrap().last_published.as_ref().unwrap();
    assert_eq!(published.upstream_account_id, truth.account_id);

    let baton = Baton::published(&object).await;
    assert_eq!(baton.stats().await, counts(&[("entitlements", 0), ("grants", 0), ("user", all)]));
    let shown = baton.users().await;
    let ids = truth.users.iter().map(|user| &user.id).chain(truth.service_accounts.iter().map(|it| &it.id));
    assert_eq!(shown.keys().collect::<BTreeSet<_>>(), ids.collect::<BTreeSet<_>>());
    for user in &truth.users {
        assert_scalr_user(&shown[&user.id], user);
    }
    for account in &truth.service_accounts {
        let resource = &shown[&account.id];
        assert_eq!(text(&user_trait(resource)["accountType"]), "ACCOUNT_TYPE_SERVICE", "{resource}");
        assert_eq!(text(&user_trait(resource)["emails"][0]["address"]), account.email);
    }
}

fn assert_scalr_user(resource: &Value, user: &scalr::User) {
    let shown = user_trait(resource);
    assert_eq!(text(&shown["emails"][0]["address"]), user.email);
    assert_eq!(text(&shown["accountType"]), "ACCOUNT_TYPE_HUMAN");
    let status = if user.enabled() {
        json!({ "status": "STATUS_ENABLED" })
    } else {
        json!({ "status": "STATUS_DISABLED", "details": user.effective_status().as_str() })
    };
    assert_eq!(shown["status"], status, "{resource}");
    let name = user.full_name.as_ref().unwrap_or(&user.email);
    assert_eq!(text(&resource["displayName"]), *name);
    let last_login = user.relation_last_login_at.map(|time| format!("{time:.0}"));
    assert_eq!(shown.get("lastLogin").map(text), last_login, "{resource}");
}

#[tokio::test]
async fn baton_shows_exactly_the_organizations_teams_and_grants_of_planetscale() {
    let (planetscale, place) = planetscale_place("planetscale-whole").await;
    let object: PlanetScaleConnector = place.until_connected("all").await;
    let (truth, there) = (planetscale.truth(), planetscale.counts());
    let grants = grants_of(&truth);
    assert_eq!(grants.len(), there.memberships + there.team_memberships);
    let published = published_counts(&object);
    for (scope, count) in
        [("organizations", 3), ("users", there.users), ("teams", there.teams), ("grants", grants.len())]
    {
        assert_eq!(published[scope], count, "{scope}");
    }
    let line = place.line(&["pscale", "all", "-o", "wide"]).await;
    assert!(line.starts_with(&format!("all Connected 3 {} ", there.users)), "{line}");
    assert!(line.contains(&format!(" {} Read 3 organizations, 12 teams, ", grants.len())), "{line}");

    let baton = Baton::published(&object).await;
    let types: Vec<String> = baton
        .list("resource-types", "resourceTypes")
        .await
        .iter()
        .map(|it| text(&it["resourceType"]["id"]))
        .collect();
    assert_eq!(types, ["organization", "team", "user"]);
    let stats = baton.stats().await;
    let expected =
        [("organization", 3), ("team", there.teams), ("user", there.users), ("grants", grants.len())];
    for (what, count) in expected {
        assert_eq!(stats[what], count, "{what}");
    }
    let shown: BTreeSet<String> =
        baton.list("grants", "grants").await.iter().map(|it| text(&it["grant"]["id"])).collect();
    assert_eq!(shown, grants);
    assert_eq!(baton.list("entitlements", "entitlements").await.len(), published["entitlements"]);
    let users = baton.users().await;
    assert_eq!(users.len(), there.users);
    assert_eq!(
        baton.list("principals", "resources").await.len(),
        there.users,
        "everybody is granted something"
    );
    assert_planetscale_users(&truth, &users);
}

/// The ids of all grants that there must be.
fn grants_of(truth: &Truth) -> BTreeSet<String> {
    let mut grants = BTreeSet::new();
    for organization in &truth.organizations {
        for member in &organization.members {
            grants
                .insert(format!("organization:{}:{}:user:{}", organization.id, member.role, member.user.id));
        }
        for team in &organization.teams {
            grants
                .extend(team.members.iter().map(|user| format!("team:{}:member:user:{}", team.id, user.id)));
        }
    }
    grants
}

fn assert_planetscale_users(truth: &Truth, shown: &BTreeMap<String, Value>) {
    for (id, user) in truth.users() {
        let resource = &shown[id.as_str()];
        let shown = user_trait(resource);
        assert_eq!(text(&shown["emails"][0]["address"]), user.email);
        assert_eq!(shown["status"], json!({ "status": "STATUS_ENABLED" }), "{resource}");
        assert_eq!(text(&resource["displayName"]), *user.name.as_ref().unwrap_or(&user.display_name));
        assert_eq!(
            shown["mfaStatus"]["mfaEnabled"].as_bool().unwrap_or(false),
            user.two_factor,
            "{resource}"
        );
    }
}

#[tokio::test]
async fn baton_answers_who_has_access_and_exports_it() {
    let (planetscale, place) = planetscale_place("planetscale-access").await;
    let object: PlanetScaleConnector = place.until_connected("all").await;
    let baton = Baton::published(&object).await;
    let truth = planetscale.truth();
    // The first member is shared by all organizations.
    let shared = &truth.organizations[0].members[0].user;
    let access = baton.json(&["access", "-t", "user", "-r", shared.id.as_str()]).await;
    let reached: BTreeSet<String> = access["access"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| text(&it["resource"]["id"]["resource"]))
        .collect();
    let grants = grants_of(&truth);
    let of_shared = grants.iter().filter(|grant| grant.ends_with(shared.id.as_str()));
    let expected: BTreeSet<String> =
        of_shared.map(|grant| grant.split(':').nth(1).unwrap().to_owned()).collect();
    assert_eq!(reached, expected);

    let folder = tempfile::tempdir().unwrap();
    let csv = folder.path().join("access.csv");
    baton.text(&["export", "csv", "--out", csv.to_str().unwrap()]).await;
    let csv = std::fs::read_to_string(csv).unwrap();
    for user in truth.users().values() {
        assert!(csv.contains(&user.email), "{}", user.email);
    }
    let syncs = baton.list("syncs", "syncs").await;
    assert_eq!(syncs.len(), 1);
    assert_eq!(text(&syncs[0]["id"]), object.status.unwrap().last_published.unwrap().id);
}

#[tokio::test]
async fn what_changes_in_scalr_is_counted_exactly() {
    let (scalr, place) = scalr_place("scalr-changes").await;
    let first: ScalrConnector = place.until_connected("acme").await;
    assert_eq!(first.status.unwrap().last_sync.unwrap().changes, PerScope::new(), "nothing to compare with");
    let unchanged: ScalrConnector = place.read_again("acme", "unchanged").await;
    assert_eq!(changes(&unchanged), changed(&[]));

    scalr.add_user(None, None).unwrap();
    scalr.add_user(None, None).unwrap();
    scalr.remove_user("user-000017@example.com").unwrap();
    scalr.disable_user("user-000003@example.com").unwrap();
    scalr.set_service_account_active("robot-001", false).unwrap();
    let after: ScalrConnector = place.read_again("acme", "changed").await;
    assert_eq!(changes(&after), changed(&[("users", (2, 1, 2))]));
    assert_eq!(published_counts(&after)["users"], SEVERAL_PAGES + 9 + 1);
}

#[tokio::test]
async fn what_changes_in_planetscale_is_counted_exactly_and_baton_finds_the_same_difference() {
    let (planetscale, place) = planetscale_place("planetscale-changes").await;
    let before: PlanetScaleConnector = place.until_connected("all").await;
    let truth = planetscale.truth();
    let organization = &truth.organizations[0];
    let (from, to) = (&organization.teams[0], &organization.teams[1]);
    let moves = from.members.iter().find(|user| !to.members.contains(user)).unwrap();
    let teams_of = |user: &str| {
        let teams = truth.organizations.iter().flat_map(|it| &it.teams);
        teams.filter(|team| team.members.iter().any(|it| it.id.as_str() == user)).count()
    };
    let only_here = |user: &str| {
        let organizations = truth.organizations.iter();
        organizations.filter(|it| it.members.iter().any(|it| it.user.id.as_str() == user)).count() == 1
    };
    let mut plain = organization.members.iter().filter(|it| {
        it.role == "member" && teams_of(it.user.id.as_str()) == 0 && only_here(it.user.id.as_str())
    });
    let (promoted, gone) = (plain.next().unwrap(), plain.next().unwrap());

    planetscale.move_team_member("org-1", &from.slug, &to.slug, moves.id.as_str()).unwrap();
    planetscale.set_role("org-1", promoted.user.id.as_str(), "admin").unwrap();
    planetscale.remove_member("org-1", gone.user.id.as_str()).unwrap();
    planetscale.add_member("org-2", "member").unwrap();
    let after: PlanetScaleConnector = place.read_again("all", "changed").await;
    // A move, a promotion, one who went and one who came: each but the last two is a grant less and a grant more.
    let expected = [
        ("users", (1, 1, 0)),
        ("grants", (3, 3, 0)),
        ("administrators", (1, 0, 0)),
        ("members", (1, 1, 0)),
        ("memberships", (1, 1, 0)),
    ];
    assert_eq!(changes(&after), changed(&expected));
    let (_, _, told) = place.until_told(&after, "AccessChanged").await.pop().unwrap();
    let sentence = "Access changed; new: 1 administrator, 1 member, 1 membership and 1 user; gone: 1 member, \
        1 membership and 1 user: - ";
    assert!(told.starts_with(sentence), "{told}");
    assert!(told.contains(&format!("- user:{}", gone.user.id)), "{told}");
    assert!(!told.contains("example.com"), "people are told of by their ids: {told}");
    let metrics = shared_operator().await.metrics().await;
    let admins = planetscale.truth().organizations[0].members.iter().filter(|it| it.role == "admin").count();
    let of = format!(
        "namespace=\"planetscale-changes\",name=\"all\",organization=\"organization:{}\"",
        organization.id
    );
    let series = format!("connector_admins{{kind=\"PlanetScaleConnector\",{of}}} {admins}");
    assert!(metrics.contains(&series), "{series}: {metrics}");

    let folder = tempfile::tempdir().unwrap();
    let pair = folder.path().join("pair.c1z");
    let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_connector-operator"));
    command.args(["snapshot", "pair"]).arg(published_file(&before)).arg(published_file(&after));
    let made = command.arg("--out").arg(&pair).output().await.unwrap();
    assert!(made.status.success(), "{made:?}");
    let baton = Baton::open(&pair).await;
    assert_eq!(baton.list("syncs", "syncs").await.len(), 2);
    let difference = baton.json(&["diff"]).await;
    let ids = |what: &str, side: &str, id: fn(&Value) -> String| -> BTreeSet<String> {
        difference[what][side].as_array().into_iter().flatten().map(id).collect()
    };
    let grant = |it: &Value| text(it.get("grant").unwrap_or(it).get("id").unwrap());
    let (was, is) = (grants_of(&truth), grants_of(&planetscale.truth()));
    assert_eq!(ids("grants", "created", grant), is.difference(&was).cloned().collect());
    assert_eq!(ids("grants", "deleted", grant), was.difference(&is).cloned().collect());
    assert_eq!(difference["resources"]["deleted"].as_array().unwrap().len(), 1);
    assert_eq!(difference["resources"]["created"].as_array().unwrap().len(), 1);
}
