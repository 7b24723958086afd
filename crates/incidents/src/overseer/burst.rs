//! Losses that come together, and the outage they make: the part that carriers and the fleet share.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use mendpoint_model::{ChargerKey, MEMBERS_MAX, Member, Outage, SiteKey, UnixMs};

use super::seen::Fleet;

/// The losses of a while, oldest first. A charger that came back counts no more.
#[derive(Debug, Default)]
pub(crate) struct Losses {
    lost: VecDeque<(UnixMs, ChargerKey)>,
}

impl Losses {
    pub(crate) fn push(&mut self, at: UnixMs, charger: ChargerKey) {
        self.lost.push_back((at, charger));
    }

    /// Forgets what is older than the window.
    pub(crate) fn forget(&mut self, now: UnixMs, window_ms: i64) {
        // Shards report in their own order: a late report stands behind newer ones for a moment.
        while self.lost.front().is_some_and(|(at, _)| now.since_ms(*at) > window_ms) {
            self.lost.pop_front();
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.lost.len()
    }

    /// Those that are still away since then, each once.
    pub(crate) fn away<'a>(
        &'a self,
        fleet: &'a Fleet,
    ) -> impl Iterator<Item = (UnixMs, ChargerKey, SiteKey)> + 'a {
        self.lost.iter().filter_map(|(at, charger)| {
            let seen = fleet.get(*charger)?;
            (!seen.online && seen.since == *at).then_some((*at, *charger, seen.site))
        })
    }

    pub(crate) fn clear(&mut self) {
        self.lost.clear();
    }
}

/// An outage that goes on.
#[derive(Debug, Default)]
pub(crate) struct Burst {
    members: BTreeMap<ChargerKey, (UnixMs, Option<UnixMs>)>,
    missing: usize,
    sites: BTreeSet<SiteKey>,
    /// How many were online when it began.
    of: u32,
    /// Members that were not told to the shards yet.
    pub(crate) fresh: Vec<ChargerKey>,
    /// Since when few enough are missing.
    pub(crate) calm_since: Option<UnixMs>,
    /// What was told of it last: members and how many of them are back.
    told: (usize, usize),
    told_at: UnixMs,
}

/// The least time between two updates of a wide incident.
const TELL_EVERY_MS: i64 = 5_000;

impl Burst {
    pub(crate) fn new(of: usize) -> Self {
        Self { of: of as u32, told_at: UnixMs(i64::MIN), ..Self::default() }
    }

    /// Takes up what an incident knows after a restart. Where chargers are now is not known yet:
    /// those that do not come back are missing.
    pub(crate) fn restored(outage: &Outage) -> Self {
        let mut burst = Self::new(outage.of as usize);
        for member in &outage.members {
            burst.members.insert(member.charger, (member.lost_at, member.back_at));
            burst.missing += usize::from(member.back_at.is_none());
        }
        burst.fresh = burst.members.keys().copied().collect();
        burst
    }

    pub(crate) fn lose(&mut self, charger: ChargerKey, site: SiteKey, at: UnixMs) {
        self.sites.insert(site);
        match self.members.get_mut(&charger) {
            Some((_, back)) => {
                if back.take().is_some() {
                    self.missing += 1;
                }
            }
            None => {
                self.members.insert(charger, (at, None));
                self.missing += 1;
                self.fresh.push(charger);
            }
        }
    }

    pub(crate) fn back(&mut self, charger: ChargerKey, at: UnixMs) {
        if let Some((_, back)) = self.members.get_mut(&charger)
            && back.is_none()
        {
            *back = Some(at);
            self.missing -= 1;
        }
    }

    /// It is no longer registered.
    pub(crate) fn gone(&mut self, charger: ChargerKey) {
        if let Some((_, back)) = self.members.remove(&charger)
            && back.is_none()
        {
            self.missing -= 1;
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.members.len()
    }

    pub(crate) fn missing(&self) -> usize {
        self.missing
    }

    pub(crate) fn of(&self) -> usize {
        self.of as usize
    }

    pub(crate) fn first(&self) -> Option<(ChargerKey, UnixMs)> {
        let (charger, (at, _)) = self.members.first_key_value()?;
        Some((*charger, *at))
    }

    /// As everybody sees it.
    pub(crate) fn outage(&self) -> Outage {
        Outage {
            began_at: self.members.values().map(|(at, _)| *at).min().unwrap_or_default(),
            lost: self.members.len() as u32,
            back: (self.members.len() - self.missing) as u32,
            // More may be lost since than there were at the beginning.
            of: self.of.max(self.members.len() as u32),
            sites: self.sites.len() as u32,
            members: self
                .members
                .iter()
                .take(MEMBERS_MAX)
                .map(|(charger, (lost_at, back_at))| Member {
                    charger: *charger,
                    lost_at: *lost_at,
                    back_at: *back_at,
                    boot: None,
                })
                .collect(),
            cause: None,
            evidence: String::new(),
        }
    }

    /// Whether there is something new to tell, and not too soon after the last time. Gives when to
    /// ask again.
    pub(crate) fn has_news(&mut self, now: UnixMs) -> Result<bool, UnixMs> {
        let state = (self.members.len(), self.missing);
        if state == self.told {
            return Ok(false);
        }
        let next = UnixMs(self.told_at.0.saturating_add(TELL_EVERY_MS));
        if next > now {
            return Err(next);
        }
        self.told = state;
        self.told_at = now;
        Ok(true)
    }

    /// What was just told with its opening.
    pub(crate) fn was_told(&mut self, now: UnixMs) {
        self.told = (self.members.len(), self.missing);
        self.told_at = now;
    }
}
