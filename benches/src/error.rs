//! Why something could not be measured. A person reads it, nobody decides by it.

/// What went wrong, as a sentence.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Error(String);

impl Error {
    pub(crate) fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }
}

/// What most functions here return.
pub(crate) type Result<T> = std::result::Result<T, Error>;
