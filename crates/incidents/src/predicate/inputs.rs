//! What a condition reads, and so which news can change it.

use super::{Elapsed, Flag, Number, Predicate, Text};
use crate::memory::Restless;
use crate::rule::Occurrence;
use crate::vitals::{VitalFlag, VitalTime};

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

    pub(crate) fn remove(&mut self, other: Self) {
        self.0 &= !other.0;
    }

    pub(crate) fn meets(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }
}

impl Predicate {
    /// What can change it.
    pub(crate) fn inputs(&self) -> Inputs {
        let mut inputs = Inputs::default();
        self.each(&mut |part| {
            inputs.add(match part {
                Self::Flag(Flag::Connected | Flag::EverConnected)
                | Self::Flap { of: Restless::Link, .. } => Inputs::LINK,
                Self::Flag(Flag::Spoke) => Inputs(Inputs::LINK.0 | Inputs::MESSAGE.0),
                Self::Flag(Flag::TransactionOpen) | Self::PowerOfKind { .. } => Inputs::TRANSACTION,
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
                    // It is used up while the charger is away, too.
                    Number::Burn(_) => Inputs(Inputs::HAPPENED.0 | Inputs::LINK.0),
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

    /// Whether it looks back on things of a kind.
    pub(crate) fn recalls(&self, kind: Occurrence) -> bool {
        let mut recalls = false;
        self.each(&mut |part| {
            recalls |= match part {
                Self::Happened { kind: of, .. } | Self::TimesCohort { kind: of, .. } => *of == kind,
                Self::Ratio { good, bad, .. } | Self::BelowCohort { good, bad, .. } => {
                    *good == kind || *bad == kind
                }
                // A success puts the moment off.
                Self::Silence { .. } => kind == Occurrence::AttemptSucceeded,
                Self::Elapsed { field: Elapsed::Vital(VitalTime::Card), .. } => {
                    kind == Occurrence::Card
                }
                _ => false,
            };
        });
        recalls
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

    /// Whether it is about an open charge, or about there being none, so that it cannot be judged
    /// while it is not known whether one goes on (1.6).
    pub(crate) fn judges_charge(&self) -> bool {
        let mut judges = false;
        self.each(&mut |part| {
            judges |= matches!(
                part,
                Self::Flag(Flag::TransactionOpen | Flag::Vital(VitalFlag::CarWaits))
                    | Self::Elapsed {
                        field: Elapsed::TransactionAge
                            | Elapsed::TransactionIdle
                            | Elapsed::Vital(VitalTime::NoProgress | VitalTime::MeterOverdue),
                        ..
                    }
            );
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
                    | Self::PowerOfKind { .. }
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
                Self::Happened { within_ms, .. }
                | Self::TimesCohort { within_ms, .. }
                | Self::Median { within_ms, .. }
                | Self::Weak { within_ms, .. } => *within_ms,
                Self::Flap { look_ms, .. } => look_ms * i64::from(crate::flap::LOOKS),
                _ => 0,
            });
        });
        longest
    }
}
