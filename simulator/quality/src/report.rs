//! What came of it, and how it stands to what is wanted.

use std::collections::BTreeMap;
use std::fmt;

use mendpoint_model::{SECOND_MS, UnixMs};
use mendpoint_simulator::Shows;
use serde::Serialize;

use crate::book::{Book, Entry};
use crate::pages::{PageReport, pages};
use crate::truth::{Failure, Truth};
use crate::world::QualitySettings;

/// One thing that is wanted, and what was reached.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Gate {
    /// What is measured.
    pub name: &'static str,
    /// What was reached; `None` when nothing of the kind happened.
    pub reached: Option<f64>,
    /// In what.
    pub unit: &'static str,
    /// What is wanted.
    pub wanted: &'static str,
    /// Whether it holds; `None` when nothing of the kind happened, so that nothing was measured.
    pub holds: Option<bool>,
    /// Out of how many.
    pub of: u64,
}

impl Gate {
    /// One that is measured against its limit where there was anything to measure.
    pub(crate) fn new(
        (name, wanted, unit): (&'static str, &'static str, &'static str),
        (reached, of): (Option<f64>, u64),
        is_good: impl Fn(f64) -> bool,
    ) -> Self {
        let reached = reached.filter(|_| of > 0);
        Self { name, reached, unit, wanted, holds: reached.map(is_good), of }
    }

    /// Whether it was measured and does not hold.
    pub fn is_missed(&self) -> bool {
        self.holds == Some(false)
    }

    /// What is said of it before its name.
    pub(crate) fn word(&self) -> &'static str {
        match self.holds {
            Some(true) => "holds",
            Some(false) => "MISSED",
            None => "-",
        }
    }
}

/// What became of the failures of one cause.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct CauseReport {
    /// The cause.
    pub cause: String,
    /// How often it happened.
    pub failures: u64,
    /// How many an incident was opened for.
    pub seen: u64,
    /// How many a command of ours ended.
    pub healed: u64,
    /// How many of those a charge that worked has proven since. The charge may be still to come when
    /// the run ends.
    pub proven: u64,
    /// How many a person ended.
    pub by_person: u64,
    /// How many ended by themselves.
    pub by_itself: u64,
    /// How many last at the end.
    pub left: u64,
    /// Hours that they lasted, in the middle.
    pub hours: f64,
}

/// What came of a run.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Report {
    /// How many chargers.
    pub chargers: usize,
    /// How many virtual days.
    pub days: u32,
    /// The seed.
    pub seed: u64,
    /// Messages of chargers.
    pub messages: u64,
    /// Sessions, and those with less than 100 Wh.
    pub sessions: u64,
    /// See `sessions`.
    pub sessions_failed: u64,
    /// Failures that began.
    pub failures: u64,
    /// Incidents that were opened.
    pub incidents: u64,
    /// Tickets.
    pub pages: u64,
    /// Commands that the engine sent.
    pub commands: u64,
    /// Resets by command that chargers carried out.
    pub resets: u64,
    /// Resets that left the charger worse than before, until a person came.
    pub harmed: u64,
    /// The same of 1,000 failures.
    pub harmed_per_1000_failures: f64,
    /// What is wanted, and what was reached.
    pub gates: Vec<Gate>,
    /// Cause by cause.
    pub causes: Vec<CauseReport>,
    /// Incidents by rule.
    pub rules: BTreeMap<String, u64>,
    /// Pages by rule and cause.
    pub page_kinds: Vec<PageReport>,
    /// Hours that chargers were broken, all together.
    pub broken_hours: f64,
    /// Hours that chargers were broken by what a command can mend.
    pub eligible_hours: f64,
}

impl Report {
    pub(crate) fn new(
        settings: &QualitySettings,
        truth: &Truth,
        book: &Book,
        messages: u64,
        now: UnixMs,
    ) -> Self {
        let mut rules = BTreeMap::new();
        for entry in book.entries.values() {
            *rules.entry(entry.rule.clone()).or_default() += 1;
        }
        let lasted_ms =
            |failure: &Failure| failure.ended_at.unwrap_or(now).since_ms(failure.began_at);
        let broken_ms: i64 = truth.failures.iter().map(lasted_ms).sum();
        let eligible = truth.failures.iter().filter(|failure| failure.heal_eligible);
        let eligible_ms: i64 = eligible.map(lasted_ms).sum();
        Self {
            chargers: settings.chargers,
            days: settings.days,
            seed: settings.seed,
            messages,
            sessions: truth.sessions,
            sessions_failed: truth.sessions_failed,
            failures: truth.failures.len() as u64 - truth.harmed,
            incidents: book.entries.len() as u64,
            pages: book.entries.values().filter(|entry| entry.paged_at.is_some()).count() as u64,
            commands: book.commands,
            resets: truth.resets,
            harmed: truth.harmed,
            harmed_per_1000_failures: per_1000(
                truth.harmed,
                truth.failures.len() as u64 - truth.harmed,
            ),
            gates: gates(truth, book, now),
            causes: causes(settings, truth, book, lasted_ms),
            rules,
            page_kinds: pages(&settings.mix, truth, book),
            broken_hours: broken_ms as f64 / 3_600_000.0,
            eligible_hours: eligible_ms as f64 / 3_600_000.0,
        }
    }

    /// The gate of a name.
    pub fn gate(&self, name: &str) -> Option<&Gate> {
        self.gates.iter().find(|gate| gate.name == name)
    }

    /// Whether anything that was measured does not hold.
    pub fn is_missed(&self) -> bool {
        self.gates.iter().any(Gate::is_missed)
    }
}

/// Whether a command of ours ended it, and a charge that worked has proven that.
fn is_proven(failure: &Failure, book: &Book) -> bool {
    failure.is_healed() && failure.incidents.iter().any(|id| book.entries[id].proven)
}

fn causes(
    settings: &QualitySettings,
    truth: &Truth,
    book: &Book,
    lasted_ms: impl Fn(&Failure) -> i64,
) -> Vec<CauseReport> {
    let mut reports: Vec<CauseReport> = settings
        .mix
        .causes
        .iter()
        .map(|cause| CauseReport { cause: cause.name.clone(), ..CauseReport::default() })
        .collect();
    let mut lengths: Vec<Vec<i64>> = vec![Vec::new(); reports.len()];
    for failure in &truth.failures {
        let report = &mut reports[failure.cause];
        report.failures += 1;
        report.seen += u64::from(!failure.incidents.is_empty());
        match failure.how {
            "" => report.left += 1,
            "by itself" => report.by_itself += 1,
            "repaired" => report.by_person += 1,
            _ => report.healed += 1,
        }
        report.proven += u64::from(is_proven(failure, book));
        lengths[failure.cause].push(lasted_ms(failure));
    }
    for (report, mut lengths) in reports.iter_mut().zip(lengths) {
        lengths.sort_unstable();
        let middle = lengths.get(lengths.len() / 2).copied().unwrap_or_default();
        report.hours = (middle as f64 / 36_000.0).round() / 100.0;
    }
    reports
}

fn per_1000(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 * 1_000.0 / whole as f64 }
}

/// A share in percent, of how many.
fn percent(part: usize, whole: usize) -> (Option<f64>, u64) {
    let share = (whole > 0).then(|| part as f64 * 100.0 / whole as f64);
    (share, whole as u64)
}

fn at_least(
    name: &'static str,
    wanted: &'static str,
    (reached, of): (Option<f64>, u64),
    least: f64,
) -> Gate {
    Gate::new((name, wanted, "%"), (reached, of), |reached| reached >= least)
}

fn at_most(
    name: &'static str,
    wanted: &'static str,
    unit: &'static str,
    (reached, of): (Option<f64>, u64),
    most: f64,
) -> Gate {
    Gate::new((name, wanted, unit), (reached, of), |reached| reached <= most)
}

/// Rules that look for charges that fail.
const FAILED: [&str; 2] = ["FAILED_BURST", "START_SUCCESS_DROP"];
/// A hidden fault that failed so many charges can be seen.
const FAILED_MIN: u32 = 3;
/// A silent charger can be told from one that nobody visits after so long.
const SILENT_MIN_MS: i64 = 48 * 3_600_000;

fn gates(truth: &Truth, book: &Book, now: UnixMs) -> Vec<Gate> {
    let lasted = |failure: &Failure| failure.ended_at.unwrap_or(now).since_ms(failure.began_at);
    let failures = &truth.failures;
    let entries: Vec<&Entry> = book.entries.values().collect();

    // Eligible for healing: a command mends it, and it was there long enough to be seen.
    let eligible: Vec<&Failure> = failures
        .iter()
        .filter(|failure| failure.heal_eligible && !failure.incidents.is_empty())
        .collect();
    let fixed = eligible.iter().filter(|failure| is_proven(failure, book)).count();

    let pages: Vec<&&Entry> = entries.iter().filter(|entry| entry.paged_at.is_some()).collect();
    let by_themselves =
        pages.iter().filter(|entry| truth.cleared_by_itself(&entry.failures)).count();

    let hidden = |shows: Shows| failures.iter().filter(move |failure| failure.shows == Some(shows));
    let failing: Vec<&Failure> = hidden(Shows::FailsSessions)
        .filter(|failure| failure.failed_sessions >= FAILED_MIN)
        .collect();
    let failing_seen = failing
        .iter()
        .filter(|failure| {
            failure.incidents.iter().any(|id| FAILED.contains(&book.entries[id].rule.as_str()))
        })
        .count();
    let failed_alerts: Vec<&&Entry> =
        entries.iter().filter(|entry| FAILED.contains(&entry.rule.as_str())).collect();
    let failed_true = failed_alerts.iter().filter(|entry| !entry.failures.is_empty()).count();

    let silent: Vec<&Failure> =
        hidden(Shows::Silent).filter(|failure| lasted(failure) >= SILENT_MIN_MS).collect();
    let silent_seen = silent
        .iter()
        .filter(|failure| {
            failure.incidents.iter().any(|id| book.entries[id].rule == "SILENT_CHARGER")
        })
        .count();
    let silent_alerts: Vec<&&Entry> =
        entries.iter().filter(|entry| entry.rule == "SILENT_CHARGER").collect();
    let silent_true = silent_alerts
        .iter()
        .filter(|entry| {
            entry.failures.iter().any(|failure| failures[*failure].shows == Some(Shows::Silent))
        })
        .count();

    let mut starts: Vec<i64> = entries
        .iter()
        .filter(|entry| entry.has_playbook)
        .filter_map(|entry| Some(entry.first_step_at?.since_ms(entry.opened_at)))
        .collect();
    starts.sort_unstable();
    let slowest = starts.get(starts.len() * 99 / 100).or(starts.last());

    let offline: Vec<&&Entry> = entries.iter().filter(|entry| entry.rule == "CP_OFFLINE").collect();
    let ten_minutes = 600 * SECOND_MS;
    // Whose loss an outage told of already is told anew only when that is over.
    let off_by = |entry: &Entry| {
        entry.away_ms.filter(|_| entry.told_by.is_none()).map(|away| (away - ten_minutes).abs())
    };
    let mut off: Vec<i64> = offline.iter().filter_map(|entry| off_by(entry)).collect();
    off.sort_unstable();
    let false_offline = offline
        .iter()
        .filter(|entry| {
            entry.was_online || entry.away_ms.is_some_and(|away| away < ten_minutes - SECOND_MS)
        })
        .count();

    vec![
        at_least(
            "healed with proof",
            ">= 80 % of what a command can mend",
            percent(fixed, eligible.len()),
            80.0,
        ),
        at_most(
            "pages that clear by themselves",
            "<= 5 %",
            "%",
            percent(by_themselves, pages.len()),
            5.0,
        ),
        at_most(
            "actions that make it worse",
            "<= 0.1 %",
            "%",
            percent(truth.harmed as usize, book.commands as usize),
            0.1,
        ),
        at_most(
            "resets in a transaction",
            "0",
            "",
            (Some(book.resets_in_transaction as f64), book.disruptive),
            0.0,
        ),
        at_least(
            "failing charges found (recall)",
            ">= 90 %",
            percent(failing_seen, failing.len()),
            90.0,
        ),
        at_least(
            "alarms of failing charges that are right (precision)",
            ">= 80 %",
            percent(failed_true, failed_alerts.len()),
            80.0,
        ),
        at_least(
            "silent chargers found (recall)",
            ">= 90 %",
            percent(silent_seen, silent.len()),
            90.0,
        ),
        at_least(
            "alarms of silent chargers that are right (precision)",
            ">= 80 %",
            percent(silent_true, silent_alerts.len()),
            80.0,
        ),
        at_most(
            "healing starts after (99th of 100)",
            "<= 120 s",
            "s",
            (slowest.map(|ms| *ms as f64 / 1_000.0), starts.len() as u64),
            120.0,
        ),
        at_most(
            "offline is told at 10 min, off by",
            "<= 1 s",
            "s",
            (off.last().map(|ms| *ms as f64 / 1_000.0), off.len() as u64),
            1.0,
        ),
        at_most(
            "offline told of chargers that were not",
            "0",
            "",
            (Some(false_offline as f64), offline.len() as u64),
            0.0,
        ),
    ]
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{} chargers, {} days, seed {}: {} messages, {} sessions ({} failed), {} failures, \
             {} incidents, {} pages, {} commands, {:.0} hours broken",
            self.chargers,
            self.days,
            self.seed,
            self.messages,
            self.sessions,
            self.sessions_failed,
            self.failures,
            self.incidents,
            self.pages,
            self.commands,
            self.broken_hours
        )?;
        for gate in &self.gates {
            let (word, name, of, wanted) = (gate.word(), gate.name, gate.of, gate.wanted);
            match gate.reached {
                Some(reached) => {
                    let reached = format!("{reached:.2} {}", gate.unit);
                    let reached = reached.trim();
                    writeln!(f, "  {word:6} {name:53} {reached:>10} of {of:6} (wanted {wanted})")?;
                }
                None => writeln!(f, "  {word:6} {name:53} not measured (wanted {wanted})")?,
            }
        }
        writeln!(
            f,
            "  {} resets carried out, {} left the charger worse: {:.2} of 1,000 failures",
            self.resets, self.harmed, self.harmed_per_1000_failures
        )?;
        writeln!(
            f,
            "  {:58} {:>5} {:>5} {:>6} {:>6} {:>6} {:>6} {:>4} {:>7}",
            "cause", "n", "seen", "healed", "proven", "person", "itself", "left", "hours"
        )?;
        for cause in &self.causes {
            writeln!(
                f,
                "  {:58} {:>5} {:>5} {:>6} {:>6} {:>6} {:>6} {:>4} {:>7.2}",
                cause.cause,
                cause.failures,
                cause.seen,
                cause.healed,
                cause.proven,
                cause.by_person,
                cause.by_itself,
                cause.left,
                cause.hours
            )?;
        }
        let healed: u64 = self.causes.iter().map(|cause| cause.healed).sum();
        let proven: u64 = self.causes.iter().map(|cause| cause.proven).sum();
        if proven < healed {
            writeln!(
                f,
                "  {} of {healed} healed without proof: no charge that works has followed before the end",
                healed - proven
            )?;
        }
        writeln!(f, "  {:22} {:70} {:>5} {:>6}", "page of", "about", "n", "itself")?;
        for page in &self.page_kinds {
            let PageReport { rule, cause, pages, by_themselves } = page;
            writeln!(f, "  {rule:22} {cause:70} {pages:>5} {by_themselves:>6}")?;
        }
        let rules: Vec<String> =
            self.rules.iter().map(|(rule, count)| format!("{rule} {count}")).collect();
        write!(f, "  incidents by rule: {}", rules.join(", "))
    }
}
