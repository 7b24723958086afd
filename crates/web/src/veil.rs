//! Nobody but those who run the chargers is told whose card it was (S21). Fields that hold a card are
//! shortened where pages and answers are made; what people, drivers and chargers wrote may name one
//! anywhere, so every answer is looked through once more on its way out.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderValue, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use futures_util::StreamExt as _;
use mendpoint_pipeline::{Handle, TextForm};

use crate::AppState;
use crate::pages::errors::PageError;

/// Whether whoever asks may see cards: unknown, so not, until somebody finds out who it is.
#[derive(Clone, Debug, Default)]
struct SeesCards(Arc<AtomicBool>);

/// Whoever made this request may see cards.
pub(crate) fn lift(parts: &Parts) {
    if let Some(SeesCards(sees)) = parts.extensions.get::<SeesCards>() {
        sees.store(true, Ordering::Release);
    }
}

/// Hides cards in the answers to all others.
pub(crate) async fn veil(
    State(state): State<AppState>,
    mut request: Request,
    next: Next,
) -> Response {
    let SeesCards(sees) = request.extensions_mut().get_or_insert_default::<SeesCards>().clone();
    let response = next.run(request).await;
    if sees.load(Ordering::Acquire) {
        return response;
    }
    let Some(form) = form_of(&response) else { return response };
    let handle = state.handle().clone();
    let (mut head, body) = response.into_parts();
    if form == Form::Stream {
        // An event is written whole.
        let hidden = body
            .into_data_stream()
            .map(move |piece| piece.map(|bytes| hide(&handle, bytes, TextForm::Plain)));
        return Response::from_parts(head, Body::from_stream(hidden));
    }
    let Ok(bytes) = axum::body::to_bytes(body, usize::MAX).await else {
        return PageError::unavailable("The answer could not be made. Try again.").into_response();
    };
    let words = if form == Form::Json { TextForm::Json } else { TextForm::Plain };
    let hidden = hide(&handle, bytes, words);
    if head.headers.contains_key(header::CONTENT_LENGTH) {
        head.headers.insert(header::CONTENT_LENGTH, HeaderValue::from(hidden.len()));
    }
    Response::from_parts(head, Body::from(hidden))
}

fn hide(handle: &Handle, bytes: Bytes, form: TextForm) -> Bytes {
    let hidden = match std::str::from_utf8(&bytes) {
        Ok(text) => match handle.hide_cards(text, form) {
            std::borrow::Cow::Owned(hidden) => hidden,
            std::borrow::Cow::Borrowed(_) => return bytes,
        },
        Err(_) => return bytes,
    };
    hidden.into()
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Text,
    Json,
    Stream,
}

/// What kind of text an answer is; `None` for pictures, files of the program and numbers.
fn form_of(response: &Response) -> Option<Form> {
    let kind = response.headers().get(header::CONTENT_TYPE)?.to_str().ok()?;
    let kind = kind.split(';').next().unwrap_or_default().trim();
    match kind {
        "text/html" | "text/csv" => Some(Form::Text),
        "application/json" | "application/jsonl" | "application/problem+json" => Some(Form::Json),
        "text/event-stream" => Some(Form::Stream),
        _ => None,
    }
}
