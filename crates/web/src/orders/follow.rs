//! Local lists follow the register of cards by themselves: a card that was blocked must not charge at
//! a charger that is offline because nobody thought of sending its list again.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use mendpoint_model::{CellState, ChargerKey, DAY_MS, MINUTE_MS, UnixMs};
use mendpoint_pipeline::AuditActor;
use mendpoint_store::{IdTokenRow, WantedList};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval_at};

use super::OrderError;
use super::local_list::{Sent, cards_of, cards_that_fit, difference, is_in_doubt, send_list};
use crate::AppState;
use crate::serve::stopped;

/// How often it is looked whether cards changed, or whether a charger that is behind came back.
const LOOK: Duration = Duration::from_secs(30);
/// How often all lists are compared although nobody changed a card: a list may have been asked for while
/// its charger was away, or not been taken.
const COMPARE_MS: i64 = 10 * MINUTE_MS;
/// How long after a charger did not take its list it is tried again; twice as long each time.
const RETRY_MS: i64 = 5 * MINUTE_MS;
/// And no longer than this.
const RETRY_MAX_MS: i64 = DAY_MS;
/// After how long a charger whose list is longer than it keeps is looked at again.
const TOO_LONG_MS: i64 = 60 * MINUTE_MS;
/// How long changes of cards wait for their end, when there is always one more.
const RESTLESS_MS: i64 = 2 * MINUTE_MS;
/// How many chargers are told at a time: each may take its time to answer, and holds nobody else up.
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
struct Agenda {
    behind: BTreeMap<ChargerKey, Behind>,
    /// How many changes of cards there were at the last look.
    seen: Option<u64>,
    /// When all lists were compared, and what was found.
    compared: Option<Compared>,
}

/// A comparison of all lists with the register of cards.
#[derive(Clone, Copy, Debug)]
struct Compared {
    /// How many changes of cards there had been.
    changes: u64,
    at: UnixMs,
    /// When the next card of a list ends by its date.
    next_end: Option<UnixMs>,
}

impl Agenda {
    /// Whether all lists are to be compared, with `changes` of cards so far: when cards changed and
    /// none since the look before, so that many changes are one; when a card ended by its date; and from
    /// time to time.
    fn must_compare(&mut self, changes: u64, now: UnixMs) -> bool {
        let is_calm = self.seen.replace(changes) == Some(changes);
        let Some(last) = self.compared else { return is_calm };
        (last.changes != changes && (is_calm || now.since_ms(last.at) >= RESTLESS_MS))
            || last.next_end.is_some_and(|end| end <= now)
            || now.since_ms(last.at) >= COMPARE_MS
    }

    /// Takes in who is behind. Who did not take its list before waits as long as it did.
    fn compared(&mut self, compared: Compared, behind: Vec<ChargerKey>) {
        self.compared = Some(compared);
        let known = std::mem::take(&mut self.behind);
        let anew = Behind { not_before: compared.at, failures: 0 };
        self.behind =
            behind.into_iter().map(|key| (key, known.get(&key).copied().unwrap_or(anew))).collect();
    }

    /// Who may be told now.
    fn due(&self, now: UnixMs) -> VecDeque<ChargerKey> {
        let due = self.behind.iter().filter(|(_, behind)| behind.not_before <= now);
        due.map(|(key, _)| *key).collect()
    }

    /// What came of telling a charger.
    fn told(&mut self, charger: ChargerKey, came: &Came, now: UnixMs) {
        let Some(behind) = self.behind.get_mut(&charger) else { return };
        let wait_ms = match came {
            Came::Told(Sent::Settled) => {
                self.behind.remove(&charger);
                return;
            }
            Came::Told(Sent::TooLong) => TOO_LONG_MS,
            Came::Told(Sent::Refused) => {
                let wait_ms = RETRY_MS << behind.failures.min(16);
                behind.failures += 1;
                wait_ms.min(RETRY_MAX_MS)
            }
            // Silence is the network's fault more often than the charger's.
            Came::Told(Sent::Unanswered) => RETRY_MS,
            Came::Nothing => return,
        };
        behind.not_before = now + wait_ms;
    }
}

/// What came of telling a charger.
enum Came {
    /// It was asked.
    Told(Sent),
    /// It was away, a list was on its way to it already, or the program could not: the next look.
    Nothing,
}

/// Sends lists that are behind.
pub(crate) struct Follower {
    state: AppState,
    agenda: Agenda,
    /// Who is told as soon as there is room.
    queue: VecDeque<ChargerKey>,
    sending: JoinSet<(ChargerKey, Came)>,
}

/// Sends local lists after the register of cards until `stop` says `true`, or its sender is gone.
pub async fn follow_cards(state: AppState, mut stop: watch::Receiver<bool>) {
    let mut follower = Follower::new(state);
    let mut looks = interval_at(Instant::now() + LOOK, LOOK);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = stopped(&mut stop) => return,
            _ = looks.tick() => follower.look().await,
            Some(told) = follower.sending.join_next() => {
                if let Ok((charger, came)) = told {
                    follower.told(charger, &came);
                }
            }
        }
    }
}

impl Follower {
    pub(crate) fn new(state: AppState) -> Self {
        Self { state, agenda: Agenda::default(), queue: VecDeque::new(), sending: JoinSet::new() }
    }

    /// One look: who is behind. Those who are there begin to be told.
    pub(crate) async fn look(&mut self) {
        let handle = self.state.handle();
        let (changes, now) = (handle.token_changes(), handle.now());
        if self.agenda.must_compare(changes, now) {
            match behind(&self.state).await {
                Ok((behind, next_end)) => {
                    self.agenda.compared(Compared { changes, at: now, next_end }, behind);
                }
                // The database is away: everybody is told of that elsewhere, and the next look tries
                // again.
                Err(error) => tracing::debug!(%error, "local lists could not be compared"),
            }
        }
        self.queue = self.agenda.due(now);
        self.begin();
    }

    fn begin(&mut self) {
        while self.sending.len() < AT_ONCE {
            let Some(charger) = self.queue.pop_front() else { return };
            let cell = self.state.handle().board().get(charger);
            if matches!(cell, None | Some(CellState::Offline | CellState::NeverSeen)) {
                continue;
            }
            let state = self.state.clone();
            self.sending.spawn(async move { (charger, tell(&state, charger).await) });
        }
    }

    fn told(&mut self, charger: ChargerKey, came: &Came) {
        self.agenda.told(charger, came, self.state.handle().now());
        self.begin();
    }

    /// Waits for those who are being told.
    #[cfg(test)]
    pub(crate) async fn settle(&mut self) {
        while let Some(told) = self.sending.join_next().await {
            let (charger, came) = told.expect("no panic");
            self.told(charger, &came);
        }
    }
}

/// Sends a charger what it does not know yet.
async fn tell(state: &AppState, key: ChargerKey) -> Came {
    let handle = state.handle();
    let Some(record) = handle.directory().charger(key) else {
        return Came::Told(Sent::Settled);
    };
    let is_there = handle.charger(key).await.is_some_and(|live| live.link.connected);
    if !is_there || state.is_list_under_way(key) {
        return Came::Nothing;
    }
    let told = AuditActor::serving(async {
        AuditActor::System.is_here();
        send_list(state, &record, None, false, ASKER).await
    });
    match told.await {
        Ok((_, sent)) => Came::Told(sent),
        // Somebody sends it by hand, or a card is being erased: the next look.
        Err(OrderError::Refused(_)) => Came::Nothing,
        Err(error) => {
            let charger = record.identity.as_ref();
            tracing::debug!(charger, error = error.sentence(), "a local list could not be sent");
            Came::Nothing
        }
    }
}

/// Whose list differs from what it should be, and when the next card of a list ends.
async fn behind(
    state: &AppState,
) -> Result<(Vec<ChargerKey>, Option<UnixMs>), mendpoint_store::Error> {
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
        let cards = cards_that_fit(cards, live.link.protocol);
        if is_in_doubt(&row) || !difference(&row.known, &cards).is_empty() {
            behind.push(key);
        }
    }
    let now = handle.now();
    let ends = lists.iter().flat_map(|(_, cards)| cards).filter_map(|card| card.expires_at);
    Ok((behind, ends.filter(|end| *end > now).min()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: UnixMs = UnixMs(1_790_000_000_000);

    fn compared(changes: u64, at: UnixMs) -> Compared {
        Compared { changes, at, next_end: None }
    }

    #[test]
    fn lists_are_compared_when_cards_stopped_changing_and_from_time_to_time() {
        let mut agenda = Agenda::default();
        assert!(!agenda.must_compare(7, NOW), "perhaps somebody is at it");
        assert!(agenda.must_compare(7, NOW), "after a start");
        agenda.compared(compared(7, NOW), Vec::new());
        assert!(!agenda.must_compare(7, NOW));
        assert!(!agenda.must_compare(8, NOW));
        assert!(!agenda.must_compare(9, NOW), "a second file of cards");
        assert!(agenda.must_compare(9, NOW));
        agenda.compared(compared(9, NOW), Vec::new());
        assert!(!agenda.must_compare(9, NOW + COMPARE_MS - 1));
        assert!(agenda.must_compare(9, NOW + COMPARE_MS));
        assert!(!agenda.must_compare(10, NOW + RESTLESS_MS - 1));
        assert!(agenda.must_compare(11, NOW + RESTLESS_MS), "somebody is always at it");
        let next_end = Some(NOW + 60_000);
        agenda.compared(Compared { next_end, ..compared(9, NOW) }, Vec::new());
        assert!(!agenda.must_compare(9, NOW + 59_999));
        assert!(agenda.must_compare(9, NOW + 60_000), "a card ended by its date");
    }

    #[test]
    fn who_does_not_take_its_list_is_asked_less_and_less() {
        let (a, b) = (ChargerKey(1), ChargerKey(2));
        let mut agenda = Agenda::default();
        agenda.compared(compared(1, NOW), vec![a, b]);
        assert_eq!(agenda.due(NOW), [a, b]);
        let (took, refused) = (Came::Told(Sent::Settled), Came::Told(Sent::Refused));
        agenda.told(a, &took, NOW);
        agenda.told(b, &refused, NOW);
        assert!(agenda.due(NOW + RETRY_MS - 1).is_empty());
        assert_eq!(agenda.due(NOW + RETRY_MS), [b]);
        agenda.told(b, &refused, NOW);
        // Another card changes: who took its list is told at once, the other one waits.
        agenda.compared(compared(2, NOW), vec![a, b]);
        assert_eq!(agenda.due(NOW + RETRY_MS), [a]);
        assert_eq!(agenda.due(NOW + 2 * RETRY_MS), [a, b]);
        for _ in 0..100 {
            agenda.told(b, &refused, NOW);
        }
        assert_eq!(agenda.due(NOW + RETRY_MAX_MS), [a, b]);
        // Whoever is silent or has too long a list is no worse the second time.
        for (came, wait_ms) in [(Sent::Unanswered, RETRY_MS), (Sent::TooLong, TOO_LONG_MS)] {
            for _ in 0..3 {
                agenda.told(a, &Came::Told(came), NOW);
            }
            assert!(!agenda.due(NOW + wait_ms - 1).contains(&a));
            assert!(agenda.due(NOW + wait_ms).contains(&a));
        }
        // What is right again, by a person's hand, is not sent again.
        agenda.compared(compared(3, NOW), vec![]);
        assert!(agenda.due(NOW + RETRY_MAX_MS).is_empty());
    }
}
