//! No secret, assertion or token reaches a log, however much is logged.

use std::io::{self, Write};
use std::sync::{Arc, Mutex};

use connector_simulator::{C1Fault, TaskSpec};
use tokio::process::Command;
use tracing_subscriber::fmt::MakeWriter;

use crate::stage::Stage;

/// Everything that a token or an assertion is made of, and nothing that words are.
const LONG: usize = 40;

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(line);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

/// In a process of its own: what is logged, and what not, is remembered for all tests of one.
#[tokio::test]
async fn nothing_secret_is_logged_at_any_level() {
    let mut helper = Command::new(std::env::current_exe().unwrap());
    helper.args(["--exact", "secrets::helper_that_logs_everything", "--ignored"]);
    let output = helper.output().await.unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    assert!(String::from_utf8_lossy(&output.stdout).contains("1 passed"));
}

/// The other half of the test above: run by it.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "run by another test, in a process of its own"]
async fn helper_that_logs_everything() {
    let log = Log::default();
    tracing_subscriber::fmt()
        .with_writer(log.clone())
        .with_ansi(false)
        .with_max_level(tracing::Level::TRACE)
        .init();
    let stage = Stage::new().await;
    for fault in
        [C1Fault::UnauthenticatedOnce, C1Fault::TokenRefused, C1Fault::DropUpload, C1Fault::HelloRefused]
    {
        stage.c1.switch_on(fault, Some(1));
        stage.c1.end_tokens();
        let task = stage.give(TaskSpec::sync_full());
        stage.finished(&task).await;
    }
    let secret = stage.c1.client(0).unwrap().client_secret;
    let key = secret.rsplit(':').next().unwrap().to_owned();
    stage.stopped().await;

    let log = String::from_utf8_lossy(&log.0.lock().unwrap()).into_owned();
    assert!(log.contains("TRACE") && log.contains("C1 has taken the snapshot"));
    assert!(!log.contains(&secret) && !log.contains(&key));
    for line in log.lines() {
        let lower = line.to_lowercase();
        assert!(!lower.contains("bearer") && !lower.contains("client_assertion"), "{line}");
        let is_of_token = |it: char| it.is_ascii_alphanumeric() || it == '-' || it == '_';
        // The random numbers and the ciphers of TLS, which are sent in the open, lack one of these.
        let is_mixed = |word: &&str| {
            let any = |is: fn(&u8) -> bool| word.as_bytes().iter().any(is);
            any(u8::is_ascii_lowercase) && any(u8::is_ascii_uppercase) && any(u8::is_ascii_digit)
        };
        let mut words = line.split(|it| !is_of_token(it)).filter(|word| word.len() >= LONG);
        let suspect = words.find(is_mixed);
        assert_eq!(suspect, None, "{line}");
    }
}
