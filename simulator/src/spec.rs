//! What a simulated charger is: its name plate and where it stands.

use mendpoint_model::Protocol;

/// A place with chargers.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SiteSpec {
    /// Name, unique in the scenario ("Parklake Mall").
    pub name: String,
    /// Short code used in identities ("PKL").
    pub code: String,
    /// Region it is grouped under ("București").
    pub region: String,
    /// Postal address; may be empty.
    pub address: String,
    /// Latitude in degrees.
    pub latitude: f64,
    /// Longitude in degrees.
    pub longitude: f64,
    /// Who gets the tickets of this site; empty when nobody is bound to it.
    pub installer: String,
    /// Where that installer's mail goes; empty when unknown.
    pub installer_email: String,
    /// How many chargers stand there.
    pub chargers: u32,
}

/// The kind of current a charger gives.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Current {
    /// Alternating, from a socket or a fixed cable; the car reports no state of charge.
    #[default]
    Ac,
    /// Direct, with state of charge and a falling power curve.
    Dc,
}

/// How a charger reaches the internet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LinkKind {
    /// By cable: it has no signal strength to report.
    #[default]
    Ethernet,
    /// Wi-Fi.
    Wifi,
    /// Mobile network.
    Cellular,
}

/// One charger.
#[derive(Clone, Debug, PartialEq)]
pub struct ChargerSpec {
    /// OCPP identity, the last segment of the address it connects to.
    pub identity: String,
    /// Name of its site.
    pub site: String,
    /// Region of its site.
    pub region: String,
    /// Manufacturer, at most 20 characters (the limit of 1.6).
    pub vendor: String,
    /// Model, at most 20 characters.
    pub model: String,
    /// Serial number, at most 25 characters.
    pub serial: String,
    /// Firmware version at the start.
    pub firmware: String,
    /// The OCPP version it speaks: 1.6 or 2.0.1.
    pub protocol: Protocol,
    /// Connectors (1.6), or EVSEs with one connector each (2.0.1).
    pub connectors: u16,
    /// Highest power of one connector, W.
    pub power_w: f64,
    /// Kind of current.
    pub current: Current,
    /// Its way to the internet.
    pub link: LinkKind,
}

impl ChargerSpec {
    /// A charger with a plausible name plate and two connectors, for tests.
    pub fn new(identity: &str, protocol: Protocol) -> Self {
        Self {
            identity: identity.to_owned(),
            site: "Test yard".to_owned(),
            region: String::new(),
            vendor: "Voltera".to_owned(),
            model: "HYC150".to_owned(),
            serial: format!("VT{:010}", crate::seed::mix(0, identity) % 10_000_000_000),
            firmware: "2.4.1".to_owned(),
            protocol,
            connectors: 2,
            power_w: 150_000.0,
            current: Current::Dc,
            link: LinkKind::Cellular,
        }
    }

    /// Whether it speaks OCPP 1.6.
    pub fn is_v16(&self) -> bool {
        self.protocol == Protocol::V16
    }
}
