//! Who calls: API tokens.

use axum::extract::FromRequestParts;
use axum::http::header;
use axum::http::request::Parts;
use mendpoint_pipeline::AuditActor;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::error::ApiError;
use crate::AppState;

/// Whoever may look.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    /// The token's name, for histories.
    pub(crate) name: String,
    pub(crate) role: String,
}

impl Caller {
    /// Whether they may change how the program works, and see personal data whole.
    pub(crate) fn is_admin(&self) -> bool {
        self.role == "admin"
    }

    /// Whether this caller may see whose card it was (S21).
    pub(crate) fn sees_tokens(&self) -> bool {
        matches!(self.role.as_str(), "admin" | "operator")
    }

    /// A message or a command as this caller may see it.
    pub(crate) fn message(&self, json: &str) -> String {
        if self.sees_tokens() { json.to_owned() } else { crate::mask::json(json) }
    }

    /// A driver's token as this caller may see it.
    pub(crate) fn token_words(&self, token: &str) -> String {
        if self.sees_tokens() { token.to_owned() } else { crate::search::masked(token) }
    }
}

/// Whoever may act.
#[derive(Clone, Debug)]
pub(crate) struct Operator(pub(crate) Caller);

/// Whoever may change how the program works.
#[derive(Clone, Debug)]
pub(crate) struct Admin(pub(crate) Caller);

/// A new token: 256 random bits as text. It is shown once; only its hash is kept.
pub fn new_token() -> Result<String, getrandom::Error> {
    use base64::Engine as _;
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes)?;
    Ok(format!("mp_{}", base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(bytes)))
}

/// What is kept of a token.
pub fn hash_token(token: &str) -> [u8; 32] {
    Sha256::digest(token.as_bytes()).into()
}

impl FromRequestParts<AppState> for Caller {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, ApiError> {
        let token = parts
            .headers
            .get(header::AUTHORIZATION)
            .and_then(|value| value.to_str().ok())
            .and_then(|value| {
                let (scheme, token) = value.split_once(' ')?;
                scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
            })
            .ok_or_else(ApiError::unauthorized)?;
        let hash = hash_token(token);
        let bootstrap = &state.settings().bootstrap_token;
        if !bootstrap.is_empty() && bool::from(hash.ct_eq(&hash_token(bootstrap))) {
            crate::veil::lift(parts);
            AuditActor::BootstrapToken.is_here();
            return Ok(Self { name: "bootstrap token".to_owned(), role: "admin".to_owned() });
        }
        let now = state.handle().now();
        let row = state.handle().store().api_token(&hash, now).await?;
        let row = row.ok_or_else(ApiError::unauthorized)?;
        let used_lately = row.used_at.is_some_and(|at| now.since_ms(at) < 60_000);
        if !used_lately && let Err(error) = state.handle().store().api_token_used(row.id, now).await
        {
            tracing::debug!(%error, "the use of a token was not noted");
        }
        let caller = Self { name: row.name, role: row.scopes };
        AuditActor::Token(caller.name.clone()).is_here();
        if caller.sees_tokens() {
            crate::veil::lift(parts);
        }
        Ok(caller)
    }
}

impl FromRequestParts<AppState> for Operator {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, ApiError> {
        let caller = Caller::from_request_parts(parts, state).await?;
        match caller.role.as_str() {
            "admin" | "operator" | "dispatcher" => Ok(Self(caller)),
            _ => Err(ApiError::forbidden("operator", &caller.role)),
        }
    }
}

impl FromRequestParts<AppState> for Admin {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, ApiError> {
        let caller = Caller::from_request_parts(parts, state).await?;
        match caller.role.as_str() {
            "admin" => Ok(Self(caller)),
            _ => Err(ApiError::forbidden("admin", &caller.role)),
        }
    }
}
