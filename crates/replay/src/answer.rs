//! What we answered a charger, read back from our own frame.

use mendpoint_model::TransactionId;
use serde_json::Value;

/// The part of an answer that decides what the question meant.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Verdict {
    /// The number the transaction got (1.6).
    pub(crate) transaction: TransactionId,
    /// Whether the token may charge.
    pub(crate) accepted: bool,
}

impl Verdict {
    /// When no answer was kept: as most are.
    pub(crate) const UNKNOWN: Self = Self { transaction: TransactionId(0), accepted: true };

    /// Reads the payload of our answer. What cannot be read counts as accepted, like an answer
    /// without a word about the token.
    pub(crate) fn read(payload: &str) -> Self {
        let Ok(payload) = serde_json::from_str::<Value>(payload) else { return Self::UNKNOWN };
        let transaction = payload.get("transactionId").and_then(Value::as_i64).unwrap_or_default();
        let info = payload.get("idTagInfo").or_else(|| payload.get("idTokenInfo"));
        let status = info.and_then(|info| info.get("status")).and_then(Value::as_str);
        let accepted = status.is_none_or(|status| status == "Accepted");
        Self { transaction: TransactionId(transaction), accepted }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_both_versions() {
        let v16 = r#"{"idTagInfo":{"status":"Accepted"},"transactionId":42}"#;
        assert_eq!(Verdict::read(v16), Verdict { transaction: TransactionId(42), accepted: true });
        assert!(!Verdict::read(r#"{"idTagInfo":{"status":"Blocked"}}"#).accepted);
        assert!(!Verdict::read(r#"{"idTokenInfo":{"status":"Invalid"}}"#).accepted);
        assert_eq!(Verdict::read("{}"), Verdict::UNKNOWN);
    }
}
