//! What a kill switch covers, in words.

use mendpoint_incidents::KillScope;
use mendpoint_pipeline::Directory;

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
