//! Conditions on the state of a charger, compiled.
//!
//! A condition does not answer yes or no but *from when until when*: `silent_for >= 120s` holds
//! from two minutes after the last message on. So the engine knows when to look again, and a
//! heartbeat that moves that moment costs nothing.

use mendpoint_model::{
    ChargerState, ConnectorRef, ConnectorState, ConnectorStatus, Transport, UnixMs,
};

use crate::calls::Calls;
use crate::codes::{is_safety, normalise_error, normalise_fault};
use crate::cohort::{Cohort, wilson_upper};
use crate::duration::paced;
use crate::memory::{Memory, Restless};
use crate::rule::{Distinct, Occurrence};
use crate::signal::{Channel, SignalLog};
use crate::vitals::{VitalFlag, VitalNumber, VitalTime};

/// The time in which a condition holds if nothing else happens: `from` included, `until` not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Holds {
    pub(crate) from: UnixMs,
    pub(crate) until: UnixMs,
}

impl Holds {
    pub(crate) const ALWAYS: Self = Self { from: UnixMs(i64::MIN), until: UnixMs(i64::MAX) };
    pub(crate) const NEVER: Self = Self { from: UnixMs(i64::MAX), until: UnixMs(i64::MAX) };

    pub(crate) fn when(yes: bool) -> Self {
        if yes { Self::ALWAYS } else { Self::NEVER }
    }

    pub(crate) fn since(from: UnixMs) -> Self {
        Self { from, ..Self::ALWAYS }
    }

    pub(crate) fn before(until: UnixMs) -> Self {
        Self { until, ..Self::ALWAYS }
    }

    pub(crate) fn at(self, now: UnixMs) -> bool {
        self.from <= now && now < self.until
    }

    /// When the answer next changes by time alone.
    pub(crate) fn next_change(self, now: UnixMs) -> Option<UnixMs> {
        let never = UnixMs(i64::MAX);
        [self.from, self.until].into_iter().find(|at| *at > now && *at != never)
    }

    fn and(self, other: Self) -> Self {
        let both = Self { from: self.from.max(other.from), until: self.until.min(other.until) };
        if both.from < both.until { both } else { Self::NEVER }
    }

    fn or(self, other: Self, now: UnixMs) -> Self {
        match (self.at(now), other.at(now)) {
            (true, true) => {
                Self { from: self.from.min(other.from), until: self.until.max(other.until) }
            }
            (true, false) => self,
            (false, true) => other,
            // The one that comes sooner; one that is over does not count.
            _ if self.from > now && (other.from <= now || self.from <= other.from) => self,
            _ => other,
        }
    }

    fn not(self, now: UnixMs) -> Self {
        if self.from > now {
            Self::before(self.from)
        } else {
            // Either it holds now and stops at `until`, or it is over.
            Self::since(self.until)
        }
    }
}

/// Kinds of news that can change a condition: a rule is looked at only for its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub(crate) struct Inputs(pub(crate) u16);

impl Inputs {
    pub(crate) const LINK: Self = Self(1);
    pub(crate) const STATUS: Self = Self(2);
    pub(crate) const TRANSACTION: Self = Self(4);
    pub(crate) const SIGNAL: Self = Self(8);
    pub(crate) const METER: Self = Self(16);
    pub(crate) const BOOT: Self = Self(32);
    /// Any message: a sign of life.
    pub(crate) const MESSAGE: Self = Self(64);
    /// The end of a command.
    pub(crate) const CALLS: Self = Self(128);
    /// The progress of a firmware update.
    pub(crate) const FIRMWARE: Self = Self(256);
    /// Configuration keys, or what they should be.
    pub(crate) const CONFIGURATION: Self = Self(512);
    /// The charger's clock is known better: any message that tells a time.
    pub(crate) const CLOCK: Self = Self(1_024);
    /// A security event.
    pub(crate) const SECURITY: Self = Self(2_048);
    /// Something that can be counted.
    pub(crate) const HAPPENED: Self = Self(4_096);
    /// All of them.
    pub(crate) const ALL: Self = Self(u16::MAX);
    /// How many kinds there can be.
    pub(crate) const KINDS: usize = 16;

    pub(crate) const BOOT_OR_LINK: Self = Self(Self::BOOT.0 | Self::LINK.0);
    pub(crate) const METER_OR_TRANSACTION: Self = Self(Self::METER.0 | Self::TRANSACTION.0);

    pub(crate) fn add(&mut self, other: Self) {
        self.0 |= other.0;
    }

    pub(crate) fn meets(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }
}

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

/// What a condition is asked of.
#[derive(Clone, Copy)]
pub(crate) struct Subject<'a> {
    pub(crate) now: UnixMs,
    pub(crate) charger: &'a ChargerState,
    pub(crate) connector: Option<&'a ConnectorState>,
    pub(crate) at: ConnectorRef,
    pub(crate) signals: Option<&'a SignalLog>,
    calls: Calls,
    memory: Option<&'a Memory>,
    cohort: Option<&'a Cohort>,
}

impl<'a> Subject<'a> {
    /// A connector of a charger, or the charger itself.
    pub(crate) fn new(now: UnixMs, charger: &'a ChargerState, at: ConnectorRef) -> Self {
        let connector = connector_state(charger, at);
        let (signals, memory, cohort) = (None, None, None);
        Self { now, charger, connector, at, signals, calls: Calls::default(), memory, cohort }
    }

    /// The same, with what the engine itself knows of the charger.
    pub(crate) fn watched(
        now: UnixMs,
        charger: &'a ChargerState,
        at: ConnectorRef,
        signals: Option<&'a SignalLog>,
        calls: Calls,
    ) -> Self {
        Self { signals, calls, ..Self::new(now, charger, at) }
    }

    /// The same, with what is remembered of the charger and known of its kind.
    pub(crate) fn remembering(
        self,
        memory: Option<&'a Memory>,
        cohort: Option<&'a Cohort>,
    ) -> Self {
        Self { memory, cohort, ..self }
    }

    /// The normalised code of what is wrong here; empty when the charger names nothing. Of several
    /// errors and faults it is the most dangerous one: a matter of safety, then the most severe.
    pub(crate) fn code(&self) -> String {
        let Some(connector) = self.connector else { return String::new() };
        let mut faults: Vec<String> = self.faults().map(normalise_fault).collect();
        faults.sort();
        // The first of equals stays: the error beside the status.
        connector
            .error
            .as_deref()
            .map(normalise_error)
            .into_iter()
            .chain(faults)
            .min_by_key(|code| crate::codes::danger(code))
            .unwrap_or_default()
    }

    /// The 2.x faults that count as such: active, of severity 5 (the standard's default) or worse,
    /// and not about the radio link. What is a matter of safety counts whatever its variable and
    /// severity are: the `Active` of an emergency stop is as much a fault as its `Tripped` (G3).
    pub(crate) fn faults(
        &self,
    ) -> impl Iterator<Item = &'a mendpoint_model::FaultReport> + use<'a> {
        self.connector.into_iter().flat_map(|connector| &connector.faults).filter(|fault| {
            let named = ["Problem", "Tripped", "Active"];
            fault.active
                && (is_safety(&normalise_fault(fault))
                    || (fault.severity.is_none_or(|severity| severity <= 5)
                        && named.iter().any(|name| fault.variable.eq_ignore_ascii_case(name))
                        && !fault.component.eq_ignore_ascii_case("DataLink")
                        && normalise_fault(fault) != "WeakSignal"))
        })
    }

    fn number(&self, field: Number) -> Option<f64> {
        match field {
            Number::Connector => Some(f64::from(self.at.evse)),
            Number::Power => self.connector?.power_w,
            Number::Soc => self.connector?.soc_percent,
            Number::Temperature => self.connector?.temperature_c,
            Number::ClockSkew => self.charger.clock_skew_ms.map(|ms| ms as f64 / 1_000.0),
            Number::UnansweredCommands => Some(f64::from(self.calls.unanswered)),
            Number::Signal(channel) => self.signals?.last(channel),
            Number::Vital(vital) => vital.of(self),
        }
    }

    fn transactions(&self) -> impl Iterator<Item = &'a mendpoint_model::Transaction> + use<'a> {
        let at = self.at;
        self.charger.transactions.iter().filter(move |tx| is_at(tx, at))
    }

    fn flag(&self, flag: Flag) -> bool {
        let link = &self.charger.link;
        match flag {
            Flag::Connected => link.connected,
            Flag::EverConnected => link.since.is_some() || link.last_seen_at.is_some(),
            Flag::Spoke => {
                link.connected && link.last_seen_at.is_some_and(|seen| Some(seen) > link.since)
            }
            Flag::Plugged => self.connector.is_some_and(|connector| connector.plugged_at.is_some()),
            Flag::TransactionOpen => self.transactions().next().is_some(),
            Flag::FaultActive => self.faults().next().is_some(),
            Flag::OutOfServiceByPlan => is_planned_out(self.charger, self.at),
            Flag::AnswersCommands => self.calls.answers,
            Flag::Vital(vital) => vital.of(self),
        }
    }

    fn below_cohort(&self, good: Occurrence, bad: Occurrence, last: usize) -> bool {
        let well = self.memory.and_then(|memory| memory.share(self.at, good, bad, last));
        let usual = self.cohort.and_then(|cohort| cohort.share(good, bad));
        well.zip(usual).is_some_and(|(well, usual)| wilson_upper(well, last) < usual)
    }

    /// How often something happened here, as a multiple of what is usual, and when that next sinks.
    fn times_cohort(&self, kind: Occurrence, within_ms: i64) -> Option<(f64, Option<UnixMs>)> {
        let usual = self.cohort?.a_day(kind)? * within_ms as f64 / mendpoint_model::DAY_MS as f64;
        let (many, until) = self.memory?.count(self.now, self.at, kind, within_ms);
        (usual > 0.0).then(|| (f64::from(many) / usual, until))
    }

    /// How often something is usual for a charger of its kind within a time.
    fn cohort_expects(&self, kind: Occurrence, within_ms: i64) -> Option<f64> {
        Some(self.cohort?.a_day(kind)? * within_ms as f64 / mendpoint_model::DAY_MS as f64)
    }

    /// How often a connector of its kind, or a charger, is used in a day.
    fn kind_a_day(&self) -> Option<f64> {
        let a_day = self.cohort?.a_day(Occurrence::AttemptSucceeded)?;
        let places = if self.at.is_charger() { 1 } else { self.charger.connectors.len().max(1) };
        Some(a_day / places as f64)
    }

    /// When a growing field began to grow.
    fn anchor(&self, field: Elapsed) -> Option<UnixMs> {
        let link = &self.charger.link;
        match field {
            Elapsed::Silent => link.last_seen_at.max(link.since),
            Elapsed::Offline => link.since.filter(|_| !link.connected),
            Elapsed::Status => self.connector?.since,
            Elapsed::Plugged => self.connector?.plugged_at,
            Elapsed::TransactionAge => self.transactions().map(|tx| tx.opened_at).min(),
            Elapsed::TransactionIdle => self.transactions().filter_map(|tx| tx.idle_since).min(),
            Elapsed::CertificateLeft => link.certificate_ends,
            // Answers for itself.
            Elapsed::Vital(_) => None,
        }
    }
}

/// Whether a transaction is at a place. One that names its EVSE only is at each of its connectors.
pub(crate) fn is_at(tx: &mendpoint_model::Transaction, at: ConnectorRef) -> bool {
    let whole_evse = tx.connector.connector == 0 && tx.connector.evse == at.evse;
    at.is_charger() || tx.connector == at || whole_evse
}

/// Whether a person took the connector or its charger out of service.
pub(crate) fn is_planned_out(charger: &ChargerState, at: ConnectorRef) -> bool {
    charger.whole.desired_operative == Some(false)
        || connector_state(charger, at).is_some_and(|state| state.desired_operative == Some(false))
}

/// The state of a connector, or of the charger as a whole.
pub(crate) fn connector_state(charger: &ChargerState, at: ConnectorRef) -> Option<&ConnectorState> {
    if at.is_charger() {
        Some(&charger.whole)
    } else {
        charger.connectors.iter().find(|connector| connector.at == at)
    }
}

/// The bit of a status.
pub(crate) fn status_bit(status: ConnectorStatus) -> u16 {
    1 << (status as u16)
}

impl Predicate {
    /// When it holds, as far as is known now.
    pub(crate) fn holds(&self, subject: &Subject<'_>) -> Holds {
        let now = subject.now;
        match self {
            Self::All(parts) => {
                let mut all = Holds::ALWAYS;
                for part in parts {
                    all = all.and(part.holds(subject));
                    if all == Holds::NEVER {
                        break;
                    }
                }
                all
            }
            Self::Any(parts) => {
                let mut any = Holds::NEVER;
                for part in parts {
                    any = any.or(part.holds(subject), now);
                    if any == Holds::ALWAYS {
                        break;
                    }
                }
                any
            }
            Self::Not(part) => part.holds(subject).not(now),
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
                if !self.holds(subject).at(subject.now) {
                    return None;
                }
                let (median, _) =
                    subject.signals?.median(*channel, subject.now, *within_ms, *samples)?;
                Some(channel.words(median))
            }
            Self::Flap { of, look_ms, .. } if self.holds(subject).at(subject.now) => {
                let clock = subject.memory?.clock(*of, subject.at, *look_ms)?;
                Some(format!("{:.0} %", clock.percent(subject.now, *look_ms)))
            }
            Self::Ratio { good, bad, last, .. } | Self::BelowCohort { good, bad, last }
                if self.holds(subject).at(subject.now) =>
            {
                let well = subject.memory?.share(subject.at, *good, *bad, *last)?;
                Some(format!("{well} of {last}"))
            }
            Self::TimesCohort { kind, within_ms, .. } if self.holds(subject).at(subject.now) => {
                let (times, _) = subject.times_cohort(*kind, *within_ms)?;
                Some(format!("{times:.1} times as often"))
            }
            Self::Silence { .. } if self.holds(subject).at(subject.now) => {
                let usage = subject.memory?.usage(subject.at)?;
                Some(crate::duration::duration_words(subject.now.since_ms(usage.last)))
            }
            Self::Weak { .. } if self.holds(subject).at(subject.now) => {
                Some("reported by the charger".to_owned())
            }
            _ => None,
        }
    }

    /// What can change it.
    pub(crate) fn inputs(&self) -> Inputs {
        let mut inputs = Inputs::default();
        self.each(&mut |part| {
            inputs.add(match part {
                Self::Flag(Flag::Connected | Flag::EverConnected)
                | Self::Flap { of: Restless::Link, .. } => Inputs::LINK,
                Self::Flag(Flag::Spoke) => Inputs(Inputs::LINK.0 | Inputs::MESSAGE.0),
                Self::Flag(Flag::TransactionOpen) => Inputs::TRANSACTION,
                Self::Flag(Flag::AnswersCommands) => Inputs::CALLS,
                Self::Flag(Flag::Vital(vital)) => vital.inputs(),
                Self::Text { field: Text::FirmwareStatus, .. } => Inputs::FIRMWARE,
                Self::Flag(_) | Self::Status { .. } | Self::Text { field: Text::ErrorCode, .. } => {
                    Inputs::STATUS
                }
                Self::Text { .. } => Inputs::BOOT,
                Self::Number { field, .. } | Self::Known(field) => match field {
                    Number::Signal(_) => Inputs::SIGNAL,
                    Number::Connector => Inputs::default(),
                    Number::UnansweredCommands => Inputs::CALLS,
                    Number::ClockSkew => Inputs::CLOCK,
                    Number::Vital(vital) => vital.inputs(),
                    _ => Inputs::METER,
                },
                Self::Elapsed { field, .. } => match field {
                    // Silence ends with any message, and looking is put off to when it matters.
                    Elapsed::Silent | Elapsed::Offline | Elapsed::CertificateLeft => Inputs::LINK,
                    Elapsed::Status | Elapsed::Plugged => Inputs::STATUS,
                    Elapsed::TransactionAge => Inputs::TRANSACTION,
                    Elapsed::TransactionIdle => Inputs::METER_OR_TRANSACTION,
                    Elapsed::Vital(vital) => vital.inputs(),
                },
                Self::Median { .. } | Self::Weak { .. } => Inputs::SIGNAL,
                Self::Happened { .. }
                | Self::Ratio { .. }
                | Self::BelowCohort { .. }
                | Self::TimesCohort { .. }
                | Self::CohortExpects { .. } => Inputs::HAPPENED,
                Self::Flap { of: Restless::Status, .. } => Inputs::STATUS,
                // A success puts the moment off; what is not free is not silent.
                Self::Silence { .. } => {
                    Inputs(Inputs::HAPPENED.0 | Inputs::LINK.0 | Inputs::STATUS.0)
                }
                Self::All(_) | Self::Any(_) | Self::Not(_) => Inputs::default(),
            });
        });
        inputs
    }

    /// Whether it is about the connection itself, so that it can be judged while offline.
    pub(crate) fn judges_link(&self) -> bool {
        let mut judges = false;
        self.each(&mut |part| {
            judges |= match part {
                Self::Happened { kind, .. } | Self::TimesCohort { kind, .. } => kind.is_of_link(),
                // Nobody can charge at a charger that is away.
                Self::Silence { .. }
                | Self::CohortExpects { .. }
                | Self::All(_)
                | Self::Any(_)
                | Self::Not(_) => false,
                part => part.inputs().meets(Inputs::LINK),
            };
        });
        judges
    }

    /// Whether it reads the state of a connector, which a rule about a charger cannot.
    pub(crate) fn reads_connector(&self) -> bool {
        let mut reads = false;
        self.each(&mut |part| {
            reads |= match part {
                Self::Flag(Flag::Vital(vital)) => vital.reads_connector(),
                Self::Number { field: Number::Vital(vital), .. }
                | Self::Known(Number::Vital(vital)) => vital.reads_connector(),
                Self::Elapsed { field: Elapsed::Vital(vital), .. } => vital.reads_connector(),
                _ => false,
            };
            reads |= matches!(
                part,
                Self::Status { whole: false, .. }
                    | Self::Flap { of: Restless::Status, .. }
                    | Self::Flag(Flag::Plugged | Flag::FaultActive)
                    | Self::Text { field: Text::ErrorCode, .. }
                    | Self::Elapsed { field: Elapsed::Status | Elapsed::Plugged, .. }
                    | Self::Number {
                        field: Number::Connector
                            | Number::Power
                            | Number::Soc
                            | Number::Temperature,
                        ..
                    }
            );
        });
        reads
    }

    /// For how long back it looks into what is remembered, in milliseconds.
    pub(crate) fn memory_ms(&self) -> i64 {
        let mut longest = 0;
        self.each(&mut |part| {
            longest = longest.max(match part {
                Self::Happened { within_ms, .. } | Self::TimesCohort { within_ms, .. } => {
                    *within_ms
                }
                Self::Flap { look_ms, .. } => look_ms * i64::from(crate::flap::LOOKS),
                _ => 0,
            });
        });
        longest
    }

    /// Scales every duration in it.
    pub(crate) fn pace(&mut self, pace: f64) {
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

#[cfg(test)]
mod tests {
    use super::*;

    fn between(from: i64, until: i64) -> Holds {
        Holds { from: UnixMs(from), until: UnixMs(until) }
    }

    #[test]
    fn and_or_not_of_times() {
        let now = UnixMs(10);
        assert_eq!(between(0, 20).and(between(5, 30)), between(5, 20));
        assert_eq!(between(0, 5).and(between(5, 9)), Holds::NEVER);
        assert_eq!(between(0, 20).or(between(5, 30), now), between(0, 30));
        assert_eq!(between(40, 50).or(between(20, 30), now), between(20, 30));
        assert_eq!(between(0, 5).or(between(20, 30), now), between(20, 30));
        assert_eq!(Holds::NEVER.not(now), Holds::before(UnixMs(i64::MAX)));
        assert_eq!(Holds::ALWAYS.not(now), Holds::NEVER);
        assert_eq!(between(0, 20).not(now), Holds::since(UnixMs(20)));
        assert_eq!(between(20, 30).not(now), Holds::before(UnixMs(20)));
    }

    #[test]
    fn the_next_change_lies_ahead() {
        assert_eq!(between(0, 20).next_change(UnixMs(10)), Some(UnixMs(20)));
        assert_eq!(between(15, 20).next_change(UnixMs(10)), Some(UnixMs(15)));
        assert_eq!(Holds::ALWAYS.next_change(UnixMs(10)), None);
        assert_eq!(Holds::NEVER.next_change(UnixMs(10)), None);
    }
}
