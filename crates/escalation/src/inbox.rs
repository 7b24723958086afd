//! What somebody is to be told: grouped, kept for the morning, or gathered into one mail (1.9).

use std::collections::BTreeMap;

use mendpoint_model::{IncidentId, UnixMs};
use serde::{Deserialize, Serialize};

use crate::{Book, Person};

/// Severities up to this one break through quiet hours and budgets: danger, and what takes down more
/// than a charger.
pub(crate) const URGENT: u8 = 2;
/// The most that one digest lists; the rest is counted.
pub(crate) const LISTED_MAX: usize = 100;

/// Somebody who is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Recipient {
    /// The key of their inbox: `user:ana`, `mail:a@b.example`, `webhook:noc`.
    pub(crate) key: String,
    /// Their name for people.
    pub(crate) name: String,
}

impl Recipient {
    pub(crate) fn person(person: &Person) -> Self {
        Self { key: format!("user:{}", person.name), name: person.label().to_owned() }
    }

    pub(crate) fn mail(address: &str) -> Option<Self> {
        let address = address.trim();
        let is_address = address.contains('@') && !address.contains(char::is_control);
        is_address.then(|| Self { key: format!("mail:{address}"), name: address.to_owned() })
    }

    pub(crate) fn webhook(name: &str) -> Self {
        Self { key: format!("webhook:{name}"), name: format!("webhook {name}") }
    }
}

/// One thing to be told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Item {
    /// The incident; `None` for what is about none.
    pub incident: Option<IncidentId>,
    /// What it is told together with.
    pub group: String,
    /// What is new.
    pub news: News,
    /// 0 danger to 9 debug.
    pub severity: u8,
    /// What is wrong, in a line.
    pub title: String,
    /// What that means, in sentences.
    #[serde(default)]
    pub text: String,
    /// Where.
    pub place: String,
    /// When it became news.
    pub at: UnixMs,
    /// When the incident was opened.
    pub since: UnixMs,
}

/// What is new.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum News {
    /// Somebody has to act; as what they are told.
    Page(String),
    /// The same again: nobody answered.
    Again(String),
    /// Somebody took it.
    Taken(String),
    /// It is over; how.
    Over(String),
    /// A sentence by itself.
    Note(String),
}

impl News {
    /// Whether somebody is asked to act.
    pub(crate) fn asks(&self) -> bool {
        matches!(self, Self::Page(_) | Self::Again(_))
    }
}

/// What somebody is to be told. Kept over restarts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Inbox {
    groups: BTreeMap<String, Group>,
    /// What is kept for one mail with all.
    digest: Vec<Item>,
    digest_at: Option<UnixMs>,
    last_digest: Option<UnixMs>,
    day: i64,
    sent_today: u32,
    /// Letters so far, so that each has a key of its own.
    pub(crate) letters: u64,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
struct Group {
    waiting: Vec<Item>,
    due: Option<UnixMs>,
    last: Option<UnixMs>,
}

/// What becomes of what was waiting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Delivery {
    /// One mail with these.
    Now(Vec<Item>),
    /// One mail with everything that was kept.
    Digest(Vec<Item>),
    /// Not now; why and until when.
    Kept { items: Vec<Item>, until: UnixMs, quiet: bool },
}

impl Inbox {
    /// Takes something in.
    pub(crate) fn push(&mut self, book: &Book, now: UnixMs, item: Item) {
        if !item.news.asks()
            && let Some(incident) = item.incident
            && !self.drop_untold(incident, &item.news)
        {
            return;
        }
        let group = self.groups.entry(item.group.clone()).or_default();
        if group.due.is_none() {
            let first = now + book.group_wait_ms;
            let next = group.last.map(|last| last + book.group_interval_ms);
            group.due = Some(next.map_or(first, |next| next.max(first)));
        }
        group.waiting.retain(|other| other.incident.is_none() || other.incident != item.incident);
        group.waiting.push(item);
    }

    /// What was not told yet of an incident that is over or taken need not be told; what is kept for a
    /// digest says so. `false`: there is nothing more to tell.
    fn drop_untold(&mut self, incident: IncidentId, news: &News) -> bool {
        let mut was_untold = false;
        for group in self.groups.values_mut() {
            let before = group.waiting.len();
            group.waiting.retain(|item| item.incident != Some(incident) || !item.news.asks());
            was_untold |= group.waiting.len() < before;
            if group.waiting.is_empty() {
                group.due = None;
            }
        }
        for item in self.digest.iter_mut().filter(|item| item.incident == Some(incident)) {
            item.news = news.clone();
            was_untold = true;
        }
        !was_untold
    }

    /// When something is due.
    pub(crate) fn due(&self) -> Option<UnixMs> {
        self.groups.values().filter_map(|group| group.due).chain(self.digest_at).min()
    }

    /// What is due now. `person` has quiet hours and a budget; programs and addresses have neither.
    pub(crate) fn take_due(
        &mut self,
        book: &Book,
        now: UnixMs,
        person: Option<&Person>,
    ) -> Vec<Delivery> {
        let mut deliveries = Vec::new();
        if let Some(person) = person {
            let day = person.day(now);
            if day != self.day {
                self.day = day;
                self.sent_today = 0;
            }
        }
        let quiet_until = person.and_then(|person| person.quiet_until(now));
        for group in self.groups.values_mut() {
            if group.due.is_none_or(|due| due > now) {
                continue;
            }
            group.due = None;
            let items = std::mem::take(&mut group.waiting);
            if items.is_empty() {
                continue;
            }
            let urgent = items.iter().any(|item| item.news.asks() && item.severity <= URGENT);
            let spent = person.is_some_and(|person| self.sent_today >= person.budget);
            let kept_until = if urgent {
                None
            } else if let Some(until) = quiet_until {
                Some((until, true))
            } else if spent {
                let next = self.last_digest.map_or(now, |last| last + book.digest_ms);
                Some((self.digest_at.unwrap_or(next.max(now + book.group_interval_ms)), false))
            } else {
                None
            };
            if let Some((until, quiet)) = kept_until {
                self.digest_at = Some(self.digest_at.map_or(until, |at| at.min(until)));
                // Of each incident the newest is enough.
                self.digest.retain(|old| {
                    old.incident.is_none()
                        || !items.iter().any(|item| item.incident == old.incident)
                });
                self.digest.extend(items.iter().cloned());
                deliveries.push(Delivery::Kept { items, until, quiet });
                continue;
            }
            group.last = Some(now);
            self.sent_today += 1;
            deliveries.push(Delivery::Now(items));
        }
        self.groups.retain(|_, group| {
            let is_recent =
                group.last.is_some_and(|last| now.since_ms(last) < book.group_interval_ms);
            !group.waiting.is_empty() || is_recent
        });
        if self.digest_at.is_some_and(|at| at <= now) {
            match quiet_until {
                // A budget's digest that comes due at night waits for the morning too.
                Some(until) => self.digest_at = Some(until),
                None => {
                    self.digest_at = None;
                    self.last_digest = Some(now);
                    let items = std::mem::take(&mut self.digest);
                    if !items.is_empty() {
                        deliveries.push(Delivery::Digest(items));
                    }
                }
            }
        }
        deliveries
    }

    /// Whether nothing of it need be kept.
    pub fn is_empty(&self) -> bool {
        self.groups.is_empty() && self.digest.is_empty() && self.sent_today == 0
    }

    /// How many things wait for a time to be told.
    pub fn waiting(&self) -> usize {
        self.digest.len() + self.groups.values().map(|group| group.waiting.len()).sum::<usize>()
    }

    /// How many notifications were sent on the day of the last one.
    pub fn sent_today(&self) -> u32 {
        self.sent_today
    }
}
