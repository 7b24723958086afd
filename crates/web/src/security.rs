//! What every answer carries, and which requests are refused because another site made them.

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use crate::AppState;
use crate::pages::errors::PageError;

/// Nothing from elsewhere, nothing inline, no frames.
pub(crate) const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; \
     style-src 'self'; img-src 'self' data: blob:; connect-src 'self'; font-src 'self'; \
     worker-src 'self'; manifest-src 'self'; form-action 'self'; frame-ancestors 'none'; \
     base-uri 'none'";

const ALWAYS: [(HeaderName, HeaderValue); 5] = [
    (header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(CONTENT_SECURITY_POLICY)),
    (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    (header::REFERRER_POLICY, HeaderValue::from_static("same-origin")),
    (
        HeaderName::from_static("cross-origin-opener-policy"),
        HeaderValue::from_static("same-origin"),
    ),
    (
        HeaderName::from_static("cross-origin-resource-policy"),
        HeaderValue::from_static("same-origin"),
    ),
];

/// Puts the headers on every answer.
pub(crate) async fn headers(
    State(state): State<AppState>,
    request: Request,
    next: Next,
) -> Response {
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    for (name, value) in ALWAYS {
        headers.insert(name, value);
    }
    if state.settings().public_url.starts_with("https://") {
        let a_year = HeaderValue::from_static("max-age=31536000");
        headers.insert(header::STRICT_TRANSPORT_SECURITY, a_year);
    }
    // Pages and answers of the API are private unless a handler says otherwise.
    let no_store = HeaderValue::from_static("no-store");
    headers.entry(header::CACHE_CONTROL).or_insert(no_store);
    response
}

/// Refuses requests that change something and were made by a page of another site with the
/// visitor's cookie. Programs that send a token instead of a cookie are not meant.
pub(crate) async fn origin(
    State(state): State<AppState>,
    request: Request,
    next: Next,
) -> Response {
    let is_safe = matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS);
    let is_api = request.uri().path().starts_with("/api/v1/");
    if is_safe || is_api || is_ours(request.headers(), &state.settings().public_url) {
        return next.run(request).await;
    }
    PageError::forbidden(
        "This form was sent from another site, so nothing was done. Open the page here and try \
         again.",
    )
    .into_response()
}

/// Whether one of our own pages made the request. Browsers send `Sec-Fetch-Site` to https and to
/// this machine, and `Origin` with every form; what sends neither is no browser and has no
/// visitor's cookie.
fn is_ours(headers: &HeaderMap, public_url: &str) -> bool {
    let text = |name: HeaderName| headers.get(name).map(|value| value.to_str().unwrap_or("?"));
    if let Some(site) = text(HeaderName::from_static("sec-fetch-site")) {
        return matches!(site, "same-origin" | "none");
    }
    let Some(origin) = text(header::ORIGIN) else { return true };
    if !public_url.is_empty() && origin.eq_ignore_ascii_case(public_url) {
        return true;
    }
    let Some((_, host)) = origin.split_once("://") else { return false };
    text(header::HOST).is_some_and(|own| own.eq_ignore_ascii_case(host))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)))
            .collect()
    }

    #[test]
    fn forms_of_other_sites_are_told_apart() {
        let url = "https://mend.example";
        let ours = |pairs: &[(&'static str, &'static str)]| is_ours(&headers(pairs), url);
        assert!(ours(&[("sec-fetch-site", "same-origin"), ("origin", "null")]));
        assert!(!ours(&[("sec-fetch-site", "cross-site")]));
        assert!(!ours(&[("sec-fetch-site", "same-site")]));
        assert!(ours(&[("origin", "https://mend.example"), ("host", "10.0.0.7:8080")]));
        assert!(ours(&[("origin", "http://10.0.0.7:8080"), ("host", "10.0.0.7:8080")]));
        assert!(!ours(&[("origin", "https://evil.example"), ("host", "mend.example")]));
        assert!(!ours(&[("origin", "null"), ("host", "mend.example")]));
        assert!(ours(&[]));
    }
}
