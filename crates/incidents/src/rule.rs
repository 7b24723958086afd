//! A rule: what it looks for, when that is over, and what follows.

use std::collections::BTreeMap;

use mendpoint_model::HealMode;

use crate::codes::is_safety;
use crate::duration::paced;
use crate::overseer::{WideCount, WideRule};
use crate::parse::parse_rule_with;
use crate::predicate::{Compiled, Elapsed, Flag, Inputs, Predicate, Subject};
use crate::problem::{Problem, Reader, suggestion};
use crate::threshold::Threshold;
use crate::timeline_test::TimelineTest;

/// A compiled rule. Immutable; the engine works on a copy with its own pace.
#[derive(Clone, Debug)]
pub struct Rule {
    /// Its id, the same in code, tests, logs and on screen (`CP_OFFLINE`, ..).
    pub id: String,
    /// Counts up with every change of meaning.
    pub version: u32,
    /// Name for lists of rules.
    pub title: String,
    /// The cause, in plain words.
    pub description: String,
    /// The line of an incident, with `{code}`, `{where}`, `{for}`, `{count}`, `{within}`, `{value}`.
    pub headline: String,
    /// Severity 0 (danger) to 9, where no table says otherwise.
    pub severity: u8,
    /// What one incident of it is about.
    pub scope: Scope,
    /// Words to group rules by.
    pub labels: Vec<String>,
    /// The playbook that heals it; `None` for what no command can heal.
    pub playbook: Option<String>,
    /// The route its escalations take.
    pub route: String,
    /// How much the engine may do by itself (G10).
    pub auto_heal: HealMode,
    /// How long a person is not asked after the incident opened, where nothing heals it.
    pub escalate_after_ms: i64,
    /// What proves that it is over.
    pub proof: Proof,
    /// Its timeline tests.
    pub tests: Vec<TimelineTest>,
    /// The condition as it is written, for the page of rules.
    pub condition_text: String,
    /// What ends it as it is written, one line a way.
    pub clear_text: Vec<String>,
    /// The name of its file, as given.
    pub file: String,
    /// Its text, as it was read.
    pub source: std::sync::Arc<str>,
    /// Whether it opens incidents.
    pub enabled: bool,
    /// Whether it is on trial: it is not enabled, and what it would find is written down.
    pub on_trial: bool,
    /// Its numbers that may be set otherwise for a site, a model or a charger.
    pub thresholds: Vec<Threshold>,
    /// What one alert of it is about: a connector or a charger, also where its incidents are about
    /// many of them.
    pub(crate) unit: Scope,
    /// How many of them a wide rule asks for.
    pub(crate) together: Together,
    /// While it fires, the other incidents of the charger are at least as serious (`UPTIME_BUDGET`).
    pub(crate) raises_others: bool,
    pub(crate) probe: bool,
    /// While it fires, no reset is sent to the charger, whoever wants one sent (`BOOT_LOOP`).
    pub(crate) forbids_reset: bool,
    pub(crate) condition: Condition,
    pub(crate) clears: Vec<Clear>,
    pub(crate) keep_firing_ms: i64,
    pub(crate) exclusions: Vec<Compiled>,
    pub(crate) severity_by_code: Vec<(String, u8)>,
    pub(crate) severity_by_distinct: Option<(u32, u8)>,
    /// For how long back its clears look into what is remembered.
    pub(crate) memory_ms: i64,
}

/// What one incident of a rule is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// One connector; the charger as a whole where it reports faults of its own.
    Connector,
    /// One charger.
    Charger,
    /// All chargers of a site.
    Site,
    /// All chargers of a vendor, model and firmware.
    Cohort,
    /// All chargers.
    Fleet,
}

impl Scope {
    /// Every one of them, with its name in rules.
    pub const NAMES: [(&'static str, Self); 5] = [
        ("connector", Self::Connector),
        ("charger", Self::Charger),
        ("site", Self::Site),
        ("cohort", Self::Cohort),
        ("fleet", Self::Fleet),
    ];

    /// Its name in rules.
    pub fn name(self) -> &'static str {
        match self {
            Self::Connector => "connector",
            Self::Charger => "charger",
            Self::Site => "site",
            Self::Cohort => "cohort",
            Self::Fleet => "fleet",
        }
    }

    /// Whether it is about many chargers at once.
    pub fn is_wide(self) -> bool {
        matches!(self, Self::Site | Self::Cohort | Self::Fleet)
    }
}

/// How many chargers of a site, cohort or fleet must show what a wide rule looks for.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Together {
    /// So many different chargers; 0 for any.
    pub(crate) at_least: u32,
    /// And so many of a hundred of them; 0 for any.
    pub(crate) percent: u32,
    /// For a count: so many times as many as are usual there; 0 for any.
    pub(crate) times_usual: f64,
}

impl Together {
    /// It behind the words of a condition.
    pub(crate) fn words(self, scope: Scope) -> String {
        let mut words = String::new();
        if self.times_usual > 0.0 {
            words = format!(", {} times as many as usual", self.times_usual);
        }
        if self.at_least > 0 {
            words = format!("{words}, at {} or more chargers", self.at_least);
        }
        if self.percent > 0 {
            words = format!("{words}, {} % of the {} at least", self.percent, scope.name());
        }
        words
    }
}

/// What proves that an incident is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Proof {
    /// A session that delivered at least 100 Wh.
    Session,
    /// The end of the condition is proof enough (connection, signal).
    Clear,
}

/// What a rule looks for.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Condition {
    /// A state that lasts.
    State { when: Compiled, for_ms: i64, for_by_code: Vec<(String, i64)> },
    /// Things that happen too often: `at_least` within a sliding `within_ms`, ends included.
    Count(Count),
    /// Something that does not happen.
    Absent { kind: Occurrence, for_ms: i64 },
    /// One thing and then another, within a time, ends included.
    Sequence { first: Moment, then: Moment, within_ms: i64 },
    /// One thing, and not another within a time after it.
    NotFollowed { first: Moment, by: Moment, within_ms: i64 },
}

impl Condition {
    /// Whether two conditions are about the same, whatever their times and numbers are: since when
    /// it holds and what was counted is true for both.
    fn looks_for_the_same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::State { when, .. }, Self::State { when: of, .. }) => when.is_about_the_same(of),
            (Self::Count(a), Self::Count(b)) => {
                (a.kind, &a.filter, a.distinct_by) == (b.kind, &b.filter, b.distinct_by)
            }
            (Self::Absent { kind, .. }, Self::Absent { kind: of, .. }) => kind == of,
            (Self::Sequence { first, then, .. }, Self::Sequence { first: of, then: by, .. })
            | (
                Self::NotFollowed { first, by: then, .. },
                Self::NotFollowed { first: of, by, .. },
            ) => first == of && then == by,
            _ => false,
        }
    }
}

/// A thing that happens, where a condition may have to hold when it does.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Moment {
    pub(crate) kind: Occurrence,
    pub(crate) filter: Option<Compiled>,
}

/// `count(kind where ..) >= n within d`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Count {
    pub(crate) kind: Occurrence,
    pub(crate) filter: Option<Compiled>,
    pub(crate) at_least: u32,
    pub(crate) within_ms: i64,
    pub(crate) distinct_by: Option<Distinct>,
    /// So many different ones; 0 where that does not matter.
    pub(crate) distinct_at_least: u32,
    pub(crate) cooldown_ms: i64,
}

/// What countable things are told apart by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Distinct {
    IdToken,
    Connector,
    /// Not told apart, but alike: so many of the same mark.
    Same,
}

impl Distinct {
    pub(crate) const NAMES: [(&'static str, Self); 2] =
        [("id_token", Self::IdToken), ("connector", Self::Connector)];
}

/// What can be counted or missed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Occurrence {
    /// A failed charge (1.5).
    AttemptFailed,
    /// A session of at least 100 Wh.
    AttemptSucceeded,
    /// An attempt began or ended, however.
    Attempt,
    /// The connection was lost.
    Disconnected,
    /// The charger booted.
    Boot,
    /// A connector became Faulted.
    Faulted,
    /// Two devices were seen to use the identity.
    IdentityContested,
    /// It restarted, and nobody asked for that.
    BootUnasked,
    /// An error was told beside a status that is not Faulted.
    Warning,
    /// A card was held up at the charger, and accepted or not.
    Card,
    /// A security event that is to be looked at now.
    SecurityAlarm,
    /// It connected.
    Connected,
    /// A card was accepted.
    Authorized,
    /// A card was refused.
    Refused,
    /// A car was plugged in.
    PluggedIn,
    /// It was unplugged.
    Unplugged,
    /// A transaction began.
    SessionStarted,
    /// It ended.
    SessionEnded,
    /// A connector became Available.
    BecameAvailable,
    /// A connector became Unavailable.
    BecameUnavailable,
    /// A connector began to charge.
    BecameCharging,
}

impl Occurrence {
    /// Every one of them, with its name in rules.
    pub(crate) const NAMES: [(&'static str, Self); 21] = [
        ("attempt_failed", Self::AttemptFailed),
        ("attempt_succeeded", Self::AttemptSucceeded),
        ("attempt", Self::Attempt),
        ("disconnect", Self::Disconnected),
        ("boot", Self::Boot),
        ("faulted", Self::Faulted),
        ("identity_contested", Self::IdentityContested),
        ("boot_unasked", Self::BootUnasked),
        ("warning", Self::Warning),
        ("card", Self::Card),
        ("security_alarm", Self::SecurityAlarm),
        ("connect", Self::Connected),
        ("authorized", Self::Authorized),
        ("refused", Self::Refused),
        ("plugged_in", Self::PluggedIn),
        ("unplugged", Self::Unplugged),
        ("session_started", Self::SessionStarted),
        ("session_ended", Self::SessionEnded),
        ("became_available", Self::BecameAvailable),
        ("became_unavailable", Self::BecameUnavailable),
        ("became_charging", Self::BecameCharging),
    ];

    /// Whether it is about the connection, so that it says something while there is none.
    pub(crate) fn is_of_link(self) -> bool {
        matches!(self, Self::Disconnected | Self::Connected)
    }
}

/// One way in which a condition ends; any of a rule's is enough.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Clear {
    pub(crate) way: ClearWay,
    pub(crate) for_ms: i64,
    /// Whether it proves nothing: the incident goes on as recovered, not yet proven.
    pub(crate) unproven: bool,
}

impl Clear {
    /// Whether another one ends the same in the same way, after another time or number at most.
    pub(crate) fn is_about_the_same(&self, other: &Self) -> bool {
        match (&self.way, &other.way) {
            (ClearWay::When(when), ClearWay::When(of)) => when.is_about_the_same(of),
            (ClearWay::Count { kind, .. }, ClearWay::Count { kind: of, .. })
            | (ClearWay::Absent(kind), ClearWay::Absent(of)) => kind == of,
            (ClearWay::Person, ClearWay::Person) => true,
            _ => false,
        }
    }
}

/// What a clear goes by.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum ClearWay {
    When(Compiled),
    Count {
        kind: Occurrence,
        at_least: u32,
    },
    Absent(Occurrence),
    /// Nothing a charger does: a person says that it is over.
    Person,
}

impl Rule {
    /// Severity of a code by this rule.
    pub fn severity_of(&self, code: &str) -> u8 {
        self.severity_by_code
            .iter()
            .find(|(name, _)| name.eq_ignore_ascii_case(code))
            .map_or(self.severity, |(_, severity)| *severity)
    }

    /// The same for a subject, whose code is only asked for where it counts.
    pub(crate) fn for_ms_of(&self, subject: &Subject<'_>) -> i64 {
        match &self.condition {
            Condition::State { for_ms, for_by_code, .. } if for_by_code.is_empty() => *for_ms,
            _ => self.for_ms(&subject.code()),
        }
    }

    /// How long the condition must last for a code, in milliseconds; 0 where the rule has no time.
    pub fn for_ms(&self, code: &str) -> i64 {
        match &self.condition {
            Condition::State { for_ms, for_by_code, .. } => for_by_code
                .iter()
                .find(|(name, _)| {
                    name.eq_ignore_ascii_case(code) || (name == SAFETY && is_safety(code))
                })
                .map_or(*for_ms, |(_, ms)| *ms),
            Condition::Absent { for_ms, .. } => *for_ms,
            Condition::NotFollowed { within_ms, .. } => *within_ms,
            Condition::Count(_) | Condition::Sequence { .. } => 0,
        }
    }

    /// How long the shortest way out of it must last, in milliseconds: so much of an incident's
    /// time is only certainty that it is over.
    pub fn clear_ms(&self) -> i64 {
        self.clears.iter().map(|clear| clear.for_ms).min().unwrap_or(0).max(self.keep_firing_ms)
    }

    /// The window of a count, in milliseconds.
    pub fn within_ms(&self) -> Option<i64> {
        match &self.condition {
            Condition::Count(count) => Some(count.within_ms),
            Condition::Sequence { within_ms, .. } | Condition::NotFollowed { within_ms, .. } => {
                Some(*within_ms)
            }
            _ => None,
        }
    }

    /// The same rule with other values for its thresholds. Its tests are left behind.
    ///
    /// # Errors
    /// What is wrong with the values, one line each.
    pub fn with_thresholds(&self, values: &BTreeMap<String, String>) -> Result<Self, String> {
        let known: Vec<&str> = self.thresholds.iter().map(|known| known.name.as_str()).collect();
        if let Some(name) = values.keys().find(|name| !known.contains(&name.as_str())) {
            return Err(if known.is_empty() {
                format!("the rule {} declares no thresholds, so nothing of it can be set", self.id)
            } else {
                let hint = suggestion(name, &known);
                format!("the rule {} declares no threshold `{name}`{hint}", self.id)
            });
        }
        for threshold in &self.thresholds {
            if let Some(value) = values.get(&threshold.name) {
                threshold.check(value)?;
            }
        }
        let mut reader = Reader::new(&self.file, &self.source);
        let rule = parse_rule_with(&mut reader, values);
        let told = |problem: &Problem| problem.message.clone();
        let mut rule =
            rule.ok_or_else(|| reader.problems.iter().map(told).collect::<Vec<_>>().join("; "))?;
        rule.tests.clear();
        rule.auto_heal = self.auto_heal;
        rule.enabled = self.enabled;
        Ok(rule)
    }

    /// Whether two rules look for the same on the same subjects, so that what one has counted and
    /// waited for is true for the other.
    pub(crate) fn looks_for_the_same(&self, other: &Self) -> bool {
        self.scope == other.scope
            && self.unit == other.unit
            && self.probe == other.probe
            && self.condition.looks_for_the_same(&other.condition)
            && self.exclusions.len() == other.exclusions.len()
            && self
                .exclusions
                .iter()
                .zip(&other.exclusions)
                .all(|(part, of)| part.is_about_the_same(of))
    }

    /// Whether two rules open and end the same incidents at the same moments.
    pub(crate) fn judges_the_same(&self, other: &Self) -> bool {
        self.looks_for_the_same(other)
            && self.condition == other.condition
            && self.clears == other.clears
            && self.exclusions == other.exclusions
            && self.together == other.together
    }

    /// Whether it is about nobody charging any more.
    pub(crate) fn judges_silence(&self) -> bool {
        let Condition::State { when, .. } = &self.condition else { return false };
        let mut judges = false;
        when.each(&mut |part| judges |= matches!(part, Predicate::Silence { .. }));
        judges
    }

    /// Whether it can be judged while the charger is offline.
    pub(crate) fn judges_link(&self) -> bool {
        match &self.condition {
            Condition::State { when, .. } => when.judges_link(),
            Condition::Count(_) | Condition::Sequence { .. } => false,
            Condition::Absent { .. } => true,
            Condition::NotFollowed { first, by, .. } => {
                first.kind.is_of_link() || by.kind.is_of_link()
            }
        }
    }

    /// Whether it cannot be judged while it is not known whether an open charge goes on.
    pub(crate) fn judges_charge(&self) -> bool {
        matches!(&self.condition, Condition::State { when, .. } if when.judges_charge())
    }

    /// Whether it says that there is no connection, so that its end is a return.
    pub(crate) fn is_about_presence(&self) -> bool {
        let Condition::State { when, .. } = &self.condition else { return false };
        let mut is_about = false;
        when.each(&mut |part| {
            is_about |= matches!(
                part,
                Predicate::Flag(Flag::Connected)
                    | Predicate::Elapsed { field: Elapsed::Silent | Elapsed::Offline, .. }
            );
        });
        is_about
    }

    /// Whether it goes by moments, and not by a state that lasts.
    pub(crate) fn counts(&self) -> bool {
        matches!(self.condition, Condition::Count(_) | Condition::Sequence { .. })
    }

    /// Whether it listens to things of this kind.
    pub(crate) fn hears(&self, kind: Occurrence) -> bool {
        let condition = match &self.condition {
            Condition::State { .. } => false,
            Condition::Count(count) => count.kind == kind,
            Condition::Absent { kind: of, .. } => *of == kind,
            Condition::Sequence { first, then, .. } => first.kind == kind || then.kind == kind,
            Condition::NotFollowed { first, by, .. } => first.kind == kind || by.kind == kind,
        };
        condition
            || self.clears.iter().any(|clear| match clear.way {
                ClearWay::Count { kind: of, .. } | ClearWay::Absent(of) => of == kind,
                ClearWay::When(_) | ClearWay::Person => false,
            })
    }

    /// What the overseer has to know of a rule about many chargers.
    pub(crate) fn wide(&self) -> Option<WideRule> {
        let count = match &self.condition {
            Condition::Count(count) => Some(WideCount {
                at_least: count.at_least,
                within_ms: count.within_ms,
                times_usual: self.together.times_usual,
            }),
            _ => None,
        };
        self.scope.is_wide().then(|| WideRule {
            id: self.id.as_str().into(),
            version: self.version,
            scope: self.scope,
            severity: self.severity,
            headline: self.headline.as_str().into(),
            description: self.description.as_str().into(),
            at_least: self.together.at_least,
            percent: self.together.percent,
            count,
            for_ms: self.for_ms(""),
            keep_ms: self.keep_firing_ms,
            escalate_after_ms: self.escalate_after_ms,
        })
    }

    /// Every expression in it.
    pub(crate) fn predicates(&self) -> impl Iterator<Item = &Predicate> {
        let of_condition: [Option<&Predicate>; 2] = match &self.condition {
            Condition::State { when, .. } => [Some(when), None],
            Condition::Count(count) => [count.filter.as_deref(), None],
            Condition::Absent { .. } => [None, None],
            Condition::Sequence { first, then: other, .. }
            | Condition::NotFollowed { first, by: other, .. } => {
                [first.filter.as_deref(), other.filter.as_deref()]
            }
        };
        let of_clears = self.clears.iter().filter_map(|clear| match &clear.way {
            ClearWay::When(when) => Some(&**when),
            _ => None,
        });
        of_condition
            .into_iter()
            .flatten()
            .chain(of_clears)
            .chain(self.exclusions.iter().map(|part| &**part))
    }

    /// Whether a condition on the state that has to hold (or, while it fires, one that ends it) looks
    /// back on things of a kind.
    pub(crate) fn recalls(&self, kind: Occurrence, firing: bool) -> bool {
        let of_condition = match &self.condition {
            Condition::State { when, .. } => Some(when),
            _ => None,
        };
        let of_clears =
            self.clears.iter().filter(|_| firing).filter_map(|clear| match &clear.way {
                ClearWay::When(when) => Some(when),
                _ => None,
            });
        of_condition.into_iter().chain(of_clears).any(|predicate| predicate.recalls(kind))
    }

    /// Whether it asks when something of a kind last happened.
    pub(crate) fn misses(&self, kind: Occurrence) -> bool {
        matches!(self.condition, Condition::Absent { kind: of, .. } if of == kind)
            || self
                .clears
                .iter()
                .any(|clear| matches!(clear.way, ClearWay::Absent(of) if of == kind))
    }

    /// The news that can change it. While it fires, its clears count too.
    pub(crate) fn inputs(&self, firing: bool) -> Inputs {
        let mut inputs = match &self.condition {
            Condition::State { when, .. } => when.inputs(),
            _ => Inputs::default(),
        };
        // Going offline blinds it, coming back opens its eyes.
        inputs.add(Inputs::LINK);
        if firing {
            for clear in &self.clears {
                if let ClearWay::When(when) = &clear.way {
                    inputs.add(when.inputs());
                }
            }
        }
        inputs
    }

    /// A copy with every duration scaled, and with the operator's own numbers.
    pub(crate) fn paced(&self, pace: f64, own: Option<&RuleOverride>) -> Self {
        let mut rule = self.clone();
        if let Some(own) = own {
            own.apply(&mut rule);
        }
        rule.escalate_after_ms = paced(rule.escalate_after_ms, pace);
        rule.keep_firing_ms = paced(rule.keep_firing_ms, pace);
        match &mut rule.condition {
            Condition::State { when, for_ms, for_by_code } => {
                when.pace(pace);
                *for_ms = paced(*for_ms, pace);
                for (_, ms) in for_by_code {
                    *ms = paced(*ms, pace);
                }
            }
            Condition::Count(count) => {
                count.within_ms = paced(count.within_ms, pace);
                count.cooldown_ms = paced(count.cooldown_ms, pace);
            }
            Condition::Absent { for_ms, .. } => *for_ms = paced(*for_ms, pace),
            Condition::Sequence { first, then: other, within_ms }
            | Condition::NotFollowed { first, by: other, within_ms } => {
                *within_ms = paced(*within_ms, pace);
                for filter in [&mut first.filter, &mut other.filter].into_iter().flatten() {
                    filter.pace(pace);
                }
            }
        }
        for clear in &mut rule.clears {
            clear.for_ms = paced(clear.for_ms, pace);
            if let ClearWay::When(when) = &mut clear.way {
                when.pace(pace);
            }
        }
        rule.exclusions.iter_mut().for_each(|exclusion| exclusion.pace(pace));
        rule.memory_ms = rule.predicates().map(Predicate::memory_ms).max().unwrap_or(0);
        rule
    }
}

/// The key of `for_by_code` that stands for every safety code (G3).
pub(crate) const SAFETY: &str = "safety";

/// An operator's own numbers for a rule. What is `None` stays as the rule says.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RuleOverride {
    /// How long the condition must last, in milliseconds (by code: unchanged).
    pub for_ms: Option<i64>,
    /// How many make a burst.
    pub at_least: Option<u32>,
    /// Within how long, in milliseconds.
    pub within_ms: Option<i64>,
    /// How long nobody is asked, in milliseconds.
    pub escalate_after_ms: Option<i64>,
    /// How much the engine may do (G10).
    pub auto_heal: Option<HealMode>,
    /// `false` turns the rule off.
    pub enabled: Option<bool>,
}

impl RuleOverride {
    fn apply(&self, rule: &mut Rule) {
        match &mut rule.condition {
            Condition::State { for_ms, .. } | Condition::Absent { for_ms, .. } => {
                *for_ms = self.for_ms.unwrap_or(*for_ms);
            }
            Condition::Count(count) => {
                count.at_least = self.at_least.unwrap_or(count.at_least).max(1);
                count.within_ms = self.within_ms.unwrap_or(count.within_ms);
            }
            Condition::Sequence { within_ms, .. } | Condition::NotFollowed { within_ms, .. } => {
                *within_ms = self.within_ms.unwrap_or(*within_ms);
            }
        }
        rule.escalate_after_ms = self.escalate_after_ms.unwrap_or(rule.escalate_after_ms);
        rule.auto_heal = self.auto_heal.unwrap_or(rule.auto_heal);
    }
}
