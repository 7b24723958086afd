//! The status of connectors, and telling it when it changes.

use mendpoint_model::ConnectorStatus;

use super::ChargerCore;
use super::connector::Phase;
use super::outbox::Message;
use crate::{Fault, Shows, v16, v201};

impl ChargerCore {
    /// Status and fault of a connector as they are now.
    pub(crate) fn status_of(&self, index: usize) -> (ConnectorStatus, Option<&Fault>) {
        let connector = &self.connectors[index];
        let fault = self.fault_of(connector.number);
        let out_of_service = !connector.operative || !self.operative || connector.restarting;
        let status = if out_of_service && connector.tx.is_none() {
            // Taken out of service by command: that is what is told, the fault stays beside it.
            ConnectorStatus::Unavailable
        } else if fault.is_some_and(Fault::is_visible) {
            ConnectorStatus::Faulted
        } else {
            self.session_status(index)
        };
        (status, fault)
    }

    fn session_status(&self, index: usize) -> ConnectorStatus {
        let connector = &self.connectors[index];
        match connector.phase() {
            Some(Phase::Full) => ConnectorStatus::SuspendedEv,
            Some(Phase::Charging) if connector.tx.as_ref().is_some_and(|tx| tx.power_w < 1.0) => {
                ConnectorStatus::SuspendedEvse
            }
            Some(Phase::Charging) => ConnectorStatus::Charging,
            Some(Phase::Leaving) => ConnectorStatus::Finishing,
            Some(Phase::Authorised | Phase::Plugged) => ConnectorStatus::Preparing,
            _ if connector.plugged => ConnectorStatus::Preparing,
            _ if connector.reservation.is_some() => ConnectorStatus::Reserved,
            _ => ConnectorStatus::Available,
        }
    }

    /// The fault that is told for a connector: its own, else one of the whole charger; a visible
    /// one before a warning.
    fn fault_of(&self, number: u16) -> Option<&Fault> {
        let told = self.faults.iter().map(|active| &active.fault).filter(|fault| {
            matches!(fault.shows, Shows::Faulted | Shows::Warning)
                && (fault.connector == number || (fault.connector == 0 && fault.is_visible()))
        });
        told.max_by_key(|fault| (fault.is_visible(), fault.connector))
    }

    fn whole_status(&self) -> (ConnectorStatus, Option<&Fault>) {
        let fault = self.fault_of(0);
        let status = if !self.operative {
            ConnectorStatus::Unavailable
        } else if fault.is_some_and(Fault::is_visible) {
            ConnectorStatus::Faulted
        } else {
            ConnectorStatus::Available
        };
        (status, fault)
    }

    /// Tells what has changed since it was last told. Only while the server has accepted us: after
    /// a gap the present status is told, not the history.
    pub(super) fn report_statuses(&mut self) {
        if !self.link.is_accepted() {
            return;
        }
        if self.spec.is_v16() {
            let (status, fault) = self.whole_status();
            let seen = (status, error_of(fault));
            if self.whole_reported.as_ref() != Some(&seen) {
                self.whole_reported = Some(seen);
                self.say_status(0, false);
            }
        }
        for index in 0..self.connectors.len() {
            let (status, fault) = self.status_of(index);
            // 2.0.1 has five statuses; only what changes among them is told.
            let told = if self.spec.is_v16() { status } else { v201::say::coarse(status) };
            let seen = (told, if self.spec.is_v16() { error_of(fault) } else { String::new() });
            let connector = &mut self.connectors[index];
            if connector.reported.as_ref() != Some(&seen) {
                connector.reported = Some(seen);
                let number = connector.number;
                self.say_status(number, false);
            }
        }
    }

    /// Tells the status of a connector, changed or not; 0 for the whole charger (1.6).
    pub(crate) fn say_status(&mut self, number: u16, triggered: bool) {
        let Some(message) = self.status_message(number) else { return };
        self.say(message.triggered(triggered));
    }

    fn status_message(&mut self, number: u16) -> Option<Message> {
        let (status, fault) = match self.index(number) {
            Some(index) => self.status_of(index),
            None => self.whole_status(),
        };
        let fault = fault.cloned();
        if self.spec.is_v16() {
            Some(v16::say::status(self, number, status, fault.as_ref()))
        } else if number > 0 {
            Some(v201::say::status(self, number, status))
        } else {
            None
        }
    }

    pub(super) fn status_lost(&mut self, number: u16) {
        match self.index(number) {
            Some(index) => self.connectors[index].reported = None,
            None => self.whole_reported = None,
        }
    }

    /// After a boot everything is told anew.
    pub(super) fn forget_reported(&mut self) {
        self.whole_reported = None;
        for connector in &mut self.connectors {
            connector.reported = None;
        }
    }
}

fn error_of(fault: Option<&Fault>) -> String {
    let Some(fault) = fault else { return String::new() };
    match &fault.vendor_code {
        Some(vendor) => format!("{}/{vendor}", fault.code),
        None => fault.code.clone(),
    }
}
