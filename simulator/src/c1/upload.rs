//! Files that connectors upload: metadata, data, end, in that order, and a checksum that must be right.

use std::fs;
use std::io;
use std::path::Path;
use std::time::Duration;

use axum::body::Bytes;
use c1_protocol::c1::connectorapi::baton::v1::baton_service_upload_asset_request::{
    Msg, UploadData, UploadEof, UploadMetadata,
};
use c1_protocol::c1::connectorapi::baton::v1::{
    BatonServiceUploadAssetRequest, BatonServiceUploadAssetResponse,
};
use sha2::{Digest as _, Sha256};
use tonic::{Status, Streaming};

use super::call::Call;
use super::faults::C1Fault;
use super::rules;
use super::service::not_in_hand;
use super::tasks::TaskId;
use crate::server::Reset;

/// The most that one message may carry.
const LARGEST_CHUNK: usize = 1 << 20;

/// A file that arrived whole, with the right checksum.
#[derive(Clone, Debug)]
pub struct ReceivedFile {
    /// When its last byte came, counted from the server's start.
    pub at: Duration,
    /// The task that it was uploaded for.
    pub task: TaskId,
    /// The name of the client that uploaded it.
    pub client: String,
    /// The host that uploaded it.
    pub host_id: String,
    /// How many messages its data came in.
    pub chunks: usize,
    /// Its checksum, in hexadecimal digits.
    pub sha256: String,
    /// What is in it.
    pub bytes: Bytes,
}

type Parts = Streaming<BatonServiceUploadAssetRequest>;

/// Receives a file for a task in hand, and keeps it.
pub(super) async fn receive(
    call: &mut Call,
    parts: &mut Parts,
    reset: Option<&Reset>,
) -> Result<(BatonServiceUploadAssetResponse, String), Status> {
    let Some(Msg::Metadata(metadata)) = next(parts).await? else {
        return Err(Status::invalid_argument("an upload begins with its metadata"));
    };
    call.is_of_host(&metadata.host_id);
    belongs_to_a_task(call, &metadata)?;
    let (data, eof) = content(call, parts, reset).await?;
    let sha256 = verified(call, &data, &eof)?;
    // It may have been cancelled, or have gone to another, meanwhile.
    belongs_to_a_task(call, &metadata)?;
    let file = ReceivedFile {
        at: call.state.at(),
        task: TaskId(metadata.task_id),
        client: call.client_name().to_owned(),
        host_id: metadata.host_id,
        chunks: data.chunks,
        sha256,
        bytes: data.bytes.into(),
    };
    let text =
        keep(call, file).map_err(|error| Status::internal(format!("cannot keep the file: {error}")))?;
    Ok((BatonServiceUploadAssetResponse::default(), text))
}

#[derive(Default)]
struct Data {
    bytes: Vec<u8>,
    chunks: usize,
}

async fn next(parts: &mut Parts) -> Result<Option<Msg>, Status> {
    let Some(message) = parts.message().await? else { return Ok(None) };
    message.msg.map(Some).ok_or_else(|| Status::invalid_argument("a message of an upload is empty"))
}

fn belongs_to_a_task(call: &Call, metadata: &UploadMetadata) -> Result<(), Status> {
    rules::host_id(&metadata.host_id)?;
    rules::task_id(&metadata.task_id)?;
    rules::annotations(&metadata.annotations)?;
    let mut world = call.state.world();
    let task = world.tasks.in_hand(call.client, &metadata.host_id, &metadata.task_id);
    task.map(|_| ()).ok_or_else(|| not_in_hand(&metadata.task_id))
}

/// Everything between the metadata and the end of the stream.
async fn content(call: &Call, parts: &mut Parts, reset: Option<&Reset>) -> Result<(Data, UploadEof), Status> {
    let mut data = Data::default();
    loop {
        match next(parts).await? {
            Some(Msg::Data(UploadData { data: chunk })) => data.add(&chunk)?,
            Some(Msg::Eof(eof)) => {
                if next(parts).await?.is_some() {
                    return Err(Status::invalid_argument("something comes after an upload's end"));
                }
                return Ok((data, eof));
            }
            Some(Msg::Metadata(_)) => return Err(Status::invalid_argument("an upload has metadata twice")),
            None => return Err(Status::invalid_argument("an upload stops before its end")),
        }
        if call.state.faults.strike(C1Fault::DropUpload) {
            reset.inspect(|reset| reset.at_once());
            return Err(Status::unavailable("reset on purpose"));
        }
    }
}

impl Data {
    fn add(&mut self, chunk: &[u8]) -> Result<(), Status> {
        if !(1..=LARGEST_CHUNK).contains(&chunk.len()) {
            let length = chunk.len();
            return Err(Status::invalid_argument(format!(
                "a chunk has {length} bytes instead of 1 to 1048576"
            )));
        }
        self.chunks += 1;
        self.bytes.extend_from_slice(chunk);
        Ok(())
    }
}

/// The checksum in hexadecimal digits, if it is that of the data.
fn verified(call: &Call, data: &Data, eof: &UploadEof) -> Result<String, Status> {
    rules::annotations(&eof.annotations)?;
    if data.chunks == 0 {
        return Err(Status::invalid_argument("an upload has no data"));
    }
    if eof.sha256_checksum.len() != 32 {
        return Err(Status::invalid_argument("sha256_checksum has not 32 bytes"));
    }
    let checksum = Sha256::digest(&data.bytes);
    if eof.sha256_checksum[..] != checksum[..] || call.state.faults.strike(C1Fault::BadChecksumAnswer) {
        return Err(Status::data_loss("the checksum is not that of the data"));
    }
    Ok(checksum.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// Keeps a file, and says what it is.
fn keep(call: &Call, file: ReceivedFile) -> io::Result<String> {
    let short = file.sha256.get(..12).unwrap_or_default();
    #[allow(clippy::cast_precision_loss, reason = "for people")]
    let mebibytes = file.bytes.len() as f64 / f64::from(1 << 20);
    let text = format!("{}: {} chunks, {mebibytes:.1} MiB, sha256 {short}… ok", file.task, file.chunks);
    let mut world = call.state.world();
    if let Some(folder) = &call.state.config.folder {
        let before = world.files.iter().filter(|other| other.task == file.task).count();
        write(folder, &file, before)?;
    }
    world.files.push(file);
    Ok(text)
}

/// Under its final name only when it is whole, for whoever watches the folder.
fn write(folder: &Path, file: &ReceivedFile, before: usize) -> io::Result<()> {
    let name =
        if before == 0 { format!("{}.c1z", file.task) } else { format!("{}-{}.c1z", file.task, before + 1) };
    let unfinished = folder.join(format!(".{name}"));
    fs::write(&unfinished, &file.bytes)?;
    fs::rename(unfinished, folder.join(name))
}
