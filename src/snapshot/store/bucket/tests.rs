//! What a bucket alone can do: answer late, twice or not at all, and be written by several at once.

use std::fmt;
use std::ops::Range;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use bytes::Bytes;
use futures::StreamExt;
use futures::stream::BoxStream;
use jiff::SignedDuration;
use object_store::memory::InMemory;
use object_store::path::Path as Key;
use object_store::{
    CopyOptions, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, PutMode,
    PutMultipartOptions, PutOptions, PutPayload, PutResult,
};
use rstest::rstest;

use super::*;
use crate::snapshot::store::tests::{Fixture, never};
use crate::snapshot::store::{Replaces, Store};

/// Objects in memory, behind a connection that breaks at a given request.
#[derive(Debug, Default)]
struct Flaky {
    objects: InMemory,
    plan: Mutex<Plan>,
}

#[derive(Debug, Default)]
struct Plan {
    /// How many requests are answered before one is not.
    left: Option<usize>,
    /// Whether the one that is not answered is done all the same.
    done: bool,
    /// Whether no request after it is even sent: whoever asked is dead.
    dies: bool,
    ignores_conditions: bool,
}

/// What becomes of a request.
enum Fate {
    Answered,
    Lost,
    NotDone,
}

impl Flaky {
    fn breaks_at(&self, request: usize, done: bool, dies: bool) {
        *self.plan.lock().unwrap() = Plan { left: Some(request), done, dies, ..Plan::default() };
    }

    /// Answers all requests again; says whether one was not.
    fn mended(&self) -> bool {
        std::mem::take(&mut *self.plan.lock().unwrap()).left.is_none()
    }

    fn fate(&self) -> Fate {
        let mut plan = self.plan.lock().unwrap();
        match plan.left {
            Some(0) => {
                plan.left = None;
                if plan.done { Fate::Lost } else { Fate::NotDone }
            }
            Some(left) => {
                plan.left = Some(left - 1);
                Fate::Answered
            }
            None if plan.dies => Fate::NotDone,
            None => Fate::Answered,
        }
    }

    fn whole(&self) {
        *self.plan.lock().unwrap() = Plan { left: Some(usize::MAX), ..Plan::default() };
    }
}

fn no_answer() -> object_store::Error {
    object_store::Error::Generic { store: "test", source: "the connection broke".into() }
}

impl fmt::Display for Flaky {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Flaky")
    }
}

macro_rules! request {
    ($self:ident, $request:expr) => {
        match $self.fate() {
            Fate::NotDone => Err(no_answer()),
            Fate::Answered => $request.await,
            Fate::Lost => {
                drop($request.await);
                Err(no_answer())
            }
        }
    };
}

#[async_trait]
impl ObjectStore for Flaky {
    async fn put_opts(
        &self,
        key: &Key,
        payload: PutPayload,
        mut options: PutOptions,
    ) -> object_store::Result<PutResult> {
        if self.plan.lock().unwrap().ignores_conditions {
            options.mode = PutMode::Overwrite;
        }
        request!(self, self.objects.put_opts(key, payload, options))
    }

    async fn put_multipart_opts(
        &self,
        key: &Key,
        options: PutMultipartOptions,
    ) -> object_store::Result<Box<dyn MultipartUpload>> {
        request!(self, self.objects.put_multipart_opts(key, options))
    }

    async fn get_opts(&self, key: &Key, options: GetOptions) -> object_store::Result<GetResult> {
        request!(self, self.objects.get_opts(key, options))
    }

    async fn get_ranges(&self, key: &Key, ranges: &[Range<u64>]) -> object_store::Result<Vec<Bytes>> {
        request!(self, self.objects.get_ranges(key, ranges))
    }

    fn delete_stream(
        &self,
        keys: BoxStream<'static, object_store::Result<Key>>,
    ) -> BoxStream<'static, object_store::Result<Key>> {
        match self.fate() {
            Fate::Answered => self.objects.delete_stream(keys),
            Fate::NotDone => futures::stream::iter([Err(no_answer())]).boxed(),
            Fate::Lost => {
                let removed = self.objects.delete_stream(keys).map(|_| Err(no_answer()));
                removed.boxed()
            }
        }
    }

    fn list(&self, prefix: Option<&Key>) -> BoxStream<'static, object_store::Result<ObjectMeta>> {
        match self.fate() {
            Fate::Answered => self.objects.list(prefix),
            _ => futures::stream::iter([Err(no_answer())]).boxed(),
        }
    }

    async fn list_with_delimiter(&self, prefix: Option<&Key>) -> object_store::Result<ListResult> {
        request!(self, self.objects.list_with_delimiter(prefix))
    }

    async fn copy_opts(&self, from: &Key, to: &Key, options: CopyOptions) -> object_store::Result<()> {
        request!(self, self.objects.copy_opts(from, to, options))
    }
}

/// A store in a bucket that was shown to be safe, and its connection.
fn flaky() -> (Fixture, Arc<Flaky>) {
    let objects = Arc::new(Flaky::default());
    let it = Fixture::over(tempfile::tempdir().unwrap(), Arc::clone(&objects) as Arc<dyn ObjectStore>);
    bucket(&it).prove().unwrap();
    (it, objects)
}

fn bucket(it: &Fixture) -> &BucketStore {
    match &it.store {
        Store::Bucket(store) => store,
        Store::Directory(_) => panic!("it is in a bucket"),
    }
}

/// How many requests a publication may take at most.
const MOST: usize = 40;

#[rstest]
fn a_crash_at_any_request_leaves_a_whole_latest(
    #[values(false, true)] published_before: bool,
    #[values(false, true)] done: bool,
) {
    for request in 0..MOST {
        let (it, objects) = flaky();
        let before = published_before.then(|| it.publish(0).id);
        it.hold(&["- user:u1"]);
        let next = it.run(1);
        let id = next.snapshot().run().id.clone();
        let receipt = Receipt { lease_transitions: 1, ..Receipt::default() };
        objects.breaks_at(request, done, true);
        let published = it.publish_as(&next, receipt.clone());
        if !objects.mended() {
            assert!(published.is_ok(), "nothing was cut off");
            assert!(request > 10, "{request}");
            return;
        }

        let found = it.open_latest().unwrap().map(|(latest, _)| latest.id);
        let switched = found.as_ref() == Some(&id);
        assert!(switched || found == before, "request {request}: {found:?}");
        assert!(switched || published.is_err(), "request {request}");
        assert!(
            !(switched && it.held().is_some()),
            "request {request}: what is held is of what counted before"
        );
        if !switched {
            assert_eq!(it.store.newest(&it.owner).unwrap(), before, "nothing looks like one that is lost");
        }
        // And the next run goes on from there.
        let now = jiff::Timestamp::now();
        it.store.prune_leftovers(&it.owner, now).unwrap();
        if switched {
            let newest = before.clone().max(Some(id));
            assert_eq!(it.store.newest(&it.owner).unwrap(), newest, "it was published, and is no leftover");
        }
        let after = it.publish_as(&it.run(2), receipt).unwrap();
        assert_eq!(it.open_latest().unwrap().unwrap().0, after);
        it.store.prune_leftovers(&it.owner, now + SignedDuration::from_hours(2)).unwrap();
        let left = it.names();
        assert!(!left.iter().any(|name| name.ends_with(".tmp")), "request {request}: {left:?}");
        assert_eq!(
            left.contains(&format!("{}.c1z", next.snapshot().run().id)),
            switched,
            "request {request}"
        );
    }
    panic!("a publication takes more than {MOST} requests");
}

#[rstest]
fn a_single_answer_that_is_lost_does_no_harm(#[values(false, true)] done: bool) {
    for request in 0..MOST {
        let (it, objects) = flaky();
        let before = it.publish(0);
        let next = it.run(1);
        objects.breaks_at(request, done, false);
        let published = it.publish_as(&next, Receipt::default());
        let broke = objects.mended();
        let latest = it.open_latest().unwrap().unwrap().0;
        match published {
            Ok(published) => assert_eq!(latest, published, "request {request}"),
            Err(_) => assert_eq!(latest, before, "request {request}"),
        }
        if !broke {
            return;
        }
    }
    panic!("a publication takes more than {MOST} requests");
}

#[test]
fn whoever_is_overtaken_after_the_last_look_does_not_switch() {
    for term in [0, 1] {
        let (it, _) = flaky();
        let first = it.publish(0);
        let (slow, fast) = (it.run(1), it.run(2));
        let fast_id = fast.snapshot().run().id.clone();
        let asked = std::cell::Cell::new(0);
        // The second time is after the last look.
        let at_the_last_moment = || {
            if asked.replace(asked.get() + 1) == 1 {
                it.publish_as(&fast, Receipt { lease_transitions: term, ..Receipt::default() }).unwrap();
            }
            false
        };
        let receipt = Receipt { replaces: Replaces::Run(first.id.clone()), ..Receipt::default() };
        let error = it.store.publish(&it.owner, &slow, receipt, &at_the_last_moment).unwrap_err();
        assert!(matches!(error, StoreError::Overtaken { .. }), "{error}");
        assert_eq!(it.open_latest().unwrap().unwrap().0.id, fast_id);
        assert!(!it.names().contains(&format!("{}.c1z", slow.snapshot().run().id)), "nothing is left behind");
    }
}

#[test]
fn a_server_that_does_not_keep_to_conditions_is_refused_before_anything_is_published() {
    let objects = Arc::new(Flaky::default());
    let it = Fixture::over(tempfile::tempdir().unwrap(), Arc::clone(&objects) as Arc<dyn ObjectStore>);
    objects.plan.lock().unwrap().ignores_conditions = true;
    let error = it.publish_as(&it.run(0), Receipt::default()).unwrap_err();
    let problem = error.bucket_problem().unwrap();
    assert!(matches!(problem, BucketProblem::Unconditional(_)), "{error}");
    assert!(!problem.may_pass());
    assert_eq!(it.names(), [""; 0]);
    objects.whole();
    it.publish(0);
}

#[test]
fn a_bucket_that_does_not_answer_is_not_an_empty_one() {
    let (it, objects) = flaky();
    it.publish(0);
    objects.breaks_at(0, false, true);
    let owner = &it.owner;
    assert!(it.open_latest().is_err());
    assert!(it.store.latest(owner).is_err());
    assert!(it.store.newest(owner).is_err());
    assert!(it.store.held(owner).is_err());
    assert!(it.store.owners().is_err());
    assert!(it.store.last_term(owner).is_err());
    assert!(it.store.is_retired(owner).is_err());
    assert!(it.store.retire(owner, jiff::Timestamp::now(), SignedDuration::ZERO).is_err());
    let error = it.store.publish(owner, &it.run(1), Receipt::default(), &never).unwrap_err();
    assert!(error.to_string().contains("s3://snapshots/prod/identity/scalrconnector/acme/"), "{error}");
    objects.whole();
    assert!(it.open_latest().unwrap().is_some());
}

#[test]
fn a_removal_that_is_cut_off_goes_on() {
    for request in 0..MOST {
        let (it, objects) = flaky();
        it.publish(0);
        let now = jiff::Timestamp::now();
        it.store.retire(&it.owner, now, SignedDuration::ZERO).unwrap();
        objects.breaks_at(request, true, true);
        let removed = it.store.retire(&it.owner, now, SignedDuration::ZERO);
        let broke = objects.mended();
        assert_eq!(removed.is_err(), broke);
        it.store.retire(&it.owner, now, SignedDuration::ZERO).unwrap();
        assert_eq!(it.names(), [""; 0], "request {request}");
        if !broke {
            return;
        }
    }
    panic!("a removal takes more than {MOST} requests");
}

#[test]
fn a_file_that_was_changed_in_the_bucket_is_not_given_out() {
    let (it, _) = flaky();
    let first = it.publish(0);
    it.publish(1);
    let key = bucket(&it).snapshot_key(&it.owner, &first.id);
    let (packed, _file) = bucket(&it).pack(&it.run(2)).unwrap();
    let recorded = Packed { digest: first.digest.clone(), ..packed };
    bucket(&it).requests.delete(&key).unwrap();
    bucket(&it).requests.upload(&key, &recorded).unwrap();
    let error = it.store.fetch(&it.owner, &first.id, it.scratch()).unwrap_err();
    assert!(matches!(error.bucket_problem(), Some(BucketProblem::Altered)), "{error}");
    let left: Vec<_> = std::fs::read_dir(it.scratch()).unwrap().map(|it| it.unwrap().file_name()).collect();
    assert!(!left.iter().any(|name| name.to_string_lossy().starts_with("fetched-")), "{left:?}");
}

#[test]
fn a_large_file_goes_up_in_parts_and_comes_down_the_same() {
    let (it, _) = flaky();
    let path = it.scratch().join("large");
    let bytes: Vec<u8> = (0..12_000_000_u32).map(|number| (number % 251) as u8).collect();
    std::fs::write(&path, &bytes).unwrap();
    let digest = container::digest(&path).unwrap();
    let packed = Packed { path, digest: digest.clone(), size: bytes.len() as u64 };
    let key = Key::parse("prod/large").unwrap();
    bucket(&it).requests.upload(&key, &packed).unwrap();
    let fetched = bucket(&it).requests.download(&key, it.scratch(), None).unwrap().unwrap();
    assert_eq!((fetched.digest, fetched.recorded), (digest.clone(), Some(digest)));
    assert!(std::fs::read(&fetched.file).unwrap() == bytes);
    let mode =
        std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(&fetched.file).unwrap().permissions());
    assert_eq!(mode & 0o777, 0o600);
}
