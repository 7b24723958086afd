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
    /// What it means, for people: the end of a sentence.
    pub meaning: &'static str,
    /// What to do, for people: whole sentences.
    pub advice: &'static str,
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
    advice: &'static str,
) -> CodeInfo {
    CodeInfo { name, mrec, meaning, advice, severity, safety: false, no_reset: false }
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
    code(
        "ConnectorLockFailure",
        Some("CX001"),
        4,
        "the connector could not be locked or unlocked",
        "Ask the driver to push the plug in fully. When it repeats, look at the lock and its motor on site.",
    ),
    code(
        "EVCommunicationError",
        None,
        6,
        "the charger and the car could not talk to each other",
        "Most often the car: nothing to do once. When different cars meet it, look at cable and plug.",
    ),
    safety(code(
        "GroundFailure",
        Some("CX002"),
        1,
        "the ground fault interrupter has tripped",
        "Have the car unplugged and wait a quarter of an hour. When it comes again, an electrician measures; nobody resets it from afar.",
    )),
    no_reset(code(
        "HighTemperature",
        Some("CX003"),
        3,
        "the temperature inside is too high",
        "Let it cool down. When it repeats, clean filters and look at the fan.",
    )),
    code(
        "InternalError",
        None,
        3,
        "an internal hardware or software error",
        "A reset often helps and is tried. When it comes back, ask the maker with the diagnostics.",
    ),
    no_reset(code(
        "LocalListConflict",
        None,
        6,
        "the local list of cards conflicts with ours",
        "Send the whole list of cards anew.",
    )),
    code(
        "OtherError",
        None,
        4,
        "an error that only the maker's own code names",
        "Look the maker's own code up in its manual; it stands beside this one.",
    ),
    no_reset(code(
        "OverCurrentFailure",
        Some("CX004"),
        2,
        "the over-current protection has tripped",
        "The protection has to be switched on again on site, and the cause found first.",
    )),
    no_reset(code(
        "OverVoltage",
        Some("CX005"),
        3,
        "the voltage is too high",
        "Wait for the grid. When it lasts, or neighbours tell the same, ask the grid operator.",
    )),
    code(
        "PowerMeterFailure",
        None,
        3,
        "the energy meter cannot be read",
        "A reset is tried. While it lasts, sessions cannot be billed by this meter.",
    ),
    safety(code(
        "PowerSwitchFailure",
        None,
        1,
        "the power switch cannot be controlled, it may be welded",
        "Urgent: the contactor may be welded, so the plug may be live. Keep it out of service and send somebody.",
    )),
    code(
        "ReaderFailure",
        None,
        5,
        "the card reader does not work",
        "Drivers can still start by app. A reset is tried; when it stays, the reader is replaced.",
    ),
    code(
        "ResetFailure",
        None,
        4,
        "the charger could not reset itself",
        "Do not ask for another soft reset. A hard reset once, else switch its supply off and on.",
    ),
    no_reset(code(
        "UnderVoltage",
        Some("CX006"),
        3,
        "the voltage is too low",
        "Wait for the grid. When it lasts, have the supply measured under load.",
    )),
    no_reset(code(
        "WeakSignal",
        Some("CX007"),
        6,
        "the radio signal is weak",
        "Look at the signal chart, and have the antenna or the router placed better.",
    )),
    safety(code(
        "EmergencyStop",
        Some("CX008"),
        1,
        "somebody pressed the emergency stop",
        "Somebody looks on site why it was pressed, and releases it there.",
    )),
    no_reset(code(
        "AuthorizationTimeout",
        Some("CX009"),
        6,
        "nobody was authorised in time after plug-in",
        "Nothing: the driver did not show a card in time.",
    )),
    no_reset(code(
        "InvalidVehicleMode",
        Some("CX010"),
        6,
        "the car is in a mode that does not allow charging",
        "Nothing at the charger: the car has to be in Park and switched off.",
    )),
    safety(code(
        "CableCheckFault",
        Some("CX011"),
        2,
        "the cable check or isolation self-test failed",
        "One car may be the cause. When several cars meet it, an electrician measures cable and isolation.",
    )),
    code(
        "PreChargeFailure",
        Some("CX012"),
        4,
        "the charger did not reach the pre-charge voltage",
        "A reset is tried. When it comes twice, have the power modules looked at.",
    ),
    no_reset(code(
        "NoInternet",
        Some("CX013"),
        6,
        "the charger has no internet",
        "Look at router and SIM card on site.",
    )),
    code(
        "PilotFault",
        Some("CX014"),
        5,
        "the control pilot voltage is out of range",
        "Most often the car or a dirty plug. When different cars meet it, look at cable and plug.",
    ),
    no_reset(code(
        "PowerLoss",
        Some("CX015"),
        3,
        "the mains supply has failed",
        "Ask the grid operator or look at the fuses of the site.",
    )),
    no_reset(code(
        "EVContactorFault",
        Some("CX016"),
        5,
        "the contactors of the car failed",
        "Nothing at the charger: it is the car.",
    )),
    safety(code(
        "EVSEContactorFault",
        Some("CX017"),
        1,
        "the contactors of the charger failed, they may be welded",
        "Urgent: the contactors may be welded, so the plug may be live. Keep it out of service and send somebody.",
    )),
    no_reset(code(
        "CableOverTempDerate",
        Some("CX018"),
        5,
        "the cable is hot, power is reduced",
        "It charges more slowly. When it repeats, look at contacts and cooling.",
    )),
    safety(code(
        "CableOverTempStop",
        Some("CX019"),
        2,
        "the cable is too hot, the session was stopped",
        "Look at the contacts of plug and cable before anybody charges there again.",
    )),
    no_reset(code(
        "PartialInsertion",
        Some("CX020"),
        6,
        "the plug is not fully in",
        "Ask the driver to push the plug in until it clicks.",
    )),
    safety(code(
        "CapacitanceFault",
        Some("CX021"),
        2,
        "the isolation monitor tripped: high capacitance",
        "One car may be the cause. When several cars meet it, an electrician measures.",
    )),
    safety(code(
        "ResistanceFault",
        Some("CX022"),
        2,
        "the isolation monitor tripped: low resistance to the chassis",
        "Isolation is bad in car or charger. When several cars meet it, an electrician measures.",
    )),
    code(
        "ProximityFault",
        Some("CX023"),
        5,
        "the proximity voltage is out of range",
        "Most often a plug that is not fully in. When it repeats, look at plug and cable.",
    ),
    safety(code(
        "ConnectorVoltageHigh",
        Some("CX024"),
        1,
        "there is high voltage at the connector outside a session",
        "Urgent: the plug is live without a session. Keep it out of service and send somebody.",
    )),
    no_reset(code(
        "BrokenLatch",
        Some("CX025"),
        4,
        "the latch of the connector is broken",
        "Have the plug replaced.",
    )),
    safety(code(
        "CutCable",
        Some("CX026"),
        1,
        "the cable was cut",
        "Urgent: keep people away, send somebody, tell the police.",
    )),
    safety(code(
        "FloodSensor",
        None,
        1,
        "water is in the housing",
        "Keep it switched off until somebody has looked inside.",
    )),
    safety(code(
        "TiltSensor",
        None,
        1,
        "the charger was tilted, somebody may have hit it",
        "Somebody may have driven into it: look on site before it is used.",
    )),
    safety(code(
        "EnclosureOpen",
        None,
        2,
        "the housing is open",
        "Look on site who opened it, and close it.",
    )),
    safety(code(
        "Tripped",
        None,
        1,
        "a protection has tripped and needs to be reset by hand",
        "Somebody finds the cause on site and resets it there.",
    )),
    safety(code(
        "HardwareFailure",
        None,
        1,
        "the charger calls it a danger or a hardware failure",
        "Send somebody; nothing is done from afar.",
    )),
    no_reset(code(
        "SelfRestart",
        None,
        6,
        "it is about to restart by itself",
        "Nothing: it restarts by itself soon.",
    )),
    no_reset(code(
        "FuseBlown",
        None,
        3,
        "a fuse behind the meter is blown",
        "Have the fuse replaced on site, and the cause found.",
    )),
    no_reset(code(
        "Moisture",
        None,
        3,
        "it is damp inside",
        "Have somebody look at seals and condensation before it gets worse.",
    )),
    no_reset(code(
        "VehicleOverCurrent",
        None,
        5,
        "the car drew more current than it may",
        "Nothing at the charger: it is the car.",
    )),
    no_reset(code(
        "NotConfigured",
        None,
        5,
        "it was never fully set up",
        "Have the installer finish its set-up.",
    )),
    no_reset(code(
        "SwitchedOff",
        None,
        6,
        "it is switched off in the maker's own portal",
        "Switch it on in the maker's portal.",
    )),
    safety(code(
        "SupplyFault",
        None,
        1,
        "the supply is not as it must be, maybe a broken neutral or PEN",
        "Urgent: an electrician measures the supply before it is used.",
    )),
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

/// How dangerous a code is, the smallest first: a matter of safety, then the most severe, then what no
/// reset helps against. A word that nobody knows stands in the middle.
pub(crate) fn danger(code: &str) -> (bool, u8, bool) {
    code_info(code).map_or((true, 4, true), |info| (!info.safety, info.severity, !info.no_reset))
}

/// The `vendorId` of `EVgo`'s dialect of MREC.
const EVGO: &str = "com.evgo.mrec";

/// The codes of `EVgo`'s dialect (its version 1.0.1): A0 codes may come from a driver's mistake, F0 codes
/// are about safety.
const EVGO_CODES: [(&str, &str); 17] = [
    ("A000", "AuthorizationTimeout"),
    ("A001", "PartialInsertion"),
    ("A002", "ConnectorLockFailure"),
    ("A003", "InvalidVehicleMode"),
    ("A004", "EmergencyStop"),
    ("A005", "ConnectorLockFailure"),
    ("F000", "ProximityFault"),
    ("F001", "ProximityFault"),
    ("F002", "PilotFault"),
    ("F003", "PilotFault"),
    ("F004", "BrokenLatch"),
    ("F005", "CableCheckFault"),
    ("F006", "ResistanceFault"),
    ("F007", "CapacitanceFault"),
    ("F008", "ConnectorVoltageHigh"),
    ("F009", "CableOverTempStop"),
    ("F010", "CutCable"),
];

/// The word for a code of `EVgo`'s dialect. A new F0 code is a matter of safety until somebody knows
/// better.
fn evgo_word(code: &str) -> Option<&'static str> {
    let known = EVGO_CODES.iter().find(|(name, _)| name.eq_ignore_ascii_case(code));
    let bytes = code.as_bytes();
    let is_code = bytes.len() == 4 && bytes.iter().all(u8::is_ascii_hexdigit);
    let is_safety = is_code && bytes[0].eq_ignore_ascii_case(&b'F');
    known.map(|(_, word)| *word).or(is_safety.then_some("HardwareFailure"))
}

/// The most dangerous of the MREC numbers `CX0nn` in a text, in any case: chargers write lists and add
/// words.
fn mrec_in(text: &str) -> Option<&'static CodeInfo> {
    let numbers = text.as_bytes().windows(5).filter(|window| {
        window[..2].eq_ignore_ascii_case(b"cx") && window[2..].iter().all(u8::is_ascii_digit)
    });
    let known = numbers.filter_map(|window| {
        CODES
            .iter()
            .find(|info| info.mrec.is_some_and(|mrec| mrec.as_bytes().eq_ignore_ascii_case(window)))
    });
    known.min_by_key(|info| danger(info.name))
}

/// The codes that a maker's field lists, in their order, each with the value of the same place in
/// `info` (`EVgo`'s dialect: the N-th value belongs to the N-th code). Empty where it is no list of known
/// codes.
pub(crate) fn listed(error: &ErrorReport) -> Vec<(&'static str, String)> {
    let Some(codes) = error.vendor_code.as_deref() else { return Vec::new() };
    let is_evgo = error.vendor_id.as_deref().is_some_and(|id| id.trim().eq_ignore_ascii_case(EVGO));
    let values: Vec<&str> = error.info.as_deref().unwrap_or_default().split(',').collect();
    let codes: Vec<&str> = codes.split(',').map(str::trim).collect();
    let pairs = codes.len() == values.len();
    let named = codes.iter().enumerate().filter_map(|(place, code)| {
        let word = if is_evgo { evgo_word(code) } else { mrec_in(code).map(|info| info.name) };
        let value = values.get(place).filter(|_| pairs).map_or("", |value| value.trim());
        Some((word?, value.to_owned()))
    });
    named.collect()
}

/// The one word for a 1.6 error. The MREC number beside `OtherError` says more than `OtherError`; of
/// several the most dangerous one counts. An unknown vendor word stays as it is, empty becomes
/// `OtherError`.
pub(crate) fn normalise_error(error: &ErrorReport) -> String {
    let known = code_info(&error.code);
    let is_general = known.is_none_or(|info| info.name == "OtherError");
    if is_general {
        let listed = listed(error).into_iter().map(|(word, _)| word);
        let in_text = || error.vendor_code.as_deref().and_then(mrec_in).map(|info| info.name);
        if let Some(word) = listed.min_by_key(|word| danger(word)).or_else(in_text) {
            return word.to_owned();
        }
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
        "overcurrentprotection" | "overcurrentprotectionrecloser" | "overcurrentbreaker" => {
            "OverCurrentFailure"
        }
        "localauthlistctrlr" => "LocalListConflict",
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
    fn evgos_dialect_lists_codes_and_values_in_the_same_places() {
        let evgo = |codes: &str, info: &str| ErrorReport {
            vendor_id: Some("com.evgo.mrec".to_owned()),
            info: Some(info.to_owned()),
            ..error("OtherError", Some(codes))
        };
        assert_eq!(normalise_error(&evgo("A000", "")), "AuthorizationTimeout");
        assert_eq!(normalise_error(&evgo("f010", "")), "CutCable");
        // The most dangerous of several counts, wherever it stands.
        let several = evgo("F001, F008,A001", "1.11,70,");
        assert_eq!(normalise_error(&several), "ConnectorVoltageHigh");
        let pairs = listed(&several);
        assert_eq!(pairs[0], ("ProximityFault", "1.11".to_owned()));
        assert_eq!(pairs[1], ("ConnectorVoltageHigh", "70".to_owned()));
        // A code of safety that is not known yet is one all the same; a user's is not.
        assert!(is_safety(&normalise_error(&evgo("F0AB", ""))));
        assert_eq!(normalise_error(&evgo("A0AB", "")), "OtherError");
        // The same letters of another maker mean nothing.
        assert_eq!(normalise_error(&error("OtherError", Some("F010"))), "OtherError");
        for (_, word) in EVGO_CODES {
            assert!(code_info(word).is_some(), "{word}");
        }
    }

    #[test]
    fn every_code_says_what_it_means_and_what_to_do() {
        let mut numbers: Vec<_> = CODES.iter().filter_map(|info| info.mrec).collect();
        numbers.sort_unstable();
        let expected: Vec<_> = (1..=26).map(|number| format!("CX{number:03}")).collect();
        assert_eq!(numbers, expected, "MREC revision 5 has 26");
        for info in CODES {
            assert!(info.meaning.len() > 8 && !info.meaning.ends_with('.'), "{}", info.name);
            assert!(info.advice.ends_with('.') && info.advice.len() > 12, "{}", info.name);
            assert!(info.severity <= 9 && (!info.safety || info.no_reset), "{}", info.name);
            assert!(!info.safety || info.severity <= 2, "{}", info.name);
        }
    }

    #[test]
    fn the_most_dangerous_of_several_numbers_counts() {
        let list = error("OtherError", Some("CX018,CX017, CX020"));
        assert_eq!(normalise_error(&list), "EVSEContactorFault");
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
