//! What the API answers when something cannot be done.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

/// After how many seconds what was not available may be asked for again: a database that is back is
/// found within a second or two.
pub(crate) const RETRY_AFTER: HeaderValue = HeaderValue::from_static("5");

/// An answer that is not what was asked for: a status, a stable word and a sentence.
#[derive(Debug)]
pub(crate) struct ApiError {
    status: StatusCode,
    code: &'static str,
    message: String,
}

/// What a handler answers.
pub(crate) type Result<T> = std::result::Result<T, ApiError>;

impl ApiError {
    /// 400: the request cannot be understood.
    pub(crate) fn bad_request(message: impl Into<String>) -> Self {
        Self { status: StatusCode::BAD_REQUEST, code: "bad_request", message: message.into() }
    }

    /// 401: no token, or not a good one.
    pub(crate) fn unauthorized() -> Self {
        Self {
            status: StatusCode::UNAUTHORIZED,
            code: "unauthorized",
            message: "send a valid API token as `Authorization: Bearer TOKEN`; make one with \
                      `mendpoint token create NAME`"
                .to_owned(),
        }
    }

    /// 403: the token may not do that. `role` is the token's.
    pub(crate) fn forbidden(needed: &str, role: &str) -> Self {
        Self {
            status: StatusCode::FORBIDDEN,
            code: "forbidden",
            message: match role {
                "admin" | "operator" | "dispatcher" => {
                    format!("this token has the role {role}; that needs the role {needed}")
                }
                _ => format!("this token may look but not act; that needs the role {needed}"),
            },
        }
    }

    /// It is not for this role to know.
    pub(crate) fn unseen(what: &str) -> Self {
        Self {
            status: StatusCode::FORBIDDEN,
            code: "forbidden",
            message: format!(
                "this token may not see {what}; that needs the role admin or operator"
            ),
        }
    }

    /// 404: there is no such thing.
    pub(crate) fn not_found(message: impl Into<String>) -> Self {
        Self { status: StatusCode::NOT_FOUND, code: "not_found", message: message.into() }
    }

    /// 422: it can be read, and what it says is wrong.
    pub(crate) fn unfit(message: impl Into<String>) -> Self {
        let status = StatusCode::UNPROCESSABLE_ENTITY;
        Self { status, code: "unfit", message: message.into() }
    }

    /// 413: more than is taken.
    pub(crate) fn too_large() -> Self {
        let most = super::BODY_MAX / 1024;
        let message = format!("the body is larger than {most} KiB, which is the most taken here");
        Self { status: StatusCode::PAYLOAD_TOO_LARGE, code: "too_large", message }
    }

    /// 409: its state forbids it.
    pub(crate) fn conflict(message: impl Into<String>) -> Self {
        Self { status: StatusCode::CONFLICT, code: "conflict", message: message.into() }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let body = serde_json::json!({
            "error": { "code": self.code, "message": self.message }
        });
        let mut response = (self.status, axum::Json(body)).into_response();
        if self.status == StatusCode::UNAUTHORIZED {
            let challenge = HeaderValue::from_static("Bearer realm=\"mendpoint\"");
            response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
        }
        if self.status == StatusCode::SERVICE_UNAVAILABLE {
            response.headers_mut().insert(header::RETRY_AFTER, RETRY_AFTER);
        }
        response
    }
}

impl From<mendpoint_pipeline::Error> for ApiError {
    fn from(error: mendpoint_pipeline::Error) -> Self {
        use mendpoint_pipeline::Error;
        match error {
            Error::UnknownCharger | Error::UnknownIncident | Error::UnknownTicket => {
                Self::not_found(error.to_string())
            }
            Error::Refused(_) => Self::conflict(error.to_string()),
            Error::Unfit(message) => Self::unfit(message),
            Error::Store(error) => error.into(),
            other => Self {
                status: StatusCode::SERVICE_UNAVAILABLE,
                code: "unavailable",
                message: other.to_string(),
            },
        }
    }
}

impl From<mendpoint_store::Error> for ApiError {
    fn from(error: mendpoint_store::Error) -> Self {
        use mendpoint_store::Error;
        match error {
            Error::Cursor(_) => {
                Self::bad_request("this cursor is not one of ours; take `next` of the page before")
            }
            Error::Exists(what) | Error::InUse(what) => Self::conflict(what),
            Error::Unsupported(what) => Self::bad_request(what),
            Error::Unknown(what) => Self::not_found(what),
            Error::Conflict { .. } => {
                Self::conflict("somebody else changed it in the same moment; look again")
            }
            other => {
                tracing::warn!(error = %other, "the database failed a request of the API");
                Self {
                    status: StatusCode::SERVICE_UNAVAILABLE,
                    code: "unavailable",
                    message: "the database does not answer now; try again in a moment".to_owned(),
                }
            }
        }
    }
}

/// Any other address under `/api/v1`.
pub(crate) async fn no_such_address() -> ApiError {
    ApiError::not_found("there is nothing at this address; see /api/v1/openapi.json")
}

/// A method that an address does not know.
pub(crate) async fn no_such_method() -> ApiError {
    ApiError {
        status: StatusCode::METHOD_NOT_ALLOWED,
        code: "method_not_allowed",
        message: "this address does not take that method; see /api/v1/openapi.json".to_owned(),
    }
}
