//! What is probably broken, so that whoever comes brings it along.

/// The part that a code, or a rule where there is no code, points at; `None` when neither does.
pub fn suspected_part(rule: &str, code: &str) -> Option<&'static str> {
    of_code(code).or_else(|| of_rule(rule))
}

fn of_code(code: &str) -> Option<&'static str> {
    Some(match code {
        "ConnectorLockFailure" | "CX001" => "Lock actuator of the connector, and its wiring",
        "GroundFailure" | "CX002" | "CX011" | "CX021" | "CX022" => {
            "Insulation: cable, connector or moisture inside; the residual current device"
        }
        "HighTemperature" | "CX003" => "Fan and air filter; then the temperature sensor",
        "CX018" | "CX019" => "Contacts of the connector and their crimping; the cable",
        "OverCurrentFailure" | "CX004" => "Circuit breaker (it has to be armed again by hand)",
        "OverVoltage" | "CX005" | "UnderVoltage" | "CX006" | "PowerLoss" | "CX015" => {
            "Supply: fuses, terminals and the grid connection before the charger"
        }
        "PowerMeterFailure" => "Energy meter, and its bus cable",
        "PowerSwitchFailure" | "CX017" | "CX024" => "Contactor (it may be welded)",
        "ReaderFailure" => "Card reader",
        "WeakSignal" | "CX007" | "CX013" => "Antenna, SIM card or router",
        "EmergencyStop" | "CX008" => "None: somebody pressed the emergency stop",
        "CX012" | "InternalError" => "Power module or controller board",
        "CX014" | "CX023" | "EVCommunicationError" => "Control pilot wiring of the cable",
        "CX025" => "Latch of the connector",
        "CX026" => "Cable (it was cut)",
        _ => return None,
    })
}

fn of_rule(rule: &str) -> Option<&'static str> {
    Some(match rule {
        "CP_OFFLINE" | "CP_FLAPPING_LINK" | "WEAK_WIFI" | "WEAK_CELL" | "CP_NEVER_SEEN" => {
            "Antenna, SIM card, router or the supply of them"
        }
        "SITE_OUTAGE" => "Supply or router of the site, not a charger",
        "BOOT_LOOP" => "Power supply of the controller, then the controller board",
        "METER_BACKWARDS" | "METER_FROZEN" | "METER_GAP" => "Energy meter, and its bus cable",
        "READER_DOWN" => "Card reader",
        "NO_POWER" | "NO_SOC_PROGRESS" | "DERATED" => "Power module or contactor",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::suspected_part;

    #[test]
    fn the_code_comes_before_the_rule() {
        assert_eq!(suspected_part("ERR_FAULTED", "ReaderFailure"), Some("Card reader"));
        let meter = suspected_part("METER_FROZEN", "");
        assert!(meter.is_some_and(|part| part.contains("meter")));
        assert_eq!(suspected_part("FAILED_BURST", ""), None);
    }
}
