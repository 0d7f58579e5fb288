//! `get` and `describe`.

use serde_json::{Value, json};

use crate::place::{Place, assert_plain, squeezed};

#[tokio::test]
async fn all_connectors_are_listed_with_how_they_are_and_whom_they_read() {
    let place = Place::new("listed").await;
    let none = place.plugin("get").await;
    assert_eq!((none.code, none.out.as_str()), (0, ""));
    assert_eq!(none.err, "There are no connectors in namespace listed; -A lists those of all namespaces.\n");

    let (_scalr, planetscale) = (place.scalr().await, place.planetscale().await);
    let table = place.plugin("get").await.good();
    assert_plain(&table);
    let lines = squeezed(&table);
    assert_eq!(lines[0], "KIND NAME STATUS READS USERS LAST SYNC NEXT");
    assert!(lines[1].starts_with("scalr acme Connected acme 48 "), "{table}");
    assert!(lines[1].contains("s ago in ") && lines[1].ends_with('m'), "{table}");
    let counts = planetscale.counts();
    let orgs = format!("planetscale all Connected {} orgs {} ", counts.organizations, counts.users);
    assert!(lines[2].starts_with(&orgs), "{orgs}: {table}");
    assert_eq!(lines.len(), 3, "{table}");

    let everywhere = place.plugin("get -A").await.good();
    assert_plain(&everywhere);
    assert!(squeezed(&everywhere)[0].starts_with("NAMESPACE KIND NAME STATUS "), "{everywhere}");
    assert!(squeezed(&everywhere).iter().any(|line| line.starts_with("listed scalr acme ")), "{everywhere}");

    let labelled = place.plugin("get -l team=all").await.good();
    assert!(labelled.contains("planetscale") && !labelled.contains("scalr "), "{labelled}");
    let named = place.plugin("get pscale/all acme -o name").await.good();
    assert_eq!(
        named,
        "planetscaleconnector.connectors.conductorone.com/all\nscalrconnector.connectors.conductorone.com/acme\n"
    );
}

#[tokio::test]
async fn programs_get_the_objects_as_kubectl_gives_them() {
    let place = Place::new("objects").await;
    let _scalr = place.scalr().await;
    let list = place.plugin("get -o json").await.json();
    assert_eq!((&list["kind"], list["items"].as_array().unwrap().len()), (&json!("List"), 1));
    let one = place.plugin("get acme -o json").await.json();
    assert_eq!(one, list["items"][0]);
    let mut by_kubectl: Value = serde_json::from_str(&place.kubectl("get scalr acme -o json").await).unwrap();
    // The status may have been written in between; whose object it is has not.
    by_kubectl["status"] = one["status"].clone();
    by_kubectl["metadata"]["resourceVersion"] = one["metadata"]["resourceVersion"].clone();
    assert_eq!(one, by_kubectl);
    let yaml = place.plugin("get acme -o yaml").await.good();
    assert!(yaml.contains("kind: ScalrConnector\n") && yaml.contains("  owner: ada@example.com\n"), "{yaml}");
}

#[tokio::test]
async fn a_page_tells_how_a_connector_is_and_what_it_did() {
    let place = Place::new("described").await;
    let scalr = place.scalr().await;
    scalr.add_user(Some("new@example.com"), Some("New User")).unwrap();
    place.plugin("sync acme --wait").await.good();
    let page = place.plugin("describe scalr/acme").await.good();
    assert_plain(&page);
    let lines = squeezed(&page);
    assert_eq!(lines[0], "scalr/acme Connected");
    for line in [
        "Namespace described",
        &format!("Reads the Scalr account acme, at {}", scalr.base_url()),
        "Owner ada@example.com",
        "Credential key api-token of Secret scalr-acme",
        "Schedule every 1h",
        "Ready yes (Succeeded)",
        "read 49 users",
        "Changed new: 1 user",
    ] {
        assert!(lines.iter().any(|it| it == line), "{line}: {page}");
    }
    for start in ["Last run ", "Published ", "Next run in ", "Events"] {
        assert!(lines.iter().any(|it| it.starts_with(start)), "{start}: {page}");
    }
    assert!(page.contains("Requested, took "), "{page}");
    assert!(page.contains("Connected: "), "an event: {page}");

    let json = place.plugin("describe acme -o json").await.json();
    assert_eq!(
        [&json["kind"], &json["phase"], &json["ready"], &json["lastPublished"]["counts"]["users"]],
        [&json!("ScalrConnector"), &json!("Connected"), &json!("True"), &json!(49)]
    );
    assert_eq!(json["lastSync"]["changes"]["users"]["added"], 1);
}

#[tokio::test]
async fn a_page_about_a_failure_says_what_is_wrong_and_what_to_do() {
    let place = Place::new("page-of-a-failure").await;
    let spec = json!({
        "account": "acme", "baseUrl": "http://127.0.0.1:9", "apiTokenSecretRef": { "name": "later" },
    });
    place.connector("ScalrConnector", "acme", &spec).await;
    place.kubectl("wait scalr acme --for=jsonpath={.status.phase}=Pending --timeout=60s").await;
    let page = place.plugin("describe acme").await.good();
    assert_plain(&page);
    let lines = squeezed(&page);
    assert_eq!(lines[0], "scalr/acme Pending");
    assert!(lines.iter().any(|it| it == "Ready no (SecretNotFound)"), "{page}");
    assert!(lines.iter().any(|it| it.starts_with("The operator waits until it is there")), "{page}");
    assert!(page.contains("You can        kubectl get secret later -n page-of-a-failure\n"), "{page}");
    assert!(page.contains("nothing yet"), "{page}");
    assert!(page.contains("nobody is named: set spec.owner"), "{page}");
}

#[tokio::test]
async fn a_name_that_no_connector_has_is_told_with_those_that_there_are() {
    let place = Place::new("names").await;
    let empty = place.plugin("describe acme").await.bad();
    assert_eq!(
        empty,
        "there is no connector acme in namespace names, nor any other: kubectl connector get -A lists those of all \
         namespaces"
    );
    let _scalr = place.scalr().await;
    assert_eq!(
        place.plugin("describe planetscale/acme").await.bad(),
        "there is no connector planetscale/acme in namespace names: it has scalr/acme"
    );
    let spec = json!({ "apiUrl": "http://127.0.0.1:9", "serviceTokenSecretRef": { "name": "later" } });
    place.connector("PlanetScaleConnector", "acme", &spec).await;
    assert_eq!(
        place.plugin("describe acme").await.bad(),
        "acme is both scalr/acme and planetscale/acme in namespace names: say which"
    );
    place.plugin("describe ScalrConnector/acme").await.good();
    for wrong in ["describe deployment/acme", "describe", "describe Acme", "nonsense"] {
        let said = place.plugin(wrong).await;
        assert_eq!((said.code, said.out.as_str()), (2, ""), "{wrong}: {}", said.err);
    }
}
