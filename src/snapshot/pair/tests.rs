use super::*;
use crate::access::Record;
use crate::snapshot::testing::{small_account, started_at, sync_id, user, write};

#[test]
fn both_runs_are_in_the_pair_under_their_own_ids() {
    let scratch = tempfile::tempdir().unwrap();
    let later = SyncId::new(started_at());
    let first = write(scratch.path(), sync_id(), small_account()).unwrap();
    let mut more = small_account();
    more.push(Record::Resource(user("u3")));
    let second = write(scratch.path(), later.clone(), more).unwrap();

    let out = scratch.path().join("pair.c1z");
    pair(first.snapshot(), second.snapshot(), &out, scratch.path()).unwrap();
    let both = Snapshot::open(&out, scratch.path()).unwrap();
    let mut ids: Vec<_> = both.runs().unwrap().into_iter().map(|run| run.id).collect();
    let mut expected = vec![sync_id(), later];
    ids.sort();
    expected.sort();
    assert_eq!(ids, expected);

    let connection = both.database().open().unwrap();
    let users = |id: &SyncId| -> i64 {
        let query = "select count(*) from v1_resources where resource_type_id = 'user' and sync_id = ?1";
        connection.query_row(query, [id.as_str()], |row| row.get(0)).unwrap()
    };
    assert_eq!(users(&first.snapshot().run().id), 2);
    assert_eq!(users(&second.snapshot().run().id), 3);
}

#[test]
fn a_run_is_not_paired_with_itself() {
    let scratch = tempfile::tempdir().unwrap();
    let only = write(scratch.path(), sync_id(), small_account()).unwrap();
    let out = scratch.path().join("pair.c1z");
    let error = pair(only.snapshot(), only.snapshot(), &out, scratch.path()).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!("both snapshots are of the run {}; name those of two runs", sync_id())
    );
    assert!(!out.exists());
}
