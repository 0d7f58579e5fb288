//! Each fault does what its sentence says, and nothing else.

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use connector_simulator::fault::{LONG_NAME_TAIL, UNKNOWN_ROLE, UNKNOWN_STATUS};
use connector_simulator::{
    ControlServer, Extent, Fault, OrganizationSize, PlanetScaleConfig, PlanetScaleSimulator, ScalrConfig,
    ScalrSimulator, Vendor,
};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::client::{Answer, send};

struct Servers {
    scalr: ScalrSimulator,
    planetscale: PlanetScaleSimulator,
}

/// Both servers with listings of three pages, and `fault` on where it makes sense.
async fn servers(fault: Fault, extent: &Extent) -> Servers {
    let scalr = ScalrSimulator::start(ScalrConfig { users: 50, ..ScalrConfig::default() }).await.unwrap();
    let organizations = OrganizationSize::several(2, 60, 2, 3);
    let config = PlanetScaleConfig { organizations, ..PlanetScaleConfig::default() };
    let planetscale = PlanetScaleSimulator::start(config).await.unwrap();
    let on = [scalr.switch_on(fault, extent), planetscale.switch_on(fault, extent)];
    assert!(on.iter().any(Result::is_ok), "{on:?}");
    Servers { scalr, planetscale }
}

/// Both servers with `fault` on every time.
async fn faulty(fault: Fault) -> Servers {
    servers(fault, &Extent::default()).await
}

impl Servers {
    fn users(&self, page: usize) -> String {
        let account = self.scalr.truth().account_id;
        format!(
            "/api/iacp/v3/account-users?filter[account]={account}&include=user&sort=email&page[number]={page}"
        )
    }

    async fn scalr(&self, path: &str) -> Answer {
        let token = format!("Bearer {}", self.scalr.token());
        send("GET", self.scalr.base_url(), path, Some(&token), "").await
    }

    async fn planetscale(&self, path: &str) -> Answer {
        send("GET", self.planetscale.base_url(), path, Some(&self.planetscale.token()), "").await
    }

    /// A page of Scalr's users, and one of PlanetScale's members.
    async fn pages(&self, page: usize) -> [Answer; 2] {
        let members = format!("/v1/organizations/org-1/members?page={page}");
        [self.scalr(&self.users(page)).await, self.planetscale(&members).await]
    }
}

fn rows(answer: &Answer) -> Vec<Value> {
    answer.at("/data").as_array().unwrap().clone()
}

/// Sends a request for the first page of the members, and reads until the server or the network ends it, or `most`
/// bytes have come. Says how it ended.
async fn raw(servers: &Servers, most: usize) -> (Vec<u8>, std::io::Result<()>) {
    let address = servers.planetscale.base_url().strip_prefix("http://").unwrap();
    let mut stream = TcpStream::connect(address).await.unwrap();
    let token = servers.planetscale.token();
    let request = format!(
        "GET /v1/organizations/org-1/members HTTP/1.0\r\nHost: {address}\r\nAuthorization: {token}\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let (mut all, mut buffer) = (Vec::new(), vec![0; 1 << 16]);
    while all.len() < most {
        match stream.read(&mut buffer).await {
            Ok(0) => break,
            Ok(count) => all.extend_from_slice(&buffer[..count]),
            Err(error) => return (all, Err(error)),
        }
    }
    (all, Ok(()))
}

fn body_of(answer: &[u8]) -> &[u8] {
    let end = answer.windows(4).position(|window| window == b"\r\n\r\n").unwrap();
    &answer[end + 4..]
}

#[tokio::test]
async fn refusals_have_the_vendors_form_and_strike_only_their_listing() {
    let cases = [
        (Fault::Storm, 429, None),
        (Fault::StormRetryAfter, 429, Some("1")),
        (Fault::Http503, 503, None),
        (Fault::Http500Once, 500, None),
    ];
    for (fault, status, retry_after) in cases {
        let servers = faulty(fault).await;
        for answer in servers.pages(1).await {
            assert_eq!((answer.status, answer.header("retry-after")), (status, retry_after), "{fault}");
        }
        let over = fault == Fault::Http500Once;
        assert_eq!(servers.pages(1).await.map(|answer| answer.status == 200), [over; 2], "{fault}");
        assert_eq!(servers.planetscale("/v1/organizations").await.status, 200);
        assert_eq!(servers.scalr("/api/iacp/v3/accounts").await.status, 200);
    }
}

#[tokio::test]
async fn a_fault_strikes_another_listing_and_only_so_often_where_told() {
    let servers = servers(Fault::Storm, &Extent::times(2).on("teams")).await;
    let teams = "/v1/organizations/org-1/teams";
    assert_eq!(servers.planetscale.faults()[0].left, Some(2));
    for status in [429, 429, 200] {
        assert_eq!(servers.planetscale("/v1/organizations/org-1/members").await.status, 200);
        assert_eq!(servers.planetscale(teams).await.status, status);
    }
    assert!(servers.planetscale.faults().is_empty());
}

#[tokio::test]
async fn a_token_is_refused_and_a_grant_is_missing_as_each_vendor_says_it() {
    let servers = faulty(Fault::ExpiredToken).await;
    assert_eq!(servers.pages(1).await.map(|answer| answer.status), [401, 401]);
    assert_eq!(servers.planetscale("/v1/organizations").await.status, 401);
    let servers = faulty(Fault::MissingGrant).await;
    assert_eq!(servers.pages(1).await.map(|answer| answer.status), [403, 404]);
    assert_eq!(servers.planetscale("/v1/organizations/org-1/teams").await.status, 404);
    assert_eq!(servers.planetscale("/v1/organizations").await.status, 200);
}

#[tokio::test]
async fn what_is_no_answer_of_the_api_looks_like_it_is() {
    let [answer, _] = faulty(Fault::Html200).await.pages(1).await;
    assert_eq!((answer.status, answer.header("content-type")), (200, Some("text/html; charset=utf-8")));
    let [answer, _] = faulty(Fault::WrongContentType).await.pages(1).await;
    assert_eq!(answer.header("content-type"), Some("text/plain; charset=utf-8"));
    assert_eq!(rows(&answer).len(), 20);
    let [_, answer] = faulty(Fault::RedirectOtherHost).await.pages(1).await;
    assert_eq!(answer.status, 302);
    assert!(answer.header("location").unwrap().starts_with("https://login.example.com/"));
}

#[tokio::test]
async fn a_truncated_body_ends_early_and_its_length_agrees() {
    for answer in faulty(Fault::TruncatedBody).await.pages(1).await {
        assert!(serde_json::from_str::<Value>(&answer.body).is_err());
        assert_eq!(answer.header("content-length"), Some(answer.body.len().to_string().as_str()));
    }
}

#[tokio::test]
async fn a_reset_connection_breaks_within_the_answer() {
    let (_, end) = raw(&faulty(Fault::Reset).await, usize::MAX).await;
    assert_eq!(end.unwrap_err().kind(), std::io::ErrorKind::ConnectionReset);
}

#[tokio::test]
async fn pages_contradict_each_other() {
    let servers = faulty(Fault::EmptyMiddlePage).await;
    assert_eq!(servers.pages(2).await.map(|answer| rows(&answer).len()), [0, 0]);
    let [scalr, planetscale] = servers.pages(2).await;
    assert_eq!((scalr.at("/meta/pagination/next-page"), planetscale.at("/next_page")), (json!(3), json!(3)));

    let servers = faulty(Fault::PageGoesBack).await;
    let [scalr, planetscale] = servers.pages(2).await;
    assert_eq!((scalr.at("/meta/pagination/next-page"), planetscale.at("/next_page")), (json!(1), json!(1)));

    let servers = faulty(Fault::RepeatingPage).await;
    let (first, second, third) = (servers.pages(1).await, servers.pages(2).await, servers.pages(3).await);
    for (first, second) in first.iter().zip(&second) {
        assert_eq!(rows(first), rows(second));
    }
    assert_eq!(second[0].at("/meta/pagination/current-page"), 2);
    assert_eq!((second[1].at("/current_page"), second[1].at("/next_page")), (json!(2), json!(3)));
    assert_eq!((third[1].at("/current_page"), third[1].at("/next_page")), (json!(3), Value::Null));

    let servers = faulty(Fault::TotalChanges).await;
    assert_eq!(servers.pages(1).await[1].at("/total_count"), 60);
    let [scalr, planetscale] = servers.pages(2).await;
    assert_eq!(
        (scalr.at("/meta/pagination/total-count"), planetscale.at("/total_count")),
        (json!(51), json!(61))
    );
}

#[tokio::test]
async fn a_page_has_somebody_twice_or_does_not_say_what_it_is() {
    for answer in faulty(Fault::DuplicateIds).await.pages(1).await {
        assert_eq!(rows(&answer)[0], rows(&answer)[1]);
    }
    let [scalr, planetscale] = faulty(Fault::MissingMeta).await.pages(1).await;
    assert_eq!(scalr.at("/meta/pagination"), json!({"page-size": 20, "prev-page": null}));
    assert!(
        planetscale.json().get("total_count").is_none() && planetscale.json().get("current_page").is_none()
    );
}

#[tokio::test]
async fn bodies_too_large_or_too_deep_begin_well() {
    let (answer, _) = raw(&faulty(Fault::HugeBody).await, 20 << 20).await;
    assert!(answer.len() >= 20 << 20 && body_of(&answer).starts_with(b"{\"data\":[  "));

    let (answer, end) = raw(&faulty(Fault::GzipBomb).await, usize::MAX).await;
    end.unwrap();
    let packed = body_of(&answer);
    assert!((1 << 19..1 << 21).contains(&packed.len()), "{} bytes of gzip", packed.len());
    let mut plain = flate2::read::GzDecoder::new(packed);
    let mut begin = vec![0; 4 << 20];
    std::io::Read::read_exact(&mut plain, &mut begin).unwrap();
    assert!(begin.starts_with(b"{\"data\":[  ") && begin.ends_with(b"  "));

    let [_, answer] = faulty(Fault::DeepJson).await.pages(1).await;
    assert_eq!(answer.body.matches("{\"a\":").count(), 100_000);
}

#[tokio::test]
async fn slow_and_silent_answers_do_not_outlive_their_client() {
    for (fault, comes) in [(Fault::SlowDrip, true), (Fault::Hang, false)] {
        let servers = faulty(fault).await;
        let whole = tokio::time::timeout(Duration::from_millis(300), raw(&servers, usize::MAX)).await;
        assert!(whole.is_err(), "{fault}");
        assert_eq!(servers.planetscale.stats().arrived, 1);
        assert_eq!(servers.planetscale.stats().total(), u64::from(comes), "{fault}");
        let left = async {
            while servers.planetscale.stats().in_flight > 0 {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(5), left).await.expect("it waits for a client that is gone");
        tokio::time::timeout(Duration::from_secs(5), servers.planetscale.stop())
            .await
            .expect("it does not end");
    }
}

#[tokio::test]
async fn people_are_strange() {
    let names = |answer: &Answer| -> Vec<Value> {
        rows(answer).iter().map(|row| row.pointer("/user/name").unwrap().clone()).collect()
    };
    let [scalr, planetscale] = faulty(Fault::NullName).await.pages(1).await;
    assert!(names(&planetscale).iter().all(Value::is_null));
    assert_eq!(scalr.at("/included/0/attributes/full-name"), Value::Null);
    assert_eq!(scalr.at("/included/0/attributes/username"), Value::Null);

    let [_, planetscale] = faulty(Fault::HugeField).await.pages(1).await;
    let name = planetscale.at("/data/0/user/name");
    assert!(name.as_str().unwrap().len() > 4 << 10 && name.as_str().unwrap().ends_with(LONG_NAME_TAIL));

    let [scalr, _] = faulty(Fault::ControlCharacters).await.pages(1).await;
    let name = scalr.at("/included/0/attributes/full-name");
    assert!(name.as_str().unwrap().contains(['\u{7}', '\u{202e}', '\n']));

    let [_, planetscale] = faulty(Fault::UnknownRole).await.pages(1).await;
    let roles: BTreeSet<_> = rows(&planetscale).iter().map(|row| row["role"].to_string()).collect();
    assert_eq!(roles, ["admin", "member", UNKNOWN_ROLE].map(|role| json!(role).to_string()).into());

    let servers = faulty(Fault::UnknownStatus).await;
    let [scalr, _] = servers.pages(1).await;
    assert!(rows(&scalr).iter().any(|row| row["attributes"]["status"] == UNKNOWN_STATUS));
    assert!(rows(&scalr).iter().any(|row| row["attributes"]["status"] == "Active"));
}

#[tokio::test]
async fn one_who_is_asked_for_alone_is_as_strange_as_in_the_listing() {
    let servers = faulty(Fault::NullName).await;
    let user = servers.planetscale.truth().organizations[0].members[0].user.id;
    let answer = servers.planetscale(&format!("/v1/organizations/org-1/members/{user}")).await;
    assert_eq!(answer.at("/user/display_name"), Value::Null);
    let user = servers.scalr.truth().users[0].id.clone();
    let answer = servers.scalr(&format!("/api/iacp/v3/users/{user}")).await;
    assert_eq!(answer.at("/data/attributes/username"), Value::Null);
}

#[tokio::test]
async fn a_schema_that_drifts_only_adds_and_changes_what_nobody_needs() {
    for answer in faulty(Fault::SchemaDrift).await.pages(1).await {
        assert_eq!(answer.at("/introduced_later/on"), true);
        assert_eq!(answer.at("/data/0/introduced_later/on"), true);
        assert!(rows(&answer).len() >= 20);
    }
}

#[tokio::test]
async fn another_account_answers_and_is_consistent_with_itself() {
    let servers = faulty(Fault::WrongAccount).await;
    let truth = servers.scalr.truth();
    let account = servers.scalr("/api/iacp/v3/accounts").await.at("/data/0/id");
    assert_ne!(account, truth.account_id.as_str());
    let path = servers.users(1).replace(&truth.account_id, account.as_str().unwrap());
    let users = servers.scalr(&path).await;
    assert_eq!(rows(&users).len(), 20);
    assert_eq!(users.at("/data/0/relationships/account/data/id"), account);
    let organization = servers.planetscale("/v1/organizations").await.at("/data/0/id");
    assert_ne!(organization, servers.planetscale.truth().organizations[0].id.as_str());
}

#[tokio::test]
async fn an_organization_vanishes_as_its_members_are_asked_for() {
    let servers = servers(Fault::OrgVanishes, &Extent::times(1)).await;
    assert_eq!(rows(&servers.planetscale("/v1/organizations").await).len(), 2);
    assert_eq!(servers.pages(1).await[1].status, 404);
    assert_eq!(rows(&servers.planetscale("/v1/organizations").await).len(), 1);
}

#[tokio::test]
async fn somebody_slides_over_the_edge_of_a_page_and_the_totals_agree() {
    let servers = servers(Fault::InsertAndDelete, &Extent::times(1)).await;
    let before = servers.planetscale.truth();
    let mut seen = BTreeSet::new();
    for page in 1..=3 {
        let [scalr, planetscale] = servers.pages(page).await;
        assert_eq!(
            (scalr.at("/meta/pagination/total-count"), planetscale.at("/total_count")),
            (json!(50), json!(60))
        );
        seen.extend(rows(&planetscale).iter().map(|row| row["user"]["id"].as_str().unwrap().to_owned()));
    }
    assert_eq!(seen.len(), 60);
    let after = servers.planetscale.truth();
    let missed: Vec<_> = after.organizations[0]
        .members
        .iter()
        .filter(|member| !seen.contains(member.user.id.as_str()))
        .collect();
    assert_eq!(missed.len(), 1);
    assert_eq!(missed[0].user.id, before.organizations[0].members[25].user.id);
    assert_eq!(servers.scalr.truth().users.len(), 50);
    assert!(servers.scalr.faults().is_empty());
}

#[tokio::test]
async fn strangers_come_in_and_some_are_left_out() {
    let servers = faulty(Fault::FilterIgnored).await;
    let [users, _] = servers.pages(1).await;
    let account = |row: usize| users.at(&format!("/data/{row}/relationships/account/data/id"));
    assert_ne!(account(0), servers.scalr.truth().account_id.as_str());
    assert_eq!(account(1), servers.scalr.truth().account_id.as_str());
    let [users, _] = faulty(Fault::IncludedMissing).await.pages(1).await;
    assert_eq!((rows(&users).len(), users.at("/included").as_array().unwrap().len()), (20, 10));
}

#[tokio::test]
async fn faults_are_switched_and_listed_over_http() {
    let scalr = ScalrSimulator::start(ScalrConfig::default()).await.unwrap();
    let planetscale = PlanetScaleSimulator::start(PlanetScaleConfig::default()).await.unwrap();
    let listen = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let control =
        ControlServer::start(listen, Some(scalr.clone()), Some(planetscale.clone()), None).await.unwrap();
    let ask = |method: &'static str, path: &str, body: &'static str| {
        let path = format!("/_simulator{path}");
        let origin = control.base_url().to_owned();
        async move { send(method, &origin, &path, None, body).await }
    };
    assert_eq!(ask("PUT", "/scalr/faults/hang", "").await.status, 204);
    let body = r#"{"listing": "teams", "times": 3}"#;
    assert_eq!(ask("PUT", "/planetscale/faults/hang", body).await.status, 204);
    let list = ask("GET", "/faults", "").await.json();
    assert_eq!(list.as_array().unwrap().len(), Fault::ALL.len());
    let hang = list.as_array().unwrap().iter().find(|fault| fault["fault"] == "hang").unwrap();
    assert_eq!(hang["does"], Fault::Hang.does());
    assert_eq!(
        hang["on"],
        json!([{"server": "scalr", "fault": "hang", "listing": "users", "left": null},
               {"server": "planetscale", "fault": "hang", "listing": "teams", "left": 3}])
    );
    assert_eq!(ask("DELETE", "/scalr/faults/hang", "").await.status, 204);
    assert_eq!(ask("DELETE", "/planetscale/faults", "").await.status, 204);
    assert!(scalr.faults().is_empty() && planetscale.faults().is_empty());

    for (path, status, words) in [
        ("/scalr/faults/unheard-of", 404, "there is no fault \"unheard-of\""),
        ("/scalr/faults/org-vanishes", 409, "makes no sense for Scalr"),
        ("/planetscale/faults/tls-expired", 409, "not served over TLS"),
    ] {
        let answer = ask("PUT", path, "").await;
        assert_eq!(answer.status, status);
        assert!(answer.at("/error").as_str().unwrap().contains(words), "{answer:?}");
    }
}

#[test]
fn every_fault_can_strike_somebody() {
    for fault in Fault::ALL {
        assert!(Vendor::ALL.iter().any(|vendor| fault.senseless_for(*vendor).is_none()), "{fault}");
    }
}
