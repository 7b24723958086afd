//! Which rules speak of the same kind of trouble: their incidents of one site are told in one mail.

/// The family of a rule; a rule that is not known is a family of its own.
pub fn family(rule: &str) -> &str {
    match rule {
        "CP_OFFLINE" | "CP_NEVER_SEEN" | "CP_FLAPPING_LINK" | "SITE_OUTAGE" | "CARRIER_OUTAGE"
        | "FLEET_BLIND" | "WEAK_WIFI" | "WEAK_CELL" => "connectivity",
        "ERR_FAULTED"
        | "ERR_WARNING"
        | "ERR_HEAT_REPEATS"
        | "ERR_LOCK_REPEATS"
        | "GRID_VOLTAGE"
        | "UNAVAILABLE_UNEXPECTED"
        | "BOOT_LOOP"
        | "READER_DOWN"
        | "DERATED" => "faults",
        "FAILED_BURST"
        | "START_SUCCESS_DROP"
        | "EV_COMMUNICATION"
        | "SILENT_CHARGER"
        | "AUTH_REJECT_SPIKE"
        | "AUTH_REJECT_SPIKE_SITE" => "charges",
        "STUCK_FINISHING"
        | "STUCK_PREPARING"
        | "STUCK_OCCUPIED_NO_TX"
        | "ZOMBIE_TX"
        | "ETERNAL_TX"
        | "NO_POWER"
        | "NO_SOC_PROGRESS" => "stuck sessions",
        "METER_BACKWARDS" | "METER_FROZEN" | "METER_GAP" => "meters",
        "CLOCK_DRIFT" | "CONFIG_DRIFT" | "CERT_EXPIRY" | "SECURITY_EVENT" => "upkeep",
        "UPTIME_BUDGET" | "UPTIME_BUDGET_FAST" | "UPTIME_BUDGET_NOW" => "uptime",
        "FW_UPDATE_FAILED" | "FW_STALLED" | "FW_REGRESSION" => "firmware",
        "USER_REPORT" | "MANUAL" => "reports",
        other => other,
    }
}
