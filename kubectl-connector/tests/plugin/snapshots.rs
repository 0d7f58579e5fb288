//! `diff`, `users` and `access`, by what the real operator serves.

use serde_json::{Value, json};

use crate::place::{Place, assert_plain, squeezed};

#[tokio::test]
async fn the_users_of_the_last_snapshot_are_those_of_the_account() {
    let place = Place::new("users").await;
    let scalr = place.scalr().await;
    let first = scalr.truth().users[0].clone();
    let table = place.plugin("users acme").await.good();
    assert_plain(&table);
    let lines = squeezed(&table);
    assert!(lines[0].starts_with("NAME EMAIL STATUS KIND"), "{table}");
    assert!(lines.last().unwrap().starts_with("48 users, read "), "{table}");
    assert_eq!(lines.len(), 50);

    let json = place.plugin("users acme -o json").await.json();
    let users = json["users"].as_array().unwrap();
    assert_eq!(users.len(), 48);
    let found = users.iter().find(|user| user["email"] == json!(first.email)).unwrap();
    let expected = if first.enabled() { "enabled" } else { "disabled" };
    assert!(found["status"].as_str().unwrap().starts_with(expected), "{found}");
    let services = users.iter().filter(|user| user["kind"] == "service").count();
    assert_eq!(services, 3);

    let one = place.plugin(&format!("users acme --search {} -o name", first.email.to_uppercase())).await;
    assert_eq!(one.good(), format!("{}\n", found["id"].as_str().unwrap()));
}

#[tokio::test]
async fn who_has_what_is_listed_by_name() {
    let place = Place::new("access").await;
    let planetscale = place.planetscale().await;
    let table = place.plugin("access planetscale/all").await.good();
    assert_plain(&table);
    assert_eq!(squeezed(&table)[0], "WHO ROLE ON CALLED");
    let all = place.plugin("access all -o json").await.json();
    let status = place.get("pscale all").await;
    let grants = all["access"].as_array().unwrap();
    assert_eq!(json!(grants.len()), status["status"]["lastPublished"]["counts"]["grants"]);

    let truth = planetscale.truth();
    let organization = &truth.organizations[0];
    let member = &organization.members[0];
    let of = place.plugin(&format!("access all {} -o json", member.user.email)).await.json();
    let of = of["access"].as_array().unwrap();
    assert!(!of.is_empty());
    let is_of = |grant: &&Value| grant["principalName"].as_str().unwrap().contains(&member.user.email);
    assert_eq!(of.iter().filter(is_of).count(), of.len());
    assert!(of.iter().any(|it| it["resourceName"] == json!(organization.name)), "{of:#?}");
    let on = place.plugin(&format!("access all --on {} -o json", organization.name)).await.json();
    assert!(on["access"].as_array().unwrap().len() >= organization.members.len());

    assert_eq!(
        place.plugin("access all nobody@example.com").await.bad(),
        "nobody in the last snapshot of planetscale/all is called nobody@example.com: kubectl connector users \
         planetscale/all lists all"
    );
    let _scalr = place.scalr().await;
    let users_alone = place.plugin("access acme").await;
    assert_eq!((users_alone.code, users_alone.out.as_str()), (0, ""));
    assert_eq!(users_alone.err, "scalr/acme reads users alone: it has no roles to list\n");
}

/// How many of each type came, went and changed.
fn count(changes: &Value, change: &str, what: &str) -> usize {
    let changes = changes["changes"].as_array().unwrap();
    changes.iter().filter(|it| it["change"] == change && it["type"] == what).count()
}

#[tokio::test]
async fn what_changed_is_told_thing_by_thing_as_the_operator_counts_it() {
    let place = Place::new("diffed").await;
    let planetscale = place.planetscale().await;
    let only = place.plugin("diff all").await.bad();
    assert!(only.ends_with("the operator has no earlier snapshot; it will after the next run"), "{only}");

    let truth = planetscale.truth();
    let organization = &truth.organizations[0];
    let team = &organization.teams[0];
    let gone = organization.members.iter().find(|it| it.role == "member").unwrap().user.clone();
    let new = planetscale.add_member(&organization.name, "member").unwrap();
    planetscale.remove_member(&organization.name, &gone.email).unwrap();
    planetscale.add_team_member(&organization.name, &team.slug, &new.email).unwrap();
    place.plugin("sync all --wait").await.good();

    let table = place.plugin("diff planetscale/all").await.good();
    assert_plain(&table);
    let is_new = |line: &&String| line.starts_with("+ user ") && line.ends_with(&format!("<{}>", new.email));
    assert_eq!(squeezed(&table).iter().filter(is_new).count(), 1, "{table}");
    assert!(table.contains(&format!("as member of {} in {}", team.name, organization.name)), "{table}");
    let json = place.plugin("diff all -o json").await.json();
    let status = place.get("pscale all").await;
    let counted = &status["status"]["lastSync"]["changes"];
    for (what, scope) in
        [("user", "users"), ("team", "teams"), ("organization", "organizations"), ("grant", "grants")]
    {
        for change in ["added", "removed", "changed"] {
            assert_eq!(
                json!(count(&json, change, what)),
                counted[scope][change],
                "{what} {change}: {json:#} {counted:#}"
            );
        }
    }
    assert_eq!(json["to"], status["status"]["lastPublished"]["id"]);

    let (from, to) = (json["to"].as_str().unwrap(), json["from"].as_str().unwrap());
    let back = place.plugin(&format!("diff all --from {from} --to {to} -o json")).await.json();
    assert_eq!(count(&back, "added", "user"), count(&json, "removed", "user"));
    let same = place.plugin(&format!("diff all --from {to} --to {to}")).await.good();
    assert!(same.ends_with("\nnothing changed\n"), "{same}");
    assert_plain(&same);
    let none = place.plugin("diff all --from 3IPXFz8OxYGYDoOUaaaaaaaaaaa --to x").await.bad();
    assert!(
        none.starts_with("the operator has no snapshot 3IPXFz8OxYGYDoOUaaaaaaaaaaa of planetscale/all: "),
        "{none}"
    );
}

#[tokio::test]
async fn what_is_another_than_before_is_told_with_what_it_was() {
    let place = Place::new("changed").await;
    let scalr = place.scalr().await;
    let user = scalr.truth().users.iter().find(|user| user.enabled()).unwrap().clone();
    scalr.disable_user(&user.email).unwrap();
    place.plugin("sync acme --wait").await.good();
    let json = place.plugin("diff acme -o json").await.json();
    let status = place.get("scalr acme").await;
    assert_eq!(
        json!(count(&json, "changed", "user")),
        status["status"]["lastSync"]["changes"]["users"]["changed"]
    );
    let changed = &json["changes"][0];
    assert!(changed["name"].as_str().unwrap().contains(&user.email), "{changed}");
    let status = &changed["attributes"]["status"];
    assert_eq!(status["from"], "enabled");
    assert!(status["to"].as_str().unwrap().starts_with("disabled"), "{changed}");
    let table = place.plugin("diff acme").await.good();
    assert!(table.contains("status enabled → disabled"), "{table}");
}

#[tokio::test]
async fn an_operator_that_is_not_there_is_told_with_its_address() {
    let place = Place::new("no-operator").await;
    let _scalr = place.scalr().await;
    let said = place.plugin("users acme --operator-url http://127.0.0.1:9").await.bad();
    assert!(said.starts_with("no operator answers at http://127.0.0.1:9/: "), "{said}");
    let wrong = place.plugin("users acme --operator-url https://127.0.0.1:9").await;
    assert_eq!(wrong.code, 2, "{wrong:?}");
    let spec = json!({ "account": "b", "apiTokenSecretRef": { "name": "later" } });
    place.connector("ScalrConnector", "never-read", &spec).await;
    let said = place.plugin("users never-read").await.bad();
    assert!(
        said.starts_with("the operator has no snapshot yet of scalr/never-read: kubectl connector describe "),
        "{said}"
    );
}
