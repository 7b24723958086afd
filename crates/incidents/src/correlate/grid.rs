//! The voltage of the grid (table 2.1): what several chargers of a site tell of at once is one incident
//! of the site, and explains the faults of each.

use mendpoint_model::{Breadth, ChargerKey, IncidentId, SiteKey};

use crate::case::Case;
use crate::engine::{Cx, Engine};

/// The codes that are the grid's, where several chargers tell them.
const OF_GRID: [&str; 2] = ["OverVoltage", "UnderVoltage"];

fn is_grids(case: &Case) -> bool {
    case.incident.rule.starts_with("GRID_")
        && case.incident.ties.breadth == Breadth::Site
        && case.is_firing()
        && !case.incident.ties.is_quiet()
}

impl Engine {
    /// The open incident of the grid at a site that explains a fault of a charger there.
    pub(crate) fn grid_incident(&self, site: SiteKey, code: &str) -> Option<IncidentId> {
        if !OF_GRID.contains(&code) {
            return None;
        }
        let of_site = |case: &&Case| case.incident.site == site && is_grids(case);
        self.cases.values().find(of_site).map(|case| case.incident.id)
    }

    /// An incident of the grid was opened: what chargers of its site opened because of it rests.
    pub(crate) fn inhibit_grid(&mut self, cx: &Cx<'_>, parent: IncidentId) {
        let Some(case) = self.cases.get(&parent).filter(|case| is_grids(case)) else { return };
        let keys: Vec<ChargerKey> = cx.fleet.of_site(case.incident.site).to_vec();
        for key in keys {
            let Some(watch) = self.watches.get(&key) else { continue };
            let is_grids_fault = |id: &IncidentId| {
                let case = self.cases.get(id).filter(|case| case.is_firing());
                case.is_some_and(|case| OF_GRID.contains(&case.incident.code.as_str()))
            };
            let ids: Vec<IncidentId> = watch.cases.iter().copied().filter(is_grids_fault).collect();
            for id in ids {
                self.inhibit_case(cx, id, parent);
            }
        }
    }
}
