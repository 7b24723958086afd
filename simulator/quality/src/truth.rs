//! What really happened: every failure from its beginning to its end, told by the simulator.

use mendpoint_model::{IncidentId, UnixMs};
use mendpoint_simulator::{Note, Shows};

use crate::mix::{Cause, What};

/// What was planned of a failure before anybody knew of it: the same with every engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Begun {
    /// Its number in the plan; the chargers of a site share one.
    pub(crate) planned: usize,
    /// How long after a ticket somebody is there.
    pub(crate) person_after_ms: i64,
}

/// One failure of one charger.
#[derive(Clone, Debug)]
pub(crate) struct Failure {
    pub(crate) cause: usize,
    pub(crate) begun: Begun,
    pub(crate) charger: usize,
    /// The connector; 0 for the whole charger.
    pub(crate) connector: u16,
    pub(crate) code: String,
    pub(crate) shows: Option<Shows>,
    pub(crate) heal_eligible: bool,
    pub(crate) offline: bool,
    pub(crate) began_at: UnixMs,
    pub(crate) ended_at: Option<UnixMs>,
    /// "by itself", "repaired", "soft reset", ..; empty while it lasts.
    pub(crate) how: &'static str,
    /// Sessions with less than 100 Wh while it lasted.
    pub(crate) failed_sessions: u32,
    /// Incidents that were opened on its charger while it lasted.
    pub(crate) incidents: Vec<IncidentId>,
}

impl Failure {
    /// Whether a command of ours ended it.
    pub(crate) fn is_healed(&self) -> bool {
        !matches!(self.how, "" | "by itself" | "repaired")
    }
}

/// All failures.
#[derive(Debug, Default)]
pub(crate) struct Truth {
    pub(crate) failures: Vec<Failure>,
    /// Those that last, by charger.
    active: Vec<Vec<usize>>,
    /// Resets by command that chargers carried out, and those that left one worse than before.
    pub(crate) resets: u64,
    pub(crate) harmed: u64,
    pub(crate) sessions: u64,
    pub(crate) sessions_failed: u64,
}

impl Truth {
    pub(crate) fn new(chargers: usize) -> Self {
        Self { active: vec![Vec::new(); chargers], ..Self::default() }
    }

    pub(crate) fn begin(
        &mut self,
        cause: usize,
        of: &Cause,
        (charger, connector): (usize, u16),
        begun: Begun,
        now: UnixMs,
    ) -> usize {
        let code = match &of.what {
            What::Fault { fault, .. } => fault.code.clone(),
            _ => String::new(),
        };
        let failure = Failure {
            cause,
            begun,
            charger,
            connector,
            code,
            shows: of.shows(),
            heal_eligible: of.is_heal_eligible(),
            offline: matches!(of.what, What::Offline { .. } | What::Flap { .. }),
            began_at: now,
            ended_at: None,
            how: "",
            failed_sessions: 0,
            incidents: Vec::new(),
        };
        self.failures.push(failure);
        let index = self.failures.len() - 1;
        self.active[charger].push(index);
        index
    }

    pub(crate) fn end(&mut self, index: usize, now: UnixMs, how: &'static str) {
        let failure = &mut self.failures[index];
        if failure.ended_at.is_none() {
            failure.ended_at = Some(now);
            failure.how = how;
            self.active[failure.charger].retain(|active| *active != index);
        }
    }

    /// Whether anything is wrong with a charger now.
    pub(crate) fn is_broken(&self, charger: usize) -> bool {
        !self.active[charger].is_empty()
    }

    /// Whether nothing was wrong, or all that was wrong went away without anybody's doing.
    pub(crate) fn cleared_by_itself(&self, failures: &[usize]) -> bool {
        failures.iter().all(|failure| self.failures[*failure].how == "by itself")
    }

    /// The failures of a charger that last now.
    pub(crate) fn active(&self, charger: usize) -> &[usize] {
        &self.active[charger]
    }

    /// What a charger says about itself.
    pub(crate) fn note(&mut self, charger: usize, note: &Note, now: UnixMs) {
        match note {
            Note::FaultEnded(code, how) => {
                let ended = self.active[charger]
                    .iter()
                    .copied()
                    .find(|index| self.failures[*index].code == *code);
                if let Some(index) = ended {
                    self.end(index, now, how);
                }
            }
            Note::TransactionEnded(connector, energy_wh) => {
                self.sessions += 1;
                if *energy_wh < 100 {
                    self.sessions_failed += 1;
                    for index in self.active[charger].clone() {
                        let failure = &mut self.failures[index];
                        if failure.connector == *connector || failure.connector == 0 {
                            failure.failed_sessions += 1;
                        }
                    }
                }
            }
            _ => {}
        }
    }
}
