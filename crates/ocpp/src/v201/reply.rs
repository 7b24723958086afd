//! The answers of 2.x that speak of tokens.

use crate::json::push_json_string;
use crate::reply::{ReplyFacts, token_word};

/// The longest token that fits the standard, in characters.
const TOKEN_MAX: usize = 36;

/// Appends the payload of an answer with `idTokenInfo`.
pub(crate) fn push_token_reply(out: &mut String, facts: &ReplyFacts<'_>) {
    out.push_str("{\"idTokenInfo\":{\"status\":\"");
    out.push_str(token_word(facts));
    out.push('"');
    if let Some(info) = facts.token {
        if let Some(until) = info.expires_at {
            out.push_str(",\"cacheExpiryDateTime\":\"");
            out.push_str(&until.rfc3339());
            out.push('"');
        }
        if let Some(parent) = &info.parent
            && parent.chars().count() <= TOKEN_MAX
        {
            out.push_str(",\"groupIdToken\":{\"idToken\":");
            push_json_string(out, parent);
            out.push_str(",\"type\":\"Central\"}");
        }
    }
    out.push_str("}}");
}
