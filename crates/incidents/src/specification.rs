//! The tables of the specification (2.1, 2.2) as they must be: a number or a ladder that is changed fails
//! here, and has to be changed in two places by somebody who means it.

use mendpoint_model::{ConnectorRef, FaultReport, Rung};

use crate::codes::{CODES, code_info, normalise_fault};
use crate::settings::EngineSettings;
use crate::world::shipped;

/// Code, MREC number, severity, safety, whether no reset may be sent, and the ladder.
type Row = (&'static str, &'static str, u8, bool, bool, &'static [Rung]);

use Rung::{L0, L1, L2, L3, L4, L5, L6P, Q};

const SECOND: i64 = 1_000;
const MINUTE: i64 = 60 * SECOND;
const HOUR: i64 = 60 * MINUTE;

const TABLE: &[Row] = &[
    ("ConnectorLockFailure", "CX001", 4, false, false, &[L1, L2, L3, L4]),
    ("EVCommunicationError", "", 6, false, false, &[L0, L1]),
    ("GroundFailure", "CX002", 1, true, true, &[L0, L4, Q]),
    ("HighTemperature", "CX003", 3, false, true, &[L0]),
    ("InternalError", "", 3, false, false, &[L1, L4, L5]),
    ("LocalListConflict", "", 6, false, true, &[L1]),
    ("OtherError", "", 4, false, false, &[L1, L4, L5]),
    ("OverCurrentFailure", "CX004", 2, false, true, &[]),
    ("OverVoltage", "CX005", 3, false, true, &[L0]),
    ("PowerMeterFailure", "", 3, false, false, &[L1, L4, L5]),
    ("PowerSwitchFailure", "", 1, true, true, &[Q]),
    ("ReaderFailure", "", 5, false, false, &[L4, L5]),
    ("ResetFailure", "", 4, false, false, &[L0, L5, L6P]),
    ("UnderVoltage", "CX006", 3, false, true, &[L0]),
    ("WeakSignal", "CX007", 6, false, true, &[L0]),
    ("EmergencyStop", "CX008", 1, true, true, &[Q]),
    ("AuthorizationTimeout", "CX009", 6, false, true, &[L0]),
    ("InvalidVehicleMode", "CX010", 6, false, true, &[L0]),
    ("CableCheckFault", "CX011", 2, true, true, &[Q]),
    ("PreChargeFailure", "CX012", 4, false, false, &[L1, L4]),
    ("NoInternet", "CX013", 6, false, true, &[L0]),
    ("PilotFault", "CX014", 5, false, false, &[L0, L4]),
    ("PowerLoss", "CX015", 3, false, true, &[L0]),
    ("EVContactorFault", "CX016", 5, false, true, &[L0]),
    ("EVSEContactorFault", "CX017", 1, true, true, &[Q]),
    ("CableOverTempDerate", "CX018", 5, false, true, &[L0]),
    ("CableOverTempStop", "CX019", 2, true, true, &[L0, Q]),
    ("PartialInsertion", "CX020", 6, false, true, &[L0]),
    ("CapacitanceFault", "CX021", 2, true, true, &[Q]),
    ("ResistanceFault", "CX022", 2, true, true, &[Q]),
    ("ProximityFault", "CX023", 5, false, false, &[L0]),
    ("ConnectorVoltageHigh", "CX024", 1, true, true, &[Q]),
    ("BrokenLatch", "CX025", 4, false, true, &[]),
    ("CutCable", "CX026", 1, true, true, &[Q]),
    ("FloodSensor", "", 1, true, true, &[Q]),
    ("TiltSensor", "", 1, true, true, &[Q]),
    ("EnclosureOpen", "", 2, true, true, &[Q]),
    ("Tripped", "", 1, true, true, &[Q]),
    ("HardwareFailure", "", 1, true, true, &[Q]),
    ("SelfRestart", "", 6, false, true, &[L0]),
    ("FuseBlown", "", 3, false, true, &[]),
    ("Moisture", "", 3, false, true, &[]),
    ("VehicleOverCurrent", "", 5, false, true, &[L0]),
    ("NotConfigured", "", 5, false, true, &[]),
    ("SwitchedOff", "", 6, false, true, &[]),
    ("SupplyFault", "", 1, true, true, &[Q]),
];

#[test]
fn every_code_has_the_severity_and_the_ladder_of_the_tables() {
    assert_eq!(CODES.len(), TABLE.len());
    let catalogue = shipped();
    let playbook = catalogue.playbook("err_faulted").expect("it is shipped");
    let rule = catalogue.rule("ERR_FAULTED").expect("it is shipped");
    for (name, mrec, severity, safety, no_reset, ladder) in TABLE {
        let info = code_info(name).expect(name);
        assert_eq!(info.mrec.unwrap_or_default(), *mrec, "{name}");
        assert_eq!(
            (info.severity, info.safety, info.no_reset),
            (*severity, *safety, *no_reset),
            "{name}"
        );
        assert_eq!(rule.severity_of(name), *severity, "{name} as an incident");
        assert_eq!(playbook.ladder(name), *ladder, "{name}");
        // What no reset cures has none in its ladder; one after the car is unplugged, by G3, excepted.
        let resets = ladder.iter().any(|rung| matches!(rung, L2 | L3 | L4 | L5));
        assert!(!*no_reset || !resets || *name == "GroundFailure", "{name}");
        // A matter of safety is at once (0 s), all else after a minute.
        assert_eq!(rule.for_ms(name), if *safety { 0 } else { 60_000 }, "{name}");
    }
    assert_eq!(playbook.ladder("AnythingElse"), [L1, L4, L5]);
}

#[test]
fn waits_are_those_of_the_tables() {
    const MINUTE: i64 = 60_000;
    let catalogue = shipped();
    let playbook = catalogue.playbook("err_faulted").expect("it is shipped");
    for (code, minutes) in [
        ("GroundFailure", 15),
        ("HighTemperature", 30),
        ("CableOverTempStop", 30),
        ("ResetFailure", 15),
        ("EVCommunicationError", 5),
        ("OverVoltage", 10),
        ("UnderVoltage", 10),
        ("PilotFault", 10),
    ] {
        assert_eq!(playbook.wait_ms(code), minutes * MINUTE, "{code}");
    }
}

#[test]
fn components_of_the_device_model_mean_what_the_tables_say() {
    for (component, variable, word) in [
        ("RCD", "Tripped", "GroundFailure"),
        ("RCD", "Operated", "GroundFailure"),
        ("PowerContactor", "Problem", "PowerSwitchFailure"),
        ("PowerContactor", "Tripped", "PowerSwitchFailure"),
        ("GroundIsolationProtection", "Problem", "ResistanceFault"),
        ("EmergencyStopSensor", "Active", "EmergencyStop"),
        ("FloodSensor", "Active", "FloodSensor"),
        ("TokenReader", "Problem", "ReaderFailure"),
        ("FiscalMetering", "Problem", "PowerMeterFailure"),
        ("ConnectorPlugRetentionLock", "Problem", "ConnectorLockFailure"),
        ("CPPWMController", "Problem", "PilotFault"),
        ("DataLink", "Problem", "WeakSignal"),
        ("OverCurrentBreaker", "Problem", "OverCurrentFailure"),
        ("OverCurrentBreaker", "Tripped", "Tripped"),
        ("LocalAuthListCtrlr", "Problem", "LocalListConflict"),
        ("Controller", "Problem", "InternalError"),
        ("EVSE", "Tripped", "Tripped"),
        ("EVSE", "Overload", "OtherError"),
    ] {
        let fault = FaultReport {
            connector: ConnectorRef::CHARGER,
            component: component.to_owned(),
            variable: variable.to_owned(),
            active: true,
            code: None,
            info: None,
            severity: None,
            at: None,
        };
        assert_eq!(normalise_fault(&fault), word, "{component}.{variable}");
    }
}

#[test]
fn the_numbers_of_healing_and_correlation_are_those_of_the_specification() {
    let engine = EngineSettings::default();
    // 1.1, 1.2 and 1.6: verify, proof, reopening.
    for (value, wanted, what) in [
        (engine.startup_grace_ms, 10 * MINUTE, "startup grace"),
        (engine.probe_timeout_ms, 5 * SECOND, "the probe before CP_OFFLINE"),
        (engine.command_timeout_ms, 30 * SECOND, "a command's answer"),
        (engine.boot_ms, 180 * SECOND, "T_boot"),
        (engine.boot_min_ms, 60 * SECOND, "T_boot at least"),
        (engine.boot_max_ms, 600 * SECOND, "T_boot at most"),
        (engine.healthy_ms, 300 * SECOND, "healthy delay"),
        (engine.worse_after_ms, 10 * MINUTE, "G9 after T_boot"),
        (engine.proof_ms, 24 * HOUR, "a failed attempt undoes a repair"),
        (engine.reopen_ms, 60 * MINUTE, "reopened within"),
        (engine.new_rule_shadow_ms, 7 * 24 * HOUR, "G10"),
        (engine.diagnostics_every_ms, 24 * HOUR, "diagnostics before a reset"),
        (engine.report_join_ms, 24 * HOUR, "reports of drivers join"),
        (engine.group_wait_ms, 30 * SECOND, "group wait"),
        (engine.group_interval_ms, 5 * MINUTE, "group interval"),
        (engine.group_repeat_ms, 4 * HOUR, "group repeat"),
    ] {
        assert_eq!(value, wanted, "{what}");
    }
    assert_eq!(engine.learn_fleet_min, 50);
    let rails = &engine.guardrails;
    for (value, wanted, what) in [
        (rails.stuck_transaction_ms, 30 * MINUTE, "G1 stuck"),
        (rails.stuck_stop_ms, 120 * SECOND, "G1 stop"),
        (rails.after_plug_in_ms, 120 * SECOND, "G2"),
        (rails.ground_wait_ms, 15 * MINUTE, "G3 ground fault"),
        (rails.ground_again_ms, 7 * 24 * HOUR, "G3 ground fault again"),
        (rails.gap_ms, 5 * MINUTE, "G4 gap"),
        (rails.disruptive_window_ms, 24 * HOUR, "G4 disruptive"),
        (rails.hard_reset_gap_ms, 6 * HOUR, "G4 hard reset"),
        (rails.new_window_ms, MINUTE, "G5 new actions"),
        (rails.storm_cool_ms, 10 * MINUTE, "G6 cooldown"),
        (rails.breaker_open_ms, 24 * HOUR, "G8"),
        (rails.vanished_window_ms, 60 * SECOND, "G11 vanished"),
        (rails.lag_stop_ms, 60 * SECOND, "G11 lag"),
    ] {
        assert_eq!(value, wanted, "{what}");
    }
    assert_eq!(rails.backoff_ms, [15 * MINUTE, HOUR, 6 * HOUR]);
    assert_eq!((rails.tries_per_rung, rails.disruptive_max, rails.new_per_minute), (2, 3, 10));
    assert_eq!((rails.storm_site_min, rails.storm_cohort_min, rails.canary_chargers), (3, 10, 3));
    assert_eq!((rails.site_percent, rails.vanished_percent), (20, 20));
    assert_eq!((rails.breaker_outcomes, rails.breaker_worse, rails.boot_loop), (20, 2, 3));
    let percent = [
        rails.cohort_percent,
        rails.fleet_percent,
        rails.storm_site_percent,
        rails.storm_cohort_percent,
        rails.storm_fleet_percent,
        rails.breaker_below * 100.0,
    ];
    assert_eq!(percent.map(|value| value.round() as i64), [5, 1, 40, 20, 5, 40]);
    let wide = &engine.correlation;
    assert_eq!((wide.site_min, wide.site_percent, wide.site_window_ms), (2, 60, 120 * SECOND));
    assert_eq!((wide.carrier_min, wide.carrier_sites, wide.carrier_window_ms), (10, 3, 5 * MINUTE));
    assert_eq!((wide.blind_percent, wide.blind_window_ms), (20, 60 * SECOND));
    assert_eq!((wide.cohort_affected, wide.cohort_min), (3, 5));
    assert_eq!((wide.cohort_window_ms, wide.cohort_before_ms), (24 * HOUR, 14 * 24 * HOUR));
    assert_eq!(((wide.cohort_ratio * 10.0) as i64, (wide.cohort_p * 1_000.0) as i64), (30, 10));
    assert_eq!((wide.vehicle_failures, wide.vehicle_sites), (3, 2));
}
