//! Signing in and out.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::time::Duration;

use askama::Template;
use axum::extract::{ConnectInfo, FromRequestParts, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use axum::{Extension, Router};
use mendpoint_model::{MINUTE_MS, UnixMs};
use mendpoint_pipeline::AuditActor;
use serde::Deserialize;
use tokio::sync::Semaphore;

use super::errors::{Page, PageError, render};
use crate::pages::extract::{Form, Query};
use crate::password::{hash_password, verify_password};
use crate::{AppState, session, url};

/// How long failures are remembered.
const WINDOW_MS: i64 = 15 * MINUTE_MS;
/// How many failures of one name, or of one address, close the door for the rest of the window.
const FAILURES_PER_NAME: u32 = 10;
const FAILURES_PER_ADDRESS: u32 = 30;
/// The wait after the first failure; it doubles with each.
const FIRST_WAIT_MS: u64 = 250;
const LONGEST_WAIT_MS: u64 = 4_000;
/// Passwords hashed at the same time: each takes 19 MiB and a core.
const HASHING: usize = 2;
/// Names and addresses that are remembered at most.
const REMEMBERED: usize = 10_000;

/// The routes of this page.
pub(crate) fn routes() -> Router<AppState> {
    Router::new()
        .route("/sign-in", get(show).post(sign_in))
        .route("/sign-out", post(sign_out))
        .layer(Extension(Arc::new(Door::default())))
}

#[derive(Template)]
#[template(path = "sign_in.html")]
struct SignIn<'a> {
    name: &'a str,
    next: &'a str,
    error: &'a str,
}

/// Who failed to come in lately.
struct Door {
    failures: Mutex<BTreeMap<Who, Failures>>,
    hashing: Semaphore,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Who {
    Name(String),
    Address(IpAddr),
}

#[derive(Clone, Copy, Debug)]
struct Failures {
    count: u32,
    since: UnixMs,
}

impl Default for Door {
    fn default() -> Self {
        Self { failures: Mutex::default(), hashing: Semaphore::new(HASHING) }
    }
}

impl Door {
    fn count(&self, who: &Who, now: UnixMs) -> u32 {
        let failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        failures
            .get(who)
            .filter(|failures| now.since_ms(failures.since) < WINDOW_MS)
            .map_or(0, |failures| failures.count)
    }

    fn is_closed(&self, name: &Who, address: Option<&Who>, now: UnixMs) -> bool {
        self.count(name, now) >= FAILURES_PER_NAME
            || address.is_some_and(|address| self.count(address, now) >= FAILURES_PER_ADDRESS)
    }

    fn failed(&self, who: Who, now: UnixMs) {
        let mut failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        if failures.len() >= REMEMBERED {
            failures.retain(|_, failures| now.since_ms(failures.since) < WINDOW_MS);
        }
        if failures.len() >= REMEMBERED {
            failures.pop_first();
        }
        let entry = failures.entry(who).or_insert(Failures { count: 0, since: now });
        if now.since_ms(entry.since) >= WINDOW_MS {
            *entry = Failures { count: 0, since: now };
        }
        entry.count += 1;
    }

    fn came_in(&self, name: &Who) {
        self.failures.lock().unwrap_or_else(PoisonError::into_inner).remove(name);
    }
}

/// The address a request came from; unknown when it came by no socket.
pub(crate) struct Remote(pub(crate) Option<IpAddr>);

impl<S: Sync> FromRequestParts<S> for Remote {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        let info = parts.extensions.get::<ConnectInfo<SocketAddr>>();
        Ok(Self(info.map(|ConnectInfo(address)| address.ip().to_canonical())))
    }
}

#[derive(Deserialize)]
struct Next {
    #[serde(default)]
    next: String,
}

async fn show(Query(query): Query<Next>) -> Page {
    render(SignIn { name: "", next: local(&query.next), error: "" })
}

fn local(next: &str) -> &str {
    if url::is_local(next) { next } else { "/" }
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Credentials {
    name: String,
    password: String,
    next: String,
}

async fn sign_in(
    State(state): State<AppState>,
    Extension(door): Extension<Arc<Door>>,
    Remote(remote): Remote,
    Form(form): Form<Credentials>,
) -> Page {
    let now = state.handle().now();
    let typed = form.name.trim();
    let missing = match (typed, form.password.as_str()) {
        ("", _) => Some("Type your name and your password."),
        (_, "") => Some("Type your password."),
        _ => None,
    };
    if let Some(error) = missing {
        return refuse(StatusCode::UNPROCESSABLE_ENTITY, typed, &form.next, error);
    }
    let name = Who::Name(typed.to_lowercase().chars().take(100).collect());
    let address = remote.map(Who::Address);
    let failed = door.count(&name, now);
    if door.is_closed(&name, address.as_ref(), now) {
        return too_many(typed, &form.next);
    }
    if failed > 0 {
        let wait = FIRST_WAIT_MS.saturating_mul(1 << failed.min(8)).min(LONGEST_WAIT_MS);
        tokio::time::sleep(Duration::from_millis(wait)).await;
    }
    let user = state.handle().store().user_by_name(typed).await?;
    // Somebody who does not exist costs as much time as somebody who does, so that nobody can ask
    // who exists.
    let hash = user.as_ref().map(|user| user.password_hash.clone());
    let known = user.as_ref().map(|user| user.name.clone());
    let permit = door.hashing.acquire().await;
    // Many tries at the same time queue here; those before may have closed the door.
    if door.is_closed(&name, address.as_ref(), now) {
        return too_many(typed, &form.next);
    }
    let password = form.password;
    let fits = tokio::task::spawn_blocking(move || {
        verify_password(&password, hash.as_deref().unwrap_or(&NOBODY))
    })
    .await;
    let user = user.filter(|user| fits.unwrap_or(false) && !user.disabled);
    if user.is_none() {
        door.failed(name.clone(), now);
        if let Some(address) = address {
            door.failed(address, now);
        }
    }
    drop(permit);
    let Some(user) = user else {
        tracing::info!(name = typed, ?remote, "a sign-in failed");
        // The name only if there is one: people type passwords into the wrong field.
        let actor = known.clone().map_or(AuditActor::Unknown, AuditActor::User).to_string();
        let from = remote.map(|address| address.to_string()).unwrap_or_default();
        state.handle().audit(&actor, "sign-in refused", &from).await;
        let error = "The name or the password is not right.";
        return refuse(StatusCode::UNAUTHORIZED, typed, &form.next, error);
    };
    door.came_in(&name);
    let remote = remote.map(|address| address.to_string()).unwrap_or_default();
    let cookie = session::begin(&state, &user, &remote).await?;
    let actor = AuditActor::User(user.name).to_string();
    state.handle().audit(&actor, "signed in", &remote).await;
    Ok(([(header::SET_COOKIE, cookie)], Redirect::to(local(&form.next))).into_response())
}

/// A hash that no password fits.
static NOBODY: LazyLock<String> = LazyLock::new(|| {
    crate::new_token().ok().and_then(|token| hash_password(&token).ok()).unwrap_or_default()
});

fn too_many(name: &str, next: &str) -> Page {
    let error = "Too many tries. Wait a quarter of an hour, then try again.";
    refuse(StatusCode::TOO_MANY_REQUESTS, name, next, error)
}

fn refuse(status: StatusCode, name: &str, next: &str, error: &str) -> Page {
    let page = render(SignIn { name, next: local(next), error })?;
    Ok((status, page).into_response())
}

async fn sign_out(
    State(state): State<AppState>,
    headers: HeaderMap,
) -> Result<Response, PageError> {
    let viewer = session::who(&headers, &state).await?;
    let cookie = session::end(&state, &headers).await?;
    if let Some(viewer) = viewer {
        state.handle().audit(&viewer.name, "signed out", "").await;
    }
    Ok(([(header::SET_COOKIE, cookie)], Redirect::to("/sign-in")).into_response())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_are_counted_and_forgotten() {
        let door = Door::default();
        let ana = Who::Name("ana".to_owned());
        let now = UnixMs(1_000_000);
        assert_eq!(door.count(&ana, now), 0);
        door.failed(ana.clone(), now);
        door.failed(ana.clone(), now);
        assert_eq!(door.count(&ana, now), 2);
        assert_eq!(door.count(&Who::Name("bo".to_owned()), now), 0);
        assert_eq!(door.count(&ana, now + WINDOW_MS), 0, "the window is over");
        door.failed(ana.clone(), now + WINDOW_MS);
        assert_eq!(door.count(&ana, now + WINDOW_MS), 1, "a new window begins");
        door.came_in(&ana);
        assert_eq!(door.count(&ana, now + WINDOW_MS), 0);
    }

    #[test]
    fn the_memory_of_failures_has_an_end() {
        let door = Door::default();
        for number in 0..REMEMBERED + 50 {
            door.failed(Who::Name(number.to_string()), UnixMs(5));
        }
        let failures = door.failures.lock().unwrap_or_else(PoisonError::into_inner);
        assert!(failures.len() <= REMEMBERED);
    }
}
