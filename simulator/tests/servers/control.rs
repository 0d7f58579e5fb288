//! The control endpoints.

use std::net::{Ipv4Addr, SocketAddr};

use connector_simulator::{
    ControlServer, PlanetScaleConfig, PlanetScaleSimulator, ScalrConfig, ScalrSimulator,
};
use serde_json::json;

use crate::client::{Answer, send};

struct Servers {
    scalr: ScalrSimulator,
    planetscale: PlanetScaleSimulator,
    control: ControlServer,
}

async fn start() -> Servers {
    let scalr = ScalrSimulator::start(ScalrConfig::default()).await.unwrap();
    let planetscale = PlanetScaleSimulator::start(PlanetScaleConfig::default()).await.unwrap();
    let listen = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let control =
        ControlServer::start(listen, Some(scalr.clone()), Some(planetscale.clone()), None).await.unwrap();
    Servers { scalr, planetscale, control }
}

impl Servers {
    async fn ask(&self, method: &str, path: &str, body: &str) -> Answer {
        send(method, self.control.base_url(), &format!("/_simulator{path}"), None, body).await
    }

    async fn change(&self, method: &str, path: &str, body: &str) {
        let answer = self.ask(method, path, body).await;
        assert!(matches!(answer.status, 200 | 201 | 204), "{method} {path}: {answer:?}");
    }
}

#[tokio::test]
async fn the_list_of_endpoints_is_served() {
    let answer = start().await.ask("GET", "", "").await;
    assert!(answer.body.contains("POST   /_simulator/scalr/users"));
}

#[tokio::test]
async fn the_vendors_ports_have_no_control_paths() {
    let servers = start().await;
    let authorization = format!("Bearer {}", servers.scalr.token());
    let answer = send("GET", servers.scalr.base_url(), "/_simulator/stats", Some(&authorization), "").await;
    assert_eq!(answer.status, 404);
}

#[tokio::test]
async fn counts_and_statistics_are_told_and_reset() {
    let servers = start().await;
    let counts = servers.ask("GET", "/counts", "").await.json();
    assert_eq!(counts["scalr"]["users"], 45);
    assert_eq!(counts["planetscale"]["organizations"], 2);
    let token = servers.planetscale.token();
    send("GET", servers.planetscale.base_url(), "/v1/organizations", Some(&token), "").await;
    let stats = servers.ask("GET", "/stats", "").await.json();
    let row = json!({"method": "GET", "path": "/v1/organizations", "status": 200, "count": 1});
    assert_eq!(stats["planetscale"]["requests"], json!([row]));
    assert_eq!(stats["planetscale"]["max_in_flight"], 1);
    servers.change("DELETE", "/stats", "").await;
    assert_eq!(servers.ask("GET", "/stats", "").await.at("/planetscale/requests"), json!([]));
}

#[tokio::test]
async fn scalr_changes_on_request() {
    let servers = start().await;
    let added = servers.ask("POST", "/scalr/users", r#"{"email": "new@example.com"}"#).await;
    assert_eq!((added.status, added.at("/email")), (201, json!("new@example.com")));
    servers.change("POST", "/scalr/users", "").await;
    servers.change("PUT", "/scalr/users/new@example.com/status", r#"{"relation": "Inactive"}"#).await;
    assert!(!servers.scalr.truth().users[45].enabled());
    servers.change("DELETE", "/scalr/users/new@example.com", "").await;
    servers.change("POST", "/scalr/service-accounts", r#"{"name": "deploy"}"#).await;
    servers.change("PUT", "/scalr/service-accounts/deploy/status", r#"{"active": false}"#).await;
    servers.change("DELETE", "/scalr/service-accounts/robot-000", "").await;
    servers.change("PUT", "/scalr/quota", r#"{"service_accounts_available": false}"#).await;
    servers.change("PUT", "/scalr/token", r#"{"token": "other"}"#).await;
    servers.change("PUT", "/scalr/latency", r#"{"milliseconds": 1}"#).await;

    let truth = servers.scalr.truth();
    assert_eq!((truth.users.len(), truth.service_accounts.len()), (46, 3));
    assert_eq!(truth.service_accounts[2].name, "deploy");
    assert!(!truth.service_accounts_available);
    assert_eq!(servers.scalr.token(), "other");
}

#[tokio::test]
async fn planetscale_changes_on_request() {
    let servers = start().await;
    let one = "/planetscale/organizations/org-1";
    let added = servers.ask("POST", &format!("{one}/members"), r#"{"role": "member"}"#).await;
    let user = added.at("/id").as_str().unwrap().to_owned();
    servers.change("PUT", &format!("{one}/members/{user}/role"), r#"{"role": "admin"}"#).await;
    servers.change("POST", &format!("{one}/teams"), r#"{"name": "DB Admins"}"#).await;
    servers
        .change("POST", &format!("{one}/teams/team-001/members"), &json!({ "user": user }).to_string())
        .await;
    servers
        .change("PUT", &format!("{one}/teams/team-001/members/{user}/team"), r#"{"team": "db-admins"}"#)
        .await;
    let truth = servers.planetscale.truth();
    assert_eq!(truth.organizations[0].team("db-admins").unwrap().members[0].id.as_str(), user);
    assert_eq!(truth.organizations[0].members[30].role, "admin");

    servers.change("DELETE", &format!("{one}/teams/db-admins/members/{user}"), "").await;
    servers.change("DELETE", &format!("{one}/teams/db-admins"), "").await;
    let body = json!({ "user": user }).to_string();
    servers.change("POST", "/planetscale/organizations/org-2/members", &body).await;
    servers.change("DELETE", &format!("{one}/members/{user}"), "").await;
    servers.change("PUT", &format!("{one}/grant"), r#"{"granted": false}"#).await;
    servers.change("POST", "/planetscale/organizations", r#"{"name": "third", "members": 3}"#).await;
    servers.change("DELETE", "/planetscale/organizations/org-2", "").await;
    servers.change("PUT", "/planetscale/token", r#"{"token": "a:b"}"#).await;
    servers.change("PUT", "/planetscale/latency", r#"{"milliseconds": 1}"#).await;
    let truth = servers.planetscale.truth();
    let names: Vec<_> =
        truth.organizations.iter().map(|found| (found.name.as_str(), found.granted)).collect();
    assert_eq!(names, [("org-1", false), ("third", true)]);
}

#[tokio::test]
async fn a_wrong_request_is_refused_in_a_sentence() {
    let servers = start().await;
    let cases = [
        ("DELETE", "/scalr/users/nobody", "", 404, "there is no user \"nobody\""),
        ("POST", "/scalr/users", r#"{"email": "user-000001@example.com"}"#, 409, "there already is a user"),
        ("POST", "/scalr/users", r#"{"mail": "x"}"#, 400, "the body is not right: unknown field `mail`"),
        ("PUT", "/planetscale/token", r#"{"token": "x"}"#, 400, "has the form ID:VALUE"),
        (
            "POST",
            "/planetscale/organizations/none/teams",
            r#"{"name": "T"}"#,
            404,
            "there is no organization",
        ),
        ("GET", "/nothing", "", 404, "GET /_simulator lists them"),
        ("PATCH", "/scalr/token", "", 405, "GET /_simulator lists them"),
    ];
    for (method, path, body, status, message) in cases {
        let answer = servers.ask(method, path, body).await;
        assert_eq!(answer.status, status, "{method} {path}");
        let error = answer.at("/error");
        assert!(error.as_str().unwrap().contains(message), "{error}");
    }
}

#[tokio::test]
async fn a_simulator_that_does_not_run_has_no_control_paths() {
    let listen = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let control = ControlServer::start(listen, None, None, None).await.unwrap();
    let answer = send("POST", control.base_url(), "/_simulator/scalr/users", None, "").await;
    assert_eq!(answer.status, 404);
    assert_eq!(send("GET", control.base_url(), "/_simulator/counts", None, "").await.json(), json!({}));
}
