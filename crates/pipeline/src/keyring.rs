//! The secrets and profiles of chargers, in memory: a login asks no database (behaviour 21).

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use argon2::Argon2;
use argon2::password_hash::{PasswordHasher as _, PasswordVerifier as _, phc::PasswordHash};
use dashmap::DashMap;
use hmac::{Hmac, KeyInit, Mac};
use mendpoint_model::ChargerKey;
use mendpoint_store::{AccessRow, Credential, Slot, Store};
use sha2::Sha256;
use tokio::sync::Semaphore;
use tokio::time::timeout;

use crate::Error;
use crate::access::Access;

/// Slow hashes that run at once: each keeps a core busy and takes 19 MiB.
const SLOW_AT_ONCE: usize = 2;
/// How long a login waits for its turn at a slow hash.
const SLOW_TURN: Duration = Duration::from_secs(5);
/// How long a login waits for what it changed to be on disk.
const SAVE_WAIT: Duration = Duration::from_secs(2);
/// Between two tries to write down what a slow or absent database did not take.
const SAVE_AGAIN: Duration = Duration::from_secs(5);

/// How a charger sends a 1.6 `AuthorizationKey` (behaviour 16).
const AS_TEXT: &str = "hexadecimal text";
const AS_BYTES: &str = "bytes";

/// Everything on record about how chargers may come in.
pub(crate) struct Keyring {
    access: DashMap<ChargerKey, Arc<Access>>,
    nothing: Arc<Access>,
    pepper: Hmac<Sha256>,
    slow: Arc<Semaphore>,
    store: Store,
}

/// Which password it was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fit {
    pub(crate) slot: Slot,
    /// How a 1.6 key was sent, where that can be told.
    pub(crate) spelling: Option<&'static str>,
    /// The keyed hash of a slow password, to know it again.
    pub(crate) proven: Option<Vec<u8>>,
}

/// How a password fits a keyed hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Keyed {
    No,
    /// Letter by letter, and no key of 1.6.
    AsItIs,
    /// As the text of a key.
    AsText,
    /// As the bytes that the text of a key stands for.
    AsBytes,
}

impl Keyring {
    /// Reads everything back.
    pub(crate) async fn read(store: Store, pepper: &[u8]) -> Result<Self, Error> {
        let mut all: BTreeMap<ChargerKey, Access> = BTreeMap::new();
        for (charger, slot, credential) in store.credentials().await? {
            let access = all.entry(charger).or_default();
            match slot {
                Slot::Current => access.current = Some(credential),
                Slot::Next => access.next = Some(credential),
            }
        }
        for row in store.access().await? {
            let access = all.entry(row.charger).or_default();
            access.required = row.required;
            access.reached = row.reached;
            access.certificate_name = row.certificate_name;
            access.certificate_sha256 = row.certificate_sha256;
            access.key_spelling = row.key_spelling;
        }
        Ok(Self {
            access: all.into_iter().map(|(key, access)| (key, Arc::new(access))).collect(),
            nothing: Arc::default(),
            pepper: keyed(pepper),
            slow: Arc::new(Semaphore::new(SLOW_AT_ONCE)),
            store,
        })
    }

    /// What is on record of a charger.
    pub(crate) fn of(&self, charger: ChargerKey) -> Arc<Access> {
        let found = self.access.get(&charger).map(|access| Arc::clone(&access));
        found.unwrap_or_else(|| Arc::clone(&self.nothing))
    }

    /// Changes what is on record of a charger, in memory.
    pub(crate) fn change(&self, charger: ChargerKey, change: impl FnOnce(&mut Access)) {
        let mut entry = self.access.entry(charger).or_default();
        change(Arc::make_mut(&mut entry));
    }

    /// Which charger a certificate's name is bound to, of all but one.
    pub(crate) fn is_bound_elsewhere(&self, name: &str, charger: ChargerKey) -> bool {
        self.access
            .iter()
            .any(|entry| *entry.key() != charger && entry.value().certificate_name == name)
    }

    /// What is kept of a password. What a machine made is hashed fast: ten thousand chargers that
    /// return at once must not cost ten thousand slow hashes. What a person chose could be
    /// guessed from a stolen database, and is hashed slowly.
    pub(crate) async fn seal(&self, password: &[u8]) -> Result<Credential, Error> {
        if is_machine_made(password) {
            return Ok(Credential::Keyed(self.keyed_hash(password)));
        }
        let password = password.to_vec();
        let hash = self
            .slowly(move || {
                Argon2::default().hash_password(&password).map(|hash| hash.to_string()).ok()
            })
            .await
            .flatten();
        hash.map(Credential::Slow).ok_or_else(|| {
            Error::Refused("the password could not be hashed now; try again".to_owned())
        })
    }

    /// Whether a password is one of those on record that are hashed fast. Always the same work.
    pub(crate) fn fits_fast(&self, access: &Access, password: &[u8]) -> Option<Fit> {
        let mut found = None;
        for (slot, credential) in [(Slot::Current, &access.current), (Slot::Next, &access.next)] {
            let hash = match credential {
                Some(Credential::Keyed(hash)) => hash.as_slice(),
                Some(Credential::Slow(_)) if slot == Slot::Current => {
                    access.proven.as_deref().unwrap_or_default()
                }
                _ => &[],
            };
            let fits = self.fits_keyed(hash, password);
            if fits != Keyed::No && found.is_none() {
                let spelling = match fits {
                    Keyed::AsText => Some(AS_TEXT),
                    Keyed::AsBytes => Some(AS_BYTES),
                    Keyed::AsItIs | Keyed::No => None,
                };
                found = Some(Fit { slot, spelling, proven: None });
            }
        }
        found
    }

    /// Whether a password is one of those on record. `Err`: it cannot be told now.
    pub(crate) async fn fits(&self, access: &Access, password: &[u8]) -> Result<Option<Fit>, ()> {
        if let Some(fit) = self.fits_fast(access, password) {
            return Ok(Some(fit));
        }
        let Some(Credential::Slow(hash)) = &access.current else { return Ok(None) };
        let (hash, tried) = (hash.clone(), password.to_vec());
        let is_right = self
            .slowly(move || {
                PasswordHash::new(&hash)
                    .is_ok_and(|hash| Argon2::default().verify_password(&tried, &hash).is_ok())
            })
            .await
            .ok_or(())?;
        Ok(is_right.then(|| Fit {
            slot: Slot::Current,
            spelling: None,
            proven: Some(self.keyed_hash(password)),
        }))
    }

    /// Runs slow hashing where it holds up nothing; `None` when its turn does not come.
    async fn slowly<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Option<T> {
        let turn = timeout(SLOW_TURN, Arc::clone(&self.slow).acquire_owned()).await;
        let permit = turn.ok()?.ok()?;
        let done = tokio::task::spawn_blocking(move || {
            let result = work();
            drop(permit);
            result
        });
        done.await.ok()
    }

    /// Whether a password fits a keyed hash, in each spelling that chargers use: an OCPP 1.6
    /// `AuthorizationKey` is hexadecimal text for bytes, and both the text and the bytes are sent
    /// in the field (behaviour 16).
    fn fits_keyed(&self, hash: &[u8], password: &[u8]) -> Keyed {
        let fits = |candidate: &[u8]| self.mac(candidate).verify_slice(hash).is_ok();
        let bytes = decode_hex(password);
        let raw = bytes.as_deref().unwrap_or(password);
        let as_sent = fits(password);
        // Either the text was sent and the bytes are known, or the other way round, or both are
        // text, in capitals and not.
        let otherwise = fits(raw)
            | fits(encode_hex(raw, b"0123456789ABCDEF").as_bytes())
            | fits(encode_hex(raw, b"0123456789abcdef").as_bytes());
        match (as_sent, otherwise) {
            (true, _) | (_, true) if bytes.is_some() => Keyed::AsText,
            (true, _) => Keyed::AsItIs,
            (false, true) => Keyed::AsBytes,
            (false, false) => Keyed::No,
        }
    }

    /// Spends the time of a check on nobody: an unknown identity takes as long as a wrong
    /// password (S2).
    pub(crate) fn pretend(&self, password: &[u8]) {
        std::hint::black_box(self.fits_fast(&self.nothing, password));
    }

    fn keyed_hash(&self, password: &[u8]) -> Vec<u8> {
        self.mac(password).finalize().into_bytes().to_vec()
    }

    fn mac(&self, password: &[u8]) -> Hmac<Sha256> {
        let mut mac = self.pepper.clone();
        mac.update(password);
        mac
    }

    /// Writes down how a charger may come in. Waits a moment; what the database does not take in
    /// that time is tried again until it does.
    pub(crate) async fn save(self: &Arc<Self>, charger: ChargerKey) {
        self.change(charger, |access| access.unsaved = true);
        if matches!(timeout(SAVE_WAIT, self.save_once(charger)).await, Ok(Ok(()))) {
            return;
        }
        let keyring = Arc::clone(self);
        tokio::spawn(async move {
            while keyring.of(charger).unsaved {
                tokio::time::sleep(SAVE_AGAIN).await;
                if let Err(error) = keyring.save_once(charger).await {
                    tracing::warn!(%error, charger.key = charger.0,
                        "a charger's security profile could not be written down yet");
                }
            }
        });
    }

    /// Writes it down now.
    pub(crate) async fn save_once(&self, charger: ChargerKey) -> Result<(), Error> {
        let access = self.of(charger);
        self.store
            .put_access(&AccessRow {
                charger,
                required: access.required,
                reached: access.reached,
                certificate_name: access.certificate_name.clone(),
                certificate_sha256: access.certificate_sha256.clone(),
                key_spelling: access.key_spelling.clone(),
            })
            .await?;
        self.change(charger, |now| {
            let same = now.required == access.required
                && now.reached == access.reached
                && now.certificate_name == access.certificate_name
                && now.certificate_sha256 == access.certificate_sha256
                && now.key_spelling == access.key_spelling;
            now.unsaved = now.unsaved && !same;
        });
        Ok(())
    }
}

/// The keyed hash function for charger passwords.
fn keyed(key: &[u8]) -> Hmac<Sha256> {
    // The block of SHA-256 is 64 bytes; HMAC hashes longer keys first, and so do we, always.
    let mut block = [0; 64];
    block[..32].copy_from_slice(&<Sha256 as sha2::Digest>::digest(key));
    <Hmac<Sha256> as KeyInit>::new(&block.into())
}

/// Whether a password is too long and too mixed to have been thought of: hexadecimal of 128 bits
/// or more, as a 1.6 `AuthorizationKey` is and as we make them, or raw bytes.
fn is_machine_made(password: &[u8]) -> bool {
    let mut seen = [false; 256];
    for byte in password.to_ascii_lowercase() {
        seen[usize::from(byte)] = true;
    }
    let different = seen.iter().filter(|seen| **seen).count();
    let is_bytes = std::str::from_utf8(password).is_err();
    different >= 8 && (decode_hex(password).is_some() || (is_bytes && password.len() >= 16))
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

/// A new secret of 160 bits: forty hexadecimal digits, which is an `AuthorizationKey` of 1.6 and a
/// `BasicAuthPassword` of 2.x alike.
///
/// # Errors
/// When the system gives no random bytes.
pub fn new_secret() -> Result<String, Error> {
    let mut bytes = [0; 20];
    getrandom::fill(&mut bytes)
        .map_err(|error| Error::Refused(format!("the system gave no random bytes: {error}")))?;
    Ok(encode_hex(&bytes, b"0123456789ABCDEF"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn b16_hexadecimal_keys_are_read_both_ways() {
        let key = b"00112233445566778899AABBCCDDEEFF00112233";
        let bytes = decode_hex(key).expect("forty digits");
        assert_eq!(bytes.len(), 20);
        assert_eq!(encode_hex(&bytes, b"0123456789ABCDEF").as_bytes(), key);
        assert_eq!(decode_hex(b"short"), None);
        assert_eq!(decode_hex(b"zz112233445566778899AABBCCDDEEFF"), None);
    }

    #[test]
    fn secrets_of_ours_are_hashed_fast_and_what_people_choose_is_not() {
        let secret = new_secret().expect("random bytes");
        assert_eq!(secret.len(), 40);
        assert!(is_machine_made(secret.as_bytes()));
        assert!(is_machine_made(
            b"\xff\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e\x0f"
        ));
        for chosen in ["correct horse battery staple", "password", &"a1".repeat(20)] {
            assert!(!is_machine_made(chosen.as_bytes()), "{chosen}");
        }
    }
}
