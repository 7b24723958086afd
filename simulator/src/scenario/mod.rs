//! Scenarios: what fleet there is, how it behaves, and what happens to it when.
//!
//! A scenario is a TOML file; unknown keys are refused. Lengths of time are text: `"90s"`,
//! `"1m30s"`; where a range fits, two of them: `["30s", "90s"]`.
//!
//! - `description`: one sentence.
//! - `[fleet]`: `identity`, a pattern of `{code}` and `{n}`, `{nn}` or `{nnn}`; `max_broken`, the
//!   share of the fleet that events may have broken at once.
//! - `[behaviour]`: see [`Behaviour`]; `repaired_after`, when somebody comes and repairs what
//!   nothing else mends.
//! - `[[site]]`: `name`, `code`, `region`, `address`, `latitude`, `longitude`, `installer`,
//!   `installer_email`, `chargers`.
//! - `[[model]]`: `vendor`, `model`, `firmware` (one of a list), `protocol`, `connectors`,
//!   `power_kw`, `current` (`ac`, `dc`), `link` (`ethernet`, `wifi`, `cellular`), `weight`.
//! - `[[fault]]`: `name`, `code` (of OCPP 1.6), `vendor_code`, `info`, `component`, `variable`,
//!   `connector` (0 for the whole charger; any without it), `cure` (`itself` with `after`,
//!   `soft_reset`, `hard_reset`, `unlock`, `availability_cycle`, `never`, `worse_faulted`,
//!   `worse_offline`), `shows` (`faulted`, `warning`, `fails_sessions`, `faults_in_session`),
//!   `weight`, `repaired_after`.
//! - `[[event]]`: `kind` (`fault`, `offline`, `flap`, `site_down`, `carrier_down`, `weak_wifi`, `weak_cell`,
//!   `session`, `failed_session`, `report`), `at` and `every` with `jitter` and `until`; `sites`
//!   or `charger` to choose whom; `lasts`; and by kind `faults`, `power`, `times` and `up`, `dbm`
//!   and `error_code`.

mod build;
pub(crate) mod director;
mod file;
#[cfg(test)]
mod tests;

use crate::{Behaviour, ChargerSpec, Fault, SimulatorError, SiteSpec};

/// A scenario that was read and checked.
#[derive(Clone, Debug)]
pub struct Scenario {
    /// Its name: of the file or of the built-in.
    pub name: String,
    /// One sentence on what it shows.
    pub description: String,
    /// How chargers and drivers behave.
    pub behaviour: Behaviour,
    sites: Vec<SiteSpec>,
    chargers: Vec<ChargerSpec>,
    pub(crate) faults: Vec<FaultModel>,
    pub(crate) events: Vec<EventRule>,
    /// Largest share of the fleet that events may have broken at once, 0 to 1.
    pub(crate) max_broken: f64,
}

/// A named fault of a scenario, with how often it is picked.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct FaultModel {
    pub(crate) name: String,
    pub(crate) weight: f64,
    /// Connector 0 means the whole charger; `None` any connector.
    pub(crate) connector: Option<u16>,
    pub(crate) fault: Fault,
}

/// Something that happens once or again and again.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct EventRule {
    pub(crate) kind: EventKind,
    /// First time, ms after the start.
    pub(crate) at_ms: i64,
    /// Then each so many ms.
    pub(crate) every_ms: Option<i64>,
    /// Each time is moved by up to this much, ms.
    pub(crate) jitter_ms: i64,
    /// Not after this, ms after the start.
    pub(crate) until_ms: Option<i64>,
    /// Only chargers of these sites, by index; all when empty.
    pub(crate) sites: Vec<usize>,
    /// Only this charger, by index.
    pub(crate) charger: Option<usize>,
    /// How long it lasts, ms, from and to.
    pub(crate) lasts_ms: (i64, i64),
}

/// What happens.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum EventKind {
    /// One of these faults, by index.
    Fault(Vec<usize>),
    /// A charger loses its network, or its power.
    Offline { power: bool },
    /// A charger's connection drops and returns.
    Flap { times: u32, up_ms: i64 },
    /// All chargers of a site lose network or power.
    SiteDown { power: bool },
    /// All chargers with a SIM card lose the mobile network, at all sites or some.
    CarrierDown,
    /// The radio link is weak.
    Weak { wifi: bool, dbm: (i32, i32), error_code: bool },
    /// A driver begins a session.
    Session,
    /// A session that fails.
    FailedSession,
    /// A driver reports a charger.
    Report,
}

impl Scenario {
    /// The names of the scenarios that come with the program.
    pub const BUILTIN: [&'static str; 5] = ["demo", "steady", "outage", "correlated", "faults"];

    /// Reads and checks a scenario. `name` is the file's name, for messages.
    ///
    /// # Errors
    /// [`SimulatorError::Scenario`] with file, line, column and what to do.
    pub fn parse(name: &str, text: &str) -> Result<Self, SimulatorError> {
        build::scenario(name, text).map_err(SimulatorError::Scenario)
    }

    /// A scenario that comes with the program.
    ///
    /// # Errors
    /// [`SimulatorError::UnknownScenario`] with the names that exist.
    pub fn builtin(name: &str) -> Result<Self, SimulatorError> {
        let text = match name {
            "demo" => include_str!("../../scenarios/demo.toml"),
            "steady" => include_str!("../../scenarios/steady.toml"),
            "outage" => include_str!("../../scenarios/outage.toml"),
            "correlated" => include_str!("../../scenarios/correlated.toml"),
            "faults" => include_str!("../../scenarios/faults.toml"),
            _ => {
                return Err(SimulatorError::UnknownScenario {
                    name: name.to_owned(),
                    known: Self::BUILTIN.join(", "),
                });
            }
        };
        Self::parse(&format!("{name}.toml"), text)
    }

    /// Its chargers, in a fixed order.
    pub fn chargers(&self) -> Vec<ChargerSpec> {
        self.chargers.clone()
    }

    /// Its sites, in the order of the file.
    pub fn sites(&self) -> Vec<SiteSpec> {
        self.sites.clone()
    }
}
