//! What chargers say of themselves, in words for people: used by pages and the API.

use mendpoint_model::{
    Action, AttributeKind, CapabilityCounts, Protocol, SignalUnit, Transport, VariableRef, Verdict,
};
use mendpoint_pipeline::Handle;
use mendpoint_store::VariableRow;
use mendpoint_upkeep::guess;
use serde_json::{Value, json};

use crate::AppState;

/// The command that sets a value in the words of the charger's version.
pub(crate) fn set_action(
    protocol: Protocol,
    at: &VariableRef,
    attribute: AttributeKind,
    value: &str,
) -> Action {
    let raw = |action: &str, payload: &Value| Action::Raw {
        action: action.to_owned(),
        payload: payload.to_string(),
    };
    if protocol == Protocol::V16 {
        return raw("ChangeConfiguration", &json!({ "key": at.variable, "value": value }));
    }
    let mut data = json!({
        "attributeValue": value,
        "component": named(&at.component, &at.instance),
        "variable": named(&at.variable, &at.variable_instance),
    });
    if attribute != AttributeKind::Actual {
        data["attributeType"] = json!(attribute.name());
    }
    if let Some(evse) = at.evse {
        data["component"]["evse"] = json!({ "id": evse });
        if let Some(connector) = at.connector {
            data["component"]["evse"]["connectorId"] = json!(connector);
        }
    }
    raw("SetVariables", &json!({ "setVariableData": [data] }))
}

fn named(name: &str, instance: &str) -> Value {
    if instance.is_empty() {
        json!({ "name": name })
    } else {
        json!({ "name": name, "instance": instance })
    }
}

/// What the counts of a capability say: "works", "`NotSupported` 3 times".
pub(crate) fn counts_words(counts: &CapabilityCounts) -> String {
    let parts = [
        ("worked", counts.works),
        ("NotSupported", counts.not_supported),
        ("NotImplemented", counts.not_implemented),
        ("rejected", counts.rejected),
        ("no answer", counts.no_answer),
    ];
    let told: Vec<_> = parts
        .iter()
        .filter(|(_, count)| *count > 0)
        .map(|(word, count)| match count {
            1 => format!("{word} once"),
            count => format!("{word} {count} times"),
        })
        .collect();
    told.join(", ")
}

/// The shape that goes with a verdict.
pub(crate) fn verdict_token(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Works => "ok",
        Verdict::Unsupported => "fault",
        Verdict::AlwaysRejected => "warn",
        Verdict::Unknown => "new",
    }
}

pub(crate) fn unit_word(unit: SignalUnit) -> &'static str {
    match unit {
        SignalUnit::RssiDbm => "dbm",
        SignalUnit::RsrpDbm => "rsrp",
        SignalUnit::Csq => "csq",
        SignalUnit::Percent => "percent",
    }
}

pub(crate) fn unit_of(word: &str) -> Option<SignalUnit> {
    [SignalUnit::RssiDbm, SignalUnit::RsrpDbm, SignalUnit::Csq, SignalUnit::Percent]
        .into_iter()
        .find(|unit| unit_word(*unit) == word)
}

pub(crate) fn transport_word(transport: Transport) -> &'static str {
    match transport {
        Transport::Wifi => "wifi",
        Transport::Cellular => "cellular",
    }
}

pub(crate) fn transport_of(word: &str) -> Option<Transport> {
    [Transport::Wifi, Transport::Cellular].into_iter().find(|one| transport_word(*one) == word)
}

/// A key that may tell of the radio link, for a person to confirm (2.2c).
#[derive(Clone, Debug)]
pub(crate) struct Candidate {
    pub(crate) name: String,
    pub(crate) value: String,
    pub(crate) unit: &'static str,
    pub(crate) transport: &'static str,
    /// Whether a person said yes already.
    pub(crate) confirmed: bool,
    /// Who decided; empty while nobody did.
    pub(crate) decided_by: String,
}

/// The candidates among a charger's variables. What the standard names itself is none.
pub(crate) fn candidates(
    handle: &Handle,
    vendor: &str,
    model: &str,
    rows: &[VariableRow],
) -> Vec<Candidate> {
    let keys = handle.signal_keys();
    let found = rows.iter().filter_map(|row| {
        if row.report.at.component == "DataLink" || row.report.attribute != AttributeKind::Actual {
            return None;
        }
        let value = row.report.value.clone()?;
        let said = keys
            .iter()
            .find(|key| key.vendor == vendor && key.model == model && key.name == row.name);
        let guess = guess(&row.name, &value);
        let (unit, transport) = match (said, guess) {
            (Some(key), _) => (key.unit, key.transport),
            (None, Some(guess)) => (guess.unit, guess.transport),
            (None, None) => return None,
        };
        Some(Candidate {
            name: row.name.clone(),
            value,
            unit: unit_word(unit),
            transport: transport_word(transport),
            confirmed: said.is_some_and(|key| key.confirmed),
            decided_by: said.map(|key| key.decided_by.clone()).unwrap_or_default(),
        })
    });
    found.collect()
}

/// The table as CSV, for spreadsheets: text that could be a formula begins with an apostrophe.
pub(crate) fn csv(rows: &[VariableRow]) -> String {
    let mut text = String::from(
        "name,attribute,value,mutability,data_type,unit,supports_monitoring,since,last_told,changed_by\r\n",
    );
    for row in rows {
        let report = &row.report;
        let cells = [
            row.name.clone(),
            report.attribute.name().to_owned(),
            report.value.clone().unwrap_or_default(),
            report.mutability.map_or_else(String::new, |one| one.name().to_owned()),
            report.data_type.clone(),
            report.unit.clone(),
            report.supports_monitoring.map_or_else(String::new, |flag| flag.to_string()),
            row.since.rfc3339(),
            row.seen.rfc3339(),
            row.changed_by.clone(),
        ];
        let cells: Vec<_> = cells.iter().map(|cell| csv_cell(cell)).collect();
        text.push_str(&cells.join(","));
        text.push_str("\r\n");
    }
    text
}

fn csv_cell(text: &str) -> String {
    let is_number = text.parse::<f64>().is_ok();
    let is_formula = !is_number && text.starts_with(['=', '+', '-', '@', '\t', '\r']);
    let text = if is_formula { format!("'{text}") } else { text.to_owned() };
    if text.contains([',', '"', '\n', '\r']) {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text
    }
}

/// Rows of an export: more than any charger keeps.
const EXPORT_MAX: u32 = 20_000;

/// All variables of a charger, for an export.
pub(crate) async fn all_rows(
    state: &AppState,
    charger: mendpoint_model::ChargerKey,
) -> Result<Vec<VariableRow>, mendpoint_store::Error> {
    let (rows, _) = state.handle().store().variables(charger, "", None, EXPORT_MAX).await?;
    Ok(rows)
}

/// For whom a value is wanted, in words.
pub(crate) fn words_of_target(
    state: &crate::AppState,
    row: &mendpoint_model::DesiredKey,
) -> String {
    use mendpoint_model::DesiredFor;
    let directory = state.handle().directory();
    match &row.target {
        DesiredFor::Model(vendor, model) => format!("every {vendor} {model}").trim().to_owned(),
        DesiredFor::Site(site) => {
            directory.site(*site).map_or_else(|| "a site".to_owned(), |site| site.name.clone())
        }
        DesiredFor::Charger(key) => directory
            .charger(*key)
            .map_or_else(|| "a charger".to_owned(), |charger| charger.identity.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_set_in_the_words_of_the_version() {
        let at = VariableRef {
            component: "Connector".into(),
            evse: Some(1),
            connector: Some(2),
            variable: "Enabled".into(),
            ..VariableRef::default()
        };
        let Action::Raw { action, payload } =
            set_action(Protocol::V201, &at, AttributeKind::Target, "true")
        else {
            panic!("is raw")
        };
        assert_eq!(action, "SetVariables");
        let payload: Value = serde_json::from_str(&payload).expect("JSON");
        let data = &payload["setVariableData"][0];
        assert_eq!(data["component"]["evse"], json!({"id": 1, "connectorId": 2}));
        assert_eq!(
            (&data["attributeType"], &data["attributeValue"]),
            (&json!("Target"), &json!("true"))
        );
        let key = VariableRef::key("HeartbeatInterval");
        let Action::Raw { action, payload } =
            set_action(Protocol::V16, &key, AttributeKind::Actual, "60")
        else {
            panic!("is raw")
        };
        assert_eq!(
            (action.as_str(), payload.as_str()),
            ("ChangeConfiguration", r#"{"key":"HeartbeatInterval","value":"60"}"#)
        );
    }

    #[test]
    fn cells_are_safe_in_a_spreadsheet() {
        assert_eq!(csv_cell("=1+1"), "'=1+1");
        assert_eq!(csv_cell("-71"), "-71");
        assert_eq!(csv_cell("a,\"b\""), "\"a,\"\"b\"\"\"");
    }

    #[test]
    fn counts_read_as_words() {
        let counts = CapabilityCounts { works: 3, rejected: 1, ..CapabilityCounts::default() };
        assert_eq!(counts_words(&counts), "worked 3 times, rejected once");
    }
}
