//! Drivers and their sessions: present a token, plug in, charge, stop, leave.

use rand::Rng;

use super::connector::{Phase, Reservation, Session, StopReason, Tx};
use super::io::Note;
use super::link::Registration;
use super::outbox::Message;
use super::power::Battery;
use super::{ChargerCore, Job};
use crate::{Current, Shows, v16, v201};
use mendpoint_model::ConnectorStatus;

/// How many different drivers come to a charger.
const DRIVERS: u32 = 24;

impl ChargerCore {
    pub(crate) fn plug_in(&mut self, number: u16) {
        let Some(index) = self.index(number) else { return };
        if self.connectors[index].plugged {
            return;
        }
        self.connectors[index].plugged = true;
        if self.connectors[index].phase() == Some(Phase::Authorised) {
            self.ready_to_start(index);
        }
    }

    pub(crate) fn unplug(&mut self, number: u16) {
        let Some(index) = self.index(number) else { return };
        if self.connectors[index].tx.is_some() {
            self.stop_transaction(index, StopReason::EvDisconnected);
        }
        self.leave(index);
    }

    /// A driver presents a token. `remote_start` is set when the server asked for it (2.0.1: its
    /// id; 1.6: 0): then it is authorised already. Returns whether the connector could take it.
    pub(crate) fn begin_session(
        &mut self,
        number: u16,
        token: Option<String>,
        length_ms: Option<i64>,
        remote_start: Option<i32>,
    ) -> bool {
        let Some(index) = self.index(number) else { return false };
        if self.link.registration != Registration::Accepted {
            return false;
        }
        let (status, _) = self.status_of(index);
        let connector = &self.connectors[index];
        if connector.session.is_some() || connector.tx.is_some() {
            return false;
        }
        let token = token.unwrap_or_else(|| {
            format!("RO{:06}", self.rng.random_range(0..DRIVERS) * 8_171 + 100_003)
        });
        let connector = &self.connectors[index];
        let reserved_for = connector.reservation.as_ref().map(|reservation| &reservation.token);
        match status {
            ConnectorStatus::Available | ConnectorStatus::Preparing => {}
            ConnectorStatus::Reserved if reserved_for == Some(&token) => {}
            _ => return false,
        }
        let length_ms = length_ms.unwrap_or_else(|| self.span(self.behaviour.session_ms));
        let battery = Battery::random(&mut self.rng, self.spec.current);
        let fails = self.has_hidden_fault(number, Shows::FailsSessions);
        let turn = self.connectors[index].new_turn();
        self.connectors[index].session = Some(Session {
            token,
            phase: Phase::Authorising,
            length_ms,
            fails,
            battery,
            remote_start,
        });
        let ask_first = remote_start.is_none() || self.device.authorizes_remote_starts();
        if ask_first && self.link.is_accepted() {
            let message = self.authorize_message(index, turn);
            self.say(message);
        } else {
            self.authorized(number, turn, true);
        }
        true
    }

    fn authorize_message(&mut self, index: usize, turn: u32) -> Message {
        if self.spec.is_v16() {
            v16::say::authorize(self, index, turn)
        } else {
            v201::say::authorize(self, index, turn)
        }
    }

    /// The server's word about the token, or our own when there was none.
    pub(crate) fn authorized(&mut self, number: u16, turn: u32, accepted: bool) {
        let Some(index) = self.index(number) else { return };
        let connector = &mut self.connectors[index];
        if connector.turn != turn || connector.phase() != Some(Phase::Authorising) {
            return;
        }
        if !accepted {
            connector.session = None;
            self.plan_next_session(number);
            return;
        }
        if let Some(session) = &mut connector.session {
            session.phase = Phase::Authorised;
        }
        if connector.plugged {
            self.ready_to_start(index);
        } else if self.behaviour.drivers {
            let wait = self.span((8_000, 20_000));
            self.plan(wait, Job::Step { connector: number, turn });
        }
    }

    fn ready_to_start(&mut self, index: usize) {
        let connector = &mut self.connectors[index];
        let Some(session) = &mut connector.session else { return };
        session.phase = Phase::Plugged;
        let (number, turn) = (connector.number, connector.turn);
        let wait = self.span((2_000, 6_000));
        self.plan(wait, Job::Step { connector: number, turn });
    }

    /// The next thing in a session.
    pub(super) fn step(&mut self, number: u16, turn: u32) {
        let Some(index) = self.index(number) else { return };
        if self.connectors[index].turn != turn {
            return;
        }
        match self.connectors[index].phase() {
            Some(Phase::Authorised) => {
                self.connectors[index].plugged = true;
                self.ready_to_start(index);
            }
            Some(Phase::Plugged) => self.start_transaction(index),
            Some(Phase::Charging) => {
                let fails = self.connectors[index].session.as_ref().is_some_and(|s| s.fails);
                let reason = if fails { StopReason::Other } else { StopReason::Local };
                self.stop_transaction(index, reason);
            }
            Some(Phase::Full) => self.stop_transaction(index, StopReason::Local),
            Some(Phase::Leaving) => self.leave(index),
            Some(Phase::Authorising) | None => {}
        }
    }

    fn start_transaction(&mut self, index: usize) {
        let (status, _) = self.status_of(index);
        let number = self.connectors[index].number;
        if status != ConnectorStatus::Preparing {
            // It broke or was taken out of service while the cable went in.
            self.leave(index);
            return;
        }
        let random: u32 = self.rng.random();
        let now = self.now;
        let speed = self.behaviour.speed;
        let connector = &mut self.connectors[index];
        let Some(session) = &mut connector.session else { return };
        session.phase = Phase::Charging;
        connector.transactions += 1;
        connector.reservation = None;
        let tx = Tx {
            local: u64::from(number) << 32 | u64::from(connector.transactions),
            external: format!("{:011x}-{random:08x}-{number}", now.0),
            token: session.token.clone(),
            started_at: now,
            meter_start_wh: connector.register_wh,
            seq_no: 0,
            metered_at: now,
            power_w: 1_000.0,
            remote_start: session.remote_start,
        };
        connector.tx = Some(tx);
        let turn = connector.new_turn();
        let session_fails = connector.session.as_ref().is_some_and(|session| session.fails);
        let length_ms = connector.session.as_ref().map_or(0, |session| session.length_ms);
        self.note(Note::TransactionStarted(number));
        self.say_started(index);
        if self.has_hidden_fault(number, Shows::FaultsInSession) {
            let wait = self.span((10_000, 25_000));
            self.plan_shock(number, wait);
        }
        let length_ms = if session_fails {
            // Below 100 Wh and below two minutes, whatever the speed.
            (self.span((25_000, 70_000))).min((60_000.0 / speed) as i64 + 1_500)
        } else {
            length_ms
        };
        self.plan(length_ms, Job::Step { connector: number, turn });
        let every = self.device.meter_interval_ms();
        if every > 0 {
            self.plan(every, Job::Meter { connector: number, turn });
        }
    }

    /// Adds the energy since the last look to register and battery.
    pub(crate) fn meter(&mut self, index: usize) {
        let offered_w = self.offered_w(index);
        let noise = self.rng.random_range(0.985..1.015);
        let (now, speed, current) = (self.now, self.behaviour.speed, self.spec.current);
        let connector = &mut self.connectors[index];
        let (Some(tx), Some(session)) = (&mut connector.tx, &mut connector.session) else { return };
        let elapsed_s = now.since_ms(tx.started_at) as f64 / 1_000.0 * speed;
        let power_w = if session.fails {
            0.0
        } else {
            session.battery.power_w(current, offered_w, elapsed_s) * noise
        };
        let hours = now.since_ms(tx.metered_at) as f64 / 3_600_000.0 * speed;
        let wh = power_w * hours;
        session.battery.charge(wh);
        connector.register_wh += wh;
        tx.metered_at = now;
        tx.power_w = if session.fails { 1.0 } else { power_w };
    }

    /// Power on offer at a connector, W: its own most, or what a charging profile leaves.
    pub(crate) fn offered_w(&self, index: usize) -> f64 {
        let number = self.connectors[index].number;
        let phases = if self.spec.current == Current::Ac { 3.0 } else { 1.0 };
        let volts = if self.spec.current == Current::Ac { 230.0 } else { 400.0 };
        let limit = self.profiles.limit(number, self.now, phases * volts);
        limit.map_or(self.spec.power_w, |limit| limit.min(self.spec.power_w))
    }

    pub(super) fn meter_due(&mut self, number: u16, turn: u32) {
        let Some(index) = self.index(number) else { return };
        if self.connectors[index].turn != turn || self.connectors[index].tx.is_none() {
            return;
        }
        self.meter(index);
        self.say_meter(index, false);
        let connector = &mut self.connectors[index];
        if connector.phase() == Some(Phase::Charging)
            && connector.session.as_ref().is_some_and(|s| s.battery.is_full() && !s.fails)
        {
            if let Some(session) = &mut connector.session {
                session.phase = Phase::Full;
            }
            self.say_charging_state(index);
        }
        let every = self.device.meter_interval_ms();
        if every > 0 {
            self.plan(every, Job::Meter { connector: number, turn });
        }
    }

    /// Ends the transaction of a connector and everything that depends on it.
    pub(crate) fn stop_transaction(&mut self, index: usize, reason: StopReason) {
        if self.connectors[index].tx.is_none() {
            return;
        }
        self.meter(index);
        self.say_stopped(index, reason);
        let connector = &mut self.connectors[index];
        let Some(tx) = connector.tx.take() else { return };
        let (number, turn) = (connector.number, connector.new_turn());
        let energy = tx.energy_wh(connector.register_wh) as i64;
        if let Some(session) = &mut connector.session {
            session.phase = Phase::Leaving;
        }
        if std::mem::take(&mut connector.inoperative_scheduled) {
            connector.operative = false;
        }
        self.profiles.end_transaction(number);
        self.note(Note::TransactionEnded(number, energy));
        if self.behaviour.drivers {
            let wait = self.span((20_000, 60_000));
            self.plan(wait, Job::Step { connector: number, turn });
        }
        if !self.any_transaction()
            && let Some(hard) = self.reset_when_idle.take()
        {
            self.plan(500, Job::PowerOff { hard });
        }
    }

    pub(crate) fn driver_stops(&mut self, number: u16) {
        let Some(index) = self.index(number) else { return };
        self.stop_transaction(index, StopReason::Local);
    }

    /// The driver goes, with the car.
    pub(super) fn leave(&mut self, index: usize) {
        let connector = &mut self.connectors[index];
        connector.plugged = false;
        connector.session = None;
        connector.new_turn();
        let number = connector.number;
        self.plan_next_session(number);
    }

    pub(crate) fn fail_session(&mut self, number: u16) {
        if self.begin_session(number, None, None, None)
            && let Some(index) = self.index(number)
            && let Some(session) = &mut self.connectors[index].session
        {
            session.fails = true;
        }
    }

    /// Plans when the next driver comes. Where a charge has just failed the next one comes soon:
    /// the same person tries again, or the next in the queue does.
    pub(crate) fn plan_next_session(&mut self, number: u16) {
        let Some(index) = self.index(number) else { return };
        self.connectors[index].next_turn += 1;
        let turn = self.connectors[index].next_turn;
        if !self.behaviour.drivers {
            return;
        }
        let retry = self.has_hidden_fault(number, Shows::FailsSessions)
            || self.has_hidden_fault(number, Shows::FaultsInSession);
        let wait = if retry {
            Some(self.span((30_000, 90_000)))
        } else {
            let share = self.behaviour.sessions_per_hour / f64::from(self.spec.connectors.max(1));
            crate::seed::waiting_ms(&mut self.rng, share)
        };
        if let Some(wait) = wait {
            self.plan(wait, Job::NextSession { connector: number, turn });
        }
    }

    /// Lets a driver come within `prove_within_ms`: what was mended shows that it works.
    pub(super) fn prove(&mut self, number: u16) {
        let within = self.behaviour.prove_within_ms;
        let Some(index) = self.index(number) else { return };
        if within == 0 {
            return;
        }
        self.connectors[index].next_turn += 1;
        let turn = self.connectors[index].next_turn;
        let wait = crate::seed::between(&mut self.rng, (within / 2, within));
        self.plan(wait, Job::NextSession { connector: number, turn });
    }

    pub(super) fn next_session(&mut self, number: u16, turn: u32) {
        let Some(index) = self.index(number) else { return };
        if self.connectors[index].next_turn != turn {
            return;
        }
        if self.link.registration != Registration::Accepted {
            // It boots: the driver waits a moment.
            self.plan(3_000, Job::NextSession { connector: number, turn });
            return;
        }
        if self.has_hidden_fault(number, Shows::Silent) {
            // The driver finds nothing to begin with, and leaves.
            self.plan_next_session(number);
            return;
        }
        if !self.begin_session(number, None, None, None) && self.connectors[index].session.is_none()
        {
            // Out of order or reserved: somebody else comes later.
            self.plan_next_session(number);
        }
    }

    pub(super) fn reservation_ends(&mut self, number: u16, id: i32) {
        let Some(index) = self.index(number) else { return };
        let held = self.connectors[index].reservation.as_ref();
        if held.is_some_and(|reservation| reservation.id == id) {
            self.connectors[index].reservation = None;
            if !self.spec.is_v16() {
                let message = v201::say::reservation_expired(id);
                self.say(message);
            }
        }
    }

    /// Holds a connector for somebody.
    pub(crate) fn reserve(&mut self, number: u16, id: i32, token: String, for_ms: i64) {
        let Some(index) = self.index(number) else { return };
        self.connectors[index].reservation = Some(Reservation { id, token });
        self.plan(for_ms, Job::ReservationEnds { connector: number, id });
    }

    fn say_started(&mut self, index: usize) {
        if self.spec.is_v16() {
            let message = v16::say::started(self, index);
            self.say(message);
        } else {
            for message in v201::say::started(self, index) {
                self.say(message);
            }
        }
    }

    pub(crate) fn say_meter(&mut self, index: usize, triggered: bool) {
        let message = if self.spec.is_v16() {
            v16::say::meter(self, index, triggered)
        } else {
            v201::say::meter(self, index, triggered)
        };
        self.say(message.triggered(triggered));
    }

    fn say_charging_state(&mut self, index: usize) {
        if !self.spec.is_v16()
            && let Some(message) = v201::say::charging_state(self, index)
        {
            self.say(message);
        }
    }

    fn say_stopped(&mut self, index: usize, reason: StopReason) {
        let message = if self.spec.is_v16() {
            v16::say::stopped(self, index, reason)
        } else {
            v201::say::stopped(self, index, reason)
        };
        if let Some(message) = message {
            self.say(message);
        }
    }

    /// The server refused the token of a transaction that already runs.
    pub(crate) fn token_refused(&mut self, tx: u64) {
        let running = |connector: &super::Connector| {
            connector.tx.as_ref().is_some_and(|running| running.local == tx)
        };
        if let Some(index) = self.connectors.iter().position(running) {
            self.stop_transaction(index, StopReason::DeAuthorized);
        }
    }
}
