//! The plugin's page in `docs/`, held to what the plugin says itself.

use std::process::Command;

use crate::stage::{PLUGIN, ROOT};

fn help(command: &[&str]) -> String {
    let output = Command::new(PLUGIN).args(command).arg("--help").output().unwrap();
    assert!(output.status.success(), "{command:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// The commands that the page shows, without what comes after a pipe or a comment.
fn typed(page: &str) -> Vec<Vec<&str>> {
    let lines = page.lines().flat_map(|line| line.split('`').chain([line]));
    let commands = lines.filter_map(|line| line.trim_start_matches("$ ").strip_prefix("kubectl connector "));
    commands
        .map(|line| line.split(['|', '#', '<', '>']).next().unwrap().split_whitespace().collect())
        .collect()
}

#[test]
fn every_command_on_the_page_is_one_that_the_plugin_has() {
    let page = std::fs::read_to_string(format!("{ROOT}/docs/kubectl-connector.md")).unwrap();
    let typed = typed(&page);
    assert!(typed.len() > 20, "{typed:#?}");
    for words in &typed {
        let is_verb = |word: &&&str| word.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-');
        let mut command = vec![words[0]];
        if words[0] == "create" {
            command.extend(words.get(1).filter(is_verb));
        }
        let help = help(&command);
        for flag in words.iter().filter(|word| word.starts_with("--")) {
            let flag = flag.split('=').next().unwrap();
            assert!(
                help.contains(&format!("{flag} ")) || help.contains(&format!("{flag}\n")),
                "{flag}: {words:?}\n{help}"
            );
        }
    }
    let all = help(&[]);
    let commands =
        all.lines().skip_while(|line| *line != "Commands:").skip(1).take_while(|line| !line.is_empty());
    let commands = commands.filter_map(|line| line.strip_prefix("  ")).filter(|line| !line.starts_with(' '));
    for command in commands.filter_map(|line| line.split(' ').next()).filter(|it| *it != "help") {
        assert!(typed.iter().any(|words| words[0] == command), "the page does not show {command}");
    }
}
