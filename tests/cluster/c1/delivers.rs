//! What C1 asks for, it gets: read afterwards, whole or as much as it wants, or the reason why not.

use connector_operator::api::{
    ConditionType, ConnectorObject, PlanetScaleConnector, ScalrConnector, Trigger,
};
use connector_operator::kinds::Kind;
use connector_operator::snapshot::{ReadError, Snapshot};
use connector_simulator::c1::{ReceivedFile, SyncFull};
use connector_simulator::{
    PlanetScaleConfig, PlanetScaleSimulator, ScalrConfig, ScalrSimulator, TaskId, TaskSpec,
};

use super::*;
use crate::operator::shared_operator;
use crate::otlp::shared_collector;
use crate::place::{is_held, message};
use crate::upstream::{PLANETSCALE_SECRET, planetscale_spec, scalr_spec};

/// The one file that C1 has for a task.
fn file_of(task: &TaskId) -> ReceivedFile {
    let files = shared_c1().files(task);
    assert_eq!(files.len(), 1, "{files:#?}");
    files.into_iter().next().unwrap()
}

/// How many resources, entitlements and grants a file has, and all that it says of the resources.
fn content(file: &ReceivedFile) -> ([usize; 3], String) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file.c1z");
    std::fs::write(&path, &file.bytes).unwrap();
    let snapshot = Snapshot::open(&path, folder.path()).unwrap();
    let (mut counts, mut text) = ([0; 3], String::new());
    let resources = snapshot.resources(|resource| {
        counts[0] += 1;
        text.push_str(&format!("{resource:?}"));
        Ok::<_, ReadError>(())
    });
    resources.unwrap();
    let mut count = |at: usize| {
        counts[at] += 1;
        Ok::<_, ReadError>(())
    };
    snapshot.entitlements(|_| count(1)).unwrap();
    snapshot.grants(|_| count(2)).unwrap();
    (counts, text)
}

/// Lets C1 ask once for everything, and checks what it got and what the status says of it.
async fn deliver_everything<K: Kind>(place: &Place<'_>, name: &str, client: &C1Client) -> [usize; 3] {
    let before: K = until_delivering(place, name).await;
    let (task, finished) = sync(shared_c1(), client).await;
    assert_eq!(finished, Finished::Success);
    let (after, upload) = until_uploaded::<K>(place, name, &task).await;
    let file = file_of(&task);
    let (before, after) = (before.status().unwrap(), after.status().unwrap());
    let (published, read) = (after.last_published.as_ref().unwrap(), after.last_sync.as_ref().unwrap());
    assert_ne!(before.last_published.as_ref().unwrap().id, published.id, "it was read anew");
    assert_eq!((&published.id, &read.id), (&upload.sync_id, &upload.sync_id));
    assert_eq!(upload.digest, format!("sha256:{}", file.sha256));
    assert_eq!((&published.digest, published.size), (&upload.digest, upload.size));
    let stored = shared_operator().await.files();
    let stored = stored.iter().find(|path| path.display().to_string().contains(&upload.sync_id)).unwrap();
    assert!(std::fs::read(stored).unwrap() == file.bytes, "C1 has what the store has");
    assert_eq!(read.trigger, Trigger::C1Task);
    let wait = |status: &ConnectorStatus| {
        let (next, sync) = (status.next_sync_time.as_ref().unwrap(), status.last_sync.as_ref().unwrap());
        next.0.as_second() - sync.start_time.0.as_second()
    };
    assert!((wait(before) - wait(after)).abs() <= 1, "the next run is due one interval after this one");
    let last = after.c1.as_ref().unwrap().last_task.as_ref().unwrap();
    assert_eq!((last.r#type.as_str(), last.result.as_str(), &last.message), ("sync_full", "OK", &None));
    content(&file).0
}

#[tokio::test]
async fn an_upload_is_part_of_the_trace_of_the_run_that_it_is_of() {
    let (scalr, client, place) = scalr_for_c1("c1-trace").await;
    place.apply::<ScalrConnector>("acme", &for_c1(scalr_spec(&scalr), C1_SECRET)).await;
    until_delivering::<ScalrConnector>(&place, "acme").await;
    let (task, _) = sync(shared_c1(), &client).await;
    let (_, upload) = until_uploaded::<ScalrConnector>(&place, "acme", &task).await;
    let traces = shared_collector().traces("c1-trace", "Succeeded", 2).await;
    assert_eq!(traces[1].says("run", "trigger"), "C1Task");
    assert_eq!(traces[1].says("upload", "bytes"), upload.size.to_string());
    assert!(!traces[0].tree().contains("upload"), "nobody had asked for it");
}

#[tokio::test]
async fn c1_gets_what_the_store_keeps_of_either_kind_and_of_less_only_a_copy() {
    let (scalr, client, place) = scalr_for_c1("c1-both").await;
    place.apply::<ScalrConnector>("acme", &for_c1(scalr_spec(&scalr), C1_SECRET)).await;
    let planetscale = PlanetScaleSimulator::start(PlanetScaleConfig::default()).await.unwrap();
    let other = shared_c1().add_client("c1-both-planetscale").unwrap();
    place.put_secret(PLANETSCALE_SECRET.0, PLANETSCALE_SECRET.1, &planetscale.token()).await;
    place.put_secret_of("c1-planetscale", &secret_of(&other)).await;
    place
        .apply::<PlanetScaleConnector>("all", &for_c1(planetscale_spec(&planetscale), "c1-planetscale"))
        .await;

    let users = scalr.truth();
    let users = users.users.len() + users.service_accounts.len();
    assert_eq!(deliver_everything::<ScalrConnector>(&place, "acme", &client).await[0], users);
    let whole = deliver_everything::<PlanetScaleConnector>(&place, "all", &other).await;
    assert!(whole.iter().all(|count| *count > 0), "{whole:?}");
    let hosts: Vec<String> = shared_c1()
        .hellos()
        .into_iter()
        .filter(|hello| [&client.name, &other.name].contains(&&hello.client))
        .map(|hello| format!("{} {}", hello.client, hello.request.host_id))
        .collect();
    assert_eq!(hosts.len(), 2, "{hosts:?}");
    assert!(hosts.contains(&"c1-both baton-scalr".to_owned()), "{hosts:?}");
    assert!(hosts.contains(&"c1-both-planetscale baton-planetscale".to_owned()), "{hosts:?}");

    let no_grants = SyncFull { skip_grants: true, ..SyncFull::default() };
    let users_only = SyncFull { sync_resource_type_ids: vec!["user".into()], ..SyncFull::default() };
    for (less, expected) in
        [(no_grants, [whole[0], whole[1], 0]), (users_only, [planetscale.counts().users, 0, 0])]
    {
        let task = shared_c1().give(other.index, TaskSpec::SyncFull(less)).unwrap();
        assert_eq!(shared_c1().until_finished(&task, SOON).await.unwrap(), Finished::Success);
        let (object, upload) = until_uploaded::<PlanetScaleConnector>(&place, "all", &task).await;
        let (counts, _) = content(&file_of(&task));
        assert_eq!(counts, expected);
        let status = object.status().unwrap();
        let published = status.last_published.as_ref().unwrap();
        assert_eq!(upload.digest, format!("sha256:{}", file_of(&task).sha256));
        assert_ne!(published.digest, upload.digest);
        assert_eq!(published.id, upload.sync_id);
        assert_eq!(published.counts["grants"], whole[2] as u64, "what is kept is whole");
        assert!(status.last_sync.as_ref().unwrap().changes.values().all(|it| it.removed == 0));
    }
    let metrics = shared_operator().await.metrics().await;
    let gauge =
        "connector_c1_connected{kind=\"PlanetScaleConnector\",namespace=\"c1-both\",name=\"all\"} 1\n";
    assert!(metrics.contains(gauge), "{metrics}");
    let tasks = "connector_c1_tasks_total{kind=\"PlanetScaleConnector\",type=\"sync_full\",result=\"OK\"} ";
    assert!(metrics.contains(tasks), "{metrics}");
    assert!(
        metrics.contains("connector_c1_uploaded_bytes_total{kind=\"PlanetScaleConnector\"} "),
        "{metrics}"
    );
}

#[tokio::test]
async fn a_task_that_comes_during_a_run_gets_one_that_began_after_it() {
    let (scalr, client, place) = scalr_for_c1("c1-fresh").await;
    place.apply::<ScalrConnector>("acme", &for_c1(scalr_spec(&scalr), C1_SECRET)).await;
    until_delivering::<ScalrConnector>(&place, "acme").await;
    scalr.set_latency(Duration::from_secs(3));
    place.request::<ScalrConnector>("acme", "now").await;
    place.until_condition::<ScalrConnector>("acme", ConditionType::Syncing, "True/Progressing").await;
    let earlier = place.get::<ScalrConnector>("acme").await.status.unwrap().last_sync.unwrap();
    assert_eq!(earlier.trigger, Trigger::Requested);
    let task = shared_c1().give(client.index, TaskSpec::sync_full()).unwrap();
    until_reading(shared_c1(), &task, &scalr).await;
    let now = place.get::<ScalrConnector>("acme").await.status.unwrap().last_sync.unwrap();
    assert_eq!((now.id.as_str(), now.completion_time), (earlier.id.as_str(), None), "that run is under way");
    scalr.add_user(Some("ada@example.com"), None).unwrap();
    scalr.set_latency(Duration::ZERO);
    assert_eq!(shared_c1().until_finished(&task, SOON).await.unwrap(), Finished::Success);
    let (object, upload) = until_uploaded::<ScalrConnector>(&place, "acme", &task).await;
    assert_ne!(upload.sync_id, earlier.id);
    let status = object.status.unwrap();
    assert_eq!(status.last_handled_reconcile_at.as_deref(), Some("now"), "the earlier one has ended too");
    assert_eq!(status.last_sync.unwrap().trigger, Trigger::C1Task);
    assert!(content(&file_of(&task)).1.contains("ada@example.com"));
}

#[tokio::test]
async fn what_is_held_is_told_to_c1_as_to_people_until_somebody_accepts_it() {
    let (scalr, client, place) = scalr_for_c1("c1-held").await;
    place.apply::<ScalrConnector>("acme", &for_c1(scalr_spec(&scalr), C1_SECRET)).await;
    until_delivering::<ScalrConnector>(&place, "acme").await;
    let goes: Vec<String> = scalr.truth().users.iter().take(30).map(|user| user.id.to_string()).collect();
    goes.iter().for_each(|user| drop(scalr.remove_user(user).unwrap()));
    let (task, finished) = sync(shared_c1(), &client).await;
    let held: ScalrConnector = place.until("acme", "held", is_held).await;
    let told = message(&held, ConditionType::Ready);
    assert_eq!(refused(&finished), ("FailedPrecondition".to_owned(), told.as_str(), true));
    assert!(shared_c1().files(&task).is_empty());
    let status = held.status.unwrap();
    assert_eq!(shown_condition(&status, ConditionType::C1Connected).as_deref(), Some(CONNECTED));

    place.accept::<ScalrConnector>("acme", &status.held.unwrap().id).await;
    until_delivering::<ScalrConnector>(&place, "acme").await;
    let (task, finished) = sync(shared_c1(), &client).await;
    assert_eq!(finished, Finished::Success);
    assert_eq!(
        content(&file_of(&task)).0[0],
        scalr.truth().users.len() + scalr.truth().service_accounts.len()
    );
}

#[tokio::test]
async fn a_token_that_the_upstream_refuses_is_told_to_c1_as_to_people() {
    let scalr = ScalrSimulator::start(ScalrConfig::default()).await.unwrap();
    let client = shared_c1().add_client("c1-unauthorized").unwrap();
    let place = Place::new("c1-unauthorized").await;
    place.put_secret(SCALR_SECRET.0, SCALR_SECRET.1, "wrong").await;
    place.put_secret_of(C1_SECRET, &secret_of(&client)).await;
    trust(&place, shared_c1()).await;
    place.apply::<ScalrConnector>("acme", &for_c1(scalr_spec(&scalr), C1_SECRET)).await;
    place.until_condition::<ScalrConnector>("acme", ConditionType::Ready, "False/Unauthorized").await;
    let object: ScalrConnector = place.until_condition("acme", ConditionType::C1Connected, CONNECTED).await;
    let told = message(&object, ConditionType::Ready);
    let (task, finished) = sync(shared_c1(), &client).await;
    assert_eq!(refused(&finished), ("Unauthenticated".to_owned(), told.as_str(), true));
    assert!(shared_c1().files(&task).is_empty());
    let ended: ScalrConnector = place
        .until("acme", "told of the task", |status| {
            let last = status.c1.as_ref().and_then(|c1| c1.last_task.as_ref());
            last.is_some_and(|last| last.id == task.as_str())
        })
        .await;
    let last = ended.status.unwrap().c1.unwrap().last_task.unwrap();
    assert_eq!((last.result.as_str(), last.message), ("Unauthenticated", Some(told)));
}
