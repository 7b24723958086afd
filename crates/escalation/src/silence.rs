//! Silences: for a while nobody is told of what fits, while all of it is still written down (1.9).

use mendpoint_model::{DAY_MS, UnixMs};
use serde::{Deserialize, Serialize};

use crate::book::{Book, Brief};
use crate::{Error, pick};

/// The longest a silence may last.
pub const SILENCE_MAX_MS: i64 = 30 * DAY_MS;
/// The longest a reason may be, in letters.
const REASON_MAX: usize = 300;

/// A silence.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Silence {
    /// Its number.
    pub id: i64,
    /// What it silences.
    pub matcher: Matcher,
    /// From when.
    pub from: UnixMs,
    /// Until when.
    pub until: UnixMs,
    /// Why.
    pub reason: String,
    /// Who wrote it down.
    pub author: String,
    /// Who ended it before its time; empty for nobody.
    pub ended_by: String,
    /// Whether its end was told.
    pub announced: bool,
}

/// What a silence is about: everything that is said must fit. `*` stands for anything.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Matcher {
    /// A rule.
    pub rule: String,
    /// A charger, by its OCPP identity.
    pub charger: String,
    /// A site, by its name.
    pub site: String,
    /// A vendor and model.
    pub model: String,
    /// A label of the charger or its site.
    pub label: String,
}

impl Matcher {
    /// Whether it says anything at all.
    pub fn is_empty(&self) -> bool {
        self.parts().next().is_none()
    }

    fn parts(&self) -> impl Iterator<Item = (&'static str, &str)> {
        [
            ("rule", self.rule.trim()),
            ("charger", self.charger.trim()),
            ("site", self.site.trim()),
            ("model", self.model.trim()),
            ("label", self.label.trim()),
        ]
        .into_iter()
        .filter(|(_, value)| !value.is_empty())
    }

    /// Whether an incident fits.
    pub(crate) fn fits(&self, book: &Book, brief: &Brief) -> bool {
        self.parts().all(|(name, value)| {
            let choice = [value.to_owned()];
            match name {
                "rule" => pick::any(&choice, &brief.rule),
                "charger" => pick::any(&choice, &brief.identity),
                "site" => pick::any(&choice, &brief.site_name),
                "model" => pick::any(&choice, &brief.model),
                _ => pick::any_label(&choice, book, brief),
            }
        })
    }

    /// "rule ERR_*, site Harbour".
    pub fn words(&self) -> String {
        let parts: Vec<String> =
            self.parts().map(|(name, value)| format!("{name} {value}")).collect();
        parts.join(", ")
    }
}

impl Silence {
    /// Checks what a person typed.
    ///
    /// # Errors
    /// A sentence about what is wrong.
    pub fn check(&self, now: UnixMs) -> Result<(), Error> {
        let wrong = |sentence: &str| Err(Error::Silence(sentence.to_owned()));
        if self.matcher.is_empty() {
            return wrong("say what it is about: a rule, charger, site, model or label");
        }
        if self.matcher.parts().all(|(_, value)| value.chars().all(|c| c == '*')) {
            return wrong("a silence of everything is not taken; name a site or a rule");
        }
        if self.reason.trim().is_empty() {
            return wrong("say why: whoever looks for the alarm will want to know");
        }
        if self.reason.chars().count() > REASON_MAX {
            return wrong("say why in 300 letters at most");
        }
        if self.until <= now || self.until <= self.from {
            return wrong("it ends in the future, after it begins");
        }
        if self.until.since_ms(self.from.max(now)) > SILENCE_MAX_MS {
            return wrong("30 days are the longest; write it down again then, if it still holds");
        }
        if self.from.since_ms(now) > 365 * DAY_MS {
            return wrong("it begins within a year");
        }
        Ok(())
    }

    /// Whether it holds at a time.
    pub fn is_active(&self, now: UnixMs) -> bool {
        self.ended_by.is_empty() && self.from <= now && now < self.until
    }

    /// Whether it will never hold again.
    pub fn is_over(&self, now: UnixMs) -> bool {
        !self.ended_by.is_empty() || self.until <= now
    }
}
