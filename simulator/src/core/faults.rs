//! Breaking, healing and resets.

use rand::Rng as _;

use super::connector::StopReason;
use super::io::Note;
use super::link::{BootReason, Registration};
use super::{ChargerCore, Job};
use crate::{Cure, Fault, Shows, v201};

/// A fault that is there now.
#[derive(Clone, Debug)]
pub(crate) struct ActiveFault {
    pub(crate) id: u32,
    pub(crate) fault: Fault,
    /// An availability cycle has begun: the connector was taken out of service since the fault.
    cycle_begun: bool,
    /// It only stands for a moment in a session; the hidden fault behind it stays.
    passing: bool,
}

/// What is done against a fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Remedy {
    SoftReset,
    HardReset,
    Unlock,
    AvailabilityCycle,
}

impl Remedy {
    fn mends(self, cure: Cure) -> bool {
        match cure {
            Cure::SoftReset => matches!(self, Self::SoftReset | Self::HardReset),
            Cure::HardReset => self == Self::HardReset,
            Cure::Unlock => matches!(self, Self::Unlock | Self::HardReset),
            Cure::AvailabilityCycle => matches!(self, Self::AvailabilityCycle | Self::HardReset),
            Cure::Itself { .. } | Cure::Never | Cure::WorseFaulted | Cure::WorseOffline => false,
        }
    }

    fn word(self) -> &'static str {
        match self {
            Self::SoftReset => "soft reset",
            Self::HardReset => "hard reset",
            Self::Unlock => "unlock",
            Self::AvailabilityCycle => "availability cycle",
        }
    }
}

impl ChargerCore {
    pub(super) fn break_down(&mut self, fault: &Fault) {
        if fault.connector > self.spec.connectors {
            return;
        }
        let id = self.add_fault(fault.clone(), false);
        if let Cure::Itself { after_ms } = fault.cure {
            let wait = self.behaviour.scaled(after_ms);
            self.plan(wait, Job::Heal(id));
        }
        if let Some(wait) = fault.repaired_after_ms {
            self.plan(wait, Job::Repair(id));
        }
        if matches!(fault.shows, Shows::FailsSessions | Shows::FaultsInSession) {
            self.plan_next_session(fault.connector.max(1));
        }
    }

    fn add_fault(&mut self, fault: Fault, passing: bool) -> u32 {
        self.next_fault += 1;
        let id = self.next_fault;
        self.note(Note::FaultBegan(fault.code.clone()));
        let (number, visible) = (fault.connector, fault.is_visible());
        self.faults.push(ActiveFault { id, fault, cycle_begun: false, passing });
        let last = self.faults.len() - 1;
        self.say_fault(last, true);
        if visible {
            for index in 0..self.connectors.len() {
                if number == 0 || self.connectors[index].number == number {
                    self.stop_transaction(index, StopReason::Other);
                }
            }
        }
        id
    }

    /// A moment of fault in the middle of a session, from a fault that otherwise hides.
    pub(super) fn plan_shock(&mut self, number: u16, after_ms: i64) {
        let hidden = self.faults.iter().find(|active| {
            active.fault.shows == Shows::FaultsInSession && active.fault.connector == number
        });
        let Some(hidden) = hidden else { return };
        let hidden = hidden.id;
        self.plan(after_ms, Job::Strike(hidden));
    }

    pub(super) fn strike(&mut self, hidden: u32) {
        let Some(active) = self.faults.iter().find(|active| active.id == hidden) else { return };
        let mut shock = active.fault.clone().showing(Shows::Faulted);
        shock.repaired_after_ms = None;
        let strikes = self.add_fault(shock, true);
        let stays = self.behaviour.scaled(40_000).max(2_000);
        self.plan(stays, Job::Heal(strikes));
    }

    pub(super) fn end_fault(&mut self, id: u32, how: &'static str) {
        let Some(at) = self.faults.iter().position(|active| active.id == id) else { return };
        let gone = self.faults[at].clone();
        self.say_fault(at, false);
        self.faults.remove(at);
        self.note(Note::FaultEnded(gone.fault.code.clone(), how));
        if how == "repaired" && gone.fault.cure == Cure::WorseOffline {
            self.link.dead = false;
            self.reconnect();
        }
        if gone.passing || gone.fault.shows == Shows::Warning {
            return;
        }
        let first = gone.fault.connector.max(1);
        if let Some(index) = self.index(first)
            && self.connectors[index].tx.is_none()
        {
            // The car that stood there while it was broken is gone by now.
            if self.behaviour.drivers && self.connectors[index].plugged {
                self.leave(index);
            }
            self.prove(first);
        }
    }

    pub(super) fn clear(&mut self, number: u16) {
        let ids: Vec<u32> = self
            .faults
            .iter()
            .filter(|active| number == 0 || active.fault.connector == number)
            .map(|active| active.id)
            .collect();
        for id in ids {
            self.end_fault(id, "repaired");
        }
    }

    pub(super) fn has_hidden_fault(&self, number: u16, shows: Shows) -> bool {
        self.faults.iter().any(|active| {
            active.fault.shows == shows
                && (active.fault.connector == number || active.fault.connector == 0)
        })
    }

    /// 2.0.1 tells faults beside the status (behaviour 63).
    pub(super) fn say_fault(&mut self, at: usize, active: bool) {
        let fault = self.faults[at].fault.clone();
        let told = matches!(fault.shows, Shows::Faulted) || fault.code == "WeakSignal";
        if self.spec.is_v16() || !told {
            return;
        }
        let message = v201::say::fault(self, &fault, active);
        self.say(message);
    }

    fn apply(&mut self, remedy: Remedy, number: Option<u16>) {
        let ids: Vec<u32> = self
            .faults
            .iter()
            .filter(|active| {
                remedy.mends(active.fault.cure)
                    && number.is_none_or(|number| active.fault.connector == number)
                    && (remedy != Remedy::AvailabilityCycle || active.cycle_begun)
            })
            .map(|active| active.id)
            .collect();
        for id in ids {
            self.end_fault(id, remedy.word());
        }
    }

    /// Takes a connector (0: all) out of service or back; a complete cycle mends some faults.
    pub(crate) fn set_operative(&mut self, number: u16, operative: bool) {
        if number == 0 {
            self.operative = operative;
        }
        for connector in &mut self.connectors {
            if number == 0 || connector.number == number {
                connector.operative = operative;
                connector.inoperative_scheduled = false;
            }
        }
        let concerned =
            |fault: &Fault| number == 0 || fault.connector == number || fault.connector == 0;
        if operative {
            let scope = (number != 0).then_some(number);
            self.apply(Remedy::AvailabilityCycle, scope);
            return;
        }
        for active in self.faults.iter_mut().filter(|active| concerned(&active.fault)) {
            active.cycle_begun = true;
        }
    }

    /// Unlocks a connector. `false`: the lock does not move.
    pub(crate) fn unlock(&mut self, number: u16) -> bool {
        self.apply(Remedy::Unlock, Some(number));
        let jammed = self.faults.iter().any(|active| {
            active.fault.connector == number && active.fault.code == "ConnectorLockFailure"
        });
        if let Some(index) = self.index(number)
            && !jammed
            && self.connectors[index].tx.is_none()
            && self.connectors[index].plugged
        {
            self.leave(index);
        }
        !jammed
    }

    /// Begins a reset that the server asked for; its answer has to leave first.
    pub(crate) fn reset(&mut self, hard: bool) {
        let reason = if hard { StopReason::HardReset } else { StopReason::SoftReset };
        for index in 0..self.connectors.len() {
            self.stop_transaction(index, reason);
        }
        self.link.boot_reason = BootReason::RemoteReset;
        self.plan(700, Job::PowerOff { hard });
    }

    pub(super) fn power_off(&mut self, hard: bool) {
        if self.link.rebooting {
            return;
        }
        self.link.rebooting = true;
        self.drop_line();
        self.lose_power();
        let wait = self.span(self.behaviour.boot_ms);
        self.plan(wait, Job::PowerOn { hard });
    }

    /// What a charger forgets without power: sessions, drivers' plans, the registration.
    pub(super) fn lose_power(&mut self) {
        self.link.registration = Registration::Unbooted;
        self.reset_when_idle = None;
        for index in 0..self.connectors.len() {
            self.stop_transaction(index, StopReason::PowerLoss);
            self.connectors[index].restarting = false;
            if self.connectors[index].session.is_some() {
                self.leave(index);
            }
        }
    }

    pub(super) fn power_on(&mut self, hard: bool) {
        self.link.rebooting = false;
        let by_command = self.link.boot_reason == BootReason::RemoteReset;
        if by_command {
            self.end_reset(if hard { Remedy::HardReset } else { Remedy::SoftReset }, None);
            self.worsen();
        }
        self.reconnect();
    }

    /// The end of a reset by command: it mends what it mends, or leaves the charger worse than before,
    /// drawn for each reset from the seed alone, so that nothing else is drawn differently by it.
    fn end_reset(&mut self, remedy: Remedy, number: Option<u16>) {
        self.resets += 1;
        let name = format!("{} reset {}", self.spec.identity, self.resets);
        let mut dice = crate::seed::rng(self.seed, &name);
        let harmed = dice.random::<f64>() < self.behaviour.reset_harms;
        self.note(Note::Reset { harmed });
        if !harmed {
            self.apply(remedy, number);
            return;
        }
        // The reset of one EVSE leaves the connection as it is.
        let stays_away = number.is_none() && dice.random::<bool>();
        let cure = if stays_away { Cure::WorseOffline } else { Cure::Never };
        self.add_fault(Fault::new("InternalError", 0, cure), false);
    }

    fn worsen(&mut self) {
        let cures: Vec<Cure> = self.faults.iter().map(|active| active.fault.cure).collect();
        if cures.contains(&Cure::WorseOffline) {
            self.link.dead = true;
        }
        for active in &mut self.faults {
            if active.fault.cure == Cure::WorseFaulted {
                active.fault.connector = 0;
            }
        }
    }

    /// Restarts one EVSE (2.0.1 Reset with `evseId`): no boot, a moment of Unavailable.
    pub(crate) fn reset_evse(&mut self, number: u16) {
        let Some(index) = self.index(number) else { return };
        self.stop_transaction(index, StopReason::SoftReset);
        self.leave(index);
        self.connectors[index].restarting = true;
        let wait = self.span((8_000, 15_000));
        self.plan(wait, Job::EvseRestarted { connector: number });
    }

    pub(super) fn evse_restarted(&mut self, number: u16) {
        let Some(index) = self.index(number) else { return };
        if std::mem::take(&mut self.connectors[index].restarting) {
            self.end_reset(Remedy::SoftReset, Some(number));
        }
    }
}
