//! What models of chargers can do, learned from what they answer (behaviour 64).

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::{Action, Boot, CommandOutcome, Protocol, UnixMs};

/// A kind of charger: those of one vendor, model and firmware behave alike.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ModelKey {
    /// Manufacturer.
    pub vendor: Box<str>,
    /// Model.
    pub model: Box<str>,
    /// Firmware version; empty when the charger does not tell it.
    pub firmware: Box<str>,
}

impl ModelKey {
    /// The kind that a charger says it is. `None` when it names neither vendor nor model.
    pub fn of(boot: &Boot) -> Option<Self> {
        let known = !boot.vendor.is_empty() || !boot.model.is_empty();
        known.then(|| Self {
            vendor: boot.vendor.as_str().into(),
            model: boot.model.as_str().into(),
            firmware: boot.firmware.as_deref().unwrap_or_default().into(),
        })
    }
}

impl fmt::Display for ModelKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.vendor, self.model)?;
        if !self.firmware.is_empty() {
            write!(f, " {}", self.firmware)?;
        }
        Ok(())
    }
}

/// What one answer says about a capability.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Lesson {
    /// It did it, or said that it will.
    Works,
    /// `NotSupported`.
    NotSupported,
    /// `NotImplemented`.
    NotImplemented,
    /// It said no, for a reason that may pass.
    Rejected,
    /// No answer in time.
    NoAnswer,
}

impl Lesson {
    /// What the outcome of an action says about the model. `None`: nothing, because it never
    /// reached the charger, or the answer is about something else than the action.
    pub fn of(action: &Action, outcome: &CommandOutcome) -> Option<Self> {
        match outcome {
            CommandOutcome::Answered { accepted: true, .. } => Some(Self::Works),
            CommandOutcome::Answered { status, .. } => Some(Self::of_status(action, status)),
            CommandOutcome::Refused { code, .. } => Some(match code.as_str() {
                "NotSupported" => Self::NotSupported,
                "NotImplemented" => Self::NotImplemented,
                _ => Self::Rejected,
            }),
            CommandOutcome::TimedOut => Some(Self::NoAnswer),
            CommandOutcome::NotConnected
            | CommandOutcome::Expired
            | CommandOutcome::QueueFull
            | CommandOutcome::Unsupported(_)
            | CommandOutcome::Dropped(_) => None,
        }
    }

    fn of_status(action: &Action, status: &str) -> Self {
        match (action.name(), status) {
            // The key, the variable or the monitor is not there: the action is.
            (
                "ChangeConfiguration"
                | "GetVariables"
                | "SetVariables"
                | "SetVariableMonitoring"
                | "ClearVariableMonitoring",
                _,
            )
            // There was nothing to tell, which is an answer.
            | (_, "EmptyResultSet" | "NoTransaction" | "NotFound") => Self::Works,
            (_, "NotSupported") => Self::NotSupported,
            (_, "NotImplemented" | "UnknownVendorId" | "UnknownMessageId") => Self::NotImplemented,
            _ => Self::Rejected,
        }
    }
}

/// Raw actions that are told apart by what they are asked for.
const QUALIFIED: [&str; 5] =
    ["TriggerMessage", "ExtendedTriggerMessage", "Reset", "GetBaseReport", "DataTransfer"];

/// The name of what is learned: the action, with what it is asked for where models differ in that
/// (`TriggerMessage MeterValues`, `Reset Hard`, `DataTransfer Evnex/GetRSSI`).
///
/// The name is that of the version: our own words for starting, stopping and reading are translated.
pub fn capability_name(protocol: Option<Protocol>, action: &Action) -> String {
    let fields = match action {
        Action::Raw { action, payload } if QUALIFIED.contains(&action.as_str()) => {
            serde_json::from_str(payload).unwrap_or_default()
        }
        _ => serde_json::Value::Null,
    };
    let field = |name: &str| Some(fields.get(name)?.as_str()?.to_owned());
    let qualifier = match action {
        Action::Trigger { message, .. } => Some(message.name().to_owned()),
        Action::Reset { hard, .. } => Some(if *hard { "Hard" } else { "Soft" }.to_owned()),
        Action::Raw { action, .. } => match action.as_str() {
            "TriggerMessage" | "ExtendedTriggerMessage" => field("requestedMessage"),
            "Reset" => field("type").map(|kind| match kind.as_str() {
                "Immediate" => "Hard".to_owned(),
                "OnIdle" => "Soft".to_owned(),
                _ => kind,
            }),
            "GetBaseReport" => field("reportBase"),
            "DataTransfer" => field("vendorId").map(|vendor| match field("messageId") {
                Some(message) => format!("{vendor}/{message}"),
                None => vendor,
            }),
            _ => None,
        },
        _ => None,
    };
    let is_v2 = protocol.is_some_and(|protocol| protocol != Protocol::V16);
    let name = match action {
        Action::RemoteStart { .. } if is_v2 => "RequestStartTransaction",
        Action::RemoteStop { .. } if is_v2 => "RequestStopTransaction",
        Action::GetConfiguration { keys } if is_v2 && keys.is_empty() => {
            "GetBaseReport FullInventory"
        }
        Action::GetConfiguration { .. } if is_v2 => "GetVariables",
        other => other.name(),
    };
    match qualifier {
        Some(qualifier) => format!("{name} {qualifier}"),
        None => name.to_owned(),
    }
}

/// How often each answer came.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CapabilityCounts {
    /// Times it worked.
    pub works: u32,
    /// Times it was `NotSupported`.
    pub not_supported: u32,
    /// Times it was `NotImplemented`.
    pub not_implemented: u32,
    /// Times it was refused otherwise.
    pub rejected: u32,
    /// Times nothing came.
    pub no_answer: u32,
    /// When the last of them came.
    pub last_at: UnixMs,
}

impl CapabilityCounts {
    /// Counts one more.
    pub fn add(&mut self, lesson: Lesson, at: UnixMs) {
        let count = match lesson {
            Lesson::Works => &mut self.works,
            Lesson::NotSupported => &mut self.not_supported,
            Lesson::NotImplemented => &mut self.not_implemented,
            Lesson::Rejected => &mut self.rejected,
            Lesson::NoAnswer => &mut self.no_answer,
        };
        *count = count.saturating_add(1);
        self.last_at = self.last_at.max(at);
    }

    /// What they come to. One `NotSupported` counts; a refusal may have had its reason, so it takes
    /// several, and nothing that ever worked is given up.
    pub fn verdict(&self) -> Verdict {
        if self.works > 0 {
            Verdict::Works
        } else if self.not_supported + self.not_implemented > 0 {
            Verdict::Unsupported
        } else if self.rejected >= REJECTED_MIN {
            Verdict::AlwaysRejected
        } else {
            Verdict::Unknown
        }
    }

    /// The word for why it is not supported.
    pub fn refusal(&self) -> &'static str {
        if self.not_supported > 0 {
            "NotSupported"
        } else if self.not_implemented > 0 {
            "NotImplemented"
        } else {
            "Rejected"
        }
    }
}

/// Refusals without a single success from which on a model counts as one that always refuses.
const REJECTED_MIN: u32 = 5;

/// Whether a model can do something.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Verdict {
    /// Too little is known.
    #[default]
    Unknown,
    /// It has worked.
    Works,
    /// It is `NotSupported` or `NotImplemented` and never worked: it is not tried again.
    Unsupported,
    /// It was refused several times and never worked.
    AlwaysRejected,
}

impl Verdict {
    /// The word for people.
    pub fn label(self) -> &'static str {
        match self {
            Self::Unknown => "not known",
            Self::Works => "works",
            Self::Unsupported => "not supported",
            Self::AlwaysRejected => "always rejected",
        }
    }
}

/// What is known of models, for those who decide: a snapshot that is read often and replaced when
/// a verdict changes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Capabilities {
    /// What does not work, by model: the name of the capability and the charger's word.
    unsupported: BTreeMap<ModelKey, BTreeMap<Box<str>, &'static str>>,
}

impl Capabilities {
    /// Notes that a model cannot do something.
    pub fn forbid(&mut self, model: &ModelKey, capability: &str, word: &'static str) {
        self.unsupported.entry(model.clone()).or_default().insert(capability.into(), word);
    }

    /// The charger's word for why a model does not do something: `NotSupported`, `NotImplemented`.
    pub fn refusal(&self, model: &ModelKey, capability: &str) -> Option<&'static str> {
        self.unsupported.get(model)?.get(capability).copied()
    }

    /// Whether nothing is known to be missing.
    pub fn is_empty(&self) -> bool {
        self.unsupported.is_empty()
    }
}

/// A snapshot, shared.
pub type SharedCapabilities = Arc<Capabilities>;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::TriggeredMessage;

    fn raw(action: &str) -> Action {
        Action::Raw { action: action.to_owned(), payload: String::new() }
    }

    fn answered(status: &str, accepted: bool) -> CommandOutcome {
        CommandOutcome::Answered { accepted, status: status.to_owned(), payload: String::new() }
    }

    fn refused(code: &str) -> CommandOutcome {
        CommandOutcome::Refused { code: code.to_owned(), description: String::new() }
    }

    #[test]
    fn b64_one_not_supported_counts_and_one_rejected_does_not() {
        let reset = raw("Reset");
        let mut counts = CapabilityCounts::default();
        counts.add(Lesson::of(&reset, &answered("Rejected", false)).expect("told"), UnixMs(1));
        assert_eq!(counts.verdict(), Verdict::Unknown);
        counts.add(Lesson::of(&reset, &refused("NotSupported")).expect("told"), UnixMs(2));
        assert_eq!(counts.verdict(), Verdict::Unsupported);
        assert_eq!((counts.refusal(), counts.last_at), ("NotSupported", UnixMs(2)));
        counts.add(Lesson::of(&reset, &answered("Accepted", true)).expect("told"), UnixMs(3));
        assert_eq!(counts.verdict(), Verdict::Works, "what worked once is not given up");
    }

    #[test]
    fn a_missing_key_says_nothing_about_the_action() {
        let outcome = answered("NotSupported", false);
        assert_eq!(Lesson::of(&raw("ChangeConfiguration"), &outcome), Some(Lesson::Works));
        assert_eq!(Lesson::of(&raw("UnlockConnector"), &outcome), Some(Lesson::NotSupported));
        assert_eq!(Lesson::of(&raw("Reset"), &CommandOutcome::NotConnected), None);
    }

    #[test]
    fn what_models_differ_in_has_a_name_of_its_own() {
        let trigger = Action::Trigger { message: TriggeredMessage::MeterValues, connector: None };
        assert_eq!(capability_name(None, &trigger), "TriggerMessage MeterValues");
        let ask = Action::Raw {
            action: "DataTransfer".to_owned(),
            payload: r#"{"vendorId":"Evnex","messageId":"GetRSSI"}"#.to_owned(),
        };
        assert_eq!(capability_name(None, &ask), "DataTransfer Evnex/GetRSSI");
        assert_eq!(capability_name(None, &raw("ClearCache")), "ClearCache");
        let read = Action::GetConfiguration { keys: vec!["A.B".to_owned()] };
        assert_eq!(capability_name(Some(Protocol::V201), &read), "GetVariables");
        assert_eq!(capability_name(Some(Protocol::V16), &read), "GetConfiguration");
    }
}
