//! Writing sheets down: one transaction, few round trips, statements that the engines can cache.

use std::fmt::Write as _;
use std::sync::Arc;

use sqlx::AssertSqlSafe;

use crate::Result;
use crate::audit_chain::{self, chain};
use crate::db::{Columns as _, Db, tx, write};
use crate::sheet::{Form, Sheets, Value};

/// Rows a statement takes, largest first. A fixed few sizes, because every size is a statement
/// of its own in the engine's cache; all of the small ones, because those are what an answer waits for, and
/// each statement is a way to the server and back.
const SIZES: [usize; 12] = [128, 64, 32, 16, 8, 7, 6, 5, 4, 3, 2, 1];

/// How placeholders are written. SQLite looks numbered ones up by walking a list of names, which
/// makes a long statement slow; PostgreSQL knows numbered ones only.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Marks {
    Bare,
    Numbered,
}

/// The text of a statement for a number of rows.
fn statement(form: &Form, rows: usize, marks: Marks) -> Arc<str> {
    let cells = rows * form.columns;
    let mut sql = String::with_capacity(form.head.len() + form.tail.len() + cells * 7);
    sql.push_str(form.head);
    for cell in 0..cells {
        let at_start = cell % form.columns == 0;
        sql.push_str(match (cell, at_start) {
            (0, _) => "(",
            (_, true) => "), (",
            (_, false) => ", ",
        });
        match marks {
            Marks::Bare => sql.push('?'),
            // Writing to a String cannot fail.
            Marks::Numbered => _ = std::write!(sql, "${}", cell + 1),
        }
    }
    sql.push(')');
    sql.push_str(form.tail);
    sql.into()
}

/// Cuts rows into pieces of the known sizes.
fn pieces(mut rows: &[Vec<Value>]) -> impl Iterator<Item = &[Vec<Value>]> {
    std::iter::from_fn(move || {
        let size = SIZES.into_iter().find(|size| *size <= rows.len())?;
        let (piece, rest) = rows.split_at(size);
        rows = rest;
        Some(piece)
    })
}

/// Runs one statement on a connection; a macro, because the body is stamped for each engine.
macro_rules! run_piece {
    ($conn:ident, $form:expr, $piece:expr, $marks:expr) => {{
        let sql = statement($form, $piece.len(), $marks);
        let mut query = sqlx::query(AssertSqlSafe(sql));
        for value in $piece.iter().flatten() {
            query = match value {
                Value::Int(value) => query.bind(*value),
                Value::Real(value) => query.bind(*value),
                Value::Word(value) => query.bind(*value),
                Value::Text(value) => query.bind(value.as_deref()),
                Value::Bytes(value) => query.bind(&**value),
            };
        }
        query.execute(&mut *$conn).await?;
    }};
}

/// The rows of a commit that is one statement, which is a transaction by itself.
fn only_piece(sheets: &Sheets) -> Option<(&'static Form, &[Vec<Value>])> {
    let [sheet] = &*sheets.sheets else { return None };
    let is_one = sheets.audit.is_empty() && SIZES.contains(&sheet.rows.len());
    is_one.then_some((sheet.form, &*sheet.rows))
}

/// Writes the sheets as one transaction.
pub(crate) async fn commit(db: &Db, sheets: &Sheets) -> Result<()> {
    let marks = match db {
        Db::Sqlite { .. } => Marks::Bare,
        Db::Postgres(_) => Marks::Numbered,
    };
    if let Some((form, rows)) = only_piece(sheets) {
        return write!(db, conn => {
            run_piece!(conn, form, rows, marks);
            Ok(())
        });
    }
    tx!(db, conn => {
        for sheet in &sheets.sheets {
            for piece in pieces(&sheet.rows) {
                run_piece!(conn, sheet.form, piece, marks);
            }
        }
        // Last: the head of the chain is held until the commit.
        if !sheets.audit.is_empty() {
            chain!(conn, &sheets.audit);
        }
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const FORM: Form = Form { head: "INSERT INTO t (a, b) VALUES ", columns: 2, tail: " X" };

    #[test]
    fn a_statement_has_a_bracket_a_row() {
        let bare = statement(&FORM, 2, Marks::Bare);
        assert_eq!(&*bare, "INSERT INTO t (a, b) VALUES (?, ?), (?, ?) X");
        let numbered = statement(&FORM, 2, Marks::Numbered);
        assert_eq!(&*numbered, "INSERT INTO t (a, b) VALUES ($1, $2), ($3, $4) X");
    }

    #[test]
    fn rows_are_cut_into_known_sizes_and_none_is_lost() {
        let rows: Vec<Vec<Value>> = (0..171_i64).map(|n| vec![Value::from(n)]).collect();
        let sizes: Vec<usize> = pieces(&rows).map(<[_]>::len).collect();
        assert_eq!(sizes, [128, 32, 8, 3]);
        let all: Vec<_> = pieces(&rows).flatten().cloned().collect();
        assert_eq!(all, rows);
    }
}
