//! A replay held against what happened live.

use std::collections::{BTreeMap, BTreeSet};

use mendpoint_incidents::{Catalogue, duration_words};
use mendpoint_model::{ChargerKey, DAY_MS, HOUR_MS, MINUTE_MS, UnixMs};
use serde::{Deserialize, Serialize};

use crate::found::{Found, WouldBe};
use crate::replay::Run;

/// Two incidents are one when they were opened closer to each other than this: live, a message
/// waits some milliseconds for its turn.
const SAME_MS: i64 = 2_000;
/// The same for rules about budgets of uptime.
const SAME_BURN_MS: i64 = mendpoint_uptime::EVERY_MS + MINUTE_MS;
/// Further apart than this they are no longer the same trouble, unless their times overlap.
const NEAR_MS: i64 = 10 * MINUTE_MS;
/// And never when they are further apart than this.
const FAR_MS: i64 = DAY_MS;
/// A failed burst: so many failed charges within so long.
const BURST: usize = 3;
const BURST_MS: i64 = HOUR_MS;
/// A burst or a report that no alert preceded by so long was missed.
const ALERT_MS: i64 = DAY_MS;
/// How long a rule that has no time of its own must have fired for a true alarm.
const SHORT_MS: i64 = MINUTE_MS;
/// The most pairs that a report lists; more are counted.
const PAIRS_MAX: usize = 1_000;

/// A stretch of time: from its beginning to before its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Span {
    /// Its beginning.
    pub from: UnixMs,
    /// Its end.
    pub until: UnixMs,
}

impl Span {
    fn words(self) -> String {
        let hours = self.until.since_ms(self.from).max(0) / HOUR_MS;
        match hours {
            0 => duration_words(self.until.since_ms(self.from).max(0)),
            1 => "1 hour".to_owned(),
            2..=47 => format!("{hours} hours"),
            _ => format!("{} days", (hours + 12) / 24),
        }
    }
}

/// What is known besides the frames.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Notes {
    /// Reports of drivers: when, and of which charger.
    pub reports: Vec<(UnixMs, ChargerKey)>,
}

/// How a replayed incident stands to a live one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kinship {
    /// There was none like it live.
    New,
    /// Opened at the same time.
    Same,
    /// The replayed one is this much earlier, in milliseconds.
    Earlier(i64),
    /// The replayed one is this much later, in milliseconds.
    Later(i64),
    /// It was there live, and the replay has none like it.
    Gone,
}

/// A replayed incident and the live one it stands for; one of them may be missing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pair {
    /// How they stand to each other.
    pub kinship: Kinship,
    /// The replayed one.
    pub replayed: Option<Found>,
    /// The live one.
    pub live: Option<Found>,
}

impl Pair {
    /// The one of them that is there, the replayed one first.
    pub fn either(&self) -> Option<&Found> {
        self.replayed.as_ref().or(self.live.as_ref())
    }
}

/// What became of one rule.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RuleReport {
    /// Its id.
    pub rule: String,
    /// How often it would have fired.
    pub fired: u64,
    /// How often it fired live.
    pub fired_live: u64,
    /// What live had not.
    pub new: u64,
    /// What live had too, whenever.
    pub same: u64,
    /// Of those, earlier than live.
    pub earlier: u64,
    /// By how much, in the middle, milliseconds.
    pub earlier_by_ms: i64,
    /// Of those, later than live.
    pub later: u64,
    /// By how much, in the middle, milliseconds.
    pub later_by_ms: i64,
    /// What live had and the replay has not.
    pub gone: u64,
    /// Commands that it would have sent.
    pub actions: u64,
    /// How many of its incidents would have got a ticket.
    pub tickets: u64,
    /// How many got one live.
    #[serde(default)]
    pub tickets_live: u64,
    /// Alarms that went away within the rule's own time, with no failed charge, no report and
    /// nobody who did something.
    pub false_alarms: u64,
    /// The same of what happened live.
    pub false_alarms_live: u64,
    /// "would have fired 14 times in 30 days, 3 new, 11 same, 2 earlier by 41 min".
    pub sentence: String,
}

/// How right the alarms are, as far as a log can tell.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proxies {
    /// See [`RuleReport::false_alarms`].
    pub false_alarms: u64,
    /// The same of what happened live.
    pub false_alarms_live: u64,
    /// Bursts of failed charges and reports of drivers in the log.
    pub troubles: u64,
    /// Those that no alert preceded within 24 hours; of one rule alone, where only that was asked for
    /// ([`Report::only`]).
    pub missed: u64,
    /// Those that no live alert preceded.
    pub missed_live: u64,
    /// The first of the missed ones: when, and on which charger.
    pub missed_at: Vec<(UnixMs, ChargerKey)>,
}

/// A replay held against what happened live.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// The stretch of time that was looked at.
    pub span: Span,
    /// The rule that was asked for alone; all else is left out of the report then.
    #[serde(default)]
    pub only: Option<String>,
    /// Of everything together.
    pub sentence: String,
    /// Rule by rule, in the order of their ids; those that neither fired nor would have are left
    /// out.
    pub rules: Vec<RuleReport>,
    /// The incidents, in the order of their times; the first thousand.
    pub pairs: Vec<Pair>,
    /// How many pairs there were.
    pub pairs_counted: u64,
    /// What would have been sent; the first of it.
    pub actions: Vec<WouldBe>,
    /// How much would have been sent.
    pub actions_counted: u64,
    /// How right the alarms are.
    pub proxies: Proxies,
    /// Frames taken in.
    pub frames: u64,
    /// Frames of chargers that are not part of it.
    pub frames_left_out: u64,
    /// Frames that could not be read.
    pub frames_unreadable: u64,
}

impl Report {
    /// Holds a run against the incidents that rules opened live in the same time. `only` leaves all
    /// other rules out.
    pub fn new(
        run: Run,
        live: Vec<Found>,
        notes: &Notes,
        catalogue: &Catalogue,
        span: Span,
        only: Option<&str>,
    ) -> Self {
        let is_meant = |found: &Found| {
            only.is_none_or(|rule| rule == found.rule)
                && found.opened_at >= span.from
                && found.opened_at < span.until
        };
        let Run { mut incidents, mut actions, actions_counted, mut failed_charges, .. } = run;
        incidents.retain(is_meant);
        let live: Vec<Found> = live.into_iter().filter(is_meant).collect();
        failed_charges.sort_unstable();
        let bursts = bursts(&failed_charges);
        let troubles: BTreeSet<(UnixMs, ChargerKey)> = bursts
            .into_iter()
            .chain(notes.reports.iter().copied())
            .filter(|(at, _)| (span.from..span.until).contains(at))
            .collect();
        let judge = Judge { catalogue, failed: &failed_charges, reports: &notes.reports };
        let replayed_first = first_alerts(&incidents);
        let live_first = first_alerts(&live);
        let missed_at: Vec<_> =
            troubles.iter().filter(|trouble| !preceded(&replayed_first, **trouble)).collect();
        let missed_live =
            troubles.iter().filter(|trouble| !preceded(&live_first, **trouble)).count() as u64;
        let mut proxies = Proxies {
            troubles: troubles.len() as u64,
            missed: missed_at.len() as u64,
            missed_live,
            missed_at: missed_at.into_iter().take(100).copied().collect(),
            ..Proxies::default()
        };
        let of_incident: BTreeMap<_, &str> =
            incidents.iter().map(|found| (found.id, found.rule.as_str())).collect();
        let mut rules: BTreeMap<String, (RuleReport, Vec<i64>, Vec<i64>)> = BTreeMap::new();
        let mut counted = 0;
        for action in &actions {
            let rule = action.incident.and_then(|id| of_incident.get(&id));
            if let Some(rule) = rule {
                rules.entry((*rule).to_owned()).or_default().0.actions += 1;
                counted += 1;
            }
        }
        if only.is_some() {
            actions
                .retain(|action| action.incident.is_some_and(|id| of_incident.contains_key(&id)));
        }
        let actions_counted = if only.is_some() { counted } else { actions_counted };
        let mut pairs = pair_up(incidents, live, |rule| same_ms(catalogue, rule));
        for pair in &pairs {
            let Some(found) = pair.either() else { continue };
            let (report, earlier, later) = rules.entry(found.rule.clone()).or_default();
            if let Some(replayed) = &pair.replayed {
                report.fired += 1;
                report.tickets += u64::from(replayed.ticket);
                let had_person = pair.live.as_ref().is_some_and(|live| live.had_person);
                report.false_alarms += u64::from(judge.is_false(replayed, had_person));
            }
            if let Some(live) = &pair.live {
                report.fired_live += 1;
                report.tickets_live += u64::from(live.ticket);
                report.false_alarms_live += u64::from(judge.is_false(live, live.had_person));
            }
            match pair.kinship {
                Kinship::New => report.new += 1,
                Kinship::Gone => report.gone += 1,
                Kinship::Same => report.same += 1,
                Kinship::Earlier(ms) => {
                    report.same += 1;
                    earlier.push(ms);
                }
                Kinship::Later(ms) => {
                    report.same += 1;
                    later.push(ms);
                }
            }
        }
        let mut total = RuleReport::default();
        let (mut all_earlier, mut all_later) = (Vec::new(), Vec::new());
        let rules: Vec<RuleReport> = rules
            .into_iter()
            .map(|(rule, (mut report, earlier, later))| {
                report.rule = rule;
                total.fired += report.fired;
                total.new += report.new;
                total.same += report.same;
                total.gone += report.gone;
                proxies.false_alarms += report.false_alarms;
                proxies.false_alarms_live += report.false_alarms_live;
                all_earlier.extend_from_slice(&earlier);
                all_later.extend_from_slice(&later);
                report.tell(span, earlier, later);
                report
            })
            .collect();
        total.tell(span, all_earlier, all_later);
        let pairs_counted = pairs.len() as u64;
        pairs.truncate(PAIRS_MAX);
        Self {
            span,
            only: only.map(str::to_owned),
            sentence: total.sentence,
            rules,
            pairs,
            pairs_counted,
            actions,
            actions_counted,
            proxies,
            frames: run.frames,
            frames_left_out: run.frames_left_out,
            frames_unreadable: run.frames_unreadable,
        }
    }
}

impl Report {
    /// How many incidents would have got a ticket, and how many got one live.
    pub fn tickets(&self) -> (u64, u64) {
        let of = |count: fn(&RuleReport) -> u64| self.rules.iter().map(count).sum();
        (of(|rule| rule.tickets), of(|rule| rule.tickets_live))
    }
}

impl RuleReport {
    /// Counts what moved, and puts all of it into a sentence.
    fn tell(&mut self, span: Span, earlier: Vec<i64>, later: Vec<i64>) {
        self.earlier = earlier.len() as u64;
        self.later = later.len() as u64;
        self.earlier_by_ms = middle(earlier);
        self.later_by_ms = middle(later);
        let times =
            if self.fired == 1 { "once".to_owned() } else { format!("{} times", self.fired) };
        let mut sentence = format!(
            "would have fired {times} in {}, {} new, {} same",
            span.words(),
            self.new,
            self.same
        );
        for (count, by_ms, word) in
            [(self.earlier, self.earlier_by_ms, "earlier"), (self.later, self.later_by_ms, "later")]
        {
            if count > 0 {
                sentence.extend([
                    ", ",
                    &count.to_string(),
                    " ",
                    word,
                    " by ",
                    &duration_words(by_ms),
                ]);
            }
        }
        if self.gone > 0 {
            sentence.extend(["; ", &self.gone.to_string(), " of the live ones gone"]);
        }
        self.sentence = sentence;
    }
}

fn middle(mut values: Vec<i64>) -> i64 {
    values.sort_unstable();
    values.get(values.len() / 2).copied().unwrap_or_default()
}

/// So close to each other two incidents of a rule are one. Budgets of uptime are looked at every few
/// minutes, and nobody wrote down at which.
fn same_ms(catalogue: &Catalogue, rule: &str) -> i64 {
    let reads_burns = catalogue.rule(rule).is_some_and(|rule| rule.source.contains("uptime.burn_"));
    if reads_burns { SAME_BURN_MS } else { SAME_MS }
}

/// What the same trouble is known by.
fn subject(found: &Found) -> (&str, ChargerKey, u16, u16) {
    (&found.rule, found.charger, found.connector.evse, found.connector.connector)
}

/// Finds for every replayed incident the live one nearest to it.
fn pair_up(replayed: Vec<Found>, live: Vec<Found>, same_ms: impl Fn(&str) -> i64) -> Vec<Pair> {
    let mut candidates = Vec::new();
    let mut by_subject: BTreeMap<_, Vec<usize>> = BTreeMap::new();
    for (index, found) in live.iter().enumerate() {
        by_subject.entry(subject(found)).or_default().push(index);
    }
    for (index, found) in replayed.iter().enumerate() {
        for other in by_subject.get(&subject(found)).into_iter().flatten() {
            let apart_ms = live[*other].opened_at.since_ms(found.opened_at).abs();
            if apart_ms <= NEAR_MS || (apart_ms <= FAR_MS && overlap(found, &live[*other])) {
                candidates.push((apart_ms, index, *other));
            }
        }
    }
    // The nearest first; of two as near the earlier one.
    candidates.sort_unstable();
    let mut of_replayed = vec![None; replayed.len()];
    let mut of_live = vec![false; live.len()];
    for (_, index, other) in candidates {
        if of_replayed[index].is_none() && !of_live[other] {
            of_replayed[index] = Some(other);
            of_live[other] = true;
        }
    }
    let mut live: Vec<Option<Found>> = live.into_iter().map(Some).collect();
    let mut pairs = Vec::new();
    for (found, other) in replayed.into_iter().zip(of_replayed) {
        let other = other.and_then(|index| live[index].take());
        let kinship = match &other {
            None => Kinship::New,
            Some(other) => match other.opened_at.since_ms(found.opened_at) {
                ms if ms.abs() <= same_ms(&found.rule) => Kinship::Same,
                ms if ms > 0 => Kinship::Earlier(ms),
                ms => Kinship::Later(-ms),
            },
        };
        pairs.push(Pair { kinship, replayed: Some(found), live: other });
    }
    let gone = live.into_iter().flatten();
    pairs.extend(gone.map(|found| Pair {
        kinship: Kinship::Gone,
        replayed: None,
        live: Some(found),
    }));
    pairs.sort_by_key(|pair| pair.either().map(|found| (found.opened_at, found.charger, found.id)));
    pairs
}

fn overlap(one: &Found, other: &Found) -> bool {
    let end = |found: &Found| found.resolved_at.unwrap_or(UnixMs(i64::MAX));
    one.opened_at <= end(other) && other.opened_at <= end(one)
}

/// The last failed charge of every three within an hour on one charger; then it counts anew.
fn bursts(failed: &[(UnixMs, ChargerKey)]) -> Vec<(UnixMs, ChargerKey)> {
    let mut of_charger: BTreeMap<ChargerKey, Vec<UnixMs>> = BTreeMap::new();
    let mut found = Vec::new();
    for &(at, charger) in failed {
        let times = of_charger.entry(charger).or_default();
        times.push(at);
        times.retain(|time| at.since_ms(*time) <= BURST_MS);
        if times.len() >= BURST {
            found.push((at, charger));
            times.clear();
        }
    }
    found
}

/// When alerts were up, by charger.
fn first_alerts(incidents: &[Found]) -> BTreeMap<ChargerKey, Vec<(UnixMs, UnixMs)>> {
    let mut alerts: BTreeMap<ChargerKey, Vec<(UnixMs, UnixMs)>> = BTreeMap::new();
    for found in incidents {
        let end = found.resolved_at.unwrap_or(UnixMs(i64::MAX));
        alerts.entry(found.charger).or_default().push((found.opened_at, end));
    }
    alerts
}

/// Whether an alert of the charger was up at a time, or opened within 24 hours before it.
fn preceded(
    alerts: &BTreeMap<ChargerKey, Vec<(UnixMs, UnixMs)>>,
    (at, charger): (UnixMs, ChargerKey),
) -> bool {
    alerts.get(&charger).into_iter().flatten().any(|&(opened, end)| {
        opened <= at + SAME_MS && (end >= at || at.since_ms(opened) <= ALERT_MS)
    })
}

/// Tells false alarms from true ones, as far as a log can.
struct Judge<'a> {
    catalogue: &'a Catalogue,
    failed: &'a [(UnixMs, ChargerKey)],
    reports: &'a [(UnixMs, ChargerKey)],
}

impl Judge<'_> {
    fn is_false(&self, found: &Found, had_person: bool) -> bool {
        let Some(gone_at) = found.gone_at.or(found.resolved_at) else { return false };
        if had_person || found.actions > 0 {
            return false;
        }
        let rule = self.catalogue.rules().iter().find(|rule| rule.id == found.rule);
        let for_ms = rule.map_or(0, |rule| rule.for_ms(&found.code)).max(SHORT_MS);
        let clear_ms = rule.map_or(0, |rule| rule.clear_ms());
        if gone_at.since_ms(found.opened_at) - clear_ms >= for_ms {
            return false;
        }
        let times = found.began_at..=gone_at;
        let happened = |what: &[(UnixMs, ChargerKey)]| {
            what.iter().any(|(at, charger)| *charger == found.charger && times.contains(at))
        };
        !happened(self.failed) && !happened(self.reports)
    }
}

#[cfg(test)]
mod tests {
    use mendpoint_model::{ConnectorRef, IncidentId, SiteKey};

    use super::*;

    fn found(id: i64, charger: u32, opened_s: i64, over_s: Option<i64>) -> Found {
        let at = |seconds: i64| UnixMs(seconds * 1_000);
        Found {
            id: IncidentId(id),
            rule: "X".to_owned(),
            charger: ChargerKey(charger),
            site: SiteKey(1),
            connector: ConnectorRef::CHARGER,
            code: String::new(),
            title: String::new(),
            severity: 4,
            began_at: at(opened_s - 60),
            opened_at: at(opened_s),
            gone_at: over_s.map(at),
            resolved_at: over_s.map(at),
            escalated: false,
            ticket: false,
            had_person: false,
            actions: 0,
        }
    }

    fn report(replayed: Vec<Found>, live: Vec<Found>, notes: &Notes) -> Report {
        let catalogue = Catalogue::parse(&[], &[]).expect("an empty catalogue");
        let run = Run { incidents: replayed, ..Run::default() };
        let span = Span { from: UnixMs(0), until: UnixMs(30 * DAY_MS) };
        Report::new(run, live, notes, &catalogue, span, None)
    }

    #[test]
    fn the_sentence_counts_new_same_earlier_and_gone() {
        let live = vec![
            found(1, 1, 10_000, Some(20_000)),
            found(2, 2, 50_000, Some(60_000)),
            found(3, 3, 90_000, None),
        ];
        let replayed = vec![
            found(1, 1, 10_000, Some(20_000)),
            // Earlier by 41 minutes, and still up when the live one began.
            found(2, 2, 50_000 - 41 * 60, Some(60_000)),
            found(3, 4, 95_000, None),
        ];
        let report = report(replayed, live, &Notes::default());
        assert_eq!(
            report.sentence,
            "would have fired 3 times in 30 days, 1 new, 2 same, 1 earlier by 41 min; 1 of the live \
             ones gone"
        );
        assert_eq!(report.rules[0].earlier_by_ms, 41 * MINUTE_MS);
        let kinships: Vec<_> = report.pairs.iter().map(|pair| pair.kinship).collect();
        assert_eq!(
            kinships,
            [Kinship::Same, Kinship::Earlier(41 * MINUTE_MS), Kinship::Gone, Kinship::New]
        );
    }

    #[test]
    fn tickets_are_counted_beside_those_of_live() {
        let with_ticket = |id, charger| Found { ticket: true, ..found(id, charger, 10_000, None) };
        let live = vec![with_ticket(1, 1), with_ticket(2, 2), found(3, 3, 10_000, None)];
        let replayed = vec![with_ticket(1, 1), found(2, 2, 10_000, None), with_ticket(3, 4)];
        let report = report(replayed, live, &Notes::default());
        let rule = &report.rules[0];
        assert_eq!((rule.tickets, rule.tickets_live, report.tickets()), (2, 2, (2, 2)));
    }

    #[test]
    fn budgets_are_the_same_within_the_minutes_between_two_looks() {
        let file = |name: &str, text: &str| (name.to_owned(), text.to_owned());
        let now = include_str!("../../../config/rules/uptime_budget_now.toml");
        let offline = include_str!("../../../config/rules/cp_offline.toml");
        let rules = [file("uptime_budget_now.toml", now), file("cp_offline.toml", offline)];
        let catalogue = Catalogue::parse(&rules, &[]).expect("what is shipped is right");
        let at = |id, opened_s| Found {
            rule: "UPTIME_BUDGET_NOW".to_owned(),
            ..found(id, 1, opened_s, None)
        };
        for (apart_s, kinship) in [(360, Kinship::Same), (361, Kinship::Later(361_000))] {
            let run = Run { incidents: vec![at(1, 10_000 + apart_s)], ..Run::default() };
            let span = Span { from: UnixMs(0), until: UnixMs(DAY_MS) };
            let live = vec![at(1, 10_000)];
            let report = Report::new(run, live, &Notes::default(), &catalogue, span, None);
            assert_eq!(report.pairs[0].kinship, kinship);
        }
    }

    #[test]
    fn what_is_far_apart_is_not_the_same_trouble() {
        let live = vec![found(1, 1, 10_000, Some(10_400))];
        let replayed = vec![found(1, 1, 20_000, Some(20_400))];
        let report = report(replayed, live, &Notes::default());
        assert_eq!((report.rules[0].new, report.rules[0].gone), (1, 1));
    }

    #[test]
    fn the_nearest_one_is_taken_once() {
        let live = vec![found(1, 1, 1_000, Some(1_100)), found(2, 1, 1_300, Some(1_400))];
        let replayed = vec![found(1, 1, 1_290, Some(1_400))];
        let report = report(replayed, live, &Notes::default());
        assert_eq!(report.rules[0].earlier, 1);
        assert_eq!(report.rules[0].earlier_by_ms, 10_000);
        assert_eq!(report.rules[0].gone, 1);
    }

    #[test]
    fn a_short_alarm_that_nobody_felt_is_a_false_one() {
        let short = || vec![found(1, 1, 1_000, Some(1_030))];
        assert_eq!(report(short(), Vec::new(), &Notes::default()).proxies.false_alarms, 1);
        let felt = Notes { reports: vec![(UnixMs(1_010_000), ChargerKey(1))] };
        assert_eq!(report(short(), Vec::new(), &felt).proxies.false_alarms, 0);
        let long = vec![found(1, 1, 1_000, Some(1_090))];
        assert_eq!(report(long, Vec::new(), &Notes::default()).proxies.false_alarms, 0);
    }

    #[test]
    fn a_report_without_an_alert_before_it_was_missed() {
        let notes = Notes {
            reports: vec![(UnixMs(2_000_000), ChargerKey(1)), (UnixMs(2_000_000), ChargerKey(2))],
        };
        let report = report(vec![found(1, 1, 1_000, Some(1_500))], Vec::new(), &notes);
        assert_eq!((report.proxies.troubles, report.proxies.missed), (2, 1));
        assert_eq!(report.proxies.missed_live, 2);
        assert_eq!(report.proxies.missed_at, [(UnixMs(2_000_000), ChargerKey(2))]);
    }

    #[test]
    fn three_failed_charges_within_an_hour_are_a_burst() {
        let at = |minutes: i64| (UnixMs(minutes * MINUTE_MS), ChargerKey(1));
        assert_eq!(bursts(&[at(0), at(30), at(60)]), [at(60)]);
        assert!(bursts(&[at(0), at(30), at(61)]).is_empty());
        assert_eq!(bursts(&[at(0), at(1), at(2), at(3), at(4), at(5)]), [at(2), at(5)]);
    }
}
