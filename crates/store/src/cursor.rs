use std::fmt;
use std::str::FromStr;

use crate::Error;

/// Where the next page of a list begins. Opaque for callers: it is written and read as text.
///
/// Lists go from new to old, by a time (or another number) and then by id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cursor {
    pub(crate) at: i64,
    pub(crate) id: i64,
}

impl Cursor {
    /// Before everything: the first page.
    pub(crate) const START: Self = Self { at: i64::MAX, id: i64::MAX };

    /// Before everything that is newer than a moment.
    pub fn until(at: mendpoint_model::UnixMs) -> Self {
        Self { at: at.0.saturating_add(1), id: i64::MIN }
    }

    /// The cursor to start from: the given one, or the beginning.
    pub(crate) fn or_start(cursor: Option<Self>) -> Self {
        cursor.unwrap_or(Self::START)
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        std::write!(f, "{}.{}", self.at, self.id)
    }
}

impl FromStr for Cursor {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let read = || {
            let (at, id) = text.split_once('.')?;
            Some(Self { at: at.parse().ok()?, id: id.parse().ok()? })
        };
        read().ok_or_else(|| Error::Cursor(text.chars().take(40).collect()))
    }
}

/// The most rows of one page.
pub const PAGE_MAX: u32 = 500;

/// A page and where the next one begins; `None` at the end.
pub type Page<T> = (Vec<T>, Option<Cursor>);

/// Rows to ask the database for: one more than the page, to know whether there is another.
pub(crate) fn rows_of(limit: u32) -> i64 {
    i64::from(limit.clamp(1, PAGE_MAX)) + 1
}

/// Cuts the extra row off and says where the next page begins.
pub(crate) fn page<T>(mut rows: Vec<T>, limit: u32, at: impl Fn(&T) -> (i64, i64)) -> Page<T> {
    let size = limit.clamp(1, PAGE_MAX) as usize;
    if rows.len() <= size {
        return (rows, None);
    }
    rows.truncate(size);
    let next = rows.last().map(at).map(|(at, id)| Cursor { at, id });
    (rows, next)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_reads_back_and_nonsense_gets_a_sentence() {
        let cursor = Cursor { at: -5, id: 7 };
        assert_eq!(cursor.to_string().parse::<Cursor>().ok(), Some(cursor));
        let error = "12".parse::<Cursor>().expect_err("no dot");
        assert!(error.to_string().contains("page marker"), "{error}");
    }

    #[test]
    fn the_extra_row_becomes_the_next_page() {
        let (rows, next) = page(vec![3_i64, 2, 1], 2, |n| (*n, *n));
        assert_eq!(rows, [3, 2]);
        assert_eq!(next, Some(Cursor { at: 2, id: 2 }));
        assert_eq!(page(vec![3_i64, 2], 2, |n| (*n, *n)).1, None);
    }
}
