//! `kubectl connector` where it needs a kubelet: the log of the operator's pod, and snapshots through a port-forward. It is
//! typed by somebody with the role `edit` of the connectors' namespace, and beyond that what the plugin's page says one needs.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use serde_json::{Value, json};
use testbed::tools;
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};

use crate::commands::text;
use crate::pages::one;
use crate::stage::Stage;

/// A run, on a slow machine.
const SOON: Duration = Duration::from_secs(60);

pub(crate) async fn tells_what_the_operator_has_read(stage: &Stage) {
    let ada = Person::with_the_rights_of_the_page(stage).await;
    shows_who_is_there(stage, &ada).await;
    follows_a_run(stage, &ada).await;
}

async fn shows_who_is_there(stage: &Stage, ada: &Person) {
    let begin = stage.now();
    let users: Value = serde_json::from_str(&ada.types("users scalr/acme -o json").await).unwrap();
    let took = stage.since(begin);
    let users = users["users"].as_array().unwrap();
    let published = stage.scalr.now().last_published.unwrap();
    assert_eq!(json!(users.len()), json!(published.counts)["users"]);
    let first = stage.upstreams.scalr.truth().users[0].email.clone();
    assert!(users.iter().any(|user| user["email"] == first), "{first:?}: {users:#?}");
    stage.say(&format!(
        "kubectl connector users: {} of Scalr, through a port-forward to the leader, in {took:.1} s",
        users.len()
    ));

    let access: Value =
        serde_json::from_str(&ada.types("access planetscale/planetscale -o json").await).unwrap();
    let grants = access["access"].as_array().unwrap().len();
    let published = stage.planetscale.now().last_published.unwrap();
    assert_eq!(json!(grants), json!(published.counts)["grants"]);
    let organization = stage.upstreams.planetscale.truth().organizations[0].clone();
    let member = &organization.members[0].user.email;
    let has = ada.types(&format!("access planetscale/planetscale {member}")).await;
    assert!(has.contains(&organization.name), "{has}");
    stage.say(&format!(
        "kubectl connector access: {grants} grants of PlanetScale; of one member, those of {}",
        organization.name
    ));
}

async fn follows_a_run(stage: &Stage, ada: &Person) {
    let mut log = Log::follow(ada, "logs scalr/acme -f").await;
    stage.upstreams.scalr.add_user(Some("grace@example.com"), None).unwrap();
    let said = ada.types("sync scalr/acme --wait --timeout 1m").await;
    assert!(said.ends_with("; new: 1 user\n"), "{said}");
    stage.say(&format!("kubectl connector sync --wait: {}", said.trim()));
    let object = stage.cluster.get("scalr acme -n identity").await;
    let read = &object["status"]["lastPublished"]["counts"]["users"];
    assert!(said.starts_with(&format!("scalr/acme: read {read} users in ")), "{said}");
    log.until(&format!("Read {read} users")).await;

    let all = ada.types("logs scalr/acme").await;
    for line in &log.shown {
        assert!(all.contains(line), "{line} is not in {all}");
    }
    for line in all.lines() {
        assert!(line.contains(r#""connector":"acme""#) && !line.contains("PlanetScaleConnector"), "{line}");
    }
    stage.say(&format!(
        "kubectl connector logs: {} lines of this connector alone; with -f, those of the run while it was watched",
        all.lines().count()
    ));

    let changes = ada.types("diff scalr/acme").await;
    let new = changes.lines().find(|line| line.contains("grace@example.com")).unwrap_or(&changes);
    let new = new.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(new.starts_with("+ user "), "{changes}");
    stage.say(&format!("kubectl connector diff: {new}"));
}

/// A log that is followed.
struct Log {
    lines: Lines<BufReader<ChildStdout>>,
    shown: Vec<String>,
    /// Ended with this.
    _program: Child,
}

impl Log {
    /// Returns once it shows what was logged before.
    async fn follow(ada: &Person, typed: &str) -> Self {
        let mut program = ada.command(typed).stdout(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(program.stdout.take().unwrap()).lines();
        let mut log = Self { lines, shown: Vec::new(), _program: program };
        log.until("").await;
        log
    }

    /// Waits for a line with this in it.
    async fn until(&mut self, what: &str) {
        loop {
            let line = tokio::time::timeout(SOON, self.lines.next_line()).await;
            let line = line.unwrap_or_else(|_| panic!("{what:?} comes in time after {:#?}", self.shown));
            self.shown.push(line.unwrap().expect("the log goes on"));
            if self.shown.last().unwrap().contains(what) {
                return;
            }
        }
    }
}

/// Somebody who types.
struct Person {
    kubeconfig: PathBuf,
    path: std::ffi::OsString,
    cache: PathBuf,
}

impl Person {
    async fn with_the_rights_of_the_page(stage: &Stage) -> Self {
        let page = one("docs/kubectl-connector.md").blocks();
        let role = page.iter().find(|block| block.text.contains("pods/portforward")).unwrap();
        stage.cluster.feed("apply -f -", Some(&role.text)).await;
        for typed in [
            "create serviceaccount ada -n identity",
            "create rolebinding ada -n identity --clusterrole=edit --serviceaccount=identity:ada",
            "create rolebinding ada -n connector-system --role=connector-snapshots --serviceaccount=identity:ada",
        ] {
            stage.cluster.kubectl(typed).await;
        }
        let control_plane = &stage.cluster.control_plane;
        let kubectl = tools::locate_async("kubectl").await.unwrap();
        let plugin = Path::new(env!("CARGO_BIN_EXE_connector-operator")).with_file_name("kubectl-connector");
        assert!(plugin.is_file(), "{} is missing: `make build` builds it", plugin.display());
        let folders = [kubectl.parent().unwrap(), plugin.parent().unwrap()];
        Self {
            kubeconfig: control_plane.kubeconfig_for_service_account("identity", "ada").await.unwrap(),
            path: std::env::join_paths(folders).unwrap(),
            cache: stage.folder.join("kubectl-cache"),
        }
    }

    /// `kubectl connector`, which finds the plugin as kubectl finds any.
    fn command(&self, typed: &str) -> Command {
        let mut command = Command::new("kubectl");
        command
            .env_clear()
            .env("PATH", &self.path)
            .env("KUBECONFIG", &self.kubeconfig)
            .env("KUBECACHEDIR", &self.cache)
            .args(["connector", "-n", "identity"])
            .args(typed.split(' '))
            .stdin(Stdio::null())
            .kill_on_drop(true);
        command
    }

    /// What it says, having succeeded.
    async fn types(&self, typed: &str) -> String {
        let output = self.command(typed).output().await.unwrap();
        assert!(output.status.success(), "kubectl connector {typed}: {}", text(&output.stderr));
        text(&output.stdout)
    }
}
