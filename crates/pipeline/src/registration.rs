//! Registering chargers and sites: the database first, then the copies in memory.

use std::sync::Arc;

use mendpoint_model::{
    Action, Admission, COMMAND_TIMEOUT_MS, ChargerKey, ChargerRecord, Command, CommandId, Origin,
    SecurityProfile, SiteRecord, TriggeredMessage,
};

use crate::message::ShardMessage;
use crate::pipeline::Inner;
use crate::{ChargerSecurity, Error, NewCharger, SecurityChange, clock};

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
        let sealed = match &new.password {
            Some(password) => Some(self.keyring.seal(password).await?),
            None => None,
        };
        let record = self.store.insert_charger(&new.identity, name, site, admission).await?;
        if let Some(sealed) = sealed {
            self.store.set_credential(record.key, Some(&sealed)).await?;
            self.keyring.change(record.key, |access| access.current = Some(sealed));
        }
        if new.profile > SecurityProfile::Open {
            self.keyring.change(record.key, |access| access.required = new.profile);
            self.keyring.save_once(record.key).await?;
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
        let key = record.key;
        let record = self.directory.put_charger(record);
        if record.admission != before.admission {
            // What is installed on it depends on it as well.
            let registered = ShardMessage::Register(ChargerRecord::clone(&record));
            self.to_shard(record.site, registered).await?;
        }
        match record.admission {
            admission if admission == before.admission => {}
            Admission::Blocked => self.outbound.close(key, "the charger was blocked"),
            // It stays connected: its next boot gets the new answer, and it is asked for one.
            Admission::Accepted => {
                if self.outbound.set_accepted(key, true) {
                    self.ask_for_boot(&record);
                }
            }
            Admission::Quarantined => {
                self.outbound.set_accepted(key, false);
            }
        }
        if record.validation != before.validation {
            // It comes back, and is read as is wanted now.
            self.outbound.close(key, "its messages are checked differently from now on");
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
        let sealed = match &password {
            Some(password) => Some(self.keyring.seal(password).await?),
            None => None,
        };
        self.store.set_credential(charger, sealed.as_ref()).await?;
        self.keyring.change(charger, |access| {
            access.current = sealed;
            access.next = None;
            access.proven = None;
            access.key_spelling.clear();
        });
        self.outbound.close(charger, "its password was changed");
        Ok(())
    }

    pub(crate) async fn set_security(
        &self,
        charger: ChargerKey,
        change: SecurityChange,
    ) -> Result<ChargerSecurity, Error> {
        self.directory.charger(charger).ok_or(Error::UnknownCharger)?;
        if let Some(name) = change.certificate_name.as_deref().filter(|name| !name.is_empty())
            && self.keyring.is_bound_elsewhere(name, charger)
        {
            return Err(Error::Refused(format!("{name} is the name of another charger")));
        }
        let sha256 = change.certificate_sha256.as_deref().map(fingerprint).transpose()?;
        self.keyring.change(charger, |access| {
            if let Some(profile) = change.profile {
                access.required = profile;
                access.reached = profile;
            }
            if let Some(name) = change.certificate_name {
                access.certificate_name = name;
            }
            if let Some(sha256) = sha256 {
                access.certificate_sha256 = sha256;
            }
        });
        self.keyring.save_once(charger).await?;
        Ok(self.keyring.of(charger).summary())
    }

    /// Asks a charger to boot, so that it learns that it was accepted.
    fn ask_for_boot(&self, record: &ChargerRecord) {
        let now = clock::now();
        let command = Command {
            id: CommandId(format!("s-{}", uuid::Uuid::now_v7().simple()).into()),
            charger: record.key,
            action: Action::Trigger {
                message: TriggeredMessage::BootNotification,
                connector: None,
            },
            origin: Origin::System,
            created_at: now,
            timeout_ms: COMMAND_TIMEOUT_MS,
            not_after: now + COMMAND_TIMEOUT_MS,
        };
        self.feed_back(record.site, ShardMessage::Command(command, None));
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
    } else if identity.contains('/') || identity.chars().any(char::is_control) {
        Some("an identity has no slash and no control characters")
    } else {
        None
    };
    wrong.map_or(Ok(()), |why| Err(Error::Unfit(why.to_owned())))
}

/// A fingerprint as it is kept: 64 digits, or nothing.
///
/// # Errors
/// For what no certificate has: it would lock the charger out.
fn fingerprint(text: &str) -> Result<String, Error> {
    let is_between = |c: &char| !matches!(c, ':' | ' ');
    let digits: String = text.trim().to_ascii_lowercase().chars().filter(is_between).collect();
    let is_good = digits.is_empty()
        || (digits.len() == 64 && digits.bytes().all(|byte| byte.is_ascii_hexdigit()));
    if !is_good {
        return Err(Error::Unfit(
            "a SHA-256 fingerprint has 64 hexadecimal digits, with or without colons; leave it \
             empty for any certificate of the name"
                .to_owned(),
        ));
    }
    Ok(digits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn b15_identities_of_every_kind_work_and_others_are_refused_with_a_reason() {
        for good in ["RDAM|123", "DE*ABC*E1:2", "a-b_c.d", "CP 7", "café"] {
            assert!(check_identity(good).is_ok(), "{good}");
        }
        for wrong in ["", "a/b", "a\nb", &"x".repeat(49)] {
            assert!(matches!(check_identity(wrong), Err(Error::Unfit(_))), "{wrong:?}");
        }
    }

    #[test]
    fn a_fingerprint_that_no_certificate_has_is_refused() {
        let good = "AB:".repeat(31) + "ab";
        assert_eq!(fingerprint(&good).expect("good"), "ab".repeat(32));
        assert_eq!(fingerprint(" ").expect("any"), "");
        for wrong in ["zz", "hello <b>", &"ab".repeat(31), &"zz".repeat(32)] {
            assert!(matches!(fingerprint(wrong), Err(Error::Unfit(_))), "{wrong:?}");
        }
    }
}
