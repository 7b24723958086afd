//! Passwords of people: Argon2id with the library's parameters (19 MiB, two passes).

use argon2::Argon2;
use argon2::password_hash::{PasswordHasher as _, PasswordVerifier as _, phc::PasswordHash};

/// The shortest password that is taken, in characters (NIST SP 800-63B, 3.1.1.2 allows eight with
/// a second factor; there is none here yet).
pub(crate) const SHORTEST: usize = 10;

/// The longest, in bytes: hashing an endless text would keep a core busy.
const LONGEST: usize = 1024;

/// Why a password was not hashed.
#[derive(Debug, thiserror::Error)]
pub enum BadPassword {
    /// Too short to keep anybody out.
    #[error("a password has at least {SHORTEST} characters")]
    Short,
    /// Nobody types that.
    #[error("a password has at most {LONGEST} bytes")]
    Long,
    /// The system gave no random bytes, or no memory.
    #[error("the password could not be hashed: {0}")]
    Hash(String),
}

/// What is kept of a password, as a PHC text with its salt.
///
/// # Errors
/// When the password is too short or too long, or the system has no random bytes.
pub fn hash_password(password: &str) -> Result<String, BadPassword> {
    if password.chars().count() < SHORTEST {
        return Err(BadPassword::Short);
    }
    if password.len() > LONGEST {
        return Err(BadPassword::Long);
    }
    Argon2::default()
        .hash_password(password.as_bytes())
        .map(|hash| hash.to_string())
        .map_err(|error| BadPassword::Hash(error.to_string()))
}

/// Whether a password is the one of a hash. A hash that cannot be read fits no password.
pub fn verify_password(password: &str, hash: &str) -> bool {
    password.len() <= LONGEST
        && PasswordHash::new(hash)
            .is_ok_and(|hash| Argon2::default().verify_password(password.as_bytes(), &hash).is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_right_password_fits() {
        let hash = hash_password("correct horse battery").expect("long enough");
        assert!(hash.starts_with("$argon2id$"), "{hash}");
        assert!(verify_password("correct horse battery", &hash));
        assert!(!verify_password("correct horse batterz", &hash));
        assert!(!verify_password("correct horse battery", "nonsense"));
        let again = hash_password("correct horse battery").expect("long enough");
        assert_ne!(hash, again, "every hash has its own salt");
    }

    #[test]
    fn short_and_endless_passwords_are_refused() {
        assert!(matches!(hash_password("short"), Err(BadPassword::Short)));
        assert!(matches!(hash_password(&"x".repeat(2000)), Err(BadPassword::Long)));
    }
}
