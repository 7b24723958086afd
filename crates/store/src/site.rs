use mendpoint_model::{Contact, SiteKey, SiteRecord};

use crate::db::{Columns, all, one, read, write};
use crate::{Error, Result, Store};

const COLUMNS: &str = "SELECT site_key, name, region, address, latitude, longitude, time_zone,
    operator, owner, installer_name, installer_email, installer_phone, price_cents_per_kwh
    FROM site ORDER BY name";
const ONE: &str = "SELECT site_key, name, region, address, latitude, longitude, time_zone,
    operator, owner, installer_name, installer_email, installer_phone, price_cents_per_kwh
    FROM site WHERE site_key = $1";
const PUT: &str = "INSERT INTO site (site_key, name, region, address, latitude, longitude,
    time_zone, operator, owner, installer_name, installer_email, installer_phone,
    price_cents_per_kwh) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)
    ON CONFLICT (site_key) DO UPDATE SET name = excluded.name, region = excluded.region,
    address = excluded.address, latitude = excluded.latitude, longitude = excluded.longitude,
    time_zone = excluded.time_zone, operator = excluded.operator, owner = excluded.owner,
    installer_name = excluded.installer_name, installer_email = excluded.installer_email,
    installer_phone = excluded.installer_phone,
    price_cents_per_kwh = excluded.price_cents_per_kwh";
const DELETE: &str = "DELETE FROM site WHERE site_key = $1";

fn site(row: &impl Columns) -> Result<SiteRecord> {
    let contact = |name| {
        Ok::<_, Error>(Contact {
            name,
            email: row.text_or_null(10)?.unwrap_or_default(),
            phone: row.text_or_null(11)?.unwrap_or_default(),
        })
    };
    Ok(SiteRecord {
        key: SiteKey(row.number(0)?),
        name: row.text(1)?,
        region: row.text(2)?,
        address: row.text(3)?,
        latitude: row.real_or_null(4)?,
        longitude: row.real_or_null(5)?,
        time_zone: row.text(6)?,
        operator: row.text(7)?,
        owner: row.text(8)?,
        installer: row.text_or_null(9)?.map(contact).transpose()?,
        price_cents_per_kwh: row.int(12)?,
    })
}

impl Store {
    /// All sites, by name.
    pub async fn all_sites(&self) -> Result<Vec<SiteRecord>> {
        read!(&self.db, conn => all(&sqlx::query(COLUMNS).fetch_all(conn).await?, site))
    }

    /// One site.
    pub async fn site(&self, key: SiteKey) -> Result<Option<SiteRecord>> {
        read!(&self.db, conn => {
            let query = sqlx::query(ONE).bind(i64::from(key.0));
            one(query.fetch_optional(conn).await?.as_ref(), site)
        })
    }

    /// Writes a site down: a new one when its key is 0, which then gets the next number. Gives it
    /// back with its key.
    ///
    /// # Errors
    /// [`Error::Exists`] when another site has this name.
    pub async fn put_site(&self, record: &SiteRecord) -> Result<SiteRecord> {
        let mut record = record.clone();
        if record.key == SiteKey(0) {
            let number = self.db.next_id("site").await?;
            let number = u32::try_from(number);
            record.key = SiteKey(number.map_err(|_| Error::Unsupported("no site number is left"))?);
        }
        let installer = record.installer.as_ref();
        let written = async {
            write!(&self.db, conn => {
                sqlx::query(PUT)
                    .bind(i64::from(record.key.0))
                    .bind(&record.name)
                    .bind(&record.region)
                    .bind(&record.address)
                    .bind(record.latitude)
                    .bind(record.longitude)
                    .bind(&record.time_zone)
                    .bind(&record.operator)
                    .bind(&record.owner)
                    .bind(installer.map(|contact| contact.name.as_str()))
                    .bind(installer.map(|contact| contact.email.as_str()))
                    .bind(installer.map(|contact| contact.phone.as_str()))
                    .bind(record.price_cents_per_kwh)
                    .execute(conn)
                    .await?;
                Ok::<_, Error>(())
            })
        };
        let taken = || format!("there is a site named {} already", record.name);
        written.await.map_err(|error: Error| error.exists(taken))?;
        Ok(record)
    }

    /// Removes a site; `false` when there is none.
    ///
    /// # Errors
    /// [`Error::InUse`] while it has chargers.
    pub async fn delete_site(&self, key: SiteKey) -> Result<bool> {
        let deleted = async {
            write!(&self.db, conn => {
                let query = sqlx::query(DELETE).bind(i64::from(key.0));
                Ok::<_, Error>(query.execute(conn).await?.rows_affected() > 0)
            })
        };
        let used = || "this site still has chargers; move or remove them first".to_owned();
        deleted.await.map_err(|error: Error| error.in_use(used))
    }
}
