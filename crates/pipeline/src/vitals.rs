//! Numbers about the running program, for its own page.

use mendpoint_incidents::KillScope;
use mendpoint_model::UnixMs;
use mendpoint_store::{JournalHealth, Trouble};

/// How the program is doing.
#[derive(Clone, Debug)]
pub struct Vitals {
    /// When it was started.
    pub started_at: UnixMs,
    /// Registered chargers.
    pub chargers: usize,
    /// Facts taken in since the start.
    pub events: u64,
    /// From receipt to decision, milliseconds, 99 of 100 are faster.
    pub delay_p99_ms: f64,
    /// How the journal is doing.
    pub journal: JournalHealth,
    /// What is wrong with the database, if something is.
    pub trouble: Option<Trouble>,
    /// How late the engine is, milliseconds: the latest shard.
    pub lag_ms: i64,
    /// Why the engine sends nothing now of its own accord (G11), if so.
    pub held: Option<&'static str>,
    /// What is not healed, by order of a person.
    pub kill_switches: Vec<KillScope>,
    /// How many fields were not as the standard says since the start.
    pub quirks: u64,
}
