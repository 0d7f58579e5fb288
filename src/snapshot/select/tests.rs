use std::collections::BTreeMap;

use proptest::prelude::*;
use rusqlite::Connection;
use tempfile::TempPath;

use super::*;
use crate::access::{Record, Resource, ResourceId};
use crate::snapshot::container;
use crate::snapshot::testing::{Account, accounts, grant, small_account, sync_id, team, user, write};

/// A file that has been cut down, unpacked.
struct Cut {
    connection: Connection,
    _database: TempPath,
}

fn cut(records: Vec<Record>, selection: &Selection) -> Result<Cut, SelectError> {
    let scratch = tempfile::tempdir().unwrap();
    let whole = write(scratch.path(), sync_id(), records).unwrap();
    let out = scratch.path().join("selected.c1z");
    select(whole.snapshot(), selection, &out, scratch.path())?;
    let elsewhere = std::env::temp_dir();
    let database = container::unpack(&out, &elsewhere).unwrap();
    let connection = Connection::open(&database).unwrap();
    Ok(Cut { connection, _database: database })
}

impl Cut {
    fn texts(&self, query: &str) -> Vec<String> {
        let mut statement = self.connection.prepare(query).unwrap();
        let texts = statement.query_map([], |row| row.get(0)).unwrap();
        texts.map(Result::unwrap).collect()
    }

    /// The ids in a table, in the order of the rows.
    fn ids(&self, table: &str) -> Vec<String> {
        self.texts(&format!("select external_id from v1_{table} order by id"))
    }

    fn stats(&self) -> serde_json::Value {
        serde_json::from_str(&self.texts("select stats from v1_sync_runs")[0]).unwrap()
    }
}

fn only(types: &[&str]) -> Selection {
    let resource_types = Some(types.iter().map(|id| (*id).to_owned()).collect());
    Selection { resource_types, ..Selection::everything() }
}

#[test]
fn a_task_that_leaves_nothing_out_selects_everything() {
    assert_eq!(Selection::of_task(&[], false, false), Selection::everything());
    assert!(Selection::of_task(&[], false, false).is_everything());
    for less in [
        Selection::of_task(&["user".to_owned()], false, false),
        Selection::of_task(&[], true, false),
        Selection::of_task(&[], false, true),
    ] {
        assert!(!less.is_everything(), "{less:?}");
    }
}

#[test]
fn a_task_without_entitlements_wants_no_grants_either() {
    let selection = Selection::of_task(&[], true, false);
    assert!(!selection.entitlements && !selection.grants);
}

#[test]
fn everything_is_the_snapshot_as_it_was() {
    let scratch = tempfile::tempdir().unwrap();
    let whole = write(scratch.path(), sync_id(), small_account()).unwrap();
    let plain = whole.pack(&scratch.path().join("whole.c1z")).unwrap();
    let out = scratch.path().join("selected.c1z");
    select(whole.snapshot(), &Selection::everything(), &out, scratch.path()).unwrap();
    let dump = |path: &Path| {
        let database = container::unpack(path, scratch.path()).unwrap();
        dump(&Connection::open(&database).unwrap())
    };
    assert_eq!(dump(&plain.path), dump(&out));
    assert_eq!(Snapshot::open(&out, scratch.path()).unwrap().run(), whole.snapshot().run());
}

/// All rows of all tables, and all that the schema says.
fn dump(connection: &Connection) -> Vec<String> {
    let query = |query: &str| -> Vec<String> {
        let mut statement = connection.prepare(query).unwrap();
        let width = statement.column_count();
        let rows = statement.query_map([], |row| {
            let cells = (0..width).map(|column| row.get::<_, rusqlite::types::Value>(column));
            Ok(format!("{:?}", cells.collect::<rusqlite::Result<Vec<_>>>()?))
        });
        rows.unwrap().map(Result::unwrap).collect()
    };
    let mut lines = query("select type, name, tbl_name, sql from sqlite_master order by name");
    for table in ["resource_types", "resources", "entitlements", "grants", "sync_runs", "assets"] {
        lines.extend(query(&format!("select * from v1_{table} order by id")));
    }
    lines
}

#[test]
fn without_grants_entitlements_stay_and_the_run_is_full() {
    let selection = Selection::of_task(&[], false, true);
    let cut = cut(small_account(), &selection).unwrap();
    assert_eq!(cut.ids("entitlements").len(), 3);
    assert!(cut.ids("grants").is_empty());
    assert_eq!(cut.texts("select sync_type from v1_sync_runs"), ["full"]);
    assert_eq!(cut.stats()["entitlements"], 3);
    assert_eq!(cut.stats()["grants"], 0);
}

#[test]
fn without_entitlements_and_grants_the_run_is_of_resources_only() {
    let cut = cut(small_account(), &Selection::of_task(&[], true, false)).unwrap();
    assert_eq!(cut.ids("resources").len(), 4);
    assert!(cut.ids("entitlements").is_empty() && cut.ids("grants").is_empty());
    assert_eq!(
        cut.texts("select sync_id || ' ' || sync_type || ' ' || supports_diff from v1_sync_runs"),
        [format!("{} resources_only 0", sync_id())]
    );
}

#[test]
fn resources_below_what_is_not_selected_go_with_their_entitlements_and_grants() {
    let cut = cut(small_account(), &only(&["team", "user"])).unwrap();
    assert_eq!(cut.ids("resource_types"), ["team", "user"]);
    assert_eq!(cut.ids("resources"), ["user:u1", "user:u2"]);
    assert!(cut.ids("entitlements").is_empty() && cut.ids("grants").is_empty());
    assert_eq!(cut.texts("select sync_type from v1_sync_runs"), ["full"]);
}

#[test]
fn grants_to_principals_of_types_that_are_not_selected_go() {
    let cut = cut(small_account(), &only(&["organization", "team"])).unwrap();
    assert_eq!(cut.ids("resources"), ["organization:o1", "team:t1"]);
    assert_eq!(cut.ids("entitlements").len(), 3);
    assert!(cut.ids("grants").is_empty());
}

#[test]
fn a_grant_stays_though_its_principal_is_out_of_reach_as_in_the_sdk() {
    let mut records = small_account();
    let below = Resource { parent: Some(ResourceId::new("organization", "o1")), ..user("u3") };
    let free = Resource { parent: None, ..team("t2", "o1") };
    records.push(Record::Resource(free));
    records.push(crate::snapshot::testing::entitlement("team", "t2", "member"));
    records.push(grant("team", "t2", "member", "u3"));
    records.push(Record::Resource(below));
    let cut = cut(records, &only(&["team", "user"])).unwrap();
    assert_eq!(cut.ids("resources"), ["user:u1", "user:u2", "team:t2"]);
    assert_eq!(cut.ids("grants"), ["team:t2:member:user:u3"]);
}

#[test]
fn a_type_that_there_is_not_is_refused_with_those_that_there_are() {
    let scratch = tempfile::tempdir().unwrap();
    let whole = write(scratch.path(), sync_id(), small_account()).unwrap();
    let out = scratch.path().join("selected.c1z");
    let error = select(whole.snapshot(), &only(&["user", "workspace"]), &out, scratch.path()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "there is no resource type \"workspace\" to select; there are organization, team, user"
    );
    assert!(!out.exists());
}

fn selections() -> impl Strategy<Value = Selection> {
    let types = prop::sample::subsequence(vec!["organization", "team", "user"], 1..=3);
    (prop::option::of(types), any::<bool>(), any::<bool>()).prop_map(|(types, entitlements, grants)| {
        let resource_types = types.map(|types| types.into_iter().map(str::to_owned).collect());
        Selection { resource_types, entitlements, grants }
    })
}

/// An account in which some users are below teams, so that there are parents of parents.
fn deep_accounts() -> impl Strategy<Value = Account> {
    (accounts(), prop::collection::vec(any::<bool>(), 6)).prop_map(|(mut account, below)| {
        let teams: Vec<_> =
            account.resources.keys().filter(|id| id.resource_type == "team").cloned().collect();
        let users = account.resources.values_mut().filter(|it| it.id.resource_type == "user");
        for ((user, team), below) in users.zip(teams.iter().cycle()).zip(below) {
            user.parent = below.then(|| team.clone());
        }
        account
    })
}

/// The rule in plain words, over plain data.
struct Rule<'a> {
    account: &'a Account,
    selection: &'a Selection,
}

impl Rule<'_> {
    fn wants(&self, resource_type: &str) -> bool {
        self.selection.resource_types.as_ref().is_none_or(|types| types.contains(resource_type))
    }

    fn keeps(&self, id: &ResourceId) -> bool {
        let parent = self.account.resources[id].parent.as_ref();
        self.wants(id.resource_type) && parent.is_none_or(|parent| self.keeps(parent))
    }

    fn remaining(&self) -> BTreeMap<&'static str, Vec<String>> {
        let Selection { entitlements, grants, .. } = self.selection;
        let records = self.account.records();
        let mut kept: BTreeMap<_, Vec<_>> =
            ["resources", "entitlements", "grants"].map(|table| (table, Vec::new())).into();
        for record in &records {
            match record {
                Record::Resource(it) if self.keeps(&it.id) => {
                    kept.get_mut("resources").unwrap().push(it.id.to_string());
                }
                Record::Entitlement(it) if *entitlements && self.keeps(&it.id.resource) => {
                    kept.get_mut("entitlements").unwrap().push(it.id.to_string());
                }
                Record::Grant(it)
                    if *entitlements
                        && *grants
                        && self.keeps(&it.entitlement.resource)
                        && self.wants(it.principal.resource_type) =>
                {
                    kept.get_mut("grants").unwrap().push(format!("{}:{}", it.entitlement, it.principal));
                }
                _ => {}
            }
        }
        kept
    }
}

proptest! {
    #[test]
    fn what_remains_is_what_the_rule_says(account in deep_accounts(), selection in selections()) {
        let cut = cut(account.records(), &selection).unwrap();
        let remaining = Rule { account: &account, selection: &selection }.remaining();
        for (table, ids) in &remaining {
            prop_assert_eq!(&cut.ids(table), ids, "{}", table);
            prop_assert_eq!(&cut.stats()[table], ids.len(), "{}", table);
        }
        prop_assert_eq!(cut.texts("pragma integrity_check"), ["ok"]);
        let sizes = "select (select freelist_count from pragma_freelist_count) || (select journal_mode from pragma_journal_mode)";
        prop_assert_eq!(cut.texts(sizes), ["0delete"]);
    }
}
