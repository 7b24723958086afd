//! The connection, the boot and the heartbeat.

use mendpoint_model::UnixMs;
use rand::Rng;

use super::io::{Act, Note, Output};
use super::outbox::Purpose;
use super::{ChargerCore, Job};
use crate::{v16, v201};

/// The state of the connection and of the registration with the server.
#[derive(Debug, Default)]
pub(crate) struct Link {
    pub(crate) line: Line,
    pub(crate) registration: Registration,
    pub(crate) boot_reason: BootReason,
    /// Connection attempts since the last one that worked.
    attempts: u32,
    /// Numbers that make old plans void.
    connect_turn: u32,
    heartbeat_turn: u32,
    cut_turn: u32,
    signal_turn: u32,
    /// The network is gone.
    cut: bool,
    /// The power was gone with it.
    cut_power: bool,
    /// It is rebooting.
    pub(crate) rebooting: bool,
    /// It will not come back until somebody repairs it.
    pub(crate) dead: bool,
    pub(crate) heartbeat_ms: i64,
}

/// The connection itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Line {
    #[default]
    Down,
    Opening,
    Up,
}

/// What the server said to the boot.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Registration {
    /// It has not booted since it got power.
    #[default]
    Unbooted,
    /// It may answer, and send what it is triggered to.
    Pending,
    /// It keeps silent until the interval is over.
    Rejected,
    /// It works.
    Accepted,
}

/// Why it boots (2.0.1 `BootReasonEnumType`; 1.6 does not tell).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum BootReason {
    #[default]
    PowerUp,
    RemoteReset,
    FirmwareUpdate,
    Triggered,
}

impl Link {
    /// Whether the connection is open and the server has accepted the charger.
    pub(crate) fn is_accepted(&self) -> bool {
        self.line == Line::Up && self.registration == Registration::Accepted
    }
}

impl ChargerCore {
    fn may_connect(&self) -> bool {
        !self.link.cut && !self.link.rebooting && !self.link.dead
    }

    pub(super) fn plan_connect(&mut self, after_ms: i64) {
        self.link.connect_turn += 1;
        self.plan(after_ms, Job::Connect(self.link.connect_turn));
    }

    pub(super) fn connect(&mut self, turn: u32) {
        if turn == self.link.connect_turn && self.link.line == Line::Down && self.may_connect() {
            self.link.line = Line::Opening;
            self.emit(Output::Open);
        }
    }

    pub(super) fn opened(&mut self) {
        if self.link.line != Line::Opening {
            return;
        }
        self.link.line = Line::Up;
        self.link.attempts = 0;
        self.plan_signal();
        if self.link.registration == Registration::Accepted {
            // A charger that kept its power does not boot again (behaviour 50).
            self.say_heartbeat(false);
            self.plan_heartbeat();
        } else {
            self.boot();
        }
    }

    pub(super) fn closed(&mut self) {
        if self.link.line == Line::Down {
            return;
        }
        self.line_is_down();
        if !self.may_connect() {
            return;
        }
        // Back-off doubles with each attempt and is spread, so that a fleet does not return as one.
        let (first, longest) = self.behaviour.backoff_ms;
        let doubled = first.saturating_mul(1_i64 << self.link.attempts.min(16)).min(longest);
        self.link.attempts += 1;
        let spread = self.rng.random_range(0.7..1.3);
        self.plan_connect((doubled as f64 * spread) as i64);
    }

    fn line_is_down(&mut self) {
        self.link.line = Line::Down;
        self.link.heartbeat_turn += 1;
        self.outbox_disconnected();
    }

    /// Drops the connection without a word, as a charger does that loses network or power.
    pub(super) fn drop_line(&mut self) {
        if self.link.line != Line::Down {
            self.emit(Output::Close);
            self.line_is_down();
        }
        self.link.connect_turn += 1;
    }

    pub(super) fn boot(&mut self) {
        if self.link.line == Line::Up && self.link.registration != Registration::Accepted {
            self.say_boot(false);
        }
    }

    pub(crate) fn say_boot(&mut self, triggered: bool) {
        if self.outbox.holds(Purpose::Boot) {
            return;
        }
        let message = if self.spec.is_v16() { v16::say::boot(self) } else { v201::say::boot(self) };
        self.say(message.triggered(triggered));
    }

    /// Boots on request without having rebooted; the registration stays as it is.
    pub(crate) fn say_boot_again(&mut self) {
        let before = std::mem::replace(&mut self.link.boot_reason, BootReason::Triggered);
        self.say_boot(true);
        self.link.boot_reason = before;
    }

    /// The same without its unrest, for reports.
    pub(crate) fn signal_level(&self) -> i32 {
        match (self.weak_signal, self.spec.link) {
            (Some((dbm, until)), _) if self.now < until => dbm,
            (_, crate::LinkKind::Cellular) => -79,
            _ => -58,
        }
    }

    /// What the radio link measures now, dBm.
    pub(crate) fn signal_now(&mut self) -> i32 {
        match (self.weak_dbm(), self.spec.link) {
            (Some(dbm), _) => dbm + self.rng.random_range(-2..=1),
            (None, crate::LinkKind::Cellular) => self.rng.random_range(-88..=-71),
            (None, _) => self.rng.random_range(-68..=-48),
        }
    }

    /// The server's answer to the boot: status word and interval in seconds.
    pub(crate) fn boot_answered(&mut self, status: &str, interval_s: i64) {
        self.note(Note::Booted(status.to_owned()));
        let interval_ms = interval_s.clamp(0, 86_400 * 7) * 1_000;
        match status {
            "Accepted" => {
                let first = self.link.registration != Registration::Accepted;
                self.link.registration = Registration::Accepted;
                self.link.heartbeat_ms = if interval_ms == 0 { 300_000 } else { interval_ms };
                let at_most = self.behaviour.heartbeat_at_most_ms;
                if at_most > 0 {
                    self.link.heartbeat_ms = self.link.heartbeat_ms.min(at_most);
                }
                self.device.set_heartbeat(self.link.heartbeat_ms / 1_000);
                self.plan_heartbeat();
                if first {
                    self.forget_reported();
                    self.after_boot();
                }
            }
            word => {
                self.link.registration =
                    if word == "Pending" { Registration::Pending } else { Registration::Rejected };
                // An interval of 0 leaves the wait to the charger (4.2 of 1.6, B02.FR.06).
                let wait = if interval_ms == 0 { 30_000 } else { interval_ms };
                self.plan(wait, Job::Boot);
            }
        }
    }

    fn after_boot(&mut self) {
        self.link.boot_reason = BootReason::PowerUp;
        self.firmware_after_boot();
        if !self.spec.is_v16() {
            // Faults that survived the boot are told again: the server may have restarted too.
            for index in 0..self.faults.len() {
                self.say_fault(index, true);
            }
        }
    }

    pub(super) fn plan_heartbeat(&mut self) {
        self.link.heartbeat_turn += 1;
        let wait = self.link.heartbeat_ms.max(1_000);
        self.plan(wait, Job::Heartbeat(self.link.heartbeat_turn));
    }

    /// Takes a new interval at once.
    pub(crate) fn set_heartbeat_interval(&mut self, seconds: i64) {
        self.link.heartbeat_ms = seconds.clamp(1, 86_400 * 7) * 1_000;
        self.plan_heartbeat();
    }

    pub(super) fn heartbeat(&mut self, turn: u32) {
        if turn != self.link.heartbeat_turn || !self.link.is_accepted() {
            return;
        }
        if !self.outbox.holds(Purpose::Heartbeat) {
            self.say_heartbeat(false);
        }
        self.plan_heartbeat();
    }

    pub(crate) fn say_heartbeat(&mut self, triggered: bool) {
        let message =
            if self.spec.is_v16() { v16::say::heartbeat(self) } else { v201::say::heartbeat(self) };
        self.say(message.triggered(triggered));
    }

    pub(super) fn go_offline(&mut self, for_ms: Option<i64>, power: bool) {
        self.link.cut = true;
        self.link.cut_power |= power;
        self.drop_line();
        if power {
            self.lose_power();
        }
        self.link.cut_turn += 1;
        if let Some(ms) = for_ms {
            self.plan(ms, Job::CutEnds(self.link.cut_turn));
        }
    }

    pub(super) fn cut_ends(&mut self, turn: u32) {
        if turn == self.link.cut_turn && self.link.cut {
            self.come_back();
        }
    }

    pub(super) fn come_back(&mut self) {
        if !self.link.cut {
            return;
        }
        self.link.cut = false;
        self.link.cut_turn += 1;
        self.link.attempts = 0;
        if std::mem::take(&mut self.link.cut_power) && !self.link.rebooting {
            self.link.rebooting = true;
            self.link.boot_reason = BootReason::PowerUp;
            let wait = self.span(self.behaviour.boot_ms);
            self.plan(wait, Job::PowerOn { hard: true });
            return;
        }
        let wait = crate::seed::between(&mut self.rng, (100, 1_500));
        self.plan_connect(wait);
    }

    /// Makes a charger try at once, after a repair or a boot.
    pub(super) fn reconnect(&mut self) {
        self.link.attempts = 0;
        if self.may_connect() && self.link.line == Line::Down {
            self.plan_connect(0);
        }
    }

    pub(super) fn flap(&mut self, left: u32, down_ms: i64, up_ms: i64) {
        if left == 0 {
            return;
        }
        self.act(Act::GoOffline { for_ms: Some(down_ms), power: false });
        self.plan(down_ms + up_ms, Job::FlapDown { left: left - 1, down_ms, up_ms });
    }

    fn plan_signal(&mut self) {
        if self.behaviour.signal_every_ms == 0 || self.spec.link == crate::LinkKind::Ethernet {
            return;
        }
        self.link.signal_turn += 1;
        let every = self.behaviour.signal_every_ms;
        let wait = crate::seed::between(&mut self.rng, (every / 4, every));
        self.plan(wait, Job::SignalDue(self.link.signal_turn));
    }

    /// Tells the strength of the radio link; a good one seldom, a weak one at each turn.
    pub(super) fn signal_due(&mut self, turn: u32) {
        if turn != self.link.signal_turn || self.link.line != Line::Up {
            return;
        }
        let weak = self.weak_dbm();
        if self.link.is_accepted() && (weak.is_some() || self.rng.random_range(0..4) == 0) {
            let dbm = self.signal_now();
            self.say_signal(dbm);
        }
        self.plan(self.behaviour.signal_every_ms, Job::SignalDue(self.link.signal_turn));
    }

    fn weak_dbm(&mut self) -> Option<i32> {
        let (dbm, until) = self.weak_signal?;
        if self.now < until {
            return Some(dbm);
        }
        self.weak_signal = None;
        None
    }

    pub(super) fn say_signal(&mut self, dbm: i32) {
        let message = if self.spec.is_v16() {
            v16::say::signal(self, dbm)
        } else {
            v201::say::signal(self, dbm)
        };
        self.say(message);
    }

    pub(super) fn weaken_signal(&mut self, dbm: i32, for_ms: i64, error_code: bool) {
        let until: UnixMs = self.now + for_ms;
        self.weak_signal = Some((dbm, until));
        if error_code && self.spec.is_v16() {
            let mut fault = crate::Fault::new("WeakSignal", 0, crate::Cure::Never)
                .showing(crate::Shows::Warning);
            fault.info = Some(format!("rssi {dbm} dBm"));
            fault.repaired_after_ms = Some(for_ms);
            self.break_down(&fault);
        }
        if self.link.is_accepted() && self.spec.link != crate::LinkKind::Ethernet {
            self.say_signal(dbm);
        }
        self.plan_signal();
    }
}
