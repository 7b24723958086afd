//! The answers of 1.6 that speak of tokens.

use crate::json::push_json_string;
use crate::reply::{Reply, ReplyFacts, push_number, token_word};

/// The longest `parentIdTag` that fits the standard, in characters.
const PARENT_MAX: usize = 20;

/// Appends the payload of an answer with `idTagInfo`.
pub(crate) fn push_token_reply(out: &mut String, reply: &Reply, facts: &ReplyFacts<'_>) {
    out.push('{');
    if *reply == Reply::StartTransaction {
        // Also with a token that is refused: the transaction runs, and the charger needs a number
        // for it (behaviour 57).
        out.push_str("\"transactionId\":");
        push_number(out, facts.transaction.0);
        out.push(',');
    }
    let is_stop = *reply == Reply::StopTransactionWithToken;
    out.push_str("\"idTagInfo\":{\"status\":\"");
    out.push_str(if is_stop { "Accepted" } else { token_word(facts) });
    out.push('"');
    if let Some(info) = facts.token {
        if let Some(until) = info.expires_at {
            out.push_str(",\"expiryDate\":\"");
            out.push_str(&until.rfc3339());
            out.push('"');
        }
        // A longer one would make strict chargers refuse the whole answer.
        if let Some(parent) = &info.parent
            && parent.chars().count() <= PARENT_MAX
        {
            out.push_str(",\"parentIdTag\":");
            push_json_string(out, parent);
        }
    }
    out.push_str("}}");
}
