//! How far a reading has come, told in the log for as long as it is under way.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, interval_at};
use tokio_util::task::AbortOnDropHandle;
use tracing::Instrument;

use crate::access::{Progress, thousands};

/// Most runs are over before it is worth a line.
const FIRST: Duration = Duration::from_secs(10);
/// From then on a line each time.
const AGAIN: Duration = Duration::from_secs(30);

/// Tells in the log how far one run has come, until it is dropped.
#[derive(Debug, Default)]
pub struct ProgressLog(Mutex<Option<AbortOnDropHandle<()>>>);

impl ProgressLog {
    /// Follows `progress`, in place of any other, in the span that this is called in.
    pub fn follow(&self, progress: Arc<Progress>) {
        let telling = AbortOnDropHandle::new(tokio::spawn(tell(progress, FIRST, AGAIN).in_current_span()));
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(telling);
    }
}

async fn tell(progress: Arc<Progress>, first: Duration, again: Duration) {
    let mut due = interval_at(Instant::now() + first, again);
    loop {
        due.tick().await;
        let (pages, records, expected) = (progress.pages(), progress.records(), progress.expected());
        tracing::info!(pages, records, expected, "{}", words(pages, records, expected));
    }
}

/// A record is no item: a member of an organization is a user and a grant.
fn words(pages: u64, records: u64, expected: u64) -> String {
    let read = format!("Read {} records on {} pages so far", thousands(records), thousands(pages));
    match expected {
        0 => format!("{read}."),
        expected => format!("{read}, from listings of {} items.", thousands(expected)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access;
    use crate::telemetry::testing::Log;

    #[test]
    fn how_far_it_is_is_told_in_words() {
        assert_eq!(words(0, 0, 0), "Read 0 records on 0 pages so far.");
        assert_eq!(
            words(123, 12_300, 100_000),
            "Read 12,300 records on 123 pages so far, from listings of 100,000 items."
        );
    }

    impl Log {
        fn lines(&self) -> Vec<String> {
            self.text().lines().map(str::to_owned).collect()
        }

        async fn until_lines(&self, count: usize) -> Vec<String> {
            let waiting = async {
                while self.lines().len() < count {
                    tokio::task::yield_now().await;
                }
            };
            tokio::time::timeout(Duration::from_secs(10), waiting).await.unwrap();
            self.lines()
        }
    }

    #[tokio::test]
    async fn a_long_run_logs_how_far_it_is_in_its_own_span_until_it_ends() {
        let written = Log::default();
        let subscriber = tracing_subscriber::fmt().with_writer(written.clone()).with_ansi(false).finish();
        let _subscribed = tracing::subscriber::set_default(subscriber);
        let (sender, mut receiver) = access::channel();
        sender.progress().expect(500);
        sender.progress().page_read();
        sender.send(Vec::new()).await.unwrap();
        receiver.next().await.unwrap();
        let span = tracing::info_span!("run", name = "acme");
        let often = Duration::from_millis(5);
        let told = tell(Arc::clone(sender.progress()), often, often).instrument(span);
        let telling = AbortOnDropHandle::new(tokio::spawn(told));

        let lines = written.until_lines(2).await;
        let expected = "Read 0 records on 1 pages so far, from listings of 500 items.";
        assert!(
            lines.iter().all(|line| line.contains("run{name=\"acme\"}") && line.contains(expected)),
            "{lines:?}"
        );
        drop(telling);
        tokio::task::yield_now().await;
        let at_the_end = written.lines().len();
        tokio::time::sleep(4 * often).await;
        assert_eq!(written.lines().len(), at_the_end);
    }
}
