//! What is kept of a number that was erased, so that it is known again and cannot be guessed. A chip has
//! four bytes: whoever has the list could try all of them against a fast hash in minutes, so it is a slow
//! one (docs/decisions/008-erased-numbers.md). All of an installation have one salt: a database that is
//! brought back has each of its numbers hashed once, however many were erased.

use std::collections::BTreeMap;
use std::num::NonZero;

use argon2::{Algorithm, Argon2, Block, Params, Version};
use mendpoint_cards::Number;
use sha2::{Digest as _, Sha256};

use super::Erased;
use crate::audit_chain::hex;
use crate::{Error, Result};

/// How a slow hash begins; a salt of older programs is hexadecimal digits alone.
const SLOW: &str = "argon2id";
/// Memory of one hash, in KiB.
const MEMORY_KIB: u32 = 12 * 1024;
/// Passes over it.
const PASSES: u32 = 1;
/// More than that is no list of ours, and would stop the program, in KiB and in passes.
const MEMORY_KIB_MAX: u32 = 1024 * 1024;
const PASSES_MAX: u32 = 100;
/// Bytes of a hash.
const LEN: usize = 32;

/// Random bytes as hexadecimal digits.
pub(super) fn random<const N: usize>() -> Result<String> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|error| Error::Random(error.to_string()))?;
    Ok(hex(&bytes))
}

/// Does slow work where it holds up nothing.
pub(super) async fn beside<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|_| Error::Unreadable("a hash of the list of erased persons".to_owned()))
}

/// A way of slow hashing: how slow, and the salt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Hashing {
    memory_kib: u32,
    passes: u32,
    salt: String,
}

impl Hashing {
    /// The way of a list, or a new one where it has none yet.
    pub(super) fn of_list(list: &[Erased]) -> Result<Self> {
        for record in list.iter().rev() {
            if let Some(hashing) = Self::of(record)? {
                return Ok(hashing);
            }
        }
        Ok(Self { memory_kib: MEMORY_KIB, passes: PASSES, salt: random::<16>()? })
    }

    /// The way of a record; `None` for one of older programs.
    fn of(record: &Erased) -> Result<Option<Self>> {
        if !record.salt.starts_with(SLOW) {
            return Ok(None);
        }
        let read = || {
            let mut parts = record.salt.split(',').skip(1);
            let memory_kib = parts.next()?.strip_prefix("m=")?.parse().ok()?;
            let passes = parts.next()?.strip_prefix("t=")?.parse().ok()?;
            parts.next().filter(|lanes| *lanes == "p=1")?;
            let salt = parts.next().filter(|salt| salt.len() >= 16)?.to_owned();
            let fits = memory_kib <= MEMORY_KIB_MAX && passes <= PASSES_MAX;
            fits.then_some(Self { memory_kib, passes, salt })
        };
        let unreadable = || Error::Unreadable(format!("the record of {}", record.pseudonym));
        read().map(Some).ok_or_else(unreadable)
    }

    /// As it stands in a record.
    pub(super) fn salt(&self) -> String {
        format!("{SLOW},m={},t={},p=1,{}", self.memory_kib, self.passes, self.salt)
    }

    /// The hash of a number's one name.
    pub(super) fn hash(&self, name: &str) -> Result<String> {
        self.hash_in(name, &mut Vec::new())
    }

    /// The same with memory that was used before.
    fn hash_in(&self, name: &str, memory: &mut Vec<Block>) -> Result<String> {
        let wrong = |error: argon2::Error| Error::Unreadable(format!("a hash ({error})"));
        let params = Params::new(self.memory_kib, self.passes, 1, Some(LEN)).map_err(wrong)?;
        memory.resize(params.block_count(), Block::default());
        let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
        let mut out = [0; LEN];
        argon2
            .hash_password_into_with_memory(
                name.as_bytes(),
                self.salt.as_bytes(),
                &mut out,
                &mut memory[..],
            )
            .map_err(wrong)?;
        Ok(hex(&out))
    }
}

/// The fast hash of older programs.
fn fast(salt: &str, token: &str) -> String {
    hex(&Sha256::new().chain_update(salt).chain_update(token).finalize())
}

/// Whether a record of older programs is of this number: it is of one of its spellings.
fn fits_fast(record: &Erased, number: &Number) -> bool {
    let names = [Some(number.token()), Some(number.canonical()), number.reversed()];
    names.into_iter().flatten().any(|name| fast(&record.salt, name) == record.hash)
}

/// The record of a number.
pub(super) fn find(list: &[Erased], number: &Number) -> Result<Option<Erased>> {
    let found = find_all(list, std::slice::from_ref(number))?.pop();
    Ok(found.and_then(|(_, pseudonym)| {
        list.iter().find(|record| record.pseudonym == pseudonym).cloned()
    }))
}

/// Those of some numbers that are in a list, with the pseudonyms that they have there. Each number is
/// hashed once for each salt, on all cores.
pub(super) fn find_all(list: &[Erased], numbers: &[Number]) -> Result<Vec<(Number, String)>> {
    let mut ways: Vec<(Hashing, BTreeMap<&str, &str>)> = Vec::new();
    let mut old = Vec::new();
    for record in list {
        let Some(hashing) = Hashing::of(record)? else {
            old.push(record);
            continue;
        };
        let at = ways.iter().position(|(way, _)| *way == hashing).unwrap_or_else(|| {
            ways.push((hashing, BTreeMap::new()));
            ways.len() - 1
        });
        ways[at].1.insert(&record.hash, &record.pseudonym);
    }
    let (ways, old) = (&ways, &old);
    let look = |some: &[Number]| -> Result<Vec<(Number, String)>> {
        let (mut found, mut memory) = (Vec::new(), Vec::new());
        for number in some {
            let mut pseudonym = old
                .iter()
                .find(|record| fits_fast(record, number))
                .map(|record| record.pseudonym.clone());
            for (way, records) in ways {
                if pseudonym.is_none() {
                    let hash = way.hash_in(number.canonical(), &mut memory)?;
                    pseudonym = records.get(&*hash).map(|pseudonym| (*pseudonym).to_owned());
                }
            }
            found.extend(pseudonym.map(|pseudonym| (number.clone(), pseudonym)));
        }
        Ok(found)
    };
    let cores = std::thread::available_parallelism().map_or(1, NonZero::get);
    let share = numbers.len().div_ceil(cores).max(1);
    std::thread::scope(|scope| {
        let threads: Vec<_> =
            numbers.chunks(share).map(|some| scope.spawn(move || look(some))).collect();
        let mut all = Vec::new();
        for thread in threads {
            let failed = |_| Error::Unreadable("a hash of the list of erased persons".to_owned());
            all.extend(thread.join().map_err(failed)??);
        }
        Ok(all)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(hashing: &Hashing, number: &str, pseudonym: &str) -> Erased {
        Erased {
            hash: hashing.hash(Number::new(number).canonical()).expect("hashed"),
            salt: hashing.salt(),
            pseudonym: pseudonym.to_owned(),
            erased_at_ms: 1,
            erased_by: "ana".to_owned(),
        }
    }

    #[test]
    fn s21_a_number_is_known_again_in_every_spelling_by_a_slow_hash() {
        let hashing = Hashing::of_list(&[]).expect("random");
        let list = [record(&hashing, "04A1B2C3", "ERASED-1"), record(&hashing, "XY77", "ERASED-2")];
        assert!(list[0].salt.starts_with("argon2id,m=12288,t=1,p=1,"), "{}", list[0].salt);
        assert_eq!(Hashing::of_list(&list).expect("read"), hashing, "one salt for all");
        for spelling in ["04a1b2c3", "C3B2A104", "04:A1:B2:C3"] {
            let found = find(&list, &Number::new(spelling)).expect("looked up");
            assert_eq!(found.expect(spelling).pseudonym, "ERASED-1");
        }
        assert_eq!(find(&list, &Number::new("04A1B2C4")).expect("looked up"), None);
        let numbers = ["A1", "xy77", "C3B2A104", "77XY"].map(Number::new);
        let found = find_all(&list, &numbers).expect("looked up");
        let named: Vec<_> = found.iter().map(|(number, name)| (number.token(), &**name)).collect();
        assert_eq!(named, [("xy77", "ERASED-2"), ("c3b2a104", "ERASED-1")]);
    }

    #[test]
    fn s21_a_record_of_an_older_program_is_still_good() {
        let salt = "00112233445566778899aabbccddeeff".to_owned();
        let hash = fast(&salt, "04a1b2c3");
        let old = Erased {
            hash,
            salt,
            pseudonym: "ERASED-9".to_owned(),
            erased_at_ms: 1,
            erased_by: String::new(),
        };
        let list = [old];
        for spelling in ["04A1B2C3", "c3b2a104", "04-A1-B2-C3"] {
            assert!(
                find(&list, &Number::new(spelling)).expect("looked up").is_some(),
                "{spelling}"
            );
        }
        assert!(Hashing::of_list(&list).expect("random").salt().starts_with("argon2id,"));
    }

    #[test]
    fn a_list_that_asks_for_too_much_is_refused() {
        let hashing = Hashing::of_list(&[]).expect("random");
        let mut wrong = record(&hashing, "04A1B2C3", "ERASED-1");
        for salt in ["argon2id,m=999999999,t=1,p=1,00112233445566", "argon2id", "argon2id,m=1"] {
            salt.clone_into(&mut wrong.salt);
            assert!(find(std::slice::from_ref(&wrong), &Number::new("A1")).is_err(), "{salt}");
        }
    }
}
