//! `create`.

use connector_simulator::{PlanetScaleConfig, PlanetScaleSimulator, ScalrConfig, ScalrSimulator};
use serde_json::Value;

use crate::place::{Place, said_by};
use crate::stage::kubectl;

#[tokio::test]
async fn a_connector_and_its_secret_are_made_and_read() {
    let place = Place::new("created").await;
    let scalr = ScalrSimulator::start(ScalrConfig::default()).await.unwrap();
    let typed = format!(
        "create scalr --account acme --base-url {} --owner ada@example.com --interval 2h --token-file -",
        scalr.base_url()
    );
    let made = place.feed(&typed, &format!("{}\n", scalr.token())).await;
    assert_eq!(made.err, "");
    assert_eq!(
        made.good(),
        "scalr/acme was made in namespace created with its API token in Secret scalr-acme\n\
         See how it is: kubectl connector describe scalr/acme -n created\n"
    );
    place.kubectl("wait scalr acme --for=jsonpath={.status.phase}=Connected --timeout=60s").await;
    let object = place.get("scalr acme").await;
    assert_eq!(object["spec"]["schedule"]["interval"], "2h");
    assert_eq!(object["spec"]["owner"], "ada@example.com");

    let again = place.feed(&typed, &scalr.token()).await.bad();
    assert!(again.starts_with("creating scalr/acme in namespace created: "), "{again}");
    assert!(again.ends_with("there is one already: choose another name, or change that one"), "{again}");
    let taken = typed.replace("create scalr", "create scalr other --secret scalr-acme");
    assert_eq!(
        place.feed(&taken, &scalr.token()).await.bad(),
        "creating Secret scalr-acme: there is one already: use it by --secret without a token, or name another"
    );
    assert!(place.plugin("get other").await.bad().starts_with("there is no connector other"));
}

#[tokio::test]
async fn what_a_dry_run_prints_can_be_applied() {
    let place = Place::new("dry").await;
    let planetscale = PlanetScaleSimulator::start(PlanetScaleConfig::default()).await.unwrap();
    let mut command = place.command(std::path::Path::new("/no/such/kubeconfig"));
    let typed = format!(
        "create planetscale all --api-url {} --cron 0_6_*_*_1-5 --time-zone Europe/Prague --token-env TOKEN \
         --dry-run -n dry",
        planetscale.base_url()
    );
    command.args(
        typed
            .split_whitespace()
            .map(|word| if word.contains('*') { word.replace('_', " ") } else { word.into() }),
    );
    command.env("TOKEN", planetscale.token());
    let printed = said_by(command, "").await;
    assert!(printed.err.starts_with("The Secret below holds the token as it is"), "{printed:?}");
    let yaml = printed.good();
    assert!(yaml.contains("cron: 0 6 * * 1-5") && yaml.contains("timeZone: Europe/Prague"), "{yaml}");
    assert!(!yaml.contains("status") && !yaml.contains("null"), "{yaml}");
    kubectl(place.control_plane(), &["apply", "-f", "-"], Some(&yaml)).await;
    place.kubectl("wait pscale all --for=jsonpath={.status.phase}=Connected --timeout=60s").await;
}

#[tokio::test]
async fn without_a_token_a_secret_is_named_that_comes_later() {
    let place = Place::new("later").await;
    let made = place.plugin("create scalr prod --account acme --secret vault-scalr -o json").await.json();
    assert_eq!(made["kind"], "ScalrConnector");
    assert_eq!(made["spec"]["apiTokenSecretRef"]["name"], "vault-scalr");
    let said = place.plugin("create planetscale --dry-run").await;
    assert_eq!(said.err, "It waits for the service token in the key service-token of Secret planetscale.\n");
    assert!(!said.good().contains("kind: Secret"));
}

#[tokio::test]
async fn a_dry_run_prints_in_the_form_that_is_asked_for() {
    let place = Place::new("forms").await;
    let connector = "create scalr --account acme --secret s --dry-run -o";
    assert_eq!(place.plugin(&format!("{connector} json")).await.json()["spec"]["account"], "acme");
    let both = "create scalr --account acme --token-file - --dry-run -o";
    let list = place.feed(&format!("{both} json"), "token").await;
    kubectl(place.control_plane(), &["apply", "-f", "-"], Some(&list.good())).await;
    assert_eq!(
        place.feed(&format!("{both} name"), "token").await.good(),
        "secret/scalr-acme\nscalrconnector.connectors.conductorone.com/acme\n"
    );
}

#[tokio::test]
async fn what_can_never_work_is_refused_before_anything_is_made() {
    let place = Place::new("refused").await;
    let secrets = |place: &Place| {
        let typed = "get secrets,connectors -o name";
        let place = Place { stage: place.stage, namespace: place.namespace.clone() };
        async move { place.kubectl(typed).await }
    };
    let malformed = place.feed("create planetscale --token-file -", "no-colon-in-it").await.bad();
    assert!(malformed.starts_with("the service token "), "{malformed}");
    assert!(!malformed.contains("no-colon-in-it"), "{malformed}");
    // The API server says what is wrong before the Secret is there.
    let account = place.feed("create scalr acme --account Acme.Corp --token-file -", "token").await.bad();
    assert!(account.contains("account"), "{account}");
    assert_eq!(
        place.plugin("create scalr").await.bad(),
        "the account is missing: say --account acme for https://acme.scalr.io"
    );
    assert_eq!(
        place.feed("create scalr --account a --token-file -", " \n").await.bad(),
        "the token is empty: put it into what --token-file or --token-env names"
    );
    assert_eq!(
        place.plugin("create scalr --account a --token-env NOT_THERE").await.bad(),
        "--token-env NOT_THERE: there is no such variable; export it, or use --token-file"
    );
    let interval = place.plugin("create scalr --account a --interval 1d").await.bad();
    assert!(interval.starts_with("--interval: \"1d\" is not a duration"), "{interval}");
    for twice in ["--token-env A --token-file -", "--interval 1h --cron 0", "--time-zone Europe/Prague"] {
        assert_eq!(place.plugin(&format!("create scalr --account a {twice}")).await.code, 2, "{twice}");
    }
    assert_eq!(secrets(&place).await, "");
}

#[tokio::test]
async fn a_token_on_the_command_line_is_warned_of_and_never_repeated() {
    let place = Place::new("warned").await;
    let said = place.plugin("create scalr --account acme --token s3cret-on-the-command-line -o json").await;
    assert!(said.err.starts_with("warning: --token shows the token to others on this machine"), "{said:?}");
    assert!(!said.err.contains("s3cret") && !said.out.contains("s3cret"), "{said:?}");
    let object: Value = said.json();
    assert_eq!(object["metadata"]["name"], "acme");
    let key = place.kubectl("get secret scalr-acme -o jsonpath={.data.api-token}").await;
    assert!(!key.is_empty());
}
