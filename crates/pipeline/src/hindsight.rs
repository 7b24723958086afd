//! What a rule in shadow mode would have done lately, and what became of it.

use mendpoint_model::{DAY_MS, Incident, UnixMs};
use mendpoint_replay::hindsight::{
    ChargesAfter, LATER_MS, Shadowed, Sums, is_shadowed, judge, sums,
};
use mendpoint_store::{Cursor, IncidentFilter};

use crate::{Error, Handle, clock};

/// How far it looks back.
const BACK_MS: i64 = 30 * DAY_MS;
/// How many incidents of a rule are looked at, newest first.
const MANY: u32 = 100;
/// How many others of the same charger each is held against.
const OTHERS: u32 = 50;

/// What a rule would have done.
#[derive(Clone, Debug)]
pub struct Hindsight {
    /// Since when it was looked at.
    pub since: UnixMs,
    /// All of it, counted.
    pub sums: Sums,
    /// Each incident, newest first.
    pub incidents: Vec<Shadowed>,
    /// For how many of them a person would have been asked while the rule was on trial.
    pub asked: usize,
    /// Whether there are more than were looked at.
    pub has_more: bool,
}

impl Hindsight {
    /// "fired 14 times in 30 days, 3 new, 2 earlier by 41 min; 12 were real, 2 were nothing".
    pub fn words(&self) -> String {
        self.sums.words(BACK_MS)
    }
}

impl Handle {
    /// What a rule in shadow mode would have done in the last thirty days, and what became of it.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn hindsight(&self, rule: &str) -> Result<Hindsight, Error> {
        let now = clock::now();
        let since = now - BACK_MS;
        let filter = IncidentFilter { rule: Some(rule.to_owned()), ..IncidentFilter::default() };
        let (own, next) = self.store().incidents(&filter, None, MANY).await?;
        let has_more =
            next.is_some() && own.last().is_some_and(|incident| incident.opened_at >= since);
        let on_trial = self.store().rule_trials(rule, since, MANY).await?;
        let has_more = has_more || on_trial.len() == MANY as usize;
        let asked = on_trial.iter().filter(|row| row.asks).count();
        let shadowed = own.into_iter().filter(|one| one.opened_at >= since && is_shadowed(one));
        let mut all: Vec<Incident> =
            shadowed.chain(on_trial.into_iter().map(|row| row.incident)).collect();
        all.sort_by_key(|incident| std::cmp::Reverse((incident.opened_at, incident.id)));
        let mut incidents = Vec::new();
        for incident in &all {
            let until = incident.opened_at + LATER_MS;
            let filter =
                IncidentFilter { charger: Some(incident.charger), ..IncidentFilter::default() };
            let from = Cursor::until(until);
            let (others, _) = self.store().incidents(&filter, Some(from), OTHERS).await?;
            let (worked, failed) = self
                .store()
                .charges_between(incident.charger, incident.connector, incident.opened_at, until)
                .await?;
            incidents.push(judge(incident, &others, ChargesAfter { worked, failed }));
        }
        Ok(Hindsight { since, sums: sums(&incidents), incidents, asked, has_more })
    }
}
