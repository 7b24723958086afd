use mendpoint_model::{Admission, ChargerKey, ChargerRecord, SiteKey, UnixMs, Validation};

use crate::db::{Columns, all, one, read, tx, write};
use crate::{Error, Result, Store, row_id};

const ALL: &str = "SELECT charger_key, identity, site_key, public_id, name, vendor, model, serial,
    firmware, admission, created_at_ms, validation FROM charger ORDER BY charger_key";
const ONE: &str = "SELECT charger_key, identity, site_key, public_id, name, vendor, model, serial,
    firmware, admission, created_at_ms, validation FROM charger WHERE charger_key = $1";
const BY_IDENTITY: &str = "SELECT charger_key, identity, site_key, public_id, name, vendor, model,
    serial, firmware, admission, created_at_ms, validation FROM charger WHERE identity = $1";
const BY_PUBLIC_ID: &str = "SELECT charger_key, identity, site_key, public_id, name, vendor, model,
    serial, firmware, admission, created_at_ms, validation FROM charger WHERE public_id = $1";
const INSERT: &str = "INSERT INTO charger (charger_key, identity, site_key, public_id, name,
    vendor, model, serial, firmware, admission, created_at_ms)
    VALUES ($1, $2, $3, $4, $5, '', '', '', '', $6, $7)";
const UPDATE: &str = "UPDATE charger SET site_key = $2, name = $3, vendor = $4, model = $5,
    serial = $6, firmware = $7, admission = $8, validation = $9 WHERE charger_key = $1";
const DELETE: &str = "DELETE FROM charger WHERE charger_key = $1";
const DELETE_STATE: &str = "DELETE FROM charger_state WHERE charger_key = $1";
const CONNECTORS: &str = "SELECT charger_key, connectors FROM charger_state ORDER BY charger_key";

/// Letters and digits that are not mistaken for one another on a sticker.
const PUBLIC_LETTERS: &[u8; 32] = b"23456789abcdefghjkmnpqrstuvwxyz-";
/// Characters of a public id: 12 of 31 are 59 bits, too many to try.
const PUBLIC_LENGTH: usize = 12;

fn charger(row: &impl Columns) -> Result<ChargerRecord> {
    let admission = row.text(9)?;
    let validation = row.text(11)?;
    Ok(ChargerRecord {
        key: ChargerKey(row.number(0)?),
        identity: row.text(1)?.into(),
        site: SiteKey(row.number(2)?),
        public_id: row.text(3)?,
        name: row.text(4)?,
        vendor: row.text(5)?,
        model: row.text(6)?,
        serial: row.text(7)?,
        firmware: row.text(8)?,
        admission: Admission::from_name(&admission)
            .ok_or_else(|| Error::Unreadable(format!("the admission \"{admission}\"")))?,
        validation: Validation::from_name(&validation)
            .ok_or_else(|| Error::Unreadable(format!("the validation \"{validation}\"")))?,
        created_at: UnixMs(row.int(10)?),
    })
}

/// A random id for a QR code.
fn public_id() -> Result<String> {
    let mut id = String::with_capacity(PUBLIC_LENGTH);
    while id.len() < PUBLIC_LENGTH {
        let mut bytes = [0_u8; 16];
        getrandom::fill(&mut bytes).map_err(|error| Error::Random(error.to_string()))?;
        // The last of the 32 letters fills the table up and is not used.
        let letters = bytes.iter().map(|byte| PUBLIC_LETTERS[usize::from(byte & 31)] as char);
        id.extend(letters.filter(|letter| *letter != '-').take(PUBLIC_LENGTH - id.len()));
    }
    Ok(id)
}

impl Store {
    /// All chargers, by key.
    pub async fn all_chargers(&self) -> Result<Vec<ChargerRecord>> {
        read!(&self.db, conn => all(&sqlx::query(ALL).fetch_all(conn).await?, charger))
    }

    /// One charger.
    pub async fn charger(&self, key: ChargerKey) -> Result<Option<ChargerRecord>> {
        read!(&self.db, conn => {
            let query = sqlx::query(ONE).bind(i64::from(key.0));
            one(query.fetch_optional(conn).await?.as_ref(), charger)
        })
    }

    /// The charger of an OCPP identity.
    pub async fn charger_by_identity(&self, identity: &str) -> Result<Option<ChargerRecord>> {
        read!(&self.db, conn => {
            let query = sqlx::query(BY_IDENTITY).bind(identity);
            one(query.fetch_optional(conn).await?.as_ref(), charger)
        })
    }

    /// The charger of a QR code.
    pub async fn charger_by_public_id(&self, id: &str) -> Result<Option<ChargerRecord>> {
        read!(&self.db, conn => {
            let query = sqlx::query(BY_PUBLIC_ID).bind(id);
            one(query.fetch_optional(conn).await?.as_ref(), charger)
        })
    }

    /// Registers a charger, with a new key and a new random public id.
    ///
    /// # Errors
    /// [`Error::Exists`] when the identity is taken.
    pub async fn insert_charger(
        &self,
        identity: &str,
        name: &str,
        site: SiteKey,
        admission: Admission,
    ) -> Result<ChargerRecord> {
        let number = u32::try_from(self.db.next_id("charger").await?);
        let record = ChargerRecord {
            key: ChargerKey(number.map_err(|_| Error::Unsupported("no charger number is left"))?),
            identity: identity.into(),
            site,
            public_id: public_id()?,
            name: name.to_owned(),
            vendor: String::new(),
            model: String::new(),
            serial: String::new(),
            firmware: String::new(),
            admission,
            validation: Validation::Server,
            created_at: row_id::now(),
        };
        let written = async {
            write!(&self.db, conn => {
                sqlx::query(INSERT)
                    .bind(i64::from(record.key.0))
                    .bind(identity)
                    .bind(i64::from(site.0))
                    .bind(&record.public_id)
                    .bind(name)
                    .bind(admission.name())
                    .bind(record.created_at.0)
                    .execute(conn)
                    .await?;
                Ok::<_, Error>(())
            })
        };
        let taken = || format!("there is a charger with the identity {identity} already");
        let missing = || format!("there is no site number {site}");
        written.await.map_err(|error: Error| error.exists(taken).in_use(missing))?;
        Ok(record)
    }

    /// Writes down what people change of a charger; identity, public id and key stay. `false` when
    /// there is no such charger.
    pub async fn update_charger(&self, record: &ChargerRecord) -> Result<bool> {
        write!(&self.db, conn => {
            let done = sqlx::query(UPDATE)
                .bind(i64::from(record.key.0))
                .bind(i64::from(record.site.0))
                .bind(&record.name)
                .bind(&record.vendor)
                .bind(&record.model)
                .bind(&record.serial)
                .bind(&record.firmware)
                .bind(record.admission.name())
                .bind(record.validation.name())
                .execute(conn)
                .await?;
            Ok(done.rows_affected() > 0)
        })
    }

    /// Removes a charger with its credentials and its state; its history stays. `false` when there
    /// is none.
    pub async fn delete_charger(&self, key: ChargerKey) -> Result<bool> {
        let number = i64::from(key.0);
        tx!(&self.db, conn => {
            sqlx::query(DELETE_STATE).bind(number).execute(&mut *conn).await?;
            let done = sqlx::query(DELETE).bind(number).execute(&mut *conn).await?;
            Ok::<_, Error>(done.rows_affected() > 0)
        })
    }

    /// How many connectors each charger had when its state was last written down.
    pub async fn connector_counts(&self) -> Result<Vec<(ChargerKey, u32)>> {
        read!(&self.db, conn => {
            let rows = sqlx::query(CONNECTORS).fetch_all(conn).await?;
            all(&rows, |row| Ok((ChargerKey(row.number(0)?), row.number(1)?)))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn public_ids_are_readable_and_differ() {
        let (one, two) = (public_id().expect("random"), public_id().expect("random"));
        assert_ne!(one, two);
        assert_eq!(one.len(), PUBLIC_LENGTH);
        assert!(one.chars().all(|letter| letter.is_ascii_alphanumeric()), "{one}");
    }
}
