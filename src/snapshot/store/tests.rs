//! What holds wherever snapshots are kept: in a folder as in a bucket.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use futures::TryStreamExt;
use jiff::SignedDuration;
use object_store::memory::InMemory;
use object_store::path::Path as Key;
use object_store::{ObjectStore, ObjectStoreExt};
use rstest::rstest;
use tempfile::TempDir;

use super::*;
use crate::access::Record;
use crate::snapshot::container;
use crate::snapshot::testing::{self, small_account, started_at, time, user};

pub(super) fn never() -> bool {
    false
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
}

/// Where the snapshots of a test are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kept {
    InFolders,
    InABucket,
}

/// A store, and a way past it to what is in there.
pub(super) struct Fixture {
    folder: TempDir,
    pub(super) store: Store,
    pub(super) owner: Owner,
    raw: Raw,
}

enum Raw {
    Folder(PathBuf),
    Bucket(Arc<dyn ObjectStore>),
}

const UID: &str = "0d1e2f3a-0000-4000-8000-123456789abc";
const OWN: &str = "identity/scalrconnector/acme/0d1e2f3a-0000-4000-8000-123456789abc";

impl Fixture {
    fn new(kept: Kept) -> Self {
        let folder = tempfile::tempdir().unwrap();
        match kept {
            Kept::InFolders => {
                let root = folder.path().join("store");
                Self::of(folder, DirectoryStore::new(&root).into(), Raw::Folder(root))
            }
            Kept::InABucket => Self::over(folder, Arc::new(InMemory::new())),
        }
    }

    pub(super) fn over(folder: TempDir, objects: Arc<dyn ObjectStore>) -> Self {
        let address = "s3://snapshots/prod".parse().unwrap();
        let store = BucketStore::over(Arc::clone(&objects), address, folder.path().to_owned()).unwrap();
        Self::of(folder, store.into(), Raw::Bucket(objects))
    }

    fn of(folder: TempDir, store: Store, raw: Raw) -> Self {
        let owner = Owner::new("identity", "ScalrConnector", "acme", UID).unwrap();
        Self { folder, store, owner, raw }
    }

    pub(super) fn scratch(&self) -> &Path {
        self.folder.path()
    }

    /// A finished run of an account with `users` more users than the small one.
    pub(super) fn run(&self, users: usize) -> Finished {
        let mut records = small_account();
        records.extend((0..users).map(|id| Record::Resource(user(&format!("more-{id}")))));
        testing::write(self.scratch(), SyncId::new(started_at()), records).unwrap()
    }

    pub(super) fn publish(&self, users: usize) -> Latest {
        self.publish_as(&self.run(users), Receipt::default()).unwrap()
    }

    pub(super) fn publish_as(&self, run: &Finished, receipt: Receipt) -> Result<Latest, StoreError> {
        self.store.publish(&self.owner, run, receipt, &never)
    }

    pub(super) fn open_latest(&self) -> Result<Option<(Latest, Snapshot)>, StoreError> {
        self.store.open_latest(&self.owner, self.scratch())
    }

    /// The names of what is in the owner's folder, in order.
    pub(super) fn names(&self) -> Vec<String> {
        let mut names: Vec<String> = match &self.raw {
            Raw::Folder(root) => {
                let entries = fs::read_dir(root.join(OWN)).into_iter().flatten();
                entries.map(|it| it.unwrap().file_name().into_string().unwrap()).collect()
            }
            Raw::Bucket(objects) => {
                let key = Key::parse(format!("prod/{OWN}")).unwrap();
                let found: Vec<_> = block_on(objects.list(Some(&key)).try_collect()).unwrap();
                found.iter().map(|it| it.location.filename().unwrap().to_owned()).collect()
            }
        };
        names.sort();
        names
    }

    fn at(&self, name: &str) -> (PathBuf, Key) {
        let root = match &self.raw {
            Raw::Folder(root) => root.clone(),
            Raw::Bucket(_) => PathBuf::new(),
        };
        (root.join(OWN).join(name), Key::parse(format!("prod/{OWN}/{name}")).unwrap())
    }

    pub(super) fn put(&self, name: &str, content: &[u8]) {
        let (path, key) = self.at(name);
        match &self.raw {
            Raw::Folder(_) => {
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                fs::write(path, content).unwrap();
            }
            Raw::Bucket(objects) => drop(block_on(objects.put(&key, content.to_vec().into())).unwrap()),
        }
    }

    pub(super) fn get(&self, name: &str) -> Vec<u8> {
        let (path, key) = self.at(name);
        match &self.raw {
            Raw::Folder(_) => fs::read(path).unwrap(),
            Raw::Bucket(objects) => {
                block_on(async { objects.get(&key).await.unwrap().bytes().await.unwrap() }).to_vec()
            }
        }
    }

    fn take(&self, name: &str) {
        let (path, key) = self.at(name);
        match &self.raw {
            Raw::Folder(_) => fs::remove_file(path).unwrap(),
            Raw::Bucket(objects) => block_on(objects.delete(&key)).unwrap(),
        }
    }

    pub(super) fn hold(&self, lines: &[&str]) -> String {
        let (mut id, mut writer) = (HoldId::default(), self.store.begin_hold(&self.owner).unwrap());
        for line in lines {
            id.line(line);
            writer.line(line).unwrap();
        }
        writer.keep().unwrap();
        id.id()
    }

    pub(super) fn held(&self) -> Option<String> {
        let text = self.store.held(&self.owner).unwrap();
        text.map(|text| std::io::read_to_string(text).unwrap())
    }
}

fn file_of(id: &SyncId) -> String {
    format!("{id}.c1z")
}

fn leader(lease_transitions: u64) -> Receipt {
    Receipt { lease_transitions, ..Receipt::default() }
}

#[rstest]
fn nothing_published_is_no_error(#[values(Kept::InFolders, Kept::InABucket)] kept: Kept) {
    let it = Fixture::new(kept);
    assert!(it.open_latest().unwrap().is_none());
    assert_eq!(it.store.list(&it.owner).unwrap(), []);
    assert_eq!(it.store.owners().unwrap(), []);
    assert_eq!(it.store.newest(&it.owner).unwrap(), None);
    assert_eq!(it.store.prune(&it.owner, 3, started_at()).unwrap(), Pruned::default());
    assert!(it.store.fetch(&it.owner, &SyncId::new(started_at()), it.scratch()).unwrap().is_none());
}

#[rstest]
fn what_is_published_is_the_latest(#[values(Kept::InFolders, Kept::InABucket)] kept: Kept) {
    let it = Fixture::new(kept);
    let receipt = Receipt { account_id: Some("acc-1".to_owned()), ..leader(3) };
    let finished = it.run(1);
    let published = it.publish_as(&finished, receipt).unwrap();
    let (latest, snapshot) = it.open_latest().unwrap().unwrap();
    assert_eq!(latest, published);
    assert_eq!(&latest.counts, finished.counts());
    assert_eq!((latest.account_id.as_deref(), latest.lease_transitions), (Some("acc-1"), 3));
    assert_eq!(latest.completed_at, testing::ended_at());
    assert_eq!(snapshot.run().id, latest.id);
    let entry = Entry { id: latest.id.clone(), size: latest.size, latest: true };
    assert_eq!(it.store.list(&it.owner).unwrap(), [entry]);
    assert_eq!(it.store.newest(&it.owner).unwrap(), Some(latest.id.clone()));
    assert_eq!(it.store.last_term(&it.owner).unwrap(), 3);
    assert_eq!(it.store.owners().unwrap(), std::slice::from_ref(&it.owner));
    assert_eq!(
        it.store.owners_named("identity", "scalrconnector", "acme").unwrap(),
        std::slice::from_ref(&it.owner)
    );
    for (namespace, name) in [("identity", "acm"), ("other", "acme"), ("..", "acme"), ("identity", "../acme")]
    {
        assert_eq!(it.store.owners_named(namespace, "scalrconnector", name).unwrap(), []);
    }
    let file = it.store.fetch(&it.owner, &latest.id, it.scratch()).unwrap().unwrap();
    assert_eq!(container::digest(&file).unwrap(), latest.digest);
    assert_eq!(fs::read(&*file).unwrap(), it.get(&file_of(&latest.id)));
}

#[rstest]
fn latest_json_reads_as_documented(#[values(Kept::InFolders, Kept::InABucket)] kept: Kept) {
    let it = Fixture::new(kept);
    let latest = it.publish(0);
    let json: serde_json::Value = serde_json::from_slice(&it.get(LATEST)).unwrap();
    assert_eq!(
        json,
        serde_json::json!({
            "id": latest.id.as_str(), "digest": latest.digest, "size": latest.size,
            "counts": {"entitlements": 3, "grants": 3, "organizations": 1, "teams": 1, "users": 2},
            "completedAt": "2026-09-04T10:01:00Z", "leaseTransitions": 0,
        })
    );
}

#[rstest]
fn publishing_the_same_run_again_is_harmless(#[values(Kept::InFolders, Kept::InABucket)] kept: Kept) {
    let it = Fixture::new(kept);
    let finished = it.run(0);
    let first = it.publish_as(&finished, Receipt::default()).unwrap();
    assert_eq!(it.publish_as(&finished, Receipt::default()).unwrap(), first);
    assert_eq!(it.names(), [file_of(&first.id), LATEST.to_owned()]);
}

#[rstest]
fn a_snapshot_that_is_there_does_not_change(#[values(Kept::InFolders, Kept::InABucket)] kept: Kept) {
    let it = Fixture::new(kept);
    let finished = it.run(0);
    let file = file_of(&finished.snapshot().run().id);
    it.put(&file, b"another");
    let error = it.publish_as(&finished, Receipt::default()).unwrap_err();
    assert!(matches!(error, StoreError::Occupied { .. }), "{error}");
    assert_eq!(it.get(&file), b"another");
    assert_eq!(it.names(), [file]);
    assert!(it.store.latest(&it.owner).unwrap().is_none());
}

#[rstest]
fn a_former_leader_does_not_publish(#[values(Kept::InFolders, Kept::InABucket)] kept: Kept) {
    let it = Fixture::new(kept);
    let published = it.publish_as(&it.run(0), leader(8)).unwrap();
    let error = it.publish_as(&it.run(1), leader(7)).unwrap_err();
    assert!(matches!(error, StoreError::Fenced { stored: 8, ours: 7, .. }), "{error}");
    assert_eq!(it.open_latest().unwrap().unwrap().0, published);

    // Even when the other one publishes while this one is packing.
    let it = Fixture::new(kept);
    let (slow, fast) = (it.run(0), it.run(1));
    let fast_id = fast.snapshot().run().id.clone();
    let meanwhile = || {
        if it.store.latest(&it.owner).unwrap().is_none() {
            it.publish_as(&fast, leader(8)).unwrap();
        }
        false
    };
    let error = it.store.publish(&it.owner, &slow, leader(7), &meanwhile).unwrap_err();
    assert!(matches!(error, StoreError::Fenced { .. }), "{error}");
    assert_eq!(it.open_latest().unwrap().unwrap().0.id, fast_id);
}

#[rstest]
fn a_latest_that_is_missing_or_damaged_is_lost_and_not_a_first_run(
    #[values(Kept::InFolders, Kept::InABucket)] kept: Kept,
) {
    let damages: [fn(&Fixture, &str); 5] = [
        |it, file| it.take(file),
        |it, file| it.put(file, &it.get(file)[..100]),
        |it, file| it.put(file, b"another"),
        |it, file| it.put(file, &vec![0; it.get(file).len()]),
        |it, _| it.put(LATEST, b"{"),
    ];
    for damage in damages {
        let it = Fixture::new(kept);
        let latest = it.publish(0);
        damage(&it, &file_of(&latest.id));
        let error = it.open_latest().unwrap_err();
        assert!(matches!(error, StoreError::BaselineLost { .. }), "{error}");
        // The way out is a new run.
        let next = it.publish(1);
        assert_eq!(it.open_latest().unwrap().unwrap().0, next);
    }
}

#[rstest]
fn a_latest_that_leads_elsewhere_is_lost(#[values(Kept::InFolders, Kept::InABucket)] kept: Kept) {
    let it = Fixture::new(kept);
    let latest = it.publish(0);
    let text = String::from_utf8(it.get(LATEST)).unwrap();
    it.put(LATEST, text.replace(latest.id.as_str(), "../../../../../../etc/shadow").as_bytes());
    assert!(matches!(it.open_latest().unwrap_err(), StoreError::BaselineLost { .. }));
}

#[rstest]
fn a_latest_whose_database_is_none_is_lost(#[values(Kept::InFolders, Kept::InABucket)] kept: Kept) {
    let it = Fixture::new(kept);
    let mut latest = it.publish(0);
    let (database, path) = (it.scratch().join("database"), it.scratch().join("packed.c1z"));
    for content in ["no database at all".repeat(100), String::new()] {
        fs::write(&database, content).unwrap();
        let packed = container::pack(database.as_path(), &path).unwrap();
        (latest.digest, latest.size) = (packed.digest, packed.size);
        it.put(&file_of(&latest.id), &fs::read(&path).unwrap());
        it.put(LATEST, &serde_json::to_vec(&latest).unwrap());
        let error = it.open_latest().unwrap_err();
        assert!(matches!(error, StoreError::BaselineLost { .. }), "{error}");
    }
}

#[rstest]
fn pruning_keeps_the_last_ones_and_the_one_that_counts(
    #[values(Kept::InFolders, Kept::InABucket)] kept: Kept,
) {
    let it = Fixture::new(kept);
    let publish = |minute: &str| {
        let id = SyncId::new(time(&format!("2026-09-04T10:{minute}:00Z")));
        let finished = testing::write(it.scratch(), id, small_account()).unwrap();
        it.publish_as(&finished, Receipt::default()).unwrap().id
    };
    let newer = [publish("10"), publish("20"), publish("30")];
    // The clock went back: the one that counts has the earliest id.
    let latest = publish("00");
    let pruned = it.store.prune(&it.owner, 2, started_at()).unwrap();
    assert_eq!(pruned, Pruned { snapshots: 1, leftovers: 0 });
    let entries = it.store.list(&it.owner).unwrap();
    let kept: Vec<_> = entries.iter().map(|it| (it.id.clone(), it.latest)).collect();
    assert_eq!(kept, [(latest, true), (newer[1].clone(), false), (newer[2].clone(), false)]);
    it.store.prune(&it.owner, 0, started_at()).unwrap();
    assert_eq!(it.store.list(&it.owner).unwrap().len(), 1);
    assert!(it.open_latest().unwrap().is_some());
}

#[rstest]
fn what_a_cut_off_publication_left_goes_after_an_hour(
    #[values(Kept::InFolders, Kept::InABucket)] kept: Kept,
) {
    let it = Fixture::new(kept);
    let latest = it.publish(0);
    let cut_off = SyncId::new(started_at());
    it.put(&file_of(&cut_off), b"whole");
    it.put(&format!("latest-{cut_off}.json.tmp"), b"{}");
    assert_eq!(it.store.newest(&it.owner).unwrap(), Some(latest.id.clone()), "it was never published");
    let now = Timestamp::now();
    assert_eq!(it.store.prune_leftovers(&it.owner, now).unwrap(), 0, "it may be on its way");
    assert_eq!(it.store.prune_leftovers(&it.owner, now + SignedDuration::from_hours(2)).unwrap(), 1);
    assert_eq!(it.names(), [file_of(&latest.id), LATEST.to_owned()]);
    // Of one that counts only the pointer is too much.
    it.put(&format!("latest-{}.json.tmp", latest.id), b"{}");
    it.store.prune_leftovers(&it.owner, now + SignedDuration::from_hours(2)).unwrap();
    assert_eq!(it.names(), [file_of(&latest.id), LATEST.to_owned()]);
}

#[rstest]
fn the_snapshots_of_a_deleted_owner_go_after_the_retention(
    #[values(Kept::InFolders, Kept::InABucket)] kept: Kept,
) {
    let it = Fixture::new(kept);
    it.publish_as(&it.run(0), leader(3)).unwrap();
    it.hold(&["- user:u1"]);
    let (first, week) = (started_at(), SignedDuration::from_hours(7 * 24));
    let retire = |now| it.store.retire(&it.owner, now, week).unwrap();
    assert!(!it.store.is_retired(&it.owner).unwrap());
    assert_eq!(retire(first), Retired::Kept { since: first });
    assert!(it.store.is_retired(&it.owner).unwrap());
    assert_eq!(retire(first + SignedDuration::from_hours(6 * 24)), Retired::Kept { since: first });
    assert!(it.open_latest().unwrap().is_some());
    assert_eq!(retire(first + week), Retired::Removed);
    assert_eq!(it.names(), [""; 0]);
    assert_eq!(it.store.owners().unwrap(), []);
    assert_eq!(retire(first + week), Retired::Removed);
}

#[rstest]
fn another_owner_of_the_same_name_stays(#[values(Kept::InFolders, Kept::InABucket)] kept: Kept) {
    let it = Fixture::new(kept);
    it.publish(0);
    let again = Owner::new("identity", "ScalrConnector", "acme", "11111111-0000-4000-8000-123456789abc");
    let again = again.unwrap();
    it.store.publish(&again, &it.run(0), Receipt::default(), &never).unwrap();
    let mut both = vec![it.owner.clone(), again.clone()];
    both.sort();
    assert_eq!(it.store.owners_named("identity", "scalrconnector", "acme").unwrap(), both);
    it.store.retire(&it.owner, started_at(), SignedDuration::ZERO).unwrap();
    it.store.retire(&it.owner, started_at(), SignedDuration::ZERO).unwrap();
    assert_eq!(it.store.owners().unwrap(), [again]);
}

#[rstest]
fn an_owner_that_exists_after_all_begins_a_new_retention(
    #[values(Kept::InFolders, Kept::InABucket)] kept: Kept,
) {
    let it = Fixture::new(kept);
    it.publish(0);
    let (first, day) = (started_at(), SignedDuration::from_hours(24));
    it.store.retire(&it.owner, first, day).unwrap();
    it.publish(1);
    assert_eq!(it.store.retire(&it.owner, first + day, day).unwrap(), Retired::Kept { since: first + day });
    it.store.revive(&it.owner).unwrap();
    it.store.revive(&it.owner).unwrap();
    assert_eq!(it.store.retire(&it.owner, first + day, day).unwrap(), Retired::Kept { since: first + day });
    it.put(DELETED_SINCE, b"yesterday");
    assert_eq!(it.store.retire(&it.owner, first, day).unwrap(), Retired::Kept { since: first });
}

#[rstest]
fn a_hold_is_found_by_its_id_and_the_next_one_takes_its_place(
    #[values(Kept::InFolders, Kept::InABucket)] kept: Kept,
) {
    let it = Fixture::new(kept);
    assert!(it.held().is_none());
    it.store.clear_hold(&it.owner).unwrap();
    let first = it.hold(&["- user:u1"]);
    let second = it.hold(&["- user:u1", "- user:u2"]);
    assert_eq!((first.len(), second.len()), (16, 16));
    assert_eq!(it.held().unwrap(), "- user:u1\n- user:u2\n");
    assert!(it.store.held_as(&it.owner, &second).unwrap().is_some());
    assert!(it.store.held_as(&it.owner, &first).unwrap().is_none());
    assert_eq!(it.names(), [HELD]);
    it.publish(0);
    assert!(it.held().is_none(), "a publication clears it");
}

#[rstest]
fn a_hold_that_is_damaged_approves_nothing(#[values(Kept::InFolders, Kept::InABucket)] kept: Kept) {
    let it = Fixture::new(kept);
    let lines: Vec<_> = (0..1000).map(|number| format!("- user:u{number}")).collect();
    let id = it.hold(&lines.iter().map(String::as_str).collect::<Vec<_>>());
    let whole = it.get(HELD);
    for damaged in [&whole[..whole.len() / 2], &whole[..10], b"", b"another"] {
        it.put(HELD, damaged);
        assert!(it.store.held_as(&it.owner, &id).unwrap().is_none(), "{} bytes", damaged.len());
    }
    it.put(HELD, &whole);
    assert!(it.store.held_as(&it.owner, &id).unwrap().is_some());
}

#[rstest]
fn a_run_that_is_called_off_while_it_packs_publishes_nothing_and_leaves_what_is_held(
    #[values(Kept::InFolders, Kept::InABucket)] kept: Kept,
) {
    for asked_before in [0, 1] {
        let it = Fixture::new(kept);
        let published = it.publish(0);
        it.hold(&["- user:u1"]);
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
        assert!(it.held().is_some());
    }
}

#[rstest]
fn what_was_compared_with_another_than_the_latest_is_not_published(
    #[values(Kept::InFolders, Kept::InABucket)] kept: Kept,
) {
    let it = Fixture::new(kept);
    let compared_with_nothing = Receipt { replaces: Replaces::Nothing, ..Receipt::default() };
    let first = it.publish_as(&it.run(0), compared_with_nothing.clone()).unwrap();
    let compared_with_first = Receipt { replaces: Replaces::Run(first.id), ..Receipt::default() };
    let second = it.publish_as(&it.run(1), compared_with_first.clone()).unwrap();
    for receipt in [compared_with_nothing, compared_with_first] {
        let error = it.publish_as(&it.run(2), receipt).unwrap_err();
        assert!(matches!(error, StoreError::Overtaken { .. }), "{error}");
    }
    assert_eq!(it.open_latest().unwrap().unwrap().0, second);
}

#[rstest]
fn a_former_leader_stays_out_although_latest_json_is_damaged(
    #[values(Kept::InFolders, Kept::InABucket)] kept: Kept,
) {
    let it = Fixture::new(kept);
    it.publish_as(&it.run(0), leader(8)).unwrap();
    for damage in ["", "{", "[]"] {
        it.put(LATEST, damage.as_bytes());
        let error = it.publish_as(&it.run(1), leader(7)).unwrap_err();
        assert!(matches!(error, StoreError::Fenced { stored: 8, ours: 7, .. }), "{error}");
    }
    let next = it.publish_as(&it.run(1), leader(8)).unwrap();
    assert_eq!(it.open_latest().unwrap().unwrap().0, next);
    let next = it.publish_as(&it.run(1), leader(9)).unwrap();
    assert_eq!(it.store.last_term(&it.owner).unwrap(), next.lease_transitions);
}

#[rstest]
fn a_fence_that_cannot_be_understood_is_an_error_that_names_it(
    #[values(Kept::InFolders, Kept::InABucket)] kept: Kept,
) {
    let it = Fixture::new(kept);
    it.publish(0);
    for damage in ["", "eight", "-1"] {
        it.put(FENCE, damage.as_bytes());
        let error = it.publish_as(&it.run(1), Receipt::default()).unwrap_err().to_string();
        assert!(error.contains("lease-transitions: it holds no number"), "{error}");
    }
}

#[rstest]
fn whoever_is_overtaken_while_packing_leaves_nothing_behind_and_removes_nothing_of_others(
    #[values(Kept::InFolders, Kept::InABucket)] kept: Kept,
) {
    let it = Fixture::new(kept);
    let first = it.publish(0);
    let (slow, fast) = (it.run(1), it.run(2));
    let receipt = Receipt { replaces: Replaces::Run(first.id.clone()), ..Receipt::default() };
    let called_off = || {
        if it.store.latest(&it.owner).unwrap().unwrap().id == first.id {
            it.publish_as(&fast, receipt.clone()).unwrap();
        }
        false
    };
    let error = it.store.publish(&it.owner, &slow, receipt.clone(), &called_off).unwrap_err();
    assert!(matches!(error, StoreError::Overtaken { .. }), "{error}");
    let mut expected = vec![file_of(&first.id), file_of(&fast.snapshot().run().id), LATEST.to_owned()];
    expected.sort();
    assert_eq!(it.names(), expected);

    // A run that is published already, and then called off when it comes again, stays.
    let finished = it.run(3);
    it.publish_as(&finished, Receipt::default()).unwrap();
    let before = it.names();
    let asked = std::cell::Cell::new(0);
    let late = || asked.replace(asked.get() + 1) > 0;
    it.store.publish(&it.owner, &finished, Receipt::default(), &late).unwrap_err();
    assert_eq!(it.names(), before);
    assert!(it.open_latest().unwrap().is_some());
}

#[rstest]
fn of_many_who_replace_the_same_one_does(#[values(Kept::InABucket)] kept: Kept) {
    let it = Fixture::new(kept);
    let first = it.publish(0);
    let receipt = Receipt { replaces: Replaces::Run(first.id), ..Receipt::default() };
    let runs: Vec<_> = (1..9).map(|users| it.run(users)).collect();
    let (store, owner) = (&it.store, &it.owner);
    let published: Vec<_> = std::thread::scope(|scope| {
        let publishing: Vec<_> = runs
            .into_iter()
            .map(|run| {
                let receipt = receipt.clone();
                scope.spawn(move || store.publish(owner, &run, receipt, &never))
            })
            .collect();
        publishing.into_iter().filter_map(|it| it.join().unwrap().ok()).collect()
    });
    assert_eq!(published.len(), 1, "{published:?}");
    assert_eq!(it.open_latest().unwrap().unwrap().0, published[0]);
}
