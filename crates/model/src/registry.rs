//! The register: what operators enter about sites and chargers, apart from what chargers report.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::{ChargerKey, SiteKey, UnixMs};

/// A charger as it is registered.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ChargerRecord {
    /// Its handle.
    pub key: ChargerKey,
    /// OCPP identity: the last segment of the address it connects to. Never a public id.
    pub identity: Arc<str>,
    /// Its site.
    pub site: SiteKey,
    /// The public id of its QR code and of the driver's page: random, unrelated to the identity.
    pub public_id: String,
    /// Name for people; the identity when none was given.
    pub name: String,
    /// Manufacturer, from the last boot or entered by hand; empty when unknown.
    pub vendor: String,
    /// Model, likewise.
    pub model: String,
    /// Serial number, likewise.
    pub serial: String,
    /// Firmware version, from the last boot.
    pub firmware: String,
    /// Whether it may be used: see [`Admission`].
    pub admission: Admission,
    /// How strictly its messages are read: see [`Validation`].
    pub validation: Validation,
    /// When it was registered.
    pub created_at: UnixMs,
}

/// How strictly the messages of a charger are read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Validation {
    /// As the server's setting says.
    #[default]
    Server,
    /// What is wrong is read as far as possible and answered normally.
    Tolerant,
    /// What is not as the specification says is refused with the specification's error.
    Strict,
}

impl Validation {
    /// Every one.
    pub const EVERY: [Self; 3] = [Self::Server, Self::Tolerant, Self::Strict];

    /// The word in the database and the API.
    pub fn name(self) -> &'static str {
        match self {
            Self::Server => "server",
            Self::Tolerant => "tolerant",
            Self::Strict => "strict",
        }
    }

    /// The validation of a word.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::EVERY.into_iter().find(|validation| validation.name() == name)
    }

    /// Whether messages are refused, where the server's setting is `server_is_strict`.
    pub fn is_strict(self, server_is_strict: bool) -> bool {
        match self {
            Self::Server => server_is_strict,
            Self::Tolerant => false,
            Self::Strict => true,
        }
    }
}

/// Whether a charger may be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Admission {
    /// Provisioned or accepted by a person.
    Accepted,
    /// Came by itself and waits for a person: boots are answered Pending.
    Quarantined,
    /// Blocked by a person: refused at connect.
    Blocked,
}

impl Admission {
    /// The word in the database and the API.
    pub fn name(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Quarantined => "quarantined",
            Self::Blocked => "blocked",
        }
    }

    /// The admission of a word.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Accepted, Self::Quarantined, Self::Blocked].into_iter().find(|a| a.name() == name)
    }
}

/// A site as it is registered.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct SiteRecord {
    /// Its handle.
    pub key: SiteKey,
    /// Name for people, unique.
    pub name: String,
    /// Region it is grouped under ("București"); empty when none.
    pub region: String,
    /// Postal address.
    pub address: String,
    /// Latitude in degrees, if known.
    pub latitude: Option<f64>,
    /// Longitude in degrees, if known.
    pub longitude: Option<f64>,
    /// IANA time zone of the place.
    pub time_zone: String,
    /// Who runs it (feature A-22).
    pub operator: String,
    /// Who owns it.
    pub owner: String,
    /// The installer bound to it, who gets its tickets.
    pub installer: Option<Contact>,
    /// Income per kWh, in hundredths of the currency (cents), for losses.
    pub price_cents_per_kwh: i64,
}

/// Somebody to be told.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Contact {
    /// Person or company.
    pub name: String,
    /// Where mail goes.
    pub email: String,
    /// Telephone; empty when none.
    pub phone: String,
}
