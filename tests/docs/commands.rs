//! The commands that pages tell people to type: their files, targets and flags are there.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

use crate::pages::{Block, Page, ROOT, all};

/// Folders of this repository that commands name files of.
const FOLDERS: [&str; 7] = ["benches/", "charts/", "crds/", "deploy/", "docs/", "examples/", "tools/"];
/// The programs of this repository, as `make build` leaves them.
const PROGRAMS: [&str; 4] = ["bench", "connector-operator", "connector-simulator", "demo"];

/// A line that somebody types, in words.
struct Typed {
    words: Vec<String>,
    place: String,
}

/// The lines that are typed in a block: all of `sh`, and of `console` what follows a prompt.
fn lines(block: &Block) -> Vec<String> {
    let joined = block.text.replace("\\\n", " ");
    let line = |line: &str| match block.language.as_str() {
        "sh" => Some(line.to_owned()),
        "console" => line.strip_prefix("$ ").map(str::to_owned),
        _ => None,
    };
    joined.lines().filter_map(line).collect()
}

fn typed(block: &Block) -> Vec<Typed> {
    let typed = |line: &String| Typed { words: words(line), place: block.place.clone() };
    lines(block).iter().map(typed).collect()
}

/// The words before a comment, without quotes.
fn words(line: &str) -> Vec<String> {
    let line = line.split(" #").next().unwrap_or_default();
    let words = line.split(|it: char| it.is_whitespace() || matches!(it, '"' | '\'' | '(' | ')' | '|'));
    words.filter(|word| !word.is_empty()).map(str::to_owned).collect()
}

fn typed_on(page: &Page) -> Vec<Typed> {
    page.blocks().iter().flat_map(typed).collect()
}

#[test]
fn every_file_that_a_command_names_is_there() {
    let (mut checked, mut missing) = (0, Vec::new());
    for page in all() {
        for Typed { words, place } in typed_on(&page) {
            for word in &words {
                let program =
                    word.strip_prefix("target/debug/").or_else(|| word.strip_prefix("target/release/"));
                let is_there = match program {
                    Some(program) => PROGRAMS.contains(&program),
                    None if FOLDERS.iter().any(|folder| word.starts_with(folder)) => {
                        Path::new(ROOT).join(word).exists()
                    }
                    None => continue,
                };
                checked += 1;
                if !is_there {
                    missing.push(format!("{place}: {word}"));
                }
            }
        }
    }
    assert_eq!(missing, Vec::<String>::new());
    assert!(checked > 15, "{checked}");
}

/// A placeholder such as `<token-id>` is a redirection for a shell, unless it is quoted.
#[test]
fn a_shell_understands_what_is_typed_and_takes_no_placeholder_for_a_file() {
    let (mut checked, mut wrong) = (0, Vec::new());
    for block in all().iter().flat_map(Page::blocks) {
        let typed = lines(&block).join("\n");
        if typed.is_empty() {
            continue;
        }
        checked += 1;
        let parsed = Command::new("bash").args(["-n", "-c", &typed]).output().unwrap();
        if !parsed.status.success() {
            wrong.push(format!("{}: {}", block.place, String::from_utf8_lossy(&parsed.stderr)));
        }
        if redirects_to_a_word(&typed) {
            wrong.push(format!("{}: a placeholder is not quoted", block.place));
        }
    }
    assert_eq!(wrong, Vec::<String>::new());
    assert!(checked > 50, "{checked}");
    assert!(redirects_to_a_word("export TOKEN=<token-id>:<value>"));
    assert!(!redirects_to_a_word("export TOKEN='<id>'; cat <<<\"<it>\" # <that>"));
}

/// Is there a `<` before a letter, outside of quotes and comments?
fn redirects_to_a_word(typed: &str) -> bool {
    let outside = |line: &str| {
        let line = line.split(" #").next().unwrap_or_default();
        line.split(['\'', '"']).step_by(2).collect::<String>()
    };
    let is_one = |text: String| {
        let letters: Vec<char> = text.chars().collect();
        letters.windows(3).any(|it| it[0] != '<' && it[1] == '<' && it[2].is_alphabetic())
    };
    typed.lines().map(outside).any(is_one)
}

#[test]
fn every_yaml_file_that_a_command_names_is_made_on_the_same_page() {
    let (mut checked, mut missing) = (0, Vec::new());
    for page in all() {
        let made: Vec<String> = page.blocks().iter().filter_map(Block::file).collect();
        for Typed { words, place } in typed_on(&page) {
            for (at, word) in words.iter().enumerate() {
                // What a command writes need not be there before.
                let is_written = at > 0 && words[at - 1] == ">";
                if is_written || !word.ends_with(".yaml") || word.contains('/') {
                    continue;
                }
                checked += 1;
                // Copied from a file that the page names, and edited.
                let is_copied = page.links().iter().any(|link| link.target.ends_with(&format!("/{word}")));
                if !made.contains(word) && !is_copied {
                    missing.push(format!("{place}: {word}"));
                }
            }
        }
    }
    assert_eq!(missing, Vec::<String>::new());
    assert!(checked > 5, "{checked}");
}

#[test]
fn every_target_of_make_is_there() {
    let makefile = fs::read_to_string(format!("{ROOT}/Makefile")).unwrap();
    let (mut checked, mut missing) = (0, Vec::new());
    for page in all() {
        let in_text = page.codes().into_iter().map(|code| (words(&code), page.path.display().to_string()));
        let typed = typed_on(&page).into_iter().map(|typed| (typed.words, typed.place));
        for (words, place) in in_text.chain(typed) {
            let [make, target, ..] = words.as_slice() else { continue };
            if make == "make" && !target.contains('=') {
                checked += 1;
                if !makefile.contains(&format!("\n{target}:")) {
                    missing.push(format!("{place}: make {target}"));
                }
            }
        }
    }
    assert_eq!(missing, Vec::<String>::new());
    assert!(checked > 20, "{checked}");
}

#[test]
fn every_command_and_flag_of_the_operator_is_one() {
    let mut helps = BTreeMap::new();
    let (mut checked, mut missing) = (0, Vec::new());
    for page in all() {
        let in_text = page.codes().into_iter().map(|code| (words(&code), page.path.display().to_string()));
        let typed = typed_on(&page).into_iter().map(|typed| (typed.words, typed.place));
        for (words, place) in in_text.chain(typed) {
            let Some(words) = of_operator(&words) else { continue };
            let commands: Vec<&str> = words.iter().map(String::as_str).take_while(is_command).collect();
            let Some(help) = help(&commands, &mut helps) else {
                missing.push(format!("{place}: connector-operator {}", commands.join(" ")));
                continue;
            };
            for flag in words.iter().filter_map(|word| flag(word)) {
                checked += 1;
                if !help.contains(&flag) {
                    missing.push(format!("{place}: {} has no {flag}", commands.join(" ")));
                }
            }
        }
    }
    assert_eq!(missing, Vec::<String>::new());
    assert!(checked > 5, "{checked}");
}

/// What follows the operator's name, where a line begins with it or with variables for it.
fn of_operator(words: &[String]) -> Option<&[String]> {
    let at = words.iter().position(|word| !word.contains('='))?;
    is_operator(&words[at]).then(|| &words[at + 1..])
}

fn is_operator(word: &str) -> bool {
    word == "connector-operator" || word.ends_with("/connector-operator") && word.starts_with("target/")
}

fn is_command(word: &&str) -> bool {
    matches!(
        *word,
        "run"
            | "sync"
            | "scalr"
            | "planetscale"
            | "snapshot"
            | "list"
            | "pair"
            | "prune"
            | "config"
            | "health-check"
    )
}

/// `--flag` of `--flag=value`, and of `[--flag`.
fn flag(word: &str) -> Option<String> {
    let word = word.trim_start_matches('[').trim_end_matches(']');
    let flag = word.split(['=', '[']).next()?;
    (flag.starts_with("--") && flag.len() > 2).then(|| flag.to_owned())
}

/// What the program says of a command; nothing where it has no such command.
fn help<'h>(commands: &[&str], helps: &'h mut BTreeMap<String, Option<String>>) -> Option<&'h String> {
    let ask = || {
        let program = env!("CARGO_BIN_EXE_connector-operator");
        let output = Command::new(program).args(commands).arg("--help").output().unwrap();
        output.status.success().then(|| String::from_utf8(output.stdout).unwrap())
    };
    helps.entry(commands.join(" ")).or_insert_with(ask).as_ref()
}
