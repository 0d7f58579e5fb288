//! How far a run has come, told for as long as it is under way: in the log and in the metrics.

use std::sync::{Arc, Mutex, PoisonError};

use crate::access::Progress;
use crate::server::{Metrics, UnderWay};
use crate::sync::{ObjectKey, ProgressLog};

/// Tells how far the run of one object has come, until it is dropped.
pub(super) struct Telling {
    metrics: Metrics,
    key: ObjectKey,
    log: ProgressLog,
    series: Mutex<Option<UnderWay>>,
}

impl Telling {
    pub(super) fn new(metrics: Metrics, key: ObjectKey) -> Self {
        Self { metrics, key, log: ProgressLog::default(), series: Mutex::default() }
    }

    /// Follows `progress`, in place of any other, in the span that this is called in.
    pub(super) fn follow(&self, progress: Arc<Progress>) {
        self.log.follow(Arc::clone(&progress));
        let mut series = self.series.lock().unwrap_or_else(PoisonError::into_inner);
        // The series of the former end before the new ones begin.
        drop(series.take());
        *series = Some(self.metrics.run_under_way(&self.key, progress));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access;

    #[tokio::test]
    async fn a_run_has_its_series_only_while_it_is_told_of() {
        let metrics = Metrics::default();
        let key = ObjectKey {
            kind: "ScalrConnector",
            namespace: "identity".into(),
            name: "acme".into(),
            uid: "uid".into(),
        };
        let (sender, _receiver) = access::channel();
        sender.progress().page_read();
        let telling = Telling::new(metrics.clone(), key);
        telling.follow(Arc::default());
        telling.follow(Arc::clone(sender.progress()));
        let of = |what: &str, value: u64| {
            format!(
                "connector_sync_progress_{what}{{kind=\"ScalrConnector\",namespace=\"identity\",name=\"acme\"}} {value}\n"
            )
        };
        let during = metrics.exposition();
        assert!(during.contains(&of("pages", 1)) && during.contains(&of("records", 0)), "{during}");
        assert!(!during.contains("connector_sync_progress_expected{"), "nothing has been said yet: {during}");
        sender.progress().expect(48);
        assert!(metrics.exposition().contains(&of("expected", 48)));
        drop(telling);
        assert!(!metrics.exposition().contains("connector_sync_progress_pages{"));
    }
}
