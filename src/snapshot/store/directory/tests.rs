use std::fs::File;
use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, SystemTime};

use jiff::{SignedDuration, Timestamp};
use tempfile::TempDir;

use super::*;
use crate::access::Record;
use crate::snapshot::store::{HoldId, Pruned, Retired};
use crate::snapshot::testing::{self, small_account, started_at, user};

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
            if !switched {
                let newest = it.store.newest(&it.owner).unwrap();
                assert_eq!(newest, expected, "nothing looks like one that is lost");
            }
            // And the next run goes on from there.
            let after = it.publish(2);
            assert_eq!(it.open_latest().unwrap().unwrap().0, after);
        }
    }
}

#[test]
fn a_snapshot_whose_publication_was_cut_off_goes_before_what_tells_so() {
    let it = Fixture::new();
    let (next, crash) = (it.run(1), |step| match step {
        Step::SnapshotNamed => Err(StoreError::CalledOff),
        _ => Ok(()),
    });
    it.store.publish_in_steps(&it.owner, &next, Receipt::default(), &mut Vec::new(), crash).unwrap_err();
    assert_eq!(it.names().len(), 2, "the snapshot, and its pointer");
    let later = jiff::Timestamp::now() + SignedDuration::from_hours(2);
    it.store.prune_leftovers(&it.owner, later).unwrap();
    assert_eq!(it.names(), [""; 0]);
    // Of one that counts only the pointer is too much.
    let counts = it.publish(0);
    fs::write(it.store.folder(&it.owner).join(format!("latest-{}.json.tmp", counts.id)), "{").unwrap();
    it.store.prune_leftovers(&it.owner, later).unwrap();
    assert_eq!(it.open_latest().unwrap().unwrap().0, counts);
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
