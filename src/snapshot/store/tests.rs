use std::fs::File;
use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, SystemTime};

use jiff::SignedDuration;
use tempfile::TempDir;

use super::*;
use crate::access::Record;
use crate::snapshot::testing::{self, small_account, started_at, time, user};

fn never() -> bool {
    false
}

struct Fixture {
    folder: TempDir,
    store: DirectoryStore,
    owner: Owner,
}

impl Fixture {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = DirectoryStore::new(folder.path().join("store"));
        let owner = Owner::new("identity", "ScalrConnector", "acme", "0d1e2f3a-0000-4000-8000-123456789abc");
        Self { folder, store, owner: owner.unwrap() }
    }

    fn scratch(&self) -> &Path {
        self.folder.path()
    }

    /// A finished run of an account with `users` more users than the small one.
    fn run(&self, users: usize) -> Finished {
        let mut records = small_account();
        records.extend((0..users).map(|id| Record::Resource(user(&format!("more-{id}")))));
        testing::write(self.scratch(), SyncId::new(started_at()), records).unwrap()
    }

    fn publish(&self, users: usize) -> Latest {
        self.store.publish(&self.owner, &self.run(users), Receipt::default(), &never).unwrap()
    }

    fn open_latest(&self) -> Result<Option<(Latest, Snapshot)>, StoreError> {
        self.store.open_latest(&self.owner, self.scratch())
    }

    fn names(&self) -> Vec<String> {
        let mut names: Vec<_> = fs::read_dir(self.store.folder(&self.owner))
            .unwrap()
            .map(|it| it.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }
}

#[test]
fn nothing_published_is_no_error() {
    let it = Fixture::new();
    assert!(it.open_latest().unwrap().is_none());
    assert_eq!(it.store.list(&it.owner).unwrap(), []);
    assert_eq!(it.store.owners().unwrap(), []);
    assert_eq!(it.store.prune(&it.owner, 3, started_at()).unwrap(), Pruned::default());
}

#[test]
fn what_is_published_is_the_latest_and_private() {
    let it = Fixture::new();
    let receipt =
        Receipt { account_id: Some("acc-1".to_owned()), lease_transitions: 3, ..Receipt::default() };
    let finished = it.run(1);
    let published = it.store.publish(&it.owner, &finished, receipt, &never).unwrap();
    let (latest, snapshot) = it.open_latest().unwrap().unwrap();
    assert_eq!(latest, published);
    assert_eq!(&latest.counts, finished.counts());
    assert_eq!((latest.account_id.as_deref(), latest.lease_transitions), (Some("acc-1"), 3));
    assert_eq!(latest.completed_at, testing::ended_at());
    assert_eq!(snapshot.run().id, latest.id);

    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    let folder = it.store.folder(&it.owner);
    for folder in folder.ancestors().take(5) {
        assert_eq!(mode(folder), 0o700, "{}", folder.display());
    }
    assert_eq!(mode(&folder.join(LATEST)), 0o600);
    assert_eq!(mode(&it.store.path(&it.owner, &latest.id)), 0o600);
    assert_eq!(it.store.owners().unwrap(), [it.owner]);
}

#[test]
fn latest_json_reads_as_documented() {
    let it = Fixture::new();
    let latest = it.publish(0);
    let text = fs::read(it.store.folder(&it.owner).join(LATEST)).unwrap();
    let json: serde_json::Value = serde_json::from_slice(&text).unwrap();
    assert_eq!(
        json,
        serde_json::json!({
            "id": latest.id.as_str(), "digest": latest.digest, "size": latest.size,
            "counts": {"entitlements": 3, "grants": 3, "organizations": 1, "teams": 1, "users": 2},
            "completedAt": "2026-09-04T10:01:00Z", "leaseTransitions": 0,
        })
    );
}

#[test]
fn publishing_the_same_run_again_is_harmless() {
    let it = Fixture::new();
    let finished = it.run(0);
    let first = it.store.publish(&it.owner, &finished, Receipt::default(), &never).unwrap();
    assert_eq!(it.store.publish(&it.owner, &finished, Receipt::default(), &never).unwrap(), first);
    assert_eq!(it.names(), [format!("{}.c1z", first.id), LATEST.to_owned()]);
}

#[test]
fn a_snapshot_that_is_there_does_not_change() {
    let it = Fixture::new();
    let finished = it.run(0);
    let path = it.store.path(&it.owner, &finished.snapshot().run().id);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(&path, "another").unwrap();
    let error = it.store.publish(&it.owner, &finished, Receipt::default(), &never).unwrap_err();
    assert!(matches!(error, StoreError::Occupied { .. }), "{error}");
    assert_eq!(fs::read(&path).unwrap(), b"another");
    assert!(it.store.latest(&it.owner).unwrap().is_none());
}

#[test]
fn a_crash_between_any_two_steps_leaves_a_whole_latest() {
    let steps = [
        (Step::FolderMade, false),
        (Step::SnapshotWritten, false),
        (Step::SnapshotNamed, false),
        (Step::PointerWritten, false),
        (Step::FenceRaised, false),
        (Step::HoldCleared, false),
        (Step::PointerSwitched, true),
    ];
    for (cut, switched) in steps {
        for published_before in [false, true] {
            let it = Fixture::new();
            let before = published_before.then(|| it.publish(0).id);
            let next = it.run(1);
            let cut_here = |step| {
                if step == cut {
                    Err(failed("crashing", Path::new("here"))(io::Error::other("crash")))
                } else {
                    Ok(())
                }
            };
            it.store
                .publish_in_steps(&it.owner, &next, Receipt::default(), &mut Vec::new(), cut_here)
                .unwrap_err();

            let found = it.open_latest().unwrap().map(|(latest, _)| latest.id);
            let expected = if switched { Some(next.snapshot().run().id.clone()) } else { before };
            assert_eq!(found, expected, "after {cut:?}");
            // And the next run goes on from there.
            let after = it.publish(2);
            assert_eq!(it.open_latest().unwrap().unwrap().0, after);
        }
    }
}

#[test]
fn a_former_leader_does_not_publish() {
    let it = Fixture::new();
    let newer = Receipt { lease_transitions: 8, ..Receipt::default() };
    let published = it.store.publish(&it.owner, &it.run(0), newer, &never).unwrap();
    let older = Receipt { lease_transitions: 7, ..Receipt::default() };
    let error = it.store.publish(&it.owner, &it.run(1), older.clone(), &never).unwrap_err();
    assert!(matches!(error, StoreError::Fenced { stored: 8, ours: 7, .. }), "{error}");
    assert_eq!(it.open_latest().unwrap().unwrap().0, published);

    // Even when the other one publishes while this one is packing.
    let it = Fixture::new();
    let (slow, fast) = (it.run(0), it.run(1));
    let meanwhile = |step| {
        if step == Step::SnapshotNamed {
            let newer = Receipt { lease_transitions: 8, ..Receipt::default() };
            it.store.publish(&it.owner, &fast, newer, &never)?;
        }
        Ok(())
    };
    let error = it.store.publish_in_steps(&it.owner, &slow, older, &mut Vec::new(), meanwhile).unwrap_err();
    assert!(matches!(error, StoreError::Fenced { .. }), "{error}");
    assert_eq!(it.open_latest().unwrap().unwrap().0.id, fast.snapshot().run().id);
}

#[test]
fn a_latest_that_is_missing_or_damaged_is_lost_and_not_a_first_run() {
    let damages: [fn(&Path, &Path); 4] = [
        |snapshot, _| fs::remove_file(snapshot).unwrap(),
        |snapshot, _| File::options().write(true).open(snapshot).unwrap().set_len(100).unwrap(),
        |snapshot, _| fs::write(snapshot, "another").unwrap(),
        |_, pointer| fs::write(pointer, "{").unwrap(),
    ];
    for damage in damages {
        let it = Fixture::new();
        let latest = it.publish(0);
        damage(&it.store.path(&it.owner, &latest.id), &it.store.folder(&it.owner).join(LATEST));
        let error = it.open_latest().unwrap_err();
        assert!(matches!(error, StoreError::BaselineLost { .. }), "{error}");
        // The way out is a new run.
        let next = it.publish(1);
        assert_eq!(it.open_latest().unwrap().unwrap().0, next);
    }
}

#[test]
fn a_latest_that_leads_elsewhere_is_lost() {
    let it = Fixture::new();
    it.publish(0);
    let pointer = it.store.folder(&it.owner).join(LATEST);
    let text = fs::read_to_string(&pointer).unwrap();
    let id = it.store.latest(&it.owner).unwrap().unwrap().id;
    fs::write(&pointer, text.replace(id.as_str(), "../../../../../../etc/shadow")).unwrap();
    assert!(matches!(it.open_latest().unwrap_err(), StoreError::BaselineLost { .. }));
}

#[test]
fn pruning_keeps_the_last_ones_and_the_one_that_counts() {
    let it = Fixture::new();
    let id = |minute: &str| SyncId::new(time(&format!("2026-09-04T10:{minute}:00Z")));
    let publish = |id: SyncId| {
        let finished = testing::write(it.scratch(), id, small_account()).unwrap();
        it.store.publish(&it.owner, &finished, Receipt::default(), &never).unwrap().id
    };
    let newer = [publish(id("10")), publish(id("20")), publish(id("30"))];
    // The clock went back: the one that counts has the earliest id.
    let latest = publish(id("00"));
    let pruned = it.store.prune(&it.owner, 2, started_at()).unwrap();
    assert_eq!(pruned, Pruned { snapshots: 1, leftovers: 0 });
    let entries = it.store.list(&it.owner).unwrap();
    let kept: Vec<_> = entries.iter().map(|it| (it.id.clone(), it.latest)).collect();
    assert_eq!(kept, [(latest, true), (newer[1].clone(), false), (newer[2].clone(), false)]);
    it.store.prune(&it.owner, 0, started_at()).unwrap();
    assert_eq!(it.store.list(&it.owner).unwrap().len(), 1);
    assert!(it.open_latest().unwrap().is_some());
}

#[test]
fn pruning_removes_what_was_left_incomplete_an_hour_ago_and_nothing_else() {
    let it = Fixture::new();
    it.publish(0);
    let folder = it.store.folder(&it.owner);
    let now = Timestamp::now();
    for (name, minutes) in [("old.c1z.tmp", 61), ("young.c1z.tmp", 59), ("old.txt", 61), ("future.tmp", -5)] {
        let file = File::create(folder.join(name)).unwrap();
        let age = SignedDuration::from_mins(minutes);
        file.set_modified(SystemTime::from(now - age)).unwrap();
    }
    assert_eq!(it.store.prune(&it.owner, 1, now).unwrap(), Pruned { snapshots: 0, leftovers: 1 });
    assert!(!it.names().contains(&"old.c1z.tmp".to_owned()));
    assert_eq!(it.names().len(), 5);
}

#[test]
fn the_snapshots_of_a_deleted_owner_go_after_the_retention() {
    let it = Fixture::new();
    it.publish(0);
    let (first, week) = (started_at(), SignedDuration::from_hours(7 * 24));
    let retire = |now| it.store.retire(&it.owner, now, week).unwrap();
    assert_eq!(retire(first), Retired::Kept { since: first });
    assert_eq!(retire(first + SignedDuration::from_hours(6 * 24)), Retired::Kept { since: first });
    assert!(it.open_latest().unwrap().is_some());
    assert_eq!(retire(first + week), Retired::Removed);
    assert_eq!(it.store.owners().unwrap(), []);
    assert!(!it.store.root().join("identity").exists());
    assert_eq!(retire(first + week), Retired::Removed);
}

#[test]
fn another_owner_of_the_same_name_stays() {
    let it = Fixture::new();
    it.publish(0);
    let again =
        Owner::new("identity", "ScalrConnector", "acme", "11111111-0000-4000-8000-123456789abc").unwrap();
    it.store.publish(&again, &it.run(0), Receipt::default(), &never).unwrap();
    it.store.retire(&it.owner, started_at(), SignedDuration::ZERO).unwrap();
    it.store.retire(&it.owner, started_at(), SignedDuration::ZERO).unwrap();
    assert_eq!(it.store.owners().unwrap(), [again]);
}

#[test]
fn an_owner_that_exists_after_all_begins_a_new_retention() {
    let it = Fixture::new();
    it.publish(0);
    let (first, day) = (started_at(), SignedDuration::from_hours(24));
    it.store.retire(&it.owner, first, day).unwrap();
    it.publish(1);
    assert_eq!(it.store.retire(&it.owner, first + day, day).unwrap(), Retired::Kept { since: first + day });
    it.store.revive(&it.owner).unwrap();
    it.store.revive(&it.owner).unwrap();
    assert_eq!(it.store.retire(&it.owner, first + day, day).unwrap(), Retired::Kept { since: first + day });
}

#[test]
fn what_others_put_into_the_store_is_passed_over() {
    let it = Fixture::new();
    it.publish(0);
    fs::create_dir_all(it.store.root().join("lost+found/a/b/c")).unwrap();
    fs::write(it.store.root().join("README"), "").unwrap();
    fs::write(it.store.folder(&it.owner).join("notes.c1z"), "").unwrap();
    std::os::unix::fs::symlink("/", it.store.root().join("identity/scalrconnector/link")).unwrap();
    assert_eq!(it.store.owners().unwrap(), std::slice::from_ref(&it.owner));
    assert_eq!(it.store.list(&it.owner).unwrap().len(), 1);
    let old = Duration::from_secs(0);
    assert_eq!(it.store.prune(&it.owner, 1, Timestamp::now() + old).unwrap(), Pruned::default());
}

fn hold(it: &Fixture, lines: &[&str]) -> String {
    let (mut id, mut writer) = (HoldId::default(), it.store.begin_hold(&it.owner).unwrap());
    for line in lines {
        id.line(line);
        writer.line(line).unwrap();
    }
    writer.keep().unwrap();
    id.id()
}

fn held(it: &Fixture) -> Option<String> {
    let text = it.store.held(&it.owner).unwrap();
    text.map(|text| std::io::read_to_string(text).unwrap())
}

#[test]
fn a_hold_is_private_and_found_by_its_id_and_the_next_one_takes_its_place() {
    let it = Fixture::new();
    assert!(held(&it).is_none());
    let first = hold(&it, &["- user:u1"]);
    let second = hold(&it, &["- user:u1", "- user:u2"]);
    assert_eq!((first.len(), second.len()), (16, 16));
    assert_eq!(held(&it).unwrap(), "- user:u1\n- user:u2\n");
    assert!(it.store.held_as(&it.owner, &second).unwrap().is_some());
    assert!(it.store.held_as(&it.owner, &first).unwrap().is_none());
    let path = it.store.folder(&it.owner).join("held.txt.zst");
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(it.names(), ["held.txt.zst"]);
}

#[test]
fn a_hold_that_is_damaged_approves_nothing() {
    let it = Fixture::new();
    let lines: Vec<_> = (0..1000).map(|number| format!("- user:u{number}")).collect();
    let id = hold(&it, &lines.iter().map(String::as_str).collect::<Vec<_>>());
    let path = it.store.folder(&it.owner).join("held.txt.zst");
    let whole = fs::read(&path).unwrap();
    for damaged in [&whole[..whole.len() / 2], &whole[..10], b"", b"another"] {
        fs::write(&path, damaged).unwrap();
        assert!(it.store.held_as(&it.owner, &id).unwrap().is_none(), "{} bytes", damaged.len());
    }
    fs::write(&path, &whole).unwrap();
    assert!(it.store.held_as(&it.owner, &id).unwrap().is_some());
}

#[test]
fn a_publication_clears_what_is_held_and_a_crash_before_it_does_not() {
    for (cut, stays) in [
        (Step::FolderMade, true),
        (Step::SnapshotWritten, true),
        (Step::SnapshotNamed, true),
        (Step::PointerWritten, true),
        (Step::FenceRaised, true),
        // Lost, but nothing was published either: the next run holds the same again.
        (Step::HoldCleared, false),
        (Step::PointerSwitched, false),
    ] {
        let it = Fixture::new();
        it.publish(0);
        hold(&it, &["- user:u1"]);
        let crash = |step| if step == cut { Err(StoreError::CalledOff) } else { Ok(()) };
        it.store
            .publish_in_steps(&it.owner, &it.run(1), Receipt::default(), &mut Vec::new(), crash)
            .unwrap_err();
        assert_eq!(held(&it).is_some(), stays, "after {cut:?}");
        it.publish(2);
        assert!(held(&it).is_none());
    }
}

#[test]
fn a_run_that_is_called_off_while_it_packs_publishes_nothing_and_leaves_what_is_held() {
    for asked_before in [0, 1] {
        let it = Fixture::new();
        let published = it.publish(0);
        hold(&it, &["- user:u1"]);
        let asked = std::cell::Cell::new(0);
        let called_off = || {
            asked.set(asked.get() + 1);
            asked.get() > asked_before
        };
        let before = it.names();
        let error = it.store.publish(&it.owner, &it.run(1), Receipt::default(), &called_off).unwrap_err();
        assert!(matches!(error, StoreError::CalledOff), "{error}");
        assert_eq!(it.names(), before, "nothing is left behind");
        assert_eq!(it.open_latest().unwrap().unwrap().0, published);
        assert!(held(&it).is_some());
    }
}

#[test]
fn what_was_compared_with_another_than_the_latest_is_not_published() {
    let it = Fixture::new();
    let compared_with_nothing = Receipt { replaces: Replaces::Nothing, ..Receipt::default() };
    let first = it.store.publish(&it.owner, &it.run(0), compared_with_nothing.clone(), &never).unwrap();
    let compared_with_first = Receipt { replaces: Replaces::Run(first.id.clone()), ..Receipt::default() };
    let second = it.store.publish(&it.owner, &it.run(1), compared_with_first.clone(), &never).unwrap();
    for receipt in [compared_with_nothing, compared_with_first] {
        let error = it.store.publish(&it.owner, &it.run(2), receipt, &never).unwrap_err();
        assert!(matches!(error, StoreError::Overtaken { .. }), "{error}");
    }
    assert_eq!(it.open_latest().unwrap().unwrap().0, second);
}

#[test]
fn a_former_leader_stays_out_although_latest_json_is_damaged() {
    let it = Fixture::new();
    let leader = |lease_transitions| Receipt { lease_transitions, ..Receipt::default() };
    it.store.publish(&it.owner, &it.run(0), leader(8), &never).unwrap();
    let pointer = it.store.folder(&it.owner).join(LATEST);
    for damage in ["", "{", "[]"] {
        fs::write(&pointer, damage).unwrap();
        let error = it.store.publish(&it.owner, &it.run(1), leader(7), &never).unwrap_err();
        assert!(matches!(error, StoreError::Fenced { stored: 8, ours: 7, .. }), "{error}");
    }
    let next = it.store.publish(&it.owner, &it.run(1), leader(8), &never).unwrap();
    assert_eq!(it.open_latest().unwrap().unwrap().0, next);
}

#[test]
fn whoever_is_overtaken_while_packing_leaves_nothing_behind_and_removes_nothing_of_others() {
    let it = Fixture::new();
    let first = it.publish(0);
    let (slow, fast) = (it.run(1), it.run(2));
    let receipt = Receipt { replaces: Replaces::Run(first.id.clone()), ..Receipt::default() };
    let called_off = || {
        if it.store.latest(&it.owner).unwrap().unwrap().id == first.id {
            it.store.publish(&it.owner, &fast, receipt.clone(), &never).unwrap();
        }
        false
    };
    let error = it.store.publish(&it.owner, &slow, receipt.clone(), &called_off).unwrap_err();
    assert!(matches!(error, StoreError::Overtaken { .. }), "{error}");
    let fast = &fast.snapshot().run().id;
    let mut expected = vec![format!("{}.c1z", first.id), format!("{fast}.c1z"), LATEST.to_owned()];
    expected.sort();
    assert_eq!(it.names(), expected);

    // A run that is published already, and then called off when it comes again, stays.
    let finished = it.run(3);
    it.store.publish(&it.owner, &finished, Receipt::default(), &never).unwrap();
    let before = it.names();
    let asked = std::cell::Cell::new(0);
    let late = || asked.replace(asked.get() + 1) > 0;
    it.store.publish(&it.owner, &finished, Receipt::default(), &late).unwrap_err();
    assert_eq!(it.names(), before);
    assert!(it.open_latest().unwrap().is_some());
}

#[test]
fn a_switch_that_fails_leaves_nothing_behind() {
    let it = Fixture::new();
    let pointer = it.store.folder(&it.owner).join(LATEST);
    let called_off = || {
        // Nothing can be renamed to a folder.
        fs::create_dir_all(&pointer).unwrap();
        false
    };
    let error = it.store.publish(&it.owner, &it.run(0), Receipt::default(), &called_off).unwrap_err();
    assert!(matches!(error, StoreError::Io { .. }), "{error}");
    assert_eq!(it.names(), [LATEST]);
}

#[test]
fn a_deletion_mark_that_cannot_be_removed_does_not_fail_what_is_published() {
    let it = Fixture::new();
    it.publish(0);
    fs::create_dir(it.store.folder(&it.owner).join("deleted-since")).unwrap();
    let latest = it.publish(1);
    assert_eq!(it.open_latest().unwrap().unwrap().0, latest);
}

#[test]
fn a_fence_that_cannot_be_understood_is_an_error_that_names_it() {
    let it = Fixture::new();
    it.publish(0);
    for damage in ["", "eight", "-1"] {
        fs::write(it.store.folder(&it.owner).join("lease-transitions"), damage).unwrap();
        let error =
            it.store.publish(&it.owner, &it.run(1), Receipt::default(), &never).unwrap_err().to_string();
        assert!(error.contains("lease-transitions: it holds no number"), "{error}");
    }
}

#[test]
fn a_latest_whose_database_is_none_is_lost() {
    let it = Fixture::new();
    let mut latest = it.publish(0);
    let path = it.store.path(&it.owner, &latest.id);
    let database = it.scratch().join("database");
    for content in ["no database at all".repeat(100), String::new()] {
        fs::write(&database, content).unwrap();
        let packed = container::pack(&database, &path).unwrap();
        (latest.digest, latest.size) = (packed.digest, packed.size);
        write_pointer(&it.store.folder(&it.owner).join(LATEST), &latest).unwrap();
        let error = it.open_latest().unwrap_err();
        assert!(matches!(error, StoreError::BaselineLost { .. }), "{error}");
    }
}
