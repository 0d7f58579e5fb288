//! A watch: the changes after a version, one line each, as far as its connection may see.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::time::Duration;

use bytes::Bytes;
use futures::Stream;
use http_body::Frame;
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use crate::ApiServer;
use crate::connection::View;
use crate::object::shown;
use crate::request::{Asked, status};
use crate::store::ChangeType;

/// How often a quiet watch hears how far it has come, where it wants to.
const BOOKMARK: Duration = Duration::from_secs(60);
/// When a watch ends that does not say.
const USUAL_END: Duration = Duration::from_secs(1800);

/// One watch.
pub(crate) struct Watch {
    server: ApiServer,
    asked: Asked,
    /// Everything up to this version was said.
    said: u64,
    lines: VecDeque<Bytes>,
    latest: watch::Receiver<u64>,
    view: watch::Receiver<View>,
    /// What was dropped, and said, on purpose before.
    drops: u64,
    statuses: u64,
    ends: Instant,
    bookmark: Option<Instant>,
    over: bool,
}

impl Watch {
    pub(crate) fn begin(server: ApiServer, asked: Asked, view: watch::Receiver<View>) -> Self {
        let seconds = asked.query.get("timeoutSeconds").and_then(|it| it.parse().ok());
        let ends = Instant::now() + seconds.map_or(USUAL_END, Duration::from_secs);
        let bookmarks = asked.query.get("allowWatchBookmarks").is_some_and(|it| it == "true");
        let bookmark = bookmarks.then(|| Instant::now() + BOOKMARK);
        let (drops, statuses) = (view.borrow().drops, view.borrow().statuses);
        let latest = server.versions();
        let mut watch = Self {
            server,
            asked,
            said: 0,
            lines: VecDeque::new(),
            latest,
            view,
            drops,
            statuses,
            ends,
            bookmark,
            over: false,
        };
        watch.start();
        watch
    }

    fn start(&mut self) {
        let since = self.asked.query.get("resourceVersion").and_then(|it| it.parse().ok()).unwrap_or(0);
        if since == 0 {
            let shown_up_to = self.view.borrow().up_to;
            let list = self.server.list_as_of(&self.asked, shown_up_to.unwrap_or(u64::MAX));
            let items = list.body.get("items").and_then(Value::as_array).cloned().unwrap_or_default();
            items.iter().for_each(|item| self.line("ADDED", item));
            let version = list.body.pointer("/metadata/resourceVersion").and_then(Value::as_str);
            self.said = version.and_then(|it| it.parse().ok()).unwrap_or(0);
        } else if since < self.server.store().compacted() {
            let message = format!("too old resource version: {since}");
            self.line("ERROR", &status(410, "Expired", &message));
            self.over = true;
        } else {
            self.said = since;
        }
    }

    fn line(&mut self, change: &str, object: &Value) {
        // In this order, as the real one has it.
        let line = format!("{{\"type\":\"{change}\",\"object\":{object}}}\n");
        self.lines.push_back(line.into());
    }

    /// Says what there is to say now.
    fn catch_up(&mut self) {
        let view = self.view.borrow_and_update().clone();
        let latest = *self.latest.borrow_and_update();
        let up_to = view.up_to.unwrap_or(latest).min(latest);
        if view.statuses > self.statuses {
            self.statuses = view.statuses;
            let object = status(500, "InternalError", "etcdserver: no leader");
            self.lines.push_back(format!("{object}\n").into());
        }
        if view.drops > self.drops {
            self.over = true;
            return;
        }
        let changes = self.server.store().changes(&self.asked, self.said, up_to);
        for change in changes.into_iter().filter(|change| !view.hidden.contains(&change.version)) {
            let object = shown(&self.asked, &change.object);
            self.line(ChangeType::as_str(change.change), &object);
        }
        self.said = self.said.max(up_to);
    }

    fn bookmark(&mut self) {
        let kind =
            self.server.store().serves(&self.asked).ok().map(|kind| (kind.api_version(), kind.kind.clone()));
        let Some((api_version, kind)) = kind else { return };
        let metadata = json!({ "resourceVersion": self.said.to_string() });
        let object = json!({ "apiVersion": api_version, "kind": kind, "metadata": metadata });
        self.line("BOOKMARK", &object);
        self.bookmark = Some(Instant::now() + BOOKMARK);
    }

    /// The next line; `None` when the watch ends.
    async fn next(&mut self) -> Option<Bytes> {
        loop {
            if let Some(line) = self.lines.pop_front() {
                return Some(line);
            }
            if self.over {
                return None;
            }
            self.catch_up();
            if !self.lines.is_empty() || self.over {
                continue;
            }
            let bookmark = self.bookmark.unwrap_or(self.ends);
            tokio::select! {
                changed = self.latest.changed() => if changed.is_err() { return None },
                changed = self.view.changed() => if changed.is_err() { return None },
                () = sleep_until(self.ends) => return None,
                () = sleep_until(bookmark), if self.bookmark.is_some() => self.bookmark(),
            }
        }
    }

    pub(crate) fn frames(self) -> impl Stream<Item = Result<Frame<Bytes>, Infallible>> + Send {
        futures::stream::unfold(self, |mut watch| async move {
            let line = watch.next().await?;
            Some((Ok(Frame::data(line)), watch))
        })
    }
}
