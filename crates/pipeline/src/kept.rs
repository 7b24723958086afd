//! What the database keeps of the fleet, read back at the start.
//!
//! A fleet of 100,000 chargers shall be served again within seconds, so what is large is read at the
//! same time over several connections, and the stored states are decoded on another core meanwhile.

use std::collections::BTreeMap;
use std::sync::Arc;

use mendpoint_model::{
    Admission, ChargerKey, ChargerRecord, ChargerState, Command, DAY_MS, Desired, Incident,
    SiteKey, SiteRecord, Transaction, UnixMs,
};
use mendpoint_shard::Shard;
use mendpoint_store::{
    HighestIds, IdTokenRow, MemoryRow, OrphanRow, SignalKeyRow, Store, TransactionRow,
};

use crate::capabilities::CapabilityBook;
use crate::keyring::Keyring;
use crate::tokens::Tokens;
use crate::{Directory, Error, PipelineSettings};

/// Where chargers without a site are.
pub(crate) const UNASSIGNED: &str = "Unassigned";

/// What the parts that all tasks share begin with.
pub(crate) struct Kept {
    pub(crate) directory: Directory,
    pub(crate) unassigned: SiteKey,
    pub(crate) keyring: Arc<Keyring>,
    pub(crate) tokens: Tokens,
    pub(crate) kill_switches: crate::switches::Switches,
    pub(crate) capabilities: CapabilityBook,
    pub(crate) signal_keys: Vec<SignalKeyRow>,
    pub(crate) desired: Desired,
    pub(crate) highest: HighestIds,
    /// What healing remembers, and the highest number of its rows.
    pub(crate) memories: (Vec<MemoryRow>, u64),
    /// Commands that were on their way; nobody waits for their answers any more.
    pub(crate) unanswered: Vec<Command>,
    pub(crate) fleet: KeptFleet,
}

/// What the shards begin with.
pub(crate) struct KeptFleet {
    states: Vec<ChargerState>,
    /// How far the upkeep of chargers was, as JSON.
    progress: Vec<(ChargerKey, String)>,
    open: BTreeMap<ChargerKey, Vec<Transaction>>,
    closed: Vec<TransactionRow>,
    orphans: Vec<OrphanRow>,
    incidents: Vec<Incident>,
    waiting: Vec<Command>,
}

impl Kept {
    /// Reads everything. Whatever is unreadable in itself is logged and left out; the charger tells
    /// it again.
    pub(crate) async fn read(
        store: &Store,
        settings: &PipelineSettings,
        now: UnixMs,
    ) -> Result<Self, Error> {
        let states = {
            let store = store.clone();
            tokio::spawn(async move { store.load_states().await })
        };
        let pepper = if settings.credential_pepper.is_empty() {
            store.secret("credential_pepper").await?
        } else {
            settings.credential_pepper.clone().into_bytes()
        };
        let keyring = Keyring::read(store.clone(), &pepper);
        let chargers = async { Ok(store.all_chargers().await?) };
        let sites = sites_with_unassigned(store);
        let ((sites, unassigned), chargers, keyring) = tokio::try_join!(sites, chargers, keyring)?;
        let directory = directory(sites, chargers);
        let tokens = tokens(&store.id_tokens().await?);
        let open = store.open_transactions().await?;
        for (charger, transactions) in &open {
            for transaction in transactions {
                tokens.began(*charger, transaction);
            }
        }
        let closed = store.recent_transactions().await?;
        for row in &closed {
            tokens.cards.note(&row.transaction.id_token);
        }
        let fleet = KeptFleet {
            progress: store.upkeep().await?,
            closed,
            orphans: store.recent_orphans().await?,
            incidents: store.open_and_recent_incidents(now - DAY_MS).await?,
            waiting: store.waiting_commands().await?,
            open,
            states: states.await.map_err(|_| Error::Stopping)??,
        };
        Ok(Self {
            directory,
            unassigned,
            keyring: Arc::new(keyring),
            tokens,
            kill_switches: crate::switches::read(store).await?,
            capabilities: CapabilityBook::new(store.capabilities().await?),
            signal_keys: store.signal_keys().await?,
            desired: Desired::new(store.desired_keys().await?),
            highest: store.highest_ids().await?,
            memories: store.memories().await?,
            unanswered: store.unanswered_commands().await?,
            fleet,
        })
    }
}

/// What one shard takes back once it works.
#[derive(Default)]
pub(crate) struct ShardBacklog {
    pub(crate) incidents: Vec<Incident>,
    /// Commands that wait for their chargers to come back.
    pub(crate) waiting: Vec<Command>,
}

impl KeptFleet {
    /// Hands everything to the shard that owns it. What belongs to a charger that is no longer
    /// registered is left.
    pub(crate) fn hand_out(
        mut self,
        now: UnixMs,
        directory: &Directory,
        shards: &mut [Shard],
    ) -> Vec<ShardBacklog> {
        let count = shards.len();
        let shard_of = |charger: ChargerKey| {
            directory.charger(charger).map(|record| record.site.0 as usize % count)
        };
        for record in directory.chargers() {
            let shard = &mut shards[record.site.0 as usize % count];
            shard.register(record.key, record.site, Arc::clone(&record.identity));
            shard.admit(record.key, record.admission == Admission::Accepted);
        }
        for (charger, json) in self.progress {
            let Some(shard) = shard_of(charger) else { continue };
            match serde_json::from_str(&json) {
                Ok(progress) => shards[shard].restore_progress(charger, progress),
                // It is asked again, that is all.
                Err(error) => tracing::warn!(charger.id = charger.0, %error,
                    "how far a charger's upkeep was is unreadable"),
            }
        }
        for mut state in self.states {
            let Some(record) = directory.charger(state.key) else { continue };
            state.site = record.site;
            state.transactions =
                self.open.remove(&state.key).unwrap_or_default().into_iter().collect();
            shards[record.site.0 as usize % count].restore_charger(now, state);
        }
        for (charger, transactions) in self.open {
            let Some(shard) = shard_of(charger) else { continue };
            shards[shard].restore_transactions(charger, transactions);
        }
        for row in self.closed {
            let Some(shard) = shard_of(row.charger) else { continue };
            let ended_at = row.ended_at.unwrap_or(row.transaction.opened_at);
            shards[shard].restore_closed(row.charger, &row.transaction, ended_at, &row.reason);
        }
        for orphan in self.orphans {
            let Some(shard) = shard_of(orphan.charger) else { continue };
            if let Some(ended) = orphan.ended {
                shards[shard].restore_orphan(orphan.charger, ended);
            }
        }
        for record in directory.chargers() {
            let shard = &mut shards[record.site.0 as usize % count];
            shard.note_registered(record.key, record.created_at);
        }
        let mut backlogs: Vec<ShardBacklog> =
            std::iter::repeat_with(ShardBacklog::default).take(count).collect();
        for incident in self.incidents {
            backlogs[incident.site.0 as usize % count].incidents.push(incident);
        }
        for command in self.waiting {
            let Some(shard) = shard_of(command.charger) else { continue };
            backlogs[shard].waiting.push(command);
        }
        backlogs
    }

    /// Open and recent incidents.
    pub(crate) fn incidents(&self) -> &[Incident] {
        &self.incidents
    }
}

fn directory(sites: Vec<SiteRecord>, chargers: Vec<ChargerRecord>) -> Directory {
    let directory = Directory::default();
    for site in sites {
        directory.put_site(site);
    }
    for charger in chargers {
        directory.put_charger(charger);
    }
    directory
}

/// All sites, and the one for chargers without a site, which is made at the first start.
async fn sites_with_unassigned(store: &Store) -> Result<(Vec<SiteRecord>, SiteKey), Error> {
    let mut sites = store.all_sites().await?;
    if let Some(site) = sites.iter().find(|site| site.name == UNASSIGNED) {
        let key = site.key;
        return Ok((sites, key));
    }
    let site = SiteRecord { name: UNASSIGNED.to_owned(), ..SiteRecord::default() };
    let site = store.put_site(&site).await?;
    let key = site.key;
    sites.push(site);
    Ok((sites, key))
}

fn tokens(rows: &[IdTokenRow]) -> Tokens {
    let tokens = Tokens::default();
    for row in rows {
        tokens.put(row);
    }
    tokens
}
