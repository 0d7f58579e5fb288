use super::*;
use crate::access::guard::Scoping;
use crate::access::{Counts, RecordId, RecordSender, ResourceType};
use crate::api::Class;
use crate::connectors::{LookUp, ReadError, Upstream, scalr};
use crate::snapshot::{Finished, Receipt, Replaces};
use crate::sync::{Baseline, Holds, Known, Place};

/// Reads nothing, and does `then` before it says so.
struct Reader<F>(F);

#[async_trait]
impl<F: Fn() -> Result<(), ReadError> + Send + Sync> Connector for Reader<F> {
    fn resource_types(&self) -> &'static [ResourceType] {
        &[scalr::USER]
    }

    async fn read(&self, _: &RecordSender) -> Result<Upstream, ReadError> {
        (self.0)()?;
        Ok(Upstream { account_id: "acc-1".into() })
    }

    async fn validate(&self) -> Result<(), ReadError> {
        (self.0)()
    }

    fn scoping(&self) -> Scoping {
        Scoping::Users
    }

    async fn look_up(&self, _: &[RecordId]) -> Result<LookUp, ReadError> {
        Ok(LookUp::Found(Vec::new()))
    }
}

struct Once(Mutex<Option<Box<dyn Connector>>>);

#[async_trait]
impl Source for Once {
    async fn open(&self) -> Opened {
        let credential = Credential {
            name: "API token",
            place: "key api-token of Secret acme".into(),
            address: "spec.baseUrl".into(),
            scope: "spec.account".into(),
            settings: Settings::Spec,
        };
        let connector = self.0.lock().unwrap().take().unwrap();
        Opened { secret: SecretSeen::Version("7".into()), connector: Ok((connector, credential)) }
    }
}

#[derive(Default)]
struct Taken(Mutex<Vec<Counts>>);

impl Destination for Taken {
    fn baseline(&self, _: Option<&PublishedBefore>) -> Result<Baseline, PublishError> {
        Ok(Baseline { known: Known::Nothing, replaces: Replaces::Nothing })
    }

    fn lost(&self, before: Option<&PublishedBefore>) -> Result<Baseline, PublishError> {
        self.baseline(before)
    }

    fn has_published(&self) -> bool {
        false
    }

    fn holds(&self) -> Option<Holds<'_>> {
        None
    }

    fn publish(&self, finished: &Finished, _: Receipt, _: &dyn Fn() -> bool) -> Result<Place, PublishError> {
        self.0.lock().unwrap().push(finished.counts().clone());
        Ok(Place { uri: String::new(), digest: String::new(), size: 0 })
    }
}

async fn run_with(
    then: impl Fn() -> Result<(), ReadError> + Send + Sync + 'static,
    cancel: CancellationToken,
) -> (Option<Outcome>, usize) {
    let scratch = tempfile::tempdir().unwrap();
    let plan = Plan {
        id: SyncId::new(Timestamp::now()),
        generation: 1,
        trigger: Trigger::First,
        requested_at: None,
        timeout: Duration::from_secs(10),
        scratch: scratch.path().to_owned(),
        limits: Limits::default(),
        before: None,
        approved: None,
        names: false,
        clock: Clock::system(),
    };
    let source = Once(Mutex::new(Some(Box::new(Reader(then)))));
    let taken = Arc::new(Taken::default());
    let destination = Arc::clone(&taken) as Arc<dyn Destination>;
    let outcome = run(plan, &source, destination, |_| {}, cancel).await;
    let published = taken.0.lock().unwrap().len();
    (outcome, published)
}

#[tokio::test]
async fn what_was_read_whole_is_published_once() {
    let (outcome, published) = run_with(|| Ok(()), CancellationToken::new()).await;
    let Ok(Ended::Published(ended)) = outcome.unwrap().result else { panic!("not published") };
    assert_eq!(ended.account_id, "acc-1");
    assert_eq!(published, 1);
}

#[tokio::test]
async fn what_was_not_read_whole_is_not_published() {
    let fails = || Err(ReadError::EmptyAccount("there is nobody".into()));
    let (outcome, published) = run_with(fails, CancellationToken::new()).await;
    let failure = outcome.unwrap().result.unwrap_err();
    assert_eq!((failure.reason, failure.reason.class()), (Reason::EmptyAccount, Some(Class::WaitForChange)));
    assert_eq!(published, 0);
}

#[tokio::test]
async fn a_run_cancelled_as_its_reading_ends_publishes_nothing_and_says_nothing() {
    let cancel = CancellationToken::new();
    let token = cancel.clone();
    let cancelled = move || {
        token.cancel();
        Ok(())
    };
    let (outcome, published) = run_with(cancelled, cancel).await;
    assert!(outcome.is_none());
    assert_eq!(published, 0);
}
