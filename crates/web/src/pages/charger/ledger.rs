//! The figures of a charger's uptime ledger.

use mendpoint_model::{ChargerKey, DAY_MS};
use mendpoint_pipeline::UptimeScope;
use mendpoint_uptime::formula;

use crate::AppState;
use crate::pages::errors::PageError;
use crate::uptime::{CALIFORNIA_PERCENT, Figures, NEVI_PERCENT, UK_PERCENT, percent, sum};

/// One rule's figures: over 30 days, over twelve months.
pub(super) struct Row {
    pub(super) name: &'static str,
    /// What it is, for the title.
    pub(super) about: &'static str,
    pub(super) month: String,
    pub(super) year: String,
    /// Whether the year misses what the rule asks for.
    pub(super) is_low: bool,
}

/// The figures of a charger, all connectors together; of NEVI the least of them, because that rule is
/// about each.
pub(super) async fn rows(state: &AppState, charger: ChargerKey) -> Result<Vec<Row>, PageError> {
    let now = state.handle().now();
    let scope = UptimeScope { site: None, charger: Some(charger) };
    let month = state.handle().uptime(scope, now - 30 * DAY_MS, now).await?;
    let year = state.handle().uptime(scope, now - 365 * DAY_MS, now).await?;
    if year.is_empty() {
        return Ok(Vec::new());
    }
    let least = |values: Vec<f64>| values.into_iter().min_by(f64::total_cmp);
    let nevi_month = least(month.iter().filter_map(|port| formula::nevi_of(&port.tally)).collect());
    // The rule has the minutes of a whole year under the line, whenever the port began.
    let of_year = |port: &mendpoint_pipeline::PortTally| {
        formula::nevi(formula::nevi_outage(&port.tally), port.tally.excluded())
    };
    let nevi_year = least(year.iter().map(of_year).collect());
    let california = |ports: &[mendpoint_pipeline::PortTally]| {
        least(ports.iter().filter_map(|port| formula::california(&port.tally)).collect())
    };
    let (california_month, california_year) = (california(&month), california(&year));
    let (month, year) = (Figures::of(&sum(&month)), Figures::of(&sum(&year)));
    let row = |name, about, month, year: Option<f64>, owed: Option<f64>| Row {
        name,
        about,
        month: percent(month),
        year: percent(year),
        is_low: year.zip(owed).is_some_and(|(year, owed)| year < owed),
    };
    Ok(vec![
        row(
            "NEVI",
            "23 CFR 680.116: the least connector, 97 % a year",
            nevi_month,
            nevi_year,
            Some(NEVI_PERCENT),
        ),
        row(
            "UK",
            "SI 2023/1168: 99 % a year, of the whole network",
            month.uk,
            year.uk,
            Some(UK_PERCENT),
        ),
        row(
            "California",
            "CEC: as NEVI, with less that is excused",
            california_month,
            california_year,
            Some(CALIFORNIA_PERCENT),
        ),
        row("Strict", "what a driver finds", month.strict, year.strict, None),
    ])
}
