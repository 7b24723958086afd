//! What we ask chargers to do, in words that no OCPP version owns.

use serde::{Deserialize, Serialize};

use crate::{ChargerKey, CommandId, ConnectorRef, IncidentId, TransactionId, UnixMs};

/// A command to one charger.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Command {
    /// Its id, the OCPP message id as well.
    pub id: CommandId,
    /// The charger it goes to.
    pub charger: ChargerKey,
    /// What to do.
    pub action: Action,
    /// Who asked.
    pub origin: Origin,
    /// When it was asked for.
    pub created_at: UnixMs,
    /// How long an answer is waited for, from transmission (behaviour 29).
    pub timeout_ms: i64,
    /// When it is no longer worth sending (behaviour 67): a queued command past this is dropped
    /// and reported as [`CommandOutcome::Expired`].
    pub not_after: UnixMs,
}

/// The usual time to wait for an answer.
pub const COMMAND_TIMEOUT_MS: i64 = 30_000;

/// Who asked for a command.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Origin {
    /// The engine, for an incident.
    Engine(IncidentId),
    /// A person: their name.
    User(String),
    /// A script: the name of its token.
    Token(String),
    /// The program itself (asking for a boot, a status, a configuration).
    System,
    /// The upkeep, which asks chargers about themselves: why, in words.
    Upkeep(String),
}

/// What to do. The typed ones are what healing needs and exist in every version; `Raw` is any
/// action of the charger's own version.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Action {
    /// `TriggerMessage`.
    Trigger {
        /// What to send.
        message: TriggeredMessage,
        /// For which connector; `None` for all.
        connector: Option<ConnectorRef>,
    },
    /// `UnlockConnector`.
    Unlock {
        /// Which connector.
        connector: ConnectorRef,
    },
    /// `ChangeAvailability`.
    SetAvailability {
        /// What; the whole charger with [`ConnectorRef::CHARGER`].
        connector: ConnectorRef,
        /// Operative or Inoperative.
        operative: bool,
    },
    /// `Reset`: 1.6 Soft and Hard, 2.x `OnIdle` and Immediate.
    Reset {
        /// Hard (1.6) or Immediate (2.x).
        hard: bool,
        /// One EVSE only (2.x with `AllowReset`).
        evse: Option<u16>,
    },
    /// `RemoteStartTransaction` / `RequestStartTransaction`.
    RemoteStart {
        /// Where.
        connector: Option<ConnectorRef>,
        /// For whom.
        id_token: String,
    },
    /// `RemoteStopTransaction` / `RequestStopTransaction`.
    RemoteStop {
        /// Our number (1.6).
        transaction: TransactionId,
        /// The charger's own id (2.x).
        external_id: String,
    },
    /// `GetConfiguration` (1.6); all keys when empty. In 2.x `GetVariables`.
    GetConfiguration {
        /// Keys (1.6) or `Component.Variable` names (2.x).
        keys: Vec<String>,
    },
    /// `GetDiagnostics` (1.6) or `GetLog`: the charger uploads a log.
    GetLog(Box<LogRequest>),
    /// `UpdateFirmware`; in 1.6 `SignedUpdateFirmware` when it is signed.
    UpdateFirmware(Box<FirmwareRequest>),
    /// `ClearCache`: the charger forgets whom it let charge.
    ClearCache,
    /// Any action of the charger's version with its own payload.
    Raw {
        /// The OCPP action.
        action: String,
        /// The payload as JSON text, an object.
        payload: String,
    },
}

/// Which log, and where it is uploaded to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogRequest {
    /// The security log instead of the diagnostics.
    pub security: bool,
    /// Where the charger uploads it to: `ftp://`, `https://`..
    pub location: String,
    /// The number its reports name (not in `GetDiagnostics` of 1.6).
    pub request_id: i32,
    /// From when on; everything when `None`.
    pub from: Option<UnixMs>,
    /// Until when.
    pub to: Option<UnixMs>,
    /// How often it tries to upload, if that matters.
    pub retries: Option<u16>,
    /// Seconds between two tries.
    pub retry_interval_s: Option<u32>,
}

/// Which firmware, from where, and when.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FirmwareRequest {
    /// Where the charger gets it from.
    pub location: String,
    /// The number its reports name (not in `UpdateFirmware` of 1.6).
    pub request_id: i32,
    /// When it is fetched.
    pub retrieve_at: UnixMs,
    /// When it is installed; at once when `None` (1.6 knows it for signed firmware only).
    pub install_at: Option<UnixMs>,
    /// Certificate of whoever signed it, PEM.
    pub signing_certificate: Option<String>,
    /// Signature of the file, base64.
    pub signature: Option<String>,
    /// How often it tries to fetch it, if that matters.
    pub retries: Option<u16>,
    /// Seconds between two tries.
    pub retry_interval_s: Option<u32>,
}

impl FirmwareRequest {
    /// Whether it is signed: both the certificate and the signature are there.
    pub fn is_signed(&self) -> bool {
        self.signing_certificate.is_some() && self.signature.is_some()
    }
}

/// What `TriggerMessage` may ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum TriggeredMessage {
    /// `BootNotification`.
    BootNotification,
    /// `StatusNotification`.
    StatusNotification,
    /// `Heartbeat`.
    Heartbeat,
    /// `MeterValues`.
    MeterValues,
    /// `FirmwareStatusNotification`.
    FirmwareStatus,
    /// `DiagnosticsStatusNotification` (1.6) or `LogStatusNotification`.
    LogStatus,
}

impl TriggeredMessage {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::BootNotification,
        Self::StatusNotification,
        Self::Heartbeat,
        Self::MeterValues,
        Self::FirmwareStatus,
        Self::LogStatus,
    ];

    /// The message of a word, as [`TriggeredMessage::name`] writes it or as 1.6 does.
    pub fn from_name(name: &str) -> Option<Self> {
        if name == "DiagnosticsStatusNotification" {
            return Some(Self::LogStatus);
        }
        Self::ALL.into_iter().find(|message| message.name() == name)
    }

    /// The OCPP word.
    pub fn name(self) -> &'static str {
        match self {
            Self::BootNotification => "BootNotification",
            Self::StatusNotification => "StatusNotification",
            Self::Heartbeat => "Heartbeat",
            Self::MeterValues => "MeterValues",
            Self::FirmwareStatus => "FirmwareStatusNotification",
            Self::LogStatus => "LogStatusNotification",
        }
    }
}

impl Action {
    /// The OCPP 1.6 name of the action, for people and logs (2.x names differ for start and stop).
    pub fn name(&self) -> &str {
        match self {
            Self::Trigger { .. } => "TriggerMessage",
            Self::Unlock { .. } => "UnlockConnector",
            Self::SetAvailability { .. } => "ChangeAvailability",
            Self::Reset { .. } => "Reset",
            Self::RemoteStart { .. } => "RemoteStartTransaction",
            Self::RemoteStop { .. } => "RemoteStopTransaction",
            Self::GetConfiguration { .. } => "GetConfiguration",
            Self::GetLog(request) if request.security => "GetLog",
            Self::GetLog(_) => "GetDiagnostics",
            Self::UpdateFirmware(request) if request.is_signed() => "SignedUpdateFirmware",
            Self::UpdateFirmware(_) => "UpdateFirmware",
            Self::ClearCache => "ClearCache",
            Self::Raw { action, .. } => action,
        }
    }
}

/// What became of a command.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum CommandOutcome {
    /// The charger answered. `accepted` says whether with a status that means yes (`Accepted`,
    /// `Unlocked`, `Scheduled`, or an answer without a status). Accepted is not done
    /// (behaviour 65): success is an observed change.
    Answered {
        /// Whether the answer means yes.
        accepted: bool,
        /// The status word, empty when the answer has none.
        status: String,
        /// The whole payload as JSON text.
        payload: String,
    },
    /// The charger answered CALLERROR.
    Refused {
        /// OCPP-J error code (`NotSupported`, `NotImplemented`, ..).
        code: String,
        /// Its description.
        description: String,
    },
    /// No answer within the time-out.
    TimedOut,
    /// There was no connection, or it ended before the answer came.
    NotConnected,
    /// It waited in the queue past its deadline; it was not sent. Old rows say it of a full queue
    /// too.
    Expired,
    /// Too many commands were waiting for the charger already; it was not sent.
    QueueFull,
    /// The charger's version has no such action; it was not sent. The reason, in words.
    Unsupported(String),
    /// It waited for the charger to come back, and then there was no use in it any more, or a person
    /// took it back (behaviour 67); it was not sent. The reason, in words.
    Dropped(String),
}

impl CommandOutcome {
    /// Whether the charger said yes.
    pub fn is_accepted(&self) -> bool {
        matches!(self, Self::Answered { accepted: true, .. })
    }

    /// One word or two for people: the charger's own status where there is one.
    pub fn summary(&self) -> &str {
        match self {
            Self::Answered { status, .. } if !status.is_empty() => status,
            Self::Answered { .. } => "Answered",
            Self::Refused { code, .. } => code,
            Self::TimedOut => "No answer",
            Self::NotConnected => "Not connected",
            Self::Expired => "Expired in the queue",
            Self::QueueFull => "Queue full",
            Self::Unsupported(_) => "Not in this OCPP version",
            Self::Dropped(_) => "Not sent",
        }
    }
}
