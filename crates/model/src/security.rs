//! How a charger's connection is secured.

use serde::{Deserialize, Serialize};

use crate::UnixMs;

/// The security profiles of OCPP (1.6 security whitepaper chapter 3, 2.x part 2 A00).
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(try_from = "u8", into = "u8")]
pub enum SecurityProfile {
    /// 0: no password, no encryption. The standard knows no such profile; chargers do.
    #[default]
    Open,
    /// 1: Basic authentication over plain WebSocket.
    Basic,
    /// 2: TLS with Basic authentication.
    Tls,
    /// 3: TLS with a certificate of the charger.
    Mutual,
}

impl SecurityProfile {
    /// All of them, the weakest first.
    pub const ALL: [Self; 4] = [Self::Open, Self::Basic, Self::Tls, Self::Mutual];

    /// Its number in OCPP.
    pub fn number(self) -> u8 {
        match self {
            Self::Open => 0,
            Self::Basic => 1,
            Self::Tls => 2,
            Self::Mutual => 3,
        }
    }

    /// The profile of a number.
    pub fn from_number(number: u8) -> Option<Self> {
        Self::ALL.get(usize::from(number)).copied()
    }

    /// Whether the connection is encrypted.
    pub fn is_encrypted(self) -> bool {
        self >= Self::Tls
    }

    /// What it is, in words for people.
    pub fn words(self) -> &'static str {
        match self {
            Self::Open => "no password, not encrypted",
            Self::Basic => "password, not encrypted",
            Self::Tls => "TLS and password",
            Self::Mutual => "TLS and the charger's certificate",
        }
    }
}

impl From<SecurityProfile> for u8 {
    fn from(profile: SecurityProfile) -> Self {
        profile.number()
    }
}

impl TryFrom<u8> for SecurityProfile {
    type Error = String;

    fn try_from(number: u8) -> Result<Self, Self::Error> {
        Self::from_number(number)
            .ok_or_else(|| format!("a security profile is 0, 1, 2 or 3, and not {number}"))
    }
}

/// What matters of a certificate that a charger showed, once its chain was found good.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClientCertificate {
    /// Subject CN: the charger's serial number (A00.FR.404 and 405).
    pub common_name: String,
    /// Subject O: the operator's name; empty when there is none.
    pub organization: String,
    /// SHA-256 of the whole certificate, in hexadecimal; empty when only a proxy saw it.
    pub sha256: String,
    /// When it ends, if that is known.
    pub not_after: Option<UnixMs>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_go_there_and_back_and_the_stronger_is_the_greater() {
        for (number, profile) in (0..).zip(SecurityProfile::ALL) {
            assert_eq!(SecurityProfile::from_number(number), Some(profile));
            assert_eq!(profile.number(), number);
        }
        assert_eq!(SecurityProfile::from_number(4), None);
        assert!(SecurityProfile::Tls > SecurityProfile::Basic);
        assert!(!SecurityProfile::Basic.is_encrypted());
    }
}
