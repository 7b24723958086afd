//! The fleet: every charger of one shard.

use std::collections::BTreeSet;
use std::sync::Arc;

use mendpoint_model::{
    Action, Capabilities, CellState, ChargerEvent, ChargerKey, ChargerState, Chargers, Command,
    ConnectorRef, Desired, EventKind, Fact, LedgerLine, ModelKey, ONLY_UPDATES, Overlay, SiteKey,
    Transaction, TransactionEnded, TransactionId, TransactionStarted, UnixMs, capability_name,
};
use rustc_hash::FxHashMap;

use crate::cell;
use crate::recent::{How, Over};
use crate::settings::FleetSettings;
use crate::slot::Slot;
use crate::transaction::INTERRUPTED;

/// Every charger of one shard, and the fold that keeps their states.
///
/// Sites are owned whole: all chargers of a site are in one fleet.
#[derive(Debug, Default)]
pub struct Fleet {
    settings: FleetSettings,
    #[expect(
        clippy::vec_box,
        reason = "a vector of whole slots would move megabytes and keep half of them spare when it grows"
    )]
    slots: Vec<Box<Slot>>,
    index: FxHashMap<ChargerKey, u32>,
    /// Chargers of a site in the order of their keys.
    sites: FxHashMap<SiteKey, Vec<ChargerKey>>,
    /// When a charger has something to be done without a message, one entry a charger.
    deadlines: BTreeSet<(UnixMs, ChargerKey)>,
    /// What models are known not to do.
    capabilities: Arc<Capabilities>,
    /// What configuration keys should be.
    desired: Arc<Desired>,
    /// Lines of the ledger of transactions that were not fetched yet.
    lines: Vec<(ChargerKey, LedgerLine)>,
}

impl Fleet {
    /// A fleet without chargers.
    pub fn new(settings: FleetSettings) -> Self {
        Self { settings, ..Self::default() }
    }

    /// Makes a charger known, or gives a known one another site or identity; its state stays.
    pub fn register(&mut self, key: ChargerKey, site: SiteKey, identity: Arc<str>) {
        let Some(&index) = self.index.get(&key) else {
            self.insert(Slot::new(key, site, identity));
            return;
        };
        let state = &mut self.slots[index as usize].state;
        let old_site = std::mem::replace(&mut state.site, site);
        state.identity = identity;
        if old_site != site {
            self.leave_site(old_site, key);
            self.join_site(site, key);
        }
    }

    /// Notes when a charger was made known, so that one that never comes is missed.
    pub fn note_registered(&mut self, key: ChargerKey, at: UnixMs) {
        if let Some(&index) = self.index.get(&key) {
            self.slots[index as usize].state.link.registered_at = Some(at);
        }
    }

    /// Takes over a state that was kept on disk. The charger counts as not connected until it
    /// connects: no connection outlives our process. `now` is the time of our start: the end of an
    /// interrupted transaction is waited for from then on, because while we were away it could not
    /// come.
    pub fn restore(&mut self, now: UnixMs, state: ChargerState) {
        self.remove(state.key);
        let mut slot = Slot::new(state.key, state.site, Arc::clone(&state.identity));
        slot.state = state;
        slot.after_restore(&self.settings, now);
        self.insert(slot);
    }

    /// Takes over the open transactions of a charger whose state was not kept, oldest first. Those it
    /// has already stay as they are.
    pub fn restore_transactions(&mut self, key: ChargerKey, transactions: Vec<Transaction>) {
        let Some(&index) = self.index.get(&key) else { return };
        let slot = &mut self.slots[index as usize];
        for mut transaction in transactions {
            // Nothing is known of the boot any more.
            transaction.interrupted = None;
            if slot.state.transactions.iter().all(|open| open.id != transaction.id) {
                slot.remember_restored(&self.settings, &transaction, How::Open);
                slot.state.transactions.push(transaction);
            }
        }
    }

    /// Remembers a transaction that ended lately, with when and why, so that a retried start and a
    /// late end are known for what they are after a restart too.
    pub fn restore_closed(
        &mut self,
        key: ChargerKey,
        transaction: &Transaction,
        ended_at: UnixMs,
        reason: &str,
    ) {
        let Some(&index) = self.index.get(&key) else { return };
        let over = Over { transaction: transaction.clone(), reason: reason.into(), ended_at };
        let how = if reason == INTERRUPTED {
            How::GivenUp(Box::new(over))
        } else {
            How::Ended(Box::new(over))
        };
        self.slots[index as usize].remember_restored(&self.settings, transaction, how);
    }

    /// Remembers an end whose start never came, oldest first: the start may come after a restart.
    pub fn restore_orphan(&mut self, key: ChargerKey, ended: TransactionEnded) {
        let Some(&index) = self.index.get(&key) else { return };
        let slot = &mut self.slots[index as usize];
        if ended.reason == ONLY_UPDATES {
            slot.remember_only_updated(&ended.external_id);
        } else {
            slot.remember_early_end(ended);
        }
    }

    /// The lines of the ledger that came since this was called last, in order.
    pub fn take_lines(&mut self) -> std::vec::Drain<'_, (ChargerKey, LedgerLine)> {
        self.lines.drain(..)
    }

    /// The transaction that a message names, open or lately over, and where it is or was.
    pub fn place_of(
        &self,
        charger: ChargerKey,
        id: Option<TransactionId>,
        external_id: &str,
    ) -> Option<(TransactionId, ConnectorRef)> {
        let slot = self.slot(charger)?;
        let id = id.unwrap_or_default();
        if id.0 <= 0 && external_id.is_empty() {
            return None;
        }
        if let Some(index) = slot.open_index(id, external_id) {
            let open = &slot.state.transactions[index];
            return Some((open.id, open.connector));
        }
        let over = slot.recent_of(id, external_id)?.over()?;
        Some((over.transaction.id, over.transaction.connector))
    }

    /// Puts other words into what is held of a charger: `change` gives the state as it shall be.
    /// Gives whether it did.
    pub fn amend(
        &mut self,
        key: ChargerKey,
        change: impl FnOnce(&ChargerState) -> Option<ChargerState>,
    ) -> bool {
        let Some(slot) = self.index.get(&key).map(|index| &mut self.slots[*index as usize]) else {
            return false;
        };
        let Some(amended) = change(&slot.state) else { return false };
        slot.state = amended;
        true
    }

    /// Forgets a charger. `false` when it was not known.
    pub fn remove(&mut self, key: ChargerKey) -> bool {
        let Some(index) = self.index.remove(&key) else { return false };
        let slot = self.slots.swap_remove(index as usize);
        if let Some(moved) = self.slots.get(index as usize) {
            self.index.insert(moved.state.key, index);
        }
        if let Some(until) = slot.deadline() {
            self.deadlines.remove(&(until, key));
        }
        self.leave_site(slot.state.site, key);
        true
    }

    /// Folds one event, and adds what it changed to `facts`. An event of a charger that is not
    /// registered changes nothing.
    pub fn apply(&mut self, event: &ChargerEvent, facts: &mut Vec<Fact>) {
        let Some(&index) = self.index.get(&event.charger) else { return };
        let slot = &mut self.slots[index as usize];
        let before = slot.deadline();
        slot.fold(&self.settings, event, facts);
        let tells_keys = matches!(
            event.kind,
            EventKind::Configuration(_) | EventKind::Device(_) | EventKind::Boot(_)
        );
        if tells_keys && !self.desired.is_empty() {
            slot.state.drift = self.desired.drift(&slot.state);
        }
        self.lines.extend(slot.memory.lines.drain(..).map(|line| (event.charger, line)));
        let after = slot.deadline();
        if before != after {
            self.deadlines.extend(after.map(|until| (until, event.charger)));
            if let Some(until) = before {
                self.deadlines.remove(&(until, event.charger));
            }
        }
    }

    /// A charger said on its newest connection that it is there, and nothing else: the same as
    /// [`Fleet::apply`] of a heartbeat. False: it is not known, or that is not its newest connection.
    pub fn heard(&mut self, charger: ChargerKey, epoch: u64, at: UnixMs) -> bool {
        let Some(&index) = self.index.get(&charger) else { return false };
        let link = &mut self.slots[index as usize].state.link;
        if link.epoch != epoch || link.since.is_none() {
            return false;
        }
        link.last_seen_at = Some(at);
        true
    }

    /// Gives up transactions that a boot interrupted and whose end did not come in time
    /// (behaviour 53), and believes what chargers with an unknown clock said last.
    pub fn advance(&mut self, now: UnixMs, facts: &mut Vec<(ChargerKey, Fact)>) {
        let mut closed = Vec::new();
        while let Some(&(until, key)) = self.deadlines.first()
            && until <= now
        {
            self.deadlines.pop_first();
            let Some(&index) = self.index.get(&key) else { continue };
            let slot = &mut self.slots[index as usize];
            slot.give_up_interrupted(&self.settings, now, &mut closed);
            slot.believe_the_last_word(now, &mut closed);
            self.deadlines.extend(slot.deadline().map(|until| (until, key)));
            facts.extend(closed.drain(..).map(|fact| (key, fact)));
            self.lines.extend(slot.memory.lines.drain(..).map(|line| (key, line)));
        }
    }

    /// Gives up a charge that delivers nothing and that its charger did not end: with the next
    /// [`Fleet::advance`] it is closed with what is known of it. What the charger says of it later
    /// replaces that.
    pub fn give_up_stuck(&mut self, charger: ChargerKey, id: TransactionId, now: UnixMs) {
        let Some(&index) = self.index.get(&charger) else { return };
        let slot = &mut self.slots[index as usize];
        let before = slot.deadline();
        slot.mark_stuck(id, now);
        let after = slot.deadline();
        if before != after {
            self.deadlines.extend(after.map(|until| (until, charger)));
            if let Some(until) = before {
                self.deadlines.remove(&(until, charger));
            }
        }
    }

    /// When [`Fleet::advance`] has something to do next.
    pub fn next_deadline(&self) -> Option<UnixMs> {
        self.deadlines.first().map(|&(until, _)| until)
    }

    /// The number of the transaction that a start is a retry of, among the open ones and the last
    /// few that ended (behaviour 32).
    pub fn known_transaction(
        &self,
        charger: ChargerKey,
        started: &TransactionStarted,
    ) -> Option<TransactionId> {
        self.slot(charger)?.known_transaction(started)
    }

    /// Whether a transaction of that number is open at the charger or remembered of it: then the
    /// number must not be given out again.
    pub fn uses_transaction_id(&self, charger: ChargerKey, id: TransactionId) -> bool {
        self.slot(charger).is_some_and(|slot| {
            slot.state.transactions.iter().any(|open| open.id == id)
                || slot.memory.recent.iter().any(|recent| recent.id == id)
        })
    }

    /// Notes a command that is being sent: after an own `Inoperative` a connector is out of service
    /// by plan. A refusal takes the note back.
    pub fn note_command(&mut self, command: &Command) {
        if let Some(&index) = self.index.get(&command.charger) {
            self.slots[index as usize].note_command(command);
        }
    }

    /// What the charger's cell shows, with what its open incident puts over it.
    /// [`CellState::NeverSeen`] for a charger that is not registered.
    pub fn cell(&self, key: ChargerKey, open_incident: Option<Overlay>) -> CellState {
        self.slot(key).map_or(CellState::NeverSeen, |slot| cell::cell(&slot.state, open_incident))
    }

    /// Goes on with other wishes for configuration keys; gives the chargers for which that changes
    /// something, in the order of their keys.
    pub fn set_desired(&mut self, desired: Arc<Desired>) -> Vec<ChargerKey> {
        self.desired = desired;
        let mut changed = Vec::new();
        for slot in &mut self.slots {
            let drift = self.desired.drift(&slot.state);
            if slot.state.drift != drift {
                slot.state.drift = drift;
                changed.push(slot.state.key);
            }
        }
        changed.sort_unstable();
        changed
    }

    /// Goes on with what is known of models now (behaviour 64).
    pub fn set_capabilities(&mut self, capabilities: Arc<Capabilities>) {
        self.capabilities = capabilities;
    }

    /// All chargers, in the order in which they were made known (a removal moves the last one).
    pub fn iter(&self) -> impl Iterator<Item = &ChargerState> {
        self.slots.iter().map(|slot| &slot.state)
    }

    /// How many chargers are known.
    pub fn len(&self) -> usize {
        self.slots.len()
    }

    /// Whether no charger is known.
    pub fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    fn slot(&self, key: ChargerKey) -> Option<&Slot> {
        let &index = self.index.get(&key)?;
        self.slots.get(index as usize).map(Box::as_ref)
    }

    fn insert(&mut self, slot: Slot) {
        let (key, site) = (slot.state.key, slot.state.site);
        self.deadlines.extend(slot.deadline().map(|until| (until, key)));
        self.index.insert(key, self.slots.len() as u32);
        self.slots.push(Box::new(slot));
        self.join_site(site, key);
    }

    fn join_site(&mut self, site: SiteKey, key: ChargerKey) {
        let chargers = self.sites.entry(site).or_default();
        if let Err(index) = chargers.binary_search(&key) {
            chargers.insert(index, key);
        }
    }

    fn leave_site(&mut self, site: SiteKey, key: ChargerKey) {
        if let Some(chargers) = self.sites.get_mut(&site) {
            chargers.retain(|&known| known != key);
            if chargers.is_empty() {
                self.sites.remove(&site);
            }
        }
    }
}

impl Chargers for Fleet {
    fn charger(&self, key: ChargerKey) -> Option<&ChargerState> {
        self.slot(key).map(|slot| &slot.state)
    }

    fn of_site(&self, site: SiteKey) -> &[ChargerKey] {
        self.sites.get(&site).map_or(&[], Vec::as_slice)
    }

    fn refusal(&self, charger: ChargerKey, action: &Action) -> Option<&'static str> {
        if self.capabilities.is_empty() {
            return None;
        }
        let state = &self.slot(charger)?.state;
        let model = ModelKey::of(state.boot.as_deref()?)?;
        self.capabilities.refusal(&model, &capability_name(state.link.protocol, action))
    }

    fn keys(&self) -> Vec<ChargerKey> {
        let mut keys: Vec<_> = self.iter().map(|state| state.key).collect();
        keys.sort_unstable();
        keys
    }
}
