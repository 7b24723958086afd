//! Local lists follow the register of cards by themselves: a card that was blocked must not charge at
//! a charger that is offline because nobody thought of sending its list again.

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::{StreamExt as _, stream};
use mendpoint_model::{CellState, ChargerKey, DAY_MS, MINUTE_MS, Protocol, UnixMs};
use mendpoint_pipeline::AuditActor;
use mendpoint_store::{IdTokenRow, WantedList};
use tokio::sync::watch;

use super::local_list::{cards_of, cards_that_fit, difference, send};
use crate::AppState;
use crate::serve::stopped;

/// How often it is looked whether cards changed, or whether a charger that is behind came back.
const LOOK: Duration = Duration::from_secs(30);
/// How often all lists are compared although nobody changed a card: cards end by the clock, and a list
/// may have been asked for while its charger was away.
const COMPARE_MS: i64 = 10 * MINUTE_MS;
/// How long after a charger did not take its list it is tried again; twice as long each time.
const RETRY_MS: i64 = 5 * MINUTE_MS;
/// And no longer than this.
const RETRY_MAX_MS: i64 = DAY_MS;
/// How many chargers are told at a time: each may take its time to answer.
const AT_ONCE: usize = 16;
/// Who asks, in the list of a charger's commands.
const ASKER: &str = "Mendpoint";

/// A charger whose list is behind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Behind {
    /// From when on it may be told.
    not_before: UnixMs,
    /// How often it did not take its list.
    failures: u32,
}

/// Which chargers are behind, and when all lists are compared.
#[derive(Debug, Default)]
pub(crate) struct Agenda {
    behind: BTreeMap<ChargerKey, Behind>,
    /// How many changes of cards there were at the last look.
    seen: Option<u64>,
    /// How many there were when all lists were compared, and when that was.
    compared: Option<(u64, UnixMs)>,
}

impl Agenda {
    /// Whether all lists are to be compared, with `changes` of cards so far: when cards changed and
    /// none since the look before, so that many changes are one, and from time to time.
    fn must_compare(&mut self, changes: u64, now: UnixMs) -> bool {
        let is_calm = self.seen.replace(changes) == Some(changes);
        match self.compared {
            None => is_calm,
            Some((then, at)) => (is_calm && then != changes) || now.since_ms(at) >= COMPARE_MS,
        }
    }

    /// Takes in who is behind. Who did not take its list before waits as long as it did.
    fn compared(&mut self, changes: u64, now: UnixMs, behind: Vec<ChargerKey>) {
        self.compared = Some((changes, now));
        let known = std::mem::take(&mut self.behind);
        let anew = Behind { not_before: now, failures: 0 };
        self.behind =
            behind.into_iter().map(|key| (key, known.get(&key).copied().unwrap_or(anew))).collect();
    }

    /// Who may be told now.
    fn due(&self, now: UnixMs) -> Vec<ChargerKey> {
        let due = self.behind.iter().filter(|(_, behind)| behind.not_before <= now);
        due.map(|(key, _)| *key).collect()
    }

    /// What came of telling a charger.
    fn told(&mut self, charger: ChargerKey, took_it: bool, now: UnixMs) {
        if took_it {
            self.behind.remove(&charger);
        } else if let Some(behind) = self.behind.get_mut(&charger) {
            let wait_ms = RETRY_MS << behind.failures.min(16);
            behind.not_before = now + wait_ms.min(RETRY_MAX_MS);
            behind.failures += 1;
        }
    }
}

/// Sends local lists after the register of cards until `stop` says `true`, or its sender is gone.
pub async fn follow_cards(state: AppState, mut stop: watch::Receiver<bool>) {
    let mut agenda = Agenda::default();
    loop {
        tokio::select! {
            () = stopped(&mut stop) => return,
            () = tokio::time::sleep(LOOK) => {}
        }
        tokio::select! {
            () = stopped(&mut stop) => return,
            () = look(&state, &mut agenda) => {}
        }
    }
}

/// One look: who is behind, and what they do not know yet.
pub(crate) async fn look(state: &AppState, agenda: &mut Agenda) {
    let handle = state.handle();
    let changes = handle.token_changes();
    if agenda.must_compare(changes, handle.now()) {
        match behind(state).await {
            Ok(behind) => agenda.compared(changes, handle.now(), behind),
            // The database is away: everybody is told of that elsewhere, and the next look tries again.
            Err(error) => tracing::debug!(%error, "local lists could not be compared"),
        }
    }
    let due = agenda.due(handle.now());
    let told: Vec<_> = stream::iter(due)
        .map(|key| tell(state, key))
        .buffer_unordered(AT_ONCE)
        .filter_map(async |told| told)
        .collect()
        .await;
    for (key, took_it) in told {
        agenda.told(key, took_it, handle.now());
    }
}

/// Sends a charger what it does not know yet; `None` while it is away.
async fn tell(state: &AppState, key: ChargerKey) -> Option<(ChargerKey, bool)> {
    let handle = state.handle();
    let is_away = |cell| matches!(cell, CellState::Offline | CellState::NeverSeen);
    if handle.board().get(key).is_none_or(is_away) {
        return None;
    }
    let Some(record) = handle.directory().charger(key) else { return Some((key, true)) };
    if !handle.charger(key).await?.link.connected {
        return None;
    }
    let told = AuditActor::serving(async {
        AuditActor::System.is_here();
        send(state, &record, None, false, ASKER).await
    });
    match told.await {
        Ok(list) => Some((key, list.state == "accepted" || list.state == "not_supported")),
        Err(error) => {
            let charger = record.identity.as_ref();
            tracing::debug!(charger, error = error.sentence(), "a local list could not be sent");
            Some((key, false))
        }
    }
}

/// Whose list differs from what it should be.
async fn behind(state: &AppState) -> Result<Vec<ChargerKey>, mendpoint_store::Error> {
    let (handle, store) = (state.handle(), state.handle().store());
    let mut lists: Vec<(WantedList, Vec<IdTokenRow>)> = Vec::new();
    let mut behind = Vec::new();
    for key in store.chargers_with_local_lists().await? {
        let Some(row) = store.local_list(key).await? else { continue };
        let Some(live) = handle.charger(key).await else { continue };
        if !lists.iter().any(|(wanted, _)| *wanted == row.wanted) {
            lists.push((row.wanted.clone(), cards_of(state, &row.wanted).await?));
        }
        let cards = lists.iter().find(|(wanted, _)| *wanted == row.wanted);
        let cards = cards.map_or(&[][..], |(_, cards)| cards);
        let is_v16 = live.link.protocol == Some(Protocol::V16);
        if !difference(&row.known, &cards_that_fit(cards, is_v16)).is_empty() {
            behind.push(key);
        }
    }
    Ok(behind)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: UnixMs = UnixMs(1_790_000_000_000);

    #[test]
    fn lists_are_compared_when_cards_stopped_changing_and_from_time_to_time() {
        let mut agenda = Agenda::default();
        assert!(!agenda.must_compare(7, NOW), "perhaps somebody is at it");
        assert!(agenda.must_compare(7, NOW), "after a start");
        agenda.compared(7, NOW, Vec::new());
        assert!(!agenda.must_compare(7, NOW));
        assert!(!agenda.must_compare(8, NOW));
        assert!(!agenda.must_compare(9, NOW), "a second file of cards");
        assert!(agenda.must_compare(9, NOW));
        agenda.compared(9, NOW, Vec::new());
        assert!(!agenda.must_compare(9, NOW + COMPARE_MS - 1));
        assert!(agenda.must_compare(9, NOW + COMPARE_MS), "cards end by the clock");
    }

    #[test]
    fn who_does_not_take_its_list_is_asked_less_and_less() {
        let (a, b) = (ChargerKey(1), ChargerKey(2));
        let mut agenda = Agenda::default();
        agenda.compared(1, NOW, vec![a, b]);
        assert_eq!(agenda.due(NOW), [a, b]);
        agenda.told(a, true, NOW);
        agenda.told(b, false, NOW);
        assert_eq!(agenda.due(NOW + RETRY_MS - 1), []);
        assert_eq!(agenda.due(NOW + RETRY_MS), [b]);
        agenda.told(b, false, NOW);
        // Another card changes: who took its list is told at once, the other one waits.
        agenda.compared(2, NOW, vec![a, b]);
        assert_eq!(agenda.due(NOW + RETRY_MS), [a]);
        assert_eq!(agenda.due(NOW + 2 * RETRY_MS), [a, b]);
        for _ in 0..100 {
            agenda.told(b, false, NOW);
        }
        assert_eq!(agenda.due(NOW + RETRY_MAX_MS), [a, b]);
        // What is right again, by a person's hand, is not sent again.
        agenda.compared(3, NOW, vec![]);
        assert_eq!(agenda.due(NOW + RETRY_MAX_MS), []);
    }
}
