//! How far the reading has come, on a terminal. Nothing at all where stderr is none.

use std::io::IsTerminal;
use std::sync::Arc;
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use tokio::task::AbortHandle;

use crate::access::{Progress, thousands};

/// How often a bar is drawn.
const TICK: Duration = Duration::from_millis(100);

/// One bar for each connector.
pub(super) struct Bars {
    all: MultiProgress,
}

impl Bars {
    pub(super) fn new() -> Self {
        let all = MultiProgress::new();
        if !std::io::stderr().is_terminal() {
            all.set_draw_target(ProgressDrawTarget::hidden());
        }
        Self { all }
    }

    pub(super) fn add(&self, title: &str) -> Bar {
        let bar = self.all.add(ProgressBar::new_spinner());
        if let Ok(style) = ProgressStyle::with_template("{spinner} {prefix}  {msg}  {elapsed}") {
            bar.set_style(style);
        }
        bar.set_prefix(title.to_owned());
        bar.set_message("connecting");
        Bar { bar, following: std::sync::Mutex::default() }
    }
}

/// The bar of one connector.
pub(super) struct Bar {
    bar: ProgressBar,
    following: std::sync::Mutex<Option<AbortHandle>>,
}

impl Bar {
    /// Shows `progress`, in place of any other, until [`Bar::finish`].
    pub(super) fn follow(&self, progress: Arc<Progress>) {
        let bar = self.bar.clone();
        let following = tokio::spawn(async move {
            let mut tick = tokio::time::interval(TICK);
            loop {
                tick.tick().await;
                bar.set_message(words(&progress));
                bar.tick();
            }
        });
        if let Ok(mut slot) = self.following.lock()
            && let Some(former) = slot.replace(following.abort_handle())
        {
            former.abort();
        }
    }

    pub(super) fn finish(&self) {
        if let Ok(mut slot) = self.following.lock()
            && let Some(following) = slot.take()
        {
            following.abort();
        }
        self.bar.finish_and_clear();
    }
}

fn words(progress: &Progress) -> String {
    let read = format!("{} pages, {} records", thousands(progress.pages()), thousands(progress.records()));
    match progress.expected() {
        0 => read,
        expected => format!("{read}, of {} items", thousands(expected)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_and_records_are_shown_and_how_many_items_there_are_once_that_is_known() {
        let progress = Progress::default();
        progress.page_read();
        assert_eq!(words(&progress), "1 pages, 0 records");
        progress.expect(100_000);
        assert_eq!(words(&progress), "1 pages, 0 records, of 100,000 items");
    }
}
