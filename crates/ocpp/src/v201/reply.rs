//! The answers of 2.x that speak of tokens.

use crate::reply::ReplyFacts;

/// Appends the payload of an answer with `idTokenInfo`.
pub(crate) fn push_token_reply(out: &mut String, facts: &ReplyFacts<'_>) {
    out.push_str("{\"idTokenInfo\":{\"status\":\"");
    out.push_str(if facts.token_accepted { "Accepted" } else { "Invalid" });
    out.push_str("\"}}");
}
