//! What a threshold of a rule is set otherwise for, in words and back.

use mendpoint_incidents::Target;
use mendpoint_model::{ChargerKey, SiteKey};
use mendpoint_pipeline::Handle;
use mendpoint_store::RuleThresholdRow;

/// Reads a target: the name of a site, the identity of a charger, or "Vendor / Model".
///
/// # Errors
/// What there is not, as a sentence.
pub(crate) fn read(handle: &Handle, kind: &str, text: &str) -> Result<Target, String> {
    let text = text.trim();
    if text.is_empty() {
        return Err("Say for which site, charger or model.".to_owned());
    }
    match kind {
        "site" => handle
            .directory()
            .site_named(text)
            .map(|site| Target::Site(site.key))
            .ok_or_else(|| format!("There is no site \"{text}\".")),
        "charger" => handle
            .directory()
            .by_identity(text)
            .map(|charger| Target::Charger(charger.key))
            .ok_or_else(|| format!("There is no charger \"{text}\".")),
        "model" => text
            .split_once('/')
            .map(|(vendor, model)| (vendor.trim(), model.trim()))
            .filter(|(vendor, model)| !vendor.is_empty() && !model.is_empty())
            .map(|(vendor, model)| Target::Model { vendor: vendor.into(), model: model.into() })
            .ok_or_else(|| "A model is written as Vendor / Model.".to_owned()),
        _ => Err("A threshold is set for a site, a charger or a model.".to_owned()),
    }
}

/// A kept target in the words that [`read`] reads.
pub(crate) fn words(handle: &Handle, row: &RuleThresholdRow) -> String {
    let key = row.target.parse::<u32>().ok();
    match (row.target_kind.as_str(), key) {
        ("site", Some(key)) => handle
            .directory()
            .site(SiteKey(key))
            .map_or_else(|| format!("site {key}, which is gone"), |site| site.name.clone()),
        ("charger", Some(key)) => handle.directory().charger(ChargerKey(key)).map_or_else(
            || format!("charger {key}, which is gone"),
            |charger| charger.identity.to_string(),
        ),
        _ => row.target.replace('\n', " / "),
    }
}

/// A kept target as the engine has it.
pub(crate) fn kept(row: &RuleThresholdRow) -> Option<Target> {
    Some(match row.target_kind.as_str() {
        "site" => Target::Site(SiteKey(row.target.parse().ok()?)),
        "charger" => Target::Charger(ChargerKey(row.target.parse().ok()?)),
        _ => {
            let (vendor, model) = row.target.split_once('\n')?;
            Target::Model { vendor: vendor.to_owned(), model: model.to_owned() }
        }
    })
}
