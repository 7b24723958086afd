//! Reading forms and addresses, with a page that says what is wrong instead of a bare answer.

use axum::extract::rejection::{FormRejection, QueryRejection};
use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::StatusCode;
use axum::http::request::Parts;
use serde::de::DeserializeOwned;

use super::errors::PageError;

/// What a form sent.
pub(crate) struct Form<T>(pub(crate) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Form<T> {
    type Rejection = PageError;

    async fn from_request(request: Request, state: &S) -> Result<Self, PageError> {
        match axum::Form::from_request(request, state).await {
            Ok(axum::Form(value)) => Ok(Self(value)),
            Err(rejection) => Err(refused(&rejection)),
        }
    }
}

fn refused(rejection: &FormRejection) -> PageError {
    if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE {
        return PageError::too_large("The form holds more than is taken here. Send less of it.");
    }
    let why = match rejection {
        FormRejection::InvalidFormContentType(_) => "It was not sent as a form".to_owned(),
        _ => what(&rejection.body_text()),
    };
    PageError::bad_request(format!("{why}. Go back, open the page anew and send the form again."))
}

/// What stands in the address behind the question mark.
pub(crate) struct Query<T>(pub(crate) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Query<T> {
    type Rejection = PageError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, PageError> {
        match axum::extract::Query::from_request_parts(parts, state).await {
            Ok(axum::extract::Query(value)) => Ok(Self(value)),
            Err(rejection) => Err(address_refused(&rejection)),
        }
    }
}

fn address_refused(rejection: &QueryRejection) -> PageError {
    let why = what(&rejection.body_text());
    PageError::bad_request(format!("{why}. Open the page without what follows the question mark."))
}

/// The reader's own words, without what every one of them begins with.
fn what(told: &str) -> String {
    let inner = told.rsplit_once(": ").map_or(told, |(_, inner)| inner);
    match inner.split('`').nth(1) {
        Some(name) if inner.starts_with("missing field") => format!("The field {name} is missing"),
        Some(name) if inner.starts_with("duplicate field") => {
            format!("The field {name} was sent twice")
        }
        _ => format!("It cannot be read: {inner}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_is_told_in_words() {
        let told = "Failed to deserialize form body: missing field `name`";
        assert_eq!(what(told), "The field name is missing");
        let told = "Failed to deserialize query string: duplicate field `tab`";
        assert_eq!(what(told), "The field tab was sent twice");
        assert_eq!(what("invalid digit"), "It cannot be read: invalid digit");
    }
}
