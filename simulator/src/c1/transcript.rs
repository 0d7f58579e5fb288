//! What was asked of the simulated C1 and what it answered, in order, for people to read and for tests to wait on.
//! Tokens, assertions and secrets never get here.

use std::fmt;
use std::time::Duration;

use tonic::Code;

/// How a request was answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// A call, with this code.
    Rpc(Code),
    /// A request for a token, with this status.
    Http(u16),
}

impl Answer {
    /// Was it answered as asked?
    #[must_use]
    pub fn is_ok(self) -> bool {
        matches!(self, Self::Rpc(Code::Ok) | Self::Http(200))
    }
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rpc(code) => write!(f, "{code:?}"),
            Self::Http(status) => write!(f, "{status}"),
        }
    }
}

/// Who asked.
#[derive(Clone, Debug, Default)]
pub(super) struct Who {
    pub(super) client: String,
    pub(super) host_id: String,
}

/// A request and its answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// When it was answered, counted from the server's start.
    pub at: Duration,
    /// The client's name; empty where it is not known.
    pub client: String,
    /// Where the connector says that it runs; empty for tokens.
    pub host_id: String,
    /// The call's name, such as `GetTask`; `Token` for the token endpoint.
    pub method: &'static str,
    /// What came of it, for people.
    pub text: String,
    /// How it was answered.
    pub answer: Answer,
}

impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let or_dash = |text: &str| if text.is_empty() { "-".to_owned() } else { text.to_owned() };
        let (client, host, method) = (or_dash(&self.client), or_dash(&self.host_id), self.method);
        let seconds = self.at.as_secs_f64();
        write!(f, "{seconds:9.3} s  {client}  {host}  {method} -> {}  [{}]", or_dash(&self.text), self.answer)
    }
}

/// A line per entry.
#[must_use]
pub fn listed(transcript: &[Entry]) -> String {
    transcript.iter().map(|entry| format!("{entry}\n")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_is_one_line_that_says_who_asked_what_and_what_came_of_it() {
        let entry = Entry {
            at: Duration::from_millis(1_250),
            client: "client-1".into(),
            host_id: "pod-0".into(),
            method: "GetTask",
            text: "sync_full 2abc".into(),
            answer: Answer::Rpc(Code::Ok),
        };
        assert_eq!(entry.to_string(), "    1.250 s  client-1  pod-0  GetTask -> sync_full 2abc  [Ok]");
        let token = Entry { host_id: String::new(), method: "Token", answer: Answer::Http(401), ..entry };
        assert_eq!(token.to_string(), "    1.250 s  client-1  -  Token -> sync_full 2abc  [401]");
    }
}
