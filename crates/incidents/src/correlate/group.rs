//! What is told together (1.7): incidents of one site and one kind of trouble. The first waits a
//! moment for what belongs to it, later ones are told at intervals, what stays is repeated.

use std::collections::BTreeSet;

use mendpoint_model::{IncidentId, IncidentState, SiteKey, UnixMs};

use super::family::family_of;
use crate::effect::Effect;
use crate::engine::{Cx, Engine};
use crate::timers::Timer;

/// What a group is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct GroupKey {
    site: SiteKey,
    /// The word of the family.
    family: &'static str,
    /// A wide incident beyond a site is a group of its own.
    alone: Option<IncidentId>,
}

/// A group with something open in it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Group {
    incidents: BTreeSet<IncidentId>,
    /// Those that nobody was told of yet.
    fresh: BTreeSet<IncidentId>,
    told_at: Option<UnixMs>,
    armed: Option<UnixMs>,
}

/// Who has to know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Audience {
    /// Those who run the chargers.
    Operators,
    /// Those who run Mendpoint.
    Platform,
}

/// Why it is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoticeKind {
    /// For the first time.
    First,
    /// There is more of it.
    More,
    /// It is still there.
    Repeat,
}

/// Something people are told, once for a whole group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// The group: site and family.
    pub group: String,
    /// Where.
    pub site: SiteKey,
    /// Who has to know.
    pub audience: Audience,
    /// Why now.
    pub kind: NoticeKind,
    /// When.
    pub at: UnixMs,
    /// What is open in the group and wants a person, the most serious first.
    pub incidents: Vec<IncidentId>,
    /// Those among them that are told for the first time.
    pub fresh: Vec<IncidentId>,
    /// A line: the most serious of them.
    pub title: String,
    /// A sentence or two about it.
    pub text: String,
    /// The severity of the most serious.
    pub severity: u8,
    /// Whether the most serious is about more than a charger.
    pub is_wide: bool,
}

/// The name of a group.
pub(crate) fn name(site: SiteKey, rule: &str) -> String {
    format!("{}/{}", site.0, family_of(rule).name())
}

impl Engine {
    fn group_of(&self, id: IncidentId) -> Option<GroupKey> {
        let incident = &self.cases.get(&id)?.incident;
        let family = family_of(&incident.rule);
        let is_beyond = incident.is_wide() && incident.rule != super::SITE_OUTAGE;
        let alone = is_beyond.then_some(id);
        Some(GroupKey { site: incident.site, family: family.name(), alone })
    }

    /// An incident wants a person: its group tells of it.
    pub(crate) fn group_in(&mut self, cx: &Cx<'_>, id: IncidentId) {
        let Some(key) = self.group_of(id) else { return };
        let settings = &self.settings;
        let Some(case) = self.cases.get(&id) else { return };
        if case.incident.ties.is_quiet() {
            return;
        }
        let at_once = self.is_platforms(&case.incident.rule);
        let group = self.correlation.groups.entry(key).or_default();
        if !group.incidents.insert(id) {
            return;
        }
        group.fresh.insert(id);
        let at = match group.told_at {
            None if at_once => cx.now + 1,
            None => group.armed.unwrap_or(cx.now + settings.group_wait_ms),
            Some(told) => (told + settings.group_interval_ms).max(cx.now + 1),
        };
        self.timers.set(&mut group.armed, Timer::Group(key), Some(at));
    }

    /// A group has to tell something.
    pub(crate) fn group_due(&mut self, cx: &Cx<'_>, key: GroupKey) {
        let repeat_ms = self.settings.group_repeat_ms;
        let Some(group) = self.correlation.groups.get_mut(&key) else { return };
        group.armed = None;
        let cases = &self.cases;
        let wants = |id: &IncidentId| {
            cases.get(id).is_some_and(|case| {
                !case.incident.state.is_over()
                    && case.incident.state != IncidentState::RecoveredUnproven
            })
        };
        group.incidents.retain(wants);
        group.fresh.retain(wants);
        if group.incidents.is_empty() {
            // What ended before it was told needs nobody.
            self.correlation.groups.remove(&key);
            return;
        }
        let loud = |id: &IncidentId| {
            cases.get(id).is_some_and(|case| {
                let in_hand = matches!(
                    case.incident.state,
                    IncidentState::Acknowledged | IncidentState::InProgress
                );
                !in_hand && case.incident.owner.is_none() && !case.incident.ties.is_quiet()
            })
        };
        let fresh: Vec<IncidentId> = group.fresh.iter().copied().filter(|id| loud(id)).collect();
        let kind = match (group.told_at, fresh.is_empty()) {
            (None, _) => NoticeKind::First,
            (Some(_), false) => NoticeKind::More,
            (Some(_), true) => NoticeKind::Repeat,
        };
        let mut incidents: Vec<IncidentId> =
            group.incidents.iter().copied().filter(|id| loud(id)).collect();
        incidents.sort_by_key(|id| (cases[id].incident.severity, *id));
        // Those that rest stay fresh: they are told if they ever want somebody.
        group.fresh.retain(|id| !fresh.contains(id));
        let first = incidents.first().map(|id| cases[id].incident.clone());
        if first.is_some() {
            group.told_at = Some(cx.now);
        }
        self.timers.set(&mut group.armed, Timer::Group(key), Some(cx.now + repeat_ms));
        let Some(first) = first else { return };
        let more = incidents.len() - 1;
        let title = if more == 0 {
            first.title.clone()
        } else {
            format!("{} and {more} more", first.title)
        };
        let audience =
            if self.is_platforms(&first.rule) { Audience::Platform } else { Audience::Operators };
        self.tail.push(Effect::Notice(Box::new(Notice {
            group: first.ties.group.clone(),
            site: first.site,
            audience,
            kind,
            at: cx.now,
            incidents,
            fresh,
            title,
            text: first.description.clone(),
            severity: first.severity,
            is_wide: first.is_wide(),
        })));
    }
}
