//! The service mode against the simulated C1: with a client id the command stays, and does what C1 asks for.

use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use connector_simulator::c1::{Finished, ReceivedFile, SyncFull};
use connector_simulator::{
    C1Config, C1Fault, C1Simulator, Extent, Fault, PlanetScaleSimulator, ScalrConfig, ScalrSimulator, TaskId,
    TaskSpec,
};
use tempfile::{NamedTempFile, TempDir};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::Child;
use tokio::task::JoinHandle;
use tonic::Code;

use super::place::{CANARY, Place, free_port, planetscale, scalr, signal};

/// The longest that anything may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// A simulated C1, and what a connector needs to know to work for it.
pub struct Stage {
    c1: C1Simulator,
    ca_bundle: NamedTempFile,
    scratch: TempDir,
}

impl Stage {
    pub async fn set() -> Self {
        Self::set_as(C1Config::default()).await
    }

    async fn set_as(config: C1Config) -> Self {
        let c1 = C1Simulator::start(config).await.unwrap();
        let ca_bundle = NamedTempFile::new().unwrap();
        std::fs::write(ca_bundle.path(), c1.ca_pem()).unwrap();
        Self { c1, ca_bundle, scratch: tempfile::tempdir().unwrap() }
    }

    /// `place`, which works for this C1.
    fn served_by(&self, place: Place) -> Place {
        let client = self.c1.client(0).unwrap();
        place
            .with("BATON_CLIENT_ID", &client.client_id)
            .with("BATON_CLIENT_SECRET", &client.client_secret)
            .with("BATON_C1_API_HOST", self.c1.host())
            .with("BATON_CA_BUNDLE", self.ca_bundle.path().to_str().unwrap())
            .with("BATON_C1Z_TEMP_DIR", self.scratch.path().to_str().unwrap())
    }

    pub fn scalr(&self, scalr: &ScalrSimulator) -> Place {
        self.served_by(Place::of_scalr(scalr))
    }

    fn planetscale(&self, planetscale: &PlanetScaleSimulator) -> Place {
        self.served_by(Place::of_planetscale(planetscale))
    }

    /// Waits until a task has ended.
    async fn end(&self, task: &TaskId) -> Finished {
        self.c1.until_finished(task, PATIENCE).await.unwrap_or_else(|error| panic!("{error}"))
    }

    /// Gives a task to do and waits for its end.
    async fn task(&self, task: TaskSpec) -> (TaskId, Finished) {
        let task = self.c1.give(0, task).unwrap();
        let end = self.end(&task).await;
        (task, end)
    }

    /// Has everything read, and gives the one file that comes of it.
    async fn sync(&self, task: SyncFull) -> ReceivedFile {
        let (task, end) = self.task(TaskSpec::SyncFull(task)).await;
        assert_eq!(end, Finished::Success);
        self.file(&task)
    }

    fn file(&self, task: &TaskId) -> ReceivedFile {
        let mut files = self.c1.files(task);
        assert_eq!(files.len(), 1, "one file for the task");
        files.remove(0)
    }

    fn scratch_files(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.scratch.path()).unwrap();
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }
}

/// How many resources of a type are in `file`.
fn resources(file: &ReceivedFile, resource_type: &str) -> usize {
    let packed = file.bytes.strip_prefix(b"C1ZF\0").expect("a .c1z of version 1");
    let database = NamedTempFile::new().unwrap();
    std::fs::write(database.path(), zstd::decode_all(packed).unwrap()).unwrap();
    let connection = rusqlite::Connection::open(database.path()).unwrap();
    let query = "select count(*) from v1_resources where resource_type_id = ?1";
    let count: u32 = connection.query_row(query, [resource_type], |row| row.get(0)).unwrap();
    count as usize
}

/// A connector that runs, and everything that it has said so far.
struct Running {
    child: Child,
    said: Arc<Mutex<String>>,
    listening: Vec<JoinHandle<()>>,
}

fn start(place: &Place) -> Running {
    let mut child = place.start(&[]);
    let said = Arc::<Mutex<String>>::default();
    let listening = vec![
        tokio::spawn(listen(child.stdout.take().unwrap(), Arc::clone(&said))),
        tokio::spawn(listen(child.stderr.take().unwrap(), Arc::clone(&said))),
    ];
    Running { child, said, listening }
}

async fn listen(mut from: impl AsyncRead + Unpin, said: Arc<Mutex<String>>) {
    let mut chunk = vec![0; 64 << 10];
    while let Ok(read) = from.read(&mut chunk).await
        && read > 0
    {
        said.lock().unwrap().push_str(&String::from_utf8_lossy(&chunk[..read]));
    }
}

impl Running {
    fn said(&self) -> String {
        self.said.lock().unwrap().clone()
    }

    async fn until_said(&self, words: &str) {
        let deadline = Instant::now() + PATIENCE;
        while !self.said().contains(words) {
            assert!(Instant::now() < deadline, "never said {words:?}:\n{}", self.said());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Waits for its end within `within`: how it exited, and all that it said.
    async fn end(mut self, within: Duration) -> (ExitStatus, String) {
        let ended = tokio::time::timeout(within, self.child.wait()).await;
        let Ok(status) = ended else { panic!("it runs on:\n{}", self.said()) };
        for listening in self.listening.drain(..) {
            listening.await.unwrap();
        }
        (status.unwrap(), self.said())
    }

    /// Stops it as Kubernetes does, which must be a success.
    async fn stop(self) -> String {
        signal(&self.child, "TERM").await;
        let (status, said) = self.end(Duration::from_secs(20)).await;
        assert_eq!(status.code(), Some(0), "{said}");
        said
    }
}

#[tokio::test]
async fn the_variables_of_the_product_pages_and_where_c1_is_are_enough_to_work_for_it() {
    let (stage, scalr) = (Stage::set().await, scalr().await);
    let connector = start(&stage.scalr(&scalr).with("BATON_LOG_FORMAT", "console"));
    connector.until_said(&format!("Connected to C1 at {}; waiting for tasks", stage.c1.host())).await;
    let (_, end) = stage.task(TaskSpec::Hello).await;
    assert_eq!(end, Finished::Success);
    let file = stage.sync(SyncFull { skip_expand_grants: true, ..SyncFull::default() }).await;
    assert_eq!(resources(&file, "user"), 48);
    assert_eq!(file.host_id, "baton-scalr");
    let (_, end) = stage.task(TaskSpec::Grant).await;
    let Finished::Error { code, non_retryable: true, .. } = end else { panic!("{end}") };
    assert_eq!(code, Code::FailedPrecondition);

    let said = connector.stop().await;
    println!("{}\n{said}", connector_simulator::c1::listed_transcript(&stage.c1.transcript()));
    let task = file.task.to_string();
    let about: Vec<&str> = said.lines().filter(|line| line.contains(&task)).collect();
    assert!(about.len() >= 4, "{said}");
    assert!(about.iter().all(|line| line.matches(&task).count() == 1), "a line names its task once:\n{said}");
    assert!(!said.contains("WARN connector_operator::c1::poll: C1"), "{said}");
    assert_eq!(stage.scratch_files(), Vec::<String>::new());
}

#[tokio::test]
async fn a_secret_of_another_key_ends_with_16_and_one_sentence() {
    let (stage, scalr) = (Stage::set().await, scalr().await);
    let other = C1Simulator::start(C1Config { seed: 2, ..C1Config::default() }).await.unwrap();
    let secret = other.client(0).unwrap().client_secret;
    let place = stage.scalr(&scalr).with("BATON_CLIENT_SECRET", &secret);
    let (status, said) = start(&place).end(PATIENCE).await;
    assert_eq!(status.code(), Some(16), "{said}");
    println!("{said}");
    assert_eq!(said.lines().count(), 1, "{said}");
    let host = stage.c1.host();
    let expected = format!(
        "error: C1 refused the client id or secret: POST {host}/auth/v1/token answered 401 invalid_client"
    );
    assert!(said.starts_with(&expected) && said.contains("BATON_CLIENT_SECRET"), "{said}");
    assert!(!said.contains(secret.rsplit(':').next().unwrap()), "{said}");
    assert_eq!(scalr.stats().total(), 0);
}

#[tokio::test]
async fn what_is_no_client_id_secret_or_host_is_told_of_by_its_variable_and_never_shown() {
    let (stage, scalr) = (Stage::set().await, scalr().await);
    for (variable, value, words) in [
        ("BATON_CLIENT_ID", "canary.5f1d3e9a", "has no @"),
        ("BATON_CLIENT_ID", "name@acme.conductor.one", "has no / after its host"),
        ("BATON_CLIENT_SECRET", "canary.5f1d3e9a", "has not the four parts"),
        ("BATON_CLIENT_SECRET", "secret-token:conductorone.com:v2:canary.5f1d3e9a", "another version"),
        ("BATON_CLIENT_SECRET", "secret-token:conductorone.com:v1:canary.5f1d3e9a", "not base64url"),
        ("BATON_C1_API_HOST", "https://acme.conductor.one", "host"),
        ("BATON_C1_API_HOST", "acme.conductor.one/path", "host"),
    ] {
        let (status, said) = start(&stage.scalr(&scalr).with(variable, value)).end(PATIENCE).await;
        println!("{said}");
        assert_eq!(status.code(), Some(3), "{variable}={value}: {said}");
        assert_eq!(said.lines().count(), 1, "{said}");
        assert!(said.starts_with(&format!("error: {variable}: ")) && said.contains(words), "{said}");
        assert!(!said.contains(CANARY), "{said}");
    }
    assert!(stage.c1.transcript().is_empty());
}

#[tokio::test]
async fn a_refused_greeting_ends_with_its_code() {
    let (stage, scalr) = (Stage::set().await, scalr().await);
    stage.c1.switch_on(C1Fault::HelloRefused, None);
    let (status, said) = start(&stage.scalr(&scalr)).end(PATIENCE).await;
    assert_eq!(status.code(), Some(7), "{said}");
    assert!(
        said.starts_with("error: C1 answered Hello with PermissionDenied: refused on purpose. "),
        "{said}"
    );
    assert_eq!(said.lines().count(), 1, "{said}");
}

#[tokio::test]
async fn while_c1_is_away_it_keeps_trying_and_is_not_ready() {
    let (scalr, port) = (scalr().await, free_port());
    // Where C1 will be: until then nobody listens there.
    let config = C1Config { listen: format!("127.0.0.1:{port}").parse().unwrap(), ..C1Config::default() };
    let stage = Stage::set_as(config.clone()).await;
    let health_port = free_port();
    let place = stage
        .scalr(&scalr)
        .with("BATON_HEALTH_CHECK", "true")
        .with("BATON_HEALTH_CHECK_PORT", &health_port)
        .with("BATON_LOG_FORMAT", "console");
    let Stage { c1, ca_bundle, scratch } = stage;
    c1.stop().await;

    let connector = start(&place);
    connector.until_said("cannot be reached: ").await;
    let ready = || place.run(&["health-check", "--endpoint", "ready"]);
    let output = ready().await;
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(String::from_utf8_lossy(&output.stderr).contains("503"), "{output:?}");
    assert_eq!(place.run(&["health-check", "--endpoint", "live"]).await.status.code(), Some(0));

    let c1 = C1Simulator::start(config).await.unwrap();
    std::fs::write(ca_bundle.path(), c1.ca_pem()).unwrap();
    // The authority is another one now, which it was not told of when it started.
    let connector = {
        connector.until_said("certificate").await;
        connector.stop().await;
        start(&place)
    };
    let stage = Stage { c1, ca_bundle, scratch };
    connector.until_said("waiting for tasks").await;
    assert_eq!(ready().await.status.code(), Some(0));
    stage.c1.switch_on(C1Fault::TokenUnavailable, Some(1));
    stage.c1.switch_on(C1Fault::Unavailable, Some(2));
    stage.c1.end_tokens();
    connector.until_said("is asked again in").await;
    stage.sync(SyncFull::default()).await;
    connector.stop().await;
}

#[tokio::test]
async fn a_refused_token_upstream_ends_the_task_and_not_the_process() {
    let (stage, scalr) = (Stage::set().await, scalr().await);
    let connector = start(&stage.scalr(&scalr));
    scalr.set_token("another").unwrap();
    let (_, end) = stage.task(TaskSpec::sync_full()).await;
    let Finished::Error { code, message, non_retryable } = end else { panic!("{end}") };
    assert_eq!((code, non_retryable), (Code::Unauthenticated, true));
    println!("{message}");
    assert!(message.starts_with("Scalr refused the credential: ") && !message.contains(CANARY), "{message}");
    scalr.set_token(CANARY).unwrap();
    stage.sync(SyncFull::default()).await;
    connector.stop().await;
}

#[tokio::test]
async fn what_is_missing_since_the_task_before_is_asked_for_once_more() {
    let stage = Stage::set().await;
    let scalr = ScalrSimulator::start(ScalrConfig { users: 250, ..ScalrConfig::default() }).await.unwrap();
    let connector = start(&stage.scalr(&scalr));
    assert_eq!(resources(&stage.sync(SyncFull::default()).await, "user"), 253);

    // Somebody slides over the edge of a page unseen, while the totals agree: one goes and one comes.
    scalr.switch_on(Fault::InsertAndDelete, &Extent::times(1)).unwrap();
    assert_eq!(resources(&stage.sync(SyncFull::default()).await, "user"), 253);
    connector.until_said("Everything is read once more").await;

    scalr.remove_user(scalr.truth().users[3].id.as_str()).unwrap();
    assert_eq!(resources(&stage.sync(SyncFull::default()).await, "user"), 252);
    connector.stop().await;
}

#[tokio::test]
async fn c1_is_not_overrun_when_it_takes_greetings_and_gives_no_tasks() {
    let (stage, scalr) = (Stage::set().await, scalr().await);
    stage.c1.switch_on(C1Fault::PollRefused, None);
    let connector = start(&stage.scalr(&scalr));
    connector.until_said("C1 answered GetTask with PermissionDenied").await;
    tokio::time::sleep(Duration::from_secs(3)).await;
    let polls = stage.c1.transcript().iter().filter(|entry| entry.method == "GetTask").count();
    assert!((2..=6).contains(&polls), "{polls}");
    stage.c1.switch_off(C1Fault::PollRefused);
    stage.sync(SyncFull::default()).await;
    connector.stop().await;
}

#[tokio::test]
async fn stopped_in_the_middle_of_a_reading_it_gives_the_task_back_and_leaves_nothing_behind() {
    let (stage, scalr) = (Stage::set().await, scalr().await);
    let connector = start(&stage.scalr(&scalr));
    stage.sync(SyncFull::default()).await;
    scalr.set_latency(Duration::from_secs(30));
    let task = stage.c1.give(0, TaskSpec::sync_full()).unwrap();
    let deadline = Instant::now() + PATIENCE;
    while scalr.stats().in_flight == 0 {
        assert!(Instant::now() < deadline, "{}", connector.said());
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_ne!(stage.scratch_files(), Vec::<String>::new(), "it has its files there");
    let asked = Instant::now();
    let said = connector.stop().await;
    println!("{:?}\n{said}", asked.elapsed());
    let Some(Finished::Error { code: Code::Cancelled, non_retryable: false, .. }) = stage.c1.finished(&task)
    else {
        panic!("{:?}\n{said}", stage.c1.task(&task));
    };
    assert!(stage.c1.files(&task).is_empty());
    assert_eq!(stage.scratch_files(), Vec::<String>::new());
}

/// Carries what the connector and C1 say to each other, until the connector has said so many bytes.
struct Throttle {
    address: String,
    left: Arc<AtomicUsize>,
}

impl Throttle {
    async fn to(host: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let (host, left) = (host.to_owned(), Arc::new(AtomicUsize::new(usize::MAX)));
        let allowance = Arc::clone(&left);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let server = TcpStream::connect(&host).await.unwrap();
                tokio::spawn(carry(client, server, Arc::clone(&allowance)));
            }
        });
        Self { address, left }
    }

    fn stop_after(&self, bytes: usize) {
        self.left.store(bytes, Ordering::SeqCst);
    }

    fn has_stopped(&self) -> bool {
        self.left.load(Ordering::SeqCst) == 0
    }
}

async fn carry(client: TcpStream, server: TcpStream, left: Arc<AtomicUsize>) {
    let ((mut from_client, mut to_client), (mut from_server, mut to_server)) =
        (client.into_split(), server.into_split());
    let back = tokio::spawn(async move { tokio::io::copy(&mut from_server, &mut to_client).await });
    let mut chunk = vec![0; 4096];
    while let Ok(read) = from_client.read(&mut chunk).await
        && read > 0
    {
        if left.load(Ordering::SeqCst) == 0 {
            // This connection never goes on; it ends with the client.
            while from_client.read(&mut chunk).await.is_ok_and(|read| read > 0) {
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
            break;
        }
        let take = |left: usize| Some(if left == usize::MAX { left } else { left.saturating_sub(read) });
        let _ = left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, take);
        if to_server.write_all(&chunk[..read]).await.is_err() {
            break;
        }
    }
    back.abort();
}

#[tokio::test]
async fn killed_in_the_middle_of_an_upload_and_started_again_it_delivers_the_task_once() {
    let config = C1Config {
        heartbeat_timeout: Duration::from_secs(3),
        next_heartbeat: Duration::from_secs(1),
        ..C1Config::default()
    };
    let stage = Stage::set_as(config).await;
    let scalr = ScalrSimulator::start(ScalrConfig { users: 4000, ..ScalrConfig::default() }).await.unwrap();
    let throttle = Throttle::to(stage.c1.host()).await;
    let place = stage
        .scalr(&scalr)
        .with("BATON_C1_API_HOST", &throttle.address)
        .with("BATON_REQUESTS_PER_MINUTE", "0");
    let connector = start(&place);
    connector.until_said("waiting for tasks").await;
    // Enough for all that is said before the upload, and for the first of its chunks.
    throttle.stop_after(64 << 10);
    let task = stage.c1.give(0, TaskSpec::sync_full()).unwrap();
    let deadline = Instant::now() + PATIENCE;
    while !throttle.has_stopped() {
        assert!(Instant::now() < deadline, "{}", connector.said());
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert!(connector.said().contains("Uploading the snapshot to C1"), "{}", connector.said());
    signal(&connector.child, "KILL").await;
    let (status, _) = connector.end(PATIENCE).await;
    assert_eq!(status.signal(), Some(9));
    assert!(stage.c1.files(&task).is_empty());
    throttle.stop_after(usize::MAX);

    let connector = start(&place);
    assert_eq!(stage.end(&task).await, Finished::Success);
    connector.stop().await;
    println!("{}", connector_simulator::c1::listed_transcript(&stage.c1.transcript()));
    assert_eq!(resources(&stage.file(&task), "user"), 4003);
    assert_eq!(stage.scratch_files(), Vec::<String>::new(), "nor anything of the life before");
}

#[tokio::test]
async fn on_a_read_only_root_filesystem_one_folder_for_scratch_files_is_enough() {
    let (stage, scalr) = (Stage::set().await, scalr().await);
    let connector = start(&stage.scalr(&scalr).run_in("/proc").with("TMPDIR", "/proc"));
    stage.sync(SyncFull::default()).await;
    // A copy with less is made there too.
    stage.sync(SyncFull { skip_grants: true, ..SyncFull::default() }).await;
    connector.stop().await;
}

#[tokio::test]
async fn where_nothing_is_to_be_read_a_task_is_refused_and_never_an_empty_file_sent() {
    let (stage, scalr) = (Stage::set().await, scalr().await);
    let connector = start(&stage.scalr(&scalr).with("BATON_SKIP_FULL_SYNC", "true"));
    let (task, end) = stage.task(TaskSpec::sync_full()).await;
    let Finished::Error { code, message, non_retryable: true } = end else { panic!("{end}") };
    assert_eq!(code, Code::FailedPrecondition);
    assert!(message.contains("BATON_SKIP_FULL_SYNC"), "{message}");
    assert!(stage.c1.files(&task).is_empty());
    assert_eq!(scalr.stats().total(), 0);
    connector.stop().await;
}

#[tokio::test]
async fn a_task_says_which_types_it_wants_and_where_it_does_not_the_variable_does() {
    let (stage, planetscale) = (Stage::set().await, planetscale().await);
    let connector = start(&stage.planetscale(&planetscale).with("BATON_SYNC_RESOURCE_TYPES", "user"));
    let there = planetscale.counts();
    let counted = |file: &ReceivedFile| ["organization", "team", "user"].map(|it| resources(file, it));
    assert_eq!(counted(&stage.sync(SyncFull::default()).await), [0, 0, there.users]);
    let of = |types: &[&str]| SyncFull {
        sync_resource_type_ids: types.iter().map(|it| (*it).to_owned()).collect(),
        ..SyncFull::default()
    };
    let both = stage.sync(of(&["organization", "user"])).await;
    assert_eq!(counted(&both), [there.organizations, 0, there.users]);
    connector.stop().await;
}

/// How many tasks it was given before the first of two had ended.
async fn taken_at_once(concurrency: &str) -> usize {
    let (stage, scalr) = (Stage::set().await, scalr().await);
    scalr.set_latency(Duration::from_millis(1500));
    let tasks = [(); 2].map(|()| stage.c1.give(0, TaskSpec::sync_full()).unwrap());
    let connector = start(&stage.scalr(&scalr).with("BATON_TASK_CONCURRENCY", concurrency));
    for task in &tasks {
        assert_eq!(stage.end(task).await, Finished::Success);
    }
    connector.stop().await;
    let transcript = stage.c1.transcript();
    let before = transcript.iter().take_while(|entry| entry.method != "FinishTask");
    before.filter(|entry| entry.method == "GetTask" && entry.text.starts_with("sync_full")).count()
}

#[tokio::test]
async fn as_many_tasks_are_taken_at_once_as_it_is_told() {
    assert_eq!(taken_at_once("1").await, 1);
    assert_eq!(taken_at_once("3").await, 2);
}

#[tokio::test]
async fn neither_token_nor_secret_nor_assertion_is_logged_however_much_is() {
    let (stage, scalr) = (Stage::set().await, scalr().await);
    let connector = start(&stage.scalr(&scalr).with("BATON_LOG_LEVEL", "trace"));
    stage.sync(SyncFull::default()).await;
    stage.c1.end_tokens();
    stage.c1.switch_on(C1Fault::TokenRefused, None);
    connector.until_said("C1 refused the client id or secret").await;
    let said = connector.stop().await;
    let targets = ["\"target\":\"h2::", "\"target\":\"hyper"];
    assert!(targets.iter().all(|target| said.contains(target)), "the libraries log too");
    // Of the secret's last part, of an assertion, and of what a token is shown with.
    for word in [CANARY, "eyJ", "client_assertion=", "Bearer "] {
        let line = said.lines().find(|line| line.contains(word));
        assert_eq!(line, None, "{word}");
    }
    let is_part = |byte: char| byte.is_ascii_alphanumeric() || byte == '-' || byte == '_';
    let mut words = said.split(|byte| !is_part(byte));
    let as_long_as_a_token = words.find(|word| word.len() == 43 && !word.starts_with("TLS_"));
    assert_eq!(as_long_as_a_token, None);
}
