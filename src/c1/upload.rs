//! Uploading a file: what it is for, its bytes in pieces, its checksum at the end. Whatever breaks, it begins anew.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::{Stream, StreamExt, stream};

use super::{Asset, C1Error, Service};
use crate::proto::c1::connectorapi::baton::v1 as api;

use api::baton_service_upload_asset_request::{Msg, UploadData, UploadEof, UploadMetadata};

/// Bytes in one message; C1 takes up to 1 MiB.
const PIECE: usize = 512 << 10;
/// How often it begins, and the wait before each time but the first.
const TRIES: u32 = 3;
const WAIT: Duration = Duration::from_secs(1);

/// Uploads `asset` for the task `id`.
///
/// # Errors
/// The error of the last try.
pub(super) async fn upload(service: &Service, id: &str, asset: &Asset) -> Result<(), C1Error> {
    let mut tries = 1;
    loop {
        let Err(error) = service.upload(|| messages(service.host_id(), id, asset)).await else {
            return Ok(());
        };
        if tries == TRIES {
            return Err(error);
        }
        tracing::warn!(%error, "The upload begins anew");
        tokio::time::sleep(WAIT * (tries - 1)).await;
        tries += 1;
    }
}

fn messages(
    host_id: String,
    id: &str,
    asset: &Asset,
) -> impl Stream<Item = api::BatonServiceUploadAssetRequest> + Send + 'static + use<> {
    let metadata = UploadMetadata { host_id, task_id: id.to_owned(), annotations: Vec::new() };
    let eof = UploadEof { sha256_checksum: asset.sha256.to_vec(), annotations: Vec::new() };
    let data = pieces(Arc::clone(&asset.file)).map(|data| Msg::Data(UploadData { data }));
    stream::iter([Msg::Metadata(metadata)])
        .chain(data)
        .chain(stream::iter([Msg::Eof(eof)]))
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
