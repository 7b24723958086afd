//! One connector: cable, session, transaction, register.

use mendpoint_model::{ConnectorStatus, UnixMs};

use super::power::Battery;

/// A connector (1.6), or an EVSE with its one connector (2.0.1).
#[derive(Debug)]
pub(crate) struct Connector {
    pub(crate) number: u16,
    pub(crate) plugged: bool,
    /// Whether it is in service by command.
    pub(crate) operative: bool,
    /// Out of service as soon as the transaction ends.
    pub(crate) inoperative_scheduled: bool,
    /// An EVSE that restarts alone (2.0.1).
    pub(crate) restarting: bool,
    pub(crate) session: Option<Session>,
    pub(crate) tx: Option<Tx>,
    pub(crate) reservation: Option<Reservation>,
    /// Energy register, Wh.
    pub(crate) register_wh: f64,
    /// Number that makes old plans for this connector void.
    pub(crate) turn: u32,
    /// The same for the next session that nobody has begun yet.
    pub(crate) next_turn: u32,
    /// What was told last: status and error code.
    pub(crate) reported: Option<(ConnectorStatus, String)>,
    /// Transactions so far, for ids.
    pub(crate) transactions: u32,
}

/// A driver at a connector.
#[derive(Clone, Debug)]
pub(crate) struct Session {
    pub(crate) token: String,
    pub(crate) phase: Phase,
    pub(crate) length_ms: i64,
    /// It will deliver next to nothing.
    pub(crate) fails: bool,
    pub(crate) battery: Battery,
    /// 2.0.1 `remoteStartId`.
    pub(crate) remote_start: Option<i32>,
}

/// How far a session is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// The token is with the server.
    Authorising,
    /// Accepted; the cable is still out.
    Authorised,
    /// Accepted and plugged in; about to start.
    Plugged,
    /// A transaction runs.
    Charging,
    /// The car has had enough.
    Full,
    /// The transaction is over; the cable is still in.
    Leaving,
}

/// A running transaction.
#[derive(Clone, Debug)]
pub(crate) struct Tx {
    /// The charger's own count, unique over connectors.
    pub(crate) local: u64,
    /// 2.0.1 `transactionId`.
    pub(crate) external: String,
    pub(crate) token: String,
    pub(crate) started_at: UnixMs,
    pub(crate) meter_start_wh: f64,
    /// 2.0.1 `seqNo` of the next event.
    pub(crate) seq_no: i32,
    /// When energy was last added to the register.
    pub(crate) metered_at: UnixMs,
    /// Power at that time, W.
    pub(crate) power_w: f64,
    pub(crate) remote_start: Option<i32>,
}

impl Tx {
    /// Energy so far, Wh, by the given register.
    pub(crate) fn energy_wh(&self, register_wh: f64) -> f64 {
        (register_wh - self.meter_start_wh).max(0.0)
    }

    /// The next 2.0.1 sequence number.
    pub(crate) fn next_seq(&mut self) -> i32 {
        let seq = self.seq_no;
        self.seq_no += 1;
        seq
    }
}

/// A reservation.
#[derive(Clone, Debug)]
pub(crate) struct Reservation {
    pub(crate) id: i32,
    pub(crate) token: String,
}

/// Why a transaction ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StopReason {
    Local,
    Remote,
    EvDisconnected,
    DeAuthorized,
    UnlockCommand,
    SoftReset,
    HardReset,
    PowerLoss,
    Other,
}

impl Connector {
    pub(crate) fn new(number: u16, register_wh: f64) -> Self {
        Self {
            number,
            plugged: false,
            operative: true,
            inoperative_scheduled: false,
            restarting: false,
            session: None,
            tx: None,
            reservation: None,
            register_wh,
            turn: 0,
            next_turn: 0,
            reported: None,
            transactions: 0,
        }
    }

    pub(crate) fn phase(&self) -> Option<Phase> {
        self.session.as_ref().map(|session| session.phase)
    }

    /// Makes what was planned for the session void; returns the number for new plans.
    pub(crate) fn new_turn(&mut self) -> u32 {
        self.turn += 1;
        self.turn
    }
}
