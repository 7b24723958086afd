//! The key figures of the live page.

use futures_util::future::join_all;
use mendpoint_model::{CellState, ChargerKey, Incident, IncidentState, MINUTE_MS};
use mendpoint_pipeline::Handle;
use mendpoint_store::{Error, IncidentFilter, PAGE_MAX};

use crate::{number, show};

/// More charging chargers than this are not asked for their power, one by one, for a page.
const POWER_OF: usize = 64;

/// The figures, as they are written.
#[derive(Clone, Debug)]
pub(crate) struct Kpis {
    pub(crate) needs_you: u64,
    pub(crate) needs_you_line: String,
    pub(crate) healing: usize,
    pub(crate) healing_line: String,
    pub(crate) healed: u64,
    pub(crate) resolved: u64,
    pub(crate) healed_line: String,
    pub(crate) online: String,
    pub(crate) online_line: String,
    pub(crate) usable: String,
    pub(crate) usable_line: String,
    pub(crate) charging: usize,
    /// Empty when it was not asked for.
    pub(crate) power: String,
    pub(crate) charging_line: String,
}

/// States in which the engine may be at work without anybody.
pub(crate) const UNATTENDED: [IncidentState; 3] =
    [IncidentState::Open, IncidentState::Healing, IncidentState::Verifying];

/// Whether the engine repairs it; otherwise it only watches whether it lasts.
pub(crate) fn is_healing(incident: &Incident) -> bool {
    incident.state != IncidentState::Open || incident.healing.is_some()
}

impl Kpis {
    /// Reads the figures.
    pub(crate) async fn read(handle: &Handle) -> Result<Self, Error> {
        let now = handle.now();
        let store = handle.store();
        let counts = store.incident_counts().await?;
        let waiting = IncidentFilter {
            states: IncidentState::ALL.into_iter().filter(|state| !state.is_over()).collect(),
            needs_person: Some(true),
            ..IncidentFilter::default()
        };
        let (waiting, _) = store.incidents(&waiting, None, PAGE_MAX).await?;
        let healing = IncidentFilter {
            states: UNATTENDED.to_vec(),
            needs_person: Some(false),
            ..IncidentFilter::default()
        };
        let (mut healing, _) = store.incidents(&healing, None, PAGE_MAX).await?;
        healing.retain(is_healing);
        let soon = waiting
            .iter()
            .filter(|incident| {
                incident.next_at.is_some_and(|at| at.since_ms(now) <= 30 * MINUTE_MS)
            })
            .count();
        let unowned = waiting.iter().filter(|incident| incident.owner.is_none());
        // Who has a ticket was asked already.
        let (asked, unowned): (Vec<_>, Vec<_>) =
            unowned.partition(|incident| incident.ticket.is_some());
        let longest = healing.iter().map(|incident| now.since_ms(incident.opened_at)).max();
        let hours = store.incident_hours(now, 24).await?;
        let sum = |of: fn(&mendpoint_store::HourStats) -> u64| hours.iter().map(of).sum::<u64>();
        let healed = sum(|hour| hour.healed);
        let by_person = sum(|hour| hour.by_person);
        let resolved = healed + by_person + sum(|hour| hour.by_itself);
        let cells = Cells::of(handle);
        Ok(Self {
            needs_you: counts.needs_person,
            needs_you_line: match (counts.needs_person, soon) {
                (0, _) => "nothing to do".to_owned(),
                (_, 0) if !unowned.is_empty() => format!("{} without an owner", unowned.len()),
                (_, 0) if !asked.is_empty() => format!("{} asked, not accepted", asked.len()),
                (_, 0) => "all taken".to_owned(),
                (_, soon) => format!("{soon} due within 30 min"),
            },
            healing: healing.len(),
            healing_line: longest.map_or_else(
                || "nothing to repair".to_owned(),
                |longest| format!("longest {}", show::duration(longest)),
            ),
            healed,
            resolved,
            healed_line: ((resolved - by_person) * 100).checked_div(resolved).map_or_else(
                || "no incident ended yet".to_owned(),
                |alone| format!("{alone}% ended without a person"),
            ),
            online: number::percent(cells.total - cells.dark(), cells.total),
            online_line: match (cells.offline, cells.never_seen) {
                (0, 0) => "every charger".to_owned(),
                (0, never) => format!("{never} never seen"),
                (offline, 0) => format!("{offline} offline"),
                (offline, never) => format!("{offline} offline, {never} never seen"),
            },
            usable: number::percent(cells.usable, cells.total),
            usable_line: match cells.faulted {
                0 => "none faulted".to_owned(),
                faulted => format!("{faulted} faulted"),
            },
            charging: cells.charging,
            power: power(handle, cells.charging).await,
            charging_line: format!("{} plugged in, not charging", cells.plugged_in),
        })
    }
}

/// How many chargers are how.
#[derive(Clone, Copy, Debug)]
struct Cells {
    total: usize,
    usable: usize,
    charging: usize,
    plugged_in: usize,
    faulted: usize,
    offline: usize,
    never_seen: usize,
}

impl Cells {
    fn of(handle: &Handle) -> Self {
        Self::new(&handle.board().counts(), handle.directory().len())
    }

    fn new(counts: &[usize; 9], registered: usize) -> Self {
        let of = |cell: CellState| counts[cell as usize];
        let seen: usize = counts.iter().sum();
        Self {
            total: registered.max(seen),
            usable: of(CellState::Available)
                + of(CellState::Charging)
                + of(CellState::PluggedIn)
                + of(CellState::Degraded),
            charging: of(CellState::Charging),
            plugged_in: of(CellState::PluggedIn),
            faulted: of(CellState::Faulted),
            offline: of(CellState::Offline),
            // Whoever was registered and has no cell was never heard of.
            never_seen: of(CellState::NeverSeen) + registered.saturating_sub(seen),
        }
    }

    fn dark(self) -> usize {
        self.offline + self.never_seen
    }
}

/// What all charging chargers draw, where they are few enough to ask.
async fn power(handle: &Handle, charging: usize) -> String {
    if charging == 0 || charging > POWER_OF {
        return String::new();
    }
    let (_, cells) = handle.board().snapshot();
    let keys: Vec<ChargerKey> = cells
        .into_iter()
        .filter_map(|(key, cell)| (cell == CellState::Charging).then_some(key))
        .take(POWER_OF)
        .collect();
    let states = join_all(keys.into_iter().map(|key| handle.charger(key))).await;
    let watts: f64 = states
        .iter()
        .flatten()
        .flat_map(|state| &state.connectors)
        .filter_map(|connector| connector.power_w)
        .filter(|watts| watts.is_finite() && *watts > 0.0)
        .sum();
    match watts {
        watts if watts < 1.0 => String::new(),
        watts if watts < 1_000_000.0 => show::power(watts),
        watts => format!("{:.1} MW", watts / 1_000_000.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_registered_that_were_never_heard_of_count_as_dark() {
        let mut counts = [0; 9];
        counts[CellState::Available as usize] = 6;
        counts[CellState::Degraded as usize] = 1;
        counts[CellState::Offline as usize] = 1;
        let cells = Cells::new(&counts, 10);
        assert_eq!((cells.total, cells.usable, cells.dark()), (10, 7, 3));
        assert_eq!(number::percent(cells.total - cells.dark(), cells.total), "70.0");
    }
}
