//! The machine that walks every open incident along its chain.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use mendpoint_model::{IncidentId, IncidentState, UnixMs};

use crate::book::{Book, Brief};
use crate::case::{Case, HeldBy, Taken, Told};
use crate::chain::{Chain, CountsFrom, Target};
use crate::inbox::{Delivery, Inbox, Item, News, Recipient};
use crate::letter::{Letter, Scribe};
use crate::signing::Signer;
use crate::window::Scope;
use crate::words;
use crate::zone::utc_words;

/// The least serious severity of which people are told while it is still being healed.
const TOLD_WHILE_HEALING: u8 = 4;

/// One thing to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Order {
    /// A letter for the outbox.
    Letter(Letter),
    /// A line for an incident's history.
    Line {
        /// The incident.
        incident: IncidentId,
        /// A stable word: `told`, `told_later`, `nobody_told`, `held`, `held_over`, `breached`, ..
        kind: &'static str,
        /// The line.
        title: String,
        /// More.
        text: String,
    },
    /// The installer of the site gets the ticket of an incident.
    WorkOrder(IncidentId),
    /// The ticket that a silence or a window held back is opened.
    OpenTicket(IncidentId),
    /// The end of a silence was told.
    SilenceEnded(i64),
}

/// Who is told of what, and when. Nothing here reads a clock: `now` is passed in and never goes back.
#[derive(Debug)]
pub struct Duty {
    book: Arc<Book>,
    signer: Signer,
    briefs: BTreeMap<IncidentId, Brief>,
    cases: BTreeMap<IncidentId, Case>,
    inboxes: BTreeMap<String, Inbox>,
    orders: Vec<Order>,
    changed_cases: BTreeSet<IncidentId>,
    changed_inboxes: BTreeSet<String>,
    /// Maintenance windows that are open: where, until when, the number.
    open: Vec<(Scope, UnixMs, i64)>,
    open_until: Option<UnixMs>,
    announced: BTreeSet<i64>,
}

impl Duty {
    /// A machine that knows of nothing yet.
    pub fn new(book: Arc<Book>, signer: Signer) -> Self {
        Self {
            book,
            signer,
            briefs: BTreeMap::new(),
            cases: BTreeMap::new(),
            inboxes: BTreeMap::new(),
            orders: Vec::new(),
            changed_cases: BTreeSet::new(),
            changed_inboxes: BTreeSet::new(),
            open: Vec::new(),
            open_until: None,
            announced: BTreeSet::new(),
        }
    }

    /// Takes back what was kept. The incidents of the cases have to be told after this.
    pub fn restore(
        &mut self,
        cases: impl IntoIterator<Item = (IncidentId, Case)>,
        inboxes: impl IntoIterator<Item = (String, Inbox)>,
    ) {
        self.cases.extend(cases);
        self.inboxes.extend(inboxes);
    }

    /// What people set.
    pub fn book(&self) -> &Arc<Book> {
        &self.book
    }

    /// How far the chain of an incident is.
    pub fn case(&self, incident: IncidentId) -> Option<&Case> {
        self.cases.get(&incident)
    }

    /// Every open incident with its chain, in the order of their numbers.
    pub fn cases(&self) -> impl Iterator<Item = (&Brief, &Case)> {
        self.cases.iter().filter_map(|(id, case)| Some((self.briefs.get(id)?, case)))
    }

    /// Incidents that have a case, whether or not they were told since the start.
    pub fn known(&self) -> Vec<IncidentId> {
        self.cases.keys().copied().collect()
    }

    /// What somebody is to be told.
    pub fn inbox(&self, key: &str) -> Option<&Inbox> {
        self.inboxes.get(key)
    }

    /// The maintenance windows that are open: where and until when.
    pub fn maintenance(&self) -> Vec<(Scope, UnixMs)> {
        self.open.iter().map(|(scope, until, _)| (*scope, *until)).collect()
    }

    /// People set something else.
    pub fn set_book(&mut self, now: UnixMs, book: Arc<Book>) {
        self.book = book;
        self.open_until = None;
        self.look_at_windows(now);
        let all: Vec<IncidentId> = self.cases.keys().copied().collect();
        for id in all {
            self.advance(now, id);
        }
    }

    /// An incident was opened or changed.
    pub fn incident(&mut self, now: UnixMs, brief: Brief) {
        self.look_at_windows(now);
        let id = brief.incident;
        if brief.state.is_over() && !self.cases.contains_key(&id) {
            return;
        }
        if !self.cases.contains_key(&id) {
            let route = self.book.routes.of(&self.book, &brief);
            let case =
                Case { route: route.name.clone(), chain: route.chain.clone(), ..Case::default() };
            self.cases.insert(id, case);
            self.changed_cases.insert(id);
        }
        self.briefs.insert(id, brief);
        self.advance(now, id);
    }

    /// Whether the ticket of an incident is to be opened now; when not, it is when what holds it ends.
    pub fn may_open_ticket(&mut self, now: UnixMs, incident: IncidentId) -> bool {
        self.look_at_windows(now);
        let Some(brief) = self.briefs.get(&incident) else { return true };
        let Some(held) = self.book.hold(brief, now, &self.open) else { return true };
        let Some(case) = self.cases.get_mut(&incident) else { return true };
        case.ticket_held = true;
        case.held = case.held.take().or(Some(held));
        self.changed_cases.insert(incident);
        self.advance(now, incident);
        false
    }

    /// A note for somebody, outside every incident.
    pub fn note(&mut self, now: UnixMs, person: &str, title: &str, text: &str) {
        let item = Item {
            incident: None,
            group: "notes".to_owned(),
            news: News::Note(text.to_owned()),
            severity: 7,
            title: title.to_owned(),
            text: String::new(),
            place: String::new(),
            at: now,
            since: now,
        };
        if let Some(known) = self.book.person(person) {
            let key = format!("user:{}", known.name);
            self.push(now, key, item);
        }
    }

    /// Time passes: does what is due.
    pub fn tick(&mut self, now: UnixMs) {
        self.look_at_windows(now);
        let due: Vec<IncidentId> = self
            .cases
            .iter()
            .filter(|(_, case)| case.wake.is_some_and(|at| at <= now))
            .map(|(id, _)| *id)
            .collect();
        for id in due {
            self.advance(now, id);
        }
        self.announce_silences(now);
        self.deliver(now);
    }

    /// When something is due next.
    pub fn next_deadline(&self) -> Option<UnixMs> {
        let cases = self.cases.values().filter_map(|case| case.wake);
        let inboxes = self.inboxes.values().filter_map(Inbox::due);
        let silences = self
            .book
            .silences
            .values()
            .filter(|silence| self.has_to_announce(silence))
            .map(|silence| silence.until);
        cases.chain(inboxes).chain(silences).chain(self.open_until).min()
    }

    /// What has to be done since the last time.
    pub fn take_orders(&mut self) -> Vec<Order> {
        std::mem::take(&mut self.orders)
    }

    /// Cases that changed since the last time; `None`: it need not be kept any more.
    pub fn take_changed_cases(&mut self) -> Vec<(IncidentId, Option<Case>)> {
        let changed = std::mem::take(&mut self.changed_cases);
        changed.into_iter().map(|id| (id, self.cases.get(&id).cloned())).collect()
    }

    /// Inboxes that changed since the last time; `None`: nothing of it need be kept.
    pub fn take_changed_inboxes(&mut self) -> Vec<(String, Option<Inbox>)> {
        let changed = std::mem::take(&mut self.changed_inboxes);
        changed.into_iter().map(|key| (key.clone(), self.inboxes.get(&key).cloned())).collect()
    }

    /// Which maintenance windows are open, looked at again when that may have changed.
    fn look_at_windows(&mut self, now: UnixMs) {
        if self.open_until.is_some_and(|at| now < at) {
            return;
        }
        self.open.clear();
        let mut next: Option<UnixMs> = None;
        for window in self.book.windows.values() {
            let (open, changes) = window.state(now);
            if let Some(until) = open {
                self.open.push((window.scope, until, window.id));
            }
            next = [next, changes].into_iter().flatten().min();
        }
        // With nothing planned there is nothing to look for until the book changes.
        self.open_until = next.or(Some(UnixMs(i64::MAX)));
    }

    fn has_to_announce(&self, silence: &crate::Silence) -> bool {
        !silence.announced && silence.ended_by.is_empty() && !self.announced.contains(&silence.id)
    }

    /// Tells whoever wrote a silence that it is over.
    fn announce_silences(&mut self, now: UnixMs) {
        let book = Arc::clone(&self.book);
        for silence in book.silences.values() {
            if silence.until > now || !self.has_to_announce(silence) {
                continue;
            }
            self.announced.insert(silence.id);
            let title = format!("The silence of {} is over", silence.matcher.words());
            let text = format!("It was: {}. People are told again from now on.", silence.reason);
            self.note(now, &silence.author, &title, &text);
            self.orders.push(Order::SilenceEnded(silence.id));
        }
    }

    fn say(&mut self, incident: IncidentId, kind: &'static str, title: String, text: String) {
        self.orders.push(Order::Line { incident, kind, title, text });
    }

    fn push(&mut self, now: UnixMs, key: String, item: Item) {
        let inbox = self.inboxes.entry(key.clone()).or_default();
        inbox.push(&self.book, now, item);
        self.changed_inboxes.insert(key);
    }

    /// Walks an incident along its chain as far as it goes now.
    fn advance(&mut self, now: UnixMs, id: IncidentId) {
        // A case whose incident was not told since the start stays as it is.
        let Some(brief) = self.briefs.get(&id).cloned() else { return };
        let Some(mut case) = self.cases.remove(&id) else { return };
        let before = case.clone();
        let is_over = brief.state.is_over();
        if is_over {
            self.tell_over(now, &brief, &case);
            self.briefs.remove(&id);
            self.changed_cases.insert(id);
            return;
        }
        case.wake = self.walk(now, &brief, &mut case);
        if case != before {
            self.changed_cases.insert(id);
        }
        self.cases.insert(id, case);
    }

    /// It is over: whoever was told hears that. Silences do not hold this back.
    fn tell_over(&mut self, now: UnixMs, brief: &Brief, case: &Case) {
        for key in keys(case) {
            if self.wants_over(&key) {
                let item = item(brief, now, News::Over(brief.resolution.clone()));
                self.push(now, key, item);
            }
        }
    }

    fn wants_over(&self, key: &str) -> bool {
        let person = key.strip_prefix("user:").and_then(|name| self.book.persons.get(name));
        person.is_none_or(|person| person.tell_over)
    }

    /// Gives when to look again.
    fn walk(&mut self, now: UnixMs, brief: &Brief, case: &mut Case) -> Option<UnixMs> {
        let id = brief.incident;
        self.note_taking(now, brief, case);
        if let Some(until) = self.hold(now, brief, case) {
            return Some(until);
        }
        if std::mem::take(&mut case.ticket_held) {
            self.orders.push(Order::OpenTicket(id));
        }
        if brief.inhibited {
            // It is told of again when that changes.
            return None;
        }
        let book = Arc::clone(&self.book);
        let chain = book.routes.chain(&case.chain);
        let mut wakes: Vec<UnixMs> = Vec::new();
        if case.began_at.is_none() {
            match begins(chain, brief, now) {
                Begins::Now(at) => case.began_at = Some(at),
                Begins::At(at) => return Some(at),
                Begins::Unknown => return None,
            }
        }
        let began = case.began_at.unwrap_or(now);
        if chain.breach_ms > 0 && case.breached_at.is_none() {
            let at = began + chain.breach_ms;
            if at <= now {
                case.breached_at = Some(now);
                let lasted = words::duration(now.since_ms(brief.opened_at));
                let title = format!("On the breach list: not over after {lasted}");
                self.say(id, "breached", title, String::new());
            } else {
                wakes.push(at);
            }
        }
        let rests = brief.state == IncidentState::RecoveredUnproven;
        if case.taken.is_some() || rests {
            return wakes.into_iter().min();
        }
        while let Some(step) = chain.steps.get(case.steps_done) {
            let due = began + step.after_ms - case.sooner_ms;
            if due > now {
                wakes.push(due);
                break;
            }
            case.steps_done += 1;
            let told_before = case.told.len();
            let reached = self.step(now, brief, case, &step.tell);
            if chain.repeat_ms > 0 && case.told.len() > told_before {
                case.repeat_at = Some(now + chain.repeat_ms);
            }
            if !reached
                && chain.skip_empty
                && let Some(next) = chain.steps.get(case.steps_done)
            {
                // Nobody is waited for: the chain is as much further.
                let early = next.after_ms - case.sooner_ms - now.since_ms(began);
                if early > 0 {
                    case.sooner_ms += early;
                    return self.walk(now, brief, case);
                }
            }
        }
        if let Some(at) = case.repeat_at {
            if at <= now {
                self.repeat(now, brief, case, chain);
            }
            wakes.extend(case.repeat_at);
        }
        wakes.into_iter().min()
    }

    /// Whether an inbox is somebody's: of a person with an account, or of an address that a link was sent
    /// to.
    fn is_of(&self, key: &str, who: &str) -> bool {
        let person = self.book.person(who);
        match key.split_once(':') {
            Some(("user", name)) => {
                let mail = self.book.persons.get(name).map(|person| person.email.as_str());
                person.is_some_and(|person| person.name == name)
                    || mail.is_some_and(|mail| mail.eq_ignore_ascii_case(who))
            }
            Some(("mail", address)) => {
                address.eq_ignore_ascii_case(who)
                    || person.is_some_and(|person| person.email.eq_ignore_ascii_case(address))
            }
            _ => false,
        }
    }

    /// Somebody took it, or gave it back.
    fn note_taking(&mut self, now: UnixMs, brief: &Brief, case: &mut Case) {
        let is_worked_on =
            matches!(brief.state, IncidentState::Acknowledged | IncidentState::InProgress);
        let by =
            brief.taken_by.clone().or_else(|| is_worked_on.then(|| "The installer".to_owned()));
        match (by, &case.taken) {
            (Some(by), None) => {
                // The others need not go on. Silences do not hold this back.
                for key in keys(case) {
                    if !self.is_of(&key, &by) && self.wants_over(&key) {
                        let item = item(brief, now, News::Taken(by.clone()));
                        self.push(now, key, item);
                    }
                }
                let is_told = !case.told.is_empty();
                if case.began_at.is_some() {
                    let title = if is_told {
                        format!("{by} took it: nobody else is told")
                    } else {
                        format!("{by} took it: nobody is told")
                    };
                    self.say(brief.incident, "chain_stopped", title, String::new());
                }
                case.taken = Some(Taken { by, at: now });
                case.repeat_at = None;
            }
            (None, Some(_)) => {
                case.taken = None;
                let title = "Nobody has it any more: the chain goes on".to_owned();
                self.say(brief.incident, "chain_resumed", title, String::new());
            }
            (Some(by), Some(taken)) if *by != taken.by => case.taken = Some(Taken { by, at: now }),
            _ => {}
        }
    }

    /// What keeps people from being told; until when.
    fn hold(&mut self, now: UnixMs, brief: &Brief, case: &mut Case) -> Option<UnixMs> {
        let held = self.book.hold(brief, now, &self.open);
        match (&case.held, &held) {
            (_, Some(new)) if case.held.as_ref() != Some(new) => {
                let until = utc_words(new.until);
                let title = match new.by {
                    HeldBy::Silence => format!("Silenced until {until}: nobody is told"),
                    HeldBy::Maintenance => {
                        format!("In maintenance until {until}: nobody is told")
                    }
                };
                self.say(brief.incident, "held", title, new.why.clone());
            }
            (Some(old), None) => {
                let title = match old.by {
                    HeldBy::Silence => "The silence is over: people are told again",
                    HeldBy::Maintenance => "The maintenance is over: people are told again",
                };
                self.say(brief.incident, "held_over", title.to_owned(), String::new());
            }
            _ => {}
        }
        let until = held.as_ref().map(|held| held.until);
        case.held = held;
        until
    }

    /// Does a step. `false`: it reached nobody.
    fn step(&mut self, now: UnixMs, brief: &Brief, case: &mut Case, tell: &[Target]) -> bool {
        let id = brief.incident;
        let mut reached = false;
        let mut missing = Vec::new();
        for target in tell {
            if *target == Target::Installer {
                if case.ordered_at.is_none() {
                    case.ordered_at = Some(now);
                    self.orders.push(Order::WorkOrder(id));
                }
                reached = true;
                continue;
            }
            let Some(recipient) = self.book.recipient(target, brief, now) else {
                missing.push(target.role());
                continue;
            };
            reached = true;
            self.tell(now, brief, case, &recipient, &target.role(), false);
        }
        if !missing.is_empty() {
            let title = format!("Nobody to tell: {}", words::list(&missing));
            let text = "Nobody is set for it, or whoever is has no address.".to_owned();
            self.say(id, "nobody_told", title, text);
        }
        reached
    }

    fn tell(
        &mut self,
        now: UnixMs,
        brief: &Brief,
        case: &mut Case,
        to: &Recipient,
        role: &str,
        again: bool,
    ) {
        let was_told = case.told.iter().any(|told| told.key == to.key && told.at == now);
        if was_told {
            return;
        }
        let (key, name, role) = (to.key.clone(), to.name.clone(), role.to_owned());
        let news = if again { News::Again(role.clone()) } else { News::Page(role.clone()) };
        self.push(now, key.clone(), item(brief, now, news));
        // The list of who was told is for people: the first time and the last ones.
        if case.told.len() < 50 {
            case.told.push(Told { key, name, role, at: now, waits: true, until: None });
        }
    }

    /// Nobody answered: everybody who is meant now is told again.
    fn repeat(&mut self, now: UnixMs, brief: &Brief, case: &mut Case, chain: &Chain) {
        let done = chain.steps.iter().take(case.steps_done);
        let targets: Vec<Target> = done.flat_map(|step| step.tell.iter().cloned()).collect();
        for target in targets {
            if let Some(recipient) = self.book.recipient(&target, brief, now) {
                self.tell(now, brief, case, &recipient, &target.role(), true);
            }
        }
        case.repeat_at = Some(now + chain.repeat_ms);
    }

    /// Writes what is due.
    fn deliver(&mut self, now: UnixMs) {
        let due: Vec<String> = self
            .inboxes
            .iter()
            .filter(|(_, inbox)| inbox.due().is_some_and(|at| at <= now))
            .map(|(key, _)| key.clone())
            .collect();
        for key in due {
            let book = Arc::clone(&self.book);
            let person = key.strip_prefix("user:").and_then(|name| book.persons.get(name));
            let name = person.map_or_else(|| key_words(&key), |person| person.label().to_owned());
            let Some(inbox) = self.inboxes.get_mut(&key) else { continue };
            let deliveries = inbox.take_due(&book, now, person);
            self.changed_inboxes.insert(key.clone());
            for delivery in deliveries {
                match delivery {
                    Delivery::Kept { items, until, quiet } => {
                        let at = person
                            .map_or_else(|| utc_words(until), |person| person.time_words(until));
                        let why = if quiet { "quiet hours" } else { "enough for today" };
                        for item in items.iter().filter(|item| item.news.asks()) {
                            let Some(id) = item.incident else { continue };
                            self.mark_told(id, &key, Some(until));
                            let title = format!("{name} is told at {at}: {why}");
                            self.say(id, "told_later", title, String::new());
                        }
                    }
                    Delivery::Now(items) => self.send(&book, now, &key, &name, &items, false),
                    Delivery::Digest(items) => self.send(&book, now, &key, &name, &items, true),
                }
            }
            if self.inboxes.get(&key).is_some_and(Inbox::is_empty) {
                self.inboxes.remove(&key);
            }
        }
    }

    /// What was decided to tell is written now, or kept until then.
    fn mark_told(&mut self, id: IncidentId, key: &str, until: Option<UnixMs>) {
        let Some(case) = self.cases.get_mut(&id) else { return };
        let mut is_changed = false;
        for told in case.told.iter_mut().filter(|told| told.waits && told.key == key) {
            is_changed |= told.until != until || until.is_none();
            told.waits = until.is_some();
            told.until = until;
        }
        if is_changed {
            self.changed_cases.insert(id);
        }
    }

    fn send(
        &mut self,
        book: &Book,
        now: UnixMs,
        key: &str,
        name: &str,
        items: &[Item],
        digest: bool,
    ) {
        let Some(inbox) = self.inboxes.get_mut(key) else { return };
        inbox.letters += 1;
        // Numbers begin anew when an inbox was empty for a while: the time keeps keys apart.
        let number = now.0.unsigned_abs() * 1_000 + inbox.letters % 1_000;
        let scribe = Scribe { book, signer: &self.signer, now };
        let Some(letter) = scribe.write(key, number, items, digest) else { return };
        let to = if key.starts_with("webhook:") { String::new() } else { letter.to.clone() };
        self.orders.push(Order::Letter(letter));
        for item in items {
            let Some(id) = item.incident else { continue };
            self.mark_told(id, key, None);
            // Whether the mail arrives is the outbox's to say.
            let title = match &item.news {
                News::Page(role) => format!("Written to {name}, {role}"),
                News::Again(role) => format!("Written to {name} again, {role}: nobody took it"),
                News::Taken(_) | News::Over(_) | News::Note(_) => continue,
            };
            let text = match items.len() {
                _ if digest => format!("In one mail with all that was kept. {to}"),
                1 => to.clone(),
                others => format!("With {} others of {}. {to}", others - 1, item.group),
            };
            self.say(id, "told", title, text.trim().to_owned());
        }
    }
}

/// When a chain begins.
enum Begins {
    Now(UnixMs),
    At(UnixMs),
    Unknown,
}

fn begins(chain: &Chain, brief: &Brief, now: UnixMs) -> Begins {
    match chain.counts_from {
        CountsFrom::Opened => Begins::Now(brief.opened_at),
        CountsFrom::HandedOver if brief.handed_over => Begins::Now(now),
        CountsFrom::HandedOver => {
            let rests = brief.state == IncidentState::RecoveredUnproven;
            if chain.heal_ms == 0 || brief.severity > TOLD_WHILE_HEALING || rests {
                return Begins::Unknown;
            }
            let at = brief.opened_at + chain.heal_ms;
            if at <= now { Begins::Now(now) } else { Begins::At(at) }
        }
    }
}

fn keys(case: &Case) -> BTreeSet<String> {
    case.told.iter().map(|told| told.key.clone()).collect()
}

fn key_words(key: &str) -> String {
    match key.split_once(':') {
        Some(("webhook", name)) => format!("webhook {name}"),
        Some((_, name)) => name.to_owned(),
        None => key.to_owned(),
    }
}

fn item(brief: &Brief, now: UnixMs, news: News) -> Item {
    let place = if brief.site_name.is_empty() {
        brief.charger_name.clone()
    } else {
        format!("{}, {}", brief.charger_name, brief.site_name)
    };
    Item {
        incident: Some(brief.incident),
        group: brief.group.clone(),
        news,
        severity: brief.severity,
        title: brief.title.clone(),
        text: brief.text.clone(),
        place,
        at: now,
        since: brief.opened_at,
    }
}
