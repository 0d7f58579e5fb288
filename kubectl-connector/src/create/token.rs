//! Where the token comes from. Never out of this program again but into the Secret.

use std::io::Read;
use std::path::{Path, PathBuf};

use clap::Args;
use secrecy::SecretString;

use crate::{Result, screen};

/// Where the token comes from.
#[derive(Debug, Args)]
pub(super) struct Token {
    /// A file with the token, or - for standard input.
    #[arg(long, value_name = "FILE", group = "the token")]
    token_file: Option<PathBuf>,
    /// The environment variable with the token.
    #[arg(long, value_name = "VARIABLE", group = "the token")]
    token_env: Option<String>,
    /// The token itself. Others on this machine can see it, and the shell remembers it: --token-file - is better.
    #[arg(long, group = "the token", value_parser = |text: &str| Ok::<_, String>(SecretString::from(text.to_owned())))]
    token: Option<SecretString>,
}

impl Token {
    /// Was anything said of a token?
    pub(super) fn is_said(&self) -> bool {
        self.token_file.is_some() || self.token_env.is_some() || self.token.is_some()
    }

    /// The token, where any was said.
    pub(super) fn read(&self) -> Result<Option<SecretString>> {
        let token = match self {
            Self { token_file: Some(file), .. } => of_file(file)?,
            Self { token_env: Some(variable), .. } => std::env::var(variable).map_err(|_| {
                format!("--token-env {variable}: there is no such variable; export it, or use --token-file")
            })?,
            Self { token: Some(token), .. } => {
                screen::note(
                    "warning: --token shows the token to others on this machine, and your shell remembers it; \
                     --token-file - reads it from standard input",
                );
                return Ok(Some(token.clone()));
            }
            _ => return Ok(None),
        };
        match token.trim() {
            "" => Err("the token is empty: put it into what --token-file or --token-env names".into()),
            token => Ok(Some(SecretString::from(token.to_owned()))),
        }
    }
}

fn of_file(file: &Path) -> Result<String> {
    if file.as_os_str() == "-" {
        let mut token = String::new();
        std::io::stdin()
            .read_to_string(&mut token)
            .map_err(|error| format!("reading standard input: {error}"))?;
        return Ok(token);
    }
    std::fs::read_to_string(file).map_err(|error| {
        format!(
            "--token-file {}: {error}; name a file that can be read, or - for standard input",
            file.display()
        )
        .into()
    })
}
