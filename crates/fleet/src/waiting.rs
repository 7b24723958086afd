//! Commands that wait for their charger to come back, and whether they are still wanted then
//! (behaviour 67).
//!
//! A command that was asked for while the charger was away is never just sent on its return: hours
//! may have passed. It is checked against what the charger says after it came back, and sent once,
//! or dropped with a reason that a person can read.

use std::collections::BTreeMap;

use mendpoint_model::{
    Action, ChargerKey, ChargerState, Chargers, Command, CommandId, CommandOutcome, ConnectorRef,
    ConnectorState, ConnectorStatus, SECOND_MS, UnixMs,
};

/// How many commands may wait for one charger.
pub const WAITING_MAX: usize = 10;

/// How long after its return a charger is left alone: its boot and the states of its connectors,
/// which the check goes by, come first, and a connection that does not last is not talked to
/// (behaviour 22).
const SETTLE_MS: i64 = 5 * SECOND_MS;

/// What is to become of a command that waited.
#[derive(Clone, Debug, PartialEq)]
pub enum Verdict {
    /// It is still wanted: send it.
    Send,
    /// It is not sent; this is its outcome.
    Not(CommandOutcome),
}

/// A command that does not wait any more.
#[derive(Clone, Debug, PartialEq)]
pub struct Checked {
    /// The command.
    pub command: Command,
    /// What is to become of it.
    pub verdict: Verdict,
}

/// As many commands wait for this charger as may.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RoomFull;

/// The commands that wait, by charger, oldest first.
#[derive(Debug, Default)]
pub struct WaitingRoom {
    waiters: BTreeMap<ChargerKey, Vec<Command>>,
    /// When a charger that came back is settled.
    settles: BTreeMap<ChargerKey, UnixMs>,
}

impl WaitingRoom {
    /// Takes a command in. One of the same id is taken in once.
    ///
    /// # Errors
    /// When [`WAITING_MAX`] commands wait for its charger already.
    pub fn add(&mut self, command: Command) -> Result<(), RoomFull> {
        let waiters = self.waiters.entry(command.charger).or_default();
        if waiters.iter().any(|waiter| waiter.id == command.id) {
            return Ok(());
        }
        if waiters.len() >= WAITING_MAX {
            return Err(RoomFull);
        }
        waiters.push(command);
        Ok(())
    }

    /// Takes a command out that a person does not want any more. `None`: it does not wait.
    pub fn cancel(&mut self, charger: ChargerKey, id: &CommandId) -> Option<Command> {
        let waiters = self.waiters.get_mut(&charger)?;
        let index = waiters.iter().position(|waiter| waiter.id == *id)?;
        let command = waiters.remove(index);
        if waiters.is_empty() {
            self.waiters.remove(&charger);
            self.settles.remove(&charger);
        }
        Some(command)
    }

    /// A charger came back, or its connection was replaced by a new one.
    pub fn came_back(&mut self, now: UnixMs, charger: ChargerKey) {
        if self.waiters.contains_key(&charger) {
            self.settles.insert(charger, now + SETTLE_MS);
        }
    }

    /// A charger went away again before it was settled.
    pub fn went_away(&mut self, charger: ChargerKey) {
        self.settles.remove(&charger);
    }

    /// When [`WaitingRoom::due`] has something to do next.
    pub fn next_deadline(&self) -> Option<UnixMs> {
        let over = self.waiters.values().flatten().map(|command| command.not_after).min();
        [over, self.settles.values().min().copied()].into_iter().flatten().min()
    }

    /// The commands that do not wait any more: those whose time is over, and those of settled
    /// chargers, each with its verdict, in the order they were asked for.
    pub fn due(&mut self, now: UnixMs, chargers: &dyn Chargers) -> Vec<Checked> {
        let mut checked = Vec::new();
        for (charger, waiters) in &mut self.waiters {
            let settled = self.settles.get(charger).is_some_and(|at| *at <= now);
            let state = chargers.charger(*charger).filter(|state| settled && state.link.connected);
            let mut sent: Vec<Action> = Vec::new();
            waiters.retain(|command| {
                let verdict = match state {
                    _ if command.not_after <= now => Verdict::Not(CommandOutcome::Expired),
                    None => return true,
                    Some(state) => match check(command, state) {
                        Ok(()) if sent.contains(&command.action) => {
                            dropped("the same command was sent a moment before")
                        }
                        Ok(()) => Verdict::Send,
                        Err(why) => dropped(&why),
                    },
                };
                if verdict == Verdict::Send {
                    sent.push(command.action.clone());
                }
                checked.push(Checked { command: command.clone(), verdict });
                false
            });
        }
        self.waiters.retain(|_, waiters| !waiters.is_empty());
        self.settles.retain(|charger, at| *at > now && self.waiters.contains_key(charger));
        checked
    }
}

fn dropped(why: &str) -> Verdict {
    Verdict::Not(CommandOutcome::Dropped(why.to_owned()))
}

/// Whether a command that waited still makes sense, seen from what the charger says now.
///
/// # Errors
/// Why not, in words fit to follow "it was not sent:".
pub fn check(command: &Command, state: &ChargerState) -> Result<(), String> {
    let asked_at = command.created_at;
    match &command.action {
        action if is_reset(action) && state.booted_at.is_some_and(|at| at > asked_at) => {
            Err("it restarted by itself".to_owned())
        }
        Action::Unlock { connector } => check_unlock(asked_at, *connector, state),
        Action::SetAvailability { connector, operative } => {
            check_availability(*connector, *operative, state)
        }
        Action::RemoteStop { transaction, external_id } => {
            let is_open = state.transactions.iter().any(|open| {
                if external_id.is_empty() {
                    open.id == *transaction
                } else {
                    *open.external_id == **external_id
                }
            });
            if is_open { Ok(()) } else { Err("the session has ended".to_owned()) }
        }
        Action::RemoteStart { connector: Some(at), .. } => {
            let is_taken = state.transactions.iter().any(|open| open.connector.evse == at.evse);
            if is_taken {
                return Err(format!("connector {at} is in a session already"));
            }
            Ok(())
        }
        Action::Reset { .. }
        | Action::RemoteStart { .. }
        | Action::Trigger { .. }
        | Action::GetConfiguration { .. }
        | Action::GetLog(_)
        | Action::UpdateFirmware(_)
        | Action::ClearCache
        | Action::Raw { .. } => Ok(()),
    }
}

/// Whether a command restarts the charger, however it is written.
fn is_reset(action: &Action) -> bool {
    match action {
        Action::Reset { .. } => true,
        Action::Raw { action, .. } => action == "Reset",
        _ => false,
    }
}

/// The connectors that a place means: one, those of an EVSE, or all.
fn meant(at: ConnectorRef, state: &ChargerState) -> impl Iterator<Item = &ConnectorState> {
    state.connectors.iter().filter(move |one| {
        at.is_charger() || one.at == at || (at.connector == 0 && one.at.evse == at.evse)
    })
}

/// A cable is set free for the one whose cable it was, not for somebody who came later.
fn check_unlock(asked_at: UnixMs, at: ConnectorRef, state: &ChargerState) -> Result<(), String> {
    let newer = |open: &&mendpoint_model::Transaction| {
        open.connector.evse == at.evse && open.opened_at > asked_at
    };
    if state.transactions.iter().any(|open| newer(&open)) {
        return Err(format!("another session began on connector {at} in the meantime"));
    }
    let is_free = meant(at, state)
        .any(|one| one.status == ConnectorStatus::Available && one.since > Some(asked_at));
    if is_free {
        return Err(format!("connector {at} is free in the meantime"));
    }
    Ok(())
}

/// Switching is left out where everything that is meant is so already.
fn check_availability(
    at: ConnectorRef,
    operative: bool,
    state: &ChargerState,
) -> Result<(), String> {
    let is_off = |one: &ConnectorState| one.status == ConnectorStatus::Unavailable;
    // Nothing reported: nothing known, so the wish stands.
    let mut known =
        meant(at, state).filter(|one| one.status != ConnectorStatus::Unknown).peekable();
    let is_so = known.peek().is_some() && known.all(|one| is_off(one) != operative);
    // What we once switched off and the charger shows as on may still be on its way to off.
    let is_wished = meant(at, state).all(|one| one.desired_operative != Some(!operative));
    if !(is_so && is_wished) {
        return Ok(());
    }
    let what = if at.is_charger() { "the charger".to_owned() } else { format!("connector {at}") };
    Err(format!("{what} is {} already", if operative { "in service" } else { "out of service" }))
}
