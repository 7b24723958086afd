//! The overseer by itself: reports in, directives out.

use mendpoint_model::{
    Breadth, ChargerKey, Cohort, DAY_MS, HOUR_MS, Incident, IncidentId, MINUTE_MS, Member, Outage,
    SiteKey, UnixMs,
};

use super::{Directive, Order, Overseer, OverseerSettings, Report, ReportKind, Wide};

const START: UnixMs = UnixMs(1_767_225_600_000);

struct Scene {
    overseer: Overseer,
    now: UnixMs,
    opened: Vec<Wide>,
    closed: Vec<String>,
    all: Vec<Directive>,
}

fn cohort(firmware: &str) -> Cohort {
    Cohort { vendor: "ACME".to_owned(), model: "X".to_owned(), firmware: firmware.to_owned() }
}

impl Scene {
    fn new() -> Self {
        Self {
            overseer: Overseer::new(OverseerSettings::default()),
            now: START,
            opened: Vec::new(),
            closed: Vec::new(),
            all: Vec::new(),
        }
    }

    fn tell(&mut self, charger: u32, kind: ReportKind) {
        let (charger, site) = (ChargerKey(charger), SiteKey(charger / 4 + 1));
        self.overseer.report(Report { at: self.now, charger, site, kind });
    }

    fn known(&mut self, charger: u32, firmware: &str) {
        let kind = ReportKind::Known {
            cohort: Some(Box::new(cohort(firmware))),
            carrier: None,
            connectors: 2,
            online: true,
        };
        self.tell(charger, kind);
    }

    fn alert(&mut self, charger: u32, code: &str) {
        self.tell(charger, ReportKind::Alert { code: code.into() });
    }

    /// Lets time pass; the shard of each wide incident answers at once.
    fn wait(&mut self, ms: i64) {
        let until = self.now + ms;
        while let Some(at) = self.overseer.next_deadline().filter(|at| *at <= until) {
            self.now = self.now.max(at);
            let mut out = Vec::new();
            self.overseer.advance(self.now, &mut out);
            for directive in &out {
                match &directive.order {
                    Order::Open(wide) => {
                        self.opened.push((**wide).clone());
                        let incident = IncidentId(self.opened.len() as i64);
                        let kind = ReportKind::Opened {
                            rule: wide.rule.clone(),
                            breadth: wide.breadth.clone(),
                            code: wide.code.clone(),
                            incident,
                        };
                        self.tell(wide.charger.0, kind);
                    }
                    Order::Close { words, .. } => self.closed.push(words.clone()),
                    _ => {}
                }
            }
            self.all.extend(out);
        }
        self.now = until;
    }

    /// Ten chargers that ran 1.0 for two weeks with so many alerts, and then took 1.1.
    fn updated(before: u32) -> Self {
        let mut scene = Self::new();
        for charger in 0..10 {
            scene.known(charger, "1.0");
        }
        for n in 0..14 {
            if n < before {
                scene.alert(n % 10, "InternalError");
            }
            scene.wait(DAY_MS);
        }
        for charger in 0..10 {
            scene.known(charger, "1.1");
        }
        scene.wait(MINUTE_MS);
        scene
    }
}

#[test]
fn a_firmware_that_fails_three_times_as_often_is_found() {
    let mut scene = Scene::updated(2);
    for charger in 0..6 {
        scene.wait(HOUR_MS);
        scene.alert(charger, "InternalError");
    }
    scene.wait(5 * MINUTE_MS);
    assert_eq!(scene.opened.len(), 1);
    let found = &scene.opened[0];
    assert_eq!(found.breadth, Breadth::Cohort(cohort("1.1")));
    assert_eq!(found.code, "InternalError");
    let figures = found.regression.as_ref().expect("figures");
    assert_eq!((figures.chargers, figures.before.as_str()), (10, "1.0"));
    assert_eq!(figures.then.0, 2);
    assert!(figures.p < 0.01, "{figures:?}");
    assert!(figures.ratio.expect("it came before") >= 3.0);
    assert!(figures.affected >= 3);
}

#[test]
fn a_fault_that_was_as_frequent_before_is_no_regression() {
    let mut scene = Scene::new();
    for charger in 0..10 {
        scene.known(charger, "1.0");
    }
    for _ in 0..14 {
        for charger in 0..5 {
            scene.alert(charger, "InternalError");
        }
        scene.wait(DAY_MS);
    }
    for charger in 0..10 {
        scene.known(charger, "1.1");
    }
    for charger in 0..5 {
        scene.wait(4 * HOUR_MS);
        scene.alert(charger, "InternalError");
    }
    scene.wait(HOUR_MS);
    assert!(scene.opened.is_empty(), "{:?}", scene.opened);
}

#[test]
fn two_chargers_or_a_handful_of_the_fleet_prove_nothing() {
    let mut scene = Scene::updated(0);
    for _ in 0..10 {
        scene.wait(30 * MINUTE_MS);
        scene.alert(0, "InternalError");
        scene.alert(1, "InternalError");
    }
    scene.wait(HOUR_MS);
    assert!(scene.opened.is_empty(), "two chargers may be broken");
    let mut scene = Scene::new();
    for charger in 0..4 {
        scene.known(charger, "1.0");
    }
    scene.wait(14 * DAY_MS);
    for charger in 0..4 {
        scene.known(charger, "1.1");
    }
    for _ in 0..5 {
        for charger in 0..4 {
            scene.wait(10 * MINUTE_MS);
            scene.alert(charger, "InternalError");
        }
    }
    scene.wait(HOUR_MS);
    assert!(scene.opened.is_empty(), "four chargers are too few to compare");
}

#[test]
fn a_regression_ends_when_the_firmware_is_taken_back() {
    let mut scene = Scene::updated(0);
    for charger in 0..6 {
        scene.wait(HOUR_MS);
        scene.alert(charger, "InternalError");
    }
    scene.wait(5 * MINUTE_MS);
    assert_eq!(scene.opened.len(), 1);
    for charger in 0..10 {
        scene.known(charger, "1.0");
    }
    scene.wait(2 * HOUR_MS);
    assert_eq!(scene.closed.len(), 1);
    assert_eq!(scene.opened.len(), 1, "the old one is not worse than the new one");
}

#[test]
fn a_regression_that_a_person_ended_rests_for_a_day() {
    let mut scene = Scene::updated(0);
    for charger in 0..6 {
        scene.wait(HOUR_MS);
        scene.alert(charger, "InternalError");
    }
    scene.wait(5 * MINUTE_MS);
    let kind = ReportKind::Ended {
        rule: crate::correlate::FW_REGRESSION.into(),
        breadth: Breadth::Cohort(cohort("1.1")),
        code: "InternalError".to_owned(),
    };
    scene.tell(0, kind);
    scene.alert(7, "InternalError");
    scene.wait(HOUR_MS);
    assert_eq!(scene.opened.len(), 1);
}

#[test]
fn the_rates_of_cohorts_are_per_thousand_connector_hours() {
    let mut scene = Scene::new();
    for charger in 0..10 {
        scene.known(charger, "1.0");
    }
    scene.wait(2 * DAY_MS);
    for charger in 0..3 {
        scene.alert(charger, "InternalError");
    }
    scene.wait(MINUTE_MS);
    let rates = scene.overseer.cohort_rates(scene.now);
    assert_eq!(rates.len(), 1);
    assert_eq!((rates[0].chargers, rates[0].alerts), (10, 3));
    // Ten chargers with two connectors in 24 hours.
    assert!((rates[0].connector_hours - 480.0).abs() < 0.01);
    assert!((rates[0].rate - 3.0 * 1_000.0 / 480.0).abs() < 0.01);
}

#[test]
fn what_was_before_a_restart_is_compared_after_it() {
    let mut overseer = Overseer::new(OverseerSettings::default());
    let since = START - 20 * DAY_MS;
    for charger in 0..10 {
        overseer.remember_firmware(ChargerKey(charger), &cohort("1.0"), since);
        overseer.remember_firmware(ChargerKey(charger), &cohort("1.1"), START - 10 * HOUR_MS);
    }
    for charger in 0..6 {
        let at = START - i64::from(charger + 1) * HOUR_MS;
        overseer.remember_alert(ChargerKey(charger), "InternalError", at);
    }
    overseer.restore(START, &[]);
    let mut scene = Scene { overseer, now: START, ..Scene::new() };
    for charger in 0..10 {
        scene.known(charger, "1.1");
    }
    scene.wait(MINUTE_MS);
    assert!(scene.opened.is_empty(), "not within the grace of a start");
    scene.wait(15 * MINUTE_MS);
    scene.alert(7, "InternalError");
    scene.wait(5 * MINUTE_MS);
    assert_eq!(scene.opened.len(), 1);
}

#[test]
fn ordinary_losses_of_a_large_carrier_are_no_outage() {
    let mut scene = Scene::new();
    for charger in 0..2_000 {
        let kind = ReportKind::Known {
            cohort: None,
            carrier: Some("IMSI 26201".into()),
            connectors: 1,
            online: true,
        };
        scene.tell(charger, kind);
    }
    scene.wait(1_000);
    // Twelve chargers in five minutes, each away for six: that is how this carrier is.
    let mut away = std::collections::VecDeque::new();
    for n in 0..(3 * 24 * 12 * 12_u32) {
        let charger = n * 7 % 2_000;
        scene.tell(charger, ReportKind::Down);
        away.push_back(charger);
        if away.len() > 9
            && let Some(back) = away.pop_front()
        {
            scene.tell(back, ReportKind::Up);
        }
        scene.wait(25_000);
    }
    assert!(scene.opened.is_empty(), "{:?}", scene.opened.first());
}

impl Scene {
    /// So many chargers, online, of a fleet of so many that is known.
    fn fleet(online: u32, known: u32) -> Self {
        let mut scene = Self::new();
        for charger in 0..known {
            let kind = ReportKind::Known {
                cohort: None,
                carrier: None,
                connectors: 1,
                online: charger < online,
            };
            scene.tell(charger, kind);
        }
        scene
    }

    fn lose(&mut self, chargers: std::ops::Range<u32>) {
        for charger in chargers {
            self.tell(charger, ReportKind::Down);
        }
    }
}

#[test]
fn a_fleet_lost_in_the_grace_after_our_start_is_told_at_once() {
    let mut scene = Scene::fleet(90, 100);
    scene.overseer.restore(scene.now, &[]);
    scene.wait(MINUTE_MS);
    scene.lose(0..90);
    scene.wait(6_000);
    assert_eq!(scene.opened.len(), 1, "{:?}", scene.opened);
    assert_eq!(scene.opened[0].title, "Fleet blind: 90 of 90 chargers lost at once");
}

#[test]
fn a_part_of_the_few_that_are_back_after_our_start_says_nothing_yet() {
    let mut scene = Scene::fleet(30, 1_000);
    scene.overseer.restore(scene.now, &[]);
    scene.wait(MINUTE_MS);
    scene.lose(0..20);
    scene.wait(6_000);
    let holds = |directive: &Directive| matches!(directive.order, Order::Hold { on: true });
    assert!(scene.all.iter().any(holds), "nothing is sent meanwhile");
    assert!(scene.opened.is_empty());
    scene.wait(OverseerSettings::default().startup_grace_ms);
    assert_eq!(scene.opened.len(), 1, "they did not come back");
}

#[test]
fn the_page_of_a_blind_fleet_names_all_that_were_lost_together() {
    let mut scene = Scene::fleet(100, 100);
    for second in 0..4 {
        scene.lose(second * 25..(second + 1) * 25);
        scene.wait(1_000);
    }
    scene.wait(10_000);
    assert_eq!(scene.opened.len(), 1);
    assert_eq!(scene.opened[0].title, "Fleet blind: 100 of 100 chargers lost at once");
}

#[test]
fn a_blind_fleet_stays_held_over_a_restart_of_ours() {
    let holds = |scene: &Scene| {
        let hold = |directive: &Directive| match directive.order {
            Order::Hold { on } => Some(on),
            _ => None,
        };
        scene.all.iter().filter_map(hold).collect::<Vec<_>>()
    };
    let settings = OverseerSettings::default();
    let blind = |opened_at: UnixMs| {
        let rule = crate::correlate::FLEET_BLIND;
        let mut incident =
            Incident::opened(IncidentId(7), rule, ChargerKey(0), SiteKey(1), opened_at);
        incident.ties.breadth = Breadth::Fleet;
        let member = |charger| Member {
            charger: ChargerKey(charger),
            lost_at: opened_at,
            back_at: None,
            boot: None,
        };
        incident.ties.outage = Some(Box::new(Outage {
            began_at: opened_at,
            lost: 40,
            of: 100,
            members: (0..40).map(member).collect(),
            ..Outage::default()
        }));
        incident
    };
    let mut scene = Scene::fleet(0, 100);
    scene.overseer.restore(scene.now, &[blind(scene.now + -MINUTE_MS)]);
    for charger in 40..100 {
        scene.tell(charger, ReportKind::Up);
    }
    scene.wait(5 * MINUTE_MS);
    assert_eq!(holds(&scene), [true], "they are still away");
    assert!(scene.opened.is_empty() && scene.closed.is_empty());
    for charger in 0..40 {
        scene.tell(charger, ReportKind::Up);
    }
    scene.wait(settings.over_ms + settings.blind_hold_ms + MINUTE_MS);
    assert_eq!(holds(&scene), [true, false]);
    // What lasted for longer than healing may be held is not held anew.
    let mut scene = Scene::fleet(0, 100);
    let opened_at = scene.now + -(settings.blind_hold_max_ms + MINUTE_MS);
    scene.overseer.restore(scene.now, &[blind(opened_at)]);
    scene.wait(MINUTE_MS);
    assert_eq!(holds(&scene), Vec::<bool>::new());
}
