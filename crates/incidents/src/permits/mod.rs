//! What healing may do where one charger's or one site's view is not enough: limits over cohorts and
//! the whole fleet (G5), storms (G6), canaries (G7), breakers (G8), what is switched off after it did
//! harm (G9), and what repairs taught.
//!
//! One state machine for all shards: asked before an action, told when it ended and how. Pure; the
//! lock is held for as long as one question takes. What it must not forget leaves as [`Memory`] rows
//! and is taken back by [`Permits::recall`].

mod council;
mod memory;
mod record;
mod report;
mod shadow;
mod storm;
#[cfg(test)]
mod tests;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use mendpoint_model::{ChargerKey, IncidentId, ModelKey, Rung, UnixMs};

pub(crate) use council::{Council, Ended, Permit};
pub use memory::Memory;
pub use report::{BootRow, HealingReport, OffRow, RecordRow, RunningRow, StormRow};
pub use shadow::ShadowTally;
pub(crate) use shadow::Truth;

use crate::learn::LearnedRow;
use crate::settings::EngineSettings;

/// The permits of a fleet, shared by the engines of all its shards.
#[derive(Clone, Debug)]
pub struct Permits(Arc<Mutex<Council>>);

impl Permits {
    /// Nothing is known and nothing runs.
    pub fn new(settings: &EngineSettings) -> Self {
        Self(Arc::new(Mutex::new(Council::new(settings.scaled()))))
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, Council> {
        // A panic elsewhere leaves counts that are right or one action too careful.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes back what was kept. Gives the kinds and keys of rows that cannot be read: they are
    /// learned anew.
    pub fn recall(&self, rows: Vec<Memory>) -> Vec<(String, String)> {
        self.lock().recall(rows)
    }

    /// New rows get revisions above this one.
    pub fn begin_after(&self, revision: u64) {
        let mut council = self.lock();
        council.revision = council.revision.max(revision);
    }

    /// A person allows again what was switched off for a charger (G9). Gives what is to be kept;
    /// nothing when nothing was off.
    pub fn allow_again(&self, charger: ChargerKey) -> Vec<Memory> {
        let mut council = self.lock();
        if council.allow_again(charger) { council.take_changes() } else { Vec::new() }
    }

    /// Rules that were there before anybody kept them are not new.
    pub fn know_rules(&self, rules: impl IntoIterator<Item = String>) {
        let mut council = self.lock();
        let known = council.rules.get_or_insert_default();
        for rule in rules {
            known.entry(rule).or_insert(UnixMs(0));
        }
    }

    /// Whether any rule was kept as seen.
    pub fn knows_rules(&self) -> bool {
        self.lock().rules.as_ref().is_some_and(|rules| !rules.is_empty())
    }

    /// From now on rules that were never seen begin in shadow (G10), but for those that are shipped.
    pub fn watch_new_rules(&self, shipped: impl IntoIterator<Item = String>) {
        self.lock().watch_new_rules(shipped.into_iter().collect());
    }

    /// What is known of steps against a code on a charger's model, in sentences.
    pub fn known_words(
        &self,
        now: UnixMs,
        charger: ChargerKey,
        code: &str,
        rungs: &[Rung],
    ) -> Vec<String> {
        let council = self.lock();
        let Some(model) = council.model_of(charger) else { return Vec::new() };
        let known = rungs.iter().filter_map(|rung| {
            let known = council.learned.known(now, model, code, *rung);
            let (tally, of_firmware) = known.telling();
            (tally.n.round() >= 1.0)
                .then(|| crate::learn::share_words(model, *rung, &tally, of_firmware))
        });
        known.collect()
    }

    /// How it stands, for people.
    pub fn report(&self, now: UnixMs) -> HealingReport {
        self.lock().report(now)
    }

    /// What was learned of the rungs of a model; of all models without one.
    pub fn learned(&self, now: UnixMs, model: Option<&ModelKey>) -> Vec<LearnedRow> {
        let council = self.lock();
        let of = |row: &LearnedRow| {
            model.is_none_or(|of| of.vendor == row.model.vendor && of.model == row.model.model)
        };
        council.learned.rows(now).filter(of).collect()
    }
}

/// Why something is not done now, or not at all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Held {
    /// `G5` ..
    pub(crate) guardrail: &'static str,
    /// In words that follow "Waits: ".
    pub(crate) why: String,
    /// Until when, if that is known.
    pub(crate) until: Option<UnixMs>,
}

/// An action that is under way.
#[derive(Clone, Debug)]
pub(crate) struct Running {
    pub(crate) incident: IncidentId,
    pub(crate) rung: Rung,
    pub(crate) at: UnixMs,
    pub(crate) model: Arc<ModelKey>,
    /// The one trial of a breaker that is half open.
    pub(crate) is_trial: bool,
}
