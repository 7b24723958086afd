//! Drivers' tokens as people and files write them: read, checked, and named without showing them.

use std::fmt::Write as _;
use std::sync::LazyLock;

use mendpoint_model::{TokenStatus, UnixMs};
use mendpoint_store::IdTokenRow;
use sha2::{Digest as _, Sha256};

use crate::table::Table;

/// The longest token, in characters (2.1 allows 255; 1.6 chargers read 20).
const TOKEN_MAX: usize = 255;
/// The longest group, in characters.
const PARENT_MAX: usize = 36;
/// The longest note, in characters.
const NOTE_MAX: usize = 500;
/// Rows of one file.
pub(crate) const ROWS_MAX: usize = 100_000;
/// Errors that are told of one file.
const ERRORS_MAX: usize = 50;

/// What 2.x may call a token.
pub(crate) const KINDS: [&str; 10] = [
    "Central",
    "DirectPayment",
    "eMAID",
    "EVCCID",
    "ISO14443",
    "ISO15693",
    "KeyCode",
    "Local",
    "MacAddress",
    "VIN",
];

/// The columns of a file, in the order in which they are written.
const COLUMNS: [&str; 6] = ["token", "status", "group", "expires_at", "type", "note"];

/// A token as it was typed.
#[derive(Clone, Debug, Default)]
pub(crate) struct Typed<'a> {
    pub(crate) token: &'a str,
    /// Empty: accepted.
    pub(crate) status: &'a str,
    pub(crate) parent: &'a str,
    /// RFC 3339, or a day: then its end in UTC.
    pub(crate) expires_at: &'a str,
    pub(crate) kind: &'a str,
    pub(crate) note: &'a str,
}

impl Typed<'_> {
    /// Checks what was typed.
    ///
    /// # Errors
    /// A sentence that says what is wrong.
    pub(crate) fn read(&self) -> Result<IdTokenRow, String> {
        let token = self.token.trim();
        if token.is_empty() || token.chars().count() > TOKEN_MAX {
            return Err(format!("a token has 1 to {TOKEN_MAX} characters"));
        }
        if token.chars().any(char::is_control) {
            return Err("a token has no line ends and no other control characters".to_owned());
        }
        let status = match self.status.trim() {
            "" => TokenStatus::Accepted,
            word => TokenStatus::from_name(&word.to_lowercase()).ok_or_else(|| {
                format!(
                    "the status is accepted, blocked, expired, invalid or concurrent_tx, not \
                     {word:?}"
                )
            })?,
        };
        let parent = self.parent.trim();
        if parent.chars().count() > PARENT_MAX {
            return Err(format!("a group has at most {PARENT_MAX} characters"));
        }
        if self.note.chars().count() > NOTE_MAX {
            return Err(format!("a note has at most {NOTE_MAX} characters"));
        }
        Ok(IdTokenRow {
            token: token.to_owned(),
            status,
            parent: Some(parent.to_owned()).filter(|parent| !parent.is_empty()),
            expires_at: moment(self.expires_at)?,
            note: self.note.trim().to_owned(),
            kind: kind(self.kind)?,
            updated_at: UnixMs(0),
        })
    }
}

fn kind(text: &str) -> Result<String, String> {
    let text = text.trim();
    if text.is_empty() {
        return Ok(String::new());
    }
    let known = KINDS.into_iter().find(|kind| kind.eq_ignore_ascii_case(text));
    known
        .map(str::to_owned)
        .ok_or_else(|| format!("the type is one of {}, or empty, not {text:?}", KINDS.join(", ")))
}

/// A moment, or the end of a day in UTC.
fn moment(text: &str) -> Result<Option<UnixMs>, String> {
    let text = text.trim();
    if text.is_empty() {
        return Ok(None);
    }
    UnixMs::parse_rfc3339(text)
        .or_else(|| UnixMs::parse_rfc3339(&format!("{text}T23:59:59Z")))
        .map(Some)
        .ok_or_else(|| {
            format!(
                "the end is a day as 2026-12-31 or a time as 2026-12-31T18:00:00Z, not {text:?}"
            )
        })
}

/// Reads a file of tokens: all rows, or what is wrong with which lines.
///
/// # Errors
/// A sentence for each line that cannot be read, the first 50 of them.
pub(crate) fn read_file(text: &str) -> Result<Vec<IdTokenRow>, Vec<(usize, String)>> {
    let rows = crate::table::read(text).map_err(|sentence| vec![(0, sentence)])?;
    let mut rows = rows.into_iter();
    let Some((line, head)) = rows.next() else {
        return Err(vec![(0, "The file is empty.".to_owned())]);
    };
    let place = |name: &str| head.iter().position(|column| column.eq_ignore_ascii_case(name));
    let Some(token_at) = place("token") else {
        let sentence = format!("The first line names the columns: {}.", COLUMNS.join(","));
        return Err(vec![(line, sentence)]);
    };
    let unknown = head.iter().find(|column| {
        !column.is_empty() && !COLUMNS.iter().any(|known| known.eq_ignore_ascii_case(column))
    });
    if let Some(unknown) = unknown {
        let sentence = format!("There is no column {unknown:?}; there are {}.", COLUMNS.join(","));
        return Err(vec![(line, sentence)]);
    }
    let mut errors: Vec<(usize, String)> = Vec::new();
    let mut tokens: Vec<IdTokenRow> = Vec::new();
    let mut seen = std::collections::BTreeMap::new();
    for (line, cells) in rows {
        let cell = |at: Option<usize>| at.and_then(|at| cells.get(at)).map_or("", String::as_str);
        let typed = Typed {
            token: cell(Some(token_at)),
            status: cell(place("status")),
            parent: cell(place("group")),
            expires_at: cell(place("expires_at")),
            kind: cell(place("type")),
            note: cell(place("note")),
        };
        let result =
            typed.read().and_then(|row| match seen.insert(row.token.to_lowercase(), line) {
                Some(before) => Err(format!("the token stands in line {before} already")),
                None => Ok(row),
            });
        match result {
            Ok(row) if tokens.len() < ROWS_MAX => tokens.push(row),
            Ok(_) => {
                errors.push((line, format!("a file has at most {ROWS_MAX} tokens")));
                break;
            }
            Err(sentence) => errors.push((line, sentence)),
        }
        if errors.len() == ERRORS_MAX {
            break;
        }
    }
    if errors.is_empty() { Ok(tokens) } else { Err(errors) }
}

/// The file of some tokens. [`read_file`] reads it back.
pub(crate) fn file(rows: &[IdTokenRow]) -> Table {
    let mut table = Table::new(&COLUMNS);
    for row in rows {
        table.row(&[
            row.token.as_str(),
            row.status.name(),
            row.parent.as_deref().unwrap_or_default(),
            &row.expires_at.map(UnixMs::rfc3339).unwrap_or_default(),
            &row.kind,
            &row.note,
        ]);
    }
    table
}

/// What references are made with, another one after each start: a chip's four bytes could be found from
/// a plain hash in minutes.
static KEY: LazyLock<Option<[u8; 32]>> = LazyLock::new(|| {
    let mut key = [0; 32];
    getrandom::fill(&mut key).ok().map(|()| key)
});

/// A name for a token in an address, which does not show the token; good until the program ends.
pub(crate) fn reference(token: &str) -> String {
    let Some(key) = *KEY else { return String::new() };
    let keyed = Sha256::new().chain_update(key).chain_update(token.to_lowercase().as_bytes());
    let digest = keyed.finalize();
    digest[..10].iter().fold(String::with_capacity(20), |mut text, byte| {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_typed_is_read_or_gets_a_sentence() {
        let typed = Typed {
            token: " 04A2 ",
            status: "Blocked",
            parent: "FLEET",
            expires_at: "2026-09-21",
            kind: "iso14443",
            note: "Ana",
        };
        let row = typed.read().expect("it is sound");
        assert_eq!(
            (&*row.token, row.status, &*row.kind),
            ("04A2", TokenStatus::Blocked, "ISO14443")
        );
        assert_eq!(row.expires_at.map(UnixMs::rfc3339).as_deref(), Some("2026-09-21T23:59:59Z"));
        for (wrong, word) in [
            (Typed { token: " ", ..typed.clone() }, "1 to 255"),
            (Typed { token: "a\nb", ..typed.clone() }, "control"),
            (Typed { status: "maybe", ..typed.clone() }, "accepted, blocked"),
            (Typed { expires_at: "soon", ..typed.clone() }, "2026-12-31"),
            (Typed { kind: "RFID", ..typed.clone() }, "ISO14443"),
        ] {
            let error = wrong.read().expect_err("refused");
            assert!(error.contains(word), "{error}");
        }
    }

    #[test]
    fn a_file_is_read_whole_or_its_wrong_lines_are_told() {
        let text = "token,status,note\nA,accepted,\nB,blocked,\"x, y\"\n";
        let rows = read_file(text).expect("it is sound");
        assert_eq!((rows.len(), &*rows[1].note), (2, "x, y"));
        assert_eq!(read_file(&file(&rows).into_text()).expect("it is ours"), rows);
        let text = "token;status\nA;accepted\nB;perhaps\n\na;blocked\n;accepted\n";
        let errors = read_file(text).expect_err("three lines are wrong");
        let lines: Vec<_> = errors.iter().map(|(line, _)| *line).collect();
        assert_eq!(lines, [3, 5, 6], "{errors:?}");
        assert!(errors[1].1.contains("line 2"), "{errors:?}");
        assert!(read_file("card,status\nA,accepted").expect_err("no head")[0].1.contains("token,"));
        assert!(read_file("").is_err());
    }

    #[test]
    fn a_reference_shows_nothing_of_the_token() {
        assert_eq!(reference("04A2B3"), reference("04a2b3"));
        assert!(!reference("04A2B3").contains("04a2b3"));
        assert_eq!(reference("x").len(), 20);
        let plain = Sha256::digest(b"04a2b3");
        let begin = format!("{:02x}{:02x}{:02x}{:02x}", plain[0], plain[1], plain[2], plain[3]);
        assert!(!reference("04A2B3").starts_with(&begin), "it could be guessed");
    }
}
