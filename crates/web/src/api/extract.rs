//! Reading requests, with a sentence when they are wrong.

use axum::Json;
use axum::body::Bytes;
use axum::extract::path::ErrorKind;
use axum::extract::rejection::{JsonRejection, PathRejection};
use axum::extract::{FromRequest, FromRequestParts, Query, Request};
use axum::http::StatusCode;
use axum::http::request::Parts;
use mendpoint_store::Cursor;
use serde::de::DeserializeOwned;

use super::error::{ApiError, Result};

/// What stands in the address: numbers and names.
pub(crate) struct Path<T>(pub(crate) T);

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for Path<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self> {
        match axum::extract::Path::<T>::from_request_parts(parts, state).await {
            Ok(axum::extract::Path(value)) => Ok(Self(value)),
            Err(PathRejection::FailedToDeserializePathParams(error)) => {
                Err(ApiError::bad_request(wrong_part(error.kind())))
            }
            Err(error) => Err(ApiError::bad_request(format!(
                "the address cannot be read: {}",
                innermost(&error)
            ))),
        }
    }
}

/// What is wrong with a part of an address.
fn wrong_part(kind: &ErrorKind) -> String {
    match kind {
        ErrorKind::ParseErrorAtKey { value, .. }
        | ErrorKind::ParseErrorAtIndex { value, .. }
        | ErrorKind::ParseError { value, .. } => {
            if !value.is_empty() && value.chars().all(|c| c.is_ascii_digit()) {
                format!(
                    "`{value}` in the address is larger than any number here; write one such as 12"
                )
            } else {
                format!(
                    "`{value}` in the address is no number of anything; write a whole one such as 12"
                )
            }
        }
        ErrorKind::InvalidUtf8InPathParam { .. } => {
            "the address is no UTF-8; write letters beyond ASCII as %C3%A9".to_owned()
        }
        other => format!("the address cannot be read: {other}"),
    }
}

/// Says in plain words what serde says in those of the program: what is wanted, and what is there.
pub(super) fn plain(why: &str) -> String {
    /// Each with what a person calls it. Longer ones come before those that they begin with.
    const WORDS: [(&str, &str); 17] = [
        ("expected u8", "expected a whole number from 0 to 255"),
        ("expected u16", "expected a whole number from 0 to 65535"),
        ("expected u32", "expected a whole number from 0 to 4294967295"),
        ("expected u64", "expected a whole number, 0 or more"),
        ("expected usize", "expected a whole number, 0 or more"),
        ("expected i8", "expected a whole number from -128 to 127"),
        ("expected i16", "expected a whole number from -32768 to 32767"),
        ("expected i32", "expected a whole number from -2147483648 to 2147483647"),
        ("expected i64", "expected a whole number"),
        ("expected f32", "expected a number"),
        ("expected f64", "expected a number"),
        ("expected a boolean", "expected true or false"),
        ("expected a sequence", "expected a list"),
        ("expected a map", "expected an object"),
        ("type: sequence,", "type: a list,"),
        ("type: map,", "type: an object,"),
        ("variant identifier", "one of the words that are known here"),
    ];
    let mut told = String::with_capacity(why.len());
    let mut rest = why;
    'letters: while let Some(letter) = rest.chars().next() {
        for (theirs, ours) in WORDS {
            let after = rest.strip_prefix(theirs);
            let ends = |after: &str| !after.starts_with(|c: char| c.is_alphanumeric());
            if let Some(after) = after.filter(|after| theirs.ends_with(',') || ends(after)) {
                told.push_str(ours);
                rest = after;
                continue 'letters;
            }
        }
        if let Some(after) = rest.strip_prefix("expected ").and_then(after_type) {
            told.push_str("expected an object");
            rest = after;
            continue;
        }
        told.push(letter);
        rest = &rest[letter.len_utf8()..];
    }
    told
}

/// What follows the name of a type of ours, as in `struct PutText with 4 elements at line 1`.
fn after_type(text: &str) -> Option<&str> {
    let kinds =
        ["internally tagged enum ", "adjacently tagged enum ", "tuple struct ", "struct ", "enum "];
    let named = kinds.iter().find_map(|kind| text.strip_prefix(kind))?;
    let end = named.find(|c: char| !c.is_alphanumeric() && !matches!(c, '_' | ':'));
    let after = &named[end.unwrap_or(named.len())..];
    let Some(counted) = after.strip_prefix(" with ") else { return Some(after) };
    let counted = counted.trim_start_matches(|c: char| c.is_ascii_digit());
    let elements = counted.strip_prefix(" elements").or_else(|| counted.strip_prefix(" element"));
    Some(elements.unwrap_or(after))
}

/// A JSON body.
pub(crate) struct Body<T>(pub(crate) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Body<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self> {
        match Json::<T>::from_request(request, state).await {
            Ok(Json(value)) => Ok(Self(value)),
            Err(JsonRejection::JsonDataError(error)) => Err(ApiError::bad_request(format!(
                "the body is JSON, but not of the form that is wanted here: {}",
                plain(&innermost(&error))
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
        serde_json::from_slice(&bytes).map(Self).map_err(|error| {
            let why = plain(&error.to_string());
            ApiError::bad_request(format!("the body cannot be read: {why}"))
        })
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
                        .unwrap_or_else(|| format!("the query cannot be read: {}", plain(&why))),
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

    #[derive(Debug, serde::Deserialize)]
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
    fn what_is_wanted_is_told_in_plain_words() {
        for (theirs, ours) in [
            (
                "invalid type: string \"x\", expected struct PutText with 4 elements at line 1 column 3",
                "invalid type: string \"x\", expected an object at line 1 column 3",
            ),
            (
                "invalid type: sequence, expected struct SeenBody",
                "invalid type: a list, expected an object",
            ),
            (
                "invalid value: integer `70000`, expected u16 at line 1 column 20",
                "invalid value: integer `70000`, expected a whole number from 0 to 65535 at line 1 column 20",
            ),
            ("invalid type: map, expected a string", "invalid type: an object, expected a string"),
            (
                "invalid length 1, expected internally tagged enum A",
                "invalid length 1, expected an object",
            ),
            ("expected u16s are fine", "expected u16s are fine"),
            ("missing field `text`", "missing field `text`"),
        ] {
            assert_eq!(plain(theirs), ours);
        }
        let error = serde_json::from_str::<Some3>("{\"limit\": -1}").expect_err("less than none");
        let told = plain(&error.to_string());
        assert!(told.contains("integer `-1`, expected a whole number from 0 to"), "{told}");
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
