//! Conditions on the state of a charger, compiled.
//!
//! A condition does not answer yes or no but *from when until when*: `silent_for >= 120s` holds
//! from two minutes after the last message on. So the engine knows when to look again, and a
//! heartbeat that moves that moment costs nothing.

mod code;
mod holds;
mod inputs;
mod subject;

use mendpoint_model::{ConnectorStatus, Transport};

pub(crate) use self::code::Compiled;
pub(crate) use self::holds::Holds;
pub(crate) use self::inputs::Inputs;
pub(crate) use self::subject::{Subject, connector_state, is_at, is_in_doubt, is_planned_out};
use crate::duration::paced;
use crate::memory::Restless;
use crate::rule::{Distinct, Occurrence};
use crate::signal::Channel;
use crate::vitals::{VitalFlag, VitalNumber, VitalTime};

/// Yes-or-no fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flag {
    Connected,
    EverConnected,
    Spoke,
    Plugged,
    TransactionOpen,
    FaultActive,
    OutOfServiceByPlan,
    AnswersCommands,
    Vital(VitalFlag),
}

/// Text fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Text {
    ErrorCode,
    Vendor,
    Model,
    Firmware,
    FirmwareStatus,
}

/// Number fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Number {
    Connector,
    Power,
    Soc,
    Temperature,
    ClockSkew,
    UnansweredCommands,
    Signal(Channel),
    Vital(VitalNumber),
    /// How fast the budget of uptime is used up.
    Burn(BurnOver),
}

/// Over which time a budget is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BurnOver {
    FiveMinutes,
    Hour,
    SixHours,
    ThreeDays,
}

/// Fields that grow by themselves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Elapsed {
    Silent,
    Offline,
    Status,
    Plugged,
    TransactionAge,
    TransactionIdle,
    /// Shrinks instead: what is left until the charger's certificate ends.
    CertificateLeft,
    Vital(VitalTime),
}

/// How numbers are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Compare {
    Equal,
    NotEqual,
    Less,
    AtMost,
    More,
    AtLeast,
}

impl Compare {
    pub(crate) fn holds(self, left: f64, right: f64) -> bool {
        match self {
            Self::Equal => (left - right).abs() < 1e-9,
            Self::NotEqual => (left - right).abs() >= 1e-9,
            Self::Less => left < right,
            Self::AtMost => left <= right,
            Self::More => left > right,
            Self::AtLeast => left >= right,
        }
    }
}

/// A compiled condition.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Predicate {
    All(Vec<Self>),
    Any(Vec<Self>),
    Not(Box<Self>),
    Flag(Flag),
    /// One bit a status.
    Status {
        whole: bool,
        set: u16,
    },
    Text {
        field: Text,
        any_of: Vec<Box<str>>,
    },
    Number {
        field: Number,
        compare: Compare,
        value: f64,
    },
    Known(Number),
    Elapsed {
        field: Elapsed,
        at_least: bool,
        ms: i64,
    },
    Median {
        channel: Channel,
        within_ms: i64,
        samples: usize,
        compare: Compare,
        value: f64,
    },
    Weak {
        transport: Transport,
        within_ms: i64,
    },
    /// So many of a kind, or so many different ones, within a sliding window, ends included.
    Happened {
        kind: Occurrence,
        within_ms: i64,
        at_least: u32,
        distinct: Option<Distinct>,
    },
    /// Of the last so many of two kinds, the part that was of the first.
    Ratio {
        good: Occurrence,
        bad: Occurrence,
        last: usize,
        compare: Compare,
        value: f64,
    },
    /// That part is worse than its cohort's, beyond chance (Wilson, 95 %).
    BelowCohort {
        good: Occurrence,
        bad: Occurrence,
        last: usize,
    },
    /// How often it happened here, as a multiple of what is usual in its cohort.
    TimesCohort {
        kind: Occurrence,
        within_ms: i64,
        compare: Compare,
        value: f64,
    },
    /// How often it is usual in its cohort.
    CohortExpects {
        kind: Occurrence,
        within_ms: i64,
        compare: Compare,
        value: f64,
    },
    /// The most power of the last so many sessions, as a part of what half of the sessions of its
    /// cohort exceed.
    PowerOfKind {
        last: usize,
        compare: Compare,
        value: f64,
    },
    /// How restless it is (Nagios), in percent.
    Flap {
        of: Restless,
        look_ms: i64,
        at_least: bool,
        percent: f64,
    },
    /// So long without a success has a probability below `p`.
    Silence {
        p: f64,
    },
}

/// The bit of a status.
pub(crate) fn status_bit(status: ConnectorStatus) -> u16 {
    1 << (status as u16)
}

impl Predicate {
    /// When a single test holds, as far as is known now; [`Compiled`] joins them.
    pub(crate) fn test(&self, subject: &Subject<'_>) -> Holds {
        let now = subject.now;
        match self {
            // Never alone: they are taken apart where a condition is compiled.
            Self::All(_) | Self::Any(_) | Self::Not(_) => Holds::NEVER,
            Self::Flag(flag) => Holds::when(subject.flag(*flag)),
            Self::Status { whole, set } => {
                let state = if *whole { Some(&subject.charger.whole) } else { subject.connector };
                Holds::when(state.is_some_and(|state| status_bit(state.status) & set != 0))
            }
            Self::Text { field, any_of } => Holds::when(Self::text(*field, any_of, subject)),
            Self::Number { field, compare, value } => Holds::when(
                subject.number(*field).is_some_and(|number| compare.holds(number, *value)),
            ),
            Self::Known(field) => Holds::when(subject.number(*field).is_some()),
            Self::Elapsed { field: Elapsed::CertificateLeft, at_least, ms } => {
                match subject.anchor(Elapsed::CertificateLeft) {
                    Some(end) if *at_least => Holds::before(end - *ms),
                    Some(end) => Holds::since(end - *ms),
                    None => Holds::NEVER,
                }
            }
            Self::Elapsed { field: Elapsed::Vital(vital), at_least, ms } => {
                vital.holds(subject, *at_least, *ms)
            }
            Self::Elapsed { field, at_least, ms } => match subject.anchor(*field) {
                Some(anchor) if *at_least => Holds::since(anchor + *ms),
                Some(anchor) => Holds::before(anchor + *ms),
                None => Holds::NEVER,
            },
            Self::Median { channel, within_ms, samples, compare, value } => {
                let median =
                    subject.signals.and_then(|log| log.median(*channel, now, *within_ms, *samples));
                match median {
                    Some((median, until)) if compare.holds(median, *value) => Holds::before(until),
                    _ => Holds::NEVER,
                }
            }
            Self::Weak { transport, within_ms } => {
                match subject.signals.and_then(|log| log.warned_at(*transport)) {
                    Some(at) => Holds::before(at + *within_ms),
                    None => Holds::NEVER,
                }
            }
            Self::Happened { kind, within_ms, at_least, distinct } => {
                subject.memory.map_or(Holds::NEVER, |memory| {
                    memory.often(now, subject.at, *kind, *within_ms, (*at_least, *distinct))
                })
            }
            Self::Ratio { good, bad, last, compare, value } => Holds::when(
                subject
                    .memory
                    .and_then(|memory| memory.share(subject.at, *good, *bad, *last))
                    .is_some_and(|well| compare.holds(well as f64 / *last as f64, *value)),
            ),
            Self::BelowCohort { good, bad, last } => {
                Holds::when(subject.below_cohort(*good, *bad, *last))
            }
            Self::CohortExpects { kind, within_ms, compare, value } => {
                let usual = subject.cohort_expects(*kind, *within_ms);
                Holds::when(usual.is_some_and(|usual| compare.holds(usual, *value)))
            }
            Self::PowerOfKind { last, compare, value } => Holds::when(
                subject
                    .power_of_kind(*last)
                    .is_some_and(|(most, usual)| compare.holds(most / usual, *value)),
            ),
            Self::TimesCohort { kind, within_ms, compare, value } => {
                match subject.times_cohort(*kind, *within_ms) {
                    Some((times, until)) if compare.holds(times, *value) => {
                        until.map_or(Holds::ALWAYS, Holds::before)
                    }
                    // A number that only sinks with time: it may come to be small enough.
                    Some((_, Some(until))) => Holds::since(until),
                    _ => Holds::NEVER,
                }
            }
            Self::Flap { of, look_ms, at_least, percent } => {
                let clock =
                    subject.memory.and_then(|memory| memory.clock(*of, subject.at, *look_ms));
                match (clock, *at_least) {
                    (Some(clock), true) if clock.percent(now, *look_ms) >= *percent => {
                        Holds::before(clock.calm_at(now, *look_ms, percent - 1e-6))
                    }
                    (_, true) => Holds::NEVER,
                    (Some(clock), false) if clock.percent(now, *look_ms) > *percent => {
                        Holds::since(clock.calm_at(now, *look_ms, *percent))
                    }
                    (_, false) => Holds::ALWAYS,
                }
            }
            Self::Silence { p } => {
                let usage = subject.memory.and_then(|memory| memory.usage(subject.at));
                let from = usage.and_then(|usage| usage.silent_from(*p, subject.kind_a_day()));
                from.map_or(Holds::NEVER, Holds::since)
            }
        }
    }

    fn text(field: Text, any_of: &[Box<str>], subject: &Subject<'_>) -> bool {
        let matches = |text: &str| any_of.iter().any(|word| word.eq_ignore_ascii_case(text));
        let boot = subject.charger.boot.as_deref();
        match field {
            Text::ErrorCode => matches(&subject.code()),
            Text::Vendor => boot.is_some_and(|boot| matches(&boot.vendor)),
            Text::Model => boot.is_some_and(|boot| matches(&boot.model)),
            Text::Firmware => boot.and_then(|boot| boot.firmware.as_deref()).is_some_and(matches),
            Text::FirmwareStatus => {
                subject.charger.firmware_status.as_ref().is_some_and(|(_, word)| matches(word))
            }
        }
    }

    /// The value that makes it hold, for people: "−84 dBm".
    pub(crate) fn evidence(&self, subject: &Subject<'_>) -> Option<String> {
        match self {
            Self::All(parts) | Self::Any(parts) => {
                parts.iter().find_map(|part| part.evidence(subject))
            }
            Self::Median { channel, within_ms, samples, .. } => {
                if !self.test(subject).at(subject.now) {
                    return None;
                }
                let (median, _) =
                    subject.signals?.median(*channel, subject.now, *within_ms, *samples)?;
                Some(channel.words(median))
            }
            Self::Flap { of, look_ms, .. } if self.test(subject).at(subject.now) => {
                let clock = subject.memory?.clock(*of, subject.at, *look_ms)?;
                Some(format!("{:.0} %", clock.percent(subject.now, *look_ms)))
            }
            Self::Ratio { good, bad, last, .. } | Self::BelowCohort { good, bad, last }
                if self.test(subject).at(subject.now) =>
            {
                let well = subject.memory?.share(subject.at, *good, *bad, *last)?;
                Some(format!("{well} of {last}"))
            }
            Self::TimesCohort { kind, within_ms, .. } if self.test(subject).at(subject.now) => {
                let (times, _) = subject.times_cohort(*kind, *within_ms)?;
                Some(format!("{times:.1} times as often"))
            }
            Self::PowerOfKind { last, .. } if self.test(subject).at(subject.now) => {
                let (most, usual) = subject.power_of_kind(*last)?;
                Some(format!("{:.0} kW of {:.0} kW", most / 1_000.0, usual / 1_000.0))
            }
            Self::Number { field: field @ Number::Burn(_), .. }
                if self.test(subject).at(subject.now) =>
            {
                Some(format!("{:.1} times", subject.number(*field)?))
            }
            Self::Silence { .. } if self.test(subject).at(subject.now) => {
                let usage = subject.memory?.usage(subject.at)?;
                Some(crate::duration::duration_words(subject.now.since_ms(usage.last)))
            }
            Self::Weak { .. } if self.test(subject).at(subject.now) => {
                Some("reported by the charger".to_owned())
            }
            _ => None,
        }
    }

    /// Scales every duration in it.
    fn pace(&mut self, pace: f64) {
        match self {
            Self::All(parts) | Self::Any(parts) => {
                for part in parts {
                    part.pace(pace);
                }
            }
            Self::Not(part) => part.pace(pace),
            Self::Elapsed { ms, .. } => *ms = paced(*ms, pace),
            Self::Median { within_ms, .. }
            | Self::Weak { within_ms, .. }
            | Self::Happened { within_ms, .. }
            | Self::CohortExpects { within_ms, .. }
            | Self::TimesCohort { within_ms, .. } => *within_ms = paced(*within_ms, pace),
            Self::Flap { look_ms, .. } => *look_ms = paced(*look_ms, pace),
            _ => {}
        }
    }

    /// Whether it differs from another in its numbers and durations at most.
    pub(crate) fn is_about_the_same(&self, other: &Self) -> bool {
        let bare = |of: &Self| {
            let mut bare = of.clone();
            bare.forget_numbers();
            bare
        };
        self == other || bare(self) == bare(other)
    }

    fn forget_numbers(&mut self) {
        match self {
            Self::All(parts) | Self::Any(parts) => parts.iter_mut().for_each(Self::forget_numbers),
            Self::Not(part) => part.forget_numbers(),
            Self::Number { value, .. } => *value = 0.0,
            Self::Elapsed { ms, .. } => *ms = 0,
            Self::Median { within_ms, samples, value, .. } => {
                (*within_ms, *samples, *value) = (0, 0, 0.0);
            }
            Self::Weak { within_ms, .. } => *within_ms = 0,
            Self::Happened { within_ms, at_least, .. } => (*within_ms, *at_least) = (0, 0),
            Self::Ratio { last, value, .. } | Self::PowerOfKind { last, value, .. } => {
                (*last, *value) = (0, 0.0);
            }
            Self::BelowCohort { last, .. } => *last = 0,
            Self::TimesCohort { within_ms, value, .. }
            | Self::CohortExpects { within_ms, value, .. } => (*within_ms, *value) = (0, 0.0),
            Self::Flap { look_ms, percent, .. } => (*look_ms, *percent) = (0, 0.0),
            Self::Silence { p } => *p = 0.0,
            Self::Flag(_) | Self::Status { .. } | Self::Text { .. } | Self::Known(_) => {}
        }
    }

    pub(crate) fn each(&self, visit: &mut impl FnMut(&Self)) {
        visit(self);
        match self {
            Self::All(parts) | Self::Any(parts) => {
                for part in parts {
                    part.each(visit);
                }
            }
            Self::Not(part) => part.each(visit),
            _ => {}
        }
    }
}
