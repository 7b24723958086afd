//! Which monitors a charger gets (2.2b), out of what its device model reported.

use mendpoint_model::{AttributeKind, MonitorReport, Transport, VariableReport};
use serde_json::{Value, json};

use crate::progress::{Monitors, Wanted};

/// Components of danger: their faults are of severity 1 (G3).
const SAFETY: [&str; 8] = [
    "EmergencyStopSensor",
    "GroundIsolationProtection",
    "RCD",
    "PowerContactor",
    "FloodSensor",
    "TiltSensor",
    "OverCurrentProtection",
    "OverCurrentProtectionRecloser",
];

/// Severity of a fault that a person or the engine has to act on, in time.
const SEVERITY_ERROR: u8 = 4;
/// Severity of a fault of a part that protects people.
const SEVERITY_SAFETY: u8 = 1;
/// Severity of a weak radio link.
const SEVERITY_SIGNAL: u8 = 6;

/// Below which a radio link is reported: what `WEAK_WIFI` and `WEAK_CELL` begin at.
const WIFI_DBM: f64 = -80.0;
const CELLULAR_DBM: f64 = -100.0;
const PERCENT: f64 = 20.0;

/// The monitor for a variable, if it is one to be watched.
pub(crate) fn wanted(report: &VariableReport) -> Option<Wanted> {
    if report.attribute != AttributeKind::Actual || report.supports_monitoring == Some(false) {
        return None;
    }
    let at = &report.at;
    let (kind, value, severity) = match (at.component.as_str(), at.variable.as_str()) {
        ("DataLink", "SignalStrength") => ("LowerThreshold", threshold(report), SEVERITY_SIGNAL),
        (component, "Problem" | "Tripped") if !component.is_empty() => {
            let is_safety = SAFETY.contains(&component);
            ("Delta", 1.0, if is_safety { SEVERITY_SAFETY } else { SEVERITY_ERROR })
        }
        _ => return None,
    };
    Some(Wanted {
        at: at.clone(),
        kind: kind.to_owned(),
        value,
        severity,
        status: String::new(),
        id: None,
    })
}

fn threshold(report: &VariableReport) -> f64 {
    let names = format!("{} {}", report.at.instance, report.at.variable_instance).to_lowercase();
    let value: Option<f64> = report.value.as_deref().and_then(|value| value.trim().parse().ok());
    let is_dbm = report.unit.eq_ignore_ascii_case("dbm") || value.is_some_and(|value| value < 0.0);
    let is_percent = report.unit.eq_ignore_ascii_case("percent");
    if is_percent || (!is_dbm && value.is_some()) {
        return PERCENT;
    }
    let is_wifi = ["wifi", "wlan", "wi-fi"].iter().any(|word| names.contains(word));
    match if is_wifi { Transport::Wifi } else { Transport::Cellular } {
        Transport::Wifi => WIFI_DBM,
        Transport::Cellular => CELLULAR_DBM,
    }
}

/// Whether a charger says of itself that it watches nothing.
pub(crate) fn says_no(report: &VariableReport) -> bool {
    report.at.component == "MonitoringCtrlr"
        && report.at.variable == "Available"
        && report.attribute == AttributeKind::Actual
        && report.value.as_deref().is_some_and(|value| value.trim().eq_ignore_ascii_case("false"))
}

/// The payload of `SetVariableMonitoring` for the monitors that were not asked for yet, at most
/// `max` of them.
pub(crate) fn set_payload(monitors: &Monitors, max: usize) -> Option<Value> {
    let data: Vec<_> = unasked(monitors).take(max.max(1)).map(entry).collect();
    (!data.is_empty()).then(|| json!({ "setMonitoringData": data }))
}

fn unasked(monitors: &Monitors) -> impl Iterator<Item = &Wanted> {
    monitors.wanted.iter().filter(|wanted| wanted.status.is_empty())
}

fn entry(wanted: &Wanted) -> Value {
    let at = &wanted.at;
    let mut component = json!({ "name": at.component });
    if !at.instance.is_empty() {
        component["instance"] = json!(at.instance);
    }
    if let Some(evse) = at.evse {
        component["evse"] = json!({ "id": evse });
        if let Some(connector) = at.connector {
            component["evse"]["connectorId"] = json!(connector);
        }
    }
    let mut variable = json!({ "name": at.variable });
    if !at.variable_instance.is_empty() {
        variable["instance"] = json!(at.variable_instance);
    }
    json!({
        "transaction": false,
        "value": wanted.value,
        "type": wanted.kind,
        "severity": wanted.severity,
        "component": component,
        "variable": variable,
    })
}

/// Takes in what became of the monitors of one message. Those that got no word count as refused,
/// so that they are not asked for again and again.
pub(crate) fn note_results(monitors: &mut Monitors, max: usize, results: &[MonitorReport]) {
    let mut left = max.max(1);
    for wanted in monitors.wanted.iter_mut().filter(|wanted| wanted.status.is_empty()) {
        if left == 0 {
            break;
        }
        left -= 1;
        let result = results.iter().find(|result| wanted.is_same(result));
        match result {
            Some(result) => {
                wanted.status.clone_from(&result.status);
                wanted.id = result.id;
            }
            None => "no word".clone_into(&mut wanted.status),
        }
    }
}

/// Compares what is wanted with what the charger says it watches. `true`: something that was
/// accepted is not there, and is wanted once more.
pub(crate) fn reconcile(monitors: &mut Monitors, installed: &[MonitorReport]) -> bool {
    let mut missing = false;
    for wanted in &mut monitors.wanted {
        let found = installed.iter().find(|monitor| wanted.is_same(monitor));
        match found {
            Some(monitor) => {
                wanted.id = monitor.id;
                "Accepted".clone_into(&mut wanted.status);
            }
            None if wanted.is_installed() && !monitors.mended => {
                wanted.status.clear();
                missing = true;
            }
            None if wanted.is_installed() => "not in its report".clone_into(&mut wanted.status),
            None => {}
        }
    }
    monitors.mended |= missing;
    missing
}

#[cfg(test)]
mod tests {
    use mendpoint_model::VariableRef;

    use super::*;

    fn report(component: &str, variable: &str, value: &str) -> VariableReport {
        VariableReport {
            at: VariableRef {
                component: component.into(),
                evse: Some(1),
                variable: variable.into(),
                ..VariableRef::default()
            },
            value: Some(value.into()),
            ..VariableReport::default()
        }
    }

    #[test]
    fn faults_and_the_radio_link_are_watched_and_nothing_else() {
        let of = |component: &str, variable: &str, value: &str| {
            wanted(&report(component, variable, value))
                .map(|wanted| (wanted.kind, wanted.value, wanted.severity))
        };
        let delta = |severity| Some(("Delta".to_owned(), 1.0, severity));
        assert_eq!(of("EVSE", "Problem", "false"), delta(4));
        assert_eq!(of("RCD", "Tripped", "false"), delta(1));
        let below = |value| Some(("LowerThreshold".to_owned(), value, 6));
        assert_eq!(of("DataLink", "SignalStrength", "-72"), below(-100.0));
        assert_eq!(of("DataLink", "SignalStrength", "45"), below(20.0));
        for part in SAFETY {
            assert_eq!(of(part, "Problem", "false"), delta(1), "{part}");
        }
        let mut wifi = report("DataLink", "SignalStrength", "-72");
        wifi.at.instance = "WLAN0".into();
        assert_eq!(wanted(&wifi).map(|wanted| wanted.value), Some(-80.0));
        assert_eq!(of("EVSE", "Power", "7400"), None);
        let mut silent = report("EVSE", "Problem", "false");
        silent.supports_monitoring = Some(false);
        assert_eq!(wanted(&silent), None, "the charger says that it cannot watch it");
    }

    #[test]
    fn what_the_report_lacks_is_asked_for_once_more_and_then_given_up() {
        let one = wanted(&report("EVSE", "Problem", "false")).expect("wanted");
        let mut monitors = Monitors { wanted: vec![one], ..Monitors::default() };
        let accepted = MonitorReport {
            at: monitors.wanted[0].at.clone(),
            kind: "Delta".into(),
            status: "Accepted".into(),
            id: Some(3),
            ..MonitorReport::default()
        };
        note_results(&mut monitors, 8, std::slice::from_ref(&accepted));
        assert!(monitors.wanted[0].is_installed());
        assert!(reconcile(&mut monitors, &[]), "it is not there");
        assert!(set_payload(&monitors, 8).is_some());
        note_results(&mut monitors, 8, &[accepted]);
        assert!(!reconcile(&mut monitors, &[]), "once more, not for ever");
        assert_eq!(monitors.wanted[0].status, "not in its report");
    }
}
