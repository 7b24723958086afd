//! Rules that speak of the same kind of trouble.

/// A kind of trouble.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Family {
    /// Wide incidents.
    Outage,
    /// No connection.
    Offline,
    /// A connection that is weak or comes and goes: told as one thing.
    Connectivity,
    /// Faults of the charger or a connector.
    Fault,
    /// Charging that does not go on.
    Charging,
    /// Charges that fail or do not come.
    Sessions,
    /// Meters.
    Meter,
    /// Clock, configuration, firmware, certificates.
    Upkeep,
    /// What people report.
    Report,
    /// Everything else.
    Other,
}

impl Family {
    /// Its word in groups.
    pub fn name(self) -> &'static str {
        match self {
            Self::Outage | Self::Offline | Self::Connectivity => "connection",
            Self::Fault => "fault",
            Self::Charging => "charging",
            Self::Sessions => "sessions",
            Self::Meter => "meter",
            Self::Upkeep => "upkeep",
            Self::Report => "report",
            Self::Other => "other",
        }
    }
}

/// The family of a rule, by its id: operators' own rules begin with the same words, or are a family
/// of their own kind.
pub(crate) fn family_of(rule: &str) -> Family {
    const PREFIXES: [(&str, Family); 30] = [
        (super::SITE_OUTAGE, Family::Outage),
        (super::CARRIER_OUTAGE, Family::Outage),
        (super::FLEET_BLIND, Family::Outage),
        ("CP_OFFLINE", Family::Offline),
        ("CP_FLAPPING", Family::Connectivity),
        ("WEAK_", Family::Connectivity),
        ("ERR_", Family::Fault),
        ("UNAVAILABLE", Family::Fault),
        ("CMD_UNRESPONSIVE", Family::Fault),
        ("BOOT_LOOP", Family::Fault),
        ("READER_", Family::Fault),
        ("GRID_", Family::Fault),
        ("STUCK_", Family::Charging),
        ("ZOMBIE_", Family::Charging),
        ("ETERNAL_", Family::Charging),
        ("NO_POWER", Family::Charging),
        ("NO_SOC", Family::Charging),
        ("DERATED", Family::Charging),
        ("FAILED_BURST", Family::Sessions),
        ("START_SUCCESS", Family::Sessions),
        ("SILENT_", Family::Sessions),
        ("EV_", Family::Sessions),
        ("AUTH_", Family::Sessions),
        ("METER_", Family::Meter),
        ("CLOCK_", Family::Upkeep),
        ("CONFIG_", Family::Upkeep),
        ("FW_", Family::Upkeep),
        ("CERT_", Family::Upkeep),
        ("USER_REPORT", Family::Report),
        ("MANUAL", Family::Report),
    ];
    let found = PREFIXES.iter().find(|(prefix, _)| rule.starts_with(prefix));
    found.map_or(Family::Other, |(_, family)| *family)
}
