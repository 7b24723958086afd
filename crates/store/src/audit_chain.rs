//! The audit log as a chain (S19): the hash of a line is made of the hash of the line before it and
//! of everything in the line. The head, locked for the rest of the transaction, is where the next
//! line goes, so that writers that come at the same time cannot fork the chain, whichever process
//! they are in.
//!
//! The hash is `sha256(hash of the line before, in hex, then the line)` in hex, where the line is the
//! JSON array `[seq,id,at_ms,"actor","action","subject","detail"]` without spaces. docs/audit.md tells
//! it, so that others can check the chain without this program.

use std::fmt::Write as _;

use mendpoint_model::UnixMs;
use sha2::{Digest as _, Sha256};

use crate::sheet::text;

/// Locks the head and reads it.
pub(crate) const LOCK: &str =
    "UPDATE audit_head SET seq = seq WHERE head_id = 1 RETURNING seq, hash";
/// Makes the head where there is none, and locks it if somebody else just did.
pub(crate) const FIRST: &str = "INSERT INTO audit_head (head_id, seq, hash) VALUES (1, 0, '')
    ON CONFLICT (head_id) DO UPDATE SET seq = audit_head.seq RETURNING seq, hash";
pub(crate) const MOVE: &str = "UPDATE audit_head SET seq = $1, hash = $2 WHERE head_id = 1";
/// A line that is there already was written by a try whose answer got lost.
pub(crate) const INSERT: &str = "INSERT INTO audit_entry
    (id, at_ms, actor, action, subject, detail, seq, hash) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
    ON CONFLICT (id) DO NOTHING";

/// A line of the audit log before it has a place in the chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Line {
    pub(crate) id: i64,
    pub(crate) at_ms: i64,
    pub(crate) actor: String,
    pub(crate) action: String,
    pub(crate) subject: String,
    pub(crate) detail: String,
}

impl Line {
    /// A line of actor, action, subject and detail.
    pub(crate) fn new(id: i64, at: UnixMs, words: [&str; 4]) -> Self {
        let [actor, action, subject, detail] = words.map(text);
        Self { id, at_ms: at.0, actor, action, subject, detail }
    }

    /// The hash of this line at a place behind a line with this hash.
    pub(crate) fn hash(&self, seq: i64, before: &str) -> String {
        let line =
            (seq, self.id, self.at_ms, &self.actor, &self.action, &self.subject, &self.detail);
        // Numbers and texts always serialise.
        let line = serde_json::to_string(&line).unwrap_or_default();
        hex(&Sha256::new().chain_update(before).chain_update(line).finalize())
    }
}

/// Bytes as small hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        // Writing to a String cannot fail.
        let _ = std::write!(text, "{byte:02x}");
        text
    })
}

/// Adds lines to the chain on a connection within a transaction; a macro, because the body is stamped
/// for each engine.
macro_rules! chain {
    ($conn:ident, $lines:expr) => {{
        let locked = sqlx::query(audit_chain::LOCK).fetch_optional(&mut *$conn).await?;
        let head = match locked {
            Some(head) => head,
            None => sqlx::query(audit_chain::FIRST).fetch_one(&mut *$conn).await?,
        };
        let (mut seq, mut hash) = (head.int(0)?, head.text(1)?);
        for line in $lines {
            let next = line.hash(seq + 1, &hash);
            let added = sqlx::query(audit_chain::INSERT)
                .bind(line.id)
                .bind(line.at_ms)
                .bind(&line.actor)
                .bind(&line.action)
                .bind(&line.subject)
                .bind(&line.detail)
                .bind(seq + 1)
                .bind(&next)
                .execute(&mut *$conn)
                .await?;
            if added.rows_affected() == 1 {
                (seq, hash) = (seq + 1, next);
            }
        }
        sqlx::query(audit_chain::MOVE).bind(seq).bind(&hash).execute(&mut *$conn).await?;
    }};
}
pub(crate) use chain;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_is_the_one_that_the_documentation_tells() {
        let line = Line::new(7, UnixMs(9), ["ana", "signed in", "10.0.0.1", ""]);
        let by_hand = Sha256::digest(br#"00ff[3,7,9,"ana","signed in","10.0.0.1",""]"#);
        assert_eq!(line.hash(3, "00ff"), hex(&by_hand));
    }

    #[test]
    fn every_part_of_a_line_counts() {
        let line = Line::new(7, UnixMs(9), ["a", "b", "c", "d"]);
        let hash = line.hash(1, "");
        for other in [
            Line { id: 8, ..line.clone() },
            Line { at_ms: 8, ..line.clone() },
            Line { actor: "ab".to_owned(), action: String::new(), ..line.clone() },
            Line { subject: "x".to_owned(), ..line.clone() },
            Line { detail: "x".to_owned(), ..line.clone() },
        ] {
            assert_ne!(other.hash(1, ""), hash, "{other:?}");
        }
        assert_ne!(line.hash(2, ""), hash);
        assert_ne!(line.hash(1, "x"), hash);
    }
}
