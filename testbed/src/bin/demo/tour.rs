//! What there is to see when all is connected: the objects, their events, and what baton reads in the snapshots.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use serde_json::Value;
use testbed::tools;
use tokio::process::Command;

use super::cluster::{Cluster, SYSTEM, stdout_of, typed};
use super::identity::ACCOUNT;
use super::screen::Screen;
use super::{NAMESPACE, ROOT, Result};

/// How many lines of a listing are shown.
const LINES: usize = 7;

/// Shows everything, and fails where something is not as the simulators' default data says.
pub(crate) async fn show(screen: &Screen, cluster: &Cluster, home: &Path) -> Result<()> {
    let table = cluster.show(screen, &["get", "connectors", "-A"]).await?;
    expect(&table, 2, "Connected")?;
    cluster.show(screen, &["get", "connectors", "-n", NAMESPACE, "-o", "wide"]).await?;

    let columns = "custom-columns=TYPE:.type,REASON:.reason,KIND:.involvedObject.kind,\
                   NAME:.involvedObject.name,MESSAGE:.message";
    let sorted = "--sort-by=.metadata.creationTimestamp";
    let events = cluster.show(screen, &["get", "events", "-n", NAMESPACE, sorted, "-o", columns]).await?;
    expect(&events, 2, "Syncing")?;
    expect(&events, 2, "Connected")?;
    permissions(screen, cluster).await?;

    let baton = Baton { program: tools::locate_async("baton").await?, screen };
    let scalr = snapshot(screen, cluster, home, "scalr", "acme").await?;
    baton.show("resources", &scalr, &[], LINES).await?;
    let planetscale = snapshot(screen, cluster, home, "pscale", "planetscale").await?;
    baton.show("resources", &planetscale, &[], LINES).await?;
    baton.show_grants(&planetscale).await?;
    let somebody = baton.first_user(&planetscale).await?;
    let access = baton.show("access", &planetscale, &["-t", "user", "-r", &somebody], 2 * LINES).await?;
    expect(&access, 1, "org-1")?;
    screen.pause();
    Ok(())
}

/// What the operator may do, and one thing that it may not.
async fn permissions(screen: &Screen, cluster: &Cluster) -> Result<()> {
    let account = format!("--as=system:serviceaccount:{SYSTEM}:{ACCOUNT}");
    for (verb, expected) in [("get", "yes"), ("delete", "no")] {
        let arguments = ["auth", "can-i", verb, "secrets", "-n", NAMESPACE, &account];
        screen.command(&format!("kubectl {}", typed(&arguments)));
        // It exits with 1 for a no, so only what it says counts.
        let output = cluster.command(&arguments).stderr(Stdio::piped()).output().await?;
        let answer = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        screen.output(&answer);
        if answer != expected {
            let said = String::from_utf8_lossy(&output.stderr);
            return Err(format!("`{}` was expected to say {expected}. {said}", typed(&arguments)).into());
        }
    }
    Ok(())
}

/// A link with a short name to the snapshot that an object's status names.
async fn snapshot(
    screen: &Screen,
    cluster: &Cluster,
    home: &Path,
    kind: &str,
    name: &str,
) -> Result<PathBuf> {
    let path = "jsonpath={.status.lastPublished.uri}";
    let uri = cluster.show(screen, &["get", kind, name, "-n", NAMESPACE, "-o", path]).await?;
    let file = uri.trim().strip_prefix("file://").ok_or_else(|| format!("{uri} is not the URI of a file"))?;
    let link = home.join(format!("{kind}.c1z"));
    std::os::unix::fs::symlink(file, &link)?;
    screen.output(&format!("# {} is a link to it", link.display()));
    Ok(link)
}

struct Baton<'a> {
    program: PathBuf,
    screen: &'a Screen,
}

impl Baton<'_> {
    async fn show(&self, verb: &str, file: &Path, options: &[&str], lines: usize) -> Result<String> {
        let file = file.to_string_lossy();
        let arguments = [&[verb, "-f", file.as_ref()], options].concat();
        self.screen.command(&format!("baton {}", typed(&arguments)));
        let text = self.run(&arguments).await?;
        self.screen.excerpt(&text, lines);
        Ok(text)
    }

    /// Without the first column: the ids leave no room for the names.
    async fn show_grants(&self, file: &Path) -> Result<()> {
        let file = file.to_string_lossy();
        let arguments = ["grants", "-f", file.as_ref()];
        self.screen.command(&format!("baton {} | cut -d '|' -f 2-", typed(&arguments)));
        let text = self.run(&arguments).await?;
        let rest = text.lines().map(|line| line.split_once('|').map_or(line, |(_, rest)| rest));
        self.screen.excerpt(&rest.collect::<Vec<_>>().join("\n"), LINES);
        expect(&text, 2, "org-1")
    }

    async fn first_user(&self, file: &Path) -> Result<String> {
        let file = file.to_string_lossy();
        let users = self.run(&["resources", "-f", file.as_ref(), "-t", "user", "-o", "json"]).await?;
        let users: Value = serde_json::from_str(&users)?;
        let first = users.pointer("/resources/0/resource/id/resource").and_then(Value::as_str);
        Ok(first.ok_or("baton finds no user in the snapshot")?.to_owned())
    }

    async fn run(&self, arguments: &[&str]) -> Result<String> {
        let output = Command::new(&self.program)
            .args(arguments)
            .current_dir(ROOT)
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .output()
            .await?;
        Ok(without_colour(&stdout_of(&format!("baton {}", typed(arguments)), &output)?))
    }
}

/// The text without the escape sequences that baton writes even where there is no terminal.
fn without_colour(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        if character == '\u{1b}' {
            // ESC [ … m
            characters.by_ref().take_while(|c| *c != 'm').for_each(drop);
        } else {
            plain.push(character);
        }
    }
    plain
}

fn expect(text: &str, times: usize, word: &str) -> Result<()> {
    let found = text.matches(word).count();
    if found < times {
        return Err(format!("{word} was expected {times} times above, and is there {found} times").into());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escape_sequences_go_and_the_rest_stays() {
        assert_eq!(without_colour("\u{1b}[96m\u{1b}[0mID \u{1b}[90m|\u{1b}[0m ü"), "ID | ü");
    }
}
