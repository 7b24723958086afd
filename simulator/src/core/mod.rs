//! A charger without sockets and clocks: a state machine that is told what happens and when, and
//! says what to send and when it wants to be woken.
//!
//! [`ChargerCore::handle`] takes one input and returns what to do; [`ChargerCore::next_deadline`]
//! says when [`Input::Tick`] is due. The same spec, seed and inputs give the same outputs, byte for
//! byte.
//!
//! What is where: `link` connection, boot and heartbeat; `outbox` what is said and what waits;
//! `session` drivers and transactions; `faults` breaking, healing, resets; `commands` what the
//! server asks, without the version's words; `transfer` uploads and firmware. The words themselves
//! are in [`crate::v16`] and [`crate::v201`].

pub(crate) mod commands;
pub(crate) mod connector;
pub(crate) mod device;
mod faults;
pub(crate) mod io;
mod link;
pub(crate) mod outbox;
pub(crate) mod power;
pub(crate) mod profile;
mod session;
mod status;
#[cfg(test)]
mod tests;
mod transfer;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use mendpoint_model::{ConnectorStatus, UnixMs};
use rand::Rng;
use rand::rngs::SmallRng;

use crate::{Behaviour, ChargerSpec};

use connector::Connector;
use device::Device;
use faults::ActiveFault;
use io::{Act, Input, Note, Output};
use link::{BootReason, Link};
use outbox::Outbox;
use profile::Profiles;
use transfer::Transfer;

/// Why a charger boots, for the modules of the versions.
pub(crate) mod link_words {
    pub(crate) use super::link::BootReason;
}

/// The words of uploads and updates, for the modules of the versions.
pub(crate) mod transfer_words {
    pub(crate) use super::transfer::{FirmwareWord, UploadWord};
}

/// A charger.
#[derive(Debug)]
pub struct ChargerCore {
    pub(crate) spec: Arc<ChargerSpec>,
    pub(crate) behaviour: Arc<Behaviour>,
    pub(crate) rng: SmallRng,
    pub(crate) now: UnixMs,
    out: Vec<Output>,
    jobs: BTreeMap<(UnixMs, u64), Job>,
    next_job: u64,
    pub(crate) link: Link,
    pub(crate) outbox: Outbox,
    pub(crate) connectors: Vec<Connector>,
    /// Status and error last told for the charger as a whole (1.6 connector 0).
    whole_reported: Option<(ConnectorStatus, String)>,
    /// Whether the charger as a whole is in service by command.
    pub(crate) operative: bool,
    pub(crate) faults: Vec<ActiveFault>,
    next_fault: u32,
    /// The seed of the whole simulation, and how many resets by command there were: each draws whether
    /// it harms.
    seed: u64,
    resets: u64,
    /// A reset that waits until no transaction runs (2.0.1 `OnIdle`): whether it is a hard one.
    pub(crate) reset_when_idle: Option<bool>,
    pub(crate) device: Device,
    pub(crate) profiles: Profiles,
    /// Version of the local authorisation list, and its tokens.
    pub(crate) local_list: (i32, BTreeMap<String, bool>),
    pub(crate) transfer: Transfer,
    /// Weak radio link: what is measured, and until when.
    weak_signal: Option<(i32, UnixMs)>,
    pub(crate) next_event_id: i32,
    pub(crate) firmware: String,
}

/// Something a charger has planned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Job {
    Connect(u32),
    Boot,
    Heartbeat(u32),
    CallTimeout(u64),
    Pump,
    Step { connector: u16, turn: u32 },
    Meter { connector: u16, turn: u32 },
    NextSession { connector: u16, turn: u32 },
    Heal(u32),
    Repair(u32),
    Strike(u32),
    PowerOff { hard: bool },
    PowerOn { hard: bool },
    CutEnds(u32),
    FlapDown { left: u32, down_ms: i64, up_ms: i64 },
    SignalDue(u32),
    ReservationEnds { connector: u16, id: i32 },
    EvseRestarted { connector: u16 },
    Transfer(u32),
}

impl ChargerCore {
    /// A charger that has no power yet: [`Input::Start`] gives it some. `seed` is mixed with its
    /// identity.
    pub fn new(spec: Arc<ChargerSpec>, behaviour: Arc<Behaviour>, seed: u64) -> Self {
        let mut rng = crate::seed::rng(seed, &spec.identity);
        let meter = rng.random_range(20_000..900_000);
        let connectors = (1..=spec.connectors)
            .map(|number| Connector::new(number, f64::from(meter + i32::from(number) * 1_373)))
            .collect();
        let device = Device::new(&spec, &behaviour);
        Self {
            rng,
            now: UnixMs(0),
            out: Vec::new(),
            jobs: BTreeMap::new(),
            next_job: 0,
            link: Link::default(),
            outbox: Outbox::default(),
            connectors,
            whole_reported: None,
            operative: true,
            faults: Vec::new(),
            next_fault: 0,
            seed,
            resets: 0,
            reset_when_idle: None,
            device,
            profiles: Profiles::default(),
            local_list: (0, BTreeMap::new()),
            transfer: Transfer::default(),
            weak_signal: None,
            next_event_id: 0,
            firmware: spec.firmware.clone(),
            spec,
            behaviour,
        }
    }

    /// Takes one input at `now`. Deadlines that have passed are worked off first, in their order.
    pub fn handle(&mut self, now: UnixMs, input: Input) -> Vec<Output> {
        self.run_due(now);
        self.now = now;
        match input {
            Input::Start => self.start(),
            Input::Opened => self.opened(),
            Input::Closed(_) => self.closed(),
            Input::Text(text) => self.text(&text),
            Input::Tick => {}
            Input::Act(act) => self.act(act),
        }
        self.settle();
        self.run_due(now);
        std::mem::take(&mut self.out)
    }

    /// When the next [`Input::Tick`] is due.
    pub fn next_deadline(&self) -> Option<UnixMs> {
        self.jobs.first_key_value().map(|((at, _), _)| *at)
    }

    /// Its name plate.
    pub fn spec(&self) -> &ChargerSpec {
        &self.spec
    }

    /// The status of a connector as it is now, told or not. `None`: there is no such connector.
    pub fn status(&self, connector: u16) -> Option<ConnectorStatus> {
        let index = self.index(connector)?;
        Some(self.status_of(index).0)
    }

    /// Whether a transaction runs on the connector.
    pub fn is_charging(&self, connector: u16) -> bool {
        self.index(connector).is_some_and(|index| self.connectors[index].tx.is_some())
    }

    /// Whether the server has accepted it and the connection is open.
    pub fn is_online(&self) -> bool {
        self.link.is_accepted()
    }

    /// How many transaction messages wait to be sent.
    pub fn queued(&self) -> usize {
        self.outbox.transactional()
    }

    pub(crate) fn index(&self, connector: u16) -> Option<usize> {
        let index = usize::from(connector).checked_sub(1)?;
        (index < self.connectors.len()).then_some(index)
    }

    pub(crate) fn emit(&mut self, output: Output) {
        self.out.push(output);
    }

    pub(crate) fn note(&mut self, note: Note) {
        self.out.push(Output::Note(note));
    }

    pub(crate) fn plan(&mut self, after_ms: i64, job: Job) {
        self.next_job += 1;
        self.jobs.insert((self.now + after_ms.max(0), self.next_job), job);
    }

    /// A length of the real world between the two, shortened by the speed.
    pub(crate) fn span(&mut self, range: (i64, i64)) -> i64 {
        let ms = crate::seed::between(&mut self.rng, range);
        self.behaviour.scaled(ms)
    }

    fn run_due(&mut self, now: UnixMs) {
        while let Some((&key, _)) = self.jobs.first_key_value() {
            if key.0 > now {
                return;
            }
            let Some(job) = self.jobs.remove(&key) else { return };
            // Each job sees the time it was planned for, so that a late tick changes no transcript.
            self.now = key.0.max(self.now);
            self.run(job);
            self.settle();
        }
    }

    fn settle(&mut self) {
        self.report_statuses();
        self.pump();
    }

    fn start(&mut self) {
        self.link.boot_reason = BootReason::PowerUp;
        let spread = self.behaviour.connect_spread_ms;
        let wait = crate::seed::between(&mut self.rng, (0, spread));
        self.plan_connect(wait);
        for number in 1..=self.spec.connectors {
            self.plan_next_session(number);
        }
    }

    fn run(&mut self, job: Job) {
        match job {
            Job::Connect(turn) => self.connect(turn),
            Job::Boot => self.boot(),
            Job::Heartbeat(turn) => self.heartbeat(turn),
            Job::CallTimeout(flight) => self.call_timed_out(flight),
            Job::Pump => {}
            Job::Step { connector, turn } => self.step(connector, turn),
            Job::Meter { connector, turn } => self.meter_due(connector, turn),
            Job::NextSession { connector, turn } => self.next_session(connector, turn),
            Job::Heal(fault) => self.end_fault(fault, "by itself"),
            Job::Repair(fault) => self.end_fault(fault, "repaired"),
            Job::Strike(hidden) => self.strike(hidden),
            Job::PowerOff { hard } => self.power_off(hard),
            Job::PowerOn { hard } => self.power_on(hard),
            Job::CutEnds(turn) => self.cut_ends(turn),
            Job::FlapDown { left, down_ms, up_ms } => self.flap(left, down_ms, up_ms),
            Job::SignalDue(turn) => self.signal_due(turn),
            Job::ReservationEnds { connector, id } => self.reservation_ends(connector, id),
            Job::EvseRestarted { connector } => self.evse_restarted(connector),
            Job::Transfer(turn) => self.transfer_step(turn),
        }
    }

    fn act(&mut self, act: Act) {
        match act {
            Act::PlugIn { connector } => self.plug_in(connector),
            Act::Unplug { connector } => self.unplug(connector),
            Act::StartSession { connector, token, length_ms } => {
                self.begin_session(connector, token, length_ms, None);
            }
            Act::StopSession { connector } => self.driver_stops(connector),
            Act::FailSession { connector } => self.fail_session(connector),
            Act::Fault(fault) => self.break_down(&fault),
            Act::Clear { connector } => self.clear(connector),
            Act::GoOffline { for_ms, power } => self.go_offline(for_ms, power),
            Act::ComeBack => self.come_back(),
            Act::Flap { times, down_ms, up_ms } => self.flap(times, down_ms, up_ms),
            Act::WeakSignal { dbm, for_ms, error_code } => {
                self.weaken_signal(dbm, for_ms, error_code);
            }
        }
    }

    /// Whether any transaction runs.
    pub(crate) fn any_transaction(&self) -> bool {
        self.connectors.iter().any(|connector| connector.tx.is_some())
    }
}

/// A queue of things to say, in order.
pub(crate) type Queue<T> = VecDeque<T>;
