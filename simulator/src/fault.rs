//! Fault models: what breaks, how it shows, and what mends it.

/// What mends a fault. A stronger reset includes a weaker one: a hard reset also mends what a soft
/// reset, an unlock or an availability cycle would.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cure {
    /// It goes away by itself after so many milliseconds (before the speed factor).
    Itself {
        /// How long it stays.
        after_ms: i64,
    },
    /// A soft reset (1.6 Soft, 2.0.1 `OnIdle`) mends it.
    SoftReset,
    /// Only a hard reset (1.6 Hard, 2.0.1 Immediate) mends it.
    HardReset,
    /// Unlocking the connector mends it.
    Unlock,
    /// Taking the connector out of service and back mends it.
    AvailabilityCycle,
    /// Nothing from afar does: a person must come.
    Never,
    /// Any reset makes it worse: the whole charger is faulted after it.
    WorseFaulted,
    /// Any reset makes it worse: the charger does not come back after it.
    WorseOffline,
}

/// How a fault shows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Shows {
    /// The status is Faulted (2.0.1: and a `NotifyEvent`).
    #[default]
    Faulted,
    /// Only the error code is reported, the connector stays in service.
    Warning,
    /// Nothing is reported; sessions end with less than 100 Wh and reason Other.
    FailsSessions,
    /// Nothing is reported until a transaction starts; then the connector is Faulted for a while.
    FaultsInSession,
    /// Nothing is reported and nobody can even begin: a dark screen, a dead reader. Drivers leave.
    Silent,
}

/// One fault.
#[derive(Clone, Debug, PartialEq)]
pub struct Fault {
    /// 1.6 `errorCode` (`InternalError`, ..).
    pub code: String,
    /// `vendorErrorCode` (1.6) and `techCode` (2.0.1): a vendor's code or an MREC code ("CX014").
    pub vendor_code: Option<String>,
    /// Free text: `info` and `techInfo`.
    pub info: Option<String>,
    /// Component that the 2.0.1 report names.
    pub component: String,
    /// Variable that the 2.0.1 report names (`Problem`, `Tripped`).
    pub variable: String,
    /// Connector (or EVSE) from 1; 0 is the whole charger.
    pub connector: u16,
    /// What mends it.
    pub cure: Cure,
    /// How it shows.
    pub shows: Shows,
    /// When somebody has come and repaired it, ms of wall-clock time after it began.
    pub repaired_after_ms: Option<i64>,
}

impl Fault {
    /// A fault of a connector that shows as Faulted and stays until `cure`.
    pub fn new(code: &str, connector: u16, cure: Cure) -> Self {
        Self {
            code: code.to_owned(),
            vendor_code: None,
            info: None,
            component: component_of(code).to_owned(),
            variable: "Problem".to_owned(),
            connector,
            cure,
            shows: Shows::Faulted,
            repaired_after_ms: None,
        }
    }

    /// The same with a vendor's code.
    #[must_use]
    pub fn with_vendor_code(mut self, code: &str) -> Self {
        self.vendor_code = Some(code.to_owned());
        self
    }

    /// The same, showing differently.
    #[must_use]
    pub fn showing(mut self, shows: Shows) -> Self {
        self.shows = shows;
        self
    }

    /// Whether the connector is out of order by it.
    pub(crate) fn is_visible(&self) -> bool {
        self.shows == Shows::Faulted
    }
}

/// The 2.0.1 component that a 1.6 error code is reported on (standardised names, part 2 appendix 3).
pub fn component_of(code: &str) -> &'static str {
    match code {
        "ConnectorLockFailure" => "ConnectorPlugRetentionLock",
        "EVCommunicationError" => "CPPWMController",
        "GroundFailure" => "RCD",
        "HighTemperature" => "TemperatureSensor",
        "LocalListConflict" => "LocalAuthListCtrlr",
        "OverCurrentFailure" => "OverCurrentBreaker",
        "OverVoltage" | "UnderVoltage" => "ElectricalFeed",
        "PowerMeterFailure" => "FiscalMetering",
        "PowerSwitchFailure" => "PowerContactor",
        "ReaderFailure" => "TokenReader",
        "WeakSignal" => "DataLink",
        "InternalError" | "ResetFailure" => "Controller",
        _ => "EVSE",
    }
}

/// The error codes of OCPP 1.6 (6.6 of its specification), without `NoError`.
pub const ERROR_CODES: [&str; 15] = [
    "ConnectorLockFailure",
    "EVCommunicationError",
    "GroundFailure",
    "HighTemperature",
    "InternalError",
    "LocalListConflict",
    "OtherError",
    "OverCurrentFailure",
    "OverVoltage",
    "PowerMeterFailure",
    "PowerSwitchFailure",
    "ReaderFailure",
    "ResetFailure",
    "UnderVoltage",
    "WeakSignal",
];
