//! When to ping, and when to give a silent peer up.

use std::time::Duration;

use dashmap::DashMap;
use mendpoint_model::ChargerKey;
use tokio::time::Instant;

/// The least time of silence after which a peer counts as dead.
const SILENCE_MIN: Duration = Duration::from_mins(2);
/// Pings without a pong, while messages do come, after which pings stop (behaviour 7).
const UNANSWERED_MAX: u32 = 3;
/// A connection lost this soon after a ping may have been lost because of it.
const PING_SUSPECT: Duration = Duration::from_secs(5);
/// Connections lost that way before a charger is no longer pinged.
const STRIKES_MAX: u8 = 3;
/// Longer than any connection: for deadlines that are not there.
const NEVER: Duration = Duration::from_hours(10 * 365 * 24);

/// What to do at a deadline.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Nothing.
    Fine,
    /// Send a ping.
    Ping,
    /// Pings are of no use here and have been turned off.
    PingsStopped,
    /// Nobody is there any more.
    Dead,
}

/// The ping timer of one connection. Driven by the clock, never by a pong that may not come
/// (behaviour 6); any inbound byte is a sign of life (behaviours 7 and 10).
#[derive(Debug)]
pub(crate) struct Liveness {
    interval: Option<Duration>,
    next_ping: Instant,
    last_ping: Option<Instant>,
    unanswered: u32,
    pong_seen: bool,
    message_seen: bool,
    message_since_ping: bool,
    heartbeat: Duration,
}

impl Liveness {
    /// `seed` spreads the pings of many connections over the interval; `off` says that this
    /// charger is better not pinged.
    pub(crate) fn new(
        now: Instant,
        interval: Option<Duration>,
        off: bool,
        heartbeat_interval_s: u32,
        seed: u64,
    ) -> Self {
        let interval = interval.filter(|_| !off);
        // Fibonacci hashing: neighbours in number lie far apart in time. Up to a quarter sooner.
        let spread = (seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 48) as u32;
        let first =
            interval.map_or(NEVER, |every| every.saturating_sub(every / 4 * spread / (1 << 16)));
        Self {
            interval,
            next_ping: now + first,
            last_ping: None,
            unanswered: 0,
            pong_seen: false,
            message_seen: false,
            message_since_ping: false,
            heartbeat: Duration::from_secs(heartbeat_interval_s.into()),
        }
    }

    /// Whether this connection is pinged.
    pub(crate) fn pings(&self) -> bool {
        self.interval.is_some()
    }

    /// A message came.
    pub(crate) fn heard_message(&mut self) {
        self.message_seen = true;
        self.message_since_ping = true;
    }

    /// A pong came. True for the first one.
    pub(crate) fn heard_pong(&mut self) -> bool {
        self.unanswered = 0;
        !std::mem::replace(&mut self.pong_seen, true)
    }

    /// How long this peer may be silent. One that answers pings is known to be gone soon; one that
    /// never did, but speaks, has three of the heartbeat intervals we gave it (behaviour 9).
    fn silence_max(&self) -> Duration {
        let pinged = self.interval.map_or(SILENCE_MIN, |every| (every * 2).max(SILENCE_MIN));
        if self.pings() && (self.pong_seen || !self.message_seen) {
            return pinged;
        }
        pinged.max(self.heartbeat * 3)
    }

    /// The next time [`Liveness::on_timer`] has something to say.
    pub(crate) fn next_deadline(&self, last_heard: Instant) -> Instant {
        self.next_ping.min(last_heard + self.silence_max())
    }

    /// What to do now.
    pub(crate) fn on_timer(&mut self, now: Instant, last_heard: Instant) -> Verdict {
        if now >= last_heard + self.silence_max() {
            return Verdict::Dead;
        }
        let Some(interval) = self.interval else { return Verdict::Fine };
        if now < self.next_ping {
            return Verdict::Fine;
        }
        if !self.pong_seen && self.unanswered >= UNANSWERED_MAX && self.message_since_ping {
            self.interval = None;
            self.next_ping = now + NEVER;
            return Verdict::PingsStopped;
        }
        self.unanswered += 1;
        if self.unanswered == 1 {
            self.message_since_ping = false;
        }
        self.last_ping = Some(now);
        self.next_ping = now + interval;
        Verdict::Ping
    }

    /// Whether it was pinged and has never answered a ping.
    pub(crate) fn never_answered(&self) -> bool {
        self.last_ping.is_some() && !self.pong_seen
    }

    /// Whether the peer was pinged a moment ago and has never answered a ping.
    pub(crate) fn was_just_pinged(&self, now: Instant) -> bool {
        !self.pong_seen && self.last_ping.is_some_and(|at| now < at + PING_SUSPECT)
    }
}

/// Which chargers are better not pinged, over their connections. At most one small entry for each
/// charger that showed such a habit.
#[derive(Debug, Default)]
pub(crate) struct PingMemory {
    strikes: DashMap<ChargerKey, u8>,
}

impl PingMemory {
    /// Whether this charger is not pinged.
    pub(crate) fn are_off(&self, charger: ChargerKey) -> bool {
        self.strikes.get(&charger).is_some_and(|strikes| *strikes >= STRIKES_MAX)
    }

    /// It never answers: no more pings.
    pub(crate) fn switch_off(&self, charger: ChargerKey) {
        self.strikes.insert(charger, STRIKES_MAX);
    }

    /// Its connection was lost right after a ping.
    pub(crate) fn strike(&self, charger: ChargerKey) {
        let mut strikes = self.strikes.entry(charger).or_default();
        *strikes = strikes.saturating_add(1);
    }

    /// It answered a ping: all is forgiven.
    pub(crate) fn forget(&self, charger: ChargerKey) {
        self.strikes.remove(&charger);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PING: Duration = Duration::from_secs(45);

    fn second(start: Instant, seconds: u64) -> Instant {
        start + Duration::from_secs(seconds)
    }

    #[test]
    fn the_first_pings_of_many_connections_are_spread() {
        let now = Instant::now();
        let first = |seed| Liveness::new(now, Some(PING), false, 300, seed).next_ping - now;
        let all: Vec<Duration> = (0..1_000).map(first).collect();
        assert!(all.iter().all(|at| *at > PING * 3 / 4 && *at <= PING));
        let early = all.iter().filter(|at| **at < PING * 7 / 8).count();
        assert!((400..600).contains(&early), "{early}");
    }

    #[test]
    fn b06_silence_kills_by_the_clock_alone() {
        let now = Instant::now();
        let mut liveness = Liveness::new(now, Some(PING), false, 300, 0);
        assert_eq!(liveness.next_deadline(now), second(now, 45));
        assert_eq!(liveness.on_timer(second(now, 45), now), Verdict::Ping);
        assert_eq!(liveness.on_timer(second(now, 90), now), Verdict::Ping);
        assert_eq!(liveness.on_timer(second(now, 119), now), Verdict::Fine);
        assert_eq!(liveness.next_deadline(now), second(now, 120));
        assert_eq!(liveness.on_timer(second(now, 120), now), Verdict::Dead);
    }

    #[test]
    fn b07_pings_stop_when_messages_come_and_pongs_never_do() {
        let now = Instant::now();
        let mut liveness = Liveness::new(now, Some(PING), false, 300, 0);
        for round in 1..=3 {
            let at = second(now, 45 * round);
            assert_eq!(liveness.on_timer(at, at), Verdict::Ping);
            liveness.heard_message();
        }
        let at = second(now, 180);
        assert_eq!(liveness.on_timer(at, at), Verdict::PingsStopped);
        assert!(!liveness.pings());
        // Behaviour 9: from here it has three heartbeats of 300 s.
        assert_eq!(liveness.on_timer(at + Duration::from_secs(899), at), Verdict::Fine);
        assert_eq!(liveness.on_timer(at + Duration::from_mins(15), at), Verdict::Dead);
    }

    #[test]
    fn b09_a_charger_that_is_not_pinged_has_three_of_the_intervals_it_was_given() {
        let now = Instant::now();
        for heartbeat_s in [60, 300, 3_600] {
            for pings in [None, Some(PING)] {
                let mut liveness = Liveness::new(now, pings, pings.is_some(), heartbeat_s, 0);
                let limit = 3 * u64::from(heartbeat_s);
                assert_ne!(liveness.on_timer(second(now, limit - 1), now), Verdict::Dead);
                assert_eq!(liveness.on_timer(second(now, limit), now), Verdict::Dead);
            }
        }
    }

    #[test]
    fn a_peer_that_answered_once_is_pinged_for_ever() {
        let now = Instant::now();
        let mut liveness = Liveness::new(now, Some(PING), false, 300, 0);
        assert!(liveness.heard_pong());
        assert!(!liveness.heard_pong());
        for round in 1..=20 {
            liveness.heard_message();
            let at = second(now, 45 * round);
            assert_eq!(liveness.on_timer(at, at), Verdict::Ping);
        }
    }

    #[test]
    fn b07_three_connections_lost_to_a_ping_are_enough() {
        let memory = PingMemory::default();
        let charger = ChargerKey(1);
        for _ in 0..STRIKES_MAX {
            assert!(!memory.are_off(charger));
            memory.strike(charger);
        }
        assert!(memory.are_off(charger));
        memory.forget(charger);
        assert!(!memory.are_off(charger));
    }
}
