//! The last line of defence for the credential: what it is taken out of any text that came from outside, in case
//! a server, or a proxy's error page, says it back.

use std::fmt;
use std::sync::Arc;

use secrecy::{ExposeSecret, SecretString};

/// Parts shorter than this are nobody's secret, and would be found everywhere.
const SHORTEST: usize = 4;

/// The parts of a credential that no text may carry.
#[derive(Clone)]
pub(crate) struct Redaction(Arc<[SecretString]>);

impl Redaction {
    pub(crate) fn new(parts: Vec<SecretString>) -> Self {
        Self(parts.into_iter().filter(|part| part.expose_secret().len() >= SHORTEST).collect())
    }

    /// `text` without the credential.
    pub(crate) fn apply(&self, text: &str) -> String {
        self.0.iter().fold(text.to_owned(), |text, part| text.replace(part.expose_secret(), "[redacted]"))
    }
}

impl fmt::Debug for Redaction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Redaction")
    }
}
