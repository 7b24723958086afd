//! A fleet of people in virtual time: tests say what happens and read who was told when.

use std::sync::Arc;

use mendpoint_model::{
    ChargerKey, HOUR_MS, IncidentId, IncidentState, MINUTE_MS, SECOND_MS, SiteKey, UnixMs,
};

use crate::{
    Access, Book, Brief, Duty, Order, Person, PlaceTags, QuietHours, Rota, Routes, Scope, Signer,
};

/// Monday 23 November 2026, 10:00 in Bucharest.
pub(crate) const START: &str = "2026-11-23T10:00:00+02:00";

pub(crate) struct Kit {
    pub(crate) now: UnixMs,
    pub(crate) start: UnixMs,
    pub(crate) duty: Duty,
    pub(crate) orders: Vec<(UnixMs, Order)>,
}

pub(crate) fn person(name: &str) -> Person {
    Person {
        name: name.to_owned(),
        shown: name.to_uppercase(),
        email: format!("{name}@x.example"),
        zone: "Europe/Bucharest".to_owned(),
        ..Person::default()
    }
}

/// Ana is on call this week, Ion next; the site's owner has an address.
pub(crate) fn book() -> Book {
    let routes = Routes::parse(include_str!("../../../config/routes.toml"), 1.0).expect("good");
    let mut book = Book::new(routes);
    "https://m.example".clone_into(&mut book.base_url);
    for name in ["ana", "ion"] {
        book.persons.insert(name.to_owned(), person(name));
    }
    let rota = Rota {
        name: "default".to_owned(),
        zone: "Europe/Bucharest".to_owned(),
        people: vec!["ana".to_owned(), "ion".to_owned()],
        since: "2026-11-23".to_owned(),
        at: "08:00".to_owned(),
        ..Rota::default()
    };
    book.rotas.insert("default".to_owned(), rota);
    let owner = PlaceTags { owner_email: "owner@x.example".to_owned(), ..PlaceTags::default() };
    book.places.insert(Scope::Site(SiteKey(1)), owner);
    book
}

pub(crate) fn private_ac(mut book: Book) -> Book {
    if let Some(tags) = book.places.get_mut(&Scope::Site(SiteKey(1))) {
        tags.access = Some(Access::PrivateAc);
    }
    book
}

pub(crate) fn at_night(mut book: Book, name: &str) -> Book {
    let quiet = QuietHours { from: "09:00".to_owned(), to: "18:00".to_owned() };
    if let Some(person) = book.persons.get_mut(name) {
        person.quiet = Some(quiet);
    }
    book
}

impl Kit {
    pub(crate) fn new(book: Book) -> Self {
        let start = UnixMs::parse_rfc3339(START).expect("a time");
        let duty = Duty::new(Arc::new(book), Signer::new(b"key"));
        Self { now: start, start, duty, orders: Vec::new() }
    }

    /// An incident that the engine has just opened.
    pub(crate) fn brief(&self, number: i64) -> Brief {
        Brief {
            incident: IncidentId(number),
            rule: "ERR_FAULTED".to_owned(),
            route: "default".to_owned(),
            group: "Harbour, faults".to_owned(),
            severity: 3,
            charger: ChargerKey(1),
            identity: "RO-HB-03".to_owned(),
            charger_name: "HB-03".to_owned(),
            model: "ACME X".to_owned(),
            site: SiteKey(1),
            site_name: "Harbour".to_owned(),
            title: format!("Fault number {number}"),
            text: String::new(),
            opened_at: self.now,
            state: IncidentState::Healing,
            handed_over: false,
            inhibited: false,
            taken_by: None,
            ticket: None,
            resolution: String::new(),
        }
    }

    pub(crate) fn tell(&mut self, brief: Brief) {
        self.duty.incident(self.now, brief);
        self.settle();
    }

    /// One that was handed to people at once.
    pub(crate) fn handed(&mut self, number: i64) -> Brief {
        let brief =
            Brief { handed_over: true, state: IncidentState::Escalated, ..self.brief(number) };
        self.tell(brief.clone());
        brief
    }

    fn settle(&mut self) {
        self.duty.tick(self.now);
        for order in self.duty.take_orders() {
            self.orders.push((self.now, order));
        }
    }

    /// Lets time pass, stopping wherever something is due.
    pub(crate) fn wait(&mut self, ms: i64) {
        let until = self.now + ms;
        while let Some(at) = self.duty.next_deadline().filter(|at| *at <= until) {
            assert!(at > self.now || self.now == until || at == self.now, "time goes forward");
            self.now = at.max(self.now);
            self.settle();
            let again = self.duty.next_deadline();
            assert!(again.is_none_or(|next| next > self.now), "it spins at {again:?}");
        }
        self.now = until;
        self.settle();
    }

    /// Forgets everything but what is kept, as a restart does, and hears of the incidents again.
    pub(crate) fn restart(&mut self, briefs: &[Brief]) {
        let cases: Vec<_> = self
            .duty
            .known()
            .into_iter()
            .filter_map(|id| Some((id, self.duty.case(id)?.clone())))
            .map(|(id, case)| {
                let json = serde_json::to_string(&case).expect("plain data");
                (id, serde_json::from_str(&json).expect("the same"))
            })
            .collect();
        let inboxes: Vec<_> = ["user:ana", "user:ion", "mail:owner@x.example"]
            .into_iter()
            .filter_map(|key| {
                let json = serde_json::to_string(self.duty.inbox(key)?).expect("plain data");
                Some((key.to_owned(), serde_json::from_str(&json).expect("the same")))
            })
            .collect();
        let mut duty = Duty::new(Arc::clone(self.duty.book()), Signer::new(b"key"));
        duty.restore(cases, inboxes);
        self.duty = duty;
        // What people set is read before the incidents are.
        self.set_book(|_| {});
        for brief in briefs {
            self.duty.incident(self.now, brief.clone());
        }
        self.settle();
    }

    pub(crate) fn set_book(&mut self, change: impl FnOnce(&mut Book)) {
        let mut book = Book::clone(self.duty.book());
        change(&mut book);
        self.duty.set_book(self.now, Arc::new(book));
        self.settle();
    }

    /// "15 min ana@x.example [INC-1] ..": every letter so far.
    pub(crate) fn letters(&self) -> Vec<String> {
        self.orders
            .iter()
            .filter_map(|(at, order)| match order {
                Order::Letter(letter) => {
                    Some(format!("{} {} {}", self.clock(*at), letter.to, letter.subject))
                }
                _ => None,
            })
            .collect()
    }

    /// The same without the subject.
    pub(crate) fn told(&self) -> Vec<String> {
        let first_two = |line: String| line.splitn(3, ' ').take(2).collect::<Vec<_>>().join(" ");
        self.letters().into_iter().map(first_two).collect()
    }

    pub(crate) fn lines(&self) -> Vec<String> {
        self.orders
            .iter()
            .filter_map(|(at, order)| match order {
                Order::Line { title, .. } => Some(format!("{} {title}", self.clock(*at))),
                _ => None,
            })
            .collect()
    }

    pub(crate) fn work_orders(&self) -> Vec<String> {
        self.orders
            .iter()
            .filter_map(|(at, order)| match order {
                Order::WorkOrder(id) => Some(format!("{} {id}", self.clock(*at))),
                _ => None,
            })
            .collect()
    }

    pub(crate) fn has(&self, order: &Order) -> bool {
        self.orders.iter().any(|(_, other)| other == order)
    }

    /// Since the start as `H:MM:SS`.
    fn clock(&self, at: UnixMs) -> String {
        let ms = at.since_ms(self.start);
        let (hours, minutes) = (ms / HOUR_MS, ms / MINUTE_MS % 60);
        format!("{hours}:{minutes:02}:{:02}", ms / SECOND_MS % 60)
    }
}
