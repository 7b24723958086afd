//! A whole scenario over real sockets.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use mendpoint_model::UnixMs;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::reporter::Reporter;
use crate::scenario::director::{Director, Planned, What};
use crate::shell::{self, Clock, Watcher};
use crate::stats::{Counters, Stats};
use crate::{Act, ChargerCore, Note, Scenario, SimulatorError, Target};

/// A scenario, a server and a seed.
pub struct Simulation {
    scenario: Scenario,
    target: Arc<Target>,
    seed: u64,
    counters: Arc<Counters>,
    reporter: Option<Arc<dyn Reporter>>,
}

impl std::fmt::Debug for Simulation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Simulation")
            .field("scenario", &self.scenario.name)
            .field("target", &self.target)
            .field("seed", &self.seed)
            .finish_non_exhaustive()
    }
}

impl Simulation {
    /// A simulation that has not begun. The same seed gives the same fleet, the same events at the
    /// same moments and the same decisions of chargers and drivers.
    pub fn new(scenario: Scenario, target: Target, seed: u64) -> Self {
        let target = Arc::new(target);
        Self { scenario, target, seed, counters: Arc::default(), reporter: None }
    }

    /// The same with somebody who takes the reports of drivers.
    #[must_use]
    pub fn with_reporter(mut self, reporter: Arc<dyn Reporter>) -> Self {
        self.reporter = Some(reporter);
        self
    }

    /// The numbers so far.
    pub fn stats(&self) -> Stats {
        self.counters.read()
    }

    /// Its scenario.
    pub fn scenario(&self) -> &Scenario {
        &self.scenario
    }

    /// Runs until `shutdown` becomes true (or its sender is gone), then closes every connection.
    ///
    /// # Errors
    /// [`SimulatorError::Url`] when the server's address cannot be used. Whatever goes wrong later
    /// is what chargers live with: they try again.
    pub async fn run(&self, shutdown: watch::Receiver<bool>) -> Result<(), SimulatorError> {
        let chargers = self.scenario.chargers();
        if let Some(first) = chargers.first() {
            self.target.request(first)?;
        }
        let behaviour = Arc::new(self.scenario.behaviour.clone());
        let clock = Clock::start();
        let mut tasks = JoinSet::new();
        let mut acts = Vec::with_capacity(chargers.len());
        for spec in chargers {
            let core = ChargerCore::new(Arc::new(spec), behaviour.clone(), self.seed);
            let (sender, received) = mpsc::unbounded_channel();
            let watcher = Counting { counters: self.counters.clone(), open: false };
            let target = self.target.clone();
            tasks.spawn(shell::run(core, target, clock, received, watcher, shutdown.clone()));
            acts.push(sender);
        }
        self.direct(&acts, shutdown).await;
        // Their senders go, so that chargers whose shutdown signal was lost end as well.
        drop(acts);
        while tasks.join_next().await.is_some() {}
        Ok(())
    }

    async fn direct(
        &self,
        acts: &[mpsc::UnboundedSender<Act>],
        mut shutdown: watch::Receiver<bool>,
    ) {
        let started = Instant::now();
        let mut director = Director::new(&self.scenario, self.seed);
        loop {
            let next = director.next();
            let wait = async {
                match &next {
                    Some((at_ms, _)) => {
                        let at = started + Duration::from_millis((*at_ms).max(0) as u64);
                        tokio::time::sleep_until(at).await;
                    }
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                stopped = shutdown.wait_for(|stop| *stop) => {
                    drop(stopped);
                    return;
                }
                () = wait => {}
            }
            for planned in next.into_iter().flat_map(|(_, list)| list) {
                self.carry_out(acts, planned);
            }
        }
    }

    fn carry_out(&self, acts: &[mpsc::UnboundedSender<Act>], planned: Planned) {
        match planned.what {
            What::Act(act) => {
                tracing::debug!(charger.index = planned.charger, ?act, "something happens");
                // A charger whose task has ended cannot be acted on, and need not be.
                let _ = acts[planned.charger].send(act);
            }
            What::Report(report) => {
                self.counters.reports.fetch_add(1, Ordering::Relaxed);
                if let Some(reporter) = &self.reporter {
                    reporter.report(report);
                }
            }
        }
    }
}

struct Counting {
    counters: Arc<Counters>,
    open: bool,
}

impl Watcher for Counting {
    fn notes(&mut self, core: &ChargerCore, _now: UnixMs, notes: Vec<Note>) {
        for note in notes {
            self.counters.note(&note);
            let id = &core.spec().identity;
            match note {
                Note::CallError { action, error } => {
                    tracing::warn!(charger.id = %id, action, error, "the server answered with an error");
                }
                Note::BadAnswer { action, why } => {
                    tracing::warn!(charger.id = %id, action, why, "the server's answer does not read");
                }
                Note::GaveUp(action) => {
                    tracing::warn!(charger.id = %id, action, "a transaction message was given up");
                }
                Note::FaultBegan(code) => {
                    tracing::debug!(charger.id = %id, code, "a fault began");
                }
                Note::FaultEnded(code, how) => {
                    tracing::debug!(charger.id = %id, code, how, "a fault ended");
                }
                _ => {}
            }
        }
    }

    fn sent(&mut self, _text: &str) {
        self.counters.sent();
    }

    fn closed(&mut self, why: &str) {
        self.counters.closed(std::mem::take(&mut self.open));
        tracing::debug!(why, "a connection ended");
    }

    fn opened(&mut self) {
        self.open = true;
        self.counters.opened();
    }
}

impl Drop for Counting {
    fn drop(&mut self) {
        if self.open {
            self.counters.connected.fetch_sub(1, Ordering::Relaxed);
        }
    }
}
