//! A terminal on which something is typed key by key, after what is shown.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use testbed::tools;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

use crate::place::{Place, said_by};
use crate::stage::{PLUGIN, SOON};

/// How often the terminal's settings are looked at.
const LOOK: Duration = Duration::from_millis(20);
/// What the shells here say when they wait for a command.
pub(crate) const PROMPT: &str = "typed here> ";

/// Nothing of this machine but the plugin, kubectl, and the programs of the system.
pub(crate) async fn environment(place: &Place, home: &Path) -> Vec<(&'static str, PathBuf)> {
    let kubectl = tools::locate_async("kubectl").await.unwrap();
    let folders = [PLUGIN, kubectl.to_str().unwrap()].map(|it| Path::new(it).parent().unwrap().to_owned());
    let system = ["/usr/bin", "/bin"].map(PathBuf::from);
    let path = std::env::join_paths(folders.into_iter().chain(system)).unwrap();
    vec![
        ("PATH", path.into()),
        ("KUBECONFIG", place.control_plane().admin_kubeconfig().to_owned()),
        ("HOME", home.to_owned()),
        ("TERM", "dumb".into()),
        ("LC_ALL", "C.UTF-8".into()),
    ]
}

/// A program on a terminal, which `script` makes.
pub(crate) struct Terminal {
    typed: ChildStdin,
    shown: ChildStdout,
    /// What was shown and not waited for yet.
    rest: String,
    _program: Child,
    home: tempfile::TempDir,
}

impl Terminal {
    /// Starts a program.
    pub(crate) async fn open(place: &Place, program: &str) -> Self {
        let home = tempfile::tempdir().unwrap();
        let mut program = Command::new("script")
            .env_clear()
            .envs(environment(place, home.path()).await)
            .args(["--quiet", "--flush", "--command", &format!("tty > ~/tty; exec {program}"), "/dev/null"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let (typed, shown) = (program.stdin.take().unwrap(), program.stdout.take().unwrap());
        Self { typed, shown, rest: String::new(), _program: program, home }
    }

    /// Starts a shell, has it load `setup`, and waits for its prompt.
    pub(crate) async fn shell(place: &Place, shell: &str, setup: &str) -> Self {
        let mut terminal = Self::open(place, shell).await;
        // Quoted in two parts, so that the echo of this line is not taken for the prompt.
        let (one, other) = PROMPT.split_at(3);
        terminal.press(&format!("{setup}; PS1='{one}''{other}'\n")).await;
        terminal.until(PROMPT).await;
        terminal
    }

    pub(crate) async fn press(&mut self, keys: &str) {
        self.typed.write_all(keys.as_bytes()).await.unwrap();
    }

    /// Waits until what is typed is no longer shown.
    pub(crate) async fn until_hidden(&self) {
        let tty = std::fs::read_to_string(self.home.path().join("tty")).unwrap();
        let hidden = async {
            loop {
                let mut stty = Command::new("stty");
                stty.args(["-F", tty.trim(), "-a"]);
                if said_by(stty, "").await.good().split_whitespace().any(|it| it == "-echo") {
                    return;
                }
                tokio::time::sleep(LOOK).await;
            }
        };
        tokio::time::timeout(SOON, hidden).await.expect("what is typed is shown");
    }

    /// What is shown until `mark` is.
    pub(crate) async fn until(&mut self, mark: &str) -> String {
        let reading = async {
            let mut piece = [0; 4096];
            loop {
                if let Some((shown, rest)) = self.rest.split_once(mark) {
                    let shown = shown.to_owned();
                    self.rest = rest.to_owned();
                    return Some(shown);
                }
                match self.shown.read(&mut piece).await.unwrap() {
                    0 => return None,
                    read => self.rest += &String::from_utf8_lossy(&piece[..read]),
                }
            }
        };
        let shown = tokio::time::timeout(SOON, reading).await.ok().flatten();
        shown.unwrap_or_else(|| panic!("{mark:?} was not shown, but {:?}", self.rest))
    }
}
