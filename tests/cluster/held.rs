//! The removal guard from end to end: more goes upstream than may go without anybody's word, the run is held, and
//! somebody accepts it.

use connector_operator::api::{
    ACCEPT_REMOVALS, ConditionType, PlanetScaleConnector, ScalrConnector, Trigger, WhyHeld,
};
use connector_simulator::{PlanetScaleConfig, PlanetScaleSimulator, Scalr, ScalrConfig, ScalrSimulator};
use kube::ResourceExt;
use serde_json::json;
use testbed::ControlPlane;

use crate::baton::{Baton, published_file};
use crate::operator::{Operator, files_in, prepare};
use crate::place::{Place, assert_up_to_date, is_connected, is_held, message, shown};
use crate::upstream::{
    PLANETSCALE_SECRET, SCALR_SECRET, place_for, planetscale_spec, scalr, scalr_spec, with,
};

const HELD: &str =
    "Held: Ready=False/RemovalsHeld Connected=True/Succeeded Syncing=False/Idle Stalled=True/RemovalsHeld";

/// Removes so many users of the account.
fn remove_users(scalr: &Scalr, count: usize) {
    for user in scalr.truth().users.iter().take(count) {
        scalr.remove_user(&user.email).unwrap();
    }
}

/// A connector of an account of 48 users that was read, and then lost so many.
async fn held(scalr: &ScalrSimulator, place: &Place<'_>, removed: usize) -> ScalrConnector {
    place.apply::<ScalrConnector>("acme", &scalr_spec(scalr)).await;
    place.until_connected::<ScalrConnector>("acme").await;
    remove_users(scalr, removed);
    place.request::<ScalrConnector>("acme", "after").await;
    place.until("acme", "Held", is_held).await
}

#[tokio::test]
async fn a_mass_removal_is_held_and_published_when_somebody_accepts_it() {
    let scalr = scalr().await;
    let place = place_for(&scalr, "mass-removal").await;
    let object = held(&scalr, &place, 30).await;
    assert_up_to_date(&object);
    let status = object.status.clone().unwrap();
    assert_eq!(shown(&status), HELD);
    let hold = status.held.clone().unwrap();
    assert_eq!((hold.removals.len(), hold.more, hold.accepted), (1, None, false));
    let removal = &hold.removals[0];
    assert_eq!((removal.before, removal.removed, removal.why), (45, 30, WhyHeld::TooMany));
    assert_eq!(status.last_sync.as_ref().unwrap().counts["users"], 18);
    let published = status.last_published.as_ref().unwrap();
    assert_eq!(published.counts["users"], 48);
    assert_eq!((published.scopes["users"], published.scopes["service accounts"]), (45, 3));
    assert_eq!(Baton::published(&object).await.users().await.len(), 48);

    let explanation = message(&object, ConditionType::Ready);
    assert!(explanation.contains(&hold.id) && explanation.contains(ACCEPT_REMOVALS), "{explanation}");
    let told = place.until_told(&object, "RemovalsHeld").await;
    assert_eq!(told.last().unwrap(), &("Warning".to_owned(), "RemovalsHeld".to_owned(), explanation));
    let line = place.line(&["scalr", "acme"]).await;
    assert!(line.starts_with("acme Held acme 48 "), "{line}");

    // Asking once more is no approval, and neither is an approval of something else.
    place.request::<ScalrConnector>("acme", "once more").await;
    let again: ScalrConnector = place
        .until("acme", "Held again", |it| {
            is_held(it) && it.last_handled_reconcile_at.as_deref() == Some("once more")
        })
        .await;
    let again = again.status.unwrap().held.unwrap();
    assert_eq!((&again.id, &again.since), (&hold.id, &hold.since));
    place.accept::<ScalrConnector>("acme", "something else").await;
    place.until_told(&object, "ApprovalDoesNotMatch").await;
    assert_eq!(shown(&place.get::<ScalrConnector>("acme").await.status.unwrap()), HELD);

    place.accept::<ScalrConnector>("acme", &hold.id).await;
    let accepted: ScalrConnector = place.until("acme", "published", is_connected).await;
    let status = accepted.status.clone().unwrap();
    assert_eq!((status.held, status.last_handled_approval), (None, Some(hold.id)));
    assert_eq!(status.last_sync.unwrap().trigger, Trigger::Approved);
    assert_eq!(Baton::published(&accepted).await.users().await.len(), 18);
    place.until_told(&object, "Connected").await;

    // The approval that is left behind accepts nothing more.
    remove_users(&scalr, 10);
    place.request::<ScalrConnector>("acme", "and more").await;
    let more: ScalrConnector = place.until("acme", "Held", is_held).await;
    assert_eq!(more.status.unwrap().last_published.unwrap().counts["users"], 18);
}

#[tokio::test]
async fn a_connector_that_is_allowed_more_publishes_it_and_holds_nothing() {
    let scalr = scalr().await;
    let place = place_for(&scalr, "cleared").await;
    let object = held(&scalr, &place, 12).await;
    let spec = with(scalr_spec(&scalr), json!({ "removalGuard": { "maxPercent": 40 } }));
    place.apply::<ScalrConnector>("acme", &spec).await;
    let cleared: ScalrConnector = place.until_connected("acme").await;
    assert_eq!(cleared.status.as_ref().unwrap().held, None);
    assert_eq!(Baton::published(&cleared).await.users().await.len(), 36);
    assert_eq!(place.until_told(&object, "Connected").await.last().unwrap().0, "Normal");
}

#[tokio::test]
async fn no_connector_may_set_itself_free_of_the_guard() {
    let scalr = scalr().await;
    let place = place_for(&scalr, "set-free").await;
    let spec = with(scalr_spec(&scalr), json!({ "removalGuard": { "maxPercent": 100, "minRemoved": 100 } }));
    place.apply::<ScalrConnector>("acme", &spec).await;
    place.until_connected::<ScalrConnector>("acme").await;
    remove_users(&scalr, 30);
    place.request::<ScalrConnector>("acme", "after").await;
    let object: ScalrConnector = place.until("acme", "Held", is_held).await;
    let explanation = message(&object, ConditionType::Ready);
    assert!(explanation.contains("50"), "the operator's --max-removal-percent: {explanation}");
}

#[tokio::test]
async fn an_approval_whose_run_fails_is_carried_by_the_next() {
    let scalr = scalr().await;
    let place = place_for(&scalr, "approved-late").await;
    let object = held(&scalr, &place, 30).await;
    let hold = object.status.unwrap().held.unwrap();
    scalr.set_token("another-token").unwrap();
    place.accept::<ScalrConnector>("acme", &hold.id).await;
    let failed: ScalrConnector =
        place.until_condition("acme", ConditionType::Ready, "False/Unauthorized").await;
    let status = failed.status.unwrap();
    assert_eq!(status.last_handled_approval.as_deref(), Some(hold.id.as_str()));
    assert!(status.held.unwrap().accepted);

    place.correct_secret(SCALR_SECRET.0, SCALR_SECRET.1, "another-token").await;
    let accepted: ScalrConnector = place.until("acme", "published", is_connected).await;
    let status = accepted.status.clone().unwrap();
    assert_eq!((status.held, status.last_sync.unwrap().trigger), (None, Trigger::SecretChanged));
    assert_eq!(Baton::published(&accepted).await.users().await.len(), 18);
}

#[tokio::test]
async fn an_organization_that_goes_is_held_by_its_name() {
    let planetscale = PlanetScaleSimulator::start(PlanetScaleConfig::default()).await.unwrap();
    let place = Place::new("organization-gone").await;
    place.put_secret(PLANETSCALE_SECRET.0, PLANETSCALE_SECRET.1, &planetscale.token()).await;
    place.apply::<PlanetScaleConnector>("all", &planetscale_spec(&planetscale)).await;
    let before: PlanetScaleConnector = place.until_connected("all").await;
    let gone = planetscale.truth().organizations[0].name.clone();
    planetscale.remove_organization(&gone).unwrap();
    place.request::<PlanetScaleConnector>("all", "after").await;
    let object: PlanetScaleConnector = place.until("all", "Held", is_held).await;
    let hold = object.status.as_ref().unwrap().held.clone().unwrap();
    assert!(hold.removals.iter().any(|removal| removal.why == WhyHeld::OwnerGone), "{hold:#?}");
    assert!(message(&object, ConditionType::Ready).contains(&gone));
    assert_eq!(published_file(&object), published_file(&before));

    place.accept::<PlanetScaleConnector>("all", &hold.id).await;
    let accepted: PlanetScaleConnector = place.until("all", "published", is_connected).await;
    assert_eq!(accepted.status.unwrap().last_published.unwrap().counts["organizations"], 1);
}

#[tokio::test]
async fn accepting_where_nothing_is_held_is_told_once_and_starts_nothing() {
    let scalr = scalr().await;
    let place = place_for(&scalr, "nothing-held").await;
    place.apply::<ScalrConnector>("acme", &scalr_spec(&scalr)).await;
    let connected: ScalrConnector = place.until_connected("acme").await;
    place.until_told(&connected, "Connected").await;
    scalr.reset_stats();
    place.accept::<ScalrConnector>("acme", "nothing").await;
    let told = place.until_told(&connected, "ApprovalDoesNotMatch").await;
    assert_eq!((told.len(), told.last().unwrap().0.as_str()), (3, "Warning"));
    let after: ScalrConnector = place.get("acme").await;
    let (before, after) = (connected.status.clone().unwrap(), after.status.unwrap());
    assert_eq!(after.last_handled_approval.as_deref(), Some("nothing"));
    assert_eq!((after.conditions, after.last_sync), (before.conditions, before.last_sync));
    // Removed, it may be set anew.
    place.annotate::<ScalrConnector>("acme", ACCEPT_REMOVALS, None).await;
    place
        .until::<ScalrConnector>("acme", "without an approval", |it| it.last_handled_approval.is_none())
        .await;
    assert_eq!(scalr.stats().total(), 0);
    assert_eq!(place.told(&connected).await.len(), 3);
}

async fn own_place<'a>(scalr: &Scalr, control_plane: &'a ControlPlane) -> Place<'a> {
    let place = Place::on(control_plane, "identity").await;
    place.put_secret(SCALR_SECRET.0, SCALR_SECRET.1, &scalr.token()).await;
    place
}

#[tokio::test]
async fn killed_while_it_holds_something_a_restarted_operator_holds_it_still() {
    let control_plane = ControlPlane::start().await.unwrap();
    prepare(&control_plane).await;
    let scalr = ScalrSimulator::start(ScalrConfig::default()).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let operator = Operator::start(&control_plane, folder.path()).await;
    let place = own_place(&scalr, &control_plane).await;
    let before = held(&scalr, &place, 30).await;
    place.until_told(&before, "RemovalsHeld").await;
    let told = place.told(&before).await.len();
    operator.kill();
    scalr.reset_stats();

    let _operator = Operator::start(&control_plane, folder.path()).await;
    // Another that has been looked at since: the first has been, too.
    let later = with(scalr_spec(&scalr), json!({ "apiTokenSecretRef": { "name": "missing" } }));
    place.apply::<ScalrConnector>("later", &later).await;
    place.until_condition::<ScalrConnector>("later", ConditionType::Ready, "False/SecretNotFound").await;
    let after: ScalrConnector = place.get("acme").await;
    assert_eq!(after.resource_version(), before.resource_version());
    assert_eq!((scalr.stats().total(), place.told(&before).await.len()), (0, told));

    place.accept::<ScalrConnector>("acme", &after.status.unwrap().held.unwrap().id).await;
    let accepted: ScalrConnector = place.until("acme", "published", is_connected).await;
    assert_eq!(Baton::published(&accepted).await.users().await.len(), 18);
}

#[tokio::test]
async fn a_lost_folder_of_snapshots_is_a_lost_baseline_and_no_first_run() {
    let control_plane = ControlPlane::start().await.unwrap();
    prepare(&control_plane).await;
    let scalr = ScalrSimulator::start(ScalrConfig::default()).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let operator = Operator::start(&control_plane, folder.path()).await;
    let place = own_place(&scalr, &control_plane).await;
    place.apply::<ScalrConnector>("acme", &scalr_spec(&scalr)).await;
    let before: ScalrConnector = place.until_connected("acme").await;
    assert!(operator.terminate().await.success());
    let snapshots = folder.path().join("snapshots");
    std::fs::remove_dir_all(&snapshots).unwrap();
    // One of 48, which no limit would hold.
    remove_users(&scalr, 1);

    let _operator = Operator::start(&control_plane, folder.path()).await;
    place.request::<ScalrConnector>("acme", "after").await;
    let object: ScalrConnector = place.until("acme", "Held", is_held).await;
    let status = object.status.unwrap();
    assert_eq!(shown(&status), HELD.replace("RemovalsHeld", "BaselineLost"));
    assert_eq!(status.last_published, before.status.unwrap().last_published);
    let stored = files_in(&snapshots);
    assert!(!stored.iter().any(|file| file.extension().is_some_and(|it| it == "c1z")), "{stored:?}");

    place.accept::<ScalrConnector>("acme", &status.held.unwrap().id).await;
    let accepted: ScalrConnector = place.until("acme", "published", is_connected).await;
    assert_eq!(Baton::published(&accepted).await.users().await.len(), 47);
}
