//! What is wrong with a bucket, in words that may be shown: nothing that a server says is repeated but its code, and
//! nothing of a request.

use std::error::Error;

use object_store::client::{HttpError, HttpErrorKind};

use super::StoreError;
use crate::network::clean;

/// The longest that is repeated of what others say.
const WORDS: usize = 200;
/// How object_store begins what a server refused with.
const STATUS: &str = "status code: ";
/// What servers call a bucket that is not there.
const NO_BUCKET: [&str; 2] = ["NoSuchBucket", "ContainerNotFound"];

/// What is wrong with a bucket.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BucketProblem {
    /// The credentials are not good for that.
    #[error("access was denied ({0})")]
    Denied(String),
    /// The bucket is not there.
    #[error("there is no such bucket ({0})")]
    NoBucket(String),
    /// Nobody answers, or too slowly.
    #[error("there was no answer: {0}")]
    Unreachable(String),
    /// The server answers something that is of no use.
    #[error("the server answered {0}")]
    Answer(String),
    /// No credentials, or something else before a request could be made.
    #[error("no request could be made: {0}")]
    Request(String),
    /// The server takes a write whose condition does not hold.
    #[error(
        "the server does not keep to conditions of writes: {0}, so a former leader could write over what a later one \
             has published"
    )]
    Unconditional(&'static str),
    /// An object is not what was put there.
    #[error("it is not what was put there")]
    Altered,
}

impl BucketProblem {
    /// What to do about it.
    pub fn remedy(&self) -> &'static str {
        match self {
            Self::Denied(_) => {
                "Check the credentials for the bucket, and that they may list it and read, write and delete objects in \
                 it."
            }
            Self::NoBucket(_) => "Make the bucket, or correct its name.",
            Self::Unreachable(_) => {
                "Check the bucket's endpoint and region, DNS, proxy and network policy, and that the operator has a key or an \
                 identity for it; the run is tried again."
            }
            Self::Answer(_) => "Check the bucket's endpoint and region; the run is tried again.",
            Self::Request(_) => "Check the credentials for the bucket.",
            Self::Unconditional(_) => "Use a server that keeps to If-Match and If-None-Match.",
            Self::Altered => "Look who writes into the bucket besides the operator.",
        }
    }

    /// Might it pass by itself?
    pub fn may_pass(&self) -> bool {
        matches!(self, Self::Unreachable(_) | Self::Answer(_))
    }

    pub(super) fn of(error: &object_store::Error) -> Self {
        use object_store::Error::{Generic, PermissionDenied, Unauthenticated};
        if let Generic { source, .. } = error
            && let Some(StoreError::Bucket { problem, .. }) = source.downcast_ref()
        {
            return problem.clone();
        }
        let text = error.to_string();
        let said = said(&text);
        if NO_BUCKET.iter().any(|code| said.ends_with(code)) {
            return Self::NoBucket(said);
        }
        match error {
            PermissionDenied { .. } | Unauthenticated { .. } => Self::Denied(said),
            // Of who gives credentials, and not of the bucket.
            _ if said.starts_with("401") || said.starts_with("403") => Self::Denied(said),
            _ => match transport(error) {
                Some(words) => Self::Unreachable(words),
                None if said.is_empty() => Self::Request(clean(unquoted(&innermost(error)), WORDS)),
                None => Self::Answer(said),
            },
        }
    }

    /// Is it that there is nothing at this key, in a bucket that is there?
    pub(super) fn is_absence(error: &object_store::Error) -> bool {
        matches!(error, object_store::Error::NotFound { .. }) && !matches!(Self::of(error), Self::NoBucket(_))
    }

    /// Did the server refuse a write because its condition does not hold?
    pub(super) fn is_refusal(error: &object_store::Error) -> bool {
        use object_store::Error::{AlreadyExists, Precondition};
        matches!(error, AlreadyExists { .. } | Precondition { .. })
    }
}

/// The status and the code of an answer, as in `403 Forbidden, SignatureDoesNotMatch`.
fn said(text: &str) -> String {
    let status = text.split_once(STATUS).and_then(|(_, rest)| rest.split(':').next()).unwrap_or_default();
    let code = text.split_once("<Code>").and_then(|(_, rest)| rest.split_once("</Code>"));
    let code =
        code.map(|(code, _)| code).filter(|code| code.bytes().all(|byte| byte.is_ascii_alphanumeric()));
    let parts = [Some(status), code].into_iter().flatten().map(|part| clean(part, 60));
    parts.filter(|part| !part.is_empty()).collect::<Vec<_>>().join(", ")
}

/// Why there was no answer, where that is what went wrong.
fn transport(error: &object_store::Error) -> Option<String> {
    let http = causes(error).find_map(|cause| cause.downcast_ref::<HttpError>())?;
    let timeout = http.kind() == HttpErrorKind::Timeout;
    let words = if timeout { "it took too long".to_owned() } else { innermost(http) };
    Some(clean(&words, WORDS))
}

fn innermost(error: &(dyn Error + 'static)) -> String {
    causes(error).last().map_or_else(String::new, ToString::to_string)
}

/// An error, and what it comes from.
fn causes<'e>(error: &'e (dyn Error + 'static)) -> impl Iterator<Item = &'e (dyn Error + 'static)> {
    std::iter::successors(Some(error), |error: &&'e (dyn Error + 'static)| (*error).source())
}

/// Without anything quoted: that may be a key.
fn unquoted(text: &str) -> &str {
    text.split(['"', '`']).next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: &str, body: &str) -> Box<dyn Error + Send + Sync> {
        format!("Error performing GET https://s3.example/b/k in 1ms - Server returned non-2xx {STATUS}{status}: {body}").into()
    }

    #[test]
    fn of_what_a_server_says_only_its_status_and_code_are_repeated() {
        let body =
            "<Error><Code>SignatureDoesNotMatch</Code><AWSAccessKeyId>AKIACANARY</AWSAccessKeyId></Error>";
        let path = "k".to_owned();
        let error = object_store::Error::PermissionDenied { path, source: answer("403 Forbidden", body) };
        let problem = BucketProblem::of(&error);
        assert_eq!(problem.to_string(), "access was denied (403 Forbidden, SignatureDoesNotMatch)");
    }

    #[test]
    fn an_identity_that_is_refused_is_no_answer_to_wait_for() {
        let body = "<ErrorResponse><Error><Code>AccessDenied</Code></Error></ErrorResponse>";
        let error = object_store::Error::Generic { store: "S3", source: answer("403 Forbidden", body) };
        let problem = BucketProblem::of(&error);
        assert_eq!(problem, BucketProblem::Denied("403 Forbidden, AccessDenied".to_owned()));
        assert!(!problem.may_pass());
    }

    #[test]
    fn a_bucket_that_is_missing_is_not_an_object_that_is_missing() {
        let missing = |code: &str| object_store::Error::NotFound {
            path: "k".to_owned(),
            source: answer("404 Not Found", &format!("<Error><Code>{code}</Code></Error>")),
        };
        assert!(BucketProblem::is_absence(&missing("NoSuchKey")));
        assert!(BucketProblem::is_absence(&missing("BlobNotFound")));
        for code in NO_BUCKET {
            assert!(!BucketProblem::is_absence(&missing(code)), "{code}");
            assert!(matches!(BucketProblem::of(&missing(code)), BucketProblem::NoBucket(_)), "{code}");
        }
    }
}
