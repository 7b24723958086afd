//! The tables of the specification (2.1, 2.2) as they must be: a number or a ladder that is changed fails
//! here, and has to be changed in two places by somebody who means it.

use mendpoint_model::{ConnectorRef, FaultReport, Rung};

use crate::codes::{CODES, code_info, normalise_fault};
use crate::world::shipped;

/// Code, MREC number, severity, safety, whether no reset may be sent, and the ladder.
type Row = (&'static str, &'static str, u8, bool, bool, &'static [Rung]);

use Rung::{L0, L1, L2, L3, L4, L5, L6P, Q};

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
    let catalogue = shipped();
    let playbook = catalogue.playbook("err_faulted").expect("it is shipped");
    const MINUTE: i64 = 60_000;
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
