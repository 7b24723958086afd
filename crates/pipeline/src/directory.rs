//! The directory: who is registered, readable from everywhere without a queue or a database.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use dashmap::DashMap;
use mendpoint_model::{ChargerKey, ChargerRecord, SiteKey, SiteRecord};

use crate::IdentityCase;

/// All registered chargers and sites. The database is the record; this is its copy in memory,
/// written by [`crate::Handle`] after the database took the change.
#[derive(Debug, Default)]
pub struct Directory {
    chargers: DashMap<ChargerKey, Arc<ChargerRecord>>,
    by_identity: DashMap<Arc<str>, ChargerKey>,
    /// The same in small letters, for those who write it otherwise (behaviour 15). Of two that
    /// differ in capitals only, the first.
    by_small_identity: DashMap<String, ChargerKey>,
    by_public_id: DashMap<String, ChargerKey>,
    sites: DashMap<SiteKey, Arc<SiteRecord>>,
    version: AtomicU64,
}

impl Directory {
    /// The charger of a handle.
    pub fn charger(&self, key: ChargerKey) -> Option<Arc<ChargerRecord>> {
        self.chargers.get(&key).map(|record| Arc::clone(&record))
    }

    /// The charger of an OCPP identity.
    pub fn by_identity(&self, identity: &str) -> Option<Arc<ChargerRecord>> {
        let key = *self.by_identity.get(identity)?;
        self.charger(key)
    }

    /// The charger of an OCPP identity: as it is registered, or if the case is ignored the one that
    /// differs in capitals only.
    pub fn by_identity_in(&self, identity: &str, case: IdentityCase) -> Option<Arc<ChargerRecord>> {
        self.by_identity(identity).or_else(|| {
            if case == IdentityCase::Exact {
                return None;
            }
            let key = *self.by_small_identity.get(&identity.to_lowercase())?;
            self.charger(key)
        })
    }

    /// The charger of a public id (QR code, driver's page).
    pub fn by_public_id(&self, public_id: &str) -> Option<Arc<ChargerRecord>> {
        let key = *self.by_public_id.get(public_id)?;
        self.charger(key)
    }

    /// The site of a handle.
    pub fn site(&self, key: SiteKey) -> Option<Arc<SiteRecord>> {
        self.sites.get(&key).map(|record| Arc::clone(&record))
    }

    /// The site of a name.
    pub fn site_named(&self, name: &str) -> Option<Arc<SiteRecord>> {
        self.sites.iter().find(|site| site.name == name).map(|site| Arc::clone(&site))
    }

    /// The site of a charger.
    pub fn site_of(&self, charger: ChargerKey) -> Option<Arc<SiteRecord>> {
        self.site(self.charger(charger)?.site)
    }

    /// All chargers in the order of their handles.
    pub fn chargers(&self) -> Vec<Arc<ChargerRecord>> {
        let mut all: Vec<_> = self.chargers.iter().map(|entry| Arc::clone(&entry)).collect();
        all.sort_unstable_by_key(|record| record.key);
        all
    }

    /// All sites in the order of their names.
    pub fn sites(&self) -> Vec<Arc<SiteRecord>> {
        let mut all: Vec<_> = self.sites.iter().map(|entry| Arc::clone(&entry)).collect();
        all.sort_unstable_by(|a, b| a.name.cmp(&b.name).then(a.key.cmp(&b.key)));
        all
    }

    /// How many chargers are registered.
    pub fn len(&self) -> usize {
        self.chargers.len()
    }

    /// Whether no charger is registered.
    pub fn is_empty(&self) -> bool {
        self.chargers.is_empty()
    }

    /// Grows with every change: for caches.
    pub fn version(&self) -> u64 {
        self.version.load(Ordering::Acquire)
    }

    /// Takes a charger in, or its new particulars.
    pub(crate) fn put_charger(&self, record: ChargerRecord) -> Arc<ChargerRecord> {
        let record = Arc::new(record);
        self.by_identity.insert(Arc::clone(&record.identity), record.key);
        self.by_small_identity.entry(record.identity.to_lowercase()).or_insert(record.key);
        self.by_public_id.insert(record.public_id.clone(), record.key);
        self.chargers.insert(record.key, Arc::clone(&record));
        self.version.fetch_add(1, Ordering::AcqRel);
        record
    }

    /// Takes a site in, or its new particulars.
    pub(crate) fn put_site(&self, record: SiteRecord) {
        self.sites.insert(record.key, Arc::new(record));
        self.version.fetch_add(1, Ordering::AcqRel);
    }
}
