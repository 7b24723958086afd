//! Who is signed in: a cookie with a random token, of which only the hash is kept.

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use mendpoint_model::{HOUR_MS, MINUTE_MS, UnixMs};
use mendpoint_pipeline::AuditActor;
use mendpoint_store::UserRow;

use crate::pages::errors::PageError;
use crate::{AppState, hash_token, new_token, url};

/// How long a session lives without being used.
pub(crate) const IDLE_MS: i64 = 30 * MINUTE_MS;
/// How long it lives whatever happens.
pub(crate) const LIFE_MS: i64 = 12 * HOUR_MS;
/// How often its use is written down.
const SEEN_EVERY_MS: i64 = MINUTE_MS;

/// Whoever looks at a page. As an extractor it sends people who are not signed in to the sign-in
/// page, and back afterwards.
#[derive(Clone, Debug)]
pub(crate) struct Viewer {
    /// The name that histories show.
    pub(crate) name: String,
    /// The name they sign in with.
    pub(crate) login: String,
    /// `admin`, `operator`, `dispatcher`, `technician` or `viewer`.
    pub(crate) role: String,
}

/// Whoever may act on chargers, incidents and tickets. Others get a page that says so.
#[derive(Clone, Debug)]
pub(crate) struct Acting(pub(crate) Viewer);

/// Whoever may change how the program works. Others get a page that says so.
#[derive(Clone, Debug)]
pub(crate) struct Admin(pub(crate) Viewer);

impl Viewer {
    /// Whether they may act on chargers, incidents and tickets.
    pub(crate) fn can_act(&self) -> bool {
        matches!(self.role.as_str(), "admin" | "operator" | "dispatcher" | "technician")
    }

    /// Whether they may say who may charge: not technicians.
    pub(crate) fn manages_cards(&self) -> bool {
        matches!(self.role.as_str(), "admin" | "operator" | "dispatcher")
    }

    /// Whether they may see whose card it was (S21): those who run the chargers, not those who repair
    /// or look at them.
    pub(crate) fn sees_tokens(&self) -> bool {
        matches!(self.role.as_str(), "admin" | "operator")
    }

    /// A message or a command as they may see it.
    pub(crate) fn message(&self, json: &str) -> String {
        if self.sees_tokens() { json.to_owned() } else { crate::mask::json(json) }
    }

    /// A driver's token as they may see it.
    pub(crate) fn token_words(&self, token: &str) -> String {
        if self.sees_tokens() { token.to_owned() } else { crate::search::masked(token) }
    }

    /// Whether they may change how the program works.
    pub(crate) fn is_admin(&self) -> bool {
        self.role == "admin"
    }
}

impl FromRequestParts<AppState> for Viewer {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, Response> {
        match who(&parts.headers, state).await {
            Ok(Some(viewer)) => {
                if viewer.sees_tokens() {
                    crate::veil::lift(parts);
                }
                Ok(viewer)
            }
            Ok(None) => Err(ask_to_sign_in(parts)),
            Err(error) => Err(PageError::from(error).into_response()),
        }
    }
}

impl FromRequestParts<AppState> for Acting {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, Response> {
        let viewer = Viewer::from_request_parts(parts, state).await?;
        if viewer.can_act() {
            return Ok(Self(viewer));
        }
        let sentence = format!(
            "You are signed in as {} with the role {} and may look but not act. An operator or an \
             administrator can.",
            viewer.name, viewer.role
        );
        Err(PageError::forbidden(sentence).into_response())
    }
}

impl FromRequestParts<AppState> for Admin {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, Response> {
        let viewer = Viewer::from_request_parts(parts, state).await?;
        if viewer.is_admin() {
            return Ok(Self(viewer));
        }
        let sentence = format!(
            "You are signed in as {} with the role {}. Only an administrator can change how the \
             program works.",
            viewer.name, viewer.role
        );
        Err(PageError::forbidden(sentence).into_response())
    }
}

/// Whoever the cookie of a request belongs to.
pub(crate) async fn who(
    headers: &HeaderMap,
    state: &AppState,
) -> Result<Option<Viewer>, mendpoint_store::Error> {
    let Some(token) = token_of(headers, state) else { return Ok(None) };
    let hash = hash_token(token);
    let store = state.handle().store();
    let now = state.handle().now();
    let Some(session) = store.session(&hash, now, IDLE_MS).await? else { return Ok(None) };
    let Some(user) = store.user(session.user).await? else { return Ok(None) };
    if user.disabled {
        return Ok(None);
    }
    if now.since_ms(session.seen_at) >= SEEN_EVERY_MS {
        store.session_seen(&hash, now).await?;
    }
    let login = user.name.clone();
    AuditActor::User(login.clone()).is_here();
    Ok(Some(Viewer { name: name_of(user.name, user.display_name), login, role: user.role }))
}

fn name_of(name: String, display_name: String) -> String {
    if display_name.is_empty() { name } else { display_name }
}

/// To the sign-in page, and back to where they were going. A fragment that htmx asked for makes
/// the whole page go there: a form inside a list would be no use.
fn ask_to_sign_in(parts: &Parts) -> Response {
    let wanted = parts.uri.path_and_query().map_or("/", |wanted| wanted.as_str());
    let came_from_form = !matches!(parts.method, Method::GET | Method::HEAD);
    let is_fragment = parts.headers.contains_key("hx-request");
    let to = if came_from_form || is_fragment || wanted == "/" {
        "/sign-in".to_owned()
    } else {
        format!("/sign-in?next={}", url::encode(wanted))
    };
    if is_fragment {
        let redirect = HeaderName::from_static("hx-redirect");
        return (StatusCode::UNAUTHORIZED, [(redirect, to)]).into_response();
    }
    Redirect::to(&to).into_response()
}

/// Over https the browser keeps the cookie of other hosts and paths away by its name.
fn is_https(state: &AppState) -> bool {
    state.settings().public_url.starts_with("https://")
}

fn cookie_name(state: &AppState) -> &'static str {
    if is_https(state) { "__Host-session" } else { "session" }
}

/// The token of a request's cookie.
fn token_of<'a>(headers: &'a HeaderMap, state: &AppState) -> Option<&'a str> {
    let wanted = cookie_name(state);
    headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find_map(|(name, token)| (name == wanted && !token.is_empty()).then_some(token))
}

/// Signs a browser in; gives the cookie.
///
/// # Errors
/// When the database refuses, or the system gave no random bytes.
pub(crate) async fn begin(
    state: &AppState,
    user: &UserRow,
    remote: &str,
) -> Result<HeaderValue, PageError> {
    let token = new_token().map_err(|error| {
        tracing::error!(%error, "no random bytes for a session");
        PageError::unavailable("Signing in is not possible now. Try again in a moment.")
    })?;
    let now = state.handle().now();
    let store = state.handle().store();
    store.insert_session(&hash_token(&token), user.id, now, now + LIFE_MS, remote).await?;
    prune(state, now).await;
    cookie(state, &token, LIFE_MS / 1_000)
}

/// Sessions that are over are forgotten when somebody signs in: that is seldom and often enough.
async fn prune(state: &AppState, now: UnixMs) {
    if let Err(error) = state.handle().store().prune_sessions(now, IDLE_MS).await {
        tracing::debug!(%error, "sessions that are over were not forgotten");
    }
}

/// Signs a browser out; gives the cookie that takes the old one away.
///
/// # Errors
/// When the database refuses: the session would live on.
pub(crate) async fn end(state: &AppState, headers: &HeaderMap) -> Result<HeaderValue, PageError> {
    if let Some(token) = token_of(headers, state) {
        state.handle().store().delete_session(&hash_token(token)).await?;
    }
    cookie(state, "", 0)
}

fn cookie(state: &AppState, token: &str, max_age_s: i64) -> Result<HeaderValue, PageError> {
    let secure = if is_https(state) { "; Secure" } else { "" };
    let name = cookie_name(state);
    HeaderValue::try_from(format!(
        "{name}={token}; Path=/; HttpOnly; SameSite=Lax; Max-Age={max_age_s}{secure}"
    ))
    .map_err(|_| PageError::unavailable("Signing in is not possible now."))
}
