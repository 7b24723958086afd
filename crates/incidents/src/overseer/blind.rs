//! When much of the fleet vanishes at once, the fault is taken to be ours (1.7, G11): one incident,
//! one page to the platform's people, nothing told of single chargers, nothing sent to any.

use mendpoint_model::{Breadth, Cause, ChargerKey, Incident, UnixMs};

use super::Overseer;
use super::burst::{Burst, Losses};
use super::headline::sites_words;
use super::report::{Directive, Order, Target, Wide};

/// Healing is held at the first look; it is told after this part of the time that other outages are
/// watched for, so that the page names all that were lost together.
const SETTLE_PART: i64 = 6;

/// The dead man's switch.
#[derive(Debug, Default)]
pub(crate) struct Blind {
    losses: Losses,
    burst: Option<Burst>,
    since: UnixMs,
    /// Whether shards were told to send nothing.
    holds: bool,
    /// It went on before our start, and shards were not told yet.
    restored: bool,
    /// Ups and downs that are not taken in yet: those of one moment belong together.
    ups: Vec<ChargerKey>,
    ended_at: Option<UnixMs>,
}

impl Blind {
    pub(crate) fn down(&mut self, charger: ChargerKey, at: UnixMs) {
        self.losses.push(at, charger);
    }

    pub(crate) fn up(&mut self, charger: ChargerKey) {
        if self.burst.is_some() {
            self.ups.push(charger);
        }
    }

    pub(crate) fn restore(&mut self, incident: &Incident) {
        self.burst =
            Some(incident.ties.outage.as_deref().map_or_else(Burst::default, Burst::restored));
        // A restart of ours makes nothing better: healing waits on, for as long as it would have.
        self.since = incident.opened_at;
        self.restored = true;
    }

    pub(crate) fn ended_by_hand(&mut self, at: UnixMs) {
        self.ended_at = Some(at);
    }
}

impl Overseer {
    /// Says when to look again.
    pub(crate) fn look_at_fleet(
        &mut self,
        now: UnixMs,
        out: &mut Vec<Directive>,
    ) -> Option<UnixMs> {
        self.blind.losses.forget(now, self.settings.blind_window_ms);
        if let Some(at) = self.blind.ended_at.take() {
            return self.end_blind(at, None, out);
        }
        if self.blind.burst.is_none() {
            self.begin_blind(now, out);
        }
        self.go_on_blind(now, out)
    }

    fn begin_blind(&mut self, now: UnixMs, out: &mut Vec<Directive>) {
        let settings = &self.settings;
        let blind = &mut self.blind;
        let many = |lost: usize, of: usize| {
            lost >= settings.blind_min && lost * 100 > of * settings.blind_percent as usize
        };
        // The cheap look first: what came back is still in it.
        if !many(blind.losses.len(), self.fleet.online()) {
            return;
        }
        let away: Vec<_> = blind.losses.away(&self.fleet).collect();
        let of = self.fleet.online() + away.len();
        if !many(away.len(), of) {
            return;
        }
        let mut burst = Burst::new(of);
        for (at, charger, site) in away {
            burst.lose(charger, site, at);
        }
        blind.burst = Some(burst);
        blind.since = now;
        blind.holds = true;
        blind.losses.clear();
        out.push(Directive { to: Target::All, order: Order::Hold { on: true } });
    }

    fn go_on_blind(&mut self, now: UnixMs, out: &mut Vec<Directive>) -> Option<UnixMs> {
        let settings = self.settings.clone();
        let blind = &mut self.blind;
        let burst = blind.burst.as_mut()?;
        for (at, charger, site) in blind.losses.away(&self.fleet) {
            burst.lose(charger, site, at);
        }
        blind.losses.clear();
        for charger in std::mem::take(&mut blind.ups) {
            match self.fleet.get(charger) {
                Some(seen) if seen.online => burst.back(charger, seen.since),
                Some(_) => {}
                None => burst.gone(charger),
            }
        }
        let mut wake = None;
        let mut look_at = |at: UnixMs| wake = Some(wake.map_or(at, |other: UnixMs| other.min(at)));
        // Healing waits for the calm, but not for chargers that stay away for good.
        let few = burst.missing() * 200 <= burst.of() * settings.blind_percent as usize;
        if few {
            burst.calm_since.get_or_insert(now);
        } else {
            burst.calm_since = None;
        }
        let hold_ends = blind.since + settings.blind_hold_max_ms;
        if std::mem::take(&mut blind.restored) && hold_ends > now {
            blind.holds = true;
            out.push(Directive { to: Target::All, order: Order::Hold { on: true } });
        }
        if blind.holds && hold_ends <= now {
            blind.holds = false;
            out.push(Directive { to: Target::All, order: Order::Hold { on: false } });
        } else if blind.holds {
            look_at(hold_ends);
        }
        if let Some(since) = burst.calm_since {
            let ends = (since + settings.over_ms).max(blind.since + settings.blind_hold_ms);
            if ends <= now {
                let outage = burst.outage();
                return self.end_blind(now, Some(outage), out);
            }
            look_at(ends);
        }
        let tells = blind.since + settings.settle_ms / SETTLE_PART;
        // In our startup grace few are back yet, and a part of few says nothing.
        let known = burst.of().max(self.fleet.len());
        let is_part = burst.missing() * 100 <= known * settings.blind_percent as usize;
        match self.opened(&Breadth::Fleet, "") {
            None => {
                if tells > now {
                    look_at(tells);
                } else if few {
                    // A moment's trouble: it is over before anybody is called.
                } else if is_part && now < self.grace_until {
                    look_at(self.grace_until);
                } else {
                    self.open_blind(now, out);
                }
            }
            // The shard's answer wakes us.
            Some(super::Opened { id: None, .. }) => {}
            Some(super::Opened { id: Some(incident), site }) => {
                let burst = self.blind.burst.as_mut()?;
                if !burst.fresh.is_empty() {
                    burst.fresh.clear();
                    let order = Order::Cover { incident, chargers: None };
                    out.push(Directive { to: Target::All, order });
                }
                match burst.has_news(now) {
                    Ok(true) => {
                        let outage = Box::new(platform(burst.outage()));
                        let order = Order::Update { incident, outage };
                        out.push(Directive { to: Target::Site(site), order });
                    }
                    Ok(false) => {}
                    Err(at) => look_at(at),
                }
            }
        }
        wake
    }

    fn open_blind(&mut self, now: UnixMs, out: &mut Vec<Directive>) {
        let Some(burst) = self.blind.burst.as_mut() else { return };
        burst.was_told(now);
        let outage = platform(burst.outage());
        let Some((charger, _)) = burst.first() else { return };
        let Some(site) = self.fleet.get(charger).map(|seen| seen.site) else { return };
        let Some((title, description)) = super::headline(&Breadth::Fleet, &outage) else { return };
        let wide = Wide {
            breadth: Breadth::Fleet,
            rule: crate::correlate::FLEET_BLIND.into(),
            version: 1,
            ask_after_ms: 0,
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
        self.open(wide, out);
    }

    /// They are back, or a person ended it.
    fn end_blind(
        &mut self,
        now: UnixMs,
        outage: Option<mendpoint_model::Outage>,
        out: &mut Vec<Directive>,
    ) -> Option<UnixMs> {
        let opened = self.opened(&Breadth::Fleet, "");
        if matches!(opened, Some(super::Opened { id: None, .. })) {
            // The shard has not said its number yet; its answer wakes us.
            return None;
        }
        let holds = std::mem::take(&mut self.blind.holds);
        if holds {
            out.push(Directive { to: Target::All, order: Order::Hold { on: false } });
        }
        self.blind.burst = None;
        self.blind.ups.clear();
        // What is away is away already: only new losses make it blind again.
        self.blind.losses.clear();
        if let Some(super::Opened { id: Some(incident), site }) = opened {
            self.forget_opened(&Breadth::Fleet, "");
            let lasted = now.since_ms(outage.as_ref().map_or(now, |outage| outage.began_at));
            let lasted = crate::duration::duration_words(lasted);
            let missing = outage.as_ref().map_or(0, |outage| outage.lost - outage.back);
            let words = match missing {
                0 => format!("The chargers are back after {lasted}"),
                missing => format!("All chargers but {missing} are back after {lasted}"),
            };
            let outage = outage.map(|outage| Box::new(platform(outage)));
            let order = Order::Close { incident, words, outage };
            out.push(Directive { to: Target::Site(site), order });
            out.push(Directive { to: Target::All, order: Order::Release { incident } });
        }
        None
    }
}

fn platform(mut outage: mendpoint_model::Outage) -> mendpoint_model::Outage {
    outage.cause = Some(Cause::Platform);
    outage.evidence = format!(
        "{} of {} chargers that were online were lost within a minute, at {}.",
        outage.lost,
        outage.of,
        sites_words(outage.sites)
    );
    outage
}
