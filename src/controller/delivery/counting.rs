//! What a worker has done, in the operator's metrics. A view may change twice before it is looked at, so what it
//! counts up is compared with what was counted before.

use std::collections::BTreeMap;

use crate::c1::View;
use crate::server::Metrics;

/// What of one worker's view was counted already.
#[derive(Debug, Default)]
pub(super) struct Counted {
    tasks: BTreeMap<(&'static str, String), u64>,
    uploaded_bytes: u64,
}

impl Counted {
    /// Counts what has come since the last time, for an object of `kind`.
    pub(super) fn count(&mut self, kind: &'static str, view: &View, metrics: &Metrics) {
        for (of, total) in &view.tasks_ended {
            let before = self.tasks.insert(of.clone(), *total).unwrap_or_default();
            metrics.c1_tasks_ended(kind, of.0, &of.1, total.saturating_sub(before));
        }
        metrics.c1_uploaded(kind, view.uploaded_bytes.saturating_sub(self.uploaded_bytes));
        self.uploaded_bytes = view.uploaded_bytes;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_ended_between_two_looks_is_counted_once() {
        let (metrics, mut counted, mut view) = (Metrics::default(), Counted::default(), View::default());
        counted.count("ScalrConnector", &view, &metrics);
        assert!(!metrics.exposition().contains("connector_c1_tasks_total{"));
        view.tasks_ended.insert(("sync_full", "OK".to_owned()), 2);
        view.uploaded_bytes = 10;
        counted.count("ScalrConnector", &view, &metrics);
        counted.count("ScalrConnector", &view, &metrics);
        view.tasks_ended.insert(("sync_full", "OK".to_owned()), 3);
        view.uploaded_bytes = 15;
        counted.count("ScalrConnector", &view, &metrics);
        let text = metrics.exposition();
        let tasks = "connector_c1_tasks_total{kind=\"ScalrConnector\",type=\"sync_full\",result=\"OK\"} 3\n";
        assert!(text.contains(tasks), "{text}");
        assert!(text.contains("connector_c1_uploaded_bytes_total{kind=\"ScalrConnector\"} 15\n"), "{text}");
    }
}
