//! Error codes in one spelling, with what the standards say about them (tables 2.1, 2.2, 2.2b).
//!
//! Chargers write codes in any case and in three dialects: the sixteen words of OCPP 1.6, the MREC
//! numbers `CX0nn` (in `vendorErrorCode` or `techCode`), and the component names of OCPP 2.x. Rules
//! and playbooks know one word for each.

use mendpoint_model::{ErrorReport, FaultReport};

/// What is known of a code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CodeInfo {
    /// The word in rules, incidents and on screen.
    pub name: &'static str,
    /// The MREC number, where there is one.
    pub mrec: Option<&'static str>,
    /// What it means, for people.
    pub meaning: &'static str,
    /// Severity 0 (danger) to 9.
    pub severity: u8,
    /// Whether it is a matter of safety: no hold-down, no reset or re-arm by the engine (G3).
    pub safety: bool,
    /// Whether a reset is forbidden for other reasons (2.1 "no reset"): it cures nothing, or makes
    /// it worse.
    pub no_reset: bool,
}

const fn code(
    name: &'static str,
    mrec: Option<&'static str>,
    severity: u8,
    meaning: &'static str,
) -> CodeInfo {
    CodeInfo { name, mrec, meaning, severity, safety: false, no_reset: false }
}

const fn safety(mut info: CodeInfo) -> CodeInfo {
    info.safety = true;
    info.no_reset = true;
    info
}

const fn no_reset(mut info: CodeInfo) -> CodeInfo {
    info.no_reset = true;
    info
}

/// Every known code.
pub const CODES: &[CodeInfo] = &[
    code("ConnectorLockFailure", Some("CX001"), 4, "the connector could not be locked or unlocked"),
    code("EVCommunicationError", None, 6, "the charger and the car could not talk to each other"),
    safety(code("GroundFailure", Some("CX002"), 1, "the ground fault interrupter has tripped")),
    no_reset(code("HighTemperature", Some("CX003"), 3, "the temperature inside is too high")),
    code("InternalError", None, 3, "an internal hardware or software error"),
    no_reset(code("LocalListConflict", None, 6, "the local list of cards conflicts with ours")),
    code("OtherError", None, 4, "an error that only the maker's own code names"),
    no_reset(code(
        "OverCurrentFailure",
        Some("CX004"),
        2,
        "the over-current protection has tripped",
    )),
    no_reset(code("OverVoltage", Some("CX005"), 3, "the voltage is too high")),
    code("PowerMeterFailure", None, 3, "the energy meter cannot be read"),
    safety(code(
        "PowerSwitchFailure",
        None,
        1,
        "the power switch cannot be controlled, it may be welded",
    )),
    code("ReaderFailure", None, 5, "the card reader does not work"),
    code("ResetFailure", None, 4, "the charger could not reset itself"),
    no_reset(code("UnderVoltage", Some("CX006"), 3, "the voltage is too low")),
    no_reset(code("WeakSignal", Some("CX007"), 6, "the radio signal is weak")),
    safety(code("EmergencyStop", Some("CX008"), 1, "somebody pressed the emergency stop")),
    no_reset(code(
        "AuthorizationTimeout",
        Some("CX009"),
        6,
        "nobody was authorised in time after plug-in",
    )),
    no_reset(code(
        "InvalidVehicleMode",
        Some("CX010"),
        6,
        "the car is in a mode that does not allow charging",
    )),
    safety(code(
        "CableCheckFault",
        Some("CX011"),
        2,
        "the cable check or isolation self-test failed",
    )),
    code("PreChargeFailure", Some("CX012"), 4, "the charger did not reach the pre-charge voltage"),
    no_reset(code("NoInternet", Some("CX013"), 6, "the charger has no internet")),
    code("PilotFault", Some("CX014"), 5, "the control pilot voltage is out of range"),
    no_reset(code("PowerLoss", Some("CX015"), 3, "the mains supply has failed")),
    no_reset(code("EVContactorFault", Some("CX016"), 5, "the contactors of the car failed")),
    safety(code(
        "EVSEContactorFault",
        Some("CX017"),
        1,
        "the contactors of the charger failed, they may be welded",
    )),
    no_reset(code("CableOverTempDerate", Some("CX018"), 5, "the cable is hot, power is reduced")),
    safety(code(
        "CableOverTempStop",
        Some("CX019"),
        2,
        "the cable is too hot, the session was stopped",
    )),
    no_reset(code("PartialInsertion", Some("CX020"), 6, "the plug is not fully in")),
    safety(code(
        "CapacitanceFault",
        Some("CX021"),
        2,
        "the isolation monitor tripped: high capacitance",
    )),
    safety(code(
        "ResistanceFault",
        Some("CX022"),
        2,
        "the isolation monitor tripped: low resistance to the chassis",
    )),
    code("ProximityFault", Some("CX023"), 5, "the proximity voltage is out of range"),
    safety(code(
        "ConnectorVoltageHigh",
        Some("CX024"),
        1,
        "there is high voltage at the connector outside a session",
    )),
    no_reset(code("BrokenLatch", Some("CX025"), 4, "the latch of the connector is broken")),
    safety(code("CutCable", Some("CX026"), 1, "the cable was cut")),
    safety(code("FloodSensor", None, 1, "water is in the housing")),
    safety(code("TiltSensor", None, 1, "the charger was tilted, somebody may have hit it")),
    safety(code("EnclosureOpen", None, 2, "the housing is open")),
    safety(code("Tripped", None, 1, "a protection has tripped and needs to be reset by hand")),
    safety(code("HardwareFailure", None, 1, "the charger calls it a danger or a hardware failure")),
];

/// What is known of a code's word.
pub fn code_info(name: &str) -> Option<&'static CodeInfo> {
    CODES.iter().find(|info| info.name.eq_ignore_ascii_case(name))
}

/// Whether a code is a matter of safety (G3, 0 s hold-down).
pub fn is_safety(name: &str) -> bool {
    code_info(name).is_some_and(|info| info.safety)
}

/// Whether the engine must never answer a code with an unlock, an availability cycle or a reset.
pub fn forbids_reset(name: &str) -> bool {
    code_info(name).is_some_and(|info| info.no_reset)
}

/// Finds `CX0nn` anywhere in a text, in any case: chargers write lists and add words.
fn mrec_in(text: &str) -> Option<&'static CodeInfo> {
    let bytes = text.as_bytes();
    bytes.windows(5).find_map(|window| {
        let is_code =
            window[..2].eq_ignore_ascii_case(b"cx") && window[2..].iter().all(u8::is_ascii_digit);
        if !is_code {
            return None;
        }
        CODES
            .iter()
            .find(|info| info.mrec.is_some_and(|mrec| mrec.as_bytes().eq_ignore_ascii_case(window)))
    })
}

/// The one word for a 1.6 error. The MREC number beside `OtherError` says more than `OtherError`.
/// An unknown vendor word stays as it is, empty becomes `OtherError`.
pub(crate) fn normalise_error(error: &ErrorReport) -> String {
    let known = code_info(&error.code);
    let is_general = known.is_none_or(|info| info.name == "OtherError");
    if is_general && let Some(info) = error.vendor_code.as_deref().and_then(mrec_in) {
        return info.name.to_owned();
    }
    match known {
        Some(info) => info.name.to_owned(),
        None => match mrec_in(&error.code) {
            Some(info) => info.name.to_owned(),
            None if error.code.trim().is_empty() => "OtherError".to_owned(),
            None => alias(&error.code).unwrap_or(&error.code).to_owned(),
        },
    }
}

/// Words of makers that mean one of ours (2.1: codes in lower case and under other names).
fn alias(word: &str) -> Option<&'static str> {
    const ALIASES: [(&str, &str); 6] = [
        ("mode3error", "EVCommunicationError"),
        ("rcdfailure", "GroundFailure"),
        ("rcmbfailure", "GroundFailure"),
        ("overtemperature", "HighTemperature"),
        ("emergencystoppressed", "EmergencyStop"),
        ("contactorwelded", "EVSEContactorFault"),
    ];
    let lower = word.to_ascii_lowercase();
    ALIASES.iter().find(|(name, _)| *name == lower).map(|(_, code)| *code)
}

/// The one word for a 2.x fault: its MREC number, else what its component means (2.2b).
///
/// A protection that has tripped, and a severity of 0 or 1, are matters of safety whatever the
/// component is called (G3): unless the code is one already, its word says so.
pub(crate) fn normalise_fault(fault: &FaultReport) -> String {
    let code = fault_code(fault);
    if is_safety(&code) {
        return code;
    }
    if fault.variable.eq_ignore_ascii_case("Tripped") {
        return "Tripped".to_owned();
    }
    if fault.severity.is_some_and(|severity| severity <= 1) {
        return "HardwareFailure".to_owned();
    }
    code
}

fn fault_code(fault: &FaultReport) -> String {
    if let Some(text) = fault.code.as_deref() {
        if let Some(info) = mrec_in(text).or_else(|| code_info(text)) {
            return info.name.to_owned();
        }
        if let Some(code) = alias(text) {
            return code.to_owned();
        }
    }
    let component = fault.component.to_ascii_lowercase();
    let code = match component.as_str() {
        "rcd" | "rcdrecloser" => "GroundFailure",
        "powercontactor" => "PowerSwitchFailure",
        "groundisolationprotection" => "ResistanceFault",
        "emergencystopsensor" => "EmergencyStop",
        "floodsensor" => "FloodSensor",
        "tiltsensor" | "vehicleidsensor" | "shocksensor" | "vandalismsensor" => "TiltSensor",
        "accessbarrier" | "enclosure" | "dooropensensor" | "tampersensor" => "EnclosureOpen",
        "connectorplugretentionlock" | "connectorholsterrelease" => "ConnectorLockFailure",
        "tokenreader" => "ReaderFailure",
        "fiscalmetering" => "PowerMeterFailure",
        "cppwmcontroller" => "PilotFault",
        "overcurrentprotection" | "overcurrentprotectionrecloser" => "OverCurrentFailure",
        "temperaturesensor" | "coolingsystem" => "HighTemperature",
        "datalink" => "WeakSignal",
        "controller" => "InternalError",
        _ => "OtherError",
    };
    code.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(code: &str, vendor: Option<&str>) -> ErrorReport {
        ErrorReport {
            code: code.to_owned(),
            vendor_code: vendor.map(str::to_owned),
            ..ErrorReport::default()
        }
    }

    #[test]
    fn the_mrec_number_says_more_than_other_error() {
        assert_eq!(normalise_error(&error("OtherError", Some("cx017"))), "EVSEContactorFault");
        assert_eq!(normalise_error(&error("OtherError", Some("A012, CX014 / x"))), "PilotFault");
        assert_eq!(normalise_error(&error("OtherError", Some("E-0417"))), "OtherError");
        // The standard word wins where the standard has one.
        assert_eq!(normalise_error(&error("GroundFailure", Some("CX014"))), "GroundFailure");
    }

    #[test]
    fn what_tripped_or_is_a_danger_is_a_matter_of_safety_by_any_name() {
        let fault = |component: &str, variable: &str, severity| FaultReport {
            connector: mendpoint_model::ConnectorRef::CHARGER,
            component: component.to_owned(),
            variable: variable.to_owned(),
            active: true,
            code: None,
            info: None,
            severity,
            at: None,
        };
        assert_eq!(normalise_fault(&fault("TokenReader", "Problem", None)), "ReaderFailure");
        assert_eq!(normalise_fault(&fault("TokenReader", "Tripped", None)), "Tripped");
        assert_eq!(normalise_fault(&fault("Controller", "Problem", Some(0))), "HardwareFailure");
        assert_eq!(normalise_fault(&fault("RCD", "Tripped", Some(0))), "GroundFailure");
        for word in ["Tripped", "HardwareFailure"] {
            assert!(is_safety(word) && forbids_reset(word), "{word}");
        }
    }

    #[test]
    fn codes_are_read_in_any_case() {
        assert_eq!(normalise_error(&error("groundFAILURE", None)), "GroundFailure");
        assert_eq!(normalise_error(&error("mode3Error", None)), "EVCommunicationError");
        assert_eq!(normalise_error(&error("VendorThing", None)), "VendorThing");
    }

    #[test]
    fn safety_codes_of_g3_forbid_a_reset() {
        for name in ["GroundFailure", "PowerSwitchFailure", "EmergencyStop", "CutCable"] {
            assert!(is_safety(name) && forbids_reset(name), "{name}");
        }
        assert!(forbids_reset("HighTemperature") && !is_safety("HighTemperature"));
        assert!(!forbids_reset("InternalError"));
    }

    #[test]
    fn components_of_2_x_have_a_word() {
        let fault = |component: &str, variable: &str, code: Option<&str>| FaultReport {
            connector: mendpoint_model::ConnectorRef::CHARGER,
            component: component.to_owned(),
            variable: variable.to_owned(),
            active: true,
            code: code.map(str::to_owned),
            info: None,
            severity: None,
            at: None,
        };
        assert_eq!(normalise_fault(&fault("RCD", "Tripped", None)), "GroundFailure");
        assert_eq!(normalise_fault(&fault("Connector", "Problem", Some("CX026"))), "CutCable");
        assert_eq!(normalise_fault(&fault("EVSE", "Tripped", None)), "Tripped");
        assert_eq!(normalise_fault(&fault("EVSE", "Problem", None)), "OtherError");
    }
}
