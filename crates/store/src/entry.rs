use mendpoint_model::{
    Boot, CapabilityCounts, ChargerKey, ChargerState, Cohort, Command, CommandId, CommandOutcome,
    ConnectorRef, ConnectorStatus, ExclusionProposal, Finding, FindingCode, FrameSeq, Incident,
    ModelKey, MonitorReport, SecurityReport, SignalReading, TimelineEntry, Transaction,
    TransactionEnded, TransactionId, TransactionNote, UnixMs, VariableReport,
};
use serde::Serialize;

use crate::memory::Memory;
use crate::{FrameBlock, ReservationState};

/// One thing for the journal to write down.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub enum Entry {
    /// A transaction began.
    TransactionOpened {
        /// Where.
        charger: ChargerKey,
        /// Its first state.
        transaction: Transaction,
    },
    /// A transaction went on. Ignored when the transaction is closed already.
    TransactionChanged {
        /// Where.
        charger: ChargerKey,
        /// Its newest state.
        transaction: Transaction,
    },
    /// A transaction ended.
    TransactionClosed {
        /// Where.
        charger: ChargerKey,
        /// Its last state.
        transaction: Transaction,
        /// Why, as sent.
        reason: String,
        /// When it ended.
        ended_at: UnixMs,
        /// Energy delivered, Wh, if known.
        energy_wh: Option<f64>,
    },
    /// Something was said of a transaction.
    TransactionNote {
        /// Which.
        transaction: TransactionId,
        /// When it was received.
        at: UnixMs,
        /// The frame that said it; 0 for none.
        frame: FrameSeq,
        /// What was said.
        note: TransactionNote,
    },
    /// Something is odd about a transaction. A second one of the same code changes nothing.
    TransactionFinding {
        /// Which.
        transaction: TransactionId,
        /// When it was found.
        at: UnixMs,
        /// What was found.
        finding: Finding,
    },
    /// What was found does not hold any more.
    TransactionCleared {
        /// Of which.
        transaction: TransactionId,
        /// When.
        at: UnixMs,
        /// What.
        code: FindingCode,
    },
    /// The end of a transaction that is not known here (behaviour 58).
    TransactionOrphan {
        /// Where.
        charger: ChargerKey,
        /// The number the charger sent.
        id: TransactionId,
        /// The charger's own id (2.x), empty for 1.6.
        external_id: String,
        /// When it came.
        at: UnixMs,
        /// The frame that brought it; 0 for none.
        frame: FrameSeq,
        /// All that it said.
        ended: Box<TransactionEnded>,
    },
    /// The transaction of an orphan was found.
    OrphanJoined {
        /// Where.
        charger: ChargerKey,
        /// The number that the orphan carried.
        sent: TransactionId,
        /// The charger's own id in it; empty for 1.6.
        external_id: String,
        /// The transaction that it ends.
        transaction: TransactionId,
    },
    /// What a charger said of a reservation, or a transaction that began with it.
    Reservation {
        /// Where.
        charger: ChargerKey,
        /// Our number of it.
        reservation: i64,
        /// `used`, `expired` or `removed`.
        state: ReservationState,
        /// The transaction, when one began.
        transaction: Option<TransactionId>,
        /// When.
        at: UnixMs,
    },
    /// An incident was opened or changed: the whole of it.
    Incident(Box<Incident>),
    /// What a rule on trial would have opened, as it stands now.
    Trial {
        /// The incident that there would be.
        incident: Box<Incident>,
        /// Whether a person would have been asked.
        asks: bool,
    },
    /// A line of an incident's history.
    Timeline(TimelineEntry),
    /// The status of a connector, or of the whole charger, changed.
    StateChange {
        /// The charger.
        charger: ChargerKey,
        /// The connector.
        connector: ConnectorRef,
        /// When, by our clock.
        at: UnixMs,
        /// To what.
        status: ConnectorStatus,
        /// The error code beside it; empty for none.
        error: String,
    },
    /// The connection of a charger opened or ended.
    LinkChange {
        /// The charger.
        charger: ChargerKey,
        /// When.
        at: UnixMs,
        /// Whether it is open now.
        online: bool,
        /// Why it ended; empty when it opened.
        reason: String,
    },
    /// Everything known of a charger, so that a restart finds it again.
    State(Box<ChargerState>),
    /// A charger told what it is.
    Boot {
        /// The charger.
        charger: ChargerKey,
        /// What it said.
        boot: Boot,
    },
    /// A block of raw frames.
    Frames(FrameBlock),
    /// A command is about to be sent.
    Command(Command),
    /// A command waits for its charger to come back, until its `not_after` (behaviour 67).
    CommandWaiting(Command),
    /// A command left for its charger. A later one replaces an earlier one.
    CommandSent {
        /// The command.
        id: CommandId,
        /// When.
        at: UnixMs,
    },
    /// What became of a command. A later one replaces an earlier one.
    CommandOutcome {
        /// The charger.
        charger: ChargerKey,
        /// The command.
        id: CommandId,
        /// What became of it.
        outcome: CommandOutcome,
        /// When.
        at: UnixMs,
        /// Whether it came after the time-out had been told.
        late: bool,
    },
    /// A reading of a charger's radio link.
    Signal {
        /// The charger.
        charger: ChargerKey,
        /// When, by our clock.
        at: UnixMs,
        /// The reading.
        reading: SignalReading,
    },
    /// A security event of a charger.
    Security {
        /// The charger.
        charger: ChargerKey,
        /// When, by our clock.
        at: UnixMs,
        /// What it reported.
        report: SecurityReport,
        /// The address it came from; empty when not known.
        remote: String,
    },
    /// Something of our own noticing for the security log: a login that was refused, a connection
    /// that could not be encrypted.
    Noted {
        /// The charger, if it is known.
        charger: Option<ChargerKey>,
        /// The identity that was asked for, which may be made up; empty when there was none.
        identity: String,
        /// When.
        at: UnixMs,
        /// What, as one word.
        kind: &'static str,
        /// Why, in words.
        info: String,
        /// The address it came from.
        remote: String,
    },
    /// Values that a charger told, or that we set.
    Variables {
        /// The charger.
        charger: ChargerKey,
        /// When, by our clock.
        at: UnixMs,
        /// Who is held to have changed what differs: a user's name, or "charger".
        by: String,
        /// The values.
        variables: Vec<VariableReport>,
    },
    /// Monitors of a charger.
    Monitors {
        /// The charger.
        charger: ChargerKey,
        /// When, by our clock.
        at: UnixMs,
        /// With the last part of a report of all monitors: when its first part came. What was seen
        /// before that only is gone.
        all_since: Option<UnixMs>,
        /// The monitors.
        monitors: Vec<MonitorReport>,
    },
    /// How far the upkeep of a charger is.
    Upkeep {
        /// The charger.
        charger: ChargerKey,
        /// When it was so.
        at: UnixMs,
        /// The progress as JSON.
        json: String,
    },
    /// What healing must remember: replaces the row of the same kind and key.
    Memory(Memory),
    /// How often a model answered what.
    Capability {
        /// The model.
        model: ModelKey,
        /// What it was asked to do.
        name: String,
        /// The counts so far.
        counts: CapabilityCounts,
    },
    /// A time that may be excluded from a charger's uptime.
    Exclusion(ExclusionProposal),
    /// A card or vehicle fails at several sites.
    Vehicle {
        /// Which.
        token: String,
        /// Since when it is suspected.
        since: UnixMs,
        /// Its newest failure.
        last_at: UnixMs,
        /// How often it failed, and at how many sites.
        seen: (u32, u32),
        /// When it was found to be without fault.
        cleared_at: Option<UnixMs>,
    },
    /// A charger has another firmware than before, or is seen for the first time.
    Firmware {
        /// The charger.
        charger: ChargerKey,
        /// Since when.
        at: UnixMs,
        /// Vendor, model and firmware.
        cohort: Cohort,
    },
    /// Somebody did something.
    Audit {
        /// When.
        at: UnixMs,
        /// Who.
        actor: String,
        /// What.
        action: String,
        /// To what.
        subject: String,
        /// More; may be empty.
        detail: String,
    },
}

impl Entry {
    /// Whether it may be written a moment later than it was decided: history and copies of what
    /// memory holds, which nobody reads to decide anything.
    pub(crate) fn can_wait(&self) -> bool {
        matches!(
            self,
            Self::StateChange { .. } | Self::Signal { .. } | Self::State(_) | Self::Frames(_)
        )
    }

    /// How much room it takes in the queue: one for about half a KiB, so that the queue bounds
    /// memory as well as rows while the database is away.
    pub(crate) fn weight(&self) -> u32 {
        match self {
            Self::Frames(block) => 1 + u32::try_from(block.data.len() / 512).unwrap_or(u32::MAX),
            Self::State(state) => {
                let parts = state.connectors.len() + state.configuration.len() / 4;
                4 + u32::try_from(parts).unwrap_or(u32::MAX - 4)
            }
            Self::Incident(_) | Self::Trial { .. } => 4,
            Self::Variables { variables, .. } => {
                1 + u32::try_from(variables.len() / 2).unwrap_or(u32::MAX - 1)
            }
            Self::Monitors { monitors, .. } => {
                1 + u32::try_from(monitors.len() / 4).unwrap_or(u32::MAX - 1)
            }
            Self::Upkeep { json, .. } => 1 + u32::try_from(json.len() / 512).unwrap_or(0),
            _ => 1,
        }
    }
}
