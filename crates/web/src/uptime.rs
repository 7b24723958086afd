//! Uptime for pages, files and the API: months and years of the ledgers in the words of the rules.

use std::collections::BTreeMap;

use mendpoint_model::{ChargerKey, ConnectorRef, DAY_MS, IncidentId, UnixMs};
use mendpoint_pipeline::{PortTally, UptimeScope};
use mendpoint_store::{PAGE_MAX, TransactionFilter};
use mendpoint_uptime::{Decision, Exclusion, Reason, Span, Tally, formula};

use crate::AppState;
use crate::place::check_connector;

/// What NEVI asks of every connector over a year, percent (23 CFR 680.116(b)).
pub(crate) const NEVI_PERCENT: f64 = 97.0;
/// What the UK asks of the network over a calendar year, percent (SI 2023/1168, regulation 7).
pub(crate) const UK_PERCENT: f64 = 99.0;
/// What California asks of every connector, percent (CEC).
pub(crate) const CALIFORNIA_PERCENT: f64 = 97.0;

/// How long the evidence of an exclusion may be, in characters.
pub(crate) const EVIDENCE_MAX: usize = 2_000;

/// The longest that one exclusion may last.
const EXCLUSION_MAX_MS: i64 = 366 * DAY_MS;

/// What is wrong with an exclusion that somebody proposes, in a sentence.
pub(crate) async fn check_exclusion(state: &AppState, exclusion: &Exclusion) -> Result<(), String> {
    if exclusion.until.since_ms(exclusion.from) > EXCLUSION_MAX_MS {
        return Err("One exclusion lasts for a year at most.".to_owned());
    }
    // Maintenance is planned; everything else is known when it has happened.
    if exclusion.reason != Reason::Maintenance && exclusion.from > state.handle().now() {
        return Err("That has not happened yet: only maintenance is excluded ahead.".to_owned());
    }
    let Some(charger) = exclusion.charger else { return Ok(()) };
    let directory = state.handle().directory();
    if let Some(record) = directory.charger(charger)
        && record.site != exclusion.site
    {
        let name = |key| {
            directory.site(key).map_or_else(|| "another site".to_owned(), |site| site.name.clone())
        };
        return Err(format!(
            "{} is not at {}: it is at {}.",
            record.identity,
            name(exclusion.site),
            name(record.site)
        ));
    }
    let live = state.handle().charger(charger).await;
    check_connector(live.as_deref(), exclusion.connector)
}

/// What is said to who proposes the same again.
pub(crate) const PROPOSED_BEFORE: &str = "The same minutes were proposed before for this reason. To give \
     better evidence, refuse that proposal first.";

/// The months of a calendar, in UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Month {
    /// The year.
    pub(crate) year: i32,
    /// From 1.
    pub(crate) month: u32,
}

/// Days from 1970-01-01 to the first of a month (the civil calendar).
fn days_to(month: Month) -> i64 {
    let (year, number) = (i64::from(month.year), i64::from(month.month));
    let year = if number <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let of_era = year - era * 400;
    let of_year = (153 * (if number > 2 { number - 3 } else { number + 9 }) + 2) / 5;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

impl Month {
    /// The month of a moment.
    pub(crate) fn of(at: UnixMs) -> Self {
        let text = at.to_string();
        let number = |range: std::ops::Range<usize>| text.get(range).and_then(|t| t.parse().ok());
        Self { year: number(0..4).unwrap_or(1970), month: number(5..7).unwrap_or(1) as u32 }
    }

    /// Reads `2026-11`.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (year, month) = text.trim().split_once('-')?;
        let month = Self { year: year.parse().ok()?, month: month.parse().ok()? };
        ((1..=12).contains(&month.month) && (1970..=9999).contains(&month.year)).then_some(month)
    }

    /// Its first moment.
    pub(crate) fn begin(self) -> UnixMs {
        UnixMs(days_to(self) * DAY_MS)
    }

    /// The first moment after it.
    pub(crate) fn end(self) -> UnixMs {
        self.plus(1).begin()
    }

    /// So many months later.
    pub(crate) fn plus(self, months: i32) -> Self {
        let count = self.year * 12 + self.month as i32 - 1 + months;
        Self { year: count.div_euclid(12), month: count.rem_euclid(12) as u32 + 1 }
    }

    /// The first month of its quarter.
    pub(crate) fn quarter(self) -> Self {
        Self { month: (self.month - 1) / 3 * 3 + 1, ..self }
    }
}

impl std::fmt::Display for Month {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:04}-{:02}", self.year, self.month)
    }
}

/// What the rules make of minutes; `None` where no minute counts.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Figures {
    pub(crate) nevi: Option<f64>,
    pub(crate) uk: Option<f64>,
    pub(crate) california: Option<f64>,
    pub(crate) strict: Option<f64>,
}

impl Figures {
    /// Of several ports together; California's caps are each port's own.
    pub(crate) fn of_ports(ports: &[PortTally]) -> Self {
        let california = formula::california_of(ports.iter().map(|port| &port.tally));
        Self { california, ..Self::of(&sum(ports)) }
    }

    pub(crate) fn of(tally: &Tally) -> Self {
        Self {
            nevi: formula::nevi_of(tally),
            uk: formula::uk(tally),
            california: formula::california(tally),
            strict: formula::strict(tally),
        }
    }
}

/// A percentage as tables show it.
pub(crate) fn percent(value: Option<f64>) -> String {
    // Never rounded up to what was not reached.
    value.map_or_else(
        || "no data".to_owned(),
        |value| format!("{:.2} %", (value * 100.0).floor() / 100.0),
    )
}

/// The sum of several.
pub(crate) fn sum(ports: &[PortTally]) -> Tally {
    let mut whole = Tally::default();
    for port in ports {
        whole.add(&port.tally);
    }
    whole
}

/// The columns of a quarter's file.
const QUARTER: [&str; 24] = [
    "month",
    "site",
    "charger",
    "connector",
    // What 680.112(a) asks for is NEVI's.
    "uptime_percent",
    "t_outage_min",
    "t_excluded_min",
    "nevi_percent",
    "uk_percent",
    "california_percent",
    "strict_percent",
    "up_min",
    "offline_min",
    "faulted_min",
    "unavailable_min",
    "excluded_by_reason_min",
    "open_min",
    "blind_min",
    "closed_min",
    "sessions",
    "energy_kwh",
    "outages",
    "outage_min",
    "outage_began_and_minutes",
];

/// What was charged at connectors in a month: how often and how much, Wh.
type Sessions = BTreeMap<(ChargerKey, ConnectorRef), (u64, f64)>;

/// The most sessions of a month that are added up; a fleet with more asks site by site.
const SESSIONS_MAX: usize = 100_000;

/// The sessions of a month; `None` when there are more than are added up here.
async fn sessions_of(
    state: &AppState,
    scope: UptimeScope,
    month: Month,
) -> Result<Option<Sessions>, mendpoint_pipeline::Error> {
    let filter = TransactionFilter {
        site: scope.site,
        charger: scope.charger,
        from: Some(month.begin()),
        until: Some(month.end()),
        ..TransactionFilter::default()
    };
    let mut sessions = Sessions::new();
    let (mut from, mut count) = (None, 0);
    loop {
        let (rows, next) = state.handle().store().transactions(&filter, from, PAGE_MAX).await?;
        count += rows.len();
        for row in rows {
            let of = sessions.entry((row.charger, row.transaction.connector)).or_default();
            of.0 += 1;
            of.1 += row.energy_wh.or_else(|| row.transaction.energy_wh()).unwrap_or_default();
        }
        from = next;
        if from.is_none() {
            return Ok(Some(sessions));
        }
        if count >= SESSIONS_MAX {
            return Ok(None);
        }
    }
}

/// What a quarter's file says of a port (23 CFR 680.112(a)): its three months, what every rule makes of
/// them, what was charged, and every outage.
pub(crate) async fn quarter_file(
    state: &AppState,
    first: Month,
    scope: UptimeScope,
) -> Result<String, mendpoint_pipeline::Error> {
    let mut out = String::new();
    crate::csv::line(&mut out, &QUARTER);
    let now = state.handle().now();
    for months in 0..3 {
        let month = first.plus(months);
        if month.begin() > now {
            break;
        }
        let sessions = sessions_of(state, scope, month).await?;
        for port in state.handle().uptime(scope, month.begin(), month.end()).await? {
            let charged = sessions
                .as_ref()
                .map(|all| all.get(&(port.charger, port.connector)).copied().unwrap_or_default());
            let cells = quarter_cells(state, &port, month, now, charged);
            let cells: Vec<&str> = cells.iter().map(String::as_str).collect();
            crate::csv::line(&mut out, &cells);
        }
    }
    Ok(out)
}

fn quarter_cells(
    state: &AppState,
    port: &PortTally,
    month: Month,
    now: UnixMs,
    charged: Option<(u64, f64)>,
) -> [String; 24] {
    let directory = state.handle().directory();
    let charger = directory.charger(port.charger);
    let identity = charger.map(|record| record.identity.to_string()).unwrap_or_default();
    let site = directory.site(port.site).map(|site| site.name.clone()).unwrap_or_default();
    let figures = Figures::of(&port.tally);
    let minutes_of = |span: &Span| {
        let from = span.from.max(month.begin());
        span.until.min(month.end()).min(now).since_ms(from).max(0) / 60_000
    };
    let outages: Vec<String> = port
        .outages
        .iter()
        .map(|span| {
            let from = span.from.max(month.begin());
            let ongoing = if span.until > now { " ongoing" } else { "" };
            format!("{from} {} {}{ongoing}", span.class.name(), minutes_of(span))
        })
        .collect();
    let down: i64 = port.outages.iter().map(minutes_of).sum();
    let mut excluded: BTreeMap<&str, i64> = BTreeMap::new();
    for ((reason, _), minutes) in &port.tally.excluded {
        *excluded.entry(reason.name()).or_default() += *minutes;
    }
    let excluded: Vec<String> =
        excluded.iter().map(|(reason, minutes)| format!("{reason} {minutes}")).collect();
    let number = |value: i64| value.to_string();
    let share = |value: Option<f64>| value.map(|value| format!("{value:.4}")).unwrap_or_default();
    let tally = &port.tally;
    [
        month.to_string(),
        site,
        identity,
        port.connector.to_string(),
        share(figures.nevi),
        number(formula::nevi_outage(tally)),
        number(tally.excluded()),
        share(figures.nevi),
        share(figures.uk),
        share(figures.california),
        share(figures.strict),
        number(tally.up),
        number(tally.offline),
        number(tally.faulted),
        number(tally.unavailable),
        excluded.join("; "),
        number(tally.open()),
        number(tally.blind),
        number(tally.closed),
        charged.map(|(sessions, _)| sessions.to_string()).unwrap_or_default(),
        charged.map(|(_, wh)| format!("{:.3}", wh / 1_000.0)).unwrap_or_default(),
        number(outages.len() as i64),
        number(down),
        outages.join("; "),
    ]
}

/// Approves or refuses an exclusion; the sentence says what became of it. Nobody approves what they
/// proposed themselves.
pub(crate) async fn decide(
    state: &AppState,
    who: &str,
    id: i64,
    decision: &str,
) -> Result<Result<String, String>, mendpoint_pipeline::Error> {
    let handle = state.handle();
    let (decision, word) = match decision {
        "approve" => (Decision::Approved, "approved"),
        "refuse" => (Decision::Refused, "refused"),
        other => return Ok(Err(format!("{other:?} is neither approve nor refuse."))),
    };
    let Some(row) = handle.store().exclusion(id).await? else {
        return Ok(Err("That exclusion is not there any more.".to_owned()));
    };
    if row.exclusion.decision == decision {
        return Ok(Err(format!("It was {word} by {} before.", row.decided_by)));
    }
    if decision == Decision::Approved && row.proposed_by == who {
        return Ok(Err("Somebody else must approve what you proposed.".to_owned()));
    }
    handle.store().decide_exclusion(id, decision, who).await?;
    handle.audit(who, &format!("exclusion {word}"), &id.to_string()).await;
    Ok(Ok(format!("It was {word}; the figures count it so from now on.")))
}

/// Approves or refuses all that an outage proposed and nobody decided yet: what was done, or why not.
pub(crate) async fn decide_outage(
    state: &AppState,
    who: &str,
    incident: IncidentId,
    decision: &str,
) -> Result<Result<String, String>, mendpoint_pipeline::Error> {
    let rows = state.handle().store().exclusions_of(incident).await?;
    let mut many = 0;
    for row in rows.iter().filter(|row| row.exclusion.decision == Decision::Proposed) {
        match decide(state, who, row.exclusion.id, decision).await? {
            Ok(_) => many += 1,
            Err(why) => return Ok(Err(why)),
        }
    }
    if many == 0 {
        return Ok(Err(format!("Nothing that {incident} proposed waits for a decision.")));
    }
    let word = if decision == "approve" { "approved" } else { "refused" };
    Ok(Ok(format!("{many} of {incident} were {word}; the figures count them so from now on.")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn months_begin_where_the_calendar_says() {
        let month = |text| Month::parse(text).expect("a month");
        assert_eq!(month("2026-01").begin().to_string(), "2026-01-01T00:00:00Z");
        assert_eq!(month("2024-02").end().to_string(), "2024-03-01T00:00:00Z");
        assert_eq!(month("2026-12").end().to_string(), "2027-01-01T00:00:00Z");
        assert_eq!(Month::of(UnixMs(1_790_000_000_000)), month("2026-09"));
        assert_eq!(month("2026-01").plus(-1), month("2025-12"));
        assert_eq!(month("2026-11").quarter(), month("2026-10"));
        assert_eq!(Month::parse("2026-13"), None);
    }

    #[test]
    fn a_quarters_file_has_every_figure_that_the_api_tells() {
        for key in
            ["nevi_percent", "uk_percent", "california_percent", "strict_percent", "sessions"]
        {
            assert!(QUARTER.contains(&key), "{key}");
        }
    }

    #[test]
    fn a_figure_is_never_rounded_up() {
        assert_eq!(percent(Some(96.999_9)), "96.99 %");
        assert_eq!(percent(None), "no data");
    }
}
