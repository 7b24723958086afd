//! What the tests drive the upkeep with: a fleet of scripted chargers and a clock moved by hand.

use std::collections::BTreeMap;
use std::sync::Arc;

use mendpoint_fleet::{Fleet, FleetSettings};
use mendpoint_model::{
    Boot, ChargerEvent, ChargerKey, Chargers as _, Command, CommandAnswered, CommandOutcome,
    Connected, Disconnected, EventKind, Protocol, SiteKey, UnixMs,
};
use smallvec::smallvec;

use crate::{Profiles, Progress, Upkeep, UpkeepEffect, UpkeepSettings};

pub(crate) const START: UnixMs = UnixMs(1_790_000_000_000);
pub(crate) const KEY: ChargerKey = ChargerKey(7);

/// How a scripted charger answers: outcome and what follows it.
pub(crate) type Script = fn(&Command) -> (CommandOutcome, Vec<EventKind>);

pub(crate) struct Kit {
    pub(crate) upkeep: Upkeep,
    pub(crate) fleet: Fleet,
    pub(crate) now: UnixMs,
    pub(crate) script: Script,
    /// What was sent, with its time since the start, ms.
    pub(crate) sent: Vec<(i64, Command)>,
    pub(crate) learned: Vec<UpkeepEffect>,
    pub(crate) written: BTreeMap<ChargerKey, Progress>,
    epochs: BTreeMap<ChargerKey, u64>,
    /// Answers on their way.
    answers: Vec<(UnixMs, Command)>,
}

impl Kit {
    pub(crate) fn new(script: Script) -> Self {
        Self::with(UpkeepSettings::default(), Profiles::default(), script)
    }

    pub(crate) fn with(settings: UpkeepSettings, profiles: Profiles, script: Script) -> Self {
        Self {
            upkeep: Upkeep::new(settings, Arc::new(profiles)),
            fleet: Fleet::new(FleetSettings::default()),
            now: START,
            script,
            sent: Vec::new(),
            learned: Vec::new(),
            written: BTreeMap::new(),
            epochs: BTreeMap::new(),
            answers: Vec::new(),
        }
    }

    pub(crate) fn connect(&mut self, charger: ChargerKey, protocol: Protocol) {
        let identity = Arc::from(format!("CP-{charger}"));
        self.fleet.register(charger, SiteKey(1), identity);
        *self.epochs.entry(charger).or_default() += 1;
        self.event(
            charger,
            EventKind::Connected(Connected {
                protocol,
                remote: String::new(),
                replaced: false,
                certificate_ends: None,
            }),
        );
    }

    pub(crate) fn disconnect(&mut self, charger: ChargerKey) {
        self.answers.retain(|(_, command)| command.charger != charger);
        let reason = "closed".to_owned();
        self.event(charger, EventKind::Disconnected(Disconnected { reason, replaced: false }));
    }

    pub(crate) fn boot(&mut self, charger: ChargerKey, firmware: &str) {
        self.boot_as(charger, ("ACME", "X", firmware));
    }

    /// The same of another maker.
    pub(crate) fn boot_as(&mut self, charger: ChargerKey, kind: (&str, &str, &str)) {
        let (vendor, model, firmware) = kind;
        let boot = Boot {
            vendor: vendor.into(),
            model: model.into(),
            firmware: Some(firmware.into()),
            ..Boot::default()
        };
        self.event(charger, EventKind::Boot(boot));
    }

    pub(crate) fn event(&mut self, charger: ChargerKey, kind: EventKind) -> Vec<EventKind> {
        let mut events = smallvec![kind];
        let state = self.fleet.charger(charger);
        self.upkeep.prepare(self.now, charger, state, &mut events);
        let epoch = self.epochs.get(&charger).copied().unwrap_or_default();
        let mut out = Vec::new();
        for kind in &events {
            let event = ChargerEvent {
                charger,
                site: SiteKey(1),
                received_at: self.now,
                epoch,
                frame: 0,
                kind: kind.clone(),
            };
            self.fleet.apply(&event, &mut Vec::new());
            self.upkeep.handle(&event, &self.fleet, &mut out);
        }
        self.take(out);
        events.into_vec()
    }

    /// Lets time pass; chargers answer after a second.
    pub(crate) fn wait(&mut self, ms: i64) {
        let until = self.now + ms;
        loop {
            let answer = self.answers.iter().map(|(at, _)| *at).min();
            let deadline = self.upkeep.next_deadline();
            let Some(next) = [answer, deadline].into_iter().flatten().min() else { break };
            if next > until {
                break;
            }
            self.now = self.now.max(next);
            if answer.is_some_and(|at| at <= self.now) {
                let index = self.answers.iter().position(|(at, _)| *at <= self.now);
                let (_, command) = self.answers.remove(index.expect("one is due"));
                let (outcome, follow) = (self.script)(&command);
                let (id, charger) = (command.id, command.charger);
                let answered = CommandAnswered { command: id, outcome, late: false };
                self.event(charger, EventKind::CommandAnswered(answered));
                for event in follow {
                    self.event(charger, event);
                }
            } else {
                let mut out = Vec::new();
                self.upkeep.advance(self.now, &self.fleet, &mut out);
                self.take(out);
            }
        }
        self.now = until;
    }

    fn take(&mut self, out: Vec<UpkeepEffect>) {
        for effect in out {
            match effect {
                UpkeepEffect::Send(command) => {
                    self.answers.push((self.now + 1_000, command.clone()));
                    self.sent.push((self.now.since_ms(START), command));
                }
                UpkeepEffect::Progress(charger, progress) => {
                    self.written.insert(charger, *progress);
                }
                learned @ UpkeepEffect::Learned { .. } => self.learned.push(learned),
            }
        }
    }

    /// The names of what was sent to a charger.
    pub(crate) fn asked(&self, charger: ChargerKey) -> Vec<&str> {
        let of = self.sent.iter().filter(|(_, command)| command.charger == charger);
        of.map(|(_, command)| command.action.name()).collect()
    }

    pub(crate) fn progress(&self) -> &Progress {
        self.upkeep.progress(KEY).expect("it is known")
    }
}

pub(crate) fn yes(payload: &str) -> CommandOutcome {
    CommandOutcome::Answered {
        accepted: true,
        status: "Accepted".into(),
        payload: payload.to_owned(),
    }
}

pub(crate) fn no(code: &str) -> CommandOutcome {
    CommandOutcome::Refused { code: code.into(), description: String::new() }
}
