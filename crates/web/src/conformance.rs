//! Reports about what models send that is not as the specification says: what the page, the API and
//! the file for the manufacturer have in common.

use axum::response::Response;
use mendpoint_store::{DeviationRow, Error, ModelKey, ModelRow, Store};
use serde::Deserialize;

use crate::csv;

/// Which models a report is about; what is left out is not asked for.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Wanted {
    /// Manufacturer, as the charger says.
    pub(crate) vendor: Option<String>,
    /// Model, likewise.
    pub(crate) model: Option<String>,
    /// Firmware version, likewise.
    pub(crate) firmware: Option<String>,
}

impl Wanted {
    fn fits(&self, of: &ModelKey) -> bool {
        let fits =
            |wanted: &Option<String>, is: &str| wanted.as_ref().is_none_or(|word| word == is);
        fits(&self.vendor, &of.vendor)
            && fits(&self.model, &of.model)
            && fits(&self.firmware, &of.firmware)
    }

    /// The models that are meant.
    pub(crate) async fn models(&self, store: &Store) -> Result<Vec<ModelRow>, Error> {
        let models = store.conformance_models().await?;
        Ok(models.into_iter().filter(|row| self.fits(&row.of)).collect())
    }

    /// Every deviation of the models that are meant.
    pub(crate) async fn report(
        &self,
        store: &Store,
    ) -> Result<Vec<(ModelKey, DeviationRow)>, Error> {
        let mut lines = Vec::new();
        for model in self.models(store).await? {
            let rows = store.conformance_report(&model.of).await?;
            lines.extend(rows.into_iter().map(|row| (model.of.clone(), row)));
        }
        Ok(lines)
    }
}

/// What is wrong, in a few words.
pub(crate) fn rule_in_words(rule: &str) -> &'static str {
    match rule {
        "json" => "not JSON",
        "unknown" => "no such field",
        "missing" => "required field missing",
        "doubled" => "field more than once",
        "count" => "wrong number of items",
        "type" => "wrong kind of value",
        "time" => "not a date and time",
        "length" => "too long",
        "word" => "not one of the words",
        "range" => "out of range",
        "sense" => "makes no sense",
        "envelope" => "odd envelope",
        _ => "not as specified",
    }
}

/// `OCPP 1.6` for `ocpp1.6`.
pub(crate) fn version_in_words(protocol: &str) -> String {
    protocol.replace("ocpp", "OCPP ")
}

const HEAD: [&str; 14] = [
    "vendor",
    "model",
    "firmware",
    "ocpp",
    "message",
    "field",
    "rule",
    "what is wrong",
    "allowed",
    "example",
    "found in messages",
    "messages checked",
    "chargers",
    "first and last seen (UTC)",
];

/// The report as a file fit to be sent to the manufacturer: it names no charger, no person and no
/// secret.
pub(crate) fn csv_file(lines: &[(ModelKey, DeviationRow)]) -> Response {
    let mut text = String::new();
    csv::line(&mut text, &HEAD);
    for (of, row) in lines {
        csv::line(
            &mut text,
            &[
                &of.vendor,
                &of.model,
                &of.firmware,
                row.protocol.trim_start_matches("ocpp"),
                &row.message,
                &row.place,
                &row.rule,
                rule_in_words(&row.rule),
                &row.allowed,
                &row.example,
                &row.found.to_string(),
                &row.checked.to_string(),
                &row.chargers.to_string(),
                &format!("{} to {}", row.first_seen.rfc3339(), row.last_seen.rfc3339()),
            ],
        );
    }
    csv::file("conformance.csv", text)
}
