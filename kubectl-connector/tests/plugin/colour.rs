//! A terminal shows colours, and asks; `script` is one.

use tokio::process::Command;

use crate::place::{Place, said_by};
use crate::stage::PLUGIN;
use crate::terminal::Terminal;

/// What the plugin shows on a terminal on which `typed` is typed.
async fn on_a_terminal(
    place: &Place,
    words: &str,
    environment: &[(&str, &str)],
    typed: &str,
) -> (i32, String) {
    let mut command = Command::new("script");
    command
        .env_clear()
        .env("PATH", "/usr/bin:/bin")
        .env("TERM", "xterm")
        .env("KUBECONFIG", place.control_plane().admin_kubeconfig())
        .env("CONNECTOR_OPERATOR_URL", place.stage.operator_url())
        .envs(environment.iter().copied())
        .args(["--quiet", "--return", "--command"])
        .arg(format!("{PLUGIN} -n {} {words}", place.namespace))
        .arg("/dev/null");
    let said = said_by(command, typed).await;
    (said.code, said.out)
}

#[tokio::test]
async fn colours_are_for_terminals_that_want_them() {
    let place = Place::new("coloured").await;
    let _scalr = place.scalr().await;
    let (_, shown) = on_a_terminal(&place, "get", &[], "").await;
    assert!(shown.contains("\u{1b}[32mConnected\u{1b}[0m"), "{shown:?}");
    for variable in [("NO_COLOR", "1"), ("TERM", "dumb")] {
        let (_, shown) = on_a_terminal(&place, "get", &[variable], "").await;
        assert!(shown.contains("Connected") && !shown.contains('\u{1b}'), "{shown:?}");
    }
}

#[tokio::test]
async fn on_a_terminal_a_person_is_asked() {
    let place = Place::new("asked").await;
    let scalr = place.scalr().await;
    for user in scalr.truth().users.iter().take(30) {
        scalr.remove_user(&user.email).unwrap();
    }
    place.plugin("sync acme --wait").await.bad();
    let (code, shown) = on_a_terminal(&place, "accept-removals acme", &[], "n\n").await;
    assert_eq!(code, 1, "{shown}");
    assert!(shown.contains("Is this right, and is scalr/acme to publish it?"), "{shown}");
    assert!(shown.contains("scalr/acme: nothing was accepted"), "{shown}");
    let (code, shown) = on_a_terminal(&place, "accept-removals acme --wait", &[], "y\n").await;
    assert_eq!(code, 0, "{shown}");
    assert!(shown.contains("scalr/acme: read 18 users in "), "{shown}");
}

#[tokio::test]
async fn a_token_that_is_typed_is_not_seen() {
    let place = Place::new("typed").await;
    let mut terminal = Terminal::open(&place, "kubectl connector create scalr --dry-run").await;
    for (question, answer) in [
        ("Scalr account (acme for https://acme.scalr.io): ", "acme\n"),
        ("may be empty): ", "ada@example.com\n"),
    ] {
        terminal.until(question).await;
        terminal.press(answer).await;
    }
    terminal.until("empty to make the Secret later): ").await;
    terminal.until_hidden().await;
    terminal.press("not-to-be-seen\n").await;
    let asked = terminal.until("The Secret below holds the token as it is").await;
    assert!(!asked.contains("not-to-be-seen"), "{asked:?}");
    let yaml = terminal.until("apiTokenSecretRef").await;
    assert!(yaml.contains("api-token: not-to-be-seen") && yaml.contains("account: acme"), "{yaml}");
    assert!(terminal.until("ada@example.com").await.contains("owner: "));
}
