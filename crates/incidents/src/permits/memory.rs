//! What must survive a restart, as rows: a kind, a key and JSON. A newer row replaces an older one.

use std::sync::Arc;

use mendpoint_model::{ChargerKey, IncidentId, ModelKey, Rung, SiteKey, UnixMs};
use serde::{Deserialize, Serialize};

use crate::learn::{LearnedRow, Times, Usage};
use crate::permits::council::Council;
use crate::permits::record::Record;
use crate::permits::shadow::ShadowTally;

/// A row.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Memory {
    /// `learned`, `record`, `boots`, `usage`, `off`, `ground`, `rule` or `shadow`.
    pub kind: &'static str,
    /// Its key among those of its kind.
    pub key: String,
    /// What is remembered; `null` when it is forgotten.
    pub json: String,
    /// Grows with every row: of two of the same key the higher one holds.
    pub revision: u64,
}

impl Memory {
    /// A row as it was kept; `None` when the kind is none of ours.
    pub fn kept(kind: &str, key: String, json: String, revision: u64) -> Option<Self> {
        let kind = Kind::ALL.into_iter().find(|known| known.name() == kind)?.name();
        Some(Self { kind, key, json, revision })
    }
}

/// What a row is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    Learned,
    Record,
    Boots,
    Usage,
    Off,
    Rule,
    Shadow,
    Ground,
}

impl Kind {
    const ALL: [Self; 8] = [
        Self::Ground,
        Self::Learned,
        Self::Record,
        Self::Boots,
        Self::Usage,
        Self::Off,
        Self::Rule,
        Self::Shadow,
    ];

    fn name(self) -> &'static str {
        match self {
            Self::Learned => "learned",
            Self::Record => "record",
            Self::Boots => "boots",
            Self::Usage => "usage",
            Self::Off => "off",
            Self::Rule => "rule",
            Self::Shadow => "shadow",
            Self::Ground => "ground",
        }
    }
}

/// A place whose row changed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    kind: Kind,
    model: ModelKey,
    /// A code, a rule, or a number.
    text: String,
    rung: Option<Rung>,
}

impl Place {
    pub(super) fn new(kind: Kind, model: ModelKey, text: &str, rung: Option<Rung>) -> Self {
        Self { kind, model, text: text.to_owned(), rung }
    }

    pub(super) fn learned(row: &LearnedRow) -> Self {
        Self::new(Kind::Learned, row.model.clone(), &row.code, Some(row.rung))
    }

    pub(super) fn boots(vendor: &str, model: &str) -> Self {
        let model =
            ModelKey { vendor: vendor.into(), model: model.into(), firmware: Box::default() };
        Self::new(Kind::Boots, model, "", None)
    }

    pub(super) fn usage(site: SiteKey) -> Self {
        Self::new(Kind::Usage, ModelKey::default(), &site.0.to_string(), None)
    }

    pub(super) fn off(charger: ChargerKey, rung: Rung) -> Self {
        Self::new(Kind::Off, ModelKey::default(), &charger.0.to_string(), Some(rung))
    }

    pub(super) fn ground(charger: ChargerKey) -> Self {
        Self::new(Kind::Ground, ModelKey::default(), &charger.0.to_string(), None)
    }

    pub(super) fn rule(rule: &str) -> Self {
        Self::new(Kind::Rule, ModelKey::default(), rule, None)
    }

    pub(super) fn shadow(rule: &str) -> Self {
        Self::new(Kind::Shadow, ModelKey::default(), rule, None)
    }

    /// The key of its row. Written as JSON, so that no name can look like another.
    fn key(&self) -> String {
        let ModelKey { vendor, model, firmware } = &self.model;
        let rung = self.rung.map_or("", Rung::name);
        serde_json::to_string(&[vendor, model, firmware, &*self.text, rung].map(str::to_owned))
            .unwrap_or_default()
    }

    fn read(kind: Kind, key: &str) -> Option<Self> {
        let [vendor, model, firmware, text, rung]: [String; 5] = serde_json::from_str(key).ok()?;
        let model =
            ModelKey { vendor: vendor.into(), model: model.into(), firmware: firmware.into() };
        let rung = if rung.is_empty() { None } else { Some(Rung::from_name(&rung)?) };
        Some(Self { kind, model, text, rung })
    }
}

fn json_of(value: &impl Serialize) -> String {
    serde_json::to_string(value).unwrap_or_else(|_| "null".to_owned())
}

#[derive(Serialize, Deserialize)]
struct Off {
    at: UnixMs,
    incident: IncidentId,
}

impl Council {
    /// What changed since it was last asked, to be written down.
    pub(crate) fn take_changes(&mut self) -> Vec<Memory> {
        let places = std::mem::take(&mut self.changed);
        places
            .into_iter()
            .map(|place| {
                self.revision += 1;
                Memory {
                    kind: place.kind.name(),
                    key: place.key(),
                    json: self.json_at(&place).unwrap_or_else(|| "null".to_owned()),
                    revision: self.revision,
                }
            })
            .collect()
    }

    fn json_at(&self, place: &Place) -> Option<String> {
        let Place { model, text, rung, .. } = place;
        match place.kind {
            Kind::Learned => self.learned.row(model, text, (*rung)?).map(|row| json_of(&row)),
            Kind::Record => {
                let key = (Arc::new(model.clone()), (*rung)?);
                self.records.get(&key).map(json_of)
            }
            Kind::Boots => self.boots.of(&model.vendor, &model.model).map(json_of),
            Kind::Usage => self.usage.get(&SiteKey(text.parse().ok()?)).map(json_of),
            Kind::Off => {
                let key = (ChargerKey(text.parse().ok()?), (*rung)?);
                let (at, incident) = *self.off.get(&key)?;
                Some(json_of(&Off { at, incident }))
            }
            Kind::Rule => self.rules.as_ref()?.get(text).map(json_of),
            Kind::Shadow => self.shadows.get(text).map(json_of),
            Kind::Ground => self.ground.get(&ChargerKey(text.parse().ok()?)).map(json_of),
        }
    }

    pub(super) fn recall(&mut self, rows: Vec<Memory>) -> Vec<(String, String)> {
        let mut unread = Vec::new();
        for row in rows {
            self.revision = self.revision.max(row.revision);
            if row.json != "null" && self.recall_one(&row).is_none() {
                unread.push((row.kind.to_owned(), row.key));
            }
        }
        unread
    }

    fn recall_one(&mut self, row: &Memory) -> Option<()> {
        let kind = Kind::ALL.into_iter().find(|kind| kind.name() == row.kind)?;
        let Place { model, text, rung, .. } = Place::read(kind, &row.key)?;
        match kind {
            Kind::Learned => {
                let row: LearnedRow = serde_json::from_str(&row.json).ok()?;
                self.learned.put(&row);
            }
            Kind::Record => {
                let record: Record = serde_json::from_str(&row.json).ok()?;
                self.records.insert((Arc::new(model), rung?), record);
            }
            Kind::Boots => {
                let times: Times = serde_json::from_str(&row.json).ok()?;
                self.boots.put(&model.vendor, &model.model, times);
            }
            Kind::Usage => {
                let usage: Usage = serde_json::from_str(&row.json).ok()?;
                self.usage.insert(SiteKey(text.parse().ok()?), usage);
            }
            Kind::Off => {
                let off: Off = serde_json::from_str(&row.json).ok()?;
                let key = (ChargerKey(text.parse().ok()?), rung?);
                self.off.insert(key, (off.at, off.incident));
            }
            Kind::Rule => {
                let since: UnixMs = serde_json::from_str(&row.json).ok()?;
                self.rules.get_or_insert_default().insert(text, since);
            }
            Kind::Ground => {
                let at: UnixMs = serde_json::from_str(&row.json).ok()?;
                self.ground.insert(ChargerKey(text.parse().ok()?), at);
            }
            Kind::Shadow => {
                let tally: ShadowTally = serde_json::from_str(&row.json).ok()?;
                self.shadows.insert(text, tally);
            }
        }
        Some(())
    }
}
