//! Chargers of several sites that one mobile network lost (1.7).

use std::collections::{BTreeMap, BTreeSet};

use mendpoint_model::{
    Boot, Breadth, Cause, ChargerKey, HOUR_MS, Incident, Outage, SiteKey, UnixMs,
};

use super::burst::{Burst, Losses};
use super::headline::sites_words;
use super::report::{Directive, Order, Target, Wide};
use super::seen::Fleet;
use super::{Opened, Overseer, OverseerSettings};
use crate::duration::duration_words;

/// Ordinary losses are averaged over about this time.
const USUAL_MS: i64 = 24 * HOUR_MS;

/// The operator of a charger's SIM card: country and network from its IMSI, else the issuer from its
/// ICCID. `None` for a charger that tells of no SIM card.
pub fn carrier_of(boot: &Boot) -> Option<Box<str>> {
    let digits = |text: &Option<String>| -> String {
        text.iter().flat_map(|text| text.chars()).filter(char::is_ascii_digit).collect()
    };
    let imsi = digits(&boot.imsi);
    if (14..=15).contains(&imsi.len()) {
        // Networks of North America have three digits, all others two.
        let country: u32 = imsi[..3].parse().unwrap_or(0);
        let is_american = matches!(country, 302 | 334 | 310..=316);
        let length = if is_american { 6 } else { 5 };
        return Some(format!("IMSI {}", &imsi[..length]).into());
    }
    let iccid = digits(&boot.iccid);
    if (18..=22).contains(&iccid.len()) && iccid.starts_with("89") {
        // 89, the country as in telephone numbers, two digits of the issuer.
        let two: u32 = iccid[2..4].parse().unwrap_or(0);
        let country = match two {
            10..=19 | 70..=79 => 1,
            20
            | 27
            | 28
            | 30..=34
            | 36
            | 39..=41
            | 43..=49
            | 51..=58
            | 60..=66
            | 81
            | 82
            | 84
            | 86
            | 90..=95
            | 98 => 2,
            _ => 3,
        };
        return Some(format!("ICCID {}", &iccid[..2 + country + 2]).into());
    }
    None
}

/// One carrier.
#[derive(Debug, Default)]
struct Watch {
    losses: Losses,
    burst: Option<Burst>,
    /// Since when there are enough losses for an outage.
    since: Option<UnixMs>,
    /// Losses of the window on an ordinary day, and when that was last brought up to date.
    usual: f64,
    usual_at: Option<UnixMs>,
    /// Losses since then.
    counted: u32,
    ups: Vec<ChargerKey>,
    ended: bool,
}

impl Watch {
    /// Brings the ordinary rate up to date, once a window.
    fn learn(&mut self, now: UnixMs, window_ms: i64) {
        let Some(at) = self.usual_at else {
            self.usual_at = Some(now);
            return;
        };
        let passed = now.since_ms(at);
        if passed < window_ms {
            return;
        }
        // During an outage nothing is ordinary.
        if self.burst.is_none() && self.since.is_none() {
            let rate = f64::from(self.counted) * window_ms as f64 / passed as f64;
            let weight = (passed as f64 / USUAL_MS as f64).min(1.0);
            self.usual += (rate - self.usual) * weight;
        }
        self.counted = 0;
        self.usual_at = Some(now);
    }

    /// The chargers that are away since their loss, when and where, if they are enough for an outage.
    fn lost_together(
        &self,
        settings: &OverseerSettings,
        fleet: &Fleet,
    ) -> Option<BTreeMap<ChargerKey, (UnixMs, SiteKey)>> {
        let usual = (self.usual * f64::from(settings.carrier_factor)).ceil() as usize;
        let enough = settings.carrier_min.max(usual);
        if self.losses.len() < enough {
            return None;
        }
        let away = self.losses.away(fleet);
        let away: BTreeMap<_, _> = away.map(|(at, charger, site)| (charger, (at, site))).collect();
        let sites: BTreeSet<_> = away.values().map(|(_, site)| *site).collect();
        (away.len() >= enough && sites.len() >= settings.carrier_sites).then_some(away)
    }
}

/// All carriers.
#[derive(Debug, Default)]
pub(crate) struct Carriers {
    watches: BTreeMap<u32, Watch>,
    /// Incidents of before a restart, by the name of the carrier.
    restored: BTreeMap<String, Burst>,
}

impl Carriers {
    pub(crate) fn down(&mut self, charger: ChargerKey, at: UnixMs, fleet: &Fleet) {
        let Some(carrier) = fleet.get(charger).and_then(|seen| seen.carrier) else { return };
        let watch = self.watches.entry(carrier).or_default();
        watch.losses.push(at, charger);
        watch.counted += 1;
    }

    pub(crate) fn up(&mut self, charger: ChargerKey, fleet: &Fleet) {
        let Some(carrier) = fleet.get(charger).and_then(|seen| seen.carrier) else { return };
        if let Some(watch) = self.watches.get_mut(&carrier)
            && watch.burst.is_some()
        {
            watch.ups.push(charger);
        }
    }

    pub(crate) fn gone(&mut self, charger: ChargerKey) {
        for watch in self.watches.values_mut() {
            if let Some(burst) = &mut watch.burst {
                burst.gone(charger);
            }
        }
    }

    pub(crate) fn restore(&mut self, _now: UnixMs, carrier: &str, incident: &Incident) {
        let burst = incident.ties.outage.as_deref().map_or_else(Burst::default, Burst::restored);
        self.restored.insert(carrier.to_owned(), burst);
    }

    pub(crate) fn ended_by_hand(&mut self, carrier: &str) {
        self.restored.remove(carrier);
        // The names are few, and a person ends one at a time.
        for watch in self.watches.values_mut() {
            watch.ended |= watch.burst.is_some();
        }
    }
}

impl Overseer {
    /// Says when to look again.
    pub(crate) fn look_at_carriers(
        &mut self,
        now: UnixMs,
        out: &mut Vec<Directive>,
    ) -> Option<UnixMs> {
        for (name, burst) in std::mem::take(&mut self.carriers.restored) {
            let number = self.fleet.carrier(&name);
            self.carriers.watches.entry(number).or_default().burst = Some(burst);
        }
        let numbers: Vec<u32> = self.carriers.watches.keys().copied().collect();
        let mut wake: Option<UnixMs> = None;
        for number in numbers {
            let at = self.look_at_carrier(number, now, out);
            wake = [wake, at].into_iter().flatten().min();
        }
        wake
    }

    fn look_at_carrier(
        &mut self,
        number: u32,
        now: UnixMs,
        out: &mut Vec<Directive>,
    ) -> Option<UnixMs> {
        let watch = self.carriers.watches.get_mut(&number)?;
        watch.learn(now, self.settings.carrier_window_ms);
        watch.losses.forget(now, self.settings.carrier_window_ms);
        if watch.burst.is_none() {
            let Some(away) = watch.lost_together(&self.settings, &self.fleet) else {
                watch.since = None;
                return None;
            };
            let since = *watch.since.get_or_insert(now);
            // Half of what an outage of a site is given, so that it comes before those of its sites.
            let opens = (since + self.settings.settle_ms / 2).max(self.grace_until);
            if opens > now {
                return Some(opens);
            }
            let mut burst = Burst::new(self.fleet.online_of(number) + away.len());
            for (charger, (at, site)) in away {
                burst.lose(charger, site, at);
            }
            watch.burst = Some(burst);
            watch.since = None;
            watch.losses.clear();
        }
        self.go_on_carrier(number, now, out)
    }

    fn go_on_carrier(
        &mut self,
        number: u32,
        now: UnixMs,
        out: &mut Vec<Directive>,
    ) -> Option<UnixMs> {
        let settings = self.settings.clone();
        let name = self.fleet.carrier_name(number).to_owned();
        let breadth = Breadth::Carrier(name.clone());
        let opened = self.opened(&breadth, "");
        let watch = self.carriers.watches.get_mut(&number)?;
        let burst = watch.burst.as_mut()?;
        for (at, charger, site) in watch.losses.away(&self.fleet) {
            burst.lose(charger, site, at);
        }
        watch.losses.clear();
        for charger in std::mem::take(&mut watch.ups) {
            if let Some(seen) = self.fleet.get(charger).filter(|seen| seen.online) {
                burst.back(charger, seen.since);
            }
        }
        if burst.missing() * 100 < burst.len() * (100 - settings.site_percent as usize) {
            burst.calm_since.get_or_insert(now);
        } else {
            burst.calm_since = None;
        }
        let ends = burst.calm_since.map(|since| since + settings.over_ms);
        let is_over = watch.ended || ends.is_some_and(|at| at <= now);
        match opened {
            None => {
                burst.was_told(now);
                let wide = wide_of(burst, &self.fleet, &name, breadth)?;
                self.open(wide, out);
                ends
            }
            Some(Opened { id: None, .. }) => None,
            Some(Opened { id: Some(incident), site }) if is_over => {
                let outage = mobile(burst.outage(), &name);
                let words = format!(
                    "The chargers are back after {}",
                    duration_words(now.since_ms(outage.began_at))
                );
                watch.burst = None;
                watch.ended = false;
                self.forget_opened(&breadth, "");
                let order = Order::Close { incident, words, outage: Some(Box::new(outage)) };
                out.push(Directive { to: Target::Site(site), order });
                out.push(Directive { to: Target::All, order: Order::Release { incident } });
                None
            }
            Some(Opened { id: Some(incident), site }) => {
                let fresh = std::mem::take(&mut burst.fresh);
                if !fresh.is_empty() {
                    let order = Order::Cover { incident, chargers: Some(fresh) };
                    out.push(Directive { to: Target::All, order });
                }
                let mut wake = ends;
                match burst.has_news(now) {
                    Ok(true) => {
                        let outage = Box::new(mobile(burst.outage(), &name));
                        let order = Order::Update { incident, outage };
                        out.push(Directive { to: Target::Site(site), order });
                    }
                    Ok(false) => {}
                    Err(at) => wake = Some(wake.map_or(at, |other| other.min(at))),
                }
                wake
            }
        }
    }
}

fn wide_of(burst: &Burst, fleet: &Fleet, name: &str, breadth: Breadth) -> Option<Wide> {
    let outage = mobile(burst.outage(), name);
    let (charger, _) = burst.first()?;
    let site = fleet.get(charger)?.site;
    let (title, description) = super::headline(&breadth, &outage)?;
    Some(Wide {
        breadth,
        rule: crate::correlate::CARRIER_OUTAGE.into(),
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
    })
}

fn mobile(mut outage: Outage, name: &str) -> Outage {
    outage.cause = Some(Cause::Carrier);
    outage.evidence = format!(
        "All {} have a SIM card of the same operator ({name}); they stand at {}.",
        outage.lost,
        sites_words(outage.sites)
    );
    outage
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sim(imsi: &str, iccid: &str) -> Boot {
        Boot { imsi: Some(imsi.to_owned()), iccid: Some(iccid.to_owned()), ..Boot::default() }
    }

    #[test]
    fn the_operator_is_read_from_the_sim_card() {
        let of = |imsi: &str, iccid: &str| carrier_of(&sim(imsi, iccid)).unwrap_or_default();
        assert_eq!(&*of("262011234567890", ""), "IMSI 26201", "Germany, Telekom");
        assert_eq!(&*of("310260123456789", ""), "IMSI 310260", "USA, T-Mobile");
        assert_eq!(&*of("", "8949 0200 0000 1234 5678"), "ICCID 894902", "Germany");
        assert_eq!(&*of("", "89148000000112345678"), "ICCID 89148", "USA, Verizon");
        assert_eq!(&*of("", "8935811234567890123"), "ICCID 8935811", "Finland");
        assert_eq!(&*of("12", "none"), "");
        assert_eq!(carrier_of(&Boot::default()), None);
    }
}
