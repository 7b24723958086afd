//! What people decided about rules, as it is kept.

use mendpoint_incidents::{Problem, Target, ThresholdOverride};
use mendpoint_model::{ChargerKey, SiteKey};
use mendpoint_store::{RuleSwitchRow, RuleTextRow, RuleThresholdRow, Store};

use crate::Error;

/// What a text is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum RuleKind {
    /// A rule.
    Rule,
    /// A playbook.
    Playbook,
}

impl RuleKind {
    /// As it is kept and shown.
    pub fn name(self) -> &'static str {
        match self {
            Self::Rule => "rule",
            Self::Playbook => "playbook",
        }
    }

    /// Reads what [`RuleKind::name`] gives.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Rule, Self::Playbook].into_iter().find(|kind| kind.name() == name)
    }
}

/// What people decided about rules, as it is in the database, and what of it cannot be used.
#[derive(Clone, Debug, Default)]
pub struct RuleEdits {
    /// The newest version of everything that was ever edited.
    pub texts: Vec<RuleTextRow>,
    /// Which rules are on, and how much they may do.
    pub switches: Vec<RuleSwitchRow>,
    /// Thresholds set otherwise.
    pub thresholds: Vec<RuleThresholdRow>,
    /// Edits that do not fit the files any more: kind, id, and what is wrong.
    pub set_aside: Vec<(RuleKind, String, Vec<Problem>)>,
}

impl RuleEdits {
    pub(crate) async fn read(store: &Store) -> Result<Self, Error> {
        Ok(Self {
            texts: store.rule_texts().await?,
            switches: store.rule_switches().await?,
            thresholds: store.rule_thresholds().await?,
            set_aside: Vec::new(),
        })
    }

    /// The edited text of a rule or playbook that is in force.
    pub fn text(&self, kind: RuleKind, id: &str) -> Option<&RuleTextRow> {
        self.texts
            .iter()
            .find(|row| row.kind == kind.name() && row.name == id && !row.text.is_empty())
    }

    /// The newest version's number, 0 where it was never edited.
    pub fn version(&self, kind: RuleKind, id: &str) -> i64 {
        let row = self.texts.iter().find(|row| row.kind == kind.name() && row.name == id);
        row.map_or(0, |row| row.version)
    }

    /// What a person decided about a rule as it stands.
    pub fn switch(&self, id: &str) -> Option<&RuleSwitchRow> {
        self.switches.iter().find(|row| row.name == id)
    }

    /// The thresholds of a rule that are set otherwise.
    pub fn thresholds_of(&self, id: &str) -> impl Iterator<Item = &RuleThresholdRow> {
        self.thresholds.iter().filter(move |row| row.rule == id)
    }

    /// They as the engine takes them.
    pub(crate) fn overrides(&self) -> Vec<ThresholdOverride> {
        self.thresholds
            .iter()
            .filter_map(|row| {
                Some(ThresholdOverride {
                    rule: row.rule.clone(),
                    target: target_of(&row.target_kind, &row.target)?,
                    name: row.name.clone(),
                    value: row.setting.clone(),
                })
            })
            .collect()
    }
}

/// Reads a target as it is kept.
fn target_of(kind: &str, target: &str) -> Option<Target> {
    Some(match kind {
        "site" => Target::Site(SiteKey(target.parse().ok()?)),
        "charger" => Target::Charger(ChargerKey(target.parse().ok()?)),
        "model" => {
            let (vendor, model) = target.split_once('\n')?;
            Target::Model { vendor: vendor.to_owned(), model: model.to_owned() }
        }
        _ => return None,
    })
}

/// A target as it is kept.
pub(super) fn kept(target: &Target) -> (&'static str, String) {
    match target {
        Target::Site(site) => ("site", site.0.to_string()),
        Target::Charger(charger) => ("charger", charger.0.to_string()),
        Target::Model { vendor, model } => {
            ("model", format!("{}\n{}", vendor.trim(), model.trim()))
        }
    }
}
