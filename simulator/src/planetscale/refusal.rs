//! PlanetScale's error answers: a code and a message.

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use super::wire::MEDIA_TYPE;
use crate::gate::json;

/// Why a request is not answered with data.
#[derive(Clone, Copy, Debug)]
pub(super) enum Refusal {
    /// The token is missing, wrong, or sent with a scheme.
    Unauthorized,
    /// The path is wrong, or the token lacks the grant; PlanetScale does not tell which.
    NotFound,
    /// A page or a size that is not a number above zero.
    InvalidPage,
}

#[derive(Serialize)]
struct Body {
    code: &'static str,
    message: &'static str,
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let (status, code, message) = match self {
            Self::Unauthorized => (StatusCode::UNAUTHORIZED, "unauthorized", "Unauthorized"),
            Self::NotFound => (StatusCode::NOT_FOUND, "not_found", "Not Found"),
            Self::InvalidPage => (
                StatusCode::BAD_REQUEST,
                "invalid_params",
                "page and per_page must be numbers greater than zero",
            ),
        };
        json(status, MEDIA_TYPE, &Body { code, message })
    }
}
