//! The answers of 1.6 that speak of tokens.

use crate::reply::{Reply, ReplyFacts, push_number};

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
    let accepted = facts.token_accepted || *reply == Reply::StopTransactionWithToken;
    out.push_str("\"idTagInfo\":{\"status\":\"");
    out.push_str(if accepted { "Accepted" } else { "Invalid" });
    out.push_str("\"}}");
}
