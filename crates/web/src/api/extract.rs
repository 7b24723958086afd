//! Reading requests, with a sentence when they are wrong.

use axum::Json;
use axum::body::Bytes;
use axum::extract::rejection::JsonRejection;
use axum::extract::{FromRequest, FromRequestParts, Query, Request};
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
            Err(error) => Err(ApiError::bad_request(error.body_text())),
        }
    }
}

/// A JSON body that may be left out.
pub(crate) struct MaybeBody<T>(pub(crate) T);

impl<T: DeserializeOwned + Default, S: Send + Sync> FromRequest<S> for MaybeBody<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self> {
        let bytes = Bytes::from_request(request, state)
            .await
            .map_err(|error| ApiError::bad_request(error.body_text()))?;
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
        match Query::<T>::from_request_parts(parts, state).await {
            Ok(Query(value)) => Ok(Self(value)),
            Err(error) => Err(ApiError::bad_request(format!(
                "the query cannot be read: {}",
                innermost(&error)
            ))),
        }
    }
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
