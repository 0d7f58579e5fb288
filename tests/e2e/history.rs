//! Each status that a connector has had.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use connector_operator::api::{ConnectorObject, ConnectorStatus};
use futures::StreamExt;
use kube::runtime::watcher::{self, watcher};
use kube::{Api, Client};

/// A first run, a Lease that runs out, and the wait before a retry all take less, on a slow machine too.
const SOON: Duration = Duration::from_secs(90);

/// Each status that one connector has had, from before it was applied.
pub(crate) struct History {
    name: String,
    seen: Arc<Mutex<Vec<ConnectorStatus>>>,
}

impl History {
    /// Begins to note those of the connector `name`, as long as the runtime lives.
    pub(crate) fn of<K: ConnectorObject>(client: Client, name: &str) -> Self {
        let of = watcher::Config::default().fields(&format!("metadata.name={name}"));
        let seen: Arc<Mutex<Vec<ConnectorStatus>>> = Arc::default();
        let noted = Arc::clone(&seen);
        tokio::spawn(async move {
            let mut events = watcher(Api::<K>::namespaced(client, "identity"), of).boxed();
            while let Some(event) = events.next().await {
                match event {
                    Ok(watcher::Event::Apply(object) | watcher::Event::InitApply(object)) => {
                        noted.lock().unwrap().extend(object.status().cloned());
                    }
                    Ok(_) => {}
                    // The kind is not there yet. Without a wait, a server that is gone would keep the runtime busy for good.
                    Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
                }
            }
        });
        Self { name: name.to_owned(), seen }
    }

    pub(crate) fn seen(&self) -> Vec<ConnectorStatus> {
        self.seen.lock().unwrap().clone()
    }

    /// The latest.
    pub(crate) fn now(&self) -> ConnectorStatus {
        self.seen().pop().unwrap()
    }

    /// How many runs have ended well.
    pub(crate) fn runs(&self) -> usize {
        let seen = self.seen();
        let published = seen.iter().filter_map(|status| Some(status.last_published.as_ref()?.id.clone()));
        published.collect::<BTreeSet<_>>().len()
    }

    /// Waits until the latest is so.
    pub(crate) async fn until(&self, what: &str, so: impl Fn(&ConnectorStatus) -> bool) -> ConnectorStatus {
        let deadline = Instant::now() + SOON;
        loop {
            if let Some(status) = self.seen().pop().filter(&so) {
                return status;
            }
            assert!(
                Instant::now() < deadline,
                "{} was not {what} in time: {:#?}",
                self.name,
                self.seen().last()
            );
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Waits until the run that this value of the annotation asked for has ended.
    pub(crate) async fn until_handled(&self, asked: &str) -> ConnectorStatus {
        self.until("read as asked", |status| {
            status.last_handled_reconcile_at.as_deref() == Some(asked)
                && status.last_sync.as_ref().is_some_and(|sync| sync.completion_time.is_some())
        })
        .await
    }
}
