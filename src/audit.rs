//! `mendpoint audit`: the audit log from the command line.

use std::path::Path;
use std::process::ExitCode;

use anyhow::{Result, bail};
use mendpoint_store::{AuditHead, AuditVerdict, counted};

use crate::cli::Audit;
use crate::people::open;
use crate::settings::Settings;
use crate::terminal::say;

/// A head as `SEQ:HASH`.
pub(crate) fn read_head(text: &str) -> Result<AuditHead> {
    let Some((seq, hash)) = text.split_once(':') else {
        bail!("a noted line is SEQ:HASH, as `mendpoint audit verify` prints it, not {text:?}");
    };
    Ok(AuditHead { seq: seq.trim().parse()?, hash: hash.trim().to_lowercase() })
}

/// `mendpoint audit ..`.
pub(crate) async fn run(
    command: Audit,
    read: impl Fn(Option<&Path>) -> Result<Settings>,
) -> Result<ExitCode> {
    match command {
        Audit::Verify { noted, config } => {
            let noted = noted.as_deref().map(read_head).transpose()?;
            let store = open(read, &config).await?;
            let verdict = store.verify_audit(noted.as_ref()).await;
            store.close().await;
            match verdict? {
                AuditVerdict::Whole(head) => {
                    say(&format!("The audit log is whole: {}.", counted(head.seq, "line")));
                    say(&format!("Note the last line elsewhere: {}:{}", head.seq, head.hash));
                    Ok(ExitCode::SUCCESS)
                }
                AuditVerdict::Broken { seq, why } => {
                    bail!("the audit log is not as it was written at line {seq}: {why}")
                }
            }
        }
        Audit::List { actor, subject, limit, config } => {
            let store = open(read, &config).await?;
            let (mut rows, _) =
                store.audit(subject.as_deref(), actor.as_deref(), None, limit).await?;
            store.close().await;
            rows.reverse();
            for row in rows {
                let (at, detail) = (row.at.rfc3339(), row.detail);
                say(&format!(
                    "{:>8} {at} {:20} {:28} {} {detail}",
                    row.seq, row.actor, row.action, row.subject
                ));
            }
            Ok(ExitCode::SUCCESS)
        }
    }
}
