//! Small helpers for showing and finding.

use mendpoint_model::ChargerRecord;

/// Whether a charger fits a text that is in small letters already.
pub(crate) fn matches(record: &ChargerRecord, text: &str) -> bool {
    [&*record.identity, &record.name, &record.vendor, &record.model, &record.serial]
        .into_iter()
        .any(|field| field.to_lowercase().contains(text))
}

/// A token with its middle hidden: tokens are personal data (S21).
pub(crate) fn masked(token: &str) -> String {
    let count = token.chars().count();
    if count <= 4 {
        return "*".repeat(count);
    }
    let tail: String = token.chars().skip(count - 4).collect();
    format!("…{tail}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_shows_its_end_only() {
        assert_eq!(masked("04A2B3C4D5"), "…C4D5");
        assert_eq!(masked("1234"), "****");
        assert_eq!(masked(""), "");
    }
}
