//! Reading requests, with a sentence when they are wrong.

use axum::Json;
use axum::body::Bytes;
use axum::extract::rejection::JsonRejection;
use axum::extract::{FromRequest, FromRequestParts, Query, Request};
use axum::http::StatusCode;
use axum::http::request::Parts;
use mendpoint_store::Cursor;
use serde::de::DeserializeOwned;

use super::error::{ApiError, Result};

/// A JSON body.
pub(crate) struct Body<T>(pub(crate) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Body<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self> {
        match Json::<T>::from_request(request, state).await {
            Ok(Json(value)) => Ok(Self(value)),
            Err(JsonRejection::JsonDataError(error)) => Err(ApiError::bad_request(format!(
                "the body is JSON, but not of the form that is wanted here: {}",
                innermost(&error)
            ))),
            Err(JsonRejection::JsonSyntaxError(error)) => Err(ApiError::bad_request(format!(
                "the body is not valid JSON: {}",
                innermost(&error)
            ))),
            Err(JsonRejection::MissingJsonContentType(_)) => {
                Err(ApiError::bad_request("send the header `Content-Type: application/json`"))
            }
            Err(error) => Err(not_taken(error.status(), error.body_text())),
        }
    }
}

/// A body that could not even be taken in.
fn not_taken(status: StatusCode, why: String) -> ApiError {
    if status == StatusCode::PAYLOAD_TOO_LARGE {
        return ApiError::too_large();
    }
    ApiError::bad_request(why)
}

/// A JSON body that may be left out.
pub(crate) struct MaybeBody<T>(pub(crate) T);

impl<T: DeserializeOwned + Default, S: Send + Sync> FromRequest<S> for MaybeBody<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self> {
        let bytes = Bytes::from_request(request, state)
            .await
            .map_err(|error| not_taken(error.status(), error.body_text()))?;
        if bytes.is_empty() {
            return Ok(Self(T::default()));
        }
        serde_json::from_slice(&bytes)
            .map(Self)
            .map_err(|error| ApiError::bad_request(format!("the body cannot be read: {error}")))
    }
}

/// The sentence at the bottom of a chain of errors.
fn innermost(error: &dyn std::error::Error) -> String {
    let mut error = error;
    while let Some(source) = error.source() {
        error = source;
    }
    error.to_string()
}

/// A query string.
pub(crate) struct Params<T>(pub(crate) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Params<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self> {
        let query = parts.uri.query().unwrap_or_default().to_owned();
        match Query::<T>::from_request_parts(parts, state).await {
            Ok(Query(value)) => Ok(Self(value)),
            Err(error) => {
                let why = innermost(&error);
                Err(ApiError::bad_request(
                    wrong_field(&why, &query)
                        .unwrap_or_else(|| format!("the query cannot be read: {why}")),
                ))
            }
        }
    }
}

/// Which field of a query is wrong, and what is wanted there. `why` is `field: reason`.
fn wrong_field(why: &str, query: &str) -> Option<String> {
    let (name, reason) = why.split_once(": ").unwrap_or(("", why));
    if reason.starts_with("unknown field") {
        return Some(format!("the query has an {reason}"));
    }
    let wanted = match reason {
        "invalid digit found in string" | "cannot parse integer from empty string" => {
            "a whole number"
        }
        "number too large to fit in target type" => "a smaller number",
        reason if reason.starts_with("provided string was not `true`") => "true or false",
        _ => return None,
    };
    let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    let value = pairs.rev().find(|(known, _)| *known == name).map_or("", |(_, value)| value);
    Some(format!("{name} is {wanted}, not {value:?}"))
}

/// The size of a page: 50 unless asked for otherwise, at most 500.
pub(crate) fn limit(asked: Option<u32>) -> Result<u32> {
    match asked {
        None => Ok(50),
        Some(limit @ 1..=500) => Ok(limit),
        Some(other) => {
            Err(ApiError::bad_request(format!("limit must be between 1 and 500, and is {other}")))
        }
    }
}

/// The cursor of a page, if one was given.
pub(crate) fn cursor(text: Option<&str>) -> Result<Option<Cursor>> {
    Ok(text.map(str::parse).transpose()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "only its reading is looked at")]
    struct Some3 {
        limit: Option<u32>,
        open: Option<bool>,
        q: Option<String>,
    }

    fn wrong(query: &str) -> Option<String> {
        let uri: axum::http::Uri = format!("/?{query}").parse().expect("an address");
        let error = Query::<Some3>::try_from_uri(&uri).err()?;
        Some(wrong_field(&innermost(&error), query).expect("is explained"))
    }

    #[test]
    fn a_body_that_is_too_large_is_413() {
        use axum::response::IntoResponse as _;
        let status = |status| not_taken(status, String::new()).into_response().status();
        assert_eq!(status(StatusCode::PAYLOAD_TOO_LARGE), StatusCode::PAYLOAD_TOO_LARGE);
        assert_eq!(status(StatusCode::BAD_REQUEST), StatusCode::BAD_REQUEST);
    }

    #[test]
    fn a_wrong_query_is_named() {
        assert_eq!(wrong("q=a&limit=abc").as_deref(), Some("limit is a whole number, not \"abc\""));
        assert_eq!(wrong("open=maybe").as_deref(), Some("open is true or false, not \"maybe\""));
        assert_eq!(
            wrong("limit=99999999999").as_deref(),
            Some("limit is a smaller number, not \"99999999999\"")
        );
        let unknown = wrong("rulle=X").expect("is wrong");
        assert!(unknown.starts_with("the query has an unknown field `rulle`"), "{unknown}");
        assert_eq!(wrong("q=a&limit=5"), None);
    }
}
