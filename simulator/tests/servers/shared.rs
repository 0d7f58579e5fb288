//! What both simulators do alike: statistics, delay, tokens that change, ending.

use std::time::{Duration, Instant};

use connector_simulator::{Error, PlanetScaleConfig, PlanetScaleSimulator, ScalrConfig, ScalrSimulator};

use crate::client::send;
use crate::scalr::get;

#[tokio::test]
async fn statistics_count_by_method_route_and_status() {
    let scalr = ScalrSimulator::start(ScalrConfig::default()).await.unwrap();
    let known = get(&scalr, "/accounts").await;
    let missing = get(&scalr, "/users/user-none").await;
    let refused = send("GET", scalr.base_url(), "/api/iacp/v3/users/user-none", None, "").await;
    let unmatched = get(&scalr, "/nothing").await;

    let stats = scalr.stats();
    let rows: Vec<_> = stats.requests.iter().map(|row| (row.path.as_str(), row.status, row.count)).collect();
    assert_eq!(
        rows,
        [
            ("(unmatched)", 404, 1),
            ("/api/iacp/v3/accounts", 200, 1),
            ("/api/iacp/v3/users/{id}", 401, 1),
            ("/api/iacp/v3/users/{id}", 404, 1),
        ]
    );
    assert_eq!((stats.total(), stats.on("/api/iacp/v3/users/{id}"), stats.with_status(404)), (4, 2, 2));
    let bodies = [known, missing, refused, unmatched].map(|answer| answer.body.len() as u64);
    assert_eq!(stats.bytes, bodies.iter().sum::<u64>());

    scalr.reset_stats();
    assert_eq!((scalr.stats().total(), scalr.stats().bytes), (0, 0));
}

#[tokio::test]
async fn requests_in_flight_at_once_are_counted_at_their_most() {
    let latency = Duration::from_millis(300);
    let scalr = ScalrSimulator::start(ScalrConfig { latency, ..ScalrConfig::default() }).await.unwrap();
    tokio::join!(get(&scalr, "/accounts"), get(&scalr, "/accounts"), get(&scalr, "/accounts"));
    get(&scalr, "/accounts").await;
    assert_eq!((scalr.stats().max_in_flight, scalr.stats().in_flight), (3, 0));
}

#[tokio::test]
async fn every_answer_is_held_back_as_long_as_asked() {
    let scalr = ScalrSimulator::start(ScalrConfig::default()).await.unwrap();
    scalr.set_latency(Duration::from_millis(120));
    let start = Instant::now();
    get(&scalr, "/accounts").await;
    assert!(start.elapsed() >= Duration::from_millis(120));
}

#[tokio::test]
async fn a_replaced_token_is_accepted_and_the_one_before_is_not() {
    let scalr = ScalrSimulator::start(ScalrConfig::default()).await.unwrap();
    let before = format!("Bearer {}", scalr.token());
    scalr.set_token("another").unwrap();
    let path = "/api/iacp/v3/accounts";
    assert_eq!(send("GET", scalr.base_url(), path, Some(&before), "").await.status, 401);
    assert_eq!(send("GET", scalr.base_url(), path, Some("Bearer another"), "").await.status, 200);
}

#[tokio::test]
async fn a_dropped_simulator_no_longer_listens() {
    let scalr = ScalrSimulator::start(ScalrConfig::default()).await.unwrap();
    let address = scalr.base_url().trim_start_matches("http://").to_owned();
    drop(scalr);
    let refused = async {
        while tokio::net::TcpStream::connect(&address).await.is_ok() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(5), refused).await.expect("still listening");
}

#[tokio::test]
async fn senseless_configurations_are_refused() {
    let config = ScalrConfig { token: "two words".into(), ..ScalrConfig::default() };
    assert!(matches!(ScalrSimulator::start(config).await, Err(Error::ScalrTokenForm)));
    let config = PlanetScaleConfig { token: "no-colon".into(), ..PlanetScaleConfig::default() };
    assert!(matches!(PlanetScaleSimulator::start(config).await, Err(Error::PlanetScaleTokenForm)));
    let mut config = PlanetScaleConfig::default();
    config.organizations[1].name = config.organizations[0].name.clone();
    assert!(matches!(PlanetScaleSimulator::start(config).await, Err(Error::Exists { .. })));
}

#[tokio::test]
async fn an_address_in_use_is_an_error_that_names_it() {
    let scalr = ScalrSimulator::start(ScalrConfig::default()).await.unwrap();
    let listen = scalr.base_url().trim_start_matches("http://").parse().unwrap();
    let error = ScalrSimulator::start(ScalrConfig { listen, ..ScalrConfig::default() }).await.unwrap_err();
    assert!(error.to_string().starts_with(&format!("cannot listen on {listen}: ")));
}

#[tokio::test]
async fn every_token_of_the_vendors_form_is_accepted_where_that_is_asked_for() {
    let planetscale = PlanetScaleSimulator::start(PlanetScaleConfig::default()).await.unwrap();
    let ask =
        async |token| send("GET", planetscale.base_url(), "/v1/organizations", Some(token), "").await.status;
    assert_eq!(ask("another:token").await, 401);
    planetscale.accept_any_token();
    assert_eq!((ask("another:token").await, ask("none").await), (200, 401));
}
