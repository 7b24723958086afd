//! A card's number in a text, however it is written: with other separators or none, within another
//! word, with its bytes the other way round, in base64. Masking, telling somebody what is kept, and
//! erasing it look for a number here, so that none of them misses what another one finds (S21).
//!
//! It does not know which numbers there are: that is for whoever asks. Read [`Number`] first.

mod find;
mod number;

pub use find::{Ending, Words, decoded, stands_at};
pub use number::{Found, Number, is_distinct, reversed};

/// A text's form: what a number may stand beside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TextForm {
    /// Words, a page, a table.
    Plain,
    /// JSON: only what stands in quotation marks is looked at, so that it stays JSON.
    Json,
}

/// A token with its beginning hidden: tokens are personal data.
pub fn masked_card(token: &str) -> String {
    let count = token.chars().count();
    if count <= 4 {
        return "*".repeat(count);
    }
    let tail: String = token.chars().skip(count - 4).collect();
    format!("…{tail}")
}
