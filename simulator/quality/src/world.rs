//! The world: chargers, drivers, failures, technicians, and our shard, in virtual time.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::sync::Arc;

use mendpoint_fleet::FleetSettings;
use mendpoint_incidents::overseer::Overseer;
use mendpoint_incidents::{
    Catalogue, Effect, EngineSettings, Evidence, IdSequence, Permits, Request,
};
use mendpoint_model::{
    Action, ChargerEvent, ChargerKey, Command, CommandAnswered, CommandId, CommandOutcome,
    Connected, ConnectorRef, DAY_MS, Disconnected, EventKind, HOUR_MS, IncidentId, Origin,
    Protocol, SiteKey, TicketId, UnixMs, external_id_of,
};
use mendpoint_shard::{Outputs, Shard};
use mendpoint_simulator::{
    Act, Behaviour, ChargerCore, ChargerSpec, Cure, Current, Input, LinkKind, Note, Output,
};
use mendpoint_upkeep::{Profiles, UpkeepSettings};
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};

use crate::book::Book;
use crate::disk::Disk;
use crate::line::Line;
use crate::mix::{Cause, Mix, What};
use crate::report::Report;
use crate::truth::{Begun, Failure, Truth};

/// When every run begins: 2026-01-01T00:00:00Z.
const START: UnixMs = UnixMs(1_767_225_600_000);
/// Chargers of a site.
const SITE_SIZE: usize = 8;
/// From a connection's beginning to the first word on it: no network is quicker.
const NETWORK_MS: i64 = 40;
/// Nothing breaks so soon after the start: rules begin with what is normal.
const CALM_MS: i64 = HOUR_MS;

/// What a run is made of.
#[derive(Clone, Debug)]
pub struct QualitySettings {
    /// How many chargers.
    pub chargers: usize,
    /// How many virtual days.
    pub days: u32,
    /// The same seed gives the same run.
    pub seed: u64,
    /// What breaks.
    pub mix: Mix,
    /// The rules and playbooks.
    pub catalogue: Arc<Catalogue>,
    /// The engine's numbers.
    pub engine: EngineSettings,
    /// How often our own server restarts.
    pub restarts: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Due {
    /// A charger wants to be woken.
    Tick(usize),
    /// A charger learns that its connection, with this number, is open.
    Opened(usize, u64),
    /// A planned failure begins.
    Failure(usize),
    /// A failure of circumstances ends.
    FailureEnds(usize),
    /// A command was not answered.
    Timeout(usize, u64),
    /// A technician arrives for a ticket.
    Person(usize, u64),
    /// Our server restarts.
    Restart,
}

enum Work {
    Core(usize, Input),
    Answer(usize, CommandId, CommandOutcome),
    Send(usize),
}

struct Post {
    core: ChargerCore,
    line: Line,
    site: SiteKey,
    protocol: Protocol,
    tick_at: Option<UnixMs>,
    /// Since when it has no connection.
    away_since: Option<UnixMs>,
}

struct Planned {
    charger: usize,
    connector: u16,
    cause: usize,
    lasts_ms: Option<i64>,
    /// How long after a ticket somebody is there: the same with every engine.
    person_after_ms: i64,
    /// The failure, once it began.
    failure: Option<usize>,
}

struct World {
    now: UnixMs,
    settings: QualitySettings,
    posts: Vec<Post>,
    shard: Shard,
    out: Outputs,
    due: BinaryHeap<Reverse<(UnixMs, u64, Due)>>,
    order: u64,
    work: VecDeque<Work>,
    planned: Vec<Planned>,
    timeouts: Vec<CommandId>,
    tickets: Vec<(IncidentId, TicketId)>,
    rng: SmallRng,
    truth: Truth,
    book: Book,
    disk: Disk,
    /// When our server last began.
    restarted_at: UnixMs,
    messages: u64,
}

/// Lives through the days and reports.
pub fn run(settings: QualitySettings) -> Report {
    live(settings).report()
}

/// What is left of a world at the end.
pub(crate) struct Lived {
    settings: QualitySettings,
    pub(crate) truth: Truth,
    book: Book,
    messages: u64,
    pub(crate) now: UnixMs,
}

impl Lived {
    /// When the first incident of a failure was opened.
    pub(crate) fn seen_at(&self, failure: &Failure) -> Option<UnixMs> {
        let opened = |id| self.book.entries.get(id).map(|entry| entry.opened_at);
        failure.incidents.iter().filter_map(opened).min()
    }

    pub(crate) fn report(&self) -> Report {
        Report::new(&self.settings, &self.truth, &self.book, self.messages, self.now)
    }
}

/// Lives through the days.
pub(crate) fn live(settings: QualitySettings) -> Lived {
    let mut world = World::new(settings);
    world.live();
    let World { truth, book, settings, messages, now, .. } = world;
    Lived { settings, truth, book, messages, now }
}

fn key(charger: usize) -> ChargerKey {
    ChargerKey(charger as u32 + 1)
}

fn spec(index: usize, site: usize, rng: &mut SmallRng) -> ChargerSpec {
    let v16 = index % 5 < 3;
    let protocol = if v16 { Protocol::V16 } else { Protocol::V201 };
    let mut spec = ChargerSpec::new(&format!("Q{index:05}"), protocol);
    spec.site = format!("Site {site}");
    let models =
        [("Voltera", "HYC150", true), ("Nordlys", "Wall 22", false), ("Arcona", "D60", true)];
    let (vendor, model, is_dc) = models[index % models.len()];
    vendor.clone_into(&mut spec.vendor);
    model.clone_into(&mut spec.model);
    let firmware = if rng.random_bool(0.8) { "2.4.1" } else { "2.3.0" };
    firmware.clone_into(&mut spec.firmware);
    if !is_dc {
        spec.current = Current::Ac;
        spec.power_w = 22_000.0;
        spec.connectors = 1;
        spec.link = LinkKind::Ethernet;
    }
    spec
}

impl World {
    fn new(mut settings: QualitySettings) -> Self {
        settings.mix.causes.push(Cause::harm());
        let mut rng = SmallRng::seed_from_u64(settings.seed);
        let behaviour = Arc::new(Behaviour {
            sessions_per_hour: settings.mix.sessions_per_day / 24.0,
            meter_interval_ms: 60_000,
            connect_spread_ms: 120_000,
            reset_harms: settings.mix.reset_harms,
            ..Behaviour::default()
        });
        let mut shard = new_shard(&settings, 1, 1);
        let posts: Vec<Post> = (0..settings.chargers)
            .map(|index| {
                let number = index / SITE_SIZE;
                let spec = spec(index, number, &mut rng);
                let site = SiteKey(number as u32 + 1);
                shard.register(key(index), site, spec.identity.as_str().into());
                let protocol = spec.protocol;
                let core = ChargerCore::new(Arc::new(spec), Arc::clone(&behaviour), settings.seed);
                Post {
                    core,
                    line: Line::default(),
                    site,
                    protocol,
                    tick_at: None,
                    away_since: Some(START),
                }
            })
            .collect();
        let mut world = Self {
            now: START,
            truth: Truth::new(posts.len()),
            posts,
            shard,
            out: Outputs::default(),
            due: BinaryHeap::new(),
            order: 0,
            work: VecDeque::new(),
            planned: Vec::new(),
            timeouts: Vec::new(),
            tickets: Vec::new(),
            rng,
            book: Book::default(),
            disk: Disk::default(),
            restarted_at: START,
            messages: 0,
            settings,
        };
        world.plan_failures();
        world
    }

    /// Draws what breaks when: a Poisson process over the fleet, by the shares of the mix.
    fn plan_failures(&mut self) {
        let span_ms = i64::from(self.settings.days) * DAY_MS;
        let mix = &self.settings.mix;
        let expected =
            mix.failures_per_charger * self.posts.len() as f64 * f64::from(self.settings.days)
                / 30.0;
        let shares: Vec<f64> = mix.causes.iter().map(|cause| cause.share).collect();
        let total: f64 = shares.iter().sum();
        let mut at = CALM_MS as f64;
        let every = span_ms as f64 / expected.max(1.0);
        loop {
            at += -self.rng.random::<f64>().max(1e-12).ln() * every;
            if at as i64 >= span_ms - HOUR_MS {
                break;
            }
            let mut pick = self.rng.random::<f64>() * total;
            let cause = shares
                .iter()
                .position(|share| {
                    pick -= share;
                    pick <= 0.0
                })
                .unwrap_or(0);
            let charger = self.rng.random_range(0..self.posts.len());
            let connectors = self.posts[charger].core.spec().connectors;
            let connector = self.rng.random_range(1..=connectors);
            let lasts_ms = match &self.settings.mix.causes[cause].what {
                What::Fault { lasts_ms, .. } | What::Flap { lasts_ms, .. } => Some(*lasts_ms),
                What::Offline { lasts_ms, .. } => *lasts_ms,
            };
            // Long ones are rarer than short ones: even on a scale of logarithms.
            let lasts_ms = lasts_ms.map(|(from, to)| {
                let (from, to) = (from.max(1) as f64, to.max(1) as f64);
                (from.ln() + self.rng.random::<f64>() * (to.ln() - from.ln())).exp() as i64
            });
            let number = self.planned.len();
            let (from, to) = self.settings.mix.person_after_ms;
            let person_after_ms = self.rng.random_range(from..=to.max(from));
            self.planned.push(Planned {
                charger,
                connector,
                cause,
                lasts_ms,
                person_after_ms,
                failure: None,
            });
            self.push(START + at as i64, Due::Failure(number));
        }
        for turn in 1..=self.settings.restarts {
            let part = span_ms / i64::from(self.settings.restarts + 1);
            self.push(START + part * i64::from(turn), Due::Restart);
        }
    }

    fn push(&mut self, at: UnixMs, due: Due) {
        self.order += 1;
        self.due.push(Reverse((at, self.order, due)));
    }

    fn live(&mut self) {
        let until = START + i64::from(self.settings.days) * DAY_MS;
        for charger in 0..self.posts.len() {
            self.work.push_back(Work::Core(charger, Input::Start));
        }
        self.settle();
        loop {
            let next = self.due.peek().map(|Reverse((at, ..))| *at);
            let wake = self.shard.next_deadline();
            let at = [next, wake].into_iter().flatten().min();
            let Some(at) = at.filter(|at| *at < until) else { break };
            self.now = self.now.max(at);
            if wake.is_some_and(|wake| wake <= self.now)
                && next.is_none_or(|next| wake <= Some(next))
            {
                self.shard.advance(self.now, &mut self.out);
                self.take_outputs();
                self.settle();
                continue;
            }
            if let Some(Reverse((_, _, due))) = self.due.pop() {
                self.happen(due);
                self.settle();
            }
        }
        self.now = until;
    }

    fn happen(&mut self, due: Due) {
        match due {
            Due::Tick(charger) => {
                if self.posts[charger].tick_at.is_some_and(|at| at <= self.now) {
                    self.posts[charger].tick_at = None;
                    self.work.push_back(Work::Core(charger, Input::Tick));
                }
            }
            Due::Opened(charger, epoch) => {
                let line = &self.posts[charger].line;
                if line.open && line.epoch == epoch {
                    self.work.push_back(Work::Core(charger, Input::Opened));
                }
            }
            Due::Failure(number) => self.fail(number),
            Due::FailureEnds(number) => self.end_circumstance(number),
            Due::Timeout(charger, number) => {
                let command = self.timeouts[number as usize].clone();
                if self.posts[charger].line.time_out(&command) {
                    self.work.push_back(Work::Answer(charger, command, CommandOutcome::TimedOut));
                    self.work.push_back(Work::Send(charger));
                }
            }
            Due::Person(charger, number) => self.visit(charger, number as usize),
            Due::Restart => self.restart(),
        }
    }

    fn fail(&mut self, number: usize) {
        let Planned { charger, connector, cause, lasts_ms, person_after_ms, .. } =
            self.planned[number];
        let begun = Begun { planned: number, person_after_ms };
        let what = self.settings.mix.causes[cause].what.clone();
        let of = self.settings.mix.causes[cause].clone();
        // One thing at a time: what happens to a broken charger could not be told apart.
        match what {
            What::Offline { site: true, power, .. } => {
                let first = charger / SITE_SIZE * SITE_SIZE;
                let members = first..(first + SITE_SIZE).min(self.posts.len());
                for member in members {
                    if self.truth.is_broken(member) {
                        continue;
                    }
                    let failure = self.truth.begin(cause, &of, (member, 0), begun, self.now);
                    let copy = self.planned.len();
                    self.planned.push(Planned {
                        charger: member,
                        connector: 0,
                        cause,
                        lasts_ms,
                        person_after_ms,
                        failure: Some(failure),
                    });
                    self.act(member, Act::GoOffline { for_ms: None, power });
                    if let Some(ms) = lasts_ms {
                        // A site returns within a minute, not in one moment.
                        let spread = self.rng.random_range(0..60_000);
                        self.push(self.now + ms + spread, Due::FailureEnds(copy));
                    }
                }
            }
            _ if self.truth.is_broken(charger) => {}
            What::Offline { power, .. } => {
                let failure = self.truth.begin(cause, &of, (charger, 0), begun, self.now);
                self.planned[number].failure = Some(failure);
                self.act(charger, Act::GoOffline { for_ms: None, power });
                if let Some(ms) = lasts_ms {
                    self.push(self.now + ms, Due::FailureEnds(number));
                }
            }
            What::Flap { times, .. } => {
                let failure = self.truth.begin(cause, &of, (charger, 0), begun, self.now);
                self.planned[number].failure = Some(failure);
                let (down_ms, up_ms) = (lasts_ms.unwrap_or(30_000), 4 * 60_000);
                self.act(charger, Act::Flap { times, down_ms, up_ms });
                let all = (down_ms + up_ms) * i64::from(times);
                self.push(self.now + all, Due::FailureEnds(number));
            }
            What::Fault { fault, .. } => {
                let mut fault = *fault;
                fault.connector = connector;
                let model = &self.posts[charger].core.spec().model;
                fault.cure = self.settings.mix.cure_on(model, &fault);
                if let Cure::Itself { .. } = fault.cure {
                    fault.cure = Cure::Itself { after_ms: lasts_ms.unwrap_or(30_000) };
                }
                let failure = self.truth.begin(cause, &of, (charger, connector), begun, self.now);
                self.planned[number].failure = Some(failure);
                self.act(charger, Act::Fault(fault));
            }
        }
    }

    /// A lost network comes back, a flapping one is quiet again.
    fn end_circumstance(&mut self, number: usize) {
        let Planned { charger, failure, .. } = self.planned[number];
        if let Some(failure) = failure {
            self.truth.end(failure, self.now, "by itself");
        }
        self.act(charger, Act::ComeBack);
    }

    fn act(&mut self, charger: usize, act: Act) {
        self.work.push_back(Work::Core(charger, Input::Act(act)));
    }

    /// Somebody is there: mends what is broken, and puts back into service what was taken out.
    fn visit(&mut self, charger: usize, number: usize) {
        let (incident, ticket) = self.tickets[number];
        for failure in self.truth.active(charger).to_vec() {
            if self.truth.failures[failure].offline {
                let cause = self.truth.failures[failure].cause;
                let waits = matches!(
                    self.settings.mix.causes[cause].what,
                    What::Offline { lasts_ms: None, .. }
                );
                if waits {
                    self.truth.end(failure, self.now, "repaired");
                    self.act(charger, Act::ComeBack);
                }
            }
        }
        self.act(charger, Act::Clear { connector: 0 });
        self.settle();
        for status in ["accepted", "resolved"] {
            let request = Request::TicketChanged {
                incident,
                ticket,
                status: status.to_owned(),
                user: "technician".to_owned(),
            };
            // Closed by the charger's own proof before anybody came.
            let _ = self.shard.request(self.now, request, &mut self.out);
            self.take_outputs();
        }
        let out_of_service =
            self.shard.fleet().iter().find(|state| state.key == key(charger)).map(|state| {
                state
                    .connectors
                    .iter()
                    .filter(|connector| connector.desired_operative == Some(false))
                    .map(|connector| connector.at)
                    .collect::<Vec<ConnectorRef>>()
            });
        for connector in out_of_service.unwrap_or_default() {
            let command = Command {
                id: CommandId(format!("u-{number}-{connector}").into()),
                charger: key(charger),
                action: Action::SetAvailability { connector, operative: true },
                origin: Origin::User("technician".to_owned()),
                created_at: self.now,
                timeout_ms: mendpoint_model::COMMAND_TIMEOUT_MS,
                not_after: self.now + mendpoint_model::COMMAND_TIMEOUT_MS,
            };
            self.shard.note_command(&command);
            self.posts[charger].line.queue(command);
            self.work.push_back(Work::Send(charger));
        }
    }

    /// Our server stops and starts anew with what it had on disk.
    fn restart(&mut self) {
        self.restarted_at = self.now;
        let states: Vec<_> = self.shard.fleet().iter().cloned().collect();
        let kept = self.book.kept(self.now - DAY_MS);
        let next = self.book.entries.keys().next_back().map_or(1, |id| id.0 + 1);
        let transactions = 1_000_000 + self.order as i64 % 1_000_000_000;
        let permits = Permits::new(&self.settings.engine);
        let unread = permits.recall(self.disk.memory());
        assert!(unread.is_empty(), "what healing remembered cannot be read: {unread:?}");
        self.shard = new_shard(&self.settings, next, transactions).with_permits(permits);
        let mut lost = Vec::new();
        for (index, post) in self.posts.iter_mut().enumerate() {
            let identity = post.core.spec().identity.clone();
            self.shard.register(key(index), post.site, identity.as_str().into());
            post.line.close();
            if post.away_since.is_none() {
                post.away_since = Some(self.now);
                lost.push(index);
            }
        }
        for state in states {
            self.shard.restore_charger(self.now, state);
        }
        self.shard.restore(self.now, kept, &mut self.out);
        self.take_outputs();
        for (charger, connector, usage) in self.disk.usage(START, self.now) {
            self.shard.restore_usage(self.now, (charger, connector), &usage, &mut self.out);
        }
        self.take_outputs();
        for index in lost {
            self.work.push_back(Work::Core(index, Input::Closed("the server stopped".to_owned())));
        }
    }

    /// Works off everything that follows at this moment.
    fn settle(&mut self) {
        while let Some(work) = self.work.pop_front() {
            match work {
                Work::Core(charger, input) => self.core(charger, input),
                Work::Answer(charger, command, outcome) => {
                    let answer = CommandAnswered { command, outcome, late: false };
                    self.event(charger, EventKind::CommandAnswered(answer));
                }
                Work::Send(charger) => self.send_next(charger),
            }
        }
    }

    fn core(&mut self, charger: usize, input: Input) {
        let outputs = self.posts[charger].core.handle(self.now, input);
        for output in outputs {
            match output {
                Output::Open => {
                    let post = &mut self.posts[charger];
                    post.line.open = true;
                    post.line.epoch += 1;
                    post.away_since = None;
                    let protocol = post.protocol;
                    self.event(
                        charger,
                        EventKind::Connected(Connected {
                            protocol,
                            remote: "192.0.2.1:9000".to_owned(),
                            replaced: false,
                            certificate_ends: None,
                        }),
                    );
                    let epoch = self.posts[charger].line.epoch;
                    self.push(self.now + NETWORK_MS, Due::Opened(charger, epoch));
                }
                Output::Close => self.closed(charger, "the charger is gone"),
                Output::Send(text) => self.hear(charger, &text),
                Output::Note(Note::Reset { harmed }) => self.reset_done(charger, harmed),
                Output::Note(note) => self.truth.note(charger, &note, self.now),
            }
        }
        let deadline = self.posts[charger].core.next_deadline();
        if let Some(at) = deadline
            && self.posts[charger].tick_at.is_none_or(|planned| at < planned)
        {
            self.posts[charger].tick_at = Some(at);
            self.push(at.max(self.now), Due::Tick(charger));
        }
    }

    /// A charger carried out a reset; one that is left worse by it is one more failure, until somebody
    /// comes.
    fn reset_done(&mut self, charger: usize, harmed: bool) {
        self.truth.resets += 1;
        if !harmed {
            return;
        }
        self.truth.harmed += 1;
        let cause = self.settings.mix.causes.len() - 1;
        let of = self.settings.mix.causes[cause].clone();
        let (from, to) = self.settings.mix.person_after_ms;
        let begun = Begun { planned: usize::MAX, person_after_ms: i64::midpoint(from, to) };
        self.truth.begin(cause, &of, (charger, 0), begun, self.now);
    }

    fn closed(&mut self, charger: usize, reason: &str) {
        let post = &mut self.posts[charger];
        if !post.line.open {
            return;
        }
        post.away_since = Some(self.now);
        for command in post.line.close() {
            self.work.push_back(Work::Answer(charger, command, CommandOutcome::NotConnected));
        }
        let reason = reason.to_owned();
        self.event(charger, EventKind::Disconnected(Disconnected { reason, replaced: false }));
    }

    fn hear(&mut self, charger: usize, text: &str) {
        self.messages += 1;
        let post = &mut self.posts[charger];
        let protocol = post.protocol;
        let heard = post.line.hear(protocol, text, self.now);
        let mut events = heard.events;
        self.shard.prepare(self.now, key(charger), &mut events);
        let external_id = external_id_of(&events);
        let mut transaction = mendpoint_model::TransactionId(0);
        for mut kind in events {
            if let EventKind::Meter(reading) = &mut kind {
                self.shard.place_reading(key(charger), &external_id, reading);
            }
            self.event(charger, kind);
            if let Some(id) = self.out.answer.take() {
                transaction = id;
            }
        }
        if let Some((id, reply)) = heard.reply {
            let text = Line::answer(protocol, &id, &reply, self.now, transaction);
            self.work.push_back(Work::Core(charger, Input::Text(text)));
        }
        if let Some((command, outcome)) = heard.answered {
            self.work.push_back(Work::Answer(charger, command, outcome));
            self.work.push_back(Work::Send(charger));
        }
    }

    fn event(&mut self, charger: usize, kind: EventKind) {
        let post = &self.posts[charger];
        let event = ChargerEvent {
            charger: key(charger),
            site: post.site,
            received_at: self.now,
            epoch: post.line.epoch,
            frame: 0,
            kind,
        };
        self.shard.handle(event, &mut self.out);
        self.take_outputs();
    }

    fn send_next(&mut self, charger: usize) {
        let post = &mut self.posts[charger];
        match post.line.next(post.protocol) {
            None => {}
            Some(Ok((command, text))) => {
                if matches!(command.action, Action::Reset { .. }) {
                    let core = &post.core;
                    let charging =
                        (1..=core.spec().connectors).any(|number| core.is_charging(number));
                    self.book.resets_in_transaction += u64::from(charging);
                }
                self.timeouts.push(command.id.clone());
                let number = self.timeouts.len() as u64 - 1;
                self.push(self.now + command.timeout_ms, Due::Timeout(charger, number));
                self.work.push_back(Work::Core(charger, Input::Text(text)));
            }
            Some(Err((command, outcome))) => {
                self.work.push_back(Work::Answer(charger, command, outcome));
                self.work.push_back(Work::Send(charger));
            }
        }
    }

    fn take_outputs(&mut self) {
        for (charger, _, _, fact) in self.out.facts.drain(..) {
            self.disk.note(charger, &fact);
        }
        self.out.lines.clear();
        self.out.upkeep.clear();
        if self.out.effects.is_empty() {
            return;
        }
        for effect in std::mem::take(&mut self.out.effects) {
            match effect {
                Effect::Incident(incident) => {
                    let (id, of) = (incident.id, incident.charger);
                    let index = of.0 as usize - 1;
                    if self.book.incident(*incident) {
                        let failures = self.truth.active(index).to_vec();
                        for failure in &failures {
                            self.truth.failures[*failure].incidents.push(id);
                        }
                        let away = self.posts[index].away_since;
                        let outage = away.and_then(|since| self.book.outage_of(of, since));
                        if let Some(entry) = self.book.entries.get_mut(&id) {
                            entry.failures = failures;
                            entry.was_online = away.is_none();
                            // After a start of ours the time begins anew (1.2).
                            let since = away.filter(|since| *since >= self.restarted_at);
                            entry.away_ms = since.map(|since| entry.opened_at.since_ms(since));
                            entry.told_by = outage;
                        }
                    }
                }
                Effect::Timeline(line) => self.book.line(&line),
                Effect::Send(command) => {
                    self.book.commands += 1;
                    let disrupts = matches!(
                        command.action,
                        Action::Reset { .. } | Action::SetAvailability { .. }
                    );
                    self.book.disruptive += u64::from(disrupts);
                    let charger = command.charger.0 as usize - 1;
                    self.posts[charger].line.queue(command);
                    self.work.push_back(Work::Send(charger));
                }
                Effect::OpenTicket(request) => self.page(request.incident, request.charger),
                Effect::CloseSocket(of) => {
                    let charger = of.0 as usize - 1;
                    self.closed(charger, "closed by us");
                    let input = Input::Closed("closed by the server".to_owned());
                    self.work.push_back(Work::Core(charger, input));
                }
                // The ticket is open again: somebody comes once more.
                Effect::TicketEvidence {
                    ticket, incident, kind: Evidence::FaultReturned, ..
                } => {
                    let of = self.book.last.get(&incident).map(|incident| incident.charger);
                    if let Some(of) = of {
                        self.send_person(incident, ticket, of);
                    }
                }
                Effect::TicketEvidence { .. }
                | Effect::Attempt(_)
                | Effect::Visit(_)
                | Effect::Exclusion(_)
                | Effect::Notice(_)
                | Effect::Vehicle(..)
                | Effect::SwitchPower { .. }
                | Effect::AskSignal(_)
                | Effect::CloseTransaction { .. } => {}
                Effect::Remember(row) => self.disk.remember(row),
            }
        }
    }

    /// A person is asked, and will come.
    fn page(&mut self, incident: IncidentId, of: ChargerKey) {
        if let Some(entry) = self.book.entries.get_mut(&incident) {
            entry.paged_at.get_or_insert(self.now);
        }
        let ticket = TicketId(self.tickets.len() as i64 + 1);
        self.send_person(incident, ticket, of);
        let request = Request::TicketChanged {
            incident,
            ticket,
            status: "new".to_owned(),
            user: "system".to_owned(),
        };
        let _ = self.shard.request(self.now, request, &mut self.out);
        self.take_outputs();
    }

    /// Somebody sets out.
    fn send_person(&mut self, incident: IncidentId, ticket: TicketId, of: ChargerKey) {
        self.tickets.push((incident, ticket));
        let index = of.0 as usize - 1;
        let planned = self.truth.active(index).first().map(|at| self.truth.failures[*at].begun);
        // Where nothing is wrong somebody comes all the same.
        let (from, to) = self.settings.mix.person_after_ms;
        let after = planned.map_or(i64::midpoint(from, to), |begun| begun.person_after_ms);
        let number = self.tickets.len() as u64 - 1;
        self.push(self.now + after, Due::Person(index, number));
    }
}

fn new_shard(settings: &QualitySettings, incidents: i64, transactions: i64) -> Shard {
    Shard::new(
        FleetSettings::default(),
        Arc::clone(&settings.catalogue),
        settings.engine.clone(),
        IdSequence { next: incidents, step: 1 },
        IdSequence { next: transactions, step: 1 },
    )
    .with_upkeep(
        UpkeepSettings { enabled: false, ..UpkeepSettings::default() },
        Arc::new(Profiles::default()),
    )
    .with_overseer(Overseer::beside(&settings.engine))
}
