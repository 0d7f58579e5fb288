//! A page of docs/getting-started that is followed to the letter: its files are written, and its commands typed, in a folder
//! with this repository in it. Only hosts are others than on the page.

use std::path::PathBuf;
use std::process::Stdio;

use serde_json::Value;
use testbed::tools;
use tokio::io::AsyncWriteExt;

use crate::commands::{ROOT, text};
use crate::pages::{Block, one};
use crate::stage::Stage;

/// The host that stands on pages for one that is nobody's but the reader's.
const HOST: &str = "scalr.corp.example";

/// A page, and where it is followed.
pub(crate) struct Guide {
    blocks: Vec<Block>,
    folder: PathBuf,
    kubeconfig: PathBuf,
    programs: PathBuf,
    hosts: String,
}

impl Guide {
    /// The page `name`, to be followed in the folder of that name.
    pub(crate) async fn open(stage: &Stage, name: &str) -> Self {
        let folder = stage.folder.join("guides").join(name);
        std::fs::create_dir_all(&folder).unwrap();
        for (link, to) in [("connector-operator", ROOT.to_owned()), ("deploy", format!("{ROOT}/deploy"))] {
            if !folder.join(link).exists() {
                std::os::unix::fs::symlink(to, folder.join(link)).unwrap();
            }
        }
        Self {
            blocks: one(&format!("docs/getting-started/{name}.md")).blocks(),
            folder,
            kubeconfig: stage.cluster.control_plane.admin_kubeconfig().to_owned(),
            programs: tools::locate_async("kubectl").await.unwrap().parent().unwrap().to_owned(),
            hosts: stage.upstreams.hosts.map(|host| host.to_string()).join(","),
        }
    }

    fn block(&self, what: &str) -> String {
        let mut having = self.blocks.iter().filter(|block| block.text.contains(what));
        let block = having.next().unwrap_or_else(|| panic!("the page has no block with {what}"));
        block.text.replace(HOST, &self.hosts)
    }

    /// A file that the page shows.
    pub(crate) fn shown(&self, file: &str) -> String {
        self.block(&format!("# {file}\n"))
    }

    /// An object that the page shows as a file.
    pub(crate) fn object(&self, file: &str) -> Value {
        serde_yaml::from_str(&self.shown(file)).unwrap()
    }

    /// Writes a file, and gives where it is.
    pub(crate) fn write(&self, file: &str, what: &str) -> PathBuf {
        let path = self.folder.join(file);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, what).unwrap();
        path
    }

    /// Types the commands of the block that has `what` in it, with `stdin` to paste; they must succeed.
    pub(crate) async fn follow(&self, what: &str, stdin: &str) {
        let typed = self.block(what);
        let mut shell = tokio::process::Command::new("sh");
        shell
            .args(["-euc", &typed])
            .current_dir(&self.folder)
            .env("PATH", format!("{}:/usr/bin:/bin", self.programs.display()))
            .env("KUBECONFIG", &self.kubeconfig)
            .env("KUBECACHEDIR", self.folder.join(".cache"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        let mut child = shell.spawn().unwrap();
        let mut input = child.stdin.take().unwrap();
        input.write_all(stdin.as_bytes()).await.unwrap();
        drop(input);
        let output = child.wait_with_output().await.unwrap();
        assert!(output.status.success(), "{typed}: {}{}", text(&output.stdout), text(&output.stderr));
    }
}
