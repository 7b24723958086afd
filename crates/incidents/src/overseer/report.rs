//! What shards tell the overseer, and what they are told by it.

use std::sync::Arc;

use mendpoint_model::{
    Breadth, ChargerKey, Cohort, ConnectorRef, IncidentId, Outage, Regression, SiteKey, UnixMs,
};

use super::{CohortRate, VehicleSuspect, WideRule};

/// Something that happened to a charger, as short as it can be said.
#[derive(Clone, Debug, PartialEq)]
pub struct Report {
    /// When it was received.
    pub at: UnixMs,
    /// The charger; for what is said of a wide incident, its first one.
    pub charger: ChargerKey,
    /// Its site.
    pub site: SiteKey,
    /// What happened.
    pub kind: ReportKind,
}

/// What happened.
#[derive(Clone, Debug, PartialEq)]
pub enum ReportKind {
    /// What a charger is: at its first boot, at a boot that says something new, and at our start.
    Known {
        /// Vendor, model and firmware, once it booted.
        cohort: Option<Box<Cohort>>,
        /// The operator of its SIM card, if it has one.
        carrier: Option<Box<str>>,
        /// How many connectors it has.
        connectors: u16,
        /// Whether it has a connection.
        online: bool,
    },
    /// It is connected again.
    Up,
    /// Its connection is lost.
    Down,
    /// An alert was opened, with its error code or else its rule.
    Alert {
        /// The code.
        code: Box<str>,
    },
    /// A charge failed for a known card or vehicle.
    ChargeFailed {
        /// The card or vehicle.
        token: Box<str>,
    },
    /// A charge worked.
    ChargeWorked {
        /// The card or vehicle.
        token: Box<str>,
    },
    /// It is no longer registered.
    Gone,
    /// It shows what a rule about many chargers looks for, or does so no more.
    Member {
        /// The rule.
        rule: Arc<WideRule>,
        /// Where.
        at: ConnectorRef,
        /// Since when.
        since: UnixMs,
        /// Whether it does.
        shows: bool,
    },
    /// Something happened that a rule about many chargers counts.
    Counted {
        /// The rule.
        rule: Arc<WideRule>,
    },
    /// The rules about many chargers that there are from now on.
    WideRules(Arc<[Box<str>]>),
    /// The shard opened the wide incident that it was asked for.
    Opened {
        /// Its rule.
        rule: Box<str>,
        /// How wide.
        breadth: Breadth,
        /// Its code.
        code: String,
        /// Its number.
        incident: IncidentId,
    },
    /// A wide incident is over.
    Ended {
        /// Its rule.
        rule: Box<str>,
        /// How wide.
        breadth: Breadth,
        /// Its code.
        code: String,
    },
}

/// What shards are told.
#[derive(Clone, Debug, PartialEq)]
pub struct Directive {
    /// Who.
    pub to: Target,
    /// What.
    pub order: Order,
}

/// Which shards are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// The one that owns a site.
    Site(SiteKey),
    /// All of them.
    All,
}

/// What a shard is to do.
#[derive(Clone, Debug, PartialEq)]
pub enum Order {
    /// Open an incident about more than its own sites.
    Open(Box<Wide>),
    /// Write down how an outage stands.
    Update {
        /// The incident.
        incident: IncidentId,
        /// As it is now.
        outage: Box<Outage>,
    },
    /// The incident is over.
    Close {
        /// Which.
        incident: IncidentId,
        /// In which words.
        words: String,
        /// Its last state.
        outage: Option<Box<Outage>>,
    },
    /// What these chargers lack is explained by an incident; `None` stands for every charger.
    Cover {
        /// The incident.
        incident: IncidentId,
        /// Which chargers.
        chargers: Option<Vec<ChargerKey>>,
    },
    /// An incident explains nothing any more: what it covered is judged anew.
    Release {
        /// Which.
        incident: IncidentId,
    },
    /// Alerts per 1,000 connector-hours of each cohort, for rules that compare with it.
    Rates(Arc<[CohortRate]>),
    /// Nothing is sent to any charger any more (G11), or again.
    Hold {
        /// Whether it holds.
        on: bool,
    },
    /// A card or vehicle fails everywhere while others charge: its failures are not the chargers'.
    Vehicle {
        /// Which, and what it did.
        suspect: Box<VehicleSuspect>,
        /// `false`: it is not suspected any more.
        suspected: bool,
    },
}

/// An incident about more than one site.
#[derive(Clone, Debug, PartialEq)]
pub struct Wide {
    /// How wide.
    pub breadth: Breadth,
    /// The rule it is opened by.
    pub rule: Box<str>,
    /// The rule's version.
    pub version: u32,
    /// How long nobody is asked.
    pub ask_after_ms: i64,
    /// Its code: empty for outages, the fault of a regression.
    pub code: String,
    /// The first charger.
    pub charger: ChargerKey,
    /// That charger's site.
    pub site: SiteKey,
    /// OCPP severity.
    pub severity: u8,
    /// What is wrong, in a line.
    pub title: String,
    /// What happened, in sentences.
    pub description: String,
    /// Since when.
    pub began_at: UnixMs,
    /// The members of an outage.
    pub outage: Option<Outage>,
    /// The figures of a regression.
    pub regression: Option<Regression>,
}
