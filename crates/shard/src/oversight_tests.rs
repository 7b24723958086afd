//! Two shards and the overseer between them, as the pipeline has them.

use std::collections::BTreeMap;
use std::sync::Arc;

use mendpoint_fleet::FleetSettings;
use mendpoint_incidents::correlate::{Audience, FLEET_BLIND, Notice};
use mendpoint_incidents::overseer::{Directive, Overseer, Report, Target};
use mendpoint_incidents::{Catalogue, Effect, EngineSettings, IdSequence};
use mendpoint_model::{
    Boot, ChargerEvent, ChargerKey, Connected, Disconnected, EventKind, Incident, IncidentId,
    Protocol, SiteKey, UnixMs,
};
use proptest::prelude::*;

use crate::tests::delivered as catalogue;
use crate::{Outputs, Shard};

const START: UnixMs = UnixMs(1_767_225_600_000);

/// Two shards that own the even and the odd sites.
struct Two {
    shards: Vec<Shard>,
    overseer: Overseer,
    now: UnixMs,
    incidents: BTreeMap<IncidentId, Incident>,
    notices: Vec<Notice>,
    tickets: usize,
    commands: usize,
}

impl Two {
    fn new(catalogue: &Arc<Catalogue>, chargers: u32, of_site: u32) -> Self {
        let settings = EngineSettings::default();
        let oversight = settings.correlation.scaled(
            settings.pace,
            &settings.guardrails,
            settings.startup_grace_ms,
        );
        let shards = (0..2)
            .map(|index| {
                let numbers = IdSequence { next: 1 + index, step: 2 };
                let fleet = FleetSettings::default();
                Shard::new(fleet, Arc::clone(catalogue), settings.clone(), numbers, numbers)
            })
            .collect();
        let mut two = Self {
            shards,
            overseer: Overseer::new(oversight),
            now: START,
            incidents: BTreeMap::new(),
            notices: Vec::new(),
            tickets: 0,
            commands: 0,
        };
        for n in 0..chargers {
            let (key, site) = (ChargerKey(n + 1), SiteKey(n / of_site + 1));
            let shard = &mut two.shards[site.0 as usize % 2];
            shard.register(key, site, Arc::from(format!("CP-{n}")));
            two.connect(key, site);
            let boot = Boot { vendor: "ACME".into(), model: "X".into(), ..Boot::default() };
            two.event(key, site, EventKind::Boot(boot));
        }
        two
    }

    fn event(&mut self, charger: ChargerKey, site: SiteKey, kind: EventKind) {
        let event = ChargerEvent { charger, site, received_at: self.now, epoch: 1, frame: 0, kind };
        let mut out = Outputs::default();
        self.shards[site.0 as usize % 2].handle(event, &mut out);
        let reports = self.take(out);
        self.tell(reports);
    }

    fn connect(&mut self, charger: ChargerKey, site: SiteKey) {
        let kind = EventKind::Connected(Connected {
            protocol: Protocol::V16,
            remote: String::new(),
            replaced: false,
            certificate_ends: None,
        });
        self.event(charger, site, kind);
    }

    fn lose(&mut self, charger: ChargerKey, site: SiteKey) {
        let reason = "the network".to_owned();
        self.event(
            charger,
            site,
            EventKind::Disconnected(Disconnected { reason, replaced: false }),
        );
    }

    fn take(&mut self, out: Outputs) -> Vec<Report> {
        for effect in out.effects {
            match effect {
                Effect::Incident(incident) => {
                    self.incidents.insert(incident.id, *incident);
                }
                Effect::Notice(notice) => self.notices.push(*notice),
                Effect::OpenTicket(_) => self.tickets += 1,
                Effect::Send(_) => self.commands += 1,
                _ => {}
            }
        }
        out.reports
    }

    fn tell(&mut self, reports: Vec<Report>) {
        for report in reports {
            self.overseer.report(report);
        }
    }

    /// The overseer's turn, and what the shards make of it.
    fn oversee(&mut self) {
        loop {
            let mut directives = Vec::new();
            self.overseer.advance(self.now, &mut directives);
            if directives.is_empty() {
                return;
            }
            for Directive { to, order } in directives {
                for index in 0..2 {
                    let is_meant = match to {
                        Target::All => true,
                        Target::Site(site) => site.0 as usize % 2 == index,
                    };
                    if is_meant {
                        let mut out = Outputs::default();
                        self.shards[index].direct(self.now, order.clone(), &mut out);
                        let reports = self.take(out);
                        self.tell(reports);
                    }
                }
            }
        }
    }

    fn wait(&mut self, seconds: i64) {
        let until = self.now + seconds * 1_000;
        loop {
            let next = self.shards.iter().filter_map(Shard::next_deadline);
            let next = next.chain(self.overseer.next_deadline()).min();
            let Some(at) = next.filter(|at| *at <= until) else { break };
            self.now = self.now.max(at);
            for index in 0..2 {
                if self.shards[index].next_deadline().is_some_and(|due| due <= self.now) {
                    let mut out = Outputs::default();
                    self.shards[index].advance(self.now, &mut out);
                    let reports = self.take(out);
                    self.tell(reports);
                }
            }
            self.oversee();
        }
        self.now = until;
    }

    fn open(&self) -> Vec<&Incident> {
        self.incidents.values().filter(|incident| !incident.state.is_over()).collect()
    }
}

#[test]
fn ten_thousand_chargers_lost_at_once_are_one_incident_and_one_page() {
    const CHARGERS: u32 = 10_000;
    let mut two = Two::new(&catalogue(), CHARGERS, 8);
    two.wait(5);
    for n in 0..CHARGERS {
        if n % 1_000 == 0 {
            two.wait(1);
        }
        two.lose(ChargerKey(n + 1), SiteKey(n / 8 + 1));
        two.oversee();
    }
    two.wait(45 * 60);
    let all: Vec<_> = two.incidents.values().map(|incident| incident.title.as_str()).collect();
    assert_eq!(two.incidents.len(), 1, "{all:?}");
    let blind = two.open()[0];
    assert_eq!(blind.rule, FLEET_BLIND);
    let seen = blind.ties.outage.as_deref().expect("an outage");
    assert_eq!((seen.lost, seen.back, seen.sites), (10_000, 0, 1_250));
    assert_eq!(seen.members.len(), 200, "the others are counted");
    assert_eq!(two.notices.len(), 1, "one page");
    assert_eq!(two.notices[0].audience, Audience::Platform);
    assert_eq!((two.tickets, two.commands), (0, 0));
    for n in 0..CHARGERS {
        two.connect(ChargerKey(n + 1), SiteKey(n / 8 + 1));
    }
    two.wait(120);
    assert!(two.open().is_empty());
    assert_eq!((two.incidents.len(), two.notices.len()), (1, 1));
}

/// Everything that is open, without the numbers: two shards give theirs in their own order.
fn picture(two: &Two) -> Vec<(String, SiteKey, ChargerKey, String, bool)> {
    let mut all: Vec<_> = two
        .incidents
        .values()
        .map(|incident| {
            (
                incident.rule.clone(),
                incident.site,
                incident.charger,
                incident.title.clone(),
                incident.state.is_over(),
            )
        })
        .collect();
    all.sort();
    all
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Reports of one moment may come in any order.
    #[test]
    fn the_order_within_a_moment_does_not_matter(
        lost in proptest::collection::btree_set(0_u32..40, 1..40),
        back in proptest::collection::btree_set(0_u32..40, 0..20),
        seed in any::<u64>(),
    ) {
        let catalogue = catalogue();
        let run = |shuffled: bool| {
            let mut two = Two::new(&catalogue, 40, 5);
            two.wait(5);
            let mut order: Vec<u32> = lost.iter().copied().collect();
            if shuffled {
                let mut state = seed | 1;
                for index in (1..order.len()).rev() {
                    state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                    order.swap(index, (state >> 33) as usize % (index + 1));
                }
            }
            for n in &order {
                two.lose(ChargerKey(n + 1), SiteKey(n / 5 + 1));
            }
            two.wait(900);
            let mut order: Vec<u32> = back.intersection(&lost).copied().collect();
            if shuffled {
                order.reverse();
            }
            for n in &order {
                two.connect(ChargerKey(n + 1), SiteKey(n / 5 + 1));
            }
            two.wait(900);
            picture(&two)
        };
        prop_assert_eq!(run(false), run(true));
    }

    /// However chargers come and go: when all are back and calm, nothing is inhibited any more.
    #[test]
    fn nothing_is_inhibited_forever(
        script in proptest::collection::vec((0_u32..30, any::<bool>(), 0_i64..400), 1..60),
    ) {
        let mut two = Two::new(&catalogue(), 30, 5);
        two.wait(5);
        let mut away = std::collections::BTreeSet::new();
        for (n, goes, seconds) in script {
            let (key, site) = (ChargerKey(n + 1), SiteKey(n / 5 + 1));
            if goes && away.insert(n) {
                two.lose(key, site);
            } else if !goes && away.remove(&n) {
                two.connect(key, site);
            }
            two.wait(seconds);
        }
        for n in away {
            two.connect(ChargerKey(n + 1), SiteKey(n / 5 + 1));
        }
        for _ in 0..90 {
            two.wait(60);
            for n in 0..30 {
                two.event(ChargerKey(n + 1), SiteKey(n / 5 + 1), EventKind::Heartbeat);
            }
        }
        for incident in two.incidents.values() {
            prop_assert!(!incident.ties.is_quiet() || incident.state.is_over(), "{:?}", incident);
        }
        // Who goes away now is seen, whatever was before.
        two.lose(ChargerKey(1), SiteKey(1));
        two.wait(700);
        prop_assert!(
            two.open().iter().any(|incident| incident.charger == ChargerKey(1)),
            "{:?}", picture(&two)
        );
    }
}
