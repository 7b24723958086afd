//! What is probably broken, so that whoever comes brings it along.

/// The part that a code, or a rule where there is no code, points at; `None` when neither does.
pub fn suspected_part(rule: &str, code: &str) -> Option<&'static str> {
    of_code(code).or_else(|| of_rule(rule))
}

fn of_code(code: &str) -> Option<&'static str> {
    Some(match code {
        "ConnectorLockFailure" => "Lock actuator of the connector, and its wiring",
        "GroundFailure" | "CableCheckFault" | "CapacitanceFault" | "ResistanceFault" => {
            "Insulation: cable, connector or moisture inside; the residual current device"
        }
        "HighTemperature" => "Fan and air filter; then the temperature sensor",
        "CableOverTempDerate" | "CableOverTempStop" => {
            "Contacts of the connector and their crimping; the cable"
        }
        "OverCurrentFailure" => "Circuit breaker (it has to be armed again by hand)",
        "OverVoltage" | "UnderVoltage" | "PowerLoss" | "SupplyFault" => {
            "Supply: fuses, terminals and the grid connection before the charger"
        }
        "PowerMeterFailure" => "Energy meter, and its bus cable",
        "PowerSwitchFailure" | "EVSEContactorFault" | "ConnectorVoltageHigh" => {
            "Contactor (it may be welded)"
        }
        "ReaderFailure" => "Card reader",
        "WeakSignal" | "NoInternet" => "Antenna, SIM card or router",
        "EmergencyStop" => "None: somebody pressed the emergency stop",
        "PreChargeFailure" | "InternalError" => "Power module or controller board",
        "PilotFault" | "ProximityFault" | "EVCommunicationError" => {
            "Control pilot wiring of the cable"
        }
        "BrokenLatch" => "Latch of the connector",
        "CutCable" => "Cable (it was cut)",
        "FuseBlown" => "Fuse behind the meter",
        "Moisture" | "FloodSensor" => "Seals of the housing",
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
        "ERR_HEAT_REPEATS" => "Fan and air filter; then the contacts of the connector",
        "ERR_LOCK_REPEATS" => "Lock actuator of the connector, and its wiring",
        "EV_COMMUNICATION" => "Control pilot wiring of the cable",
        "GRID_VOLTAGE" => "Supply or grid connection of the site, not a charger",
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
        // Incidents carry the word of a code, whatever number the charger told.
        for word in ["BrokenLatch", "CutCable", "EVSEContactorFault", "PreChargeFailure"] {
            assert!(suspected_part("ERR_FAULTED", word).is_some(), "{word}");
        }
        let meter = suspected_part("METER_FROZEN", "");
        assert!(meter.is_some_and(|part| part.contains("meter")));
        assert_eq!(suspected_part("FAILED_BURST", ""), None);
    }
}
