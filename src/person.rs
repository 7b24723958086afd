//! `mendpoint person`: what is kept of somebody, and erasing them.

use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, Result};

use crate::cli::Person;
use crate::people::{BY, open};
use crate::settings::Settings;
use crate::terminal::{complain, say};
use mendpoint_pipeline::masked_card;
use mendpoint_store::{Error, IfUnknown, counted};

/// `mendpoint person ..`.
pub(crate) async fn run(
    command: Person,
    read: impl Fn(Option<&Path>) -> Result<Settings>,
) -> Result<ExitCode> {
    match command {
        Person::Export { token, config } => {
            let store = open(read, &config).await?;
            let told = store.person(&token).await?;
            store.add_audit(BY, "person exported", &masked_card(&token), "").await?;
            store.close().await;
            say(&serde_json::to_string_pretty(&told)?);
        }
        Person::Erase { token, unknown, config } => {
            let settings = read(config.config.as_deref())?;
            let store = open(|_| Ok(settings.clone()), &config).await?;
            // A server has cards and transactions in its memory and would write them again.
            let claim = store.claim_for_server().await.context(
                "a running server has to do it itself: use System, Persons on its pages, or \
                 POST /api/v1/persons/erase",
            )?;
            let if_unknown = if unknown { IfUnknown::Remember } else { IfUnknown::Refuse };
            let erasure = match store.begin_erasure(&token, BY, if_unknown).await {
                Err(error @ Error::Unknown(_)) => {
                    return Err(error).context(
                        "it was not erased; with --unknown a number is remembered that may be in an \
                         older copy",
                    );
                }
                other => other.context("it was not erased")?,
            };
            let report = store.erase(&erasure).await?;
            let rows = counted(report.rows, "row");
            let folder = Some(Path::new(&settings.backup.folder));
            let folder = folder.filter(|folder| !folder.as_os_str().is_empty());
            let unlisted = match store.write_erasures(folder).await {
                Ok(()) => None,
                Err(error) => Some(error.to_string()),
            };
            store.add_audit(BY, "person erased", &report.pseudonym, &rows).await?;
            store.close().await;
            drop(claim);
            say(&format!("Erased in {rows}. {} stands in its place.", report.pseudonym));
            if let Some(why) = unlisted {
                complain(&format!(
                    "the list that keeps erased persons erased when an older copy is brought back could \
                     not be written: {why}. The server writes it when that is mended; until then it is \
                     not up to date."
                ));
                return Ok(ExitCode::FAILURE);
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}
