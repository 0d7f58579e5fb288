//! Asks a person, on stderr, what was not said on the command line.

use dialoguer::{Confirm, Input, Password};
use secrecy::SecretString;

use crate::Result;

/// A line; `default` where nothing is typed.
pub(crate) fn line(question: &str, default: Option<&str>) -> Result<String> {
    let input = Input::<String>::new().with_prompt(question);
    let input = match default {
        Some(default) => input.default(default.to_owned()).show_default(!default.is_empty()),
        None => input,
    };
    Ok(input.interact_text()?.trim().to_owned())
}

/// Something that must not be seen; nothing where nothing is typed.
pub(crate) fn secret(question: &str) -> Result<Option<SecretString>> {
    let typed = Password::new().with_prompt(question).allow_empty_password(true).interact()?;
    Ok((!typed.trim().is_empty()).then(|| SecretString::from(typed.trim().to_owned())))
}

/// Yes or no; no where nothing is typed.
pub(crate) fn confirmed(question: &str) -> Result<bool> {
    Ok(Confirm::new().with_prompt(question).default(false).interact()?)
}
