//! Stories of many chargers that go away together (1.7).

use mendpoint_model::{Boot, Breadth, Cause, ChargerKey, Incident, IncidentState, SiteKey};

use crate::Effect;
use crate::correlate::{Audience, CARRIER_OUTAGE, FLEET_BLIND, NoticeKind, SITE_OUTAGE};
use crate::request::Request;
use crate::settings::EngineSettings;
use crate::world::{World, fault};

const AT: SiteKey = SiteKey(1);

/// A site with so many chargers that speak now and then.
fn site(world: &mut World, site: SiteKey, keys: std::ops::Range<u32>) -> Vec<ChargerKey> {
    let keys: Vec<ChargerKey> = keys.map(ChargerKey).collect();
    for key in &keys {
        world.add_at(*key, site);
        world.boot(*key);
        world.heartbeat(*key);
    }
    keys
}

/// Lets time pass while some chargers talk.
fn live(world: &mut World, keys: &[ChargerKey], minutes: u32) {
    for _ in 0..minutes {
        world.wait(60);
        for key in keys {
            world.heartbeat(*key);
        }
    }
}

fn by_rule<'a>(world: &'a World, rule: &str) -> Vec<&'a Incident> {
    world.incidents.values().filter(|incident| incident.rule == rule).collect()
}

fn lose(world: &mut World, keys: &[ChargerKey]) {
    for key in keys {
        world.disconnect(*key);
        world.wait(3);
    }
}

#[test]
fn a_site_that_loses_its_power_is_one_incident_and_its_cause_is_seen() {
    let mut world = World::new();
    let keys = site(&mut world, AT, 1..6);
    live(&mut world, &keys, 30);
    lose(&mut world, &keys[..4]);
    live(&mut world, &keys[4..], 239);
    assert_eq!(world.tickets.len(), 0, "power and network come back by themselves");
    live(&mut world, &keys[4..], 6);
    let outages = by_rule(&world, SITE_OUTAGE);
    assert_eq!(outages.len(), 1);
    assert_eq!(world.incidents.len(), 1, "no incident of a single charger");
    let outage = outages[0];
    assert_eq!((outage.severity, &outage.ties.breadth), (2, &Breadth::Site));
    assert_eq!(outage.title, "Site outage: 4 of 5 chargers lost within 9 s");
    let id = outage.id;
    // A person is asked once, for the outage.
    assert_eq!(world.tickets.len(), 1);
    assert_eq!(world.tickets[0].incident, id);
    for key in &keys[..4] {
        world.connect(*key);
        world.boot(*key);
    }
    live(&mut world, &keys, 3);
    let outage = &world.incidents[&id];
    assert_eq!(outage.state, IncidentState::Resolved);
    let seen = outage.ties.outage.as_ref().expect("an outage");
    assert_eq!((seen.lost, seen.back, seen.of), (4, 4, 5));
    assert_eq!(seen.cause, Some(Cause::Power));
    assert_eq!(seen.evidence, "4 of 4 chargers booted when they returned.");
    assert!(outage.resolution.starts_with("Power is back after"), "{}", outage.resolution);
    let proposals = world.effects.iter().filter(|effect| matches!(effect, Effect::Exclusion(_)));
    assert_eq!(proposals.count(), 4, "each charger's time may be excluded");
    live(&mut world, &keys, 60);
    assert_eq!(world.incidents.len(), 1);
}

#[test]
fn chargers_that_return_without_a_boot_had_power() {
    let mut world = World::new();
    let keys = site(&mut world, AT, 1..4);
    live(&mut world, &keys, 30);
    lose(&mut world, &keys);
    world.wait(600);
    for key in &keys {
        world.connect(*key);
        world.heartbeat(*key);
    }
    live(&mut world, &keys, 3);
    let outage = world.incident();
    assert_eq!(outage.rule, SITE_OUTAGE);
    let seen = outage.ties.outage.as_ref().expect("an outage");
    assert_eq!(seen.cause, Some(Cause::Network));
    let proposals = world.effects.iter().filter(|effect| matches!(effect, Effect::Exclusion(_)));
    assert_eq!(proposals.count(), 0, "a lost network counts as an outage");
}

#[test]
fn chargers_of_one_operator_share_a_mobile_network_and_no_router() {
    let mut world = World::new();
    let keys = site(&mut world, AT, 1..4);
    for key in &keys {
        let boot = Boot { imsi: Some("262011234567890".to_owned()), ..Boot::default() };
        world.state(*key).boot = Some(Box::new(boot));
    }
    live(&mut world, &keys, 30);
    lose(&mut world, &keys);
    world.wait(300);
    for key in &keys {
        world.connect(*key);
        world.heartbeat(*key);
    }
    live(&mut world, &keys, 3);
    let seen = world.incident().ties.outage.as_ref().expect("an outage");
    assert_eq!(seen.cause, Some(Cause::Carrier));
    assert!(seen.evidence.contains("IMSI 26201"), "{}", seen.evidence);
}

#[test]
fn chargers_that_boot_at_every_return_show_nothing_by_it() {
    let mut world = World::new();
    let keys = site(&mut world, AT, 1..4);
    for _ in 0..5 {
        for key in &keys {
            world.disconnect(*key);
            world.wait(400);
            world.connect(*key);
            world.boot(*key);
        }
    }
    lose(&mut world, &keys);
    world.wait(300);
    for key in &keys {
        world.connect(*key);
        world.boot(*key);
    }
    live(&mut world, &keys, 3);
    let outages = by_rule(&world, SITE_OUTAGE);
    assert_eq!(outages.len(), 1);
    let seen = outages[0].ties.outage.as_ref().expect("an outage");
    assert_eq!(seen.cause, Some(Cause::Unclear), "{}", seen.evidence);
}

#[test]
fn a_hiccup_and_a_small_part_of_a_site_are_no_outage() {
    let mut world = World::new();
    let keys = site(&mut world, AT, 1..11);
    live(&mut world, &keys, 30);
    lose(&mut world, &keys[..5]);
    live(&mut world, &keys[5..], 20);
    assert!(by_rule(&world, SITE_OUTAGE).is_empty(), "half of a site");
    assert_eq!(by_rule(&world, "CP_OFFLINE").len(), 5);
    for key in &keys[..5] {
        world.connect(*key);
    }
    live(&mut world, &keys, 30);
    lose(&mut world, &keys);
    for key in &keys {
        world.connect(*key);
    }
    live(&mut world, &keys, 20);
    assert!(by_rule(&world, SITE_OUTAGE).is_empty(), "they came back at once");
}

#[test]
fn losses_that_are_further_apart_than_two_minutes_are_not_together() {
    let mut world = World::new();
    let keys = site(&mut world, AT, 1..3);
    live(&mut world, &keys, 30);
    world.disconnect(keys[0]);
    world.wait(121);
    world.disconnect(keys[1]);
    world.wait(1_200);
    assert!(by_rule(&world, SITE_OUTAGE).is_empty());
    assert_eq!(by_rule(&world, "CP_OFFLINE").len(), 2);
}

#[test]
fn who_stays_away_after_an_outage_is_judged_anew() {
    let mut world = World::new();
    let keys = site(&mut world, AT, 1..6);
    live(&mut world, &keys, 30);
    lose(&mut world, &keys);
    world.wait(1_500);
    assert_eq!(world.incidents.len(), 1);
    for key in &keys[1..] {
        world.connect(*key);
        world.boot(*key);
    }
    live(&mut world, &keys[1..], 3);
    assert!(world.incidents.values().all(|incident| incident.state.is_over()));
    live(&mut world, &keys[1..], 9);
    let offline = by_rule(&world, "CP_OFFLINE");
    assert_eq!(offline.len(), 1, "after ten minutes of grace");
    assert_eq!(offline[0].charger, keys[0]);
    assert_eq!(offline[0].ties.inhibited_by, None);
}

#[test]
fn what_is_open_of_a_connection_rests_during_an_outage() {
    let mut world = World::new();
    let keys = site(&mut world, AT, 1..6);
    live(&mut world, &keys, 30);
    world.disconnect(keys[0]);
    live(&mut world, &keys[1..], 14);
    let offline = by_rule(&world, "CP_OFFLINE")[0].id;
    world.connect(keys[0]);
    world.wait(1);
    world.disconnect(keys[0]);
    lose(&mut world, &keys[1..]);
    world.wait(60);
    let outage = by_rule(&world, SITE_OUTAGE)[0].id;
    assert_eq!(world.incidents[&offline].ties.inhibited_by, Some(outage));
    world.wait(3_600);
    assert!(world.incidents[&offline].ticket.is_none());
    assert!(world.tickets.iter().all(|ticket| ticket.incident == outage), "it asks nobody");
    for key in &keys {
        world.connect(*key);
        world.boot(*key);
    }
    live(&mut world, &keys, 4);
    assert!(world.incidents.values().all(|incident| incident.state.is_over()));
}

#[test]
fn an_outage_that_a_person_ends_covers_nobody_any_more() {
    let mut world = World::new();
    let keys = site(&mut world, AT, 1..4);
    live(&mut world, &keys, 30);
    lose(&mut world, &keys);
    world.wait(1_200);
    let outage = by_rule(&world, SITE_OUTAGE)[0].id;
    let resolve = Request::Resolve {
        incident: outage,
        user: "Ana".to_owned(),
        reason: String::new(),
        safe: false,
    };
    world.request(resolve).expect("it is open");
    world.wait(700);
    assert_eq!(by_rule(&world, "CP_OFFLINE").len(), 3);
}

#[test]
fn an_outage_goes_on_after_our_own_restart() {
    let mut world = World::new();
    let keys = site(&mut world, AT, 1..6);
    live(&mut world, &keys, 30);
    lose(&mut world, &keys[..4]);
    world.wait(120);
    let outage = by_rule(&world, SITE_OUTAGE)[0].id;
    world.restart(EngineSettings::default());
    world.connect(keys[4]);
    live(&mut world, &keys[4..], 30);
    assert_eq!(world.incidents.len(), 1, "the four are still its members");
    assert!(!world.incidents[&outage].state.is_over());
    for key in &keys[..4] {
        world.connect(*key);
        world.boot(*key);
    }
    live(&mut world, &keys, 3);
    assert_eq!(world.incidents[&outage].state, IncidentState::Resolved);
}

#[test]
fn chargers_that_reconnect_after_our_restart_were_never_lost() {
    let mut world = World::new();
    let mut all = Vec::new();
    for n in 0..20 {
        all.extend(site(&mut world, SiteKey(n + 1), 100 * n + 1..100 * n + 4));
    }
    live(&mut world, &all, 5);
    world.restart(EngineSettings::default());
    for (n, key) in all.iter().enumerate() {
        world.wait(i64::from(n % 3 == 0));
        world.connect(*key);
        world.boot(*key);
    }
    live(&mut world, &all, 30);
    assert!(world.incidents.is_empty());
}

#[test]
fn our_own_stop_is_no_outage_of_a_site_or_the_fleet() {
    let mut world = World::new();
    let mut all = Vec::new();
    for n in 0..20 {
        all.extend(site(&mut world, SiteKey(n + 1), 100 * n + 1..100 * n + 6));
    }
    live(&mut world, &all, 30);
    for key in &all {
        world.end_connection(*key, "closed by us (1001: the central system is stopping)");
    }
    world.wait(200);
    assert!(world.incidents.is_empty(), "{:?}", world.incidents.values().next());
    // What a charger says when it closes does not pass for it.
    for key in &all {
        world.connect(*key);
    }
    live(&mut world, &all, 15);
    for key in &all {
        world.end_connection(*key, "charger closed (1001: the central system is stopping)");
    }
    world.wait(200);
    assert_eq!(by_rule(&world, FLEET_BLIND).len(), 1);
}

#[test]
fn a_fifth_of_the_fleet_lost_at_once_is_our_fault_and_one_page() {
    let mut world = World::new();
    let mut all = Vec::new();
    for n in 0..20 {
        all.extend(site(&mut world, SiteKey(n + 1), 100 * n + 1..100 * n + 6));
    }
    live(&mut world, &all, 30);
    let lost: Vec<ChargerKey> = all.iter().copied().take(50).collect();
    let kept: Vec<ChargerKey> = all.iter().copied().skip(50).collect();
    for key in &lost {
        world.disconnect(*key);
    }
    live(&mut world, &kept, 45);
    assert_eq!(
        world.incidents.len(),
        1,
        "{:?}",
        world.incidents.values().map(|i| &i.title).collect::<Vec<_>>()
    );
    let blind = world.incident();
    assert_eq!(blind.rule, FLEET_BLIND);
    assert!(blind.needs_person);
    let notices: Vec<_> = world
        .effects
        .iter()
        .filter_map(|effect| match effect {
            Effect::Notice(notice) => Some(notice),
            _ => None,
        })
        .collect();
    assert_eq!(notices.len(), 1);
    assert_eq!((notices[0].audience, notices[0].kind), (Audience::Platform, NoticeKind::First));
    assert!(world.tickets.is_empty(), "no installer drives out for it");
    for key in &lost {
        world.connect(*key);
    }
    live(&mut world, &all, 3);
    assert!(world.incident().state.is_over());
    live(&mut world, &all, 60);
    assert_eq!(world.incidents.len(), 1);
}

#[test]
fn while_the_fleet_is_blind_nothing_is_sent_and_afterwards_it_goes_on() {
    let mut world = World::new();
    let keys = site(&mut world, AT, 1..2);
    let mut others = Vec::new();
    for n in 2..14 {
        others.extend(site(&mut world, SiteKey(n), 100 * n..100 * n + 1));
    }
    for key in &others {
        world.disconnect(*key);
    }
    fault(&mut world, "InternalError");
    assert!(world.actions().is_empty(), "nothing is sent");
    for key in &others {
        world.connect(*key);
    }
    let all: Vec<ChargerKey> = keys.iter().chain(&others).copied().collect();
    live(&mut world, &all, 15);
    assert!(!world.actions().is_empty(), "healing goes on");
}

#[test]
fn a_mobile_network_that_fails_is_one_incident_across_sites() {
    let mut world = World::new();
    let mut mobile = Vec::new();
    let mut wired = Vec::new();
    for n in 0..5 {
        let keys = site(&mut world, SiteKey(n + 1), 100 * n + 1..100 * n + 31);
        for key in &keys[..3] {
            let boot = Boot { imsi: Some("262011234567890".to_owned()), ..Boot::default() };
            world.state(*key).boot = Some(Box::new(boot));
            world.booted(*key, true);
        }
        mobile.extend(keys[..3].to_vec());
        wired.extend(keys[3..].to_vec());
    }
    let all: Vec<ChargerKey> = mobile.iter().chain(&wired).copied().collect();
    live(&mut world, &all, 30);
    for key in &mobile {
        world.disconnect(*key);
        world.wait(10);
    }
    live(&mut world, &wired, 30);
    assert_eq!(world.incidents.len(), 1);
    let outage = world.incident();
    assert_eq!(outage.rule, CARRIER_OUTAGE);
    assert_eq!(outage.title, "Mobile network outage: 15 chargers at 5 sites (IMSI 26201)");
    let seen = outage.ties.outage.as_ref().expect("an outage");
    assert_eq!((seen.lost, seen.sites), (15, 5), "those who followed belong to it");
    assert_eq!(seen.cause, Some(Cause::Carrier));
    for key in &mobile {
        world.connect(*key);
        world.heartbeat(*key);
    }
    live(&mut world, &all, 4);
    assert!(world.incident().state.is_over());
    live(&mut world, &all, 30);
    assert_eq!(world.incidents.len(), 1);
}
