//! What people put together and take apart again (1.7), and failures that are a vehicle's.

use mendpoint_model::{Actor, IncidentId};

use crate::case::Line;
use crate::effect::Evidence;
use crate::engine::{Cx, Engine};
use crate::overseer::VehicleSuspect;
use crate::request::RequestError;

impl Engine {
    /// A person says that an incident is part of another one. From now on only that one is worked
    /// on. `into` may belong to another shard: then it is told of it by [`Engine::merge_in`] there.
    pub(crate) fn merge(
        &mut self,
        cx: &Cx<'_>,
        id: IncidentId,
        into: IncidentId,
        user: &str,
    ) -> Result<(), RequestError> {
        if id == into {
            return Err(RequestError::MergeSelf(id));
        }
        if let Some(target) = self.cases.get(&into) {
            if target.incident.state.is_over() {
                return Err(RequestError::Over(into));
            }
            if let Some(parent) = target.incident.ties.merged_into {
                return Err(RequestError::MergedAlready(into, parent));
            }
        }
        let case = self.cases.get_mut(&id).ok_or(RequestError::UnknownIncident(id))?;
        let ties = &mut case.incident.ties;
        if let Some(parent) = ties.merged_into {
            return Err(RequestError::MergedAlready(id, parent));
        }
        if !ties.merged.is_empty() {
            // Its own members would hang in the air.
            return Err(RequestError::HasMembers(id));
        }
        ties.merged_into = Some(into);
        self.hush(cx, id);
        let line = Line::new("merged", format!("{user} merged it into {into}"))
            .text("It is worked on there. Splitting it off undoes this.");
        self.say(cx, id, line.by(Actor::User(user.to_owned())));
        Ok(())
    }

    /// The other side of a merge.
    pub(crate) fn merge_in(
        &mut self,
        cx: &Cx<'_>,
        id: IncidentId,
        child: IncidentId,
        user: &str,
    ) -> Result<(), RequestError> {
        let case = self.cases.get_mut(&id).ok_or(RequestError::UnknownIncident(id))?;
        if case.incident.state.is_over() {
            return Err(RequestError::Over(id));
        }
        if let Some(parent) = case.incident.ties.merged_into {
            return Err(RequestError::MergedAlready(id, parent));
        }
        if case.incident.ties.merged.contains(&child) {
            return Ok(());
        }
        case.incident.ties.merged.push(child);
        let line = Line::new("merged_in", format!("{user} merged {child} into it"));
        self.say(cx, id, line.by(Actor::User(user.to_owned())));
        Ok(())
    }

    /// A person takes an incident out of the one it was merged into.
    pub(crate) fn split(
        &mut self,
        cx: &Cx<'_>,
        id: IncidentId,
        user: &str,
    ) -> Result<(), RequestError> {
        let case = self.cases.get_mut(&id).ok_or(RequestError::UnknownIncident(id))?;
        let Some(parent) = case.incident.ties.merged_into.take() else {
            return Err(RequestError::NotMerged(id));
        };
        let line = Line::new("split", format!("{user} split it off {parent}"));
        self.say(cx, id, line.by(Actor::User(user.to_owned())));
        self.unhush(cx, id);
        Ok(())
    }

    /// The other side of a split.
    pub(crate) fn split_out(&mut self, cx: &Cx<'_>, id: IncidentId, child: IncidentId, user: &str) {
        let Some(case) = self.cases.get_mut(&id) else { return };
        let before = case.incident.ties.merged.len();
        case.incident.ties.merged.retain(|other| *other != child);
        if case.incident.ties.merged.len() == before {
            return;
        }
        let line = Line::new("split_out", format!("{user} split {child} off"));
        self.say(cx, id, line.by(Actor::User(user.to_owned())));
    }

    /// A card or vehicle fails everywhere: what it alone made of chargers is not the chargers'.
    pub(crate) fn blame_vehicle(&mut self, cx: &Cx<'_>, suspect: &VehicleSuspect) {
        let mut keys: Vec<_> = self.watches.keys().copied().collect();
        keys.sort_unstable();
        let mut ended = Vec::new();
        for key in keys {
            let Some(watch) = self.watches.get_mut(&key) else { continue };
            for alert in &mut watch.alerts {
                let is_its = |mark: &str| *mark == *suspect.token;
                if !alert.counted.iter().any(|(_, mark)| is_its(mark)) {
                    continue;
                }
                let all = alert.counted.iter().all(|(_, mark)| is_its(mark));
                alert.counted.retain(|(_, mark)| !is_its(mark));
                if all {
                    ended.extend(alert.incident());
                }
            }
        }
        for id in ended {
            let line = Line::new("vehicle", "Attributed to a vehicle, not to this charger").text(
                format!(
                    "The same card or vehicle failed {} times at {} sites while others charged there.",
                    suspect.failures, suspect.sites
                ),
            );
            self.say(cx, id, line);
            let words = "One vehicle or card fails at several sites: not this charger";
            self.resolve(cx, id, words, &Actor::Engine, Some(Evidence::Cleared));
            self.tend(cx, id);
        }
    }
}
