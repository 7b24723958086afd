//! What the configuration of chargers should be, and where it is something else.

use std::collections::BTreeMap;

use crate::{ChargerKey, ChargerState, SiteKey, UnixMs};

/// Whom a wanted value is for. The later in this list, the nearer: the nearest one counts.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum DesiredFor {
    /// Every charger of a model: vendor and model as told at boot, without regard to case.
    Model(String, String),
    /// Every charger of a site.
    Site(SiteKey),
    /// One charger.
    Charger(ChargerKey),
}

/// A value that a configuration key (1.6) or a variable (2.x) should have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DesiredKey {
    /// For whom.
    pub target: DesiredFor,
    /// The key or variable, in the spelling of the charger.
    pub name: String,
    /// What it should be.
    pub value: String,
    /// Who wants that.
    pub set_by: String,
    /// Since when.
    pub set_at: UnixMs,
}

/// Everything that is wanted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Desired {
    rows: Vec<DesiredKey>,
}

/// A key with what it should be and what it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DesiredValue<'a> {
    /// What is wanted, and by whom.
    pub wanted: &'a DesiredKey,
    /// What the charger told; `None` when it did not tell a value.
    pub actual: Option<&'a str>,
    /// Whether the charger told the key at all.
    pub is_known: bool,
}

impl DesiredValue<'_> {
    /// Whether the charger told another value than the one that is wanted. A key that it never told
    /// may not exist there: it is shown, and drifts from nothing.
    pub fn drifts(&self) -> bool {
        self.actual.is_some_and(|actual| !is_same(actual, &self.wanted.value))
    }
}

/// Whether two values mean the same: chargers write `TRUE` for `true` and `60.0` for `60`, and put
/// spaces into lists.
fn is_same(one: &str, other: &str) -> bool {
    let plain = |text: &str| {
        text.chars().filter(|letter| !letter.is_whitespace()).collect::<String>().to_lowercase()
    };
    let (one, other) = (plain(one), plain(other));
    let number = |text: &str| text.parse::<f64>().ok().filter(|number| number.is_finite());
    one == other
        || number(&one).zip(number(&other)).is_some_and(|(one, other)| (one - other).abs() < 1e-9)
}

impl Desired {
    /// What is wanted, in any order.
    pub fn new(mut rows: Vec<DesiredKey>) -> Self {
        rows.sort_by(|a, b| (&a.target, &a.name).cmp(&(&b.target, &b.name)));
        Self { rows }
    }

    /// All of it, models first.
    pub fn rows(&self) -> &[DesiredKey] {
        &self.rows
    }

    /// Whether nothing is wanted.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// What is wanted of a charger, by key, with what it is.
    pub fn of<'a>(&'a self, charger: &'a ChargerState) -> Vec<DesiredValue<'a>> {
        let boot = charger.boot.as_deref();
        let is_for = |target: &DesiredFor| match target {
            DesiredFor::Model(vendor, model) => boot.is_some_and(|boot| {
                boot.vendor.trim().eq_ignore_ascii_case(vendor.trim())
                    && boot.model.trim().eq_ignore_ascii_case(model.trim())
            }),
            DesiredFor::Site(site) => charger.site == *site,
            DesiredFor::Charger(key) => charger.key == *key,
        };
        // Sorted from far to near: the last one of a name stays.
        let mut nearest: BTreeMap<String, &DesiredKey> = BTreeMap::new();
        for row in self.rows.iter().filter(|row| is_for(&row.target)) {
            nearest.insert(row.name.to_lowercase(), row);
        }
        let value = |wanted: &'a DesiredKey| {
            let exactly = charger.configuration.get(wanted.name.as_str());
            let told = exactly.or_else(|| {
                let mut same = charger.configuration.iter();
                same.find(|(name, _)| name.eq_ignore_ascii_case(&wanted.name)).map(|(_, told)| told)
            });
            DesiredValue {
                wanted,
                actual: told.and_then(|told| told.value.as_deref()),
                is_known: told.is_some(),
            }
        };
        nearest.into_values().map(value).collect()
    }

    /// How many keys of a charger are not what they should be; `None` where nothing is wanted.
    pub fn drift(&self, charger: &ChargerState) -> Option<u16> {
        if self.rows.is_empty() {
            return None;
        }
        let wanted = self.of(charger);
        let drifts = wanted.iter().filter(|value| value.drifts()).count();
        (!wanted.is_empty()).then(|| u16::try_from(drifts).unwrap_or(u16::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_that_mean_the_same_do_not_drift() {
        for (one, other, same) in [
            ("true", "TRUE", true),
            ("60", "60.0", true),
            ("Energy.Active.Import.Register,Power", "Energy.Active.Import.Register, Power", true),
            ("60", "61", false),
            ("", "0", false),
            ("a", "b", false),
        ] {
            assert_eq!(is_same(one, other), same, "{one} and {other}");
        }
    }
}
