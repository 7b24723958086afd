//! What a page answers, and what it answers when something cannot be done.

use askama::Template;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};

use crate::api::RETRY_AFTER;
use crate::url;

/// What a page handler answers.
pub(crate) type Page = Result<Response, PageError>;

/// Something that cannot be shown or done: a status, a title and a sentence that says what to do.
#[derive(Debug)]
pub(crate) struct PageError {
    status: StatusCode,
    title: &'static str,
    sentence: String,
}

#[derive(Template)]
#[template(path = "error.html")]
struct ErrorPage<'a> {
    code: u16,
    title: &'a str,
    sentence: &'a str,
}

impl PageError {
    /// 400: what was sent cannot be understood.
    pub(crate) fn bad_request(sentence: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "That cannot be read", sentence)
    }

    /// 403: their role does not allow it.
    pub(crate) fn forbidden(sentence: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, "Not for your role", sentence)
    }

    /// 404: there is no such thing.
    pub(crate) fn not_found(sentence: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "Not found", sentence)
    }

    /// 409: its state forbids it.
    pub(crate) fn conflict(sentence: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, "That is not possible now", sentence)
    }

    /// 413: more than is taken.
    pub(crate) fn too_large(sentence: impl Into<String>) -> Self {
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "That is too much", sentence)
    }

    /// 503: try again in a moment.
    pub(crate) fn unavailable(sentence: impl Into<String>) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "Not available now", sentence)
    }

    fn new(status: StatusCode, title: &'static str, sentence: impl Into<String>) -> Self {
        Self { status, title, sentence: sentence.into() }
    }
}

impl IntoResponse for PageError {
    fn into_response(self) -> Response {
        let page = ErrorPage {
            code: self.status.as_u16(),
            title: self.title,
            sentence: &capitalised(&self.sentence),
        };
        let mut response = match page.render() {
            Ok(text) => (self.status, html(text)).into_response(),
            Err(error) => {
                tracing::error!(%error, "the error page could not be made");
                (self.status, self.sentence).into_response()
            }
        };
        if self.status == StatusCode::SERVICE_UNAVAILABLE {
            response.headers_mut().insert(header::RETRY_AFTER, RETRY_AFTER);
        }
        response
    }
}

/// Errors are written to follow "failed to"; a page shows them as a sentence.
pub(crate) fn capitalised(sentence: &str) -> String {
    let mut chars = sentence.chars();
    let mut text: String =
        chars.next().map(|first| first.to_uppercase().collect()).unwrap_or_default();
    text.push_str(chars.as_str());
    if !text.is_empty() && !text.ends_with(['.', '!', '?', '\u{2026}']) {
        text.push('.');
    }
    text
}

impl From<mendpoint_pipeline::Error> for PageError {
    fn from(error: mendpoint_pipeline::Error) -> Self {
        use mendpoint_pipeline::Error;
        match error {
            Error::UnknownCharger | Error::UnknownIncident | Error::UnknownTicket => {
                Self::not_found(format!("There is {error}. It may have been removed."))
            }
            Error::Refused(sentence) => Self::conflict(sentence),
            Error::Unfit(sentence) => Self::bad_request(sentence),
            Error::Store(error) => error.into(),
            other => Self::unavailable(other.to_string()),
        }
    }
}

impl From<mendpoint_store::Error> for PageError {
    fn from(error: mendpoint_store::Error) -> Self {
        use mendpoint_store::Error;
        match error {
            Error::Cursor(_) => Self::bad_request("Go back to the first page of the list."),
            Error::Exists(sentence) | Error::InUse(sentence) => Self::conflict(sentence),
            Error::Unknown(sentence) => Self::not_found(sentence),
            Error::Unsupported(sentence) => Self::bad_request(sentence),
            Error::Conflict { .. } => {
                Self::conflict("Somebody else changed it in the same moment. Look again.")
            }
            other => {
                tracing::warn!(error = %other, "the database failed a page");
                Self::unavailable(
                    "The database does not answer now, and nothing was changed. Chargers stay \
                     connected meanwhile. Try again in a moment.",
                )
            }
        }
    }
}

impl From<askama::Error> for PageError {
    fn from(error: askama::Error) -> Self {
        tracing::error!(%error, "a page could not be made");
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "This page failed",
            "The fault is ours and is in the log.",
        )
    }
}

/// The page of a template.
pub(crate) fn render(template: impl Template) -> Page {
    Ok(html(template.render()?))
}

fn html(text: String) -> Response {
    ([(header::CONTENT_TYPE, "text/html; charset=utf-8")], text).into_response()
}

/// The page of a form again, with what is wrong with it: 422.
pub(crate) fn wrong(page: Page) -> Page {
    Ok((StatusCode::UNPROCESSABLE_ENTITY, page?).into_response())
}

/// The longest message that an address carries, in characters: what somebody typed may be in it.
const MESSAGE_MAX: usize = 400;

/// After a form: back to a page of ours, with what was done or why it was not.
pub(crate) fn back(to: &str, result: Result<String, String>) -> Response {
    let (name, text) = match result {
        Ok(done) => ("done", done),
        Err(error) => ("error", error),
    };
    let text = match text.char_indices().nth(MESSAGE_MAX) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    };
    let to = if url::is_local(to) { to } else { "/" };
    // What stands behind the place in a page is no part of what is asked of the server.
    let (to, place) = to.split_at(to.find('#').unwrap_or(to.len()));
    let joint = if to.contains('?') { '&' } else { '?' };
    Redirect::to(&format!("{to}{joint}{name}={}{place}", url::encode(&text))).into_response()
}

/// The same, for what the pipeline did or refused.
pub(crate) fn answered(to: &str, result: Result<String, mendpoint_pipeline::Error>) -> Response {
    back(to, result.map_err(|error| error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_leads_back_with_its_message() {
        let response = back("/incidents?tab=all", Ok("Taken & noted".to_owned()));
        assert_eq!(response.status(), StatusCode::SEE_OTHER);
        assert_eq!(
            response.headers()[header::LOCATION],
            "/incidents?tab=all&done=Taken%20%26%20noted"
        );
        let response = back("/chargers/A/settings#wanted", Err("no".to_owned()));
        assert_eq!(response.headers()[header::LOCATION], "/chargers/A/settings?error=no#wanted");
        let response = back("/sites", Err("x".repeat(20_000)));
        assert!(response.headers()[header::LOCATION].len() < 1_000, "it has to fit into a header");
        let response = back("//evil.example", Err("no".to_owned()));
        assert_eq!(response.headers()[header::LOCATION], "/?error=no");
    }

    #[test]
    fn what_is_not_available_says_when_to_ask_again() {
        use crate::api::ApiError;
        let away = || mendpoint_store::Error::Silent(std::time::Duration::from_secs(2));
        let (page, api) = (PageError::from(away()), ApiError::from(away()));
        for response in [page.into_response(), api.into_response()] {
            assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
            assert_eq!(response.headers()[header::RETRY_AFTER], "5");
        }
        let other = PageError::not_found("x").into_response();
        assert!(!other.headers().contains_key(header::RETRY_AFTER));
    }

    #[test]
    fn errors_read_as_sentences() {
        assert_eq!(capitalised("the charger is away"), "The charger is away.");
        assert_eq!(capitalised("Look again."), "Look again.");
        assert_eq!(capitalised(""), "");
    }
}
