//! The outage of a site (1.7): most of its chargers go away together. One incident instead of one a
//! charger, and its cause once they return.

use std::collections::{BTreeMap, VecDeque};

use mendpoint_model::{
    Breadth, Cause, ChargerKey, ExclusionProposal, IncidentId, MEMBERS_MAX, Member, Outage,
    SiteKey, UnixMs,
};

use super::SITE_OUTAGE;
use crate::case::Line;
use crate::duration::duration_words;
use crate::effect::{Effect, Evidence};
use crate::engine::{Cx, Engine};
use crate::overseer::{Wide, carrier_of, headline};
use crate::timers::Timer;

/// A charger that boots so often at its returns says nothing by it, in percent.
const HABIT_PERCENT: u32 = 80;
/// From so many returns on its habit is known.
const HABIT_MIN: u8 = 3;

/// The connections of a site, while something is going on.
#[derive(Clone, Debug, Default)]
pub(crate) struct SiteWatch {
    /// Losses of the window, oldest first.
    losses: VecDeque<(UnixMs, ChargerKey)>,
    /// Since when they are enough for an outage.
    since: Option<UnixMs>,
    members: BTreeMap<ChargerKey, Member>,
    /// How many were online before.
    of: usize,
    incident: Option<IncidentId>,
    /// Since when few enough are missing.
    calm_since: Option<UnixMs>,
    armed: Option<UnixMs>,
}

impl SiteWatch {
    fn missing(&self) -> usize {
        self.members.values().filter(|member| member.back_at.is_none()).count()
    }

    fn outage(&self) -> Outage {
        Outage {
            began_at: self.members.values().map(|member| member.lost_at).min().unwrap_or_default(),
            lost: self.members.len() as u32,
            back: (self.members.len() - self.missing()) as u32,
            of: self.of as u32,
            sites: 1,
            members: self.members.values().take(MEMBERS_MAX).cloned().collect(),
            cause: None,
            evidence: String::new(),
        }
    }
}

/// How a charger behaves when it returns.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Habit {
    returns: u8,
    boots: u8,
    /// It returned and has not booted since.
    returned: bool,
}

impl Habit {
    fn returns(&mut self) {
        if self.returns == u8::MAX {
            self.returns /= 2;
            self.boots /= 2;
        }
        self.returns += 1;
        self.returned = true;
    }

    fn boots(&mut self) {
        self.boots += u8::from(std::mem::take(&mut self.returned));
    }

    /// Whether it boots at nearly every return, so that a boot shows no loss of power. The newest
    /// return is the one in question.
    fn always_boots(self) -> bool {
        let (returns, boots) = (self.returns.saturating_sub(1), self.boots.saturating_sub(1));
        returns >= HABIT_MIN && u32::from(boots) * 100 >= u32::from(returns) * HABIT_PERCENT
    }
}

impl Engine {
    pub(crate) fn site_lost(&mut self, cx: &Cx<'_>, site: SiteKey, key: ChargerKey) {
        if self.settings.unassigned == Some(site) {
            return;
        }
        let settings = &self.settings.correlation;
        let watch = self.correlation.sites.entry(site).or_default();
        if watch.since.is_none() && watch.incident.is_none() {
            let window_ms = settings.site_window_ms;
            while watch.losses.front().is_some_and(|(at, _)| cx.now.since_ms(*at) > window_ms) {
                watch.losses.pop_front();
            }
            watch.losses.push_back((cx.now, key));
            let lost: BTreeMap<ChargerKey, UnixMs> = watch
                .losses
                .iter()
                .filter(|(at, key)| is_away_since(cx, *key, *at))
                .map(|(at, key)| (*key, *at))
                .collect();
            let online = cx.fleet.of_site(site).iter().filter(|key| is_online(cx, **key)).count();
            let of = online + lost.len();
            if lost.len() < settings.site_min
                || lost.len() * 100 < of * settings.site_percent as usize
            {
                return;
            }
            watch.since = Some(cx.now);
            watch.of = of;
            watch.losses.clear();
            for (charger, lost_at) in lost {
                watch.members.insert(charger, Member { charger, lost_at, ..Member::default() });
            }
            let at = (cx.now + settings.settle_ms).max(self.grace_until);
            self.timers.set(&mut watch.armed, Timer::Site(site), Some(at));
            return;
        }
        match watch.members.get_mut(&key) {
            // Gone again: its return was none.
            Some(member) => (member.back_at, member.boot) = (None, None),
            None => {
                let member = Member { charger: key, lost_at: cx.now, ..Member::default() };
                watch.members.insert(key, member);
                watch.of = watch.of.max(watch.members.len());
            }
        }
        if watch.incident.is_some() {
            self.timers.set(&mut watch.armed, Timer::Site(site), Some(cx.now + 1));
        }
    }

    pub(crate) fn site_back(&mut self, cx: &Cx<'_>, site: SiteKey, key: ChargerKey) {
        self.watches.entry(key).or_default().habit.returns();
        let Some(watch) = self.correlation.sites.get_mut(&site) else { return };
        if let Some(member) = watch.members.get_mut(&key) {
            member.back_at = Some(cx.now);
            if watch.incident.is_some() {
                self.timers.set(&mut watch.armed, Timer::Site(site), Some(cx.now + 1));
            }
        }
    }

    pub(crate) fn site_boot(&mut self, cx: &Cx<'_>, site: SiteKey, key: ChargerKey) {
        let Some(boot) = cx.fleet.charger(key).and_then(|charger| charger.boot.as_deref()) else {
            return;
        };
        let reason = boot.reason.clone().unwrap_or_default();
        // A notification that was asked for is no boot.
        if reason == "Triggered" {
            return;
        }
        let boot_after_ms = self.settings.correlation.boot_after_ms;
        self.watches.entry(key).or_default().habit.boots();
        let Some(watch) = self.correlation.sites.get_mut(&site) else { return };
        if let Some(member) = watch.members.get_mut(&key)
            && member.back_at.is_some_and(|at| cx.now.since_ms(at) <= boot_after_ms)
        {
            member.boot = Some(reason);
        }
    }

    /// A charger is no longer registered.
    pub(crate) fn site_forget(&mut self, key: ChargerKey) {
        for watch in self.correlation.sites.values_mut() {
            watch.losses.retain(|(_, lost)| *lost != key);
            watch.members.remove(&key);
        }
    }

    /// What to look at at a site is due.
    pub(crate) fn site_due(&mut self, cx: &Cx<'_>, site: SiteKey) {
        let Some(watch) = self.correlation.sites.get_mut(&site) else { return };
        watch.armed = None;
        let settings = &self.settings.correlation;
        let (missing, members) = (watch.missing(), watch.members.len());
        let few = missing * 100 < members.max(1) * (100 - settings.site_percent as usize);
        let Some(incident) = watch.incident else {
            if watch.since.is_none() || members < settings.site_min || missing * 2 < members {
                // They came back at once: a hiccup.
                self.correlation.sites.remove(&site);
                return;
            }
            if self.site_cover(site).is_some() {
                // Something wider explains it; looked at again when that is over.
                return;
            }
            self.open_site(cx, site);
            return;
        };
        if few {
            let since = *watch.calm_since.get_or_insert(cx.now);
            let ends = since + settings.over_ms;
            if ends <= cx.now {
                self.close_site(cx, site, incident);
                return;
            }
            self.timers.set(&mut watch.armed, Timer::Site(site), Some(ends));
        } else {
            watch.calm_since = None;
        }
        let outage = watch.outage();
        let outage = self.with_cause(cx, outage);
        self.set_outage(incident, outage);
    }

    /// The wider incident that explains most of a site's losses.
    fn site_cover(&self, site: SiteKey) -> Option<IncidentId> {
        if let Some(id) = self.correlation.fleet_cover {
            return Some(id);
        }
        let watch = self.correlation.sites.get(&site)?;
        let mut counts: BTreeMap<IncidentId, usize> = BTreeMap::new();
        for key in watch.members.keys() {
            if let Some(id) = self.correlation.covers.get(key) {
                *counts.entry(*id).or_default() += 1;
            }
        }
        let percent = self.settings.correlation.site_percent as usize;
        counts
            .into_iter()
            .find(|(_, many)| many * 100 >= watch.members.len() * percent)
            .map(|(id, _)| id)
    }

    /// Outages of sites that something wider explains now, or explains no more.
    pub(crate) fn review_sites(&mut self, cx: &Cx<'_>) {
        let sites: Vec<SiteKey> = self.correlation.sites.keys().copied().collect();
        for site in sites {
            let incident = self.correlation.sites.get(&site).and_then(|watch| watch.incident);
            match (incident, self.site_cover(site)) {
                (Some(id), Some(parent)) => self.inhibit_case(cx, id, parent),
                (Some(_), None) => {}
                (None, _) => self.site_due(cx, site),
            }
        }
    }

    fn open_site(&mut self, cx: &Cx<'_>, site: SiteKey) {
        let Some(watch) = self.correlation.sites.get(&site) else { return };
        let outage = watch.outage();
        let Some(charger) = watch.members.keys().next().copied() else { return };
        let Some((title, description)) = headline(&Breadth::Site, &outage) else { return };
        let wide = Wide {
            breadth: Breadth::Site,
            rule: SITE_OUTAGE.into(),
            version: 1,
            ask_after_ms: self.settings.correlation.site_escalate_ms,
            code: String::new(),
            charger,
            site,
            severity: 2,
            title,
            description,
            began_at: outage.began_at,
            outage: Some(outage),
            regression: None,
        };
        let id = self.open_wide(cx, wide);
        if let Some(watch) = self.correlation.sites.get_mut(&site) {
            watch.incident = Some(id);
        }
        self.cover_site(cx, site, id);
    }

    /// The chargers of a site whose lost connection its outage explains, and what is open of them.
    fn cover_site(&mut self, cx: &Cx<'_>, site: SiteKey, id: IncidentId) {
        let Some(watch) = self.correlation.sites.get(&site) else { return };
        let keys: Vec<ChargerKey> = watch.members.keys().copied().collect();
        for key in keys {
            self.inhibit_links(cx, key, id);
        }
    }

    /// The outage that a charger is a member of.
    pub(crate) fn site_outage_of(&self, site: SiteKey, key: ChargerKey) -> Option<IncidentId> {
        let watch = self.correlation.sites.get(&site)?;
        watch.members.contains_key(&key).then_some(watch.incident?)
    }

    fn close_site(&mut self, cx: &Cx<'_>, site: SiteKey, id: IncidentId) {
        let Some(watch) = self.correlation.sites.remove(&site) else { return };
        let outage = self.with_cause(cx, watch.outage());
        let (lost, back) = (outage.lost, outage.back);
        let lasted = duration_words(cx.now.since_ms(outage.began_at));
        let cause = outage.cause;
        let words = match cause {
            Some(Cause::Power) => format!("Power is back after {lasted}"),
            Some(Cause::Network) => format!("The network is back after {lasted}"),
            Some(Cause::Carrier) => format!("The mobile network is back after {lasted}"),
            _ => format!("{back} of {lost} chargers are back after {lasted}"),
        };
        if let Some(cause) = cause {
            let line = Line::new("cause", format!("Cause: {}", cause.label().to_lowercase()));
            self.say(cx, id, line.text(outage.evidence.clone()));
        }
        if cause == Some(Cause::Power) {
            for member in watch.members.values() {
                let Some(until) = member.back_at else { continue };
                self.tail.push(Effect::Exclusion(ExclusionProposal {
                    incident: id,
                    charger: member.charger,
                    from: member.lost_at,
                    until,
                    cause: Cause::Power,
                    evidence: outage.evidence.clone(),
                }));
            }
        }
        self.set_outage(id, outage);
        self.resolve(cx, id, &words, &mendpoint_model::Actor::Engine, Some(Evidence::Cleared));
        self.tend(cx, id);
    }

    /// A person ended the outage, or merged it away.
    pub(crate) fn site_ended(&mut self, id: IncidentId) {
        self.correlation.sites.retain(|_, watch| watch.incident != Some(id));
    }

    /// Goes on with an outage after a restart of ours. Whoever is not back yet is missing.
    pub(crate) fn restore_site(&mut self, cx: &Cx<'_>, id: IncidentId) {
        let Some(incident) = self.cases.get(&id).map(|case| &case.incident) else { return };
        let Some(outage) = incident.ties.outage.clone() else { return };
        let site = incident.site;
        let members = outage.members.iter().map(|member| (member.charger, member.clone()));
        let mut watch = SiteWatch {
            since: Some(outage.began_at),
            members: members.collect(),
            of: outage.of as usize,
            incident: Some(id),
            ..SiteWatch::default()
        };
        self.timers.set(
            &mut watch.armed,
            Timer::Site(site),
            Some(self.grace_until.max(cx.now + 1)),
        );
        self.correlation.sites.insert(site, watch);
    }

    /// Writes down how an outage stands.
    pub(crate) fn set_outage(&mut self, id: IncidentId, outage: Outage) {
        if let Some(case) = self.cases.get_mut(&id)
            && case.incident.ties.outage.as_deref() != Some(&outage)
        {
            let missing = outage.lost - outage.back.min(outage.lost);
            case.incident.next = match missing {
                0 => "All chargers are back".to_owned(),
                missing => format!("{missing} of {} chargers are away", outage.lost),
            };
            if let Some((title, description)) = headline(&case.incident.ties.breadth, &outage) {
                case.incident.title = title;
                case.incident.description = description;
            }
            case.incident.ties.outage = Some(Box::new(outage));
            self.dirty.insert(id);
        }
    }

    /// Why a site was away, as far as its chargers' returns show.
    fn with_cause(&self, cx: &Cx<'_>, mut outage: Outage) -> Outage {
        let back: Vec<&Member> =
            outage.members.iter().filter(|member| member.back_at.is_some()).collect();
        if back.len() * 2 < outage.members.len() {
            return outage;
        }
        let habit = |member: &Member| {
            let watch = self.watches.get(&member.charger);
            watch.is_some_and(|watch| watch.habit.always_boots())
        };
        let told = |member: &&&Member| {
            member.boot.as_deref().is_some_and(|reason| reason == "PowerUp" || !habit(member))
        };
        let booted = back.iter().filter(told).count();
        let powered_up =
            back.iter().filter(|member| member.boot.as_deref() == Some("PowerUp")).count();
        let silent = back.iter().filter(|member| member.boot.is_none()).count();
        let percent = self.settings.correlation.site_percent as usize;
        let most = |count: usize| count * 100 >= back.len() * percent;
        let many = back.len();
        let (cause, evidence) = if most(booted) {
            let more = match powered_up {
                0 => String::new(),
                up => format!(", {up} of them with the reason PowerUp"),
            };
            (Cause::Power, format!("{booted} of {many} chargers booted when they returned{more}."))
        } else if most(silent) {
            let carriers: Vec<Option<Box<str>>> = outage
                .members
                .iter()
                .map(|member| {
                    let charger = cx.fleet.charger(member.charger)?;
                    charger.boot.as_deref().and_then(carrier_of)
                })
                .collect();
            let first = carriers.first().cloned().flatten();
            let same = carriers.iter().all(|carrier| carrier.is_some() && *carrier == first);
            let no_boot = format!("{silent} of {many} chargers returned without a boot");
            match first.filter(|_| same) {
                Some(name) => (
                    Cause::Carrier,
                    format!("{no_boot}, and all have a SIM card of one operator ({name})."),
                ),
                None => (Cause::Network, format!("{no_boot}: they had power all the time.")),
            }
        } else {
            let evidence = format!(
                "{booted} of {many} chargers booted when they returned and {silent} did not; the \
                 others boot at every return."
            );
            (Cause::Unclear, evidence)
        };
        outage.cause = Some(cause);
        outage.evidence = evidence;
        outage
    }
}

fn is_online(cx: &Cx<'_>, key: ChargerKey) -> bool {
    cx.fleet.charger(key).is_some_and(|charger| charger.link.connected)
}

fn is_away_since(cx: &Cx<'_>, key: ChargerKey, at: UnixMs) -> bool {
    let link = cx.fleet.charger(key).map(|charger| &charger.link);
    link.is_some_and(|link| !link.connected && link.since.is_none_or(|since| since <= at))
}
