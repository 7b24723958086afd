//! Writing sheets down: one transaction, few round trips, statements that the engines can cache.

use std::fmt::Write as _;
use std::sync::Arc;

use sqlx::AssertSqlSafe;

use crate::Result;
use crate::audit_chain::{self, chain};
use crate::db::{Columns as _, Db, tx};
use crate::sheet::{Form, Sheets, Value};

/// Rows a statement takes, largest first. A fixed few sizes, because every size is a statement
/// of its own in the engine's cache.
const SIZES: [usize; 6] = [128, 32, 8, 4, 2, 1];

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

/// Runs one sheet on a connection; a macro, because the body is stamped for each engine.
macro_rules! run_sheet {
    ($conn:ident, $sheet:ident, $marks:expr) => {
        for piece in pieces(&$sheet.rows) {
            let sql = statement($sheet.form, piece.len(), $marks);
            let mut query = sqlx::query(AssertSqlSafe(sql));
            for value in piece.iter().flatten() {
                query = match value {
                    Value::Int(value) => query.bind(*value),
                    Value::Real(value) => query.bind(*value),
                    Value::Word(value) => query.bind(*value),
                    Value::Text(value) => query.bind(value.as_deref()),
                    Value::Bytes(value) => query.bind(&**value),
                };
            }
            query.execute(&mut *$conn).await?;
        }
    };
}

/// Writes the sheets as one transaction.
pub(crate) async fn commit(db: &Db, sheets: &Sheets) -> Result<()> {
    let marks = match db {
        Db::Sqlite { .. } => Marks::Bare,
        Db::Postgres(_) => Marks::Numbered,
    };
    tx!(db, conn => {
        for sheet in &sheets.sheets {
            run_sheet!(conn, sheet, marks);
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
        assert_eq!(sizes, [128, 32, 8, 2, 1]);
        let all: Vec<_> = pieces(&rows).flatten().cloned().collect();
        assert_eq!(all, rows);
    }
}
