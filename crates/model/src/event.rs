//! What chargers tell us, in words that no OCPP version owns.

use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

use crate::{
    ChargerKey, CommandId, CommandOutcome, ConnectorRef, DeviceReport, MonitorsReport, SiteKey,
    TransactionId, UnixMs,
};

/// One fact about one charger, as it came in.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ChargerEvent {
    /// The charger it is about.
    pub charger: ChargerKey,
    /// The charger's site: shards and correlation go by it.
    pub site: SiteKey,
    /// When our server received it. The clock of everything live; charger clocks are not trusted.
    pub received_at: UnixMs,
    /// The connection it came over; a larger epoch is a newer connection (behaviour 1).
    pub epoch: u64,
    /// The frame it was read from, as evidence; 0 where there was none (timers, connects).
    pub frame: FrameSeq,
    /// What happened.
    pub kind: EventKind,
}

/// The number of a raw frame in the frame log: unique, growing. 0 is "no frame".
pub type FrameSeq = u64;

/// What one message means, in order. Nearly all mean one thing, and that one is kept in place.
pub type Events = SmallVec<[EventKind; 1]>;

/// What happened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum EventKind {
    /// An authenticated connection opened.
    Connected(Connected),
    /// The connection of this epoch ended.
    Disconnected(Disconnected),
    /// `BootNotification`.
    Boot(Boot),
    /// `Heartbeat`, or any other sign of life that carries nothing else (behaviour 10).
    Heartbeat,
    /// `StatusNotification` of either version.
    Status(StatusReport),
    /// A fault that 2.x reports beside the status: `NotifyEvent` (behaviour 63).
    Fault(FaultReport),
    /// `Authorize`, or a token presented inside a transaction message.
    Authorize(Authorize),
    /// A transaction began.
    TransactionStarted(TransactionStarted),
    /// A transaction went on (2.x `TransactionEvent` Updated).
    TransactionUpdated(TransactionUpdated),
    /// A transaction ended.
    TransactionEnded(TransactionEnded),
    /// Measured values.
    Meter(MeterReading),
    /// How strong the charger's radio link is.
    Signal(SignalReading),
    /// `FirmwareStatusNotification` of any kind.
    Firmware(FirmwareReport),
    /// `DiagnosticsStatusNotification` or `LogStatusNotification`: the status word.
    Diagnostics(String),
    /// `SecurityEventNotification`.
    Security(SecurityReport),
    /// Two devices use one identity (behaviour 4). Whoever lets connections in finds that out.
    IdentityContested(IdentityContest),
    /// Configuration keys (1.6) as the charger reported them.
    Configuration(Vec<ConfigurationValue>),
    /// Variables of the device model (2.x) as the charger told them, or a value of either version
    /// that we set.
    Device(DeviceReport),
    /// Monitors (2.x) that are installed, or that we asked for.
    Monitors(MonitorsReport),
    /// What became of a reservation.
    Reservation(ReservationReport),
    /// An answer to a command of ours, or the news that there will be none.
    CommandAnswered(CommandAnswered),
    /// A message that is kept and answered, and changes no state here: its action.
    Other(String),
}

/// An authenticated connection opened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Connected {
    /// The sub-protocol agreed on.
    pub protocol: Protocol,
    /// The address it came from, as text.
    pub remote: String,
    /// Whether it replaced a connection that was still open.
    pub replaced: bool,
    /// When the certificate that the charger showed ends; `None` when it showed none.
    #[serde(default)]
    pub certificate_ends: Option<UnixMs>,
}

/// The end of a connection.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Disconnected {
    /// Why, in words for people: "charger closed (1000)", "no answer to pings", "replaced".
    pub reason: String,
    /// Whether a newer connection of the same charger took its place: then it is not offline.
    pub replaced: bool,
}

/// What chargers are told when we stop.
pub const STOPPING: &str = "the central system is stopping";

/// Why connections end then, as the gateway says it.
const OUR_STOP: &str = "closed by us (1001: the central system is stopping)";

/// Whether a connection ended because we stopped: then nobody lost anything. What a charger says when
/// it closes cannot pass for it.
pub fn is_our_stop(reason: &str) -> bool {
    reason == OUR_STOP
}

/// The OCPP version spoken on a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Protocol {
    /// OCPP 1.6 with JSON.
    #[serde(rename = "ocpp1.6")]
    V16,
    /// OCPP 2.0.1.
    #[serde(rename = "ocpp2.0.1")]
    V201,
    /// OCPP 2.1.
    #[serde(rename = "ocpp2.1")]
    V21,
}

impl Protocol {
    /// The WebSocket sub-protocol name.
    pub fn name(self) -> &'static str {
        match self {
            Self::V16 => "ocpp1.6",
            Self::V201 => "ocpp2.0.1",
            Self::V21 => "ocpp2.1",
        }
    }

    /// The protocol of a sub-protocol name.
    pub fn from_name(name: &str) -> Option<Self> {
        match name {
            "ocpp1.6" => Some(Self::V16),
            "ocpp2.0.1" => Some(Self::V201),
            "ocpp2.1" => Some(Self::V21),
            _ => None,
        }
    }
}

/// What a charger says of itself when it boots.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Boot {
    /// Manufacturer.
    pub vendor: String,
    /// Model.
    pub model: String,
    /// Serial number, if told.
    pub serial: Option<String>,
    /// Firmware version, if told.
    pub firmware: Option<String>,
    /// SIM card number, if told.
    pub iccid: Option<String>,
    /// Subscriber number of the SIM, if told.
    pub imsi: Option<String>,
    /// 2.x only: why it booted, as sent (`PowerUp`, `RemoteReset`, ..).
    pub reason: Option<String>,
}

/// The state of a connector, of both versions.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub enum ConnectorStatus {
    /// Nothing was ever reported.
    #[default]
    Unknown,
    /// Free and ready.
    Available,
    /// Plugged in or authorised, not yet charging (2.x `Occupied` without a transaction).
    Preparing,
    /// Energy flows (2.x: transaction with charging state Charging).
    Charging,
    /// The charger holds back energy.
    SuspendedEvse,
    /// The car takes none.
    SuspendedEv,
    /// The transaction ended, the cable is still in.
    Finishing,
    /// Reserved for somebody.
    Reserved,
    /// Out of service by command or by its own choice.
    Unavailable,
    /// Broken.
    Faulted,
}

impl ConnectorStatus {
    /// The OCPP word, the same on screen and in the API.
    pub fn name(self) -> &'static str {
        match self {
            Self::Unknown => "Unknown",
            Self::Available => "Available",
            Self::Preparing => "Preparing",
            Self::Charging => "Charging",
            Self::SuspendedEvse => "SuspendedEVSE",
            Self::SuspendedEv => "SuspendedEV",
            Self::Finishing => "Finishing",
            Self::Reserved => "Reserved",
            Self::Unavailable => "Unavailable",
            Self::Faulted => "Faulted",
        }
    }

    /// Whether a car is connected, as far as the status tells.
    pub fn is_plugged(self) -> bool {
        matches!(
            self,
            Self::Preparing
                | Self::Charging
                | Self::SuspendedEvse
                | Self::SuspendedEv
                | Self::Finishing
        )
    }
}

/// `StatusNotification`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StatusReport {
    /// What it is about; the whole charger for connector 0 (behaviour 54).
    pub connector: ConnectorRef,
    /// The status. [`ConnectorStatus::Unknown`] when the word is none of OCPP's (see `raw_status`).
    pub status: ConnectorStatus,
    /// The word as sent, when it was none of the version's (behaviour 40).
    pub raw_status: Option<String>,
    /// The error beside it; `None` for `NoError` and for 2.x.
    pub error: Option<ErrorReport>,
    /// The charger's own time of the change, if it was told and readable.
    pub at: Option<UnixMs>,
}

/// The error fields of a 1.6 `StatusNotification`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorReport {
    /// `errorCode` as sent (`GroundFailure`, ..); never `NoError`, maybe a vendor's own word.
    pub code: String,
    /// `info`: free text.
    pub info: Option<String>,
    /// `vendorId`.
    pub vendor_id: Option<String>,
    /// `vendorErrorCode`.
    pub vendor_code: Option<String>,
}

/// A fault that came or went, from a 2.x `NotifyEvent`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FaultReport {
    /// Where; the whole charger when the component names no EVSE.
    pub connector: ConnectorRef,
    /// Component name (`Connector`, `RCD`, ..).
    pub component: String,
    /// Variable name (`Problem`, `Tripped`, ..).
    pub variable: String,
    /// Whether the fault is there now.
    pub active: bool,
    /// `techCode`, if told (an MREC code such as `CX002`, or the vendor's).
    pub code: Option<String>,
    /// `techInfo`, if told.
    pub info: Option<String>,
    /// OCPP severity 0 (danger) to 9, if told.
    pub severity: Option<u8>,
    /// The charger's own time of it.
    pub at: Option<UnixMs>,
}

/// A token was presented.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Authorize {
    /// The idTag (1.6) or idToken (2.x).
    pub id_token: String,
    /// What we answered; filled in by whoever decides. `true` until then.
    pub accepted: bool,
    /// The connector, where the version tells.
    pub connector: Option<ConnectorRef>,
}

/// A transaction began.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TransactionStarted {
    /// Our number; 0 until the pipeline gives one out.
    pub id: TransactionId,
    /// The charger's own id (2.x), empty for 1.6.
    pub external_id: String,
    /// Where.
    pub connector: ConnectorRef,
    /// Who; empty when unknown.
    pub id_token: String,
    /// Register at the start, in Wh, if told.
    pub meter_wh: Option<i64>,
    /// The charger's own time of the start.
    pub at: Option<UnixMs>,
    /// 2.x sequence number; 0 for 1.6.
    pub seq_no: i64,
    /// Whether the charger says it happened while it was offline (2.x `offline`).
    pub offline: bool,
    /// 2.x charging state as sent (`EVConnected`, `Charging`, ..).
    pub charging_state: Option<String>,
}

/// A transaction went on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TransactionUpdated {
    /// The charger's own id.
    pub external_id: String,
    /// Where, if told; not connector 1 when missing (behaviour 62).
    pub connector: Option<ConnectorRef>,
    /// Who, if told here.
    pub id_token: Option<String>,
    /// Sequence number.
    pub seq_no: i64,
    /// Whether it happened while the charger was offline.
    pub offline: bool,
    /// Charging state as sent.
    pub charging_state: Option<String>,
    /// Why the message was sent, as sent (`ChargingStateChanged`, ..).
    pub trigger: String,
    /// The charger's own time of it.
    pub at: Option<UnixMs>,
}

/// Stands for the reason in the record of a transaction that is only known by its updates: neither
/// its start nor its end came (2.x, behaviour 62).
pub const ONLY_UPDATES: &str = "OnlyUpdates";

/// A transaction ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TransactionEnded {
    /// The number the charger sent (1.6): anything, also -1, 0 and 2^63-1 (behaviour 45).
    pub id: TransactionId,
    /// The charger's own id (2.x), empty for 1.6.
    pub external_id: String,
    /// Where, if told (2.x).
    pub connector: Option<ConnectorRef>,
    /// Who stopped it, if told.
    pub id_token: Option<String>,
    /// Register at the end, in Wh, if told.
    pub meter_wh: Option<i64>,
    /// Why, as sent (`Local`, `EmergencyStop`, ..); `Local` when 1.6 left it out; [`ONLY_UPDATES`]
    /// in a record that is of no end.
    pub reason: String,
    /// The charger's own time of the end.
    pub at: Option<UnixMs>,
    /// 2.x sequence number; 0 for 1.6.
    pub seq_no: i64,
    /// Whether it happened while the charger was offline.
    pub offline: bool,
}

/// Values measured at one moment, in base units. What was not measured is `None`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct MeterReading {
    /// Where.
    pub connector: ConnectorRef,
    /// Our transaction number as the charger sent it (1.6), if any.
    pub transaction: Option<TransactionId>,
    /// The charger's own time of the sample.
    pub at: Option<UnixMs>,
    /// `Energy.Active.Import.Register`, Wh.
    pub energy_wh: Option<f64>,
    /// `Power.Active.Import`, W, the sum of the phases.
    pub power_w: Option<f64>,
    /// `Current.Import`, A, the largest phase.
    pub current_a: Option<f64>,
    /// `Current.Offered`, A.
    pub offered_a: Option<f64>,
    /// `Voltage`, V, the largest phase.
    pub voltage_v: Option<f64>,
    /// `Temperature`, degrees Celsius.
    pub temperature_c: Option<f64>,
    /// `SoC`, percent.
    pub soc_percent: Option<f64>,
}

/// How a charger is linked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Transport {
    /// Wi-Fi.
    Wifi,
    /// Mobile network.
    Cellular,
}

/// The unit of a signal reading.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum SignalUnit {
    /// Received power of Wi-Fi, or RSSI of a mobile link, in dBm.
    RssiDbm,
    /// RSRP of a mobile link, in dBm.
    RsrpDbm,
    /// GSM `CSQ`, 0 to 31.
    Csq,
    /// A quality in percent.
    Percent,
}

/// One reading of the radio link.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct SignalReading {
    /// Which link.
    pub transport: Transport,
    /// The value in `unit`.
    pub value: f64,
    /// The unit of `value`.
    pub unit: SignalUnit,
}

impl SignalReading {
    /// The received power in dBm: `CSQ` counts in steps of 2 dBm from -113 (3GPP TS 27.007, 8.5). A
    /// quality in percent is none.
    pub fn dbm(&self) -> Option<f64> {
        match self.unit {
            SignalUnit::RssiDbm | SignalUnit::RsrpDbm => Some(self.value),
            SignalUnit::Csq => Some(-113.0 + 2.0 * self.value),
            SignalUnit::Percent => None,
        }
    }
}

/// A firmware update's progress.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FirmwareReport {
    /// The status word as sent (`Downloading`, `InstallationFailed`, ..).
    pub status: String,
}

/// A security event of the charger.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SecurityReport {
    /// The event's type as sent (`FirmwareUpdated`, `TamperDetectionActivated`, ..).
    pub kind: String,
    /// `techInfo`.
    pub info: Option<String>,
    /// The charger's own time of it.
    pub at: Option<UnixMs>,
}

/// Two devices that use one identity: each one's connection takes the place of the other's
/// (behaviour 4). Told when it is found out; that it goes on is seen by connections that are replaced.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct IdentityContest {
    /// What tells the devices apart, for people, one text a device: an address, a serial number.
    pub parties: Vec<String>,
    /// How often one took the place of the other lately; 0 when that was not counted.
    pub swaps: u32,
}

/// One configuration key (1.6).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConfigurationValue {
    /// Its name.
    pub key: String,
    /// Its value; `None` when the charger knows the key and tells no value.
    pub value: Option<String>,
    /// Whether it cannot be changed.
    pub readonly: bool,
}

/// What became of a reservation, as a charger tells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReservationReport {
    /// Our number of it.
    pub id: i64,
    /// What became of it.
    pub status: ReservationStatus,
}

/// What became of a reservation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ReservationStatus {
    /// A transaction began with it: the one that began in the same message.
    Used,
    /// Its time is over.
    Expired,
    /// The charger dropped it.
    Removed,
}

/// The end of a command of ours.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CommandAnswered {
    /// Which command.
    pub command: CommandId,
    /// What became of it.
    pub outcome: CommandOutcome,
    /// Whether the answer came after the time-out had been told (behaviour 29).
    pub late: bool,
}

/// The OCPP 2.x transaction that the events of a message are about; empty when they are about none.
pub fn external_id_of(events: &[EventKind]) -> String {
    let id = events.iter().find_map(|event| match event {
        EventKind::TransactionStarted(started) => Some(&started.external_id),
        EventKind::TransactionUpdated(updated) => Some(&updated.external_id),
        EventKind::TransactionEnded(ended) => Some(&ended.external_id),
        _ => None,
    });
    id.cloned().unwrap_or_default()
}
