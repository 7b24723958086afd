//! Names of things: short handles for memory, readable forms for people.

use std::fmt;

use serde::{Deserialize, Serialize};

macro_rules! numeric_id {
    ($(#[$doc:meta])* $name:ident($inner:ty), $prefix:literal) => {
        $(#[$doc])*
        #[derive(
            Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize,
        )]
        #[serde(transparent)]
        pub struct $name(pub $inner);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!($prefix, "{}"), self.0)
            }
        }

        impl std::str::FromStr for $name {
            type Err = std::num::ParseIntError;

            /// Reads the readable form or the bare number.
            fn from_str(text: &str) -> Result<Self, Self::Err> {
                text.strip_prefix($prefix).unwrap_or(text).parse().map(Self)
            }
        }
    };
}

numeric_id! {
    /// A charger, as a dense number given out by the database when the charger is first known.
    ///
    /// The OCPP identity is looked up once, at connect; after that everything uses this handle.
    ChargerKey(u32), ""
}
numeric_id! {
    /// A site: a place with chargers. Shards own whole sites.
    SiteKey(u32), ""
}
numeric_id! {
    /// An incident, `INC-20431` for people.
    IncidentId(i64), "INC-"
}
numeric_id! {
    /// A ticket, `T-1882` for people.
    TicketId(i64), "T-"
}
numeric_id! {
    /// A transaction as we number it: positive and at most 2^31-1 (behaviour 46), because OCPP 1.6
    /// chargers get this very number. OCPP 2.x transactions have one too, beside their own text id.
    TransactionId(i64), ""
}

/// Where on a charger: an EVSE and one of its connectors.
///
/// OCPP 1.6 knows connectors only: connector `n` is EVSE `n`, connector 1. `0/0` is the whole
/// charger, `n/0` is EVSE `n` as a whole (OCPP 2.x).
#[derive(
    Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize,
)]
pub struct ConnectorRef {
    /// EVSE number from 1; 0 is the whole charger.
    pub evse: u16,
    /// Connector of the EVSE from 1; 0 is the whole EVSE.
    pub connector: u16,
}

impl ConnectorRef {
    /// The whole charger.
    pub const CHARGER: Self = Self { evse: 0, connector: 0 };

    /// An OCPP 1.6 connector; 0 is the whole charger (behaviour 54).
    pub fn v16(connector: u16) -> Self {
        Self { evse: connector, connector: u16::from(connector != 0) }
    }

    /// Whether this names the whole charger.
    pub fn is_charger(self) -> bool {
        self.evse == 0
    }
}

impl fmt::Display for ConnectorRef {
    /// `charger`, `2` (the only or first connector of EVSE 2), or `2.3`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.evse, self.connector) {
            (0, _) => f.write_str("charger"),
            (evse, 0 | 1) => write!(f, "{evse}"),
            (evse, connector) => write!(f, "{evse}.{connector}"),
        }
    }
}

/// The id of a command of ours, used as the OCPP message id, so at most 36 characters
/// (behaviour 37). Engine commands are `i{incident}-{step}-{try}`, so that a frame log reads alone;
/// commands of people are `u-` and 32 hexadecimal digits.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct CommandId(pub std::sync::Arc<str>);

impl fmt::Display for CommandId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_read_and_write_their_readable_form() {
        assert_eq!(IncidentId(20431).to_string(), "INC-20431");
        assert_eq!("INC-20431".parse(), Ok(IncidentId(20431)));
        assert_eq!("20431".parse(), Ok(IncidentId(20431)));
        assert!("INC-x".parse::<IncidentId>().is_err());
    }

    #[test]
    fn connector_zero_is_the_whole_charger() {
        assert!(ConnectorRef::v16(0).is_charger());
        assert_eq!(ConnectorRef::v16(2).to_string(), "2");
        assert_eq!(ConnectorRef { evse: 1, connector: 2 }.to_string(), "1.2");
    }
}
