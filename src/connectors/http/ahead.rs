//! Requests that are sent before their answers are wanted, and answered in order.
//!
//! Each is a task of its own. One that went on only while somebody waits for it would keep its place under way, or its
//! turn in the line of all who show the credential, for as long as its reader is held up elsewhere.

use std::collections::VecDeque;
use std::sync::Arc;

use futures::FutureExt;
use futures::future::RemoteHandle;
use tracing::Instrument;

use super::super::ReadError;
use super::{Answer, Request, UpstreamClient};

/// Answers to the requests that `wanted` makes, each of which comes with what its reader knows it by.
///
/// How many are kept before they are wanted is bounded for all who show the credential together. Where there is no
/// room, a request is sent when its answer is wanted. Those under way end when this is dropped.
pub(in crate::connectors) struct Ahead<I, K> {
    client: Arc<UpstreamClient>,
    wanted: I,
    sent: VecDeque<(K, RemoteHandle<Result<Answer, ReadError>>)>,
}

impl<I, K> Ahead<I, K>
where
    I: Iterator<Item = (K, Result<Request, ReadError>)>,
{
    /// Of what `client` is asked. Nothing is sent yet.
    pub(in crate::connectors) fn new(client: &Arc<UpstreamClient>, wanted: I) -> Self {
        Self { client: Arc::clone(client), wanted, sent: VecDeque::new() }
    }

    /// The next answer in the order of the requests; `None` after the last one.
    pub(in crate::connectors) async fn next(&mut self) -> Option<(K, Result<Answer, ReadError>)> {
        self.send_ahead();
        if let Some((key, answer)) = self.sent.pop_front() {
            return Some((key, answer.await));
        }
        let (key, request) = self.wanted.next()?;
        let answer = match request {
            Ok(request) => self.client.answer_to(request).await,
            Err(error) => Err(error),
        };
        Some((key, answer))
    }

    fn send_ahead(&mut self) {
        while let Some(room) = self.client.room_ahead()
            && let Some((key, request)) = self.wanted.next()
        {
            let client = Arc::clone(&self.client);
            let answering = async move { Ok(client.answer_to(request?).await?.kept_in(room)) };
            let (task, answer) = answering.in_current_span().remote_handle();
            tokio::spawn(task);
            self.sent.push_back((key, answer));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;
    use std::time::Duration;

    use futures::future::join_all;

    use super::super::super::scripted::{Reply, Scripted, options};
    use super::super::{Allowances, ClientOptions, Credential, Get, Vendor};
    use super::*;

    const PATIENCE: Duration = Duration::from_secs(10);

    fn client(server: &Scripted, in_flight: usize) -> Arc<UpstreamClient> {
        let vendor = Vendor {
            name: "Vendor",
            accept: "application/json",
            error_text: |_| None,
            requests_per_minute: NonZeroU32::MIN,
        };
        let credential = Credential { authorization: "token".to_owned().into(), secrets: Vec::new() };
        let allowances = Allowances::with_in_flight(Some(0), in_flight);
        let options = ClientOptions { allowances, ..options() };
        Arc::new(UpstreamClient::new(vendor, server.base.clone(), credential, options).unwrap())
    }

    fn things(
        client: &Arc<UpstreamClient>,
        count: usize,
    ) -> Ahead<impl Iterator<Item = (usize, Result<Request, ReadError>)>, usize> {
        let requests = (0..count).map(|number| {
            let path = ["things", &number.to_string()];
            (
                number,
                client.request(&Get { what: "a thing", operation: "get_thing", path: &path, query: &[] }),
            )
        });
        Ahead::new(client, requests)
    }

    #[tokio::test]
    async fn answers_come_in_the_order_of_the_requests() {
        let server = Scripted::start(|asked| {
            let number: u64 = asked.path.rsplit('/').next().unwrap().parse().unwrap();
            Reply::json(format!("{{\"number\": {number}}}")).after(10 * (3 - number % 4))
        })
        .await;
        let client = client(&server, 4);
        let mut things = things(&client, 9);
        for expected in 0..9 {
            let (number, answer) = things.next().await.unwrap();
            let answer: serde_json::Value = answer.as_ref().unwrap().decode().unwrap();
            assert_eq!((number, &answer["number"]), (expected, &serde_json::json!(expected)));
        }
        assert!(things.next().await.is_none());
        assert_eq!(server.asked().len(), 9);
    }

    #[tokio::test]
    async fn what_is_kept_for_one_credential_is_bounded_however_many_read_with_it() {
        let server = Scripted::start(|_| Reply::json("{}").after(20)).await;
        let client = client(&server, 4);
        let mut readers: Vec<_> = (0..4).map(|_| things(&client, 10)).collect();
        let kept = join_all(readers.iter_mut().map(Ahead::next)).await;
        let all_sent = async {
            while server.asked().len() < 7 {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(PATIENCE, all_sent).await.unwrap();
        // Four by the first of them, who takes all the room, and the one that each other cannot do without.
        assert!(kept.iter().all(|next| next.as_ref().is_some_and(|(_, answer)| answer.is_ok())));
        assert_eq!(server.asked().len(), 7);
        drop(kept);
        assert!(client.room_ahead().is_some(), "an answer that is gone takes up room");
    }

    #[tokio::test]
    async fn requests_whose_answers_nobody_wants_any_more_end() {
        let server = Scripted::start(|asked| {
            Reply::json("{}").after(if asked.path.starts_with("/things") { 60_000 } else { 0 })
        })
        .await;
        let client = client(&server, 2);
        let mut things = things(&client, 5);
        let both_sent = async {
            while server.asked().len() < 2 {
                tokio::task::yield_now().await;
            }
        };
        tokio::select! {
            _ = things.next() => panic!("the server answers nothing"),
            sent = tokio::time::timeout(PATIENCE, both_sent) => sent.unwrap(),
        }
        drop(things);
        let other = Get { what: "another thing", operation: "get_thing", path: &["other"], query: &[] };
        let answer = tokio::time::timeout(PATIENCE, client.get(&other)).await;
        assert!(answer.expect("they keep their places").is_ok());
    }
}
