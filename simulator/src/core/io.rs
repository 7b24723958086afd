//! What goes into a charger and what comes out of it.

use crate::Fault;

/// What happens to a charger.
#[derive(Clone, Debug, PartialEq)]
pub enum Input {
    /// It gets power for the first time.
    Start,
    /// The connection it asked for is open.
    Opened,
    /// The connection ended, or could not be opened; why, in words.
    Closed(String),
    /// A text frame came.
    Text(String),
    /// A deadline has passed.
    Tick,
    /// Somebody does something to it.
    Act(Act),
}

/// What people and circumstances do to a charger.
#[derive(Clone, Debug, PartialEq)]
pub enum Act {
    /// A car is plugged in.
    PlugIn {
        /// Where, from 1.
        connector: u16,
    },
    /// The car leaves; a running transaction ends with `EVDisconnected`.
    Unplug {
        /// Where, from 1.
        connector: u16,
    },
    /// A driver presents a token and charges.
    StartSession {
        /// Where, from 1.
        connector: u16,
        /// The token; one of the drivers' own when `None`.
        token: Option<String>,
        /// How long, ms of wall-clock time; of the usual length when `None`.
        length_ms: Option<i64>,
    },
    /// The driver ends the running session.
    StopSession {
        /// Where, from 1.
        connector: u16,
    },
    /// One session that ends with less than 100 Wh and reason Other.
    FailSession {
        /// Where, from 1.
        connector: u16,
    },
    /// Something breaks.
    Fault(Fault),
    /// Somebody repairs all faults of a connector; 0 for the whole charger.
    Clear {
        /// Where.
        connector: u16,
    },
    /// The network is gone, or the power.
    GoOffline {
        /// For how long, ms of wall-clock time; until [`Act::ComeBack`] when `None`.
        for_ms: Option<i64>,
        /// Whether the power is gone as well: then it boots when it is back.
        power: bool,
    },
    /// Network and power are back.
    ComeBack,
    /// The connection drops and returns again and again.
    Flap {
        /// How often.
        times: u32,
        /// How long it is away each time, ms.
        down_ms: i64,
        /// How long it stays in between, ms.
        up_ms: i64,
    },
    /// The radio link is weak for a while.
    WeakSignal {
        /// What is measured meanwhile, dBm.
        dbm: i32,
        /// For how long, ms of wall-clock time.
        for_ms: i64,
        /// Whether a 1.6 charger reports the error code `WeakSignal` as well.
        error_code: bool,
    },
}

/// What a charger wants done, or tells about itself.
#[derive(Clone, Debug, PartialEq)]
pub enum Output {
    /// Open a connection; [`Input::Opened`] or [`Input::Closed`] follows.
    Open,
    /// Close the connection, or give up opening it; nothing follows.
    Close,
    /// Send a text frame.
    Send(String),
    /// News for logs, numbers and tests.
    Note(Note),
}

/// News of a charger.
#[derive(Clone, Debug, PartialEq)]
pub enum Note {
    /// The server's answer to the boot: `Accepted`, `Pending`, `Rejected`.
    Booted(String),
    /// A command came and was answered: action, its payload, our answer as JSON text or the error
    /// code. A charger that was rejected answers nothing: the answer is empty.
    Command {
        /// The action.
        action: String,
        /// Its payload as JSON text.
        payload: String,
        /// The answer's payload, or the code of the error.
        answer: String,
    },
    /// The server answered with an error.
    CallError {
        /// What was asked.
        action: String,
        /// Code and description.
        error: String,
    },
    /// The server's answer does not read as the version says.
    BadAnswer {
        /// What was asked.
        action: String,
        /// Why it does not read.
        why: String,
    },
    /// The server did not answer in time.
    NoAnswer(String),
    /// An answer came, after so many milliseconds.
    Answered(i64),
    /// A transaction began.
    TransactionStarted(u16),
    /// A transaction ended, with so many Wh.
    TransactionEnded(u16, i64),
    /// A fault began: its code.
    FaultBegan(String),
    /// A fault ended: its code and how.
    FaultEnded(String, &'static str),
    /// A reset by command is done; whether it left the charger worse than before.
    Reset {
        /// By the chance that [`crate::Behaviour::reset_harms`] states.
        harmed: bool,
    },
    /// A transaction message was given up after all attempts.
    GaveUp(String),
}
