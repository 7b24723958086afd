//! What is odd about a transaction, and what was said of it: the lines of its ledger.

use serde::{Deserialize, Serialize};

use crate::{FrameSeq, MeterReading, TransactionId, UnixMs};

macro_rules! finding_codes {
    ($($(#[$doc:meta])* $name:ident = $word:literal, $hard:literal, $title:literal;)*) => {
        /// A check that a transaction did not pass. Hard ones mean that the money is wrong, soft
        /// ones that somebody should look.
        #[derive(
            Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
        )]
        pub enum FindingCode {
            $($(#[$doc])* #[serde(rename = $word)] $name,)*
        }

        impl FindingCode {
            /// All of them, soft ones first.
            pub const ALL: &[Self] = &[$(Self::$name),*];

            /// The word in the database, the API and the documentation.
            pub fn name(self) -> &'static str {
                match self { $(Self::$name => $word,)* }
            }

            /// Whether the money is wrong, and not only odd.
            pub fn is_hard(self) -> bool {
                match self { $(Self::$name => $hard,)* }
            }

            /// What it is about, in a few words for people.
            pub fn title(self) -> &'static str {
                match self { $(Self::$name => $title,)* }
            }

            /// The code of a word.
            pub fn from_name(name: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|code| code.name() == name)
            }
        }
    };
}

finding_codes! {
    /// The register rose more between two samples than any connector can deliver.
    RegisterJumped = "REGISTER_JUMPED", false, "Register jumped";
    /// More energy than the connector can deliver in the time.
    EnergyTooHigh = "ENERGY_TOO_HIGH", false, "More energy than possible";
    /// No energy over a long time.
    ZeroEnergy = "ZERO_ENERGY", false, "No energy";
    /// Another card ended it than the one that began it, of another group.
    StoppedByOther = "STOPPED_BY_OTHER", false, "Stopped by another card";
    /// Two transactions on one connector at the same time.
    Overlap = "OVERLAP", false, "Overlaps another one";
    /// Longer than two days.
    TooLong = "TOO_LONG", false, "Very long";
    /// Messages of it never came (2.x sequence numbers).
    SeqGap = "SEQ_GAP", false, "Messages are missing";
    /// It came from the charger's offline queue.
    Offline = "OFFLINE", false, "Reported late";
    /// The charger never told its end: the figures are the last ones known.
    EndNotTold = "END_NOT_TOLD", false, "End not told";
    /// Its end arrived before its start.
    EndFirst = "END_FIRST", false, "End came first";
    /// The charger's clock was of no use at its start or end.
    ClockOdd = "CLOCK_ODD", false, "Clock not believable";
    /// It began with a card that may not charge (behaviour 57).
    RefusedToken = "REFUSED_TOKEN", false, "Card was refused";
    /// Its start named no card or no register, which OCPP 1.6 asks for.
    StartIncomplete = "START_INCOMPLETE", false, "Start incomplete";
    /// The register ran backwards.
    RegisterBackwards = "REGISTER_BACKWARDS", true, "Register ran backwards";
    /// No register was told: the energy is unknown.
    NoRegister = "NO_REGISTER", true, "No register";
    /// It ended before it began, by the charger's own clock.
    EndBeforeStart = "END_BEFORE_START", true, "Ended before it began";
    /// The same transaction id came twice with other content.
    IdReused = "ID_REUSED", true, "Same id, other content";
    /// A second end said something else than the first.
    EndTwice = "END_TWICE", true, "Two different ends";
    /// An end for a transaction that is not known here (behaviour 58).
    OrphanEnd = "ORPHAN_END", true, "End without a start";
}

/// A check that was not passed, with what was seen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// Which check.
    pub code: FindingCode,
    /// What was seen, as a plain sentence.
    pub sentence: String,
}

impl Finding {
    /// A finding.
    pub fn new(code: FindingCode, sentence: impl Into<String>) -> Self {
        Self { code, sentence: sentence.into() }
    }
}

/// What kind of message a note is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NoteKind {
    /// It began.
    Started,
    /// Its start was sent again (behaviour 32).
    StartedAgain,
    /// It went on.
    Updated,
    /// A message filled a gap of the sequence, or told something old.
    Late,
    /// Values were measured.
    Meter,
    /// Values came after its end (behaviour 61).
    MeterAfterEnd,
    /// The charger ended it.
    Ended,
    /// Its end was sent again (behaviour 59).
    EndedAgain,
    /// We closed it, because the charger did not (behaviour 53).
    GivenUp,
    /// The charger's own word replaced what we had assumed.
    Corrected,
}

impl NoteKind {
    /// All of them.
    pub const ALL: [Self; 10] = [
        Self::Started,
        Self::StartedAgain,
        Self::Updated,
        Self::Late,
        Self::Meter,
        Self::MeterAfterEnd,
        Self::Ended,
        Self::EndedAgain,
        Self::GivenUp,
        Self::Corrected,
    ];

    /// The word in the database and the API.
    pub fn name(self) -> &'static str {
        match self {
            Self::Started => "started",
            Self::StartedAgain => "started_again",
            Self::Updated => "updated",
            Self::Late => "late",
            Self::Meter => "meter",
            Self::MeterAfterEnd => "meter_after_end",
            Self::Ended => "ended",
            Self::EndedAgain => "ended_again",
            Self::GivenUp => "given_up",
            Self::Corrected => "corrected",
        }
    }

    /// The kind of a word.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// For people.
    pub fn label(self) -> &'static str {
        match self {
            Self::Started => "Started",
            Self::StartedAgain => "Start sent again",
            Self::Updated => "Updated",
            Self::Late => "Came late",
            Self::Meter => "Measured",
            Self::MeterAfterEnd => "Measured, told after the end",
            Self::Ended => "Ended",
            Self::EndedAgain => "End sent again",
            Self::GivenUp => "Closed by Mendpoint",
            Self::Corrected => "Corrected",
        }
    }
}

/// Something that was said of a transaction.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TransactionNote {
    /// What kind of message.
    pub kind: NoteKind,
    /// The charger's own time of it, if told.
    pub told_at: Option<UnixMs>,
    /// 2.x sequence number.
    pub seq_no: Option<i64>,
    /// What else it said, for people; may be empty.
    pub text: String,
    /// The values, for the kinds that measure.
    pub reading: Option<MeterReading>,
}

/// One line of the ledger of transactions: what the fold of a charger found out beside its state.
#[derive(Clone, Debug, PartialEq)]
pub enum LedgerLine {
    /// Something was said.
    Note(TransactionId, TransactionNote),
    /// A check was not passed.
    Found(TransactionId, Finding),
    /// What was found does not hold any more: the missing message came.
    Cleared(TransactionId, FindingCode),
    /// An end that had been kept as an orphan belongs to this transaction after all.
    Joined {
        /// Its transaction.
        transaction: TransactionId,
        /// The number that the end carried.
        sent: TransactionId,
        /// The charger's own id in it; empty for 1.6.
        external_id: String,
    },
}

/// A note as it is kept.
#[derive(Clone, Debug, PartialEq)]
pub struct KeptNote {
    /// Its number; larger is later.
    pub id: i64,
    /// When it was received.
    pub at: UnixMs,
    /// The frame that said it; 0 for none.
    pub frame: FrameSeq,
    /// What it said.
    pub note: TransactionNote,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_read_back_and_are_not_used_twice() {
        for (index, code) in FindingCode::ALL.iter().enumerate() {
            assert_eq!(FindingCode::from_name(code.name()), Some(*code));
            let json = serde_json::to_string(code).expect("a word");
            assert_eq!(json, format!("\"{}\"", code.name()));
            assert!(FindingCode::ALL[..index].iter().all(|other| other.name() != code.name()));
        }
        for kind in NoteKind::ALL {
            assert_eq!(NoteKind::from_name(kind.name()), Some(kind));
            let json = serde_json::to_string(&kind).expect("a word");
            assert_eq!(json, format!("\"{}\"", kind.name()));
        }
    }
}
