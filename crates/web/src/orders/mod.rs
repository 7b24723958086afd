//! Orders to chargers that take more than one message or are kept: local lists, reservations,
//! charging profiles. Pages and the API both go through here.

pub(crate) mod follow;
pub(crate) mod limits;
pub(crate) mod local_list;
pub(crate) mod profiles;
pub(crate) mod reservations;

use mendpoint_model::{
    Action, ChargerRecord, ChargerState, CommandOutcome, ConnectorRef, Protocol,
};

use crate::AppState;

/// Why an order cannot be carried out, or why it was not.
#[derive(Debug)]
pub(crate) enum OrderError {
    /// What was asked for makes no sense; the sentence says why.
    Wrong(String),
    /// The charger would not; the sentence says what it answered.
    Refused(String),
    /// There is no such thing.
    Missing(String),
    /// The program could not.
    Failed(mendpoint_pipeline::Error),
}

impl From<mendpoint_pipeline::Error> for OrderError {
    fn from(error: mendpoint_pipeline::Error) -> Self {
        Self::Failed(error)
    }
}

impl From<mendpoint_store::Error> for OrderError {
    fn from(error: mendpoint_store::Error) -> Self {
        Self::Failed(mendpoint_pipeline::Error::Store(error))
    }
}

impl OrderError {
    /// As a sentence for a form.
    pub(crate) fn sentence(self) -> String {
        match self {
            Self::Wrong(sentence) | Self::Refused(sentence) | Self::Missing(sentence) => sentence,
            Self::Failed(error) => error.to_string(),
        }
    }
}

/// What a charger made of a command.
#[derive(Clone, Debug)]
pub(crate) struct Told {
    /// The status word of its answer, or its error code; empty when there was none.
    pub(crate) status: String,
    /// The answer's payload; empty when there was none.
    pub(crate) payload: String,
    /// Why there is no answer, or what its error said.
    pub(crate) problem: String,
    /// Whether it said yes.
    pub(crate) accepted: bool,
    /// Whether it cannot do this at all.
    pub(crate) unsupported: bool,
}

impl Told {
    /// Whether the charger said nothing at all.
    fn is_silence(&self) -> bool {
        self.status.is_empty() && self.payload.is_empty() && !self.unsupported
    }

    /// Nothing was sent.
    fn failed(why: &str) -> Self {
        Self {
            status: String::new(),
            payload: String::new(),
            problem: why.to_owned(),
            accepted: false,
            unsupported: false,
        }
    }
}

/// Sends a command and waits for the charger's own answer.
pub(crate) async fn ask(
    state: &AppState,
    record: &ChargerRecord,
    action: Action,
    user: &str,
) -> Result<Told, OrderError> {
    let report = state.handle().command(record.key, action, user).await?;
    Ok(told(report.outcome))
}

fn told(outcome: CommandOutcome) -> Told {
    let summary = outcome.summary().to_owned();
    match outcome {
        CommandOutcome::Answered { accepted, status, payload } => {
            let unsupported = status == "NotSupported";
            let problem =
                if accepted { String::new() } else { format!("The charger said {status}.") };
            Told { status, payload, problem, accepted, unsupported }
        }
        CommandOutcome::Refused { code, description } => Told {
            unsupported: matches!(code.as_str(), "NotSupported" | "NotImplemented"),
            problem: format!("The charger answered with the error {code}. {description}")
                .trim_end()
                .to_owned(),
            status: code,
            payload: String::new(),
            accepted: false,
        },
        CommandOutcome::Unsupported(why) => Told {
            status: String::new(),
            payload: String::new(),
            problem: format!("It was not sent: {why}."),
            accepted: false,
            unsupported: true,
        },
        _ => Told {
            status: String::new(),
            payload: String::new(),
            problem: format!("No answer: {summary}."),
            accepted: false,
            unsupported: false,
        },
    }
}

/// The state of a charger and the version it speaks.
///
/// # Errors
/// A sentence when it never connected: then nobody knows its version.
pub(crate) async fn spoken(
    state: &AppState,
    record: &ChargerRecord,
) -> Result<(Box<ChargerState>, Protocol), OrderError> {
    let live = state.handle().charger(record.key).await;
    let live = live.ok_or_else(|| OrderError::Missing("This charger is not known.".to_owned()))?;
    let protocol = live.link.protocol.ok_or_else(|| {
        OrderError::Wrong("This charger never connected, so nothing can be sent to it.".to_owned())
    })?;
    Ok((live, protocol))
}

/// `2`, `2.1` or `0` and nothing for the whole charger.
pub(crate) fn connector_of(text: &str) -> Result<ConnectorRef, OrderError> {
    if matches!(text.trim(), "" | "0" | "charger") {
        return Ok(ConnectorRef::CHARGER);
    }
    let (evse, connector) = text.trim().split_once('.').unwrap_or((text.trim(), "1"));
    match (evse.parse(), connector.parse()) {
        (Ok(evse), Ok(connector)) if evse > 0 => Ok(ConnectorRef { evse, connector }),
        _ => Err(OrderError::Wrong(format!("There is no connector {text:?}."))),
    }
}

/// Whether a charger is known to have a connector; one that told of none has any.
pub(crate) fn has_connector(live: &ChargerState, at: ConnectorRef) -> bool {
    at.is_charger()
        || live.connectors.is_empty()
        || live.connectors.iter().any(|connector| connector.at.evse == at.evse)
}
