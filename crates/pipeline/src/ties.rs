//! What people do with what belongs together: merging and splitting, paused rollouts.

use std::collections::BTreeSet;
use std::sync::PoisonError;

use mendpoint_incidents::correlate::{MergeHabit, Suggestion, suggestions};
use mendpoint_incidents::overseer::{CohortRate, VehicleSuspect};
use mendpoint_incidents::{Request, Seen};
use mendpoint_model::{Action, Actor, ChargerRecord, Incident, IncidentId, IncidentState};
use mendpoint_store::IncidentFilter;
use mendpoint_tickets::{TicketCommand, Visibility};

use crate::oversight::Pause;
use crate::pipeline::Inner;
use crate::{Error, Handle, clock};

/// Where it is kept which pauses people lifted.
const LIFTED: &str = "rollouts_lifted";
/// How many open incidents are weighed for a suggestion.
const OPEN_MAX: u32 = 500;

impl Handle {
    /// Puts an incident into another one: only that one is worked on from now on. `across` says that
    /// they may be at different sites; whoever is sent to one of them is not at the other.
    ///
    /// # Errors
    /// When either is unknown or over, or is part of another one already, or is at another site.
    pub async fn merge(
        &self,
        id: IncidentId,
        into: IncidentId,
        across: bool,
        user: &str,
    ) -> Result<(), Error> {
        let store = self.store();
        let child = store.incident(id).await?.ok_or(Error::UnknownIncident)?;
        let parent = store.incident(into).await?.ok_or(Error::UnknownIncident)?;
        let is_local = |incident: &Incident| !incident.is_wide();
        if !across && child.site != parent.site && is_local(&child) && is_local(&parent) {
            let site = |of: &Incident| self.directory().site(of.site).map(|site| site.name.clone());
            let (here, there) = (site(&child), site(&parent));
            return Err(Error::Refused(format!(
                "{id} is at {} and {into} at {}: say that it may be at another site if one cause \
                 is behind both",
                here.as_deref().unwrap_or("no site"),
                there.as_deref().unwrap_or("no site"),
            )));
        }
        if id != into {
            // The other one first: whether it can take it in is known there.
            let user = user.to_owned();
            self.request(Request::MergeIn { incident: into, child: id, user }).await?;
        }
        let merge = Request::Merge { incident: id, into, user: user.to_owned() };
        if let Err(error) = self.request(merge).await {
            // It took the child in a moment ago; unless it had it before, by a click that came first.
            self.settle(child.site).await;
            let is_its = store.incident(id).await?.and_then(|child| child.ties.merged_into);
            if is_its != Some(into) {
                let user = user.to_owned();
                let undo = Request::SplitOut { incident: into, child: id, user };
                let _ = self.request(undo).await;
            }
            return Err(error);
        }
        store.note_merge(&child, &parent, clock::now(), user).await?;
        self.0.audit(user, "incident merged", &format!("{id} into {into}")).await;
        let text =
            format!("{id} was put into {into}: it is worked on there, and ends when that is over.");
        self.tell_ticket(&child, text, user).await;
        Ok(())
    }

    /// Whoever works on an incident's ticket hears what became of the incident.
    async fn tell_ticket(&self, incident: &Incident, text: String, user: &str) {
        let Some(ticket) = incident.ticket else { return };
        let note = TicketCommand::Note { text, visibility: Visibility::Internal };
        // One that is over takes no more notes, and needs none.
        let _ = self.ticket(ticket, note, Actor::User(user.to_owned())).await;
    }

    /// Takes an incident out of the one it was merged into, if that is still as it was seen.
    ///
    /// # Errors
    /// When it is unknown or over, or part of none, or of another one than was seen.
    pub async fn split(&self, id: IncidentId, seen: Seen, user: &str) -> Result<(), Error> {
        let store = self.store();
        let child = store.incident(id).await?.ok_or(Error::UnknownIncident)?;
        let parent = child.ties.merged_into;
        let request = Box::new(Request::Split { incident: id, user: user.to_owned() });
        self.request(Request::IfSeen { seen, request }).await?;
        if let Some(parent) = parent {
            let user = user.to_owned();
            let out = Request::SplitOut { incident: parent, child: id, user };
            // The other one may be over and put away.
            let _ = self.request(out).await;
        }
        store.note_split(id, clock::now(), user).await?;
        self.0.audit(user, "incident split off", &id.to_string()).await;
        if let Some(parent) = parent {
            let text = format!("{id} was taken out of {parent}: it is worked on by itself again.");
            self.tell_ticket(&child, text, user).await;
        }
        Ok(())
    }

    /// The open incidents that this one may belong to.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn merge_suggestions(&self, of: &Incident) -> Result<Vec<Suggestion>, Error> {
        if of.state.is_over() || of.ties.parent().is_some() {
            return Ok(Vec::new());
        }
        let states = IncidentState::ALL.into_iter().filter(|state| !state.is_over()).collect();
        let filter = IncidentFilter { states, hide_quiet: true, ..IncidentFilter::default() };
        let (open, _) = self.store().incidents(&filter, None, OPEN_MAX).await?;
        let habits: Vec<MergeHabit> = self
            .store()
            .merge_counts()
            .await?
            .into_iter()
            .map(|count| MergeHabit {
                rule: count.rule,
                into: count.into,
                merged: count.merged,
                split: count.split,
            })
            .collect();
        Ok(suggestions(of, &open, &habits, Some(self.0.unassigned)))
    }

    /// Alerts per 1,000 connector-hours of every vendor, model and firmware, as of a few minutes ago.
    pub fn cohort_rates(&self) -> Vec<CohortRate> {
        self.0.sight.rates.load().to_vec()
    }

    /// Cards and vehicles that fail at several sites while others charge there.
    pub fn vehicle_suspects(&self) -> Vec<VehicleSuspect> {
        self.0.sight.vehicles.load().to_vec()
    }

    /// Firmware that is not rolled out any further, with the incidents that say why.
    pub fn paused_rollouts(&self) -> Vec<(IncidentId, Pause)> {
        let pauses = self.0.rollouts.lock().unwrap_or_else(PoisonError::into_inner);
        pauses.iter().map(|(id, pause)| (*id, pause.clone())).collect()
    }

    /// Lets a rollout go on that an incident paused. For administrators.
    ///
    /// # Errors
    /// When the incident pauses nothing, or the database cannot be written.
    pub async fn lift_rollout(&self, id: IncidentId, user: &str) -> Result<(), Error> {
        let inner = &self.0;
        let was = {
            let mut pauses = inner.rollouts.lock().unwrap_or_else(PoisonError::into_inner);
            pauses.remove(&id)
        };
        let Some(pause) = was else {
            return Err(Error::Refused(format!("{id} pauses no rollout")));
        };
        let mut lifted = inner.lifted_rollouts().await?;
        lifted.insert(id.0);
        inner.lifted.lock().unwrap_or_else(PoisonError::into_inner).insert(id.0);
        let text = serde_json::to_string(&lifted).unwrap_or_default();
        inner.store.set_value(LIFTED, &text).await?;
        let note = Request::Note {
            incident: id,
            user: user.to_owned(),
            text: format!("The pause of {} is lifted.", pause.cohort),
        };
        self.request(note).await?;
        inner.audit(user, "rollout pause lifted", &format!("{id}: {}", pause.cohort)).await;
        Ok(())
    }
}

impl Inner {
    async fn lifted_rollouts(&self) -> Result<BTreeSet<i64>, Error> {
        let text = self.store.get_value(LIFTED).await?;
        Ok(text.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default())
    }

    /// Forgets the pauses that people lifted before a restart.
    pub(crate) async fn restore_rollouts(&self) -> Result<(), Error> {
        let lifted = self.lifted_rollouts().await?;
        let mut pauses = self.rollouts.lock().unwrap_or_else(PoisonError::into_inner);
        pauses.retain(|id, _| !lifted.contains(&id.0));
        drop(pauses);
        let mut known = self.lifted.lock().unwrap_or_else(PoisonError::into_inner);
        known.extend(lifted);
        Ok(())
    }

    /// Why a firmware update is not sent: its version is worse than the one before on other chargers
    /// of the model.
    pub(crate) fn rollout_refusal(
        &self,
        charger: &ChargerRecord,
        action: &Action,
    ) -> Option<String> {
        let address = match action {
            Action::UpdateFirmware(request) => format!("\"{}\"", request.location),
            Action::Raw { action, payload }
                if matches!(
                    action.as_str(),
                    "UpdateFirmware" | "SignedUpdateFirmware" | "PublishFirmware"
                ) =>
            {
                payload.clone()
            }
            _ => return None,
        };
        let pauses = self.rollouts.lock().unwrap_or_else(PoisonError::into_inner);
        pauses.iter().find_map(|(id, pause)| {
            let same_model =
                pause.cohort.vendor == charger.vendor && pause.cohort.model == charger.model;
            (same_model && leads_to(pause, &address)).then(|| {
                format!(
                    "firmware {} of {} {} is paused: {id} found that it fails more often than {}. \
                     An administrator can lift the pause on that incident's page",
                    pause.cohort.firmware, pause.cohort.vendor, pause.cohort.model, pause.before
                )
            })
        })
    }
}

/// Whether an update's address leads to the paused version: it names it, or it names no version at
/// all. Going back to the version before is always allowed.
fn leads_to(pause: &Pause, payload: &str) -> bool {
    let plain = |text: &str| -> String {
        text.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_lowercase()
    };
    let (address, paused, before) =
        (plain(payload), plain(&pause.cohort.firmware), plain(&pause.before));
    if !paused.is_empty() && payload.contains(&pause.cohort.firmware) {
        return true;
    }
    if !before.is_empty() && (payload.contains(&pause.before) || address.contains(&before)) {
        return false;
    }
    if !paused.is_empty() && address.contains(&paused) {
        return true;
    }
    !names_a_version(payload)
}

/// Whether there is something like `1.4` or `2.0.11` in the file's name.
fn names_a_version(payload: &str) -> bool {
    let file = payload
        .split('"')
        .find(|part| part.contains("://"))
        .and_then(|address| address.rsplit('/').next())
        .unwrap_or_default();
    let letters: Vec<char> = file.chars().collect();
    letters.windows(3).any(|three| {
        three[0].is_ascii_digit()
            && matches!(three[1], '.' | '_' | '-')
            && three[2].is_ascii_digit()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn leads(address: &str) -> bool {
        let cohort = mendpoint_model::Cohort {
            vendor: "ACME".to_owned(),
            model: "X".to_owned(),
            firmware: "2.1.0".to_owned(),
        };
        let pause = Pause { cohort, before: "2.0.4".to_owned() };
        leads_to(&pause, &format!("{{\"location\":\"{address}\"}}"))
    }

    #[test]
    fn only_the_paused_version_is_held_back() {
        assert!(leads("https://fw.example/acme/x-2.1.0.bin"));
        assert!(leads("https://fw.example/acme/x_2-1-0.bin"));
        assert!(!leads("https://fw.example/acme/x-2.0.4.bin"), "going back");
        assert!(!leads("https://fw.example/acme/x-2.1.1.bin"), "the next one");
        assert!(leads("https://fw.example/acme/latest.bin"), "nobody knows which that is");
    }
}
