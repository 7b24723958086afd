//! From what is known of a connector to its ledger.

use std::collections::BTreeSet;

use mendpoint_model::{ConnectorStatus, MINUTE_MS, UnixMs};

use crate::link::{Connection, Link, Stop, Stretch, stretches};
use crate::span::{Class, Span, minute_from};

/// What a charger says when it is back belongs to its return for so long.
const RETURN_MS: i64 = 2 * MINUTE_MS;
/// A status that was told later than this came from the charger's queue (1.2).
const LATE_MS: i64 = 5 * MINUTE_MS;

/// A status as it was told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Said {
    /// Since when it held: our time for what was told at once, the charger's own for what was told
    /// later.
    pub at: UnixMs,
    /// When it was told.
    pub told_at: UnixMs,
    /// The status.
    pub status: ConnectorStatus,
}

impl Said {
    /// A status that was told as it came.
    pub fn live(at: UnixMs, status: ConnectorStatus) -> Self {
        Self { at, told_at: at, status }
    }
}

/// What is known of one connector, each list in the order of time. The first entry of each may lie
/// before the range: it says how the range begins.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Observed {
    /// The connection of its charger.
    pub links: Vec<(UnixMs, Link)>,
    /// Its own statuses.
    pub statuses: Vec<Said>,
    /// Statuses of the charger as a whole (1.6 connector 0).
    pub whole: Vec<Said>,
    /// Sessions that delivered energy on it, by the charger's own time: also those that were told
    /// later, from its offline queue. Whoever charges is not offline.
    pub sessions: Vec<(UnixMs, UnixMs)>,
    /// When we did not run. All of them since the first entry of `links`.
    pub stops: Vec<Stop>,
    /// When so much of the fleet vanished at once that the fault is taken to be ours (1.7).
    pub blind: Vec<(UnixMs, UnixMs)>,
    /// Boots that the charger itself put down to power that was back (2.x `PowerUp`).
    pub power_ups: Vec<UnixMs>,
}

/// The same with its connection worked out, and what of its words can be believed.
struct View<'a> {
    observed: &'a Observed,
    stretches: Vec<Stretch>,
    statuses: Vec<Said>,
    whole: Vec<Said>,
}

impl Said {
    fn is_late(&self) -> bool {
        self.told_at.since_ms(self.at) > LATE_MS
    }
}

/// Who was connected all along would have told at once: then its clock is wrong, and not its message
/// late. What is the present is said again as such a minute later.
fn believed(list: &[Said], stretches: &[Stretch]) -> Vec<Said> {
    let is_wrong_clock = |said: &Said| {
        said.is_late()
            && stretch_at(stretches, said.at).is_some_and(|stretch| {
                stretch.what == Connection::Open
                    && stretch.until.is_none_or(|until| said.told_at < until)
            })
    };
    list.iter().filter(|said| !is_wrong_clock(said)).copied().collect()
}

fn stretch_at(stretches: &[Stretch], now: UnixMs) -> Option<&Stretch> {
    let after = stretches.partition_point(|stretch| stretch.from <= now);
    stretches.get(after.checked_sub(1)?)
}

fn last_at(list: &[Said], now: UnixMs) -> Option<ConnectorStatus> {
    let after = list.partition_point(|said| said.at <= now);
    Some(list.get(after.checked_sub(1)?)?.status)
}

/// The last that was said of a time without a connection once that was over.
fn told_of(list: &[Said], stretch: &Stretch, now: UnixMs) -> Option<ConnectorStatus> {
    let back = stretch.until?;
    let until = list.partition_point(|said| said.at <= now);
    let mut said = list[..until].iter().rev().take_while(|said| said.at >= stretch.from);
    said.find(|said| said.told_at >= back).map(|said| said.status)
}

/// The class of what a connector and its charger say; `None` for one that works.
fn down(said: [Option<ConnectorStatus>; 2]) -> Option<Class> {
    if said.contains(&Some(ConnectorStatus::Faulted)) {
        Some(Class::Faulted)
    } else if said.contains(&Some(ConnectorStatus::Unavailable)) {
        Some(Class::Unavailable)
    } else {
        None
    }
}

impl<'a> View<'a> {
    fn new(observed: &'a Observed) -> Self {
        let Observed { links, stops, blind, power_ups, .. } = observed;
        let stretches = stretches(links, stops, blind, power_ups);
        let statuses = believed(&observed.statuses, &stretches);
        let whole = believed(&observed.whole, &stretches);
        Self { observed, stretches, statuses, whole }
    }

    fn said(&self, now: UnixMs) -> Option<Class> {
        down([last_at(&self.whole, now), last_at(&self.statuses, now)])
    }

    /// When the first was known of it. What it told later of the time before is none of it.
    fn first(&self) -> Option<UnixMs> {
        let said = self.statuses.iter().find(|said| !said.is_late()).map(|said| said.at);
        let link = self.observed.links.first().map(|(at, _)| *at);
        link.into_iter().chain(said).min()
    }

    /// What it is at a moment; `None` before anything was known.
    fn class_at(&self, now: UnixMs) -> Option<Class> {
        if now < self.first()? {
            return None;
        }
        let charging = |(from, until): &(UnixMs, UnixMs)| *from <= now && now < *until;
        if self.observed.sessions.iter().any(charging) {
            return Some(Class::Up);
        }
        let Some(stretch) = stretch_at(&self.stretches, now) else {
            return Some(self.said(now).unwrap_or(Class::Up));
        };
        let told = [&self.whole, &self.statuses].map(|list| told_of(list, stretch, now));
        Some(match stretch.what {
            Connection::Open => self.said(now).unwrap_or(Class::Up),
            // Without a connection it is not up, whatever it says later; but it may have been worse.
            Connection::Lost | Connection::Missing => down(told).unwrap_or(Class::Offline),
            Connection::Unknown if told != [None, None] => down(told).unwrap_or(Class::Up),
            Connection::Unknown => self.goes_on(stretch).unwrap_or(Class::Blind),
        })
    }

    /// An outage that began before we looked away and was still there when we looked again.
    fn goes_on(&self, stretch: &Stretch) -> Option<Class> {
        let back = stretch.until.filter(|_| stretch.returned)?;
        let before = self.said(stretch.from)?;
        (self.said(back + RETURN_MS) == Some(before)).then_some(before)
    }
}

/// Folds what is known into spans from `from` (a moment) up to before `until`. Neighbours differ;
/// before anything was known there is no span.
pub fn fold(observed: &Observed, from: UnixMs, until: UnixMs) -> Vec<Span> {
    let view = View::new(observed);
    let (begin, end) = (minute_from(from), minute_from(until));
    let mut cuts = BTreeSet::from([begin]);
    let mut cut = |at: UnixMs| {
        let minute = minute_from(at);
        if minute > begin && minute < end {
            cuts.insert(minute);
        }
    };
    observed.links.iter().for_each(|(at, _)| cut(*at));
    view.stretches.iter().for_each(|stretch| cut(stretch.from));
    observed.statuses.iter().chain(&observed.whole).for_each(|said| cut(said.at));
    for (from, until) in &observed.sessions {
        cut(*from);
        cut(*until);
    }
    let mut spans: Vec<Span> = Vec::new();
    let cuts: Vec<UnixMs> = cuts.into_iter().chain([end]).collect();
    for pair in cuts.windows(2) {
        let (from, until) = (pair[0], pair[1]);
        if from >= until {
            continue;
        }
        let Some(class) = view.class_at(from) else { continue };
        match spans.last_mut() {
            Some(last) if last.class == class && last.until == from => last.until = until,
            _ => spans.push(Span { from, until, class }),
        }
    }
    spans
}

/// When a charger lost its connection, and when it was back: what tells of its power. Neither a stop of
/// ours nor a time in which we saw nothing is among them.
pub fn losses(observed: &Observed) -> Vec<(UnixMs, Option<UnixMs>)> {
    let view = View::new(observed);
    let lost = view.stretches.iter().filter(|stretch| stretch.what == Connection::Lost);
    lost.map(|stretch| (stretch.from, stretch.until.filter(|_| stretch.returned))).collect()
}

/// Lays sessions that delivered energy over spans that are folded already: the ledger is then what it
/// would have been, had they been known. A session before anything was known adds nothing.
pub fn overlay(spans: &[Span], sessions: &[(UnixMs, UnixMs)]) -> Vec<Span> {
    let mut out: Vec<Span> = Vec::with_capacity(spans.len());
    let mut add = |span: Span| match out.last_mut() {
        _ if span.from >= span.until => {}
        Some(last) if last.class == span.class && last.until == span.from => {
            last.until = span.until;
        }
        _ => out.push(span),
    };
    let mut worked: Vec<(UnixMs, UnixMs)> =
        sessions.iter().map(|(from, until)| (minute_from(*from), minute_from(*until))).collect();
    worked.sort_unstable();
    for span in spans {
        let mut at = span.from;
        for (from, until) in &worked {
            let (begin, end) = ((*from).max(at), (*until).min(span.until));
            if begin < end {
                add(Span { until: begin, from: at, ..*span });
                add(Span { from: begin, until: end, class: Class::Up });
                at = end;
            }
        }
        add(Span { from: at, ..*span });
    }
    out
}

/// A day that is folded anew takes the place of the old one from its own beginning on: what is known of
/// the time before may have been deleted since, and the ledger is kept for good.
pub fn mend(old: &[Span], new: &[Span]) -> Vec<Span> {
    let Some(begin) = new.first().map(|span| span.from) else { return old.to_vec() };
    let before = old.iter().filter(|span| span.from < begin);
    let before = before.map(|span| Span { until: span.until.min(begin), ..*span });
    let mut out: Vec<Span> = Vec::with_capacity(new.len() + 1);
    for span in before.chain(new.iter().copied()) {
        match out.last_mut() {
            Some(last) if last.class == span.class && last.until == span.from => {
                last.until = span.until;
            }
            _ => out.push(span),
        }
    }
    out
}

#[cfg(test)]
mod tests;
