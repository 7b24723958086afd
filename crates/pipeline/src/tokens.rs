//! Drivers' tokens in memory: what a charger is told about one must not wait for the database.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use dashmap::DashMap;
use mendpoint_model::{
    ChargerKey, ConnectorRef, TokenInfo, TokenStatus, Transaction, TransactionId, UnixMs,
};
use mendpoint_store::IdTokenRow;

use crate::cards::Cards;

/// Registered tokens, and who charges with which now. OCPP's tokens are the same whatever their
/// case (behaviour 48), so they are found by their small letters.
#[derive(Debug, Default)]
pub(crate) struct Tokens {
    known: DashMap<Box<str>, Known>,
    /// Open transactions by token.
    busy: DashMap<Box<str>, Vec<Busy>>,
    /// All numbers that were told of lately, to be hidden in words.
    pub(crate) cards: Arc<Cards>,
    /// How often one was registered, changed or forgotten.
    changes: AtomicU64,
}

#[derive(Debug)]
struct Known {
    /// As it was registered.
    spelling: Box<str>,
    info: Arc<TokenInfo>,
}

#[derive(Clone, Copy, Debug)]
struct Busy {
    transaction: TransactionId,
    charger: ChargerKey,
    connector: ConnectorRef,
}

/// What is made of a token.
#[derive(Clone, Debug)]
pub(crate) struct Verdict {
    pub(crate) accepted: bool,
    /// What else is known of it; `None` when nobody registered it.
    pub(crate) info: Option<Arc<TokenInfo>>,
}

/// Where a token is presented.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Presented {
    pub(crate) charger: ChargerKey,
    /// `None`: the charger did not say, as in `Authorize` of 1.6.
    pub(crate) connector: Option<ConnectorRef>,
    pub(crate) at: UnixMs,
}

fn key(token: &str) -> Box<str> {
    token.to_lowercase().into()
}

impl Tokens {
    /// Registers a token, or changes it.
    pub(crate) fn put(&self, row: &IdTokenRow) {
        let known = Known { spelling: row.token.as_str().into(), info: Arc::new(row.info()) };
        self.known.insert(key(&row.token), known);
        self.changes.fetch_add(1, Ordering::Relaxed);
        self.cards.register(&row.token);
        if let Some(parent) = &row.parent {
            self.cards.register(parent);
        }
    }

    /// Forgets a token.
    pub(crate) fn remove(&self, token: &str) {
        self.known.remove(&key(token));
        self.changes.fetch_add(1, Ordering::Relaxed);
    }

    /// How often a token was registered, changed or forgotten since the start.
    pub(crate) fn changes(&self) -> u64 {
        self.changes.load(Ordering::Relaxed)
    }

    /// How a token is spelt in the register.
    pub(crate) fn spelling(&self, token: &str) -> Option<Box<str>> {
        self.known.get(&key(token)).map(|known| known.spelling.clone())
    }

    /// The spelling of the first token that fits; for what people click on, not for chargers.
    pub(crate) fn find(&self, fits: impl Fn(&str) -> bool) -> Option<Box<str>> {
        let found = self.known.iter().find(|known| fits(&known.spelling));
        found.map(|known| known.spelling.clone())
    }

    /// Whether a token may charge. `unknown`: whether one that nobody registered may; `several`:
    /// whether one may charge at several places at once.
    pub(crate) fn verdict(
        &self,
        token: &str,
        presented: Presented,
        unknown: bool,
        several: bool,
    ) -> Verdict {
        self.cards.note(token);
        let key = key(token);
        let info = self.known.get(&key).map(|known| Arc::clone(&known.info));
        let accepted = match &info {
            Some(info) => info.at(presented.at) == TokenStatus::Accepted,
            None => unknown,
        };
        if accepted && !several && self.is_busy(&key, presented) {
            let known = info.as_deref().cloned();
            let info = TokenInfo {
                status: TokenStatus::ConcurrentTx,
                ..known.unwrap_or_else(|| TokenInfo::of(TokenStatus::ConcurrentTx))
            };
            return Verdict { accepted: false, info: Some(Arc::new(info)) };
        }
        Verdict { accepted, info }
    }

    /// Whether a token charges elsewhere. At the same place it may be a retry, or the end.
    fn is_busy(&self, key: &str, presented: Presented) -> bool {
        self.busy.get(key).is_some_and(|busy| {
            busy.iter().any(|busy| {
                busy.charger != presented.charger
                    || presented.connector.is_some_and(|at| at.evse != busy.connector.evse)
            })
        })
    }

    /// Whether two tokens belong together: the same, or of one group.
    pub(crate) fn are_together(&self, one: &str, other: &str) -> bool {
        let (one, other) = (key(one), key(other));
        if one == other {
            return true;
        }
        let parent = |token: &str| {
            let known = self.known.get(token)?;
            known.info.parent.as_ref().map(|parent| parent.to_lowercase().into_boxed_str())
        };
        let (parent_of_one, parent_of_other) = (parent(&one), parent(&other));
        // The group's own token belongs to it too.
        let of_one = parent_of_one.as_ref().unwrap_or(&one);
        let of_other = parent_of_other.as_ref().unwrap_or(&other);
        of_one == of_other
    }

    /// A transaction began.
    pub(crate) fn began(&self, charger: ChargerKey, transaction: &Transaction) {
        if transaction.id_token.is_empty() {
            return;
        }
        let busy = Busy { transaction: transaction.id, charger, connector: transaction.connector };
        let mut all = self.busy.entry(key(&transaction.id_token)).or_default();
        if all.iter().all(|known| known.transaction != busy.transaction) {
            all.push(busy);
        }
    }

    /// A transaction is over.
    pub(crate) fn ended(&self, transaction: &Transaction) {
        let key = key(&transaction.id_token);
        if let Some(mut all) = self.busy.get_mut(&key) {
            all.retain(|busy| busy.transaction != transaction.id);
        }
        self.busy.remove_if(&key, |_, all| all.is_empty());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: UnixMs = UnixMs(1_790_000_000_000);

    fn row(token: &str, status: TokenStatus, parent: Option<&str>) -> IdTokenRow {
        IdTokenRow {
            token: token.to_owned(),
            status,
            parent: parent.map(str::to_owned),
            expires_at: None,
            note: String::new(),
            kind: String::new(),
            updated_at: NOW,
        }
    }

    fn at(charger: u32, evse: Option<u16>) -> Presented {
        Presented { charger: ChargerKey(charger), connector: evse.map(ConnectorRef::v16), at: NOW }
    }

    #[test]
    fn b48_a_token_is_the_same_whatever_its_case() {
        let tokens = Tokens::default();
        tokens.put(&row("AbCd", TokenStatus::Blocked, None));
        let verdict = tokens.verdict("aBcD", at(1, None), true, true);
        assert!(!verdict.accepted);
        assert_eq!(tokens.spelling("ABCD").as_deref(), Some("AbCd"));
        tokens.remove("abcd");
        assert!(tokens.verdict("aBcD", at(1, None), true, true).accepted, "unknown ones may");
        assert!(!tokens.verdict("aBcD", at(1, None), false, true).accepted, "or may not");
    }

    #[test]
    fn b59_cards_of_one_group_belong_together() {
        let tokens = Tokens::default();
        tokens.put(&row("A", TokenStatus::Accepted, Some("FAMILY")));
        tokens.put(&row("B", TokenStatus::Accepted, Some("family")));
        tokens.put(&row("C", TokenStatus::Accepted, None));
        assert!(tokens.are_together("a", "B") && tokens.are_together("FAMILY", "b"));
        assert!(!tokens.are_together("A", "C") && !tokens.are_together("C", "D"));
        assert!(tokens.are_together("x", "X"));
    }

    #[test]
    fn a_token_may_charge_at_one_place_only_where_that_is_wanted() {
        let tokens = Tokens::default();
        let transaction = Transaction {
            id: TransactionId(7),
            id_token: "A".into(),
            connector: ConnectorRef::v16(1),
            ..Transaction::default()
        };
        tokens.began(ChargerKey(1), &transaction);
        tokens.began(ChargerKey(1), &transaction);
        let verdict = |presented| tokens.verdict("a", presented, true, false);
        assert!(verdict(at(1, Some(1))).accepted, "its own start, sent again");
        assert!(verdict(at(1, None)).accepted, "it may want to stop");
        for elsewhere in [at(1, Some(2)), at(2, None)] {
            let verdict = verdict(elsewhere);
            let status = verdict.info.map(|info| info.status);
            assert_eq!((verdict.accepted, status), (false, Some(TokenStatus::ConcurrentTx)));
        }
        assert!(tokens.verdict("a", at(2, None), true, true).accepted, "the setting allows it");
        tokens.ended(&transaction);
        assert!(verdict(at(2, None)).accepted);
    }
}
