//! What the server asks, decided without the words of a version.

use mendpoint_model::ConnectorStatus;

use super::ChargerCore;
use super::connector::StopReason;
use super::io::Note;
use super::link::Registration;
use crate::{v16, v201};

/// An error answer: OCPP-J code and description.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) code: &'static str,
    pub(crate) description: String,
}

/// The answer to a change of availability.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Availability {
    Accepted,
    Rejected,
    Scheduled,
}

impl ChargerCore {
    /// Answers a command. While rejected it keeps silent (4.2 of 1.6, B03.FR.03).
    pub(super) fn command(&mut self, id: &str, action: &str, payload: &str) {
        let mut answer = String::new();
        if self.link.registration != Registration::Rejected {
            let decided = if self.spec.is_v16() {
                v16::commands::decide(self, action, payload)
            } else {
                v201::commands::decide(self, action, payload)
            };
            match decided {
                Ok(text) => {
                    self.reply(id, &text);
                    answer = text;
                }
                Err(refusal) => {
                    self.reply_error(id, refusal.code, &refusal.description);
                    refusal.code.clone_into(&mut answer);
                }
            }
        }
        let (action, payload) = (action.to_owned(), payload.to_owned());
        self.note(Note::Command { action, payload, answer });
    }

    /// Takes a connector (0: everything) out of service or back.
    pub(crate) fn change_availability(&mut self, number: u16, operative: bool) -> Availability {
        if number != 0 && self.index(number).is_none() {
            return Availability::Rejected;
        }
        let concerned = |at: u16| number == 0 || at == number;
        let busy = self.connectors.iter().any(|c| concerned(c.number) && c.tx.is_some());
        if operative || !busy {
            self.set_operative(number, operative);
            return Availability::Accepted;
        }
        for index in 0..self.connectors.len() {
            if !concerned(self.connectors[index].number) {
                continue;
            }
            if self.connectors[index].tx.is_some() {
                self.connectors[index].inoperative_scheduled = true;
            } else {
                self.connectors[index].operative = false;
            }
        }
        Availability::Scheduled
    }

    /// Begins a session that the server asked for. `None`: no connector can take it.
    pub(crate) fn remote_start(
        &mut self,
        number: Option<u16>,
        token: &str,
        remote_id: i32,
    ) -> Option<u16> {
        let numbers: Vec<u16> = match number {
            Some(number) => vec![number],
            None => (1..=self.spec.connectors).collect(),
        };
        numbers.into_iter().find(|number| {
            self.begin_session(*number, Some(token.to_owned()), None, Some(remote_id))
        })
    }

    /// Ends a transaction that the server wants ended, by where it runs.
    pub(crate) fn remote_stop(&mut self, index: Option<usize>) -> bool {
        let Some(index) = index else { return false };
        self.stop_transaction(index, StopReason::Remote);
        true
    }

    /// Reserves a connector; the answer is the status word of both versions.
    pub(crate) fn reserve_now(
        &mut self,
        number: Option<u16>,
        id: i32,
        token: String,
        for_ms: i64,
    ) -> &'static str {
        // A reservation with a known id is replaced (8.1 of 1.6, H01.FR.02).
        let known = |c: &super::Connector| c.reservation.as_ref().is_some_and(|r| r.id == id);
        if let Some(index) = self.connectors.iter().position(known) {
            self.connectors[index].reservation = None;
        }
        if for_ms <= 0 {
            return "Rejected";
        }
        let numbers: Vec<u16> = match number {
            Some(number) => vec![number],
            None => (1..=self.spec.connectors).collect(),
        };
        let mut worst = "Rejected";
        for number in numbers {
            let Some(index) = self.index(number) else { continue };
            worst = match self.status_of(index).0 {
                ConnectorStatus::Available => {
                    self.reserve(number, id, token, for_ms);
                    return "Accepted";
                }
                ConnectorStatus::Faulted => "Faulted",
                ConnectorStatus::Unavailable => "Unavailable",
                _ => "Occupied",
            };
        }
        worst
    }

    /// Lets a reservation go. `false`: there is none of that id.
    pub(crate) fn cancel_reservation(&mut self, id: i32) -> bool {
        let held = |c: &super::Connector| c.reservation.as_ref().is_some_and(|r| r.id == id);
        let found = self.connectors.iter().position(held);
        if let Some(index) = found {
            self.connectors[index].reservation = None;
        }
        found.is_some()
    }

    /// Takes an update of the local list: tokens with whether they are accepted, `None` to remove.
    /// `false`: the version does not fit.
    pub(crate) fn update_local_list(
        &mut self,
        version: i32,
        full: bool,
        entries: Vec<(String, Option<bool>)>,
    ) -> bool {
        if !full && version <= self.local_list.0 {
            return false;
        }
        if full {
            self.local_list.1.clear();
        }
        for (token, accepted) in entries {
            match accepted {
                Some(accepted) => self.local_list.1.insert(token, accepted),
                None => self.local_list.1.remove(&token),
            };
        }
        self.local_list.0 = version;
        true
    }
}
