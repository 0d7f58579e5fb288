//! Scalr's error answers: JSON:API documents with a `title`, which Scalr's own clients show.

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use super::wire::MEDIA_TYPE;
use crate::gate::json;

/// Why a request is not answered with data.
#[derive(Debug)]
pub(super) enum Refusal {
    /// The token is missing or wrong; nothing else gives a 401.
    Unauthorized,
    /// The token is good and does not reach as far.
    Forbidden,
    /// There is nothing under this id, or the token may not see it; Scalr does not tell which.
    NotFound { resource: &'static str, id: String },
    /// There is no such path.
    NoSuchPath,
    /// A query parameter is not understood.
    BadParameter { parameter: String, detail: String },
    /// None of the filters was given without which Scalr does not list.
    MissingFilter { parameter: &'static str, detail: &'static str },
}

#[derive(Serialize)]
struct Document<'a> {
    errors: [ErrorObject<'a>; 1],
}

#[derive(Serialize)]
struct ErrorObject<'a> {
    status: &'a str,
    code: Option<&'a str>,
    title: &'a str,
    detail: Option<&'a str>,
    source: Option<Source<'a>>,
    meta: Option<()>,
}

#[derive(Serialize)]
struct Source<'a> {
    parameter: &'a str,
}

fn answer(status: StatusCode, title: &str, detail: Option<&str>, parameter: Option<&str>) -> Response {
    let source = parameter.map(|parameter| Source { parameter });
    let error = ErrorObject { status: status.as_str(), code: None, title, detail, source, meta: None };
    json(status, MEDIA_TYPE, &Document { errors: [error] })
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        match self {
            Self::Unauthorized => answer(
                StatusCode::UNAUTHORIZED,
                "Unauthorized",
                Some("The authentication token is absent or invalid."),
                None,
            ),
            Self::Forbidden => answer(
                StatusCode::FORBIDDEN,
                "Forbidden",
                Some("User unauthorized to perform this action."),
                None,
            ),
            Self::NotFound { resource, id } => {
                let title = format!("{resource} with ID '{id}' not found or user unauthorized.");
                answer(StatusCode::NOT_FOUND, &title, None, None)
            }
            Self::NoSuchPath => answer(StatusCode::NOT_FOUND, "Not Found", None, None),
            Self::BadParameter { parameter, detail } => {
                answer(StatusCode::BAD_REQUEST, "Invalid Query Parameter", Some(&detail), Some(&parameter))
            }
            Self::MissingFilter { parameter, detail } => answer(
                StatusCode::UNPROCESSABLE_ENTITY,
                "Invalid Query Parameter",
                Some(detail),
                Some(parameter),
            ),
        }
    }
}
