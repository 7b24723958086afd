//! The list of who was erased: in the database, beside it, and in a folder of backups.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::db::Columns;
use crate::{Error, Result, Store, private};

/// The record of somebody who was erased: nothing that tells who it was.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Erased {
    /// The hash of the number, hexadecimal.
    pub hash: String,
    /// How the hash is made, and its salt: `argon2id,m=KIB,t=PASSES,p=1,SALT` of the number in the one
    /// spelling that stands for all. Hexadecimal digits alone, as older programs wrote it: SHA-256 of
    /// them and of the number in small letters.
    pub salt: String,
    /// What stands in the place of the token now.
    pub pseudonym: String,
    /// When, unix milliseconds.
    pub erased_at_ms: i64,
    /// Who did it.
    pub erased_by: String,
}

pub(crate) fn erased(row: &impl Columns) -> Result<Erased> {
    Ok(Erased {
        hash: row.text(0)?,
        salt: row.text(1)?,
        pseudonym: row.text(2)?,
        erased_at_ms: row.int(3)?,
        erased_by: row.text(4)?,
    })
}

impl Erased {
    /// The lists that are kept beside a file: of its own, and of its folder.
    pub(crate) fn read_beside(file: &Path) -> Result<Vec<Self>> {
        let mut list = Self::read_list(Self::list_of(file))?;
        list.extend(Self::read_folder(file.parent().unwrap_or(Path::new("")))?);
        Ok(list)
    }

    /// The list that is kept in a folder of backups.
    pub(crate) fn read_folder(folder: &Path) -> Result<Vec<Self>> {
        Self::read_list(folder.join(LIST_OF_FOLDER))
    }

    /// A list, empty where there is none.
    fn read_list(path: PathBuf) -> Result<Vec<Self>> {
        match std::fs::read_to_string(&path) {
            Ok(text) => serde_json::from_str(&text)
                .map_err(|source| Error::Corrupt { what: path.display().to_string(), source }),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Vec::new()),
            Err(source) => Err(Error::File { path, source }),
        }
    }

    fn list_of(file: &Path) -> PathBuf {
        let mut name = file.as_os_str().to_owned();
        name.push(".erasures");
        name.into()
    }
}

/// The list of erasures in a folder of backups.
const LIST_OF_FOLDER: &str = "mendpoint.erasures";

impl Store {
    /// Keeps the list of erasures outside of the database, for the day on which the database is lost
    /// and an older copy is brought back: beside the file (SQLite), and in a folder of backups.
    ///
    /// # Errors
    /// When a list cannot be written.
    pub async fn write_erasures(&self, backups: Option<&Path>) -> Result<()> {
        let list = self.erasures().await?;
        let beside = self.file().map(Erased::list_of);
        let in_folder = backups.map(|folder| folder.join(LIST_OF_FOLDER));
        // One that cannot be written is no reason not to write the other.
        let mut outcome = Ok(());
        for path in beside.into_iter().chain(in_folder) {
            if list.is_empty() && !path.exists() {
                continue;
            }
            let text = crate::db::json(&list, "erasures")?;
            let mut part = path.as_os_str().to_owned();
            part.push(".part");
            let part = PathBuf::from(part);
            let written =
                private::write(&part, text.as_bytes()).and_then(|()| std::fs::rename(&part, &path));
            if let Err(source) = written {
                outcome = Err(Error::File { path, source });
            }
        }
        outcome
    }

    /// How many of those who were erased are missing in the lists: beside the database, and in a folder
    /// of backups. A list that cannot be read has nobody.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn unlisted_erasures(&self, backups: Option<&Path>) -> Result<usize> {
        let known = self.erasures().await?;
        let beside = self.file().map(Erased::list_of);
        let in_folder = backups.map(|folder| folder.join(LIST_OF_FOLDER));
        let missing = beside.into_iter().chain(in_folder).map(|path| {
            let list = Erased::read_list(path).unwrap_or_default();
            known.iter().filter(|one| list.iter().all(|other| other.hash != one.hash)).count()
        });
        Ok(missing.max().unwrap_or(0))
    }
}
