//! A rule's file as it is written, before anything in it is understood.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_spanned::Spanned;

use crate::threshold::RawThresholds;
use crate::timeline_parse::RawTest;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawRule {
    pub(super) id: Spanned<String>,
    pub(super) version: Spanned<u32>,
    pub(super) title: Spanned<String>,
    pub(super) description: Spanned<String>,
    pub(super) headline: Option<Spanned<String>>,
    pub(super) severity: Spanned<toml::Value>,
    #[serde(default)]
    pub(super) severity_by_code: BTreeMap<Spanned<String>, Spanned<toml::Value>>,
    pub(super) severity_by_distinct: Option<RawDistinct>,
    pub(super) scope: Spanned<String>,
    #[serde(default)]
    pub(super) labels: Vec<String>,
    pub(super) playbook: Option<Spanned<String>>,
    pub(super) route: Option<Spanned<String>>,
    pub(super) auto_heal: Spanned<String>,
    #[serde(default)]
    pub(super) probe: bool,
    #[serde(default)]
    pub(super) forbids_reset: bool,
    #[serde(default)]
    pub(super) raises_others: bool,
    pub(super) proof: Option<Spanned<String>>,
    pub(super) escalate_after: Option<Spanned<String>>,
    #[serde(default)]
    pub(super) exclusions: Vec<Spanned<String>>,
    #[serde(default)]
    pub(super) thresholds: RawThresholds,
    pub(super) condition: Spanned<RawCondition>,
    #[serde(default)]
    pub(super) clear: Vec<Spanned<RawClear>>,
    #[serde(default)]
    pub(super) test: Vec<RawTest>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawDistinct {
    pub(super) at_least: Spanned<toml::Value>,
    pub(super) severity: Spanned<toml::Value>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawCondition {
    pub(super) when: Option<Spanned<String>>,
    pub(super) count: Option<RawCount>,
    pub(super) absent: Option<Spanned<String>>,
    pub(super) sequence: Option<Spanned<RawSequence>>,
    pub(super) not_followed: Option<Spanned<RawNotFollowed>>,
    #[serde(rename = "for")]
    pub(super) lasting: Option<Spanned<String>>,
    #[serde(default)]
    pub(super) for_by_code: BTreeMap<Spanned<String>, Spanned<String>>,
    pub(super) keep_firing_for: Option<Spanned<String>>,
    pub(super) chargers: Option<Spanned<RawChargers>>,
}

/// How many chargers a rule about a site, a cohort or the fleet asks for.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawChargers {
    pub(super) at_least: Option<Spanned<toml::Value>>,
    pub(super) percent: Option<Spanned<toml::Value>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawSequence {
    pub(super) first: RawMoment,
    pub(super) then: RawMoment,
    pub(super) within: Spanned<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawNotFollowed {
    pub(super) first: RawMoment,
    pub(super) by: RawMoment,
    pub(super) within: Spanned<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawMoment {
    pub(super) kind: Spanned<String>,
    #[serde(rename = "where")]
    pub(super) filter: Option<Spanned<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawCount {
    pub(super) kind: Spanned<String>,
    #[serde(rename = "where")]
    pub(super) filter: Option<Spanned<String>>,
    pub(super) at_least: Spanned<toml::Value>,
    pub(super) within: Spanned<String>,
    pub(super) distinct_by: Option<Spanned<String>>,
    pub(super) at_least_distinct: Option<Spanned<toml::Value>>,
    pub(super) cooldown: Option<Spanned<String>>,
    pub(super) times_usual: Option<Spanned<toml::Value>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawClear {
    pub(super) when: Option<Spanned<String>>,
    pub(super) count: Option<RawClearCount>,
    pub(super) absent: Option<Spanned<String>>,
    #[serde(default)]
    pub(super) person: bool,
    #[serde(rename = "for")]
    pub(super) lasting: Option<Spanned<String>>,
    pub(super) becomes: Option<Spanned<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawClearCount {
    pub(super) kind: Spanned<String>,
    pub(super) at_least: Spanned<toml::Value>,
}
