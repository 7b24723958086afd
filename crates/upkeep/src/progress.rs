//! How far the upkeep of a charger is: what survives a restart and what a page shows.

use std::collections::BTreeMap;

use mendpoint_model::{ModelKey, MonitorReport, UnixMs, VariableRef};
use serde::{Deserialize, Serialize};

/// How far the upkeep of one charger is.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Progress {
    /// What the charger was when all of this was learned. Another firmware begins anew.
    pub model: ModelKey,
    /// When the configuration (1.6) or the inventory (2.x) was last read whole.
    pub read_at: Option<UnixMs>,
    /// When everything was read for the first time with this firmware (2.x).
    pub inventory_at: Option<UnixMs>,
    /// How many values the last reading told.
    pub values: u32,
    /// How many values were told and not kept, because there were too many.
    pub dropped: u64,
    /// Parts of the last report that never came.
    pub parts_missing: u32,
    /// How often in a row a reading stayed without an end.
    pub failures: u32,
    /// What is not asked again, by question.
    pub refused: BTreeMap<String, Refusal>,
    /// The monitors.
    pub monitors: Monitors,
    /// When each vendor's question was last asked.
    pub signal_asked: BTreeMap<String, UnixMs>,
    /// What was asked last, and how it ended, for people.
    pub last: Option<Line>,
}

/// A question that the charger does not answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// When.
    pub at: UnixMs,
    /// The charger's word (`NotSupported`, `Rejected`, ..).
    pub word: String,
    /// Whether another charger of the same model said it, so that this one was not asked.
    pub by_model: bool,
}

/// What happened last.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    /// When.
    pub at: UnixMs,
    /// The question and its end, in words.
    pub words: String,
}

/// How far the monitors are.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Monitors {
    /// The next step.
    pub stage: Stage,
    /// What is to be watched, out of what the charger reported.
    pub wanted: Vec<Wanted>,
    /// When everything was done.
    pub done_at: Option<UnixMs>,
    /// Whether what was missing in the charger's report was asked for once more.
    pub mended: bool,
}

/// The steps of the monitors, in their order (2.2b).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Stage {
    /// `SetMonitoringBase(All)` comes next.
    #[default]
    Base,
    /// `SetMonitoringLevel(6)` comes next.
    Level,
    /// `SetVariableMonitoring` comes next.
    Set,
    /// `GetMonitoringReport` comes next.
    Report,
    /// Nothing is left to do with this firmware.
    Done,
}

/// One monitor that is wanted.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Wanted {
    /// The variable.
    pub at: VariableRef,
    /// `LowerThreshold` or `Delta`.
    pub kind: String,
    /// The threshold or the difference.
    pub value: f64,
    /// 0 to 9.
    pub severity: u8,
    /// Empty: not asked for yet. Else the charger's word: `Accepted`, `Duplicate`, or why not.
    pub status: String,
    /// The charger's number of it.
    pub id: Option<i64>,
}

impl Wanted {
    /// Whether the charger watches it.
    pub fn is_installed(&self) -> bool {
        matches!(self.status.as_str(), "Accepted" | "Duplicate")
    }

    /// Whether a monitor of the charger is this one.
    pub(crate) fn is_same(&self, monitor: &MonitorReport) -> bool {
        self.at == monitor.at && self.kind == monitor.kind
    }
}

impl Progress {
    /// Begins anew for another model or firmware.
    pub(crate) fn begin_for(&mut self, model: ModelKey) {
        let dropped = self.dropped;
        *self = Self { model, dropped, ..Self::default() };
    }

    /// How many monitors the charger watches.
    pub fn installed(&self) -> usize {
        self.monitors.wanted.iter().filter(|wanted| wanted.is_installed()).count()
    }

    /// The monitors that the charger was asked for and does not have.
    pub fn monitors_refused(&self) -> impl Iterator<Item = &Wanted> {
        let asked = self.monitors.wanted.iter().filter(|wanted| !wanted.status.is_empty());
        asked.filter(|wanted| !wanted.is_installed())
    }
}
