//! Registering chargers and sites: the database first, then the copies in memory.

use std::sync::Arc;

use mendpoint_model::{Admission, ChargerKey, ChargerRecord, SiteRecord};

use crate::message::ShardMessage;
use crate::pipeline::Inner;
use crate::{Error, NewCharger};

impl Inner {
    pub(crate) async fn register_charger(
        &self,
        new: NewCharger,
        admission: Admission,
    ) -> Result<Arc<ChargerRecord>, Error> {
        check_identity(&new.identity)?;
        if self.directory.by_identity(&new.identity).is_some() {
            return Err(Error::Refused(format!("the identity {} is taken", new.identity)));
        }
        let site = new.site.unwrap_or(self.unassigned);
        if self.directory.site(site).is_none() {
            return Err(Error::Refused("no such site".to_owned()));
        }
        let name = if new.name.is_empty() { &new.identity } else { &new.name };
        let record = self.store.insert_charger(&new.identity, name, site, admission).await?;
        if let Some(password) = &new.password {
            let hash = self.password_hash(password);
            self.store.set_credential(record.key, Some(&hash)).await?;
            self.credentials.insert(record.key, hash);
        }
        self.to_shard(site, ShardMessage::Register(record.clone())).await?;
        let record = self.directory.put_charger(record);
        self.topics.touch(|versions| versions.chargers += 1);
        Ok(record)
    }

    pub(crate) async fn update_charger(
        &self,
        record: ChargerRecord,
    ) -> Result<Arc<ChargerRecord>, Error> {
        let before = self.directory.charger(record.key).ok_or(Error::UnknownCharger)?;
        if before.site != record.site {
            return Err(Error::Refused(
                "a charger keeps its site; register it anew at the other one".to_owned(),
            ));
        }
        self.store.update_charger(&record).await?;
        let changed =
            before.admission != record.admission || before.validation != record.validation;
        let key = record.key;
        let record = self.directory.put_charger(record);
        if changed {
            // It comes back, boots again, and is read and answered anew.
            self.outbound.close(key, "its registration was changed");
        }
        self.topics.touch(|versions| versions.chargers += 1);
        Ok(record)
    }

    pub(crate) async fn set_password(
        &self,
        charger: ChargerKey,
        password: Option<Vec<u8>>,
    ) -> Result<(), Error> {
        self.directory.charger(charger).ok_or(Error::UnknownCharger)?;
        let hash = password.map(|password| self.password_hash(&password));
        self.store.set_credential(charger, hash.as_deref()).await?;
        match hash {
            Some(hash) => drop(self.credentials.insert(charger, hash)),
            None => drop(self.credentials.remove(&charger)),
        }
        self.outbound.close(charger, "its password was changed");
        Ok(())
    }

    pub(crate) async fn put_site(&self, site: SiteRecord) -> Result<Arc<SiteRecord>, Error> {
        if site.name.trim().is_empty() {
            return Err(Error::Refused("a site needs a name".to_owned()));
        }
        let site = self.store.put_site(&site).await?;
        let key = site.key;
        self.directory.put_site(site);
        self.topics.touch(|versions| versions.chargers += 1);
        self.directory.site(key).ok_or(Error::Stopping)
    }
}

/// An identity must fit into an address and a Basic user name.
fn check_identity(identity: &str) -> Result<(), Error> {
    let wrong = if identity.is_empty() {
        Some("an identity cannot be empty")
    } else if identity.chars().count() > 48 {
        Some("an identity has at most 48 characters")
    } else if identity.contains([':', '/']) || identity.chars().any(char::is_control) {
        Some("an identity has no colon, no slash and no control characters")
    } else {
        None
    };
    wrong.map_or(Ok(()), |why| Err(Error::Refused(why.to_owned())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identities_that_cannot_work_are_refused_with_a_reason() {
        assert!(check_identity("RDAM|123").is_ok());
        for wrong in ["", "a:b", "a/b", "a\nb", &"x".repeat(49)] {
            assert!(matches!(check_identity(wrong), Err(Error::Refused(_))), "{wrong:?}");
        }
    }
}
