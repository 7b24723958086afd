//! Tables as text that spreadsheets open.

use axum::http::header;
use axum::response::{IntoResponse, Response};

/// Appends a line of cells, each in quotes (RFC 4180).
pub(crate) fn line(out: &mut String, cells: &[&str]) {
    for (index, cell) in cells.iter().enumerate() {
        if index > 0 {
            out.push(',');
        }
        out.push('"');
        // What a charger says may begin like a formula, and whoever opens the file is somebody
        // else: an apostrophe makes it text (S22).
        if cell.trim_start().starts_with(['=', '+', '-', '@', '\t', '\r', '|', '%']) {
            out.push('\'');
        }
        for character in cell.chars() {
            match character {
                '"' => out.push_str("\"\""),
                // A line break inside a cell is allowed and read by few.
                '\r' | '\n' => out.push(' '),
                other => out.push(other),
            }
        }
        out.push('"');
    }
    out.push_str("\r\n");
}

/// A text of lines as an answer that a browser keeps as a file.
pub(crate) fn file(name: &str, text: String) -> Response {
    let disposition = format!("attachment; filename=\"{name}\"");
    let kind = "text/csv; charset=utf-8".to_owned();
    ([(header::CONTENT_TYPE, kind), (header::CONTENT_DISPOSITION, disposition)], text)
        .into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_quoted_and_formulas_are_text() {
        let mut out = String::new();
        line(
            &mut out,
            &["a,b", "say \"hi\"", "=HYPERLINK(\"http://x\")", " +1", "-5", "two\nlines"],
        );
        assert_eq!(
            out,
            "\"a,b\",\"say \"\"hi\"\"\",\"'=HYPERLINK(\"\"http://x\"\")\",\"' +1\",\"'-5\",\"two lines\"\r\n"
        );
    }
}
