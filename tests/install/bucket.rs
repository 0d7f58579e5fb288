//! The chart with snapshots in a bucket: what its values come to is what the operator understands.

use connector_simulator::{ScalrConfig, ScalrSimulator};
use testbed::{S3Options, S3Server};

use crate::charts::{INSTALL, Values};
use crate::commands::Cluster;
use crate::operator::Operator;

#[tokio::test]
async fn the_chart_with_a_bucket_and_a_key_in_a_secret_connects() {
    let (cluster, scalr) =
        (Cluster::start().await, ScalrSimulator::start(ScalrConfig::default()).await.unwrap());
    let folder = tempfile::tempdir().unwrap();
    let server = S3Server::start(folder.path(), S3Options::default()).await.unwrap();
    cluster.namespace("connector-system").await;
    let secret = format!(
        "create secret generic bucket -n connector-system --from-literal=access-key-id={} \
         --from-literal=secret-access-key={}",
        S3Server::KEY_ID,
        S3Server::SECRET
    );
    cluster.kubectl(&secret).await;
    let bucket = format!(
        "snapshots.bucket.name={},snapshots.bucket.prefix=prod/eu,snapshots.bucket.region=us-east-1,\
         snapshots.bucket.endpoint=http://{},snapshots.bucket.allowHttp=true,snapshots.bucket.existingSecret=bucket",
        S3Server::BUCKET,
        server.address()
    );
    cluster.helm(&format!("{INSTALL} --set replicaCount=2,snapshots.storage=s3,{bucket}")).await;
    cluster.until_served().await;
    assert!(!cluster.has("pvc connector-operator-snapshots -n connector-system").await);
    let operator = Operator::of_deployment(&cluster).await;

    let values = Values::of(&scalr, "ada@example.com");
    cluster.helm(&format!("install connectors {}", values.typed())).await;
    let read = cluster.get("scalr acme -n identity").await;
    assert_eq!(read["status"]["phase"], "Connected", "{read:#}");
    let uri = read["status"]["lastPublished"]["uri"].as_str().unwrap();
    let key = uri.strip_prefix("s3://snapshots/").unwrap();
    assert!(key.starts_with("prod/eu/identity/scalrconnector/acme/"), "{key}");
    let kept = folder.path().join("buckets").join(S3Server::BUCKET).join(key);
    assert_eq!(
        std::fs::metadata(kept).unwrap().len(),
        read["status"]["lastPublished"]["size"].as_u64().unwrap()
    );
    assert!(!operator.log().contains(S3Server::SECRET));
    operator.assert_nothing_was_refused();
    operator.end().await;
}
