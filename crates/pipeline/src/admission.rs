//! Who may connect: identity and password, decided before the WebSocket handshake is answered.

use std::net::IpAddr;
use std::sync::atomic::Ordering;

use hmac::{Hmac, KeyInit, Mac};
use mendpoint_model::{Admission, ChargerKey, SiteKey};
use sha2::Sha256;

use crate::pipeline::Inner;
use crate::{NewCharger, UnknownChargers, clock};

/// What a charger is let in as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Admitted {
    /// Its handle.
    pub charger: ChargerKey,
    /// Its site.
    pub site: SiteKey,
    /// Whether its boots are accepted; else they are answered Pending.
    pub accepted: bool,
    /// The number of this connection: larger than every one before (behaviour 1).
    pub epoch: u64,
    /// Heartbeat interval to tell it, in seconds.
    pub heartbeat_interval_s: u32,
    /// Whether its payloads are checked against the standard.
    pub strict: bool,
}

/// Why a charger is not let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotAdmitted {
    /// Nobody registered it, or it is blocked: 404.
    Unknown,
    /// Wrong or missing password: 401.
    Unauthorized,
    /// Too many wrong passwords: 429, with the time to wait in seconds.
    TooMany(u32),
    /// We cannot tell now (the database is away): 503, it will come back.
    Unavailable,
}

impl Inner {
    /// Decides on a connection. `credentials` are the user name and the password as bytes.
    pub(crate) async fn admit(
        &self,
        identity: &str,
        credentials: Option<(&[u8], &[u8])>,
        remote: IpAddr,
    ) -> Result<Admitted, NotAdmitted> {
        let now = clock::now();
        if let Some(wait_s) = self.attempts.wait_s(remote, identity, now) {
            return Err(NotAdmitted::TooMany(wait_s));
        }
        let record = match self.directory.by_identity(identity) {
            Some(record) => record,
            None => {
                let admission = match self.settings.unknown_chargers {
                    UnknownChargers::Reject => return Err(NotAdmitted::Unknown),
                    UnknownChargers::Quarantine => Admission::Quarantined,
                    UnknownChargers::Accept => Admission::Accepted,
                };
                let new = NewCharger { identity: identity.to_owned(), ..NewCharger::default() };
                match self.register_charger(new, admission).await {
                    Ok(record) => record,
                    // Another connection of the same charger may have registered it just now.
                    Err(error) => match self.directory.by_identity(identity) {
                        Some(record) => record,
                        None => {
                            tracing::warn!(charger.identity = identity, %error,
                                "a charger that came by itself could not be registered");
                            return Err(match error {
                                crate::Error::Refused(_) => NotAdmitted::Unknown,
                                _ => NotAdmitted::Unavailable,
                            });
                        }
                    },
                }
            }
        };
        if record.admission == Admission::Blocked {
            return Err(NotAdmitted::Unknown);
        }
        if let Some(hash) = self.credentials.get(&record.key) {
            let is_right = credentials.is_some_and(|(user, password)| {
                self.password_matches(&hash, password) && user == record.identity.as_bytes()
            });
            if !is_right {
                self.attempts.failed(remote, identity, now);
                return Err(NotAdmitted::Unauthorized);
            }
            self.attempts.succeeded(remote, identity);
        }
        Ok(Admitted {
            charger: record.key,
            site: record.site,
            accepted: record.admission == Admission::Accepted,
            epoch: self.epoch.fetch_add(1, Ordering::Relaxed) + 1,
            heartbeat_interval_s: self.settings.heartbeat_interval_s,
            strict: record.validation.is_strict(self.settings.strict),
        })
    }

    /// The keyed hash of a charger's password. Keyed and fast on purpose: ten thousand chargers
    /// that return at once must not cost ten thousand slow hashes, and these secrets are random.
    pub(crate) fn password_hash(&self, password: &[u8]) -> Vec<u8> {
        self.mac(password).finalize().into_bytes().to_vec()
    }

    /// Whether a password fits a hash, in each spelling that chargers use: an OCPP 1.6
    /// `AuthorizationKey` is hexadecimal text for bytes, and both the text and the bytes are sent
    /// in the field (behaviour 16).
    fn password_matches(&self, hash: &[u8], password: &[u8]) -> bool {
        let fits = |candidate: &[u8]| self.mac(candidate).verify_slice(hash).is_ok();
        if fits(password) {
            return true;
        }
        // Either the text was sent and the bytes are known, or the other way round, or both are
        // text, in capitals and not.
        let bytes = decode_hex(password);
        let bytes = bytes.as_deref().unwrap_or(password);
        fits(bytes)
            || fits(encode_hex(bytes, b"0123456789ABCDEF").as_bytes())
            || fits(encode_hex(bytes, b"0123456789abcdef").as_bytes())
    }

    fn mac(&self, password: &[u8]) -> Hmac<Sha256> {
        let mut mac = self.pepper.clone();
        mac.update(password);
        mac
    }
}

/// The keyed hash function for charger passwords.
pub(crate) fn pepper(key: &[u8]) -> Hmac<Sha256> {
    // The block of SHA-256 is 64 bytes; HMAC hashes longer keys first, and so do we, always.
    let mut block = [0; 64];
    block[..32].copy_from_slice(&<Sha256 as sha2::Digest>::digest(key));
    <Hmac<Sha256> as KeyInit>::new(&block.into())
}

fn decode_hex(text: &[u8]) -> Option<Vec<u8>> {
    if !(32..=40).contains(&text.len()) || !text.len().is_multiple_of(2) {
        return None;
    }
    text.chunks(2)
        .map(|pair| {
            let high = char::from(pair[0]).to_digit(16)?;
            let low = char::from(pair[1]).to_digit(16)?;
            Some((high * 16 + low) as u8)
        })
        .collect()
}

fn encode_hex(bytes: &[u8], digits: &[u8; 16]) -> String {
    bytes
        .iter()
        .flat_map(|byte| [digits[usize::from(byte >> 4)], digits[usize::from(byte & 15)]])
        .map(char::from)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hexadecimal_keys_are_read_both_ways() {
        let key = b"00112233445566778899AABBCCDDEEFF00112233";
        let bytes = decode_hex(key).expect("forty digits");
        assert_eq!(bytes.len(), 20);
        assert_eq!(encode_hex(&bytes, b"0123456789ABCDEF").as_bytes(), key);
        assert_eq!(decode_hex(b"short"), None);
        assert_eq!(decode_hex(b"zz112233445566778899AABBCCDDEEFF"), None);
    }
}
