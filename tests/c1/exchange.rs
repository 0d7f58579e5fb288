//! The whole of it, from the greeting to the end of a task, where nothing goes wrong.

use connector_operator::c1::{Ended, TaskEnd};
use connector_simulator::c1::{Finished, listed_transcript};
use connector_simulator::{C1Config, TaskSpec};
use sha2::{Digest, Sha256};

use crate::reader::FakeReader;
use crate::stage::{HOST, Setup, Stage, calls, quick};

#[tokio::test(flavor = "multi_thread")]
async fn a_connector_greets_polls_answers_a_hello_and_delivers_what_it_reads() {
    let stage = Stage::new().await;
    stage.sees("C1 answers", |view| view.connected && view.trouble.is_none()).await;
    let hello = stage.give(TaskSpec::Hello);
    assert_eq!(stage.finished(&hello).await, Finished::Success);

    let sync = stage.reading().await;
    stage.until(|_| stage.task(&sync).heartbeats >= 2).await;
    stage.polls(2).await;
    stage.reader.let_go();
    assert_eq!(stage.finished(&sync).await, Finished::Success);
    stage.has_the_file(&sync);

    let digest: String =
        Sha256::digest(stage.reader.bytes()).iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(stage.c1.files(&sync)[0].sha256, digest);
    let view = stage.sees("the task has ended", |view| {
        view.last_task.as_ref().is_some_and(|task| task.id == sync.as_str() && task.ended.is_some())
    });
    let view = view.await;
    let (task, upload) = (view.last_task.unwrap(), view.last_upload.unwrap());
    assert_eq!((task.kind, task.ended.unwrap().1), ("sync_full", TaskEnd::Succeeded));
    assert_eq!((upload.sync_id.as_str(), upload.task_id.as_str()), (stage.reader.run(), sync.as_str()));
    assert_eq!((upload.digest, upload.size), (digest, stage.reader.bytes().len() as u64));

    let hellos = stage.c1.hellos();
    assert_eq!(hellos.iter().map(|hello| hello.task.clone()).collect::<Vec<_>>(), [None, Some(hello)]);
    for hello in hellos {
        let metadata = hello.request.connector_metadata.unwrap();
        assert_eq!((metadata.display_name.as_str(), hello.request.host_id.as_str()), ("Scalr", HOST));
        let capabilities = metadata.capabilities.unwrap();
        assert_eq!(capabilities.resource_type_capabilities.len(), 1);
        assert!(hello.user_agent.starts_with("connector-operator/"), "{}", hello.user_agent);
    }
    let transcript = stage.c1.transcript();
    assert!(transcript.iter().all(|entry| entry.answer.is_ok()), "{}", listed_transcript(&transcript));
    assert_eq!(calls(&transcript, "Token").count(), 1, "one token does for all calls");
    println!("{}", short(&listed_transcript(&transcript)));
    assert_eq!(stage.stopped().await.0, Ended::Stopped);
}

/// Without all the polls that came to nothing, and most heartbeats.
fn short(transcript: &str) -> String {
    let mut beats = 0;
    let lines = transcript.lines().filter(|line| {
        beats += usize::from(line.contains("Heartbeat"));
        !line.contains("GetTask -> nothing") && (!line.contains("Heartbeat") || beats <= 3)
    });
    lines.collect::<Vec<_>>().join("\n")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_file_arrives_in_pieces() {
    let mut bytes = vec![0; 20 << 20];
    fastrand::Rng::with_seed(7).fill(&mut bytes);
    let config = C1Config { heartbeat_timeout: crate::stage::SOON, ..quick() };
    let stage = Stage::with(config, Setup::default(), FakeReader::of(&bytes)).await;
    let task = stage.give(TaskSpec::sync_full());
    assert_eq!(stage.finished(&task).await, Finished::Success);
    stage.has_the_file(&task);
    assert_eq!(stage.c1.files(&task)[0].chunks, 40);
}
