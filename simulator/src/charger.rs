//! One charger to play with: what tests need.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use mendpoint_model::{ConnectorStatus, UnixMs};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

use crate::shell::{self, Clock, Watcher};
use crate::{Act, Behaviour, ChargerCore, ChargerSpec, Fault, Note, SimulatorError, Target};

/// How long [`Charger::connect`] waits for the server to accept the charger.
const CONNECT_WAIT: Duration = Duration::from_secs(20);

/// One simulated charger on a real socket. Nothing happens to it but what is asked for: no drivers
/// come of their own. It is switched off when this is dropped.
#[derive(Debug)]
pub struct Charger {
    spec: Arc<ChargerSpec>,
    target: Arc<Target>,
    behaviour: Behaviour,
    seed: u64,
    acts: Option<mpsc::UnboundedSender<Act>>,
    view: watch::Receiver<View>,
    shared: Arc<Mutex<Journal>>,
    stop: Option<watch::Sender<bool>>,
    task: Option<JoinHandle<()>>,
}

/// How a charger stands.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct View {
    /// Connected and accepted by the server.
    pub online: bool,
    /// Status of each connector, from number 1.
    pub statuses: Vec<ConnectorStatus>,
    /// Whether a transaction runs, per connector.
    pub charging: Vec<bool>,
    /// Transaction messages that wait to be sent.
    pub queued: usize,
    /// The firmware it runs.
    pub firmware: String,
    /// Why the last connection ended or could not be opened.
    pub last_close: String,
}

/// A command that a charger was sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReceivedCommand {
    /// When.
    pub at: UnixMs,
    /// OCPP action.
    pub action: String,
    /// Payload as JSON text.
    pub payload: String,
    /// The answer's payload as JSON text, or the code of the error; empty when it kept silent.
    pub answer: String,
}

#[derive(Debug, Default)]
struct Journal {
    commands: Vec<ReceivedCommand>,
    sent: Vec<String>,
    notes: Vec<Note>,
}

impl Charger {
    /// A charger that is switched off, with boots and the like shortened a hundredfold.
    pub fn new(spec: ChargerSpec, target: Target) -> Self {
        let (_, view) = watch::channel(View::default());
        let behaviour = Behaviour {
            speed: 100.0,
            meter_interval_ms: 1_000,
            backoff_ms: (100, 2_000),
            drivers: false,
            ..Behaviour::default()
        };
        Self {
            spec: Arc::new(spec),
            target: Arc::new(target),
            behaviour,
            seed: 1,
            acts: None,
            view,
            shared: Arc::default(),
            stop: None,
            task: None,
        }
    }

    /// The same with other rates and lengths.
    #[must_use]
    pub fn with_behaviour(mut self, behaviour: Behaviour) -> Self {
        self.behaviour = behaviour;
        self
    }

    /// The same with another seed.
    #[must_use]
    pub fn with_seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// Switches it on without waiting for anything. Has to be called inside a tokio runtime.
    #[must_use]
    pub fn power_on(mut self) -> Self {
        if self.task.is_some() {
            return self;
        }
        let core = ChargerCore::new(self.spec.clone(), Arc::new(self.behaviour.clone()), self.seed);
        let (acts, received) = mpsc::unbounded_channel();
        let (stop, stopped) = watch::channel(false);
        let (view, shown) = watch::channel(View::default());
        let watcher = Recorder { view, journal: self.shared.clone(), last_close: String::new() };
        let target = self.target.clone();
        let run = shell::run(core, target, Clock::start(), received, watcher, stopped);
        self.task = Some(tokio::spawn(run));
        self.acts = Some(acts);
        self.stop = Some(stop);
        self.view = shown;
        self
    }

    /// Switches it on and waits until the server has accepted it.
    ///
    /// # Errors
    /// [`SimulatorError::Connect`] when that takes longer than 20 seconds.
    pub async fn connect(self) -> Result<Self, SimulatorError> {
        let on = self.power_on();
        if on.wait_until(CONNECT_WAIT, |view| view.online).await {
            return Ok(on);
        }
        let why = match on.view().last_close {
            why if why.is_empty() => "the server did not accept it in time".to_owned(),
            why => why,
        };
        Err(SimulatorError::Connect { identity: on.spec.identity.clone(), why })
    }

    /// Its name plate.
    pub fn spec(&self) -> &ChargerSpec {
        &self.spec
    }

    /// Does something to it.
    ///
    /// # Errors
    /// [`SimulatorError::Gone`] when it was never switched on.
    pub fn act(&self, act: Act) -> Result<(), SimulatorError> {
        let gone = || SimulatorError::Gone(self.spec.identity.clone());
        self.acts.as_ref().ok_or_else(gone)?.send(act).map_err(|_| gone())
    }

    /// A car is plugged in.
    ///
    /// # Errors
    /// As [`Charger::act`].
    pub fn plug_in(&self, connector: u16) -> Result<(), SimulatorError> {
        self.act(Act::PlugIn { connector })
    }

    /// The car leaves.
    ///
    /// # Errors
    /// As [`Charger::act`].
    pub fn unplug(&self, connector: u16) -> Result<(), SimulatorError> {
        self.act(Act::Unplug { connector })
    }

    /// A driver plugs in, presents `token`, and charges until [`Charger::stop_session`].
    ///
    /// # Errors
    /// As [`Charger::act`].
    pub fn start_session(&self, connector: u16, token: &str) -> Result<(), SimulatorError> {
        self.act(Act::PlugIn { connector })?;
        let token = Some(token.to_owned());
        self.act(Act::StartSession { connector, token, length_ms: Some(i64::MAX / 4) })
    }

    /// The driver ends the session; the cable stays in.
    ///
    /// # Errors
    /// As [`Charger::act`].
    pub fn stop_session(&self, connector: u16) -> Result<(), SimulatorError> {
        self.act(Act::StopSession { connector })
    }

    /// Something breaks.
    ///
    /// # Errors
    /// As [`Charger::act`].
    pub fn fault(&self, fault: Fault) -> Result<(), SimulatorError> {
        self.act(Act::Fault(fault))
    }

    /// Somebody repairs the faults of a connector; 0 for all.
    ///
    /// # Errors
    /// As [`Charger::act`].
    pub fn clear(&self, connector: u16) -> Result<(), SimulatorError> {
        self.act(Act::Clear { connector })
    }

    /// The network is gone until [`Charger::come_back`].
    ///
    /// # Errors
    /// As [`Charger::act`].
    pub fn go_offline(&self) -> Result<(), SimulatorError> {
        self.act(Act::GoOffline { for_ms: None, power: false })
    }

    /// The network is back.
    ///
    /// # Errors
    /// As [`Charger::act`].
    pub fn come_back(&self) -> Result<(), SimulatorError> {
        self.act(Act::ComeBack)
    }

    /// How it stands now.
    pub fn view(&self) -> View {
        self.view.borrow().clone()
    }

    /// Waits until it stands as asked; `false` when that takes longer than `at_most`.
    pub async fn wait_until(&self, at_most: Duration, fits: impl Fn(&View) -> bool) -> bool {
        let mut view = self.view.clone();
        let waiting = view.wait_for(|view| fits(view));
        matches!(tokio::time::timeout(at_most, waiting).await, Ok(Ok(_)))
    }

    /// The commands it was sent so far, oldest first.
    pub fn commands(&self) -> Vec<ReceivedCommand> {
        self.journal(|journal| journal.commands.clone())
    }

    /// The frames it sent so far, oldest first.
    pub fn sent(&self) -> Vec<String> {
        self.journal(|journal| journal.sent.clone())
    }

    /// What else happened to it so far, oldest first.
    pub fn notes(&self) -> Vec<Note> {
        self.journal(|journal| journal.notes.clone())
    }

    fn journal<T>(&self, read: impl FnOnce(&Journal) -> T) -> T {
        // A poisoned lock only means that a test panicked elsewhere; the list is whole.
        read(&self.shared.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Switches it off with a proper close, and waits for that.
    pub async fn power_off(mut self) {
        if let Some(stop) = self.stop.take() {
            let _ = stop.send(true);
        }
        if let Some(task) = self.task.take() {
            let _ = task.await;
        }
    }
}

impl Drop for Charger {
    fn drop(&mut self) {
        if let Some(task) = &self.task {
            task.abort();
        }
    }
}

struct Recorder {
    view: watch::Sender<View>,
    journal: Arc<Mutex<Journal>>,
    last_close: String,
}

impl Recorder {
    fn write(&self, write: impl FnOnce(&mut Journal)) {
        write(&mut self.journal.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

impl Watcher for Recorder {
    fn notes(&mut self, core: &ChargerCore, now: UnixMs, notes: Vec<Note>) {
        self.write(|journal| {
            for note in notes {
                match note {
                    Note::Command { action, payload, answer } => {
                        let at = now;
                        journal.commands.push(ReceivedCommand { at, action, payload, answer });
                    }
                    Note::Answered(_) => {}
                    other => journal.notes.push(other),
                }
            }
        });
        let numbers = 1..=core.spec().connectors;
        let view = View {
            online: core.is_online(),
            statuses: numbers.clone().filter_map(|number| core.status(number)).collect(),
            charging: numbers.map(|number| core.is_charging(number)).collect(),
            queued: core.queued(),
            firmware: core.firmware.clone(),
            last_close: self.last_close.clone(),
        };
        self.view.send_if_modified(|shown| {
            let changed = *shown != view;
            *shown = view;
            changed
        });
    }

    fn sent(&mut self, text: &str) {
        self.write(|journal| journal.sent.push(text.to_owned()));
    }

    fn closed(&mut self, why: &str) {
        why.clone_into(&mut self.last_close);
    }

    fn opened(&mut self) {}
}
