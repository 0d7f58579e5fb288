//! What is cut out of the SDK's own full file, against the files that the SDK writes when it is asked for less.

use std::collections::BTreeSet;

use connector_operator::snapshot::{Selection, Snapshot, select};
use connector_simulator::c1::SyncFull;

use crate::content::Content;
use crate::service::{Stage, sqlite};

struct Compared {
    ours: Content,
    theirs: Content,
}

/// Asks the SDK for less, and cuts its full file down by the same task.
async fn compare(stage: &Stage, whole: &Snapshot, task: SyncFull) -> Compared {
    let selection =
        Selection::of_task(&task.sync_resource_type_ids, task.skip_entitlements_and_grants, task.skip_grants);
    let theirs = Content::of(&stage.sync(task).await);
    let out = stage.folder.path().join("selected.c1z");
    select(whole, &selection, &out, stage.folder.path()).unwrap();
    Compared { ours: Content::of(&out), theirs }
}

fn of_types(types: &[&str]) -> SyncFull {
    SyncFull { sync_resource_type_ids: types.iter().map(|id| (*id).to_owned()).collect(), ..sqlite() }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_selected_is_what_the_sdk_writes_for_the_same_task() {
    let stage = Stage::set().await;
    let path = stage.sync(sqlite()).await;
    let whole = Snapshot::open(&path, stage.folder.path()).unwrap();
    assert!(Content::of(&path).count("grants") > 0);

    for task in [
        SyncFull { skip_entitlements_and_grants: true, ..sqlite() },
        SyncFull { skip_grants: true, ..sqlite() },
        SyncFull { skip_grants: true, skip_entitlements_and_grants: true, ..sqlite() },
        of_types(&["organization"]),
        of_types(&["organization", "team"]),
        of_types(&["organization", "user"]),
        of_types(&["organization", "team", "user"]),
        SyncFull { skip_entitlements_and_grants: true, ..of_types(&["organization", "team"]) },
        SyncFull { skip_grants: true, ..of_types(&["organization", "user"]) },
    ] {
        let Compared { ours, theirs } = compare(&stage, &whole, task.clone()).await;
        assert_eq!(ours, theirs, "{task:?}");
    }
}

/// The connector on the SDK lists users as children of organizations, but does not make them so in its file.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn users_alone_are_all_users_here_and_nobody_there() {
    let stage = Stage::set().await;
    let whole = stage.sync(sqlite()).await;
    let whole = Snapshot::open(&whole, stage.folder.path()).unwrap();
    for types in [&["user"][..], &["team", "user"]] {
        let Compared { ours, theirs } = compare(&stage, &whole, of_types(types)).await;
        assert_eq!(ours.sync_type, theirs.sync_type);
        assert_eq!(ours.ids["resource_types"], theirs.ids["resource_types"]);
        assert_eq!(ours.count("resources"), stage.upstream.counts().users);
        assert_eq!(theirs.ids["resources"], BTreeSet::new());
        assert_eq!((ours.count("entitlements"), ours.count("grants")), (0, 0));
        assert_eq!((theirs.count("entitlements"), theirs.count("grants")), (0, 0));
    }
}
