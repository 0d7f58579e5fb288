//! C1 that is away, and C1 where nobody may send anything. Each test has a control plane, an operator and a C1 of its
//! own, since faults of a simulator are everybody's.

use std::path::Path;

use connector_operator::api::{ConditionType, ScalrConnector};
use connector_simulator::{C1Config, C1Fault, C1Simulator};
use testbed::ControlPlane;

use super::*;
use crate::operator::Operator;
use crate::place::message;
use crate::restarts::own_control_plane;
use crate::upstream::scalr_spec;

/// A control plane, a C1, and an account of 48 users, with what a connector in `identity` needs.
pub(crate) struct Stage {
    pub(crate) control_plane: ControlPlane,
    pub(crate) c1: C1Simulator,
    pub(crate) client: C1Client,
    pub(crate) scalr: ScalrSimulator,
    pub(crate) folder: tempfile::TempDir,
}

impl Stage {
    pub(crate) async fn set(config: C1Config) -> Self {
        let c1 = C1Simulator::start(config).await.unwrap();
        Self {
            control_plane: own_control_plane().await,
            client: c1.client(0).unwrap(),
            c1,
            scalr: ScalrSimulator::start(ScalrConfig::default()).await.unwrap(),
            folder: tempfile::tempdir().unwrap(),
        }
    }

    pub(crate) async fn operator(&self) -> Operator {
        self.operator_with(&[format!("--c1-api-host={}", self.c1.host())]).await
    }

    pub(crate) async fn operator_with(&self, flags: &[String]) -> Operator {
        Operator::start_with(&self.control_plane, self.path(), flags).await
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) async fn place(&self) -> Place<'_> {
        let place = Place::on(&self.control_plane, "identity").await;
        place.put_secret(SCALR_SECRET.0, SCALR_SECRET.1, &self.scalr.token()).await;
        place.put_secret_of(C1_SECRET, &secret_of(&self.client)).await;
        trust(&place, &self.c1).await;
        place
    }

    pub(crate) fn spec(&self) -> Value {
        for_c1(scalr_spec(&self.scalr), C1_SECRET)
    }
}

#[tokio::test]
async fn c1_that_is_away_is_told_after_three_tries_once_and_then_that_it_is_back() {
    let stage = Stage::set(C1Config::default()).await;
    let _operator = stage.operator().await;
    let place = stage.place().await;
    place.apply::<ScalrConnector>("acme", &stage.spec()).await;
    let before = until_delivering::<ScalrConnector>(&place, "acme").await;
    let recording = place.record::<ScalrConnector>("acme").await;

    stage.c1.switch_on(C1Fault::Unavailable, None);
    let away: ScalrConnector =
        place.until_condition("acme", ConditionType::C1Connected, "False/C1Unavailable").await;
    let status = away.status.as_ref().unwrap();
    let shown = |type_| shown_condition(status, type_);
    assert_eq!(shown(ConditionType::Ready).as_deref(), Some("False/C1Unavailable"));
    assert_eq!(shown(ConditionType::Connected).as_deref(), Some(CONNECTED));
    assert_eq!((status.phase, shown(ConditionType::Stalled)), (Some(Phase::Connected), None));
    let failed = |entries: &[Entry]| {
        entries.iter().filter(|it| it.client == stage.client.name && !it.answer.is_ok()).count()
    };
    let tries = failed(&stage.c1.transcript());
    assert!(tries >= 3, "{tries}");
    stage.c1.until(SOON, |entries| failed(entries) >= tries + 2).await.unwrap();
    let later: ScalrConnector = place.get("acme").await;
    assert_eq!(later.metadata.resource_version, away.metadata.resource_version);

    stage.c1.switch_all_off();
    let back = until_delivering::<ScalrConnector>(&place, "acme").await;
    assert_eq!(message(&back, ConditionType::Ready), message(&before, ConditionType::Ready));
    let seen = recording.up_to(is_delivering).await;
    assert_eq!(seen.len(), 2, "away, and back: {seen:#?}");
    let told = place.until_told(&back, "Connected").await;
    let reasons: Vec<&str> = told.iter().map(|(_, reason, _)| reason.as_str()).collect();
    assert_eq!(reasons, ["Syncing", "Connected", "C1Unavailable", "Connected"]);
    let calls = calls_of(&stage.c1.transcript(), &stage.client);
    stage.c1.until(SOON, |entries| calls_of(entries, &stage.client) > calls + 3).await.unwrap();
    let settled: ScalrConnector = place.get("acme").await;
    assert_eq!(settled.metadata.resource_version, back.metadata.resource_version);
}

#[tokio::test]
async fn nothing_is_sent_to_a_c1_that_the_administrator_does_not_allow() {
    let config = C1Config { tenant_host: "c1.example.com".to_owned(), ..C1Config::default() };
    let stage = Stage::set(config).await;
    let operator = stage.operator_with(&[]).await;
    let place = stage.place().await;
    place.apply::<ScalrConnector>("acme", &stage.spec()).await;
    let wanted = "False/HostNotAllowed";
    place.until_condition::<ScalrConnector>("acme", ConditionType::C1Connected, wanted).await;
    let object: ScalrConnector = place.until_condition("acme", ConditionType::Ready, wanted).await;
    let status = object.status.as_ref().unwrap();
    assert_eq!(shown_condition(status, ConditionType::Stalled).as_deref(), Some("True/HostNotAllowed"));
    assert!(message(&object, ConditionType::Ready).contains("--allow-c1-host=c1.example.com"));
    assert!(stage.c1.transcript().is_empty());
    assert!(operator.terminate().await.success());
}
