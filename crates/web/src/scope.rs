//! What a kill switch covers, in words.

use std::collections::BTreeMap;

use mendpoint_incidents::KillScope;
use mendpoint_pipeline::{Directory, Switched};

use crate::place::Moment;

/// Where healing is stopped, by whom and when.
pub(crate) type Switches = BTreeMap<KillScope, Option<Switched>>;

/// That healing is stopped somewhere, as pages tell it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct StoppedHere {
    /// Who stopped it; empty when that is not known.
    pub(crate) by: String,
    /// When; `None` when that is not known.
    pub(crate) at: Option<Moment>,
}

/// Whether healing is stopped by this very switch.
pub(crate) fn stopped(
    switches: &Switches,
    scope: &KillScope,
    now: mendpoint_model::UnixMs,
) -> Option<StoppedHere> {
    let switched = switches.get(scope)?;
    Some(StoppedHere {
        by: switched.as_ref().map(|switched| switched.by.clone()).unwrap_or_default(),
        at: switched.as_ref().map(|switched| Moment::new(now, switched.at)),
    })
}

/// "everywhere", "the site Gara Cluj" or "the charger CLJ-07".
pub(crate) fn words(scope: &KillScope, directory: &Directory) -> String {
    match scope {
        KillScope::Global => "everywhere".to_owned(),
        KillScope::Site(site) => directory
            .site(*site)
            .map_or_else(|| format!("site {site}"), |site| format!("the site {}", site.name)),
        KillScope::Charger(charger) => directory.charger(*charger).map_or_else(
            || format!("charger {charger}"),
            |charger| format!("the charger {}", charger.name),
        ),
    }
}
