//! The real `baton` program reads what this one writes.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "these are tests")]

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use connector_operator::access::{
    AccountType, Entitlement, EntitlementId, Grant, Profile, Purpose, Record, Resource, ResourceId,
    ResourceKind, ResourceType, Status, Trait, User,
};
use connector_operator::snapshot::{Finished, Selection, SnapshotWriter, SyncId, pair, select};
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

const USER: ResourceType = ResourceType {
    id: "user",
    display_name: "User",
    plural: "users",
    traits: &[Trait::User],
    without_entitlements: true,
};
const ORGANIZATION: ResourceType = ResourceType {
    id: "organization",
    display_name: "Organization",
    plural: "organizations",
    traits: &[],
    without_entitlements: false,
};
const TEAM: ResourceType = ResourceType {
    id: "team",
    display_name: "Team",
    plural: "teams",
    traits: &[Trait::Group],
    without_entitlements: false,
};
static TYPES: &[ResourceType] = &[ORGANIZATION, TEAM, USER];
static USERS: &[ResourceType] = &[USER];

fn resource(id: ResourceId, kind: ResourceKind) -> Record {
    let profile = match &kind {
        ResourceKind::User(_) => Profile::from([
            ("first_name", "Ada".into()),
            ("last_name", format!("L. {}", id.id).into()),
            ("user_id", id.id.clone().into()),
        ]),
        _ => Profile::new(),
    };
    let parent = (id.resource_type == "team").then(|| ResourceId::new("organization", "o1"));
    Record::Resource(Resource {
        parent,
        display_name: format!("The {id}"),
        description: Some("What it is".to_owned()),
        link: Some(format!("https://app.example.com/{}", id.id)),
        created_at: Some(Timestamp::UNIX_EPOCH),
        profile,
        kind,
        id,
    })
}

fn user(number: usize) -> Record {
    let id = ResourceId::new("user", format!("u{number}"));
    let enabled = number.is_multiple_of(2);
    let user = User {
        email: format!("{}@example.com", id.id),
        login: id.id.clone(),
        status: Status { enabled, details: (!enabled).then(|| "Pending".to_owned()) },
        account_type: AccountType::Human,
        last_login: Some(Timestamp::UNIX_EPOCH),
        mfa_enabled: Some(true),
        sso_enabled: Some(false),
    };
    resource(id, ResourceKind::User(Box::new(user)))
}

/// One organization with `users` users, of whom those with an even number are in a team.
fn account(users: usize) -> Vec<Record> {
    let (organization, team) = (ResourceId::new("organization", "o1"), ResourceId::new("team", "t1"));
    let mut records = vec![
        resource(organization.clone(), ResourceKind::Plain),
        resource(team.clone(), ResourceKind::Group),
    ];
    for (resource, slug, purpose) in [
        (&organization, "member", Purpose::Assignment),
        (&organization, "admin", Purpose::Permission),
        (&team, "member", Purpose::Assignment),
    ] {
        records.push(Record::Entitlement(Entitlement {
            id: EntitlementId::new(resource.clone(), slug),
            display_name: format!("{resource} {slug}"),
            description: String::new(),
            purpose,
            grantable_to: USERS,
        }));
    }
    for number in 0..users {
        records.push(user(number));
        let principal = ResourceId::new("user", format!("u{number}"));
        let mut held =
            vec![EntitlementId::new(organization.clone(), if number == 0 { "admin" } else { "member" })];
        if number.is_multiple_of(2) {
            held.push(EntitlementId::new(team.clone(), "member"));
        }
        for entitlement in held {
            let entitlement = Arc::new(entitlement);
            records.push(Record::Grant(Grant { entitlement, principal: principal.clone() }));
        }
    }
    records
}

fn write(folder: &Path, hour: i64, users: usize) -> Finished {
    let start = "2026-09-04T10:00:00Z".parse::<Timestamp>().unwrap() + SignedDuration::from_hours(hour);
    let mut writer = SnapshotWriter::create(folder, TYPES, SyncId::new(start), start).unwrap();
    writer.write(account(users)).unwrap();
    writer.finish(start + SignedDuration::from_mins(1)).unwrap()
}

fn baton() -> PathBuf {
    testbed::tools::locate("baton").unwrap()
}

fn run(baton: &Path, file: &Path, arguments: &[&str]) -> String {
    let output = Command::new(baton).arg("-f").arg(file).args(arguments).output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "baton {arguments:?}: {errors}");
    String::from_utf8(output.stdout).unwrap()
}

fn json(baton: &Path, file: &Path, arguments: &[&str]) -> Value {
    let arguments = [&["-o", "json"], arguments].concat();
    serde_json::from_str(&run(baton, file, &arguments)).unwrap()
}

fn count(list: &Value, name: &str) -> usize {
    list[name].as_array().map_or(0, Vec::len)
}

#[test]
fn baton_shows_what_was_written() {
    let baton = baton();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("sync.c1z");
    write(folder.path(), 0, 10).pack(&file).unwrap();
    let json = |arguments: &[&str]| json(&baton, &file, arguments);

    assert_eq!(count(&json(&["resource-types"]), "resourceTypes"), 3);
    assert_eq!(count(&json(&["resources"]), "resources"), 12);
    let users = json(&["resources", "-t", "user"]);
    assert_eq!(count(&users, "resources"), 10);
    let disabled = &users["resources"][1]["resource"];
    assert_eq!(disabled["displayName"], "The user:u1");
    assert_eq!(disabled["status"]["status"], "RESOURCE_STATUS_DISABLED");
    assert_eq!(disabled["status"]["details"], "Pending");
    assert_eq!(count(&json(&["entitlements"]), "entitlements"), 3);
    assert_eq!(count(&json(&["grants"]), "grants"), 15);
    assert_eq!(count(&json(&["grants", "-t", "team"]), "grants"), 5);
    assert_eq!(count(&json(&["principals"]), "resources"), 10);
    assert_eq!(count(&json(&["access", "--resource-type", "user", "--resource", "u0"]), "access"), 2);
    assert_eq!(json(&["stats"])["stats"]["grants"], "15");
    assert_eq!(count(&json(&["syncs"]), "syncs"), 1);

    for arguments in [&["resources"][..], &["grants"], &["entitlements"], &["principals"], &["stats"]] {
        let table = run(&baton, &file, arguments);
        assert!(!table.contains("MISSING"), "baton {arguments:?}: {table}");
    }
}

#[test]
fn baton_exports_what_was_written() {
    let baton = baton();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("sync.c1z");
    write(folder.path(), 0, 4).pack(&file).unwrap();
    let out = folder.path().join("export.csv");
    run(&baton, &file, &["export", "csv", "--out", out.to_str().unwrap()]);
    let table = std::fs::read_to_string(&out).unwrap();
    assert!(table.contains("Identity,L. u2,Ada,u2,Enabled,u2@example.com"), "{table}");
}

#[test]
fn baton_compares_the_runs_of_a_pair() {
    let baton = baton();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("pair.c1z");
    let (first, second) = (write(folder.path(), 0, 4), write(folder.path(), 1, 5));
    pair(first.snapshot(), second.snapshot(), &file, folder.path()).unwrap();
    let difference: Value = serde_json::from_str(&run(&baton, &file, &["diff"])).unwrap();
    assert_eq!(count(&difference["resources"], "created"), 1);
    assert_eq!(count(&difference["resources"], "modified"), 0);
    assert_eq!(count(&difference["grants"], "created"), 2);
    assert_eq!(count(&json(&baton, &file, &["syncs"]), "syncs"), 2);
}

#[test]
fn baton_shows_what_was_selected() {
    let baton = baton();
    let folder = tempfile::tempdir().unwrap();
    let whole = write(folder.path(), 0, 4);
    let shown = |resource_types: &[&str], skip_entitlements_and_grants, skip_grants| {
        let resource_types: Vec<_> = resource_types.iter().map(|id| (*id).to_owned()).collect();
        let selection = Selection::of_task(&resource_types, skip_entitlements_and_grants, skip_grants);
        let file = folder.path().join("selected.c1z");
        select(whole.snapshot(), &selection, &file, folder.path()).unwrap();
        let json = |arguments: &[&str]| json(&baton, &file, arguments);
        let counts = ["resource-types", "resources", "entitlements", "grants"].map(|list| {
            json(&[list]).as_object().unwrap().values().map(|it| it.as_array().unwrap().len()).sum()
        });
        let run = json(&["stats"]);
        let stats = ["resourceTypes", "resources", "entitlements", "grants"]
            .map(|count| run["stats"][count].as_str().unwrap_or("0").parse::<usize>().unwrap());
        assert_eq!(stats, counts, "baton counts what is there, and shows what the run says");
        (run["syncType"].as_str().unwrap().to_owned(), counts)
    };
    assert_eq!(shown(&[], false, false), ("full".to_owned(), [3, 6, 3, 6]));
    assert_eq!(shown(&[], true, false), ("resources_only".to_owned(), [3, 6, 0, 0]));
    assert_eq!(shown(&[], false, true), ("full".to_owned(), [3, 6, 3, 0]));
    assert_eq!(shown(&["organization", "user"], false, false), ("full".to_owned(), [2, 5, 2, 4]));
    assert_eq!(shown(&["team", "user"], false, false), ("full".to_owned(), [2, 4, 0, 0]));
}
