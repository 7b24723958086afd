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
    /// A person or a script: the user's name or the token's name.
    User(String),
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
    /// `GetDiagnostics` (1.6); in 2.x `GetLog` of the diagnostics. What becomes of it is told by
    /// [`crate::EventKind::Diagnostics`].
    GetDiagnostics {
        /// Where the file is to be uploaded; may hold a password.
        location: String,
        /// 2.x: the number its progress is told under.
        request: i32,
    },
    /// Any action of the charger's version with its own payload.
    Raw {
        /// The OCPP action.
        action: String,
        /// The payload as JSON text, an object.
        payload: String,
    },
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
}

impl TriggeredMessage {
    /// The OCPP word.
    pub fn name(self) -> &'static str {
        match self {
            Self::BootNotification => "BootNotification",
            Self::StatusNotification => "StatusNotification",
            Self::Heartbeat => "Heartbeat",
            Self::MeterValues => "MeterValues",
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
            Self::GetDiagnostics { .. } => "GetDiagnostics",
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
        }
    }
}
