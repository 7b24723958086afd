//! What can go wrong before a simulation runs. While it runs nothing does: chargers retry.

use std::fmt;

/// Why a simulation could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum SimulatorError {
    /// A scenario file is wrong; the text says where and what to do.
    #[error("read the scenario: {0}")]
    Scenario(ScenarioProblem),
    /// There is no built-in scenario of that name.
    #[error("find the scenario `{name}`: built in are {known}; anything else must be a TOML file")]
    UnknownScenario {
        /// The name asked for.
        name: String,
        /// The names that exist, for people.
        known: String,
    },
    /// The address of the server cannot be used.
    #[error("use the address `{url}`: {why}")]
    Url {
        /// The address as given.
        url: String,
        /// What is wrong with it.
        why: String,
    },
    /// A single charger did not get a connection in time.
    #[error("connect `{identity}`: {why}")]
    Connect {
        /// The charger.
        identity: String,
        /// The last reason.
        why: String,
    },
    /// The task of a charger has ended.
    #[error("reach the charger `{0}`: it was switched off")]
    Gone(String),
}

/// A mistake in a scenario file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScenarioProblem {
    /// The file's name as given.
    pub file: String,
    /// Line, from 1.
    pub line: usize,
    /// Column, from 1.
    pub column: usize,
    /// What is wrong, in a sentence.
    pub message: String,
}

impl fmt::Display for ScenarioProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}: {}", self.file, self.line, self.column, self.message)
    }
}
