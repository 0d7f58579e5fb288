//! What is asked for at each scrape because others know it: how many runs wait, and who leads.

use std::fmt;
use std::sync::{Arc, OnceLock};

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::gauge::ConstGauge;

use crate::leadership::Leadership;
use crate::sync::{Class, Queue};

/// Whom to ask. Before somebody is known, nothing is said of what they know.
#[derive(Clone, Default)]
pub(super) struct Standing {
    queue: Arc<OnceLock<Queue>>,
    leadership: Arc<OnceLock<Leadership>>,
}

impl fmt::Debug for Standing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Standing")
    }
}

impl Standing {
    /// The queue; there is one in a process.
    pub(super) fn queue_is(&self, queue: Queue) {
        let _ = self.queue.set(queue);
    }

    /// Whether this operator leads.
    pub(super) fn leadership_is(&self, leadership: Leadership) {
        let _ = self.leadership.set(leadership);
    }
}

impl Collector for Standing {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let help = "Runs that wait in the queue, by class: prompt, for which somebody waits, or periodic";
        let mut family = encoder.encode_descriptor("sync_queue_depth", help, None, MetricType::Gauge)?;
        for class in Class::ALL {
            let depth = self.queue.get().map_or(0, |queue| queue.depth(class));
            let depth = i64::try_from(depth).unwrap_or(i64::MAX);
            ConstGauge::new(depth).encode(family.encode_family(&[("class", class.as_str())])?)?;
        }
        let help = "Does this operator lead: 1 yes, 0 no. One that is alone always does";
        let family = encoder.encode_descriptor("leader", help, None, MetricType::Gauge)?;
        let leads = self.leadership.get().is_some_and(|leadership| leadership.term().is_some());
        ConstGauge::new(i64::from(leads)).encode(family)
    }
}
