//! Minutes that the rules do not count against the operator, each with evidence and a person's yes.

use mendpoint_model::{ChargerKey, ConnectorRef, SiteKey, UnixMs};
use serde::{Deserialize, Serialize};

/// Why minutes are excluded: the list of 23 CFR 680.116(b)(3). Loss of the internet or of the mobile
/// network is not in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// The grid was down.
    Utility,
    /// The vehicle was at fault.
    Vehicle,
    /// Planned maintenance.
    Maintenance,
    /// Vandalism.
    Vandalism,
    /// A natural disaster.
    Disaster,
}

impl Reason {
    /// All of them.
    pub const EVERY: [Self; 5] =
        [Self::Utility, Self::Vehicle, Self::Maintenance, Self::Vandalism, Self::Disaster];

    /// The word in the database and the API.
    pub fn name(self) -> &'static str {
        match self {
            Self::Utility => "utility",
            Self::Vehicle => "vehicle",
            Self::Maintenance => "maintenance",
            Self::Vandalism => "vandalism",
            Self::Disaster => "disaster",
        }
    }

    /// The words for people.
    pub fn label(self) -> &'static str {
        match self {
            Self::Utility => "Power supply interrupted",
            Self::Vehicle => "Fault of the vehicle",
            Self::Maintenance => "Planned maintenance",
            Self::Vandalism => "Vandalism",
            Self::Disaster => "Natural disaster",
        }
    }

    /// The reason of a word.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::EVERY.into_iter().find(|reason| reason.name() == name)
    }
}

/// What a person made of a proposal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Decision {
    /// Nobody has looked yet: it does not count.
    Proposed,
    /// It counts.
    Approved,
    /// It does not.
    Refused,
}

impl Decision {
    /// The word in the database and the API.
    pub fn name(self) -> &'static str {
        match self {
            Self::Proposed => "proposed",
            Self::Approved => "approved",
            Self::Refused => "refused",
        }
    }

    /// The decision of a word.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Proposed, Self::Approved, Self::Refused]
            .into_iter()
            .find(|decision| decision.name() == name)
    }
}

/// Minutes that may be excluded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exclusion {
    /// Its number.
    pub id: i64,
    /// The site.
    pub site: SiteKey,
    /// One charger of it; all when `None`.
    pub charger: Option<ChargerKey>,
    /// One connector of the charger; all when `None`.
    pub connector: Option<ConnectorRef>,
    /// From when on.
    pub from: UnixMs,
    /// Until before when.
    pub until: UnixMs,
    /// Why.
    pub reason: Reason,
    /// What shows it, in words: without it no minute is excluded.
    pub evidence: String,
    /// What a person made of it.
    pub decision: Decision,
}

impl Exclusion {
    /// Whether it is about a connector.
    pub fn concerns(&self, site: SiteKey, charger: ChargerKey, at: ConnectorRef) -> bool {
        self.site == site
            && self.charger.is_none_or(|only| only == charger)
            && self.connector.is_none_or(|only| only == at)
    }
}
