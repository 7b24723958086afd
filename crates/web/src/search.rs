//! Small helpers for showing and finding.

use mendpoint_model::ChargerRecord;

pub(crate) use mendpoint_pipeline::masked_card as masked;

/// Whether a charger fits a text that is in small letters already.
pub(crate) fn matches(record: &ChargerRecord, text: &str) -> bool {
    [&*record.identity, &record.name, &record.vendor, &record.model, &record.serial]
        .into_iter()
        .any(|field| field.to_lowercase().contains(text))
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
