//! What C1 sees of an operator that ends, is killed, and comes back.

use connector_operator::api::{ConditionType, ScalrConnector, Trigger};
use connector_simulator::c1::listed_transcript;
use connector_simulator::{C1Config, C1Fault};

use super::away::Stage;
use super::shared::at_host;
use super::*;
use crate::upstream::scalr_spec;

/// A C1 that soon gives out again what it no longer hears of.
fn impatient() -> C1Config {
    C1Config {
        next_heartbeat: Duration::from_secs(1),
        heartbeat_timeout: Duration::from_secs(4),
        ..C1Config::default()
    }
}

#[tokio::test]
async fn killed_in_mid_read_and_in_mid_upload_c1_gets_one_good_file_for_the_task() {
    let stage = Stage::set(impatient()).await;
    let operator = stage.operator().await;
    let place = stage.place().await;
    place.apply::<ScalrConnector>("acme", &stage.spec()).await;
    let first = until_delivering::<ScalrConnector>(&place, "acme").await;
    let first = first.status.unwrap().last_published.unwrap().id;

    stage.scalr.set_latency(Duration::from_secs(6));
    let task = stage.c1.give(0, TaskSpec::sync_full()).unwrap();
    until_reading(&stage.c1, &task, &stage.scalr).await;
    operator.kill();

    // This one reads everything, and C1 answers nothing from there on: the upload hangs.
    let operator = stage.operator().await;
    let again = |_: &[Entry]| stage.c1.task(&task).unwrap().handed_out == 2;
    stage.c1.until(SOON, again).await.unwrap();
    until_reading(&stage.c1, &task, &stage.scalr).await;
    stage.c1.switch_on(C1Fault::Hang, None);
    stage.scalr.set_latency(Duration::ZERO);
    let read: ScalrConnector = place
        .until("acme", "read", |it| it.last_published.as_ref().is_some_and(|published| published.id != first))
        .await;
    let uploading = || operator.log().contains("Uploading the snapshot to C1");
    let deadline = Instant::now() + SOON;
    while !uploading() {
        assert!(Instant::now() < deadline, "no upload");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert!(stage.c1.files(&task).is_empty());
    operator.kill();
    stage.c1.switch_all_off();

    let operator = stage.operator().await;
    assert_eq!(stage.c1.until_finished(&task, SOON).await.unwrap(), Finished::Success);
    let (object, upload) = until_uploaded::<ScalrConnector>(&place, "acme", &task).await;
    println!("{}", listed_transcript(&stage.c1.transcript()));
    let files = stage.c1.all_files();
    assert_eq!(files.len(), 1, "{files:#?}");
    assert_eq!(format!("sha256:{}", files[0].sha256), upload.digest);
    let status = object.status.unwrap();
    let published = status.last_published.unwrap();
    assert_eq!((&published.id, &published.digest), (&upload.sync_id, &upload.digest));
    assert_ne!(published.id, read.status.unwrap().last_published.unwrap().id, "C1 gets what was read since");
    assert_eq!(status.last_sync.unwrap().trigger, Trigger::C1Task);
    assert!(operator.terminate().await.success());
}

#[tokio::test]
async fn asked_to_end_in_mid_read_it_gives_the_task_back_and_a_restart_writes_nothing_but_reads_for_it() {
    let stage = Stage::set(impatient()).await;
    let operator = stage.operator().await;
    let place = stage.place().await;
    place.apply::<ScalrConnector>("acme", &stage.spec()).await;
    until_delivering::<ScalrConnector>(&place, "acme").await;
    stage.scalr.set_latency(Duration::from_secs(20));
    let task = stage.c1.give(0, TaskSpec::sync_full()).unwrap();
    until_reading(&stage.c1, &task, &stage.scalr).await;
    let asked_to_end = Instant::now();
    let ended = operator.terminate().await;
    assert!(ended.success(), "{ended}");
    println!("it ended after {:?}", asked_to_end.elapsed());
    let finished = stage.c1.finished(&task).expect("it was given back before the end");
    assert_eq!(refused(&finished).0, "Cancelled");
    stage.scalr.set_latency(Duration::ZERO);

    let operator = stage.operator().await;
    let (task, finished) = sync(&stage.c1, &stage.client).await;
    assert_eq!(finished, Finished::Success);
    until_uploaded::<ScalrConnector>(&place, "acme", &task).await;
    assert!(operator.terminate().await.success());

    let before: ScalrConnector = place.get("acme").await;
    let hellos = hellos_of(&stage.c1.transcript(), &stage.client);
    let _operator = stage.operator().await;
    let polls = calls_of(&stage.c1.transcript(), &stage.client);
    let greeted = |entries: &[Entry]| hellos_of(entries, &stage.client) > hellos;
    stage.c1.until(SOON, |it| greeted(it) && calls_of(it, &stage.client) > polls + 3).await.unwrap();
    let after: ScalrConnector = place.get("acme").await;
    assert_eq!(before.metadata.resource_version, after.metadata.resource_version, "{:#?}", after.status);
}

#[tokio::test]
async fn after_a_restart_the_younger_of_two_with_one_client_id_says_nothing() {
    let stage = Stage::set(C1Config::default()).await;
    let operator = stage.operator().await;
    let place = stage.place().await;
    let spec = |host| at_host(scalr_spec(&stage.scalr), C1_SECRET, host);
    place.apply::<ScalrConnector>("a-older", &spec("older")).await;
    until_delivering::<ScalrConnector>(&place, "a-older").await;
    place.apply::<ScalrConnector>("b-younger", &spec("younger")).await;
    let wanted = "False/CredentialsShared";
    place.until_condition::<ScalrConnector>("b-younger", ConditionType::Ready, wanted).await;
    operator.kill();
    for _restart in 0..2 {
        let kept: ScalrConnector = place.get("b-younger").await;
        let hellos = hellos_of(&stage.c1.transcript(), &stage.client);
        operator_of(&stage, |entries| hellos_of(entries, &stage.client) > hellos).await;
        let after: ScalrConnector = place.get("b-younger").await;
        assert_eq!(after.metadata.resource_version, kept.metadata.resource_version, "{:#?}", after.status);
    }
    let hosts: Vec<String> = stage.c1.transcript().into_iter().map(|entry| entry.host_id).collect();
    assert!(!hosts.contains(&"younger".to_owned()), "{hosts:?}");
    assert!(hosts.contains(&"older".to_owned()));
}

/// Starts an operator, and kills it once C1 has seen this and a few polls more.
async fn operator_of(stage: &Stage, seen: impl Fn(&[Entry]) -> bool) {
    let operator = stage.operator().await;
    let calls = calls_of(&stage.c1.transcript(), &stage.client);
    stage.c1.until(SOON, |it| seen(it) && calls_of(it, &stage.client) > calls + 2).await.unwrap();
    operator.kill();
}
