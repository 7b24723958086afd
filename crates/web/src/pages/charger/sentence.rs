//! The state of a charger in plain words.

use mendpoint_model::{Admission, ChargerState, ConnectorState, ConnectorStatus, UnixMs};

use crate::show;

/// What is the matter with a charger and its connectors, the worst first.
pub(super) fn of(now: UnixMs, admission: Admission, state: Option<&ChargerState>) -> String {
    let before = match admission {
        Admission::Accepted => "",
        Admission::Quarantined => "It came by itself and waits for you to accept it. ",
        Admission::Blocked => "It is blocked and may not connect. ",
    };
    format!("{before}{}", of_state(now, state))
}

fn of_state(now: UnixMs, state: Option<&ChargerState>) -> String {
    let Some((state, since)) = state.and_then(|state| Some((state, state.link.since?))) else {
        return "It has never connected.".to_owned();
    };
    let lasted = show::duration(now.since_ms(since));
    if !state.link.connected {
        let reason = match &*state.link.last_close {
            "" => String::new(),
            reason => format!(": {reason}"),
        };
        let last = worst_first(state)
            .into_iter()
            .find(|connector| rank(connector) < 3)
            .map(|connector| {
                format!(" Last known: {} was {}.", name(connector, false), word(connector))
            })
            .unwrap_or_default();
        return format!("Offline for {lasted}{reason}.{last}");
    }
    let connectors = worst_first(state);
    if connectors.is_empty() {
        return format!("Online for {lasted}, but no connector was reported yet.");
    }
    let is_free = |connector: &&ConnectorState| {
        connector.status == ConnectorStatus::Available && rank(connector) > 2
    };
    if connectors.iter().all(is_free) {
        return match connectors.len() {
            1 => format!("{} is free.", name(connectors[0], true)),
            count => format!("All {count} connectors are free."),
        };
    }
    let clauses: Vec<String> = connectors.iter().map(|connector| clause(now, connector)).collect();
    clauses.join(" ")
}

/// The connectors, and the charger as a whole where it says something, the worst first.
fn worst_first(state: &ChargerState) -> Vec<&ConnectorState> {
    let whole = Some(&state.whole).filter(|whole| rank(whole) < 3);
    let mut all: Vec<_> = whole.into_iter().chain(&state.connectors).collect();
    all.sort_by_key(|connector| (rank(connector), connector.at));
    all
}

/// 0 is broken, 1 works with an error, 2 is out of service, 3 and more is well.
fn rank(connector: &ConnectorState) -> u8 {
    match connector.status {
        ConnectorStatus::Faulted => 0,
        _ if !connector.faults.is_empty() => 0,
        _ if connector.error.is_some() => 1,
        ConnectorStatus::Unavailable => 2,
        ConnectorStatus::Unknown => 5,
        ConnectorStatus::Available => 4,
        _ => 3,
    }
}

fn name(connector: &ConnectorState, at_start: bool) -> String {
    match (connector.at.is_charger(), at_start) {
        (true, true) => "The whole charger".to_owned(),
        (true, false) => "the whole charger".to_owned(),
        (false, true) => format!("Connector {}", connector.at),
        (false, false) => format!("connector {}", connector.at),
    }
}

/// `Connector 2 is faulted: GroundFailure, for 12 min.`
fn clause(now: UnixMs, connector: &ConnectorState) -> String {
    let mut text = format!("{} is {}", name(connector, true), word(connector));
    let causes = causes(connector);
    if !causes.is_empty() {
        text.push_str(if rank(connector) == 0 { ": " } else { " and reports " });
        text.push_str(&causes.join(", "));
    }
    if let Some(since) = connector.since.filter(|_| rank(connector) < 3) {
        text.push_str(", for ");
        text.push_str(&show::duration(now.since_ms(since)));
    } else if let (ConnectorStatus::Charging, Some(power)) = (connector.status, connector.power_w) {
        text.push_str(" with ");
        text.push_str(&show::power(power));
    }
    text.push('.');
    text
}

/// The error codes as the charger sent them: OCPP 1.6 beside the status, 2.x as faults.
pub(super) fn causes(connector: &ConnectorState) -> Vec<String> {
    let error = connector.error.as_ref().map(|error| error.code.clone());
    let faults = connector.faults.iter().map(|fault| {
        let what = fault.code.as_deref().unwrap_or(&fault.variable);
        format!("{} {what}", fault.component)
    });
    error.into_iter().chain(faults).collect()
}

/// A status in plain words, to follow "is".
pub(super) fn word(connector: &ConnectorState) -> &'static str {
    match connector.status {
        _ if rank(connector) == 0 => "faulted",
        ConnectorStatus::Available => "free",
        ConnectorStatus::Preparing => "plugged in, not charging yet",
        ConnectorStatus::Charging => "charging",
        ConnectorStatus::SuspendedEvse => "paused by the charger",
        ConnectorStatus::SuspendedEv => "paused by the car",
        ConnectorStatus::Finishing => "done, the cable is still in",
        ConnectorStatus::Reserved => "reserved",
        ConnectorStatus::Unavailable => "out of service",
        ConnectorStatus::Faulted => "faulted",
        ConnectorStatus::Unknown => "in a state that we do not know",
    }
}

#[cfg(test)]
mod tests {
    use mendpoint_model::{
        ChargerKey, ConnectorRef, ErrorReport, FaultReport, Link, MINUTE_MS, SiteKey,
    };

    use super::*;

    const NOW: UnixMs = UnixMs(1_790_000_000_000);

    fn charger(connected: bool, connectors: Vec<ConnectorState>) -> ChargerState {
        ChargerState {
            key: ChargerKey(1),
            site: SiteKey(1),
            identity: "CP-1".into(),
            link: Link {
                connected,
                since: Some(NOW - 5 * MINUTE_MS),
                last_close: "no answer to pings".into(),
                ..Link::default()
            },
            boot: None,
            booted_at: None,
            whole: ConnectorState::default(),
            connectors: connectors.into(),
            transactions: Vec::new().into(),
            signals: Vec::new().into(),
            firmware_status: None,
            diagnostics_status: None,
            configuration: std::collections::BTreeMap::new(),
            clock_skew_ms: None,
            drift: None,
            carded_at: None,
        }
    }

    fn connector(number: u16, status: ConnectorStatus) -> ConnectorState {
        ConnectorState {
            at: ConnectorRef::v16(number),
            status,
            since: Some(NOW - 12 * MINUTE_MS),
            ..ConnectorState::default()
        }
    }

    fn broken() -> ConnectorState {
        let error = ErrorReport { code: "GroundFailure".to_owned(), ..ErrorReport::default() };
        ConnectorState { error: Some(Box::new(error)), ..connector(2, ConnectorStatus::Faulted) }
    }

    fn told(state: &ChargerState) -> String {
        of(NOW, Admission::Accepted, Some(state))
    }

    #[test]
    fn the_worst_is_said_first() {
        let state = charger(true, vec![connector(1, ConnectorStatus::Charging), broken()]);
        assert_eq!(
            told(&state),
            "Connector 2 is faulted: GroundFailure, for 12 min. Connector 1 is charging."
        );
    }

    #[test]
    fn an_error_without_a_fault_is_a_report() {
        let mut warned = broken();
        warned.status = ConnectorStatus::Available;
        let state = charger(true, vec![warned]);
        assert_eq!(told(&state), "Connector 2 is free and reports GroundFailure, for 12 min.");
    }

    #[test]
    fn a_fault_of_the_newer_versions_counts_as_one() {
        let fault = FaultReport {
            connector: ConnectorRef::v16(1),
            component: "Connector".to_owned(),
            variable: "Problem".to_owned(),
            active: true,
            code: Some("CX002".to_owned()),
            info: None,
            severity: None,
            at: None,
        };
        let mut state = connector(1, ConnectorStatus::Available);
        state.faults.push(fault);
        let state = charger(true, vec![state]);
        assert_eq!(told(&state), "Connector 1 is faulted: Connector CX002, for 12 min.");
    }

    #[test]
    fn away_chargers_say_why_and_what_was_known() {
        let state = charger(false, vec![connector(1, ConnectorStatus::Available), broken()]);
        assert_eq!(
            told(&state),
            "Offline for 5 min: no answer to pings. Last known: connector 2 was faulted."
        );
        let never = "It has never connected.";
        assert_eq!(of(NOW, Admission::Accepted, None), never);
        assert!(of(NOW, Admission::Quarantined, None).starts_with("It came by itself"));
    }

    #[test]
    fn all_well_is_short() {
        let free = |number| connector(number, ConnectorStatus::Available);
        assert_eq!(told(&charger(true, vec![free(1)])), "Connector 1 is free.");
        assert_eq!(told(&charger(true, vec![free(1), free(2)])), "All 2 connectors are free.");
        let silent = charger(true, Vec::new());
        assert_eq!(told(&silent), "Online for 5 min, but no connector was reported yet.");
    }
}
