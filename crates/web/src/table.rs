//! Comma-separated values (RFC 4180): written for spreadsheets, read from them.

use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};

/// A table being written.
#[derive(Debug, Default)]
pub(crate) struct Table(String);

impl Table {
    /// A table with its head.
    pub(crate) fn new(head: &[&str]) -> Self {
        let mut table = Self::default();
        table.row(head);
        table
    }

    /// Adds a row.
    pub(crate) fn row<T: AsRef<str>>(&mut self, cells: &[T]) {
        for (index, cell) in cells.iter().enumerate() {
            if index > 0 {
                self.0.push(',');
            }
            push_cell(&mut self.0, cell.as_ref());
        }
        self.0.push_str("\r\n");
    }

    /// The text.
    #[cfg(test)]
    pub(crate) fn into_text(self) -> String {
        self.0
    }

    /// As an answer that a browser keeps as a file.
    pub(crate) fn into_file(self, name: &str) -> Response {
        let disposition = HeaderValue::try_from(format!("attachment; filename=\"{name}\""))
            .unwrap_or(HeaderValue::from_static("attachment"));
        let kind = HeaderValue::from_static("text/csv; charset=utf-8");
        ([(header::CONTENT_TYPE, kind), (header::CONTENT_DISPOSITION, disposition)], self.0)
            .into_response()
    }
}

fn push_cell(out: &mut String, cell: &str) {
    // What begins like a formula is made a text: spreadsheets would run it.
    let is_formula =
        cell.starts_with(['=', '+', '-', '@', '\t', '\r']) && cell.parse::<f64>().is_err();
    let needs_quotes = is_formula || cell.contains([',', '"', '\n', '\r', ';']);
    if !needs_quotes {
        out.push_str(cell);
        return;
    }
    out.push('"');
    if is_formula {
        out.push('\'');
    }
    for letter in cell.chars() {
        if letter == '"' {
            out.push('"');
        }
        out.push(letter);
    }
    out.push('"');
}

/// Reads rows of cells with the number of the line that each begins at. The separator is the comma,
/// or the semicolon where the first line has more of those, as spreadsheets of many countries
/// write it. Empty lines are left out.
///
/// # Errors
/// A sentence with the line, when a quote is never closed.
pub(crate) fn read(text: &str) -> Result<Vec<(usize, Vec<String>)>, String> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let first = text.lines().next().unwrap_or_default();
    let separator = if first.matches(';').count() > first.matches(',').count() { ';' } else { ',' };
    let mut rows = Vec::new();
    let mut cells = Vec::new();
    let mut cell = String::new();
    let (mut line, mut begun) = (1, 1);
    let mut quoted_since = None;
    let mut letters = text.chars().peekable();
    while let Some(letter) = letters.next() {
        if letter == '\n' {
            line += 1;
        }
        match letter {
            '"' if quoted_since.is_some() => {
                if letters.peek() == Some(&'"') {
                    letters.next();
                    cell.push('"');
                } else {
                    quoted_since = None;
                }
            }
            _ if quoted_since.is_some() => cell.push(letter),
            '"' if cell.trim().is_empty() => {
                cell.clear();
                quoted_since = Some(line);
            }
            '\r' if letters.peek() == Some(&'\n') => {}
            '\n' => {
                cells.push(std::mem::take(&mut cell));
                keep(&mut rows, begun, &mut cells);
                begun = line;
            }
            _ if letter == separator => cells.push(std::mem::take(&mut cell)),
            _ => cell.push(letter),
        }
    }
    if let Some(line) = quoted_since {
        return Err(format!("Line {line}: a quote is opened there and never closed."));
    }
    cells.push(cell);
    keep(&mut rows, begun, &mut cells);
    Ok(rows)
}

fn keep(rows: &mut Vec<(usize, Vec<String>)>, line: usize, cells: &mut Vec<String>) {
    let row: Vec<String> =
        std::mem::take(cells).into_iter().map(|cell| cell.trim().to_owned()).collect();
    if row.iter().any(|cell| !cell.is_empty()) {
        rows.push((line, row));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_is_read_back() {
        let mut table = Table::new(&["token", "note"]);
        table.row(&["04A2", "Ana, \"the boss\""]);
        table.row(&["-5", "two\nlines"]);
        let rows = read(&table.into_text()).expect("it is sound");
        assert_eq!(rows[1], (2, vec!["04A2".to_owned(), "Ana, \"the boss\"".to_owned()]));
        assert_eq!(rows[2], (3, vec!["-5".to_owned(), "two\nlines".to_owned()]));
    }

    #[test]
    fn a_spreadsheet_runs_nothing_of_it() {
        let mut table = Table::default();
        table.row(&["=HYPERLINK(\"http://x\")", "+40700", "@x"]);
        assert_eq!(
            table.into_text(),
            "\"'=HYPERLINK(\"\"http://x\"\")\",+40700,\"'@x\"\r\n",
            "a number stays a number"
        );
    }

    #[test]
    fn semicolons_marks_and_empty_lines_are_read() {
        let rows = read("\u{feff}token;note\r\n\r\nA;x,y\r\n\"B\nC\";z").expect("it is sound");
        let told: Vec<_> = rows.iter().map(|(line, row)| (*line, row.join("|"))).collect();
        assert_eq!(
            told,
            [(1, "token|note".to_owned()), (3, "A|x,y".to_owned()), (4, "B\nC|z".to_owned())]
        );
        let error = read("a,b\n\"c,d\n").expect_err("never closed");
        assert!(error.contains("Line 2"), "{error}");
    }
}
