//! One charger's connection as its frames show it: what waits for our answer, and what of ours
//! waits for the charger's.

use std::hash::Hasher as _;

use mendpoint_model::{Action, CommandId, Events, FrameSeq, Protocol, SiteKey, UnixMs};
use rustc_hash::FxHasher;
use smallvec::SmallVec;

/// How many calls are remembered to know a repeated one (behaviour 31).
const CALLS_KEPT: usize = 8;
/// The most calls of ours that wait for an answer; more is a log with holes.
const FLIGHTS_MAX: usize = 16;

/// One charger's connection.
#[derive(Debug)]
pub(crate) struct Wire {
    pub(crate) site: SiteKey,
    pub(crate) protocol: Protocol,
    pub(crate) online: bool,
    pub(crate) epoch: u64,
    /// A call whose meaning depends on our answer.
    pub(crate) held: Option<Box<Held>>,
    /// Calls of ours that were really sent.
    pub(crate) flights: SmallVec<[Flight; 1]>,
    /// Commands the engine would have sent, for which the log may hold an answer.
    pub(crate) wanted: SmallVec<[Wanted; 1]>,
    calls: [u64; CALLS_KEPT],
    next_call: usize,
}

/// A call whose meaning depends on our answer: a card, or the start of a transaction.
#[derive(Debug)]
pub(crate) struct Held {
    pub(crate) id: Box<str>,
    pub(crate) seq: FrameSeq,
    pub(crate) events: Events,
}

/// A call of ours on its way.
#[derive(Debug)]
pub(crate) struct Flight {
    /// Its id on the wire.
    pub(crate) id: Box<str>,
    /// The command it is to the engine.
    pub(crate) command: CommandId,
    /// What it asked for.
    pub(crate) action: Action,
}

/// A command of the replayed engine.
#[derive(Debug)]
pub(crate) struct Wanted {
    pub(crate) command: CommandId,
    pub(crate) action: Action,
    /// The action's name in the charger's version.
    pub(crate) name: Box<str>,
    pub(crate) timeout_ms: i64,
    /// When it is taken as accepted, unless the log shows it.
    pub(crate) due: (UnixMs, u64),
    /// Its place among the would-be actions.
    pub(crate) index: Option<usize>,
}

impl Wire {
    pub(crate) fn new(site: SiteKey, protocol: Protocol) -> Self {
        Self {
            site,
            protocol,
            online: false,
            epoch: 0,
            held: None,
            flights: SmallVec::new(),
            wanted: SmallVec::new(),
            calls: [0; CALLS_KEPT],
            next_call: 0,
        }
    }

    /// Whether this very call came before on this connection; remembers it.
    pub(crate) fn is_repeated(&mut self, text: &str) -> bool {
        let mut hasher = FxHasher::default();
        hasher.write(text.as_bytes());
        let call = hasher.finish();
        if self.calls.contains(&call) {
            return true;
        }
        self.calls[self.next_call] = call;
        self.next_call = (self.next_call + 1) % CALLS_KEPT;
        false
    }

    /// A new connection: nothing that was on its way is any more. Gives the commands that are lost.
    pub(crate) fn renew(&mut self) -> SmallVec<[CommandId; 1]> {
        self.calls = [0; CALLS_KEPT];
        self.held = None;
        self.flights.drain(..).map(|flight| flight.command).collect()
    }

    pub(crate) fn take_flight(&mut self, id: &str) -> Option<Flight> {
        let index = self.flights.iter().position(|flight| &*flight.id == id)?;
        Some(self.flights.remove(index))
    }

    pub(crate) fn add_flight(&mut self, flight: Flight) {
        if self.flights.len() >= FLIGHTS_MAX {
            self.flights.remove(0);
        }
        self.flights.push(flight);
    }

    pub(crate) fn take_wanted(&mut self, name: &str) -> Option<Wanted> {
        let index = self.wanted.iter().position(|wanted| &*wanted.name == name)?;
        Some(self.wanted.remove(index))
    }
}
