//! Tables as text that spreadsheets open.

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
