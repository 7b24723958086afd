//! What rules remember of one charger beyond its state: what happened to it, how restless it is, and
//! when it is usually used.
//!
//! Only what some rule asks for is kept, and no more of it than the rules can ask: an event of a
//! kind that nobody counts costs nothing (behaviour 71).

use std::collections::VecDeque;

use mendpoint_model::{ChargerState, ConnectorRef, ConnectorStatus, Fact, UnixMs};
use smallvec::SmallVec;

use crate::flap::FlapClock;
use crate::power::{PowerLog, UptimeBurn};
use crate::predicate::{Holds, Predicate, connector_state};
use crate::rule::{Distinct, Occurrence, Scope};
use crate::usage::Usage;

/// The most that is kept of one kind, whatever a rule says.
const KEPT_MAX: usize = 1_024;
/// The most things of which a charger's restlessness is watched: links and connectors.
const CLOCKS_MAX: usize = 64;
/// The most connectors of which it is known when they are used.
const PLACES_MAX: usize = 64;

/// Something that happened.
#[derive(Clone, Copy, Debug)]
struct Happened {
    at: UnixMs,
    connector: ConnectorRef,
    /// What it is told apart by, as a number; 0 for nothing.
    mark: u32,
    kind: Occurrence,
}

/// What restlessness is measured of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Restless {
    Link,
    Status,
}

impl Restless {
    pub(crate) const NAMES: [(&'static str, Self); 2] =
        [("link", Self::Link), ("status", Self::Status)];
}

/// A clock of restlessness: of what, where, with looks of this length.
#[derive(Clone, Copy, Debug)]
struct Clock {
    of: Restless,
    at: ConnectorRef,
    look_ms: i64,
    ticks: FlapClock,
}

/// What is remembered of one charger.
#[derive(Clone, Debug, Default)]
pub(crate) struct Memory {
    happened: VecDeque<Happened>,
    clocks: SmallVec<[Clock; 0]>,
    /// How much power its sessions got.
    pub(crate) power: Option<Box<PowerLog>>,
    /// How fast it uses up its budget of uptime.
    pub(crate) burn: Option<Box<UptimeBurn>>,
    /// When its connectors are used; the charger as a whole where a rule asks for that.
    usage: Vec<(ConnectorRef, Usage)>,
}

/// What the rules of a program ask of memories.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Wants {
    /// How many of each kind.
    keep: Vec<(Occurrence, usize)>,
    /// Whose restlessness, in looks of which length.
    flaps: Vec<(Restless, i64)>,
    /// Whether any rule asks for the usual use of a connector.
    pub(crate) usage: bool,
    /// Whether any asks for that of a charger as a whole.
    pub(crate) usage_of_whole: bool,
    /// Whether any rule compares a charger with others of its kind.
    pub(crate) cohorts: bool,
    /// Whether any rule asks for the power of sessions.
    pub(crate) power: bool,
}

impl Wants {
    /// Adds what a condition asks for.
    pub(crate) fn add(&mut self, predicate: &Predicate, unit: Scope) {
        predicate.each(&mut |part| match part {
            Predicate::Happened { kind, at_least, distinct, .. } => {
                // Repetitions of one mark must not push the others out.
                let times = if distinct.is_some() { 8 } else { 1 };
                self.keep(*kind, at_least.saturating_mul(times) as usize);
            }
            Predicate::Ratio { good, bad, last, .. } => {
                self.keep(*good, *last);
                self.keep(*bad, *last);
            }
            Predicate::BelowCohort { good, bad, last } => {
                self.keep(*good, *last);
                self.keep(*bad, *last);
                self.cohorts = true;
            }
            Predicate::CohortExpects { .. } => self.cohorts = true,
            Predicate::PowerOfKind { .. } => (self.cohorts, self.power) = (true, true),
            Predicate::TimesCohort { kind, .. } => {
                self.keep(*kind, KEPT_MAX);
                self.cohorts = true;
            }
            Predicate::Flap { of, look_ms, .. } if !self.flaps.contains(&(*of, *look_ms)) => {
                self.flaps.push((*of, *look_ms));
            }
            Predicate::Silence { .. } => {
                self.usage = true;
                self.usage_of_whole |= unit == Scope::Charger;
            }
            _ => {}
        });
    }

    fn keep(&mut self, kind: Occurrence, most: usize) {
        let most = most.clamp(1, KEPT_MAX);
        match self.keep.iter_mut().find(|(of, _)| *of == kind) {
            Some((_, kept)) => *kept = (*kept).max(most),
            None => self.keep.push((kind, most)),
        }
    }

    /// How many of a kind are kept.
    pub(crate) fn kept(&self, kind: Occurrence) -> usize {
        self.keep.iter().find(|(of, _)| *of == kind).map_or(0, |(_, most)| *most)
    }

    /// Whether a fact makes something more restless.
    pub(crate) fn is_restless(&self, fact: &Fact) -> bool {
        !self.flaps.is_empty() && restless(fact).is_some()
    }
}

/// What a fact shows the restlessness of, and where.
fn restless(fact: &Fact) -> Option<(Restless, ConnectorRef)> {
    match fact {
        // We stopped: that is nothing of the charger's.
        Fact::LinkDown { reason } if mendpoint_model::is_our_stop(reason) => None,
        // The first connection of all changes nothing.
        Fact::LinkUp { away_ms: Some(_) } | Fact::LinkDown { .. } => {
            Some((Restless::Link, ConnectorRef::CHARGER))
        }
        Fact::StatusChanged { connector, from, to, historical: false, .. } if from != to => {
            Some((Restless::Status, *connector))
        }
        _ => None,
    }
}

impl Memory {
    /// Something happened that `most` of are kept.
    pub(crate) fn note(
        &mut self,
        at: UnixMs,
        kind: Occurrence,
        connector: ConnectorRef,
        mark: &str,
        most: usize,
    ) {
        let mut same = self.happened.iter().filter(|known| known.kind == kind);
        if same.clone().count() >= most
            && let Some(oldest) = same.next().map(|known| known.at)
            && let Some(index) =
                self.happened.iter().position(|known| known.kind == kind && known.at == oldest)
        {
            self.happened.remove(index);
        }
        self.happened.push_back(Happened { at, connector, mark: number_of(mark), kind });
    }

    /// A fact that may make something more restless.
    pub(crate) fn note_restless(&mut self, now: UnixMs, fact: &Fact, wants: &Wants) {
        let Some((of, at)) = restless(fact) else { return };
        for (_, look_ms) in wants.flaps.iter().filter(|(wanted, _)| *wanted == of) {
            let look_ms = *look_ms;
            let known = self
                .clocks
                .iter_mut()
                .find(|clock| clock.of == of && clock.at == at && clock.look_ms == look_ms);
            if let Some(known) = known {
                known.ticks.changed(now, look_ms);
            } else if self.clocks.len() < CLOCKS_MAX {
                let mut clock = FlapClock::new(now);
                clock.changed(now, look_ms);
                self.clocks.push(Clock { of, at, look_ms, ticks: clock });
            }
        }
    }

    /// Forgets what the rules no longer ask for.
    pub(crate) fn trim(&mut self, wants: &Wants) {
        self.happened.retain(|known| wants.kept(known.kind) > 0);
        self.clocks.retain(|clock| wants.flaps.contains(&(clock.of, clock.look_ms)));
        if !wants.usage {
            self.usage.clear();
        }
        if !wants.power {
            self.power = None;
        }
        if !wants.usage_of_whole {
            self.usage.retain(|(at, _)| !at.is_charger());
        }
    }

    /// When a connector is used, as far as it is known.
    pub(crate) fn usage(&self, at: ConnectorRef) -> Option<&Usage> {
        self.usage.iter().find(|(of, _)| *of == at).map(|(_, usage)| usage)
    }

    fn usage_mut(&mut self, at: ConnectorRef, since: UnixMs) -> Option<(&mut Usage, bool)> {
        let found = self.usage.iter().position(|(of, _)| *of == at);
        if found.is_none() {
            if self.usage.len() >= PLACES_MAX {
                return None;
            }
            self.usage.push((at, Usage::new(since)));
        }
        let index = found.unwrap_or(self.usage.len() - 1);
        Some((&mut self.usage[index].1, found.is_none()))
    }

    /// Somebody charged at a connector. The first time only begins the count: how long it took to
    /// come is not known.
    pub(crate) fn used(
        &mut self,
        now: UnixMs,
        at: ConnectorRef,
        wants: &Wants,
        charger: &ChargerState,
    ) {
        let whole = Some(ConnectorRef::CHARGER).filter(|_| wants.usage_of_whole);
        for place in Some(at).filter(|at| !at.is_charger()).into_iter().chain(whole) {
            if let Some((usage, is_new)) = self.usage_mut(place, now)
                && !is_new
            {
                usage.note(now);
            }
        }
        self.note_free(now, charger);
    }

    /// What was counted before our start.
    pub(crate) fn join_usage(
        &mut self,
        now: UnixMs,
        at: ConnectorRef,
        before: &Usage,
        charger: Option<&ChargerState>,
    ) {
        // A charger that is not connected again yet was as it said last until it was last heard.
        let free = charger.filter(|charger| is_in_use(charger, at)).and_then(|charger| {
            let since = connector_state(charger, at)?.since.unwrap_or(before.last);
            let from = if at.is_charger() { before.last } else { since };
            let link = &charger.link;
            let until = (!link.connected).then(|| link.last_seen_at.unwrap_or(from).max(from));
            Some((from, until))
        });
        if let Some((usage, _)) = self.usage_mut(at, now) {
            usage.join(before, free);
        }
    }

    /// Where somebody could begin a charge now, and where not.
    pub(crate) fn note_free(&mut self, now: UnixMs, charger: &ChargerState) {
        for (at, usage) in &mut self.usage {
            usage.set_free(now, is_free(charger, *at));
        }
    }

    /// What happened of a kind is explained and mended: it counts no more.
    pub(crate) fn forget(&mut self, kind: Occurrence) {
        self.happened.retain(|known| known.kind != kind);
    }

    /// A connector was repaired: its silence begins anew.
    pub(crate) fn begin_anew(&mut self, now: UnixMs, at: ConnectorRef) {
        let concerned = |of: ConnectorRef| at.is_charger() || of.is_charger() || of == at;
        self.usage
            .iter_mut()
            .filter(|(of, _)| concerned(*of))
            .for_each(|(_, usage)| usage.begin_anew(now));
    }

    /// What happened of a kind at a subject, newest first. What happens to the whole charger
    /// happens to its connectors.
    fn of(&self, kind: Occurrence, at: ConnectorRef) -> impl Iterator<Item = &Happened> + use<'_> {
        self.happened.iter().rev().filter(move |known| {
            known.kind == kind
                && (at.is_charger() || known.connector == at || known.connector.is_charger())
        })
    }

    /// When it holds that so many of a kind (so many different ones) happened within a time.
    pub(crate) fn often(
        &self,
        now: UnixMs,
        at: ConnectorRef,
        kind: Occurrence,
        within_ms: i64,
        (at_least, distinct): (u32, Option<Distinct>),
    ) -> Holds {
        let recent = self.of(kind, at).take_while(|known| now.since_ms(known.at) <= within_ms);
        let place = (at_least as usize).max(1) - 1;
        let oldest = match distinct {
            None => recent.map(|known| known.at).nth(place),
            Some(Distinct::Same) => {
                let mut marks: SmallVec<[(u32, u32); 16]> = SmallVec::new();
                let mut recent = recent;
                recent.find_map(|known| {
                    let index = marks.iter().position(|(mark, _)| *mark == known.mark);
                    let index = index.unwrap_or_else(|| {
                        marks.push((known.mark, 0));
                        marks.len() - 1
                    });
                    marks[index].1 += 1;
                    (marks[index].1 >= at_least).then_some(known.at)
                })
            }
            Some(by) => {
                let mut marks: SmallVec<[u64; 16]> = SmallVec::new();
                let mut newest = recent.filter(|known| {
                    let mark = match by {
                        Distinct::IdToken | Distinct::Same => u64::from(known.mark),
                        Distinct::Connector => {
                            u64::from(known.connector.evse) << 16
                                | u64::from(known.connector.connector)
                        }
                    };
                    // Without a mark it cannot be told apart from others.
                    let is_new = mark != 0 && !marks.contains(&mark);
                    if is_new {
                        marks.push(mark);
                    }
                    is_new
                });
                newest.nth(place).map(|known| known.at)
            }
        };
        oldest.map_or(Holds::NEVER, |oldest| Holds::before(oldest + within_ms + 1))
    }

    /// How many of a kind happened within a time, and when the oldest of them leaves it.
    pub(crate) fn count(
        &self,
        now: UnixMs,
        at: ConnectorRef,
        kind: Occurrence,
        within_ms: i64,
    ) -> (u32, Option<UnixMs>) {
        let recent = self.of(kind, at).take_while(|known| now.since_ms(known.at) <= within_ms);
        recent.fold((0, None), |(many, _), known| (many + 1, Some(known.at + within_ms + 1)))
    }

    /// Of the last so many of two kinds, how many were of the first; `None` while there are fewer.
    pub(crate) fn share(
        &self,
        at: ConnectorRef,
        good: Occurrence,
        bad: Occurrence,
        last: usize,
    ) -> Option<usize> {
        let both = self.happened.iter().rev().filter(|known| {
            (known.kind == good || known.kind == bad)
                && (at.is_charger() || known.connector == at || known.connector.is_charger())
        });
        let (mut all, mut well) = (0, 0);
        for known in both.take(last) {
            all += 1;
            well += usize::from(known.kind == good);
        }
        (all == last).then_some(well)
    }

    /// How restless something is; `None` for one that never changed.
    pub(crate) fn clock(&self, of: Restless, at: ConnectorRef, look_ms: i64) -> Option<&FlapClock> {
        // The link is the charger's, whatever the subject is.
        let at = if of == Restless::Link { ConnectorRef::CHARGER } else { at };
        self.clocks
            .iter()
            .find(|clock| clock.of == of && clock.at == at && clock.look_ms == look_ms)
            .map(|clock| &clock.ticks)
    }
}

/// Whether somebody could begin a charge at a connector, or anywhere at the charger.
fn is_free(charger: &ChargerState, at: ConnectorRef) -> bool {
    charger.link.connected && is_in_use(charger, at)
}

/// The same by what the charger said last, connected or not.
fn is_in_use(charger: &ChargerState, at: ConnectorRef) -> bool {
    let is_out = |status| matches!(status, ConnectorStatus::Faulted | ConnectorStatus::Unavailable);
    let mut places = charger.connectors.iter().filter(|state| at.is_charger() || state.at == at);
    !is_out(charger.whole.status) && places.any(|state| state.status == ConnectorStatus::Available)
}

/// A word as a number (FNV-1a), 0 for none: whether two marks differ is all that is asked.
pub(crate) fn number_of(mark: &str) -> u32 {
    if mark.is_empty() {
        return 0;
    }
    let hash = mark
        .bytes()
        .fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
    hash.max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: ConnectorRef = ConnectorRef { evse: 1, connector: 1 };
    const TWO: ConnectorRef = ConnectorRef { evse: 2, connector: 1 };
    const FAILED: Occurrence = Occurrence::AttemptFailed;
    const WELL: Occurrence = Occurrence::AttemptSucceeded;

    fn memory(items: &[(i64, Occurrence, ConnectorRef, &str)]) -> Memory {
        let mut memory = Memory::default();
        for (at, kind, connector, mark) in items {
            memory.note(UnixMs(*at), *kind, *connector, mark, 4);
        }
        memory
    }

    #[test]
    fn a_count_holds_until_the_nth_newest_leaves_the_window() {
        let memory =
            memory(&[(0, FAILED, ONE, "A"), (10, FAILED, ONE, "A"), (20, FAILED, TWO, "B")]);
        let often = |now, at, n| memory.often(UnixMs(now), at, FAILED, 100, (n, None));
        assert_eq!(often(20, ConnectorRef::CHARGER, 3), Holds::before(UnixMs(101)));
        assert_eq!(often(20, ConnectorRef::CHARGER, 2), Holds::before(UnixMs(111)));
        assert_eq!(often(101, ConnectorRef::CHARGER, 3), Holds::NEVER);
        assert_eq!(often(20, ONE, 3), Holds::NEVER);
        assert_eq!(often(20, ONE, 2), Holds::before(UnixMs(101)));
    }

    #[test]
    fn of_the_same_ones_the_most_frequent_counts() {
        let memory = memory(&[
            (0, FAILED, ONE, "A"),
            (10, FAILED, ONE, "B"),
            (20, FAILED, ONE, "A"),
            (30, FAILED, ONE, "C"),
        ]);
        let same = |n| memory.often(UnixMs(30), ONE, FAILED, 100, (n, Some(Distinct::Same)));
        assert_eq!(same(2), Holds::before(UnixMs(101)));
        assert_eq!(same(3), Holds::NEVER);
    }

    #[test]
    fn different_ones_are_counted_once() {
        let memory = memory(&[
            (0, FAILED, ONE, "A"),
            (10, FAILED, ONE, "B"),
            (20, FAILED, ONE, "A"),
            (30, FAILED, TWO, ""),
        ]);
        let cards = |n| {
            memory.often(
                UnixMs(30),
                ConnectorRef::CHARGER,
                FAILED,
                100,
                (n, Some(Distinct::IdToken)),
            )
        };
        assert_eq!(cards(2), Holds::before(UnixMs(111)));
        assert_eq!(cards(3), Holds::NEVER);
        let places = |n| {
            memory.often(
                UnixMs(30),
                ConnectorRef::CHARGER,
                FAILED,
                100,
                (n, Some(Distinct::Connector)),
            )
        };
        assert_eq!(places(2), Holds::before(UnixMs(121)));
    }

    #[test]
    fn no_more_is_kept_than_asked_for() {
        let mut memory = Memory::default();
        memory.note(UnixMs(0), WELL, ONE, "", 4);
        for at in 1..100 {
            memory.note(UnixMs(at), FAILED, ONE, "", 4);
        }
        assert_eq!(memory.happened.len(), 5);
        assert_eq!(memory.count(UnixMs(99), ONE, FAILED, 1_000).0, 4);
        assert_eq!(memory.count(UnixMs(99), ONE, WELL, 1_000).0, 1);
    }

    #[test]
    fn a_share_needs_all_of_its_samples() {
        let memory = memory(&[(0, WELL, ONE, ""), (1, FAILED, ONE, ""), (2, WELL, ONE, "")]);
        assert_eq!(memory.share(ONE, WELL, FAILED, 4), None);
        assert_eq!(memory.share(ONE, WELL, FAILED, 3), Some(2));
        assert_eq!(memory.share(ONE, WELL, FAILED, 2), Some(1));
        assert_eq!(memory.share(TWO, WELL, FAILED, 1), None);
    }
}
