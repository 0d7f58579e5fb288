//! The kinds as the API server keeps them: what it takes, what it refuses and in which words, what it shows.

use connector_operator::api::{ConnectorObject, PlanetScaleConnector, ScalrConnector};
use kube::api::{ApiResource, DynamicObject, Patch, PatchParams, PostParams};
use kube::{Api, Client};
use serde_json::{Value, json};

use crate::operator::{kubectl, shared_control_plane};
use crate::place::Place;

/// A client for objects that the types of this program could not even express.
async fn untyped<K: ConnectorObject>(client: Client) -> Api<DynamicObject> {
    Api::namespaced_with(client, "default", &ApiResource::erase::<K>(&()))
}

fn object<K: ConnectorObject>(name: &str, spec: &Value) -> DynamicObject {
    serde_json::from_value(json!({
        "apiVersion": K::api_version(&()), "kind": K::KIND, "metadata": { "name": name }, "spec": spec,
    }))
    .unwrap()
}

/// What the API server says to a connector with this spec: `None` where it takes it. Nothing is kept.
async fn refusal<K: ConnectorObject>(spec: &Value) -> Option<String> {
    let api = untyped::<K>(shared_control_plane().await.admin_client().unwrap()).await;
    let only_try = PostParams { dry_run: true, ..PostParams::default() };
    match api.create(&only_try, &object::<K>("acme", spec)).await {
        Ok(_) => None,
        Err(kube::Error::Api(status)) => {
            let about = format!("{}.connectors.conductorone.com \"acme\" is invalid: ", K::KIND);
            Some(status.message.strip_prefix(&about).unwrap_or(&status.message).to_owned())
        }
        Err(error) => panic!("{error}"),
    }
}

/// The least that a connector must say.
fn least<K: ConnectorObject>() -> Value {
    match K::KIND {
        "ScalrConnector" => json!({ "account": "acme", "apiTokenSecretRef": { "name": "scalr-acme" } }),
        _ => json!({
            "apiUrl": "https://api.planetscale.com", "serviceTokenSecretRef": { "name": "planetscale" },
        }),
    }
}

/// The least, with one field (a JSON pointer's last part may be new) set to something, or removed by null.
fn changed<K: ConnectorObject>(field: &str, value: Value) -> Value {
    let mut spec = least::<K>();
    let mut place = &mut spec;
    let (path, last) = field.rsplit_once('.').unwrap_or(("", field));
    for part in path.split('.').filter(|part| !part.is_empty()) {
        place = place.as_object_mut().unwrap().entry(part).or_insert_with(|| json!({}));
    }
    place.as_object_mut().unwrap().insert(last.to_owned(), value);
    spec
}

async fn assert_refused<K: ConnectorObject>(table: &[(&str, Value, String)]) {
    let mut wrong = Vec::new();
    for (field, value, sentence) in table {
        let said = refusal::<K>(&changed::<K>(field, value.clone())).await;
        if said.as_ref() != Some(sentence) {
            wrong.push(format!("{field} = {value}\n  expected {sentence:?}\n  got      {said:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

async fn assert_taken<K: ConnectorObject>(table: &[(&str, Value)]) {
    for (field, value) in table {
        let said = refusal::<K>(&changed::<K>(field, value.clone())).await;
        assert_eq!(said, None, "{field} = {value}");
    }
}

/// What stands behind a sentence of the schema itself: the API server's own words, which name no field.
fn and_no_more(sentence: &str) -> String {
    format!(
        "[{sentence}, <nil>: Invalid value: null: some validation rules were not checked because the object was \
         invalid; correct the existing errors to complete validation]"
    )
}

fn long(length: usize) -> String {
    "a".repeat(length)
}

#[tokio::test]
async fn what_a_scalr_connector_may_not_say_is_refused_in_words_that_say_what_it_should() {
    assert_refused::<ScalrConnector>(&[
        ("account", json!("Acme"), "spec.account: Invalid value: \"Acme\": account must be the subdomain alone, such as acme for https://acme.scalr.io: lower-case letters, digits and -".to_owned()),
        ("account", json!("acme.scalr.io"), "spec.account: Invalid value: \"acme.scalr.io\": account must be the subdomain alone, such as acme for https://acme.scalr.io: lower-case letters, digits and -".to_owned()),
        ("account", json!("-acme"), "spec.account: Invalid value: \"-acme\": account must be the subdomain alone, such as acme for https://acme.scalr.io: lower-case letters, digits and -".to_owned()),
        ("account", json!(""), "[spec.account: Invalid value: \"\": spec.account in body should be at least 1 chars long, spec.account: Invalid value: \"\": account must be the subdomain alone, such as acme for https://acme.scalr.io: lower-case letters, digits and -]".to_owned()),
        ("account", json!(long(64)), and_no_more("spec.account: Too long: may not be more than 63 bytes")),
        ("account", Value::Null, and_no_more("spec.account: Required value")),
        ("baseUrl", json!("scalr.corp.example"), "[spec.baseUrl: Invalid value: \"scalr.corp.example\": baseUrl must start with https:// (http:// only for localhost, 127.0.0.1 and [::1]), spec.baseUrl: Invalid value: \"scalr.corp.example\": baseUrl must be an origin such as https://scalr.example.com: no path, no query and no user name]".to_owned()),
        ("baseUrl", json!("http://scalr.corp.example"), "spec.baseUrl: Invalid value: \"http://scalr.corp.example\": baseUrl must start with https:// (http:// only for localhost, 127.0.0.1 and [::1])".to_owned()),
        ("baseUrl", json!("ftp://scalr.corp.example"), "spec.baseUrl: Invalid value: \"ftp://scalr.corp.example\": baseUrl must start with https:// (http:// only for localhost, 127.0.0.1 and [::1])".to_owned()),
        ("baseUrl", json!("https://scalr.corp.example/api"), "spec.baseUrl: Invalid value: \"https://scalr.corp.example/api\": baseUrl must be an origin such as https://scalr.example.com: no path, no query and no user name".to_owned()),
        ("baseUrl", json!("https://scalr.corp.example?a=b"), "spec.baseUrl: Invalid value: \"https://scalr.corp.example?a=b\": baseUrl must be an origin such as https://scalr.example.com: no path, no query and no user name".to_owned()),
        ("baseUrl", json!("https://ada:secret@scalr.corp.example"), "spec.baseUrl: Invalid value: \"https://ada:secret@scalr.corp.example\": baseUrl must be an origin such as https://scalr.example.com: no path, no query and no user name".to_owned()),
        ("baseUrl", json!("https://"), "spec.baseUrl: Invalid value: \"https://\": baseUrl must be an origin such as https://scalr.example.com: no path, no query and no user name".to_owned()),
        ("baseUrl", json!(format!("https://{}", long(300))), and_no_more("spec.baseUrl: Too long: may not be more than 300 bytes")),
        ("apiTokenSecretRef", Value::Null, and_no_more("spec.apiTokenSecretRef: Required value")),
        ("apiTokenSecretRef.name", json!("Scalr"), "spec.apiTokenSecretRef.name: Invalid value: \"Scalr\": name must be the name of a Secret: lower-case letters, digits, - and .".to_owned()),
        ("apiTokenSecretRef.name", json!(""), "[spec.apiTokenSecretRef.name: Invalid value: \"\": spec.apiTokenSecretRef.name in body should be at least 1 chars long, spec.apiTokenSecretRef.name: Invalid value: \"\": name must be the name of a Secret: lower-case letters, digits, - and .]".to_owned()),
        ("apiTokenSecretRef.key", json!("api token"), "spec.apiTokenSecretRef.key: Invalid value: \"api token\": key must be a key of a Secret: letters, digits, -, _ and .".to_owned()),
        ("apiTokenSecretRef.key", json!(""), "[spec.apiTokenSecretRef.key: Invalid value: \"\": spec.apiTokenSecretRef.key in body should be at least 1 chars long, spec.apiTokenSecretRef.key: Invalid value: \"\": key must be a key of a Secret: letters, digits, -, _ and .]".to_owned()),
    ])
    .await;
}

#[tokio::test]
async fn what_a_planetscale_connector_may_not_say_is_refused_in_words_that_say_what_it_should() {
    assert_refused::<PlanetScaleConnector>(&[
        ("apiUrl", Value::Null, and_no_more("spec.apiUrl: Required value")),
        ("apiUrl", json!("api.planetscale.com"), "[spec.apiUrl: Invalid value: \"api.planetscale.com\": apiUrl must start with https:// (http:// only for localhost, 127.0.0.1 and [::1]), spec.apiUrl: Invalid value: \"api.planetscale.com\": apiUrl must be an origin such as https://api.planetscale.com: no path, no query and no user name]".to_owned()),
        ("apiUrl", json!("http://api.planetscale.com"), "spec.apiUrl: Invalid value: \"http://api.planetscale.com\": apiUrl must start with https:// (http:// only for localhost, 127.0.0.1 and [::1])".to_owned()),
        ("apiUrl", json!("https://api.planetscale.com/v1"), "spec.apiUrl: Invalid value: \"https://api.planetscale.com/v1\": apiUrl must be an origin such as https://api.planetscale.com: no path, no query and no user name".to_owned()),
        ("apiUrl", json!("https://token@api.planetscale.com"), "spec.apiUrl: Invalid value: \"https://token@api.planetscale.com\": apiUrl must be an origin such as https://api.planetscale.com: no path, no query and no user name".to_owned()),
        ("apiUrl", json!("http://127.0.0.1.evil.example"), "spec.apiUrl: Invalid value: \"http://127.0.0.1.evil.example\": apiUrl must start with https:// (http:// only for localhost, 127.0.0.1 and [::1])".to_owned()),
        ("serviceTokenSecretRef", Value::Null, and_no_more("spec.serviceTokenSecretRef: Required value")),
        ("serviceTokenSecretRef.name", json!("planet_scale"), "spec.serviceTokenSecretRef.name: Invalid value: \"planet_scale\": name must be the name of a Secret: lower-case letters, digits, - and .".to_owned()),
        ("serviceTokenSecretRef.key", json!("a/b"), "spec.serviceTokenSecretRef.key: Invalid value: \"a/b\": key must be a key of a Secret: letters, digits, -, _ and .".to_owned()),
    ])
    .await;
}

#[tokio::test]
async fn what_no_connector_may_say_is_refused_in_words_that_say_what_it_should() {
    assert_refused::<ScalrConnector>(&[
        ("owner", json!(""), "spec.owner: Invalid value: \"\": spec.owner in body should be at least 1 chars long".to_owned()),
        ("owner", json!(long(254)), and_no_more("spec.owner: Too long: may not be more than 253 bytes")),
        ("schedule.interval", json!("hourly"), "spec.schedule.interval: Invalid value: \"hourly\": interval must be a duration such as 30m or 1h30m".to_owned()),
        ("schedule.interval", json!("1d"), "spec.schedule.interval: Invalid value: \"1d\": interval must be a duration such as 30m or 1h30m".to_owned()),
        ("schedule.interval", json!("60"), "spec.schedule.interval: Invalid value: \"60\": interval must be a duration such as 30m or 1h30m".to_owned()),
        ("schedule.interval", json!(60), and_no_more("spec.schedule.interval: Invalid value: \"integer\": spec.schedule.interval in body must be of type string: \"integer\"")),
        ("schedule", json!({ "interval": "1h", "cron": "0 6 * * *" }), "spec.schedule: Invalid value: schedule has either an interval or a cron pattern, not both".to_owned()),
        ("schedule", json!({ "timeZone": "Europe/Prague" }), "spec.schedule: Invalid value: timeZone is for cron: set cron too, or remove timeZone".to_owned()),
        ("schedule.cron", json!("every day"), "spec.schedule.cron: Invalid value: \"every day\": cron must have five fields, such as 0 6 * * 1-5: minute, hour, day of the month, month, day of the week".to_owned()),
        ("schedule", json!({ "cron": "0 6 * * *", "timeZone": "+01:00" }), "spec.schedule.timeZone: Invalid value: \"+01:00\": timeZone must be a name of the IANA database, such as Europe/Prague".to_owned()),
        ("schedule.interval", json!("0s"), "spec.schedule.interval: Invalid value: \"0s\": interval must be more than nothing: leave it out for the operator's default".to_owned()),
        ("removalGuard.maxPercent", json!(101), "spec.removalGuard.maxPercent: Invalid value: 101: spec.removalGuard.maxPercent in body should be less than or equal to 100".to_owned()),
        ("removalGuard.maxPercent", json!(-1), "spec.removalGuard.maxPercent: Invalid value: -1: spec.removalGuard.maxPercent in body should be greater than or equal to 0".to_owned()),
        ("removalGuard.maxPercent", json!("20%"), and_no_more("spec.removalGuard.maxPercent: Invalid value: \"string\": spec.removalGuard.maxPercent in body must be of type integer: \"string\"")),
        ("removalGuard.minRemoved", json!(0), "spec.removalGuard.minRemoved: Invalid value: 0: spec.removalGuard.minRemoved in body should be greater than or equal to 1".to_owned()),
        ("removalGuard.minRemoved", json!(101), "spec.removalGuard.minRemoved: Invalid value: 101: spec.removalGuard.minRemoved in body should be less than or equal to 100".to_owned()),
        ("timeout", json!("30 m"), "spec.timeout: Invalid value: \"30 m\": timeout must be a duration such as 30m or 1h30m".to_owned()),
        ("timeout", json!("0s"), "spec.timeout: Invalid value: \"0s\": timeout must be more than nothing: leave it out for the operator's default".to_owned()),
        ("suspend", json!("true"), and_no_more("spec.suspend: Invalid value: \"string\": spec.suspend in body must be of type boolean: \"string\"")),
        ("caBundleRef", json!({ "name": "corp-ca" }), and_no_more("spec.caBundleRef.kind: Required value")),
        ("caBundleRef", json!({ "kind": "File", "name": "corp-ca" }), and_no_more("spec.caBundleRef.kind: Unsupported value: \"File\": supported values: \"ConfigMap\", \"Secret\"")),
        ("caBundleRef", json!({ "kind": "Secret", "name": "corp ca" }), "spec.caBundleRef.name: Invalid value: \"corp ca\": name must be the name of a ConfigMap or Secret: lower-case letters, digits, - and .".to_owned()),
        ("caBundleRef", json!({ "kind": "Secret", "name": "corp-ca", "key": "ca/crt" }), "spec.caBundleRef.key: Invalid value: \"ca/crt\": key must be a key of a ConfigMap or Secret: letters, digits, -, _ and .".to_owned()),
    ])
    .await;
}

#[tokio::test]
async fn what_people_need_to_say_is_taken() {
    for url in [
        "https://scalr.corp.example",
        "https://scalr.corp.example:8443",
        "https://scalr.corp.example/",
        "https://[2001:db8::1]:8443",
        "http://[::1]:8080",
        "http://localhost",
        "http://127.0.0.1:8181/",
    ] {
        assert_taken::<ScalrConnector>(&[("baseUrl", json!(url))]).await;
        assert_taken::<PlanetScaleConnector>(&[("apiUrl", json!(url))]).await;
    }
    let optional = [
        ("owner", json!("ada@example.com")),
        ("schedule", json!({})),
        ("schedule.interval", json!("1h30m")),
        ("schedule.cron", json!("0 6 * * 1-5")),
        ("schedule.cron", json!("*/15 0-6,22 1 JAN-MAR MON#1")),
        ("schedule", json!({ "cron": "0 6 * * *", "timeZone": "America/Argentina/Buenos_Aires" })),
        ("removalGuard", json!({})),
        ("removalGuard", json!({ "maxPercent": 0, "minRemoved": 1 })),
        ("removalGuard.maxPercent", json!(100)),
        ("removalGuard.minRemoved", json!(100)),
        ("timeout", json!("90s")),
        ("suspend", json!(true)),
        ("caBundleRef", json!({ "kind": "ConfigMap", "name": "corp-ca" })),
        ("caBundleRef", json!({ "kind": "Secret", "name": "corp-ca", "key": "tls.crt" })),
    ];
    assert_taken::<ScalrConnector>(&optional).await;
    assert_taken::<PlanetScaleConnector>(&optional).await;
    assert_taken::<ScalrConnector>(&[("account", json!("a")), ("apiTokenSecretRef.key", json!("TOKEN_1.x"))])
        .await;
}

#[tokio::test]
async fn the_account_cannot_be_changed_afterwards() {
    let api = untyped::<ScalrConnector>(shared_control_plane().await.admin_client().unwrap()).await;
    let params = PatchParams::apply("somebody").force();
    let suspended = |account: &str| {
        json!({
            "account": account, "apiTokenSecretRef": { "name": "scalr-acme" }, "suspend": true,
        })
    };
    let before = object::<ScalrConnector>("fixed", &suspended("acme"));
    api.patch("fixed", &params, &Patch::Apply(&before)).await.unwrap();
    let after = object::<ScalrConnector>("fixed", &suspended("other"));
    let kube::Error::Api(status) = api.patch("fixed", &params, &Patch::Apply(&after)).await.unwrap_err()
    else {
        panic!("refused for another reason")
    };
    assert_eq!(
        status.message,
        "ScalrConnector.connectors.conductorone.com \"fixed\" is invalid: spec.account: Invalid value: \"other\": \
         account cannot be changed: create another ScalrConnector for another account"
    );
    api.delete("fixed", &Default::default()).await.unwrap();
}

/// A stored default would be owned by nobody, and collide with a later apply.
#[tokio::test]
async fn nothing_is_stored_in_a_spec_that_nobody_wrote_and_a_fresh_status_is_no_finished_one() {
    async fn check<K: ConnectorObject>() {
        let api = untyped::<K>(shared_control_plane().await.admin_client().unwrap()).await;
        let only_try = PostParams { dry_run: true, ..PostParams::default() };
        let mut spec = changed::<K>("schedule", json!({}));
        spec["removalGuard"] = json!({});
        let kept = api.create(&only_try, &object::<K>("acme", &spec)).await.unwrap();
        assert_eq!(kept.data, json!({ "spec": spec, "status": { "observedGeneration": -1 } }));
    }
    check::<ScalrConnector>().await;
    check::<PlanetScaleConnector>().await;
}

/// The most that a status may say of what is held.
fn held_at_most(removals: usize) -> Value {
    let removal = json!({ "scope": "users", "before": 48, "removed": 36, "disabled": 1, "why": "TooMany" });
    json!({
        "observedGeneration": 1,
        "phase": "Held",
        "lastPublished": {
            "id": "run", "upstreamAccountId": "acc-1", "counts": { "users": 48 }, "scopes": { "users": 48 },
            "uri": "file:///a", "digest": "sha256:00", "size": 1,
        },
        "lastSync": {
            "id": "run", "trigger": "Approved", "startTime": "2026-11-22T10:00:00Z", "counts": { "users": 12 },
        },
        "held": {
            "id": "a", "runId": "run", "since": "2026-11-22T10:00:00Z", "more": 1, "accepted": true,
            "removals": vec![removal; removals],
        },
        "lastHandledApproval": "a",
    })
}

#[tokio::test]
async fn a_status_that_holds_removals_is_kept_as_it_was_written_and_has_an_end() {
    let place = Place::on(shared_control_plane().await, "statuses").await;
    let mut spec = least::<ScalrConnector>();
    spec["suspend"] = json!(true);
    place.apply::<ScalrConnector>("acme", &spec).await;
    let client = shared_control_plane().await.admin_client().unwrap();
    let api: Api<DynamicObject> =
        Api::namespaced_with(client, "statuses", &ApiResource::erase::<ScalrConnector>(&()));
    let only_try = PatchParams { dry_run: true, ..PatchParams::apply("somebody").force() };
    let write = async |status: &Value| {
        let mut object = object::<ScalrConnector>("acme", &spec);
        object.data = json!({ "status": status });
        api.patch_status("acme", &only_try, &Patch::Apply(&object)).await
    };
    let status = held_at_most(20);
    let kept = write(&status).await.unwrap().data["status"].clone();
    for field in status.as_object().unwrap().keys() {
        assert_eq!(kept[field], status[field], "{field}");
    }
    let refused = write(&held_at_most(21)).await.unwrap_err().to_string();
    assert!(refused.contains("status.held.removals: Too many: 21: must have at most 20 items"), "{refused}");
}

#[tokio::test]
async fn kubectl_shows_the_columns_under_every_name() {
    let place = Place::on(shared_control_plane().await, "columns").await;
    let suspended = json!({ "suspend": true, "owner": "ada@example.com" });
    let both = |mut spec: Value| {
        spec.as_object_mut().unwrap().extend(suspended.as_object().unwrap().clone());
        spec
    };
    place.apply::<ScalrConnector>("acme", &both(least::<ScalrConnector>())).await;
    place.apply::<PlanetScaleConnector>("all", &both(least::<PlanetScaleConnector>())).await;
    let names = [("scalr", "ACCOUNT"), ("scalrconnectors", "ACCOUNT"), ("pscale", "ORGS")];
    for (name, scope) in names {
        let narrow = format!("NAME STATUS {scope} USERS LAST SYNC AGE");
        assert_eq!(headings(&place, &[name]).await, [narrow.as_str()], "{name}");
        let grants = if scope == "ORGS" { " GRANTS" } else { "" };
        let wide = format!("{narrow} NEXT SYNC OWNER{grants} MESSAGE");
        assert_eq!(headings(&place, &[name, "-o", "wide"]).await, [wide], "{name}");
    }
    // Both kinds under their category, with a table each.
    assert_eq!(
        headings(&place, &["connectors"]).await,
        ["NAME STATUS ORGS USERS LAST SYNC AGE", "NAME STATUS ACCOUNT USERS LAST SYNC AGE"]
    );
}

async fn headings(place: &Place<'_>, what: &[&str]) -> Vec<String> {
    let mut arguments = vec!["get", "-n", &place.namespace];
    arguments.extend(what);
    let table = kubectl(place.control_plane, &arguments, None).await;
    let headings = table.lines().filter(|line| line.starts_with("NAME "));
    headings.map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect()
}

#[tokio::test]
async fn kubectl_explain_teaches_every_field() {
    let control_plane = shared_control_plane().await;
    for kind in ["scalrconnectors", "planetscaleconnectors"] {
        let json = kubectl(
            control_plane,
            &["get", "crd", &format!("{kind}.connectors.conductorone.com"), "-o", "json"],
            None,
        )
        .await;
        let crd: Value = serde_json::from_str(&json).unwrap();
        let mut untaught = Vec::new();
        for root in ["spec", "status"] {
            let schema = &crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"][root];
            collect_untaught(schema, root, &mut untaught);
        }
        assert_eq!(untaught, Vec::<String>::new(), "{kind}");
        let explained =
            kubectl(control_plane, &["explain", &format!("{kind}.spec"), "--recursive"], None).await;
        assert!(explained.contains("suspend"), "{explained}");
    }
    let field = kubectl(control_plane, &["explain", "pscale.spec.apiUrl"], None).await;
    let field = field.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(field.contains("https://api.planetscale.com for the standard cloud"), "{field}");
}

fn collect_untaught(schema: &Value, path: &str, untaught: &mut Vec<String>) {
    if schema["description"].as_str().is_none_or(|text| text.trim().is_empty()) {
        untaught.push(path.to_owned());
    }
    for (name, field) in schema["properties"].as_object().into_iter().flatten() {
        collect_untaught(field, &format!("{path}.{name}"), untaught);
    }
    let items = &schema["items"];
    if items.is_object() {
        collect_untaught(items, &format!("{path}[]"), untaught);
    }
}
