//! From what is known of a connector to its ledger.

use std::collections::BTreeSet;

use mendpoint_model::{ConnectorStatus, UnixMs};

use crate::span::{Class, Span, minute_from};

/// What is known of one connector, each list in the order of time. The first entry of each may lie
/// before the range: it says how the range begins.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Observed {
    /// The connection of its charger: opened (`true`) or ended.
    pub links: Vec<(UnixMs, bool)>,
    /// Its own statuses.
    pub statuses: Vec<(UnixMs, ConnectorStatus)>,
    /// Statuses of the charger as a whole (1.6 connector 0).
    pub whole: Vec<(UnixMs, ConnectorStatus)>,
    /// Sessions that delivered energy on it, by the charger's own time: also those that were told
    /// later, from its offline queue. Whoever charges is not offline.
    pub sessions: Vec<(UnixMs, UnixMs)>,
    /// When our own server was down.
    pub blind: Vec<(UnixMs, UnixMs)>,
}

impl Observed {
    fn at<T: Copy>(list: &[(UnixMs, T)], now: UnixMs) -> Option<T> {
        let after = list.partition_point(|(at, _)| *at <= now);
        Some(list.get(after.checked_sub(1)?)?.1)
    }

    fn inside(list: &[(UnixMs, UnixMs)], now: UnixMs) -> bool {
        list.iter().any(|(from, until)| *from <= now && now < *until)
    }

    /// What it is at a moment; `None` before anything was known.
    fn class_at(&self, now: UnixMs) -> Option<Class> {
        let first = self.links.first().map(|(at, _)| *at);
        let first = first.into_iter().chain(self.statuses.first().map(|(at, _)| *at)).min()?;
        if now < first {
            return None;
        }
        if Self::inside(&self.sessions, now) {
            return Some(Class::Up);
        }
        if Self::inside(&self.blind, now) {
            return Some(Class::Blind);
        }
        if Self::at(&self.links, now) == Some(false) {
            return Some(Class::Offline);
        }
        let worst = [Self::at(&self.whole, now), Self::at(&self.statuses, now)];
        let is = |status| worst.contains(&Some(status));
        Some(if is(ConnectorStatus::Faulted) {
            Class::Faulted
        } else if is(ConnectorStatus::Unavailable) {
            Class::Unavailable
        } else {
            Class::Up
        })
    }
}

/// Folds what is known into spans from `from` (a moment) up to before `until`. Neighbours differ;
/// before anything was known there is no span.
pub fn fold(observed: &Observed, from: UnixMs, until: UnixMs) -> Vec<Span> {
    let (begin, end) = (minute_from(from), minute_from(until));
    let mut cuts = BTreeSet::from([begin]);
    let mut cut = |at: UnixMs| {
        let minute = minute_from(at);
        if minute > begin && minute < end {
            cuts.insert(minute);
        }
    };
    observed.links.iter().for_each(|(at, _)| cut(*at));
    observed.statuses.iter().chain(&observed.whole).for_each(|(at, _)| cut(*at));
    for (from, until) in observed.sessions.iter().chain(&observed.blind) {
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
        let Some(class) = observed.class_at(from) else { continue };
        match spans.last_mut() {
            Some(last) if last.class == class && last.until == from => last.until = until,
            _ => spans.push(Span { from, until, class }),
        }
    }
    spans
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

#[cfg(test)]
mod tests {
    use mendpoint_model::{HOUR_MS, MINUTE_MS};
    use proptest::prelude::*;

    use super::*;

    const T: UnixMs = UnixMs(1_767_225_600_000);

    fn at(minutes: i64) -> UnixMs {
        T + minutes * MINUTE_MS
    }

    fn words(spans: &[Span]) -> Vec<(i64, i64, Class)> {
        let minute = |at: UnixMs| at.since_ms(T) / MINUTE_MS;
        spans.iter().map(|span| (minute(span.from), minute(span.until), span.class)).collect()
    }

    #[test]
    fn a_minute_is_what_holds_at_its_beginning() {
        let observed = Observed {
            links: vec![(T, true), (at(10) + 1, false), (at(12) + 59_000, true)],
            statuses: vec![
                (T, ConnectorStatus::Available),
                (at(20), ConnectorStatus::Faulted),
                (at(25), ConnectorStatus::Unavailable),
                (at(30), ConnectorStatus::Charging),
            ],
            ..Observed::default()
        };
        assert_eq!(
            words(&fold(&observed, T, at(60))),
            [
                (0, 11, Class::Up),
                (11, 13, Class::Offline),
                (13, 20, Class::Up),
                (20, 25, Class::Faulted),
                (25, 30, Class::Unavailable),
                (30, 60, Class::Up),
            ]
        );
    }

    #[test]
    fn before_anything_is_known_nothing_counts() {
        let observed = Observed { links: vec![(at(30), true)], ..Observed::default() };
        assert_eq!(words(&fold(&observed, T, at(60))), [(30, 60, Class::Up)]);
        assert!(fold(&Observed::default(), T, at(60)).is_empty());
    }

    #[test]
    fn a_session_told_late_shows_that_it_worked() {
        let mut observed = Observed {
            links: vec![(T, true), (at(10), false), (at(100), true)],
            ..Observed::default()
        };
        assert_eq!(fold(&observed, T, at(120))[1].minutes(), 90);
        observed.sessions.push((at(40), at(70)));
        assert_eq!(
            words(&fold(&observed, T, at(120)))[1..4],
            [(10, 40, Class::Offline), (40, 70, Class::Up), (70, 100, Class::Offline)]
        );
    }

    #[test]
    fn while_our_server_was_down_nobody_knows() {
        let observed = Observed {
            links: vec![(T, true), (at(20), false), (at(50), true)],
            blind: vec![(at(10), at(30))],
            ..Observed::default()
        };
        assert_eq!(
            words(&fold(&observed, T, at(60))),
            [
                (0, 10, Class::Up),
                (10, 30, Class::Blind),
                (30, 50, Class::Offline),
                (50, 60, Class::Up)
            ]
        );
    }

    #[test]
    fn the_whole_charger_takes_its_connectors_along() {
        let observed = Observed {
            links: vec![(T, true)],
            statuses: vec![(T, ConnectorStatus::Available)],
            whole: vec![(at(5), ConnectorStatus::Faulted), (at(9), ConnectorStatus::Available)],
            ..Observed::default()
        };
        assert_eq!(fold(&observed, T, at(10))[1].class, Class::Faulted);
    }

    proptest! {
        #[test]
        fn laying_a_late_session_over_is_folding_with_it(
            links in proptest::collection::vec((0_i64..7_200_000, any::<bool>()), 0..12),
            sessions in proptest::collection::vec((0_i64..7_200_000, 0_i64..3_600_000), 0..4),
        ) {
            let mut links: Vec<_> = links.into_iter().map(|(ms, on)| (T + ms, on)).collect();
            links.sort();
            let sessions: Vec<_> =
                sessions.into_iter().map(|(ms, long)| (T + ms, T + ms + long)).collect();
            let until = T + 3 * HOUR_MS;
            let blind = vec![(at(30), at(50))];
            let before = Observed { links, blind, ..Observed::default() };
            let with = Observed { sessions: sessions.clone(), ..before.clone() };
            prop_assert_eq!(overlay(&fold(&before, T, until), &sessions), fold(&with, T, until));
        }

        #[test]
        fn folding_in_pieces_gives_the_same_minutes(
            links in proptest::collection::vec((0_i64..7_200_000, any::<bool>()), 0..12),
            cut in 0_i64..120,
        ) {
            let mut links: Vec<_> = links.into_iter().map(|(ms, on)| (T + ms, on)).collect();
            links.sort();
            let observed = Observed { links, ..Observed::default() };
            let minutes = |spans: &[Span]| {
                Class::EVERY.map(|class| {
                    spans.iter().filter(|s| s.class == class).map(Span::minutes).sum::<i64>()
                })
            };
            let whole = minutes(&fold(&observed, T, T + 2 * HOUR_MS));
            let first = minutes(&fold(&observed, T, at(cut)));
            let second = minutes(&fold(&observed, at(cut), T + 2 * HOUR_MS));
            for index in 0..whole.len() {
                prop_assert_eq!(whole[index], first[index] + second[index]);
            }
        }
    }
}
