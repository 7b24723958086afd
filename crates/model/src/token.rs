//! Drivers' tokens: who may charge, until when, and who belongs together.

use serde::{Deserialize, Serialize};

use crate::UnixMs;

/// Whether a driver's token may charge.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TokenStatus {
    /// It may.
    Accepted,
    /// It may not, by order of a person.
    Blocked,
    /// It might once.
    Expired,
    /// It never might.
    Invalid,
    /// It charges somewhere else already, and may not twice at once.
    ConcurrentTx,
}

impl TokenStatus {
    /// All of them.
    pub const ALL: [Self; 5] =
        [Self::Accepted, Self::Blocked, Self::Expired, Self::Invalid, Self::ConcurrentTx];

    /// The word in the database and the API.
    pub fn name(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Blocked => "blocked",
            Self::Expired => "expired",
            Self::Invalid => "invalid",
            Self::ConcurrentTx => "concurrent_tx",
        }
    }

    /// The status of a word.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.name() == name)
    }

    /// OCPP's word, the same in every version.
    pub fn ocpp_word(self) -> &'static str {
        match self {
            Self::Accepted => "Accepted",
            Self::Blocked => "Blocked",
            Self::Expired => "Expired",
            Self::Invalid => "Invalid",
            Self::ConcurrentTx => "ConcurrentTx",
        }
    }
}

/// What a charger is told of a token.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenInfo {
    /// Whether it may charge.
    pub status: TokenStatus,
    /// When it ends, if ever.
    pub expires_at: Option<UnixMs>,
    /// The group it belongs to: any token of a group may end what another one began.
    pub parent: Option<Box<str>>,
}

impl TokenInfo {
    /// A token without group and end.
    pub fn of(status: TokenStatus) -> Self {
        Self { status, expires_at: None, parent: None }
    }

    /// What it is at a moment: accepted ones expire.
    pub fn at(&self, now: UnixMs) -> TokenStatus {
        match self.status {
            TokenStatus::Accepted if self.expires_at.is_some_and(|until| until <= now) => {
                TokenStatus::Expired
            }
            status => status,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_accepted_token_expires_and_a_blocked_one_stays_blocked() {
        let until = UnixMs(1_000);
        let token = |status| TokenInfo { expires_at: Some(until), ..TokenInfo::of(status) };
        assert_eq!(token(TokenStatus::Accepted).at(until - 1), TokenStatus::Accepted);
        assert_eq!(token(TokenStatus::Accepted).at(until), TokenStatus::Expired);
        assert_eq!(token(TokenStatus::Blocked).at(until), TokenStatus::Blocked);
        for status in TokenStatus::ALL {
            assert_eq!(TokenStatus::from_name(status.name()), Some(status));
        }
    }
}
