//! Minutes counted, with exclusions and opening hours laid over the ledger.

use std::collections::BTreeMap;

use mendpoint_model::{MINUTE_MS, UnixMs};
use serde::Serialize;

use crate::exclusion::{Decision, Exclusion, Reason};
use crate::span::{Class, Span, minute_from};
use mendpoint_model::Hours;

/// The minutes of a connector, or of several added up. Every minute is in exactly one of them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Tally {
    /// Up.
    pub up: i64,
    /// Down: no connection.
    pub offline: i64,
    /// Down: broken.
    pub faulted: i64,
    /// Down: out of service.
    pub unavailable: i64,
    /// Down and excused, by reason and number of the exclusion.
    pub excluded: BTreeMap<(Reason, i64), i64>,
    /// Of the excused minutes, those without a connection; and those broken or out of service.
    pub excluded_offline: i64,
    /// Nobody knows: neither up nor down.
    pub blind: i64,
    /// Outside opening hours, whatever it was.
    pub closed: i64,
}

impl Tally {
    /// Minutes inside opening hours.
    pub fn open(&self) -> i64 {
        self.up + self.down() + self.excluded() + self.blind
    }

    /// Minutes inside opening hours of which anything is known.
    pub fn known(&self) -> i64 {
        self.open() - self.blind
    }

    /// Down and not excused.
    pub fn down(&self) -> i64 {
        self.offline + self.faulted + self.unavailable
    }

    /// Down and excused.
    pub fn excluded(&self) -> i64 {
        self.excluded.values().sum()
    }

    /// Adds another one.
    pub fn add(&mut self, other: &Self) {
        self.up += other.up;
        self.offline += other.offline;
        self.faulted += other.faulted;
        self.unavailable += other.unavailable;
        for (key, minutes) in &other.excluded {
            *self.excluded.entry(*key).or_default() += minutes;
        }
        self.excluded_offline += other.excluded_offline;
        self.blind += other.blind;
        self.closed += other.closed;
    }

    fn count(&mut self, class: Class, minutes: i64) {
        match class {
            Class::Up => self.up += minutes,
            Class::Offline => self.offline += minutes,
            Class::Faulted => self.faulted += minutes,
            Class::Unavailable => self.unavailable += minutes,
            Class::Blind => self.blind += minutes,
        }
    }
}

/// Counts the minutes of spans from `from` up to before `until`. Of the exclusions only those count
/// that a person approved; the caller gives those that concern the connector. Where two overlap, the
/// one with the smaller number excuses the minute.
pub fn tally(
    spans: &[Span],
    from: UnixMs,
    until: UnixMs,
    hours: &Hours,
    exclusions: &[Exclusion],
) -> Tally {
    let mut approved: Vec<&Exclusion> = exclusions
        .iter()
        .filter(|exclusion| exclusion.decision == Decision::Approved)
        .filter(|exclusion| !exclusion.evidence.trim().is_empty())
        .collect();
    approved.sort_by_key(|exclusion| exclusion.id);
    let mut tally = Tally::default();
    for span in spans {
        let (begin, end) = (span.from.max(from), span.until.min(until));
        if begin >= end {
            continue;
        }
        let mut open = 0;
        for (part_from, part_until) in hours.open_parts(begin, end) {
            open += part_until.since_ms(part_from) / MINUTE_MS;
            count_part(&mut tally, span.class, part_from, part_until, &approved);
        }
        tally.closed += end.since_ms(begin) / MINUTE_MS - open;
    }
    tally
}

fn count_part(
    tally: &mut Tally,
    class: Class,
    from: UnixMs,
    until: UnixMs,
    approved: &[&Exclusion],
) {
    if !class.is_down() {
        tally.count(class, until.since_ms(from) / MINUTE_MS);
        return;
    }
    // What is left to be excused, as pieces; each exclusion takes its part of them.
    let mut pieces = vec![(from, until)];
    for exclusion in approved {
        let (begin, end) = (minute_from(exclusion.from), minute_from(exclusion.until));
        let mut rest = Vec::new();
        for (piece_from, piece_until) in pieces {
            let (cut_from, cut_until) = (piece_from.max(begin), piece_until.min(end));
            if cut_from >= cut_until {
                rest.push((piece_from, piece_until));
                continue;
            }
            let minutes = cut_until.since_ms(cut_from) / MINUTE_MS;
            *tally.excluded.entry((exclusion.reason, exclusion.id)).or_default() += minutes;
            if class == Class::Offline {
                tally.excluded_offline += minutes;
            }
            if piece_from < cut_from {
                rest.push((piece_from, cut_from));
            }
            if cut_until < piece_until {
                rest.push((cut_until, piece_until));
            }
        }
        pieces = rest;
    }
    for (piece_from, piece_until) in pieces {
        tally.count(class, piece_until.since_ms(piece_from) / MINUTE_MS);
    }
}

#[cfg(test)]
mod tests {
    use mendpoint_model::{HOUR_MS, SiteKey};

    use super::*;

    const T: UnixMs = UnixMs(1_767_225_600_000);

    fn exclusion(id: i64, from: i64, until: i64, decision: Decision) -> Exclusion {
        Exclusion {
            id,
            site: SiteKey(1),
            charger: None,
            connector: None,
            from: T + from * MINUTE_MS,
            until: T + until * MINUTE_MS,
            reason: Reason::Utility,
            evidence: "four of four booted when it was back".to_owned(),
            decision,
        }
    }

    fn down() -> Vec<Span> {
        vec![
            Span { from: T, until: T + HOUR_MS, class: Class::Up },
            Span { from: T + HOUR_MS, until: T + 3 * HOUR_MS, class: Class::Offline },
        ]
    }

    #[test]
    fn only_what_a_person_approved_is_excused() {
        for (decision, excused) in
            [(Decision::Approved, 60), (Decision::Proposed, 0), (Decision::Refused, 0)]
        {
            let exclusions = [exclusion(1, 60, 120, decision)];
            let tally = tally(&down(), T, T + 3 * HOUR_MS, &Hours::default(), &exclusions);
            assert_eq!((tally.up, tally.excluded(), tally.down()), (60, excused, 120 - excused));
            assert_eq!(tally.open(), 180);
        }
    }

    #[test]
    fn no_minute_is_excused_twice_or_without_evidence() {
        let mut bare = exclusion(3, 60, 180, Decision::Approved);
        bare.evidence.clear();
        let exclusions = [
            exclusion(2, 90, 150, Decision::Approved),
            exclusion(1, 60, 120, Decision::Approved),
            bare,
        ];
        let tally = tally(&down(), T, T + 3 * HOUR_MS, &Hours::default(), &exclusions);
        let of = |id| tally.excluded.get(&(Reason::Utility, id)).copied();
        assert_eq!((of(1), of(2), of(3)), (Some(60), Some(30), None));
        assert_eq!(tally.down(), 30);
    }

    #[test]
    fn what_works_needs_no_excuse_and_closed_is_closed() {
        let hours = Hours::parse("mo-su 02:00-24:00").expect("reads");
        let exclusions = [exclusion(1, 0, 180, Decision::Approved)];
        let tally = tally(&down(), T, T + 3 * HOUR_MS, &hours, &exclusions);
        assert_eq!((tally.closed, tally.excluded(), tally.up), (120, 60, 0));
        assert_eq!(tally.open() + tally.closed, 180);
    }
}
