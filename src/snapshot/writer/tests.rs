use std::fs;
use std::os::unix::fs::PermissionsExt;

use super::*;
use crate::access::Change;
use crate::snapshot::Difference;
use crate::snapshot::testing::{self, entitlement, grant, organization, small_account, sync_id, team, user};

fn failure(records: Vec<Record>) -> String {
    let scratch = tempfile::tempdir().unwrap();
    let error = testing::write(scratch.path(), sync_id(), records).unwrap_err().to_string();
    assert_eq!(fs::read_dir(scratch.path()).unwrap().count(), 0, "the scratch file is left behind");
    error
}

fn small_account_with(record: Record) -> Vec<Record> {
    let mut records = small_account();
    records.push(record);
    records
}

/// More than is kept in memory.
fn large_account_with(record: Record) -> Vec<Record> {
    [small_account_with(record), testing::many_users()].concat()
}

#[test]
fn records_are_counted_by_scope() {
    let scratch = tempfile::tempdir().unwrap();
    let finished = testing::write(scratch.path(), sync_id(), small_account()).unwrap();
    let counts: Vec<_> = finished.counts().iter().map(|(scope, count)| (scope.as_str(), *count)).collect();
    assert_eq!(
        counts,
        [("entitlements", 3), ("grants", 3), ("organizations", 1), ("teams", 1), ("users", 2)]
    );
    assert_eq!(&finished.snapshot().counts(testing::TYPES).unwrap(), finished.counts());
}

#[test]
fn the_same_records_give_the_same_bytes_however_they_are_paged() {
    let scratch = tempfile::tempdir().unwrap();
    for more in [0, 500] {
        let mut records = small_account();
        records.extend((0..more).map(|id| Record::Resource(user(&format!("more-{id}")))));
        records.extend((0..more).map(|id| grant("team", "t1", "member", &format!("more-{id}"))));

        let mut digests = Vec::new();
        for page in [1, 7, 100, 10_000] {
            let mut writer =
                SnapshotWriter::create(scratch.path(), testing::TYPES, sync_id(), testing::started_at())
                    .unwrap();
            for page in records.chunks(page) {
                writer.write(page.to_vec()).unwrap();
            }
            let finished = writer.finish(testing::ended_at()).unwrap();
            digests.push(finished.pack(&scratch.path().join("out.c1z")).unwrap().digest);
        }
        digests.dedup();
        assert_eq!(digests.len(), 1);
    }
}

#[test]
fn the_packed_file_is_private_complete_and_described() {
    let scratch = tempfile::tempdir().unwrap();
    let out = scratch.path().join("out.c1z");
    // As a crash may have left it.
    fs::write(scratch.path().join("out.c1z.tmp"), "half").unwrap();
    let finished = testing::write(scratch.path(), sync_id(), small_account()).unwrap();
    let packed = finished.pack(&out).unwrap();
    let bytes = fs::read(&out).unwrap();
    assert_eq!(&bytes[..9], b"C1ZF\0\x28\xb5\x2f\xfd");
    assert_eq!(packed.size, bytes.len() as u64);
    assert_eq!(packed.digest, container::digest(&out).unwrap());
    assert_eq!(fs::metadata(&out).unwrap().permissions().mode() & 0o777, 0o600);
    assert!(!scratch.path().join("out.c1z.tmp").exists());

    let frame = zstd::zstd_safe::get_frame_content_size(&bytes[5..]).unwrap().unwrap();
    let database = zstd::decode_all(&bytes[5..]).unwrap();
    assert_eq!(frame, database.len() as u64);
    assert_eq!(&database[18..20], [1, 1], "the database must not be in WAL mode");
}

#[test]
fn an_empty_account_is_a_snapshot_too() {
    let scratch = tempfile::tempdir().unwrap();
    let finished = testing::write(scratch.path(), sync_id(), Vec::new()).unwrap();
    assert_eq!(finished.counts().values().sum::<u64>(), 0);
}

#[test]
fn a_resource_that_comes_twice_is_named() {
    for account in [small_account_with, large_account_with] {
        assert_eq!(failure(account(Record::Resource(user("u2")))), "resource user:u2 came twice");
    }
    let again = Record::Resource(organization("o1"));
    assert_eq!(failure(small_account_with(again)), "resource organization:o1 came twice");
}

#[test]
fn an_entitlement_that_comes_twice_is_named() {
    let again = entitlement("team", "t1", "member");
    assert_eq!(failure(small_account_with(again)), "entitlement team:t1:member came twice");
}

#[test]
fn a_grant_that_comes_twice_is_named() {
    for account in [small_account_with, large_account_with] {
        let again = grant("team", "t1", "member", "u1");
        assert_eq!(failure(account(again)), "grant team:t1:member:user:u1 came twice");
    }
}

#[test]
fn a_grant_to_nobody_is_named() {
    let record = grant("team", "t1", "member", "u3");
    assert_eq!(
        failure(small_account_with(record)),
        "grant team:t1:member:user:u3 is to a principal that has not been read"
    );
}

#[test]
fn a_grant_of_an_entitlement_that_did_not_come_is_named() {
    for (record, id) in [
        (grant("team", "t1", "maintainer", "u1"), "team:t1:maintainer:user:u1"),
        (grant("team", "t2", "member", "u1"), "team:t2:member:user:u1"),
    ] {
        let expected = format!("grant {id} is of an entitlement that has not been read");
        assert_eq!(failure(small_account_with(record)), expected);
    }
}

#[test]
fn an_entitlement_on_what_did_not_come_is_named() {
    let record = entitlement("team", "t2", "member");
    assert_eq!(
        failure(small_account_with(record)),
        "entitlement team:t2:member is on a resource that has not been read"
    );
}

#[test]
fn an_entitlement_on_a_type_without_them_is_named() {
    let record = entitlement("user", "u1", "member");
    assert_eq!(
        failure(small_account_with(record)),
        "entitlement user:u1:member is on a resource of a type without entitlements"
    );
}

#[test]
fn a_parent_that_did_not_come_is_named() {
    let record = Record::Resource(team("t2", "o2"));
    assert_eq!(
        failure(small_account_with(record)),
        "team:t2 belongs to organization:o2, which has not been read"
    );
}

#[test]
fn ids_that_c1_would_refuse_are_named() {
    let long = "x".repeat(1020);
    for (record, expected) in [
        (Record::Resource(user("")), "resource \"user:\" has an empty part in its id".to_owned()),
        (
            Record::Resource(user(&long)),
            format!("the id of resource user:{long} has 1025 bytes, more than 1,024"),
        ),
        (entitlement("team", "t1", ""), "entitlement \"team:t1:\" has an empty part in its id".to_owned()),
        (
            grant("team", "t1", "member", ""),
            "grant \"team:t1:member:user:\" has an empty part in its id".to_owned(),
        ),
        (
            entitlement("team", "t1", &long),
            format!("the id of entitlement team:t1:{long} has 1028 bytes, more than 1,024"),
        ),
    ] {
        assert_eq!(failure(small_account_with(record)), expected);
    }
}

#[test]
fn a_resource_of_an_unknown_type_or_without_its_trait_is_named() {
    let unknown = testing::plain(ResourceId::new("workspace", "w1"), "w1");
    assert_eq!(
        failure(vec![Record::Resource(unknown)]),
        "workspace:w1 is of a type that this snapshot does not have"
    );
    let bare = testing::plain(ResourceId::new("user", "u1"), "u1");
    assert_eq!(failure(vec![Record::Resource(bare)]), "user:u1 lacks the trait of its type, or has another");
}

#[test]
fn a_scratch_folder_that_is_not_there_is_named() {
    let error =
        testing::write(Path::new("/nowhere"), sync_id(), testing::many_users()).unwrap_err().to_string();
    assert!(error.starts_with("creating a scratch file in /nowhere: "), "{error}");
}

#[test]
fn few_records_need_no_file_and_many_have_one_until_they_are_dropped() {
    let scratch = tempfile::tempdir().unwrap();
    let files = || fs::read_dir(scratch.path()).unwrap().count();
    let small = testing::write(scratch.path(), sync_id(), small_account()).unwrap();
    assert_eq!(files(), 0);
    let large = testing::write(scratch.path(), sync_id(), testing::many_users()).unwrap();
    assert_eq!(files(), 1);
    drop((small, large));
    assert_eq!(files(), 0);
}

#[test]
fn what_is_in_memory_is_packed_and_compared_like_what_is_in_a_file() {
    let scratch = tempfile::tempdir().unwrap();
    let small = testing::write(scratch.path(), sync_id(), small_account()).unwrap();
    let path = scratch.path().join("small.c1z");
    small.pack(&path).unwrap();
    let unpacked = Snapshot::open(&path, scratch.path()).unwrap();
    assert_eq!(unpacked.counts(testing::TYPES).unwrap(), *small.counts());
    assert_eq!(unpacked.digest_of_ids().unwrap(), small.snapshot().digest_of_ids().unwrap());
    let large = testing::write(scratch.path(), sync_id(), testing::many_users()).unwrap();
    for (before, after) in [(&unpacked, large.snapshot()), (small.snapshot(), large.snapshot())] {
        let difference = Difference::between(before, after, testing::TYPES).unwrap();
        assert_eq!(difference.changes()["users"], Change { added: 150, removed: 2, changed: 0 });
    }
}

#[test]
fn the_database_has_what_both_generations_of_readers_look_for() {
    let scratch = tempfile::tempdir().unwrap();
    let finished = testing::write(scratch.path(), sync_id(), small_account()).unwrap();
    let connection = finished.snapshot().database().open().unwrap();
    let count = |kind: &str| -> i64 {
        let query =
            format!("select count(*) from sqlite_master where type = '{kind}' and name not like 'sqlite_%'");
        connection.query_row(&query, [], |row| row.get(0)).unwrap()
    };
    assert_eq!((count("table"), count("index")), (7, 16));
    let run: (String, String, String, String) = connection
        .query_row("select sync_id, started_at, ended_at, stats from v1_sync_runs", [], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?))
        })
        .unwrap();
    assert_eq!(run.0, sync_id().as_str());
    assert_eq!((run.1.as_str(), run.2.as_str()), ("2026-09-04 10:00:00.5", "2026-09-04 10:01:00"));
    assert_eq!(
        run.3,
        r#"{"resource_types":3,"resources":4,"entitlements":3,"grants":3,"resources_by_resource_type":{"organization":1,"team":1,"user":2},"entitlements_by_resource_type":{"organization":2,"team":1},"grants_by_resource_type":{"organization":2,"team":1}}"#
    );
}
