//! Links that take an incident with one click, from a mail, without signing in.
//!
//! The link says for whom and for which incident, and until when; a keyed hash says that we wrote it.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use mendpoint_model::{IncidentId, UnixMs};
use sha2::Sha256;
use subtle::ConstantTimeEq as _;

/// Bytes of the hash that are kept: 128 bits cannot be guessed.
const HASH_BYTES: usize = 16;

/// Signs links.
#[derive(Clone)]
pub struct Signer {
    key: Vec<u8>,
}

impl std::fmt::Debug for Signer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Signer(***)")
    }
}

/// What a link says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// The incident.
    pub incident: IncidentId,
    /// Who got the link.
    pub who: String,
    /// Until when it is good.
    pub until: UnixMs,
}

impl Signer {
    /// Signs with a key.
    pub fn new(key: &[u8]) -> Self {
        Self { key: key.to_vec() }
    }

    fn hash(&self, text: &str) -> Vec<u8> {
        // HMAC takes keys of any length.
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(&self.key) else { return Vec::new() };
        mac.update(text.as_bytes());
        mac.finalize().into_bytes().to_vec()
    }

    /// The last part of a link.
    pub fn token(&self, claim: &Claim) -> String {
        let text = format!("{}.{}.{}", claim.incident.0, claim.until.0, claim.who);
        let hash = self.hash(&format!("take.{text}"));
        let mut bytes = hash[..hash.len().min(HASH_BYTES)].to_vec();
        bytes.extend_from_slice(text.as_bytes());
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// What a token says, if we wrote it and it is still good.
    pub fn read(&self, token: &str, now: UnixMs) -> Option<Claim> {
        let bytes = URL_SAFE_NO_PAD.decode(token.trim()).ok()?;
        let (hash, text) = bytes.split_at_checked(HASH_BYTES)?;
        let text = std::str::from_utf8(text).ok()?;
        let good = self.hash(&format!("take.{text}"));
        if !bool::from(good.get(..HASH_BYTES)?.ct_eq(hash)) {
            return None;
        }
        let mut parts = text.splitn(3, '.');
        let incident = IncidentId(parts.next()?.parse().ok()?);
        let until = UnixMs(parts.next()?.parse().ok()?);
        let who = parts.next()?.to_owned();
        (now < until).then_some(Claim { incident, who, until })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_is_good_for_what_it_says_and_no_longer() {
        let signer = Signer::new(b"key");
        let claim = Claim {
            incident: IncidentId(7),
            who: "ana.pop@x.example".to_owned(),
            until: UnixMs(100),
        };
        let token = signer.token(&claim);
        assert_eq!(signer.read(&token, UnixMs(99)), Some(claim.clone()));
        assert_eq!(signer.read(&token, UnixMs(100)), None, "it is over");
        assert_eq!(Signer::new(b"other").read(&token, UnixMs(0)), None);
        let forged = signer.token(&Claim { incident: IncidentId(8), ..claim });
        let mixed: String = token[..20].chars().chain(forged[20..].chars()).collect();
        assert_eq!(signer.read(&mixed, UnixMs(0)), None);
        for wrong in ["", "x", "AAAA", "ä"] {
            assert_eq!(signer.read(wrong, UnixMs(0)), None, "{wrong}");
        }
    }
}
