//! The parts of an operator, put together. Who starts them says when they stop, and serves what they tell.

use std::collections::HashMap;
use std::sync::Arc;

use futures::future::BoxFuture;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::kinds::{self, Kind, Visitor};
use crate::server::Readiness;
use crate::sync::ObjectKey;

use super::context::Context;
use super::watch::{control, watch_secrets};

/// The parts of the operator of this context, which reads with so many workers: the controller of each kind, the watch
/// on Secrets where there is to be one, the queue, the work for C1, and events. Each ends after `stop`.
pub fn parts(
    context: &Arc<Context>,
    workers: usize,
    watches_secrets: bool,
    readiness: &Readiness,
    stop: &CancellationToken,
) -> Vec<BoxFuture<'static, ()>> {
    let mut controllers = Controllers { context, readiness, stop, wake: HashMap::new() };
    let mut parts = kinds::for_each(&mut controllers);
    let everything_told = CancellationToken::new();
    let until_told = Arc::new(everything_told.clone().drop_guard());
    parts = parts.into_iter().map(|part| keeping(Arc::clone(&until_told), part)).collect();
    if watches_secrets {
        let (client, scope, wake) = (context.client().clone(), context.scope().clone(), controllers.wake);
        let (index, metrics) = (Arc::clone(context.secrets()), context.metrics().clone());
        parts.push(Box::pin(watch_secrets(client, scope, index, wake, metrics, stop.clone())));
    }
    parts.push(Box::pin(context.queue().clone().work(workers)));
    parts.push(Box::pin(context.deliveries().clone().until_stopped()));
    let context = Arc::clone(context);
    parts.push(Box::pin(async move { context.publish_events(&everything_told).await }));
    parts
}

/// Keeps `what` until `part` has ended.
fn keeping<T: Send + 'static>(what: T, part: BoxFuture<'static, ()>) -> BoxFuture<'static, ()> {
    Box::pin(async move {
        part.await;
        drop(what);
    })
}

/// Makes the controller of each kind.
struct Controllers<'a> {
    context: &'a Arc<Context>,
    readiness: &'a Readiness,
    stop: &'a CancellationToken,
    wake: HashMap<&'static str, mpsc::UnboundedSender<ObjectKey>>,
}

impl Visitor for Controllers<'_> {
    type Output = BoxFuture<'static, ()>;

    fn visit<K: Kind>(&mut self) -> Self::Output {
        let (wake, woken) = mpsc::unbounded_channel();
        self.wake.insert(K::KIND, wake);
        self.readiness.awaits(K::KIND);
        self.context.deliveries().awaits(K::KIND);
        Box::pin(control::<K>(Arc::clone(self.context), woken, self.readiness.clone(), self.stop.clone()))
    }
}
