//! The duty desk: the machine of the `escalation` crate with a clock, a database and tickets.
//!
//! The machine is told of every incident once it is on disk. What it decides is written in one
//! transaction (letters, lines of history, how far it is) and only then done; what a crash leaves
//! undone is done at the next start, once.

mod act;
mod book;
mod settings;

use std::sync::atomic::AtomicI64;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use mendpoint_escalation::{Brief, Case, Duty, Inbox, Order, Place, Scope, Signer};
use mendpoint_incidents::KillScope;
use mendpoint_model::{Actor, Incident, IncidentId, TimelineEntry, UnixMs};
use mendpoint_store::{DutyTurn, Entry, NewMail};

use crate::message::ShardMessage;
use crate::pipeline::Inner;
use crate::{Error, clock};

pub use act::{DutyCase, Maintenance};
pub(crate) use book::read_book;
pub use settings::DutySettings;

/// How often the book is read again: people are added by another program.
const READ_AGAIN_MS: i64 = 60_000;
/// How often the machine is looked at, at least and at most.
const PAUSE_MAX: Duration = Duration::from_secs(5);
const PAUSE_MIN: Duration = Duration::from_millis(20);
/// How long to wait before a write that the database refused is tried again.
const RETRY: Duration = Duration::from_secs(1);

/// The machine and what belongs to it.
pub(crate) struct DutyDesk {
    machine: Mutex<Duty>,
    settings: DutySettings,
    signer: Signer,
    /// Who changes the book: one after another.
    turn: tokio::sync::Mutex<()>,
    /// The next number of a silence or window.
    next_id: AtomicI64,
    /// Maintenance as the shards know it.
    told_shards: Mutex<Vec<(Scope, UnixMs)>>,
    read_at: Mutex<UnixMs>,
}

impl DutyDesk {
    pub(crate) fn new(settings: DutySettings, key: &[u8]) -> Self {
        let signer = Signer::new(key);
        let book = std::sync::Arc::new(settings.book(""));
        Self {
            machine: Mutex::new(Duty::new(book, signer.clone())),
            settings,
            signer,
            turn: tokio::sync::Mutex::new(()),
            next_id: AtomicI64::new(1),
            told_shards: Mutex::default(),
            read_at: Mutex::new(UnixMs(0)),
        }
    }

    /// The routes that a rule may name.
    pub(crate) fn route_names(&self) -> Vec<String> {
        self.settings.routes.names()
    }

    fn machine(&self) -> MutexGuard<'_, Duty> {
        self.machine.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    /// Reads back what was kept, and hears of every open incident.
    pub(crate) async fn begin_duty(&self) {
        loop {
            match self.read_duty().await {
                Ok(()) => return,
                Err(error) => {
                    tracing::warn!(%error, "the duty desk could not be read; trying again");
                    tokio::time::sleep(RETRY).await;
                }
            }
        }
    }

    async fn read_duty(&self) -> Result<(), Error> {
        let now = clock::now();
        let book = self.read_book().await?;
        let cases = self.store.duty_cases().await?;
        let inboxes = self.store.duty_inboxes().await?;
        let open = self.store.open_and_recent_incidents(now).await?;
        let of_json = |what: &str, text: &str, error: serde_json::Error| {
            tracing::error!(%error, text, "{what} cannot be read; it begins anew");
        };
        let cases: Vec<(IncidentId, Case)> = cases
            .into_iter()
            .filter_map(|(id, text)| match serde_json::from_str(&text) {
                Ok(case) => Some((id, case)),
                Err(error) => {
                    of_json("a chain", &text, error);
                    None
                }
            })
            .collect();
        let inboxes: Vec<(String, Inbox)> = inboxes
            .into_iter()
            .filter_map(|(name, text)| match serde_json::from_str(&text) {
                Ok(inbox) => Some((name, inbox)),
                Err(error) => {
                    of_json("an inbox", &text, error);
                    None
                }
            })
            .collect();
        let ordered: Vec<IncidentId> =
            cases.iter().filter(|(_, case)| case.ordered_at.is_some()).map(|(id, _)| *id).collect();
        // Incidents that ended while nobody watched.
        let mut ended = Vec::new();
        for (id, _) in &cases {
            if !open.iter().any(|incident| incident.id == *id)
                && let Some(incident) = self.store.incident(*id).await?
            {
                ended.push(incident);
            }
        }
        let briefs: Vec<Brief> =
            open.iter().chain(&ended).map(|incident| self.brief(incident)).collect();
        {
            let mut machine = self.duty.machine();
            machine.restore(cases, inboxes);
            machine.set_book(now, book);
            for brief in briefs {
                machine.incident(now, brief);
            }
        }
        // What was decided before a crash and not done.
        for id in ordered {
            self.order_or_say(id).await;
        }
        Ok(())
    }

    /// Tells the machine of an incident.
    pub(crate) fn duty_hears(&self, incident: &Incident) {
        let brief = self.brief(incident);
        self.duty.machine().incident(clock::now(), brief);
    }

    /// Whether the ticket of an incident is opened now.
    pub(crate) fn may_open_ticket(&self, incident: IncidentId) -> bool {
        self.duty.machine().may_open_ticket(clock::now(), incident)
    }

    /// Whether a silence or a window keeps people from being told of an incident now.
    pub(crate) fn is_held(&self, incident: IncidentId) -> bool {
        self.duty.machine().case(incident).is_some_and(|case| case.held.is_some())
    }

    /// What the machine needs to know of an incident.
    fn brief(&self, incident: &Incident) -> Brief {
        let charger = self.directory.charger(incident.charger);
        let site = self.directory.site(incident.site);
        let site = site.filter(|_| incident.site != self.unassigned);
        let place = Place::of(charger.as_deref(), site.as_deref());
        let catalogue = self.catalogue.load();
        let route = catalogue.rule(&incident.rule).map(|rule| rule.route.clone());
        Brief::of(incident, place, route)
    }

    /// Does what is due; gives how long nothing is.
    pub(crate) async fn settle_duty(&self) -> Duration {
        let now = clock::now();
        self.read_book_again(now).await;
        let (orders, mut turn, next) = {
            let mut machine = self.duty.machine();
            machine.tick(now);
            let orders = machine.take_orders();
            let turn = turn(&mut machine);
            (orders, turn, machine.next_deadline())
        };
        let mut acts = Vec::new();
        for order in orders {
            match order {
                Order::Letter(letter) => turn.mails.push(NewMail {
                    dedupe_key: letter.key,
                    recipient: letter.to,
                    subject: self.without_cards(letter.subject),
                    text: self.without_cards(letter.text),
                    html: self.without_cards(letter.html),
                    reply_to: None,
                    ticket: None,
                    not_before: now,
                }),
                Order::Line { incident, kind, title, text } => {
                    turn.lines.push(line(now, incident, kind, title, text));
                }
                act => acts.push(act),
            }
        }
        self.write_turn(&turn).await;
        for act in acts {
            match act {
                Order::WorkOrder(id) => self.order_or_say(id).await,
                Order::OpenTicket(id) => {
                    self.until_stored("a held ticket", || self.open_held_ticket(id)).await;
                }
                Order::SilenceEnded(id) => self.silence_ended(id).await,
                Order::Letter(_) | Order::Line { .. } => {}
            }
        }
        self.tell_shards().await;
        let pause = next.map_or(PAUSE_MAX, |at| {
            Duration::from_millis(at.since_ms(clock::now()).max(0).unsigned_abs())
        });
        pause.clamp(PAUSE_MIN, PAUSE_MAX)
    }

    /// Written until it succeeds: what the machine gave away is nowhere else.
    async fn write_turn(&self, turn: &DutyTurn) {
        if turn.is_empty() {
            return;
        }
        while let Err(error) = self.store.write_duty(turn).await {
            tracing::warn!(%error, "who is told could not be written; trying again");
            tokio::time::sleep(RETRY).await;
        }
        self.topics.touch(|versions| {
            versions.incidents += u64::from(!turn.lines.is_empty() || !turn.cases.is_empty());
            versions.outbox += u64::from(!turn.mails.is_empty());
        });
    }

    /// The installer gets the ticket, and the history says so.
    async fn order_or_say(&self, id: IncidentId) {
        let ordered = self.until_stored("a work order", || self.order_work(id)).await;
        let already = self.duty.machine().case(id).is_some_and(|case| case.ordered_at.is_none());
        if already {
            return;
        }
        if let Some(None) = ordered {
            let title = "Nobody to send: the site has no installer".to_owned();
            let line = line(clock::now(), id, "nobody_told", title, String::new());
            self.write_turn(&DutyTurn { lines: vec![line], ..DutyTurn::default() }).await;
        }
    }

    /// Does something with the database until the database takes it; `None` when it was refused for
    /// another reason.
    async fn until_stored<T, F>(&self, what: &str, act: impl Fn() -> F) -> Option<T>
    where
        F: Future<Output = Result<T, Error>>,
    {
        loop {
            match act().await {
                Ok(done) => return Some(done),
                Err(Error::Store(error)) => {
                    tracing::warn!(%error, "{what} could not be written; trying again");
                    tokio::time::sleep(RETRY).await;
                }
                Err(error) => {
                    tracing::info!(%error, "{what} was refused");
                    return None;
                }
            }
        }
    }

    /// Lets the engine know where people work by plan.
    async fn tell_shards(&self) {
        let places = self.duty.machine().maintenance();
        {
            let mut told = self.duty.told_shards.lock().unwrap_or_else(PoisonError::into_inner);
            if *told == places {
                return;
            }
            told.clone_from(&places);
        }
        let places: std::sync::Arc<[(KillScope, UnixMs)]> = places
            .into_iter()
            .map(|(scope, until)| match scope {
                Scope::Site(site) => (KillScope::Site(site), until),
                Scope::Charger(charger) => (KillScope::Charger(charger), until),
            })
            .collect();
        let message = || ShardMessage::Maintenance(std::sync::Arc::clone(&places));
        if self.to_all_shards(message).await.is_ok() {
            self.topics.touch(|versions| versions.incidents += 1);
        }
    }

    /// The end of a silence was told: that is written down, so that it is told once.
    async fn silence_ended(&self, id: i64) {
        let silence = self.duty.machine().book().silences.get(&id).cloned();
        let Some(mut silence) = silence else { return };
        silence.announced = true;
        let (by, name) = ("system", id.to_string());
        let keep = || self.put("silence", &name, &silence, by);
        self.until_stored("the end of a silence", keep).await;
        let entry = Entry::Audit {
            at: clock::now(),
            actor: by.to_owned(),
            action: "silence ended".to_owned(),
            subject: silence.matcher.words(),
            detail: silence.reason.clone(),
        };
        self.journal.append(vec![entry]).await;
    }
}

/// What changed in the machine, to be written.
fn turn(machine: &mut Duty) -> DutyTurn {
    // Plain data: writing it as JSON cannot fail.
    let json = |value: serde_json::Result<String>| value.unwrap_or_default();
    let cases = machine.take_changed_cases().into_iter();
    let inboxes = machine.take_changed_inboxes().into_iter();
    DutyTurn {
        cases: cases
            .map(|(id, case)| (id, case.map(|case| json(serde_json::to_string(&case)))))
            .collect(),
        inboxes: inboxes
            .map(|(name, inbox)| (name, inbox.map(|one| json(serde_json::to_string(&one)))))
            .collect(),
        ..DutyTurn::default()
    }
}

fn line(
    at: UnixMs,
    incident: IncidentId,
    kind: &str,
    title: String,
    text: String,
) -> TimelineEntry {
    TimelineEntry {
        incident,
        at,
        actor: Actor::Engine,
        kind: kind.to_owned(),
        title,
        text,
        frame: 0,
        command: None,
        rung: None,
    }
}
