//! Uploading a file: what it is for, its bytes in pieces, its checksum at the end. Whatever breaks, it begins anew.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use futures::{Stream, StreamExt, future, stream};

use super::{Asset, C1Error, Pace, Service};
use crate::proto::c1::connectorapi::baton::v1 as api;

use api::baton_service_upload_asset_request::{Msg, UploadData, UploadEof, UploadMetadata};

/// Bytes in one message; C1 takes up to 1 MiB.
const PIECE: usize = 512 << 10;
/// C1 may take so much longer to look at a file than to take a piece of it.
const CHECKING: u32 = 5;
/// How often it begins.
const TRIES: u32 = 3;

/// How far an upload has come, as seen from here. It is called off where this goes.
#[derive(Debug, Default)]
pub(super) struct Sent {
    /// The messages that are on their way, of all tries.
    messages: Arc<AtomicU64>,
    /// The present try.
    present: Mutex<Arc<Try>>,
}

/// One try: its last message is what has C1 take the file. Who drops a call cannot tell whether that message is still
/// sent; so it is either on its way, or can no longer be.
#[derive(Debug, Default)]
struct Try(AtomicU8);

const GOING_ON: u8 = 0;
const ENDED: u8 = 1;
const CALLED_OFF: u8 = 2;

impl Try {
    /// Whether the last message may be sent.
    fn end(&self) -> bool {
        self.moves_to(ENDED)
    }

    fn call_off(&self) -> bool {
        self.moves_to(CALLED_OFF)
    }

    fn moves_to(&self, state: u8) -> bool {
        self.0.compare_exchange(GOING_ON, state, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }
}

impl Sent {
    /// Sees to it that C1 does not take the file; false where all of it is on its way, and C1 may have taken it.
    pub(super) fn call_off(&self) -> bool {
        self.present.lock().unwrap_or_else(PoisonError::into_inner).call_off()
    }

    fn begin(&self) -> Arc<Try> {
        let mut present = self.present.lock().unwrap_or_else(PoisonError::into_inner);
        present.call_off();
        *present = Arc::default();
        Arc::clone(&present)
    }

    /// The present try has come to nothing: whoever calls it off before the next begins does so in time.
    fn fail(&self) {
        *self.present.lock().unwrap_or_else(PoisonError::into_inner) = Arc::default();
    }

    /// Is all of the file on its way?
    fn has_ended(&self) -> bool {
        let present = self.present.lock().unwrap_or_else(PoisonError::into_inner);
        present.0.load(Ordering::Acquire) == ENDED
    }

    fn messages(&self) -> u64 {
        self.messages.load(Ordering::Relaxed)
    }

    /// Waits until nothing has been sent for so long, or for [`CHECKING`] times as long where C1 has all of it.
    async fn stalled(&self, limit: Duration) {
        let (mut before, mut times) = (self.messages(), 0);
        loop {
            tokio::time::sleep(limit).await;
            let now = self.messages();
            times = if now == before { times + 1 } else { 0 };
            if times >= if self.has_ended() { CHECKING } else { 1 } {
                return;
            }
            before = now;
        }
    }
}

impl Drop for Sent {
    fn drop(&mut self) {
        self.call_off();
    }
}

/// Uploads `asset` for the task `id`. The second try begins at once, the third a moment later.
///
/// # Errors
/// The error of the last try.
pub(super) async fn upload(
    service: &Service,
    pace: &Pace,
    id: &str,
    asset: &Asset,
    sent: &Sent,
) -> Result<(), C1Error> {
    let mut tries = 1;
    loop {
        let uploaded = tokio::select! {
            uploaded = service.upload(|| messages(service.host_id(), id, asset, sent)) => uploaded,
            () = sent.stalled(pace.stall) => {
                Err(C1Error::Late { method: "UploadAsset", seconds: pace.stall.as_secs() })
            }
        };
        let Err(error) = uploaded else { return Ok(()) };
        sent.fail();
        if tries == TRIES || error.lasts() {
            return Err(error);
        }
        tracing::warn!(%error, "The upload begins anew");
        tokio::time::sleep(pace.again * (tries - 1)).await;
        tries += 1;
    }
}

fn messages(
    host_id: String,
    id: &str,
    asset: &Asset,
    sent: &Sent,
) -> impl Stream<Item = api::BatonServiceUploadAssetRequest> + Send + 'static + use<> {
    let (present, count) = (sent.begin(), Arc::clone(&sent.messages));
    let metadata = UploadMetadata { host_id, task_id: id.to_owned(), annotations: Vec::new() };
    let eof = UploadEof { sha256_checksum: asset.sha256.to_vec(), annotations: Vec::new() };
    let data = pieces(Arc::clone(&asset.file)).map(|data| Msg::Data(UploadData { data }));
    let end = async move { if present.end() { Msg::Eof(eof) } else { future::pending().await } };
    stream::iter([Msg::Metadata(metadata)])
        .chain(data)
        .chain(stream::once(end))
        .inspect(move |_| _ = count.fetch_add(1, Ordering::Relaxed))
        .map(|msg| api::BatonServiceUploadAssetRequest { msg: Some(msg) })
}

/// The bytes of `file`, which may be read by a try that was given up and is not yet over.
fn pieces(file: Arc<File>) -> impl Stream<Item = Bytes> + Send + 'static {
    stream::unfold((file, 0), |(file, offset)| async move {
        let reading = tokio::task::spawn_blocking(move || piece_at(&file, offset).map(|piece| (piece, file)));
        // A file that cannot be read ends early, and then C1 refuses what came for its checksum.
        let (piece, file) = reading.await.ok()?.ok()?;
        let next = offset + piece.len() as u64;
        (!piece.is_empty()).then(|| (Bytes::from(piece), (file, next)))
    })
}

fn piece_at(file: &File, offset: u64) -> io::Result<Vec<u8>> {
    let mut piece = vec![0; PIECE];
    let mut filled = 0;
    while let Some(rest) = piece.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match file.read_at(rest, offset + filled as u64)? {
            0 => break,
            read => filled += read,
        }
    }
    piece.truncate(filled);
    Ok(piece)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_file_is_sent_in_order_in_pieces_that_c1_takes_and_read_only_as_fast_as_they_are_taken() {
        let mut path = tempfile::NamedTempFile::new().unwrap();
        let bytes: Vec<u8> = (0..3 * PIECE + 5).map(|at| (at % 251) as u8).collect();
        io::Write::write_all(&mut path, &bytes).unwrap();
        let asset = Asset::open(path.path(), "run").unwrap();
        let sent = Sent::default();
        let mut messages = Box::pin(messages("host".to_owned(), "task", &asset, &sent));
        assert!(
            matches!(messages.next().await.unwrap().msg, Some(Msg::Metadata(it)) if it.task_id == "task")
        );
        let mut arrived = Vec::new();
        for number in 2..=5 {
            let Some(Msg::Data(piece)) = messages.next().await.unwrap().msg else { panic!("no data") };
            assert!(piece.data.len() <= PIECE);
            arrived.extend_from_slice(&piece.data);
            assert_eq!(sent.messages(), number);
        }
        assert!(arrived == bytes);
        let Some(Msg::Eof(eof)) = messages.next().await.unwrap().msg else { panic!("no end") };
        assert_eq!(eof.sha256_checksum, asset.sha256);
        assert!(!sent.call_off() && messages.next().await.is_none());
    }

    #[tokio::test]
    async fn what_is_called_off_or_begun_anew_never_comes_to_its_end() {
        let mut path = tempfile::NamedTempFile::new().unwrap();
        io::Write::write_all(&mut path, b"file").unwrap();
        let asset = Asset::open(path.path(), "run").unwrap();
        let sent = Sent::default();
        let all = || Box::pin(messages("host".to_owned(), "task", &asset, &sent).take(3).count());
        let first = all();
        let second = all();
        assert_eq!(second.await, 3);
        let waited = tokio::time::timeout(Duration::from_millis(50), first).await;
        assert!(waited.is_err(), "the try before came to its end");
        let third = all();
        assert!(sent.call_off());
        let waited = tokio::time::timeout(Duration::from_millis(50), third).await;
        assert!(waited.is_err(), "it came to its end");
    }

    #[tokio::test(start_paused = true)]
    async fn an_upload_stalls_only_when_nothing_has_been_sent_for_long() {
        let (sent, limit) = (Sent::default(), Duration::from_secs(10));
        let begun = tokio::time::Instant::now();
        let sending = async {
            for _ in 0..3 {
                tokio::time::sleep(limit / 2).await;
                sent.messages.fetch_add(1, Ordering::Relaxed);
            }
        };
        tokio::join!(sending, sent.stalled(limit));
        assert_eq!(begun.elapsed(), 3 * limit);
    }
}
