//! What is known of a charger now. Data only: the fold that keeps it lives in the `fleet` crate.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

use crate::{
    Action, Boot, ChargerKey, ConnectorRef, ConnectorStatus, ErrorReport, FaultReport, FindingCode,
    Protocol, SignalReading, SiteKey, TransactionEnded, TransactionId, UnixMs,
};

/// Everything known of one charger.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ChargerState {
    /// Its handle.
    pub key: ChargerKey,
    /// Its site.
    pub site: SiteKey,
    /// Its OCPP identity.
    pub identity: Arc<str>,
    /// Its connection.
    pub link: Link,
    /// What it said at its last boot, and when we received that.
    pub boot: Option<Box<Boot>>,
    /// When the last `BootNotification` came.
    pub booted_at: Option<UnixMs>,
    /// Status of the charger as a whole (1.6 connector 0), where it reports one.
    pub whole: ConnectorState,
    /// Its connectors in the order of their numbers. A charger that never reported has none.
    pub connectors: SmallVec<[ConnectorState; 2]>,
    /// Open transactions.
    pub transactions: SmallVec<[Transaction; 0]>,
    /// The last reading of each radio link, with its time.
    pub signals: SmallVec<[(UnixMs, SignalReading); 0]>,
    /// Last firmware status word, and since when it is the last one.
    pub firmware_status: Option<(UnixMs, Box<str>)>,
    /// Last diagnostics or log status word and its time.
    pub diagnostics_status: Option<(UnixMs, Box<str>)>,
    /// Configuration keys or variables, as last reported.
    pub configuration: BTreeMap<Box<str>, ConfigurationEntry>,
    /// Skew of its clock: our time of receipt minus its own time, milliseconds, smoothed over
    /// messages sent while online. `None` until a message carried a time.
    pub clock_skew_ms: Option<i64>,
    /// How many keys of its configuration are not what they should be; `None` where nothing is
    /// desired or nothing was read.
    #[serde(default)]
    pub drift: Option<u16>,
    /// When a card was last held up at it, accepted or not.
    #[serde(default)]
    pub carded_at: Option<UnixMs>,
}

/// A configuration value and when it was last read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConfigurationEntry {
    /// The value, if told.
    pub value: Option<Box<str>>,
    /// Whether it cannot be changed.
    pub readonly: bool,
    /// When it was reported.
    pub at: UnixMs,
}

/// The connection of a charger.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Link {
    /// Whether a connection is open.
    pub connected: bool,
    /// Since when it is open, or closed. `None`: it never connected.
    pub since: Option<UnixMs>,
    /// The newest connection's number.
    pub epoch: u64,
    /// The version spoken last.
    pub protocol: Option<Protocol>,
    /// When the last message came.
    pub last_seen_at: Option<UnixMs>,
    /// The address it connected from last.
    pub remote: Box<str>,
    /// Why the last connection ended.
    pub last_close: Box<str>,
    /// When the certificate that it came in with last ends; `None` when it showed none.
    #[serde(default)]
    pub certificate_ends: Option<UnixMs>,
    /// When it was made known here, where that is told.
    #[serde(default)]
    pub registered_at: Option<UnixMs>,
}

/// One connector.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ConnectorState {
    /// Which.
    pub at: ConnectorRef,
    /// Its status as last reported; shown as "last known" while the charger is offline.
    pub status: ConnectorStatus,
    /// The word as sent when it was none of OCPP's.
    pub raw_status: Option<Box<str>>,
    /// Since when this status holds, by our clock. `None`: never reported.
    pub since: Option<UnixMs>,
    /// The charger's own time of the newest report taken in (behaviour 55).
    pub reported_at: Option<UnixMs>,
    /// The error beside it (1.6).
    pub error: Option<Box<ErrorReport>>,
    /// Faults that are there now (2.x), by component and variable.
    pub faults: Vec<FaultReport>,
    /// When a car was plugged in, if one is, as far as the status tells.
    pub plugged_at: Option<UnixMs>,
    /// Last measured power, W.
    pub power_w: Option<f64>,
    /// Last measured register, Wh.
    pub energy_wh: Option<f64>,
    /// Last measured state of charge, percent.
    pub soc_percent: Option<f64>,
    /// Last measured temperature, degrees Celsius.
    pub temperature_c: Option<f64>,
    /// What the operator wants: `Some(false)` after a `ChangeAvailability` to Inoperative of ours.
    pub desired_operative: Option<bool>,
    /// What was seen of it over time; `None` as long as there is nothing of the kind.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trace: Option<Box<ConnectorTrace>>,
}

/// What rules ask of a connector beyond its present state: since when something stands still. All
/// times are by our own clock.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ConnectorTrace {
    /// When a card was accepted for the car that stands here, until its transaction begins or the
    /// place is free again.
    pub authorised_at: Option<UnixMs>,
    /// Since when the error beside the status is the one it is.
    pub error_since: Option<UnixMs>,
    /// When that error was last told.
    pub error_told_at: Option<UnixMs>,
    /// When values last came live.
    pub metered_at: Option<UnixMs>,
    /// How far apart values come: the largest of the last gaps, milliseconds; 0 as long as fewer
    /// than two came in this transaction.
    pub meter_gap_ms: i64,
    /// `Current.Offered` as last measured, A.
    pub offered_a: Option<f64>,
    /// When the register last moved, or was first read.
    pub register_at: Option<UnixMs>,
    /// The register stands still though power flows.
    pub still: Option<StillRegister>,
    /// When the register last fell within a transaction.
    pub register_fell_at: Option<UnixMs>,
    /// The first and the last reading with the present state of charge.
    pub soc_span: Option<(UnixMs, UnixMs)>,
    /// It charges with direct current: it told a state of charge, or more power than alternating
    /// current has.
    pub is_dc: bool,
}

/// A register that does not move while power is measured.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct StillRegister {
    /// The first reading of it.
    pub since: UnixMs,
    /// The last one.
    pub until: UnixMs,
    /// What should have been counted meanwhile, Wh.
    pub missing_wh: f64,
}

/// A transaction, open or just ended.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Transaction {
    /// Our number.
    pub id: TransactionId,
    /// The charger's own id (2.x), empty for 1.6.
    pub external_id: Box<str>,
    /// Where.
    pub connector: ConnectorRef,
    /// Who; empty when unknown.
    pub id_token: Box<str>,
    /// When we learned of it.
    pub opened_at: UnixMs,
    /// When it began, by the charger's time when that is credible, else by ours.
    pub started_at: UnixMs,
    /// Register at the start, Wh.
    pub meter_start_wh: Option<i64>,
    /// Newest register, Wh.
    pub meter_wh: Option<f64>,
    /// Newest power, W.
    pub power_w: Option<f64>,
    /// Since when the power is 0 (below 50 W), by our clock.
    pub idle_since: Option<UnixMs>,
    /// Whether power above 50 W was ever measured.
    pub had_power: bool,
    /// Whether `SuspendedEV` was seen (a full or pausing car is no failure, 1.5 F4).
    pub suspended_by_ev: bool,
    /// Newest 2.x sequence number.
    pub seq_no: i64,
    /// 2.x charging state as sent.
    pub charging_state: Option<Box<str>>,
    /// Whether it was sent from the charger's offline queue.
    pub offline: bool,
    /// When `meter_wh` was measured, by the charger's time when that is credible.
    #[serde(default)]
    pub metered_at: Option<UnixMs>,
    /// 2.x sequence numbers that never came, as ranges with both ends, in order (behaviour 62).
    #[serde(default)]
    pub missing: Vec<(i64, i64)>,
    /// Who ended it, if told.
    #[serde(default)]
    pub stop_token: Option<Box<str>>,
    /// The checks it did not pass so far.
    #[serde(default)]
    pub found: Vec<FindingCode>,
    /// When its register last rose, by our clock.
    #[serde(default)]
    pub progress_at: Option<UnixMs>,
    /// Its charger started anew while it was open, and nothing was heard of it since: whether it goes
    /// on is not known (1.6).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interrupted: Option<Interruption>,
    /// When it was heard of again after that, by our clock.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resumed_at: Option<UnixMs>,
}

/// A transaction whose charger started anew: its end, or a sign that it goes on, is waited for
/// (behaviour 53).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Interruption {
    /// When the charger told the boot, by our clock.
    pub at: UnixMs,
    /// Until when it is waited for.
    pub until: UnixMs,
    /// No boot, but a charge that is stuck and that the charger did not end: it is not waited for.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub stuck: bool,
}

impl Transaction {
    /// Energy delivered so far, Wh, when both ends of the register are known.
    pub fn energy_wh(&self) -> Option<f64> {
        Some((self.meter_wh? - self.meter_start_wh? as f64).max(0.0))
    }
}

/// What a fold of one event changed: what rules, history and pages go by.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Fact {
    /// The charger came online, after the given time away (`None`: first connection ever).
    LinkUp {
        /// Milliseconds it was away.
        away_ms: Option<i64>,
    },
    /// The charger went offline (never sent for a replaced connection).
    LinkDown {
        /// Why, for people.
        reason: String,
    },
    /// It booted.
    Booted {
        /// Whether vendor, model, serial or firmware differ from the boot before.
        changed: bool,
    },
    /// A connector's (or with `0/0` the whole charger's) status or error changed.
    StatusChanged {
        /// Which.
        connector: ConnectorRef,
        /// Before.
        from: ConnectorStatus,
        /// After.
        to: ConnectorStatus,
        /// The error now, if any.
        error: Option<ErrorReport>,
        /// True when the report came from the charger's offline queue (more than 300 s late by
        /// its corrected clock): history only, never a reason to act (1.2).
        historical: bool,
        /// Since when it holds, or held: our time, or the charger's own where it told it later.
        #[serde(default)]
        since: UnixMs,
    },
    /// The same status and error were reported again.
    StatusRepeated {
        /// Which.
        connector: ConnectorRef,
    },
    /// A 2.x fault came or went.
    FaultChanged(FaultReport),
    /// A token was presented.
    Authorized {
        /// The token.
        id_token: String,
        /// Whether we accepted it.
        accepted: bool,
        /// Where, if told.
        connector: Option<ConnectorRef>,
    },
    /// A transaction was opened.
    TransactionOpened(Transaction),
    /// A transaction was closed.
    TransactionClosed {
        /// Its last state.
        transaction: Transaction,
        /// Why, as sent, or `Interrupted` when we closed it ourselves.
        reason: String,
        /// When it ended, by the charger's time when that is credible, else by ours.
        ended_at: UnixMs,
        /// Energy delivered, Wh, if known.
        energy_wh: Option<f64>,
        /// True when it came from the charger's offline queue.
        historical: bool,
    },
    /// A transaction that its charger's boot had put in doubt was heard of: it goes on.
    TransactionResumed {
        /// Our number.
        id: TransactionId,
        /// Where.
        connector: ConnectorRef,
    },
    /// An ended message for a transaction that is not known here: kept as an orphan (behaviour 58).
    TransactionOrphaned {
        /// The number the charger sent.
        id: TransactionId,
        /// The charger's own id.
        external_id: String,
        /// All that the message said.
        ended: Box<TransactionEnded>,
    },
    /// Measured values were taken in.
    Metered {
        /// Where.
        connector: ConnectorRef,
        /// Power now, W, if measured.
        power_w: Option<f64>,
    },
    /// A signal reading was taken in.
    SignalRead(SignalReading),
}

/// Read access to the state of chargers, for deciders that must not know who keeps it.
pub trait Chargers {
    /// One charger.
    fn charger(&self, key: ChargerKey) -> Option<&ChargerState>;
    /// The chargers of a site, in the order of their keys.
    fn of_site(&self, site: SiteKey) -> &[ChargerKey];
    /// The charger's own word for why it does not do something (`NotSupported`, ..), when its model
    /// is known for that (behaviour 64).
    fn refusal(&self, _charger: ChargerKey, _action: &Action) -> Option<&'static str> {
        None
    }
    /// Every charger, in the order of its key. Read once, when deciders are restored; whoever keeps
    /// chargers over a restart must give them here, or tell the deciders of each of them.
    fn keys(&self) -> Vec<ChargerKey> {
        Vec::new()
    }
}

/// What a cell of the honeycomb shows. The number is the wire format of the live feed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[repr(u8)]
pub enum CellState {
    /// Free.
    Available = 0,
    /// Charging on at least one connector.
    Charging = 1,
    /// Plugged in, not charging.
    PluggedIn = 2,
    /// The engine is repairing it.
    Healing = 3,
    /// Works, with a warning (weak signal, error without fault, failed charges).
    Degraded = 4,
    /// A connector or the whole charger is faulted.
    Faulted = 5,
    /// No connection.
    Offline = 6,
    /// Out of service by plan.
    Planned = 7,
    /// Provisioned, never connected.
    NeverSeen = 8,
}

impl CellState {
    /// All of them, in the order of their numbers.
    pub const ALL: [Self; 9] = [
        Self::Available,
        Self::Charging,
        Self::PluggedIn,
        Self::Healing,
        Self::Degraded,
        Self::Faulted,
        Self::Offline,
        Self::Planned,
        Self::NeverSeen,
    ];

    /// The word of the style sheets (`ok`, `charge`, ..).
    pub fn token(self) -> &'static str {
        match self {
            Self::Available => "ok",
            Self::Charging => "charge",
            Self::PluggedIn => "busy",
            Self::Healing => "heal",
            Self::Degraded => "warn",
            Self::Faulted => "fault",
            Self::Offline => "offline",
            Self::Planned => "maint",
            Self::NeverSeen => "new",
        }
    }

    /// The word for people.
    pub fn label(self) -> &'static str {
        match self {
            Self::Available => "Available",
            Self::Charging => "Charging",
            Self::PluggedIn => "Plugged in",
            Self::Healing => "Self-healing",
            Self::Degraded => "Degraded",
            Self::Faulted => "Faulted",
            Self::Offline => "Offline",
            Self::Planned => "Planned",
            Self::NeverSeen => "Never seen",
        }
    }

    /// The state of a wire number.
    pub fn from_u8(value: u8) -> Option<Self> {
        Self::ALL.get(usize::from(value)).copied()
    }
}

/// What an open incident puts over the cell of its charger.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Overlay {
    /// It works, with a warning.
    Degraded,
    /// It cannot be used.
    Faulted,
    /// It is being repaired now.
    Healing,
}
