//! How an incident hangs together with others (incidents.md 1.7, 1.8), and what keeps it quiet.

use serde::{Deserialize, Serialize};

use crate::{ChargerKey, Incident, IncidentId, UnixMs};

/// How many members of an outage are kept by name; all of them are counted.
pub const MEMBERS_MAX: usize = 200;

/// What ties an incident to others. Everything is empty for one that stands alone.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Ties {
    /// How much it is about.
    pub breadth: Breadth,
    /// The incident that explains this one: while it is open, nothing is healed, nobody is asked.
    pub inhibited_by: Option<IncidentId>,
    /// Whether its condition comes and goes too often to be told each time.
    pub flapping: bool,
    /// How often its condition came or went while it was flapping.
    pub flaps: u32,
    /// The looks of the flap ring as a number, and when the newest of them began.
    pub flap_bits: Option<(UnixMs, u32)>,
    /// A person put it into this one.
    pub merged_into: Option<IncidentId>,
    /// What people put into this one.
    pub merged: Vec<IncidentId>,
    /// What is notified together: site and family of the rule.
    pub group: String,
    /// Rules that fire too and are explained by this incident, on its own charger.
    pub also: Vec<String>,
    /// What a wide incident knows of its members.
    pub outage: Option<Box<Outage>>,
    /// A comparison of firmware versions, for an incident of a cohort.
    pub regression: Option<Box<Regression>>,
}

impl Ties {
    /// Whether another incident keeps it from healing and from asking anybody.
    pub fn is_quiet(&self) -> bool {
        self.parent().is_some()
    }

    /// The incident that stands for this one.
    pub fn parent(&self) -> Option<IncidentId> {
        self.merged_into.or(self.inhibited_by)
    }
}

impl Incident {
    /// Whether it is about more than one charger: a site, a carrier, a cohort or the fleet. Its
    /// `charger` is then only the first of them.
    pub fn is_wide(&self) -> bool {
        self.ties.breadth != Breadth::Charger
    }
}

/// How much an incident is about.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Breadth {
    /// A charger or one of its connectors.
    #[default]
    Charger,
    /// A whole site.
    Site,
    /// Everything behind one SIM operator.
    Carrier(String),
    /// Every charger of a vendor, model and firmware.
    Cohort(Cohort),
    /// The fleet.
    Fleet,
}

impl Breadth {
    /// The word in the API.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Charger => "charger",
            Self::Site => "site",
            Self::Carrier(_) => "carrier",
            Self::Cohort(_) => "cohort",
            Self::Fleet => "fleet",
        }
    }
}

/// Chargers that are alike.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Cohort {
    /// Manufacturer.
    pub vendor: String,
    /// Model.
    pub model: String,
    /// Firmware version.
    pub firmware: String,
}

impl std::fmt::Display for Cohort {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {} {}", self.vendor, self.model, self.firmware)
    }
}

/// Chargers that went away together.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Outage {
    /// When the first of them was lost.
    pub began_at: UnixMs,
    /// How many were lost, all together.
    pub lost: u32,
    /// How many of those are back.
    pub back: u32,
    /// How many were online before.
    pub of: u32,
    /// At how many sites.
    pub sites: u32,
    /// The members by key, at most [`MEMBERS_MAX`].
    pub members: Vec<Member>,
    /// Why, once that can be told.
    pub cause: Option<Cause>,
    /// What that is concluded from, in a sentence.
    pub evidence: String,
}

/// A charger in an outage.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Member {
    /// Which.
    pub charger: ChargerKey,
    /// When its connection was lost.
    pub lost_at: UnixMs,
    /// When it came back.
    pub back_at: Option<UnixMs>,
    /// The reason of the boot it came back with; empty when it told none. `None`: it came back
    /// without a boot, or is not back.
    pub boot: Option<String>,
}

/// Why chargers went away together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// They had no power: they booted when they returned.
    Power,
    /// The site's network: they returned without a boot.
    Network,
    /// The mobile network of one operator.
    Carrier,
    /// Mendpoint or the way to it.
    Platform,
    /// It cannot be told: some booted, some did not.
    Unclear,
}

impl Cause {
    /// The word in the database and the API.
    pub fn name(self) -> &'static str {
        match self {
            Self::Power => "power",
            Self::Network => "network",
            Self::Carrier => "carrier",
            Self::Platform => "platform",
            Self::Unclear => "unclear",
        }
    }

    /// The words for people.
    pub fn label(self) -> &'static str {
        match self {
            Self::Power => "Power loss",
            Self::Network => "Network of the site",
            Self::Carrier => "Mobile network",
            Self::Platform => "Our side",
            Self::Unclear => "Not clear",
        }
    }
}

/// A firmware that fails more often than the one before it on the same chargers.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Regression {
    /// The error code, or the rule, that comes more often.
    pub code: String,
    /// The firmware before, the one most of them had.
    pub before: String,
    /// Chargers that have had both.
    pub chargers: u32,
    /// Chargers with the alert on the new one.
    pub affected: u32,
    /// Alerts and thousands of connector-hours on the new firmware.
    pub now: (u32, f64),
    /// The same on the firmware before.
    pub then: (u32, f64),
    /// How many times as often; `None` when it never came before.
    pub ratio: Option<f64>,
    /// The two-sided p-value of the exact test, times its place among the tests (Holm).
    pub p: f64,
}

/// A time in which a charger could not work for a reason outside the operator's hands: proposed to
/// be excluded from its uptime (2.3). A person decides.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExclusionProposal {
    /// The outage.
    pub incident: IncidentId,
    /// The charger.
    pub charger: ChargerKey,
    /// From when.
    pub from: UnixMs,
    /// Until when.
    pub until: UnixMs,
    /// Why the time may be excluded.
    pub cause: Cause,
    /// What shows it.
    pub evidence: String,
}
