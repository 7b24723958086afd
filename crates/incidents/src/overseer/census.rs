//! Rules about many chargers at once: a site, a cohort, the fleet.
//!
//! Shards tell which chargers show what such a rule looks for, or what happened that it counts; here
//! they are counted, and an incident is asked for when there are enough of them. What is usual at a
//! place is learned beside it, so that a rule can ask for a multiple of that.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use mendpoint_model::{
    Breadth, ChargerKey, Cohort, ConnectorRef, DAY_MS, Incident, SiteKey, UnixMs,
};
use serde::{Deserialize, Serialize};

use super::report::{Directive, Order, Target, Wide};
use super::{Opened, Overseer};
use crate::duration::duration_words;
use crate::rule::Scope;

/// The most events of one place that are kept (behaviour 71).
const TIMES_MAX: usize = 4_096;
/// What is usual is known after so long.
const USUAL_AFTER_MS: i64 = DAY_MS;
/// Half of what is known is forgotten after so long.
const USUAL_MAX_MS: i64 = 28 * DAY_MS;

/// A rule about many chargers, as far as the overseer has to know it.
#[derive(Clone, Debug, PartialEq)]
pub struct WideRule {
    /// Its id.
    pub id: Box<str>,
    /// Its version.
    pub version: u32,
    /// What one incident of it is about.
    pub scope: Scope,
    /// OCPP severity.
    pub severity: u8,
    /// The line of an incident, with its places.
    pub headline: Box<str>,
    /// The cause, in plain words.
    pub description: Box<str>,
    /// So many different chargers; 0 for any.
    pub at_least: u32,
    /// And so many of a hundred; 0 for any.
    pub percent: u32,
    /// What it counts; `None` for one that asks how many chargers show something.
    pub count: Option<WideCount>,
    /// How long a charger must show it; for the headline.
    pub for_ms: i64,
    /// It is over when it was not there for so long.
    pub keep_ms: i64,
    /// How long nobody is asked.
    pub escalate_after_ms: i64,
}

/// What a rule about many chargers counts.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct WideCount {
    /// So many.
    pub at_least: u32,
    /// Within this time.
    pub within_ms: i64,
    /// And so many times what is usual; 0 for any.
    pub times_usual: f64,
}

/// What is usual at a place, to be kept over a restart.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct UsualRow {
    /// The rule.
    pub rule: String,
    /// The place.
    pub place: PlaceOf,
    /// Since when it is counted.
    pub since: UnixMs,
    /// How many there were since then, but for those that made an incident.
    pub events: f64,
}

/// What a wide rule's incident is about.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PlaceOf {
    /// A site.
    Site(SiteKey),
    /// A vendor, model and firmware.
    Cohort(Cohort),
    /// All of them.
    Fleet,
}

impl PlaceOf {
    fn breadth(&self) -> Breadth {
        match self {
            Self::Site(_) => Breadth::Site,
            Self::Cohort(cohort) => Breadth::Cohort(cohort.clone()),
            Self::Fleet => Breadth::Fleet,
        }
    }

    /// "The site", as a headline begins with it.
    fn words(&self) -> String {
        match self {
            Self::Site(_) => "this site".to_owned(),
            Self::Cohort(cohort) => cohort.to_string(),
            Self::Fleet => "the fleet".to_owned(),
        }
    }
}

/// How often something happens at a place.
#[derive(Clone, Copy, Debug)]
struct Usual {
    since: UnixMs,
    events: f64,
}

impl Usual {
    fn pass(&mut self, now: UnixMs) {
        if now.since_ms(self.since) > USUAL_MAX_MS {
            self.events /= 2.0;
            self.since = now - USUAL_MAX_MS / 2;
        }
    }

    /// How many are usual within a time; `None` before that is known.
    fn within(&self, now: UnixMs, within_ms: i64) -> Option<f64> {
        let ms = now.since_ms(self.since);
        (ms >= USUAL_AFTER_MS).then(|| self.events * within_ms as f64 / ms as f64)
    }
}

/// One rule at one place.
#[derive(Debug)]
struct Group {
    rule: Arc<WideRule>,
    /// Where the shard is that writes its incident.
    home: (ChargerKey, SiteKey),
    /// The chargers that show it, with the connectors where they do.
    members: BTreeMap<ChargerKey, BTreeMap<ConnectorRef, UnixMs>>,
    times: VecDeque<(UnixMs, ChargerKey)>,
    usual: Usual,
    opened: Option<Opened>,
    /// Since when there are too few, while an incident is open.
    few_since: Option<UnixMs>,
    /// A person ended it: it opens again when there were too few meanwhile.
    rests: bool,
}

/// All of them.
#[derive(Debug, Default)]
pub(crate) struct Census {
    groups: BTreeMap<(Box<str>, PlaceOf), Group>,
    /// Since when anything is counted here.
    began_at: Option<UnixMs>,
    /// What is worth a look.
    due: BTreeMap<(Box<str>, PlaceOf), UnixMs>,
    /// Incidents of before a restart, until their rule is heard of.
    restored: BTreeMap<(Box<str>, PlaceOf), Opened>,
    usual: BTreeMap<(Box<str>, PlaceOf), Usual>,
    /// The rules that are gone.
    gone: BTreeSet<Box<str>>,
}

impl Census {
    fn group(
        &mut self,
        rule: &Arc<WideRule>,
        place: PlaceOf,
        home: (ChargerKey, SiteKey),
        at: UnixMs,
    ) -> &mut Group {
        let began_at = *self.began_at.get_or_insert(at);
        let key = (rule.id.clone(), place);
        let due = self.due.entry(key.clone()).or_insert(at);
        *due = at.min(*due);
        let opened = self.restored.remove(&key);
        let usual = self.usual.remove(&key).unwrap_or(Usual { since: began_at, events: 0.0 });
        let group = self.groups.entry(key).or_insert_with(|| Group {
            rule: Arc::clone(rule),
            home,
            members: BTreeMap::new(),
            times: VecDeque::new(),
            usual,
            opened,
            few_since: None,
            rests: false,
        });
        if group.rule != *rule {
            group.rule = Arc::clone(rule);
        }
        group
    }

    /// A charger is no longer registered.
    pub(crate) fn gone(&mut self, charger: ChargerKey, at: UnixMs) {
        for (key, group) in &mut self.groups {
            if group.members.remove(&charger).is_some() {
                self.due.insert(key.clone(), at);
            }
        }
    }

    /// The rules about many chargers that there are: what others opened is over.
    pub(crate) fn set_rules(&mut self, ids: &[Box<str>], at: UnixMs) {
        let known = self.groups.keys().chain(self.restored.keys());
        let lost: BTreeSet<Box<str>> =
            known.map(|(id, _)| id.clone()).filter(|id| !ids.contains(id)).collect();
        for id in lost {
            for key in self.groups.keys().chain(self.restored.keys()).filter(|key| key.0 == id) {
                self.due.insert(key.clone(), at);
            }
            self.gone.insert(id);
        }
        self.gone.retain(|id| !ids.contains(id));
    }

    /// What is usual, to be kept over a restart.
    pub(crate) fn usual_rows(&self) -> Vec<UsualRow> {
        let row = |(key, usual): (&(Box<str>, PlaceOf), &Usual)| UsualRow {
            rule: key.0.to_string(),
            place: key.1.clone(),
            since: usual.since,
            events: usual.events,
        };
        let of_groups = self
            .groups
            .iter()
            .filter(|(_, group)| group.rule.count.is_some_and(|count| count.times_usual > 0.0));
        let mut rows: Vec<UsualRow> =
            of_groups.map(|(key, group)| row((key, &group.usual))).collect();
        rows.extend(self.usual.iter().map(row));
        rows.sort_by(|a, b| (&a.rule, &a.place).cmp(&(&b.rule, &b.place)));
        rows
    }
}

impl Overseer {
    /// What is usual at each place for the rules that ask for a multiple of it, and since when anything
    /// is counted.
    pub fn usual(&self) -> (Option<UnixMs>, Vec<UsualRow>) {
        (self.census.began_at, self.census.usual_rows())
    }

    /// Goes on with what was usual before a restart.
    pub fn remember_usual(&mut self, began_at: Option<UnixMs>, rows: Vec<UsualRow>) {
        self.census.began_at = [self.census.began_at, began_at].into_iter().flatten().min();
        for row in rows {
            let usual = Usual { since: row.since, events: row.events };
            self.census.usual.insert((row.rule.into(), row.place), usual);
        }
    }

    /// A wide incident of before a restart.
    pub(crate) fn restore_census(&mut self, incident: &Incident, opened: Opened) {
        let Some(place) = place_in(&incident.ties.breadth, incident.site) else { return };
        let key = (incident.rule.as_str().into(), place);
        self.census.due.insert(Clone::clone(&key), self.grace_until);
        self.census.restored.insert(key, opened);
    }

    fn place_of(&self, rule: &WideRule, charger: ChargerKey, site: SiteKey) -> Option<PlaceOf> {
        match rule.scope {
            Scope::Site => Some(PlaceOf::Site(site)),
            Scope::Cohort => self.cohorts.cohort_of(charger).cloned().map(PlaceOf::Cohort),
            Scope::Fleet => Some(PlaceOf::Fleet),
            Scope::Connector | Scope::Charger => None,
        }
    }

    /// A charger shows what a wide rule looks for, or does so no more.
    pub(crate) fn note_member(
        &mut self,
        rule: &Arc<WideRule>,
        (charger, site): (ChargerKey, SiteKey),
        at: (ConnectorRef, UnixMs, bool),
        now: UnixMs,
    ) {
        let (connector, since, shows) = at;
        if !shows {
            // Its cohort may be another one by now.
            for (key, group) in &mut self.census.groups {
                if key.0 != rule.id {
                    continue;
                }
                let Some(places) = group.members.get_mut(&charger) else { continue };
                places.remove(&connector);
                if places.is_empty() {
                    group.members.remove(&charger);
                }
                self.census.due.insert(key.clone(), now);
            }
            return;
        }
        let Some(place) = self.place_of(rule, charger, site) else { return };
        let group = self.census.group(rule, place, (charger, site), now);
        group.members.entry(charger).or_default().insert(connector, since);
    }

    /// Something happened that a wide rule counts.
    pub(crate) fn note_counted(
        &mut self,
        rule: &Arc<WideRule>,
        (charger, site): (ChargerKey, SiteKey),
        now: UnixMs,
    ) {
        let Some(place) = self.place_of(rule, charger, site) else { return };
        let group = self.census.group(rule, place, (charger, site), now);
        if group.times.len() == TIMES_MAX {
            group.times.pop_front();
        }
        group.times.push_back((now, charger));
    }

    /// The shard gave a wide rule's incident its number.
    pub(crate) fn census_opened(
        &mut self,
        key: &(Box<str>, PlaceOf),
        id: mendpoint_model::IncidentId,
    ) {
        if let Some(opened) =
            self.census.groups.get_mut(key).and_then(|group| group.opened.as_mut())
        {
            opened.id = Some(id);
        }
    }

    /// A wide rule's incident is over, by a person or as it was ordered.
    pub(crate) fn census_ended(&mut self, key: &(Box<str>, PlaceOf)) {
        self.census.restored.remove(key);
        if let Some(group) = self.census.groups.get_mut(key)
            && group.opened.take().is_some()
        {
            group.rests = true;
            group.few_since = None;
        }
    }

    /// Says when to look again.
    pub(crate) fn look_at_census(
        &mut self,
        now: UnixMs,
        out: &mut Vec<Directive>,
    ) -> Option<UnixMs> {
        if self.census.due.is_empty() {
            return None;
        }
        let due: Vec<_> = self
            .census
            .due
            .iter()
            .filter(|(_, at)| **at <= now)
            .map(|(key, _)| key.clone())
            .collect();
        for key in due {
            self.census.due.remove(&key);
            if let Some(at) = self.look_at_group(&key, now, out) {
                self.census.due.insert(key, at.max(now + 1));
            }
        }
        self.census.due.values().min().copied()
    }

    fn look_at_group(
        &mut self,
        key: &(Box<str>, PlaceOf),
        now: UnixMs,
        out: &mut Vec<Directive>,
    ) -> Option<UnixMs> {
        let is_gone = self.census.gone.contains(&key.0);
        if is_gone {
            let restored = self.census.restored.remove(key);
            let opened = self.census.groups.remove(key).and_then(|group| group.opened);
            if let Some(Opened { site, id: Some(incident) }) = opened.or(restored) {
                close(site, incident, "Its rule was taken away".to_owned(), out);
            }
            return None;
        }
        if let Some(opened) = self.census.restored.get(key).copied()
            && !self.census.groups.contains_key(key)
        {
            // Nobody showed it since our start: it is over, once everybody had time to say so.
            if now < self.grace_until {
                return Some(self.grace_until);
            }
            self.census.restored.remove(key);
            if let Some(incident) = opened.id {
                close(opened.site, incident, "It is not there any more".to_owned(), out);
            }
            return None;
        }
        let size = {
            let group = self.census.groups.get(key)?;
            (group.rule.percent > 0).then(|| self.size_of(&key.1))
        };
        let grace_until = self.grace_until;
        let group = self.census.groups.get_mut(key)?;
        let rule = Arc::clone(&group.rule);
        let found = group.weigh(now, size);
        let mut wake = None;
        match (found.enough, group.opened) {
            (true, None) if group.rests => {}
            (true, None) if now < grace_until => wake = Some(grace_until),
            (true, None) => {
                group.few_since = None;
                let (charger, site) = group.home;
                group.opened = Some(Opened { site, id: None });
                let of = size.unwrap_or_else(|| self.size_of(&key.1));
                let wide = wide_of(&rule, &key.1, (charger, site), &found, of);
                let order = Order::Open(Box::new(wide));
                out.push(Directive { to: Target::Site(site), order });
                // It may leave the window again.
                wake = found.changes_at;
            }
            (true, Some(_)) => {
                group.few_since = None;
                wake = found.changes_at;
            }
            (false, Some(Opened { site, id })) => {
                let since = *group.few_since.get_or_insert(now);
                let ends = (since + rule.keep_ms).max(grace_until);
                match id {
                    // The shard's answer wakes us.
                    None => wake = Some(now + 1_000),
                    Some(_) if ends > now => wake = Some(ends),
                    Some(incident) => {
                        group.opened = None;
                        group.few_since = None;
                        let lasted = duration_words(now.since_ms(found.began.min(since)));
                        close(site, incident, format!("Not there any more, after {lasted}"), out);
                    }
                }
            }
            (false, None) => {
                group.rests = false;
                let is_idle = group.members.is_empty() && group.times.is_empty();
                if is_idle && rule.count.is_none_or(|count| count.times_usual <= 0.0) {
                    self.census.groups.remove(key);
                }
            }
        }
        wake
    }

    /// How many chargers there are at a place.
    fn size_of(&self, place: &PlaceOf) -> usize {
        match place {
            PlaceOf::Site(site) => self.fleet.at_site(*site),
            PlaceOf::Cohort(cohort) => self.cohorts.size(cohort),
            PlaceOf::Fleet => self.fleet.len(),
        }
    }
}

/// What there is of a group now.
#[derive(Clone, Copy, Debug)]
struct Found {
    enough: bool,
    chargers: usize,
    times: usize,
    began: UnixMs,
    /// What is usual within the window, where that is known.
    usual: Option<f64>,
    /// When time alone changes it.
    changes_at: Option<UnixMs>,
}

impl Group {
    fn weigh(&mut self, now: UnixMs, size: Option<usize>) -> Found {
        self.usual.pass(now);
        let rule = Arc::clone(&self.rule);
        let percent_of = |chargers: usize| {
            size.is_none_or(|of| chargers * 100 >= of.max(1) * rule.percent as usize)
        };
        let many = |chargers: usize| chargers >= rule.at_least as usize && percent_of(chargers);
        let Some(count) = rule.count else {
            let chargers = self.members.len();
            let began = self.members.values().flat_map(BTreeMap::values).min().copied();
            return Found {
                enough: chargers > 0 && many(chargers),
                chargers,
                times: chargers,
                began: began.unwrap_or(now),
                usual: None,
                changes_at: None,
            };
        };
        while self.times.front().is_some_and(|(at, _)| now.since_ms(*at) > count.within_ms) {
            self.times.pop_front();
            // What made an incident is not usual.
            if self.opened.is_none() {
                self.usual.events += 1.0;
            }
        }
        let usual = self.usual.within(now, count.within_ms);
        let is_unusual = count.times_usual <= 0.0
            || usual.is_some_and(|usual| self.times.len() as f64 > usual * count.times_usual);
        let chargers: BTreeSet<ChargerKey> = self.times.iter().map(|(_, key)| *key).collect();
        let oldest = self.times.front().map(|(at, _)| *at);
        Found {
            enough: self.times.len() >= count.at_least as usize
                && is_unusual
                && many(chargers.len()),
            chargers: chargers.len(),
            times: self.times.len(),
            began: oldest.unwrap_or(now),
            usual,
            changes_at: oldest.map(|at| at + count.within_ms + 1),
        }
    }
}

fn close(
    site: SiteKey,
    incident: mendpoint_model::IncidentId,
    words: String,
    out: &mut Vec<Directive>,
) {
    let order = Order::Close { incident, words, outage: None };
    out.push(Directive { to: Target::Site(site), order });
}

/// The incident of a group.
fn wide_of(
    rule: &WideRule,
    place: &PlaceOf,
    (charger, site): (ChargerKey, SiteKey),
    found: &Found,
    of: usize,
) -> Wide {
    let within_ms = rule.count.map_or(0, |count| count.within_ms);
    let title = rule
        .headline
        .replace("{place}", &place.words())
        .replace("{chargers}", &found.chargers.to_string())
        .replace("{of}", &of.to_string())
        .replace("{for}", &duration_words(rule.for_ms))
        .replace("{count}", &found.times.to_string())
        .replace("{within}", &duration_words(within_ms));
    let chargers = if found.chargers == 1 { "charger" } else { "chargers" };
    let mut description = match rule.count {
        None => {
            format!("{} {} of {of} {chargers} show it.", rule.description, found.chargers)
        }
        Some(_) => format!(
            "{} Counted {} within {} at {} of {of} {chargers}.",
            rule.description,
            found.times,
            duration_words(within_ms),
            found.chargers
        ),
    };
    if let Some(usual) = found.usual {
        description = format!("{description} Usual here are {usual:.1} in that time.");
    }
    Wide {
        breadth: place.breadth(),
        rule: rule.id.clone(),
        version: rule.version,
        ask_after_ms: rule.escalate_after_ms,
        code: String::new(),
        charger,
        site,
        severity: rule.severity,
        title,
        description,
        began_at: found.began,
        outage: None,
        regression: None,
    }
}

/// The place that an incident of a rule is about, for what shards tell of it.
pub(crate) fn place_in(breadth: &Breadth, site: SiteKey) -> Option<PlaceOf> {
    match breadth {
        Breadth::Site => Some(PlaceOf::Site(site)),
        Breadth::Cohort(cohort) => Some(PlaceOf::Cohort(cohort.clone())),
        Breadth::Fleet => Some(PlaceOf::Fleet),
        Breadth::Charger | Breadth::Carrier(_) => None,
    }
}
