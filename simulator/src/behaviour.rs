//! How simulated chargers and their drivers behave: rates, lengths and patience.

/// Rates and lengths. Lengths are those of the real world; `speed` shortens what a driver or a
/// charger does (sessions, boots, healing by itself, uploads), and the energy keeps pace, so that a
/// session shortened twentyfold still delivers what a whole one would.
#[derive(Clone, Debug, PartialEq)]
pub struct Behaviour {
    /// How many sessions drivers begin at a charger in an hour of wall-clock time; 0 for none.
    pub sessions_per_hour: f64,
    /// By how much sessions, boots and healing are shortened; 1.0 is real time.
    pub speed: f64,
    /// Length of a session, ms, from and to, before `speed`.
    pub session_ms: (i64, i64),
    /// Time from power to the network connection, ms, from and to, before `speed`.
    pub boot_ms: (i64, i64),
    /// Wall-clock time between meter values, ms, until the server sets another.
    pub meter_interval_ms: i64,
    /// Longest wall-clock time between heartbeats, ms; 0 obeys the server alone.
    pub heartbeat_at_most_ms: i64,
    /// How soon after a cure a driver comes and proves it, ms of wall-clock time; 0 for never.
    pub prove_within_ms: i64,
    /// Within what wall-clock time the chargers connect at the start, ms.
    pub connect_spread_ms: i64,
    /// First and longest wall-clock wait before a new connection attempt, ms.
    pub backoff_ms: (i64, i64),
    /// Wall-clock time between readings of the radio link, ms; 0 for none.
    pub signal_every_ms: i64,
    /// How long an answer of the server is waited for, ms.
    pub call_timeout_ms: i64,
    /// The chance that a reset by command leaves the charger worse than before, until a person comes:
    /// faulted as a whole, or without a connection. Drawn for each reset.
    pub reset_harms: f64,
    /// Whether drivers do things of their own: plug in after a remote start, unplug after a stop,
    /// try again where a charge failed. Without them only what a test asks for happens.
    pub drivers: bool,
}

impl Default for Behaviour {
    fn default() -> Self {
        Self {
            sessions_per_hour: 0.0,
            speed: 1.0,
            session_ms: (12 * 60_000, 40 * 60_000),
            boot_ms: (40_000, 90_000),
            meter_interval_ms: 60_000,
            heartbeat_at_most_ms: 0,
            prove_within_ms: 0,
            connect_spread_ms: 0,
            backoff_ms: (2_000, 60_000),
            signal_every_ms: 0,
            call_timeout_ms: 30_000,
            reset_harms: 0.0,
            drivers: true,
        }
    }
}

impl Behaviour {
    /// A length of the real world in this simulation, ms, at least 50.
    pub(crate) fn scaled(&self, ms: i64) -> i64 {
        ((ms as f64 / self.speed) as i64).max(50)
    }
}
