//! The last ninety days of a charger, from what is kept of each day.

use mendpoint_model::{ChargerKey, DAY_MS, UnixMs};

use crate::{AppState, number};

/// How far back.
const DAYS: i64 = 90;
/// Days that stand in the table, newest first.
const LISTED: usize = 14;

/// A day.
pub(super) struct Day {
    /// `2026-11-21`.
    pub(super) date: String,
    pub(super) sessions: u64,
    pub(super) energy: String,
    pub(super) faults: u64,
    /// `99.8 %` of the day.
    pub(super) online: String,
    /// `-95 / -83 / -70`; empty without readings.
    pub(super) signal: String,
}

/// What the days come to, and the newest of them.
pub(super) struct Past {
    pub(super) sessions: String,
    pub(super) energy: String,
    pub(super) faults: String,
    /// Of the days there are.
    pub(super) online: String,
    pub(super) days: Vec<Day>,
}

fn percent(ms: i64, of_ms: i64) -> String {
    format!("{:.1} %", ms as f64 * 100.0 / of_ms.max(1) as f64)
}

fn kwh(wh: f64) -> String {
    format!("{:.1} kWh", wh / 1_000.0)
}

impl Past {
    pub(super) async fn read(
        state: &AppState,
        charger: ChargerKey,
    ) -> Result<Self, mendpoint_store::Error> {
        let now = state.handle().now();
        let today = now.0 - now.0.rem_euclid(DAY_MS);
        let from = UnixMs(today - DAYS * DAY_MS);
        let rows = state.handle().store().spans(charger, DAY_MS, from, now).await?;
        // Today is not over.
        let length = |at: UnixMs| (now.0 - at.0).min(DAY_MS);
        let sessions: u64 = rows.iter().map(|row| row.sessions).sum();
        let faults: u64 = rows.iter().map(|row| row.faults).sum();
        Ok(Self {
            sessions: number::grouped(sessions),
            energy: kwh(rows.iter().map(|row| row.energy_wh).sum()),
            faults: number::grouped(faults),
            online: percent(
                rows.iter().map(|row| row.online_ms).sum(),
                rows.iter().map(|row| length(row.began_at)).sum(),
            ),
            days: rows
                .iter()
                .rev()
                .take(LISTED)
                .map(|row| Day {
                    date: row.began_at.rfc3339().chars().take(10).collect(),
                    sessions: row.sessions,
                    energy: kwh(row.energy_wh),
                    faults: row.faults,
                    online: percent(row.online_ms, length(row.began_at)),
                    signal: row
                        .signal
                        .map(|(least, mean, most)| format!("{least:.0} / {mean:.0} / {most:.0}"))
                        .unwrap_or_default(),
                })
                .collect(),
        })
    }
}
