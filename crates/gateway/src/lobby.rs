//! Connections in their handshake: how many there may be, and who has to leave when there are more.
//!
//! A peer that connects and says nothing must not keep a charger out (R8). So a place is never
//! waited for behind one that stalls: when all are taken, the address that holds most of them
//! loses its oldest one that we have been waiting for.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use prometheus::{IntCounter, IntGauge};
use rustc_hash::FxHashMap;
use tokio::sync::Notify;
use tokio::task::AbortHandle;
use tokio::time::{Instant, timeout};

/// A handshake we have waited for this long may be ended to make room. Long enough for a slow
/// radio link to be between two of its packets.
pub(crate) const STALLED_AFTER: Duration = Duration::from_secs(1);

/// The places, shared by all listeners.
#[derive(Clone, Debug)]
pub(crate) struct Lobby(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    places: usize,
    per_address: usize,
    state: Mutex<State>,
    freed: Notify,
    open: IntGauge,
    evicted: IntCounter,
}

#[derive(Debug, Default)]
struct State {
    next: u64,
    taken: usize,
    /// By address, the oldest first. An address without any is taken out (behaviour 71).
    waiting: FxHashMap<IpAddr, BTreeMap<u64, Waiting>>,
}

/// A handshake whose peer has the next word.
#[derive(Debug)]
struct Waiting {
    since: Instant,
    task: Option<AbortHandle>,
}

/// One connection's place; free again when dropped.
#[derive(Debug)]
pub(crate) struct Place {
    lobby: Lobby,
    address: IpAddr,
    number: u64,
    is_busy: bool,
}

impl Lobby {
    /// `places` at once, of which one address gets `per_address` before its oldest has to leave.
    pub(crate) fn new(
        places: usize,
        per_address: usize,
        open: IntGauge,
        evicted: IntCounter,
    ) -> Self {
        let state = Mutex::default();
        let freed = Notify::new();
        Self(Arc::new(Inner { places, per_address, state, freed, open, evicted }))
    }

    /// Waits until there is a place, and makes one if somebody stalls.
    pub(crate) async fn room(&self) {
        loop {
            let freed = self.0.freed.notified();
            let Some(wait) = self.make_room(Instant::now()) else { return };
            // Whether by a place that was freed or by the clock, we look again.
            let _ = timeout(wait, freed).await;
        }
    }

    /// `None`: there is room. Otherwise how long until somebody counts as stalled.
    fn make_room(&self, now: Instant) -> Option<Duration> {
        let mut state = self.lock();
        if state.taken < self.0.places {
            return None;
        }
        let heaviest = state.waiting.iter().max_by_key(|(_, waiting)| waiting.len());
        let address = heaviest.map(|(address, _)| *address);
        match address.map(|address| self.evict(&mut state, address, now)) {
            Some(Ok(())) => None,
            Some(Err(wait)) => Some(wait),
            None => Some(STALLED_AFTER),
        }
    }

    /// Ends the oldest handshake of an address, if it has stalled.
    fn evict(&self, state: &mut State, address: IpAddr, now: Instant) -> Result<(), Duration> {
        let oldest = state.waiting.get(&address).and_then(BTreeMap::first_key_value);
        let Some((number, since)) = oldest.map(|(number, waiting)| (*number, waiting.since)) else {
            return Err(STALLED_AFTER);
        };
        let stalled_at = since + STALLED_AFTER;
        if now < stalled_at {
            return Err(stalled_at - now);
        }
        if let Some(task) = state.leave(address, number).and_then(|waiting| waiting.task) {
            task.abort();
        }
        state.taken -= 1;
        self.0.open.dec();
        self.0.evicted.inc();
        Ok(())
    }

    /// Takes a place.
    pub(crate) fn enter(&self, address: IpAddr) -> Place {
        let now = Instant::now();
        let mut state = self.lock();
        if state.waiting.get(&address).is_some_and(|all| all.len() >= self.0.per_address) {
            // Younger than that, they are a fleet behind one address that comes back.
            let _ = self.evict(&mut state, address, now);
        }
        let number = state.next;
        state.next += 1;
        state.taken += 1;
        state
            .waiting
            .entry(address)
            .or_default()
            .insert(number, Waiting { since: now, task: None });
        self.0.open.inc();
        Place { lobby: self.clone(), address, number, is_busy: false }
    }

    /// How many addresses are remembered.
    #[cfg(test)]
    fn addresses(&self) -> usize {
        self.lock().waiting.len()
    }

    /// A panic elsewhere while holding the lock leaves plain maps, which are still good.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn leave(&mut self, address: IpAddr, number: u64) -> Option<Waiting> {
        let all = self.waiting.get_mut(&address)?;
        let left = all.remove(&number);
        if all.is_empty() {
            self.waiting.remove(&address);
        }
        left
    }
}

impl Place {
    /// The number to name it by.
    pub(crate) fn number(&self) -> u64 {
        self.number
    }

    /// From here on it is our own work that takes time: not ended for it.
    pub(crate) fn busy(&mut self) {
        let left = self.lobby.lock().leave(self.address, self.number);
        self.is_busy = self.is_busy || left.is_some();
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut state = self.lobby.lock();
        // Whoever was ended gave its place back when that was decided.
        if state.leave(self.address, self.number).is_some() || self.is_busy {
            state.taken -= 1;
            drop(state);
            self.lobby.0.open.dec();
            self.lobby.0.freed.notify_waiters();
        }
    }
}

impl Lobby {
    /// Says which task has a place, so that it can be ended.
    pub(crate) fn belongs_to(&self, address: IpAddr, number: u64, task: AbortHandle) {
        let mut state = self.lock();
        let waiting = state.waiting.get_mut(&address).and_then(|all| all.get_mut(&number));
        if let Some(waiting) = waiting {
            waiting.task = Some(task);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ATTACKER: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));
    const CHARGER: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 2));

    fn lobby(places: usize, per_address: usize) -> Lobby {
        let open = IntGauge::new("open", "help").expect("a valid name");
        let evicted = IntCounter::new("evicted", "help").expect("a valid name");
        Lobby::new(places, per_address, open, evicted)
    }

    /// A handshake that waits for ever, as a task.
    fn stall(lobby: &Lobby, address: IpAddr) -> tokio::task::JoinHandle<()> {
        let place = lobby.enter(address);
        let number = place.number();
        let task = tokio::spawn(async move {
            let _place = place;
            std::future::pending::<()>().await;
        });
        lobby.belongs_to(address, number, task.abort_handle());
        task
    }

    #[tokio::test(start_paused = true)]
    async fn the_oldest_stalled_one_of_the_heaviest_address_makes_room() {
        let lobby = lobby(3, 100);
        let slow = stall(&lobby, CHARGER);
        let first = stall(&lobby, ATTACKER);
        let second = stall(&lobby, ATTACKER);
        let began = Instant::now();
        lobby.room().await;
        assert_eq!(began.elapsed(), STALLED_AFTER, "nobody has to leave sooner");
        assert!(first.await.expect_err("ended").is_cancelled());
        assert!(!slow.is_finished() && !second.is_finished());
        assert_eq!((lobby.0.open.get(), lobby.0.evicted.get()), (2, 1));
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_waits_for_us_is_not_ended_and_a_place_that_comes_free_is_taken() {
        let lobby = lobby(1, 1);
        let mut place = lobby.enter(CHARGER);
        place.busy();
        let (waiting, began) = (lobby.clone(), Instant::now());
        let room = tokio::spawn(async move { waiting.room().await });
        tokio::time::sleep(Duration::from_secs(5)).await;
        assert!(!room.is_finished());
        drop(place);
        room.await.expect("there is room");
        assert_eq!(began.elapsed(), Duration::from_secs(5));
        assert_eq!((lobby.0.open.get(), lobby.0.evicted.get()), (0, 0));
    }

    #[tokio::test(start_paused = true)]
    async fn one_address_has_its_share_and_a_fleet_behind_one_address_comes_in() {
        let lobby = lobby(100, 2);
        let fleet: Vec<_> = (0..10).map(|_| stall(&lobby, ATTACKER)).collect();
        assert!(fleet.iter().all(|task| !task.is_finished()), "they came just now");
        tokio::time::sleep(STALLED_AFTER).await;
        let _next = stall(&lobby, ATTACKER);
        tokio::task::yield_now().await;
        assert_eq!(fleet.iter().filter(|task| task.is_finished()).count(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn b71_nothing_is_remembered_of_those_who_left() {
        let lobby = lobby(1_000, 10);
        for last in 0..=255 {
            let place = lobby.enter(IpAddr::from([10, 0, 0, last]));
            assert_eq!(lobby.addresses(), 1);
            drop(place);
        }
        assert_eq!((lobby.addresses(), lobby.0.open.get()), (0, 0));
    }
}
