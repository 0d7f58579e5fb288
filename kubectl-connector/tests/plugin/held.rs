//! `accept-removals`: what the guard holds is shown by name, and accepted by a person's word.

use connector_simulator::ScalrSimulator;
use serde_json::{Value, json};

use crate::place::{Place, assert_plain, squeezed};

/// A connector `acme` that was read, and whose account then lost 30 of its 48 users. The emails of those.
async fn held(place: &Place) -> (ScalrSimulator, Vec<String>) {
    let scalr = place.scalr().await;
    let gone: Vec<String> = scalr.truth().users.iter().take(30).map(|user| user.email.clone()).collect();
    gone.iter().for_each(|email| {
        scalr.remove_user(email).unwrap();
    });
    let said = place.plugin("sync acme --wait").await.bad();
    assert!(said.starts_with("scalr/acme: The removal guard holds this run"), "{said}");
    (scalr, gone)
}

async fn id_of_the_hold(place: &Place) -> String {
    let object = place.get("scalr acme").await;
    object["status"]["held"]["id"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn what_is_held_is_shown_by_name_and_accepted_by_a_word() {
    let place = Place::new("held").await;
    let (_scalr, gone) = held(&place).await;
    let id = id_of_the_hold(&place).await;

    let page = place.plugin("describe acme").await.good();
    assert_plain(&page);
    assert!(page.contains("kubectl connector accept-removals scalr/acme -n held"), "{page}");
    assert!(squeezed(&page).contains(&"users 45 30 0 more than the limit".to_owned()), "{page}");

    let shown = place.plugin("accept-removals acme --dry-run").await.good();
    assert_plain(&shown);
    assert!(shown.contains(&format!(", id {id}\n")), "{shown}");
    assert!(squeezed(&shown).contains(&"users 45 30 0 more than the limit".to_owned()), "{shown}");
    for email in &gone {
        assert!(shown.contains(&format!("<{email}>")) || shown.contains(email), "{email}: {shown}");
    }
    let json = place.plugin("accept-removals acme --dry-run -o json").await.json();
    assert_eq!((&json["held"]["id"], &json["accepted"]), (&json!(id), &json!(false)));
    assert_eq!(json["going"].as_array().unwrap().len(), 30);

    // Nobody is there to be asked.
    let unasked = place.plugin("accept-removals acme").await.bad();
    assert_eq!(unasked, "there is nobody to ask: say --yes to accept it, or --dry-run to look at it alone");
    let other = place.plugin("accept-removals acme 0123456789abcdef --yes").await.bad();
    assert_eq!(
        other,
        format!("scalr/acme holds {id} now, and not 0123456789abcdef: look at it again with --dry-run")
    );
    let annotations = place.get("scalr acme").await["metadata"]["annotations"].clone();
    assert!(annotations.get("connectors.conductorone.com/acceptRemovals").is_none(), "{annotations}");

    let accepted = place.plugin(&format!("accept-removals acme {id} --yes --wait")).await.good();
    assert!(accepted.contains(&format!("scalr/acme: accepted {id}; a run publishes it\n")), "{accepted}");
    assert!(accepted.contains("scalr/acme: read 18 users in "), "{accepted}");
    let object = place.get("scalr acme").await;
    assert_eq!(object["status"]["lastSync"]["trigger"], "Approved");
    let managers = object["metadata"]["managedFields"].as_array().unwrap();
    assert!(managers.iter().any(|it| it["manager"] == "connector-cli"), "{managers:#?}");

    let nothing = place.plugin("accept-removals acme --yes").await.bad();
    assert_eq!(nothing, "scalr/acme holds no removals: there is nothing to accept");
}

#[tokio::test]
async fn without_the_operator_the_numbers_are_shown_and_may_be_accepted() {
    let place = Place::new("held-alone").await;
    let (_scalr, _) = held(&place).await;
    let said = place.plugin("accept-removals acme --yes -o json --operator-url http://127.0.0.1:9").await;
    let start = "Who would go cannot be shown: no operator answers at http://127.0.0.1:9/: ";
    assert!(said.err.starts_with(start), "{said:?}");
    let json: Value = said.json();
    assert_eq!((&json["accepted"], json.get("going")), (&json!(true), None));
    place.kubectl("wait scalr acme --for=jsonpath={.status.phase}=Connected --timeout=60s").await;
}
