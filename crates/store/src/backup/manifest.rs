use std::io::Read as _;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::audit_chain::hex;
use crate::{Error, Result};

/// What stands beside a copy: enough to know that it is whole, and what is in it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// The version of this form; 1.
    pub format: u32,
    /// The version of the program that made it.
    pub program: String,
    /// `sqlite` or `postgres`.
    pub database: String,
    /// The version of the schema in it.
    pub schema: i64,
    /// When it was begun, unix milliseconds: what was acknowledged before that is in it.
    pub made_at_ms: i64,
    /// The size of the copy in bytes.
    pub bytes: u64,
    /// The SHA-256 of the copy, hexadecimal.
    pub sha256: String,
    /// Rows of the tables that matter most: (table, rows).
    pub rows: Vec<(String, i64)>,
    /// The last line of the audit log in it, and its hash.
    pub audit_seq: i64,
    /// That hash; empty for none.
    pub audit_hash: String,
}

/// What the last line of the file begins with.
const SEAL: &str = "sha256 ";

impl Manifest {
    /// Where the manifest of a copy is: beside it.
    pub fn path_of(copy: &Path) -> PathBuf {
        let mut name = copy.as_os_str().to_owned();
        name.push(".manifest");
        name.into()
    }

    /// The text of the file: JSON, and a line with the hash of it.
    pub(crate) fn text(&self) -> String {
        let body = serde_json::to_string_pretty(self).unwrap_or_default();
        let seal = hex(&Sha256::digest(body.as_bytes()));
        format!("{body}\n{SEAL}{seal}\n")
    }

    /// Reads the manifest of a copy.
    ///
    /// # Errors
    /// When it is not there, or not as it was written.
    pub(crate) fn read(copy: &Path) -> Result<Self> {
        let path = Self::path_of(copy);
        let broken = |why: &str| Error::Backup(format!("the manifest {} {why}", path.display()));
        let text =
            std::fs::read(&path).map_err(|source| Error::File { path: path.clone(), source })?;
        let text = String::from_utf8(text).map_err(|_| broken("is damaged"))?;
        let (body, seal) = text
            .strip_suffix('\n')
            .and_then(|text| text.rsplit_once('\n'))
            .and_then(|(body, last)| Some((body, last.strip_prefix(SEAL)?)))
            .ok_or_else(|| broken("is cut off"))?;
        if hex(&Sha256::digest(body.as_bytes())) != seal {
            return Err(broken("is damaged: it is not as it was written"));
        }
        serde_json::from_str(body).map_err(|_| broken("was written by another program"))
    }
}

/// The SHA-256 and the size of a file.
pub(crate) async fn hash_of(path: &Path) -> Result<(String, u64)> {
    let path = path.to_path_buf();
    let file = path.clone();
    let hashed = tokio::task::spawn_blocking(move || -> std::io::Result<(String, u64)> {
        let mut file = std::fs::File::open(file)?;
        let (mut hash, mut size, mut piece) = (Sha256::new(), 0, vec![0; 1 << 20]);
        loop {
            let read = file.read(&mut piece)?;
            if read == 0 {
                return Ok((hex(&hash.finalize()), size));
            }
            hash.update(&piece[..read]);
            size += read as u64;
        }
    })
    .await;
    let source = match hashed {
        Ok(Ok(hashed)) => return Ok(hashed),
        Ok(Err(source)) => source,
        Err(_) => std::io::Error::other("reading it was broken off"),
    };
    Err(Error::File { path, source })
}
